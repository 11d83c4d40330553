/*
 * What the files of the cache share and nobody else sees.
 *
 *     cache.c          the steps: what is asked, what follows from the answer
 *     cache_key.c      what a read is stored as
 *     cache_ask.c      a question of its own, and who waits for it
 *     cache_read.c     a stored answer, opened and judged for this request
 *     cache_serve.c    a stored answer as an answer; Cache-Status
 *     cache_stale.c    a stored answer instead of the upstream's error or 304
 *     cache_validate.c what the upstream is asked with
 *     cache_fill.c     what the upstream says, collected
 *     cache_store.c    and stored
 *     cache_refresh.c  behind an answer that was stale
 *     cache_write.c    generations and marks around what changes something
 *     cache_tell.c     that they have ended
 *     cache_script.c   the scripts
 *     cache_flight.c   one call upstream for all who ask the same
 *     cache_wait.c     the others
 *     cache_dirty.c    what Redis could not be told
 *     cache_area.c     a worker's place among those of its machine
 *
 * A read's way: the step `lookup` spells the keys, the quota's question takes
 * them along, cache_read.c opens what came back.  The step `cache` answers with
 * it, or joins a flight; then the upstream is asked, and the filters give its
 * answer to cache_fill.c.
 */

#ifndef NGX_HTTP_PROCTOR_CACHE_H_INCLUDED
#define NGX_HTTP_PROCTOR_CACHE_H_INCLUDED

#include "ngx_http_proctor_cache_flight.h"
#include "ngx_http_proctor_redis_call.h"


#define NGX_HTTP_PROCTOR_CACHE_GEN_TTL  172800000 /* ms: outlives all entries */
#define NGX_HTTP_PROCTOR_CACHE_MARK_TTL 300000    /* ms: and any answer */


/* a group's two keys, and its generation as this reader saw it */

typedef struct {
    proctor_str_t gen;
    proctor_str_t mark;
    size_t prefix;     /* what the two have in common */
    unsigned seen : 1; /* 0: there was none, `value` is one to be made */
    char value[PROCTOR_CACHE_GEN_LEN];
} ngx_http_proctor_cache_group_t;

typedef struct {
    ngx_uint_t n;
    ngx_http_proctor_cache_group_t list[PROCTOR_CACHE_GROUPS_ALL];
} ngx_http_proctor_cache_groups_t;

/* what is known of a read, best first */

typedef enum {
    NGX_HTTP_PROCTOR_CACHE_UNKNOWN = 0, /* nothing came, or Redis is ill */
    NGX_HTTP_PROCTOR_CACHE_ABSENT,
    NGX_HTTP_PROCTOR_CACHE_VARIANT, /* there is one of another request */
    NGX_HTTP_PROCTOR_CACHE_FOUND    /* `entry` and `verdict` are set */
} ngx_http_proctor_cache_found_e;

typedef enum {
    NGX_HTTP_PROCTOR_CACHE_ALONE = 0,
    NGX_HTTP_PROCTOR_CACHE_LEADS,
    NGX_HTTP_PROCTOR_CACHE_FOLLOWS
} ngx_http_proctor_cache_role_e;

typedef enum {
    NGX_HTTP_PROCTOR_CACHE_ABANDONED = 0, /* its client left */
    NGX_HTTP_PROCTOR_CACHE_SHARED,        /* stored */
    NGX_HTTP_PROCTOR_CACHE_UNSHARED,      /* not to be stored */
    NGX_HTTP_PROCTOR_CACHE_FAILED         /* the upstream did not answer well */
} ngx_http_proctor_cache_end_e;

/* a flight that somebody leads, until its end */

typedef struct {
    ngx_http_proctor_cache_role_e role;
    uint64_t turn;
    uint64_t asked; /* the clock when Redis was asked for the entry */
    u_char digest[NGX_HTTP_PROCTOR_CACHE_DIGEST]; /* the key's beginning */
} ngx_http_proctor_cache_lead_t;

/* An answer as it is collected.  In r->pool. */

#define NGX_HTTP_PROCTOR_CACHE_FIELDS 64

typedef struct {
    proctor_cache_answer_t answer;
    proctor_cache_field_t fields[NGX_HTTP_PROCTOR_CACHE_FIELDS];
    unsigned nfields;
    ngx_uint_t status; /* that other filters must not have changed */
    off_t length;      /* promised; -1: nothing was */
    u_char *body;
    size_t size;
    size_t used;
} ngx_http_proctor_cache_fill_t;

