/*
 * With fsync=always an answer waits until its outcome is on disk.
 *
 * The outcome is in the file by then; what it waits for is a fdatasync in the
 * thread pool, one at a time, for all answers that gathered while the last one
 * took its time.  The event loop goes on meanwhile.  An answer that waits is
 * held in our two filters (answer_hold.c).
 *
 * Who holds is on the heap, in one of two queues, and freed when it leaves
 * both: its request may end before, and then `r` is NULL.  Each knows which file
 * its outcome is in, for FILE may be moved meanwhile.
 */

#include "ngx_http_proctor_audit.h"


struct ngx_http_proctor_hold_s {
    ngx_queue_t queue;
    ngx_http_request_t *r;
    proctor_audit_sync_t file; /* the thread's while it flies; without a
                                  descriptor: the one before it has that */
};


static void ngx_http_proctor_audit_sync_event(ngx_event_t *ev);
static void ngx_http_proctor_audit_sync_work(void *data, ngx_log_t *log);
static void ngx_http_proctor_audit_sync_done(ngx_event_t *ev);
static ngx_int_t ngx_http_proctor_audit_sync_hold(
    ngx_http_proctor_audit_t *audit, ngx_http_proctor_hold_t *hold);
static void ngx_http_proctor_audit_sync_settle(
    ngx_http_proctor_audit_t *audit, ngx_queue_t *settled);
static void ngx_http_proctor_audit_sync_gone(void *data);


ngx_int_t
ngx_http_proctor_audit_sync_init(
    ngx_cycle_t *cycle, ngx_http_proctor_audit_t *audit)
{
    ngx_http_proctor_audit_sync_t *sync = &audit->sync;

    sync->task = ngx_thread_task_alloc(cycle->pool, 0);
    if (sync->task == NULL) {
        return NGX_ERROR;
    }

    sync->task->ctx = sync;
    sync->task->handler = ngx_http_proctor_audit_sync_work;
    sync->task->event.data = audit;
    sync->task->event.handler = ngx_http_proctor_audit_sync_done;
    sync->task->event.log = cycle->log;

    sync->begin.handler = ngx_http_proctor_audit_sync_event;
    sync->begin.data = audit;
    sync->begin.log = cycle->log;

    ngx_queue_init(&sync->waiting);
    ngx_queue_init(&sync->flying);

    return NGX_OK;
}


ngx_int_t
ngx_http_proctor_audit_sync(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_audit_t *audit)
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

    if (ngx_http_proctor_audit_sync_hold(audit, hold) != NGX_OK) {
        ngx_free(hold);
        return NGX_ERROR;
    }

    cln->handler = ngx_http_proctor_audit_sync_gone;
    cln->data = ctx;

    hold->r = r;
    ctx->hold = hold;

    if (!audit->sync.begin.posted) {
        ngx_post_event(&audit->sync.begin, &ngx_posted_events);
    }

    return NGX_AGAIN;
}


/* at the end of those that wait */

static ngx_int_t
ngx_http_proctor_audit_sync_hold(
    ngx_http_proctor_audit_t *audit, ngx_http_proctor_hold_t *hold)
{
    ngx_http_proctor_hold_t *last;
    ngx_http_proctor_audit_sync_t *sync = &audit->sync;

    last = ngx_queue_data(
        ngx_queue_last(&sync->waiting), ngx_http_proctor_hold_t, queue);

    if (!ngx_queue_empty(&sync->waiting)
        && proctor_audit_sync_covers(&last->file, &audit->file)) {
        hold->file = last->file;
        hold->file.fd = -1;

    } else if (proctor_audit_sync_begin(&hold->file, &audit->file)
               != PROCTOR_OK) {
        return NGX_ERROR;
    }

    ngx_queue_insert_tail(&sync->waiting, &hold->queue);

    return NGX_OK;
}


