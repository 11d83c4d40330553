/*
 * Windows on a clock of the test's own: a limit is never exceeded in any
 * window of its length, and everything that is allowed is given.
 */

#include <stdlib.h>
#include <string.h>

#include "proctor_quota.h"
#include "tap.h"


#define CALLS 20000


static void quota_test_edge(void);
static void quota_test_any_window(void);
static void quota_test_calendar(void);
static void quota_test_all_or_nothing(void);
static void quota_test_reserved(void);
static void quota_test_clock(void);
static void quota_test_seed(void);
static void quota_test_wait(void);


static int64_t
quota_take(
    proctor_counter_t *c, const proctor_limit_t *limit, int64_t now, int held)
{
    return proctor_counter_take(&c, &limit, &now, 1, held ? 1 : 0);
}


/* how many of n get through at this time */
static unsigned
quota_many(
    proctor_counter_t *c, const proctor_limit_t *limit, int64_t now, unsigned n)
{
    unsigned i, taken;

    for (i = 0, taken = 0; i < n; i++) {
        taken += quota_take(c, limit, now, 0) == 0;
    }

    return taken;
}


int
main(void)
{
    quota_test_edge();
    quota_test_any_window();
    quota_test_calendar();
    quota_test_all_or_nothing();
    quota_test_reserved();
    quota_test_clock();
    quota_test_seed();
    quota_test_wait();

    return done_testing();
}


static void
quota_test_edge(void)
{
    proctor_counter_t c;
    static const proctor_limit_t limit = { 100, PROCTOR_PER_SLIDING, 60 };

    memset(&c, 0, sizeof(c));

    ok(quota_many(&c, &limit, 59999, 200) == 100, "100 just before a minute");
    ok(quota_many(&c, &limit, 60001, 200) == 0, "none just after it");
    ok(quota_many(&c, &limit, 119998, 200) == 0, "none a minute later, less 1");
    ok(quota_many(&c, &limit, 119999 + 1200, 200) == 100,
        "all again a minute and a fiftieth later");
}


/* every admission is kept, and the window that ends with it is counted */
static void
quota_test_any_window(void)
{
    int64_t now, wait, *at;
    unsigned i, n, first, most, late, limits;
    proctor_counter_t c;
    proctor_limit_t limit = { 0, PROCTOR_PER_SLIDING, 0 };
    static const struct {
        uint32_t limit, seconds;
        int step;
    } cases[] = { { 1, 1, 300 }, { 7, 1, 90 }, { 100, 1, 12 }, { 60, 60, 900 },
        { 1000, 60, 50 }, { 5, 3600, 400000 } };

    at = calloc(CALLS, sizeof(int64_t));

    for (limits = 0; limits < sizeof(cases) / sizeof(cases[0]); limits++) {
        memset(&c, 0, sizeof(c));
        limit.limit = cases[limits].limit;
        limit.seconds = cases[limits].seconds;
        now = 1700000000000;
        srand(limits + 1);
        first = most = late = n = 0;

        for (i = 0; i < CALLS; i++) {
            now += rand() % cases[limits].step;
            wait = quota_take(&c, &limit, now, 0);

            if (wait != 0) {
                late += wait > (int64_t) limit.seconds * 1020;
                continue;
            }

            at[n++] = now;

            while (at[first] <= now - (int64_t) limit.seconds * 1000) {
                first++;
            }

            most = n - first > most ? n - first : most;
        }

        ok(most <= limit.limit, "%u in %us: %u in the fullest window of %u",
            limit.limit, limit.seconds, most, n);
        ok(most == limit.limit, "all that is allowed was given");
        ok(late == 0, "nobody waits longer than the window and a fiftieth");
    }

    free(at);
}


static void
quota_test_calendar(void)
{
    size_t i;
    int64_t end, noon;
    proctor_counter_t c;
    proctor_limit_t limit = { 3, PROCTOR_PER_DAY, 86400 };
    static const struct {
        const char *now, *end;
        proctor_per_e per;
    } cases[] = {
        { "2026-11-22T03:15:00Z", "2026-11-23T00:00:00Z", PROCTOR_PER_DAY },
        { "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z", PROCTOR_PER_DAY },
        { "2026-11-22T03:15:00Z", "2026-12-01T00:00:00Z", PROCTOR_PER_MONTH },
        { "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z", PROCTOR_PER_MONTH },
        { "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z", PROCTOR_PER_MONTH },
        { "2028-02-28T12:00:00Z", "2028-03-01T00:00:00Z", PROCTOR_PER_MONTH },
        { "2028-02-29T12:00:00Z", "2028-03-01T00:00:00Z", PROCTOR_PER_MONTH },
        { "2027-02-28T23:59:59Z", "2027-03-01T00:00:00Z", PROCTOR_PER_MONTH },
        { "2000-02-29T00:00:00Z", "2000-03-01T00:00:00Z", PROCTOR_PER_MONTH },
        { "2100-02-28T01:00:00Z", "2100-03-01T00:00:00Z", PROCTOR_PER_MONTH },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(&c, 0, sizeof(c));
        limit.per = cases[i].per;
        proctor_time_parse(cases[i].now, 20, &noon);
        proctor_time_parse(cases[i].end, 20, &end);
        noon *= 1000;
        end *= 1000;

        ok(quota_many(&c, &limit, noon, 5) == 3, "%s: three", cases[i].now);
        ok(quota_take(&c, &limit, noon, 0) == end - noon, "... wait until %s",
            cases[i].end);
        ok(quota_many(&c, &limit, end - 1, 5) == 0, "... none before");
        ok(quota_many(&c, &limit, end, 5) == 3, "... then three");
    }
}


