/*
 * What the files of quotas and budgets share and nobody else sees.
 *
 *     quota.c         the step: is there anything left for this team?
 *     quota_budget.c  the step: is there anything left for this account?
 *     quota_valve.c   an upstream that said 429 is left alone for a while
 *     quota_local.c   counted in the zone
 *     quota_add.c     counted in Redis, without a script
 *     quota_redis.c   counted in Redis, by
 *     quota_script.c  the scripts of quotas, and
 *     quota_script_budget.c  those of accounts
 *     quota_ask.c     one question to Redis, and the request that waits for it
 *     quota_settle.c  the end of a reservation in Redis, told until it is heard
 *     quota_answer.c  when the answer goes out: settled, and said in headers
 *     quota_worker.c  what a worker knows of Redis's counts
 */

#ifndef NGX_HTTP_PROCTOR_QUOTA_H_INCLUDED
#define NGX_HTTP_PROCTOR_QUOTA_H_INCLUDED

#include "ngx_http_proctor_redis_call.h"
#include "proctor_quota.h"


#define NGX_HTTP_PROCTOR_QUOTA_ID 32 /* bytes: a reservation's own */

typedef struct {
    const proctor_quota_t *quota;
    int64_t left;
    int64_t reset; /* ms until there is more */
    int64_t slice; /* of the reservation, in the zone */
    int64_t added; /* what INCR gave, to be taken back; 0: nothing */
} ngx_http_proctor_quota_row_t;

/* what applies to a request, and what was taken; in r->pool */

struct ngx_http_proctor_quota_s {
    ngx_uint_t n;
    ngx_uint_t known;  /* left and reset are */
    ngx_uint_t remote; /* counted in Redis, not in the zone */
    unsigned reserves; /* a bit for each row that does */
    unsigned held;     /* those of them whose reservation is open */
    u_char id[NGX_HTTP_PROCTOR_QUOTA_ID];
    ngx_http_proctor_quota_row_t rows[PROCTOR_QUOTAS_MAX];
};

/* What a worker knows of one quota or limit in Redis. */

typedef struct {
    int64_t base;        /* the counter's oldest value */
    int64_t till;        /* us: until then it may be added to; 0: ask */
    int64_t reset;       /* us: when there is more */
    proctor_seed_t seed; /* for the zone, should Redis go */
} ngx_http_proctor_quota_known_t;

/* In cycle->pool; what is in the queues is on the heap. */

struct ngx_http_proctor_quotas_s {
    ngx_http_proctor_main_conf_t *mcf;
    ngx_http_proctor_worker_t *worker;
    ngx_http_proctor_quota_known_t *known; /* by proctor_quota_t.index */
    ngx_queue_t asks;
    ngx_queue_t debts; /* quota_settle.c's */
    ngx_event_t retry; /* of those */
    uint64_t ids;
    ngx_http_proctor_quota_stats_t stats;
};

typedef struct ngx_http_proctor_quota_ask_s ngx_http_proctor_quota_ask_t;

/* r NULL: the request has gone; replies NULL: Redis is ill.  What it leaves in
   the request is the verdict: the request is resumed after it, unless it
   returns NGX_AGAIN because another question was sent. */
typedef ngx_int_t (*ngx_http_proctor_quota_ask_pt)(
    ngx_http_proctor_quota_ask_t *ask, ngx_http_request_t *r,
    const ngx_http_proctor_redis_reply_t *replies);

/* On the heap, since a reply may come when the request has gone; in the
   worker's queue, which frees it at the end. */

struct ngx_http_proctor_quota_ask_s {
    ngx_queue_t queue;
    ngx_http_proctor_redis_call_t call;
    ngx_http_proctor_wait_t *wait;
    ngx_http_proctor_quota_ask_pt handler;
    ngx_http_proctor_main_conf_t *mcf;
    const proctor_team_t *team;
    const proctor_operation_t *operation;
    int64_t sent;   /* us */
    ngx_uint_t n;   /* replies that are the handler's */
    ngx_uint_t all; /* n, and those of the request's lookup */
    u_char id[NGX_HTTP_PROCTOR_QUOTA_ID];
};

#define NGX_HTTP_PROCTOR_QUOTA_ARGS (2 + 6 * PROCTOR_QUOTAS_MAX)

/* a script's arguments as they are gathered */

typedef struct {
    proctor_str_t argv[NGX_HTTP_PROCTOR_QUOTA_ARGS];
    ngx_uint_t argc;
    u_char text[NGX_HTTP_PROCTOR_QUOTA_ARGS * (NGX_INT64_LEN + 1)];
    u_char *last;
} ngx_http_proctor_quota_args_t;


/* ngx_http_proctor_quota.c */

/* the quotas that count calls of this operation */
void ngx_http_proctor_quota_rows(ngx_http_proctor_quota_t *q,
    const proctor_team_t *team, const proctor_operation_t *operation);
/* NGX_OK: it goes on, perhaps observed; NGX_DECLINED: refused */
ngx_int_t ngx_http_proctor_quota_refuse(
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_error_e code, int64_t wait);

