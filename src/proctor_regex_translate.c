/*
 * ECMA-262 pattern text to PCRE2 pattern text; see proctor_regex.c.
 *
 * One pass over the pattern.  Escapes are looked up in a table: those that
 * mean the same are copied, those that do not are written out, all others are
 * refused.  The result lives in the arena.
 */

#include "proctor_regex.h"

#include <stdio.h>
#include <string.h>


/* ECMA-262: WhiteSpace and LineTerminator, and all else */
#define PROCTOR_REGEX_SPACE                                                    \
    "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}"         \
    "\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}"
#define PROCTOR_REGEX_NO_SPACE                                                 \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}"              \
    "\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}"                \
    "\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}"                \
    "\\x{ff00}-\\x{10ffff}"

/* no byte becomes more than one of these */
#define PROCTOR_REGEX_GROWTH (sizeof(PROCTOR_REGEX_NO_SPACE) + 2)


typedef struct {
    const char *p;
    const char *last;
    char *dst;
    int in_class;
    int quantified; /* the item before was a quantifier */
    const char *error;
} proctor_regex_text_t;

static void proctor_regex_class(proctor_regex_text_t *t);
static void proctor_regex_plain(proctor_regex_text_t *t);
static void proctor_regex_group(proctor_regex_text_t *t);
static void proctor_regex_quantifier(proctor_regex_text_t *t);
static void proctor_regex_escape(proctor_regex_text_t *t);
static void proctor_regex_space(proctor_regex_text_t *t, const char *body);
static void proctor_regex_property(proctor_regex_text_t *t);
static void proctor_regex_hex(proctor_regex_text_t *t, int digits);
static void proctor_regex_unicode(proctor_regex_text_t *t);
static int32_t proctor_regex_digits(const char *p, const char *last, int n);
static void proctor_regex_put_code(proctor_regex_text_t *t, int32_t c);
static void proctor_regex_put(
    proctor_regex_text_t *t, const char *s, size_t len);
static void proctor_regex_fail(proctor_regex_text_t *t, const char *error);


int
proctor_regex_translate(proctor_arena_t *arena, const char *pattern, size_t len,
    proctor_str_t *text, const char **error)
{
    char *start;
    proctor_regex_text_t t;

    *error = NULL;

    if (len > PROCTOR_REGEX_LEN) {
        *error = "is too long";
        return PROCTOR_INVALID;
    }

    start = proctor_arena_alloc(arena, len * PROCTOR_REGEX_GROWTH + 1);

    if (start == NULL) {
        return PROCTOR_ERROR;
    }

    memset(&t, 0, sizeof(t));
    t.p = pattern;
    t.last = pattern + len;
    t.dst = start;

    while (t.p < t.last && t.error == NULL) {
        if (*t.p == '\\') {
            proctor_regex_escape(&t);
            t.quantified = 0;

        } else if (t.in_class) {
            proctor_regex_class(&t);

        } else {
            proctor_regex_plain(&t);
        }
    }

    text->data = start;
    text->len = (size_t) (t.dst - start);
    *error = t.error;

    return t.error == NULL ? PROCTOR_OK : PROCTOR_INVALID;
}


static void
proctor_regex_class(proctor_regex_text_t *t)
{
    /* "[:", "[." and "[=" mean something to PCRE2 only */

    if (*t->p == '[') {
        proctor_regex_put(t, "\\", 1);

    } else if (*t->p == ']') {
        t->in_class = 0;
    }

    proctor_regex_put(t, t->p++, 1);
}


static void
proctor_regex_plain(proctor_regex_text_t *t)
{
    switch (*t->p) {

    case '[':
        t->in_class = 1;
        t->quantified = 0;
        proctor_regex_put(t, t->p++, 1);

        if (t->p < t->last && *t->p == '^') {
            proctor_regex_put(t, t->p++, 1);
        }

        return;

    case '(':
        t->quantified = 0;
        proctor_regex_group(t);
        return;

    case '*':
    case '+':
    case '?':
        proctor_regex_quantifier(t);
        return;

    case '}':
        t->quantified = 1;
        break;

    default:
        t->quantified = 0;
        break;
    }

    proctor_regex_put(t, t->p++, 1);
}


static void
proctor_regex_group(proctor_regex_text_t *t)
{
    size_t i, n;
    static const char *const heads[] = { "(?:", "(?=", "(?!", "(?<=", "(?<!" };

    n = (size_t) (t->last - t->p);

    if (n >= 2 && t->p[1] == '*') {
        proctor_regex_fail(t, "has nothing before *");
        return;
    }

    if (n < 2 || t->p[1] != '?') {
        proctor_regex_put(t, t->p++, 1);
        return;
    }

    for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        if (n >= strlen(heads[i])
            && memcmp(t->p, heads[i], strlen(heads[i])) == 0) {
            proctor_regex_put(t, t->p, strlen(heads[i]));
            t->p += strlen(heads[i]);
            return;
        }
    }

    if (n < 4 || t->p[2] != '<') {
        proctor_regex_fail(t, "has a group that ECMA-262 does not know");
        return;
    }

    proctor_regex_put(t, t->p, 3);
    t->p += 3;
}


static void
proctor_regex_quantifier(proctor_regex_text_t *t)
{
    /* "a*?" is lazy; "a*+" is possessive in PCRE2, an error in ECMA-262 */

    if (t->quantified && *t->p != '?') {
        proctor_regex_fail(t, "has a quantifier after a quantifier");
        return;
    }

    t->quantified = 1;
    proctor_regex_put(t, t->p++, 1);

    if (t->p < t->last && *t->p == '?' && t->p[-1] != '?') {
        proctor_regex_put(t, t->p++, 1);
    }
}


