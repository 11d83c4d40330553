/*
 * Cache-Control, of a request or an answer (RFC 9111, 5.2).
 *
 * Called for each line of the field.  What is not a list of directives is read
 * as what reuses least: a number that is none is 0, of two numbers the one
 * counts that keeps an answer shorter, a number over 2^31 is 2^31 (RFC 9111,
 * 1.2.2).  A number may stand in quotes (5.2).  Directives that we do not know
 * are ignored, as they must be (5.2.3).
 */

#include <string.h>
#include <strings.h>

#include "proctor_cache.h"


typedef enum {
    PROCTOR_CC_FLAG = 0,
    PROCTOR_CC_LEAST,   /* seconds: the fewer, the stricter */
    PROCTOR_CC_MOST,    /* the more */
    PROCTOR_CC_OPTIONAL /* the fewer; without a number, any */
} proctor_cache_directive_e;

typedef struct {
    proctor_str_t name;
    proctor_str_t value; /* data == NULL: none */
} proctor_cache_directive_t;


static const char *proctor_cache_directive(
    const char *p, const char *end, proctor_cache_directive_t *directive);
static const char *proctor_cache_directive_end(const char *p, const char *end);
static void proctor_cache_directive_trim(proctor_str_t *s, int both);
static void proctor_cache_directive_apply(
    proctor_cache_control_t *cc, const proctor_cache_directive_t *directive);
static void proctor_cache_control_seconds(proctor_cache_control_t *cc,
    const proctor_cache_directive_t *directive, size_t i);
static int64_t proctor_cache_seconds(const proctor_str_t *value);


#define PROCTOR_CACHE_FIELD(name) offsetof(proctor_cache_control_t, name)

static const struct {
    proctor_str_t name;
    proctor_cache_directive_e kind;
    unsigned flag;
    size_t offset;
} proctor_cache_directives[] = {
    { proctor_str("max-age"), PROCTOR_CC_LEAST, 0,
        PROCTOR_CACHE_FIELD(max_age) },
    { proctor_str("s-maxage"), PROCTOR_CC_LEAST, 0,
        PROCTOR_CACHE_FIELD(s_maxage) },
    { proctor_str("no-cache"), PROCTOR_CC_FLAG, PROCTOR_CC_NO_CACHE, 0 },
    { proctor_str("no-store"), PROCTOR_CC_FLAG, PROCTOR_CC_NO_STORE, 0 },
    { proctor_str("private"), PROCTOR_CC_FLAG, PROCTOR_CC_PRIVATE, 0 },
    { proctor_str("public"), PROCTOR_CC_FLAG, PROCTOR_CC_PUBLIC, 0 },
    { proctor_str("must-revalidate"), PROCTOR_CC_FLAG,
        PROCTOR_CC_MUST_REVALIDATE, 0 },
    { proctor_str("proxy-revalidate"), PROCTOR_CC_FLAG,
        PROCTOR_CC_PROXY_REVALIDATE, 0 },
    { proctor_str("must-understand"), PROCTOR_CC_FLAG,
        PROCTOR_CC_MUST_UNDERSTAND, 0 },
    { proctor_str("only-if-cached"), PROCTOR_CC_FLAG, PROCTOR_CC_ONLY_IF_CACHED,
        0 },
    { proctor_str("stale-while-revalidate"), PROCTOR_CC_LEAST, 0,
        PROCTOR_CACHE_FIELD(stale_while_revalidate) },
    { proctor_str("stale-if-error"), PROCTOR_CC_LEAST, 0,
        PROCTOR_CACHE_FIELD(stale_if_error) },
    { proctor_str("min-fresh"), PROCTOR_CC_MOST, 0,
        PROCTOR_CACHE_FIELD(min_fresh) },
    { proctor_str("max-stale"), PROCTOR_CC_OPTIONAL, PROCTOR_CC_MAX_STALE_ANY,
        PROCTOR_CACHE_FIELD(max_stale) },
};

#define PROCTOR_CACHE_DIRECTIVES                                               \
    (sizeof(proctor_cache_directives) / sizeof(proctor_cache_directives[0]))


void
proctor_cache_control_init(proctor_cache_control_t *cc)
{
    cc->flags = 0;
    cc->max_age = -1;
    cc->s_maxage = -1;
    cc->stale_while_revalidate = -1;
    cc->stale_if_error = -1;
    cc->min_fresh = -1;
    cc->max_stale = -1;
}


void
proctor_cache_control_parse(
    proctor_cache_control_t *cc, const char *value, size_t len)
{
    const char *p, *end;
    proctor_cache_directive_t directive;

    cc->flags |= PROCTOR_CC_SEEN;
    end = value + len;

    for (p = value; p < end; p++) {
        p = proctor_cache_directive(p, end, &directive);
        proctor_cache_directive_apply(cc, &directive);
    }
}


