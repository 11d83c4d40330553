/*
 * What only the `proctor` command does.
 */

#ifndef PROCTOR_COMMAND_H_INCLUDED
#define PROCTOR_COMMAND_H_INCLUDED

#include <stdio.h>

#include "proctor.h"


/* proctor_lines.c: the line of a text on which a pointer's value stands */

typedef struct proctor_lines_s proctor_lines_t;

/* text: to be there as long as lines are asked for; NULL: out of memory */
proctor_lines_t *proctor_lines_create(
    proctor_arena_t *arena, const char *text, size_t len);
/* counted from 1; of a text that is not JSON: where it ceases to be */
unsigned proctor_lines_of(proctor_lines_t *lines, const char *pointer);


/* proctor_lint.c: what nginx would say about these files, a fault a line */

/* teams: NULL: contracts only; OK, INVALID: something was said, ERROR */
int proctor_lint(
    FILE *out, const char *teams, unsigned ncontracts, char *const *contracts);


/* proctor_audit_command.c: `proctor audit VERB ...`; returns the exit code */

int proctor_audit_command(int argc, char **argv);
extern const char proctor_audit_help[];


/* proctor_token.c: a team's token, "prk_" and 32 random bytes in base64url */

#define PROCTOR_TOKEN_PREFIX "prk_"
#define PROCTOR_TOKEN_BYTES  32
#define PROCTOR_TOKEN_LEN                                                      \
    (sizeof(PROCTOR_TOKEN_PREFIX) - 1 + (PROCTOR_TOKEN_BYTES * 4 + 2) / 3)

/* writes PROCTOR_TOKEN_LEN bytes and a NUL; ERROR: no random bytes */
int proctor_token_create(char *token);

#endif /* PROCTOR_COMMAND_H_INCLUDED */
