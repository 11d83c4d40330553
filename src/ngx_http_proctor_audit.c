/*
 * Nothing happens unaudited: the intent of a durable operation is on disk
 * before it is made, or it is not made.
 *
 * The step is the last but one: all others have agreed.  The request waits for
 * the disk at most `timeout=`; who lost patience is refused, also when the disk
 * is done a moment later.  forward.c asks once more, so that no other way to
 * the upstream leads around the trail.
 */

#include "ngx_http_proctor_audit.h"


static ngx_int_t ngx_http_proctor_audit_now(ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_audit_t *audit, ngx_http_request_t *r);
static ngx_http_proctor_audit_intent_t *ngx_http_proctor_audit_intent(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_audit_t *audit);


ngx_int_t
ngx_http_proctor_audit(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_audit_t *audit;
    ngx_http_proctor_main_conf_t *mcf;
    ngx_http_proctor_audit_intent_t *intent;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    audit = mcf->worker->audit;

    if (audit == NULL || !ctx->operation->durable) {
        return NGX_OK;
    }

    if (audit->seal.sealer.lock == -1) {
        return ngx_http_proctor_refuse(ctx, NGX_HTTP_PROCTOR_AUDIT_DOWN, NULL);
    }

    ctx->intent_id = ++audit->counter;

    if (audit->conf->fsync == NGX_HTTP_PROCTOR_AUDIT_NEVER) {
        return ngx_http_proctor_audit_now(ctx, audit, r);
    }

    if (audit->nwaiting == NGX_HTTP_PROCTOR_AUDIT_QUEUE) {
        return ngx_http_proctor_refuse(ctx, NGX_HTTP_PROCTOR_AUDIT_DOWN, NULL);
    }

    intent = ngx_http_proctor_audit_intent(r, ctx, audit);
    if (intent == NULL) {
        return NGX_ERROR;
    }

    intent->wait = ngx_http_proctor_run_suspend(r, ctx, audit->conf->timeout);

    if (intent->wait == NULL) {
        return NGX_ERROR;
    }

    intent->wait->late = NGX_HTTP_PROCTOR_AUDIT_LATE;
    ctx->intent = intent;
    ctx->audit = NGX_HTTP_PROCTOR_AUDIT_WAITING;

    ngx_http_proctor_audit_commit(audit, intent);

    return NGX_AGAIN;
}


/* fsync=never: written, and left to the kernel */

static ngx_int_t
ngx_http_proctor_audit_now(ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_audit_t *audit, ngx_http_request_t *r)
{
    size_t len;
    u_char *line;

    line = ngx_http_proctor_audit_lines_room(audit);
    len = ngx_http_proctor_audit_record_intent(r, ctx, line);

    ngx_http_proctor_audit_stream(audit, ctx, line, len);

    if (ngx_http_proctor_audit_lines_write(audit, len) != NGX_OK) {
        return ngx_http_proctor_refuse(ctx, NGX_HTTP_PROCTOR_AUDIT_DOWN, NULL);
    }

    ctx->audit = NGX_HTTP_PROCTOR_AUDIT_WRITTEN;

    return NGX_OK;
}


static ngx_http_proctor_audit_intent_t *
ngx_http_proctor_audit_intent(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_audit_t *audit)
{
    size_t len;
    u_char *line;
    ngx_http_proctor_audit_intent_t *intent;

    line = ngx_http_proctor_audit_lines_room(audit); /* to compose it */
    len = ngx_http_proctor_audit_record_intent(r, ctx, line);

    intent = ngx_palloc(r->pool, sizeof(ngx_http_proctor_audit_intent_t) + len);
    if (intent == NULL) {
        return NULL;
    }

    intent->r = r;
    intent->flying = 0;
    intent->len = len;
    intent->line = (u_char *) (intent + 1);
    ngx_memcpy(intent->line, line, len);

    return intent;
}


ngx_int_t
ngx_http_proctor_audit_forward(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    if (mcf->worker->audit == NULL || !ctx->operation->durable) {
        return NGX_OK;
    }

    if (ctx->audit != NGX_HTTP_PROCTOR_AUDIT_WRITTEN) {
        return NGX_DECLINED;
    }

    ctx->audit = NGX_HTTP_PROCTOR_AUDIT_SENT;

    return NGX_OK;
}
