/*
 * Tests of proctor_hex.c: every byte, in texts of every length that is written
 * in another way.
 */

#include <stdlib.h>

#include "proctor.h"
#include "tap.h"


static void
test_digits(void)
{
    int c, bad;
    const char *at, digits[] = "0123456789abcdef";

    bad = 0;

    for (c = -128; c < 128; c++) {
        at = c > 0 ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
        bad += proctor_hex((char) c) != (at != NULL ? at - digits : -1);
    }

    is_int(bad, 0, "hexadecimal digits of all bytes");
}


/* all bytes at all places, in texts of every short length */

static void
test_write(void)
{
    size_t len, i;
    char *dst, *end, want[2 * 37 + 1];
    unsigned bad, c;
    unsigned char src[37];

    bad = 0;

    for (c = 0; c < 256; c++) {
        for (len = 0; len <= sizeof(src); len++) {
            for (i = 0; i < len; i++) {
                src[i] = (unsigned char) (c + 37 * i);
                snprintf(want + 2 * i, 3, "%02x", src[i]);
            }

            /* exactly as long as the text: a byte too many is seen */
            dst = malloc(2 * len);
            end = proctor_hex_write(dst, src, len);
            bad += end != dst + 2 * len || memcmp(dst, want, 2 * len) != 0;
            free(dst);
        }
    }

    is_int(bad, 0, "hexadecimal text of all bytes");
}


int
main(void)
{
    test_digits();
    test_write();

    return done_testing();
}
