/*
 * The header of an upstream's answer, as far as it says whether the answer may
 * be kept (RFC 9111, 3), and what of it is.
 *
 * Called once for each header line, in the order they came; asks come after
 * the last.  Memory is the struct's own: lines may be gone by then.  More than
 * it can hold means that the answer is not kept.
 */

#include <string.h>
#include <strings.h>

#include "proctor_cache.h"


#define PROCTOR_CACHE_SEEN_SET_COOKIE 0x01
#define PROCTOR_CACHE_SEEN_RANGE      0x02
#define PROCTOR_CACHE_SEEN_VARY_ALL   0x04
#define PROCTOR_CACHE_SEEN_VALIDATOR  0x08
#define PROCTOR_CACHE_SEEN_TOO_MUCH   0x10
#define PROCTOR_CACHE_SEEN_PRAGMA     0x20

typedef void (*proctor_cache_answer_pt)(
    proctor_cache_answer_t *answer, const proctor_str_t *value);

typedef struct {
    proctor_str_t name;
    int kept;
    unsigned seen;
    proctor_cache_answer_pt read; /* NULL: that it was seen is enough */
} proctor_cache_line_t;


static const proctor_cache_line_t *proctor_cache_line(
    const proctor_str_t *name);
static void proctor_cache_answer_control(
    proctor_cache_answer_t *answer, const proctor_str_t *value);
static void proctor_cache_answer_pragma(
    proctor_cache_answer_t *answer, const proctor_str_t *value);
static void proctor_cache_answer_date(
    proctor_cache_answer_t *answer, const proctor_str_t *value);
static void proctor_cache_answer_expires(
    proctor_cache_answer_t *answer, const proctor_str_t *value);
static void proctor_cache_answer_age(
    proctor_cache_answer_t *answer, const proctor_str_t *value);
static void proctor_cache_answer_vary(
    proctor_cache_answer_t *answer, const proctor_str_t *value);
static void proctor_cache_answer_connection(
    proctor_cache_answer_t *answer, const proctor_str_t *value);
static int proctor_cache_is_gap(char c);
static int proctor_cache_answer_name(
    const char **p, const char *end, proctor_str_t *name);
static char *proctor_cache_answer_keep(proctor_cache_answer_t *answer,
    char *names, size_t *used, const proctor_str_t *name);
static int proctor_cache_lists(
    const proctor_cache_answer_t *answer, const proctor_str_t *name);


/* fields that are not passed on (RFC 9110, 7.6.1; RFC 9111, 3.1) or matter */

static const proctor_cache_line_t proctor_cache_lines[] = {
    { proctor_str("cache-control"), 1, 0, proctor_cache_answer_control },
    { proctor_str("date"), 1, 0, proctor_cache_answer_date },
    { proctor_str("expires"), 1, 0, proctor_cache_answer_expires },
    { proctor_str("vary"), 1, 0, proctor_cache_answer_vary },
    { proctor_str("etag"), 1, PROCTOR_CACHE_SEEN_VALIDATOR, NULL },
    { proctor_str("last-modified"), 1, PROCTOR_CACHE_SEEN_VALIDATOR, NULL },
    { proctor_str("pragma"), 1, 0, proctor_cache_answer_pragma },
    { proctor_str("age"), 0, 0, proctor_cache_answer_age },
    { proctor_str("set-cookie"), 0, PROCTOR_CACHE_SEEN_SET_COOKIE, NULL },
    { proctor_str("set-cookie2"), 0, PROCTOR_CACHE_SEEN_SET_COOKIE, NULL },
    { proctor_str("content-range"), 0, PROCTOR_CACHE_SEEN_RANGE, NULL },
    { proctor_str("connection"), 0, 0, proctor_cache_answer_connection },
    { proctor_str("proxy-connection"), 0, 0, NULL },
    { proctor_str("keep-alive"), 0, 0, NULL },
    { proctor_str("te"), 0, 0, NULL },
    { proctor_str("trailer"), 0, 0, NULL },
    { proctor_str("transfer-encoding"), 0, 0, NULL },
    { proctor_str("upgrade"), 0, 0, NULL },
    { proctor_str("proxy-authenticate"), 0, 0, NULL },
    { proctor_str("proxy-authentication-info"), 0, 0, NULL },
    { proctor_str("proxy-authorization"), 0, 0, NULL },
};

/* statuses that mean what they mean to whoever asks again */

static const unsigned proctor_cache_statuses[] = { 200, 203, 204, 300, 301, 404,
    405, 410, 414, 501 };


