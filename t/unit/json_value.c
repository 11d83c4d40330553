/*
 * Tests of what a finished JSON document answers: decoded strings, members,
 * pointers; of UTF-8; and of objects built without a text.
 */

#include <stdlib.h>

#include "proctor.h"
#include "tap.h"


static proctor_json_t doc;


static int
parse(const char *text)
{
    return proctor_json_parse(&doc, text, strlen(text));
}


/* an encoder of our own: the tests must not trust the one they test */

static size_t
encode(uint32_t c, char *dst)
{
    size_t i, n;
    const uint8_t marks[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

    n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (i = n; i > 1; i--) {
        dst[i - 1] = (char) (0x80 | (c & 0x3f));
        c >>= 6;
    }

    dst[0] = (char) (n == 1 ? c : marks[n] | c);
    dst[n] = '\0';

    return n;
}


static int
decodes_to(const char *text, const char *want, size_t len)
{
    proctor_str_t s;

    return parse(text) == PROCTOR_OK
           && proctor_json_string(&doc, 0, &s) == PROCTOR_OK && s.len == len
           && memcmp(s.data, want, len) == 0;
}


static void
test_strings(void)
{
    proctor_str_t s;
    proctor_arena_t *arena;

    ok(decodes_to("\"plain\"", "plain", 5), "a plain string");
    proctor_json_string(&doc, 0, &s);
    ok(doc.nodes[0].text == s.data, "is not copied");
    ok(decodes_to("\"\"", "", 0), "an empty string");
    ok(decodes_to("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8),
        "all short escapes");
    ok(decodes_to("\"a\\u0000b\"", "a\0b", 3), "NUL is a character");
    ok(decodes_to("\"one\\ntwo\\nthree\"", "one\ntwo\nthree", 13),
        "runs between escapes");

    arena = doc.arena;
    doc.arena = NULL;
    parse("[\"x\",\"\\n\"]");
    is_int(proctor_json_string(&doc, 1, &s), PROCTOR_OK,
        "no arena, no escapes: no matter");
    is_int(proctor_json_string(&doc, 2, &s), PROCTOR_ERROR,
        "no arena for escapes");

    doc.arena = proctor_arena_create(1);
    is_int(proctor_json_string(&doc, 2, &s), PROCTOR_ERROR, "a full arena");
    proctor_arena_destroy(doc.arena);
    doc.arena = arena;
}


static void
test_units(void)
{
    size_t n;
    uint32_t c, bad;
    char text[16], want[8];

    bad = 0;

    for (c = 0; c <= 0xffff; c++) {
        sprintf(text, c % 2 ? "\"\\u%04x\"" : "\"\\u%04X\"", c);
        n = encode(c, want);

        if (c >= 0xd800 && c <= 0xdfff) {
            bad += parse(text) != PROCTOR_INVALID
                   || doc.error != proctor_json_surrogate;

        } else {
            bad += !decodes_to(text, want, n);
        }

        proctor_arena_reset(doc.arena);
    }

    is_int(bad, 0, "\\u0000 to \\uffff: decoded, or refused when lone");
}


static void
test_pairs(void)
{
    size_t n;
    uint32_t c, bad, unit;
    char text[32], want[8];

    bad = 0;

    for (c = 0x10000; c <= 0x10ffff; c += c % 0x400 == 1 ? 0x3fe : 1) {
        unit = c - 0x10000;
        sprintf(text, "\"\\u%04x\\u%04X\"", 0xd800 + (unit >> 10),
            0xdc00 + (unit & 0x3ff));
        n = encode(c, want);
        bad += !decodes_to(text, want, n);
        proctor_arena_reset(doc.arena);
    }

    is_int(bad, 0, "surrogate pairs at all boundaries of their halves");
}


/* RFC 3629 by arithmetic: decode, then see whether it may be so */

static int
valid_utf8(const uint8_t *s, size_t len)
{
    size_t n, i;
    uint32_t c;
    const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    while (len > 0) {
        n = *s < 0x80   ? 1
            : *s < 0xc0 ? 9
            : *s < 0xe0 ? 2
            : *s < 0xf0 ? 3
            : *s < 0xf8 ? 4
                        : 9;
        if (n > len) {
            return 0;
        }

        c = n == 1 ? *s : *s & (0x7fu >> n);

        for (i = 1; i < n; i++) {
            if ((s[i] & 0xc0) != 0x80) {
                return 0;
            }

            c = c << 6 | (s[i] & 0x3f);
        }

        if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
            return 0;
        }

        s += n;
        len -= n;
    }

    return 1;
}


/* in a string of the length that uses the fast path, and in none */

static int
agrees(const uint8_t *bytes, size_t len)
{
    int want;
    char text[32];

    want = valid_utf8(bytes, len);

    memset(text, 'x', sizeof(text));
    memcpy(text + 3, bytes, len);

    return proctor_json_utf8((const char *) bytes, len) == want
           && proctor_json_utf8(text, sizeof(text)) == want;
}


static void
test_utf8(void)
{
    uint32_t i, bad;
    uint8_t s[4];
    static const uint8_t edges[] = { 0x00, 0x22, 0x5c, 0x7f, 0x80, 0x8f, 0x90,
        0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
        0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff };
    const uint32_t n = sizeof(edges);

    bad = 0;

    for (i = 0; i < 65536; i++) {
        s[0] = (uint8_t) (i >> 8);
        s[1] = (uint8_t) i;
        bad += !agrees(s, 2);
    }

    is_int(bad, 0, "UTF-8: all pairs of bytes");

    for (i = 0; i < n * n * n * n; i++) {
        s[0] = edges[i % n];
        s[1] = edges[i / n % n];
        s[2] = edges[i / n / n % n];
        s[3] = edges[i / n / n / n];
        bad += !agrees(s, 3);
        bad += !agrees(s, 4);
    }

    is_int(bad, 0, "UTF-8: boundary bytes in threes and fours");
    ok(proctor_json_utf8("", 0), "UTF-8: nothing is valid");
}


static void
test_members(void)
{
    uint32_t object;

    parse("[{\"a\":1,\"b\":{\"a\":2},\"c\\u00e9\":3,\"\":4,\"d\":5},[\"a\"]]");
    object = 1;

    is_int(proctor_json_member(&doc, object, "a", 1), 3, "the first member");
    is_int(proctor_json_member(&doc, object, "d", 1),
        doc.nodes[object].next - 1, "the last member");
    is_mem(doc.nodes[proctor_json_member(&doc, object, "", 0)].text, 1, "4",
        "an empty name");
    is_mem(doc.nodes[proctor_json_member(&doc, object, "c\xc3\xa9", 3)].text, 1,
        "3", "an escaped name");
    is_int(proctor_json_member(&doc, object, "c", 1), 0, "no such member");
    is_int(proctor_json_member(&doc, object, "c\xc3\xa9s", 4), 0, "too long");
    is_int(proctor_json_member(&doc, 0, "a", 1), 0, "an array has no members");
    is_int(proctor_json_member(&doc, 3, "a", 1), 0, "a number has no members");
}


static void
test_find(void)
{
    size_t i;
    uint32_t node;
    const char *const cases[][2] = { { "/a/0", "10" }, { "/a/2/b", "12" },
        { "/a~1b", "1" }, { "/m~0n", "2" }, { "/~01", "3" }, { "/", "4" },
        { "/n~1\xc3\xa9", "5" }, { "/01", "6" }, { "/~1", "7" },
        { "/a/10", "20" } };
    const char *const nowhere[] = { "a", "/b", "/a/11", "/a/01", "/a/-", "/a/",
        "/a/1x", "/a/99999999999", "/a/0/0", "/m~n", "/m~", "/m~2", "/a~1",
        "/a/0/", "//", "/n", "/n~1\xc3\xa9x" };

    parse("{\"a\":[10,11,{\"b\":12},13,14,15,16,17,18,19,20],\"a/b\":1,"
          "\"m~n\":2,\"~1\":3,\"\":4,\"n\\/\\u00e9\":5,\"01\":6,\"/\":7}");

    is_int(proctor_json_find(&doc, ""), 0, "pointer: the root");

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        node = proctor_json_find(&doc, cases[i][0]);

        ok(node != UINT32_MAX
                && strncmp(
                       doc.nodes[node].text, cases[i][1], strlen(cases[i][1]))
                       == 0,
            "pointer: %s", cases[i][0]);
    }

    for (i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        ok(proctor_json_find(&doc, nowhere[i]) == UINT32_MAX,
            "pointer: %s is nowhere", nowhere[i]);
    }

    parse("x");
    ok(proctor_json_find(&doc, "") == UINT32_MAX, "pointer: no document");
}


