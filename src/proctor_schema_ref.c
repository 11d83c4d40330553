/*
 * $id, $anchor and $ref: which schema of the document a reference names.
 *
 * A $id makes the schema it stands in a resource with its own base URI; $anchor
 * names a schema of a resource.  Both are learned by walking a schema from its
 * root before it is compiled, and only where the keyword table says that
 * schemas stand: a "$id" inside an enum or an example is nobody's name.  What a
 * reference resolves to must be among them; nothing is ever fetched.
 *
 * A document without any $id is one resource, whose base URI is empty.
 */

#include "proctor_schema.h"

#include <string.h>


struct proctor_schema_resource_s {
    const char *uri; /* absolute where the document makes it so */
    const char *pointer;
    json_t *json;
    proctor_schema_anchor_t *anchors;
    proctor_schema_resource_t *next;
};

struct proctor_schema_anchor_s {
    const char *name;
    const char *pointer;
    json_t *json;
    proctor_schema_anchor_t *next;
};


static int proctor_schema_ref_scan_member(proctor_schema_set_t *set,
    const proctor_schema_keyword_t *keyword, json_t *value,
    const char *pointer);
static int proctor_schema_ref_add_resource(
    proctor_schema_set_t *set, json_t *json, const char *pointer);
static int proctor_schema_ref_add_anchor(proctor_schema_set_t *set,
    json_t *json, const char *pointer, const char *keyword);
static proctor_schema_resource_t *proctor_schema_ref_resource(
    proctor_schema_set_t *set, const char *pointer);
static proctor_schema_resource_t *proctor_schema_ref_named(
    proctor_schema_set_t *set, const char *uri);
static json_t *proctor_schema_ref_target(proctor_schema_set_t *set,
    const proctor_schema_resource_t *resource, const char *fragment,
    const char **pointer);


