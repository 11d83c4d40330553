/*
 * What Redis could not be told: groups that were written while it was away.
 *
 * They stand in the zone, and while they do no worker of this machine believes
 * or stores an answer of theirs.  When Redis is back a worker gives them new
 * generations, for all gateways, but not before the writes themselves have
 * ended.  A worker that sees dirt, its own or another's, looks after it ten
 * times a second.
 *
 * The table is small.  What does not fit into it is a moment: nothing that was
 * received before the end of such a write is believed on this machine.
 */

#include "ngx_http_proctor_cache.h"


#define NGX_HTTP_PROCTOR_CACHE_REPLAY 100  /* ms */
#define NGX_HTTP_PROCTOR_CACHE_RESENT 1000 /* ms: a replay got no answer */
#define NGX_HTTP_PROCTOR_CACHE_BATCH  4
#define NGX_HTTP_PROCTOR_CACHE_CLOCKS 60000 /* ms: gateways differ by less */


typedef struct {
    ngx_queue_t queue; /* of the worker's replays */
    ngx_http_proctor_redis_call_t call;
    ngx_http_proctor_cache_worker_t *w;
    ngx_uint_t n;
    ngx_uint_t index[NGX_HTTP_PROCTOR_CACHE_BATCH];
    ngx_http_proctor_cache_dirt_t dirt[NGX_HTTP_PROCTOR_CACHE_BATCH];
} ngx_http_proctor_cache_replay_t;


static ngx_http_proctor_cache_dirt_t *ngx_http_proctor_cache_dirty_find_locked(
    ngx_http_proctor_cache_area_t *area, const proctor_str_t *key);
static ngx_http_proctor_cache_dirt_t *ngx_http_proctor_cache_dirty_make_locked(
    ngx_http_proctor_cache_area_t *area,
    const ngx_http_proctor_cache_group_t *group);
static void ngx_http_proctor_cache_dirty_watch(
    ngx_http_proctor_cache_worker_t *w);
static void ngx_http_proctor_cache_dirty_gather_locked(
    ngx_http_proctor_cache_worker_t *w,
    ngx_http_proctor_cache_replay_t *replay);
static ngx_int_t ngx_http_proctor_cache_dirty_send(
    ngx_http_proctor_cache_worker_t *w,
    ngx_http_proctor_cache_replay_t *replay);
static void ngx_http_proctor_cache_dirty_replayed(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);


ngx_uint_t
ngx_http_proctor_cache_dirty(ngx_http_proctor_cache_worker_t *w,
    const ngx_http_proctor_cache_groups_t *groups, int64_t received)
{
    ngx_uint_t i, dirty;
    ngx_http_proctor_cache_area_t *area = w->area;

    if (area->ndirt == 0 && area->lost == 0) {
        return 0;
    }

    ngx_http_proctor_zone_lock(w->zone);

    dirty = (received < area->lost + NGX_HTTP_PROCTOR_CACHE_CLOCKS
             && area->lost != 0);

    for (i = 0; i < groups->n; i++) {
        dirty |= (ngx_http_proctor_cache_dirty_find_locked(
                      area, &groups->list[i].gen)
                  != NULL);
    }

    ngx_http_proctor_zone_unlock(w->zone);

    ngx_http_proctor_cache_dirty_watch(w);

    return dirty;
}


void
ngx_http_proctor_cache_dirty_begin(ngx_http_proctor_cache_worker_t *w,
    const ngx_http_proctor_cache_groups_t *groups, const char *writer)
{
    char *writers;
    int64_t until;
    ngx_uint_t i;
    ngx_http_proctor_cache_dirt_t *dirt;

    until = ngx_http_proctor_cache_now() + NGX_HTTP_PROCTOR_CACHE_MARK_TTL;

    ngx_http_proctor_zone_lock(w->zone);

    for (i = 0; i < groups->n; i++) {
        dirt =
            ngx_http_proctor_cache_dirty_make_locked(w->area, &groups->list[i]);

        if (dirt == NULL) {
            w->area->lost = ngx_max(w->area->lost, until);
            continue;
        }

        dirt->version = ++w->area->version;
        dirt->writes++;
        dirt->until = ngx_current_msec + NGX_HTTP_PROCTOR_CACHE_MARK_TTL;

        writers =
            dirt->writers[dirt->nwriters % NGX_HTTP_PROCTOR_CACHE_WRITERS];
        ngx_memcpy(writers, writer, PROCTOR_CACHE_GEN_LEN);
        writers[PROCTOR_CACHE_GEN_LEN] = ' ';
        dirt->nwriters++;
    }

    ngx_http_proctor_zone_unlock(w->zone);

    ngx_http_proctor_cache_dirty_watch(w);
}


