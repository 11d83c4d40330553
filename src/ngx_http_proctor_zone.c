/*
 * `proctor_zone NAME:SIZE;`: what the workers of a machine share.
 *
 * Records of any plain struct under a key, zeroed when they are made.  No
 * pointer in the zone leads out of it, and no function of ours is stored in
 * it, so a reload with a new module finds it as it was; another layout is
 * refused by its version.  Everything happens under the slab pool's lock, by
 * functions named *_locked; nobody logs, allocates from another pool or waits
 * while holding it.
 *
 * A full zone forgets the record that was not used for the longest time, but
 * none of those that were asked for since the lock was taken.  What the cache
 * shares has a fixed place and is never forgotten.
 */

#include "ngx_http_proctor_cache_flight.h"


#define NGX_HTTP_PROCTOR_ZONE_MAGIC   0x70726f63
#define NGX_HTTP_PROCTOR_ZONE_VERSION 3
#define NGX_HTTP_PROCTOR_ZONE_BUCKETS 1024
#define NGX_HTTP_PROCTOR_ZONE_MIN     (256 * 1024)


/* the value follows, then the key */

typedef struct ngx_http_proctor_zone_node_s {
    ngx_queue_t lru;
    struct ngx_http_proctor_zone_node_s *next;
    uint64_t turn; /* of the lock, when it was last asked for */
    size_t size;   /* of the value */
    size_t len;    /* of the key */
    uint32_t hash;
} ngx_http_proctor_zone_node_t;

typedef struct {
    ngx_uint_t magic;
    ngx_uint_t version;
    uint64_t turn;
    ngx_queue_t lru;
    ngx_http_proctor_zone_node_t *buckets[NGX_HTTP_PROCTOR_ZONE_BUCKETS];
    ngx_http_proctor_cache_area_t cache;
} ngx_http_proctor_zone_sh_t;

struct ngx_http_proctor_zone_s {
    ngx_http_proctor_zone_sh_t *sh;
    ngx_slab_pool_t *shpool;
};


static ngx_int_t ngx_http_proctor_zone_init(
    ngx_shm_zone_t *shm_zone, void *data);
static ngx_http_proctor_zone_node_t *ngx_http_proctor_zone_make_locked(
    ngx_http_proctor_zone_t *zone, const proctor_str_t *key, size_t size);
static ngx_int_t ngx_http_proctor_zone_evict_locked(
    ngx_http_proctor_zone_t *zone);
static void ngx_http_proctor_zone_unlink_locked(
    ngx_http_proctor_zone_t *zone, ngx_http_proctor_zone_node_t *node);


char *
ngx_http_proctor_zone_conf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_proctor_main_conf_t *mcf = conf;

    u_char *p;
    ssize_t size;
    ngx_str_t *value, name, text;
    ngx_shm_zone_t *shm_zone;

    (void) cmd;

    if (mcf->zone != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    name = value[1];
    p = ngx_strlchr(name.data, name.data + name.len, ':');

    if (p == NULL || p == name.data) {
        return "must be NAME:SIZE";
    }

    text.data = p + 1;
    text.len = name.data + name.len - text.data;
    name.len = p - name.data;
    size = ngx_parse_size(&text);

    if (size == NGX_ERROR || size < NGX_HTTP_PROCTOR_ZONE_MIN) {
        return "must have a size of 256k at least";
    }

    shm_zone = ngx_shared_memory_add(
        cf, &name, (size_t) size, &ngx_http_proctor_module);
    mcf->zone = ngx_pcalloc(cf->pool, sizeof(ngx_http_proctor_zone_t));

    if (shm_zone == NULL || mcf->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    shm_zone->init = ngx_http_proctor_zone_init;
    shm_zone->data = mcf->zone;

    return NGX_CONF_OK;
}


/* `data`: of the cycle before, whose workers go on using the same memory */

static ngx_int_t
ngx_http_proctor_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_proctor_zone_t *zone = shm_zone->data;

    ngx_http_proctor_zone_t *old = data;

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old != NULL || shm_zone->shm.exists) {
        zone->sh = zone->shpool->data;

        if (zone->sh->magic != NGX_HTTP_PROCTOR_ZONE_MAGIC
            || zone->sh->version != NGX_HTTP_PROCTOR_ZONE_VERSION) {
            ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                "proctor zone: \"%V\" has another layout: give the zone "
                "another name",
                &shm_zone->shm.name);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    zone->sh =
        ngx_slab_calloc(zone->shpool, sizeof(ngx_http_proctor_zone_sh_t));
    if (zone->sh == NULL) {
        return NGX_ERROR;
    }

    zone->sh->magic = NGX_HTTP_PROCTOR_ZONE_MAGIC;
    zone->sh->version = NGX_HTTP_PROCTOR_ZONE_VERSION;
    ngx_queue_init(&zone->sh->lru);

    zone->shpool->data = zone->sh;
    zone->shpool->log_nomem = 0;

    return NGX_OK;
}