static void
proctor_regex_escape(proctor_regex_text_t *t)
{
    char c;

    if (t->last - t->p < 2) {
        proctor_regex_fail(t, "ends with a backslash");
        return;
    }

    c = t->p[1];

    switch (c) {

    case 's':
        proctor_regex_space(t, PROCTOR_REGEX_SPACE);
        return;

    case 'S':
        proctor_regex_space(t, PROCTOR_REGEX_NO_SPACE);
        return;

    case 'p':
    case 'P':
        proctor_regex_property(t);
        return;

    case 'v':
        proctor_regex_put(t, "\\x{b}", sizeof("\\x{b}") - 1);
        t->p += 2;
        return;

    case '0':
        proctor_regex_put(t, "\\x{0}", sizeof("\\x{0}") - 1);
        t->p += 2;
        return;

    case 'x':
        proctor_regex_hex(t, 2);
        return;

    case 'u':
        proctor_regex_unicode(t);
        return;

    default:
        break;
    }

    /* "c" is followed by a letter, "k" by a name: both as in PCRE2 */

    if (((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        && strchr(t->in_class ? "bdDwWnrtfc" : "bBdDwWnrtfck", c) == NULL) {
        proctor_regex_fail(t, "has an escape that ECMA-262 does not know");
        return;
    }

    proctor_regex_put(t, t->p, 2);
    t->p += 2;
}


static void
proctor_regex_space(proctor_regex_text_t *t, const char *body)
{
    t->p += 2;

    if (t->in_class) {
        proctor_regex_put(t, body, strlen(body));
        return;
    }

    proctor_regex_put(t, "[", 1);
    proctor_regex_put(t, body, strlen(body));
    proctor_regex_put(t, "]", 1);
}


/* \p{Letter}, \p{gc=Letter}, \p{General_Category=L}, \p{Script=Greek} */
static void
proctor_regex_property(proctor_regex_text_t *t)
{
    size_t len;
    const char *name, *end, *equals, *property;

    name = t->p + 3;
    end = (t->last - t->p > 3 && t->p[2] == '{')
              ? memchr(name, '}', (size_t) (t->last - name))
              : NULL;

    if (end == NULL || end == name || *name == '^') {
        proctor_regex_fail(t, "has a \\p without a property in braces");
        return;
    }

    proctor_regex_put(t, t->p, 3);
    t->p = end + 1;
    equals = memchr(name, '=', (size_t) (end - name));

    if (equals != NULL
        && (strncmp(name, "gc=", 3) == 0
            || strncmp(name, "General_Category=", 17) == 0)) {
        name = equals + 1;
    }

    len = (size_t) (end - name);

    property = proctor_regex_property_name(name, len);

    if (property != NULL) {
        name = property;
        len = strlen(property);
    }

    proctor_regex_put(t, name, len);
    proctor_regex_put(t, "}", 1);
}


static void
proctor_regex_hex(proctor_regex_text_t *t, int digits)
{
    int32_t c;

    c = proctor_regex_digits(t->p + 2, t->last, digits);

    if (c < 0) {
        proctor_regex_fail(t, "has a \\x without two hexadecimal digits");
        return;
    }

    t->p += 2 + digits;
    proctor_regex_put_code(t, c);
}


/* \uXXXX, a surrogate pair of these, or \u{X...} */
static void
proctor_regex_unicode(proctor_regex_text_t *t)
{
    int n;
    int32_t c, low;

    n = 4;
    c = proctor_regex_digits(t->p + 2, t->last, n);
    t->p += 2;

    if (c < 0 && t->last - t->p > 2 && *t->p == '{') {
        for (n = 1; t->p + n < t->last && proctor_hex(t->p[n]) >= 0; n++) {
            /* void */
        }

        c = (n <= 7 && t->p + n < t->last && t->p[n] == '}')
                ? proctor_regex_digits(t->p + 1, t->last, n - 1)
                : -1;
        n++;
    }

    if (c < 0 || c > 0x10ffff) {
        proctor_regex_fail(t, "has a \\u without a code point");
        return;
    }

    t->p += n;

    if (c >= 0xd800 && c <= 0xdbff && t->last - t->p >= 6 && t->p[0] == '\\'
        && t->p[1] == 'u') {
        low = proctor_regex_digits(t->p + 2, t->last, 4);

        if (low >= 0xdc00 && low <= 0xdfff) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            t->p += 6;
        }
    }

    proctor_regex_put_code(t, c);
}


static int32_t
proctor_regex_digits(const char *p, const char *last, int n)
{
    int32_t c;

    if (n == 0 || last - p < n) {
        return -1;
    }

    for (c = 0; n > 0; n--, p++) {
        if (proctor_hex(*p) < 0) {
            return -1;
        }

        c = c * 16 + proctor_hex(*p);
    }

    return c;
}


static void
proctor_regex_put_code(proctor_regex_text_t *t, int32_t c)
{
    int len;
    char buf[16];

    len = snprintf(buf, sizeof(buf), "\\x{%x}", (unsigned) c);
    proctor_regex_put(t, buf, (size_t) len);
}


static void
proctor_regex_put(proctor_regex_text_t *t, const char *s, size_t len)
{
    memcpy(t->dst, s, len);
    t->dst += len;
}


static void
proctor_regex_fail(proctor_regex_text_t *t, const char *error)
{
    t->error = error;
}
