/*
 * Trails for the tests, made by the code that makes those of the gateway.
 *
 * The same seed gives the same trail, but for its key.  Two workers take
 * turns: calls, refused attempts, and durable calls whose intent and outcome
 * have other records between them.  The last record is an outcome.
 */

#ifndef TRAIL_H_INCLUDED
#define TRAIL_H_INCLUDED

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proctor_audit.h"


#define TRAIL_NAME "gw1.example/audit"
#define TRAIL_TIME 1767225600000000 /* 2026-01-01T00:00:00Z */
#define TRAIL_OPEN 5                /* intents at a time */

typedef struct {
    char *bytes;
    size_t len;
    size_t *at; /* the first byte of each line; at[n]: len */
    size_t n;
    proctor_hash_t *leaves;
    proctor_merkle_head_t *heads;
    size_t nheads;
    char *notes; /* the checkpoints, signed */
    size_t notes_len;
    char file[PROCTOR_AUDIT_FILE_ID + 1];
} trail_t;

typedef struct {
    size_t records;
    size_t every; /* records for each checkpoint */
    unsigned seed;
    const trail_t *before; /* the file that it follows; NULL */
} trail_plan_t;


__attribute__((unused)) static proctor_str_t
trail_str(const char *s)
{
    return (proctor_str_t){ s, strlen(s) };
}


static void
trail_append(trail_t *trail, const char *line, size_t len)
{
    trail->bytes = realloc(trail->bytes, trail->len + len);
    trail->at = realloc(trail->at, (trail->n + 2) * sizeof(size_t));
    trail->leaves =
        realloc(trail->leaves, (trail->n + 1) * sizeof(proctor_hash_t));

    memcpy(trail->bytes + trail->len, line, len);
    proctor_merkle_leaf(line, len - 1, &trail->leaves[trail->n]);

    trail->at[trail->n++] = trail->len;
    trail->len += len;
    trail->at[trail->n] = trail->len;
}


static void
trail_start(trail_t *trail, const trail_plan_t *plan)
{
    char buf[PROCTOR_AUDIT_LINE], origin[PROCTOR_CHECKPOINT_ORIGIN_MAX + 1];
    proctor_audit_start_t start;
    const proctor_merkle_head_t *head;

    memset(&start, 0, sizeof(proctor_audit_start_t));

    snprintf(trail->file, sizeof(trail->file), "%032x", plan->seed);
    snprintf(origin, sizeof(origin), TRAIL_NAME "/%s", trail->file);

    start.time_us = TRAIL_TIME;
    start.file = trail_str(trail->file);
    start.origin = trail_str(origin);
    start.reason = trail_str(plan->before != NULL ? "moved" : "new");

    if (plan->before != NULL) {
        head = &plan->before->heads[plan->before->nheads - 1];
        start.previous_file = trail_str(plan->before->file);
        start.previous_size = head->size;
        start.previous_root = head->root.bytes;
    }

    trail_append(trail, buf, proctor_audit_mark_start(&start, buf));
}


/* kind: call, denied, intent or outcome of the durable call `counter` */

