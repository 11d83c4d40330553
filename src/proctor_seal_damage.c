/*
 * Lines that are no records: what a process leaves that dies while it writes,
 * or somebody who edits.
 *
 * Which of the two it was, a torn record answers: it names the line by place,
 * length and digest.  It stands anywhere behind it, since other workers append
 * while it is written; and there may be two of it, from the worker that ran
 * into the torn line and from the sealer, so named lines are remembered, too.
 */

#include <stdlib.h>
#include <string.h>

#include "proctor_seal.h"


static int proctor_seal_damage_forget(proctor_seal_t *seal);


int
proctor_seal_damage(
    proctor_seal_t *seal, uint64_t bytes, const proctor_hash_t *sha256)
{
    void *grown;
    proctor_seal_damaged_t *line;

    if (seal->ndamaged == PROCTOR_SEAL_DAMAGED_MAX
        && !proctor_seal_damage_forget(seal)) {
        return PROCTOR_ERROR;
    }

    /* at each power of two the room doubles, up to the bound's */

    if ((seal->ndamaged & (seal->ndamaged - 1)) == 0) {
        grown = realloc(
            seal->damaged, (seal->ndamaged == 0 ? 1 : 2 * seal->ndamaged)
                               * sizeof(proctor_seal_damaged_t));

        if (grown == NULL) {
            return PROCTOR_ERROR;
        }

        seal->damaged = grown;
    }

    line = &seal->damaged[seal->ndamaged++];
    line->number = seal->state.size;
    line->at = seal->state.offset;
    line->bytes = bytes;
    line->sha256 = *sha256;
    line->named = 0;

    seal->state.torn++;

    return PROCTOR_OK;
}


/* the oldest that was named: nobody will name it again; 0: there is none */

static int
proctor_seal_damage_forget(proctor_seal_t *seal)
{
    size_t i;

    for (i = 0; i < seal->ndamaged; i++) {
        if (seal->damaged[i].named) {
            seal->ndamaged--;
            memmove(&seal->damaged[i], &seal->damaged[i + 1],
                (seal->ndamaged - i) * sizeof(proctor_seal_damaged_t));
            return 1;
        }
    }

    return 0;
}


int
proctor_seal_damage_named(proctor_seal_t *seal)
{
    size_t i;
    proctor_seal_damaged_t *line;

    for (i = seal->ndamaged; i > 0; i--) {
        line = &seal->damaged[i - 1];

        if (line->at == seal->entry.at && line->bytes == seal->entry.bytes
            && memcmp(
                   &line->sha256, &seal->entry.sha256, sizeof(proctor_hash_t))
                   == 0) {
            seal->state.torn -= !line->named;
            line->named = 1;
            return PROCTOR_OK;
        }
    }

    return PROCTOR_INVALID;
}


void
proctor_seal_each_torn(const proctor_seal_t *seal,
    int (*fn)(void *data, const proctor_audit_torn_t *torn), void *data)
{
    size_t i;
    proctor_audit_torn_t torn;

    torn.time_us = 0;

    for (i = 0; i < seal->ndamaged; i++) {
        if (seal->damaged[i].named) {
            continue;
        }

        torn.at = seal->damaged[i].at;
        torn.bytes = seal->damaged[i].bytes;
        torn.sha256 = seal->damaged[i].sha256.bytes;

        if (fn(data, &torn) != 0) {
            return;
        }
    }
}


uint64_t
proctor_seal_first_torn(const proctor_seal_t *seal, uint64_t from)
{
    size_t i;

    for (i = 0; i < seal->ndamaged; i++) {
        if (!seal->damaged[i].named && seal->damaged[i].number >= from) {
            return seal->damaged[i].number;
        }
    }

    return UINT64_MAX;
}
