/*
 * Contracts: what compiles to what, and which fault each mistake is.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proctor.h"
#include "tap.h"


/* a document around the members of one operation, of a path, of the root */

#define INFO                                                                   \
    "\"openapi\":\"3.1.0\",\"info\":{\"title\":\"T\",\"version\":\"1\"}"
#define ROOT(s)    "{" INFO "," s "}"
#define PATH(p, s) ROOT("\"paths\":{\"" p "\":{" s "}}," COMPONENTS)
#define OP(s)      "\"operationId\":\"op\",\"x-proctor\":{\"right\":\"read\"}" s
#define GET(s)     PATH("/a", "\"get\":{" OP(s) "}")
#define POST(s)    PATH("/a", "\"post\":{" OP(s) "}")
#define PARAM(s)   GET(",\"parameters\":[" s "]")
#define BODY(s)    POST(",\"requestBody\":" s)
#define STRING     "{\"type\":\"string\"}"
#define JSON_BODY  "{\"content\":{\"application/json\":{\"schema\":{}}}}"
#define COMPONENTS                                                             \
    "\"components\":{\"securitySchemes\":{\"key\":{\"type\":\"http\","         \
    "\"scheme\":\"bearer\"}},\"parameters\":{\"page\":{\"name\":\"page\","     \
    "\"in\":\"query\",\"schema\":{\"type\":\"integer\"}}}}"

typedef struct {
    char *text; /* "pointer: reason\n" for each fault */
    size_t len;
    FILE *stream;
    proctor_report_t report;
} contract_faults_t;

typedef struct {
    const char *name;
    const char *text;
    const char *fault; /* "pointer: reason"; NULL: none */
} contract_case_t;


static void contract_test_minimal(void);
static void contract_test_cases(void);
static void contract_test_many(void);
static void contract_test_params(void);
static void contract_test_links(void);
static void contract_test_memory(void);
static void contract_test_respan(void);
static void contract_test_prefactor(void);


int
main(void)
{
    contract_test_minimal();
    contract_test_cases();
    contract_test_many();
    contract_test_params();
    contract_test_links();
    contract_test_memory();
    contract_test_respan();
    contract_test_prefactor();

    return done_testing();
}


static void
contract_fault(void *data, const char *pointer, const char *reason)
{
    contract_faults_t *faults = data;

    fprintf(faults->stream, "%s: %s\n", pointer, reason);
}


/* The faults are faults->text, until contract_done(). */

static proctor_contract_t *
contract_compile(
    proctor_arena_t *arena, const char *text, contract_faults_t *faults)
{
    proctor_contract_t *contract;

    memset(faults, 0, sizeof(contract_faults_t));

    faults->stream = open_memstream(&faults->text, &faults->len);
    faults->report.fault = contract_fault;
    faults->report.data = faults;

    contract = proctor_contract_compile(
        arena, "test", text, strlen(text), &faults->report);

    fclose(faults->stream);

    return contract;
}


static void
contract_test_minimal(void)
{
    proctor_arena_t *arena;
    contract_faults_t faults;
    proctor_contract_t *contract;

    arena = proctor_arena_create(0);
    contract = contract_compile(arena,
        PATH("/a/{x}",
            "\"parameters\":[{\"name\":\"x\",\"in\":\"path\","
            "\"required\":true,\"schema\":" STRING "}],"
            "\"delete\":{" OP(
                "") "},"
                    "\"patch\":{\"operationId\":\"p\",\"x-proctor\":"
                    "{\"right\":\"write\"},\"requestBody\":" JSON_BODY "}"),
        &faults);

    is_str(faults.text, "", "a small contract has no fault");

    if (!ok(contract != NULL, "and compiles")) {
        return;
    }

    is_str(contract->name.data, "test", "it has the caller's name");
    is_str(contract->title.data, "T", "and its own title");
    is_int(
        contract->errors, PROCTOR_ERRORS_DETAIL, "errors: by default detail");
    is_int(contract->noperations, 2, "two operations");
    is_int(contract->npaths, 1, "of one path");
    is_str(contract->paths[0]->allow, "PATCH, DELETE", "Allow in fixed order");
    is_str(contract->operations[0]->id.data, "p", "patch comes before delete");
    is_int(contract->operations[1]->index, 1, "operations know their index");
    is_int(contract->operations[0]->has_body, 1, "patch has a body");
    is_int(contract->operations[0]->body_required, 0, "that is not required");
    ok(contract->operations[0]->body != NULL, "and has a schema");
    ok(contract->paths[0]->operations[PROCTOR_PATCH] == contract->operations[0],
        "the path knows its operations");
    ok(contract->operations[0]->path == contract->paths[0],
        "and they know their path");
    ok(proctor_contract_operation(contract, "op", 2) == contract->operations[1],
        "operations are found by id");
    ok(proctor_contract_operation(contract, "o", 1) == NULL, "by the whole id");
    is_int(proctor_contract_has_right(contract, "write", 5), 1,
        "a right that is asked for is known");
    is_int(
        proctor_contract_has_right(contract, "writ", 4), 0, "another is not");

    free(faults.text);
    proctor_arena_destroy(arena);
}


