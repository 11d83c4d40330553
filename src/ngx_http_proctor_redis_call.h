/*
 * How Redis is asked, by the quota, the cache, the audit trail's stream and
 * the status page.
 *
 * All of this is in redis_call.c, but for the scripts, which redis_conf.c has.
 */

#ifndef NGX_HTTP_PROCTOR_REDIS_CALL_H_INCLUDED
#define NGX_HTTP_PROCTOR_REDIS_CALL_H_INCLUDED

#include "ngx_http_proctor.h"


/* how a call ended; the words are those of RESP's errors */

typedef enum {
    NGX_HTTP_PROCTOR_REDIS_REPLY = 0, /* no reply is an error */
    NGX_HTTP_PROCTOR_REDIS_TIMEOUT,   /* it may or may not have happened */
    NGX_HTTP_PROCTOR_REDIS_DOWN,      /* as timeout: the connection ended */
    NGX_HTTP_PROCTOR_REDIS_NOSCRIPT,  /* also to EVAL, which nobody explains */
    NGX_HTTP_PROCTOR_REDIS_LOADING,
    NGX_HTTP_PROCTOR_REDIS_BUSY, /* with a script */
    NGX_HTTP_PROCTOR_REDIS_READONLY,
    NGX_HTTP_PROCTOR_REDIS_MASTERDOWN,
    NGX_HTTP_PROCTOR_REDIS_NOAUTH,
    NGX_HTTP_PROCTOR_REDIS_NOPERM,
    NGX_HTTP_PROCTOR_REDIS_OOM,
    NGX_HTTP_PROCTOR_REDIS_MISCONF,
    NGX_HTTP_PROCTOR_REDIS_NOREPLICAS,
    NGX_HTTP_PROCTOR_REDIS_WRONGTYPE,
    NGX_HTTP_PROCTOR_REDIS_CLUSTER, /* MOVED and its like: not supported */
    NGX_HTTP_PROCTOR_REDIS_FULL,    /* no more clients */
    NGX_HTTP_PROCTOR_REDIS_ERR,     /* any other */
    NGX_HTTP_PROCTOR_REDIS_STATUSES
} ngx_http_proctor_redis_status_e;

/* numbered as hiredis does, which looks at the type of what it hands out */

typedef enum {
    NGX_HTTP_PROCTOR_REDIS_STRING = 1,
    NGX_HTTP_PROCTOR_REDIS_ARRAY,
    NGX_HTTP_PROCTOR_REDIS_INTEGER,
    NGX_HTTP_PROCTOR_REDIS_NIL,
    NGX_HTTP_PROCTOR_REDIS_WORD, /* +OK */
    NGX_HTTP_PROCTOR_REDIS_ERROR
} ngx_http_proctor_redis_type_e;

/* in the client's memory, and gone when the handler returns */

typedef struct ngx_http_proctor_redis_reply_s ngx_http_proctor_redis_reply_t;

struct ngx_http_proctor_redis_reply_s {
    int type; /* ngx_http_proctor_redis_type_e; the first member: hiredis */
    ngx_http_proctor_redis_status_e error; /* ERROR: which */
    int64_t integer;
    proctor_str_t str;                       /* STRING, WORD, ERROR; also NUL */
    size_t nelements;                        /* ARRAY */
    ngx_http_proctor_redis_reply_t *element; /* the elements themselves */
};

/* One command.  With a script: argv is numkeys, keys, arguments.  Else a key is
   its first argument, and without an argument it has none.  All keys of one
   command have one hash tag. */

typedef struct {
    const proctor_str_t *argv;
    ngx_uint_t argc;
    const ngx_http_proctor_redis_script_t *script; /* NULL: argv[0] says */
} ngx_http_proctor_redis_command_t;

#define NGX_HTTP_PROCTOR_REDIS_BATCH 16 /* commands in one call */
#define NGX_HTTP_PROCTOR_REDIS_RUN   16 /* digits */

/* `replies`: one for each command, also when some are errors; NULL when the
   status is TIMEOUT or DOWN.  `status`: the first error's.  A handler may send,
   cancel, resume and finalise as it likes. */
typedef void (*ngx_http_proctor_redis_pt)(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);

/* Who waits.  In the caller's memory, zeroed but for handler and data; while
   `op` is set its end must not come without a cancel. */

typedef struct ngx_http_proctor_redis_call_s ngx_http_proctor_redis_call_t;

struct ngx_http_proctor_redis_call_s {
    ngx_http_proctor_redis_pt handler;
    void *data;
    ngx_http_proctor_redis_call_t **op; /* where the client has this one */
};

typedef enum {
    NGX_HTTP_PROCTOR_REDIS_OFF = 0,    /* no connection; maybe later */
    NGX_HTTP_PROCTOR_REDIS_CONNECTING, /* connect() is under way */
    NGX_HTTP_PROCTOR_REDIS_HANDSHAKE,  /* the server is asked who it is */
    NGX_HTTP_PROCTOR_REDIS_SUSPECT,    /* it kept silent or is ill: probed */
    NGX_HTTP_PROCTOR_REDIS_READY       /* the only state that takes calls */
} ngx_http_proctor_redis_state_e;

