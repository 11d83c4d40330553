/*
 * The Merkle tree and its proofs: the vectors that Certificate Transparency's
 * own tests use (leaves, roots, paths, consistency), and every proof of every
 * tree of up to 130 leaves against the RFC's recursive definition.
 */

#include <stdlib.h>
#include <string.h>

#include "proctor_audit.h"
#include "tap.h"


#define MOST 130


static proctor_hash_t merkle_leaves[MOST];


static void
merkle_unhex(const char *hex, unsigned char *bytes)
{
    for (; *hex != '\0'; hex += 2) {
        *bytes++ =
            (unsigned char) (proctor_hex(hex[0]) << 4 | proctor_hex(hex[1]));
    }
}


static int
merkle_is(const proctor_hash_t *hash, const char *hex)
{
    unsigned char wanted[PROCTOR_SHA256_LEN];

    merkle_unhex(hex, wanted);

    return memcmp(hash->bytes, wanted, sizeof(wanted)) == 0;
}


/* RFC 6962, 2.1: as it is written there */

static proctor_hash_t
merkle_defined(size_t begin, size_t end)
{
    size_t k;
    proctor_hash_t left, right, node;

    if (end - begin == 1) {
        return merkle_leaves[begin];
    }

    for (k = 1; 2 * k < end - begin; k *= 2) { /* void */
    }

    left = merkle_defined(begin, begin + k);
    right = merkle_defined(begin + k, end);
    proctor_merkle_node(&left, &right, &node);

    return node;
}


