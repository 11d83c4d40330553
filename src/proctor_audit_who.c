/*
 * `proctor audit who RESOURCE`: who did what to it, when, from where.
 *
 * A record names a resource in its targets.  One that was created is named by
 * the outcome alone, since only the answer gave it an id: so the trail is read
 * twice, first for the intents whose outcomes created it.
 *
 * An intent waits in memory for its outcome, which is usually a few records
 * away; the table has one row for both.  Calls that are neither durable nor
 * refused attempts at what is do not concern it.
 */

#include <stdlib.h>
#include <string.h>

#include "proctor_audit_row.h"


#define PROCTOR_WHO_ESCAPED 1024

typedef struct {
    proctor_audit_row_t row;
    int used;
} proctor_audit_who_row_t;

typedef struct {
    FILE *out;
    char resource[PROCTOR_WHO_ESCAPED]; /* as records spell it */
    size_t len;
    uint64_t found;
    proctor_intents_t creators; /* whose outcome created it; at: 0 */
    proctor_intents_t waiting;  /* at: the index of the row */
    proctor_audit_who_row_t *rows;
    size_t nrows;
} proctor_audit_who_t;


static int proctor_audit_who_pass(proctor_trail_t *trail,
    proctor_seal_line_pt each, proctor_audit_who_t *who);
static int proctor_audit_who_piece(void *data, const char *bytes, size_t len);
static int proctor_audit_who_created(
    void *data, const proctor_seal_line_t *line);
static int proctor_audit_who_line(void *data, const proctor_seal_line_t *line);
static int proctor_audit_who_concerns(
    const proctor_audit_who_t *who, const proctor_seal_line_t *line);
static int proctor_audit_who_same(
    const proctor_audit_who_t *who, const char *text, size_t len);
static int proctor_audit_who_intent(
    proctor_audit_who_t *who, const proctor_seal_line_t *line);
static void proctor_audit_who_outcome(
    proctor_audit_who_t *who, const proctor_seal_line_t *line);
static void proctor_audit_who_print(
    proctor_audit_who_t *who, const proctor_audit_row_t *row);


int
proctor_audit_who(FILE *out, proctor_trail_t *trail, const char *resource)
{
    int rc;
    size_t i, used;
    proctor_audit_who_t who;

    memset(&who, 0, sizeof(proctor_audit_who_t));

    who.out = out;
    who.len = proctor_escape_json(
        who.resource, sizeof(who.resource), resource, strlen(resource), &used);

    rc = proctor_audit_who_pass(trail, proctor_audit_who_created, &who);

    if (rc == PROCTOR_OK) {
        rc = proctor_audit_who_pass(trail, proctor_audit_who_line, &who);
    }

    /* those whose outcome is not there */

    for (i = 0; i < who.nrows; i++) {
        if (who.rows[i].used) {
            proctor_audit_who_print(&who, &who.rows[i].row);
        }
    }

    proctor_intents_free(&who.creators);
    proctor_intents_free(&who.waiting);
    free(who.rows);

    if (rc != PROCTOR_OK) {
        fputs("proctor: the trail could not be read to its end\n", stderr);
        return PROCTOR_TRAIL_FAILED;
    }

    if (who.found == 0) {
        fprintf(out, "no record names %s\n", who.resource);
    }

    return who.found != 0 ? 0 : 1;
}


static int
proctor_audit_who_pass(
    proctor_trail_t *trail, proctor_seal_line_pt each, proctor_audit_who_t *who)
{
    int rc;
    size_t i;
    proctor_seal_t *seal;

    rc = PROCTOR_OK;

    for (i = 0; i < trail->nfiles && rc == PROCTOR_OK; i++) {
        seal = proctor_seal_create(each, who);
        rc = seal != NULL ? proctor_trail_read(
                 &trail->files[i], proctor_audit_who_piece, seal)
                          : PROCTOR_ERROR;
        proctor_seal_destroy(seal);
    }

    return rc;
}


static int
proctor_audit_who_piece(void *data, const char *bytes, size_t len)
{
    return proctor_seal_feed(data, bytes, len);
}


static int
proctor_audit_who_created(void *data, const proctor_seal_line_t *line)
{
    int rc;
    proctor_str_t created;
    proctor_intent_t intent;
    proctor_audit_who_t *who = data;

    if (line->entry->kind != PROCTOR_LINE_OUTCOME) {
        return PROCTOR_OK;
    }

    created = proctor_audit_row_text(line->doc, 0, "created");

    if (!proctor_audit_who_same(who, created.data, created.len)) {
        return PROCTOR_OK;
    }

    intent.worker = line->entry->worker;
    intent.counter = line->entry->counter;
    intent.at = 0;

    /* of outcomes out of order only the last is known, in a bad trail */

    rc = proctor_intents_open(&who->creators, &intent);

    return rc == PROCTOR_INVALID ? PROCTOR_OK : rc;
}


