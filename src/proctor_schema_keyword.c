/*
 * Every keyword of JSON Schema 2020-12 that there is, in one table: what its
 * value must be, who compiles it, to which JSON types it applies and where its
 * value holds further schemas.
 *
 * What is not in the table is reported as unknown, what has no function as not
 * supported.  Below the table stand the keywords that check nothing, and our own;
 * the others are in the file that their function's name starts with, or in
 * proctor_schema_assert.c and proctor_schema_sub.c.
 */

#include "proctor_schema.h"

#include <string.h>


#define NUMBERS PROCTOR_SCHEMA_BIT(PROCTOR_JSON_NUMBER)
#define STRINGS PROCTOR_SCHEMA_BIT(PROCTOR_JSON_STRING)
#define ARRAYS  PROCTOR_SCHEMA_BIT(PROCTOR_JSON_ARRAY)
#define OBJECTS PROCTOR_SCHEMA_BIT(PROCTOR_JSON_OBJECT)
#define LOGIC   PROCTOR_SCHEMA_LOGIC

#define ANY     PROCTOR_SCHEMA_FORM_ANY
#define STRING  PROCTOR_SCHEMA_FORM_STRING
#define NUMBER  PROCTOR_SCHEMA_FORM_NUMBER
#define BOOLEAN PROCTOR_SCHEMA_FORM_BOOLEAN
#define ARRAY   PROCTOR_SCHEMA_FORM_ARRAY
#define SCHEMAS PROCTOR_SCHEMA_FORM_SCHEMAS
#define OBJECT  PROCTOR_SCHEMA_FORM_OBJECT

#define IN_VALUE PROCTOR_SCHEMA_IN_VALUE
#define IN_ARRAY PROCTOR_SCHEMA_IN_ARRAY
#define IN_MAP   PROCTOR_SCHEMA_IN_MAP


static int proctor_schema_keyword_form(
    const proctor_schema_keyword_t *keyword, json_t *value);
