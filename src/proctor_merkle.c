/*
 * The Merkle tree of RFC 6962, section 2.1, grown leaf by leaf.
 *
 *     leaf   SHA-256(0x00 || bytes)
 *     node   SHA-256(0x01 || left || right)
 *
 * A tree of n leaves is the full trees of 2^i leaves for each bit i of n, side
 * by side, the largest first: adding a leaf is a carry through these bits, the
 * root folds them from the right.  So a log of any length is a few hundred
 * bytes, copied like a number.
 */

#include "proctor_audit.h"


#define PROCTOR_MERKLE_LEAF 0x00
#define PROCTOR_MERKLE_NODE 0x01


int
proctor_merkle_leaf(const void *bytes, size_t len, proctor_hash_t *leaf)
{
    proctor_digest_t digest;
    static const unsigned char prefix = PROCTOR_MERKLE_LEAF;

    if (proctor_digest_begin(&digest) != PROCTOR_OK
        || proctor_digest_add(&digest, &prefix, 1) != PROCTOR_OK
        || proctor_digest_add(&digest, bytes, len) != PROCTOR_OK
        || proctor_digest_end(&digest, leaf->bytes) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    return PROCTOR_OK;
}


int
proctor_merkle_node(const proctor_hash_t *left, const proctor_hash_t *right,
    proctor_hash_t *node)
{
    proctor_digest_t digest;
    static const unsigned char prefix = PROCTOR_MERKLE_NODE;

    if (proctor_digest_begin(&digest) != PROCTOR_OK
        || proctor_digest_add(&digest, &prefix, 1) != PROCTOR_OK
        || proctor_digest_add(&digest, left->bytes, PROCTOR_SHA256_LEN)
               != PROCTOR_OK
        || proctor_digest_add(&digest, right->bytes, PROCTOR_SHA256_LEN)
               != PROCTOR_OK
        || proctor_digest_end(&digest, node->bytes) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    return PROCTOR_OK;
}


int
proctor_merkle_add(proctor_merkle_t *tree, const proctor_hash_t *leaf)
{
    unsigned level;
    proctor_hash_t hash;

    hash = *leaf;

    for (level = 0; tree->size >> level & 1; level++) {
        if (proctor_merkle_node(&tree->subtrees[level], &hash, &hash)
            != PROCTOR_OK) {
            return PROCTOR_ERROR;
        }
    }

    tree->subtrees[level] = hash;
    tree->size++;

    return PROCTOR_OK;
}


int
proctor_merkle_root(const proctor_merkle_t *tree, proctor_hash_t *root)
{
    unsigned level;

    if (tree->size == 0) {
        return proctor_digest("", 0, root->bytes);
    }

    level = (unsigned) __builtin_ctzll(tree->size);
    *root = tree->subtrees[level];

    for (level++; level < PROCTOR_MERKLE_LEVELS; level++) {
        if ((tree->size >> level & 1)
            && proctor_merkle_node(&tree->subtrees[level], root, root)
                   != PROCTOR_OK) {
            return PROCTOR_ERROR;
        }
    }

    return PROCTOR_OK;
}
