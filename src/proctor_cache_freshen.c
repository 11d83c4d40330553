/*
 * A stored answer that its upstream said is still good: its header, brought up
 * to date (RFC 9111, 3.2 and 4.3.4).
 *
 * Called with the lines of a 304.  A field that the 304 has replaces all stored
 * ones of its name, except for those that describe the stored bytes: they
 * have not changed.  Nothing is copied.
 */

#include <string.h>
#include <strings.h>

#include "proctor_cache.h"


static int proctor_cache_is_of_body(const proctor_str_t *name);
static int proctor_cache_freshens(
    const proctor_cache_answer_t *answer, const proctor_cache_field_t *field);
static int proctor_cache_is_freshened(const proctor_cache_answer_t *answer,
    const proctor_cache_field_t *fields, unsigned nfields,
    const proctor_str_t *name);


int
proctor_cache_freshen(const proctor_cache_entry_t *stored,
    const proctor_cache_answer_t *answer, const proctor_cache_field_t *fields,
    unsigned nfields, proctor_cache_field_t *out, unsigned size)
{
    unsigned i, n;
    proctor_cache_field_t field;
    proctor_cache_fields_t it;

    n = 0;
    it = stored->fields;

    while (proctor_cache_fields_next(&it, &field)) {
        if (proctor_cache_is_freshened(answer, fields, nfields, &field.name)) {
            continue;
        }

        if (n == size) {
            return -1;
        }

        out[n++] = field;
    }

    for (i = 0; i < nfields; i++) {
        if (!proctor_cache_freshens(answer, &fields[i])) {
            continue;
        }

        if (n == size) {
            return -1;
        }

        out[n++] = fields[i];
    }

    return (int) n;
}


static int
proctor_cache_is_freshened(const proctor_cache_answer_t *answer,
    const proctor_cache_field_t *fields, unsigned nfields,
    const proctor_str_t *name)
{
    unsigned i;

    for (i = 0; i < nfields; i++) {
        if (fields[i].name.len == name->len
            && strncasecmp(fields[i].name.data, name->data, name->len) == 0
            && proctor_cache_freshens(answer, &fields[i])) {
            return 1;
        }
    }

    return 0;
}


static int
proctor_cache_freshens(
    const proctor_cache_answer_t *answer, const proctor_cache_field_t *field)
{
    return proctor_cache_answer_keeps(answer, &field->name)
           && !proctor_cache_is_of_body(&field->name);
}


static int
proctor_cache_is_of_body(const proctor_str_t *name)
{
    size_t i;
    static const proctor_str_t names[] = { proctor_str("content-length"),
        proctor_str("content-encoding"), proctor_str("content-range"),
        proctor_str("content-md5"), proctor_str("etag") };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].len == name->len
            && strncasecmp(names[i].data, name->data, name->len) == 0) {
            return 1;
        }
    }

    return 0;
}
