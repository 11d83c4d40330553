/*
 * $proctor_*: who, what and why, for access logs.  A value is computed once
 * and then cached by nginx, so that it stays the same for a request's life,
 * also within one script that reads it twice.
 */

#include "ngx_http_proctor.h"


typedef ngx_str_t (*ngx_http_proctor_variable_pt)(ngx_http_proctor_ctx_t *ctx);


static ngx_int_t ngx_http_proctor_variable(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);
static ngx_str_t ngx_http_proctor_variable_str(const proctor_str_t *s);
static ngx_str_t ngx_http_proctor_variable_team(ngx_http_proctor_ctx_t *ctx);
static ngx_str_t ngx_http_proctor_variable_key(ngx_http_proctor_ctx_t *ctx);
static ngx_str_t ngx_http_proctor_variable_actor(ngx_http_proctor_ctx_t *ctx);
static ngx_str_t ngx_http_proctor_variable_operation(
    ngx_http_proctor_ctx_t *ctx);
static ngx_str_t ngx_http_proctor_variable_cache(ngx_http_proctor_ctx_t *ctx);
static ngx_str_t ngx_http_proctor_variable_request_id(
    ngx_http_proctor_ctx_t *ctx);


static struct {
    ngx_str_t name;
    ngx_http_proctor_variable_pt get;
} ngx_http_proctor_variables[] = {
    { ngx_string("proctor_team"), ngx_http_proctor_variable_team },
    { ngx_string("proctor_key"), ngx_http_proctor_variable_key },
    { ngx_string("proctor_actor"), ngx_http_proctor_variable_actor },
    { ngx_string("proctor_operation"), ngx_http_proctor_variable_operation },
    { ngx_string("proctor_decision"), ngx_http_proctor_variable_decision },
    { ngx_string("proctor_reason"), ngx_http_proctor_variable_reason },
    { ngx_string("proctor_cache"), ngx_http_proctor_variable_cache },
    { ngx_string("proctor_request_id"), ngx_http_proctor_variable_request_id },
    { ngx_null_string, NULL },
};


ngx_int_t
ngx_http_proctor_variable_add(ngx_conf_t *cf)
{
    ngx_uint_t i;
    ngx_http_variable_t *var;

    for (i = 0; ngx_http_proctor_variables[i].get != NULL; i++) {
        var = ngx_http_add_variable(cf, &ngx_http_proctor_variables[i].name, 0);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = ngx_http_proctor_variable;
        var->data = i;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_proctor_variable(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t value;
    ngx_http_proctor_ctx_t *ctx;

    ctx = ngx_http_proctor_ctx_get(r->main);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    value = ngx_http_proctor_variables[data].get(ctx);

    if (value.len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = value.data;
    v->len = (unsigned) value.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_str_t
ngx_http_proctor_variable_str(const proctor_str_t *s)
{
    ngx_str_t value;

    value.data = (u_char *) s->data;
    value.len = s->len;

    return value;
}


static ngx_str_t
ngx_http_proctor_variable_team(ngx_http_proctor_ctx_t *ctx)
{
    static ngx_str_t none = ngx_null_string;

    return (ctx->key == NULL)
               ? none
               : ngx_http_proctor_variable_str(&ctx->key->team->name);
}


static ngx_str_t
ngx_http_proctor_variable_key(ngx_http_proctor_ctx_t *ctx)
{
    static ngx_str_t none = ngx_null_string;

    return (ctx->key == NULL) ? none
                              : ngx_http_proctor_variable_str(&ctx->key->id);
}


static ngx_str_t
ngx_http_proctor_variable_actor(ngx_http_proctor_ctx_t *ctx)
{
    static ngx_str_t none = ngx_null_string;

    return (ctx->key == NULL) ? none
                              : ngx_http_proctor_variable_str(&ctx->key->actor);
}


static ngx_str_t
ngx_http_proctor_variable_operation(ngx_http_proctor_ctx_t *ctx)
{
    static ngx_str_t none = ngx_null_string;

    return (ctx->operation == NULL)
               ? none
               : ngx_http_proctor_variable_str(&ctx->operation->id);
}


static ngx_str_t
ngx_http_proctor_variable_cache(ngx_http_proctor_ctx_t *ctx)
{
    return ngx_http_proctor_cache_word(ctx);
}


static ngx_str_t
ngx_http_proctor_variable_request_id(ngx_http_proctor_ctx_t *ctx)
{
    return ctx->rid;
}


ngx_str_t
ngx_http_proctor_variable_decision(ngx_http_proctor_ctx_t *ctx)
{
    static ngx_str_t allowed = ngx_string("allowed");
    static ngx_str_t observed = ngx_string("observed");
    static ngx_str_t refused = ngx_string("refused");
    static ngx_str_t abandoned = ngx_string("abandoned");

    switch (ctx->state) {
    case NGX_HTTP_PROCTOR_PASSED:
        return (ctx->observed.code != NGX_HTTP_PROCTOR_FINE) ? observed
                                                             : allowed;

    case NGX_HTTP_PROCTOR_ANSWERED:
        return refused;

    case NGX_HTTP_PROCTOR_RUN:
    case NGX_HTTP_PROCTOR_READ:
    case NGX_HTTP_PROCTOR_WAIT:
        break;
    }

    /* nginx refused it while its body came, or the client left */

    return (ctx->refusal.code != NGX_HTTP_PROCTOR_FINE) ? refused : abandoned;
}


/* why it was refused, would have been, or failed after it was allowed */

ngx_str_t
ngx_http_proctor_variable_reason(ngx_http_proctor_ctx_t *ctx)
{
    static ngx_str_t none = ngx_null_string;

    if (ctx->refusal.code != NGX_HTTP_PROCTOR_FINE) {
        return ngx_http_proctor_error_reason(&ctx->refusal);
    }

    if (ctx->observed.code != NGX_HTTP_PROCTOR_FINE) {
        return ngx_http_proctor_error_reason(&ctx->observed);
    }

    return none;
}
