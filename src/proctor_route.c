/*
 * The path exactly as sent, to an operation's path template.
 *
 * The contract's compiler adds every template; the route step asks for every
 * request.  A template becomes a way through a tree with one level a segment:
 *
 *     experiments -+- list                        ends[1]: /experiments/list/
 *                  +- summary                     ends[1]
 *                  +- {x} -+- logs -+- list       ends[1]
 *                          |        +- {t}        ends[1]
 *                          +                      ends[1]: /experiments/{x}/
 *
 * A level's literals are tried before its parameter, and the walk backs up to
 * the parameter when the literal leads nowhere.  Every node has one parent, so
 * that a walk visits each at most once, whatever the path.
 *
 * Nothing is decoded or normalised: what another reader of the same bytes
 * could take for another path is refused as a FORM instead.  A match allocates
 * nothing and points into the caller's path.  The tree is the arena's and is
 * never written after the configuration was read.
 */

#include <string.h>

#include "proctor.h"


#define PROCTOR_ROUTE_SEGMENTS 32 /* at most, in one template */


typedef struct proctor_route_node_s proctor_route_node_t;

struct proctor_route_node_s {
    const char *text; /* the literal; NULL: a parameter, or the root */
    size_t len;
    unsigned nparams; /* on the way here, this node included */

    proctor_route_node_t *literals; /* the first of the next level */
    proctor_route_node_t *sibling;
    proctor_route_node_t *param;
    const proctor_path_t *ends[2]; /* without, with the final slash */
};

struct proctor_route_s {
    proctor_arena_t *arena;
    proctor_route_node_t root;
};

typedef struct {
    proctor_str_t segments[PROCTOR_ROUTE_SEGMENTS];
    size_t count; /* may be more than the array holds */
    int slash;    /* ends in one */
} proctor_route_split_t;


static const char *proctor_route_split(
    const char *path, size_t len, proctor_route_split_t *split);
static const char *proctor_route_segment(const proctor_str_t *segment);
static const proctor_path_t *proctor_route_walk(
    const proctor_route_node_t *node, const proctor_route_split_t *split,
    size_t depth, int slash, proctor_match_t *match);
static const char *proctor_route_template(
    const proctor_path_t *path, proctor_route_split_t *split);
static const char *proctor_route_plain(
    const char *template, size_t len, proctor_route_split_t *split);
static const char *proctor_route_name(
    const proctor_route_split_t *split, size_t i);
static proctor_route_node_t *proctor_route_child(proctor_arena_t *arena,
    proctor_route_node_t *node, const proctor_str_t *segment);


/* What a byte of a path is: RFC 3986, 3.3, but ";" has meaning to some. */

enum {
    PROCTOR_BYTE_BAD = 0,
    PROCTOR_BYTE_SEGMENT,
    PROCTOR_BYTE_SLASH,
    PROCTOR_BYTE_PERCENT
};

/* clang-format off */
static const unsigned char proctor_route_bytes[256] = {
    ['a' ... 'z'] = PROCTOR_BYTE_SEGMENT,
    ['A' ... 'Z'] = PROCTOR_BYTE_SEGMENT,
    ['0' ... '9'] = PROCTOR_BYTE_SEGMENT,
    ['-'] = PROCTOR_BYTE_SEGMENT,  ['.'] = PROCTOR_BYTE_SEGMENT,
    ['_'] = PROCTOR_BYTE_SEGMENT,  ['~'] = PROCTOR_BYTE_SEGMENT,
    ['!'] = PROCTOR_BYTE_SEGMENT,  ['$'] = PROCTOR_BYTE_SEGMENT,
    ['&'] = PROCTOR_BYTE_SEGMENT,  ['\''] = PROCTOR_BYTE_SEGMENT,
    ['('] = PROCTOR_BYTE_SEGMENT,  [')'] = PROCTOR_BYTE_SEGMENT,
    ['*'] = PROCTOR_BYTE_SEGMENT,  ['+'] = PROCTOR_BYTE_SEGMENT,
    [','] = PROCTOR_BYTE_SEGMENT,  ['='] = PROCTOR_BYTE_SEGMENT,
    [':'] = PROCTOR_BYTE_SEGMENT,  ['@'] = PROCTOR_BYTE_SEGMENT,
    ['/'] = PROCTOR_BYTE_SLASH,
    ['%'] = PROCTOR_BYTE_PERCENT
};
/* clang-format on */


