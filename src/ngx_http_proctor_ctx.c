/*
 * What we know of a request: made when it first comes, found again later.
 *
 * The ctx is in r->pool.  A redirect zeroes r->ctx, so it also hangs on a pool
 * cleanup, by whose handler it is found again.
 */

#include "ngx_http_proctor.h"

#include <endian.h>


static void ngx_http_proctor_ctx_cleanup(void *data);
static void ngx_http_proctor_ctx_capture(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_int_t ngx_http_proctor_ctx_request_id(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);


ngx_http_proctor_ctx_t *
ngx_http_proctor_ctx_get(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t *cln;
    ngx_http_proctor_ctx_t *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);

    if (ctx != NULL || !(r->internal || r->filter_finalize)) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln != NULL; cln = cln->next) {
        if (cln->handler == ngx_http_proctor_ctx_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_proctor_module);
            return ctx;
        }
    }

    return NULL;
}


ngx_http_proctor_ctx_t *
ngx_http_proctor_ctx_create(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t *cln;
    ngx_http_proctor_ctx_t *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_proctor_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, offsetof(ngx_http_proctor_ctx_t, match));
    cln->handler = ngx_http_proctor_ctx_cleanup;

    ctx->conf = ngx_http_get_module_loc_conf(r, ngx_http_proctor_module);
    ctx->contract = ctx->conf->contract;
    ctx->body_len = -1;

    ngx_http_proctor_ctx_capture(r, ctx);
    ngx_http_proctor_framing_lines(r, ctx);

    if (ngx_http_proctor_ctx_request_id(r, ctx) != NGX_OK) {
        return NULL;
    }

    ngx_http_set_ctx(r, ctx, ngx_http_proctor_module);

    return ctx;
}


/* also the mark by which the ctx is found again */

static void
ngx_http_proctor_ctx_cleanup(void *data)
{
    ngx_http_proctor_ctx_t *ctx = data;

    ngx_http_proctor_run_gone(ctx);
    ngx_http_proctor_cache_gone(ctx);
}


/* the bytes as they were sent: r->uri is normalised, and error_page edits it */

static void
ngx_http_proctor_ctx_capture(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    u_char *p;

    ctx->http_version = r->http_version;
    ctx->method = r->method_name;
    ctx->path = r->unparsed_uri;

    if (ctx->path.data == NULL) {
        return;
    }

    p = memchr(ctx->path.data, '?', ctx->path.len);

    if (p != NULL) {
        ctx->args.data = p + 1;
        ctx->args.len = ctx->path.data + ctx->path.len - (p + 1);
        ctx->path.len = p - ctx->path.data;
    }
}


static ngx_int_t
ngx_http_proctor_ctx_request_id(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    uint64_t counter;
    ngx_http_proctor_worker_t *worker;
    ngx_http_proctor_main_conf_t *mcf;

    if (ctx->rid.len != 0) {
        return NGX_OK; /* the caller gave one */
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    worker = mcf->worker;

    ctx->rid.data = ngx_pnalloc(r->pool, 32);
    if (ctx->rid.data == NULL) {
        return NGX_ERROR;
    }

    ctx->rid.len = 32;
    ngx_memcpy(ctx->rid.data, worker->rid_prefix, 16);
    counter = htobe64(++worker->rid_counter);
    (void) proctor_hex_write((char *) ctx->rid.data + 16,
        (unsigned char *) &counter, sizeof(counter));

    return NGX_OK;
}
