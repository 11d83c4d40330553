/*
 * A stored answer as an answer, and what Cache-Status (RFC 9211) says of every
 * answer to a call that was found in order.
 *
 * The entry lies in r->pool: its header lines and its body are sent as they
 * are.  Ranges, HEAD and the client's own conditions are left to nginx's
 * filters, which know what to do with headers_out.
 */

#include "ngx_http_proctor_cache.h"


/* Cache-Status of one answer: three numbers and every parameter */
#define NGX_HTTP_PROCTOR_CACHE_STATUS_SIZE 160


typedef enum {
    NGX_HTTP_PROCTOR_CACHE_FIELD_OTHER = 0,
    NGX_HTTP_PROCTOR_CACHE_FIELD_TYPE,
    NGX_HTTP_PROCTOR_CACHE_FIELD_ETAG,
    NGX_HTTP_PROCTOR_CACHE_FIELD_MODIFIED,
    NGX_HTTP_PROCTOR_CACHE_FIELD_ENCODING,
    NGX_HTTP_PROCTOR_CACHE_FIELD_DATE
} ngx_http_proctor_cache_field_e;


static ngx_int_t ngx_http_proctor_cache_serve_body(
    ngx_http_request_t *r, ngx_http_proctor_cache_t *cache);
static ngx_int_t ngx_http_proctor_cache_serve_field(
    ngx_http_request_t *r, const proctor_cache_field_t *field);
static ngx_http_proctor_cache_field_e ngx_http_proctor_cache_serve_what(
    const proctor_str_t *name);
static void ngx_http_proctor_cache_serve_type(
    ngx_http_request_t *r, const ngx_str_t *value);
static ngx_int_t ngx_http_proctor_cache_serve_age(
    ngx_http_request_t *r, ngx_http_proctor_cache_t *cache);
static size_t ngx_http_proctor_cache_words(
    const ngx_http_proctor_cache_t *cache, u_char *start);


static const struct {
    ngx_str_t name;
    ngx_http_proctor_cache_field_e what;
} ngx_http_proctor_cache_serve_fields[] = {
    { ngx_string("content-type"), NGX_HTTP_PROCTOR_CACHE_FIELD_TYPE },
    { ngx_string("etag"), NGX_HTTP_PROCTOR_CACHE_FIELD_ETAG },
    { ngx_string("last-modified"), NGX_HTTP_PROCTOR_CACHE_FIELD_MODIFIED },
    { ngx_string("content-encoding"), NGX_HTTP_PROCTOR_CACHE_FIELD_ENCODING },
    { ngx_string("date"), NGX_HTTP_PROCTOR_CACHE_FIELD_DATE },
    { ngx_null_string, NGX_HTTP_PROCTOR_CACHE_FIELD_OTHER },
};

/* by ngx_http_proctor_cache_status_e */

typedef struct {
    ngx_str_t word; /* for $proctor_cache and the audit trail */
    const char *how;
    const char *detail;
    ngx_http_proctor_cache_counter_e counter;
    unsigned ttl : 1; /* of the entry that is the answer */
} ngx_http_proctor_cache_said_t;

static const ngx_http_proctor_cache_said_t ngx_http_proctor_cache_statuses[] = {
    { ngx_null_string, NULL, NULL, NGX_HTTP_PROCTOR_CACHE_BYPASSED, 0 },
    { ngx_string("hit"), "hit", NULL, NGX_HTTP_PROCTOR_CACHE_HITS, 1 },
    { ngx_string("stale"), "hit", "stale-while-revalidate",
        NGX_HTTP_PROCTOR_CACHE_STALE, 1 },
    { ngx_string("stale"), "hit", "stale-if-error",
        NGX_HTTP_PROCTOR_CACHE_STALE, 1 },
    { ngx_string("stale"), "fwd=stale", "stale-if-error",
        NGX_HTTP_PROCTOR_CACHE_STALE, 1 },
    { ngx_string("revalidated"), "fwd=stale", NULL,
        NGX_HTTP_PROCTOR_CACHE_REVALIDATED, 1 },
    { ngx_string("miss"), "fwd=uri-miss", NULL, NGX_HTTP_PROCTOR_CACHE_MISSES,
        0 },
    { ngx_string("miss"), "fwd=vary-miss", NULL, NGX_HTTP_PROCTOR_CACHE_MISSES,
        0 },
    { ngx_string("expired"), "fwd=stale", NULL, NGX_HTTP_PROCTOR_CACHE_MISSES,
        0 },
    { ngx_string("miss"), "fwd=request", NULL, NGX_HTTP_PROCTOR_CACHE_MISSES,
        0 },
    { ngx_string("miss"), "fwd=miss", "unavailable",
        NGX_HTTP_PROCTOR_CACHE_MISSES, 0 },
    { ngx_string("bypass"), "fwd=bypass", NULL, NGX_HTTP_PROCTOR_CACHE_BYPASSED,
        0 },
    { ngx_string("bypass"), "fwd=method", NULL, NGX_HTTP_PROCTOR_CACHE_BYPASSED,
        0 },
};


