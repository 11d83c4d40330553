/*
 * Keys, signed notes and checkpoints: the note of Go's documentation, whatever
 * we sign, and every way in which a text is not what was signed.
 */

#include <stdlib.h>
#include <string.h>

#include "proctor_audit.h"
#include "tap.h"


#define ORIGIN "gw1.example/audit/00112233445566778899aabbccddeeff"


static proctor_note_signer_t signer;
static proctor_note_signer_t stranger;


static void
note_test_vector(void)
{
    proctor_str_t text;
    proctor_note_verifier_t verifier;
    static const char key[] =
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    static const char note[] =
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
        "\n"
        "\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZIn"
        "NIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    is_int(proctor_note_verifier_read(&verifier, key, sizeof(key) - 1),
        PROCTOR_OK, "a key that others have made");
    is_int(proctor_note_open(&verifier, note, sizeof(note) - 1, &text),
        PROCTOR_OK, "a note that others have signed");
    is_mem(text.data, text.len,
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n",
        "and its text");
}


static void
note_test_keys(void)
{
    size_t i;
    int wrong, read, c;
    char pem[PROCTOR_NOTE_PEM], text[PROCTOR_NOTE_VERIFIER_TEXT + 2];
    const char *reason;
    proctor_note_signer_t loaded;
    proctor_note_verifier_t verifier;
    static const char rsa[] = "-----BEGIN PRIVATE KEY-----\nMA==\n"
                              "-----END PRIVATE KEY-----\n";

    is_int(proctor_note_signer_create(&signer, "gw1.example/audit", pem),
        PROCTOR_OK, "a new key");
    is_int(proctor_note_signer_load(
               &loaded, "gw1.example/audit", pem, strlen(pem), &reason),
        PROCTOR_OK, "is loaded from its PEM");
    ok(memcmp(loaded.verifier.key, signer.verifier.key, PROCTOR_NOTE_KEY_BYTES)
            == 0,
        "as the same key");
    proctor_note_signer_free(&loaded);

    is_int(proctor_note_signer_load(&loaded, "a b", pem, strlen(pem), &reason),
        PROCTOR_INVALID, "a name with a space");
    is_int(
        proctor_note_signer_load(&loaded, "gw", rsa, sizeof(rsa) - 1, &reason),
        PROCTOR_INVALID, "what is no key");
    is_int(proctor_note_signer_load(&loaded, "gw", "", 0, &reason),
        PROCTOR_INVALID, "no bytes");

    proctor_note_verifier_text(&signer.verifier, text);
    is_int(proctor_note_verifier_read(&verifier, text, strlen(text)),
        PROCTOR_OK, "the verifier's text is read");

    wrong = 0;

    for (i = 0; i < strlen(text); i++) {
        for (c = ' '; c < '~'; c++) {
            proctor_note_verifier_text(&signer.verifier, text);
            read = text[i] != c;
            text[i] = (char) c;
            wrong +=
                read
                && proctor_note_verifier_read(&verifier, text, strlen(text))
                       == PROCTOR_OK;
        }
    }

    is_int(wrong, 0, "and no text that differs in one character");

    is_int(proctor_note_signer_create(&stranger, "gw1.example/audit", pem),
        PROCTOR_OK, "another key of the same name");
}


static size_t
checkpoint_make(proctor_checkpoint_t *checkpoint, char *note)
{
    strcpy(checkpoint->origin, ORIGIN);
    checkpoint->head.size = 812;
    memset(&checkpoint->head.root, 0xa5, sizeof(proctor_hash_t));
    checkpoint->time_us = 1767225600123456;

    return proctor_checkpoint_sign(checkpoint, &signer, note);
}


static void
checkpoint_test_round(void)
{
    size_t len;
    char note[PROCTOR_CHECKPOINT_MAX], many[3 * PROCTOR_CHECKPOINT_MAX];
    const char *reason;
    proctor_checkpoint_t made, read;

    len = checkpoint_make(&made, note);

    ok(strncmp(note,
           ORIGIN "\n812\n"
                  "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=\n"
                  "time 2026-01-01T00:00:00.123456Z\n\n"
                  "\xe2\x80\x94 gw1.example/audit ",
           strlen(ORIGIN) + 103)
            == 0,
        "a checkpoint as the specification has it");

    is_int(proctor_checkpoint_read(&read, &signer.verifier, note, len, &reason),
        PROCTOR_OK, "is read again");
    is_str(read.origin, made.origin, "its origin");
    is_int(read.head.size, 812, "its size");
    is_int(read.time_us, made.time_us, "its time");
    ok(memcmp(&read.head.root, &made.head.root, sizeof(proctor_hash_t)) == 0,
        "its root");

    is_int(
        proctor_checkpoint_read(&read, &stranger.verifier, note, len, &reason),
        PROCTOR_INVALID, "but not as another's");

    memcpy(many, note, len);
    memcpy(many + len, note, len);
    is_int(proctor_checkpoint_span(many, 2 * len), len, "the first of two");
    is_int(proctor_checkpoint_span(many, len), len, "and of one");
    is_int(proctor_checkpoint_span(many, len - 1), 0, "and of less than one");
}


