/*
 * The files that `proctor audit` was given, as a trail.
 *
 * Nobody has to know the order of rotated files: each one's start record says
 * which file it follows, so they are put in order by that, whatever their
 * names.  Files of several gateways may be given at once; each has a trail of
 * its own.
 *
 * Whatever cannot be opened or read is said on stderr, with its reason.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proctor_trail.h"


static int proctor_trail_peek(proctor_trail_file_t *file);
static void proctor_trail_link(proctor_trail_t *trail);
static int proctor_trail_has_before(
    const proctor_trail_t *trail, const proctor_trail_file_t *file);
static size_t proctor_trail_chain(const proctor_trail_t *trail,
    proctor_trail_file_t *order, size_t n, size_t first);
static int proctor_trail_key(
    proctor_trail_t *trail, const char *path, const char *line, size_t len);


int
proctor_trail_open(proctor_trail_t *trail, char *const *paths, size_t n)
{
    size_t i;
    proctor_trail_file_t *file;

    trail->files = calloc(n, sizeof(proctor_trail_file_t));

    if (trail->files == NULL) {
        fputs("proctor: out of memory\n", stderr);
        return PROCTOR_ERROR;
    }

    for (i = 0; i < n; i++) {
        file = &trail->files[i];
        file->path = paths[i];
        file->fd = open(paths[i], O_RDONLY | O_CLOEXEC);

        if (file->fd < 0) {
            fprintf(stderr, "proctor: %s: %s\n", paths[i], strerror(errno));
            return PROCTOR_ERROR;
        }

        trail->nfiles = i + 1;

        if (proctor_trail_peek(file) != PROCTOR_OK) {
            return PROCTOR_ERROR;
        }
    }

    proctor_trail_link(trail);

    return PROCTOR_OK;
}


void
proctor_trail_close(proctor_trail_t *trail)
{
    size_t i;

    for (i = 0; i < trail->nfiles; i++) {
        close(trail->files[i].fd);
        free(trail->files[i].heads.heads);
    }

    free(trail->files);
}


/* the first line, if it is a start record */

static int
proctor_trail_peek(proctor_trail_file_t *file)
{
    int rc;
    ssize_t n;
    char line[PROCTOR_AUDIT_LINE];
    const char *newline;
    proctor_json_t doc;
    proctor_line_t entry;

    n = pread(file->fd, line, sizeof(line), 0);

    if (n < 0) {
        fprintf(stderr, "proctor: %s: %s\n", file->path, strerror(errno));
        return PROCTOR_ERROR;
    }

    newline = memchr(line, '\n', (size_t) n);
    if (newline == NULL) {
        return PROCTOR_OK;
    }

    proctor_json_init(&doc);
    rc = proctor_audit_line_read(&entry, &doc, line, (size_t) (newline - line));
    proctor_json_free(&doc);

    if (rc == PROCTOR_OK && entry.kind == PROCTOR_LINE_START) {
        file->started = 1;
        file->start = entry.start;
        (void) proctor_time_parse(
            line + PROCTOR_LINE_TIME, PROCTOR_TIME_LEN, &file->begun);
    }

    return rc;
}


/* Each file that follows none of the others begins a chain. */

static void
proctor_trail_link(proctor_trail_t *trail)
{
    size_t i, n;
    proctor_trail_file_t *order;

    order = calloc(trail->nfiles, sizeof(proctor_trail_file_t));
    if (order == NULL) {
        return; /* as they were given, then */
    }

    n = 0;

    for (i = 0; i < trail->nfiles; i++) {
        if (!proctor_trail_has_before(trail, &trail->files[i])) {
            n = proctor_trail_chain(trail, order, n, i);
        }
    }

    /* what is left follows itself in a ring, which is no order */

    for (i = 0; i < trail->nfiles; i++) {
        if (!trail->files[i].linked) {
            n = proctor_trail_chain(trail, order, n, i);
        }
    }

    free(trail->files);
    trail->files = order;
}


static int
proctor_trail_has_before(
    const proctor_trail_t *trail, const proctor_trail_file_t *file)
{
    size_t i;

    for (i = 0; i < trail->nfiles; i++) {
        if (&trail->files[i] != file && file->started && trail->files[i].started
            && strcmp(trail->files[i].start.file, file->start.previous_file)
                   == 0) {
            return 1;
        }
    }

    return 0;
}


/* adds the file and, one by one, what follows; how many there are then */

static size_t
proctor_trail_chain(const proctor_trail_t *trail, proctor_trail_file_t *order,
    size_t n, size_t first)
{
    size_t i;
    proctor_trail_file_t *file;

    for (i = first; i < trail->nfiles; n++) {
        file = &trail->files[i];
        file->linked = 1;
        order[n] = *file;
        order[n].follows = i != first;

        for (i = 0; i < trail->nfiles; i++) {
            if (!trail->files[i].linked && trail->files[i].started
                && file->started
                && strcmp(trail->files[i].start.previous_file, file->start.file)
                       == 0) {
                break;
            }
        }
    }

    return n;
}


int
proctor_trail_keys(proctor_trail_t *trail, const char *path)
{
    int rc;
    FILE *file;
    char line[2 * PROCTOR_NOTE_VERIFIER_TEXT];

    file = fopen(path, "re");

    if (file == NULL) {
        fprintf(stderr, "proctor: %s: %s\n", path, strerror(errno));
        return PROCTOR_ERROR;
    }

    rc = PROCTOR_OK;

    while (rc == PROCTOR_OK && fgets(line, sizeof(line), file) != NULL) {
        rc = proctor_trail_key(trail, path, line, strlen(line));
    }

    if (ferror(file) || (rc == PROCTOR_OK && trail->nkeys == 0)) {
        fprintf(stderr, "proctor: %s: holds no key\n", path);
        rc = PROCTOR_ERROR;
    }

    fclose(file);

    return rc;
}


static int
proctor_trail_key(
    proctor_trail_t *trail, const char *path, const char *line, size_t len)
{
    if (trail->nkeys == PROCTOR_TRAIL_KEYS) {
        fprintf(stderr, "proctor: %s: more than %d keys\n", path,
            PROCTOR_TRAIL_KEYS);
        return PROCTOR_ERROR;
    }

    if (proctor_note_verifier_read(&trail->keys[trail->nkeys], line, len)
        != PROCTOR_OK) {
        fprintf(stderr,
            "proctor: %s: line %zu is no key as `proctor audit key` prints "
            "it\n",
            path, trail->nkeys + 1);
        return PROCTOR_ERROR;
    }

    trail->nkeys++;

    return PROCTOR_OK;
}


int
proctor_trail_read(
    const proctor_trail_file_t *file, proctor_trail_piece_pt piece, void *data)
{
    int rc;
    char *buf;
    off_t offset;
    ssize_t n;

    buf = malloc(PROCTOR_TRAIL_PIECE);

    if (buf == NULL) {
        fputs("proctor: out of memory\n", stderr);
        return PROCTOR_ERROR;
    }

    rc = PROCTOR_OK;
    offset = 0;

    while (rc == PROCTOR_OK) {
        n = pread(file->fd, buf, PROCTOR_TRAIL_PIECE, offset);

        if (n < 0) {
            fprintf(stderr, "proctor: %s: %s\n", file->path, strerror(errno));
            rc = PROCTOR_ERROR;
        }

        if (n <= 0) {
            break;
        }

        offset += n;
        rc = piece(data, buf, (size_t) n);
    }

    free(buf);

    return rc;
}
