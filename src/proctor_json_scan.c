/*
 * The bytes of one JSON string, number or literal (RFC 8259).
 *
 * proctor_json.c calls this for each token.  Nothing is kept and nothing is
 * allocated; no function looks at a byte at or after `end`.
 *
 * A prompt is one long string, so most of a body's bytes pass through
 * proctor_json_scan_plain() and nothing else: 64 bytes a step where the machine
 * has SSE2, 8 elsewhere.  Only a byte outside ASCII is looked at as UTF-8.
 */

#include <string.h>

#include "proctor_json_tape.h"


const char proctor_json_empty[] = "is empty";
const char proctor_json_bom[] = "starts with a byte order mark";
const char proctor_json_syntax[] = "is not valid JSON";
const char proctor_json_bad_utf8[] = "is not valid UTF-8";
const char proctor_json_surrogate[] = "has a lone surrogate";
const char proctor_json_duplicate[] = "has a duplicate member";
const char proctor_json_trailing[] = "has bytes after its end";
const char proctor_json_deep[] = "is nested too deeply";
const char proctor_json_many[] = "has too many values";
const char proctor_json_large[] = "is too large";


#ifdef __SSE2__
static int proctor_json_block(const char *p);
#endif
static const char *proctor_json_plain_tail(const char *p, const char *end);
static const char *proctor_json_scan_escaped(
    proctor_json_scan_t *scan, const char *p, const char *end);
static const char *proctor_json_scan_utf8(
    proctor_json_scan_t *scan, const char *p, const char *end);
static const char *proctor_json_scan_fail(
    proctor_json_scan_t *scan, const char *error, const char *at);
static int32_t proctor_json_unit(const char *p, const char *end);
static const char *proctor_json_fraction(const char *p, const char *end);
static const char *proctor_json_digits(const char *p, const char *end);


/* what a string may hold as it stands: not a control, quote or backslash */

static const uint8_t proctor_json_plains[256] = {
    [' ' ... '!'] = 1,
    ['#' ... '['] = 1,
    [']' ... 0x7f] = 1,
};

/* after a backslash: what it stands for; "u" is not here */

static const char proctor_json_escapes[256] = {
    ['"'] = '"',
    ['\\'] = '\\',
    ['/'] = '/',
    ['b'] = '\b',
    ['f'] = '\f',
    ['n'] = '\n',
    ['r'] = '\r',
    ['t'] = '\t',
};

static const proctor_json_literal_t proctor_json_literals[] = {
    { "true", 4, PROCTOR_JSON_TRUE },
    { "false", 5, PROCTOR_JSON_FALSE },
    { "null", 4, PROCTOR_JSON_NULL },
};


const char *
proctor_json_scan_string(
    proctor_json_scan_t *scan, const char *p, const char *end)
{
    scan->escaped = 0;

    for (;;) {
        p = proctor_json_scan_plain(p, end);

        if (p == end) {
            return proctor_json_scan_fail(scan, proctor_json_syntax, p);
        }

        if (*p == '"') {
            return p;
        }

        if (*p == '\\') {
            scan->escaped = 1;
            p = proctor_json_scan_escaped(scan, p, end);

        } else {
            p = proctor_json_scan_utf8(scan, p, end);
        }

        if (p == NULL) {
            return NULL;
        }
    }
}


#ifdef __SSE2__

const char *
proctor_json_scan_plain(const char *p, const char *end)
{
    unsigned stops;

    if (end - p >= 16) {
        /* most strings are short: no loop for them */
        stops = proctor_json_stops(p);
        if (stops != 0) {
            return p + __builtin_ctz(stops);
        }

        p += 16;
    }

    while (end - p >= 64 && proctor_json_block(p)) {
        p += 64;
    }

    while (end - p >= 16) {
        stops = proctor_json_stops(p);
        if (stops != 0) {
            return p + __builtin_ctz(stops);
        }

        p += 16;
    }

    return proctor_json_plain_tail(p, end);
}


/*
 * 1 when a string may hold all of 64 bytes as they stand: proctor_json_stops()
 * on the lowest of four bytes.  SSE2 has no signed minimum, so that the top bit
 * is turned over for it.
 */

static inline int
proctor_json_block(const char *p)
{
    __m128i a, b, c, d, low, slash;
    const __m128i *from = (const __m128i *) (const void *) p;
    const __m128i turn = _mm_set1_epi8((char) 0x82);
    const __m128i slashes = _mm_set1_epi8('\\');

    a = _mm_loadu_si128(from);
    b = _mm_loadu_si128(from + 1);
    c = _mm_loadu_si128(from + 2);
    d = _mm_loadu_si128(from + 3);

    slash = _mm_or_si128(
        _mm_or_si128(_mm_cmpeq_epi8(a, slashes), _mm_cmpeq_epi8(b, slashes)),
        _mm_or_si128(_mm_cmpeq_epi8(c, slashes), _mm_cmpeq_epi8(d, slashes)));

    low = _mm_min_epu8(
        _mm_min_epu8(_mm_xor_si128(a, turn), _mm_xor_si128(b, turn)),
        _mm_min_epu8(_mm_xor_si128(c, turn), _mm_xor_si128(d, turn)));
    low = _mm_xor_si128(low, _mm_set1_epi8((char) 0x80));
    low = _mm_subs_epi8(low, _mm_set1_epi8(' ' + 1));

    return _mm_movemask_epi8(_mm_or_si128(low, slash)) == 0;
}

#else

