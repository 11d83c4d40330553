/*
 * UTF-8 (RFC 3629): is it, and how long is a sequence?
 *
 * The strings of a text, names and values of queries and headers, whatever is
 * escaped for a log: all ask here.  Nothing is kept, nothing is allocated, and
 * no byte at or after `end` is looked at.
 */

#include "proctor_json_tape.h"


int
proctor_json_utf8(const char *s, size_t len)
{
    unsigned n;
    const char *end;

    end = s + len;

    while (s < end) {
        s = proctor_json_scan_plain(s, end);

        if (s < end) {
            n = proctor_json_sequence(s, end);
            if (n == 0) {
                return 0;
            }

            s += n;
        }
    }

    return 1;
}


/*
 * RFC 3629, 4: the first byte decides the length, and where the second may lie,
 * which is what keeps out overlong forms, surrogates and all over U+10FFFF.
 */

unsigned
proctor_json_sequence(const char *p, const char *end)
{
    unsigned i, n;
    uint8_t first, low, high;

    first = (uint8_t) *p;
    low = 0x80;
    high = 0xbf;

    if (first < 0x80) {
        return 1;
    }

    if (first < 0xc2 || first > 0xf4) {
        return 0;
    }

    n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;

    if (end - p < (ptrdiff_t) n) {
        return 0;
    }

    low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : low;
    high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : high;

    if ((uint8_t) p[1] < low || (uint8_t) p[1] > high) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if (((uint8_t) p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return n;
}
