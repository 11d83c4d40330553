/*
 * The handshake of a new connection: who we are, and is this the server that
 * the configuration means?  One write, one read, each reply looked at.
 */

#include "ngx_http_proctor_redis.h"


/* until it was sent: its commands, and what of their arguments is no constant */

typedef struct {
    ngx_uint_t n;
    ngx_http_proctor_redis_command_t commands[NGX_HTTP_PROCTOR_REDIS_BATCH];
    proctor_str_t auth[3];
    proctor_str_t select[2];
    proctor_str_t setname[3];
    proctor_str_t script[NGX_HTTP_PROCTOR_REDIS_SCRIPTS][3];
    u_char db[NGX_INT_T_LEN];
    u_char name[64];
} ngx_http_proctor_redis_greeting_t;

_Static_assert(
    7 + NGX_HTTP_PROCTOR_REDIS_SCRIPTS <= NGX_HTTP_PROCTOR_REDIS_BATCH,
    "the longest greeting is one operation");


static void ngx_http_proctor_redis_greeting_add(
    ngx_http_proctor_redis_greeting_t *g, const proctor_str_t *argv,
    ngx_uint_t argc);
static void ngx_http_proctor_redis_greeting_user(
    ngx_http_proctor_redis_greeting_t *g,
    const ngx_http_proctor_redis_conf_t *conf);
static void ngx_http_proctor_redis_greeting_worker(
    ngx_http_proctor_redis_greeting_t *g);
static void ngx_http_proctor_redis_greeting_scripts(
    ngx_http_proctor_redis_greeting_t *g,
    const ngx_http_proctor_redis_conf_t *conf);
static ngx_int_t ngx_http_proctor_redis_greeting_fits(
    ngx_http_proctor_redis_t *redis, const char *command,
    const ngx_http_proctor_redis_reply_t *reply, const proctor_str_t *expected);
static void ngx_http_proctor_redis_greeting_slots(
    ngx_http_proctor_redis_t *redis,
    const ngx_http_proctor_redis_reply_t *reply);


static const proctor_str_t ngx_http_proctor_redis_ok = proctor_str("OK");
static const proctor_str_t ngx_http_proctor_redis_hello = proctor_str("PONG");


/*
 * [AUTH] [SELECT] PING, CLIENT SETNAME, SCRIPT LOAD..., INFO twice: one write,
 * one read.  Which replies stand where is known from the configuration
 * alone.  Of a cluster any server may be asked who has which slot.
 */

ngx_int_t
ngx_http_proctor_redis_greet(ngx_http_proctor_redis_t *redis)
{
    ngx_int_t rc;
    ngx_http_proctor_redis_greeting_t g;

    static const proctor_str_t ping[] = { proctor_str("PING") };
    static const proctor_str_t info[] = { proctor_str("INFO"),
        proctor_str("server") };

    ngx_memzero(g.commands, sizeof(g.commands));
    g.n = 0;

    ngx_http_proctor_redis_greeting_user(&g, redis->conf);
    ngx_http_proctor_redis_greeting_add(&g, ping, 1);
    ngx_http_proctor_redis_greeting_worker(&g);
    ngx_http_proctor_redis_greeting_scripts(&g, redis->conf);
    ngx_http_proctor_redis_greeting_add(&g, info, 2);
    ngx_http_proctor_redis_role_ask(&g.commands[g.n++]);

    if (redis->cluster != NULL) {
        ngx_http_proctor_redis_cluster_question(&g.commands[g.n++]);
    }

    rc = ngx_http_proctor_redis_op_send(
        redis, &redis->handshake, g.commands, g.n);

    if (redis->bytes != NULL) {
        ngx_explicit_memzero(redis->bytes, redis->size);
    }

    return rc;
}


static void
ngx_http_proctor_redis_greeting_add(ngx_http_proctor_redis_greeting_t *g,
    const proctor_str_t *argv, ngx_uint_t argc)
{
    g->commands[g->n].argv = argv;
    g->commands[g->n++].argc = argc;
}


/* who asks, and for which of its databases */

static void
ngx_http_proctor_redis_greeting_user(ngx_http_proctor_redis_greeting_t *g,
    const ngx_http_proctor_redis_conf_t *conf)
{
    ngx_uint_t n;

    if (conf->password.len != 0) {
        n = 0;
        g->auth[n++] = (proctor_str_t) proctor_str("AUTH");

        if (conf->user.len != 0) {
            g->auth[n++] =
                (proctor_str_t){ (char *) conf->user.data, conf->user.len };
        }

        g->auth[n++] =
            (proctor_str_t){ (char *) conf->password.data, conf->password.len };

        ngx_http_proctor_redis_greeting_add(g, g->auth, n);
    }

    if (conf->db != 0) {
        g->select[0] = (proctor_str_t) proctor_str("SELECT");
        g->select[1].data = (char *) g->db;
        g->select[1].len = ngx_sprintf(g->db, "%ui", conf->db) - g->db;

        ngx_http_proctor_redis_greeting_add(g, g->select, 2);
    }
}


