/*
 * enum and const: the values that are allowed, on a tape of their own.
 *
 * jansson's values become JSON text and a tape again, so that a check compares
 * like with like.  Text and tape belong to the set's arena; the sentence that
 * names the values is written once, here.
 */

#include "proctor_schema.h"

#include <stdlib.h>
#include <string.h>


static const proctor_schema_values_t *proctor_schema_values_create(
    proctor_schema_set_t *set, json_t *array, int single);
static int proctor_schema_values_parse(
    proctor_schema_set_t *set, proctor_json_t *doc, json_t *array);
static char *proctor_schema_values_dump(json_t *array);
static const char *proctor_schema_values_phrase(
    proctor_schema_set_t *set, const proctor_json_t *doc, int single);
static void proctor_schema_values_cleanup(void *data);


int
proctor_schema_compile_enum(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    b->schema->whole = 1;
    b->schema->values[keyword->which] =
        proctor_schema_values_create(b->set, value, 0);

    return b->schema->values[keyword->which] == NULL ? PROCTOR_ERROR
                                                     : PROCTOR_OK;
}


int
proctor_schema_compile_const(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    json_t *array;

    array = json_pack("[O]", value);

    if (array == NULL) {
        return proctor_schema_no_memory(b->set);
    }

    b->schema->whole = 1;
    b->schema->values[keyword->which] =
        proctor_schema_values_create(b->set, array, 1);
    json_decref(array);

    return b->schema->values[keyword->which] == NULL ? PROCTOR_ERROR
                                                     : PROCTOR_OK;
}


static const proctor_schema_values_t *
proctor_schema_values_create(
    proctor_schema_set_t *set, json_t *array, int single)
{
    proctor_schema_values_t *values;

    values = proctor_arena_calloc(set->arena, sizeof(*values));

    if (values == NULL) {
        proctor_schema_no_memory(set);
        return NULL;
    }

    proctor_json_init(&values->doc);

    if (proctor_arena_cleanup(
            set->arena, proctor_schema_values_cleanup, &values->doc)
            != PROCTOR_OK
        || proctor_schema_values_parse(set, &values->doc, array)
               != PROCTOR_OK) {
        proctor_schema_no_memory(set);
        return NULL;
    }

    values->phrase = proctor_schema_values_phrase(set, &values->doc, single);

    if (values->phrase == NULL) {
        proctor_schema_no_memory(set);
        return NULL;
    }

    return values;
}


static int
proctor_schema_values_parse(
    proctor_schema_set_t *set, proctor_json_t *doc, json_t *array)
{
    size_t len;
    char *text, *copy;

    text = proctor_schema_values_dump(array);

    if (text == NULL) {
        return PROCTOR_ERROR;
    }

    len = strlen(text);
    copy = proctor_arena_strndup(set->arena, text, len);
    free(text);

    if (copy == NULL) {
        return PROCTOR_ERROR;
    }

    return proctor_json_parse(doc, copy, len);
}


/* with as few digits as read back as the same numbers: 0.1, not 0.1000..01 */
static char *
proctor_schema_values_dump(json_t *array)
{
    int same;
    char *text;
    json_t *back;
    size_t precision;

    for (precision = 15;; precision++) {
        text = json_dumps(array, JSON_COMPACT | JSON_REAL_PRECISION(precision));

        if (text == NULL || precision == 17) {
            return text;
        }

        back = json_loads(text, JSON_ALLOW_NUL, NULL);
        same = json_equal(array, back);
        json_decref(back);

        if (same) {
            return text;
        }

        free(text);
    }
}


static const char *
proctor_schema_values_phrase(
    proctor_schema_set_t *set, const proctor_json_t *doc, int single)
{
    int plain;
    char *phrase;
    uint32_t i;
    const char *text, *separator;
    const proctor_json_node_t *n;

    phrase = proctor_arena_strndup(set->arena,
        single ? "must be" : "must be one of:",
        single ? sizeof("must be") - 1 : sizeof("must be one of:") - 1);
    separator = " ";

    for (i = 1; phrase != NULL && i < doc->nnodes; i = n->next) {
        n = &doc->nodes[i];
        text = n->text;

        /* a word is shown as it is, anything else as JSON */

        plain = n->type == PROCTOR_JSON_STRING && n->len > 0
                && memchr(text, ',', n->len) == NULL
                && memchr(text, ' ', n->len) == NULL;

        if (n->type == PROCTOR_JSON_STRING && !plain) {
            phrase = proctor_arena_printf(set->arena, "%s%s\"%.*s\"", phrase,
                separator, (int) n->len, text);

        } else {
            phrase = proctor_arena_printf(
                set->arena, "%s%s%.*s", phrase, separator, (int) n->len, text);
        }

        separator = ", ";
    }

    return phrase;
}


static void
proctor_schema_values_cleanup(void *data)
{
    proctor_json_free(data);
}
