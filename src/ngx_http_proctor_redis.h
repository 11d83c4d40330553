/*
 * What the files of the Redis client share and nobody else sees.
 *
 *     redis_call.c   what the others call
 *     redis.c        the states, and when to connect
 *     redis_health.c what silence and errors mean; the probe
 *     redis_greet.c  the handshake
 *     redis_peer.c   the addresses
 *     redis_role.c   which of several servers is the master
 *     redis_start.c  the first one, which the worker waits for
 *     redis_op.c     operations: sent, answered, late, lost
 *     redis_write.c  commands as bytes
 *     redis_event.c  hiredis on nginx's event loop
 *     redis_reader.c hiredis's reader, which speaks to
 *     redis_reply.c  replies and their memory
 *
 * A call's way: redis_op_send() puts an operation at the end of `flight` and
 * its bytes into hiredis's buffer; a posted event writes them once a loop
 * turn.  RESP has no ids: each reply is the next of flight's head.  When its
 * last reply is there the operation moves to `done`, and once hiredis has
 * returned, redis_op_deliver() calls the handlers, so that no handler ever
 * runs on hiredis's stack.
 */

#ifndef NGX_HTTP_PROCTOR_REDIS_H_INCLUDED
#define NGX_HTTP_PROCTOR_REDIS_H_INCLUDED

#include "ngx_http_proctor_redis_call.h"


typedef struct ngx_http_proctor_redis_cluster_s
    ngx_http_proctor_redis_cluster_t;


/* a connection whose oldest command waits this many timeouts is given up */
#define NGX_HTTP_PROCTOR_REDIS_PATIENCE 10

/* of these many commands in a row that a LOADING or BUSY answered */
#define NGX_HTTP_PROCTOR_REDIS_ILL 5

#define NGX_HTTP_PROCTOR_REDIS_SCRIPTS 8
#define NGX_HTTP_PROCTOR_REDIS_SHA1    40 /* hexadecimal digits */
#define NGX_HTTP_PROCTOR_REDIS_REASON  128

struct redisAsyncContext;
struct redisReplyObjectFunctions;

struct ngx_http_proctor_redis_script_s {
    proctor_str_t text;
    proctor_str_t sha1;
};

typedef struct {
    ngx_str_t name; /* as it was written, or what that stands for */
    char *host;     /* a numeric address, or a path */
    in_port_t port; /* 0: a unix socket */
} ngx_http_proctor_redis_peer_t;

/* The directive, in cf->pool; the password is wiped when that is destroyed. */

struct ngx_http_proctor_redis_conf_s {
    ngx_str_t name; /* as it was written */
    ngx_http_proctor_redis_peer_t *peers;
    ngx_uint_t npeers;
    ngx_str_t user;
    ngx_str_t password;
    ngx_uint_t db;
    ngx_uint_t cluster;         /* 1: the addresses are some of its servers' */
    ngx_uint_t connect_timeout; /* ms; the handshake included */
    ngx_uint_t timeout;         /* ms */
    ngx_uint_t max_pending;     /* operations, those included that nobody
                                   waits for any more */
    ngx_uint_t max_reply;       /* bytes */
    ngx_uint_t max_output;      /* bytes that the server did not take yet */
    ngx_http_proctor_redis_script_t scripts[NGX_HTTP_PROCTOR_REDIS_SCRIPTS];
    ngx_uint_t nscripts;
};

/* the bytes of a script's keys and arguments, should it have to be resent */

typedef struct {
    const ngx_http_proctor_redis_script_t *script; /* NULL: it is none */
    ngx_uint_t argc;
    size_t offset; /* in op->saved */
    size_t len;
} ngx_http_proctor_redis_saved_t;

/* On the heap, in one of the client's three queues. */

typedef struct ngx_http_proctor_redis_op_s {
    ngx_queue_t queue;
    ngx_http_proctor_redis_call_t *call; /* NULL: nobody waits (any more) */
    ngx_http_proctor_redis_status_e status;
    ngx_http_proctor_redis_reply_t *replies; /* NULL: none yet */
    proctor_arena_t *held; /* where they are, when a part is asked again */
    ngx_msec_t sent;
    ngx_msec_t deadline;
    uint64_t start;  /* where in the output it begins */
    ngx_uint_t n;    /* commands */
    ngx_uint_t next; /* the command that the next reply belongs to */
    uint32_t due;    /* a bit for each command without a reply */
    unsigned expired : 1;
    unsigned resent : 1;
    u_char *saved;
    size_t saved_size;
    ngx_http_proctor_redis_saved_t commands[NGX_HTTP_PROCTOR_REDIS_BATCH];
} ngx_http_proctor_redis_op_t;

