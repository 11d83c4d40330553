/*
 * What the files of the teams file's compiler share; nobody else includes it.
 */

#ifndef PROCTOR_TEAMS_H_INCLUDED
#define PROCTOR_TEAMS_H_INCLUDED

#include "proctor_document.h"


typedef struct proctor_teams_entry_s proctor_teams_entry_t;

struct proctor_teams_entry_s {
    proctor_key_t key;
    proctor_teams_entry_t *next; /* in the same bucket */
};

/* of the arena; everything is made once, nothing is moved */
struct proctor_teams_s {
    proctor_account_t *accounts;
    unsigned naccounts;

    proctor_team_t *teams;
    unsigned nteams;

    proctor_teams_entry_t *entries; /* every team's keys */
    unsigned nentries;
    unsigned nquotas; /* also limits */

    proctor_teams_entry_t **buckets;
    size_t mask; /* their number, a power of two, less one */
};

/* document->data while a teams file is compiled */
typedef struct {
    proctor_teams_t *teams;
    const proctor_teams_env_t *env;
    json_t *accounts; /* name: index in teams->accounts */
    json_t *key_ids;  /* seen so far, as members */
} proctor_teams_state_t;


/* proctor_teams_account.c: the member "accounts" of the file */

void proctor_teams_read_accounts(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* the contract with this name, or NULL */
const proctor_contract_t *proctor_teams_contract(
    const proctor_teams_env_t *env, const char *name);


/* proctor_teams_secret.c: an account's key, from where it is kept */

/* out: proctor_account_t, to which the secret is added */
void proctor_teams_read_secret(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);


/* proctor_teams_team.c: the member "teams" of the file */

void proctor_teams_read_teams(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);


/* proctor_teams_key.c: a team's keys; out: proctor_team_t */

void proctor_teams_read_keys(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);


/* proctor_teams_policy.c: what a team may ask for; out: proctor_team_t */

void proctor_teams_read_policies(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);

/* the operation of one of the team's contracts; NULL: reported */
const proctor_operation_t *proctor_teams_operation(proctor_document_t *doc,
    const proctor_where_t *at, const char *name, const proctor_team_t *team);


/* proctor_teams_quota.c: how often */

/* out: proctor_team_t */
void proctor_teams_read_quotas(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* out: proctor_account_t */
void proctor_teams_read_limits(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* the key under which an account's valve is kept; its name must be known */
void proctor_teams_read_names(proctor_document_t *doc,
    const proctor_where_t *at, proctor_account_t *account);

#endif /* PROCTOR_TEAMS_H_INCLUDED */
