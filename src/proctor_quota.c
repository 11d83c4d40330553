/*
 * Windows: how much of a limit is used now, and when there is room again.
 *
 * A limit's time is cut into slices, and a window counts by slice.  A sliding
 * window is made of PROCTOR_WINDOW_SLICES slices, each a fiftieth of its
 * length, so that together they are one slice longer than the limit says:
 * whatever was admitted within the length before now is counted, wherever in
 * its slice it stood.  So no window of that length, starting anywhere, ever
 * holds more than the limit; what is freed is freed up to a fiftieth late.
 * A calendar window is one slice, a UTC day or month.
 *
 * The record has one size, no pointer, and zeroed it is an empty window: it
 * lives in shared memory as it is.  Redis holds the same limits, in another
 * form, by a script (ngx_http_proctor_quota_script.c).  A slice's place in the
 * record is its number modulo their count, so that turning on is clearing what
 * time went over.
 *
 * A clock that goes back a little finds its later slice still counting; one
 * that goes back further than a window starts anew.
 */

#include <string.h>

#include "proctor_quota.h"


#define PROCTOR_DAY_MS 86400000


static unsigned proctor_window_slices(const proctor_limit_t *limit);
static int64_t proctor_window_ends(const proctor_limit_t *limit, int64_t slice);
static int64_t proctor_quota_month(int64_t day);
static int64_t proctor_quota_month_start(int64_t month);


/* a reservation whose gateway died counts no longer than this */
const proctor_limit_t proctor_quota_hold = { UINT32_MAX, PROCTOR_PER_SLIDING,
    PROCTOR_QUOTA_HOLD };


static unsigned
proctor_window_slices(const proctor_limit_t *limit)
{
    return limit->per == PROCTOR_PER_SLIDING ? PROCTOR_WINDOW_SLICES : 1;
}


int64_t
proctor_window_slice(const proctor_limit_t *limit, int64_t now)
{
    switch (limit->per) {
    case PROCTOR_PER_SLIDING:
        break;

    case PROCTOR_PER_DAY:
        return now / PROCTOR_DAY_MS;

    case PROCTOR_PER_MONTH:
        return proctor_quota_month(now / PROCTOR_DAY_MS);
    }

    return now / ((int64_t) limit->seconds * 1000 / PROCTOR_WINDOW_PARTS);
}


/* when what was taken in the slice counts no more */

static int64_t
proctor_window_ends(const proctor_limit_t *limit, int64_t slice)
{
    switch (limit->per) {
    case PROCTOR_PER_SLIDING:
        break;

    case PROCTOR_PER_DAY:
        return (slice + 1) * PROCTOR_DAY_MS;

    case PROCTOR_PER_MONTH:
        return proctor_quota_month_start(slice + 1) * PROCTOR_DAY_MS;
    }

    return (slice + PROCTOR_WINDOW_SLICES)
           * ((int64_t) limit->seconds * 1000 / PROCTOR_WINDOW_PARTS);
}


/* months since the year 0, of a day since 1970 (Hinnant, days_from_civil) */

static int64_t
proctor_quota_month(int64_t day)
{
    int64_t era, of_era, year, of_year, march;

    day += 719468;
    era = day / 146097;
    of_era = day % 146097;
    year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    of_year = of_era - (365 * year + year / 4 - year / 100);
    march = (5 * of_year + 2) / 153; /* 0: March */

    return (era * 400 + year) * 12 + march + 2;
}


static int64_t
proctor_quota_month_start(int64_t month)
{
    int64_t year, march;

    year = (month - 2) / 12;
    march = (month - 2) % 12;

    return 365 * year + year / 4 - year / 100 + year / 400
           + (153 * march + 2) / 5 - 719468;
}


void
proctor_window_turn(
    proctor_window_t *w, const proctor_limit_t *limit, int64_t now)
{
    int64_t slice;
    unsigned n, i;

    n = proctor_window_slices(limit);
    slice = proctor_window_slice(limit, now);

    if (slice >= w->slice + n || slice <= w->slice - (int64_t) n) {
        memset(w, 0, sizeof(proctor_window_t));
        w->slice = slice;
        return;
    }

    while (w->slice < slice) {
        w->slice++;
        i = (unsigned) (w->slice % n);
        w->total -= w->used[i];
        w->used[i] = 0;
    }
}


