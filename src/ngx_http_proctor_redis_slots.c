/*
 * Which server has which slot: what CLUSTER SLOTS says of all, MOVED and ASK of
 * one.
 *
 *     *3                          CLUSTER SLOTS: for each range
 *       *3 or more
 *         :0 :5460                its first and last slot
 *         *2 or more              its master,
 *           $9 127.0.0.1 :7001    where; nothing, or "": where I was asked
 *         ...                     then its replicas
 *
 *     -MOVED 3999 127.0.0.1:6381  so with a host that may be missing, and with
 *     -ASK 3999 127.0.0.1:6381    the colon of an IPv6 address not its own
 *
 * What cannot be read as this says nothing, and what was known stays.
 */

#include "ngx_http_proctor_redis_cluster.h"


static ngx_int_t ngx_http_proctor_redis_slots_range(
    ngx_http_proctor_redis_cluster_t *cluster, const char *from,
    const ngx_http_proctor_redis_reply_t *range, u_char *slots);
static void ngx_http_proctor_redis_slots_set(
    ngx_http_proctor_redis_cluster_t *cluster, const u_char *slots);


ngx_int_t
ngx_http_proctor_redis_slots(ngx_http_proctor_redis_cluster_t *cluster,
    const char *from, const ngx_http_proctor_redis_reply_t *reply)
{
    size_t i;
    u_char slots[PROCTOR_SLOTS];

    if (reply->type != NGX_HTTP_PROCTOR_REDIS_ARRAY) {
        return NGX_DECLINED;
    }

    ngx_memset(slots, NGX_HTTP_PROCTOR_REDIS_NOBODY, sizeof(slots));

    for (i = 0; i < reply->nelements; i++) {
        if (ngx_http_proctor_redis_slots_range(
                cluster, from, &reply->element[i], slots)
            != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    ngx_http_proctor_redis_slots_set(cluster, slots);

    return NGX_OK;
}


/* of a server that is not to be had it has none, which is all that is known */

static ngx_int_t
ngx_http_proctor_redis_slots_range(ngx_http_proctor_redis_cluster_t *cluster,
    const char *from, const ngx_http_proctor_redis_reply_t *range,
    u_char *slots)
{
    proctor_str_t host;
    const ngx_http_proctor_redis_reply_t *e, *at;
    ngx_http_proctor_redis_node_t *node;

    e = range->element;

    if (range->type != NGX_HTTP_PROCTOR_REDIS_ARRAY || range->nelements < 3
        || e[0].type != NGX_HTTP_PROCTOR_REDIS_INTEGER
        || e[1].type != NGX_HTTP_PROCTOR_REDIS_INTEGER
        || e[2].type != NGX_HTTP_PROCTOR_REDIS_ARRAY || e[2].nelements < 2
        || e[0].integer < 0 || e[0].integer > e[1].integer
        || e[1].integer >= PROCTOR_SLOTS) {
        return NGX_DECLINED;
    }

    at = e[2].element;

    if (at[1].type != NGX_HTTP_PROCTOR_REDIS_INTEGER || at[1].integer < 0
        || at[1].integer > 65535) {
        return NGX_DECLINED;
    }

    host = at[0].str;

    if (at[0].type != NGX_HTTP_PROCTOR_REDIS_STRING || host.len == 0) {
        host.data = from;
        host.len = ngx_strlen(from);
    }

    node = ngx_http_proctor_redis_node(
        cluster, host.data, host.len, (in_port_t) at[1].integer);

    if (node != NULL) {
        ngx_memset(slots + e[0].integer, (int) node->index,
            e[1].integer - e[0].integer + 1);
    }

    return NGX_OK;
}


static void
ngx_http_proctor_redis_slots_set(
    ngx_http_proctor_redis_cluster_t *cluster, const u_char *slots)
{
    ngx_uint_t i;
    ngx_uint_t counts[256];
    ngx_http_proctor_redis_node_t *node;

    ngx_memzero(counts, sizeof(counts));
    ngx_memcpy(cluster->slots, slots, PROCTOR_SLOTS);

    for (i = 0; i < PROCTOR_SLOTS; i++) {
        counts[slots[i]]++;
    }

    cluster->unowned = counts[NGX_HTTP_PROCTOR_REDIS_NOBODY];

    for (i = 0; i < NGX_HTTP_PROCTOR_REDIS_NODES; i++) {
        node = cluster->nodes[i];

        if (node != NULL) {
            node->slots = counts[i];
        }
    }
}


ngx_http_proctor_redis_node_t *
ngx_http_proctor_redis_slots_redirect(ngx_http_proctor_redis_cluster_t *cluster,
    const char *from, const proctor_str_t *error, ngx_uint_t *ask)
{
    size_t len;
    ngx_int_t port;
    const char *host, *colon, *last;

    *ask = (error->len > 4 && ngx_memcmp(error->data, "ASK ", 4) == 0);

    if (!*ask
        && (error->len <= 6 || ngx_memcmp(error->data, "MOVED ", 6) != 0)) {
        return NULL;
    }

    last = error->data + error->len;
    host = memrchr(error->data, ' ', error->len);
    colon = memrchr(error->data, ':', error->len);

    if (colon == NULL || colon < host) {
        return NULL;
    }

    host++;
    len = colon++ - host;

    if (len == 0) {
        host = from;
        len = ngx_strlen(from);
    }

    port = ngx_atoi((u_char *) colon, last - colon);

    return (port <= 0 || port > 65535) ? NULL
                                       : ngx_http_proctor_redis_node(cluster,
                                           host, len, (in_port_t) port);
}
