/*
 * The router: which template a path as sent matches, and what is no path.
 */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proctor.h"
#include "tap.h"


#define E "/api/v2/experiments"

typedef struct {
    const char *path;
    const char *template; /* NULL: not found */
    const char *params;   /* joined by blanks */
} route_case_t;

typedef struct {
    const char *path;
    size_t len; /* 0: strlen(path) */
    const char *reason;
} route_form_t;


static void route_test_found(void);
static void route_test_none(void);
static void route_test_slash(void);
static void route_test_form(void);
static void route_test_bytes(void);
static void route_test_backup(void);
static void route_test_templates(void);
static void route_test_limits(void);
static void route_test_speed(void);


static const char *const route_templates[] = { E "/", E "/list/", E "/summary/",
    E "/{experiment_id}/", E "/{experiment_id}/logs/list/",
    E "/{experiment_id}/logs/summary/", E "/{experiment_id}/logs/{log_id}/",
    E "/{experiment_id}/histogram/", "/api/v1/agent_spans",
    "/api/v1/agent_spans/create_test_spans",
    "/api/v1/agent_spans/{agent_span_id}/finish" };

static proctor_path_t route_paths[64];
static unsigned route_npaths;
static proctor_arena_t *route_arena;
static proctor_route_t *route_tree;


int
main(void)
{
    size_t i;
    const char *reason;

    route_arena = proctor_arena_create(0);
    route_tree = proctor_route_create(route_arena);

    for (i = 0; i < sizeof(route_templates) / sizeof(route_templates[0]); i++) {
        route_paths[i].template.data = route_templates[i];
        route_paths[i].template.len = strlen(route_templates[i]);
        proctor_route_add(route_tree, &route_paths[i], &reason);
        is_str(reason, NULL, "adds %s", route_templates[i]);
    }

    route_npaths = (unsigned) i;

    route_test_found();
    route_test_none();
    route_test_slash();
    route_test_form();
    route_test_bytes();
    route_test_backup();
    route_test_templates();
    route_test_limits();
    route_test_speed();

    proctor_arena_destroy(route_arena);

    return done_testing();
}


static const char *
route_params(const proctor_match_t *match)
{
    unsigned i;
    static char joined[1024];

    joined[0] = '\0';

    for (i = 0; i < match->nparams; i++) {
        if (i != 0) {
            strcat(joined, " ");
        }

        strncat(joined, match->params[i].data, match->params[i].len);
    }

    return joined;
}


