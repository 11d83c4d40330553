/*
 * Inclusion and consistency proofs (RFC 9162, sections 2.1.3 and 2.1.4).
 *
 * Each hash of a proof is the root of a range of leaves; these ranges do not
 * overlap.  So a prover first works out the ranges, from the whole tree down,
 * and then watches the leaves go by once, growing a tree for the range that is
 * passing.  The checks are the RFC's algorithms, with its names: fn and sn are
 * the positions of the old and the new node on a level.
 *
 * Nothing is allocated.
 */

#include <string.h>

#include "proctor_audit.h"


/* where a node stands on its level: its number, and the last one's */

typedef struct {
    uint64_t fn;
    uint64_t sn;
} proctor_merkle_place_t;


static void proctor_merkle_prover_begin(proctor_merkle_prover_t *prover);
static void proctor_merkle_prover_range(
    proctor_merkle_prover_t *prover, uint64_t begin, uint64_t end);
static void proctor_merkle_prover_reverse(proctor_merkle_prover_t *prover);
static uint64_t proctor_merkle_split(uint64_t leaves);
static int proctor_merkle_is_right(const proctor_merkle_place_t *place);
static void proctor_merkle_climb(proctor_merkle_place_t *place, int right);
static int proctor_merkle_check_step(
    proctor_hash_t *old, proctor_hash_t *new, const proctor_hash_t *hash);
static int proctor_merkle_same(
    const proctor_hash_t *one, const proctor_hash_t *other);


int
proctor_merkle_prove_leaf(
    proctor_merkle_prover_t *prover, uint64_t index, uint64_t size)
{
    uint64_t begin, end, middle;

    if (index >= size) {
        return PROCTOR_INVALID;
    }

    proctor_merkle_prover_begin(prover);

    begin = 0;
    end = size;

    while (end - begin > 1) {
        middle = begin + proctor_merkle_split(end - begin);

        if (index < middle) {
            proctor_merkle_prover_range(prover, middle, end);
            end = middle;

        } else {
            proctor_merkle_prover_range(prover, begin, middle);
            begin = middle;
        }
    }

    proctor_merkle_prover_reverse(prover);

    return PROCTOR_OK;
}


int
proctor_merkle_prove_tree(
    proctor_merkle_prover_t *prover, uint64_t old, uint64_t size)
{
    uint64_t begin, end, middle;

    if (old == 0 || old > size) {
        return PROCTOR_INVALID;
    }

    proctor_merkle_prover_begin(prover);

    begin = 0;
    end = size;

    while (old != end) {
        middle = begin + proctor_merkle_split(end - begin);

        if (old <= middle) {
            proctor_merkle_prover_range(prover, middle, end);
            end = middle;

        } else {
            proctor_merkle_prover_range(prover, begin, middle);
            begin = middle;
        }
    }

    /* the whole old tree is known to who checks: its root is */

    if (begin != 0) {
        proctor_merkle_prover_range(prover, begin, end);
    }

    proctor_merkle_prover_reverse(prover);

    return PROCTOR_OK;
}


static void
proctor_merkle_prover_begin(proctor_merkle_prover_t *prover)
{
    prover->proof.count = 0;
    prover->seen = 0;
    prover->tree.size = 0;
}


static void
proctor_merkle_prover_range(
    proctor_merkle_prover_t *prover, uint64_t begin, uint64_t end)
{
    prover->begin[prover->proof.count] = begin;
    prover->end[prover->proof.count] = end;
    prover->proof.count++;
}


/* found from the root down, but a proof goes up */

static void
proctor_merkle_prover_reverse(proctor_merkle_prover_t *prover)
{
    unsigned i, j;
    uint64_t begin, end;

    for (i = 0, j = prover->proof.count; i + 1 < j; i++) {
        j--;

        begin = prover->begin[i];
        end = prover->end[i];
        prover->begin[i] = prover->begin[j];
        prover->end[i] = prover->end[j];
        prover->begin[j] = begin;
        prover->end[j] = end;
    }
}


/* the largest power of two that is less than the number of leaves, 2 or more */

static uint64_t
proctor_merkle_split(uint64_t leaves)
{
    return (uint64_t) 1 << (63 - __builtin_clzll(leaves - 1));
}


