/*
 * The sealer's core: the same answer however a file comes, what is open, what
 * is damaged, and a file that is not the one that was sealed.
 */

#include "tap.h"
#include "trail.h"


#define RECORDS 120


static trail_t trail;


static proctor_seal_t *
seal_of(const char *bytes, size_t len)
{
    proctor_seal_t *seal;

    seal = proctor_seal_create(NULL, NULL);
    (void) proctor_seal_feed(seal, bytes, len);

    return seal;
}


static void
seal_test_pieces(void)
{
    size_t piece, i, n, count;
    int wrong;
    uint64_t first, next;
    proctor_seal_t *seal;
    const proctor_hash_t *leaves;
    const proctor_seal_state_t *state;
    proctor_checkpoint_t checkpoint;

    wrong = 0;

    for (piece = 1; piece < 900; piece += piece < 20 ? 1 : 97) {
        seal = proctor_seal_create(NULL, NULL);
        next = 0;

        for (i = 0; i < trail.len; i += n) {
            n = piece < trail.len - i ? piece : trail.len - i;
            wrong += proctor_seal_feed(seal, trail.bytes + i, n) != PROCTOR_OK;
            leaves = proctor_seal_leaves(seal, &first, &count);
            wrong += first != next
                     || memcmp(leaves != NULL ? leaves : trail.leaves,
                            &trail.leaves[first], leaves != NULL ? count : 0)
                            != 0;
            next = first + count;
        }

        state = proctor_seal_state(seal);
        wrong += next != trail.n || state->size != trail.n
                 || state->offset != trail.len || state->pending != 0
                 || state->open != 0 || state->torn != 0;
        wrong +=
            proctor_seal_checkpoint(seal, TRAIL_TIME, &checkpoint) != PROCTOR_OK
            || memcmp(&checkpoint.head, &trail.heads[trail.nheads - 1],
                   sizeof(proctor_merkle_head_t))
                   != 0
            || strstr(checkpoint.origin, trail.file) == NULL;

        proctor_seal_destroy(seal);
    }

    is_int(wrong, 0, "in pieces of any size: the same leaves and root");
}


static int
seal_count(void *data, const proctor_intent_t *intent)
{
    proctor_intent_t *last = data;

    *last = *intent;

    return 0;
}


static void
seal_test_open(void)
{
    size_t len;
    char buf[PROCTOR_AUDIT_LINE];
    proctor_seal_t *seal, *next;
    proctor_intent_t intent;
    trail_t begun;
    trail_plan_t plan = { 2, 1, 7, NULL };

    memset(&begun, 0, sizeof(trail_t));
    trail_start(&begun, &plan);
    trail_record(&begun, "intent", 7, 5);

    seal = seal_of(begun.bytes, begun.len);
    is_int(proctor_seal_state(seal)->open, 1, "an intent is open");
    proctor_seal_each_open(seal, seal_count, &intent);
    is_int(intent.counter, 0x15, "its counter");
    is_int(intent.at, begun.at[1], "its place");

    next = proctor_seal_create(NULL, NULL);
    is_int(proctor_seal_carry(next, seal), PROCTOR_OK,
        "the next file takes it over");
    is_int(proctor_seal_state(seal)->open, 0, "from this one");
    (void) proctor_seal_feed(next, begun.bytes, begun.at[1]);
    is_int(proctor_seal_state(next)->open, 1, "where it is open");

    len = proctor_seal_unknown(&intent, TRAIL_TIME, buf);
    is_int(proctor_seal_feed(next, buf, len), PROCTOR_OK, "until an outcome");
    is_int(proctor_seal_state(next)->open, 0, "closes it");
    ok(strstr(buf, "\"result\":\"unknown\"}") != NULL, "which nobody knows");

    proctor_seal_destroy(seal);
    proctor_seal_destroy(next);
    trail_free(&begun);
}


static int
seal_torn(void *data, const proctor_audit_torn_t *torn)
{
    size_t *len = data;
    char *buf = (char *) (len + 1);

    *len = proctor_audit_mark_torn(torn, buf);

    return 1;
}


static void
seal_test_torn(void)
{
    size_t i, piece, end;
    char *big;
    struct {
        size_t len;
        char buf[PROCTOR_AUDIT_LINE];
    } torn;
    proctor_seal_t *seal;
    static const size_t lens[] = { 0, 1, 57, 4094, 4095, 4096, 4097, 70000 };

    big = malloc(70001);

    for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        for (piece = 1; piece <= 70001; piece = piece * 9 + 7) {
            memset(big, 'x', lens[i]);
            big[lens[i]] = '\n';
            seal = seal_of(trail.bytes, trail.at[3]);

            for (end = 0; end <= lens[i]; end += piece) {
                (void) proctor_seal_feed(seal, big + end,
                    piece < lens[i] + 1 - end ? piece : lens[i] + 1 - end);
            }

            if (piece == 1) {
                is_int(proctor_seal_state(seal)->torn, 1,
                    "%zu bytes that are no record", lens[i]);
            }

            proctor_seal_each_torn(seal, seal_torn, &torn);
            (void) proctor_seal_feed(seal, torn.buf, torn.len);

            if (piece == 1 || proctor_seal_state(seal)->torn != 0
                || proctor_seal_state(seal)->size != 5) {
                is_int(proctor_seal_state(seal)->torn, 0, "are named");
            }

            proctor_seal_destroy(seal);
        }
    }

    free(big);
}


