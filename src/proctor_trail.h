/*
 * What the files of `proctor audit` share; nobody else includes it.
 *
 * A trail here is the files that somebody names, put in the order in which
 * their start records link them.  All of it belongs to one run of the command
 * and is freed at its end.
 */

#ifndef PROCTOR_TRAIL_H_INCLUDED
#define PROCTOR_TRAIL_H_INCLUDED

#include "proctor_audit.h"


#define PROCTOR_TRAIL_PIECE 262144  /* bytes read at a time */
#define PROCTOR_TRAIL_HEADS 4000000 /* checkpoints of one file */
#define PROCTOR_TRAIL_KEYS  16
#define PROCTOR_TRAIL_YOUNG 60 /* seconds: a file that may not be sealed yet */
#define PROCTOR_TRAIL_NOTE  4096 /* bytes of one that is kept */
#define PROCTOR_TRAIL_PATH  4096

/* exit codes; the first four are what `verify` finds */
typedef enum {
    PROCTOR_TRAIL_WHOLE = 0,
    PROCTOR_TRAIL_TAMPERED = 1,
    PROCTOR_TRAIL_TORN = 2,
    PROCTOR_TRAIL_OPEN = 3,
    PROCTOR_TRAIL_FAILED = 4 /* a wrong call, a file that cannot be read */
} proctor_trail_exit_e;

/* of one log, from whatever file it stands in */
typedef struct {
    proctor_merkle_head_t *heads; /* malloc'ed */
    size_t count;
    size_t max;
} proctor_trail_heads_t;

/* the notes of leaves, read as they are asked for */
typedef struct {
    int fd; /* -1: there is none */
    uint64_t first;
    size_t count;
    proctor_hash_t window[1024];
} proctor_trail_leaves_t;

typedef struct {
    const char *path; /* borrowed */
    int fd;
    int started; /* its first line is a start record: */
    proctor_line_start_t start;
    int64_t begun; /* Unix seconds, as its start record says */
    int follows;   /* the file before it in the trail is the one it names */
    int linked;    /* it is in the trail's order already */
    proctor_trail_heads_t heads; /* what was signed of it, by size */
    int64_t sealed_us;           /* when it was last; 0: nothing says */
    proctor_verdict_t verdict;
} proctor_trail_file_t;

typedef struct {
    proctor_trail_file_t *files; /* in their order, once it is known */
    size_t nfiles;
    const char **checkpoints; /* files that --checkpoint names; borrowed */
    size_t ncheckpoints;
    proctor_note_verifier_t keys[PROCTOR_TRAIL_KEYS];
    size_t nkeys;
} proctor_trail_t;

/* called with each piece; another thing than OK ends the reading */
typedef int (*proctor_trail_piece_pt)(
    void *data, const char *bytes, size_t len);


/* proctor_trail.c: the files, opened and in order; what fails is said */

/* OK, ERROR */
int proctor_trail_open(proctor_trail_t *trail, char *const *paths, size_t n);
void proctor_trail_close(proctor_trail_t *trail);
/* one verifier a line, from a file; OK, ERROR */
int proctor_trail_keys(proctor_trail_t *trail, const char *path);
/* from its first byte; OK, ERROR (said), or what `piece` returned */
int proctor_trail_read(
    const proctor_trail_file_t *file, proctor_trail_piece_pt piece, void *data);


/* proctor_trail_beside.c: what stands beside a file of the trail */

/*
 * Hands to fn each file of checkpoints that may speak of this one: in its
 * directory, "<stem>.checkpoints" where its own name is <stem> or rotated.
 * `own`: 1 when it is exactly "<file>.checkpoints".
 */
int proctor_trail_beside(const proctor_trail_file_t *file,
    int (*fn)(void *data, const char *path, int own), void *data);
/* opens "*.<file's id>.leaves" */
void proctor_trail_leaves_open(
    proctor_trail_leaves_t *leaves, const proctor_trail_file_t *file);
void proctor_trail_leaves_close(proctor_trail_leaves_t *leaves);
/* as proctor_verify_sealed_t wants it; data: the leaves */
int proctor_trail_leaf(void *data, uint64_t number, proctor_hash_t *leaf);


/* proctor_trail_notes.c: files of checkpoints */

typedef struct {
    /* told of each that is of this log; NULL: nobody is.  The caller sets it,
       the rest is the answer */
    void (*each)(void *data, const char *note, size_t len,
        const proctor_checkpoint_t *checkpoint);
    void *data;

    proctor_checkpoint_t newest; /* the last of the file, of any origin */
    uint64_t notes;              /* all in the file */
    uint64_t bad;                /* one that is, counted from 1 */
    const char *fault;           /* why; NULL: none is */
    int torn;                    /* the last one is cut off */
} proctor_trail_notes_t;

/* adds the heads of this log; when there are keys, each signature is checked
   that no other file of the trail is there for; OK; INVALID: notes->fault; ERROR (said) */
int proctor_trail_notes(const proctor_trail_t *trail, const char *path,
    proctor_trail_file_t *file, proctor_trail_notes_t *notes);
/* 1: a file of this log is among those of the trail */
int proctor_trail_is_given(const proctor_trail_t *trail, const char *origin);
/* 1: by the key whose name the log's origin begins with */
int proctor_trail_signed(const proctor_trail_t *keys, const char *note,
    size_t len, const proctor_checkpoint_t *checkpoint);
int proctor_trail_heads_add(
    proctor_trail_heads_t *heads, const proctor_merkle_head_t *head);
void proctor_trail_heads_sort(proctor_trail_heads_t *heads);


/* proctor_trail_sealed.c: all that was signed of a file */

/* fills file->heads; what is wrong with it beforehand becomes file->verdict
   and is said to out; OK, ERROR (said) */
int proctor_trail_sealed(
    FILE *out, proctor_trail_t *trail, proctor_trail_file_t *file);


/* proctor_audit_verify.c and so on: the verbs; they return the exit code */

int proctor_audit_verify(FILE *out, proctor_trail_t *trail);
int proctor_audit_who(FILE *out, proctor_trail_t *trail, const char *resource);
int proctor_audit_tail(FILE *out, const char *path, int follow);
int proctor_audit_prove(FILE *out, proctor_trail_t *trail, uint64_t number);
int proctor_audit_check(
    FILE *out, const proctor_trail_t *keys, const char *path);
int proctor_audit_key(FILE *out, const char *path, const char *name);

#endif /* PROCTOR_TRAIL_H_INCLUDED */
