/*
 * Signed notes (C2SP signed-note) and their Ed25519 keys.
 *
 *     text, of whole lines
 *     <an empty line>
 *     — <key name> <base64 of: 4 bytes of the key's hash, 64 of signature>
 *
 * The key's hash is the beginning of SHA-256(name, newline, 0x01, public key);
 * what people exchange is "name+<hash in hex>+<base64 of: 0x01, public key>".
 * A note may have lines of other keys: witnesses add theirs.
 *
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
#define PROCTOR_NOTE_DASH    "\xe2\x80\x94 "
#define PROCTOR_NOTE_SIGNED  (PROCTOR_NOTE_HASH + PROCTOR_NOTE_SIGNATURE)

/* the algorithm's byte and the public key */
#define PROCTOR_NOTE_PUBLIC (1 + PROCTOR_NOTE_KEY_BYTES)


static int proctor_note_no_password(
    char *buf, int size, int writing, void *data);
static int proctor_note_signer_set(
    proctor_note_signer_t *signer, const char *name, EVP_PKEY *key);
static int proctor_note_key_hash(proctor_note_verifier_t *verifier);
static int proctor_note_check_line(const proctor_note_verifier_t *verifier,
    const proctor_str_t *text, const proctor_str_t *line);
static int proctor_note_verify(const proctor_note_verifier_t *verifier,
    const proctor_str_t *text, const unsigned char *signature);
static const char *proctor_note_signatures(const char *note, size_t len);


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


size_t
proctor_note_sign(
    const proctor_note_signer_t *signer, const proctor_str_t *text, char *buf)
{
    int rc;
    size_t len;
    EVP_MD_CTX *ctx;
    char base64[proctor_base64_len(PROCTOR_NOTE_SIGNED) + 1];
    unsigned char signature[PROCTOR_NOTE_SIGNED];

    memcpy(signature, signer->verifier.hash, PROCTOR_NOTE_HASH);
    len = PROCTOR_NOTE_SIGNATURE;

    ctx = EVP_MD_CTX_new();
    rc = ctx != NULL
         && EVP_DigestSignInit(ctx, NULL, NULL, NULL, signer->key) == 1
         && EVP_DigestSign(ctx, signature + PROCTOR_NOTE_HASH, &len,
                (const unsigned char *) text->data, text->len)
                == 1;
    EVP_MD_CTX_free(ctx);

    if (!rc || len != PROCTOR_NOTE_SIGNATURE) {
        return 0;
    }

    proctor_base64_encode(base64, signature, PROCTOR_NOTE_SIGNED);

    return (size_t) snprintf(buf, PROCTOR_NOTE_LINE,
        PROCTOR_NOTE_DASH "%s %s\n", signer->verifier.name, base64);
}


int
proctor_note_open(const proctor_note_verifier_t *verifier, const char *note,
    size_t len, proctor_str_t *text)
{
    int rc, found;
    const char *p, *end, *newline;
    proctor_str_t line;

    p = proctor_note_signatures(note, len);
    if (p == NULL) {
        return PROCTOR_INVALID;
    }

    text->data = note;
    text->len = (size_t) (p - note) - 1;

    if (verifier == NULL) {
        return PROCTOR_OK;
    }

    found = PROCTOR_INVALID;

    for (end = note + len; p < end; p = newline + 1) {
        newline = memchr(p, '\n', (size_t) (end - p));
        line.data = p;
        line.len = (size_t) (newline - p);

        rc = proctor_note_check_line(verifier, text, &line);

        /* a line of this key that does not hold spoils the note */

        if (rc == PROCTOR_INVALID) {
            return PROCTOR_INVALID;
        }

        if (rc == PROCTOR_OK) {
            found = PROCTOR_OK;
        }
    }

    return found;
}


/*
 * The first signature line: behind the last empty line.  From there on each
 * line is one of signature, to the note's end.
 */

static const char *
proctor_note_signatures(const char *note, size_t len)
{
    const char *p, *end;

    if (len < 3 || note[len - 1] != '\n' || !proctor_json_utf8(note, len)) {
        return NULL;
    }

    end = note + len;

    for (p = note; p < end; p++) {
        if ((unsigned char) *p < ' ' && *p != '\n') {
            return NULL;
        }
    }

    p = end - 2;

    while (p > note && (p[0] != '\n' || p[-1] != '\n')) {
        if (p[-1] == '\n'
            && strncmp(p, PROCTOR_NOTE_DASH, sizeof(PROCTOR_NOTE_DASH) - 1)
                   != 0) {
            return NULL;
        }

        p--;
    }

    return p > note && p + 1 < end ? p + 1 : NULL;
}


/* OK, INVALID: this key's, but it does not hold, ERROR: of another key */

static int
proctor_note_check_line(const proctor_note_verifier_t *verifier,
    const proctor_str_t *text, const proctor_str_t *line)
{
    size_t name, before;
    const char *p;
    unsigned char signature[PROCTOR_NOTE_SIGNED];

    name = strlen(verifier->name);
    before = sizeof(PROCTOR_NOTE_DASH) - 1;
    p = line->data + before;

    if (line->len < before + name + 1 || memcmp(p, verifier->name, name) != 0
        || p[name] != ' ') {
        return PROCTOR_ERROR;
    }

    before += name + 1;

    if (proctor_base64_decode(signature, PROCTOR_NOTE_SIGNED,
            line->data + before, line->len - before)
        != PROCTOR_OK) {
        return PROCTOR_INVALID;
    }

    if (memcmp(signature, verifier->hash, PROCTOR_NOTE_HASH) != 0) {
        return PROCTOR_ERROR;
    }

    return proctor_note_verify(verifier, text, signature + PROCTOR_NOTE_HASH);
}


static int
proctor_note_verify(const proctor_note_verifier_t *verifier,
    const proctor_str_t *text, const unsigned char *signature)
{
    int good;
    EVP_PKEY *key;
    EVP_MD_CTX *ctx;

    key = EVP_PKEY_new_raw_public_key(
        EVP_PKEY_ED25519, NULL, verifier->key, PROCTOR_NOTE_KEY_BYTES);
    ctx = EVP_MD_CTX_new();

    good = key != NULL && ctx != NULL
           && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1
           && EVP_DigestVerify(ctx, signature, PROCTOR_NOTE_SIGNATURE,
                  (const unsigned char *) text->data, text->len)
                  == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);

    return good ? PROCTOR_OK : PROCTOR_INVALID;
}
