/*
 * The keys of a team: digest, whose it is, what it may do, until when.
 *
 * Only SHA-256 digests are ever written down.  A key that has expired stays:
 * it is how a rotation ends, and its refusal can still say whose key it was.
 */

#include <string.h>

#include "proctor_teams.h"


#define PROCTOR_TEAMS_RIGHTS 64 /* of one key */


static void proctor_teams_read_key(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_read_id(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_read_digest(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_read_rights(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_read_right(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_read_expires(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static int proctor_teams_has_right(
    const proctor_team_t *team, const char *right, size_t len);
static void proctor_teams_add_key(proctor_document_t *doc,
    const proctor_where_t *at, proctor_teams_entry_t *entry);


static const proctor_member_t proctor_teams_key_members[] = {
    { "id", PROCTOR_REQUIRED, proctor_teams_read_id,
        offsetof(proctor_key_t, id) },
    { "sha256", PROCTOR_REQUIRED, proctor_teams_read_digest,
        offsetof(proctor_key_t, sha256) },
    { "actor", PROCTOR_REQUIRED, proctor_document_name,
        offsetof(proctor_key_t, actor) },
    { "rights", PROCTOR_REQUIRED, proctor_teams_read_rights, 0 },
    { "expires", PROCTOR_OPTIONAL, proctor_teams_read_expires,
        offsetof(proctor_key_t, expires) },
    { "on_behalf_of", PROCTOR_OPTIONAL, proctor_document_boolean,
        offsetof(proctor_key_t, on_behalf_of) },
    { NULL, 0, NULL, 0 }
};


void
proctor_teams_read_keys(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_document_array(doc, value, at, proctor_teams_read_key, out);
}


static void
proctor_teams_read_key(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    unsigned before;
    proctor_teams_entry_t *entry;
    proctor_teams_state_t *state = doc->data;

    entry = &state->teams->entries[state->teams->nentries++];
    entry->key.team = out;

    before = doc->report.count;

    proctor_document_object(
        doc, value, at, proctor_teams_key_members, &entry->key);

    if (doc->report.count == before) {
        proctor_teams_add_key(doc, at, entry);
    }
}


static void
proctor_teams_add_key(proctor_document_t *doc, const proctor_where_t *at,
    proctor_teams_entry_t *entry)
{
    size_t bucket;
    const proctor_key_t *other;
    const proctor_teams_state_t *state = doc->data;
    proctor_teams_t *teams = state->teams;

    other = proctor_teams_key(teams, entry->key.sha256);
    if (other != NULL) {
        proctor_document_fault(
            doc, at, "has the digest of the key %s", other->id.data);
        return;
    }

    memcpy(&bucket, entry->key.sha256, sizeof(size_t));
    bucket &= teams->mask;

    entry->next = teams->buckets[bucket];
    teams->buckets[bucket] = entry;
}


static void
proctor_teams_read_id(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_str_t *id = out;
    const proctor_teams_state_t *state = doc->data;

    proctor_document_name(doc, value, at, id);

    if (id->data == NULL) {
        return;
    }

    if (json_object_get(state->key_ids, id->data) != NULL) {
        proctor_document_fault(
            doc, at, "is the id of another key: %s", id->data);
        return;
    }

    if (json_object_set_new(state->key_ids, id->data, json_true()) != 0) {
        proctor_document_fault(doc, at, "does not fit into memory");
    }
}


static void
proctor_teams_read_digest(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    int high, low;
    size_t i;
    const char *hex;
    unsigned char *sha256 = out;

    if (json_string_length(value) != 2 * PROCTOR_SHA256_LEN) {
        proctor_document_fault(doc, at, "must be 64 hexadecimal digits");
        return;
    }

    hex = json_string_value(value);

    for (i = 0; i < PROCTOR_SHA256_LEN; i++) {
        high = proctor_hex(hex[2 * i]);
        low = proctor_hex(hex[2 * i + 1]);

        if (high < 0 || low < 0) {
            proctor_document_fault(doc, at, "must be 64 hexadecimal digits");
            return;
        }

        sha256[i] = (unsigned char) (high << 4 | low);
    }
}


static void
proctor_teams_read_rights(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    size_t n;
    proctor_key_t *key = out;

    n = json_array_size(value);

    if (!json_is_array(value) || n == 0 || n > PROCTOR_TEAMS_RIGHTS) {
        proctor_document_fault(doc, at, "must be an array of 1 to %d rights",
            PROCTOR_TEAMS_RIGHTS);
        return;
    }

    key->rights = proctor_document_alloc(doc, at, n * sizeof(proctor_str_t));

    if (key->rights != NULL) {
        proctor_document_array(doc, value, at, proctor_teams_read_right, key);
    }
}


/* A team without a sound account has that fault already: one is enough. */

static void
proctor_teams_read_right(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_str_t right;
    proctor_key_t *key = out;

    right.data = NULL;
    proctor_document_name(doc, value, at, &right);

    if (right.data == NULL) {
        return;
    }

    if (key->team->naccounts != 0
        && !proctor_teams_has_right(key->team, right.data, right.len)) {
        proctor_document_fault(doc, at,
            "names a right that no operation of the team's contracts asks for:"
            " %s",
            right.data);
        return;
    }

    if (proctor_key_has_right(key, &right)) {
        proctor_document_fault(doc, at, "names a right twice: %s", right.data);
        return;
    }

    key->rights[key->nrights++] = right;
}


static int
proctor_teams_has_right(
    const proctor_team_t *team, const char *right, size_t len)
{
    unsigned i;

    for (i = 0; i < team->naccounts; i++) {
        if (team->accounts[i]->contract == NULL
            || proctor_contract_has_right(
                team->accounts[i]->contract, right, len)) {
            return 1;
        }
    }

    return 0;
}


static void
proctor_teams_read_expires(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    int64_t *expires = out;

    if (!json_is_string(value)
        || proctor_time_parse(
               json_string_value(value), json_string_length(value), expires)
               != PROCTOR_OK) {
        proctor_document_fault(
            doc, at, "must be a time in UTC, as \"2027-01-01T00:00:00Z\"");
        return;
    }

    /* 0 would mean never */
    if (*expires <= 0) {
        *expires = 1;
    }
}
