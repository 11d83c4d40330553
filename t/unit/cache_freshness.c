/*
 * Which answers are kept, for how long, and for whom they are good enough.
 * Times in these tests are seconds after NOW.
 */

#include "cache.h"


#define NOW 1795305600 /* Sun, 22 Nov 2026 00:00:00 GMT */


/* header lines, "name: value" with a line feed between */
typedef struct {
    const char *header;
    unsigned status;
    proctor_cache_storable_e storable;
    int64_t lifetime; /* ms */
    int64_t keep;     /* s; -1: not looked at */
} freshness_case_t;


static cache_world_t world;


static const freshness_case_t freshness_cases[] = {
    { "Cache-Control: max-age=60", 200, PROCTOR_CACHE_STORABLE, 60000, 3660 },
    { "Cache-Control: max-age=60, s-maxage=5", 200, PROCTOR_CACHE_STORABLE,
        5000, 5 },
    { "Cache-Control: max-age=60\nCache-Control: max-age=10", 200,
        PROCTOR_CACHE_STORABLE, 10000, 3610 },
    { "cache-control: max-age=99999999999", 200, PROCTOR_CACHE_STORABLE,
        2147483648000, 86400 },
    { "Cache-Control: max-age=2147483648", 200, PROCTOR_CACHE_STORABLE,
        2147483648000, 86400 },
    { "Cache-Control: max-age=-1", 200, PROCTOR_CACHE_STORABLE, 0, 3600 },
    { "Cache-Control: max-age=0, must-revalidate", 200, PROCTOR_CACHE_NO_TIME,
        0, -1 },
    { "Cache-Control: max-age=0, must-revalidate\nETag: \"a\"", 200,
        PROCTOR_CACHE_STORABLE, 0, 600 },
    { "Cache-Control: max-age=60, must-revalidate", 200, PROCTOR_CACHE_STORABLE,
        60000, 60 },
    { "Cache-Control: max-age=60, proxy-revalidate", 200,
        PROCTOR_CACHE_STORABLE, 60000, 60 },
    { "Cache-Control: max-age=5, stale-if-error=9, "
      "stale-while-revalidate=3",
        200, PROCTOR_CACHE_STORABLE, 5000, 14 },
    { "Cache-Control: max-age=5, stale-if-error=99999999999", 200,
        PROCTOR_CACHE_STORABLE, 5000, 86400 },
    { "Expires: Sun, 22 Nov 2026 00:01:00 GMT\n"
      "Date: Sun, 22 Nov 2026 00:00:00 GMT",
        200, PROCTOR_CACHE_STORABLE, 60000, -1 },
    { "Expires: Sun, 22 Nov 2026 00:01:00 GMT\n"
      "Date: Sun, 22 Nov 2026 00:00:50 GMT",
        200, PROCTOR_CACHE_STORABLE, 10000, -1 },
    { "Expires: Sun, 22 Nov 2026 00:01:00 GMT", 200, PROCTOR_CACHE_STORABLE,
        60000, -1 },
    { "Expires: 0", 200, PROCTOR_CACHE_STORABLE, 0, -1 },
    { "Expires: Sat, 21 Nov 2026 00:00:00 GMT", 200, PROCTOR_CACHE_STORABLE, 0,
        -1 },
    { "Expires: Sun, 22 Nov 2026 00:01:00 GMT\nExpires: 0", 200,
        PROCTOR_CACHE_STORABLE, 0, -1 },
    { "Expires: Sun, 22 Nov 2026 00:01:00 GMT\n"
      "Cache-Control: max-age=5",
        200, PROCTOR_CACHE_STORABLE, 5000, -1 },
    { "Cache-Control: max-age=60\nAge: 3590", 200, PROCTOR_CACHE_STORABLE,
        60000, 70 },
    { "Cache-Control: max-age=60\nAge: 99999999999", 200, PROCTOR_CACHE_NO_TIME,
        0, -1 },
    { "Cache-Control: max-age=60\nAge: -1", 200, PROCTOR_CACHE_NO_TIME, 0, -1 },
    { "Cache-Control: max-age=60\nAge: 3.5", 200, PROCTOR_CACHE_NO_TIME, 0,
        -1 },
    { "Cache-Control: max-age=60\nAge: 10, 20", 200, PROCTOR_CACHE_NO_TIME, 0,
        -1 },
    { "Cache-Control: max-age=60\nAge: 1\nAge: 1", 200, PROCTOR_CACHE_NO_TIME,
        0, -1 },
    { "Cache-Control: max-age=60\nAge:  ", 200, PROCTOR_CACHE_NO_TIME, 0, -1 },
    { "Cache-Control: max-age=60\nDate: Sat, 21 Nov 2026 23:59:50 GMT", 200,
        PROCTOR_CACHE_STORABLE, 60000, 3650 },
    { "Cache-Control: max-age=60\nDate: Sun, 22 Nov 2026 00:59:50 GMT", 200,
        PROCTOR_CACHE_STORABLE, 60000, 3660 },
    { "", 200, PROCTOR_CACHE_STORABLE, 60000, -1 },
    { "Cache-Control: public", 200, PROCTOR_CACHE_STORABLE, 60000, -1 },
    { "Pragma: no-cache", 200, PROCTOR_CACHE_NO_TIME, 0, -1 },
    { "Pragma: no-cache\nCache-Control: max-age=9", 200, PROCTOR_CACHE_STORABLE,
        9000, -1 },
    { "Cache-Control: no-store, max-age=60", 200, PROCTOR_CACHE_NO_STORE, 0,
        -1 },
    { "Cache-Control: no-store, must-understand, max-age=60", 200,
        PROCTOR_CACHE_STORABLE, 60000, -1 },
    { "Cache-Control: private, max-age=60", 200, PROCTOR_CACHE_PRIVATE, 0, -1 },
    { "Cache-Control: private=\"a\", max-age=60", 200, PROCTOR_CACHE_PRIVATE, 0,
        -1 },
    { "Cache-Control: no-cache, max-age=60", 200, PROCTOR_CACHE_NO_TIME, 0,
        -1 },
    { "Cache-Control: no-cache, max-age=60\nLast-Modified: x", 200,
        PROCTOR_CACHE_STORABLE, 60000, 660 },
    { "Cache-Control: no-cache", 200, PROCTOR_CACHE_NO_TIME, 0, -1 },
    { "Cache-Control: no-cache\nETag: \"a\"", 200, PROCTOR_CACHE_STORABLE, 0,
        600 },
    { "Cache-Control: max-age=60\nset-cookie: a=b", 200,
        PROCTOR_CACHE_SET_COOKIE, 0, -1 },
    { "Cache-Control: max-age=60\nVary: a, *", 200, PROCTOR_CACHE_VARY_ALL, 0,
        -1 },
    { "Cache-Control: max-age=60\nVary: a, *b", 200, PROCTOR_CACHE_STORABLE,
        60000, -1 },
    { "Cache-Control: max-age=60\nVary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", 200,
        PROCTOR_CACHE_VARY_ALL, 0, -1 },
    { "Cache-Control: max-age=60\nContent-Range: bytes 0-1/2", 200,
        PROCTOR_CACHE_PARTIAL, 0, -1 },
    { "Cache-Control: max-age=60", 206, PROCTOR_CACHE_BAD_STATUS, 0, -1 },
    { "Cache-Control: max-age=60", 304, PROCTOR_CACHE_BAD_STATUS, 0, -1 },
    { "Cache-Control: max-age=60", 500, PROCTOR_CACHE_BAD_STATUS, 0, -1 },
    { "Cache-Control: max-age=60", 404, PROCTOR_CACHE_STORABLE, 60000, -1 },
    { "", 404, PROCTOR_CACHE_NO_TIME, 0, -1 },
};


