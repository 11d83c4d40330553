/*
 * Intents to the disk: one task at a time writes and syncs, in the thread pool,
 * all intents that gathered while the last one did (group commit), and then
 * resumes their requests.
 *
 * Where there is company there is more to come: a batch after one of several
 * intents waits two milliseconds for others.  On a fast disk the next one would
 * else begin with the few that came during the last fdatasync, and each costs
 * as much as a whole request.  Who is alone never waits.
 *
 * The task has a batch and a file handle of its own.  An intent whose request
 * lost patience or left is not taken out of a batch that is being written: when
 * it turns out to be in the file, its outcome is written at once; it is never
 * forwarded.  What is needed for that moves to the heap when the request ends.
 */

#include "ngx_http_proctor_audit.h"


#define NGX_HTTP_PROCTOR_AUDIT_COMPANY 2 /* ms */


static void ngx_http_proctor_audit_commit_soon(ngx_http_proctor_audit_t *audit);
static void ngx_http_proctor_audit_commit_event(ngx_event_t *ev);
static ngx_int_t ngx_http_proctor_audit_commit_batch(
    ngx_http_proctor_audit_t *audit);
static void ngx_http_proctor_audit_commit_work(void *data, ngx_log_t *log);
static void ngx_http_proctor_audit_commit_done(ngx_event_t *ev);
static void ngx_http_proctor_audit_commit_settle(
    ngx_http_proctor_audit_t *audit, ngx_queue_t *settled);
static void ngx_http_proctor_audit_commit_end(ngx_http_proctor_audit_t *audit,
    ngx_http_proctor_audit_intent_t *intent, ngx_uint_t written);
static void ngx_http_proctor_audit_commit_move(ngx_http_proctor_audit_t *audit,
    ngx_http_proctor_audit_intent_t *intent, const u_char *line, size_t len);


ngx_int_t
ngx_http_proctor_audit_commit_init(
    ngx_cycle_t *cycle, ngx_http_proctor_audit_t *audit)
{
    ngx_http_proctor_audit_commit_t *commit = &audit->commit;

    commit->task = ngx_thread_task_alloc(cycle->pool, 0);
    if (commit->task == NULL) {
        return NGX_ERROR;
    }

    commit->task->ctx = audit;
    commit->task->handler = ngx_http_proctor_audit_commit_work;
    commit->task->event.data = audit;
    commit->task->event.handler = ngx_http_proctor_audit_commit_done;
    commit->task->event.log = cycle->log;

    audit->begin.handler = ngx_http_proctor_audit_commit_event;
    audit->begin.data = audit;
    audit->begin.log = cycle->log;

    ngx_queue_init(&audit->waiting);
    ngx_queue_init(&audit->flying);

    proctor_audit_file_init(&commit->file, (char *) audit->conf->file.data,
        (char *) audit->conf->name.data);
    commit->file.newest = ngx_http_proctor_audit_zone_link(audit->conf->zone);
    commit->file.ordered = 1;

    return NGX_OK;
}


void
ngx_http_proctor_audit_commit(
    ngx_http_proctor_audit_t *audit, ngx_http_proctor_audit_intent_t *intent)
{
    ngx_queue_insert_tail(&audit->waiting, &intent->queue);
    audit->nwaiting++;

    ngx_http_proctor_audit_commit_soon(audit);
}


/* the next batch, unless one is under way: its end asks again */

static void
ngx_http_proctor_audit_commit_soon(ngx_http_proctor_audit_t *audit)
{
    ngx_event_t *begin = &audit->begin;

    if (audit->nwaiting == 0 || begin->posted
        || !ngx_queue_empty(&audit->flying)) {
        return;
    }

    if (audit->commit.count > 1
        && audit->nwaiting < NGX_HTTP_PROCTOR_AUDIT_BATCH
        && audit->conf->fsync == NGX_HTTP_PROCTOR_AUDIT_GROUP) {

        if (!begin->timer_set) {
            ngx_add_timer(begin, NGX_HTTP_PROCTOR_AUDIT_COMPANY);
        }

        return;
    }

    if (begin->timer_set) {
        ngx_del_timer(begin);
    }

    ngx_post_event(begin, &ngx_posted_events);
}


