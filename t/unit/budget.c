/*
 * An account's limit on a clock of the test's own: never exceeded, nobody
 * starves, and nothing is kept for those who do not ask.
 */

#include <stdlib.h>
#include <string.h>

#include "proctor_quota.h"
#include "tap.h"


static proctor_budget_t budget;


static int
budget_ask(const proctor_limit_t *limit, uint64_t team, int64_t now)
{
    if (proctor_budget_check(&budget, limit, team, now) != 0) {
        return 0;
    }

    proctor_budget_take(&budget, limit, team);

    return 1;
}


/* ten minutes of n teams, each of which asks every so many milliseconds */
static void
budget_run(const proctor_limit_t *limit, unsigned n, const int64_t *every,
    unsigned *got)
{
    int64_t now, t;
    unsigned i;

    memset(&budget, 0, sizeof(budget));
    memset(got, 0, n * sizeof(unsigned));
    now = 1700000000000;

    for (t = 0; t < 600000; t += 100) {
        for (i = 0; i < n; i++) {
            if (t % every[i] == 0) {
                got[i] += (unsigned) budget_ask(limit, i + 1, now + t);
            }
        }
    }
}


int
main(void)
{
    unsigned i, got[3], all, least, many[50];
    int64_t pace[50];
    static const proctor_limit_t limit = { 60, PROCTOR_PER_SLIDING, 60 };
    static const int64_t alone[] = { 100 }, two[] = { 100, 300 },
                         small[] = { 100, 20000, 100 };

    budget_run(&limit, 1, alone, got);
    ok(got[0] >= 580 && got[0] <= 600, "one team gets all of it: %u", got[0]);

    budget_run(&limit, 2, two, got);
    ok(got[0] + got[1] >= 580, "two teams leave nothing: %u and %u", got[0],
        got[1]);
    ok(got[0] <= got[1] * 5 / 4 && got[1] <= got[0] * 5 / 4,
        "... and have about the same, though one asks thrice as often");

    budget_run(&limit, 3, small, got);
    ok(got[1] >= 20, "a team that asks little gets most of it: %u of 30",
        got[1]);
    ok(got[0] + got[1] + got[2] >= 570, "... the others use the rest: %u, %u",
        got[0], got[2]);

    for (i = 0; i < 50; i++) {
        pace[i] = 500 + (i % 5) * 300;
    }

    budget_run(&limit, 50, pace, many);

    for (i = 0, all = 0, least = UINT32_MAX; i < 50; i++) {
        all += many[i];
        least = many[i] < least ? many[i] : least;
    }

    ok(all >= 570 && all <= 600, "50 teams share it: %u", all);
    ok(least >= 5, "... nobody starves: %u at least", least);

    return done_testing();
}
