/*
 * A file of records as a log: from bytes to leaves, and what is still open.
 *
 * The sealer feeds it what was appended and signs what comes out; who verifies
 * feeds it the same bytes and is told of each line.  So there is one answer to
 * what a line is, what its leaf is, and which intents wait for an outcome.
 *
 * A line is taken as it stands in the caller's piece; only one that is cut by
 * the end of a piece is copied.  A line longer than any record has no bound of
 * its own, and is kept as digests.
 *
 * What must hold: a leaf is added for every newline, whatever is before it.
 */

#include <stdlib.h>
#include <string.h>

#include "proctor_seal.h"


#define PROCTOR_SEAL_LEAVES 256 /* room to begin with */


static int proctor_seal_partial(
    proctor_seal_t *seal, const char *bytes, size_t len);
static int proctor_seal_overlong(
    proctor_seal_t *seal, const char *bytes, size_t len);
static int proctor_seal_rest(
    proctor_seal_t *seal, const char *bytes, size_t len);
static int proctor_seal_line(
    proctor_seal_t *seal, const char *text, uint64_t len);
static int proctor_seal_hash(
    proctor_seal_t *seal, const char *text, size_t len, proctor_hash_t *leaf);
static int proctor_seal_read(proctor_seal_t *seal, proctor_seal_line_t *line);
static int proctor_seal_judge(proctor_seal_t *seal, proctor_seal_line_t *line);
static int proctor_seal_damaged(
    proctor_seal_t *seal, proctor_seal_line_t *line);
static int proctor_seal_leaf(
    proctor_seal_t *seal, const proctor_seal_line_t *line);
static int proctor_seal_keep(proctor_seal_t *seal, const proctor_hash_t *leaf);
static int proctor_seal_expected(const proctor_seal_t *seal);


proctor_seal_t *
proctor_seal_create(proctor_seal_line_pt each, void *data)
{
    proctor_seal_t *seal;

    seal = calloc(1, sizeof(proctor_seal_t));

    if (seal != NULL) {
        seal->each = each;
        seal->data = data;
        proctor_json_init(&seal->doc);
    }

    return seal;
}


void
proctor_seal_destroy(proctor_seal_t *seal)
{
    if (seal == NULL) {
        return;
    }

    proctor_intents_free(&seal->intents);
    proctor_json_free(&seal->doc);
    free(seal->damaged);
    free(seal->leaves);
    free(seal);
}


void
proctor_seal_treeless(proctor_seal_t *seal)
{
    seal->treeless = 1;
}


const proctor_merkle_t *
proctor_seal_tree(const proctor_seal_t *seal)
{
    return &seal->tree;
}


const proctor_seal_state_t *
proctor_seal_state(const proctor_seal_t *seal)
{
    return &seal->state;
}


const proctor_hash_t *
proctor_seal_leaves(const proctor_seal_t *seal, uint64_t *first, size_t *count)
{
    *first = seal->state.size - seal->nleaves;
    *count = seal->nleaves;

    return seal->leaves;
}


int
proctor_seal_expect(proctor_seal_t *seal, const proctor_merkle_head_t *head)
{
    if (head->size <= seal->state.size || seal->rc != PROCTOR_OK) {
        return PROCTOR_INVALID;
    }

    seal->expected = *head;

    return PROCTOR_OK;
}


int
proctor_seal_checkpoint(const proctor_seal_t *seal, int64_t time_us,
    proctor_checkpoint_t *checkpoint)
{
    if (seal->state.size == 0 || seal->treeless || seal->rc != PROCTOR_OK) {
        return PROCTOR_INVALID;
    }

    memcpy(checkpoint->origin, seal->state.start.origin,
        sizeof(checkpoint->origin));
    checkpoint->time_us = time_us;
    checkpoint->head.size = seal->state.size;

    return proctor_merkle_root(&seal->tree, &checkpoint->head.root);
}


