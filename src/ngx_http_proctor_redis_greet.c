/*
 * The handshake of a new connection: who we are, and is this the server that
 * the configuration means?  One write, one read, each reply looked at.
 */

#include "ngx_http_proctor_redis.h"


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
    u_char db[NGX_INT_T_LEN], name[64];
    ngx_int_t rc;
    ngx_uint_t i, n;
    proctor_str_t auth[3], select[2], script[NGX_HTTP_PROCTOR_REDIS_SCRIPTS][3];
    ngx_http_proctor_redis_command_t commands[NGX_HTTP_PROCTOR_REDIS_BATCH];
    ngx_http_proctor_redis_conf_t *conf = redis->conf;

    proctor_str_t ping[] = { proctor_str("PING") };
    proctor_str_t info[] = { proctor_str("INFO"), proctor_str("server") };
    proctor_str_t setname[] = { proctor_str("CLIENT"), proctor_str("SETNAME"),
        { (char *) name, 0 } };

    ngx_memzero(commands, sizeof(commands));
    n = 0;

    if (conf->password.len != 0) {
        auth[0] = (proctor_str_t) proctor_str("AUTH");
        auth[1] = (proctor_str_t){ (char *) conf->user.data, conf->user.len };
        auth[2] =
            (proctor_str_t){ (char *) conf->password.data, conf->password.len };

        if (conf->user.len == 0) {
            auth[1] = auth[2];
        }

        commands[n].argv = auth;
        commands[n++].argc = (conf->user.len == 0) ? 2 : 3;
    }

    if (conf->db != 0) {
        select[0] = (proctor_str_t) proctor_str("SELECT");
        select[1].data = (char *) db;
        select[1].len = ngx_sprintf(db, "%ui", conf->db) - db;

        commands[n].argv = select;
        commands[n++].argc = 2;
    }

    commands[n].argv = ping;
    commands[n++].argc = 1;

    setname[2].len =
        ngx_sprintf(name, "proctor-%ui-%P", ngx_worker, ngx_pid) - name;

    commands[n].argv = setname;
    commands[n++].argc = 3;

    for (i = 0; i < conf->nscripts; i++) {
        script[i][0] = (proctor_str_t) proctor_str("SCRIPT");
        script[i][1] = (proctor_str_t) proctor_str("LOAD");
        script[i][2] = conf->scripts[i].text;

        commands[n].argv = script[i];
        commands[n++].argc = 3;
    }

    commands[n].argv = info;
    commands[n++].argc = 2;

    ngx_http_proctor_redis_role_ask(&commands[n++]);

    if (redis->cluster != NULL) {
        ngx_http_proctor_redis_cluster_question(&commands[n++]);
    }

    rc = ngx_http_proctor_redis_op_send(redis, &redis->handshake, commands, n);

    if (redis->bytes != NULL) {
        ngx_explicit_memzero(redis->bytes, redis->size);
    }

    return rc;
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
