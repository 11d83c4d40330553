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
 * frames, so that 5 KB of C stack does for any text.  Only the document's own
 * memory is written.
 *
 * What reads a piece of text takes the byte to start from and returns the one
 * after it, or NULL when the parse has ended and `rc` says how.
 */

#include <string.h>

#include "proctor_json_tape.h"


typedef struct {
    uint64_t seen;  /* a bit for each key, chosen by its hash */
    uint64_t twice; /* bits that two keys have */
    uint32_t node;
    uint32_t count; /* with the one that is being read; 0: empty */
    int object;
    int closing;
} proctor_json_frame_t;

typedef struct {
    proctor_json_t *doc;
    const char *text;
    const char *end;
    proctor_json_frame_t *open; /* the innermost; stack[0] is none */
    int rc;
    proctor_json_scan_t scan; /* of the last string */
    proctor_json_frame_t stack[PROCTOR_JSON_DEPTH + 1];
} proctor_json_parser_t;

typedef enum {
    PROCTOR_JSON_CLASS_OTHER = 0,
    PROCTOR_JSON_CLASS_STRING,
    PROCTOR_JSON_CLASS_NUMBER,
    PROCTOR_JSON_CLASS_CONTAINER,
    PROCTOR_JSON_CLASS_LITERAL
} proctor_json_class_e;


static int proctor_json_start(
    proctor_json_t *doc, const char *text, size_t len);
static const char *proctor_json_value(proctor_json_parser_t *ps, const char *p);
static const char *proctor_json_parse_string(
    proctor_json_parser_t *ps, const char *p, proctor_json_node_t **string);
static const char *proctor_json_parse_number(
    proctor_json_parser_t *ps, const char *p);
static const char *proctor_json_parse_literal(
    proctor_json_parser_t *ps, const char *p);
static const char *proctor_json_open(proctor_json_parser_t *ps, const char *p);
static const char *proctor_json_key(proctor_json_parser_t *ps, const char *p);
static const char *proctor_json_after(proctor_json_parser_t *ps, const char *p);
static const char *proctor_json_close(proctor_json_parser_t *ps, const char *p);
static const char *proctor_json_unexpected(
    proctor_json_parser_t *ps, const char *p);
