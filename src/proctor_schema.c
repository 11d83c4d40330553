/*
 * JSON Schema 2020-12, compiled: one proctor_schema_t for each schema object
 * of a document, made the first time that anything refers to it.
 *
 * proctor_schema_keyword.c knows the keywords and fills in the compiled schema,
 * proctor_schema_member.c does so for what concerns the names of an object's
 * members, proctor_schema_ref.c finds what a $ref names.  This file holds the
 * set: which schema objects are compiled already (so that recursive references
 * end), where faults are told, and how deep we are.
 *
 * Contracts and teams files are compiled while nginx reads its configuration;
 * everything lives in the set's arena, and nothing is written afterwards.
 */

#include "proctor_schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>


#define PROCTOR_SCHEMA_SLOTS_FIRST 64
#define PROCTOR_SCHEMA_REASON_LEN  512


static int proctor_schema_compile_object(
    proctor_schema_set_t *set, proctor_schema_t *schema, json_t *json);
static proctor_schema_t *proctor_schema_new(
    proctor_schema_set_t *set, json_t *json, const char *pointer);
static proctor_schema_t *proctor_schema_known(
    const proctor_schema_set_t *set, json_t *json);
static int proctor_schema_remember(
    proctor_schema_set_t *set, json_t *json, proctor_schema_t *schema);
static proctor_schema_slot_t *proctor_schema_slot(
    const proctor_schema_set_t *set, json_t *json);
static uint8_t proctor_schema_types(const proctor_schema_t *schema);


proctor_schema_set_t *
proctor_schema_set_create(proctor_arena_t *arena, json_t *document,
    unsigned options, proctor_report_t *report)
{
    proctor_schema_set_t *set;

    set = proctor_arena_calloc(arena, sizeof(*set));

    if (set == NULL) {
        return NULL;
    }

    set->arena = arena;
    set->document = document;
    set->options = options;
    set->report = report;
    set->nslots = PROCTOR_SCHEMA_SLOTS_FIRST;
    set->slots = proctor_arena_calloc(arena, set->nslots * sizeof(*set->slots));

    return set->slots == NULL ? NULL : set;
}


const proctor_schema_t *
proctor_schema_compile(proctor_schema_set_t *set, const char *pointer)
{
    json_t *json;
    unsigned count;
    proctor_schema_t *schema, *linked;

    json = proctor_pointer_find(set->document, pointer);

    if (json == NULL) {
        proctor_report(set->report, pointer, "there is no schema here");
        return NULL;
    }

    pointer = proctor_arena_strndup(set->arena, pointer, strlen(pointer));

    if (pointer == NULL) {
        proctor_schema_no_memory(set);
        return NULL;
    }

    count = set->report->count;

    if (proctor_schema_ref_scan(set, json, pointer) != PROCTOR_OK) {
        return NULL;
    }

    schema = proctor_schema_compile_at(set, json, pointer);

    if (schema == NULL) {
        return NULL;
    }

    linked = set->visited;
    proctor_schema_cycles(set);
    schema->faulty |= (set->report->count != count);

    if (schema->faulty) {
        return NULL;
    }

    proctor_schema_link(set->last, linked);

    return proctor_schema_link_target(schema);
}


proctor_schema_t *
proctor_schema_compile_at(
    proctor_schema_set_t *set, json_t *json, const char *pointer)
{
    int rc;
    unsigned count;
    proctor_schema_t *schema;

    schema = json_is_null(json) ? NULL : proctor_schema_known(set, json);

    if (schema != NULL) {
        return schema;
    }

    schema = proctor_schema_new(set, json, pointer);

    if (schema == NULL) {
        return NULL;
    }

    if (json_is_boolean(json)) {
        schema->never = json_is_false(json);
        schema->whole = schema->never;
        return schema;
    }

    count = set->report->count;

    if (!json_is_object(json)) {
        proctor_report(
            set->report, pointer, "a schema must be an object or a boolean");

    } else if (set->depth == PROCTOR_SCHEMA_NESTING) {
        proctor_report(set->report, pointer,
            "schemas and references are nested more than %d deep",
            PROCTOR_SCHEMA_NESTING);

    } else {
        set->depth++;
        rc = proctor_schema_compile_object(set, schema, json);
        set->depth--;

        if (rc == PROCTOR_ERROR) {
            return NULL;
        }
    }

    schema->faulty |= (set->report->count != count);

    return schema;
}


/* every keyword, so that all faults of one schema are told at once */
static int
proctor_schema_compile_object(
    proctor_schema_set_t *set, proctor_schema_t *schema, json_t *json)
{
    json_t *value;
    const char *name;
    proctor_schema_build_t b;
    const proctor_schema_keyword_t *keyword;

    b.set = set;
    b.schema = schema;
    b.object = json;
    b.pointer = schema->pointer;

    json_object_foreach(json, name, value)
    {
        keyword = proctor_schema_keyword_find(name);

        if (keyword == NULL) {
            if ((set->options & PROCTOR_SCHEMA_LENIENT) == 0) {
                (void) proctor_schema_fault(&b, name,
                    "%s is not a keyword of JSON Schema 2020-12", name);
            }

        } else if (proctor_schema_keyword_compile(&b, keyword, value)
                   == PROCTOR_ERROR) {
            return PROCTOR_ERROR;
        }
    }

    return PROCTOR_OK;
}


