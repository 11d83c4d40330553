/*
 * HTTP that no client of these APIs sends, and that two servers may read in
 * two ways: what stock nginx lets through to the upstream with the lent key
 * (THREATS.md, section 3).  The first step; nothing is known of the caller.
 *
 * The header lines are walked once, when the ctx is made: what each of them is
 * (for key.c, which forwards them), the request id, what the body says of
 * itself, and the first fault, which this step answers with.
 */

#include "ngx_http_proctor.h"


typedef enum {
    NGX_HTTP_PROCTOR_FRAMING_FINE = 0,
    NGX_HTTP_PROCTOR_FRAMING_MANY,
    NGX_HTTP_PROCTOR_FRAMING_CONTROL,
    NGX_HTTP_PROCTOR_FRAMING_OVERRIDE,
    NGX_HTTP_PROCTOR_FRAMING_EXPECT
} ngx_http_proctor_framing_e;


static ngx_int_t ngx_http_proctor_framing_authority(ngx_http_request_t *r);
static ngx_http_proctor_framing_e ngx_http_proctor_framing_line(
    ngx_http_proctor_ctx_t *ctx, ngx_table_elt_t *h,
    ngx_http_proctor_header_e what);
static ngx_uint_t ngx_http_proctor_framing_is(
    const ngx_str_t *value, const char *word, size_t len);
static ngx_uint_t ngx_http_proctor_framing_rid(const ngx_str_t *rid);
static ngx_uint_t ngx_http_proctor_framing_text(const u_char *p, size_t len);
static ngx_inline uint64_t ngx_http_proctor_framing_odd(const u_char *p);


static ngx_str_t ngx_http_proctor_framing_version =
    ngx_string("Only HTTP/1.0, HTTP/1.1, HTTP/2 and HTTP/3 are spoken here.");
static ngx_str_t ngx_http_proctor_framing_host = ngx_string(
    "The request target names another authority than the Host header.");

/* what is said of a header line's fault; empty: the error's own sentence */

static const struct {
    ngx_http_proctor_error_e code;
    ngx_str_t detail;
} ngx_http_proctor_framing_faults[] = {
    [NGX_HTTP_PROCTOR_FRAMING_FINE] = { NGX_HTTP_PROCTOR_FINE,
        ngx_null_string },
    [NGX_HTTP_PROCTOR_FRAMING_MANY] = { NGX_HTTP_PROCTOR_MALFORMED,
        ngx_string("The request has too many header lines.") },
    [NGX_HTTP_PROCTOR_FRAMING_CONTROL] = { NGX_HTTP_PROCTOR_MALFORMED,
        ngx_string("A header value holds a control byte.") },
    [NGX_HTTP_PROCTOR_FRAMING_OVERRIDE] = { NGX_HTTP_PROCTOR_MALFORMED,
        ngx_string("Method override headers are not accepted.") },
    [NGX_HTTP_PROCTOR_FRAMING_EXPECT] = { NGX_HTTP_PROCTOR_BAD_EXPECT,
        ngx_null_string },
};


ngx_int_t
ngx_http_proctor_framing(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    const ngx_str_t *detail;

    switch (r->http_version) {
    case NGX_HTTP_VERSION_10:
    case NGX_HTTP_VERSION_11:
    case NGX_HTTP_VERSION_20:
    case 3000:
        break;

    default:
        r->keepalive = 0;
        return ngx_http_proctor_refuse(
            ctx, NGX_HTTP_PROCTOR_MALFORMED, &ngx_http_proctor_framing_version);
    }

    if (ngx_http_proctor_framing_authority(r) != NGX_OK) {
        return ngx_http_proctor_refuse(
            ctx, NGX_HTTP_PROCTOR_MALFORMED, &ngx_http_proctor_framing_host);
    }

    if (ctx->fault == NGX_HTTP_PROCTOR_FRAMING_FINE) {
        return NGX_OK;
    }

    detail = &ngx_http_proctor_framing_faults[ctx->fault].detail;

    return ngx_http_proctor_refuse(ctx,
        ngx_http_proctor_framing_faults[ctx->fault].code,
        (detail->len != 0) ? detail : NULL);
}


/* absolute-form is legal; with an authority of its own it is somebody's trick */

