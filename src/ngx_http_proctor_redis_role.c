/*
 * Which of several servers is the master, and until when.
 *
 * Servers that replicate one another follow a master, and after a failover
 * another is it: Sentinel, or whoever does that, tells the servers, and we ask
 * them.  A round goes through all addresses and waits only for who is silent; a
 * replica is left at once.  After a round there is the wait that a single
 * server has, too.
 *
 * An old master that comes back thinks that it still is one, until it is told.
 * It has no replica any more, by then: so the first round passes over a master
 * without any, and the next one takes it all the same.  And who stays connected
 * without a question could wake up with it: so a master is asked once a second
 * whether it is well and still is one, and one that was stopped is left long
 * before its end is agreed on.
 *
 * What a server keeps from another's time, or from its own before that, is
 * nobody's word on what is current.  So a server's run is not only its
 * process's: each promotion begins another.
 */

#include "ngx_http_proctor_redis.h"


#define NGX_HTTP_PROCTOR_REDIS_WATCH 1000 /* ms */


static void ngx_http_proctor_redis_role_heard(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);
static void ngx_http_proctor_redis_role_event(ngx_event_t *ev);
static ngx_int_t ngx_http_proctor_redis_role_same(
    ngx_http_proctor_redis_t *redis,
    const ngx_http_proctor_redis_reply_t *reply);
static void ngx_http_proctor_redis_role_history(
    char *history, const ngx_http_proctor_redis_reply_t *replication);
static ngx_int_t ngx_http_proctor_redis_role_alone(
    ngx_http_proctor_redis_t *redis,
    const ngx_http_proctor_redis_reply_t *reply);
static ngx_int_t ngx_http_proctor_redis_role_field(
    const ngx_http_proctor_redis_reply_t *reply, const proctor_str_t *name,
    proctor_str_t *value);
static void ngx_http_proctor_redis_role_mix(char *run,
    const ngx_http_proctor_redis_reply_t *reply, const proctor_str_t *name);


static const proctor_str_t ngx_http_proctor_redis_info[] = {
    proctor_str("INFO"),
    proctor_str("replication"),
};


void
ngx_http_proctor_redis_role_ask(ngx_http_proctor_redis_command_t *command)
{
    command->argv = ngx_http_proctor_redis_info;
    command->argc = 2;
    command->script = NULL;
}


/* some users may not ask, and some servers do not say */

