/*
 * What the nginx half speaks of: what is configured, what a worker has, and
 * what is known of one request.  ngx_http_proctor.h says who does what with it.
 */

#ifndef NGX_HTTP_PROCTOR_TYPES_H_INCLUDED
#define NGX_HTTP_PROCTOR_TYPES_H_INCLUDED

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
typedef struct ngx_http_proctor_hold_s ngx_http_proctor_hold_t;
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
    NGX_HTTP_PROCTOR_LINKS, /* goes through the link rewriter */
    NGX_HTTP_PROCTOR_BROKEN /* it could not be sent: nothing more can */
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
    ngx_uint_t body_excepted; /* from the cache, by what is in it */

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
    ngx_http_upstream_t *upstream; /* the API's: r->upstream is another's after
                                      an error page; NULL: not asked */
    ngx_uint_t nlent;              /* 0: nothing was ever lent */

    ngx_http_proctor_hold_t *hold; /* the answer waits for its outcome */
    ngx_chain_t *kept;             /* its body, as it came meanwhile */

    ngx_http_proctor_answer_e answer;
    ngx_str_t reply;
    struct proctor_links_s *links;
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

#endif /* NGX_HTTP_PROCTOR_TYPES_H_INCLUDED */
