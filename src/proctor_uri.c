/*
 * URIs as RFC 3986 has them: split, checked, and resolved against a base.
 *
 * The schema compiler resolves $id and $ref with it, the formats uri and
 * uri-reference are asserted by it.
 */

#include "proctor_format.h"

#include <string.h>


/* data NULL: the component is absent, which is not the same as empty */

typedef struct {
    proctor_str_t scheme;
    proctor_str_t authority;
    proctor_str_t path;
    proctor_str_t query;
    proctor_str_t fragment;
} proctor_uri_t;


static void proctor_uri_split(proctor_uri_t *uri, const char *s, size_t len);
static size_t proctor_uri_span(
    const char *p, const char *last, const char *stop);
static size_t proctor_uri_scheme(const char *p, const char *last);
static int proctor_uri_valid(const proctor_uri_t *uri);
static int proctor_uri_authority_valid(const proctor_str_t *authority);
static int proctor_uri_host_valid(const char *p, const char *last);
static int proctor_uri_chars_valid(
    const char *p, const char *last, const char *extra);
static size_t proctor_uri_merge(
    char *dst, const proctor_uri_t *base, const proctor_str_t *path);
static size_t proctor_uri_remove_dots(char *path, size_t len);
static char *proctor_uri_append(char *p, const char *before,
    const proctor_str_t *component, const char *after);


int
proctor_format_uri(const char *s, size_t len)
{
    proctor_uri_t uri;

    proctor_uri_split(&uri, s, len);

    return uri.scheme.data != NULL && proctor_uri_valid(&uri);
}


int
proctor_format_uri_reference(const char *s, size_t len)
{
    proctor_uri_t uri;

    proctor_uri_split(&uri, s, len);

    return proctor_uri_valid(&uri);
}


/* appendix B, without its regular expression */
static void
proctor_uri_split(proctor_uri_t *uri, const char *s, size_t len)
{
    size_t n;
    const char *p, *last;

    memset(uri, 0, sizeof(*uri));
    p = s;
    last = s + len;

    n = proctor_uri_scheme(p, last);

    if (n != 0) {
        uri->scheme = (proctor_str_t){ p, n };
        p += n + 1;
    }

    if (last - p >= 2 && p[0] == '/' && p[1] == '/') {
        p += 2;
        n = proctor_uri_span(p, last, "/?#");
        uri->authority = (proctor_str_t){ p, n };
        p += n;
    }

    n = proctor_uri_span(p, last, "?#");
    uri->path = (proctor_str_t){ p, n };
    p += n;

    if (p < last && *p == '?') {
        p++;
        n = proctor_uri_span(p, last, "#");
        uri->query = (proctor_str_t){ p, n };
        p += n;
    }

    if (p < last) {
        uri->fragment = (proctor_str_t){ p + 1, (size_t) (last - p - 1) };
    }
}


/* bytes before the first one of `stop` */
static size_t
proctor_uri_span(const char *p, const char *last, const char *stop)
{
    const char *start;

    for (start = p; p < last; p++) {
        if (*p != '\0' && strchr(stop, *p) != NULL) {
            break;
        }
    }

    return (size_t) (p - start);
}


/* the scheme's length when p starts with one and its colon, else 0 */
static size_t
proctor_uri_scheme(const char *p, const char *last)
{
    char c;
    const char *start;

    for (start = p; p < last; p++) {
        c = (char) (*p | 0x20);

        if (*p == ':') {
            return (size_t) (p - start);
        }

        if (!(c >= 'a' && c <= 'z')
            && (p == start
                || !((*p >= '0' && *p <= '9') || *p == '+' || *p == '-'
                     || *p == '.'))) {
            return 0;
        }
    }

    return 0;
}


static int
proctor_uri_valid(const proctor_uri_t *uri)
{
    const char *p, *last;

    if (uri->authority.data != NULL
        && !proctor_uri_authority_valid(&uri->authority)) {
        return 0;
    }

    p = uri->path.data;
    last = p + uri->path.len;

    if (!proctor_uri_chars_valid(p, last, ":@/")) {
        return 0;
    }

    /* 4.2: "1:b" would read as a scheme */

    if (uri->scheme.len == 0 && uri->authority.data == NULL
        && uri->path.len != 0
        && memchr(p, ':', proctor_uri_span(p, last, "/")) != NULL) {
        return 0;
    }

    p = uri->query.data;

    if (p != NULL && !proctor_uri_chars_valid(p, p + uri->query.len, ":@/?")) {
        return 0;
    }

    p = uri->fragment.data;

    return p == NULL
           || proctor_uri_chars_valid(p, p + uri->fragment.len, ":@/?");
}


static int
proctor_uri_authority_valid(const proctor_str_t *authority)
{
    const char *p, *last, *at;

    p = authority->data;
    last = p + authority->len;
    at = memchr(p, '@', authority->len);

    if (at != NULL) {
        if (!proctor_uri_chars_valid(p, at, ":")) {
            return 0;
        }

        p = at + 1;
    }

    /* the port: digits, or none, after the last colon outside brackets */

    while (last > p && last[-1] >= '0' && last[-1] <= '9') {
        last--;
    }

    if (last > p && last[-1] == ':') {
        last--;

    } else {
        last = authority->data + authority->len;
    }

    return proctor_uri_host_valid(p, last);
}


