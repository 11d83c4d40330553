/*
 * What `format` asserts of strings and numbers.
 */

#ifndef PROCTOR_FORMAT_H_INCLUDED
#define PROCTOR_FORMAT_H_INCLUDED

#include "proctor_base.h"


/* proctor_format.c */

typedef enum {
    PROCTOR_FORMAT_STRING = 0,
    PROCTOR_FORMAT_NUMBER,
    PROCTOR_FORMAT_NOTE, /* an annotation: never asserted */
    PROCTOR_FORMAT_REFUSED
} proctor_format_kind_e;

typedef struct {
    const char *name;
    proctor_format_kind_e kind;
    const char *phrase;                     /* "must be a date" */
    int (*fits)(const char *s, size_t len); /* STRING */
    const char *low;                        /* NUMBER */
    const char *high;
} proctor_format_t;

/* NULL: no format of this name */
const proctor_format_t *proctor_format_find(const char *name);
int proctor_format_ipv4(const char *s, size_t len);
int proctor_format_ipv6(const char *s, size_t len);


/* proctor_format_time.c */

int proctor_format_date_time(const char *s, size_t len);
int proctor_format_date(const char *s, size_t len);
int proctor_format_time(const char *s, size_t len);
int proctor_format_duration(const char *s, size_t len);


/* proctor_uri.c: RFC 3986 */

int proctor_format_uri(const char *s, size_t len);
int proctor_format_uri_reference(const char *s, size_t len);
/* `reference` resolved against `base` (5.2); NULL: out of memory */
char *proctor_uri_resolve(
    proctor_arena_t *arena, const char *base, const char *reference);

#endif /* PROCTOR_FORMAT_H_INCLUDED */
