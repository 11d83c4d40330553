/*
 * The sealer's round: read what was appended, close what a crash left open,
 * sign what there is.
 *
 * Files are taken in the order in which they were begun, and each to its end
 * before the next, because an intent may have its outcome in the file after.
 * What a run leaves undone the next one does; who takes over from a sealer that
 * died begins with the first byte of the oldest file that has a pin.
 *
 * Called by one thread at a time; all memory is the sealer's.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* OFD locks */
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proctor_sealer.h"


typedef struct {
    proctor_sealer_t *sealer;
    int64_t now_us;
    size_t len;
    char lines[PROCTOR_SEALER_DEAD * PROCTOR_AUDIT_LINE];
} proctor_sealer_unknown_t;


static int proctor_sealer_lock(proctor_sealer_t *s, uint64_t at);
static int proctor_sealer_is_placed(proctor_sealer_t *s);
static int proctor_sealer_file(
    proctor_sealer_t *s, proctor_sealer_file_t *file, int64_t now_us);
static int proctor_sealer_ask(void *data, const proctor_intent_t *intent);
static int proctor_sealer_is_dead(const proctor_sealer_t *s, uint64_t worker);
static int proctor_sealer_give_up(
    proctor_sealer_t *s, proctor_sealer_file_t *file, int64_t now_us);
static int proctor_sealer_unknown(void *data, const proctor_intent_t *intent);
static int proctor_sealer_lost(
    proctor_sealer_t *s, proctor_sealer_file_t *file);
static int proctor_sealer_broken(
    proctor_sealer_t *s, proctor_sealer_file_t *file);
static int proctor_sealer_leave(
    proctor_sealer_t *s, const proctor_sealer_file_t *file);


int
proctor_sealer_init(
    proctor_sealer_t *s, const char *path, const char *name, uint64_t worker)
{
    int n;
    char lock[PATH_MAX];

    memset(s, 0, sizeof(proctor_sealer_t));

    s->path = path;
    s->name = name;
    s->worker = worker;
    proctor_audit_file_init(&s->out, path, name);
    s->out.ordered = 1;

    n = snprintf(lock, sizeof(lock), "%s.lock", path);

    if (n < 0 || (size_t) n >= sizeof(lock)) {
        errno = ENAMETOOLONG;
        return proctor_sealer_failed(s, "open() of the lock file");
    }

    s->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);

    if (s->lock == -1) {
        return proctor_sealer_failed(s, "open() of the lock file");
    }

    if (proctor_sealer_lock(s, worker) != PROCTOR_OK) {
        return proctor_sealer_failed(s, "fcntl(F_OFD_SETLK)");
    }

    return PROCTOR_OK;
}


static int
proctor_sealer_lock(proctor_sealer_t *s, uint64_t at)
{
    struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };

    lock.l_start = (off_t) at;

    return (fcntl(s->lock, F_OFD_SETLK, &lock) == -1) ? PROCTOR_ERROR
                                                      : PROCTOR_OK;
}


void
proctor_sealer_free(proctor_sealer_t *s)
{
    proctor_sealer_file_t *file;

    while (s->files != NULL) {
        file = s->files;
        s->files = file->next;
        proctor_sealer_file_free(file);
    }

    proctor_audit_file_close(&s->out);
    free(s->piece);

    if (s->lock != -1) {
        (void) close(s->lock);
    }
}


