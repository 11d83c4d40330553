/*
 * An account's limit, split between the teams that ask.
 *
 * As long as there is enough, whoever asks gets it.  A call that is refused
 * keeps one place for its team, and a team that had its share of the window
 * leaves the places that are kept to the others.  A share is the limit divided
 * by the teams that used or wanted something; a team has no more places kept
 * than are missing to its share, and for one window at most.
 *
 * What is used in all is counted exactly (proctor_quota.c); what each team had
 * is an estimate over this and the previous window, which is good enough to be
 * fair by.  The record has one size and no pointer, for shared memory.
 */

#include <string.h>

#include "proctor.h"


static proctor_share_t *proctor_budget_share(
    proctor_budget_t *b, uint64_t team, int64_t now, int64_t length);
static void proctor_budget_turn(
    proctor_share_t *s, int64_t now, int64_t length);
static uint32_t proctor_budget_used(
    const proctor_share_t *s, int64_t now, int64_t length);
static uint32_t proctor_budget_kept(proctor_budget_t *b,
    const proctor_limit_t *limit, const proctor_share_t *self, int64_t now);


int64_t
proctor_budget_check(proctor_budget_t *b, const proctor_limit_t *limit,
    uint64_t team, int64_t now)
{
    uint32_t kept, need;
    int64_t length;
    proctor_share_t *self;

    length = (int64_t) limit->seconds * 1000;

    proctor_window_turn(&b->window, limit, now);
    self = proctor_budget_share(b, team, now, length);

    kept = proctor_budget_kept(b, limit, self, now);

    if (b->window.total < limit->limit
        && kept < limit->limit - b->window.total) {
        return 0;
    }

    if (self->waiting < limit->limit) {
        self->waiting++;
    }

    self->refused = now;
    need = b->window.total + kept - limit->limit + 1;

    return proctor_window_wait(&b->window, limit, need, now);
}


void
proctor_budget_take(proctor_budget_t *b, const proctor_limit_t *limit,
    uint64_t team, int64_t now)
{
    proctor_share_t *self;

    self = proctor_budget_share(
        b, team, now, (int64_t) limit->seconds * 1000);
    self->used++;

    if (self->waiting > 0) {
        self->waiting--;
    }

    proctor_window_add(&b->window, limit);
}


/* places that are kept for others; none for a team that has not had its own */

static uint32_t
proctor_budget_kept(proctor_budget_t *b, const proctor_limit_t *limit,
    const proctor_share_t *self, int64_t now)
{
    uint32_t kept, share, used, lacks;
    int64_t length;
    unsigned i, asking;
    proctor_share_t *s;

    asking = 0;
    length = (int64_t) limit->seconds * 1000;

    for (i = 0; i < PROCTOR_BUDGET_TEAMS; i++) {
        s = &b->shares[i];
        proctor_budget_turn(s, now, length);

        if (s == self || s->waiting != 0
            || proctor_budget_used(s, now, length) != 0) {
            asking++;
        }
    }

    share = limit->limit / asking;
    share = share == 0 ? 1 : share;

    if (proctor_budget_used(self, now, length) < share) {
        return 0;
    }

    kept = 0;

    for (i = 0; i < PROCTOR_BUDGET_TEAMS; i++) {
        s = &b->shares[i];
        used = proctor_budget_used(s, now, length);

        if (s == self || used >= share) {
            continue;
        }

        lacks = share - used;
        kept += s->waiting < lacks ? s->waiting : lacks;
    }

    return kept;
}


/* the team's own, or that of the team that was not heard of the longest */

static proctor_share_t *
proctor_budget_share(
    proctor_budget_t *b, uint64_t team, int64_t now, int64_t length)
{
    unsigned i;
    proctor_share_t *s, *oldest;

    oldest = &b->shares[0];

    for (i = 0; i < PROCTOR_BUDGET_TEAMS; i++) {
        s = &b->shares[i];

        if (s->team == team) {
            oldest = s;
            break;
        }

        if (s->asked < oldest->asked) {
            oldest = s;
        }
    }

    if (oldest->team != team) {
        memset(oldest, 0, sizeof(proctor_share_t));
        oldest->team = team;
        oldest->window = now / length;
    }

    proctor_budget_turn(oldest, now, length);
    oldest->asked = now;

    return oldest;
}


static void
proctor_budget_turn(proctor_share_t *s, int64_t now, int64_t length)
{
    int64_t window;

    window = now / length;

    if (window != s->window) {
        s->before = window == s->window + 1 ? s->used : 0;
        s->used = 0;
        s->window = window;
    }

    if (now - s->refused >= length || now < s->refused) {
        s->waiting = 0;
    }
}


static uint32_t
proctor_budget_used(const proctor_share_t *s, int64_t now, int64_t length)
{
    return s->used
           + (uint32_t) (s->before * (length - now % length) / length);
}
