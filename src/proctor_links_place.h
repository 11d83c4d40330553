/*
 * proctor_links.c, proctor_links_name.c and proctor_links_url.c among
 * themselves: the places of a text, and who reads the bytes there.
 */

#ifndef PROCTOR_LINKS_PLACE_H_INCLUDED
#define PROCTOR_LINKS_PLACE_H_INCLUDED

#include "proctor_links.h"


typedef enum {
    PROCTOR_LINKS_START = 0,
    PROCTOR_LINKS_KEY,
    PROCTOR_LINKS_NAME,
    PROCTOR_LINKS_COLON,
    PROCTOR_LINKS_VALUE,
    PROCTOR_LINKS_URL,
    PROCTOR_LINKS_AUTHORITY,
    PROCTOR_LINKS_STRING,
    PROCTOR_LINKS_NESTED,
    PROCTOR_LINKS_AFTER,
    PROCTOR_LINKS_PASS
} proctor_links_state_e;


/*
 * A state's reader consumes at least one byte, or changes the state, and
 * returns where it stands.
 */

/* proctor_links.c */

/* does nothing after a failure, or without bytes */
void proctor_links_emit(proctor_links_t *l, const char *bytes, size_t len);


/* proctor_links_name.c: a top-level member's name, and strings' escapes */

const char *proctor_links_name(
    proctor_links_t *l, const char *p, const char *last);
/*
 * Takes a byte of a string.  1: *code is a character or, when l->nescape is 0,
 * a byte of one; the caller zeroes nescape.  0: an escape sequence goes on.
 * -1: a bad one, after which nobody knows where the string ends.
 */
int proctor_links_decode(proctor_links_t *l, char c, int *code);


/* proctor_links_url.c: the beginning of a value that may be an absolute URL */

const char *proctor_links_url(
    proctor_links_t *l, const char *p, const char *last);
const char *proctor_links_authority(
    proctor_links_t *l, const char *p, const char *last);

#endif /* PROCTOR_LINKS_PLACE_H_INCLUDED */
