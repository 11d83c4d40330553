/*
 * The step that asks whether the account may spend a call on its upstream.
 *
 * Only what is forwarded gets here.  First the valve, which is this machine's
 * memory of an upstream that said 429; then the account's limits, in Redis or
 * in the zone.
 */

#include "ngx_http_proctor_quota.h"


ngx_int_t
ngx_http_proctor_quota_budget(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    int64_t wait;
    ngx_int_t rc;
    ngx_uint_t ask;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    if (r->content_handler == NULL || mcf->zone == NULL) {
        return NGX_OK;
    }

    wait = ngx_http_proctor_quota_valve_wait(mcf, ctx->account, &ask);

    if (wait != 0) {
        return ngx_http_proctor_quota_refuse(
            ctx, NGX_HTTP_PROCTOR_UPSTREAM_LIMIT, wait);
    }

    if (mcf->redis == NULL) {
        return (ctx->account->nlimits == 0)
                   ? NGX_OK
                   : ngx_http_proctor_quota_local_budget(r, ctx);
    }

    if (ctx->account->nlimits == 0) {
        rc = ask ? ngx_http_proctor_quota_redis_valve(r, ctx) : NGX_OK;
        return (rc == NGX_DECLINED) ? NGX_OK : rc;
    }

    rc = ngx_http_proctor_quota_redis_budget(r, ctx);

    return (rc == NGX_DECLINED) ? ngx_http_proctor_quota_ill(
               r, ctx, ngx_http_proctor_quota_local_budget)
                                : rc;
}


/* FNV-1a; 0 is nobody */

uint64_t
ngx_http_proctor_quota_team(const proctor_team_t *team)
{
    size_t i;
    uint64_t hash;
    const proctor_str_t *name = &team->name;

    hash = 14695981039346656037ULL;

    for (i = 0; i < name->len; i++) {
        hash = (hash ^ (u_char) name->data[i]) * 1099511628211ULL;
    }

    return (hash == 0) ? 1 : hash;
}
