/*
 * Lengths of time in a contract, and which of them an answer chooses.
 *
 *     "ttl": "2s"
 *     "ttl_when": { "/status": { "completed": "10m", "failed": "10m" } }
 *
 * Called by proctor_contract_cache.c.  What ttl_when says is one list, in the
 * order of the document: the first that fits decides.
 */

#include <string.h>

#include "proctor_cache.h"
#include "proctor_contract.h"


#define PROCTOR_CONTRACT_DURATION_MAX 86400000


typedef struct {
    proctor_cache_rule_t *rule;
    const char *pointer;
} proctor_contract_when_t;


static int64_t proctor_contract_ms(const char *s);
static void proctor_contract_when(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_when_value(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);


static const struct {
    const char *unit;
    int64_t ms;
} proctor_contract_units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 },
    { "h", 3600000 }, { "d", 86400000 } };


void
proctor_contract_duration(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    int64_t ms;
    int64_t *duration = out;

    ms = json_is_string(value) ? proctor_contract_ms(json_string_value(value))
                               : 0;

    if (ms == 0) {
        proctor_document_fault(doc, at,
            "must be a length of time from \"1ms\" to \"1d\": "
            "a number and ms, s, m, h or d");
        return;
    }

    *duration = ms;
}


/* 0: it is no length of time, or too long */

static int64_t
proctor_contract_ms(const char *s)
{
    size_t i;
    int64_t n;

    if (*s == '0') {
        return 0;
    }

    for (n = 0; *s >= '0' && *s <= '9' && n <= PROCTOR_CONTRACT_DURATION_MAX;
         s++) {
        n = n * 10 + (*s - '0');
    }

    for (i = 0;
         i < sizeof(proctor_contract_units) / sizeof(proctor_contract_units[0]);
         i++) {
        if (strcmp(proctor_contract_units[i].unit, s) == 0) {
            n *= proctor_contract_units[i].ms;
            return n <= PROCTOR_CONTRACT_DURATION_MAX ? n : 0;
        }
    }

    return 0;
}


void
proctor_contract_ttl_when(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    size_t room;
    const char *name;
    json_t *values;
    proctor_cache_rule_t *rule = out;
    proctor_contract_when_t when = { rule, NULL };

    room = 1;

    json_object_foreach(value, name, values)
    {
        room += json_object_size(values);
    }

    rule->when =
        proctor_document_alloc(doc, at, room * sizeof(proctor_cache_when_t));

    if (rule->when != NULL) {
        proctor_document_map(doc, value, at, proctor_contract_when, &when);
    }
}


static void
proctor_contract_when(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_contract_when_t *when = out;

    if (!proctor_contract_is_pointer(at->name)) {
        proctor_document_fault(doc, at, "must be a JSON Pointer");
        return;
    }

    when->pointer = at->name;

    proctor_document_map(doc, value, at, proctor_contract_when_value, when);
}


int
proctor_contract_is_pointer(const char *s)
{
    const char *p;

    for (p = strchr(s, '~'); p != NULL; p = strchr(p + 1, '~')) {
        if (p[1] != '0' && p[1] != '1') {
            return 0;
        }
    }

    return s[0] == '\0' || s[0] == '/';
}


static void
proctor_contract_when_value(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_cache_when_t *added;
    const proctor_contract_when_t *when = out;

    added = &when->rule->when[when->rule->nwhen++];
    added->pointer = when->pointer;
    added->value.data = at->name;
    added->value.len = strlen(at->name);

    proctor_contract_duration(doc, value, at, &added->ttl);
}
