/*
 * The content handler around the location's own (proxy_pass): the request goes
 * out with the headers that key.c made, and what an upstream must not decide
 * for us is taken out of its hands, whatever the configuration forgot.
 */

#include "ngx_http_proctor.h"


typedef struct {
    ngx_http_upstream_conf_t *conf; /* a location's own; NULL: the spare */
    ngx_http_upstream_conf_t *copy;
} ngx_http_proctor_forward_guard_t;


static ngx_int_t ngx_http_proctor_forward(ngx_http_request_t *r);
static ngx_uint_t ngx_http_proctor_forward_is_judged(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_int_t ngx_http_proctor_forward_spare(ngx_array_t *guards);
static void ngx_http_proctor_forward_guard(
    ngx_array_t *guards, ngx_http_upstream_t *u);


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
    ngx_array_t *guards;
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_main_conf_t *mcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);

    if (!ngx_http_proctor_forward_is_judged(r, ctx)) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
            "proctor forward: the configuration changed the request after it "
            "was judged, it is not forwarded");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    guards = &mcf->worker->guards;

    /* now, while the request can still be refused */

    if (ngx_http_proctor_forward_spare(guards) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_in.headers = ctx->lent;
    r->headers_in.headers.last = &r->headers_in.headers.part;
    r->headers_in.upgrade = NULL; /* a tunnel cannot be judged */

    rc = ctx->content_handler(r);

    /* the phase that called us still counts on r, so it is alive */

    if (r->upstream != NULL && r->upstream->conf != NULL) {
        ngx_http_proctor_forward_guard(guards, r->upstream);
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


/* an entry for a configuration that no request was forwarded with before */

static ngx_int_t
ngx_http_proctor_forward_spare(ngx_array_t *guards)
{
    ngx_http_proctor_forward_guard_t *g;

    if (guards->nelts != 0) {
        g = guards->elts;

        if (g[guards->nelts - 1].conf == NULL) {
            return NGX_OK;
        }
    }

    g = ngx_array_push(guards);
    if (g == NULL) {
        return NGX_ERROR;
    }

    g->conf = NULL;
    g->copy = ngx_palloc(guards->pool, sizeof(ngx_http_upstream_conf_t));

    if (g->copy == NULL) {
        guards->nelts--;
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * The upstream's configuration is its location's and immutable: the request is
 * given a copy, which the worker keeps for all that come.  Nothing of the
 * answer has been read yet, but the request may be under way: this does not
 * fail.  Without a spare, a redirect used it before it went to a location that
 * is not ours.
 */

static void
ngx_http_proctor_forward_guard(ngx_array_t *guards, ngx_http_upstream_t *u)
{
    ngx_uint_t i;
    ngx_http_proctor_forward_guard_t *g;

    if ((u->conf->ignore_headers & NGX_HTTP_PROCTOR_FORWARD_IGNORE)
        == NGX_HTTP_PROCTOR_FORWARD_IGNORE) {
        return;
    }

    g = guards->elts;

    for (i = 0; i < guards->nelts; i++) {

        if (g[i].conf == NULL) {
            g[i].conf = u->conf;
            *g[i].copy = *u->conf;
            g[i].copy->ignore_headers |= NGX_HTTP_PROCTOR_FORWARD_IGNORE;
        }

        if (g[i].conf == u->conf) {
            u->conf = g[i].copy;
            return;
        }
    }
}
