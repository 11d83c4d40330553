/*
 * What the files of the schema engine share: the compiled schema and the state
 * of a compilation.  proctor_schema_check.h has what only checks share.  Nobody
 * else includes either.
 *
 * A compiled schema lives in its set's arena and is never written after
 * compilation, so that threads may share it.
 */

#ifndef PROCTOR_SCHEMA_H_INCLUDED
#define PROCTOR_SCHEMA_H_INCLUDED

#include "proctor.h"
#include "proctor_format.h"
#include "proctor_json_tape.h"
#include "proctor_regex.h"

#include <string.h>


/* JSON types as bits; a fraction-less number also has the INTEGER bit */

#define PROCTOR_SCHEMA_BIT(type) (1u << (type))
#define PROCTOR_SCHEMA_INTEGER   0x80
#define PROCTOR_SCHEMA_BOOLEAN                                                 \
    (PROCTOR_SCHEMA_BIT(PROCTOR_JSON_FALSE)                                    \
        | PROCTOR_SCHEMA_BIT(PROCTOR_JSON_TRUE))
#define PROCTOR_SCHEMA_ANY_TYPE 0xff

/* in proctor_schema_t.applies, beside the bits of the JSON types */
#define PROCTOR_SCHEMA_LOGIC 0x80

#define PROCTOR_SCHEMA_MARKS   256 /* names that one object's rules count */
#define PROCTOR_SCHEMA_NESTING 256 /* of schemas in schemas and $refs */


/* proctor_schema_number.c: JSON numbers as the exact decimals they are */

typedef struct {
    const char *digits; /* from the first significant digit to the last, with
                           the point between them, if any */
    uint32_t ndigits;   /* without the point; 0: the number is zero */
    uint32_t small;     /* 1: an integer literal of at most 18 digits */
    int64_t value;      /* when small */
    int64_t exponent;   /* of ten, of the last digit */
    int negative;
} proctor_schema_number_t;

void proctor_schema_number_parse(
    proctor_schema_number_t *n, const char *text, size_t len);
/* the shortest literal that reads back as this jansson number */
int proctor_schema_number_from(
    proctor_arena_t *arena, json_t *value, proctor_str_t *text);
int proctor_schema_number_compare(
    const proctor_schema_number_t *a, const proctor_schema_number_t *b);
int proctor_schema_number_is_integer(const proctor_schema_number_t *n);
/* 1 when a is a multiple of b, which has at most 19 digits and is not 0 */
int proctor_schema_number_is_multiple(
    const proctor_schema_number_t *a, const proctor_schema_number_t *b);
/* equal numbers have equal hashes, however they are written */
uint64_t proctor_schema_number_hash(
    const proctor_schema_number_t *n, uint64_t seed);


/* The compiled schema */

typedef enum {
    PROCTOR_SCHEMA_MINIMUM = 0,
    PROCTOR_SCHEMA_EXCLUSIVE_MINIMUM,
    PROCTOR_SCHEMA_MAXIMUM,
    PROCTOR_SCHEMA_EXCLUSIVE_MAXIMUM,
    PROCTOR_SCHEMA_MULTIPLE,
    PROCTOR_SCHEMA_BOUNDS
} proctor_schema_bound_e;

typedef enum {
    PROCTOR_SCHEMA_MIN_LENGTH = 0,
    PROCTOR_SCHEMA_MAX_LENGTH,
    PROCTOR_SCHEMA_MIN_ITEMS,
    PROCTOR_SCHEMA_MAX_ITEMS,
    PROCTOR_SCHEMA_MIN_PROPERTIES,
    PROCTOR_SCHEMA_MAX_PROPERTIES,
    PROCTOR_SCHEMA_MIN_CONTAINS,
    PROCTOR_SCHEMA_MAX_CONTAINS,
    PROCTOR_SCHEMA_LIMITS
} proctor_schema_limit_e;

typedef enum {
    PROCTOR_SCHEMA_REF = 0,
    PROCTOR_SCHEMA_NOT,
    PROCTOR_SCHEMA_IF,
    PROCTOR_SCHEMA_THEN,
    PROCTOR_SCHEMA_ELSE,
    PROCTOR_SCHEMA_ITEMS,
    PROCTOR_SCHEMA_CONTAINS,
    PROCTOR_SCHEMA_ADDITIONAL,
    PROCTOR_SCHEMA_NAMES,
    PROCTOR_SCHEMA_CONTENT,
    PROCTOR_SCHEMA_SUBS
} proctor_schema_sub_e;

typedef enum {
    PROCTOR_SCHEMA_ALL = 0,
    PROCTOR_SCHEMA_ANY,
    PROCTOR_SCHEMA_ONE,
    PROCTOR_SCHEMA_PREFIX,
    PROCTOR_SCHEMA_LISTS
} proctor_schema_list_e;

typedef struct {
    proctor_schema_t **schemas;
    uint32_t count;
} proctor_schema_list_t;

/* enum or const; the values are the items of an array */
typedef struct {
    proctor_json_t doc;
    const char *phrase; /* "must be one of: a, b" */
} proctor_schema_values_t;

