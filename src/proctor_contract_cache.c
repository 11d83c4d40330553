/*
 * What the cache needs to know of an operation, and a contract can say:
 *
 *     "cache": { "groups": ["experiment:{experiment_id}"], "ttl": "2s",
 *                "ttl_when": { "/status": { "completed": "10m" } },
 *                "stale_while_revalidate": "5s", "stale_if_error": "1h",
 *                "unless": ["export", "/is_exporting"] }
 *     "invalidates": ["experiments", "experiment:{experiment_id}"]
 *
 * Called by proctor_contract_operation.c.  A group is a name with parameters
 * of the path; who reads belongs to some, who writes names those it makes
 * untrue.  That a path's own operations contradict each other needs no telling:
 * where one reads and another writes, the path is a group (RFC 9111, 4.4).
 */

#include <string.h>

#include "proctor_cache.h"
#include "proctor_contract.h"


#define PROCTOR_CACHE_PARTS        (PROCTOR_PATH_PARAMS + 1)
#define PROCTOR_CACHE_TEMPLATE_MAX 128 /* bytes */


/* one operation's, for as long as the contract lives */

typedef struct {
    proctor_cache_rule_t rule; /* of who invalidates: only its groups */
    const proctor_path_t *path;
} proctor_contract_cache_t;


static proctor_contract_cache_t *proctor_contract_cache_create(
    proctor_document_t *doc, const proctor_where_t *at,
    const proctor_path_t *path);
static void proctor_contract_cache_groups(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, void *out);
static void proctor_contract_cache_group(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_cache_unless(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, void *out);
static void proctor_contract_cache_exception(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, void *out);
static void proctor_contract_cache_exceptions(proctor_document_t *doc,
    const proctor_where_t *at, const proctor_operation_t *operation);
static int proctor_contract_cache_is_group(const char *s, size_t len);
static void proctor_contract_cache_parts(proctor_document_t *doc,
    const proctor_where_t *at, const proctor_path_t *path, const char *text,
    proctor_cache_template_t *template);
static int proctor_contract_cache_param(
    const char *template, const char *name, size_t len);


static const proctor_member_t proctor_contract_cache_members[] = {
    { "groups", PROCTOR_REQUIRED, proctor_contract_cache_groups, 0 },
    { "ttl", PROCTOR_OPTIONAL, proctor_contract_duration,
        offsetof(proctor_contract_cache_t, rule.ttl) },
    { "ttl_when", PROCTOR_OPTIONAL, proctor_contract_ttl_when,
        offsetof(proctor_contract_cache_t, rule) },
    { "stale_while_revalidate", PROCTOR_OPTIONAL, proctor_contract_duration,
        offsetof(proctor_contract_cache_t, rule.stale_while_revalidate) },
    { "stale_if_error", PROCTOR_OPTIONAL, proctor_contract_duration,
        offsetof(proctor_contract_cache_t, rule.stale_if_error) },
    { "unless", PROCTOR_OPTIONAL, proctor_contract_cache_unless, 0 },
    { NULL, 0, NULL, 0 }
};


void
proctor_contract_cache(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_operation_t *operation = out;
    proctor_contract_cache_t *cache;

    if (operation->method != PROCTOR_GET && operation->method != PROCTOR_POST) {
        proctor_document_fault(
            doc, at, "must stand on get, or on a post that only reads");
        return;
    }

    cache = proctor_contract_cache_create(doc, at, operation->path);
    if (cache == NULL) {
        return;
    }

    cache->rule.ttl = -1;
    operation->cache = &cache->rule;

    proctor_document_object(
        doc, value, at, proctor_contract_cache_members, cache);
}


void
proctor_contract_invalidates(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_operation_t *operation = out;
    proctor_contract_cache_t *cache;

    if (!proctor_cache_is_unsafe(operation)) {
        proctor_document_fault(doc, at,
            "must stand on an operation that writes: "
            "not on get, nor beside \"cache\"");
        return;
    }

    cache = proctor_contract_cache_create(doc, at, operation->path);
    if (cache == NULL) {
        return;
    }

    operation->invalidates = &cache->rule.groups;
    proctor_contract_cache_groups(doc, value, at, cache);
}


int
proctor_cache_is_unsafe(const proctor_operation_t *operation)
{
    return operation->method != PROCTOR_GET && operation->cache == NULL;
}


static proctor_contract_cache_t *
proctor_contract_cache_create(proctor_document_t *doc,
    const proctor_where_t *at, const proctor_path_t *path)
{
    proctor_contract_cache_t *cache;

    cache = proctor_document_alloc(doc, at, sizeof(proctor_contract_cache_t));

    if (cache != NULL) {
        cache->path = path;
    }

    return cache;
}


void
proctor_contract_cache_path(proctor_document_t *doc, const proctor_where_t *at,
    const proctor_path_t *path)
{
    unsigned i, reads, writes;
    proctor_operation_t *operation;
    proctor_contract_cache_t *cache;
    const proctor_contract_state_t *state = doc->data;

    reads = 0;
    writes = 0;

    for (i = 0; i < PROCTOR_METHODS; i++) {
        if (path->operations[i] != NULL) {
            reads += path->operations[i]->cache != NULL;
            writes += proctor_cache_is_unsafe(path->operations[i]);

            if (path->operations[i]->cache != NULL) {
                proctor_contract_cache_exceptions(doc, at, path->operations[i]);
            }
        }
    }

    if (reads == 0 || writes == 0) {
        return;
    }

    for (i = 0; i < state->contract->noperations; i++) {
        operation = state->contract->operations[i];

        if (operation->path != path) {
            continue;
        }

        if (operation->cache != NULL) {
            operation->cache->groups.path = 1;
            continue;
        }

        if (!proctor_cache_is_unsafe(operation)) {
            continue;
        }

        if (operation->invalidates == NULL) {
            cache = proctor_contract_cache_create(doc, at, operation->path);
            if (cache == NULL) {
                return;
            }

            operation->invalidates = &cache->rule.groups;
        }

        operation->invalidates->path = 1;
    }
}


static void
proctor_contract_cache_groups(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    size_t n;
    proctor_contract_cache_t *cache = out;

    n = json_array_size(value);

    if (!json_is_array(value) || n > PROCTOR_CACHE_GROUPS) {
        proctor_document_fault(doc, at, "must be an array of at most %d groups",
            PROCTOR_CACHE_GROUPS);
        return;
    }

    cache->rule.groups.list = proctor_document_alloc(
        doc, at, (n + 1) * sizeof(proctor_cache_template_t));

    if (cache->rule.groups.list != NULL) {
        proctor_document_array(
            doc, value, at, proctor_contract_cache_group, cache);
    }
}


static void
proctor_contract_cache_group(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    const char *text;
    proctor_contract_cache_t *cache = out;
    proctor_cache_templates_t *groups = &cache->rule.groups;

    text = json_is_string(value) ? json_string_value(value) : "";

    if (!proctor_contract_cache_is_group(text, strlen(text))) {
        proctor_document_fault(doc, at,
            "must be a group: 1 to %d printable ASCII characters, "
            "the first no slash",
            PROCTOR_CACHE_TEMPLATE_MAX);
        return;
    }

    proctor_contract_cache_parts(
        doc, at, cache->path, text, &groups->list[groups->count++]);
}


static void
proctor_contract_cache_unless(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_contract_cache_t *cache = out;

    cache->rule.unless = proctor_document_alloc(
        doc, at, (json_array_size(value) + 1) * sizeof(proctor_str_t));

    if (cache->rule.unless != NULL) {
        proctor_document_array(
            doc, value, at, proctor_contract_cache_exception, cache);
    }
}


static void
proctor_contract_cache_exception(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_contract_cache_t *cache = out;
    proctor_str_t *name = &cache->rule.unless[cache->rule.nunless++];

    proctor_document_name(doc, value, at, name);

    if (proctor_cache_is_pointer(name)
        && !proctor_contract_is_pointer(name->data)) {
        proctor_document_fault(doc, at, "must be a JSON Pointer");
    }
}


/* a misspelt name would let through what must not be kept; what a body may hold
   is too much to be gone through here */

static void
proctor_contract_cache_exceptions(proctor_document_t *doc,
    const proctor_where_t *at, const proctor_operation_t *operation)
{
    unsigned i, j;
    const proctor_str_t *name;
    const proctor_param_t *param;

    for (i = 0; i < operation->cache->nunless; i++) {
        name = &operation->cache->unless[i];

        if (proctor_cache_is_pointer(name)) {
            if (!operation->has_body) {
                proctor_document_fault(doc, at,
                    "%s is kept unless its body has \"%s\", but it has none",
                    operation->id.data, name->data);
            }

            continue;
        }

        for (j = 0; j < operation->nparams; j++) {
            param = &operation->params[j];

            if (param->in == PROCTOR_IN_QUERY && param->name.len == name->len
                && memcmp(param->name.data, name->data, name->len) == 0) {
                break;
            }
        }

        if (j == operation->nparams && name->data != NULL) {
            proctor_document_fault(doc, at,
                "%s is kept unless there is \"%s\", "
                "which is no query parameter of it",
                operation->id.data, name->data);
        }
    }
}


/* a slash begins the name of a path's own group */

static int
proctor_contract_cache_is_group(const char *s, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (s[i] <= ' ' || s[i] > '~') {
            return 0;
        }
    }

    return len != 0 && len <= PROCTOR_CACHE_TEMPLATE_MAX && s[0] != '/';
}


