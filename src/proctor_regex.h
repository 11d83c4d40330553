/*
 * ECMA-262 patterns on PCRE2, with a bound on their work.
 */

#ifndef PROCTOR_REGEX_H_INCLUDED
#define PROCTOR_REGEX_H_INCLUDED

#include "proctor_base.h"


/* proctor_regex.c */

typedef struct proctor_regex_s proctor_regex_t;

typedef struct { /* zeroed: nothing is created before the first match */
    void *data;
    void *context;
    void *stack;    /* JIT's, once its own is too small */
    uint32_t spent; /* callouts that the last match made */
} proctor_regex_run_t;

/* NULL: *error (arena's) says why, or is NULL when memory ran out */
proctor_regex_t *proctor_regex_compile(proctor_arena_t *arena,
    const char *pattern, size_t len, const char **error);
/* 1 or 0; -1: out of memory */
int proctor_regex_match(const proctor_regex_t *regex, proctor_regex_run_t *run,
    const char *s, size_t len);
void proctor_regex_run_free(proctor_regex_run_t *run);
/* 1 when the text is an ECMA-262 pattern */
int proctor_regex_valid(const char *pattern, size_t len);


/* proctor_regex_class.c: "^[...]+$" as a table of bytes */

typedef struct {
    unsigned char has[256];
} proctor_regex_class_t;

/* 1: the pattern is of this form, and class holds it */
int proctor_regex_class_compile(
    proctor_regex_class_t *class, const char *pattern, size_t len);
int proctor_regex_class_match(
    const proctor_regex_class_t *class, const char *s, size_t len);


/* proctor_regex_translate.c */

#define PROCTOR_REGEX_LEN 16384 /* of a pattern, bytes */

/* OK; INVALID: *error (a constant phrase) says why; ERROR */
int proctor_regex_translate(proctor_arena_t *arena, const char *pattern,
    size_t len, proctor_str_t *text, const char **error);


/* proctor_regex_property.c */

/* PCRE2's name of a general category's long name; NULL: it has no other */
const char *proctor_regex_property_name(const char *name, size_t len);

#endif /* PROCTOR_REGEX_H_INCLUDED */
