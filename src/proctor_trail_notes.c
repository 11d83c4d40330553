/*
 * Files of checkpoints: signed notes, one after the other.
 *
 * Read in pieces, once for each file of the trail, keeping only the sizes and
 * roots of the log that is asked for; the same root twice (a heartbeat) is
 * kept once.  Every note must be one: a file of checkpoints holds nothing
 * else, and what does not parse may be what somebody has broken.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proctor_trail.h"


#define PROCTOR_TRAIL_BUFFER 65536 /* no note is longer */

typedef struct {
    const proctor_trail_t *trail;
    const char *path;
    proctor_trail_file_t *file;
    proctor_trail_notes_t *notes;
} proctor_trail_reader_t;


static int proctor_trail_notes_fill(
    const proctor_trail_reader_t *reader, int fd, char *buf);
static size_t proctor_trail_notes_take(const proctor_trail_reader_t *reader,
    const char *buf, size_t len, int last);
static int proctor_trail_note(
    const proctor_trail_reader_t *reader, const char *note, size_t len);
static int proctor_trail_heads_compare(const void *one, const void *other);


int
proctor_trail_notes(const proctor_trail_t *trail, const char *path,
    proctor_trail_file_t *file, proctor_trail_notes_t *notes)
{
    int fd, rc;
    char *buf;
    proctor_trail_reader_t reader = { trail, path, file, notes };

    notes->notes = 0;
    notes->bad = 0;
    notes->fault = NULL;
    notes->torn = 0;

    fd = open(path, O_RDONLY | O_CLOEXEC);
    buf = malloc(PROCTOR_TRAIL_BUFFER);

    if (fd < 0 || buf == NULL) {
        fprintf(stderr, "proctor: %s: %s\n", path, strerror(errno));
        rc = PROCTOR_ERROR;

    } else {
        rc = proctor_trail_notes_fill(&reader, fd, buf);
    }

    if (fd >= 0) {
        close(fd);
    }

    free(buf);

    return rc;
}


static int
proctor_trail_notes_fill(
    const proctor_trail_reader_t *reader, int fd, char *buf)
{
    size_t have, used;
    ssize_t n;
    proctor_trail_notes_t *notes;

    have = 0;
    notes = reader->notes;

    do {
        n = read(fd, buf + have, PROCTOR_TRAIL_BUFFER - have);

        if (n < 0) {
            fprintf(stderr, "proctor: %s: %s\n", reader->path, strerror(errno));
            return PROCTOR_ERROR;
        }

        have += (size_t) n;
        used = proctor_trail_notes_take(reader, buf, have, n == 0);

        have -= used;
        memmove(buf, buf + used, have);

        if (notes->fault == NULL && have == PROCTOR_TRAIL_BUFFER) {
            notes->fault = "is no checkpoint";
            notes->bad = notes->notes + 1;
        }

    } while (n > 0 && notes->fault == NULL);

    notes->torn = have != 0;

    return notes->fault == NULL ? PROCTOR_OK : PROCTOR_INVALID;
}


/* the whole notes of a buffer; the bytes they take */

static size_t
proctor_trail_notes_take(
    const proctor_trail_reader_t *reader, const char *buf, size_t len, int last)
{
    size_t used, span;

    used = 0;

    while (used < len && reader->notes->fault == NULL) {
        span = proctor_checkpoint_span(buf + used, len - used);

        /* one that ends with the buffer may have more signatures */

        if (span == 0 || (!last && used + span == len)) {
            break;
        }

        reader->notes->notes++;

        if (proctor_trail_note(reader, buf + used, span) != PROCTOR_OK) {
            reader->notes->bad = reader->notes->notes;
        }

        used += span;
    }

    return used;
}


static int
proctor_trail_note(
    const proctor_trail_reader_t *reader, const char *note, size_t len)
{
    int ours;
    proctor_trail_notes_t *notes;
    proctor_checkpoint_t checkpoint;

    notes = reader->notes;

    if (proctor_checkpoint_read(&checkpoint, NULL, note, len, &notes->fault)
        != PROCTOR_OK) {
        return PROCTOR_INVALID;
    }

    notes->newest = checkpoint;
    ours = strcmp(checkpoint.origin, reader->file->start.origin) == 0;

    /* those of another file are looked at when that file is */

    if (!ours && proctor_trail_is_given(reader->trail, checkpoint.origin)) {
        return PROCTOR_OK;
    }

    if (reader->trail->nkeys != 0
        && !proctor_trail_signed(reader->trail, note, len, &checkpoint)) {
        notes->fault = "is not signed by a key that was given";
        return PROCTOR_INVALID;
    }

    if (!ours) {
        return PROCTOR_OK;
    }

    if (proctor_trail_heads_add(&reader->file->heads, &checkpoint.head)
        != PROCTOR_OK) {
        notes->fault = "is one too many to be held in memory";
        return PROCTOR_INVALID;
    }

    if (checkpoint.time_us > reader->file->sealed_us) {
        reader->file->sealed_us = checkpoint.time_us;
    }

    if (notes->each != NULL) {
        notes->each(notes->data, note, len, &checkpoint);
    }

    return PROCTOR_OK;
}


int
proctor_trail_is_given(const proctor_trail_t *trail, const char *origin)
{
    size_t i;

    for (i = 0; i < trail->nfiles; i++) {
        if (strcmp(trail->files[i].start.origin, origin) == 0) {
            return 1;
        }
    }

    return 0;
}


int
proctor_trail_signed(const proctor_trail_t *keys, const char *note, size_t len,
    const proctor_checkpoint_t *checkpoint)
{
    size_t i, name;
    proctor_str_t text;
    const proctor_note_verifier_t *key;

    for (i = 0; i < keys->nkeys; i++) {
        key = &keys->keys[i];
        name = strlen(key->name);

        if (strncmp(checkpoint->origin, key->name, name) == 0
            && checkpoint->origin[name] == '/'
            && strlen(checkpoint->origin) == name + 1 + PROCTOR_AUDIT_FILE_ID
            && proctor_note_open(key, note, len, &text) == PROCTOR_OK) {
            return 1;
        }
    }

    return 0;
}


int
proctor_trail_heads_add(
    proctor_trail_heads_t *heads, const proctor_merkle_head_t *head)
{
    size_t max;
    void *grown;

    if (heads->count != 0
        && memcmp(&heads->heads[heads->count - 1], head,
               sizeof(proctor_merkle_head_t))
               == 0) {
        return PROCTOR_OK;
    }

    if (heads->count == heads->max) {
        max = heads->max == 0 ? 64 : 2 * heads->max;
        grown = heads->count < PROCTOR_TRAIL_HEADS
                    ? realloc(heads->heads, max * sizeof(proctor_merkle_head_t))
                    : NULL;

        if (grown == NULL) {
            return PROCTOR_ERROR;
        }

        heads->heads = grown;
        heads->max = max;
    }

    heads->heads[heads->count++] = *head;

    return PROCTOR_OK;
}


void
proctor_trail_heads_sort(proctor_trail_heads_t *heads)
{
    if (heads->count > 1) {
        qsort(heads->heads, heads->count, sizeof(proctor_merkle_head_t),
            proctor_trail_heads_compare);
    }
}


static int
proctor_trail_heads_compare(const void *one, const void *other)
{
    const proctor_merkle_head_t *a = one, *b = other;

    return (a->size > b->size) - (a->size < b->size);
}