static void
quota_test_all_or_nothing(void)
{
    int64_t wait;
    proctor_counter_t a, b;
    proctor_counter_t *counters[] = { &a, &b };
    static const proctor_limit_t wide = { 10, PROCTOR_PER_SLIDING, 10 },
                                 narrow = { 1, PROCTOR_PER_SLIDING, 100 };
    const proctor_limit_t *limits[] = { &wide, &narrow };
    const int64_t now[] = { 1000000, 500 };

    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));

    ok(proctor_counter_take(counters, limits, now, 2, 0) == 0, "both");
    wait = proctor_counter_take(counters, limits, now, 2, 0);
    ok(wait > 100000 - 2000 && wait <= 102000, "the second refuses: %ld",
        (long) wait);
    ok(a.taken.total == 1 && b.taken.total == 1, "... nothing was taken");
}


static void
quota_test_reserved(void)
{
    int64_t slice;
    proctor_counter_t c;
    static const proctor_limit_t limit = { 2, PROCTOR_PER_DAY, 86400 };
    const int64_t now = 1700000000000;

    memset(&c, 0, sizeof(c));

    ok(quota_take(&c, &limit, now, 1) == 0, "one is reserved");
    ok(quota_take(&c, &limit, now, 1) == 0, "another");
    slice = c.held.slice;
    ok(quota_take(&c, &limit, now, 1) == 1000, "a third has to wait for them");

    proctor_counter_settle(&c, &limit, slice, 0, now + 30000);
    ok(c.held.total == 1 && c.taken.total == 0, "one is given back");
    proctor_counter_settle(&c, &limit, slice, 1, now + 30000);
    ok(c.held.total == 0 && c.taken.total == 1, "one is taken");
    proctor_counter_settle(&c, &limit, slice, 0, now + 30000);
    ok(c.held.total == 0 && c.taken.total == 1, "nothing is given back twice");

    ok(quota_take(&c, &limit, now + 30000, 1) == 0, "room for one");
    ok(quota_take(&c, &limit, now + 630000, 1) != 0, "its time is not over");
    ok(quota_take(&c, &limit, now + 700000, 1) == 0,
        "a reservation that nobody settles expires");

    proctor_counter_settle(&c, &limit, slice + 1, 1, now + 700000);
    ok(c.taken.total == 2, "what was accepted late counts all the same");
}


static void
quota_test_clock(void)
{
    proctor_counter_t c;
    static const proctor_limit_t limit = { 5, PROCTOR_PER_SLIDING, 60 };
    const int64_t now = 1700000000000;

    memset(&c, 0, sizeof(c));

    ok(quota_many(&c, &limit, now, 9) == 5, "five");
    ok(quota_many(&c, &limit, now - 5000, 9) == 0, "none five seconds before");
    ok(quota_many(&c, &limit, now - 3600000, 9) == 5,
        "a clock that is set back an hour counts anew");
    ok(quota_many(&c, &limit, now, 9) == 5, "... and when it is set right");
    ok(quota_many(&c, &limit, INT64_C(1) << 40, 9) == 5, "any time will do");
}


static void
quota_test_seed(void)
{
    proctor_counter_t c;
    proctor_seed_t seed;
    static const proctor_limit_t limit = { 10, PROCTOR_PER_SLIDING, 60 };
    const int64_t now = 1700000000000;

    memset(&c, 0, sizeof(c));
    memset(&seed, 0, sizeof(seed));

    proctor_window_seed(&c.taken, &limit, &c.seed, &seed, now);
    ok(quota_many(&c, &limit, now, 2) == 2 && c.taken.total == 2,
        "nothing is known of others");

    seed.at = now;
    seed.used = 5;
    proctor_window_seed(&c.taken, &limit, &c.seed, &seed, now + 5000);
    proctor_window_seed(&c.taken, &limit, &c.seed, &seed, now + 6000);
    ok(c.taken.total == 7, "five of theirs, once, and two of ours");

    seed.at = now + 7000;
    seed.used = 6;
    proctor_window_seed(&c.taken, &limit, &c.seed, &seed, now + 9000);
    ok(c.taken.total == 8, "six in the place of five");

    seed.at = now + 3000;
    seed.used = 1;
    proctor_window_seed(&c.taken, &limit, &c.seed, &seed, now + 9000);
    ok(c.taken.total == 8, "what is older is not heard");
    ok(quota_many(&c, &limit, now + 9000, 9) == 2, "the rest is ours");

    ok(quota_many(&c, &limit, now + 62500, 9) == 2, "ours leave when they do");
    ok(quota_many(&c, &limit, now + 68300, 9) == 6, "and theirs");

    seed.at = now + 70000;
    seed.used = 9;
    proctor_window_seed(&c.taken, &limit, &c.seed, &seed, now + 140000);
    ok(c.taken.total == 0 && c.seed.used == 0,
        "what was heard a window ago is over");
}


static void
quota_test_wait(void)
{
    int64_t wait, now;
    unsigned i, wrong;
    proctor_counter_t c;
    static const proctor_limit_t limit = { 10, PROCTOR_PER_SLIDING, 5 };

    memset(&c, 0, sizeof(c));
    now = 1700000000000;
    srand(7);

    for (i = 0, wrong = 0; i < 5000; i++) {
        wait = quota_take(&c, &limit, now, 0);

        if (wait == 0) {
            now += rand() % 300;
            continue;
        }

        wrong += quota_take(&c, &limit, now + wait - 1, 0) == 0;
        wrong += quota_take(&c, &limit, now + wait, 0) != 0;
        now += wait;
    }

    ok(wrong == 0, "whoever waits as long as told gets through, not before");
}
