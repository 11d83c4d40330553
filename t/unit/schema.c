/*
 * The schema engine's own promises, beside the official suite: what a
 * violation says and where it points, what a compiler refuses and how it says
 * so, and that no value and no schema makes a check run away.
 */

#include "proctor.h"
#include "tap.h"

#include <stdlib.h>
#include <time.h>


#define BUF 4096


typedef struct {
    const char *schema;
    const char *value;
    const char *want; /* "pointer message\n" for each; "!": a sentence */
} case_t;


static char faults[BUF];


static void
fault(void *data, const char *pointer, const char *reason)
{
    size_t len;

    (void) data;
    len = strlen(faults);
    snprintf(faults + len, BUF - len, "%s %s\n", pointer, reason);
}


static const case_t messages[] = {

    /* types */
    { "{\"type\":\"integer\"}", "1.5", " must be an integer\n" },
    { "{\"type\":\"integer\"}", "1e400", "" },
    { "{\"type\":\"integer\"}", "-0.0", "" },
    { "{\"type\":\"integer\"}", "1e-1", " must be an integer\n" },
    { "{\"type\":[\"string\",\"null\"]}", "1", " must be a string or null\n" },
    { "{\"type\":[\"string\",\"array\",\"null\"]}", "1",
        " must be a string, an array or null\n" },
    { "{\"type\":\"boolean\"}", "\"true\"", " must be a boolean\n" },

    /* the wrong type is all that is said */
    { "{\"type\":\"string\",\"enum\":[\"a\"]}", "1", " must be a string\n" },

    /* enum and const */
    { "{\"enum\":[\"complete\",\"failed\",\"cancelled\"]}", "\"done\"",
        " must be one of: complete, failed, cancelled\n" },
    { "{\"enum\":[\"\",\"not in\",1,0.1,null,{\"a\":1.0}]}", "true",
        " must be one of: \"\", \"not in\", 1, 0.1, null, {\"a\":1.0}\n" },
    { "{\"const\":5}", "6", " must be 5\n" },
    { "{\"const\":5}", "5.0", "" },
    { "{\"const\":{\"a\":1,\"b\":[2,\"x\"]}}",
        "{\"b\":[2.0,\"\\u0078\"],\"a\":1e0}", "" },
    { "{\"const\":\"a\\n\"}", "\"a\\u000a\"", "" },

    /* numbers, to the last digit */
    { "{\"maximum\":100}", "101", " must be at most 100\n" },
    { "{\"maximum\":100}", "1e2", "" },
    { "{\"maximum\":9007199254740992}", "9007199254740993",
        " must be at most 9007199254740992\n" },
    { "{\"maximum\":9223372036854775807}", "9223372036854775808",
        " must be at most 9223372036854775807\n" },
    { "{\"minimum\":1}", "0.99999999999999999999999", " must be at least 1\n" },
    { "{\"minimum\":1}", "1e999999999999999999999", "" },
    { "{\"minimum\":1}", "-1e999999999999999999999", " must be at least 1\n" },
    { "{\"minimum\":0}", "1e-999999999999999999999", "" },
    { "{\"exclusiveMinimum\":0}", "0.0", " must be greater than 0\n" },
    { "{\"exclusiveMinimum\":0}", "-0", " must be greater than 0\n" },
    { "{\"exclusiveMaximum\":0.1}", "0.10", " must be less than 0.1\n" },
    { "{\"multipleOf\":0.01}", "19.99", "" },
    { "{\"multipleOf\":0.01}", "19.991", " must be a multiple of 0.01\n" },
    { "{\"multipleOf\":3}", "111111111111111111111111111111", "" },
    { "{\"multipleOf\":3}", "111111111111111111111111111112",
        " must be a multiple of 3\n" },
    { "{\"multipleOf\":7}", "1e1000000000", " must be a multiple of 7\n" },
    { "{\"multipleOf\":8}", "1e1000000000", "" },
    { "{\"minimum\":2,\"multipleOf\":2}", "1",
        " must be at least 2\n must be a multiple of 2\n" },

    /* strings: code points, whatever the escapes */
    { "{\"minLength\":1}", "\"\"", " must have at least 1 character\n" },
    { "{\"maxLength\":2}", "\"abc\"", " must have at most 2 characters\n" },
    { "{\"maxLength\":1}", "\"\\ud83d\\ude00\"", "" },
    { "{\"maxLength\":1}", "\"\xf0\x9f\x98\x80\"", "" },
    { "{\"minLength\":2}", "\"\xf0\x9f\x98\x80\"",
        " must have at least 2 characters\n" },
    { "{\"minLength\":2}", "\"\\ud83d\\ude00\"",
        " must have at least 2 characters\n" },
    { "{\"pattern\":\"^[a-z]+$\"}", "\"a\\u0062c\"", "" },
    { "{\"pattern\":\"^[a-z]+$\"}", "\"A\"",
        " must match the pattern ^[a-z]+$\n" },
    { "{\"pattern\":\"^a.c$\"}", "\"a\\nc\"",
        " must match the pattern ^a.c$\n" },
    { "{\"pattern\":\"^[[:alpha:]$\"}", "\":\"", "" },
    { "{\"pattern\":\"^[\\\\S]$\"}", "\"\\u00a0\"",
        " must match the pattern ^[\\S]$\n" },
    { "{\"pattern\":\"^\\\\u{1F600}\\\\ud83d\\\\ude00\\\\x41\\\\v$\"}",
        "\"\\ud83d\\ude00\\ud83d\\ude00A\\u000b\"", "" },
    { "{\"pattern\":\"^\\\\p{Script=Greek}\\\\p{gc=Lu}$\"}",
        "\"\\u03b1\\u0391\"", "" },

    /* arrays */
    { "{\"minItems\":1}", "[]", " must have at least 1 item\n" },
    { "{\"maxItems\":2}", "[1,2,3]", " must have at most 2 items\n" },
    { "{\"uniqueItems\":true}", "[1,{\"a\":1,\"b\":2},{\"b\":2,\"a\":1.0}]",
        " must not have two equal items\n" },
    { "{\"items\":{\"type\":\"string\"}}", "[\"a\",1,\"b\",null]",
        "/1 must be a string\n/3 must be a string\n" },
    { "{\"prefixItems\":[true],\"items\":false}", "[1,2]",
        "/1 is not allowed\n" },
    { "{\"contains\":{\"const\":1}}", "[2]",
        " must have at least 1 item of the required form\n" },
    { "{\"contains\":{\"const\":1},\"maxContains\":1}", "[1,1.0]",
        " must have at most 1 item of the restricted form\n" },

    /* objects */
    { "{\"required\":[\"b\",\"a~/\"]}", "{\"c\":1}",
        "/b is required\n/a~0~1 is required\n" },
    { "{\"required\":[\"ab\"]}", "{\"\\u0061b\":null}", "" },
    { "{\"properties\":{\"a/b\":{\"properties\":{\"~\":{\"type\":\"null\"}}}}}",
        "{\"a\\/b\":{\"~\":1}}", "/a~1b/~0 must be null\n" },
    { "{\"properties\":{\"a\":true},\"additionalProperties\":false}",
        "{\"a\":1,\"b\":2}", "/b is not allowed\n" },
    { "{\"patternProperties\":{\"^x-\":{\"type\":\"string\"}},"
      "\"additionalProperties\":false}",
        "{\"x-a\":1,\"y\":2}", "/x-a must be a string\n/y is not allowed\n" },
    { "{\"propertyNames\":{\"maxLength\":1}}", "{\"ab\":1}",
        "/ab has a name that is not allowed\n" },
    { "{\"minProperties\":1}", "{}", " must have at least 1 member\n" },
    { "{\"maxProperties\":0}", "{\"a\":1}", " must have at most 0 members\n" },
    { "{\"dependentRequired\":{\"a\":[\"b\",\"c\"]}}", "{\"a\":1,\"c\":1}",
        "/b is required when a is present\n" },
    { "{\"dependentSchemas\":{\"a\":{\"required\":[\"b\"]}}}", "{\"a\":1}",
        "/b is required\n" },

    /* logic */
    { "false", "1", " is not allowed\n" },
    { "{\"not\":{\"type\":\"string\"}}", "\"\"",
        " has a form that is not allowed\n" },
    { "{\"allOf\":[{\"maximum\":1},{\"maximum\":1},{\"multipleOf\":2}]}", "3",
        " must be at most 1\n must be a multiple of 2\n" },
    { "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"integer\"}]}", "null",
        " does not fit any of the allowed forms\n" },
    { "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"integer\","
      "\"maximum\":1}]}",
        "2", " must be at most 1\n" },
    { "{\"oneOf\":[{\"$ref\":\"#/$defs/o\"},{\"type\":\"array\"}],"
      "\"$defs\":{\"o\":{\"type\":\"object\",\"required\":[\"a\"]}}}",
        "{}", "/a is required\n" },
    { "{\"oneOf\":[{\"minimum\":1},{\"minimum\":2}]}", "3",
        " must fit exactly one of the allowed forms\n" },
    { "{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]},"
      "\"else\":{\"required\":[\"c\"]}}",
        "{\"a\":1}", "/b is required\n" },

    /* a tree */
    { "{\"properties\":{\"next\":{\"$ref\":\"#\"}},"
      "\"additionalProperties\":false}",
        "{\"next\":{\"next\":{\"nxt\":1}}}",
        "/next/next/nxt is not allowed\n" },

    /* references to references, with and without rules of their own */
    { "{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},"
      "\"b\":{\"type\":\"integer\"}}}",
        "\"\"", " must be an integer\n" },
    { "{\"items\":{\"$ref\":\"#/$defs/a\"},\"$defs\":{\"a\":{\"$ref\":"
      "\"#/$defs/b\",\"maximum\":3},\"b\":{\"type\":\"integer\"}}}",
        "[1,4,1.5]", "/1 must be at most 3\n/2 must be an integer\n" },
    { "{\"prefixItems\":[{\"$ref\":\"#/$defs/"
      "a\"}],\"patternProperties\":{\"x\":"
      "{\"$ref\":\"#/$defs/a\"}},\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\","
      "\"x-proctor\":{\"error\":\"No.\"}},\"b\":{\"type\":\"null\"}}}",
        "{\"ax\":1,\"b\":1}", "/ax !No.\n" },
    { "{\"items\":{\"$ref\":\"#/$defs/a\"},\"$defs\":{\"a\":{\"$ref\":"
      "\"#/$defs/b\"},\"b\":false}}",
        "[1]", "/0 is not allowed\n" },

    /* members that no rule names, beside those that one does */
    { "{\"properties\":{\"b\":{\"type\":\"string\"}},\"required\":[\"c\"]}",
        "{\"a\":1,\"\\u0062\":2,\"\\u0063\":3,\"d\":4}",
        "/b must be a string\n" },
    { "{\"properties\":{\"b\":{\"type\":\"string\"}},"
      "\"additionalProperties\":{\"type\":\"null\"}}",
        "{\"a\":1,\"b\":\"\"}", "/a must be null\n" },
    { "{\"properties\":{\"b\":{}},\"propertyNames\":{\"maxLength\":1}}",
        "{\"aa\":1,\"b\":2}", "/aa has a name that is not allowed\n" },

    /* formats */
    { "{\"format\":\"date-time\"}", "\"2024-13-01T00:00:00Z\"",
        " must be a date-time (RFC 3339)\n" },
    { "{\"format\":\"int32\"}", "2147483648",
        " must be in the range of int32\n" },
    { "{\"format\":\"int64\"}", "-9223372036854775808", "" },
    { "{\"format\":\"int64\"}", "9223372036854775808",
        " must be in the range of int64\n" },
    { "{\"format\":\"double\"}", "1e400", "" },
    { "{\"format\":\"uuid\"}", "5", "" },

    /* both said of the same text, although the pointer needs decoding too */
    { "{\"properties\":{\"k\":{\"pattern\":\"^z\",\"format\":\"date\"}}}",
        "{\"\\u006b\":\"\\u0032024-01-01\"}",
        "/k must match the pattern ^z\n" },
    { "{\"properties\":{\"a\":{\"const\":1}}}", "{\"\\u0061\":2}",
        "/a must be 1\n" },
    { "{\"additionalProperties\":false}", "{\"a\\u0000b\":2}",
        "/a\xef\xbf\xbd"
        "b is not allowed\n" },

    /* x-proctor */
    { "{\"x-proctor\":{\"error\":\"Give one of both.\",\"fields\":[\"a\","
      "\"b\"]},\"oneOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}]}",
        "{}", "/a !Give one of both.\n/b !Give one of both.\n" },
    { "{\"properties\":{\"o\":{\"x-proctor\":{\"error\":\"No.\"},"
      "\"required\":[\"a\",\"b\"]}}}",
        "{\"o\":{}}", "/o !No.\n" },
    { "{\"allOf\":[{\"x-proctor\":{\"error\":\"No.\",\"fields\":[\"a\"]},"
      "\"required\":[\"a\"]},{\"required\":[\"b\"]}]}",
        "{}", "/a !No.\n/b is required\n" },
};

