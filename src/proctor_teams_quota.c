/*
 * How often: a team's quotas, and the limits of an account that all its teams
 * share.
 *
 *     "quotas": [ { "name": "creates", "limit": 100, "per": "1d",
 *                   "operations": ["experiment.create"],
 *                   "charge": "accepted" } ]
 *     "limits": [ { "limit": 60, "per": "1m" } ]
 *
 * Under which keys they are counted is spelled here, once.  Names in them are
 * percent-encoded, so that no name can end a hash tag or look like two.  A
 * changed limit keeps what was counted; a changed length counts anew.
 */

#include <ctype.h>
#include <string.h>

#include "proctor_teams.h"


#define PROCTOR_QUOTA_LIMIT_MAX 1000000000


typedef struct {
    const char *kind; /* "quota" */
    proctor_str_t owner;
    const char *more;           /* "held" */
    const proctor_team_t *team; /* NULL: an account's */
    proctor_quota_t *quotas;
    unsigned *n;
} proctor_teams_quotas_t;


static void proctor_teams_read_all(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, proctor_teams_quotas_t *all);
static void proctor_teams_read_quota(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_read_count(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_read_per(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_read_charge(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_read_operations(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, proctor_quota_t *quota,
    const proctor_team_t *team);
static void proctor_teams_check_quota(proctor_document_t *doc,
    const proctor_where_t *at, const proctor_teams_quotas_t *all,
    proctor_quota_t *quota);
static const char *proctor_teams_encode(
    proctor_document_t *doc, const proctor_str_t *name);
static void proctor_teams_key_str(proctor_document_t *doc,
    const proctor_where_t *at, char *text, proctor_str_t *out);


static const proctor_member_t proctor_teams_quota_members[] = {
    { "name", PROCTOR_REQUIRED, proctor_document_name,
        offsetof(proctor_quota_t, name) },
    { "limit", PROCTOR_REQUIRED, proctor_teams_read_count,
        offsetof(proctor_quota_t, limit.limit) },
    { "per", PROCTOR_REQUIRED, proctor_teams_read_per, 0 },
    { "charge", PROCTOR_OPTIONAL, proctor_teams_read_charge,
        offsetof(proctor_quota_t, accepted) },
    { "operations", PROCTOR_OPTIONAL, proctor_document_any, 0 },
    { NULL, 0, NULL, 0 }
};

static const proctor_member_t proctor_teams_limit_members[] = {
    { "limit", PROCTOR_REQUIRED, proctor_teams_read_count,
        offsetof(proctor_quota_t, limit.limit) },
    { "per", PROCTOR_REQUIRED, proctor_teams_read_per, 0 }, { NULL, 0, NULL, 0 }
};


void
proctor_teams_read_quotas(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_team_t *team = out;
    proctor_teams_quotas_t all = { "quota", team->name, "held", team, NULL,
        &team->nquotas };

    proctor_teams_read_all(doc, value, at, &all);
    team->quotas = all.quotas;
}


void
proctor_teams_read_limits(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_account_t *account = out;
    proctor_teams_quotas_t all = { "limit", account->name, "log", NULL, NULL,
        &account->nlimits };

    proctor_teams_read_all(doc, value, at, &all);
    account->limits = all.quotas;
}


void
proctor_teams_read_names(proctor_document_t *doc, const proctor_where_t *at,
    proctor_account_t *account)
{
    proctor_teams_key_str(doc, at,
        proctor_arena_printf(doc->arena, "proctor:{%s}:valve",
            proctor_teams_encode(doc, &account->name)),
        &account->valve);
    proctor_teams_key_str(doc, at,
        proctor_arena_printf(doc->arena,
            "proctor:{%s}:", proctor_teams_encode(doc, &account->name)),
        &account->prefix);
}


static void
proctor_teams_read_all(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, proctor_teams_quotas_t *all)
{
    size_t n;

    n = json_array_size(value);

    if (!json_is_array(value) || n == 0 || n > PROCTOR_QUOTAS_MAX) {
        proctor_document_fault(
            doc, at, "must be an array of 1 to %d", PROCTOR_QUOTAS_MAX);
        return;
    }

    all->quotas = proctor_document_alloc(doc, at, n * sizeof(proctor_quota_t));

    if (all->quotas != NULL) {
        proctor_document_array(doc, value, at, proctor_teams_read_quota, all);
    }
}


static void
proctor_teams_read_quota(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    unsigned before;
    json_t *operations;
    proctor_teams_quotas_t *all = out;
    proctor_quota_t *quota;
    const proctor_where_t where = { at, "operations", 0 };

    before = doc->report.count;
    quota = &all->quotas[*all->n];

    proctor_document_object(doc, value, at,
        all->team == NULL ? proctor_teams_limit_members
                          : proctor_teams_quota_members,
        quota);

    operations = json_object_get(value, "operations");

    if (operations != NULL && all->team != NULL) {
        proctor_teams_read_operations(
            doc, operations, &where, quota, all->team);
    }

    if (doc->report.count == before) {
        proctor_teams_check_quota(doc, at, all, quota);
        (*all->n)++;
    }
}


static void
proctor_teams_read_count(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    json_int_t n;
    uint32_t *limit = out;

    n = json_integer_value(value);

    if (!json_is_integer(value) || n < 1 || n > PROCTOR_QUOTA_LIMIT_MAX) {
        proctor_document_fault(doc, at, "must be an integer from 1 to %d",
            PROCTOR_QUOTA_LIMIT_MAX);
        return;
    }

    *limit = (uint32_t) n;
}


static void
proctor_teams_read_per(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    size_t i;
    char unit;
    const char *s;
    uint32_t n, seconds;
    proctor_quota_t *quota = out;
    static const struct {
        char unit;
        uint32_t seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };

    s = json_is_string(value) ? json_string_value(value) : "";
    n = 0;
    seconds = 0;

    for (i = 0; s[i] >= '0' && s[i] <= '9' && i < 7 && s[0] != '0'; i++) {
        n = n * 10 + (uint32_t) (s[i] - '0');
    }

    unit = (i == 0 || s[i] == '\0' || s[i + 1] != '\0') ? '\0' : s[i];

    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].unit == unit && n <= 30 * 86400 / units[i].seconds) {
            seconds = n * units[i].seconds;
        }
    }

    if (seconds == 0) {
        proctor_document_fault(doc, at,
            "must be a length of time from \"1s\" to \"30d\": a number and "
            "s, m, h or d");
        return;
    }

    quota->limit.seconds = seconds;

    if (unit == 'd' && (n == 1 || n == 30)) {
        quota->limit.per = (n == 1) ? PROCTOR_PER_DAY : PROCTOR_PER_MONTH;
    }
}


static void
proctor_teams_read_charge(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    const char *s;
    int *accepted = out;

    s = json_is_string(value) ? json_string_value(value) : "";
    *accepted = (strcmp(s, "accepted") == 0);

    if (!*accepted && strcmp(s, "request") != 0) {
        proctor_document_fault(doc, at, "must be \"request\" or \"accepted\"");
    }
}


static void
proctor_teams_read_operations(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, proctor_quota_t *quota,
    const proctor_team_t *team)
{
    size_t n;
    json_t *item;
    const proctor_operation_t *operation;
    proctor_where_t where = { at, NULL, 0 };

    n = json_array_size(value);

    if (!json_is_array(value) || n == 0) {
        proctor_document_fault(
            doc, at, "must be an array with an operation at least");
        return;
    }

    quota->operations =
        proctor_document_alloc(doc, at, n * sizeof(proctor_operation_t *));

    /* with no sound account, no operation is known: that was told */
    if (quota->operations == NULL || team->naccounts == 0) {
        return;
    }

    json_array_foreach(value, where.index, item)
    {
        if (!json_is_string(item)) {
            proctor_document_fault(doc, &where, "must be a string");
            continue;
        }

        operation =
            proctor_teams_operation(doc, &where, json_string_value(item), team);

        if (operation != NULL) {
            quota->operations[quota->noperations++] = operation;
        }
    }
}


/* its keys, once all is known; two that would share a counter are a fault */

static void
proctor_teams_check_quota(proctor_document_t *doc, const proctor_where_t *at,
    const proctor_teams_quotas_t *all, proctor_quota_t *quota)
{
    unsigned i;
    char per[16];
    const char *owner, *name;
    proctor_quota_t *other;
    proctor_teams_state_t *state = doc->data;
    static const char *const words[] = { NULL, "day", "month" };

    snprintf(per, sizeof(per), "%u", quota->limit.seconds);

    if (words[quota->limit.per] != NULL) {
        snprintf(per, sizeof(per), "%s", words[quota->limit.per]);
    }

    owner = proctor_teams_encode(doc, &all->owner);
    name = proctor_teams_encode(doc, &quota->name);

    proctor_teams_key_str(
        doc, at, proctor_arena_printf(doc->arena, "%s", per), &quota->per);
    proctor_teams_key_str(doc, at,
        proctor_arena_printf(
            doc->arena, "proctor:{%s}:%s:%s:%s", owner, all->kind, name, per),
        &quota->key);
    proctor_teams_key_str(doc, at,
        proctor_arena_printf(
            doc->arena, "proctor:{%s}:slices:%s:%s", owner, name, per),
        &quota->row);
    proctor_teams_key_str(doc, at,
        proctor_arena_printf(
            doc->arena, "proctor:{%s}:%s:%s:%s", owner, all->more, name, per),
        &quota->more);
    proctor_teams_key_str(doc, at,
        proctor_arena_printf(doc->arena, "\"%.*s\";q=%u;w=%u",
            (int) quota->name.len, quota->name.len ? quota->name.data : "",
            quota->limit.limit, quota->limit.seconds),
        &quota->policy);

    quota->index = state->teams->nquotas++;

    for (i = 0; i < *all->n; i++) {
        other = &all->quotas[i];

        if (all->team != NULL && strcmp(other->name.data, quota->name.data) == 0
            && other->name.len == quota->name.len) {
            proctor_document_fault(
                doc, at, "has the name of another: %s", other->name.data);

        } else if (all->team == NULL
                   && strcmp(other->per.data, quota->per.data) == 0) {
            proctor_document_fault(doc, at, "is for the same time as another");
        }
    }
}


/* letters, digits, '.', '_', '-'; all else as %XX */

static const char *
proctor_teams_encode(proctor_document_t *doc, const proctor_str_t *name)
{
    size_t i;
    char *s, *p;

    s = proctor_arena_alloc(doc->arena, 3 * name->len + 1);
    if (s == NULL) {
        return "";
    }

    for (i = 0, p = s; i < name->len; i++) {
        if (isalnum((unsigned char) name->data[i])
            || strchr("._-", name->data[i]) != NULL) {
            *p++ = name->data[i];

        } else {
            p += sprintf(p, "%%%02X", (unsigned char) name->data[i]);
        }
    }

    *p = '\0';

    return s;
}


static void
proctor_teams_key_str(proctor_document_t *doc, const proctor_where_t *at,
    char *text, proctor_str_t *out)
{
    if (text == NULL) {
        proctor_document_fault(doc, at, "does not fit into memory");
        return;
    }

    out->data = text;
    out->len = strlen(text);
}


int
proctor_quota_applies(
    const proctor_quota_t *quota, const proctor_operation_t *operation)
{
    unsigned i;

    for (i = 0; i < quota->noperations; i++) {
        if (quota->operations[i] == operation) {
            return 1;
        }
    }

    return quota->noperations == 0;
}
