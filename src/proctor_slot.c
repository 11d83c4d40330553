/*
 * Which of a Redis Cluster's slots a key belongs to: CRC16 (XMODEM: polynomial
 * 0x1021, from zero) of the key, or of its hash tag: what stands between the
 * first "{" and the next "}", if that is something.
 */

#include <string.h>

#include "proctor_base.h"


/* four bits at a time: sixteen steps of one bit each */

static const uint16_t proctor_slot_crc[16] = {
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7, /* 0 - 7 */
    0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef  /* 8 - f */
};


unsigned
proctor_slot(const char *key, size_t len)
{
    size_t i;
    uint16_t crc;
    const char *open, *end;
    unsigned char c;

    open = memchr(key, '{', len);

    if (open != NULL) {
        open++;
        end = memchr(open, '}', len - (size_t) (open - key));

        if (end != NULL && end != open) {
            key = open;
            len = (size_t) (end - open);
        }
    }

    for (i = 0, crc = 0; i < len; i++) {
        c = (unsigned char) key[i];
        crc = (uint16_t) (crc << 4) ^ proctor_slot_crc[(crc >> 12) ^ (c >> 4)];
        crc = (uint16_t) (crc << 4) ^ proctor_slot_crc[(crc >> 12) ^ (c & 15)];
    }

    return crc % PROCTOR_SLOTS;
}