/* schema in `schema`, faults in `want`; the value is not used */

static const case_t refusals[] = {
    { "{\"unevaluatedProperties\":false}", "",
        "/unevaluatedProperties unevaluatedProperties is not supported\n" },
    { "{\"properties\":{\"a\":{\"unevaluatedItems\":false}}}", "",
        "/properties/a/unevaluatedItems unevaluatedItems is not supported\n" },
    { "{\"$dynamicRef\":\"#a\",\"$dynamicAnchor\":\"a\"}", "",
        "/$dynamicRef $dynamicRef is not supported\n"
        "/$dynamicAnchor $dynamicAnchor is not supported\n" },
    { "{\"$vocabulary\":{}}", "",
        "/$vocabulary $vocabulary is not supported\n" },
    { "{\"$recursiveRef\":\"#\"}", "",
        "/$recursiveRef $recursiveRef is not supported\n" },
    { "{\"xml\":{}}", "", "/xml xml is not supported\n" },
    { "{\"discriminator\":{}}", "",
        "/discriminator discriminator is not supported\n" },
    { "{\"nullable\":true}", "",
        "/nullable nullable is not a keyword of JSON Schema 2020-12\n" },
    { "{\"a/b~\":1}", "",
        "/a~1b~0 a/b~ is not a keyword of JSON Schema 2020-12\n" },
    { "{\"$ref\":\"http://example.com/a\"}", "",
        "/$ref $ref outside the document is not supported: "
        "http://example.com/a\n" },
    { "{\"$ref\":\"other.json#/a\"}", "",
        "/$ref $ref outside the document is not supported: other.json#/a\n" },
    { "{\"$ref\":\"#/$defs/b\"}", "",
        "/$ref $ref leads to nothing: #/$defs/b\n" },
    { "{\"$ref\":\"#nobody\"}", "", "/$ref $ref leads to nothing: #nobody\n" },
    { "{\"$ref\":\"#/%zz\"}", "", "/$ref $ref leads to nothing: #/%zz\n" },
    { "{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}", "",
        "/$schema $schema other than "
        "https://json-schema.org/draft/2020-12/schema is not supported\n" },

    /* all at once, each where it stands */
    { "{\"maximum\":\"1\",\"minLength\":-1,\"required\":\"a\","
      "\"allOf\":[],\"items\":[true]}",
        "",
        "/maximum maximum must be a number\n"
        "/minLength minLength must be an integer that is not negative\n"
        "/required required must be an array\n"
        "/allOf allOf must be an array with at least one schema\n"
        "/items a schema must be an object or a boolean\n" },
    { "{\"type\":\"float\"}", "",
        "/type type must be null, boolean, integer, number, string, array, "
        "object, or an array of these\n" },
    { "{\"type\":[]}", "",
        "/type type must be null, boolean, integer, number, string, array, "
        "object, or an array of these\n" },
    { "{\"required\":[1]}", "",
        "/required required must be an array of strings\n" },
    { "{\"minItems\":1.5}", "",
        "/minItems minItems must be an integer that is not negative\n" },
    { "{\"multipleOf\":0}", "",
        "/multipleOf multipleOf must be greater than 0\n" },
    { "{\"enum\":{}}", "", "/enum enum must be an array\n" },
    { "{\"properties\":[]}", "", "/properties properties must be an object\n" },
    { "{\"uniqueItems\":1}", "",
        "/uniqueItems uniqueItems must be a boolean\n" },
    { "{\"$defs\":{\"a\":{\"title\":1},\"b\":3}}", "",
        "/$defs/a/title title must be a string\n"
        "/$defs/b a schema must be an object or a boolean\n" },
    { "{\"anyOf\":[null,null]}", "",
        "/anyOf/0 a schema must be an object or a boolean\n"
        "/anyOf/1 a schema must be an object or a boolean\n" },
    { "{\"dependentRequired\":{\"a\":1}}", "",
        "/dependentRequired dependentRequired must be an object of arrays of "
        "strings\n" },
    { "3", "", " a schema must be an object or a boolean\n" },

    /* patterns that ECMA-262 does not know, or nobody */
    { "{\"pattern\":\"(?i)a\"}", "",
        "/pattern the pattern has a group that ECMA-262 does not know\n" },
    { "{\"pattern\":\"a++\"}", "",
        "/pattern the pattern has a quantifier after a quantifier\n" },
    { "{\"pattern\":\"\\\\Aa\"}", "",
        "/pattern the pattern has an escape that ECMA-262 does not know\n" },
    { "{\"pattern\":\"(*UCP)a\"}", "",
        "/pattern the pattern has nothing before *\n" },
    { "{\"patternProperties\":{\"(\":true}}", "",
        "/patternProperties/( the pattern is not one: missing closing "
        "parenthesis\n" },

    /* formats */
    { "{\"format\":\"iri\"}", "", "/format format iri is not supported\n" },
    { "{\"format\":\"colour\"}", "",
        "/format format colour is not supported\n" },

    /* references without an end */
    { "{\"$ref\":\"#\"}", "", " the reference never ends\n" },
    { "{\"$defs\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/b\"}]},"
      "\"b\":{\"if\":{\"$ref\":\"#/$defs/a\"}}}}",
        "", "/$defs/b/if the reference never ends\n" },
    { "{\"dependentSchemas\":{\"a\":{\"not\":{\"$ref\":\"#\"}}}}", "",
        "/dependentSchemas/a/not the reference never ends\n" },

    /* names given twice */
    { "{\"$defs\":{\"a\":{\"$anchor\":\"x\"},\"b\":{\"$anchor\":\"x\"}}}", "",
        "/$defs/b the $anchor x is that of another schema\n" },
    { "{\"$defs\":{\"a\":{\"$id\":\"x\"},\"b\":{\"$id\":\"x\"}}}", "",
        "/$defs/b the $id x is that of another schema\n" },
    { "{\"$anchor\":\"1\"}", "",
        "/$anchor $anchor must start with a letter or _ and go on with "
        "letters, digits, -, _ and .\n" },

    /* x-proctor */
    { "{\"x-proctor\":{\"errors\":\"x\"}}", "",
        "/x-proctor x-proctor of a schema has no member errors\n" },
    { "{\"x-proctor\":{\"fields\":[\"a\"]}}", "",
        "/x-proctor x-proctor of a schema needs error, a sentence\n" },
    { "{\"x-proctor\":{\"error\":\"x\",\"fields\":[]}}", "",
        "/x-proctor fields must be an array with at least one name\n" },
    { "{\"x-proctor\":true}", "", "/x-proctor x-proctor must be an object\n" },
};


