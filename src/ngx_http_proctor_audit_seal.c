/*
 * The sealer's rounds: every `checkpoint=`, as a task of the thread pool, in
 * every worker; all but one learn from FILE.lock that another seals, and one of
 * them takes over when it dies.  proctor_sealer.c is what a round does; here is
 * when, and what is told of it.
 */

#include "ngx_http_proctor_audit.h"


static void ngx_http_proctor_audit_seal_work(void *data, ngx_log_t *log);
static void ngx_http_proctor_audit_seal_done(ngx_event_t *ev);
static void ngx_http_proctor_audit_seal_say(
    ngx_http_proctor_audit_t *audit, ngx_http_proctor_audit_seal_t *seal);
static void ngx_http_proctor_audit_seal_log(
    ngx_http_proctor_audit_t *audit, proctor_sealer_t *sealer);


static ngx_inline int64_t
ngx_http_proctor_audit_seal_now(void)
{
    struct timeval tv;

    ngx_gettimeofday(&tv);

    return (int64_t) tv.tv_sec * 1000000 + tv.tv_usec;
}


ngx_int_t
ngx_http_proctor_audit_seal_init(
    ngx_cycle_t *cycle, ngx_http_proctor_audit_t *audit)
{
    ngx_http_proctor_audit_seal_t *seal = &audit->seal;

    seal->task = ngx_thread_task_alloc(cycle->pool, 0);
    if (seal->task == NULL) {
        return NGX_ERROR;
    }

    seal->task->ctx = seal;
    seal->task->handler = ngx_http_proctor_audit_seal_work;
    seal->task->event.data = audit;
    seal->task->event.handler = ngx_http_proctor_audit_seal_done;
    seal->task->event.log = cycle->log;

    if (proctor_sealer_init(&seal->sealer, (char *) audit->conf->file.data,
            (char *) audit->conf->name.data, audit->id)
        != PROCTOR_OK) {

        /* without its lock a worker's intents would be taken for a dead one's;
           it serves reads, and is told so once a minute */

        seal->rc = PROCTOR_ERROR;
        ngx_http_proctor_audit_seal_say(audit, seal);
        return NGX_DECLINED;
    }

    seal->sealer.signer = audit->conf->signer;
    seal->sealer.out.newest =
        ngx_http_proctor_audit_zone_link(audit->conf->zone);

    return NGX_OK;
}


void
ngx_http_proctor_audit_seal(ngx_http_proctor_audit_t *audit)
{
    ngx_http_proctor_audit_seal_t *seal = &audit->seal;

    if (seal->sealer.lock == -1 || seal->task->event.active || ngx_exiting) {
        return;
    }

    seal->now_us = ngx_http_proctor_audit_seal_now();

    (void) ngx_thread_task_post(audit->mcf->threads, seal->task);
}


static void
ngx_http_proctor_audit_seal_work(void *data, ngx_log_t *log)
{
    ngx_http_proctor_audit_seal_t *seal = data;

    (void) log;

    seal->rc = proctor_sealer_run(&seal->sealer, seal->now_us);
}


static void
ngx_http_proctor_audit_seal_done(ngx_event_t *ev)
{
    ngx_http_proctor_audit_t *audit = ev->data;

    ngx_http_proctor_audit_seal_say(audit, &audit->seal);

    if (audit->seal.rc == PROCTOR_OK && audit->seal.sealer.more) {
        ngx_http_proctor_audit_seal(audit);
    }
}


static void
ngx_http_proctor_audit_seal_say(
    ngx_http_proctor_audit_t *audit, ngx_http_proctor_audit_seal_t *seal)
{
    proctor_sealer_t *sealer = &seal->sealer;

    ngx_http_proctor_audit_lines_say(audit, &sealer->out, NULL);

    if (sealer->note != 0) {
        ngx_http_proctor_audit_zone_set(
            audit->conf->zone, &sealer->checkpoint, sealer->text, sealer->note);
        ngx_http_proctor_audit_seal_log(audit, sealer);
    }

    if (sealer->unknown != 0) {
        ngx_log_error(NGX_LOG_WARN, audit->log, 0,
            "proctor audit: %ui operations of workers that died have an "
            "unknown outcome",
            (ngx_uint_t) sealer->unknown);
    }

    if (sealer->torn != 0) {
        ngx_log_error(NGX_LOG_WARN, audit->log, 0,
            "proctor audit: %ui damaged lines were found and named",
            (ngx_uint_t) sealer->torn);
    }

    if (seal->rc == PROCTOR_ERROR && ngx_time() - seal->said >= 60) {
        seal->said = ngx_time();

        ngx_log_error(NGX_LOG_ALERT, audit->log, sealer->err,
            "proctor audit: %s failed, \"%V\" is not sealed", sealer->what,
            &audit->conf->file);
    }
}


/* on one line, newlines as \n: whoever collects logs holds the checkpoint */

static void
ngx_http_proctor_audit_seal_log(
    ngx_http_proctor_audit_t *audit, proctor_sealer_t *sealer)
{
    size_t i;
    u_char *p, text[2 * PROCTOR_CHECKPOINT_MAX];

    for (p = text, i = 0; i < sealer->note; i++) {
        if (sealer->text[i] == '\n') {
            *p++ = '\\';
            *p++ = 'n';

        } else {
            *p++ = (u_char) sealer->text[i];
        }
    }

    ngx_log_error(NGX_LOG_NOTICE, audit->log, 0,
        "proctor audit: checkpoint %*s", (size_t) (p - text), text);
}


/* the last lines of whoever seals: the process ends, its threads have ended */

void
ngx_http_proctor_audit_seal_exit(ngx_http_proctor_audit_t *audit)
{
    ngx_http_proctor_audit_seal_t *seal = &audit->seal;

    if (seal->sealer.mine) {
        seal->rc = proctor_sealer_run(
            &seal->sealer, ngx_http_proctor_audit_seal_now());
        ngx_http_proctor_audit_seal_say(audit, seal);
    }

    proctor_sealer_free(&seal->sealer);
}
