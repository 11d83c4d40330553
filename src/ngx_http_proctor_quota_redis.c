/*
 * Quotas and budgets in Redis: what the scripts are asked, and what their
 * replies mean.  A reply of another form than the script's is no answer: never
 * is something taken for nothing used.
 */

#include "ngx_http_proctor_quota.h"


static void ngx_http_proctor_quota_redis_args(
    ngx_http_proctor_quota_args_t *args, const ngx_http_proctor_quota_t *q);
static ngx_int_t ngx_http_proctor_quota_redis_taken(
    ngx_http_proctor_quota_ask_t *ask, ngx_http_request_t *r,
    const ngx_http_proctor_redis_reply_t *reply);
static void ngx_http_proctor_quota_redis_undo(ngx_http_proctor_quota_ask_t *ask,
    const ngx_http_proctor_redis_reply_t *reply);
static int64_t ngx_http_proctor_quota_redis_read(
    ngx_http_proctor_quota_t *q, const ngx_http_proctor_redis_reply_t *reply);
static ngx_int_t ngx_http_proctor_quota_redis_spent(
    ngx_http_proctor_quota_ask_t *ask, ngx_http_request_t *r,
    const ngx_http_proctor_redis_reply_t *reply);
static ngx_uint_t ngx_http_proctor_quota_redis_integers(
    const ngx_http_proctor_redis_reply_t *reply, ngx_uint_t n);


ngx_int_t
ngx_http_proctor_quota_redis(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_main_conf_t *mcf;
    ngx_http_proctor_quota_args_t args;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    ngx_http_proctor_quota_redis_args(&args, ctx->quota);

    return ngx_http_proctor_quota_ask(
        r, ctx, mcf->quota_take, &args, ngx_http_proctor_quota_redis_taken);
}


static void
ngx_http_proctor_quota_redis_args(
    ngx_http_proctor_quota_args_t *args, const ngx_http_proctor_quota_t *q)
{
    ngx_uint_t i, nkeys;
    const proctor_quota_t *quota;

    for (i = 0, nkeys = q->n; i < q->n; i++) {
        nkeys += (q->rows[i].quota->accepted != 0);
    }

    ngx_http_proctor_quota_args(args, nkeys);

    for (i = 0; i < q->n; i++) {
        quota = q->rows[i].quota;
        ngx_http_proctor_quota_arg(args, &quota->key);

        if (quota->accepted) {
            ngx_http_proctor_quota_arg(args, &quota->more);
        }
    }

    ngx_http_proctor_quota_arg_number(args, PROCTOR_QUOTA_HOLD);

    for (i = 0; i < q->n; i++) {
        quota = q->rows[i].quota;
        ngx_http_proctor_quota_arg_number(args, quota->limit.limit);
        ngx_http_proctor_quota_arg(args, &quota->per);
        ngx_http_proctor_quota_arg_number(args, quota->accepted != 0);
    }
}


static ngx_int_t
ngx_http_proctor_quota_redis_taken(ngx_http_proctor_quota_ask_t *ask,
    ngx_http_request_t *r, const ngx_http_proctor_redis_reply_t *reply)
{
    int64_t wait;
    ngx_http_proctor_ctx_t *ctx;

    if (r == NULL) {
        ngx_http_proctor_quota_redis_undo(ask, reply);
        return NGX_DONE;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);
    wait = ngx_http_proctor_quota_redis_read(ctx->quota, reply);

    if (wait < 0) {
        return ngx_http_proctor_quota_ill(r, ctx, ngx_http_proctor_quota_local);
    }

    return (wait == 0) ? NGX_OK
                       : ngx_http_proctor_quota_refuse(
                           ctx, NGX_HTTP_PROCTOR_QUOTA, wait);
}


/* the request left while it waited: what was reserved for it is given back */

static void
ngx_http_proctor_quota_redis_undo(ngx_http_proctor_quota_ask_t *ask,
    const ngx_http_proctor_redis_reply_t *reply)
{
    ngx_http_proctor_quota_t q;

    ngx_memzero(&q, sizeof(ngx_http_proctor_quota_t));
    ngx_http_proctor_quota_rows(&q, ask->team, ask->operation);

    if (ngx_http_proctor_quota_redis_read(&q, reply) == 0 && q.held != 0) {
        ngx_http_proctor_quota_redis_settle(ask->mcf, &q, 0);
    }
}


/* the wait, and every row; -1: that was no answer */

static int64_t
ngx_http_proctor_quota_redis_read(
    ngx_http_proctor_quota_t *q, const ngx_http_proctor_redis_reply_t *reply)
{
    ngx_uint_t i;
    ngx_http_proctor_quota_row_t *row;
    const ngx_http_proctor_redis_reply_t *e;

    if (!ngx_http_proctor_quota_redis_integers(reply, 1 + 3 * q->n)) {
        return -1;
    }

    e = reply->element;

    for (i = 0; i < q->n; i++) {
        row = &q->rows[i];
        row->left = e[3 * i + 1].integer;
        row->reset = e[3 * i + 2].integer;
        row->slice = e[3 * i + 3].integer;

        if (row->quota->accepted && e[0].integer == 0) {
            q->held |= 1U << i;
        }
    }

    q->known = 1;
    q->remote = 1;

    return e[0].integer;
}


