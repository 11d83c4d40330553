/*
 * One file of a trail against what was signed of it.
 *
 * The lines give a tree; at the size of each checkpoint its root must be the
 * signed one.  A root that differs says that one of the records since the last
 * checkpoint that fitted is bad, but not which.  That is what the file of
 * leaves is for: from the first line whose hash is not the one noted there, a
 * second tree goes on with the noted hashes.  If the signed root comes out of
 * that tree, then the notes are what was sealed, and that line is the first
 * bad one.  If it does not, the notes prove nothing and are not believed.
 *
 * Lines that are wrong by themselves (no record, an outcome without its
 * intent) are remembered, and told of where no checkpoint has more to say.
 *
 * Memory: the seal's, and two trees; the verdict is worked out without
 * changing anything, so that it can be asked for at any byte.
 */

#include <stdlib.h>
#include <string.h>

#include "proctor_verify.h"


static int proctor_verify_line(void *data, const proctor_seal_line_t *line);
static void proctor_verify_odd(
    proctor_verify_t *v, const proctor_seal_line_t *line);
static int proctor_verify_note(
    proctor_verify_t *v, const proctor_seal_line_t *line);
static int proctor_verify_same(
    const proctor_hash_t *one, const proctor_hash_t *other);
static void proctor_verify_name(const proctor_verify_t *v,
    const proctor_merkle_head_t *head, proctor_verdict_t *verdict);


proctor_verify_t *
proctor_verify_create(const proctor_verify_sealed_t *sealed)
{
    proctor_verify_t *v;

    v = calloc(1, sizeof(proctor_verify_t));
    if (v == NULL) {
        return NULL;
    }

    v->seal = proctor_seal_create(proctor_verify_line, v);

    if (v->seal == NULL) {
        free(v);
        return NULL;
    }

    v->sealed = *sealed;
    v->odd_number = PROCTOR_VERIFY_NOWHERE;
    v->fork.number = PROCTOR_VERIFY_NOWHERE;

    return v;
}


void
proctor_verify_destroy(proctor_verify_t *verify)
{
    if (verify != NULL) {
        proctor_seal_destroy(verify->seal);
        free(verify);
    }
}


const proctor_seal_t *
proctor_verify_seal(const proctor_verify_t *verify)
{
    return verify->seal;
}


int
proctor_verify_carry(proctor_verify_t *verify, proctor_verify_t *before)
{
    /* what was open ahead of the first file may end in any that follows */

    if (before->sealed.partial
        && proctor_seal_state(before->seal)->start.previous_file[0] != '\0') {
        verify->sealed.partial = 1;
    }

    return proctor_seal_carry(verify->seal, before->seal);
}


int
proctor_verify_feed(proctor_verify_t *verify, const char *bytes, size_t len)
{
    return proctor_seal_feed(verify->seal, bytes, len);
}


static int
proctor_verify_line(void *data, const proctor_seal_line_t *line)
{
    int rc;
    proctor_verify_t *v = data;

    if (v->fork.number != PROCTOR_VERIFY_NOWHERE
        && v->fork.number + 1 == line->number) {
        v->fork.next = line->leaf;
        v->fork.has_next = 1;
    }

    rc = proctor_verify_heads(v, line->tree);

    if (rc == PROCTOR_OK) {
        proctor_verify_odd(v, line);
        rc = proctor_verify_note(v, line);
    }

    return rc;
}


/* Every checkpoint of the lines so far: there may be several of one size. */

int
proctor_verify_heads(proctor_verify_t *v, const proctor_merkle_t *tree)
{
    const proctor_merkle_head_t *head;

    for (; v->head < v->sealed.nheads; v->head++) {
        head = &v->sealed.heads[v->head];

        if (head->size > tree->size) {
            break;
        }

        if (!proctor_verify_fits(tree, head)) {
            proctor_verify_name(v, head, &v->fault);
            return PROCTOR_INVALID;
        }

        v->confirmed = head->size;
        v->fork.number = PROCTOR_VERIFY_NOWHERE;
    }

    return PROCTOR_OK;
}


static void
proctor_verify_odd(proctor_verify_t *v, const proctor_seal_line_t *line)
{
    if (line->fault == PROCTOR_SEAL_FINE
        || line->fault == PROCTOR_SEAL_DAMAGED) {
        return; /* a torn record may come for it */
    }

    /* its intent may be in the file before, which is not here */

    if (line->fault == PROCTOR_SEAL_NO_INTENT && v->sealed.partial
        && proctor_seal_state(v->seal)->start.previous_file[0] != '\0') {
        v->foreign++;
        return;
    }

    if (v->odd_number == PROCTOR_VERIFY_NOWHERE) {
        v->odd_number = line->number;
        v->odd = line->fault;
    }
}


static int
proctor_verify_note(proctor_verify_t *v, const proctor_seal_line_t *line)
{
    proctor_hash_t noted;
    proctor_verify_fork_t *fork;

    fork = &v->fork;

    if (!proctor_verify_noted(v, line->number, &noted)
        || (fork->number == PROCTOR_VERIFY_NOWHERE
            && proctor_verify_same(&line->leaf, &noted))) {
        return PROCTOR_OK;
    }

    if (fork->number == PROCTOR_VERIFY_NOWHERE) {
        fork->number = line->number;
        fork->leaf = line->leaf;
        fork->has_next = 0;
        fork->noted = *line->tree;
    }

    return proctor_merkle_add(&fork->noted, &noted);
}


int
proctor_verify_noted(
    const proctor_verify_t *v, uint64_t number, proctor_hash_t *leaf)
{
    return v->sealed.leaf != NULL
           && v->sealed.leaf(v->sealed.data, number, leaf);
}


static int
proctor_verify_same(const proctor_hash_t *one, const proctor_hash_t *other)
{
    return memcmp(one, other, sizeof(proctor_hash_t)) == 0;
}


int
proctor_verify_fits(
    const proctor_merkle_t *tree, const proctor_merkle_head_t *head)
{
    proctor_hash_t root;

    return tree->size == head->size
           && proctor_merkle_root(tree, &root) == PROCTOR_OK
           && proctor_verify_same(&root, &head->root);
}


/* The checkpoint does not fit the lines; do the notes say where they part? */

static void
proctor_verify_name(const proctor_verify_t *v,
    const proctor_merkle_head_t *head, proctor_verdict_t *verdict)
{
    if (v->fork.number != PROCTOR_VERIFY_NOWHERE
        && proctor_verify_fits(&v->fork.noted, head)) {
        verdict->kind = proctor_verify_how(v);
        verdict->first = v->fork.number + 1;
        verdict->last = verdict->first;
        return;
    }

    verdict->kind = PROCTOR_VERIFY_DIFFERS;
    verdict->first = v->confirmed + 1;
    verdict->last = head->size;
}


/* by the line where they part, its neighbours, and what was there */

proctor_verify_e
proctor_verify_how(const proctor_verify_t *v)
{
    int next_was_here, was_next;
    proctor_hash_t here, next;
    const proctor_verify_fork_t *fork;

    fork = &v->fork;

    next_was_here = fork->has_next
                    && proctor_verify_noted(v, fork->number, &here)
                    && proctor_verify_same(&fork->next, &here);

    was_next = proctor_verify_noted(v, fork->number + 1, &next)
               && proctor_verify_same(&fork->leaf, &next);

    if (next_was_here && was_next) {
        return PROCTOR_VERIFY_MOVED;
    }

    if (was_next) {
        return PROCTOR_VERIFY_MISSING;
    }

    return next_was_here ? PROCTOR_VERIFY_ADDED : PROCTOR_VERIFY_CHANGED;
}
