/*
 * Tests of the JSON parser: what it accepts, what it refuses, why and where.
 * Each text is parsed from a copy of exactly its size, so that a sanitizer or
 * valgrind sees a byte read too far.
 */

#include <stdlib.h>

#include "proctor.h"
#include "tap.h"


typedef struct {
    const char *text;
    const char *error;
    size_t offset;
} refusal_t;


static proctor_json_t doc;
static char *copy;


static int
parse(const char *text, size_t len)
{
    free(copy);
    copy = malloc(len);

    if (len != 0) {
        memcpy(copy, text, len);
    }

    return proctor_json_parse(&doc, copy, len);
}


static const refusal_t refusals[] = {
    { "", proctor_json_empty, 0 },
    { " ", proctor_json_syntax, 1 },
    { "\xef\xbb\xbf{}", proctor_json_bom, 0 },
    { "\xef\xbb\xbf", proctor_json_bom, 0 },
    { "\xef\xbb", proctor_json_bad_utf8, 0 },
    { "\xff\xfe{", proctor_json_bad_utf8, 0 },
    { "\xc3\xa9", proctor_json_syntax, 0 },
    { "{} x", proctor_json_trailing, 3 },
    { "1 2", proctor_json_trailing, 2 },
    { "[]]", proctor_json_trailing, 2 },
    { "01", proctor_json_trailing, 1 },
    { "1\xff", proctor_json_trailing, 1 },
    { "[1,]", proctor_json_syntax, 3 },
    { "[,1]", proctor_json_syntax, 1 },
    { "[1 2]", proctor_json_syntax, 3 },
    { "[1}", proctor_json_syntax, 2 },
    { "[", proctor_json_syntax, 1 },
    { "[1", proctor_json_syntax, 2 },
    { "[1,", proctor_json_syntax, 3 },
    { "{", proctor_json_syntax, 1 },
    { "{]", proctor_json_syntax, 1 },
    { "{1:2}", proctor_json_syntax, 1 },
    { "{\"a\"", proctor_json_syntax, 4 },
    { "{\"a\"1}", proctor_json_syntax, 4 },
    { "{\"a\":", proctor_json_syntax, 5 },
    { "{\"a\":}", proctor_json_syntax, 5 },
    { "{\"a\":1,}", proctor_json_syntax, 7 },
    { "{\"a\":1]", proctor_json_syntax, 6 },
    { "{\"a\":1 \"b\":2}", proctor_json_syntax, 7 },
    { "{\"a\":1,\"b", proctor_json_syntax, 9 },
    { "[\v1]", proctor_json_syntax, 1 },
    { "tru", proctor_json_syntax, 0 },
    { "trux", proctor_json_syntax, 0 },
    { "True", proctor_json_syntax, 0 },
    { "nul", proctor_json_syntax, 0 },
    { "falsy", proctor_json_syntax, 0 },
    { "NaN", proctor_json_syntax, 0 },
    { "-", proctor_json_syntax, 0 },
    { "-x", proctor_json_syntax, 0 },
    { "[-01]", proctor_json_syntax, 3 },
    { "+1", proctor_json_syntax, 0 },
    { ".5", proctor_json_syntax, 0 },
    { "1.", proctor_json_syntax, 0 },
    { "1.e1", proctor_json_syntax, 0 },
    { "1e", proctor_json_syntax, 0 },
    { "1e+", proctor_json_syntax, 0 },
    { "[0x1]", proctor_json_syntax, 2 },
    { "\"", proctor_json_syntax, 1 },
    { "\"a", proctor_json_syntax, 2 },
    { "\"a\nb\"", proctor_json_syntax, 2 },
    { "\"\x1f\"", proctor_json_syntax, 1 },
    { "\"\\", proctor_json_syntax, 2 },
    { "\"\\\"", proctor_json_syntax, 3 },
    { "\"\\x\"", proctor_json_syntax, 1 },
    { "\"\\u12\"", proctor_json_syntax, 1 },
    { "\"\\u12g4\"", proctor_json_syntax, 1 },
    { "\"\\U0041\"", proctor_json_syntax, 1 },
    { "\"ab\\ud800\"", proctor_json_surrogate, 3 },
    { "\"\\ud800\\u0041\"", proctor_json_surrogate, 1 },
    { "\"\\ud800\\ud800\"", proctor_json_surrogate, 1 },
    { "\"\\ud800\\udc0\"", proctor_json_surrogate, 1 },
    { "\"\\ud800\\udbff\"", proctor_json_surrogate, 1 },
    { "\"\\ud800\\ue000\"", proctor_json_surrogate, 1 },
    { "\"\\ud83d\\n\"", proctor_json_surrogate, 1 },
    { "\"\\udc00\"", proctor_json_surrogate, 1 },
    { "\"\\udfff\\ud800\"", proctor_json_surrogate, 1 },
    { "\"\xc3\"", proctor_json_bad_utf8, 1 },
    { "\"\xc3", proctor_json_bad_utf8, 1 },
    { "\"\xc3\xa9\x80\"", proctor_json_bad_utf8, 3 },
    { "\"\xed\xa0\x80\"", proctor_json_bad_utf8, 1 },
    { "\"\xc0\xaf\"", proctor_json_bad_utf8, 1 },
    { "\"\xf4\x90\x80\x80\"", proctor_json_bad_utf8, 1 },
    { "{\"\xff\":1}", proctor_json_bad_utf8, 2 },
    { "[\xff]", proctor_json_bad_utf8, 1 },
    { "{\"a\":1,\"a\":2}", proctor_json_duplicate, 7 },
    { "{\"\":1,\"\":2}", proctor_json_duplicate, 6 },
    { "{\"a\":1, \"\\u0061\":2}", proctor_json_duplicate, 8 },
    { "{\"\\u0061\":1,\"a\":2}", proctor_json_duplicate, 12 },
    { "{\"\\/\":1,\"\\u002F\":2}", proctor_json_duplicate, 8 },
    { "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", proctor_json_duplicate,
        18 },
    { "[{\"b\":{\"c\":[1,{}]},\"b\":1}]", proctor_json_duplicate, 19 },
    { "{\"x\":{\"a\":1,\"b\":2,\"a\":3}}", proctor_json_duplicate, 18 },
    { "{\"a_name_of_many_b\\u0079tes\":1,\"a_name_of_many_bytes\":2}",
        proctor_json_duplicate, 31 },
};


