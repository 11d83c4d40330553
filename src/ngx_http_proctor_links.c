/*
 * Links in an answer are given the gateway's origin: the header filter asks
 * whether an answer has any, the body filter sends it through here.
 * proctor_links.c does the rewriting.
 *
 * Incoming buffers are consumed, never kept: bytes are copied into buffers of
 * our own, which come back through ngx_chain_update_chains().
 */

#include "ngx_http_proctor.h"
#include "proctor_links.h"


#define NGX_HTTP_PROCTOR_LINKS_BUFFER 8192


typedef struct {
    ngx_http_request_t *r;
    ngx_http_proctor_ctx_t *ctx;
} ngx_http_proctor_links_to_t;


static int ngx_http_proctor_links_emit(
    void *data, const char *bytes, size_t len);
static ngx_buf_t *ngx_http_proctor_links_buf(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);


ngx_uint_t
ngx_http_proctor_links_wanted(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    return ctx->operation != NULL && ctx->operation->nlinks != 0
           && ctx->state == NGX_HTTP_PROCTOR_PASSED
           && ngx_http_proctor_answer_upstream(r)
           && r->headers_out.status >= 200 && r->headers_out.status < 300
           && r->headers_out.status != NGX_HTTP_NO_CONTENT;
}


ngx_int_t
ngx_http_proctor_links_begin(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_str_t value;
    proctor_str_t origin;
    ngx_http_proctor_links_to_t *to;

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_weak_etag(r);

    if (r->method == NGX_HTTP_HEAD) {
        return NGX_OK;
    }

    if (ngx_http_proctor_links_origin(r, ctx, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    to = ngx_palloc(r->pool, sizeof(ngx_http_proctor_links_to_t));
    ctx->links = ngx_palloc(r->pool, sizeof(proctor_links_t));
    if (to == NULL || ctx->links == NULL) {
        return NGX_ERROR;
    }

    to->r = r;
    to->ctx = ctx;
    origin.data = (char *) value.data;
    origin.len = value.len;

    proctor_links_init(ctx->links, ctx->operation->links,
        ctx->operation->nlinks, &origin, ngx_http_proctor_links_emit, to);

    ctx->answer = NGX_HTTP_PROCTOR_LINKS;
    r->main_filter_need_in_memory = 1;

    return NGX_OK;
}


/* proctor_origin, or what the client itself called us */

ngx_int_t
ngx_http_proctor_links_origin(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_str_t *origin)
{
    u_char *p;
    ngx_str_t *host;
    ngx_http_core_srv_conf_t *cscf;

    if (ctx->conf->origin != NULL) {
        return ngx_http_complex_value(r, ctx->conf->origin, origin);
    }

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    host = (r->headers_in.host != NULL) ? &r->headers_in.host->value
                                        : &cscf->server_name;

    origin->data = ngx_pnalloc(r->pool, sizeof("https://") - 1 + host->len);
    if (origin->data == NULL) {
        return NGX_ERROR;
    }

    p = origin->data;
#if (NGX_HTTP_SSL)
    p = (r->connection->ssl != NULL) ? ngx_cpymem(p, "https://", 8)
                                     : ngx_cpymem(p, "http://", 7);
#else
    p = ngx_cpymem(p, "http://", 7);
#endif
    p = ngx_cpymem(p, host->data, host->len);

    origin->len = p - origin->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_proctor_links_body(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    ngx_chain_t *in, ngx_http_output_body_filter_pt next)
{
    int rc;
    ngx_int_t sent;
    ngx_buf_t *b, *last;
    ngx_uint_t flush;

    ctx->out = NULL;
    ctx->out_last = &ctx->out;
    ctx->out_buf = NULL;
    flush = 0;
    last = NULL;
    rc = PROCTOR_OK;

    for (; in != NULL && rc == PROCTOR_OK; in = in->next) {

        b = in->buf;

        rc = proctor_links_feed(
            ctx->links, (char *) b->pos, (size_t) (b->last - b->pos));

        b->pos = b->last;
        flush |= b->flush;

        if ((b->last_buf || (b->sync && b->last_in_chain))
            && rc == PROCTOR_OK) {
            last = b;
            rc = proctor_links_end(ctx->links);
        }
    }

    if (rc != PROCTOR_OK) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
            "proctor answer: a link in the API's answer could not be "
            "rewritten, the answer is cut");
        return NGX_ERROR;
    }

    if (last != NULL || flush) {
        b = ngx_http_proctor_links_buf(r, ctx);
        if (b == NULL) {
            return NGX_ERROR;
        }

        b->flush = (flush != 0);
        b->last_buf = (last != NULL);
        b->last_in_chain = (last != NULL);
    }

    sent = next(r, ctx->out);

    ngx_chain_update_chains(r->pool, &ctx->free, &ctx->busy, &ctx->out,
        (ngx_buf_tag_t) &ngx_http_proctor_module);

    return sent;
}


static int
ngx_http_proctor_links_emit(void *data, const char *bytes, size_t len)
{
    size_t n;
    ngx_buf_t *b;
    ngx_http_proctor_links_to_t *to = data;

    while (len != 0) {

        b = to->ctx->out_buf;

        if (b == NULL || b->last == b->end) {
            b = ngx_http_proctor_links_buf(to->r, to->ctx);
            if (b == NULL) {
                return PROCTOR_ERROR;
            }
        }

        n = ngx_min((size_t) (b->end - b->last), len);
        b->last = ngx_cpymem(b->last, bytes, n);
        b->temporary = 1;
        bytes += n;
        len -= n;
    }

    return PROCTOR_OK;
}


/* an empty buffer of ours at the end of the outgoing chain */

static ngx_buf_t *
ngx_http_proctor_links_buf(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    u_char *start, *end;
    ngx_buf_t *b;
    ngx_chain_t *cl;

    cl = ngx_chain_get_free_buf(r->pool, &ctx->free);
    if (cl == NULL) {
        return NULL;
    }

    b = cl->buf;
    start = b->start;
    end = b->end;

    if (start == NULL) {
        start = ngx_palloc(r->pool, NGX_HTTP_PROCTOR_LINKS_BUFFER);
        if (start == NULL) {
            return NULL;
        }

        end = start + NGX_HTTP_PROCTOR_LINKS_BUFFER;
    }

    ngx_memzero(b, sizeof(ngx_buf_t));

    b->start = b->pos = b->last = start;
    b->end = end;
    b->tag = (ngx_buf_tag_t) &ngx_http_proctor_module;

    cl->next = NULL;
    *ctx->out_last = cl;
    ctx->out_last = &cl->next;
    ctx->out_buf = b;

    return b;
}
