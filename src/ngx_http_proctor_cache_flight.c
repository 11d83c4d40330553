/*
 * Single flight: of all requests on a machine that miss the same entry, one
 * asks upstream and the others wait for what it stores.
 *
 * Who leads stands in the zone: a slot for each key, set-associative, found by
 * the key's digest.  The leader's number is never used twice, so nobody takes
 * one turn's end for another's.  When it ends, the workers that have followers
 * are woken; each reads the entry once, for all of its followers.  What cannot
 * be shared frees all of them at once, and for a while nobody waits for that
 * key.  A leader whose client left hands on: the first follower leads.
 *
 * A leader may be killed, or be slow: the workers look, twice a second, whether
 * it lives, and nobody waits longer than NGX_HTTP_PROCTOR_CACHE_PATIENCE.
 *
 * A flight and its waiters are on the heap, in the worker's queue; a waiter
 * outlives its request as an ngx_http_proctor_wait_t does.
 */

#include "ngx_http_proctor_cache.h"


#define NGX_HTTP_PROCTOR_CACHE_PATIENCE 10000 /* ms */
#define NGX_HTTP_PROCTOR_CACHE_WATCH    500
#define NGX_HTTP_PROCTOR_CACHE_PASSES   2000 /* nobody waits, after that */
#define NGX_HTTP_PROCTOR_CACHE_ROUNDS   3    /* that one request waits */

/* longer than all rounds: no request hangs, whatever happens */
#define NGX_HTTP_PROCTOR_CACHE_SUSPENSE 60000


typedef enum {
    NGX_HTTP_PROCTOR_CACHE_FLYING = 0,
    NGX_HTTP_PROCTOR_CACHE_LANDED, /* look at what it stored */
    NGX_HTTP_PROCTOR_CACHE_FREED,
    NGX_HTTP_PROCTOR_CACHE_CRASHED /* the upstream failed it */
} ngx_http_proctor_cache_landing_e;

typedef struct {
    ngx_queue_t queue; /* of the worker's flights */
    ngx_queue_t waiters;
    ngx_http_proctor_cache_worker_t *w;
    ngx_http_proctor_redis_call_t call;
    ngx_http_proctor_cache_landing_e landing;
    uint64_t turn;
    ngx_msec_t since;
    ngx_pid_t pid; /* the leader's */
    u_char digest[NGX_HTTP_PROCTOR_CACHE_DIGEST];
} ngx_http_proctor_cache_flight_t;

typedef struct {
    ngx_queue_t queue;
    ngx_http_proctor_wait_t *wait;
} ngx_http_proctor_cache_waiter_t;


static ngx_http_proctor_cache_slot_t *ngx_http_proctor_cache_flight_slot_locked(
    ngx_http_proctor_cache_area_t *area, const u_char *digest);
static ngx_uint_t ngx_http_proctor_cache_flight_reusable(
    const ngx_http_proctor_cache_slot_t *slot);
static ngx_http_proctor_cache_role_e ngx_http_proctor_cache_flight_take_locked(
    ngx_http_proctor_cache_worker_t *w, ngx_http_proctor_cache_t *cache,
    ngx_http_proctor_cache_flight_t *leader);
static ngx_int_t ngx_http_proctor_cache_flight_follow(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_http_proctor_cache_flight_t *leader);
static ngx_http_proctor_cache_flight_t *ngx_http_proctor_cache_flight_find(
    ngx_http_proctor_cache_worker_t *w,
    const ngx_http_proctor_cache_flight_t *leader);
static void ngx_http_proctor_cache_flight_inspect(
    ngx_http_proctor_cache_flight_t *f);
static void ngx_http_proctor_cache_flight_land(
    ngx_http_proctor_cache_flight_t *f);
static void ngx_http_proctor_cache_flight_answered(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);
static void ngx_http_proctor_cache_flight_release(
    ngx_http_proctor_cache_flight_t *f,
    const ngx_http_proctor_redis_reply_t *replies);
static ngx_uint_t ngx_http_proctor_cache_flight_dead(
    ngx_http_proctor_cache_flight_t *f);


