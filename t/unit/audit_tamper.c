/*
 * A trail of 1,000 records, and everything that can be done to it: cut at
 * every byte, every bit flipped, every record deleted, doubled, swapped with
 * the next, put in, or taken from another trail.  All of it must be named, with
 * the right first bad record.
 *
 * Without PROCTOR_LONG in the environment bits and bytes are sampled evenly.
 *
 *     audit_tamper write DIR RECORDS EVERY SEED
 *     audit_tamper cases RECORDS EVERY SEED
 *
 * write a trail as files for other tests, and what the verifier says of each
 * case, for a verifier in another language to agree with or not.
 */

#define _GNU_SOURCE

#include "tamper.h"
#include "tap.h"
#include "verify_copy.h"


#define RECORDS 1000
#define EVERY   37

/* bits; a sanitizer makes each ten times as dear */
#ifdef __SANITIZE_ADDRESS__
#define TAMPER_STEP 4001
#else
#define TAMPER_STEP 409
#endif

#define TAMPER_AGAIN 101 /* flips, of which one is read from the beginning */

static int tamper_notes = 1; /* the leaves' hashes are there */


static int
tamper_leaf(void *data, uint64_t number, proctor_hash_t *leaf)
{
    const trail_t *of = data;

    if (number >= of->n || !tamper_notes) {
        return 0;
    }

    *leaf = of->leaves[number];

    return 1;
}


static proctor_verify_t *
tamper_verify(const trail_t *of)
{
    proctor_verify_sealed_t sealed = { of->heads, of->nheads, tamper_leaf,
        (void *) of, 0 };

    return proctor_verify_create(&sealed);
}


static void
tamper_judge(const char *bytes, size_t len, proctor_verdict_t *verdict)
{
    proctor_verify_t *verify;

    verify = tamper_verify(&trail);
    (void) proctor_verify_feed(verify, bytes, len);
    proctor_verify_end(verify, verdict);
    proctor_verify_destroy(verify);
}


static void
tamper_test_whole(void)
{
    size_t i, n;
    proctor_verify_t *verify;
    proctor_verdict_t verdict;

    tamper_judge(trail.bytes, trail.len, &verdict);
    is_int(verdict.kind, PROCTOR_VERIFY_WHOLE, "the trail is whole");
    is_int(verdict.records, RECORDS, "all of its records");
    is_int(verdict.sealed, RECORDS, "which are sealed");
    is_int(verdict.open, 0, "no intent is open");

    verify = tamper_verify(&trail);

    for (i = 0; i < trail.len; i += n) {
        n = 1 + i % 41;
        n = n < trail.len - i ? n : trail.len - i;
        (void) proctor_verify_feed(verify, trail.bytes + i, n);
    }

    proctor_verify_end(verify, &verdict);
    is_int(verdict.kind, PROCTOR_VERIFY_WHOLE, "in small pieces as well");
    proctor_verify_destroy(verify);
}


/* at every byte, without the notes: the range ends with the right one */

static void
tamper_test_cuts(void)
{
    size_t i, k;
    int wrong;
    proctor_verify_t *verify;
    proctor_verdict_t verdict;

    tamper_notes = 0;
    verify = tamper_verify(&trail);
    wrong = 0;
    k = 0;

    for (i = 0; i < trail.len; i++) {
        k += trail.at[k + 1] == i;
        proctor_verify_end(verify, &verdict);

        wrong += verdict.kind != PROCTOR_VERIFY_TRUNCATED
                 || verdict.last != k + 1 || verdict.first > k + 1
                 || k + 1 - verdict.first > EVERY;

        (void) proctor_verify_feed(verify, trail.bytes + i, 1);
    }

    is_int(
        wrong, 0, "cut at each of %zu bytes, within a checkpoint", trail.len);
    proctor_verify_destroy(verify);
    tamper_notes = 1;
}


/* with them the record is known: at each line's ends and in its middle */

static void
tamper_test_cut_records(void)
{
    size_t i, j, at, step;
    int wrong;
    proctor_verify_t *verify;
    proctor_verdict_t verdict;

    verify = tamper_verify(&trail);
    wrong = 0;
    step = getenv("PROCTOR_LONG") != NULL ? 1 : 97;

    for (i = 0; i < trail.n; i++) {
        for (at = trail.at[i]; at < trail.at[i + 1]; at += j) {
            proctor_verify_end(verify, &verdict);

            wrong += verdict.kind != PROCTOR_VERIFY_TRUNCATED
                     || verdict.first != i + 1 || verdict.last != i + 1;

            j = step < trail.at[i + 1] - at ? step : trail.at[i + 1] - at;
            (void) proctor_verify_feed(verify, trail.bytes + at, j);
        }
    }

    is_int(wrong, 0, "cut in each record, to the record");
    proctor_verify_destroy(verify);
}


