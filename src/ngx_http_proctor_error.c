/*
 * Every refusal is spelled once, in the table below, and rendered once, in the
 * shape that the API's own clients parse (API.md, decisions 9 and 10).
 *
 * A refusal is a value in the request's ctx: who refuses fills it in, the
 * runner (our refusals) or the header filter (nginx's own errors, and upstream
 * answers that must not reach a caller) has it rendered.  All bytes are in
 * r->pool.
 */

#include "ngx_http_proctor.h"


typedef struct {
    ngx_str_t reason; /* for $proctor_reason and the audit trail */
    ngx_uint_t status;
    const char *code; /* PROCTOR_ERRORS_STATUS's "code" */
    ngx_str_t detail;
} ngx_http_proctor_error_t;


static ngx_uint_t ngx_http_proctor_error_status(
    const ngx_http_proctor_refusal_t *refusal);
static const ngx_http_proctor_error_t *ngx_http_proctor_error_row(
    const ngx_http_proctor_refusal_t *refusal);
static const ngx_http_proctor_error_t *ngx_http_proctor_error_raised(
    ngx_uint_t status);
static ngx_int_t ngx_http_proctor_error_retry(
    ngx_http_request_t *r, const ngx_http_proctor_refusal_t *refusal);


#define error(reason, status, code, detail)                                    \
    {                                                                          \
        ngx_string(reason), status, code, ngx_string(detail)                   \
    }

static const ngx_http_proctor_error_t ngx_http_proctor_errors[] = {
    error("", 200, "", ""),
    error("malformed", 400, "bad_request", "The request is malformed."),
    error("bad_path", 400, "bad_request", "The path is malformed."),
    error("no_path", 404, "not_found", "No such path."),
    error("bad_method", 405, "not_implemented", "The method is not allowed."),
    error("bad_expect", 417, "bad_request",
        "The only expectation met here is 100-continue."),
    error("no_key", 401, "not_authenticated",
        "No key was given; send Authorization: Bearer <gateway key>."),
    error(
        "bad_key", 401, "bad_authtoken", "The key is invalid or has expired."),
    error("expired_key", 401, "bad_authtoken",
        "The key is invalid or has expired."),
    error("no_right", 403, "not_permitted", "The key lacks a right."),
    error("no_account", 403, "not_permitted",
        "The team has no account for this API."),
    error("bad_input", 400, "invalid_value",
        "The request does not fit the contract."),
    error("no_body", 400, "required_value", "A JSON body is required."),
    error("fat_request", 400, "bad_request",
        "This operation takes no request body."),
    error("bad_json", 400, "bad_request", "The body is not valid JSON."),
    error("bad_media_type", 415, "bad_request",
        "The body must be sent as Content-Type: application/json, in UTF-8."),
    error("bad_coding", 415, "bad_request",
        "A coded body is not accepted; send it without Content-Encoding."),
    error("policy", 403, "not_permitted",
        "The team's policy does not allow this."),
    error("busy", 503, "unexpected",
        "The gateway is too busy to check this request; try again."),
    error("quota", 429, "unexpected", "Rate limit exceeded"),
    error("account_limit", 429, "unexpected", "Rate limit exceeded"),
    error("upstream_limit", 429, "unexpected", "Rate limit exceeded"),
    error("quota_down", 503, "unexpected",
        "The gateway cannot count this call; try again."),
    error("audit_down", 503, "unexpected",
        "The gateway cannot write this call down, so it was not made; try "
        "again."),
    error("audit_late", 503, "unexpected",
        "The gateway could not write this call down in time, so it was not "
        "made; try again."),
    error("audit_lost", 502, "unexpected",
        "The call was made, but the gateway could not write down how it "
        "ended."),
    error("not_cached", 504, "unexpected",
        "There is no stored answer, and only-if-cached was asked for."),
    error("upstream_credential", 502, "unexpected",
        "The gateway's credential was refused by the API."),
    error("upstream_redirect", 502, "unexpected",
        "The API answered with a redirect, which is not passed on."),
    error("upstream_coding", 502, "unexpected",
        "The API coded an answer that the gateway must read."),
    error("raised", 500, "unexpected", "The gateway failed."),
};

/* what nginx raises by itself, by status; the last row is for all others */

static const ngx_http_proctor_error_t ngx_http_proctor_errors_raised[] = {
    error("http_400", 400, "bad_request", "The request is malformed."),
    error("http_401", 401, "not_authenticated", "Authentication failed."),
    error("http_403", 403, "not_permitted", "Access is forbidden."),
    error("http_404", 404, "not_found", "No such path."),
    error("http_405", 405, "not_implemented", "The method is not allowed."),
    error("http_408", 408, "bad_request", "The request took too long."),
    error("http_411", 411, "bad_request", "A Content-Length is required."),
    error("http_413", 413, "bad_request", "The request body is too large."),
    error("http_414", 414, "bad_request", "The request target is too long."),
    error("http_416", 416, "bad_request", "The range cannot be satisfied."),
    error("http_429", 429, "unexpected", "Rate limit exceeded."),
    error("http_501", 501, "not_implemented", "This is not implemented."),
    error("http_502", 502, "unexpected", "The API did not answer properly."),
    error("http_503", 503, "unexpected", "The gateway is busy; try again."),
    error("http_504", 504, "unexpected", "The API did not answer in time."),
    error("http_505", 505, "bad_request",
        "This version of HTTP is not supported."),
    error("http_other", 0, "unexpected", "The gateway failed."),
};