static void
test_refusals(void)
{
    int rc;
    size_t i;
    const refusal_t *r;

    for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        r = &refusals[i];

        rc = parse(r->text, strlen(r->text));

        ok(rc == PROCTOR_INVALID && doc.error == r->error
                && doc.error_offset == r->offset && doc.nnodes == 0,
            "refused: [%zu] %s at %zu (got %s at %zu)", i, r->error, r->offset,
            doc.error != NULL ? doc.error : "nothing", doc.error_offset);
    }

    is_int(parse("\"a\0b\"", 5), PROCTOR_INVALID, "a bare NUL in a string");
    is_int(parse("[1]\0", 4), PROCTOR_INVALID, "a NUL after the end");
    is_int(doc.error_offset, 3, "is named");

    is_int(proctor_json_parse(&doc, "x", UINT32_MAX), PROCTOR_ERROR,
        "4 GB are refused unread");
    is_str(doc.error, "is too large", "and why");
}


static void
test_accepted(void)
{
    size_t i;
    const char *texts[] = { "{}", "[]", " { } ", "\t[\r\n]", "0", "-0", "-1",
        "10", "1.50", "1e5", "1E-5", "0e+00", "-0.0e0", "\"\"", "true", "false",
        "null", "\"\\u0000\"", "\"\x7f\"", "\"\xef\xbb\xbf\"",
        "123456789012345678901234567890", "1e400", "[[],{},[{}]]",
        "{\"a\":{\"a\":{\"a\":1}}}", "{\"a\":1,\"A\":1,\"aa\":1,\"\":1}",
        "{\"a\\u0000\":1,\"a\":2}", "\"\\ud83d\\ude00\"",
        "\"\xf4\x8f\xbf\xbf\"", "\"\\uD834\\udd1e\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "[\"\xed\x9f\xbf\",\"\xee\x80\x80\",\"\xef\xbf\xbf\"]" };

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        is_int(parse(texts[i], strlen(texts[i])), PROCTOR_OK, "accepted: [%zu]",
            i);
    }
}


static const char rich[] = " {\"id\" : \"ds_1\", \"n\": -12.50e+3,\"deep\":[[1,"
                           "{\"k\\u00e9y\":[true,false,null]}],[] ,{}],"
                           "\"text\":\"a long string with \\\"quotes\\\", "
                           "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 and "
                           "\\ud83d\\ude00 in it\",\"e\":\"\"} ";