void
ngx_http_proctor_quota_redis_settle(ngx_http_proctor_main_conf_t *mcf,
    const ngx_http_proctor_quota_t *q, ngx_uint_t accepted)
{
    ngx_uint_t i, nkeys;
    ngx_http_proctor_quota_args_t args;

    for (i = 0, nkeys = 0; i < q->n; i++) {
        nkeys += (q->held & 1U << i) ? 2 : 0;
    }

    ngx_http_proctor_quota_args(&args, nkeys);

    for (i = 0; i < q->n; i++) {
        if (q->held & 1U << i) {
            ngx_http_proctor_quota_arg(&args, &q->rows[i].quota->key);
            ngx_http_proctor_quota_arg(&args, &q->rows[i].quota->more);
        }
    }

    ngx_http_proctor_quota_arg_number(&args, PROCTOR_QUOTA_HOLD);
    ngx_http_proctor_quota_arg_number(&args, (int64_t) accepted);

    for (i = 0; i < q->n; i++) {
        if (q->held & 1U << i) {
            ngx_http_proctor_quota_arg(&args, &q->rows[i].quota->per);
            ngx_http_proctor_quota_arg_number(&args, q->rows[i].slice);
        }
    }

    ngx_http_proctor_quota_tell(mcf, mcf->quota_settle, &args);
}


ngx_int_t
ngx_http_proctor_quota_redis_budget(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_uint_t i;
    const proctor_account_t *account = ctx->account;
    ngx_http_proctor_main_conf_t *mcf;
    ngx_http_proctor_quota_args_t args;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    ngx_http_proctor_quota_args(&args, 1 + 2 * account->nlimits);
    ngx_http_proctor_quota_arg(&args, &account->valve);

    for (i = 0; i < account->nlimits; i++) {
        ngx_http_proctor_quota_arg(&args, &account->limits[i].key);
        ngx_http_proctor_quota_arg(&args, &account->limits[i].more);
    }

    ngx_http_proctor_quota_arg(&args, &ctx->key->team->name);

    for (i = 0; i < account->nlimits; i++) {
        ngx_http_proctor_quota_arg_number(
            &args, account->limits[i].limit.limit);
        ngx_http_proctor_quota_arg(&args, &account->limits[i].per);
    }

    return ngx_http_proctor_quota_ask(
        r, ctx, mcf->quota_budget, &args, ngx_http_proctor_quota_redis_spent);
}


static ngx_int_t
ngx_http_proctor_quota_redis_spent(ngx_http_proctor_quota_ask_t *ask,
    ngx_http_request_t *r, const ngx_http_proctor_redis_reply_t *reply)
{
    int64_t wait;
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_error_e code;

    if (r == NULL) {
        return NGX_DONE;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);

    if (!ngx_http_proctor_quota_redis_integers(reply, 2)) {
        return ngx_http_proctor_quota_ill(
            r, ctx, ngx_http_proctor_quota_local_budget);
    }

    wait = reply->element[1].integer;

    if (wait == 0) {
        return NGX_OK;
    }

    code = NGX_HTTP_PROCTOR_ACCOUNT_LIMIT;

    if (reply->element[0].integer != 0) {
        code = NGX_HTTP_PROCTOR_UPSTREAM_LIMIT;
        ngx_http_proctor_quota_valve_shut(ask->mcf, ctx->account, wait);
    }

    return ngx_http_proctor_quota_refuse(ctx, code, wait);
}


void
ngx_http_proctor_quota_redis_valve(ngx_http_proctor_main_conf_t *mcf,
    const proctor_account_t *account, int64_t wait)
{
    ngx_http_proctor_quota_args_t args;

    if (mcf->redis == NULL || account->nlimits == 0) {
        return; /* nobody would look at it */
    }

    ngx_http_proctor_quota_args(&args, 1);
    ngx_http_proctor_quota_arg(&args, &account->valve);
    ngx_http_proctor_quota_arg_number(&args, wait);

    ngx_http_proctor_quota_tell(mcf, mcf->quota_valve, &args);
}


/* so many integers, none of them negative */

static ngx_uint_t
ngx_http_proctor_quota_redis_integers(
    const ngx_http_proctor_redis_reply_t *reply, ngx_uint_t n)
{
    ngx_uint_t i;

    if (reply == NULL || reply->type != NGX_HTTP_PROCTOR_REDIS_ARRAY
        || reply->nelements != n) {
        return 0;
    }

    for (i = 0; i < n; i++) {
        if (reply->element[i].type != NGX_HTTP_PROCTOR_REDIS_INTEGER
            || reply->element[i].integer < 0) {
            return 0;
        }
    }

    return 1;
}