ngx_int_t
ngx_http_proctor_cache_flight_join(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_cache_t *cache = ctx->cache;

    ngx_http_proctor_cache_flight_t leader;
    ngx_http_proctor_cache_worker_t *w = cache->w;

    if (w->bit == 0 || cache->rounds++ == NGX_HTTP_PROCTOR_CACHE_ROUNDS) {
        cache->lead.role = NGX_HTTP_PROCTOR_CACHE_ALONE;
        return NGX_OK;
    }

    ngx_http_proctor_zone_lock(w->zone);
    cache->lead.role =
        ngx_http_proctor_cache_flight_take_locked(w, cache, &leader);
    ngx_http_proctor_zone_unlock(w->zone);

    return (cache->lead.role == NGX_HTTP_PROCTOR_CACHE_FOLLOWS)
               ? ngx_http_proctor_cache_flight_follow(r, ctx, &leader)
               : NGX_OK;
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
    ngx_http_proctor_cache_t *cache, ngx_http_proctor_cache_flight_t *leader)
{
    ngx_http_proctor_cache_slot_t *slot;
    ngx_http_proctor_cache_lead_t *lead = &cache->lead;

    slot = ngx_http_proctor_cache_flight_slot_locked(w->area, lead->digest);

    if (slot == NULL) {
        return NGX_HTTP_PROCTOR_CACHE_ALONE;
    }

    if (slot->state == NGX_HTTP_PROCTOR_CACHE_LEADING && leader != NULL
        && !ngx_http_proctor_cache_flight_reusable(slot)) {
        slot->waiting |= w->bit;
        leader->turn = slot->turn;
        leader->pid = slot->pid;
        ngx_memcpy(leader->digest, lead->digest, NGX_HTTP_PROCTOR_CACHE_DIGEST);
        return NGX_HTTP_PROCTOR_CACHE_FOLLOWS;
    }

    if (cache->follower || !ngx_http_proctor_cache_flight_reusable(slot)) {
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
        return age > NGX_HTTP_PROCTOR_CACHE_SUSPENSE;

    case NGX_HTTP_PROCTOR_CACHE_PASSING:
        return age > NGX_HTTP_PROCTOR_CACHE_PASSES;

    case NGX_HTTP_PROCTOR_CACHE_IDLE:
        break;
    }

    return 1;
}


static ngx_int_t
ngx_http_proctor_cache_flight_follow(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_http_proctor_cache_flight_t *leader)
{
    ngx_http_proctor_cache_worker_t *w;
    ngx_http_proctor_cache_flight_t *f;
    ngx_http_proctor_cache_waiter_t *waiter;

    w = ngx_http_proctor_cache_worker(r);
    f = ngx_http_proctor_cache_flight_find(w, leader);
    waiter =
        ngx_calloc(sizeof(ngx_http_proctor_cache_waiter_t), r->connection->log);

    if (f == NULL || waiter == NULL) {
        ngx_free(waiter);
        return NGX_ERROR;
    }

    waiter->wait =
        ngx_http_proctor_run_suspend(r, ctx, NGX_HTTP_PROCTOR_CACHE_SUSPENSE);

    if (waiter->wait == NULL) {
        ngx_free(waiter);
        return NGX_ERROR;
    }

    ngx_queue_insert_tail(&f->waiters, &waiter->queue);
    ngx_http_proctor_cache_count(w, WAITS);

    return NGX_AGAIN;
}


static ngx_http_proctor_cache_flight_t *
ngx_http_proctor_cache_flight_find(ngx_http_proctor_cache_worker_t *w,
    const ngx_http_proctor_cache_flight_t *leader)
{
    ngx_queue_t *q;
    ngx_http_proctor_cache_flight_t *f;

    for (q = ngx_queue_head(&w->flights); q != ngx_queue_sentinel(&w->flights);
         q = ngx_queue_next(q)) {

        f = ngx_queue_data(q, ngx_http_proctor_cache_flight_t, queue);

        if (f->turn == leader->turn && f->call.op == NULL) {
            return f;
        }
    }

    f = ngx_calloc(sizeof(ngx_http_proctor_cache_flight_t), w->log);
    if (f == NULL) {
        return NULL;
    }

    *f = *leader;
    f->w = w;
    f->since = ngx_current_msec;
    f->landing = NGX_HTTP_PROCTOR_CACHE_FLYING;
    f->call.handler = ngx_http_proctor_cache_flight_answered;
    f->call.data = f;
    f->call.op = NULL;

    ngx_queue_init(&f->waiters);
    ngx_queue_insert_tail(&w->flights, &f->queue);

    if (!w->watch.timer_set) {
        ngx_add_timer(&w->watch, NGX_HTTP_PROCTOR_CACHE_WATCH);
    }

    return f;
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
        case NGX_HTTP_PROCTOR_CACHE_ABANDONED:
            break;
        }
    }

    ngx_http_proctor_zone_unlock(w->zone);

    ngx_http_proctor_cache_area_wake(w, waiting);
}


