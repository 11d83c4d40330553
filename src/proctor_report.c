/*
 * How a compiler of documents says what it does not understand.
 *
 * Called by schema, contract and teams while nginx reads its configuration or
 * the `proctor` command reads a file; never while a request is served.  The
 * sentence lives on the stack: who keeps it copies it.
 */

#include <stdarg.h>
#include <stdio.h>

#include "proctor_base.h"


#define PROCTOR_REPORT_LEN 1024


void
proctor_report(
    proctor_report_t *report, const char *pointer, const char *fmt, ...)
{
    va_list args;
    char reason[PROCTOR_REPORT_LEN];

    report->count++;

    if (report->fault == NULL) {
        return;
    }

    va_start(args, fmt);
    vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);

    report->fault(report->data, pointer, reason);
}
