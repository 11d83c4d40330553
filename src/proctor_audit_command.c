/*
 * `proctor audit VERB ...`: what people ask an audit trail.
 *
 * Only the words of the command line are understood here; each verb is a file
 * of its own.  A wrong call is exit code 4, since 1 to 3 are what `verify`
 * found.
 */

#include <stdlib.h>
#include <string.h>

#include "proctor_command.h"
#include "proctor_trail.h"


#define PROCTOR_AUDIT_PLAIN_MAX 1024 /* files of one call */

typedef struct {
    const char *key;
    const char **checkpoints; /* as many as there are words */
    size_t ncheckpoints;
    int follow;
    char *plain[PROCTOR_AUDIT_PLAIN_MAX];
    size_t nplain;
} proctor_audit_words_t;

typedef struct {
    const char *name;
    int (*run)(proctor_audit_words_t *words);
    size_t least; /* words that are no options */
    size_t most;
    const char *options;
} proctor_audit_verb_t;


static int proctor_audit_wrong(const char *complaint, const char *what);
static int proctor_audit_words(proctor_audit_words_t *words,
    const proctor_audit_verb_t *verb, int argc, char **argv);
static int proctor_audit_option(proctor_audit_words_t *words,
    const proctor_audit_verb_t *verb, char *name, char *value);
static int proctor_audit_run_verify(proctor_audit_words_t *words);
static int proctor_audit_run_who(proctor_audit_words_t *words);
static int proctor_audit_run_tail(proctor_audit_words_t *words);
static int proctor_audit_run_prove(proctor_audit_words_t *words);
static int proctor_audit_run_check(proctor_audit_words_t *words);
static int proctor_audit_run_key(proctor_audit_words_t *words);
static int proctor_audit_trail(
    proctor_trail_t *trail, proctor_audit_words_t *words, size_t first);


/* options by their letters: key, checkpoint, follow */

static const proctor_audit_verb_t proctor_audit_verbs[] = {
    { "verify", proctor_audit_run_verify, 1, PROCTOR_AUDIT_PLAIN_MAX, "kc" },
    { "who", proctor_audit_run_who, 2, PROCTOR_AUDIT_PLAIN_MAX, "" },
    { "tail", proctor_audit_run_tail, 1, 1, "f" },
    { "prove", proctor_audit_run_prove, 2, 2, "kc" },
    { "check", proctor_audit_run_check, 1, 1, "k" },
    { "key", proctor_audit_run_key, 2, 2, "" }
};

const char proctor_audit_help[] =
    "proctor audit verify FILE... [--key FILE] [--checkpoint FILE]...\n"
    "    Whether a trail is whole, and the first record that is not as it was\n"
    "    sealed.  Checkpoints beside the files are found; those that were\n"
    "    exported are named.  Exit code: 0 whole, 1 tampered, 2 torn by a\n"
    "    crash, 3 whole but intents are open, 4 it could not be judged.\n"
    "\n"
    "proctor audit who RESOURCE FILE...\n"
    "    Who created, resumed, finished, deleted it, when, from where.\n"
    "    Verifies nothing.  Exit code: 1 when no record names it.\n"
    "\n"
    "proctor audit tail [-f] FILE\n"
    "    The last ten records; with -f also those to come.\n"
    "\n"
    "proctor audit prove N FILE [--key FILE] [--checkpoint FILE]...\n"
    "    A proof, for somebody without the trail, that record N is in it.\n"
    "\n"
    "proctor audit check PROOF [--key FILE]\n"
    "    Such a proof: exit code 0 it holds, 1 it does not.\n"
    "\n"
    "proctor audit key FILE NAME\n"
    "    Makes the gateway's signing key, unless there is one, and prints the\n"
    "    line that goes into the file of --key.\n";


int
proctor_audit_command(int argc, char **argv)
{
    int rc;
    size_t i;
    proctor_audit_words_t words;
    const proctor_audit_verb_t *verb;

    for (i = 0; i < sizeof(proctor_audit_verbs) / sizeof(proctor_audit_verb_t);
         i++) {
        verb = &proctor_audit_verbs[i];

        if (argc == 0 || strcmp(argv[0], verb->name) != 0) {
            continue;
        }

        memset(&words, 0, sizeof(proctor_audit_words_t));
        rc = proctor_audit_words(&words, verb, argc - 1, argv + 1);

        if (rc == PROCTOR_OK) {
            rc = verb->run(&words);
        }

        free(words.checkpoints);

        if (fflush(stdout) != 0 || ferror(stdout)) {
            fputs("proctor: the answer cannot be written\n", stderr);
            return PROCTOR_TRAIL_FAILED;
        }

        return rc;
    }

    return proctor_audit_wrong(
        "audit needs a verb that it knows", argc != 0 ? argv[0] : NULL);
}


