/*
 * Walks a JSON document of our own, a contract or a teams file, by tables.
 *
 * The compilers call it with one table for each kind of object; it finds what
 * is missing, what stands in no table, and where.  A fault that is met again
 * through another reference is told once.  The parsed document becomes the
 * arena's: compiled schemas and kept strings point into it.
 */

#include <stdio.h>
#include <string.h>

#include "proctor_document.h"


#define PROCTOR_LOAD_FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY)


static void proctor_document_free(void *data);
static void proctor_document_tell(
    void *data, const char *pointer, const char *reason);
static char *proctor_document_render(const proctor_where_t *at, char *dst);
static size_t proctor_document_measure(const proctor_where_t *at);
static void proctor_document_unknown(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, const proctor_member_t *members);


proctor_document_t *
proctor_document_load(proctor_arena_t *arena, const char *text, size_t len,
    proctor_report_t *report)
{
    json_error_t error;
    proctor_document_t *doc;

    doc = proctor_arena_calloc(arena, sizeof(proctor_document_t));
    if (doc == NULL) {
        proctor_report(report, "", "does not fit into memory");
        return NULL;
    }

    doc->root = json_loadb(text, len, PROCTOR_LOAD_FLAGS, &error);
    if (doc->root == NULL) {
        proctor_report(report, "", "is not JSON: line %d, column %d: %s",
            error.line, error.column, error.text);
        return NULL;
    }

    if (proctor_arena_cleanup(arena, proctor_document_free, doc->root)
        != PROCTOR_OK) {
        json_decref(doc->root);
        proctor_report(report, "", "does not fit into memory");
        return NULL;
    }

    doc->arena = arena;
    doc->told = json_object();
    doc->outer = report;
    doc->report.fault = proctor_document_tell;
    doc->report.data = doc;

    return doc;
}


static void
proctor_document_free(void *data)
{
    json_decref(data);
}


void
proctor_document_close(proctor_document_t *doc)
{
    json_decref(doc->told);
    doc->told = NULL;
}


static void
proctor_document_tell(void *data, const char *pointer, const char *reason)
{
    char *fault;
    proctor_document_t *doc = data;

    fault = proctor_arena_printf(doc->arena, "%s: %s", pointer, reason);

    if (fault != NULL && json_object_get(doc->told, fault) != NULL) {
        return;
    }

    if (fault != NULL) {
        json_object_set_new(doc->told, fault, json_true());
    }

    proctor_report(doc->outer, pointer, "%s", reason);
}


const char *
proctor_document_pointer(proctor_document_t *doc, const proctor_where_t *at)
{
    char *pointer;

    pointer = proctor_arena_alloc(
        doc->arena, proctor_document_measure(at) + sizeof("\0"));
    if (pointer == NULL) {
        return "";
    }

    *proctor_document_render(at, pointer) = '\0';

    return pointer;
}


static size_t
proctor_document_measure(const proctor_where_t *at)
{
    size_t size;

    size = 0;

    for (; at != NULL; at = at->parent) {
        size += at->name != NULL ? 1 + 2 * strlen(at->name)
                                 : sizeof("/18446744073709551615");
    }

    return size;
}


static char *
proctor_document_render(const proctor_where_t *at, char *dst)
{
    const char *p;

    if (at->parent == NULL) {
        return stpcpy(dst, at->name);
    }

    dst = proctor_document_render(at->parent, dst);
    *dst++ = '/';

    if (at->name == NULL) {
        return dst + sprintf(dst, "%zu", at->index);
    }

    for (p = at->name; *p != '\0'; p++) {
        if (*p == '~' || *p == '/') {
            *dst++ = '~';
            *dst++ = *p == '~' ? '0' : '1';
            continue;
        }

        *dst++ = *p;
    }

    return dst;
}


void *
proctor_document_alloc(
    proctor_document_t *doc, const proctor_where_t *at, size_t size)
{
    void *p;

    p = proctor_arena_calloc(doc->arena, size);
    if (p == NULL) {
        proctor_document_fault(doc, at, "does not fit into memory");
    }

    return p;
}