int
proctor_sealer_run(proctor_sealer_t *s, int64_t now_us)
{
    int rc;
    proctor_sealer_file_t *file;

    s->more = 0;
    s->note = 0;
    s->unknown = 0;
    s->torn = 0;
    s->what = NULL;

    if (!s->mine && proctor_sealer_lock(s, 0) != PROCTOR_OK) {
        return (errno == EAGAIN || errno == EACCES)
                   ? PROCTOR_INVALID
                   : proctor_sealer_failed(s, "fcntl(F_OFD_SETLK)");
    }

    s->mine = 1;

    if (proctor_sealer_is_placed(s) != PROCTOR_OK
        || proctor_sealer_scan(s) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    for (file = s->files; file != NULL; file = s->files) {
        rc = proctor_sealer_file(s, file, now_us);

        if (rc != PROCTOR_OK || s->more
            || !proctor_sealer_file_is_over(s, file)) {
            return rc;
        }

        if (proctor_sealer_file_drop(s) != PROCTOR_OK) {
            return PROCTOR_ERROR;
        }
    }

    return PROCTOR_OK;
}


/* another lock file in its place says nothing of who lives */

static int
proctor_sealer_is_placed(proctor_sealer_t *s)
{
    char lock[PATH_MAX];
    struct stat own, now;

    (void) snprintf(lock, sizeof(lock), "%s.lock", s->path);

    if (fstat(s->lock, &own) == -1 || stat(lock, &now) == -1) {
        return proctor_sealer_failed(s, "stat() of the lock file");
    }

    if (own.st_ino != now.st_ino || own.st_dev != now.st_dev) {
        errno = ESTALE;
        return proctor_sealer_failed(s, "finding the lock file in its place");
    }

    return PROCTOR_OK;
}


static int
proctor_sealer_file(
    proctor_sealer_t *s, proctor_sealer_file_t *file, int64_t now_us)
{
    int rc;

    s->ndead = 0;
    proctor_seal_each_open(file->seal, proctor_sealer_ask, s);

    rc = proctor_sealer_file_read(s, file);

    if (rc == PROCTOR_INVALID) {
        return proctor_sealer_broken(s, file);
    }

    if (rc == PROCTOR_OK) {
        rc = proctor_sealer_note(s, file, now_us);

        if (rc == PROCTOR_INVALID) {
            return proctor_sealer_lost(s, file);
        }
    }

    if (rc != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    if (s->more) {
        return PROCTOR_OK;
    }

    if (proctor_sealer_file_mend(s, file, now_us) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    /* what is open in a file may be closed in the next */

    return (file->next == NULL) ? proctor_sealer_give_up(s, file, now_us)
                                : PROCTOR_OK;
}


/* whose worker does not live any more; asked before the file is read */

static int
proctor_sealer_ask(void *data, const proctor_intent_t *intent)
{
    proctor_sealer_t *s = data;

    struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };

    if (intent->worker == s->worker
        || proctor_sealer_is_dead(s, intent->worker)) {
        return 0;
    }

    lock.l_start = (off_t) intent->worker;

    if (lock.l_start > 0 && fcntl(s->lock, F_OFD_GETLK, &lock) == 0
        && lock.l_type == F_UNLCK) {
        s->dead[s->ndead++] = intent->worker;
    }

    return s->ndead == PROCTOR_SEALER_DEAD;
}


static int
proctor_sealer_is_dead(const proctor_sealer_t *s, uint64_t worker)
{
    unsigned i;

    for (i = 0; i < s->ndead; i++) {
        if (s->dead[i] == worker) {
            return 1;
        }
    }

    return 0;
}


/* as many at a time as there is room for */

static int
proctor_sealer_give_up(
    proctor_sealer_t *s, proctor_sealer_file_t *file, int64_t now_us)
{
    int rc;
    size_t done;
    proctor_sealer_unknown_t *unknown;

    if (s->ndead == 0) {
        return PROCTOR_OK;
    }

    unknown = malloc(sizeof(proctor_sealer_unknown_t));
    if (unknown == NULL) {
        errno = ENOMEM;
        return proctor_sealer_failed(s, "malloc()");
    }

    unknown->sealer = s;
    unknown->now_us = now_us;
    unknown->len = 0;

    proctor_seal_each_open(file->seal, proctor_sealer_unknown, unknown);

    rc = PROCTOR_OK;

    if (unknown->len != 0) {
        rc = proctor_audit_file_append(
            &s->out, unknown->lines, unknown->len, &done);
    }

    free(unknown);

    if (rc != PROCTOR_OK) {
        errno = s->out.err;
        return proctor_sealer_failed(s, s->out.what);
    }

    return PROCTOR_OK;
}


static int
proctor_sealer_unknown(void *data, const proctor_intent_t *intent)
{
    proctor_sealer_unknown_t *unknown = data;

    if (!proctor_sealer_is_dead(unknown->sealer, intent->worker)) {
        return 0;
    }

    unknown->len += proctor_seal_unknown(
        intent, unknown->now_us, unknown->lines + unknown->len);
    unknown->sealer->unknown++;

    return sizeof(unknown->lines) - unknown->len < PROCTOR_AUDIT_LINE;
}


/*
 * What the disk has lost may still be in memory, and the next fdatasync() would
 * succeed: nobody writes on there, and what is signed of it next is what comes
 * from the disk.
 */

static int
proctor_sealer_lost(proctor_sealer_t *s, proctor_sealer_file_t *file)
{
    int err;

    err = s->err;

    if (proctor_sealer_leave(s, file) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    (void) posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
    file->again = 1;

    errno = err;
    return proctor_sealer_failed(s, "fdatasync()");
}


/*
 * Not what was sealed, or nothing that can be: it is kept as it is, away from
 * where it could be written to.
 */

static int
proctor_sealer_broken(proctor_sealer_t *s, proctor_sealer_file_t *file)
{
    if (proctor_sealer_leave(s, file) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    (void) proctor_sealer_file_drop(s);

    errno = 0;
    return proctor_sealer_failed(
        s, "the file is not the one that was sealed; sealing it");
}


/* If FILE leads to this one, it leads to another now. */

static int
proctor_sealer_leave(proctor_sealer_t *s, const proctor_sealer_file_t *file)
{
    struct stat st;

    if (proctor_audit_place_ensure(&s->out) == PROCTOR_OK
        && fstat(file->fd, &st) == 0 && st.st_ino == s->out.ino
        && st.st_dev == s->out.dev
        && (proctor_audit_place_abandon(&s->out) != PROCTOR_OK
            || proctor_audit_place_ensure(&s->out) != PROCTOR_OK)) {
        errno = s->out.err;
        return proctor_sealer_failed(s, s->out.what);
    }

    return PROCTOR_OK;
}


int
proctor_sealer_failed(proctor_sealer_t *s, const char *what)
{
    s->err = errno;
    s->what = what;

    return PROCTOR_ERROR;
}