void
proctor_cache_answer_init(proctor_cache_answer_t *answer, unsigned status,
    int64_t requested, int64_t received)
{
    memset(answer, 0, offsetof(proctor_cache_answer_t, names));

    answer->status = status;
    answer->requested = requested;
    answer->received = (received < requested) ? requested : received;
    answer->date = -1;
    answer->expires = -1;
    answer->age = -1;
    proctor_cache_control_init(&answer->control);
}


void
proctor_cache_answer_field(proctor_cache_answer_t *answer,
    const proctor_str_t *name, const proctor_str_t *value)
{
    const proctor_cache_line_t *line;

    line = proctor_cache_line(name);

    if (line != NULL) {
        answer->seen |= line->seen;

        if (line->read != NULL) {
            line->read(answer, value);
        }
    }
}


static const proctor_cache_line_t *
proctor_cache_line(const proctor_str_t *name)
{
    size_t i;
    const proctor_cache_line_t *line;

    for (i = 0;
         i < sizeof(proctor_cache_lines) / sizeof(proctor_cache_lines[0]);
         i++) {
        line = &proctor_cache_lines[i];

        if (line->name.len == name->len
            && strncasecmp(line->name.data, name->data, name->len) == 0) {
            return line;
        }
    }

    return NULL;
}


static void
proctor_cache_answer_control(
    proctor_cache_answer_t *answer, const proctor_str_t *value)
{
    proctor_cache_control_parse(&answer->control, value->data, value->len);
}


/* means nothing in an answer, but whoever wrote it meant not to be kept */

static void
proctor_cache_answer_pragma(
    proctor_cache_answer_t *answer, const proctor_str_t *value)
{
    if (value->len == 8 && strncasecmp(value->data, "no-cache", 8) == 0) {
        answer->seen |= PROCTOR_CACHE_SEEN_PRAGMA;
    }
}


static void
proctor_cache_answer_date(
    proctor_cache_answer_t *answer, const proctor_str_t *value)
{
    int64_t date;

    if (proctor_time_http(
            value->data, value->len, answer->received / 1000, &date)
        != PROCTOR_OK) {
        return;
    }

    /* of two the earlier: the answer is the older */
    if (answer->date < 0 || date < answer->date) {
        answer->date = date;
    }
}


static void
proctor_cache_answer_expires(
    proctor_cache_answer_t *answer, const proctor_str_t *value)
{
    int64_t expires;

    if (proctor_time_http(
            value->data, value->len, answer->received / 1000, &expires)
            != PROCTOR_OK
        || expires < 0) {
        expires = 0;
    }

    if (answer->expires < 0 || expires < answer->expires) {
        answer->expires = expires;
    }
}


/*
 * RFC 9111, 5.1 would have the first of a list, and nothing of what is bad.
 * But who cannot say how old an answer is may have kept it for long: what is
 * not one number, given once, is as old as can be.
 */

static void
proctor_cache_answer_age(
    proctor_cache_answer_t *answer, const proctor_str_t *value)
{
    size_t i;
    int64_t age;

    age = 0;

    for (i = 0;
         i < value->len && value->data[i] >= '0' && value->data[i] <= '9';
         i++) {
        age = age * 10 + (value->data[i] - '0');
        age =
            (age > PROCTOR_CACHE_SECONDS_MAX) ? PROCTOR_CACHE_SECONDS_MAX : age;
    }

    answer->age = (i == 0 || i != value->len || answer->age >= 0)
                      ? PROCTOR_CACHE_SECONDS_MAX
                      : age;
}


static void
proctor_cache_answer_vary(
    proctor_cache_answer_t *answer, const proctor_str_t *value)
{
    char *kept;
    const char *p, *end;
    proctor_str_t name;

    p = value->data;
    end = p + value->len;

    while (proctor_cache_answer_name(&p, end, &name)) {
        if (name.len == 1 && name.data[0] == '*') {
            answer->seen |= PROCTOR_CACHE_SEEN_VARY_ALL;
            continue;
        }

        if (answer->nvary == PROCTOR_CACHE_VARY) {
            answer->seen |= PROCTOR_CACHE_SEEN_VARY_ALL;
            return;
        }

        kept = proctor_cache_answer_keep(
            answer, answer->names, &answer->nnames, &name);

        if (kept != NULL) {
            answer->vary[answer->nvary].data = kept;
            answer->vary[answer->nvary++].len = name.len;
        }
    }
}