/* One a worker, in cycle->pool; what it points to is freed by destroy(). */

struct ngx_http_proctor_redis_s {
    ngx_http_proctor_redis_conf_t *conf;
    ngx_http_proctor_redis_cluster_t *cluster; /* NULL: it is a server */
    ngx_log_t *log;
    ngx_http_proctor_redis_state_e state;
    char reason[NGX_HTTP_PROCTOR_REDIS_REASON]; /* until it is ready */
    char run[NGX_HTTP_PROCTOR_REDIS_RUN];       /* the server's, once it is */
    char history[NGX_HTTP_PROCTOR_REDIS_RUN];   /* what of that is its role's */

    /* the connection; OFF with a context: it is about to be closed */
    struct redisAsyncContext *ac;
    ngx_connection_t *connection;
    const ngx_http_proctor_redis_peer_t *at;
    ngx_uint_t peer;       /* the address whose turn it is */
    ngx_uint_t tried;      /* addresses of this round */
    unsigned greeting : 1; /* it was not ready since it was opened */
    unsigned again : 1;    /* this round met a master without a replica */
    unsigned alone : 1;    /* ... and this one takes it */
    unsigned writing : 1;
    unsigned explained : 1; /* `reason` is this connection's */

    ngx_queue_t flight; /* sent, oldest first */
    ngx_queue_t done;   /* answered or lost; handlers are due */
    ngx_queue_t free;
    ngx_uint_t pending; /* in flight */
    uint64_t output;    /* bytes ever given to this connection */

    /* Replies are built in arenas[building].  The first operation that a read
       completes turns them over; the other is reset once handlers have run, and
       nothing that is half built ever lies in it. */
    proctor_arena_t *arenas[2];
    ngx_uint_t building;
    unsigned turned : 1;

    ngx_event_t deadline; /* of the oldest operation */
    unsigned second_look : 1;
    ngx_event_t retry; /* connects when OFF, probes when SUSPECT */
    ngx_msec_t backoff;
    ngx_msec_t ready_since;
    ngx_uint_t ill;    /* LOADING or BUSY, in a row */
    ngx_event_t watch; /* asks a master among several if it still is */
    ngx_http_proctor_redis_call_t asked;
    ngx_http_proctor_redis_call_t handshake;
    ngx_http_proctor_redis_call_t probe;
    ngx_http_proctor_redis_status_e said; /* why, as last logged; REPLY: none */
    time_t said_error[NGX_HTTP_PROCTOR_REDIS_STATUSES];

    u_char *bytes; /* where commands are spelled */
    size_t size;

    ngx_http_proctor_redis_stats_t stats;
};


/* ngx_http_proctor_redis.c */

/* of zeroed memory; connects at once.  NGX_ERROR: out of memory */
ngx_int_t ngx_http_proctor_redis_init(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_conf_t *conf, ngx_log_t *log);
/* who waits is forgotten, not called */
void ngx_http_proctor_redis_fini(ngx_http_proctor_redis_t *redis);
/* the connection is gone: everybody who waits is told */
void ngx_http_proctor_redis_lost(ngx_http_proctor_redis_t *redis);
/* the reason why it is not, or will not be, ready: the first one is the cause
   of those that follow */
void ngx_http_proctor_redis_explain(
    ngx_http_proctor_redis_t *redis, const char *fmt, ...);
/* closes it, later in this turn of the loop; `fmt` is the reason */
void ngx_http_proctor_redis_doom(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_status_e status, const char *fmt, ...);
void ngx_http_proctor_redis_connected(ngx_http_proctor_redis_t *redis);
/* the server of this connection, or of the last one */
const ngx_str_t *ngx_http_proctor_redis_name(
    const ngx_http_proctor_redis_t *redis);
/* all was as it should be */
void ngx_http_proctor_redis_ready(ngx_http_proctor_redis_t *redis);

/* tries again, after a while */
void ngx_http_proctor_redis_later(ngx_http_proctor_redis_t *redis);
/* in the log, once for each cause; that it is gone follows from all others */
void ngx_http_proctor_redis_say(
    ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_status_e status);
/* the reason in any case */
void ngx_http_proctor_redis_explain_args(
    ngx_http_proctor_redis_t *redis, const char *fmt, va_list args);

/* ngx_http_proctor_redis_health.c */

/* an operation was not answered in time */
void ngx_http_proctor_redis_silent(ngx_http_proctor_redis_t *redis);
/* an operation was answered: what follows from how */
void ngx_http_proctor_redis_heard(
    ngx_http_proctor_redis_t *redis, const ngx_http_proctor_redis_op_t *op);
