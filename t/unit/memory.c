/*
 * What happens when memory runs out: the n-th allocation fails, for n = 1, 2,
 * and so on, until the whole job succeeds.  Each failure must be told, must
 * lose nothing, and the next attempt must find everything in order.
 *
 * The sanitizers bring an allocator of their own, which this one would break,
 * and valgrind puts its own before it: there the test is left out, and said so.
 */

#include <stdlib.h>

#include "proctor.h"
#include "tap.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef __GLIBC__
#define SANITIZED 1
#endif


#ifndef SANITIZED

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);


/* the allocation that fails, 0: none; volatile, or the compiler, which knows what
   malloc() does, leaves out what only this one reads */
static volatile unsigned countdown;


static int
fails(void)
{
    if (countdown == 0) {
        return 0;
    }

    countdown--;

    return countdown == 0;
}


void *
malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}


void *
calloc(size_t nmemb, size_t size)
{
    return fails() ? NULL : __libc_calloc(nmemb, size);
}


void *
realloc(void *ptr, size_t size)
{
    return fails() ? NULL : __libc_realloc(ptr, size);
}


static char text[20000];
static size_t text_len;


/* enough values for several sizes of tape, and objects that need a table */

static void
compose(void)
{
    int i;

    text_len = (size_t) sprintf(text, "[\"a\\n\"");

    for (i = 0; i < 40; i++) {
        text_len += (size_t) sprintf(text + text_len, ",[%d,true,{}]", i);
    }

    for (i = 0; i < 40; i++) {
        text_len += (size_t) sprintf(
            text + text_len, "%s\"k%d\":1", i == 0 ? ",{" : ",", i);
    }

    text_len += (size_t) sprintf(text + text_len, "}]");
}


static int
parse_job(void)
{
    int rc;
    proctor_json_t doc;

    proctor_json_init(&doc);
    rc = proctor_json_parse(&doc, text, text_len);

    if (rc != PROCTOR_OK && (doc.error != NULL || doc.nnodes != 0)) {
        rc = PROCTOR_INVALID;
    }

    proctor_json_free(&doc);

    return rc;
}


static int
build_job(void)
{
    int i, rc;
    proctor_json_t doc;
    proctor_str_t name = proctor_str("n");

    proctor_json_init(&doc);
    rc = proctor_json_object_begin(&doc);

    for (i = 0; i < 100 && rc == PROCTOR_OK; i++) {
        rc = proctor_json_object_add(&doc, &name, PROCTOR_JSON_STRING, &name);
    }

    proctor_json_free(&doc);

    return rc;
}


static void
forget(void *data)
{
    *(int *) data -= 1;
}


static int
arena_job(void)
{
    int i, rc, pending;
    proctor_arena_t *a;

    a = proctor_arena_create(0);
    if (a == NULL) {
        return PROCTOR_ERROR;
    }

    rc = PROCTOR_OK;
    pending = 0;

    for (i = 0; i < 40 && rc == PROCTOR_OK; i++) {
        rc = proctor_arena_calloc(a, 3000) == NULL
                     || proctor_arena_calloc(a, 1500) == NULL
                     || proctor_arena_printf(a, "%02000d", i) == NULL
                     || proctor_arena_strndup(a, text, 900) == NULL
                 ? PROCTOR_ERROR
                 : proctor_arena_cleanup(a, forget, &pending);
        pending += rc == PROCTOR_OK;
    }

    proctor_arena_destroy(a);

    return pending == 0 ? rc : PROCTOR_INVALID;
}


static void
starve(const char *name, int (*job)(void), unsigned least)
{
    int rc;
    unsigned n;

    for (n = 1; n < 1000; n++) {
        countdown = n;
        rc = job();
        countdown = 0;

        if (rc != PROCTOR_ERROR) {
            break;
        }
    }

    is_int(rc, PROCTOR_OK, "%s: failures are told, then all is well", name);
    ok(n > least, "%s: %u allocations failed in turn", name, n - 1);
}


static void
test_starvation(void)
{
    void *volatile p;

    countdown = 1;
    p = malloc(1);
    countdown = 0;

    if (p != NULL) {
        free(p);
        skip("another allocator stands before the failing one");
        return;
    }

    compose();
    starve("parse", parse_job, 3);
    starve("build", build_job, 2);
    starve("arena", arena_job, 20);
}

#else

static void
test_starvation(void)
{
    skip("an allocator of the sanitizer's own");
}

#endif


int
main(void)
{
    test_starvation();

    return done_testing();
}
