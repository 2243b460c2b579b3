/* Writes JSON text, in the shortest form. */
#include "internal.h"

#include <string.h>

struct gm_writer {
    char *text;
    size_t used, room;
    unsigned depth;
    const char *wrong;              /* The first call that did not fit; NULL so far. */
    bool begun;                     /* There is a value at the top. */
    bool keyed;                     /* A key waits for its value. */
    bool object[GM_JSON_MAX_DEPTH]; /* What is open, from the outside. */
    bool filled[GM_JSON_MAX_DEPTH]; /* Whether it has a member or item. */
};

gm_writer *gm_writer_new(void) { return (gm_writer *)gm_alloc(sizeof(gm_writer)); }

static gm_writer *fail(gm_writer *w, const char *wrong) {
    if (w->wrong == NULL) w->wrong = wrong;
    return w;
}

static void raw(gm_writer *w, const char *text, size_t length) {
    if (w->wrong != NULL) return;
    if (length > GM_JSON_MAX_BYTES - w->used) {
        fail(w, "it has more than 256 MiB");
        return;
    }
    if (length > w->room - w->used) {
        size_t room = w->room < 64 ? 128 : w->room * 2;
        while (room - w->used < length) room *= 2;
        w->text = (char *)gm_resize(w->text, w->used, room);
        w->room = room;
    }
    if (length > 0) memcpy(w->text + w->used, text, length);
    w->used += length;
}

static void mark(gm_writer *w, char c) { raw(w, &c, 1); }

/* A value may follow here; writes the comma before it. */
static bool place(gm_writer *w) {
    if (w->wrong != NULL) return false;
    if (w->depth == 0) {
        if (w->begun) fail(w, "a second value follows the first");
        w->begun = true;
    } else if (w->object[w->depth - 1]) {
        if (!w->keyed) fail(w, "a member of an object has no key");
        w->keyed = false;
    } else {
        if (w->filled[w->depth - 1]) mark(w, ',');
        w->filled[w->depth - 1] = true;
    }
    return w->wrong == NULL;
}

static gm_writer *literal(gm_writer *w, const char *text, size_t length) {
    if (place(w)) raw(w, text, length);
    return w;
}

static void quoted(gm_writer *w, const char *text, size_t length) {
    static const char hex[] = "0123456789abcdef", letters[] = "btn\0fr";
    mark(w, '"');
    size_t from = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        raw(w, text + from, i - from);
        from = i + 1;
        mark(w, '\\');
        if (c >= 0x20) {
            mark(w, (char)c);
        } else if (c >= '\b' && c <= '\r' && c != '\v') {
            mark(w, letters[c - '\b']);
        } else {
            char code[] = {'u', '0', '0', hex[c >> 4], hex[c & 15]};
            raw(w, code, sizeof code);
        }
    }
    raw(w, text + from, length - from);
    mark(w, '"');
}

/* Strings of a handler's own may hold what is not UTF-8, up to NULs inside. */
static void quoted_clean(gm_writer *w, const char *text, size_t length) {
    size_t good = gm_utf8_prefix(text, length);
    if (good == length) {
        quoted(w, text, length);
        return;
    }
    char *clean = gm_alloc_text(3 * length), *end = clean;
    while (length > 0) {
        memcpy(end, text, good);
        end += good;
        if (good < length) {
            memcpy(end, "\xEF\xBF\xBD", 3);
            end += 3;
            good++;
        }
        text += good;
        length -= good;
        good = gm_utf8_prefix(text, length);
    }
    quoted(w, clean, (size_t)(end - clean));
}

static gm_writer *begin(gm_writer *w, bool object) {
    if (w->depth == GM_JSON_MAX_DEPTH) return fail(w, "arrays and objects are more than 128 deep in each other");
    if (!place(w)) return w;
    w->object[w->depth] = object;
    w->filled[w->depth++] = false;
    mark(w, object ? '{' : '[');
    return w;
}

static gm_writer *end(gm_writer *w, bool object) {
    if (w->keyed) return fail(w, "a key has no value");
    if (w->depth == 0 || w->object[w->depth - 1] != object) {
        return fail(w, object ? "an object ends that did not begin" : "an array ends that did not begin");
    }
    w->depth--;
    mark(w, object ? '}' : ']');
    return w;
}

gm_writer *gm_begin_object(gm_writer *w) { return begin(w, true); }
gm_writer *gm_end_object(gm_writer *w) { return end(w, true); }
gm_writer *gm_begin_array(gm_writer *w) { return begin(w, false); }
gm_writer *gm_end_array(gm_writer *w) { return end(w, false); }

static gm_writer *key_of(gm_writer *w, const char *key, size_t length) {
    if (w->depth == 0 || !w->object[w->depth - 1]) return fail(w, "a key stands outside of an object");
    if (w->keyed) return fail(w, "a key has no value");
    if (w->filled[w->depth - 1]) mark(w, ',');
    w->filled[w->depth - 1] = w->keyed = true;
    quoted_clean(w, key, length);
    mark(w, ':');
    return w;
}

gm_writer *gm_key(gm_writer *w, const char *key) { return key_of(w, key, strlen(key)); }
gm_writer *gm_put_null(gm_writer *w) { return literal(w, "null", 4); }

static gm_writer *put(gm_writer *w, const char *text) { return literal(w, text, strlen(text)); }

gm_writer *gm_put_bool(gm_writer *w, bool value) { return put(w, value ? "true" : "false"); }
gm_writer *gm_put_int(gm_writer *w, int64_t value) { return put(w, gm_text_of_int(value)); }
gm_writer *gm_put_uint(gm_writer *w, uint64_t value) { return put(w, gm_text_of_uint(value)); }
gm_writer *gm_put_double(gm_writer *w, double value) { return put(w, gm_text_of_double(value)); }

gm_writer *gm_put_string_of(gm_writer *w, const char *text, size_t length) {
    if (place(w)) quoted_clean(w, text, length);
    return w;
}

gm_writer *gm_put_string(gm_writer *w, const char *text) {
    return text == NULL ? gm_put_null(w) : gm_put_string_of(w, text, strlen(text));
}

gm_writer *gm_put_json(gm_writer *w, const gm_json *value) {
    switch (gm_json_type_of(value)) {
    case GM_JSON_NOTHING:
    case GM_JSON_NULL: return gm_put_null(w);
    case GM_JSON_BOOL: return gm_put_bool(w, value->flag);
    case GM_JSON_NUMBER: return literal(w, value->is.text, value->count);
    case GM_JSON_STRING:
        if (place(w)) quoted(w, value->is.text, value->count);
        return w;
    case GM_JSON_ARRAY:
    case GM_JSON_OBJECT: break;
    }
    bool object = value->type == GM_JSON_OBJECT;
    begin(w, object);
    for (size_t i = 0; i < value->count && w->wrong == NULL; i++) {
        const gm_json *item = &value->is.items[i];
        if (object) key_of(w, item->key, item->key_length);
        gm_put_json(w, item);
    }
    return end(w, object);
}

gm_error gm_written(const gm_writer *w, gm_bytes *json) {
    json->ptr = NULL;
    json->len = 0;
    const char *wrong = w == NULL ? "there is no writer" : w->wrong;
    if (wrong == NULL && !w->begun) wrong = "there is no value";
    if (wrong == NULL && w->depth > 0) {
        wrong = w->object[w->depth - 1] ? "an object has no end" : "an array has no end";
    }
    if (wrong != NULL) return gm_invalid(gm_join("the value cannot be written as JSON: ", wrong, NULL));
    json->ptr = (const uint8_t *)w->text;
    json->len = w->used;
    return gm_works;
}