/* named lines make room for others; those that nobody names do not */

static void
seal_test_torn_many(void)
{
    int i, rc;
    struct {
        size_t len;
        char buf[PROCTOR_AUDIT_LINE];
    } torn;
    proctor_seal_t *seal;

    seal = seal_of(trail.bytes, trail.at[3]);

    for (i = 0; i < PROCTOR_SEAL_DAMAGED_MAX + 500; i++) {
        (void) proctor_seal_feed(seal, "x\n", 2);
        proctor_seal_each_torn(seal, seal_torn, &torn);
        (void) proctor_seal_feed(seal, torn.buf, torn.len);
    }

    is_int(proctor_seal_state(seal)->size, 3 + 2 * i, "%d torn lines", i);
    is_int(proctor_seal_state(seal)->torn, 0, "all of them named");

    for (i = 0, rc = PROCTOR_OK; rc == PROCTOR_OK; i++) {
        rc = proctor_seal_feed(seal, "x\n", 2);
    }

    is_int(rc, PROCTOR_ERROR, "too many that are not");
    is_int(i, PROCTOR_SEAL_DAMAGED_MAX + 1, "end it");
    proctor_seal_destroy(seal);
}


/* what a dying process leaves may look like a whole record from outside */

static void
seal_test_damage(void)
{
    size_t len, i;
    int wrong;
    char line[2 * PROCTOR_AUDIT_LINE];
    proctor_line_e kind;

    wrong = 0;
    len = trail.at[4] - trail.at[3];
    memcpy(line, trail.bytes + trail.at[3], len);

    ok(proctor_audit_glance_kind(line, len - 1) != PROCTOR_LINE_DAMAGED,
        "a record");

    for (i = 1; i < len - 1; i++) {
        memcpy(line, trail.bytes + trail.at[3], i);
        memcpy(line + i, trail.bytes + trail.at[3], len);
        kind = proctor_audit_glance_kind(line, i + len - 1);
        wrong += kind != PROCTOR_LINE_DAMAGED;
    }

    is_int(wrong, 0,
        "the torn beginning of a record and a whole one behind it,"
        " wherever it was torn");
}


static void
seal_test_expected(void)
{
    proctor_seal_t *seal;
    proctor_merkle_head_t head;
    proctor_checkpoint_t checkpoint;

    head = trail.heads[1];

    seal = proctor_seal_create(NULL, NULL);
    is_int(proctor_seal_expect(seal, &head), PROCTOR_OK,
        "a checkpoint is expected");
    is_int(proctor_seal_feed(seal, trail.bytes, trail.len), PROCTOR_OK,
        "and comes");
    is_int(proctor_seal_expect(seal, &head), PROCTOR_INVALID,
        "one that is behind");
    proctor_seal_destroy(seal);

    head.root.bytes[0] ^= 1;
    seal = proctor_seal_create(NULL, NULL);
    (void) proctor_seal_expect(seal, &head);
    is_int(proctor_seal_feed(seal, trail.bytes, trail.len), PROCTOR_INVALID,
        "another root");
    is_int(proctor_seal_feed(seal, trail.bytes, 1), PROCTOR_INVALID,
        "which ends it");
    is_int(proctor_seal_checkpoint(seal, 0, &checkpoint), PROCTOR_INVALID,
        "nothing more is signed");
    proctor_seal_destroy(seal);

    seal = seal_of(trail.bytes + trail.at[1], trail.len - trail.at[1]);
    is_int(proctor_seal_feed(seal, "", 0), PROCTOR_INVALID,
        "a file without its start record is not sealed");
    proctor_seal_destroy(seal);
}


/* more intents than a table begins with, closed in another order */

static void
seal_test_many(void)
{
    uint64_t i;
    int wrong;
    proctor_intent_t intent;
    proctor_intents_t intents;

    memset(&intents, 0, sizeof(proctor_intents_t));
    wrong = 0;

    for (i = 0; i < 20000; i++) {
        intent.worker = i % 37;
        intent.counter = i;
        intent.at = i;
        wrong += proctor_intents_open(&intents, &intent) != PROCTOR_OK;
        wrong += proctor_intents_open(&intents, &intent) != PROCTOR_INVALID;
    }

    for (i = 0; i < 20000; i++) {
        intent.counter = i * 7919 % 20000;
        intent.worker = intent.counter % 37;
        wrong +=
            proctor_intents_find(&intents, intent.worker + 1, intent.counter)
            != NULL;
        wrong += proctor_intents_close(&intents, intent.worker, intent.counter)
                 != PROCTOR_OK;
        wrong += proctor_intents_close(&intents, intent.worker, intent.counter)
                 != PROCTOR_INVALID;
        wrong += intents.open.count != 19999 - i;
    }

    is_int(wrong, 0, "20,000 intents, each open once and closed once");
    proctor_intents_free(&intents);
}


int
main(void)
{
    trail_plan_t plan = { RECORDS, 25, 1, NULL };

    trail_make(&trail, &plan, NULL);

    seal_test_pieces();
    seal_test_open();
    seal_test_torn();
    seal_test_torn_many();
    seal_test_damage();
    seal_test_expected();
    seal_test_many();

    trail_free(&trail);

    return done_testing();
}
