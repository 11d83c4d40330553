/*
 * Requests that wait for what another one stores, on this machine.
 *
 * All of a worker that follow one leader are one flight.  When it has landed
 * the worker is woken, and reads the entry once for all of them.  A leader may
 * be killed, or be slow: twice a second it is looked whether it lives, and
 * nobody waits longer than NGX_HTTP_PROCTOR_CACHE_PATIENCE for one.
 *
 * A flight and its waiters are on the heap, in the worker's queue; a waiter
 * outlives its request as an ngx_http_proctor_wait_t does.
 */

#include "ngx_http_proctor_cache.h"


#define NGX_HTTP_PROCTOR_CACHE_PATIENCE 10000 /* ms */
#define NGX_HTTP_PROCTOR_CACHE_WATCH    500

/* longer than all rounds: no request hangs, whatever happens */
#define NGX_HTTP_PROCTOR_CACHE_SUSPENSE 60000


typedef struct {
    ngx_queue_t queue; /* of the worker's flights */
    ngx_queue_t waiters;
    ngx_http_proctor_cache_worker_t *w;
    ngx_http_proctor_redis_call_t call;
    ngx_http_proctor_cache_landing_e landing;
    ngx_http_proctor_cache_leader_t leader;
    ngx_msec_t since;
    uint64_t asked; /* for lead.asked of all who wait */
} ngx_http_proctor_cache_flight_t;

typedef struct {
    ngx_queue_t queue;
    ngx_http_proctor_wait_t *wait;
} ngx_http_proctor_cache_waiter_t;


static ngx_http_proctor_cache_flight_t *ngx_http_proctor_cache_wait_flight(
    ngx_http_proctor_cache_worker_t *w,
    const ngx_http_proctor_cache_leader_t *leader);
static void ngx_http_proctor_cache_wait_land(
    ngx_http_proctor_cache_flight_t *f);
static void ngx_http_proctor_cache_wait_answered(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);
static void ngx_http_proctor_cache_wait_release(
    ngx_http_proctor_cache_flight_t *f,
    const ngx_http_proctor_redis_reply_t *replies);
static ngx_int_t ngx_http_proctor_cache_wait_over(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_cache_landing_e landing,
    const ngx_http_proctor_redis_reply_t *replies);


ngx_int_t
ngx_http_proctor_cache_wait(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    const ngx_http_proctor_cache_leader_t *leader)
{
    ngx_http_proctor_cache_worker_t *w;
    ngx_http_proctor_cache_flight_t *f;
    ngx_http_proctor_cache_waiter_t *waiter;

    w = ngx_http_proctor_cache_worker(r);
    f = ngx_http_proctor_cache_wait_flight(w, leader);
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

    if (leader->landed) {
        ngx_http_proctor_cache_wait_wake(w);
    }

    return NGX_AGAIN;
}


static ngx_http_proctor_cache_flight_t *
ngx_http_proctor_cache_wait_flight(ngx_http_proctor_cache_worker_t *w,
    const ngx_http_proctor_cache_leader_t *leader)
{
    ngx_queue_t *q;
    ngx_http_proctor_cache_flight_t *f;

    for (q = ngx_queue_head(&w->flights); q != ngx_queue_sentinel(&w->flights);
         q = ngx_queue_next(q)) {

        f = ngx_queue_data(q, ngx_http_proctor_cache_flight_t, queue);

        if (f->leader.turn == leader->turn && f->call.op == NULL) {
            return f;
        }
    }

    f = ngx_calloc(sizeof(ngx_http_proctor_cache_flight_t), w->log);
    if (f == NULL) {
        return NULL;
    }

    f->leader = *leader;
    f->w = w;
    f->since = ngx_current_msec;
    f->call.handler = ngx_http_proctor_cache_wait_answered;
    f->call.data = f;

    ngx_queue_init(&f->waiters);
    ngx_queue_insert_tail(&w->flights, &f->queue);

    if (!w->watch.timer_set) {
        ngx_add_timer(&w->watch, NGX_HTTP_PROCTOR_CACHE_WATCH);
    }

    return f;
}


/* later in this turn of the loop, not on the stack of who woke */

void
ngx_http_proctor_cache_wait_wake(ngx_http_proctor_cache_worker_t *w)
{
    if (!w->woken.posted && !ngx_queue_empty(&w->flights)) {
        ngx_post_event(&w->woken, &ngx_posted_events);
    }
}


