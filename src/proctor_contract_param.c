/*
 * The parameters of a contract's operations: path, query and header.
 *
 * What stands in a path, a query or a header is text; it becomes a value by
 * the schema's type, so the type must be one, simple, and said.  An operation's
 * list begins with its path item's, and replaces what it declares anew.
 */

#include <string.h>
#include <strings.h>

#include "proctor_contract.h"


static void proctor_contract_params_item(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static proctor_param_t *proctor_contract_params_slot(proctor_document_t *doc,
    const proctor_where_t *at, proctor_contract_params_t *params,
    const proctor_param_t *param);
static void proctor_contract_in(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_param_checks(
    proctor_document_t *doc, const proctor_where_t *at, proctor_param_t *param);
static void proctor_contract_header_name(
    proctor_document_t *doc, const proctor_where_t *at, proctor_param_t *param);
static int proctor_contract_type_is_simple(const proctor_schema_t *schema);
static void proctor_contract_param_fallback(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, proctor_param_t *param);


static const proctor_member_t proctor_contract_param_members[] = {
    { "name", PROCTOR_REQUIRED, proctor_document_string,
        offsetof(proctor_param_t, name) },
    { "in", PROCTOR_REQUIRED, proctor_contract_in,
        offsetof(proctor_param_t, in) },
    { "required", PROCTOR_OPTIONAL, proctor_document_boolean,
        offsetof(proctor_param_t, required) },
    { "description", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "deprecated", PROCTOR_OPTIONAL, proctor_document_flag, 0 },
    { "schema", PROCTOR_REQUIRED, proctor_contract_schema,
        offsetof(proctor_param_t, schema) },
    { "example", PROCTOR_OPTIONAL, proctor_document_any, 0 },
    { "examples", PROCTOR_OPTIONAL, proctor_contract_examples, 0 },
    { NULL, 0, NULL, 0 }
};

static const struct {
    const char *name;
    proctor_in_e in;
} proctor_contract_places[] = { { "path", PROCTOR_IN_PATH },
    { "query", PROCTOR_IN_QUERY }, { "header", PROCTOR_IN_HEADER } };

/* what these say is said elsewhere in the document: OpenAPI 3.1, 4.8.12.1 */

static const char *const proctor_contract_no_headers[] = { "accept",
    "content-type", "authorization" };


void
proctor_contract_params(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_array(doc, value, at, proctor_contract_params_item, out);
}


static void
proctor_contract_params_item(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_param_t param, *slot;
    proctor_where_t target;
    const proctor_where_t *item;
    proctor_contract_params_t *params = out;

    item = at;
    value = proctor_document_resolve(doc, value, &item, &target);

    if (value == NULL
        || proctor_contract_param(doc, value, item, &param) != PROCTOR_OK) {
        return;
    }

    if (param.in == PROCTOR_IN_PATH
        && !proctor_contract_in_template(params->template, &param.name)) {
        proctor_document_fault(doc, at,
            "is no part of the path: it has no \"{%s}\"", param.name.data);
        return;
    }

    slot = proctor_contract_params_slot(doc, at, params, &param);
    if (slot != NULL) {
        *slot = param;
    }
}


/* Where the parameter goes: a new place, or that of the path item's one. */

static proctor_param_t *
proctor_contract_params_slot(proctor_document_t *doc, const proctor_where_t *at,
    proctor_contract_params_t *params, const proctor_param_t *param)
{
    unsigned i;
    proctor_param_t *other;

    for (i = 0; i < params->count; i++) {
        other = &params->list[i];

        if (other->in != param->in
            || strcmp(other->name.data, param->name.data) != 0) {
            continue;
        }

        if (i < params->shared) {
            return other;
        }

        proctor_document_fault(doc, at, "is declared twice");
        return NULL;
    }

    if (params->count == PROCTOR_CONTRACT_PARAMS) {
        proctor_document_fault(doc, at,
            "is one of too many parameters: %d are kept",
            PROCTOR_CONTRACT_PARAMS);
        return NULL;
    }

    return &params->list[params->count++];
}


int
proctor_contract_in_template(
    const proctor_str_t *template, const proctor_str_t *name)
{
    const char *p;

    for (p = strchr(template->data, '{'); p != NULL; p = strchr(p + 1, '{')) {
        if (strncmp(p + 1, name->data, name->len) == 0
            && p[1 + name->len] == '}') {
            return 1;
        }
    }

    return 0;
}


int
proctor_contract_param(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, proctor_param_t *param)
{
    unsigned before;

    memset(param, 0, sizeof(proctor_param_t));

    before = doc->report.count;

    proctor_document_object(
        doc, value, at, proctor_contract_param_members, param);

    /* a schema that failed before is not told again, and is NULL again */
    if (doc->report.count != before || param->schema == NULL) {
        return PROCTOR_INVALID;
    }

    proctor_contract_param_checks(doc, at, param);
    proctor_contract_param_fallback(doc, value, at, param);

    return doc->report.count == before ? PROCTOR_OK : PROCTOR_INVALID;
}


static void
proctor_contract_in(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    size_t i;
    const char *name;
    proctor_in_e *in = out;

    name = json_is_string(value) ? json_string_value(value) : "";

    for (i = 0; i < sizeof(proctor_contract_places)
                        / sizeof(proctor_contract_places[0]);
         i++) {
        if (strcmp(name, proctor_contract_places[i].name) == 0) {
            *in = proctor_contract_places[i].in;
            return;
        }
    }

    proctor_document_fault(
        doc, at, "must be \"path\", \"query\" or \"header\"");
}


static void
proctor_contract_param_checks(
    proctor_document_t *doc, const proctor_where_t *at, proctor_param_t *param)
{
    if (param->name.len > PROCTOR_CONTRACT_NAME) {
        proctor_document_fault(doc, at,
            "has a name that is too long: %d bytes are allowed",
            PROCTOR_CONTRACT_NAME);
        return;
    }

    if (!proctor_contract_type_is_simple(param->schema)) {
        proctor_document_fault(doc, at,
            "must have a schema of one type: "
            "string, integer, number or boolean");
        return;
    }

    switch (param->in) {

    case PROCTOR_IN_PATH:
        if (!param->required) {
            proctor_document_fault(
                doc, at, "must be required, as part of the path");
        }
        break;

    case PROCTOR_IN_HEADER:
        proctor_contract_header_name(doc, at, param);
        break;

    case PROCTOR_IN_QUERY:
        break;
    }
}


static int
proctor_contract_type_is_simple(const proctor_schema_t *schema)
{
    switch (proctor_schema_type(schema)) {

    case PROCTOR_JSON_STRING:
    case PROCTOR_JSON_NUMBER:
    case PROCTOR_JSON_TRUE:
    case PROCTOR_JSON_FALSE:
        return 1;
    }

    return 0;
}


/* Header names have no case: the copy that is kept is lower. */

static void
proctor_contract_header_name(
    proctor_document_t *doc, const proctor_where_t *at, proctor_param_t *param)
{
    size_t i;
    char *name;
    static const char token[] = "abcdefghijklmnopqrstuvwxyz"
                                "0123456789!#$%&'*+-.^_`|~";

    name = proctor_arena_strndup(doc->arena, param->name.data, param->name.len);
    if (name == NULL) {
        proctor_document_fault(doc, at, "does not fit into memory");
        return;
    }

    for (i = 0; i < param->name.len; i++) {
        if (name[i] >= 'A' && name[i] <= 'Z') {
            name[i] = (char) (name[i] | 0x20);
        }
    }

    param->name.data = name;

    if (strspn(name, token) != param->name.len) {
        proctor_document_fault(doc, at, "has a name that no header can have");
    }

    for (i = 0; i < sizeof(proctor_contract_no_headers)
                        / sizeof(proctor_contract_no_headers[0]);
         i++) {
        if (strcmp(name, proctor_contract_no_headers[i]) == 0) {
            proctor_document_fault(
                doc, at, "must not be declared: OpenAPI ignores it");
        }
    }
}


/*
 * The schema's own `default`, or that of the one it refers to.  A number with
 * a fraction has more than one spelling: it counts as none.
 */

static void
proctor_contract_param_fallback(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, proctor_param_t *param)
{
    json_t *schema, *fallback;
    const char *text;
    proctor_where_t target;
    const proctor_where_t *where = at;

    schema = json_object_get(value, "schema");

    if (json_object_size(schema) == 1
        && json_object_get(schema, "$ref") != NULL) {
        schema = proctor_document_resolve(doc, schema, &where, &target);
    }

    fallback = json_object_get(schema, "default");
    text = NULL;

    if (json_is_string(fallback)) {
        text = json_string_value(fallback);

    } else if (json_is_boolean(fallback)) {
        text = json_is_true(fallback) ? "true" : "false";

    } else if (json_is_integer(fallback)) {
        text = proctor_arena_printf(
            doc->arena, "%" JSON_INTEGER_FORMAT, json_integer_value(fallback));
    }

    if (text != NULL) {
        param->fallback.data = text;
        param->fallback.len = strlen(text);
    }
}
