/*
 * Links in a list answer point to the upstream; a client that followed one
 * would bypass the gateway and show its gateway key to a stranger.  The
 * answer's body filter feeds every buffer through here and sends on what is
 * emitted.
 *
 * The top level of the text is read byte by byte, with one state for each
 * place in an object; what is inside a member's value, which is nearly all of
 * the text, is skipped:
 *
 *     { "count": 2, "next": "https://api.example/x?page=2", "results": [...] }
 *     ^ ^      ^ ^          ^        ^          ^                      ^
 *     | name   | after      url      authority  string                 nested
 *     start    colon, value
 *
 * What must hold: the output depends on the text alone, never on how it was
 * cut.  So whatever a decision needs is kept in the struct.  Bytes that no JSON
 * text has at the top level end all rewriting: the rest passes as it is.
 *
 * No memory but the caller's struct.
 */

#include <string.h>

#include "proctor_links_place.h"


typedef const char *(*proctor_links_pt)(
    proctor_links_t *l, const char *p, const char *last);


static const char *proctor_links_start(
    proctor_links_t *l, const char *p, const char *last);
static const char *proctor_links_key(
    proctor_links_t *l, const char *p, const char *last);
static const char *proctor_links_colon(
    proctor_links_t *l, const char *p, const char *last);
static const char *proctor_links_value(
    proctor_links_t *l, const char *p, const char *last);
static const char *proctor_links_string(
    proctor_links_t *l, const char *p, const char *last);
static const char *proctor_links_nested(
    proctor_links_t *l, const char *p, const char *last);
static const char *proctor_links_after(
    proctor_links_t *l, const char *p, const char *last);
static const char *proctor_links_pass(
    proctor_links_t *l, const char *p, const char *last);


static const proctor_links_pt proctor_links_states[] = {
    [PROCTOR_LINKS_START] = proctor_links_start,
    [PROCTOR_LINKS_KEY] = proctor_links_key,
    [PROCTOR_LINKS_NAME] = proctor_links_name,
    [PROCTOR_LINKS_COLON] = proctor_links_colon,
    [PROCTOR_LINKS_VALUE] = proctor_links_value,
    [PROCTOR_LINKS_URL] = proctor_links_url,
    [PROCTOR_LINKS_AUTHORITY] = proctor_links_authority,
    [PROCTOR_LINKS_STRING] = proctor_links_string,
    [PROCTOR_LINKS_NESTED] = proctor_links_nested,
    [PROCTOR_LINKS_AFTER] = proctor_links_after,
    [PROCTOR_LINKS_PASS] = proctor_links_pass,
};


void
proctor_links_init(proctor_links_t *l, const proctor_str_t *names,
    unsigned nnames, const proctor_str_t *origin, proctor_links_emit_pt emit,
    void *data)
{
    memset(l, 0, offsetof(proctor_links_t, held));

    l->names = names;
    l->nnames = nnames;
    l->origin = *origin;
    l->emit = emit;
    l->data = data;
}


void
proctor_links_emit(proctor_links_t *l, const char *bytes, size_t len)
{
    if (len == 0 || l->rc != PROCTOR_OK) {
        return;
    }

    if (l->emit(l->data, bytes, len) != PROCTOR_OK) {
        l->rc = PROCTOR_ERROR;
    }
}


int
proctor_links_feed(proctor_links_t *l, const char *bytes, size_t len)
{
    const char *p, *last;

    p = bytes;
    last = bytes + len;
    l->span = p;

    while (p < last && l->rc == PROCTOR_OK) {
        p = proctor_links_states[l->state](l, p, last);
    }

    if (l->state != PROCTOR_LINKS_URL && l->state != PROCTOR_LINKS_AUTHORITY) {
        proctor_links_emit(l, l->span, (size_t) (last - l->span));
    }

    return l->rc;
}


int
proctor_links_end(proctor_links_t *l)
{
    if (l->state == PROCTOR_LINKS_URL) {
        proctor_links_emit(l, l->held, l->nheld);
        proctor_links_emit(l, l->escape, l->nescape);
    }

    l->state = PROCTOR_LINKS_PASS;

    return l->rc;
}


static int
proctor_links_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}


static const char *
proctor_links_skip_space(const char *p, const char *last)
{
    while (p < last && proctor_links_is_space(*p)) {
        p++;
    }

    return p;
}


/* A byte order mark before the text is no JSON, but clients forgive it. */

static const char *
proctor_links_start(proctor_links_t *l, const char *p, const char *last)
{
    while (p < last
           && (proctor_links_is_space(*p) || *p == '\xef' || *p == '\xbb'
               || *p == '\xbf')) {
        p++;
    }

    if (p == last) {
        return p;
    }

    l->state = (*p == '{') ? PROCTOR_LINKS_KEY : PROCTOR_LINKS_PASS;

    return p + 1;
}


static const char *
proctor_links_key(proctor_links_t *l, const char *p, const char *last)
{
    p = proctor_links_skip_space(p, last);

    if (p == last) {
        return p;
    }

    if (*p != '"') {
        l->state = PROCTOR_LINKS_PASS;
        return p;
    }

    l->state = PROCTOR_LINKS_NAME;
    l->nheld = 0;
    l->misfit = 0;
    l->surrogate = 0;

    return p + 1;
}


static const char *
proctor_links_colon(proctor_links_t *l, const char *p, const char *last)
{
    p = proctor_links_skip_space(p, last);

    if (p == last) {
        return p;
    }

    l->state = (*p == ':') ? PROCTOR_LINKS_VALUE : PROCTOR_LINKS_PASS;

    return p + 1;
}


static const char *
proctor_links_value(proctor_links_t *l, const char *p, const char *last)
{
    p = proctor_links_skip_space(p, last);

    if (p == last) {
        return p;
    }

    memset(&l->skip, 0, sizeof(proctor_skip_t));

    if (*p == '{' || *p == '[') {
        l->state = PROCTOR_LINKS_NESTED;
        return p;
    }

    if (*p != '"') {
        l->state = PROCTOR_LINKS_AFTER;
        return p;
    }

    p++;

    if (!l->wanted) {
        l->state = PROCTOR_LINKS_STRING;
        return p;
    }

    proctor_links_emit(l, l->span, (size_t) (p - l->span));

    l->state = PROCTOR_LINKS_URL;
    l->nheld = 0;
    l->matched = 0;

    return p;
}


static const char *
proctor_links_skipped(proctor_links_t *l, const char *p, const char *last)
{
    if (p == NULL) {
        return last;
    }

    l->state = PROCTOR_LINKS_AFTER;

    return p;
}


static const char *
proctor_links_string(proctor_links_t *l, const char *p, const char *last)
{
    return proctor_links_skipped(
        l, proctor_skip_string(&l->skip, p, last), last);
}


static const char *
proctor_links_nested(proctor_links_t *l, const char *p, const char *last)
{
    return proctor_links_skipped(
        l, proctor_skip_nested(&l->skip, p, last), last);
}


/* Also steps over numbers, true, false and null. */

static const char *
proctor_links_after(proctor_links_t *l, const char *p, const char *last)
{
    while (p < last && memchr("\",:{}[]", *p, 7) == NULL) {
        p++;
    }

    if (p == last) {
        return p;
    }

    l->state = (*p == ',') ? PROCTOR_LINKS_KEY : PROCTOR_LINKS_PASS;

    return p + 1;
}


static const char *
proctor_links_pass(proctor_links_t *l, const char *p, const char *last)
{
    (void) l;
    (void) p;

    return last;
}