/* clang-format off */
static const contract_case_t contract_cases[] = {
    { "text that is no JSON", "{\n \"a\" 1}",
      ": is not JSON: line 2, column 6: ':' expected near '1'" },
    { "no text", "", ": is not JSON: line 1, column 0: "
      "unexpected token near end of file" },
    { "a member twice", "{\"a\":1,\n\"a\":2}",
      ": is not JSON: line 2, column 3: duplicate object key near '\"a\"'" },
    { "an array", "[]", ": must be an object" },
    { "OpenAPI 3.0", "{\"openapi\":\"3.0.3\",\"info\":{\"title\":\"T\","
      "\"version\":\"1\"},\"paths\":{\"/a\":{\"get\":{" OP("") "}}}}",
      "/openapi: must be \"3.1.x\"" },
    { "no paths", ROOT("\"tags\":[]"), ": lacks \"paths\"" },
    { "no path", ROOT("\"paths\":{}"), "/paths: holds no path" },
    { "paths that are none", ROOT("\"paths\":[]"),
      "/paths: must be an object" },
    { "a path without an operation", PATH("/a", ""),
      "/paths/~1a: holds no operation" },
    { "webhooks", ROOT("\"webhooks\":{},\"paths\":{\"/a\":{\"get\":{" OP("") "}}}"),
      "/webhooks: is not understood" },
    { "a member of the root that is ours to come", GET("},\"trace\":{"),
      "/paths/~1a/trace: is not understood" },
    { "head", PATH("/a", "\"get\":{" OP("") "},\"head\":{}"),
      "/paths/~1a/head: is not understood" },
    { "a pointer with both escapes",
      PATH("/a~b", "\"get\":{" OP("") "},\"~/\":1"),
      "/paths/~1a~0b/~0~1: is not understood" },
    { "cache, before its time", PATH("/a", "\"get\":{\"operationId\":\"op\","
      "\"x-proctor\":{\"right\":\"read\",\"cache\":{}}}"),
      "/paths/~1a/get/x-proctor/cache: is not understood" },
    { "no right", PATH("/a", "\"get\":{\"operationId\":\"op\",\"x-proctor\":{}}"),
      "/paths/~1a/get/x-proctor: lacks \"right\"" },
    { "no x-proctor", PATH("/a", "\"get\":{\"operationId\":\"op\"}"),
      "/paths/~1a/get: lacks \"x-proctor\"" },
    { "a right with a comma", PATH("/a", "\"get\":{\"operationId\":\"op\","
      "\"x-proctor\":{\"right\":\"a,b\"}}"),
      "/paths/~1a/get/x-proctor/right: must be a word of letters, digits and "
      "any of \"._:-\"" },
    { "no operationId", PATH("/a", "\"get\":{\"x-proctor\":{\"right\":\"r\"}}"),
      "/paths/~1a/get: lacks \"operationId\"" },
    { "an operationId with a line feed",
      PATH("/a", "\"get\":{\"operationId\":\"a\\nb\",\"x-proctor\":"
      "{\"right\":\"r\"}}"),
      "/paths/~1a/get/operationId: must be 1 to 128 printable ASCII characters,"
      " none a quote or a backslash" },
    { "an operationId twice",
      PATH("/a", "\"get\":{" OP("") "},\"put\":{" OP("") "}"),
      "/paths/~1a/put: has the operationId of another: op" },
    { "a bad template", PATH("/a//b", "\"get\":{" OP("") "}"),
      "/paths/~1a~1~1b: holds an empty segment" },
    { "a parameter that is not declared", PATH("/{x}", "\"get\":{" OP("") "}"),
      "/paths/~1{x}/get: declares no path parameter \"x\"" },
    { "a path parameter that is not in the path",
      PARAM("{\"name\":\"x\",\"in\":\"path\",\"required\":true,\"schema\":"
      STRING "}"),
      "/paths/~1a/get/parameters/0: is no part of the path: it has no \"{x}\"" },
    { "a path parameter that is not required",
      PATH("/{x}", "\"get\":{" OP(",\"parameters\":[{\"name\":\"x\","
      "\"in\":\"path\",\"schema\":" STRING "}]") "}"),
      "/paths/~1{x}/get/parameters/0: must be required, as part of the path" },
    { "a cookie", PARAM("{\"name\":\"x\",\"in\":\"cookie\",\"schema\":" STRING "}"),
      "/paths/~1a/get/parameters/0/in: must be \"path\", \"query\" or \"header\"" },
    { "an array in the query",
      PARAM("{\"name\":\"x\",\"in\":\"query\",\"schema\":{\"type\":\"array\"}}"),
      "/paths/~1a/get/parameters/0: must have a schema of one type: string, "
      "integer, number or boolean" },
    { "no type in the query",
      PARAM("{\"name\":\"x\",\"in\":\"query\",\"schema\":{\"minLength\":1}}"),
      "/paths/~1a/get/parameters/0: must have a schema of one type: string, "
      "integer, number or boolean" },
    { "a parameter without a schema",
      PARAM("{\"name\":\"x\",\"in\":\"query\"}"),
      "/paths/~1a/get/parameters/0: lacks \"schema\"" },
    { "a style", PARAM("{\"name\":\"x\",\"in\":\"query\",\"schema\":" STRING
      ",\"style\":\"form\"}"),
      "/paths/~1a/get/parameters/0/style: is not understood" },
    { "a parameter twice",
      PARAM("{\"$ref\":\"#/components/parameters/page\"},"
      "{\"name\":\"page\",\"in\":\"query\",\"schema\":" STRING "}"),
      "/paths/~1a/get/parameters/1: is declared twice" },
    { "Authorization as a parameter",
      PARAM("{\"name\":\"Authorization\",\"in\":\"header\",\"schema\":" STRING "}"),
      "/paths/~1a/get/parameters/0: must not be declared: OpenAPI ignores it" },
    { "no header's name",
      PARAM("{\"name\":\"a b\",\"in\":\"header\",\"schema\":" STRING "}"),
      "/paths/~1a/get/parameters/0: has a name that no header can have" },
    { "a schema with an unknown keyword",
      PARAM("{\"name\":\"x\",\"in\":\"query\",\"schema\":{\"type\":\"string\","
      "\"maxLenght\":1}}"),
      "/paths/~1a/get/parameters/0/schema/maxLenght: " },
    { "a format nobody knows",
      BODY("{\"content\":{\"application/json\":{\"schema\":"
      "{\"format\":\"colour\"}}}}"),
      "/paths/~1a/post/requestBody/content/application~1json/schema/format: " },
    { "a body on get", GET(",\"requestBody\":" JSON_BODY),
      "/paths/~1a/get/requestBody: must stand on post, put or patch: no other "
      "has a body" },
    { "a body that is a form",
      BODY("{\"content\":{\"application/x-www-form-urlencoded\":{}}}"),
      "/paths/~1a/post/requestBody/content/application~1x-www-form-urlencoded:"
      " is not understood\n/paths/~1a/post/requestBody/content: lacks "
      "\"application/json\"" },
    { "a body without a schema",
      BODY("{\"content\":{\"application/json\":{}}}"),
      "/paths/~1a/post/requestBody/content/application~1json: lacks \"schema\"" },
    { "a status that is none", GET(",\"responses\":{\"20\":{\"description\":\"\"}}"),
      "/paths/~1a/get/responses/20: must be a status code or \"default\"" },
    { "an answer without a description", GET(",\"responses\":{\"200\":{}}"),
      "/paths/~1a/get/responses/200: lacks \"description\"" },
    { "an answer's schema", GET(",\"responses\":{\"4XX\":{\"description\":\"\","
      "\"content\":{\"text/plain\":{\"schema\":{\"type\":\"text\"}}}}}"),
      "/paths/~1a/get/responses/4XX/content/text~1plain/schema/type: " },
    { "OpenAPI's links", GET(",\"responses\":{\"200\":{\"description\":\"\","
      "\"links\":{}}}"),
      "/paths/~1a/get/responses/200/links: is not understood" },
    { "callbacks", POST(",\"callbacks\":{}"),
      "/paths/~1a/post/callbacks: is not understood" },
    { "an operation without a key", GET(",\"security\":[]"),
      "/paths/~1a/get/security: must not be empty: every caller needs a key" },
    { "an empty requirement", GET(",\"security\":[{\"key\":[]},{}]"),
      "/paths/~1a/get/security/1: must not be empty: every caller needs a key" },
    { "a scheme nobody declared", GET(",\"security\":[{\"other\":[]}]"),
      "/paths/~1a/get/security/0/other: names no security scheme" },
    { "an API key in the query",
      ROOT("\"paths\":{\"/a\":{\"get\":{" OP("") "}}},\"components\":"
      "{\"securitySchemes\":{\"k\":{\"type\":\"apiKey\",\"in\":\"query\","
      "\"name\":\"k\"}}}"),
      "/components/securitySchemes/k/in: is not understood\n"
      "/components/securitySchemes/k/name: is not understood\n"
      "/components/securitySchemes/k/type: must be \"http\": callers send "
      "Authorization: Bearer\n"
      "/components/securitySchemes/k: lacks \"scheme\"" },
    { "a server with a path",
      ROOT("\"servers\":[{\"url\":\"https://h/\"},{\"url\":\"https://h/v1\"}],"
      "\"paths\":{\"/a\":{\"get\":{" OP("") "}}}"),
      "/servers/1/url: must have no path: each path of \"paths\" is whole" },
    { "a component nobody uses",
      ROOT("\"paths\":{\"/a\":{\"get\":{" OP("") "}}},\"components\":"
      "{\"responses\":{\"r\":{\"descripton\":\"\"}}}"),
      "/components/responses/r/descripton: is not understood\n"
      "/components/responses/r: lacks \"description\"" },
    { "components of another kind",
      ROOT("\"paths\":{\"/a\":{\"get\":{" OP("") "}}},"
      "\"components\":{\"callbacks\":{}}"),
      "/components/callbacks: is not understood" },
    { "a reference to nothing",
      PARAM("{\"$ref\":\"#/components/parameters/none\"}"),
      "/paths/~1a/get/parameters/0: refers to nothing: "
      "#/components/parameters/none" },
    { "a reference to another document",
      PARAM("{\"$ref\":\"https://example.com/p.json\"}"),
      "/paths/~1a/get/parameters/0: must refer to this document by a JSON "
      "Pointer" },
    { "a reference with a neighbour",
      PARAM("{\"$ref\":\"#/components/parameters/page\",\"required\":true}"),
      "/paths/~1a/get/parameters/0/required: is not understood" },
    { "a reference in a circle",
      ROOT("\"paths\":{\"/a\":{\"get\":{" OP("") "}}},\"components\":"
      "{\"responses\":{\"a\":{\"$ref\":\"#/components/responses/b\"},"
      "\"b\":{\"$ref\":\"#/components/responses/a\"}}}"),
      "/components/responses/a: follows references that never end\n"
      "/components/responses/b: follows references that never end" },
    { "a component's bad schema, used twice",
      ROOT("\"paths\":{\"/a\":{\"get\":{" OP(",\"parameters\":[{\"$ref\":"
      "\"#/components/parameters/p\"}]") "},\"put\":{\"operationId\":\"o\","
      "\"x-proctor\":{\"right\":\"r\"},\"parameters\":[{\"$ref\":"
      "\"#/components/parameters/p\"}]}}},\"components\":{\"parameters\":"
      "{\"p\":{\"name\":\"p\",\"in\":\"query\",\"schema\":{\"type\":1}}}}"),
      "/components/parameters/p/schema/type: " },
    { "a link that is no pointer",
      ROOT("\"x-proctor\":{\"links\":[\"next\"]},\"paths\":{\"/a\":{\"get\":{"
      OP("") "}}}"),
      "/x-proctor/links/0: must be a pointer to a top-level member, as "
      "\"/next\"" },
    { "a link to somewhere deep",
      ROOT("\"x-proctor\":{\"links\":[\"/a/b\"]},\"paths\":{\"/a\":{\"get\":{"
      OP("") "}}}"),
      "/x-proctor/links/0: must be a pointer to a top-level member, as "
      "\"/next\"" },
    { "an error shape nobody knows",
      ROOT("\"x-proctor\":{\"errors\":\"problem\"},\"paths\":{\"/a\":{\"get\":{"
      OP("") "}}}"),
      "/x-proctor/errors: must be \"detail\" or \"status\"" },
    { "all that may stand beside", "{\"openapi\":\"3.1.1\",\"info\":{"
      "\"title\":\"T\",\"version\":\"1\",\"summary\":\"\",\"description\":\"\","
      "\"termsOfService\":\"\",\"contact\":{\"name\":\"n\",\"url\":\"u\","
      "\"email\":\"e\"},\"license\":{\"name\":\"n\",\"url\":\"u\"}},"
      "\"servers\":[{\"url\":\"https://h\",\"description\":\"\"}],"
      "\"tags\":[{\"name\":\"t\",\"description\":\"\",\"externalDocs\":"
      "{\"url\":\"u\"}}],\"externalDocs\":{\"url\":\"u\",\"description\":\"\"},"
      "\"security\":[{\"key\":[]}]," COMPONENTS ",\"paths\":{\"/a\":{"
      "\"summary\":\"\",\"description\":\"\",\"get\":{" OP(
      ",\"summary\":\"\",\"description\":\"\",\"tags\":[\"t\"],"
      "\"deprecated\":true,\"externalDocs\":{\"url\":\"u\"},"
      "\"security\":[{\"key\":[]}],\"parameters\":[{\"$ref\":"
      "\"#/components/parameters/page\",\"description\":\"d\"},"
      "{\"name\":\"X-B\",\"in\":\"header\",\"required\":true,\"deprecated\":"
      "false,\"description\":\"\",\"example\":1,\"examples\":{\"e\":{"
      "\"summary\":\"\",\"value\":null}},\"schema\":" STRING "}],"
      "\"responses\":{\"200\":{\"description\":\"\",\"headers\":{\"H\":{"
      "\"description\":\"\",\"required\":true,\"schema\":{}}},\"content\":{"
      "\"application/json\":{\"schema\":{},\"example\":1,\"examples\":{}}}},"
      "\"default\":{\"description\":\"\"}}") "}}}}", NULL },
};
/* clang-format on */


