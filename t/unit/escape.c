/*
 * Tests of proctor_escape.c: whatever goes in, what comes out is printable
 * ASCII that JSON reads back as it was.
 */

#include <stdlib.h>

#include "proctor.h"
#include "tap.h"


static size_t used;
static char out[4096];


static const char *
escape(const char *src, size_t len)
{
    size_t n;

    n = proctor_escape_json(out, sizeof(out) - 1, src, len, &used);
    out[n] = '\0';

    return used == len ? out : NULL;
}


static void
test_table(void)
{
    size_t i;
    const char *const cases[][2] = { { "", "" }, { "plain / text", NULL },
        { "a\"b", "a\\\"b" }, { "a\\b", "a\\\\b" },
        { "a\nb\r\t", "a\\u000ab\\u000d\\u0009" },
        { "\x1b[31m", "\\u001b[31m" }, { "\x7f", "\\u007f" },
        { "\xc3\xa9", "\\u00e9" }, { "\xe2\x82\xac", "\\u20ac" },
        { "\xe2\x80\xa8", "\\u2028" }, { "\xf0\x9f\x98\x80", "\\ud83d\\ude00" },
        { "\xf4\x8f\xbf\xbf", "\\udbff\\udfff" },
        { "\xf0\x90\x80\x80", "\\ud800\\udc00" }, { "\xff", "\\ufffd" },
        { "\xc3", "\\ufffd" }, { "\xc3(", "\\ufffd(" },
        { "\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd" },
        { "\xc0\xaf", "\\ufffd\\ufffd" }, { "\xe2\x82", "\\ufffd\\ufffd" },
        { "\xe2\x82\"}", "\\ufffd\\ufffd\\\"}" } };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_str(escape(cases[i][0], strlen(cases[i][0])),
            cases[i][1] != NULL ? cases[i][1] : cases[i][0], "escape: [%zu]",
            i);
    }

    is_str(escape("a\0b", 3), "a\\u0000b", "escape: NUL");
}


/* every byte alone: ASCII comes back as it was, the rest as U+FFFD */

static void
test_bytes(void)
{
    int c, bad;
    char src, text[sizeof(out) + 2];
    const char *p;
    proctor_str_t s;
    proctor_json_t doc;

    proctor_json_init(&doc);
    doc.arena = proctor_arena_create(0);
    bad = 0;

    for (c = 0; c < 256; c++) {
        src = (char) c;
        escape(&src, 1);
        snprintf(text, sizeof(text), "\"%s\"", out);

        for (p = text; *p != '\0'; p++) {
            bad += *p < ' ' || *p > '~';
        }

        bad += proctor_json_parse(&doc, text, strlen(text)) != PROCTOR_OK
               || proctor_json_string(&doc, 0, &s) != PROCTOR_OK
               || (c < 0x80
                       ? s.len != 1 || *s.data != src
                       : s.len != 3 || memcmp(s.data, "\xef\xbf\xbd", 3) != 0);
    }

    is_int(bad, 0, "escape: each byte alone, and back");

    proctor_arena_destroy(doc.arena);
    proctor_json_free(&doc);
}


/* in buffers of every size: never past the end, never half an escape */

static void
test_sizes(void)
{
    size_t size, i, n, full, bad;
    char *dst;
    const char src[] = "a\"\n\xc3\xa9\xf0\x9f\x98\x80\xff\\z";
    const size_t whole[] = { 0, 1, 3, 9, 15, 27, 33, 35, 36 };
    const size_t taken[] = { 0, 1, 2, 3, 5, 9, 10, 11, 12 };

    bad = 0;
    full = sizeof(whole) / sizeof(whole[0]) - 1;

    for (size = 0; size < 64; size++) {
        dst = malloc(size);
        n = proctor_escape_json(dst, size, src, sizeof(src) - 1, &used);

        for (i = full; whole[i] > size; i--) { /* void */
        }

        bad += n != whole[i] || used != taken[i];
        free(dst);
    }

    is_int(bad, 0, "escape: buffers of 0 to 63 bytes");
}


static void
test_percent(void)
{
    size_t i;
    ptrdiff_t n;
    char *src, buf[64];
    const char *const cases[][3] = { { "", "", "" }, { "abc", "abc", "abc" },
        { "a+b", "a+b", "a b" }, { "%2B+%2b", "+++", "+ +" },
        { "%41%7a", "Az", "Az" }, { "caf%C3%a9", "caf\xc3\xa9", "caf\xc3\xa9" },
        { "%25%32%35", "%25", "%25" } };
    const char *const faults[] = { "%", "%4", "a%", "%4g", "%g4", "%%41", "% 1",
        "%+1", "%\xffz", "ab%2" };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        n = proctor_unescape_percent(buf, cases[i][0], strlen(cases[i][0]), 0);
        is_mem(buf, (size_t) n, cases[i][1], "percent: [%zu]", i);

        snprintf(buf, sizeof(buf), "%s", cases[i][0]);
        n = proctor_unescape_percent(buf, buf, strlen(buf), 1);
        is_mem(
            buf, (size_t) n, cases[i][2], "percent: [%zu], plus, in place", i);
    }

    for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        /* exactly as long as the text: a byte read too far is seen */
        src = malloc(strlen(faults[i]));
        memcpy(src, faults[i], strlen(faults[i]));
        is_int(proctor_unescape_percent(buf, src, strlen(faults[i]), 1), -1,
            "percent: bad [%zu]", i);
        free(src);
    }

    is_int(proctor_unescape_percent(buf, "%412", 2, 0), -1,
        "percent: cut by the length");

    n = proctor_unescape_percent(buf, "a%00b", 5, 0);
    ok(n == 3 && memcmp(buf, "a\0b", 3) == 0, "percent: NUL");
}


/* what the quick copy takes needs no escape, wherever the odd byte stands */

static void
test_copy(void)
{
    int c, plain;
    char *dst, src[40];
    size_t len, at, n, used, bad;

    bad = 0;
    memset(src, 'x', sizeof(src));

    for (c = 0; c < 256; c++) {
        plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\';

        for (len = 1; len < sizeof(src); len++) {
            dst = malloc(len);

            for (at = 0; at < len; at++) {
                src[at] = (char) c;
                used = proctor_escape_copy(dst, src, len);
                n = plain ? len : at;
                bad += plain ? used != len : used > at;
                bad += memcmp(dst, src, used < n ? used : n) != 0;
                src[at] = 'x';
            }

            free(dst);
        }
    }

    is_int(bad, 0, "what is copied needs no escape, and is the beginning");
}


int
main(void)
{
    test_table();
    test_bytes();
    test_sizes();
    test_percent();
    test_copy();

    return done_testing();
}
