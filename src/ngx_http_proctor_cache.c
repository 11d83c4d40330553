/*
 * The cache's steps: what is asked of Redis, and what follows from the answer.
 *
 * Around the quota, whose question takes ours along: before it the keys are
 * spelled, after it the answer is used.  A read that Redis could not answer, or
 * whose group is being written, goes upstream and stores nothing.  Redis being
 * ill never is an error of the caller's.
 *
 * Everything of a request is one ngx_http_proctor_cache_t in r->pool.
 */

#include "ngx_http_proctor_cache.h"
#include <openssl/rand.h>


static ngx_uint_t ngx_http_proctor_cache_request(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_int_t ngx_http_proctor_cache_key(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_int_t ngx_http_proctor_cache_key_origin(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static void ngx_http_proctor_cache_question(ngx_http_proctor_cache_t *cache);
static ngx_int_t ngx_http_proctor_cache_decide(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_int_t ngx_http_proctor_cache_forward(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static void ngx_http_proctor_cache_use(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_cache_status_e status);


ngx_int_t
ngx_http_proctor_cache_lookup(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_cache_t *cache;

    if (ngx_http_proctor_cache_worker(r) == NULL || !ctx->conf->cache) {
        return NGX_OK;
    }

    cache = ngx_pcalloc(r->pool, sizeof(ngx_http_proctor_cache_t));
    if (cache == NULL) {
        return NGX_ERROR;
    }

    ctx->cache = cache;
    cache->w = ngx_http_proctor_cache_worker(r);

    if (ctx->operation->cache == NULL) {
        cache->status = proctor_cache_is_unsafe(ctx->operation)
                            ? NGX_HTTP_PROCTOR_CACHE_METHOD
                            : NGX_HTTP_PROCTOR_CACHE_BYPASS;
        return NGX_OK;
    }

    if (!ngx_http_proctor_cache_request(r, ctx)) {
        cache->status = NGX_HTTP_PROCTOR_CACHE_BYPASS;
        return NGX_OK;
    }

    if (ngx_http_proctor_cache_spell(r, ctx, &ctx->operation->cache->groups)
            != NGX_OK
        || ngx_http_proctor_cache_key(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_proctor_cache_question(cache);

    cache->reads = 1;
    cache->follower = (r->method == NGX_HTTP_HEAD);
    cache->lookup.commands = &cache->command;
    cache->lookup.n = 1;
    cache->lookup.handler = ngx_http_proctor_cache_read;

    ctx->lookup = &cache->lookup;

    return NGX_OK;
}


/* 0: what this client asks for is not the cache's to answer or to keep */

static ngx_uint_t
ngx_http_proctor_cache_request(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_uint_t i, fine;
    ngx_table_elt_t *h;
    ngx_http_proctor_headers_t it;
    proctor_cache_control_t *control = &ctx->cache->control;

    proctor_cache_control_init(control);

    fine = (ctx->invalid.code == NGX_HTTP_PROCTOR_FINE
            && ctx->observed.code == NGX_HTTP_PROCTOR_FINE
            && r->content_handler != NULL);

    it.part = &r->headers_in.headers.part;
    it.i = 0;

    for (i = 0; i < ctx->nheaders; i++) {

        h = ngx_http_proctor_headers_next(&it);

        switch ((ngx_http_proctor_header_e) ctx->headers[i]) {
        case NGX_HTTP_PROCTOR_HEADER_CONTROL:
            proctor_cache_control_parse(
                control, (char *) h->value.data, h->value.len);
            break;

        case NGX_HTTP_PROCTOR_HEADER_PRAGMA:
            proctor_cache_control_pragma(
                control, (char *) h->value.data, h->value.len);
            break;

        case NGX_HTTP_PROCTOR_HEADER_PRECONDITION:
            fine = 0;
            break;

        case NGX_HTTP_PROCTOR_HEADER_OTHER:
        case NGX_HTTP_PROCTOR_HEADER_WITHHELD:
        case NGX_HTTP_PROCTOR_HEADER_CODING:
        case NGX_HTTP_PROCTOR_HEADER_CONDITION:
        case NGX_HTTP_PROCTOR_HEADER_NEGOTIATION:
        case NGX_HTTP_PROCTOR_HEADER_OVERRIDE:
        case NGX_HTTP_PROCTOR_HEADER_EXPECT:
            break;
        }
    }

    return fine && !proctor_cache_request_forbids(control);
}


ngx_int_t
ngx_http_proctor_cache_spell(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    const proctor_cache_templates_t *templates)
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


static ngx_int_t
ngx_http_proctor_cache_key(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    int rc;
    char *p;
    proctor_cache_call_t call;
    ngx_http_proctor_cache_t *cache = ctx->cache;
    ngx_http_proctor_main_conf_t *mcf;

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

static void
ngx_http_proctor_cache_question(ngx_http_proctor_cache_t *cache)
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


ngx_int_t
ngx_http_proctor_cache_question_alone(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_int_t rc;
    ngx_http_proctor_lookup_t *lookup = ctx->lookup;

    if (lookup == NULL || lookup->sent) {
        return NGX_OK;
    }

    lookup->sent = 1;

    rc = ngx_http_proctor_cache_ask(
        r, ctx, lookup->commands, lookup->n, lookup->handler);

    return (rc == NGX_DECLINED) ? NGX_OK : rc;
}


ngx_int_t
ngx_http_proctor_cache(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    if (ctx->cache == NULL || !ctx->cache->reads) {
        return NGX_OK;
    }

    return ngx_http_proctor_cache_decide(r, ctx);
}


static ngx_int_t
ngx_http_proctor_cache_decide(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_cache_t *cache = ctx->cache;

    switch (cache->found) {
    case NGX_HTTP_PROCTOR_CACHE_UNKNOWN:
        cache->alone = 1;
        cache->status = NGX_HTTP_PROCTOR_CACHE_UNASKED;
        break;

    case NGX_HTTP_PROCTOR_CACHE_ABSENT:
        cache->status = NGX_HTTP_PROCTOR_CACHE_MISS;
        break;

    case NGX_HTTP_PROCTOR_CACHE_VARIANT:
        cache->status = NGX_HTTP_PROCTOR_CACHE_VARY_MISS;
        break;

    case NGX_HTTP_PROCTOR_CACHE_FOUND:
        switch (cache->verdict.use) {
        case PROCTOR_CACHE_FRESH:
            ngx_http_proctor_cache_use(r, ctx, NGX_HTTP_PROCTOR_CACHE_HIT);
            return NGX_OK;

        case PROCTOR_CACHE_BEHIND:
            ngx_http_proctor_cache_refresh(r, ctx);
            ngx_http_proctor_cache_use(r, ctx, NGX_HTTP_PROCTOR_CACHE_BEHIND);
            return NGX_OK;

        case PROCTOR_CACHE_STALE:
            cache->status = NGX_HTTP_PROCTOR_CACHE_EXPIRED;
            break;

        case PROCTOR_CACHE_REQUEST:
            cache->alone = 1;
            cache->status = NGX_HTTP_PROCTOR_CACHE_ASKED;
            break;
        }

        break;
    }

    return ngx_http_proctor_cache_forward(r, ctx);
}


/* the upstream is asked, unless somebody does so already */

static ngx_int_t
ngx_http_proctor_cache_forward(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_cache_t *cache = ctx->cache;

    if (cache->control.flags & PROCTOR_CC_ONLY_IF_CACHED) {
        return ngx_http_proctor_refuse(ctx, NGX_HTTP_PROCTOR_NOT_CACHED, NULL);
    }

    cache->validates = cache->fills && ngx_http_proctor_cache_validators(cache);

    if (!cache->fills || cache->alone) {
        return NGX_OK;
    }

    return ngx_http_proctor_cache_flight_join(r, ctx);
}


/* the entry is the answer: budget and key see that nothing is forwarded */

static void
ngx_http_proctor_cache_use(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_cache_status_e status)
{
    ctx->cache->status = status;
    ctx->cache->serves = 1;
    r->content_handler = NULL;
}


ngx_int_t
ngx_http_proctor_cache_landed(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_int_t rc;

    ngx_http_proctor_cache_read(r, ctx, replies);
    rc = ngx_http_proctor_cache_decide(r, ctx);

    ctx->cache->collapsed =
        (ctx->cache->serves
            && ctx->cache->status == NGX_HTTP_PROCTOR_CACHE_HIT);

    return rc;
}


ngx_int_t
ngx_http_proctor_cache_crashed(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    (void) ngx_http_proctor_cache_rescue(r, ctx);

    return NGX_OK;
}


ngx_uint_t
ngx_http_proctor_cache_rescue(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_cache_t *cache = ctx->cache;

    if (cache == NULL || cache->background
        || cache->found != NGX_HTTP_PROCTOR_CACHE_FOUND
        || !cache->verdict.on_error) {
        return 0;
    }

    ngx_http_proctor_cache_flight_end(
        cache->w, &cache->lead, NGX_HTTP_PROCTOR_CACHE_FAILED);
    ngx_http_proctor_cache_use(r, ctx, NGX_HTTP_PROCTOR_CACHE_INSTEAD);

    return 1;
}


ngx_uint_t
ngx_http_proctor_cache_answers(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    if (ctx->cache == NULL || !ctx->cache->serves) {
        return 0;
    }

    r->content_handler = ngx_http_proctor_cache_serve;

    return 1;
}


ngx_uint_t
ngx_http_proctor_cache_validators(const ngx_http_proctor_cache_t *cache)
{
    proctor_str_t value;

    if (cache->found != NGX_HTTP_PROCTOR_CACHE_FOUND
        || cache->entry.status != NGX_HTTP_OK) {
        return 0;
    }

    return (proctor_cache_entry_field(&cache->entry, "etag", &value)
               && !ngx_http_proctor_cache_own_etag(&value))
           || proctor_cache_entry_field(&cache->entry, "last-modified", &value);
}


void
ngx_http_proctor_cache_gone(ngx_http_proctor_ctx_t *ctx)
{
    if (ctx->cache != NULL) {
        ngx_http_proctor_cache_flight_end(
            ctx->cache->w, &ctx->cache->lead, NGX_HTTP_PROCTOR_CACHE_ABANDONED);
    }
}


ngx_uint_t
ngx_http_proctor_cache_withholds(const ngx_http_proctor_ctx_t *ctx)
{
    return ctx->cache != NULL && ctx->cache->reads && ctx->cache->fills;
}


ngx_uint_t
ngx_http_proctor_cache_validator(
    const ngx_http_proctor_ctx_t *ctx, const char *name, ngx_str_t *value)
{
    proctor_str_t text;

    if (ctx->cache == NULL || !ctx->cache->validates
        || !proctor_cache_entry_field(&ctx->cache->entry, name, &text)
        || ngx_http_proctor_cache_own_etag(&text)) {
        return 0;
    }

    value->data = (u_char *) text.data;
    value->len = text.len;

    return 1;
}


/* answers are stored where there is somewhere to store them */

ngx_int_t
ngx_http_proctor_cache_init(ngx_conf_t *cf, ngx_http_proctor_main_conf_t *mcf)
{
    ngx_uint_t i;
    struct {
        const ngx_http_proctor_redis_script_t **script;
        const proctor_str_t *text;
    } scripts[] = {
        { &mcf->cache_begin, &ngx_http_proctor_cache_script_begin },
        { &mcf->cache_end, &ngx_http_proctor_cache_script_end },
        { &mcf->cache_fill, &ngx_http_proctor_cache_script_fill },
    };

    if (mcf->redis == NULL || mcf->zone == NULL) {
        return NGX_OK;
    }

    for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        *scripts[i].script =
            ngx_http_proctor_redis_script(cf, mcf->redis, scripts[i].text);

        if (*scripts[i].script == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_proctor_cache_random(char *text)
{
    u_char bytes[PROCTOR_CACHE_GEN_LEN / 2];

    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return NGX_ERROR;
    }

    (void) ngx_hex_dump((u_char *) text, bytes, sizeof(bytes));

    return NGX_OK;
}
