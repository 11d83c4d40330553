/*
 * What changes something, and the groups that it changes.
 *
 * Before the call is forwarded its groups get a new generation and a mark, and
 * the call waits until Redis has both: from then on no reader of any gateway
 * believes or stores what was there before.  The upstream's answer takes the
 * mark away, and with it goes whatever else HTTP says has changed (RFC 9111,
 * 4.4).  Nobody knows whether a call without an answer happened: its mark stays
 * until it expires, as does that of a gateway that died.
 *
 * Redis being away does not stop a call.  Its groups are then remembered in the
 * zone (cache_dirty.c).
 */

#include "ngx_http_proctor_cache.h"


static void ngx_http_proctor_cache_write_began(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_http_proctor_redis_reply_t *replies);
static void ngx_http_proctor_cache_write_defer(ngx_http_proctor_cache_t *cache);
static void ngx_http_proctor_cache_write_end(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_uint_t answered);
static ngx_uint_t ngx_http_proctor_cache_write_places(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, proctor_str_t *names);
static ngx_int_t ngx_http_proctor_cache_write_place(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_table_elt_t *h, proctor_str_t *name);
static ngx_int_t ngx_http_proctor_cache_write_path(
    ngx_http_request_t *r, const ngx_str_t *value, proctor_str_t *path);
static ngx_uint_t ngx_http_proctor_cache_write_unsent(ngx_http_request_t *r);


ngx_int_t
ngx_http_proctor_cache_write(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_int_t rc;
    proctor_str_t writer;
    ngx_http_proctor_cache_t *cache = ctx->cache;
    ngx_http_proctor_redis_command_t command;
    ngx_http_proctor_cache_change_t change;

    if (ngx_http_proctor_cache_worker(r) == NULL || r->content_handler == NULL
        || ctx->operation == NULL || ctx->operation->invalidates == NULL) {
        return NGX_OK;
    }

    if (cache == NULL) { /* a location that does not read still writes */
        cache = ngx_http_proctor_cache_create(r, ctx);
        if (cache == NULL) {
            return NGX_ERROR;
        }

        cache->status = NGX_HTTP_PROCTOR_CACHE_METHOD;
    }

    writer.data = cache->writer;
    writer.len = PROCTOR_CACHE_GEN_LEN;

    if (ngx_http_proctor_cache_key_groups(r, ctx, ctx->operation->invalidates)
            != NGX_OK
        || ngx_http_proctor_cache_random(cache->writer) != NGX_OK
        || ngx_http_proctor_cache_change(
               &change, &cache->groups, &writer, NULL, 0)
               != NGX_OK) {
        return NGX_ERROR;
    }

    if (cache->groups.n == 0) {
        return NGX_OK;
    }

    ngx_http_proctor_cache_change_number(
        &change, NGX_HTTP_PROCTOR_CACHE_MARK_TTL);

    command.argv = change.argv;
    command.argc = change.argc;
    command.script = cache->w->mcf->cache_begin;

    rc = ngx_http_proctor_cache_ask(
        r, ctx, &command, 1, ngx_http_proctor_cache_write_began);

    if (rc == NGX_DECLINED) {
        ngx_http_proctor_cache_write_defer(cache);
        return NGX_OK;
    }

    cache->asked = 1;

    return rc;
}


static void
ngx_http_proctor_cache_write_began(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_http_proctor_redis_reply_t *replies)
{
    (void) r;

    if (replies == NULL || replies[0].type != NGX_HTTP_PROCTOR_REDIS_INTEGER
        || replies[0].integer != 1) {
        ngx_http_proctor_cache_write_defer(ctx->cache);
        return;
    }

    ctx->cache->began = 1;
    ngx_http_proctor_cache_count(ctx->cache->w, INVALIDATIONS);
}


static void
ngx_http_proctor_cache_write_defer(ngx_http_proctor_cache_t *cache)
{
    cache->deferred = 1;
    ngx_http_proctor_cache_count(cache->w, DEFERRED);
    ngx_http_proctor_cache_dirty_begin(cache->w, &cache->groups, cache->writer);
}


/*
 * In the header filter: what the upstream said is known.  Of a proxy's words
 * for no answer nobody knows what became of the call.
 */

void
ngx_http_proctor_cache_write_answer(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_cache_t *cache = ctx->cache;

    if (cache == NULL || cache->ended || !(cache->began || cache->deferred)) {
        return;
    }

    switch (ngx_http_proctor_answer_status(ctx)) {
    case 0:
    case NGX_HTTP_BAD_GATEWAY:
    case NGX_HTTP_SERVICE_UNAVAILABLE:
    case NGX_HTTP_GATEWAY_TIME_OUT:
        return;

    default:
        ngx_http_proctor_cache_write_end(r, ctx, 1);
    }
}


/* in the log phase: what never left has changed nothing, also when its client
   did not wait for the marks */