static void
proctor_contract_cache_parts(proctor_document_t *doc, const proctor_where_t *at,
    const proctor_path_t *path, const char *text,
    proctor_cache_template_t *template)
{
    size_t len;
    proctor_cache_part_t *part;

    template->parts = proctor_document_alloc(
        doc, at, PROCTOR_CACHE_PARTS * sizeof(proctor_cache_part_t));

    while (template->parts != NULL) {
        if (template->nparts == PROCTOR_CACHE_PARTS) {
            proctor_document_fault(doc, at, "holds too many parameters");
            return;
        }

        part = &template->parts[template->nparts++];
        part->text.data = text;
        part->text.len = strcspn(text, "{}");
        part->param = -1;
        text += part->text.len;

        if (*text == '\0') {
            return;
        }

        len = strcspn(text + 1, "{}");

        if (text[0] != '{' || text[1 + len] != '}') {
            proctor_document_fault(doc, at, "holds a brace without its other");
            return;
        }

        part->param =
            proctor_contract_cache_param(path->template.data, text + 1, len);

        if (part->param < 0) {
            proctor_document_fault(doc, at,
                "names no parameter of the path: "
                "\"%.*s\"",
                (int) len, text + 1);
            return;
        }

        text += len + 2;
    }
}


/* which of the template's parameters it is; -1: none */

static int
proctor_contract_cache_param(const char *template, const char *name, size_t len)
{
    int i;
    const char *p;

    i = 0;

    for (p = strchr(template, '{'); p != NULL; p = strchr(p + 1, '{')) {
        if (strncmp(p + 1, name, len) == 0 && p[1 + len] == '}') {
            return i;
        }

        i++;
    }

    return -1;
}
