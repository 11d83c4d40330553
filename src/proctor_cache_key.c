/*
 * What a stored answer is called.
 *
 * Called for every read that may be cached.  An answer's key is a digest over
 * the account, the contract, the operation, the path, the query and the body,
 * each with its length before it: whatever stands in one of them, it cannot
 * look like another.  Query parameters are sorted by name and decoded, as the
 * upstream decodes them; those of one name keep their order, because readers
 * disagree on which of them counts.
 */

#define OPENSSL_SUPPRESS_DEPRECATED

#include <stdlib.h>
#include <string.h>

#include "proctor_cache.h"
#include "proctor_cache_hash.h"


/* tags of the parts, so that an absent one is none that is empty */

typedef enum {
    PROCTOR_CACHE_TAG_NAME = 0,
    PROCTOR_CACHE_TAG_QUERY,
    PROCTOR_CACHE_TAG_PAIR,
    PROCTOR_CACHE_TAG_BARE, /* a parameter without "=" */
    PROCTOR_CACHE_TAG_BODY
} proctor_cache_tag_e;

typedef struct {
    proctor_query_pair_t sent;
    size_t order;
} proctor_cache_pair_t;

typedef struct {
    proctor_cache_pair_t *pairs;
    size_t npairs;
} proctor_cache_query_t;


static int proctor_cache_query(proctor_cache_hash_t *hash,
    const proctor_cache_call_t *call, proctor_arena_t *arena);
static size_t proctor_cache_query_room(const proctor_cache_call_t *call);
static int proctor_cache_query_read(proctor_cache_query_t *query,
    const proctor_str_t *text, proctor_arena_t *arena);
static void proctor_cache_query_fallbacks(
    proctor_cache_query_t *query, const proctor_operation_t *operation);
static int proctor_cache_query_excepted(
    const proctor_cache_query_t *query, const proctor_cache_rule_t *rule);
static int proctor_cache_query_has(
    const proctor_cache_query_t *query, const proctor_str_t *name);
static int proctor_cache_query_compare(const void *one, const void *two);