void
proctor_window_add(proctor_window_t *w, const proctor_limit_t *limit)
{
    w->used[w->slice % proctor_window_slices(limit)]++;
    w->total++;
}


int
proctor_window_drop(
    proctor_window_t *w, const proctor_limit_t *limit, int64_t slice)
{
    unsigned n, i;

    n = proctor_window_slices(limit);
    i = (unsigned) (slice % n);

    if (slice > w->slice || slice + n <= w->slice || w->used[i] == 0) {
        return 0;
    }

    w->used[i]--;
    w->total--;

    return 1;
}


void
proctor_window_seed(proctor_window_t *w, const proctor_limit_t *limit,
    proctor_seed_t *old, const proctor_seed_t *seed, int64_t now)
{
    int64_t slice;
    unsigned n;

    if (seed->at <= old->at) {
        return;
    }

    n = proctor_window_slices(limit);
    proctor_window_turn(w, limit, now);
    slice = proctor_window_slice(limit, old->at);

    if (slice <= w->slice && slice + n > w->slice
        && old->used <= w->used[slice % n]) {
        w->used[slice % n] -= old->used;
        w->total -= old->used;
    }

    slice = proctor_window_slice(limit, seed->at);
    *old = *seed;

    if (slice <= w->slice && slice + n > w->slice) {
        w->used[slice % n] += seed->used;
        w->total += seed->used;
        return;
    }

    old->used = 0;
}


int64_t
proctor_window_wait(const proctor_window_t *w, const proctor_limit_t *limit,
    uint32_t leave, int64_t now)
{
    int64_t slice;
    unsigned n;
    uint32_t left;

    n = proctor_window_slices(limit);
    left = 0;

    for (slice = w->slice - n + 1; slice < w->slice; slice++) {
        left += slice < 0 ? 0 : w->used[slice % n];

        if (left >= leave && left != 0) {
            break;
        }
    }

    slice = proctor_window_ends(limit, slice) - now;

    return slice > 0 ? slice : 1;
}


int64_t
proctor_counter_take(proctor_counter_t *const *counters,
    const proctor_limit_t *const *limits, const int64_t *now, unsigned n,
    unsigned held)
{
    unsigned i;
    int64_t wait, longest;
    proctor_counter_t *c;

    longest = 0;

    for (i = 0; i < n; i++) {
        c = counters[i];
        proctor_window_turn(&c->taken, limits[i], now[i]);
        proctor_window_turn(&c->held, &proctor_quota_hold, now[i]);

        if (c->taken.total < limits[i]->limit
            && c->held.total < limits[i]->limit - c->taken.total) {
            continue;
        }

        /* one that is held may be given back at any time */
        wait = c->taken.total < limits[i]->limit
                   ? 1000
                   : proctor_window_wait(&c->taken, limits[i],
                       c->taken.total - limits[i]->limit + 1, now[i]);

        if (wait > longest) {
            longest = wait;
        }
    }

    if (longest != 0) {
        return longest;
    }

    for (i = 0; i < n; i++) {
        c = counters[i];

        if (held & 1U << i) {
            proctor_window_add(&c->held, &proctor_quota_hold);

        } else {
            proctor_window_add(&c->taken, limits[i]);
        }
    }

    return 0;
}


void
proctor_counter_settle(proctor_counter_t *c, const proctor_limit_t *limit,
    int64_t slice, int accepted, int64_t now)
{
    proctor_window_turn(&c->taken, limit, now);
    proctor_window_turn(&c->held, &proctor_quota_hold, now);

    (void) proctor_window_drop(&c->held, &proctor_quota_hold, slice);

    /* also when the reservation had expired: it was taken all the same */
    if (accepted) {
        proctor_window_add(&c->taken, limit);
    }
}
