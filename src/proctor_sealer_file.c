/*
 * One file of the trail as the sealer follows it, from its first byte to its
 * last.  Its pin says that it is not sealed to its end; the descriptor stays
 * open wherever the file is moved.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proctor_sealer.h"


/* no more than stays in a core's cache, which the event loop would like to keep
   for itself */
#define PROCTOR_SEALER_PIECE  (64 * 1024)
#define PROCTOR_SEALER_PIECES 1024 /* in one run */
#define PROCTOR_SEALER_NAMES  16   /* damaged lines in one run */

/* a writer that stands still for this long is not waited for, ms */
#define PROCTOR_SEALER_PATIENCE 10000


typedef struct {
    int64_t now_us;
    unsigned count;
    size_t len;
    char lines[PROCTOR_SEALER_NAMES * PROCTOR_AUDIT_LINE];
} proctor_sealer_names_t;


static int proctor_sealer_file_end(
    proctor_sealer_t *s, proctor_sealer_file_t *file);
static int proctor_sealer_file_again(
    proctor_sealer_t *s, proctor_sealer_file_t *file);
static void proctor_sealer_file_leaves(proctor_sealer_file_t *file);
static int64_t proctor_sealer_file_now(void);
static int proctor_sealer_file_name(
    void *data, const proctor_audit_torn_t *torn);


void
proctor_sealer_file_free(proctor_sealer_file_t *file)
{
    proctor_seal_destroy(file->seal);
    (void) close(file->fd);

    if (file->leaves != -1) {
        (void) close(file->leaves);
    }

    free(file);
}


proctor_seal_t *
proctor_sealer_file_follow(const proctor_sealer_t *s)
{
    proctor_seal_t *seal;

    seal = proctor_seal_create(NULL, NULL);

    if (seal != NULL && s->signer == NULL) {
        proctor_seal_treeless(seal);
    }

    return seal;
}