int
proctor_cache_key(const proctor_cache_call_t *call, proctor_arena_t *arena,
    unsigned char key[PROCTOR_SHA256_LEN])
{
    int rc;
    proctor_cache_hash_t hash;
    const proctor_str_t body = { (const char *) call->body,
        PROCTOR_SHA256_LEN };

    if (proctor_cache_hash_init(&hash) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    proctor_cache_hash_part(
        &hash, PROCTOR_CACHE_TAG_NAME, &call->account->name);
    proctor_cache_hash_part(
        &hash, PROCTOR_CACHE_TAG_NAME, &call->account->contract->name);
    proctor_cache_hash_part(
        &hash, PROCTOR_CACHE_TAG_NAME, &call->operation->id);
    proctor_cache_hash_part(&hash, PROCTOR_CACHE_TAG_NAME, &call->path);

    rc = proctor_cache_query(&hash, call, arena);
    if (rc != PROCTOR_OK) {
        return rc;
    }

    if (call->body != NULL) {
        proctor_cache_hash_part(&hash, PROCTOR_CACHE_TAG_BODY, &body);
    }

    return proctor_cache_hash_final(&hash, key);
}


static int
proctor_cache_query(proctor_cache_hash_t *hash,
    const proctor_cache_call_t *call, proctor_arena_t *arena)
{
    int rc;
    size_t i, room;
    const proctor_query_pair_t *pair;
    proctor_cache_query_t query;

    room = proctor_cache_query_room(call);

    if (room == 0) {
        return PROCTOR_OK;
    }

    query.npairs = 0;
    query.pairs =
        proctor_arena_alloc(arena, room * sizeof(proctor_cache_pair_t));
    if (query.pairs == NULL) {
        return PROCTOR_ERROR;
    }

    rc = proctor_cache_query_read(&query, &call->query, arena);
    if (rc != PROCTOR_OK) {
        return rc;
    }

    if (proctor_cache_query_excepted(&query, call->operation->cache)) {
        return PROCTOR_INVALID;
    }

    proctor_cache_query_fallbacks(&query, call->operation);

    qsort(query.pairs, query.npairs, sizeof(proctor_cache_pair_t),
        proctor_cache_query_compare);

    for (i = 0; i < query.npairs; i++) {
        pair = &query.pairs[i].sent;

        proctor_cache_hash_part(hash, PROCTOR_CACHE_TAG_QUERY, &pair->name);
        proctor_cache_hash_part(hash,
            pair->value.data != NULL ? PROCTOR_CACHE_TAG_PAIR
                                     : PROCTOR_CACHE_TAG_BARE,
            &pair->value);
    }

    return PROCTOR_OK;
}


/* as many pairs as there can be, with those that are filled in */

static size_t
proctor_cache_query_room(const proctor_cache_call_t *call)
{
    size_t room;
    unsigned i;
    const char *p, *end;

    room = (call->query.len != 0);
    end = call->query.data + call->query.len;

    for (p = call->query.data; p < end; p++) {
        room += (*p == '&');
    }

    for (i = 0; i < call->operation->nparams; i++) {
        room += (call->operation->params[i].in == PROCTOR_IN_QUERY
                 && call->operation->params[i].fallback.data != NULL);
    }

    return room;
}


static int
proctor_cache_query_read(proctor_cache_query_t *query,
    const proctor_str_t *text, proctor_arena_t *arena)
{
    int rc;
    proctor_cache_pair_t *pair;
    proctor_query_t rest = { text->data, text->data + text->len };

    for (pair = query->pairs; proctor_query_next(&rest, &pair->sent); pair++) {
        pair->order = query->npairs++;

        rc = proctor_query_decode(arena, &pair->sent.name);

        if (rc == PROCTOR_OK) {
            rc = proctor_query_decode(arena, &pair->sent.value);
        }

        if (rc != PROCTOR_OK) {
            return rc;
        }
    }

    return PROCTOR_OK;
}


static void
proctor_cache_query_fallbacks(
    proctor_cache_query_t *query, const proctor_operation_t *operation)
{
    unsigned i;
    proctor_cache_pair_t *pair;
    const proctor_param_t *param;

    for (i = 0; i < operation->nparams; i++) {
        param = &operation->params[i];

        if (param->in != PROCTOR_IN_QUERY || param->fallback.data == NULL
            || proctor_cache_query_has(query, &param->name)) {
            continue;
        }

        pair = &query->pairs[query->npairs];
        pair->sent.name = param->name;
        pair->sent.value = param->fallback;
        pair->order = query->npairs++;
    }
}


static int
proctor_cache_query_excepted(
    const proctor_cache_query_t *query, const proctor_cache_rule_t *rule)
{
    unsigned i;

    for (i = 0; rule != NULL && i < rule->nunless; i++) {
        if (proctor_cache_query_has(query, &rule->unless[i])) {
            return 1;
        }
    }

    return 0;
}


static int
proctor_cache_query_has(
    const proctor_cache_query_t *query, const proctor_str_t *name)
{
    size_t i;

    for (i = 0; i < query->npairs; i++) {
        if (query->pairs[i].sent.name.len == name->len
            && memcmp(query->pairs[i].sent.name.data, name->data, name->len)
                   == 0) {
            return 1;
        }
    }

    return 0;
}


static int
proctor_cache_query_compare(const void *one, const void *two)
{
    int rc;
    const proctor_cache_pair_t *a = one;
    const proctor_cache_pair_t *b = two;
    size_t alen = a->sent.name.len, blen = b->sent.name.len;

    rc =
        memcmp(a->sent.name.data, b->sent.name.data, alen < blen ? alen : blen);

    if (rc == 0) {
        rc = (alen > blen) - (alen < blen);
    }

    return rc != 0 ? rc : (a->order > b->order) - (a->order < b->order);
}
