/*
 * Which intents of a file have no outcome yet.
 *
 * An intent that a crash left open becomes an outcome that says so; until then
 * it is what a sealer must remember of all that it has read.
 */

#include <string.h>

#include "proctor_seal.h"


int
proctor_seal_intent(proctor_seal_t *seal, proctor_seal_line_t *line)
{
    int rc;
    proctor_intent_t intent;

    intent.worker = seal->entry.worker;
    intent.counter = seal->entry.counter;
    intent.at = line->at;

    if (seal->entry.kind == PROCTOR_LINE_INTENT) {
        rc = proctor_intents_open(&seal->intents, &intent);

        if (rc == PROCTOR_INVALID) {
            line->fault = PROCTOR_SEAL_REPEATED;
            rc = PROCTOR_OK;
        }

    } else {
        rc = proctor_intents_close(
            &seal->intents, intent.worker, intent.counter);

        if (rc == PROCTOR_INVALID) {
            line->fault = PROCTOR_SEAL_NO_INTENT;
            rc = PROCTOR_OK;
        }
    }

    seal->state.open = seal->intents.open.count;

    return rc;
}


int
proctor_seal_carry(proctor_seal_t *seal, proctor_seal_t *before)
{
    proctor_intents_t empty;

    if (seal->intents.open.nslots != 0 || seal->intents.workers.nslots != 0) {
        return PROCTOR_ERROR; /* not ahead of the first byte */
    }

    empty = seal->intents;
    seal->intents = before->intents;
    before->intents = empty;

    seal->state.open = before->state.open;
    before->state.open = 0;

    return PROCTOR_OK;
}


void
proctor_seal_each_open(const proctor_seal_t *seal,
    int (*fn)(void *data, const proctor_intent_t *intent), void *data)
{
    proctor_intents_each(&seal->intents, fn, data);
}


/* What happened is not known; how long it took is not either. */

size_t
proctor_seal_unknown(const proctor_intent_t *intent, int64_t time_us, char *buf)
{
    char id[PROCTOR_AUDIT_ID_MAX];
    proctor_audit_record_t record;

    memset(&record, 0, sizeof(proctor_audit_record_t));

    record.time_us = time_us;
    record.kind = (proctor_str_t) proctor_str("outcome");
    record.id.data = id;
    record.id.len = proctor_audit_id(id, intent->worker, intent->counter);
    record.result = (proctor_str_t) proctor_str("unknown");
    record.unfinished = 1;
    record.upstream_ms = -1;

    return proctor_audit_log_format(&record, buf);
}
