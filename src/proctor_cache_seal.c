/*
 * Who wrote an entry: AES-256-GMAC (NIST SP 800-38D) under a key of the
 * account.
 *
 * A worker has one of these.  Redis is a store that others can write to; an
 * entry is believed only when it was written by who knows the account's
 * upstream key.  The key's schedule is kept for each account, so that a tag
 * is one pass over the text, in one piece: each call of EVP costs as much as 500
 * bytes.  Nonces are 16 random bytes: with the usual 12,
 * two entries out of 2^32 would share one too soon.
 */

#define OPENSSL_SUPPRESS_DEPRECATED

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "proctor_cache_hash.h"
#include "proctor_cache_seal.h"


struct proctor_cache_seal_s {
    EVP_CIPHER *cipher;
    unsigned ncontexts;
    EVP_CIPHER_CTX *contexts[]; /* by account->index; NULL: not met yet */
};


static EVP_CIPHER_CTX *proctor_cache_seal_context(
    proctor_cache_seal_t *seal, const proctor_account_t *account);
static int proctor_cache_seal_key(
    const proctor_account_t *account, unsigned char key[PROCTOR_SHA256_LEN]);


proctor_cache_seal_t *
proctor_cache_seal_create(const proctor_teams_t *teams)
{
    unsigned n;
    proctor_cache_seal_t *seal;

    n = proctor_teams_naccounts(teams);

    seal =
        calloc(1, sizeof(proctor_cache_seal_t) + n * sizeof(EVP_CIPHER_CTX *));
    if (seal == NULL) {
        return NULL;
    }

    seal->ncontexts = n;
    seal->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);

    if (seal->cipher == NULL) {
        proctor_cache_seal_destroy(seal);
        return NULL;
    }

    return seal;
}


void
proctor_cache_seal_destroy(proctor_cache_seal_t *seal)
{
    unsigned i;

    if (seal == NULL) {
        return;
    }

    for (i = 0; i < seal->ncontexts; i++) {
        EVP_CIPHER_CTX_free(seal->contexts[i]);
    }

    EVP_CIPHER_free(seal->cipher);
    free(seal);
}


int
proctor_cache_seal_nonce(unsigned char nonce[PROCTOR_CACHE_NONCE_LEN])
{
    return RAND_bytes(nonce, PROCTOR_CACHE_NONCE_LEN) == 1 ? PROCTOR_OK
                                                           : PROCTOR_ERROR;
}


int
proctor_cache_seal_tag(proctor_cache_seal_t *seal,
    const proctor_account_t *account,
    const unsigned char nonce[PROCTOR_CACHE_NONCE_LEN],
    const proctor_str_t *text, unsigned char tag[PROCTOR_CACHE_TAG_LEN])
{
    int len;
    OSSL_PARAM params[2];
    EVP_CIPHER_CTX *ctx;

    ctx = proctor_cache_seal_context(seal, account);
    if (ctx == NULL) {
        return PROCTOR_ERROR;
    }

    /* EVP_CIPHER_CTX_ctrl() would look for the same with more words */
    params[0] = OSSL_PARAM_construct_octet_string(
        OSSL_CIPHER_PARAM_AEAD_TAG, tag, PROCTOR_CACHE_TAG_LEN);
    params[1] = OSSL_PARAM_construct_end();

    if (EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, nonce) != 1
        || EVP_EncryptUpdate(ctx, NULL, &len,
               (const unsigned char *) text->data, (int) text->len)
               != 1
        || EVP_EncryptFinal_ex(ctx, tag, &len) != 1
        || EVP_CIPHER_CTX_get_params(ctx, params) != 1) {
        return PROCTOR_ERROR;
    }

    return PROCTOR_OK;
}


static EVP_CIPHER_CTX *
proctor_cache_seal_context(
    proctor_cache_seal_t *seal, const proctor_account_t *account)
{
    EVP_CIPHER_CTX *ctx;
    unsigned char key[PROCTOR_SHA256_LEN];

    if (seal->contexts[account->index] != NULL) {
        return seal->contexts[account->index];
    }

    ctx = EVP_CIPHER_CTX_new();

    if (ctx != NULL && proctor_cache_seal_key(account, key) == PROCTOR_OK
        && EVP_EncryptInit_ex(ctx, seal->cipher, NULL, NULL, NULL) == 1
        && EVP_CIPHER_CTX_ctrl(
               ctx, EVP_CTRL_AEAD_SET_IVLEN, PROCTOR_CACHE_NONCE_LEN, NULL)
               == 1
        && EVP_EncryptInit_ex(ctx, NULL, NULL, key, NULL) == 1) {
        seal->contexts[account->index] = ctx;

    } else {
        EVP_CIPHER_CTX_free(ctx);
        ctx = NULL;
    }

    OPENSSL_cleanse(key, sizeof(key));

    return ctx;
}


/* nobody has to configure it, and gateways of one account have the same */

static int
proctor_cache_seal_key(
    const proctor_account_t *account, unsigned char key[PROCTOR_SHA256_LEN])
{
    int rc;
    proctor_cache_hash_t hash;
    static const proctor_str_t purpose = proctor_str("proctor cache");

    if (account->nkeys == 0 || proctor_cache_hash_init(&hash) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    proctor_cache_hash_part(&hash, 0, &purpose);
    proctor_cache_hash_part(&hash, 0, &account->name);
    proctor_cache_hash_part(&hash, 0, &account->keys[0]);

    rc = proctor_cache_hash_final(&hash, key);
    OPENSSL_cleanse(&hash, sizeof(hash));

    return rc;
}
