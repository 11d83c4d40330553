/*
 * Quotas, budgets and their reservations in the zone: one machine's count.
 *
 * Everything of one call happens under one lock.  What is shown to the caller
 * is copied out before it is released.
 */

#include "ngx_http_proctor_quota.h"


static int64_t ngx_http_proctor_quota_local_take(
    ngx_http_proctor_main_conf_t *mcf, ngx_http_proctor_quota_t *q);
static void ngx_http_proctor_quota_local_copy(ngx_http_proctor_quota_row_t *row,
    const proctor_counter_t *counter, int64_t now);
static int64_t ngx_http_proctor_quota_local_spend(
    ngx_http_proctor_main_conf_t *mcf, const proctor_account_t *account,
    uint64_t team);
static ngx_int_t ngx_http_proctor_quota_local_full(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static uint64_t ngx_http_proctor_quota_local_hash(const proctor_str_t *name);


ngx_int_t
ngx_http_proctor_quota_local(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    int64_t wait;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    wait = ngx_http_proctor_quota_local_take(mcf, ctx->quota);

    if (wait < 0) {
        return ngx_http_proctor_quota_local_full(r, ctx);
    }

    return (wait == 0) ? NGX_OK
                       : ngx_http_proctor_quota_refuse(
                           ctx, NGX_HTTP_PROCTOR_QUOTA, wait);
}


/* -1: the zone has no room for so many records at once */

static int64_t
ngx_http_proctor_quota_local_take(
    ngx_http_proctor_main_conf_t *mcf, ngx_http_proctor_quota_t *q)
{
    unsigned held;
    int64_t wait, now[PROCTOR_QUOTAS_MAX];
    ngx_uint_t i;
    const proctor_quota_t *quota;
    proctor_counter_t *counters[PROCTOR_QUOTAS_MAX];
    const proctor_limit_t *limits[PROCTOR_QUOTAS_MAX];

    wait = 0;
    held = 0;

    ngx_http_proctor_zone_lock(mcf->zone);

    for (i = 0; i < q->n; i++) {
        quota = q->rows[i].quota;
        limits[i] = &quota->limit;
        now[i] = ngx_http_proctor_zone_now(&quota->limit);
        held |= quota->accepted ? 1U << i : 0;
        counters[i] = ngx_http_proctor_zone_get_locked(
            mcf->zone, &quota->key, sizeof(proctor_counter_t));

        if (counters[i] == NULL) {
            wait = -1;
            break;
        }
    }

    if (wait == 0) {
        wait =
            proctor_counter_take(counters, limits, now, (unsigned) q->n, held);

        for (i = 0; i < q->n; i++) {
            ngx_http_proctor_quota_local_copy(&q->rows[i], counters[i], now[i]);
        }
    }

    ngx_http_proctor_zone_unlock(mcf->zone);

    q->known = (wait >= 0);
    q->held = (wait == 0) ? held : 0;

    return wait;
}


static void
ngx_http_proctor_quota_local_copy(ngx_http_proctor_quota_row_t *row,
    const proctor_counter_t *counter, int64_t now)
{
    const proctor_limit_t *limit = &row->quota->limit;

    row->left =
        (int64_t) limit->limit - counter->taken.total - counter->held.total;
    row->left = ngx_max(row->left, 0);
    row->reset = proctor_window_wait(&counter->taken, limit, 1, now);
    row->slice = counter->held.slice;
}


void
ngx_http_proctor_quota_local_settle(ngx_http_proctor_main_conf_t *mcf,
    const ngx_http_proctor_quota_t *q, ngx_uint_t accepted)
{
    ngx_uint_t i;
    proctor_counter_t *counter;
    const proctor_quota_t *quota;

    ngx_http_proctor_zone_lock(mcf->zone);

    for (i = 0; i < q->n; i++) {
        if (!(q->held & 1U << i)) {
            continue;
        }

        quota = q->rows[i].quota;
        counter = ngx_http_proctor_zone_get_locked(
            mcf->zone, &quota->key, sizeof(proctor_counter_t));

        if (counter != NULL) {
            proctor_counter_settle(counter, &quota->limit, q->rows[i].slice,
                accepted, ngx_http_proctor_zone_now(&quota->limit));
        }
    }

    ngx_http_proctor_zone_unlock(mcf->zone);
}


ngx_int_t
ngx_http_proctor_quota_local_budget(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    int64_t wait;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    wait = ngx_http_proctor_quota_local_spend(mcf, ctx->account,
        ngx_http_proctor_quota_local_hash(&ctx->key->team->name));

    if (wait < 0) {
        return ngx_http_proctor_quota_local_full(r, ctx);
    }

    return (wait == 0) ? NGX_OK
                       : ngx_http_proctor_quota_refuse(
                           ctx, NGX_HTTP_PROCTOR_ACCOUNT_LIMIT, wait);
}


static int64_t
ngx_http_proctor_quota_local_spend(ngx_http_proctor_main_conf_t *mcf,
    const proctor_account_t *account, uint64_t team)
{
    int64_t wait, longest;
    ngx_uint_t i;
    const proctor_limit_t *limit;
    proctor_budget_t *budgets[PROCTOR_QUOTAS_MAX];

    longest = 0;

    ngx_http_proctor_zone_lock(mcf->zone);

    for (i = 0; i < account->nlimits && longest >= 0; i++) {
        limit = &account->limits[i].limit;
        budgets[i] = ngx_http_proctor_zone_get_locked(
            mcf->zone, &account->limits[i].key, sizeof(proctor_budget_t));

        wait = (budgets[i] == NULL) ? -1
                                    : proctor_budget_check(budgets[i], limit,
                                        team, ngx_http_proctor_zone_now(limit));

        longest = (wait < 0) ? wait : ngx_max(wait, longest);
    }

    for (i = 0; i < account->nlimits && longest == 0; i++) {
        proctor_budget_take(budgets[i], &account->limits[i].limit, team);
    }

    ngx_http_proctor_zone_unlock(mcf->zone);

    return longest;
}


/* as if Redis was ill: what is only read goes on */

static ngx_int_t
ngx_http_proctor_quota_local_full(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
        "proctor quota: the zone has no room for a call's counters");

    return ngx_http_proctor_quota_refuse(
        ctx, NGX_HTTP_PROCTOR_QUOTA_DOWN, 1000);
}


/* FNV-1a; 0 is nobody */

static uint64_t
ngx_http_proctor_quota_local_hash(const proctor_str_t *name)
{
    size_t i;
    uint64_t hash;

    hash = 14695981039346656037ULL;

    for (i = 0; i < name->len; i++) {
        hash = (hash ^ (u_char) name->data[i]) * 1099511628211ULL;
    }

    return (hash == 0) ? 1 : hash;
}
