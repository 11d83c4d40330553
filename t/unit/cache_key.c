/*
 * What answers and groups are called: equal for what is equal, and never else.
 */

#include "cache.h"


static cache_world_t world;


/* hexadecimal, in one of a few buffers; "": no key */

static const char *
key_of(const proctor_account_t *account, const char *operation,
    const char *path, const char *query, const char *body)
{
    int rc;
    char *name;
    unsigned char key[PROCTOR_SHA256_LEN], digest[PROCTOR_SHA256_LEN];
    proctor_json_t doc;
    proctor_arena_t *arena;
    proctor_cache_call_t call = { account, cache_operation(&world, operation),
        CACHE_STR(path), CACHE_STR(query), NULL };
    static char names[4][256];
    static unsigned next;

    arena = proctor_arena_create(0);
    proctor_json_init(&doc);
    doc.arena = arena;

    if (body != NULL) {
        if (proctor_json_parse(&doc, body, strlen(body)) != PROCTOR_OK
            || proctor_cache_body(&doc, digest) != PROCTOR_OK) {
            diag("bad body: %s", body);
        }

        call.body = digest;
    }

    rc = proctor_cache_key(&call, arena, key);
    proctor_json_free(&doc);
    proctor_arena_destroy(arena);

    name = names[next++ % 4];
    *(rc == PROCTOR_OK ? proctor_cache_entry_name(name, account, key) : name) =
        '\0';

    return name;
}


static const char *
digest_of(const char *name)
{
    return strstr(name, "}:res:") + strlen("}:res:");
}


static const char *
list(const char *query)
{
    return key_of(world.one, "list", "/things/", query, NULL);
}


static const char *
find(const char *body)
{
    return key_of(world.one, "find", "/things/find/", "", body);
}


static void
test_query(void)
{
    size_t i, j;
    const char *one, *two;
    static const struct {
        const char *one;
        const char *two;
        int same;
    } cases[] = {
        { "", "page=1", 1 },
        { "", "page=2", 0 },
        { "", "page=", 0 },
        { "page=1", "page=01", 0 },
        { "page=1&sort=x", "sort=x&page=1", 1 },
        { "sort=x", "sort=x&page=1", 1 },
        { "sort=x", "sort=y", 0 },
        { "sort=x", "Sort=x", 0 },
        { "sort=a+b", "sort=a%20b", 1 },
        { "sort=%41", "sort=A", 1 },
        { "sort=a%26page%3D2", "sort=a&page=2", 0 },
        { "a=1&b=2", "b=2&a=1", 1 },
        { "a=1&a=2", "a=2&a=1", 0 },
        { "a=1&b=0&a=2", "b=0&a=1&a=2", 1 },
        { "a=1&&b=2&", "a=1&b=2", 1 },
        { "a", "a=", 0 },
        { "a=1&b=2", "a=1%26b=2", 0 },
        { "a=b=c", "a=b%3Dc", 1 },
        { "ab=c", "a=bc", 0 },
        { "=a", "a=", 0 },
        { "a=%00", "a=", 0 },
        { "a=x|y", "a=x&y", 0 },
        { "a=x:b=y", "a=x&b=y", 0 },
    };
    static const char *const apart[] = { "", "a", "a=", "=a", "a=a", "a&a",
        "a=a&a", "a&a=a", "a=%7C", "a=%3A", "a=%00a", "a=a%00", "%61=b",
        "a=1&b", "a=1%26b", "a=1b" };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        one = list(cases[i].one);
        two = list(cases[i].two);
        is_int(strcmp(one, two) == 0, cases[i].same, "\"%s\" and \"%s\"",
            cases[i].one, cases[i].two);
    }

    for (i = 0; i < sizeof(apart) / sizeof(apart[0]); i++) {
        for (j = 0; j < i; j++) {
            if (strcmp(list(apart[i]), list(apart[j])) == 0) {
                ok(0, "\"%s\" is not \"%s\"", apart[i], apart[j]);
            }
        }
    }

    is_str(list("a=%4"), "", "a bad escape has no key");
    ok(strcmp(key_of(world.one, "find", "/things/find/", "", NULL),
           key_of(world.one, "find", "/things/find/", "page=1", NULL))
            != 0,
        "another operation's default is no default here");
}


/* what stands in one part must not look like another: C2 */

