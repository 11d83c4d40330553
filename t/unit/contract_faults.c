/*
 * Contracts with mistakes: which fault each of them is, and where.
 */

#include "contract.h"


static void contract_test_cases(void);
static void contract_test_many(void);


#define AUDIT_OP(s)                                                            \
    "\"operationId\":\"op\",\"x-proctor\":{\"right\":\"r\",\"audit\":" s "}"
#define AUDIT(s) PATH("/a", "\"post\":{" AUDIT_OP(s) "}")
#define AUDIT_BODY(redact)                                                     \
    PATH("/a", "\"post\":{" AUDIT_OP("{\"level\":\"body\",\"redact\":" redact  \
                                     "}") ",\"requestBody\":" JSON_BODY "}")


/* clang-format off */
static const faults_case_t contract_cases[] = {
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
    { "a member that we do not have", PATH("/a", "\"get\":{\"operationId\":\"op\","
      "\"x-proctor\":{\"right\":\"read\",\"caches\":{}}}"),
      "/paths/~1a/get/x-proctor/caches: is not understood" },
    { "audit of a number", AUDIT("1"),
      "/paths/~1a/post/x-proctor/audit: must be \"none\", \"metadata\", "
      "\"durable\" or an object" },
    { "audit of a strange word", AUDIT("\"always\""),
      "/paths/~1a/post/x-proctor/audit: must be \"none\", \"metadata\", "
      "\"durable\" or an object" },
    { "a strange level", AUDIT("{\"level\":\"all\"}"),
      "/paths/~1a/post/x-proctor/audit/level: must be \"none\", \"metadata\" "
      "or \"body\"" },
    { "durable, but not written", AUDIT("{\"durable\":true,\"level\":\"none\"}"),
      "/paths/~1a/post/x-proctor/audit: must not be both durable and not "
      "written at all" },
    { "durable of a word", AUDIT("{\"durable\":\"yes\"}"),
      "/paths/~1a/post/x-proctor/audit/durable: must be true or false" },
    { "the body of an operation without one", AUDIT("{\"level\":\"body\"}"),
      "/paths/~1a/post/x-proctor/audit: must stand on an operation that has a "
      "body" },
    { "something hidden of what is not written",
      AUDIT("{\"redact\":[\"/a\"]}"),
      "/paths/~1a/post/x-proctor/audit: has something to redact, but not the "
      "level \"body\"" },
    { "nothing hidden", AUDIT_BODY("[]"),
      "/paths/~1a/post/x-proctor/audit/redact: must be an array of 1 to 32 JSON "
      "Pointers" },
    { "the whole body hidden", AUDIT_BODY("[\"\"]"),
      "/paths/~1a/post/x-proctor/audit/redact/0: must be a JSON Pointer to a "
      "member, as \"/a/b\"" },
    { "a pointer that nothing matches", AUDIT_BODY("[\"/a\",\"/b~2\"]"),
      "/paths/~1a/post/x-proctor/audit/redact/1: must be a JSON Pointer to a "
      "member, as \"/a/b\"" },
    { "a strange member of audit", AUDIT("{\"stream\":true}"),
      "/paths/~1a/post/x-proctor/audit/stream: is not understood" },
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
    { "a reference by an index that is none",
      PARAM("{\"$ref\":\"#/paths/~1a/get/parameters/00\"}"),
      "/paths/~1a/get/parameters/0: refers to nothing: "
      "#/paths/~1a/get/parameters/00" },
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


int
main(void)
{
    contract_test_cases();
    contract_test_many();

    return done_testing();
}


static void
contract_test_cases(void)
{
    size_t i;
    faults_t faults;
    proctor_arena_t *arena;
    proctor_contract_t *contract;
    const faults_case_t *c;

    for (i = 0; i < sizeof(contract_cases) / sizeof(contract_cases[0]); i++) {
        c = &contract_cases[i];
        arena = proctor_arena_create(0);
        contract = contract_compile(arena, c->text, &faults);

        faults_is(&faults, c);
        ok((contract == NULL) == (c->fault != NULL), "and the verdict fits");

        faults_free(&faults);
        proctor_arena_destroy(arena);
    }
}


static void
contract_test_many(void)
{
    proctor_arena_t *arena;
    faults_t faults;

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

    faults_free(&faults);
    proctor_arena_destroy(arena);
}
