/*
 * What silence and errors say of the server, and the probe that finds out
 * whether it is well again.
 *
 * An error is its caller's affair, unless it says that no other command would
 * fare better: then either time will mend it (SUSPECT, and probes), or this is
 * no longer the server that was meant (a new connection).
 */

#include "ngx_http_proctor_redis.h"


#define NGX_HTTP_PROCTOR_REDIS_REPEAT 60 /* s between two words on an error */


typedef enum {
    NGX_HTTP_PROCTOR_REDIS_NOTHING = 0, /* the caller's affair */
    NGX_HTTP_PROCTOR_REDIS_WAIT,        /* it will pass: probe until then */
    NGX_HTTP_PROCTOR_REDIS_RECONNECT    /* not the server that it was */
} ngx_http_proctor_redis_effect_e;

typedef struct {
    const char *word;
    ngx_http_proctor_redis_effect_e effect;
} ngx_http_proctor_redis_class_t;


static void ngx_http_proctor_redis_suspect(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_status_e status, const char *fmt, ...);
static void ngx_http_proctor_redis_error(ngx_http_proctor_redis_t *redis,
    const ngx_http_proctor_redis_reply_t *reply);


static const ngx_http_proctor_redis_class_t ngx_http_proctor_redis_classes[] = {
    [NGX_HTTP_PROCTOR_REDIS_REPLY] = { "reply", 0 },
    [NGX_HTTP_PROCTOR_REDIS_TIMEOUT] = { "timeout", 0 },
    [NGX_HTTP_PROCTOR_REDIS_DOWN] = { "down", 0 },
    [NGX_HTTP_PROCTOR_REDIS_NOSCRIPT] = { "noscript", 0 },
    [NGX_HTTP_PROCTOR_REDIS_LOADING] = { "loading",
        NGX_HTTP_PROCTOR_REDIS_WAIT },
    [NGX_HTTP_PROCTOR_REDIS_BUSY] = { "busy", NGX_HTTP_PROCTOR_REDIS_WAIT },
    [NGX_HTTP_PROCTOR_REDIS_READONLY] = { "readonly",
        NGX_HTTP_PROCTOR_REDIS_RECONNECT },
    [NGX_HTTP_PROCTOR_REDIS_MASTERDOWN] = { "masterdown",
        NGX_HTTP_PROCTOR_REDIS_RECONNECT },
    [NGX_HTTP_PROCTOR_REDIS_NOAUTH] = { "noauth",
        NGX_HTTP_PROCTOR_REDIS_RECONNECT },
    [NGX_HTTP_PROCTOR_REDIS_NOPERM] = { "noperm", 0 },
    [NGX_HTTP_PROCTOR_REDIS_OOM] = { "oom", 0 },
    [NGX_HTTP_PROCTOR_REDIS_MISCONF] = { "misconf", 0 },
    [NGX_HTTP_PROCTOR_REDIS_NOREPLICAS] = { "noreplicas", 0 },
    [NGX_HTTP_PROCTOR_REDIS_WRONGTYPE] = { "wrongtype", 0 },
    [NGX_HTTP_PROCTOR_REDIS_CLUSTER] = { "cluster", 0 },
    [NGX_HTTP_PROCTOR_REDIS_FULL] = { "maxclients",
        NGX_HTTP_PROCTOR_REDIS_RECONNECT },
    [NGX_HTTP_PROCTOR_REDIS_ERR] = { "err", 0 },
};


const char *
ngx_http_proctor_redis_word(ngx_http_proctor_redis_status_e status)
{
    return ngx_http_proctor_redis_classes[status].word;
}


void
ngx_http_proctor_redis_silent(ngx_http_proctor_redis_t *redis)
{
    ngx_http_proctor_redis_suspect(redis, NGX_HTTP_PROCTOR_REDIS_TIMEOUT,
        "no reply within %ui ms", redis->conf->timeout);
}


