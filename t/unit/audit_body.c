/*
 * A body as its record holds it: all of it but what the contract hides.
 */

#include <stdlib.h>
#include <string.h>

#include "proctor.h"
#include "tap.h"


#define POINTERS 4


static void
body_is(const char *text, const char *const *pointers, const char *wanted)
{
    size_t len;
    char buf[PROCTOR_AUDIT_LINE];
    proctor_str_t redact[POINTERS], body;
    proctor_json_t doc;
    proctor_operation_t operation;

    memset(&operation, 0, sizeof(proctor_operation_t));
    operation.redact = redact;

    for (; pointers[operation.nredact] != NULL; operation.nredact++) {
        redact[operation.nredact].data = pointers[operation.nredact];
        redact[operation.nredact].len = strlen(pointers[operation.nredact]);
    }

    body.data = text;
    body.len = strlen(text);

    proctor_json_init(&doc);
    proctor_json_parse(&doc, text, body.len);
    len = proctor_audit_body(&operation, &doc, &body, buf);
    is_mem(buf, len, wanted, "%s", text);
    proctor_json_free(&doc);
}


static void
body_test_redacted(void)
{
    size_t i;
    static const struct {
        const char *text;
        const char *pointers[POINTERS];
        const char *wanted;
    } cases[] = {
        { "{\"a\":1}", { NULL }, "{\"a\":1}" },
        { "{\"a\":1}", { "/b", "/a/b", "/0" }, "{\"a\":1}" },
        { "{\"a\" : \"secret\" }", { "/a" }, "{\"a\" : \"[redacted]\" }" },
        { "{\"a\":\"x\\\"y\",\"b\":2}", { "/a" },
            "{\"a\":\"[redacted]\",\"b\":2}" },
        { "{\"\\u0061\":\"x\"}", { "/a" }, "{\"\\u0061\":\"[redacted]\"}" },
        { "{\"a\":\"\"}", { "/a" }, "{\"a\":\"[redacted]\"}" },
        { "{\"a\":-1.5e3,\"b\":true,\"c\":null}", { "/c", "/a", "/b" },
            "{\"a\":\"[redacted]\",\"b\":\"[redacted]\",\"c\":\"[redacted]"
            "\"}" },
        { "{\"a\":{\"b\":[\"]}\",{}]},\"c\":1}", { "/a" },
            "{\"a\":\"[redacted]\",\"c\":1}" },
        { "{\"a\":{\"b\":[1,2]},\"c\":1}", { "/a/b/1", "/a", "/a/b" },
            "{\"a\":\"[redacted]\",\"c\":1}" },
        { "{\"a\":{\"b\":[1,2]},\"c\":1}", { "/a/b/1", "/c" },
            "{\"a\":{\"b\":[1,\"[redacted]\"]},\"c\":\"[redacted]\"}" },
        { "[{\"k\":1},{\"k\":2}]", { "/1/k", "/0/k" },
            "[{\"k\":\"[redacted]\"},{\"k\":\"[redacted]\"}]" },
        { "{\"a/b\":1,\"c~d\":[]}", { "/a~1b", "/c~0d" },
            "{\"a/b\":\"[redacted]\",\"c~d\":\"[redacted]\"}" },
        { "{\"a\":1", { "/b" }, "" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        body_is(cases[i].text, cases[i].pointers, cases[i].wanted);
    }
}


/* the record says that it was cut, which takes more text than it has room */

static void
body_test_long(void)
{
    size_t len, i;
    char buf[PROCTOR_AUDIT_LINE + 1], line[PROCTOR_AUDIT_LINE];
    char *text;
    json_t *record;
    proctor_str_t redact = proctor_str("/s"), body;
    proctor_json_t doc;
    proctor_operation_t operation;
    proctor_audit_record_t r;

    memset(&operation, 0, sizeof(proctor_operation_t));
    operation.redact = &redact;
    operation.nredact = 1;

    body.len = 100000;
    body.data = text = malloc(body.len);
    memset(text, 'x', body.len);
    memcpy(text, "{\"s\":\"", 6);

    for (i = 4000; i < 5000; i++) {
        text[i] = ' ';
    }

    memcpy(text + 4000, "\",\"t\":\"", 7);
    memcpy(text + body.len - 2, "\"}", 2);

    proctor_json_init(&doc);
    is_int(proctor_json_parse(&doc, text, body.len), PROCTOR_OK, "100 kB");
    buf[PROCTOR_AUDIT_LINE] = '#';
    len = proctor_audit_body(&operation, &doc, &body, buf);
    is_int(len, PROCTOR_AUDIT_LINE, "a long body: its beginning");
    is_int(buf[PROCTOR_AUDIT_LINE], '#', "and no byte more");
    ok(memcmp(buf, "{\"s\":\"[redacted]\",\"t\":\" ", 24) == 0,
        "without what is hidden");
    proctor_json_free(&doc);
    free(text);

    memset(&r, 0, sizeof(proctor_audit_record_t));
    r.kind = (proctor_str_t) proctor_str("intent");
    r.unfinished = 1;
    r.upstream_ms = -1;
    r.body.data = buf;
    r.body.len = len;
    len = proctor_audit_log_format(&r, line);
    ok(len <= PROCTOR_AUDIT_LINE && len > PROCTOR_AUDIT_LINE - 400,
        "in a record it gets the room that is left: %zu bytes", len);

    record = json_loadb(line, len, 0, NULL);
    is_str(
        json_string_value(json_array_get(json_object_get(record, "trunc"), 0)),
        "body", "which says that it was cut");
    ok(json_object_get(record, "duration_ms") == NULL,
        "and that it goes on, in that it has no duration");
    json_decref(record);
}


int
main(void)
{
    body_test_redacted();
    body_test_long();

    return done_testing();
}
