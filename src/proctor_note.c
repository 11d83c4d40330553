/*
 * Signed notes (C2SP signed-note), with Ed25519.
 *
 *     text, of whole lines
 *     <an empty line>
 *     — <key name> <base64 of: 4 bytes of the key's hash, 64 of signature>
 *
 * A note may have lines of other keys: witnesses add theirs.
 */

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "proctor_audit.h"


#define PROCTOR_NOTE_DASH   "\xe2\x80\x94 "
#define PROCTOR_NOTE_SIGNED (PROCTOR_NOTE_HASH + PROCTOR_NOTE_SIGNATURE)


static int proctor_note_check_line(const proctor_note_verifier_t *verifier,
    const proctor_str_t *text, const proctor_str_t *line);
static int proctor_note_verify(const proctor_note_verifier_t *verifier,
    const proctor_str_t *text, const unsigned char *signature);
static const char *proctor_note_signatures(const char *note, size_t len);


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
