/*
 * A call to a cluster: split by server, and put together again.
 *
 * All is copied, because what is asked may have to be asked elsewhere, and on
 * the heap, because the caller may have gone.  A part (redis_part.c) is what
 * one server was asked.  When no command is due any more the caller is called,
 * or nobody is.
 */

#include "ngx_http_proctor_redis_cluster.h"


static ngx_http_proctor_redis_route_t *ngx_http_proctor_redis_route_create(
    ngx_http_proctor_redis_cluster_t *cluster,
    const ngx_http_proctor_redis_command_t *commands, ngx_uint_t n);
static void ngx_http_proctor_redis_route_copy(
    ngx_http_proctor_redis_route_t *route,
    const ngx_http_proctor_redis_command_t *commands);
static void ngx_http_proctor_redis_route_destroy(
    ngx_http_proctor_redis_route_t *route);
static ngx_int_t ngx_http_proctor_redis_route_begin(
    ngx_http_proctor_redis_route_t *route);
static ngx_http_proctor_redis_t *ngx_http_proctor_redis_route_to(
    ngx_http_proctor_redis_cluster_t *cluster,
    const ngx_http_proctor_redis_command_t *command);


ngx_int_t
ngx_http_proctor_redis_route(ngx_http_proctor_redis_cluster_t *cluster,
    ngx_http_proctor_redis_call_t *call,
    const ngx_http_proctor_redis_command_t *commands, ngx_uint_t n)
{
    ngx_int_t rc;
    ngx_http_proctor_redis_route_t *route;

    route = ngx_http_proctor_redis_route_create(cluster, commands, n);
    if (route == NULL) {
        return NGX_BUSY;
    }

    rc = ngx_http_proctor_redis_route_begin(route);

    if (rc != NGX_OK) {
        ngx_http_proctor_redis_route_destroy(route);
        return rc;
    }

    route->call = call;

    if (call != NULL) {
        call->op = &route->call;
    }

    return NGX_OK;
}


static ngx_http_proctor_redis_route_t *
ngx_http_proctor_redis_route_create(ngx_http_proctor_redis_cluster_t *cluster,
    const ngx_http_proctor_redis_command_t *commands, ngx_uint_t n)
{
    size_t size;
    ngx_uint_t i, j;
    ngx_http_proctor_redis_route_t *route;

    size = sizeof(ngx_http_proctor_redis_route_t);

    for (i = 0; i < n; i++) {
        for (j = 0; j < commands[i].argc; j++) {
            size += sizeof(proctor_str_t) + commands[i].argv[j].len;
        }
    }

    route = ngx_alloc(size, cluster->seed->log);
    if (route == NULL) {
        return NULL;
    }

    ngx_memzero(route, sizeof(ngx_http_proctor_redis_route_t));
    route->cluster = cluster;
    route->n = n;
    route->due = ngx_http_proctor_redis_bit(n) - 1;
    route->deadline = ngx_current_msec + cluster->seed->conf->timeout;

    ngx_http_proctor_redis_route_copy(route, commands);
    ngx_queue_insert_tail(&cluster->routes, &route->queue);

    return route;
}


static void
ngx_http_proctor_redis_route_copy(ngx_http_proctor_redis_route_t *route,
    const ngx_http_proctor_redis_command_t *commands)
{
    char *p;
    ngx_uint_t i, j, argc;
    proctor_str_t *argv;

    argv = (proctor_str_t *) (route + 1);

    for (i = 0, argc = 0; i < route->n; i++) {
        argc += commands[i].argc;
    }

    p = (char *) (argv + argc);

    for (i = 0; i < route->n; i++) {
        route->commands[i] = commands[i];
        route->commands[i].argv = argv;

        for (j = 0; j < commands[i].argc; j++, argv++) {
            argv->data = p;
            argv->len = commands[i].argv[j].len;
            p = (char *) ngx_cpymem(p, commands[i].argv[j].data, argv->len);
        }
    }
}


static void
ngx_http_proctor_redis_route_destroy(ngx_http_proctor_redis_route_t *route)
{
    if (route->timer.timer_set) {
        ngx_del_timer(&route->timer);
    }

    ngx_queue_remove(&route->queue);
    proctor_arena_destroy(route->arena);
    ngx_free(route);
}


/* NGX_DECLINED, NGX_BUSY: no server was asked */

