/*
 * What the workers of a machine share of the cache: a fixed area of the zone,
 * made with it, so that nothing of it is ever evicted.  No pointers.
 *
 *     cache_area.c    this worker's place, its counters, how it is woken
 *     cache_flight.c  one call upstream for all who ask the same
 *     cache_dirty.c   what Redis could not be told
 */

#ifndef NGX_HTTP_PROCTOR_CACHE_FLIGHT_H_INCLUDED
#define NGX_HTTP_PROCTOR_CACHE_FLIGHT_H_INCLUDED

#include "ngx_http_proctor.h"
#include "proctor_cache.h"


#define NGX_HTTP_PROCTOR_CACHE_DIGEST  16 /* bytes of a key's name */
#define NGX_HTTP_PROCTOR_CACHE_WORKERS 64 /* a bit each in `waiting` */
#define NGX_HTTP_PROCTOR_CACHE_SETS    64
#define NGX_HTTP_PROCTOR_CACHE_WAYS    4
#define NGX_HTTP_PROCTOR_CACHE_DIRTY   32
#define NGX_HTTP_PROCTOR_CACHE_WRITERS 24
#define NGX_HTTP_PROCTOR_CACHE_KEY     192 /* bytes of a generation's */
#define NGX_HTTP_PROCTOR_CACHE_NAME    24 /* of a socket, chosen by the system */


typedef enum {
    NGX_HTTP_PROCTOR_CACHE_HITS = 0,
    NGX_HTTP_PROCTOR_CACHE_MISSES,
    NGX_HTTP_PROCTOR_CACHE_STALE,
    NGX_HTTP_PROCTOR_CACHE_REVALIDATED,
    NGX_HTTP_PROCTOR_CACHE_BYPASSED,
    NGX_HTTP_PROCTOR_CACHE_WAITS,     /* for somebody else's answer */
    NGX_HTTP_PROCTOR_CACHE_COLLAPSED, /* and were answered by it */
    NGX_HTTP_PROCTOR_CACHE_REFRESHES,
    NGX_HTTP_PROCTOR_CACHE_STORES,
    NGX_HTTP_PROCTOR_CACHE_OUTDATED,      /* not stored: a write came first */
    NGX_HTTP_PROCTOR_CACHE_UNSTORED,      /* not stored: Redis was ill */
    NGX_HTTP_PROCTOR_CACHE_INVALIDATIONS, /* writes that told Redis first */
    NGX_HTTP_PROCTOR_CACHE_DEFERRED,      /* writes that could not */
    NGX_HTTP_PROCTOR_CACHE_REPLAYED,      /* groups, afterwards */
    NGX_HTTP_PROCTOR_CACHE_REJECTED,      /* entries that were none of ours */
    NGX_HTTP_PROCTOR_CACHE_COUNTERS
} ngx_http_proctor_cache_counter_e;

/* a worker of this machine, or one that was: counters go on with the next */

typedef struct {
    ngx_pid_t pid; /* 0: free */
    socklen_t len; /* of the address; 0: cannot be woken */
    u_char name[NGX_HTTP_PROCTOR_CACHE_NAME];
    uint64_t counters[NGX_HTTP_PROCTOR_CACHE_COUNTERS];
} ngx_http_proctor_cache_place_t;

typedef enum {
    NGX_HTTP_PROCTOR_CACHE_IDLE = 0,
    NGX_HTTP_PROCTOR_CACHE_LEADING, /* somebody asks upstream */
    NGX_HTTP_PROCTOR_CACHE_PASSING  /* its answers cannot be shared */
} ngx_http_proctor_cache_slot_e;

typedef struct {
    u_char digest[NGX_HTTP_PROCTOR_CACHE_DIGEST];
    ngx_http_proctor_cache_slot_e state;
    ngx_pid_t pid;    /* the leader's */
    ngx_msec_t since; /* the state */
    uint64_t turn;    /* the leader's number */
    uint64_t freed;   /* the last turn that ended with nothing to share */
    uint64_t failed;  /* the last turn that the upstream failed */
    uint64_t shared;  /* the clock when an answer was last stored */
    uint64_t waiting; /* workers, a bit each */
} ngx_http_proctor_cache_slot_t;

/* a group whose generation is still to be replaced */

typedef struct {
    uint64_t version; /* of the last write; 0: free */
    uint64_t sent;    /* the version that is being replayed */
    ngx_msec_t sent_at;
    ngx_msec_t until;  /* writes under way are given up */
    ngx_uint_t writes; /* under way */
    size_t prefix;     /* of the key, before "gen:" */
    size_t len;
    char key[NGX_HTTP_PROCTOR_CACHE_KEY]; /* the generation's */
    /* the last writers, whose marks Redis may have made after all */
    ngx_uint_t nwriters;
    char writers[NGX_HTTP_PROCTOR_CACHE_WRITERS][PROCTOR_CACHE_GEN_LEN + 1];
} ngx_http_proctor_cache_dirt_t;

struct ngx_http_proctor_cache_area_s {
    uint64_t turn;    /* the last one given; the clock of flights */
    uint64_t version; /* the last one given */
    ngx_atomic_t ndirt;
    int64_t lost; /* ms since 1970: nothing received before is believed, for
                     more was dirty than is remembered; 0: nothing was */
    ngx_http_proctor_cache_place_t places[NGX_HTTP_PROCTOR_CACHE_WORKERS];
    ngx_http_proctor_cache_slot_t slots[NGX_HTTP_PROCTOR_CACHE_SETS]
                                       [NGX_HTTP_PROCTOR_CACHE_WAYS];
    ngx_http_proctor_cache_dirt_t dirt[NGX_HTTP_PROCTOR_CACHE_DIRTY];
};

#endif /* NGX_HTTP_PROCTOR_CACHE_FLIGHT_H_INCLUDED */
