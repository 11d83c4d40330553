/*
 * What an object's rules say of names: one hash table for a schema, so that
 * one pass over an instance's members finds their schemas and marks which of
 * the names that matter are there.
 *
 * properties puts a schema beside a name; required, dependentRequired and
 * dependentSchemas give a name a mark, a bit that the check sets when the
 * member is present.  The hash is the one that the parser has left in each
 * key's node (proctor_json_key_hash).  Built by the compiler, read by the check.
 */

#include "proctor_schema.h"

#include <string.h>


#define PROCTOR_SCHEMA_SLOTS_FIRST 8


static int proctor_schema_member_create(proctor_schema_build_t *b);
static int proctor_schema_member_grow(proctor_schema_build_t *b);
static int proctor_schema_member_marks_grow(proctor_schema_build_t *b);
static int proctor_schema_dependent_needs(proctor_schema_build_t *b,
    const char *keyword, proctor_schema_dependent_t *d, json_t *names);
static proctor_schema_dependent_t *proctor_schema_dependent_add(
    proctor_schema_build_t *b, const char *keyword, const char *name);


int
proctor_schema_compile_properties(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    char *pointer, *at;
    json_t *json;
    const char *name;
    proctor_schema_t *schema;
    proctor_schema_member_t *member;

    pointer = proctor_schema_pointer(b->set, b->pointer, keyword->name);

    if (pointer == NULL || proctor_schema_member_create(b) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    json_object_foreach(value, name, json)
    {
        at = proctor_schema_pointer(b->set, pointer, name);
        schema =
            (at == NULL) ? NULL : proctor_schema_compile_at(b->set, json, at);
        member = proctor_schema_member_add(b, name);

        if (schema == NULL || member == NULL) {
            return PROCTOR_ERROR;
        }

        member->schema = schema;
    }

    return PROCTOR_OK;
}


int
proctor_schema_compile_patterns(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    char *pointer, *at;
    json_t *json;
    const char *name, *error;
    proctor_schema_pattern_t *p;

    pointer = proctor_schema_pointer(b->set, b->pointer, keyword->name);
    p = proctor_arena_calloc(
        b->set->arena, (json_object_size(value) + 1) * sizeof(*p));

    if (pointer == NULL || p == NULL) {
        return proctor_schema_no_memory(b->set);
    }

    b->schema->patterns = p;

    json_object_foreach(value, name, json)
    {
        at = proctor_schema_pointer(b->set, pointer, name);
        p->schema =
            (at == NULL) ? NULL : proctor_schema_compile_at(b->set, json, at);

        if (p->schema == NULL) {
            return PROCTOR_ERROR;
        }

        p->regex =
            proctor_regex_compile(b->set->arena, name, strlen(name), &error);

        if (p->regex == NULL && error == NULL) {
            return proctor_schema_no_memory(b->set);
        }

        if (p->regex == NULL) {
            b->schema->faulty = 1;
            proctor_report(b->set->report, at, "the pattern %s", error);
            continue;
        }

        p++;
        b->schema->npatterns++;
    }

    return PROCTOR_OK;
}


int
proctor_schema_compile_required(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    int mark;
    size_t i;
    json_t *name;

    if (proctor_schema_member_create(b) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    json_array_foreach(value, i, name)
    {
        if (!proctor_schema_is_name(name)) {
            return proctor_schema_fault(b, keyword->name,
                "%s must be an array of strings", keyword->name);
        }

        mark = proctor_schema_member_mark(
            b, keyword->name, json_string_value(name));

        if (mark < 0) {
            return PROCTOR_ERROR;
        }

        b->schema->members->required[mark / 64] |= UINT64_C(1) << mark % 64;
    }

    return PROCTOR_OK;
}


int
proctor_schema_compile_dependent_required(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    int rc;
    json_t *names;
    const char *name;
    proctor_schema_dependent_t *d;

    json_object_foreach(value, name, names)
    {
        d = proctor_schema_dependent_add(b, keyword->name, name);

        if (d == NULL) {
            return PROCTOR_ERROR;
        }

        rc = proctor_schema_dependent_needs(b, keyword->name, d, names);

        if (rc != PROCTOR_OK) {
            return rc;
        }
    }

    return PROCTOR_OK;
}


static int
proctor_schema_dependent_needs(proctor_schema_build_t *b, const char *keyword,
    proctor_schema_dependent_t *d, json_t *names)
{
    int mark;
    size_t i;
    json_t *name;

    d->needs = proctor_arena_alloc(
        b->set->arena, (json_array_size(names) + 1) * sizeof(uint32_t));

    if (d->needs == NULL) {
        return proctor_schema_no_memory(b->set);
    }

    if (!json_is_array(names)) {
        return proctor_schema_fault(
            b, keyword, "%s must be an object of arrays of strings", keyword);
    }

    json_array_foreach(names, i, name)
    {
        if (!proctor_schema_is_name(name)) {
            return proctor_schema_fault(b, keyword,
                "%s must be an object of arrays of strings", keyword);
        }

        mark = proctor_schema_member_mark(b, keyword, json_string_value(name));

        if (mark < 0) {
            return PROCTOR_ERROR;
        }

        d->needs[d->nneeds++] = (uint32_t) mark;
    }

    return PROCTOR_OK;
}


int
proctor_schema_compile_dependent_schemas(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    char *pointer, *at;
    json_t *json;
    const char *name;
    proctor_schema_dependent_t *d;

    pointer = proctor_schema_pointer(b->set, b->pointer, keyword->name);

    if (pointer == NULL) {
        return PROCTOR_ERROR;
    }

    json_object_foreach(value, name, json)
    {
        at = proctor_schema_pointer(b->set, pointer, name);
        d = proctor_schema_dependent_add(b, keyword->name, name);

        if (at == NULL || d == NULL) {
            return PROCTOR_ERROR;
        }

        d->schema = proctor_schema_compile_at(b->set, json, at);

        if (d->schema == NULL) {
            return PROCTOR_ERROR;
        }
    }

    return PROCTOR_OK;
}


static proctor_schema_dependent_t *
proctor_schema_dependent_add(
    proctor_schema_build_t *b, const char *keyword, const char *name)
{
    int mark;
    proctor_schema_dependent_t *d, **last;

    d = proctor_arena_calloc(b->set->arena, sizeof(*d));
    mark = proctor_schema_member_mark(b, keyword, name);

    if (d == NULL || mark < 0) {
        proctor_schema_no_memory(b->set);
        return NULL;
    }

    d->mark = (uint32_t) mark;

    for (last = &b->schema->dependents; *last != NULL; last = &(*last)->next) {
        /* void */
    }

    *last = d;

    return d;
}


int
proctor_schema_member_mark(
    proctor_schema_build_t *b, const char *keyword, const char *name)
{
    proctor_schema_member_t *member;
    proctor_schema_members_t *members;

    member = proctor_schema_member_add(b, name);

    if (member == NULL) {
        return -1;
    }

    if (member->mark >= 0) {
        return member->mark;
    }

    members = b->schema->members;

    if (members->nmarks == PROCTOR_SCHEMA_MARKS) {
        (void) proctor_schema_fault(b, keyword,
            "one schema can require at most %d names", PROCTOR_SCHEMA_MARKS);
        return -1;
    }

    if (proctor_schema_member_marks_grow(b) != PROCTOR_OK) {
        return -1;
    }

    members->marks[members->nmarks] = member->name;
    member->mark = (int32_t) members->nmarks++;

    return member->mark;
}


/* room for one more; full when the count is a power of two */
static int
proctor_schema_member_marks_grow(proctor_schema_build_t *b)
{
    proctor_str_t *marks;
    proctor_schema_members_t *members;

    members = b->schema->members;

    if ((members->nmarks & (members->nmarks - 1)) != 0) {
        return PROCTOR_OK;
    }

    marks = proctor_arena_alloc(
        b->set->arena, (members->nmarks * 2 + 1) * sizeof(proctor_str_t));

    if (marks == NULL) {
        return proctor_schema_no_memory(b->set);
    }

    if (members->nmarks != 0) {
        memcpy(marks, members->marks, members->nmarks * sizeof(proctor_str_t));
    }

    members->marks = marks;

    return PROCTOR_OK;
}


proctor_schema_member_t *
proctor_schema_member_add(proctor_schema_build_t *b, const char *name)
{
    uint32_t hash;
    proctor_str_t text;
    proctor_json_node_t key;
    proctor_schema_member_t *member;
    proctor_schema_members_t *members;

    if (proctor_schema_member_create(b) != PROCTOR_OK
        || proctor_schema_member_grow(b) != PROCTOR_OK) {
        return NULL;
    }

    members = b->schema->members;
    memset(&key, 0, sizeof(key));
    key.text = name;
    key.len = (uint32_t) strlen(name);
    hash = proctor_json_key_hash(&key);
    text = (proctor_str_t){ name, key.len };
    member = proctor_schema_member_slot(members, &text, hash);

    if (member->name.data == NULL) {
        member->name = text;
        member->hash = hash;
        member->mark = -1;
        members->used++;
    }

    return member;
}


static int
proctor_schema_member_create(proctor_schema_build_t *b)
{
    proctor_schema_members_t *members;

    if (b->schema->members != NULL) {
        return PROCTOR_OK;
    }

    members = proctor_arena_calloc(b->set->arena, sizeof(*members));

    if (members == NULL) {
        return proctor_schema_no_memory(b->set);
    }

    members->slots = proctor_arena_calloc(b->set->arena,
        PROCTOR_SCHEMA_SLOTS_FIRST * sizeof(proctor_schema_member_t));

    if (members->slots == NULL) {
        return proctor_schema_no_memory(b->set);
    }

    members->mask = PROCTOR_SCHEMA_SLOTS_FIRST - 1;
    b->schema->members = members;

    return PROCTOR_OK;
}


static int
proctor_schema_member_grow(proctor_schema_build_t *b)
{
    uint32_t i, size;
    proctor_schema_member_t *old, *member;
    proctor_schema_members_t *members;

    members = b->schema->members;
    size = members->mask + 1;

    if ((members->used + 1) * 2 <= size) {
        return PROCTOR_OK;
    }

    old = members->slots;
    members->slots = proctor_arena_calloc(
        b->set->arena, size * 2 * sizeof(proctor_schema_member_t));

    if (members->slots == NULL) {
        members->slots = old;
        return proctor_schema_no_memory(b->set);
    }

    members->mask = size * 2 - 1;

    for (i = 0; i < size; i++) {
        if (old[i].name.data != NULL) {
            member =
                proctor_schema_member_slot(members, &old[i].name, old[i].hash);
            *member = old[i];
        }
    }

    return PROCTOR_OK;
}
