/*
 * What an operation has created, by the id in its answer: "id", or "id" inside
 * of "details".
 *
 * The outcome is written before the answer is sent, so only what came with the
 * answer's header can be read: most answers to a creation are short.  Whoever
 * finds no id there records none; the intent is enough to ask the API.  The
 * text is only looked at, whatever framing is around the object.
 */

#include "ngx_http_proctor_audit.h"


static uint32_t ngx_http_proctor_audit_created_id(proctor_json_t *doc);


void
ngx_http_proctor_audit_created(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, proctor_str_t *created)
{
    u_char *p, *last;
    uint32_t id;
    ngx_http_upstream_t *u = ctx->upstream;
    ngx_http_proctor_worker_t *worker;
    ngx_http_proctor_main_conf_t *mcf;

    if (u == NULL || u->headers_in.status_n < 200
        || u->headers_in.status_n >= 300 || ctx->operation->right.len != 6
        || ngx_memcmp(ctx->operation->right.data, "create", 6) != 0
        || u->buffer.pos == NULL || u->buffer.last <= u->buffer.pos) {
        return;
    }

    last = u->buffer.last;
    p = memchr(u->buffer.pos, '{', last - u->buffer.pos);

    while (p != NULL && last > p && last[-1] != '}') {
        last--;
    }

    if (p == NULL || last == p || last - p > NGX_HTTP_PROCTOR_INLINE_MAX) {
        return;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    worker = mcf->worker;

    proctor_arena_reset(worker->arena);

    if (proctor_json_parse(&worker->doc, (char *) p, last - p) != PROCTOR_OK) {
        return;
    }

    id = ngx_http_proctor_audit_created_id(&worker->doc);

    if (id != 0 && worker->doc.nodes[id].type == PROCTOR_JSON_STRING
        && !worker->doc.nodes[id].escaped) {
        created->data = worker->doc.nodes[id].text;
        created->len = worker->doc.nodes[id].len;
    }
}


/* 0: there is none */

static uint32_t
ngx_http_proctor_audit_created_id(proctor_json_t *doc)
{
    uint32_t id, details;

    id = proctor_json_member(doc, 0, "id", sizeof("id") - 1);

    if (id != 0) {
        return id;
    }

    details = proctor_json_member(doc, 0, "details", sizeof("details") - 1);

    if (details == 0 || doc->nodes[details].type != PROCTOR_JSON_OBJECT) {
        return 0;
    }

    return proctor_json_member(doc, details, "id", sizeof("id") - 1);
}
