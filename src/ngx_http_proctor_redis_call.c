/*
 * The client as its callers see it: one server and one connection a worker, or
 * what looks like that (redis_cluster.c).
 */

#include "ngx_http_proctor_redis.h"


static void ngx_http_proctor_redis_view_one(
    const ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_view_t *view);


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
    ngx_msec_t until;
    ngx_http_proctor_redis_t *redis;

    redis = ngx_pcalloc(cycle->pool, sizeof(ngx_http_proctor_redis_t));
    if (redis == NULL) {
        return NULL;
    }

    if (conf->cluster) {
        redis->cluster = ngx_http_proctor_redis_cluster_create(cycle, redis);
        if (redis->cluster == NULL) {
            return NULL;
        }
    }

    if (ngx_http_proctor_redis_init(redis, conf, cycle->log) != NGX_OK) {
        return NULL;
    }

    until = ngx_http_proctor_redis_start_until(conf);
    ngx_http_proctor_redis_start(redis, until);

    if (redis->cluster != NULL) {
        ngx_http_proctor_redis_cluster_start(redis->cluster, until);
    }

    return redis;
}


void
ngx_http_proctor_redis_destroy(ngx_http_proctor_redis_t *redis)
{
    if (redis->cluster != NULL) {
        ngx_http_proctor_redis_cluster_destroy(redis->cluster);
        return;
    }

    ngx_http_proctor_redis_fini(redis);
}


ngx_uint_t
ngx_http_proctor_redis_takes(ngx_http_proctor_redis_t *redis)
{
    if (redis == NULL) {
        return 0;
    }

    if (redis->cluster != NULL) {
        return ngx_http_proctor_redis_cluster_takes(redis->cluster);
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
    return (redis == NULL || redis->cluster == NULL)
               ? ngx_http_proctor_redis_ask(redis, call, commands, n)
               : ngx_http_proctor_redis_route(
                   redis->cluster, call, commands, n);
}


ngx_int_t
ngx_http_proctor_redis_ask(ngx_http_proctor_redis_t *redis,
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
ngx_http_proctor_redis_run(
    const ngx_http_proctor_redis_t *redis, const proctor_str_t *key)
{
    return (redis->cluster == NULL)
               ? redis->run
               : ngx_http_proctor_redis_cluster_run(redis->cluster, key);
}


void
ngx_http_proctor_redis_view(
    const ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_view_t *view)
{
    if (redis->cluster == NULL) {
        ngx_http_proctor_redis_view_one(redis, view);

    } else {
        ngx_http_proctor_redis_cluster_view(redis->cluster, view);
    }

    view->word = ngx_http_proctor_redis_states[view->state];
}


static void
ngx_http_proctor_redis_view_one(
    const ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_view_t *view)
{
    view->state = redis->state;
    view->some = (redis->state == NGX_HTTP_PROCTOR_REDIS_READY);
    view->reason = redis->reason;
    view->name = redis->conf->name;
    view->at = *ngx_http_proctor_redis_name(redis);
    view->pending = redis->pending;
    view->stats = &redis->stats;
}


ngx_int_t
ngx_http_proctor_redis_view_node(const ngx_http_proctor_redis_t *redis,
    ngx_uint_t i, ngx_http_proctor_redis_view_t *view, ngx_uint_t *slots)
{
    return (redis->cluster == NULL) ? NGX_DONE
                                    : ngx_http_proctor_redis_cluster_node(
                                        redis->cluster, i, view, slots);
}


void
ngx_http_proctor_redis_stats_add(ngx_http_proctor_redis_stats_t *to,
    const ngx_http_proctor_redis_stats_t *from)
{
    ngx_uint_t i;

    to->connects += from->connects;
    to->losses += from->losses;
    to->calls += from->calls;
    to->replies += from->replies;
    to->timeouts += from->timeouts;
    to->late += from->late;
    to->declined += from->declined;
    to->busy += from->busy;
    to->suspected += from->suspected;
    to->resent += from->resent;
    to->redirects += from->redirects;

    for (i = 0; i < NGX_HTTP_PROCTOR_REDIS_STATUSES; i++) {
        to->errors[i] += from->errors[i];
    }
}
