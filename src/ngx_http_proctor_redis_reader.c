/*
 * What hiredis's reader calls for each value that it finds, in terms of
 * redis_reply.c.  The one file that knows hiredis's versions (0.14 and 1.x).
 */

#include "ngx_http_proctor_redis.h"
#include <hiredis/hiredis.h>


/* arrays in arrays; hiredis 1.x has no limit of its own */
#define NGX_HTTP_PROCTOR_REDIS_DEPTH 7

#if (HIREDIS_MAJOR >= 1)
typedef size_t ngx_http_proctor_redis_count_t;
#else
typedef int ngx_http_proctor_redis_count_t;
#endif


static void *ngx_http_proctor_redis_reader_string(
    const redisReadTask *task, char *str, size_t len);
static void *ngx_http_proctor_redis_reader_array(
    const redisReadTask *task, ngx_http_proctor_redis_count_t n);
static void *ngx_http_proctor_redis_reader_integer(
    const redisReadTask *task, long long value);
static void *ngx_http_proctor_redis_reader_nil(const redisReadTask *task);
static void ngx_http_proctor_redis_reader_free(void *reply);

#if (HIREDIS_MAJOR >= 1)
static void *ngx_http_proctor_redis_reader_double(
    const redisReadTask *task, double value, char *str, size_t len);
static void *ngx_http_proctor_redis_reader_bool(
    const redisReadTask *task, int value);
#endif


_Static_assert(
    (int) NGX_HTTP_PROCTOR_REDIS_STRING == REDIS_REPLY_STRING
        && (int) NGX_HTTP_PROCTOR_REDIS_ARRAY == REDIS_REPLY_ARRAY
        && (int) NGX_HTTP_PROCTOR_REDIS_INTEGER == REDIS_REPLY_INTEGER
        && (int) NGX_HTTP_PROCTOR_REDIS_NIL == REDIS_REPLY_NIL
        && (int) NGX_HTTP_PROCTOR_REDIS_WORD == REDIS_REPLY_STATUS
        && (int) NGX_HTTP_PROCTOR_REDIS_ERROR == REDIS_REPLY_ERROR,
    "hiredis looks at the type of our replies");


redisReplyObjectFunctions ngx_http_proctor_redis_reader = {
    .createString = ngx_http_proctor_redis_reader_string,
    .createArray = ngx_http_proctor_redis_reader_array,
    .createInteger = ngx_http_proctor_redis_reader_integer,
    .createNil = ngx_http_proctor_redis_reader_nil,
#if (HIREDIS_MAJOR >= 1)
    .createDouble = ngx_http_proctor_redis_reader_double,
    .createBool = ngx_http_proctor_redis_reader_bool,
#endif
    .freeObject = ngx_http_proctor_redis_reader_free,
};


static ngx_http_proctor_redis_reply_t *
ngx_http_proctor_redis_reader_object(const redisReadTask *task)
{
    return ngx_http_proctor_redis_reply_new(task->privdata,
        (task->parent == NULL) ? NULL : task->parent->obj, task->idx,
        task->type);
}


static void *
ngx_http_proctor_redis_reader_string(
    const redisReadTask *task, char *str, size_t len)
{
    ngx_http_proctor_redis_reply_t *reply;

    reply = ngx_http_proctor_redis_reader_object(task);

    if (reply == NULL
        || ngx_http_proctor_redis_reply_string(task->privdata, reply, str, len)
               != NGX_OK) {
        return NULL;
    }

    return reply;
}


static void *
ngx_http_proctor_redis_reader_array(
    const redisReadTask *task, ngx_http_proctor_redis_count_t n)
{
    ngx_uint_t depth;
    const redisReadTask *parent;
    ngx_http_proctor_redis_reply_t *reply;

    depth = 0;

    for (parent = task->parent; parent != NULL; parent = parent->parent) {
        if (++depth > NGX_HTTP_PROCTOR_REDIS_DEPTH) {
            ngx_http_proctor_redis_explain(
                task->privdata, "a reply is nested too deeply");
            return NULL;
        }
    }

    reply = ngx_http_proctor_redis_reader_object(task);

    if (reply == NULL
        || ngx_http_proctor_redis_reply_array(task->privdata, reply, n)
               != NGX_OK) {
        return NULL;
    }

    return reply;
}


static void *
ngx_http_proctor_redis_reader_integer(
    const redisReadTask *task, long long value)
{
    ngx_http_proctor_redis_reply_t *reply;

    reply = ngx_http_proctor_redis_reader_object(task);
    if (reply != NULL) {
        reply->integer = value;
    }

    return reply;
}


static void *
ngx_http_proctor_redis_reader_nil(const redisReadTask *task)
{
    ngx_http_proctor_redis_reply_t *reply;

    reply = ngx_http_proctor_redis_reader_object(task);

    if (reply != NULL) {
        reply->type = NGX_HTTP_PROCTOR_REDIS_NIL; /* the task's: of what it
                                                     is none */
    }

    return reply;
}


#if (HIREDIS_MAJOR >= 1)

/* RESP3, which nobody asked for: refused by their type */

static void *
ngx_http_proctor_redis_reader_double(
    const redisReadTask *task, double value, char *str, size_t len)
{
    (void) value;
    (void) str;
    (void) len;

    return ngx_http_proctor_redis_reader_object(task);
}


static void *
ngx_http_proctor_redis_reader_bool(const redisReadTask *task, int value)
{
    (void) value;

    return ngx_http_proctor_redis_reader_object(task);
}

#endif


/* replies lie in an arena, until their handler has returned */

static void
ngx_http_proctor_redis_reader_free(void *reply)
{
    (void) reply;
}
