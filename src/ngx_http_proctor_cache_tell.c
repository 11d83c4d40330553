/*
 * The end of a write, told to Redis.
 *
 * Nobody waits for that, but if it was not heard the mark would stay: then the
 * groups are remembered as those of a write that Redis does not know of.  The
 * operation is on the heap, in the worker's queue, with names of its own: the
 * request is gone by then.
 */

#include "ngx_http_proctor_cache.h"


typedef struct {
    ngx_queue_t queue; /* of the worker's tells */
    ngx_http_proctor_redis_call_t call;
    ngx_http_proctor_cache_worker_t *w;
    ngx_http_proctor_cache_groups_t groups;
    char writer[PROCTOR_CACHE_GEN_LEN];
} ngx_http_proctor_cache_tell_t; /* the names follow */


static ngx_http_proctor_cache_tell_t *ngx_http_proctor_cache_tell_create(
    const ngx_http_proctor_cache_t *cache);
static char *ngx_http_proctor_cache_tell_copy(
    char *p, proctor_str_t *to, const proctor_str_t *from);
static void ngx_http_proctor_cache_tell_heard(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);


ngx_int_t
ngx_http_proctor_cache_tell(const ngx_http_proctor_cache_t *cache,
    const ngx_http_proctor_cache_change_t *change)
{
    ngx_http_proctor_cache_tell_t *tell;
    ngx_http_proctor_redis_command_t command;

    tell = ngx_http_proctor_cache_tell_create(cache);
    if (tell == NULL) {
        return NGX_ERROR;
    }

    command.argv = change->argv;
    command.argc = change->argc;
    command.script = cache->w->mcf->cache_end;

    if (ngx_http_proctor_redis_send(
            cache->w->mcf->worker->redis, &tell->call, &command, 1)
        != NGX_OK) {
        ngx_free(tell);
        return NGX_DECLINED;
    }

    ngx_queue_insert_tail(&cache->w->tells, &tell->queue);

    return NGX_OK;
}


static ngx_http_proctor_cache_tell_t *
ngx_http_proctor_cache_tell_create(const ngx_http_proctor_cache_t *cache)
{
    char *p;
    size_t size;
    ngx_uint_t i;
    ngx_http_proctor_cache_tell_t *tell;
    const ngx_http_proctor_cache_group_t *group;

    size = sizeof(ngx_http_proctor_cache_tell_t);

    for (i = 0; i < cache->groups.n; i++) {
        group = &cache->groups.list[i];
        size += group->gen.len + group->mark.len;
    }

    tell = ngx_calloc(size, cache->w->log);
    if (tell == NULL) {
        return NULL;
    }

    tell->w = cache->w;
    tell->groups = cache->groups;
    tell->call.handler = ngx_http_proctor_cache_tell_heard;
    tell->call.data = tell;
    ngx_memcpy(tell->writer, cache->writer, PROCTOR_CACHE_GEN_LEN);

    for (i = 0, p = (char *) (tell + 1); i < cache->groups.n; i++) {
        group = &cache->groups.list[i];
        p = ngx_http_proctor_cache_tell_copy(
            p, &tell->groups.list[i].gen, &group->gen);
        p = ngx_http_proctor_cache_tell_copy(
            p, &tell->groups.list[i].mark, &group->mark);
    }

    return tell;
}


static char *
ngx_http_proctor_cache_tell_copy(
    char *p, proctor_str_t *to, const proctor_str_t *from)
{
    to->data = p;
    to->len = from->len;

    return (char *) ngx_cpymem(p, from->data, from->len);
}


static void
ngx_http_proctor_cache_tell_heard(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_http_proctor_cache_tell_t *tell = data;

    (void) replies;

    if (status != NGX_HTTP_PROCTOR_REDIS_REPLY) {
        ngx_http_proctor_cache_dirty_begin(
            tell->w, &tell->groups, tell->writer);
        ngx_http_proctor_cache_dirty_end(tell->w, &tell->groups);
    }

    ngx_queue_remove(&tell->queue);
    ngx_free(tell);
}


void
ngx_http_proctor_cache_tell_exit(ngx_http_proctor_cache_worker_t *w)
{
    ngx_queue_t *q;
    ngx_http_proctor_cache_tell_t *tell;

    q = ngx_queue_head(&w->tells);

    while (q != ngx_queue_sentinel(&w->tells)) {
        tell = ngx_queue_data(q, ngx_http_proctor_cache_tell_t, queue);
        q = ngx_queue_next(q);

        ngx_http_proctor_redis_cancel(&tell->call);
        ngx_free(tell);
    }
}
