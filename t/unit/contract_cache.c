/*
 * Mistakes in what a contract says of the cache: which fault each of them is,
 * and where.
 */

#include "contract.h"


/* clang-format off */
#define X(method, members)                                                     \
    PATH("/{x}/y", "\"parameters\":[{\"name\":\"x\",\"in\":\"path\","          \
    "\"required\":true,\"schema\":" STRING "}],\"" method "\":{"               \
    "\"operationId\":\"op\",\"x-proctor\":{\"right\":\"read\"," members "}}")
#define CACHE(members) X("get", "\"cache\":{" members "}")
#define WHEN(when)     CACHE("\"groups\":[],\"ttl_when\":" when)
#define AT(method)     "/paths/~1{x}~1y/" method "/x-proctor"
#define LENGTH                                                                 \
    "must be a length of time from \"1ms\" to \"1d\": a number and ms, s, m, " \
    "h or d"
#define GROUP                                                                  \
    "must be a group: 1 to 128 printable ASCII characters, the first no slash"

static const faults_case_t cases[] = {
    { "all of it", CACHE("\"groups\":[\"a:{x}\",\"b\"],\"ttl\":\"2s\","
      "\"ttl_when\":{\"/a/b\":{\"c\":\"10m\"},\"\":{\"d\":\"1d\"}},"
      "\"stale_while_revalidate\":\"500ms\",\"stale_if_error\":\"24h\""), NULL },
    { "a post that only reads", X("post", "\"cache\":{\"groups\":[]}"), NULL },
    { "a post that writes", X("post", "\"invalidates\":[\"a\"]"), NULL },
    { "a delete", X("delete", "\"invalidates\":[]"), NULL },
    { "a cache of a put", X("put", "\"cache\":{\"groups\":[]}"),
      AT("put") "/cache: must stand on get, or on a post that only reads" },
    { "a cache of a patch", X("patch", "\"cache\":{\"groups\":[]}"),
      AT("patch") "/cache: must stand on get, or on a post that only reads" },
    { "a cache of a delete", X("delete", "\"cache\":{\"groups\":[]}"),
      AT("delete") "/cache: must stand on get, or on a post that only reads" },
    { "a get that writes", X("get", "\"invalidates\":[]"),
      AT("get") "/invalidates: must stand on an operation that writes: "
      "not on get, nor beside \"cache\"" },
    { "a post that reads and writes",
      X("post", "\"invalidates\":[\"a\"],\"cache\":{\"groups\":[]}"),
      AT("post") "/invalidates: must stand on an operation that writes: "
      "not on get, nor beside \"cache\"" },
    { "a cache that is none", X("get", "\"cache\":true"),
      AT("get") "/cache: must be an object" },
    { "no groups", CACHE(""), AT("get") "/cache: lacks \"groups\"" },
    { "an unknown member", CACHE("\"groups\":[],\"vary\":[]"),
      AT("get") "/cache/vary: is not understood" },
    { "groups that are none", CACHE("\"groups\":\"a\""),
      AT("get") "/cache/groups: must be an array of at most 8 groups" },
    { "too many groups", CACHE("\"groups\":[\"1\",\"2\",\"3\",\"4\",\"5\","
      "\"6\",\"7\",\"8\",\"9\"]"),
      AT("get") "/cache/groups: must be an array of at most 8 groups" },
    { "a number", CACHE("\"groups\":[1]"), AT("get") "/cache/groups/0: " GROUP },
    { "an empty group", CACHE("\"groups\":[\"a\",\"\"]"),
      AT("get") "/cache/groups/1: " GROUP },
    { "a path's group", CACHE("\"groups\":[\"/a\"]"),
      AT("get") "/cache/groups/0: " GROUP },
    { "a group with a line feed", CACHE("\"groups\":[\"a\\n\"]"),
      AT("get") "/cache/groups/0: " GROUP },
    { "a group with a space", CACHE("\"groups\":[\"a b\"]"),
      AT("get") "/cache/groups/0: " GROUP },
    { "an unknown parameter", CACHE("\"groups\":[\"{y}\"]"),
      AT("get") "/cache/groups/0: names no parameter of the path: \"y\"" },
    { "no parameter", X("delete", "\"invalidates\":[\"{}\"]"),
      AT("delete") "/invalidates/0: names no parameter of the path: \"\"" },
    { "the beginning of a parameter", CACHE("\"groups\":[\"{xx}\"]"),
      AT("get") "/cache/groups/0: names no parameter of the path: \"xx\"" },
    { "an open brace", CACHE("\"groups\":[\"{x\"]"),
      AT("get") "/cache/groups/0: holds a brace without its other" },
    { "a closing brace", CACHE("\"groups\":[\"x}\"]"),
      AT("get") "/cache/groups/0: holds a brace without its other" },
    { "two braces", CACHE("\"groups\":[\"{{x}}\"]"),
      AT("get") "/cache/groups/0: holds a brace without its other" },
    { "a parameter too often", CACHE("\"groups\":[\"{x}{x}{x}{x}{x}{x}{x}{x}"
      "{x}\"]"), AT("get") "/cache/groups/0: holds too many parameters" },
    { "a ttl in seconds", CACHE("\"groups\":[],\"ttl\":2"),
      AT("get") "/cache/ttl: " LENGTH },
    { "a ttl without a unit", CACHE("\"groups\":[],\"ttl\":\"2\""),
      AT("get") "/cache/ttl: " LENGTH },
    { "no time", CACHE("\"groups\":[],\"ttl\":\"0s\""),
      AT("get") "/cache/ttl: " LENGTH },
    { "a zero before the number", CACHE("\"groups\":[],\"ttl\":\"02s\""),
      AT("get") "/cache/ttl: " LENGTH },
    { "only a unit", CACHE("\"groups\":[],\"ttl\":\"s\""),
      AT("get") "/cache/ttl: " LENGTH },
    { "less than nothing", CACHE("\"groups\":[],\"ttl\":\"-1s\""),
      AT("get") "/cache/ttl: " LENGTH },
    { "a fraction", CACHE("\"groups\":[],\"ttl\":\"1.5s\""),
      AT("get") "/cache/ttl: " LENGTH },
    { "more than a day", CACHE("\"groups\":[],\"ttl\":\"25h\""),
      AT("get") "/cache/ttl: " LENGTH },
    { "more than a number", CACHE("\"groups\":[],"
      "\"ttl\":\"99999999999999999999999999s\""),
      AT("get") "/cache/ttl: " LENGTH },
    { "an unknown unit", CACHE("\"groups\":[],\"ttl\":\"1w\""),
      AT("get") "/cache/ttl: " LENGTH },
    { "something behind the unit", CACHE("\"groups\":[],\"ttl\":\"1s \""),
      AT("get") "/cache/ttl: " LENGTH },
    { "a stale window that is none",
      CACHE("\"groups\":[],\"stale_if_error\":true"),
      AT("get") "/cache/stale_if_error: " LENGTH },
    { "a ttl_when that is none", WHEN("[]"),
      AT("get") "/cache/ttl_when: must be an object" },
    { "no pointer", WHEN("{\"status\":{\"a\":\"1s\"}}"),
      AT("get") "/cache/ttl_when/status: must be a JSON Pointer" },
    { "a bad escape", WHEN("{\"/a~2\":{\"a\":\"1s\"}}"),
      AT("get") "/cache/ttl_when/~1a~02: must be a JSON Pointer" },
    { "no values", WHEN("{\"/a\":\"1s\"}"),
      AT("get") "/cache/ttl_when/~1a: must be an object" },
    { "a value without a time", WHEN("{\"/a\":{\"b\":1}}"),
      AT("get") "/cache/ttl_when/~1a/b: " LENGTH },
    { "an exception", X("get", "\"cache\":{\"groups\":[],"
      "\"unless\":[\"q\"]}},\"parameters\":[{\"name\":\"q\",\"in\":"
      "\"query\",\"schema\":" STRING "}],\"deprecated\":false,\"tags\":["
      "\"x\"],\"responses\":{"), NULL },
    { "an exception that is no parameter",
      CACHE("\"groups\":[],\"unless\":[\"q\"]"),
      "/paths/~1{x}~1y: op is kept unless there is \"q\", "
      "which is no query parameter of it" },
    { "an exception of the path",
      CACHE("\"groups\":[],\"unless\":[\"x\"]"),
      "/paths/~1{x}~1y: op is kept unless there is \"x\", "
      "which is no query parameter of it" },
    { "an exception that is none", CACHE("\"groups\":[],\"unless\":[7]"),
      AT("get") "/cache/unless/0: must be 1 to 128 printable ASCII characters, "
      "none a quote or a backslash" },
    { "an exception of a body", X("post", "\"cache\":{\"groups\":[],"
      "\"unless\":[\"/a~1b/0\"]}},\"requestBody\":{\"content\":{"
      "\"application/json\":{\"schema\":" STRING "}}},\"responses\":{"),
      NULL },
    { "an exception of a body that is none",
      CACHE("\"groups\":[],\"unless\":[\"/a\"]"),
      "/paths/~1{x}~1y: op is kept unless its body has \"/a\", "
      "but it has none" },
    { "an exception that is no pointer",
      CACHE("\"groups\":[],\"unless\":[\"/a~2\"]"),
      AT("get") "/cache/unless/0: must be a JSON Pointer" },
    { "exceptions that are none", CACHE("\"groups\":[],\"unless\":7"),
      AT("get") "/cache/unless: must be an array" },
    { "invalidates that are none", X("put", "\"invalidates\":\"a\""),
      AT("put") "/invalidates: must be an array of at most 8 groups" },
    { "a cache of the document", "{" INFO ",\"x-proctor\":{\"cache\":{}},"
      "\"paths\":{\"/a\":{\"get\":{" OP("") "}}}}",
      "/x-proctor/cache: is not understood" },
};
/* clang-format on */


int
main(void)
{
    size_t i;
    faults_t faults;
    proctor_arena_t *arena;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        arena = proctor_arena_create(0);

        contract_compile(arena, cases[i].text, &faults);
        faults_is(&faults, &cases[i]);

        faults_free(&faults);
        proctor_arena_destroy(arena);
    }

    return done_testing();
}