static void
test_parts(void)
{
    ok(strcmp(digest_of(key_of(world.one, "list", "/things/", "", NULL)),
           digest_of(key_of(world.two, "list", "/things/", "", NULL)))
            != 0,
        "accounts are apart, even without their names");
    ok(strcmp(key_of(world.one, "other", "/x", "", NULL),
           key_of(world.one, "part", "/x", "", NULL))
            != 0,
        "operations are apart");
    ok(strcmp(key_of(world.one, "other", "/x?a=1", "", NULL),
           key_of(world.one, "other", "/x", "a=1", NULL))
            != 0,
        "path and query are apart");
    ok(strcmp(key_of(world.one, "other", "/x", "a", NULL),
           key_of(world.one, "other", "/x\001", "", NULL))
            != 0,
        "whatever is in the path");
    ok(strncmp(list(""), "proctor:{one}:res:", 18) == 0, "its name");
    ok(strncmp(key_of(world.two, "list", "/", "", NULL),
           "proctor:{two%7D%3A}:res:", 24)
            == 0,
        "no account's name ends the hash tag");
}


static void
test_body(void)
{
    size_t i;
    const char *one, *two;
    static const struct {
        const char *one;
        const char *two;
        int same;
    } cases[] = {
        { "{\"a\":1,\"b\":[1,2]}", " { \"b\" : [ 1 , 2 ] , \"a\" : 1 } ", 1 },
        { "{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"y\":2,\"x\":1}}", 1 },
        { "{\"\\u0061\":\"\\u00e9\\/\"}", "{\"a\":\"\xc3\xa9/\"}", 1 },
        { "[1,2]", "[2,1]", 0 },
        { "1", "1.0", 0 },
        { "1", "\"1\"", 0 },
        { "null", "\"null\"", 0 },
        { "null", "false", 0 },
        { "true", "false", 0 },
        { "{}", "[]", 0 },
        { "{\"a\":1}", "[\"a\",1]", 0 },
        { "[[1],2]", "[[1,2]]", 0 },
        { "[[],[]]", "[[[]]]", 0 },
        { "{\"a\":\"b\"}", "{\"ab\":\"\"}", 0 },
        { "{\"a\":\"1\",\"b\":\"2\"}", "{\"a\":\"1\\\",\\\"b\\\":\\\"2\"}", 0 },
        { "[\"a\",\"b\"]", "[\"a\\u0000b\"]", 0 },
        { "{\"a\":1,\"aa\":2}", "{\"aa\":2,\"a\":1}", 1 },
        { "{\"a\":1,\"aa\":2}", "{\"aa\":1,\"a\":2}", 0 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        one = find(cases[i].one);
        two = find(cases[i].two);
        is_int(strcmp(one, two) == 0, cases[i].same, "%s and %s", cases[i].one,
            cases[i].two);
    }

    ok(strcmp(find("{}"), key_of(world.one, "find", "/things/find/", "", NULL))
            != 0,
        "an empty object is not no body");
}


/* an object whose members begin with any of them, at every level */

static char *
body_write(char *p, unsigned seed, unsigned depth, int shuffled)
{
    unsigned i, j, n, from;

    n = 1 + seed % 7;
    from = shuffled ? cache_random(n) : 0;
    *p++ = '{';

    for (j = 0; j < n; j++) {
        i = (j + from) % n;
        p += sprintf(p, "%s\"%s%u\":", j != 0 ? "," : "",
            shuffled && i % 2 ? "\\u006b" : "k", i);

        if (depth == 0 || (seed + i) % 3 != 0) {
            p += sprintf(p, "%u", seed + i);

        } else {
            p = body_write(p, seed + i + 1, depth - 1, shuffled);
        }
    }

    *p++ = '}';
    *p = '\0';

    return p;
}


static void
test_random(void)
{
    unsigned n, wrong, i, from, pairs;
    char one[65536], two[65536], *p;

    wrong = 0;

    for (n = 0; n < 2000; n++) {
        body_write(one, n, 3, 0);
        p = body_write(two, n, 3, 1);
        wrong += strcmp(find(one), find(two)) != 0;

        while (*p < '0' || *p > '9') {
            p--;
        }

        *p = (*p == '9') ? '8' : (char) (*p + 1);
        wrong += strcmp(find(one), find(two)) == 0;
    }

    is_int(wrong, 0, "members in any order, one of them another");

    wrong = 0;

    for (n = 0; n < 2000; n++) {
        pairs = 1 + cache_random(12);
        from = cache_random(pairs);

        for (i = 0, p = one; i < pairs; i++) {
            p += sprintf(p, "&q%u=v%u", i, n);
        }

        for (i = 0, p = two; i < pairs; i++) {
            p += sprintf(p, "&%%71%u=%%76%u", (i + from) % pairs, n);
        }

        wrong += strcmp(list(one), list(two)) != 0;
        p[-1] ^= 1;
        wrong += strcmp(list(one), list(two)) == 0;
    }

    is_int(wrong, 0, "parameters in any order, one of them another");
}


static void
groups_are(const proctor_cache_templates_t *templates, const char *path,
    const char *want)
{
    int i, n;
    char buf[4096], told[4096], *p;
    size_t size;
    const char *reason;
    proctor_match_t match;
    proctor_str_t groups[PROCTOR_CACHE_GROUPS_ALL];
    const proctor_str_t sent = CACHE_STR(path);

    proctor_route(world.contract->route, path, strlen(path), &match, &reason);

    size = proctor_cache_groups_size(templates, &match);
    n = proctor_cache_groups(templates, &match, &sent, groups, buf, size);

    for (i = 0, p = told; i < n; i++) {
        *p++ = ' ';
        p = proctor_cache_group_name(
            p, world.one, PROCTOR_CACHE_GEN, &groups[i]);
    }

    *p = '\0';
    is_str(told, want, "the groups of %s", path);

    if (size != 0) {
        is_int(proctor_cache_groups(
                   templates, &match, &sent, groups, buf, size - 1),
            -1, "a byte less is too little");
    }
}


static void
test_groups(void)
{
    char name[256], long_one[256];
    proctor_str_t group;
    const proctor_operation_t *part, *drop;

    part = cache_operation(&world, "part");
    drop = cache_operation(&world, "drop");

    groups_are(&part->cache->groups, "/things/7/parts/a:b/",
        " proctor:{one}:gen:a:b-of-7 proctor:{one}:gen:things"
        " proctor:{one}:gen:7 proctor:{one}:gen:/things/7/parts/a:b/");
    groups_are(drop->invalidates, "/things/7/parts/x/",
        " proctor:{one}:gen:/things/7/parts/x/");
    groups_are(
        &cache_operation(&world, "find")->cache->groups, "/things/find/", "");

    memset(long_one, 'x', sizeof(long_one));
    group.data = long_one;
    group.len = PROCTOR_CACHE_GROUP_MAX;
    *proctor_cache_group_name(name, world.one, PROCTOR_CACHE_MARK, &group) =
        '\0';
    is_int(strlen(name), strlen("proctor:{one}:mark:") + 64, "a long name");

    group.len++;
    *proctor_cache_group_name(name, world.one, PROCTOR_CACHE_MARK, &group) =
        '\0';
    is_int(strlen(name), strlen("proctor:{one}:mark:#") + 64,
        "a longer one is hashed");
    ok(strlen(name) <= world.one->prefix.len + PROCTOR_CACHE_NAME_MAX,
        "and no longer than was said");
}


static void
test_rules(void)
{
    const proctor_cache_rule_t *rule;

    rule = cache_operation(&world, "part")->cache;

    is_int(rule->ttl, 60000, "ttl");
    is_int(rule->stale_while_revalidate, 5000, "stale_while_revalidate");
    is_int(rule->stale_if_error, 3600000, "stale_if_error");
    is_int(rule->nwhen, 3, "ttl_when, flat");
    is_str(rule->when[0].pointer, "/status", "its pointer");
    is_mem(rule->when[0].value.data, rule->when[0].value.len, "done", "value");
    is_int(rule->when[0].ttl, 600000, "ttl");
    is_int(rule->when[1].ttl, 500, "the next");
    is_str(rule->when[2].pointer, "/a~1b/0", "another pointer");
    is_int(rule->when[2].ttl, 86400000, "a day");

    rule = cache_operation(&world, "find")->cache;
    is_int(rule->ttl, -1, "no ttl");
    is_int(rule->groups.path, 0, "nobody writes there");
    is_int(cache_operation(&world, "list")->cache->groups.path, 1,
        "somebody writes here");
    ok(cache_operation(&world, "other")->cache == NULL, "not cached");
    ok(!proctor_cache_is_unsafe(cache_operation(&world, "find"))
            && proctor_cache_is_unsafe(cache_operation(&world, "drop")),
        "a post that is cached only reads");
}


int
main(void)
{
    cache_open(&world);

    test_rules();
    test_query();
    test_parts();
    test_body();
    test_random();
    test_groups();

    proctor_arena_destroy(world.arena);

    return done_testing();
}
