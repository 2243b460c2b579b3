/* Reads JSON text into a tree. The text is copied once; strings are unescaped in the copy, where they fit. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

typedef struct parser {
    const char *start;
    char *at, *end;
    unsigned depth;
    const char *wrong; /* What is wrong at `at`; NULL so far. */
    /* Values whose array or object is not closed yet. Memory of malloc: it grows, and is not needed later. */
    gm_json *waiting;
    size_t used, room;
} parser;

static bool value(parser *p, gm_json *out);

static bool fail(parser *p, const char *wrong) {
    if (p->wrong == NULL) p->wrong = wrong;
    return false;
}

static void blanks(parser *p) {
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r')) p->at++;
}

static bool take(parser *p, char wanted) {
    if (p->at == p->end || *p->at != wanted) return false;
    p->at++;
    return true;
}

static bool word(parser *p, const char *text) {
    size_t length = strlen(text);
    if ((size_t)(p->end - p->at) < length || memcmp(p->at, text, length) != 0) return fail(p, "expected a value");
    p->at += length;
    return true;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool hex4(parser *p, unsigned *code) {
    *code = 0;
    for (int i = 0; i < 4; i++) {
        int digit = p->at < p->end ? hex_digit(*p->at) : -1;
        if (digit < 0) return fail(p, "expected four hexadecimal digits");
        *code = *code * 16 + (unsigned)digit;
        p->at++;
    }
    return true;
}

static char *put_utf8(char *to, unsigned code) {
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xC0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *to++ = (char)(0xE0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3F));
        *to++ = (char)(0x80 | (code & 0x3F));
    } else {
        *to++ = (char)(0xF0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3F));
        *to++ = (char)(0x80 | (code >> 6 & 0x3F));
        *to++ = (char)(0x80 | (code & 0x3F));
    }
    return to;
}

