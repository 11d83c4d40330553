/*
 * Does a value fit a compiled schema?
 *
 * One recursive walk over the instance's tape, in step with the schema.  This
 * file has what concerns any value: its type, and the values it may have;
 * proctor_schema_check_scalar.c looks at numbers and strings, _object.c and
 * _array.c go down into containers, _logic.c applies further schemas to the
 * same value.
 *
 * A check records violations when somebody wants them, and stops at the first
 * one otherwise.  When nothing is wrong it allocates nothing, but for strings
 * with escapes and for PCRE2's match data, both once a check.
 *
 * What bounds it: the parser's depth, the compiler's search for endless
 * references, PROCTOR_SCHEMA_DEPTH, and a budget of steps, into which long
 * strings and patterns are counted as well.
 */

#include "proctor_schema_check.h"

#include <stdlib.h>
#include <string.h>


static int proctor_schema_check_each(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);
static int proctor_schema_check_integer(
    const proctor_schema_t *s, const proctor_json_node_t *n);
static int proctor_schema_check_whole(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);
static int proctor_schema_check_values(proctor_schema_check_t *c,
    const proctor_schema_values_t *values, uint32_t node,
    const proctor_schema_path_t *path);
static int proctor_schema_check_own(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);


int
proctor_schema_check(const proctor_schema_t *schema, proctor_json_t *doc,
    uint32_t node, const char *prefix, proctor_violations_t *out)
{
    int rc;
    proctor_schema_check_t c;

    memset(&c, 0, sizeof(c));
    c.doc = doc;
    c.prefix = (prefix == NULL) ? "" : prefix;
    c.out = out;
    c.steps = PROCTOR_SCHEMA_STEPS
              + (int64_t) doc->nnodes * PROCTOR_SCHEMA_STEPS_PER_VALUE;

    rc = proctor_schema_check_value(&c, schema, node, NULL);

    proctor_regex_run_free(&c.regex);
    free(c.scratch);

    return rc;
}


int
proctor_schema_check_rules(proctor_schema_check_t *c, const proctor_schema_t *s,
    uint32_t node, const proctor_schema_path_t *path)
{
    int rc;
    proctor_violations_t *out;

    if (c->depth == PROCTOR_SCHEMA_DEPTH) {
        return PROCTOR_ERROR;
    }

    c->depth++;
    out = c->out;

    if (s->error != NULL) {
        c->out = NULL;
    }

    rc = proctor_schema_check_each(c, s, node, path);

    c->out = out;
    c->depth--;

    if (rc == PROCTOR_INVALID && s->error != NULL && out != NULL) {
        return proctor_schema_violation_sentence(c, s, path);
    }

    return rc;
}


int
proctor_schema_check_verdict(
    proctor_schema_check_t *c, const proctor_schema_t *s, uint32_t node)
{
    int rc;
    proctor_violations_t *out;

    out = c->out;
    c->out = NULL;
    rc = proctor_schema_check_value(c, s, node, NULL);
    c->out = out;

    return rc;
}


/* a value of the wrong type or not among the right ones is told so, and
   nothing else */
static int
proctor_schema_check_each(proctor_schema_check_t *c, const proctor_schema_t *s,
    uint32_t node, const proctor_schema_path_t *path)
{
    int rc;
    const proctor_json_node_t *n;

    rc = PROCTOR_OK;
    n = &c->doc->nodes[node];

    if (s->types != 0 && (s->types & proctor_schema_check_bits(n)) == 0
        && !proctor_schema_check_integer(s, n)) {
        return proctor_schema_violation(c, path, "%s", s->type_phrase);
    }

    if (s->whole) {
        rc = proctor_schema_check_whole(c, s, node, path);

        if (rc != PROCTOR_OK) {
            return rc;
        }
    }

    if ((s->applies & PROCTOR_SCHEMA_BIT(n->type)) != 0
        && proctor_schema_check_stop(
            c, &rc, proctor_schema_check_own(c, s, node, path))) {
        return rc;
    }

    if ((s->applies & PROCTOR_SCHEMA_LOGIC) != 0) {
        (void) proctor_schema_check_stop(
            c, &rc, proctor_schema_check_logic(c, s, node, path));
    }

    return rc;
}


