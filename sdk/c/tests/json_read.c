#include "check.h"

static void reads_every_kind(void) {
    const gm_json *value =
        parsed(" {\"a\": [1, -2.5e3, true, false, null], \"b\": {}, \"c\": \"x\", \"a\\u0062\": []} ");
    CHECK(gm_json_is_object(value) && gm_json_count(value) == 4);
    const gm_json *a = gm_json_get(value, "a");
    int64_t whole = 0;
    double number = 0;
    CHECK(gm_json_is_array(a) && gm_json_count(a) == 5);
    CHECK(gm_json_int(gm_json_at(a, 0), &whole) && whole == 1);
    CHECK(gm_json_double(gm_json_at(a, 1), &number) && number == -2500);
    CHECK(gm_json_bool(gm_json_at(a, 2)) && gm_json_is_bool(gm_json_at(a, 3)) && !gm_json_bool(gm_json_at(a, 3)));
    CHECK(gm_json_is_null(gm_json_at(a, 4)) && gm_json_at(a, 5) == NULL);
    CHECK(gm_json_is_object(gm_json_get(value, "b")) && gm_json_count(gm_json_get(value, "b")) == 0);
    SAME(gm_json_string(gm_json_get(value, "c"), NULL), "x");
    SAME(gm_json_key(gm_json_at(value, 3)), "ab");
    CHECK(gm_json_is_array(gm_json_get(value, "ab")));
}

static void what_is_not_there_is_nothing(void) {
    const gm_json *value = parsed("[]");
    int64_t whole = 7;
    CHECK(gm_json_get(value, "a") == NULL && gm_json_at(gm_json_get(NULL, "a"), 0) == NULL);
    CHECK(gm_json_type_of(NULL) == GM_JSON_NOTHING && gm_json_count(NULL) == 0 && !gm_json_bool(NULL));
    CHECK(gm_json_string(NULL, NULL) == NULL && gm_json_key(NULL) == NULL && gm_json_key(value) == NULL);
    CHECK(!gm_json_int(NULL, &whole) && !gm_json_int(value, &whole) && whole == 7);
    SAME(gm_json_path(NULL), "");
}

