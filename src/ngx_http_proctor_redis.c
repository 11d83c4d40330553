/*
 * The Redis client of one worker: what is known of the server, and when it is
 * asked again.
 *
 *              timer              connected         all as it should be
 *     OFF --------------> CONNECTING -----> HANDSHAKE ----------------> READY
 *      ^                      |                |                        |   ^
 *      |  lost, or no reply   v                v     a missed deadline, |   |
 *      +----------------------+----------------+     LOADING, BUSY      |   |
 *      |                                                                v   |
 *      +----------------------------------------------------------- SUSPECT +
 *            lost, READONLY, ..., or ten deadlines                 PING, PONG
 *
 * Only READY takes calls, so the state is the circuit breaker, too: a server
 * that hangs costs the calls that were under way their deadline, and after
 * that only our own probes.  Both timers wait for a random part of a time that
 * doubles, so that gateways do not come back all at once.  Of several addresses
 * each is tried before anything waits (redis_role.c).
 *
 * Everything that ends a connection happens in a posted event (doom) or after
 * hiredis returned (lost), never below somebody who still uses it.
 */

#include "ngx_http_proctor_redis.h"


/* ms; each wait is between one half and the whole of it */
#define NGX_HTTP_PROCTOR_REDIS_BACKOFF_MIN 200
#define NGX_HTTP_PROCTOR_REDIS_BACKOFF_MAX 1000


static void ngx_http_proctor_redis_retry(ngx_event_t *ev);
static void ngx_http_proctor_redis_connect(ngx_http_proctor_redis_t *redis);
static void ngx_http_proctor_redis_served(ngx_http_proctor_redis_t *redis);


