/*
 * The names of members: equal or not, given twice or not.
 *
 * Names are compared by what they stand for: "a" and "\u0061" are one name.  A
 * key's node keeps a hash of its decoded bytes (proctor_json.c puts it there).
 * The hash is seeded once a process, so that a client cannot choose names that
 * collide; an object of many members is checked by a table that lives only
 * while it is closed, one of few by comparing all with all.  Either way the
 * time is linear in the text.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "proctor_json_tape.h"


#define PROCTOR_JSON_KEY_FEW 16


static uint32_t proctor_json_hash_end(
    uint64_t state, const char *tail, size_t len);
static uint32_t proctor_json_key_few(
    const proctor_json_t *doc, uint32_t object);
static int proctor_json_key_many(
    const proctor_json_t *doc, uint32_t object, uint32_t *second);

uint64_t proctor_json_seeds[2];


/* before main() or at dlopen(): no thread and no request can come first */

__attribute__((constructor)) static void
proctor_json_seed(void)
{
    struct timespec now;

    if (getrandom(proctor_json_seeds, sizeof(proctor_json_seeds), GRND_NONBLOCK)
        != (ssize_t) sizeof(proctor_json_seeds)) {

        /* a kernel that has no randomness yet: addresses and time must do */
        clock_gettime(CLOCK_REALTIME, &now);
        proctor_json_seeds[0] ^= (uintptr_t) &now ^ (uint64_t) now.tv_nsec;
        proctor_json_seeds[1] ^= (uintptr_t) &proctor_json_seeds;
    }

    proctor_json_seeds[1] |= 1;
}


uint32_t
proctor_json_key_hash(const proctor_json_node_t *key)
{
    int byte;
    char group[8];
    size_t len;
    uint64_t state;
    proctor_json_bytes_t bytes;

    if (!key->escaped) {
        return proctor_json_hash(key->text, key->len);
    }

    /* the same sum without a place for the whole decoded name */
    state = proctor_json_seeds[0];
    proctor_json_bytes(&bytes, key);

    for (len = 0; (byte = proctor_json_bytes_next(&bytes)) >= 0; len++) {
        group[len % 8] = (char) byte;

        if (len % 8 == 7) {
            state = proctor_json_fold(state, proctor_json_word(group));
        }
    }

    return proctor_json_hash_end(state, group, len);
}


uint32_t
proctor_json_hash(const char *s, size_t len)
{
    uint64_t state;
    const char *tail;

    state = proctor_json_seeds[0];

    for (tail = s + len - len % 8; s < tail; s += 8) {
        state = proctor_json_fold(state, proctor_json_word(s));
    }

    return proctor_json_hash_end(state, tail, len);
}


/* tail: the last len % 8 bytes, whose number fills up their word */

static inline uint32_t
proctor_json_hash_end(uint64_t state, const char *tail, size_t len)
{
    unsigned shift;
    uint16_t two;
    uint32_t four;
    uint64_t word;

    word = (uint64_t) (len % 8) << 56;
    shift = 0;

    if (len & 4) {
        memcpy(&four, tail, 4);
        word |= four;
        tail += 4;
        shift = 32;
    }

    if (len & 2) {
        memcpy(&two, tail, 2);
        word |= (uint64_t) two << shift;
        tail += 2;
        shift += 16;
    }

    if (len & 1) {
        word |= (uint64_t) (uint8_t) *tail << shift;
    }

    return (uint32_t) proctor_json_fold(state, word);
}


void
proctor_json_bytes(
    proctor_json_bytes_t *bytes, const proctor_json_node_t *string)
{
    bytes->p = string->text;
    bytes->end = string->text + string->len;
    bytes->escaped = string->escaped;
    bytes->pos = 0;
    bytes->len = 0;
}


int
proctor_json_bytes_next(proctor_json_bytes_t *bytes)
{
    if (bytes->pos < bytes->len) {
        return (uint8_t) bytes->pending[bytes->pos++];
    }

    if (bytes->p == bytes->end) {
        return -1;
    }

    if (*bytes->p == '\\' && bytes->escaped) {
        bytes->len = proctor_json_scan_escape(&bytes->p, bytes->pending);
        bytes->pos = 1;
        return (uint8_t) bytes->pending[0];
    }

    return (uint8_t) *bytes->p++;
}


int
proctor_json_key_equal(
    const proctor_json_node_t *a, const proctor_json_node_t *b)
{
    int byte;
    proctor_json_bytes_t abytes, bbytes;

    if (!a->escaped && !b->escaped) {
        return a->len == b->len && proctor_json_same(a->text, b->text, a->len);
    }

    proctor_json_bytes(&abytes, a);
    proctor_json_bytes(&bbytes, b);

    do {
        byte = proctor_json_bytes_next(&abytes);
        if (byte != proctor_json_bytes_next(&bbytes)) {
            return 0;
        }
    } while (byte >= 0);

    return 1;
}


int
proctor_json_key_duplicate(
    const proctor_json_t *doc, uint32_t object, uint32_t *key)
{
    if (doc->nodes[object].count > PROCTOR_JSON_KEY_FEW) {
        return proctor_json_key_many(doc, object, key);
    }

    *key = proctor_json_key_few(doc, object);

    return PROCTOR_OK;
}


static uint32_t
proctor_json_key_few(const proctor_json_t *doc, uint32_t object)
{
    uint32_t i, j, n, key;
    uint32_t keys[PROCTOR_JSON_KEY_FEW], hashes[PROCTOR_JSON_KEY_FEW];
    const proctor_json_node_t *nodes;

    nodes = doc->nodes;
    n = nodes[object].count;

    for (i = 0, key = object + 1; i < n; i++, key = nodes[key + 1].next) {
        keys[i] = key;
        hashes[i] = nodes[key].count;

        for (j = 0; j < i; j++) {
            if (hashes[j] == hashes[i]
                && proctor_json_key_equal(&nodes[keys[j]], &nodes[key])) {
                return key;
            }
        }
    }

    return 0;
}


/* open addressing, at most half full; a slot holds a key's node, or 0 */

static int
proctor_json_key_many(
    const proctor_json_t *doc, uint32_t object, uint32_t *second)
{
    uint32_t i, n, key, mask, slot, *table;
    const proctor_json_node_t *nodes;

    nodes = doc->nodes;
    n = nodes[object].count;
    *second = 0;

    for (mask = 4 * PROCTOR_JSON_KEY_FEW - 1; mask < 2 * n;
         mask = mask * 2 + 1) {
        /* void */
    }

    table = calloc((size_t) mask + 1, sizeof(uint32_t));
    if (table == NULL) {
        return PROCTOR_ERROR;
    }

    for (i = 0, key = object + 1; i < n; i++, key = nodes[key + 1].next) {
        slot = nodes[key].count & mask;

        while (
            table[slot] != 0
            && (nodes[table[slot]].count != nodes[key].count
                || !proctor_json_key_equal(&nodes[table[slot]], &nodes[key]))) {
            slot = (slot + 1) & mask;
        }

        if (table[slot] != 0) {
            *second = key;
            break;
        }

        table[slot] = key;
    }

    free(table);

    return PROCTOR_OK;
}