/* the type is not there by its bit, but 1.0 is an integer; this and the next
   stand apart: inlined, their arrays would cost every schema a larger frame */
__attribute__((noinline)) static int
proctor_schema_check_integer(
    const proctor_schema_t *s, const proctor_json_node_t *n)
{
    proctor_schema_number_t number;

    if (n->type != PROCTOR_JSON_NUMBER
        || (s->types & PROCTOR_SCHEMA_INTEGER) == 0) {
        return 0;
    }

    proctor_schema_number_parse(&number, n->text, n->len);

    return proctor_schema_number_is_integer(&number);
}


__attribute__((noinline)) static int
proctor_schema_check_whole(proctor_schema_check_t *c, const proctor_schema_t *s,
    uint32_t node, const proctor_schema_path_t *path)
{
    int rc;
    size_t i;

    if (s->never) {
        return proctor_schema_violation(c, path, "is not allowed");
    }

    for (i = 0; i < 2; i++) {
        if (s->values[i] == NULL) {
            continue;
        }

        rc = proctor_schema_check_values(c, s->values[i], node, path);

        if (rc != PROCTOR_OK) {
            return rc;
        }
    }

    return PROCTOR_OK;
}


static int
proctor_schema_check_values(proctor_schema_check_t *c,
    const proctor_schema_values_t *values, uint32_t node,
    const proctor_schema_path_t *path)
{
    uint32_t last, type;
    proctor_schema_value_t value, allowed;

    type = c->doc->nodes[node].type;
    value.doc = c->doc;
    value.node = node;
    allowed.doc = &values->doc;
    last = values->doc.nodes[0].next;

    for (allowed.node = 1; allowed.node < last;
         allowed.node = allowed.doc->nodes[allowed.node].next) {
        if (allowed.doc->nodes[allowed.node].type == type
            && proctor_schema_value_equal(&value, &allowed, &c->steps)) {
            return PROCTOR_OK;
        }
    }

    if (c->steps < 0) {
        return PROCTOR_ERROR;
    }

    return proctor_schema_violation(c, path, "%s", values->phrase);
}


static int
proctor_schema_check_own(proctor_schema_check_t *c, const proctor_schema_t *s,
    uint32_t node, const proctor_schema_path_t *path)
{
    switch ((proctor_json_type_e) c->doc->nodes[node].type) {

    case PROCTOR_JSON_NUMBER:
        return proctor_schema_check_number(c, s, node, path);

    case PROCTOR_JSON_STRING:
        return proctor_schema_check_text(c, s, node, path);

    case PROCTOR_JSON_ARRAY:
        return proctor_schema_check_array(c, s, node, path);

    case PROCTOR_JSON_OBJECT:
        return proctor_schema_check_object(c, s, node, path);

    case PROCTOR_JSON_NULL:
    case PROCTOR_JSON_FALSE:
    case PROCTOR_JSON_TRUE:
        break;
    }

    return PROCTOR_OK;
}


int
proctor_schema_check_decode(
    proctor_schema_check_t *c, uint32_t node, proctor_str_t *out)
{
    char *scratch;
    const proctor_json_node_t *n;

    n = &c->doc->nodes[node];

    if (c->scratch_size < n->len) {
        scratch = realloc(c->scratch, n->len);

        if (scratch == NULL) {
            return PROCTOR_ERROR;
        }

        c->scratch = scratch;
        c->scratch_size = n->len;
    }

    c->steps -= n->len / 64;
    out->data = c->scratch;
    out->len = proctor_schema_value_decode(n, c->scratch);

    return PROCTOR_OK;
}


int
proctor_schema_check_pattern(proctor_schema_check_t *c,
    const proctor_regex_t *regex, const proctor_str_t *s)
{
    int rc;

    rc = proctor_regex_match(regex, &c->regex, s->data, s->len);
    c->steps -= c->regex.spent + (int64_t) (s->len / 64);

    return rc < 0 ? PROCTOR_ERROR : rc;
}
