/* Random values survive writing and reading; random damage is an error or another value, and never more than that. */
#include "check.h"

/* A fixed start: a failure comes again. */
static uint64_t seed = 0x9E3779B97F4A7C15;

static uint32_t below(uint32_t limit) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % limit;
}

static const char *random_text(size_t *length) {
    static const char *const parts[] = {
        "", "a", "\"", "\\", "\n", "\x01", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "/"};
    char *text = gm_alloc(64), *end = text;
    for (uint32_t left = below(12); left > 0; left--) {
        const char *part = parts[below(sizeof parts / sizeof *parts)];
        memcpy(end, part, strlen(part));
        end += part[0] == '\0' ? 1 : strlen(part); /* An empty part stands for a NUL. */
    }
    *length = (size_t)(end - text);
    return text;
}

static void random_value(gm_writer *w, uint32_t depth) {
    size_t length;
    const char *text;
    uint32_t count = below(5);
    switch (below(depth == 0 ? 5 : 7)) {
    case 0: gm_put_null(w); return;
    case 1: gm_put_bool(w, below(2) == 1); return;
    case 2: gm_put_int(w, (int64_t)((uint64_t)below(UINT32_MAX) << below(33)) - below(1000)); return;
    case 3: gm_put_double(w, ((double)below(UINT32_MAX) - 2e9) / (1 + below(1000))); return;
    case 4:
        text = random_text(&length);
        gm_put_string_of(w, text, length);
        return;
    case 5:
        gm_begin_array(w);
        while (count-- > 0) random_value(w, depth - 1);
        gm_end_array(w);
        return;
    default:
        gm_begin_object(w);
        while (count-- > 0) {
            gm_key(w, gm_text_of_uint(count));
            random_value(w, depth - 1);
        }
        gm_end_object(w);
    }
}

/* Where each value is leads back to it, by its path's own steps. */
static void check_places(const gm_json *value, const char *path) {
    SAME(gm_json_path(value), path);
    for (size_t i = 0; i < gm_json_count(value); i++) {
        const gm_json *item = gm_json_at(value, i);
        const char *key = gm_json_key(item);
        check_places(item,
                     key == NULL ? gm_format("%s[%zu]", path, i) : gm_format("%s%s%s", path, *path ? "." : "", key));
    }
}

static void damage(const char *text) {
    size_t length = strlen(text);
    for (int i = 0; i < 8; i++) {
        char *copy = gm_copy(text, length);
        copy[below((uint32_t)length)] = "\"\\{}[],:0-e.u \xFF\n"[below(16)];
        gm_bytes cut = {(const uint8_t *)copy, 1 + below((uint32_t)length)};
        const gm_json *value;
        gm_error error = gm_json_parse(cut, &value);
        CHECK((error.kind == GM_OK) == (value != NULL));
        if (value == NULL) {
            CHECK(strncmp(error.message, "line ", 5) == 0);
            continue;
        }
        /* What was read is a value like any other. */
        const char *again = text_of(gm_put_json(gm_writer_new(), value));
        SAME(text_of(gm_put_json(gm_writer_new(), parsed(again))), again);
    }
}

/* The C library of this machine is the judge of both directions. */
static void numbers_agree_with_libc(void) {
    for (int round = 0; round < 2000; round++) {
        double number, back;
        char text[40];
        below(1);
        memcpy(&number, &seed, sizeof number);
        if (round % 3 == 0) number = (double)(int64_t)seed / 1000;
        if (round % 5 == 0) memset((char *)&number + 7, 0, 1);
        if (!(number - number == 0)) continue;
        CHECK(strtod(gm_text_of_double(number), NULL) == number);
        snprintf(text, sizeof text, "%.*e", round % 25, number);
        CHECK(gm_json_double(parsed(text), &back) && back == strtod(text, NULL));
    }
    static const char *const halves[] = {"9007199254740993",
                                         "2.4703282292062327e-324",
                                         "2.4703282292062328e-324",
                                         "1.7976931348623158e308",
                                         "2.2250738585072011e-308",
                                         "1e23",
                                         "1e-400"};
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        double back;
        CHECK(gm_json_double(parsed(halves[i]), &back) && back == strtod(halves[i], NULL));
    }
}

void test_json_random(void) {
    numbers_agree_with_libc();
    for (int round = 0; round < 2000; round++) {
        gm_test_begin();
        gm_writer *w = gm_writer_new();
        random_value(w, 4);
        const char *text = text_of(w);
        const gm_json *value = parsed(text);
        SAME(text_of(gm_put_json(gm_writer_new(), value)), text);
        check_places(value, "");
        damage(text);
    }
}
