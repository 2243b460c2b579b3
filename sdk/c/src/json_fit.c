/* Reading data of a known form. */
#include "internal.h"

#include <string.h>

/* Bytes of a string that a message shows. */
#define SHOWN 40

/* What stands there, for a message. */
static const char *found(const gm_json *value) {
    switch (gm_json_type_of(value)) {
    case GM_JSON_NOTHING: return "nothing";
    case GM_JSON_NULL: return "null";
    case GM_JSON_BOOL: return value->flag ? "true" : "false";
    case GM_JSON_NUMBER: return gm_copy(value->is.text, value->count < SHOWN ? value->count : SHOWN);
    case GM_JSON_ARRAY: return "an array";
    case GM_JSON_OBJECT: return "an object";
    case GM_JSON_STRING: break;
    }
    if (value->flag) return "a string with a NUL inside";
    if (value->count <= SHOWN) return gm_join("\"", value->is.text, "\"", NULL);
    /* Not in the middle of a character. */
    size_t cut = gm_utf8_prefix(value->is.text, SHOWN);
    return gm_join("\"", gm_copy(value->is.text, cut), "…\"", NULL);
}

void gm_misfit_at(gm_misfit *misfit, const gm_json *value, const char *reason) {
    if (misfit->message != NULL) return;
    const char *path = gm_json_path(value);
    misfit->message = path[0] == '\0' ? gm_join(reason, NULL) : gm_join("at `", path, "`: ", reason, NULL);
}

/* The value that is asked for; NULL, with a message, if it is not of this type. Null counts as missing for `maybe`. */
static const gm_json *pick(const gm_json *object, const char *key, gm_json_type type, const char *expected, bool maybe,
                           gm_misfit *misfit) {
    const gm_json *value = key == NULL ? object : gm_json_get(object, key);
    if (value != NULL && value->type == type) return value;
    if (key != NULL && !gm_json_is_object(object)) {
        /* What is not there was found missing by the call that should have given it. */
        gm_misfit_at(misfit, object, gm_join("expected an object, found ", found(object), NULL));
    } else if (maybe && (value == NULL || gm_json_is_null(value))) {
        return NULL;
    } else if (value == NULL && key != NULL) {
        gm_misfit_at(misfit, object, gm_join("missing field `", key, "`", NULL));
    } else {
        gm_misfit_at(misfit, value, gm_join("expected ", expected, ", found ", found(value), NULL));
    }
    return NULL;
}

static const char *string(const gm_json *value, const char *otherwise, gm_misfit *misfit) {
    if (value == NULL) return otherwise;
    if (!value->flag) return value->is.text;
    gm_misfit_at(misfit, value, "expected a string without a NUL inside");
    return otherwise;
}

static int64_t whole(const gm_json *value, int64_t least, int64_t most, int64_t otherwise, gm_misfit *misfit) {
    int64_t number;
    if (value == NULL) return otherwise;
    if (gm_json_int(value, &number) && number >= least && number <= most) return number;
    const char *range =
        gm_join("expected a whole number from ", gm_text_of_int(least), " to ", gm_text_of_int(most), NULL);
    gm_misfit_at(misfit, value, gm_join(range, ", found ", found(value), NULL));
    return otherwise;
}

static double any_number(const gm_json *value, double otherwise, gm_misfit *misfit) {
    double number;
    if (value == NULL) return otherwise;
    if (gm_json_double(value, &number)) return number;
    gm_misfit_at(misfit, value, gm_join("expected a smaller number, found ", found(value), NULL));
    return otherwise;
}

const char *gm_need_string(const gm_json *object, const char *key, gm_misfit *misfit) {
    return string(pick(object, key, GM_JSON_STRING, "a string", false, misfit), "", misfit);
}

const char *gm_maybe_string(const gm_json *object, const char *key, const char *otherwise, gm_misfit *misfit) {
    return string(pick(object, key, GM_JSON_STRING, "a string", true, misfit), otherwise, misfit);
}

int64_t gm_need_int(const gm_json *object, const char *key, int64_t least, int64_t most, gm_misfit *misfit) {
    return whole(pick(object, key, GM_JSON_NUMBER, "a whole number", false, misfit), least, most, 0, misfit);
}

int64_t gm_maybe_int(const gm_json *object, const char *key, int64_t least, int64_t most, int64_t otherwise,
                     gm_misfit *misfit) {
    return whole(pick(object, key, GM_JSON_NUMBER, "a whole number", true, misfit), least, most, otherwise, misfit);
}

double gm_need_double(const gm_json *object, const char *key, gm_misfit *misfit) {
    return any_number(pick(object, key, GM_JSON_NUMBER, "a number", false, misfit), 0, misfit);
}

double gm_maybe_double(const gm_json *object, const char *key, double otherwise, gm_misfit *misfit) {
    return any_number(pick(object, key, GM_JSON_NUMBER, "a number", true, misfit), otherwise, misfit);
}

bool gm_need_bool(const gm_json *object, const char *key, gm_misfit *misfit) {
    return gm_json_bool(pick(object, key, GM_JSON_BOOL, "true or false", false, misfit));
}

bool gm_maybe_bool(const gm_json *object, const char *key, bool otherwise, gm_misfit *misfit) {
    const gm_json *value = pick(object, key, GM_JSON_BOOL, "true or false", true, misfit);
    return value == NULL ? otherwise : value->flag;
}

const gm_json *gm_need_array(const gm_json *object, const char *key, gm_misfit *misfit) {
    return pick(object, key, GM_JSON_ARRAY, "an array", false, misfit);
}

const gm_json *gm_need_object(const gm_json *object, const char *key, gm_misfit *misfit) {
    return pick(object, key, GM_JSON_OBJECT, "an object", false, misfit);
}
