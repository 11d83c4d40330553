/*
 * With fsync=always an answer waits until its outcome is on disk.
 *
 * The outcome is in the file by then; what it waits for is a fdatasync in the
 * thread pool, one at a time, for all answers that gathered while the last one
 * took its time.  The event loop goes on meanwhile.
 *
 * Each that holds knows which file its outcome is in, for FILE may be moved
 * meanwhile.
 */

#include "ngx_http_proctor_audit.h"


static void ngx_http_proctor_audit_sync_work(void *data, ngx_log_t *log);
static void ngx_http_proctor_audit_sync_done(ngx_event_t *ev);
static void ngx_http_proctor_audit_sync_spread(
    ngx_http_proctor_audit_t *audit, const proctor_audit_sync_t *failed);
static void ngx_http_proctor_audit_sync_end(
    ngx_http_proctor_audit_t *audit, ngx_http_proctor_hold_t *hold);
static ngx_int_t ngx_http_proctor_audit_sync_begin(
    ngx_http_proctor_audit_t *audit, ngx_http_proctor_hold_t *hold);


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

    ngx_queue_init(&sync->waiting);
    ngx_queue_init(&sync->flying);

    return NGX_OK;
}


void
ngx_http_proctor_audit_sync_hold(
    ngx_http_proctor_audit_t *audit, ngx_http_proctor_hold_t *hold)
{
    ngx_http_proctor_audit_sync_t *sync = &audit->sync;

    if (ngx_http_proctor_audit_sync_begin(audit, hold) == NGX_OK) {
        ngx_queue_insert_tail(&sync->waiting, &hold->queue);

    } else {
        ngx_http_proctor_audit_sync_end(audit, hold);
    }
}


/* behind those that wait, whose file is the same but after a move */

static ngx_int_t
ngx_http_proctor_audit_sync_begin(
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
        return NGX_OK;
    }

    return (proctor_audit_sync_begin(&hold->file, &audit->file) == PROCTOR_OK)
               ? NGX_OK
               : NGX_ERROR;
}


void
ngx_http_proctor_audit_sync(ngx_http_proctor_audit_t *audit)
{
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
    ngx_queue_t *q, synced;
    ngx_http_proctor_hold_t *hold;
    ngx_http_proctor_audit_t *audit = ev->data;
    ngx_http_proctor_audit_sync_t *sync = &audit->sync;

    ngx_queue_init(&synced);
    ngx_queue_add(&synced, &sync->flying);
    ngx_queue_init(&sync->flying);

    while (!ngx_queue_empty(&synced)) {
        q = ngx_queue_head(&synced);
        ngx_queue_remove(q);

        hold = ngx_queue_data(q, ngx_http_proctor_hold_t, queue);

        if (hold->file.tried && hold->file.rc != PROCTOR_OK) {
            ngx_http_proctor_audit_sync_spread(audit, &hold->file);
        }

        ngx_http_proctor_audit_sync_end(audit, hold);
    }

    ngx_http_proctor_audit_sync(audit);
    ngx_http_proctor_audit_hold_settle(audit);
}


/* What waits is in a file of which the disk has lost data: the next fdatasync()
   would succeed, and say nothing of that. */

static void
ngx_http_proctor_audit_sync_spread(
    ngx_http_proctor_audit_t *audit, const proctor_audit_sync_t *failed)
{
    ngx_queue_t *q, *next;
    ngx_http_proctor_hold_t *hold;
    ngx_http_proctor_audit_sync_t *sync = &audit->sync;

    for (q = ngx_queue_head(&sync->waiting);
         q != ngx_queue_sentinel(&sync->waiting); q = next) {

        next = ngx_queue_next(q);
        hold = ngx_queue_data(q, ngx_http_proctor_hold_t, queue);

        if (hold->file.dev == failed->dev && hold->file.ino == failed->ino) {
            ngx_queue_remove(q);

            hold->file.what = failed->what;
            hold->file.err = failed->err;
            ngx_http_proctor_audit_sync_end(audit, hold);
        }
    }
}


static void
ngx_http_proctor_audit_sync_end(
    ngx_http_proctor_audit_t *audit, ngx_http_proctor_hold_t *hold)
{
    int rc;

    rc = proctor_audit_sync_end(&hold->file, &audit->file);

    ngx_http_proctor_audit_lines_say(audit, &audit->file,
        (rc == PROCTOR_OK) ? NULL : "outcomes of calls are lost");

    if (rc != PROCTOR_OK && hold->r != NULL) {
        hold->lost = ngx_http_proctor_audit_lost(
                         hold->r, ngx_http_proctor_ctx_get(hold->r))
                     == NGX_DECLINED;
    }

    ngx_queue_insert_tail(&audit->settled, &hold->queue);
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
        hold->r = NULL;
        ngx_http_proctor_audit_sync_end(audit, hold);
    }
}