proctor_route_t *
proctor_route_create(proctor_arena_t *arena)
{
    proctor_route_t *route;

    route = proctor_arena_calloc(arena, sizeof(proctor_route_t));
    if (route == NULL) {
        return NULL;
    }

    route->arena = arena;

    return route;
}


proctor_route_e
proctor_route(const proctor_route_t *route, const char *path, size_t len,
    proctor_match_t *match, const char **reason)
{
    proctor_route_split_t split;

    match->path = NULL;
    match->nparams = 0;

    *reason = proctor_route_split(path, len, &split);
    if (*reason != NULL) {
        return PROCTOR_ROUTE_FORM;
    }

    if (split.count > PROCTOR_ROUTE_SEGMENTS) {
        return PROCTOR_ROUTE_NONE;
    }

    match->path =
        proctor_route_walk(&route->root, &split, 0, split.slash, match);
    if (match->path != NULL) {
        return PROCTOR_ROUTE_FOUND;
    }

    match->path =
        proctor_route_walk(&route->root, &split, 0, !split.slash, match);

    return match->path != NULL ? PROCTOR_ROUTE_SLASH : PROCTOR_ROUTE_NONE;
}


/* The reason why the path has no acceptable form, or NULL. */

static const char *
proctor_route_split(const char *path, size_t len, proctor_route_split_t *split)
{
    const char *p, *end, *reason;
    proctor_str_t segment;

    if (len == 0 || path[0] != '/') {
        return "does not begin with a slash";
    }

    p = path + 1;
    end = path + len;

    split->count = 0;
    split->slash = end[-1] == '/';

    while (p < end) {
        segment.data = p;

        while (p < end
               && proctor_route_bytes[(unsigned char) *p]
                      == PROCTOR_BYTE_SEGMENT) {
            p++;
        }

        segment.len = (size_t) (p - segment.data);

        if (p < end && *p != '/') {
            return *p == '%' ? "holds a percent-encoded byte"
                             : "holds a byte that is not allowed";
        }

        reason = proctor_route_segment(&segment);
        if (reason != NULL) {
            return reason;
        }

        if (split->count < PROCTOR_ROUTE_SEGMENTS) {
            split->segments[split->count] = segment;
        }

        split->count++;
        p++;
    }

    return NULL;
}


static const char *
proctor_route_segment(const proctor_str_t *segment)
{
    if (segment->len == 0) {
        return "holds an empty segment";
    }

    if (segment->len <= 2 && segment->data[0] == '.'
        && segment->data[segment->len - 1] == '.') {
        return "holds a dot segment";
    }

    return NULL;
}


/* As deep as the tree, which PROCTOR_ROUTE_SEGMENTS bounds. */

static const proctor_path_t *
proctor_route_walk(const proctor_route_node_t *node,
    const proctor_route_split_t *split, size_t depth, int slash,
    proctor_match_t *match)
{
    const proctor_str_t *segment;
    const proctor_path_t *path;
    const proctor_route_node_t *child;

    if (depth == split->count) {
        match->nparams = node->nparams;
        return node->ends[slash];
    }

    segment = &split->segments[depth];

    for (child = node->literals; child != NULL; child = child->sibling) {
        if (child->len != segment->len
            || memcmp(child->text, segment->data, segment->len) != 0) {
            continue;
        }

        path = proctor_route_walk(child, split, depth + 1, slash, match);
        if (path != NULL) {
            return path;
        }

        break;
    }

    if (node->param == NULL) {
        return NULL;
    }

    match->params[node->nparams] = *segment;

    return proctor_route_walk(node->param, split, depth + 1, slash, match);
}


