/*
 * Bytes of unknown origin into ASCII JSON, and out of percent-encoding.
 *
 * The audit trail and the error bodies quote what a client sent.  What comes
 * out of proctor_escape_json() is printable ASCII whatever goes in, so that
 * nobody can forge a line, a terminal sequence or a member.  Writes only into
 * the caller's buffer, keeps nothing, allocates nothing.
 */

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "proctor.h"


#define PROCTOR_ESCAPE_BLOCK 16


static size_t proctor_escape_one(char dst[12], const char **src, size_t len);
static char *proctor_escape_unit(char *dst, uint32_t unit);
static uint32_t proctor_escape_decode(const char *p, unsigned n);
static inline int proctor_escape_ends(char *dst, const char *src, size_t len);
static inline int proctor_escape_short(char *dst, const char *src, size_t len);
static inline int proctor_escape_are_plain(uint64_t a, uint64_t b);


/* printable ASCII that stands for itself: not a quote, backslash or DEL */

static const uint8_t proctor_escape_plain[256] = {
    [' ' ... '!'] = 1,
    ['#' ... '['] = 1,
    [']' ... '~'] = 1,
};


size_t
proctor_escape_json(
    char *dst, size_t size, const char *src, size_t len, size_t *used)
{
    char one[12], *out, *last;
    size_t i, n;
    const char *p, *next, *end;

    p = src;
    end = src + len;
    out = dst;
    last = dst + size;

    for (;;) {
        while (p < end && out < last && proctor_escape_plain[(uint8_t) *p]) {
            *out++ = *p++;
        }

        if (p == end || out == last) {
            break;
        }

        next = p;
        n = proctor_escape_one(one, &next, (size_t) (end - p));

        if ((size_t) (last - out) < n) {
            break;
        }

        for (i = 0; i < n; i++) {
            *out++ = one[i];
        }

        p = next;
    }

    *used = (size_t) (p - src);

    return (size_t) (out - dst);
}


/* escapes the character at *src and moves *src behind it; bytes written */

static size_t
proctor_escape_one(char dst[12], const char **src, size_t len)
{
    char *out;
    unsigned n;
    uint32_t c;
    const char *p;

    p = *src;

    if (*p == '"' || *p == '\\') {
        *src = p + 1;
        dst[0] = '\\';
        dst[1] = *p;
        return 2;
    }

    n = proctor_json_sequence(p, p + len);
    c = n != 0 ? proctor_escape_decode(p, n) : 0xfffd;

    /* what is no character is replaced byte by byte: nothing is swallowed */
    *src = p + (n != 0 ? n : 1);

    if (c < 0x10000) {
        out = proctor_escape_unit(dst, c);

    } else {
        out = proctor_escape_unit(dst, 0xd800 + ((c - 0x10000) >> 10));
        out = proctor_escape_unit(out, 0xdc00 + (c & 0x3ff));
    }

    return (size_t) (out - dst);
}


static char *
proctor_escape_unit(char *dst, uint32_t unit)
{
    unsigned char bytes[2];

    bytes[0] = (unsigned char) (unit >> 8);
    bytes[1] = (unsigned char) unit;

    dst[0] = '\\';
    dst[1] = 'u';

    return proctor_hex_write(dst + 2, bytes, sizeof(bytes));
}


/* the code point of a valid UTF-8 sequence of n bytes */

static uint32_t
proctor_escape_decode(const char *p, unsigned n)
{
    unsigned i;
    uint32_t c;

    c = n == 1 ? (uint8_t) *p : (uint8_t) *p & (0x7fu >> n);

    for (i = 1; i < n; i++) {
        c = (c << 6) | ((uint8_t) p[i] & 0x3f);
    }

    return c;
}


ptrdiff_t
proctor_unescape_percent(char *dst, const char *src, size_t len, int plus)
{
    int high, low;
    char *out;
    const char *p, *end;

    out = dst;
    end = src + len;

    for (p = src; p < end; p++) {
        if (*p == '+' && plus) {
            *out++ = ' ';
            continue;
        }

        if (*p != '%') {
            *out++ = *p;
            continue;
        }

        if (end - p < 3) {
            return -1;
        }

        high = proctor_hex(p[1]);
        low = proctor_hex(p[2]);

        if (high < 0 || low < 0) {
            return -1;
        }

        *out++ = (char) (high * 16 + low);
        p += 2;
    }

    return out - dst;
}


