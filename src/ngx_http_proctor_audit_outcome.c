/*
 * How a durable operation ended: one outcome for each intent.
 *
 * It is written when the answer's header is decided, before it leaves: nobody
 * is told of a success that the trail does not know of.  What never comes to a
 * header (a connection that breaks, a worker that has to end) is written in the
 * log phase.  There, too, the records of all other calls are made.
 */

#include "ngx_http_proctor_audit.h"


static ngx_http_proctor_ctx_t *ngx_http_proctor_audit_outcome_ctx(
    ngx_http_request_t *r);
static void ngx_http_proctor_audit_outcome_leave(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_audit_t *audit);


ngx_int_t
ngx_http_proctor_audit_answer(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    size_t len;
    u_char *line;
    ngx_str_t result;
    ngx_http_proctor_audit_t *audit;
    ngx_http_proctor_main_conf_t *mcf;

    if (ctx->audit != NGX_HTTP_PROCTOR_AUDIT_WRITTEN
        && ctx->audit != NGX_HTTP_PROCTOR_AUDIT_SENT) {
        return NGX_OK;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    audit = mcf->worker->audit;
    result = ngx_http_proctor_audit_outcome_result(ctx);

    ctx->audit = NGX_HTTP_PROCTOR_AUDIT_SETTLED;

    line = ngx_http_proctor_audit_lines_room(audit);
    len = ngx_http_proctor_audit_record_outcome(r, ctx, &result, line);

    ngx_http_proctor_audit_stream(audit, ctx, line, len);

    if (ngx_http_proctor_audit_hold(r, ctx, audit, len) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    /* no memory to wait with */

    if (ngx_http_proctor_audit_lines_write(audit, len) != NGX_OK) {
        ngx_http_proctor_audit_lines_owe(audit, line, len);

    } else if (audit->conf->fsync != NGX_HTTP_PROCTOR_AUDIT_ALWAYS) {
        return NGX_OK;
    }

    return ngx_http_proctor_audit_lost(r, ctx);
}


ngx_int_t
ngx_http_proctor_audit_lost(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    if (r->headers_out.status >= NGX_HTTP_BAD_REQUEST || r->err_status != 0) {
        return NGX_OK;
    }

    return ngx_http_proctor_refuse(ctx, NGX_HTTP_PROCTOR_AUDIT_LOST, NULL);
}


/* What the upstream said is how it ended, whatever the client is told. */

ngx_str_t
ngx_http_proctor_audit_outcome_result(const ngx_http_proctor_ctx_t *ctx)
{
    ngx_uint_t status;
    const ngx_http_upstream_t *u = ctx->upstream;

    static ngx_str_t ok = ngx_string("ok");
    static ngx_str_t refused = ngx_string("refused");
    static ngx_str_t failed = ngx_string("upstream_error");
    static ngx_str_t timeout = ngx_string("timeout");

    status = ngx_http_proctor_answer_status(ctx);

    if (status != 0) {
        return (status >= 200 && status < 300)   ? ok
               : (status >= 400 && status < 500) ? refused
                                                 : failed;
    }

    if (u == NULL) {
        return refused;
    }

    if (u->state != NULL && u->state->status == NGX_HTTP_GATEWAY_TIME_OUT) {
        return timeout;
    }

    return u->request_sent ? failed : refused;
}


ngx_int_t
ngx_http_proctor_audit_end(ngx_http_request_t *r)
{
    size_t len;
    u_char *line;
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_audit_t *audit;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    if (mcf->worker == NULL || mcf->worker->audit == NULL) {
        return NGX_OK;
    }

    ctx = ngx_http_proctor_audit_outcome_ctx(r);

    if (ctx == NULL || ctx->contract == NULL
        || ctx->audit == NGX_HTTP_PROCTOR_AUDIT_SETTLED) {
        return NGX_OK; /* no call to an API: the server's own 400 or 404 */
    }

    audit = mcf->worker->audit;

    if (ctx->audit != NGX_HTTP_PROCTOR_AUDIT_NONE) {
        ngx_http_proctor_audit_outcome_leave(r, ctx, audit);
        return NGX_OK;
    }

    if (ctx->operation != NULL && ctx->operation->audit == PROCTOR_AUDIT_NONE) {
        return NGX_OK;
    }

    line = ngx_http_proctor_audit_lines_room(audit);
    len = ngx_http_proctor_audit_record_call(r, ctx, line);

    ngx_http_proctor_audit_stream(audit, ctx, line, len);
    ngx_http_proctor_audit_lines_add(audit, len);

    return NGX_OK;
}


/* It ends before its answer began. */

static void
ngx_http_proctor_audit_outcome_leave(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_audit_t *audit)
{
    size_t len;
    u_char *line;
    ngx_str_t result;
    ngx_http_proctor_audit_intent_t *intent = ctx->intent;

    static ngx_str_t gone = ngx_string("client_gone");
    static ngx_str_t unknown = ngx_string("unknown");

    line = ngx_http_proctor_audit_lines_room(audit);

    if (ctx->audit == NGX_HTTP_PROCTOR_AUDIT_WAITING) {
        ctx->audit = NGX_HTTP_PROCTOR_AUDIT_SETTLED;
        ctx->intent = NULL;

        ngx_http_proctor_audit_outcome_late(r, ctx, intent);
        len = ngx_http_proctor_audit_record_call(r, ctx, line);

        ngx_http_proctor_audit_stream(audit, ctx, line, len);
        ngx_http_proctor_audit_commit_leave(audit, intent, len);
        return;
    }

    result = (ctx->audit == NGX_HTTP_PROCTOR_AUDIT_WRITTEN) ? gone : unknown;

    if (ngx_http_proctor_answer_status(ctx) != 0) {
        result = ngx_http_proctor_audit_outcome_result(ctx);
    }

    ctx->audit = NGX_HTTP_PROCTOR_AUDIT_SETTLED;

    len = ngx_http_proctor_audit_record_outcome(r, ctx, &result, line);

    ngx_http_proctor_audit_stream(audit, ctx, line, len);
    ngx_http_proctor_audit_lines_settle(audit, len);
}


void
ngx_http_proctor_audit_outcome_late(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_audit_intent_t *intent)
{
    ngx_http_proctor_main_conf_t *mcf;

    static ngx_str_t gone = ngx_string("client_gone");
    static ngx_str_t timeout = ngx_string("timeout");

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    intent->id_len = proctor_audit_id(
        (char *) intent->id, mcf->worker->audit->id, ctx->intent_id);
    intent->rid_len = ctx->rid.len;
    ngx_memcpy(intent->rid, ctx->rid.data, ctx->rid.len);

    intent->result =
        (ctx->refusal.code == NGX_HTTP_PROCTOR_FINE) ? gone : timeout;
    intent->reason = ngx_http_proctor_variable_reason(ctx);
    intent->status = r->headers_out.status;
}


void
ngx_http_proctor_audit_outcome_unknown(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_audit_t *audit)
{
    size_t len;
    u_char *line;

    static ngx_str_t unknown = ngx_string("unknown");

    line = ngx_http_proctor_audit_lines_room(audit);
    len = ngx_http_proctor_audit_record_outcome(r, ctx, &unknown, line);

    ngx_http_proctor_audit_lines_settle(audit, len);
}


/* also of a request that was gone, or refused by nginx, before our first step */

static ngx_http_proctor_ctx_t *
ngx_http_proctor_audit_outcome_ctx(ngx_http_request_t *r)
{
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_loc_conf_t *conf;

    ctx = ngx_http_proctor_ctx_get(r);

    if (ctx != NULL) {
        return ctx;
    }

    conf = ngx_http_get_module_loc_conf(r, ngx_http_proctor_module);

    if (conf->contract == NULL) {
        return NULL;
    }

    ctx = ngx_http_proctor_ctx_create(r);

    if (ctx != NULL) {
        ctx->state = NGX_HTTP_PROCTOR_ANSWERED;
    }

    return ctx;
}
