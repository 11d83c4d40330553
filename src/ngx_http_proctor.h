/*
 * The map of the nginx half: the prototypes, grouped under the file that
 * defines them.  Other headers:
 *
 *     ngx_http_proctor_types.h       what these functions speak of: a request,
 *                                    its states, the configuration, a worker
 *     ngx_http_proctor_redis_call.h  how Redis is asked
 *     ngx_http_proctor_audit.h       } what the files of one room share, and
 *     ngx_http_proctor_body.h        } nobody else sees
 *     ngx_http_proctor_cache.h       }
 *     ngx_http_proctor_quota.h       }
 *     ngx_http_proctor_redis.h       }
 *     proctor.h                      the map of the pure half
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

#include "ngx_http_proctor_types.h"


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
/* data: a ctx whose request is gone, or waits for nothing any more */
void ngx_http_proctor_run_gone(void *data);

/* ngx_http_proctor_ctx.c: what we know of a request */

/* also after a redirect zeroed the request's; NULL: none yet */
ngx_http_proctor_ctx_t *ngx_http_proctor_ctx_get(ngx_http_request_t *r);
ngx_http_proctor_ctx_t *ngx_http_proctor_ctx_create(ngx_http_request_t *r);

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
/* the secret alone; of length 0: nothing was lent */
proctor_str_t ngx_http_proctor_key_lent(const ngx_http_proctor_ctx_t *ctx);
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
/* the body filter */
ngx_int_t ngx_http_proctor_answer_body(ngx_http_request_t *r, ngx_chain_t *in);
/* the header goes out: as the header filter */
ngx_int_t ngx_http_proctor_answer_go(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* by what ctx->refusal says */
ngx_int_t ngx_http_proctor_answer_replace(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* nothing that an answer said of itself goes out */
void ngx_http_proctor_answer_forget(ngx_http_request_t *r);
/* nor what an upstream must not say to a caller */
void ngx_http_proctor_answer_scrub(
    ngx_http_request_t *r, const ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_answer_hold.c: while ctx->hold, the filters do this */

ngx_int_t ngx_http_proctor_answer_hold(ngx_http_request_t *r);
ngx_int_t ngx_http_proctor_answer_hold_body(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_chain_t *in);
/* written; or lost: by what ctx->refusal says; r may be gone afterwards */
void ngx_http_proctor_answer_release(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, ngx_uint_t lost);

/* ngx_http_proctor_answer_said.c: whose word it is */

/* the answer came from the upstream, and nginx did not overrule it */
ngx_uint_t ngx_http_proctor_answer_upstream(ngx_http_request_t *r);
/* as that, and it was the API that was asked: no error page's location */
ngx_uint_t ngx_http_proctor_answer_own(
    ngx_http_request_t *r, const ngx_http_proctor_ctx_t *ctx);
/* what the API said, wherever an error page has led since; 0: no answer, or
   none that nginx understood */
ngx_uint_t ngx_http_proctor_answer_status(const ngx_http_proctor_ctx_t *ctx);

/* ngx_http_proctor_answer_odd.c: answers that are none become nginx's 502 */

void ngx_http_proctor_answer_odd(
    ngx_http_request_t *r, const ngx_http_proctor_ctx_t *ctx);

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

/* ngx_http_proctor_error_violations.c: what does not fit a schema, refused */

/* copies violations to a refusal, making it `code` when there is any */
ngx_int_t ngx_http_proctor_error_violations(ngx_http_request_t *r,
    ngx_http_proctor_refusal_t *refusal, ngx_http_proctor_error_e code,
    const proctor_violations_t *violations);

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

/* ngx_http_proctor_audit_commit.c: for the status page */

u_char *ngx_http_proctor_audit_show(
    u_char *p, u_char *last, const ngx_http_proctor_audit_t *audit);

/* ngx_http_proctor_audit_outcome.c: how it ended */

/* in the header filter, once the answer is decided; NGX_DECLINED: how it ended
   cannot be written, ctx->refusal says what to answer instead; NGX_AGAIN: it is
   on its way, for which the answer has to wait (ctx->hold) */
ngx_int_t ngx_http_proctor_audit_answer(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
/* it never got there; NGX_DECLINED: as above, NGX_OK: the answer is none of a
   success anyway */
ngx_int_t ngx_http_proctor_audit_lost(
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

/* ngx_http_proctor_redis_conf.c; the rest is in ngx_http_proctor_redis_call.h */

char *ngx_http_proctor_redis_conf(
    ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

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