static void
ngx_http_proctor_audit_sync_event(ngx_event_t *ev)
{
    ngx_http_proctor_audit_t *audit = ev->data;
    ngx_http_proctor_audit_sync_t *sync = &audit->sync;

    if (ngx_queue_empty(&sync->waiting) || !ngx_queue_empty(&sync->flying)) {
        return;
    }

    ngx_queue_add(&sync->flying, &sync->waiting);
    ngx_queue_init(&sync->waiting);

    if (ngx_thread_task_post(audit->mcf->threads, sync->task) != NGX_OK) {
        ngx_http_proctor_audit_sync_done(&sync->task->event);
    }
}


/* in a thread: of each hold `file`, nothing else */

static void
ngx_http_proctor_audit_sync_work(void *data, ngx_log_t *log)
{
    ngx_queue_t *q;
    ngx_http_proctor_hold_t *hold;
    const ngx_http_proctor_hold_t *before;
    ngx_http_proctor_audit_sync_t *sync = data;

    (void) log;

    before = NULL;

    for (q = ngx_queue_head(&sync->flying);
         q != ngx_queue_sentinel(&sync->flying); q = ngx_queue_next(q)) {

        hold = ngx_queue_data(q, ngx_http_proctor_hold_t, queue);

        if (hold->file.fd != -1) {
            proctor_audit_sync_work(&hold->file);

        } else if (before != NULL) {
            hold->file = before->file;
        }

        before = hold;
    }
}


static void
ngx_http_proctor_audit_sync_done(ngx_event_t *ev)
{
    ngx_queue_t settled;
    ngx_http_proctor_audit_t *audit = ev->data;
    ngx_http_proctor_audit_sync_t *sync = &audit->sync;

    ngx_queue_init(&settled);
    ngx_queue_add(&settled, &sync->flying);
    ngx_queue_init(&sync->flying);

    if (!ngx_queue_empty(&sync->waiting) && !sync->begin.posted) {
        ngx_post_event(&sync->begin, &ngx_posted_events);
    }

    ngx_http_proctor_audit_sync_settle(audit, &settled);
}


/* An answer that goes on may end other requests of its connection: each hold
   knows whether its own is still there. */

static void
ngx_http_proctor_audit_sync_settle(
    ngx_http_proctor_audit_t *audit, ngx_queue_t *settled)
{
    int rc;
    ngx_queue_t *q;
    ngx_http_request_t *r;
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_hold_t *hold;

    while (!ngx_queue_empty(settled)) {
        q = ngx_queue_head(settled);
        ngx_queue_remove(q);

        hold = ngx_queue_data(q, ngx_http_proctor_hold_t, queue);
        r = hold->r;

        rc = proctor_audit_sync_end(&hold->file, &audit->file);
        ngx_free(hold);

        ngx_http_proctor_audit_lines_say(audit, &audit->file,
            (rc == PROCTOR_OK) ? NULL : "outcomes of calls are lost");

        if (r != NULL) {
            ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);
            ctx->hold = NULL;
            ngx_http_proctor_answer_release(
                r, ctx, rc != PROCTOR_OK); /* r may be gone */
        }
    }
}


static void
ngx_http_proctor_audit_sync_gone(void *data)
{
    ngx_http_proctor_ctx_t *ctx = data;

    if (ctx->hold != NULL) {
        ctx->hold->r = NULL;
        ctx->hold = NULL;
    }
}


/* the process ends, its threads have ended: nobody is answered any more */

void
ngx_http_proctor_audit_sync_exit(ngx_http_proctor_audit_t *audit)
{
    ngx_queue_t *q;
    ngx_http_proctor_hold_t *hold;
    ngx_http_proctor_audit_sync_t *sync = &audit->sync;

    ngx_queue_add(&sync->flying, &sync->waiting);

    while (!ngx_queue_empty(&sync->flying)) {
        q = ngx_queue_head(&sync->flying);
        ngx_queue_remove(q);

        hold = ngx_queue_data(q, ngx_http_proctor_hold_t, queue);
        (void) proctor_audit_sync_end(&hold->file, &audit->file);
        ngx_free(hold);
    }
}