int
proctor_seal_feed(proctor_seal_t *seal, const char *bytes, size_t len)
{
    const char *end, *newline;

    seal->nleaves = 0;
    end = bytes + len;

    while (bytes < end && seal->rc == PROCTOR_OK) {
        newline = memchr(bytes, '\n', (size_t) (end - bytes));

        if (newline == NULL) {
            seal->rc =
                proctor_seal_partial(seal, bytes, (size_t) (end - bytes));
            break;
        }

        len = (size_t) (newline - bytes);

        seal->rc = seal->state.pending == 0
                       ? proctor_seal_line(seal, bytes, len)
                       : proctor_seal_rest(seal, bytes, len);

        bytes = newline + 1;
    }

    return seal->rc;
}


/* the beginning of a line, or more of it */

static int
proctor_seal_partial(proctor_seal_t *seal, const char *bytes, size_t len)
{
    seal->state.pending += len;

    if (seal->overlong || len >= sizeof(seal->line) - seal->nline) {
        return proctor_seal_overlong(seal, bytes, len);
    }

    memcpy(seal->line + seal->nline, bytes, len);
    seal->nline += len;

    return PROCTOR_OK;
}


static int
proctor_seal_overlong(proctor_seal_t *seal, const char *bytes, size_t len)
{
    static const char leaf = 0; /* RFC 6962, 2.1 */

    if (!seal->overlong) {
        if (proctor_digest_begin(&seal->leaf) != PROCTOR_OK
            || proctor_digest_begin(&seal->sha256) != PROCTOR_OK
            || proctor_digest_add(&seal->leaf, &leaf, 1) != PROCTOR_OK
            || proctor_digest_add(&seal->leaf, seal->line, seal->nline)
                   != PROCTOR_OK
            || proctor_digest_add(&seal->sha256, seal->line, seal->nline)
                   != PROCTOR_OK) {
            return PROCTOR_ERROR;
        }

        seal->overlong = 1;
        seal->nline = 0;
    }

    if (proctor_digest_add(&seal->leaf, bytes, len) != PROCTOR_OK
        || proctor_digest_add(&seal->sha256, bytes, len) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    return PROCTOR_OK;
}


/* the end of a line that began in another piece */

static int
proctor_seal_rest(proctor_seal_t *seal, const char *bytes, size_t len)
{
    int rc;
    uint64_t whole;

    rc = proctor_seal_partial(seal, bytes, len);
    whole = seal->state.pending;

    if (rc == PROCTOR_OK) {
        rc = proctor_seal_line(seal, seal->overlong ? NULL : seal->line, whole);
    }

    seal->overlong = 0;
    seal->nline = 0;

    return rc;
}


static int
proctor_seal_line(proctor_seal_t *seal, const char *text, uint64_t len)
{
    int rc;
    proctor_seal_line_t line;

    seal->state.pending = 0;

    line.number = seal->state.size;
    line.at = seal->state.offset;
    line.text = len < PROCTOR_AUDIT_LINE ? text : NULL;
    line.len = len;
    line.entry = &seal->entry;
    line.doc = &seal->doc;
    line.tree = &seal->tree;
    line.fault = PROCTOR_SEAL_FINE;

    rc = proctor_seal_hash(seal, text, (size_t) len, &line.leaf);

    if (rc == PROCTOR_OK) {
        rc = proctor_seal_read(seal, &line);
    }

    if (rc == PROCTOR_OK && seal->entry.kind == PROCTOR_LINE_DAMAGED) {
        rc = text != NULL
                 ? proctor_digest(text, (size_t) len, seal->entry.sha256.bytes)
                 : proctor_digest_end(&seal->sha256, seal->entry.sha256.bytes);
    }

    if (rc == PROCTOR_OK) {
        rc = proctor_seal_judge(seal, &line);
    }

    return rc == PROCTOR_OK ? proctor_seal_leaf(seal, &line) : rc;
}


/* text NULL: the line is in the digests */

static int
proctor_seal_hash(
    proctor_seal_t *seal, const char *text, size_t len, proctor_hash_t *leaf)
{
    if (text == NULL) {
        return proctor_digest_end(&seal->leaf, leaf->bytes);
    }

    if (seal->treeless) {
        memset(leaf, 0, sizeof(proctor_hash_t));
        return PROCTOR_OK;
    }

    return proctor_merkle_leaf(text, len, leaf);
}


/* A sealer reads only what it acts on. */

static int
proctor_seal_read(proctor_seal_t *seal, proctor_seal_line_t *line)
{
    if (line->text == NULL) {
        seal->entry.kind = PROCTOR_LINE_DAMAGED;
        return PROCTOR_OK;
    }

    if (seal->each == NULL
        && proctor_audit_glance(&seal->entry, line->text, (size_t) line->len)) {
        return PROCTOR_OK;
    }

    return proctor_audit_line_read(
        &seal->entry, &seal->doc, line->text, (size_t) line->len);
}


static int
proctor_seal_judge(proctor_seal_t *seal, proctor_seal_line_t *line)
{
    if (line->number == 0 && seal->entry.kind != PROCTOR_LINE_START) {
        line->fault = PROCTOR_SEAL_NO_START;
        return PROCTOR_OK;
    }

    switch (seal->entry.kind) {
    case PROCTOR_LINE_CALL:
    case PROCTOR_LINE_DENIED:
        return PROCTOR_OK;

    case PROCTOR_LINE_INTENT:
    case PROCTOR_LINE_OUTCOME:
        return proctor_seal_intent(seal, line);

    case PROCTOR_LINE_START:
        if (line->number == 0) {
            seal->state.start = seal->entry.start;
        } else {
            line->fault = PROCTOR_SEAL_RESTART;
        }
        return PROCTOR_OK;

    case PROCTOR_LINE_TORN:
        if (proctor_seal_damage_named(seal) != PROCTOR_OK) {
            line->fault = PROCTOR_SEAL_NOT_TORN;
        }
        return PROCTOR_OK;

    case PROCTOR_LINE_DAMAGED:
        return proctor_seal_damaged(seal, line);
    }

    return PROCTOR_ERROR;
}


static int
proctor_seal_damaged(proctor_seal_t *seal, proctor_seal_line_t *line)
{
    line->fault = PROCTOR_SEAL_DAMAGED;

    return proctor_seal_damage(seal, line->len, &seal->entry.sha256);
}


/* A line that was judged is told of, and becomes a leaf. */

static int
proctor_seal_leaf(proctor_seal_t *seal, const proctor_seal_line_t *line)
{
    int rc;

    if (seal->each != NULL) {
        rc = seal->each(seal->data, line);

    } else {
        rc =
            line->fault == PROCTOR_SEAL_NO_START ? PROCTOR_INVALID : PROCTOR_OK;
    }

    if (rc == PROCTOR_OK && !seal->treeless) {
        rc = proctor_seal_keep(seal, &line->leaf);
    }

    if (rc != PROCTOR_OK) {
        return rc;
    }

    seal->state.size++;
    seal->state.offset += line->len + 1;

    return seal->state.size == seal->expected.size ? proctor_seal_expected(seal)
                                                   : PROCTOR_OK;
}


static int
proctor_seal_keep(proctor_seal_t *seal, const proctor_hash_t *leaf)
{
    void *grown;
    size_t max;

    if (seal->nleaves == seal->max_leaves) {
        max =
            seal->max_leaves == 0 ? PROCTOR_SEAL_LEAVES : 2 * seal->max_leaves;
        grown = realloc(seal->leaves, max * sizeof(proctor_hash_t));

        if (grown == NULL) {
            return PROCTOR_ERROR;
        }

        seal->leaves = grown;
        seal->max_leaves = max;
    }

    seal->leaves[seal->nleaves++] = *leaf;

    return proctor_merkle_add(&seal->tree, leaf);
}


static int
proctor_seal_expected(const proctor_seal_t *seal)
{
    proctor_hash_t root;

    if (proctor_merkle_root(&seal->tree, &root) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    return memcmp(&root, &seal->expected.root, sizeof(proctor_hash_t)) == 0
               ? PROCTOR_OK
               : PROCTOR_INVALID;
}
