/* What a value that was read is. */
#include "internal.h"

#include <math.h>
#include <string.h>

gm_json_type gm_json_type_of(const gm_json *value) {
    return value == NULL ? GM_JSON_NOTHING : (gm_json_type)value->type;
}

bool gm_json_is_null(const gm_json *value) { return gm_json_type_of(value) == GM_JSON_NULL; }
bool gm_json_is_bool(const gm_json *value) { return gm_json_type_of(value) == GM_JSON_BOOL; }
bool gm_json_is_number(const gm_json *value) { return gm_json_type_of(value) == GM_JSON_NUMBER; }
bool gm_json_is_string(const gm_json *value) { return gm_json_type_of(value) == GM_JSON_STRING; }
bool gm_json_is_array(const gm_json *value) { return gm_json_type_of(value) == GM_JSON_ARRAY; }
bool gm_json_is_object(const gm_json *value) { return gm_json_type_of(value) == GM_JSON_OBJECT; }

size_t gm_json_count(const gm_json *value) {
    return gm_json_is_array(value) || gm_json_is_object(value) ? value->count : 0;
}

const gm_json *gm_json_at(const gm_json *value, size_t index) {
    return index < gm_json_count(value) ? &value->is.items[index] : NULL;
}

const gm_json *gm_json_get(const gm_json *object, const char *key) {
    if (!gm_json_is_object(object)) return NULL;
    size_t length = strlen(key);
    for (size_t i = object->count; i > 0; i--) {
        const gm_json *member = &object->is.items[i - 1];
        if (member->key_length == length && memcmp(member->key, key, length) == 0) return member;
    }
    return NULL;
}

const char *gm_json_key(const gm_json *member) { return member == NULL ? NULL : member->key; }

const char *gm_json_string(const gm_json *value, size_t *length) {
    if (!gm_json_is_string(value)) return NULL;
    if (length == NULL) return value->flag ? NULL : value->is.text;
    *length = value->count;
    return value->is.text;
}

bool gm_json_bool(const gm_json *value) { return gm_json_is_bool(value) && value->flag; }

/* The digits of a number without fraction and exponent, as far as they fit. */
static bool magnitude(const char *digits, size_t count, uint64_t *number) {
    *number = 0;
    for (size_t i = 0; i < count; i++) {
        if (digits[i] < '0' || digits[i] > '9') return false;
        unsigned digit = (unsigned)(digits[i] - '0');
        if (*number > (UINT64_MAX - digit) / 10) return false;
        *number = *number * 10 + digit;
    }
    return true;
}

bool gm_json_uint(const gm_json *value, uint64_t *number) {
    uint64_t found;
    if (!gm_json_is_number(value) || !magnitude(value->is.text, value->count, &found)) return false;
    *number = found;
    return true;
}

bool gm_json_int(const gm_json *value, int64_t *number) {
    uint64_t found;
    if (!gm_json_is_number(value)) return false;
    bool negative = value->is.text[0] == '-';
    if (!magnitude(value->is.text + negative, value->count - negative, &found)) return false;
    if (found > (uint64_t)INT64_MAX + negative) return false;
    *number = negative ? (int64_t)(0 - found) : (int64_t)found;
    return true;
}

bool gm_json_double(const gm_json *value, double *number) {
    if (!gm_json_is_number(value)) return false;
    double found = gm_double_of(value->is.text, value->count);
    if (!isfinite(found)) return false;
    *number = found;
    return true;
}

/* The step from a value's parent to it, written so that it ends at `end`; what it needs of room if that is NULL. */
static size_t step(const gm_json *value, char *end) {
    if (value->key != NULL) {
        bool dot = value->parent->parent != NULL;
        size_t length = value->key_length + dot;
        if (end != NULL && value->key_length > 0) memcpy(end - value->key_length, value->key, value->key_length);
        if (end != NULL && dot) end[-(ptrdiff_t)length] = '.';
        return length;
    }
    const char *index = gm_text_of_uint(value->index);
    size_t length = strlen(index);
    if (end != NULL) {
        end[-1] = ']';
        memcpy(end - 1 - length, index, length);
        end[-2 - (ptrdiff_t)length] = '[';
    }
    return length + 2;
}

const char *gm_json_path(const gm_json *value) {
    size_t length = 0;
    for (const gm_json *at = value; at != NULL && at->parent != NULL; at = at->parent) length += step(at, NULL);
    char *path = gm_alloc_text(length + 1), *end = path + length;
    *end = '\0';
    for (const gm_json *at = value; at != NULL && at->parent != NULL; at = at->parent) end -= step(at, end);
    return path;
}
