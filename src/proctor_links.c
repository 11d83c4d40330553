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

#include "proctor.h"


#define PROCTOR_LINKS_SLASH  16 /* of `matched`: one slash, and no scheme */
#define PROCTOR_LINKS_SCHEME "https"


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

typedef enum {
    PROCTOR_LINKS_UNDECIDED = 0,
    PROCTOR_LINKS_ABSOLUTE,
    PROCTOR_LINKS_OTHER
} proctor_links_verdict_e;

/* consumes at least one byte, or changes the state; returns where it stands */
typedef const char *(*proctor_links_pt)(
    proctor_links_t *l, const char *p, const char *last);


static const char *proctor_links_start(
    proctor_links_t *l, const char *p, const char *last);
static const char *proctor_links_key(
    proctor_links_t *l, const char *p, const char *last);
static const char *proctor_links_name(
    proctor_links_t *l, const char *p, const char *last);
static const char *proctor_links_colon(
    proctor_links_t *l, const char *p, const char *last);
static const char *proctor_links_value(
    proctor_links_t *l, const char *p, const char *last);
static const char *proctor_links_url(
    proctor_links_t *l, const char *p, const char *last);
static const char *proctor_links_authority(
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


static void
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


static int
proctor_links_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}


/* what the complete escape sequence in l->escape stands for; -1: nothing */

static int
proctor_links_unescape(proctor_links_t *l)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";

    int code, i;
    const char *p;

    if (l->nescape == 2) {
        p = memchr(from, l->escape[1], sizeof(from) - 1);
        return (p != NULL) ? to[p - from] : -1;
    }

    code = 0;

    for (i = 2; i < 6; i++) {
        code = code << 4 | proctor_links_hex(l->escape[i]);
    }

    return code;
}


/*
 * Takes a byte of a string.  1: *code is a character (an escaped one) or a
 * byte of one; 0: an escape sequence goes on; -1: a bad escape sequence, after
 * which nobody knows where the string ends.
 */

static int
proctor_links_decode(proctor_links_t *l, char c, int *code)
{
    if (l->nescape == 0 && c != '\\') {
        *code = (unsigned char) c;
        return 1;
    }

    if (l->nescape >= 2 && proctor_links_hex(c) == -1) {
        return -1;
    }

    l->escape[l->nescape++] = c;

    if (l->nescape == 1 || (l->escape[1] == 'u' && l->nescape < 6)) {
        return 0;
    }

    *code = proctor_links_unescape(l);

    return (*code != -1) ? 1 : -1;
}


static void
proctor_links_name_add(proctor_links_t *l, unsigned code, int escaped)
{
    char *p;

    /* a surrogate without its other half is in no name of ours */

    if (l->nheld + 4 > PROCTOR_LINKS_HELD
        || (l->surrogate != 0) != (escaped && (code & 0xfc00) == 0xdc00)) {
        l->misfit = 1;
        return;
    }

    if (escaped && (code & 0xfc00) == 0xd800) {
        l->surrogate = code;
        return;
    }

    p = l->held + l->nheld;

    if (!escaped || code < 0x80) {
        *p++ = (char) code;

    } else if (code < 0x800) {
        *p++ = (char) (0xc0 | code >> 6);
        *p++ = (char) (0x80 | (code & 0x3f));

    } else if (l->surrogate == 0) {
        *p++ = (char) (0xe0 | code >> 12);
        *p++ = (char) (0x80 | (code >> 6 & 0x3f));
        *p++ = (char) (0x80 | (code & 0x3f));

    } else {
        code = 0x10000 + ((l->surrogate & 0x3ff) << 10 | (code & 0x3ff));
        *p++ = (char) (0xf0 | code >> 18);
        *p++ = (char) (0x80 | (code >> 12 & 0x3f));
        *p++ = (char) (0x80 | (code >> 6 & 0x3f));
        *p++ = (char) (0x80 | (code & 0x3f));
        l->surrogate = 0;
    }

    l->nheld = (size_t) (p - l->held);
}


static int
proctor_links_is_wanted(const proctor_links_t *l)
{
    unsigned i;

    if (l->misfit || l->surrogate != 0) {
        return 0;
    }

    for (i = 0; i < l->nnames; i++) {
        if (l->names[i].len == l->nheld
            && memcmp(l->names[i].data, l->held, l->nheld) == 0) {
            return 1;
        }
    }

    return 0;
}


static const char *
proctor_links_name(proctor_links_t *l, const char *p, const char *last)
{
    int code, rc;

    for (/* void */; p < last; p++) {
        if (*p == '"' && l->nescape == 0) {
            l->wanted = proctor_links_is_wanted(l);
            l->state = PROCTOR_LINKS_COLON;
            return p + 1;
        }

        rc = proctor_links_decode(l, *p, &code);

        if (rc == -1) {
            l->state = PROCTOR_LINKS_PASS;
            return p;
        }

        if (rc == 1) {
            proctor_links_name_add(l, (unsigned) code, l->nescape != 0);
            l->nescape = 0;
        }
    }

    return p;
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


static int
proctor_links_is_slash(int code)
{
    return code == '/' || code == '\\';
}


/* As the URL standard (WHATWG) reads the beginning of an http or https URL. */

static proctor_links_verdict_e
proctor_links_match(proctor_links_t *l, int code)
{
    size_t len;

    len = sizeof(PROCTOR_LINKS_SCHEME) - 1;

    if (code == '\t' || code == '\n' || code == '\r'
        || (code <= ' ' && l->matched == 0)) {
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


static const char *
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
            p += (l->nescape != 0);
            return proctor_links_release(l, PROCTOR_LINKS_STRING, p);
        }

        if (l->nescape == 0) {
            l->escape[l->nescape++] = *p;
        }

        if (l->nheld + l->nescape > PROCTOR_LINKS_HELD) {
            l->rc = PROCTOR_INVALID;
            return last;
        }

        memcpy(l->held + l->nheld, l->escape, l->nescape);
        l->nheld += l->nescape;
        l->nescape = 0;

        if (verdict == PROCTOR_LINKS_ABSOLUTE) {
            proctor_links_emit_origin(l);
            l->state = PROCTOR_LINKS_AUTHORITY;
            l->matched = 0;
            return p + 1;
        }
    }

    return p;
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


/* The slashes before the authority are all dropped, as browsers do. */

static const char *
proctor_links_authority(proctor_links_t *l, const char *p, const char *last)
{
    int code, rc;

    for (/* void */; p < last; p++) {
        if (*p == '"' && l->nescape == 0) {
            return proctor_links_resume(l, '"', p);
        }

        if (++l->nheld > PROCTOR_LINKS_HELD) {
            l->rc = PROCTOR_INVALID;
            return last;
        }

        rc = proctor_links_decode(l, *p, &code);

        if (rc == -1) {
            return proctor_links_release(l, PROCTOR_LINKS_PASS, p);
        }

        if (rc == 0) {
            continue;
        }

        if (code == '?' || code == '#'
            || (proctor_links_is_slash(code) && l->matched)) {
            return proctor_links_resume(l, code, p);
        }

        l->matched |= !proctor_links_is_slash(code);
        l->nescape = 0;
    }

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
