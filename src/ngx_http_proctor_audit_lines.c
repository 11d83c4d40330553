/*
 * Lines gather in the worker's buffer and leave in one write(): at the end of a
 * turn of the event loop that has an outcome, for which an answer waits, or when
 * half of the buffer is full, or a moment after the first of them came.
 *
 * Records of calls are lost when they cannot be written; an answer is nobody's
 * hostage for them.  Outcomes are owed until they are written: the intent is on
 * disk, and somebody will ask how it ended.  As many can be owed as there can
 * be requests, so their memory grows; it is the worker's and is freed with it.
 */

#include "ngx_http_proctor_audit.h"


#define NGX_HTTP_PROCTOR_AUDIT_LINES 65536

/* ms: what a worker that is killed takes along, of records of calls only.  A
   write() for each turn of the event loop would cost a quiet gateway more than
   all else that a record does. */
#define NGX_HTTP_PROCTOR_AUDIT_GATHER 20

/* ms: what may go into a file that was just taken away, calls only */
#define NGX_HTTP_PROCTOR_AUDIT_LOOK 100


static void ngx_http_proctor_audit_lines_event(ngx_event_t *ev);
static int ngx_http_proctor_audit_lines_leave(
    ngx_http_proctor_audit_t *audit, ngx_msec_t look);
static int ngx_http_proctor_audit_lines_append(
    ngx_http_proctor_audit_t *audit, size_t len, ngx_msec_t look, size_t *done);
static void ngx_http_proctor_audit_lines_owed(ngx_http_proctor_audit_t *audit);


ngx_int_t
ngx_http_proctor_audit_lines_init(
    ngx_cycle_t *cycle, ngx_http_proctor_audit_t *audit)
{
    audit->lines = ngx_palloc(cycle->pool, NGX_HTTP_PROCTOR_AUDIT_LINES);
    if (audit->lines == NULL) {
        return NGX_ERROR;
    }

    audit->flush.handler = ngx_http_proctor_audit_lines_event;
    audit->flush.data = audit;
    audit->flush.log = cycle->log;

    proctor_audit_file_init(&audit->file, (char *) audit->conf->file.data,
        (char *) audit->conf->name.data);
    audit->file.newest = ngx_http_proctor_audit_zone_link(audit->conf->zone);

    return NGX_OK;
}


u_char *
ngx_http_proctor_audit_lines_room(ngx_http_proctor_audit_t *audit)
{
    if (NGX_HTTP_PROCTOR_AUDIT_LINES - audit->used < PROCTOR_AUDIT_LINE) {
        ngx_http_proctor_audit_lines_flush(audit);
    }

    return audit->lines + audit->used;
}


void
ngx_http_proctor_audit_lines_add(ngx_http_proctor_audit_t *audit, size_t len)
{
    audit->used += len;

    /* a worker that exits may have no further turn of its event loop */

    if (ngx_exiting || audit->used >= NGX_HTTP_PROCTOR_AUDIT_LINES / 2) {
        ngx_http_proctor_audit_lines_flush(audit);

    } else if (!audit->flush.timer_set) {
        ngx_add_timer(&audit->flush, NGX_HTTP_PROCTOR_AUDIT_GATHER);
    }
}


static void
ngx_http_proctor_audit_lines_event(ngx_event_t *ev)
{
    ngx_http_proctor_audit_lines_flush(ev->data);
}


void
ngx_http_proctor_audit_lines_flush(ngx_http_proctor_audit_t *audit)
{
    int rc;

    rc = ngx_http_proctor_audit_lines_leave(
        audit, ngx_queue_empty(&audit->held) ? NGX_HTTP_PROCTOR_AUDIT_LOOK : 1);

    ngx_http_proctor_audit_lines_say(audit, &audit->file,
        (rc == PROCTOR_OK) ? NULL : "records of calls are lost");
}


/* One look at FILE does for the outcomes of a millisecond: between a look and
   a write() there is time for anything in any case, and a pin keeps the file. */