/* a schema of a document of its own */

typedef struct {
    proctor_arena_t *arena;
    json_t *json;
    proctor_schema_set_t *set;
    proctor_report_t report;
} fixture_t;


static const proctor_schema_t *
compile(fixture_t *f, const char *text, const char *pointer)
{
    faults[0] = '\0';
    memset(f, 0, sizeof(*f));
    f->report.fault = fault;
    f->arena = proctor_arena_create(0);
    f->json = json_loads(text, JSON_DECODE_ANY, NULL);
    f->set = proctor_schema_set_create(
        f->arena, f->json, PROCTOR_SCHEMA_FORMAT, &f->report);

    return proctor_schema_compile(f->set, pointer);
}


static void
finish(fixture_t *f)
{
    proctor_arena_destroy(f->arena);
    json_decref(f->json);
}


/* checks a text, with its violations in `got`, one a line */
static int
check(const proctor_schema_t *schema, const char *text, size_t len,
    const char *prefix, char *got)
{
    int rc;
    size_t n;
    proctor_json_t doc;
    proctor_violations_t out;
    const proctor_violation_t *v;

    memset(&out, 0, sizeof(out));
    out.arena = proctor_arena_create(0);
    proctor_json_init(&doc);
    got[0] = '\0';

    rc = proctor_json_parse(&doc, text, len);

    if (rc == PROCTOR_OK) {
        rc = proctor_schema_check(schema, &doc, 0, prefix, &out);
    }

    for (v = out.first; v != NULL; v = v->next) {
        n = strlen(got);
        snprintf(got + n, BUF - n, "%s %s%s\n", v->pointer,
            v->sentence ? "!" : "", v->message);
    }

    proctor_json_free(&doc);
    proctor_arena_destroy(out.arena);

    return rc;
}


