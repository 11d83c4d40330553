/*
 * Single flight: of all requests on a machine that miss the same entry, one
 * asks upstream and the others wait (cache_wait.c) for what it stores.
 *
 * Who leads stands in the zone: a slot for each key, set-associative, found by
 * the key's digest.  The leader's number is never used twice, so nobody takes
 * one turn's end for another's.  Who asked Redis before an answer was stored,
 * and comes here after it, has missed it: it looks again instead of leading.
 * These numbers are the clock that tells.  What cannot be shared frees all who wait at
 * once, and for a while nobody waits for that key.  A leader whose client left
 * hands on: the first follower leads.
 */

#include "ngx_http_proctor_cache.h"


#define NGX_HTTP_PROCTOR_CACHE_PASSES 2000 /* ms: nobody waits for that key */
#define NGX_HTTP_PROCTOR_CACHE_ROUNDS 3    /* that one request waits */

/* ms: a leader that nobody has looked after is not one any more */
#define NGX_HTTP_PROCTOR_CACHE_FORGOTTEN 60000


static ngx_http_proctor_cache_slot_t *ngx_http_proctor_cache_flight_slot_locked(
    ngx_http_proctor_cache_area_t *area, const u_char *digest);
static ngx_uint_t ngx_http_proctor_cache_flight_reusable(
    const ngx_http_proctor_cache_slot_t *slot);
static ngx_http_proctor_cache_role_e ngx_http_proctor_cache_flight_take_locked(
    ngx_http_proctor_cache_worker_t *w, ngx_http_proctor_cache_t *cache,
    ngx_http_proctor_cache_leader_t *leader);
static ngx_uint_t ngx_http_proctor_cache_flight_missed(
    const ngx_http_proctor_cache_slot_t *slot,
    const ngx_http_proctor_cache_lead_t *lead);


/* unlocked: an older clock only makes somebody look again in vain */

uint64_t
ngx_http_proctor_cache_flight_now(const ngx_http_proctor_cache_worker_t *w)
{
    return *(volatile uint64_t *) &w->area->turn;
}


ngx_int_t
ngx_http_proctor_cache_flight_join(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_cache_t *cache = ctx->cache;

    ngx_http_proctor_cache_leader_t leader;
    ngx_http_proctor_cache_worker_t *w = cache->w;

    if (w->bit == 0 || cache->rounds++ == NGX_HTTP_PROCTOR_CACHE_ROUNDS) {
        cache->lead.role = NGX_HTTP_PROCTOR_CACHE_ALONE;
        return NGX_OK;
    }

    ngx_http_proctor_zone_lock(w->zone);
    cache->lead.role =
        ngx_http_proctor_cache_flight_take_locked(w, cache, &leader);
    ngx_http_proctor_zone_unlock(w->zone);

    if (cache->lead.role != NGX_HTTP_PROCTOR_CACHE_FOLLOWS) {
        return NGX_OK;
    }

    return ngx_http_proctor_cache_wait(r, ctx, &leader);
}


ngx_uint_t
ngx_http_proctor_cache_flight_lead(ngx_http_proctor_cache_t *cache)
{
    ngx_http_proctor_zone_lock(cache->w->zone);
    cache->lead.role =
        ngx_http_proctor_cache_flight_take_locked(cache->w, cache, NULL);
    ngx_http_proctor_zone_unlock(cache->w->zone);

    return cache->lead.role == NGX_HTTP_PROCTOR_CACHE_LEADS;
}


/* leader NULL: nobody would wait for it */

static ngx_http_proctor_cache_role_e
ngx_http_proctor_cache_flight_take_locked(ngx_http_proctor_cache_worker_t *w,
    ngx_http_proctor_cache_t *cache, ngx_http_proctor_cache_leader_t *leader)
{
    ngx_uint_t missed;
    ngx_http_proctor_cache_slot_t *slot;
    ngx_http_proctor_cache_lead_t *lead = &cache->lead;

    slot = ngx_http_proctor_cache_flight_slot_locked(w->area, lead->digest);

    if (slot == NULL) {
        return NGX_HTTP_PROCTOR_CACHE_ALONE;
    }

    missed = ngx_http_proctor_cache_flight_missed(slot, lead);

    if (leader != NULL
        && (missed
            || (slot->state == NGX_HTTP_PROCTOR_CACHE_LEADING
                && !ngx_http_proctor_cache_flight_reusable(slot)))) {
        slot->waiting |= w->bit;
        leader->landed = missed;
        leader->turn = slot->turn;
        leader->pid = slot->pid;
        ngx_memcpy(leader->digest, lead->digest, NGX_HTTP_PROCTOR_CACHE_DIGEST);
        return NGX_HTTP_PROCTOR_CACHE_FOLLOWS;
    }

    if (cache->follower || missed
        || !ngx_http_proctor_cache_flight_reusable(slot)) {
        return NGX_HTTP_PROCTOR_CACHE_ALONE;
    }

    ngx_memcpy(slot->digest, lead->digest, NGX_HTTP_PROCTOR_CACHE_DIGEST);
    slot->state = NGX_HTTP_PROCTOR_CACHE_LEADING;
    slot->pid = ngx_pid;
    slot->since = ngx_current_msec;
    slot->turn = ++w->area->turn;
    slot->waiting = 0;
    lead->turn = slot->turn;

    return NGX_HTTP_PROCTOR_CACHE_LEADS;
}


/* 1: an answer of this key was stored since Redis was asked for it */