ngx_int_t
ngx_http_proctor_audit_lines_write(ngx_http_proctor_audit_t *audit, size_t len)
{
    int rc;

    audit->used += len;

    rc = ngx_http_proctor_audit_lines_leave(audit, 1);

    ngx_http_proctor_audit_lines_say(audit, &audit->file,
        (rc == PROCTOR_OK) ? NULL : "durable operations suffer from it");

    return (rc == PROCTOR_OK) ? NGX_OK : NGX_ERROR;
}


/* What is owed, then all that gathered, which stays where it is until something
   is put there: who lost a line may still read it. */

static int
ngx_http_proctor_audit_lines_leave(
    ngx_http_proctor_audit_t *audit, ngx_msec_t look)
{
    int rc;
    size_t len, done;

    ngx_http_proctor_audit_lines_owed(audit);

    len = audit->used;
    audit->used = 0;

    if (len == 0) {
        return PROCTOR_OK;
    }

    rc = ngx_http_proctor_audit_lines_append(audit, len, look, &done);

    ngx_http_proctor_audit_hold_written(audit, done);

    return rc;
}


/* FILE was looked at less than `look` ms ago */

static int
ngx_http_proctor_audit_lines_append(
    ngx_http_proctor_audit_t *audit, size_t len, ngx_msec_t look, size_t *done)
{
    if (ngx_current_msec - audit->looked < look) {
        return proctor_audit_file_append_blindly(
            &audit->file, (char *) audit->lines, len, done);
    }

    audit->looked = ngx_current_msec;

    return proctor_audit_file_append(
        &audit->file, (char *) audit->lines, len, done);
}


void
ngx_http_proctor_audit_lines_settle(ngx_http_proctor_audit_t *audit, size_t len)
{
    u_char *line;

    line = audit->lines + audit->used;

    if (ngx_http_proctor_audit_lines_write(audit, len) != NGX_OK) {
        ngx_http_proctor_audit_lines_owe(audit, line, len);
    }
}


static void
ngx_http_proctor_audit_lines_owed(ngx_http_proctor_audit_t *audit)
{
    size_t done;

    if (audit->nowed == 0) {
        return;
    }

    (void) proctor_audit_file_append(
        &audit->file, (char *) audit->owed, audit->nowed, &done);

    ngx_memmove(audit->owed, audit->owed + done, audit->nowed - done);
    audit->nowed -= done;
}


void
ngx_http_proctor_audit_lines_owe(
    ngx_http_proctor_audit_t *audit, u_char *line, size_t len)
{
    u_char *p;

    p = realloc(audit->owed, audit->nowed + len);

    if (p == NULL) {
        ngx_log_error(NGX_LOG_ALERT, audit->log, 0,
            "proctor audit: no memory for an outcome, it will be \"unknown\"");
        return;
    }

    ngx_memcpy(p + audit->nowed, line, len);
    audit->owed = p;
    audit->nowed += len;
}


/* once a minute: a full disk is not helped by a full error log */

void
ngx_http_proctor_audit_lines_say(ngx_http_proctor_audit_t *audit,
    proctor_audit_file_t *file, const char *consequence)
{
    ngx_uint_t level;

    if (file->begun) {
        file->begun = 0;
        level = (file->reason_begun <= PROCTOR_AUDIT_FILE_MOVED)
                    ? NGX_LOG_NOTICE
                    : NGX_LOG_ALERT;

        ngx_log_error(level, audit->log, 0,
            "proctor audit: \"%V\" is a new file: %s", &audit->conf->file,
            proctor_audit_place_word(file->reason_begun));
    }

    if (consequence == NULL || ngx_time() - audit->said < 60) {
        return;
    }

    audit->said = ngx_time();

    ngx_log_error(NGX_LOG_ALERT, audit->log, file->err,
        "proctor audit: %s \"%V\" failed, %s", file->what, &audit->conf->file,
        consequence);
}
