/*
 * The record of one request: who, what, on what, decided how and why.
 *
 * One line of JSON a request, made in the log phase, when the outcome is known
 * (proctor_audit_log.c is its form).  Lines gather in the worker's buffer and
 * leave in one write() at the end of the event loop's turn: whole lines, to an
 * O_APPEND file, so that workers need neither lock nor order.
 */

#include "ngx_http_proctor.h"


#define NGX_HTTP_PROCTOR_AUDIT_BUFFER 65536


/* by its key and operation: those of most requests are few */

#define NGX_HTTP_PROCTOR_AUDIT_WHO 64

struct ngx_http_proctor_audit_who_s {
    const proctor_key_t *key;
    const proctor_operation_t *operation;
    size_t len; /* 0: not to be had ready-made */
    char text[PROCTOR_AUDIT_WHO_MAX];
};


static ngx_http_proctor_ctx_t *ngx_http_proctor_audit_ctx(
    ngx_http_request_t *r);
static void ngx_http_proctor_audit_who(ngx_http_proctor_worker_t *worker,
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record);
static void ngx_http_proctor_audit_caller(
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record);
static void ngx_http_proctor_audit_call(
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record);
static void ngx_http_proctor_audit_outcome(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record);
static void ngx_http_proctor_audit_times(
    ngx_http_request_t *r, proctor_audit_record_t *record);
static void ngx_http_proctor_audit_append(
    ngx_http_proctor_main_conf_t *mcf, const proctor_audit_record_t *record);
static void ngx_http_proctor_audit_failed(
    ngx_http_proctor_main_conf_t *mcf, ngx_err_t err, ssize_t n);


static ngx_inline proctor_str_t
ngx_http_proctor_audit_str(const ngx_str_t *s)
{
    proctor_str_t to;

    to.data = (s->len == 0) ? NULL : (const char *) s->data;
    to.len = s->len;

    return to;
}


ngx_int_t
ngx_http_proctor_audit(ngx_http_request_t *r)
{
    ngx_str_t word;
    proctor_str_t targets[PROCTOR_PATH_PARAMS];
    proctor_str_t names[PROCTOR_PATH_PARAMS];
    ngx_http_proctor_ctx_t *ctx;
    proctor_audit_record_t record;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    if (mcf->audit == NULL || mcf->worker == NULL) {
        return NGX_OK;
    }

    ctx = ngx_http_proctor_audit_ctx(r);

    if (ctx == NULL || ctx->contract == NULL) {
        return NGX_OK; /* no call to an API: the server's own 400 or 404 */
    }

    ngx_memzero(&record, sizeof(proctor_audit_record_t));

    record.kind.data = "call";
    record.kind.len = sizeof("call") - 1;
    record.rid = ngx_http_proctor_audit_str(&ctx->rid);
    record.client = ngx_http_proctor_audit_str(&r->connection->addr_text);
    record.target_names = names;
    record.targets = targets;

    ngx_http_proctor_audit_caller(ctx, &record);
    ngx_http_proctor_audit_call(ctx, &record);
    ngx_http_proctor_audit_who(mcf->worker, ctx, &record);

    for (; ctx->operation != NULL && record.ntargets < ctx->match.nparams;
         record.ntargets++) {
        names[record.ntargets] = ctx->operation->params[record.ntargets].name;
        targets[record.ntargets] = ctx->match.params[record.ntargets];
    }

    word = ngx_http_proctor_variable_decision(ctx);
    record.decision = ngx_http_proctor_audit_str(&word);
    word = ngx_http_proctor_variable_reason(ctx);
    record.reason = ngx_http_proctor_audit_str(&word);

    ngx_http_proctor_audit_outcome(r, ctx, &record);
    ngx_http_proctor_audit_times(r, &record);
    ngx_http_proctor_audit_append(mcf, &record);

    return NGX_OK;
}


/* also of a request that was gone, or refused by nginx, before our first step */

static ngx_http_proctor_ctx_t *
ngx_http_proctor_audit_ctx(ngx_http_request_t *r)
{
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_loc_conf_t *conf;

    ctx = ngx_http_proctor_run_ctx(r);

    if (ctx != NULL) {
        return ctx;
    }

    conf = ngx_http_get_module_loc_conf(r, ngx_http_proctor_module);

    if (conf->contract == NULL) {
        return NULL;
    }

    ctx = ngx_http_proctor_run_create(r);

    if (ctx != NULL) {
        ctx->state = NGX_HTTP_PROCTOR_ANSWERED;
    }

    return ctx;
}


ngx_int_t
ngx_http_proctor_audit_init(
    ngx_cycle_t *cycle, ngx_http_proctor_worker_t *worker)
{
    worker->audit_buf = ngx_palloc(cycle->pool, NGX_HTTP_PROCTOR_AUDIT_BUFFER);
    worker->audit_who = ngx_pcalloc(cycle->pool,
        NGX_HTTP_PROCTOR_AUDIT_WHO * sizeof(ngx_http_proctor_audit_who_t));

    if (worker->audit_buf == NULL || worker->audit_who == NULL) {
        return NGX_ERROR;
    }

    worker->audit_size = NGX_HTTP_PROCTOR_AUDIT_BUFFER;
    worker->audit_event.handler = ngx_http_proctor_audit_event;
    worker->audit_event.log = cycle->log;

    return NGX_OK;
}


/*
 * Who called what is the same text in record after record: the worker keeps
 * what it wrote last, for as long as the configuration that it points into.
 */

