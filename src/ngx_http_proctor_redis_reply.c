/*
 * Replies, as hiredis's reader builds them, in memory that is freed at once.
 *
 * RESP answers in order, so what is being built always belongs to the head of
 * `flight`.  It lies in arenas[building].  When a read completes an operation,
 * the rest of that read goes into the other arena: so the first one holds only
 * what will have been delivered when the read's handlers have run, and is then
 * reset.  The limit of the arenas is the limit of a reply, whatever a server
 * says of its length.
 */

#include "ngx_http_proctor_redis.h"


/* beside a reply, what else one read of 16 KB can have in the arena: elements
   take four bytes on the wire */
#define NGX_HTTP_PROCTOR_REDIS_SLACK                                           \
    (4096 * 2 * sizeof(ngx_http_proctor_redis_reply_t))


typedef struct {
    ngx_str_t prefix;
    ngx_http_proctor_redis_status_e error;
} ngx_http_proctor_redis_prefix_t;


static ngx_http_proctor_redis_status_e ngx_http_proctor_redis_reply_error(
    const proctor_str_t *error);


/* the first one that fits; the last one fits all */

static const ngx_http_proctor_redis_prefix_t
    ngx_http_proctor_redis_reply_prefixes[] = {
        { ngx_string("NOSCRIPT"), NGX_HTTP_PROCTOR_REDIS_NOSCRIPT },
        { ngx_string("LOADING"), NGX_HTTP_PROCTOR_REDIS_LOADING },
        { ngx_string("BUSY"), NGX_HTTP_PROCTOR_REDIS_BUSY },
        { ngx_string("READONLY"), NGX_HTTP_PROCTOR_REDIS_READONLY },
        { ngx_string("MASTERDOWN"), NGX_HTTP_PROCTOR_REDIS_MASTERDOWN },
        { ngx_string("NOAUTH"), NGX_HTTP_PROCTOR_REDIS_NOAUTH },
        { ngx_string("WRONGPASS"), NGX_HTTP_PROCTOR_REDIS_NOAUTH },
        { ngx_string("NOPERM"), NGX_HTTP_PROCTOR_REDIS_NOPERM },
        { ngx_string("OOM"), NGX_HTTP_PROCTOR_REDIS_OOM },
        { ngx_string("MISCONF"), NGX_HTTP_PROCTOR_REDIS_MISCONF },
        { ngx_string("NOREPLICAS"), NGX_HTTP_PROCTOR_REDIS_NOREPLICAS },
        { ngx_string("WRONGTYPE"), NGX_HTTP_PROCTOR_REDIS_WRONGTYPE },
        { ngx_string("MOVED"), NGX_HTTP_PROCTOR_REDIS_CLUSTER },
        { ngx_string("ASK"), NGX_HTTP_PROCTOR_REDIS_CLUSTER },
        { ngx_string("TRYAGAIN"), NGX_HTTP_PROCTOR_REDIS_CLUSTER },
        { ngx_string("CROSSSLOT"), NGX_HTTP_PROCTOR_REDIS_CLUSTER },
        { ngx_string("CLUSTERDOWN"), NGX_HTTP_PROCTOR_REDIS_CLUSTER },
        { ngx_string("ERR max number of clients"),
            NGX_HTTP_PROCTOR_REDIS_FULL },
        { ngx_null_string, NGX_HTTP_PROCTOR_REDIS_ERR },
    };


ngx_int_t
ngx_http_proctor_redis_reply_init(ngx_http_proctor_redis_t *redis)
{
    redis->arenas[0] = ngx_http_proctor_redis_reply_arena(redis);
    redis->arenas[1] = ngx_http_proctor_redis_reply_arena(redis);

    return (redis->arenas[0] == NULL || redis->arenas[1] == NULL) ? NGX_ERROR
                                                                  : NGX_OK;
}


proctor_arena_t *
ngx_http_proctor_redis_reply_arena(ngx_http_proctor_redis_t *redis)
{
    return proctor_arena_create(
        redis->conf->max_reply + NGX_HTTP_PROCTOR_REDIS_SLACK);
}


