/*
 * The map of the nginx half: shared types, and the prototypes grouped under
 * the file that defines them.  proctor.h is the map of the pure half.
 *
 * What a step returns (ngx_http_proctor_step_pt):
 *   NGX_OK        done: the runner goes on with the next step;
 *   NGX_AGAIN     suspended: somebody will call ngx_http_proctor_run_resume();
 *   NGX_DONE      the body is being read: the request belongs to nginx;
 *   NGX_DECLINED  refused: ngx_http_proctor_refuse() said why;
 *   NGX_ERROR     out of memory or worse: the connection is closed.
 */

#ifndef NGX_HTTP_PROCTOR_H_INCLUDED
#define NGX_HTTP_PROCTOR_H_INCLUDED

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "proctor.h"


#define NGX_HTTP_PROCTOR_RID_MAX     128 /* of a request id that was given */
#define NGX_HTTP_PROCTOR_HEADERS_MAX 100 /* request header lines */
#define NGX_HTTP_PROCTOR_NAMES       128 /* slots for names we know: 2^n */
#define NGX_HTTP_PROCTOR_DETAIL_MAX  512 /* bytes of an error's sentence */

/* bodies over this are hashed, parsed and checked in the thread pool */
#define NGX_HTTP_PROCTOR_INLINE_MAX 65536


typedef struct ngx_http_proctor_ctx_s ngx_http_proctor_ctx_t;
typedef struct ngx_http_proctor_wait_s ngx_http_proctor_wait_t;
typedef struct ngx_http_proctor_audit_s ngx_http_proctor_audit_t;
typedef struct ngx_http_proctor_audit_conf_s ngx_http_proctor_audit_conf_t;
typedef struct ngx_http_proctor_audit_intent_s ngx_http_proctor_audit_intent_t;
typedef struct ngx_http_proctor_zone_s ngx_http_proctor_zone_t;
typedef struct ngx_http_proctor_quota_s ngx_http_proctor_quota_t;
typedef struct ngx_http_proctor_quotas_s ngx_http_proctor_quotas_t;
typedef struct ngx_http_proctor_cache_s ngx_http_proctor_cache_t;
typedef struct ngx_http_proctor_cache_area_s ngx_http_proctor_cache_area_t;
typedef struct ngx_http_proctor_cache_worker_s ngx_http_proctor_cache_worker_t;
typedef struct ngx_http_proctor_redis_s ngx_http_proctor_redis_t;
typedef struct ngx_http_proctor_redis_conf_s ngx_http_proctor_redis_conf_t;
typedef struct ngx_http_proctor_redis_script_s ngx_http_proctor_redis_script_t;

typedef ngx_int_t (*ngx_http_proctor_step_pt)(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);

typedef struct {
    const char *name;
    ngx_http_proctor_step_pt handler;
} ngx_http_proctor_step_t;


/* Why a request was refused.  error.c holds the table that these index. */

typedef enum {
    NGX_HTTP_PROCTOR_FINE = 0,
    NGX_HTTP_PROCTOR_MALFORMED,
    NGX_HTTP_PROCTOR_BAD_PATH,
    NGX_HTTP_PROCTOR_NO_PATH,
    NGX_HTTP_PROCTOR_BAD_METHOD,
    NGX_HTTP_PROCTOR_BAD_EXPECT,
    NGX_HTTP_PROCTOR_NO_KEY,
    NGX_HTTP_PROCTOR_BAD_KEY,
    NGX_HTTP_PROCTOR_EXPIRED_KEY,
    NGX_HTTP_PROCTOR_NO_RIGHT,
    NGX_HTTP_PROCTOR_NO_ACCOUNT,
    NGX_HTTP_PROCTOR_BAD_INPUT,
    NGX_HTTP_PROCTOR_NO_BODY,
    NGX_HTTP_PROCTOR_FAT_REQUEST,
    NGX_HTTP_PROCTOR_BAD_JSON,
    NGX_HTTP_PROCTOR_BAD_MEDIA_TYPE,
    NGX_HTTP_PROCTOR_BAD_CODING,
    NGX_HTTP_PROCTOR_POLICY,
    NGX_HTTP_PROCTOR_BUSY,
    NGX_HTTP_PROCTOR_QUOTA,
    NGX_HTTP_PROCTOR_ACCOUNT_LIMIT,
    NGX_HTTP_PROCTOR_UPSTREAM_LIMIT,
    NGX_HTTP_PROCTOR_QUOTA_DOWN,
    NGX_HTTP_PROCTOR_AUDIT_DOWN,
    NGX_HTTP_PROCTOR_AUDIT_LATE,
    NGX_HTTP_PROCTOR_AUDIT_LOST,
    NGX_HTTP_PROCTOR_NOT_CACHED,
    NGX_HTTP_PROCTOR_UPSTREAM_CREDENTIAL,
    NGX_HTTP_PROCTOR_UPSTREAM_REDIRECT,
    NGX_HTTP_PROCTOR_UPSTREAM_CODING,
    NGX_HTTP_PROCTOR_RAISED, /* by nginx itself: the status says what */
    NGX_HTTP_PROCTOR_ERRORS
} ngx_http_proctor_error_e;

