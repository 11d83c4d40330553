/*
 * An array against its rules: how many items, whether two are equal, each item
 * against its schema, and how many of them are what `contains` asks for.
 */

#include "proctor_schema_check.h"


static int proctor_schema_check_unique(proctor_schema_check_t *c, uint32_t node,
    const proctor_schema_path_t *path);
static int proctor_schema_check_items(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);
static int proctor_schema_check_contains(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);


int
proctor_schema_check_array(proctor_schema_check_t *c, const proctor_schema_t *s,
    uint32_t node, const proctor_schema_path_t *path)
{
    int rc, result;

    rc = PROCTOR_OK;
    result = proctor_schema_check_size(
        c, s, PROCTOR_SCHEMA_MIN_ITEMS, c->doc->nodes[node].count, path);

    if (proctor_schema_check_stop(c, &rc, result)) {
        return rc;
    }

    if (s->lists[PROCTOR_SCHEMA_PREFIX].count != 0
        || s->subs[PROCTOR_SCHEMA_ITEMS] != NULL) {
        result = proctor_schema_check_items(c, s, node, path);

        if (proctor_schema_check_stop(c, &rc, result)) {
            return rc;
        }
    }

    if (s->unique) {
        result = proctor_schema_check_unique(c, node, path);

        if (proctor_schema_check_stop(c, &rc, result)) {
            return rc;
        }
    }

    if (s->subs[PROCTOR_SCHEMA_CONTAINS] != NULL) {
        result = proctor_schema_check_contains(c, s, node, path);
        (void) proctor_schema_check_stop(c, &rc, result);
    }

    return rc;
}


static int
proctor_schema_check_items(proctor_schema_check_t *c, const proctor_schema_t *s,
    uint32_t node, const proctor_schema_path_t *path)
{
    int rc, result;
    uint32_t i, item;
    const proctor_schema_t *schema;
    const proctor_schema_list_t *prefix;
    proctor_schema_path_t step;

    rc = PROCTOR_OK;
    prefix = &s->lists[PROCTOR_SCHEMA_PREFIX];
    step.parent = path;
    step.key = 0;
    item = node + 1;

    for (i = 0; i < c->doc->nodes[node].count; i++) {
        schema = (i < prefix->count) ? prefix->schemas[i]
                                     : s->subs[PROCTOR_SCHEMA_ITEMS];

        if (schema == NULL) {
            break;
        }

        step.index = i;
        result = proctor_schema_check_value(c, schema, item, &step);

        if (proctor_schema_check_stop(c, &rc, result)) {
            return rc;
        }

        item = c->doc->nodes[item].next;
    }

    return rc;
}


static int
proctor_schema_check_unique(
    proctor_schema_check_t *c, uint32_t node, const proctor_schema_path_t *path)
{
    int unique;
    proctor_schema_value_t array;

    array.doc = c->doc;
    array.node = node;
    unique = proctor_schema_value_unique(&array, &c->steps);

    if (unique == 0) {
        return proctor_schema_violation(
            c, path, "must not have two equal items");
    }

    return unique == 1 ? PROCTOR_OK : PROCTOR_ERROR;
}


static int
proctor_schema_check_contains(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node, const proctor_schema_path_t *path)
{
    int rc;
    int64_t min, max, found;
    uint32_t item, last;

    min = s->limits[PROCTOR_SCHEMA_MIN_CONTAINS];
    max = s->limits[PROCTOR_SCHEMA_MAX_CONTAINS];

    if (min < 0) {
        min = 1;
    }

    found = 0;
    last = c->doc->nodes[node].next;

    for (item = node + 1; item < last; item = c->doc->nodes[item].next) {
        if (max < 0 && found >= min) {
            return PROCTOR_OK;
        }

        rc = proctor_schema_check_verdict(
            c, s->subs[PROCTOR_SCHEMA_CONTAINS], item);

        if (rc == PROCTOR_ERROR) {
            return rc;
        }

        found += (rc == PROCTOR_OK);
    }

    if (found < min) {
        return proctor_schema_violation(c, path,
            "must have at least %lld item%s of the required form",
            (long long) min, min == 1 ? "" : "s");
    }

    if (max >= 0 && found > max) {
        return proctor_schema_violation(c, path,
            "must have at most %lld item%s of the restricted form",
            (long long) max, max == 1 ? "" : "s");
    }

    return PROCTOR_OK;
}
