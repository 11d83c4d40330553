/*
 * Tests of the JSON parser's bounds: depth, values, and the time that an object
 * of many members may take.
 */

#include <stdlib.h>
#include <time.h>

#include "proctor.h"
#include "tap.h"


static proctor_json_t doc;


static int
parse(const char *text, size_t len)
{
    return proctor_json_parse(&doc, text, len);
}


/* kind: '[' arrays, '{' objects, 'm' both in turn */

static int
nested(char kind, int depth)
{
    int i, object;
    size_t n;
    static char text[PROCTOR_JSON_DEPTH * 8];

    n = 0;

    for (i = 0; i < depth; i++) {
        object = kind == '{' || (kind == 'm' && i % 2);
        n += (size_t) sprintf(text + n, "%s",
            !object         ? "["
            : i < depth - 1 ? "{\"a\":"
                            : "{");
    }

    for (i = depth - 1; i >= 0; i--) {
        text[n++] = kind == '{' || (kind == 'm' && i % 2) ? '}' : ']';
    }

    return parse(text, n);
}


static void
test_depth(void)
{
    int depth, bad;
    char *text;
    const char *kind;

    for (kind = "[{m"; *kind != '\0'; kind++) {
        bad = 0;

        for (depth = 1; depth <= PROCTOR_JSON_DEPTH; depth++) {
            bad += nested(*kind, depth) != PROCTOR_OK;
        }

        is_int(bad, 0, "'%c': up to %d levels", *kind, PROCTOR_JSON_DEPTH);
        ok(nested(*kind, depth) == PROCTOR_INVALID
                && doc.error == proctor_json_deep,
            "'%c': one more is too deep", *kind);
    }

    text = malloc(1000000);
    memset(text, '[', 1000000);
    ok(parse(text, 1000000) == PROCTOR_INVALID && doc.error == proctor_json_deep
            && doc.error_offset == PROCTOR_JSON_DEPTH,
        "a million levels");
    free(text);
}


/* an object of n members k0..; `twice`, when not negative, comes again */

static int
members(int n, int twice)
{
    int i, rc;
    char *text;
    size_t len;

    text = malloc((size_t) n * 24 + 64);
    len = (size_t) sprintf(text, "{");

    for (i = 0; i < n; i++) {
        len += (size_t) sprintf(text + len, "%s\"k%d\":[{}]", i ? "," : "", i);
    }

    if (twice >= 0) {
        len += (size_t) sprintf(text + len, ",\"\\u006b%d\":1", twice);
    }

    len += (size_t) sprintf(text + len, "}");
    rc = parse(text, len);
    free(text);

    return rc;
}


static void
test_many_members(void)
{
    int n, bad;
    clock_t start;

    bad = 0;

    for (n = 1; n < 150; n++) {
        bad += members(n, -1) != PROCTOR_OK;
        bad += members(n, 0) != PROCTOR_INVALID;
        bad += doc.error != proctor_json_duplicate;
        bad += members(n, n - 1) != PROCTOR_INVALID;
        bad += members(n, n / 2) != PROCTOR_INVALID;
    }

    is_int(bad, 0, "1 to 149 members, first, middle, last one twice");

    start = clock();
    is_int(members(100000, -1), PROCTOR_OK, "100,000 members");
    is_int(doc.nodes[0].count, 100000, "all of them");
    is_int(members(100000, 99999), PROCTOR_INVALID, "the last one twice");
    is_int(members(100000, 0), PROCTOR_INVALID, "the first one twice");

    /* comparing each with each would take minutes */
    ok(clock() - start < 10 * CLOCKS_PER_SEC, "in linear time");
}


/* an array of n values: n - 1 numbers and the last one */

static int
items(size_t n, const char *last)
{
    int rc;
    size_t i;
    char *text;

    text = malloc(2 * n + 16);
    text[0] = '[';

    for (i = 0; i < n - 1; i++) {
        text[2 * i + 1] = '1';
        text[2 * i + 2] = ',';
    }

    i = 2 * n - 1 + (size_t) sprintf(text + 2 * n - 1, "%s]", last);
    rc = parse(text, i);
    free(text);

    return rc;
}


static void
test_many_nodes(void)
{
    size_t i;
    const char *lasts[] = { "1", "\"\"", "[]", "{}", "null" };

    is_int(items(PROCTOR_JSON_NODES - 1, "1"), PROCTOR_OK,
        "as many values as may be");
    is_int(doc.nnodes, PROCTOR_JSON_NODES, "counting the array");

    for (i = 0; i < sizeof(lasts) / sizeof(lasts[0]); i++) {
        ok(items(PROCTOR_JSON_NODES, lasts[i]) == PROCTOR_INVALID
                && doc.error == proctor_json_many
                && doc.error_offset == 2 * PROCTOR_JSON_NODES - 1,
            "one more is too many: %s", lasts[i]);
    }

    ok(doc.capacity > 100000, "the tape is large now");

    is_int(parse("[1]", 3), PROCTOR_OK, "a small text");
    ok(doc.capacity < 1000, "gives the large tape back");
}


int
main(void)
{
    proctor_json_init(&doc);

    test_depth();
    test_many_members();
    test_many_nodes();

    proctor_json_free(&doc);

    return done_testing();
}
