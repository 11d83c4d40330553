/*
 * What one worker knows of Redis's counts, and the questions that are under
 * way.  Without Redis there is nothing of it.
 */

#include "ngx_http_proctor_quota.h"
#include <time.h>


ngx_int_t
ngx_http_proctor_quota_worker_init(ngx_cycle_t *cycle,
    ngx_http_proctor_main_conf_t *mcf, ngx_http_proctor_worker_t *worker)
{
    size_t size;
    ngx_http_proctor_quotas_t *quotas;

    if (mcf->redis == NULL || mcf->zone == NULL || mcf->teams == NULL) {
        return NGX_OK;
    }

    size = proctor_teams_nquotas(mcf->teams)
           * sizeof(ngx_http_proctor_quota_known_t);

    quotas = ngx_pcalloc(cycle->pool, sizeof(ngx_http_proctor_quotas_t));
    if (quotas == NULL) {
        return NGX_ERROR;
    }

    quotas->known = ngx_pcalloc(cycle->pool, size);
    if (quotas->known == NULL) {
        return NGX_ERROR;
    }

    quotas->mcf = mcf;
    quotas->worker = worker;

    ngx_queue_init(&quotas->asks);
    ngx_queue_init(&quotas->debts);

    quotas->retry.handler = ngx_http_proctor_quota_settle_retry;
    quotas->retry.data = quotas;
    quotas->retry.log = cycle->log;
    quotas->retry.cancelable = 1;

    worker->quotas = quotas;

    return NGX_OK;
}


/* the process ends: replies will not come any more */

void
ngx_http_proctor_quota_worker_exit(ngx_http_proctor_main_conf_t *mcf)
{
    ngx_queue_t *q;
    ngx_http_proctor_quota_ask_t *ask;
    ngx_http_proctor_quotas_t *quotas = mcf->worker->quotas;

    if (quotas == NULL) {
        return;
    }

    q = ngx_queue_head(&quotas->asks);

    while (q != ngx_queue_sentinel(&quotas->asks)) {
        ask = ngx_queue_data(q, ngx_http_proctor_quota_ask_t, queue);
        q = ngx_queue_next(q);

        ngx_http_proctor_redis_cancel(&ask->call);
        (void) ngx_http_proctor_run_detach(ask->wait);
        ngx_free(ask);
    }

    ngx_queue_init(&quotas->asks);
    ngx_http_proctor_quota_settle_exit(quotas);
}


const ngx_http_proctor_quota_stats_t *
ngx_http_proctor_quota_stats(const ngx_http_proctor_worker_t *worker)
{
    return worker->quotas == NULL ? NULL : &worker->quotas->stats;
}


int64_t
ngx_http_proctor_quota_now(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
