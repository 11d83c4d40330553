/*
 * Where Redis is: the addresses that the proctor_redis directive begins with.
 *
 * Several are servers that replicate one another (redis_role.c).  Host names
 * are resolved here, while nginx reads its configuration, because at run time
 * nothing may wait for a name server; each may stand for several servers.
 * All is in cf->pool.
 */

#include "ngx_http_proctor_redis.h"


#define NGX_HTTP_PROCTOR_REDIS_PORT 6379


static ngx_int_t ngx_http_proctor_redis_peer_add(
    ngx_conf_t *cf, ngx_array_t *peers, ngx_str_t *name);
static ngx_int_t ngx_http_proctor_redis_peer_addr(ngx_conf_t *cf,
    ngx_http_proctor_redis_peer_t *peer, const ngx_addr_t *addr);
static ngx_int_t ngx_http_proctor_redis_peers_name(
    ngx_conf_t *cf, ngx_str_t *name, ngx_uint_t n);


/* options have a "="; a path may, too */

ngx_uint_t
ngx_http_proctor_redis_peers_count(const ngx_conf_t *cf)
{
    ngx_uint_t n;
    const ngx_str_t *value = cf->args->elts;

    for (n = 1; 1 + n < cf->args->nelts; n++) {
        if (ngx_strncmp(value[1 + n].data, "unix:", 5) != 0
            && ngx_strchr(value[1 + n].data, '=') != NULL) {
            break;
        }
    }

    return n;
}


ngx_int_t
ngx_http_proctor_redis_peers(
    ngx_conf_t *cf, ngx_http_proctor_redis_conf_t *redis, ngx_uint_t n)
{
    ngx_str_t *value = cf->args->elts;
    ngx_uint_t i;
    ngx_array_t peers;

    if (ngx_array_init(
            &peers, cf->pool, n, sizeof(ngx_http_proctor_redis_peer_t))
        != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 1; i <= n; i++) {
        if (ngx_http_proctor_redis_peer_add(cf, &peers, &value[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    redis->peers = peers.elts;
    redis->npeers = peers.nelts;

    return ngx_http_proctor_redis_peers_name(cf, &redis->name, n);
}


/* All that hiredis is to see: a path, or numeric addresses with their port. */

static ngx_int_t
ngx_http_proctor_redis_peer_add(
    ngx_conf_t *cf, ngx_array_t *peers, ngx_str_t *name)
{
    ngx_uint_t i;
    ngx_url_t u;
    ngx_http_proctor_redis_peer_t *peer;

    ngx_memzero(&u, sizeof(ngx_url_t));
    u.url = *name;
    u.default_port = NGX_HTTP_PROCTOR_REDIS_PORT;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "proctor redis: %s in \"%V\"",
            (u.err != NULL) ? u.err : "no address", &u.url);
        return NGX_ERROR;
    }

    for (i = 0; i < u.naddrs; i++) {
        peer = ngx_array_push(peers);
        if (peer == NULL) {
            return NGX_ERROR;
        }

        peer->name = *name;
        peer->port = 0;
        peer->host = (char *) u.host.data;

        if (u.family != AF_UNIX
            && ngx_http_proctor_redis_peer_addr(cf, peer, &u.addrs[i])
                   != NGX_OK) {
            return NGX_ERROR;
        }

        if (u.naddrs > 1) {
            peer->name = u.addrs[i].name;
        }
    }

    return NGX_OK;
}


/* without the brackets of an IPv6 address */

static ngx_int_t
ngx_http_proctor_redis_peer_addr(
    ngx_conf_t *cf, ngx_http_proctor_redis_peer_t *peer, const ngx_addr_t *addr)
{
    u_char *p, *data, text[NGX_SOCKADDR_STRLEN];
    size_t len;

    data = text;
    len = ngx_sock_ntop(addr->sockaddr, addr->socklen, text, sizeof(text), 0);

    if (len > 2 && data[0] == '[') {
        data++;
        len -= 2;
    }

    p = ngx_pnalloc(cf->pool, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *ngx_cpymem(p, data, len) = '\0';

    peer->host = (char *) p;
    peer->port = ngx_inet_get_port(addr->sockaddr);

    return NGX_OK;
}


/* all of them, as they were written */

static ngx_int_t
ngx_http_proctor_redis_peers_name(ngx_conf_t *cf, ngx_str_t *name, ngx_uint_t n)
{
    size_t len;
    u_char *p;
    ngx_uint_t i;
    const ngx_str_t *value = cf->args->elts;

    for (i = 1, len = 0; i <= n; i++) {
        len += value[i].len + 1;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    name->data = p;
    name->len = len - 1;

    for (i = 1; i <= n; i++) {
        p = ngx_cpymem(p, value[i].data, value[i].len);
        *p++ = ' ';
    }

    return NGX_OK;
}
