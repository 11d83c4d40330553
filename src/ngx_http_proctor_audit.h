/*
 * What the files of the audit trail share.
 *
 *     audit.c            the step: the intent, before anything happens
 *     audit_commit.c     intents to the disk, many at a time, in a thread
 *     audit_outcome.c    how it ended, before the client is told
 *     audit_hold.c       for which answers wait, a turn of the loop at most
 *     audit_sync.c       or until it is on disk, with fsync=always
 *     audit_record.c     a request as a record
 *     audit_created.c    what an answer says was created
 *     audit_lines.c      lines that gather, and leave in one write()
 *     audit_conf.c       the directive
 *     audit_stream.c     a copy of each record, in Redis
 *     audit_zone.c       the newest checkpoint, for all workers
 *     audit_seal.c       when the sealer has its rounds
 *     audit_worker.c     what a worker has of all this
 */

#ifndef NGX_HTTP_PROCTOR_AUDIT_H_INCLUDED
#define NGX_HTTP_PROCTOR_AUDIT_H_INCLUDED

#include "ngx_http_proctor.h"
#include "proctor_sealer.h"


#define NGX_HTTP_PROCTOR_AUDIT_QUEUE 1024 /* intents that wait for the disk */
#define NGX_HTTP_PROCTOR_AUDIT_BATCH 64   /* that many wait for no others */

typedef enum {
    NGX_HTTP_PROCTOR_AUDIT_GROUP = 0, /* one fdatasync for all that wait */
    NGX_HTTP_PROCTOR_AUDIT_ALWAYS,    /* one for each record */
    NGX_HTTP_PROCTOR_AUDIT_NEVER
} ngx_http_proctor_audit_fsync_e;

typedef struct ngx_http_proctor_audit_zone_s ngx_http_proctor_audit_zone_t;

struct ngx_http_proctor_audit_conf_s {
    ngx_str_t file; /* NUL-terminated */
    ngx_str_t name; /* of the gateway: the origin */
    ngx_str_t key;  /* file of the signing key; empty: nothing is signed */
    ngx_uint_t fsync;
    ngx_msec_t timeout;
    ngx_msec_t checkpoint;
    ngx_uint_t stream;
    proctor_note_signer_t *signer; /* NULL: no key */
    ngx_http_proctor_audit_zone_t *zone;
};


/*
 * One intent on its way to the disk, in its request's memory.  The disk may be
 * slower than its request is patient: from one that ends while a thread writes
 * the intent it moves to the heap, and has no `r`.  `line` is then what is to be
 * written should the intent not have reached the file; id, request id, result,
 * reason and status are its outcome, should it have.  In one of two queues of
 * the worker.
 */

struct ngx_http_proctor_audit_intent_s {
    ngx_queue_t queue;
    ngx_http_proctor_wait_t *wait;
    ngx_http_request_t *r; /* also of one that was refused for being late, and
                              has not ended; NULL: it has */
    ngx_uint_t flying;     /* in the batch that a thread writes */
    size_t end;            /* of its line in the batch */
    size_t len;
    u_char *line;
    ngx_str_t result;
    ngx_str_t reason; /* a constant, as is the result */
    ngx_uint_t status;
    size_t id_len;
    size_t rid_len;
    u_char id[PROCTOR_AUDIT_ID_MAX];
    u_char rid[NGX_HTTP_PROCTOR_RID_MAX];
};

/* One answer that waits for its outcome. */

struct ngx_http_proctor_hold_s {
    ngx_queue_t queue;
    ngx_http_request_t *r; /* NULL: it has ended */
    ngx_uint_t lost;       /* in vain: the client will be told another thing */
    size_t begin;          /* of the outcome, in the worker's buffer */
    size_t end;
    proctor_audit_sync_t file; /* fsync=always: the thread's while it flies;
                                  without a descriptor: the one before it has
                                  that */
};

/* The thread's: nothing else is touched while the task is under way. */

typedef struct {
    proctor_audit_file_t file;
    u_char *batch;
    size_t size;
    size_t len;
    size_t done;
    ngx_uint_t count;   /* of intents in it, or in the last one */
    ngx_uint_t intents; /* all there ever were, and their batches */
    ngx_uint_t batches;
    int rc;
    ngx_thread_task_t *task;
} ngx_http_proctor_audit_commit_t;

