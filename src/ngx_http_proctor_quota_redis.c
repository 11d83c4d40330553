/*
 * Quotas and budgets in Redis: what the scripts are asked, and what their
 * replies mean.  A reply of another form than the script's is no answer: never
 * is something taken for nothing used.
 */

#include "ngx_http_proctor_quota.h"
#include <endian.h>


/* for no longer than this is a counter added to without the script: ms */
#define NGX_HTTP_PROCTOR_QUOTA_SLICE 60000


static void ngx_http_proctor_quota_redis_args(
    ngx_http_proctor_quota_args_t *args, const ngx_http_proctor_quota_t *q);
static ngx_int_t ngx_http_proctor_quota_redis_taken(
    ngx_http_proctor_quota_ask_t *ask, ngx_http_request_t *r,
    const ngx_http_proctor_redis_reply_t *replies);
static void ngx_http_proctor_quota_redis_free(
    ngx_http_proctor_main_conf_t *mcf, ngx_http_proctor_quota_t *q);
static int64_t ngx_http_proctor_quota_redis_read(
    const ngx_http_proctor_quota_ask_t *ask, ngx_http_proctor_quota_t *q,
    const ngx_http_proctor_redis_reply_t *reply);
static ngx_int_t ngx_http_proctor_quota_redis_spent(
    ngx_http_proctor_quota_ask_t *ask, ngx_http_request_t *r,
    const ngx_http_proctor_redis_reply_t *replies);
static void ngx_http_proctor_quota_redis_rest(ngx_http_proctor_quotas_t *quotas,
    const proctor_quota_t *quota, int64_t left);
static ngx_int_t ngx_http_proctor_quota_redis_valve_seen(
    ngx_http_proctor_quota_ask_t *ask, ngx_http_request_t *r,
    const ngx_http_proctor_redis_reply_t *replies);
static const ngx_http_proctor_redis_reply_t *
ngx_http_proctor_quota_redis_integers(
    const ngx_http_proctor_redis_reply_t *reply, ngx_uint_t n);


ngx_int_t
ngx_http_proctor_quota_redis(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_int_t rc;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    if (!ngx_http_proctor_redis_takes(mcf->worker->redis)) {
        return NGX_DECLINED;
    }

    rc = ngx_http_proctor_quota_add(r, ctx);

    return (rc == NGX_DECLINED) ? ngx_http_proctor_quota_redis_take(r, ctx)
                                : rc;
}


ngx_int_t
ngx_http_proctor_quota_redis_take(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_worker_t *worker;
    ngx_http_proctor_quota_t *q = ctx->quota;
    ngx_http_proctor_main_conf_t *mcf;
    ngx_http_proctor_quota_args_t args;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    worker = mcf->worker;

    if (q->reserves != 0) {
        (void) ngx_sprintf(q->id, "%*s%016xL", (size_t) 16, worker->rid_prefix,
            (int64_t) ++worker->quotas->ids);
    }

    ngx_http_proctor_quota_redis_args(&args, q);

    return ngx_http_proctor_quota_ask_script(
        r, ctx, mcf->quota_take, &args, ngx_http_proctor_quota_redis_taken);
}


static void
ngx_http_proctor_quota_redis_args(
    ngx_http_proctor_quota_args_t *args, const ngx_http_proctor_quota_t *q)
{
    ngx_uint_t i, nkeys;
    proctor_str_t id;
    const proctor_quota_t *quota;

    static const proctor_str_t held = proctor_str("held");

    for (i = 0, nkeys = 2 * q->n; i < q->n; i++) {
        nkeys += (q->rows[i].quota->accepted != 0);
    }

    ngx_http_proctor_quota_args(args, nkeys);

    for (i = 0; i < q->n; i++) {
        quota = q->rows[i].quota;
        ngx_http_proctor_quota_arg(args, &quota->key);
        ngx_http_proctor_quota_arg(args, &quota->row);

        if (quota->accepted) {
            ngx_http_proctor_quota_arg(args, &quota->more);
        }
    }

    id.data = (char *) q->id;
    id.len = (q->reserves != 0) ? NGX_HTTP_PROCTOR_QUOTA_ID : 0;
    ngx_http_proctor_quota_arg(args, &id);

    for (i = 0; i < q->n; i++) {
        quota = q->rows[i].quota;
        ngx_http_proctor_quota_arg_number(args, quota->limit.limit);
        ngx_http_proctor_quota_arg(args, &quota->per);

        if (quota->accepted) {
            ngx_http_proctor_quota_arg(args, &held);

        } else {
            ngx_http_proctor_quota_arg_number(args, q->rows[i].added);
        }
    }
}


