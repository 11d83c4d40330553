/*
 * What Redis said of a read: the groups' generations, and an entry that is
 * opened and judged for this request.
 *
 * An entry counts only under the generations that it was filled under, with no
 * write of its groups under way, and nothing that this machine could not tell
 * Redis.  It counts only with the Redis that it was stored with, too: one that
 * was started again may have read an older state from its disk, and one that
 * took another's place may not have heard the last of it.  The reply is gone when its handler returns: the value is copied
 * once, and the entry's strings point into the copy.  What is none of ours is
 * deleted, counted, and otherwise a miss.
 */

#include "ngx_http_proctor_cache.h"


static ngx_uint_t ngx_http_proctor_cache_read_groups(
    ngx_http_proctor_cache_t *cache,
    const ngx_http_proctor_redis_reply_t *values);
static ngx_int_t ngx_http_proctor_cache_read_entry(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_http_proctor_redis_reply_t *value);
static ngx_uint_t ngx_http_proctor_cache_read_current(
    const ngx_http_proctor_cache_t *cache);
static void ngx_http_proctor_cache_read_reject(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_uint_t ngx_http_proctor_cache_read_kept(
    ngx_http_request_t *r, const proctor_str_t *name);


void
ngx_http_proctor_cache_read(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_http_proctor_cache_t *cache = ctx->cache;
    const ngx_http_proctor_redis_reply_t *value;

    cache->found = NGX_HTTP_PROCTOR_CACHE_UNKNOWN;
    cache->fills = 0;

    if (replies == NULL || replies[0].type != NGX_HTTP_PROCTOR_REDIS_ARRAY
        || replies[0].nelements != 2 * cache->groups.n + 1) {
        return;
    }

    cache->found = NGX_HTTP_PROCTOR_CACHE_ABSENT;
    ngx_memcpy(cache->run,
        ngx_http_proctor_redis_run(cache->w->mcf->worker->redis, &cache->name),
        PROCTOR_CACHE_GEN_LEN);

    if (!ngx_http_proctor_cache_read_groups(cache, replies[0].element)) {
        return;
    }

    cache->fills = 1;
    value = &replies[0].element[2 * cache->groups.n];

    if (value->type == NGX_HTTP_PROCTOR_REDIS_STRING
        && ngx_http_proctor_cache_read_entry(r, ctx, value) != NGX_OK) {
        ngx_http_proctor_cache_read_reject(r, ctx);
    }
}


/* 0: a write is under way, or Redis does not know of one */

static ngx_uint_t
ngx_http_proctor_cache_read_groups(ngx_http_proctor_cache_t *cache,
    const ngx_http_proctor_redis_reply_t *values)
{
    ngx_uint_t i;
    ngx_http_proctor_cache_group_t *group;
    const ngx_http_proctor_redis_reply_t *gen, *mark;

    for (i = 0; i < cache->groups.n; i++) {
        group = &cache->groups.list[i];
        gen = &values[2 * i];
        mark = &values[2 * i + 1];

        if (mark->type != NGX_HTTP_PROCTOR_REDIS_NIL) {
            return 0;
        }

        group->seen = (gen->type == NGX_HTTP_PROCTOR_REDIS_STRING
                       && gen->str.len == PROCTOR_CACHE_GEN_LEN);

        if (group->seen) {
            ngx_memcpy(group->value, gen->str.data, PROCTOR_CACHE_GEN_LEN);

        } else if (gen->type != NGX_HTTP_PROCTOR_REDIS_NIL
                   || ngx_http_proctor_cache_random(group->value) != NGX_OK) {
            return 0;
        }
    }

    return 1;
}


/* NGX_DECLINED: it is none of ours */

static ngx_int_t
ngx_http_proctor_cache_read_entry(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_http_proctor_redis_reply_t *value)
{
    int rc;
    u_char *p;
    proctor_str_t copy;
    ngx_http_proctor_cache_t *cache = ctx->cache;
    ngx_http_proctor_cache_worker_t *w;

    w = ngx_http_proctor_cache_worker(r);

    if (value->str.len > PROCTOR_CACHE_ENTRY_MAX) {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(r->pool, value->str.len);
    if (p == NULL) {
        return NGX_OK;
    }

    ngx_memcpy(p, value->str.data, value->str.len);
    copy.data = (char *) p;
    copy.len = value->str.len;

    rc = proctor_cache_entry_open(
        w->seal, ctx->account, cache->key, &copy, &cache->entry);

    if (rc != PROCTOR_OK) {
        return (rc == PROCTOR_INVALID) ? NGX_DECLINED : NGX_OK;
    }

    if (!ngx_http_proctor_cache_read_current(cache)) {
        return NGX_OK;
    }

    if (ngx_http_proctor_cache_dirty(
            w, &cache->groups, cache->entry.freshness.received)) {
        cache->fills = 0;
        return NGX_OK;
    }

    if (proctor_cache_vary_match(
            &cache->entry, ngx_http_proctor_cache_read_header, r)
        != 1) {
        cache->found = NGX_HTTP_PROCTOR_CACHE_VARIANT;
        return NGX_OK;
    }

    cache->found = NGX_HTTP_PROCTOR_CACHE_FOUND;
    proctor_cache_use(&cache->entry.freshness, &cache->control,
        ngx_http_proctor_cache_now(), &cache->verdict);

    return NGX_OK;
}


static ngx_uint_t
ngx_http_proctor_cache_read_current(const ngx_http_proctor_cache_t *cache)
{
    ngx_uint_t i;
    const ngx_http_proctor_cache_group_t *group;

    if (cache->entry.ngens != cache->groups.n + 1
        || ngx_memcmp(cache->run,
               cache->entry.gens + cache->groups.n * PROCTOR_CACHE_GEN_LEN,
               PROCTOR_CACHE_GEN_LEN)
               != 0) {
        return 0;
    }

    for (i = 0; i < cache->groups.n; i++) {
        group = &cache->groups.list[i];

        if (!group->seen
            || ngx_memcmp(group->value,
                   cache->entry.gens + i * PROCTOR_CACHE_GEN_LEN,
                   PROCTOR_CACHE_GEN_LEN)
                   != 0) {
            return 0;
        }
    }

    return 1;
}


static void
ngx_http_proctor_cache_read_reject(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    proctor_str_t argv[2];
    ngx_http_proctor_cache_worker_t *w;
    ngx_http_proctor_redis_command_t command;

    static const proctor_str_t del = proctor_str("DEL");

    w = ngx_http_proctor_cache_worker(r);
    ngx_http_proctor_cache_count(w, REJECTED);

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
        "proctor cache: an entry of account \"%*s\" is damaged or none of "
        "ours, "
        "it is deleted",
        ctx->account->name.len, ctx->account->name.data);

    argv[0] = del;
    argv[1] = ctx->cache->name;
    command.argv = argv;
    command.argc = 2;
    command.script = NULL;

    (void) ngx_http_proctor_redis_send(
        w->mcf->worker->redis, NULL, &command, 1);
}


int
ngx_http_proctor_cache_read_header(
    void *data, const proctor_str_t *name, proctor_str_t *value)
{
    ngx_http_request_t *r = data;

    u_char *p;
    size_t len;
    ngx_table_elt_t *h;
    ngx_http_proctor_headers_t it;

    value->data = NULL;
    value->len = 0;

    if (!ngx_http_proctor_cache_read_kept(r, name)) {
        return PROCTOR_OK;
    }

    it.part = &r->headers_in.headers.part;
    it.i = 0;

    while ((h = ngx_http_proctor_headers_next(&it)) != NULL) {

        if (h->key.len != name->len
            || ngx_memcmp(h->lowcase_key, name->data, name->len) != 0) {
            continue;
        }

        if (value->data == NULL) {
            value->data = (char *) h->value.data;
            value->len = h->value.len;
            continue;
        }

        len = value->len + 2 + h->value.len;
        p = ngx_pnalloc(r->pool, len);
        if (p == NULL) {
            return PROCTOR_ERROR;
        }

        (void) ngx_sprintf(
            p, "%*s, %V", value->len, (u_char *) value->data, &h->value);
        value->data = (char *) p;
        value->len = len;
    }

    return PROCTOR_OK;
}


/* the upstream gets it as the caller sent it */

static ngx_uint_t
ngx_http_proctor_cache_read_kept(
    ngx_http_request_t *r, const proctor_str_t *name)
{
    ngx_table_elt_t h;
    ngx_http_proctor_header_e what;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    h.key.data = (u_char *) name->data;
    h.key.len = name->len;
    h.lowcase_key = (u_char *) name->data;
    h.hash = ngx_hash_key(h.lowcase_key, h.key.len);

    what = ngx_http_proctor_key_header(mcf, &h);

    return what == NGX_HTTP_PROCTOR_HEADER_OTHER
           || what == NGX_HTTP_PROCTOR_HEADER_CONTROL
           || what == NGX_HTTP_PROCTOR_HEADER_PRAGMA;
}