/* A fault that ends in ": " is only compared so far: the words are others'. */

static void
contract_test_cases(void)
{
    size_t i, len;
    const char *fault;
    proctor_arena_t *arena;
    contract_faults_t faults;
    proctor_contract_t *contract;
    const contract_case_t *c;

    for (i = 0; i < sizeof(contract_cases) / sizeof(contract_cases[0]); i++) {
        c = &contract_cases[i];
        arena = proctor_arena_create(0);
        contract = contract_compile(arena, c->text, &faults);
        fault = c->fault != NULL ? c->fault : "";
        len = strlen(fault);

        if (len > 2 && fault[len - 1] == ' ') {
            faults.text[faults.len < len ? faults.len : len] = '\0';

        } else if (faults.len != 0) {
            faults.text[faults.len - 1] = '\0';
        }

        is_str(faults.text, fault, "%s", c->name);
        ok((contract == NULL) == (c->fault != NULL), "and the verdict fits");

        free(faults.text);
        proctor_arena_destroy(arena);
    }
}


static void
contract_test_many(void)
{
    proctor_arena_t *arena;
    contract_faults_t faults;

    arena = proctor_arena_create(0);

    contract_compile(arena,
        ROOT("\"a\":1,\"b\":2,\"paths\":{\"/a\":{\"get\":{" OP(
            ",\"c\":3,\"responses\":{\"400\":{\"$ref\":"
            "\"#/components/responses/r\"},\"401\":{\"$ref\":"
            "\"#/components/responses/r\"}}") "},\"d\":4}},"
                                              "\"components\":{\"responses\":{"
                                              "\"r\":{\"description\":\"\","
                                              "\"e\":5}}}"),
        &faults);

    is_str(faults.text,
        "/a: is not understood\n"
        "/b: is not understood\n"
        "/components/responses/r/e: is not understood\n"
        "/paths/~1a/d: is not understood\n"
        "/paths/~1a/get/c: is not understood\n",
        "all faults are found in one go, each is told once");
    is_int(faults.report.count, 5, "and counted once");

    free(faults.text);
    proctor_arena_destroy(arena);
}