static int
proctor_audit_wrong(const char *complaint, const char *what)
{
    fprintf(stderr, "proctor: %s%s%s\n\n%s", complaint,
        what != NULL ? ": " : "", what != NULL ? what : "", proctor_audit_help);

    return PROCTOR_TRAIL_FAILED;
}


static int
proctor_audit_words(proctor_audit_words_t *words,
    const proctor_audit_verb_t *verb, int argc, char **argv)
{
    int i, used;

    words->checkpoints = calloc((size_t) argc + 1, sizeof(char *));

    if (words->checkpoints == NULL) {
        return proctor_audit_wrong("out of memory", NULL);
    }

    for (i = 0; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            used = proctor_audit_option(
                words, verb, argv[i], i + 1 < argc ? argv[i + 1] : NULL);

            if (used < 0) {
                return proctor_audit_wrong("no such option here", argv[i]);
            }

            i += used;
            continue;
        }

        if (words->nplain == PROCTOR_AUDIT_PLAIN_MAX) {
            return proctor_audit_wrong("too many files", NULL);
        }

        words->plain[words->nplain++] = argv[i];
    }

    if (words->nplain < verb->least || words->nplain > verb->most) {
        return proctor_audit_wrong(
            "there are words too many or too few for audit", verb->name);
    }

    return PROCTOR_OK;
}


/* how many words more it took; -1: none of the verb's */

static int
proctor_audit_option(proctor_audit_words_t *words,
    const proctor_audit_verb_t *verb, char *name, char *value)
{
    if (strcmp(name, "-f") == 0 && strchr(verb->options, 'f') != NULL) {
        words->follow = 1;
        return 0;
    }

    if (value == NULL) {
        return -1;
    }

    if (strcmp(name, "--key") == 0 && strchr(verb->options, 'k') != NULL
        && words->key == NULL) {
        words->key = value;
        return 1;
    }

    if (strcmp(name, "--checkpoint") == 0
        && strchr(verb->options, 'c') != NULL) {
        words->checkpoints[words->ncheckpoints++] = value;
        return 1;
    }

    return -1;
}


/* opens what the words name: files from `first` on, keys, checkpoints */

static int
proctor_audit_trail(
    proctor_trail_t *trail, proctor_audit_words_t *words, size_t first)
{
    memset(trail, 0, sizeof(proctor_trail_t));

    trail->checkpoints = words->checkpoints;
    trail->ncheckpoints = words->ncheckpoints;

    if (words->key != NULL
        && proctor_trail_keys(trail, words->key) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    if (first == words->nplain) {
        return PROCTOR_OK;
    }

    return proctor_trail_open(
        trail, words->plain + first, words->nplain - first);
}


static int
proctor_audit_run_verify(proctor_audit_words_t *words)
{
    int rc;
    proctor_trail_t trail;

    rc = proctor_audit_trail(&trail, words, 0) == PROCTOR_OK
             ? proctor_audit_verify(stdout, &trail)
             : PROCTOR_TRAIL_FAILED;

    proctor_trail_close(&trail);

    return rc;
}


static int
proctor_audit_run_who(proctor_audit_words_t *words)
{
    int rc;
    proctor_trail_t trail;

    rc = proctor_audit_trail(&trail, words, 1) == PROCTOR_OK
             ? proctor_audit_who(stdout, &trail, words->plain[0])
             : PROCTOR_TRAIL_FAILED;

    proctor_trail_close(&trail);

    return rc;
}


static int
proctor_audit_run_tail(proctor_audit_words_t *words)
{
    return proctor_audit_tail(stdout, words->plain[0], words->follow);
}


static int
proctor_audit_run_prove(proctor_audit_words_t *words)
{
    int rc;
    char *end;
    unsigned long long number;
    proctor_trail_t trail;

    number = strtoull(words->plain[0], &end, 10);

    if (*end != '\0' || words->plain[0][0] < '1' || words->plain[0][0] > '9') {
        return proctor_audit_wrong(
            "a record is named by its number, from 1", words->plain[0]);
    }

    rc = proctor_audit_trail(&trail, words, 1) == PROCTOR_OK
             ? proctor_audit_prove(stdout, &trail, number)
             : PROCTOR_TRAIL_FAILED;

    proctor_trail_close(&trail);

    return rc;
}


static int
proctor_audit_run_check(proctor_audit_words_t *words)
{
    int rc;
    proctor_trail_t keys;

    rc = proctor_audit_trail(&keys, words, words->nplain) == PROCTOR_OK
             ? proctor_audit_check(stdout, &keys, words->plain[0])
             : PROCTOR_TRAIL_FAILED;

    proctor_trail_close(&keys);

    return rc;
}


static int
proctor_audit_run_key(proctor_audit_words_t *words)
{
    if (!proctor_note_is_name(words->plain[1], strlen(words->plain[1]))) {
        return proctor_audit_wrong("a name is letters, digits and any of"
                                   " \"._:/-\"",
            words->plain[1]);
    }

    return proctor_audit_key(stdout, words->plain[0], words->plain[1]);
}