int
proctor_schema_ref_scan(
    proctor_schema_set_t *set, json_t *json, const char *pointer)
{
    char *at;
    json_t *value;
    const char *name;
    const proctor_schema_keyword_t *keyword;

    if (!json_is_object(json)) {
        return PROCTOR_OK;
    }

    if (json_is_string(json_object_get(json, "$id"))
        && proctor_schema_ref_add_resource(set, json, pointer) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    /* a $dynamicAnchor is refused where it stands; what refers to it is right */

    if ((proctor_schema_ref_add_anchor(set, json, pointer, "$anchor")
            != PROCTOR_OK)
        || proctor_schema_ref_add_anchor(set, json, pointer, "$dynamicAnchor")
               != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    json_object_foreach(json, name, value)
    {
        keyword = proctor_schema_keyword_find(name);

        if (keyword == NULL || keyword->in == PROCTOR_SCHEMA_IN_NONE) {
            continue;
        }

        at = proctor_schema_pointer(set, pointer, name);

        if (at == NULL
            || proctor_schema_ref_scan_member(set, keyword, value, at)
                   != PROCTOR_OK) {
            return PROCTOR_ERROR;
        }
    }

    return PROCTOR_OK;
}


static int
proctor_schema_ref_scan_member(proctor_schema_set_t *set,
    const proctor_schema_keyword_t *keyword, json_t *value, const char *pointer)
{
    char *at;
    size_t i;
    json_t *json;
    const char *name;

    if (keyword->in == PROCTOR_SCHEMA_IN_VALUE) {
        return proctor_schema_ref_scan(set, value, pointer);
    }

    /* of the two loops only one has anything to walk */

    json_array_foreach(value, i, json)
    {
        at = proctor_arena_printf(set->arena, "%s/%zu", pointer, i);

        if (at == NULL) {
            return proctor_schema_no_memory(set);
        }

        if (proctor_schema_ref_scan(set, json, at) != PROCTOR_OK) {
            return PROCTOR_ERROR;
        }
    }

    json_object_foreach(value, name, json)
    {
        at = proctor_schema_pointer(set, pointer, name);

        if (at == NULL
            || proctor_schema_ref_scan(set, json, at) != PROCTOR_OK) {
            return PROCTOR_ERROR;
        }
    }

    return PROCTOR_OK;
}


static int
proctor_schema_ref_add_resource(
    proctor_schema_set_t *set, json_t *json, const char *pointer)
{
    char *uri;
    proctor_schema_resource_t *resource, *known;

    resource = proctor_schema_ref_resource(set, pointer);

    if (resource == NULL || resource->json == json) {
        return resource == NULL ? PROCTOR_ERROR : PROCTOR_OK;
    }

    uri = proctor_uri_resolve(set->arena, resource->uri,
        json_string_value(json_object_get(json, "$id")));
    resource = proctor_arena_calloc(set->arena, sizeof(*resource));

    if (uri == NULL || resource == NULL) {
        return proctor_schema_no_memory(set);
    }

    uri[strcspn(uri, "#")] = '\0';
    known = proctor_schema_ref_named(set, uri);

    if (known != NULL) {
        proctor_report(
            set->report, pointer, "the $id %s is that of another schema", uri);
        return PROCTOR_OK;
    }

    resource->uri = uri;
    resource->pointer = pointer;
    resource->json = json;
    resource->next = set->resources;
    set->resources = resource;

    return PROCTOR_OK;
}


static int
proctor_schema_ref_add_anchor(proctor_schema_set_t *set, json_t *json,
    const char *pointer, const char *keyword)
{
    const char *name;
    proctor_schema_anchor_t *anchor;
    proctor_schema_resource_t *resource;

    name = json_string_value(json_object_get(json, keyword));

    if (name == NULL) {
        return PROCTOR_OK;
    }

    resource = proctor_schema_ref_resource(set, pointer);

    if (resource == NULL) {
        return PROCTOR_ERROR;
    }

    for (anchor = resource->anchors; anchor != NULL; anchor = anchor->next) {
        if (anchor->json == json) {
            return PROCTOR_OK;
        }

        if (strcmp(anchor->name, name) == 0) {
            proctor_report(set->report, pointer,
                "the $anchor %s is that of another schema", name);
            return PROCTOR_OK;
        }
    }

    anchor = proctor_arena_alloc(set->arena, sizeof(*anchor));

    if (anchor == NULL) {
        return proctor_schema_no_memory(set);
    }

    anchor->name = name;
    anchor->pointer = pointer;
    anchor->json = json;
    anchor->next = resource->anchors;
    resource->anchors = anchor;

    return PROCTOR_OK;
}


/* the resource that the value at `pointer` belongs to: the innermost */
static proctor_schema_resource_t *
proctor_schema_ref_resource(proctor_schema_set_t *set, const char *pointer)
{
    size_t len, longest;
    proctor_schema_resource_t *r, *found;

    found = NULL;
    longest = 0;

    for (r = set->resources; r != NULL; r = r->next) {
        len = strlen(r->pointer);

        if (strncmp(r->pointer, pointer, len) == 0
            && (pointer[len] == '/' || pointer[len] == '\0')
            && (found == NULL || len > longest)) {
            found = r;
            longest = len;
        }
    }

    if (found != NULL) {
        return found;
    }

    found = proctor_arena_calloc(set->arena, sizeof(*found));

    if (found == NULL) {
        proctor_schema_no_memory(set);
        return NULL;
    }

    found->uri = "";
    found->pointer = "";
    found->next = set->resources;
    set->resources = found;

    /* without `json`: the document's own $id, if any, is still to be seen */

    return found;
}


static proctor_schema_resource_t *
proctor_schema_ref_named(proctor_schema_set_t *set, const char *uri)
{
    proctor_schema_resource_t *r;

    for (r = set->resources; r != NULL; r = r->next) {
        if (strcmp(r->uri, uri) == 0) {
            return r;
        }
    }

    return NULL;
}


int
proctor_schema_ref_compile(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    char *uri, *fragment;
    json_t *json;
    const char *ref, *pointer;
    ptrdiff_t len;
    proctor_schema_t *schema;
    proctor_schema_resource_t *resource;

    ref = json_string_value(value);
    resource = proctor_schema_ref_resource(b->set, b->pointer);
    uri = (resource == NULL)
              ? NULL
              : proctor_uri_resolve(b->set->arena, resource->uri, ref);

    if (uri == NULL) {
        return proctor_schema_no_memory(b->set);
    }

    fragment = strchr(uri, '#');

    if (fragment == NULL) {
        fragment = uri + strlen(uri);

    } else {
        *fragment++ = '\0';
    }

    resource = proctor_schema_ref_named(b->set, uri);

    if (resource == NULL) {
        return proctor_schema_fault(b, keyword->name,
            "$ref outside the document is not supported: %s", ref);
    }

    len = proctor_unescape_percent(fragment, fragment, strlen(fragment), 0);
    json = NULL;

    if (len >= 0) {
        fragment[len] = '\0';
        json = proctor_schema_ref_target(b->set, resource, fragment, &pointer);
    }

    if (json == NULL) {
        return proctor_schema_fault(
            b, keyword->name, "$ref leads to nothing: %s", ref);
    }

    if (pointer == NULL
        || proctor_schema_ref_scan(b->set, json, pointer) != PROCTOR_OK) {
        return proctor_schema_no_memory(b->set);
    }

    schema = proctor_schema_compile_at(b->set, json, pointer);
    b->schema->subs[keyword->which] = schema;

    return schema == NULL ? PROCTOR_ERROR : PROCTOR_OK;
}


/* *pointer: where it stands in the document; NULL: out of memory */
static json_t *
proctor_schema_ref_target(proctor_schema_set_t *set,
    const proctor_schema_resource_t *resource, const char *fragment,
    const char **pointer)
{
    json_t *json;
    const proctor_schema_anchor_t *anchor;

    if (fragment[0] == '\0' || fragment[0] == '/') {
        json = (resource->json != NULL) ? resource->json : set->document;
        *pointer = proctor_arena_printf(
            set->arena, "%s%s", resource->pointer, fragment);
        return proctor_pointer_find(json, fragment);
    }

    for (anchor = resource->anchors; anchor != NULL; anchor = anchor->next) {
        if (strcmp(anchor->name, fragment) == 0) {
            *pointer = anchor->pointer;
            return anchor->json;
        }
    }

    return NULL;
}