static void
contract_test_params(void)
{
    proctor_arena_t *arena;
    contract_faults_t faults;
    proctor_contract_t *contract;
    const proctor_operation_t *op;

    arena = proctor_arena_create(0);
    contract = contract_compile(arena,
        PATH("/{x}/b/{y}",
            "\"parameters\":["
            "{\"$ref\":\"#/components/parameters/page\"},"
            "{\"name\":\"y\",\"in\":\"path\",\"required\":true,"
            "\"schema\":" STRING "},"
            "{\"name\":\"q\",\"in\":\"query\",\"schema\":" STRING "}],"
            "\"get\":{" OP(
                ",\"parameters\":["
                "{\"name\":\"X-Head\",\"in\":\"header\",\"schema\":" STRING "},"
                "{\"name\":\"q\",\"in\":\"query\",\"required\":true,\"schema\":"
                "{\"type\":\"boolean\"}},"
                "{\"name\":\"x\",\"in\":\"path\",\"required\":true,"
                "\"schema\":" STRING "}]") "}"),
        &faults);

    is_str(faults.text, "", "parameters at both levels");

    if (!ok(contract != NULL, "compile")) {
        return;
    }

    op = contract->operations[0];

    is_int(op->nparams, 5, "all are there");
    is_str(op->params[0].name.data, "x", "the path's first");
    is_str(op->params[1].name.data, "y", "in the template's order");
    is_str(op->params[2].name.data, "page", "then the path item's");
    is_str(op->params[3].name.data, "q", "and its next");
    is_int(op->params[3].required, 1, "as the operation overrides it");
    is_int(proctor_schema_type(op->params[3].schema), PROCTOR_JSON_TRUE,
        "with its schema");
    is_str(op->params[4].name.data, "x-head", "headers in lower case");
    is_int(op->params[4].in, PROCTOR_IN_HEADER, "are headers");

    free(faults.text);
    proctor_arena_destroy(arena);
}


