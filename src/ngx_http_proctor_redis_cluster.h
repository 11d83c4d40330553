/*
 * What the files of a Redis Cluster share and nobody else sees.
 *
 *     redis_cluster.c  what is known of it, and when it is asked again
 *     redis_node.c     its servers, each with a client of its own
 *     redis_slots.c    which of them has which slot, as a server tells
 *     redis_route.c    calls: split by server, put together
 *     redis_part.c     what one server is asked, followed where it points
 */

#ifndef NGX_HTTP_PROCTOR_REDIS_CLUSTER_H_INCLUDED
#define NGX_HTTP_PROCTOR_REDIS_CLUSTER_H_INCLUDED

#include "ngx_http_proctor_redis.h"


#define NGX_HTTP_PROCTOR_REDIS_NODES  32
#define NGX_HTTP_PROCTOR_REDIS_NOBODY 0xff /* has this slot */
#define NGX_HTTP_PROCTOR_REDIS_HOST   46   /* digits of an address, and NUL */

/* On the heap, in the cluster's table; created and destroyed at run time. */

typedef struct {
    ngx_http_proctor_redis_t redis;
    ngx_http_proctor_redis_conf_t conf;
    ngx_http_proctor_redis_peer_t peer;
    char host[NGX_HTTP_PROCTOR_REDIS_HOST];
    u_char name[NGX_SOCKADDR_STRLEN];
    ngx_uint_t index; /* in the table */
    ngx_uint_t slots; /* that it has */
    ngx_msec_t used;  /* when it last had one, or somebody named it */
} ngx_http_proctor_redis_node_t;

/* One a worker, in cycle->pool. */

struct ngx_http_proctor_redis_cluster_s {
    ngx_http_proctor_redis_t *seed; /* whom the callers know: of any server */
    ngx_http_proctor_redis_node_t *nodes[NGX_HTTP_PROCTOR_REDIS_NODES];
    u_char slots[PROCTOR_SLOTS]; /* an index, or nobody's */
    ngx_uint_t unowned;
    ngx_queue_t routes; /* calls that are under way */
    ngx_event_t timer;
    ngx_uint_t turn; /* whom to ask for the slots */
    ngx_http_proctor_redis_call_t asked;
    ngx_http_proctor_redis_t *asks;      /* whom that went to */
    ngx_http_proctor_redis_stats_t gone; /* of no server, or of one that is no
                                            more */
    ngx_http_proctor_redis_stats_t sum;  /* as last shown */
    char run[NGX_HTTP_PROCTOR_REDIS_RUN];
    char reason[NGX_HTTP_PROCTOR_REDIS_REASON];
    unsigned full : 1; /* there were too many servers, as was said */
};

#define ngx_http_proctor_redis_bit(i) (1u << (i))

typedef struct ngx_http_proctor_redis_route_s ngx_http_proctor_redis_route_t;

typedef struct {
    ngx_http_proctor_redis_call_t call; /* op: it is under way */
    ngx_http_proctor_redis_route_t *route;
    const ngx_http_proctor_redis_t *redis; /* who was asked */
    uint32_t commands;
    unsigned asking : 1; /* an ASKING before it, and its reply */
} ngx_http_proctor_redis_part_t;

struct ngx_http_proctor_redis_route_s {
    ngx_queue_t queue; /* of the cluster's routes */
    ngx_http_proctor_redis_cluster_t *cluster;
    ngx_http_proctor_redis_call_t *call; /* NULL: nobody waits (any more) */
    ngx_uint_t n;
    uint32_t due;  /* commands that have no reply yet */
    uint32_t lost; /* ... and that got none */
    ngx_msec_t deadline;
    ngx_event_t timer; /* once something was sent elsewhere */
    proctor_arena_t *arena;
    ngx_http_proctor_redis_reply_t replies[NGX_HTTP_PROCTOR_REDIS_BATCH];
    ngx_http_proctor_redis_command_t commands[NGX_HTTP_PROCTOR_REDIS_BATCH];
    ngx_http_proctor_redis_part_t parts[NGX_HTTP_PROCTOR_REDIS_BATCH];
    u_char hops[NGX_HTTP_PROCTOR_REDIS_BATCH];
}; /* the arguments follow, then their bytes */


/* ngx_http_proctor_redis_cluster.c */

/* the slots are asked for soon */
void ngx_http_proctor_redis_cluster_hurry(
    ngx_http_proctor_redis_cluster_t *cluster);

/* ngx_http_proctor_redis_node.c */

/* a new one, if need be; NULL: no numeric address, too many, or no memory */
ngx_http_proctor_redis_node_t *ngx_http_proctor_redis_node(
    ngx_http_proctor_redis_cluster_t *cluster, const char *host, size_t len,
    in_port_t port);
/* those that were of no use for a while */
void ngx_http_proctor_redis_node_sweep(
    ngx_http_proctor_redis_cluster_t *cluster);
void ngx_http_proctor_redis_node_destroy(
    ngx_http_proctor_redis_cluster_t *cluster,
    ngx_http_proctor_redis_node_t *node);
/* NULL: none, or one that is not ready */
ngx_http_proctor_redis_node_t *ngx_http_proctor_redis_node_of(
    const ngx_http_proctor_redis_cluster_t *cluster, ngx_uint_t slot);
/* any that is ready; NULL: none */
ngx_http_proctor_redis_t *ngx_http_proctor_redis_node_any(
    ngx_http_proctor_redis_cluster_t *cluster);

/* ngx_http_proctor_redis_slots.c */

/* where MOVED or ASK points; NULL: it is none of these, or to nowhere */
ngx_http_proctor_redis_node_t *ngx_http_proctor_redis_slots_redirect(
    ngx_http_proctor_redis_cluster_t *cluster, const char *from,
    const proctor_str_t *error, ngx_uint_t *ask);

/* ngx_http_proctor_redis_route.c */

/* NULL: it has none */
const proctor_str_t *ngx_http_proctor_redis_route_key(
    const ngx_http_proctor_redis_command_t *command);
/* of its timer: its time is over */
void ngx_http_proctor_redis_route_expire(ngx_event_t *ev);
/* no command is due: the caller is called, and it is gone */
void ngx_http_proctor_redis_route_end(ngx_http_proctor_redis_route_t *route);
/* ... with these replies */
void ngx_http_proctor_redis_route_tell(ngx_http_proctor_redis_route_t *route,
    ngx_http_proctor_redis_status_e status,
    const ngx_http_proctor_redis_reply_t *replies);
/* the servers' clients are gone: who waits is forgotten */
void ngx_http_proctor_redis_route_exit(
    ngx_http_proctor_redis_cluster_t *cluster);

/* ngx_http_proctor_redis_part.c */

/* as ngx_http_proctor_redis_send(), of these commands; asking: not for good */
ngx_int_t ngx_http_proctor_redis_part_send(
    ngx_http_proctor_redis_route_t *route, ngx_http_proctor_redis_t *redis,
    uint32_t commands, ngx_uint_t asking);
/* a command gets no reply, but an error of this status */
void ngx_http_proctor_redis_part_lose(ngx_http_proctor_redis_route_t *route,
    ngx_uint_t i, ngx_http_proctor_redis_status_e status);

#endif /* NGX_HTTP_PROCTOR_REDIS_CLUSTER_H_INCLUDED */
