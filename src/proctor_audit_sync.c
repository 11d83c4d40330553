/*
 * A file synced by a thread, while its writer goes on writing.
 *
 * The handle is its writer's, who may close it at any time; the thread has a
 * descriptor of its own of the same open file, so that an error which the
 * kernel tells once is told here.  What a failure means for the handle is done
 * when the thread has ended, by the writer.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "proctor_audit_file.h"


int
proctor_audit_sync_begin(proctor_audit_sync_t *s, const proctor_audit_file_t *f)
{
    s->path = f->path;
    s->dev = f->dev;
    s->ino = f->ino;
    s->durable = f->durable;
    s->tried = 0;
    s->rc = PROCTOR_ERROR;
    s->what = "fcntl(F_DUPFD_CLOEXEC)";

    s->fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
    s->err = errno;

    return (s->fd == -1) ? PROCTOR_ERROR : PROCTOR_OK;
}


int
proctor_audit_sync_covers(
    const proctor_audit_sync_t *s, const proctor_audit_file_t *f)
{
    return f->fd != -1 && f->dev == s->dev && f->ino == s->ino;
}


void
proctor_audit_sync_work(proctor_audit_sync_t *s)
{
    s->tried = 1;
    s->what = "fdatasync()";
    s->rc = (fdatasync(s->fd) == -1) ? PROCTOR_ERROR : PROCTOR_OK;
    s->err = errno;

    if (s->rc == PROCTOR_OK && !s->durable) {
        s->what = "fsync() of the directory";
        s->rc = proctor_audit_place_sync(s->path, &s->err);
    }

    (void) close(s->fd);
    s->fd = -1;
}


int
proctor_audit_sync_end(proctor_audit_sync_t *s, proctor_audit_file_t *f)
{
    int same;

    if (s->fd != -1) {
        (void) close(s->fd); /* it did not come to that */
    }

    same = proctor_audit_sync_covers(s, f);

    if (s->rc == PROCTOR_OK) {
        f->durable |= same;
        return PROCTOR_OK;
    }

    if (s->tried && same) {
        proctor_audit_file_lost(f, s->what, s->err);

    } else {
        f->what = s->what;
        f->err = s->err;
    }

    return PROCTOR_ERROR;
}
