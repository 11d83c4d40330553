/*
 * Commands as bytes (RESP2), always with lengths: no data is ever parsed.
 *
 * They are spelled in the client's own buffer, then copied into hiredis's.
 * Of a script the arguments are kept with the operation, because the server
 * may have forgotten the script and must then be told its text.
 */

#include "ngx_http_proctor_redis.h"


/* a buffer larger than this is not kept for the next command */
#define NGX_HTTP_PROCTOR_REDIS_BYTES_KEPT 65536

/* "$", a length, two line ends */
#define NGX_HTTP_PROCTOR_REDIS_ARG_MAX (1 + NGX_SIZE_T_LEN + 4)


static ngx_int_t ngx_http_proctor_redis_write_room(
    ngx_http_proctor_redis_t *redis, size_t size);
static size_t ngx_http_proctor_redis_write_size(
    const proctor_str_t *argv, ngx_uint_t argc);
static u_char *ngx_http_proctor_redis_write_head(
    u_char *p, u_char type, size_t n);
static u_char *ngx_http_proctor_redis_write_arg(
    u_char *p, const char *data, size_t len);


ngx_int_t
ngx_http_proctor_redis_write_save(ngx_http_proctor_redis_op_t *op,
    const ngx_http_proctor_redis_command_t *commands)
{
    u_char *p;
    size_t size;
    ngx_uint_t i, j;

    size = 0;

    for (i = 0; i < op->n; i++) {
        op->commands[i].script = commands[i].script;

        if (commands[i].script != NULL) {
            size += ngx_http_proctor_redis_write_size(
                commands[i].argv, commands[i].argc);
        }
    }

    if (size > op->saved_size) {
        ngx_free(op->saved);
        op->saved_size = 0;

        op->saved = ngx_alloc(size, ngx_cycle->log);
        if (op->saved == NULL) {
            return NGX_ERROR;
        }

        op->saved_size = size;
    }

    p = op->saved;

    for (i = 0; i < op->n; i++) {
        if (commands[i].script == NULL) {
            continue;
        }

        op->commands[i].argc = commands[i].argc;
        op->commands[i].offset = p - op->saved;

        for (j = 0; j < commands[i].argc; j++) {
            p = ngx_http_proctor_redis_write_arg(
                p, commands[i].argv[j].data, commands[i].argv[j].len);
        }

        op->commands[i].len = p - op->saved - op->commands[i].offset;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_proctor_redis_write_command(ngx_http_proctor_redis_t *redis,
    const ngx_http_proctor_redis_command_t *command)
{
    u_char *p;
    ngx_uint_t i, argc;

    if (ngx_http_proctor_redis_write_room(
            redis, 128
                       + ngx_http_proctor_redis_write_size(
                           command->argv, command->argc))
        != NGX_OK) {
        return NGX_ERROR;
    }

    argc = command->argc + (command->script != NULL ? 2 : 0);
    p = ngx_http_proctor_redis_write_head(redis->bytes, '*', argc);

    if (command->script != NULL) {
        p = ngx_http_proctor_redis_write_arg(p, "EVALSHA", 7);
        p = ngx_http_proctor_redis_write_arg(
            p, command->script->sha1.data, command->script->sha1.len);
    }

    for (i = 0; i < command->argc; i++) {
        p = ngx_http_proctor_redis_write_arg(
            p, command->argv[i].data, command->argv[i].len);
    }

    *p = '\0';

    return ngx_http_proctor_redis_event_write(
        redis, redis->bytes, p - redis->bytes);
}


ngx_int_t
ngx_http_proctor_redis_write_eval(ngx_http_proctor_redis_t *redis,
    const ngx_http_proctor_redis_op_t *op,
    const ngx_http_proctor_redis_saved_t *saved)
{
    u_char *p;

    if (ngx_http_proctor_redis_write_room(
            redis, 128 + saved->script->text.len + saved->len)
        != NGX_OK) {
        return NGX_ERROR;
    }

    p = ngx_http_proctor_redis_write_head(redis->bytes, '*', saved->argc + 2);
    p = ngx_http_proctor_redis_write_arg(p, "EVAL", 4);
    p = ngx_http_proctor_redis_write_arg(
        p, saved->script->text.data, saved->script->text.len);
    p = ngx_cpymem(p, op->saved + saved->offset, saved->len);
    *p = '\0';

    return ngx_http_proctor_redis_event_write(
        redis, redis->bytes, p - redis->bytes);
}


static ngx_int_t
ngx_http_proctor_redis_write_room(ngx_http_proctor_redis_t *redis, size_t size)
{
    if (size <= redis->size) {
        return NGX_OK;
    }

    ngx_free(redis->bytes);
    redis->size = 0;

    size = ngx_max(size, 4096);

    redis->bytes = ngx_alloc(size, redis->log);
    if (redis->bytes == NULL) {
        return NGX_ERROR;
    }

    redis->size = size;

    return NGX_OK;
}


void
ngx_http_proctor_redis_write_trim(ngx_http_proctor_redis_t *redis)
{
    if (redis->size > NGX_HTTP_PROCTOR_REDIS_BYTES_KEPT) {
        ngx_free(redis->bytes);
        redis->bytes = NULL;
        redis->size = 0;
    }
}


static size_t
ngx_http_proctor_redis_write_size(const proctor_str_t *argv, ngx_uint_t argc)
{
    size_t size;
    ngx_uint_t i;

    size = argc * NGX_HTTP_PROCTOR_REDIS_ARG_MAX;

    for (i = 0; i < argc; i++) {
        size += argv[i].len;
    }

    return size;
}


static u_char *
ngx_http_proctor_redis_write_arg(u_char *p, const char *data, size_t len)
{
    p = ngx_http_proctor_redis_write_head(p, '$', len);
    p = ngx_cpymem(p, data, len);
    *p++ = CR;
    *p++ = LF;

    return p;
}


/* "$12\r\n": by ngx_sprintf() it would be the dearest part of a command */

static u_char *
ngx_http_proctor_redis_write_head(u_char *p, u_char type, size_t n)
{
    *p++ = type;
    p = (u_char *) proctor_decimal_write((char *) p, n);
    *p++ = CR;
    *p++ = LF;

    return p;
}