static void
answer_feed(proctor_cache_answer_t *answer, unsigned status, const char *header)
{
    size_t len;
    proctor_str_t name, value;

    proctor_cache_answer_init(
        answer, status, (int64_t) NOW * 1000, (int64_t) NOW * 1000);

    for (; *header != '\0'; header += header[len] == '\0' ? len : len + 1) {
        len = strcspn(header, "\n");
        name.data = header;
        name.len = strcspn(header, ":");
        value.data = header + name.len + 2;
        value.len = len - name.len - 2;
        proctor_cache_answer_field(answer, &name, &value);
    }
}


static void
test_storable(void)
{
    size_t i;
    int64_t keep;
    proctor_cache_answer_t answer;
    proctor_cache_storable_e storable;
    proctor_cache_freshness_t freshness;
    const freshness_case_t *want;
    const proctor_cache_rule_t *rule;

    rule = cache_operation(&world, "part")->cache;

    for (i = 0; i < sizeof(freshness_cases) / sizeof(freshness_cases[0]); i++) {
        want = &freshness_cases[i];
        answer_feed(&answer, want->status, want->header);
        storable =
            proctor_cache_freshness(&answer, rule, NULL, &freshness, &keep);

        is_int(storable, want->storable, "case %d: %u %.*s", (int) i,
            want->status, (int) strcspn(want->header, "\n"), want->header);

        if (storable != PROCTOR_CACHE_STORABLE) {
            continue;
        }

        is_int(freshness.lifetime, want->lifetime, "its lifetime");

        if (want->keep >= 0) {
            is_int(keep, want->keep * 1000, "how long it is kept");
        }
    }
}


/* the contract's own times: what the body says, when HTTP says nothing */

