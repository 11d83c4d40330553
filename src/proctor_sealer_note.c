/*
 * FILE.checkpoints: what the sealer signed, note after note, of all files.
 *
 * A file is on disk before it is signed for: after a power cut a checkpoint
 * must not say more than there is.  Who takes over looks for the last note of
 * the file, near the end of FILE.checkpoints, and goes on only from there.  A
 * note that was cut short is taken away before the next is appended, which
 * would be part of it otherwise: nobody was told of it.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem(), memrchr() */
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proctor_sealer.h"


#define PROCTOR_SEALER_HEARTBEAT 60000000 /* us */

/* of FILE.checkpoints that is searched for the last note of a file */
#define PROCTOR_SEALER_TAIL (16 * 1024 * 1024)

/* and for the last note of all */
#define PROCTOR_SEALER_LAST (8 * PROCTOR_CHECKPOINT_MAX)


static void proctor_sealer_note_path(const char *file, char *path);
static int proctor_sealer_note_tail(
    const char *file, size_t max, char **text, size_t *len);
static void proctor_sealer_note_find(const proctor_sealer_t *s,
    proctor_sealer_file_t *file, const char *text, size_t len);
static int proctor_sealer_note_append(proctor_sealer_t *s);
static int proctor_sealer_note_mend(int fd);
static size_t proctor_sealer_note_end(const char *text, size_t len);


int
proctor_sealer_note_expect(proctor_sealer_t *s, proctor_sealer_file_t *file)
{
    int rc;
    char *text;
    size_t len;

    if (s->signer == NULL) {
        return PROCTOR_OK;
    }

    rc = proctor_sealer_note_tail(s->path, PROCTOR_SEALER_TAIL, &text, &len);

    if (rc == PROCTOR_OK && text != NULL) {
        proctor_sealer_note_find(s, file, text, len);
        free(text);
    }

    return rc;
}


static void
proctor_sealer_note_path(const char *file, char *path)
{
    (void) snprintf(path, PATH_MAX, "%s.checkpoints", file);
}


/* text NULL: there is none */

static int
proctor_sealer_note_tail(const char *file, size_t max, char **text, size_t *len)
{
    int fd;
    off_t from;
    char path[PATH_MAX];
    ssize_t n;
    struct stat st;

    *text = NULL;
    proctor_sealer_note_path(file, path);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd == -1) {
        return (errno == ENOENT) ? PROCTOR_OK : PROCTOR_ERROR;
    }

    n = -1;

    if (fstat(fd, &st) == 0) {
        from = ((size_t) st.st_size > max) ? st.st_size - (off_t) max : 0;
        *len = (size_t) (st.st_size - from);
        *text = malloc(*len + 1);
        n = (*text == NULL) ? -1 : pread(fd, *text, *len, from);
    }

    (void) close(fd);

    if (n == -1) {
        free(*text);
        *text = NULL;
        return PROCTOR_ERROR;
    }

    *len = (size_t) n;

    return PROCTOR_OK;
}


/* The last one that is this file's and signed by our key. */

static void
proctor_sealer_note_find(const proctor_sealer_t *s, proctor_sealer_file_t *file,
    const char *text, size_t len)
{
    int n;
    char origin[PROCTOR_CHECKPOINT_ORIGIN_MAX + 2];
    const char *p, *end, *reason;
    proctor_checkpoint_t note, last;

    n = snprintf(origin, sizeof(origin), "%s/%s\n", s->name, file->id);
    end = text + len;
    last.head.size = 0;

    for (p = text; (p = memmem(p, (size_t) (end - p), origin, (size_t) n));
         p += n) {

        len = proctor_checkpoint_span(p, (size_t) (end - p));

        if (len != 0
            && proctor_checkpoint_read(
                   &note, &s->signer->verifier, p, len, &reason)
                   == PROCTOR_OK
            && note.head.size > last.head.size) {
            last = note;
        }
    }

    if (last.head.size != 0) {
        (void) proctor_seal_expect(file->seal, &last.head);
        file->sealed = last.head.size;
        file->sealed_us = last.time_us;
    }
}


/* A note may begin where a line does. */

