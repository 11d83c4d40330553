/*
 * The step that asks whether there is anything left for the team.
 *
 * After everything that could refuse the call for what it is, so that only
 * valid calls cost anything.  Counted in Redis, for all gateways together, or
 * in the zone, for this machine, when there is no Redis or it is ill and the
 * directive says so.  All of the quotas that apply are taken, or none.
 */

#include "ngx_http_proctor_quota.h"


static ngx_uint_t ngx_http_proctor_quota_policy(ngx_http_proctor_ctx_t *ctx);


ngx_int_t
ngx_http_proctor_quota(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_int_t rc;
    const proctor_team_t *team = ctx->key->team;
    ngx_http_proctor_main_conf_t *mcf;

    if (team->nquotas == 0) {
        return NGX_OK;
    }

    ctx->quota = ngx_pcalloc(r->pool, sizeof(ngx_http_proctor_quota_t));
    if (ctx->quota == NULL) {
        return NGX_ERROR;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    ngx_http_proctor_quota_rows(ctx->quota, team, ctx->operation);

    if (ctx->quota->n == 0) {
        return NGX_OK;
    }

    if (mcf->redis == NULL) {
        return ngx_http_proctor_quota_local(r, ctx);
    }

    rc = ngx_http_proctor_quota_redis(r, ctx);

    return (rc == NGX_DECLINED) ? ngx_http_proctor_quota_ill(
               r, ctx, ngx_http_proctor_quota_local)
                                : rc;
}


void
ngx_http_proctor_quota_rows(ngx_http_proctor_quota_t *q,
    const proctor_team_t *team, const proctor_operation_t *operation)
{
    ngx_uint_t i;

    q->n = 0;
    q->reserves = 0;

    for (i = 0; i < team->nquotas; i++) {
        if (proctor_quota_applies(&team->quotas[i], operation)) {
            q->reserves |= team->quotas[i].accepted ? 1U << q->n : 0;
            q->rows[q->n++].quota = &team->quotas[i];
        }
    }
}


ngx_int_t
ngx_http_proctor_quota_ill(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_quota_local_pt local)
{
    switch (ngx_http_proctor_quota_policy(ctx)) {
    case NGX_HTTP_PROCTOR_QUOTA_LOCAL:
        return local(r, ctx);

    case NGX_HTTP_PROCTOR_QUOTA_OPEN:
        return NGX_OK;

    default:
        return ngx_http_proctor_quota_refuse(
            ctx, NGX_HTTP_PROCTOR_QUOTA_DOWN, 1000);
    }
}


/* a read does no harm; what changes something waits until it is counted */

static ngx_uint_t
ngx_http_proctor_quota_policy(ngx_http_proctor_ctx_t *ctx)
{
    const proctor_str_t *right = &ctx->operation->right;

    if (ctx->conf->quota_on_error != NGX_HTTP_PROCTOR_QUOTA_DEFAULT) {
        return ctx->conf->quota_on_error;
    }

    return (right->len == 4 && ngx_strncmp(right->data, "read", 4) == 0)
               ? NGX_HTTP_PROCTOR_QUOTA_LOCAL
               : NGX_HTTP_PROCTOR_QUOTA_CLOSED;
}


ngx_int_t
ngx_http_proctor_quota_refuse(
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_error_e code, int64_t wait)
{
    if (ctx->conf->mode == NGX_HTTP_PROCTOR_OBSERVE) {
        if (ctx->observed.code == NGX_HTTP_PROCTOR_FINE) {
            ctx->observed.code = code;
        }

        return NGX_OK;
    }

    (void) ngx_http_proctor_refuse(ctx, code, NULL);
    ctx->refusal.retry_after = (ngx_uint_t) ((wait + 999) / 1000);

    return NGX_DECLINED;
}


/* what is counted needs a place to be counted in, also without Redis */

ngx_int_t
ngx_http_proctor_quota_init(ngx_conf_t *cf, ngx_http_proctor_main_conf_t *mcf)
{
    const ngx_http_proctor_redis_place_t scripts[] = {
        { &mcf->quota_take, &ngx_http_proctor_quota_script_take },
        { &mcf->quota_settle, &ngx_http_proctor_quota_script_settle },
        { &mcf->quota_budget, &ngx_http_proctor_quota_script_budget },
        { &mcf->quota_valve, &ngx_http_proctor_quota_script_valve },
    };

    if (mcf->zone == NULL && proctor_teams_nquotas(mcf->teams) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
            "proctor quota: quotas and limits of \"%V\" need a proctor_zone",
            &mcf->teams_file);
        return NGX_ERROR;
    }

    if (mcf->redis == NULL || mcf->zone == NULL) {
        return NGX_OK;
    }

    return ngx_http_proctor_redis_scripts(
        cf, mcf->redis, scripts, sizeof(scripts) / sizeof(scripts[0]));
}
