/*
 * What one server is asked of a call to a cluster, and what becomes of its
 * answers.
 *
 * A command that is sent elsewhere, for good (MOVED) or for this once (ASK),
 * becomes a part of its own there: five times at most, and within the call's
 * own time.  What a server says of a slot for good holds for all calls from
 * then on.  TRYAGAIN and CLUSTERDOWN are a command's answer, as any error is.
 *
 * Most calls are one part and no redirection: its replies are passed on as they
 * are.  Else they are copied, for they are gone when a part's handler returns.
 */

#include "ngx_http_proctor_redis_cluster.h"


#define NGX_HTTP_PROCTOR_REDIS_HOPS 5


static void ngx_http_proctor_redis_part_heard(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);
static ngx_uint_t ngx_http_proctor_redis_part_whole(
    const ngx_http_proctor_redis_route_t *route, uint32_t commands,
    const ngx_http_proctor_redis_reply_t *replies);
static ngx_int_t ngx_http_proctor_redis_part_follow(
    ngx_http_proctor_redis_route_t *route, ngx_uint_t i, const char *from,
    const ngx_http_proctor_redis_reply_t *reply);
static void ngx_http_proctor_redis_part_keep(
    ngx_http_proctor_redis_route_t *route, ngx_uint_t i,
    const ngx_http_proctor_redis_reply_t *reply);


ngx_int_t
ngx_http_proctor_redis_part_send(ngx_http_proctor_redis_route_t *route,
    ngx_http_proctor_redis_t *redis, uint32_t commands, ngx_uint_t asking)
{
    ngx_int_t rc;
    ngx_uint_t i, n;
    ngx_http_proctor_redis_part_t *part;
    ngx_http_proctor_redis_command_t sent[NGX_HTTP_PROCTOR_REDIS_BATCH];

    static const proctor_str_t word = proctor_str("ASKING");

    n = 0;

    if (asking) {
        sent[n].argv = &word;
        sent[n].argc = 1;
        sent[n++].script = NULL;
    }

    for (i = 0; i < route->n; i++) {
        if (commands & ngx_http_proctor_redis_bit(i)) {
            sent[n++] = route->commands[i];
        }
    }

    for (part = route->parts; part->call.op != NULL; part++) {
        /* one is free: none has fewer than one of the commands */
    }

    part->call.handler = ngx_http_proctor_redis_part_heard;
    part->call.data = part;
    part->route = route;
    part->redis = redis;
    part->commands = commands;
    part->asking = (asking != 0);

    rc = ngx_http_proctor_redis_ask(redis, &part->call, sent, n);

    if (rc == NGX_DECLINED) {
        route->cluster->gone.declined += (redis == NULL);
        ngx_http_proctor_redis_cluster_hurry(route->cluster);
    }

    return rc;
}


/* a part: what it says of the place it speaks for is used again from here on */

static void
ngx_http_proctor_redis_part_heard(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_http_proctor_redis_part_t *part = data;

    uint32_t commands;
    ngx_uint_t i;
    const char *from;
    ngx_http_proctor_redis_route_t *route = part->route;

    commands = part->commands;
    from = part->redis->at->host;

    if (replies == NULL) {
        ngx_http_proctor_redis_cluster_hurry(route->cluster);

    } else {
        replies += part->asking;
    }

    if (ngx_http_proctor_redis_part_whole(route, commands, replies)) {
        ngx_http_proctor_redis_route_tell(route, status, replies);
        return;
    }

    for (i = 0; i < route->n; i++) {
        if (!(commands & ngx_http_proctor_redis_bit(i))) {
            continue;
        }

        if (replies == NULL) {
            ngx_http_proctor_redis_part_lose(route, i, status);
            continue;
        }

        if (ngx_http_proctor_redis_part_follow(route, i, from, replies)
            != NGX_OK) {
            ngx_http_proctor_redis_part_keep(route, i, replies);
        }

        replies++;
    }

    if (route->due == 0) {
        ngx_http_proctor_redis_route_end(route);
    }
}