ngx_int_t
ngx_http_proctor_redis_role(ngx_http_proctor_redis_t *redis,
    const ngx_http_proctor_redis_reply_t *reply)
{
    proctor_str_t value;

    static const proctor_str_t role = proctor_str("\nrole:");

    if (ngx_http_proctor_redis_role_field(reply, &role, &value) != NGX_OK) {
        return NGX_OK;
    }

    if (value.data[0] == 's') {
        ngx_http_proctor_redis_doom(redis, NGX_HTTP_PROCTOR_REDIS_READONLY,
            "%V is a replica", ngx_http_proctor_redis_name(redis));
        return NGX_DECLINED;
    }

    if (redis->state == NGX_HTTP_PROCTOR_REDIS_HANDSHAKE
        && ngx_http_proctor_redis_role_alone(redis, reply) != NGX_OK) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* NGX_DECLINED: perhaps only it thinks that it is a master */

static ngx_int_t
ngx_http_proctor_redis_role_alone(ngx_http_proctor_redis_t *redis,
    const ngx_http_proctor_redis_reply_t *reply)
{
    proctor_str_t value;

    static const proctor_str_t replicas = proctor_str("\nconnected_slaves:");

    if (redis->conf->npeers == 1 || redis->alone
        || ngx_http_proctor_redis_role_field(reply, &replicas, &value) != NGX_OK
        || value.data[0] != '0') {
        return NGX_OK;
    }

    redis->again = 1;
    ngx_http_proctor_redis_doom(redis, NGX_HTTP_PROCTOR_REDIS_DOWN,
        "%V is a master without a replica", ngx_http_proctor_redis_name(redis));

    return NGX_DECLINED;
}


/* zeros: it does not say */

void
ngx_http_proctor_redis_role_run(ngx_http_proctor_redis_t *redis,
    const ngx_http_proctor_redis_reply_t *server,
    const ngx_http_proctor_redis_reply_t *replication)
{
    static const proctor_str_t id = proctor_str("\nrun_id:");

    ngx_http_proctor_redis_role_history(redis->history, replication);

    ngx_memcpy(redis->run, redis->history, NGX_HTTP_PROCTOR_REDIS_RUN);
    ngx_http_proctor_redis_role_mix(redis->run, server, &id);
}


static void
ngx_http_proctor_redis_role_history(
    char *history, const ngx_http_proctor_redis_reply_t *replication)
{
    static const proctor_str_t id = proctor_str("\nmaster_replid:");

    ngx_memset(history, '0', NGX_HTTP_PROCTOR_REDIS_RUN);
    ngx_http_proctor_redis_role_mix(history, replication, &id);
}


/* both are random: one over the other is as random as they are */

static void
ngx_http_proctor_redis_role_mix(char *run,
    const ngx_http_proctor_redis_reply_t *reply, const proctor_str_t *name)
{
    ngx_int_t a, b;
    ngx_uint_t i;
    proctor_str_t value;

    if (ngx_http_proctor_redis_role_field(reply, name, &value) != NGX_OK
        || value.len < NGX_HTTP_PROCTOR_REDIS_RUN) {
        return;
    }

    for (i = 0; i < NGX_HTTP_PROCTOR_REDIS_RUN; i++) {
        a = ngx_hextoi((u_char *) &run[i], 1);
        b = ngx_hextoi((u_char *) &value.data[i], 1);

        run[i] = "0123456789abcdef"[(a ^ ((b == NGX_ERROR) ? 0 : b)) & 15];
    }
}


/* of INFO's text, a line's value: never empty */

static ngx_int_t
ngx_http_proctor_redis_role_field(const ngx_http_proctor_redis_reply_t *reply,
    const proctor_str_t *name, proctor_str_t *value)
{
    const char *p, *last;

    if (reply->type != NGX_HTTP_PROCTOR_REDIS_STRING) {
        return NGX_DECLINED;
    }

    last = reply->str.data + reply->str.len;
    p = memmem(reply->str.data, reply->str.len, name->data, name->len);

    if (p == NULL) {
        return NGX_DECLINED;
    }

    value->data = (char *) p + name->len;

    for (p = value->data; p < last && *p != CR && *p != LF; p++) {
        /* void */
    }

    value->len = p - value->data;

    return (value->len == 0) ? NGX_DECLINED : NGX_OK;
}


/* not yet after a round without, and not after one with those that are alone */

ngx_uint_t
ngx_http_proctor_redis_role_more(const ngx_http_proctor_redis_t *redis)
{
    return redis->tried < redis->conf->npeers || redis->again;
}


ngx_uint_t
ngx_http_proctor_redis_role_next(ngx_http_proctor_redis_t *redis)
{
    if (redis->tried < redis->conf->npeers) {
        return 1;
    }

    redis->tried = 0;
    redis->alone = redis->again;
    redis->again = 0;

    return redis->alone;
}


void
ngx_http_proctor_redis_role_watch(ngx_http_proctor_redis_t *redis)
{
    if (redis->conf->npeers > 1 && redis->cluster == NULL
        && !redis->watch.timer_set && !ngx_exiting) {
        ngx_add_timer(&redis->watch, NGX_HTTP_PROCTOR_REDIS_WATCH);
    }
}


static void
ngx_http_proctor_redis_role_event(ngx_event_t *ev)
{
    ngx_http_proctor_redis_t *redis = ev->data;
    ngx_http_proctor_redis_command_t command;

    if (redis->state != NGX_HTTP_PROCTOR_REDIS_READY || ngx_exiting) {
        return; /* it is watched again once it is ready */
    }

    ngx_http_proctor_redis_role_ask(&command);

    if (redis->asked.op != NULL
        || ngx_http_proctor_redis_op_send(redis, &redis->asked, &command, 1)
               != NGX_OK) {
        ngx_http_proctor_redis_role_watch(redis);
    }
}


/* its silence was noticed with its deadline */

static void
ngx_http_proctor_redis_role_heard(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_http_proctor_redis_t *redis = data;

    if (redis->state != NGX_HTTP_PROCTOR_REDIS_READY
        || status == NGX_HTTP_PROCTOR_REDIS_NOPERM) {
        return;
    }

    if (status == NGX_HTTP_PROCTOR_REDIS_REPLY
        && (ngx_http_proctor_redis_role(redis, replies) != NGX_OK
            || ngx_http_proctor_redis_role_same(redis, replies) != NGX_OK)) {
        return;
    }

    ngx_http_proctor_redis_role_watch(redis);
}


/* it may have been a replica since it was last asked */

static ngx_int_t
ngx_http_proctor_redis_role_same(ngx_http_proctor_redis_t *redis,
    const ngx_http_proctor_redis_reply_t *reply)
{
    char history[NGX_HTTP_PROCTOR_REDIS_RUN];

    ngx_http_proctor_redis_role_history(history, reply);

    if (ngx_memcmp(history, redis->history, sizeof(history)) == 0) {
        return NGX_OK;
    }

    ngx_http_proctor_redis_doom(redis, NGX_HTTP_PROCTOR_REDIS_DOWN,
        "%V is not the master that it was", ngx_http_proctor_redis_name(redis));

    return NGX_DECLINED;
}


void
ngx_http_proctor_redis_role_init(ngx_http_proctor_redis_t *redis)
{
    redis->watch.handler = ngx_http_proctor_redis_role_event;
    redis->watch.data = redis;
    redis->watch.log = redis->log;
    redis->watch.cancelable = 1;

    redis->asked.handler = ngx_http_proctor_redis_role_heard;
    redis->asked.data = redis;
}
