/*
 * JSON text (RFC 8259) to a tape of nodes: how values nest.
 *
 * The module parses every body with it on nginx's event loop, and the schema
 * checker walks what comes out.
 *
 *     {"a":[1,true]}      node 0 OBJECT count 1 next 5
 *                              1 STRING "a"  (a key: count is its hash)
 *                              2 ARRAY  count 2 next 5
 *                              3 NUMBER
 *                              4 TRUE
 *
 * There is no recursion: the open containers are a stack of PROCTOR_JSON_DEPTH
 * node indexes, so that 1 KB of C stack does for any text.  Only the document's
 * own memory is written.
 */

#include <string.h>

#include "proctor_json.h"


#define PROCTOR_JSON_OPEN 1 /* a container was opened, its first value comes */
#define PROCTOR_JSON_DONE 2 /* the root is complete, and so is the text */


typedef struct {
    proctor_json_t *doc;
    const char *text;
    const char *p; /* the next byte */
    const char *end;
    uint32_t depth;
    uint32_t stack[PROCTOR_JSON_DEPTH]; /* open containers' nodes */
} proctor_json_parser_t;

typedef enum {
    PROCTOR_JSON_CLASS_OTHER = 0,
    PROCTOR_JSON_CLASS_STRING,
    PROCTOR_JSON_CLASS_NUMBER,
    PROCTOR_JSON_CLASS_CONTAINER,
    PROCTOR_JSON_CLASS_LITERAL
} proctor_json_class_e;

typedef struct {
    const char *text;
    uint32_t len;
    proctor_json_type_e type;
} proctor_json_literal_t;


static int proctor_json_start(
    proctor_json_t *doc, const char *text, size_t len);
static int proctor_json_run(proctor_json_parser_t *ps);
static int proctor_json_value(proctor_json_parser_t *ps);
static int proctor_json_parse_string(proctor_json_parser_t *ps);
static int proctor_json_parse_number(proctor_json_parser_t *ps);
static int proctor_json_parse_literal(proctor_json_parser_t *ps);
static int proctor_json_open(proctor_json_parser_t *ps);
static int proctor_json_key(proctor_json_parser_t *ps);
static int proctor_json_after(proctor_json_parser_t *ps);
static int proctor_json_close(proctor_json_parser_t *ps);
static int proctor_json_unexpected(proctor_json_parser_t *ps);
static int proctor_json_fail(
    proctor_json_parser_t *ps, const char *error, const char *at);


/* what a value that starts with this byte is */

static const uint8_t proctor_json_classes[256] = {
    ['"'] = PROCTOR_JSON_CLASS_STRING,
    ['-'] = PROCTOR_JSON_CLASS_NUMBER,
    ['0' ... '9'] = PROCTOR_JSON_CLASS_NUMBER,
    ['['] = PROCTOR_JSON_CLASS_CONTAINER,
    ['{'] = PROCTOR_JSON_CLASS_CONTAINER,
    ['t'] = PROCTOR_JSON_CLASS_LITERAL,
    ['f'] = PROCTOR_JSON_CLASS_LITERAL,
    ['n'] = PROCTOR_JSON_CLASS_LITERAL,
};

static const proctor_json_literal_t proctor_json_literals[] = {
    { "true", 4, PROCTOR_JSON_TRUE },
    { "false", 5, PROCTOR_JSON_FALSE },
    { "null", 4, PROCTOR_JSON_NULL },
};


int
proctor_json_parse(proctor_json_t *doc, const char *text, size_t len)
{
    int rc;
    proctor_json_parser_t ps;

    rc = proctor_json_start(doc, text, len);
    if (rc != PROCTOR_OK) {
        return rc;
    }

    ps.doc = doc;
    ps.text = text;
    ps.p = text;
    ps.end = text + len;
    ps.depth = 0;

    rc = proctor_json_run(&ps);
    if (rc != PROCTOR_OK) {
        doc->nnodes = 0; /* nobody walks half a document */
    }

    return rc;
}


