/*
 * Who seals the trail: one process at a time, in a thread of its own.
 *
 * FILE.lock holds no bytes but locks (OFD), which end with their process: byte
 * 0 is the sealer's, and every worker holds the byte that its id is.  Before an
 * intent is given up, its worker was seen dead and then the file was read to
 * its end, in this order: whatever the worker wrote was read.
 */

#ifndef PROCTOR_SEALER_H_INCLUDED
#define PROCTOR_SEALER_H_INCLUDED

#include "proctor_audit_file.h"


#define PROCTOR_SEALER_DEAD 64 /* workers that are found dead in one run */

/* One file that is not sealed to its end; malloc'ed, in the sealer's list. */

typedef struct proctor_sealer_file_s {
    struct proctor_sealer_file_s *next; /* the one that was begun after it */
    int fd;
    int leaves; /* descriptor of FILE.<id>.leaves; -1: cannot be written */
    char id[PROCTOR_AUDIT_FILE_ID + 1];
    char before[PROCTOR_AUDIT_FILE_ID + 1]; /* that it follows; "": none */
    char time[PROCTOR_TIME_LEN + 1];        /* of its start record */
    proctor_seal_t *seal;
    uint64_t read;     /* bytes that were fed */
    uint64_t still;    /* `read`, when it last ended inside of a line */
    uint64_t sealed;   /* lines, by the last checkpoint */
    int64_t sealed_us; /* when */
    int64_t left_ms;   /* since when FILE does not lead to it; 0: it does; of a
                          clock that nobody sets */
    int again;         /* what was read is not believed: from its first byte */
} proctor_sealer_file_t;

typedef struct {
    const char *path;                    /* FILE */
    const char *name;                    /* of the gateway */
    const proctor_note_signer_t *signer; /* NULL: nothing is signed */
    uint64_t worker;                     /* our own id */
    int lock;                            /* descriptor of FILE.lock; -1 */
    int mine;                            /* we are the sealer */
    proctor_audit_file_t out;            /* for outcomes that nobody saw */
    proctor_sealer_file_t *files;        /* the oldest first */
    uint64_t dead[PROCTOR_SEALER_DEAD];
    unsigned ndead;
    char *piece;

    /* of one run, for the caller */
    int more;    /* there is more to read: run again at once */
    size_t note; /* length of the checkpoint that was signed; 0: none */
    char text[PROCTOR_CHECKPOINT_MAX + 1];
    proctor_checkpoint_t checkpoint;
    unsigned unknown; /* outcomes that were written for dead workers */
    unsigned torn;    /* lines that were named */
    const char *what; /* NULL: nothing failed */
    int err;
} proctor_sealer_t;


/* proctor_sealer.c: what is to be done, and in which order */

/* OK; ERROR: FILE.lock cannot be made, or this process's byte not be locked */
int proctor_sealer_init(
    proctor_sealer_t *s, const char *path, const char *name, uint64_t worker);
void proctor_sealer_free(proctor_sealer_t *s);
/* OK; INVALID: another process seals; ERROR: what, err; some may be done */
int proctor_sealer_run(proctor_sealer_t *s, int64_t now_us);

/* proctor_sealer_scan.c: which files */

/* finds those that are not in the list; OK, ERROR */
int proctor_sealer_scan(proctor_sealer_t *s);

/* proctor_sealer_file.c: one file */

/* reads what was appended, up to a bound; OK; INVALID: it is not what was
   sealed; ERROR */
int proctor_sealer_file_read(proctor_sealer_t *s, proctor_sealer_file_t *file);
/* closes a torn tail that stands still, and names damaged lines; OK, ERROR */
int proctor_sealer_file_mend(
    proctor_sealer_t *s, proctor_sealer_file_t *file, int64_t now_us);
/* nothing will be appended any more, and another file follows it */
int proctor_sealer_file_is_over(
    proctor_sealer_t *s, proctor_sealer_file_t *file);
/* the list's first is sealed to its end: its open intents go on to the next */
int proctor_sealer_file_drop(proctor_sealer_t *s);
void proctor_sealer_file_free(proctor_sealer_file_t *file);
/* what follows a file for this sealer; NULL: out of memory */
proctor_seal_t *proctor_sealer_file_follow(const proctor_sealer_t *s);

/* proctor_sealer_note.c: FILE.checkpoints */

/* the last one of this file has to come out again; OK, ERROR */
int proctor_sealer_note_expect(
    proctor_sealer_t *s, proctor_sealer_file_t *file);
/* signs and appends one, when there is something new or it is time for a sign
   of life; OK; INVALID: the disk has lost data of the file; ERROR */
int proctor_sealer_note(
    proctor_sealer_t *s, proctor_sealer_file_t *file, int64_t now_us);

/* the last one that this key signed, into text[PROCTOR_CHECKPOINT_MAX]; its
   length, 0: none is found */
size_t proctor_sealer_note_last(const char *path,
    const proctor_note_signer_t *signer, proctor_checkpoint_t *checkpoint,
    char *text);

/* ERROR, and what errno says */
int proctor_sealer_failed(proctor_sealer_t *s, const char *what);

#endif /* PROCTOR_SEALER_H_INCLUDED */
