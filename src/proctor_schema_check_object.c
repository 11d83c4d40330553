/*
 * An object against its rules: one pass over its members.
 *
 * Each name is looked up once; the lookup gives the member's schema and the
 * bit to set when the name is one that others ask for.  What is required, and
 * what depends on what, is then a question of bits.
 */

#include "proctor_schema_check.h"

#include <string.h>


typedef struct {
    uint64_t seen[PROCTOR_SCHEMA_MARKS / 64]; /* marks of present members */
} proctor_schema_marks_t;


static int proctor_schema_check_named(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node, const proctor_schema_path_t *path,
    proctor_schema_marks_t *marks);
static inline int proctor_schema_check_known(proctor_schema_check_t *c,
    const proctor_schema_t *s, const proctor_schema_path_t *path,
    proctor_schema_marks_t *marks, int *evaluated);
static int proctor_schema_check_members(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node, const proctor_schema_path_t *path,
    proctor_schema_marks_t *marks);
static int proctor_schema_check_member(proctor_schema_check_t *c,
    const proctor_schema_t *s, const proctor_schema_path_t *path,
    proctor_schema_marks_t *marks);
static int proctor_schema_check_patterns(proctor_schema_check_t *c,
    const proctor_schema_t *s, const proctor_schema_path_t *path,
    int *evaluated);
static int proctor_schema_check_required(proctor_schema_check_t *c,
    const proctor_schema_t *s, const proctor_schema_path_t *path,
    const proctor_schema_marks_t *marks);
static int proctor_schema_check_dependents(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node, const proctor_schema_path_t *path,
    const proctor_schema_marks_t *marks);
static int proctor_schema_check_needs(proctor_schema_check_t *c,
    const proctor_schema_t *s, const proctor_schema_dependent_t *d,
    const proctor_schema_path_t *path, const proctor_schema_marks_t *marks);
static int proctor_schema_check_marked(
    const proctor_schema_marks_t *marks, uint32_t mark);


int
proctor_schema_check_object(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node, const proctor_schema_path_t *path)
{
    int rc, result;
    proctor_schema_marks_t marks;

    rc = PROCTOR_OK;
    memset(&marks, 0, sizeof(marks));

    result = proctor_schema_check_size(
        c, s, PROCTOR_SCHEMA_MIN_PROPERTIES, c->doc->nodes[node].count, path);

    if (proctor_schema_check_stop(c, &rc, result)) {
        return rc;
    }

    if (s->named) {
        result = proctor_schema_check_named(c, s, node, path, &marks);

    } else if (s->members != NULL || s->npatterns != 0
               || s->subs[PROCTOR_SCHEMA_ADDITIONAL] != NULL
               || s->subs[PROCTOR_SCHEMA_NAMES] != NULL) {
        result = proctor_schema_check_members(c, s, node, path, &marks);
    }

    if (proctor_schema_check_stop(c, &rc, result)) {
        return rc;
    }

    if (s->members == NULL) {
        return rc;
    }

    result = proctor_schema_check_required(c, s, path, &marks);

    if (!proctor_schema_check_stop(c, &rc, result)) {
        result = proctor_schema_check_dependents(c, s, node, path, &marks);
        (void) proctor_schema_check_stop(c, &rc, result);
    }

    return rc;
}


/*
 * The rules are about members by name only: one that nothing is asked of is
 * passed by, mostly its hash tells.  Nearly all objects come here.
 */
static int
proctor_schema_check_named(proctor_schema_check_t *c, const proctor_schema_t *s,
    uint32_t node, const proctor_schema_path_t *path,
    proctor_schema_marks_t *marks)
{
    int rc, result;
    uint32_t last;
    uint64_t hashes;
    proctor_schema_path_t step;
    const proctor_json_node_t *nodes;

    rc = PROCTOR_OK;
    nodes = c->doc->nodes;
    last = nodes[node].next;
    hashes = s->members->hashes;
    c->steps -= nodes[node].count;
    step.parent = path;
    step.index = 0;

    for (step.key = node + 1; step.key < last;
         step.key = nodes[step.key + 1].next) {
        if ((hashes & proctor_schema_member_bit(nodes[step.key].count)) == 0) {
            continue;
        }

        result = proctor_schema_check_known(c, s, &step, marks, NULL);

        if (proctor_schema_check_stop(c, &rc, result)) {
            return rc;
        }
    }

    return rc;
}


/* *evaluated: 1 when the name has a schema of its own; NULL: never mind.
   Inlined in both places, or the loop over members would call it for each */
