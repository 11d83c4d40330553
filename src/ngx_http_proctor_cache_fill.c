/*
 * What the upstream says, collected as the client gets it, and stored.
 *
 * The header filter decides whether an answer may be kept; the body filter,
 * after the link rewriter, copies its bytes.  Only what is whole is stored: the
 * last buffer was seen (after an upstream's error nginx sends none), the length
 * is the one that was promised, and no filter made another status of it.  A
 * client that leaves ends the answer, and with it the copy.
 */

#include "ngx_http_proctor_cache.h"


#define NGX_HTTP_PROCTOR_CACHE_BUFFER 8192


static ngx_uint_t ngx_http_proctor_cache_fill_answer(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, proctor_cache_answer_t *answer);
static ngx_int_t ngx_http_proctor_cache_fill_date(
    ngx_http_request_t *r, const ngx_str_t *sent, ngx_str_t *value);
static ngx_uint_t ngx_http_proctor_cache_fill_push(
    ngx_http_proctor_cache_fill_t *fill, const ngx_str_t *name,
    const ngx_str_t *value);
static ngx_uint_t ngx_http_proctor_cache_fill_skips(const ngx_str_t *name);
static ngx_int_t ngx_http_proctor_cache_fill_append(ngx_http_request_t *r,
    ngx_http_proctor_cache_fill_t *fill, const ngx_buf_t *b);
