/*
 * What the audit trail holds of an operation: "x-proctor": {"audit": ...}.
 *
 *     "none" | "metadata" | "durable"
 *     {"durable": true, "level": "body", "redact": ["/headers/token"]}
 *
 * Without it: metadata, not durable.  Called when the operation's other
 * members were read, so that a body that it does not have is told of.
 */

#include <string.h>

#include "proctor_contract.h"


static void proctor_contract_audit_level(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_contract_audit_redact(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, void *out);
static void proctor_contract_audit_pointer(proctor_document_t *doc,
    json_t *value, const proctor_where_t *at, void *out);
static int proctor_contract_audit_is_pointer(const char *s, size_t len);


static const proctor_member_t proctor_contract_audit_members[] = {
    { "durable", PROCTOR_OPTIONAL, proctor_document_boolean,
        offsetof(proctor_operation_t, durable) },
    { "level", PROCTOR_OPTIONAL, proctor_contract_audit_level, 0 },
    { "redact", PROCTOR_OPTIONAL, proctor_contract_audit_redact, 0 },
    { NULL, 0, NULL, 0 }
};

static const struct {
    const char *name;
    proctor_audit_level_e level;
} proctor_contract_audit_levels[] = { { "metadata", PROCTOR_AUDIT_METADATA },
    { "body", PROCTOR_AUDIT_BODY }, { "none", PROCTOR_AUDIT_NONE } };


void
proctor_contract_audit(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    const char *word;
    proctor_operation_t *operation = out;

    word = json_is_string(value) ? json_string_value(value) : "";

    if (json_is_object(value)) {
        proctor_document_object(
            doc, value, at, proctor_contract_audit_members, operation);

    } else if (strcmp(word, "durable") == 0) {
        operation->durable = 1;

    } else if (strcmp(word, "none") == 0) {
        operation->audit = PROCTOR_AUDIT_NONE;

    } else if (strcmp(word, "metadata") != 0) {
        proctor_document_fault(doc, at,
            "must be \"none\", \"metadata\", \"durable\" or an object");
    }

    if (operation->durable && operation->audit == PROCTOR_AUDIT_NONE) {
        proctor_document_fault(
            doc, at, "must not be both durable and not written at all");
    }

    if (operation->nredact != 0 && operation->audit != PROCTOR_AUDIT_BODY) {
        proctor_document_fault(
            doc, at, "has something to redact, but not the level \"body\"");
    }

    if (operation->audit == PROCTOR_AUDIT_BODY && !operation->has_body) {
        proctor_document_fault(
            doc, at, "must stand on an operation that has a body");
    }
}


static void
proctor_contract_audit_level(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    size_t i;
    const char *name;
    proctor_operation_t *operation = out;

    name = json_is_string(value) ? json_string_value(value) : "";

    for (i = 0; i < sizeof(proctor_contract_audit_levels)
                        / sizeof(proctor_contract_audit_levels[0]);
         i++) {
        if (strcmp(proctor_contract_audit_levels[i].name, name) == 0) {
            operation->audit = proctor_contract_audit_levels[i].level;
            return;
        }
    }

    proctor_document_fault(
        doc, at, "must be \"none\", \"metadata\" or \"body\"");
}


static void
proctor_contract_audit_redact(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    size_t n;
    proctor_operation_t *operation = out;

    n = json_array_size(value);

    if (n == 0 || n > PROCTOR_CONTRACT_REDACTED) {
        proctor_document_fault(doc, at,
            "must be an array of 1 to %d JSON Pointers",
            PROCTOR_CONTRACT_REDACTED);
        return;
    }

    operation->redact =
        proctor_document_alloc(doc, at, n * sizeof(proctor_str_t));

    if (operation->redact != NULL) {
        proctor_document_array(
            doc, value, at, proctor_contract_audit_pointer, operation);
    }
}


static void
proctor_contract_audit_pointer(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_str_t *pointer;
    proctor_operation_t *operation = out;

    if (!json_is_string(value)
        || !proctor_contract_audit_is_pointer(
            json_string_value(value), json_string_length(value))) {
        proctor_document_fault(
            doc, at, "must be a JSON Pointer to a member, as \"/a/b\"");
        return;
    }

    pointer = &operation->redact[operation->nredact++];
    pointer->data = json_string_value(value);
    pointer->len = json_string_length(value);
}


/* RFC 6901, 3; one that nothing can match would hide nothing */

static int
proctor_contract_audit_is_pointer(const char *s, size_t len)
{
    size_t i;

    if (len == 0 || s[0] != '/') {
        return 0;
    }

    for (i = 0; i < len; i++) {
        if (s[i] == '\0'
            || (s[i] == '~' && s[i + 1] != '0' && s[i + 1] != '1')) {
            return 0;
        }
    }

    return 1;
}
