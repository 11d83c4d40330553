/*
 * The end of a reservation in Redis: told until it is heard.
 *
 * Each end is a debt on the heap, in the worker's queue from when it is made
 * until Redis has said that it knows.  Ends have the reservation's own id, and
 * Redis ends what is open only, so that one whose reply was lost can be told
 * again.  When Redis is away they wait, not longer than the reservation lives,
 * and not more than a bound of them.
 */

#include "ngx_http_proctor_quota.h"


#define NGX_HTTP_PROCTOR_QUOTA_DEBTS 1024
#define NGX_HTTP_PROCTOR_QUOTA_RETRY 250 /* ms */


typedef struct {
    ngx_queue_t queue;
    ngx_http_proctor_redis_call_t call; /* call.op: it is being told */
    ngx_http_proctor_quotas_t *quotas;
    ngx_msec_t since;
    ngx_uint_t accepted;
    ngx_uint_t n;
    const proctor_quota_t *rows[PROCTOR_QUOTAS_MAX];
    u_char id[NGX_HTTP_PROCTOR_QUOTA_ID];
} ngx_http_proctor_quota_debt_t;


static ngx_int_t ngx_http_proctor_quota_settle_tell(
    ngx_http_proctor_quota_debt_t *debt);
static void ngx_http_proctor_quota_settle_told(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);
static void ngx_http_proctor_quota_settle_later(
    ngx_http_proctor_quotas_t *quotas);
static void ngx_http_proctor_quota_settle_free(
    ngx_http_proctor_quota_debt_t *debt);


void
ngx_http_proctor_quota_settle_remote(ngx_http_proctor_main_conf_t *mcf,
    const ngx_http_proctor_quota_t *q, ngx_uint_t accepted)
{
    ngx_uint_t i;
    ngx_http_proctor_quota_debt_t *debt;
    ngx_http_proctor_quotas_t *quotas = mcf->worker->quotas;

    debt = NULL;

    if (quotas->stats.debts < NGX_HTTP_PROCTOR_QUOTA_DEBTS) {
        debt =
            ngx_calloc(sizeof(ngx_http_proctor_quota_debt_t), mcf->worker->log);
    }

    if (debt == NULL) {
        quotas->stats.forgone++;
        return;
    }

    debt->call.handler = ngx_http_proctor_quota_settle_told;
    debt->call.data = debt;
    debt->quotas = quotas;
    debt->since = ngx_current_msec;
    debt->accepted = accepted;
    ngx_memcpy(debt->id, q->id, NGX_HTTP_PROCTOR_QUOTA_ID);

    for (i = 0; i < q->n; i++) {
        if (q->held & 1U << i) {
            debt->rows[debt->n++] = q->rows[i].quota;
        }
    }

    ngx_queue_insert_tail(&quotas->debts, &debt->queue);
    quotas->stats.debts++;

    if (ngx_http_proctor_quota_settle_tell(debt) != NGX_OK) {
        ngx_http_proctor_quota_settle_later(quotas);
    }
}


static ngx_int_t
ngx_http_proctor_quota_settle_tell(ngx_http_proctor_quota_debt_t *debt)
{
    ngx_uint_t i;
    proctor_str_t id;
    ngx_http_proctor_quota_args_t args;
    ngx_http_proctor_quotas_t *quotas = debt->quotas;

    static const proctor_str_t held = proctor_str("held");

    ngx_http_proctor_quota_args(&args, 3 * debt->n);

    for (i = 0; i < debt->n; i++) {
        ngx_http_proctor_quota_arg(&args, &debt->rows[i]->key);
        ngx_http_proctor_quota_arg(&args, &debt->rows[i]->row);
        ngx_http_proctor_quota_arg(&args, &debt->rows[i]->more);
    }

    id.data = (char *) debt->id;
    id.len = NGX_HTTP_PROCTOR_QUOTA_ID;

    ngx_http_proctor_quota_arg(&args, &id);
    ngx_http_proctor_quota_arg_number(&args, (int64_t) debt->accepted);

    for (i = 0; i < debt->n; i++) {
        ngx_http_proctor_quota_arg(&args, &debt->rows[i]->per);
        ngx_http_proctor_quota_arg(&args, &held);
    }

    return ngx_http_proctor_quota_tell(
        quotas->worker->redis, &debt->call, quotas->mcf->quota_settle, &args);
}


static void
ngx_http_proctor_quota_settle_told(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_http_proctor_quota_debt_t *debt = data;

    if (status == NGX_HTTP_PROCTOR_REDIS_REPLY
        && replies->type == NGX_HTTP_PROCTOR_REDIS_INTEGER) {
        ngx_http_proctor_quota_settle_free(debt);
        return;
    }

    ngx_http_proctor_quota_settle_later(debt->quotas);
}


static void
ngx_http_proctor_quota_settle_later(ngx_http_proctor_quotas_t *quotas)
{
    if (!quotas->retry.timer_set) {
        ngx_add_timer(&quotas->retry, NGX_HTTP_PROCTOR_QUOTA_RETRY);
    }
}


void
ngx_http_proctor_quota_settle_retry(ngx_event_t *ev)
{
    ngx_queue_t *q, *next;
    ngx_http_proctor_quotas_t *quotas = ev->data;
    ngx_http_proctor_quota_debt_t *debt;

    for (q = ngx_queue_head(&quotas->debts);
         q != ngx_queue_sentinel(&quotas->debts); q = next) {

        next = ngx_queue_next(q);
        debt = ngx_queue_data(q, ngx_http_proctor_quota_debt_t, queue);

        if (debt->call.op != NULL) {
            continue;
        }

        if (ngx_current_msec - debt->since > PROCTOR_QUOTA_HOLD * 1000) {
            quotas->stats.forgone++;
            ngx_http_proctor_quota_settle_free(debt);
            continue;
        }

        if (ngx_http_proctor_quota_settle_tell(debt) != NGX_OK) {
            ngx_http_proctor_quota_settle_later(quotas);
            return;
        }
    }
}


static void
ngx_http_proctor_quota_settle_free(ngx_http_proctor_quota_debt_t *debt)
{
    debt->quotas->stats.debts--;
    ngx_queue_remove(&debt->queue);
    ngx_free(debt);
}


void
ngx_http_proctor_quota_settle_exit(ngx_http_proctor_quotas_t *quotas)
{
    ngx_queue_t *q;
    ngx_uint_t lost;
    ngx_http_proctor_quota_debt_t *debt;

    lost = 0;

    q = ngx_queue_head(&quotas->debts);

    while (q != ngx_queue_sentinel(&quotas->debts)) {
        debt = ngx_queue_data(q, ngx_http_proctor_quota_debt_t, queue);
        q = ngx_queue_next(q);

        lost += (debt->call.op == NULL);
        ngx_http_proctor_redis_cancel(&debt->call);
        ngx_http_proctor_quota_settle_free(debt);
    }

    if (quotas->retry.timer_set) {
        ngx_del_timer(&quotas->retry);
    }

    if (lost != 0) {
        ngx_log_error(NGX_LOG_WARN, quotas->worker->log, 0,
            "proctor quota: %ui reservations were not ended: Redis is away, "
            "they expire",
            lost);
    }
}
