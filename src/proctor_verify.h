/*
 * What the two files of the verifier share; nobody else includes it.
 */

#ifndef PROCTOR_VERIFY_H_INCLUDED
#define PROCTOR_VERIFY_H_INCLUDED

#include "proctor_audit.h"


#define PROCTOR_VERIFY_NOWHERE UINT64_MAX

/* where the lines leave what is noted of them */
typedef struct {
    uint64_t number; /* the first line that is another; NOWHERE */
    proctor_hash_t leaf;
    proctor_hash_t next;    /* of the line after it, */
    int has_next;           /* if there is one */
    proctor_merkle_t noted; /* the tree with the notes from there on */
} proctor_verify_fork_t;

struct proctor_verify_s {
    proctor_seal_t *seal;
    proctor_verify_sealed_t sealed;
    size_t head;        /* the next one */
    uint64_t confirmed; /* records of the last that fitted */
    proctor_verify_fork_t fork;

    uint64_t odd_number; /* the first line that is wrong by itself; NOWHERE */
    proctor_seal_fault_e odd;
    uint64_t foreign;
    proctor_verdict_t fault; /* of the first checkpoint that does not fit */
};


/* proctor_verify.c */

/* every checkpoint of these lines that was not looked at yet: OK; INVALID: one
   does not fit, v->fault says what it means */
int proctor_verify_heads(proctor_verify_t *v, const proctor_merkle_t *tree);
/* 1: the tree is what the checkpoint says */
int proctor_verify_fits(
    const proctor_merkle_t *tree, const proctor_merkle_head_t *head);
/* the note of a leaf: 1, or 0: there is none */
int proctor_verify_noted(
    const proctor_verify_t *v, uint64_t number, proctor_hash_t *leaf);
/* what became of the first line that is not the one noted */
proctor_verify_e proctor_verify_how(const proctor_verify_t *v);

#endif /* PROCTOR_VERIFY_H_INCLUDED */
