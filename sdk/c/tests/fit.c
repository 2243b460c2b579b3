#include "check.h"

static const gm_json *order(void) {
    return parsed("{\"to\":\"ada\",\"count\":3,\"rate\":0.5,\"fast\":true,\"none\":null,\"items\":[1,\"two\",[]],"
                  "\"sub\":{\"nul\":\"a\\u0000\",\"big\":1e999}}");
}

static void gives_what_fits(void) {
    gm_misfit misfit = {0};
    const gm_json *data = order();
    SAME(gm_need_string(data, "to", &misfit), "ada");
    CHECK(gm_need_int(data, "count", 0, 3, &misfit) == 3 && gm_need_double(data, "rate", &misfit) == 0.5);
    CHECK(gm_need_double(data, "count", &misfit) == 3 && gm_need_bool(data, "fast", &misfit));
    CHECK(gm_json_count(gm_need_array(data, "items", &misfit)) == 3);
    CHECK(gm_json_count(gm_need_object(data, "sub", &misfit)) == 2);
    CHECK(gm_need_int(gm_json_at(gm_json_get(data, "items"), 0), NULL, 1, 1, &misfit) == 1);
    CHECK(misfit.message == NULL);
}

static void missing_and_null_may_be_otherwise(void) {
    gm_misfit misfit = {0};
    const gm_json *data = order();
    SAME(gm_maybe_string(data, "other", "x", &misfit), "x");
    CHECK(gm_maybe_string(data, "none", NULL, &misfit) == NULL);
    CHECK(gm_maybe_int(data, "none", 5, 6, 0, &misfit) == 0 && gm_maybe_int(data, "count", 0, 9, 0, &misfit) == 3);
    CHECK(gm_maybe_double(data, "other", 2.5, &misfit) == 2.5 && gm_maybe_double(data, "rate", 0, &misfit) == 0.5);
    CHECK(gm_maybe_bool(data, "none", true, &misfit) && gm_maybe_bool(data, "fast", false, &misfit));
    CHECK(misfit.message == NULL);
}

#define MISFIT(call, expected)          \
    do {                                \
        gm_misfit misfit = {0};         \
        call;                           \
        SAME(misfit.message, expected); \
    } while (0)

static void misfits_name_the_place(void) {
    const gm_json *data = order(), *items = gm_json_get(data, "items"), *sub = gm_json_get(data, "sub");
    MISFIT(gm_need_string(data, "other", &misfit), "missing field `other`");
    MISFIT(gm_need_string(sub, "other", &misfit), "at `sub`: missing field `other`");
    MISFIT(gm_need_string(data, "count", &misfit), "at `count`: expected a string, found 3");
    MISFIT(gm_need_string(sub, "nul", &misfit), "at `sub.nul`: expected a string without a NUL inside");
    MISFIT(gm_need_int(gm_json_at(items, 1), NULL, 0, 9, &misfit),
           "at `items[1]`: expected a whole number, found \"two\"");
    MISFIT(gm_need_int(data, "rate", 0, 9, &misfit), "at `rate`: expected a whole number from 0 to 9, found 0.5");
    MISFIT(gm_maybe_int(data, "count", -9, 2, 0, &misfit), "at `count`: expected a whole number from -9 to 2, found 3");
    MISFIT(gm_need_double(sub, "big", &misfit), "at `sub.big`: expected a smaller number, found 1e999");
    MISFIT(gm_need_bool(data, "none", &misfit), "at `none`: expected true or false, found null");
    MISFIT(gm_maybe_bool(data, "to", true, &misfit), "at `to`: expected true or false, found \"ada\"");
    MISFIT(gm_need_array(data, "sub", &misfit), "at `sub`: expected an array, found an object");
    MISFIT(gm_need_object(data, "items", &misfit), "at `items`: expected an object, found an array");
    MISFIT(gm_need_string(items, "to", &misfit), "at `items`: expected an object, found an array");
    MISFIT(gm_need_string(NULL, "to", &misfit), "expected an object, found nothing");
    MISFIT(gm_need_int(parsed("\"0123456789012345678901234567890123456789\xC3\xA4\""), NULL, 0, 1, &misfit),
           "expected a whole number, found \"0123456789012345678901234567890123456789…\"");
}

static void the_first_misfit_stays(void) {
    gm_misfit misfit = {0};
    const gm_json *sub = gm_need_object(order(), "to", &misfit);
    CHECK(sub == NULL && gm_need_int(sub, "count", 0, 1, &misfit) == 0);
    SAME(gm_need_string(sub, "name", &misfit), "");
    gm_misfit_at(&misfit, NULL, "later");
    SAME(misfit.message, "at `to`: expected an object, found \"ada\"");
}

void test_fit(void) {
    gives_what_fits();
    missing_and_null_may_be_otherwise();
    misfits_name_the_place();
    the_first_misfit_stays();
}
