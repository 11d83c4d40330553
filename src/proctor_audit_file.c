/*
 * What a writer appends to the trail's file, and how it gets to the disk.
 *
 * One write() appends a batch of whole lines at once (O_APPEND), so writers
 * need no lock between them.  Two things can still cut a line: a full disk, and
 * SIGKILL, which ends a write between two pages.  Whoever writes next finds
 * that the byte before its batch is no newline; its first line is then part of
 * the damaged one and is written again.  Where the order of lines matters (a
 * worker's intents are counted), that is too late: a torn line is closed before
 * the batch is written, for which the writer must be a thread that may wait.
 * The damaged line stays as evidence; it is the sealer that names it.
 *
 * A descriptor whose fdatasync() failed is not tried again: the kernel may have
 * dropped the pages, and the next call would succeed (fsyncgate).
 *
 * Called by one thread at a time for each handle; no global state, no memory.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memrchr() */
#endif

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proctor_audit_file.h"


#define PROCTOR_AUDIT_FILE_TRIES 4
#define PROCTOR_AUDIT_FILE_LOOKS 20
#define PROCTOR_AUDIT_FILE_PAUSE 2000000 /* ns */


static int proctor_audit_file_lines(
    proctor_audit_file_t *f, const char *lines, size_t len, size_t *done);
static int proctor_audit_file_heal(proctor_audit_file_t *f);
static int proctor_audit_file_again(
    proctor_audit_file_t *f, const char *line, size_t len);
static ssize_t proctor_audit_file_write(
    proctor_audit_file_t *f, const char *bytes, size_t len, int *torn);


void
proctor_audit_file_init(
    proctor_audit_file_t *f, const char *path, const char *name)
{
    memset(f, 0, sizeof(proctor_audit_file_t));

    f->path = path;
    f->name = name;
    f->fd = -1;
    f->end = -1;
}


void
proctor_audit_file_close(proctor_audit_file_t *f)
{
    if (f->fd != -1) {
        (void) close(f->fd);
    }

    f->fd = -1;
    f->end = -1;
    f->durable = 0;
}


