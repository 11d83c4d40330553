/*
 * Upstream answers that are none, or that two readers may read in two ways: the
 * header filter makes a 502 of them, as nginx does of what it cannot parse.
 * What else comes on such a connection belongs to nobody: a call that took it
 * over would be answered with another one's rest.
 */

#include "ngx_http_proctor.h"


static ngx_uint_t ngx_http_proctor_answer_is_odd(ngx_http_request_t *r);
static ngx_uint_t ngx_http_proctor_answer_is_framed_twice(
    ngx_http_upstream_headers_in_t *in);


void
ngx_http_proctor_answer_odd(
    ngx_http_request_t *r, const ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_upstream_headers_in_t *in;

    if (r->upstream == NULL || r->err_status != 0
        || !ngx_http_proctor_answer_is_odd(r)) {
        return;
    }

    /* nothing more is read of it, and nothing more is asked there */

    in = &r->upstream->headers_in;
    in->connection_close = 1;
    in->content_length_n = 0;
    in->chunked = 0;

    r->http_version = ctx->http_version;
    r->err_status = NGX_HTTP_BAD_GATEWAY;
    r->headers_out.status = NGX_HTTP_BAD_GATEWAY;

    if (r->upstream->state != NULL) {
        r->upstream->state->status = NGX_HTTP_BAD_GATEWAY;
    }
}


/*
 * Bytes that are no HTTP, which nginx takes for HTTP/0.9; a status that is
 * interim, of which nobody asked for 101, or none at all (RFC 9110, 15).
 */

static ngx_uint_t
ngx_http_proctor_answer_is_odd(ngx_http_request_t *r)
{
    ngx_http_upstream_headers_in_t *in;

    in = &r->upstream->headers_in;

    return r->http_version < NGX_HTTP_VERSION_10
           || (in->status_line.len != 0
               && (in->status_n < 200 || in->status_n > 599
                   || ngx_http_proctor_answer_is_framed_twice(in)));
}


/* two lengths, or a length and chunks (RFC 9112, 6.3); nginx 1.22 takes one */

static ngx_uint_t
ngx_http_proctor_answer_is_framed_twice(ngx_http_upstream_headers_in_t *in)
{
    ngx_table_elt_t *h, *length;
    ngx_http_proctor_headers_t it;

    length = in->content_length;

    if (length == NULL || in->chunked) {
        return length != NULL;
    }

    it.part = &in->headers.part;
    it.i = 0;

    while ((h = ngx_http_proctor_headers_next(&it)) != NULL) {
        if (h != length && h->hash == length->hash
            && h->key.len == length->key.len
            && ngx_strncasecmp(h->key.data, length->key.data, h->key.len)
                   == 0) {
            return 1;
        }
    }

    return 0;
}
