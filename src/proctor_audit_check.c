/*
 * `proctor audit check PROOF`: was this record in that log?
 *
 * Offline, and without the trail: the record is in the proof, and so is the
 * signed checkpoint.  With a key the answer is the gateway's word; without
 * one only the arithmetic was checked, and that is said.
 */

#include <errno.h>
#include <string.h>

#include "proctor_proof.h"


#define PROCTOR_CHECK_MAX 65536 /* bytes of a proof */


static int proctor_audit_check_load(const char *path, char *text, size_t *len);
static int proctor_audit_check_signed(
    const proctor_trail_t *keys, const proctor_proof_t *proof);
static void proctor_audit_check_say(
    FILE *out, const proctor_proof_t *proof, int keys);


int
proctor_audit_check(FILE *out, const proctor_trail_t *keys, const char *path)
{
    size_t len;
    char text[PROCTOR_CHECK_MAX];
    proctor_hash_t leaf;
    proctor_proof_t proof;

    if (proctor_audit_check_load(path, text, &len) != PROCTOR_OK) {
        return PROCTOR_TRAIL_FAILED;
    }

    if (proctor_proof_read(&proof, text, len) != PROCTOR_OK) {
        fprintf(out, "%s: is no proof\n", path);
        return PROCTOR_TRAIL_TAMPERED;
    }

    if (keys->nkeys != 0 && !proctor_audit_check_signed(keys, &proof)) {
        fprintf(out,
            "%s: the checkpoint is not signed by a key that was"
            " given\n",
            path);
        return PROCTOR_TRAIL_TAMPERED;
    }

    if (proctor_merkle_leaf(proof.record, proof.len, &leaf) != PROCTOR_OK
        || proctor_merkle_check_leaf(
               &proof.proof, proof.index, &leaf, &proof.checkpoint.head)
               != PROCTOR_OK) {
        fprintf(out, "%s: does not lead from this record to the checkpoint\n",
            path);
        return PROCTOR_TRAIL_TAMPERED;
    }

    proctor_audit_check_say(out, &proof, keys->nkeys != 0);

    return PROCTOR_TRAIL_WHOLE;
}


static int
proctor_audit_check_load(const char *path, char *text, size_t *len)
{
    int failed;
    FILE *file;

    file = fopen(path, "re");

    if (file == NULL) {
        fprintf(stderr, "proctor: %s: %s\n", path, strerror(errno));
        return PROCTOR_ERROR;
    }

    *len = fread(text, 1, PROCTOR_CHECK_MAX, file);
    failed = ferror(file);
    fclose(file);

    if (failed) {
        fprintf(stderr, "proctor: %s: cannot be read\n", path);
    }

    return failed ? PROCTOR_ERROR : PROCTOR_OK;
}


static int
proctor_audit_check_signed(
    const proctor_trail_t *keys, const proctor_proof_t *proof)
{
    return proctor_trail_signed(
        keys, proof->note.data, proof->note.len, &proof->checkpoint);
}


static void
proctor_audit_check_say(FILE *out, const proctor_proof_t *proof, int keys)
{
    size_t i;
    char time[PROCTOR_TIME_LEN + 1];

    *proctor_time_format(time, proof->checkpoint.time_us) = '\0';

    fprintf(out, "record %llu of %s, among %llu sealed",
        (unsigned long long) proof->index + 1, proof->checkpoint.origin,
        (unsigned long long) proof->checkpoint.head.size);

    if (proof->checkpoint.time_us >= 0) {
        fprintf(out, " at %s", time);
    }

    fputs(keys ? "\n"
               : "; no key was given, so whose word it is was not"
                 " checked\n",
        out);

    /* it may be a damaged line: nothing in it reaches a terminal as it is */

    for (i = 0; i < proof->len; i++) {
        fputc(proof->record[i] >= ' ' && proof->record[i] <= '~'
                  ? proof->record[i]
                  : '?',
            out);
    }

    fputc('\n', out);
}
