/*
 * A record as a row of a table, for people.
 *
 * Texts stay escaped as they are in the record: what a client sent must not
 * reach a terminal as anything but printable ASCII.  A text that is too long
 * for its place is cut: the record has all of it.
 */

#include <stdarg.h>
#include <string.h>

#include "proctor_audit_row.h"


/* "2026-01-01T00:00:00", and a Z */
#define PROCTOR_ROW_SECONDS 19


static void proctor_audit_row_add(char *text, size_t size, const char *before,
    const proctor_str_t *more, const char *after);
static void proctor_audit_row_who(
    proctor_audit_row_t *row, proctor_json_t *doc);
static void proctor_audit_row_targets(
    proctor_audit_row_t *row, proctor_json_t *doc);
static void proctor_audit_row_result(
    proctor_audit_row_t *row, proctor_json_t *doc);


#define proctor_audit_row_put(field, before, more, after)                      \
    proctor_audit_row_add((field), sizeof(field), (before), (more), (after))


void
proctor_audit_row_set(proctor_audit_row_t *row, proctor_json_t *doc)
{
    proctor_str_t text;

    memset(row, 0, sizeof(proctor_audit_row_t));

    text = proctor_audit_row_text(doc, 0, "time");
    proctor_audit_row_put(row->time, "", &text, "");

    text = proctor_audit_row_text(doc, 0, "operation");
    proctor_audit_row_put(row->operation, "", &text, "");

    text = proctor_audit_row_text(doc, 0, "client");
    proctor_audit_row_put(row->from, "", &text, "");

    proctor_audit_row_who(row, doc);
    proctor_audit_row_targets(row, doc);
    proctor_audit_row_result(row, doc);
}


static void
proctor_audit_row_who(proctor_audit_row_t *row, proctor_json_t *doc)
{
    proctor_str_t text;

    text = proctor_audit_row_text(doc, 0, "actor");
    proctor_audit_row_put(row->who, "", &text, "");

    text = proctor_audit_row_text(doc, 0, "team");
    proctor_audit_row_put(row->who, " (", &text, "");

    text = proctor_audit_row_text(doc, 0, "key");
    proctor_audit_row_put(row->who, "/", &text, ")");

    text = proctor_audit_row_text(doc, 0, "claimed");
    proctor_audit_row_put(row->who, " for ", &text, "");
}


static void
proctor_audit_row_targets(proctor_audit_row_t *row, proctor_json_t *doc)
{
    uint32_t i, targets, key;
    proctor_str_t text;

    targets = proctor_json_member(doc, 0, "targets", sizeof("targets") - 1);

    if (targets == 0 || doc->nodes[targets].type != PROCTOR_JSON_OBJECT) {
        return;
    }

    key = targets + 1;

    for (i = 0; i < doc->nodes[targets].count; i++) {
        text.data = doc->nodes[key].text;
        text.len = doc->nodes[key].len;
        proctor_audit_row_put(row->target, i == 0 ? "" : " ", &text, "=");

        text.data = doc->nodes[key + 1].text;
        text.len = doc->nodes[key + 1].len;
        proctor_audit_row_put(row->target, "", &text, "");

        key = doc->nodes[key + 1].next;
    }
}


/* how it ended, if it has: else what kind of a record it is */

static void
proctor_audit_row_result(proctor_audit_row_t *row, proctor_json_t *doc)
{
    size_t i;
    proctor_str_t text;
    static const char *const members[] = { "result", "decision", "kind" };

    text = proctor_audit_row_text(doc, 0, "kind");

    if (text.len == 6
        && (memcmp(text.data, "denied", 6) == 0
            || memcmp(text.data, "intent", 6) == 0)) {
        proctor_audit_row_put(row->result, "", &text, "");
    }

    for (i = 0; row->result[0] == '\0'; i++) {
        text = proctor_audit_row_text(doc, 0, members[i]);
        proctor_audit_row_put(row->result, "", &text, "");

        if (i == sizeof(members) / sizeof(members[0]) - 1) {
            break;
        }
    }

    text = proctor_audit_row_text(doc, 0, "reason");
    proctor_audit_row_put(row->result, ": ", &text, "");

    text = proctor_audit_row_text(doc, 0, "status");
    proctor_audit_row_put(row->status, "", &text, "");

    text = proctor_audit_row_text(doc, 0, "created");
    proctor_audit_row_put(row->target,
        row->target[0] == '\0' ? "created=" : " created=", &text, "");
}


void
proctor_audit_row_outcome(proctor_audit_row_t *row, proctor_json_t *doc)
{
    row->result[0] = '\0';
    row->status[0] = '\0';

    proctor_audit_row_result(row, doc);
}


proctor_str_t
proctor_audit_row_text(proctor_json_t *doc, uint32_t object, const char *name)
{
    uint32_t i;
    proctor_str_t text;

    i = proctor_json_member(doc, object, name, strlen(name));

    text.data = i != 0 ? doc->nodes[i].text : NULL;
    text.len = i != 0 ? doc->nodes[i].len : 0;

    return text;
}


/* nothing at all where there is nothing to add */

static void
proctor_audit_row_add(char *text, size_t size, const char *before,
    const proctor_str_t *more, const char *after)
{
    size_t len;

    if (more->len == 0) {
        return;
    }

    len = strlen(text);
    snprintf(text + len, size - len, "%s%.*s%s", before, (int) more->len,
        more->data, after);
}


void
proctor_audit_row_head(FILE *out)
{
    fprintf(out, "%-20s  %-40s  %-22s  %-8s  %-6s  %-15s  %s\n", "WHEN", "WHO",
        "OPERATION", "RESULT", "STATUS", "FROM", "WHAT");
}


void
proctor_audit_row_print(FILE *out, const proctor_audit_row_t *row)
{
    fprintf(out, "%.*sZ  %-40s  %-22s  %-8s  %-6s  %-15s  %s\n",
        PROCTOR_ROW_SECONDS, row->time, row->who, row->operation, row->result,
        row->status, row->from, row->target);
}
