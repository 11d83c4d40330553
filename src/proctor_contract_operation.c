/*
 * One operation of a contract.
 *
 * Called by proctor_contract_path.c for each method of a path, in the order of
 * the document.  The draft of an operation lives on the stack until all its
 * members were read: only then is it known which parameters and which links it
 * really has.
 */

#include <string.h>

#include "proctor_contract.h"


typedef struct {
    proctor_operation_t operation;
    proctor_contract_params_t params;
    proctor_contract_body_t body;
    proctor_contract_links_t links;
    int answers; /* some 2xx answer has a body */
} proctor_contract_draft_t;


static void proctor_contract_tag_names(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_operation_body(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, void *out);
static void proctor_contract_operation_extension(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, void *out);
static void proctor_contract_right(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_add(proctor_document_t *doc,
    const proctor_where_t *at, const proctor_contract_draft_t *draft);
static int proctor_contract_add_params(proctor_document_t *doc,
    const proctor_where_t *at, const proctor_contract_draft_t *draft,
    proctor_operation_t *operation);
static const char *proctor_contract_variable(
    const char *template, proctor_str_t *name);
static const proctor_param_t *proctor_contract_path_param(
    const proctor_contract_params_t *params, const proctor_str_t *name);
static int proctor_contract_add_links(proctor_document_t *doc,
    const proctor_where_t *at, const proctor_contract_draft_t *draft,
    proctor_operation_t *operation);


static const proctor_member_t proctor_contract_operation_members[] = {
    { "operationId", PROCTOR_REQUIRED, proctor_document_name,
        offsetof(proctor_contract_draft_t, operation.id) },
    { "summary", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "description", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "tags", PROCTOR_OPTIONAL, proctor_contract_tag_names, 0 },
    { "parameters", PROCTOR_OPTIONAL, proctor_contract_params,
        offsetof(proctor_contract_draft_t, params) },
    { "requestBody", PROCTOR_OPTIONAL, proctor_contract_operation_body, 0 },
    { "responses", PROCTOR_OPTIONAL, proctor_contract_responses,
        offsetof(proctor_contract_draft_t, answers) },
    { "security", PROCTOR_OPTIONAL, proctor_contract_security, 0 },
    { "deprecated", PROCTOR_OPTIONAL, proctor_document_flag, 0 },
    { "externalDocs", PROCTOR_OPTIONAL, proctor_contract_external_docs, 0 },
    { "x-proctor", PROCTOR_REQUIRED, proctor_contract_operation_extension, 0 },
    { NULL, 0, NULL, 0 }
};

static const proctor_member_t proctor_contract_operation_extension_members[] = {
    { "right", PROCTOR_REQUIRED, proctor_contract_right,
        offsetof(proctor_contract_draft_t, operation.right) },
    { "links", PROCTOR_OPTIONAL, proctor_contract_links,
        offsetof(proctor_contract_draft_t, links) },
    { "audit", PROCTOR_OPTIONAL, proctor_contract_audit,
        offsetof(proctor_contract_draft_t, operation) },
    { "cache", PROCTOR_OPTIONAL, proctor_contract_cache,
        offsetof(proctor_contract_draft_t, operation) },
    { "invalidates", PROCTOR_OPTIONAL, proctor_contract_invalidates,
        offsetof(proctor_contract_draft_t, operation) },
    { NULL, 0, NULL, 0 }
};


void
proctor_contract_method(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    unsigned before, m;
    proctor_contract_path_t *path = out;
    proctor_contract_draft_t draft;

    memset(&draft, 0, sizeof(proctor_contract_draft_t));

    m = 0;

    while (strcmp(proctor_contract_methods[m].name, at->name) != 0) {
        m++;
    }

    draft.operation.method = (proctor_method_e) m;
    draft.operation.path = path->path;
    draft.params = path->params;
    draft.params.shared = path->params.count;

    before = doc->report.count;

    proctor_document_object(
        doc, value, at, proctor_contract_operation_members, &draft);

    if (doc->report.count == before) {
        proctor_contract_add(doc, at, &draft);
    }
}


static void
proctor_contract_tag_names(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_array(doc, value, at, proctor_document_text, out);
}


static void
proctor_contract_operation_body(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_contract_draft_t *draft = out;

    if (!proctor_contract_methods[draft->operation.method].body) {
        proctor_document_fault(
            doc, at, "must stand on post, put or patch: no other has a body");
        return;
    }

    draft->operation.has_body = 1;

    proctor_contract_request_body(doc, value, at, &draft->body);
}


static void
proctor_contract_operation_extension(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_object(
        doc, value, at, proctor_contract_operation_extension_members, out);
}


/* Rights stand in lists with commas, in logs and in sentences. */

static void
proctor_contract_right(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    size_t len;
    const char *right;
    proctor_str_t *s = out;
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._:-";

    right = json_is_string(value) ? json_string_value(value) : "";
    len = strlen(right);

    if (len == 0 || len > PROCTOR_CONTRACT_NAME
        || strspn(right, allowed) != len) {
        proctor_document_fault(
            doc, at, "must be a word of letters, digits and any of \"._:-\"");
        return;
    }

    s->data = right;
    s->len = len;
}


/* The draft has no fault: it becomes an operation of the contract. */

static void
proctor_contract_add(proctor_document_t *doc, const proctor_where_t *at,
    const proctor_contract_draft_t *draft)
{
    proctor_operation_t *operation;
    proctor_contract_state_t *state = doc->data;
    proctor_contract_t *contract = state->contract;

    if (proctor_contract_operation(
            contract, draft->operation.id.data, draft->operation.id.len)
        != NULL) {
        proctor_document_fault(doc, at, "has the operationId of another: %s",
            draft->operation.id.data);
        return;
    }

    operation = proctor_document_alloc(doc, at, sizeof(proctor_operation_t));
    if (operation == NULL) {
        return;
    }

    *operation = draft->operation;
    operation->body = draft->body.schema;
    operation->body_required = draft->body.required;
    operation->index = contract->noperations;

    if (proctor_contract_add_params(doc, at, draft, operation) != PROCTOR_OK
        || proctor_contract_add_links(doc, at, draft, operation)
               != PROCTOR_OK) {
        return;
    }

    contract->operations[contract->noperations++] = operation;

    /* the path whose item is being read is the last one */
    contract->paths[contract->npaths - 1]->operations[operation->method] =
        operation;
}


/* Path parameters in the template's order, then all others in their own. */

static int
proctor_contract_add_params(proctor_document_t *doc, const proctor_where_t *at,
    const proctor_contract_draft_t *draft, proctor_operation_t *operation)
{
    unsigned i;
    const char *p;
    proctor_str_t name;
    const proctor_param_t *param;

    operation->params = proctor_document_alloc(doc, at,
        (draft->params.count + PROCTOR_PATH_PARAMS) * sizeof(proctor_param_t));
    if (operation->params == NULL) {
        return PROCTOR_ERROR;
    }

    p = operation->path->template.data;

    while ((p = proctor_contract_variable(p, &name)) != NULL) {
        param = proctor_contract_path_param(&draft->params, &name);

        if (param == NULL) {
            proctor_document_fault(doc, at,
                "declares no path parameter \"%.*s\"", (int) name.len,
                name.data);
            return PROCTOR_INVALID;
        }

        operation->params[operation->nparams++] = *param;
    }

    for (i = 0; i < draft->params.count; i++) {
        if (draft->params.list[i].in != PROCTOR_IN_PATH) {
            operation->params[operation->nparams++] = draft->params.list[i];
        }
    }

    return PROCTOR_OK;
}


/* The next "{name}"; returns what follows it, or NULL when there is none. */

static const char *
proctor_contract_variable(const char *template, proctor_str_t *name)
{
    const char *open, *close;

    open = strchr(template, '{');
    if (open == NULL) {
        return NULL;
    }

    close = strchr(open, '}');
    if (close == NULL) {
        return NULL;
    }

    name->data = open + 1;
    name->len = (size_t) (close - name->data);

    return close;
}


static const proctor_param_t *
proctor_contract_path_param(
    const proctor_contract_params_t *params, const proctor_str_t *name)
{
    unsigned i;
    const proctor_param_t *param;

    for (i = 0; i < params->count; i++) {
        param = &params->list[i];

        if (param->in == PROCTOR_IN_PATH && param->name.len == name->len
            && memcmp(param->name.data, name->data, name->len) == 0) {
            return param;
        }
    }

    return NULL;
}


/* The operation's own links, else the document's where there is an answer. */

static int
proctor_contract_add_links(proctor_document_t *doc, const proctor_where_t *at,
    const proctor_contract_draft_t *draft, proctor_operation_t *operation)
{
    const proctor_contract_links_t *links;
    const proctor_contract_state_t *state = doc->data;

    links = draft->links.given ? &draft->links : &state->links;

    if (links->count == 0 || (!draft->links.given && !draft->answers)) {
        return PROCTOR_OK;
    }

    operation->links =
        proctor_document_alloc(doc, at, links->count * sizeof(proctor_str_t));
    if (operation->links == NULL) {
        return PROCTOR_ERROR;
    }

    operation->nlinks = links->count;
    memcpy(
        operation->links, links->names, links->count * sizeof(proctor_str_t));

    return PROCTOR_OK;
}
