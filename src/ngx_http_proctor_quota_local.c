/*
 * Quotas, budgets and their reservations in the zone: one machine's count.
 *
 * Everything of one call happens under one lock.  What is shown to the caller
 * is copied out before it is released.
 */

#include "ngx_http_proctor_quota.h"


static int64_t ngx_http_proctor_quota_local_take(
    ngx_http_proctor_main_conf_t *mcf, ngx_http_proctor_quota_t *q);
static void ngx_http_proctor_quota_local_seed(ngx_http_proctor_main_conf_t *mcf,
    const proctor_quota_t *quota, proctor_window_t *window,
    proctor_seed_t *seed, int64_t now);
static void ngx_http_proctor_quota_local_copy(ngx_http_proctor_quota_row_t *row,
    const proctor_counter_t *counter, int64_t now);
static int64_t ngx_http_proctor_quota_local_spend(
    ngx_http_proctor_main_conf_t *mcf, const proctor_account_t *account,
    uint64_t team);
static ngx_int_t ngx_http_proctor_quota_local_full(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);


ngx_int_t
ngx_http_proctor_quota_local(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    int64_t wait;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    if (mcf->redis != NULL) {
        mcf->worker->quotas->stats.local++;
    }

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

        ngx_http_proctor_quota_local_seed(
            mcf, quota, &counters[i]->taken, &counters[i]->seed, now[i]);
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


/* what this worker last heard of Redis's count; its own, or another's earlier */

static void
ngx_http_proctor_quota_local_seed(ngx_http_proctor_main_conf_t *mcf,
    const proctor_quota_t *quota, proctor_window_t *window,
    proctor_seed_t *seed, int64_t now)
{
    if (mcf->redis != NULL) {
        proctor_window_seed(window, &quota->limit, seed,
            &mcf->worker->quotas->known[quota->index].seed, now);
    }
}


void
ngx_http_proctor_quota_local_learn(
    ngx_http_proctor_main_conf_t *mcf, const ngx_http_proctor_quota_t *q)
{
    ngx_uint_t i;
    proctor_counter_t *counter;
    const proctor_quota_t *quota;

    ngx_http_proctor_zone_lock(mcf->zone);

    for (i = 0; i < q->n; i++) {
        quota = q->rows[i].quota;
        counter = ngx_http_proctor_zone_get_locked(
            mcf->zone, &quota->key, sizeof(proctor_counter_t));

        if (counter != NULL) {
            ngx_http_proctor_quota_local_seed(mcf, quota, &counter->taken,
                &counter->seed, ngx_http_proctor_zone_now(&quota->limit));
        }
    }

    ngx_http_proctor_zone_unlock(mcf->zone);
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

    wait = ngx_http_proctor_quota_local_spend(
        mcf, ctx->account, ngx_http_proctor_quota_team(ctx->key->team));

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
    int64_t now, wait, longest;
    ngx_uint_t i;
    const proctor_limit_t *limit;
    proctor_budget_t *budgets[PROCTOR_QUOTAS_MAX];

    longest = 0;

    ngx_http_proctor_zone_lock(mcf->zone);

    for (i = 0; i < account->nlimits; i++) {
        limit = &account->limits[i].limit;
        budgets[i] = ngx_http_proctor_zone_get_locked(
            mcf->zone, &account->limits[i].key, sizeof(proctor_budget_t));

        if (budgets[i] == NULL) {
            longest = -1;
            break;
        }

        now = ngx_http_proctor_zone_now(limit);
        ngx_http_proctor_quota_local_seed(mcf, &account->limits[i],
            &budgets[i]->window, &budgets[i]->seed, now);
        wait = proctor_budget_check(budgets[i], limit, team, now);
        longest = ngx_max(wait, longest);
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