typedef ngx_int_t (*ngx_http_proctor_quota_local_pt)(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);

/* Redis was not to be had: as the directive says */
ngx_int_t ngx_http_proctor_quota_ill(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_quota_local_pt local);

/* ngx_http_proctor_quota_local.c */

/* as the step */
ngx_int_t ngx_http_proctor_quota_local(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
void ngx_http_proctor_quota_local_settle(ngx_http_proctor_main_conf_t *mcf,
    const ngx_http_proctor_quota_t *q, ngx_uint_t accepted);
ngx_int_t ngx_http_proctor_quota_local_budget(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* what this worker knows of Redis's count, for all workers */
void ngx_http_proctor_quota_local_learn(
    ngx_http_proctor_main_conf_t *mcf, const ngx_http_proctor_quota_t *q);

/* ngx_http_proctor_quota_add.c */

/* NGX_AGAIN; NGX_DECLINED: the script has to be asked; NGX_ERROR */
ngx_int_t ngx_http_proctor_quota_add(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_quota_redis.c */

/* NGX_AGAIN; NGX_DECLINED: Redis is not to be had; NGX_ERROR */
ngx_int_t ngx_http_proctor_quota_redis(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
ngx_int_t ngx_http_proctor_quota_redis_take(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
ngx_int_t ngx_http_proctor_quota_redis_budget(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* is the account's valve shut?  For an account without limits */
ngx_int_t ngx_http_proctor_quota_redis_valve(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
void ngx_http_proctor_quota_redis_valve_shut(ngx_http_proctor_main_conf_t *mcf,
    const proctor_account_t *account, int64_t wait);

/* ngx_http_proctor_quota_script.c, _script_budget.c: the text of each */

extern const proctor_str_t ngx_http_proctor_quota_script_take;
extern const proctor_str_t ngx_http_proctor_quota_script_settle;
extern const proctor_str_t ngx_http_proctor_quota_script_budget;
extern const proctor_str_t ngx_http_proctor_quota_script_valve;

/* ngx_http_proctor_quota_ask.c */

/* `commands`: n of them, and room for a batch; what the request looks up goes
   with them */
ngx_int_t ngx_http_proctor_quota_ask(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_redis_command_t *commands,
    ngx_uint_t n, ngx_http_proctor_quota_ask_pt handler);
ngx_int_t ngx_http_proctor_quota_ask_script(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_http_proctor_redis_script_t *script,
    const ngx_http_proctor_quota_args_t *args,
    ngx_http_proctor_quota_ask_pt handler);
/* as ngx_http_proctor_redis_send(); `call` NULL: nobody waits for it */
ngx_int_t ngx_http_proctor_quota_tell(ngx_http_proctor_redis_t *redis,
    ngx_http_proctor_redis_call_t *call,
    const ngx_http_proctor_redis_script_t *script,
    const ngx_http_proctor_quota_args_t *args);
void ngx_http_proctor_quota_args(
    ngx_http_proctor_quota_args_t *args, ngx_uint_t nkeys);
void ngx_http_proctor_quota_arg(
    ngx_http_proctor_quota_args_t *args, const proctor_str_t *s);
void ngx_http_proctor_quota_arg_number(
    ngx_http_proctor_quota_args_t *args, int64_t n);

/* ngx_http_proctor_quota_settle.c */

/* the reservations of q->held, by q->id */
void ngx_http_proctor_quota_settle_remote(ngx_http_proctor_main_conf_t *mcf,
    const ngx_http_proctor_quota_t *q, ngx_uint_t accepted);
void ngx_http_proctor_quota_settle_retry(ngx_event_t *ev);
void ngx_http_proctor_quota_settle_exit(ngx_http_proctor_quotas_t *quotas);

/* ngx_http_proctor_quota_budget.c */

/* a team's name as a number, never 0 */
uint64_t ngx_http_proctor_quota_team(const proctor_team_t *team);

/* ngx_http_proctor_quota_valve.c */

/* ms: whatever the upstream says, or Redis, from which the valve would not be
   opened again */
#define NGX_HTTP_PROCTOR_QUOTA_VALVE_MAX 3600000

/* ms until the account's upstream may be asked again; 0: now, as far as this
   machine knows.  *ask: set when it is time to ask Redis */
int64_t ngx_http_proctor_quota_valve_wait(ngx_http_proctor_main_conf_t *mcf,
    const proctor_account_t *account, ngx_uint_t *ask);
/* for all workers; never shortens */
void ngx_http_proctor_quota_valve_shut(ngx_http_proctor_main_conf_t *mcf,
    const proctor_account_t *account, int64_t wait);
/* the upstream's 429 has come in */
ngx_int_t ngx_http_proctor_quota_valve_header(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_quota_worker.c */

/* us of a clock that nobody sets */
int64_t ngx_http_proctor_quota_now(void);

#endif /* NGX_HTTP_PROCTOR_QUOTA_H_INCLUDED */
