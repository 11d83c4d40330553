/*
 * Gives absolute URLs in a streamed JSON answer our origin.
 *
 * Only string values of the named top-level members are touched, and of them
 * only scheme and authority (with user information and port): what a URL
 * parser of today's clients takes for absolute http or https is replaced by
 * `origin`, JSON-escaped.  That is also "//host", "http:\\\\host\\path", any
 * number of slashes (none too) after the scheme, and spaces before it.  A
 * backslash that ends the authority becomes a slash, since parsers disagree
 * on what follows it.  Every other byte of the text passes as it came; a text
 * that is no JSON object passes whole.
 *
 * Nothing is buffered but the scheme: `emit` gets long spans of the input, and
 * short ones that are gone when it returns.  No allocation, no cleanup.
 */

#ifndef PROCTOR_LINKS_H_INCLUDED
#define PROCTOR_LINKS_H_INCLUDED

#include "proctor_json.h"


#define PROCTOR_LINKS_HELD                                                     \
    1024 /* bytes of one URL's scheme and authority, as they stand in the text;
            a longer member name matches nothing */

/* PROCTOR_OK or PROCTOR_ERROR; len is never 0 */
typedef int (*proctor_links_emit_pt)(void *data, const char *bytes, size_t len);

typedef struct proctor_links_s {
    proctor_links_emit_pt emit;
    void *data;
    const proctor_str_t *names; /* borrowed, as is origin's text */
    unsigned nnames;
    proctor_str_t origin;
    int rc;         /* the first failure stays */
    unsigned state; /* proctor_links_state_e */
    proctor_skip_t skip;
    int wanted;         /* the member's name is one of `names` */
    int misfit;         /* the member's name can be none of `names` */
    unsigned matched;   /* how far a URL's beginning has been recognised */
    unsigned surrogate; /* a high one, waiting for its low one; 0: none */
    const char *span;   /* input not yet emitted; within one feed */
    size_t nescape;
    size_t nheld;
    char escape[6]; /* an escape sequence as far as it has come */
    char held[PROCTOR_LINKS_HELD]; /* the name, decoded, or the start of a
                                      value that may be a URL, as it came */
} proctor_links_t;

/* proctor_links.c */

/* origin: "https://gw.example", without a slash at its end */
void proctor_links_init(proctor_links_t *l, const proctor_str_t *names,
    unsigned nnames, const proctor_str_t *origin, proctor_links_emit_pt emit,
    void *data);
/*
 * Any split of the text gives the same bytes.  OK; INVALID: a URL's scheme and
 * authority are longer than PROCTOR_LINKS_HELD, the text cannot go on;
 * ERROR: emit failed.  After a failure every call returns it again.
 */
int proctor_links_feed(proctor_links_t *l, const char *bytes, size_t len);
/* emits what is still held: the text ended inside a URL's beginning */
int proctor_links_end(proctor_links_t *l);

#endif /* PROCTOR_LINKS_H_INCLUDED */
