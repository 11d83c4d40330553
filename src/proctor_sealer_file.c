/*
 * One file of the trail as the sealer follows it, from its first byte to its
 * last.  Its pin says that it is not sealed to its end; the descriptor stays
 * open wherever the file is moved.
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


#define PROCTOR_SEALER_PIECE  (1024 * 1024)
#define PROCTOR_SEALER_PIECES 64 /* in one run */
#define PROCTOR_SEALER_NAMES  16 /* damaged lines in one run */

/* a writer that stands still for this long is not waited for, us */
#define PROCTOR_SEALER_PATIENCE 10000000

/* where the time stands in a start record */
#define PROCTOR_SEALER_TIME (sizeof("{\"v\":1,\"time\":\"") - 1)


typedef struct {
    int64_t now_us;
    unsigned count;
    size_t len;
    char lines[PROCTOR_SEALER_NAMES * PROCTOR_AUDIT_LINE];
} proctor_sealer_names_t;


static int proctor_sealer_file_open(
    proctor_sealer_t *s, const char *dir, const char *name, const char *id);
static int proctor_sealer_file_is_nothing(int fd, const struct stat *st);
static int proctor_sealer_file_add(proctor_sealer_t *s, int fd, const char *id);
static void proctor_sealer_file_insert(
    proctor_sealer_t *s, proctor_sealer_file_t *file);
static void proctor_sealer_file_leaves(proctor_sealer_file_t *file);
static int proctor_sealer_file_name(
    void *data, const proctor_audit_torn_t *torn);
static void proctor_sealer_file_pin(
    const proctor_sealer_t *s, const char *id, char *pin);


/* FILE.<id>.open */

int
proctor_sealer_file_scan(proctor_sealer_t *s)
{
    int rc;
    DIR *d;
    char dir[PATH_MAX];
    size_t base;
    const char *slash, *file, *id;
    struct dirent *entry;
    proctor_sealer_file_t *known;

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

        known = s->files;

        while (known != NULL
               && memcmp(known->id, id, PROCTOR_AUDIT_FILE_ID) != 0) {
            known = known->next;
        }

        if (known == NULL) {
            rc = proctor_sealer_file_open(s, dir, entry->d_name, id);
        }
    }

    (void) closedir(d);

    return rc;
}


/* A pin that its maker left without a file is thrown away. */

static int
proctor_sealer_file_open(
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

    } else if (proctor_sealer_file_is_nothing(fd, &st)) {
        (void) unlink(pin);

    } else if (st.st_size != 0
               && proctor_audit_place_id(fd, found) == PROCTOR_OK
               && memcmp(found, id, PROCTOR_AUDIT_FILE_ID) == 0) {
        return proctor_sealer_file_add(s, fd, found);
    }

    (void) close(fd);

    return rc;
}


/* only its maker could say that it is to become more, who holds it then */

static int
proctor_sealer_file_is_nothing(int fd, const struct stat *st)
{
    return st->st_nlink == 1 && st->st_size <= PROCTOR_AUDIT_LINE
           && st->st_mtime + 60 < time(NULL)
           && !proctor_audit_place_is_held(fd);
}


static int
proctor_sealer_file_add(proctor_sealer_t *s, int fd, const char *id)
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
    file->seal = proctor_seal_create(NULL, NULL);

    if (n != PROCTOR_TIME_LEN || file->seal == NULL
        || proctor_sealer_note_expect(s, file) != PROCTOR_OK) {
        proctor_sealer_file_free(file);
        return proctor_sealer_failed(s, "reading the beginning of a file");
    }

    proctor_sealer_file_insert(s, file);

    return PROCTOR_OK;
}


/* behind the one that is being read, whatever its clock said */

static void
proctor_sealer_file_insert(proctor_sealer_t *s, proctor_sealer_file_t *file)
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
proctor_sealer_file_free(proctor_sealer_file_t *file)
{
    proctor_seal_destroy(file->seal);
    (void) close(file->fd);

    if (file->leaves != -1) {
        (void) close(file->leaves);
    }

    free(file);
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

    for (i = 0; i < PROCTOR_SEALER_PIECES; i++) {

        n = pread(file->fd, s->piece, PROCTOR_SEALER_PIECE, (off_t) file->read);

        if (n == -1) {
            return proctor_sealer_failed(s, "pread()");
        }

        if (n == 0) {
            return (proctor_seal_state(file->seal)->size < file->sealed)
                       ? PROCTOR_INVALID
                       : PROCTOR_OK;
        }

        file->read += (uint64_t) n;
        rc = proctor_seal_feed(file->seal, s->piece, (size_t) n);

        if (rc != PROCTOR_OK) {
            errno = 0;
            return (rc == PROCTOR_INVALID)
                       ? rc
                       : proctor_sealer_failed(s, "hashing what was read");
        }

        proctor_sealer_file_leaves(file);
    }

    s->more = 1;

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
    ssize_t n;
    proctor_sealer_names_t *names;
    const proctor_seal_state_t *state;

    state = proctor_seal_state(file->seal);

    if (state->pending != 0 && file->still == file->read) {
        if (write(file->fd, "\n", 1) != 1) {
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
proctor_sealer_file_is_over(
    proctor_sealer_t *s, proctor_sealer_file_t *file, int64_t now_us)
{
    struct stat own, now, end;
    const proctor_seal_state_t *state;

    state = proctor_seal_state(file->seal);

    if (fstat(file->fd, &own) == -1
        || (stat(s->path, &now) == 0 && now.st_ino == own.st_ino
            && now.st_dev == own.st_dev)) {
        file->left_us = 0;
        return 0;
    }

    if (file->left_us == 0) {
        file->left_us = now_us;
    }

    if (proctor_audit_place_is_held(file->fd)
        && now_us - file->left_us < PROCTOR_SEALER_PATIENCE) {
        return 0;
    }

    /* what was appended while we looked is read in the next run */

    return fstat(file->fd, &end) == 0 && (uint64_t) end.st_size <= file->read
           && state->pending == 0 && state->torn == 0
           && (s->signer == NULL || file->sealed == state->size);
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

    proctor_sealer_file_pin(s, file->id, pin);
    (void) unlink(pin);

    s->files = file->next;
    proctor_sealer_file_free(file);

    return rc;
}


static void
proctor_sealer_file_pin(const proctor_sealer_t *s, const char *id, char *pin)
{
    (void) snprintf(pin, PATH_MAX, "%s.%s.open", s->path, id);
}
