/*
 * Operations: what was asked, and who waits for the answer.
 *
 * An operation is on the heap and goes round in three queues: free, flight,
 * done, free.  The caller's memory and the operation point to each other only
 * while an answer is due; either side may let go first.  A command that nobody
 * waits for any more stays in flight, because its reply still comes and has to
 * be counted off.
 *
 * All operations have the same patience, so flight is also ordered by
 * deadline, and one timer is enough.  It is set when the first is sent and
 * looked at only when it fires.  A worker that is to end waits for it as long
 * as somebody, or a command that nobody waits for, may still be answered.
 */

#include "ngx_http_proctor_redis.h"


/* what is larger is not kept for the next operation */
#define NGX_HTTP_PROCTOR_REDIS_SAVED_KEPT 4096


static ngx_http_proctor_redis_op_t *ngx_http_proctor_redis_op_get(
    ngx_http_proctor_redis_t *redis);
static void ngx_http_proctor_redis_op_put(
    ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_op_t *op);
static void ngx_http_proctor_redis_op_launch(
    ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_op_t *op);
static ngx_int_t ngx_http_proctor_redis_op_resend(
    ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_op_t *op);
static void ngx_http_proctor_redis_op_destroy_queue(ngx_queue_t *queue);
static void ngx_http_proctor_redis_op_watch(ngx_http_proctor_redis_t *redis);
static void ngx_http_proctor_redis_op_tell(ngx_http_proctor_redis_op_t *op,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);


ngx_int_t
ngx_http_proctor_redis_op_send(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_call_t *call,
    const ngx_http_proctor_redis_command_t *commands, ngx_uint_t n)
{
    ngx_uint_t i;
    ngx_http_proctor_redis_op_t *op;

    op = ngx_http_proctor_redis_op_get(redis);
    if (op == NULL) {
        return NGX_BUSY;
    }

    op->n = n;
    op->due = (1u << n) - 1;

    if (ngx_http_proctor_redis_write_save(op, commands) != NGX_OK) {
        ngx_http_proctor_redis_op_put(redis, op);
        return NGX_BUSY;
    }

    op->start = redis->output;

    for (i = 0; i < n; i++) {
        if (ngx_http_proctor_redis_write_command(redis, &commands[i])
            != NGX_OK) {
            break;
        }
    }

    ngx_http_proctor_redis_write_trim(redis);

    if (i == 0) {
        ngx_http_proctor_redis_op_put(redis, op);
        return NGX_BUSY;
    }

    if (i != n) {
        ngx_http_proctor_redis_doom(
            redis, NGX_HTTP_PROCTOR_REDIS_DOWN, "out of memory");
    }

    op->call = call;

    if (call != NULL) {
        call->op = &op->call;
    }

    ngx_http_proctor_redis_op_launch(redis, op);

    return NGX_OK;
}


static ngx_http_proctor_redis_op_t *
ngx_http_proctor_redis_op_get(ngx_http_proctor_redis_t *redis)
{
    ngx_queue_t *q;

    if (ngx_queue_empty(&redis->free)) {
        return ngx_calloc(sizeof(ngx_http_proctor_redis_op_t), redis->log);
    }

    q = ngx_queue_head(&redis->free);
    ngx_queue_remove(q);

    return ngx_queue_data(q, ngx_http_proctor_redis_op_t, queue);
}


static void
ngx_http_proctor_redis_op_put(
    ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_op_t *op)
{
    u_char *saved = op->saved;
    size_t size = op->saved_size;

    if (size > NGX_HTTP_PROCTOR_REDIS_SAVED_KEPT) {
        ngx_free(saved);
        saved = NULL;
        size = 0;
    }

    proctor_arena_destroy(op->held);

    ngx_memzero(op, sizeof(ngx_http_proctor_redis_op_t));
    op->saved = saved;
    op->saved_size = size;

    ngx_queue_insert_head(&redis->free, &op->queue);
}


static void
ngx_http_proctor_redis_op_launch(
    ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_op_t *op)
{
    ngx_msec_t timeout;

    timeout = (redis->state == NGX_HTTP_PROCTOR_REDIS_CONNECTING)
                  ? redis->conf->connect_timeout
                  : redis->conf->timeout;

    op->sent = ngx_current_msec;
    op->deadline = op->sent + timeout;

    ngx_queue_insert_tail(&redis->flight, &op->queue);
    redis->pending++;

    redis->deadline.cancelable =
        (redis->state == NGX_HTTP_PROCTOR_REDIS_CONNECTING);

    /* what is set may be the patience with one that was given up: far too late,
       and nginx would keep it for being near enough */

    if (redis->deadline.timer_set
        && (ngx_msec_int_t) (redis->deadline.timer.key - op->deadline) > 0) {
        ngx_del_timer(&redis->deadline);
    }

    if (!redis->deadline.timer_set) {
        ngx_add_timer(&redis->deadline, timeout);
    }
}


