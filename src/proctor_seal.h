/*
 * What the files of the sealer's core share; nobody else includes it.
 */

#ifndef PROCTOR_SEAL_H_INCLUDED
#define PROCTOR_SEAL_H_INCLUDED

#include "proctor_audit.h"


/* a line that is no record */
typedef struct {
    uint64_t number; /* of lines, counted from 0 */
    uint64_t at;
    uint64_t bytes;
    proctor_hash_t sha256;
    int named; /* by a torn record */
} proctor_seal_damaged_t;

/* of malloc(), like all that grows in it */
struct proctor_seal_s {
    proctor_seal_state_t state;
    proctor_seal_line_pt each; /* NULL: a sealer */
    void *data;
    int rc;       /* the first failure stays */
    int treeless; /* nobody will ask for the tree */

    proctor_merkle_t tree;
    proctor_merkle_head_t expected; /* size 0: nothing */
    proctor_intents_t intents;
    proctor_json_t doc;
    proctor_line_t entry;

    proctor_seal_damaged_t *damaged; /* in the order of the file */
    size_t ndamaged;

    proctor_hash_t *leaves; /* of the last feed */
    size_t nleaves;
    size_t max_leaves;

    size_t nline; /* bytes in line */
    int overlong; /* the line does not fit: it is in the digests instead */
    proctor_digest_t leaf;
    proctor_digest_t sha256;
    char line[PROCTOR_AUDIT_LINE];
};


/* proctor_seal_intent.c: intents and their outcomes */

/* the one in seal->entry; OK; ERROR: memory, or too many of them */
int proctor_seal_intent(proctor_seal_t *seal, proctor_seal_line_t *line);


/* proctor_seal_damage.c: lines that are no records, and those that name them */

/* OK; ERROR: memory, or too many of them */
int proctor_seal_damage(
    proctor_seal_t *seal, uint64_t bytes, const proctor_hash_t *sha256);
/* the torn record in seal->entry: OK; INVALID: it names no such line */
int proctor_seal_damage_named(proctor_seal_t *seal);

#endif /* PROCTOR_SEAL_H_INCLUDED */
