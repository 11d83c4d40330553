/*
 * A worker's place among those of its machine: its counters, and a datagram
 * socket by which the others wake it.
 *
 * The socket's name is the system's choice (an abstract one), kept in the
 * place: so workers of an old and a new configuration find each other, and no
 * descriptor has to be inherited.  A datagram says nothing but "look": who
 * sends one that is not ours costs a look.  A worker without a place, because
 * there are too many, waits for nobody and counts for itself.
 */

#include "ngx_http_proctor_cache.h"


static void ngx_http_proctor_cache_area_claim(
    ngx_http_proctor_cache_worker_t *w);
static ngx_int_t ngx_http_proctor_cache_area_open(
    ngx_http_proctor_cache_worker_t *w, struct sockaddr_un *name,
    socklen_t *len);
static void ngx_http_proctor_cache_area_read(ngx_event_t *ev);


/* by ngx_http_proctor_cache_counter_e */

static const char *const
    ngx_http_proctor_cache_area_words[NGX_HTTP_PROCTOR_CACHE_COUNTERS] = {
        "hits",
        "misses",
        "stale",
        "revalidated",
        "bypassed",
        "waits",
        "collapsed",
        "refreshes",
        "stores",
        "outdated",
        "unstored",
        "invalidations",
        "deferred",
        "replayed",
        "rejected",
    };


ngx_int_t
ngx_http_proctor_cache_area_init(
    ngx_cycle_t *cycle, ngx_http_proctor_main_conf_t *mcf)
{
    ngx_http_proctor_cache_worker_t *w;

    w = ngx_pcalloc(cycle->pool, sizeof(ngx_http_proctor_cache_worker_t));
    if (w == NULL) {
        return NGX_ERROR;
    }

    w->mcf = mcf;
    w->zone = mcf->zone;
    w->area = ngx_http_proctor_zone_cache(mcf->zone);
    w->log = cycle->log;
    w->place = &w->own;
    w->bit = 0;

    w->seal = proctor_cache_seal_create(mcf->teams);
    if (w->seal == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&w->flights);
    ngx_queue_init(&w->asks);
    ngx_queue_init(&w->stores);
    ngx_queue_init(&w->tells);
    ngx_queue_init(&w->told);
    ngx_queue_init(&w->replays);

    w->woken.data = w;
    w->woken.log = cycle->log;
    w->woken.handler = ngx_http_proctor_cache_wait_look;

    w->watch.data = w;
    w->watch.log = cycle->log;
    w->watch.handler = ngx_http_proctor_cache_wait_watch;
    w->watch.cancelable = 1;

    w->replay.data = w;
    w->replay.log = cycle->log;
    w->replay.handler = ngx_http_proctor_cache_dirty_event;
    w->replay.cancelable = 1;

    w->tell.data = w;
    w->tell.log = cycle->log;
    w->tell.handler = ngx_http_proctor_cache_tell_event;
    w->tell.cancelable = 1;

    mcf->worker->cache = w;

    ngx_http_proctor_cache_area_claim(w);

    return NGX_OK;
}


static void
ngx_http_proctor_cache_area_claim(ngx_http_proctor_cache_worker_t *w)
{
    socklen_t len;
    ngx_uint_t i;
    struct sockaddr_un name;
    ngx_http_proctor_cache_place_t *place;

    if (ngx_http_proctor_cache_area_open(w, &name, &len) != NGX_OK) {
        return; /* it follows nobody */
    }

    ngx_http_proctor_zone_lock(w->zone);

    for (i = 0; i < NGX_HTTP_PROCTOR_CACHE_WORKERS; i++) {
        place = &w->area->places[i];

        if (place->pid == 0
            || (kill(place->pid, 0) == -1 && ngx_errno == NGX_ESRCH)) {
            place->pid = ngx_pid;
            place->len = len;
            ngx_memcpy(place->name, name.sun_path, len);
            w->place = place;
            w->bit = (uint64_t) 1 << i;
            break;
        }
    }

    ngx_http_proctor_zone_unlock(w->zone);
}