static int
proctor_uri_host_valid(const char *p, const char *last)
{
    if (p == last || *p != '[') {
        return proctor_uri_chars_valid(p, last, "");
    }

    if (last - p < 3 || last[-1] != ']') {
        return 0;
    }

    p++;
    last--;

    if ((*p | 0x20) != 'v') {
        return proctor_format_ipv6(p, (size_t) (last - p));
    }

    for (p++; p < last && proctor_hex(*p) >= 0; p++) {
        /* void */
    }

    return last - p >= 2 && *p == '.'
           && memchr(p, '%', (size_t) (last - p)) == NULL
           && proctor_uri_chars_valid(p + 1, last, ":");
}


/* unreserved, sub-delims, percent-encoded, and `extra` */
static int
proctor_uri_chars_valid(const char *p, const char *last, const char *extra)
{
    static const char chars[] = "-._~!$&'()*+,;=";
    char c;

    for (; p < last; p++) {
        c = (char) (*p | 0x20);

        if ((c >= 'a' && c <= 'z') || (*p >= '0' && *p <= '9')) {
            continue;
        }

        if (*p == '%') {
            if (last - p < 3 || proctor_hex(p[1]) < 0
                || proctor_hex(p[2]) < 0) {
                return 0;
            }

            p += 2;
            continue;
        }

        if (*p == '\0'
            || (strchr(chars, *p) == NULL && strchr(extra, *p) == NULL)) {
            return 0;
        }
    }

    return 1;
}


/* 5.2.2: the reference lends what it has, the base the rest */
char *
proctor_uri_resolve(
    proctor_arena_t *arena, const char *base, const char *reference)
{
    char *uri, *p, *path;
    size_t len, size;
    proctor_uri_t b, r;
    proctor_str_t merged;

    proctor_uri_split(&b, base, strlen(base));
    proctor_uri_split(&r, reference, strlen(reference));

    size = strlen(base) + strlen(reference) + sizeof("://?#/");
    uri = proctor_arena_alloc(arena, size);
    path = proctor_arena_alloc(arena, size);

    if (uri == NULL || path == NULL) {
        return NULL;
    }

    if (r.scheme.data == NULL) {
        r.scheme = b.scheme;

        if (r.authority.data == NULL) {
            r.authority = b.authority;

            if (r.path.len == 0 && r.query.data == NULL) {
                r.query = b.query;
            }

            len = proctor_uri_merge(path, &b, &r.path);
            merged = (proctor_str_t){ path, len };
            r.path = merged;
        }
    }

    p = proctor_uri_append(uri, "", &r.scheme, ":");
    p = proctor_uri_append(p, "//", &r.authority, "");
    path = p;
    p = proctor_uri_append(p, "", &r.path, "");

    if (r.path.len != 0 && path[0] == '/') {
        p = path + proctor_uri_remove_dots(path, r.path.len);
    }

    p = proctor_uri_append(p, "?", &r.query, "");
    p = proctor_uri_append(p, "#", &r.fragment, "");
    *p = '\0';

    return uri;
}


/* 5.2.3; the length of the path in dst */
static size_t
proctor_uri_merge(
    char *dst, const proctor_uri_t *base, const proctor_str_t *path)
{
    size_t n;

    if (path->len == 0) {
        memcpy(dst, base->path.data, base->path.len);
        return base->path.len;
    }

    n = 0;

    if (path->data[0] != '/') {
        n = base->path.len;

        while (n > 0 && base->path.data[n - 1] != '/') {
            n--;
        }

        memcpy(dst, base->path.data, n);

        if (n == 0 && base->authority.data != NULL) {
            dst[n++] = '/';
        }
    }

    memcpy(dst + n, path->data, path->len);

    return n + path->len;
}


/* 5.2.4, in place, of a path that starts with a slash; the new length */
static size_t
proctor_uri_remove_dots(char *path, size_t len)
{
    size_t n;
    char *d;
    const char *p, *last;

    d = path;
    p = path;
    last = path + len;

    while (p < last) {
        n = 1 + proctor_uri_span(p + 1, last, "/");

        if (n == 2 && p[1] == '.') {
            if (p + n == last) {
                *d++ = '/';
            }

        } else if (n == 3 && p[1] == '.' && p[2] == '.') {
            while (d > path && *--d != '/') {
                /* void */
            }

            if (p + n == last) {
                *d++ = '/';
            }

        } else {
            memmove(d, p, n);
            d += n;
        }

        p += n;
    }

    return (size_t) (d - path);
}


static char *
proctor_uri_append(char *p, const char *before, const proctor_str_t *component,
    const char *after)
{
    size_t len;

    if (component->data == NULL) {
        return p;
    }

    len = strlen(before);
    memcpy(p, before, len);
    p += len;

    memcpy(p, component->data, component->len);
    p += component->len;

    len = strlen(after);
    memcpy(p, after, len);

    return p + len;
}
