/*
 * One OpenAPI 3.1 document, compiled: routes, operations, schemas, links.
 *
 * nginx's `proctor_contract` and `proctor lint` compile; requests only read.
 * This file walks the document's root and answers questions about the result;
 * its parts stand in proctor_contract_<part>.c.
 *
 * The subset of OpenAPI that is understood is what the tables list.  Anything
 * else is a fault: a contract that asks for what we do not do must not look as
 * if we did it.  The contract is the arena's; its strings are those of the
 * JSON document, which lives as long.
 */

#include <string.h>

#include "proctor_contract.h"


static void proctor_contract_version(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_info(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_contact(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_license(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_servers(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_server(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_server_url(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_tags(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_tag(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_extension(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_errors(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_link(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_paths(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static proctor_contract_t *proctor_contract_create(
    proctor_arena_t *arena, const char *name, proctor_report_t *report);


/* x-proctor and components are read before the paths that rely on them */

static const proctor_member_t proctor_contract_root[] = {
    { "openapi", PROCTOR_REQUIRED, proctor_contract_version, 0 },
    { "info", PROCTOR_REQUIRED, proctor_contract_info, 0 },
    { "servers", PROCTOR_OPTIONAL, proctor_contract_servers, 0 },
    { "tags", PROCTOR_OPTIONAL, proctor_contract_tags, 0 },
    { "externalDocs", PROCTOR_OPTIONAL, proctor_contract_external_docs, 0 },
    { "security", PROCTOR_OPTIONAL, proctor_contract_security, 0 },
    { "x-proctor", PROCTOR_OPTIONAL, proctor_contract_extension, 0 },
    { "components", PROCTOR_OPTIONAL, proctor_contract_components, 0 },
    { "paths", PROCTOR_REQUIRED, proctor_contract_paths, 0 },
    { NULL, 0, NULL, 0 }
};

static const proctor_member_t proctor_contract_info_members[] = {
    { "title", PROCTOR_REQUIRED, proctor_document_string,
        offsetof(proctor_contract_t, title) },
    { "version", PROCTOR_REQUIRED, proctor_document_text, 0 },
    { "summary", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "description", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "termsOfService", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "contact", PROCTOR_OPTIONAL, proctor_contract_contact, 0 },
    { "license", PROCTOR_OPTIONAL, proctor_contract_license, 0 },
    { NULL, 0, NULL, 0 }
};

static const proctor_member_t proctor_contract_contact_members[] = {
    { "name", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "url", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "email", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { NULL, 0, NULL, 0 }
};

static const proctor_member_t proctor_contract_license_members[] = {
    { "name", PROCTOR_REQUIRED, proctor_document_text, 0 },
    { "identifier", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "url", PROCTOR_OPTIONAL, proctor_document_text, 0 }, { NULL, 0, NULL, 0 }
};

static const proctor_member_t proctor_contract_server_members[] = {
    { "url", PROCTOR_REQUIRED, proctor_contract_server_url, 0 },
    { "description", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { NULL, 0, NULL, 0 }
};

static const proctor_member_t proctor_contract_tag_members[] = {
    { "name", PROCTOR_REQUIRED, proctor_document_text, 0 },
    { "description", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "externalDocs", PROCTOR_OPTIONAL, proctor_contract_external_docs, 0 },
    { NULL, 0, NULL, 0 }
};

static const proctor_member_t proctor_contract_docs_members[] = {
    { "url", PROCTOR_REQUIRED, proctor_document_text, 0 },
    { "description", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { NULL, 0, NULL, 0 }
};

static const proctor_member_t proctor_contract_extension_members[] = {
    { "errors", PROCTOR_OPTIONAL, proctor_contract_errors, 0 },
    { "links", PROCTOR_OPTIONAL, proctor_contract_links,
        offsetof(proctor_contract_state_t, links) },
    { NULL, 0, NULL, 0 }
};


proctor_contract_t *
proctor_contract_compile(proctor_arena_t *arena, const char *name,
    const char *text, size_t len, proctor_report_t *report)
{
    unsigned faults;
    proctor_document_t *doc;
    proctor_contract_state_t state;
    static const proctor_where_t root = { NULL, "", 0 };

    memset(&state, 0, sizeof(proctor_contract_state_t));

    state.contract = proctor_contract_create(arena, name, report);
    if (state.contract == NULL) {
        return NULL;
    }

    doc = proctor_document_load(arena, text, len, report);
    if (doc == NULL) {
        return NULL;
    }

    doc->data = &state;
    doc->schemas = proctor_schema_set_create(
        arena, doc->root, PROCTOR_SCHEMA_FORMAT, &doc->report);

    if (doc->schemas == NULL) {
        proctor_document_fault(doc, &root, "does not fit into memory");

    } else {
        proctor_document_object(
            doc, doc->root, &root, proctor_contract_root, &state);
    }

    faults = doc->report.count;
    proctor_document_close(doc);

    return faults == 0 ? state.contract : NULL;
}


static proctor_contract_t *
proctor_contract_create(
    proctor_arena_t *arena, const char *name, proctor_report_t *report)
{
    proctor_contract_t *contract;

    contract = proctor_arena_calloc(arena, sizeof(proctor_contract_t));

    if (contract != NULL) {
        contract->name.len = strlen(name);
        contract->name.data =
            proctor_arena_strndup(arena, name, contract->name.len);
        contract->route = proctor_route_create(arena);
    }

    if (contract == NULL || contract->name.data == NULL
        || contract->route == NULL) {
        proctor_report(report, "", "does not fit into memory");
        return NULL;
    }

    return contract;
}


static void
proctor_contract_version(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    (void) out;

    if (!json_is_string(value)
        || strncmp(json_string_value(value), "3.1.", 4) != 0) {
        proctor_document_fault(doc, at, "must be \"3.1.x\"");
    }
}


static void
proctor_contract_info(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_contract_state_t *state = out;

    proctor_document_object(
        doc, value, at, proctor_contract_info_members, state->contract);
}


static void
proctor_contract_contact(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_object(
        doc, value, at, proctor_contract_contact_members, out);
}


static void
proctor_contract_license(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_object(
        doc, value, at, proctor_contract_license_members, out);
}


static void
proctor_contract_servers(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_array(doc, value, at, proctor_contract_server, out);
}


static void
proctor_contract_server(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_object(
        doc, value, at, proctor_contract_server_members, out);
}


/*
 * OpenAPI puts the server's own path before every path; ours are matched as
 * they stand, and where requests go is nginx's to say.
 */

static void
proctor_contract_server_url(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    const char *host, *slash;

    (void) out;

    if (!json_is_string(value)) {
        proctor_document_fault(doc, at, "must be a string");
        return;
    }

    host = strstr(json_string_value(value), "://");
    slash = strchr(host != NULL ? host + 3 : json_string_value(value), '/');

    if (slash != NULL && slash[1] != '\0') {
        proctor_document_fault(
            doc, at, "must have no path: each path of \"paths\" is whole");
    }
}


static void
proctor_contract_tags(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_array(doc, value, at, proctor_contract_tag, out);
}


static void
proctor_contract_tag(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_object(doc, value, at, proctor_contract_tag_members, out);
}


void
proctor_contract_external_docs(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_object(doc, value, at, proctor_contract_docs_members, out);
}


static void
proctor_contract_extension(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_object(
        doc, value, at, proctor_contract_extension_members, out);
}


static void
proctor_contract_errors(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    const char *name;
    proctor_contract_state_t *state = out;

    name = json_is_string(value) ? json_string_value(value) : "";

    if (strcmp(name, "detail") == 0) {
        state->contract->errors = PROCTOR_ERRORS_DETAIL;

    } else if (strcmp(name, "status") == 0) {
        state->contract->errors = PROCTOR_ERRORS_STATUS;

    } else {
        proctor_document_fault(doc, at, "must be \"detail\" or \"status\"");
    }
}


void
proctor_contract_links(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_contract_links_t *links = out;

    links->given = 1;

    proctor_document_array(doc, value, at, proctor_contract_link, links);
}


/* The filter that rewrites links looks at an answer's top level only. */

static void
proctor_contract_link(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    const char *pointer;
    proctor_contract_links_t *links = out;

    pointer = json_is_string(value) ? json_string_value(value) : "";

    if (pointer[0] != '/' || pointer[1] == '\0'
        || strpbrk(pointer + 1, "/~") != NULL) {
        proctor_document_fault(
            doc, at, "must be a pointer to a top-level member, as \"/next\"");
        return;
    }

    if (links->count == PROCTOR_CONTRACT_LINKS) {
        proctor_document_fault(doc, at, "is one of too many links: %d are kept",
            PROCTOR_CONTRACT_LINKS);
        return;
    }

    links->names[links->count].data = pointer + 1;
    links->names[links->count].len = strlen(pointer + 1);
    links->count++;
}


static void
proctor_contract_paths(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    size_t n;
    proctor_contract_state_t *state = out;
    proctor_contract_t *contract = state->contract;

    n = json_object_size(value);

    contract->paths =
        proctor_document_alloc(doc, at, n * sizeof(proctor_path_t *));
    contract->operations = proctor_document_alloc(
        doc, at, n * PROCTOR_METHODS * sizeof(proctor_operation_t *));

    if (contract->paths == NULL || contract->operations == NULL) {
        return;
    }

    if (json_is_object(value) && n == 0) {
        proctor_document_fault(doc, at, "holds no path");
    }

    proctor_document_map(doc, value, at, proctor_contract_path, NULL);
}


const proctor_operation_t *
proctor_contract_operation(
    const proctor_contract_t *contract, const char *id, size_t len)
{
    unsigned i;
    const proctor_operation_t *operation;

    for (i = 0; i < contract->noperations; i++) {
        operation = contract->operations[i];

        if (operation->id.len == len
            && memcmp(operation->id.data, id, len) == 0) {
            return operation;
        }
    }

    return NULL;
}


int
proctor_contract_has_right(
    const proctor_contract_t *contract, const char *right, size_t len)
{
    unsigned i;
    const proctor_operation_t *operation;

    for (i = 0; i < contract->noperations; i++) {
        operation = contract->operations[i];

        if (operation->right.len == len
            && memcmp(operation->right.data, right, len) == 0) {
            return 1;
        }
    }

    return 0;
}
