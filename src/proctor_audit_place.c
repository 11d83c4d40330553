/*
 * Where a writer appends: which file FILE leads to, and whether it is the one
 * that this writer knows.
 *
 * FILE may be moved, unlinked, shrunk or replaced by anybody at any time; there
 * is no lock against that.  It is looked at before each batch.  A file that may
 * not be written to any more (shrunk, replaced, abandoned) is renamed, never
 * changed; as long as that fails, nothing is written at all.  Between a look
 * and a rename another writer may have done the same: what was renamed is
 * looked at again, and put back when it is a good one.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* OFD locks, renameat2() */
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proctor_audit_file.h"


#define PROCTOR_AUDIT_PLACE_TRIES 8


static int proctor_audit_place_is_same(proctor_audit_file_t *f);
static int proctor_audit_place_open(proctor_audit_file_t *f);
static int proctor_audit_place_adopt(proctor_audit_file_t *f, int fd);
static int proctor_audit_place_bad(proctor_audit_file_t *f,
    proctor_audit_file_reason_e reason, const struct stat *st);
static int proctor_audit_place_aside(proctor_audit_file_t *f);
static void proctor_audit_place_look(proctor_audit_file_t *f, const char *to);
static void proctor_audit_place_keep(proctor_audit_file_t *f);


static const char *const proctor_audit_place_words[] = {
    "new",
    "moved",
    "unlinked",
    "shrunk",
    "replaced",
    "abandoned",
};


const char *
proctor_audit_place_word(proctor_audit_file_reason_e reason)
{
    return proctor_audit_place_words[reason];
}


int
proctor_audit_place_ensure(proctor_audit_file_t *f)
{
    int rc, tries;

    if (f->fd != -1) {
        rc = proctor_audit_place_is_same(f);

        if (rc != PROCTOR_INVALID) {
            return rc;
        }

        proctor_audit_file_close(f);
    }

    rc = PROCTOR_INVALID;

    for (tries = 0; rc == PROCTOR_INVALID && tries < PROCTOR_AUDIT_PLACE_TRIES;
         tries++) {

        if (f->bad_ino != 0 && proctor_audit_place_aside(f) != PROCTOR_OK) {
            return PROCTOR_ERROR;
        }

        rc = proctor_audit_place_open(f);
    }

    if (rc == PROCTOR_INVALID) {
        f->err = 0;
        f->what = "finding a file that stays in its place";
        return PROCTOR_ERROR;
    }

    return rc;
}


/* INVALID: another one has to be opened, for f->reason */

static int
proctor_audit_place_is_same(proctor_audit_file_t *f)
{
    off_t size;
    struct stat own, now;

    /* first what others saw: the file may grow meanwhile */

    size = (f->newest == NULL) ? 0 : f->newest->size(f->newest->data, f->ino);

    if (fstat(f->fd, &own) == -1) {
        return proctor_audit_place_failed(f, "fstat()");
    }

    if (own.st_size < f->size || own.st_size < size) {
        return proctor_audit_place_bad(f, PROCTOR_AUDIT_FILE_SHRUNK, &own);
    }

    if (stat(f->path, &now) == 0) {
        if (now.st_dev == f->dev && now.st_ino == f->ino) {
            return PROCTOR_OK;
        }

    } else if (errno != ENOENT) {
        return proctor_audit_place_failed(f, "stat()");
    }

    /* the pin is one link; the name it was moved to is another */

    f->reason = PROCTOR_AUDIT_FILE_MOVED;

    if (own.st_nlink < 2) {
        f->reason = PROCTOR_AUDIT_FILE_UNLINKED;
        proctor_audit_place_keep(f);
    }

    return PROCTOR_INVALID;
}


/* INVALID: try again */

static int
proctor_audit_place_open(proctor_audit_file_t *f)
{
    int fd, rc;

    fd = open(f->path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd == -1) {
        return (errno == ENOENT) ? proctor_audit_make(f)
                                 : proctor_audit_place_failed(f, "open()");
    }

    rc = proctor_audit_place_adopt(f, fd);

    if (rc != PROCTOR_OK) {
        (void) close(fd);
    }

    return rc;
}


static int
proctor_audit_place_adopt(proctor_audit_file_t *f, int fd)
{
    int rc;
    char id[PROCTOR_AUDIT_FILE_ID + 1];
    struct stat st, now;

    /* before FILE is looked at: who holds it and finds it there may write */

    if (proctor_audit_place_hold(fd) != PROCTOR_OK) {
        return proctor_audit_place_failed(f, "fcntl(F_OFD_SETLK)");
    }

    if (fstat(fd, &st) == -1) {
        return proctor_audit_place_failed(f, "fstat()");
    }

    if (stat(f->path, &now) == -1 || now.st_ino != st.st_ino
        || now.st_dev != st.st_dev) {
        return PROCTOR_INVALID;
    }

    rc = proctor_audit_pin_ids(fd, id, NULL);

    if (rc == PROCTOR_ERROR) {
        return proctor_audit_place_failed(f, "pread()");
    }

    /* logrotate's `create` leaves an empty one where FILE was */

    if (rc == PROCTOR_INVALID && st.st_size == 0) {
        return proctor_audit_place_bad(f, f->reason, &st);
    }

    if (rc == PROCTOR_INVALID
        || (f->newest != NULL
            && f->newest->is_copy(f->newest->data, id, st.st_ino))) {
        return proctor_audit_place_bad(f, PROCTOR_AUDIT_FILE_REPLACED, &st);
    }

    f->fd = fd;
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    f->size = st.st_size;
    f->end = -1;
    f->reason = PROCTOR_AUDIT_FILE_NEW;
    memcpy(f->id, id, sizeof(id));

    if (f->newest != NULL) {
        f->newest->set(f->newest->data, id, st.st_ino);
    }

    return PROCTOR_OK;
}


