/*
 * What nginx would say about contracts and a teams file, with line numbers.
 *
 * `proctor lint` is the caller.  The very compilers that nginx runs do the
 * work; here files are read, and each fault gets the line it stands on:
 *
 *     FILE:LINE: POINTER: reason
 *
 * One arena holds everything, and is gone when the last line was written.
 */

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "proctor_command.h"


#define PROCTOR_LINT_MAX (64 * 1024 * 1024) /* bytes of a file */


/* one file that is looked through; data of its report */
typedef struct {
    FILE *out;
    const char *name;
    char *text;
    size_t len;
    proctor_lines_t *lines;
} proctor_lint_t;


static int proctor_lint_teams(proctor_arena_t *arena, FILE *out,
    const char *name, proctor_teams_env_t *env);
static const proctor_contract_t *proctor_lint_contract(
    proctor_arena_t *arena, FILE *out, const char *name);
static int proctor_lint_open(
    proctor_arena_t *arena, proctor_lint_t *file, proctor_report_t *report);
static int proctor_lint_read(FILE *stream, proctor_lint_t *file);
static void proctor_lint_close(proctor_lint_t *file);
static void proctor_lint_fault(
    void *data, const char *pointer, const char *reason);


int
proctor_lint(
    FILE *out, const char *teams, unsigned ncontracts, char *const *contracts)
{
    int rc;
    unsigned i;
    proctor_arena_t *arena;
    proctor_teams_env_t env;

    memset(&env, 0, sizeof(proctor_teams_env_t));

    arena = proctor_arena_create(0);
    if (arena == NULL) {
        return PROCTOR_ERROR;
    }

    env.contracts =
        proctor_arena_calloc(arena, ncontracts * sizeof(env.contracts[0]));
    rc = env.contracts != NULL ? PROCTOR_OK : PROCTOR_ERROR;

    for (i = 0; env.contracts != NULL && i < ncontracts; i++) {
        env.contracts[i] = proctor_lint_contract(arena, out, contracts[i]);

        if (env.contracts[i] == NULL) {
            rc = PROCTOR_INVALID;
        }
    }

    /* without its contracts, a teams file would seem to be full of faults */
    if (rc == PROCTOR_OK && teams != NULL) {
        env.ncontracts = ncontracts;
        rc = proctor_lint_teams(arena, out, teams, &env);
    }

    proctor_arena_destroy(arena);

    return rc;
}


static const proctor_contract_t *
proctor_lint_contract(proctor_arena_t *arena, FILE *out, const char *name)
{
    size_t len;
    char *copy, *base;
    proctor_lint_t file = { out, name, NULL, 0, NULL };
    proctor_report_t report;
    const proctor_contract_t *contract;

    if (proctor_lint_open(arena, &file, &report) != PROCTOR_OK) {
        return NULL;
    }

    copy = proctor_arena_strndup(arena, name, strlen(name));
    base = copy != NULL ? basename(copy) : "";
    len = strlen(base);

    if (len > 5 && strcmp(base + len - 5, ".json") == 0) {
        base[len - 5] = '\0';
    }

    contract =
        proctor_contract_compile(arena, base, file.text, file.len, &report);

    if (contract != NULL) {
        fprintf(out, "%s: ok, %u operations\n", name, contract->noperations);
    }

    proctor_lint_close(&file);

    return contract;
}


static int
proctor_lint_teams(proctor_arena_t *arena, FILE *out, const char *name,
    proctor_teams_env_t *env)
{
    char *copy;
    proctor_lint_t file = { out, name, NULL, 0, NULL };
    proctor_teams_t *teams;
    proctor_report_t report;

    if (proctor_lint_open(arena, &file, &report) != PROCTOR_OK) {
        return PROCTOR_INVALID;
    }

    copy = proctor_arena_strndup(arena, name, strlen(name));
    env->directory = copy != NULL ? dirname(copy) : ".";

    teams = proctor_teams_compile(arena, env, file.text, file.len, &report);

    if (teams != NULL) {
        fprintf(
            out, "%s: ok, %u accounts\n", name, proctor_teams_naccounts(teams));
    }

    proctor_lint_close(&file);

    return teams != NULL ? PROCTOR_OK : PROCTOR_INVALID;
}


static int
proctor_lint_open(
    proctor_arena_t *arena, proctor_lint_t *file, proctor_report_t *report)
{
    int rc;
    FILE *stream;

    memset(report, 0, sizeof(proctor_report_t));

    report->fault = proctor_lint_fault;
    report->data = file;

    stream = fopen(file->name, "r");
    if (stream == NULL) {
        fprintf(file->out, "%s: cannot be opened: %s\n", file->name,
            strerror(errno));
        return PROCTOR_ERROR;
    }

    rc = proctor_lint_read(stream, file);
    fclose(stream);

    if (rc == PROCTOR_OK) {
        file->lines = proctor_lines_create(arena, file->text, file->len);
    }

    if (file->lines == NULL) {
        fprintf(
            file->out, "%s: cannot be read: %s\n", file->name, strerror(errno));
        proctor_lint_close(file);
        return PROCTOR_ERROR;
    }

    return PROCTOR_OK;
}


static int
proctor_lint_read(FILE *stream, proctor_lint_t *file)
{
    char *text;
    size_t n;

    do {
        text = realloc(file->text, file->len + BUFSIZ);
        if (text == NULL) {
            return PROCTOR_ERROR;
        }

        file->text = text;

        n = fread(text + file->len, 1, BUFSIZ, stream);
        file->len += n;

    } while (n != 0 && file->len <= PROCTOR_LINT_MAX);

    if (file->len > PROCTOR_LINT_MAX) {
        errno = EFBIG;
        return PROCTOR_ERROR;
    }

    return ferror(stream) ? PROCTOR_ERROR : PROCTOR_OK;
}


static void
proctor_lint_close(proctor_lint_t *file)
{
    free(file->text);
}


static void
proctor_lint_fault(void *data, const char *pointer, const char *reason)
{
    const proctor_lint_t *file = data;

    fprintf(file->out, "%s:%u: %s%s%s\n", file->name,
        proctor_lines_of(file->lines, pointer), pointer,
        pointer[0] != '\0' ? ": " : "", reason);
}
