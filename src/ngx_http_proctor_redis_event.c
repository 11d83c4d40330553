/*
 * hiredis on nginx's event loop: the one file that knows both.
 *
 * Level-triggered, because hiredis reads 16 KB an event and would never hear
 * of the rest.  Commands are written by a posted event, so that those of one
 * turn of the loop leave in one write(); EPOLLOUT is watched only while
 * connecting, or when the socket is full.
 *
 * hiredis frees its context by itself when a connection fails: after each
 * redisAsyncHandle*() it may be gone, which the cleanup hook notes by setting
 * redis->ac to NULL.  It aborts the process at a reply to nothing, so none is
 * ever shown to it (..._idle, ..._reply).
 */

#include "ngx_http_proctor_redis.h"
#include <hiredis/hiredis.h>
#include <hiredis/async.h>
#include <hiredis/sds.h>


/* what is kept of hiredis's buffers when they are empty: to read, to write */
#define NGX_HTTP_PROCTOR_REDIS_KEEP       (256 * 1024)
#define NGX_HTTP_PROCTOR_REDIS_QUEUE_KEPT (64 * 1024)


static void ngx_http_proctor_redis_event_attach(ngx_http_proctor_redis_t *redis,
    redisAsyncContext *ac, ngx_connection_t *c);
static void ngx_http_proctor_redis_event_read_handler(ngx_event_t *rev);
static void ngx_http_proctor_redis_event_write_handler(ngx_event_t *wev);
static ngx_int_t ngx_http_proctor_redis_event_send(
    ngx_http_proctor_redis_t *redis);
static ngx_int_t ngx_http_proctor_redis_event_idle(
    ngx_http_proctor_redis_t *redis);
static void ngx_http_proctor_redis_event_reply(
    redisAsyncContext *ac, void *reply, void *data);
static void ngx_http_proctor_redis_event_add_read(void *data);
static void ngx_http_proctor_redis_event_del_read(void *data);
static void ngx_http_proctor_redis_event_add_write(void *data);
static void ngx_http_proctor_redis_event_del_write(void *data);
static void ngx_http_proctor_redis_event_cleanup(void *data);