static ngx_int_t
ngx_http_proctor_quota_redis_taken(ngx_http_proctor_quota_ask_t *ask,
    ngx_http_request_t *r, const ngx_http_proctor_redis_reply_t *replies)
{
    int64_t wait;
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_quota_t gone;

    ask->mcf->worker->quotas->stats.lost += (replies == NULL);

    if (r == NULL) {
        ngx_memzero(&gone, sizeof(ngx_http_proctor_quota_t));
        ngx_memcpy(gone.id, ask->id, NGX_HTTP_PROCTOR_QUOTA_ID);
        ngx_http_proctor_quota_rows(&gone, ask->team, ask->operation);

        if (ngx_http_proctor_quota_redis_read(ask, &gone, replies) <= 0) {
            ngx_http_proctor_quota_redis_free(ask->mcf, &gone);
        }

        return NGX_DONE;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);
    wait = ngx_http_proctor_quota_redis_read(ask, ctx->quota, replies);

    if (wait < 0) {
        ngx_http_proctor_quota_redis_free(ask->mcf, ctx->quota);
        return ngx_http_proctor_quota_ill(r, ctx, ngx_http_proctor_quota_local);
    }

    ngx_http_proctor_quota_local_learn(ask->mcf, ctx->quota);

    return (wait == 0) ? NGX_OK
                       : ngx_http_proctor_quota_refuse(
                           ctx, NGX_HTTP_PROCTOR_QUOTA, wait);
}


/* what was reserved, or may have been, for a call that does not need it */

static void
ngx_http_proctor_quota_redis_free(
    ngx_http_proctor_main_conf_t *mcf, ngx_http_proctor_quota_t *q)
{
    if (q->reserves != 0) {
        q->held = q->reserves;
        ngx_http_proctor_quota_settle_remote(mcf, q, 0);
        q->held = 0;
    }
}


/* the wait, and every row; -1: that was no answer */

static int64_t
ngx_http_proctor_quota_redis_read(const ngx_http_proctor_quota_ask_t *ask,
    ngx_http_proctor_quota_t *q, const ngx_http_proctor_redis_reply_t *reply)
{
    int64_t wait, rest;
    ngx_uint_t i;
    ngx_http_proctor_quota_row_t *row;
    ngx_http_proctor_quotas_t *quotas = ask->mcf->worker->quotas;
    ngx_http_proctor_quota_known_t *known;
    const ngx_http_proctor_redis_reply_t *e;

    e = ngx_http_proctor_quota_redis_integers(reply, 1 + 4 * q->n);
    if (e == NULL) {
        return -1;
    }

    wait = e++->integer;

    for (i = 0; i < q->n; i++, e += 4) {
        row = &q->rows[i];
        row->left = e[0].integer;
        row->reset = e[1].integer;

        known = &quotas->known[row->quota->index];
        known->base = e[2].integer;
        known->reset = ask->sent + row->reset * 1000;

        rest = ngx_min(e[3].integer, NGX_HTTP_PROCTOR_QUOTA_SLICE);
        known->till = (wait == 0) ? ask->sent + rest * 1000 : 0;

        ngx_http_proctor_quota_redis_rest(quotas, row->quota, row->left);
    }

    q->known = 1;
    q->remote = 1;
    q->held = (wait == 0) ? q->reserves : 0;

    return wait;
}


ngx_int_t
ngx_http_proctor_quota_redis_budget(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    uint64_t id;
    ngx_uint_t i;
    proctor_str_t team;
    const proctor_account_t *account = ctx->account;
    ngx_http_proctor_main_conf_t *mcf;
    ngx_http_proctor_quota_args_t args;

    id = htobe64(ngx_http_proctor_quota_team(ctx->key->team));
    team.data = (char *) &id;
    team.len = sizeof(id);

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    ngx_http_proctor_quota_args(&args, 1 + 2 * account->nlimits);
    ngx_http_proctor_quota_arg(&args, &account->valve);

    for (i = 0; i < account->nlimits; i++) {
        ngx_http_proctor_quota_arg(&args, &account->limits[i].key);
        ngx_http_proctor_quota_arg(&args, &account->limits[i].more);
    }

    ngx_http_proctor_quota_arg(&args, &team);

    for (i = 0; i < account->nlimits; i++) {
        ngx_http_proctor_quota_arg_number(
            &args, account->limits[i].limit.limit);
        ngx_http_proctor_quota_arg(&args, &account->limits[i].per);
    }

    return ngx_http_proctor_quota_ask_script(
        r, ctx, mcf->quota_budget, &args, ngx_http_proctor_quota_redis_spent);
}


