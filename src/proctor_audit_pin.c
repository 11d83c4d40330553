/*
 * Pins: FILE.<id>.open is a second link to each file of the trail, from its
 * making until it is sealed to its end and another follows it.  Wherever FILE
 * was moved, and whoever made what came after it, the pins tell which files
 * there are and which of them is the newest.
 *
 * Files are given up oldest first, so those with a pin are the end of one
 * chain, linked by their start records.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proctor_audit_file.h"


#define PROCTOR_AUDIT_PIN_STEPS 1000 /* pins that are followed, not a ring */

typedef struct {
    const char *after; /* ""; or the file that the wanted one follows */
    char id[PROCTOR_AUDIT_FILE_ID + 1]; /* "": none does */
} proctor_audit_pin_next_t;


static int proctor_audit_pin_id(
    const char *line, const char *end, const char *name, char *id);
static int proctor_audit_pin_next(void *data, const char *pin, const char *id);


void
proctor_audit_pin_name(const char *path, const char *id, char *pin)
{
    (void) snprintf(
        pin, PATH_MAX, "%s.%.*s.open", path, PROCTOR_AUDIT_FILE_ID, id);
}


int
proctor_audit_pin_each(const char *path,
    int (*fn)(void *data, const char *pin, const char *id), void *data)
{
    int rc, n;
    DIR *d;
    char dir[PATH_MAX], pin[PATH_MAX];
    size_t base;
    const char *slash, *file, *id;
    struct dirent *entry;

    slash = strrchr(path, '/');
    file = (slash == NULL) ? path : slash + 1;
    base = strlen(file);

    (void) snprintf(dir, sizeof(dir), "%.*s", (int) (file - path), path);

    d = opendir((dir[0] == '\0') ? "." : dir);
    if (d == NULL) {
        return PROCTOR_ERROR;
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

        n = snprintf(pin, sizeof(pin), "%s%s", dir, entry->d_name);

        if (n > 0 && (size_t) n < sizeof(pin)) {
            rc = fn(data, pin, id);
        }
    }

    n = errno;
    (void) closedir(d);
    errno = n;

    return rc;
}


int
proctor_audit_pin_ids(int fd, char *id, char *before)
{
    ssize_t n;
    const char *end;
    char line[PROCTOR_AUDIT_LINE];

    static const char own[] = "\",\"kind\":\"start\",\"file\":\"";
    static const char previous[] = ",\"previous\":{\"file\":\"";

    n = pread(fd, line, sizeof(line), 0);
    if (n == -1) {
        return PROCTOR_ERROR;
    }

    end = memchr(line, '\n', (size_t) n);

    if (end == NULL || !proctor_audit_pin_id(line, end, own, id)) {
        return PROCTOR_INVALID;
    }

    if (before != NULL && !proctor_audit_pin_id(line, end, previous, before)) {
        before[0] = '\0';
    }

    return PROCTOR_OK;
}


static int
proctor_audit_pin_id(
    const char *line, const char *end, const char *name, char *id)
{
    size_t len;
    const char *p;

    p = memmem(line, (size_t) (end - line), name, strlen(name));
    if (p == NULL) {
        return 0;
    }

    p += strlen(name);
    len = 0;

    while (p + len < end && len < PROCTOR_AUDIT_FILE_ID
           && proctor_hex(p[len]) >= 0) {
        id[len] = p[len];
        len++;
    }

    id[len] = '\0';

    return len == PROCTOR_AUDIT_FILE_ID;
}


/* A pin gets its first line, then its second link, and only then others. */

int
proctor_audit_pin_is_placed(int fd)
{
    char line[PROCTOR_AUDIT_LINE];
    ssize_t n;
    const char *end;
    struct stat st;

    n = pread(fd, line, sizeof(line), 0);
    end = (n > 0) ? memchr(line, '\n', (size_t) n) : NULL;

    return end != NULL && fstat(fd, &st) == 0
           && (st.st_nlink > 1 || st.st_size > end + 1 - line);
}


int
proctor_audit_pin_newest(const char *path, char *id)
{
    int rc, steps;
    proctor_audit_pin_next_t next;

    id[0] = '\0';
    next.after = "";
    steps = 0;

    do {
        next.id[0] = '\0';
        rc = proctor_audit_pin_each(path, proctor_audit_pin_next, &next);

        if (rc == PROCTOR_INVALID) {
            memcpy(id, next.id, sizeof(next.id));
            next.after = id;
        }

    } while (rc == PROCTOR_INVALID && ++steps < PROCTOR_AUDIT_PIN_STEPS);

    return (rc == PROCTOR_ERROR) ? rc : PROCTOR_OK;
}


/* INVALID: found, look no further */

static int
proctor_audit_pin_next(void *data, const char *pin, const char *id)
{
    int fd, rc, placed;
    char own[PROCTOR_AUDIT_FILE_ID + 1], before[PROCTOR_AUDIT_FILE_ID + 1];
    proctor_audit_pin_next_t *next = data;

    fd = open(pin, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd == -1) {
        return (errno == ENOENT) ? PROCTOR_OK : PROCTOR_ERROR;
    }

    rc = proctor_audit_pin_ids(fd, own, before);
    placed = proctor_audit_pin_is_placed(fd);
    (void) close(fd);

    if (rc != PROCTOR_OK || !placed
        || memcmp(own, id, PROCTOR_AUDIT_FILE_ID) != 0
        || (next->after[0] != '\0' && strcmp(before, next->after) != 0)) {
        return (rc == PROCTOR_ERROR) ? rc : PROCTOR_OK;
    }

    memcpy(next->id, own, sizeof(next->id));

    return PROCTOR_INVALID;
}