/* later in this turn of the loop, not on the stack of who woke */

void
ngx_http_proctor_cache_flight_wake(ngx_http_proctor_cache_worker_t *w)
{
    if (!w->woken.posted && !ngx_queue_empty(&w->flights)) {
        ngx_post_event(&w->woken, &ngx_posted_events);
    }
}


void
ngx_http_proctor_cache_flight_look(ngx_event_t *ev)
{
    ngx_queue_t *q, landed;
    ngx_http_proctor_cache_flight_t *f;
    ngx_http_proctor_cache_worker_t *w = ev->data;

    ngx_queue_init(&landed);

    for (q = ngx_queue_head(&w->flights);
         q != ngx_queue_sentinel(&w->flights);) {

        f = ngx_queue_data(q, ngx_http_proctor_cache_flight_t, queue);
        q = ngx_queue_next(q);

        if (f->call.op != NULL) {
            continue;
        }

        ngx_http_proctor_cache_flight_inspect(f);

        if (f->landing != NGX_HTTP_PROCTOR_CACHE_FLYING) {
            ngx_queue_remove(&f->queue);
            ngx_queue_insert_tail(&landed, &f->queue);
        }
    }

    while (!ngx_queue_empty(&landed)) {
        f = ngx_queue_data(
            ngx_queue_head(&landed), ngx_http_proctor_cache_flight_t, queue);

        ngx_queue_remove(&f->queue);
        ngx_queue_insert_tail(&w->flights, &f->queue);
        ngx_http_proctor_cache_flight_land(f);
    }
}


static void
ngx_http_proctor_cache_flight_inspect(ngx_http_proctor_cache_flight_t *f)
{
    ngx_http_proctor_cache_slot_t *slot;

    ngx_http_proctor_zone_lock(f->w->zone);

    slot = ngx_http_proctor_cache_flight_slot_locked(f->w->area, f->digest);

    if (slot == NULL
        || ngx_memcmp(slot->digest, f->digest, NGX_HTTP_PROCTOR_CACHE_DIGEST)
               != 0) {
        f->landing = NGX_HTTP_PROCTOR_CACHE_LANDED;

    } else if (slot->failed == f->turn) {
        f->landing = NGX_HTTP_PROCTOR_CACHE_CRASHED;

    } else if (f->turn <= slot->freed) {
        f->landing = NGX_HTTP_PROCTOR_CACHE_FREED;

    } else if (slot->turn != f->turn
               || slot->state != NGX_HTTP_PROCTOR_CACHE_LEADING) {
        f->landing = NGX_HTTP_PROCTOR_CACHE_LANDED;
    }

    ngx_http_proctor_zone_unlock(f->w->zone);
}


/* one question for all; without an answer everybody goes alone */

static void
ngx_http_proctor_cache_flight_land(ngx_http_proctor_cache_flight_t *f)
{
    ngx_queue_t *q;
    ngx_http_request_t *r;
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_cache_waiter_t *waiter;

    for (q = ngx_queue_head(&f->waiters);
         f->landing == NGX_HTTP_PROCTOR_CACHE_LANDED
         && q != ngx_queue_sentinel(&f->waiters);
         q = ngx_queue_next(q)) {

        waiter = ngx_queue_data(q, ngx_http_proctor_cache_waiter_t, queue);
        r = waiter->wait->r;

        if (r == NULL) {
            continue;
        }

        ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);

        if (ngx_http_proctor_redis_send(f->w->mcf->worker->redis, &f->call,
                ctx->lookup->commands, ctx->lookup->n)
            == NGX_OK) {
            return;
        }

        break;
    }

    ngx_http_proctor_cache_flight_release(f, NULL);
}


static void
ngx_http_proctor_cache_flight_answered(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies)
{
    (void) status;

    ngx_http_proctor_cache_flight_release(data, replies);
}


