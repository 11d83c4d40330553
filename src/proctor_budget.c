/*
 * An account's limit, split between the teams that ask.
 *
 * A team's share is the limit divided by the teams that asked within the
 * window; what one does not ask for of it is divided between the others.
 * Whoever had less than its share gets what there is.  Whoever had it
 * gets what is left when for each other team as much is kept as it asked for
 * within the window, up to its share.  So a team alone gets everything, one
 * that asks a little gets what it asks for, and nothing is kept for longer than
 * a window for a team that ceased to ask.
 *
 * The record has one size and no pointer, for shared memory.  A team that does
 * not fit replaces the one that was not heard of the longest: what is used in
 * all stays exact, what the one had is forgotten.
 */

#include <string.h>

#include "proctor_quota.h"


static proctor_share_t *proctor_budget_share(
    proctor_budget_t *b, uint64_t team);
static uint32_t proctor_budget_level(
    const proctor_budget_t *b, uint32_t limit, unsigned asking);
static uint32_t proctor_budget_kept(proctor_budget_t *b,
    const proctor_limit_t *limit, const proctor_share_t *self, int64_t now);


int64_t
proctor_budget_check(proctor_budget_t *b, const proctor_limit_t *limit,
    uint64_t team, int64_t now)
{
    uint32_t kept, need;
    proctor_share_t *self;

    proctor_window_turn(&b->window, limit, now);

    self = proctor_budget_share(b, team);
    self->last = now;
    proctor_window_turn(&self->asked, limit, now);
    proctor_window_add(&self->asked, limit);

    kept = proctor_budget_kept(b, limit, self, now);

    if (b->window.total < limit->limit
        && kept < limit->limit - b->window.total) {
        return 0;
    }

    need = b->window.total + kept - limit->limit + 1;

    return proctor_window_wait(&b->window, limit, need, now);
}


void
proctor_budget_take(
    proctor_budget_t *b, const proctor_limit_t *limit, uint64_t team)
{
    proctor_share_t *self;

    self = proctor_budget_share(b, team);

    proctor_window_add(&b->window, limit);
    proctor_window_add(&self->taken, limit);
}


/* places that are kept for others; none for a team that has not had its own */

static uint32_t
proctor_budget_kept(proctor_budget_t *b, const proctor_limit_t *limit,
    const proctor_share_t *self, int64_t now)
{
    uint32_t kept, share, due;
    unsigned i, asking;
    proctor_share_t *s;

    asking = 0;

    for (i = 0; i < PROCTOR_BUDGET_TEAMS; i++) {
        s = &b->shares[i];
        proctor_window_turn(&s->asked, limit, now);
        proctor_window_turn(&s->taken, limit, now);
        asking += (s->asked.total != 0);
    }

    share = proctor_budget_level(b, limit->limit, asking);

    if (self->taken.total < share) {
        return 0;
    }

    kept = 0;

    for (i = 0; i < PROCTOR_BUDGET_TEAMS; i++) {
        s = &b->shares[i];

        due = s->asked.total < share ? s->asked.total : share;

        if (s != self && s->taken.total < due) {
            kept += due - s->taken.total;
        }
    }

    return kept;
}


/*
 * The share: what each may have of those who ask for more, when the others
 * have what they ask for.
 */

static uint32_t
proctor_budget_level(const proctor_budget_t *b, uint32_t limit, unsigned asking)
{
    uint32_t level, next, rest;
    unsigned i, more;
    const proctor_share_t *s;

    level = 0;
    next = limit / asking;

    while (next > level) {
        level = next;
        rest = limit;
        more = 0;

        for (i = 0; i < PROCTOR_BUDGET_TEAMS; i++) {
            s = &b->shares[i];

            if (s->asked.total > level) {
                more++;

            } else {
                rest -= s->asked.total;
            }
        }

        next = more == 0 ? limit : rest / more;
    }

    return level == 0 ? 1 : level;
}


/* the team's own, or that of the team that was not heard of the longest */

static proctor_share_t *
proctor_budget_share(proctor_budget_t *b, uint64_t team)
{
    unsigned i;
    proctor_share_t *s, *oldest;

    oldest = &b->shares[0];

    for (i = 0; i < PROCTOR_BUDGET_TEAMS; i++) {
        s = &b->shares[i];

        if (s->team == team) {
            return s;
        }

        if (s->last < oldest->last) {
            oldest = s;
        }
    }

    memset(oldest, 0, sizeof(proctor_share_t));
    oldest->team = team;

    return oldest;
}
