/*
 * Past a JSON value.  The answer's links filter lives on this: of a list
 * answer's bytes nearly all are inside a member it has no business with.
 *
 * A block of 64 bytes becomes four words, one bit for each byte: the quotes,
 * backslashes, opening and closing brackets.  From these, without a branch for
 * each byte, which bytes are escaped and which stand inside a string, so what
 * brackets count (Langdale and Lemire, "Parsing Gigabytes of JSON per Second",
 * 2019, section 3.1).  A block that is cut short is padded with spaces: the
 * same words, so the same verdict wherever the text was cut.
 *
 * What must hold: a backslash escapes the next byte wherever it stands, and
 * the only other byte with a meaning inside a string is the quote; all bytes
 * of UTF-8 sequences are above both.  The value is not validated: brackets
 * only count, a pair of different ones is a pair.
 *
 * No memory of its own.
 */

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "proctor_json.h"


#define PROCTOR_SKIP_BLOCK 64
#define PROCTOR_SKIP_EVEN  0x5555555555555555u


typedef struct {
    uint64_t quotes;
    uint64_t backslashes;
    uint64_t opens;
    uint64_t closes;
} proctor_skip_bits_t;


#ifdef __SSE2__

static uint64_t
proctor_skip_equal(__m128i bytes, char c)
{
    return (unsigned) _mm_movemask_epi8(
        _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)));
}


static void
proctor_skip_bits(proctor_skip_bits_t *bits, const char *p)
{
    int i;
    __m128i bytes, lower;

    memset(bits, 0, sizeof(proctor_skip_bits_t));

    for (i = 0; i < PROCTOR_SKIP_BLOCK; i += 16) {
        bytes = _mm_loadu_si128((const __m128i *) (const void *) (p + i));

        /* "[" and "{", "]" and "}" differ in this bit alone */
        lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));

        bits->quotes |= proctor_skip_equal(bytes, '"') << i;
        bits->backslashes |= proctor_skip_equal(bytes, '\\') << i;
        bits->opens |= proctor_skip_equal(lower, '{') << i;
        bits->closes |= proctor_skip_equal(lower, '}') << i;
    }
}

#else

static void
proctor_skip_bits(proctor_skip_bits_t *bits, const char *p)
{
    int i;

    memset(bits, 0, sizeof(proctor_skip_bits_t));

    for (i = 0; i < PROCTOR_SKIP_BLOCK; i++) {
        bits->quotes |= (uint64_t) (p[i] == '"') << i;
        bits->backslashes |= (uint64_t) (p[i] == '\\') << i;
        bits->opens |= (uint64_t) ((p[i] | 0x20) == '{') << i;
        bits->closes |= (uint64_t) ((p[i] | 0x20) == '}') << i;
    }
}

#endif


/*
 * The bytes that a backslash stands before and takes the meaning of.  A run of
 * backslashes that starts at an odd place is found by the carry of an addition:
 * it flips the parity of all that follow in the run.
 */

static uint64_t
proctor_skip_escaped(proctor_skip_t *s, uint64_t backslashes, size_t len)
{
    uint64_t escaped, follows, odd, runs;

    if (backslashes == 0) {
        escaped = s->escaped;
        s->escaped = 0;
        return escaped;
    }

    backslashes &= ~s->escaped;
    follows = backslashes << 1 | s->escaped;
    odd = backslashes & ~PROCTOR_SKIP_EVEN & ~follows;
    runs = odd + backslashes;
    escaped = (PROCTOR_SKIP_EVEN ^ runs << 1) & follows;

    s->escaped = (len == PROCTOR_SKIP_BLOCK) ? runs < odd : escaped >> len & 1;

    return escaped;
}


/* the bytes inside strings: each bit, the parity of the quotes up to it */

static uint64_t
proctor_skip_quoted(proctor_skip_t *s, uint64_t quotes)
{
    int shift;

    for (shift = 1; shift < PROCTOR_SKIP_BLOCK; shift <<= 1) {
        quotes ^= quotes << shift;
    }

    quotes ^= s->quoted;
    s->quoted = (uint64_t) 0 - (quotes >> (PROCTOR_SKIP_BLOCK - 1));

    return quotes;
}


/*
 * Reads the block at p, of which the quotes left are those that open or close
 * a string; returns its length.
 */

static size_t
proctor_skip_block(proctor_skip_t *s, proctor_skip_bits_t *bits, const char *p,
    const char *last)
{
    size_t len;
    char padded[PROCTOR_SKIP_BLOCK];

    len = (size_t) (last - p);

    if (len < PROCTOR_SKIP_BLOCK) {
        memset(padded, ' ', PROCTOR_SKIP_BLOCK);
        memcpy(padded, p, len);
        p = padded;

    } else {
        len = PROCTOR_SKIP_BLOCK;
    }

    proctor_skip_bits(bits, p);

    bits->quotes &= ~proctor_skip_escaped(s, bits->backslashes, len);

    return len;
}


const char *
proctor_skip_string(proctor_skip_t *s, const char *p, const char *last)
{
    size_t len;
    proctor_skip_bits_t bits;

    for (/* void */; p < last; p += len) {
        len = proctor_skip_block(s, &bits, p, last);

        if (bits.quotes != 0) {
            return p + __builtin_ctzll(bits.quotes) + 1;
        }
    }

    return NULL;
}


/* the place of the bracket that closes the value; -1: not in this block */

static int
proctor_skip_close(proctor_skip_t *s, uint64_t opens, uint64_t closes)
{
    uint64_t brackets, closing;

    closing = (uint64_t) __builtin_popcountll(closes);

    if (closing < s->depth) {
        s->depth += (uint64_t) __builtin_popcountll(opens) - closing;
        return -1;
    }

    for (brackets = opens | closes; brackets != 0; brackets &= brackets - 1) {
        if (opens & brackets & -brackets) {
            s->depth++;

        } else if (--s->depth == 0) {
            return __builtin_ctzll(brackets);
        }
    }

    return -1;
}


const char *
proctor_skip_nested(proctor_skip_t *s, const char *p, const char *last)
{
    int place;
    size_t len;
    uint64_t plain;
    proctor_skip_bits_t bits;

    for (/* void */; p < last; p += len) {
        len = proctor_skip_block(s, &bits, p, last);
        plain = ~proctor_skip_quoted(s, bits.quotes);

        place = proctor_skip_close(s, bits.opens & plain, bits.closes & plain);

        if (place != -1) {
            return p + place + 1;
        }
    }

    return NULL;
}
