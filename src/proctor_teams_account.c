/*
 * The accounts of a teams file: on whose behalf the gateway asks an upstream.
 *
 * Read before the teams, which name them.  An account that has a fault is
 * known to the teams all the same: its own fault is told, and no other for it.
 */

#include <string.h>

#include <openssl/crypto.h>

#include "proctor_teams.h"


static void proctor_teams_read_account(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_read_contract(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_read_secrets(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_wipe(void *data);


static const proctor_member_t proctor_teams_account_members[] = {
    { "contract", PROCTOR_REQUIRED, proctor_teams_read_contract,
        offsetof(proctor_account_t, contract) },
    { "keys", PROCTOR_REQUIRED, proctor_teams_read_secrets, 0 },
    { "limits", PROCTOR_OPTIONAL, proctor_teams_read_limits, 0 },
    { NULL, 0, NULL, 0 }
};


void
proctor_teams_read_accounts(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_map(doc, value, at, proctor_teams_read_account, out);
}


static void
proctor_teams_read_account(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_account_t *account;
    proctor_teams_state_t *state = doc->data;

    (void) out;

    account = &state->teams->accounts[state->teams->naccounts];
    account->name.data = at->name;
    account->name.len = strlen(at->name);

    if (!proctor_document_is_name(at->name, account->name.len)) {
        proctor_document_fault(doc, at, "has a name that " PROCTOR_NAME_RULE);
        return;
    }

    json_object_set_new(state->accounts, at->name,
        json_integer((json_int_t) state->teams->naccounts));
    account->index = state->teams->naccounts++;

    proctor_teams_read_names(doc, at, account);
    proctor_document_object(
        doc, value, at, proctor_teams_account_members, account);
}


static void
proctor_teams_read_contract(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    const proctor_contract_t **contract = out;
    const proctor_teams_state_t *state = doc->data;

    if (!json_is_string(value)) {
        proctor_document_fault(doc, at, "must be a string");
        return;
    }

    *contract = proctor_teams_contract(state->env, json_string_value(value));

    if (*contract == NULL) {
        proctor_document_fault(doc, at, "names no contract that is known");
    }
}


const proctor_contract_t *
proctor_teams_contract(const proctor_teams_env_t *env, const char *name)
{
    unsigned i;

    for (i = 0; i < env->ncontracts; i++) {
        if (strcmp(env->contracts[i]->name.data, name) == 0) {
            return env->contracts[i];
        }
    }

    return NULL;
}


static void
proctor_teams_read_secrets(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_account_t *account = out;

    if (!json_is_array(value) || json_array_size(value) == 0) {
        proctor_document_fault(doc, at, "must be an array with a key at least");
        return;
    }

    account->keys = proctor_document_alloc(
        doc, at, json_array_size(value) * sizeof(proctor_str_t));
    if (account->keys == NULL) {
        return;
    }

    if (proctor_arena_cleanup(doc->arena, proctor_teams_wipe, account)
        != PROCTOR_OK) {
        proctor_document_fault(doc, at, "does not fit into memory");
        return;
    }

    proctor_document_array(doc, value, at, proctor_teams_read_secret, account);
}


static void
proctor_teams_wipe(void *data)
{
    unsigned i;
    proctor_account_t *account = data;

    for (i = 0; i < account->nkeys; i++) {
        OPENSSL_cleanse((char *) account->keys[i].data, account->keys[i].len);
    }
}
