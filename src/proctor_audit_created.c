/*
 * What an operation has created, by the id in its answer: "id", or "id" inside
 * of "details".
 *
 * The text is what came with the answer's header, perhaps not all of it, and is
 * no more than looked at: members are passed over until the one that is wanted,
 * and nothing behind it is read.  Of two members of one name the first counts.
 */

#include <string.h>

#include "proctor.h"
#include "proctor_json.h"


static const char *proctor_audit_created_member(
    const char *p, const char *last, const proctor_str_t *name);
static const char *proctor_audit_created_behind(
    const char *p, const char *last, char c);
static const char *proctor_audit_created_past(const char *p, const char *last);
static const char *proctor_audit_created_string(
    const char *p, const char *last);
static const char *proctor_audit_created_space(const char *p, const char *last);


int
proctor_audit_created(const char *text, size_t len, proctor_str_t *id)
{
    const char *p, *end, *last;

    static const proctor_str_t name = proctor_str("id");
    static const proctor_str_t details = proctor_str("details");

    last = text + len;
    p = proctor_audit_created_member(text, last, &name);

    if (p == NULL) {
        p = proctor_audit_created_member(text, last, &details);
        p = (p == NULL) ? NULL : proctor_audit_created_member(p, last, &name);
    }

    if (p == NULL || *p != '"') {
        return PROCTOR_INVALID;
    }

    end = proctor_audit_created_string(++p, last);

    if (end == NULL || memchr(p, '\\', (size_t) (end - 1 - p)) != NULL) {
        return PROCTOR_INVALID;
    }

    id->data = p;
    id->len = (size_t) (end - 1 - p);

    return PROCTOR_OK;
}


/* the first byte of the member's value; NULL: no such member, or no object */

static const char *
proctor_audit_created_member(
    const char *p, const char *last, const proctor_str_t *name)
{
    const char *key, *end;

    p = proctor_audit_created_behind(p, last, '{');

    while (p != NULL && p < last && *p == '"') {
        key = p + 1;
        end = proctor_audit_created_string(key, last);
        p = (end == NULL) ? NULL : proctor_audit_created_behind(end, last, ':');

        if (p == NULL || p == last) {
            return NULL;
        }

        if ((size_t) (end - 1 - key) == name->len
            && memcmp(key, name->data, name->len) == 0) {
            return p;
        }

        p = proctor_audit_created_past(p, last);
        p = (p == NULL) ? NULL : proctor_audit_created_behind(p, last, ',');
    }

    return NULL;
}


/* behind this byte and the space around it; NULL: it is not there */

static const char *
proctor_audit_created_behind(const char *p, const char *last, char c)
{
    p = proctor_audit_created_space(p, last);

    return (p < last && *p == c) ? proctor_audit_created_space(p + 1, last)
                                 : NULL;
}


/* behind a value; NULL: it does not end here */

static const char *
proctor_audit_created_past(const char *p, const char *last)
{
    proctor_skip_t skip;

    switch (*p) {
    case '"':
        return proctor_audit_created_string(p + 1, last);

    case '{':
    case '[':
        memset(&skip, 0, sizeof(proctor_skip_t));
        return proctor_skip_nested(&skip, p, last);

    default:
        while (p < last && *p != ',' && *p != '}') {
            p++;
        }

        return p;
    }
}


/* behind the closing quote; most strings are short and have no escapes */

static const char *
proctor_audit_created_string(const char *p, const char *last)
{
    const char *quote;
    proctor_skip_t skip;

    quote = memchr(p, '"', (size_t) (last - p));

    if (quote == NULL || memchr(p, '\\', (size_t) (quote - p)) == NULL) {
        return (quote == NULL) ? NULL : quote + 1;
    }

    memset(&skip, 0, sizeof(proctor_skip_t));

    return proctor_skip_string(&skip, p, last);
}


static const char *
proctor_audit_created_space(const char *p, const char *last)
{
    while (p < last && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
    }

    return p;
}
