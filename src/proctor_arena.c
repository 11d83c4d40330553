/*
 * Memory that is freed all at once.
 *
 * An arena is a list of blocks, cut from front to back.  The arena itself
 * stands at the head of its first block, so that a new one costs one malloc():
 *
 *     first block                          later blocks
 *     +-------+-------+---------------+    +-------+----------------+
 *     | arena | block | cut |  free   | -> | block | cut |   free   | -> ...
 *     +-------+-------+---------------+    +-------+----------------+
 *
 * Allocations over a quarter of a block get a block of their own, which is
 * put behind the first one, so that the current one is filled up.
 *
 * A request's arena is reset and used again; a contract's lives until its nginx
 * configuration cycle ends.  One thread at a time.  Under AddressSanitizer all
 * that was not handed out is poisoned: an overrun inside a block is found, and
 * so is a use after reset.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proctor_base.h"

#if defined(__SANITIZE_ADDRESS__)
#define PROCTOR_ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PROCTOR_ARENA_ASAN 1
#endif
#endif

#ifdef PROCTOR_ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define proctor_arena_poison(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define proctor_arena_unpoison(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#define PROCTOR_ARENA_GAP            16
#else
#define proctor_arena_poison(p, n)
#define proctor_arena_unpoison(p, n)
#define PROCTOR_ARENA_GAP 0
#endif


#define PROCTOR_ARENA_ALIGN 16
#define PROCTOR_ARENA_BLOCK 8192
#define PROCTOR_ARENA_LARGE (PROCTOR_ARENA_BLOCK / 4)

#define proctor_arena_round(n)                                                 \
    (((n) + PROCTOR_ARENA_ALIGN - 1) & ~(size_t) (PROCTOR_ARENA_ALIGN - 1))


typedef struct proctor_arena_block_s proctor_arena_block_t;

struct proctor_arena_block_s {
    _Alignas(PROCTOR_ARENA_ALIGN) char *pos; /* first byte not handed out */
    char *end;
    proctor_arena_block_t *next;
};

typedef struct proctor_arena_cleanup_s proctor_arena_cleanup_t;

struct proctor_arena_cleanup_s {
    void (*fn)(void *data);
    void *data;
    proctor_arena_cleanup_t *next;
};

struct proctor_arena_s {
    proctor_arena_block_t *current;    /* where small allocations are cut */
    proctor_arena_cleanup_t *cleanups; /* last added first */
    size_t limit;                      /* bytes; SIZE_MAX: none */
    size_t used;                       /* bytes handed out since reset */
    proctor_arena_block_t first;       /* its space follows */
};


static proctor_arena_block_t *proctor_arena_block(
    proctor_arena_t *a, size_t size);
static void proctor_arena_open(proctor_arena_block_t *block, size_t size);
static void proctor_arena_run_cleanups(proctor_arena_t *a);


proctor_arena_t *
proctor_arena_create(size_t limit)
{
    proctor_arena_t *a;

    a = malloc(PROCTOR_ARENA_BLOCK);
    if (a == NULL) {
        return NULL;
    }

    a->current = &a->first;
    a->cleanups = NULL;
    a->limit = limit != 0 ? limit : SIZE_MAX;
    a->used = 0;

    proctor_arena_open(
        &a->first, PROCTOR_ARENA_BLOCK - offsetof(proctor_arena_t, first));

    return a;
}


void *
proctor_arena_alloc(proctor_arena_t *a, size_t size)
{
    char *p;
    size_t room;
    proctor_arena_block_t *block;

    /* used never exceeds limit; half of all memory is nobody's honest wish */
    if (size > SIZE_MAX / 2 || size > a->limit - a->used) {
        return NULL;
    }

    /* two allocations never share an address, not even empty ones */
    room = proctor_arena_round(size + (size == 0)) + PROCTOR_ARENA_GAP;
    block = a->current;

    if ((size_t) (block->end - block->pos) < room) {
        block = proctor_arena_block(a, room);
        if (block == NULL) {
            return NULL;
        }
    }

    p = block->pos;
    block->pos += room;
    a->used += size;

    proctor_arena_unpoison(p, size);

    return p;
}


void *
proctor_arena_calloc(proctor_arena_t *a, size_t size)
{
    void *p;

    p = proctor_arena_alloc(a, size);
    if (p != NULL) {
        memset(p, 0, size);
    }

    return p;
}


char *
proctor_arena_strndup(proctor_arena_t *a, const char *s, size_t len)
{
    char *p;

    if (len == SIZE_MAX) {
        return NULL;
    }

    p = proctor_arena_alloc(a, len + 1);
    if (p == NULL) {
        return NULL;
    }

    if (len != 0) {
        memcpy(p, s, len);
    }

    p[len] = '\0';

    return p;
}


char *
proctor_arena_printf(proctor_arena_t *a, const char *fmt, ...)
{
    int len;
    char *p;
    va_list args;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);

    if (len < 0) {
        return NULL;
    }

    p = proctor_arena_alloc(a, (size_t) len + 1);
    if (p == NULL) {
        return NULL;
    }

    va_start(args, fmt);
    vsnprintf(p, (size_t) len + 1, fmt, args);
    va_end(args);

    return p;
}


int
proctor_arena_cleanup(proctor_arena_t *a, void (*fn)(void *data), void *data)
{
    proctor_arena_cleanup_t *cleanup;

    cleanup = proctor_arena_alloc(a, sizeof(proctor_arena_cleanup_t));
    if (cleanup == NULL) {
        return PROCTOR_ERROR;
    }

    cleanup->fn = fn;
    cleanup->data = data;
    cleanup->next = a->cleanups;
    a->cleanups = cleanup;

    return PROCTOR_OK;
}


void
proctor_arena_reset(proctor_arena_t *a)
{
    proctor_arena_block_t *block, *next;

    proctor_arena_run_cleanups(a);

    for (block = a->first.next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }

    a->current = &a->first;
    a->used = 0;

    proctor_arena_open(
        &a->first, PROCTOR_ARENA_BLOCK - offsetof(proctor_arena_t, first));
}


void
proctor_arena_destroy(proctor_arena_t *a)
{
    if (a == NULL) {
        return;
    }

    proctor_arena_reset(a);
    free(a);
}


/* a block with room for `size`: the new current one, unless size is large */

static proctor_arena_block_t *
proctor_arena_block(proctor_arena_t *a, size_t size)
{
    size_t total;
    proctor_arena_block_t *block;

    total = size > PROCTOR_ARENA_LARGE ? size + sizeof(proctor_arena_block_t)
                                       : PROCTOR_ARENA_BLOCK;

    block = malloc(total);
    if (block == NULL) {
        return NULL;
    }

    proctor_arena_open(block, total);

    block->next = a->first.next;
    a->first.next = block;

    if (size <= PROCTOR_ARENA_LARGE) {
        a->current = block;
    }

    return block;
}


static void
proctor_arena_open(proctor_arena_block_t *block, size_t size)
{
    block->pos = (char *) (block + 1);
    block->end = (char *) block + size;
    block->next = NULL;

    proctor_arena_poison(block->pos, (size_t) (block->end - block->pos));
}


/* a cleanup's own memory lies in the arena: it is still there meanwhile */

static void
proctor_arena_run_cleanups(proctor_arena_t *a)
{
    proctor_arena_cleanup_t *cleanup;

    while (a->cleanups != NULL) {
        cleanup = a->cleanups;
        a->cleanups = cleanup->next;
        cleanup->fn(cleanup->data);
    }
}