void
proctor_document_object(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, const proctor_member_t *members, void *out)
{
    json_t *found;
    proctor_where_t where = { at, NULL, 0 };
    const proctor_member_t *m;

    if (!json_is_object(value)) {
        proctor_document_fault(doc, at, "must be an object");
        return;
    }

    proctor_document_unknown(doc, value, at, members);

    for (m = members; m->name != NULL; m++) {
        found = json_object_get(value, m->name);

        if (found != NULL) {
            where.name = m->name;
            m->read(doc, found, &where, (char *) out + m->offset);

        } else if (m->required) {
            proctor_document_fault(doc, at, "lacks \"%s\"", m->name);
        }
    }
}


static void
proctor_document_unknown(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, const proctor_member_t *members)
{
    json_t *found;
    const char *name;
    proctor_where_t where = { at, NULL, 0 };
    const proctor_member_t *m;

    json_object_foreach(value, name, found)
    {
        m = members;

        while (m->name != NULL && strcmp(m->name, name) != 0) {
            m++;
        }

        if (m->name == NULL) {
            where.name = name;
            proctor_document_fault(doc, &where, "is not understood");
        }
    }
}


void
proctor_document_map(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, proctor_document_pt read, void *out)
{
    json_t *found;
    const char *name;
    proctor_where_t where = { at, NULL, 0 };

    if (!json_is_object(value)) {
        proctor_document_fault(doc, at, "must be an object");
        return;
    }

    json_object_foreach(value, name, found)
    {
        where.name = name;
        read(doc, found, &where, out);
    }
}


void
proctor_document_array(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, proctor_document_pt read, void *out)
{
    json_t *item;
    proctor_where_t where = { at, NULL, 0 };

    if (!json_is_array(value)) {
        proctor_document_fault(doc, at, "must be an array");
        return;
    }

    json_array_foreach(value, where.index, item)
    {
        read(doc, item, &where, out);
    }
}


const proctor_schema_t *
proctor_document_schema(proctor_document_t *doc, const proctor_where_t *at)
{
    const proctor_schema_t *schema;

    schema =
        proctor_schema_compile(doc->schemas, proctor_document_pointer(doc, at));

    /* without a fault, NULL would read as a rule that nobody made */
    if (schema == NULL && doc->report.count == 0) {
        proctor_document_fault(doc, at, "does not fit into memory");
    }

    return schema;
}


void
proctor_document_any(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    (void) doc;
    (void) value;
    (void) at;
    (void) out;
}


void
proctor_document_text(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    (void) out;

    if (!json_is_string(value)) {
        proctor_document_fault(doc, at, "must be a string");
    }
}


void
proctor_document_string(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_str_t *s = out;

    if (!json_is_string(value) || json_string_length(value) == 0) {
        proctor_document_fault(doc, at, "must be a string that is not empty");
        return;
    }

    s->data = json_string_value(value);
    s->len = json_string_length(value);
}


void
proctor_document_name(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    proctor_str_t *s = out;

    if (!json_is_string(value)
        || !proctor_document_is_name(
            json_string_value(value), json_string_length(value))) {
        proctor_document_fault(doc, at, PROCTOR_NAME_RULE);
        return;
    }

    s->data = json_string_value(value);
    s->len = json_string_length(value);
}


int
proctor_document_is_name(const char *s, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\') {
            return 0;
        }
    }

    return len > 0 && len <= PROCTOR_NAME_MAX;
}


void
proctor_document_flag(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    int dropped;

    (void) out;

    proctor_document_boolean(doc, value, at, &dropped);
}


void
proctor_document_boolean(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out)
{
    int *flag = out;

    if (!json_is_boolean(value)) {
        proctor_document_fault(doc, at, "must be true or false");
        return;
    }

    *flag = json_is_true(value);
}
