/*
 * The beginning of a wanted member's value: scheme and authority of an absolute
 * http or https URL make room for our origin.
 *
 * Parsers of URLs disagree, and a link must lead to us by all of them.  So the
 * most generous reading decides what is absolute (the WHATWG's, which browsers
 * and node follow: white space, backslashes, any number of slashes), and what
 * is put in its place leaves no room: right after our origin the text goes on
 * with "/", "?" or "#", or ends.
 *
 * What may be a URL is held until it is known to be one (url); then our origin
 * is emitted and bytes are dropped up to the authority's end (authority).
 */

#include <string.h>

#include "proctor_links_place.h"


#define PROCTOR_LINKS_SCHEME "https"
#define PROCTOR_LINKS_SLASH  16 /* of `matched`: one slash, and no scheme */


typedef enum {
    PROCTOR_LINKS_UNDECIDED = 0,
    PROCTOR_LINKS_ABSOLUTE,
    PROCTOR_LINKS_OTHER
} proctor_links_verdict_e;


static proctor_links_verdict_e proctor_links_match(
    proctor_links_t *l, int code);
static int proctor_links_hold(proctor_links_t *l, char c);
static const char *proctor_links_release(
    proctor_links_t *l, proctor_links_state_e state, const char *p);
static int proctor_links_ends_authority(proctor_links_t *l, int code);
static const char *proctor_links_resume(
    proctor_links_t *l, int code, const char *p);
static void proctor_links_emit_origin(proctor_links_t *l);
static int proctor_links_is_slash(int code);
static int proctor_links_is_dropped(int code);


const char *
proctor_links_url(proctor_links_t *l, const char *p, const char *last)
{
    int code, rc;
    proctor_links_verdict_e verdict;

    for (/* void */; p < last; p++) {
        if (*p == '"' && l->nescape == 0) {
            return proctor_links_release(l, PROCTOR_LINKS_STRING, p);
        }

        rc = proctor_links_decode(l, *p, &code);

        if (rc == -1) {
            return proctor_links_release(l, PROCTOR_LINKS_PASS, p);
        }

        if (rc == 0) {
            continue;
        }

        verdict = proctor_links_match(l, code);

        if (verdict == PROCTOR_LINKS_OTHER) {
            return proctor_links_release(
                l, PROCTOR_LINKS_STRING, p + (l->nescape != 0));
        }

        if (proctor_links_hold(l, *p) != PROCTOR_OK) {
            return last;
        }

        if (verdict == PROCTOR_LINKS_ABSOLUTE) {
            proctor_links_emit_origin(l);
            l->state = PROCTOR_LINKS_AUTHORITY;
            l->matched = 0;
            return p + 1;
        }
    }

    return p;
}


static proctor_links_verdict_e
proctor_links_match(proctor_links_t *l, int code)
{
    size_t len;

    len = sizeof(PROCTOR_LINKS_SCHEME) - 1;

    if (proctor_links_is_dropped(code) || (code <= ' ' && l->matched == 0)) {
        return PROCTOR_LINKS_UNDECIDED;
    }

    if (l->matched == PROCTOR_LINKS_SLASH) {
        return proctor_links_is_slash(code) ? PROCTOR_LINKS_ABSOLUTE
                                            : PROCTOR_LINKS_OTHER;
    }

    if (l->matched == 0 && proctor_links_is_slash(code)) {
        l->matched = PROCTOR_LINKS_SLASH;
        return PROCTOR_LINKS_UNDECIDED;
    }

    if (code == ':' && l->matched >= len - 1) {
        return PROCTOR_LINKS_ABSOLUTE;
    }

    if (l->matched < len && (code | 0x20) == PROCTOR_LINKS_SCHEME[l->matched]) {
        l->matched++;
        return PROCTOR_LINKS_UNDECIDED;
    }

    return PROCTOR_LINKS_OTHER;
}


/* c: the character, or the last byte of its escape */

static int
proctor_links_hold(proctor_links_t *l, char c)
{
    if (l->nescape == 0) {
        l->escape[l->nescape++] = c;
    }

    if (l->nheld + l->nescape > PROCTOR_LINKS_HELD) {
        l->rc = PROCTOR_INVALID;
        return l->rc;
    }

    memcpy(l->held + l->nheld, l->escape, l->nescape);
    l->nheld += l->nescape;
    l->nescape = 0;

    return PROCTOR_OK;
}


/* The value is no URL of interest: from p on it is a string like any other. */

static const char *
proctor_links_release(
    proctor_links_t *l, proctor_links_state_e state, const char *p)
{
    proctor_links_emit(l, l->held, l->nheld);
    proctor_links_emit(l, l->escape, l->nescape);

    l->nescape = 0;
    l->state = state;
    l->span = p;

    return p;
}


/*
 * The slashes before the authority are all dropped, as browsers do; so is a bad
 * escape sequence, lest its bytes lengthen our host's name.
 */

const char *
proctor_links_authority(proctor_links_t *l, const char *p, const char *last)
{
    int code, rc;

    while (p < last) {
        if (*p == '"' && l->nescape == 0) {
            return proctor_links_resume(l, '"', p);
        }

        if (++l->nheld > PROCTOR_LINKS_HELD) {
            l->rc = PROCTOR_INVALID;
            return last;
        }

        rc = proctor_links_decode(l, *p, &code);

        if (rc == -1) {
            /* the byte that broke a "\u" is not part of it */
            p += (l->escape[1] != 'u');
            l->nescape = 0;
            continue;
        }

        if (rc == 1) {
            if (proctor_links_ends_authority(l, code)) {
                return proctor_links_resume(l, code, p);
            }

            l->nescape = 0;
        }

        p++;
    }

    return p;
}


static int
proctor_links_ends_authority(proctor_links_t *l, int code)
{
    if (code == '?' || code == '#') {
        return 1;
    }

    if (proctor_links_is_slash(code)) {
        return l->matched != 0;
    }

    l->matched |= !proctor_links_is_dropped(code);

    return 0;
}


/* The authority is over: what follows it is kept. */

static const char *
proctor_links_resume(proctor_links_t *l, int code, const char *p)
{
    if (l->nescape == 0 && code != '\\') {
        l->span = p;

    } else {
        if (code == '\\') {
            proctor_links_emit(l, "/", 1);

        } else {
            proctor_links_emit(l, l->escape, l->nescape);
        }

        l->span = p + 1;
    }

    l->nescape = 0;
    l->state = PROCTOR_LINKS_STRING;

    return l->span;
}


static void
proctor_links_emit_origin(proctor_links_t *l)
{
    char buf[256];
    size_t done, n, used;

    for (done = 0; done < l->origin.len; done += used) {
        n = proctor_escape_json(buf, sizeof(buf), l->origin.data + done,
            l->origin.len - done, &used);
        proctor_links_emit(l, buf, n);
    }
}


static int
proctor_links_is_slash(int code)
{
    return code == '/' || code == '\\';
}


/* wherever it stands in a URL */

static int
proctor_links_is_dropped(int code)
{
    return code == '\t' || code == '\n' || code == '\r';
}
