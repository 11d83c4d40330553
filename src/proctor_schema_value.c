/*
 * JSON values as JSON Schema sees them: 1 equals 1.0, the order of an object's
 * members means nothing, and "\u0061" is "a".
 *
 * Used by the check for enum, const and uniqueItems, on instances and on the
 * values of a schema alike; the latter are shared between threads, so nothing
 * here writes to a document.  All work is counted in steps; past the limit
 * nothing is equal any more, and the check that asked ends with an error.
 */

#include "proctor_schema.h"

#include <stdlib.h>
#include <string.h>


/* arrays up to this length are compared pair by pair */
#define PROCTOR_SCHEMA_PAIRS 16

#define PROCTOR_SCHEMA_HASH_MULTIPLIER UINT64_C(0x9fb21c651e98df25)


typedef struct {
    uint64_t hash;
    uint32_t node; /* 0: free; an item is never the root */
} proctor_schema_seen_t;


static int proctor_schema_value_equal_number(
    const proctor_json_node_t *a, const proctor_json_node_t *b);
static int proctor_schema_value_equal_array(const proctor_schema_value_t *a,
    const proctor_schema_value_t *b, int64_t *steps);
static int proctor_schema_value_equal_object(const proctor_schema_value_t *a,
    const proctor_schema_value_t *b, int64_t *steps);
static uint32_t proctor_schema_value_member(const proctor_schema_value_t *a,
    const proctor_json_node_t *key, uint32_t *guess, int64_t *steps);
static int proctor_schema_value_unique_pairs(
    const proctor_schema_value_t *array, int64_t *steps);
static int proctor_schema_value_unique_hashed(
    const proctor_schema_value_t *array, int64_t *steps);
static int proctor_schema_value_seen(proctor_schema_seen_t *seen, uint32_t mask,
    const proctor_schema_value_t *item, int64_t *steps);
static uint64_t proctor_schema_value_hash(
    const proctor_json_t *doc, uint32_t node, int64_t *steps);
static uint64_t proctor_schema_value_hash_string(
    const proctor_json_node_t *node);


int
proctor_schema_value_equal(const proctor_schema_value_t *a,
    const proctor_schema_value_t *b, int64_t *steps)
{
    const proctor_json_node_t *na, *nb;

    na = &a->doc->nodes[a->node];
    nb = &b->doc->nodes[b->node];

    if (na->type != nb->type || --*steps < 0) {
        return 0;
    }

    switch ((proctor_json_type_e) na->type) {

    case PROCTOR_JSON_NULL:
    case PROCTOR_JSON_FALSE:
    case PROCTOR_JSON_TRUE:
        return 1;

    case PROCTOR_JSON_NUMBER:
        *steps -= (na->len + nb->len) / 16;
        return proctor_schema_value_equal_number(na, nb);

    case PROCTOR_JSON_STRING:
        *steps -= na->len / 64;
        return proctor_json_key_equal(na, nb);

    case PROCTOR_JSON_ARRAY:
        return proctor_schema_value_equal_array(a, b, steps);

    case PROCTOR_JSON_OBJECT:
        return proctor_schema_value_equal_object(a, b, steps);
    }

    return 0;
}


static int
proctor_schema_value_equal_number(
    const proctor_json_node_t *a, const proctor_json_node_t *b)
{
    proctor_schema_number_t x, y;

    proctor_schema_number_parse(&x, a->text, a->len);
    proctor_schema_number_parse(&y, b->text, b->len);

    return proctor_schema_number_compare(&x, &y) == 0;
}


static int
proctor_schema_value_equal_array(const proctor_schema_value_t *a,
    const proctor_schema_value_t *b, int64_t *steps)
{
    uint32_t i, count;
    proctor_schema_value_t x, y;

    count = a->doc->nodes[a->node].count;

    if (count != b->doc->nodes[b->node].count) {
        return 0;
    }

    x = (proctor_schema_value_t){ a->doc, a->node + 1 };
    y = (proctor_schema_value_t){ b->doc, b->node + 1 };

    for (i = 0; i < count; i++) {
        if (!proctor_schema_value_equal(&x, &y, steps)) {
            return 0;
        }

        x.node = x.doc->nodes[x.node].next;
        y.node = y.doc->nodes[y.node].next;
    }

    return 1;
}