static void
test_tape(void)
{
    const proctor_json_node_t *n;

    is_int(parse(rich, sizeof(rich) - 1), PROCTOR_OK, "the rich document");
    n = doc.nodes;

    ok(n[0].type == PROCTOR_JSON_OBJECT && n[0].count == 5
            && n[0].next == doc.nnodes && n[0].len == sizeof(rich) - 3
            && n[0].text == copy + 1,
        "the root: members, end, extent");
    ok(n[1].type == PROCTOR_JSON_STRING && n[1].next == 2, "a key");
    is_mem(n[1].text, n[1].len, "id", "its name");
    is_mem(n[2].text, n[2].len, "ds_1", "its value");
    is_mem(n[4].text, n[4].len, "-12.50e+3", "a number as it was spelled");
    ok(n[6].type == PROCTOR_JSON_ARRAY && n[6].count == 3, "an array's items");
    is_int(n[6].next, 17, "what comes after it");
    ok(n[10].escaped && n[11].count == 3 && n[11].next == 15,
        "an escaped key and its value");
    is_mem(n[11].text, n[11].len, "[true,false,null]", "an array's extent");
    ok(n[12].type == PROCTOR_JSON_TRUE && n[13].type == PROCTOR_JSON_FALSE
            && n[14].type == PROCTOR_JSON_NULL && n[13].len == 5,
        "literals");
    ok(n[15].count == 0 && n[15].next == 16 && n[15].len == 2, "[]");
}


static void
test_truncations(void)
{
    size_t i, bad;

    bad = 0;

    for (i = 0; i < sizeof(rich) - 2; i++) {
        bad += parse(rich, i) != PROCTOR_INVALID || doc.error == NULL
               || doc.error_offset > i;
    }

    is_int(bad, 0, "all %zu truncations are refused", i);
}


/* where the parser must stop at a string of `len` bytes with this one in it */

static size_t
stop(char special, size_t at, size_t len)
{
    if (special == '"') {
        return at + 2; /* the string is over, the rest trails */
    }

    if (special == '\\' && at == len - 1) {
        return len + 2; /* the closing quote is escaped */
    }

    return at + 1;
}


static void
test_positions(void)
{
    size_t len, at, bad;
    char text[160];
    const char *special;

    bad = 0;

    for (len = 1; len < 100; len++) {
        memset(text, len % 2 ? '!' : '~', sizeof(text));
        text[0] = '"';
        text[1 + len] = '"';
        bad += parse(text, len + 2) != PROCTOR_OK || doc.nodes[0].len != len;

        for (at = 0; at < len; at++) {
            for (special = "\"\\\x1f\x80\n"; *special != '\0'; special++) {
                memset(text + 1, 'x', len);
                text[1 + at] = *special;

                bad += parse(text, len + 2) != PROCTOR_INVALID
                       || doc.error_offset != stop(*special, at, len);
            }
        }
    }

    is_int(bad, 0, "special bytes at all places of strings of 1 to 99 bytes");
}


/* {"<name>":1,"<name>":2} in each of its spellings, at the text's end or not */

static unsigned
same_name(const char *name, unsigned len)
{
    int n;
    unsigned bad, form, tail;
    char text[400];
    static const char *const tails[] = { "", "                        " };

    for (bad = 0, form = 0; form < 4; form++) {
        for (tail = 0; tail < 2; tail++) {
            n = snprintf(text, sizeof(text), "{\"%s%.*s\":1,\"%s%.*s\":2}%s",
                form & 1 ? "\\u0061" : "a", (int) len, name,
                form & 2 ? "\\u0061" : "a", (int) len, name, tails[tail]);
            bad += parse(text, (size_t) n) != PROCTOR_INVALID
                   || doc.error != proctor_json_duplicate;
        }
    }

    n = snprintf(text, sizeof(text), "{\"%.*s\":1,\"%.*sb\":2,\"%.*sc\":3}",
        (int) len, name, (int) len, name, (int) len, name);
    bad += parse(text, (size_t) n) != PROCTOR_OK || doc.nodes[0].count != 3;

    return bad;
}


static void
test_names(void)
{
    unsigned len, bad;
    char name[64];

    memset(name, 'n', sizeof(name));

    for (bad = 0, len = 0; len < sizeof(name); len++) {
        bad += same_name(name, len);
    }

    is_int(bad, 0, "names of 0 to 64 bytes are the same however they stand");
}


static void
test_integers(void)
{
    unsigned i, bad;
    static const char yes[] = "[0,-0,7,-12,123456789012345678901234567890]";
    static const char no[] = "[0.0,1e0,1E2,-1.5,1.0e-3,\"1\",true,null,[],{}]";

    bad = parse(yes, strlen(yes)) != PROCTOR_OK;

    for (i = 1; i < doc.nnodes; i++) {
        bad += doc.nodes[i].integer != 1;
    }

    bad += parse(no, strlen(no)) != PROCTOR_OK;

    for (i = 0; i < doc.nnodes; i++) {
        bad += doc.nodes[i].integer != 0;
    }

    is_int(bad, 0, "a number of digits only is known as an integer");
}


int
main(void)
{
    proctor_json_init(&doc);

    test_refusals();
    test_accepted();
    test_tape();
    test_truncations();
    test_positions();
    test_names();
    test_integers();

    proctor_json_free(&doc);
    free(copy);
    ok(doc.nodes == NULL && doc.capacity == 0, "free leaves nothing");

    return done_testing();
}
