/*
 * The official JSON Schema test suite, draft 2020-12, against the schema
 * engine.
 *
 * Each file is read by our own parser, so that numbers reach the check as they
 * are written; each schema's text is then given to jansson, as contracts are.
 * A schema that uses what we do not support must be refused with a fault that
 * names it: such schemas are counted, never skipped.  Optional tests that fail
 * for a reason stand in a table, and a table row that is no longer needed is a
 * failure too.
 */

#include "proctor.h"
#include "tap.h"

#include <stdlib.h>


#define SUITE "json-schema/draft2020-12"


typedef struct {
    const char *file;
    unsigned options;
} suite_file_t;

typedef struct {
    const char *file;
    const char *schema; /* description of the group; NULL: any */
    const char *test;   /* description of the test; NULL: any */
    const char *reason;
    int used;
} suite_exception_t;

typedef struct {
    unsigned passed;
    unsigned failed;
    unsigned excepted;
    unsigned refused; /* schemas */
} suite_count_t;

typedef struct {
    char first[512]; /* fault */
    int by_name;     /* each fault named something we do not support */
    int required;    /* the file's tests are not optional */
} suite_faults_t;

typedef struct {
    const char *file;
    unsigned options;
    proctor_json_t doc;
    suite_count_t count;
} suite_t;


/* faults that name what is not supported; nothing else may refuse a schema */

static const char *const suite_refusals[] = {
    "unevaluatedItems is not supported",
    "unevaluatedProperties is not supported",
    "$dynamicRef is not supported",
    "$dynamicAnchor is not supported",
    "$vocabulary is not supported",
    "$ref outside the document is not supported: ",
    "$schema other than ",
    "format idn-email is not supported",
    "format idn-hostname is not supported",
    "format iri is not supported",
    "format iri-reference is not supported",
    "format uri-template is not supported",
    "format unknown is not supported",
};

