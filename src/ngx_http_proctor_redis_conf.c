/*
 * The proctor_redis directive, and the scripts that the steps register.
 *
 * Called while nginx reads its configuration; redis_peer.c has the addresses.
 * All is in cf->pool; the password is wiped when that goes.
 */

#include "ngx_http_proctor_redis.h"
#include <ngx_sha1.h>


#define NGX_HTTP_PROCTOR_REDIS_PASSWORD_MAX 512


typedef enum {
    NGX_HTTP_PROCTOR_REDIS_TEXT = 0,
    NGX_HTTP_PROCTOR_REDIS_SWITCH,
    NGX_HTTP_PROCTOR_REDIS_NUMBER,
    NGX_HTTP_PROCTOR_REDIS_MSEC,
    NGX_HTTP_PROCTOR_REDIS_SIZE
} ngx_http_proctor_redis_kind_e;

typedef struct {
    ngx_str_t name; /* with its "=" */
    ngx_http_proctor_redis_kind_e kind;
    size_t offset; /* in ngx_http_proctor_redis_options_t */
    ngx_int_t min;
    ngx_int_t max;
} ngx_http_proctor_redis_option_t;

typedef struct {
    ngx_str_t user;
    ngx_str_t password_file;
    ngx_int_t db;
    ngx_int_t cluster;
    ngx_int_t connect_timeout;
    ngx_int_t timeout;
    ngx_int_t max_pending;
    ngx_int_t max_reply;
    ngx_int_t max_output;
} ngx_http_proctor_redis_options_t;


static ngx_int_t ngx_http_proctor_redis_conf_options(ngx_conf_t *cf,
    ngx_uint_t first, ngx_http_proctor_redis_options_t *options);
static ngx_int_t ngx_http_proctor_redis_conf_option(
    const ngx_http_proctor_redis_option_t *option, ngx_str_t value,
    ngx_http_proctor_redis_options_t *options);
static ngx_int_t ngx_http_proctor_redis_conf_password(
    ngx_conf_t *cf, ngx_str_t *name, ngx_str_t *password);
static void ngx_http_proctor_redis_conf_wipe(void *data);


#define ngx_http_proctor_redis_option(member)                                  \
    offsetof(ngx_http_proctor_redis_options_t, member)

static const ngx_http_proctor_redis_option_t
    ngx_http_proctor_redis_conf_table[] = {
        { ngx_string("user="), NGX_HTTP_PROCTOR_REDIS_TEXT,
            ngx_http_proctor_redis_option(user), 1, 255 },
        { ngx_string("password_file="), NGX_HTTP_PROCTOR_REDIS_TEXT,
            ngx_http_proctor_redis_option(password_file), 1, NGX_MAX_PATH },
        { ngx_string("db="), NGX_HTTP_PROCTOR_REDIS_NUMBER,
            ngx_http_proctor_redis_option(db), 0, 1000000 },
        { ngx_string("cluster="), NGX_HTTP_PROCTOR_REDIS_SWITCH,
            ngx_http_proctor_redis_option(cluster), 0, 1 },
        { ngx_string("connect_timeout="), NGX_HTTP_PROCTOR_REDIS_MSEC,
            ngx_http_proctor_redis_option(connect_timeout), 1, 60000 },
        { ngx_string("timeout="), NGX_HTTP_PROCTOR_REDIS_MSEC,
            ngx_http_proctor_redis_option(timeout), 1, 60000 },
        { ngx_string("max_pending="), NGX_HTTP_PROCTOR_REDIS_NUMBER,
            ngx_http_proctor_redis_option(max_pending), 1, 1000000 },
        { ngx_string("max_reply="), NGX_HTTP_PROCTOR_REDIS_SIZE,
            ngx_http_proctor_redis_option(max_reply), 16384, 512 << 20 },
        { ngx_string("max_output="), NGX_HTTP_PROCTOR_REDIS_SIZE,
            ngx_http_proctor_redis_option(max_output), 16384, 512 << 20 },
        { ngx_null_string, NGX_HTTP_PROCTOR_REDIS_TEXT, 0, 0, 0 },
    };


