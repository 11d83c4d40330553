/*
 * Exact decimal arithmetic on JSON number literals.
 *
 * A number is its significant digits, as they stand in the text, times a power
 * of ten.  Nothing is expanded and nothing is rounded: 1e400 is an integer,
 * 0.0075 is a multiple of 0.0001, and 1e1000000000 costs as much as 1.
 * Integers of up to 18 digits, which is what nearly everybody sends, are
 * compared as such.  A number points into the text it was parsed from.
 */

#include "proctor_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* far beyond what a text can hold in digits, far from overflow in sums */
#define PROCTOR_SCHEMA_EXPONENT_MAX INT64_C(1000000000000000)
#define PROCTOR_SCHEMA_SMALL_DIGITS 18


static int proctor_schema_number_small(
    proctor_schema_number_t *n, const char *text, size_t len);
static int64_t proctor_schema_number_exponent(const char *p, const char *last);
static void proctor_schema_number_trim(
    proctor_schema_number_t *n, const char *first, const char *last);
static const char *proctor_schema_number_digit(const char *p, unsigned *digit);
static int proctor_schema_number_sign(const proctor_schema_number_t *n);
static int proctor_schema_number_magnitude(
    const proctor_schema_number_t *a, const proctor_schema_number_t *b);
static uint64_t proctor_schema_number_modulo(
    const proctor_schema_number_t *n, uint64_t divisor);
static uint64_t proctor_schema_number_power(int64_t exponent, uint64_t divisor);


void
proctor_schema_number_parse(
    proctor_schema_number_t *n, const char *text, size_t len)
{
    const char *last, *end;

    memset(n, 0, sizeof(*n));
    n->negative = (len > 0 && text[0] == '-');

    if (proctor_schema_number_small(n, text, len)) {
        return;
    }

    last = text + len;
    end = text + n->negative;

    while (end < last && *end != 'e' && *end != 'E') {
        end++;
    }

    if (end < last) {
        n->exponent = proctor_schema_number_exponent(end + 1, last);
    }

    proctor_schema_number_trim(n, text + n->negative, end);
}


/* digits and exponent are filled in as well: a small number can meet a big */
static int
proctor_schema_number_small(
    proctor_schema_number_t *n, const char *text, size_t len)
{
    int64_t value;
    const char *p, *last;

    p = text + n->negative;
    last = text + len;

    if (last - p > PROCTOR_SCHEMA_SMALL_DIGITS) {
        return 0;
    }

    for (value = 0; p < last; p++) {
        if (*p < '0' || *p > '9') {
            return 0;
        }

        value = value * 10 + (*p - '0');
    }

    n->small = 1;
    n->value = n->negative ? -value : value;
    n->digits = text + n->negative;

    while (value != 0 && value % 10 == 0) {
        value /= 10;
        n->exponent++;
    }

    n->ndigits = (value == 0)
                     ? 0
                     : (uint32_t) (last - n->digits - (ptrdiff_t) n->exponent);

    return 1;
}


static int64_t
proctor_schema_number_exponent(const char *p, const char *last)
{
    int negative;
    int64_t exponent;

    negative = (p < last && *p == '-');

    if (p < last && (*p == '-' || *p == '+')) {
        p++;
    }

    for (exponent = 0; p < last; p++) {
        if (exponent < PROCTOR_SCHEMA_EXPONENT_MAX) {
            exponent = exponent * 10 + (*p - '0');
        }
    }

    return negative ? -exponent : exponent;
}


/* leaves out zeros on both sides; `first` to `last` may hold one point */
static void
proctor_schema_number_trim(
    proctor_schema_number_t *n, const char *first, const char *last)
{
    const char *point;

    point = memchr(first, '.', last - first);

    if (point != NULL) {
        n->exponent -= last - point - 1;
    }

    while (first < last && (*first == '0' || *first == '.')) {
        first++;
    }

    while (last > first && (last[-1] == '0' || last[-1] == '.')) {
        last--;
        n->exponent += (*last == '0');
    }

    n->digits = first;
    n->ndigits = (uint32_t) (last - first)
                 - (point != NULL && point >= first && point < last);

    if (n->ndigits == 0) {
        n->exponent = 0;
    }
}


int
proctor_schema_number_from(
    proctor_arena_t *arena, json_t *value, proctor_str_t *text)
{
    int precision;
    char buf[64];

    if (json_is_integer(value)) {
        (void) snprintf(buf, sizeof(buf), "%" JSON_INTEGER_FORMAT,
            json_integer_value(value));

    } else {

        /* 0.01 was written as 0.01, not as the double nearest to it */

        for (precision = 15; precision <= 17; precision++) {
            (void) snprintf(
                buf, sizeof(buf), "%.*g", precision, json_real_value(value));

            if (strtod(buf, NULL) == json_real_value(value)) {
                break;
            }
        }
    }

    text->len = strlen(buf);
    text->data = proctor_arena_strndup(arena, buf, text->len);

    return text->data == NULL ? PROCTOR_ERROR : PROCTOR_OK;
}


