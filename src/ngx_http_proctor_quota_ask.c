/*
 * One question to Redis, and the request that waits for its answer.
 *
 * The client answers every call once, within its own timeout.  A request that
 * leaves meanwhile is detached, not cancelled: what Redis did for it is then
 * known, and can be undone.
 */

#include "ngx_http_proctor_quota.h"


/* longer than the client takes: no request hangs, whatever happens */
#define NGX_HTTP_PROCTOR_QUOTA_PATIENCE 60000


static ngx_uint_t ngx_http_proctor_quota_ask_lookup(
    ngx_http_proctor_quota_ask_t *ask, const ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_redis_command_t *commands);
static void ngx_http_proctor_quota_ask_answered(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);
static void ngx_http_proctor_quota_ask_free(ngx_http_proctor_quota_ask_t *ask);


ngx_int_t
ngx_http_proctor_quota_ask(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    const ngx_http_proctor_redis_script_t *script,
    const ngx_http_proctor_quota_args_t *args,
    ngx_http_proctor_quota_ask_pt handler)
{
    ngx_int_t rc;
    ngx_uint_t n;
    ngx_http_proctor_quota_ask_t *ask;
    ngx_http_proctor_main_conf_t *mcf;
    ngx_http_proctor_redis_command_t commands[NGX_HTTP_PROCTOR_REDIS_BATCH];

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    ask = ngx_calloc(sizeof(ngx_http_proctor_quota_ask_t), r->connection->log);
    if (ask == NULL) {
        return NGX_ERROR;
    }

    ask->handler = handler;
    ask->mcf = mcf;
    ask->team = ctx->key->team;
    ask->operation = ctx->operation;
    ask->call.handler = ngx_http_proctor_quota_ask_answered;
    ask->call.data = ask;

    ngx_queue_insert_tail(&mcf->worker->asks, &ask->queue);

    commands[0].argv = args->argv;
    commands[0].argc = args->argc;
    commands[0].script = script;
    n = 1 + ngx_http_proctor_quota_ask_lookup(ask, ctx, &commands[1]);

    rc = ngx_http_proctor_redis_send(
        mcf->worker->redis, &ask->call, commands, n);

    if (rc != NGX_OK) {
        ngx_http_proctor_quota_ask_free(ask);
        return NGX_DECLINED;
    }

    ask->wait =
        ngx_http_proctor_run_suspend(r, ctx, NGX_HTTP_PROCTOR_QUOTA_PATIENCE);

    if (ask->wait == NULL) {
        ngx_http_proctor_redis_cancel(&ask->call);
        ngx_http_proctor_quota_ask_free(ask);
        return NGX_ERROR;
    }

    if (ask->lookup) {
        ctx->lookup->sent = 1;
    }

    return NGX_AGAIN;
}


/* what wants to travel with the first question; their number */

static ngx_uint_t
ngx_http_proctor_quota_ask_lookup(ngx_http_proctor_quota_ask_t *ask,
    const ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_redis_command_t *commands)
{
    const ngx_http_proctor_lookup_t *lookup = ctx->lookup;

    if (lookup == NULL || lookup->sent
        || lookup->n > NGX_HTTP_PROCTOR_LOOKUP_MAX) {
        return 0;
    }

    ask->lookup = 1;
    ngx_memcpy(commands, lookup->commands,
        lookup->n * sizeof(ngx_http_proctor_redis_command_t));

    return lookup->n;
}


static void
ngx_http_proctor_quota_ask_answered(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_http_proctor_quota_ask_t *ask = data;

    ngx_int_t rc;
    ngx_uint_t lookup;
    ngx_http_request_t *r;
    ngx_http_proctor_ctx_t *ctx;
    const ngx_http_proctor_redis_reply_t *reply;

    (void) status; /* the first error's, whosever that is */

    r = ngx_http_proctor_run_detach(ask->wait);
    reply = replies;

    if (reply != NULL && reply->error != NGX_HTTP_PROCTOR_REDIS_REPLY) {
        reply = NULL;
    }

    rc = ask->handler(ask, r, reply);
    lookup = ask->lookup;

    ngx_http_proctor_quota_ask_free(ask);

    if (r == NULL) {
        return;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);

    if (rc == NGX_ERROR) {
        (void) ngx_http_proctor_refuse(ctx, NGX_HTTP_PROCTOR_BUSY, NULL);

    } else if (rc == NGX_OK && lookup) {
        ctx->lookup->handler(r, ctx, replies == NULL ? NULL : replies + 1);
    }

    ngx_http_proctor_run_resume(r);
}


static void
ngx_http_proctor_quota_ask_free(ngx_http_proctor_quota_ask_t *ask)
{
    ngx_queue_remove(&ask->queue);
    ngx_free(ask);
}


/* the process ends: replies will not come any more */

void
ngx_http_proctor_quota_exit(ngx_http_proctor_worker_t *worker)
{
    ngx_queue_t *q;
    ngx_http_proctor_quota_ask_t *ask;

    q = ngx_queue_head(&worker->asks);

    while (q != ngx_queue_sentinel(&worker->asks)) {
        ask = ngx_queue_data(q, ngx_http_proctor_quota_ask_t, queue);
        q = ngx_queue_next(q);

        ngx_http_proctor_redis_cancel(&ask->call);
        (void) ngx_http_proctor_run_detach(ask->wait);
        ngx_http_proctor_quota_ask_free(ask);
    }
}


void
ngx_http_proctor_quota_tell(ngx_http_proctor_main_conf_t *mcf,
    const ngx_http_proctor_redis_script_t *script,
    const ngx_http_proctor_quota_args_t *args)
{
    ngx_http_proctor_redis_command_t command;

    command.argv = args->argv;
    command.argc = args->argc;
    command.script = script;

    (void) ngx_http_proctor_redis_send(mcf->worker->redis, NULL, &command, 1);
}


void
ngx_http_proctor_quota_args(
    ngx_http_proctor_quota_args_t *args, ngx_uint_t nkeys)
{
    args->argc = 0;
    args->last = args->text;

    ngx_http_proctor_quota_arg_number(args, (int64_t) nkeys);
}


void
ngx_http_proctor_quota_arg(
    ngx_http_proctor_quota_args_t *args, const proctor_str_t *s)
{
    args->argv[args->argc++] = *s;
}


void
ngx_http_proctor_quota_arg_number(
    ngx_http_proctor_quota_args_t *args, int64_t n)
{
    proctor_str_t *arg = &args->argv[args->argc++];

    arg->data = (char *) args->last;
    args->last = ngx_sprintf(args->last, "%L", n);
    arg->len = (char *) args->last - arg->data;
}
