/*
 * Decimal digits, for header fields and commands of every request: a formatter
 * would cost more than what they stand in.
 */

#include <string.h>

#include "proctor_base.h"


char *
proctor_decimal_write(char *dst, uint64_t value)
{
    size_t len;
    char digits[PROCTOR_DECIMAL_LEN], *d;

    d = digits + sizeof(digits);

    do {
        *--d = (char) ('0' + value % 10);
        value /= 10;
    } while (value != 0);

    len = (size_t) (digits + sizeof(digits) - d);
    memcpy(dst, d, len);

    return dst + len;
}