/* all of the call, and nothing of it to be followed */

static ngx_uint_t
ngx_http_proctor_redis_part_whole(const ngx_http_proctor_redis_route_t *route,
    uint32_t commands, const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_uint_t i;

    if (commands != ngx_http_proctor_redis_bit(route->n) - 1) {
        return 0;
    }

    for (i = 0; replies != NULL && i < route->n; i++) {
        if (replies[i].error == NGX_HTTP_PROCTOR_REDIS_CLUSTER) {
            return 0;
        }
    }

    return 1;
}


/* NGX_DECLINED: this is the command's reply */

static ngx_int_t
ngx_http_proctor_redis_part_follow(ngx_http_proctor_redis_route_t *route,
    ngx_uint_t i, const char *from, const ngx_http_proctor_redis_reply_t *reply)
{
    ngx_uint_t ask;
    ngx_msec_int_t left;
    const proctor_str_t *key;
    ngx_http_proctor_redis_node_t *node;
    ngx_http_proctor_redis_cluster_t *cluster = route->cluster;

    if (reply->error != NGX_HTTP_PROCTOR_REDIS_CLUSTER) {
        return NGX_DECLINED;
    }

    ngx_http_proctor_redis_cluster_hurry(cluster);

    key = ngx_http_proctor_redis_route_key(&route->commands[i]);
    node =
        ngx_http_proctor_redis_slots_redirect(cluster, from, &reply->str, &ask);
    left = (ngx_msec_int_t) (route->deadline - ngx_current_msec);

    if (node == NULL || key == NULL || left <= 0
        || route->hops[i] == NGX_HTTP_PROCTOR_REDIS_HOPS) {
        return NGX_DECLINED;
    }

    if (!ask) {
        cluster->slots[proctor_slot(key->data, key->len)] =
            (u_char) node->index;
        node->slots += (node->slots == 0); /* counted when all are told */
    }

    if (ngx_http_proctor_redis_part_send(
            route, &node->redis, ngx_http_proctor_redis_bit(i), ask)
        != NGX_OK) {
        return NGX_DECLINED;
    }

    route->hops[i]++;
    cluster->gone.redirects++;

    if (!route->timer.timer_set) {
        route->timer.handler = ngx_http_proctor_redis_route_expire;
        route->timer.data = route;
        route->timer.log = cluster->seed->log;
        ngx_add_timer(&route->timer, (ngx_msec_t) left);
    }

    return NGX_OK;
}


static void
ngx_http_proctor_redis_part_keep(ngx_http_proctor_redis_route_t *route,
    ngx_uint_t i, const ngx_http_proctor_redis_reply_t *reply)
{
    if (route->arena == NULL) {
        route->arena = ngx_http_proctor_redis_reply_arena(route->cluster->seed);
    }

    if (route->arena == NULL
        || ngx_http_proctor_redis_reply_copy(
               route->arena, &route->replies[i], reply)
               != NGX_OK) {
        ngx_http_proctor_redis_part_lose(route, i, NGX_HTTP_PROCTOR_REDIS_DOWN);
        return;
    }

    route->due &= ~ngx_http_proctor_redis_bit(i);
}


void
ngx_http_proctor_redis_part_lose(ngx_http_proctor_redis_route_t *route,
    ngx_uint_t i, ngx_http_proctor_redis_status_e status)
{
    ngx_http_proctor_redis_reply_t *reply = &route->replies[i];

    ngx_memzero(reply, sizeof(ngx_http_proctor_redis_reply_t));
    reply->type = NGX_HTTP_PROCTOR_REDIS_ERROR;
    reply->error = status;
    reply->str.data = ngx_http_proctor_redis_word(status);
    reply->str.len = ngx_strlen(reply->str.data);

    route->lost |= ngx_http_proctor_redis_bit(i);
    route->due &= ~ngx_http_proctor_redis_bit(i);
}