/* a name that an object's rules speak of */
typedef struct {
    proctor_str_t name; /* data NULL: a free slot */
    uint32_t hash;
    int32_t mark; /* bit to set when it is present; -1: none */
    proctor_schema_t *schema;
} proctor_schema_member_t;

typedef struct {
    proctor_schema_member_t *slots; /* open addressing, never over half full */
    uint32_t mask;
    uint32_t used;
    uint64_t hashes;      /* proctor_schema_member_bit() of each name */
    proctor_str_t *marks; /* the name of each mark */
    uint32_t nmarks;
    uint64_t required[PROCTOR_SCHEMA_MARKS / 64];
} proctor_schema_members_t;

typedef struct {
    proctor_regex_t *regex;
    proctor_schema_t *schema;
} proctor_schema_pattern_t;

/* dependentRequired, dependentSchemas: what one member's presence asks for */
typedef struct proctor_schema_dependent_s proctor_schema_dependent_t;

struct proctor_schema_dependent_s {
    uint32_t mark;
    uint32_t *needs; /* marks */
    uint32_t nneeds;
    proctor_schema_t *schema; /* NULL: none */
    proctor_schema_dependent_t *next;
};

/* In the order in which a check asks: the first cache lines are all that it
   touches of most schemas, and it touches many. */

struct proctor_schema_s {
    uint8_t passes;  /* of the types, those that no other rule is about */
    uint8_t types;   /* allowed, as bits; 0: any */
    uint8_t applies; /* bits of the types that have rules of their own, and
                        PROCTOR_SCHEMA_LOGIC */
    uint8_t whole;   /* `never`, or `values` of either kind */
    uint8_t never;   /* the schema `false` */
    uint8_t unique;
    uint8_t named;  /* its rules are about members in `members` only */
    uint8_t faulty; /* something in it was reported */
    uint8_t visit;  /* of the search for endless references */
    uint32_t npatterns;
    const char *error;                 /* x-proctor */
    proctor_schema_members_t *members; /* NULL: no rule speaks of names */
    proctor_schema_dependent_t *dependents;
    const proctor_schema_values_t *values[2]; /* enum, const */
    const proctor_regex_t *pattern;
    int64_t limits[PROCTOR_SCHEMA_LIMITS]; /* -1: none */
    proctor_schema_list_t lists[PROCTOR_SCHEMA_LISTS];
    proctor_schema_t *subs[PROCTOR_SCHEMA_SUBS];
    const proctor_format_t *format;
    const proctor_schema_number_t *bounds[PROCTOR_SCHEMA_BOUNDS];

    /* from here on what only few have, or what is said of a violation */

    proctor_schema_pattern_t *patterns;
    proctor_schema_number_t range[2]; /* of a NUMBER format */
    const char *type_phrase;
    const char *bound_texts[PROCTOR_SCHEMA_BOUNDS];
    const char *pattern_text;
    proctor_str_t *fields;
    uint32_t nfields;
    const char *pointer;    /* in the document */
    proctor_schema_t *next; /* compiled before it */
};


/* proctor_schema.c: the state of a compilation */

typedef struct proctor_schema_resource_s proctor_schema_resource_t;
typedef struct proctor_schema_anchor_s proctor_schema_anchor_t;

typedef struct {
    json_t *json;
    proctor_schema_t *schema;
} proctor_schema_slot_t;

struct proctor_schema_set_s {
    proctor_arena_t *arena;
    json_t *document;
    unsigned options;
    proctor_report_t *report;
    unsigned depth;
    proctor_schema_slot_t *slots; /* compiled schemas by their json_t */
    size_t nslots;
    size_t used;
    proctor_schema_t *last;    /* compiled; a list by `next` */
    proctor_schema_t *visited; /* from here on no endless references */
    proctor_schema_resource_t *resources; /* $id, and the document itself */
};

/* one schema object being compiled */
typedef struct {
    proctor_schema_set_t *set;
    proctor_schema_t *schema;
    json_t *object;
    const char *pointer;
} proctor_schema_build_t;

/* never NULL but when memory ran out (reported); faults mark it faulty */
proctor_schema_t *proctor_schema_compile_at(
    proctor_schema_set_t *set, json_t *json, const char *pointer);
/* "pointer/name", escaped; NULL: out of memory (reported) */
char *proctor_schema_pointer(
    proctor_schema_set_t *set, const char *pointer, const char *name);