static ngx_int_t
ngx_http_proctor_framing_authority(ngx_http_request_t *r)
{
    size_t len;
    u_char *end;
    ngx_table_elt_t *host;

    if (r->http_version >= NGX_HTTP_VERSION_20 || r->host_start == NULL
        || r->schema_start == NULL) {
        return NGX_OK;
    }

    host = r->headers_in.host;
    end = (r->port_end != NULL) ? r->port_end : r->host_end;
    len = end - r->host_start;

    if (host == NULL || host->value.len != len
        || ngx_strncasecmp(host->value.data, r->host_start, len) != 0) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


void
ngx_http_proctor_framing_lines(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_uint_t n;
    ngx_table_elt_t *h;
    ngx_http_proctor_header_e what;
    ngx_http_proctor_headers_t it;
    ngx_http_proctor_framing_e fault;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    it.part = &r->headers_in.headers.part;
    it.i = 0;

    for (n = 0; (h = ngx_http_proctor_headers_next(&it)) != NULL; n++) {

        what = ngx_http_proctor_key_header(mcf, h);
        fault = ngx_http_proctor_framing_line(ctx, h, what);

        if (n < NGX_HTTP_PROCTOR_HEADERS_MAX) {
            ctx->headers[n] = (u_char) what;
            ctx->nheaders = n + 1;

        } else {
            fault = NGX_HTTP_PROCTOR_FRAMING_MANY;
        }

        if (ctx->fault == NGX_HTTP_PROCTOR_FRAMING_FINE) {
            ctx->fault = fault;
        }
    }
}


static ngx_http_proctor_framing_e
ngx_http_proctor_framing_line(ngx_http_proctor_ctx_t *ctx, ngx_table_elt_t *h,
    ngx_http_proctor_header_e what)
{
    if (!ngx_http_proctor_framing_text(h->value.data, h->value.len)) {
        return NGX_HTTP_PROCTOR_FRAMING_CONTROL;
    }

    if (what == NGX_HTTP_PROCTOR_HEADER_OTHER) {
        return NGX_HTTP_PROCTOR_FRAMING_FINE; /* nearly all */
    }

    switch (what) {
    case NGX_HTTP_PROCTOR_HEADER_OVERRIDE:
        return NGX_HTTP_PROCTOR_FRAMING_OVERRIDE;

    case NGX_HTTP_PROCTOR_HEADER_EXPECT:
        return ngx_http_proctor_framing_is(&h->value, "100-continue", 12)
                   ? NGX_HTTP_PROCTOR_FRAMING_FINE
                   : NGX_HTTP_PROCTOR_FRAMING_EXPECT;

    case NGX_HTTP_PROCTOR_HEADER_REQUEST_ID:
        if (ctx->rid.len == 0 && ngx_http_proctor_framing_rid(&h->value)) {
            ctx->rid = h->value;
        }

        break;

    case NGX_HTTP_PROCTOR_HEADER_BODY_TYPE:
        ctx->types++;
        break;

    case NGX_HTTP_PROCTOR_HEADER_BODY_CODING:
        ctx->coded |= !ngx_http_proctor_framing_is(&h->value, "identity", 8);
        break;

    case NGX_HTTP_PROCTOR_HEADER_CLAIMED:
        ctx->claimed = h->value;
        break;

    case NGX_HTTP_PROCTOR_HEADER_OTHER:
    case NGX_HTTP_PROCTOR_HEADER_WITHHELD:
    case NGX_HTTP_PROCTOR_HEADER_CODING:
    case NGX_HTTP_PROCTOR_HEADER_CONDITION:
    case NGX_HTTP_PROCTOR_HEADER_NEGOTIATION:
    case NGX_HTTP_PROCTOR_HEADER_PRECONDITION:
    case NGX_HTTP_PROCTOR_HEADER_CONTROL:
    case NGX_HTTP_PROCTOR_HEADER_PRAGMA:
        break;
    }

    return NGX_HTTP_PROCTOR_FRAMING_FINE;
}


static ngx_uint_t
ngx_http_proctor_framing_is(
    const ngx_str_t *value, const char *word, size_t len)
{
    return value->len == len
           && ngx_strncasecmp(value->data, (u_char *) word, len) == 0;
}


static ngx_uint_t
ngx_http_proctor_framing_rid(const ngx_str_t *rid)
{
    u_char c;
    size_t i;

    for (i = 0; i < rid->len; i++) {
        c = rid->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                || (c >= '0' && c <= '9') || c == '.' || c == '_'
                || c == '-')) {
            return 0;
        }
    }

    return i != 0 && i <= NGX_HTTP_PROCTOR_RID_MAX;
}


/*
 * Visible bytes, space, tab, and obs-text (RFC 9110, 5.5).  Eight bytes at a
 * time, the last ones perhaps twice; only where one is odd are all looked at
 * closely.
 */

static ngx_uint_t
ngx_http_proctor_framing_text(const u_char *p, size_t len)
{
    size_t i;
    uint64_t odd;

    if (len >= 8) {
        odd = ngx_http_proctor_framing_odd(p + len - 8);

        for (i = 0; i + 8 < len; i += 8) {
            odd |= ngx_http_proctor_framing_odd(p + i);
        }

        if (odd == 0) {
            return 1;
        }
    }

    for (i = 0; i < len; i++) {
        if ((p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


/*
 * Of eight bytes, one below 0x20 or equal to 0x7f sets the high bit of its
 * place (Hacker's Delight, 6-1).
 */

static ngx_inline uint64_t
ngx_http_proctor_framing_odd(const u_char *p)
{
    uint64_t word, del;

    const uint64_t ones = UINT64_MAX / 255;

    ngx_memcpy(&word, p, 8);
    del = word ^ (ones * 0x7f);

    return (((word - ones * 0x20) & ~word) | ((del - ones) & ~del))
           & (ones * 0x80);
}
