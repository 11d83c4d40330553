/*
 * `proctor audit verify`: is this trail whole?
 *
 * File by file, in the order of the trail: what was signed of it is gathered
 * (proctor_trail_sealed.c), the lines are judged by it (proctor_verify.c), and
 * what came out is said in a line.  Intents that are open at the end of a file
 * may have their outcome in the next one.
 *
 * Memory: one file's checkpoints and open intents, a piece of the file.
 */

#include <string.h>

#include "proctor_trail.h"


/* of a time: "2026-01-01T00:00:00", and a Z */
#define PROCTOR_VERIFY_SECONDS 19

typedef struct {
    proctor_verify_t *verify;
    int full; /* it could take no more, but there is more */
} proctor_audit_feed_t;


static int proctor_audit_verify_file(FILE *out, proctor_trail_t *trail,
    proctor_trail_file_t *file, proctor_verify_t **before);
static int proctor_audit_verify_lines(
    proctor_trail_file_t *file, proctor_verify_t *verify);
static int proctor_audit_verify_piece(
    void *data, const char *bytes, size_t len);
static void proctor_audit_verify_open(
    proctor_trail_t *trail, const proctor_trail_file_t *file);
static void proctor_audit_verify_say(
    FILE *out, const proctor_trail_file_t *file);
static void proctor_audit_verify_where(
    FILE *out, const proctor_verdict_t *verdict);
static proctor_trail_exit_e proctor_audit_verify_code(proctor_verify_e kind);


int
proctor_audit_verify(FILE *out, proctor_trail_t *trail)
{
    int rc;
    size_t i;
    proctor_verify_t *before;
    proctor_trail_file_t *file;
    proctor_verify_e worst;

    before = NULL;
    rc = PROCTOR_OK;

    for (i = 0; i < trail->nfiles && rc == PROCTOR_OK; i++) {
        rc = proctor_audit_verify_file(out, trail, &trail->files[i], &before);
    }

    proctor_verify_destroy(before);

    if (rc != PROCTOR_OK) {
        return PROCTOR_TRAIL_FAILED;
    }

    worst = PROCTOR_VERIFY_WHOLE;

    for (file = trail->files; file < trail->files + trail->nfiles; file++) {
        proctor_audit_verify_open(trail, file);
        proctor_audit_verify_say(out, file);

        if (file->verdict.kind > worst) {
            worst = file->verdict.kind;
        }
    }

    if (trail->nkeys == 0) {
        fputs("No key was given, so no signature was checked: who can write "
              "the trail can\nwrite such checkpoints, too.\n",
            out);
    }

    return (int) proctor_audit_verify_code(worst);
}


/* *before: the file's before it; becomes this one's */

