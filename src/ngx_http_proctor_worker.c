/*
 * What one worker reuses from request to request, made when the process
 * starts.  In cycle->pool; the pure files' parts are freed at the worker's exit.
 */

#include "ngx_http_proctor_redis_call.h"

#include <openssl/rand.h>


#define NGX_HTTP_PROCTOR_WORKER_HEAP (1024 * 1024)


static void ngx_http_proctor_worker_warm(ngx_log_t *log);
static ngx_http_proctor_worker_t *ngx_http_proctor_worker_create(
    ngx_cycle_t *cycle, ngx_http_proctor_main_conf_t *mcf);


ngx_int_t
ngx_http_proctor_worker_init(ngx_cycle_t *cycle)
{
    ngx_http_proctor_worker_t *worker;
    ngx_http_proctor_main_conf_t *mcf;

    if (ngx_process != NGX_PROCESS_WORKER
        && ngx_process != NGX_PROCESS_SINGLE) {
        return NGX_OK; /* the cache manager and loader serve no requests */
    }

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_proctor_module);
    if (mcf == NULL) {
        return NGX_OK;
    }

    ngx_http_proctor_worker_warm(cycle->log);

    worker = ngx_http_proctor_worker_create(cycle, mcf);
    if (worker == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_proctor_quota_worker_init(cycle, mcf, worker) != NGX_OK) {
        return NGX_ERROR;
    }

    if (mcf->redis != NULL) {
        worker->redis = ngx_http_proctor_redis_create(cycle, mcf->redis);
        if (worker->redis == NULL) {
            return NGX_ERROR;
        }
    }

    mcf->worker = worker;

    if (mcf->audit != NULL) {
        worker->audit = ngx_http_proctor_audit_worker_create(cycle, mcf);
        if (worker->audit == NULL) {
            return NGX_ERROR;
        }
    }

    if (worker->redis != NULL && mcf->zone != NULL && mcf->teams != NULL) {
        return ngx_http_proctor_cache_area_init(cycle, mcf);
    }

    return NGX_OK;
}


/*
 * glibc gives 128 KB at the end of the heap back to the kernel as soon as they
 * are free, and gets them anew, page by page: when calls that waited for one
 * fdatasync end together, a page fault for each of them.  What it keeps is
 * twice the largest block that was ever freed.
 */

static void
ngx_http_proctor_worker_warm(ngx_log_t *log)
{
    void *p;

    p = ngx_alloc(NGX_HTTP_PROCTOR_WORKER_HEAP, log);

    if (p != NULL) {
        ngx_free(p);
    }
}


static ngx_http_proctor_worker_t *
ngx_http_proctor_worker_create(
    ngx_cycle_t *cycle, ngx_http_proctor_main_conf_t *mcf)
{
    u_char seed[8];
    unsigned n;
    ngx_http_proctor_worker_t *worker;

    worker = ngx_pcalloc(cycle->pool, sizeof(ngx_http_proctor_worker_t));
    if (worker == NULL) {
        return NULL;
    }

    n = (mcf->teams == NULL) ? 0 : proctor_teams_naccounts(mcf->teams);

    worker->key_index = ngx_pcalloc(cycle->pool, (n + 1) * sizeof(ngx_uint_t));
    worker->body = ngx_palloc(cycle->pool, NGX_HTTP_PROCTOR_INLINE_MAX);
    worker->arena = proctor_arena_create(0);
    proctor_json_init(&worker->doc);

    if (worker->key_index == NULL || worker->body == NULL
        || worker->arena == NULL
        || ngx_http_proctor_forward_init(cycle, worker) != NGX_OK
        || RAND_bytes(seed, sizeof(seed)) != 1) {
        return NULL;
    }

    (void) ngx_hex_dump(worker->rid_prefix, seed, sizeof(seed));

    worker->doc.arena = worker->arena;
    worker->log = cycle->log;

    return worker;
}


void
ngx_http_proctor_worker_exit(ngx_cycle_t *cycle)
{
    ngx_http_proctor_worker_t *worker;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_proctor_module);

    if (mcf == NULL || mcf->worker == NULL) {
        return;
    }

    worker = mcf->worker;

    if (worker->audit != NULL) {
        ngx_http_proctor_audit_worker_destroy(worker->audit);
    }

    ngx_http_proctor_quota_worker_exit(mcf);

    if (worker->cache != NULL) {
        ngx_http_proctor_cache_area_exit(worker->cache);
    }

    if (worker->redis != NULL) {
        ngx_http_proctor_redis_destroy(worker->redis);
    }

    proctor_json_free(&worker->doc);
    proctor_arena_destroy(worker->arena);

    mcf->worker = NULL;
}
