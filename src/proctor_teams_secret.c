/*
 * One upstream key of an account, from an environment variable or a file.
 *
 * Read while nginx reads its configuration, kept in the arena, wiped with it.
 * A fault names the variable or the file, never a byte of what it holds.  The
 * teams file itself holds no secret, so that it can be kept with the code.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "proctor_teams.h"


#define PROCTOR_SECRET_MAX    4096
#define PROCTOR_SECRET_SCHEME "Bearer "


static void proctor_teams_read_env(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static void proctor_teams_read_file(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
static ssize_t proctor_teams_read_whole(
    const char *name, char *buf, size_t size);
static void proctor_teams_add_secret(proctor_document_t *doc,
    const proctor_where_t *at, proctor_account_t *account, const char *name,
    const proctor_str_t *secret);


static const proctor_member_t proctor_teams_secret_members[] = {
    { "env", PROCTOR_OPTIONAL, proctor_teams_read_env, 0 },
    { "file", PROCTOR_OPTIONAL, proctor_teams_read_file, 0 },
    { NULL, 0, NULL, 0 }
};


void
proctor_teams_read_secret(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    if (json_is_object(value)
        && (json_object_get(value, "env") == NULL)
               == (json_object_get(value, "file") == NULL)) {
        proctor_document_fault(
            doc, at, "must have one of \"env\" and \"file\"");
        return;
    }

    proctor_document_object(doc, value, at, proctor_teams_secret_members, out);
}


static void
proctor_teams_read_env(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_str_t secret;
    const char *name;

    if (!json_is_string(value) || json_string_length(value) == 0) {
        proctor_document_fault(
            doc, at, "must be the name of an environment variable");
        return;
    }

    name = json_string_value(value);
    secret.data = getenv(name);

    if (secret.data == NULL) {
        proctor_document_fault(
            doc, at, "names a variable that is not set: %s", name);
        return;
    }

    secret.len = strlen(secret.data);

    proctor_teams_add_secret(doc, at, out, name, &secret);
}


static void
proctor_teams_read_file(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    char buf[PROCTOR_SECRET_MAX + sizeof("\r\n")];
    ssize_t n;
    const char *name, *directory;
    proctor_str_t secret;
    const proctor_teams_state_t *state = doc->data;

    if (!json_is_string(value) || json_string_length(value) == 0) {
        proctor_document_fault(doc, at, "must be the name of a file");
        return;
    }

    name = json_string_value(value);
    directory = state->env->directory;

    if (name[0] != '/' && directory != NULL && directory[0] != '\0') {
        name = proctor_arena_printf(doc->arena, "%s/%s", directory, name);
    }

    n = name != NULL ? proctor_teams_read_whole(name, buf, sizeof(buf)) : -1;
    if (n < 0) {
        proctor_document_fault(doc, at, "cannot be read: %s: %s",
            name != NULL ? name : json_string_value(value), strerror(errno));
        return;
    }

    secret.data = buf;
    secret.len = (size_t) n;

    if (secret.len > 0 && buf[secret.len - 1] == '\n') {
        secret.len--;

        if (secret.len > 0 && buf[secret.len - 1] == '\r') {
            secret.len--;
        }
    }

    proctor_teams_add_secret(doc, at, out, name, &secret);
    OPENSSL_cleanse(buf, sizeof(buf));
}


/* As much of the file as fits; -1: errno says why. */

static ssize_t
proctor_teams_read_whole(const char *name, char *buf, size_t size)
{
    int fd;
    size_t len;
    ssize_t n;

    /* a fifo must not make nginx wait */
    fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd == -1) {
        return -1;
    }

    len = 0;

    do {
        n = read(fd, buf + len, size - len);

        if (n > 0) {
            len += (size_t) n;
        }

    } while (n > 0 && len < size);

    close(fd);

    return n < 0 ? -1 : (ssize_t) len;
}


/* It will be a header's value: what could end the line is refused here. */

static void
proctor_teams_add_secret(proctor_document_t *doc, const proctor_where_t *at,
    proctor_account_t *account, const char *name, const proctor_str_t *secret)
{
    char *value;
    size_t i;
    proctor_str_t *key;

    if (secret->len == 0) {
        proctor_document_fault(doc, at, "holds an empty key: %s", name);
        return;
    }

    if (secret->len > PROCTOR_SECRET_MAX) {
        proctor_document_fault(doc, at, "holds a key of more than %d bytes: %s",
            PROCTOR_SECRET_MAX, name);
        return;
    }

    for (i = 0; i < secret->len; i++) {
        if (secret->data[i] <= ' ' || secret->data[i] > '~') {
            proctor_document_fault(doc, at,
                "holds a key that is not one line of visible ASCII: %s", name);
            return;
        }
    }

    value = proctor_arena_alloc(
        doc->arena, sizeof(PROCTOR_SECRET_SCHEME) + secret->len);

    if (value == NULL) {
        proctor_document_fault(doc, at, "does not fit into memory");
        return;
    }

    key = &account->keys[account->nkeys++];
    key->data = value;
    key->len = sizeof(PROCTOR_SECRET_SCHEME) - 1 + secret->len;

    memcpy(value, PROCTOR_SECRET_SCHEME, sizeof(PROCTOR_SECRET_SCHEME) - 1);
    value += sizeof(PROCTOR_SECRET_SCHEME) - 1;
    memcpy(value, secret->data, secret->len);
    value[secret->len] = '\0';
}
