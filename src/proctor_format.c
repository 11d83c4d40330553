/*
 * The formats that are asserted: one table, one function for each.
 *
 * Names that are in the table without a function are annotations (OpenAPI's
 * float, byte, ...) or refused, because nobody could tell which Unicode tables
 * they go by.  What is not in the table at all is refused by the compiler too.
 */

#include "proctor_format.h"
#include "proctor_regex.h"

#include <string.h>


#define PROCTOR_FORMAT_HOST_MAX  253 /* RFC 1123; with the root's dot: 255 */
#define PROCTOR_FORMAT_LABEL_MAX 63


static int proctor_format_email(const char *s, size_t len);
static int proctor_format_email_local(const char *p, const char *last);
static int proctor_format_hostname(const char *s, size_t len);
static int proctor_format_label(const char *p, const char *last);
static int proctor_format_uuid(const char *s, size_t len);
static int proctor_format_json_pointer(const char *s, size_t len);
static int proctor_format_relative_json_pointer(const char *s, size_t len);


/* clang-format off */

static const proctor_format_t proctor_formats[] = {
    { "date-time", PROCTOR_FORMAT_STRING, "must be a date-time (RFC 3339)",
      proctor_format_date_time, NULL, NULL },
    { "date", PROCTOR_FORMAT_STRING, "must be a date (RFC 3339)",
      proctor_format_date, NULL, NULL },
    { "time", PROCTOR_FORMAT_STRING, "must be a time (RFC 3339)",
      proctor_format_time, NULL, NULL },
    { "duration", PROCTOR_FORMAT_STRING, "must be a duration (RFC 3339)",
      proctor_format_duration, NULL, NULL },
    { "email", PROCTOR_FORMAT_STRING, "must be an e-mail address",
      proctor_format_email, NULL, NULL },
    { "hostname", PROCTOR_FORMAT_STRING, "must be a host name",
      proctor_format_hostname, NULL, NULL },
    { "ipv4", PROCTOR_FORMAT_STRING, "must be an IPv4 address",
      proctor_format_ipv4, NULL, NULL },
    { "ipv6", PROCTOR_FORMAT_STRING, "must be an IPv6 address",
      proctor_format_ipv6, NULL, NULL },
    { "uri", PROCTOR_FORMAT_STRING, "must be a URI (RFC 3986)",
      proctor_format_uri, NULL, NULL },
    { "uri-reference", PROCTOR_FORMAT_STRING,
      "must be a URI reference (RFC 3986)",
      proctor_format_uri_reference, NULL, NULL },
    { "uuid", PROCTOR_FORMAT_STRING, "must be a UUID (RFC 4122)",
      proctor_format_uuid, NULL, NULL },
    { "json-pointer", PROCTOR_FORMAT_STRING, "must be a JSON Pointer",
      proctor_format_json_pointer, NULL, NULL },
    { "relative-json-pointer", PROCTOR_FORMAT_STRING,
      "must be a relative JSON Pointer",
      proctor_format_relative_json_pointer, NULL, NULL },
    { "regex", PROCTOR_FORMAT_STRING, "must be a regular expression",
      proctor_regex_valid, NULL, NULL },

    { "int32", PROCTOR_FORMAT_NUMBER, "must be in the range of int32",
      NULL, "-2147483648", "2147483647" },
    { "int64", PROCTOR_FORMAT_NUMBER, "must be in the range of int64",
      NULL, "-9223372036854775808", "9223372036854775807" },

    { "float", PROCTOR_FORMAT_NOTE, NULL, NULL, NULL, NULL },
    { "double", PROCTOR_FORMAT_NOTE, NULL, NULL, NULL, NULL },
    { "byte", PROCTOR_FORMAT_NOTE, NULL, NULL, NULL, NULL },
    { "binary", PROCTOR_FORMAT_NOTE, NULL, NULL, NULL, NULL },
    { "password", PROCTOR_FORMAT_NOTE, NULL, NULL, NULL, NULL },

    { "idn-email", PROCTOR_FORMAT_REFUSED, NULL, NULL, NULL, NULL },
    { "idn-hostname", PROCTOR_FORMAT_REFUSED, NULL, NULL, NULL, NULL },
    { "iri", PROCTOR_FORMAT_REFUSED, NULL, NULL, NULL, NULL },
    { "iri-reference", PROCTOR_FORMAT_REFUSED, NULL, NULL, NULL, NULL },
    { "uri-template", PROCTOR_FORMAT_REFUSED, NULL, NULL, NULL, NULL },

    { NULL, PROCTOR_FORMAT_REFUSED, NULL, NULL, NULL, NULL }
};

/* clang-format on */


const proctor_format_t *
proctor_format_find(const char *name)
{
    const proctor_format_t *format;

    for (format = proctor_formats; format->name != NULL; format++) {
        if (strcmp(format->name, name) == 0) {
            return format;
        }
    }

    return NULL;
}


/* RFC 5321, 4.1.2: Mailbox */
static int
proctor_format_email(const char *s, size_t len)
{
    const char *at, *p, *last;

    last = s + len;

    for (at = last; at > s && at[-1] != '@'; at--) {
        /* void */
    }

    if (at == s || !proctor_format_email_local(s, at - 1)) {
        return 0;
    }

    if (at == last || *at != '[') {
        return proctor_format_hostname(at, (size_t) (last - at));
    }

    p = at + 1;

    if (last - p < 2 || last[-1] != ']') {
        return 0;
    }

    len = (size_t) (last - 1 - p);

    return (len > 5 && strncmp(p, "IPv6:", 5) == 0)
               ? proctor_format_ipv6(p + 5, len - 5)
               : proctor_format_ipv4(p, len);
}


