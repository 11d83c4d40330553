/*
 * An answer that waits, in our two filters, until its outcome is written.
 *
 * nginx lets no header filter say "later".  So it is told that the header has
 * gone, as its own image filter does; what comes of the body is kept as it is,
 * unused, which makes nginx wait as for a client that is slow; and r->buffered
 * keeps the request.  Then the header goes on to the next filter, and what was
 * kept to the body filter.
 */

#include "ngx_http_proctor.h"


/* a bit of r->buffered that no filter of nginx's has */
#define NGX_HTTP_PROCTOR_BUFFERED 0x08


static ngx_int_t ngx_http_proctor_answer_hold_end(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_uint_t lost);
static void ngx_http_proctor_answer_hold_drop(
    ngx_http_proctor_ctx_t *ctx, ngx_chain_t *in);


ngx_int_t
ngx_http_proctor_answer_hold(ngx_http_request_t *r)
{
    r->buffered |= NGX_HTTP_PROCTOR_BUFFERED;

    return NGX_OK;
}


ngx_int_t
ngx_http_proctor_answer_hold_body(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_chain_t *in)
{
    return (ngx_chain_add_copy(r->pool, &ctx->kept, in) == NGX_OK) ? NGX_AGAIN
                                                                   : NGX_ERROR;
}


void
ngx_http_proctor_answer_release(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_uint_t lost)
{
    ngx_connection_t *c = r->connection;

    ngx_http_set_log_request(c->log, r);

    r->buffered &= ~NGX_HTTP_PROCTOR_BUFFERED;

    /* an error is told to whoever sends next: he has an upstream to end, too */

    if (ngx_http_proctor_answer_hold_end(r, ctx, lost) != NGX_OK) {
        ctx->answer = NGX_HTTP_PROCTOR_BROKEN;
    }

    r->write_event_handler(r); /* whoever waited for a slow client */

    ngx_http_run_posted_requests(c); /* r may be gone */
}


static ngx_int_t
ngx_http_proctor_answer_hold_end(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_uint_t lost)
{
    ngx_int_t rc;
    ngx_chain_t *in = ctx->kept;

    ctx->kept = NULL;

    if (lost && ngx_http_proctor_answer_replace(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_proctor_answer_go(r, ctx);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        return NGX_ERROR; /* too late for another answer */
    }

    if (r->header_only) {
        ngx_http_proctor_answer_hold_drop(ctx, in);
        return NGX_OK;
    }

    return (in == NULL || ngx_http_proctor_answer_body(r, in) != NGX_ERROR)
               ? NGX_OK
               : NGX_ERROR;
}


/* who knows that only a header is wanted sends no body */

static void
ngx_http_proctor_answer_hold_drop(ngx_http_proctor_ctx_t *ctx, ngx_chain_t *in)
{
    for (; in != NULL; in = in->next) {
        in->buf->pos = in->buf->last;
        in->buf->file_pos = in->buf->file_last;
    }

    if (ctx->answer == NGX_HTTP_PROCTOR_REPLACE) {
        ctx->answer = NGX_HTTP_PROCTOR_REPLACED;
    }
}
