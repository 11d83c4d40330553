/*
 * The Ed25519 keys of signed notes.
 *
 * A key's hash is the beginning of SHA-256(name, newline, 0x01, public key);
 * what people exchange is "name+<hash in hex>+<base64 of: 0x01, public key>".
 * The private key lives in libcrypto's memory only, and in the caller's buffer
 * while a file is read or written.
 */

#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "proctor_audit.h"


#define PROCTOR_NOTE_ED25519 0x01

/* the algorithm's byte and the public key */
#define PROCTOR_NOTE_PUBLIC (1 + PROCTOR_NOTE_KEY_BYTES)


static int proctor_note_no_password(
    char *buf, int size, int writing, void *data);
static int proctor_note_signer_set(
    proctor_note_signer_t *signer, const char *name, EVP_PKEY *key);
static int proctor_note_key_hash(proctor_note_verifier_t *verifier);


int
proctor_note_is_name(const char *s, size_t len)
{
    size_t i;
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._:/-";

    for (i = 0; i < len; i++) {
        if (s[i] == '\0' || strchr(allowed, s[i]) == NULL) {
            return 0;
        }
    }

    return len > 0 && len <= PROCTOR_NOTE_NAME_MAX;
}


int
proctor_note_signer_load(proctor_note_signer_t *signer, const char *name,
    const char *pem, size_t len, const char **reason)
{
    int rc;
    BIO *bio;
    EVP_PKEY *key;

    if (!proctor_note_is_name(name, strlen(name))) {
        *reason = "has no name that a note can bear";
        return PROCTOR_INVALID;
    }

    bio = len < PROCTOR_NOTE_FILE_MAX ? BIO_new_mem_buf(pem, (int) len) : NULL;

    key = bio != NULL ? PEM_read_bio_PrivateKey(
              bio, NULL, proctor_note_no_password, NULL)
                      : NULL;
    BIO_free(bio);

    if (key == NULL) {
        *reason = "is no private key in PEM without a password";
        return PROCTOR_INVALID;
    }

    if (EVP_PKEY_get_id(key) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(key);
        *reason = "is not an Ed25519 key";
        return PROCTOR_INVALID;
    }

    rc = proctor_note_signer_set(signer, name, key);

    if (rc != PROCTOR_OK) {
        *reason = "is not understood by libcrypto";
    }

    return rc;
}


/* libcrypto would ask at the terminal, of a server */

static int
proctor_note_no_password(char *buf, int size, int writing, void *data)
{
    (void) buf;
    (void) size;
    (void) writing;
    (void) data;

    return -1;
}


/* takes the key over, whatever it returns */

static int
proctor_note_signer_set(
    proctor_note_signer_t *signer, const char *name, EVP_PKEY *key)
{
    size_t len;

    len = PROCTOR_NOTE_KEY_BYTES;

    if (EVP_PKEY_get_raw_public_key(key, signer->verifier.key, &len) != 1
        || len != PROCTOR_NOTE_KEY_BYTES) {
        EVP_PKEY_free(key);
        return PROCTOR_ERROR;
    }

    memcpy(signer->verifier.name, name, strlen(name) + 1);
    signer->key = key;

    if (proctor_note_key_hash(&signer->verifier) != PROCTOR_OK) {
        proctor_note_signer_free(signer);
        return PROCTOR_ERROR;
    }

    return PROCTOR_OK;
}


static int
proctor_note_key_hash(proctor_note_verifier_t *verifier)
{
    size_t len;
    unsigned char text[PROCTOR_NOTE_NAME_MAX + 1 + PROCTOR_NOTE_PUBLIC];
    unsigned char sha256[PROCTOR_SHA256_LEN];

    len = strlen(verifier->name);

    memcpy(text, verifier->name, len);
    text[len++] = '\n';
    text[len++] = PROCTOR_NOTE_ED25519;
    memcpy(text + len, verifier->key, PROCTOR_NOTE_KEY_BYTES);
    len += PROCTOR_NOTE_KEY_BYTES;

    if (proctor_digest(text, len, sha256) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    memcpy(verifier->hash, sha256, PROCTOR_NOTE_HASH);

    return PROCTOR_OK;
}


void
proctor_note_signer_free(proctor_note_signer_t *signer)
{
    EVP_PKEY_free(signer->key);
    signer->key = NULL;
}


int
proctor_note_signer_create(
    proctor_note_signer_t *signer, const char *name, char *pem)
{
    int len;
    BIO *bio;
    EVP_PKEY *key;

    if (!proctor_note_is_name(name, strlen(name))) {
        return PROCTOR_INVALID;
    }

    key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (key == NULL) {
        return PROCTOR_ERROR;
    }

    bio = BIO_new(BIO_s_secmem());
    len = 0;

    if (bio != NULL
        && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
        len = BIO_read(bio, pem, PROCTOR_NOTE_PEM - 1);
    }

    BIO_free(bio);

    if (len <= 0) {
        EVP_PKEY_free(key);
        return PROCTOR_ERROR;
    }

    pem[len] = '\0';

    return proctor_note_signer_set(signer, name, key);
}


void
proctor_note_verifier_text(const proctor_note_verifier_t *verifier, char *text)
{
    char base64[proctor_base64_len(PROCTOR_NOTE_PUBLIC) + 1];
    unsigned char public[PROCTOR_NOTE_PUBLIC];

    public[0] = PROCTOR_NOTE_ED25519;
    memcpy(public + 1, verifier->key, PROCTOR_NOTE_KEY_BYTES);
    proctor_base64_encode(base64, public, PROCTOR_NOTE_PUBLIC);

    snprintf(text, PROCTOR_NOTE_VERIFIER_TEXT, "%s+%02x%02x%02x%02x+%s",
        verifier->name, verifier->hash[0], verifier->hash[1], verifier->hash[2],
        verifier->hash[3], base64);
}


int
proctor_note_verifier_read(
    proctor_note_verifier_t *verifier, const char *text, size_t len)
{
    size_t name;
    const char *plus;
    char again[PROCTOR_NOTE_VERIFIER_TEXT];
    unsigned char public[PROCTOR_NOTE_PUBLIC];
    static const size_t rest =
        sizeof("+01234567+") - 1 + proctor_base64_len(PROCTOR_NOTE_PUBLIC);

    if (len > 0 && text[len - 1] == '\n') {
        len--;
    }

    plus = memchr(text, '+', len);
    name = plus != NULL ? (size_t) (plus - text) : 0;

    if (!proctor_note_is_name(text, name) || len - name != rest) {
        return PROCTOR_INVALID;
    }

    plus += sizeof("+01234567+") - 1;

    if (proctor_base64_decode(public, PROCTOR_NOTE_PUBLIC, plus,
            proctor_base64_len(PROCTOR_NOTE_PUBLIC))
            != PROCTOR_OK
        || public[0] != PROCTOR_NOTE_ED25519) {
        return PROCTOR_INVALID;
    }

    memcpy(verifier->name, text, name);
    verifier->name[name] = '\0';
    memcpy(verifier->key, public + 1, PROCTOR_NOTE_KEY_BYTES);

    if (proctor_note_key_hash(verifier) != PROCTOR_OK) {
        return PROCTOR_INVALID;
    }

    /* a key has one spelling, and the hash in it is its own */

    proctor_note_verifier_text(verifier, again);

    return memcmp(again, text, len) == 0 ? PROCTOR_OK : PROCTOR_INVALID;
}