typedef struct {
    ngx_str_t field;   /* "workflow.0.type"; empty: the whole body */
    ngx_str_t message; /* "Must be at most 100." */
} ngx_http_proctor_field_error_t;

typedef struct {
    ngx_http_proctor_error_e code;
    ngx_uint_t status;
    ngx_str_t detail;       /* the sentence; empty: the table's */
    ngx_array_t *fields;    /* of ngx_http_proctor_field_error_t, or NULL */
    ngx_uint_t required;    /* the only field's fault is that it is missing */
    ngx_uint_t retry_after; /* seconds; 0: nothing is said of that */
} ngx_http_proctor_refusal_t;


/*
 * Where a request is.  RUN is the only state in which steps are taken; the
 * runner alone moves it.
 */

typedef enum {
    NGX_HTTP_PROCTOR_RUN = 0,
    NGX_HTTP_PROCTOR_READ,    /* nginx reads the body, then calls us */
    NGX_HTTP_PROCTOR_WAIT,    /* suspended; a waiter holds the request */
    NGX_HTTP_PROCTOR_PASSED,  /* every step agreed: the content handler's */
    NGX_HTTP_PROCTOR_ANSWERED /* refused, by us or by nginx */
} ngx_http_proctor_state_e;

typedef enum {
    NGX_HTTP_PROCTOR_AS_IT_IS = 0, /* the answer's body is passed on */
    NGX_HTTP_PROCTOR_REPLACE,      /* ctx->reply goes out in its place */
    NGX_HTTP_PROCTOR_REPLACED,
    NGX_HTTP_PROCTOR_LINKS /* goes through the link rewriter */
} ngx_http_proctor_answer_e;

/* How much of a durable operation is in the trail; others stay at NONE. */

typedef enum {
    NGX_HTTP_PROCTOR_AUDIT_NONE = 0,
    NGX_HTTP_PROCTOR_AUDIT_WAITING, /* its intent is on its way: ctx->intent */
    NGX_HTTP_PROCTOR_AUDIT_WRITTEN, /* its intent: only now it may happen */
    NGX_HTTP_PROCTOR_AUDIT_SENT,    /* its intent, and it may have happened */
    NGX_HTTP_PROCTOR_AUDIT_SETTLED  /* its outcome */
} ngx_http_proctor_audit_state_e;

typedef enum {
    NGX_HTTP_PROCTOR_ENFORCE = 0,
    NGX_HTTP_PROCTOR_OBSERVE
} ngx_http_proctor_mode_e;


/* What the cache did for a call.  cache_serve.c has the words for each. */

typedef enum {
    NGX_HTTP_PROCTOR_CACHE_NONE = 0, /* it did not come to that */
    NGX_HTTP_PROCTOR_CACHE_HIT,
    NGX_HTTP_PROCTOR_CACHE_BEHIND,    /* stale; it is being refreshed */
    NGX_HTTP_PROCTOR_CACHE_INSTEAD,   /* stale; the upstream is not asked */
    NGX_HTTP_PROCTOR_CACHE_ON_ERROR,  /* stale; the upstream failed */
    NGX_HTTP_PROCTOR_CACHE_VALIDATED, /* stale; the upstream has nothing new */
    NGX_HTTP_PROCTOR_CACHE_MISS,
    NGX_HTTP_PROCTOR_CACHE_VARY_MISS,
    NGX_HTTP_PROCTOR_CACHE_EXPIRED,
    NGX_HTTP_PROCTOR_CACHE_ASKED,   /* the client wants the upstream asked */
    NGX_HTTP_PROCTOR_CACHE_UNASKED, /* Redis could not be asked */
    NGX_HTTP_PROCTOR_CACHE_BYPASS,
    NGX_HTTP_PROCTOR_CACHE_METHOD
} ngx_http_proctor_cache_status_e;


/* What becomes of a call that Redis cannot count. */

