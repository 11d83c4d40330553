/*
 * What `proctor audit prove` and `check` share; nobody else includes it.
 */

#ifndef PROCTOR_PROOF_H_INCLUDED
#define PROCTOR_PROOF_H_INCLUDED

#include "proctor_trail.h"


#define PROCTOR_PROOF_MAGIC "c2sp.org/tlog-proof@v1"

typedef struct {
    proctor_checkpoint_t checkpoint;
    size_t len;
    char text[PROCTOR_TRAIL_NOTE];
} proctor_proof_note_t;


/* proctor_proof.c: a proof as a text */

typedef struct {
    uint64_t index;
    size_t len; /* of the record */
    char record[PROCTOR_AUDIT_LINE];
    proctor_merkle_proof_t proof;
    proctor_checkpoint_t checkpoint;
    proctor_str_t note;
} proctor_proof_t;

/* OK; INVALID: no proof; note points into text */
int proctor_proof_read(proctor_proof_t *proof, const char *text, size_t len);
/* the smallest checkpoint of the file, among all that are known, with at least
   so many records; OK, INVALID: there is none */
int proctor_proof_note_find(proctor_trail_t *trail, proctor_trail_file_t *file,
    uint64_t records, proctor_proof_note_t *note);

#endif /* PROCTOR_PROOF_H_INCLUDED */