static const char *proctor_json_fail(
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


int
proctor_json_parse(proctor_json_t *doc, const char *text, size_t len)
{
    int rc;
    const char *p;
    proctor_json_parser_t ps;
    const proctor_json_frame_t *open;

    rc = proctor_json_start(doc, text, len);
    if (rc != PROCTOR_OK) {
        return rc;
    }

    ps.doc = doc;
    ps.text = text;
    ps.end = text + len;
    ps.open = ps.stack;
    ps.open->object = 0;
    ps.rc = PROCTOR_ERROR; /* until the text has its end, or a fault */

    p = text;

    /* each round reads one value, or opens a container that has some */

    do {
        open = ps.open;

        if (open->object) {
            p = proctor_json_key(&ps, p);
        }

        if (p != NULL) {
            p = proctor_json_value(&ps, p);
        }

        if (p != NULL && (ps.open == open || ps.open->count == 0)) {
            p = proctor_json_after(&ps, p);
        }

    } while (p != NULL);

    if (ps.rc != PROCTOR_OK) {
        doc->nnodes = 0; /* nobody walks half a document */
    }

    return ps.rc;
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


/* moves *p past white space; the byte that comes there, or -1 at the end */

static inline int
proctor_json_peek(const proctor_json_parser_t *ps, const char **p)
{
    int c;

    for (; *p < ps->end; (*p)++) {
        c = (uint8_t) * *p;

        if (c > ' ' || (c != ' ' && c != '\n' && c != '\r' && c != '\t')) {
            return c;
        }
    }

    return -1;
}


/* a whole value; of a container only the bracket that opens it */

static inline const char *
proctor_json_value(proctor_json_parser_t *ps, const char *p)
{
    int c;
    proctor_json_node_t *string;

    c = proctor_json_peek(ps, &p);

    if (c < 0) {
        return proctor_json_unexpected(ps, p);
    }

    switch ((proctor_json_class_e) proctor_json_classes[c]) {
    case PROCTOR_JSON_CLASS_STRING:
        return proctor_json_parse_string(ps, p, &string);
    case PROCTOR_JSON_CLASS_NUMBER:
        return proctor_json_parse_number(ps, p);
    case PROCTOR_JSON_CLASS_CONTAINER:
        return proctor_json_open(ps, p);
    case PROCTOR_JSON_CLASS_LITERAL:
        return proctor_json_parse_literal(ps, p);
    case PROCTOR_JSON_CLASS_OTHER:
        break;
    }

    return proctor_json_unexpected(ps, p);
}


/* *string: the new node, until the next one */

static inline const char *
proctor_json_parse_string(
    proctor_json_parser_t *ps, const char *p, proctor_json_node_t **string)
{
    const char *start, *quote;
    proctor_json_node_t *node;

    start = p + 1;

    quote = proctor_json_scan_short(&ps->scan, start, ps->end);
    if (quote == NULL) {
        return proctor_json_fail(ps, ps->scan.error, ps->scan.at);
    }

    node = proctor_json_tape_add(ps->doc, PROCTOR_JSON_STRING, start);
    if (node == NULL) {
        return proctor_json_fail(ps, ps->doc->error, p);
    }

    node->len = (uint32_t) (quote - start);
    node->escaped = (uint8_t) ps->scan.escaped;
    *string = node;

    return quote + 1;
}


static const char *
proctor_json_parse_number(proctor_json_parser_t *ps, const char *p)
{
    uint8_t integer;
    const char *last;
    proctor_json_node_t *node;

    last = proctor_json_scan_number(p, ps->end, &integer);
    if (last == NULL) {
        return proctor_json_fail(ps, proctor_json_syntax, p);
    }

    node = proctor_json_tape_add(ps->doc, PROCTOR_JSON_NUMBER, p);
    if (node == NULL) {
        return proctor_json_fail(ps, ps->doc->error, p);
    }

    node->len = (uint32_t) (last - p);
    node->integer = integer;

    return last;
}


static const char *
proctor_json_parse_literal(proctor_json_parser_t *ps, const char *p)
{
    proctor_json_node_t *node;
    const proctor_json_literal_t *literal;

    literal = proctor_json_scan_literal(p, ps->end);
    if (literal == NULL) {
        return proctor_json_fail(ps, proctor_json_syntax, p);
    }

    node = proctor_json_tape_add(ps->doc, literal->type, p);
    if (node == NULL) {
        return proctor_json_fail(ps, ps->doc->error, p);
    }

    node->len = literal->len;

    return p + literal->len;
}


/* p: an opening bracket */

static const char *
proctor_json_open(proctor_json_parser_t *ps, const char *p)
{
    int object;
    proctor_json_frame_t *frame;

    object = *p == '{';

    if (ps->open == ps->stack + PROCTOR_JSON_DEPTH) {
        return proctor_json_fail(ps, proctor_json_deep, p);
    }

    if (proctor_json_tape_add(
            ps->doc, object ? PROCTOR_JSON_OBJECT : PROCTOR_JSON_ARRAY, p)
        == NULL) {
        return proctor_json_fail(ps, ps->doc->error, p);
    }

    frame = ++ps->open;
    frame->seen = 0;
    frame->node = ps->doc->nnodes - 1;
    frame->count = 0;
    frame->twice = 0;
    frame->object = object;
    frame->closing = *p + 2; /* in ASCII, '{' and '}', '[' and ']' */

    p++;

    if (proctor_json_peek(ps, &p) != frame->closing) {
        frame->count = 1;
    }

    return p;
}


/* a key and its colon */

static inline const char *
proctor_json_key(proctor_json_parser_t *ps, const char *p)
{
    uint64_t bit;
    proctor_json_node_t *key;
    proctor_json_frame_t *frame;

    key = NULL;

    if (proctor_json_peek(ps, &p) != '"') {
        return proctor_json_unexpected(ps, p);
    }

    p = proctor_json_parse_string(ps, p, &key);
    if (p == NULL) {
        return NULL;
    }

    key->count = proctor_json_key_hash_within(key, ps->end);

    frame = ps->open;
    bit = (uint64_t) 1 << (key->count & 63);
    frame->twice |= frame->seen & bit;
    frame->seen |= bit;

    if (proctor_json_peek(ps, &p) != ':') {
        return proctor_json_unexpected(ps, p);
    }

    return p + 1;
}


/* a value is complete: what comes next?  closes all that ends here */

static inline const char *
proctor_json_after(proctor_json_parser_t *ps, const char *p)
{
    int c;
    proctor_json_frame_t *frame;

    for (;;) {
        c = proctor_json_peek(ps, &p);
        frame = ps->open;

        if (frame == ps->stack) {
            ps->rc = PROCTOR_OK;
            return c < 0 ? NULL
                         : proctor_json_fail(ps, proctor_json_trailing, p);
        }

        if (c == ',') {
            frame->count++;
            return p + 1;
        }

        if (c != frame->closing) {
            return proctor_json_unexpected(ps, p);
        }

        p = proctor_json_close(ps, p);
        if (p == NULL) {
            return NULL;
        }
    }
}


/* p: the bracket that closes the innermost container */

static inline const char *
proctor_json_close(proctor_json_parser_t *ps, const char *p)
{
    uint32_t key;
    proctor_json_node_t *node;
    const proctor_json_frame_t *frame;

    frame = ps->open--;
    node = &ps->doc->nodes[frame->node];

    p++;
    node->next = ps->doc->nnodes;
    node->len = (uint32_t) (p - node->text);
    node->count = frame->count;

    if (frame->twice == 0) {
        return p;
    }

    if (proctor_json_key_duplicate(ps->doc, frame->node, &key) != PROCTOR_OK) {
        return proctor_json_fail(ps, NULL, p);
    }

    if (key != 0) {
        return proctor_json_fail(
            ps, proctor_json_duplicate, ps->doc->nodes[key].text - 1);
    }

    return p;
}


/* the byte at p may not stand there, or the text ends too early */

static const char *
proctor_json_unexpected(proctor_json_parser_t *ps, const char *p)
{
    if (p < ps->end && proctor_json_sequence(p, ps->end) == 0) {
        return proctor_json_fail(ps, proctor_json_bad_utf8, p);
    }

    return proctor_json_fail(ps, proctor_json_syntax, p);
}


/* error: NULL when memory ran out */

static const char *
proctor_json_fail(proctor_json_parser_t *ps, const char *error, const char *at)
{
    ps->doc->error = error;
    ps->doc->error_offset = (size_t) (at - ps->text);
    ps->rc = error != NULL ? PROCTOR_INVALID : PROCTOR_ERROR;

    return NULL;
}
