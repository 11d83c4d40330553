/*
 * The keywords that look at one value as a whole: its type, bounds, lengths, pattern and format.
 *
 * Compilers only, called through the table in proctor_schema_keyword.c once
 * the value's form is known to be right; proctor_schema_check.c applies what
 * they leave in the compiled schema.
 */

#include "proctor_schema.h"

#include <string.h>


typedef struct {
    const char *name;
    uint8_t bits;
    const char *phrase;
} proctor_schema_type_name_t;


static const proctor_schema_type_name_t *proctor_schema_type_find(
    const json_t *name);


static const proctor_schema_type_name_t proctor_schema_type_names[] = {
    { "null", PROCTOR_SCHEMA_BIT(PROCTOR_JSON_NULL), "null" },
    { "boolean", PROCTOR_SCHEMA_BOOLEAN, "a boolean" },
    { "integer", PROCTOR_SCHEMA_INTEGER, "an integer" },
    { "number", PROCTOR_SCHEMA_BIT(PROCTOR_JSON_NUMBER), "a number" },
    { "string", PROCTOR_SCHEMA_BIT(PROCTOR_JSON_STRING), "a string" },
    { "array", PROCTOR_SCHEMA_BIT(PROCTOR_JSON_ARRAY), "an array" },
    { "object", PROCTOR_SCHEMA_BIT(PROCTOR_JSON_OBJECT), "an object" },
};


int
proctor_schema_compile_type(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    size_t i, n;
    json_t *name;
    const char *phrase, *separator;
    const proctor_schema_type_name_t *type;

    n = json_is_array(value) ? json_array_size(value) : 1;
    phrase = "must be";

    for (i = 0; i < n; i++) {
        name = json_is_array(value) ? json_array_get(value, i) : value;
        type = proctor_schema_type_find(name);

        if (type == NULL) {
            break;
        }

        separator = (i == 0) ? " " : (i == n - 1) ? " or " : ", ";
        b->schema->types |= type->bits;
        phrase = proctor_arena_printf(
            b->set->arena, "%s%s%s", phrase, separator, type->phrase);

        if (phrase == NULL) {
            return proctor_schema_no_memory(b->set);
        }
    }

    if (n == 0 || i < n) {
        return proctor_schema_fault(b, keyword->name,
            "type must be null, boolean, integer, number, string, array, "
            "object, or an array of these");
    }

    b->schema->type_phrase = phrase;

    return PROCTOR_OK;
}


static const proctor_schema_type_name_t *
proctor_schema_type_find(const json_t *name)
{
    size_t i, n;

    n = sizeof(proctor_schema_type_names)
        / sizeof(proctor_schema_type_names[0]);

    for (i = 0; json_is_string(name) && i < n; i++) {
        if (strcmp(proctor_schema_type_names[i].name, json_string_value(name))
            == 0) {
            return &proctor_schema_type_names[i];
        }
    }

    return NULL;
}


int
proctor_schema_compile_bound(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    proctor_str_t text;
    proctor_schema_number_t *number;

    number = proctor_arena_alloc(b->set->arena, sizeof(*number));

    if (number == NULL
        || proctor_schema_number_from(b->set->arena, value, &text)
               != PROCTOR_OK) {
        return proctor_schema_no_memory(b->set);
    }

    proctor_schema_number_parse(number, text.data, text.len);

    if (keyword->which == PROCTOR_SCHEMA_MULTIPLE
        && (number->negative || number->ndigits == 0)) {
        return proctor_schema_fault(
            b, keyword->name, "%s must be greater than 0", keyword->name);
    }

    b->schema->bounds[keyword->which] = number;
    b->schema->bound_texts[keyword->which] = text.data;

    return PROCTOR_OK;
}


int
proctor_schema_compile_limit(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    double n;

    n = json_number_value(value);

    /* 2.0 is an integer; 1e300 is one that nothing can exceed */

    if (n < 0 || (n < 1e15 && n != (double) (int64_t) n)) {
        return proctor_schema_fault(b, keyword->name,
            "%s must be an integer that is not negative", keyword->name);
    }

    b->schema->limits[keyword->which] =
        (n < 1e15) ? (int64_t) n : INT64_C(1000000000000000);

    return PROCTOR_OK;
}


int
proctor_schema_compile_unique(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    (void) keyword;

    b->schema->unique = json_is_true(value);

    return PROCTOR_OK;
}


int
proctor_schema_compile_pattern(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    const char *error;

    b->schema->pattern_text = json_string_value(value);
    b->schema->pattern = proctor_regex_compile(b->set->arena,
        json_string_value(value), json_string_length(value), &error);

    if (b->schema->pattern != NULL) {
        return PROCTOR_OK;
    }

    if (error == NULL) {
        return proctor_schema_no_memory(b->set);
    }

    return proctor_schema_fault(b, keyword->name, "the pattern %s", error);
}


int
proctor_schema_compile_format(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    const proctor_format_t *format;

    if ((b->set->options & PROCTOR_SCHEMA_FORMAT) == 0) {
        return PROCTOR_OK;
    }

    format = proctor_format_find(json_string_value(value));

    if (format == NULL || format->kind == PROCTOR_FORMAT_REFUSED) {
        return proctor_schema_fault(b, keyword->name,
            "format %s is not supported", json_string_value(value));
    }

    b->schema->format = format;

    if (format->kind == PROCTOR_FORMAT_NUMBER) {
        proctor_schema_number_parse(
            &b->schema->range[0], format->low, strlen(format->low));
        proctor_schema_number_parse(
            &b->schema->range[1], format->high, strlen(format->high));
    }

    return PROCTOR_OK;
}
