/*
 * Do path, query and headers fit the contract?  What does not is collected, so
 * that a client hears of all its mistakes at once; the verdict is given after
 * the body was seen, too.
 *
 * The query is read as the upstream reads it (WHATWG URL, 5.1), and only the
 * parameters that the contract declares are judged: a declared one that is
 * given twice or under a coded name would be read differently by two readers
 * and is refused; what is not declared passes (API.md, decision 3).
 */

#include "ngx_http_proctor.h"


typedef struct {
    ngx_http_request_t *r;
    ngx_http_proctor_ctx_t *ctx;
    ngx_http_proctor_worker_t *worker;
    proctor_violations_t violations;
    uint64_t seen; /* bit i: parameter i of the operation */
} ngx_http_proctor_input_t;


static ngx_int_t ngx_http_proctor_input_query(ngx_http_proctor_input_t *in);
static ngx_int_t ngx_http_proctor_input_pair(
    ngx_http_proctor_input_t *in, const proctor_query_pair_t *sent);
static ngx_int_t ngx_http_proctor_input_decode(
    ngx_http_proctor_input_t *in, proctor_str_t *s, const char **fault);
static ngx_int_t ngx_http_proctor_input_declared(ngx_http_proctor_input_t *in,
    const proctor_query_pair_t *pair, ngx_uint_t coded);
static ngx_int_t ngx_http_proctor_input_headers(ngx_http_proctor_input_t *in);
static ngx_int_t ngx_http_proctor_input_path(ngx_http_proctor_input_t *in);
static ngx_int_t ngx_http_proctor_input_param(
    ngx_http_proctor_input_t *in, unsigned i, const proctor_str_t *text);
static ngx_int_t ngx_http_proctor_input_missing(ngx_http_proctor_input_t *in);
static ngx_int_t ngx_http_proctor_input_check(
    ngx_http_proctor_input_t *in, const proctor_param_t *param, uint32_t node);
static ngx_int_t ngx_http_proctor_input_policy(ngx_http_proctor_input_t *in);
static ngx_int_t ngx_http_proctor_input_violation(ngx_http_proctor_input_t *in,
    const proctor_str_t *name, const char *message);
static ngx_int_t ngx_http_proctor_input_not_query(
    ngx_http_proctor_input_t *in, const char *why);


