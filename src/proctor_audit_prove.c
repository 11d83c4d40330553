/*
 * `proctor audit prove N FILE` and `proctor audit check PROOF`.
 *
 *     c2sp.org/tlog-proof@v1
 *     extra <base64 of the record>
 *     index 499                          counted from 0
 *     <base64 of a hash>                 the path, from the leaf up
 *     ...
 *
 *     <the checkpoint that it leads to>
 *
 * So one record can be handed to somebody who has the gateway's public key and
 * nothing else, and who sees nothing of the other records but their hashes
 * (C2SP tlog-proof).  The proof is made for the smallest checkpoint that holds
 * the record: it was there the earliest.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proctor_proof.h"


typedef struct {
    uint64_t number; /* of the record, counted from 0 */
    proctor_merkle_prover_t prover;
    proctor_merkle_t tree;
    uint64_t size; /* of the checkpoint's */
    char record[PROCTOR_AUDIT_LINE];
    size_t len;
} proctor_audit_prove_t;


static int proctor_audit_prove_line(
    void *data, const proctor_seal_line_t *line);
static int proctor_audit_prove_piece(void *data, const char *bytes, size_t len);
static int proctor_audit_prove_read(
    const proctor_trail_file_t *file, proctor_audit_prove_t *prove);
static void proctor_audit_prove_print(FILE *out,
    const proctor_audit_prove_t *prove, const proctor_proof_note_t *note);


int
proctor_audit_prove(FILE *out, proctor_trail_t *trail, uint64_t number)
{
    proctor_hash_t root;
    proctor_trail_file_t *file;
    proctor_proof_note_t note;
    proctor_audit_prove_t prove;

    file = &trail->files[0];

    memset(&note, 0, sizeof(proctor_proof_note_t));
    memset(&prove, 0, sizeof(proctor_audit_prove_t));
    prove.number = number - 1;

    if (number == 0
        || proctor_proof_note_find(trail, file, number, &note) != PROCTOR_OK) {
        fprintf(stderr, "proctor: %s: no checkpoint holds record %llu\n",
            file->path, (unsigned long long) number);
        return PROCTOR_TRAIL_FAILED;
    }

    prove.size = note.checkpoint.head.size;

    if (proctor_merkle_prove_leaf(&prove.prover, prove.number, prove.size)
            != PROCTOR_OK
        || proctor_audit_prove_read(file, &prove) != PROCTOR_OK) {
        return PROCTOR_TRAIL_FAILED;
    }

    if (prove.tree.size != prove.size
        || proctor_merkle_root(&prove.tree, &root) != PROCTOR_OK
        || memcmp(&root, &note.checkpoint.head.root, sizeof(proctor_hash_t))
               != 0) {
        fprintf(stderr,
            "proctor: %s: is not what the checkpoint of %llu records says\n",
            file->path, (unsigned long long) prove.size);
        return PROCTOR_TRAIL_TAMPERED;
    }

    proctor_audit_prove_print(out, &prove, &note);

    return PROCTOR_TRAIL_WHOLE;
}


static int
proctor_audit_prove_read(
    const proctor_trail_file_t *file, proctor_audit_prove_t *prove)
{
    int rc;
    proctor_seal_t *seal;

    seal = proctor_seal_create(proctor_audit_prove_line, prove);

    if (seal == NULL) {
        fputs("proctor: out of memory\n", stderr);
        return PROCTOR_ERROR;
    }

    rc = proctor_trail_read(file, proctor_audit_prove_piece, seal);
    proctor_seal_destroy(seal);

    return rc == PROCTOR_ERROR ? rc : PROCTOR_OK;
}


static int
proctor_audit_prove_piece(void *data, const char *bytes, size_t len)
{
    return proctor_seal_feed(data, bytes, len);
}


/* INVALID: enough of them were seen */

static int
proctor_audit_prove_line(void *data, const proctor_seal_line_t *line)
{
    proctor_audit_prove_t *prove = data;

    if (line->number == prove->size) {
        return PROCTOR_INVALID;
    }

    if (line->number == prove->number && line->text != NULL) {
        prove->len = (size_t) line->len;
        memcpy(prove->record, line->text, prove->len);
    }

    if (proctor_merkle_add(&prove->tree, &line->leaf) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    return proctor_merkle_prove_add(&prove->prover, &line->leaf);
}


static void
proctor_audit_prove_print(FILE *out, const proctor_audit_prove_t *prove,
    const proctor_proof_note_t *note)
{
    unsigned i;
    char base64[proctor_base64_len(PROCTOR_AUDIT_LINE) + 1];

    proctor_base64_encode(base64, prove->record, prove->len);

    fprintf(out, PROCTOR_PROOF_MAGIC "\nextra %s\nindex %llu\n", base64,
        (unsigned long long) prove->number);

    for (i = 0; i < prove->prover.proof.count; i++) {
        proctor_base64_encode(
            base64, prove->prover.proof.hashes[i].bytes, PROCTOR_SHA256_LEN);
        fprintf(out, "%s\n", base64);
    }

    fputc('\n', out);
    fwrite(note->text, 1, note->len, out);
}
