/*
 * `proctor_status;` in a location: what this worker knows, as JSON.
 *
 * Redis is asked for its time by a script, as the quotas do, so that the page
 * shows a round trip as requests have it and says whether scripts run.  The
 * request waits for that; when it goes first, its cleanup cancels the call.
 * All memory is the request's.
 */

#include "ngx_http_proctor_redis_call.h"

#include <time.h>


#define NGX_HTTP_PROCTOR_STATUS_SIZE 8192


typedef struct {
    ngx_http_request_t *r;
    ngx_http_proctor_redis_t *redis;
    const ngx_http_proctor_quota_stats_t *quotas;
    const ngx_http_proctor_audit_t *audit;
    ngx_http_proctor_redis_call_t call;
    uint64_t sent_ns;
    const char *outcome; /* of the question */
    ngx_int_t us;        /* of its round trip; -1: there was none */
    ngx_int_t clock_ms;  /* Redis's clock less ours */
    unsigned clock_known : 1;
} ngx_http_proctor_status_t;


static ngx_int_t ngx_http_proctor_status_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_proctor_status_ask(ngx_http_request_t *r,
    ngx_http_proctor_main_conf_t *mcf, ngx_http_proctor_status_t *status);
static void ngx_http_proctor_status_answered(void *data,
    ngx_http_proctor_redis_status_e how,
    const ngx_http_proctor_redis_reply_t *replies);
static void ngx_http_proctor_status_clock(ngx_http_proctor_status_t *status,
    const ngx_http_proctor_redis_reply_t *reply);
static void ngx_http_proctor_status_gone(void *data);
static ngx_int_t ngx_http_proctor_status_send(
    ngx_http_proctor_status_t *status);
static u_char *ngx_http_proctor_status_nodes(
    u_char *p, u_char *last, const ngx_http_proctor_status_t *status);
static u_char *ngx_http_proctor_status_redis(
    u_char *p, u_char *last, ngx_http_proctor_status_t *status);
static u_char *ngx_http_proctor_status_quotas(
    u_char *p, u_char *last, const ngx_http_proctor_status_t *status);
static u_char *ngx_http_proctor_status_string(
    u_char *p, u_char *last, const char *data, size_t len);
static uint64_t ngx_http_proctor_status_now(void);


static const proctor_str_t ngx_http_proctor_status_script =
    proctor_str("return redis.call('TIME')");