static int
proctor_json_start(proctor_json_t *doc, const char *text, size_t len)
{
    proctor_json_tape_reset(doc);

    if (len >= UINT32_MAX) {
        doc->error = proctor_json_large;
        return PROCTOR_ERROR;
    }

    if (len == 0) {
        doc->error = proctor_json_empty;
        return PROCTOR_INVALID;
    }

    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        doc->error = proctor_json_bom;
        return PROCTOR_INVALID;
    }

    return PROCTOR_OK;
}


static int
proctor_json_run(proctor_json_parser_t *ps)
{
    int rc;

    do {
        rc = proctor_json_value(ps);

        if (rc == PROCTOR_OK) {
            rc = proctor_json_after(ps);
        }

    } while (rc == PROCTOR_OK || rc == PROCTOR_JSON_OPEN);

    return rc == PROCTOR_JSON_DONE ? PROCTOR_OK : rc;
}


static inline void
proctor_json_space(proctor_json_parser_t *ps)
{
    while (ps->p < ps->end && (uint8_t) *ps->p <= ' '
           && (*ps->p == ' ' || *ps->p == '\n' || *ps->p == '\r'
               || *ps->p == '\t')) {
        ps->p++;
    }
}


/* OK: a whole value is behind us; OPEN: only the beginning of one */

static int
proctor_json_value(proctor_json_parser_t *ps)
{
    proctor_json_class_e class;

    proctor_json_space(ps);

    if (ps->p == ps->end) {
        return proctor_json_unexpected(ps);
    }

    class = proctor_json_classes[(uint8_t) *ps->p];

    switch (class) {
    case PROCTOR_JSON_CLASS_STRING:
        return proctor_json_parse_string(ps);
    case PROCTOR_JSON_CLASS_NUMBER:
        return proctor_json_parse_number(ps);
    case PROCTOR_JSON_CLASS_CONTAINER:
        return proctor_json_open(ps);
    case PROCTOR_JSON_CLASS_LITERAL:
        return proctor_json_parse_literal(ps);
    case PROCTOR_JSON_CLASS_OTHER:
        break;
    }

    return proctor_json_unexpected(ps);
}


static int
proctor_json_parse_string(proctor_json_parser_t *ps)
{
    const char *start, *quote;
    proctor_json_scan_t scan;
    proctor_json_node_t *node;

    start = ps->p + 1;

    quote = proctor_json_scan_string(&scan, start, ps->end);
    if (quote == NULL) {
        return proctor_json_fail(ps, scan.error, scan.at);
    }

    node = proctor_json_tape_add(ps->doc, PROCTOR_JSON_STRING, start);
    if (node == NULL) {
        return proctor_json_fail(ps, ps->doc->error, ps->p);
    }

    node->len = (uint32_t) (quote - start);
    node->escaped = (uint8_t) scan.escaped;
    ps->p = quote + 1;

    return PROCTOR_OK;
}


static int
proctor_json_parse_number(proctor_json_parser_t *ps)
{
    const char *last;
    proctor_json_node_t *node;

    last = proctor_json_scan_number(ps->p, ps->end);
    if (last == NULL) {
        return proctor_json_fail(ps, proctor_json_syntax, ps->p);
    }

    node = proctor_json_tape_add(ps->doc, PROCTOR_JSON_NUMBER, ps->p);
    if (node == NULL) {
        return proctor_json_fail(ps, ps->doc->error, ps->p);
    }

    node->len = (uint32_t) (last - ps->p);
    ps->p = last;

    return PROCTOR_OK;
}


static int
proctor_json_parse_literal(proctor_json_parser_t *ps)
{
    proctor_json_node_t *node;
    const proctor_json_literal_t *literal;

    /* the class has told that one of them begins so */
    for (literal = proctor_json_literals; *literal->text != *ps->p; literal++) {
        /* void */
    }

    if ((size_t) (ps->end - ps->p) < literal->len
        || memcmp(ps->p, literal->text, literal->len) != 0) {
        return proctor_json_fail(ps, proctor_json_syntax, ps->p);
    }

    node = proctor_json_tape_add(ps->doc, literal->type, ps->p);
    if (node == NULL) {
        return proctor_json_fail(ps, ps->doc->error, ps->p);
    }

    node->len = literal->len;
    ps->p += literal->len;

    return PROCTOR_OK;
}