static proctor_schema_t *
proctor_schema_new(proctor_schema_set_t *set, json_t *json, const char *pointer)
{
    size_t i;
    proctor_schema_t *schema;

    schema = proctor_arena_calloc(set->arena, sizeof(*schema));

    if (schema == NULL
        || proctor_schema_remember(set, json, schema) != PROCTOR_OK) {
        proctor_schema_no_memory(set);
        return NULL;
    }

    for (i = 0; i < PROCTOR_SCHEMA_LIMITS; i++) {
        schema->limits[i] = -1;
    }

    schema->pointer = pointer;
    schema->next = set->last;
    set->last = schema;

    return schema;
}


static proctor_schema_t *
proctor_schema_known(const proctor_schema_set_t *set, json_t *json)
{
    return proctor_schema_slot(set, json)->schema;
}


static int
proctor_schema_remember(
    proctor_schema_set_t *set, json_t *json, proctor_schema_t *schema)
{
    size_t i, nold;
    proctor_schema_slot_t *old, *slot;

    if ((set->used + 1) * 2 > set->nslots) {
        old = set->slots;
        nold = set->nslots;
        slot = proctor_arena_calloc(set->arena, nold * 2 * sizeof(*slot));

        if (slot == NULL) {
            return PROCTOR_ERROR;
        }

        set->slots = slot;
        set->nslots = nold * 2;

        for (i = 0; i < nold; i++) {
            if (old[i].json != NULL) {
                *proctor_schema_slot(set, old[i].json) = old[i];
            }
        }
    }

    slot = proctor_schema_slot(set, json);
    slot->json = json;
    slot->schema = schema;
    set->used++;

    return PROCTOR_OK;
}


/* an object's address names its place in the document; booleans are shared by
   jansson, and alike */
static proctor_schema_slot_t *
proctor_schema_slot(const proctor_schema_set_t *set, json_t *json)
{
    size_t i;

    i = (size_t) (((uintptr_t) json >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32);

    for (i &= set->nslots - 1;; i = (i + 1) & (set->nslots - 1)) {
        if (set->slots[i].json == json || set->slots[i].json == NULL) {
            return &set->slots[i];
        }
    }
}


char *
proctor_schema_pointer(
    proctor_schema_set_t *set, const char *pointer, const char *name)
{
    char *p, *at;
    size_t len;
    const char *s;

    len = strlen(pointer);
    at = proctor_arena_alloc(set->arena, len + 2 * strlen(name) + 2);

    if (at == NULL) {
        proctor_schema_no_memory(set);
        return NULL;
    }

    memcpy(at, pointer, len);
    p = at + len;
    *p++ = '/';

    for (s = name; *s != '\0'; s++) {
        if (*s == '~' || *s == '/') {
            *p++ = '~';
            *p++ = (*s == '~') ? '0' : '1';

        } else {
            *p++ = *s;
        }
    }

    *p = '\0';

    return at;
}


int
proctor_schema_fault(
    proctor_schema_build_t *b, const char *keyword, const char *fmt, ...)
{
    char *at;
    va_list args;
    char reason[PROCTOR_SCHEMA_REASON_LEN];

    b->schema->faulty = 1;
    at = proctor_schema_pointer(b->set, b->pointer, keyword);

    if (at == NULL) {
        return PROCTOR_ERROR;
    }

    va_start(args, fmt);
    (void) vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);

    proctor_report(b->set->report, at, "%s", reason);

    return PROCTOR_INVALID;
}


int
proctor_schema_no_memory(proctor_schema_set_t *set)
{
    proctor_report(set->report, "", "out of memory");
    return PROCTOR_ERROR;
}


int
proctor_schema_is_name(const json_t *json)
{
    return json_is_string(json)
           && strlen(json_string_value(json)) == json_string_length(json);
}


int
proctor_schema_type(const proctor_schema_t *schema)
{
    switch (proctor_schema_types(schema)) {

    case PROCTOR_SCHEMA_BIT(PROCTOR_JSON_NULL):
        return PROCTOR_JSON_NULL;

    case PROCTOR_SCHEMA_BOOLEAN:
        return PROCTOR_JSON_TRUE;

    case PROCTOR_SCHEMA_INTEGER:
    case PROCTOR_SCHEMA_BIT(PROCTOR_JSON_NUMBER):
        return PROCTOR_JSON_NUMBER;

    case PROCTOR_SCHEMA_BIT(PROCTOR_JSON_STRING):
        return PROCTOR_JSON_STRING;

    case PROCTOR_SCHEMA_BIT(PROCTOR_JSON_ARRAY):
        return PROCTOR_JSON_ARRAY;

    case PROCTOR_SCHEMA_BIT(PROCTOR_JSON_OBJECT):
        return PROCTOR_JSON_OBJECT;
    }

    return -1;
}


int
proctor_schema_is_integer(const proctor_schema_t *schema)
{
    return proctor_schema_types(schema) == PROCTOR_SCHEMA_INTEGER;
}


/* declared here or, where this schema only refers, there; references end */
static uint8_t
proctor_schema_types(const proctor_schema_t *schema)
{
    while (schema->types == 0 && schema->subs[PROCTOR_SCHEMA_REF] != NULL) {
        schema = schema->subs[PROCTOR_SCHEMA_REF];
    }

    return schema->types;
}
