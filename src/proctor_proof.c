/*
 * A proof of one record as a text, and the checkpoint that it leads to.
 *
 * What is read comes from anywhere: every line has one spelling, and the text
 * one order of them.
 */

#include <string.h>

#include "proctor_proof.h"


/* which note is the best so far */
typedef struct {
    const proctor_trail_t *trail;
    proctor_trail_file_t *file;
    uint64_t records;
    proctor_proof_note_t *note;
} proctor_proof_search_t;


static int proctor_proof_line(
    proctor_str_t *rest, const char *word, proctor_str_t *line);
static int proctor_proof_record(proctor_proof_t *proof, proctor_str_t *rest);
static int proctor_proof_index(proctor_proof_t *proof, proctor_str_t *rest);
static int proctor_proof_hashes(proctor_proof_t *proof, proctor_str_t *rest);
static int proctor_proof_beside(void *data, const char *path, int own);
static void proctor_proof_better(void *data, const char *note, size_t len,
    const proctor_checkpoint_t *checkpoint);


int
proctor_proof_read(proctor_proof_t *proof, const char *text, size_t len)
{
    const char *reason;
    proctor_str_t rest, line;

    rest.data = text;
    rest.len = len;

    if (!proctor_proof_line(&rest, PROCTOR_PROOF_MAGIC, &line) || line.len != 0
        || !proctor_proof_record(proof, &rest)
        || !proctor_proof_index(proof, &rest)
        || !proctor_proof_hashes(proof, &rest)) {
        return PROCTOR_INVALID;
    }

    proof->note = rest;

    return proctor_checkpoint_read(
        &proof->checkpoint, NULL, rest.data, rest.len, &reason);
}


/* takes a line off that begins with the word; what follows it */

static int
proctor_proof_line(proctor_str_t *rest, const char *word, proctor_str_t *line)
{
    size_t len, begin;
    const char *newline;

    newline = rest->len != 0 ? memchr(rest->data, '\n', rest->len) : NULL;
    if (newline == NULL) {
        return 0;
    }

    len = (size_t) (newline - rest->data);
    begin = strlen(word);

    if (len < begin || memcmp(rest->data, word, begin) != 0) {
        return 0;
    }

    line->data = rest->data + begin;
    line->len = len - begin;

    rest->data = newline + 1;
    rest->len -= len + 1;

    return 1;
}


static int
proctor_proof_record(proctor_proof_t *proof, proctor_str_t *rest)
{
    size_t len;
    proctor_str_t line;

    if (!proctor_proof_line(rest, "extra ", &line) || line.len < 4
        || line.len > proctor_base64_len(PROCTOR_AUDIT_LINE - 1)) {
        return 0;
    }

    len = line.len / 4 * 3;
    len -= line.data[line.len - 1] == '=';
    len -= line.data[line.len - 2] == '=';
    proof->len = len;

    return len < PROCTOR_AUDIT_LINE
           && proctor_base64_decode(proof->record, len, line.data, line.len)
                  == PROCTOR_OK;
}


static int
proctor_proof_index(proctor_proof_t *proof, proctor_str_t *rest)
{
    size_t i;
    proctor_str_t line;

    /* 19 digits fit into 64 bits */

    if (!proctor_proof_line(rest, "index ", &line) || line.len == 0
        || line.len > 19 || (line.data[0] == '0' && line.len > 1)) {
        return 0;
    }

    proof->index = 0;

    for (i = 0; i < line.len; i++) {
        if (line.data[i] < '0' || line.data[i] > '9') {
            return 0;
        }

        proof->index = proof->index * 10 + (uint64_t) (line.data[i] - '0');
    }

    return 1;
}


/* up to the empty line, which is taken off, too */

static int
proctor_proof_hashes(proctor_proof_t *proof, proctor_str_t *rest)
{
    proctor_str_t line;
    proctor_merkle_proof_t *path;

    path = &proof->proof;
    path->count = 0;

    while (proctor_proof_line(rest, "", &line)) {
        if (line.len == 0) {
            return 1;
        }

        if (path->count == PROCTOR_MERKLE_PROOF
            || proctor_base64_decode(path->hashes[path->count].bytes,
                   PROCTOR_SHA256_LEN, line.data, line.len)
                   != PROCTOR_OK) {
            return 0;
        }

        path->count++;
    }

    return 0;
}


int
proctor_proof_note_find(proctor_trail_t *trail, proctor_trail_file_t *file,
    uint64_t records, proctor_proof_note_t *note)
{
    size_t i;
    proctor_proof_search_t search = { trail, file, records, note };

    note->len = 0;

    if (proctor_trail_beside(file, proctor_proof_beside, &search)
        != PROCTOR_OK) {
        return PROCTOR_INVALID;
    }

    for (i = 0; i < trail->ncheckpoints; i++) {
        if (proctor_proof_beside(&search, trail->checkpoints[i], 0)
            != PROCTOR_OK) {
            return PROCTOR_INVALID;
        }
    }

    return note->len != 0 ? PROCTOR_OK : PROCTOR_INVALID;
}


static int
proctor_proof_beside(void *data, const char *path, int own)
{
    proctor_trail_notes_t notes;
    proctor_proof_search_t *search = data;

    (void) own;

    memset(&notes, 0, sizeof(proctor_trail_notes_t));
    notes.each = proctor_proof_better;
    notes.data = search;

    return proctor_trail_notes(search->trail, path, search->file, &notes);
}


static void
proctor_proof_better(void *data, const char *note, size_t len,
    const proctor_checkpoint_t *checkpoint)
{
    proctor_proof_search_t *search = data;
    proctor_proof_note_t *best = search->note;

    if (checkpoint->head.size < search->records || len > sizeof(best->text)
        || (best->len != 0
            && best->checkpoint.head.size <= checkpoint->head.size)) {
        return;
    }

    best->checkpoint = *checkpoint;
    best->len = len;
    memcpy(best->text, note, len);
}
