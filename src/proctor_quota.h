/*
 * What is left: windows of quotas and limits, and budgets of accounts.  Times
 * are milliseconds of one clock for each limit; nothing is allocated.
 */

#ifndef PROCTOR_QUOTA_H_INCLUDED
#define PROCTOR_QUOTA_H_INCLUDED

#include "proctor.h"


/* proctor_quota.c: windows, and what is left in them */

#define PROCTOR_WINDOW_PARTS  50
#define PROCTOR_WINDOW_SLICES (PROCTOR_WINDOW_PARTS + 1)
#define PROCTOR_QUOTA_HOLD    600 /* seconds that a reservation can live */

/* zeroed: empty */
typedef struct {
    int64_t slice;  /* the latest */
    uint32_t total; /* of `used` */
    uint32_t used[PROCTOR_WINDOW_SLICES];
} proctor_window_t;

/* what others have counted, as far as it is known */
typedef struct {
    int64_t at;    /* when they said so */
    uint32_t used; /* 0: nothing is known */
} proctor_seed_t;

/* what was taken, and what is reserved for answers that are to come */
typedef struct {
    proctor_window_t taken;
    proctor_window_t held; /* always by proctor_quota_hold */
    proctor_seed_t seed;   /* as it is part of `taken` */
} proctor_counter_t;

extern const proctor_limit_t proctor_quota_hold;

/* the number of the slice of a time */
int64_t proctor_window_slice(const proctor_limit_t *limit, int64_t now);
/* forgets what is too old; the others expect that it was called */
void proctor_window_turn(
    proctor_window_t *w, const proctor_limit_t *limit, int64_t now);
void proctor_window_add(proctor_window_t *w, const proctor_limit_t *limit);
/* takes back one that was added in this slice; 0: it had left already */
int proctor_window_drop(
    proctor_window_t *w, const proctor_limit_t *limit, int64_t slice);
/* what others had counted at `seed->at`, in the place of what they had before;
   `now` is not earlier */
void proctor_window_seed(proctor_window_t *w, const proctor_limit_t *limit,
    proctor_seed_t *old, const proctor_seed_t *seed, int64_t now);
/* milliseconds, never 0, until so many (1 at least) have left */
int64_t proctor_window_wait(const proctor_window_t *w,
    const proctor_limit_t *limit, uint32_t leave, int64_t now);

/*
 * One of each of n, or none of any.  Bit i of `held`: reserved, until it is
 * settled.  0: taken; else milliseconds until it is worth asking again.
 */
int64_t proctor_counter_take(proctor_counter_t *const *counters,
    const proctor_limit_t *const *limits, const int64_t *now, unsigned n,
    unsigned held);
/* the end of a reservation of this slice: taken, or given back */
void proctor_counter_settle(proctor_counter_t *c, const proctor_limit_t *limit,
    int64_t slice, int accepted, int64_t now);


/* proctor_budget.c: an account's limit, split between the teams that ask */

#define PROCTOR_BUDGET_TEAMS 64 /* remembered at a time */

typedef struct {
    uint64_t team; /* its name's hash; 0: nobody */
    int64_t last;  /* when it asked */
    proctor_window_t asked;
    proctor_window_t taken;
} proctor_share_t;

typedef struct {
    proctor_window_t window;
    proctor_seed_t seed; /* as it is part of `window` */
    proctor_share_t shares[PROCTOR_BUDGET_TEAMS];
} proctor_budget_t;

/* 0: there is room for this team; else milliseconds until there may be */
int64_t proctor_budget_check(proctor_budget_t *b, const proctor_limit_t *limit,
    uint64_t team, int64_t now);
/* right after the check */
void proctor_budget_take(
    proctor_budget_t *b, const proctor_limit_t *limit, uint64_t team);

#endif /* PROCTOR_QUOTA_H_INCLUDED */
