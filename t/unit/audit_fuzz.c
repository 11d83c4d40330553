/*
 * Trails, checkpoints and proofs that were changed at random, by several edits
 * at once: nothing that was sealed may be taken for what it was, and nothing
 * may crash.  The edits come from a fixed seed; PROCTOR_LONG makes them many.
 */

#include "proctor_proof.h"
#include "tap.h"
#include "trail.h"


#define RECORDS 60
#define ROUNDS  20000
#define ROOM    65536


static trail_t trail;
static proctor_note_signer_t signer;
static uint64_t fuzz_state = 88172645463325252u;


static size_t
fuzz_random(size_t below)
{
    fuzz_state ^= fuzz_state << 13;
    fuzz_state ^= fuzz_state >> 7;
    fuzz_state ^= fuzz_state << 17;

    return (size_t) (fuzz_state % below);
}


/* one edit of buf, which has ROOM; the length it has then */

static size_t
fuzz_edit(char *buf, size_t len)
{
    size_t at, n, to, tail;

    at = fuzz_random(len + 1);
    tail = len - at;
    n = 1 + fuzz_random(fuzz_random(8) == 0 ? 600 : 6);
    n = n < tail ? n : tail;

    switch (fuzz_random(6)) {
    case 0: /* a bit */
        buf[at < len ? at : 0] ^= (char) (1 << fuzz_random(8));
        return len;

    case 1: /* out */
        memmove(buf + at, buf + at + n, tail - n);
        return len - n;

    case 2: /* again, somewhere */
        if (len + n >= ROOM) {
            return len;
        }
        to = fuzz_random(len + 1);
        memmove(buf + to + n, buf + to, len - to);
        memmove(buf + to, buf + (at < to ? at : at + n), n);
        return len + n;

    case 3: /* any bytes, in */
        if (len + n >= ROOM) {
            return len;
        }
        memmove(buf + at + n, buf + at, tail);
        for (to = at; to < at + n; to++) {
            buf[to] = (char) fuzz_random(256);
        }
        return len + n;

    case 4: /* a byte that means something */
        buf[at < len ? at : 0] = "\n\"{}[]:,\\ 0"[fuzz_random(11)];
        return len;

    default: /* the end off */
        n = fuzz_random(fuzz_random(2) == 0 ? len + 1 : 3);
        return n < len ? len - n : 0;
    }
}


static size_t
fuzz_edits(char *buf, const char *bytes, size_t len)
{
    size_t n;

    memcpy(buf, bytes, len);

    for (n = 1 + fuzz_random(4); n > 0 && len > 0; n--) {
        len = fuzz_edit(buf, len);
    }

    return len;
}


static int
fuzz_leaf(void *data, uint64_t number, proctor_hash_t *leaf)
{
    const char *leaves = data;

    if (number >= trail.n) {
        return 0;
    }

    memcpy(
        leaf, leaves + number * sizeof(proctor_hash_t), sizeof(proctor_hash_t));

    return 1;
}


/* what the verifier says, fed in pieces of any size, with notes of any kind */

static proctor_verify_e
fuzz_verdict(const char *bytes, size_t len, const char *leaves)
{
    size_t i, n;
    proctor_verify_t *verify;
    proctor_verdict_t verdict;
    proctor_verify_sealed_t sealed = { trail.heads, trail.nheads, fuzz_leaf,
        (void *) leaves, 0 };

    verify = proctor_verify_create(&sealed);

    for (i = 0; i < len; i += n) {
        n = 1 + fuzz_random(5000);
        n = n < len - i ? n : len - i;

        if (proctor_verify_feed(verify, bytes + i, n) != PROCTOR_OK) {
            break;
        }
    }

    proctor_verify_end(verify, &verdict);
    proctor_verify_destroy(verify);

    return verdict.kind;
}


static void
fuzz_test_trails(size_t rounds)
{
    size_t i, len, leaves_len, accepted, same;
    char *buf, *leaves;

    buf = malloc(ROOM);
    leaves = malloc(ROOM);
    accepted = same = 0;

    for (i = 0; i < rounds; i++) {
        leaves_len = trail.n * sizeof(proctor_hash_t);
        memcpy(leaves, trail.leaves, leaves_len);

        if (fuzz_random(2) == 0) {
            memset(leaves, 0, leaves_len);
            (void) fuzz_edits(leaves, (char *) trail.leaves, leaves_len);
        }

        len = fuzz_edits(buf, trail.bytes, trail.len);

        /* nothing that was sealed is changed: more may have been appended */

        if (len >= trail.len && memcmp(buf, trail.bytes, trail.len) == 0) {
            same++;
            continue;
        }

        accepted += fuzz_verdict(buf, len, leaves) <= PROCTOR_VERIFY_UNKNOWN;
    }

    is_int(accepted, 0, "%zu trails changed, none is taken for whole",
        rounds - same);
    is_int(fuzz_verdict(trail.bytes, trail.len, leaves), PROCTOR_VERIFY_WHOLE,
        "with notes that are wrong, a whole trail is whole");

    free(buf);
    free(leaves);
}


