/*
 * A large body is read, hashed and judged in the thread pool, so that the event
 * loop goes on.  Everything a thread touches is on the heap and the task's own:
 * the request may be gone before it ends, and then the waiter's `r` is NULL and
 * the result finds nobody.  The task is freed by its completion handler, which
 * runs in the event loop, always.
 */

#include "ngx_http_proctor_body.h"


#if (NGX_THREADS)

/* patience with the thread pool, ms */

#define NGX_HTTP_PROCTOR_BODY_DEADLINE 10000


typedef struct {
    ngx_http_proctor_body_job_t job;
    ngx_http_proctor_body_file_t file;
    proctor_json_t doc;
    proctor_arena_t *arena;
    ngx_http_proctor_wait_t *wait;
    ngx_thread_task_t task;
    u_char *text;
} ngx_http_proctor_body_task_t;


static ngx_http_proctor_body_task_t *ngx_http_proctor_body_task_create(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static void ngx_http_proctor_body_task_free(ngx_http_proctor_body_task_t *t);
static void ngx_http_proctor_body_task_work(void *data, ngx_log_t *log);
static void ngx_http_proctor_body_task_done(ngx_event_t *ev);


ngx_int_t
ngx_http_proctor_body_task(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_body_task_t *t;
    ngx_http_proctor_main_conf_t *mcf;

    t = ngx_http_proctor_body_task_create(r, ctx);
    if (t == NULL) {
        return NGX_ERROR;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    if (ngx_thread_task_post(mcf->threads, &t->task) != NGX_OK) {
        ngx_http_proctor_body_task_free(t);
        return ngx_http_proctor_refuse(ctx, NGX_HTTP_PROCTOR_BUSY, NULL);
    }

    t->wait =
        ngx_http_proctor_run_suspend(r, ctx, NGX_HTTP_PROCTOR_BODY_DEADLINE);

    /* without a waiter the task frees itself, and the request ends here */

    return (t->wait == NULL) ? NGX_ERROR : NGX_AGAIN;
}


static ngx_http_proctor_body_task_t *
ngx_http_proctor_body_task_create(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_body_task_t *t;

    t = ngx_calloc(sizeof(ngx_http_proctor_body_task_t), r->connection->log);
    if (t == NULL) {
        return NULL;
    }

    t->file.fd = NGX_INVALID_FILE;
    proctor_json_init(&t->doc);
    t->arena = proctor_arena_create(0);
    t->text = ngx_alloc((size_t) ctx->body_len, r->connection->log);

    if (t->arena == NULL || t->text == NULL
        || ngx_http_proctor_body_gather(r, t->text, &t->file) != NGX_OK) {
        ngx_http_proctor_body_task_free(t);
        return NULL;
    }

    t->doc.arena = t->arena;
    t->job.text = (char *) t->text;
    t->job.len = (size_t) ctx->body_len;
    t->job.doc = &t->doc;
    t->job.invalid.arena = t->arena;
    t->job.denied.arena = t->arena;

    ngx_http_proctor_body_rules(ctx, &t->job);

    t->task.ctx = t;
    t->task.handler = ngx_http_proctor_body_task_work;
    t->task.event.data = t;
    t->task.event.handler = ngx_http_proctor_body_task_done;
    t->task.event.log = ngx_cycle->log;

    return t;
}


static void
ngx_http_proctor_body_task_free(ngx_http_proctor_body_task_t *t)
{
    proctor_json_free(&t->doc);

    if (t->arena != NULL) {
        proctor_arena_destroy(t->arena);
    }

    if (t->text != NULL) {
        ngx_free(t->text);
    }

    if (t->file.fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(t->file.fd);
    }

    ngx_free(t);
}


/* in a thread: no request, no pool, no log file of nginx's */

static void
ngx_http_proctor_body_task_work(void *data, ngx_log_t *log)
{
    ngx_http_proctor_body_task_t *t = data;

    (void) log;

    if (ngx_http_proctor_body_pread(&t->file) != NGX_OK) {
        t->job.rc = PROCTOR_ERROR;
        return;
    }

    ngx_http_proctor_body_job(&t->job);
}


static void
ngx_http_proctor_body_task_done(ngx_event_t *ev)
{
    ngx_int_t rc;
    ngx_http_request_t *r;
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_body_task_t *t = ev->data;

    r = (t->wait == NULL) ? NULL : ngx_http_proctor_run_detach(t->wait);

    if (r == NULL) {
        ngx_http_proctor_body_task_free(t);
        return;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);

    rc = ngx_http_proctor_body_result(r, ctx, &t->job);

    ngx_http_proctor_body_task_free(t);

    if (rc == NGX_ERROR) {
        (void) ngx_http_proctor_refuse(ctx, NGX_HTTP_PROCTOR_BUSY, NULL);
    }

    ngx_http_proctor_run_resume(r); /* r may be gone */
}

#endif