static const suite_file_t suite_files[] = {
    { "additionalProperties", 0 },
    { "allOf", 0 },
    { "anchor", 0 },
    { "anyOf", 0 },
    { "boolean_schema", 0 },
    { "const", 0 },
    { "contains", 0 },
    { "content", 0 },
    { "default", 0 },
    { "defs", 0 },
    { "dependentRequired", 0 },
    { "dependentSchemas", 0 },
    { "dynamicRef", 0 },
    { "enum", 0 },
    { "exclusiveMaximum", 0 },
    { "exclusiveMinimum", 0 },
    { "format", 0 },
    { "if-then-else", 0 },
    { "infinite-loop-detection", 0 },
    { "items", 0 },
    { "maxContains", 0 },
    { "maxItems", 0 },
    { "maxLength", 0 },
    { "maxProperties", 0 },
    { "maximum", 0 },
    { "minContains", 0 },
    { "minItems", 0 },
    { "minLength", 0 },
    { "minProperties", 0 },
    { "minimum", 0 },
    { "multipleOf", 0 },
    { "not", 0 },
    { "oneOf", 0 },
    { "pattern", 0 },
    { "patternProperties", 0 },
    { "prefixItems", 0 },
    { "properties", 0 },
    { "propertyNames", 0 },
    { "ref", 0 },
    { "refRemote", 0 },
    { "required", 0 },
    { "type", 0 },
    { "unevaluatedItems", 0 },
    { "unevaluatedProperties", 0 },
    { "uniqueItems", 0 },
    { "vocabulary", 0 },

    { "optional/anchor", 0 },
    { "optional/bignum", 0 },
    { "optional/cross-draft", 0 },
    { "optional/dependencies-compatibility", 0 },
    { "optional/dynamicRef", 0 },
    { "optional/ecmascript-regex", 0 },
    { "optional/float-overflow", 0 },
    { "optional/format-assertion", PROCTOR_SCHEMA_FORMAT },
    { "optional/id", 0 },
    { "optional/no-schema", 0 },
    { "optional/non-bmp-regex", 0 },
    { "optional/refOfUnknownKeyword", 0 },
    { "optional/unknownKeyword", 0 },

    { "optional/format/date-time", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/date", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/duration", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/ecmascript-regex", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/email", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/hostname", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/idn-email", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/idn-hostname", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/ipv4", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/ipv6", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/iri-reference", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/iri", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/json-pointer", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/regex", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/relative-json-pointer", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/time", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/unknown", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/uri-reference", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/uri-template", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/uri", PROCTOR_SCHEMA_FORMAT },
    { "optional/format/uuid", PROCTOR_SCHEMA_FORMAT },
};

static suite_exception_t suite_exceptions[] = {
    { "optional/dependencies-compatibility", NULL, NULL,
        "dependencies is a keyword of draft 7, unknown in 2020-12", 0 },
    { "optional/format/hostname", "validation of A-label (punycode) host names",
        NULL, "Punycode is not decoded: RFC 5892 needs Unicode tables", 0 },
};


static char *
suite_read(const char *file, size_t *len)
{
    char path[1024];
    char *text;
    FILE *f;
    const char *suites;

    suites = getenv("PROCTOR_SUITES");
    snprintf(path, sizeof(path), "%s/" SUITE "/%s.json",
        suites == NULL ? "../shared/suites" : suites, file);

    f = fopen(path, "rb");

    if (f == NULL) {
        return NULL;
    }

    text = malloc(4 * 1024 * 1024);
    *len = fread(text, 1, 4 * 1024 * 1024, f);
    fclose(f);

    return text;
}


static void
suite_fault(void *data, const char *pointer, const char *reason)
{
    size_t i, n;
    suite_faults_t *faults = data;

    if (faults->first[0] == '\0') {
        snprintf(
            faults->first, sizeof(faults->first), "%s: %s", pointer, reason);
    }

    n = sizeof(suite_refusals) / sizeof(suite_refusals[0]);

    for (i = 0; i < n; i++) {
        if (strncmp(reason, suite_refusals[i], strlen(suite_refusals[i]))
            == 0) {
            return;
        }
    }

    faults->by_name = 0;
}


/* a member's string as a C string, in a static buffer for each of `which` */
static const char *
suite_string(suite_t *s, uint32_t object, const char *name, int which)
{
    uint32_t node;
    proctor_str_t str;
    static char buf[2][256];

    node = proctor_json_member(&s->doc, object, name, strlen(name));

    if (node == 0 || proctor_json_string(&s->doc, node, &str) != PROCTOR_OK) {
        return "";
    }

    snprintf(buf[which], sizeof(buf[which]), "%.*s", (int) str.len, str.data);

    return buf[which];
}


static suite_exception_t *
suite_excepted(const char *file, const char *schema, const char *test)
{
    size_t i, n;
    suite_exception_t *e;

    n = sizeof(suite_exceptions) / sizeof(suite_exceptions[0]);

    for (i = 0; i < n; i++) {
        e = &suite_exceptions[i];

        if (strcmp(e->file, file) == 0
            && (e->schema == NULL || strcmp(e->schema, schema) == 0)
            && (e->test == NULL || strcmp(e->test, test) == 0)) {
            return e;
        }
    }

    return NULL;
}


static void
suite_test(
    suite_t *s, uint32_t group, uint32_t test, const proctor_schema_t *schema)
{
    int rc, want;
    uint32_t data, valid;
    const char *of, *description;
    suite_exception_t *exception;
    proctor_violations_t out;

    data = proctor_json_member(&s->doc, test, "data", 4);
    valid = proctor_json_member(&s->doc, test, "valid", 5);
    want = (s->doc.nodes[valid].type == PROCTOR_JSON_TRUE) ? PROCTOR_OK
                                                           : PROCTOR_INVALID;
    of = suite_string(s, group, "description", 0);
    description = suite_string(s, test, "description", 1);

    memset(&out, 0, sizeof(out));
    out.arena = proctor_arena_create(0);

    rc = proctor_schema_check(schema, &s->doc, data, "", &out);

    /* the verdict is the same whether anybody wants to know why, and there is
       a reason exactly when it is INVALID */

    if (rc != proctor_schema_check(schema, &s->doc, data, "", NULL)
        || (rc == PROCTOR_INVALID) != (out.count != 0)) {
        rc = PROCTOR_ERROR;
    }

    proctor_arena_destroy(out.arena);

    if (rc == want) {
        s->count.passed++;
        return;
    }

    exception = suite_excepted(s->file, of, description);

    if (exception != NULL) {
        exception->used = 1;
        s->count.excepted++;
        return;
    }

    s->count.failed++;
    diag("%s: %s: %s: got %d, want %d", s->file, of, description, rc, want);
}


static void
suite_group(suite_t *s, uint32_t group)
{
    json_t *json;
    uint32_t node, test, last;
    json_error_t error;
    suite_faults_t faults;
    proctor_arena_t *arena;
    proctor_report_t report;
    const proctor_schema_t *schema;
    proctor_schema_set_t *set;

    node = proctor_json_member(&s->doc, group, "schema", 6);
    json = json_loadb(s->doc.nodes[node].text, s->doc.nodes[node].len,
        JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

    if (json == NULL) { /* integers over 64 bits: rounded, as reals are */
        json = json_loadb(s->doc.nodes[node].text, s->doc.nodes[node].len,
            JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    }

    memset(&faults, 0, sizeof(faults));
    faults.by_name = 1;
    report = (proctor_report_t){ suite_fault, &faults, 0 };

    arena = proctor_arena_create(0);
    set = proctor_schema_set_create(
        arena, json, s->options | PROCTOR_SCHEMA_LENIENT, &report);
    schema = proctor_schema_compile(set, "");

    if (schema == NULL) {
        if (report.count != 0 && faults.by_name) {
            s->count.refused++;

        } else {
            s->count.failed++;
            diag("%s: %s: refused: %s", s->file,
                suite_string(s, group, "description", 0), faults.first);
        }

    } else {
        node = proctor_json_member(&s->doc, group, "tests", 5);
        last = s->doc.nodes[node].next;

        for (test = node + 1; test < last; test = s->doc.nodes[test].next) {
            suite_test(s, group, test, schema);
        }
    }

    proctor_arena_destroy(arena);
    json_decref(json);
}


static suite_count_t
suite_run(const suite_file_t *file)
{
    char *text;
    size_t len;
    suite_t s;
    uint32_t group;

    memset(&s, 0, sizeof(s));
    s.file = file->file;
    s.options = file->options;

    text = suite_read(file->file, &len);
    proctor_json_init(&s.doc);
    s.doc.arena = proctor_arena_create(0);

    if (text == NULL || proctor_json_parse(&s.doc, text, len) != PROCTOR_OK) {
        s.count.failed++;
        diag("%s cannot be read", file->file);

    } else {
        for (group = 1; group < s.doc.nnodes; group = s.doc.nodes[group].next) {
            suite_group(&s, group);
        }
    }

    proctor_arena_destroy(s.doc.arena);
    proctor_json_free(&s.doc);
    free(text);

    ok(s.count.failed == 0,
        "%s: %u passed, %u schemas refused by name, "
        "%u exceptions",
        file->file, s.count.passed, s.count.refused, s.count.excepted);

    return s.count;
}


int
main(void)
{
    char *text;
    size_t i, len;
    suite_count_t count, sum[2];
    int optional;

    text = suite_read("type", &len);

    if (text == NULL) {
        printf("1..0 # SKIP the JSON Schema suite is not in PROCTOR_SUITES\n");
        return 0;
    }

    free(text);
    memset(sum, 0, sizeof(sum));

    for (i = 0; i < sizeof(suite_files) / sizeof(suite_files[0]); i++) {
        count = suite_run(&suite_files[i]);
        optional = strncmp(suite_files[i].file, "optional/", 9) == 0;
        sum[optional].passed += count.passed;
        sum[optional].refused += count.refused;
        sum[optional].excepted += count.excepted;
    }

    for (i = 0; i < sizeof(suite_exceptions) / sizeof(suite_exceptions[0]);
         i++) {
        ok(suite_exceptions[i].used, "%s fails still: %s",
            suite_exceptions[i].file, suite_exceptions[i].reason);
    }

    diag("required: %u passed, %u schemas refused by name, %u exceptions",
        sum[0].passed, sum[0].refused, sum[0].excepted);
    diag("optional: %u passed, %u schemas refused by name, %u exceptions",
        sum[1].passed, sum[1].refused, sum[1].excepted);

    return done_testing();
}