static ngx_uint_t
ngx_http_proctor_cache_flight_missed(const ngx_http_proctor_cache_slot_t *slot,
    const ngx_http_proctor_cache_lead_t *lead)
{
    return slot->state == NGX_HTTP_PROCTOR_CACHE_IDLE
           && slot->shared > lead->asked
           && ngx_memcmp(
                  slot->digest, lead->digest, NGX_HTTP_PROCTOR_CACHE_DIGEST)
                  == 0;
}


/* the key's own, or the one that can best be spared for it */

static ngx_http_proctor_cache_slot_t *
ngx_http_proctor_cache_flight_slot_locked(
    ngx_http_proctor_cache_area_t *area, const u_char *digest)
{
    ngx_uint_t i;
    ngx_http_proctor_cache_slot_t *set, *spare;

    set = area->slots[digest[0] % NGX_HTTP_PROCTOR_CACHE_SETS];
    spare = NULL;

    for (i = 0; i < NGX_HTTP_PROCTOR_CACHE_WAYS; i++) {

        if (set[i].turn != 0
            && ngx_memcmp(set[i].digest, digest, NGX_HTTP_PROCTOR_CACHE_DIGEST)
                   == 0) {
            return &set[i];
        }

        if (ngx_http_proctor_cache_flight_reusable(&set[i])
            && (spare == NULL || set[i].turn < spare->turn)) {
            spare = &set[i];
        }
    }

    return spare;
}


static ngx_uint_t
ngx_http_proctor_cache_flight_reusable(
    const ngx_http_proctor_cache_slot_t *slot)
{
    ngx_msec_t age = ngx_current_msec - slot->since;

    switch (slot->state) {
    case NGX_HTTP_PROCTOR_CACHE_LEADING:
        return age > NGX_HTTP_PROCTOR_CACHE_FORGOTTEN;

    case NGX_HTTP_PROCTOR_CACHE_PASSING:
        return age > NGX_HTTP_PROCTOR_CACHE_PASSES;

    case NGX_HTTP_PROCTOR_CACHE_IDLE:
        break;
    }

    return 1;
}


void
ngx_http_proctor_cache_flight_end(ngx_http_proctor_cache_worker_t *w,
    ngx_http_proctor_cache_lead_t *lead, ngx_http_proctor_cache_end_e end)
{
    uint64_t waiting;
    ngx_http_proctor_cache_slot_t *slot;

    if (lead->role != NGX_HTTP_PROCTOR_CACHE_LEADS) {
        return;
    }

    lead->role = NGX_HTTP_PROCTOR_CACHE_ALONE;
    waiting = 0;

    ngx_http_proctor_zone_lock(w->zone);

    slot = ngx_http_proctor_cache_flight_slot_locked(w->area, lead->digest);

    if (slot != NULL && slot->turn == lead->turn
        && slot->state == NGX_HTTP_PROCTOR_CACHE_LEADING) {

        waiting = slot->waiting;
        slot->waiting = 0;
        slot->since = ngx_current_msec;
        slot->state = NGX_HTTP_PROCTOR_CACHE_IDLE;

        switch (end) {
        case NGX_HTTP_PROCTOR_CACHE_UNSHARED:
            slot->state = NGX_HTTP_PROCTOR_CACHE_PASSING;
            slot->freed = lead->turn;
            break;

        case NGX_HTTP_PROCTOR_CACHE_FAILED:
            slot->failed = lead->turn;
            break;

        case NGX_HTTP_PROCTOR_CACHE_SHARED:
            slot->shared = ++w->area->turn;
            break;

        case NGX_HTTP_PROCTOR_CACHE_ABANDONED:
            break;
        }
    }

    ngx_http_proctor_zone_unlock(w->zone);

    ngx_http_proctor_cache_area_wake(w, waiting);
}


ngx_http_proctor_cache_landing_e
ngx_http_proctor_cache_flight_landing(ngx_http_proctor_cache_worker_t *w,
    const ngx_http_proctor_cache_leader_t *leader)
{
    ngx_http_proctor_cache_slot_t *slot;
    ngx_http_proctor_cache_landing_e landing;

    landing = NGX_HTTP_PROCTOR_CACHE_LANDED;

    ngx_http_proctor_zone_lock(w->zone);

    slot = ngx_http_proctor_cache_flight_slot_locked(w->area, leader->digest);

    if (slot == NULL
        || ngx_memcmp(
               slot->digest, leader->digest, NGX_HTTP_PROCTOR_CACHE_DIGEST)
               != 0) {
        landing = NGX_HTTP_PROCTOR_CACHE_LANDED;

    } else if (slot->failed == leader->turn) {
        landing = NGX_HTTP_PROCTOR_CACHE_CRASHED;

    } else if (leader->turn <= slot->freed) {
        landing = NGX_HTTP_PROCTOR_CACHE_FREED;

    } else if (slot->turn == leader->turn
               && slot->state == NGX_HTTP_PROCTOR_CACHE_LEADING) {
        landing = NGX_HTTP_PROCTOR_CACHE_FLYING;
    }

    ngx_http_proctor_zone_unlock(w->zone);

    return landing;
}


void
ngx_http_proctor_cache_flight_lost(ngx_http_proctor_cache_worker_t *w,
    const ngx_http_proctor_cache_leader_t *leader)
{
    ngx_http_proctor_cache_slot_t *slot;

    ngx_http_proctor_zone_lock(w->zone);

    slot = ngx_http_proctor_cache_flight_slot_locked(w->area, leader->digest);

    if (slot != NULL && slot->turn == leader->turn) {
        slot->state = NGX_HTTP_PROCTOR_CACHE_IDLE;
    }

    ngx_http_proctor_zone_unlock(w->zone);
}
