/*
 * The teams of a teams file: which accounts each may use, and what else it
 * has, its keys, policy and quotas, which are read in files of their own.
 */

#include <string.h>

#include "proctor_teams.h"


static void proctor_teams_read_team(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_read_uses(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_read_use(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);


/* which rights and which operations are known depends on the accounts */

static const proctor_member_t proctor_teams_team_members[] = {
    { "accounts", PROCTOR_REQUIRED, proctor_teams_read_uses, 0 },
    { "keys", PROCTOR_REQUIRED, proctor_teams_read_keys, 0 },
    { "policy", PROCTOR_OPTIONAL, proctor_teams_read_policies, 0 },
    { "quotas", PROCTOR_OPTIONAL, proctor_teams_read_quotas, 0 },
    { NULL, 0, NULL, 0 }
};


void
proctor_teams_read_teams(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_map(doc, value, at, proctor_teams_read_team, out);
}


static void
proctor_teams_read_team(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_team_t *team;
    proctor_teams_state_t *state = doc->data;

    (void) out;

    team = &state->teams->teams[state->teams->nteams++];
    team->name.data = at->name;
    team->name.len = strlen(at->name);

    if (!proctor_document_is_name(at->name, team->name.len)) {
        proctor_document_fault(doc, at, "has a name that " PROCTOR_NAME_RULE);
    }

    proctor_document_object(doc, value, at, proctor_teams_team_members, team);
}


static void
proctor_teams_read_uses(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_team_t *team = out;

    if (!json_is_object(value) || json_object_size(value) == 0) {
        proctor_document_fault(
            doc, at, "must be an object that names an account at least");
        return;
    }

    team->accounts = proctor_document_alloc(
        doc, at, json_object_size(value) * sizeof(proctor_account_t *));

    if (team->accounts != NULL) {
        proctor_document_map(doc, value, at, proctor_teams_read_use, team);
    }
}


/* "contract": "account" */

static void
proctor_teams_read_use(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    json_t *index;
    proctor_team_t *team = out;
    const proctor_account_t *account;
    const proctor_contract_t *contract;
    const proctor_teams_state_t *state = doc->data;

    contract = proctor_teams_contract(state->env, at->name);
    if (contract == NULL) {
        proctor_document_fault(doc, at, "names no contract that is known");
        return;
    }

    if (!json_is_string(value)) {
        proctor_document_fault(doc, at, "must be a string");
        return;
    }

    index = json_object_get(state->accounts, json_string_value(value));
    if (index == NULL) {
        proctor_document_fault(doc, at, "names no account of this file");
        return;
    }

    account = &state->teams->accounts[json_integer_value(index)];

    if (account->contract != NULL && account->contract != contract) {
        proctor_document_fault(doc, at, "names an account of the contract %s",
            account->contract->name.data);
        return;
    }

    team->accounts[team->naccounts++] = account;
}
