/*
 * A Redis Cluster: several masters, each with a part of 16384 slots, behind
 * the one client that the callers know.
 *
 *                          redis_call.c
 *                 cluster=on |        | a single server
 *                    redis_route.c    |
 *                    |     |     |    |
 *      seed        node  node  node   |
 *       |            |     |     |    |
 *       +------------+-----+-----+----+-- each of them redis.c, unchanged
 *
 * A key's slot is known from its name, so each call is split by server, sent to
 * each, and answered once, with all replies, when each part has one or is given
 * up.  A part that fails fails its commands alone: what they are answered is an
 * error of the status that the part has.
 *
 * The seed is a connection to any server of those that the directive names.
 * When it is greeted it says which server has which slot; each of these gets a
 * node, and the seed nothing more to do while one of them is ready.  They are
 * asked that again in turn: once a second, five times while one that has slots
 * is not well, and a tenth of a second after a call was sent elsewhere (MOVED)
 * or nowhere.
 *
 * What a server keeps counts as with a single one: by the run of the server
 * that has the slot now, which is another after a failover.
 */

#include "ngx_http_proctor_redis_cluster.h"


/* ms */
#define NGX_HTTP_PROCTOR_REDIS_CLUSTER_WELL  1000
#define NGX_HTTP_PROCTOR_REDIS_CLUSTER_ILL   200
#define NGX_HTTP_PROCTOR_REDIS_CLUSTER_HURRY 100


static void ngx_http_proctor_redis_cluster_event(ngx_event_t *ev);
static void ngx_http_proctor_redis_cluster_ask(
    ngx_http_proctor_redis_cluster_t *cluster);
static void ngx_http_proctor_redis_cluster_heard(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);
static const ngx_http_proctor_redis_t *ngx_http_proctor_redis_cluster_worst(
    const ngx_http_proctor_redis_cluster_t *cluster);


static const proctor_str_t ngx_http_proctor_redis_cluster_slots[] = {
    proctor_str("CLUSTER"),
    proctor_str("SLOTS"),
};


ngx_http_proctor_redis_cluster_t *
ngx_http_proctor_redis_cluster_create(
    ngx_cycle_t *cycle, ngx_http_proctor_redis_t *seed)
{
    ngx_http_proctor_redis_cluster_t *cluster;

    cluster =
        ngx_pcalloc(cycle->pool, sizeof(ngx_http_proctor_redis_cluster_t));
    if (cluster == NULL) {
        return NULL;
    }

    cluster->seed = seed;
    cluster->unowned = PROCTOR_SLOTS;
    ngx_memset(cluster->slots, NGX_HTTP_PROCTOR_REDIS_NOBODY, PROCTOR_SLOTS);
    ngx_queue_init(&cluster->routes);

    cluster->asked.handler = ngx_http_proctor_redis_cluster_heard;
    cluster->asked.data = cluster;

    cluster->timer.handler = ngx_http_proctor_redis_cluster_event;
    cluster->timer.data = cluster;
    cluster->timer.log = cycle->log;
    cluster->timer.cancelable = 1;

    return cluster;
}


/* the first greeting may be over by then, and who has slots is greeted */

void
ngx_http_proctor_redis_cluster_start(
    ngx_http_proctor_redis_cluster_t *cluster, ngx_msec_t until)
{
    ngx_uint_t i;

    for (i = 0; i < NGX_HTTP_PROCTOR_REDIS_NODES; i++) {
        if (cluster->nodes[i] != NULL) {
            ngx_http_proctor_redis_start(&cluster->nodes[i]->redis, until);
        }
    }

    ngx_add_timer(&cluster->timer, NGX_HTTP_PROCTOR_REDIS_CLUSTER_ILL);
}


void
ngx_http_proctor_redis_cluster_destroy(
    ngx_http_proctor_redis_cluster_t *cluster)
{
    ngx_uint_t i;

    for (i = 0; i < NGX_HTTP_PROCTOR_REDIS_NODES; i++) {
        if (cluster->nodes[i] != NULL) {
            ngx_http_proctor_redis_node_destroy(cluster, cluster->nodes[i]);
        }
    }

    ngx_http_proctor_redis_fini(cluster->seed);
    ngx_http_proctor_redis_route_exit(cluster);

    if (cluster->timer.timer_set) {
        ngx_del_timer(&cluster->timer);
    }
}


void
ngx_http_proctor_redis_cluster_question(
    ngx_http_proctor_redis_command_t *command)
{
    command->argv = ngx_http_proctor_redis_cluster_slots;
    command->argc = 2;
    command->script = NULL;
}


void
ngx_http_proctor_redis_cluster_hurry(ngx_http_proctor_redis_cluster_t *cluster)
{
    ngx_msec_int_t left;

    left = (ngx_msec_int_t) (cluster->timer.timer.key - ngx_current_msec);

    if (cluster->timer.timer_set
        && left > NGX_HTTP_PROCTOR_REDIS_CLUSTER_HURRY) {
        ngx_del_timer(&cluster->timer);
        ngx_add_timer(&cluster->timer, NGX_HTTP_PROCTOR_REDIS_CLUSTER_HURRY);
    }
}


static void
ngx_http_proctor_redis_cluster_event(ngx_event_t *ev)
{
    ngx_http_proctor_redis_cluster_t *cluster = ev->data;
    const ngx_http_proctor_redis_t *worst;

    if (ngx_exiting) {
        return;
    }

    ngx_http_proctor_redis_node_sweep(cluster);
    ngx_http_proctor_redis_cluster_ask(cluster);

    worst = ngx_http_proctor_redis_cluster_worst(cluster);

    ngx_add_timer(ev,
        (cluster->unowned == 0 && worst->state == NGX_HTTP_PROCTOR_REDIS_READY)
            ? NGX_HTTP_PROCTOR_REDIS_CLUSTER_WELL
            : NGX_HTTP_PROCTOR_REDIS_CLUSTER_ILL);
}