__attribute__((always_inline)) static inline int
proctor_schema_check_known(proctor_schema_check_t *c, const proctor_schema_t *s,
    const proctor_schema_path_t *path, proctor_schema_marks_t *marks,
    int *evaluated)
{
    proctor_str_t name;
    const proctor_schema_member_t *member;

    if (proctor_schema_check_string(c, path->key, &name) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    member = proctor_schema_member_slot(
        s->members, &name, c->doc->nodes[path->key].count);

    if (member->name.data != NULL && member->mark >= 0) {
        marks->seen[member->mark / 64] |= UINT64_C(1) << member->mark % 64;
    }

    if (member->schema == NULL) {
        return PROCTOR_OK;
    }

    if (evaluated != NULL) {
        *evaluated = 1;
    }

    return proctor_schema_check_value(c, member->schema, path->key + 1, path);
}


static int
proctor_schema_check_members(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node, const proctor_schema_path_t *path,
    proctor_schema_marks_t *marks)
{
    int rc, result;
    uint32_t last;
    proctor_schema_path_t step;
    const proctor_json_node_t *nodes;

    rc = PROCTOR_OK;
    nodes = c->doc->nodes;
    last = nodes[node].next;
    c->steps -= nodes[node].count;
    step.parent = path;
    step.index = 0;

    for (step.key = node + 1; step.key < last;
         step.key = nodes[step.key + 1].next) {
        result = proctor_schema_check_member(c, s, &step, marks);

        if (proctor_schema_check_stop(c, &rc, result)) {
            return rc;
        }
    }

    return rc;
}


static int
proctor_schema_check_member(proctor_schema_check_t *c,
    const proctor_schema_t *s, const proctor_schema_path_t *path,
    proctor_schema_marks_t *marks)
{
    int rc, result, evaluated;

    rc = PROCTOR_OK;
    evaluated = 0;

    if (s->members != NULL) {
        result = proctor_schema_check_known(c, s, path, marks, &evaluated);

        if (proctor_schema_check_stop(c, &rc, result)) {
            return rc;
        }
    }

    if (s->npatterns != 0) {
        result = proctor_schema_check_patterns(c, s, path, &evaluated);

        if (proctor_schema_check_stop(c, &rc, result)) {
            return rc;
        }
    }

    if (!evaluated && s->subs[PROCTOR_SCHEMA_ADDITIONAL] != NULL) {
        result = proctor_schema_check_value(
            c, s->subs[PROCTOR_SCHEMA_ADDITIONAL], path->key + 1, path);

        if (proctor_schema_check_stop(c, &rc, result)) {
            return rc;
        }
    }

    if (s->subs[PROCTOR_SCHEMA_NAMES] != NULL) {

        /* what its schema would say has the name as its subject */

        result = proctor_schema_check_verdict(
            c, s->subs[PROCTOR_SCHEMA_NAMES], path->key);

        if (result == PROCTOR_INVALID) {
            result = proctor_schema_violation(
                c, path, "has a name that is not allowed");
        }

        (void) proctor_schema_check_stop(c, &rc, result);
    }

    return rc;
}


/* the name is decoded for each pattern: a value's check may use the scratch */
static int
proctor_schema_check_patterns(proctor_schema_check_t *c,
    const proctor_schema_t *s, const proctor_schema_path_t *path,
    int *evaluated)
{
    int rc, result;
    uint32_t i;
    proctor_str_t name;

    rc = PROCTOR_OK;

    for (i = 0; i < s->npatterns; i++) {
        if (proctor_schema_check_string(c, path->key, &name) != PROCTOR_OK) {
            return PROCTOR_ERROR;
        }

        result = proctor_schema_check_pattern(c, s->patterns[i].regex, &name);

        if (result == 0) {
            continue;
        }

        if (result == 1) {
            *evaluated = 1;
            result = proctor_schema_check_value(
                c, s->patterns[i].schema, path->key + 1, path);
        }

        if (proctor_schema_check_stop(c, &rc, result)) {
            return rc;
        }
    }

    return rc;
}


static int
proctor_schema_check_required(proctor_schema_check_t *c,
    const proctor_schema_t *s, const proctor_schema_path_t *path,
    const proctor_schema_marks_t *marks)
{
    int rc, result;
    size_t i;
    uint64_t missing;
    const proctor_str_t *name;

    rc = PROCTOR_OK;

    for (i = 0; i * 64 < s->members->nmarks; i++) {
        missing = s->members->required[i] & ~marks->seen[i];

        for (; missing != 0; missing &= missing - 1) {
            name =
                &s->members->marks[i * 64 + (size_t) __builtin_ctzll(missing)];
            result =
                proctor_schema_violation_member(c, path, name, "is required");

            if (proctor_schema_check_stop(c, &rc, result)) {
                return rc;
            }
        }
    }

    return rc;
}


static int
proctor_schema_check_dependents(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node, const proctor_schema_path_t *path,
    const proctor_schema_marks_t *marks)
{
    int rc, result;
    const proctor_schema_dependent_t *d;

    rc = PROCTOR_OK;

    for (d = s->dependents; d != NULL; d = d->next) {
        if (!proctor_schema_check_marked(marks, d->mark)) {
            continue;
        }

        result = (d->schema != NULL)
                     ? proctor_schema_check_value(c, d->schema, node, path)
                     : proctor_schema_check_needs(c, s, d, path, marks);

        if (proctor_schema_check_stop(c, &rc, result)) {
            return rc;
        }
    }

    return rc;
}


static int
proctor_schema_check_needs(proctor_schema_check_t *c, const proctor_schema_t *s,
    const proctor_schema_dependent_t *d, const proctor_schema_path_t *path,
    const proctor_schema_marks_t *marks)
{
    int rc, result;
    uint32_t i;
    const proctor_str_t *name;

    rc = PROCTOR_OK;
    name = &s->members->marks[d->mark];

    for (i = 0; i < d->nneeds; i++) {
        if (proctor_schema_check_marked(marks, d->needs[i])) {
            continue;
        }

        result = proctor_schema_violation_member(c, path,
            &s->members->marks[d->needs[i]], "is required when %.*s is present",
            (int) name->len, name->data);

        if (proctor_schema_check_stop(c, &rc, result)) {
            return rc;
        }
    }

    return rc;
}


static int
proctor_schema_check_marked(const proctor_schema_marks_t *marks, uint32_t mark)
{
    return (marks->seen[mark / 64] >> mark % 64 & 1) != 0;
}
