/*
 * What does not fit a schema, as a refusal: a sentence for each field, and one
 * over all of them.
 *
 * Violations live in the worker's arena and speak of JSON Pointers; what they
 * become lives in r->pool and speaks of fields as the API's own errors do.
 */

#include "ngx_http_proctor.h"


static ngx_int_t ngx_http_proctor_error_violations_copy(ngx_http_request_t *r,
    ngx_http_proctor_refusal_t *refusal, const proctor_violation_t *v);
static ngx_str_t ngx_http_proctor_error_violations_field(
    ngx_http_request_t *r, const char *pointer);
static ngx_int_t ngx_http_proctor_error_violations_summary(
    ngx_http_request_t *r, ngx_http_proctor_refusal_t *refusal,
    const proctor_violations_t *all);


ngx_int_t
ngx_http_proctor_error_violations(ngx_http_request_t *r,
    ngx_http_proctor_refusal_t *refusal, ngx_http_proctor_error_e code,
    const proctor_violations_t *violations)
{
    const proctor_violation_t *v;

    if (violations->first == NULL) {
        return NGX_OK;
    }

    if (refusal->fields == NULL) {
        refusal->fields = ngx_array_create(
            r->pool, 4, sizeof(ngx_http_proctor_field_error_t));
        if (refusal->fields == NULL) {
            return NGX_ERROR;
        }
    }

    refusal->code = code;

    for (v = violations->first; v != NULL; v = v->next) {
        if (ngx_http_proctor_error_violations_copy(r, refusal, v) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_proctor_error_violations_summary(r, refusal, violations);
}


/* "must be at most 100" becomes the sentence "Must be at most 100." */

static ngx_int_t
ngx_http_proctor_error_violations_copy(ngx_http_request_t *r,
    ngx_http_proctor_refusal_t *refusal, const proctor_violation_t *v)
{
    size_t len;
    ngx_http_proctor_field_error_t *f;

    f = ngx_array_push(refusal->fields);
    if (f == NULL) {
        return NGX_ERROR;
    }

    len = ngx_strlen(v->message);

    f->field = ngx_http_proctor_error_violations_field(r, v->pointer);
    f->message.data = ngx_pnalloc(r->pool, len + 1);
    if (f->message.data == NULL || f->field.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(f->message.data, v->message, len);
    f->message.len = len;

    if (!v->sentence && len != 0) {
        f->message.data[0] = ngx_toupper(f->message.data[0]);
        f->message.data[f->message.len++] = '.';
    }

    refusal->required = (ngx_strcmp(v->message, "is required") == 0);

    return NGX_OK;
}


/* "/workflow/0/type" becomes "workflow.0.type" */

static ngx_str_t
ngx_http_proctor_error_violations_field(
    ngx_http_request_t *r, const char *pointer)
{
    u_char *p;
    ngx_str_t field;

    field.len = 0;
    field.data = ngx_pnalloc(r->pool, ngx_strlen(pointer) + 1);
    if (field.data == NULL) {
        return field;
    }

    p = field.data;

    if (*pointer == '/') {
        pointer++;
    }

    for (; *pointer != '\0'; pointer++) {
        if (*pointer == '/') {
            *p++ = '.';

        } else if (*pointer == '~' && pointer[1] != '\0') {
            pointer++;
            *p++ = (*pointer == '1') ? '/' : '~';

        } else {
            *p++ = (u_char) *pointer;
        }
    }

    field.len = p - field.data;

    return field;
}


/* the one sentence: of the first violation, and how many more there are */

static ngx_int_t
ngx_http_proctor_error_violations_summary(ngx_http_request_t *r,
    ngx_http_proctor_refusal_t *refusal, const proctor_violations_t *all)
{
    u_char *p, *last;
    size_t more;
    ngx_str_t subject;
    ngx_http_proctor_field_error_t *f;

    static const ngx_str_t body = ngx_string("The body");

    if (refusal->detail.len != 0) {
        return NGX_OK; /* input's came first */
    }

    p = ngx_pnalloc(r->pool, NGX_HTTP_PROCTOR_DETAIL_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    f = refusal->fields->elts;
    more = all->count - 1;
    subject = (f->field.len == 0) ? body : f->field;

    refusal->detail.data = p;
    last = p + NGX_HTTP_PROCTOR_DETAIL_MAX;

    if (all->first->sentence) {
        p = ngx_slprintf(p, last, "%V", &f->message);

    } else {
        p = ngx_slprintf(p, last, "%V %s.", &subject, all->first->message);
    }

    if (more != 0) {
        p = ngx_slprintf(p, last, " (And %uz more.)", more);
    }

    refusal->detail.len = p - refusal->detail.data;

    return NGX_OK;
}
