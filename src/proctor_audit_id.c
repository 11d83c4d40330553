/*
 * The id of an intent, which its outcome repeats.
 *
 *     5be1c0a9f2d34e77 1f        (without the space)
 *     the worker       its counter
 *
 * One spelling for who writes ids and who joins records by them: lower case,
 * no leading zero in the counter.  Nothing is kept, nothing allocated.
 */

#include "proctor.h"


#define PROCTOR_AUDIT_ID_WORKER 16


static int proctor_audit_id_number(const char *p, size_t len, uint64_t *number);


size_t
proctor_audit_id(char *buf, uint64_t worker, uint64_t counter)
{
    char *p;
    int shift;
    static const char digits[] = "0123456789abcdef";

    p = buf;

    for (shift = 60; shift >= 0; shift -= 4) {
        *p++ = digits[worker >> shift & 0xf];
    }

    shift = 60;

    while (shift > 0 && counter >> shift == 0) {
        shift -= 4;
    }

    for (; shift >= 0; shift -= 4) {
        *p++ = digits[counter >> shift & 0xf];
    }

    return (size_t) (p - buf);
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
    int digit;
    const char *end;

    *number = 0;

    for (end = p + len; p < end; p++) {
        digit = proctor_hex(*p);

        if (digit < 0 || (*p >= 'A' && *p <= 'F')) {
            return 0;
        }

        *number = *number << 4 | (uint64_t) digit;
    }

    return 1;
}
