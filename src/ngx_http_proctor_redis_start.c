/*
 * A worker that starts waits for Redis before it serves: a server that is well
 * is not to be missed only because nobody has greeted it yet, or each reload
 * would refuse and forward what it should not.
 *
 * The event loop does not run yet, and nobody waits but new connections in
 * their backlog: so this waits for one socket, with the loop's own handlers,
 * until the greeting is over or its time is; of several servers, until the
 * master's is.  What is not over by then goes on in the loop.
 */

#include "ngx_http_proctor_redis.h"
#include <poll.h>


/* ms: a long connect_timeout is for the loop */
#define NGX_HTTP_PROCTOR_REDIS_START_MAX 1000


static ngx_uint_t ngx_http_proctor_redis_start_greets(
    const ngx_http_proctor_redis_t *redis);
static void ngx_http_proctor_redis_start_turn(
    ngx_http_proctor_redis_t *redis, ngx_msec_t left);


ngx_msec_t
ngx_http_proctor_redis_start_until(const ngx_http_proctor_redis_conf_t *conf)
{
    ngx_time_update();

    return ngx_current_msec
           + ngx_min(conf->connect_timeout, NGX_HTTP_PROCTOR_REDIS_START_MAX);
}


void
ngx_http_proctor_redis_start(ngx_http_proctor_redis_t *redis, ngx_msec_t until)
{
    for (;;) {
        while (ngx_http_proctor_redis_start_greets(redis)
               && (ngx_msec_int_t) (until - ngx_current_msec) > 0) {
            ngx_http_proctor_redis_start_turn(redis, until - ngx_current_msec);
            ngx_time_update();
        }

        /* a refusal was posted, or the next address: the loop would look at it
           after its first wait */

        if (!redis->retry.posted) {
            return;
        }

        ngx_delete_posted_event(&redis->retry);
        redis->retry.handler(&redis->retry);
    }
}


static ngx_uint_t
ngx_http_proctor_redis_start_greets(const ngx_http_proctor_redis_t *redis)
{
    return redis->ac != NULL
           && (redis->state == NGX_HTTP_PROCTOR_REDIS_CONNECTING
               || redis->state == NGX_HTTP_PROCTOR_REDIS_HANDSHAKE);
}


static void
ngx_http_proctor_redis_start_turn(
    ngx_http_proctor_redis_t *redis, ngx_msec_t left)
{
    struct pollfd fd;
    ngx_connection_t *c = redis->connection;

    fd.fd = c->fd;
    fd.events = (short) ((c->read->active ? POLLIN : 0)
                         | (c->write->active ? POLLOUT : 0));

    if (poll(&fd, 1, (int) left) <= 0) {
        return; /* a signal's flag is for the loop */
    }

    if (c->write->active && (fd.revents & ~POLLIN)) {
        c->write->handler(c->write);
    }

    if (redis->ac != NULL && c->read->active && (fd.revents & ~POLLOUT)) {
        c->read->handler(c->read);
    }
}