ngx_int_t
ngx_http_proctor_redis_op_reply(ngx_http_proctor_redis_t *redis)
{
    uint64_t written;
    ngx_http_proctor_redis_op_t *op;

    op = ngx_queue_data(
        ngx_queue_head(&redis->flight), ngx_http_proctor_redis_op_t, queue);

    written = redis->output - ngx_http_proctor_redis_event_queued(redis);

    if (op->start >= written) {
        return NGX_ERROR; /* the answer came before the question */
    }

    redis->stats.replies++;

    if (op->status == NGX_HTTP_PROCTOR_REDIS_REPLY) {
        op->status = op->replies[op->next].error;
    }

    op->due &= ~(1u << op->next);

    if (op->due != 0) {
        op->next = (ngx_uint_t) __builtin_ctz(op->due);
        return NGX_OK;
    }

    ngx_queue_remove(&op->queue);
    ngx_queue_insert_tail(&redis->done, &op->queue);
    redis->pending--;
    redis->deadline.cancelable |= (redis->pending == 0);

    if (!redis->turned) {
        redis->turned = 1;
        redis->building ^= 1;
    }

    return NGX_OK;
}


void
ngx_http_proctor_redis_op_deliver(ngx_http_proctor_redis_t *redis)
{
    ngx_queue_t *q;
    ngx_http_proctor_redis_op_t *op;

    while (!ngx_queue_empty(&redis->done)) {
        q = ngx_queue_head(&redis->done);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_http_proctor_redis_op_t, queue);

        if (ngx_http_proctor_redis_op_resend(redis, op) == NGX_OK) {
            continue;
        }

        ngx_http_proctor_redis_heard(redis, op);

        redis->stats.late += op->expired;
        ngx_http_proctor_redis_op_tell(op, op->status, op->replies);
        ngx_http_proctor_redis_op_put(redis, op);
    }

    ngx_http_proctor_redis_reply_reset(redis);
}


/*
 * The scripts of an operation that the server did not know go out again, each
 * with its text; the other commands were executed, and their replies are kept.
 * NGX_DECLINED: nothing is to be resent.
 */

static ngx_int_t
ngx_http_proctor_redis_op_resend(
    ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_op_t *op)
{
    uint32_t due;
    ngx_uint_t i;

    if (op->status != NGX_HTTP_PROCTOR_REDIS_NOSCRIPT || op->resent
        || op->expired || redis->state < NGX_HTTP_PROCTOR_REDIS_SUSPECT) {
        return NGX_DECLINED;
    }

    due = 0;
    op->status = NGX_HTTP_PROCTOR_REDIS_REPLY;

    for (i = op->n; i-- > 0;) {
        if (op->replies[i].error == NGX_HTTP_PROCTOR_REDIS_NOSCRIPT
            && op->commands[i].script != NULL) {
            due |= 1u << i;
            op->next = i;

        } else if (op->replies[i].error != NGX_HTTP_PROCTOR_REDIS_REPLY) {
            op->status = op->replies[i].error;
        }
    }

    if (due == 0 || ngx_http_proctor_redis_reply_hold(redis, op) != NGX_OK) {
        op->status = NGX_HTTP_PROCTOR_REDIS_NOSCRIPT;
        return NGX_DECLINED;
    }

    op->resent = 1;
    op->due = due;
    op->start = redis->output;
    redis->stats.errors[NGX_HTTP_PROCTOR_REDIS_NOSCRIPT]++;

    for (i = 0; i < op->n; i++) {
        if (!(due & (1u << i))) {
            continue;
        }

        if (ngx_http_proctor_redis_write_eval(redis, op, &op->commands[i])
            != NGX_OK) {
            ngx_http_proctor_redis_doom(
                redis, NGX_HTTP_PROCTOR_REDIS_DOWN, "out of memory");
            break;
        }

        redis->stats.resent++;
    }

    ngx_http_proctor_redis_write_trim(redis);
    ngx_http_proctor_redis_op_launch(redis, op);

    return NGX_OK;
}


