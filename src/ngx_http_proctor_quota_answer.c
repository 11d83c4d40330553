/*
 * When an answer goes out: what was reserved is settled, the upstream's 429
 * shuts the valve, and the caller is told how much is left, in the fields of
 * the IETF's draft-ietf-httpapi-ratelimit-headers:
 *
 *     RateLimit-Policy: "calls";q=600;w=60
 *     RateLimit: "calls";r=599;t=61
 *
 * `t` is when more is left than now.  A request that ends without an answer is
 * settled in the log phase.
 */

#include "ngx_http_proctor_quota.h"


static void ngx_http_proctor_quota_settle(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_uint_t accepted);
static ngx_int_t ngx_http_proctor_quota_headers(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static void ngx_http_proctor_quota_hide(ngx_http_request_t *r);


static const ngx_str_t ngx_http_proctor_quota_fields[] = {
    ngx_string("RateLimit"),
    ngx_string("RateLimit-Policy"),
    ngx_null_string,
};


ngx_int_t
ngx_http_proctor_quota_answer(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_uint_t status;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    status = ngx_http_proctor_answer_status(ctx);

    if (status != 0) {
        ngx_http_proctor_quota_settle(r, ctx, status < 400);

        if (status == 429 && mcf->zone != NULL
            && ngx_http_proctor_quota_valve_header(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ctx->quota == NULL || !ctx->quota->known) {
        return NGX_OK;
    }

    ngx_http_proctor_quota_hide(r);

    return ngx_http_proctor_quota_headers(r, ctx);
}


/*
 * What was sent, and had no answer, may have happened: it counts.  What never
 * left is given back.
 */

ngx_int_t
ngx_http_proctor_quota_end(ngx_http_request_t *r)
{
    ngx_uint_t i, sent;
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_upstream_state_t *state;

    ctx = ngx_http_proctor_ctx_get(r);

    if (ctx == NULL || ctx->quota == NULL || ctx->quota->held == 0) {
        return NGX_OK;
    }

    sent = 0;

    if (r->upstream_states != NULL) {
        state = r->upstream_states->elts;

        for (i = 0; i < r->upstream_states->nelts; i++) {
            sent |= (state[i].bytes_sent > 0);
        }
    }

    ngx_http_proctor_quota_settle(r, ctx, sent);

    return NGX_OK;
}


static void
ngx_http_proctor_quota_settle(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_uint_t accepted)
{
    ngx_http_proctor_quota_t *q = ctx->quota;
    ngx_http_proctor_main_conf_t *mcf;

    if (q == NULL || q->held == 0) {
        return;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    if (q->remote) {
        ngx_http_proctor_quota_settle_remote(mcf, q, accepted);

    } else {
        ngx_http_proctor_quota_local_settle(mcf, q, accepted);
    }

    q->held = 0;
}


static ngx_int_t
ngx_http_proctor_quota_headers(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    u_char *p, *l;
    size_t size;
    ngx_uint_t i;
    ngx_str_t policy, left;
    ngx_http_proctor_quota_t *q = ctx->quota;
    ngx_http_proctor_quota_row_t *row;

    for (i = 0, size = 0; i < q->n; i++) {
        size += q->rows[i].quota->policy.len + sizeof(", \"\";r=;t=")
                + 2 * PROCTOR_DECIMAL_LEN;
    }

    policy.data = ngx_pnalloc(r->pool, 2 * size);
    if (policy.data == NULL) {
        return NGX_ERROR;
    }

    left.data = policy.data + size;
    p = policy.data;
    l = left.data;

    for (i = 0; i < q->n; i++) {
        row = &q->rows[i];

        if (i != 0) {
            p = ngx_cpymem(p, ", ", 2);
            l = ngx_cpymem(l, ", ", 2);
        }

        p = ngx_cpymem(p, row->quota->policy.data, row->quota->policy.len);

        *l++ = '"';
        l = ngx_cpymem(l, row->quota->name.data, row->quota->name.len);
        l = ngx_cpymem(l, "\";r=", 4);
        l = (u_char *) proctor_decimal_write(
            (char *) l, (uint64_t) ngx_max(row->left, 0));
        l = ngx_cpymem(l, ";t=", 3);
        l = (u_char *) proctor_decimal_write(
            (char *) l, (uint64_t) (row->reset + 999) / 1000);
    }

    policy.len = (size_t) (p - policy.data);
    left.len = (size_t) (l - left.data);

    if (ngx_http_proctor_header_add(r, "RateLimit-Policy", &policy) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_proctor_header_add(r, "RateLimit", &left);
}


/* what the upstream said of the account is not the team's */

static void
ngx_http_proctor_quota_hide(ngx_http_request_t *r)
{
    ngx_table_elt_t *h;
    const ngx_str_t *name;
    ngx_http_proctor_headers_t it;

    it.part = &r->headers_out.headers.part;
    it.i = 0;

    while ((h = ngx_http_proctor_headers_next(&it)) != NULL) {
        for (name = ngx_http_proctor_quota_fields; name->len != 0; name++) {
            if (h->key.len == name->len
                && ngx_strncasecmp(h->key.data, name->data, name->len) == 0) {
                h->hash = 0;
            }
        }
    }
}
