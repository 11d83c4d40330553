/*
 * Hexadecimal digits: one of them read, any number of bytes written.
 *
 * Digests and request ids are written for every request, so sixteen bytes are
 * turned at once where the machine has SSE2, four elsewhere.
 */

#include <endian.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "proctor_base.h"


#if defined(__SSE2__)
static inline char *proctor_hex_block(char *dst, const unsigned char *src);
static inline __m128i proctor_hex_digits(__m128i nibbles);
#endif
static inline char *proctor_hex_four(char *dst, const unsigned char *src);


int
proctor_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20; /* lower case */

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


char *
proctor_hex_write(char *dst, const unsigned char *src, size_t len)
{
    size_t i;

    static const char digits[] = "0123456789abcdef";

    i = 0;

#if defined(__SSE2__)
    for (; i + 16 <= len; i += 16) {
        dst = proctor_hex_block(dst, src + i);
    }
#endif

    for (; i + 4 <= len; i += 4) {
        dst = proctor_hex_four(dst, src + i);
    }

    for (; i < len; i++) {
        *dst++ = digits[src[i] >> 4];
        *dst++ = digits[src[i] & 0xf];
    }

    return dst;
}


#if defined(__SSE2__)

/* 16 bytes at once: high and low nibbles take turns */

static inline char *
proctor_hex_block(char *dst, const unsigned char *src)
{
    __m128i bytes, high, low, nibbles;

    const __m128i mask = _mm_set1_epi8(0xf);

    bytes = _mm_loadu_si128((const __m128i *) (const void *) src);
    high = _mm_and_si128(_mm_srli_epi16(bytes, 4), mask);
    low = _mm_and_si128(bytes, mask);

    nibbles = _mm_unpacklo_epi8(high, low);
    _mm_storeu_si128((__m128i *) (void *) dst, proctor_hex_digits(nibbles));

    nibbles = _mm_unpackhi_epi8(high, low);
    _mm_storeu_si128(
        (__m128i *) (void *) (dst + 16), proctor_hex_digits(nibbles));

    return dst + 32;
}


/* what is over 9 has the distance to 'a' on top */

static inline __m128i
proctor_hex_digits(__m128i nibbles)
{
    __m128i letters;

    letters = _mm_and_si128(_mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9)),
        _mm_set1_epi8('a' - '0' - 10));

    return _mm_add_epi8(_mm_add_epi8(nibbles, _mm_set1_epi8('0')), letters);
}

#endif


/* the same of four bytes: each nibble is spread to a byte of its own */

static inline char *
proctor_hex_four(char *dst, const unsigned char *src)
{
    uint32_t four;
    uint64_t w;

    const uint64_t ones = UINT64_MAX / 255;

    memcpy(&four, src, sizeof(four));

    w = le32toh(four);
    w = (w | w << 16) & UINT64_C(0x0000ffff0000ffff);
    w = (w | w << 8) & UINT64_C(0x00ff00ff00ff00ff);
    w = (w >> 4 & UINT64_C(0x000f000f000f000f))
        | (w & UINT64_C(0x000f000f000f000f)) << 8;
    w += ones * '0' + ((w + ones * 6) >> 4 & ones) * ('a' - '0' - 10);
    w = htole64(w);

    memcpy(dst, &w, sizeof(w));

    return dst + sizeof(w);
}