/* asks a server that is SUSPECT how it is */
void ngx_http_proctor_redis_ping(ngx_http_proctor_redis_t *redis);
/* the handler of that */
void ngx_http_proctor_redis_pong(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);

/* ngx_http_proctor_redis_greet.c */

ngx_int_t ngx_http_proctor_redis_greet(ngx_http_proctor_redis_t *redis);
/* its handler */
void ngx_http_proctor_redis_greeted(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);

/* ngx_http_proctor_redis_peer.c */

/* how many of the directive's arguments are addresses: one at least */
ngx_uint_t ngx_http_proctor_redis_peers_count(const ngx_conf_t *cf);
/* NGX_ERROR: an address is none, and that was said */
ngx_int_t ngx_http_proctor_redis_peers(
    ngx_conf_t *cf, ngx_http_proctor_redis_conf_t *redis, ngx_uint_t n);

/* ngx_http_proctor_redis_role.c */

void ngx_http_proctor_redis_role_init(ngx_http_proctor_redis_t *redis);
/* what to ask a server */
void ngx_http_proctor_redis_role_ask(ngx_http_proctor_redis_command_t *command);
/* NGX_DECLINED: it is not the one, and is doomed */
ngx_int_t ngx_http_proctor_redis_role(ngx_http_proctor_redis_t *redis,
    const ngx_http_proctor_redis_reply_t *reply);
/* what INFO server and that question were answered becomes redis->run */
void ngx_http_proctor_redis_role_run(ngx_http_proctor_redis_t *redis,
    const ngx_http_proctor_redis_reply_t *server,
    const ngx_http_proctor_redis_reply_t *replication);
/* 1: should this address fail, another is tried at once; next() does so */
ngx_uint_t ngx_http_proctor_redis_role_more(
    const ngx_http_proctor_redis_t *redis);
ngx_uint_t ngx_http_proctor_redis_role_next(ngx_http_proctor_redis_t *redis);
/* it is ready: it is asked again after a while */
void ngx_http_proctor_redis_role_watch(ngx_http_proctor_redis_t *redis);

/* ngx_http_proctor_redis_start.c */

/* as long as a worker may wait */
ngx_msec_t ngx_http_proctor_redis_start_until(
    const ngx_http_proctor_redis_conf_t *conf);
/* waits until the first greeting is over, or for so long */
void ngx_http_proctor_redis_start(
    ngx_http_proctor_redis_t *redis, ngx_msec_t until);

/* ngx_http_proctor_redis_cluster.c and redis_slots.c, for whom `seed` asks
   any of the addresses */

ngx_http_proctor_redis_cluster_t *ngx_http_proctor_redis_cluster_create(
    ngx_cycle_t *cycle, ngx_http_proctor_redis_t *seed);
void ngx_http_proctor_redis_cluster_start(
    ngx_http_proctor_redis_cluster_t *cluster, ngx_msec_t until);
/* also of that one */
void ngx_http_proctor_redis_cluster_destroy(
    ngx_http_proctor_redis_cluster_t *cluster);
/* who has which slot: what to ask, and what was answered by whom; NGX_DECLINED:
   not that */
void ngx_http_proctor_redis_cluster_question(
    ngx_http_proctor_redis_command_t *command);
ngx_int_t ngx_http_proctor_redis_slots(
    ngx_http_proctor_redis_cluster_t *cluster, const char *from,
    const ngx_http_proctor_redis_reply_t *reply);
/* redis_call.c's, of one */
ngx_uint_t ngx_http_proctor_redis_cluster_takes(
    ngx_http_proctor_redis_cluster_t *cluster);
ngx_int_t ngx_http_proctor_redis_route(
    ngx_http_proctor_redis_cluster_t *cluster,
    ngx_http_proctor_redis_call_t *call,
    const ngx_http_proctor_redis_command_t *commands, ngx_uint_t n);
const char *ngx_http_proctor_redis_cluster_run(
    ngx_http_proctor_redis_cluster_t *cluster, const proctor_str_t *key);
void ngx_http_proctor_redis_cluster_view(
    ngx_http_proctor_redis_cluster_t *cluster,
    ngx_http_proctor_redis_view_t *view);
ngx_int_t ngx_http_proctor_redis_cluster_node(
    const ngx_http_proctor_redis_cluster_t *cluster, ngx_uint_t i,
    ngx_http_proctor_redis_view_t *view, ngx_uint_t *slots);
/* 1: a server of it is ready */
ngx_uint_t ngx_http_proctor_redis_cluster_some(
    const ngx_http_proctor_redis_cluster_t *cluster);

/* ngx_http_proctor_redis_call.c */