void
ngx_http_proctor_zone_lock(ngx_http_proctor_zone_t *zone)
{
    ngx_shmtx_lock(&zone->shpool->mutex);
    zone->sh->turn++;
}


void
ngx_http_proctor_zone_unlock(ngx_http_proctor_zone_t *zone)
{
    ngx_shmtx_unlock(&zone->shpool->mutex);
}


void *
ngx_http_proctor_zone_get_locked(
    ngx_http_proctor_zone_t *zone, const proctor_str_t *key, size_t size)
{
    uint32_t hash;
    ngx_http_proctor_zone_node_t *node;

    hash = ngx_crc32_short((u_char *) key->data, key->len);
    node = zone->sh->buckets[hash % NGX_HTTP_PROCTOR_ZONE_BUCKETS];

    for (; node != NULL; node = node->next) {
        if (node->hash == hash && node->len == key->len && node->size == size
            && ngx_memcmp((u_char *) (node + 1) + size, key->data, key->len)
                   == 0) {
            break;
        }
    }

    if (node == NULL) {
        node = ngx_http_proctor_zone_make_locked(zone, key, size);
        if (node == NULL) {
            return NULL;
        }

        node->hash = hash;
        node->next = zone->sh->buckets[hash % NGX_HTTP_PROCTOR_ZONE_BUCKETS];
        zone->sh->buckets[hash % NGX_HTTP_PROCTOR_ZONE_BUCKETS] = node;

    } else {
        ngx_queue_remove(&node->lru);
    }

    ngx_queue_insert_head(&zone->sh->lru, &node->lru);
    node->turn = zone->sh->turn;

    return node + 1;
}


static ngx_http_proctor_zone_node_t *
ngx_http_proctor_zone_make_locked(
    ngx_http_proctor_zone_t *zone, const proctor_str_t *key, size_t size)
{
    ngx_http_proctor_zone_node_t *node;

    do {
        node = ngx_slab_calloc_locked(zone->shpool,
            sizeof(ngx_http_proctor_zone_node_t) + size + key->len);
    } while (
        node == NULL && ngx_http_proctor_zone_evict_locked(zone) == NGX_OK);

    if (node != NULL) {
        /* whoever finds the node may take it out of a list which its maker,
           killed, had not put it in yet */
        ngx_queue_init(&node->lru);

        node->size = size;
        node->len = key->len;
        ngx_memcpy((u_char *) (node + 1) + size, key->data, key->len);
    }

    return node;
}


static ngx_int_t
ngx_http_proctor_zone_evict_locked(ngx_http_proctor_zone_t *zone)
{
    ngx_queue_t *q;
    ngx_http_proctor_zone_node_t *node;

    if (ngx_queue_empty(&zone->sh->lru)) {
        return NGX_DECLINED;
    }

    q = ngx_queue_last(&zone->sh->lru);
    node = ngx_queue_data(q, ngx_http_proctor_zone_node_t, lru);

    if (node->turn == zone->sh->turn) {
        return NGX_DECLINED;
    }

    ngx_http_proctor_zone_unlink_locked(zone, node);
    ngx_slab_free_locked(zone->shpool, node);

    return NGX_OK;
}


static void
ngx_http_proctor_zone_unlink_locked(
    ngx_http_proctor_zone_t *zone, ngx_http_proctor_zone_node_t *node)
{
    ngx_http_proctor_zone_node_t **p;

    p = &zone->sh->buckets[node->hash % NGX_HTTP_PROCTOR_ZONE_BUCKETS];

    while (*p != node) {
        p = &(*p)->next;
    }

    *p = node->next;
    ngx_queue_remove(&node->lru);
}


ngx_http_proctor_cache_area_t *
ngx_http_proctor_zone_cache(ngx_http_proctor_zone_t *zone)
{
    return &zone->sh->cache;
}


/* a length is measured where no clock is ever set, a day by the calendar */

int64_t
ngx_http_proctor_zone_now(const proctor_limit_t *limit)
{
    ngx_time_t *tp;

    if (limit->per == PROCTOR_PER_SLIDING) {
        return (int64_t) ngx_current_msec;
    }

    tp = ngx_timeofday();

    return (int64_t) tp->sec * 1000 + (int64_t) tp->msec;
}