ngx_int_t
ngx_http_proctor_input(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_int_t rc;
    ngx_http_proctor_input_t in;
    ngx_http_proctor_main_conf_t *mcf;

    if (ctx->operation->nparams == 0 && ctx->args.len == 0) {
        return NGX_OK;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    ngx_memzero(&in, sizeof(ngx_http_proctor_input_t));
    in.r = r;
    in.ctx = ctx;
    in.worker = mcf->worker;
    in.violations.arena = in.worker->arena;

    proctor_arena_reset(in.worker->arena);

    if (proctor_json_object_begin(&in.worker->doc) != PROCTOR_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_proctor_input_path(&in);

    if (rc == NGX_OK) {
        rc = ngx_http_proctor_input_query(&in);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_proctor_input_headers(&in);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_proctor_input_missing(&in);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_proctor_input_policy(&in);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_proctor_error_violations(
        r, &ctx->invalid, NGX_HTTP_PROCTOR_BAD_INPUT, &in.violations);
}


static ngx_int_t
ngx_http_proctor_input_path(ngx_http_proctor_input_t *in)
{
    unsigned i;
    ngx_int_t rc;

    for (i = 0; i < in->ctx->match.nparams; i++) {
        rc = ngx_http_proctor_input_param(in, i, &in->ctx->match.params[i]);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_proctor_input_query(ngx_http_proctor_input_t *in)
{
    ngx_int_t rc;
    proctor_query_t query;
    proctor_query_pair_t pair;

    query.p = (const char *) in->ctx->args.data;
    query.last = query.p + in->ctx->args.len;

    while (proctor_query_next(&query, &pair)) {
        rc = ngx_http_proctor_input_pair(in, &pair);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_proctor_input_pair(
    ngx_http_proctor_input_t *in, const proctor_query_pair_t *sent)
{
    const char *fault;
    proctor_query_pair_t pair;

    pair = *sent;

    if (pair.value.data == NULL) {
        pair.value.data = ""; /* "name" is read as "name=" */
    }

    if (ngx_http_proctor_input_decode(in, &pair.name, &fault) != NGX_OK
        || ngx_http_proctor_input_decode(in, &pair.value, &fault) != NGX_OK) {
        return (fault == NULL) ? NGX_ERROR
                               : ngx_http_proctor_input_not_query(in, fault);
    }

    if (pair.name.len == 7 && ngx_memcmp(pair.name.data, "_method", 7) == 0) {
        return ngx_http_proctor_input_not_query(in, "a method override");
    }

    return ngx_http_proctor_input_declared(
        in, &pair, pair.name.data != sent->name.data);
}


/* *fault: why it is no part of a query; NULL: out of memory */

static ngx_int_t
ngx_http_proctor_input_decode(
    ngx_http_proctor_input_t *in, proctor_str_t *s, const char **fault)
{
    int rc;
    size_t i;

    *fault = NULL;

    rc = proctor_query_decode(in->worker->arena, s);

    if (rc != PROCTOR_OK) {
        *fault = (rc == PROCTOR_INVALID) ? "a bad percent-escape" : NULL;
        return NGX_ERROR;
    }

    for (i = 0; i < s->len; i++) {
        if ((u_char) s->data[i] < 0x20 || s->data[i] == 0x7f) {
            *fault = "a control byte";
            return NGX_DECLINED;
        }
    }

    if (!proctor_json_utf8(s->data, s->len)) {
        *fault = "bytes that are not UTF-8";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* is the name a parameter of the contract? */

static ngx_int_t
ngx_http_proctor_input_declared(ngx_http_proctor_input_t *in,
    const proctor_query_pair_t *pair, ngx_uint_t coded)
{
    unsigned n;
    const proctor_str_t *name;
    const proctor_operation_t *op;

    op = in->ctx->operation;
    name = &pair->name;

    for (n = 0; n < op->nparams; n++) {
        if (op->params[n].in != PROCTOR_IN_QUERY
            || op->params[n].name.len != name->len
            || ngx_memcmp(op->params[n].name.data, name->data, name->len)
                   != 0) {
            continue;
        }

        if (coded) {
            in->seen |= (uint64_t) 1 << n;
            return ngx_http_proctor_input_violation(
                in, name, "must be written without percent-encoding");
        }

        return ngx_http_proctor_input_param(in, n, &pair->value);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_proctor_input_not_query(ngx_http_proctor_input_t *in, const char *why)
{
    return ngx_http_proctor_refuse_fmt(
        in->r, in->ctx, NGX_HTTP_PROCTOR_MALFORMED, "The query holds %s.", why);
}


static ngx_int_t
ngx_http_proctor_input_headers(ngx_http_proctor_input_t *in)
{
    unsigned i;
    ngx_int_t rc;
    proctor_str_t value;
    ngx_table_elt_t *h;
    const proctor_param_t *param;
    ngx_http_proctor_headers_t it;

    for (i = 0; i < in->ctx->operation->nparams; i++) {

        param = &in->ctx->operation->params[i];

        if (param->in != PROCTOR_IN_HEADER) {
            continue;
        }

        it.part = &in->r->headers_in.headers.part;
        it.i = 0;

        while ((h = ngx_http_proctor_headers_next(&it)) != NULL) {

            if (h->key.len != param->name.len
                || ngx_memcmp(h->lowcase_key, param->name.data, h->key.len)
                       != 0) {
                continue;
            }

            value.data = (char *) h->value.data;
            value.len = h->value.len;

            rc = ngx_http_proctor_input_param(in, i, &value);
            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    return NGX_OK;
}


/* a declared parameter's text becomes a member of the worker's document */

static ngx_int_t
ngx_http_proctor_input_param(
    ngx_http_proctor_input_t *in, unsigned i, const proctor_str_t *text)
{
    const char *fault;
    proctor_json_t *doc;
    const proctor_param_t *param;
    proctor_json_type_e type;

    param = &in->ctx->operation->params[i];

    if (in->seen & ((uint64_t) 1 << i)) {
        return ngx_http_proctor_input_violation(
            in, &param->name, "must not be given twice");
    }

    in->seen |= (uint64_t) 1 << i;

    if (!proctor_json_utf8(text->data, text->len)) {
        return ngx_http_proctor_input_violation(
            in, &param->name, "must be UTF-8");
    }

    type = proctor_param_type(param->schema, text, &fault);

    if (fault != NULL) {
        return ngx_http_proctor_input_violation(in, &param->name, fault);
    }

    doc = &in->worker->doc;

    if (proctor_json_object_add(doc, &param->name, type, text) != PROCTOR_OK) {
        return NGX_ERROR;
    }

    return ngx_http_proctor_input_check(in, param, doc->nnodes - 1);
}


/* the value just added, against its parameter's schema */

static ngx_int_t
ngx_http_proctor_input_check(
    ngx_http_proctor_input_t *in, const proctor_param_t *param, uint32_t node)
{
    int rc;
    const char *prefix;
    proctor_json_t *doc;

    doc = &in->worker->doc;
    rc = proctor_schema_check(param->schema, doc, node, NULL, NULL);

    if (rc == PROCTOR_INVALID) {
        prefix =
            proctor_arena_printf(in->worker->arena, "/%s", param->name.data);

        rc = proctor_schema_check(
            param->schema, doc, node, prefix, &in->violations);
    }

    return (rc == PROCTOR_ERROR) ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_http_proctor_input_missing(ngx_http_proctor_input_t *in)
{
    unsigned i;
    ngx_int_t rc;
    const proctor_param_t *param;

    for (i = 0; i < in->ctx->operation->nparams; i++) {

        param = &in->ctx->operation->params[i];

        if (param->required && !(in->seen & ((uint64_t) 1 << i))) {
            rc = ngx_http_proctor_input_violation(
                in, &param->name, "is required");
            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    return NGX_OK;
}


/* all that was given, as one object, against the team's policy */

static ngx_int_t
ngx_http_proctor_input_policy(ngx_http_proctor_input_t *in)
{
    const proctor_policy_t *policy;
    proctor_violations_t denied;

    policy = proctor_team_policy(in->ctx->key->team, in->ctx->operation);

    if (policy == NULL || policy->query == NULL) {
        return NGX_OK;
    }

    ngx_memzero(&denied, sizeof(proctor_violations_t));
    denied.arena = in->worker->arena;

    proctor_json_object_end(&in->worker->doc);

    if (proctor_schema_check(policy->query, &in->worker->doc, 0, NULL, &denied)
        == PROCTOR_ERROR) {
        return NGX_ERROR;
    }

    return ngx_http_proctor_error_violations(
        in->r, &in->ctx->policy, NGX_HTTP_PROCTOR_POLICY, &denied);
}


static ngx_int_t
ngx_http_proctor_input_violation(ngx_http_proctor_input_t *in,
    const proctor_str_t *name, const char *message)
{
    const char *pointer;

    pointer = proctor_arena_printf(
        in->worker->arena, "/%.*s", (int) name->len, name->data);

    if (pointer == NULL
        || proctor_violations_add(&in->violations, pointer, 0, "%s", message)
               != PROCTOR_OK) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_proctor_input_verdict(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_http_proctor_refusal_t *found;

    (void) r;

    found = (ctx->invalid.code != NGX_HTTP_PROCTOR_FINE) ? &ctx->invalid
                                                         : &ctx->policy;

    if (found->code == NGX_HTTP_PROCTOR_FINE) {
        return NGX_OK;
    }

    if (ctx->conf->mode == NGX_HTTP_PROCTOR_ENFORCE) {
        ctx->refusal = *found;
        return NGX_DECLINED;
    }

    ctx->observed = *found;

    return NGX_OK;
}