/* as ngx_http_proctor_redis_send(), of this very server */
ngx_int_t ngx_http_proctor_redis_ask(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_call_t *call,
    const ngx_http_proctor_redis_command_t *commands, ngx_uint_t n);
void ngx_http_proctor_redis_stats_add(ngx_http_proctor_redis_stats_t *to,
    const ngx_http_proctor_redis_stats_t *from);

/* ngx_http_proctor_redis_op.c */

/* as ngx_http_proctor_redis_send(), in any state and over any limit */
ngx_int_t ngx_http_proctor_redis_op_send(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_call_t *call,
    const ngx_http_proctor_redis_command_t *commands, ngx_uint_t n);
/* the reply to flight's head is complete; NGX_ERROR: it answers no question */
ngx_int_t ngx_http_proctor_redis_op_reply(ngx_http_proctor_redis_t *redis);
/* calls the handlers of all that is done */
void ngx_http_proctor_redis_op_deliver(ngx_http_proctor_redis_t *redis);
/* all that is in flight is lost, and done with that */
void ngx_http_proctor_redis_op_lose(ngx_http_proctor_redis_t *redis);
void ngx_http_proctor_redis_op_deadline(ngx_event_t *ev);
void ngx_http_proctor_redis_op_destroy(ngx_http_proctor_redis_t *redis);

/* ngx_http_proctor_redis_write.c */

ngx_int_t ngx_http_proctor_redis_write_command(ngx_http_proctor_redis_t *redis,
    const ngx_http_proctor_redis_command_t *command);
/* EVAL once, by which the server learns the script again */
ngx_int_t ngx_http_proctor_redis_write_eval(ngx_http_proctor_redis_t *redis,
    const ngx_http_proctor_redis_op_t *op,
    const ngx_http_proctor_redis_saved_t *saved);
/* what that would need: keys and arguments of scripts, as they are sent */
ngx_int_t ngx_http_proctor_redis_write_save(ngx_http_proctor_redis_op_t *op,
    const ngx_http_proctor_redis_command_t *commands);
/* after the last command of an operation */
void ngx_http_proctor_redis_write_trim(ngx_http_proctor_redis_t *redis);

/* ngx_http_proctor_redis_reply.c */

/* the object of a value: an element of `parent`, or (NULL) a whole reply.
   NULL: it must not be, and the reason is set */
ngx_http_proctor_redis_reply_t *ngx_http_proctor_redis_reply_new(
    ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_reply_t *parent,
    int idx, int type);
/* NGX_ERROR: too large */
ngx_int_t ngx_http_proctor_redis_reply_string(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_reply_t *reply, const char *str, size_t len);
ngx_int_t ngx_http_proctor_redis_reply_array(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_reply_t *reply, size_t n);
ngx_int_t ngx_http_proctor_redis_reply_init(ngx_http_proctor_redis_t *redis);
/* the arenas of what was delivered, after a read */
void ngx_http_proctor_redis_reply_reset(ngx_http_proctor_redis_t *redis);
/* copies the operation's replies, which so survive this read */
ngx_int_t ngx_http_proctor_redis_reply_hold(
    ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_op_t *op);
proctor_arena_t *ngx_http_proctor_redis_reply_arena(
    ngx_http_proctor_redis_t *redis);
/* all of it; NGX_ERROR: out of memory, or too large */
ngx_int_t ngx_http_proctor_redis_reply_copy(proctor_arena_t *arena,
    ngx_http_proctor_redis_reply_t *to,
    const ngx_http_proctor_redis_reply_t *from);
/* the upper-case word that an error begins with, as far as it is one */
size_t ngx_http_proctor_redis_reply_word(const proctor_str_t *error);

/* ngx_http_proctor_redis_reader.c */

extern struct redisReplyObjectFunctions ngx_http_proctor_redis_reader;

/* ngx_http_proctor_redis_event.c */

/* NGX_ERROR: it failed at once, and the reason is set */
ngx_int_t ngx_http_proctor_redis_event_open(
    ngx_http_proctor_redis_t *redis, const ngx_http_proctor_redis_peer_t *peer);
/* calls nobody back; never on hiredis's stack */
void ngx_http_proctor_redis_event_close(ngx_http_proctor_redis_t *redis);
/* one command, NUL behind it, to be written with the others of this turn */
ngx_int_t ngx_http_proctor_redis_event_write(
    ngx_http_proctor_redis_t *redis, const u_char *bytes, size_t len);
/* bytes that were not written yet */
size_t ngx_http_proctor_redis_event_queued(
    const ngx_http_proctor_redis_t *redis);

#endif /* NGX_HTTP_PROCTOR_REDIS_H_INCLUDED */