static void
test_messages(void)
{
    size_t i;
    char got[BUF];
    fixture_t f;
    const case_t *c;
    const proctor_schema_t *schema;

    for (i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        c = &messages[i];
        schema = compile(&f, c->schema, "");

        if (!ok(schema != NULL, "%s compiles", c->schema)) {
            diag("%s", faults);

        } else {
            is_int(check(schema, c->value, strlen(c->value), NULL, got),
                c->want[0] == '\0' ? PROCTOR_OK : PROCTOR_INVALID,
                "%s: the verdict on %s", c->schema, c->value);
            is_str(got, c->want, "%s: what is said of %s", c->schema, c->value);
        }

        finish(&f);
    }
}


static void
test_refusals(void)
{
    size_t i;
    fixture_t f;
    const case_t *c;

    for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        c = &refusals[i];
        ok(compile(&f, c->schema, "") == NULL, "%s is refused", c->schema);
        is_str(faults, c->want, "%s: why", c->schema);
        finish(&f);
    }
}


static void
test_set(void)
{
    char got[BUF];
    fixture_t f;
    const proctor_schema_t *schema;
    static const char document[] =
        "{\"components\":{\"schemas\":{\"A\":{\"type\":\"integer\"},"
        "\"B\":{\"$ref\":\"#/components/schemas/A\",\"maximum\":3},"
        "\"C\":{\"nope\":1},\"D\":{\"type\":[\"integer\",\"null\"]},"
        "\"E\":{\"type\":\"boolean\"}}}}";

    schema = compile(&f, document, "/components/schemas/B");
    ok(schema != NULL, "a schema inside a document compiles");
    is_int(proctor_schema_type(schema), PROCTOR_JSON_NUMBER,
        "its type is that of what it refers to");
    ok(proctor_schema_is_integer(schema), "and integer");
    ok(proctor_schema_compile(f.set, "/components/schemas/B") == schema,
        "a schema is compiled once");

    check(schema, "4", 1, "/body", got);
    is_str(got, "/body must be at most 3\n", "the prefix leads each pointer");

    schema = proctor_schema_compile(f.set, "/components/schemas/D");
    is_int(proctor_schema_type(schema), -1, "two types are not one");
    schema = proctor_schema_compile(f.set, "/components/schemas/E");
    is_int(proctor_schema_type(schema), PROCTOR_JSON_TRUE,
        "a boolean's type is TRUE");

    ok(proctor_schema_compile(f.set, "/components/schemas/C") == NULL,
        "a faulty neighbour is refused");
    ok(proctor_schema_compile(f.set, "/components/schemas/C") == NULL,
        "and stays refused");
    is_str(faults,
        "/components/schemas/C/nope nope is not a keyword of JSON Schema "
        "2020-12\n",
        "but is told once");
    ok(proctor_schema_compile(f.set, "/components/schemas/F") == NULL,
        "a pointer to nothing is refused");
    finish(&f);
}


