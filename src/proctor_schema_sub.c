/*
 * The keywords whose value is a schema, a list of them, or a map of them.
 */

#include "proctor_schema.h"


int
proctor_schema_compile_sub(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    char *at;
    proctor_schema_t *schema;

    at = proctor_schema_pointer(b->set, b->pointer, keyword->name);
    schema = (at == NULL) ? NULL : proctor_schema_compile_at(b->set, value, at);

    b->schema->subs[keyword->which] = schema;

    return schema == NULL ? PROCTOR_ERROR : PROCTOR_OK;
}


int
proctor_schema_compile_list(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    char *at;
    size_t i;
    json_t *json;
    proctor_schema_t *schema;
    proctor_schema_list_t *list;

    list = &b->schema->lists[keyword->which];
    list->schemas = proctor_arena_calloc(
        b->set->arena, json_array_size(value) * sizeof(*list->schemas));

    if (list->schemas == NULL) {
        return proctor_schema_no_memory(b->set);
    }

    json_array_foreach(value, i, json)
    {
        at = proctor_arena_printf(
            b->set->arena, "%s/%s/%zu", b->pointer, keyword->name, i);

        if (at == NULL) {
            return proctor_schema_no_memory(b->set);
        }

        schema = proctor_schema_compile_at(b->set, json, at);

        if (schema == NULL) {
            return PROCTOR_ERROR;
        }

        list->schemas[list->count++] = schema;
    }

    return PROCTOR_OK;
}


/* compiled although nobody may refer to them, so that faults are told */
int
proctor_schema_compile_defs(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    char *pointer, *at;
    json_t *json;
    const char *name;

    pointer = proctor_schema_pointer(b->set, b->pointer, keyword->name);

    if (pointer == NULL) {
        return PROCTOR_ERROR;
    }

    json_object_foreach(value, name, json)
    {
        at = proctor_schema_pointer(b->set, pointer, name);

        if (at == NULL || proctor_schema_compile_at(b->set, json, at) == NULL) {
            return PROCTOR_ERROR;
        }
    }

    return PROCTOR_OK;
}
