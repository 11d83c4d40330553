/*
 * A stored answer in the place of what came from the upstream: of its "not
 * modified", when we asked with the entry's own validators; of its error, or of
 * none at all, when the entry may be used then (RFC 5861).
 *
 * Called while the header filter decides what becomes of an answer.  The body
 * that comes is swallowed, and the entry's is sent.  nginx's own filter for
 * conditional requests has run by then, so the client's conditions are looked
 * at here.
 */

#include "ngx_http_proctor_cache.h"


static ngx_uint_t ngx_http_proctor_cache_stale_failed(ngx_http_request_t *r,
    const ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_error_e code);
static ngx_int_t ngx_http_proctor_cache_stale_send(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static void ngx_http_proctor_cache_stale_freshen(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_uint_t ngx_http_proctor_cache_stale_unmodified(
    ngx_http_request_t *r);
static ngx_uint_t ngx_http_proctor_cache_stale_matches(ngx_http_request_t *r);


ngx_int_t
ngx_http_proctor_cache_stale(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_error_e code)
{
    ngx_http_proctor_cache_t *cache = ctx->cache;

    if (cache == NULL || cache->found != NGX_HTTP_PROCTOR_CACHE_FOUND
        || cache->serves || ctx->state != NGX_HTTP_PROCTOR_PASSED) {
        return NGX_DECLINED;
    }

    if (ngx_http_proctor_answer_own(r, ctx)
        && r->headers_out.status == NGX_HTTP_NOT_MODIFIED && cache->validates) {

        cache->fwd_status = NGX_HTTP_NOT_MODIFIED;
        cache->status = NGX_HTTP_PROCTOR_CACHE_VALIDATED;
        ngx_http_proctor_cache_stale_freshen(r, ctx);
        ngx_http_proctor_cache_flight_end(
            cache->w, &cache->lead, NGX_HTTP_PROCTOR_CACHE_UNSHARED);

        return ngx_http_proctor_cache_stale_send(r, ctx);
    }

    if (!cache->verdict.on_error
        || !ngx_http_proctor_cache_stale_failed(r, ctx, code)) {
        return NGX_DECLINED;
    }

    cache->fwd_status = ngx_http_proctor_answer_own(r, ctx)
                            ? r->headers_out.status
                            : r->err_status;
    cache->status = NGX_HTTP_PROCTOR_CACHE_ON_ERROR;

    ngx_http_proctor_cache_flight_end(
        cache->w, &cache->lead, NGX_HTTP_PROCTOR_CACHE_FAILED);

    return ngx_http_proctor_cache_stale_send(r, ctx);
}


static ngx_uint_t
ngx_http_proctor_cache_stale_failed(ngx_http_request_t *r,
    const ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_error_e code)
{
    ngx_uint_t status;

    if (code == NGX_HTTP_PROCTOR_RAISED) {
        status = r->err_status;

    } else if (ngx_http_proctor_answer_own(r, ctx)) {
        status = r->headers_out.status;

    } else {
        return 0;
    }

    switch (status) {
    case NGX_HTTP_INTERNAL_SERVER_ERROR:
    case NGX_HTTP_BAD_GATEWAY:
    case NGX_HTTP_SERVICE_UNAVAILABLE:
    case NGX_HTTP_GATEWAY_TIME_OUT:
        return 1;

    case NGX_HTTP_TOO_MANY_REQUESTS:
        return (code != NGX_HTTP_PROCTOR_RAISED);

    default:
        return 0;
    }
}


static ngx_int_t
ngx_http_proctor_cache_stale_send(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_cache_t *cache = ctx->cache;

    if (cache->background) {
        return NGX_OK;
    }

    ngx_http_proctor_answer_forget(r);

    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);
    r->headers_out.content_encoding = NULL;
    r->headers_out.charset.len = 0;
    r->allow_ranges = 0;
    r->err_status = 0;

    if (ngx_http_proctor_cache_serve_header(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->reply.data = (u_char *) cache->entry.body.data;
    ctx->reply.len = cache->entry.body.len;
    ctx->answer = NGX_HTTP_PROCTOR_REPLACE;

    if (ngx_http_proctor_cache_stale_unmodified(r)) {
        r->headers_out.status = NGX_HTTP_NOT_MODIFIED;
        r->headers_out.content_type.len = 0;
        ngx_http_clear_content_length(r);
    }

    return NGX_OK;
}


/* the entry with what the 304 said, which then is the answer and is stored */

static void
ngx_http_proctor_cache_stale_freshen(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    int i, n;
    proctor_str_t sealed;
    proctor_cache_draft_t draft;
    proctor_cache_entry_t entry;
    proctor_cache_answer_t answer;
    ngx_http_proctor_cache_fill_t *said;
    proctor_cache_field_t fields[NGX_HTTP_PROCTOR_CACHE_FIELDS];
    ngx_http_proctor_cache_t *cache = ctx->cache;

    said = ngx_pcalloc(r->pool, sizeof(ngx_http_proctor_cache_fill_t));
    if (said == NULL) {
        return;
    }

    ngx_http_proctor_answer_scrub(r, ctx);
    ngx_http_proctor_cache_answer(r, &said->answer);

    if (!ngx_http_proctor_cache_fill_fields(r, said)) {
        return;
    }

    n = proctor_cache_freshen(&cache->entry, &said->answer, said->fields,
        said->nfields, fields, NGX_HTTP_PROCTOR_CACHE_FIELDS);

    if (n < 0) {
        return;
    }

    proctor_cache_answer_init(&answer, cache->entry.status,
        said->answer.requested, said->answer.received);

    for (i = 0; i < n; i++) {
        proctor_cache_answer_field(&answer, &fields[i].name, &fields[i].value);
    }

    ngx_memzero(&draft, sizeof(proctor_cache_draft_t));
    draft.status = cache->entry.status;
    draft.fields = fields;
    draft.nfields = (unsigned) n;
    draft.body = cache->entry.body;

    (void) ngx_http_proctor_cache_store(r, ctx, &answer, &draft, &sealed);

    if (sealed.data != NULL
        && proctor_cache_entry_open(
               cache->w->seal, ctx->account, cache->key, &sealed, &entry)
               == PROCTOR_OK) {
        cache->entry = entry;
        proctor_cache_use(&cache->entry.freshness, &cache->control,
            ngx_http_proctor_cache_now(), &cache->verdict);
    }
}


/* as nginx's own filter does, but for the precedence of RFC 9110, 13.2.2 */

static ngx_uint_t
ngx_http_proctor_cache_stale_unmodified(ngx_http_request_t *r)
{
    time_t since;
    ngx_http_core_loc_conf_t *clcf;

    if (r->headers_out.status != NGX_HTTP_OK) {
        return 0;
    }

    if (r->headers_in.if_none_match != NULL) {
        return ngx_http_proctor_cache_stale_matches(r);
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (r->headers_in.if_modified_since == NULL
        || r->headers_out.last_modified == NULL
        || clcf->if_modified_since == NGX_HTTP_IMS_OFF) {
        return 0;
    }

    since = ngx_parse_http_time(r->headers_in.if_modified_since->value.data,
        r->headers_in.if_modified_since->value.len);

    return since == r->headers_out.last_modified_time
           || (clcf->if_modified_since == NGX_HTTP_IMS_BEFORE
               && since > r->headers_out.last_modified_time);
}


/* weak comparison (RFC 9110, 8.8.3.2) with one of the list, or "*" */

static ngx_uint_t
ngx_http_proctor_cache_stale_matches(ngx_http_request_t *r)
{
    u_char *p, *last;
    ngx_str_t etag;
    ngx_table_elt_t *given = r->headers_in.if_none_match;

    if (r->headers_out.etag == NULL) {
        return 0;
    }

    if (given->value.len == 1 && given->value.data[0] == '*') {
        return 1;
    }

    etag = r->headers_out.etag->value;

    if (etag.len > 2 && ngx_strncmp(etag.data, "W/", 2) == 0) {
        etag.data += 2;
        etag.len -= 2;
    }

    p = given->value.data;
    last = p + given->value.len;

    while (p < last) {

        if (last - p > 2 && ngx_strncmp(p, "W/", 2) == 0) {
            p += 2;
        }

        if ((size_t) (last - p) >= etag.len
            && ngx_memcmp(p, etag.data, etag.len) == 0
            && ((size_t) (last - p) == etag.len || p[etag.len] == ','
                || p[etag.len] == ' ' || p[etag.len] == '\t')) {
            return 1;
        }

        p = ngx_strlchr(p, last, ',');
        if (p == NULL) {
            return 0;
        }

        while (p < last && (*p == ',' || *p == ' ' || *p == '\t')) {
            p++;
        }
    }

    return 0;
}