static void
ngx_http_proctor_redis_cluster_ask(ngx_http_proctor_redis_cluster_t *cluster)
{
    ngx_http_proctor_redis_t *redis;
    ngx_http_proctor_redis_command_t command;

    redis = ngx_http_proctor_redis_node_any(cluster);

    if (redis == NULL || cluster->asked.op != NULL) {
        return;
    }

    ngx_http_proctor_redis_cluster_question(&command);
    cluster->asks = redis;

    (void) ngx_http_proctor_redis_op_send(redis, &cluster->asked, &command, 1);
}


static void
ngx_http_proctor_redis_cluster_heard(void *data,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies)
{
    ngx_http_proctor_redis_cluster_t *cluster = data;

    if (status == NGX_HTTP_PROCTOR_REDIS_REPLY) {
        (void) ngx_http_proctor_redis_slots(
            cluster, cluster->asks->at->host, replies);
    }
}


ngx_uint_t
ngx_http_proctor_redis_cluster_some(
    const ngx_http_proctor_redis_cluster_t *cluster)
{
    ngx_uint_t i;
    const ngx_http_proctor_redis_node_t *node;

    for (i = 0; i < NGX_HTTP_PROCTOR_REDIS_NODES; i++) {
        node = cluster->nodes[i];

        if (node != NULL && node->redis.state == NGX_HTTP_PROCTOR_REDIS_READY) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_http_proctor_redis_cluster_takes(ngx_http_proctor_redis_cluster_t *cluster)
{
    if (ngx_http_proctor_redis_cluster_some(cluster)) {
        return 1;
    }

    cluster->gone.declined++;

    return 0;
}


const char *
ngx_http_proctor_redis_cluster_run(
    ngx_http_proctor_redis_cluster_t *cluster, const proctor_str_t *key)
{
    ngx_uint_t i, j;
    const ngx_http_proctor_redis_node_t *node;

    ngx_memset(cluster->run, '0', NGX_HTTP_PROCTOR_REDIS_RUN);

    if (key != NULL) {
        node = ngx_http_proctor_redis_node_of(
            cluster, proctor_slot(key->data, key->len));

        return (node == NULL || node->redis.run[0] == '\0') ? cluster->run
                                                            : node->redis.run;
    }

    for (i = 0; i < NGX_HTTP_PROCTOR_REDIS_NODES; i++) {
        node = cluster->nodes[i];

        for (j = 0;
             node != NULL && node->slots != 0 && j < NGX_HTTP_PROCTOR_REDIS_RUN;
             j++) {
            cluster->run[j] ^= node->redis.run[j];
        }
    }

    return cluster->run;
}


void
ngx_http_proctor_redis_cluster_view(ngx_http_proctor_redis_cluster_t *cluster,
    ngx_http_proctor_redis_view_t *view)
{
    u_char *p, *last;
    ngx_uint_t i;
    const ngx_http_proctor_redis_t *worst, *redis;

    worst = ngx_http_proctor_redis_cluster_worst(cluster);
    view->state = worst->state;
    view->reason = worst->reason;
    view->at = *ngx_http_proctor_redis_name(worst);
    view->name = cluster->seed->conf->name;

    if (cluster->unowned != 0 && worst->state == NGX_HTTP_PROCTOR_REDIS_READY) {
        last = (u_char *) cluster->reason + sizeof(cluster->reason) - 1;
        p = ngx_slprintf((u_char *) cluster->reason, last,
            "%ui slots belong to no server", cluster->unowned);
        *p = '\0';
        view->state = NGX_HTTP_PROCTOR_REDIS_OFF;
        view->reason = cluster->reason;
    }

    cluster->sum = cluster->gone;
    ngx_http_proctor_redis_stats_add(&cluster->sum, &cluster->seed->stats);
    view->some = ngx_http_proctor_redis_cluster_some(cluster);
    view->pending = 0;

    for (i = 0; i < NGX_HTTP_PROCTOR_REDIS_NODES; i++) {
        if (cluster->nodes[i] != NULL) {
            redis = &cluster->nodes[i]->redis;
            ngx_http_proctor_redis_stats_add(&cluster->sum, &redis->stats);
            view->pending += redis->pending;
        }
    }

    view->stats = &cluster->sum;
}


/* of those that have slots; the seed, while it is not known who has */

static const ngx_http_proctor_redis_t *
ngx_http_proctor_redis_cluster_worst(
    const ngx_http_proctor_redis_cluster_t *cluster)
{
    ngx_uint_t i;
    const ngx_http_proctor_redis_t *worst;
    const ngx_http_proctor_redis_node_t *node;

    worst = NULL;

    for (i = 0; i < NGX_HTTP_PROCTOR_REDIS_NODES; i++) {
        node = cluster->nodes[i];

        if (node != NULL && node->slots != 0
            && (worst == NULL || node->redis.state < worst->state)) {
            worst = &node->redis;
        }
    }

    return (worst == NULL) ? cluster->seed : worst;
}


ngx_int_t
ngx_http_proctor_redis_cluster_node(
    const ngx_http_proctor_redis_cluster_t *cluster, ngx_uint_t i,
    ngx_http_proctor_redis_view_t *view, ngx_uint_t *slots)
{
    const ngx_http_proctor_redis_node_t *node;

    if (i >= NGX_HTTP_PROCTOR_REDIS_NODES) {
        return NGX_DONE;
    }

    node = cluster->nodes[i];
    if (node == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_proctor_redis_view(&node->redis, view);
    *slots = node->slots;

    return NGX_OK;
}