static ngx_int_t
ngx_http_proctor_quota_redis_spent(ngx_http_proctor_quota_ask_t *ask,
    ngx_http_request_t *r, const ngx_http_proctor_redis_reply_t *replies)
{
    int64_t wait;
    ngx_uint_t i;
    const proctor_account_t *account;
    ngx_http_proctor_ctx_t *ctx;
    const ngx_http_proctor_redis_reply_t *e;

    ask->mcf->worker->quotas->stats.lost += (replies == NULL);

    if (r == NULL) {
        return NGX_DONE;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);
    account = ctx->account;

    e = ngx_http_proctor_quota_redis_integers(replies, 2);

    if (e != NULL && e[0].integer != 0
        && e[1].integer <= NGX_HTTP_PROCTOR_QUOTA_VALVE_MAX) {
        ngx_http_proctor_quota_valve_shut(ask->mcf, account, e[1].integer);

        return ngx_http_proctor_quota_refuse(
            ctx, NGX_HTTP_PROCTOR_UPSTREAM_LIMIT, e[1].integer);
    }

    e = ngx_http_proctor_quota_redis_integers(replies, 2 + account->nlimits);
    if (e == NULL) {
        return ngx_http_proctor_quota_ill(
            r, ctx, ngx_http_proctor_quota_local_budget);
    }

    for (i = 0; i < account->nlimits; i++) {
        ngx_http_proctor_quota_redis_rest(
            ask->mcf->worker->quotas, &account->limits[i], e[2 + i].integer);
    }

    wait = e[1].integer;

    return (wait == 0) ? NGX_OK
                       : ngx_http_proctor_quota_refuse(
                           ctx, NGX_HTTP_PROCTOR_ACCOUNT_LIMIT, wait);
}


/* so much is left: for the zone, should Redis go */

static void
ngx_http_proctor_quota_redis_rest(ngx_http_proctor_quotas_t *quotas,
    const proctor_quota_t *quota, int64_t left)
{
    proctor_seed_t *seed = &quotas->known[quota->index].seed;

    seed->used = quota->limit.limit
                 - (uint32_t) ngx_min(left, (int64_t) quota->limit.limit);
    seed->at = ngx_http_proctor_zone_now(&quota->limit);
}


ngx_int_t
ngx_http_proctor_quota_redis_valve(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    proctor_str_t argv[2];
    ngx_http_proctor_redis_command_t commands[NGX_HTTP_PROCTOR_REDIS_BATCH];

    static const proctor_str_t pttl = proctor_str("PTTL");

    argv[0] = pttl;
    argv[1] = ctx->account->valve;
    commands[0].argv = argv;
    commands[0].argc = 2;
    commands[0].script = NULL;

    return ngx_http_proctor_quota_ask(
        r, ctx, commands, 1, ngx_http_proctor_quota_redis_valve_seen);
}


static ngx_int_t
ngx_http_proctor_quota_redis_valve_seen(ngx_http_proctor_quota_ask_t *ask,
    ngx_http_request_t *r, const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_http_proctor_ctx_t *ctx;

    if (r == NULL || replies == NULL
        || replies->type != NGX_HTTP_PROCTOR_REDIS_INTEGER
        || replies->integer <= 0
        || replies->integer > NGX_HTTP_PROCTOR_QUOTA_VALVE_MAX) {
        return NGX_OK;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);
    ngx_http_proctor_quota_valve_shut(ask->mcf, ctx->account, replies->integer);

    return ngx_http_proctor_quota_refuse(
        ctx, NGX_HTTP_PROCTOR_UPSTREAM_LIMIT, replies->integer);
}


void
ngx_http_proctor_quota_redis_valve_shut(ngx_http_proctor_main_conf_t *mcf,
    const proctor_account_t *account, int64_t wait)
{
    ngx_http_proctor_quota_args_t args;

    if (mcf->redis == NULL) {
        return;
    }

    ngx_http_proctor_quota_args(&args, 1);
    ngx_http_proctor_quota_arg(&args, &account->valve);
    ngx_http_proctor_quota_arg_number(&args, wait);

    (void) ngx_http_proctor_quota_tell(
        mcf->worker->redis, NULL, mcf->quota_valve, &args);
}


/* so many integers, none of them negative; NULL: that is something else */

static const ngx_http_proctor_redis_reply_t *
ngx_http_proctor_quota_redis_integers(
    const ngx_http_proctor_redis_reply_t *reply, ngx_uint_t n)
{
    ngx_uint_t i;

    if (reply == NULL || reply->type != NGX_HTTP_PROCTOR_REDIS_ARRAY
        || reply->nelements != n) {
        return NULL;
    }

    for (i = 0; i < n; i++) {
        if (reply->element[i].type != NGX_HTTP_PROCTOR_REDIS_INTEGER
            || reply->element[i].integer < 0) {
            return NULL;
        }
    }

    return reply->element;
}