static void
ngx_http_proctor_audit_commit_event(ngx_event_t *ev)
{
    ngx_http_proctor_audit_t *audit = ev->data;

    ngx_http_proctor_audit_commit_t *commit = &audit->commit;

    if (audit->nwaiting == 0 || !ngx_queue_empty(&audit->flying)) {
        return;
    }

    commit->rc = PROCTOR_ERROR;
    commit->done = 0;
    commit->file.what = "posting a task for";
    commit->file.err = 0;

    if (ngx_http_proctor_audit_commit_batch(audit) != NGX_OK
        || ngx_thread_task_post(audit->mcf->threads, commit->task) != NGX_OK) {
        ngx_http_proctor_audit_commit_done(&commit->task->event);
    }
}


/* The first one is taken in any case: its request learns of a failure, too. */

static ngx_int_t
ngx_http_proctor_audit_commit_batch(ngx_http_proctor_audit_t *audit)
{
    u_char *p;
    size_t need;
    ngx_queue_t *q;
    ngx_http_proctor_audit_intent_t *intent;
    ngx_http_proctor_audit_commit_t *commit = &audit->commit;

    commit->len = 0;
    commit->count = 0;

    do {
        q = ngx_queue_head(&audit->waiting);
        ngx_queue_remove(q);
        audit->nwaiting--;

        intent = ngx_queue_data(q, ngx_http_proctor_audit_intent_t, queue);
        intent->flying = 1;
        commit->count++;
        ngx_queue_insert_tail(&audit->flying, q);

        need = commit->len + intent->len;
        intent->end = need;

        if (need > commit->size) {
            p = realloc(commit->batch, 2 * need);
            if (p == NULL) {
                return NGX_ERROR;
            }

            commit->batch = p;
            commit->size = 2 * need;
        }

        ngx_memcpy(commit->batch + commit->len, intent->line, intent->len);
        commit->len = need;

    } while (audit->nwaiting != 0
             && audit->conf->fsync != NGX_HTTP_PROCTOR_AUDIT_ALWAYS);

    commit->intents += commit->count;
    commit->batches++;

    return NGX_OK;
}


/* in a thread: the batch and its file, nothing else */

static void
ngx_http_proctor_audit_commit_work(void *data, ngx_log_t *log)
{
    ngx_http_proctor_audit_t *audit = data;

    ngx_http_proctor_audit_commit_t *commit = &audit->commit;

    (void) log;

    commit->rc = proctor_audit_file_append(
        &commit->file, (char *) commit->batch, commit->len, &commit->done);

    if (commit->rc == PROCTOR_OK) {
        commit->rc = proctor_audit_file_sync(&commit->file);
    }
}


static void
ngx_http_proctor_audit_commit_done(ngx_event_t *ev)
{
    ngx_queue_t settled;
    ngx_http_proctor_audit_t *audit = ev->data;

    ngx_http_proctor_audit_lines_say(audit, &audit->commit.file,
        (audit->commit.rc == PROCTOR_OK) ? NULL
                                         : "durable operations are refused");

    ngx_queue_init(&settled);
    ngx_queue_add(&settled, &audit->flying);
    ngx_queue_init(&audit->flying);

    ngx_http_proctor_audit_commit_soon(audit);

    ngx_http_proctor_audit_commit_settle(audit, &settled);
}


/* A request that goes on may end others of its connection: of each intent only
   its waiter knows whether its request is still there. */

static void
ngx_http_proctor_audit_commit_settle(
    ngx_http_proctor_audit_t *audit, ngx_queue_t *settled)
{
    int rc;
    size_t done;
    ngx_queue_t *q;
    ngx_http_request_t *r;
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_audit_intent_t *intent;

    rc = audit->commit.rc;
    done = audit->commit.done;

    while (!ngx_queue_empty(settled)) {
        q = ngx_queue_head(settled);
        ngx_queue_remove(q);

        intent = ngx_queue_data(q, ngx_http_proctor_audit_intent_t, queue);
        r = ngx_http_proctor_run_detach(intent->wait);

        if (r == NULL) {
            ngx_http_proctor_audit_commit_end(
                audit, intent, intent->end <= done);
            continue;
        }

        ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);
        ctx->intent = NULL;
        ctx->audit = (intent->end <= done) ? NGX_HTTP_PROCTOR_AUDIT_WRITTEN
                                           : NGX_HTTP_PROCTOR_AUDIT_NONE;
        if (rc == PROCTOR_OK) {
            ngx_http_proctor_audit_stream(
                audit, ctx, intent->line, intent->len);

        } else {
            (void) ngx_http_proctor_refuse(
                ctx, NGX_HTTP_PROCTOR_AUDIT_DOWN, NULL);
        }

        ngx_http_proctor_run_resume(r); /* r may be gone */
    }
}


