/*
 * What stands beside a file of a trail: checkpoints, and notes of its leaves.
 *
 * A rotated file has another name than the one its checkpoints were written
 * under, "audit.jsonl.1" instead of "audit.jsonl": so every file of checkpoints
 * in the directory is taken whose stem its name begins with, up to a dot or a
 * dash.  Notes of leaves
 * bear the file's id, which no rotation changes.
 */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "proctor_trail.h"


#define PROCTOR_TRAIL_CHECKPOINTS ".checkpoints"
#define PROCTOR_TRAIL_LEAVES      ".leaves"

typedef struct {
    char directory[PROCTOR_TRAIL_PATH]; /* "" or with its last slash */
    const char *name;
} proctor_trail_place_t;


static int proctor_trail_place(
    proctor_trail_place_t *place, const proctor_trail_file_t *file);
static DIR *proctor_trail_list(const proctor_trail_place_t *place);
static int proctor_trail_ends(const char *name, size_t len, const char *with);
static int proctor_trail_begins(const char *name, const char *with, size_t len);
static int proctor_trail_join(
    char *path, const proctor_trail_place_t *place, const char *name);


int
proctor_trail_beside(const proctor_trail_file_t *file,
    int (*fn)(void *data, const char *path, int own), void *data)
{
    int rc, own;
    DIR *list;
    char path[PROCTOR_TRAIL_PATH];
    size_t stem;
    struct dirent *entry;
    proctor_trail_place_t place;

    if (!proctor_trail_place(&place, file)) {
        return PROCTOR_OK;
    }

    list = proctor_trail_list(&place);
    if (list == NULL) {
        return PROCTOR_OK;
    }

    rc = PROCTOR_OK;

    while (rc == PROCTOR_OK && (entry = readdir(list)) != NULL) {
        stem = strlen(entry->d_name);

        if (!proctor_trail_ends(
                entry->d_name, stem, PROCTOR_TRAIL_CHECKPOINTS)) {
            continue;
        }

        stem -= sizeof(PROCTOR_TRAIL_CHECKPOINTS) - 1;

        if (proctor_trail_begins(place.name, entry->d_name, stem)
            && proctor_trail_join(path, &place, entry->d_name)) {
            own = place.name[stem] == '\0';
            rc = fn(data, path, own);
        }
    }

    closedir(list);

    return rc;
}


static int
proctor_trail_place(
    proctor_trail_place_t *place, const proctor_trail_file_t *file)
{
    size_t len;
    const char *slash;

    slash = strrchr(file->path, '/');
    place->name = slash != NULL ? slash + 1 : file->path;
    len = (size_t) (place->name - file->path);

    if (len >= sizeof(place->directory)) {
        return 0;
    }

    memcpy(place->directory, file->path, len);
    place->directory[len] = '\0';

    return 1;
}


static DIR *
proctor_trail_list(const proctor_trail_place_t *place)
{
    return opendir(place->directory[0] != '\0' ? place->directory : ".");
}


static int
proctor_trail_ends(const char *name, size_t len, const char *with)
{
    size_t end;

    end = strlen(with);

    return len > end && strcmp(name + len - end, with) == 0;
}


/* the same name, or what a rotation makes of it: ".1", "-20260101" */

static int
proctor_trail_begins(const char *name, const char *with, size_t len)
{
    return strncmp(name, with, len) == 0
           && (name[len] == '\0' || name[len] == '.' || name[len] == '-');
}


static int
proctor_trail_join(
    char *path, const proctor_trail_place_t *place, const char *name)
{
    int n;

    n = snprintf(path, PROCTOR_TRAIL_PATH, "%s%s", place->directory, name);

    return n > 0 && n < PROCTOR_TRAIL_PATH;
}


void
proctor_trail_leaves_open(
    proctor_trail_leaves_t *leaves, const proctor_trail_file_t *file)
{
    DIR *list;
    char path[PROCTOR_TRAIL_PATH];
    char end[PROCTOR_AUDIT_FILE_ID + sizeof("." PROCTOR_TRAIL_LEAVES)];
    struct dirent *entry;
    proctor_trail_place_t place;

    leaves->fd = -1;
    leaves->first = 0;
    leaves->count = 0;

    if (!file->started || !proctor_trail_place(&place, file)) {
        return;
    }

    list = proctor_trail_list(&place);
    if (list == NULL) {
        return;
    }

    snprintf(end, sizeof(end), ".%s" PROCTOR_TRAIL_LEAVES, file->start.file);

    while (leaves->fd < 0 && (entry = readdir(list)) != NULL) {
        if (proctor_trail_ends(entry->d_name, strlen(entry->d_name), end)
            && proctor_trail_join(path, &place, entry->d_name)) {
            leaves->fd = open(path, O_RDONLY | O_CLOEXEC);
        }
    }

    closedir(list);
}


void
proctor_trail_leaves_close(proctor_trail_leaves_t *leaves)
{
    if (leaves->fd >= 0) {
        close(leaves->fd);
    }
}


int
proctor_trail_leaf(void *data, uint64_t number, proctor_hash_t *leaf)
{
    ssize_t n;
    proctor_trail_leaves_t *leaves = data;

    if (leaves->fd < 0 || number > INT64_MAX / sizeof(proctor_hash_t)) {
        return 0;
    }

    if (number < leaves->first || number >= leaves->first + leaves->count) {
        n = pread(leaves->fd, leaves->window, sizeof(leaves->window),
            (off_t) (number * sizeof(proctor_hash_t)));

        leaves->first = number;
        leaves->count = n > 0 ? (size_t) n / sizeof(proctor_hash_t) : 0;
    }

    if (leaves->count == 0) {
        return 0;
    }

    *leaf = leaves->window[number - leaves->first];

    return 1;
}
