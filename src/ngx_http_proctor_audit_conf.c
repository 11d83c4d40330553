/*
 * `proctor_audit FILE [key=FILE] [origin=NAME] [fsync=group|always|never]
 * [timeout=TIME] [checkpoint=TIME] [stream=on|off];`
 *
 * Read by the master, with its rights: the signing key needs to be readable for
 * nobody else.  The trail's file is not touched here; whether it can be written
 * where it shall be is looked at when the configuration is about to be used.
 */

#include "ngx_http_proctor_audit.h"


typedef enum {
    NGX_HTTP_PROCTOR_AUDIT_TEXT = 0,
    NGX_HTTP_PROCTOR_AUDIT_WORD,
    NGX_HTTP_PROCTOR_AUDIT_MSEC
} ngx_http_proctor_audit_kind_e;

typedef struct {
    ngx_str_t name;
    ngx_http_proctor_audit_kind_e kind;
    size_t offset;
    const ngx_conf_enum_t *words;
} ngx_http_proctor_audit_option_t;


static ngx_int_t ngx_http_proctor_audit_conf_option(
    ngx_str_t *value, ngx_http_proctor_audit_conf_t *audit);
static ngx_int_t ngx_http_proctor_audit_conf_set(
    const ngx_http_proctor_audit_option_t *option, ngx_str_t value,
    ngx_http_proctor_audit_conf_t *audit);


static const ngx_conf_enum_t ngx_http_proctor_audit_fsyncs[] = {
    { ngx_string("group"), NGX_HTTP_PROCTOR_AUDIT_GROUP },
    { ngx_string("always"), NGX_HTTP_PROCTOR_AUDIT_ALWAYS },
    { ngx_string("never"), NGX_HTTP_PROCTOR_AUDIT_NEVER },
    { ngx_null_string, 0 },
};

static const ngx_conf_enum_t ngx_http_proctor_audit_switch[] = {
    { ngx_string("off"), 0 },
    { ngx_string("on"), 1 },
    { ngx_null_string, 0 },
};

#define ngx_http_proctor_audit_option(name, kind, member, words)               \
    {                                                                          \
        ngx_string(name), NGX_HTTP_PROCTOR_AUDIT_##kind,                       \
            offsetof(ngx_http_proctor_audit_conf_t, member), words             \
    }

static const ngx_http_proctor_audit_option_t
    ngx_http_proctor_audit_options[] = {
        ngx_http_proctor_audit_option("key=", TEXT, key, NULL),
        ngx_http_proctor_audit_option("origin=", TEXT, name, NULL),
        ngx_http_proctor_audit_option(
            "fsync=", WORD, fsync, ngx_http_proctor_audit_fsyncs),
        ngx_http_proctor_audit_option("timeout=", MSEC, timeout, NULL),
        ngx_http_proctor_audit_option("checkpoint=", MSEC, checkpoint, NULL),
        ngx_http_proctor_audit_option(
            "stream=", WORD, stream, ngx_http_proctor_audit_switch),
        { ngx_null_string, NGX_HTTP_PROCTOR_AUDIT_TEXT, 0, NULL },
    };


char *
ngx_http_proctor_audit_conf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_proctor_main_conf_t *mcf = conf;

    ngx_uint_t i;
    ngx_str_t *value;
    ngx_http_proctor_audit_conf_t *audit;

    (void) cmd;

    if (mcf->audit != NULL) {
        return "is duplicate";
    }

    audit = ngx_pcalloc(cf->pool, sizeof(ngx_http_proctor_audit_conf_t));
    if (audit == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    audit->file = value[1];
    audit->name = cf->cycle->hostname;
    audit->timeout = 1000;
    audit->checkpoint = 1000;

    if (ngx_conf_full_name(cf->cycle, &audit->file, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_proctor_audit_conf_option(&value[i], audit) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                "proctor audit: invalid parameter \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    mcf->audit = audit;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_proctor_audit_conf_option(
    ngx_str_t *value, ngx_http_proctor_audit_conf_t *audit)
{
    ngx_str_t rest;
    const ngx_http_proctor_audit_option_t *option;

    for (option = ngx_http_proctor_audit_options; option->name.len != 0;
         option++) {

        if (ngx_strncmp(value->data, option->name.data, option->name.len)
            == 0) {
            rest.data = value->data + option->name.len;
            rest.len = value->len - option->name.len;

            return ngx_http_proctor_audit_conf_set(option, rest, audit);
        }
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_proctor_audit_conf_set(const ngx_http_proctor_audit_option_t *option,
    ngx_str_t value, ngx_http_proctor_audit_conf_t *audit)
{
    void *to;
    ngx_int_t n;
    const ngx_conf_enum_t *word;

    to = (u_char *) audit + option->offset;

    switch (option->kind) {
    case NGX_HTTP_PROCTOR_AUDIT_TEXT:
        *(ngx_str_t *) to = value;
        return (value.len == 0) ? NGX_ERROR : NGX_OK;

    case NGX_HTTP_PROCTOR_AUDIT_MSEC:
        n = ngx_parse_time(&value, 0);
        if (n == NGX_ERROR || n == 0 || n > 60000) {
            return NGX_ERROR;
        }

        *(ngx_msec_t *) to = (ngx_msec_t) n;
        return NGX_OK;

    case NGX_HTTP_PROCTOR_AUDIT_WORD:
        break;
    }

    for (word = option->words; word->name.len != 0; word++) {
        if (word->name.len == value.len
            && ngx_strncmp(word->name.data, value.data, value.len) == 0) {
            *(ngx_uint_t *) to = word->value;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_http_proctor_audit_conf_init(
    ngx_conf_t *cf, ngx_http_proctor_main_conf_t *mcf)
{
    if (mcf->audit->stream && mcf->redis == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
            "proctor audit: \"stream=on\" needs a proctor_redis");
        return NGX_ERROR;
    }

    return NGX_OK;
}
