/*
 * The trail's file as one writer sees it: a handle of one thread at a time.
 *
 * A file is never opened with O_CREAT.  It is made under the name of its pin,
 * FILE.<id>.open, gets its start record, and is then linked to FILE, so that
 * the start record is first whoever comes.  The pin stays until the sealer has
 * sealed the file to its end and another follows it: what is moved or unlinked
 * is not lost.  A writer
 * holds a shared lock (OFD) on the file for as long as it may write to it; when
 * there is none, the file is complete.
 */

#ifndef PROCTOR_AUDIT_FILE_H_INCLUDED
#define PROCTOR_AUDIT_FILE_H_INCLUDED

#include <limits.h>
#include <sys/types.h>

#include "proctor_audit.h"


/* why another file was begun: the word in its start record */

typedef enum {
    PROCTOR_AUDIT_FILE_NEW = 0,   /* there was none */
    PROCTOR_AUDIT_FILE_MOVED,     /* by whoever rotates */
    PROCTOR_AUDIT_FILE_UNLINKED,  /* kept as FILE.unlinked-<id> */
    PROCTOR_AUDIT_FILE_SHRUNK,    /* set aside as FILE.shrunk-<id> */
    PROCTOR_AUDIT_FILE_REPLACED,  /* by one that is none of ours: set aside */
    PROCTOR_AUDIT_FILE_ABANDONED, /* the disk lost data: set aside */
    PROCTOR_AUDIT_FILE_REASONS
} proctor_audit_file_reason_e;

/* What all writers know of the newest file; may be called by threads. */

typedef struct {
    /* the last checkpoint of the file that is before one that is begun now:
       size 0: none is known.  id "": no pin says which file that is, the
       answer does; still "": there was none */
    void (*get)(void *data, char *id, proctor_merkle_head_t *head);
    void (*set)(void *data, const char *id, ino_t ino);
    /* a file of this id is another than the newest, whose id it has */
    int (*is_copy)(void *data, const char *id, ino_t ino);
    /* the newest was seen to have so many bytes; the most of those */
    void (*grow)(void *data, ino_t ino, off_t size);
    off_t (*size)(void *data, ino_t ino);
    void *data;
} proctor_audit_newest_t;

typedef struct {
    const char *path; /* FILE, NUL-terminated */
    const char *name; /* of the gateway: of the origin */
    int fd;           /* -1: none is open */
    dev_t dev;
    ino_t ino;
    off_t size;  /* less is shrunk, as is less than others saw */
    off_t end;   /* where this writer's last whole line ended; -1: no line */
    int ordered; /* lines are never written out of their order; may wait */
    int durable; /* that FILE leads to it is on disk */
    char id[PROCTOR_AUDIT_FILE_ID + 1];

    dev_t bad_dev; /* must not be used again; bad_ino 0: there is none */
    ino_t bad_ino;
    proctor_audit_file_reason_e reason; /* of the next one */

    const proctor_audit_newest_t *newest; /* NULL: each is the first */

    /* what happened, for the caller's log; who reads it clears it */
    int begun; /* a file was made, for `reason_begun` */
    proctor_audit_file_reason_e reason_begun;
    int err;          /* errno of what failed; 0: no system call */
    const char *what; /* "write()"; NULL: nothing failed */
} proctor_audit_file_t;


/* proctor_audit_file.c: what is written */

void proctor_audit_file_init(
    proctor_audit_file_t *f, const char *path, const char *name);
void proctor_audit_file_close(proctor_audit_file_t *f);
/*
 * Whole lines to the end of FILE, found or made.  *done is how many bytes of
 * them are in the file, all in whole lines, also after an ERROR; then what and
 * err say why.  A line that was appended to the rest of one that its writer did
 * not finish is appended again.
 */
int proctor_audit_file_append(
    proctor_audit_file_t *f, const char *lines, size_t len, size_t *done);
/* as append(), without looking whether FILE is still the same file */
int proctor_audit_file_append_blindly(
    proctor_audit_file_t *f, const char *lines, size_t len, size_t *done);
/* what was appended is on disk.  After an ERROR it never was: the file is
   abandoned, and the next append() begins another */
int proctor_audit_file_sync(proctor_audit_file_t *f);
/* a sync has failed, of what and why: so is the file abandoned */
void proctor_audit_file_lost(
    proctor_audit_file_t *f, const char *what, int err);

/* proctor_audit_sync.c: as file_sync(), but a thread does the work */

typedef struct {
    const char *path;
    int fd; /* the thread's own; -1: none (any more) */
    dev_t dev;
    ino_t ino;
    int durable;
    int tried;
    int rc; /* ERROR until it has worked: what, err */
    int err;
    const char *what;
} proctor_audit_sync_t;

/* of what was appended until now; the handle is open.  ERROR: there is nothing
   to end */
int proctor_audit_sync_begin(
    proctor_audit_sync_t *s, const proctor_audit_file_t *f);
/* what is appended now is in the file that will be synced */
int proctor_audit_sync_covers(
    const proctor_audit_sync_t *s, const proctor_audit_file_t *f);
void proctor_audit_sync_work(proctor_audit_sync_t *s);
/* as file_sync() */
int proctor_audit_sync_end(proctor_audit_sync_t *s, proctor_audit_file_t *f);

/* ends a line that its writer did not finish, and whose last byte is this: it
   becomes none that is a record; OK, ERROR: errno */
int proctor_audit_file_end(int fd, char last);

/* proctor_audit_place.c: where it is written */

/* FILE is open, and the one that FILE leads to; ERROR: what, err */
int proctor_audit_place_ensure(proctor_audit_file_t *f);
/* out of the way, whatever holds it open: FILE.<word>-<id> */
int proctor_audit_place_abandon(proctor_audit_file_t *f);
/* "moved" */
const char *proctor_audit_place_word(proctor_audit_file_reason_e reason);
/* somebody may write to this file as long as fd is open; OK, ERROR */
int proctor_audit_place_hold(int fd);
/* somebody may, through another descriptor */
int proctor_audit_place_is_held(int fd);
/* the directory's entries are on disk; ERROR: err */
int proctor_audit_place_sync(const char *path, int *err);
/* ERROR, and what errno says */
int proctor_audit_place_failed(proctor_audit_file_t *f, const char *what);

/* proctor_audit_pin.c: files that are not sealed to their end */

/* into pin[PATH_MAX] */
void proctor_audit_pin_name(const char *path, const char *id, char *pin);
/* names of pins, and the ids in them, until fn says another thing than OK;
   ERROR: errno */
int proctor_audit_pin_each(const char *path,
    int (*fn)(void *data, const char *pin, const char *id), void *data);
/* from the start record, the first line of a file: its id, and the one that it
   follows ("": none; NULL: who cares), into [PROCTOR_AUDIT_FILE_ID + 1] each;
   OK; INVALID: there is no such line; ERROR: it cannot be read */
int proctor_audit_pin_ids(int fd, char *id, char *before);
/* it is in its place, or was */
int proctor_audit_pin_is_placed(int fd);
/* the file that none follows, into id[PROCTOR_AUDIT_FILE_ID + 1]; "": there is
   no pin; OK; ERROR: errno */
int proctor_audit_pin_newest(const char *path, char *id);

/* proctor_audit_make.c: a new one */

/* INVALID: it is there now, made by us or by another; ERROR: what, err */
int proctor_audit_make(proctor_audit_file_t *f);
/* random, into id[PROCTOR_AUDIT_FILE_ID + 1]; OK, ERROR */
int proctor_audit_make_id(char *id);

#endif /* PROCTOR_AUDIT_FILE_H_INCLUDED */
