/*
 * A contract's components, and the security requirements that name some.
 *
 * Components are compiled where they stand, whether or not anything refers to
 * them: a mistake in one must not wait for the day somebody uses it.  What is
 * read here is dropped; operations read the same values through references.
 */

#include <string.h>
#include <strings.h>

#include "proctor_contract.h"


static void proctor_contract_schemas(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_schemas_item(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, void *out);
static void proctor_contract_parameters(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_parameters_item(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, void *out);
static void proctor_contract_bodies(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_bodies_item(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_answers(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_answers_item(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, void *out);
static void proctor_contract_header_items(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, void *out);
static void proctor_contract_schemes(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_schemes_item(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, void *out);
static void proctor_contract_scheme_type(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_scheme(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_requirement(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_requirement_name(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, void *out);


static const proctor_member_t proctor_contract_components_members[] = {
    { "schemas", PROCTOR_OPTIONAL, proctor_contract_schemas, 0 },
    { "parameters", PROCTOR_OPTIONAL, proctor_contract_parameters, 0 },
    { "requestBodies", PROCTOR_OPTIONAL, proctor_contract_bodies, 0 },
    { "responses", PROCTOR_OPTIONAL, proctor_contract_answers, 0 },
    { "headers", PROCTOR_OPTIONAL, proctor_contract_header_items, 0 },
    { "securitySchemes", PROCTOR_OPTIONAL, proctor_contract_schemes, 0 },
    { "examples", PROCTOR_OPTIONAL, proctor_contract_examples, 0 },
    { NULL, 0, NULL, 0 }
};

static const proctor_member_t proctor_contract_scheme_members[] = {
    { "type", PROCTOR_REQUIRED, proctor_contract_scheme_type, 0 },
    { "scheme", PROCTOR_REQUIRED, proctor_contract_scheme, 0 },
    { "bearerFormat", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "description", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { NULL, 0, NULL, 0 }
};


void
proctor_contract_components(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_object(
        doc, value, at, proctor_contract_components_members, out);
}


static void
proctor_contract_schemas(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_map(doc, value, at, proctor_contract_schemas_item, out);
}


static void
proctor_contract_schemas_item(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    const proctor_schema_t *dropped;

    (void) out;

    proctor_contract_schema(doc, value, at, &dropped);
}


static void
proctor_contract_parameters(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_map(doc, value, at, proctor_contract_parameters_item, out);
}


static void
proctor_contract_parameters_item(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_param_t dropped;
    proctor_where_t target;

    (void) out;

    value = proctor_document_resolve(doc, value, &at, &target);

    if (value != NULL) {
        proctor_contract_param(doc, value, at, &dropped);
    }
}


static void
proctor_contract_bodies(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_map(doc, value, at, proctor_contract_bodies_item, out);
}


static void
proctor_contract_bodies_item(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_contract_body_t dropped;

    (void) out;

    proctor_contract_request_body(doc, value, at, &dropped);
}


static void
proctor_contract_answers(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_map(doc, value, at, proctor_contract_answers_item, out);
}


static void
proctor_contract_answers_item(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    int dropped;

    (void) out;

    proctor_contract_response(doc, value, at, &dropped);
}


static void
proctor_contract_header_items(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_map(doc, value, at, proctor_contract_header, out);
}


static void
proctor_contract_schemes(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_map(doc, value, at, proctor_contract_schemes_item, out);
}


static void
proctor_contract_schemes_item(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_where_t target;

    value = proctor_document_resolve(doc, value, &at, &target);

    if (value != NULL) {
        proctor_document_object(
            doc, value, at, proctor_contract_scheme_members, out);
    }
}


static void
proctor_contract_scheme_type(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    (void) out;

    if (!json_is_string(value)
        || strcmp(json_string_value(value), "http") != 0) {
        proctor_document_fault(
            doc, at, "must be \"http\": callers send Authorization: Bearer");
    }
}


static void
proctor_contract_scheme(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    (void) out;

    if (!json_is_string(value)
        || strcasecmp(json_string_value(value), "bearer") != 0) {
        proctor_document_fault(
            doc, at, "must be \"bearer\": callers send Authorization: Bearer");
    }
}


void
proctor_contract_security(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    if (json_is_array(value) && json_array_size(value) == 0) {
        proctor_document_fault(
            doc, at, "must not be empty: every caller needs a key");
        return;
    }

    proctor_document_array(doc, value, at, proctor_contract_requirement, out);
}


static void
proctor_contract_requirement(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    if (json_is_object(value) && json_object_size(value) == 0) {
        proctor_document_fault(
            doc, at, "must not be empty: every caller needs a key");
        return;
    }

    proctor_document_map(
        doc, value, at, proctor_contract_requirement_name, out);
}


static void
proctor_contract_requirement_name(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    json_t *schemes;

    (void) out;

    schemes = json_object_get(
        json_object_get(doc->root, "components"), "securitySchemes");

    if (json_object_get(schemes, at->name) == NULL) {
        proctor_document_fault(doc, at, "names no security scheme");
        return;
    }

    /* scopes belong to OAuth 2: a team's rights are ours to keep */
    if (!json_is_array(value) || json_array_size(value) != 0) {
        proctor_document_fault(doc, at, "must be an empty array");
    }
}
