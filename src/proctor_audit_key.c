/*
 * `proctor audit key FILE NAME`: the key that checkpoints are signed with.
 *
 * Makes it where there is none, readable by its owner alone; prints in any
 * case the verifier that everybody may have.  A key that is there is never
 * written over: what it signed would be nobody's.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "proctor_trail.h"


static int proctor_audit_key_create(
    int fd, const char *path, const char *name, proctor_note_signer_t *signer);
static int proctor_audit_key_load(
    const char *path, const char *name, proctor_note_signer_t *signer);


int
proctor_audit_key(FILE *out, const char *path, const char *name)
{
    int fd, rc;
    char text[PROCTOR_NOTE_VERIFIER_TEXT];
    proctor_note_signer_t signer;

    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd >= 0) {
        rc = proctor_audit_key_create(fd, path, name, &signer);

    } else if (errno == EEXIST) {
        rc = proctor_audit_key_load(path, name, &signer);

    } else {
        fprintf(stderr, "proctor: %s: %s\n", path, strerror(errno));
        rc = PROCTOR_ERROR;
    }

    if (rc != PROCTOR_OK) {
        return PROCTOR_TRAIL_FAILED;
    }

    proctor_note_verifier_text(&signer.verifier, text);
    proctor_note_signer_free(&signer);

    fprintf(out, "%s\n", text);

    return fflush(out) == 0 ? PROCTOR_TRAIL_WHOLE : PROCTOR_TRAIL_FAILED;
}


/* half a key is none: the file goes when it could not be written */

static int
proctor_audit_key_create(
    int fd, const char *path, const char *name, proctor_note_signer_t *signer)
{
    int rc, failed;
    char pem[PROCTOR_NOTE_PEM];
    size_t len;

    rc = proctor_note_signer_create(signer, name, pem);

    if (rc != PROCTOR_OK) {
        close(fd);
        unlink(path);
        fprintf(stderr, "proctor: libcrypto makes no key\n");
        return rc;
    }

    len = strlen(pem);

    failed = write(fd, pem, len) != (ssize_t) len || fsync(fd) != 0;
    failed |= close(fd) != 0;

    OPENSSL_cleanse(pem, sizeof(pem));

    if (failed) {
        fprintf(stderr, "proctor: %s: %s\n", path, strerror(errno));
        unlink(path);
        proctor_note_signer_free(signer);
        return PROCTOR_ERROR;
    }

    return PROCTOR_OK;
}


static int
proctor_audit_key_load(
    const char *path, const char *name, proctor_note_signer_t *signer)
{
    int rc;
    char pem[PROCTOR_NOTE_FILE_MAX];
    FILE *file;
    size_t len;
    const char *reason;

    file = fopen(path, "re");

    if (file == NULL) {
        fprintf(stderr, "proctor: %s: %s\n", path, strerror(errno));
        return PROCTOR_ERROR;
    }

    setvbuf(file, NULL, _IONBF, 0);
    len = fread(pem, 1, sizeof(pem), file);
    fclose(file);

    rc = proctor_note_signer_load(signer, name, pem, len, &reason);
    OPENSSL_cleanse(pem, sizeof(pem));

    if (rc != PROCTOR_OK) {
        fprintf(stderr, "proctor: %s: %s\n", path, reason);
    }

    return rc;
}
