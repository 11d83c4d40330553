/*
 * An answer becomes an entry: sealed, and sent to Redis.
 *
 * One script, which nobody waits for but the followers of a flight.  Its
 * operation is on the heap, in the worker's queue: the request is gone by then.
 */

#include "ngx_http_proctor_cache.h"


/* a larger answer's lifetime does not hang on what is in it: the loop waits */
#define NGX_HTTP_PROCTOR_CACHE_DOCUMENT_MAX 262144

typedef struct {
    ngx_queue_t queue; /* of the worker's stores */
    ngx_http_proctor_redis_call_t call;
    ngx_http_proctor_cache_worker_t *w;
    ngx_http_proctor_cache_lead_t lead;
} ngx_http_proctor_cache_store_t;

/* the script's arguments: numkeys, keys; entry, two times, two a group */

typedef struct {
    proctor_str_t argv[1 + 1 + 2 * PROCTOR_CACHE_GROUPS_ALL + 3
                       + 2 * PROCTOR_CACHE_GROUPS_ALL];
    ngx_uint_t argc;
    u_char text[3 * (NGX_INT64_LEN + 1)];
    u_char *last;
} ngx_http_proctor_cache_store_args_t;


static ngx_int_t ngx_http_proctor_cache_store_seal(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, proctor_cache_draft_t *draft,
    proctor_str_t *sealed);
static proctor_json_t *ngx_http_proctor_cache_store_document(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    const proctor_cache_answer_t *answer, const proctor_str_t *body);
static ngx_int_t ngx_http_proctor_cache_store_send(ngx_http_request_t *r,
    ngx_http_proctor_cache_t *cache, const proctor_str_t *value, int64_t keep);
static void ngx_http_proctor_cache_store_args(
    ngx_http_proctor_cache_store_args_t *args,
    const ngx_http_proctor_cache_t *cache, const proctor_str_t *value,
    int64_t keep);
static void ngx_http_proctor_cache_store_number(
    ngx_http_proctor_cache_store_args_t *args, int64_t n);
static void ngx_http_proctor_cache_store_stored(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);


ngx_int_t
ngx_http_proctor_cache_store(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    const proctor_cache_answer_t *answer, proctor_cache_draft_t *draft,
    proctor_str_t *sealed)
{
    int n;
    int64_t keep;
    proctor_json_t *doc;
    proctor_cache_field_t vary[PROCTOR_CACHE_FIELDS_VARY];
    ngx_http_proctor_cache_t *cache = ctx->cache;

    sealed->data = NULL;
    doc = ngx_http_proctor_cache_store_document(r, ctx, answer, &draft->body);

    if (proctor_cache_freshness(
            answer, ctx->operation->cache, doc, &draft->freshness, &keep)
        != PROCTOR_CACHE_STORABLE) {
        return NGX_DECLINED;
    }

    n = proctor_cache_vary_fields(
        answer, ctx->operation, ngx_http_proctor_cache_read_header, r, vary);

    if (n < 0
        || ngx_http_proctor_cache_dirty(
            cache->w, &cache->groups, answer->requested)) {
        return NGX_DECLINED;
    }

    draft->vary = vary;
    draft->nvary = (unsigned) n;

    if (ngx_http_proctor_cache_store_seal(r, ctx, draft, sealed) != NGX_OK) {
        return NGX_DECLINED;
    }

    return ngx_http_proctor_cache_store_send(r, cache, sealed, keep);
}


static ngx_int_t
ngx_http_proctor_cache_store_seal(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, proctor_cache_draft_t *draft,
    proctor_str_t *sealed)
{
    char *dst, gens[PROCTOR_CACHE_GENS * PROCTOR_CACHE_GEN_LEN];
    size_t size;
    ngx_uint_t i;
    ngx_http_proctor_cache_t *cache = ctx->cache;

    for (i = 0; i < cache->groups.n; i++) {
        ngx_memcpy(gens + i * PROCTOR_CACHE_GEN_LEN,
            cache->groups.list[i].value, PROCTOR_CACHE_GEN_LEN);
    }

    ngx_memcpy(
        gens + i * PROCTOR_CACHE_GEN_LEN, cache->run, PROCTOR_CACHE_GEN_LEN);

    draft->gens = gens;
    draft->ngens = (unsigned) cache->groups.n + 1;

    size = proctor_cache_entry_size(draft);
    dst = (size == 0) ? NULL : ngx_pnalloc(r->pool, size);

    if (dst == NULL
        || proctor_cache_entry_seal(
               cache->w->seal, ctx->account, cache->key, draft, dst)
               != PROCTOR_OK) {
        return NGX_DECLINED;
    }

    sealed->data = dst;
    sealed->len = size;

    return NGX_OK;
}


/* NULL: it is not wanted, or no JSON */