static int
proctor_json_open(proctor_json_parser_t *ps)
{
    char closing;
    proctor_json_type_e type;

    type = *ps->p == '{' ? PROCTOR_JSON_OBJECT : PROCTOR_JSON_ARRAY;
    closing = *ps->p == '{' ? '}' : ']';

    if (ps->depth == PROCTOR_JSON_DEPTH) {
        return proctor_json_fail(ps, proctor_json_deep, ps->p);
    }

    if (proctor_json_tape_add(ps->doc, type, ps->p) == NULL) {
        return proctor_json_fail(ps, ps->doc->error, ps->p);
    }

    ps->stack[ps->depth++] = ps->doc->nnodes - 1;
    ps->p++;

    proctor_json_space(ps);

    if (ps->p < ps->end && *ps->p == closing) {
        return proctor_json_close(ps);
    }

    if (type == PROCTOR_JSON_OBJECT) {
        return proctor_json_key(ps);
    }

    return PROCTOR_JSON_OPEN;
}


/* OPEN: the member's value comes */

static int
proctor_json_key(proctor_json_parser_t *ps)
{
    int rc;
    proctor_json_node_t *key;

    proctor_json_space(ps);

    if (ps->p == ps->end || *ps->p != '"') {
        return proctor_json_unexpected(ps);
    }

    rc = proctor_json_parse_string(ps);
    if (rc != PROCTOR_OK) {
        return rc;
    }

    key = &ps->doc->nodes[ps->doc->nnodes - 1];
    key->count = proctor_json_key_hash(key);

    proctor_json_space(ps);

    if (ps->p == ps->end || *ps->p != ':') {
        return proctor_json_unexpected(ps);
    }

    ps->p++;

    return PROCTOR_JSON_OPEN;
}


/* a value is complete: what comes next?  closes all that ends here */

static int
proctor_json_after(proctor_json_parser_t *ps)
{
    int rc;
    proctor_json_node_t *node;

    for (;;) {
        proctor_json_space(ps);

        if (ps->depth == 0) {
            return ps->p == ps->end
                       ? PROCTOR_JSON_DONE
                       : proctor_json_fail(ps, proctor_json_trailing, ps->p);
        }

        if (ps->p == ps->end) {
            return proctor_json_unexpected(ps);
        }

        node = &ps->doc->nodes[ps->stack[ps->depth - 1]];
        node->count++;

        if (*ps->p == ',') {
            ps->p++;
            return node->type == PROCTOR_JSON_OBJECT ? proctor_json_key(ps)
                                                     : PROCTOR_OK;
        }

        if (*ps->p != (node->type == PROCTOR_JSON_OBJECT ? '}' : ']')) {
            return proctor_json_unexpected(ps);
        }

        rc = proctor_json_close(ps);
        if (rc != PROCTOR_OK) {
            return rc;
        }
    }
}


/* p: the bracket that closes the innermost container */

static int
proctor_json_close(proctor_json_parser_t *ps)
{
    uint32_t index, key;
    proctor_json_node_t *node;

    index = ps->stack[--ps->depth];
    node = &ps->doc->nodes[index];

    ps->p++;
    node->next = ps->doc->nnodes;
    node->len = (uint32_t) (ps->p - node->text);

    if (node->type == PROCTOR_JSON_ARRAY) {
        return PROCTOR_OK;
    }

    if (proctor_json_key_duplicate(ps->doc, index, &key) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    if (key != 0) {
        return proctor_json_fail(
            ps, proctor_json_duplicate, ps->doc->nodes[key].text - 1);
    }

    return PROCTOR_OK;
}


/* the byte at p may not stand there, or the text ends too early */

static int
proctor_json_unexpected(proctor_json_parser_t *ps)
{
    if (ps->p < ps->end && proctor_json_sequence(ps->p, ps->end) == 0) {
        return proctor_json_fail(ps, proctor_json_bad_utf8, ps->p);
    }

    return proctor_json_fail(ps, proctor_json_syntax, ps->p);
}


/* error: NULL when memory ran out */

static int
proctor_json_fail(proctor_json_parser_t *ps, const char *error, const char *at)
{
    ps->doc->error = error;
    ps->doc->error_offset = (size_t) (at - ps->text);

    return error != NULL ? PROCTOR_INVALID : PROCTOR_ERROR;
}
