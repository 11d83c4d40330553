/*
 * "$ref" of OpenAPI objects other than schemas: to where it points inside the
 * same document.
 *
 * Called by the contract's readers before they walk an object that OpenAPI
 * allows to be a reference.  Faults found behind a reference name the place
 * that it points to.  Schemas are not resolved here: the schema engine knows
 * their own, different rules.
 */

#include <string.h>

#include "proctor_document.h"


#define PROCTOR_REF_HOPS 16


static int proctor_document_is_ref(
    proctor_document_t *doc, json_t *value, const proctor_where_t *at);
static json_t *proctor_document_follow(proctor_document_t *doc,
    const char *reference, const proctor_where_t *at, proctor_where_t *target);


json_t *
proctor_document_resolve(proctor_document_t *doc, json_t *value,
    const proctor_where_t **at, proctor_where_t *target)
{
    unsigned hops;

    for (hops = 0; json_object_get(value, "$ref") != NULL; hops++) {
        if (!proctor_document_is_ref(doc, value, *at)) {
            return NULL;
        }

        if (hops == PROCTOR_REF_HOPS) {
            proctor_document_fault(
                doc, *at, "follows references that never end");
            return NULL;
        }

        value = proctor_document_follow(doc,
            json_string_value(json_object_get(value, "$ref")), *at, target);
        if (value == NULL) {
            return NULL;
        }

        *at = target;
    }

    return value;
}


static int
proctor_document_is_ref(
    proctor_document_t *doc, json_t *value, const proctor_where_t *at)
{
    unsigned before;

    static const proctor_member_t members[] = {
        { "$ref", PROCTOR_REQUIRED, proctor_document_text, 0 },
        { "summary", PROCTOR_OPTIONAL, proctor_document_text, 0 },
        { "description", PROCTOR_OPTIONAL, proctor_document_text, 0 },
        { NULL, 0, NULL, 0 },
    };

    before = doc->report.count;
    proctor_document_object(doc, value, at, members, NULL);

    return doc->report.count == before;
}


/* The target's pointer is the reference's own fragment, decoded. */

static json_t *
proctor_document_follow(proctor_document_t *doc, const char *reference,
    const proctor_where_t *at, proctor_where_t *target)
{
    char *pointer;
    json_t *value;
    ptrdiff_t len;

    if (reference[0] != '#' || (reference[1] != '/' && reference[1] != '\0')) {
        proctor_document_fault(
            doc, at, "must refer to this document by a JSON Pointer");
        return NULL;
    }

    reference++;
    pointer = proctor_arena_strndup(doc->arena, reference, strlen(reference));

    if (pointer == NULL) {
        proctor_document_fault(doc, at, "does not fit into memory");
        return NULL;
    }

    len = proctor_unescape_percent(pointer, reference, strlen(reference), 0);

    if (len < 0) {
        proctor_document_fault(doc, at, "holds a bad percent-encoding");
        return NULL;
    }

    pointer[len] = '\0';
    value = proctor_pointer_find(doc->root, pointer);

    if (value == NULL) {
        proctor_document_fault(doc, at, "refers to nothing: #%s", reference);
        return NULL;
    }

    *target = (proctor_where_t){ NULL, pointer, 0 };

    return value;
}
