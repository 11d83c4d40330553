/*
 * An answer waits until its outcome is written.
 *
 * The outcomes of one turn of the event loop leave in one write(): a write() of
 * its own would cost each of them more than all else that is done for it.  Until
 * then the answer is held in our two filters (answer_hold.c), and it goes on at
 * the end of the turn.  With fsync=always it waits on for the disk
 * (audit_sync.c).
 *
 * Who holds is on the heap, in one queue after the other, and freed when it
 * leaves the last: its request may end before, and then `r` is NULL.  The
 * outcome is in the worker's buffer meanwhile, and whoever writes that tells
 * here what became of it (audit_lines.c).
 */

#include "ngx_http_proctor_audit.h"


static void ngx_http_proctor_audit_hold_event(ngx_event_t *ev);
static void ngx_http_proctor_audit_hold_lose(
    ngx_http_proctor_audit_t *audit, ngx_http_proctor_hold_t *hold);
static void ngx_http_proctor_audit_hold_gone(void *data);


void
ngx_http_proctor_audit_hold_init(
    ngx_cycle_t *cycle, ngx_http_proctor_audit_t *audit)
{
    audit->turn.handler = ngx_http_proctor_audit_hold_event;
    audit->turn.data = audit;
    audit->turn.log = cycle->log;

    ngx_queue_init(&audit->held);
    ngx_queue_init(&audit->settled);
}


ngx_int_t
ngx_http_proctor_audit_hold(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_audit_t *audit, size_t len)
{
    ngx_http_cleanup_t *cln;
    ngx_http_proctor_hold_t *hold;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    hold = ngx_alloc(sizeof(ngx_http_proctor_hold_t), r->connection->log);
    if (hold == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_proctor_audit_hold_gone;
    cln->data = ctx;

    hold->r = r;
    hold->lost = 0;
    hold->begin = audit->used;
    audit->used += len;
    hold->end = audit->used;

    ctx->hold = hold;
    ngx_queue_insert_tail(&audit->held, &hold->queue);

    if (!audit->turn.posted) {
        ngx_post_event(&audit->turn, &ngx_posted_events);
    }

    return NGX_AGAIN;
}


static void
ngx_http_proctor_audit_hold_event(ngx_event_t *ev)
{
    ngx_http_proctor_audit_t *audit = ev->data;

    if (!ngx_queue_empty(&audit->held)) {
        (void) ngx_http_proctor_audit_lines_write(audit, 0);
    }

    ngx_http_proctor_audit_sync(audit);
    ngx_http_proctor_audit_hold_settle(audit);
}


void
ngx_http_proctor_audit_hold_written(
    ngx_http_proctor_audit_t *audit, size_t done)
{
    ngx_queue_t *q;
    ngx_http_proctor_hold_t *hold;

    while (!ngx_queue_empty(&audit->held)) {
        q = ngx_queue_head(&audit->held);
        ngx_queue_remove(q);

        hold = ngx_queue_data(q, ngx_http_proctor_hold_t, queue);

        if (hold->end > done) {
            ngx_http_proctor_audit_hold_lose(audit, hold);

        } else if (audit->conf->fsync == NGX_HTTP_PROCTOR_AUDIT_ALWAYS) {
            ngx_http_proctor_audit_sync_hold(audit, hold);
            continue;
        }

        ngx_queue_insert_tail(&audit->settled, q);
    }
}


/* An outcome is owed in any case: that of what the client will be told. */

static void
ngx_http_proctor_audit_hold_lose(
    ngx_http_proctor_audit_t *audit, ngx_http_proctor_hold_t *hold)
{
    size_t len;
    ngx_str_t result;
    u_char *line, other[PROCTOR_AUDIT_LINE];
    ngx_http_proctor_ctx_t *ctx;

    line = audit->lines + hold->begin;
    len = hold->end - hold->begin;

    if (hold->r != NULL) {
        ctx = ngx_http_get_module_ctx(hold->r, ngx_http_proctor_module);

        if (ngx_http_proctor_audit_lost(hold->r, ctx) == NGX_DECLINED) {
            hold->lost = 1;
            hold->r->headers_out.status = NGX_HTTP_BAD_GATEWAY;
            result = ngx_http_proctor_audit_outcome_result(ctx);
            line = other;
            len = ngx_http_proctor_audit_record_outcome(
                hold->r, ctx, &result, line);
        }
    }

    ngx_http_proctor_audit_lines_owe(audit, line, len);
}


/* An answer that goes on may end other requests of its connection: each hold
   knows whether its own is still there. */

void
ngx_http_proctor_audit_hold_settle(ngx_http_proctor_audit_t *audit)
{
    ngx_uint_t lost;
    ngx_queue_t *q, *next, settled;
    ngx_http_request_t *r;
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_hold_t *hold;

    ngx_queue_init(&settled);
    ngx_queue_add(&settled, &audit->settled);
    ngx_queue_init(&audit->settled);

    for (q = ngx_queue_head(&settled); q != ngx_queue_sentinel(&settled);
         q = next) {

        next = ngx_queue_next(q);
        hold = ngx_queue_data(q, ngx_http_proctor_hold_t, queue);
        r = hold->r;
        lost = hold->lost;
        ngx_free(hold);

        if (r != NULL) {
            ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);
            ctx->hold = NULL;
            ngx_http_proctor_answer_release(r, ctx, lost); /* r may be gone */
        }
    }
}


static void
ngx_http_proctor_audit_hold_gone(void *data)
{
    ngx_http_proctor_ctx_t *ctx = data;

    if (ctx->hold != NULL) {
        ctx->hold->r = NULL;
        ctx->hold = NULL;
    }
}


/* the process ends: nobody is answered any more */

void
ngx_http_proctor_audit_hold_exit(ngx_http_proctor_audit_t *audit)
{
    ngx_queue_t *q, *next;

    for (q = ngx_queue_head(&audit->settled);
         q != ngx_queue_sentinel(&audit->settled); q = next) {

        next = ngx_queue_next(q);
        ngx_free(ngx_queue_data(q, ngx_http_proctor_hold_t, queue));
    }
}
