/*
 * A request as a record: who, what, on what, decided how and why, and how it
 * ended.  proctor_audit_log.c is its form.
 *
 *     call      a call that is not durable, when it is over
 *     denied    a durable operation that was not let through
 *     intent    one that will be, before it is
 *     outcome   how it ended: the same id, and only what was not known then
 */

#include "ngx_http_proctor_audit.h"
#include "ngx_http_proctor_body.h"


/* by its key and operation: those of most requests are few */

#define NGX_HTTP_PROCTOR_AUDIT_WHO 64

struct ngx_http_proctor_audit_who_s {
    const proctor_key_t *key;
    const proctor_operation_t *operation;
    size_t len; /* 0: not to be had ready-made */
    char text[PROCTOR_AUDIT_WHO_MAX];
};

/* a record's parts that are not the request's own */

typedef struct {
    proctor_audit_record_t record;
    proctor_str_t targets[PROCTOR_PATH_PARAMS];
    proctor_str_t names[PROCTOR_PATH_PARAMS];
    char id[PROCTOR_AUDIT_ID_MAX];
    char body[PROCTOR_AUDIT_LINE];
} ngx_http_proctor_audit_parts_t;


static void ngx_http_proctor_audit_record_begin(
    ngx_http_proctor_audit_parts_t *parts, ngx_http_proctor_audit_t *audit,
    ngx_http_proctor_ctx_t *ctx, const char *kind);
static void ngx_http_proctor_audit_record_id(
    ngx_http_proctor_audit_parts_t *parts, ngx_http_proctor_audit_t *audit,
    ngx_http_proctor_ctx_t *ctx);
static void ngx_http_proctor_audit_record_what(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_audit_t *audit,
    ngx_http_proctor_audit_parts_t *parts);
static void ngx_http_proctor_audit_record_who(ngx_http_proctor_audit_t *audit,
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record);
static void ngx_http_proctor_audit_record_caller(
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record);
static void ngx_http_proctor_audit_record_asked(
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record);
static void ngx_http_proctor_audit_record_body(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_audit_parts_t *parts);
static void ngx_http_proctor_audit_record_verdict(
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record);
static void ngx_http_proctor_audit_record_answer(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record);
static void ngx_http_proctor_audit_record_times(
    ngx_http_request_t *r, proctor_audit_record_t *record);


static ngx_inline proctor_str_t
ngx_http_proctor_audit_record_str(const ngx_str_t *s)
{
    proctor_str_t to;

    to.data = (s->len == 0) ? NULL : (const char *) s->data;
    to.len = s->len;

    return to;
}


static ngx_inline int64_t
ngx_http_proctor_audit_record_now(void)
{
    ngx_time_t *tp;

    tp = ngx_timeofday();

    return (int64_t) tp->sec * 1000000 + (int64_t) tp->msec * 1000;
}


ngx_int_t
ngx_http_proctor_audit_record_init(
    ngx_cycle_t *cycle, ngx_http_proctor_audit_t *audit)
{
    audit->who = ngx_pcalloc(
        cycle->pool, NGX_HTTP_PROCTOR_AUDIT_WHO
                         * sizeof(struct ngx_http_proctor_audit_who_s));

    return (audit->who == NULL) ? NGX_ERROR : NGX_OK;
}


size_t
ngx_http_proctor_audit_record_call(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, u_char *line)
{
    ngx_http_proctor_audit_parts_t parts;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    ngx_http_proctor_audit_record_begin(&parts, mcf->worker->audit, ctx,
        (ctx->operation != NULL && ctx->operation->durable) ? "denied"
                                                            : "call");
    ngx_http_proctor_audit_record_what(r, ctx, mcf->worker->audit, &parts);
    ngx_http_proctor_audit_record_verdict(ctx, &parts.record);
    ngx_http_proctor_audit_record_answer(r, ctx, &parts.record);
    ngx_http_proctor_audit_record_times(r, &parts.record);

    return proctor_audit_log_format(&parts.record, (char *) line);
}


size_t
ngx_http_proctor_audit_record_intent(
    ngx_http_request_t *r, ngx_http_proctor_ctx_t *ctx, u_char *line)
{
    ngx_http_proctor_audit_parts_t parts;
    ngx_http_proctor_main_conf_t *mcf;

    static const proctor_str_t allowed = proctor_str("allowed");
    static const proctor_str_t observed = proctor_str("observed");

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    ngx_http_proctor_audit_record_begin(
        &parts, mcf->worker->audit, ctx, "intent");
    ngx_http_proctor_audit_record_id(&parts, mcf->worker->audit, ctx);
    ngx_http_proctor_audit_record_what(r, ctx, mcf->worker->audit, &parts);
    ngx_http_proctor_audit_record_verdict(ctx, &parts.record);

    parts.record.decision =
        (ctx->observed.code == NGX_HTTP_PROCTOR_FINE) ? allowed : observed;
    parts.record.unfinished = 1;

    return proctor_audit_log_format(&parts.record, (char *) line);
}