/*
 * Copies what needs no escape, in as few steps as there are blocks, and says
 * how much that was: nearly always all.  The last block overlaps the one before
 * it, and so do the two halves of a short text.
 */

size_t
proctor_escape_copy(char *dst, const char *src, size_t len)
{
    size_t i;

    if (len >= PROCTOR_ESCAPE_BLOCK) {
        for (i = 0; i + PROCTOR_ESCAPE_BLOCK < len; i += PROCTOR_ESCAPE_BLOCK) {
            if (!proctor_escape_ends(dst + i, src + i, PROCTOR_ESCAPE_BLOCK)) {
                return i;
            }
        }

        return proctor_escape_ends(dst + len - PROCTOR_ESCAPE_BLOCK,
                   src + len - PROCTOR_ESCAPE_BLOCK, PROCTOR_ESCAPE_BLOCK)
                   ? len
                   : i;
    }

    if (len >= 8) {
        return proctor_escape_ends(dst, src, len) ? len : 0;
    }

    if (len >= 4) {
        return proctor_escape_short(dst, src, len) ? len : 0;
    }

    for (i = 0; i < len && proctor_escape_plain[(uint8_t) src[i]]; i++) {
        dst[i] = src[i];
    }

    return i;
}


/* 8 to 16 bytes, as their first and their last eight; 0: nothing was copied */

static inline int
proctor_escape_ends(char *dst, const char *src, size_t len)
{
    uint64_t first, last;

    memcpy(&first, src, sizeof(first));
    memcpy(&last, src + len - sizeof(last), sizeof(last));

    if (!proctor_escape_are_plain(first, last)) {
        return 0;
    }

    memcpy(dst, &first, sizeof(first));
    memcpy(dst + len - sizeof(last), &last, sizeof(last));

    return 1;
}


/* the same of 4 to 7 bytes */

static inline int
proctor_escape_short(char *dst, const char *src, size_t len)
{
    uint32_t first, last;
    uint64_t both;

    memcpy(&first, src, sizeof(first));
    memcpy(&last, src + len - sizeof(last), sizeof(last));

    both = first | (uint64_t) last << 32;

    if (!proctor_escape_are_plain(both, both)) {
        return 0;
    }

    memcpy(dst, &first, sizeof(first));
    memcpy(dst + len - sizeof(last), &last, sizeof(last));

    return 1;
}


/* 1 when all bytes are printable ASCII, none a quote or a backslash */

#if defined(__SSE2__)

/* bytes over 0x7f are negative, and so below the space, too */

static inline int
proctor_escape_are_plain(uint64_t a, uint64_t b)
{
    __m128i bytes, odd;

    bytes = _mm_set_epi64x((long long) b, (long long) a);

    odd = _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(' ')),
        _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));

    return _mm_movemask_epi8(odd) == 0;
}

#else

/*
 * A byte below n, or equal to n, sets the high bit of its place (Hacker's
 * Delight, 6-1).
 */

#define proctor_escape_each(n)     ((n) * (UINT64_MAX / 255))
#define proctor_escape_below(w, n) (((w) -proctor_escape_each(n)) & ~(w))
#define proctor_escape_equal(w, n)                                             \
    proctor_escape_below((w) ^ proctor_escape_each(n), 1)
#define proctor_escape_special(w)                                              \
    ((w) | proctor_escape_below(w, ' ') | proctor_escape_equal(w, '"')         \
        | proctor_escape_equal(w, '\\') | proctor_escape_equal(w, 0x7f))

static inline int
proctor_escape_are_plain(uint64_t a, uint64_t b)
{
    return ((proctor_escape_special(a) | proctor_escape_special(b))
               & proctor_escape_each(0x80))
           == 0;
}

#endif