int
proctor_schema_number_compare(
    const proctor_schema_number_t *a, const proctor_schema_number_t *b)
{
    int sa, sb;

    if (a->small && b->small) {
        return (a->value > b->value) - (a->value < b->value);
    }

    sa = proctor_schema_number_sign(a);
    sb = proctor_schema_number_sign(b);

    if (sa != sb || sa == 0) {
        return (sa > sb) - (sa < sb);
    }

    return sa * proctor_schema_number_magnitude(a, b);
}


static int
proctor_schema_number_sign(const proctor_schema_number_t *n)
{
    if (n->ndigits == 0) {
        return 0;
    }

    return n->negative ? -1 : 1;
}


static int
proctor_schema_number_magnitude(
    const proctor_schema_number_t *a, const proctor_schema_number_t *b)
{
    int64_t ma, mb;
    uint32_t i;
    unsigned da, db;
    const char *pa, *pb;

    ma = a->exponent + a->ndigits;
    mb = b->exponent + b->ndigits;

    if (ma != mb) {
        return ma > mb ? 1 : -1;
    }

    pa = a->digits;
    pb = b->digits;

    for (i = 0; i < a->ndigits && i < b->ndigits; i++) {
        pa = proctor_schema_number_digit(pa, &da);
        pb = proctor_schema_number_digit(pb, &db);

        if (da != db) {
            return da > db ? 1 : -1;
        }
    }

    return (a->ndigits > b->ndigits) - (a->ndigits < b->ndigits);
}


static const char *
proctor_schema_number_digit(const char *p, unsigned *digit)
{
    if (*p == '.') {
        p++;
    }

    *digit = (unsigned) (*p - '0');

    return p + 1;
}


int
proctor_schema_number_is_integer(const proctor_schema_number_t *n)
{
    return n->small || n->exponent >= 0;
}


/*
 * With a = A * 10^ea and b = B * 10^eb, where neither A nor B ends in zero:
 * for ea < eb, A would have to be a multiple of 10^(eb - ea), and is not.
 * Else B must divide A * 10^(ea - eb), which is found modulo B.
 */
int
proctor_schema_number_is_multiple(
    const proctor_schema_number_t *a, const proctor_schema_number_t *b)
{
    uint32_t i;
    uint64_t divisor, rest;
    unsigned digit;
    const char *p;

    if (a->ndigits == 0) {
        return 1;
    }

    if (a->small && b->small) {
        return a->value % b->value == 0;
    }

    if (a->exponent < b->exponent) {
        return 0;
    }

    p = b->digits;
    divisor = 0;

    for (i = 0; i < b->ndigits; i++) {
        p = proctor_schema_number_digit(p, &digit);
        divisor = divisor * 10 + digit;
    }

    if (divisor == 0) {
        return 0; /* the compiler has refused it */
    }

    rest = proctor_schema_number_modulo(a, divisor);
    rest = (uint64_t) ((unsigned __int128) rest
                       * proctor_schema_number_power(
                           a->exponent - b->exponent, divisor)
                       % divisor);

    return rest == 0;
}


static uint64_t
proctor_schema_number_modulo(const proctor_schema_number_t *n, uint64_t divisor)
{
    uint32_t i;
    uint64_t rest;
    unsigned digit;
    const char *p;

    p = n->digits;
    rest = 0;

    for (i = 0; i < n->ndigits; i++) {
        p = proctor_schema_number_digit(p, &digit);
        rest = (uint64_t) (((unsigned __int128) rest * 10 + digit) % divisor);
    }

    return rest;
}


static uint64_t
proctor_schema_number_power(int64_t exponent, uint64_t divisor)
{
    uint64_t base, power;

    base = 10 % divisor;
    power = 1 % divisor;

    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1) {
            power = (uint64_t) ((unsigned __int128) power * base % divisor);
        }

        base = (uint64_t) ((unsigned __int128) base * base % divisor);
    }

    return power;
}


uint64_t
proctor_schema_number_hash(const proctor_schema_number_t *n, uint64_t seed)
{
    uint32_t i;
    uint64_t hash;
    unsigned digit;
    const char *p;

    hash = seed;
    p = n->digits;

    for (i = 0; i < n->ndigits; i++) {
        p = proctor_schema_number_digit(p, &digit);
        hash = (hash ^ digit) * UINT64_C(0x9fb21c651e98df25);
        hash ^= hash >> 32;
    }

    if (n->ndigits != 0) {
        hash ^= (uint64_t) n->exponent * UINT64_C(0x9e3779b97f4a7c15)
                + (uint64_t) n->negative;
    }

    return hash;
}
