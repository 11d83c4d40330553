/*
 * How long a lookup takes says nothing of how much of a digest was right:
 * Welch's t-test over many interleaved lookups, as dudect does it.
 *
 * The two classes differ from a key that exists in their ninth byte, and in
 * their last: a comparison that stops at the first difference tells them apart
 * at once (|t| in the hundreds), one that does not stays below 4.5.  A busy
 * machine can push a run over it, a leak pushes every run.
 *
 * Both are looked up from the same 32 bytes: two buffers are told apart by
 * where they lie (a load that looks like an earlier store, 4 KB away, waits
 * for it), in some processes and not in others.
 */

#include <math.h>
#include <time.h>

#include "teams.h"


#define TIMING_RUNS    5
#define TIMING_SAMPLES 200000 /* of both classes together */
#define TIMING_BATCH   8      /* lookups in one reading of the clock */
#define TIMING_LIMIT   4.5


typedef const proctor_key_t *(*timing_find_pt)(const proctor_teams_t *teams,
    const unsigned char sha256[PROCTOR_SHA256_LEN]);

typedef struct {
    double n;
    double mean;
    double m2;
} timing_class_t;


static unsigned char timing_digest[2][PROCTOR_SHA256_LEN];
static unsigned char timing_asked[PROCTOR_SHA256_LEN];
static double timing_ns[TIMING_SAMPLES];
static unsigned char timing_of[TIMING_SAMPLES];


static double
timing_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);

    return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}


static int
timing_order(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}


static void
timing_add(timing_class_t *c, double x)
{
    double delta = x - c->mean;

    c->n++;
    c->mean += delta / c->n;
    c->m2 += delta * (x - c->mean);
}


/* without the slowest tenth: interrupts, not lookups */

static double
timing_t(void)
{
    double limit;
    unsigned i;
    static double sorted[TIMING_SAMPLES];
    timing_class_t c[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

    memcpy(sorted, timing_ns, sizeof(sorted));
    qsort(sorted, TIMING_SAMPLES, sizeof(double), timing_order);
    limit = sorted[TIMING_SAMPLES / 10 * 9];

    for (i = 0; i < TIMING_SAMPLES; i++) {
        if (timing_ns[i] <= limit) {
            timing_add(&c[timing_of[i]], timing_ns[i]);
        }
    }

    return fabs(c[0].mean - c[1].mean)
           / sqrt(c[0].m2 / (c[0].n - 1) / c[0].n
                  + c[1].m2 / (c[1].n - 1) / c[1].n);
}


static double
timing_run(const proctor_teams_t *teams, timing_find_pt find)
{
    double start;
    unsigned i, j, found, random;

    found = 0;
    random = (unsigned) timing_now();

    for (i = 0; i < TIMING_SAMPLES; i++) {
        random = random * 1664525 + 1013904223;
        timing_of[i] = (random >> 24) & 1;
        memcpy(timing_asked, timing_digest[timing_of[i]], PROCTOR_SHA256_LEN);
        start = timing_now();

        for (j = 0; j < TIMING_BATCH; j++) {
            found += find(teams, timing_asked) != NULL;
        }

        timing_ns[i] = timing_now() - start;
    }

    is_int(found, 0, "neither digest is a key's");

    return timing_t();
}


/* what a comparison that leaks looks like to this test */

static const proctor_key_t *
timing_leak(const proctor_teams_t *teams,
    const unsigned char sha256[PROCTOR_SHA256_LEN])
{
    unsigned i;
    volatile const unsigned char *key = timing_digest[1];

    for (i = 0; i < PROCTOR_SHA256_LEN - 1 && key[i] == sha256[i]; i++) {
        /* void */
    }

    return i == PROCTOR_SHA256_LEN ? (const proctor_key_t *) teams : NULL;
}


int
main(void)
{
    double t;
    unsigned i, run;
    faults_t faults;
    proctor_arena_t *arena;
    proctor_teams_t *teams;
    static char text[] = KEYS(KEY("k", DIGEST, ""));

    setenv(KEY_ENV, KEY_SECRET, 1);
    teams_contracts();

    arena = proctor_arena_create(0);
    teams = teams_compile(arena, text, &faults);
    is_str(faults.text, "", "one key");

    for (i = 0; i < PROCTOR_SHA256_LEN; i++) {
        timing_digest[0][i] = timing_digest[1][i] = (i % 16) * 0x11;
    }

    ok(proctor_teams_key(teams, timing_digest[0]) != NULL, "it is found");
    timing_digest[0][8] ^= 1;
    timing_digest[1][PROCTOR_SHA256_LEN - 1] ^= 1;

    for (run = 0, t = 0; run < TIMING_RUNS && t <= TIMING_LIMIT; run++) {
        t = timing_run(teams, timing_leak);
    }

    ok(t > TIMING_LIMIT, "a leak is seen: |t| = %.1f", t);

    for (run = 0; run < TIMING_RUNS && t > TIMING_LIMIT; run++) {
        t = timing_run(teams, proctor_teams_key);
    }

    ok(t <= TIMING_LIMIT, "no lookup leaks: |t| = %.1f", t);

    faults_free(&faults);
    proctor_arena_destroy(arena);
    proctor_arena_destroy(teams_arena);

    return done_testing();
}
