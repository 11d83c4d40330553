/*
 * The verdict on a file of a trail, if it ends here.
 *
 * Asked for at any byte, since a file that is cut off may be cut off anywhere:
 * what was fed is looked at, and nothing changed.
 */

#include <string.h>

#include "proctor_verify.h"


static void proctor_verify_short(
    const proctor_verify_t *v, proctor_verdict_t *verdict);
static void proctor_verify_alone(
    const proctor_verify_t *v, proctor_verdict_t *verdict);


static const struct {
    proctor_verify_e kind;
    const char *word;
} proctor_verify_words[] = {
    { PROCTOR_VERIFY_WHOLE, "whole" },
    { PROCTOR_VERIFY_OPEN, "an intent without its outcome" },
    { PROCTOR_VERIFY_TORN, "a torn line" },
    { PROCTOR_VERIFY_UNKNOWN, "cannot be judged" },
    { PROCTOR_VERIFY_CHANGED, "changed" },
    { PROCTOR_VERIFY_MISSING, "missing" },
    { PROCTOR_VERIFY_ADDED, "added" },
    { PROCTOR_VERIFY_MOVED, "moved" },
    { PROCTOR_VERIFY_TRUNCATED, "truncated" },
    { PROCTOR_VERIFY_DIFFERS, "not as it was sealed" },
    { PROCTOR_VERIFY_NO_START, "no start record" },
    { PROCTOR_VERIFY_RESTART, "a start record that is not the first" },
    { PROCTOR_VERIFY_DAMAGED, "unreadable" },
    { PROCTOR_VERIFY_REPEATED, "an intent that was there before" },
    { PROCTOR_VERIFY_NO_INTENT, "an outcome without its intent" },
    { PROCTOR_VERIFY_NOT_TORN, "names a torn line that is none" },
    { PROCTOR_VERIFY_UNSEALED, "no checkpoint covers it" },
    { PROCTOR_VERIFY_CHECKPOINT, "a bad checkpoint" },
    { PROCTOR_VERIFY_CHAIN, "does not follow the file before it" },
};

static const proctor_verify_e proctor_verify_odds[] = {
    [PROCTOR_SEAL_FINE] = PROCTOR_VERIFY_WHOLE,
    [PROCTOR_SEAL_NO_START] = PROCTOR_VERIFY_NO_START,
    [PROCTOR_SEAL_RESTART] = PROCTOR_VERIFY_RESTART,
    [PROCTOR_SEAL_DAMAGED] = PROCTOR_VERIFY_DAMAGED,
    [PROCTOR_SEAL_REPEATED] = PROCTOR_VERIFY_REPEATED,
    [PROCTOR_SEAL_NO_INTENT] = PROCTOR_VERIFY_NO_INTENT,
    [PROCTOR_SEAL_NOT_TORN] = PROCTOR_VERIFY_NOT_TORN
};


void
proctor_verify_end(const proctor_verify_t *verify, proctor_verdict_t *verdict)
{
    const proctor_seal_state_t *state;
    proctor_verify_t last;

    *verdict = verify->fault;

    state = proctor_seal_state(verify->seal);
    verdict->records = state->size;
    verdict->open = state->open;
    verdict->pending = state->pending;
    verdict->foreign = verify->foreign;
    verdict->sealed = verify->confirmed;

    if (verdict->kind != PROCTOR_VERIFY_WHOLE) {
        return;
    }

    /* the checkpoints of exactly this size were to be looked at next */

    last = *verify;

    if (proctor_verify_heads(&last, proctor_seal_tree(last.seal))
        != PROCTOR_OK) {
        verdict->kind = last.fault.kind;
        verdict->first = last.fault.first;
        verdict->last = last.fault.last;
        return;
    }

    verdict->sealed = last.confirmed;

    if (last.head < last.sealed.nheads) {
        proctor_verify_short(&last, verdict);
        return;
    }

    proctor_verify_alone(&last, verdict);
}


/* A checkpoint has more records than there are lines. */

static void
proctor_verify_short(const proctor_verify_t *v, proctor_verdict_t *verdict)
{
    uint64_t size;
    proctor_hash_t noted;
    proctor_merkle_t tree;
    const proctor_merkle_head_t *head;

    head = &v->sealed.heads[v->head];
    size = proctor_seal_state(v->seal)->size;

    verdict->kind = PROCTOR_VERIFY_TRUNCATED;
    verdict->first = v->confirmed + 1;
    verdict->last = size + 1;

    tree = v->fork.number == PROCTOR_VERIFY_NOWHERE
               ? *proctor_seal_tree(v->seal)
               : v->fork.noted;

    while (
        tree.size < head->size && proctor_verify_noted(v, tree.size, &noted)) {
        if (proctor_merkle_add(&tree, &noted) != PROCTOR_OK) {
            return;
        }
    }

    if (!proctor_verify_fits(&tree, head)) {
        return;
    }

    /* the notes are what was sealed: so it is known where the lines leave it */

    if (v->fork.number != PROCTOR_VERIFY_NOWHERE) {
        verdict->kind = proctor_verify_how(v);
        verdict->last = v->fork.number + 1;
    }

    verdict->first = verdict->last;
}


/* All checkpoints fit: what the lines say by themselves. */

static void
proctor_verify_alone(const proctor_verify_t *v, proctor_verdict_t *verdict)
{
    uint64_t damaged;
    const proctor_seal_state_t *state;

    state = proctor_seal_state(v->seal);

    /* a damaged line that was sealed is what the gateway saw, too */

    damaged = proctor_seal_first_torn(v->seal, v->confirmed);

    if (damaged != UINT64_MAX && damaged < v->odd_number) {
        verdict->kind = PROCTOR_VERIFY_DAMAGED;
        verdict->first = damaged + 1;

    } else if (v->odd_number != PROCTOR_VERIFY_NOWHERE) {
        verdict->kind = proctor_verify_odds[v->odd];
        verdict->first = v->odd_number + 1;

    } else if (state->size == 0) {
        verdict->kind = PROCTOR_VERIFY_NO_START;
        verdict->first = 1;

    } else if (state->torn != 0) {
        verdict->kind = PROCTOR_VERIFY_TORN;
        verdict->first = proctor_seal_first_torn(v->seal, 0) + 1;

    } else if (state->pending != 0) {
        verdict->kind = PROCTOR_VERIFY_TORN;
        verdict->first = state->size + 1;

    } else if (state->open != 0) {
        verdict->kind = PROCTOR_VERIFY_OPEN;
    }

    verdict->last = verdict->first;
}


const char *
proctor_verify_word(proctor_verify_e kind)
{
    size_t i;

    for (i = 0;
         i < sizeof(proctor_verify_words) / sizeof(proctor_verify_words[0]);
         i++) {
        if (proctor_verify_words[i].kind == kind) {
            return proctor_verify_words[i].word;
        }
    }

    return "unknown";
}
