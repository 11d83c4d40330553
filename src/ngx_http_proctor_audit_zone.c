/*
 * The newest checkpoint, for all workers: one of them signs, any may be asked
 * for it (`proctor_checkpoint;` in a location) or begin a file that names it.
 *
 * A shared zone of our own that holds one struct, under its slab pool's lock.
 * It outlives reloads; another layout is refused by its version.
 */

#include "ngx_http_proctor_audit.h"


#define NGX_HTTP_PROCTOR_AUDIT_ZONE_MAGIC   0x61756474
#define NGX_HTTP_PROCTOR_AUDIT_ZONE_VERSION 2

/* the smallest that a slab pool with one such struct takes */
#define NGX_HTTP_PROCTOR_AUDIT_ZONE_SIZE (8 * ngx_pagesize)


typedef struct {
    ngx_uint_t magic;
    ngx_uint_t version;
    size_t len; /* 0: there is none yet */
    u_char text[PROCTOR_CHECKPOINT_MAX];
    char file[PROCTOR_AUDIT_FILE_ID + 1]; /* the newest; "": not known */
    ino_t ino;                            /* of it; 0: not known */
    off_t size;                           /* of it, when last written to */
} ngx_http_proctor_audit_newest_t;

struct ngx_http_proctor_audit_zone_s {
    proctor_audit_newest_t link;
    ngx_http_proctor_audit_conf_t *conf;
    ngx_http_proctor_audit_newest_t *newest;
    ngx_slab_pool_t *shpool;
};


static ngx_int_t ngx_http_proctor_audit_zone_init(
    ngx_shm_zone_t *shm_zone, void *data);
static void ngx_http_proctor_audit_zone_before(
    void *data, char *id, proctor_merkle_head_t *head);
static void ngx_http_proctor_audit_zone_begun(
    void *data, const char *id, ino_t ino);
static int ngx_http_proctor_audit_zone_is_copy(
    void *data, const char *id, ino_t ino);
static void ngx_http_proctor_audit_zone_grow(void *data, ino_t ino, off_t size);
static off_t ngx_http_proctor_audit_zone_size(void *data, ino_t ino);
static ngx_int_t ngx_http_proctor_audit_zone_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_proctor_audit_zone_send(
    ngx_http_request_t *r, ngx_buf_t *b);


ngx_int_t
ngx_http_proctor_audit_zone_add(
    ngx_conf_t *cf, ngx_http_proctor_audit_conf_t *audit)
{
    ngx_shm_zone_t *shm_zone;

    static ngx_str_t name = ngx_string("proctor_audit");

    shm_zone = ngx_shared_memory_add(
        cf, &name, NGX_HTTP_PROCTOR_AUDIT_ZONE_SIZE, &ngx_http_proctor_module);
    audit->zone = ngx_pcalloc(cf->pool, sizeof(ngx_http_proctor_audit_zone_t));

    if (shm_zone == NULL || audit->zone == NULL) {
        return NGX_ERROR;
    }

    audit->zone->link.get = ngx_http_proctor_audit_zone_before;
    audit->zone->link.set = ngx_http_proctor_audit_zone_begun;
    audit->zone->link.is_copy = ngx_http_proctor_audit_zone_is_copy;
    audit->zone->link.grow = ngx_http_proctor_audit_zone_grow;
    audit->zone->link.size = ngx_http_proctor_audit_zone_size;
    audit->zone->link.data = audit->zone;
    audit->zone->conf = audit;

    shm_zone->init = ngx_http_proctor_audit_zone_init;
    shm_zone->data = audit->zone;

    return NGX_OK;
}


const proctor_audit_newest_t *
ngx_http_proctor_audit_zone_link(ngx_http_proctor_audit_zone_t *zone)
{
    return &zone->link;
}


static ngx_int_t
ngx_http_proctor_audit_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_proctor_audit_zone_t *zone = shm_zone->data;

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (data != NULL || shm_zone->shm.exists) {
        zone->newest = zone->shpool->data;

        return (zone->newest->magic == NGX_HTTP_PROCTOR_AUDIT_ZONE_MAGIC
                   && zone->newest->version
                          == NGX_HTTP_PROCTOR_AUDIT_ZONE_VERSION)
                   ? NGX_OK
                   : NGX_ERROR;
    }

    zone->newest =
        ngx_slab_calloc(zone->shpool, sizeof(ngx_http_proctor_audit_newest_t));
    if (zone->newest == NULL) {
        return NGX_ERROR;
    }

    zone->newest->magic = NGX_HTTP_PROCTOR_AUDIT_ZONE_MAGIC;
    zone->newest->version = NGX_HTTP_PROCTOR_AUDIT_ZONE_VERSION;
    zone->shpool->data = zone->newest;

    return NGX_OK;
}


