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


static ngx_int_t ngx_http_proctor_cache_lookup_key(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_uint_t ngx_http_proctor_cache_request(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_int_t ngx_http_proctor_cache_decide(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_int_t ngx_http_proctor_cache_forward(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_uint_t ngx_http_proctor_cache_lasts(
    const ngx_http_proctor_ctx_t *ctx);
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

    cache = ngx_http_proctor_cache_create(r, ctx);
    if (cache == NULL) {
        return NGX_ERROR;
    }

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

    cache->reads = 1;

    if (!ngx_http_proctor_redis_takes(cache->w->mcf->worker->redis)) {
        return NGX_OK; /* nothing is known, and nothing will be stored */
    }

    return ngx_http_proctor_cache_lookup_key(r, ctx);
}


static ngx_int_t
ngx_http_proctor_cache_lookup_key(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_int_t rc;
    ngx_http_proctor_cache_t *cache = ctx->cache;

    if (ngx_http_proctor_cache_key_groups(
            r, ctx, &ctx->operation->cache->groups)
        != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_proctor_cache_key(r, ctx);

    if (rc == NGX_DECLINED) {
        cache->reads = 0;
        cache->status = NGX_HTTP_PROCTOR_CACHE_BYPASS;
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_proctor_cache_key_question(cache);

    cache->lead.asked = ngx_http_proctor_cache_flight_now(cache->w);
    cache->follower = (r->method == NGX_HTTP_HEAD);
    cache->lookup.commands = &cache->command;
    cache->lookup.n = 1;
    cache->lookup.handler = ngx_http_proctor_cache_read;

    ctx->lookup = &cache->lookup;

    return NGX_OK;
}


ngx_http_proctor_cache_t *
ngx_http_proctor_cache_create(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_cache_t *cache;

    cache = ngx_palloc(r->pool, sizeof(ngx_http_proctor_cache_t));

    if (cache != NULL) {
        ngx_memzero(cache, offsetof(ngx_http_proctor_cache_t, groups));
        cache->groups.n = 0;
        cache->w = ngx_http_proctor_cache_worker(r);
        ctx->cache = cache;
    }

    return cache;
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
        case NGX_HTTP_PROCTOR_HEADER_CLAIMED:
        case NGX_HTTP_PROCTOR_HEADER_REQUEST_ID:
        case NGX_HTTP_PROCTOR_HEADER_CODING:
        case NGX_HTTP_PROCTOR_HEADER_CONDITION:
        case NGX_HTTP_PROCTOR_HEADER_NEGOTIATION:
        case NGX_HTTP_PROCTOR_HEADER_OVERRIDE:
        case NGX_HTTP_PROCTOR_HEADER_EXPECT:
        case NGX_HTTP_PROCTOR_HEADER_BODY_TYPE:
        case NGX_HTTP_PROCTOR_HEADER_BODY_CODING:
            break;
        }
    }

    return fine && !proctor_cache_request_forbids(control);
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
            if (!ctx->operation->durable) {
                ngx_http_proctor_cache_refresh(r, ctx);
                ngx_http_proctor_cache_use(
                    r, ctx, NGX_HTTP_PROCTOR_CACHE_BEHIND);
                return NGX_OK;
            }

            /* the audit trail knows no call without a caller */

            /* fall through */

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


void
ngx_http_proctor_cache_crashed(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    if (ngx_http_proctor_cache_lasts(ctx)) {
        ngx_http_proctor_cache_use(r, ctx, NGX_HTTP_PROCTOR_CACHE_INSTEAD);
    }
}


/* 1: there is an entry that may be used when the upstream fails */

static ngx_uint_t
ngx_http_proctor_cache_lasts(const ngx_http_proctor_ctx_t *ctx)
{
    const ngx_http_proctor_cache_t *cache = ctx->cache;

    return cache != NULL && !cache->background
           && cache->found == NGX_HTTP_PROCTOR_CACHE_FOUND
           && cache->verdict.on_error;
}


ngx_uint_t
ngx_http_proctor_cache_rescue(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    switch ((int) ctx->refusal.code) {
    case NGX_HTTP_PROCTOR_ACCOUNT_LIMIT:
    case NGX_HTTP_PROCTOR_UPSTREAM_LIMIT:
    case NGX_HTTP_PROCTOR_QUOTA_DOWN:
    case NGX_HTTP_PROCTOR_BUSY:
        break;

    default:
        return 0;
    }

    if (!ngx_http_proctor_cache_lasts(ctx)) {
        return 0;
    }

    ngx_memzero(&ctx->refusal, sizeof(ngx_http_proctor_refusal_t));
    ngx_http_proctor_cache_flight_end(
        ctx->cache->w, &ctx->cache->lead, NGX_HTTP_PROCTOR_CACHE_FAILED);
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


void
ngx_http_proctor_cache_gone(ngx_http_proctor_ctx_t *ctx)
{
    if (ctx->cache != NULL) {
        ngx_http_proctor_cache_flight_end(
            ctx->cache->w, &ctx->cache->lead, NGX_HTTP_PROCTOR_CACHE_ABANDONED);
    }
}


/* answers are stored where there is somewhere to store them */

ngx_int_t
ngx_http_proctor_cache_init(ngx_conf_t *cf, ngx_http_proctor_main_conf_t *mcf)
{
    const ngx_http_proctor_redis_place_t scripts[] = {
        { &mcf->cache_begin, &ngx_http_proctor_cache_script_begin },
        { &mcf->cache_end, &ngx_http_proctor_cache_script_end },
        { &mcf->cache_fill, &ngx_http_proctor_cache_script_fill },
    };

    if (mcf->redis == NULL || mcf->zone == NULL) {
        return NGX_OK;
    }

    return ngx_http_proctor_redis_scripts(
        cf, mcf->redis, scripts, sizeof(scripts) / sizeof(scripts[0]));
}