void
ngx_http_proctor_redis_heard(
    ngx_http_proctor_redis_t *redis, const ngx_http_proctor_redis_op_t *op)
{
    ngx_uint_t i;
    ngx_http_proctor_redis_effect_e effect;

    if (op->replies == NULL) {
        return; /* lost */
    }

    for (i = 0; i < op->n; i++) {
        if (op->replies[i].type == NGX_HTTP_PROCTOR_REDIS_ERROR) {
            ngx_http_proctor_redis_error(redis, &op->replies[i]);
        }
    }

    effect = ngx_http_proctor_redis_classes[op->status].effect;

    if (redis->state != NGX_HTTP_PROCTOR_REDIS_READY
        || effect != NGX_HTTP_PROCTOR_REDIS_WAIT) {
        redis->ill = 0;
    }

    if (effect == NGX_HTTP_PROCTOR_REDIS_WAIT
        && ++redis->ill == NGX_HTTP_PROCTOR_REDIS_ILL) {
        ngx_http_proctor_redis_suspect(
            redis, op->status, "%s", ngx_http_proctor_redis_word(op->status));
    }

    if (effect == NGX_HTTP_PROCTOR_REDIS_RECONNECT
        && redis->state >= NGX_HTTP_PROCTOR_REDIS_SUSPECT) {
        ngx_http_proctor_redis_doom(
            redis, op->status, "%s", ngx_http_proctor_redis_word(op->status));
    }
}


/* counted each time, spoken of from time to time: its word, not its text,
   which may repeat what was asked */

static void
ngx_http_proctor_redis_error(ngx_http_proctor_redis_t *redis,
    const ngx_http_proctor_redis_reply_t *reply)
{
    time_t *said = &redis->said_error[reply->error];

    redis->stats.errors[reply->error]++;

    if (redis->state < NGX_HTTP_PROCTOR_REDIS_SUSPECT
        || (reply->error == NGX_HTTP_PROCTOR_REDIS_CLUSTER
            && redis->conf->cluster)
        || (*said != 0 && ngx_time() - *said < NGX_HTTP_PROCTOR_REDIS_REPEAT)) {
        return;
    }

    *said = ngx_time();

    ngx_log_error(NGX_LOG_WARN, redis->log, 0,
        "proctor redis: %V answers %*s: %s", &redis->conf->name,
        ngx_http_proctor_redis_reply_word(&reply->str), reply->str.data,
        (reply->error == NGX_HTTP_PROCTOR_REDIS_CLUSTER)
            ? "a cluster needs cluster=on"
            : "such calls are taken as failed");
}


static void
ngx_http_proctor_redis_suspect(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_status_e status, const char *fmt, ...)
{
    va_list args;

    if (redis->state != NGX_HTTP_PROCTOR_REDIS_READY) {
        return;
    }

    redis->state = NGX_HTTP_PROCTOR_REDIS_SUSPECT;
    redis->stats.suspected++;

    va_start(args, fmt);
    ngx_http_proctor_redis_explain_args(redis, fmt, args);
    va_end(args);

    ngx_http_proctor_redis_say(redis, status);
    ngx_http_proctor_redis_later(redis);
}


void
ngx_http_proctor_redis_ping(ngx_http_proctor_redis_t *redis)
{
    ngx_http_proctor_redis_command_t command;

    static const proctor_str_t ping[] = { proctor_str("PING") };

    command.argv = ping;
    command.argc = 1;
    command.script = NULL;

    if (redis->probe.op != NULL
        || ngx_http_proctor_redis_op_send(redis, &redis->probe, &command, 1)
               != NGX_OK) {
        ngx_http_proctor_redis_later(redis);
    }
}


void
ngx_http_proctor_redis_pong(void *data, ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_http_proctor_redis_t *redis = data;

    if (redis->state != NGX_HTTP_PROCTOR_REDIS_SUSPECT) {
        return; /* lost, or doomed */
    }

    if (status != NGX_HTTP_PROCTOR_REDIS_REPLY) {
        ngx_http_proctor_redis_later(redis);
        return;
    }

    if (replies[0].type != NGX_HTTP_PROCTOR_REDIS_WORD) {
        ngx_http_proctor_redis_doom(redis, NGX_HTTP_PROCTOR_REDIS_DOWN,
            "not what Redis answers to PING");
        return;
    }

    ngx_http_proctor_redis_ready(redis);
}