/* for whoever looks at CLIENT LIST */

static void
ngx_http_proctor_redis_greeting_worker(ngx_http_proctor_redis_greeting_t *g)
{
    g->setname[0] = (proctor_str_t) proctor_str("CLIENT");
    g->setname[1] = (proctor_str_t) proctor_str("SETNAME");
    g->setname[2].data = (char *) g->name;
    g->setname[2].len =
        ngx_sprintf(g->name, "proctor-%ui-%P", ngx_worker, ngx_pid) - g->name;

    ngx_http_proctor_redis_greeting_add(g, g->setname, 3);
}


static void
ngx_http_proctor_redis_greeting_scripts(ngx_http_proctor_redis_greeting_t *g,
    const ngx_http_proctor_redis_conf_t *conf)
{
    ngx_uint_t i;

    for (i = 0; i < conf->nscripts; i++) {
        g->script[i][0] = (proctor_str_t) proctor_str("SCRIPT");
        g->script[i][1] = (proctor_str_t) proctor_str("LOAD");
        g->script[i][2] = conf->scripts[i].text;

        ngx_http_proctor_redis_greeting_add(g, g->script[i], 3);
    }
}


void
ngx_http_proctor_redis_greeted(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_uint_t i;
    ngx_http_proctor_redis_t *redis = data;
    ngx_http_proctor_redis_conf_t *conf = redis->conf;

    if (status == NGX_HTTP_PROCTOR_REDIS_DOWN) {
        return; /* lost() goes on */
    }

    if (status == NGX_HTTP_PROCTOR_REDIS_TIMEOUT) {
        ngx_http_proctor_redis_doom(redis, status,
            "no connection and greeting within %ui ms", conf->connect_timeout);
        return;
    }

    if (conf->password.len != 0
        && ngx_http_proctor_redis_greeting_fits(
               redis, "AUTH", replies++, &ngx_http_proctor_redis_ok)
               != NGX_OK) {
        return;
    }

    if (conf->db != 0
        && ngx_http_proctor_redis_greeting_fits(
               redis, "SELECT", replies++, &ngx_http_proctor_redis_ok)
               != NGX_OK) {
        return;
    }

    if (ngx_http_proctor_redis_greeting_fits(
            redis, "PING", replies++, &ngx_http_proctor_redis_hello)
        != NGX_OK) {
        return;
    }

    replies++; /* the name is a courtesy, which some users may not pay */

    for (i = 0; i < conf->nscripts; i++) {
        if (ngx_http_proctor_redis_greeting_fits(
                redis, "SCRIPT LOAD", replies++, &conf->scripts[i].sha1)
            != NGX_OK) {
            return;
        }
    }

    if (redis->cluster != NULL) {
        ngx_http_proctor_redis_greeting_slots(redis, &replies[2]);

    } else if (ngx_http_proctor_redis_role(redis, &replies[1]) == NGX_OK) {
        ngx_http_proctor_redis_role_run(redis, &replies[0], &replies[1]);
        ngx_http_proctor_redis_ready(redis);
    }
}


static void
ngx_http_proctor_redis_greeting_slots(ngx_http_proctor_redis_t *redis,
    const ngx_http_proctor_redis_reply_t *reply)
{
    if (ngx_http_proctor_redis_slots(redis->cluster, redis->at->host, reply)
        != NGX_OK) {
        ngx_http_proctor_redis_doom(redis, NGX_HTTP_PROCTOR_REDIS_DOWN,
            "%V does not say who has which slot",
            ngx_http_proctor_redis_name(redis));
        return;
    }

    ngx_http_proctor_redis_ready(redis);
}


/* The text of an error may repeat what AUTH said: its word alone is told. */

static ngx_int_t
ngx_http_proctor_redis_greeting_fits(ngx_http_proctor_redis_t *redis,
    const char *command, const ngx_http_proctor_redis_reply_t *reply,
    const proctor_str_t *expected)
{
    size_t len;

    if ((reply->type == NGX_HTTP_PROCTOR_REDIS_WORD
            || reply->type == NGX_HTTP_PROCTOR_REDIS_STRING)
        && reply->str.len == expected->len
        && ngx_memcmp(reply->str.data, expected->data, expected->len) == 0) {
        return NGX_OK;
    }

    if (reply->type != NGX_HTTP_PROCTOR_REDIS_ERROR) {
        ngx_http_proctor_redis_doom(redis, NGX_HTTP_PROCTOR_REDIS_DOWN,
            "not what Redis answers to %s", command);
        return NGX_ERROR;
    }

    len = (reply->error == NGX_HTTP_PROCTOR_REDIS_FULL)
              ? reply->str.len
              : ngx_http_proctor_redis_reply_word(&reply->str);

    ngx_http_proctor_redis_doom(redis, reply->error, "%s was answered by %*s",
        command, ngx_min(len, 64), reply->str.data);

    return NGX_ERROR;
}