/* a line of another key, as a witness adds it, changes nothing */

static void
checkpoint_test_witness(void)
{
    size_t len;
    char note[2 * PROCTOR_CHECKPOINT_MAX];
    const char *reason;
    proctor_str_t text;
    proctor_checkpoint_t made, read;

    len = checkpoint_make(&made, note);
    text.data = note;
    text.len = (size_t) (strstr(note, "\n\n") + 1 - note);

    len += proctor_note_sign(&stranger, &text, note + len);

    is_int(proctor_checkpoint_read(&read, &signer.verifier, note, len, &reason),
        PROCTOR_OK, "two signatures, ours first");
    is_int(
        proctor_checkpoint_read(&read, &stranger.verifier, note, len, &reason),
        PROCTOR_OK, "the other one as well");
    is_int(proctor_checkpoint_span(note, len), len, "belong to one note");
}


static void
checkpoint_test_flips(void)
{
    size_t i, len;
    int bit, wrong;
    char note[PROCTOR_CHECKPOINT_MAX], bad[PROCTOR_CHECKPOINT_MAX];
    const char *reason;
    proctor_checkpoint_t made, read;

    len = checkpoint_make(&made, note);
    wrong = 0;

    for (i = 0; i < len; i++) {
        for (bit = 0; bit < 8; bit++) {
            memcpy(bad, note, len);
            bad[i] ^= (char) (1 << bit);
            wrong += proctor_checkpoint_read(
                         &read, &signer.verifier, bad, len, &reason)
                     == PROCTOR_OK;
        }

        wrong +=
            proctor_checkpoint_read(&read, &signer.verifier, note, i, &reason)
            == PROCTOR_OK;

        memcpy(bad, note, i);
        bad[i] = ' ';
        memcpy(bad + i + 1, note + i, len - i);
        wrong += proctor_checkpoint_read(
                     &read, &signer.verifier, bad, len + 1, &reason)
                 == PROCTOR_OK;
    }

    is_int(wrong, 0,
        "no bit flipped, byte added or end cut off is a checkpoint still");
}


static void
base64_test(void)
{
    size_t i, n;
    int wrong;
    char text[64], bad[64];
    unsigned char bytes[32], back[32];

    wrong = 0;

    for (n = 1; n <= sizeof(bytes); n++) {
        for (i = 0; i < n; i++) {
            bytes[i] = (unsigned char) (i * 37 + n);
        }

        proctor_base64_encode(text, bytes, n);
        wrong +=
            strlen(text) != proctor_base64_len(n)
            || proctor_base64_decode(back, n, text, strlen(text)) != PROCTOR_OK
            || memcmp(bytes, back, n) != 0;

        for (i = 0; i < strlen(text); i++) {
            strcpy(bad, text);
            bad[i] = bad[i] == '=' ? 'A' : '=';
            wrong +=
                proctor_base64_decode(back, n, bad, strlen(bad)) == PROCTOR_OK;
        }
    }

    is_int(wrong, 0, "base64 there and back, and only in its one spelling");
    is_int(proctor_base64_decode(back, 1, "AB==", 4), PROCTOR_INVALID,
        "bits that say nothing are refused");
    is_int(proctor_base64_decode(back, 1, "AA==", 4), PROCTOR_OK,
        "where zeroes are fine");
    is_int(proctor_base64_decode(back, 3, "AA\nA", 4), PROCTOR_INVALID,
        "so is white space");
}


int
main(void)
{
    base64_test();
    note_test_vector();
    note_test_keys();
    checkpoint_test_round();
    checkpoint_test_witness();
    checkpoint_test_flips();

    proctor_note_signer_free(&signer);
    proctor_note_signer_free(&stranger);

    return done_testing();
}