static void ngx_http_proctor_cache_fill_finish(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_int_t ngx_http_proctor_cache_fill_etag(
    ngx_http_request_t *r, ngx_http_proctor_cache_fill_t *fill);


/* of a call, not of an answer */

static const ngx_str_t ngx_http_proctor_cache_fill_skipped[] = {
    ngx_string("ratelimit"),
    ngx_string("ratelimit-policy"),
    ngx_string("retry-after"),
    ngx_string("cache-status"),
    ngx_string("date"), /* taken from where nothing hides it */
    ngx_string("content-length"),
    ngx_string("accept-ranges"),
    ngx_null_string,
};


/*
 * In the header filter, of an answer that came.  Nothing here fails the
 * request: what cannot be kept is not.
 */

void
ngx_http_proctor_cache_fill(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_cache_fill_t *fill;
    ngx_http_proctor_cache_end_e end;
    ngx_http_proctor_cache_t *cache = ctx->cache;

    if (cache == NULL || !cache->reads || cache->serves
        || ctx->answer == NGX_HTTP_PROCTOR_REPLACE) {
        return;
    }

    end = NGX_HTTP_PROCTOR_CACHE_FAILED;

    if (ngx_http_proctor_answer_own(r, ctx)
        && r->headers_out.status < NGX_HTTP_INTERNAL_SERVER_ERROR
        && r->headers_out.status != NGX_HTTP_TOO_MANY_REQUESTS) {

        end = NGX_HTTP_PROCTOR_CACHE_UNSHARED;
        fill = NULL;

        if (cache->fills && !cache->follower) {
            fill = ngx_pcalloc(r->pool, sizeof(ngx_http_proctor_cache_fill_t));
        }

        if (fill != NULL
            && ngx_http_proctor_cache_fill_answer(r, ctx, &fill->answer)
            && ngx_http_proctor_cache_fill_fields(r, fill)) {

            fill->status = r->headers_out.status;
            fill->length = r->headers_out.content_length_n;
            cache->fill = fill;

            r->main_filter_need_in_memory = 1;
            r->filter_need_in_memory = 1;
            return;
        }
    }

    ngx_http_proctor_cache_flight_end(cache->w, &cache->lead, end);
}


/* 1: it may be kept, as far as its header says */

static ngx_uint_t
ngx_http_proctor_cache_fill_answer(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, proctor_cache_answer_t *answer)
{
    ngx_http_proctor_cache_answer(r, answer);

    /* the end of what has neither a length nor chunks cannot be told from a
       cut, and a coding that nobody asked for is not everybody's */

    if (r->upstream->headers_in.content_length_n == -1
        && !r->upstream->headers_in.chunked
        && answer->status != NGX_HTTP_NO_CONTENT) {
        return 0;
    }

    if (r->headers_out.content_encoding != NULL
        && r->headers_out.content_encoding->value.len != 0) {
        return 0;
    }

    /* redirects and challenges are not passed on, least of all again */

    return r->headers_out.content_length_n <= PROCTOR_CACHE_ENTRY_MAX
           && answer->status / 100 != 3 && answer->status != 401
           && answer->status != 407
           && proctor_cache_storable(answer) == PROCTOR_CACHE_STORABLE
           && (ctx->answer == NGX_HTTP_PROCTOR_AS_IT_IS
               || ctx->answer == NGX_HTTP_PROCTOR_LINKS);
}


void
ngx_http_proctor_cache_answer(
    ngx_http_request_t *r, proctor_cache_answer_t *answer)
{
    int64_t now;
    ngx_table_elt_t *h;
    proctor_str_t name, value;
    ngx_http_proctor_headers_t it;

    now = ngx_http_proctor_cache_now();

    proctor_cache_answer_init(answer, (unsigned) r->headers_out.status,
        now - (int64_t) (ngx_current_msec - r->upstream->start_time), now);

    it.part = &r->upstream->headers_in.headers.part;
    it.i = 0;

    while ((h = ngx_http_proctor_headers_next(&it)) != NULL) {
        name.data = (char *) h->key.data;
        name.len = h->key.len;
        value.data = (char *) h->value.data;
        value.len = h->value.len;
        proctor_cache_answer_field(answer, &name, &value);
    }
}


ngx_uint_t
ngx_http_proctor_cache_fill_fields(
    ngx_http_request_t *r, ngx_http_proctor_cache_fill_t *fill)
{
    ngx_str_t value;
    ngx_table_elt_t *h;
    ngx_http_proctor_headers_t it;

    static const ngx_str_t type = ngx_string("Content-Type");
    static const ngx_str_t date = ngx_string("Date");

    if (r->headers_out.content_type.len != 0
        && !ngx_http_proctor_cache_fill_push(
            fill, &type, &r->headers_out.content_type)) {
        return 0;
    }

    it.part = &r->upstream->headers_in.headers.part;
    it.i = 0;

    while ((h = ngx_http_proctor_headers_next(&it)) != NULL) {
        if (h->key.len == date.len
            && ngx_strncasecmp(h->key.data, date.data, date.len) == 0
            && (ngx_http_proctor_cache_fill_date(r, &h->value, &value) != NGX_OK
                || !ngx_http_proctor_cache_fill_push(fill, &date, &value))) {
            return 0;
        }
    }

    it.part = &r->headers_out.headers.part;
    it.i = 0;

    while ((h = ngx_http_proctor_headers_next(&it)) != NULL) {
        if (h->hash != 0 && !ngx_http_proctor_cache_fill_skips(&h->key)
            && !ngx_http_proctor_cache_fill_push(fill, &h->key, &h->value)) {
            return 0;
        }
    }

    return 1;
}


/* An upstream without one leaves an empty line of nginx's own: then it is when
   the answer came (RFC 9110, 6.6.1). */

static ngx_int_t
ngx_http_proctor_cache_fill_date(
    ngx_http_request_t *r, const ngx_str_t *sent, ngx_str_t *value)
{
    *value = *sent;

    if (value->len != 0) {
        return NGX_OK;
    }

    value->len = ngx_cached_http_time.len;
    value->data = ngx_pnalloc(r->pool, value->len);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(value->data, ngx_cached_http_time.data, value->len);

    return NGX_OK;
}


static ngx_uint_t
ngx_http_proctor_cache_fill_push(ngx_http_proctor_cache_fill_t *fill,
    const ngx_str_t *name, const ngx_str_t *value)
{
    proctor_cache_field_t *field;

    if (fill->nfields == NGX_HTTP_PROCTOR_CACHE_FIELDS - 1) {
        return 0; /* one is kept free for our own */
    }

    field = &fill->fields[fill->nfields];
    field->name.data = (char *) name->data;
    field->name.len = name->len;
    field->value.data = (char *) value->data;
    field->value.len = value->len;

    fill->nfields +=
        (proctor_cache_answer_keeps(&fill->answer, &field->name) != 0);

    return 1;
}


static ngx_uint_t
ngx_http_proctor_cache_fill_skips(const ngx_str_t *name)
{
    const ngx_str_t *skipped;

    for (skipped = ngx_http_proctor_cache_fill_skipped; skipped->len != 0;
         skipped++) {
        if (skipped->len == name->len
            && ngx_strncasecmp(skipped->data, name->data, name->len) == 0) {
            return 1;
        }
    }

    return name->len > 12
           && ngx_strncasecmp(name->data, (u_char *) "x-ratelimit-", 12) == 0;
}


void
ngx_http_proctor_cache_fill_body(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_int_t rc;
    ngx_uint_t last;
    ngx_http_proctor_cache_fill_t *fill = ctx->cache->fill;

    if (fill == NULL) {
        return;
    }

    for (rc = NGX_OK, last = 0; in != NULL && rc == NGX_OK; in = in->next) {
        rc = ngx_http_proctor_cache_fill_append(r, fill, in->buf);
        last |= in->buf->last_buf
                | (r != r->main && in->buf->last_in_chain && in->buf->sync);
    }

    if (rc == NGX_OK && r->headers_out.status == fill->status && !last) {
        return;
    }

    if (rc == NGX_OK && r->headers_out.status == fill->status) {
        ngx_http_proctor_cache_fill_finish(r, ctx);
    }

    ctx->cache->fill = NULL;
    ngx_http_proctor_cache_flight_end(
        ctx->cache->w, &ctx->cache->lead, NGX_HTTP_PROCTOR_CACHE_UNSHARED);
}


static ngx_int_t
ngx_http_proctor_cache_fill_append(ngx_http_request_t *r,
    ngx_http_proctor_cache_fill_t *fill, const ngx_buf_t *b)
{
    u_char *p;
    size_t len, size;

    if (ngx_buf_special(b)) {
        return NGX_OK;
    }

    if (!ngx_buf_in_memory(b)) {
        return NGX_ERROR;
    }

    len = (size_t) (b->last - b->pos);

    if (len > fill->size - fill->used) {

        size = (fill->length > 0) ? (size_t) fill->length
                                  : NGX_HTTP_PROCTOR_CACHE_BUFFER;
        size = ngx_max(size, 2 * fill->size);
        size = ngx_max(size, fill->used + len);

        if (fill->used + len > PROCTOR_CACHE_ENTRY_MAX) {
            return NGX_ERROR;
        }

        p = ngx_palloc(r->pool, size);
        if (p == NULL) {
            return NGX_ERROR;
        }

        if (fill->used != 0) {
            ngx_memcpy(p, fill->body, fill->used);
            (void) ngx_pfree(r->pool, fill->body);
        }

        fill->body = p;
        fill->size = size;
    }

    ngx_memcpy(fill->body + fill->used, b->pos, len);
    fill->used += len;

    return NGX_OK;
}


static void
ngx_http_proctor_cache_fill_finish(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    proctor_str_t sealed;
    proctor_cache_draft_t draft;
    ngx_http_proctor_cache_fill_t *fill = ctx->cache->fill;

    if ((fill->length != -1 && (off_t) fill->used != fill->length)
        || ngx_http_proctor_cache_fill_etag(r, fill) != NGX_OK) {
        return;
    }

    ngx_memzero(&draft, sizeof(proctor_cache_draft_t));

    draft.status = (unsigned) fill->status;
    draft.fields = fill->fields;
    draft.nfields = fill->nfields;
    draft.body.data = (fill->used == 0) ? "" : (char *) fill->body;
    draft.body.len = fill->used;

    (void) ngx_http_proctor_cache_store(r, ctx, &fill->answer, &draft, &sealed);
}


/* a strong one of ours, where the upstream gave none */

static ngx_int_t
ngx_http_proctor_cache_fill_etag(
    ngx_http_request_t *r, ngx_http_proctor_cache_fill_t *fill)
{
    u_char *p, digest[PROCTOR_SHA256_LEN];
    ngx_str_t value;

    static const ngx_str_t name = ngx_string("ETag");

    if (r->headers_out.etag != NULL || fill->status != NGX_HTTP_OK) {
        return NGX_OK;
    }

    value.len = sizeof(NGX_HTTP_PROCTOR_CACHE_ETAG) - 1 + 32 + 1;
    value.data = ngx_pnalloc(r->pool, value.len);

    if (value.data == NULL
        || proctor_digest(fill->body, fill->used, digest) != PROCTOR_OK) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(value.data, NGX_HTTP_PROCTOR_CACHE_ETAG,
        sizeof(NGX_HTTP_PROCTOR_CACHE_ETAG) - 1);
    *ngx_hex_dump(p, digest, 16) = '"';

    return ngx_http_proctor_cache_fill_push(fill, &name, &value) ? NGX_OK
                                                                 : NGX_ERROR;
}
