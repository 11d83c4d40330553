/*
 * All that was signed of one file: the checkpoints beside it, the exported
 * ones, and the root that the start record of the next file repeats.
 *
 * Some of what somebody can do to a trail shows here, before a line is read:
 * a file that stands in the place of another, checkpoints that are gone or
 * forged, a file that is missing between two others.
 */

#include <string.h>
#include <time.h>

#include "proctor_trail.h"


typedef struct {
    FILE *out;
    const proctor_trail_t *trail;
    proctor_trail_file_t *file;
} proctor_trail_sealed_t;


static int proctor_trail_sealed_beside(void *data, const char *path, int own);
static int proctor_trail_sealed_exported(
    const proctor_trail_sealed_t *sealed, const char *path);
static int proctor_trail_sealed_notes(const proctor_trail_sealed_t *sealed,
    const char *path, proctor_trail_notes_t *notes);
static int proctor_trail_sealed_is_own(
    const proctor_line_start_t *start, const char *origin);
static int proctor_trail_sealed_young(const proctor_trail_file_t *file);
static int proctor_trail_sealed_next(const proctor_trail_sealed_t *sealed);
static int proctor_trail_sealed_gap(const proctor_trail_sealed_t *sealed);
static void proctor_trail_sealed_fault(
    proctor_trail_file_t *file, proctor_verify_e kind, uint64_t record);


int
proctor_trail_sealed(
    FILE *out, proctor_trail_t *trail, proctor_trail_file_t *file)
{
    int rc;
    size_t i;
    proctor_trail_sealed_t sealed = { out, trail, file };

    rc = proctor_trail_beside(file, proctor_trail_sealed_beside, &sealed);

    for (i = 0; i < trail->ncheckpoints && rc == PROCTOR_OK; i++) {
        rc = proctor_trail_sealed_exported(&sealed, trail->checkpoints[i]);
    }

    if (rc != PROCTOR_OK) {
        return rc;
    }

    if (trail->nkeys != 0 && file->heads.count == 0
        && !proctor_trail_sealed_young(file)) {
        fprintf(out,
            "%s: no checkpoint of it is signed by a key that was"
            " given\n",
            file->path);
        proctor_trail_sealed_fault(file, PROCTOR_VERIFY_UNSEALED, 1);
    }

    if (proctor_trail_sealed_gap(&sealed)) {
        fprintf(out, "%s: the file before it is not among those given\n",
            file->path);
        proctor_trail_sealed_fault(file, PROCTOR_VERIFY_CHAIN, 1);
    }

    rc = proctor_trail_sealed_next(&sealed);
    proctor_trail_heads_sort(&file->heads);

    return rc;
}


/* The newest that was sealed under this name is of the file that has it. */

static int
proctor_trail_sealed_beside(void *data, const char *path, int own)
{
    int rc;
    proctor_trail_notes_t notes;
    const proctor_trail_sealed_t *sealed = data;
    proctor_trail_file_t *file = sealed->file;

    rc = proctor_trail_sealed_notes(sealed, path, &notes);

    if (rc == PROCTOR_OK && own && file->started && notes.notes != 0
        && !proctor_trail_sealed_is_own(&file->start, notes.newest.origin)
        && !proctor_trail_is_given(sealed->trail, notes.newest.origin)) {
        fprintf(sealed->out, "%s: the newest checkpoint is of another file\n",
            path);
        proctor_trail_sealed_fault(file, PROCTOR_VERIFY_CHANGED, 1);
    }

    return rc;
}


static int
proctor_trail_sealed_exported(
    const proctor_trail_sealed_t *sealed, const char *path)
{
    int rc;
    proctor_trail_notes_t notes;

    rc = proctor_trail_sealed_notes(sealed, path, &notes);

    if (rc != PROCTOR_OK || notes.notes == 0) {
        return rc;
    }

    if (proctor_trail_is_given(sealed->trail, notes.newest.origin)) {
        return PROCTOR_OK;
    }

    fprintf(sealed->out,
        "%s: the newest checkpoint is of a file that is not among those given:"
        " %s\n",
        path, notes.newest.origin);
    proctor_trail_sealed_fault(sealed->file, PROCTOR_VERIFY_CHAIN, 0);

    return PROCTOR_OK;
}


static int
proctor_trail_sealed_notes(const proctor_trail_sealed_t *sealed,
    const char *path, proctor_trail_notes_t *notes)
{
    int rc;

    notes->each = NULL;
    rc = proctor_trail_notes(sealed->trail, path, sealed->file, notes);

    if (rc == PROCTOR_INVALID) {
        fprintf(sealed->out, "%s: checkpoint %llu %s\n", path,
            (unsigned long long) notes->bad, notes->fault);
        proctor_trail_sealed_fault(sealed->file, PROCTOR_VERIFY_CHECKPOINT, 0);
        rc = PROCTOR_OK;

    } else if (notes->torn) {
        fprintf(sealed->out, "%s: the last checkpoint is cut off\n", path);
        proctor_trail_sealed_fault(sealed->file, PROCTOR_VERIFY_TORN, 0);
    }

    return rc;
}


/* a file that has just begun may have none yet */

static int
proctor_trail_sealed_is_own(
    const proctor_line_start_t *start, const char *origin)
{
    size_t len;

    len = strlen(origin);

    return strcmp(start->origin, origin) == 0
           || (start->previous_file[0] != '\0' && len > PROCTOR_AUDIT_FILE_ID
               && strcmp(origin + len - PROCTOR_AUDIT_FILE_ID,
                      start->previous_file)
                      == 0);
}


/* begun just now, so says its start record; later that is no excuse */

static int
proctor_trail_sealed_young(const proctor_trail_file_t *file)
{
    int64_t now;

    now = (int64_t) time(NULL);

    return file->started && file->begun <= now
           && now - file->begun <= PROCTOR_TRAIL_YOUNG;
}


/* What the next file says of this one is signed there, with its first line. */

static int
proctor_trail_sealed_next(const proctor_trail_sealed_t *sealed)
{
    const proctor_trail_file_t *next, *end;

    next = sealed->file + 1;
    end = sealed->trail->files + sealed->trail->nfiles;

    if (next == end || !next->follows || next->start.previous.size == 0) {
        return PROCTOR_OK;
    }

    return proctor_trail_heads_add(&sealed->file->heads, &next->start.previous);
}


/* there are files of the same gateway before it, but not the one it follows */

static int
proctor_trail_sealed_gap(const proctor_trail_sealed_t *sealed)
{
    size_t name;
    const proctor_trail_file_t *other;

    if (sealed->file->follows || !sealed->file->started) {
        return 0;
    }

    name = strlen(sealed->file->start.origin) - PROCTOR_AUDIT_FILE_ID;

    for (other = sealed->trail->files; other < sealed->file; other++) {
        if (other->started
            && strncmp(other->start.origin, sealed->file->start.origin, name)
                   == 0) {
            return 1;
        }
    }

    return 0;
}


/* the worst stays; of equal ones the first */

static void
proctor_trail_sealed_fault(
    proctor_trail_file_t *file, proctor_verify_e kind, uint64_t record)
{
    if (file->verdict.kind <= PROCTOR_VERIFY_TORN) {
        file->verdict.kind = kind;
        file->verdict.first = record;
        file->verdict.last = record;
    }
}