static void
test_ttl(void)
{
    size_t i;
    int64_t keep;
    proctor_json_t doc;
    proctor_cache_answer_t answer;
    proctor_cache_freshness_t freshness;
    const proctor_cache_rule_t *rule;
    static const struct {
        const char *body;
        int64_t ttl;
    } cases[] = {
        { "{\"status\":\"done\"}", 600000 },
        { "{\"status\":\"d\\u006fne\"}", 600000 },
        { "{\"status\":\"failed\",\"a/b\":[\"\"]}", 500 },
        { "{\"status\":\"x\",\"a/b\":[\"\"]}", 86400000 },
        { "{\"status\":\"doneX\"}", 60000 },
        { "{\"status\":[\"done\"]}", 60000 },
        { "{\"x\":{\"status\":\"done\"}}", 60000 },
        { "[]", 60000 },
        { "\"done\"", 60000 },
    };

    rule = cache_operation(&world, "part")->cache;
    proctor_json_init(&doc);
    doc.arena = world.arena;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        answer_feed(&answer, 200, "Age: 1");
        proctor_json_parse(&doc, cases[i].body, strlen(cases[i].body));
        ok(proctor_cache_wants_body(&answer, rule), "the body has a say");
        proctor_cache_freshness(&answer, rule, &doc, &freshness, &keep);
        is_int(freshness.lifetime, cases[i].ttl, "%s", cases[i].body);
        is_int(freshness.age, 1000, "what its Age said is gone already");
    }

    answer_feed(&answer, 200, "Cache-Control: max-age=5");
    ok(!proctor_cache_wants_body(&answer, rule), "not where HTTP speaks");
    proctor_cache_freshness(&answer, rule, &doc, &freshness, &keep);
    is_int(freshness.lifetime, 5000, "whatever it is");

    rule = cache_operation(&world, "find")->cache;
    answer_feed(&answer, 200, "");
    is_int(proctor_cache_freshness(&answer, rule, NULL, &freshness, &keep),
        PROCTOR_CACHE_NO_TIME, "no ttl: not kept");
    proctor_json_free(&doc);
}


static void
test_age(void)
{
    int64_t keep;
    proctor_cache_answer_t answer;
    proctor_cache_freshness_t freshness;
    const proctor_cache_rule_t *rule;
    const proctor_str_t name = proctor_str("Cache-Control");
    const proctor_str_t value = proctor_str("max-age=60");

    rule = cache_operation(&world, "list")->cache;
    proctor_cache_answer_init(
        &answer, 200, (int64_t) NOW * 1000, (int64_t) NOW * 1000 + 4000);
    proctor_cache_answer_field(&answer, &name, &value);
    proctor_cache_freshness(&answer, rule, NULL, &freshness, &keep);
    is_int(freshness.age, 4000, "a slow answer is old when it comes");
    is_int(keep, 56000, "and is kept so much shorter");
}


/* an entry of lifetime 10 s, age 1 s when received, windows 5 s and 20 s */

static const struct {
    int64_t after; /* ms since it was received */
    const char *request;
    unsigned flags;
    proctor_cache_use_e use;
    int on_error;
    int64_t fresh;
} use_cases[] = {
    { 0, "", 0, PROCTOR_CACHE_FRESH, 1, 9 },
    { -5000, "", 0, PROCTOR_CACHE_FRESH, 1, 9 },
    { 8999, "", 0, PROCTOR_CACHE_FRESH, 1, 0 },
    { 9000, "", 0, PROCTOR_CACHE_BEHIND, 1, 0 },
    { 9001, "", 0, PROCTOR_CACHE_BEHIND, 1, -1 },
    { 13999, "", 0, PROCTOR_CACHE_BEHIND, 1, -5 },
    { 14000, "", 0, PROCTOR_CACHE_STALE, 1, -5 },
    { 28999, "", 0, PROCTOR_CACHE_STALE, 1, -20 },
    { 29000, "", 0, PROCTOR_CACHE_STALE, 0, -20 },
    { 0, "no-cache", 0, PROCTOR_CACHE_REQUEST, 0, 9 },
    { 0, "max-age=0", 0, PROCTOR_CACHE_REQUEST, 0, 9 },
    { 0, "max-age=1", 0, PROCTOR_CACHE_FRESH, 1, 9 },
    { 1, "max-age=1", 0, PROCTOR_CACHE_REQUEST, 0, 8 },
    { 0, "max-age=x", 0, PROCTOR_CACHE_REQUEST, 0, 9 },
    { 0, "min-fresh=9", 0, PROCTOR_CACHE_FRESH, 1, 9 },
    { 1, "min-fresh=9", 0, PROCTOR_CACHE_REQUEST, 0, 8 },
    { 0, "min-fresh=x", 0, PROCTOR_CACHE_REQUEST, 0, 9 },
    { 20000, "max-stale", 0, PROCTOR_CACHE_FRESH, 1, -11 },
    { 20000, "max-stale=11", 0, PROCTOR_CACHE_FRESH, 1, -11 },
    { 20001, "max-stale=11", 0, PROCTOR_CACHE_STALE, 1, -12 },
    { 20000, "max-stale, no-cache", 0, PROCTOR_CACHE_STALE, 0, -11 },
    { 20000, "max-stale, max-age=15", 0, PROCTOR_CACHE_STALE, 0, -11 },
    { 20000, "max-stale", PROCTOR_CACHE_STRICT, PROCTOR_CACHE_STALE, 0, -11 },
    { 10000, "", PROCTOR_CACHE_STRICT, PROCTOR_CACHE_STALE, 0, -1 },
    { 0, "", PROCTOR_CACHE_STRICT, PROCTOR_CACHE_FRESH, 1, 9 },
    { 0, "", PROCTOR_CACHE_VALIDATE, PROCTOR_CACHE_STALE, 0, 9 },
    { 0, "max-stale", PROCTOR_CACHE_VALIDATE, PROCTOR_CACHE_STALE, 0, 9 },
    { 10000, "max-age=5", 0, PROCTOR_CACHE_STALE, 0, -1 },
    { 0, "only-if-cached", 0, PROCTOR_CACHE_FRESH, 1, 9 },
};