static int
proctor_audit_who_line(void *data, const proctor_seal_line_t *line)
{
    proctor_audit_row_t row;
    proctor_audit_who_t *who = data;

    switch (line->entry->kind) {
    case PROCTOR_LINE_INTENT:
        return proctor_audit_who_concerns(who, line)
                   ? proctor_audit_who_intent(who, line)
                   : PROCTOR_OK;

    case PROCTOR_LINE_OUTCOME:
        proctor_audit_who_outcome(who, line);
        return PROCTOR_OK;

    case PROCTOR_LINE_DENIED:
        if (proctor_audit_who_concerns(who, line)) {
            proctor_audit_row_set(&row, line->doc);
            proctor_audit_who_print(who, &row);
        }
        return PROCTOR_OK;

    case PROCTOR_LINE_CALL:
    case PROCTOR_LINE_START:
    case PROCTOR_LINE_TORN:
    case PROCTOR_LINE_DAMAGED:
        return PROCTOR_OK;
    }

    return PROCTOR_ERROR;
}


/* some target is it, or this intent's outcome created it */

static int
proctor_audit_who_concerns(
    const proctor_audit_who_t *who, const proctor_seal_line_t *line)
{
    uint32_t i, targets, key;
    const proctor_json_node_t *nodes;

    if (line->entry->kind == PROCTOR_LINE_INTENT
        && proctor_intents_find(
               &who->creators, line->entry->worker, line->entry->counter)
               != NULL) {
        return 1;
    }

    targets =
        proctor_json_member(line->doc, 0, "targets", sizeof("targets") - 1);
    nodes = line->doc->nodes;

    if (targets == 0 || nodes[targets].type != PROCTOR_JSON_OBJECT) {
        return 0;
    }

    key = targets + 1;

    for (i = 0; i < nodes[targets].count; i++) {
        if (proctor_audit_who_same(
                who, nodes[key + 1].text, nodes[key + 1].len)) {
            return 1;
        }

        key = nodes[key + 1].next;
    }

    return 0;
}


static int
proctor_audit_who_same(
    const proctor_audit_who_t *who, const char *text, size_t len)
{
    return len == who->len && len != 0 && memcmp(text, who->resource, len) == 0;
}


/* its row, in the first place that is free */

static int
proctor_audit_who_intent(
    proctor_audit_who_t *who, const proctor_seal_line_t *line)
{
    int rc;
    void *grown;
    size_t i;
    proctor_intent_t intent;

    for (i = 0; i < who->nrows && who->rows[i].used; i++) { /* void */
    }

    if (i == who->nrows) {
        grown = realloc(
            who->rows, (who->nrows + 1) * sizeof(proctor_audit_who_row_t));

        if (grown == NULL) {
            return PROCTOR_ERROR;
        }

        who->rows = grown;
        who->nrows++;
    }

    intent.worker = line->entry->worker;
    intent.counter = line->entry->counter;
    intent.at = i;

    who->rows[i].used = 0;
    rc = proctor_intents_open(&who->waiting, &intent);

    if (rc == PROCTOR_OK) {
        who->rows[i].used = 1;
        proctor_audit_row_set(&who->rows[i].row, line->doc);
    }

    return rc == PROCTOR_INVALID ? PROCTOR_OK : rc;
}


static void
proctor_audit_who_outcome(
    proctor_audit_who_t *who, const proctor_seal_line_t *line)
{
    const proctor_intent_t *intent;
    proctor_audit_who_row_t *row;

    intent = proctor_intents_find(
        &who->waiting, line->entry->worker, line->entry->counter);

    if (intent == NULL) {
        return;
    }

    row = &who->rows[intent->at];
    proctor_audit_row_outcome(&row->row, line->doc);
    proctor_audit_who_print(who, &row->row);
    row->used = 0;

    (void) proctor_intents_close(
        &who->waiting, line->entry->worker, line->entry->counter);
}


static void
proctor_audit_who_print(
    proctor_audit_who_t *who, const proctor_audit_row_t *row)
{
    if (who->found++ == 0) {
        proctor_audit_row_head(who->out);
    }

    proctor_audit_row_print(who->out, row);
}