/*
 * A copy of what has read all up to this record goes on, so that a flip costs
 * what comes behind it up to the next checkpoint, and no more.
 */

static void
tamper_flip(const proctor_verify_t *before, size_t k, size_t bit,
    proctor_verdict_t *verdict)
{
    size_t from;
    proctor_verify_t *verify;

    from = before != NULL ? trail.at[k] : 0;
    verify = before != NULL ? verify_copy(before) : tamper_verify(&trail);

    trail.bytes[bit / 8] ^= (char) (1 << bit % 8);
    (void) proctor_verify_feed(verify, trail.bytes + from, trail.len - from);
    proctor_verify_end(verify, verdict);
    trail.bytes[bit / 8] ^= (char) (1 << bit % 8);

    proctor_verify_destroy(verify);
}


static int
tamper_flip_is_named(const proctor_verify_t *before, size_t k, size_t bit)
{
    proctor_verdict_t verdict;

    tamper_flip(before, k, bit, &verdict);

    return verdict.kind > PROCTOR_VERIFY_UNKNOWN && verdict.first == k + 1
           && verdict.last == k + 1;
}


/* who reads the file from its first byte comes to the same */

static int
tamper_flip_is_alike(const proctor_verify_t *before, size_t k, size_t bit)
{
    proctor_verdict_t one, other;

    tamper_flip(before, k, bit, &one);
    tamper_flip(NULL, k, bit, &other);

    return one.kind == other.kind && one.first == other.first
           && one.last == other.last && one.records == other.records
           && one.sealed == other.sealed && one.open == other.open;
}


static void
tamper_test_flips(void)
{
    size_t k, bit, step, tried, again;
    int wrong, unlike;
    proctor_verify_t *verify;
    proctor_verdict_t verdict;

    verify = tamper_verify(&trail);
    step = getenv("PROCTOR_LONG") != NULL ? 1 : TAMPER_STEP;
    wrong = unlike = 0;
    tried = again = bit = 0;

    for (k = 0; k < trail.n; k++) {
        for (; bit < 8 * trail.at[k + 1]; bit += step) {
            wrong += !tamper_flip_is_named(verify, k, bit);

            if (tried++ % TAMPER_AGAIN == 0) {
                unlike += !tamper_flip_is_alike(verify, k, bit);
                again++;
            }
        }

        (void) proctor_verify_feed(
            verify, trail.bytes + trail.at[k], trail.at[k + 1] - trail.at[k]);
    }

    is_int(wrong, 0, "%zu of %zu bits flipped, each is named with its record",
        tried, 8 * trail.len);
    is_int(unlike, 0, "... as %zu are when all is read again", again);

    proctor_verify_end(verify, &verdict);
    is_int(verdict.kind, PROCTOR_VERIFY_WHOLE, "... and none was left flipped");
    proctor_verify_destroy(verify);
}


static void
tamper_test_records(void)
{
    size_t i, k;
    int wrong, kinds;
    proctor_verdict_t verdict;
    tamper_case_t c;

    c.bytes = malloc(2 * (trail.len + other.len));

    for (i = 0; i < sizeof(tampers) / sizeof(tampers[0]); i++) {
        wrong = kinds = 0;

        for (k = 0; k + tampers[i].less < trail.n; k++) {
            tamper_do(&c, i, k);
            tamper_judge(c.bytes, c.len, &verdict);

            wrong += verdict.first != c.bad || verdict.last != c.bad;
            kinds += verdict.kind != c.kind;
        }

        is_int(wrong, 0, "%s: each of %d records is named", tampers[i].name,
            RECORDS);
        is_int(kinds, 0, "... and told as what it is");
    }

    free(c.bytes);
}


/* Notes of leaves that were rewritten with the records are not believed. */