static int
proctor_audit_verify_file(FILE *out, proctor_trail_t *trail,
    proctor_trail_file_t *file, proctor_verify_t **before)
{
    int rc;
    proctor_verify_t *verify;
    proctor_trail_leaves_t leaves;
    proctor_verify_sealed_t sealed;

    if (proctor_trail_sealed(out, trail, file) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    proctor_trail_leaves_open(&leaves, file);

    sealed.heads = file->heads.heads;
    sealed.nheads = file->heads.count;
    sealed.leaf = leaves.fd >= 0 ? proctor_trail_leaf : NULL;
    sealed.data = &leaves;
    sealed.partial = !file->follows || *before == NULL;

    rc = PROCTOR_ERROR;
    verify = proctor_verify_create(&sealed);

    if (verify != NULL
        && (sealed.partial
            || proctor_verify_carry(verify, *before) == PROCTOR_OK)) {
        rc = proctor_audit_verify_lines(file, verify);
    }

    proctor_trail_leaves_close(&leaves);
    proctor_verify_destroy(*before);
    *before = verify;

    /* of a file that is not whole nothing is known about its intents */

    if (file->verdict.kind > PROCTOR_VERIFY_UNKNOWN) {
        proctor_verify_destroy(verify);
        *before = NULL;
    }

    return rc;
}


static int
proctor_audit_verify_lines(proctor_trail_file_t *file, proctor_verify_t *verify)
{
    int rc;
    proctor_verdict_t verdict;
    proctor_audit_feed_t feed = { verify, 0 };

    rc = proctor_trail_read(file, proctor_audit_verify_piece, &feed);

    if (rc == PROCTOR_ERROR) {
        return rc;
    }

    proctor_verify_end(verify, &verdict);

    /* what is behind the last line that was read is not missing */

    if (feed.full
        && (verdict.kind <= PROCTOR_VERIFY_UNKNOWN
            || verdict.kind == PROCTOR_VERIFY_TRUNCATED)) {
        fprintf(stderr,
            "proctor: %s: more intents are open or lines damaged at record %llu"
            " than fit into memory\n",
            file->path, (unsigned long long) verdict.records);
        return PROCTOR_ERROR;
    }

    /* what a line says by itself names a record; else what was known before */

    if (verdict.kind <= PROCTOR_VERIFY_UNKNOWN
        && file->verdict.kind > verdict.kind) {
        verdict.kind = file->verdict.kind;
        verdict.first = file->verdict.first;
        verdict.last = file->verdict.last;
    }

    file->verdict = verdict;

    return PROCTOR_OK;
}


static int
proctor_audit_verify_piece(void *data, const char *bytes, size_t len)
{
    int rc;
    proctor_audit_feed_t *feed = data;

    rc = proctor_verify_feed(feed->verify, bytes, len);

    if (rc == PROCTOR_ERROR) {
        feed->full = 1;
        rc = PROCTOR_INVALID;
    }

    return rc;
}


/* An intent that is open at the end of a file is one of the next file's. */

static void
proctor_audit_verify_open(
    proctor_trail_t *trail, const proctor_trail_file_t *file)
{
    size_t i;

    i = (size_t) (file - trail->files);

    if (file->verdict.kind == PROCTOR_VERIFY_OPEN && i + 1 < trail->nfiles
        && trail->files[i + 1].follows) {
        trail->files[i].verdict.kind = PROCTOR_VERIFY_WHOLE;
        trail->files[i].verdict.open = 0;
    }
}


static void
proctor_audit_verify_say(FILE *out, const proctor_trail_file_t *file)
{
    char time[PROCTOR_TIME_LEN + 1];
    const proctor_verdict_t *verdict = &file->verdict;
    static const char *const words[] = { [PROCTOR_TRAIL_WHOLE] = "whole",
        [PROCTOR_TRAIL_TAMPERED] = "tampered",
        [PROCTOR_TRAIL_TORN] = "torn",
        [PROCTOR_TRAIL_OPEN] = "open",
        [PROCTOR_TRAIL_FAILED] = "unknown" };

    fprintf(out, "%s: %s: ", file->path,
        words[proctor_audit_verify_code(verdict->kind)]);

    proctor_audit_verify_where(out, verdict);

    if (verdict->kind > PROCTOR_VERIFY_UNKNOWN) {
        /* nothing behind it was looked at */
        fprintf(out, "%s; %llu records are as they were sealed\n",
            proctor_verify_word(verdict->kind),
            (unsigned long long) verdict->sealed);
        return;
    }

    if (verdict->kind != PROCTOR_VERIFY_WHOLE) {
        fprintf(out, "%s; ", proctor_verify_word(verdict->kind));
    }

    fprintf(out, "%llu records, %llu sealed",
        (unsigned long long) verdict->records,
        (unsigned long long) verdict->sealed);

    if (file->sealed_us != 0) {
        *proctor_time_format(time, file->sealed_us) = '\0';
        fprintf(out, ", last at %.*sZ", PROCTOR_VERIFY_SECONDS, time);
    }

    if (verdict->open != 0) {
        fprintf(out, ", %llu intents open", (unsigned long long) verdict->open);
    }

    if (verdict->foreign != 0) {
        fprintf(out, ", %llu outcomes of intents in the file before",
            (unsigned long long) verdict->foreign);
    }

    fputc('\n', out);
}


static void
proctor_audit_verify_where(FILE *out, const proctor_verdict_t *verdict)
{
    if (verdict->first != 0 && verdict->first == verdict->last) {
        fprintf(out, "record %llu: ", (unsigned long long) verdict->first);

    } else if (verdict->first != 0) {
        fprintf(out, "one of the records %llu to %llu: ",
            (unsigned long long) verdict->first,
            (unsigned long long) verdict->last);
    }
}


static proctor_trail_exit_e
proctor_audit_verify_code(proctor_verify_e kind)
{
    switch (kind) {
    case PROCTOR_VERIFY_WHOLE:
        return PROCTOR_TRAIL_WHOLE;

    case PROCTOR_VERIFY_OPEN:
        return PROCTOR_TRAIL_OPEN;

    case PROCTOR_VERIFY_TORN:
        return PROCTOR_TRAIL_TORN;

    case PROCTOR_VERIFY_UNKNOWN:
        return PROCTOR_TRAIL_FAILED;

    case PROCTOR_VERIFY_CHANGED:
    case PROCTOR_VERIFY_MISSING:
    case PROCTOR_VERIFY_ADDED:
    case PROCTOR_VERIFY_MOVED:
    case PROCTOR_VERIFY_TRUNCATED:
    case PROCTOR_VERIFY_DIFFERS:
    case PROCTOR_VERIFY_NO_START:
    case PROCTOR_VERIFY_RESTART:
    case PROCTOR_VERIFY_DAMAGED:
    case PROCTOR_VERIFY_REPEATED:
    case PROCTOR_VERIFY_NO_INTENT:
    case PROCTOR_VERIFY_NOT_TORN:
    case PROCTOR_VERIFY_UNSEALED:
    case PROCTOR_VERIFY_CHECKPOINT:
    case PROCTOR_VERIFY_CHAIN:
        return PROCTOR_TRAIL_TAMPERED;
    }

    return PROCTOR_TRAIL_FAILED;
}