/* text repeated; the caller frees it */
static char *
repeat(const char *head, const char *body, unsigned n, const char *tail)
{
    char *text, *p;

    text = malloc(strlen(head) + strlen(body) * n + strlen(tail) + 1);
    p = text + sprintf(text, "%s", head);

    while (n-- > 0) {
        p += sprintf(p, "%s", body);
    }

    sprintf(p, "%s", tail);

    return text;
}


static double
milliseconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}


static void
test_patterns(void)
{
    size_t i;
    char *text;
    char got[BUF];
    double start, took;
    fixture_t f;
    const proctor_schema_t *schema;
    static const char *const patterns[] = {
        "{\"pattern\":\"^(a+)+$\"}",
        "{\"pattern\":\"(a|aa)+$\"}",
        "{\"pattern\":\"a*b\"}",
        "{\"pattern\":\"(.*.*.*)*x\"}",
        "{\"pattern\":\"^(([a-z])+.)+[A-Z]([a-z])+$\"}",
    };

    /* as text, not as times: the limit of work is what bounds the time, and
       sanitizers and busy machines are given room */

    for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        schema = compile(&f, patterns[i], "");
        text = repeat("\"", "aaaaaaaaaaaaaaaaaaaa", 5000, "!\"");
        start = milliseconds();
        is_int(check(schema, text, strlen(text), "", got), PROCTOR_INVALID,
            "%s: what takes too long does not match", patterns[i]);
        took = milliseconds() - start;
        ok(took < 500, "%s: and takes no time", patterns[i]);
        diag("%.1f ms", took);
        free(text);
        finish(&f);
    }

    schema = compile(&f, "{\"pattern\":\"^(ab)*$\"}", "");
    text = repeat("\"", "ab", 20000, "\"");
    is_int(check(schema, text, strlen(text), "", got), PROCTOR_OK,
        "a long text that fits is not refused");
    free(text);
    finish(&f);
}


