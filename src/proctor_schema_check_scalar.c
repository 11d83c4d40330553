/*
 * Numbers and strings against their rules: bounds, lengths, pattern, format.
 *
 * All rules are tried, so that one answer tells everything.  Recording a
 * violation may decode a member's name into the check's scratch: whoever needs
 * a string's text asks for it again.
 */

#include "proctor_schema_check.h"


static int proctor_schema_check_bound(const proctor_schema_t *s,
    proctor_schema_bound_e bound, const proctor_schema_number_t *number);
static int proctor_schema_check_matches(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);
static int proctor_schema_check_format(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node,
    const proctor_schema_path_t *path);
static int proctor_schema_check_length(proctor_schema_check_t *c,
    const proctor_schema_t *s, const proctor_json_node_t *n,
    const proctor_schema_path_t *path);


static const char *const proctor_schema_bound_phrases[] = {
    [PROCTOR_SCHEMA_MINIMUM] = "must be at least %s",
    [PROCTOR_SCHEMA_EXCLUSIVE_MINIMUM] = "must be greater than %s",
    [PROCTOR_SCHEMA_MAXIMUM] = "must be at most %s",
    [PROCTOR_SCHEMA_EXCLUSIVE_MAXIMUM] = "must be less than %s",
    [PROCTOR_SCHEMA_MULTIPLE] = "must be a multiple of %s",
};


int
proctor_schema_check_number(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node, const proctor_schema_path_t *path)
{
    int rc, result;
    unsigned i;
    const proctor_json_node_t *n;
    proctor_schema_number_t number;

    rc = PROCTOR_OK;
    n = &c->doc->nodes[node];
    c->steps -= n->len / 16;

    proctor_schema_number_parse(&number, n->text, n->len);

    for (i = 0; i < PROCTOR_SCHEMA_BOUNDS; i++) {
        if (s->bounds[i] == NULL || proctor_schema_check_bound(s, i, &number)) {
            continue;
        }

        result = proctor_schema_violation(
            c, path, proctor_schema_bound_phrases[i], s->bound_texts[i]);

        if (proctor_schema_check_stop(c, &rc, result)) {
            return rc;
        }
    }

    if (s->format != NULL && s->format->kind == PROCTOR_FORMAT_NUMBER
        && (proctor_schema_number_compare(&number, &s->range[0]) < 0
            || proctor_schema_number_compare(&number, &s->range[1]) > 0)) {
        return proctor_schema_violation(c, path, "%s", s->format->phrase);
    }

    return rc;
}


static int
proctor_schema_check_bound(const proctor_schema_t *s,
    proctor_schema_bound_e bound, const proctor_schema_number_t *number)
{
    int order;

    if (bound == PROCTOR_SCHEMA_MULTIPLE) {
        return proctor_schema_number_is_multiple(number, s->bounds[bound]);
    }

    order = proctor_schema_number_compare(number, s->bounds[bound]);

    switch (bound) {

    case PROCTOR_SCHEMA_MINIMUM:
        return order >= 0;

    case PROCTOR_SCHEMA_EXCLUSIVE_MINIMUM:
        return order > 0;

    case PROCTOR_SCHEMA_MAXIMUM:
        return order <= 0;

    case PROCTOR_SCHEMA_EXCLUSIVE_MAXIMUM:
        return order < 0;

    case PROCTOR_SCHEMA_MULTIPLE:
    case PROCTOR_SCHEMA_BOUNDS:
        break;
    }

    return 1;
}


int
proctor_schema_check_text(proctor_schema_check_t *c, const proctor_schema_t *s,
    uint32_t node, const proctor_schema_path_t *path)
{
    int rc, result;

    rc = PROCTOR_OK;
    result = proctor_schema_check_length(c, s, &c->doc->nodes[node], path);

    if (proctor_schema_check_stop(c, &rc, result)) {
        return rc;
    }

    if (s->pattern != NULL) {
        result = proctor_schema_check_matches(c, s, node, path);

        if (proctor_schema_check_stop(c, &rc, result)) {
            return rc;
        }
    }

    if (s->format != NULL && s->format->kind == PROCTOR_FORMAT_STRING) {
        result = proctor_schema_check_format(c, s, node, path);
        (void) proctor_schema_check_stop(c, &rc, result);
    }

    return rc;
}


static int
proctor_schema_check_matches(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node, const proctor_schema_path_t *path)
{
    int match;
    proctor_str_t text;

    if (proctor_schema_check_string(c, node, &text) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    match = proctor_schema_check_pattern(c, s->pattern, &text);

    if (match == 0) {
        return proctor_schema_violation(
            c, path, "must match the pattern %s", s->pattern_text);
    }

    return match == 1 ? PROCTOR_OK : PROCTOR_ERROR;
}


static int
proctor_schema_check_format(proctor_schema_check_t *c,
    const proctor_schema_t *s, uint32_t node, const proctor_schema_path_t *path)
{
    proctor_str_t text;

    if (proctor_schema_check_string(c, node, &text) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    c->steps -= (int64_t) (text.len / 64);

    if (s->format->fits(text.data, text.len)) {
        return PROCTOR_OK;
    }

    return proctor_schema_violation(c, path, "%s", s->format->phrase);
}


/* counts code points only where the number of bytes does not tell */
static int
proctor_schema_check_length(proctor_schema_check_t *c,
    const proctor_schema_t *s, const proctor_json_node_t *n,
    const proctor_schema_path_t *path)
{
    int64_t min, max, length;

    min = s->limits[PROCTOR_SCHEMA_MIN_LENGTH];
    max = s->limits[PROCTOR_SCHEMA_MAX_LENGTH];

    /* a code point takes 12 bytes at most, \ud83d\ude00 */

    if (n->len >= min * 12 && (max < 0 || n->len <= max)) {
        return PROCTOR_OK;
    }

    c->steps -= n->len / 64;
    length = (int64_t) proctor_schema_value_length(n);

    return proctor_schema_check_size(
        c, s, PROCTOR_SCHEMA_MIN_LENGTH, length, path);
}