void
ngx_http_proctor_cache_dirty_end(ngx_http_proctor_cache_worker_t *w,
    const ngx_http_proctor_cache_groups_t *groups)
{
    ngx_uint_t i;
    ngx_http_proctor_cache_dirt_t *dirt;

    ngx_http_proctor_zone_lock(w->zone);

    for (i = 0; i < groups->n; i++) {
        dirt = ngx_http_proctor_cache_dirty_find_locked(
            w->area, &groups->list[i].gen);

        if (dirt != NULL) {
            dirt->version = ++w->area->version;
            dirt->writes -= (dirt->writes != 0);
        }
    }

    ngx_http_proctor_zone_unlock(w->zone);
}


static ngx_http_proctor_cache_dirt_t *
ngx_http_proctor_cache_dirty_find_locked(
    ngx_http_proctor_cache_area_t *area, const proctor_str_t *key)
{
    ngx_uint_t i;
    ngx_http_proctor_cache_dirt_t *dirt;

    for (i = 0; i < NGX_HTTP_PROCTOR_CACHE_DIRTY; i++) {
        dirt = &area->dirt[i];

        if (dirt->version != 0 && dirt->len == key->len
            && ngx_memcmp(dirt->key, key->data, key->len) == 0) {
            return dirt;
        }
    }

    return NULL;
}


/* NULL: there is no room */

static ngx_http_proctor_cache_dirt_t *
ngx_http_proctor_cache_dirty_make_locked(ngx_http_proctor_cache_area_t *area,
    const ngx_http_proctor_cache_group_t *group)
{
    ngx_uint_t i;
    const proctor_str_t *key = &group->gen;
    ngx_http_proctor_cache_dirt_t *dirt;

    dirt = ngx_http_proctor_cache_dirty_find_locked(area, key);

    if (dirt != NULL) {
        return dirt;
    }

    if (key->len > NGX_HTTP_PROCTOR_CACHE_KEY) {
        return NULL;
    }

    for (i = 0; i < NGX_HTTP_PROCTOR_CACHE_DIRTY; i++) {
        dirt = &area->dirt[i];

        if (dirt->version == 0) {
            ngx_memzero(dirt, sizeof(ngx_http_proctor_cache_dirt_t));
            dirt->prefix = group->prefix;
            dirt->len = key->len;
            ngx_memcpy(dirt->key, key->data, key->len);
            area->ndirt++;
            return dirt;
        }
    }

    return NULL;
}


static void
ngx_http_proctor_cache_dirty_watch(ngx_http_proctor_cache_worker_t *w)
{
    if (w->area->ndirt != 0 && !w->replay.timer_set && !ngx_exiting) {
        ngx_add_timer(&w->replay, NGX_HTTP_PROCTOR_CACHE_REPLAY);
    }
}


void
ngx_http_proctor_cache_dirty_event(ngx_event_t *ev)
{
    ngx_http_proctor_cache_worker_t *w = ev->data;
    ngx_http_proctor_redis_view_t view;
    ngx_http_proctor_cache_replay_t *replay;

    ngx_http_proctor_redis_view(w->mcf->worker->redis, &view);

    if (!view.some) {
        ngx_http_proctor_cache_dirty_watch(w);
        return;
    }

    replay = ngx_calloc(sizeof(ngx_http_proctor_cache_replay_t), w->log);

    if (replay != NULL) {
        replay->w = w;

        ngx_http_proctor_zone_lock(w->zone);
        ngx_http_proctor_cache_dirty_gather_locked(w, replay);
        ngx_http_proctor_zone_unlock(w->zone);

        if (replay->n == 0
            || ngx_http_proctor_cache_dirty_send(w, replay) != NGX_OK) {
            ngx_free(replay);
        }
    }

    ngx_http_proctor_cache_dirty_watch(w);
}


/* what no write is under way of, and nobody is at */

