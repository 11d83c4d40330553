/*
 * The client as its callers see it: one server, one connection a worker.
 */

#include "ngx_http_proctor_redis.h"


static const char *ngx_http_proctor_redis_states[] = {
    [NGX_HTTP_PROCTOR_REDIS_OFF] = "off",
    [NGX_HTTP_PROCTOR_REDIS_CONNECTING] = "connecting",
    [NGX_HTTP_PROCTOR_REDIS_HANDSHAKE] = "handshake",
    [NGX_HTTP_PROCTOR_REDIS_SUSPECT] = "suspect",
    [NGX_HTTP_PROCTOR_REDIS_READY] = "ready",
};


ngx_http_proctor_redis_t *
ngx_http_proctor_redis_create(
    ngx_cycle_t *cycle, ngx_http_proctor_redis_conf_t *conf)
{
    ngx_http_proctor_redis_t *redis;

    redis = ngx_pcalloc(cycle->pool, sizeof(ngx_http_proctor_redis_t));

    if (redis == NULL
        || ngx_http_proctor_redis_init(redis, conf, cycle->log) != NGX_OK) {
        return NULL;
    }

    ngx_http_proctor_redis_start(redis);

    return redis;
}


void
ngx_http_proctor_redis_destroy(ngx_http_proctor_redis_t *redis)
{
    ngx_http_proctor_redis_fini(redis);
}


ngx_uint_t
ngx_http_proctor_redis_takes(ngx_http_proctor_redis_t *redis)
{
    if (redis == NULL) {
        return 0;
    }

    if (redis->state != NGX_HTTP_PROCTOR_REDIS_READY) {
        redis->stats.declined++;
        return 0;
    }

    return 1;
}


ngx_int_t
ngx_http_proctor_redis_send(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_call_t *call,
    const ngx_http_proctor_redis_command_t *commands, ngx_uint_t n)
{
    if (redis == NULL) {
        return NGX_DECLINED;
    }

    if (redis->state != NGX_HTTP_PROCTOR_REDIS_READY) {
        redis->stats.declined++;
        return NGX_DECLINED;
    }

    if (redis->pending >= redis->conf->max_pending
        || ngx_http_proctor_redis_event_queued(redis)
               >= redis->conf->max_output) {
        redis->stats.busy++;
        return NGX_BUSY;
    }

    redis->stats.calls++;

    return ngx_http_proctor_redis_op_send(redis, call, commands, n);
}


void
ngx_http_proctor_redis_cancel(ngx_http_proctor_redis_call_t *call)
{
    if (call->op != NULL) {
        *call->op = NULL;
        call->op = NULL;
    }
}


const char *
ngx_http_proctor_redis_run(const ngx_http_proctor_redis_t *redis)
{
    return redis->run;
}


void
ngx_http_proctor_redis_view(
    const ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_view_t *view)
{
    view->state = redis->state;
    view->word = ngx_http_proctor_redis_states[redis->state];
    view->reason = redis->reason;
    view->name = redis->conf->name;
    view->at = *ngx_http_proctor_redis_name(redis);
    view->pending = redis->pending;
    view->stats = &redis->stats;
}