static ngx_int_t
ngx_http_proctor_cache_area_open(ngx_http_proctor_cache_worker_t *w,
    struct sockaddr_un *name, socklen_t *len)
{
    int fd;
    ngx_connection_t *c;

    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1) {
        ngx_log_error(NGX_LOG_ALERT, w->log, ngx_errno,
            "proctor cache: a socket to be woken by cannot be made");
        return NGX_ERROR;
    }

    ngx_memzero(name, sizeof(struct sockaddr_un));
    name->sun_family = AF_UNIX;
    *len = sizeof(struct sockaddr_un);

    c = ngx_get_connection(fd, w->log);

    if (c == NULL
        || bind(fd, (struct sockaddr *) name, sizeof(sa_family_t)) == -1
        || getsockname(fd, (struct sockaddr *) name, len) == -1
        || *len > sizeof(sa_family_t) + NGX_HTTP_PROCTOR_CACHE_NAME) {
        ngx_log_error(NGX_LOG_ALERT, w->log, ngx_errno,
            "proctor cache: a socket to be woken by cannot be named");

        if (c != NULL) {
            ngx_free_connection(c);
            c->fd = (ngx_socket_t) -1;
        }

        (void) close(fd);
        return NGX_ERROR;
    }

    *len -= sizeof(sa_family_t);

    c->data = w;
    c->read->handler = ngx_http_proctor_cache_area_read;
    c->read->log = w->log;
    c->write->log = w->log;
    w->connection = c;

    return ngx_handle_read_event(c->read, 0);
}


static void
ngx_http_proctor_cache_area_read(ngx_event_t *ev)
{
    u_char byte;
    ngx_connection_t *c = ev->data;

    while (recv(c->fd, &byte, 1, 0) != -1 || ngx_errno == NGX_EINTR) {
        /* void */
    }

    ngx_http_proctor_cache_wait_wake(c->data);
}


u_char *
ngx_http_proctor_cache_show(u_char *p, u_char *last, ngx_http_request_t *r)
{
    uint64_t n;
    ngx_uint_t i, j;
    ngx_http_proctor_cache_worker_t *w;

    w = ngx_http_proctor_cache_worker(r);

    if (w == NULL) {
        return ngx_slprintf(p, last, ",\"cache\":null");
    }

    p = ngx_slprintf(p, last, ",\"cache\":{\"dirty\":%uA", w->area->ndirt);

    for (i = 0; i < NGX_HTTP_PROCTOR_CACHE_COUNTERS; i++) {

        n = w->own.counters[i];

        for (j = 0; j < NGX_HTTP_PROCTOR_CACHE_WORKERS; j++) {
            n += w->area->places[j].counters[i];
        }

        p = ngx_slprintf(
            p, last, ",\"%s\":%uL", ngx_http_proctor_cache_area_words[i], n);
    }

    return ngx_slprintf(p, last, "}");
}


/* the names are copied out: nobody sends anything under the lock */

void
ngx_http_proctor_cache_area_wake(
    ngx_http_proctor_cache_worker_t *w, uint64_t who)
{
    socklen_t len;
    ngx_uint_t i;
    struct sockaddr_un name;
    ngx_http_proctor_cache_place_t *place;

    if (who & w->bit) {
        ngx_http_proctor_cache_wait_wake(w);
    }

    for (who &= ~w->bit; who != 0; who &= who - 1) {
        i = (ngx_uint_t) __builtin_ctzll(who);
        place = &w->area->places[i];

        ngx_memzero(&name, sizeof(struct sockaddr_un));
        name.sun_family = AF_UNIX;

        ngx_http_proctor_zone_lock(w->zone);
        len = place->len;
        ngx_memcpy(name.sun_path, place->name, len);
        ngx_http_proctor_zone_unlock(w->zone);

        /* a full queue holds a datagram that says the same */

        if (w->connection != NULL) {
            (void) sendto(w->connection->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL,
                (struct sockaddr *) &name,
                (socklen_t) (sizeof(sa_family_t) + len));
        }
    }
}


void
ngx_http_proctor_cache_area_exit(ngx_http_proctor_cache_worker_t *w)
{
    ngx_http_proctor_cache_wait_exit(w);
    ngx_http_proctor_cache_ask_exit(w);
    ngx_http_proctor_cache_store_exit(w);
    ngx_http_proctor_cache_tell_exit(w);
    ngx_http_proctor_cache_dirty_exit(w);

    if (w->watch.timer_set) {
        ngx_del_timer(&w->watch);
    }

    if (w->replay.timer_set) {
        ngx_del_timer(&w->replay);
    }

    if (w->woken.posted) {
        ngx_delete_posted_event(&w->woken);
    }

    if (w->connection != NULL) {
        ngx_close_connection(w->connection);
    }

    ngx_http_proctor_zone_lock(w->zone);

    if (w->place != &w->own) {
        w->place->pid = 0;
        w->place->len = 0;
    }

    ngx_http_proctor_zone_unlock(w->zone);

    proctor_cache_seal_destroy(w->seal);
}
