/*
 * Violations: where, as a JSON Pointer, and what, as a phrase.
 *
 * A pointer is built from the path on the check's stack only when there is
 * something to record.  What was recorded lives in the caller's arena; the
 * same thing said twice, by two branches of an allOf, is recorded once.
 */

#include "proctor_schema_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>


static int proctor_schema_violation_record(proctor_schema_check_t *c,
    const proctor_schema_path_t *path, const proctor_str_t *name, int sentence,
    const char *message);
static const char *proctor_schema_violation_phrase(
    proctor_schema_check_t *c, const char *fmt, va_list args);
static char *proctor_schema_violation_pointer(proctor_schema_check_t *c,
    const proctor_schema_path_t *path, const proctor_str_t *name);
static size_t proctor_schema_violation_size(
    const proctor_schema_check_t *c, const proctor_schema_path_t *path);
static char *proctor_schema_violation_path(
    char *p, proctor_schema_check_t *c, const proctor_schema_path_t *path);
static char *proctor_schema_violation_token(char *p, const char *s, size_t len);


int
proctor_schema_violation(proctor_schema_check_t *c,
    const proctor_schema_path_t *path, const char *fmt, ...)
{
    va_list args;
    const char *message;

    if (c->out == NULL) {
        return PROCTOR_INVALID;
    }

    va_start(args, fmt);
    message = proctor_schema_violation_phrase(c, fmt, args);
    va_end(args);

    return proctor_schema_violation_record(c, path, NULL, 0, message);
}


int
proctor_schema_violation_member(proctor_schema_check_t *c,
    const proctor_schema_path_t *path, const proctor_str_t *name,
    const char *fmt, ...)
{
    va_list args;
    const char *message;

    if (c->out == NULL) {
        return PROCTOR_INVALID;
    }

    va_start(args, fmt);
    message = proctor_schema_violation_phrase(c, fmt, args);
    va_end(args);

    return proctor_schema_violation_record(c, path, name, 0, message);
}


int
proctor_schema_violation_limit(proctor_schema_check_t *c,
    const proctor_schema_t *s, proctor_schema_limit_e least, int64_t size,
    const proctor_schema_path_t *path)
{
    int64_t limit;

    static const char *const things[PROCTOR_SCHEMA_LIMITS] = {
        [PROCTOR_SCHEMA_MIN_LENGTH] = "character",
        [PROCTOR_SCHEMA_MIN_ITEMS] = "item",
        [PROCTOR_SCHEMA_MIN_PROPERTIES] = "member",
    };

    limit = s->limits[size < s->limits[least] ? least : least + 1];

    return proctor_schema_violation(c, path, "must have at %s %lld %s%s",
        size < limit ? "least" : "most", (long long) limit, things[least],
        limit == 1 ? "" : "s");
}


int
proctor_schema_violation_sentence(proctor_schema_check_t *c,
    const proctor_schema_t *s, const proctor_schema_path_t *path)
{
    int rc;
    uint32_t i;

    if (s->nfields == 0) {
        return proctor_schema_violation_record(c, path, NULL, 1, s->error);
    }

    for (rc = PROCTOR_INVALID, i = 0; rc == PROCTOR_INVALID && i < s->nfields;
         i++) {
        rc = proctor_schema_violation_record(
            c, path, &s->fields[i], 1, s->error);
    }

    return rc;
}


static int
proctor_schema_violation_record(proctor_schema_check_t *c,
    const proctor_schema_path_t *path, const proctor_str_t *name, int sentence,
    const char *message)
{
    char *pointer;
    const proctor_violation_t *v;

    if (c->out->count >= PROCTOR_VIOLATIONS_MAX) {
        c->out->count++;
        return PROCTOR_INVALID;
    }

    pointer = proctor_schema_violation_pointer(c, path, name);

    if (pointer == NULL || message == NULL) {
        return PROCTOR_ERROR;
    }

    for (v = c->out->first; v != NULL; v = v->next) {
        if (strcmp(v->pointer, pointer) == 0
            && strcmp(v->message, message) == 0) {
            return PROCTOR_INVALID;
        }
    }

    if (proctor_violations_add(c->out, pointer, sentence, "%s", message)
        != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    return PROCTOR_INVALID;
}


static const char *
proctor_schema_violation_phrase(
    proctor_schema_check_t *c, const char *fmt, va_list args)
{
    int len;
    char *message;
    va_list again;

    if (c->out->count >= PROCTOR_VIOLATIONS_MAX) {
        return "";
    }

    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);

    if (len < 0) {
        return NULL;
    }

    message = proctor_arena_alloc(c->out->arena, (size_t) len + 1);

    if (message != NULL) {
        (void) vsnprintf(message, (size_t) len + 1, fmt, args);
    }

    return message;
}