int
proctor_sealer_file_read(proctor_sealer_t *s, proctor_sealer_file_t *file)
{
    int rc, i;
    ssize_t n;

    if (s->piece == NULL) {
        s->piece = malloc(PROCTOR_SEALER_PIECE);

        if (s->piece == NULL) {
            errno = ENOMEM;
            return proctor_sealer_failed(s, "malloc()");
        }
    }

    if (file->again && proctor_sealer_file_again(s, file) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    for (i = 0; i < PROCTOR_SEALER_PIECES; i++) {

        n = pread(file->fd, s->piece, PROCTOR_SEALER_PIECE, (off_t) file->read);

        if (n == -1) {
            return proctor_sealer_failed(s, "pread()");
        }

        if (n == 0) {
            return proctor_sealer_file_end(s, file);
        }

        file->read += (uint64_t) n;
        rc = proctor_seal_feed(file->seal, s->piece, (size_t) n);

        if (rc == PROCTOR_INVALID) {
            return rc;
        }

        if (rc != PROCTOR_OK) {
            file->again = 1; /* half a piece was taken in */
            errno = ENOMEM;
            return proctor_sealer_failed(s, "hashing what was read");
        }

        proctor_sealer_file_leaves(file);
    }

    s->more = 1;

    return PROCTOR_OK;
}


/* Less than was sealed, or than was read: it shrank. */

static int
proctor_sealer_file_end(proctor_sealer_t *s, proctor_sealer_file_t *file)
{
    struct stat st;

    if (fstat(file->fd, &st) == -1) {
        return proctor_sealer_failed(s, "fstat()");
    }

    return ((uint64_t) st.st_size < file->read
               || proctor_seal_state(file->seal)->size < file->sealed)
               ? PROCTOR_INVALID
               : PROCTOR_OK;
}


/* What was signed of it has to come out once more. */

static int
proctor_sealer_file_again(proctor_sealer_t *s, proctor_sealer_file_t *file)
{
    proctor_seal_t *seal;

    seal = file->seal;
    file->seal = proctor_sealer_file_follow(s);

    if (file->seal == NULL
        || proctor_sealer_note_expect(s, file) != PROCTOR_OK) {
        proctor_seal_destroy(file->seal);
        file->seal = seal;
        return proctor_sealer_failed(s, "beginning a file again");
    }

    proctor_seal_destroy(seal);
    file->read = 0;
    file->again = 0;

    return PROCTOR_OK;
}


/* A help for who verifies; when it cannot be written, nobody depends on it. */

static void
proctor_sealer_file_leaves(proctor_sealer_file_t *file)
{
    size_t count, len;
    uint64_t first;
    const proctor_hash_t *leaves;

    leaves = proctor_seal_leaves(file->seal, &first, &count);
    len = count * sizeof(proctor_hash_t);

    if (file->leaves != -1 && len != 0
        && pwrite(file->leaves, leaves, len,
               (off_t) (first * sizeof(proctor_hash_t)))
               != (ssize_t) len) {
        (void) close(file->leaves);
        file->leaves = -1;
    }
}


int
proctor_sealer_file_mend(
    proctor_sealer_t *s, proctor_sealer_file_t *file, int64_t now_us)
{
    char last;
    ssize_t n;
    proctor_sealer_names_t *names;
    const proctor_seal_state_t *state;

    state = proctor_seal_state(file->seal);

    if (state->pending != 0 && file->still == file->read) {
        if (pread(file->fd, &last, 1, (off_t) file->read - 1) != 1
            || proctor_audit_file_end(file->fd, last) != PROCTOR_OK) {
            return proctor_sealer_failed(s, "write()");
        }
    }

    file->still = (state->pending != 0) ? file->read : 0;

    if (state->torn == 0) {
        return PROCTOR_OK;
    }

    names = malloc(sizeof(proctor_sealer_names_t));
    if (names == NULL) {
        errno = ENOMEM;
        return proctor_sealer_failed(s, "malloc()");
    }

    names->now_us = now_us;
    names->count = 0;
    names->len = 0;

    proctor_seal_each_torn(file->seal, proctor_sealer_file_name, names);

    n = write(file->fd, names->lines, names->len);

    s->torn += names->count;
    free(names);

    return (n <= 0) ? proctor_sealer_failed(s, "write()") : PROCTOR_OK;
}


static int
proctor_sealer_file_name(void *data, const proctor_audit_torn_t *torn)
{
    proctor_sealer_names_t *names = data;

    proctor_audit_torn_t now = *torn;

    now.time_us = names->now_us;
    names->len += proctor_audit_mark_torn(&now, names->lines + names->len);
    names->count++;

    return names->count == PROCTOR_SEALER_NAMES;
}


int
proctor_sealer_file_is_over(proctor_sealer_t *s, proctor_sealer_file_t *file)
{
    int64_t now_ms;
    struct stat own, now, end;
    const proctor_seal_state_t *state;

    state = proctor_seal_state(file->seal);

    if (fstat(file->fd, &own) == -1
        || (stat(s->path, &now) == 0 && now.st_ino == own.st_ino
            && now.st_dev == own.st_dev)) {
        file->left_ms = 0;
        return 0;
    }

    now_ms = proctor_sealer_file_now();

    if (file->left_ms == 0) {
        file->left_ms = now_ms;
    }

    /* the newest keeps its pin: whoever makes one finds whom it follows */

    if (file->next == NULL
        || (proctor_audit_place_is_held(file->fd)
            && now_ms - file->left_ms < PROCTOR_SEALER_PATIENCE)) {
        return 0;
    }

    /* what was appended while we looked is read in the next run */

    return fstat(file->fd, &end) == 0 && (uint64_t) end.st_size <= file->read
           && state->pending == 0 && state->torn == 0
           && (s->signer == NULL || file->sealed == state->size);
}


static int64_t
proctor_sealer_file_now(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);

    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}


int
proctor_sealer_file_drop(proctor_sealer_t *s)
{
    int rc;
    char pin[PATH_MAX];
    proctor_sealer_file_t *file;

    file = s->files;
    rc = PROCTOR_OK;

    if (file->next != NULL
        && proctor_seal_carry(file->next->seal, file->seal) != PROCTOR_OK) {
        errno = 0;
        rc = proctor_sealer_failed(s, "taking open intents over");
    }

    proctor_audit_pin_name(s->path, file->id, pin);
    (void) unlink(pin);

    s->files = file->next;
    proctor_sealer_file_free(file);

    return rc;
}