typedef struct {
    ngx_queue_t waiting;
    ngx_queue_t flying; /* the thread's, while the task is under way */
    ngx_thread_task_t *task;
} ngx_http_proctor_audit_sync_t;

typedef struct {
    proctor_sealer_t sealer; /* the thread's, while the task is under way */
    int64_t now_us;
    int rc;
    time_t said; /* when a failure was last spoken of */
    ngx_thread_task_t *task;
} ngx_http_proctor_audit_seal_t;

struct ngx_http_proctor_audit_s {
    ngx_http_proctor_main_conf_t *mcf;
    ngx_http_proctor_audit_conf_t *conf;
    ngx_log_t *log;

    uint64_t id; /* of this worker, 63 bits */
    uint64_t counter;

    proctor_audit_file_t file; /* the event loop's */
    ngx_msec_t looked;         /* when FILE was last looked at */
    time_t said;               /* when a failure was last spoken of */
    ngx_event_t flush;
    u_char *lines; /* whole ones, until they leave */
    size_t used;
    u_char *owed; /* outcomes that could not be written yet */
    size_t nowed;
    struct ngx_http_proctor_audit_who_s *who; /* audit_record.c's, */
    int64_t time_us;                          /* as are these */
    char time[PROCTOR_TIME_LEN];

    ngx_event_t turn;    /* of the event loop: its end */
    ngx_queue_t held;    /* answers whose outcomes are in `lines` */
    ngx_queue_t settled; /* answers that may go */

    ngx_event_t begin; /* the next batch */
    ngx_queue_t waiting;
    ngx_uint_t nwaiting;
    ngx_queue_t flying;
    ngx_http_proctor_audit_commit_t commit;
    ngx_http_proctor_audit_sync_t sync;

    ngx_http_proctor_audit_seal_t seal;
    ngx_event_t tick;
};


/* ngx_http_proctor_audit_commit.c */

/* its request, which waits, will be resumed, refused when it was in vain */
void ngx_http_proctor_audit_commit(
    ngx_http_proctor_audit_t *audit, ngx_http_proctor_audit_intent_t *intent);
/* its request ends, and was denied should it not be in the file: `len` bytes at
   the end of `lines` say so; else it ended as the intent says */
void ngx_http_proctor_audit_commit_leave(ngx_http_proctor_audit_t *audit,
    ngx_http_proctor_audit_intent_t *intent, size_t len);
ngx_int_t ngx_http_proctor_audit_commit_init(
    ngx_cycle_t *cycle, ngx_http_proctor_audit_t *audit);
/* the process ends, its threads have ended: what they left is settled */
void ngx_http_proctor_audit_commit_exit(ngx_http_proctor_audit_t *audit);

/* ngx_http_proctor_audit_hold.c */

void ngx_http_proctor_audit_hold_init(
    ngx_cycle_t *cycle, ngx_http_proctor_audit_t *audit);
/* `len` bytes of an outcome were put at the end of `lines`: NGX_AGAIN: ctx->hold
   is set, and answer_release() will be called, later, but for a request that has
   ended; NGX_ERROR: they are not added */
ngx_int_t ngx_http_proctor_audit_hold(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_audit_t *audit, size_t len);
/* `done` bytes of `lines` were written, the others are lost */
void ngx_http_proctor_audit_hold_written(
    ngx_http_proctor_audit_t *audit, size_t done);
/* all that are settled go */
void ngx_http_proctor_audit_hold_settle(ngx_http_proctor_audit_t *audit);
void ngx_http_proctor_audit_hold_exit(ngx_http_proctor_audit_t *audit);

/* ngx_http_proctor_audit_sync.c */

ngx_int_t ngx_http_proctor_audit_sync_init(
    ngx_cycle_t *cycle, ngx_http_proctor_audit_t *audit);
/* settled once what was written until now is on disk */
void ngx_http_proctor_audit_sync_hold(
    ngx_http_proctor_audit_t *audit, ngx_http_proctor_hold_t *hold);
/* the next fdatasync, unless one is under way: its end asks again */
void ngx_http_proctor_audit_sync(ngx_http_proctor_audit_t *audit);
void ngx_http_proctor_audit_sync_exit(ngx_http_proctor_audit_t *audit);

