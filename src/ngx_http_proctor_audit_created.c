/*
 * What an operation has created, by the id in its answer.
 *
 * The outcome is written before the answer is sent, so only what came with the
 * answer's header can be read: most answers to a creation are short.  Whoever
 * finds no id there records none; the intent is enough to ask the API.
 * Whatever framing is around the object is passed over.
 */

#include "ngx_http_proctor_audit.h"


void
ngx_http_proctor_audit_created(
    const ngx_http_proctor_ctx_t *ctx, proctor_str_t *created)
{
    u_char *p;
    ngx_http_upstream_t *u = ctx->upstream;

    if (u == NULL || u->headers_in.status_n < 200
        || u->headers_in.status_n >= 300 || ctx->operation->right.len != 6
        || ngx_memcmp(ctx->operation->right.data, "create", 6) != 0
        || u->buffer.pos == NULL || u->buffer.last <= u->buffer.pos) {
        return;
    }

    p = memchr(u->buffer.pos, '{', u->buffer.last - u->buffer.pos);

    if (p != NULL) {
        (void) proctor_audit_created((char *) p, u->buffer.last - p, created);
    }
}