static void
tamper_test_rewritten(void)
{
    size_t k;
    int wrong;
    char *byte;
    trail_t copy;
    proctor_hash_t leaf;
    proctor_verify_t *verify;
    proctor_verdict_t verdict;

    wrong = 0;

    for (k = 1; k < trail.n; k += 7) {
        byte = memmem(trail.bytes + trail.at[k], trail.at[k + 1] - trail.at[k],
            "192.0.2.7", 9);
        *byte = '2';
        leaf = trail.leaves[k];
        proctor_merkle_leaf(trail.bytes + trail.at[k],
            trail.at[k + 1] - trail.at[k] - 1, &trail.leaves[k]);

        copy = trail;
        verify = tamper_verify(&copy);
        (void) proctor_verify_feed(verify, trail.bytes, trail.len);
        proctor_verify_end(verify, &verdict);
        proctor_verify_destroy(verify);

        wrong += verdict.kind != PROCTOR_VERIFY_DIFFERS || verdict.first > k + 1
                 || verdict.last < k + 1
                 || verdict.last - verdict.first >= EVERY;

        *byte = '1';
        trail.leaves[k] = leaf;
    }

    is_int(wrong, 0, "hashes that were recomputed help nobody");
}


static int
tamper_write_file(
    const char *dir, const char *name, const void *bytes, size_t len)
{
    FILE *file;
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "w");

    if (file == NULL || fwrite(bytes, 1, len, file) != len
        || fclose(file) != 0) {
        perror(path);
        return 1;
    }

    return 0;
}


/* trail.jsonl and what stands beside it, and the verifier's key */

static int
tamper_write(const char *dir, const trail_plan_t *plan)
{
    int rc;
    FILE *file;
    char name[64], text[PROCTOR_NOTE_VERIFIER_TEXT], pem[PROCTOR_NOTE_FILE_MAX];
    size_t len;
    const char *reason;
    proctor_note_signer_t signer;

    snprintf(text, sizeof(text), "%s/key.pem", dir);
    file = fopen(text, "r");
    len = file != NULL ? fread(pem, 1, sizeof(pem), file) : 0;

    if (file != NULL) {
        fclose(file);
    }

    if (proctor_note_signer_load(&signer, TRAIL_NAME, pem, len, &reason)
        != PROCTOR_OK) {
        fprintf(stderr, "%s: %s\n", text, reason);
        return 1;
    }

    trail_make(&trail, plan, &signer);
    proctor_note_signer_free(&signer);

    snprintf(name, sizeof(name), "trail.jsonl.%s.leaves", trail.file);

    rc = tamper_write_file(dir, "trail.jsonl", trail.bytes, trail.len);
    rc |= tamper_write_file(
        dir, name, trail.leaves, trail.n * sizeof(proctor_hash_t));
    rc |= tamper_write_file(
        dir, "trail.jsonl.checkpoints", trail.notes, trail.notes_len);

    return rc;
}


/* a line for each: what, to which record, the first bad one */

static int
tamper_cases(void)
{
    size_t i, k;
    tamper_case_t c;
    proctor_verdict_t verdict;

    c.bytes = malloc(2 * (trail.len + other.len));

    for (i = 0; i < sizeof(tampers) / sizeof(tampers[0]); i++) {
        for (k = 0; k + tampers[i].less < trail.n; k++) {
            tamper_do(&c, i, k);
            tamper_judge(c.bytes, c.len, &verdict);
            printf(
                "%s %zu %llu\n", c.name, k, (unsigned long long) verdict.first);
        }
    }

    free(c.bytes);

    return 0;
}


int
main(int argc, char **argv)
{
    int rc;
    trail_plan_t plan = { RECORDS, EVERY, 1, NULL };
    trail_plan_t plan2 = { RECORDS, EVERY, 2, NULL };

    if (argc > 5 && strcmp(argv[1], "write") == 0) {
        plan.records = (size_t) atol(argv[3]);
        plan.every = (size_t) atol(argv[4]);
        plan.seed = (unsigned) atol(argv[5]);

        return tamper_write(argv[2], &plan);
    }

    if (argc > 4 && strcmp(argv[1], "cases") == 0) {
        plan.records = plan2.records = (size_t) atol(argv[2]);
        plan.every = plan2.every = (size_t) atol(argv[3]);
        plan.seed = (unsigned) atol(argv[4]);
        plan2.seed = plan.seed + 1;
    }

    trail_make(&trail, &plan, NULL);
    trail_make(&other, &plan2, NULL);

    if (argc > 4) {
        rc = tamper_cases();

    } else {
        tamper_test_whole();
        tamper_test_cuts();
        tamper_test_cut_records();
        tamper_test_flips();
        tamper_test_records();
        tamper_test_rewritten();
        rc = done_testing();
    }

    trail_free(&trail);
    trail_free(&other);

    return rc;
}
