/*
 * A parameter's text becomes a value by its schema.  Queries, paths and
 * headers know only text; a contract says that one is an integer.  Called by
 * the input step; allocates nothing.
 */

#include "proctor.h"

#include <string.h>


static size_t proctor_param_digits(const char *p, size_t len);
static int proctor_param_integer(const proctor_str_t *text);
static int proctor_param_number(const proctor_str_t *text);


proctor_json_type_e
proctor_param_type(const proctor_schema_t *schema, const proctor_str_t *text,
    const char **fault)
{
    *fault = NULL;

    switch (proctor_schema_type(schema)) {
    case PROCTOR_JSON_NUMBER:
        if (proctor_schema_is_integer(schema)) {
            if (!proctor_param_integer(text)) {
                *fault = "must be a plain decimal integer";
            }

        } else if (!proctor_param_number(text)) {
            *fault = "must be a number";
        }

        return PROCTOR_JSON_NUMBER;

    case PROCTOR_JSON_TRUE:
        if (text->len == 4 && memcmp(text->data, "true", 4) == 0) {
            return PROCTOR_JSON_TRUE;
        }

        if (text->len != 5 || memcmp(text->data, "false", 5) != 0) {
            *fault = "must be true or false";
        }

        return PROCTOR_JSON_FALSE;

    default:
        return PROCTOR_JSON_STRING;
    }
}


static size_t
proctor_param_digits(const char *p, size_t len)
{
    size_t i;

    for (i = 0; i < len && p[i] >= '0' && p[i] <= '9'; i++) {
        /* void */
    }

    return i;
}


/* -?(0|[1-9][0-9]*) */

static int
proctor_param_integer(const proctor_str_t *text)
{
    size_t len;
    const char *p;

    p = text->data;
    len = text->len;

    if (len != 0 && *p == '-') {
        p++;
        len--;
    }

    if (len == 0 || (len > 1 && *p == '0')) {
        return 0;
    }

    return proctor_param_digits(p, len) == len;
}


/* an integer, then a fraction: what RFC 8259 allows, but for the exponent */

static int
proctor_param_number(const proctor_str_t *text)
{
    size_t fraction;
    const char *dot;
    proctor_str_t whole;

    dot = memchr(text->data, '.', text->len);
    if (dot == NULL) {
        return proctor_param_integer(text);
    }

    whole.data = text->data;
    whole.len = (size_t) (dot - text->data);

    fraction = text->len - whole.len - 1;

    return proctor_param_integer(&whole) && fraction != 0
           && proctor_param_digits(dot + 1, fraction) == fraction;
}