/* reports at the keyword of the schema being compiled; INVALID */
int proctor_schema_fault(proctor_schema_build_t *b, const char *keyword,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* reports it; ERROR */
int proctor_schema_no_memory(proctor_schema_set_t *set);
/* 1: a string without NUL, as jansson has an object's names */
int proctor_schema_is_name(const json_t *json);


/* proctor_schema_keyword.c: every keyword there is */

typedef enum { /* where a keyword's value holds schemas */
    PROCTOR_SCHEMA_IN_NONE = 0,
    PROCTOR_SCHEMA_IN_VALUE,
    PROCTOR_SCHEMA_IN_ARRAY,
    PROCTOR_SCHEMA_IN_MAP
} proctor_schema_in_e;

typedef enum { /* what a keyword's value must be */
    PROCTOR_SCHEMA_FORM_ANY = 0,
    PROCTOR_SCHEMA_FORM_STRING,
    PROCTOR_SCHEMA_FORM_NUMBER,
    PROCTOR_SCHEMA_FORM_BOOLEAN,
    PROCTOR_SCHEMA_FORM_ARRAY,
    PROCTOR_SCHEMA_FORM_SCHEMAS, /* an array with an item */
    PROCTOR_SCHEMA_FORM_OBJECT
} proctor_schema_form_e;

typedef struct proctor_schema_keyword_s proctor_schema_keyword_t;

/* OK; INVALID: reported; ERROR: out of memory, reported */
typedef int (*proctor_schema_keyword_pt)(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);

struct proctor_schema_keyword_s {
    const char *name;
    proctor_schema_keyword_pt compile; /* NULL: refused by name */
    int which;                         /* bound, limit, sub or list */
    uint8_t value;                     /* proctor_schema_form_e */
    uint8_t applies;                   /* to proctor_schema_t.applies */
    uint8_t in;                        /* proctor_schema_in_e */
};

const proctor_schema_keyword_t *proctor_schema_keyword_find(const char *name);
/* the value's form, then the keyword itself */
int proctor_schema_keyword_compile(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);


/* proctor_schema_sub.c: the keywords that hold schemas */

int proctor_schema_compile_sub(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
int proctor_schema_compile_list(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
int proctor_schema_compile_defs(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);


/* proctor_schema_assert.c: the keywords that look at one value as a whole */

int proctor_schema_compile_type(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
int proctor_schema_compile_bound(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
int proctor_schema_compile_limit(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
int proctor_schema_compile_unique(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
int proctor_schema_compile_pattern(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
int proctor_schema_compile_format(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);


/* proctor_schema_enum.c: the values that enum and const allow */

int proctor_schema_compile_enum(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
int proctor_schema_compile_const(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);


/* proctor_schema_value.c: values of the tape, compared and hashed */

typedef struct {
    const proctor_json_t *doc;
    uint32_t node;
} proctor_schema_value_t;

/* 1 or 0 as JSON Schema says; takes its work off *steps, below 0: 0 */
int proctor_schema_value_equal(const proctor_schema_value_t *a,
    const proctor_schema_value_t *b, int64_t *steps);
/* 1: an array without two equal items, 0, or PROCTOR_ERROR */
int proctor_schema_value_unique(
    const proctor_schema_value_t *array, int64_t *steps);
/* code points of a string node */
size_t proctor_schema_value_length(const proctor_json_node_t *node);
/* decodes a string node into dst[node->len]; the length */
size_t proctor_schema_value_decode(const proctor_json_node_t *node, char *dst);


/* proctor_schema_member.c: what an object's rules say of names */

proctor_schema_member_t *proctor_schema_member_add(
    proctor_schema_build_t *b, const char *name);
/* the member's mark, made when it has none; -1: reported */
int proctor_schema_member_mark(
    proctor_schema_build_t *b, const char *keyword, const char *name);
/* the slot that holds the name, or the free one where it would be; hash:
   proctor_json_key_hash() of the name, as a key's node holds it */
static inline proctor_schema_member_t *
proctor_schema_member_slot(const proctor_schema_members_t *members,
    const proctor_str_t *name, uint32_t hash)
{
    uint32_t i;
    proctor_schema_member_t *slot;

    for (i = hash & members->mask;; i = (i + 1) & members->mask) {
        slot = &members->slots[i];

        if (slot->name.data == NULL
            || (slot->hash == hash && slot->name.len == name->len
                && proctor_json_same(slot->name.data, name->data, name->len))) {
            return slot;
        }
    }
}
/* other bits of the hash than choose the slot of a small table */
static inline uint64_t
proctor_schema_member_bit(uint32_t hash)
{
    return UINT64_C(1) << (hash >> 26);
}
int proctor_schema_compile_properties(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
int proctor_schema_compile_patterns(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
int proctor_schema_compile_required(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
int proctor_schema_compile_dependent_required(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);
int proctor_schema_compile_dependent_schemas(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);


/* proctor_schema_ref.c: $id, $anchor, $ref */

/* learns the $id and $anchor of the schema at `pointer` and all inside it */
int proctor_schema_ref_scan(
    proctor_schema_set_t *set, json_t *json, const char *pointer);
int proctor_schema_ref_compile(proctor_schema_build_t *b,
    const proctor_schema_keyword_t *keyword, json_t *value);


/* proctor_schema_link.c */

/* makes checks quick for the schemas from this one on by `next`, to `until` */
void proctor_schema_link(
    proctor_schema_t *schema, const proctor_schema_t *until);
/* the schema itself, or the one that it does nothing but refer to */
proctor_schema_t *proctor_schema_link_target(proctor_schema_t *schema);


/* proctor_schema_cycle.c */

/* reports references that lead back to themselves on the same value */
void proctor_schema_cycles(proctor_schema_set_t *set);

#endif /* PROCTOR_SCHEMA_H_INCLUDED */