/* Dot-string or Quoted-string */
static int
proctor_format_email_local(const char *p, const char *last)
{
    static const char atext[] = "!#$%&'*+-/=?^_`{|}~";
    int dot;

    if (last - p >= 2 && *p == '"' && last[-1] == '"') {
        for (p++, last--; p < last; p++) {
            if (*p == '"' || (*p == '\\' && ++p == last)) {
                return 0;
            }

            if (*p < ' ' || *p > '~') {
                return 0;
            }
        }

        return 1;
    }

    for (dot = 1; p < last; p++) {
        if (*p == '.') {
            if (dot) {
                return 0;
            }

            dot = 1;
            continue;
        }

        if (!(*p >= '0' && *p <= '9')
            && !((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z')
            && (*p == '\0' || strchr(atext, *p) == NULL)) {
            return 0;
        }

        dot = 0;
    }

    return !dot;
}


static int
proctor_format_hostname(const char *s, size_t len)
{
    const char *p, *last, *dot;

    last = s + len;

    if (len == 0 || len > PROCTOR_FORMAT_HOST_MAX) {
        return 0;
    }

    for (p = s; p <= last; p = dot + 1) {
        dot = memchr(p, '.', (size_t) (last - p));

        if (dot == NULL) {
            dot = last;
        }

        if (!proctor_format_label(p, dot)) {
            return 0;
        }
    }

    return 1;
}


/* RFC 1123, 2.1; "--" in third place is kept for A-labels (RFC 5891, 4.2.3.1),
   whose Punycode is not decoded */
static int
proctor_format_label(const char *p, const char *last)
{
    const char *start;

    start = p;

    if (p == last || last - p > PROCTOR_FORMAT_LABEL_MAX || *p == '-'
        || last[-1] == '-') {
        return 0;
    }

    for (; p < last; p++) {
        if (!(*p >= '0' && *p <= '9')
            && !((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') && *p != '-') {
            return 0;
        }
    }

    return last - start < 4 || start[2] != '-' || start[3] != '-'
           || ((start[0] | 0x20) == 'x' && (start[1] | 0x20) == 'n'
               && last - start > 5);
}


int
proctor_format_ipv4(const char *s, size_t len)
{
    int parts, n, value;
    const char *p, *last;

    p = s;
    last = s + len;

    for (parts = 0; parts < 4; parts++) {
        if (parts > 0 && (p == last || *p++ != '.')) {
            return 0;
        }

        for (n = 0, value = 0; p < last && *p >= '0' && *p <= '9'; n++, p++) {
            value = value * 10 + (*p - '0');

            if (n == 3 || value > 255 || (n > 0 && value < 10)) {
                return 0;
            }
        }

        if (n == 0) {
            return 0;
        }
    }

    return p == last;
}


/* RFC 4291, 2.2 */
int
proctor_format_ipv6(const char *s, size_t len)
{
    int groups, n, gap;
    const char *p, *last;

    p = s;
    last = s + len;
    groups = 0;
    gap = 0;

    if (len >= 2 && p[0] == ':' && p[1] == ':') {
        gap = 1;
        p += 2;
    }

    while (p < last) {
        for (n = 0; p + n < last && proctor_hex(p[n]) >= 0; n++) {
            /* void */
        }

        if (p + n < last && p[n] == '.') {
            groups += 2;
            return (groups == 8 || (gap && groups < 8))
                   && proctor_format_ipv4(p, (size_t) (last - p));
        }

        if (n == 0 || n > 4 || ++groups > 8) {
            return 0;
        }

        p += n;

        if (p == last) {
            break;
        }

        if (*p++ != ':' || p == last) {
            return 0;
        }

        if (*p == ':') {
            if (gap) {
                return 0;
            }

            gap = 1;
            p++;
        }
    }

    return groups == 8 || (gap && groups < 8);
}


static int
proctor_format_uuid(const char *s, size_t len)
{
    size_t i;

    if (len != 36) {
        return 0;
    }

    for (i = 0; i < len; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (s[i] != '-') {
                return 0;
            }

        } else if (proctor_hex(s[i]) < 0) {
            return 0;
        }
    }

    return 1;
}


static int
proctor_format_json_pointer(const char *s, size_t len)
{
    size_t i;

    if (len > 0 && s[0] != '/') {
        return 0;
    }

    for (i = 0; i < len; i++) {
        if (s[i] == '~'
            && (i + 1 == len || (s[i + 1] != '0' && s[i + 1] != '1'))) {
            return 0;
        }
    }

    return 1;
}


static int
proctor_format_relative_json_pointer(const char *s, size_t len)
{
    size_t i;

    for (i = 0; i < len && s[i] >= '0' && s[i] <= '9'; i++) {
        /* void */
    }

    if (i == 0 || (i > 1 && s[0] == '0')) {
        return 0;
    }

    if (len - i == 1 && s[i] == '#') {
        return 1;
    }

    return proctor_format_json_pointer(s + i, len - i);
}