static void
merkle_test_vectors(void)
{
    size_t i, len;
    unsigned char bytes[16];
    proctor_merkle_t tree;
    proctor_hash_t leaf, root;
    static const char *const leaves[] = { "", "00", "10", "2021", "3031",
        "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f" };
    static const char *const roots[] = {
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    };

    memset(&tree, 0, sizeof(proctor_merkle_t));
    proctor_merkle_root(&tree, &root);

    ok(merkle_is(&root,
           "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        "the tree of no leaf");

    for (i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
        len = strlen(leaves[i]) / 2;
        merkle_unhex(leaves[i], bytes);
        proctor_merkle_leaf(bytes, len, &leaf);
        merkle_leaves[i] = leaf;

        proctor_merkle_add(&tree, &leaf);
        proctor_merkle_root(&tree, &root);
        ok(merkle_is(&root, roots[i]), "the tree of %zu", i + 1);
    }
}


static void
merkle_prove(proctor_merkle_prover_t *prover, size_t leaves)
{
    size_t i;

    for (i = 0; i < leaves; i++) {
        proctor_merkle_prove_add(prover, &merkle_leaves[i]);
    }
}


static void
merkle_test_proof_vectors(void)
{
    size_t i, j;
    int wrong;
    proctor_merkle_prover_t prover;
    static const struct {
        int tree; /* a consistency proof */
        uint64_t first;
        uint64_t size;
        const char *hashes[4];
    } vectors[] = {
        { 0, 0, 1, { NULL } },
        { 0, 0, 8,
            { "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc"
              "7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de303"
                "1e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6"
                "e4" } },
        { 0, 5, 8,
            { "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6"
              "b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0a"
                "e0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614"
                "b7" } },
        { 0, 2, 3,
            { "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c12"
              "5" } },
        { 1, 1, 1, { NULL } },
        { 1, 1, 8,
            { "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc"
              "7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de303"
                "1e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6"
                "e4" } },
        { 1, 6, 8,
            { "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6"
              "a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0a"
                "e0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614"
                "b7" } },
        { 1, 2, 5,
            { "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031"
              "e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e"
                "6b" } },
    };

    for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        if (vectors[i].tree) {
            proctor_merkle_prove_tree(
                &prover, vectors[i].first, vectors[i].size);
        } else {
            proctor_merkle_prove_leaf(
                &prover, vectors[i].first, vectors[i].size);
        }

        merkle_prove(&prover, (size_t) vectors[i].size);
        wrong = 0;

        for (j = 0; vectors[i].hashes[j] != NULL; j++) {
            wrong +=
                j >= prover.proof.count
                || !merkle_is(&prover.proof.hashes[j], vectors[i].hashes[j]);
        }

        ok(wrong == 0 && j == prover.proof.count, "%s of %llu in %llu",
            vectors[i].tree ? "consistency" : "the path",
            (unsigned long long) vectors[i].first,
            (unsigned long long) vectors[i].size);
    }
}


/* what a proof that was broken in one place proves */

static int
merkle_broken(const proctor_merkle_proof_t *good, uint64_t first,
    const proctor_merkle_head_t *old, const proctor_merkle_head_t *head)
{
    int proved;
    unsigned i;
    proctor_merkle_proof_t bad;

    proved = 0;

    for (i = 0; i < good->count; i++) {
        bad = *good;
        bad.hashes[i].bytes[i % PROCTOR_SHA256_LEN] ^= 1;
        proved += old != NULL
                      ? proctor_merkle_check_tree(&bad, old, head) == PROCTOR_OK
                      : proctor_merkle_check_leaf(
                            &bad, first, &merkle_leaves[first], head)
                            == PROCTOR_OK;
    }

    if (good->count != 0) {
        bad = *good;
        bad.count--;
        proved += old != NULL
                      ? proctor_merkle_check_tree(&bad, old, head) == PROCTOR_OK
                      : proctor_merkle_check_leaf(
                            &bad, first, &merkle_leaves[first], head)
                            == PROCTOR_OK;
    }

    return proved;
}


static void
merkle_test_all(void)
{
    size_t n, m;
    int roots, paths, trees, broken, others;
    proctor_merkle_t tree;
    proctor_merkle_head_t head, old;
    proctor_merkle_prover_t prover;

    memset(&tree, 0, sizeof(proctor_merkle_t));
    roots = paths = trees = broken = others = 0;

    for (n = 1; n <= MOST; n++) {
        proctor_merkle_leaf(&n, sizeof(n), &merkle_leaves[n - 1]);
        proctor_merkle_add(&tree, &merkle_leaves[n - 1]);

        head.size = n;
        proctor_merkle_root(&tree, &head.root);
        old.root = merkle_defined(0, n);
        roots += memcmp(&head.root, &old.root, sizeof(proctor_hash_t)) != 0;

        for (m = 0; m < n; m++) {
            proctor_merkle_prove_leaf(&prover, m, n);
            merkle_prove(&prover, n);
            paths += proctor_merkle_check_leaf(
                         &prover.proof, m, &merkle_leaves[m], &head)
                     != PROCTOR_OK;
            broken += merkle_broken(&prover.proof, m, NULL, &head);
            others += n > 1
                      && proctor_merkle_check_leaf(&prover.proof, m,
                             &merkle_leaves[(m + 1) % n], &head)
                             == PROCTOR_OK;

            old.size = m + 1;
            old.root = merkle_defined(0, m + 1);
            proctor_merkle_prove_tree(&prover, m + 1, n);
            merkle_prove(&prover, n);
            trees += proctor_merkle_check_tree(&prover.proof, &old, &head)
                     != PROCTOR_OK;
            broken += merkle_broken(&prover.proof, m, &old, &head);

            old.root.bytes[3] ^= 4;
            others += proctor_merkle_check_tree(&prover.proof, &old, &head)
                      == PROCTOR_OK;
        }
    }

    is_int(roots, 0, "each root up to %d leaves is the RFC's", MOST);
    is_int(paths, 0, "each leaf is proved");
    is_int(trees, 0, "each older tree is proved");
    is_int(broken, 0, "no broken proof proves anything");
    is_int(others, 0, "no proof proves another leaf or tree");
}


static void
merkle_test_limits(void)
{
    proctor_merkle_prover_t prover;
    proctor_merkle_proof_t proof = { .count = 0 };
    proctor_merkle_head_t head = { .size = 0 };

    is_int(proctor_merkle_prove_leaf(&prover, 3, 3), PROCTOR_INVALID,
        "a leaf behind the tree");
    is_int(proctor_merkle_prove_tree(&prover, 4, 3), PROCTOR_INVALID,
        "a tree larger than the tree");
    is_int(proctor_merkle_prove_tree(&prover, 0, 3), PROCTOR_INVALID,
        "the empty tree is the beginning of every one");
    is_int(proctor_merkle_check_leaf(&proof, 0, &merkle_leaves[0], &head),
        PROCTOR_INVALID, "no leaf is in no tree");

    is_int(proctor_merkle_prove_leaf(&prover, 1, UINT64_MAX), PROCTOR_OK,
        "the largest tree");
    is_int(prover.proof.count, 64, "has 64 hashes on the way");
}


int
main(void)
{
    merkle_test_vectors();
    merkle_test_proof_vectors();
    merkle_test_all();
    merkle_test_limits();

    return done_testing();
}