static int
fuzz_is_ours(const proctor_checkpoint_t *checkpoint)
{
    size_t i;

    for (i = 0; i < trail.nheads; i++) {
        if (memcmp(&trail.heads[i], &checkpoint->head,
                sizeof(proctor_merkle_head_t))
            == 0) {
            return strstr(checkpoint->origin, trail.file) != NULL;
        }
    }

    return 0;
}


static void
fuzz_test_notes(size_t rounds)
{
    size_t i, len, span, at, strange, read;
    char *buf;
    const char *reason;
    proctor_checkpoint_t checkpoint;

    buf = malloc(ROOM);
    strange = read = 0;

    for (i = 0; i < rounds; i++) {
        len = fuzz_edits(buf, trail.notes, trail.notes_len);

        for (at = 0; at < len; at += span) {
            span = proctor_checkpoint_span(buf + at, len - at);

            if (span == 0) {
                break;
            }

            if (proctor_checkpoint_read(
                    &checkpoint, &signer.verifier, buf + at, span, &reason)
                == PROCTOR_OK) {
                read++;
                strange += !fuzz_is_ours(&checkpoint);
            }
        }
    }

    is_int(
        strange, 0, "%zu checkpoints read among changed ones, all ours", read);
    free(buf);
}


static int
fuzz_proves(const char *text, size_t len, proctor_proof_t *proof)
{
    const char *reason;
    proctor_hash_t leaf;

    return proctor_proof_read(proof, text, len) == PROCTOR_OK
           && proctor_merkle_leaf(proof->record, proof->len, &leaf)
                  == PROCTOR_OK
           && proctor_merkle_check_leaf(
                  &proof->proof, proof->index, &leaf, &proof->checkpoint.head)
                  == PROCTOR_OK
           && proctor_checkpoint_read(&proof->checkpoint, &signer.verifier,
                  proof->note.data, proof->note.len, &reason)
                  == PROCTOR_OK;
}


static void
fuzz_test_proofs(size_t rounds)
{
    size_t i, k, n, len, accepted;
    char text[ROOM], buf[ROOM], base64[8192];
    proctor_proof_t proof;
    proctor_merkle_prover_t prover;

    k = 17;
    len = trail.at[k + 1] - trail.at[k] - 1;
    proctor_base64_encode(base64, trail.bytes + trail.at[k], len);
    n = (size_t) sprintf(
        text, PROCTOR_PROOF_MAGIC "\nextra %s\nindex %zu\n", base64, k);

    (void) proctor_merkle_prove_leaf(
        &prover, k, trail.heads[trail.nheads - 1].size);

    for (i = 0; i < trail.n; i++) {
        (void) proctor_merkle_prove_add(&prover, &trail.leaves[i]);
    }

    for (i = 0; i < prover.proof.count; i++) {
        proctor_base64_encode(
            base64, &prover.proof.hashes[i], sizeof(proctor_hash_t));
        n += (size_t) sprintf(text + n, "%s\n", base64);
    }

    for (i = len = 0; i < trail.nheads; i++) {
        len += i > 0 ? proctor_checkpoint_span(
                   trail.notes + len, trail.notes_len - len)
                     : 0;
    }

    n += (size_t) sprintf(
        text + n, "\n%.*s", (int) (trail.notes_len - len), trail.notes + len);
    is_int(fuzz_proves(text, n, &proof), 1, "a proof proves its record");
    accepted = 0;

    for (i = 0; i < rounds; i++) {
        len = fuzz_edits(buf, text, n);

        accepted +=
            fuzz_proves(buf, len, &proof)
            && (proof.index != k
                || proof.len != trail.at[k + 1] - trail.at[k] - 1
                || memcmp(proof.record, trail.bytes + trail.at[k], proof.len)
                       != 0);
    }

    is_int(
        accepted, 0, "%zu changed proofs, none proves another record", rounds);
}


int
main(void)
{
    char pem[PROCTOR_NOTE_PEM];
    size_t rounds;
    trail_plan_t plan = { RECORDS, 9, 1, NULL };

    rounds = getenv("PROCTOR_LONG") != NULL ? 100 * ROUNDS : ROUNDS;

    (void) proctor_note_signer_create(&signer, TRAIL_NAME, pem);
    trail_make(&trail, &plan, &signer);

    fuzz_test_trails(rounds);
    fuzz_test_notes(rounds / 10);
    fuzz_test_proofs(rounds);

    trail_free(&trail);
    proctor_note_signer_free(&signer);

    return done_testing();
}
