/*
 * The two filters, on the way back.
 *
 * The header filter decides, once, what becomes of an answer's body: passed on
 * as it is; replaced (what nginx raised by itself, and upstream answers that
 * must not reach a caller); or sent through the link rewriter.  The body filter
 * does it.  As a dynamic AUX filter they run before gzip, chunked and range, so
 * the bytes are the upstream's own.
 */

#include "ngx_http_proctor.h"


static ngx_int_t ngx_http_proctor_answer_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_proctor_answer_decide(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_http_proctor_ctx_t *ngx_http_proctor_answer_ctx(
    ngx_http_request_t *r);
static ngx_http_proctor_error_e ngx_http_proctor_answer_judge(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_uint_t ngx_http_proctor_answer_is_private(const ngx_str_t *key);
static ngx_int_t ngx_http_proctor_answer_out(
    ngx_http_request_t *r, ngx_chain_t *in);
static ngx_int_t ngx_http_proctor_answer_send_reply(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_chain_t *in);


static ngx_http_output_header_filter_pt ngx_http_proctor_next_header;
static ngx_http_output_body_filter_pt ngx_http_proctor_next_body;


/* upstream statuses that must not reach a caller */

static const struct {
    ngx_uint_t status;
    ngx_http_proctor_error_e code;
} ngx_http_proctor_answer_banned[] = {
    { 401, NGX_HTTP_PROCTOR_UPSTREAM_CREDENTIAL },
    { 407, NGX_HTTP_PROCTOR_UPSTREAM_CREDENTIAL },
    { 300, NGX_HTTP_PROCTOR_UPSTREAM_REDIRECT },
    { 301, NGX_HTTP_PROCTOR_UPSTREAM_REDIRECT },
    { 302, NGX_HTTP_PROCTOR_UPSTREAM_REDIRECT },
    { 303, NGX_HTTP_PROCTOR_UPSTREAM_REDIRECT },
    { 305, NGX_HTTP_PROCTOR_UPSTREAM_REDIRECT },
    { 307, NGX_HTTP_PROCTOR_UPSTREAM_REDIRECT },
    { 308, NGX_HTTP_PROCTOR_UPSTREAM_REDIRECT },
    { 0, NGX_HTTP_PROCTOR_FINE },
};


static ngx_str_t ngx_http_proctor_answer_private[] = {
    ngx_string("x-request-id"),
    ngx_string("x-accel-"),
    ngx_string("x-proctor-"),
    ngx_string("set-cookie"),
    ngx_null_string,
};


ngx_int_t
ngx_http_proctor_answer_init(ngx_conf_t *cf)
{
    (void) cf;

    ngx_http_proctor_next_header = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_proctor_answer_header;

    ngx_http_proctor_next_body = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_proctor_answer_body;

    return NGX_OK;
}


static ngx_int_t
ngx_http_proctor_answer_header(ngx_http_request_t *r)
{
    ngx_http_proctor_ctx_t *ctx;

    if (r != r->main) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);

        return ngx_http_proctor_cache_behind(ctx)
                   ? ngx_http_proctor_cache_behind_header(r, ctx)
                   : ngx_http_proctor_next_header(r);
    }

    ctx = ngx_http_proctor_ctx_get(r);

    if (ctx == NULL) {
        ctx = ngx_http_proctor_answer_ctx(r);
    }

    if (ctx == NULL) {
        return ngx_http_proctor_next_header(r);
    }

    ngx_http_proctor_key_withdraw(r, ctx);

    if (ngx_http_proctor_answer_decide(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    (void) ngx_http_proctor_audit_answer(r, ctx); /* unless it has been asked */

    return (ctx->hold == NULL) ? ngx_http_proctor_answer_go(r, ctx)
                               : ngx_http_proctor_answer_hold(r);
}


ngx_int_t
ngx_http_proctor_answer_go(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_answer_scrub(r, ctx);
    ngx_http_proctor_cache_fill(r, ctx);
    ngx_http_proctor_cache_write_answer(r, ctx);

    if (ngx_http_proctor_quota_answer(r, ctx) != NGX_OK
        || ngx_http_proctor_cache_say(r, ctx) != NGX_OK
        || ngx_http_proctor_header_add(r, "X-Request-Id", &ctx->rid)
               != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_proctor_next_header(r);
}


static ngx_int_t
ngx_http_proctor_answer_decide(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_int_t rc;
    ngx_http_proctor_error_e code;

    if (ctx->reply.len != 0) {
        return NGX_OK; /* our refusal is on its way */
    }

    ngx_http_proctor_answer_odd(r, ctx);

    code = ngx_http_proctor_answer_judge(r, ctx);
    rc = ngx_http_proctor_cache_stale(r, ctx, code);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (code == NGX_HTTP_PROCTOR_UPSTREAM_CREDENTIAL) {
        ngx_http_proctor_key_refused(r, ctx);
    }

    if (code != NGX_HTTP_PROCTOR_FINE) {
        (void) ngx_http_proctor_refuse(ctx, code, NULL);
        ctx->refusal.status = r->headers_out.status;

        return ngx_http_proctor_answer_replace(r, ctx);
    }

    if (ngx_http_proctor_audit_answer(r, ctx) == NGX_DECLINED) {
        return ngx_http_proctor_answer_replace(r, ctx);
    }

    return ngx_http_proctor_links_wanted(r, ctx)
               ? ngx_http_proctor_links_begin(r, ctx)
               : NGX_OK;
}


/*
 * Errors raised before our first step have no ctx yet.  Those of a location
 * under a contract, and those of a server before it chose a location, get one;
 * other locations of the server are none of our business.
 */

static ngx_http_proctor_ctx_t *
ngx_http_proctor_answer_ctx(ngx_http_request_t *r)
{
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_core_srv_conf_t *cscf;
    ngx_http_proctor_srv_conf_t *scf;
    ngx_http_proctor_loc_conf_t *conf;

    if (r->err_status == 0) {
        return NULL;
    }

    conf = ngx_http_get_module_loc_conf(r, ngx_http_proctor_module);
    scf = ngx_http_get_module_srv_conf(r, ngx_http_proctor_module);
    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    if (conf->contract == NULL
        && (!scf->used || r->loc_conf != cscf->ctx->loc_conf)) {
        return NULL;
    }

    ctx = ngx_http_proctor_ctx_create(r);
    if (ctx != NULL) {
        ctx->state = NGX_HTTP_PROCTOR_ANSWERED;
    }

    return ctx;
}


static ngx_http_proctor_error_e
ngx_http_proctor_answer_judge(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_uint_t i;

    if (r->err_status >= 300 && r->err_status != 304) {
        return NGX_HTTP_PROCTOR_RAISED;
    }

    if (!ngx_http_proctor_answer_upstream(r)) {
        return NGX_HTTP_PROCTOR_FINE;
    }

    for (i = 0; ngx_http_proctor_answer_banned[i].status != 0; i++) {
        if (ngx_http_proctor_answer_banned[i].status == r->headers_out.status) {
            return ngx_http_proctor_answer_banned[i].code;
        }
    }

    if (ngx_http_proctor_links_wanted(r, ctx)
        && r->headers_out.content_encoding != NULL
        && r->headers_out.content_encoding->value.len != 0) {
        return NGX_HTTP_PROCTOR_UPSTREAM_CODING;
    }

    return NGX_HTTP_PROCTOR_FINE;
}


ngx_int_t
ngx_http_proctor_answer_replace(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    if (r->upstream != NULL) {
        ngx_http_proctor_answer_forget(r);
    }

    /* a redirect of nginx's own would turn a client's POST into a GET */

    if (ctx->refusal.code == NGX_HTTP_PROCTOR_RAISED
        && ctx->refusal.status < 400) {
        ctx->refusal.status = NGX_HTTP_NOT_FOUND;
        ngx_http_proctor_answer_forget(r);
    }

    if (ngx_http_proctor_error_render(
            r, ctx->contract, &ctx->refusal, &ctx->reply)
        != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_proctor_error_headers(r, ctx, &ctx->refusal);

    ctx->answer = NGX_HTTP_PROCTOR_REPLACE;

    return NGX_OK;
}


void
ngx_http_proctor_answer_forget(ngx_http_request_t *r)
{
    ngx_table_elt_t *h;
    ngx_http_proctor_headers_t it;

    it.part = &r->headers_out.headers.part;
    it.i = 0;

    while ((h = ngx_http_proctor_headers_next(&it)) != NULL) {
        h->hash = 0;
    }

    r->headers_out.location = NULL;
    r->headers_out.server = NULL;
    r->headers_out.date = NULL;
}


/*
 * The names between proxies; a request id, which is the gateway's to give;
 * cookies, which may stand for the lent account as its key does; and whatever
 * quotes that key.
 */

void
ngx_http_proctor_answer_scrub(
    ngx_http_request_t *r, const ngx_http_proctor_ctx_t *ctx)
{
    ngx_table_elt_t *h;
    proctor_str_t lent;
    ngx_http_proctor_headers_t it;

    lent = ngx_http_proctor_key_lent(ctx);

    it.part = &r->headers_out.headers.part;
    it.i = 0;

    while ((h = ngx_http_proctor_headers_next(&it)) != NULL) {

        if (ngx_http_proctor_answer_is_private(&h->key)
            || (h->value.len >= lent.len && lent.len != 0
                && memmem(h->value.data, h->value.len, lent.data, lent.len)
                       != NULL)) {
            h->hash = 0;
        }
    }
}


static ngx_uint_t
ngx_http_proctor_answer_is_private(const ngx_str_t *key)
{
    u_char first;
    const ngx_str_t *name;

    first = (key->len < 2) ? 0 : key->data[0] | 0x20;

    if (first != 's' && (first != 'x' || key->data[1] != '-')) {
        return 0; /* nearly all */
    }

    for (name = ngx_http_proctor_answer_private; name->len != 0; name++) {
        if (key->len >= name->len
            && ngx_strncasecmp(key->data, name->data, name->len) == 0) {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_proctor_answer_body(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_proctor_ctx_t *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);

    if (ctx == NULL || (r != r->main && !ngx_http_proctor_cache_behind(ctx))) {
        return ngx_http_proctor_next_body(r, in);
    }

    if (ctx->hold != NULL) {
        return ngx_http_proctor_answer_hold_body(r, ctx, in);
    }

    if (ctx->valve != NULL) {
        ngx_http_proctor_quota_valve_body(r, ctx, in);
    }

    switch (ctx->answer) {
    case NGX_HTTP_PROCTOR_AS_IT_IS:
        break;

    case NGX_HTTP_PROCTOR_REPLACE:
    case NGX_HTTP_PROCTOR_REPLACED:
        return ngx_http_proctor_answer_send_reply(r, ctx, in);

    case NGX_HTTP_PROCTOR_LINKS:
        if (in != NULL) {
            return ngx_http_proctor_links_body(
                r, ctx, in, ngx_http_proctor_answer_out);
        }

        break;

    case NGX_HTTP_PROCTOR_BROKEN:
        return NGX_ERROR;
    }

    return ngx_http_proctor_answer_out(r, in);
}


/* what goes out is what is stored */

static ngx_int_t
ngx_http_proctor_answer_out(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_proctor_ctx_t *ctx;

    if (r != r->main) {
        return ngx_http_proctor_cache_behind_body(r, in);
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);

    if (ctx->cache != NULL) {
        ngx_http_proctor_cache_fill_body(r, ctx, in);
    }

    return ngx_http_proctor_next_body(r, in);
}


/* the reply goes out at the first call; what comes in is swallowed */

static ngx_int_t
ngx_http_proctor_answer_send_reply(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_buf_t *b;
    ngx_chain_t out;

    for (; in != NULL; in = in->next) {
        in->buf->pos = in->buf->last;
        in->buf->file_pos = in->buf->file_last;
    }

    if (ctx->answer == NGX_HTTP_PROCTOR_REPLACED) {
        return ngx_http_proctor_next_body(r, NULL);
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->start = b->pos = ctx->reply.data;
    b->end = b->last = ctx->reply.data + ctx->reply.len;
    b->memory = (ctx->reply.len != 0);
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    ctx->answer = NGX_HTTP_PROCTOR_REPLACED;

    return ngx_http_proctor_next_body(r, &out);
}