static void strings(void) {
    size_t length = 0;
    SAME(gm_json_string(parsed("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), NULL), "\"\\/\b\f\n\r\t");
    SAME(gm_json_string(parsed("\"\\u00e4\\u20AC\\ud83d\\ude00\""), NULL), "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
    const gm_json *nul = parsed("\"a\\u0000b\"");
    CHECK(gm_json_string(nul, NULL) == NULL);
    CHECK(memcmp(gm_json_string(nul, &length), "a\0b", 4) == 0 && length == 3);
    CHECK(gm_json_get(parsed("{\"a\\u0000b\":1}"), "a") == NULL);
    int64_t last = 0;
    CHECK(gm_json_int(gm_json_get(parsed("{\"a\":1,\"a\":2}"), "a"), &last) && last == 2);
}

static void numbers(void) {
    static const struct {
        const char *text;
        bool is_int, is_uint;
        double value;
    } cases[] = {
        {"0", true, true, 0},
        {"-0", true, false, 0},
        {"9223372036854775807", true, true, 9223372036854775807.0},
        {"9223372036854775808", false, true, 9223372036854775808.0},
        {"-9223372036854775808", true, false, -9223372036854775808.0},
        {"-9223372036854775809", false, false, -9223372036854775809.0},
        {"18446744073709551615", false, true, 18446744073709551615.0},
        {"18446744073709551616", false, false, 18446744073709551616.0},
        {"1.0", false, false, 1},
        {"1e3", false, false, 1000},
        {"0.1", false, false, 0.1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const gm_json *value = parsed(cases[i].text);
        int64_t whole;
        uint64_t positive;
        double number;
        CHECK(gm_json_int(value, &whole) == cases[i].is_int);
        CHECK(gm_json_uint(value, &positive) == cases[i].is_uint);
        CHECK(gm_json_double(value, &number) && number == cases[i].value);
    }
    double number = 7;
    CHECK(!gm_json_double(parsed("1e400"), &number) && number == 7);
    int64_t least = 0;
    CHECK(gm_json_int(parsed("-9223372036854775808"), &least) && least == INT64_MIN);
}

static void refuses_what_is_not_json(void) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "line 1 column 1: the text ends where a value should be"},
        {"{", "line 1 column 2: the text ends inside an object"},
        {"[1\n,", "line 2 column 2: the text ends where a value should be"},
        {"[1", "line 1 column 3: the text ends inside an array"},
        {"[1 2]", "line 1 column 4: expected `,` or `]`"},
        {"[1,]", "line 1 column 4: expected a value"},
        {"{\"a\" 1}", "line 1 column 6: expected `:`"},
        {"{a:1}", "line 1 column 2: expected a name in quotes"},
        {"{\"a\":1,}", "line 1 column 8: expected a name in quotes"},
        {"{\"a\":1 \"b\":2}", "line 1 column 8: expected `,` or `}`"},
        {"\"a", "line 1 column 3: the text ends inside a string"},
        {"\"a\nb\"", "line 1 column 3: a control character must be escaped"},
        {"\"\\x\"", "line 1 column 3: there is no such escape"},
        {"\"\\u12g4\"", "line 1 column 6: expected four hexadecimal digits"},
        {"\"\\ud800\"", "line 1 column 8: half of a surrogate pair stands alone"},
        {"\"\\udc00\"", "line 1 column 8: half of a surrogate pair stands alone"},
        {"01", "line 1 column 2: something follows the value"},
        {"1.", "line 1 column 3: expected a digit"},
        {"-", "line 1 column 2: expected a digit"},
        {"1e+", "line 1 column 4: expected a digit"},
        {"+1", "line 1 column 1: expected a value"},
        {"tru", "line 1 column 1: expected a value"},
        {"nullx", "line 1 column 5: something follows the value"},
        {"\"\xC0\x80\"", "line 1 column 2: the text is not UTF-8"},
        {"\"\xED\xA0\x80\"", "line 1 column 2: the text is not UTF-8"},
        {"\xEF\xBB\xBF"
         "1",
         "line 1 column 1: expected a value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const gm_json *value = parsed("1");
        gm_error error = gm_json_parse(gm_bytes_of(cases[i].text), &value);
        CHECK(error.kind == GM_ERROR_INVALID && error.hopeless && value == NULL);
        SAME(error.message, cases[i].message);
    }
}

static void depth_is_bounded(void) {
    const gm_json *value;
    char text[2 * GM_JSON_MAX_DEPTH + 3];
    for (size_t depth = GM_JSON_MAX_DEPTH; depth <= GM_JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        gm_error error = gm_json_parse(gm_bytes_of(text), &value);
        CHECK((error.kind == GM_OK) == (depth == GM_JSON_MAX_DEPTH));
        if (error.kind != GM_OK) CHECK(strstr(error.message, "more than 128 deep") != NULL);
    }
}

static void values_know_their_path(void) {
    const gm_json *value = parsed("{\"items\":[{\"n\":1},[7,{\"x y\":null}]]}");
    const gm_json *items = gm_json_get(value, "items");
    SAME(gm_json_path(value), "");
    SAME(gm_json_path(gm_json_get(gm_json_at(items, 0), "n")), "items[0].n");
    SAME(gm_json_path(gm_json_get(gm_json_at(gm_json_at(items, 1), 1), "x y")), "items[1][1].x y");
    SAME(gm_json_path(gm_json_at(parsed("[5]"), 0)), "[0]");
}

void test_json_read(void) {
    reads_every_kind();
    what_is_not_there_is_nothing();
    strings();
    numbers();
    refuses_what_is_not_json();
    depth_is_bounded();
    values_know_their_path();
}
