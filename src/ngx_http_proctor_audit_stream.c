/*
 * A copy of each record for looking things up: XADD to the team's own stream,
 * which forgets its oldest.  Nobody waits for it, and no request knows whether
 * it worked: the file is the truth.
 */

#include "ngx_http_proctor_audit.h"
#include "ngx_http_proctor_redis_call.h"


#define NGX_HTTP_PROCTOR_AUDIT_STREAM_KEY 256

#define NGX_HTTP_PROCTOR_AUDIT_STREAM_ARGS 8


void
ngx_http_proctor_audit_stream(ngx_http_proctor_audit_t *audit,
    ngx_http_proctor_ctx_t *ctx, const u_char *line, size_t len)
{
    u_char *p, key[NGX_HTTP_PROCTOR_AUDIT_STREAM_KEY];
    ngx_http_proctor_redis_command_t command;
    proctor_str_t argv[NGX_HTTP_PROCTOR_AUDIT_STREAM_ARGS] = {
        proctor_str("XADD"),
        { NULL, 0 },
        proctor_str("MAXLEN"),
        proctor_str("~"),
        proctor_str("10000"),
        proctor_str("*"),
        proctor_str("record"),
        { NULL, 0 },
    };

    if (!audit->conf->stream || ctx->key == NULL) {
        return; /* a stranger has no team */
    }

    p = ngx_slprintf(key, key + sizeof(key), "proctor:{%*s}:audit",
        ctx->key->team->name.len, ctx->key->team->name.data);

    argv[1].data = (char *) key;
    argv[1].len = p - key;
    argv[7].data = (const char *) line;
    argv[7].len = len - 1;

    command.argv = argv;
    command.argc = NGX_HTTP_PROCTOR_AUDIT_STREAM_ARGS;
    command.script = NULL;

    (void) ngx_http_proctor_redis_send(
        audit->mcf->worker->redis, NULL, &command, 1);
}