size_t
proctor_sealer_note_last(const char *path, const proctor_note_signer_t *signer,
    proctor_checkpoint_t *checkpoint, char *text)
{
    char *tail, *p, *next;
    size_t len, span, found;
    const char *reason;
    proctor_checkpoint_t note;

    if (proctor_sealer_note_tail(path, PROCTOR_SEALER_LAST, &tail, &len)
            != PROCTOR_OK
        || tail == NULL) {
        return 0;
    }

    found = 0;

    for (p = tail; p != NULL && p < tail + len; p = next) {
        span = proctor_checkpoint_span(p, (size_t) (tail + len - p));
        next = memchr(p, '\n', (size_t) (tail + len - p));
        next = (next == NULL) ? NULL : next + 1;

        if (span != 0 && span <= PROCTOR_CHECKPOINT_MAX
            && proctor_checkpoint_read(
                   &note, &signer->verifier, p, span, &reason)
                   == PROCTOR_OK) {
            *checkpoint = note;
            memcpy(text, p, span);
            found = span;
            next = p + span;
        }
    }

    free(tail);

    return found;
}


int
proctor_sealer_note(
    proctor_sealer_t *s, proctor_sealer_file_t *file, int64_t now_us)
{
    int alive;
    uint64_t size;

    size = proctor_seal_state(file->seal)->size;

    /* a clock that was set back is no reason to be silent until then */

    alive = now_us >= file->sealed_us
            && now_us - file->sealed_us < PROCTOR_SEALER_HEARTBEAT;

    if (s->signer == NULL || size == 0 || size < file->sealed
        || (size == file->sealed && (alive || file->left_ms != 0))) {
        return PROCTOR_OK;
    }

    if (fdatasync(file->fd) == -1) {
        (void) proctor_sealer_failed(s, "fdatasync()");
        return PROCTOR_INVALID;
    }

    if (proctor_seal_checkpoint(file->seal, now_us, &s->checkpoint)
        == PROCTOR_OK) {
        s->note = proctor_checkpoint_sign(&s->checkpoint, s->signer, s->text);
    }

    if (s->note == 0) {
        errno = 0;
        return proctor_sealer_failed(s, "signing");
    }

    s->text[s->note] = '\0';

    if (proctor_sealer_note_append(s) != PROCTOR_OK) {
        s->note = 0;
        return proctor_sealer_failed(s, "appending a checkpoint");
    }

    file->sealed = size;
    file->sealed_us = now_us;

    return PROCTOR_OK;
}


static int
proctor_sealer_note_append(proctor_sealer_t *s)
{
    int fd, rc, err;
    char path[PATH_MAX];

    proctor_sealer_note_path(s->path, path);

    fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd == -1) {
        return PROCTOR_ERROR;
    }

    errno = ENOSPC;
    rc = (proctor_sealer_note_mend(fd) == PROCTOR_OK
             && write(fd, s->text, s->note) == (ssize_t) s->note
             && fdatasync(fd) == 0)
             ? PROCTOR_OK
             : PROCTOR_ERROR;

    err = errno;
    (void) close(fd);
    errno = err;

    return rc;
}


/* More than one note can be is none that was cut short: it is left for who
   verifies. */

static int
proctor_sealer_note_mend(int fd)
{
    char tail[2 * PROCTOR_CHECKPOINT_MAX];
    off_t from;
    size_t end;
    ssize_t n;
    struct stat st;

    if (fstat(fd, &st) == -1) {
        return PROCTOR_ERROR;
    }

    from = (st.st_size > (off_t) sizeof(tail))
               ? st.st_size - (off_t) sizeof(tail)
               : 0;
    n = pread(fd, tail, sizeof(tail), from);

    if (n == -1) {
        return PROCTOR_ERROR;
    }

    end = proctor_sealer_note_end(tail, (size_t) n);

    if (end == (size_t) n || (size_t) n - end > PROCTOR_CHECKPOINT_MAX) {
        return PROCTOR_OK;
    }

    return (ftruncate(fd, from + (off_t) end) == -1) ? PROCTOR_ERROR
                                                     : PROCTOR_OK;
}


/* behind the last line of a signature; 0: there is none */

static size_t
proctor_sealer_note_end(const char *text, size_t len)
{
    const char *newline, *line;

    static const char dash[] = "\xe2\x80\x94 ";

    while ((newline = memrchr(text, '\n', len)) != NULL) {
        len = (size_t) (newline - text);
        line = memrchr(text, '\n', len);
        line = (line == NULL) ? text : line + 1;

        if ((size_t) (newline - line) >= sizeof(dash) - 1
            && memcmp(line, dash, sizeof(dash) - 1) == 0) {
            return len + 1;
        }
    }

    return 0;
}
