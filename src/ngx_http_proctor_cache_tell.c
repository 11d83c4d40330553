/*
 * The end of a write, told to Redis.
 *
 * Nobody waits for that, but if it was not heard the mark would stay: then the
 * groups are remembered as those of a write that Redis does not know of.  The
 * operation is on the heap, in the worker's queue, with names of its own: the
 * request is gone by then.
 *
 * A server that heard it may not have passed it on to the one that takes its
 * place, which then keeps the mark.  So what was told is remembered for a while
 * and, should Redis be another by then, told again.
 */

#include "ngx_http_proctor_cache.h"


/* for so long two servers may think that they are the master */
#define NGX_HTTP_PROCTOR_CACHE_TOLD      512   /* are remembered */
#define NGX_HTTP_PROCTOR_CACHE_TOLD_TIME 20000 /* ms */
#define NGX_HTTP_PROCTOR_CACHE_TOLD_LOOK 200   /* ms */

/* are told again at once, of all: Redis has others to answer, too */
#define NGX_HTTP_PROCTOR_CACHE_TOLD_PART 64
#define NGX_HTTP_PROCTOR_CACHE_TOLD_NEXT 10 /* ms */


typedef struct {
    ngx_queue_t queue; /* of the worker's tells, then of what it told */
    ngx_http_proctor_redis_call_t call;
    ngx_http_proctor_cache_worker_t *w;
    ngx_http_proctor_cache_groups_t groups;
    char writer[PROCTOR_CACHE_GEN_LEN];
    ngx_msec_t heard;
} ngx_http_proctor_cache_tell_t; /* the names follow */


static ngx_http_proctor_cache_tell_t *ngx_http_proctor_cache_tell_create(
    const ngx_http_proctor_cache_t *cache);
static char *ngx_http_proctor_cache_tell_copy(
    char *p, proctor_str_t *to, const proctor_str_t *from);
static void ngx_http_proctor_cache_tell_heard(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);
static void ngx_http_proctor_cache_tell_unheard(
    ngx_http_proctor_cache_tell_t *tell);
static void ngx_http_proctor_cache_tell_keep(
    ngx_http_proctor_cache_tell_t *tell);
static void ngx_http_proctor_cache_tell_forget(
    ngx_http_proctor_cache_worker_t *w);
static void ngx_http_proctor_cache_tell_again(
    ngx_http_proctor_cache_worker_t *w);
static ngx_int_t ngx_http_proctor_cache_tell_repeat(
    ngx_http_proctor_cache_tell_t *tell);
static void ngx_http_proctor_cache_tell_destroy(ngx_queue_t *queue);


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

    ngx_queue_remove(&tell->queue);

    if (status == NGX_HTTP_PROCTOR_REDIS_REPLY) {
        ngx_http_proctor_cache_tell_keep(tell);

    } else {
        ngx_http_proctor_cache_tell_unheard(tell);
    }
}


static void
ngx_http_proctor_cache_tell_unheard(ngx_http_proctor_cache_tell_t *tell)
{
    ngx_http_proctor_cache_dirty_begin(tell->w, &tell->groups, tell->writer);
    ngx_http_proctor_cache_dirty_end(tell->w, &tell->groups);

    ngx_free(tell);
}


static void
ngx_http_proctor_cache_tell_keep(ngx_http_proctor_cache_tell_t *tell)
{
    ngx_http_proctor_cache_worker_t *w = tell->w;

    if (w->ntold == 0) {
        ngx_memcpy(w->told_to,
            ngx_http_proctor_redis_run(w->mcf->worker->redis, NULL),
            PROCTOR_CACHE_GEN_LEN);
    }

    tell->heard = ngx_current_msec;
    ngx_queue_insert_tail(&w->told, &tell->queue);
    w->ntold++;

    ngx_http_proctor_cache_tell_forget(w);

    if (!w->tell.timer_set && !ngx_exiting) {
        ngx_add_timer(&w->tell, NGX_HTTP_PROCTOR_CACHE_TOLD_LOOK);
    }
}


/* what is too old, or one too many */

