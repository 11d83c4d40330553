/*
 * JSON text (RFC 8259) to a tape of nodes, for what clients
 * send.  jansson reads our own configuration; here it will not do: it refuses
 * integers over 64 bits, which a free-form field may hold, cannot say where a
 * value stands, and its lexer costs more than a whole proxied request.
 *
 * Refused: duplicate members (after unescaping), bad UTF-8, a BOM, lone
 * surrogates, trailing bytes, more than PROCTOR_JSON_DEPTH levels or
 * PROCTOR_JSON_NODES values.  Time is linear in the text, whatever the keys.
 *
 * Nodes stand in document order.  An array is followed by its items, an object
 * by its members, each a STRING node (the key) and the value's node.  `next`
 * is the index of the node after the whole value.  Nodes point into the text,
 * which must outlive the document.
 */

#ifndef PROCTOR_JSON_H_INCLUDED
#define PROCTOR_JSON_H_INCLUDED

#include "proctor_base.h"


#define PROCTOR_JSON_DEPTH 128
#define PROCTOR_JSON_NODES 1000000

typedef enum {
    PROCTOR_JSON_NULL = 0,
    PROCTOR_JSON_FALSE,
    PROCTOR_JSON_TRUE,
    PROCTOR_JSON_NUMBER,
    PROCTOR_JSON_STRING,
    PROCTOR_JSON_ARRAY,
    PROCTOR_JSON_OBJECT
} proctor_json_type_e;

typedef struct {
    const char *text; /* string: after its quote, still escaped when
                         `escaped`; else: first byte of the literal */
    uint32_t len;     /* of text, bytes; a string's without quotes */
    uint32_t next;
    uint32_t count;  /* array: items; object: members; key: hash */
    uint8_t type;    /* proctor_json_type_e */
    uint8_t escaped; /* string: has a backslash */
    uint8_t integer; /* number: digits only, perhaps a sign; 0: look */
} proctor_json_node_t;

typedef struct {
    proctor_json_node_t *nodes; /* nodes[0] is the root; malloc'ed */
    uint32_t nnodes;
    uint32_t capacity;
    proctor_arena_t *arena; /* for decoded strings; may be NULL until
                                   one is asked for */
    const char *error;      /* why parse failed: a constant phrase,
                                   "is not valid UTF-8" */
    size_t error_offset;
} proctor_json_t;

/*
 * proctor_json_tape.c: the nodes, and a flat object (query parameters) built
 * without a text to parse.  No name may be added twice: that is the caller's
 * duty.
 */

/* a zeroed struct; parsing keeps `nodes` for the next text of the worker */
void proctor_json_init(proctor_json_t *doc);
void proctor_json_free(proctor_json_t *doc);
int proctor_json_object_begin(proctor_json_t *doc);
/* type: NUMBER (text is a JSON number), STRING (text is decoded), TRUE.. */
int proctor_json_object_add(proctor_json_t *doc, const proctor_str_t *name,
    proctor_json_type_e type, const proctor_str_t *text);
void proctor_json_object_end(proctor_json_t *doc);

/* proctor_json.c */

/* OK, INVALID (doc->error says why, doc->error_offset where), ERROR */
int proctor_json_parse(proctor_json_t *doc, const char *text, size_t len);

/* proctor_json_value.c */

/* the node's string without escapes; allocates in doc->arena when escaped */
int proctor_json_string(proctor_json_t *doc, uint32_t node, proctor_str_t *out);
/* index of the member's value; 0: not an object, or no such member */
uint32_t proctor_json_member(
    proctor_json_t *doc, uint32_t object, const char *name, size_t len);
/* index of the value that an RFC 6901 pointer names; UINT32_MAX: none */
uint32_t proctor_json_find(proctor_json_t *doc, const char *pointer);

/* proctor_json_utf8.c */

/* 1 when every byte of s is part of valid UTF-8 (RFC 3629) */
int proctor_json_utf8(const char *s, size_t len);
/* length of the valid UTF-8 sequence at p < end; 0: there is none */
unsigned proctor_json_sequence(const char *p, const char *end);

/* proctor_json_scan.c */

/* every reason to refuse a text, spelled once: doc->error is one of these */
extern const char proctor_json_empty[];
extern const char proctor_json_bom[];
extern const char proctor_json_syntax[];
extern const char proctor_json_bad_utf8[];
extern const char proctor_json_surrogate[];
extern const char proctor_json_duplicate[];
extern const char proctor_json_trailing[];
extern const char proctor_json_deep[];
extern const char proctor_json_many[];
extern const char proctor_json_large[]; /* 4 GB or more; with ERROR */


/*
 * proctor_skip.c: to the end of a JSON value, 64 bytes at a time, without
 * looking at what is in it.  A value may come in any number of pieces.
 */

typedef struct {
    uint64_t depth;   /* of brackets, whichever they are */
    uint64_t quoted;  /* all ones: inside a string; else 0 */
    uint64_t escaped; /* 1: a backslash stands before the next byte */
} proctor_skip_t;

/* both start zeroed, and return the byte after the value; NULL: it goes on */

/* p: after the opening quote */
const char *proctor_skip_string(
    proctor_skip_t *s, const char *p, const char *last);
/* p: at the opening bracket */
const char *proctor_skip_nested(
    proctor_skip_t *s, const char *p, const char *last);

#endif /* PROCTOR_JSON_H_INCLUDED */