typedef enum {
    NGX_HTTP_PROCTOR_QUOTA_DEFAULT = 0, /* local for reads, else closed */
    NGX_HTTP_PROCTOR_QUOTA_LOCAL,       /* counted in the zone */
    NGX_HTTP_PROCTOR_QUOTA_OPEN,        /* not counted */
    NGX_HTTP_PROCTOR_QUOTA_CLOSED       /* refused */
} ngx_http_proctor_quota_on_error_e;


/* Header lines that the gateway adds to what it forwards. */

typedef enum {
    NGX_HTTP_PROCTOR_KEY_REQUEST_ID = 0,
    NGX_HTTP_PROCTOR_KEY_CODING,
    NGX_HTTP_PROCTOR_KEY_NONE_MATCH,
    NGX_HTTP_PROCTOR_KEY_MODIFIED_SINCE,
    NGX_HTTP_PROCTOR_KEY_CREDENTIAL, /* the last one pushed */
    NGX_HTTP_PROCTOR_KEY_LINES
} ngx_http_proctor_key_line_e;


/* Configuration: immutable once it is read, in cf->pool or an arena of it. */

typedef struct {
    ngx_array_t contracts; /* of proctor_contract_t * */
    proctor_teams_t *teams;
    ngx_str_t teams_file;
    ngx_http_proctor_audit_conf_t *audit; /* NULL: none is configured */
    u_char names[NGX_HTTP_PROCTOR_NAMES]; /* of header lines: key.c's table */
    ngx_table_elt_t lines[NGX_HTTP_PROCTOR_KEY_LINES];
    ngx_http_proctor_redis_conf_t *redis;         /* NULL: none is configured */
    const ngx_http_proctor_redis_script_t *clock; /* status.c's */
    const ngx_http_proctor_redis_script_t *quota_take;
    const ngx_http_proctor_redis_script_t *quota_settle;
    const ngx_http_proctor_redis_script_t *quota_budget;
    const ngx_http_proctor_redis_script_t *quota_valve;
    const ngx_http_proctor_redis_script_t *cache_begin;
    const ngx_http_proctor_redis_script_t *cache_end;
    const ngx_http_proctor_redis_script_t *cache_fill;
    ngx_http_proctor_zone_t *zone; /* NULL: none is configured */
#if (NGX_THREADS)
    ngx_thread_pool_t *threads;
#endif
    struct ngx_http_proctor_worker_s *worker; /* set once, in init_process */
} ngx_http_proctor_main_conf_t;

typedef struct {
    ngx_uint_t used; /* some location of this server is under a contract */
} ngx_http_proctor_srv_conf_t;

typedef struct {
    ngx_str_t name; /* of the contract; "off": none */
    const proctor_contract_t *contract;
    ngx_uint_t mode;
    ngx_uint_t quota_on_error; /* ngx_http_proctor_quota_on_error_e */
    ngx_flag_t cache;
    ngx_http_complex_value_t *origin;
} ngx_http_proctor_loc_conf_t;


/* What one worker reuses from request to request. */

typedef struct ngx_http_proctor_worker_s {
    proctor_arena_t *arena; /* reset by whoever takes it; never kept
                                     over a return to the event loop */
    proctor_json_t doc;
    u_char rid_prefix[16]; /* hexadecimal, random at start */
    uint64_t rid_counter;
    ngx_uint_t *key_index; /* which of an account's keys is lent */
    ngx_array_t guards;    /* forward.c's copies of upstream configurations */
    ngx_log_t *log;
    u_char *body; /* INLINE_MAX bytes: a body that came in pieces, in one */
    ngx_http_proctor_audit_t *audit;        /* NULL: none is configured */
    ngx_http_proctor_redis_t *redis;        /* NULL: none is configured */
    ngx_http_proctor_quotas_t *quotas;      /* NULL: without Redis */
    ngx_http_proctor_cache_worker_t *cache; /* NULL: nothing is stored */
} ngx_http_proctor_worker_t;


/* One request.  In r->pool, found again after redirects by its cleanup. */

struct ngx_http_proctor_ctx_s {
    ngx_http_proctor_state_e state;
    ngx_uint_t step; /* index of the step to take next */

    ngx_http_proctor_loc_conf_t *conf; /* of the first location */
    const proctor_contract_t *contract;
    const proctor_operation_t *operation;
    const proctor_key_t *key;
    const proctor_account_t *account;
    ngx_uint_t account_key; /* which of its keys was lent */

    /* as they were at first entry: error_page rewrites the request's */
    ngx_uint_t http_version;
    ngx_str_t method;
    ngx_str_t path; /* as sent, without the query */
    ngx_str_t args;
    ngx_str_t rid;

