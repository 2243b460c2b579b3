/* Texts and lists of texts. */
#include "internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

gm_bytes gm_bytes_of(const char *text) {
    gm_bytes bytes = {(const uint8_t *)text, text == NULL ? 0 : strlen(text)};
    return bytes;
}

char *gm_copy(const char *text, size_t length) {
    char *copy = gm_alloc_text(length + 1);
    if (length > 0) memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

const char *gm_take_text(void *ptr, size_t length) {
    const char *copy = gm_copy((const char *)ptr, length);
    if (length > 0) free(ptr);
    return copy;
}

gm_pairs gm_pairs_of(const char *name, ...) {
    gm_pairs pairs = {NULL, 0};
    if (name == NULL) return pairs;
    va_list list, again;
    va_start(list, name);
    va_copy(again, list);
    size_t texts = 1;
    while (va_arg(list, const char *) != NULL) texts++;
    va_end(list);
    gm_pair *items = (gm_pair *)gm_alloc((texts + 1) / 2 * sizeof *items);
    for (size_t i = 0; i < texts; i++) {
        const char *text = i == 0 ? name : va_arg(again, const char *);
        if (i % 2 == 0) {
            items[i / 2].name = text;
            items[i / 2].value = "";
        } else {
            items[i / 2].value = text;
        }
    }
    va_end(again);
    pairs.items = items;
    pairs.count = (texts + 1) / 2;
    return pairs;
}

const char *gm_join(const char *first, ...) {
    va_list list, again;
    va_start(list, first);
    va_copy(again, list);
    size_t length = 0;
    for (const char *part = first; part != NULL; part = va_arg(list, const char *)) length += strlen(part);
    va_end(list);
    char *joined = gm_alloc_text(length + 1), *end = joined;
    for (const char *part = first; part != NULL; part = va_arg(again, const char *)) {
        size_t bytes = strlen(part);
        memcpy(end, part, bytes);
        end += bytes;
    }
    va_end(again);
    *end = '\0';
    return joined;
}

bool gm_same_name(const char *a, const char *b) {
    for (;; a++, b++) {
        char x = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a;
        char y = *b >= 'A' && *b <= 'Z' ? (char)(*b + 32) : *b;
        if (x != y) return false;
        if (x == '\0') return true;
    }
}

/* Bytes of the character that begins here, 0 if none does: RFC 3629, without surrogates and overlong forms. */
static size_t character(const unsigned char *at, size_t left) {
    unsigned char first = at[0];
    if (first < 0x80) return 1;
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || length > left) return 0;
    unsigned char low = 0x80, high = 0xBF;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
    for (size_t i = 1; i < length; i++, low = 0x80, high = 0xBF) {
        if (at[i] < low || at[i] > high) return 0;
    }
    return length;
}

size_t gm_utf8_prefix(const char *text, size_t length) {
    size_t good = 0;
    while (good < length) {
        size_t step = character((const unsigned char *)text + good, length - good);
        if (step == 0) break;
        good += step;
    }
    return good;
}

const char *gm_for_people(const char *text) {
    if (text == NULL) return "";
    size_t length = strlen(text);
    if (gm_utf8_prefix(text, length) == length) return text;
    char *clean = gm_alloc_text(3 * length + 1), *end = clean;
    for (size_t i = 0; i < length;) {
        size_t step = character((const unsigned char *)text + i, length - i);
        memcpy(end, step == 0 ? "\xEF\xBF\xBD" : text + i, step == 0 ? 3 : step);
        end += step == 0 ? 3 : step;
        i += step == 0 ? 1 : step;
    }
    *end = '\0';
    return clean;
}

gm_pairs gm_pairs_for_people(gm_pairs pairs) {
    gm_pair *items = (gm_pair *)gm_alloc(pairs.count * sizeof *items);
    for (size_t i = 0; i < pairs.count; i++) {
        items[i].name = gm_for_people(pairs.items[i].name);
        items[i].value = gm_for_people(pairs.items[i].value);
    }
    gm_pairs clean = {items, pairs.count};
    return clean;
}