ngx_int_t
ngx_http_proctor_redis_init(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_conf_t *conf, ngx_log_t *log)
{
    redis->conf = conf;
    redis->log = log;
    redis->backoff = NGX_HTTP_PROCTOR_REDIS_BACKOFF_MIN;

    ngx_queue_init(&redis->flight);
    ngx_queue_init(&redis->done);
    ngx_queue_init(&redis->free);

    redis->deadline.handler = ngx_http_proctor_redis_op_deadline;
    redis->deadline.data = redis;
    redis->deadline.log = log;

    redis->retry.handler = ngx_http_proctor_redis_retry;
    redis->retry.data = redis;
    redis->retry.log = log;
    redis->retry.cancelable = 1;

    redis->handshake.handler = ngx_http_proctor_redis_greeted;
    redis->handshake.data = redis;
    redis->probe.handler = ngx_http_proctor_redis_pong;
    redis->probe.data = redis;
    ngx_http_proctor_redis_role_init(redis);

    if (ngx_http_proctor_redis_reply_init(redis) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_proctor_redis_connect(redis);

    return NGX_OK;
}


void
ngx_http_proctor_redis_fini(ngx_http_proctor_redis_t *redis)
{
    redis->state = NGX_HTTP_PROCTOR_REDIS_OFF;

    ngx_http_proctor_redis_event_close(redis);
    ngx_http_proctor_redis_op_destroy(redis);

    proctor_arena_destroy(redis->arenas[0]);
    proctor_arena_destroy(redis->arenas[1]);

    if (redis->deadline.timer_set) {
        ngx_del_timer(&redis->deadline);
    }

    if (redis->retry.timer_set) {
        ngx_del_timer(&redis->retry);
    }

    if (redis->retry.posted) {
        ngx_delete_posted_event(&redis->retry);
    }

    if (redis->watch.timer_set) {
        ngx_del_timer(&redis->watch);
    }
}


const ngx_str_t *
ngx_http_proctor_redis_name(const ngx_http_proctor_redis_t *redis)
{
    return &redis->at->name;
}


/* a timer's, or posted: the time has come to do what the state asks for */

static void
ngx_http_proctor_redis_retry(ngx_event_t *ev)
{
    ngx_http_proctor_redis_t *redis = ev->data;

    if (redis->state == NGX_HTTP_PROCTOR_REDIS_OFF && redis->ac != NULL) {
        ngx_http_proctor_redis_event_close(redis);
        ngx_http_proctor_redis_lost(redis);
        return;
    }

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    if (redis->state == NGX_HTTP_PROCTOR_REDIS_OFF) {
        ngx_http_proctor_redis_connect(redis);

    } else if (redis->state == NGX_HTTP_PROCTOR_REDIS_SUSPECT) {
        ngx_http_proctor_redis_ping(redis);
    }
}


/* The greeting waits in the output until the connection stands. */

static void
ngx_http_proctor_redis_connect(ngx_http_proctor_redis_t *redis)
{
    redis->at = &redis->conf->peers[redis->peer];
    redis->peer = (redis->peer + 1) % redis->conf->npeers;
    redis->tried++;
    redis->greeting = 1;

    redis->stats.connects++;

    if (ngx_http_proctor_redis_event_open(redis, redis->at) != NGX_OK) {
        ngx_http_proctor_redis_lost(redis);
        return;
    }

    redis->state = NGX_HTTP_PROCTOR_REDIS_CONNECTING;

    if (ngx_http_proctor_redis_greet(redis) != NGX_OK) {
        ngx_http_proctor_redis_doom(
            redis, NGX_HTTP_PROCTOR_REDIS_DOWN, "out of memory");
    }
}


void
ngx_http_proctor_redis_connected(ngx_http_proctor_redis_t *redis)
{
    redis->state = NGX_HTTP_PROCTOR_REDIS_HANDSHAKE;
}


void
ngx_http_proctor_redis_ready(ngx_http_proctor_redis_t *redis)
{
    redis->state = NGX_HTTP_PROCTOR_REDIS_READY;
    redis->reason[0] = '\0';
    redis->explained = 0;
    redis->ready_since = ngx_current_msec;
    redis->ill = 0;
    redis->greeting = 0;
    redis->again = 0;
    redis->alone = 0;

    ngx_http_proctor_redis_role_watch(redis);

    if (redis->said != NGX_HTTP_PROCTOR_REDIS_REPLY) {
        redis->said = NGX_HTTP_PROCTOR_REDIS_REPLY;

        ngx_log_error(NGX_LOG_WARN, redis->log, 0, "proctor redis: %V is back",
            ngx_http_proctor_redis_name(redis));
    }
}


void
ngx_http_proctor_redis_doom(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_status_e status, const char *fmt, ...)
{
    va_list args;

    if (redis->state == NGX_HTTP_PROCTOR_REDIS_OFF) {
        return;
    }

    redis->state = NGX_HTTP_PROCTOR_REDIS_OFF;

    va_start(args, fmt);
    ngx_http_proctor_redis_explain_args(redis, fmt, args);
    va_end(args);

    ngx_http_proctor_redis_say(redis, status);

    ngx_post_event(&redis->retry, &ngx_posted_events);
}


void
ngx_http_proctor_redis_explain(
    ngx_http_proctor_redis_t *redis, const char *fmt, ...)
{
    va_list args;

    if (!redis->explained) {
        va_start(args, fmt);
        ngx_http_proctor_redis_explain_args(redis, fmt, args);
        va_end(args);
    }
}


void
ngx_http_proctor_redis_explain_args(
    ngx_http_proctor_redis_t *redis, const char *fmt, va_list args)
{
    u_char *p, *last;

    last = (u_char *) redis->reason + NGX_HTTP_PROCTOR_REDIS_REASON - 1;
    p = ngx_vslprintf((u_char *) redis->reason, last, fmt, args);
    *p = '\0';

    redis->explained = 1;
}


void
ngx_http_proctor_redis_lost(ngx_http_proctor_redis_t *redis)
{
    ngx_http_proctor_redis_op_t *op;
    ngx_http_proctor_redis_status_e status;

    redis->state = NGX_HTTP_PROCTOR_REDIS_OFF;
    redis->stats.losses++;

    status = NGX_HTTP_PROCTOR_REDIS_DOWN;

    if (!ngx_queue_empty(&redis->flight)) {
        op = ngx_queue_data(
            ngx_queue_head(&redis->flight), ngx_http_proctor_redis_op_t, queue);

        /* a server may give its reason, then close */

        if (op->status != NGX_HTTP_PROCTOR_REDIS_REPLY) {
            status = op->status;
            redis->explained = 0;
            ngx_http_proctor_redis_explain(
                redis, "%s, then the end", ngx_http_proctor_redis_word(status));
        }
    }

    ngx_http_proctor_redis_say(redis, status);
    ngx_http_proctor_redis_served(redis);

    if (ngx_http_proctor_redis_role_next(redis)) {
        if (redis->retry.timer_set) {
            ngx_del_timer(&redis->retry);
        }

        ngx_post_event(&redis->retry, &ngx_posted_events);

    } else {
        ngx_http_proctor_redis_later(redis);
    }

    ngx_http_proctor_redis_op_lose(redis);
    ngx_http_proctor_redis_op_deliver(redis);
}


void
ngx_http_proctor_redis_say(
    ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_status_e status)
{
    if (redis->greeting && ngx_http_proctor_redis_role_more(redis)) {
        return; /* the next address may be the one */
    }

    if (redis->cluster != NULL
        && ngx_http_proctor_redis_cluster_some(redis->cluster)) {
        return; /* they speak for themselves */
    }

    if (redis->said == status
        || (redis->said != NGX_HTTP_PROCTOR_REDIS_REPLY
            && status <= NGX_HTTP_PROCTOR_REDIS_DOWN)) {
        return;
    }

    redis->said = status;

    ngx_log_error(NGX_LOG_WARN, redis->log, 0,
        "proctor redis: %V is away: %s, going on without it",
        &redis->conf->name, redis->reason);
}


/* A wait that has begun goes on: it was a probe's, and becomes the next
   connection's when this one ends meanwhile, or who is given up late would be
   asked again later still. */

void
ngx_http_proctor_redis_later(ngx_http_proctor_redis_t *redis)
{
    ngx_msec_t wait;

    if (ngx_exiting || ngx_terminate || redis->retry.timer_set) {
        return;
    }

    ngx_http_proctor_redis_served(redis);

    wait =
        redis->backoff / 2 + (ngx_msec_t) ngx_random() % (redis->backoff / 2);

    redis->backoff =
        ngx_min(redis->backoff * 2, NGX_HTTP_PROCTOR_REDIS_BACKOFF_MAX);

    ngx_add_timer(&redis->retry, wait);
}


/* A server that served for a while is soon asked again, and begins a round.
   One that only ever greets must not, or we would go round and round. */

static void
ngx_http_proctor_redis_served(ngx_http_proctor_redis_t *redis)
{
    if (redis->ready_since != 0
        && ngx_current_msec - redis->ready_since
               > NGX_HTTP_PROCTOR_REDIS_BACKOFF_MAX) {
        redis->backoff = NGX_HTTP_PROCTOR_REDIS_BACKOFF_MIN;
        redis->tried = 0;
    }

    redis->ready_since = 0;
}
