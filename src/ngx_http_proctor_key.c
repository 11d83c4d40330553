/*
 * Lends the upstream's key, takes the caller's away.
 *
 * Last step before the content handler.  The upstream is sent a header list of
 * our own: the caller's lines without those that carry or claim an identity,
 * then the request id, then, always last, the one Authorization line.  Taking
 * the key back is dropping that last line, so nothing has to be searched for.
 * The caller's own list stays where it is, in r->pool, and is never sent.
 *
 * The key is lent only to a location of the contract that the request was
 * checked against, and is gone once the answer begins: an access log that
 * asks for $http_authorization gets neither key.
 */

#include "ngx_http_proctor.h"


static ngx_int_t ngx_http_proctor_key_list(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_table_elt_t *ngx_http_proctor_key_push(ngx_list_t *list);
static void ngx_http_proctor_key_line(ngx_http_proctor_main_conf_t *mcf,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_key_line_e line,
    const ngx_str_t *value);
static ngx_int_t ngx_http_proctor_key_room(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static void ngx_http_proctor_key_authorization(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_uint_t ngx_http_proctor_key_used(
    ngx_http_proctor_main_conf_t *mcf, const proctor_account_t *account);


typedef struct {
    ngx_str_t name;
    ngx_http_proctor_header_e what;
} ngx_http_proctor_key_name_t;

#define ngx_http_proctor_key_slot(n) ((n) & (NGX_HTTP_PROCTOR_NAMES - 1))

/* lines that are ours; mcf->lines has them ready but for their values */

static const struct {
    ngx_str_t name;
    const char *lowcase;
} ngx_http_proctor_key_lines[NGX_HTTP_PROCTOR_KEY_LINES] = {
    { ngx_string("X-Request-Id"), "x-request-id" },
    { ngx_string("Accept-Encoding"), "accept-encoding" },
    { ngx_string("If-None-Match"), "if-none-match" },
    { ngx_string("If-Modified-Since"), "if-modified-since" },
    { ngx_string("Authorization"), "authorization" },
};

static ngx_http_proctor_key_name_t ngx_http_proctor_key_names[] = {
    { ngx_string("authorization"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("proxy-authorization"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("cookie"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("api-key"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("x-api-key"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("x-auth-token"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("x-access-token"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("x-request-id"), NGX_HTTP_PROCTOR_HEADER_REQUEST_ID },
    { ngx_string("remote-user"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("x-remote-user"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("x-user"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("x-team"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("forwarded"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("x-real-ip"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("x-client-ip"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("true-client-ip"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("x-original-url"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("x-original-uri"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("x-rewrite-url"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("x-proctor-on-behalf-of"), NGX_HTTP_PROCTOR_HEADER_CLAIMED },
    { ngx_string("upgrade"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("http2-settings"), NGX_HTTP_PROCTOR_HEADER_WITHHELD },
    { ngx_string("accept-encoding"), NGX_HTTP_PROCTOR_HEADER_CODING },
    { ngx_string("range"), NGX_HTTP_PROCTOR_HEADER_CODING },
    { ngx_string("if-range"), NGX_HTTP_PROCTOR_HEADER_CODING },
    { ngx_string("if-none-match"), NGX_HTTP_PROCTOR_HEADER_CONDITION },
    { ngx_string("if-modified-since"), NGX_HTTP_PROCTOR_HEADER_CONDITION },
    { ngx_string("if-match"), NGX_HTTP_PROCTOR_HEADER_PRECONDITION },
    { ngx_string("if-unmodified-since"), NGX_HTTP_PROCTOR_HEADER_PRECONDITION },
    { ngx_string("accept"), NGX_HTTP_PROCTOR_HEADER_NEGOTIATION },
    { ngx_string("accept-language"), NGX_HTTP_PROCTOR_HEADER_NEGOTIATION },
    { ngx_string("cache-control"), NGX_HTTP_PROCTOR_HEADER_CONTROL },
    { ngx_string("pragma"), NGX_HTTP_PROCTOR_HEADER_PRAGMA },
    { ngx_string("x-http-method-override"), NGX_HTTP_PROCTOR_HEADER_OVERRIDE },
    { ngx_string("x-http-method"), NGX_HTTP_PROCTOR_HEADER_OVERRIDE },
    { ngx_string("x-method-override"), NGX_HTTP_PROCTOR_HEADER_OVERRIDE },
    { ngx_string("expect"), NGX_HTTP_PROCTOR_HEADER_EXPECT },
    { ngx_string("content-type"), NGX_HTTP_PROCTOR_HEADER_BODY_TYPE },
    { ngx_string("content-encoding"), NGX_HTTP_PROCTOR_HEADER_BODY_CODING },
    { ngx_null_string, NGX_HTTP_PROCTOR_HEADER_OTHER },
};

_Static_assert(
    sizeof(ngx_http_proctor_key_names) / sizeof(ngx_http_proctor_key_names[0])
        <= NGX_HTTP_PROCTOR_NAMES / 2,
    "most slots are free");

/* whole families of names that claim who or where the caller is */

static ngx_str_t ngx_http_proctor_key_prefixes[] = {
    ngx_string("x-forwarded-"),
    ngx_string("x-auth-request-"),
    ngx_string("x-accel-"),
    ngx_string("x-proctor-"),
    ngx_null_string,
};


/*
 * Names by the hash that nginx has already made of every line: open addressing
 * in a table that is mostly free, so that nearly every name that means nothing
 * costs one look.  A slot holds a name's place in its list, from 1; 0: free.
 */

void
ngx_http_proctor_key_headers(ngx_http_proctor_main_conf_t *mcf)
{
    ngx_uint_t i, slot;
    ngx_str_t *name;
    ngx_table_elt_t *h;

    for (i = 0; ngx_http_proctor_key_names[i].name.len != 0; i++) {
        name = &ngx_http_proctor_key_names[i].name;
        slot = ngx_http_proctor_key_slot(ngx_hash_key(name->data, name->len));

        while (mcf->names[slot] != 0) {
            slot = ngx_http_proctor_key_slot(slot + 1);
        }

        mcf->names[slot] = (u_char) (i + 1);
    }

    for (i = 0; i < NGX_HTTP_PROCTOR_KEY_LINES; i++) {
        h = &mcf->lines[i];
        h->key = ngx_http_proctor_key_lines[i].name;
        h->lowcase_key = (u_char *) ngx_http_proctor_key_lines[i].lowcase;
        h->hash = ngx_hash_key(h->lowcase_key, h->key.len);
    }
}


ngx_http_proctor_header_e
ngx_http_proctor_key_header(
    ngx_http_proctor_main_conf_t *mcf, ngx_table_elt_t *h)
{
    ngx_str_t *prefix;
    ngx_uint_t slot;
    ngx_http_proctor_key_name_t *n;

    for (slot = ngx_http_proctor_key_slot(h->hash); mcf->names[slot] != 0;
         slot = ngx_http_proctor_key_slot(slot + 1)) {

        n = &ngx_http_proctor_key_names[mcf->names[slot] - 1];

        if (n->name.len == h->key.len
            && ngx_memcmp(n->name.data, h->lowcase_key, h->key.len) == 0) {
            return n->what;
        }
    }

    if (h->key.len < 2 || h->lowcase_key[0] != 'x'
        || h->lowcase_key[1] != '-') {
        return NGX_HTTP_PROCTOR_HEADER_OTHER;
    }

    for (prefix = ngx_http_proctor_key_prefixes; prefix->len != 0; prefix++) {
        if (h->key.len >= prefix->len
            && ngx_memcmp(h->lowcase_key, prefix->data, prefix->len) == 0) {
            return NGX_HTTP_PROCTOR_HEADER_WITHHELD;
        }
    }

    return NGX_HTTP_PROCTOR_HEADER_OTHER;
}


ngx_int_t
ngx_http_proctor_key(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    if (r->content_handler == NULL) {
        return NGX_OK; /* nothing is asked upstream */
    }

    if (ngx_http_proctor_key_list(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_proctor_key_authorization(r, ctx);

    return NGX_OK;
}


/* everything but the Authorization line */

static ngx_int_t
ngx_http_proctor_key_list(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_uint_t n, plain;
    ngx_table_elt_t *h, *copy;
    ngx_str_t value;
    ngx_http_proctor_header_e what;
    ngx_http_proctor_headers_t it;
    ngx_http_proctor_main_conf_t *mcf;

    static const ngx_str_t identity = ngx_string("identity");

    if (ngx_http_proctor_key_room(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    plain = ngx_http_proctor_cache_withholds(ctx)
            || (ctx->operation != NULL && ctx->operation->nlinks != 0);
    it.part = &r->headers_in.headers.part;
    it.i = 0;

    for (n = 0; (h = ngx_http_proctor_headers_next(&it)) != NULL; n++) {

        what = (n < ctx->nheaders) ? ctx->headers[n]
                                   : ngx_http_proctor_key_header(mcf, h);

        if (what == NGX_HTTP_PROCTOR_HEADER_WITHHELD
            || what == NGX_HTTP_PROCTOR_HEADER_REQUEST_ID
            || what == NGX_HTTP_PROCTOR_HEADER_CLAIMED
            || (what == NGX_HTTP_PROCTOR_HEADER_CODING && plain)
            || ((what == NGX_HTTP_PROCTOR_HEADER_CONDITION
                    || what == NGX_HTTP_PROCTOR_HEADER_NEGOTIATION)
                && ngx_http_proctor_cache_withholds(ctx))) {
            continue;
        }

        copy = ngx_http_proctor_key_push(&ctx->lent);
        *copy = *h;
    }

    ngx_http_proctor_key_line(
        mcf, ctx, NGX_HTTP_PROCTOR_KEY_REQUEST_ID, &ctx->rid);

    if (plain) {
        ngx_http_proctor_key_line(
            mcf, ctx, NGX_HTTP_PROCTOR_KEY_CODING, &identity);
    }

    if (ngx_http_proctor_cache_validator(ctx, "etag", &value)) {
        ngx_http_proctor_key_line(
            mcf, ctx, NGX_HTTP_PROCTOR_KEY_NONE_MATCH, &value);
    }

    if (ngx_http_proctor_cache_validator(ctx, "last-modified", &value)) {
        ngx_http_proctor_key_line(
            mcf, ctx, NGX_HTTP_PROCTOR_KEY_MODIFIED_SINCE, &value);
    }

    return NGX_OK;
}


/* one part, for all the lines that there can be */

static ngx_int_t
ngx_http_proctor_key_room(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_uint_t n;
    ngx_list_part_t *part;

    n = NGX_HTTP_PROCTOR_KEY_LINES;
    part = &r->headers_in.headers.part;

    do {
        n += part->nelts;
        part = part->next;
    } while (part != NULL);

    return ngx_list_init(&ctx->lent, r->pool, n, sizeof(ngx_table_elt_t));
}


static void
ngx_http_proctor_key_authorization(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_str_t value;
    const proctor_str_t *key;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    ctx->account_key = ngx_http_proctor_key_used(mcf, ctx->account);
    key = &ctx->account->keys[ctx->account_key];

    value.data = (u_char *) key->data;
    value.len = key->len;

    ngx_http_proctor_key_line(
        mcf, ctx, NGX_HTTP_PROCTOR_KEY_CREDENTIAL, &value);

    ctx->nlent = ctx->lent.part.nelts;
}


/* the list has one part, which was made to hold all that comes */

static ngx_table_elt_t *
ngx_http_proctor_key_push(ngx_list_t *list)
{
    return (ngx_table_elt_t *) list->part.elts + list->part.nelts++;
}


static void
ngx_http_proctor_key_line(ngx_http_proctor_main_conf_t *mcf,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_key_line_e line,
    const ngx_str_t *value)
{
    ngx_table_elt_t *h;

    h = ngx_http_proctor_key_push(&ctx->lent);

    *h = mcf->lines[line];
    h->value = *value;
}


proctor_str_t
ngx_http_proctor_key_lent(const ngx_http_proctor_ctx_t *ctx)
{
    proctor_str_t secret = { NULL, 0 };

    if (ctx->nlent != 0 && ctx->account != NULL) {
        secret = ctx->account->keys[ctx->account_key];
        secret.data += sizeof("Bearer ") - 1;
        secret.len -= sizeof("Bearer ") - 1;
    }

    return secret;
}


void
ngx_http_proctor_key_withdraw(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    if (ctx->nlent == 0) {
        return;
    }

    r->headers_in.headers = ctx->lent;
    r->headers_in.headers.part.nelts = ctx->nlent - 1;
    r->headers_in.headers.last = &r->headers_in.headers.part;
    r->headers_in.authorization = NULL;
}


ngx_int_t
ngx_http_proctor_key_strip(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    if (ctx->nlent == 0) {
        if (ngx_http_proctor_key_list(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        ctx->nlent = ctx->lent.part.nelts + 1;
    }

    ngx_http_proctor_key_withdraw(r, ctx);

    return NGX_OK;
}


/*
 * Which of an account's keys is lent: the first, until the upstream refuses
 * it.  A worker remembers; a reload begins anew.
 */

static ngx_uint_t
ngx_http_proctor_key_used(
    ngx_http_proctor_main_conf_t *mcf, const proctor_account_t *account)
{
    return mcf->worker->key_index[account->index];
}


void
ngx_http_proctor_key_refused(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_uint_t *index;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    index = &mcf->worker->key_index[ctx->account->index];

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
        "proctor key: the API refused key %ui of account \"%s\"",
        ctx->account_key + 1, ctx->account->name.data);

    /* an answer to a key that is no longer lent says nothing new */

    if (*index == ctx->account_key && ctx->account->nkeys > 1) {
        *index = (*index + 1) % ctx->account->nkeys;
    }
}