int
proctor_route_add(
    proctor_route_t *route, const proctor_path_t *path, const char **reason)
{
    size_t i;
    proctor_route_node_t *node;
    proctor_route_split_t split;

    *reason = proctor_route_template(path, &split);
    if (*reason != NULL) {
        return PROCTOR_INVALID;
    }

    node = &route->root;

    for (i = 0; i < split.count; i++) {
        node = proctor_route_child(route->arena, node, &split.segments[i]);
        if (node == NULL) {
            *reason = "does not fit into memory";
            return PROCTOR_ERROR;
        }
    }

    if (node->ends[split.slash] != NULL) {
        *reason = "clashes with another path of the same form";
        return PROCTOR_INVALID;
    }

    node->ends[split.slash] = path;

    return PROCTOR_OK;
}


/* The reason why the template is bad, or NULL. */

static const char *
proctor_route_template(const proctor_path_t *path, proctor_route_split_t *split)
{
    size_t i;
    unsigned params;
    const char *reason;

    reason =
        proctor_route_plain(path->template.data, path->template.len, split);
    if (reason != NULL) {
        return reason;
    }

    if (split->count > PROCTOR_ROUTE_SEGMENTS) {
        return "has too many segments";
    }

    params = 0;

    for (i = 0; i < split->count; i++) {
        if (split->segments[i].data[0] != '{') {
            continue;
        }

        reason = proctor_route_name(split, i);
        if (reason != NULL) {
            return reason;
        }

        params++;
    }

    return params > PROCTOR_PATH_PARAMS ? "has too many parameters" : NULL;
}


/*
 * A template is split as a path whose segments may be "{name}": a literal that
 * no accepted path can hold would be an operation that nobody can call.
 */

static const char *
proctor_route_plain(
    const char *template, size_t len, proctor_route_split_t *split)
{
    size_t i, j;
    char plain[1024];
    const char *reason;

    if (len > sizeof(plain)) {
        return "is too long";
    }

    for (i = 0; i < len; i++) {
        plain[i] = template[i];

        if (template[i] == '{' || template[i] == '}') {
            plain[i] = '_';
        }
    }

    reason = proctor_route_split(plain, len, split);
    if (reason != NULL) {
        return reason;
    }

    for (i = 0; i < split->count && i < PROCTOR_ROUTE_SEGMENTS; i++) {
        split->segments[i].data = template + (split->segments[i].data - plain);

        for (j = 0; j < split->segments[i].len; j++) {
            if (strchr("{}", split->segments[i].data[j]) != NULL
                && split->segments[i].data[0] != '{') {
                return "mixes a parameter with other text in one segment";
            }
        }
    }

    return NULL;
}


/* Segment i begins with a brace: it is to be one well-formed "{name}". */

static const char *
proctor_route_name(const proctor_route_split_t *split, size_t i)
{
    size_t j;
    const proctor_str_t *segment, *other;

    segment = &split->segments[i];

    if (segment->len < 3 || segment->data[segment->len - 1] != '}') {
        return "holds a segment that is not one whole parameter";
    }

    for (j = 1; j < segment->len - 1; j++) {
        if (strchr("{}", segment->data[j]) != NULL) {
            return "holds a segment that is not one whole parameter";
        }
    }

    for (j = 0; j < i; j++) {
        other = &split->segments[j];

        if (other->len == segment->len
            && memcmp(other->data, segment->data, segment->len) == 0) {
            return "names a parameter twice";
        }
    }

    return NULL;
}


/* Finds the child for a segment of a template, or makes it. */

static proctor_route_node_t *
proctor_route_child(proctor_arena_t *arena, proctor_route_node_t *node,
    const proctor_str_t *segment)
{
    int param;
    proctor_route_node_t *child, **last;

    param = segment->data[0] == '{';
    last = param ? &node->param : &node->literals;

    while (*last != NULL) {
        if (param
            || ((*last)->len == segment->len
                && memcmp((*last)->text, segment->data, segment->len) == 0)) {
            return *last;
        }

        last = &(*last)->sibling;
    }

    child = proctor_arena_calloc(arena, sizeof(proctor_route_node_t));
    if (child == NULL) {
        return NULL;
    }

    child->nparams = node->nparams + (param ? 1 : 0);

    if (!param) {
        child->text = segment->data;
        child->len = segment->len;
    }

    *last = child;

    return child;
}
