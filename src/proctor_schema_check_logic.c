/*
 * Schemas that look at the same value: $ref, allOf, anyOf, oneOf, not, if.
 *
 * Branches are tried for their verdict only.  When none fits, and only one of
 * them was meant for a value of this type, what is wrong is that branch's to
 * say; else all that can be said is that no form fits.
 */

#include "proctor_schema_check.h"


#define PROCTOR_SCHEMA_REFERENCES 8 /* followed to learn a branch's type */


static int proctor_schema_check_all(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);
static int proctor_schema_check_any(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);
static int proctor_schema_check_one(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);
static int proctor_schema_check_none(proctor_schema_check_t *c,
    const proctor_schema_list_t *list, uint32_t node,
    const proctor_schema_path_t *path);
static int proctor_schema_check_takes(
    const proctor_schema_t *s, uint8_t bits, unsigned references);
static int proctor_schema_check_not(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);
static int proctor_schema_check_if(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);


int
proctor_schema_check_logic(proctor_schema_check_t *c, const proctor_schema_t *s,
    uint32_t node, const proctor_schema_path_t *path)
{
    int rc, result;

    rc = PROCTOR_OK;

    if (s->subs[PROCTOR_SCHEMA_REF] != NULL) {
        result = proctor_schema_check_value(
            c, s->subs[PROCTOR_SCHEMA_REF], node, path);

        if (proctor_schema_check_stop(c, &rc, result)) {
            return rc;
        }
    }

    if (s->lists[PROCTOR_SCHEMA_ALL].count != 0
        && proctor_schema_check_stop(
            c, &rc, proctor_schema_check_all(c, s, node, path))) {
        return rc;
    }

    if (s->lists[PROCTOR_SCHEMA_ANY].count != 0
        && proctor_schema_check_stop(
            c, &rc, proctor_schema_check_any(c, s, node, path))) {
        return rc;
    }

    if (s->lists[PROCTOR_SCHEMA_ONE].count != 0
        && proctor_schema_check_stop(
            c, &rc, proctor_schema_check_one(c, s, node, path))) {
        return rc;
    }

    if (s->subs[PROCTOR_SCHEMA_NOT] != NULL
        && proctor_schema_check_stop(
            c, &rc, proctor_schema_check_not(c, s, node, path))) {
        return rc;
    }

    if (s->subs[PROCTOR_SCHEMA_IF] != NULL) {
        (void) proctor_schema_check_stop(
            c, &rc, proctor_schema_check_if(c, s, node, path));
    }

    return rc;
}


static int
proctor_schema_check_all(proctor_schema_check_t *c, const proctor_schema_t *s,
    uint32_t node, const proctor_schema_path_t *path)
{
    int rc, result;
    uint32_t i;
    const proctor_schema_list_t *list;

    rc = PROCTOR_OK;
    list = &s->lists[PROCTOR_SCHEMA_ALL];

    for (i = 0; i < list->count; i++) {
        result = proctor_schema_check_value(c, list->schemas[i], node, path);

        if (proctor_schema_check_stop(c, &rc, result)) {
            return rc;
        }
    }

    return rc;
}


static int
proctor_schema_check_any(proctor_schema_check_t *c, const proctor_schema_t *s,
    uint32_t node, const proctor_schema_path_t *path)
{
    int rc;
    uint32_t i;
    const proctor_schema_list_t *list;

    list = &s->lists[PROCTOR_SCHEMA_ANY];

    for (i = 0; i < list->count; i++) {
        rc = proctor_schema_check_verdict(c, list->schemas[i], node);

        if (rc != PROCTOR_INVALID) {
            return rc;
        }
    }

    return proctor_schema_check_none(c, list, node, path);
}


static int
proctor_schema_check_one(proctor_schema_check_t *c, const proctor_schema_t *s,
    uint32_t node, const proctor_schema_path_t *path)
{
    int rc;
    uint32_t i, found;
    const proctor_schema_list_t *list;

    found = 0;
    list = &s->lists[PROCTOR_SCHEMA_ONE];

    for (i = 0; i < list->count; i++) {
        rc = proctor_schema_check_verdict(c, list->schemas[i], node);

        if (rc == PROCTOR_ERROR) {
            return rc;
        }

        found += (rc == PROCTOR_OK);

        if (found > 1) {
            return proctor_schema_violation(
                c, path, "must fit exactly one of the allowed forms");
        }
    }

    return found == 1 ? PROCTOR_OK
                      : proctor_schema_check_none(c, list, node, path);
}


static int
proctor_schema_check_none(proctor_schema_check_t *c,
    const proctor_schema_list_t *list, uint32_t node,
    const proctor_schema_path_t *path)
{
    int rc;
    uint8_t bits;
    uint32_t i, type;
    const proctor_schema_t *branch;

    if (c->out == NULL) {
        return PROCTOR_INVALID;
    }

    branch = NULL;
    type = c->doc->nodes[node].type;
    bits = (uint8_t) PROCTOR_SCHEMA_BIT(type);

    if (type == PROCTOR_JSON_NUMBER) {
        bits |= PROCTOR_SCHEMA_INTEGER;
    }

    for (i = 0; i < list->count; i++) {
        if (!proctor_schema_check_takes(list->schemas[i], bits, 0)) {
            continue;
        }

        if (branch != NULL) {
            branch = NULL;
            break;
        }

        branch = list->schemas[i];
    }

    if (branch == NULL) {
        return proctor_schema_violation(
            c, path, "does not fit any of the allowed forms");
    }

    rc = proctor_schema_check_value(c, branch, node, path);

    return rc == PROCTOR_OK ? PROCTOR_INVALID : rc;
}


/* 1: a value of this type may fit */
static int
proctor_schema_check_takes(
    const proctor_schema_t *s, uint8_t bits, unsigned references)
{
    if (s->never || (s->types != 0 && (s->types & bits) == 0)) {
        return 0;
    }

    if (s->subs[PROCTOR_SCHEMA_REF] == NULL
        || references == PROCTOR_SCHEMA_REFERENCES) {
        return 1;
    }

    return proctor_schema_check_takes(
        s->subs[PROCTOR_SCHEMA_REF], bits, references + 1);
}


static int
proctor_schema_check_not(proctor_schema_check_t *c, const proctor_schema_t *s,
    uint32_t node, const proctor_schema_path_t *path)
{
    int rc;

    rc = proctor_schema_check_verdict(c, s->subs[PROCTOR_SCHEMA_NOT], node);

    if (rc == PROCTOR_OK) {
        return proctor_schema_violation(
            c, path, "has a form that is not allowed");
    }

    return rc == PROCTOR_INVALID ? PROCTOR_OK : rc;
}


static int
proctor_schema_check_if(proctor_schema_check_t *c, const proctor_schema_t *s,
    uint32_t node, const proctor_schema_path_t *path)
{
    int rc;
    const proctor_schema_t *then;

    rc = proctor_schema_check_verdict(c, s->subs[PROCTOR_SCHEMA_IF], node);

    if (rc == PROCTOR_ERROR) {
        return rc;
    }

    then = (rc == PROCTOR_OK) ? s->subs[PROCTOR_SCHEMA_THEN]
                              : s->subs[PROCTOR_SCHEMA_ELSE];

    return then == NULL ? PROCTOR_OK
                        : proctor_schema_check_value(c, then, node, path);
}