static void
contract_test_links(void)
{
    size_t i;
    unsigned want;
    proctor_arena_t *arena;
    contract_faults_t faults;
    proctor_contract_t *contract;
    const proctor_operation_t *op;
    static const struct {
        const char *extension;
        const char *answer;
        unsigned nlinks;
    } cases[] = {
        { "",
            "\"200\":{\"description\":\"\",\"content\":{\"application/json\":"
            "{\"schema\":{}}}}",
            2 },
        { "",
            "\"2XX\":{\"description\":\"\",\"content\":{\"application/json\":"
            "{\"schema\":{}}}}",
            2 },
        { "", "\"204\":{\"description\":\"\"}", 0 },
        { "",
            "\"400\":{\"description\":\"\",\"content\":{\"application/json\":"
            "{\"schema\":{}}}}",
            0 },
        { ",\"links\":[]",
            "\"200\":{\"description\":\"\",\"content\":"
            "{\"application/json\":{\"schema\":{}}}}",
            0 },
        { ",\"links\":[\"/only\"]", "\"204\":{\"description\":\"\"}", 1 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text;

        arena = proctor_arena_create(0);
        text = proctor_arena_printf(arena,
            "{" INFO ",\"x-proctor\":{\"errors\":\"status\",\"links\":"
            "[\"/next\",\"/previous\"]},\"paths\":{\"/a\":{\"get\":{"
            "\"operationId\":\"op\",\"x-proctor\":{\"right\":\"read\"%s},"
            "\"responses\":{%s}}}}}",
            cases[i].extension, cases[i].answer);
        contract = contract_compile(arena, text, &faults);
        is_str(faults.text, "", "links, case %zu, compile", i);

        op = contract != NULL ? contract->operations[0] : NULL;
        want = cases[i].nlinks;
        is_int(op != NULL ? op->nlinks : 99, want, "to %u links", want);
        is_str(op != NULL && want != 0 ? op->links[0].data : NULL,
            want == 0   ? NULL
            : want == 1 ? "only"
                        : "next",
            "by name");
        is_int(contract != NULL ? contract->errors : 99, PROCTOR_ERRORS_STATUS,
            "errors: status");

        free(faults.text);
        proctor_arena_destroy(arena);
    }
}


/* An arena that ends anywhere: a fault and no contract, or a whole one. */

static void
contract_test_memory(void)
{
    int wrong;
    size_t limit;
    proctor_arena_t *arena;
    contract_faults_t faults;
    proctor_contract_t *contract;

    contract = NULL;
    wrong = 0;

    for (limit = 1; contract == NULL && limit < 100000; limit += 24) {
        arena = proctor_arena_create(limit);
        contract = contract_compile(arena,
            BODY("{\"content\":{\"application/json\":{\"schema\":"
                 "{\"properties\":{\"a\":{\"pattern\":\"a\"}}}}}}"),
            &faults);

        wrong += (contract == NULL) != (faults.report.count > 0);
        wrong += contract != NULL && contract->operations[0]->body == NULL;

        free(faults.text);
        proctor_arena_destroy(arena);
    }

    is_int(wrong, 0, "memory that runs out is told, every time");
    ok(contract != NULL && limit > 1000, "until it was enough: %zu", limit);
}


/* A contract of ours; the tests run in the project's root. */

static proctor_contract_t *
contract_read(proctor_arena_t *arena, const char *name)
{
    FILE *file;
    char *text;
    size_t len;
    contract_faults_t faults;
    proctor_contract_t *contract;

    file = fopen(name, "r");
    if (!ok(file != NULL, "%s is there", name)) {
        return NULL;
    }

    text = proctor_arena_alloc(arena, 1024 * 1024);
    len = fread(text, 1, 1024 * 1024 - 1, file);
    text[len] = '\0';
    fclose(file);

    contract = contract_compile(arena, text, &faults);
    is_str(faults.text, "", "%s has no fault", name);
    free(faults.text);

    return contract;
}


static void
contract_test_respan(void)
{
    size_t i;
    const char *reason;
    proctor_arena_t *arena;
    proctor_match_t match;
    proctor_contract_t *contract;
    static const struct {
        const char *path;
        const char *template;
        const char *allow;
    } cases[] = {
#define E "/api/v2/experiments"
        { E "/", E "/", "GET, HEAD, POST" },
        { E "/list/", E "/list/", "GET, HEAD, POST" },
        { E "/summary/", E "/summary/", "GET, HEAD, POST" },
        { E "/x/", E "/{experiment_id}/", "GET, HEAD, PUT, PATCH, DELETE" },
        { E "/x/logs/list/", E "/{experiment_id}/logs/list/",
            "GET, HEAD, POST" },
        { E "/x/logs/summary/", E "/{experiment_id}/logs/summary/",
            "GET, HEAD, POST" },
        { E "/x/logs/t/", E "/{experiment_id}/logs/{log_id}/",
            "GET, HEAD, PATCH" },
        { E "/x/histogram/", E "/{experiment_id}/histogram/",
            "GET, HEAD, POST" },
    };

    arena = proctor_arena_create(0);
    contract = contract_read(arena, "conf/contracts/respan.json");

    if (!ok(contract != NULL, "respan.json compiles")) {
        return;
    }

    is_int(contract->noperations, 18, "to 18 operations");
    is_int(contract->errors, PROCTOR_ERRORS_DETAIL, "with Django's errors");

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(proctor_route(contract->route, cases[i].path,
                   strlen(cases[i].path), &match, &reason),
            PROCTOR_ROUTE_FOUND, "%s is found", cases[i].path);
        is_str(match.path != NULL ? match.path->template.data : NULL,
            cases[i].template, "as %s", cases[i].template);
        is_str(match.path != NULL ? match.path->allow : NULL, cases[i].allow,
            "with its methods");
    }

    proctor_arena_destroy(arena);
}


static void
contract_test_prefactor(void)
{
    const char *reason;
    proctor_arena_t *arena;
    proctor_match_t match;
    proctor_contract_t *contract;
    const proctor_operation_t *finish;
    static const char path[] = "/api/v1/agent_spans/s1/finish";

    arena = proctor_arena_create(0);
    contract = contract_read(arena, "conf/contracts/prefactor.json");

    if (!ok(contract != NULL, "prefactor.json compiles")) {
        return;
    }

    is_int(contract->errors, PROCTOR_ERRORS_STATUS, "with its own errors");
    is_int(
        proctor_route(contract->route, path, sizeof(path) - 1, &match, &reason),
        PROCTOR_ROUTE_FOUND, "the seed's operation is found");
    is_mem(match.params[0].data, match.params[0].len, "s1", "with its span");

    finish = match.path != NULL ? match.path->operations[PROCTOR_POST] : NULL;
    ok(finish != NULL && finish->body != NULL, "it has a body");

    proctor_arena_destroy(arena);
}
