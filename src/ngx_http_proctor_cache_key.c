/*
 * What a read is stored as: its groups, its key, and the question to Redis.
 *
 * All strings are in r->pool, and one allocation.
 */

#include "ngx_http_proctor_cache.h"


static ngx_int_t ngx_http_proctor_cache_key_origin(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);


ngx_int_t
ngx_http_proctor_cache_key_groups(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const proctor_cache_templates_t *templates)
{
    int i, n;
    char *p, *last;
    size_t size, name;
    proctor_str_t path, names[PROCTOR_CACHE_GROUPS_ALL];
    ngx_http_proctor_cache_group_t *group;
    ngx_http_proctor_cache_groups_t *groups = &ctx->cache->groups;

    path.data = (char *) ctx->path.data;
    path.len = ctx->path.len;

    size = proctor_cache_groups_size(templates, &ctx->match);
    name = ctx->account->prefix.len + PROCTOR_CACHE_NAME_MAX;
    n = (int) templates->count + (templates->path != 0);

    p = ngx_pnalloc(r->pool, size + (2 * (size_t) n + 1) * name);
    if (p == NULL) {
        return NGX_ERROR;
    }

    n = proctor_cache_groups(templates, &ctx->match, &path, names, p, size);
    if (n < 0) {
        return NGX_ERROR;
    }

    groups->n = (ngx_uint_t) n;
    p += size;

    for (i = 0; i < n; i++) {
        group = &groups->list[i];

        last = proctor_cache_group_name(
            p, ctx->account, PROCTOR_CACHE_GEN, &names[i]);
        if (last == NULL) {
            return NGX_ERROR;
        }

        group->prefix = ctx->account->prefix.len;
        group->gen.data = p;
        group->gen.len = (size_t) (last - p);
        p = last;

        last = proctor_cache_group_name(
            p, ctx->account, PROCTOR_CACHE_MARK, &names[i]);
        if (last == NULL) {
            return NGX_ERROR;
        }

        group->mark.data = p;
        group->mark.len = (size_t) (last - p);
        p = last;
    }

    ctx->cache->name.data = p; /* where an entry's own may stand */

    return NGX_OK;
}


ngx_int_t
ngx_http_proctor_cache_key(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    int rc;
    char *p;
    proctor_cache_call_t call;
    ngx_http_proctor_cache_t *cache = ctx->cache;
    ngx_http_proctor_main_conf_t *mcf;

    if (ctx->body_excepted) {
        return NGX_DECLINED;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    call.account = ctx->account;
    call.operation = ctx->operation;
    call.path.data = (char *) ctx->path.data;
    call.path.len = ctx->path.len;
    call.query.data = (char *) ctx->args.data;
    call.query.len = ctx->args.len;
    call.body = (ctx->body_len > 0) ? ctx->body_canonical : NULL;

    proctor_arena_reset(mcf->worker->arena);

    rc = proctor_cache_key(&call, mcf->worker->arena, cache->key);

    if (rc == PROCTOR_INVALID) {
        return NGX_DECLINED;
    }

    if (rc != PROCTOR_OK
        || (ctx->operation->nlinks != 0
            && ngx_http_proctor_cache_key_origin(r, ctx) != NGX_OK)) {
        return NGX_ERROR;
    }

    ngx_memcpy(cache->lead.digest, cache->key, NGX_HTTP_PROCTOR_CACHE_DIGEST);

    p = (char *) cache->name.data;
    cache->name.len =
        (size_t) (proctor_cache_entry_name(p, ctx->account, cache->key) - p);

    return NGX_OK;
}


/* links are stored as the client gets them: with the gateway's name in them */

static ngx_int_t
ngx_http_proctor_cache_key_origin(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    u_char *p;
    ngx_str_t origin;
    unsigned char *key = ctx->cache->key;

    if (ngx_http_proctor_links_origin(r, ctx, &origin) != NGX_OK) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(r->pool, PROCTOR_SHA256_LEN + origin.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, key, PROCTOR_SHA256_LEN);
    ngx_memcpy(p + PROCTOR_SHA256_LEN, origin.data, origin.len);

    return (proctor_digest(p, PROCTOR_SHA256_LEN + origin.len, key)
               == PROCTOR_OK)
               ? NGX_OK
               : NGX_ERROR;
}


/* MGET gen mark gen mark ... entry */

void
ngx_http_proctor_cache_key_question(ngx_http_proctor_cache_t *cache)
{
    ngx_uint_t i, n;

    static const proctor_str_t mget = proctor_str("MGET");

    cache->argv[0] = mget;

    for (i = 0, n = 1; i < cache->groups.n; i++) {
        cache->argv[n++] = cache->groups.list[i].gen;
        cache->argv[n++] = cache->groups.list[i].mark;
    }

    cache->argv[n++] = cache->name;

    cache->command.argv = cache->argv;
    cache->command.argc = n;
    cache->command.script = NULL;
}