/* Its request waits no more: what it came to is said here, but for one that is
   not in the file and has not ended, which will say itself that it was denied. */

static void
ngx_http_proctor_audit_commit_end(ngx_http_proctor_audit_t *audit,
    ngx_http_proctor_audit_intent_t *intent, ngx_uint_t written)
{
    u_char *line;
    ngx_http_proctor_ctx_t *ctx;

    if (intent->r != NULL) {
        ctx = ngx_http_proctor_ctx_get(intent->r);
        ctx->intent = NULL;
        ctx->audit = written ? NGX_HTTP_PROCTOR_AUDIT_SETTLED
                             : NGX_HTTP_PROCTOR_AUDIT_NONE;

        ngx_http_proctor_audit_outcome_late(intent->r, ctx, intent);
    }

    line = ngx_http_proctor_audit_lines_room(audit);

    if (written) {
        ngx_http_proctor_audit_lines_settle(
            audit, ngx_http_proctor_audit_record_late(intent, line));

    } else if (intent->r == NULL) {
        ngx_memcpy(line, intent->line, intent->len);
        ngx_http_proctor_audit_lines_add(audit, intent->len);
    }

    if (intent->r == NULL) {
        ngx_free(intent);
    }
}


void
ngx_http_proctor_audit_commit_leave(ngx_http_proctor_audit_t *audit,
    ngx_http_proctor_audit_intent_t *intent, size_t len)
{
    if (intent->flying) {
        ngx_http_proctor_audit_commit_move(
            audit, intent, audit->lines + audit->used, len);
        return;
    }

    ngx_queue_remove(&intent->queue);
    audit->nwaiting--;

    (void) ngx_http_proctor_run_detach(intent->wait);
    ngx_http_proctor_audit_lines_add(audit, len);
}


/* to the heap, in its place */

static void
ngx_http_proctor_audit_commit_move(ngx_http_proctor_audit_t *audit,
    ngx_http_proctor_audit_intent_t *intent, const u_char *line, size_t len)
{
    ngx_http_proctor_audit_intent_t *left;

    left = ngx_alloc(sizeof(ngx_http_proctor_audit_intent_t) + len, audit->log);

    if (left != NULL) {
        *left = *intent;
        left->r = NULL;
        left->len = len;
        left->line = (u_char *) (left + 1);
        ngx_memcpy(left->line, line, len);

        ngx_queue_insert_tail(&intent->queue, &left->queue);

    } else {
        (void) ngx_http_proctor_run_detach(intent->wait);
        ngx_log_error(NGX_LOG_ALERT, audit->log, 0,
            "proctor audit: no memory for an outcome, it will be \"unknown\"");
    }

    ngx_queue_remove(&intent->queue);
}


void
ngx_http_proctor_audit_commit_exit(ngx_http_proctor_audit_t *audit)
{
    ngx_queue_t *q, *next;
    ngx_http_request_t *r;
    ngx_http_proctor_audit_intent_t *intent;
    ngx_http_proctor_audit_commit_t *commit = &audit->commit;

    for (q = ngx_queue_head(&audit->flying);
         q != ngx_queue_sentinel(&audit->flying); q = next) {

        next = ngx_queue_next(q);
        intent = ngx_queue_data(q, ngx_http_proctor_audit_intent_t, queue);
        r = ngx_http_proctor_run_detach(intent->wait);

        if (r == NULL) {
            ngx_http_proctor_audit_commit_end(
                audit, intent, intent->end <= commit->done);

        } else if (intent->end <= commit->done) {
            ngx_http_proctor_audit_outcome_unknown(
                r, ngx_http_proctor_ctx_get(r), audit);
        }
    }

    proctor_audit_file_close(&commit->file);
    free(commit->batch);
}


u_char *
ngx_http_proctor_audit_show(
    u_char *p, u_char *last, const ngx_http_proctor_audit_t *audit)
{
    if (audit == NULL) {
        return ngx_slprintf(p, last, ",\"audit\":null");
    }

    return ngx_slprintf(p, last,
        ",\"audit\":{\"intents\":%ui,\"batches\":%ui,\"waiting\":%ui,"
        "\"owed\":%uz}",
        audit->commit.intents, audit->commit.batches, audit->nwaiting,
        audit->nowed);
}
