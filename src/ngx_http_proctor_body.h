/*
 * What the two halves of the body step share: ngx_http_proctor_body.c, which
 * reads and judges, and ngx_http_proctor_body_task.c, which has a thread do it.
 */

#ifndef NGX_HTTP_PROCTOR_BODY_H_INCLUDED
#define NGX_HTTP_PROCTOR_BODY_H_INCLUDED

#include "ngx_http_proctor.h"
#include "proctor_cache.h"


/* One body and everything it is held against; nothing else is touched. */

typedef struct {
    const proctor_schema_t *contract;
    const proctor_schema_t *policy; /* NULL: none */
    const char *text;
    size_t len;
    proctor_json_t *doc;

    int rc; /* of the parse, then of the checks */
    proctor_violations_t invalid;
    proctor_violations_t denied;
    ngx_uint_t hashed;
    const proctor_cache_rule_t *cache; /* NULL: the next two are not wanted */
    ngx_uint_t excepted;
    unsigned char canonical[PROCTOR_SHA256_LEN];
    unsigned char sha256[PROCTOR_SHA256_LEN];
} ngx_http_proctor_body_job_t;

/* a part of the body that is still in nginx's temporary file */

typedef struct {
    ngx_fd_t fd; /* our own: the file may be gone */
    u_char *to;
    size_t size;
    off_t from;
} ngx_http_proctor_body_file_t;


/* ngx_http_proctor_body.c */

/*
 * Copies body_len bytes from wherever nginx put them.  With `later`, a part in
 * a file is only noted there, for the thread to read.
 */
ngx_int_t ngx_http_proctor_body_gather(
    ngx_http_request_t *r, u_char *to, ngx_http_proctor_body_file_t *later);
ngx_int_t ngx_http_proctor_body_pread(ngx_http_proctor_body_file_t *file);
/* which schemas the job has to use */
void ngx_http_proctor_body_rules(
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_body_job_t *job);
/* the whole check, in the worker or in a thread */
void ngx_http_proctor_body_job(ngx_http_proctor_body_job_t *job);
/* what the job found, into the request: a step's return code */
ngx_int_t ngx_http_proctor_body_result(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_body_job_t *job);

/* ngx_http_proctor_body_task.c */

#if (NGX_THREADS)
/* NGX_AGAIN: a thread is at it; or a step's other return codes */
ngx_int_t ngx_http_proctor_body_task(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
#endif

#endif /* NGX_HTTP_PROCTOR_BODY_H_INCLUDED */