ngx_int_t
ngx_http_proctor_redis_event_open(
    ngx_http_proctor_redis_t *redis, const ngx_http_proctor_redis_peer_t *peer)
{
    ngx_connection_t *c;
    redisAsyncContext *ac;

    redis->explained = 0;

    /* the address is numeric: nothing here asks a name server */

    ac = (peer->port == 0) ? redisAsyncConnectUnix(peer->host)
                           : redisAsyncConnect(peer->host, peer->port);

    if (ac == NULL) {
        ngx_http_proctor_redis_explain(redis, "out of memory");
        return NGX_ERROR;
    }

    if (ac->err != 0) {
        ngx_http_proctor_redis_explain(redis, "%s", ac->errstr);
        redisAsyncFree(ac);
        return NGX_ERROR;
    }

    c = ngx_get_connection(ac->c.fd, redis->log);
    if (c == NULL) {
        ngx_http_proctor_redis_explain(redis, "no connection is free");
        redisAsyncFree(ac);
        return NGX_ERROR;
    }

    ngx_http_proctor_redis_event_attach(redis, ac, c);

    if (ngx_add_event(c->write, NGX_WRITE_EVENT, NGX_LEVEL_EVENT)
        == NGX_ERROR) {
        ngx_http_proctor_redis_explain(redis, "no event could be added");
        redisAsyncFree(ac);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_proctor_redis_event_attach(
    ngx_http_proctor_redis_t *redis, redisAsyncContext *ac, ngx_connection_t *c)
{
    c->data = redis;
    c->log = redis->log;
    c->read->log = redis->log;
    c->write->log = redis->log;
    c->read->handler = ngx_http_proctor_redis_event_read_handler;
    c->write->handler = ngx_http_proctor_redis_event_write_handler;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);

    ac->data = redis;
    ac->ev.data = redis;
    ac->ev.addRead = ngx_http_proctor_redis_event_add_read;
    ac->ev.delRead = ngx_http_proctor_redis_event_del_read;
    ac->ev.addWrite = ngx_http_proctor_redis_event_add_write;
    ac->ev.delWrite = ngx_http_proctor_redis_event_del_write;
    ac->ev.cleanup = ngx_http_proctor_redis_event_cleanup;

    ac->c.reader->fn = &ngx_http_proctor_redis_reader;
    ac->c.reader->privdata = redis;
    ac->c.reader->maxbuf = NGX_HTTP_PROCTOR_REDIS_KEEP;

    redis->ac = ac;
    redis->connection = c;
    redis->output = 0;
}


void
ngx_http_proctor_redis_event_close(ngx_http_proctor_redis_t *redis)
{
    if (redis->ac != NULL) {
        redisAsyncFree(redis->ac);
    }
}


ngx_int_t
ngx_http_proctor_redis_event_write(
    ngx_http_proctor_redis_t *redis, const u_char *bytes, size_t len)
{
    size_t queued;
    const redisCallback *last;

    queued = ngx_http_proctor_redis_event_queued(redis);
    last = redis->ac->replies.tail;

    if (redisAsyncFormattedCommand(redis->ac,
            ngx_http_proctor_redis_event_reply, NULL, (const char *) bytes, len)
        != REDIS_OK) {
        return NGX_ERROR;
    }

    /* hiredis keeps to itself that it had no memory for command or callback;
       from then on each reply would find another's question */

    if (redis->ac->replies.tail == last
        || ngx_http_proctor_redis_event_queued(redis) != queued + len) {
        ngx_http_proctor_redis_doom(
            redis, NGX_HTTP_PROCTOR_REDIS_DOWN, "out of memory");
        return NGX_ERROR;
    }

    redis->output += len;

    return NGX_OK;
}


size_t
ngx_http_proctor_redis_event_queued(const ngx_http_proctor_redis_t *redis)
{
    return sdslen(redis->ac->c.obuf);
}


static void
ngx_http_proctor_redis_event_read_handler(ngx_event_t *rev)
{
    redisReader *reader;
    ngx_connection_t *c = rev->data;
    ngx_http_proctor_redis_t *redis = c->data;

    if (c->close) {
        ngx_http_proctor_redis_doom(redis, NGX_HTTP_PROCTOR_REDIS_DOWN,
            "the worker has no more time to shut down");
        return;
    }

    if (ngx_queue_empty(&redis->flight)
        && ngx_http_proctor_redis_event_idle(redis) != NGX_OK) {
        return;
    }

    redisAsyncHandleRead(redis->ac);

    if (redis->ac == NULL) {
        ngx_http_proctor_redis_lost(redis);
        return;
    }

    reader = redis->ac->c.reader;

    if (reader->len - reader->pos > redis->conf->max_reply) {
        ngx_http_proctor_redis_doom(redis, NGX_HTTP_PROCTOR_REDIS_DOWN,
            "a reply is over %ui bytes", redis->conf->max_reply);
    }

    ngx_http_proctor_redis_op_deliver(redis);
}


static void
ngx_http_proctor_redis_event_write_handler(ngx_event_t *wev)
{
    ngx_connection_t *c = wev->data;
    ngx_http_proctor_redis_t *redis = c->data;

    redis->writing = 1;

    if (ngx_http_proctor_redis_event_send(redis) != NGX_OK) {
        redisAsyncHandleWrite(redis->ac);
    }

    redis->writing = 0;

    if (redis->ac == NULL) {
        ngx_http_proctor_redis_lost(redis);
        return;
    }

    if (redis->state == NGX_HTTP_PROCTOR_REDIS_CONNECTING
        && (redis->ac->c.flags & REDIS_CONNECTED)) {
        ngx_http_proctor_redis_connected(redis);
    }
}


/*
 * hiredis frees its buffer after each write, and does not survive when there
 * is no memory for an empty one: while all is well the same buffer is filled
 * again.  NGX_DECLINED: hiredis has to see to it.
 */

static ngx_int_t
ngx_http_proctor_redis_event_send(ngx_http_proctor_redis_t *redis)
{
    sds queued;
    ssize_t n;

    queued = redis->ac->c.obuf;

    if (!(redis->ac->c.flags & REDIS_CONNECTED) || sdslen(queued) == 0
        || sdsalloc(queued) > NGX_HTTP_PROCTOR_REDIS_QUEUE_KEPT) {
        return NGX_DECLINED;
    }

    n = send(redis->connection->fd, queued, sdslen(queued), 0);

    if (n <= 0) {
        return NGX_DECLINED;
    }

    if ((size_t) n < sdslen(queued)) {
        sdsrange(queued, (int) n, -1);
        ngx_http_proctor_redis_event_add_write(redis);

    } else {
        sdsclear(queued);
        ngx_http_proctor_redis_event_del_write(redis);
    }

    return NGX_OK;
}


/* Nothing was asked: is this the end, or an answer all the same? */

static ngx_int_t
ngx_http_proctor_redis_event_idle(ngx_http_proctor_redis_t *redis)
{
    char byte;
    ssize_t n;

    n = recv(redis->connection->fd, &byte, 1, MSG_PEEK);

    if (n == -1 && (ngx_errno == NGX_EAGAIN || ngx_errno == NGX_EINTR)) {
        return NGX_AGAIN;
    }

    if (n > 0) {
        ngx_http_proctor_redis_doom(redis, NGX_HTTP_PROCTOR_REDIS_DOWN,
            "it answered what nobody had asked");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* on hiredis's stack, also for each command of a connection that ends */

static void
ngx_http_proctor_redis_event_reply(
    redisAsyncContext *ac, void *reply, void *data)
{
    redisReader *reader;
    ngx_http_proctor_redis_t *redis = ac->data;

    (void) data;

    if (reply == NULL) {
        return;
    }

    reader = ac->c.reader;

    if (ngx_http_proctor_redis_op_reply(redis) == NGX_OK
        && !(ngx_queue_empty(&redis->flight) && reader->pos < reader->len)) {
        return;
    }

    ngx_http_proctor_redis_explain(redis, "it answered what nobody had asked");
    redisAsyncFree(ac); /* once we return */
}


static void
ngx_http_proctor_redis_event_add_read(void *data)
{
    ngx_event_t *rev;
    ngx_http_proctor_redis_t *redis = data;

    rev = redis->connection->read;

    if (!rev->active) {
        /* a failure leaves us deaf, which the deadlines notice */
        (void) ngx_add_event(rev, NGX_READ_EVENT, NGX_LEVEL_EVENT);
    }
}


static void
ngx_http_proctor_redis_event_del_read(void *data)
{
    ngx_event_t *rev;
    ngx_http_proctor_redis_t *redis = data;

    rev = redis->connection->read;

    if (rev->active) {
        (void) ngx_del_event(rev, NGX_READ_EVENT, NGX_LEVEL_EVENT);
    }
}


static void
ngx_http_proctor_redis_event_add_write(void *data)
{
    ngx_event_t *wev;
    ngx_http_proctor_redis_t *redis = data;

    wev = redis->connection->write;

    if (wev->active) {
        return;
    }

    if (redis->writing) {
        (void) ngx_add_event(wev, NGX_WRITE_EVENT, NGX_LEVEL_EVENT);
        return;
    }

    ngx_post_event(wev, &ngx_posted_events);
}


static void
ngx_http_proctor_redis_event_del_write(void *data)
{
    ngx_event_t *wev;
    ngx_http_proctor_redis_t *redis = data;

    wev = redis->connection->write;

    if (wev->active) {
        (void) ngx_del_event(wev, NGX_WRITE_EVENT, NGX_LEVEL_EVENT);
    }
}


/* called once by hiredis 0.14, twice by 1.x */

static void
ngx_http_proctor_redis_event_cleanup(void *data)
{
    redisAsyncContext *ac;
    ngx_http_proctor_redis_t *redis = data;

    ac = redis->ac;

    if (ac == NULL) {
        return;
    }

    if (ac->c.err != 0) {
        ngx_http_proctor_redis_explain(redis, "%s", ac->c.errstr);
    }

    ngx_close_connection(redis->connection);

    ac->c.fd = -1; /* closed: the number may soon be somebody else's */
    redis->connection = NULL;
    redis->ac = NULL;
}