void
ngx_http_proctor_cache_wait_look(ngx_event_t *ev)
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

        if (f->landing == NGX_HTTP_PROCTOR_CACHE_FLYING) {
            f->landing = ngx_http_proctor_cache_flight_landing(w, &f->leader);
        }

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
        ngx_http_proctor_cache_wait_land(f);
    }
}


/* one question for all; without an answer everybody goes alone */

static void
ngx_http_proctor_cache_wait_land(ngx_http_proctor_cache_flight_t *f)
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
        f->asked = ngx_http_proctor_cache_flight_now(f->w);

        if (ngx_http_proctor_redis_send(f->w->mcf->worker->redis, &f->call,
                ctx->lookup->commands, ctx->lookup->n)
            == NGX_OK) {
            return;
        }

        break;
    }

    ngx_http_proctor_cache_wait_release(f, NULL);
}


static void
ngx_http_proctor_cache_wait_answered(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies)
{
    (void) status;

    ngx_http_proctor_cache_wait_release(data, replies);
}


/* who still has no answer leads, or follows another flight: never this one */

static void
ngx_http_proctor_cache_wait_release(ngx_http_proctor_cache_flight_t *f,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_int_t rc;
    ngx_queue_t *q;
    ngx_http_request_t *r;
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_cache_waiter_t *waiter;

    ngx_queue_remove(&f->queue);

    q = ngx_queue_head(&f->waiters);

    while (q != ngx_queue_sentinel(&f->waiters)) {

        waiter = ngx_queue_data(q, ngx_http_proctor_cache_waiter_t, queue);
        q = ngx_queue_next(q);

        r = ngx_http_proctor_run_detach(waiter->wait);
        ngx_free(waiter);

        if (r == NULL) {
            continue;
        }

        ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);
        ctx->cache->lead.role = NGX_HTTP_PROCTOR_CACHE_ALONE;
        ctx->cache->lead.asked = f->asked;

        rc = ngx_http_proctor_cache_wait_over(r, ctx, f->landing, replies);

        if (rc != NGX_AGAIN) {
            ngx_http_proctor_run_resume(r); /* r may be gone */
        }
    }

    ngx_free(f);
}


/* NGX_AGAIN: it waits again */

static ngx_int_t
ngx_http_proctor_cache_wait_over(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_cache_landing_e landing,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_int_t rc;

    if (replies == NULL) {
        if (landing == NGX_HTTP_PROCTOR_CACHE_CRASHED) {
            ngx_http_proctor_cache_crashed(r, ctx);
        }

        return NGX_OK;
    }

    rc = ngx_http_proctor_cache_landed(r, ctx, replies);

    if (rc == NGX_ERROR) {
        (void) ngx_http_proctor_refuse(ctx, NGX_HTTP_PROCTOR_BUSY, NULL);
    }

    return rc;
}


/* leaders that were killed say nothing */

void
ngx_http_proctor_cache_wait_watch(ngx_event_t *ev)
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

        } else if (kill(f->leader.pid, 0) == -1 && ngx_errno == NGX_ESRCH) {
            ngx_http_proctor_cache_flight_lost(w, &f->leader);
            f->landing = NGX_HTTP_PROCTOR_CACHE_LANDED;
        }
    }

    ngx_http_proctor_cache_wait_look(ev);

    if (!ngx_queue_empty(&w->flights) && !ev->timer_set) {
        ngx_add_timer(ev, NGX_HTTP_PROCTOR_CACHE_WATCH);
    }
}


/* the process ends: nobody is resumed any more */

void
ngx_http_proctor_cache_wait_exit(ngx_http_proctor_cache_worker_t *w)
{
    ngx_queue_t *q, *v;
    ngx_http_proctor_cache_flight_t *f;
    ngx_http_proctor_cache_waiter_t *waiter;

    q = ngx_queue_head(&w->flights);

    while (q != ngx_queue_sentinel(&w->flights)) {
        f = ngx_queue_data(q, ngx_http_proctor_cache_flight_t, queue);
        q = ngx_queue_next(q);

        v = ngx_queue_head(&f->waiters);

        while (v != ngx_queue_sentinel(&f->waiters)) {
            waiter = ngx_queue_data(v, ngx_http_proctor_cache_waiter_t, queue);
            v = ngx_queue_next(v);

            (void) ngx_http_proctor_run_detach(waiter->wait);
            ngx_free(waiter);
        }

        ngx_http_proctor_redis_cancel(&f->call);
        ngx_free(f);
    }
}