int
proctor_audit_file_append(
    proctor_audit_file_t *f, const char *lines, size_t len, size_t *done)
{
    *done = 0;

    if (proctor_audit_place_ensure(f) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    return proctor_audit_file_lines(f, lines, len, done);
}


int
proctor_audit_file_append_blindly(
    proctor_audit_file_t *f, const char *lines, size_t len, size_t *done)
{
    *done = 0;

    if (f->fd == -1 && proctor_audit_place_ensure(f) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    return proctor_audit_file_lines(f, lines, len, done);
}


/*
 * What a short write cut is begun anew, behind its own torn beginning: a writer
 * that is cut again and again gets nowhere, and says so.
 */

static int
proctor_audit_file_lines(
    proctor_audit_file_t *f, const char *lines, size_t len, size_t *done)
{
    int tries, torn;
    size_t line;
    ssize_t n;
    const char *p, *end;

    for (tries = 0; *done < len && tries < PROCTOR_AUDIT_FILE_TRIES; tries++) {
        p = lines + *done;

        if (f->ordered && proctor_audit_file_heal(f) != PROCTOR_OK) {
            return PROCTOR_ERROR;
        }

        n = proctor_audit_file_write(f, p, len - *done, &torn);
        if (n < 0) {
            return PROCTOR_ERROR;
        }

        end = memrchr(p, '\n', (size_t) n);
        if (end == NULL) {
            continue; /* less than a line */
        }

        line = (size_t) ((const char *) memchr(p, '\n', (size_t) n) + 1 - p);

        if (torn
            && (f->ordered
                || proctor_audit_file_again(f, p, line) != PROCTOR_OK)) {
            return PROCTOR_ERROR;
        }

        *done = (size_t) (end + 1 - lines);
        tries = -1;
    }

    return (*done == len) ? PROCTOR_OK : PROCTOR_ERROR;
}


/*
 * Closes a line that nobody goes on with.  What has no end now may be a line
 * that is being written: then the file grows while we look again.
 */

static int
proctor_audit_file_heal(proctor_audit_file_t *f)
{
    char last;
    int tries;
    off_t size;
    struct stat st;
    struct timespec pause = { 0, PROCTOR_AUDIT_FILE_PAUSE };

    for (tries = 0, size = -1; tries < PROCTOR_AUDIT_FILE_LOOKS; tries++) {

        if (fstat(f->fd, &st) == -1) {
            return proctor_audit_place_failed(f, "fstat()");
        }

        if (st.st_size == f->end || st.st_size == 0) {
            return PROCTOR_OK;
        }

        if (pread(f->fd, &last, 1, st.st_size - 1) != 1) {
            return proctor_audit_place_failed(f, "pread()");
        }

        if (last == '\n') {
            return PROCTOR_OK;
        }

        if (st.st_size == size) {
            break;
        }

        size = st.st_size;
        (void) nanosleep(&pause, NULL);
    }

    f->end = -1;

    return (proctor_audit_file_end(f->fd, last) == PROCTOR_OK)
               ? PROCTOR_OK
               : proctor_audit_place_failed(f, "write()");
}


/* It may lack nothing but its newline, and yet was never what it says: who
   wrote it was told that it is not there. */

int
proctor_audit_file_end(int fd, char last)
{
    size_t len;
    const char *end;

    end = (last == '}') ? "?\n" : "\n";
    len = strlen(end);

    return (write(fd, end, len) == (ssize_t) len) ? PROCTOR_OK : PROCTOR_ERROR;
}


/* a line that went behind a torn one, once more behind all that followed */

static int
proctor_audit_file_again(proctor_audit_file_t *f, const char *line, size_t len)
{
    int tries, torn;
    ssize_t n;

    for (tries = 0; tries < PROCTOR_AUDIT_FILE_TRIES; tries++) {
        n = proctor_audit_file_write(f, line, len, &torn);

        if (n < 0) {
            return PROCTOR_ERROR;
        }

        if ((size_t) n == len && !torn) {
            return PROCTOR_OK;
        }
    }

    return PROCTOR_ERROR;
}


/* torn: what was written went behind a line without an end */

static ssize_t
proctor_audit_file_write(
    proctor_audit_file_t *f, const char *bytes, size_t len, int *torn)
{
    char before;
    off_t at;
    ssize_t n;

    do {
        n = write(f->fd, bytes, len);
    } while (n == -1 && errno == EINTR);

    f->what = "write()";
    f->err = (n == 0) ? ENOSPC : errno;

    if (n <= 0) {
        return -1;
    }

    at = lseek(f->fd, 0, SEEK_CUR) - n;
    before = '\n';

    if (at != f->end && at > 0 && pread(f->fd, &before, 1, at - 1) != 1) {
        f->what = "pread()";
        f->err = errno;
        return -1;
    }

    *torn = (before != '\n');

    f->size = at + n;

    if (f->newest != NULL) {
        f->newest->grow(f->newest->data, f->ino, f->size);
    }

    f->end = (bytes[n - 1] == '\n') ? at + n : -1;

    /* what is said when a write is cut short again and again */
    f->err = ENOSPC;

    return n;
}


int
proctor_audit_file_sync(proctor_audit_file_t *f)
{
    int err;

    if (fdatasync(f->fd) == -1) {
        proctor_audit_file_lost(f, "fdatasync()", errno);
        return PROCTOR_ERROR;
    }

    if (!f->durable && proctor_audit_place_sync(f->path, &err) != PROCTOR_OK) {
        proctor_audit_file_lost(f, "fsync() of the directory", err);
        return PROCTOR_ERROR;
    }

    f->durable = 1;

    return PROCTOR_OK;
}


/* begun at once: another writer could only say that it was moved */

void
proctor_audit_file_lost(proctor_audit_file_t *f, const char *what, int err)
{
    if (proctor_audit_place_abandon(f) == PROCTOR_OK) {
        (void) proctor_audit_place_ensure(f);
    }

    f->err = err;
    f->what = what;
}