size_t
ngx_http_proctor_audit_record_outcome(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, const ngx_str_t *result, u_char *line)
{
    ngx_http_proctor_audit_parts_t parts;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    ngx_http_proctor_audit_record_begin(
        &parts, mcf->worker->audit, ctx, "outcome");
    ngx_http_proctor_audit_record_id(&parts, mcf->worker->audit, ctx);
    ngx_http_proctor_audit_record_verdict(ctx, &parts.record);
    ngx_http_proctor_audit_record_answer(r, ctx, &parts.record);
    ngx_http_proctor_audit_record_times(r, &parts.record);

    parts.record.result = ngx_http_proctor_audit_record_str(result);
    ngx_http_proctor_audit_created(ctx, &parts.record.created);

    return proctor_audit_log_format(&parts.record, (char *) line);
}


size_t
ngx_http_proctor_audit_record_late(
    const ngx_http_proctor_audit_intent_t *intent, u_char *line)
{
    proctor_audit_record_t record;

    static const proctor_str_t outcome = proctor_str("outcome");
    static const proctor_str_t refused = proctor_str("refused");

    ngx_memzero(&record, sizeof(proctor_audit_record_t));

    record.time_us = ngx_http_proctor_audit_record_now();
    record.kind = outcome;
    record.rid.data = (const char *) intent->rid;
    record.rid.len = intent->rid_len;
    record.id.data = (const char *) intent->id;
    record.id.len = intent->id_len;
    record.decision = refused;
    record.reason = ngx_http_proctor_audit_record_str(&intent->reason);
    record.result = ngx_http_proctor_audit_record_str(&intent->result);
    record.status = (unsigned) intent->status;
    record.unfinished = 1;
    record.upstream_ms = -1;

    return proctor_audit_log_format(&record, (char *) line);
}


/* nginx's clock has milliseconds: many records have one and the same time */

static void
ngx_http_proctor_audit_record_begin(ngx_http_proctor_audit_parts_t *parts,
    ngx_http_proctor_audit_t *audit, ngx_http_proctor_ctx_t *ctx,
    const char *kind)
{
    proctor_audit_record_t *record = &parts->record;

    ngx_memzero(record, sizeof(proctor_audit_record_t));

    record->time_us = ngx_http_proctor_audit_record_now();
    record->time = audit->time;

    if (record->time_us != audit->time_us) {
        audit->time_us = record->time_us;
        (void) proctor_time_format(audit->time, record->time_us);
    }

    record->kind.data = kind;
    record->kind.len = ngx_strlen(kind);
    record->rid = ngx_http_proctor_audit_record_str(&ctx->rid);
    record->upstream_ms = -1;
}


static void
ngx_http_proctor_audit_record_id(ngx_http_proctor_audit_parts_t *parts,
    ngx_http_proctor_audit_t *audit, ngx_http_proctor_ctx_t *ctx)
{
    parts->record.id.data = parts->id;
    parts->record.id.len =
        proctor_audit_id(parts->id, audit->id, ctx->intent_id);
}


static void
ngx_http_proctor_audit_record_what(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_audit_t *audit,
    ngx_http_proctor_audit_parts_t *parts)
{
    unsigned n;
    proctor_audit_record_t *record = &parts->record;

    record->client =
        ngx_http_proctor_audit_record_str(&r->connection->addr_text);
    record->target_names = parts->names;
    record->targets = parts->targets;

    ngx_http_proctor_audit_record_caller(ctx, record);
    ngx_http_proctor_audit_record_asked(ctx, record);
    ngx_http_proctor_audit_record_who(audit, ctx, record);

    for (n = 0; ctx->operation != NULL && n < ctx->match.nparams; n++) {
        parts->names[n] = ctx->operation->params[n].name;
        parts->targets[n] = ctx->match.params[n];
        record->ntargets = n + 1;
    }

    if (ctx->operation != NULL && ctx->operation->audit == PROCTOR_AUDIT_BODY
        && ctx->body_hashed) {
        ngx_http_proctor_audit_record_body(r, ctx, parts);
    }
}


/*
 * Who called what is the same text in record after record: the worker keeps
 * what it wrote last, for as long as the configuration that it points into.
 */

