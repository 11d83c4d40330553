/*
 * Which files are to be sealed: those that have a pin, FILE.<id>.open, and
 * FILE.  A file that was moved or unlinked is found by its pin, by whoever
 * seals now.
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


static int proctor_sealer_scan_placed(proctor_sealer_t *s);
static int proctor_sealer_scan_is_known(
    const proctor_sealer_t *s, const char *id);
static int proctor_sealer_scan_open(
    void *data, const char *pin, const char *id);
static int proctor_sealer_scan_is_nothing(int fd);
static int proctor_sealer_scan_add(
    proctor_sealer_t *s, int fd, const char *id, const char *before);
static void proctor_sealer_scan_insert(
    proctor_sealer_t *s, proctor_sealer_file_t *file);
static void proctor_sealer_scan_order(proctor_sealer_t *s);
static int proctor_sealer_scan_follows(
    const proctor_sealer_file_t *file, const proctor_sealer_file_t *list);


int
proctor_sealer_scan(proctor_sealer_t *s)
{
    int rc;

    s->what = "reading the pins";
    rc = proctor_audit_pin_each(s->path, proctor_sealer_scan_open, s);

    if (rc != PROCTOR_OK) {
        return proctor_sealer_failed(s, s->what);
    }

    s->what = NULL;
    proctor_sealer_scan_order(s);

    return proctor_sealer_scan_placed(s);
}


/* FILE itself, should its pin be gone: somebody has put it back, or cleaned up */

static int
proctor_sealer_scan_placed(proctor_sealer_t *s)
{
    int fd, rc;
    char pin[PATH_MAX], id[PROCTOR_AUDIT_FILE_ID + 1];

    fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd == -1) {
        return (errno == ENOENT) ? PROCTOR_OK
                                 : proctor_sealer_failed(s, "open()");
    }

    rc = PROCTOR_OK;

    if (proctor_audit_pin_ids(fd, id, NULL) == PROCTOR_OK
        && !proctor_sealer_scan_is_known(s, id)) {
        proctor_audit_pin_name(s->path, id, pin);

        if (link(s->path, pin) == -1 && errno != EEXIST) {
            rc = proctor_sealer_failed(s, "link()");
        }
    }

    (void) close(fd);

    return rc;
}


static int
proctor_sealer_scan_is_known(const proctor_sealer_t *s, const char *id)
{
    const proctor_sealer_file_t *file;

    for (file = s->files; file != NULL; file = file->next) {
        if (memcmp(file->id, id, PROCTOR_AUDIT_FILE_ID) == 0) {
            return 1;
        }
    }

    return 0;
}


/* A pin that its maker left without a file is thrown away; one that it has not
   put in its place yet is none of ours. */

static int
proctor_sealer_scan_open(void *data, const char *pin, const char *id)
{
    int fd, rc;
    char own[PROCTOR_AUDIT_FILE_ID + 1], before[PROCTOR_AUDIT_FILE_ID + 1];
    proctor_sealer_t *s = data;

    if (proctor_sealer_scan_is_known(s, id)) {
        return PROCTOR_OK;
    }

    s->what = "open() of a pin";
    fd = open(pin, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);

    if (fd == -1) {
        return (errno == ENOENT) ? PROCTOR_OK : PROCTOR_ERROR;
    }

    s->what = "reading a pin";
    rc = proctor_audit_pin_ids(fd, own, before);

    if (!proctor_audit_pin_is_placed(fd)) {
        if (proctor_sealer_scan_is_nothing(fd)) {
            (void) unlink(pin);
        }

    } else if (rc == PROCTOR_OK
               && memcmp(own, id, PROCTOR_AUDIT_FILE_ID) == 0) {
        return proctor_sealer_scan_add(s, fd, own, before);
    }

    (void) close(fd);

    return (rc == PROCTOR_INVALID) ? PROCTOR_OK : rc;
}


/* only its maker could say that it is to become more, who holds it then */

static int
proctor_sealer_scan_is_nothing(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_nlink == 1
           && st.st_size <= PROCTOR_AUDIT_LINE && st.st_mtime + 60 < time(NULL)
           && !proctor_audit_place_is_held(fd);
}


static int
proctor_sealer_scan_add(
    proctor_sealer_t *s, int fd, const char *id, const char *before)
{
    char path[PATH_MAX];
    ssize_t n;
    proctor_sealer_file_t *file;

    s->what = "reading the beginning of a file";
    file = calloc(1, sizeof(proctor_sealer_file_t));

    if (file == NULL) {
        (void) close(fd);
        errno = ENOMEM;
        return PROCTOR_ERROR;
    }

    file->fd = fd;
    memcpy(file->id, id, sizeof(file->id));
    memcpy(file->before, before, sizeof(file->before));

    (void) snprintf(path, sizeof(path), "%s.%s.leaves", s->path, id);
    file->leaves =
        (s->signer == NULL)
            ? -1
            : open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);

    n = pread(fd, file->time, PROCTOR_TIME_LEN, PROCTOR_LINE_TIME);
    file->seal = proctor_sealer_file_follow(s);

    if (n != PROCTOR_TIME_LEN || file->seal == NULL
        || proctor_sealer_note_expect(s, file) != PROCTOR_OK) {
        proctor_sealer_file_free(file);
        return PROCTOR_ERROR;
    }

    proctor_sealer_scan_insert(s, file);

    return PROCTOR_OK;
}


/* behind the one that is being read */

static void
proctor_sealer_scan_insert(proctor_sealer_t *s, proctor_sealer_file_t *file)
{
    proctor_sealer_file_t **p;

    p = &s->files;

    while (*p != NULL
           && ((*p)->read != 0
               || memcmp((*p)->time, file->time, PROCTOR_TIME_LEN) <= 0)) {
        p = &(*p)->next;
    }

    file->next = *p;
    *p = file;
}


/* By their times, unless they say whom they follow: a clock may be set back. */

static void
proctor_sealer_scan_order(proctor_sealer_t *s)
{
    proctor_sealer_file_t *file, *rest, **p, **last;

    rest = s->files;
    last = &s->files;

    while (rest != NULL) {

        for (p = &rest; *p != NULL; p = &(*p)->next) {
            if (!proctor_sealer_scan_follows(*p, rest)) {
                break;
            }
        }

        p = (*p == NULL) ? &rest : p; /* a ring, which is no order */

        file = *p;
        *p = file->next;
        *last = file;
        last = &file->next;
    }

    *last = NULL;
}


/* one of those in the list */

static int
proctor_sealer_scan_follows(
    const proctor_sealer_file_t *file, const proctor_sealer_file_t *list)
{
    for (/* void */; list != NULL; list = list->next) {
        if (strcmp(file->before, list->id) == 0) {
            return 1;
        }
    }

    return 0;
}