static proctor_json_t *
ngx_http_proctor_cache_store_document(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const proctor_cache_answer_t *answer,
    const proctor_str_t *body)
{
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    if (!proctor_cache_wants_body(answer, ctx->operation->cache)
        || body->len > NGX_HTTP_PROCTOR_CACHE_DOCUMENT_MAX) {
        return NULL;
    }

    proctor_arena_reset(mcf->worker->arena);

    return (proctor_json_parse(&mcf->worker->doc, body->data, body->len)
               == PROCTOR_OK)
               ? &mcf->worker->doc
               : NULL;
}


/* NGX_DECLINED: Redis is not to be had */

static ngx_int_t
ngx_http_proctor_cache_store_send(ngx_http_request_t *r,
    ngx_http_proctor_cache_t *cache, const proctor_str_t *value, int64_t keep)
{
    ngx_http_proctor_cache_store_t *store;
    ngx_http_proctor_redis_command_t command;
    ngx_http_proctor_cache_store_args_t args;

    store =
        ngx_calloc(sizeof(ngx_http_proctor_cache_store_t), r->connection->log);
    if (store == NULL) {
        return NGX_DECLINED;
    }

    store->w = cache->w;
    store->lead = cache->lead;
    store->call.handler = ngx_http_proctor_cache_store_stored;
    store->call.data = store;

    ngx_http_proctor_cache_store_args(&args, cache, value, keep);

    command.argv = args.argv;
    command.argc = args.argc;
    command.script = cache->w->mcf->cache_fill;

    if (ngx_http_proctor_redis_send(
            cache->w->mcf->worker->redis, &store->call, &command, 1)
        != NGX_OK) {
        ngx_http_proctor_cache_count(cache->w, UNSTORED);
        ngx_free(store);
        return NGX_DECLINED;
    }

    cache->lead.role = NGX_HTTP_PROCTOR_CACHE_ALONE; /* the store's now */
    ngx_queue_insert_tail(&cache->w->stores, &store->queue);

    return NGX_OK;
}


static void
ngx_http_proctor_cache_store_args(ngx_http_proctor_cache_store_args_t *args,
    const ngx_http_proctor_cache_t *cache, const proctor_str_t *value,
    int64_t keep)
{
    ngx_uint_t i;
    const ngx_http_proctor_cache_group_t *group;

    static const proctor_str_t seen[2] = { proctor_str("0"), proctor_str("1") };

    args->argc = 0;
    args->last = args->text;

    ngx_http_proctor_cache_store_number(
        args, (int64_t) (1 + 2 * cache->groups.n));
    args->argv[args->argc++] = cache->name;

    for (i = 0; i < cache->groups.n; i++) {
        args->argv[args->argc++] = cache->groups.list[i].gen;
        args->argv[args->argc++] = cache->groups.list[i].mark;
    }

    args->argv[args->argc++] = *value;
    ngx_http_proctor_cache_store_number(args, keep);
    ngx_http_proctor_cache_store_number(args, NGX_HTTP_PROCTOR_CACHE_GEN_TTL);

    for (i = 0; i < cache->groups.n; i++) {
        group = &cache->groups.list[i];
        args->argv[args->argc].data = group->value;
        args->argv[args->argc++].len = PROCTOR_CACHE_GEN_LEN;
        args->argv[args->argc++] = seen[group->seen];
    }
}


static void
ngx_http_proctor_cache_store_number(
    ngx_http_proctor_cache_store_args_t *args, int64_t n)
{
    proctor_str_t *arg = &args->argv[args->argc++];

    arg->data = (char *) args->last;
    args->last = ngx_sprintf(args->last, "%L", n);
    arg->len = (size_t) ((char *) args->last - arg->data);
}


static void
ngx_http_proctor_cache_store_stored(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_http_proctor_cache_end_e end;
    ngx_http_proctor_cache_store_t *store = data;

    end = NGX_HTTP_PROCTOR_CACHE_UNSHARED;

    if (status != NGX_HTTP_PROCTOR_REDIS_REPLY
        || replies[0].type != NGX_HTTP_PROCTOR_REDIS_INTEGER) {
        ngx_http_proctor_cache_count(store->w, UNSTORED);

    } else if (replies[0].integer != 1) {
        ngx_http_proctor_cache_count(store->w, OUTDATED);

    } else {
        ngx_http_proctor_cache_count(store->w, STORES);
        end = NGX_HTTP_PROCTOR_CACHE_SHARED;
    }

    ngx_http_proctor_cache_flight_end(store->w, &store->lead, end);

    ngx_queue_remove(&store->queue);
    ngx_free(store);
}


void
ngx_http_proctor_cache_store_exit(ngx_http_proctor_cache_worker_t *w)
{
    ngx_queue_t *q;
    ngx_http_proctor_cache_store_t *store;

    q = ngx_queue_head(&w->stores);

    while (q != ngx_queue_sentinel(&w->stores)) {
        store = ngx_queue_data(q, ngx_http_proctor_cache_store_t, queue);
        q = ngx_queue_next(q);

        ngx_http_proctor_redis_cancel(&store->call);
        ngx_free(store);
    }
}
