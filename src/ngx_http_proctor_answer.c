/*
 * The two filters, on the way back.
 *
 * The header filter decides, once, what becomes of an answer's body: passed on
 * as it is; replaced (what nginx raised by itself, and upstream answers that
 * must not reach a caller); or sent through the link rewriter.  The body filter
 * does it.  As a dynamic AUX filter they run before gzip, chunked and range, so
 * the bytes are the upstream's own.
 *
 * Incoming buffers are consumed, never kept: rewritten bytes are copied into
 * buffers of our own, which come back through ngx_chain_update_chains().
 */

#include "ngx_http_proctor.h"


#define NGX_HTTP_PROCTOR_ANSWER_BUFFER 8192


static ngx_int_t ngx_http_proctor_answer_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_proctor_answer_decide(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_http_proctor_ctx_t *ngx_http_proctor_answer_ctx(
    ngx_http_request_t *r);
static ngx_uint_t ngx_http_proctor_answer_upstream(ngx_http_request_t *r);
static ngx_http_proctor_error_e ngx_http_proctor_answer_judge(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_int_t ngx_http_proctor_answer_replace(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static void ngx_http_proctor_answer_forget(ngx_http_request_t *r);
static ngx_uint_t ngx_http_proctor_answer_has_links(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_int_t ngx_http_proctor_answer_links(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_int_t ngx_http_proctor_answer_origin(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_str_t *origin);
static void ngx_http_proctor_answer_scrub(ngx_http_request_t *r);
static ngx_int_t ngx_http_proctor_answer_body(
    ngx_http_request_t *r, ngx_chain_t *in);
static ngx_int_t ngx_http_proctor_answer_send_reply(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_proctor_answer_rewrite(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_chain_t *in);
static int ngx_http_proctor_answer_emit(
    void *data, const char *bytes, size_t len);
static ngx_buf_t *ngx_http_proctor_answer_buf(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);


static ngx_http_output_header_filter_pt ngx_http_proctor_next_header;
static ngx_http_output_body_filter_pt ngx_http_proctor_next_body;


typedef struct {
    ngx_http_request_t *r;
    ngx_http_proctor_ctx_t *ctx;
} ngx_http_proctor_answer_to_t;


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
        return ngx_http_proctor_next_header(r);
    }

    ctx = ngx_http_proctor_run_ctx(r);

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

    ngx_http_proctor_answer_scrub(r);

    if (ngx_http_proctor_header_add(r, "X-Request-Id", &ctx->rid) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_proctor_next_header(r);
}


static ngx_int_t
ngx_http_proctor_answer_decide(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_error_e code;

    if (ctx->reply.len != 0) {
        return NGX_OK; /* our refusal is on its way */
    }

    if (r->upstream != NULL && r->http_version < NGX_HTTP_VERSION_10) {
        /* bytes that are no HTTP: nginx takes them for HTTP/0.9 */
        r->http_version = ctx->http_version;
        r->err_status = NGX_HTTP_BAD_GATEWAY;
        r->headers_out.status = NGX_HTTP_BAD_GATEWAY;
    }

    code = ngx_http_proctor_answer_judge(r, ctx);

    if (code == NGX_HTTP_PROCTOR_FINE) {
        return ngx_http_proctor_answer_has_links(r, ctx)
                   ? ngx_http_proctor_answer_links(r, ctx)
                   : NGX_OK;
    }

    if (code == NGX_HTTP_PROCTOR_UPSTREAM_CREDENTIAL) {
        ngx_http_proctor_key_refused(r, ctx);
    }

    (void) ngx_http_proctor_refuse(ctx, code, NULL);
    ctx->refusal.status = r->headers_out.status;

    return ngx_http_proctor_answer_replace(r, ctx);
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

    ctx = ngx_http_proctor_run_create(r);
    if (ctx != NULL) {
        ctx->state = NGX_HTTP_PROCTOR_ANSWERED;
    }

    return ctx;
}


/* an answer that came from the upstream, and that nginx did not overrule */

static ngx_uint_t
ngx_http_proctor_answer_upstream(ngx_http_request_t *r)
{
    return r->err_status == 0 && r->upstream != NULL
           && r->upstream->headers_in.status_n != 0;
}


static ngx_http_proctor_error_e
ngx_http_proctor_answer_judge(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_uint_t i;

    if (r->err_status != 0 && r->err_status >= 300 && r->err_status != 304) {
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

    if (ngx_http_proctor_answer_has_links(r, ctx)
        && r->headers_out.content_encoding != NULL
        && r->headers_out.content_encoding->value.len != 0) {
        return NGX_HTTP_PROCTOR_UPSTREAM_CODING;
    }

    return NGX_HTTP_PROCTOR_FINE;
}


static ngx_int_t
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


/* nothing that the refused answer said of itself goes out */

static void
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


static ngx_uint_t
ngx_http_proctor_answer_has_links(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    return ctx->operation != NULL && ctx->operation->nlinks != 0
           && ctx->state == NGX_HTTP_PROCTOR_PASSED
           && ngx_http_proctor_answer_upstream(r)
           && r->headers_out.status >= 200 && r->headers_out.status < 300
           && r->headers_out.status != NGX_HTTP_NO_CONTENT;
}


static ngx_int_t
ngx_http_proctor_answer_links(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_str_t value;
    proctor_str_t origin;
    ngx_http_proctor_answer_to_t *to;

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_weak_etag(r);

    if (r->method == NGX_HTTP_HEAD) {
        return NGX_OK;
    }

    if (ngx_http_proctor_answer_origin(r, ctx, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    to = ngx_palloc(r->pool, sizeof(ngx_http_proctor_answer_to_t));
    ctx->links = ngx_palloc(r->pool, sizeof(proctor_links_t));
    if (to == NULL || ctx->links == NULL) {
        return NGX_ERROR;
    }

    to->r = r;
    to->ctx = ctx;
    origin.data = (char *) value.data;
    origin.len = value.len;

    proctor_links_init(ctx->links, ctx->operation->links,
        ctx->operation->nlinks, &origin, ngx_http_proctor_answer_emit, to);

    ctx->answer = NGX_HTTP_PROCTOR_LINKS;
    r->main_filter_need_in_memory = 1;

    return NGX_OK;
}


/* proctor_origin, or what the client itself called us */

static ngx_int_t
ngx_http_proctor_answer_origin(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_str_t *origin)
{
    u_char *p;
    ngx_str_t *host;
    ngx_http_core_srv_conf_t *cscf;

    if (ctx->conf->origin != NULL) {
        return ngx_http_complex_value(r, ctx->conf->origin, origin);
    }

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    host = (r->headers_in.host != NULL) ? &r->headers_in.host->value
                                        : &cscf->server_name;

    origin->data = ngx_pnalloc(r->pool, sizeof("https://") - 1 + host->len);
    if (origin->data == NULL) {
        return NGX_ERROR;
    }

    p = origin->data;
#if (NGX_HTTP_SSL)
    p = (r->connection->ssl != NULL) ? ngx_cpymem(p, "https://", 8)
                                     : ngx_cpymem(p, "http://", 7);
#else
    p = ngx_cpymem(p, "http://", 7);
#endif
    p = ngx_cpymem(p, host->data, host->len);

    origin->len = p - origin->data;

    return NGX_OK;
}


/*
 * What an upstream must not say to a caller: the names between proxies, and a
 * request id, which is the gateway's to give.
 */

static void
ngx_http_proctor_answer_scrub(ngx_http_request_t *r)
{
    ngx_str_t *name;
    ngx_table_elt_t *h;
    ngx_http_proctor_headers_t it;

    it.part = &r->headers_out.headers.part;
    it.i = 0;

    while ((h = ngx_http_proctor_headers_next(&it)) != NULL) {

        if (h->key.len < 2 || (h->key.data[0] | 0x20) != 'x'
            || h->key.data[1] != '-') {
            continue;
        }

        for (name = ngx_http_proctor_answer_private; name->len != 0; name++) {
            if (h->key.len >= name->len
                && ngx_strncasecmp(h->key.data, name->data, name->len) == 0) {
                h->hash = 0;
            }
        }
    }
}


static ngx_int_t
ngx_http_proctor_answer_body(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_proctor_ctx_t *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);

    if (ctx == NULL || r != r->main) {
        return ngx_http_proctor_next_body(r, in);
    }

    switch (ctx->answer) {
    case NGX_HTTP_PROCTOR_AS_IT_IS:
        break;

    case NGX_HTTP_PROCTOR_REPLACE:
    case NGX_HTTP_PROCTOR_REPLACED:
        return ngx_http_proctor_answer_send_reply(r, ctx, in);

    case NGX_HTTP_PROCTOR_LINKS:
        if (in != NULL) {
            return ngx_http_proctor_answer_rewrite(r, ctx, in);
        }

        break;
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
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    ctx->answer = NGX_HTTP_PROCTOR_REPLACED;

    return ngx_http_proctor_next_body(r, &out);
}


static ngx_int_t
ngx_http_proctor_answer_rewrite(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_chain_t *in)
{
    int rc;
    ngx_int_t sent;
    ngx_buf_t *b, *last;
    ngx_uint_t flush;

    ctx->out = NULL;
    ctx->out_last = &ctx->out;
    ctx->out_buf = NULL;
    flush = 0;
    last = NULL;
    rc = PROCTOR_OK;

    for (; in != NULL && rc == PROCTOR_OK; in = in->next) {

        b = in->buf;

        rc = proctor_links_feed(
            ctx->links, (char *) b->pos, (size_t) (b->last - b->pos));

        b->pos = b->last;
        flush |= b->flush;

        if (b->last_buf && rc == PROCTOR_OK) {
            last = b;
            rc = proctor_links_end(ctx->links);
        }
    }

    if (rc != PROCTOR_OK) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
            "proctor answer: a link in the API's answer could not be "
            "rewritten, the answer is cut");
        return NGX_ERROR;
    }

    if (last != NULL || flush) {
        b = ngx_http_proctor_answer_buf(r, ctx);
        if (b == NULL) {
            return NGX_ERROR;
        }

        b->flush = (flush != 0);
        b->last_buf = (last != NULL);
        b->last_in_chain = (last != NULL);
    }

    sent = ngx_http_proctor_next_body(r, ctx->out);

    ngx_chain_update_chains(r->pool, &ctx->free, &ctx->busy, &ctx->out,
        (ngx_buf_tag_t) &ngx_http_proctor_module);

    return sent;
}


static int
ngx_http_proctor_answer_emit(void *data, const char *bytes, size_t len)
{
    size_t n;
    ngx_buf_t *b;
    ngx_http_proctor_answer_to_t *to = data;

    while (len != 0) {

        b = to->ctx->out_buf;

        if (b == NULL || b->last == b->end) {
            b = ngx_http_proctor_answer_buf(to->r, to->ctx);
            if (b == NULL) {
                return PROCTOR_ERROR;
            }
        }

        n = ngx_min((size_t) (b->end - b->last), len);
        b->last = ngx_cpymem(b->last, bytes, n);
        b->temporary = 1;
        bytes += n;
        len -= n;
    }

    return PROCTOR_OK;
}


/* an empty buffer of ours at the end of the outgoing chain */

static ngx_buf_t *
ngx_http_proctor_answer_buf(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    u_char *start, *end;
    ngx_buf_t *b;
    ngx_chain_t *cl;

    cl = ngx_chain_get_free_buf(r->pool, &ctx->free);
    if (cl == NULL) {
        return NULL;
    }

    b = cl->buf;
    start = b->start;
    end = b->end;

    if (start == NULL) {
        start = ngx_palloc(r->pool, NGX_HTTP_PROCTOR_ANSWER_BUFFER);
        if (start == NULL) {
            return NULL;
        }

        end = start + NGX_HTTP_PROCTOR_ANSWER_BUFFER;
    }

    ngx_memzero(b, sizeof(ngx_buf_t));

    b->start = b->pos = b->last = start;
    b->end = end;
    b->tag = (ngx_buf_tag_t) &ngx_http_proctor_module;

    cl->next = NULL;
    *ctx->out_last = cl;
    ctx->out_last = &cl->next;
    ctx->out_buf = b;

    return b;
}