static ngx_int_t
ngx_http_proctor_redis_route_begin(ngx_http_proctor_redis_route_t *route)
{
    uint32_t left, same;
    ngx_int_t rc, sent;
    ngx_uint_t i, j;
    ngx_http_proctor_redis_t *to[NGX_HTTP_PROCTOR_REDIS_BATCH];

    for (i = 0; i < route->n; i++) {
        to[i] = ngx_http_proctor_redis_route_to(
            route->cluster, &route->commands[i]);
    }

    sent = NGX_DECLINED;

    for (left = route->due; left != 0; left &= ~same) {
        i = (ngx_uint_t) __builtin_ctz(left);

        for (j = i, same = 0; j < route->n; j++) {
            if (to[j] == to[i]) {
                same |= ngx_http_proctor_redis_bit(j);
            }
        }

        rc = ngx_http_proctor_redis_part_send(route, to[i], same, 0);

        if (rc == NGX_OK || sent == NGX_DECLINED) {
            sent = rc;
        }

        for (j = i; rc != NGX_OK && j < route->n; j++) {
            if (same & ngx_http_proctor_redis_bit(j)) {
                ngx_http_proctor_redis_part_lose(
                    route, j, NGX_HTTP_PROCTOR_REDIS_DOWN);
            }
        }
    }

    return sent;
}


/* NULL: nobody has it */

static ngx_http_proctor_redis_t *
ngx_http_proctor_redis_route_to(ngx_http_proctor_redis_cluster_t *cluster,
    const ngx_http_proctor_redis_command_t *command)
{
    const proctor_str_t *key;
    ngx_http_proctor_redis_node_t *node;

    key = ngx_http_proctor_redis_route_key(command);

    if (key == NULL) {
        return ngx_http_proctor_redis_node_any(cluster);
    }

    node = ngx_http_proctor_redis_node_of(
        cluster, proctor_slot(key->data, key->len));

    return (node == NULL) ? NULL : &node->redis;
}


/* A script's first key, or a command's first argument: such are all that we
   send, and the other keys of one command are in the same slot. */

const proctor_str_t *
ngx_http_proctor_redis_route_key(
    const ngx_http_proctor_redis_command_t *command)
{
    if (command->argc < 2
        || (command->script != NULL && command->argv[0].data[0] == '0')) {
        return NULL;
    }

    return &command->argv[1];
}


/* what is under way stays so, for nobody */

void
ngx_http_proctor_redis_route_expire(ngx_event_t *ev)
{
    ngx_uint_t i;
    ngx_http_proctor_redis_route_t *route = ev->data;

    route->cluster->gone.timeouts++;

    for (i = 0; i < NGX_HTTP_PROCTOR_REDIS_BATCH; i++) {
        ngx_http_proctor_redis_cancel(&route->parts[i].call);
    }

    for (i = 0; i < route->n; i++) {
        if (route->due & ngx_http_proctor_redis_bit(i)) {
            ngx_http_proctor_redis_part_lose(
                route, i, NGX_HTTP_PROCTOR_REDIS_TIMEOUT);
        }
    }

    ngx_http_proctor_redis_route_end(route);
}


void
ngx_http_proctor_redis_route_end(ngx_http_proctor_redis_route_t *route)
{
    ngx_uint_t i;
    ngx_http_proctor_redis_status_e status;

    status = NGX_HTTP_PROCTOR_REDIS_REPLY;

    for (i = route->n; i-- > 0;) {
        if (route->replies[i].error != NGX_HTTP_PROCTOR_REDIS_REPLY) {
            status = route->replies[i].error;
        }
    }

    ngx_http_proctor_redis_route_tell(route, status,
        (route->lost == ngx_http_proctor_redis_bit(route->n) - 1)
            ? NULL
            : route->replies);
}


void
ngx_http_proctor_redis_route_tell(ngx_http_proctor_redis_route_t *route,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_http_proctor_redis_call_t *call = route->call;

    if (call != NULL) {
        route->call = NULL;
        call->op = NULL;
        call->handler(call->data, status, replies);
    }

    ngx_http_proctor_redis_route_destroy(route);
}


void
ngx_http_proctor_redis_route_exit(ngx_http_proctor_redis_cluster_t *cluster)
{
    ngx_queue_t *q, *next;
    ngx_http_proctor_redis_route_t *route;

    q = ngx_queue_head(&cluster->routes);

    for (; q != ngx_queue_sentinel(&cluster->routes); q = next) {
        next = ngx_queue_next(q);
        route = ngx_queue_data(q, ngx_http_proctor_redis_route_t, queue);

        if (route->call != NULL) {
            route->call->op = NULL;
        }

        ngx_http_proctor_redis_route_destroy(route);
    }
}