static void
test_bounds(void)
{
    char *text;
    char got[BUF];
    double start;
    fixture_t f;
    const proctor_schema_t *schema;

    /* each level asks twice for the next: 2^100 without a budget */

    schema = compile(&f,
        "{\"anyOf\":[{\"items\":{\"$ref\":\"#\"},\"minItems\":1},"
        "{\"items\":{\"$ref\":\"#\"},\"minItems\":1}]}",
        "");
    text = repeat("", "[", 100, "");
    text = realloc(text, 256);
    memset(text + 100, ']', 100);
    text[200] = '\0';
    start = milliseconds();
    is_int(check(schema, text, strlen(text), "", got), PROCTOR_ERROR,
        "the budget ends what anyOf multiplies");
    diag("%.1f ms", milliseconds() - start);
    free(text);
    finish(&f);

    /* as deep as JSON may be, three schemas a level */

    schema = compile(&f,
        "{\"anyOf\":[{\"const\":0},{\"$ref\":\"#/$defs/list\"}],"
        "\"$defs\":{\"list\":{\"type\":\"array\",\"items\":{\"$ref\":"
        "\"#\"}}}}",
        "");
    text = malloc(2 * PROCTOR_JSON_DEPTH + 1);
    memset(text, '[', PROCTOR_JSON_DEPTH);
    memset(text + PROCTOR_JSON_DEPTH, ']', PROCTOR_JSON_DEPTH);
    is_int(check(schema, text, 2 * PROCTOR_JSON_DEPTH, "", got), PROCTOR_OK,
        "a recursive schema takes the deepest value there is");
    free(text);
    finish(&f);
}