static void
trail_record(trail_t *trail, const char *kind, unsigned seed, uint64_t counter)
{
    size_t len;
    char buf[PROCTOR_AUDIT_LINE], id[PROCTOR_AUDIT_ID_MAX], rid[33], e[32];
    unsigned char digest[PROCTOR_SHA256_LEN];
    proctor_str_t names[1], targets[1];
    proctor_audit_record_t record;

    memset(&record, 0, sizeof(proctor_audit_record_t));
    snprintf(rid, sizeof(rid), "%016x%016zx", seed, trail->n);
    snprintf(e, sizeof(e), "exp_%llu", (unsigned long long) counter);
    memset(digest, (int) counter, sizeof(digest));

    names[0] = trail_str("experiment_id");
    targets[0] = trail_str(e);

    record.time_us = TRAIL_TIME + (int64_t) trail->n * 1000;
    record.kind = trail_str(kind);
    record.rid = trail_str(rid);
    record.contract = trail_str("respan");
    record.team = trail_str("nlp-eval");
    record.key = trail_str(counter % 2 ? "k-alice" : "k-bob");
    record.actor =
        trail_str(counter % 2 ? "alice@example.com" : "bob@example.com");
    record.account = trail_str("acme");
    record.client = trail_str("192.0.2.7");
    record.method = trail_str(*kind == 'c' ? "GET" : "DELETE");
    record.path = trail_str("/api/v2/experiments/x/");
    record.target_names = names;
    record.targets = targets;
    record.ntargets = 1;
    record.operation =
        trail_str(*kind == 'c' ? "experiment.retrieve" : "experiment.delete");
    record.upstream_ms = -1;

    if (strcmp(kind, "call") != 0 && strcmp(kind, "denied") != 0) {
        record.id.data = id;
        record.id.len = proctor_audit_id(
            id, 0x1234567890abcdefu + counter % 2, 0x10 + counter);
    }

    if (strcmp(kind, "intent") == 0) {
        record.body_sha256 = digest;
        record.body_len = 57;
        record.unfinished = 1;

    } else {
        record.decision =
            trail_str(strcmp(kind, "denied") == 0 ? "refused" : "allowed");
        record.status = strcmp(kind, "denied") == 0 ? 403 : 200;
        record.duration_ms = 42;
    }

    if (strcmp(kind, "outcome") == 0) {
        record.result = trail_str("ok");
        record.upstream_status = 200;
        record.upstream_ms = 41;
    }

    len = proctor_audit_log_format(&record, buf);
    trail_append(trail, buf, len);
}


static void
trail_seal(trail_t *trail, const proctor_merkle_t *tree,
    const proctor_note_signer_t *signer)
{
    size_t len;
    proctor_checkpoint_t checkpoint;

    snprintf(checkpoint.origin, sizeof(checkpoint.origin), TRAIL_NAME "/%s",
        trail->file);
    checkpoint.time_us = TRAIL_TIME + (int64_t) tree->size * 1000;
    checkpoint.head.size = tree->size;
    proctor_merkle_root(tree, &checkpoint.head.root);

    trail->heads = realloc(
        trail->heads, (trail->nheads + 1) * sizeof(proctor_merkle_head_t));
    trail->heads[trail->nheads++] = checkpoint.head;

    if (signer != NULL) {
        trail->notes =
            realloc(trail->notes, trail->notes_len + PROCTOR_CHECKPOINT_MAX);
        len = proctor_checkpoint_sign(
            &checkpoint, signer, trail->notes + trail->notes_len);
        trail->notes_len += len;
    }
}


/* signer: NULL: heads without notes */

__attribute__((unused)) static void
trail_make(trail_t *trail, const trail_plan_t *plan,
    const proctor_note_signer_t *signer)
{
    int enough;
    size_t i;
    uint64_t opened, closed;
    proctor_merkle_t tree;

    memset(trail, 0, sizeof(trail_t));
    memset(&tree, 0, sizeof(proctor_merkle_t));

    opened = closed = (uint64_t) plan->seed << 20;
    trail_start(trail, plan);

    while (trail->n < plan->records) {
        enough = opened - closed == TRAIL_OPEN
                 || opened - closed >= plan->records - trail->n - 1;

        if (opened - closed >= plan->records - trail->n
            || (enough && trail->n % 2 == 0)) {
            trail_record(trail, "outcome", plan->seed, closed++);

        } else if (trail->n % 7 == 0) {
            trail_record(trail, "denied", plan->seed, trail->n);

        } else if (!enough && trail->n % 2 == 0) {
            trail_record(trail, "intent", plan->seed, opened++);

        } else {
            trail_record(trail, "call", plan->seed, trail->n);
        }
    }

    for (i = 0; i < trail->n; i++) {
        proctor_merkle_add(&tree, &trail->leaves[i]);

        if (tree.size % plan->every == 0 || tree.size == trail->n) {
            trail_seal(trail, &tree, signer);
        }
    }
}


__attribute__((unused)) static void
trail_free(trail_t *trail)
{
    free(trail->bytes);
    free(trail->at);
    free(trail->leaves);
    free(trail->heads);
    free(trail->notes);
}

#endif /* TRAIL_H_INCLUDED */
