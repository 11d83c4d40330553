/*
 * Whose word an answer is: nginx's own, an upstream's, or the API's.
 *
 * An error page may lead to a location with an upstream of its own.  What that
 * says is what the client gets, but not what the API said: r->upstream is the
 * last one that was asked, ctx->upstream the one that was lent the key.
 */

#include "ngx_http_proctor.h"


/* an answer that came from the upstream, and that nginx did not overrule */

ngx_uint_t
ngx_http_proctor_answer_upstream(ngx_http_request_t *r)
{
    return r->err_status == 0 && r->upstream != NULL
           && r->upstream->headers_in.status_n != 0;
}


ngx_uint_t
ngx_http_proctor_answer_own(
    ngx_http_request_t *r, const ngx_http_proctor_ctx_t *ctx)
{
    return r->upstream == ctx->upstream && ngx_http_proctor_answer_upstream(r);
}


ngx_uint_t
ngx_http_proctor_answer_status(const ngx_http_proctor_ctx_t *ctx)
{
    ngx_uint_t status;
    const ngx_http_upstream_t *u = ctx->upstream;

    status = (u == NULL) ? 0 : u->headers_in.status_n;

    /* a header that breaks off behind its first line is no answer */

    return (status != 0 && u->state != NULL && u->state->status != status)
               ? 0
               : status;
}
