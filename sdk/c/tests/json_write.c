#include "check.h"

static void writes_every_kind(void) {
    gm_writer *w = gm_begin_object(gm_writer_new());
    gm_put_int(gm_key(w, "least"), INT64_MIN);
    gm_put_uint(gm_key(w, "most"), UINT64_MAX);
    gm_put_null(gm_begin_array(gm_key(w, "list")));
    gm_end_array(gm_put_bool(gm_put_string(w, NULL), true));
    gm_end_object(gm_begin_object(gm_key(w, "none")));
    SAME(text_of(gm_end_object(w)),
         "{\"least\":-9223372036854775808,\"most\":18446744073709551615,\"list\":[null,null,true],\"none\":{}}");
}

static void escapes_strings(void) {
    SAME(text_of(gm_put_string(gm_writer_new(), "a\"\\/\b\t\n\f\r\v\x1f\x7f")),
         "\"a\\\"\\\\/\\b\\t\\n\\f\\r\\u000b\\u001f\x7f\"");
    SAME(text_of(gm_put_string_of(gm_writer_new(), "a\0b", 3)), "\"a\\u0000b\"");
    SAME(text_of(gm_put_string(gm_writer_new(), "\xC3\xA4 \xFF\xC3")), "\"\xC3\xA4 \xEF\xBF\xBD\xEF\xBF\xBD\"");
    gm_writer *w = gm_key(gm_begin_object(gm_writer_new()), "\n\xFF");
    SAME(text_of(gm_end_object(gm_put_int(w, 1))), "{\"\\n\xEF\xBF\xBD\":1}");
}

static void doubles_read_back(void) {
    static const double numbers[] = {0, 0.1, -1.5, 1.0 / 3, 1e21, 5e-324, 1.7976931348623157e308, 123456789012345680};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        double back;
        CHECK(gm_json_double(parsed(text_of(gm_put_double(gm_writer_new(), numbers[i]))), &back));
        CHECK(back == numbers[i]);
    }
    SAME(gm_text_of_double(0.1), "0.1");
    double zero = 0;
    SAME(text_of(gm_put_double(gm_writer_new(), 1 / zero)), "null");
}

static void copies_what_was_read(void) {
    const char *text = "{\"n\":1.50,\"s\":\"\\u0000\\n\xC3\xA4\",\"a\":[true,{},[]],\"z\":12345678901234567890123}";
    SAME(text_of(gm_put_json(gm_writer_new(), parsed(text))), text);
    SAME(text_of(gm_put_json(gm_writer_new(), NULL)), "null");
}

static void says_what_is_wrong(const gm_writer *w, const char *why) {
    gm_bytes json = {(const uint8_t *)"x", 1};
    gm_error error = gm_written(w, &json);
    CHECK(error.kind == GM_ERROR_INVALID && error.hopeless && json.len == 0);
    CHECK(strncmp(error.message, "the value cannot be written as JSON: ", 37) == 0);
    SAME(error.message + 37, why);
}

static void misuse_is_remembered(void) {
    gm_writer *deep = gm_writer_new();
    for (int i = 0; i <= GM_JSON_MAX_DEPTH; i++) gm_begin_array(deep);
    says_what_is_wrong(deep, "arrays and objects are more than 128 deep in each other");
    says_what_is_wrong(NULL, "there is no writer");
    says_what_is_wrong(gm_writer_new(), "there is no value");
    says_what_is_wrong(gm_begin_object(gm_writer_new()), "an object has no end");
    says_what_is_wrong(gm_put_int(gm_begin_array(gm_writer_new()), 1), "an array has no end");
    says_what_is_wrong(gm_put_int(gm_put_int(gm_writer_new(), 1), 2), "a second value follows the first");
    says_what_is_wrong(gm_end_object(gm_put_int(gm_begin_object(gm_writer_new()), 1)),
                       "a member of an object has no key");
    says_what_is_wrong(gm_end_object(gm_key(gm_begin_object(gm_writer_new()), "a")), "a key has no value");
    says_what_is_wrong(gm_key(gm_key(gm_begin_object(gm_writer_new()), "a"), "b"), "a key has no value");
    says_what_is_wrong(gm_key(gm_begin_array(gm_writer_new()), "a"), "a key stands outside of an object");
    says_what_is_wrong(gm_end_array(gm_begin_object(gm_writer_new())), "an array ends that did not begin");
    says_what_is_wrong(gm_end_object(gm_writer_new()), "an object ends that did not begin");
    /* The first counts. */
    says_what_is_wrong(gm_key(gm_end_array(gm_writer_new()), "a"), "an array ends that did not begin");
}

void test_json_write(void) {
    writes_every_kind();
    escapes_strings();
    doubles_read_back();
    copies_what_was_read();
    misuse_is_remembered();
}
