/*
 * One path item of a contract: a route, and the operations under it.
 *
 * Called by proctor_contract.c for each member of "paths".
 */

#include <string.h>

#include "proctor_contract.h"


static void proctor_contract_allow(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, proctor_path_t *path);


/* `allow`: as it stands in an answer's header, where HEAD is served by GET */

const proctor_contract_method_t proctor_contract_methods[PROCTOR_METHODS] = {
    [PROCTOR_GET] = { "get", "GET, HEAD", 0 },
    [PROCTOR_POST] = { "post", "POST", 1 },
    [PROCTOR_PUT] = { "put", "PUT", 1 },
    [PROCTOR_PATCH] = { "patch", "PATCH", 1 },
    [PROCTOR_DELETE] = { "delete", "DELETE", 0 },
};

/* parameters first: every operation inherits them */

static const proctor_member_t proctor_contract_path_members[] = {
    { "summary", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "description", PROCTOR_OPTIONAL, proctor_document_text, 0 },
    { "parameters", PROCTOR_OPTIONAL, proctor_contract_params,
        offsetof(proctor_contract_path_t, params) },
    { "get", PROCTOR_OPTIONAL, proctor_contract_method, 0 },
    { "post", PROCTOR_OPTIONAL, proctor_contract_method, 0 },
    { "put", PROCTOR_OPTIONAL, proctor_contract_method, 0 },
    { "patch", PROCTOR_OPTIONAL, proctor_contract_method, 0 },
    { "delete", PROCTOR_OPTIONAL, proctor_contract_method, 0 },
    { NULL, 0, NULL, 0 }
};


void
proctor_contract_path(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    const char *reason;
    proctor_path_t *path;
    proctor_where_t target;
    const proctor_where_t *item;
    proctor_contract_path_t draft;
    proctor_contract_state_t *state = doc->data;

    (void) out;

    path = proctor_document_alloc(doc, at, sizeof(proctor_path_t));
    if (path == NULL) {
        return;
    }

    path->template.data = at->name;
    path->template.len = strlen(at->name);
    state->contract->paths[state->contract->npaths++] = path;

    if (proctor_route_add(state->contract->route, path, &reason)
        != PROCTOR_OK) {
        proctor_document_fault(doc, at, "%s", reason);
        return;
    }

    item = at;
    value = proctor_document_resolve(doc, value, &item, &target);
    if (value == NULL) {
        return;
    }

    memset(&draft, 0, sizeof(proctor_contract_path_t));

    draft.path = path;
    draft.params.template = &path->template;

    proctor_document_object(
        doc, value, item, proctor_contract_path_members, &draft);

    proctor_contract_allow(doc, value, item, path);
    proctor_contract_cache_path(doc, item, path);
}


/* A path that nobody can call is a fault, not a 405 that allows nothing. */

static void
proctor_contract_allow(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, proctor_path_t *path)
{
    char *p;
    unsigned m, found;
    static const char all[] = "GET, HEAD, POST, PUT, PATCH, DELETE";

    p = proctor_document_alloc(doc, at, sizeof(all));
    if (p == NULL) {
        return;
    }

    path->allow = p;
    found = 0;

    for (m = 0; m < PROCTOR_METHODS; m++) {
        found +=
            json_object_get(value, proctor_contract_methods[m].name) != NULL;

        if (path->operations[m] == NULL) {
            continue;
        }

        if (p != path->allow) {
            p = stpcpy(p, ", ");
        }

        p = stpcpy(p, proctor_contract_methods[m].allow);
    }

    if (found == 0) {
        proctor_document_fault(doc, at, "holds no operation");
    }
}