ngx_int_t
ngx_http_proctor_cache_write_log(ngx_http_request_t *r)
{
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_cache_t *cache;

    ctx = ngx_http_proctor_ctx_get(r);
    cache = (ctx == NULL) ? NULL : ctx->cache;

    if (cache != NULL && !cache->ended && (cache->asked || cache->deferred)
        && ngx_http_proctor_cache_write_unsent(r)) {
        ngx_http_proctor_cache_write_end(r, ctx, 0);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_proctor_cache_write_unsent(ngx_http_request_t *r)
{
    ngx_uint_t i;
    ngx_http_upstream_state_t *state;

    if (r->upstream_states == NULL) {
        return 1;
    }

    state = r->upstream_states->elts;

    for (i = 0; i < r->upstream_states->nelts; i++) {
        if (state[i].bytes_sent > 0) {
            return 0;
        }
    }

    return 1;
}


/* a mark that Redis cannot be told to take away is as good as lost */

static void
ngx_http_proctor_cache_write_end(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_uint_t answered)
{
    ngx_int_t rc;
    ngx_uint_t nplaces;
    proctor_str_t writer, places[NGX_HTTP_PROCTOR_CACHE_PLACES];
    ngx_http_proctor_cache_t *cache = ctx->cache;
    ngx_http_proctor_cache_change_t change;

    writer.data = cache->writer;
    writer.len = PROCTOR_CACHE_GEN_LEN;
    cache->ended = 1;
    nplaces =
        answered ? ngx_http_proctor_cache_write_places(r, ctx, places) : 0;

    rc = ngx_http_proctor_cache_change(
        &change, &cache->groups, &writer, places, nplaces);

    if (rc == NGX_OK) {
        ngx_http_proctor_cache_change_number(
            &change, (int64_t) cache->groups.n);

        rc = ngx_http_proctor_cache_tell(cache, &change);
    }

    if (rc != NGX_OK && !cache->deferred) {
        cache->deferred = 1;
        ngx_http_proctor_cache_dirty_begin(
            cache->w, &cache->groups, cache->writer);
    }

    if (cache->deferred) {
        ngx_http_proctor_cache_dirty_end(cache->w, &cache->groups);
    }
}


/* Location and Content-Location of this API name what has changed, too */

static ngx_uint_t
ngx_http_proctor_cache_write_places(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, proctor_str_t *names)
{
    ngx_uint_t n;
    ngx_table_elt_t *h;
    ngx_http_proctor_headers_t it;

    n = 0;

    if (ctx->upstream->headers_in.status_n >= 400) {
        return 0;
    }

    it.part = &ctx->upstream->headers_in.headers.part;
    it.i = 0;

    while (n < NGX_HTTP_PROCTOR_CACHE_PLACES
           && (h = ngx_http_proctor_headers_next(&it)) != NULL) {

        if (((h->key.len == 8
                 && ngx_strncasecmp(h->key.data, (u_char *) "location", 8) == 0)
                || (h->key.len == 16
                    && ngx_strncasecmp(
                           h->key.data, (u_char *) "content-location", 16)
                           == 0))
            && ngx_http_proctor_cache_write_place(r, ctx, h, &names[n])
                   == NGX_OK) {
            n++;
        }
    }

    return n;
}


static ngx_int_t
ngx_http_proctor_cache_write_place(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_table_elt_t *h, proctor_str_t *name)
{
    char *p, *last, *buf;
    size_t size;
    const char *reason;
    proctor_str_t path, groups[PROCTOR_CACHE_GROUPS_ALL];
    proctor_match_t match;

    static const proctor_cache_templates_t own = { NULL, 0, 1 };

    if (ngx_http_proctor_cache_write_path(r, &h->value, &path) != NGX_OK
        || proctor_route(
               ctx->contract->route, path.data, path.len, &match, &reason)
               != PROCTOR_ROUTE_FOUND) {
        return NGX_DECLINED;
    }

    size = proctor_cache_groups_size(&own, &match);
    buf = ngx_pnalloc(
        r->pool, size + ctx->account->prefix.len + PROCTOR_CACHE_NAME_MAX);

    if (buf == NULL
        || proctor_cache_groups(&own, &match, &path, groups, buf, size) != 1) {
        return NGX_DECLINED;
    }

    p = buf + size;
    last = proctor_cache_group_name(
        p, ctx->account, PROCTOR_CACHE_GEN, &groups[0]);
    if (last == NULL) {
        return NGX_DECLINED;
    }

    name->data = p;
    name->len = (size_t) (last - p);

    return NGX_OK;
}


/* of a reference within the same origin, as the upstream or the client names it */

static ngx_int_t
ngx_http_proctor_cache_write_path(
    ngx_http_request_t *r, const ngx_str_t *value, proctor_str_t *path)
{
    u_char *p, *end, *host;
    ngx_str_t *own;

    p = value->data;
    end = p + value->len;
    own = &r->headers_in.server;

    if (value->len > 8
        && (ngx_strncasecmp(p, (u_char *) "http://", 7) == 0
            || ngx_strncasecmp(p, (u_char *) "https://", 8) == 0)) {

        host = p + ((p[4] == ':') ? 7 : 8);
        p = ngx_strlchr(host, end, '/');

        if (p == NULL || own->len == 0 || (size_t) (p - host) < own->len
            || ngx_strncasecmp(host, own->data, own->len) != 0
            || (host + own->len != p && host[own->len] != ':')) {
            return NGX_DECLINED;
        }
    }

    if (p == end || *p != '/' || (p + 1 < end && p[1] == '/')) {
        return NGX_DECLINED;
    }

    path->data = (char *) p;

    for (; p < end && *p != '?' && *p != '#'; p++) {
        /* void */
    }

    path->len = (size_t) ((char *) p - path->data);

    return NGX_OK;
}
