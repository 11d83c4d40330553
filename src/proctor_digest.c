/*
 * SHA-256 of a key and of a body, once or twice a request.
 *
 * libcrypto's direct functions, not its EVP layer: that allocates, initialises
 * and wipes a context for every digest, which costs as much as hashing a key.
 * They are marked as deprecated since OpenSSL 3.0, and present in all of it.
 * No state is kept; threads may call this at the same time.
 */

#define OPENSSL_SUPPRESS_DEPRECATED

#include "proctor_base.h"

#include <openssl/sha.h>


_Static_assert(
    sizeof(SHA256_CTX) <= sizeof(proctor_digest_t), "libcrypto's state fits");


int
proctor_digest(
    const void *bytes, size_t len, unsigned char sha256[PROCTOR_SHA256_LEN])
{
    SHA256_CTX ctx;

    if (SHA256_Init(&ctx) != 1 || SHA256_Update(&ctx, bytes, len) != 1
        || SHA256_Final(sha256, &ctx) != 1) {
        return PROCTOR_ERROR;
    }

    return PROCTOR_OK;
}


int
proctor_digest_begin(proctor_digest_t *digest)
{
    return SHA256_Init((SHA256_CTX *) digest->state) == 1 ? PROCTOR_OK
                                                          : PROCTOR_ERROR;
}


int
proctor_digest_add(proctor_digest_t *digest, const void *bytes, size_t len)
{
    return SHA256_Update((SHA256_CTX *) digest->state, bytes, len) == 1
               ? PROCTOR_OK
               : PROCTOR_ERROR;
}


int
proctor_digest_end(
    proctor_digest_t *digest, unsigned char sha256[PROCTOR_SHA256_LEN])
{
    return SHA256_Final(sha256, (SHA256_CTX *) digest->state) == 1
               ? PROCTOR_OK
               : PROCTOR_ERROR;
}
