/*
 * What the files of a check share: its state, which lives on the stack of
 * proctor_schema_check() and ends with it.
 *
 * Whatever checks something returns OK, INVALID (the violation is recorded, if
 * anybody wants to know) or ERROR (memory or the budget ran out).
 */

#ifndef PROCTOR_SCHEMA_CHECK_H_INCLUDED
#define PROCTOR_SCHEMA_CHECK_H_INCLUDED

#include "proctor_schema.h"


#define PROCTOR_SCHEMA_DEPTH 1024 /* of a check's recursion */

/* steps that one check may take: so many, and so many for each value */
#define PROCTOR_SCHEMA_STEPS           1000000
#define PROCTOR_SCHEMA_STEPS_PER_VALUE 16


/* proctor_schema_check.c: the state of one check */

typedef struct proctor_schema_path_s proctor_schema_path_t;

struct proctor_schema_path_s { /* from the checked value down, on the stack */
    const proctor_schema_path_t *parent;
    uint32_t key;   /* node of the member's name; 0: an item */
    uint32_t index; /* the item's */
};

typedef struct {
    proctor_json_t *doc;
    const char *prefix;
    proctor_violations_t *out; /* NULL: only the verdict is asked for */
    int64_t steps;             /* that are left; below 0: none were */
    unsigned depth;
    proctor_regex_run_t regex;
    char *scratch; /* malloc'ed; the last string that had escapes */
    size_t scratch_size;
} proctor_schema_check_t;

/* a value's types, as bits; 1.0 is an integer without the bit */
static inline unsigned
proctor_schema_check_bits(const proctor_json_node_t *n)
{
    _Static_assert(PROCTOR_SCHEMA_INTEGER == 1 << 7, "one shift makes it");

    return PROCTOR_SCHEMA_BIT(n->type) | (unsigned) n->integer << 7;
}
/* one value against all rules of one schema */
int proctor_schema_check_rules(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);
/* one value against one schema: OK, INVALID, ERROR */
static inline int
proctor_schema_check_value(proctor_schema_check_t *c, const proctor_schema_t *s,
    uint32_t node, const proctor_schema_path_t *path)
{
    if (--c->steps < 0) {
        return PROCTOR_ERROR;
    }

    if (s->passes & proctor_schema_check_bits(&c->doc->nodes[node])) {
        return PROCTOR_OK;
    }

    return proctor_schema_check_rules(c, s, node, path);
}
/* the same without recording anything */
int proctor_schema_check_verdict(
    proctor_schema_check_t *c, const proctor_schema_t *s, uint32_t node);
/* an escaped string node's text, valid until the next call */
int proctor_schema_check_decode(
    proctor_schema_check_t *c, uint32_t node, proctor_str_t *out);
/* the same for any string node */
static inline int
proctor_schema_check_string(
    proctor_schema_check_t *c, uint32_t node, proctor_str_t *out)
{
    const proctor_json_node_t *n = &c->doc->nodes[node];

    if (n->escaped) {
        return proctor_schema_check_decode(c, node, out);
    }

    out->data = n->text;
    out->len = n->len;

    return PROCTOR_OK;
}
/* 1, 0, or PROCTOR_ERROR */
int proctor_schema_check_pattern(proctor_schema_check_t *c,
    const proctor_regex_t *regex, const proctor_str_t *s);
/* takes one rule's result into *rc; 1: the check need not go on */
static inline int
proctor_schema_check_stop(const proctor_schema_check_t *c, int *rc, int result)
{
    if (result == PROCTOR_OK) {
        return 0;
    }

    *rc = result;

    return result == PROCTOR_ERROR || c->out == NULL;
}


/* proctor_schema_check_scalar.c, _object.c, _array.c, _logic.c */

int proctor_schema_check_number(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);
int proctor_schema_check_text(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);

int proctor_schema_check_object(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);
int proctor_schema_check_array(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);
int proctor_schema_check_logic(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);


/* proctor_schema_violation.c: INVALID, after recording it if asked to */

/* a value of this size has too little of what `least` counts, or too much */
int proctor_schema_violation_limit(proctor_schema_check_t *c,
    const proctor_schema_t *s, proctor_schema_limit_e least, int64_t size,
    const proctor_schema_path_t *path);
int proctor_schema_violation(proctor_schema_check_t *c,
    const proctor_schema_path_t *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* the same for a member that need not be there */
int proctor_schema_violation_member(proctor_schema_check_t *c,
    const proctor_schema_path_t *path, const proctor_str_t *name,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* the sentence of x-proctor, once for each field */
int proctor_schema_violation_sentence(proctor_schema_check_t *c,
    const proctor_schema_t *s, const proctor_schema_path_t *path);


/* least: MIN_LENGTH, MIN_ITEMS or MIN_PROPERTIES, before the maximum of each */
static inline int
proctor_schema_check_size(proctor_schema_check_t *c, const proctor_schema_t *s,
    proctor_schema_limit_e least, int64_t size,
    const proctor_schema_path_t *path)
{
    int64_t max;

    max = s->limits[least + 1];

    if (size >= s->limits[least] && (max < 0 || size <= max)) {
        return PROCTOR_OK;
    }

    return proctor_schema_violation_limit(c, s, least, size, path);
}

#endif /* PROCTOR_SCHEMA_CHECK_H_INCLUDED */