static void
test_many(void)
{
    char *text, *p;
    char got[BUF];
    double start;
    fixture_t f;
    unsigned i, n;
    const proctor_schema_t *schema;

    schema = compile(&f, "{\"uniqueItems\":true}", "");
    text = malloc(1024 * 1024);
    p = text + sprintf(text, "[[1,2,{\"a\":[]}]");

    for (i = 0; i < 20000; i++) {
        p += sprintf(p, ",%u", i);
    }

    sprintf(p, "]");
    start = milliseconds();
    is_int(check(schema, text, strlen(text), "", got), PROCTOR_OK,
        "20,000 different items are different");
    diag("%.1f ms", milliseconds() - start);
    sprintf(p, ",1.0]");
    is_int(check(schema, text, strlen(text), "", got), PROCTOR_INVALID,
        "and one more is found equal");
    free(text);
    finish(&f);

    schema = compile(&f, "{\"items\":{\"type\":\"null\"}}", "");
    text = repeat("[0", ",0", 1000, "]");
    check(schema, text, strlen(text), "", got);

    for (i = 0, n = 0; got[i] != '\0'; i++) {
        n += (got[i] == '\n');
    }

    is_int(n, PROCTOR_VIOLATIONS_MAX, "no more violations than the maximum");
    free(text);
    finish(&f);

    text = repeat("", "{\"not\":", 300, "true");
    text = realloc(text, strlen(text) + 301);
    i = (unsigned) strlen(text);
    memset(text + i, '}', 300);
    text[i + 300] = '\0';
    ok(compile(&f, text, "") == NULL, "schemas are not nested without end");
    ok(strstr(faults, "schemas and references are nested more than 256 deep")
            != NULL,
        "which is told");
    free(text);
    finish(&f);
}


int
main(void)
{
    test_messages();
    test_refusals();
    test_set();
    test_patterns();
    test_bounds();
    test_many();

    return done_testing();
}