typedef struct {
    ngx_uint_t connects;
    ngx_uint_t losses;
    ngx_uint_t calls;
    ngx_uint_t replies;
    ngx_uint_t timeouts;
    ngx_uint_t late;     /* replies that found nobody */
    ngx_uint_t declined; /* calls, while it was not ready */
    ngx_uint_t busy;     /* calls, over a limit */
    ngx_uint_t suspected;
    ngx_uint_t resent;    /* scripts that the server had forgotten */
    ngx_uint_t redirects; /* of commands, by a cluster's servers */
    ngx_uint_t errors[NGX_HTTP_PROCTOR_REDIS_STATUSES];
} ngx_http_proctor_redis_stats_t;

typedef struct {
    ngx_http_proctor_redis_state_e state;
    const char *word; /* of the state */
    const char *reason;
    ngx_str_t name; /* of all servers */
    ngx_str_t at;   /* that is, or was, connected */
    ngx_uint_t pending;
    const ngx_http_proctor_redis_stats_t *stats;
    unsigned some : 1; /* some calls are taken; all, when it is ready */
} ngx_http_proctor_redis_view_t;

/* NULL: out of memory */
ngx_http_proctor_redis_t *ngx_http_proctor_redis_create(
    ngx_cycle_t *cycle, ngx_http_proctor_redis_conf_t *conf);
/* the process ends: who waits is forgotten, not called */
void ngx_http_proctor_redis_destroy(ngx_http_proctor_redis_t *redis);
/* 0: a call would be declined, and counts as such: who asks first need not
   prepare one */
ngx_uint_t ngx_http_proctor_redis_takes(ngx_http_proctor_redis_t *redis);
void ngx_http_proctor_redis_view(
    const ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_view_t *view);
/* of a cluster, server by server, and how many slots it has; NGX_DECLINED:
   there is none of that number; NGX_DONE: nor of any after that */
ngx_int_t ngx_http_proctor_redis_view_node(
    const ngx_http_proctor_redis_t *redis, ngx_uint_t i,
    ngx_http_proctor_redis_view_t *view, ngx_uint_t *slots);

/*
 * All commands in one round trip, in order; nothing of them is kept.  `call`
 * NULL: nobody waits.
 *   NGX_OK        call->handler will be called exactly once, after this
 *                 returned, within the timeout;
 *   NGX_DECLINED  it is not ready (or redis is NULL): nothing was sent;
 *   NGX_BUSY      over a limit, or out of memory: nothing was sent.
 */
ngx_int_t ngx_http_proctor_redis_send(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_call_t *call,
    const ngx_http_proctor_redis_command_t *commands, ngx_uint_t n);
/* the handler will not be called; the commands stay sent */
void ngx_http_proctor_redis_cancel(ngx_http_proctor_redis_call_t *call);
/* whose replies on this key these are: another's after a restart, or when
   another server took this one's place; zeros: it does not say.  NULL: whose
   those on any key.  Until the next question */
const char *ngx_http_proctor_redis_run(
    const ngx_http_proctor_redis_t *redis, const proctor_str_t *key);
/* "reply", "timeout", "readonly" */
const char *ngx_http_proctor_redis_word(ngx_http_proctor_redis_status_e status);

/*
 * Commands that want to travel with the quota's question, in its round trip.
 * A step before it sets ctx->lookup; all of it is the request's memory.
 *
 * A step after it finds `sent` zero: nobody went to Redis, ask yourself (no
 * quota applies, or Redis was not to be had).  Else the handler was called
 * before the request was resumed: `replies` one for each command, of which any
 * may be an error, or NULL when none came.  It is not called when the quota
 * refused the call, nor when the request has gone.  It copies what it wants to
 * keep, and neither resumes nor ends the request.
 */

typedef struct ngx_http_proctor_lookup_s {
    const ngx_http_proctor_redis_command_t *commands;
    ngx_uint_t n; /* NGX_HTTP_PROCTOR_LOOKUP_MAX at most */
    void (*handler)(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
        const ngx_http_proctor_redis_reply_t *replies);
    unsigned sent : 1;
} ngx_http_proctor_lookup_t;

#define NGX_HTTP_PROCTOR_LOOKUP_MAX (NGX_HTTP_PROCTOR_REDIS_BATCH - 1)

/* while the configuration is read, all directives being known (init_main):
   `text` must outlive the cycle; NULL: out of memory, or one too many */
const ngx_http_proctor_redis_script_t *ngx_http_proctor_redis_script(
    ngx_conf_t *cf, ngx_http_proctor_redis_conf_t *conf,
    const proctor_str_t *text);

/* several of them, each to its place; NGX_ERROR as above */

typedef struct {
    const ngx_http_proctor_redis_script_t **script;
    const proctor_str_t *text;
} ngx_http_proctor_redis_place_t;

ngx_int_t ngx_http_proctor_redis_scripts(ngx_conf_t *cf,
    ngx_http_proctor_redis_conf_t *conf,
    const ngx_http_proctor_redis_place_t *places, ngx_uint_t n);

#endif /* NGX_HTTP_PROCTOR_REDIS_CALL_H_INCLUDED */
