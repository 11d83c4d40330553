/*
 * One request through the table of steps.
 *
 * The runner alone moves ctx->state, and only here is a request suspended and
 * resumed.  nginx calls ngx_http_proctor_run() as its PRECONTENT handler, once
 * at first and again after every wait, every body read and every internal
 * redirect.
 *
 * A waiter is on the heap: it may outlive the request, and then has r == NULL.
 */

#include "ngx_http_proctor.h"


static ngx_int_t ngx_http_proctor_run_steps(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_int_t ngx_http_proctor_run_again(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_int_t ngx_http_proctor_run_subrequest(ngx_http_request_t *r);
static void ngx_http_proctor_run_body(ngx_http_request_t *r);
static void ngx_http_proctor_run_deadline(ngx_event_t *ev);


ngx_int_t
ngx_http_proctor_run(ngx_http_request_t *r)
{
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_loc_conf_t *conf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);

    if (r != r->main && !ngx_http_proctor_cache_behind(ctx)) {
        return ngx_http_proctor_run_subrequest(r);
    }

    if (ctx == NULL) {
        ctx = ngx_http_proctor_ctx_get(r);
    }

    if (ctx == NULL) {
        conf = ngx_http_get_module_loc_conf(r, ngx_http_proctor_module);
        if (conf->contract == NULL) {
            return NGX_DECLINED;
        }

        ctx = ngx_http_proctor_ctx_create(r);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    switch (ctx->state) {
    case NGX_HTTP_PROCTOR_RUN:
        return ngx_http_proctor_run_steps(r, ctx);

    case NGX_HTTP_PROCTOR_READ:
        return NGX_DONE;

    case NGX_HTTP_PROCTOR_WAIT:
        return NGX_AGAIN;

    case NGX_HTTP_PROCTOR_PASSED:
    case NGX_HTTP_PROCTOR_ANSWERED:
        break;
    }

    return ngx_http_proctor_run_again(r, ctx);
}


static ngx_int_t
ngx_http_proctor_run_steps(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_int_t rc;
    ngx_http_proctor_step_t *step;

    for (;;) {
        step = &ngx_http_proctor_steps[ctx->step];

        if (ctx->refusal.code != NGX_HTTP_PROCTOR_FINE) {
            rc = NGX_DECLINED; /* refused while it waited */

        } else if (step->handler != NULL) {
            rc = step->handler(r, ctx);

        } else {
            break;
        }

        if (rc == NGX_OK) {
            ctx->step++;
            continue;
        }

        if (rc == NGX_DONE) {
            ngx_http_proctor_run_read(r);
            return NGX_DONE; /* r may be gone */
        }

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        if (ngx_http_proctor_cache_behind(ctx)) {
            return ngx_http_proctor_cache_behind_end(r, ctx);
        }

        if (rc != NGX_DECLINED) {
            return rc; /* NGX_ERROR */
        }

        if (!ngx_http_proctor_cache_rescue(r, ctx)) {
            ctx->state = NGX_HTTP_PROCTOR_ANSWERED;
            return ngx_http_proctor_error_send(r, ctx);
        }

        break;
    }

    ctx->state = NGX_HTTP_PROCTOR_PASSED;

    if (!ngx_http_proctor_cache_answers(r, ctx)) {
        ngx_http_proctor_forward_wrap(r, ctx);
    }

    return NGX_DECLINED;
}


/*
 * A redirect brought the request back.  What was decided stays decided; the
 * key goes on only to a location of the same contract.
 */

static ngx_int_t
ngx_http_proctor_run_again(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_loc_conf_t *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_proctor_module);

    if (ctx->state == NGX_HTTP_PROCTOR_PASSED && ctx->nlent != 0
        && conf->contract == ctx->contract) {
        ngx_http_proctor_forward_wrap(r, ctx);
        return NGX_DECLINED;
    }

    if (ngx_http_proctor_key_strip(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_DECLINED;
}


/* A mirror of a request that we passed takes neither side's key along. */

static ngx_int_t
ngx_http_proctor_run_subrequest(ngx_http_request_t *r)
{
    ngx_http_proctor_ctx_t *ctx;

    ctx = ngx_http_proctor_ctx_get(r->main);

    if (ctx != NULL && ctx->nlent != 0) {
        ngx_http_proctor_key_withdraw(r, ctx);
    }

    return NGX_DECLINED;
}


/*
 * nginx's mirror reads bodies in this shape; one path, whether the body was
 * already there or not.  Nothing is returned: run_steps() answers NGX_DONE.
 */

void
ngx_http_proctor_run_read(ngx_http_request_t *r)
{
    ngx_int_t rc;
    ngx_http_proctor_ctx_t *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);
    ctx->state = NGX_HTTP_PROCTOR_READ;

    rc = ngx_http_read_client_request_body(r, ngx_http_proctor_run_body);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    ngx_http_finalize_request(r, NGX_DONE);
}


static void
ngx_http_proctor_run_body(ngx_http_request_t *r)
{
    ngx_http_proctor_ctx_t *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);
    ctx->state = NGX_HTTP_PROCTOR_RUN;
    ctx->step++;

    r->preserve_body = 1;
    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


ngx_http_proctor_wait_t *
ngx_http_proctor_run_suspend(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_msec_t deadline)
{
    ngx_event_t *rev;
    ngx_http_cleanup_t *cln;
    ngx_http_proctor_wait_t *w;

    rev = r->connection->read;
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);

    } else if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        return NULL;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NULL;
    }

    w = ngx_calloc(sizeof(ngx_http_proctor_wait_t), r->connection->log);
    if (w == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_proctor_run_gone;
    cln->data = ctx;

    w->r = r;
    w->timer.data = w;
    w->timer.log = r->connection->log;
    w->timer.handler = ngx_http_proctor_run_deadline;
    w->late = NGX_HTTP_PROCTOR_BUSY;

    ngx_add_timer(&w->timer, deadline);

    ctx->wait = w;
    ctx->state = NGX_HTTP_PROCTOR_WAIT;

    return w;
}


ngx_http_request_t *
ngx_http_proctor_run_detach(ngx_http_proctor_wait_t *w)
{
    ngx_http_request_t *r;
    ngx_http_proctor_ctx_t *ctx;

    r = w->r;

    if (r != NULL) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);
        ctx->wait = NULL;
        ngx_del_timer(&w->timer);
    }

    ngx_free(w);

    return r;
}


void
ngx_http_proctor_run_resume(ngx_http_request_t *r)
{
    ngx_connection_t *c;
    ngx_http_proctor_ctx_t *ctx;

    c = r->connection;
    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);

    ngx_http_set_log_request(c->log, r);

    ctx->state = NGX_HTTP_PROCTOR_RUN;
    ctx->step++;
    r->read_event_handler = ngx_http_block_reading;

    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c); /* r may be gone */
}


/* Patience is over; the work goes on, and its result will find nobody. */

static void
ngx_http_proctor_run_deadline(ngx_event_t *ev)
{
    ngx_http_request_t *r;
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_wait_t *w = ev->data;

    r = w->r;
    w->r = NULL;

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);
    ctx->wait = NULL;
    (void) ngx_http_proctor_refuse(ctx, w->late, NULL);

    ngx_http_proctor_run_resume(r);
}


void
ngx_http_proctor_run_gone(void *data)
{
    ngx_http_proctor_ctx_t *ctx = data;

    ngx_http_proctor_wait_t *w = ctx->wait;

    if (w == NULL) {
        return;
    }

    ctx->wait = NULL;
    w->r = NULL;

    if (w->timer.timer_set) {
        ngx_del_timer(&w->timer);
    }
}