/* who still has no answer leads, or follows another flight: never this one */

static void
ngx_http_proctor_cache_flight_release(ngx_http_proctor_cache_flight_t *f,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_int_t rc;
    ngx_http_request_t *r;
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_cache_waiter_t *waiter;

    ngx_queue_remove(&f->queue);

    while (!ngx_queue_empty(&f->waiters)) {

        waiter = ngx_queue_data(ngx_queue_head(&f->waiters),
            ngx_http_proctor_cache_waiter_t, queue);

        ngx_queue_remove(&waiter->queue);
        r = ngx_http_proctor_run_detach(waiter->wait);
        ngx_free(waiter);

        if (r == NULL) {
            continue;
        }

        ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);
        ctx->cache->lead.role = NGX_HTTP_PROCTOR_CACHE_ALONE;

        rc = (f->landing == NGX_HTTP_PROCTOR_CACHE_CRASHED)
                 ? ngx_http_proctor_cache_crashed(r, ctx)
                 : NGX_OK;

        if (replies != NULL) {
            rc = ngx_http_proctor_cache_landed(r, ctx, replies);
        }

        if (rc == NGX_ERROR) {
            (void) ngx_http_proctor_refuse(ctx, NGX_HTTP_PROCTOR_BUSY, NULL);
        }

        if (rc != NGX_AGAIN) {
            ngx_http_proctor_run_resume(r); /* r may be gone */
        }
    }

    ngx_free(f);
}


/* leaders that were killed say nothing */

void
ngx_http_proctor_cache_flight_watch(ngx_event_t *ev)
{
    ngx_queue_t *q;
    ngx_http_proctor_cache_flight_t *f;
    ngx_http_proctor_cache_worker_t *w = ev->data;

    for (q = ngx_queue_head(&w->flights); q != ngx_queue_sentinel(&w->flights);
         q = ngx_queue_next(q)) {

        f = ngx_queue_data(q, ngx_http_proctor_cache_flight_t, queue);

        if (f->call.op != NULL) {
            continue;
        }

        if (ngx_current_msec - f->since > NGX_HTTP_PROCTOR_CACHE_PATIENCE) {
            f->landing = NGX_HTTP_PROCTOR_CACHE_FREED;

        } else if (ngx_http_proctor_cache_flight_dead(f)) {
            f->landing = NGX_HTTP_PROCTOR_CACHE_LANDED;
        }
    }

    ngx_http_proctor_cache_flight_look(ev);

    if (!ngx_queue_empty(&w->flights) && !ev->timer_set) {
        ngx_add_timer(ev, NGX_HTTP_PROCTOR_CACHE_WATCH);
    }
}


static ngx_uint_t
ngx_http_proctor_cache_flight_dead(ngx_http_proctor_cache_flight_t *f)
{
    ngx_http_proctor_cache_slot_t *slot;

    if (kill(f->pid, 0) == 0 || ngx_errno != NGX_ESRCH) {
        return 0;
    }

    ngx_http_proctor_zone_lock(f->w->zone);

    slot = ngx_http_proctor_cache_flight_slot_locked(f->w->area, f->digest);

    if (slot != NULL && slot->turn == f->turn) {
        slot->state = NGX_HTTP_PROCTOR_CACHE_IDLE;
    }

    ngx_http_proctor_zone_unlock(f->w->zone);

    return 1;
}


/* the process ends: nobody is resumed any more */

void
ngx_http_proctor_cache_flight_exit(ngx_http_proctor_cache_worker_t *w)
{
    ngx_queue_t *q;
    ngx_http_proctor_cache_flight_t *f;
    ngx_http_proctor_cache_waiter_t *waiter;

    while (!ngx_queue_empty(&w->flights)) {
        f = ngx_queue_data(ngx_queue_head(&w->flights),
            ngx_http_proctor_cache_flight_t, queue);

        while (!ngx_queue_empty(&f->waiters)) {
            q = ngx_queue_head(&f->waiters);
            ngx_queue_remove(q);
            waiter = ngx_queue_data(q, ngx_http_proctor_cache_waiter_t, queue);

            (void) ngx_http_proctor_run_detach(waiter->wait);
            ngx_free(waiter);
        }

        ngx_http_proctor_redis_cancel(&f->call);
        ngx_queue_remove(&f->queue);
        ngx_free(f);
    }
}
