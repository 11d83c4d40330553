/*
 * A new file for the trail.
 *
 * It is made under the name of its pin, gets its start record, and only then is
 * FILE linked to it: link() refuses a name that exists, so of several who try
 * at once one wins, and no one ever sees a file without its first line.
 *
 * Which file it follows is what the pins say, and not what this process knows:
 * another gateway may have made the last one, as there are two while nginx's
 * binary is changed, or a process that is gone.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proctor_audit_file.h"


static int proctor_audit_make_begin(
    proctor_audit_file_t *f, int fd, const char *pin);
static size_t proctor_audit_make_start(
    proctor_audit_file_t *f, char *before, char *line);


int
proctor_audit_make(proctor_audit_file_t *f)
{
    int fd, n, rc;
    char pin[PATH_MAX];
    char id[PROCTOR_AUDIT_FILE_ID + 1];

    if (proctor_audit_make_id(id) != PROCTOR_OK) {
        return proctor_audit_place_failed(f, "getrandom()");
    }

    n = snprintf(pin, sizeof(pin), "%s.%s.open", f->path, id);

    if (n < 0 || (size_t) n >= sizeof(pin)) {
        errno = ENAMETOOLONG;
        return proctor_audit_place_failed(f, "open()");
    }

    fd = open(pin,
        O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);

    if (fd == -1) {
        return proctor_audit_place_failed(f, "open()");
    }

    memcpy(f->id, id, sizeof(id));

    /* held: a pin that nobody holds and nothing leads to is thrown away */

    rc = (proctor_audit_place_hold(fd) == PROCTOR_OK)
             ? proctor_audit_make_begin(f, fd, pin)
             : proctor_audit_place_failed(f, "fcntl(F_OFD_SETLK)");

    if (rc != PROCTOR_OK) {
        (void) unlink(pin);
        f->id[0] = '\0';
    }

    (void) close(fd);

    return (rc == PROCTOR_ERROR) ? rc : PROCTOR_INVALID;
}


/* INVALID: another one was faster */

static int
proctor_audit_make_begin(proctor_audit_file_t *f, int fd, const char *pin)
{
    size_t len;
    ssize_t n;
    char line[PROCTOR_AUDIT_LINE], before[PROCTOR_AUDIT_FILE_ID + 1];
    struct stat st;

    if (proctor_audit_pin_newest(f->path, before) != PROCTOR_OK) {
        return proctor_audit_place_failed(f, "reading the pins");
    }

    len = proctor_audit_make_start(f, before, line);
    n = write(fd, line, len);

    if (n != (ssize_t) len) {
        errno = (n == -1) ? errno : ENOSPC;
        return proctor_audit_place_failed(f, "write()");
    }

    if (fstat(fd, &st) == -1) {
        return proctor_audit_place_failed(f, "fstat()");
    }

    if (link(pin, f->path) == -1) {
        return (errno == EEXIST) ? PROCTOR_INVALID
                                 : proctor_audit_place_failed(f, "link()");
    }

    if (f->newest != NULL) {
        f->newest->set(f->newest->data, f->id, st.st_ino);
    }

    f->begun = 1;
    f->reason_begun = f->reason;

    return PROCTOR_OK;
}


static size_t
proctor_audit_make_start(proctor_audit_file_t *f, char *before, char *line)
{
    int n;
    char origin[PROCTOR_CHECKPOINT_ORIGIN_MAX + 1];
    struct timespec now;
    proctor_audit_start_t start;
    proctor_merkle_head_t head;

    n = snprintf(origin, sizeof(origin), "%s/%s", f->name, f->id);
    (void) clock_gettime(CLOCK_REALTIME, &now);

    start.time_us = (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
    start.file.data = f->id;
    start.file.len = PROCTOR_AUDIT_FILE_ID;
    start.origin.data = origin;
    start.origin.len = (size_t) n;
    start.reason.data = proctor_audit_place_word(f->reason);
    start.reason.len = strlen(start.reason.data);

    memset(&head, 0, sizeof(proctor_merkle_head_t));

    if (f->newest != NULL) {
        f->newest->get(f->newest->data, before, &head);
    }

    start.previous_file.data = (before[0] == '\0') ? NULL : before;
    start.previous_file.len = strlen(before);
    start.previous_size = head.size;
    start.previous_root = head.root.bytes;

    return proctor_audit_mark_start(&start, line);
}


int
proctor_audit_make_id(char *id)
{
    unsigned char bytes[PROCTOR_AUDIT_FILE_ID / 2];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t) sizeof(bytes)) {
        return PROCTOR_ERROR;
    }

    *proctor_hex_write(id, bytes, sizeof(bytes)) = '\0';

    return PROCTOR_OK;
}
