/*
 * Behind an answer that was stale for a moment (stale-while-revalidate, RFC
 * 5861) the upstream is asked anew.
 *
 * As nginx's own cache does, by a clone of the request in the background: the
 * client has its answer meanwhile.  The clone has a ctx of its own, takes the
 * steps after the cache's, and all that comes back to it is stored or dropped:
 * not a byte of it reaches the client.  One at a time on a machine, by the same
 * flights as misses.
 */

#include "ngx_http_proctor_cache.h"


static ngx_http_proctor_ctx_t *ngx_http_proctor_cache_refresh_ctx(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static void ngx_http_proctor_cache_refresh_gone(void *data);


void
ngx_http_proctor_cache_refresh(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_request_t *sr;
    ngx_http_proctor_ctx_t *behind;

    if (!ctx->cache->fills || r->method == NGX_HTTP_HEAD
        || !ngx_http_proctor_cache_flight_lead(ctx->cache)) {
        return;
    }

    behind = ngx_http_proctor_cache_refresh_ctx(r, ctx);

    if (behind == NULL
        || ngx_http_subrequest(r, &r->uri, &r->args, &sr, NULL,
               NGX_HTTP_SUBREQUEST_CLONE | NGX_HTTP_SUBREQUEST_BACKGROUND)
               != NGX_OK) {
        ngx_http_proctor_cache_flight_end(
            ctx->cache->w, &ctx->cache->lead, NGX_HTTP_PROCTOR_CACHE_ABANDONED);
        return;
    }

    behind->cache->lead = ctx->cache->lead;
    ctx->cache->lead.role = NGX_HTTP_PROCTOR_CACHE_ALONE;

    ngx_http_set_ctx(sr, behind, ngx_http_proctor_module);
    sr->error_page = 1; /* its errors are shown to nobody */
    ngx_http_proctor_cache_count(ctx->cache->w, REFRESHES);
}


static ngx_http_proctor_ctx_t *
ngx_http_proctor_cache_refresh_ctx(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_pool_cleanup_t *cln;
    ngx_http_proctor_ctx_t *behind;
    ngx_http_proctor_cache_t *cache;

    cache = ngx_palloc(r->pool, sizeof(ngx_http_proctor_cache_t));
    behind = ngx_palloc(r->pool, sizeof(ngx_http_proctor_ctx_t));
    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (cache == NULL || behind == NULL || cln == NULL) {
        return NULL;
    }

    *cache = *ctx->cache;
    cache->background = 1;
    cache->lead.role = NGX_HTTP_PROCTOR_CACHE_ALONE;
    cache->status = NGX_HTTP_PROCTOR_CACHE_EXPIRED;
    cache->validates = ngx_http_proctor_cache_validators(cache);

    *behind = *ctx;
    behind->cache = cache;
    behind->state = NGX_HTTP_PROCTOR_RUN;
    behind->step = ctx->step + 1;
    behind->wait = NULL;
    behind->quota = NULL; /* the caller's call is counted already */
    behind->lookup = NULL;
    behind->nlent = 0;

    cln->handler = ngx_http_proctor_cache_refresh_gone;
    cln->data = cache;

    return behind;
}


static void
ngx_http_proctor_cache_refresh_gone(void *data)
{
    ngx_http_proctor_cache_t *cache = data;

    ngx_http_proctor_cache_flight_end(
        cache->w, &cache->lead, NGX_HTTP_PROCTOR_CACHE_ABANDONED);
}


ngx_uint_t
ngx_http_proctor_cache_behind(const ngx_http_proctor_ctx_t *ctx)
{
    return ctx != NULL && ctx->cache != NULL && ctx->cache->background;
}


/* nobody is told what a refresh could not do */

ngx_int_t
ngx_http_proctor_cache_behind_end(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ctx->state = NGX_HTTP_PROCTOR_ANSWERED;

    ngx_http_proctor_cache_flight_end(
        ctx->cache->w, &ctx->cache->lead, NGX_HTTP_PROCTOR_CACHE_FAILED);
    ngx_http_finalize_request(r, NGX_OK);

    return NGX_DONE; /* r may be gone */
}


ngx_int_t
ngx_http_proctor_cache_behind_header(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_key_withdraw(r, ctx);

    if (!ngx_http_proctor_answer_own(r, ctx)) {
        ngx_http_proctor_cache_fill(r, ctx);
        return NGX_OK;
    }

    if (r->headers_out.status == NGX_HTTP_UNAUTHORIZED) {
        ngx_http_proctor_key_refused(r, ctx);
    }

    if (ngx_http_proctor_quota_answer(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_proctor_cache_stale(r, ctx, NGX_HTTP_PROCTOR_FINE) == NGX_OK) {
        return NGX_OK;
    }

    if (ngx_http_proctor_links_wanted(r, ctx)
        && ngx_http_proctor_links_begin(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_proctor_answer_scrub(r, ctx);
    ngx_http_proctor_cache_fill(r, ctx);

    return NGX_OK;
}


/* all is taken, nothing is passed on */

ngx_int_t
ngx_http_proctor_cache_behind_body(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_proctor_ctx_t *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);

    ngx_http_proctor_cache_fill_body(r, ctx, in);

    for (; in != NULL; in = in->next) {
        in->buf->pos = in->buf->last;
        in->buf->file_pos = in->buf->file_last;
    }

    return NGX_OK;
}
