/*
 * Whose key is this, and may it do this?
 *
 * Two steps: who asks (before anything else is told: a stranger learns nothing
 * of paths or methods), and, once the operation is known, whether the key has
 * the right.  Keys are known by their SHA-256 only; every wrong key takes the
 * same way to the same answer.
 */

#include "ngx_http_proctor.h"


static ngx_int_t ngx_http_proctor_caller_token(
    ngx_http_request_t *r, ngx_str_t *token);
static ngx_inline uint64_t ngx_http_proctor_caller_odd(const u_char *p);
static ngx_int_t ngx_http_proctor_caller_refuse(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_error_e code);


ngx_int_t
ngx_http_proctor_caller(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_str_t token;
    const proctor_key_t *key;
    ngx_http_proctor_main_conf_t *mcf;
    unsigned char sha256[PROCTOR_SHA256_LEN];

    if (r->headers_in.authorization == NULL) {
        return ngx_http_proctor_caller_refuse(r, ctx, NGX_HTTP_PROCTOR_NO_KEY);
    }

    if (ngx_http_proctor_caller_token(r, &token) != NGX_OK) {
        return ngx_http_proctor_caller_refuse(r, ctx, NGX_HTTP_PROCTOR_BAD_KEY);
    }

    if (proctor_digest(token.data, token.len, sha256) != PROCTOR_OK) {
        return NGX_ERROR;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    key = proctor_teams_key(mcf->teams, sha256);

    if (key == NULL) {
        return ngx_http_proctor_caller_refuse(r, ctx, NGX_HTTP_PROCTOR_BAD_KEY);
    }

    ctx->key = key;

    if (key->expires != 0 && key->expires <= ngx_time()) {
        return ngx_http_proctor_caller_refuse(
            r, ctx, NGX_HTTP_PROCTOR_EXPIRED_KEY);
    }

    ctx->account = proctor_team_account(key->team, ctx->contract);

    if (ctx->account == NULL) {
        return ngx_http_proctor_refuse_fmt(r, ctx, NGX_HTTP_PROCTOR_NO_ACCOUNT,
            "Team \"%s\" has no account for %s.", key->team->name.data,
            ctx->contract->name.data);
    }

    return NGX_OK;
}


/* exactly one Authorization line: "Bearer", one space, one token68 */

static ngx_int_t
ngx_http_proctor_caller_token(ngx_http_request_t *r, ngx_str_t *token)
{
    size_t i;
    uint64_t odd;
    ngx_str_t *value;

    value = &r->headers_in.authorization->value;

#if (nginx_version >= 1023000)
    if (r->headers_in.authorization->next != NULL) {
        return NGX_DECLINED;
    }
#endif

    if (value->len <= sizeof("Bearer ") - 1
        || (ngx_memcmp(value->data, "Bearer ", 7) != 0
            && ngx_strncasecmp(value->data, (u_char *) "Bearer ", 7) != 0)) {
        return NGX_DECLINED;
    }

    token->data = value->data + 7;
    token->len = value->len - 7;

    /* eight bytes at a time, the last ones perhaps twice */

    if (token->len >= 8) {
        odd = ngx_http_proctor_caller_odd(token->data + token->len - 8);

        for (i = 0; i + 8 < token->len; i += 8) {
            odd |= ngx_http_proctor_caller_odd(token->data + i);
        }

        return (odd == 0) ? NGX_OK : NGX_DECLINED;
    }

    for (i = 0; i < token->len; i++) {
        if (token->data[i] <= 0x20 || token->data[i] >= 0x7f
            || token->data[i] == ',') {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/*
 * Of eight bytes, one that is not visible, or a comma, sets the high bit of its
 * place (Hacker's Delight, 6-1).
 */

static ngx_inline uint64_t
ngx_http_proctor_caller_odd(const u_char *p)
{
    uint64_t word, comma;

    const uint64_t ones = UINT64_MAX / 255;

    ngx_memcpy(&word, p, 8);
    comma = word ^ (ones * ',');

    return (word | (word + ones) | ((word - ones * 0x21) & ~word)
               | ((comma - ones) & ~comma))
           & (ones * 0x80);
}


static ngx_int_t
ngx_http_proctor_caller_refuse(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_error_e code)
{
    static const ngx_str_t challenge = ngx_string("Bearer");

    if (ngx_http_proctor_header_add(r, "WWW-Authenticate", &challenge)
        != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_proctor_refuse(ctx, code, NULL);
}


ngx_int_t
ngx_http_proctor_caller_right(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    if (proctor_key_has_right(ctx->key, &ctx->operation->right)) {
        return NGX_OK;
    }

    return ngx_http_proctor_refuse_fmt(r, ctx, NGX_HTTP_PROCTOR_NO_RIGHT,
        "This key lacks the right \"%s\" that %s needs.",
        ctx->operation->right.data, ctx->operation->id.data);
}
