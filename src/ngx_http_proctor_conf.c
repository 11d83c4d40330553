/*
 * Directives to immutable objects.  Called by nginx while it reads its
 * configuration; at run time nothing here is written.
 *
 * Contracts compile as their directive is read; teams once all contracts are
 * known (init_main_conf); a location finds its contract by name when it is
 * merged.  The pure files allocate from arenas, which a cleanup of cf->pool
 * destroys, so that a failed reload leaves nothing behind.
 */

#include "ngx_http_proctor.h"


#define NGX_HTTP_PROCTOR_FILE_MAX (64 * 1024 * 1024)


typedef struct {
    ngx_conf_t *cf;
    ngx_str_t *file;
    const char *what;
} ngx_http_proctor_conf_report_t;


static ngx_int_t ngx_http_proctor_conf_compile_teams(
    ngx_conf_t *cf, ngx_http_proctor_main_conf_t *mcf);
static const proctor_contract_t *ngx_http_proctor_conf_find(
    ngx_http_proctor_main_conf_t *mcf, ngx_str_t *name);
static proctor_arena_t *ngx_http_proctor_conf_arena(ngx_conf_t *cf);
static void ngx_http_proctor_conf_destroy(void *data);
static void ngx_http_proctor_conf_fault(
    void *data, const char *pointer, const char *reason);


void *
ngx_http_proctor_conf_create_main(ngx_conf_t *cf)
{
    ngx_http_proctor_main_conf_t *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_proctor_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&mcf->contracts, cf->pool, 4, sizeof(void *))
        != NGX_OK) {
        return NULL;
    }

    return mcf;
}


