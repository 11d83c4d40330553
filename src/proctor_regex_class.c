/*
 * The one pattern that contracts are full of: a bracketed class of ASCII,
 * repeated over the whole text, "^[A-Za-z0-9._~-]+$".  A table of bytes judges
 * it in a pass over the text, where PCRE2 would need memory and a callout a
 * character.  proctor_regex.c asks here first; everything that is not exactly
 * of this form is left to PCRE2, so nothing is given another meaning.
 */

#include "proctor_regex.h"

#include <string.h>


static int proctor_regex_class_plain(char c);


int
proctor_regex_class_compile(
    proctor_regex_class_t *class, const char *pattern, size_t len)
{
    unsigned c, last;
    const char *p, *end;

    memset(class, 0, sizeof(*class));

    if (len < sizeof("^[a]+$") - 1 || memcmp(pattern, "^[", 2) != 0
        || pattern[2] == '^' || memcmp(pattern + len - 3, "]+$", 3) != 0) {
        return 0;
    }

    p = pattern + 2;
    end = pattern + len - 3;

    while (p < end) {
        if (!proctor_regex_class_plain(*p)) {
            return 0;
        }

        c = (unsigned char) *p++;
        last = c;

        if (p < end && *p == '-' && p + 1 < end) {
            last = (unsigned char) p[1];

            if (!proctor_regex_class_plain(p[1]) || last < c || c == '-') {
                return 0;
            }

            p += 2;
        }

        for (; c <= last; c++) {
            class->has[c] = 1;
        }
    }

    return 1;
}


/* a byte that stands for itself inside of brackets */

static int
proctor_regex_class_plain(char c)
{
    return c > ' ' && c < 0x7f && strchr("[]\\^&", c) == NULL;
}


int
proctor_regex_class_match(
    const proctor_regex_class_t *class, const char *s, size_t len)
{
    size_t i;
    unsigned all;

    all = 1;

    for (i = 0; i < len; i++) {
        all &= class->has[(unsigned char) s[i]];
    }

    return len != 0 && all;
}
