/*
 * HTTP that no client of these APIs sends, and that two servers may read in
 * two ways: what stock nginx lets through to the upstream with the lent key
 * (THREATS.md, section 3).  The first step; nothing is known of the caller.
 */

#include "ngx_http_proctor.h"


static ngx_int_t ngx_http_proctor_framing_authority(ngx_http_request_t *r);
static ngx_int_t ngx_http_proctor_framing_header(
    ngx_http_proctor_main_conf_t *mcf, ngx_http_proctor_ctx_t *ctx,
    ngx_table_elt_t *h, ngx_uint_t n);
static ngx_uint_t ngx_http_proctor_framing_text(const u_char *p, size_t len);


static ngx_str_t ngx_http_proctor_framing_version =
    ngx_string("Only HTTP/1.0, HTTP/1.1, HTTP/2 and HTTP/3 are spoken here.");
static ngx_str_t ngx_http_proctor_framing_host = ngx_string(
    "The request target names another authority than the Host header.");
static ngx_str_t ngx_http_proctor_framing_many =
    ngx_string("The request has too many header lines.");
static ngx_str_t ngx_http_proctor_framing_control =
    ngx_string("A header value holds a control byte.");
static ngx_str_t ngx_http_proctor_framing_override =
    ngx_string("Method override headers are not accepted.");


ngx_int_t
ngx_http_proctor_framing(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_int_t rc;
    ngx_uint_t n;
    ngx_table_elt_t *h;
    ngx_http_proctor_headers_t it;
    ngx_http_proctor_main_conf_t *mcf;

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

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    it.part = &r->headers_in.headers.part;
    it.i = 0;

    for (n = 0; (h = ngx_http_proctor_headers_next(&it)) != NULL; n++) {

        if (n >= NGX_HTTP_PROCTOR_HEADERS_MAX) {
            return ngx_http_proctor_refuse(ctx, NGX_HTTP_PROCTOR_MALFORMED,
                &ngx_http_proctor_framing_many);
        }

        rc = ngx_http_proctor_framing_header(mcf, ctx, h, n);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
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


static ngx_int_t
ngx_http_proctor_framing_header(ngx_http_proctor_main_conf_t *mcf,
    ngx_http_proctor_ctx_t *ctx, ngx_table_elt_t *h, ngx_uint_t n)
{
    ngx_http_proctor_header_e what;

    if (!ngx_http_proctor_framing_text(h->value.data, h->value.len)) {
        return ngx_http_proctor_refuse(
            ctx, NGX_HTTP_PROCTOR_MALFORMED, &ngx_http_proctor_framing_control);
    }

    what = ngx_http_proctor_key_header(mcf, h);
    ctx->headers[n] = (u_char) what;
    ctx->nheaders = n + 1;

    switch (what) {
    case NGX_HTTP_PROCTOR_HEADER_OVERRIDE:
        return ngx_http_proctor_refuse(ctx, NGX_HTTP_PROCTOR_MALFORMED,
            &ngx_http_proctor_framing_override);

    case NGX_HTTP_PROCTOR_HEADER_EXPECT:
        if (h->value.len != 12
            || ngx_strncasecmp(h->value.data, (u_char *) "100-continue", 12)
                   != 0) {
            return ngx_http_proctor_refuse(
                ctx, NGX_HTTP_PROCTOR_BAD_EXPECT, NULL);
        }

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

    return NGX_OK;
}


/*
 * Visible bytes, space, tab, and obs-text (RFC 9110, 5.5).  Eight bytes at a
 * time: one below 0x20 or equal to 0x7f sets the high bit of its place
 * (Hacker's Delight, 6-1), and only then is looked at closely.
 */

static ngx_uint_t
ngx_http_proctor_framing_text(const u_char *p, size_t len)
{
    size_t i;
    uint64_t word, del, odd;

    const uint64_t ones = UINT64_MAX / 255;

    for (odd = 0, i = 0; i + 8 <= len; i += 8) {
        ngx_memcpy(&word, p + i, 8);
        del = word ^ (ones * 0x7f);
        odd |= ((word - ones * 0x20) & ~word) | ((del - ones) & ~del);
    }

    i = (odd & (ones * 0x80)) ? 0 : i;

    for (; i < len; i++) {
        if ((p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}
