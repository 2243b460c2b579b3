#include "check.h"

#include "../src/internal.h"

static int closed[3], closings;

typedef struct thing {
    gm_open open;
    int number;
} thing;

static void close_thing(gm_open *open) { closed[closings++] = ((thing *)(void *)open)->number; }

static void open_things_are_closed_newest_first(void) {
    thing things[3] = {{{NULL, NULL, NULL}, 1}, {{NULL, NULL, NULL}, 2}, {{NULL, NULL, NULL}, 3}};
    for (int i = 0; i < 3; i++) gm_open_add(&things[i].open, close_thing);
    gm_open_remove(&things[1].open);
    gm_open_remove(&things[1].open);
    gm_close_all();
    CHECK(closings == 2 && closed[0] == 3 && closed[1] == 1);
}

static void allocations_keep_their_bytes(void) {
    enum { COUNT = 200 };
    unsigned char *parts[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        parts[i] = gm_alloc(i * i);
        CHECK((uintptr_t)parts[i] % 16 == 0);
        for (size_t at = 0; at < i * i; at++) CHECK(parts[i][at] == 0);
        memset(parts[i], (int)i, i * i);
    }
    for (size_t i = 0; i < COUNT; i++) {
        parts[i] = gm_resize(parts[i], i * i, i * i + 5000);
        for (size_t at = 0; at < i * i; at++) CHECK(parts[i][at] == i);
    }
}

static void foreign_memory_is_freed(void) {
    char *text = malloc(3);
    CHECK(text != NULL);
    memcpy(text, "abc", 3);
    SAME(gm_take_text(text, 3), "abc");
    gm_adopt(malloc(10)); /* A leak checker sees whether it goes. */
    gm_adopt(NULL);
}

static void texts_for_people(void) {
    SAME(gm_for_people("\xC3\xA4"), "\xC3\xA4");
    SAME(gm_for_people("a\xF4\x90\x80\x80"), "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    SAME(gm_for_people(NULL), "");
    CHECK(gm_pairs_of(NULL).count == 0);
    gm_pairs odd = gm_pairs_of("a", "1", "b", NULL);
    CHECK(odd.count == 2);
    SAME(odd.items[1].value, "");
    SAME(gm_text_of_int(INT64_MIN), "-9223372036854775808");
    SAME(gm_format("%s-%d", "a", 7), "a-7");
    SAME(gm_format("%.2s|%5u|%c%%", "abc", 42u, 'x'), "ab|   42|x%");
    SAME(gm_format("%04x %06lld %zu %g %.*s", 255u, -12ll, (size_t)9, 0.5, 3, "wxyz"), "00ff -00012 9 0.5 wxy");
}

void test_memory(void) {
    open_things_are_closed_newest_first();
    allocations_keep_their_bytes();
    foreign_memory_is_freed();
    texts_for_people();
}