char *
ngx_http_proctor_status_conf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t *clcf;

    (void) cmd;
    (void) conf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_proctor_status_handler;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_proctor_status_init(ngx_conf_t *cf, ngx_http_proctor_main_conf_t *mcf)
{
    if (mcf->redis == NULL) {
        return NGX_OK;
    }

    mcf->clock = ngx_http_proctor_redis_script(
        cf, mcf->redis, &ngx_http_proctor_status_script);

    return (mcf->clock == NULL) ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_http_proctor_status_handler(ngx_http_request_t *r)
{
    ngx_int_t rc;
    ngx_http_proctor_status_t *status;
    ngx_http_proctor_main_conf_t *mcf;

    if (!(r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    status = ngx_pcalloc(r->pool, sizeof(ngx_http_proctor_status_t));
    if (status == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    status->r = r;
    status->redis = mcf->worker->redis;
    status->quotas = ngx_http_proctor_quota_stats(mcf->worker);
    status->audit = mcf->worker->audit;
    status->us = -1;

    rc = ngx_http_proctor_status_ask(r, mcf, status);

    if (rc == NGX_OK) {
        r->main->count++;
        return NGX_DONE;
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    status->outcome = (rc == NGX_BUSY) ? "shed" : "none";

    return ngx_http_proctor_status_send(status);
}


/* as ngx_http_proctor_redis_send(); NGX_ERROR: out of memory */

static ngx_int_t
ngx_http_proctor_status_ask(ngx_http_request_t *r,
    ngx_http_proctor_main_conf_t *mcf, ngx_http_proctor_status_t *status)
{
    ngx_event_t *rev;
    ngx_http_cleanup_t *cln;
    ngx_http_proctor_redis_command_t commands[2];

    static const proctor_str_t ping[] = { proctor_str("PING") };
    static const proctor_str_t none[] = { proctor_str("0") };

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_proctor_status_gone;
    cln->data = status;

    rev = r->connection->read;
    r->read_event_handler = ngx_http_test_reading;

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);

    } else if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    commands[0].argv = ping;
    commands[0].argc = 1;
    commands[0].script = NULL;
    commands[1].argv = none;
    commands[1].argc = 1;
    commands[1].script = mcf->clock;

    status->sent_ns = ngx_http_proctor_status_now();
    status->call.handler = ngx_http_proctor_status_answered;
    status->call.data = status;

    return ngx_http_proctor_redis_send(
        status->redis, &status->call, commands, 2);
}


static void
ngx_http_proctor_status_gone(void *data)
{
    ngx_http_proctor_status_t *status = data;

    ngx_http_proctor_redis_cancel(&status->call);
}


static void
ngx_http_proctor_status_answered(void *data,
    ngx_http_proctor_redis_status_e how,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_http_proctor_status_t *status = data;

    ngx_connection_t *c;
    ngx_http_request_t *r = status->r;

    c = r->connection;
    ngx_http_set_log_request(c->log, r);
    r->read_event_handler = ngx_http_block_reading;

    status->outcome = ngx_http_proctor_redis_word(how);

    if (replies != NULL) {
        status->us =
            (ngx_int_t) ((ngx_http_proctor_status_now() - status->sent_ns)
                         / 1000);
        ngx_http_proctor_status_clock(status, &replies[1]);
    }

    ngx_http_finalize_request(r, ngx_http_proctor_status_send(status));
    ngx_http_run_posted_requests(c);
}


/* [seconds, microseconds], both as strings */

static void
ngx_http_proctor_status_clock(ngx_http_proctor_status_t *status,
    const ngx_http_proctor_redis_reply_t *reply)
{
    time_t sec;
    ngx_int_t usec;
    struct timeval tv;
    const ngx_http_proctor_redis_reply_t *e = reply->element;

    if (reply->type != NGX_HTTP_PROCTOR_REDIS_ARRAY || reply->nelements != 2
        || e[0].type != NGX_HTTP_PROCTOR_REDIS_STRING
        || e[1].type != NGX_HTTP_PROCTOR_REDIS_STRING) {
        return;
    }

    sec = ngx_atotm((u_char *) e[0].str.data, e[0].str.len);
    usec = ngx_atoi((u_char *) e[1].str.data, e[1].str.len);

    if (sec == NGX_ERROR || usec == NGX_ERROR || sec > UINT32_MAX) {
        return;
    }

    ngx_gettimeofday(&tv);

    status->clock_ms = (sec - tv.tv_sec) * 1000 + (usec - tv.tv_usec) / 1000;
    status->clock_known = 1;
}


static ngx_int_t
ngx_http_proctor_status_send(ngx_http_proctor_status_t *status)
{
    u_char *last;
    ngx_buf_t *b;
    ngx_int_t rc;
    ngx_chain_t out;
    ngx_http_request_t *r = status->r;

    static const ngx_str_t no_store = ngx_string("no-store");

    b = ngx_create_temp_buf(r->pool, NGX_HTTP_PROCTOR_STATUS_SIZE);
    if (b == NULL
        || ngx_http_proctor_header_add(r, "Cache-Control", &no_store)
               != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    last = b->end;
    b->last = ngx_slprintf(b->last, last,
        "{\"worker\":%ui,\"pid\":%P,\"redis\":", ngx_worker, ngx_pid);
    b->last = ngx_http_proctor_status_redis(b->last, last, status);
    b->last = ngx_http_proctor_status_quotas(b->last, last, status);
    b->last = ngx_http_proctor_cache_show(b->last, last, r);
    b->last = ngx_http_proctor_audit_show(b->last, last, status->audit);
    b->last = ngx_slprintf(b->last, last, "}\n");
    b->last_buf = 1;
    b->last_in_chain = 1;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = b->last - b->pos;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static u_char *
ngx_http_proctor_status_redis(
    u_char *p, u_char *last, ngx_http_proctor_status_t *status)
{
    ngx_uint_t i;
    const ngx_http_proctor_redis_stats_t *s;
    ngx_http_proctor_redis_view_t view;

    if (status->redis == NULL) {
        return ngx_slprintf(p, last, "null");
    }

    ngx_http_proctor_redis_view(status->redis, &view);
    s = view.stats;

    p = ngx_slprintf(p, last, "{\"server\":\"");
    p = ngx_http_proctor_status_string(
        p, last, (char *) view.name.data, view.name.len);
    p = ngx_slprintf(p, last, "\",\"address\":\"");
    p = ngx_http_proctor_status_string(
        p, last, (char *) view.at.data, view.at.len);
    p = ngx_slprintf(p, last, "\",\"state\":\"%s\",\"reason\":\"", view.word);
    p = ngx_http_proctor_status_string(
        p, last, view.reason, ngx_strlen(view.reason));
    p = ngx_slprintf(p, last, "\",\"ping\":\"%s\"", status->outcome);

    if (status->us >= 0) {
        p = ngx_slprintf(p, last, ",\"ping_us\":%i", status->us);
    }

    if (status->clock_known) {
        p = ngx_slprintf(p, last, ",\"clock_ms\":%i", status->clock_ms);
    }

    p = ngx_slprintf(p, last,
        ",\"pending\":%ui,\"connects\":%ui,\"losses\":%ui,\"calls\":%ui,"
        "\"replies\":%ui,\"timeouts\":%ui,\"late\":%ui,\"declined\":%ui,"
        "\"shed\":%ui,\"suspected\":%ui,\"resent\":%ui,\"redirects\":%ui,"
        "\"errors\":{",
        view.pending, s->connects, s->losses, s->calls, s->replies, s->timeouts,
        s->late, s->declined, s->busy, s->suspected, s->resent, s->redirects);

    for (i = NGX_HTTP_PROCTOR_REDIS_NOSCRIPT;
         i < NGX_HTTP_PROCTOR_REDIS_STATUSES; i++) {
        p = ngx_slprintf(p, last, "%s\"%s\":%ui",
            (i == NGX_HTTP_PROCTOR_REDIS_NOSCRIPT) ? "" : ",",
            ngx_http_proctor_redis_word(i), s->errors[i]);
    }

    p = ngx_slprintf(p, last, "}");
    p = ngx_http_proctor_status_nodes(p, last, status);

    return ngx_slprintf(p, last, "}");
}


/* of a cluster */

static u_char *
ngx_http_proctor_status_nodes(
    u_char *p, u_char *last, const ngx_http_proctor_status_t *status)
{
    ngx_int_t rc;
    ngx_uint_t i, n, slots;
    ngx_http_proctor_redis_view_t view;

    for (i = 0, n = 0;; i++) {
        rc = ngx_http_proctor_redis_view_node(status->redis, i, &view, &slots);

        if (rc == NGX_DONE) {
            return (n == 0) ? p : ngx_slprintf(p, last, "]");
        }

        if (rc == NGX_DECLINED) {
            continue;
        }

        p = ngx_slprintf(p, last,
            "%s{\"address\":\"%V\",\"state\":\"%s\",\"slots\":%ui}",
            (n++ == 0) ? ",\"nodes\":[" : ",", &view.at, view.word, slots);
    }
}


static u_char *
ngx_http_proctor_status_quotas(
    u_char *p, u_char *last, const ngx_http_proctor_status_t *status)
{
    const ngx_http_proctor_quota_stats_t *s = status->quotas;

    if (s == NULL) {
        return p;
    }

    return ngx_slprintf(p, last,
        ",\"quotas\":{\"added\":%ui,\"scripts\":%ui,\"lost\":%ui,"
        "\"local\":%ui,\"debts\":%ui,\"forgone\":%ui}",
        s->added, s->scripts, s->lost, s->local, s->debts, s->forgone);
}


static u_char *
ngx_http_proctor_status_string(
    u_char *p, u_char *last, const char *data, size_t len)
{
    size_t used;

    return p + proctor_escape_json((char *) p, last - p, data, len, &used);
}


static uint64_t
ngx_http_proctor_status_now(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}