static int
proctor_schema_value_equal_object(const proctor_schema_value_t *a,
    const proctor_schema_value_t *b, int64_t *steps)
{
    uint32_t i, count, key, guess;
    proctor_schema_value_t x, y;

    count = a->doc->nodes[a->node].count;

    if (count != b->doc->nodes[b->node].count) {
        return 0;
    }

    x.doc = a->doc;
    y.doc = b->doc;
    key = b->node + 1;
    guess = a->node + 1;

    for (i = 0; i < count; i++) {
        y.node = key + 1;
        x.node =
            proctor_schema_value_member(a, &b->doc->nodes[key], &guess, steps);

        if (x.node == 0 || !proctor_schema_value_equal(&x, &y, steps)) {
            return 0;
        }

        key = y.doc->nodes[y.node].next;
    }

    return 1;
}


/*
 * *guess: the key after the one that was found last, for members mostly stand
 * in the same order on both sides
 */
static uint32_t
proctor_schema_value_member(const proctor_schema_value_t *a,
    const proctor_json_node_t *key, uint32_t *guess, int64_t *steps)
{
    uint32_t i, count, k;
    const proctor_json_node_t *nodes;

    nodes = a->doc->nodes;
    count = nodes[a->node].count;
    k = *guess;

    for (i = 0; i < count && --*steps >= 0; i++) {
        if (k == nodes[a->node].next) {
            k = a->node + 1;
        }

        *guess = nodes[k + 1].next;

        if (proctor_json_key_equal(&nodes[k], key)) {
            return k + 1;
        }

        k = *guess;
    }

    return 0;
}


int
proctor_schema_value_unique(const proctor_schema_value_t *array, int64_t *steps)
{
    int rc;

    if (array->doc->nodes[array->node].count <= PROCTOR_SCHEMA_PAIRS) {
        rc = proctor_schema_value_unique_pairs(array, steps);

    } else {
        rc = proctor_schema_value_unique_hashed(array, steps);
    }

    return *steps < 0 ? PROCTOR_ERROR : rc;
}


static int
proctor_schema_value_unique_pairs(
    const proctor_schema_value_t *array, int64_t *steps)
{
    uint32_t last;
    proctor_schema_value_t x, y;

    x = (proctor_schema_value_t){ array->doc, array->node + 1 };
    y.doc = array->doc;
    last = array->doc->nodes[array->node].next;

    for (; x.node < last; x.node = x.doc->nodes[x.node].next) {
        y.node = x.doc->nodes[x.node].next;

        for (; y.node < last; y.node = y.doc->nodes[y.node].next) {
            if (proctor_schema_value_equal(&x, &y, steps)) {
                return 0;
            }
        }
    }

    return 1;
}


static int
proctor_schema_value_unique_hashed(
    const proctor_schema_value_t *array, int64_t *steps)
{
    int rc;
    uint32_t last;
    uint64_t size;
    proctor_schema_value_t item;
    proctor_schema_seen_t *seen;

    for (size = 64; size < array->doc->nodes[array->node].count * UINT64_C(2);
         size *= 2) {
        /* void */
    }

    seen = calloc(size, sizeof(proctor_schema_seen_t));

    if (seen == NULL) {
        return PROCTOR_ERROR;
    }

    item = (proctor_schema_value_t){ array->doc, array->node + 1 };
    last = array->doc->nodes[array->node].next;

    for (rc = 1; rc == 1 && item.node < last;
         item.node = item.doc->nodes[item.node].next) {
        rc =
            !proctor_schema_value_seen(seen, (uint32_t) size - 1, &item, steps);
    }

    free(seen);

    return rc;
}


