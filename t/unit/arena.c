/* Tests of proctor_arena.c and proctor_report.c. */

#include <stdlib.h>

#include "proctor.h"
#include "tap.h"


static char order[8];
static size_t norder;


static void
note(void *data)
{
    order[norder++] = *(char *) data;
}


static void
test_alloc(void)
{
    int i, aligned, distinct;
    char *p, *last;
    proctor_arena_t *a;

    a = proctor_arena_create(0);
    aligned = 1;
    distinct = 1;
    last = NULL;

    for (i = 0; i < 5000; i++) {
        p = proctor_arena_alloc(a, (size_t) i % 97);

        if (p == NULL) {
            aligned = 0;
            break;
        }

        aligned &= (uintptr_t) p % 16 == 0;
        distinct &= p != last;
        memset(p, i, (size_t) i % 97);
        last = p;
    }

    ok(aligned, "5000 allocations over many blocks, all aligned to 16");
    ok(distinct, "an empty allocation has an address of its own");

    p = proctor_arena_calloc(a, 100000);
    for (i = 0; i < 100000 && p[i] == 0; i++) { /* void */
    }
    is_int(i, 100000, "calloc of more than a block is zeroed");

    ok(proctor_arena_alloc(a, SIZE_MAX) == NULL, "SIZE_MAX is refused");
    ok(proctor_arena_alloc(a, SIZE_MAX / 2 + 1) == NULL,
        "so is what would overflow when rounded");
    ok(proctor_arena_strndup(a, "x", SIZE_MAX) == NULL, "and in strndup");

    proctor_arena_destroy(a);
    proctor_arena_destroy(NULL);
}


static void
test_large(void)
{
    char *small, *large, *next;
    proctor_arena_t *a;

    a = proctor_arena_create(0);
    proctor_arena_alloc(a, 16);
    large = proctor_arena_alloc(a, 50000);
    small = proctor_arena_alloc(a, 16);
    large[49999] = 'x';
    proctor_arena_alloc(a, 60000);
    next = proctor_arena_alloc(a, 16);

    ok(next > small && next - small <= 64,
        "large allocations leave the current block in use");

    proctor_arena_destroy(a);
}


static void
test_strings(void)
{
    char *p;
    proctor_arena_t *a;

    a = proctor_arena_create(0);

    is_str(proctor_arena_strndup(a, "abcdef", 3), "abc", "strndup cuts");
    is_str(proctor_arena_strndup(a, NULL, 0), "", "strndup of nothing");
    is_str(proctor_arena_printf(a, "%s/%d", "x", 7), "x/7", "printf");

    p = proctor_arena_printf(a, "%09999d", 1);
    is_int(strlen(p), 9999, "printf longer than a block");

    proctor_arena_destroy(a);
}


static void
test_limit(void)
{
    proctor_arena_t *a;

    a = proctor_arena_create(100);

    ok(proctor_arena_alloc(a, 101) == NULL, "over the limit at once");
    ok(proctor_arena_alloc(a, 60) != NULL, "60 of 100");
    ok(proctor_arena_alloc(a, 41) == NULL, "41 more is too much");
    ok(proctor_arena_alloc(a, 40) != NULL, "40 more is not");
    ok(proctor_arena_alloc(a, 1) == NULL, "the limit is reached");
    ok(proctor_arena_calloc(a, 1) == NULL, "calloc, too");
    ok(proctor_arena_strndup(a, "", 0) == NULL, "strndup, too");
    ok(proctor_arena_printf(a, "x") == NULL, "printf, too");
    is_int(proctor_arena_cleanup(a, note, "x"), PROCTOR_ERROR, "cleanup, too");

    proctor_arena_reset(a);
    ok(proctor_arena_alloc(a, 100) != NULL, "reset gives all of it back");

    proctor_arena_destroy(a);
}


static void
test_reset(void)
{
    char *first, *again;
    proctor_arena_t *a;

    a = proctor_arena_create(0);
    first = proctor_arena_alloc(a, 32);
    proctor_arena_cleanup(a, note, "a");
    proctor_arena_cleanup(a, note, "b");
    proctor_arena_alloc(a, 9000);
    is_str(order, "", "cleanups wait");

    proctor_arena_reset(a);
    is_str(order, "ba", "reset runs the cleanups, last added first");
    again = proctor_arena_alloc(a, 32);
    ok(first == again, "the first block is used again");

    proctor_arena_cleanup(a, note, "c");
    proctor_arena_destroy(a);
    is_str(order, "bac", "destroy runs the cleanups added since, once");
}


static void
fault(void *data, const char *pointer, const char *reason)
{
    snprintf(data, 2048, "%s: %s", pointer, reason);
}


static void
test_report(void)
{
    char text[2048];
    proctor_report_t report = { fault, text, 0 };

    proctor_report(&report, "/a", "unknown member \"%s\"", "x");
    is_str(text, "/a: unknown member \"x\"", "a fault is told");

    proctor_report(&report, "/b", "%03000d", 1);
    is_int(strlen(text), 4 + 1023, "an endless one is cut");
    is_int(report.count, 2, "faults are counted");

    report.fault = NULL;
    proctor_report(&report, "/c", "quiet");
    is_int(report.count, 3, "without a listener they are only counted");
}


int
main(void)
{
    test_alloc();
    test_large();
    test_strings();
    test_limit();
    test_reset();
    test_report();

    return done_testing();
}
