/*
 * `proctor_audit FILE [key=FILE] [origin=NAME] [fsync=group|always|never]
 * [timeout=TIME] [checkpoint=TIME] [stream=on|off];`
 *
 * Read by the master, with its rights: the signing key needs to be readable for
 * nobody else.  The trail's file is not touched here; whether it can be written
 * where it shall be is looked at when the configuration is about to be used.
 */

#include "ngx_http_proctor_audit.h"
#include <sys/vfs.h>


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
static ngx_int_t ngx_http_proctor_audit_conf_place(
    ngx_conf_t *cf, ngx_http_proctor_audit_conf_t *audit);
static ngx_int_t ngx_http_proctor_audit_conf_key(
    ngx_conf_t *cf, ngx_http_proctor_audit_conf_t *audit);
static void ngx_http_proctor_audit_conf_free(void *data);


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


/* file systems of another machine's or process's (statfs(2)) */

typedef struct {
    uint32_t magic;
    const char *name;
} ngx_http_proctor_audit_fs_t;

static const ngx_http_proctor_audit_fs_t ngx_http_proctor_audit_fs[] = {
    { 0x6969, "NFS" },
    { 0x65735546, "FUSE" },
    { 0xff534d42, "CIFS" },
    { 0xfe534d42, "SMB" },
    { 0x517b, "SMB" },
    { 0x01021997, "9P" },
    { 0x00c36400, "Ceph" },
    { 0x5346414f, "AFS" },
    { 0, NULL },
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
    audit->timeout = 1000;
    audit->checkpoint = 1000;

    if (ngx_conf_full_name(cf->cycle, &audit->file, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    audit->name.len = cf->cycle->hostname.len;
    audit->name.data = ngx_pnalloc(cf->pool, audit->name.len + 1);
    if (audit->name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_cpystrn(
        audit->name.data, cf->cycle->hostname.data, audit->name.len + 1);

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
    ngx_http_proctor_audit_conf_t *audit = mcf->audit;

    if (audit->stream && mcf->redis == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
            "proctor audit: \"stream=on\" needs a proctor_redis");
        return NGX_ERROR;
    }

    if (!proctor_note_is_name((char *) audit->name.data, audit->name.len)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
            "proctor audit: \"%V\" cannot be the origin of checkpoints: give "
            "an \"origin=\" of letters, digits and \"._:/-\"",
            &audit->name);
        return NGX_ERROR;
    }

    if (ngx_http_proctor_audit_conf_place(cf, audit) != NGX_OK) {
        return NGX_ERROR;
    }

    if (audit->key.len == 0) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
            "proctor audit: without \"key=\" nothing is signed, and nobody "
            "can prove that \"%V\" was not edited",
            &audit->file);

    } else if (ngx_http_proctor_audit_conf_key(cf, audit) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_proctor_audit_zone_add(cf, audit);
}


/* a directory whose files are in their place, and stay locked and linked */

static ngx_int_t
ngx_http_proctor_audit_conf_place(
    ngx_conf_t *cf, ngx_http_proctor_audit_conf_t *audit)
{
    u_char *p;
    ngx_str_t dir;
    struct statfs fs;
    const ngx_http_proctor_audit_fs_t *bad;

    dir.data = ngx_pnalloc(cf->temp_pool, audit->file.len + 1);
    if (dir.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(dir.data, audit->file.data, audit->file.len);

    while (p > dir.data + 1 && *--p != '/') {
        /* void */
    }

    *p = '\0';
    dir.len = p - dir.data;

    if (statfs((char *) dir.data, &fs) == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
            "proctor audit: \"%V\" has no directory", &audit->file);
        return NGX_ERROR;
    }

    for (bad = ngx_http_proctor_audit_fs; bad->name != NULL; bad++) {
        if ((uint32_t) fs.f_type == bad->magic) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                "proctor audit: \"%V\" is on %s, which does not promise that "
                "appended lines stay whole and locks hold",
                &audit->file, bad->name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_proctor_audit_conf_key(
    ngx_conf_t *cf, ngx_http_proctor_audit_conf_t *audit)
{
    int rc;
    ngx_str_t pem;
    const char *reason;
    ngx_pool_cleanup_t *cln;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(proctor_note_signer_t));

    if (cln == NULL || ngx_conf_full_name(cf->cycle, &audit->key, 1) != NGX_OK
        || ngx_http_proctor_conf_load(cf, &audit->key, &pem) != NGX_OK) {
        return NGX_ERROR;
    }

    audit->signer = cln->data;
    reason = "cannot be read";

    rc = proctor_note_signer_load(audit->signer, (char *) audit->name.data,
        (char *) pem.data, pem.len, &reason);

    ngx_explicit_memzero(pem.data, pem.len);

    if (rc != PROCTOR_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "proctor audit: \"%V\" %s",
            &audit->key, reason);
        return NGX_ERROR;
    }

    cln->handler = ngx_http_proctor_audit_conf_free;

    return NGX_OK;
}


static void
ngx_http_proctor_audit_conf_free(void *data)
{
    proctor_note_signer_free(data);
}