static void
test_builder(void)
{
    uint32_t i, bad;
    char name[16];
    proctor_str_t s, page = proctor_str("page"), ten = proctor_str("10");
    proctor_str_t sort = proctor_str("sort"), by = proctor_str("-\\x\"");
    proctor_str_t yes = proctor_str("true");

    is_int(proctor_json_object_begin(&doc), PROCTOR_OK, "begin");
    proctor_json_object_add(&doc, &page, PROCTOR_JSON_NUMBER, &ten);
    proctor_json_object_add(&doc, &sort, PROCTOR_JSON_STRING, &by);
    proctor_json_object_add(&doc, &yes, PROCTOR_JSON_TRUE, &yes);
    proctor_json_object_end(&doc);

    ok(doc.nodes[0].type == PROCTOR_JSON_OBJECT && doc.nodes[0].count == 3
            && doc.nodes[0].next == 7,
        "an object of three members");
    is_int(doc.nodes[proctor_json_find(&doc, "/page")].type,
        PROCTOR_JSON_NUMBER, "a number");
    proctor_json_string(&doc, proctor_json_member(&doc, 0, "sort", 4), &s);
    is_mem(s.data, s.len, "-\\x\"", "a string is decoded already");

    proctor_json_object_begin(&doc);
    is_int(doc.nodes[0].count, 0, "begin forgets what was there");
    proctor_json_object_end(&doc);
    is_int(doc.nodes[0].next, 1, "an empty object");

    proctor_json_object_begin(&doc);
    bad = 0;
    s.data = name;
    s.len = sizeof(name);
    memset(name, 'x', sizeof(name));

    for (i = 0; i < (PROCTOR_JSON_NODES - 1) / 2; i++) {
        bad += proctor_json_object_add(&doc, &s, PROCTOR_JSON_NULL, &yes)
               != PROCTOR_OK;
    }

    is_int(bad, 0, "as many members as there may be values");
    is_int(proctor_json_object_add(&doc, &s, PROCTOR_JSON_NULL, &yes),
        PROCTOR_ERROR, "one more is an error");

    proctor_json_object_begin(&doc);
    ok(doc.capacity < 1000, "the large tape is given back");
    s.len = (size_t) UINT32_MAX + 1;
    is_int(proctor_json_object_add(&doc, &s, PROCTOR_JSON_NULL, &yes),
        PROCTOR_ERROR, "a name of 4 GB is refused");
}


int
main(void)
{
    proctor_json_init(&doc);
    doc.arena = proctor_arena_create(0);

    test_strings();
    test_units();
    test_pairs();
    test_utf8();
    test_members();
    test_find();
    test_builder();

    proctor_arena_destroy(doc.arena);
    proctor_json_free(&doc);

    return done_testing();
}