static void
ngx_http_proctor_audit_record_who(ngx_http_proctor_audit_t *audit,
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record)
{
    uintptr_t i;
    struct ngx_http_proctor_audit_who_s *who;

    if (ctx->key == NULL || ctx->operation == NULL) {
        return;
    }

    i = ((uintptr_t) ctx->key >> 5) ^ ((uintptr_t) ctx->operation >> 6);
    who = &audit->who[i % NGX_HTTP_PROCTOR_AUDIT_WHO];

    if (who->key != ctx->key || who->operation != ctx->operation) {
        who->key = ctx->key;
        who->operation = ctx->operation;
        who->len = proctor_audit_log_who(record, who->text);
    }

    if (who->len != 0) {
        record->who.data = who->text;
        record->who.len = who->len;
    }
}


static void
ngx_http_proctor_audit_record_caller(
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record)
{
    record->contract = ctx->contract->name;

    if (ctx->key != NULL) {
        record->team = ctx->key->team->name;
        record->key = ctx->key->id;
        record->actor = ctx->key->actor;
    }

    if (ctx->account != NULL) {
        record->account = ctx->account->name;
    }
}


static void
ngx_http_proctor_audit_record_asked(
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record)
{
    if (ctx->operation != NULL) {
        record->operation = ctx->operation->id;
    }

    record->method = ngx_http_proctor_audit_record_str(&ctx->method);
    record->path = ngx_http_proctor_audit_record_str(&ctx->path);

    if (ctx->key != NULL) {
        /* a stranger's query may hold the key that belongs in a header */
        record->query = ngx_http_proctor_audit_record_str(&ctx->args);

        if (ctx->key->on_behalf_of) {
            record->claimed = ngx_http_proctor_audit_record_str(&ctx->claimed);
        }
    }

    if (ctx->body_hashed) {
        record->body_sha256 = ctx->body_sha256;
        record->body_len = (uint64_t) ctx->body_len;
    }
}


/* Where it was refused the body may be anything; one that is too long for the
   worker's buffer is known by its digest. */

static void
ngx_http_proctor_audit_record_body(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, ngx_http_proctor_audit_parts_t *parts)
{
    proctor_str_t text;
    ngx_http_proctor_worker_t *worker;
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);
    worker = mcf->worker;

    if (ctx->body_len > NGX_HTTP_PROCTOR_INLINE_MAX
        || ngx_http_proctor_body_gather(r, worker->body, NULL) != NGX_OK) {
        return;
    }

    text.data = (char *) worker->body;
    text.len = (size_t) ctx->body_len;

    proctor_arena_reset(worker->arena);

    if (proctor_json_parse(&worker->doc, text.data, text.len) != PROCTOR_OK) {
        return;
    }

    parts->record.body.data = parts->body;
    parts->record.body.len =
        proctor_audit_body(ctx->operation, &worker->doc, &text, parts->body);
}


static void
ngx_http_proctor_audit_record_verdict(
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record)
{
    ngx_str_t word, detail;
    ngx_http_proctor_refusal_t *said;

    word = ngx_http_proctor_variable_decision(ctx);
    record->decision = ngx_http_proctor_audit_record_str(&word);
    word = ngx_http_proctor_variable_reason(ctx);
    record->reason = ngx_http_proctor_audit_record_str(&word);
    word = ngx_http_proctor_cache_word(ctx);
    record->cache = ngx_http_proctor_audit_record_str(&word);

    said = (ctx->refusal.code != NGX_HTTP_PROCTOR_FINE) ? &ctx->refusal
                                                        : &ctx->observed;

    if (said->code != NGX_HTTP_PROCTOR_FINE) {
        detail = ngx_http_proctor_error_detail(said);
        record->detail = ngx_http_proctor_audit_record_str(&detail);
    }
}


static void
ngx_http_proctor_audit_record_answer(ngx_http_request_t *r,
    ngx_http_proctor_ctx_t *ctx, proctor_audit_record_t *record)
{
    record->status = (unsigned) r->headers_out.status;

    if (r->err_status != 0 && ctx->refusal.code == NGX_HTTP_PROCTOR_FINE) {
        record->status = (unsigned) r->err_status;
    }

    if (ctx->upstream != NULL) {
        record->upstream_status = (unsigned) ctx->upstream->headers_in.status_n;
    }
}


static void
ngx_http_proctor_audit_record_times(
    ngx_http_request_t *r, proctor_audit_record_t *record)
{
    ngx_uint_t i;
    ngx_time_t *tp;
    ngx_http_upstream_state_t *state;

    tp = ngx_timeofday();

    record->duration_ms = (int64_t) (tp->sec - r->start_sec) * 1000
                          + (int64_t) tp->msec - (int64_t) r->start_msec;

    if (r->upstream_states == NULL) {
        return;
    }

    state = r->upstream_states->elts;

    for (i = 0; i < r->upstream_states->nelts; i++) {
        if (state[i].response_time == (ngx_msec_t) -1) {
            continue;
        }

        if (record->upstream_ms < 0) {
            record->upstream_ms = 0;
        }

        record->upstream_ms += (int64_t) state[i].response_time;
    }
}
