/*
 * The common case: counted in Redis without a script.
 *
 * Whoever knows the oldest value of a window's counter adds one to it, and has
 * been let in when that made it no more than the limit over the oldest value.
 * The script tells both it and how long the slice lasts; what is added later
 * would be counted as if it was earlier, so a reply that comes after that
 * proves nothing.  An oldest value that another gateway has replaced meanwhile
 * is too old, which lets in less, never more.
 *
 * What did not get in goes to the script, which takes back what was added here
 * and decides; until that finds room again nothing is added.
 */

#include "ngx_http_proctor_quota.h"


static ngx_int_t ngx_http_proctor_quota_add_answered(
    ngx_http_proctor_quota_ask_t *ask, ngx_http_request_t *r,
    const ngx_http_proctor_redis_reply_t *replies);
static ngx_uint_t ngx_http_proctor_quota_add_read(
    ngx_http_proctor_quotas_t *quotas, ngx_http_proctor_quota_t *q,
    const ngx_http_proctor_redis_reply_t *replies);
static void ngx_http_proctor_quota_add_undo(
    ngx_http_proctor_quota_ask_t *ask, const ngx_http_proctor_quota_t *q);


ngx_int_t
ngx_http_proctor_quota_add(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    int64_t now;
    ngx_uint_t i;
    proctor_str_t argv[PROCTOR_QUOTAS_MAX][2];
    ngx_http_proctor_quota_t *q = ctx->quota;
    ngx_http_proctor_quotas_t *quotas;
    ngx_http_proctor_main_conf_t *mcf;
    ngx_http_proctor_redis_command_t commands[NGX_HTTP_PROCTOR_REDIS_BATCH];

    static const proctor_str_t incr = proctor_str("INCR");

    if (q->reserves != 0
        || q->n + (ctx->lookup == NULL ? 0 : ctx->lookup->n)
               > NGX_HTTP_PROCTOR_REDIS_BATCH) {
        return NGX_DECLINED;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    quotas = mcf->worker->quotas;
    now = ngx_http_proctor_quota_now();

    for (i = 0; i < q->n; i++) {
        if (quotas->known[q->rows[i].quota->index].till <= now) {
            return NGX_DECLINED;
        }

        argv[i][0] = incr;
        argv[i][1] = q->rows[i].quota->key;
        commands[i].argv = argv[i];
        commands[i].argc = 2;
        commands[i].script = NULL;
    }

    quotas->stats.added++;

    return ngx_http_proctor_quota_ask(
        r, ctx, commands, q->n, ngx_http_proctor_quota_add_answered);
}


static ngx_int_t
ngx_http_proctor_quota_add_answered(ngx_http_proctor_quota_ask_t *ask,
    ngx_http_request_t *r, const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_int_t rc;
    ngx_uint_t let_in;
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_quota_t *q, gone;
    ngx_http_proctor_quotas_t *quotas = ask->mcf->worker->quotas;

    ctx = NULL;
    q = &gone;

    if (r != NULL) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);
        q = ctx->quota;

    } else {
        ngx_memzero(q, sizeof(ngx_http_proctor_quota_t));
        ngx_http_proctor_quota_rows(q, ask->team, ask->operation);
    }

    quotas->stats.lost += (replies == NULL);
    let_in = ngx_http_proctor_quota_add_read(quotas, q, replies);

    if (r == NULL) {
        if (!let_in) {
            ngx_http_proctor_quota_add_undo(ask, q);
        }

        return NGX_DONE;
    }

    if (let_in) {
        return NGX_OK;
    }

    rc = (replies == NULL) ? NGX_DECLINED
                           : ngx_http_proctor_quota_redis_take(r, ctx);

    return (rc == NGX_DECLINED) ? ngx_http_proctor_quota_ill(
               r, ctx, ngx_http_proctor_quota_local)
                                : rc;
}


/* 1: let in; else rows[].added is what is to be taken back */

static ngx_uint_t
ngx_http_proctor_quota_add_read(ngx_http_proctor_quotas_t *quotas,
    ngx_http_proctor_quota_t *q, const ngx_http_proctor_redis_reply_t *replies)
{
    int64_t now, value;
    ngx_uint_t i, let_in;
    ngx_http_proctor_quota_row_t *row;
    ngx_http_proctor_quota_known_t *known;

    if (replies == NULL) {
        return 0;
    }

    let_in = 1;
    now = ngx_http_proctor_quota_now();

    for (i = 0; i < q->n; i++) {
        row = &q->rows[i];
        known = &quotas->known[row->quota->index];

        value = (replies[i].type == NGX_HTTP_PROCTOR_REDIS_INTEGER)
                    ? replies[i].integer
                    : 0;

        row->added = ngx_max(value, 0);
        row->left = known->base + row->quota->limit.limit - value;
        row->reset = ngx_max((known->reset - now) / 1000, 1);

        if (now >= known->till || value <= known->base || row->left < 0) {
            let_in = 0;
            known->till = 0;
            continue;
        }

        known->seed.used = (uint32_t) (value - known->base);
        known->seed.at = ngx_http_proctor_zone_now(&row->quota->limit);
    }

    q->known = let_in;
    q->remote = let_in;

    return let_in;
}


/* in vain, for a request that has left */

static void
ngx_http_proctor_quota_add_undo(
    ngx_http_proctor_quota_ask_t *ask, const ngx_http_proctor_quota_t *q)
{
    ngx_uint_t i;
    ngx_http_proctor_quota_args_t args;

    static const proctor_str_t none = proctor_str("");

    ngx_http_proctor_quota_args(&args, 2 * q->n);

    for (i = 0; i < q->n; i++) {
        ngx_http_proctor_quota_arg(&args, &q->rows[i].quota->key);
        ngx_http_proctor_quota_arg(&args, &q->rows[i].quota->row);
    }

    ngx_http_proctor_quota_arg(&args, &none);
    ngx_http_proctor_quota_arg_number(&args, 0);

    for (i = 0; i < q->n; i++) {
        ngx_http_proctor_quota_arg(&args, &q->rows[i].quota->per);
        ngx_http_proctor_quota_arg_number(&args, q->rows[i].added);
    }

    (void) ngx_http_proctor_quota_tell(
        ask->mcf->worker->redis, NULL, ask->mcf->quota_settle, &args);
}
