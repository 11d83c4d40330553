/*
 * Contracts: what compiles to what, our own two among them.
 */

#include "contract.h"


static void contract_test_minimal(void);
static void contract_test_params(void);
static void contract_test_links(void);
static void contract_test_audit(void);
static void contract_test_memory(void);
static void contract_test_respan(void);
static void contract_test_prefactor(void);


int
main(void)
{
    contract_test_minimal();
    contract_test_params();
    contract_test_links();
    contract_test_audit();
    contract_test_memory();
    contract_test_respan();
    contract_test_prefactor();

    return done_testing();
}


static void
contract_test_minimal(void)
{
    proctor_arena_t *arena;
    faults_t faults;
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

    faults_free(&faults);
    proctor_arena_destroy(arena);
}


static void
contract_test_params(void)
{
    proctor_arena_t *arena;
    faults_t faults;
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

    faults_free(&faults);
    proctor_arena_destroy(arena);
}


static void
contract_test_audit(void)
{
    size_t i;
    faults_t faults;
    char text[4096];
    proctor_arena_t *arena;
    proctor_contract_t *contract;
    const proctor_operation_t *op;
    static const struct {
        const char *audit;
        int durable;
        proctor_audit_level_e level;
        unsigned nredact;
    } cases[] = {
        { "", 0, PROCTOR_AUDIT_METADATA, 0 },
        { ",\"audit\":\"metadata\"", 0, PROCTOR_AUDIT_METADATA, 0 },
        { ",\"audit\":\"none\"", 0, PROCTOR_AUDIT_NONE, 0 },
        { ",\"audit\":\"durable\"", 1, PROCTOR_AUDIT_METADATA, 0 },
        { ",\"audit\":{}", 0, PROCTOR_AUDIT_METADATA, 0 },
        { ",\"audit\":{\"durable\":true}", 1, PROCTOR_AUDIT_METADATA, 0 },
        { ",\"audit\":{\"durable\":true,\"level\":\"body\","
          "\"redact\":[\"/a\",\"/b/0/c~1d\"]}",
            1, PROCTOR_AUDIT_BODY, 2 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text),
            PATH("/a", "\"post\":{\"operationId\":\"op\",\"x-proctor\":"
                       "{\"right\":\"r\"%s},\"requestBody\":" JSON_BODY "}"),
            cases[i].audit);

        arena = proctor_arena_create(0);
        contract = contract_compile(arena, text, &faults);
        is_str(faults.text, "", "audit, case %zu", i);
        op = contract != NULL ? contract->operations[0] : NULL;
        is_int(op != NULL ? op->durable : 99, cases[i].durable, "... durable");
        is_int(op != NULL ? op->audit : 99, cases[i].level, "... its level");
        is_int(op != NULL ? op->nredact : 99, cases[i].nredact, "... hidden");
        free(faults.text);
        proctor_arena_destroy(arena);
    }
}


static void
contract_test_links(void)
{
    size_t i;
    unsigned want;
    proctor_arena_t *arena;
    faults_t faults;
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

        faults_free(&faults);
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
    faults_t faults;
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

        faults_free(&faults);
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
    faults_t faults;
    proctor_contract_t *contract;

    file = fopen(name, "r");
    ok(file != NULL, "%s is there", name);

    if (file == NULL) {
        return NULL;
    }

    text = proctor_arena_alloc(arena, 1024 * 1024);
    len = fread(text, 1, 1024 * 1024 - 1, file);
    text[len] = '\0';
    fclose(file);

    contract = contract_compile(arena, text, &faults);
    is_str(faults.text, "", "%s has no fault", name);
    faults_free(&faults);

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
