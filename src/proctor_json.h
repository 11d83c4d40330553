/*
 * What the JSON files share with each other, and with the schema checker, which
 * walks keys by their hash.
 *
 * proctor_json.c knows how values nest; it asks proctor_json_scan.c for the
 * bytes of a string or number, proctor_json_tape.c for a node to keep them in,
 * and proctor_json_key.c whether an object's names differ.
 * proctor_json_value.c answers questions about a finished document.
 */

#ifndef PROCTOR_JSON_H_INCLUDED
#define PROCTOR_JSON_H_INCLUDED

#include "proctor.h"


/* proctor_json_tape.c: the array of nodes; its memory is the document's */

/* forgets all nodes, and gives back a tape that has grown too large */
void proctor_json_tape_reset(proctor_json_t *doc);
/* OK; INVALID: too many values; ERROR: out of memory.  doc->error is set */
int proctor_json_tape_grow(proctor_json_t *doc);


/*
 * One more node, its length still to be told.  NULL: no room, doc->error says
 * why, or is NULL when memory ran out.  Nodes move: keep indexes only.
 */

static inline proctor_json_node_t *
proctor_json_tape_add(
    proctor_json_t *doc, proctor_json_type_e type, const char *text)
{
    proctor_json_node_t *node;

    if (doc->nnodes == doc->capacity
        && proctor_json_tape_grow(doc) != PROCTOR_OK) {
        return NULL;
    }

    node = &doc->nodes[doc->nnodes++];
    node->text = text;
    node->len = 0;
    node->next = doc->nnodes;
    node->count = 0;
    node->type = (uint8_t) type;
    node->escaped = 0;

    return node;
}


/* proctor_json_scan.c: bytes, never one at or after `end` */

typedef struct {
    const char *error; /* one of the reasons in proctor.h */
    const char *at;    /* the byte that is wrong */
    int escaped;       /* the string has a backslash */
} proctor_json_scan_t;

/* p: after the opening quote.  The closing quote, or NULL: scan->error, at */
const char *proctor_json_scan_string(
    proctor_json_scan_t *scan, const char *p, const char *end);
/* the byte after the number that starts at p, or NULL */
const char *proctor_json_scan_number(const char *p, const char *end);
/* *p: a backslash of a string that was scanned; moves *p behind its escape,
   writes the UTF-8 and returns its length */
unsigned proctor_json_scan_escape(const char **p, char dst[4]);


/* proctor_json_key.c: the names of members */

/* walks a scanned string's decoded bytes */
typedef struct {
    const char *p;
    const char *end;
    int escaped;
    unsigned pos; /* in pending */
    unsigned len; /* of pending */
    char pending[4];
} proctor_json_bytes_t;

void proctor_json_bytes(
    proctor_json_bytes_t *bytes, const proctor_json_node_t *string);
/* 0..255, or -1 at the end */
int proctor_json_bytes_next(proctor_json_bytes_t *bytes);
/* a key's hash from bytes that are decoded already */
uint32_t proctor_json_hash(const char *s, size_t len);
/* seeded once a process; equal for equal decoded bytes */
uint32_t proctor_json_key_hash(const proctor_json_node_t *key);
/* 1 when both stand for the same bytes, however escaped */
int proctor_json_key_equal(
    const proctor_json_node_t *a, const proctor_json_node_t *b);
/* sets *key to the second key of a pair that is equal, or to 0; OK, ERROR */
int proctor_json_key_duplicate(
    const proctor_json_t *doc, uint32_t object, uint32_t *key);

#endif /* PROCTOR_JSON_H_INCLUDED */
