/*
 * Parts of a key, each with its length before it, so that no two lists of
 * parts are the same bytes.  proctor_cache_key.c and _body.c only.
 */

#ifndef PROCTOR_CACHE_HASH_H_INCLUDED
#define PROCTOR_CACHE_HASH_H_INCLUDED

#include <openssl/sha.h>

#include "proctor.h"


static inline void
proctor_cache_hash_count(SHA256_CTX *sha, unsigned char tag, uint32_t n)
{
    const unsigned char bytes[] = { tag, (unsigned char) (n >> 24),
        (unsigned char) (n >> 16), (unsigned char) (n >> 8),
        (unsigned char) n };

    SHA256_Update(sha, bytes, sizeof(bytes));
}


static inline void
proctor_cache_hash_part(
    SHA256_CTX *sha, unsigned char tag, const proctor_str_t *part)
{
    proctor_cache_hash_count(sha, tag, (uint32_t) part->len);
    SHA256_Update(sha, part->data, part->len);
}

#endif /* PROCTOR_CACHE_HASH_H_INCLUDED */
