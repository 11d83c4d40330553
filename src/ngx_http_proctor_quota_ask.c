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
    const ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_redis_command_t *commands, ngx_uint_t n);
static void ngx_http_proctor_quota_ask_answered(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);
static void ngx_http_proctor_quota_ask_resume(ngx_http_request_t *r,
    ngx_int_t rc, const ngx_http_proctor_redis_reply_t *looked_up,
    ngx_uint_t lookup);
static void ngx_http_proctor_quota_ask_free(ngx_http_proctor_quota_ask_t *ask);


ngx_int_t
ngx_http_proctor_quota_ask(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_redis_command_t *commands, ngx_uint_t n,
    ngx_http_proctor_quota_ask_pt handler)
{
    ngx_int_t rc;
    ngx_http_proctor_quota_ask_t *ask;
    ngx_http_proctor_main_conf_t *mcf;

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
    ask->sent = ngx_http_proctor_quota_now();
    ask->n = n;
    ask->all = n + ngx_http_proctor_quota_ask_lookup(ctx, commands, n);

    if (ctx->quota != NULL) {
        ngx_memcpy(ask->id, ctx->quota->id, NGX_HTTP_PROCTOR_QUOTA_ID);
    }

    ngx_queue_insert_tail(&mcf->worker->quotas->asks, &ask->queue);

    rc = ngx_http_proctor_redis_send(
        mcf->worker->redis, &ask->call, commands, ask->all);

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

    if (ask->all > n) {
        ctx->lookup->sent = 1;
    }

    return NGX_AGAIN;
}


/* puts what wants to travel with the question behind it; the number of that */

static ngx_uint_t
ngx_http_proctor_quota_ask_lookup(const ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_redis_command_t *commands, ngx_uint_t n)
{
    const ngx_http_proctor_lookup_t *lookup = ctx->lookup;

    if (lookup == NULL || lookup->sent
        || lookup->n + n > NGX_HTTP_PROCTOR_REDIS_BATCH) {
        return 0;
    }

    ngx_memcpy(&commands[n], lookup->commands,
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
    const ngx_http_proctor_redis_reply_t *looked_up;

    (void) status; /* the first error's, whosever that is */

    looked_up = (replies == NULL) ? NULL : replies + ask->n;
    lookup = ask->all - ask->n;

    r = ngx_http_proctor_run_detach(ask->wait);

    if (r != NULL && lookup) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);
        ctx->lookup->sent = 0; /* another question would take it along */
    }

    rc = ask->handler(ask, r, replies);

    ngx_http_proctor_quota_ask_free(ask);

    if (r != NULL && rc != NGX_AGAIN) {
        ngx_http_proctor_quota_ask_resume(r, rc, looked_up, lookup);
    }
}


static void
ngx_http_proctor_quota_ask_resume(ngx_http_request_t *r, ngx_int_t rc,
    const ngx_http_proctor_redis_reply_t *looked_up, ngx_uint_t lookup)
{
    ngx_http_proctor_ctx_t *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);

    if (rc == NGX_ERROR) {
        (void) ngx_http_proctor_refuse(ctx, NGX_HTTP_PROCTOR_BUSY, NULL);

    } else if (rc == NGX_OK && lookup) {
        ctx->lookup->sent = 1;
        ctx->lookup->handler(r, ctx, looked_up);
    }

    ngx_http_proctor_run_resume(r);
}


static void
ngx_http_proctor_quota_ask_free(ngx_http_proctor_quota_ask_t *ask)
{
    ngx_queue_remove(&ask->queue);
    ngx_free(ask);
}


ngx_int_t
ngx_http_proctor_quota_ask_script(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_http_proctor_redis_script_t *script,
    const ngx_http_proctor_quota_args_t *args,
    ngx_http_proctor_quota_ask_pt handler)
{
    ngx_http_proctor_main_conf_t *mcf;
    ngx_http_proctor_redis_command_t commands[NGX_HTTP_PROCTOR_REDIS_BATCH];

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    mcf->worker->quotas->stats.scripts++;

    commands[0].argv = args->argv;
    commands[0].argc = args->argc;
    commands[0].script = script;

    return ngx_http_proctor_quota_ask(r, ctx, commands, 1, handler);
}


ngx_int_t
ngx_http_proctor_quota_tell(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_call_t *call,
    const ngx_http_proctor_redis_script_t *script,
    const ngx_http_proctor_quota_args_t *args)
{
    ngx_http_proctor_redis_command_t command;

    command.argv = args->argv;
    command.argc = args->argc;
    command.script = script;

    return ngx_http_proctor_redis_send(redis, call, &command, 1);
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
