/*
 * The teams file, compiled: who calls, on whose account (DESIGN.md section 4).
 *
 * nginx's `proctor_teams` and `proctor lint` compile; the caller's step looks
 * up keys.  This file owns the whole and its table of keys; its parts stand in
 * proctor_teams_<part>.c.  Everything is the arena's, upstreams' secrets too:
 * they are wiped before the arena gives its memory back.
 *
 * A key is found by its SHA-256, whose bytes are as good as random: the first
 * of them choose a bucket, and there is a bucket for each key, so that ten
 * thousand teams cost what ten do.
 */

#include <string.h>

#include "proctor_teams.h"


static int proctor_teams_create(
    proctor_document_t *doc, const proctor_where_t *at);
static size_t proctor_teams_count_keys(json_t *teams);
static int proctor_teams_digest_equal(
    const unsigned char *a, const unsigned char *b);
static int proctor_teams_str_equal(
    const proctor_str_t *a, const proctor_str_t *b);


/* a team names accounts, so these come first */

static const proctor_member_t proctor_teams_root[] = {
    { "accounts", PROCTOR_REQUIRED, proctor_teams_read_accounts, 0 },
    { "teams", PROCTOR_REQUIRED, proctor_teams_read_teams, 0 },
    { NULL, 0, NULL, 0 }
};


proctor_teams_t *
proctor_teams_compile(proctor_arena_t *arena, const proctor_teams_env_t *env,
    const char *text, size_t len, proctor_report_t *report)
{
    unsigned faults;
    proctor_document_t *doc;
    proctor_teams_state_t state;
    static const proctor_where_t root = { NULL, "", 0 };

    doc = proctor_document_load(arena, text, len, report);
    if (doc == NULL) {
        return NULL;
    }

    memset(&state, 0, sizeof(proctor_teams_state_t));

    state.env = env;
    state.accounts = json_object();
    state.key_ids = json_object();

    doc->data = &state;
    doc->schemas = proctor_schema_set_create(
        arena, doc->root, PROCTOR_SCHEMA_FORMAT, &doc->report);

    if (proctor_teams_create(doc, &root) == PROCTOR_OK) {
        proctor_document_object(
            doc, doc->root, &root, proctor_teams_root, NULL);
    }

    json_decref(state.accounts);
    json_decref(state.key_ids);

    faults = doc->report.count;
    proctor_document_close(doc);

    return faults == 0 ? state.teams : NULL;
}


/* All arrays get their size from the document, before anything is read. */

static int
proctor_teams_create(proctor_document_t *doc, const proctor_where_t *at)
{
    json_t *all;
    size_t nkeys, nbuckets;
    proctor_teams_t *teams;
    proctor_teams_state_t *state = doc->data;

    all = json_object_get(doc->root, "teams");
    nkeys = proctor_teams_count_keys(all);
    nbuckets = 1;

    while (nbuckets < nkeys) {
        nbuckets *= 2;
    }

    teams = proctor_document_alloc(doc, at, sizeof(proctor_teams_t));
    if (teams == NULL) {
        return PROCTOR_ERROR;
    }

    teams->mask = nbuckets - 1;
    teams->accounts = proctor_document_alloc(doc, at,
        json_object_size(json_object_get(doc->root, "accounts"))
            * sizeof(proctor_account_t));
    teams->teams = proctor_document_alloc(
        doc, at, json_object_size(all) * sizeof(proctor_team_t));
    teams->entries =
        proctor_document_alloc(doc, at, nkeys * sizeof(proctor_teams_entry_t));
    teams->buckets = proctor_document_alloc(
        doc, at, nbuckets * sizeof(proctor_teams_entry_t *));

    if (doc->report.count == 0
        && (doc->schemas == NULL || state->accounts == NULL
            || state->key_ids == NULL)) {
        proctor_document_fault(doc, at, "does not fit into memory");
    }

    state->teams = teams;

    return doc->report.count == 0 ? PROCTOR_OK : PROCTOR_ERROR;
}


static size_t
proctor_teams_count_keys(json_t *teams)
{
    size_t n;
    json_t *team;
    const char *name;

    n = 0;

    json_object_foreach(teams, name, team)
    {
        n += json_array_size(json_object_get(team, "keys"));
    }

    return n;
}


/*
 * A bucket without a key costs a comparison too: how long the answer takes
 * says nothing about the digest.
 */

const proctor_key_t *
proctor_teams_key(const proctor_teams_t *teams,
    const unsigned char sha256[PROCTOR_SHA256_LEN])
{
    size_t bucket;
    const proctor_key_t *found;
    const proctor_teams_entry_t *entry;
    static const proctor_teams_entry_t nobody;

    memcpy(&bucket, sha256, sizeof(size_t));

    found = NULL;
    entry = teams->buckets[bucket & teams->mask];

    if (entry == NULL) {
        entry = &nobody;
    }

    for (; entry != NULL; entry = entry->next) {
        if (proctor_teams_digest_equal(entry->key.sha256, sha256)
            && entry != &nobody) {
            found = &entry->key;
        }
    }

    return found;
}


/*
 * In constant time, as CRYPTO_memcmp(), but a word at a time: every bit that
 * differs is gathered before anything is asked, out of the compiler's sight.
 */

static int
proctor_teams_digest_equal(const unsigned char *a, const unsigned char *b)
{
    size_t i;
    uint64_t differ;
    uint64_t x[PROCTOR_SHA256_LEN / 8], y[PROCTOR_SHA256_LEN / 8];

    memcpy(x, a, PROCTOR_SHA256_LEN);
    memcpy(y, b, PROCTOR_SHA256_LEN);

    differ = 0;

    for (i = 0; i < PROCTOR_SHA256_LEN / 8; i++) {
        differ |= x[i] ^ y[i];
        __asm__("" : "+r"(differ));
    }

    return differ == 0;
}


const proctor_account_t *
proctor_team_account(
    const proctor_team_t *team, const proctor_contract_t *contract)
{
    unsigned i;

    for (i = 0; i < team->naccounts; i++) {
        if (team->accounts[i]->contract == contract) {
            return team->accounts[i];
        }
    }

    return NULL;
}


const proctor_policy_t *
proctor_team_policy(
    const proctor_team_t *team, const proctor_operation_t *operation)
{
    unsigned i;

    for (i = 0; i < team->npolicies; i++) {
        if (team->policies[i].operation == operation) {
            return &team->policies[i];
        }
    }

    return NULL;
}


int
proctor_key_has_right(const proctor_key_t *key, const proctor_str_t *right)
{
    unsigned i;

    for (i = 0; i < key->nrights; i++) {
        if (proctor_teams_str_equal(&key->rights[i], right)) {
            return 1;
        }
    }

    return 0;
}


static int
proctor_teams_str_equal(const proctor_str_t *a, const proctor_str_t *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}


unsigned
proctor_teams_nquotas(const proctor_teams_t *teams)
{
    return teams->nquotas;
}


unsigned
proctor_teams_naccounts(const proctor_teams_t *teams)
{
    return teams->naccounts;
}


const proctor_account_t *
proctor_teams_account(const proctor_teams_t *teams, unsigned i)
{
    return &teams->accounts[i];
}
