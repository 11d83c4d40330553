/*
 * Which operation is this?  The path is matched exactly as it was sent
 * (API.md, decision 12): what is authorised here is what the upstream's own
 * router will see.  proctor_route.c does the matching.
 */

#include "ngx_http_proctor.h"


static ngx_int_t ngx_http_proctor_route_none(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, proctor_route_e found);
static proctor_method_e ngx_http_proctor_route_method(ngx_http_request_t *r);


static const struct {
    ngx_uint_t nginx;
    proctor_method_e method;
} ngx_http_proctor_route_methods[] = {
    { NGX_HTTP_GET, PROCTOR_GET },
    { NGX_HTTP_HEAD, PROCTOR_GET },
    { NGX_HTTP_POST, PROCTOR_POST },
    { NGX_HTTP_PUT, PROCTOR_PUT },
    { NGX_HTTP_PATCH, PROCTOR_PATCH },
    { NGX_HTTP_DELETE, PROCTOR_DELETE },
    { 0, PROCTOR_METHODS },
};


ngx_int_t
ngx_http_proctor_route(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_str_t allow;
    const char *reason;
    proctor_route_e found;
    proctor_method_e method;
    const proctor_path_t *path;

    found = proctor_route(ctx->contract->route, (char *) ctx->path.data,
        ctx->path.len, &ctx->match, &reason);

    if (found == PROCTOR_ROUTE_FORM) {
        return ngx_http_proctor_refuse_fmt(
            r, ctx, NGX_HTTP_PROCTOR_BAD_PATH, "The path %s.", reason);
    }

    if (found != PROCTOR_ROUTE_FOUND) {
        return ngx_http_proctor_route_none(r, ctx, found);
    }

    path = ctx->match.path;
    method = ngx_http_proctor_route_method(r);

    if (method == PROCTOR_METHODS || path->operations[method] == NULL) {
        allow.data = (u_char *) path->allow;
        allow.len = ngx_strlen(path->allow);

        if (ngx_http_proctor_header_add(r, "Allow", &allow) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_proctor_refuse_fmt(r, ctx, NGX_HTTP_PROCTOR_BAD_METHOD,
            "Method \"%V\" is not allowed; this path takes %s.",
            &r->method_name, path->allow);
    }

    ctx->operation = path->operations[method];

    return NGX_OK;
}


static ngx_int_t
ngx_http_proctor_route_none(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, proctor_route_e found)
{
    ngx_str_t path;

    if (found != PROCTOR_ROUTE_SLASH) {
        return ngx_http_proctor_refuse(ctx, NGX_HTTP_PROCTOR_NO_PATH, NULL);
    }

    /* never a redirect: clients turn a redirected POST into a GET */

    path = ctx->path;

    if (path.data[path.len - 1] == '/') {
        path.len--;
        return ngx_http_proctor_refuse_fmt(r, ctx, NGX_HTTP_PROCTOR_NO_PATH,
            "No such path; without its final slash it is %V", &path);
    }

    return ngx_http_proctor_refuse_fmt(r, ctx, NGX_HTTP_PROCTOR_NO_PATH,
        "No such path; with a final slash it is %V/", &path);
}


static proctor_method_e
ngx_http_proctor_route_method(ngx_http_request_t *r)
{
    ngx_uint_t i;

    for (i = 0; ngx_http_proctor_route_methods[i].nginx != 0; i++) {
        if (r->method == ngx_http_proctor_route_methods[i].nginx) {
            return ngx_http_proctor_route_methods[i].method;
        }
    }

    return PROCTOR_METHODS;
}
