/*
 * The `proctor` command: what people do around the gateway.
 *
 *     key new    a team's new key, and what to paste into the teams file
 *     lint       what nginx would say about a contract or a teams file
 *     audit      what an audit trail says, and whether it is whole
 *
 * It is the only file with a main() and no part of the module; whatever it
 * says comes from the same code that runs in nginx.  Exit codes: 0 all is
 * well, 1 something was found or failed, 2 it was called wrongly; the verbs of
 * `audit` have their own (proctor_audit_command.c).  Memory is
 * the process's: one arena a run, or none.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "proctor_command.h"
#include "proctor_document.h"


#define PROCTOR_DONE  0
#define PROCTOR_FOUND 1
#define PROCTOR_USAGE 2


typedef struct {
    const char *name;
    int (*run)(int argc, char **argv);
} proctor_command_t;

typedef struct {
    const char *team;
    const char *actor;
    const char *rights;
    const char *id;
    const char *expires;
    int json;
} proctor_key_options_t;


static int proctor_key_command(int argc, char **argv);
static int proctor_lint_command(int argc, char **argv);
static int proctor_version_command(int argc, char **argv);
static int proctor_help_command(int argc, char **argv);
static int proctor_usage(const char *complaint, const char *what);

static int proctor_key_options(
    int argc, char **argv, proctor_key_options_t *options);
static int proctor_key_check(const proctor_key_options_t *options);
static json_t *proctor_key_rights(const char *list);
static json_t *proctor_key_json(
    const proctor_key_options_t *options, const char *token);
static int proctor_key_print(
    const proctor_key_options_t *options, const char *token, json_t *key);


static const proctor_command_t proctor_commands[] = {
    { "key", proctor_key_command },
    { "lint", proctor_lint_command },
    { "audit", proctor_audit_command },
    { "version", proctor_version_command },
    { "help", proctor_help_command },
};

static const char proctor_help_text[] =
    "proctor key new --team TEAM --actor ACTOR --rights RIGHT,...\n"
    "                [--id ID] [--expires TIME] [--json]\n"
    "    Makes a key.  The token is printed once and kept nowhere: give it\n"
    "    to the actor.  The object goes into the \"keys\" of the team.\n"
    "    TIME is in UTC, as 2027-01-01T00:00:00Z.\n"
    "\n"
    "proctor lint CONTRACT...\n"
    "    Says what nginx would say about these contracts.\n"
    "\n"
    "proctor lint --teams TEAMS CONTRACT...\n"
    "    The same for a teams file.  A contract's name is that of its file\n"
    "    without \".json\".\n"
    "\n"
    "proctor version\n"
    "proctor help\n"
    "\n"
    "Exit code: 0 all is well, 1 a fault was found, 2 a wrong call; those of\n"
    "`proctor audit` are their own.\n";


int
main(int argc, char **argv)
{
    size_t i;

    if (argc < 2) {
        return proctor_usage("a command is needed", NULL);
    }

    for (i = 0; i < sizeof(proctor_commands) / sizeof(proctor_commands[0]);
         i++) {
        if (strcmp(argv[1], proctor_commands[i].name) == 0) {
            return proctor_commands[i].run(argc - 2, argv + 2);
        }
    }

    return proctor_usage("no such command", argv[1]);
}


static int
proctor_usage(const char *complaint, const char *what)
{
    fprintf(stderr, "proctor: %s%s%s\n\n%s", complaint,
        what != NULL ? ": " : "", what != NULL ? what : "", proctor_help_text);

    return PROCTOR_USAGE;
}


static int
proctor_version_command(int argc, char **argv)
{
    (void) argv;

    if (argc != 0) {
        return proctor_usage("version takes no argument", NULL);
    }

    printf("proctor %s\n", PROCTOR_VERSION);

    return PROCTOR_DONE;
}


static int
proctor_help_command(int argc, char **argv)
{
    (void) argc;
    (void) argv;

    printf("%s\n%s", proctor_help_text, proctor_audit_help);

    return PROCTOR_DONE;
}


static int
proctor_key_command(int argc, char **argv)
{
    int rc;
    char token[PROCTOR_TOKEN_LEN + 1];
    json_t *key;
    proctor_key_options_t options;

    if (argc == 0 || strcmp(argv[0], "new") != 0) {
        return proctor_usage("key knows one verb: new", NULL);
    }

    memset(&options, 0, sizeof(proctor_key_options_t));

    rc = proctor_key_options(argc - 1, argv + 1, &options);
    if (rc != PROCTOR_DONE) {
        return rc;
    }

    if (proctor_token_create(token) != PROCTOR_OK) {
        fputs("proctor: no random bytes to be had\n", stderr);
        return PROCTOR_FOUND;
    }

    key = proctor_key_json(&options, token);
    rc = proctor_key_print(&options, token, key);

    json_decref(key);
    OPENSSL_cleanse(token, sizeof(token));

    return rc;
}


static int
proctor_key_options(int argc, char **argv, proctor_key_options_t *options)
{
    int i;
    size_t j;
    const struct {
        const char *name;
        const char **value;
    } table[] = { { "--team", &options->team }, { "--actor", &options->actor },
        { "--rights", &options->rights }, { "--id", &options->id },
        { "--expires", &options->expires } };

    for (i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            options->json = 1;
            continue;
        }

        j = 0;

        while (j < sizeof(table) / sizeof(table[0])
               && strcmp(argv[i], table[j].name) != 0) {
            j++;
        }

        if (j == sizeof(table) / sizeof(table[0])) {
            return proctor_usage("no such option", argv[i]);
        }

        if (++i == argc) {
            return proctor_usage("an option lacks its value", table[j].name);
        }

        *table[j].value = argv[i];
    }

    return proctor_key_check(options);
}


/* What the teams file would refuse is refused before there is a key. */

