/* A printf of our own: that of libc brings files, and functions of the host with them. */
#include "internal.h"

#include <stdarg.h>
#include <string.h>

/* Text that grows. */
typedef struct growing {
    char *text;
    size_t used, room;
} growing;

static void add(growing *to, const char *text, size_t length) {
    if (length > to->room - to->used) {
        size_t room = to->room * 2 + length + 64;
        to->text = (char *)gm_resize(to->text, to->used, room);
        to->room = room;
    }
    if (length > 0) memcpy(to->text + to->used, text, length);
    to->used += length;
}

/* How an argument is to be shown. */
typedef struct shape {
    bool zeros;
    int width, precision; /* A precision of -1: none. */
    int size;             /* 0 for int, 1 for long, 2 for long long, 3 for size_t. */
} shape;

static int number_at(const char **at, va_list *list) {
    int number = 0;
    if (**at == '*') {
        ++*at;
        return va_arg(*list, int);
    }
    for (; **at >= '0' && **at <= '9'; ++*at) number = number < 10000 ? number * 10 + (**at - '0') : number;
    return number;
}

static shape shape_at(const char **at, va_list *list) {
    shape s = {false, 0, -1, 0};
    for (; **at == '0'; ++*at) s.zeros = true;
    s.width = number_at(at, list);
    if (**at == '.') {
        ++*at;
        s.precision = number_at(at, list);
    }
    for (; **at == 'l'; ++*at) s.size++;
    if (**at == 'z') {
        ++*at;
        s.size = 3;
    }
    return s;
}

static void add_padded(growing *to, shape s, const char *text, size_t length) {
    size_t sign = s.zeros && text[0] == '-';
    add(to, text, sign);
    for (size_t width = length; s.width > 0 && width < (size_t)s.width; width++) add(to, s.zeros ? "0" : " ", 1);
    add(to, text + sign, length - sign);
}

static const char *hex(uint64_t number) {
    char digits[16];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[number & 15];
        number >>= 4;
    } while (number > 0);
    return gm_copy(digits + at, sizeof digits - at);
}

static int64_t signed_of(shape s, va_list *list) {
    if (s.size == 0) return va_arg(*list, int);
    return s.size == 1 ? va_arg(*list, long) : s.size == 2 ? va_arg(*list, long long) : (int64_t)va_arg(*list, size_t);
}

static uint64_t unsigned_of(shape s, va_list *list) {
    if (s.size == 0) return va_arg(*list, unsigned);
    if (s.size == 1) return va_arg(*list, unsigned long);
    return s.size == 2 ? va_arg(*list, unsigned long long) : va_arg(*list, size_t);
}

static const char *string_of(shape s, const char *text) {
    if (text == NULL) return "NULL";
    const char *end = s.precision < 0 ? NULL : (const char *)memchr(text, '\0', (size_t)s.precision);
    return s.precision < 0 || end != NULL ? text : gm_copy(text, (size_t)s.precision);
}

const char *gm_format(const char *format, ...) {
    va_list list;
    growing to = {NULL, 0, 0};
    va_start(list, format);
    for (const char *at = format; *at != '\0';) {
        size_t plain = strcspn(at, "%");
        add(&to, at, plain);
        at += plain;
        if (*at == '\0') break;
        at++;
        shape s = shape_at(&at, &list);
        const char *text = "%";
        char c[2] = {0, 0};
        switch (*at) {
        case 's': text = string_of(s, va_arg(list, const char *)); break;
        case 'c':
            c[0] = (char)va_arg(list, int);
            text = c;
            break;
        case 'd':
        case 'i': text = gm_text_of_int(signed_of(s, &list)); break;
        case 'u': text = gm_text_of_uint(unsigned_of(s, &list)); break;
        case 'x': text = hex(unsigned_of(s, &list)); break;
        case 'g': text = gm_text_of_double(va_arg(list, double)); break;
        default: break;
        }
        add_padded(&to, s, text, strlen(text));
        if (*at != '\0') at++;
    }
    va_end(list);
    add(&to, "", 1);
    return to.text;
}