/* ngx_http_proctor_audit_outcome.c */

/* what is known of how it ended */
ngx_str_t ngx_http_proctor_audit_outcome_result(
    const ngx_http_proctor_ctx_t *ctx);
/* what is to be said of an intent whose request was not let through */
void ngx_http_proctor_audit_outcome_late(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_audit_intent_t *intent);
/* the process ends, and nobody gave it up but that */
void ngx_http_proctor_audit_outcome_unknown(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_audit_t *audit);

/* ngx_http_proctor_audit_record.c */

ngx_int_t ngx_http_proctor_audit_record_init(
    ngx_cycle_t *cycle, ngx_http_proctor_audit_t *audit);
/* a finished call, or a refused one: "call" or "denied" */
size_t ngx_http_proctor_audit_record_call(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, u_char *line);
size_t ngx_http_proctor_audit_record_intent(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, u_char *line);
size_t ngx_http_proctor_audit_record_outcome(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_str_t *result, u_char *line);
/* of an intent whose request is gone */
size_t ngx_http_proctor_audit_record_late(
    const ngx_http_proctor_audit_intent_t *intent, u_char *line);

/* ngx_http_proctor_audit_created.c */

/* left as it is when nothing is known; in the upstream's buffer */
void ngx_http_proctor_audit_created(
    const ngx_http_proctor_ctx_t *ctx, proctor_str_t *created);

/* ngx_http_proctor_audit_lines.c */

ngx_int_t ngx_http_proctor_audit_lines_init(
    ngx_cycle_t *cycle, ngx_http_proctor_audit_t *audit);
/* room for one more line at the end of those that gather */
u_char *ngx_http_proctor_audit_lines_room(ngx_http_proctor_audit_t *audit);
/* `len` bytes were put there, and leave soon */
void ngx_http_proctor_audit_lines_add(
    ngx_http_proctor_audit_t *audit, size_t len);
/* `len` bytes were put there, and leave now, with all others; NGX_ERROR: they
   did not */
ngx_int_t ngx_http_proctor_audit_lines_write(
    ngx_http_proctor_audit_t *audit, size_t len);
/* what could not leave, does with the next that can */
void ngx_http_proctor_audit_lines_owe(
    ngx_http_proctor_audit_t *audit, u_char *line, size_t len);
/* both: `len` bytes were put there, leave now or are owed */
void ngx_http_proctor_audit_lines_settle(
    ngx_http_proctor_audit_t *audit, size_t len);
void ngx_http_proctor_audit_lines_flush(ngx_http_proctor_audit_t *audit);
/* speaks of what happened to a file, and of failures once a minute */
void ngx_http_proctor_audit_lines_say(ngx_http_proctor_audit_t *audit,
    proctor_audit_file_t *file, const char *consequence);


/* ngx_http_proctor_audit_stream.c */

void ngx_http_proctor_audit_stream(ngx_http_proctor_audit_t *audit,
    ngx_http_proctor_ctx_t *ctx, const u_char *line, size_t len);

/* ngx_http_proctor_audit_zone.c */

ngx_int_t ngx_http_proctor_audit_zone_add(
    ngx_conf_t *cf, ngx_http_proctor_audit_conf_t *audit);
void ngx_http_proctor_audit_zone_set(ngx_http_proctor_audit_zone_t *zone,
    const proctor_checkpoint_t *checkpoint, const char *text, size_t len);
/* when a worker starts */
void ngx_http_proctor_audit_zone_load(ngx_http_proctor_audit_conf_t *audit);
/* what is to be told to each handle of a file */
const proctor_audit_newest_t *ngx_http_proctor_audit_zone_link(
    ngx_http_proctor_audit_zone_t *zone);

/* ngx_http_proctor_audit_seal.c */

/* NGX_DECLINED: this worker may not make durable operations */
ngx_int_t ngx_http_proctor_audit_seal_init(
    ngx_cycle_t *cycle, ngx_http_proctor_audit_t *audit);
/* a round in the background, unless one is under way */
void ngx_http_proctor_audit_seal(ngx_http_proctor_audit_t *audit);
void ngx_http_proctor_audit_seal_exit(ngx_http_proctor_audit_t *audit);

#endif /* NGX_HTTP_PROCTOR_AUDIT_H_INCLUDED */
