/*
 * The id of an intent, which its outcome repeats.
 *
 *     5be1c0a9f2d34e77 1f        (without the space)
 *     the worker       its counter
 *
 * One spelling for who writes ids and who joins records by them: lower case,
 * no leading zero in the counter.  Nothing is kept, nothing allocated.
 */

#include <endian.h>
#include <string.h>

#include "proctor.h"


#define PROCTOR_AUDIT_ID_WORKER 16


static int proctor_audit_id_number(const char *p, size_t len, uint64_t *number);


size_t
proctor_audit_id(char *buf, uint64_t worker, uint64_t counter)
{
    size_t zeros;
    char digits[PROCTOR_AUDIT_ID_MAX];
    uint64_t both[2];

    both[0] = htobe64(worker);
    both[1] = htobe64(counter);

    (void) proctor_hex_write(
        digits, (const unsigned char *) both, sizeof(both));

    zeros = (counter == 0) ? 15 : (size_t) __builtin_clzll(counter) / 4;

    memcpy(buf, digits, PROCTOR_AUDIT_ID_WORKER);
    memcpy(buf + PROCTOR_AUDIT_ID_WORKER,
        digits + PROCTOR_AUDIT_ID_WORKER + zeros, 16 - zeros);

    return PROCTOR_AUDIT_ID_WORKER + 16 - zeros;
}


int
proctor_audit_id_read(
    const proctor_str_t *id, uint64_t *worker, uint64_t *counter)
{
    size_t len;
    const char *p;

    if (id->len <= PROCTOR_AUDIT_ID_WORKER || id->len > PROCTOR_AUDIT_ID_MAX) {
        return PROCTOR_INVALID;
    }

    p = id->data + PROCTOR_AUDIT_ID_WORKER;
    len = id->len - PROCTOR_AUDIT_ID_WORKER;

    if ((*p == '0' && len > 1)
        || !proctor_audit_id_number(id->data, PROCTOR_AUDIT_ID_WORKER, worker)
        || !proctor_audit_id_number(p, len, counter)) {
        return PROCTOR_INVALID;
    }

    return PROCTOR_OK;
}


static int
proctor_audit_id_number(const char *p, size_t len, uint64_t *number)
{
    unsigned digit;
    const char *end;

    *number = 0;

    for (end = p + len; p < end; p++) {
        digit = (unsigned char) *p - (unsigned) '0';

        if (digit > 9) {
            digit = (unsigned char) *p - (unsigned) 'a';

            if (digit > 5) {
                return 0;
            }

            digit += 10;
        }

        *number = *number << 4 | digit;
    }

    return 1;
}