static void
ngx_http_proctor_audit_who(ngx_http_proctor_worker_t *worker,
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record)
{
    uintptr_t i;
    ngx_http_proctor_audit_who_t *who;

    if (ctx->key == NULL || ctx->operation == NULL) {
        return;
    }

    i = ((uintptr_t) ctx->key >> 5) ^ ((uintptr_t) ctx->operation >> 6);
    who = &worker->audit_who[i % NGX_HTTP_PROCTOR_AUDIT_WHO];

    if (who->key != ctx->key || who->operation != ctx->operation) {
        who->key = ctx->key;
        who->operation = ctx->operation;
        who->len = proctor_audit_log_who(record, who->text);
    }

    if (who->len != 0) {
        record->who.data = who->text;
        record->who.len = who->len;
    }
}


static void
ngx_http_proctor_audit_caller(
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record)
{
    record->contract = ctx->contract->name;

    if (ctx->key != NULL) {
        record->team = ctx->key->team->name;
        record->key = ctx->key->id;
        record->actor = ctx->key->actor;
    }

    if (ctx->account != NULL) {
        record->account = ctx->account->name;
    }
}


static void
ngx_http_proctor_audit_call(
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record)
{
    if (ctx->operation != NULL) {
        record->operation = ctx->operation->id;
    }

    record->method = ngx_http_proctor_audit_str(&ctx->method);
    record->path = ngx_http_proctor_audit_str(&ctx->path);

    if (ctx->key != NULL) {
        /* a stranger's query may hold the key that belongs in a header */
        record->query = ngx_http_proctor_audit_str(&ctx->args);
    }

    if (ctx->body_hashed) {
        record->body_sha256 = ctx->body_sha256;
        record->body_len = (uint64_t) ctx->body_len;
    }
}


static void
ngx_http_proctor_audit_outcome(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record)
{
    ngx_str_t detail;
    ngx_http_proctor_refusal_t *said;

    said = (ctx->refusal.code != NGX_HTTP_PROCTOR_FINE) ? &ctx->refusal
                                                        : &ctx->observed;

    if (said->code != NGX_HTTP_PROCTOR_FINE) {
        detail = ngx_http_proctor_error_detail(said);
        record->detail = ngx_http_proctor_audit_str(&detail);
    }

    record->status = (unsigned) r->headers_out.status;

    if (r->err_status != 0 && ctx->refusal.code == NGX_HTTP_PROCTOR_FINE) {
        record->status = (unsigned) r->err_status;
    }

    if (r->upstream != NULL && ctx->state == NGX_HTTP_PROCTOR_PASSED) {
        record->upstream_status = (unsigned) r->upstream->headers_in.status_n;
    }
}


static void
ngx_http_proctor_audit_times(
    ngx_http_request_t *r, proctor_audit_record_t *record)
{
    ngx_uint_t i;
    ngx_time_t *tp;
    ngx_http_upstream_state_t *state;

    tp = ngx_timeofday();

    record->time_us = (int64_t) tp->sec * 1000000 + (int64_t) tp->msec * 1000;
    record->duration_ms = (int64_t) (tp->sec - r->start_sec) * 1000
                          + (int64_t) tp->msec - (int64_t) r->start_msec;
    record->upstream_ms = -1;

    if (r->upstream_states == NULL) {
        return;
    }

    state = r->upstream_states->elts;

    for (i = 0; i < r->upstream_states->nelts; i++) {
        if (state[i].response_time == (ngx_msec_t) -1) {
            continue;
        }

        if (record->upstream_ms < 0) {
            record->upstream_ms = 0;
        }

        record->upstream_ms += (int64_t) state[i].response_time;
    }
}


static void
ngx_http_proctor_audit_append(
    ngx_http_proctor_main_conf_t *mcf, const proctor_audit_record_t *record)
{
    ngx_http_proctor_worker_t *worker;

    worker = mcf->worker;

    if (worker->audit_size - worker->audit_used < PROCTOR_AUDIT_LINE) {
        ngx_http_proctor_audit_flush(mcf);
    }

    worker->audit_used += proctor_audit_log_format(
        record, (char *) worker->audit_buf + worker->audit_used);

    /* a worker that exits has no further turn of its event loop */

    if (ngx_exiting) {
        ngx_http_proctor_audit_flush(mcf);

    } else if (!worker->audit_event.posted) {
        ngx_post_event(&worker->audit_event, &ngx_posted_events);
    }
}


void
ngx_http_proctor_audit_event(ngx_event_t *ev)
{
    ngx_http_proctor_audit_flush(ev->data);
}


/*
 * A short write is finished, not repeated: the rest follows at once, and a
 * line is torn only when that fails, too.
 */

void
ngx_http_proctor_audit_flush(ngx_http_proctor_main_conf_t *mcf)
{
    size_t done;
    ssize_t n;
    ngx_http_proctor_worker_t *worker;

    worker = mcf->worker;

    if (mcf->audit == NULL) {
        return;
    }

    for (done = 0; done < worker->audit_used; done += (size_t) n) {

        n = ngx_write_fd(mcf->audit->fd, worker->audit_buf + done,
            worker->audit_used - done);

        if (n <= 0) {
            ngx_http_proctor_audit_failed(mcf, ngx_errno, n);
            break;
        }
    }

    worker->audit_used = 0;
}


/* once a minute: a full disk is not helped by a full error log */

static void
ngx_http_proctor_audit_failed(
    ngx_http_proctor_main_conf_t *mcf, ngx_err_t err, ssize_t n)
{
    ngx_http_proctor_worker_t *worker;

    worker = mcf->worker;

    if (ngx_time() - worker->audit_said < 60) {
        return;
    }

    worker->audit_said = ngx_time();

    ngx_log_error(NGX_LOG_ALERT, worker->log, (n == 0) ? 0 : err,
        "proctor audit: writing \"%V\" failed, records are lost",
        &mcf->audit->name);
}