static int proctor_schema_keyword_note(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
static int proctor_schema_keyword_schema(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
static int proctor_schema_keyword_anchor(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
static int proctor_schema_keyword_id(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
static int proctor_schema_keyword_proctor(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
static int proctor_schema_keyword_fields(
    proctor_schema_build_t *b, const char *keyword, json_t *value);


/* clang-format off */

static const proctor_schema_keyword_t proctor_schema_keywords[] = {

    /* any value */
    { "type", proctor_schema_compile_type, 0, ANY, 0, 0 },
    { "enum", proctor_schema_compile_enum, 0, ARRAY, 0, 0 },
    { "const", proctor_schema_compile_const, 1, ANY, 0, 0 },

    /* numbers */
    { "minimum", proctor_schema_compile_bound,
      PROCTOR_SCHEMA_MINIMUM, NUMBER, NUMBERS, 0 },
    { "exclusiveMinimum", proctor_schema_compile_bound,
      PROCTOR_SCHEMA_EXCLUSIVE_MINIMUM, NUMBER, NUMBERS, 0 },
    { "maximum", proctor_schema_compile_bound,
      PROCTOR_SCHEMA_MAXIMUM, NUMBER, NUMBERS, 0 },
    { "exclusiveMaximum", proctor_schema_compile_bound,
      PROCTOR_SCHEMA_EXCLUSIVE_MAXIMUM, NUMBER, NUMBERS, 0 },
    { "multipleOf", proctor_schema_compile_bound,
      PROCTOR_SCHEMA_MULTIPLE, NUMBER, NUMBERS, 0 },

    /* strings */
    { "minLength", proctor_schema_compile_limit,
      PROCTOR_SCHEMA_MIN_LENGTH, NUMBER, STRINGS, 0 },
    { "maxLength", proctor_schema_compile_limit,
      PROCTOR_SCHEMA_MAX_LENGTH, NUMBER, STRINGS, 0 },
    { "pattern", proctor_schema_compile_pattern, 0, STRING, STRINGS, 0 },
    { "format", proctor_schema_compile_format,
      0, STRING, STRINGS | NUMBERS, 0 },
    { "contentEncoding", proctor_schema_keyword_note, 0, STRING, 0, 0 },
    { "contentMediaType", proctor_schema_keyword_note, 0, STRING, 0, 0 },
    { "contentSchema", proctor_schema_compile_sub,
      PROCTOR_SCHEMA_CONTENT, ANY, 0, IN_VALUE },

    /* arrays */
    { "minItems", proctor_schema_compile_limit,
      PROCTOR_SCHEMA_MIN_ITEMS, NUMBER, ARRAYS, 0 },
    { "maxItems", proctor_schema_compile_limit,
      PROCTOR_SCHEMA_MAX_ITEMS, NUMBER, ARRAYS, 0 },
    { "uniqueItems", proctor_schema_compile_unique, 0, BOOLEAN, ARRAYS, 0 },
    { "prefixItems", proctor_schema_compile_list,
      PROCTOR_SCHEMA_PREFIX, SCHEMAS, ARRAYS, IN_ARRAY },
    { "items", proctor_schema_compile_sub,
      PROCTOR_SCHEMA_ITEMS, ANY, ARRAYS, IN_VALUE },
    { "contains", proctor_schema_compile_sub,
      PROCTOR_SCHEMA_CONTAINS, ANY, ARRAYS, IN_VALUE },
    { "minContains", proctor_schema_compile_limit,
      PROCTOR_SCHEMA_MIN_CONTAINS, NUMBER, ARRAYS, 0 },
    { "maxContains", proctor_schema_compile_limit,
      PROCTOR_SCHEMA_MAX_CONTAINS, NUMBER, ARRAYS, 0 },

    /* objects */
    { "minProperties", proctor_schema_compile_limit,
      PROCTOR_SCHEMA_MIN_PROPERTIES, NUMBER, OBJECTS, 0 },
    { "maxProperties", proctor_schema_compile_limit,
      PROCTOR_SCHEMA_MAX_PROPERTIES, NUMBER, OBJECTS, 0 },
    { "required", proctor_schema_compile_required, 0, ARRAY, OBJECTS, 0 },
    { "properties", proctor_schema_compile_properties,
      0, OBJECT, OBJECTS, IN_MAP },
    { "patternProperties", proctor_schema_compile_patterns,
      0, OBJECT, OBJECTS, IN_MAP },
    { "additionalProperties", proctor_schema_compile_sub,
      PROCTOR_SCHEMA_ADDITIONAL, ANY, OBJECTS, IN_VALUE },
    { "propertyNames", proctor_schema_compile_sub,
      PROCTOR_SCHEMA_NAMES, ANY, OBJECTS, IN_VALUE },
    { "dependentRequired", proctor_schema_compile_dependent_required,
      0, OBJECT, OBJECTS, 0 },
    { "dependentSchemas", proctor_schema_compile_dependent_schemas,
      0, OBJECT, OBJECTS, IN_MAP },

    /* schemas on the same value */
    { "$ref", proctor_schema_ref_compile,
      PROCTOR_SCHEMA_REF, STRING, LOGIC, 0 },
    { "allOf", proctor_schema_compile_list,
      PROCTOR_SCHEMA_ALL, SCHEMAS, LOGIC, IN_ARRAY },
    { "anyOf", proctor_schema_compile_list,
      PROCTOR_SCHEMA_ANY, SCHEMAS, LOGIC, IN_ARRAY },
    { "oneOf", proctor_schema_compile_list,
      PROCTOR_SCHEMA_ONE, SCHEMAS, LOGIC, IN_ARRAY },
    { "not", proctor_schema_compile_sub,
      PROCTOR_SCHEMA_NOT, ANY, LOGIC, IN_VALUE },
    { "if", proctor_schema_compile_sub,
      PROCTOR_SCHEMA_IF, ANY, LOGIC, IN_VALUE },
    { "then", proctor_schema_compile_sub,
      PROCTOR_SCHEMA_THEN, ANY, LOGIC, IN_VALUE },
    { "else", proctor_schema_compile_sub,
      PROCTOR_SCHEMA_ELSE, ANY, LOGIC, IN_VALUE },

    /* names of schemas */
    { "$schema", proctor_schema_keyword_schema, 0, STRING, 0, 0 },
    { "$id", proctor_schema_keyword_id, 0, STRING, 0, 0 },
    { "$anchor", proctor_schema_keyword_anchor, 0, STRING, 0, 0 },
    { "$defs", proctor_schema_compile_defs, 0, OBJECT, 0, IN_MAP },

    /* for readers */
    { "$comment", proctor_schema_keyword_note, 0, STRING, 0, 0 },
    { "title", proctor_schema_keyword_note, 0, STRING, 0, 0 },
    { "description", proctor_schema_keyword_note, 0, STRING, 0, 0 },
    { "default", proctor_schema_keyword_note, 0, ANY, 0, 0 },
    { "examples", proctor_schema_keyword_note, 0, ARRAY, 0, 0 },
    { "example", proctor_schema_keyword_note, 0, ANY, 0, 0 },
    { "deprecated", proctor_schema_keyword_note, 0, BOOLEAN, 0, 0 },
    { "readOnly", proctor_schema_keyword_note, 0, BOOLEAN, 0, 0 },
    { "writeOnly", proctor_schema_keyword_note, 0, BOOLEAN, 0, 0 },
    { "externalDocs", proctor_schema_keyword_note, 0, OBJECT, 0, 0 },

    { "x-proctor", proctor_schema_keyword_proctor, 0, OBJECT, 0, 0 },

    /* refused by name */
    { "unevaluatedItems", NULL, 0, 0, 0, IN_VALUE },
    { "unevaluatedProperties", NULL, 0, 0, 0, IN_VALUE },
    { "$dynamicRef", NULL, 0, 0, 0, 0 },
    { "$dynamicAnchor", NULL, 0, 0, 0, 0 },
    { "$recursiveRef", NULL, 0, 0, 0, 0 },
    { "$recursiveAnchor", NULL, 0, 0, 0, 0 },
    { "$vocabulary", NULL, 0, 0, 0, 0 },
    { "discriminator", NULL, 0, 0, 0, 0 },
    { "xml", NULL, 0, 0, 0, 0 },

    { NULL, NULL, 0, 0, 0, 0 }
};

/* clang-format on */


/* "maximum must be <this>" */

static const char *const proctor_schema_forms[] = {
    [PROCTOR_SCHEMA_FORM_ANY] = "anything",
    [PROCTOR_SCHEMA_FORM_STRING] = "a string",
    [PROCTOR_SCHEMA_FORM_NUMBER] = "a number",
    [PROCTOR_SCHEMA_FORM_BOOLEAN] = "a boolean",
    [PROCTOR_SCHEMA_FORM_ARRAY] = "an array",
    [PROCTOR_SCHEMA_FORM_SCHEMAS] = "an array with at least one schema",
    [PROCTOR_SCHEMA_FORM_OBJECT] = "an object",
};


const proctor_schema_keyword_t *
proctor_schema_keyword_find(const char *name)
{
    const proctor_schema_keyword_t *keyword;

    for (keyword = proctor_schema_keywords; keyword->name != NULL; keyword++) {
        if (strcmp(keyword->name, name) == 0) {
            return keyword;
        }
    }

    return NULL;
}


int
proctor_schema_keyword_compile(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    if (keyword->compile == NULL) {
        return proctor_schema_fault(
            b, keyword->name, "%s is not supported", keyword->name);
    }

    if (!proctor_schema_keyword_form(keyword, value)) {
        return proctor_schema_fault(b, keyword->name, "%s must be %s",
            keyword->name, proctor_schema_forms[keyword->value]);
    }

    b->schema->applies |= keyword->applies;

    return keyword->compile(b, keyword, value);
}


static int
proctor_schema_keyword_form(
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    switch ((proctor_schema_form_e) keyword->value) {

    case PROCTOR_SCHEMA_FORM_ANY:
        return 1;

    case PROCTOR_SCHEMA_FORM_STRING:
        return json_is_string(value);

    case PROCTOR_SCHEMA_FORM_NUMBER:
        return json_is_number(value);

    case PROCTOR_SCHEMA_FORM_BOOLEAN:
        return json_is_boolean(value);

    case PROCTOR_SCHEMA_FORM_ARRAY:
        return json_is_array(value);

    case PROCTOR_SCHEMA_FORM_SCHEMAS:
        return json_array_size(value) != 0;

    case PROCTOR_SCHEMA_FORM_OBJECT:
        return json_is_object(value);
    }

    return 0;
}


static int
proctor_schema_keyword_note(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    (void) b;
    (void) keyword;
    (void) value;

    return PROCTOR_OK;
}


static int
proctor_schema_keyword_schema(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    static const char draft[] = "https://json-schema.org/draft/2020-12/schema";
    const char *s;

    s = json_string_value(value);

    if (strncmp(s, draft, sizeof(draft) - 1) == 0
        && (s[sizeof(draft) - 1] == '\0'
            || strcmp(s + sizeof(draft) - 1, "#") == 0)) {
        return PROCTOR_OK;
    }

    return proctor_schema_fault(
        b, keyword->name, "$schema other than %s is not supported", draft);
}


/* what it is good for was learned by proctor_schema_ref_scan() */
static int
proctor_schema_keyword_id(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    const char *s, *fragment;

    s = json_string_value(value);
    fragment = strchr(s, '#');

    if (!proctor_format_uri_reference(s, json_string_length(value))
        || (fragment != NULL && fragment[1] != '\0')) {
        return proctor_schema_fault(
            b, keyword->name, "$id must be a URI reference without a fragment");
    }

    return PROCTOR_OK;
}


static int
proctor_schema_keyword_anchor(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-.0123456789";
    const char *s;

    s = json_string_value(value);

    if (!proctor_schema_is_name(value) || s[0] == '\0'
        || strspn(s, letters) != strlen(s)
        || strchr("-.0123456789", s[0]) != NULL) {
        return proctor_schema_fault(b, keyword->name,
            "$anchor must start with a letter or _ and go on with letters, "
            "digits, -, _ and .");
    }

    return PROCTOR_OK;
}


static int
proctor_schema_keyword_proctor(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value)
{
    json_t *error, *fields;
    const char *name;

    json_object_foreach(value, name, fields)
    {
        if (strcmp(name, "error") != 0 && strcmp(name, "fields") != 0) {
            return proctor_schema_fault(b, keyword->name,
                "x-proctor of a schema has no member %s", name);
        }
    }

    error = json_object_get(value, "error");
    fields = json_object_get(value, "fields");

    if (!proctor_schema_is_name(error) || json_string_length(error) == 0) {
        return proctor_schema_fault(
            b, keyword->name, "x-proctor of a schema needs error, a sentence");
    }

    b->schema->error = json_string_value(error);

    return fields == NULL
               ? PROCTOR_OK
               : proctor_schema_keyword_fields(b, keyword->name, fields);
}


static int
proctor_schema_keyword_fields(
    proctor_schema_build_t *b, const char *keyword, json_t *value)
{
    size_t i;
    json_t *name;
    proctor_str_t *fields;

    fields = proctor_arena_alloc(
        b->set->arena, (json_array_size(value) + 1) * sizeof(*fields));

    if (fields == NULL) {
        return proctor_schema_no_memory(b->set);
    }

    b->schema->fields = fields;

    if (json_array_size(value) == 0) {
        return proctor_schema_fault(
            b, keyword, "fields must be an array with at least one name");
    }

    json_array_foreach(value, i, name)
    {
        if (!proctor_schema_is_name(name)) {
            return proctor_schema_fault(
                b, keyword, "fields must be an array of names");
        }

        fields[i].data = json_string_value(name);
        fields[i].len = json_string_length(name);
        b->schema->nfields++;
    }

    return PROCTOR_OK;
}
