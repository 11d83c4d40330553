/*
 * A question of the cache's own to Redis, and the request that waits for it.
 *
 * On the heap, in the worker's queue: a reply may come when the request has
 * gone.  A request that leaves is detached; nothing has to be undone for it.
 */

#include "ngx_http_proctor_cache.h"


/* longer than the client takes: no request hangs, whatever happens */
#define NGX_HTTP_PROCTOR_CACHE_ASK_PATIENCE 60000


typedef struct {
    ngx_queue_t queue;
    ngx_http_proctor_redis_call_t call;
    ngx_http_proctor_wait_t *wait;
    ngx_http_proctor_cache_ask_pt handler;
} ngx_http_proctor_cache_ask_t;


static void ngx_http_proctor_cache_ask_answered(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);


ngx_int_t
ngx_http_proctor_cache_ask(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    const ngx_http_proctor_redis_command_t *commands, ngx_uint_t n,
    ngx_http_proctor_cache_ask_pt handler)
{
    ngx_http_proctor_cache_ask_t *ask;
    ngx_http_proctor_cache_worker_t *w;

    w = ngx_http_proctor_cache_worker(r);

    ask = ngx_calloc(sizeof(ngx_http_proctor_cache_ask_t), w->log);
    if (ask == NULL) {
        return NGX_ERROR;
    }

    ask->handler = handler;
    ask->call.handler = ngx_http_proctor_cache_ask_answered;
    ask->call.data = ask;

    if (ngx_http_proctor_redis_send(
            w->mcf->worker->redis, &ask->call, commands, n)
        != NGX_OK) {
        ngx_free(ask);
        return NGX_DECLINED;
    }

    ask->wait = ngx_http_proctor_run_suspend(
        r, ctx, NGX_HTTP_PROCTOR_CACHE_ASK_PATIENCE);

    if (ask->wait == NULL) {
        ngx_http_proctor_redis_cancel(&ask->call);
        ngx_free(ask);
        return NGX_ERROR;
    }

    ngx_queue_insert_tail(&w->asks, &ask->queue);

    return NGX_AGAIN;
}


static void
ngx_http_proctor_cache_ask_answered(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_http_proctor_cache_ask_t *ask = data;

    ngx_http_request_t *r;
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_cache_ask_pt handler;

    (void) status;

    handler = ask->handler;
    r = ngx_http_proctor_run_detach(ask->wait);

    ngx_queue_remove(&ask->queue);
    ngx_free(ask);

    if (r != NULL) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);
        handler(r, ctx, replies);
        ngx_http_proctor_run_resume(r);
    }
}


/* the process ends: replies will not come any more */

void
ngx_http_proctor_cache_ask_exit(ngx_http_proctor_cache_worker_t *w)
{
    ngx_queue_t *q;
    ngx_http_proctor_cache_ask_t *ask;

    q = ngx_queue_head(&w->asks);

    while (q != ngx_queue_sentinel(&w->asks)) {
        ask = ngx_queue_data(q, ngx_http_proctor_cache_ask_t, queue);
        q = ngx_queue_next(q);

        ngx_http_proctor_redis_cancel(&ask->call);
        (void) ngx_http_proctor_run_detach(ask->wait);
        ngx_free(ask);
    }
}
