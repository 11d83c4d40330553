/*
 * References that lead back to the value they started from: a check would
 * never end.
 *
 * A schema refers to others for the same value ($ref, allOf, if, ...) or for a
 * value inside it (properties, items, ...).  The second kind may well be
 * recursive, a tree of trees; the first kind must not, nor be longer than a
 * check can afford.  One search over what was compiled since the last one.
 */

#include "proctor_schema.h"


#define PROCTOR_SCHEMA_ON_PATH 1
#define PROCTOR_SCHEMA_SEEN    2


static void proctor_schema_cycle_visit(
    proctor_schema_set_t *set, proctor_schema_t *schema, unsigned depth);
static void proctor_schema_cycle_report(
    proctor_schema_set_t *set, proctor_schema_t *schema, const char *reason);


void
proctor_schema_cycles(proctor_schema_set_t *set)
{
    proctor_schema_t *schema;

    for (schema = set->last; schema != set->visited; schema = schema->next) {
        proctor_schema_cycle_visit(set, schema, 0);
    }

    set->visited = set->last;
}


/* along the schemas that look at the same value as this one */
static void
proctor_schema_cycle_visit(
    proctor_schema_set_t *set, proctor_schema_t *schema, unsigned depth)
{
    size_t i, j;
    const proctor_schema_dependent_t *d;
    static const uint8_t subs[] = { PROCTOR_SCHEMA_REF, PROCTOR_SCHEMA_NOT,
        PROCTOR_SCHEMA_IF, PROCTOR_SCHEMA_THEN, PROCTOR_SCHEMA_ELSE };
    static const uint8_t lists[] = { PROCTOR_SCHEMA_ALL, PROCTOR_SCHEMA_ANY,
        PROCTOR_SCHEMA_ONE };

    if (schema == NULL || schema->visit == PROCTOR_SCHEMA_SEEN) {
        return;
    }

    if (schema->visit == PROCTOR_SCHEMA_ON_PATH) {
        proctor_schema_cycle_report(set, schema, "the reference never ends");
        return;
    }

    if (depth > PROCTOR_SCHEMA_NESTING) {
        proctor_schema_cycle_report(
            set, schema, "the references are nested too deeply");
        return;
    }

    schema->visit = PROCTOR_SCHEMA_ON_PATH;
    depth++;

    for (i = 0; i < sizeof(subs); i++) {
        proctor_schema_cycle_visit(set, schema->subs[subs[i]], depth);
    }

    for (i = 0; i < sizeof(lists); i++) {
        for (j = 0; j < schema->lists[lists[i]].count; j++) {
            proctor_schema_cycle_visit(
                set, schema->lists[lists[i]].schemas[j], depth);
        }
    }

    for (d = schema->dependents; d != NULL; d = d->next) {
        proctor_schema_cycle_visit(set, d->schema, depth);
    }

    schema->visit = PROCTOR_SCHEMA_SEEN;
}


static void
proctor_schema_cycle_report(
    proctor_schema_set_t *set, proctor_schema_t *schema, const char *reason)
{
    schema->faulty = 1;
    proctor_report(set->report, schema->pointer, "%s", reason);
}
