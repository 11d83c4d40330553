/*
 * After compilation: what need not be found out again at each check.
 *
 * A schema that does nothing but refer is left out of the way: whoever points
 * to it comes to point to what it refers to.  Each schema learns for which
 * types nothing but the type counts, and each table of names which bits of a
 * hash its names have, so that most members of an object are passed by.
 *
 * proctor_schema.c calls it once for what it has compiled without a fault: no
 * reference leads back to itself.  What was never here is checked alike, only
 * not as fast.
 */

#include "proctor_schema.h"


static void proctor_schema_link_subs(proctor_schema_t *schema);
static void proctor_schema_link_members(proctor_schema_t *schema);
static uint8_t proctor_schema_link_passes(const proctor_schema_t *schema);
static int proctor_schema_link_refers(const proctor_schema_t *schema);


void
proctor_schema_link(proctor_schema_t *schema, const proctor_schema_t *until)
{
    for (; schema != until; schema = schema->next) {
        proctor_schema_link_subs(schema);
        proctor_schema_link_members(schema);
        schema->passes = proctor_schema_link_passes(schema);
    }
}


proctor_schema_t *
proctor_schema_link_target(proctor_schema_t *schema)
{
    while (schema != NULL && proctor_schema_link_refers(schema)) {
        schema = schema->subs[PROCTOR_SCHEMA_REF];
    }

    return schema;
}


static void
proctor_schema_link_subs(proctor_schema_t *schema)
{
    uint32_t i, j;
    proctor_schema_list_t *list;
    proctor_schema_dependent_t *d;

    for (i = 0; i < PROCTOR_SCHEMA_SUBS; i++) {
        schema->subs[i] = proctor_schema_link_target(schema->subs[i]);
    }

    for (i = 0; i < PROCTOR_SCHEMA_LISTS; i++) {
        list = &schema->lists[i];

        for (j = 0; j < list->count; j++) {
            list->schemas[j] = proctor_schema_link_target(list->schemas[j]);
        }
    }

    for (i = 0; i < schema->npatterns; i++) {
        schema->patterns[i].schema =
            proctor_schema_link_target(schema->patterns[i].schema);
    }

    for (d = schema->dependents; d != NULL; d = d->next) {
        d->schema = proctor_schema_link_target(d->schema);
    }
}


static void
proctor_schema_link_members(proctor_schema_t *schema)
{
    uint32_t i;
    proctor_schema_member_t *slot;
    proctor_schema_members_t *members;

    members = schema->members;

    if (members == NULL) {
        return;
    }

    for (i = 0; i <= members->mask; i++) {
        slot = &members->slots[i];

        if (slot->name.data != NULL) {
            slot->schema = proctor_schema_link_target(slot->schema);
            members->hashes |= proctor_schema_member_bit(slot->hash);
        }
    }

    schema->named = schema->npatterns == 0
                    && schema->subs[PROCTOR_SCHEMA_ADDITIONAL] == NULL
                    && schema->subs[PROCTOR_SCHEMA_NAMES] == NULL;
}


static uint8_t
proctor_schema_link_passes(const proctor_schema_t *schema)
{
    uint8_t passes;

    if (schema->whole || (schema->applies & PROCTOR_SCHEMA_LOGIC) != 0) {
        return 0;
    }

    passes = schema->types != 0 ? schema->types : PROCTOR_SCHEMA_ANY_TYPE;
    passes &= (uint8_t) ~schema->applies;

    if ((schema->applies & PROCTOR_SCHEMA_BIT(PROCTOR_JSON_NUMBER)) != 0) {
        passes &= (uint8_t) ~PROCTOR_SCHEMA_INTEGER;
    }

    return passes;
}


/* 1: $ref is its only rule */
static int
proctor_schema_link_refers(const proctor_schema_t *schema)
{
    return schema->subs[PROCTOR_SCHEMA_REF] != NULL && schema->types == 0
           && !schema->whole && schema->error == NULL
           && schema->applies == PROCTOR_SCHEMA_LOGIC
           && schema->lists[PROCTOR_SCHEMA_ALL].count == 0
           && schema->lists[PROCTOR_SCHEMA_ANY].count == 0
           && schema->lists[PROCTOR_SCHEMA_ONE].count == 0
           && schema->subs[PROCTOR_SCHEMA_NOT] == NULL
           && schema->subs[PROCTOR_SCHEMA_IF] == NULL;
}