const char *
proctor_json_scan_plain(const char *p, const char *end)
{
    uint64_t word, quote, backslash;
    const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;

    /* a byte less than what is taken from it sets the top bit of some byte */
    while (end - p >= 8) {
        memcpy(&word, p, 8);
        quote = word ^ (ones * '"');
        backslash = word ^ (ones * '\\');

        if (((word - ones * ' ') | word | (quote - ones) | (backslash - ones))
            & tops) {
            break;
        }

        p += 8;
    }

    return proctor_json_plain_tail(p, end);
}

#endif


static const char *
proctor_json_plain_tail(const char *p, const char *end)
{
    while (p < end && proctor_json_plains[(uint8_t) *p]) {
        p++;
    }

    return p;
}


/* p: a backslash */

static const char *
proctor_json_scan_escaped(
    proctor_json_scan_t *scan, const char *p, const char *end)
{
    int32_t high, low;

    if (end - p < 2) {
        return proctor_json_scan_fail(scan, proctor_json_syntax, end);
    }

    if (proctor_json_escapes[(uint8_t) p[1]] != 0) {
        return p + 2;
    }

    high = proctor_json_unit(p, end);
    if (high < 0) {
        return proctor_json_scan_fail(scan, proctor_json_syntax, p);
    }

    if (high < 0xd800 || high > 0xdfff) {
        return p + 6;
    }

    low = proctor_json_unit(p + 6, end);
    if (high > 0xdbff || low < 0xdc00 || low > 0xdfff) {
        return proctor_json_scan_fail(scan, proctor_json_surrogate, p);
    }

    return p + 12;
}


/* p: a control character, or a byte outside ASCII and those that follow it */

static const char *
proctor_json_scan_utf8(
    proctor_json_scan_t *scan, const char *p, const char *end)
{
    unsigned n;

    if ((uint8_t) *p < 0x80) {
        return proctor_json_scan_fail(scan, proctor_json_syntax, p);
    }

    while (p < end && (uint8_t) *p >= 0x80) {
        n = proctor_json_sequence(p, end);
        if (n == 0) {
            return proctor_json_scan_fail(scan, proctor_json_bad_utf8, p);
        }

        p += n;
    }

    return p;
}


static const char *
proctor_json_scan_fail(
    proctor_json_scan_t *scan, const char *error, const char *at)
{
    scan->error = error;
    scan->at = at;

    return NULL;
}


/* the UTF-16 unit that \uXXXX at p stands for, or -1 */

static int32_t
proctor_json_unit(const char *p, const char *end)
{
    int i, digit;
    int32_t unit;

    if (end - p < 6 || p[0] != '\\' || p[1] != 'u') {
        return -1;
    }

    unit = 0;

    for (i = 2; i < 6; i++) {
        digit = proctor_hex(p[i]);
        if (digit < 0) {
            return -1;
        }

        unit = unit * 16 + digit;
    }

    return unit;
}


unsigned
proctor_json_scan_escape(const char **p, char dst[4])
{
    int32_t c, low;

    dst[0] = proctor_json_escapes[(uint8_t) (*p)[1]];

    if (dst[0] != 0) {
        *p += 2;
        return 1;
    }

    c = proctor_json_unit(*p, *p + 6);
    *p += 6;

    if (c >= 0xd800 && c <= 0xdfff) {
        low = proctor_json_unit(*p, *p + 6);
        *p += 6;

        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        dst[0] = (char) (0xf0 | (c >> 18));
        dst[1] = (char) (0x80 | ((c >> 12) & 0x3f));
        dst[2] = (char) (0x80 | ((c >> 6) & 0x3f));
        dst[3] = (char) (0x80 | (c & 0x3f));
        return 4;
    }

    if (c < 0x80) {
        dst[0] = (char) c;
        return 1;
    }

    if (c < 0x800) {
        dst[0] = (char) (0xc0 | (c >> 6));
        dst[1] = (char) (0x80 | (c & 0x3f));
        return 2;
    }

    dst[0] = (char) (0xe0 | (c >> 12));
    dst[1] = (char) (0x80 | ((c >> 6) & 0x3f));
    dst[2] = (char) (0x80 | (c & 0x3f));
    return 3;
}


const proctor_json_literal_t *
proctor_json_scan_literal(const char *p, const char *end)
{
    const proctor_json_literal_t *literal;

    for (literal = proctor_json_literals; *literal->text != *p; literal++) {
        /* void */
    }

    if ((size_t) (end - p) < literal->len
        || memcmp(p, literal->text, literal->len) != 0) {
        return NULL;
    }

    return literal;
}


const char *
proctor_json_scan_number(const char *p, const char *end, uint8_t *integer)
{
    if (p < end && *p == '-') {
        p++;
    }

    /* no leading zeros: what follows "0" is the next token's business */
    if (p < end && *p == '0') {
        p++;

    } else {
        p = proctor_json_digits(p, end);

        if (p == NULL) {
            return NULL;
        }
    }

    *integer = p == end || (*p != '.' && *p != 'e' && *p != 'E');

    return *integer ? p : proctor_json_fraction(p, end);
}


/* p: a point or the letter of an exponent */

static const char *
proctor_json_fraction(const char *p, const char *end)
{
    if (*p == '.') {
        p = proctor_json_digits(p + 1, end);
    }

    if (p != NULL && p < end && (*p == 'e' || *p == 'E')) {
        p++;

        if (p < end && (*p == '+' || *p == '-')) {
            p++;
        }

        p = proctor_json_digits(p, end);
    }

    return p;
}


/* the byte after the digits from p on; NULL: there is none */

static const char *
proctor_json_digits(const char *p, const char *end)
{
    const char *start;

    start = p;

    while (p < end && *p >= '0' && *p <= '9') {
        p++;
    }

    return p > start ? p : NULL;
}