static char *
proctor_schema_violation_pointer(proctor_schema_check_t *c,
    const proctor_schema_path_t *path, const proctor_str_t *name)
{
    char *pointer, *p;
    size_t len;

    len = strlen(c->prefix) + proctor_schema_violation_size(c, path)
          + (name == NULL ? 0 : 3 * name->len + 1) + 1;
    pointer = proctor_arena_alloc(c->out->arena, len);

    if (pointer == NULL) {
        return NULL;
    }

    len = strlen(c->prefix);
    memcpy(pointer, c->prefix, len);
    p = proctor_schema_violation_path(pointer + len, c, path);

    if (name != NULL) {
        p = proctor_schema_violation_token(p, name->data, name->len);
    }

    *p = '\0';

    return pointer;
}


/* at most: a byte of a name can become three, an index has ten digits */
static size_t
proctor_schema_violation_size(
    const proctor_schema_check_t *c, const proctor_schema_path_t *path)
{
    size_t size;

    for (size = 0; path != NULL; path = path->parent) {
        size += (path->key != 0) ? 3 * (size_t) c->doc->nodes[path->key].len + 1
                                 : sizeof("/4294967295");
    }

    return size;
}


static char *
proctor_schema_violation_path(
    char *p, proctor_schema_check_t *c, const proctor_schema_path_t *path)
{
    proctor_str_t name;

    if (path == NULL) {
        return p;
    }

    p = proctor_schema_violation_path(p, c, path->parent);

    if (path->key == 0) {
        return p + sprintf(p, "/%u", path->index);
    }

    if (proctor_schema_check_string(c, path->key, &name) != PROCTOR_OK) {
        name.data = c->doc->nodes[path->key].text;
        name.len = c->doc->nodes[path->key].len;
    }

    return proctor_schema_violation_token(p, name.data, name.len);
}


static char *
proctor_schema_violation_token(char *p, const char *s, size_t len)
{
    *p++ = '/';

    for (; len > 0; len--, s++) {
        if (*s == '~' || *s == '/') {
            *p++ = '~';
            *p++ = (*s == '~') ? '0' : '1';

        } else if (*s == '\0') {
            memcpy(p, "\xef\xbf\xbd", 3); /* U+FFFD: a pointer ends at NUL */
            p += 3;

        } else {
            *p++ = *s;
        }
    }

    return p;
}


int
proctor_violations_add(proctor_violations_t *v, const char *pointer,
    int sentence, const char *fmt, ...)
{
    int len;
    va_list args;
    proctor_violation_t *violation;
    char *message;

    v->count++;

    if (v->count > PROCTOR_VIOLATIONS_MAX) {
        return PROCTOR_OK;
    }

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);

    violation = proctor_arena_calloc(v->arena, sizeof(*violation));
    message =
        (len < 0) ? NULL : proctor_arena_alloc(v->arena, (size_t) len + 1);

    if (violation == NULL || message == NULL) {
        return PROCTOR_ERROR;
    }

    va_start(args, fmt);
    (void) vsnprintf(message, (size_t) len + 1, fmt, args);
    va_end(args);

    violation->message = message;
    violation->sentence = sentence;
    violation->pointer =
        proctor_arena_strndup(v->arena, pointer, strlen(pointer));

    if (violation->pointer == NULL) {
        return PROCTOR_ERROR;
    }

    if (v->last == NULL) {
        v->first = violation;

    } else {
        v->last->next = violation;
    }

    v->last = violation;

    return PROCTOR_OK;
}
