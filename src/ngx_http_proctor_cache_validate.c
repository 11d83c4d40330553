/*
 * What the upstream is asked with when its answer may be stored: nothing of
 * this client's own, and the validators of the entry that is there already.
 */

#include "ngx_http_proctor_cache.h"


static ngx_uint_t ngx_http_proctor_cache_validate_own(
    const proctor_str_t *value);


ngx_uint_t
ngx_http_proctor_cache_validators(const ngx_http_proctor_cache_t *cache)
{
    proctor_str_t value;

    if (cache->found != NGX_HTTP_PROCTOR_CACHE_FOUND
        || cache->entry.status != NGX_HTTP_OK) {
        return 0;
    }

    return (proctor_cache_entry_field(&cache->entry, "etag", &value)
               && !ngx_http_proctor_cache_validate_own(&value))
           || proctor_cache_entry_field(&cache->entry, "last-modified", &value);
}


ngx_uint_t
ngx_http_proctor_cache_withholds(const ngx_http_proctor_ctx_t *ctx)
{
    return ctx->cache != NULL && ctx->cache->reads && ctx->cache->fills;
}


ngx_uint_t
ngx_http_proctor_cache_validator(
    const ngx_http_proctor_ctx_t *ctx, const char *name, ngx_str_t *value)
{
    proctor_str_t text;

    if (ctx->cache == NULL || !ctx->cache->validates
        || !proctor_cache_entry_field(&ctx->cache->entry, name, &text)
        || ngx_http_proctor_cache_validate_own(&text)) {
        return 0;
    }

    value->data = (u_char *) text.data;
    value->len = text.len;

    return 1;
}


/* an entity tag of ours, which the upstream does not know */

static ngx_uint_t
ngx_http_proctor_cache_validate_own(const proctor_str_t *value)
{
    size_t len = sizeof(NGX_HTTP_PROCTOR_CACHE_ETAG) - 1;

    return value->len > len
           && ngx_memcmp(value->data, NGX_HTTP_PROCTOR_CACHE_ETAG, len) == 0;
}
