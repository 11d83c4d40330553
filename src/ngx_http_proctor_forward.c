/*
 * The content handler around the location's own (proxy_pass): the request goes
 * out with the headers that key.c made, and what an upstream must not decide
 * for us is taken out of its hands, whatever the configuration forgot.  So is
 * what the configuration must not decide of a durable operation: it is asked of
 * the upstream once, and to its end, whether its client waits or not.
 *
 * The location's handler chooses the upstream's configuration and would connect
 * at once.  nginx holds an upstream back while r->aio is set: in between the
 * request is given a copy of that configuration, and only then begun.
 */

#include "ngx_http_proctor.h"


typedef struct {
    ngx_http_upstream_conf_t *conf; /* a location's own */
    ngx_http_upstream_conf_t *copy;
    ngx_uint_t durable; /* the copy is for durable operations */
} ngx_http_proctor_forward_guard_t;


static ngx_int_t ngx_http_proctor_forward(ngx_http_request_t *r);
static ngx_uint_t ngx_http_proctor_forward_is_judged(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static void ngx_http_proctor_forward_begin(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_http_upstream_conf_t *ngx_http_proctor_forward_guard(
    ngx_http_request_t *r, ngx_uint_t durable);
static ngx_http_upstream_conf_t *ngx_http_proctor_forward_copy(
    ngx_array_t *guards, ngx_http_upstream_conf_t *conf, ngx_uint_t durable);


/* an upstream's X-Accel-* would choose our files, limits and caching */

#define NGX_HTTP_PROCTOR_FORWARD_IGNORE                                        \
    (NGX_HTTP_UPSTREAM_IGN_XA_REDIRECT | NGX_HTTP_UPSTREAM_IGN_XA_EXPIRES      \
        | NGX_HTTP_UPSTREAM_IGN_XA_LIMIT_RATE                                  \
        | NGX_HTTP_UPSTREAM_IGN_XA_BUFFERING                                   \
        | NGX_HTTP_UPSTREAM_IGN_XA_CHARSET)


ngx_int_t
ngx_http_proctor_forward_init(
    ngx_cycle_t *cycle, ngx_http_proctor_worker_t *worker)
{
    return ngx_array_init(&worker->guards, cycle->pool, 4,
        sizeof(ngx_http_proctor_forward_guard_t));
}


void
ngx_http_proctor_forward_wrap(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    if (r->content_handler == NULL || ctx->nlent == 0
        || r->content_handler == ngx_http_proctor_forward) {
        return;
    }

    ctx->content_handler = r->content_handler;
    r->content_handler = ngx_http_proctor_forward;
}


static ngx_int_t
ngx_http_proctor_forward(ngx_http_request_t *r)
{
    ngx_int_t rc;
    ngx_http_upstream_t *before;
    ngx_http_proctor_ctx_t *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);

    if (!ngx_http_proctor_forward_is_judged(r, ctx)) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
            "proctor forward: the configuration changed the request after it "
            "was judged, it is not forwarded");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_proctor_audit_forward(r, ctx) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
            "proctor forward: a durable operation is made once, and only when "
            "it was written down, it is not forwarded");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_in.headers = ctx->lent;
    r->headers_in.headers.last = &r->headers_in.headers.part;
    r->headers_in.upgrade = NULL; /* a tunnel cannot be judged */

    before = r->upstream;

    r->aio = 1;
    rc = ctx->content_handler(r);
    r->aio = 0;

    /* the phase that called us still counts on r, so it is alive */

    if (r->upstream == before) {
        ngx_post_event(r->connection->write, &ngx_posted_events);

    } else if (rc == NGX_DONE) {
        ctx->upstream = r->upstream;
        ngx_http_proctor_forward_begin(r, ctx);
    }

    return rc;
}


/*
 * What goes out is what came in, unless a rewrite, `set $args` or an error page
 * chose another target: then nginx sends r->uri, which nobody has judged.
 */

static ngx_uint_t
ngx_http_proctor_forward_is_judged(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    return r->valid_unparsed_uri
           || (r->uri.len == ctx->path.len && r->args.len == ctx->args.len
               && ngx_memcmp(r->uri.data, ctx->path.data, r->uri.len) == 0
               && ngx_memcmp(r->args.data, ctx->args.data, r->args.len) == 0);
}


/* The body was read by a step of ours: nothing but r->aio held nginx back. */

static void
ngx_http_proctor_forward_begin(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_upstream_conf_t *conf;

    conf = ngx_http_proctor_forward_guard(r, ctx->operation->durable);

    if (conf == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    r->upstream->conf = conf;
    ngx_http_upstream_init(r);
}


/*
 * The upstream's configuration is its location's and immutable: the request is
 * given a copy, which the worker keeps for all that come.
 */

static ngx_http_upstream_conf_t *
ngx_http_proctor_forward_guard(ngx_http_request_t *r, ngx_uint_t durable)
{
    ngx_uint_t i;
    ngx_array_t *guards;
    ngx_http_upstream_conf_t *conf;
    ngx_http_proctor_forward_guard_t *g;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    conf = r->upstream->conf;
    guards = &mcf->worker->guards;
    g = guards->elts;

    for (i = 0; i < guards->nelts; i++) {
        if (g[i].conf == conf && g[i].durable == durable) {
            return g[i].copy;
        }
    }

    return ngx_http_proctor_forward_copy(guards, conf, durable);
}


static ngx_http_upstream_conf_t *
ngx_http_proctor_forward_copy(
    ngx_array_t *guards, ngx_http_upstream_conf_t *conf, ngx_uint_t durable)
{
    ngx_http_upstream_conf_t *copy;
    ngx_http_proctor_forward_guard_t *g;

    copy = ngx_palloc(guards->pool, sizeof(ngx_http_upstream_conf_t));
    if (copy == NULL) {
        return NULL;
    }

    *copy = *conf;
    copy->ignore_headers |= NGX_HTTP_PROCTOR_FORWARD_IGNORE;

    if (durable) {
        copy->next_upstream = NGX_HTTP_UPSTREAM_FT_OFF;
        copy->next_upstream_tries = 1;
        copy->ignore_client_abort = 1;
    }

    g = ngx_array_push(guards);
    if (g == NULL) {
        return NULL;
    }

    g->conf = conf;
    g->copy = copy;
    g->durable = durable;

    return copy;
}
