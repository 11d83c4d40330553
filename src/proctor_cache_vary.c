/*
 * Whether a stored answer is one to this request, too (RFC 9111, 4.1).
 *
 * One variant is kept of each answer: the header fields that its Vary names,
 * and those that the contract declares as parameters, have to be what they
 * were.  They are compared as they reach the upstream, byte by byte: what else
 * may mean the same is known to who defines the field, not to us.
 */

#include <string.h>

#include "proctor_cache.h"


static int proctor_cache_vary_add(proctor_cache_field_t *fields, unsigned *n,
    const proctor_str_t *name, proctor_cache_header_pt header, void *data);
static int proctor_cache_vary_same(
    const proctor_str_t *one, const proctor_str_t *two);


int
proctor_cache_vary_fields(const proctor_cache_answer_t *answer,
    const proctor_operation_t *operation, proctor_cache_header_pt header,
    void *data, proctor_cache_field_t *fields)
{
    int rc;
    unsigned i, n;

    n = 0;
    rc = PROCTOR_OK;

    for (i = 0; i < answer->nvary && rc == PROCTOR_OK; i++) {
        rc = proctor_cache_vary_add(fields, &n, &answer->vary[i], header, data);
    }

    for (i = 0; i < operation->nparams && rc == PROCTOR_OK; i++) {
        if (operation->params[i].in == PROCTOR_IN_HEADER) {
            rc = proctor_cache_vary_add(
                fields, &n, &operation->params[i].name, header, data);
        }
    }

    return (rc == PROCTOR_OK) ? (int) n : PROCTOR_ERROR;
}


static int
proctor_cache_vary_add(proctor_cache_field_t *fields, unsigned *n,
    const proctor_str_t *name, proctor_cache_header_pt header, void *data)
{
    unsigned i;

    for (i = 0; i < *n; i++) {
        if (fields[i].name.len == name->len
            && memcmp(fields[i].name.data, name->data, name->len) == 0) {
            return PROCTOR_OK;
        }
    }

    fields[*n].name = *name;
    fields[*n].value.data = NULL;
    fields[*n].value.len = 0;

    return header(data, name, &fields[(*n)++].value);
}


int
proctor_cache_vary_match(const proctor_cache_entry_t *entry,
    proctor_cache_header_pt header, void *data)
{
    proctor_str_t value;
    proctor_cache_field_t field;
    proctor_cache_fields_t it;

    it = entry->vary;

    while (proctor_cache_fields_next(&it, &field)) {
        value.data = NULL;
        value.len = 0;

        if (header(data, &field.name, &value) != PROCTOR_OK) {
            return PROCTOR_ERROR;
        }

        if (!proctor_cache_vary_same(&value, &field.value)) {
            return 0;
        }
    }

    return 1;
}


/* an empty field is none that is absent */

static int
proctor_cache_vary_same(const proctor_str_t *one, const proctor_str_t *two)
{
    if (one->data == NULL || two->data == NULL) {
        return one->data == two->data;
    }

    return one->len == two->len && memcmp(one->data, two->data, one->len) == 0;
}