char *
ngx_http_proctor_conf_init_main(ngx_conf_t *cf, void *conf)
{
    ngx_http_proctor_main_conf_t *mcf = conf;

    ngx_http_proctor_key_headers(mcf);

    if (ngx_http_proctor_status_init(cf, mcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

#if (NGX_THREADS)
    mcf->threads = ngx_thread_pool_add(cf, NULL);
    if (mcf->threads == NULL) {
        return NGX_CONF_ERROR;
    }
#endif

    if (mcf->audit != NULL
        && ngx_http_proctor_audit_conf_init(cf, mcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (mcf->teams_file.len == 0) {
        return NGX_CONF_OK;
    }

    if (mcf->audit == NULL) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
            "proctor audit: without \"proctor_audit\" nobody can tell who did "
            "what, durable operations are not written down");
    }

    if (ngx_http_proctor_conf_compile_teams(cf, mcf) != NGX_OK
        || ngx_http_proctor_quota_init(cf, mcf) != NGX_OK
        || ngx_http_proctor_cache_init(cf, mcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_proctor_conf_compile_teams(
    ngx_conf_t *cf, ngx_http_proctor_main_conf_t *mcf)
{
    u_char *p;
    ngx_str_t text, dir;
    proctor_arena_t *arena;
    proctor_report_t report;
    proctor_teams_env_t env;
    ngx_http_proctor_conf_report_t to;

    arena = ngx_http_proctor_conf_arena(cf);
    if (arena == NULL
        || ngx_http_proctor_conf_load(cf, &mcf->teams_file, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    dir = mcf->teams_file;

    for (p = dir.data + dir.len; p > dir.data && p[-1] != '/'; p--) {
        /* void */
    }

    dir.len = p - dir.data;

    env.contracts = mcf->contracts.elts;
    env.ncontracts = mcf->contracts.nelts;
    env.directory = proctor_arena_strndup(arena, (char *) dir.data, dir.len);

    to.cf = cf;
    to.file = &mcf->teams_file;
    to.what = "teams";

    report.fault = ngx_http_proctor_conf_fault;
    report.data = &to;
    report.count = 0;

    mcf->teams = proctor_teams_compile(
        arena, &env, (char *) text.data, text.len, &report);

    ngx_explicit_memzero(text.data, text.len);

    return (mcf->teams == NULL) ? NGX_ERROR : NGX_OK;
}


void *
ngx_http_proctor_conf_create_srv(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_proctor_srv_conf_t));
}


void *
ngx_http_proctor_conf_create_loc(ngx_conf_t *cf)
{
    ngx_http_proctor_loc_conf_t *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_proctor_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->mode = NGX_CONF_UNSET_UINT;
    conf->quota_on_error = NGX_CONF_UNSET_UINT;
    conf->cache = NGX_CONF_UNSET;

    return conf;
}


char *
ngx_http_proctor_conf_merge_loc(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_proctor_loc_conf_t *prev = parent;
    ngx_http_proctor_loc_conf_t *conf = child;

    ngx_http_proctor_srv_conf_t *scf;
    ngx_http_proctor_main_conf_t *mcf;

    ngx_conf_merge_str_value(conf->name, prev->name, "off");
    ngx_conf_merge_uint_value(conf->mode, prev->mode, NGX_HTTP_PROCTOR_ENFORCE);
    ngx_conf_merge_uint_value(conf->quota_on_error, prev->quota_on_error,
        NGX_HTTP_PROCTOR_QUOTA_DEFAULT);
    ngx_conf_merge_value(conf->cache, prev->cache, 1);

    if (conf->origin == NULL) {
        conf->origin = prev->origin;
    }

    if (conf->name.len == 3 && ngx_strncmp(conf->name.data, "off", 3) == 0) {
        return NGX_CONF_OK;
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_proctor_module);

    conf->contract = ngx_http_proctor_conf_find(mcf, &conf->name);
    if (conf->contract == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
            "proctor conf: no proctor_contract is named \"%V\"", &conf->name);
        return NGX_CONF_ERROR;
    }

    if (mcf->teams == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
            "proctor conf: \"proctor %V\" needs a proctor_teams file",
            &conf->name);
        return NGX_CONF_ERROR;
    }

    /* its errors that come before any location are JSON, too */

    scf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_proctor_module);
    scf->used = 1;

    return NGX_CONF_OK;
}


char *
ngx_http_proctor_conf_contract(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_proctor_main_conf_t *mcf = conf;

    char *name;
    ngx_str_t *value, text;
    proctor_arena_t *arena;
    proctor_report_t report;
    proctor_contract_t **contract;
    ngx_http_proctor_conf_report_t to;

    (void) cmd;
    value = cf->args->elts;

    if (ngx_http_proctor_conf_find(mcf, &value[1]) != NULL) {
        return "is duplicate: a contract of this name exists";
    }

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return "cannot be named \"off\"";
    }

    if (ngx_conf_full_name(cf->cycle, &value[2], 1) != NGX_OK
        || ngx_http_proctor_conf_load(cf, &value[2], &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    arena = ngx_http_proctor_conf_arena(cf);
    contract = ngx_array_push(&mcf->contracts);
    if (arena == NULL || contract == NULL) {
        return NGX_CONF_ERROR;
    }

    name = proctor_arena_strndup(arena, (char *) value[1].data, value[1].len);
    if (name == NULL) {
        return NGX_CONF_ERROR;
    }

    to.cf = cf;
    to.file = &value[2];
    to.what = "contract";

    report.fault = ngx_http_proctor_conf_fault;
    report.data = &to;
    report.count = 0;

    *contract = proctor_contract_compile(
        arena, name, (char *) text.data, text.len, &report);

    return (*contract == NULL) ? NGX_CONF_ERROR : NGX_CONF_OK;
}


char *
ngx_http_proctor_conf_teams(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_proctor_main_conf_t *mcf = conf;

    ngx_str_t *value;

    (void) cmd;

    if (mcf->teams_file.len != 0) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_conf_full_name(cf->cycle, &value[1], 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    mcf->teams_file = value[1];

    return NGX_CONF_OK;
}


static const proctor_contract_t *
ngx_http_proctor_conf_find(ngx_http_proctor_main_conf_t *mcf, ngx_str_t *name)
{
    ngx_uint_t i;
    proctor_contract_t **contract;

    contract = mcf->contracts.elts;

    for (i = 0; i < mcf->contracts.nelts; i++) {
        if (contract[i]->name.len == name->len
            && ngx_strncmp(contract[i]->name.data, name->data, name->len)
                   == 0) {
            return contract[i];
        }
    }

    return NULL;
}


static proctor_arena_t *
ngx_http_proctor_conf_arena(ngx_conf_t *cf)
{
    proctor_arena_t *arena;
    ngx_pool_cleanup_t *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    arena = proctor_arena_create(0);
    if (arena == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_proctor_conf_destroy;
    cln->data = arena;

    return arena;
}


static void
ngx_http_proctor_conf_destroy(void *data)
{
    proctor_arena_destroy(data);
}


ngx_int_t
ngx_http_proctor_conf_load(ngx_conf_t *cf, ngx_str_t *name, ngx_str_t *text)
{
    ssize_t n;
    ngx_int_t rc;
    ngx_file_t file;

    ngx_memzero(&file, sizeof(ngx_file_t));
    file.name = *name;
    file.log = cf->log;

    file.fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);
    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
            ngx_open_file_n " \"%V\" failed", name);
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    if (ngx_fd_info(file.fd, &file.info) == NGX_FILE_ERROR
        || ngx_file_size(&file.info) > NGX_HTTP_PROCTOR_FILE_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
            "proctor conf: \"%V\" cannot be read or is over %d bytes", name,
            NGX_HTTP_PROCTOR_FILE_MAX);
        goto done;
    }

    text->len = (size_t) ngx_file_size(&file.info);
    text->data = ngx_pnalloc(cf->temp_pool, text->len + 1);
    if (text->data == NULL) {
        goto done;
    }

    n = ngx_read_file(&file, text->data, text->len, 0);
    if (n == NGX_ERROR || (size_t) n != text->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
            "proctor conf: \"%V\" could not be read whole", name);
        goto done;
    }

    rc = NGX_OK;

done:

    if (ngx_close_file(file.fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
            ngx_close_file_n " \"%V\" failed", name);
    }

    return rc;
}


static void
ngx_http_proctor_conf_fault(void *data, const char *pointer, const char *reason)
{
    ngx_http_proctor_conf_report_t *to = data;

    ngx_conf_log_error(NGX_LOG_EMERG, to->cf, 0, "proctor %s: %V: %s: %s",
        to->what, to->file, (*pointer == '\0') ? "(root)" : pointer, reason);
}
