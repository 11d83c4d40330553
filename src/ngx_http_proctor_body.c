/*
 * Is there a body, and does it fit?
 *
 * Two steps: have nginx read all of it (memory, several buffers or a temporary
 * file: the verdict is the same), then hash it, parse it and hold it against
 * the contract and the team's policy.  The check itself is one pure function
 * over a job; a small body's job runs at once on the worker's own document, a
 * large one's in the thread pool with everything it touches on the heap, for
 * its request may be gone before it ends.
 */

#include "ngx_http_proctor_body.h"


static ngx_int_t ngx_http_proctor_body_media(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);
static ngx_uint_t ngx_http_proctor_body_is_json(const ngx_str_t *type);
static ngx_int_t ngx_http_proctor_body_fault(
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_error_e code);
static u_char *ngx_http_proctor_body_single(ngx_http_request_t *r, off_t len);
static ngx_int_t ngx_http_proctor_body_inline(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx);


ngx_int_t
ngx_http_proctor_body_read(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_int_t rc;
    ngx_uint_t empty;

    empty = (r->headers_in.content_length_n <= 0 && !r->headers_in.chunked);

    if (!ctx->operation->has_body) {
        return empty ? NGX_OK
                     : ngx_http_proctor_refuse(
                         ctx, NGX_HTTP_PROCTOR_FAT_REQUEST, NULL);
    }

    if (!empty) {
        rc = ngx_http_proctor_body_media(r, ctx);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_http_proctor_body_media(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    if (ctx->coded) {
        return ngx_http_proctor_body_fault(ctx, NGX_HTTP_PROCTOR_BAD_CODING);
    }

    if (ctx->types != 1 || r->headers_in.content_type == NULL
        || !ngx_http_proctor_body_is_json(&r->headers_in.content_type->value)) {
        return ngx_http_proctor_body_fault(
            ctx, NGX_HTTP_PROCTOR_BAD_MEDIA_TYPE);
    }

    return NGX_OK;
}


/* application/json, alone or with charset=utf-8 (RFC 9110, 8.3.1) */

static ngx_uint_t
ngx_http_proctor_body_is_json(const ngx_str_t *type)
{
    u_char *p, *last;

    p = type->data;
    last = p + type->len;

    if (type->len == 16 && ngx_memcmp(p, "application/json", 16) == 0) {
        return 1; /* what every client sends */
    }

    if (type->len < 16
        || ngx_strncasecmp(p, (u_char *) "application/json", 16) != 0) {
        return 0;
    }

    for (p += 16; p < last && (*p == ' ' || *p == '\t'); p++) {
        /* void */
    }

    if (p == last) {
        return 1;
    }

    if (*p++ != ';') {
        return 0;
    }

    for (; p < last && (*p == ' ' || *p == '\t'); p++) {
        /* void */
    }

    if (last - p < 8 || ngx_strncasecmp(p, (u_char *) "charset=", 8) != 0) {
        return 0;
    }

    p += 8;

    if (last - p > 2 && *p == '"' && last[-1] == '"') {
        p++;
        last--;
    }

    return (last - p == 5 && ngx_strncasecmp(p, (u_char *) "utf-8", 5) == 0)
           || (last - p == 4 && ngx_strncasecmp(p, (u_char *) "utf8", 4) == 0);
}


/* a body that cannot be judged: refused, or noted in observe mode */

static ngx_int_t
ngx_http_proctor_body_fault(
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_error_e code)
{
    if (ctx->conf->mode == NGX_HTTP_PROCTOR_OBSERVE) {
        ctx->invalid.code = code;
        return NGX_OK;
    }

    return ngx_http_proctor_refuse(ctx, code, NULL);
}


ngx_int_t
ngx_http_proctor_body(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    ngx_buf_t *b;
    ngx_chain_t *cl;

    if (r->request_body == NULL) {
        return NGX_OK;
    }

    ctx->body_len = 0;

    for (cl = r->request_body->bufs; cl != NULL; cl = cl->next) {
        b = cl->buf;
        ctx->body_len += ngx_buf_size(b);
    }

    if (ctx->body_len == 0) {
        return ctx->operation->body_required
                   ? ngx_http_proctor_body_fault(ctx, NGX_HTTP_PROCTOR_NO_BODY)
                   : NGX_OK;
    }

#if (NGX_THREADS)
    if (ctx->body_len > NGX_HTTP_PROCTOR_INLINE_MAX) {
        return ngx_http_proctor_body_task(r, ctx);
    }
#endif

    return ngx_http_proctor_body_inline(r, ctx);
}


static ngx_int_t
ngx_http_proctor_body_inline(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx)
{
    u_char *text;
    ngx_http_proctor_worker_t *worker;
    ngx_http_proctor_body_job_t job;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    worker = mcf->worker;

    text = ngx_http_proctor_body_single(r, ctx->body_len);

    if (text == NULL) {
        text = (ctx->body_len <= NGX_HTTP_PROCTOR_INLINE_MAX)
                   ? worker->body
                   : ngx_pnalloc(r->pool, (size_t) ctx->body_len);

        if (text == NULL
            || ngx_http_proctor_body_gather(r, text, NULL) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    proctor_arena_reset(worker->arena);

    ngx_memzero(&job, sizeof(ngx_http_proctor_body_job_t));
    job.text = (char *) text;
    job.len = (size_t) ctx->body_len;
    job.doc = &worker->doc;
    job.invalid.arena = worker->arena;
    job.denied.arena = worker->arena;

    ngx_http_proctor_body_rules(ctx, &job);
    ngx_http_proctor_body_job(&job);

    return ngx_http_proctor_body_result(r, ctx, &job);
}


void
ngx_http_proctor_body_rules(
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_body_job_t *job)
{
    const proctor_policy_t *policy;

    policy = proctor_team_policy(ctx->key->team, ctx->operation);

    job->contract = ctx->operation->body;
    job->cache = ctx->operation->cache;
    job->policy = (policy == NULL) ? NULL : policy->body;
}


/* The whole check.  Runs in the worker or in a thread; touches the job only. */

void
ngx_http_proctor_body_job(ngx_http_proctor_body_job_t *job)
{
    if (proctor_digest(job->text, job->len, job->sha256) != PROCTOR_OK) {
        job->rc = PROCTOR_ERROR;
        return;
    }

    job->hashed = 1;
    job->rc = proctor_json_parse(job->doc, job->text, job->len);

    if (job->rc != PROCTOR_OK) {
        return;
    }

    if (proctor_schema_check(job->contract, job->doc, 0, NULL, &job->invalid)
            == PROCTOR_ERROR
        || (job->policy != NULL
            && proctor_schema_check(
                   job->policy, job->doc, 0, NULL, &job->denied)
                   == PROCTOR_ERROR)) {
        /* not 503: clients would only send it again */
        job->rc = PROCTOR_INVALID;
        job->doc->error = "takes too long to check";
        job->doc->error_offset = 0;
        return;
    }

    if (job->cache != NULL) {
        job->excepted =
            (ngx_uint_t) proctor_cache_body_excepted(job->doc, job->cache);
        job->rc = proctor_cache_body(job->doc, job->canonical);
    }
}


ngx_int_t
ngx_http_proctor_body_result(ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx,
    ngx_http_proctor_body_job_t *job)
{
    ngx_int_t rc;

    ctx->body_hashed = job->hashed;
    ctx->body_excepted = job->excepted;
    ngx_memcpy(ctx->body_sha256, job->sha256, PROCTOR_SHA256_LEN);
    ngx_memcpy(ctx->body_canonical, job->canonical, PROCTOR_SHA256_LEN);

    if (job->rc == PROCTOR_ERROR) {
        return ngx_http_proctor_refuse(ctx, NGX_HTTP_PROCTOR_BUSY, NULL);
    }

    if (job->rc == PROCTOR_INVALID) {
        rc = ngx_http_proctor_refuse_fmt(r, ctx, NGX_HTTP_PROCTOR_BAD_JSON,
            "The body %s (at byte %uz).", job->doc->error,
            job->doc->error_offset);

        if (rc == NGX_DECLINED && ctx->conf->mode == NGX_HTTP_PROCTOR_OBSERVE) {
            ctx->invalid = ctx->refusal;
            ctx->refusal.code = NGX_HTTP_PROCTOR_FINE;
            rc = NGX_OK;
        }

        return rc;
    }

    if (ngx_http_proctor_error_violations(
            r, &ctx->invalid, NGX_HTTP_PROCTOR_BAD_INPUT, &job->invalid)
        != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_proctor_error_violations(
        r, &ctx->policy, NGX_HTTP_PROCTOR_POLICY, &job->denied);
}


/* the body's bytes when one buffer in memory holds them all */

static u_char *
ngx_http_proctor_body_single(ngx_http_request_t *r, off_t len)
{
    ngx_buf_t *b;

    b = r->request_body->bufs->buf;

    return (ngx_buf_in_memory(b) && b->last - b->pos == len) ? b->pos : NULL;
}


/*
 * Copies body_len bytes from wherever nginx put them.  With `later`, a part in
 * a file is only noted there, for the thread to read.
 */

ngx_int_t
ngx_http_proctor_body_gather(
    ngx_http_request_t *r, u_char *to, ngx_http_proctor_body_file_t *later)
{
    ngx_buf_t *b;
    ngx_chain_t *cl;
    ngx_http_proctor_body_file_t file;

    for (cl = r->request_body->bufs; cl != NULL; cl = cl->next) {

        b = cl->buf;

        if (ngx_buf_in_memory(b) && b->pos != NULL) {
            to = ngx_cpymem(to, b->pos, b->last - b->pos);
            continue;
        }

        if (!b->in_file) {
            continue; /* a chunked body's chain ends with an empty buffer */
        }

        file.fd = b->file->fd;
        file.to = to;
        file.size = (size_t) (b->file_last - b->file_pos);
        file.from = b->file_pos;

        to += file.size;

        if (later != NULL && later->size == 0) {
            *later = file;
            later->fd = dup(file.fd);

            if (later->fd == NGX_INVALID_FILE) {
                return NGX_ERROR;
            }

        } else if (ngx_http_proctor_body_pread(&file) != NGX_OK) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, ngx_errno,
                "proctor body: reading \"%V\" failed", &b->file->name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_proctor_body_pread(ngx_http_proctor_body_file_t *file)
{
    ssize_t n;
    size_t done;

    for (done = 0; done < file->size; done += (size_t) n) {

        n = pread(file->fd, file->to + done, file->size - done,
            file->from + (off_t) done);

        if (n <= 0) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
