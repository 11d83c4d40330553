/*
 * What the requests and answers of a contract's operations carry.
 *
 * A request's body is JSON and has a schema.  Answers are not checked, but
 * their schemas are compiled and dropped all the same: whoever reads the
 * contract may rely on every word of it.
 */

#include <string.h>

#include "proctor_contract.h"


static void proctor_contract_request_content(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, void *out);
static void proctor_contract_media_type(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_response_entry(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, void *out);
static int proctor_contract_is_status(const char *name);
static void proctor_contract_headers(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_content(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_content_entry(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, void *out);


static const proctor_member_t proctor_contract_body_members[] = {
    { "description", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "required", PROCTOR_OPTIONAL, proctor_document_boolean,
        offsetof(proctor_contract_body_t, required) },
    { "content", PROCTOR_REQUIRED, proctor_contract_request_content, 0 },
    { NULL, 0, NULL, 0 }
};

static const proctor_member_t proctor_contract_request_content_members[] = {
    { "application/json", PROCTOR_REQUIRED, proctor_contract_media_type,
        offsetof(proctor_contract_body_t, schema) },
    { NULL, 0, NULL, 0 }
};

static const proctor_member_t proctor_contract_media_type_members[] = {
    { "schema", PROCTOR_REQUIRED, proctor_contract_schema, 0 },
    { "example", PROCTOR_OPTIONAL, proctor_document_any, 0 },
    { "examples", PROCTOR_OPTIONAL, proctor_contract_examples, 0 },
    { NULL, 0, NULL, 0 }
};

static const proctor_member_t proctor_contract_response_members[] = {
    { "description", PROCTOR_REQUIRED, proctor_document_text, 0 },
    { "headers", PROCTOR_OPTIONAL, proctor_contract_headers, 0 },
    { "content", PROCTOR_OPTIONAL, proctor_contract_content, 0 },
    { NULL, 0, NULL, 0 }
};

static const proctor_member_t proctor_contract_header_members[] = {
    { "description", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "required", PROCTOR_OPTIONAL, proctor_document_flag, 0 },
    { "deprecated", PROCTOR_OPTIONAL, proctor_document_flag, 0 },
    { "schema", PROCTOR_REQUIRED, proctor_contract_schema, 0 },
    { "example", PROCTOR_OPTIONAL, proctor_document_any, 0 },
    { "examples", PROCTOR_OPTIONAL, proctor_contract_examples, 0 },
    { NULL, 0, NULL, 0 }
};

static const proctor_member_t proctor_contract_example_members[] = {
    { "summary", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "description", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "value", PROCTOR_OPTIONAL, proctor_document_any, 0 },
    { "externalValue", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { NULL, 0, NULL, 0 }
};


void
proctor_contract_request_body(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_where_t target;

    value = proctor_document_resolve(doc, value, &at, &target);

    if (value != NULL) {
        proctor_document_object(
            doc, value, at, proctor_contract_body_members, out);
    }
}


static void
proctor_contract_request_content(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_object(
        doc, value, at, proctor_contract_request_content_members, out);
}


static void
proctor_contract_media_type(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_object(
        doc, value, at, proctor_contract_media_type_members, out);
}


void
proctor_contract_schema(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    const proctor_schema_t **schema = out;

    (void) value;

    *schema = proctor_document_schema(doc, at);
}


void
proctor_contract_responses(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_map(doc, value, at, proctor_contract_response_entry, out);
}


static void
proctor_contract_response_entry(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    int *answers = out, has_body;

    has_body = 0;

    if (!proctor_contract_is_status(at->name)) {
        proctor_document_fault(doc, at, "must be a status code or \"default\"");
        return;
    }

    proctor_contract_response(doc, value, at, &has_body);

    if (has_body && at->name[0] == '2') {
        *answers = 1;
    }
}


/* "404", "4XX" or "default" */

static int
proctor_contract_is_status(const char *name)
{
    if (strcmp(name, "default") == 0) {
        return 1;
    }

    if (strlen(name) != 3 || name[0] < '1' || name[0] > '5') {
        return 0;
    }

    return strcmp(name + 1, "XX") == 0 || strspn(name + 1, "0123456789") == 2;
}


void
proctor_contract_response(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_where_t target;

    value = proctor_document_resolve(doc, value, &at, &target);

    if (value != NULL) {
        proctor_document_object(
            doc, value, at, proctor_contract_response_members, out);
    }
}


static void
proctor_contract_headers(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_map(doc, value, at, proctor_contract_header, out);
}


void
proctor_contract_header(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_where_t target;
    const proctor_schema_t *dropped;

    (void) out;

    value = proctor_document_resolve(doc, value, &at, &target);

    if (value != NULL) {
        proctor_document_object(
            doc, value, at, proctor_contract_header_members, &dropped);
    }
}


static void
proctor_contract_content(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    int *has_body = out;

    *has_body = json_object_size(value) != 0;

    proctor_document_map(doc, value, at, proctor_contract_content_entry, NULL);
}


static void
proctor_contract_content_entry(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    const proctor_schema_t *dropped;

    (void) out;

    if (strchr(at->name, '/') == NULL) {
        proctor_document_fault(doc, at, "must be a media type");
        return;
    }

    proctor_contract_media_type(doc, value, at, &dropped);
}


void
proctor_contract_examples(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    (void) out;

    proctor_document_map(doc, value, at, proctor_contract_example, NULL);
}


void
proctor_contract_example(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_where_t target;

    value = proctor_document_resolve(doc, value, &at, &target);

    if (value != NULL) {
        proctor_document_object(
            doc, value, at, proctor_contract_example_members, out);
    }
}