/* whom others follow, and what became of it */

typedef struct {
    uint64_t turn;
    ngx_pid_t pid;
    ngx_uint_t landed; /* before anybody followed it: nobody will wake us */
    u_char digest[NGX_HTTP_PROCTOR_CACHE_DIGEST];
} ngx_http_proctor_cache_leader_t;

typedef enum {
    NGX_HTTP_PROCTOR_CACHE_FLYING = 0,
    NGX_HTTP_PROCTOR_CACHE_LANDED, /* look at what it stored */
    NGX_HTTP_PROCTOR_CACHE_FREED,
    NGX_HTTP_PROCTOR_CACHE_CRASHED /* the upstream failed it */
} ngx_http_proctor_cache_landing_e;

_Static_assert(NGX_HTTP_PROCTOR_REDIS_RUN == PROCTOR_CACHE_GEN_LEN,
    "a run is one more generation of an entry");

/* One request's.  In r->pool. */

struct ngx_http_proctor_cache_s {
    ngx_http_proctor_cache_worker_t *w;
    ngx_http_proctor_cache_status_e status; /* for Cache-Status */
    ngx_http_proctor_cache_found_e found;
    ngx_uint_t fwd_status;   /* the upstream's, when it is not the answer's */
    unsigned reads : 1;      /* it may be answered from the cache */
    unsigned fills : 1;      /* what comes may be stored */
    unsigned alone : 1;      /* waits for nobody */
    unsigned follower : 1;   /* leads nobody: its answer has no body */
    unsigned serves : 1;     /* the entry is the answer */
    unsigned collapsed : 1;  /* it waited, and was answered by what it found */
    unsigned validates : 1;  /* the upstream is asked with the entry's own
                                validators */
    unsigned background : 1; /* nobody waits for the answer */
    unsigned asked : 1;      /* writes: the marks are made, or soon will be */
    unsigned began : 1;      /* writes: Redis has said so */
    unsigned deferred : 1;   /* writes: Redis could not be told */
    unsigned ended : 1;      /* writes: the outcome is known */
    ngx_uint_t rounds;       /* of waiting */

    ngx_http_proctor_cache_lead_t lead;
    ngx_http_proctor_lookup_t lookup;
    ngx_http_proctor_cache_fill_t *fill; /* NULL: nothing is collected */
    ngx_table_elt_t *said;               /* Cache-Status; NULL: not yet */

    /* from here on nothing is zeroed: what is read was set before */

    ngx_http_proctor_cache_groups_t groups;
    proctor_str_t name; /* the entry's key */
    unsigned char key[PROCTOR_SHA256_LEN];
    proctor_cache_control_t control; /* the request's */
    ngx_http_proctor_redis_command_t command;
    proctor_str_t argv[2 * PROCTOR_CACHE_GROUPS_ALL + 2];
    proctor_cache_entry_t entry; /* found FOUND: in r->pool */
    proctor_cache_verdict_t verdict;
    char run[PROCTOR_CACHE_GEN_LEN];    /* Redis's, that answered */
    char writer[PROCTOR_CACHE_GEN_LEN]; /* writes: who */
};

/* One worker's.  In cycle->pool. */

struct ngx_http_proctor_cache_worker_s {
    ngx_http_proctor_main_conf_t *mcf;
    ngx_http_proctor_zone_t *zone;
    ngx_http_proctor_cache_area_t *area;
    ngx_log_t *log;
    ngx_http_proctor_cache_place_t *place;
    ngx_http_proctor_cache_place_t own; /* when there is none in the zone */
    uint64_t bit;                       /* of its place; 0: follows nobody */
    ngx_connection_t *connection;       /* by which it is woken; or NULL */
    ngx_queue_t flights;
    ngx_queue_t asks;   /* what waits for Redis: cache_ask.c's, */
    ngx_queue_t stores; /* cache_fill.c's, */
    ngx_queue_t tells;  /* cache_tell.c's, */
    ngx_queue_t told;   /* ... which need not any more, */
    ngx_uint_t ntold;
    ngx_uint_t nagain; /* the first ones of those, which need it after all */
    char told_to[PROCTOR_CACHE_GEN_LEN]; /* the server's run */
    ngx_queue_t replays;                 /* cache_dirty.c's */
    ngx_event_t woken;                   /* posted */
    ngx_event_t watch;                   /* while there are flights */
    ngx_event_t replay;                  /* while something is dirty */
    ngx_event_t tell;                    /* while something was told of late */
    proctor_cache_seal_t *seal;
};