ngx_http_proctor_redis_reply_t *
ngx_http_proctor_redis_reply_new(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_reply_t *parent, int idx, int type)
{
    ngx_http_proctor_redis_op_t *op;
    ngx_http_proctor_redis_reply_t *reply;

    if (type < NGX_HTTP_PROCTOR_REDIS_STRING
        || type > NGX_HTTP_PROCTOR_REDIS_ERROR) {
        ngx_http_proctor_redis_explain(
            redis, "a reply has the type %d, which was not asked for", type);
        return NULL;
    }

    if (parent != NULL) {
        reply = &parent->element[idx];
        reply->type = type;
        return reply;
    }

    op = ngx_queue_data(
        ngx_queue_head(&redis->flight), ngx_http_proctor_redis_op_t, queue);

    if (op->replies == NULL) {
        op->replies = proctor_arena_calloc(redis->arenas[redis->building],
            op->n * sizeof(ngx_http_proctor_redis_reply_t));

        if (op->replies == NULL) {
            return NULL;
        }
    }

    reply = &op->replies[op->next];
    ngx_memzero(reply, sizeof(ngx_http_proctor_redis_reply_t));
    reply->type = type;

    return reply;
}


ngx_int_t
ngx_http_proctor_redis_reply_string(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_reply_t *reply, const char *str, size_t len)
{
    reply->str.data =
        proctor_arena_strndup(redis->arenas[redis->building], str, len);

    if (reply->str.data == NULL) {
        ngx_http_proctor_redis_explain(
            redis, "a reply is over %ui bytes", redis->conf->max_reply);
        return NGX_ERROR;
    }

    reply->str.len = len;

    if (reply->type == NGX_HTTP_PROCTOR_REDIS_ERROR) {
        reply->error = ngx_http_proctor_redis_reply_error(&reply->str);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_proctor_redis_reply_array(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_reply_t *reply, size_t n)
{
    size_t size = sizeof(ngx_http_proctor_redis_reply_t);

    if (n <= redis->conf->max_reply / size) {
        reply->element =
            proctor_arena_calloc(redis->arenas[redis->building], n * size);
    }

    if (reply->element == NULL) {
        ngx_http_proctor_redis_explain(redis,
            "a reply of %uz elements is over %ui bytes", n,
            redis->conf->max_reply);
        return NGX_ERROR;
    }

    reply->nelements = n;

    return NGX_OK;
}


void
ngx_http_proctor_redis_reply_reset(ngx_http_proctor_redis_t *redis)
{
    if (redis->turned) {
        redis->turned = 0;
        proctor_arena_reset(redis->arenas[redis->building ^ 1]);
    }

    if (redis->ac == NULL) {
        proctor_arena_reset(redis->arenas[redis->building]);
    }
}


ngx_int_t
ngx_http_proctor_redis_reply_hold(
    ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_op_t *op)
{
    ngx_uint_t i;
    ngx_http_proctor_redis_reply_t *replies;

    op->held = ngx_http_proctor_redis_reply_arena(redis);
    if (op->held == NULL) {
        return NGX_ERROR;
    }

    replies = proctor_arena_alloc(
        op->held, op->n * sizeof(ngx_http_proctor_redis_reply_t));
    if (replies == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < op->n; i++) {
        if (ngx_http_proctor_redis_reply_copy(
                op->held, &replies[i], &op->replies[i])
            != NGX_OK) {
            return NGX_ERROR;
        }
    }

    op->replies = replies;

    return NGX_OK;
}


ngx_int_t
ngx_http_proctor_redis_reply_copy(proctor_arena_t *arena,
    ngx_http_proctor_redis_reply_t *to,
    const ngx_http_proctor_redis_reply_t *from)
{
    size_t i;

    *to = *from;

    if (from->str.data != NULL) {
        to->str.data =
            proctor_arena_strndup(arena, from->str.data, from->str.len);
        if (to->str.data == NULL) {
            return NGX_ERROR;
        }
    }

    if (from->element == NULL) {
        return NGX_OK;
    }

    to->element = proctor_arena_alloc(
        arena, from->nelements * sizeof(ngx_http_proctor_redis_reply_t));
    if (to->element == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < from->nelements; i++) {
        if (ngx_http_proctor_redis_reply_copy(
                arena, &to->element[i], &from->element[i])
            != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


size_t
ngx_http_proctor_redis_reply_word(const proctor_str_t *error)
{
    size_t n;

    for (n = 0; n < error->len && n < 24; n++) {
        if (error->data[n] < 'A' || error->data[n] > 'Z') {
            break;
        }
    }

    return n;
}


static ngx_http_proctor_redis_status_e
ngx_http_proctor_redis_reply_error(const proctor_str_t *error)
{
    const ngx_http_proctor_redis_prefix_t *p;

    p = ngx_http_proctor_redis_reply_prefixes;

    while (
        p->prefix.len != 0
        && (error->len < p->prefix.len
            || ngx_memcmp(error->data, p->prefix.data, p->prefix.len) != 0)) {
        p++;
    }

    return p->error;
}
