/*
 * For the tests of compilers: the faults of one compilation, as one text.
 */

#ifndef UNIT_FAULTS_H_INCLUDED
#define UNIT_FAULTS_H_INCLUDED

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proctor.h"
#include "tap.h"


typedef struct {
    char *text; /* "pointer: reason\n" for each; freed by faults_free() */
    size_t len;
    FILE *stream;
    proctor_report_t report;
} faults_t;

/* a document and its fault, NULL: none; one that ends in ": " is compared so
   far only: the words behind it are another compiler's */
typedef struct {
    const char *name;
    const char *text;
    const char *fault;
} faults_case_t;


static void
faults_tell(void *data, const char *pointer, const char *reason)
{
    faults_t *faults = data;

    fprintf(faults->stream, "%s: %s\n", pointer, reason);
}


static void
faults_open(faults_t *faults)
{
    memset(faults, 0, sizeof(faults_t));

    faults->stream = open_memstream(&faults->text, &faults->len);
    faults->report.fault = faults_tell;
    faults->report.data = faults;
}


static void
faults_close(faults_t *faults)
{
    fclose(faults->stream);
}


static void
faults_free(faults_t *faults)
{
    free(faults->text);
}


/* cuts the text to what `want` can be compared with */
__attribute__((unused)) static void
faults_is(faults_t *faults, const faults_case_t *want)
{
    size_t len;
    const char *fault;

    fault = want->fault != NULL ? want->fault : "";
    len = strlen(fault);

    if (len > 2 && fault[len - 1] == ' ') {
        faults->text[faults->len < len ? faults->len : len] = '\0';

    } else if (faults->len != 0) {
        faults->text[faults->len - 1] = '\0';
    }

    is_str(faults->text, fault, "%s", want->name);
}

#endif /* UNIT_FAULTS_H_INCLUDED */
