/*
 * A query as the upstream reads it (WHATWG URL, 5.1): pairs between "&", a
 * name and a value around the first "=", "+" a space.
 */

#include <string.h>

#include "proctor_base.h"


int
proctor_query_next(proctor_query_t *query, proctor_query_pair_t *pair)
{
    size_t len;
    const char *p, *end, *eq;

    do {
        p = query->p;

        if (p >= query->last) {
            return 0;
        }

        end = memchr(p, '&', (size_t) (query->last - p));
        end = (end == NULL) ? query->last : end;
        query->p = end + 1;

    } while (p == end);

    len = (size_t) (end - p);
    eq = memchr(p, '=', len);

    pair->name.data = p;
    pair->name.len = (eq == NULL) ? len : (size_t) (eq - p);
    pair->value.data = (eq == NULL) ? NULL : eq + 1;
    pair->value.len = (eq == NULL) ? 0 : (size_t) (end - (eq + 1));

    return 1;
}


int
proctor_query_decode(proctor_arena_t *arena, proctor_str_t *s)
{
    char *text;
    size_t i;
    ptrdiff_t len;

    for (i = 0; i < s->len && s->data[i] != '%' && s->data[i] != '+'; i++) {
        /* void */
    }

    if (i == s->len) {
        return PROCTOR_OK;
    }

    text = proctor_arena_alloc(arena, s->len);
    if (text == NULL) {
        return PROCTOR_ERROR;
    }

    len = proctor_unescape_percent(text, s->data, s->len, 1);
    if (len < 0) {
        return PROCTOR_INVALID;
    }

    s->data = text;
    s->len = (size_t) len;

    return PROCTOR_OK;
}
