/*
 * Which files are to be sealed: those that have a pin, FILE.<id>.open, and
 * FILE.  A file that was moved or unlinked is found by its pin, by whoever
 * seals now.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proctor_sealer.h"


/* where the time stands in a start record */
#define PROCTOR_SEALER_TIME (sizeof("{\"v\":1,\"time\":\"") - 1)


static int proctor_sealer_scan_placed(proctor_sealer_t *s);
static int proctor_sealer_scan_is_known(
    const proctor_sealer_t *s, const char *id);
static int proctor_sealer_scan_open(
    proctor_sealer_t *s, const char *dir, const char *name, const char *id);
static int proctor_sealer_scan_is_nothing(int fd, const struct stat *st);
static int proctor_sealer_scan_add(proctor_sealer_t *s, int fd, const char *id);
static void proctor_sealer_scan_insert(
    proctor_sealer_t *s, proctor_sealer_file_t *file);


int
proctor_sealer_scan(proctor_sealer_t *s)
{
    int rc;
    DIR *d;
    char dir[PATH_MAX];
    size_t base;
    const char *slash, *file, *id;
    struct dirent *entry;

    slash = strrchr(s->path, '/');
    file = (slash == NULL) ? s->path : slash + 1;
    base = strlen(file);

    (void) snprintf(dir, sizeof(dir), "%.*s", (int) (file - s->path), s->path);

    d = opendir((dir[0] == '\0') ? "." : dir);
    if (d == NULL) {
        return proctor_sealer_failed(s, "opendir()");
    }

    rc = PROCTOR_OK;

    while (rc == PROCTOR_OK && (entry = readdir(d)) != NULL) {
        id = entry->d_name + base + 1;

        if (strncmp(entry->d_name, file, base) != 0
            || entry->d_name[base] != '.'
            || strlen(id) != PROCTOR_AUDIT_FILE_ID + sizeof(".open") - 1
            || strcmp(id + PROCTOR_AUDIT_FILE_ID, ".open") != 0) {
            continue;
        }

        if (!proctor_sealer_scan_is_known(s, id)) {
            rc = proctor_sealer_scan_open(s, dir, entry->d_name, id);
        }
    }

    (void) closedir(d);

    return (rc == PROCTOR_OK) ? proctor_sealer_scan_placed(s) : rc;
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

    if (proctor_audit_place_id(fd, id) == PROCTOR_OK
        && !proctor_sealer_scan_is_known(s, id)) {
        proctor_sealer_scan_pin(s, id, pin);

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


/* A pin that its maker left without a file is thrown away. */

static int
proctor_sealer_scan_open(
    proctor_sealer_t *s, const char *dir, const char *name, const char *id)
{
    int fd, rc;
    char pin[PATH_MAX], found[PROCTOR_AUDIT_FILE_ID + 1];
    struct stat st;

    if (snprintf(pin, sizeof(pin), "%s%s", dir, name) >= (int) sizeof(pin)) {
        return PROCTOR_OK;
    }

    fd = open(pin, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);

    if (fd == -1) {
        return (errno == ENOENT) ? PROCTOR_OK
                                 : proctor_sealer_failed(s, "open() of a pin");
    }

    rc = PROCTOR_OK;

    if (fstat(fd, &st) == -1) {
        rc = proctor_sealer_failed(s, "fstat() of a pin");

    } else if (proctor_sealer_scan_is_nothing(fd, &st)) {
        (void) unlink(pin);

    } else if (st.st_size != 0
               && proctor_audit_place_id(fd, found) == PROCTOR_OK
               && memcmp(found, id, PROCTOR_AUDIT_FILE_ID) == 0) {
        return proctor_sealer_scan_add(s, fd, found);
    }

    (void) close(fd);

    return rc;
}


/* only its maker could say that it is to become more, who holds it then */

static int
proctor_sealer_scan_is_nothing(int fd, const struct stat *st)
{
    return st->st_nlink == 1 && st->st_size <= PROCTOR_AUDIT_LINE
           && st->st_mtime + 60 < time(NULL)
           && !proctor_audit_place_is_held(fd);
}


static int
proctor_sealer_scan_add(proctor_sealer_t *s, int fd, const char *id)
{
    char path[PATH_MAX];
    ssize_t n;
    proctor_sealer_file_t *file;

    file = calloc(1, sizeof(proctor_sealer_file_t));

    if (file == NULL) {
        (void) close(fd);
        errno = ENOMEM;
        return proctor_sealer_failed(s, "calloc()");
    }

    file->fd = fd;
    memcpy(file->id, id, PROCTOR_AUDIT_FILE_ID);

    (void) snprintf(path, sizeof(path), "%s.%s.leaves", s->path, id);
    file->leaves =
        (s->signer == NULL)
            ? -1
            : open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);

    n = pread(fd, file->time, PROCTOR_TIME_LEN, PROCTOR_SEALER_TIME);
    file->seal = proctor_sealer_file_follow(s);

    if (n != PROCTOR_TIME_LEN || file->seal == NULL
        || proctor_sealer_note_expect(s, file) != PROCTOR_OK) {
        proctor_sealer_file_free(file);
        return proctor_sealer_failed(s, "reading the beginning of a file");
    }

    proctor_sealer_scan_insert(s, file);

    return PROCTOR_OK;
}


/* behind the one that is being read, whatever its clock said */

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


void
proctor_sealer_scan_pin(const proctor_sealer_t *s, const char *id, char *pin)
{
    (void) snprintf(pin, PATH_MAX, "%s.%s.open", s->path, id);
}