    ngx_http_proctor_refusal_t refusal;  /* the answer, when refused */
    ngx_http_proctor_refusal_t invalid;  /* what input found so far */
    ngx_http_proctor_refusal_t policy;   /* what the team's policy found */
    ngx_http_proctor_refusal_t observed; /* what observe mode let through */

    off_t body_len; /* -1: no body was read */
    ngx_uint_t body_hashed;

    ngx_http_proctor_wait_t *wait;
    ngx_http_proctor_quota_t *quota;          /* NULL: nothing is counted */
    struct ngx_http_proctor_lookup_s *lookup; /* NULL: nothing is looked up */
    ngx_http_proctor_cache_t *cache;          /* NULL: it has no part in it */
    ngx_buf_t *valve; /* the beginning of an upstream's 429; else NULL */

    ngx_http_proctor_audit_state_e audit;
    ngx_http_proctor_audit_intent_t *intent;
    uint64_t intent_id; /* counter of the worker */
    ngx_str_t claimed;  /* X-Proctor-On-Behalf-Of, as sent */

    ngx_uint_t nheaders; /* of `headers`, which says what each line is */
    ngx_uint_t fault;    /* of a header line: framing.c's; 0: none */
    ngx_uint_t types;    /* Content-Type lines */
    ngx_uint_t coded;    /* a Content-Encoding that is not "identity" */
    ngx_http_handler_pt content_handler; /* the location's own */
    ngx_uint_t nlent;                    /* 0: nothing was ever lent */

    ngx_http_proctor_answer_e answer;
    ngx_str_t reply;
    proctor_links_t *links;
    ngx_chain_t *out;
    ngx_chain_t **out_last;
    ngx_chain_t *free;
    ngx_chain_t *busy;
    ngx_buf_t *out_buf;

    /* from here on nothing is zeroed: each has its own word for being set */

    proctor_match_t match;                            /* operation */
    unsigned char body_sha256[PROCTOR_SHA256_LEN];    /* body_hashed */
    unsigned char body_canonical[PROCTOR_SHA256_LEN]; /* operation->cache */
    ngx_list_t lent;                                  /* nlent */
    u_char headers[NGX_HTTP_PROCTOR_HEADERS_MAX];     /* nheaders */
};


/*
 * What a suspended request waits for.  On the heap, because the work may
 * outlive the request's patience: then `r` is NULL, and whoever did the work
 * frees it with ngx_http_proctor_run_detach().
 */

struct ngx_http_proctor_wait_s {
    ngx_http_request_t *r;
    ngx_event_t timer;
    ngx_http_proctor_error_e late; /* what to refuse with; BUSY */
};


extern ngx_module_t ngx_http_proctor_module;


/* Walks a request's header lines: it = { &r->headers_in.headers.part, 0 } */

typedef struct {
    ngx_list_part_t *part;
    ngx_uint_t i;
} ngx_http_proctor_headers_t;

static ngx_inline ngx_table_elt_t *
ngx_http_proctor_headers_next(ngx_http_proctor_headers_t *it)
{
    while (it->part != NULL && it->i >= it->part->nelts) {
        it->part = it->part->next;
        it->i = 0;
    }

    if (it->part == NULL) {
        return NULL;
    }

    return (ngx_table_elt_t *) it->part->elts + it->i++;
}


/* ngx_http_proctor_module.c */

extern ngx_http_proctor_step_t ngx_http_proctor_steps[];

/* ngx_http_proctor_conf.c: directives to immutable objects */

void *ngx_http_proctor_conf_create_main(ngx_conf_t *cf);
char *ngx_http_proctor_conf_init_main(ngx_conf_t *cf, void *conf);
void *ngx_http_proctor_conf_create_srv(ngx_conf_t *cf);
void *ngx_http_proctor_conf_create_loc(ngx_conf_t *cf);
char *ngx_http_proctor_conf_merge_loc(
    ngx_conf_t *cf, void *parent, void *child);
