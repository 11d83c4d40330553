/*
 * A refusal as the body of an answer, in the shape of its contract:
 *
 *     {"detail": ..., "errors": {"a.b": ["...", ...]}, "retry_after": 7}
 *     {"status": "error", "code": ..., "message": ..., "errors": {...}}
 *
 * Where no contract is known yet the body has the members of both.
 */

#include "ngx_http_proctor.h"


typedef struct {
    u_char *pos;
    u_char *end;
} ngx_http_proctor_error_out_t;


static const char *ngx_http_proctor_error_code(
    const ngx_http_proctor_refusal_t *refusal);
static void ngx_http_proctor_error_fields(ngx_http_proctor_error_out_t *out,
    const ngx_http_proctor_refusal_t *refusal, const char *whole);
static size_t ngx_http_proctor_error_size(
    const ngx_http_proctor_refusal_t *refusal, const ngx_str_t *detail);
static void ngx_http_proctor_error_text(
    ngx_http_proctor_error_out_t *out, const char *text);
static void ngx_http_proctor_error_string(
    ngx_http_proctor_error_out_t *out, const ngx_str_t *s);


ngx_int_t
ngx_http_proctor_error_render(ngx_http_request_t *r,
    const proctor_contract_t *contract,
    const ngx_http_proctor_refusal_t *refusal, ngx_str_t *body)
{
    u_char *p;
    size_t size;
    ngx_str_t detail;
    ngx_http_proctor_error_out_t out;

    detail = ngx_http_proctor_error_detail(refusal);
    size = ngx_http_proctor_error_size(refusal, &detail);

    p = ngx_pnalloc(r->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    out.pos = p;
    out.end = p + size;

    ngx_http_proctor_error_text(&out, "{");

    if (contract == NULL || contract->errors == PROCTOR_ERRORS_STATUS) {
        ngx_http_proctor_error_text(&out, "\"status\":\"error\",\"code\":\"");
        ngx_http_proctor_error_text(&out, ngx_http_proctor_error_code(refusal));
        ngx_http_proctor_error_text(&out, "\",\"message\":");
        ngx_http_proctor_error_string(&out, &detail);

        if (refusal->fields != NULL && refusal->fields->nelts > 1) {
            ngx_http_proctor_error_fields(&out, refusal, "body");
        }
    }

    if (contract == NULL) {
        ngx_http_proctor_error_text(&out, ",");
    }

    if (contract == NULL || contract->errors == PROCTOR_ERRORS_DETAIL) {
        ngx_http_proctor_error_text(&out, "\"detail\":");
        ngx_http_proctor_error_string(&out, &detail);

        if (refusal->fields != NULL) {
            ngx_http_proctor_error_fields(&out, refusal, "non_field_errors");
        }

        if (refusal->retry_after != 0) {
            out.pos = ngx_sprintf(
                out.pos, ",\"retry_after\":%ui", refusal->retry_after);
        }
    }

    ngx_http_proctor_error_text(&out, "}");

    body->data = p;
    body->len = out.pos - p;

    return NGX_OK;
}


static const char *
ngx_http_proctor_error_code(const ngx_http_proctor_refusal_t *refusal)
{
    if (refusal->fields != NULL && refusal->fields->nelts > 1) {
        return "validation_errors";
    }

    if (refusal->fields != NULL && refusal->required
        && refusal->code == NGX_HTTP_PROCTOR_BAD_INPUT) {
        return "required_value";
    }

    return ngx_http_proctor_error_word(refusal);
}


/* one member a field: fields named twice share one list */

static void
ngx_http_proctor_error_fields(ngx_http_proctor_error_out_t *out,
    const ngx_http_proctor_refusal_t *refusal, const char *whole)
{
    ngx_str_t name;
    ngx_uint_t i, j, first;
    ngx_http_proctor_field_error_t *f;

    f = refusal->fields->elts;

    ngx_http_proctor_error_text(out, ",\"errors\":{");

    for (i = 0; i < refusal->fields->nelts; i++) {

        for (j = 0; j < i; j++) {
            if (f[j].field.len == f[i].field.len
                && ngx_memcmp(f[j].field.data, f[i].field.data, f[i].field.len)
                       == 0) {
                break;
            }
        }

        if (j < i) {
            continue;
        }

        name = f[i].field;

        if (name.len == 0) {
            name.data = (u_char *) whole;
            name.len = ngx_strlen(whole);
        }

        ngx_http_proctor_error_text(out, (i == 0) ? "" : ",");
        ngx_http_proctor_error_string(out, &name);
        ngx_http_proctor_error_text(out, ":[");

        for (j = i, first = 1; j < refusal->fields->nelts; j++) {
            if (f[j].field.len == f[i].field.len
                && ngx_memcmp(f[j].field.data, f[i].field.data, f[i].field.len)
                       == 0) {
                ngx_http_proctor_error_text(out, first ? "" : ",");
                ngx_http_proctor_error_string(out, &f[j].message);
                first = 0;
            }
        }

        ngx_http_proctor_error_text(out, "]");
    }

    ngx_http_proctor_error_text(out, "}");
}


/* an upper bound: every byte as \u00XX, both shapes, punctuation */

static size_t
ngx_http_proctor_error_size(
    const ngx_http_proctor_refusal_t *refusal, const ngx_str_t *detail)
{
    size_t size;
    ngx_uint_t i;
    ngx_http_proctor_field_error_t *f;

    size = 256 + 2 * 6 * detail->len;

    if (refusal->fields != NULL) {
        f = refusal->fields->elts;

        for (i = 0; i < refusal->fields->nelts; i++) {
            size += 2 * (64 + 6 * (f[i].field.len + f[i].message.len));
        }
    }

    return size;
}


static void
ngx_http_proctor_error_text(ngx_http_proctor_error_out_t *out, const char *text)
{
    out->pos = ngx_cpymem(out->pos, text, ngx_strlen(text));
}


static void
ngx_http_proctor_error_string(
    ngx_http_proctor_error_out_t *out, const ngx_str_t *s)
{
    size_t used;

    *out->pos++ = '"';
    out->pos += proctor_escape_json((char *) out->pos, out->end - out->pos,
        (char *) s->data, s->len, &used);
    *out->pos++ = '"';
}