ngx_int_t
ngx_http_proctor_cache_serve(ngx_http_request_t *r)
{
    ngx_int_t rc;
    ngx_http_proctor_ctx_t *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_proctor_module);

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_proctor_cache_serve_header(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* RFC 9110, 13.1.3: nginx's filter would look at both */
    if (r->headers_in.if_none_match != NULL) {
        r->headers_in.if_modified_since = NULL;
    }

    r->allow_ranges = (r->headers_out.status == NGX_HTTP_OK);
    r->disable_not_modified = !(r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD));

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_proctor_cache_serve_body(r, ctx->cache);
}


static ngx_int_t
ngx_http_proctor_cache_serve_body(
    ngx_http_request_t *r, ngx_http_proctor_cache_t *cache)
{
    ngx_buf_t *b;
    ngx_chain_t out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = (u_char *) cache->entry.body.data;
    b->last = b->pos + cache->entry.body.len;
    b->start = b->pos;
    b->end = b->last;
    b->memory = (cache->entry.body.len != 0);
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


ngx_int_t
ngx_http_proctor_cache_serve_header(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    proctor_cache_field_t field;
    proctor_cache_fields_t it;
    ngx_http_proctor_cache_t *cache = ctx->cache;

    r->headers_out.status = cache->entry.status;
    r->headers_out.status_line.len = 0;
    r->headers_out.content_length_n = (off_t) cache->entry.body.len;

    it = cache->entry.fields;

    while (proctor_cache_fields_next(&it, &field)) {
        if (ngx_http_proctor_cache_serve_field(r, &field) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_proctor_cache_serve_age(r, cache);
}


static ngx_int_t
ngx_http_proctor_cache_serve_field(
    ngx_http_request_t *r, const proctor_cache_field_t *field)
{
    ngx_str_t value;
    ngx_table_elt_t *h;
    ngx_http_proctor_cache_field_e what;

    what = ngx_http_proctor_cache_serve_what(&field->name);
    value.data = (u_char *) field->value.data;
    value.len = field->value.len;

    if (what == NGX_HTTP_PROCTOR_CACHE_FIELD_TYPE) {
        ngx_http_proctor_cache_serve_type(r, &value);
        return NGX_OK;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) field->name.data;
    h->key.len = field->name.len;
    h->value = value;
    h->lowcase_key = NULL;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    switch (what) {
    case NGX_HTTP_PROCTOR_CACHE_FIELD_ETAG:
        r->headers_out.etag = h;
        break;

    case NGX_HTTP_PROCTOR_CACHE_FIELD_MODIFIED:
        r->headers_out.last_modified = h;
        r->headers_out.last_modified_time =
            ngx_parse_http_time(value.data, value.len);
        break;

    case NGX_HTTP_PROCTOR_CACHE_FIELD_ENCODING:
        r->headers_out.content_encoding = h;
        break;

    case NGX_HTTP_PROCTOR_CACHE_FIELD_DATE:
        r->headers_out.date = h;
        break;

    case NGX_HTTP_PROCTOR_CACHE_FIELD_TYPE:
    case NGX_HTTP_PROCTOR_CACHE_FIELD_OTHER:
        break;
    }

    return NGX_OK;
}


static ngx_http_proctor_cache_field_e
ngx_http_proctor_cache_serve_what(const proctor_str_t *name)
{
    ngx_uint_t i;

    for (i = 0; ngx_http_proctor_cache_serve_fields[i].name.len != 0; i++) {
        if (ngx_http_proctor_cache_serve_fields[i].name.len == name->len
            && ngx_strncasecmp(ngx_http_proctor_cache_serve_fields[i].name.data,
                   (u_char *) name->data, name->len)
                   == 0) {
            break;
        }
    }

    return ngx_http_proctor_cache_serve_fields[i].what;
}


/* gzip and the like look at the type without its parameters */

static void
ngx_http_proctor_cache_serve_type(ngx_http_request_t *r, const ngx_str_t *value)
{
    u_char *p;

    r->headers_out.content_type = *value;
    r->headers_out.content_type_lowcase = NULL;

    p = ngx_strlchr(value->data, value->data + value->len, ';');

    r->headers_out.content_type_len =
        (p == NULL) ? value->len : (size_t) (p - value->data);
}


static ngx_int_t
ngx_http_proctor_cache_serve_age(
    ngx_http_request_t *r, ngx_http_proctor_cache_t *cache)
{
    ngx_str_t value;

    value.data = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = (size_t) (proctor_decimal_write((char *) value.data,
                              (uint64_t) cache->verdict.age)
                          - (char *) value.data);

    return ngx_http_proctor_header_add(r, "Age", &value);
}


static u_char *
ngx_http_proctor_cache_text(u_char *p, const char *text)
{
    return ngx_cpymem(p, text, ngx_strlen(text));
}


ngx_int_t
ngx_http_proctor_cache_say(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_str_t value;
    ngx_table_elt_t *h;
    ngx_http_proctor_cache_t *cache = ctx->cache;
    const ngx_http_proctor_cache_said_t *how;

    if (cache == NULL || !ctx->conf->cache
        || cache->status == NGX_HTTP_PROCTOR_CACHE_NONE
        || (ctx->state != NGX_HTTP_PROCTOR_PASSED
            && cache->status != NGX_HTTP_PROCTOR_CACHE_INSTEAD)) {
        return NGX_OK;
    }

    if (cache->said != NULL) {
        cache->said->hash = 1; /* nginx made another answer of it: a 416 */
        return NGX_OK;
    }

    how = &ngx_http_proctor_cache_statuses[cache->status];

    cache->w->place->counters[how->counter]++;
    cache->w->place->counters[NGX_HTTP_PROCTOR_CACHE_COLLAPSED] +=
        cache->collapsed;

    value.data = ngx_pnalloc(r->pool, NGX_HTTP_PROCTOR_CACHE_STATUS_SIZE);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_http_proctor_cache_words(cache, value.data);

    if (ngx_http_proctor_header_add(r, "Cache-Status", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    h = r->headers_out.headers.last->elts;
    cache->said = &h[r->headers_out.headers.last->nelts - 1];

    return NGX_OK;
}


/* the field's value; how long it is */

static size_t
ngx_http_proctor_cache_words(
    const ngx_http_proctor_cache_t *cache, u_char *start)
{
    u_char *p = start;
    const ngx_http_proctor_cache_said_t *how;

    how = &ngx_http_proctor_cache_statuses[cache->status];

    p = ngx_http_proctor_cache_text(p, "proctor; ");
    p = ngx_http_proctor_cache_text(
        p, cache->collapsed ? "fwd=uri-miss; collapsed" : how->how);

    if (cache->fwd_status != 0) {
        p = ngx_http_proctor_cache_text(p, "; fwd-status=");
        p = (u_char *) proctor_decimal_write((char *) p, cache->fwd_status);
    }

    if (how->ttl) {
        p = ngx_http_proctor_cache_text(
            p, cache->verdict.fresh < 0 ? "; ttl=-" : "; ttl=");
        p = (u_char *) proctor_decimal_write(
            (char *) p, (uint64_t) llabs(cache->verdict.fresh));
    }

    if (cache->fill != NULL) {
        p = ngx_http_proctor_cache_text(p, "; stored");
    }

    if (how->detail != NULL) {
        p = ngx_http_proctor_cache_text(p, "; detail=");
        p = ngx_http_proctor_cache_text(p, how->detail);
    }

    return (size_t) (p - start);
}


ngx_str_t
ngx_http_proctor_cache_word(const ngx_http_proctor_ctx_t *ctx)
{
    static const ngx_str_t none = ngx_null_string;

    return (ctx->cache == NULL)
               ? none
               : ngx_http_proctor_cache_statuses[ctx->cache->status].word;
}