static void
proctor_cache_answer_connection(
    proctor_cache_answer_t *answer, const proctor_str_t *value)
{
    const char *p, *end;
    proctor_str_t name;

    p = value->data;
    end = p + value->len;

    while (proctor_cache_answer_name(&p, end, &name)) {
        (void) proctor_cache_answer_keep(
            answer, answer->connection, &answer->nconnection, &name);
    }
}


static int
proctor_cache_is_gap(char c)
{
    return c == ',' || c == ' ' || c == '\t';
}


/* the next of a list, which may have empty ones; 0: there is none */

static int
proctor_cache_answer_name(const char **p, const char *end, proctor_str_t *name)
{
    while (*p < end && proctor_cache_is_gap(**p)) {
        (*p)++;
    }

    name->data = *p;

    while (*p < end && !proctor_cache_is_gap(**p)) {
        (*p)++;
    }

    name->len = (size_t) (*p - name->data);

    return name->len != 0;
}


/* in lower case, with a NUL behind it; NULL: there is no room */

static char *
proctor_cache_answer_keep(proctor_cache_answer_t *answer, char *names,
    size_t *used, const proctor_str_t *name)
{
    size_t i;
    char *kept;

    if (name->len >= PROCTOR_CACHE_NAMES - *used) {
        answer->seen |= PROCTOR_CACHE_SEEN_TOO_MUCH;
        return NULL;
    }

    kept = names + *used;

    for (i = 0; i < name->len; i++) {
        kept[i] = (name->data[i] >= 'A' && name->data[i] <= 'Z')
                      ? (char) (name->data[i] | 0x20)
                      : name->data[i];
    }

    kept[i] = '\0';
    *used += name->len + 1;

    return kept;
}


int
proctor_cache_answer_keeps(
    const proctor_cache_answer_t *answer, const proctor_str_t *name)
{
    const proctor_cache_line_t *line;

    line = proctor_cache_line(name);

    return (line == NULL || line->kept) && !proctor_cache_lists(answer, name);
}


static int
proctor_cache_lists(
    const proctor_cache_answer_t *answer, const proctor_str_t *name)
{
    size_t len;
    const char *p, *end;

    end = answer->connection + answer->nconnection;

    for (p = answer->connection; p < end; p += len + 1) {
        len = strlen(p);

        if (len == name->len && strncasecmp(p, name->data, len) == 0) {
            return 1;
        }
    }

    return 0;
}


proctor_cache_storable_e
proctor_cache_storable(const proctor_cache_answer_t *answer)
{
    size_t i, n;
    unsigned flags;

    n = sizeof(proctor_cache_statuses) / sizeof(proctor_cache_statuses[0]);

    for (i = 0; i < n && proctor_cache_statuses[i] != answer->status; i++) {
        /* void */
    }

    flags = answer->control.flags;

    /* whoever understands the status may forget no-store (RFC 9111, 5.2.2.3) */
    if (flags & PROCTOR_CC_MUST_UNDERSTAND) {
        flags &= ~(unsigned) PROCTOR_CC_NO_STORE;
    }

    if (i == n) {
        return PROCTOR_CACHE_BAD_STATUS;
    }

    if (flags & PROCTOR_CC_NO_STORE) {
        return PROCTOR_CACHE_NO_STORE;
    }

    if (flags & PROCTOR_CC_PRIVATE) {
        return PROCTOR_CACHE_PRIVATE;
    }

    if (answer->seen & PROCTOR_CACHE_SEEN_SET_COOKIE) {
        return PROCTOR_CACHE_SET_COOKIE;
    }

    if (answer->seen & PROCTOR_CACHE_SEEN_VARY_ALL) {
        return PROCTOR_CACHE_VARY_ALL;
    }

    if (answer->seen & PROCTOR_CACHE_SEEN_RANGE) {
        return PROCTOR_CACHE_PARTIAL;
    }

    return (answer->seen & PROCTOR_CACHE_SEEN_TOO_MUCH)
               ? PROCTOR_CACHE_UNREADABLE
               : PROCTOR_CACHE_STORABLE;
}


int
proctor_cache_has_validator(const proctor_cache_answer_t *answer)
{
    return (answer->seen & PROCTOR_CACHE_SEEN_VALIDATOR) != 0;
}


int
proctor_cache_has_pragma(const proctor_cache_answer_t *answer)
{
    return (answer->seen & PROCTOR_CACHE_SEEN_PRAGMA) != 0;
}