static void
ngx_http_proctor_redis_op_tell(ngx_http_proctor_redis_op_t *op,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_http_proctor_redis_call_t *call;

    call = op->call;

    if (call != NULL) {
        op->call = NULL;
        call->op = NULL;
        call->handler(call->data, status, replies);
    }
}


void
ngx_http_proctor_redis_op_lose(ngx_http_proctor_redis_t *redis)
{
    ngx_queue_t *q;
    ngx_http_proctor_redis_op_t *op;

    while (!ngx_queue_empty(&redis->flight)) {
        q = ngx_queue_head(&redis->flight);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_http_proctor_redis_op_t, queue);
        op->status = NGX_HTTP_PROCTOR_REDIS_DOWN;
        op->replies = NULL;
        op->expired = 0;

        ngx_queue_insert_tail(&redis->done, &op->queue);
    }

    redis->pending = 0;
    redis->deadline.cancelable = 1;
}


void
ngx_http_proctor_redis_op_deadline(ngx_event_t *ev)
{
    ngx_msec_int_t left;
    ngx_queue_t *q;
    ngx_http_proctor_redis_t *redis = ev->data;
    ngx_http_proctor_redis_op_t *op;

    for (q = ngx_queue_head(&redis->flight);
         q != ngx_queue_sentinel(&redis->flight); q = ngx_queue_next(q)) {

        op = ngx_queue_data(q, ngx_http_proctor_redis_op_t, queue);

        if (op->expired) {
            continue;
        }

        left = (ngx_msec_int_t) (op->deadline - ngx_current_msec);

        if (left > 0) {
            ngx_add_timer(ev, (ngx_msec_t) left);
            break;
        }

        /* A worker that was busy itself must not blame Redis: what came
           meanwhile is read in the turn of the loop before the second look. */

        if (!redis->second_look) {
            redis->second_look = 1;
            ngx_add_timer(ev, 1);
            return;
        }

        op->expired = 1;
        redis->stats.timeouts++;
        ngx_http_proctor_redis_silent(redis);
        ngx_http_proctor_redis_op_tell(
            op, NGX_HTTP_PROCTOR_REDIS_TIMEOUT, NULL);
    }

    redis->second_look = 0;

    if (!ngx_queue_empty(&redis->flight)) {
        ngx_http_proctor_redis_op_watch(redis);
    }
}


/* RESP has no ids: behind a command without a reply all others wait, too */

static void
ngx_http_proctor_redis_op_watch(ngx_http_proctor_redis_t *redis)
{
    ngx_msec_t patience;
    ngx_msec_int_t left;
    ngx_http_proctor_redis_op_t *op;

    op = ngx_queue_data(
        ngx_queue_head(&redis->flight), ngx_http_proctor_redis_op_t, queue);

    if (!op->expired) {
        return;
    }

    patience = NGX_HTTP_PROCTOR_REDIS_PATIENCE * redis->conf->timeout;
    left = (ngx_msec_int_t) (op->sent + patience - ngx_current_msec);

    if (left <= 0) {
        ngx_http_proctor_redis_doom(redis, NGX_HTTP_PROCTOR_REDIS_TIMEOUT,
            "no reply within %M ms", patience);
        return;
    }

    if (!redis->deadline.timer_set) {
        redis->deadline.cancelable = 1; /* nobody waits, we only wonder */
        ngx_add_timer(&redis->deadline, (ngx_msec_t) left);
    }
}


void
ngx_http_proctor_redis_op_destroy(ngx_http_proctor_redis_t *redis)
{
    ngx_http_proctor_redis_op_destroy_queue(&redis->flight);
    ngx_http_proctor_redis_op_destroy_queue(&redis->done);
    ngx_http_proctor_redis_op_destroy_queue(&redis->free);

    ngx_free(redis->bytes);
}


static void
ngx_http_proctor_redis_op_destroy_queue(ngx_queue_t *queue)
{
    ngx_queue_t *q, *next;
    ngx_http_proctor_redis_op_t *op;

    for (q = ngx_queue_head(queue); q != ngx_queue_sentinel(queue); q = next) {
        next = ngx_queue_next(q);
        op = ngx_queue_data(q, ngx_http_proctor_redis_op_t, queue);

        if (op->call != NULL) {
            op->call->op = NULL;
        }

        proctor_arena_destroy(op->held);
        ngx_free(op->saved);
        ngx_free(op);
    }
}
