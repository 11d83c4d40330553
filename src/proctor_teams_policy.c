/*
 * A team's policy: schemas of its own, laid over the contract's.
 *
 *     "policy": { "<operationId>": <schema> }
 *     "policy": { "<operationId>": { "body": <schema>, "query": <schema> } }
 *
 * The short form is about the body where the operation has one, else about the
 * query: an object with a member for each declared parameter that was given.
 * No JSON Schema keyword is called "body" or "query", so the two cannot be
 * confused.  A rule that could never apply is a fault: whoever wrote it
 * believes that it protects something.
 */

#include <string.h>

#include "proctor_teams.h"


static void proctor_teams_read_policy(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_read_body(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_read_query(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static int proctor_teams_has_query(
    const proctor_operation_t *operation, const char *name);
static void proctor_teams_check_names(proctor_document_t *doc, json_t *schema,
    const proctor_where_t *at, const proctor_operation_t *operation);


static const proctor_member_t proctor_teams_policy_members[] = {
    { "body", PROCTOR_OPTIONAL, proctor_teams_read_body, 0 },
    { "query", PROCTOR_OPTIONAL, proctor_teams_read_query, 0 },
    { NULL, 0, NULL, 0 }
};


void
proctor_teams_read_policies(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_team_t *team = out;

    team->policies = proctor_document_alloc(
        doc, at, json_object_size(value) * sizeof(proctor_policy_t));

    /* with no sound account, no operation is known: that was told */
    if (team->policies != NULL && team->naccounts != 0) {
        proctor_document_map(doc, value, at, proctor_teams_read_policy, team);
    }
}


static void
proctor_teams_read_policy(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_team_t *team = out;
    proctor_policy_t *policy;

    policy = &team->policies[team->npolicies];
    policy->operation = proctor_teams_operation(doc, at, at->name, team);

    if (policy->operation == NULL) {
        return;
    }

    team->npolicies++;

    if (json_object_get(value, "body") != NULL
        || json_object_get(value, "query") != NULL) {
        proctor_document_object(
            doc, value, at, proctor_teams_policy_members, policy);

    } else if (policy->operation->has_body) {
        proctor_teams_read_body(doc, value, at, policy);

    } else {
        proctor_teams_read_query(doc, value, at, policy);
    }
}


const proctor_operation_t *
proctor_teams_operation(proctor_document_t *doc, const proctor_where_t *at,
    const char *name, const proctor_team_t *team)
{
    unsigned i;
    const proctor_contract_t *contract;
    const proctor_operation_t *found, *operation;

    found = NULL;

    for (i = 0; i < team->naccounts; i++) {
        contract = team->accounts[i]->contract;
        if (contract == NULL) {
            return NULL;
        }

        operation = proctor_contract_operation(contract, name, strlen(name));

        if (found != NULL && operation != NULL) {
            proctor_document_fault(
                doc, at, "names an operation of more than one contract");
            return NULL;
        }

        if (operation != NULL) {
            found = operation;
        }
    }

    if (found == NULL) {
        proctor_document_fault(
            doc, at, "names no operation of the team's contracts");
    }

    return found;
}


static void
proctor_teams_read_body(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_policy_t *policy = out;

    (void) value;

    if (!policy->operation->has_body) {
        proctor_document_fault(
            doc, at, "can never apply: the operation has no body");
        return;
    }

    policy->body = proctor_document_schema(doc, at);
}


static void
proctor_teams_read_query(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_policy_t *policy = out;

    if (!proctor_teams_has_query(policy->operation, NULL)) {
        proctor_document_fault(
            doc, at, "can never apply: the operation has no query parameters");
        return;
    }

    policy->query = proctor_document_schema(doc, at);

    proctor_teams_check_names(doc, value, at, policy->operation);
}


/* name NULL: does it have any? */

static int
proctor_teams_has_query(const proctor_operation_t *operation, const char *name)
{
    unsigned i;
    const proctor_param_t *param;

    for (i = 0; i < operation->nparams; i++) {
        param = &operation->params[i];

        if (param->in == PROCTOR_IN_QUERY
            && (name == NULL || strcmp(param->name.data, name) == 0)) {
            return 1;
        }
    }

    return 0;
}


static void
proctor_teams_check_names(proctor_document_t *doc, json_t *schema,
    const proctor_where_t *at, const proctor_operation_t *operation)
{
    json_t *property;
    const char *name;
    const proctor_where_t properties = { at, "properties", 0 };
    proctor_where_t where = { &properties, NULL, 0 };

    json_object_foreach(json_object_get(schema, "properties"), name, property)
    {
        if (!proctor_teams_has_query(operation, name)) {
            where.name = name;
            proctor_document_fault(doc, &where,
                "can never apply: the operation has no such query parameter");
        }
    }
}
