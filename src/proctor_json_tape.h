/*
 * What the JSON files share with each other, and with the schema checker, which
 * walks keys by their hash.
 *
 * proctor_json.c knows how values nest; it asks proctor_json_scan.c for the
 * bytes of a string or number, proctor_json_tape.c for a node to keep them in,
 * and proctor_json_key.c whether an object's names differ.
 * proctor_json_value.c answers questions about a finished document.
 */

#ifndef PROCTOR_JSON_TAPE_H_INCLUDED
#define PROCTOR_JSON_TAPE_H_INCLUDED

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "proctor_json.h"


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
    node->integer = 0;

    return node;
}


/* proctor_json_scan.c: bytes, never one at or after `end` */

typedef struct {
    const char *error; /* one of the reasons in proctor_json.h */
    const char *at;    /* the byte that is wrong */
    int escaped;       /* the string has a backslash */
} proctor_json_scan_t;

typedef struct {
    const char *text;
    uint32_t len;
    proctor_json_type_e type;
} proctor_json_literal_t;

/* p: after the opening quote.  The closing quote, or NULL: scan->error, at */
const char *proctor_json_scan_string(
    proctor_json_scan_t *scan, const char *p, const char *end);
/* the byte after the number that starts at p, or NULL; *integer: as a node's */
const char *proctor_json_scan_number(
    const char *p, const char *end, uint8_t *integer);
/* the first byte from p on that a string may not hold as it stands, or end */
const char *proctor_json_scan_plain(const char *p, const char *end);
/* p: a t, f or n.  NULL: not a literal */
const proctor_json_literal_t *proctor_json_scan_literal(
    const char *p, const char *end);
/* *p: a backslash of a string that was scanned; moves *p behind its escape,
   writes the UTF-8 and returns its length */
unsigned proctor_json_scan_escape(const char **p, char dst[4]);

#ifdef __SSE2__

/*
 * Of 16 bytes, a bit for each that a string may not hold as it stands.  XOR 2
 * makes a quote a space and moves no other byte across that line, so that what
 * is wrong is what falls below zero when a space and one are taken from it;
 * signed, bytes outside ASCII stand there already, and saturation keeps them.
 */

static inline unsigned
proctor_json_stops(const char *p)
{
    __m128i bytes, bad;

    bytes = _mm_loadu_si128((const __m128i *) (const void *) p);
    bad = _mm_xor_si128(bytes, _mm_set1_epi8(2));
    bad = _mm_subs_epi8(bad, _mm_set1_epi8(' ' + 1));
    bad = _mm_or_si128(bad, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));

    return (unsigned) _mm_movemask_epi8(bad);
}

#endif


/* proctor_json_scan_string(), quick for a name or a word */

static inline const char *
proctor_json_scan_short(
    proctor_json_scan_t *scan, const char *p, const char *end)
{
#ifdef __SSE2__
    unsigned stops;

    if (end - p >= 16) {
        stops = proctor_json_stops(p);

        if (stops == 0) {
            return proctor_json_scan_string(scan, p + 16, end);
        }

        p += (unsigned) __builtin_ctz(stops);

        if (*p == '"') {
            scan->escaped = 0;
            return p;
        }
    }
#endif

    return proctor_json_scan_string(scan, p, end);
}


/* 1 when both are the same bytes: memcmp(), quick for a name or a word */

static inline int
proctor_json_same(const char *a, const char *b, size_t len)
{
    uint32_t four[4];
    uint64_t eight[4];

    if (len > 16 || len < 4) {
        return memcmp(a, b, len) == 0;
    }

    /* the first and the last bytes, which overlap */

    if (len >= 8) {
        memcpy(&eight[0], a, 8);
        memcpy(&eight[1], b, 8);
        memcpy(&eight[2], a + len - 8, 8);
        memcpy(&eight[3], b + len - 8, 8);

        return ((eight[0] ^ eight[1]) | (eight[2] ^ eight[3])) == 0;
    }

    memcpy(&four[0], a, 4);
    memcpy(&four[1], b, 4);
    memcpy(&four[2], a + len - 4, 4);
    memcpy(&four[3], b + len - 4, 4);

    return ((four[0] ^ four[1]) | (four[2] ^ four[3])) == 0;
}


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

extern uint64_t proctor_json_seeds[2];

static inline uint64_t
proctor_json_word(const char *p)
{
    uint64_t word;

    memcpy(&word, p, 8);

    return word;
}

/* both halves of a 128-bit product: each bit hangs on all of state and word */
static inline uint64_t
proctor_json_fold(uint64_t state, uint64_t word)
{
    unsigned __int128 product;

    product = (unsigned __int128) (state ^ word) * proctor_json_seeds[1];

    return (uint64_t) product ^ (uint64_t) (product >> 64);
}

/*
 * proctor_json_key_hash() of a key in a text that goes on until `end`: a short
 * one's tail need not be put together, where a whole word can be read.
 */
static inline uint32_t
proctor_json_key_hash_within(const proctor_json_node_t *key, const char *end)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t state, word, rest;

    if (key->len < 16 && end - key->text >= 16 && !key->escaped) {
        state = proctor_json_seeds[0];
        word = proctor_json_word(key->text);
        rest = key->len % 8;

        if (key->len >= 8) {
            state = proctor_json_fold(state, word);
            word = proctor_json_word(key->text + 8);
        }

        word = (word & (((uint64_t) 1 << 8 * rest) - 1)) | rest << 56;

        return (uint32_t) proctor_json_fold(state, word);
    }
#else
    (void) end;
#endif

    return proctor_json_key_hash(key);
}

/* 1 when both stand for the same bytes, however escaped */
int proctor_json_key_equal(
    const proctor_json_node_t *a, const proctor_json_node_t *b);
/* sets *key to the second key of a pair that is equal, or to 0; OK, ERROR */
int proctor_json_key_duplicate(
    const proctor_json_t *doc, uint32_t object, uint32_t *key);

#endif /* PROCTOR_JSON_TAPE_H_INCLUDED */