static int
proctor_schema_value_seen(proctor_schema_seen_t *seen, uint32_t mask,
    const proctor_schema_value_t *item, int64_t *steps)
{
    uint32_t i;
    uint64_t hash;
    proctor_schema_value_t other;

    hash = proctor_schema_value_hash(item->doc, item->node, steps);
    other.doc = item->doc;

    for (i = (uint32_t) (hash >> 32) & mask; seen[i].node != 0;
         i = (i + 1) & mask) {
        other.node = seen[i].node;

        if (--*steps < 0) {
            return 1;
        }

        if (seen[i].hash == hash
            && proctor_schema_value_equal(&other, item, steps)) {
            return 1;
        }
    }

    seen[i].hash = hash;
    seen[i].node = item->node;

    return 0;
}


/*
 * An object's hash is a sum over its members, so that their order does not
 * count.  Depth is bounded by the parser's.
 */
static uint64_t
proctor_schema_value_hash(
    const proctor_json_t *doc, uint32_t node, int64_t *steps)
{
    uint32_t i;
    uint64_t hash;
    const proctor_json_node_t *n;
    proctor_schema_number_t number;

    n = &doc->nodes[node];
    hash = n->type * UINT64_C(0x9e3779b97f4a7c15) + 1;
    *steps -= 1;

    switch ((proctor_json_type_e) n->type) {

    case PROCTOR_JSON_NULL:
    case PROCTOR_JSON_FALSE:
    case PROCTOR_JSON_TRUE:
        break;

    case PROCTOR_JSON_NUMBER:
        *steps -= n->len / 16;
        proctor_schema_number_parse(&number, n->text, n->len);
        return proctor_schema_number_hash(&number, hash);

    case PROCTOR_JSON_STRING:
        *steps -= n->len / 64;
        return hash ^ proctor_schema_value_hash_string(n);

    case PROCTOR_JSON_ARRAY:
        for (i = node + 1; i < n->next; i = doc->nodes[i].next) {
            hash = (hash ^ proctor_schema_value_hash(doc, i, steps))
                   * PROCTOR_SCHEMA_HASH_MULTIPLIER;
            hash ^= hash >> 32;
        }

        break;

    case PROCTOR_JSON_OBJECT:
        for (i = node + 1; i < n->next; i = doc->nodes[i + 1].next) {
            hash += (proctor_schema_value_hash_string(&doc->nodes[i])
                        ^ proctor_schema_value_hash(doc, i + 1, steps))
                    * PROCTOR_SCHEMA_HASH_MULTIPLIER;
        }

        break;
    }

    return hash;
}


static uint64_t
proctor_schema_value_hash_string(const proctor_json_node_t *node)
{
    uint64_t hash;

    hash = proctor_json_key_hash(node) * PROCTOR_SCHEMA_HASH_MULTIPLIER;

    return hash ^ (hash >> 29);
}


size_t
proctor_schema_value_length(const proctor_json_node_t *node)
{
    char buf[4];
    size_t n;
    const char *p, *last;

    n = 0;
    p = node->text;
    last = p + node->len;

    while (p < last) {
        n++;

        if (node->escaped && *p == '\\') {
            (void) proctor_json_scan_escape(&p, buf);
            continue;
        }

        /* to the next byte that does not continue a sequence */

        for (p++; p < last && ((unsigned char) *p & 0xc0) == 0x80; p++) {
            /* void */
        }
    }

    return n;
}


size_t
proctor_schema_value_decode(const proctor_json_node_t *node, char *dst)
{
    char *d;
    unsigned n;
    char buf[4];
    const char *p, *last;

    d = dst;
    p = node->text;
    last = p + node->len;

    while (p < last) {
        if (*p != '\\') {
            *d++ = *p++;
            continue;
        }

        n = proctor_json_scan_escape(&p, buf);
        memcpy(d, buf, n);
        d += n;
    }

    return d - dst;
}