static void
route_test_found(void)
{
    size_t i;
    const char *reason;
    proctor_match_t match;
    static const route_case_t cases[] = {
        { E "/", E "/", "" },
        { E "/list/", E "/list/", "" },
        { E "/summary/", E "/summary/", "" },
        { E "/exp_1/", E "/{experiment_id}/", "exp_1" },
        { E "/lists/", E "/{experiment_id}/", "lists" },
        { E "/lis/", E "/{experiment_id}/", "lis" },
        { E "/x/logs/list/", E "/{experiment_id}/logs/list/", "x" },
        { E "/x/logs/summary/", E "/{experiment_id}/logs/summary/", "x" },
        { E "/x/logs/t-1/", E "/{experiment_id}/logs/{log_id}/", "x t-1" },
        { E "/list/logs/list/", E "/{experiment_id}/logs/list/", "list" },
        { E "/list/histogram/", E "/{experiment_id}/histogram/", "list" },
        { E "/summary/logs/a/", E "/{experiment_id}/logs/{log_id}/",
            "summary a" },
        { E "/.../", E "/{experiment_id}/", "..." },
        { E "/a:b@c!$&'()*+,=~/", E "/{experiment_id}/", "a:b@c!$&'()*+,=~" },
        { "/api/v1/agent_spans", "/api/v1/agent_spans", "" },
        { "/api/v1/agent_spans/create_test_spans",
            "/api/v1/agent_spans/create_test_spans", "" },
        { "/api/v1/agent_spans/create_test_spans/finish",
            "/api/v1/agent_spans/{agent_span_id}/finish", "create_test_spans" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(proctor_route(route_tree, cases[i].path, strlen(cases[i].path),
                   &match, &reason),
            PROCTOR_ROUTE_FOUND, "%s is found", cases[i].path);
        is_str(match.path != NULL ? match.path->template.data : NULL,
            cases[i].template, "as %s", cases[i].template);
        is_str(route_params(&match), cases[i].params, "with \"%s\"",
            cases[i].params);
    }
}


static void
route_test_none(void)
{
    size_t i;
    const char *reason;
    proctor_match_t match;
    static const char *const cases[] = {
        "/", "/api", "/api/v2/", "/API/v2/experiments/", "/api/v2/Experiments/",
        "/api/v2/experimentsX/", "/api/v2/experiment/", E "/x/logs/",
        E "/x/logs/t/x/", E "/x/histogram/y/", E "/x/runs/", E "/1/x.css",
        "/api/v1/agent_spans/x/finished", "/api/v1/agent_spans/x",
        "/api/v2/experiments.json",
        "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/1/2/3/4/5/6/7/8"
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(proctor_route(
                   route_tree, cases[i], strlen(cases[i]), &match, &reason),
            PROCTOR_ROUTE_NONE, "%s is not found", cases[i]);
        ok(match.path == NULL, "and matches nothing");
    }
}


static void
route_test_slash(void)
{
    size_t i;
    const char *reason;
    proctor_match_t match;
    static const route_case_t cases[] = {
        { E, E "/", "" },
        { E "/list", E "/list/", "" },
        { E "/x", E "/{experiment_id}/", "x" },
        { E "/1.json", E "/{experiment_id}/", "1.json" },
        { E "/x/logs/summary", E "/{experiment_id}/logs/summary/", "x" },
        { "/api/v1/agent_spans/", "/api/v1/agent_spans", "" },
        { "/api/v1/agent_spans/s/finish/",
            "/api/v1/agent_spans/{agent_span_id}/finish", "s" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(proctor_route(route_tree, cases[i].path, strlen(cases[i].path),
                   &match, &reason),
            PROCTOR_ROUTE_SLASH, "%s differs by its slash", cases[i].path);
        is_str(match.path->template.data, cases[i].template, "from %s",
            cases[i].template);
    }
}


static void
route_test_form(void)
{
    size_t i;
    const char *reason;
    proctor_match_t match;
    static const char percent[] = "holds a percent-encoded byte",
                      bad[] = "holds a byte that is not allowed",
                      dot[] = "holds a dot segment",
                      empty[] = "holds an empty segment",
                      start[] = "does not begin with a slash";
    static const route_form_t cases[] = {
        { "", 0, start },
        { "*", 0, start },
        { "api/v2/", 0, start },
        { "http://evil/api", 0, start },
        { E "/../secrets", 0, dot },
        { E "/./x/", 0, dot },
        { E "/x/..", 0, dot },
        { "/..", 0, dot },
        { "/.", 0, dot },
        { "/../", 0, dot },
        { E "/%2e%2e/secrets", 0, percent },
        { E "/.%2E/", 0, percent },
        { E "/..%2f", 0, percent },
        { E "/a%2fb/", 0, percent },
        { E "/a%5cb/", 0, percent },
        { E "/%252e%252e/", 0, percent },
        { "/%61pi/v2/experiments/", 0, percent },
        { E "/1%00/", 0, percent },
        { E "/1%20", 0, percent },
        { E "/%zz/", 0, percent },
        { E "/%", 0, percent },
        { E "/%c0%ae/", 0, percent },
        { E "/1%23.css", 0, percent },
        { "//", 0, empty },
        { "/api//v2/experiments/", 0, empty },
        { E "//", 0, empty },
        { E "/x//", 0, empty },
        { E "//logs/a/", 0, empty },
        { E "/..;/x", 0, bad },
        { E "/x;a=b/", 0, bad },
        { E "/\\..\\/", 0, bad },
        { E "/a\\b/", 0, bad },
        { E "/\xe9/", 0, bad },
        { E "/\xef\xbc\x8f/", 0, bad },
        { E "/\xc0\xae/", 0, bad },
        { E "/1\t", 0, bad },
        { E "/1 ", 0, bad },
        { E "/x#frag", 0, bad },
        { E "/x?y", 0, bad },
        { E "/a\"b/", 0, bad },
        { E "/{x}/", 0, bad },
        { E "/a|b/", 0, bad },
        { E "/a\r\nb/", 0, bad },
        { E "/a\0b/", sizeof(E "/a\0b/") - 1, bad },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(proctor_route(route_tree, cases[i].path,
                   cases[i].len != 0 ? cases[i].len : strlen(cases[i].path),
                   &match, &reason),
            PROCTOR_ROUTE_FORM, "form %zu is refused", i);
        is_str(reason, cases[i].reason, "because it %s", cases[i].reason);
    }
}


/* exactly RFC 3986's pchar without ";" and "%" may stand in a segment */

static void
route_test_bytes(void)
{
    int c, want, wrong;
    char path[] = E "/?/";
    const char *reason;
    proctor_match_t match;

    wrong = 0;

    for (c = 0; c < 256; c++) {
        path[sizeof(E)] = (char) c;

        want = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
               || (c >= '0' && c <= '9')
               || (c != 0 && strchr("-_~!$&'()*+,=:@", c) != NULL);

        wrong += want
                 != (proctor_route(
                         route_tree, path, sizeof(path) - 1, &match, &reason)
                     == PROCTOR_ROUTE_FOUND);
    }

    is_int(wrong, 0, "every byte is judged right as a whole segment");
}


static proctor_route_t *
route_build(const char *const *templates, const char **reason)
{
    proctor_route_t *tree;

    tree = proctor_route_create(route_arena);

    for (*reason = NULL; *templates != NULL; templates++) {
        route_paths[route_npaths].template.data = *templates;
        route_paths[route_npaths].template.len = strlen(*templates);

        if (proctor_route_add(tree, &route_paths[route_npaths++], reason)
            != PROCTOR_OK) {
            break;
        }
    }

    return tree;
}


static void
route_test_backup(void)
{
    size_t i;
    const char *reason;
    proctor_route_t *tree;
    proctor_match_t match;
    static const char *const templates[] = { "/a/{x}/c/d", "/{x}/b/{y}/e",
        "/a/b/c/f", "/", NULL };
    static const route_case_t cases[] = {
        { "/a/b/c/f", "/a/b/c/f", "" },
        { "/a/b/c/d", "/a/{x}/c/d", "b" },
        { "/a/b/c/e", "/{x}/b/{y}/e", "a c" },
        { "/a/z/c/d", "/a/{x}/c/d", "z" },
        { "/q/b/c/e", "/{x}/b/{y}/e", "q c" },
        { "/", "/", "" },
    };

    tree = route_build(templates, &reason);
    is_str(reason, NULL, "a tree with dead ends");

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(proctor_route(
                   tree, cases[i].path, strlen(cases[i].path), &match, &reason),
            PROCTOR_ROUTE_FOUND, "%s is found", cases[i].path);
        is_str(match.path != NULL ? match.path->template.data : NULL,
            cases[i].template, "as %s", cases[i].template);
        is_str(route_params(&match), cases[i].params, "with \"%s\"",
            cases[i].params);
    }

    is_int(proctor_route(tree, "/a/b/c/g", 8, &match, &reason),
        PROCTOR_ROUTE_NONE, "when nothing leads anywhere, nothing is found");
}


static void
route_test_templates(void)
{
    size_t i;
    const char *reason;
    static const struct {
        const char *templates[3];
        const char *reason;
    } cases[] = {
        { { "/a/{x}/", "/a/{y}/" },
            "clashes with another path of the same form" },
        { { "/a", "/a" }, "clashes with another path of the same form" },
        { { "/a/{x}/b", "/a/{y}/c" }, NULL },
        { { "/a", "/a/" }, NULL },
        { { "a" }, "does not begin with a slash" },
        { { "" }, "does not begin with a slash" },
        { { "/a//b" }, "holds an empty segment" },
        { { "/a/../b" }, "holds a dot segment" },
        { { "/a%20b" }, "holds a percent-encoded byte" },
        { { "/a;b" }, "holds a byte that is not allowed" },
        { { "/{x}.json" }, "holds a segment that is not one whole parameter" },
        { { "/a-{x}" }, "mixes a parameter with other text in one segment" },
        { { "/a}" }, "mixes a parameter with other text in one segment" },
        { { "/{x}{y}" }, "holds a segment that is not one whole parameter" },
        { { "/{}" }, "holds a segment that is not one whole parameter" },
        { { "/{x" }, "holds a segment that is not one whole parameter" },
        { { "/{x}/b/{x}" }, "names a parameter twice" },
        { { "/{1}/{2}/{3}/{4}/{5}/{6}/{7}/{8}" }, NULL },
        { { "/{1}/{2}/{3}/{4}/{5}/{6}/{7}/{8}/{9}" },
            "has too many parameters" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        route_build(cases[i].templates, &reason);
        is_str(reason, cases[i].reason, "template \"%s\"%s%s",
            cases[i].templates[0], cases[i].templates[1] != NULL ? " and " : "",
            cases[i].templates[1] != NULL ? cases[i].templates[1] : "");
    }
}


static void
route_test_limits(void)
{
    size_t i;
    char *path;
    const char *reason;
    proctor_match_t match;

    path = malloc(65536);
    memset(path, 'a', 65536);

    for (i = 0; i < 65536; i += 2) {
        path[i] = '/';
    }

    is_int(proctor_route(route_tree, path, 65536, &match, &reason),
        PROCTOR_ROUTE_NONE, "32,768 segments lead nowhere");

    path[65000] = '%';
    is_int(proctor_route(route_tree, path, 65536, &match, &reason),
        PROCTOR_ROUTE_FORM, "and their form is still looked at");

    memset(path, 'a', 65536);
    memcpy(path, E "/", sizeof(E));
    path[65535] = '/';

    is_int(proctor_route(route_tree, path, 65536, &match, &reason),
        PROCTOR_ROUTE_FOUND, "a long segment is a segment");
    is_int(match.params[0].len, 65535 - sizeof(E), "of its whole length");

    free(path);
}


/* far above what it takes, so that it fails for another algorithm only */

static void
route_test_speed(void)
{
    int i;
    double ns;
    const char *reason;
    proctor_match_t match;
    struct timespec from, to;
    static const char path[] = E "/exp_0123456789abcdef/logs/trace_0123456789/";

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);

    for (i = 0; i < 1000000; i++) {
        proctor_route(route_tree, path, sizeof(path) - 1, &match, &reason);
    }

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);

    ns = (double) (to.tv_sec - from.tv_sec) * 1e3
         + (double) (to.tv_nsec - from.tv_nsec) / 1e6;

    diag("%.0f ns for a path of %zu bytes", ns, sizeof(path) - 1);
    ok(ns < 5000, "a match costs far less than a request");
}