void
proctor_cache_control_pragma(
    proctor_cache_control_t *cc, const char *value, size_t len)
{
    const char *p, *end;
    proctor_cache_directive_t directive;

    if (cc->flags & PROCTOR_CC_SEEN) {
        return;
    }

    end = value + len;

    for (p = value; p < end; p++) {
        p = proctor_cache_directive(p, end, &directive);

        if (directive.name.len == 8
            && strncasecmp(directive.name.data, "no-cache", 8) == 0) {
            cc->flags |= PROCTOR_CC_NO_CACHE;
        }
    }
}


/* one of the list; returns the comma that ends it, or the end */

static const char *
proctor_cache_directive(
    const char *p, const char *end, proctor_cache_directive_t *directive)
{
    const char *eq, *comma;

    comma = proctor_cache_directive_end(p, end);
    eq = memchr(p, '=', (size_t) (comma - p));

    directive->name.data = p;
    directive->name.len = (size_t) ((eq == NULL ? comma : eq) - p);
    directive->value.data = (eq == NULL) ? NULL : eq + 1;
    directive->value.len = (eq == NULL) ? 0 : (size_t) (comma - eq - 1);

    /* a space beside "=" stays in the value, which is bad for it */
    if (eq != NULL && eq != p && (eq[-1] == ' ' || eq[-1] == '\t')) {
        directive->value.data = eq - 1;
        directive->value.len += 2;
    }

    proctor_cache_directive_trim(&directive->name, 1);
    proctor_cache_directive_trim(&directive->value, 0);

    return comma;
}


/*
 * The next comma outside of quotes.  A quote that nobody closes goes to the
 * end, but hides nothing: the directives behind it are read all the same.
 */

static const char *
proctor_cache_directive_end(const char *p, const char *end)
{
    int quoted;
    const char *s, *comma;

    quoted = 0;
    comma = NULL;

    for (s = p; s < end; s++) {
        if (*s == '"') {
            quoted = !quoted;

        } else if (*s == '\\' && quoted && s + 1 < end) {
            s++;

        } else if (*s == ',' && !quoted) {
            return s;

        } else if (*s == ',' && comma == NULL) {
            comma = s;
        }
    }

    return (quoted && comma != NULL) ? comma : end;
}


/* the spaces at its end; both: also those before it */

static void
proctor_cache_directive_trim(proctor_str_t *s, int both)
{
    while (both && s->len != 0 && (*s->data == ' ' || *s->data == '\t')) {
        s->data++;
        s->len--;
    }

    while (s->len != 0
           && (s->data[s->len - 1] == ' ' || s->data[s->len - 1] == '\t')) {
        s->len--;
    }
}


static void
proctor_cache_directive_apply(
    proctor_cache_control_t *cc, const proctor_cache_directive_t *directive)
{
    size_t i;

    for (i = 0; i < PROCTOR_CACHE_DIRECTIVES; i++) {
        if (proctor_cache_directives[i].name.len != directive->name.len
            || strncasecmp(proctor_cache_directives[i].name.data,
                   directive->name.data, directive->name.len)
                   != 0) {
            continue;
        }

        if (proctor_cache_directives[i].kind == PROCTOR_CC_FLAG) {
            cc->flags |= proctor_cache_directives[i].flag;

        } else {
            proctor_cache_control_seconds(cc, directive, i);
        }

        return;
    }
}


static void
proctor_cache_control_seconds(proctor_cache_control_t *cc,
    const proctor_cache_directive_t *directive, size_t i)
{
    int64_t seconds, *field;

    if (proctor_cache_directives[i].kind == PROCTOR_CC_OPTIONAL
        && directive->value.data == NULL) {
        cc->flags |= proctor_cache_directives[i].flag;
        return;
    }

    field =
        (int64_t *) (void *) ((char *) cc + proctor_cache_directives[i].offset);
    seconds = proctor_cache_seconds(&directive->value);

    if (proctor_cache_directives[i].kind == PROCTOR_CC_MOST) {
        seconds = (seconds < 0) ? PROCTOR_CACHE_SECONDS_MAX : seconds;
        *field = (seconds > *field) ? seconds : *field;
        return;
    }

    seconds = (seconds < 0) ? 0 : seconds;
    *field = (*field < 0 || seconds < *field) ? seconds : *field;
}


/* -1: no number */

static int64_t
proctor_cache_seconds(const proctor_str_t *value)
{
    size_t i, len;
    int64_t n;
    const char *s;

    s = value->data;
    len = value->len;

    if (len >= 2 && s[0] == '"' && s[len - 1] == '"') {
        s++;
        len -= 2;
    }

    if (len == 0) {
        return -1;
    }

    n = 0;

    for (i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return -1;
        }

        n = n * 10 + (s[i] - '0');
        n = (n > PROCTOR_CACHE_SECONDS_MAX) ? PROCTOR_CACHE_SECONDS_MAX : n;
    }

    return n;
}