static void
test_use(void)
{
    size_t i;
    proctor_cache_control_t request;
    proctor_cache_verdict_t verdict;
    proctor_cache_freshness_t freshness;

    for (i = 0; i < sizeof(use_cases) / sizeof(use_cases[0]); i++) {
        memset(&freshness, 0, sizeof(freshness));
        freshness.received = (int64_t) NOW * 1000;
        freshness.age = 1000;
        freshness.lifetime = 10000;
        freshness.stale_while_revalidate = 5000;
        freshness.stale_if_error = 20000;
        freshness.flags = use_cases[i].flags;

        proctor_cache_control_init(&request);
        proctor_cache_control_parse(
            &request, use_cases[i].request, strlen(use_cases[i].request));
        proctor_cache_use(&freshness, &request,
            (int64_t) NOW * 1000 + use_cases[i].after, &verdict);

        is_int(verdict.use, use_cases[i].use, "after %lld ms, \"%s\", flags %u",
            (long long) use_cases[i].after, use_cases[i].request,
            use_cases[i].flags);
        is_int(
            verdict.on_error, use_cases[i].on_error, "when the upstream fails");
        is_int(verdict.fresh, use_cases[i].fresh, "what is left of it");
    }
}


static void
test_keeps(void)
{
    size_t i;
    proctor_str_t name;
    proctor_cache_answer_t answer;
    static const struct {
        const char *name;
        int kept;
    } cases[] = { { "Content-Type", 1 }, { "ETag", 1 }, { "Date", 1 },
        { "Vary", 1 }, { "Cache-Control", 1 }, { "X-Own", 1 }, { "Age", 0 },
        { "CONNECTION", 0 }, { "Keep-Alive", 0 }, { "Transfer-Encoding", 0 },
        { "Set-Cookie", 0 }, { "Upgrade", 0 }, { "x-hop", 0 }, { "x-ho", 1 },
        { "X-LAST", 0 } };

    answer_feed(
        &answer, 200, "X-Own: 1\nConnection: close, X-Hop\nConnection: x-last");

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        name = CACHE_STR(cases[i].name);
        is_int(proctor_cache_answer_keeps(&answer, &name), cases[i].kept, "%s",
            cases[i].name);
    }
}


/* any names in Vary and Connection: bounded, and never kept when cut off */

static void
test_bounds(void)
{
    unsigned n, i, len;
    char value[4096];
    proctor_cache_answer_t answer;
    const proctor_str_t vary = proctor_str("Vary");
    const proctor_str_t connection = proctor_str("Connection");
    proctor_str_t text = { value, 0 };

    for (n = 0, i = 0; n < 2000; n++) {
        len = cache_random(sizeof(value));
        memset(value, cache_random(2) ? 'a' : ',', sizeof(value));
        value[cache_random(sizeof(value))] = ',';
        text.len = len;

        answer_feed(&answer, 200, "Cache-Control: max-age=9");
        proctor_cache_answer_field(
            &answer, cache_random(2) ? &vary : &connection, &text);

        i += memchr(value, 'a', 600) != NULL && len > 2000
             && memchr(value, ',', 600) == NULL
             && proctor_cache_storable(&answer) == PROCTOR_CACHE_STORABLE;
    }

    is_int(i, 0, "a name too long to be remembered");
}


int
main(void)
{
    cache_open(&world);

    test_storable();
    test_ttl();
    test_age();
    test_use();
    test_keeps();
    test_bounds();

    proctor_arena_destroy(world.arena);

    return done_testing();
}
