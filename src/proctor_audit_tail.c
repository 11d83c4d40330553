/*
 * `proctor audit tail [-f] FILE`: the last records, for people, and new ones
 * as they come.
 *
 * With -f it goes where the name goes: after a rotation what is left of the
 * old file is shown, then the new file from its beginning.  It waits for
 * inotify's word, on the file and on its directory; nothing is polled.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proctor_audit_row.h"


#define PROCTOR_TAIL_RECORDS 10

typedef struct {
    FILE *out;
    const char *path;
    int fd;
    int watch; /* inotify's; -1: none */
    off_t offset;
    size_t len; /* of a line that is not yet whole */
    char line[PROCTOR_AUDIT_LINE];
    proctor_json_t doc;
} proctor_audit_tail_t;


static int proctor_audit_tail_open(proctor_audit_tail_t *tail);
static off_t proctor_audit_tail_begin(const proctor_audit_tail_t *tail);
static int proctor_audit_tail_more(proctor_audit_tail_t *tail);
static void proctor_audit_tail_bytes(
    proctor_audit_tail_t *tail, const char *bytes, size_t len);
static void proctor_audit_tail_line(proctor_audit_tail_t *tail);
static int proctor_audit_tail_follow(proctor_audit_tail_t *tail);
static int proctor_audit_tail_watch(proctor_audit_tail_t *tail);
static int proctor_audit_tail_moved(const proctor_audit_tail_t *tail);
static int proctor_audit_tail_failed(const proctor_audit_tail_t *tail);


int
proctor_audit_tail(FILE *out, const char *path, int follow)
{
    int rc;
    proctor_audit_tail_t tail;

    memset(&tail, 0, sizeof(proctor_audit_tail_t));

    tail.out = out;
    tail.path = path;
    tail.watch = -1;
    proctor_json_init(&tail.doc);

    rc = proctor_audit_tail_open(&tail);

    if (rc == PROCTOR_OK) {
        tail.offset = proctor_audit_tail_begin(&tail);
        proctor_audit_row_head(out);

        /* watched first: nothing comes between the last look and the wait */

        rc = follow ? proctor_audit_tail_follow(&tail)
                    : proctor_audit_tail_more(&tail);
    }

    if (tail.fd >= 0) {
        close(tail.fd);
    }

    if (tail.watch >= 0) {
        close(tail.watch);
    }

    proctor_json_free(&tail.doc);

    return rc == PROCTOR_OK ? PROCTOR_TRAIL_WHOLE : PROCTOR_TRAIL_FAILED;
}


static int
proctor_audit_tail_open(proctor_audit_tail_t *tail)
{
    tail->offset = 0;
    tail->len = 0;
    tail->fd = open(tail->path, O_RDONLY | O_CLOEXEC);

    return tail->fd >= 0 ? PROCTOR_OK : proctor_audit_tail_failed(tail);
}


static int
proctor_audit_tail_failed(const proctor_audit_tail_t *tail)
{
    fprintf(stderr, "proctor: %s: %s\n", tail->path, strerror(errno));

    return PROCTOR_ERROR;
}


/* where the last records begin */

static off_t
proctor_audit_tail_begin(const proctor_audit_tail_t *tail)
{
    char *bytes;
    off_t size, from;
    size_t lines;
    ssize_t n, i;
    static const off_t back = PROCTOR_TAIL_RECORDS * PROCTOR_AUDIT_LINE;

    size = lseek(tail->fd, 0, SEEK_END);
    from = size > back ? size - back : 0;

    bytes = malloc((size_t) back);
    n = bytes != NULL ? pread(tail->fd, bytes, (size_t) back, from) : 0;
    lines = 0;

    for (i = n; i > 0; i--) {
        if (bytes[i - 1] == '\n' && lines++ == PROCTOR_TAIL_RECORDS) {
            break;
        }
    }

    free(bytes);

    return i > 0 ? from + i : from;
}


static int
proctor_audit_tail_more(proctor_audit_tail_t *tail)
{
    char bytes[16384];
    ssize_t n;

    for (;;) {
        n = pread(tail->fd, bytes, sizeof(bytes), tail->offset);

        if (n < 0) {
            return proctor_audit_tail_failed(tail);
        }

        if (n == 0) {
            break;
        }

        tail->offset += n;
        proctor_audit_tail_bytes(tail, bytes, (size_t) n);
    }

    return fflush(tail->out) == 0 ? PROCTOR_OK : PROCTOR_ERROR;
}


static void
proctor_audit_tail_bytes(
    proctor_audit_tail_t *tail, const char *bytes, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (bytes[i] == '\n') {
            proctor_audit_tail_line(tail);
            tail->len = 0;

        } else if (tail->len < sizeof(tail->line)) {
            tail->line[tail->len++] = bytes[i];
        }
    }
}


static void
proctor_audit_tail_line(proctor_audit_tail_t *tail)
{
    proctor_line_t entry;
    proctor_audit_row_t row;

    if (proctor_audit_line_read(&entry, &tail->doc, tail->line, tail->len)
        != PROCTOR_OK) {
        return;
    }

    if (entry.kind == PROCTOR_LINE_DAMAGED) {
        fprintf(tail->out, "(a damaged line of %zu bytes)\n", tail->len);
        return;
    }

    proctor_audit_row_set(&row, &tail->doc);
    proctor_audit_row_print(tail->out, &row);
}


static int
proctor_audit_tail_follow(proctor_audit_tail_t *tail)
{
    char events[4096];

    for (;;) {
        if (tail->watch < 0 && proctor_audit_tail_watch(tail) != PROCTOR_OK) {
            return PROCTOR_ERROR;
        }

        if (proctor_audit_tail_more(tail) != PROCTOR_OK) {
            return PROCTOR_ERROR;
        }

        if (proctor_audit_tail_moved(tail)) {
            /* what came between the two looks */
            if (proctor_audit_tail_more(tail) != PROCTOR_OK) {
                return PROCTOR_ERROR;
            }

            close(tail->watch);
            close(tail->fd);
            tail->watch = -1;

            if (proctor_audit_tail_open(tail) != PROCTOR_OK) {
                return PROCTOR_ERROR;
            }

            continue;
        }

        if (read(tail->watch, events, sizeof(events)) < 0 && errno != EINTR) {
            return proctor_audit_tail_failed(tail);
        }
    }
}


static int
proctor_audit_tail_watch(proctor_audit_tail_t *tail)
{
    char directory[PROCTOR_TRAIL_PATH];
    const char *slash;

    slash = strrchr(tail->path, '/');

    snprintf(directory, sizeof(directory), "%.*s",
        slash != NULL ? (int) (slash + 1 - tail->path) : 1,
        slash != NULL ? tail->path : ".");

    tail->watch = inotify_init1(IN_CLOEXEC);

    if (tail->watch < 0
        || inotify_add_watch(tail->watch, tail->path, IN_MODIFY) < 0
        || inotify_add_watch(tail->watch, directory, IN_CREATE | IN_MOVED_TO)
               < 0) {
        return proctor_audit_tail_failed(tail);
    }

    return PROCTOR_OK;
}


/* the name has another file, which may have begun while this one was read */

static int
proctor_audit_tail_moved(const proctor_audit_tail_t *tail)
{
    struct stat is, was;

    return stat(tail->path, &is) == 0 && fstat(tail->fd, &was) == 0
           && (is.st_ino != was.st_ino || is.st_dev != was.st_dev);
}
