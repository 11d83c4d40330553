/*
 * The servers of a cluster that somebody named: each has a client of its own,
 * with its connection, its breaker and its limits, as a single server has.
 *
 * They are made as they are named, connect at once, and are not waited for: a
 * call for one that is not ready goes on as if Redis was away.  One that has no
 * slot any more, and that nobody names, is destroyed after a while.  That is
 * done by a timer, never by who may stand below its client.
 */

#include "ngx_http_proctor_redis_cluster.h"


#define NGX_HTTP_PROCTOR_REDIS_NODE_KEPT 5000 /* ms */


static ngx_http_proctor_redis_node_t *ngx_http_proctor_redis_node_create(
    ngx_http_proctor_redis_cluster_t *cluster, ngx_uint_t index,
    const char *host, in_port_t port);
static ngx_int_t ngx_http_proctor_redis_node_numeric(
    const char *host, size_t len);


ngx_http_proctor_redis_node_t *
ngx_http_proctor_redis_node(ngx_http_proctor_redis_cluster_t *cluster,
    const char *host, size_t len, in_port_t port)
{
    char text[NGX_HTTP_PROCTOR_REDIS_HOST];
    ngx_uint_t i, room;
    ngx_http_proctor_redis_node_t *node;

    if (port == 0 || len >= sizeof(text)
        || ngx_http_proctor_redis_node_numeric(host, len) != NGX_OK) {
        return NULL;
    }

    ngx_memcpy(text, host, len);
    text[len] = '\0';
    room = NGX_HTTP_PROCTOR_REDIS_NODES;

    for (i = NGX_HTTP_PROCTOR_REDIS_NODES; i-- > 0;) {
        node = cluster->nodes[i];

        if (node == NULL) {
            room = i;

        } else if (node->peer.port == port
                   && ngx_strcmp(node->host, text) == 0) {
            node->used = ngx_current_msec;
            return node;
        }
    }

    if (room != NGX_HTTP_PROCTOR_REDIS_NODES) {
        return ngx_http_proctor_redis_node_create(cluster, room, text, port);
    }

    if (!cluster->full) {
        cluster->full = 1;
        ngx_log_error(NGX_LOG_ERR, cluster->seed->log, 0,
            "proctor redis: the cluster has more than %d masters, what belongs "
            "to the others is not to be had",
            NGX_HTTP_PROCTOR_REDIS_NODES);
    }

    return NULL;
}


/* no name server is ever asked while requests wait */

static ngx_int_t
ngx_http_proctor_redis_node_numeric(const char *host, size_t len)
{
    u_char addr[16];

    return (ngx_inet_addr((u_char *) host, len) != INADDR_NONE
               || ngx_inet6_addr((u_char *) host, len, addr) == NGX_OK)
               ? NGX_OK
               : NGX_DECLINED;
}


static ngx_http_proctor_redis_node_t *
ngx_http_proctor_redis_node_create(ngx_http_proctor_redis_cluster_t *cluster,
    ngx_uint_t index, const char *host, in_port_t port)
{
    u_char *p, *last;
    ngx_http_proctor_redis_t *seed = cluster->seed;
    ngx_http_proctor_redis_node_t *node;

    node = ngx_calloc(sizeof(ngx_http_proctor_redis_node_t), seed->log);
    if (node == NULL) {
        return NULL;
    }

    last = node->name + sizeof(node->name);
    p = ngx_slprintf(node->name, last,
        (ngx_strchr(host, ':') != NULL) ? "[%s]:%ui" : "%s:%ui", host,
        (ngx_uint_t) port);

    (void) ngx_cpystrn(
        (u_char *) node->host, (u_char *) host, sizeof(node->host));

    node->peer.host = node->host;
    node->peer.port = port;
    node->peer.name.data = node->name;
    node->peer.name.len = p - node->name;

    node->conf = *seed->conf;
    node->conf.name = node->peer.name;
    node->conf.peers = &node->peer;
    node->conf.npeers = 1;

    node->index = index;
    node->used = ngx_current_msec;
    cluster->nodes[index] = node;

    if (ngx_http_proctor_redis_init(&node->redis, &node->conf, seed->log)
        != NGX_OK) {
        ngx_http_proctor_redis_node_destroy(cluster, node);
        return NULL;
    }

    return node;
}


void
ngx_http_proctor_redis_node_sweep(ngx_http_proctor_redis_cluster_t *cluster)
{
    ngx_uint_t i;
    ngx_http_proctor_redis_node_t *node;

    for (i = 0; i < NGX_HTTP_PROCTOR_REDIS_NODES; i++) {
        node = cluster->nodes[i];

        if (node != NULL && node->slots == 0
            && ngx_queue_empty(&node->redis.flight)
            && ngx_queue_empty(&node->redis.done)
            && ngx_current_msec - node->used
                   > NGX_HTTP_PROCTOR_REDIS_NODE_KEPT) {
            ngx_http_proctor_redis_node_destroy(cluster, node);
        }
    }
}


void
ngx_http_proctor_redis_node_destroy(ngx_http_proctor_redis_cluster_t *cluster,
    ngx_http_proctor_redis_node_t *node)
{
    ngx_http_proctor_redis_stats_add(&cluster->gone, &node->redis.stats);
    ngx_http_proctor_redis_fini(&node->redis);

    cluster->nodes[node->index] = NULL;
    ngx_free(node);
}


ngx_http_proctor_redis_node_t *
ngx_http_proctor_redis_node_of(
    const ngx_http_proctor_redis_cluster_t *cluster, ngx_uint_t slot)
{
    ngx_uint_t i = cluster->slots[slot];

    return (i == NGX_HTTP_PROCTOR_REDIS_NOBODY) ? NULL : cluster->nodes[i];
}


ngx_http_proctor_redis_t *
ngx_http_proctor_redis_node_any(ngx_http_proctor_redis_cluster_t *cluster)
{
    ngx_uint_t i, at;
    ngx_http_proctor_redis_node_t *node;

    for (i = 1; i <= NGX_HTTP_PROCTOR_REDIS_NODES; i++) {
        at = (cluster->turn + i) % NGX_HTTP_PROCTOR_REDIS_NODES;
        node = cluster->nodes[at];

        if (node != NULL && node->redis.state == NGX_HTTP_PROCTOR_REDIS_READY) {
            cluster->turn = at;
            return &node->redis;
        }
    }

    return (cluster->seed->state == NGX_HTTP_PROCTOR_REDIS_READY)
               ? cluster->seed
               : NULL;
}