#define ngx_http_proctor_cache_count(w, counter)                               \
    ((w)->place->counters[NGX_HTTP_PROCTOR_CACHE_##counter]++)

static ngx_inline ngx_http_proctor_cache_worker_t *
ngx_http_proctor_cache_worker(ngx_http_request_t *r)
{
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    return mcf->worker->cache;
}

static ngx_inline int64_t
ngx_http_proctor_cache_now(void)
{
    ngx_time_t *tp = ngx_timeofday();

    return (int64_t) tp->sec * 1000 + (int64_t) tp->msec;
}


/* ngx_http_proctor_cache.c */

/* sets ctx->cache; NULL: out of memory */
ngx_http_proctor_cache_t *ngx_http_proctor_cache_create(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* PROCTOR_CACHE_GEN_LEN hexadecimal digits that nobody ever had */
ngx_int_t ngx_http_proctor_cache_random(char *text);
/* after waiting: NGX_OK: it goes on; NGX_AGAIN: it waits again; NGX_ERROR */
ngx_int_t ngx_http_proctor_cache_landed(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_http_proctor_redis_reply_t *replies);
/* its leader was failed by the upstream: it goes on */
void ngx_http_proctor_cache_crashed(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_cache_key.c */

/* the keys of the groups, and room for an entry's own */
ngx_int_t ngx_http_proctor_cache_key_groups(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const proctor_cache_templates_t *templates);
/* that one; NGX_DECLINED: a call of which nothing is kept */
ngx_int_t ngx_http_proctor_cache_key(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* the command for all of them */
void ngx_http_proctor_cache_key_question(ngx_http_proctor_cache_t *cache);

/* ngx_http_proctor_cache_validate.c */

#define NGX_HTTP_PROCTOR_CACHE_ETAG "\"proctor-" /* those of our own */

/* 1: the upstream can be asked whether the entry is still what it has */
ngx_uint_t ngx_http_proctor_cache_validators(
    const ngx_http_proctor_cache_t *cache);

/* ngx_http_proctor_cache_ask.c: a question of its own, and who waits for it */

typedef void (*ngx_http_proctor_cache_ask_pt)(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_http_proctor_redis_reply_t *replies);

/* NGX_AGAIN; NGX_DECLINED: Redis is not to be had; NGX_ERROR.  The handler is
   called before the request is resumed; replies NULL: none came */
ngx_int_t ngx_http_proctor_cache_ask(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx,
    const ngx_http_proctor_redis_command_t *commands, ngx_uint_t n,
    ngx_http_proctor_cache_ask_pt handler);
void ngx_http_proctor_cache_ask_exit(ngx_http_proctor_cache_worker_t *w);

/* ngx_http_proctor_cache_read.c */

/* lookup->handler: sets `found` and what belongs to it */
void ngx_http_proctor_cache_read(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_http_proctor_redis_reply_t *replies);
/* proctor_cache_header_pt; data: the request */
int ngx_http_proctor_cache_read_header(
    void *data, const proctor_str_t *name, proctor_str_t *value);

/* ngx_http_proctor_cache_serve.c */

/* headers_out of the entry; not its body */
ngx_int_t ngx_http_proctor_cache_serve_header(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_cache_fill.c */

/* what the client gets, before anything of this call is added to it; 0: it is
   more than is kept */
ngx_uint_t ngx_http_proctor_cache_fill_fields(
    ngx_http_request_t *r, ngx_http_proctor_cache_fill_t *fill);
/* the header that the upstream sent */
void ngx_http_proctor_cache_answer(
    ngx_http_request_t *r, proctor_cache_answer_t *answer);

/* ngx_http_proctor_cache_store.c */

/*
 * Seals the draft, whose fields and body are set, and sends it to Redis, with
 * the flight: who follows is told.  `sealed` is in r->pool, or has data NULL.
 * NGX_DECLINED: it is not stored.
 */
ngx_int_t ngx_http_proctor_cache_store(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const proctor_cache_answer_t *answer,
    proctor_cache_draft_t *draft, proctor_str_t *sealed);
void ngx_http_proctor_cache_store_exit(ngx_http_proctor_cache_worker_t *w);

/* ngx_http_proctor_cache_refresh.c */

/* the upstream is asked behind the answer; when it cannot, it is not */
void ngx_http_proctor_cache_refresh(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_cache_script.c */

extern const proctor_str_t ngx_http_proctor_cache_script_begin;
extern const proctor_str_t ngx_http_proctor_cache_script_end;
extern const proctor_str_t ngx_http_proctor_cache_script_fill;

/* arguments of begin and end, as they are gathered: all but the last */

#define NGX_HTTP_PROCTOR_CACHE_PLACES 2 /* paths that an answer names */

typedef struct {
    proctor_str_t argv[1 + 2 * PROCTOR_CACHE_GROUPS_ALL
                       + NGX_HTTP_PROCTOR_CACHE_PLACES + 4];
    ngx_uint_t argc;
    u_char text[3 * (NGX_INT64_LEN + 1)];
    u_char *last;
    char gen[PROCTOR_CACHE_GEN_LEN];
} ngx_http_proctor_cache_change_t;

ngx_int_t ngx_http_proctor_cache_change(ngx_http_proctor_cache_change_t *change,
    const ngx_http_proctor_cache_groups_t *groups, const proctor_str_t *writers,
    const proctor_str_t *places, ngx_uint_t nplaces);
void ngx_http_proctor_cache_change_number(
    ngx_http_proctor_cache_change_t *change, int64_t n);

/* ngx_http_proctor_cache_tell.c */

/* the end of a write; NGX_ERROR or NGX_DECLINED: it is not told */
ngx_int_t ngx_http_proctor_cache_tell(const ngx_http_proctor_cache_t *cache,
    const ngx_http_proctor_cache_change_t *change);
void ngx_http_proctor_cache_tell_event(ngx_event_t *ev);
void ngx_http_proctor_cache_tell_exit(ngx_http_proctor_cache_worker_t *w);

/* ngx_http_proctor_cache_flight.c */

/* before Redis is asked: what is stored from now on may not be seen */
uint64_t ngx_http_proctor_cache_flight_now(
    const ngx_http_proctor_cache_worker_t *w);
/* NGX_OK: it goes on, and cache->role says how; NGX_AGAIN: it waits */
ngx_int_t ngx_http_proctor_cache_flight_join(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* who leads no flight does nothing by it */
void ngx_http_proctor_cache_flight_end(ngx_http_proctor_cache_worker_t *w,
    ngx_http_proctor_cache_lead_t *lead, ngx_http_proctor_cache_end_e end);
/* 1: this request leads; it never waits */
ngx_uint_t ngx_http_proctor_cache_flight_lead(ngx_http_proctor_cache_t *cache);
/* what became of a leader */
ngx_http_proctor_cache_landing_e ngx_http_proctor_cache_flight_landing(
    ngx_http_proctor_cache_worker_t *w,
    const ngx_http_proctor_cache_leader_t *leader);
/* it has died */
void ngx_http_proctor_cache_flight_lost(ngx_http_proctor_cache_worker_t *w,
    const ngx_http_proctor_cache_leader_t *leader);

/* ngx_http_proctor_cache_wait.c */

/* NGX_AGAIN, NGX_ERROR */
ngx_int_t ngx_http_proctor_cache_wait(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_http_proctor_cache_leader_t *leader);
/* some flight may have ended */
void ngx_http_proctor_cache_wait_wake(ngx_http_proctor_cache_worker_t *w);
void ngx_http_proctor_cache_wait_look(ngx_event_t *ev);
void ngx_http_proctor_cache_wait_watch(ngx_event_t *ev);
void ngx_http_proctor_cache_wait_exit(ngx_http_proctor_cache_worker_t *w);

/* ngx_http_proctor_cache_dirty.c */

/* 1: what was received of these groups by that time is not believed */
ngx_uint_t ngx_http_proctor_cache_dirty(ngx_http_proctor_cache_worker_t *w,
    const ngx_http_proctor_cache_groups_t *groups, int64_t received);
/* a write of which Redis does not know begins */
void ngx_http_proctor_cache_dirty_begin(ngx_http_proctor_cache_worker_t *w,
    const ngx_http_proctor_cache_groups_t *groups, const char *writer);
/* it was answered */
void ngx_http_proctor_cache_dirty_end(ngx_http_proctor_cache_worker_t *w,
    const ngx_http_proctor_cache_groups_t *groups);
void ngx_http_proctor_cache_dirty_event(ngx_event_t *ev);
void ngx_http_proctor_cache_dirty_exit(ngx_http_proctor_cache_worker_t *w);

/* ngx_http_proctor_cache_area.c */

/* wakes the workers of these bits */
void ngx_http_proctor_cache_area_wake(
    ngx_http_proctor_cache_worker_t *w, uint64_t who);

#endif /* NGX_HTTP_PROCTOR_CACHE_H_INCLUDED */
