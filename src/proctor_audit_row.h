/*
 * A record as a row of a table: what `proctor audit who` and `tail` share;
 * nobody else includes it.
 */

#ifndef PROCTOR_AUDIT_ROW_H_INCLUDED
#define PROCTOR_AUDIT_ROW_H_INCLUDED

#include "proctor_trail.h"


/* texts as they stand in the record, escaped: printable ASCII */
typedef struct {
    char time[PROCTOR_TIME_LEN + 1];
    char who[640]; /* "actor (team/key)", "for" whom, says the actor */
    char operation[160];
    char target[480]; /* "experiment_id=e1 log_id=t2", what was created */
    char result[80];
    char status[16];
    char from[80];
} proctor_audit_row_t;


/* proctor_audit_row.c */

/* of the record in doc */
void proctor_audit_row_set(proctor_audit_row_t *row, proctor_json_t *doc);
/* what an outcome adds to its intent's */
void proctor_audit_row_outcome(proctor_audit_row_t *row, proctor_json_t *doc);
void proctor_audit_row_head(FILE *out);
void proctor_audit_row_print(FILE *out, const proctor_audit_row_t *row);
/* a member's text as it stands there; data NULL: there is none */
proctor_str_t proctor_audit_row_text(
    proctor_json_t *doc, uint32_t object, const char *name);

#endif /* PROCTOR_AUDIT_ROW_H_INCLUDED */
