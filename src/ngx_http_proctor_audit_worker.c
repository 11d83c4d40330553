/*
 * What a worker has of the audit trail: made when it starts, in cycle->pool but
 * for what grows, freed when it ends.
 */

#include "ngx_http_proctor_audit.h"
#include <openssl/rand.h>


static void ngx_http_proctor_audit_worker_tick(ngx_event_t *ev);


ngx_http_proctor_audit_t *
ngx_http_proctor_audit_worker_create(
    ngx_cycle_t *cycle, ngx_http_proctor_main_conf_t *mcf)
{
    ngx_http_proctor_audit_t *audit;

    audit = ngx_pcalloc(cycle->pool, sizeof(ngx_http_proctor_audit_t));

    if (audit == NULL
        || RAND_bytes((u_char *) &audit->id, sizeof(audit->id)) != 1) {
        return NULL;
    }

    audit->id >>= 1; /* a lock's offset is signed */
    audit->mcf = mcf;
    audit->conf = mcf->audit;
    audit->log = cycle->log;

    /* over a limit of the process's is a failure of write(), not its end */
    (void) signal(SIGXFSZ, SIG_IGN);

    ngx_http_proctor_audit_zone_load(audit->conf);

    ngx_http_proctor_audit_hold_init(cycle, audit);

    if (ngx_http_proctor_audit_record_init(cycle, audit) != NGX_OK
        || ngx_http_proctor_audit_lines_init(cycle, audit) != NGX_OK
        || ngx_http_proctor_audit_commit_init(cycle, audit) != NGX_OK
        || ngx_http_proctor_audit_sync_init(cycle, audit) != NGX_OK
        || ngx_http_proctor_audit_seal_init(cycle, audit) == NGX_ERROR) {
        return NULL;
    }

    audit->tick.handler = ngx_http_proctor_audit_worker_tick;
    audit->tick.data = audit;
    audit->tick.log = cycle->log;
    audit->tick.cancelable = 1;

    ngx_http_proctor_audit_worker_tick(&audit->tick);

    return audit;
}


/*
 * FILE is looked at also while nobody calls: whoever rotates finds a new one
 * soon, and a file that was moved is held by nobody who has nothing to write.
 */

static void
ngx_http_proctor_audit_worker_tick(ngx_event_t *ev)
{
    int rc;
    ngx_http_proctor_audit_t *audit = ev->data;

    ngx_http_proctor_audit_lines_flush(audit);

    rc = proctor_audit_place_ensure(&audit->file);

    ngx_http_proctor_audit_lines_say(audit, &audit->file,
        (rc == PROCTOR_OK) ? NULL : "durable operations are refused");

    if (ngx_queue_empty(&audit->flying)
        && audit->commit.file.ino != audit->file.ino) {
        proctor_audit_file_close(&audit->commit.file);
    }

    ngx_http_proctor_audit_seal(audit);

    if (!ngx_exiting) {
        ngx_add_timer(ev, audit->conf->checkpoint);
    }
}


void
ngx_http_proctor_audit_worker_destroy(ngx_http_proctor_audit_t *audit)
{
    ngx_http_proctor_audit_commit_exit(audit);
    ngx_http_proctor_audit_lines_flush(audit);
    ngx_http_proctor_audit_sync_exit(audit);
    ngx_http_proctor_audit_hold_exit(audit);
    ngx_http_proctor_audit_seal_exit(audit);

    proctor_audit_file_close(&audit->file);
    free(audit->owed);
}
