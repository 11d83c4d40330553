/*
 * A JSON body's share in the key of the answer to it.
 *
 * Called where a body was checked, while its document is at hand; threads may
 * do so at the same time.  Two texts have one digest when every parser reads
 * the same from them: members in any order, strings however escaped.  What a
 * number means is the reader's own business (1.0 is no integer to many), so
 * its spelling stays a difference.
 *
 * Depth is bounded by the parser.
 */

#define OPENSSL_SUPPRESS_DEPRECATED

#include <stdlib.h>
#include <string.h>

#include "proctor_cache.h"
#include "proctor_cache_hash.h"


typedef struct {
    proctor_json_t *doc;
    proctor_cache_hash_t hash;
} proctor_cache_body_t;

typedef struct {
    proctor_str_t name;
    uint32_t value;
} proctor_cache_member_t;


static int proctor_cache_body_value(proctor_cache_body_t *body, uint32_t node);
static int proctor_cache_body_string(proctor_cache_body_t *body, uint32_t node);
static int proctor_cache_body_array(proctor_cache_body_t *body, uint32_t node);
static int proctor_cache_body_object(proctor_cache_body_t *body, uint32_t node);
static int proctor_cache_body_compare(const void *one, const void *two);


int
proctor_cache_body(
    proctor_json_t *doc, unsigned char digest[PROCTOR_SHA256_LEN])
{
    proctor_cache_body_t body;

    body.doc = doc;

    if (proctor_cache_hash_init(&body.hash) != PROCTOR_OK
        || proctor_cache_body_value(&body, 0) != PROCTOR_OK
        || proctor_cache_hash_final(&body.hash, digest) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    return PROCTOR_OK;
}


int
proctor_cache_body_excepted(
    proctor_json_t *doc, const proctor_cache_rule_t *rule)
{
    unsigned i;
    uint32_t node;

    for (i = 0; i < rule->nunless; i++) {

        if (!proctor_cache_is_pointer(&rule->unless[i])) {
            continue;
        }

        node = proctor_json_find(doc, rule->unless[i].data);

        if (node != UINT32_MAX && doc->nodes[node].type != PROCTOR_JSON_FALSE
            && doc->nodes[node].type != PROCTOR_JSON_NULL) {
            return 1;
        }
    }

    return 0;
}


static int
proctor_cache_body_value(proctor_cache_body_t *body, uint32_t node)
{
    proctor_str_t text;
    const proctor_json_node_t *value;

    value = &body->doc->nodes[node];

    switch ((proctor_json_type_e) value->type) {

    case PROCTOR_JSON_NULL:
    case PROCTOR_JSON_FALSE:
    case PROCTOR_JSON_TRUE:
        proctor_cache_hash_count(&body->hash, value->type, 0);
        return PROCTOR_OK;

    case PROCTOR_JSON_NUMBER:
        text.data = value->text;
        text.len = value->len;
        proctor_cache_hash_part(&body->hash, value->type, &text);
        return PROCTOR_OK;

    case PROCTOR_JSON_STRING:
        return proctor_cache_body_string(body, node);

    case PROCTOR_JSON_ARRAY:
        return proctor_cache_body_array(body, node);

    case PROCTOR_JSON_OBJECT:
        return proctor_cache_body_object(body, node);
    }

    return PROCTOR_ERROR;
}


static int
proctor_cache_body_string(proctor_cache_body_t *body, uint32_t node)
{
    proctor_str_t text;

    if (proctor_json_string(body->doc, node, &text) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    proctor_cache_hash_part(&body->hash, PROCTOR_JSON_STRING, &text);

    return PROCTOR_OK;
}


static int
proctor_cache_body_array(proctor_cache_body_t *body, uint32_t node)
{
    int rc;
    uint32_t i, n, item;

    rc = PROCTOR_OK;
    n = body->doc->nodes[node].count;
    item = node + 1;

    proctor_cache_hash_count(&body->hash, PROCTOR_JSON_ARRAY, n);

    for (i = 0; i < n && rc == PROCTOR_OK; i++) {
        rc = proctor_cache_body_value(body, item);
        item = body->doc->nodes[item].next;
    }

    return rc;
}


static int
proctor_cache_body_object(proctor_cache_body_t *body, uint32_t node)
{
    int rc;
    uint32_t i, n, key;
    proctor_cache_member_t *members;

    n = body->doc->nodes[node].count;
    key = node + 1;

    proctor_cache_hash_count(&body->hash, PROCTOR_JSON_OBJECT, n);

    if (n == 0) {
        return PROCTOR_OK;
    }

    members = proctor_arena_alloc(
        body->doc->arena, n * sizeof(proctor_cache_member_t));
    if (members == NULL) {
        return PROCTOR_ERROR;
    }

    rc = PROCTOR_OK;

    for (i = 0; i < n && rc == PROCTOR_OK; i++) {
        rc = proctor_json_string(body->doc, key, &members[i].name);
        members[i].value = key + 1;
        key = body->doc->nodes[key + 1].next;
    }

    if (rc == PROCTOR_OK) {
        qsort(members, n, sizeof(proctor_cache_member_t),
            proctor_cache_body_compare);
    }

    for (i = 0; i < n && rc == PROCTOR_OK; i++) {
        proctor_cache_hash_part(
            &body->hash, PROCTOR_JSON_STRING, &members[i].name);
        rc = proctor_cache_body_value(body, members[i].value);
    }

    return rc;
}


/* no two are equal: the parser refused those */

static int
proctor_cache_body_compare(const void *one, const void *two)
{
    int rc;
    const proctor_cache_member_t *a = one;
    const proctor_cache_member_t *b = two;

    rc = memcmp(a->name.data, b->name.data,
        a->name.len < b->name.len ? a->name.len : b->name.len);

    return rc != 0 ? rc : (a->name.len > b->name.len) * 2 - 1;
}