#undef error


ngx_int_t
ngx_http_proctor_refuse(ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_error_e code, const ngx_str_t *detail)
{
    ngx_memzero(&ctx->refusal, sizeof(ngx_http_proctor_refusal_t));

    ctx->refusal.code = code;
    ctx->refusal.retry_after =
        (code == NGX_HTTP_PROCTOR_BUSY || code == NGX_HTTP_PROCTOR_AUDIT_DOWN
            || code == NGX_HTTP_PROCTOR_AUDIT_LATE)
            ? 1
            : 0;

    if (detail != NULL) {
        ctx->refusal.detail = *detail;
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_proctor_refuse_fmt(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_error_e code, const char *fmt, ...)
{
    u_char *p;
    va_list args;
    ngx_str_t detail;

    detail.data = ngx_pnalloc(r->pool, NGX_HTTP_PROCTOR_DETAIL_MAX);
    if (detail.data == NULL) {
        return NGX_ERROR;
    }

    va_start(args, fmt);
    p = ngx_vslprintf(
        detail.data, detail.data + NGX_HTTP_PROCTOR_DETAIL_MAX, fmt, args);
    va_end(args);

    detail.len = p - detail.data;

    return ngx_http_proctor_refuse(ctx, code, &detail);
}


const char *
ngx_http_proctor_error_word(const ngx_http_proctor_refusal_t *refusal)
{
    return ngx_http_proctor_error_row(refusal)->code;
}


static const ngx_http_proctor_error_t *
ngx_http_proctor_error_row(const ngx_http_proctor_refusal_t *refusal)
{
    if (refusal->code == NGX_HTTP_PROCTOR_RAISED) {
        return ngx_http_proctor_error_raised(refusal->status);
    }

    return &ngx_http_proctor_errors[refusal->code];
}


static const ngx_http_proctor_error_t *
ngx_http_proctor_error_raised(ngx_uint_t status)
{
    const ngx_http_proctor_error_t *e;

    for (e = ngx_http_proctor_errors_raised; e->status != 0; e++) {
        if (e->status == status) {
            break;
        }
    }

    return e;
}


static ngx_uint_t
ngx_http_proctor_error_status(const ngx_http_proctor_refusal_t *refusal)
{
    return (refusal->code == NGX_HTTP_PROCTOR_RAISED)
               ? refusal->status
               : ngx_http_proctor_errors[refusal->code].status;
}


ngx_str_t
ngx_http_proctor_error_reason(const ngx_http_proctor_refusal_t *refusal)
{
    return ngx_http_proctor_error_row(refusal)->reason;
}


ngx_str_t
ngx_http_proctor_error_detail(const ngx_http_proctor_refusal_t *refusal)
{
    return (refusal->detail.len != 0)
               ? refusal->detail
               : ngx_http_proctor_error_row(refusal)->detail;
}


void
ngx_http_proctor_error_headers(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_http_proctor_refusal_t *refusal)
{
    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);

    r->headers_out.status = ngx_http_proctor_error_status(refusal);
    r->headers_out.status_line.len = 0;
    r->headers_out.content_length_n = (off_t) ctx->reply.len;
    r->headers_out.content_encoding = NULL;

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.charset.len = 0;
}


ngx_int_t
ngx_http_proctor_error_send(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_int_t rc;
    ngx_buf_t *b;
    ngx_chain_t out;

    if (ngx_http_proctor_error_render(
            r, ctx->contract, &ctx->refusal, &ctx->reply)
        != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->refusal.retry_after != 0
        && ngx_http_proctor_error_retry(r, &ctx->refusal) != NGX_OK) {
        return NGX_ERROR;
    }

    /* nobody wants the body that a 100 Continue would ask for */
    r->expect_tested = 1;

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        r->keepalive = 0;
    }

    ngx_http_proctor_error_headers(r, ctx, &ctx->refusal);

    b = ngx_create_temp_buf(r->pool, 0);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->start = b->pos = ctx->reply.data;
    b->end = b->last = ctx->reply.data + ctx->reply.len;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    rc = ngx_http_send_header(r);

    if (rc != NGX_ERROR && rc <= NGX_OK && !r->header_only) {
        rc = ngx_http_output_filter(r, &out);
    }

    ngx_http_finalize_request(r, rc);

    return NGX_DONE; /* r may be gone */
}


static ngx_int_t
ngx_http_proctor_error_retry(
    ngx_http_request_t *r, const ngx_http_proctor_refusal_t *refusal)
{
    ngx_str_t value;

    value.data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len =
        ngx_sprintf(value.data, "%ui", refusal->retry_after) - value.data;

    return ngx_http_proctor_header_add(r, "Retry-After", &value);
}


ngx_int_t
ngx_http_proctor_header_add(
    ngx_http_request_t *r, const char *name, const ngx_str_t *value)
{
    ngx_table_elt_t *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}
