/*
 * A team's token: what a caller sends as its Bearer.
 *
 *     prk_<43 characters of base64url: 32 random bytes>
 *
 * Made by `proctor key new` alone; the gateway only ever sees the digest of
 * all of it, prefix included.  The prefix lets secret scanners find a token
 * that leaked; 256 random bits are why a bare SHA-256 is enough.
 */

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "proctor_command.h"


int
proctor_token_create(char *token)
{
    size_t i;
    uint32_t bits;
    unsigned nbits;
    unsigned char random[PROCTOR_TOKEN_BYTES];
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789-_";

    if (RAND_bytes(random, sizeof(random)) != 1) {
        return PROCTOR_ERROR;
    }

    token = stpcpy(token, PROCTOR_TOKEN_PREFIX);
    bits = 0;
    nbits = 0;

    for (i = 0; i < sizeof(random); i++) {
        bits = bits << 8 | random[i];

        for (nbits += 8; nbits >= 6; nbits -= 6) {
            *token++ = digits[bits >> (nbits - 6) & 0x3f];
        }
    }

    *token++ = digits[bits << (6 - nbits) & 0x3f];
    *token = '\0';

    OPENSSL_cleanse(random, sizeof(random));

    return PROCTOR_OK;
}
