/*
 * Base64 (RFC 4648, section 4) of hashes, keys and signatures.
 *
 * What is signed must have one spelling: text with white space, without its
 * padding, or with bits that say nothing is refused, all of which libcrypto's
 * decoder lets pass.  Lengths are known beforehand; nothing is allocated.
 */

#include <string.h>

#include "proctor_base.h"


static uint32_t proctor_base64_group(const unsigned char *p, size_t len);
static int proctor_base64_value(char c);


static const char proctor_base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                            "abcdefghijklmnopqrstuvwxyz"
                                            "0123456789+/";


void
proctor_base64_encode(char *dst, const void *bytes, size_t len)
{
    size_t i, n;
    uint32_t group;
    const unsigned char *p = bytes;

    for (i = 0; i < len; i += 3) {
        n = len - i < 3 ? len - i : 3;
        group = proctor_base64_group(p + i, n);

        *dst++ = proctor_base64_digits[group >> 18];
        *dst++ = proctor_base64_digits[group >> 12 & 0x3f];
        *dst++ = n > 1 ? proctor_base64_digits[group >> 6 & 0x3f] : '=';
        *dst++ = n > 2 ? proctor_base64_digits[group & 0x3f] : '=';
    }

    *dst = '\0';
}


/* up to three bytes as 24 bits, zeroes where there is none */

static uint32_t
proctor_base64_group(const unsigned char *p, size_t len)
{
    uint32_t group;

    group = (uint32_t) p[0] << 16;
    group |= len > 1 ? (uint32_t) p[1] << 8 : 0;
    group |= len > 2 ? (uint32_t) p[2] : 0;

    return group;
}


int
proctor_base64_decode(
    void *bytes, size_t len, const char *text, size_t text_len)
{
    int value;
    size_t i, done;
    uint32_t group;
    char last[5];
    unsigned char *p = bytes;

    if (text_len != proctor_base64_len(len) || text_len == 0) {
        return PROCTOR_INVALID;
    }

    group = 0;
    done = 0;

    for (i = 0; i < text_len; i++) {
        value = proctor_base64_value(text[i]);
        group = group << 6 | (uint32_t) (value < 0 ? 0 : value);

        if (value < 0 && i < text_len - 2) {
            return PROCTOR_INVALID;
        }

        if (i % 4 == 3) {
            for (; done < len && done < (i + 1) / 4 * 3; done++) {
                p[done] = (unsigned char) (group >> (16 - 8 * (done % 3)));
            }

            group = 0;
        }
    }

    /* the padding, and the bits beside it, are what we would have written */

    done = (len - 1) / 3 * 3;
    proctor_base64_encode(last, p + done, len - done);

    return memcmp(last, text + text_len - 4, 4) == 0 ? PROCTOR_OK
                                                     : PROCTOR_INVALID;
}


static int
proctor_base64_value(char c)
{
    const char *digit;

    digit = c != '\0' ? strchr(proctor_base64_digits, c) : NULL;

    return digit != NULL ? (int) (digit - proctor_base64_digits) : -1;
}
