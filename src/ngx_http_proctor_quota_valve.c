/*
 * The valve of an account: shut by the upstream's 429, for as long as that
 * says, for every worker of the machine and, in Redis, for every gateway.
 *
 * An account with limits asks Redis before each forwarded call, and learns of
 * its valve with that.  For one without, the machine asks again when what it
 * knows is older than a tenth of a second; the call that asks waits for the
 * reply, the others go by what is known.
 *
 * HTTP says how long in Retry-After.  Respan says it in the body only, whose
 * beginning is therefore read as it passes; until it has come the valve is
 * shut for a second.
 */

#include "ngx_http_proctor_quota.h"


#define NGX_HTTP_PROCTOR_VALVE_MIN  1000
#define NGX_HTTP_PROCTOR_VALVE_BODY 1024
#define NGX_HTTP_PROCTOR_VALVE_ASK  100


/* in the zone; ms of the clock that nobody sets */

typedef struct {
    int64_t until;
    int64_t asked;
} ngx_http_proctor_quota_valve_t;


static int64_t ngx_http_proctor_quota_valve_seconds(const ngx_str_t *value);
static void ngx_http_proctor_quota_valve_parse(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);


int64_t
ngx_http_proctor_quota_valve_wait(ngx_http_proctor_main_conf_t *mcf,
    const proctor_account_t *account, ngx_uint_t *ask)
{
    int64_t wait, now;
    ngx_http_proctor_quota_valve_t *valve;

    *ask = 0;
    wait = 0;
    now = (int64_t) ngx_current_msec;

    ngx_http_proctor_zone_lock(mcf->zone);

    valve = ngx_http_proctor_zone_get_locked(
        mcf->zone, &account->valve, sizeof(ngx_http_proctor_quota_valve_t));

    if (valve != NULL) {
        wait = ngx_max(valve->until - now, 0);

        if (wait == 0 && now - valve->asked >= NGX_HTTP_PROCTOR_VALVE_ASK) {
            valve->asked = now;
            *ask = 1;
        }
    }

    ngx_http_proctor_zone_unlock(mcf->zone);

    return wait;
}


void
ngx_http_proctor_quota_valve_shut(ngx_http_proctor_main_conf_t *mcf,
    const proctor_account_t *account, int64_t wait)
{
    int64_t then;
    ngx_http_proctor_quota_valve_t *valve;

    then = (int64_t) ngx_current_msec + wait;

    ngx_http_proctor_zone_lock(mcf->zone);

    valve = ngx_http_proctor_zone_get_locked(
        mcf->zone, &account->valve, sizeof(ngx_http_proctor_quota_valve_t));

    if (valve != NULL && valve->until < then) {
        valve->until = then;
    }

    ngx_http_proctor_zone_unlock(mcf->zone);
}


ngx_int_t
ngx_http_proctor_quota_valve_header(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    int64_t wait;
    ngx_table_elt_t *h;
    ngx_http_proctor_headers_t it;
    ngx_http_proctor_main_conf_t *mcf;

    wait = 0;
    it.part = &ctx->upstream->headers_in.headers.part;
    it.i = 0;

    while ((h = ngx_http_proctor_headers_next(&it)) != NULL) {
        if (h->key.len == sizeof("Retry-After") - 1
            && ngx_strncasecmp(h->key.data, (u_char *) "Retry-After", 11)
                   == 0) {
            wait = ngx_http_proctor_quota_valve_seconds(&h->value);
        }
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    if (wait == 0) {
        wait = NGX_HTTP_PROCTOR_VALVE_MIN;
        ctx->valve = ngx_create_temp_buf(r->pool, NGX_HTTP_PROCTOR_VALVE_BODY);
        if (ctx->valve == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_http_proctor_quota_valve_shut(mcf, ctx->account, wait);
    ngx_http_proctor_quota_redis_valve_shut(mcf, ctx->account, wait);

    return NGX_OK;
}


/* seconds or an HTTP date, as ms within bounds; 0: neither */

static int64_t
ngx_http_proctor_quota_valve_seconds(const ngx_str_t *value)
{
    time_t n;

    n = ngx_atotm(value->data, value->len);

    if (n == NGX_ERROR) {
        n = ngx_parse_http_time(value->data, value->len);
        n = (n == NGX_ERROR) ? 0 : ngx_max(n - ngx_time(), 1);
    }

    return (n > NGX_HTTP_PROCTOR_QUOTA_VALVE_MAX / 1000)
               ? NGX_HTTP_PROCTOR_QUOTA_VALVE_MAX
               : (int64_t) n * 1000;
}


void
ngx_http_proctor_quota_valve_body(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_chain_t *in)
{
    size_t n;
    ngx_uint_t last;

    for (last = 0; in != NULL; in = in->next) {
        last |= in->buf->last_buf;

        if (ngx_buf_in_memory(in->buf)) {
            n = ngx_min(in->buf->last - in->buf->pos,
                ctx->valve->end - ctx->valve->last);
            ctx->valve->last = ngx_cpymem(ctx->valve->last, in->buf->pos, n);
        }
    }

    if (last) {
        ngx_http_proctor_quota_valve_parse(r, ctx);
        ctx->valve = NULL;
    }
}


static void
ngx_http_proctor_quota_valve_parse(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    int64_t wait;
    uint32_t node;
    ngx_str_t text;
    ngx_http_proctor_worker_t *worker;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    worker = mcf->worker;

    if (proctor_json_parse(&worker->doc, (char *) ctx->valve->pos,
            ctx->valve->last - ctx->valve->pos)
        != PROCTOR_OK) {
        return;
    }

    node = proctor_json_member(&worker->doc, 0, "retry_after", 11);

    if (node != 0 && worker->doc.nodes[node].type == PROCTOR_JSON_NUMBER) {
        text.data = (u_char *) worker->doc.nodes[node].text;
        text.len = worker->doc.nodes[node].len;
        wait = ngx_http_proctor_quota_valve_seconds(&text);

        if (wait != 0) {
            ngx_http_proctor_quota_valve_shut(mcf, ctx->account, wait);
            ngx_http_proctor_quota_redis_valve_shut(mcf, ctx->account, wait);
        }
    }

    proctor_arena_reset(worker->arena);
}