static int
proctor_key_check(const proctor_key_options_t *options)
{
    size_t i;
    int64_t seconds;
    static const char rights[] = "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789._:-,";
    const char *names[] = { options->team, options->actor, options->id };

    if (options->team == NULL || options->actor == NULL
        || options->rights == NULL) {
        return proctor_usage("--team, --actor and --rights are needed", NULL);
    }

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i] != NULL
            && !proctor_document_is_name(names[i], strlen(names[i]))) {
            return proctor_usage(
                "a team, actor or id " PROCTOR_NAME_RULE, names[i]);
        }
    }

    if (options->expires != NULL
        && proctor_time_parse(
               options->expires, strlen(options->expires), &seconds)
               != PROCTOR_OK) {
        return proctor_usage(
            "--expires must be like 2027-01-01T00:00:00Z", options->expires);
    }

    if (options->rights[strspn(options->rights, ",")] == '\0'
        || options->rights[strspn(options->rights, rights)] != '\0') {
        return proctor_usage(
            "--rights must be words with commas between them", options->rights);
    }

    return PROCTOR_DONE;
}


static json_t *
proctor_key_json(const proctor_key_options_t *options, const char *token)
{
    size_t i;
    char hex[2 * PROCTOR_SHA256_LEN + 1], id[sizeof("k-01234567")];
    json_t *key;
    unsigned char digest[PROCTOR_SHA256_LEN], random[4];

    SHA256((const unsigned char *) token, strlen(token), digest);

    for (i = 0; i < PROCTOR_SHA256_LEN; i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }

    if (RAND_bytes(random, sizeof(random)) != 1) {
        return NULL;
    }

    snprintf(id, sizeof(id), "k-%02x%02x%02x%02x", random[0], random[1],
        random[2], random[3]);

    key = json_pack("{s:s, s:s, s:s, s:o}", "id",
        options->id != NULL ? options->id : id, "sha256", hex, "actor",
        options->actor, "rights", proctor_key_rights(options->rights));

    if (key != NULL && options->expires != NULL) {
        json_object_set_new(key, "expires", json_string(options->expires));
    }

    return key;
}


static json_t *
proctor_key_rights(const char *list)
{
    size_t len;
    json_t *rights;

    rights = json_array();

    while (*list != '\0') {
        len = strcspn(list, ",");

        if (len != 0) {
            json_array_append_new(rights, json_stringn(list, len));
        }

        list += len + (list[len] == ',');
    }

    return rights;
}


static int
proctor_key_print(
    const proctor_key_options_t *options, const char *token, json_t *key)
{
    char *text;
    json_t *both;

    both = options->json ? json_pack("{s:s, s:O}", "token", token, "key", key)
                         : json_incref(key);

    text = json_dumps(both, options->json ? JSON_COMPACT : JSON_INDENT(2));
    json_decref(both);

    if (text == NULL) {
        fputs("proctor: out of memory\n", stderr);
        return PROCTOR_FOUND;
    }

    if (!options->json) {
        printf("%s\n\n"
               "The token above is for %s: it is shown this once and kept\n"
               "nowhere.  For the \"keys\" of the team %s:\n\n",
            token, options->actor, options->team);
    }

    printf("%s\n", text);

    OPENSSL_cleanse(text, strlen(text));
    free(text);

    return ferror(stdout) || fflush(stdout) != 0 ? PROCTOR_FOUND : PROCTOR_DONE;
}


static int
proctor_lint_command(int argc, char **argv)
{
    const char *teams;

    teams = NULL;

    if (argc > 1 && strcmp(argv[0], "--teams") == 0) {
        teams = argv[1];
        argc -= 2;
        argv += 2;
    }

    if (argc == 0 || argv[0][0] == '-') {
        return proctor_usage("lint needs a contract", NULL);
    }

    return proctor_lint(stdout, teams, (unsigned) argc, argv) == PROCTOR_OK
               ? PROCTOR_DONE
               : PROCTOR_FOUND;
}