static void
ngx_http_proctor_cache_dirty_gather_locked(
    ngx_http_proctor_cache_worker_t *w, ngx_http_proctor_cache_replay_t *replay)
{
    ngx_uint_t i;
    ngx_http_proctor_cache_dirt_t *dirt;

    for (i = 0; i < NGX_HTTP_PROCTOR_CACHE_DIRTY
                && replay->n < NGX_HTTP_PROCTOR_CACHE_BATCH;
         i++) {
        dirt = &w->area->dirt[i];

        if (dirt->version == 0
            || (dirt->writes != 0
                && (ngx_msec_int_t) (dirt->until - ngx_current_msec) > 0)
            || (dirt->sent == dirt->version
                && ngx_current_msec - dirt->sent_at
                       < NGX_HTTP_PROCTOR_CACHE_RESENT)) {
            continue;
        }

        dirt->sent = dirt->version;
        dirt->sent_at = ngx_current_msec;

        replay->index[replay->n] = i;
        replay->dirt[replay->n++] = *dirt;
    }
}


/* a new generation; the marks that Redis may have made after all go */

static ngx_int_t
ngx_http_proctor_cache_dirty_send(
    ngx_http_proctor_cache_worker_t *w, ngx_http_proctor_cache_replay_t *replay)
{
    u_char *p;
    ngx_uint_t i;
    proctor_str_t writers;
    ngx_http_proctor_cache_dirt_t *dirt;
    ngx_http_proctor_cache_groups_t groups;
    u_char marks[NGX_HTTP_PROCTOR_CACHE_BATCH][NGX_HTTP_PROCTOR_CACHE_KEY + 1];
    ngx_http_proctor_redis_command_t commands[NGX_HTTP_PROCTOR_CACHE_BATCH];
    ngx_http_proctor_cache_change_t changes[NGX_HTTP_PROCTOR_CACHE_BATCH];

    groups.n = 1;

    for (i = 0; i < replay->n; i++) {
        dirt = &replay->dirt[i];

        p = ngx_cpymem(marks[i], dirt->key, dirt->prefix);
        p = ngx_cpymem(p, "mark", 4);
        p = ngx_cpymem(
            p, dirt->key + dirt->prefix + 3, dirt->len - dirt->prefix - 3);

        groups.list[0].gen.data = dirt->key;
        groups.list[0].gen.len = dirt->len;
        groups.list[0].mark.data = (char *) marks[i];
        groups.list[0].mark.len = (size_t) (p - marks[i]);

        writers.data = dirt->writers[0];
        writers.len = ngx_min(dirt->nwriters, NGX_HTTP_PROCTOR_CACHE_WRITERS)
                      * sizeof(dirt->writers[0]);

        if (ngx_http_proctor_cache_change(
                &changes[i], &groups, &writers, &groups.list[0].gen, 1)
            != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_http_proctor_cache_change_number(&changes[i], 1);
        commands[i].argv = changes[i].argv;
        commands[i].argc = changes[i].argc;
        commands[i].script = w->mcf->cache_end;
    }

    replay->call.handler = ngx_http_proctor_cache_dirty_replayed;
    replay->call.data = replay;

    if (ngx_http_proctor_redis_send(
            w->mcf->worker->redis, &replay->call, commands, replay->n)
        != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_queue_insert_tail(&w->replays, &replay->queue);

    return NGX_OK;
}


/* A write that came meanwhile has made it another version, which stays.  Of a
   cluster some servers may have heard theirs. */

static void
ngx_http_proctor_cache_dirty_replayed(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_uint_t i;
    ngx_http_proctor_cache_dirt_t *dirt;
    ngx_http_proctor_cache_replay_t *replay = data;
    ngx_http_proctor_cache_worker_t *w = replay->w;

    (void) status;

    ngx_http_proctor_zone_lock(w->zone);

    for (i = 0; i < replay->n; i++) {
        dirt = &w->area->dirt[replay->index[i]];

        if (dirt->version != replay->dirt[i].version) {
            continue;
        }

        if (replies != NULL
            && replies[i].error == NGX_HTTP_PROCTOR_REDIS_REPLY) {
            dirt->version = 0;
            w->area->ndirt--;
            ngx_http_proctor_cache_count(w, REPLAYED);

        } else {
            dirt->sent = 0;
        }
    }

    ngx_http_proctor_zone_unlock(w->zone);

    ngx_queue_remove(&replay->queue);
    ngx_free(replay);
}


void
ngx_http_proctor_cache_dirty_exit(ngx_http_proctor_cache_worker_t *w)
{
    ngx_queue_t *q;
    ngx_http_proctor_cache_replay_t *replay;

    q = ngx_queue_head(&w->replays);

    while (q != ngx_queue_sentinel(&w->replays)) {
        replay = ngx_queue_data(q, ngx_http_proctor_cache_replay_t, queue);
        q = ngx_queue_next(q);

        ngx_http_proctor_redis_cancel(&replay->call);
        ngx_free(replay);
    }
}
