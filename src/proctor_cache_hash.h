/*
 * Parts of a key, each with its length before it, so that no two lists of
 * parts are the same bytes.  proctor_cache_key.c, _body.c and _seal.c only.
 */

#ifndef PROCTOR_CACHE_HASH_H_INCLUDED
#define PROCTOR_CACHE_HASH_H_INCLUDED

#include <string.h>

#include <openssl/sha.h>

#include "proctor.h"


/* short parts are gathered: a call of libcrypto costs more than they do */

typedef struct {
    SHA256_CTX sha;
    size_t used;
    unsigned char bytes[256];
} proctor_cache_hash_t;


static inline int
proctor_cache_hash_init(proctor_cache_hash_t *hash)
{
    hash->used = 0;

    return SHA256_Init(&hash->sha) == 1 ? PROCTOR_OK : PROCTOR_ERROR;
}


static inline void
proctor_cache_hash_flush(proctor_cache_hash_t *hash)
{
    SHA256_Update(&hash->sha, hash->bytes, hash->used);
    hash->used = 0;
}


static inline void
proctor_cache_hash_count(
    proctor_cache_hash_t *hash, unsigned char tag, uint32_t n)
{
    unsigned char *p;

    if (sizeof(hash->bytes) - hash->used < 5) {
        proctor_cache_hash_flush(hash);
    }

    p = hash->bytes + hash->used;
    p[0] = tag;
    p[1] = (unsigned char) (n >> 24);
    p[2] = (unsigned char) (n >> 16);
    p[3] = (unsigned char) (n >> 8);
    p[4] = (unsigned char) n;
    hash->used += 5;
}


static inline void
proctor_cache_hash_part(
    proctor_cache_hash_t *hash, unsigned char tag, const proctor_str_t *part)
{
    proctor_cache_hash_count(hash, tag, (uint32_t) part->len);

    if (part->data == NULL || part->len == 0) {
        return;
    }

    if (part->len > sizeof(hash->bytes) - hash->used) {
        proctor_cache_hash_flush(hash);
    }

    if (part->len > sizeof(hash->bytes)) {
        SHA256_Update(&hash->sha, part->data, part->len);
        return;
    }

    memcpy(hash->bytes + hash->used, part->data, part->len);
    hash->used += part->len;
}


static inline int
proctor_cache_hash_final(
    proctor_cache_hash_t *hash, unsigned char sha256[PROCTOR_SHA256_LEN])
{
    proctor_cache_hash_flush(hash);

    return SHA256_Final(sha256, &hash->sha) == 1 ? PROCTOR_OK : PROCTOR_ERROR;
}

#endif /* PROCTOR_CACHE_HASH_H_INCLUDED */