char *ngx_http_proctor_conf_contract(
    ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_proctor_conf_teams(
    ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
/* a whole file, in cf->temp_pool */
ngx_int_t ngx_http_proctor_conf_load(
    ngx_conf_t *cf, ngx_str_t *name, ngx_str_t *text);

/* ngx_http_proctor_run.c: one request through the table of steps */

/* the PRECONTENT handler */
ngx_int_t ngx_http_proctor_run(ngx_http_request_t *r);
/* the request's ctx, also after a redirect zeroed it; NULL: none yet */
ngx_http_proctor_ctx_t *ngx_http_proctor_run_ctx(ngx_http_request_t *r);
ngx_http_proctor_ctx_t *ngx_http_proctor_run_create(ngx_http_request_t *r);
/* a step that returns NGX_DONE gives this to nginx's body reader */
void ngx_http_proctor_run_read(ngx_http_request_t *r);
/* a step that returns NGX_AGAIN called this: NULL when out of memory.  After
   `deadline` ms the request is refused with BUSY, unless resumed before. */
ngx_http_proctor_wait_t *ngx_http_proctor_run_suspend(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_msec_t deadline);
/* the work is done: frees the waiter; NULL: the request is gone */
ngx_http_request_t *ngx_http_proctor_run_detach(ngx_http_proctor_wait_t *w);
/* the work of the step that suspended is done, or ctx->refusal is set: goes
   on with the next step; r may be gone afterwards */
void ngx_http_proctor_run_resume(ngx_http_request_t *r);

/* ngx_http_proctor_framing.c: HTTP that no API client sends */

/* the one walk over all header lines, for everybody who asks about them: fills
   in what ctx has of them, and rid, when a good one was given */
void ngx_http_proctor_framing_lines(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
ngx_int_t ngx_http_proctor_framing(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_caller.c: whose key is this, and may it do this? */

ngx_int_t ngx_http_proctor_caller(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
ngx_int_t ngx_http_proctor_caller_right(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_route.c: which operation is this? */

ngx_int_t ngx_http_proctor_route(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_input.c: do path, query and headers fit the contract? */

ngx_int_t ngx_http_proctor_input(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* the verdict over everything that input and body found */
ngx_int_t ngx_http_proctor_input_verdict(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_body.c: is there one, and does it fit? */

ngx_int_t ngx_http_proctor_body_read(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
ngx_int_t ngx_http_proctor_body(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_quota.c: is there anything left for this team? */

ngx_int_t ngx_http_proctor_quota(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* its scripts, once teams and Redis are known */
ngx_int_t ngx_http_proctor_quota_init(
    ngx_conf_t *cf, ngx_http_proctor_main_conf_t *mcf);

/* ngx_http_proctor_quota_budget.c: may the account spend a call? */

ngx_int_t ngx_http_proctor_quota_budget(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_quota_worker.c: before and after Redis's */

ngx_int_t ngx_http_proctor_quota_worker_init(ngx_cycle_t *cycle,
    ngx_http_proctor_main_conf_t *mcf, ngx_http_proctor_worker_t *worker);
void ngx_http_proctor_quota_worker_exit(ngx_http_proctor_main_conf_t *mcf);

typedef struct {
    ngx_uint_t added;   /* asks that needed no script */
    ngx_uint_t scripts; /* asks that did */
    ngx_uint_t lost;    /* without a reply: perhaps charged all the same */
    ngx_uint_t local;   /* calls that the zone counted in Redis's place */
    ngx_uint_t debts;   /* ends of reservations that Redis has yet to learn */
    ngx_uint_t forgone; /* of which it never will */
} ngx_http_proctor_quota_stats_t;

/* NULL: there is no Redis */
const ngx_http_proctor_quota_stats_t *ngx_http_proctor_quota_stats(
    const ngx_http_proctor_worker_t *worker);

/* ngx_http_proctor_quota_answer.c: settled, and said in headers */

/* in the header filter, once the answer is decided */
ngx_int_t ngx_http_proctor_quota_answer(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
ngx_int_t ngx_http_proctor_quota_end(ngx_http_request_t *r); /* log phase */

/* ngx_http_proctor_quota_valve.c: in the body filter, while ctx->valve */

void ngx_http_proctor_quota_valve_body(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_chain_t *in);

/*
 * ngx_http_proctor_cache.c: do we know the answer?  Two steps around the
 * quota's, which takes the question along, and one that uses what came back.
 */

ngx_int_t ngx_http_proctor_cache_lookup(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* when nobody took the question along */
ngx_int_t ngx_http_proctor_cache_question_alone(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
ngx_int_t ngx_http_proctor_cache(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* 1: a refused call is answered with what is stored, as the contract allows */
ngx_uint_t ngx_http_proctor_cache_rescue(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* 1: the answer is stored, and is the content handler's now */
ngx_uint_t ngx_http_proctor_cache_answers(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* 1: the upstream is asked for what everybody may get: no conditions, ranges,
   codings and preferences of this client */
ngx_uint_t ngx_http_proctor_cache_withholds(const ngx_http_proctor_ctx_t *ctx);
/* 1: the upstream is asked with this field of the entry ("etag") */
ngx_uint_t ngx_http_proctor_cache_validator(
    const ngx_http_proctor_ctx_t *ctx, const char *name, ngx_str_t *value);
/* the request's memory goes */
void ngx_http_proctor_cache_gone(ngx_http_proctor_ctx_t *ctx);
/* its scripts, once teams, zone and Redis are known */
ngx_int_t ngx_http_proctor_cache_init(
    ngx_conf_t *cf, ngx_http_proctor_main_conf_t *mcf);

/* ngx_http_proctor_cache_serve.c: a stored answer as an answer */

ngx_int_t ngx_http_proctor_cache_serve(ngx_http_request_t *r);
/* the Cache-Status field */
ngx_int_t ngx_http_proctor_cache_say(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* "hit"; empty: the cache had no part in it */
ngx_str_t ngx_http_proctor_cache_word(const ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_cache_stale.c: instead of an error or a 304 */

/* NGX_OK: the answer is the entry; NGX_DECLINED: it is the upstream's */
ngx_int_t ngx_http_proctor_cache_stale(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_error_e code);

/* ngx_http_proctor_cache_fill.c: what the upstream says, stored */

/* in the header filter */
void ngx_http_proctor_cache_fill(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* in the body filter, of all that goes out; nothing is taken */
void ngx_http_proctor_cache_fill_body(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_chain_t *in);

/* ngx_http_proctor_cache_refresh.c: the upstream asked behind an answer */

/* 1: nobody waits for this request's answer */
ngx_uint_t ngx_http_proctor_cache_behind(const ngx_http_proctor_ctx_t *ctx);
/* it was refused: NGX_DONE */
ngx_int_t ngx_http_proctor_cache_behind_end(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* the filters */
ngx_int_t ngx_http_proctor_cache_behind_header(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
ngx_int_t ngx_http_proctor_cache_behind_body(
    ngx_http_request_t *r, ngx_chain_t *in);

/* ngx_http_proctor_cache_write.c: what changes something */

/* the step: readers are warned before it happens */
ngx_int_t ngx_http_proctor_cache_write(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* in the header filter */
void ngx_http_proctor_cache_write_answer(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
ngx_int_t ngx_http_proctor_cache_write_log(ngx_http_request_t *r);

/* ngx_http_proctor_cache_area.c: this worker among those of its machine */

ngx_int_t ngx_http_proctor_cache_area_init(
    ngx_cycle_t *cycle, ngx_http_proctor_main_conf_t *mcf);
void ngx_http_proctor_cache_area_exit(ngx_http_proctor_cache_worker_t *w);
/* a member of the status page: this machine's counters */
u_char *ngx_http_proctor_cache_show(
    u_char *p, u_char *last, ngx_http_request_t *r);

/* ngx_http_proctor_zone.c: what the workers of a machine share */

char *ngx_http_proctor_zone_conf(
    ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
void ngx_http_proctor_zone_lock(ngx_http_proctor_zone_t *zone);
void ngx_http_proctor_zone_unlock(ngx_http_proctor_zone_t *zone);
/* under the lock: the record of this key and size, zeroed when it is new, and
   not evicted before the lock is released; NULL: there is no room */
void *ngx_http_proctor_zone_get_locked(
    ngx_http_proctor_zone_t *zone, const proctor_str_t *key, size_t size);
/* what the cache shares; zeroed when the zone is made */
ngx_http_proctor_cache_area_t *ngx_http_proctor_zone_cache(
    ngx_http_proctor_zone_t *zone);
/* ms of the clock by which this limit is measured */
int64_t ngx_http_proctor_zone_now(const proctor_limit_t *limit);

/* ngx_http_proctor_key.c: lends the account's key, takes the caller's away */

ngx_int_t ngx_http_proctor_key(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* no credential from here on: the answer has begun, or the request went
   to a location that is not ours */
void ngx_http_proctor_key_withdraw(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* as withdraw, also when nothing was lent yet: the caller's key goes nowhere
   but here */
ngx_int_t ngx_http_proctor_key_strip(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* the upstream refused the key that was lent: the account's next one, for
   the requests to come */
void ngx_http_proctor_key_refused(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* while the configuration is read: mcf->names and mcf->lines */
void ngx_http_proctor_key_headers(ngx_http_proctor_main_conf_t *mcf);

typedef enum {
    NGX_HTTP_PROCTOR_HEADER_OTHER = 0,
    NGX_HTTP_PROCTOR_HEADER_WITHHELD,     /* never reaches the upstream */
    NGX_HTTP_PROCTOR_HEADER_CLAIMED,      /* nor does this; on whose behalf */
    NGX_HTTP_PROCTOR_HEADER_REQUEST_ID,   /* ours is sent */
    NGX_HTTP_PROCTOR_HEADER_CODING,       /* withheld where links are ours, or
                                         the answer may be stored */
    NGX_HTTP_PROCTOR_HEADER_CONDITION,    /* withheld then */
    NGX_HTTP_PROCTOR_HEADER_NEGOTIATION,  /* as well */
    NGX_HTTP_PROCTOR_HEADER_PRECONDITION, /* never answered by the cache */
    NGX_HTTP_PROCTOR_HEADER_CONTROL,
    NGX_HTTP_PROCTOR_HEADER_PRAGMA,
    NGX_HTTP_PROCTOR_HEADER_OVERRIDE, /* refused: method override */
    NGX_HTTP_PROCTOR_HEADER_EXPECT,
    NGX_HTTP_PROCTOR_HEADER_BODY_TYPE,
    NGX_HTTP_PROCTOR_HEADER_BODY_CODING
} ngx_http_proctor_header_e;

ngx_http_proctor_header_e ngx_http_proctor_key_header(
    ngx_http_proctor_main_conf_t *mcf, ngx_table_elt_t *h);

/* ngx_http_proctor_forward.c: the content handler around the location's own */

ngx_int_t ngx_http_proctor_forward_init(
    ngx_cycle_t *cycle, ngx_http_proctor_worker_t *worker);
/* sets r->content_handler, when the location has one */
void ngx_http_proctor_forward_wrap(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_answer.c: the two filters */

ngx_int_t ngx_http_proctor_answer_init(ngx_conf_t *cf);
/* the answer came from the upstream, and nginx did not overrule it */
ngx_uint_t ngx_http_proctor_answer_upstream(ngx_http_request_t *r);
/* nothing that an answer said of itself goes out */
void ngx_http_proctor_answer_forget(ngx_http_request_t *r);
/* nor what an upstream must not say to a caller */
void ngx_http_proctor_answer_scrub(ngx_http_request_t *r);

/* ngx_http_proctor_answer_odd.c: answers that are none become nginx's 502 */

void ngx_http_proctor_answer_odd(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_links.c: the gateway's origin for links in answers */

/* the gateway's, as this client knows it */
ngx_int_t ngx_http_proctor_links_origin(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_str_t *origin);
/* this answer's body has to go through the rewriter */
ngx_uint_t ngx_http_proctor_links_wanted(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* in the header filter */
ngx_int_t ngx_http_proctor_links_begin(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* in the body filter: rewrites `in`, and hands the result to `next` */
ngx_int_t ngx_http_proctor_links_body(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_chain_t *in,
    ngx_http_output_body_filter_pt next);

/* ngx_http_proctor_error.c: every refusal is spelled and rendered here */

/* sets ctx->refusal, returns NGX_DECLINED; detail NULL: the table's own */
ngx_int_t ngx_http_proctor_refuse(ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_error_e code, const ngx_str_t *detail);
ngx_int_t ngx_http_proctor_refuse_fmt(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_error_e code, const char *fmt,
    ...);
/* copies violations to a refusal, making it `code` when there is any */
ngx_int_t ngx_http_proctor_error_violations(ngx_http_request_t *r,
    ngx_http_proctor_refusal_t *refusal, ngx_http_proctor_error_e code,
    const proctor_violations_t *violations);
/* "no_key": the word for logs and audit */
ngx_str_t ngx_http_proctor_error_reason(
    const ngx_http_proctor_refusal_t *refusal);
ngx_str_t ngx_http_proctor_error_detail(
    const ngx_http_proctor_refusal_t *refusal);
/* the word that the status shape has for it: "invalid_value" */
const char *ngx_http_proctor_error_word(
    const ngx_http_proctor_refusal_t *refusal);

/* headers_out for a rendered body */
void ngx_http_proctor_error_headers(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_http_proctor_refusal_t *refusal);
/* answers with ctx->refusal; the phase handler returns what this returns */
ngx_int_t ngx_http_proctor_error_send(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
ngx_int_t ngx_http_proctor_header_add(
    ngx_http_request_t *r, const char *name, const ngx_str_t *value);

/* ngx_http_proctor_error_body.c: a refusal as the body of an answer */

/* the body in the contract's shape; contract NULL: members of both shapes */
ngx_int_t ngx_http_proctor_error_render(ngx_http_request_t *r,
    const proctor_contract_t *contract,
    const ngx_http_proctor_refusal_t *refusal, ngx_str_t *body);

/* ngx_http_proctor_audit.c: written down before it happens */

ngx_int_t ngx_http_proctor_audit(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* it goes upstream now; NGX_DECLINED: it must not, nothing says that it may */
ngx_int_t ngx_http_proctor_audit_forward(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_audit_outcome.c: how it ended */

/* in the header filter, once the answer is decided; NGX_DECLINED: how it ended
   could not be written, ctx->refusal says what to answer instead */
ngx_int_t ngx_http_proctor_audit_answer(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
ngx_int_t ngx_http_proctor_audit_end(ngx_http_request_t *r); /* log phase */

/* ngx_http_proctor_audit_conf.c */

char *ngx_http_proctor_audit_conf(
    ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
/* once all directives are known */
ngx_int_t ngx_http_proctor_audit_conf_init(
    ngx_conf_t *cf, ngx_http_proctor_main_conf_t *mcf);

/* ngx_http_proctor_audit_zone.c: the newest checkpoint, to whom may ask */

char *ngx_http_proctor_audit_zone_conf(
    ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_http_proctor_audit_worker.c: what a worker has of it */

/* NULL: it failed */
ngx_http_proctor_audit_t *ngx_http_proctor_audit_worker_create(
    ngx_cycle_t *cycle, ngx_http_proctor_main_conf_t *mcf);
void ngx_http_proctor_audit_worker_destroy(ngx_http_proctor_audit_t *audit);

/* ngx_http_proctor_variable.c: $proctor_* */

ngx_int_t ngx_http_proctor_variable_add(ngx_conf_t *cf);
ngx_str_t ngx_http_proctor_variable_decision(ngx_http_proctor_ctx_t *ctx);
ngx_str_t ngx_http_proctor_variable_reason(ngx_http_proctor_ctx_t *ctx);

/*
 * ngx_http_proctor_redis.c: one connection a worker, and what is known of the
 * server behind it.  redis_op.c: questions and their answers.  redis_conf.c:
 * the directive, and the scripts.
 */

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

/* One command.  With a script: argv is numkeys, keys, arguments. */

typedef struct {
    const proctor_str_t *argv;
    ngx_uint_t argc;
    const ngx_http_proctor_redis_script_t *script; /* NULL: argv[0] says */
} ngx_http_proctor_redis_command_t;

#define NGX_HTTP_PROCTOR_REDIS_BATCH 16 /* commands in one call */

/* `replies`: one for each command, also when some are errors; NULL when the
   status is TIMEOUT or DOWN.  `status`: the first error's.  A handler may send,
   cancel, resume and finalise as it likes. */
typedef void (*ngx_http_proctor_redis_pt)(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);

/* Who waits.  In the caller's memory, zeroed but for handler and data; while
   `op` is set its end must not come without a cancel. */

typedef struct {
    ngx_http_proctor_redis_pt handler;
    void *data;
    struct ngx_http_proctor_redis_op_s *op;
} ngx_http_proctor_redis_call_t;

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
    ngx_uint_t resent; /* scripts that the server had forgotten */
    ngx_uint_t errors[NGX_HTTP_PROCTOR_REDIS_STATUSES];
} ngx_http_proctor_redis_stats_t;

typedef struct {
    ngx_http_proctor_redis_state_e state;
    const char *word; /* of the state */
    const char *reason;
    ngx_str_t name;
    ngx_uint_t pending;
    const ngx_http_proctor_redis_stats_t *stats;
} ngx_http_proctor_redis_view_t;

/* NULL: out of memory */
ngx_http_proctor_redis_t *ngx_http_proctor_redis_create(
    ngx_cycle_t *cycle, ngx_http_proctor_redis_conf_t *conf);
/* the process ends: who waits is forgotten, not called */
void ngx_http_proctor_redis_destroy(ngx_http_proctor_redis_t *redis);
void ngx_http_proctor_redis_view(
    const ngx_http_proctor_redis_t *redis, ngx_http_proctor_redis_view_t *view);

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

char *ngx_http_proctor_redis_conf(
    ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
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

/* ngx_http_proctor_status.c: what a worker knows, as JSON */

char *ngx_http_proctor_status_conf(
    ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
/* its script, once a Redis is configured */
ngx_int_t ngx_http_proctor_status_init(
    ngx_conf_t *cf, ngx_http_proctor_main_conf_t *mcf);

/* ngx_http_proctor_worker.c: process hooks */

ngx_int_t ngx_http_proctor_worker_init(ngx_cycle_t *cycle);
void ngx_http_proctor_worker_exit(ngx_cycle_t *cycle);

#endif /* NGX_HTTP_PROCTOR_H_INCLUDED */