void
ngx_http_proctor_audit_zone_set(ngx_http_proctor_audit_zone_t *zone,
    const proctor_checkpoint_t *checkpoint, const char *text, size_t len)
{
    const char *id;
    ngx_http_proctor_audit_newest_t *newest = zone->newest;

    id = strrchr(checkpoint->origin, '/');

    ngx_shmtx_lock(&zone->shpool->mutex);

    newest->len = len;
    ngx_memcpy(newest->text, text, len);

    if (newest->file[0] == '\0' && id != NULL) {
        ngx_cpystrn(
            (u_char *) newest->file, (u_char *) id + 1, sizeof(newest->file));
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


/* FILE.checkpoints is ahead of what the workers are told, and another gateway may
   be who seals. */

static void
ngx_http_proctor_audit_zone_before(
    void *data, char *id, proctor_merkle_head_t *head)
{
    char text[PROCTOR_CHECKPOINT_MAX];
    const char *sealed;
    proctor_checkpoint_t last;
    ngx_http_proctor_audit_zone_t *zone = data;

    ngx_http_proctor_audit_conf_t *conf = zone->conf;

    if (id[0] == '\0') {
        ngx_shmtx_lock(&zone->shpool->mutex);
        ngx_memcpy(id, zone->newest->file, sizeof(zone->newest->file));
        ngx_shmtx_unlock(&zone->shpool->mutex);
    }

    if (conf->signer == NULL
        || proctor_sealer_note_last(
               (char *) conf->file.data, conf->signer, &last, text)
               == 0) {
        return;
    }

    sealed = strrchr(last.origin, '/');

    if (sealed != NULL && ngx_strcmp(sealed + 1, id) == 0) {
        *head = last.head;
    }
}


static void
ngx_http_proctor_audit_zone_begun(void *data, const char *id, ino_t ino)
{
    ngx_http_proctor_audit_zone_t *zone = data;

    ngx_shmtx_lock(&zone->shpool->mutex);

    ngx_cpystrn((u_char *) zone->newest->file, (u_char *) id,
        sizeof(zone->newest->file));

    if (zone->newest->ino != ino) {
        zone->newest->ino = ino;
        zone->newest->size = 0;
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


static int
ngx_http_proctor_audit_zone_is_copy(void *data, const char *id, ino_t ino)
{
    int copy;
    ngx_http_proctor_audit_zone_t *zone = data;

    ngx_shmtx_lock(&zone->shpool->mutex);

    copy = zone->newest->ino != 0 && zone->newest->ino != ino
           && ngx_strcmp(zone->newest->file, id) == 0;

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return copy;
}


/* A file that shrank may have grown again for who did not write to it. */

static void
ngx_http_proctor_audit_zone_grow(void *data, ino_t ino, off_t size)
{
    ngx_http_proctor_audit_zone_t *zone = data;

    ngx_shmtx_lock(&zone->shpool->mutex);

    if (zone->newest->ino == ino && zone->newest->size < size) {
        zone->newest->size = size;
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


static off_t
ngx_http_proctor_audit_zone_size(void *data, ino_t ino)
{
    off_t size;
    ngx_http_proctor_audit_zone_t *zone = data;

    ngx_shmtx_lock(&zone->shpool->mutex);
    size = (zone->newest->ino == ino) ? zone->newest->size : 0;
    ngx_shmtx_unlock(&zone->shpool->mutex);

    return size;
}


/* Nothing is known after a start: the last that was signed says something. */

void
ngx_http_proctor_audit_zone_load(ngx_http_proctor_audit_conf_t *audit)
{
    size_t len;
    ngx_uint_t known;
    char text[PROCTOR_CHECKPOINT_MAX];
    proctor_checkpoint_t checkpoint;
    ngx_http_proctor_audit_zone_t *zone = audit->zone;

    ngx_shmtx_lock(&zone->shpool->mutex);
    known = (zone->newest->len != 0 || zone->newest->file[0] != '\0');
    ngx_shmtx_unlock(&zone->shpool->mutex);

    if (known || audit->signer == NULL) {
        return;
    }

    len = proctor_sealer_note_last(
        (char *) audit->file.data, audit->signer, &checkpoint, text);

    if (len != 0) {
        ngx_http_proctor_audit_zone_set(zone, &checkpoint, text, len);
    }
}


char *
ngx_http_proctor_audit_zone_conf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t *clcf;

    (void) cmd;
    (void) conf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_proctor_audit_zone_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_proctor_audit_zone_handler(ngx_http_request_t *r)
{
    ngx_buf_t *b;
    ngx_int_t rc;
    ngx_http_proctor_main_conf_t *mcf;
    ngx_http_proctor_audit_zone_t *zone;

    if (!(r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    b = ngx_create_temp_buf(r->pool, PROCTOR_CHECKPOINT_MAX);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_proctor_module);

    if (mcf->audit != NULL) {
        zone = mcf->audit->zone;

        ngx_shmtx_lock(&zone->shpool->mutex);
        b->last = ngx_cpymem(b->last, zone->newest->text, zone->newest->len);
        ngx_shmtx_unlock(&zone->shpool->mutex);
    }

    if (b->last == b->pos) {
        return NGX_HTTP_NOT_FOUND; /* nothing was signed yet */
    }

    return ngx_http_proctor_audit_zone_send(r, b);
}


static ngx_int_t
ngx_http_proctor_audit_zone_send(ngx_http_request_t *r, ngx_buf_t *b)
{
    ngx_int_t rc;
    ngx_chain_t out;

    static const ngx_str_t no_store = ngx_string("no-store");

    if (ngx_http_proctor_header_add(r, "Cache-Control", &no_store) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->last_buf = 1;
    b->last_in_chain = 1;
    out.buf = b;
    out.next = NULL;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = b->last - b->pos;
    ngx_str_set(&r->headers_out.content_type, "text/plain");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_set(&r->headers_out.charset, "utf-8");

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, &out);
}