int
proctor_audit_place_hold(int fd)
{
    struct flock lock = { .l_type = F_RDLCK, .l_start = 0, .l_len = 1 };

    return (fcntl(fd, F_OFD_SETLK, &lock) == -1) ? PROCTOR_ERROR : PROCTOR_OK;
}


int
proctor_audit_place_is_held(int fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_start = 0, .l_len = 1 };

    return fcntl(fd, F_OFD_GETLK, &lock) == -1 || lock.l_type != F_UNLCK;
}


/* It must not be used any more, and is set aside before the next is opened. */

static int
proctor_audit_place_bad(proctor_audit_file_t *f,
    proctor_audit_file_reason_e reason, const struct stat *st)
{
    f->reason = reason;
    f->bad_dev = st->st_dev;
    f->bad_ino = st->st_ino;

    return PROCTOR_INVALID;
}


int
proctor_audit_place_abandon(proctor_audit_file_t *f)
{
    f->reason = PROCTOR_AUDIT_FILE_ABANDONED;
    f->bad_dev = f->dev;
    f->bad_ino = f->ino;

    proctor_audit_file_close(f);

    return proctor_audit_place_aside(f);
}


static int
proctor_audit_place_aside(proctor_audit_file_t *f)
{
    int n;
    char to[PATH_MAX], id[PROCTOR_AUDIT_FILE_ID + 1];
    struct stat st;

    if (stat(f->path, &st) == -1) {
        if (errno != ENOENT) {
            return proctor_audit_place_failed(f, "stat()");
        }

        f->bad_ino = 0;
        return PROCTOR_OK;
    }

    if (st.st_ino != f->bad_ino || st.st_dev != f->bad_dev) {
        f->bad_ino = 0;
        return PROCTOR_OK; /* somebody else has done it */
    }

    if (f->reason == PROCTOR_AUDIT_FILE_REPLACED || f->id[0] == '\0') {
        if (proctor_audit_make_id(id) != PROCTOR_OK) {
            return proctor_audit_place_failed(f, "getrandom()");
        }

    } else {
        memcpy(id, f->id, sizeof(id));
    }

    n = snprintf(to, sizeof(to), "%s.%s-%s", f->path,
        proctor_audit_place_words[f->reason], id);

    if (n < 0 || (size_t) n >= sizeof(to)
        || (renameat2(AT_FDCWD, f->path, AT_FDCWD, to, RENAME_NOREPLACE) == -1
            && errno != ENOENT)) {
        return proctor_audit_place_failed(f, "rename()");
    }

    proctor_audit_place_look(f, to);
    f->bad_ino = 0;

    return PROCTOR_OK;
}


/* what was renamed in another's place is put back; an empty one is nothing */

static void
proctor_audit_place_look(proctor_audit_file_t *f, const char *to)
{
    struct stat st;

    if (stat(to, &st) == -1) {
        return;
    }

    if (st.st_ino == f->bad_ino && st.st_dev == f->bad_dev) {
        if (st.st_size == 0) {
            (void) unlink(to);
        }

        return;
    }

    if (link(to, f->path) == 0) {
        (void) unlink(to);
    }
}


/* FILE is gone and was not moved: what it held stays under a name that says so */

static void
proctor_audit_place_keep(proctor_audit_file_t *f)
{
    int n, m;
    char pin[PATH_MAX], to[PATH_MAX];

    n = snprintf(pin, sizeof(pin), "%s.%s.open", f->path, f->id);
    m = snprintf(to, sizeof(to), "%s.unlinked-%s", f->path, f->id);

    if (n > 0 && (size_t) n < sizeof(pin) && m > 0 && (size_t) m < sizeof(to)
        && link(pin, to) == -1) {
        (void) proctor_audit_place_failed(f, "link()");
    }
}


int
proctor_audit_place_sync(const char *path, int *err)
{
    int fd, rc;
    const char *slash;
    char dir[PATH_MAX];

    slash = strrchr(path, '/');
    (void) snprintf(dir, sizeof(dir), "%.*s",
        (slash == NULL) ? 1 : (int) (slash - path) + 1,
        (slash == NULL) ? "." : path);

    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    rc = (fd == -1) ? -1 : fsync(fd);
    *err = errno;

    if (fd != -1) {
        (void) close(fd);
    }

    return (rc == -1) ? PROCTOR_ERROR : PROCTOR_OK;
}


int
proctor_audit_place_failed(proctor_audit_file_t *f, const char *what)
{
    f->err = errno;
    f->what = what;

    return PROCTOR_ERROR;
}