static void
ngx_http_proctor_cache_tell_forget(ngx_http_proctor_cache_worker_t *w)
{
    ngx_queue_t *q, old;
    ngx_http_proctor_cache_tell_t *tell;

    ngx_queue_init(&old);

    while (!ngx_queue_empty(&w->told)) {
        q = ngx_queue_head(&w->told);
        tell = ngx_queue_data(q, ngx_http_proctor_cache_tell_t, queue);

        if (w->ntold <= NGX_HTTP_PROCTOR_CACHE_TOLD
            && ngx_current_msec - tell->heard
                   < NGX_HTTP_PROCTOR_CACHE_TOLD_TIME) {
            break;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&old, q);
        w->ntold--;
        w->nagain -= (w->nagain != 0);
    }

    ngx_http_proctor_cache_tell_destroy(&old);
}


void
ngx_http_proctor_cache_tell_event(ngx_event_t *ev)
{
    ngx_http_proctor_cache_worker_t *w = ev->data;
    ngx_http_proctor_redis_view_t view;
    const char *run;

    ngx_http_proctor_cache_tell_forget(w);
    ngx_http_proctor_redis_view(w->mcf->worker->redis, &view);

    run = ngx_http_proctor_redis_run(w->mcf->worker->redis, NULL);

    if (view.state == NGX_HTTP_PROCTOR_REDIS_READY) {
        if (ngx_memcmp(run, w->told_to, PROCTOR_CACHE_GEN_LEN) != 0) {
            ngx_memcpy(w->told_to, run, PROCTOR_CACHE_GEN_LEN);
            w->nagain = w->ntold;
        }

        ngx_http_proctor_cache_tell_again(w);
    }

    if (!ngx_queue_empty(&w->told) && !ngx_exiting) {
        ngx_add_timer(ev, (w->nagain != 0) ? NGX_HTTP_PROCTOR_CACHE_TOLD_NEXT
                                           : NGX_HTTP_PROCTOR_CACHE_TOLD_LOOK);
    }
}


static void
ngx_http_proctor_cache_tell_again(ngx_http_proctor_cache_worker_t *w)
{
    ngx_uint_t i;
    ngx_queue_t *q, lost;
    ngx_http_proctor_cache_tell_t *tell;

    ngx_queue_init(&lost);

    for (i = 0; w->nagain != 0 && i < NGX_HTTP_PROCTOR_CACHE_TOLD_PART; i++) {
        q = ngx_queue_head(&w->told);
        tell = ngx_queue_data(q, ngx_http_proctor_cache_tell_t, queue);

        ngx_queue_remove(q);
        w->ntold--;
        w->nagain--;

        if (ngx_http_proctor_cache_tell_repeat(tell) != NGX_OK) {
            ngx_queue_insert_tail(&lost, q);
        }
    }

    q = ngx_queue_head(&lost);

    while (q != ngx_queue_sentinel(&lost)) {
        tell = ngx_queue_data(q, ngx_http_proctor_cache_tell_t, queue);
        q = ngx_queue_next(q);

        ngx_http_proctor_cache_tell_unheard(tell);
    }
}


static ngx_int_t
ngx_http_proctor_cache_tell_repeat(ngx_http_proctor_cache_tell_t *tell)
{
    proctor_str_t writer;
    ngx_http_proctor_cache_worker_t *w = tell->w;
    ngx_http_proctor_redis_command_t command;
    ngx_http_proctor_cache_change_t change;

    writer.data = tell->writer;
    writer.len = PROCTOR_CACHE_GEN_LEN;

    if (ngx_http_proctor_cache_change(&change, &tell->groups, &writer, NULL, 0)
        != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_proctor_cache_change_number(&change, (int64_t) tell->groups.n);

    command.argv = change.argv;
    command.argc = change.argc;
    command.script = w->mcf->cache_end;

    if (ngx_http_proctor_redis_send(
            w->mcf->worker->redis, &tell->call, &command, 1)
        != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_queue_insert_tail(&w->tells, &tell->queue);

    return NGX_OK;
}


void
ngx_http_proctor_cache_tell_exit(ngx_http_proctor_cache_worker_t *w)
{
    ngx_http_proctor_cache_tell_destroy(&w->tells);
    ngx_http_proctor_cache_tell_destroy(&w->told);
}


static void
ngx_http_proctor_cache_tell_destroy(ngx_queue_t *queue)
{
    ngx_queue_t *q;
    ngx_http_proctor_cache_tell_t *tell;

    q = ngx_queue_head(queue);

    while (q != ngx_queue_sentinel(queue)) {
        tell = ngx_queue_data(q, ngx_http_proctor_cache_tell_t, queue);
        q = ngx_queue_next(q);

        ngx_http_proctor_redis_cancel(&tell->call);
        ngx_free(tell);
    }
}