char *
ngx_http_proctor_redis_conf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_proctor_main_conf_t *mcf = conf;

    ngx_uint_t n;
    ngx_http_proctor_redis_conf_t *redis;
    ngx_http_proctor_redis_options_t options;

    (void) cmd;

    if (mcf->redis != NULL) {
        return "is duplicate";
    }

    redis = ngx_pcalloc(cf->pool, sizeof(ngx_http_proctor_redis_conf_t));
    if (redis == NULL) {
        return NGX_CONF_ERROR;
    }

    n = ngx_http_proctor_redis_peers_count(cf);

    if (ngx_http_proctor_redis_conf_options(cf, 1 + n, &options) != NGX_OK
        || ngx_http_proctor_redis_peers(cf, redis, n) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (options.user.len != 0 && options.password_file.len == 0) {
        return "has a user without a password_file";
    }

    if (options.cluster && options.db != 0) {
        return "has a db, and a cluster has only one";
    }

    if (options.password_file.len != 0
        && ngx_http_proctor_redis_conf_password(
               cf, &options.password_file, &redis->password)
               != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    redis->user = options.user;
    redis->db = options.db;
    redis->cluster = options.cluster;
    redis->connect_timeout = options.connect_timeout;
    redis->timeout = options.timeout;
    redis->max_pending = options.max_pending;
    redis->max_reply = options.max_reply;
    redis->max_output = options.max_output;

    mcf->redis = redis;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_proctor_redis_conf_options(
    ngx_conf_t *cf, ngx_uint_t first, ngx_http_proctor_redis_options_t *options)
{
    ngx_str_t *value;
    ngx_uint_t i;
    const ngx_http_proctor_redis_option_t *option;

    ngx_memzero(options, sizeof(ngx_http_proctor_redis_options_t));
    options->connect_timeout = 50;
    options->timeout = 20;
    options->max_pending = 1024;
    options->max_reply = 8 * 1024 * 1024;
    options->max_output = 8 * 1024 * 1024;

    value = cf->args->elts;

    for (i = first; i < cf->args->nelts; i++) {
        option = ngx_http_proctor_redis_conf_table;

        while (
            option->name.len != 0
            && ngx_strncmp(value[i].data, option->name.data, option->name.len)
                   != 0) {
            option++;
        }

        if (option->name.len == 0
            || ngx_http_proctor_redis_conf_option(option, value[i], options)
                   != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                "proctor redis: invalid parameter \"%V\"", &value[i]);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_proctor_redis_conf_option(
    const ngx_http_proctor_redis_option_t *option, ngx_str_t value,
    ngx_http_proctor_redis_options_t *options)
{
    void *to;
    ngx_int_t n;

    value.data += option->name.len;
    value.len -= option->name.len;

    to = (u_char *) options + option->offset;

    if (option->kind == NGX_HTTP_PROCTOR_REDIS_TEXT) {
        *(ngx_str_t *) to = value;
        return (value.len == 0 || value.len > (size_t) option->max) ? NGX_ERROR
                                                                    : NGX_OK;
    }

    if (option->kind == NGX_HTTP_PROCTOR_REDIS_SWITCH) {
        n = (value.len == 2 && ngx_memcmp(value.data, "on", 2) == 0) ? 1
            : (value.len == 3 && ngx_memcmp(value.data, "off", 3) == 0)
                ? 0
                : NGX_ERROR;

    } else if (option->kind == NGX_HTTP_PROCTOR_REDIS_MSEC) {
        n = ngx_parse_time(&value, 0);

    } else if (option->kind == NGX_HTTP_PROCTOR_REDIS_SIZE) {
        n = ngx_parse_size(&value);

    } else {
        n = ngx_atoi(value.data, value.len);
    }

    if (n < option->min || n > option->max) {
        return NGX_ERROR;
    }

    *(ngx_int_t *) to = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_proctor_redis_conf_password(
    ngx_conf_t *cf, ngx_str_t *name, ngx_str_t *password)
{
    u_char *text;
    ssize_t n;
    ngx_str_t *kept;
    ngx_file_t file;
    ngx_pool_cleanup_t *cln;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_str_t));
    text = ngx_pcalloc(cf->pool, NGX_HTTP_PROCTOR_REDIS_PASSWORD_MAX);
    if (cln == NULL || text == NULL
        || ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    kept = cln->data;
    kept->data = text;
    kept->len = NGX_HTTP_PROCTOR_REDIS_PASSWORD_MAX;
    cln->handler = ngx_http_proctor_redis_conf_wipe;

    ngx_memzero(&file, sizeof(ngx_file_t));
    file.name = *name;
    file.log = cf->log;

    file.fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);
    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
            "proctor redis: " ngx_open_file_n " \"%V\" failed", name);
        return NGX_ERROR;
    }

    n = ngx_read_file(&file, text, NGX_HTTP_PROCTOR_REDIS_PASSWORD_MAX, 0);
    (void) ngx_close_file(file.fd);

    if (n == NGX_HTTP_PROCTOR_REDIS_PASSWORD_MAX) {
        n = 0;
    }

    while (n > 0 && (text[n - 1] == LF || text[n - 1] == CR)) {
        n--;
    }

    if (n <= 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
            "proctor redis: \"%V\" holds no password, or one of %d bytes and "
            "more",
            name, NGX_HTTP_PROCTOR_REDIS_PASSWORD_MAX);
        return NGX_ERROR;
    }

    password->data = text;
    password->len = n;

    return NGX_OK;
}


static void
ngx_http_proctor_redis_conf_wipe(void *data)
{
    ngx_str_t *kept = data;

    ngx_explicit_memzero(kept->data, kept->len);
}


const ngx_http_proctor_redis_script_t *
ngx_http_proctor_redis_script(ngx_conf_t *cf,
    ngx_http_proctor_redis_conf_t *conf, const proctor_str_t *text)
{
    u_char *hex, digest[20];
    ngx_sha1_t sha1;
    ngx_http_proctor_redis_script_t *script;

    if (conf->nscripts == NGX_HTTP_PROCTOR_REDIS_SCRIPTS) {
        return NULL;
    }

    hex = ngx_pnalloc(cf->pool, NGX_HTTP_PROCTOR_REDIS_SHA1);
    if (hex == NULL) {
        return NULL;
    }

    ngx_sha1_init(&sha1);
    ngx_sha1_update(&sha1, text->data, text->len);
    ngx_sha1_final(digest, &sha1);
    (void) ngx_hex_dump(hex, digest, sizeof(digest));

    script = &conf->scripts[conf->nscripts++];
    script->text = *text;
    script->sha1.data = (char *) hex;
    script->sha1.len = NGX_HTTP_PROCTOR_REDIS_SHA1;

    return script;
}


ngx_int_t
ngx_http_proctor_redis_scripts(ngx_conf_t *cf,
    ngx_http_proctor_redis_conf_t *conf,
    const ngx_http_proctor_redis_place_t *places, ngx_uint_t n)
{
    ngx_uint_t i;

    for (i = 0; i < n; i++) {
        *places[i].script =
            ngx_http_proctor_redis_script(cf, conf, places[i].text);

        if (*places[i].script == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
