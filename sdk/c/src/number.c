/* Numbers as text and text as numbers. Nothing here is of libc: its printf and strtod bring files, and with them
 * functions of the host that every instance of a handler would pay for. */
#include "internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const char *text_of(bool negative, uint64_t number) {
    char digits[21];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    if (negative) digits[--at] = '-';
    return gm_copy(digits + at, sizeof digits - at);
}

const char *gm_text_of_uint(uint64_t number) { return text_of(false, number); }

const char *gm_text_of_int(int64_t number) {
    return text_of(number < 0, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

/* Decimal digits that a number between two neighbouring doubles may need, and some. */
#define DIGITS 800

/* 0.DDDD times ten to the power of `point`: a number without rounding. */
typedef struct decimal {
    int count, point;
    bool more; /* Digits other than 0 were cut. */
    uint8_t digits[DIGITS];
} decimal;

static void trim(decimal *d) {
    while (d->count > 0 && d->digits[d->count - 1] == 0) d->count--;
    if (d->count == 0) d->point = 0;
}

/* Doubles it `by` times, at most 56. */
static void shift_left(decimal *d, int by) {
    uint8_t carried[20];
    uint64_t carry = 0;
    int extra = 0;
    for (int i = d->count - 1; i >= 0; i--) {
        carry += (uint64_t)d->digits[i] << by;
        d->digits[i] = (uint8_t)(carry % 10);
        carry /= 10;
    }
    for (; carry > 0; carry /= 10) carried[extra++] = (uint8_t)(carry % 10);
    int kept = d->count + extra > DIGITS ? DIGITS - extra : d->count;
    for (int i = kept; i < d->count; i++) d->more = d->more || d->digits[i] != 0;
    memmove(d->digits + extra, d->digits, (size_t)kept);
    for (int i = 0; i < extra; i++) d->digits[i] = carried[extra - 1 - i];
    d->count = kept + extra;
    d->point += extra;
    trim(d);
}

/* Halves it `by` times, at most 56. */
static void shift_right(decimal *d, int by) {
    uint64_t rest = 0, mask = ((uint64_t)1 << by) - 1;
    int from = 0, to = 0;
    /* Leading zeros are not kept. */
    while (rest >> by == 0 && (from < d->count || rest > 0)) {
        rest = rest * 10 + (from < d->count ? d->digits[from] : 0);
        from++;
    }
    d->point -= from - 1;
    while (from <= d->count || rest > 0) {
        uint8_t digit = (uint8_t)(rest >> by);
        rest &= mask;
        if (to < DIGITS) {
            d->digits[to++] = digit;
        } else {
            d->more = d->more || digit > 0;
        }
        rest = rest * 10 + (from < d->count ? d->digits[from] : 0);
        from++;
    }
    d->count = to;
    trim(d);
}

static void shift(decimal *d, int by) {
    while (by != 0 && d->count > 0) {
        int step = by > 56 ? 56 : by < -56 ? -56 : by;
        if (step > 0) {
            shift_left(d, step);
        } else {
            shift_right(d, -step);
        }
        by -= step;
    }
}

/* Whether the digits from `at` on are more than half of one before, or half and that one is odd. */
static bool rounds_up(const decimal *d, int at) {
    if (at < 0 || at >= d->count) return false;
    if (d->digits[at] == 5 && at + 1 == d->count && !d->more) return at > 0 && d->digits[at - 1] % 2 == 1;
    return d->digits[at] >= 5;
}

/* The digits before the point, rounded; at most 19 of them. */
static uint64_t whole_of(const decimal *d) {
    uint64_t whole = 0;
    for (int i = 0; i < d->point; i++) whole = whole * 10 + (i < d->count ? d->digits[i] : 0);
    return whole + rounds_up(d, d->point);
}

/* The nearest double; infinite if it is over their range. */
static double nearest(decimal *d) {
    int exponent = 0;
    if (d->count == 0 || d->point < -330) return 0;
    if (d->point > 310) return HUGE_VAL;
    /* Between a half and one, with the powers of two counted. */
    while (d->point > 0) {
        int by = d->point == 1 ? 1 : d->point < 19 ? (d->point - 1) * 3 : 56;
        shift(d, -by);
        exponent += by;
    }
    while (d->point < 0 || d->digits[0] < 5) {
        int by = d->point == 0 ? 1 : d->point > -18 ? -d->point * 3 : 56;
        shift(d, by);
        exponent -= by;
    }
    /* Numbers below the least normal one have fewer bits. */
    int bits = exponent < DBL_MIN_EXP ? DBL_MANT_DIG - (DBL_MIN_EXP - exponent) : DBL_MANT_DIG;
    if (bits < 0) return 0;
    shift(d, bits);
    return ldexp((double)whole_of(d), exponent - bits);
}

/* After `text` was found to be a number of JSON. */
double gm_double_of(const char *text, size_t length) {
    decimal d = {0};
    size_t at = 0;
    bool negative = text[0] == '-', fraction = false;
    int exponent = 0;
    for (at = negative; at < length && text[at] != 'e' && text[at] != 'E'; at++) {
        if (text[at] == '.') {
            fraction = true;
            continue;
        }
        /* Zeros in front only move the point. */
        bool leading = d.count == 0 && text[at] == '0';
        if (!fraction && !leading && d.point < 100000) d.point++;
        if (fraction && leading && d.point > -100000) d.point--;
        if (leading) continue;
        if (d.count < DIGITS) {
            d.digits[d.count++] = (uint8_t)(text[at] - '0');
        } else {
            d.more = d.more || text[at] != '0';
        }
    }
    bool down = at + 1 < length && text[at + 1] == '-';
    for (at++; at < length; at++) {
        if (text[at] >= '0' && text[at] <= '9' && exponent < 100000) exponent = exponent * 10 + (text[at] - '0');
    }
    trim(&d);
    if (d.count > 0) d.point += down ? -exponent : exponent;
    double number = nearest(&d);
    return negative ? -number : number;
}

/* As many digits as are asked for, rounded. */
static void round_to(decimal *d, int count) {
    if (count >= d->count) return;
    bool up = rounds_up(d, count);
    d->count = count;
    while (up && d->count > 0 && d->digits[d->count - 1] == 9) d->count--;
    if (up && d->count == 0) {
        d->digits[d->count++] = 1;
        d->point++;
    } else if (up) {
        d->digits[d->count - 1]++;
    }
    d->more = false;
    trim(d);
}

static char *put_digits(char *to, const decimal *d, int from, int until) {
    for (int i = from; i < until; i++) *to++ = (char)('0' + (i < d->count ? d->digits[i] : 0));
    return to;
}

/* With a point where people write one, else with an exponent. */
static const char *written(const decimal *d, bool negative) {
    char text[48], *to = text;
    int count = d->count;
    if (negative) *to++ = '-';
    if (d->point > 21 || d->point < -5) {
        to = put_digits(to, d, 0, 1);
        if (count > 1) *to++ = '.';
        to = put_digits(to, d, 1, count);
        *to++ = 'e';
        const char *exponent = gm_text_of_int(d->point - 1);
        memcpy(to, exponent, strlen(exponent));
        to += strlen(exponent);
    } else if (d->point <= 0) {
        *to++ = '0';
        if (count > 0) *to++ = '.';
        for (int i = d->point; i < 0; i++) *to++ = '0';
        to = put_digits(to, d, 0, count);
    } else {
        to = put_digits(to, d, 0, d->point);
        if (count > d->point) *to++ = '.';
        to = put_digits(to, d, d->point, count);
    }
    return gm_copy(text, (size_t)(to - text));
}

const char *gm_text_of_double(double number) {
    if (!isfinite(number)) return "null";
    int exponent;
    bool negative = signbit(number) != 0;
    double fraction = frexp(fabs(number), &exponent);
    decimal exact = {0};
    uint64_t mantissa = (uint64_t)ldexp(fraction, DBL_MANT_DIG);
    char digits[21];
    int count = 0;
    for (; mantissa > 0; mantissa /= 10) digits[count++] = (char)(mantissa % 10);
    for (int i = 0; i < count; i++) exact.digits[i] = (uint8_t)digits[count - 1 - i];
    exact.count = exact.point = count;
    shift(&exact, exponent - DBL_MANT_DIG);
    decimal shortest = exact;
    /* 17 digits tell all doubles apart; most need no more than 15. */
    for (int wanted = 15; wanted <= 17; wanted++) {
        shortest = exact;
        round_to(&shortest, wanted);
        decimal back = shortest;
        if (nearest(&back) == fabs(number)) break;
    }
    return written(&shortest, negative);
}
