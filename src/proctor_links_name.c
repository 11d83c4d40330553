/*
 * A top-level member's name: is it one whose value may be a link?  The name's
 * bytes are passed on as they come; what is compared is a decoded copy, since
 * "\u006eext" is "next" to every client.
 */

#include <string.h>

#include "proctor_links_place.h"


static void proctor_links_name_add(
    proctor_links_t *l, const char *bytes, size_t len);
static void proctor_links_name_unescaped(proctor_links_t *l, unsigned code);
static size_t proctor_links_utf8(char utf8[4], unsigned code);
static int proctor_links_is_wanted(const proctor_links_t *l);
static int proctor_links_unescape(const proctor_links_t *l);
static int proctor_links_hex(char c);


const char *
proctor_links_name(proctor_links_t *l, const char *p, const char *last)
{
    int code, rc;
    const char *plain;

    for (/* void */; p < last; p++) {
        if (l->nescape == 0) {
            for (plain = p; p < last && *p != '"' && *p != '\\'; p++) {
                /* void */
            }

            proctor_links_name_add(l, plain, (size_t) (p - plain));

            if (p == last) {
                break;
            }

            if (*p == '"') {
                l->wanted = proctor_links_is_wanted(l);
                l->state = PROCTOR_LINKS_COLON;
                return p + 1;
            }
        }

        rc = proctor_links_decode(l, *p, &code);

        if (rc == -1) {
            l->state = PROCTOR_LINKS_PASS;
            return p;
        }

        if (rc == 1) {
            proctor_links_name_unescaped(l, (unsigned) code);
            l->nescape = 0;
        }
    }

    return p;
}


static void
proctor_links_name_add(proctor_links_t *l, const char *bytes, size_t len)
{
    if (len == 0) {
        return;
    }

    if (l->surrogate != 0 || l->nheld + len > PROCTOR_LINKS_HELD) {
        l->misfit = 1;
        return;
    }

    memcpy(l->held + l->nheld, bytes, len);
    l->nheld += len;
}


/* A surrogate without its other half is in no name of ours. */

static void
proctor_links_name_unescaped(proctor_links_t *l, unsigned code)
{
    char utf8[4];

    if ((code & 0xfc00) == 0xdc00) {
        code = 0x10000 + ((l->surrogate & 0x3ff) << 10 | (code & 0x3ff));
        l->misfit |= (l->surrogate == 0);
        l->surrogate = 0;

    } else if ((code & 0xfc00) == 0xd800) {
        l->misfit |= (l->surrogate != 0);
        l->surrogate = code;
        return;
    }

    proctor_links_name_add(l, utf8, proctor_links_utf8(utf8, code));
}


static size_t
proctor_links_utf8(char utf8[4], unsigned code)
{
    if (code < 0x80) {
        utf8[0] = (char) code;
        return 1;
    }

    if (code < 0x800) {
        utf8[0] = (char) (0xc0 | code >> 6);
        utf8[1] = (char) (0x80 | (code & 0x3f));
        return 2;
    }

    if (code < 0x10000) {
        utf8[0] = (char) (0xe0 | code >> 12);
        utf8[1] = (char) (0x80 | (code >> 6 & 0x3f));
        utf8[2] = (char) (0x80 | (code & 0x3f));
        return 3;
    }

    utf8[0] = (char) (0xf0 | code >> 18);
    utf8[1] = (char) (0x80 | (code >> 12 & 0x3f));
    utf8[2] = (char) (0x80 | (code >> 6 & 0x3f));
    utf8[3] = (char) (0x80 | (code & 0x3f));
    return 4;
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


int
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


/* what the complete escape sequence in l->escape stands for; -1: nothing */

static int
proctor_links_unescape(const proctor_links_t *l)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";

    int i;
    unsigned code;
    const char *p;

    if (l->nescape == 2) {
        p = memchr(from, l->escape[1], sizeof(from) - 1);
        return (p != NULL) ? to[p - from] : -1;
    }

    code = 0;

    for (i = 2; i < 6; i++) {
        code = code << 4 | (unsigned) proctor_links_hex(l->escape[i]);
    }

    return (int) code;
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