static bool unicode_escape(parser *p, char **to) {
    const char *alone = "half of a surrogate pair stands alone";
    unsigned code, low;
    if (!hex4(p, &code)) return false;
    if (code >= 0xDC00 && code <= 0xDFFF) return fail(p, alone);
    if (code >= 0xD800 && code <= 0xDBFF) {
        if (!take(p, '\\') || !take(p, 'u')) return fail(p, alone);
        if (!hex4(p, &low)) return false;
        if (low < 0xDC00 || low > 0xDFFF) return fail(p, alone);
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    *to = put_utf8(*to, code);
    return true;
}

static bool escape(parser *p, char **to) {
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (p->at == p->end) return fail(p, "the text ends inside a string");
    if (take(p, 'u')) return unicode_escape(p, to);
    const char *letter = *p->at == '\0' ? NULL : strchr(letters, *p->at);
    if (letter == NULL) return fail(p, "there is no such escape");
    p->at++;
    *(*to)++ = meant[letter - letters];
    return true;
}

/* After the opening quote. The string takes no more room than its escaped form, so it is written over that. */
static bool string(parser *p, const char **text, uint32_t *length, bool *has_nul) {
    char *start = p->at, *to = start;
    *has_nul = false;
    while (p->at < p->end) {
        char *written = to;
        unsigned char c = (unsigned char)*p->at;
        if (c < 0x20) return fail(p, "a control character must be escaped");
        p->at++;
        if (c == '"') {
            *to = '\0';
            *text = start;
            *length = (uint32_t)(to - start);
            return true;
        }
        if (c != '\\') {
            *to++ = (char)c;
        } else if (!escape(p, &to)) {
            return false;
        }
        if (*written == '\0') *has_nul = true;
    }
    return fail(p, "the text ends inside a string");
}

static size_t digits(parser *p) {
    char *start = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9') p->at++;
    return (size_t)(p->at - start);
}

static bool number(parser *p, gm_json *out) {
    char *start = p->at;
    take(p, '-');
    if (!take(p, '0') && digits(p) == 0) return fail(p, "expected a digit");
    if (take(p, '.') && digits(p) == 0) return fail(p, "expected a digit");
    if (take(p, 'e') || take(p, 'E')) {
        if (!take(p, '+')) take(p, '-');
        if (digits(p) == 0) return fail(p, "expected a digit");
    }
    out->type = GM_JSON_NUMBER;
    out->is.text = start;
    out->count = (uint32_t)(p->at - start);
    return true;
}

static void wait_for_close(parser *p, const gm_json *child) {
    if (p->used == p->room) {
        p->room = p->room == 0 ? 64 : p->room * 2;
        p->waiting = (gm_json *)realloc(p->waiting, p->room * sizeof *p->waiting);
        if (p->waiting == NULL) abort();
    }
    p->waiting[p->used++] = *child;
}

/* Items know where they are; called when `owner` has reached the place where it stays. */
static void settle(gm_json *owner) {
    if (owner->type != GM_JSON_ARRAY && owner->type != GM_JSON_OBJECT) return;
    for (uint32_t i = 0; i < owner->count; i++) owner->is.items[i].parent = owner;
}

static bool members(parser *p, gm_json *out, char close) {
    bool object = close == '}';
    size_t first = p->used;
    blanks(p);
    for (bool more = !take(p, close); more;) {
        gm_json child = {0};
        child.index = (uint32_t)(p->used - first);
        if (object) {
            bool has_nul;
            blanks(p);
            if (!take(p, '"'))
                return fail(p, p->at == p->end ? "the text ends inside an object" : "expected a name in quotes");
            if (!string(p, &child.key, &child.key_length, &has_nul)) return false;
            blanks(p);
            if (!take(p, ':')) return fail(p, p->at == p->end ? "the text ends inside an object" : "expected `:`");
        }
        if (!value(p, &child)) return false;
        wait_for_close(p, &child);
        blanks(p);
        more = take(p, ',');
        if (!more && !take(p, close)) {
            if (p->at == p->end)
                return fail(p, object ? "the text ends inside an object" : "the text ends inside an array");
            return fail(p, object ? "expected `,` or `}`" : "expected `,` or `]`");
        }
    }
    out->count = (uint32_t)(p->used - first);
    if (out->count > 0) {
        out->is.items = (gm_json *)gm_alloc(out->count * sizeof *out->is.items);
        memcpy(out->is.items, p->waiting + first, out->count * sizeof *out->is.items);
        for (uint32_t i = 0; i < out->count; i++) settle(&out->is.items[i]);
    }
    p->used = first;
    return true;
}

static bool container(parser *p, gm_json *out, gm_json_type type) {
    if (p->depth == GM_JSON_MAX_DEPTH) return fail(p, "arrays and objects are more than 128 deep in each other");
    p->depth++;
    p->at++;
    out->type = (uint8_t)type;
    bool done = members(p, out, type == GM_JSON_OBJECT ? '}' : ']');
    p->depth--;
    return done;
}

static bool value(parser *p, gm_json *out) {
    bool has_nul;
    blanks(p);
    if (p->at == p->end) return fail(p, "the text ends where a value should be");
    switch (*p->at) {
    case '{': return container(p, out, GM_JSON_OBJECT);
    case '[': return container(p, out, GM_JSON_ARRAY);
    case '"':
        p->at++;
        out->type = GM_JSON_STRING;
        if (!string(p, &out->is.text, &out->count, &has_nul)) return false;
        out->flag = has_nul;
        return true;
    case 't':
        out->flag = true;
        /* fall through */
    case 'f': out->type = GM_JSON_BOOL; return word(p, out->flag ? "true" : "false");
    case 'n': out->type = GM_JSON_NULL; return word(p, "null");
    default:
        if (*p->at != '-' && (*p->at < '0' || *p->at > '9')) return fail(p, "expected a value");
        return number(p, out);
    }
}

static gm_error wrong_at(gm_bytes text, size_t offset, const char *wrong) {
    uint64_t line = 1, column = 1;
    for (size_t i = 0; i < offset; i++) {
        column = text.ptr[i] == '\n' ? 1 : column + 1;
        line += text.ptr[i] == '\n';
    }
    return gm_invalid(gm_join("line ", gm_text_of_uint(line), " column ", gm_text_of_uint(column), ": ", wrong, NULL));
}

gm_error gm_json_parse(gm_bytes text, const gm_json **out) {
    *out = NULL;
    if (text.len > GM_JSON_MAX_BYTES) return gm_invalid("the JSON text has more than 256 MiB");
    size_t good = gm_utf8_prefix((const char *)text.ptr, text.len);
    if (good < text.len) return wrong_at(text, good, "the text is not UTF-8");
    char *copy = gm_copy((const char *)text.ptr, text.len);
    parser p = {copy, copy, copy + text.len, 0, NULL, NULL, 0, 0};
    gm_json *root = (gm_json *)gm_alloc(sizeof *root);
    bool done = value(&p, root);
    if (done) {
        blanks(&p);
        if (p.at < p.end) done = fail(&p, "something follows the value");
    }
    free(p.waiting);
    if (!done) return wrong_at(text, (size_t)(p.at - p.start), p.wrong);
    settle(root);
    *out = root;
    return gm_works;
}