int
proctor_merkle_prove_add(
    proctor_merkle_prover_t *prover, const proctor_hash_t *leaf)
{
    unsigned i;

    for (i = 0; i < prover->proof.count; i++) {
        if (prover->seen >= prover->begin[i] && prover->seen < prover->end[i]) {
            break;
        }
    }

    prover->seen++;

    if (i == prover->proof.count) {
        return PROCTOR_OK;
    }

    if (proctor_merkle_add(&prover->tree, leaf) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    if (prover->seen < prover->end[i]) {
        return PROCTOR_OK;
    }

    if (proctor_merkle_root(&prover->tree, &prover->proof.hashes[i])
        != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    prover->tree.size = 0;

    return PROCTOR_OK;
}


int
proctor_merkle_check_leaf(const proctor_merkle_proof_t *proof, uint64_t index,
    const proctor_hash_t *leaf, const proctor_merkle_head_t *head)
{
    int rc, right;
    unsigned i;
    proctor_hash_t hash;
    proctor_merkle_place_t place;

    if (index >= head->size) {
        return PROCTOR_INVALID;
    }

    hash = *leaf;
    place.fn = index;
    place.sn = head->size - 1;

    for (i = 0; i < proof->count; i++) {
        if (place.sn == 0) {
            return PROCTOR_INVALID;
        }

        right = proctor_merkle_is_right(&place);

        rc = right ? proctor_merkle_node(&proof->hashes[i], &hash, &hash)
                   : proctor_merkle_node(&hash, &proof->hashes[i], &hash);

        if (rc != PROCTOR_OK) {
            return rc;
        }

        proctor_merkle_climb(&place, right);
    }

    return place.sn == 0 && proctor_merkle_same(&hash, &head->root)
               ? PROCTOR_OK
               : PROCTOR_INVALID;
}


int
proctor_merkle_check_tree(const proctor_merkle_proof_t *proof,
    const proctor_merkle_head_t *old, const proctor_merkle_head_t *head)
{
    int rc, right;
    unsigned i;
    proctor_hash_t fr, sr;
    proctor_merkle_place_t place;

    if (old->size == 0 || old->size > head->size
        || (old->size == head->size) != (proof->count == 0)) {
        return PROCTOR_INVALID;
    }

    place.fn = old->size - 1;
    place.sn = head->size - 1;
    i = 0;

    while (place.fn & 1) {
        place.fn >>= 1;
        place.sn >>= 1;
    }

    /* an old tree that is full, or all there is, is its own first hash */

    fr = place.fn == 0 || proof->count == 0 ? old->root : proof->hashes[i++];
    sr = fr;

    for (; i < proof->count; i++) {
        if (place.sn == 0) {
            return PROCTOR_INVALID;
        }

        right = proctor_merkle_is_right(&place);

        rc = right ? proctor_merkle_check_step(&fr, &sr, &proof->hashes[i])
                   : proctor_merkle_node(&sr, &proof->hashes[i], &sr);

        if (rc != PROCTOR_OK) {
            return rc;
        }

        proctor_merkle_climb(&place, right);
    }

    return (place.sn == 0 || proof->count == 0)
                   && proctor_merkle_same(&fr, &old->root)
                   && proctor_merkle_same(&sr, &head->root)
               ? PROCTOR_OK
               : PROCTOR_INVALID;
}


/* its sibling is on its left; the last one of a level may have none there */

static int
proctor_merkle_is_right(const proctor_merkle_place_t *place)
{
    return (place->fn & 1) || place->fn == place->sn;
}


/* to the parent; past the levels on which a last node has no sibling */

static void
proctor_merkle_climb(proctor_merkle_place_t *place, int right)
{
    while (right && !(place->fn & 1) && place->fn != 0) {
        place->fn >>= 1;
        place->sn >>= 1;
    }

    place->fn >>= 1;
    place->sn >>= 1;
}


static int
proctor_merkle_check_step(
    proctor_hash_t *old, proctor_hash_t *new, const proctor_hash_t *hash)
{
    if (proctor_merkle_node(hash, old, old) != PROCTOR_OK
        || proctor_merkle_node(hash, new, new) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    return PROCTOR_OK;
}


static int
proctor_merkle_same(const proctor_hash_t *one, const proctor_hash_t *other)
{
    return memcmp(one->bytes, other->bytes, PROCTOR_SHA256_LEN) == 0;
}
