/*
 * The links filter: whatever the text and however it is cut, only the origins
 * of the named top-level members change.  Each text goes in whole, byte by
 * byte and cut at every place; all must give the same bytes.
 */

#include "links.h"


#define HOST "https://api.respan.ai"


/* text, what comes out; NULL: the text itself */

static const struct {
    const char *name;
    const char *text;
    const char *want;
} cases[] = {
    { "a list answer",
        "{\"count\":2,\"next\":\"" HOST "/x/?page=2\",\"previous\":\"" HOST
        "/x/\",\"results\":[{\"id\":\"a\"}]}",
        "{\"count\":2,\"next\":\"" ORIGIN "/x/?page=2\",\"previous\":\"" ORIGIN
        "/x/\",\"results\":[{\"id\":\"a\"}]}" },
    { "white space everywhere",
        " \r\n{ \"next\"\t:\n\"" HOST "/x\" , \"a\" : 1 }\n",
        " \r\n{ \"next\"\t:\n\"" ORIGIN "/x\" , \"a\" : 1 }\n" },
    { "null", "{\"next\":null,\"previous\":null}", NULL },
    { "numbers and literals before the link",
        "{\"a\":-1.5e+9,\"b\":true,\"c\":false,\"next\":\"" HOST "/x\"}",
        "{\"a\":-1.5e+9,\"b\":true,\"c\":false,\"next\":\"" ORIGIN "/x\"}" },
    { "a number as a link", "{\"next\":17,\"previous\":\"" HOST "/x\"}",
        "{\"next\":17,\"previous\":\"" ORIGIN "/x\"}" },
    { "an object as a link", "{\"next\":{\"next\":\"" HOST "\"}}", NULL },
    { "an empty object", "{}", NULL },
    { "an empty link", "{\"next\":\"\"}", NULL },
    { "a relative link", "{\"next\":\"/x/?page=2\",\"previous\":\"?page=1\"}",
        NULL },
    { "a relative link, escaped", "{\"next\":\"\\/x\\/?page=2\"}", NULL },
    { "one slash", "{\"next\":\"/\"}", NULL },
    { "another scheme", "{\"next\":\"ftp://host/x\"}", NULL },
    { "a longer scheme", "{\"next\":\"httpss://host/x\"}", NULL },
    { "words", "{\"next\":\"http is a protocol\",\"previous\":\"ht\"}", NULL },
    { "escapes that are no URL", "{\"next\":\"\\u0068\\n\\\"x\\\\\"}", NULL },
    { "both occurrences of a name",
        "{\"next\":\"http://a/1\",\"next\":\"http://b/2\"}",
        "{\"next\":\"" ORIGIN "/1\",\"next\":\"" ORIGIN "/2\"}" },
    { "an escaped name", "{\"\\u006e\\u0065xt\":\"http://a/1\"}",
        "{\"\\u006e\\u0065xt\":\"" ORIGIN "/1\"}" },
    { "an escaped name outside ASCII",
        "{\"l\\u00F6\\u20aC\\ud83d\\uDe00\":\"http://a/1\"}",
        "{\"l\\u00F6\\u20aC\\ud83d\\uDe00\":\"" ORIGIN "/1\"}" },
    { "a plain name outside ASCII",
        "{\"l\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80\":\"http://a/1\"}",
        "{\"l\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80\":\"" ORIGIN "/1\"}" },
    { "a name with half a surrogate pair",
        "{\"next\\ud83d\":\"http://a/1\",\"next\\ude00\":\"http://a/1\"}",
        NULL },
    { "names with parts of surrogate pairs apart",
        "{\"l\\ud83d\\u00f6\\u20ac\\ude00\":\"http://a/1\",\"\\ude00\":\""
        "http://a/1\",\"l\\u00f6\\u20ac\\ud800\\ud83d\\ude00\":\"http://a/1\"}",
        NULL },
    { "a name after one with half a surrogate pair",
        "{\"\\ud83d\":1,\"next\":\"http://a/1\"}",
        "{\"\\ud83d\":1,\"next\":\"" ORIGIN "/1\"}" },
    { "a name after one with the other half",
        "{\"\\ude00\":1,\"next\":\"http://a/1\"}",
        "{\"\\ude00\":1,\"next\":\"" ORIGIN "/1\"}" },
    { "names that are nearly the name",
        "{\"nex\":\"http://a/1\",\"nextt\":\"http://a/1\",\"Next\":\"http://a/"
        "1\""
        ",\"\":\"http://a/1\",\"next\\u0000\":\"http://a/1\"}",
        NULL },
    { "a name with a quote in it",
        "{\"next\\\"\":\"http://a/1\",\"\\\"next\":\"http://a/1\"}", NULL },
    { "nested names",
        "{\"a\":{\"next\":\"http://a/1\"},\"b\":[{\"previous\":\"http://b/"
        "2\"}]}",
        NULL },
    { "a link after nested values",
        "{\"a\":{\"b\":[1,{\"c\":\"]}\\\"}\"}]},\"next\":\"http://a/1\"}",
        "{\"a\":{\"b\":[1,{\"c\":\"]}\\\"}\"}]},\"next\":\"" ORIGIN "/1\"}" },
    { "text that looks like a link inside a string",
        "{\"a\":\"x\\\",\\\"next\\\":\\\"http://a/1\",\"b\":\"\\\\\","
        "\"next\":\"http://a/1\"}",
        "{\"a\":\"x\\\",\\\"next\\\":\\\"http://a/1\",\"b\":\"\\\\\","
        "\"next\":\"" ORIGIN "/1\"}" },
    { "a link as a value of another member",
        "{\"a\":\"next\",\"b\":\"http://a/1\"}", NULL },
    { "nothing after the authority", "{\"next\":\"http://api.example\"}",
        "{\"next\":\"" ORIGIN "\"}" },
    { "user information, port",
        "{\"next\":\"https://me:p%40ss@api.example:8443/x\"}",
        "{\"next\":\"" ORIGIN "/x\"}" },
    { "user information with an at sign in the path",
        "{\"next\":\"https://api.example/@other/x\"}",
        "{\"next\":\"" ORIGIN "/@other/x\"}" },
    { "an IPv6 authority", "{\"next\":\"http://[2001:db8::1]:80/x?y=[1]\"}",
        "{\"next\":\"" ORIGIN "/x?y=[1]\"}" },
    { "an upper case scheme", "{\"next\":\"HtTpS://API.EXAMPLE/X\"}",
        "{\"next\":\"" ORIGIN "/X\"}" },
    { "a query right after the authority", "{\"next\":\"http://a?p=1/2\"}",
        "{\"next\":\"" ORIGIN "?p=1/2\"}" },
    { "a fragment right after the authority", "{\"next\":\"http://a#f\"}",
        "{\"next\":\"" ORIGIN "#f\"}" },
    { "relative to the scheme", "{\"next\":\"//api.example/x\"}",
        "{\"next\":\"" ORIGIN "/x\"}" },
    { "escaped slashes",
        "{\"next\":\"https:\\/\\/api.example\\/x\\/?p=\\u0031\"}",
        "{\"next\":\"" ORIGIN "\\/x\\/?p=\\u0031\"}" },
    { "everything escaped",
        "{\"next\":"
        "\"\\u0048ttp\\u003a\\u002F\\u002fa\\u002eb\\u002fx\\u002fy\"}",
        "{\"next\":\"" ORIGIN "\\u002fx\\u002fy\"}" },
    { "an escaped question mark", "{\"next\":\"http://a\\u003fp=1\"}",
        "{\"next\":\"" ORIGIN "\\u003fp=1\"}" },
    { "backslashes for slashes",
        "{\"next\":\"http:\\\\\\\\host\\\\path\\\\x\"}",
        "{\"next\":\"" ORIGIN "/path\\\\x\"}" },
    { "a backslash before an at sign",
        "{\"next\":\"http://api.example\\\\@evil.example/x\"}",
        "{\"next\":\"" ORIGIN "/@evil.example/x\"}" },
    { "escaped backslashes relative to the scheme",
        "{\"next\":\"\\u005c\\u005Cevil.example\\u005cx\"}",
        "{\"next\":\"" ORIGIN "/x\"}" },
    { "mixed slashes relative to the scheme",
        "{\"next\":\"/\\\\evil.example/x\"}", "{\"next\":\"" ORIGIN "/x\"}" },
    { "too many slashes", "{\"next\":\"https:////evil.example/x\"}",
        "{\"next\":\"" ORIGIN "/x\"}" },
    { "too few slashes", "{\"next\":\"https:/evil.example/x\"}",
        "{\"next\":\"" ORIGIN "/x\"}" },
    { "no slashes", "{\"next\":\"https:evil.example/x\"}",
        "{\"next\":\"" ORIGIN "/x\"}" },
    { "white space that URL parsers drop",
        "{\"next\":\" \\u0001\\tht\\ntp\\r:/\\t/evil.ex\\nample/x\"}",
        "{\"next\":\"" ORIGIN "/x\"}" },
    { "white space before a relative link", "{\"next\":\"  /\\t\\nx\"}", NULL },
    { "a byte order mark", "\xef\xbb\xbf{\"next\":\"http://a/1\"}",
        "\xef\xbb\xbf{\"next\":\"" ORIGIN "/1\"}" },
    { "UTF-8 around and in the link",
        "{\"\xc3\xa9\":\"\xe2\x82\xac\",\"next\":\"http://\xc3\xa9.example/"
        "\xc3\xa9\"}",
        "{\"\xc3\xa9\":\"\xe2\x82\xac\",\"next\":\"" ORIGIN "/\xc3\xa9\"}" },
    { "an array", "[{\"next\":\"http://a/1\"},\"next\",\"http://a/1\"]", NULL },
    { "a string", "\"http://a/1\"", NULL },
    { "no text", "", NULL },
    { "no JSON", "<html>{\"next\":\"http://a/1\"}</html>", NULL },
    { "a second text", "{} {\"next\":\"http://a/1\"}", NULL },
    { "no colon", "{\"next\" \"http://a/1\"}", NULL },
    { "a colon for a comma", "{\"a\":1:\"next\":\"http://a/1\"}", NULL },
    { "no comma", "{\"a\":1 \"next\":\"http://a/1\"}", NULL },
    { "a bad escape in a name", "{\"\\q\":1,\"next\":\"http://a/1\"}", NULL },
    { "a bad escape in a link", "{\"next\":\"ht\\u00zztp://a/1\"}", NULL },
    { "a bad escape in an authority",
        "{\"next\":\"http://a\\qb\\u00/1\",\"previous\":\"http://a\\u0\"}",
        "{\"next\":\"" ORIGIN "/1\",\"previous\":\"" ORIGIN "\"}" },
    { "cut off in a name", "{\"next", NULL },
    { "cut off before the link", "{\"next\":\"", NULL },
    { "cut off in a scheme", "{\"next\":\"http", NULL },
    { "cut off in an escape", "{\"next\":\"http\\u00", NULL },
    { "cut off after a slash", "{\"next\":\"/", NULL },
    { "cut off in an authority", "{\"next\":\"http://api.resp",
        "{\"next\":\"" ORIGIN },
    { "cut off in an authority's escape", "{\"next\":\"http://api\\u00",
        "{\"next\":\"" ORIGIN },
    { "cut off in a path", "{\"next\":\"http://a/x\\",
        "{\"next\":\"" ORIGIN "/x\\" },
};


static void
test_cases(void)
{
    size_t i, len;
    const char *want;
    links_out_t out;

    memset(&out, 0, sizeof(out));

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        len = strlen(cases[i].text);
        want = cases[i].want != NULL ? cases[i].want : cases[i].text;

        links_run(&out, cases[i].text, len, len, 1);

        is_mem(out.bytes, out.len, want, "%s", cases[i].name);
        is_int(out.rc, PROCTOR_OK, "%s: succeeds", cases[i].name);
        is_int(links_splits(&out, cases[i].text, len), 0,
            "%s: the same however cut", cases[i].name);
    }

    free(out.bytes);
}


/* bytes before the path of a link whose scheme and authority have this length */

static int
links_long(links_out_t *out, size_t len)
{
    char text[4 * PROCTOR_LINKS_HELD];
    size_t n;
    unsigned differ;

    n = (size_t) sprintf(text, "{\"a\":1,\"next\":\"http://");
    memset(text + n, 'h', len - 7);
    n += len - 7;
    n += (size_t) sprintf(text + n, "/1\"}");

    links_run(out, text, n, n, 1);
    differ = links_splits(out, text, n);
    is_int(differ, 0, "%zu bytes before the path: the same however cut", len);

    return out->rc;
}


static void
test_limits(void)
{
    char text[4 * PROCTOR_LINKS_HELD];
    size_t n;
    links_out_t out;

    memset(&out, 0, sizeof(out));

    is_int(links_long(&out, PROCTOR_LINKS_HELD - 1), PROCTOR_OK,
        "an origin that can just be held");
    is_mem(out.bytes, out.len, "{\"a\":1,\"next\":\"" ORIGIN "/1\"}",
        "is replaced");
    is_int(links_long(&out, PROCTOR_LINKS_HELD + 1), PROCTOR_INVALID,
        "an origin that is too long");
    is_mem(out.bytes, out.len, "{\"a\":1,\"next\":\"" ORIGIN,
        "ends the text at our origin");

    n = (size_t) sprintf(text, "{\"next\":\"");
    memset(text + n, ' ', PROCTOR_LINKS_HELD + 1);
    n += PROCTOR_LINKS_HELD + 1;
    n += (size_t) sprintf(text + n, "http://a/1\"}");
    links_run(&out, text, n, n, 1);
    is_int(out.rc, PROCTOR_INVALID, "too much white space before an origin");
    is_mem(out.bytes, out.len, "{\"next\":\"", "ends the text there");
    is_int(links_splits(&out, text, n), 0, "the same however cut");

    n = (size_t) sprintf(text, "{\"");
    memset(text + n, 'n', PROCTOR_LINKS_HELD + 1);
    n += PROCTOR_LINKS_HELD + 1;
    n += (size_t) sprintf(text + n, "\":\"http://a/1\"}");
    links_run(&out, text, n, n, 1);
    ok(out.rc == PROCTOR_OK && out.len == n && memcmp(text, out.bytes, n) == 0,
        "a long member name matches nothing");

    free(out.bytes);
}


static void
test_failures(void)
{
    int i, rc;
    links_out_t out;
    proctor_links_t l;

    static const char text[] = "{\"next\":\"http://a/1\",\"previous\":\"/x\"}";

    memset(&out, 0, sizeof(out));

    for (i = 0; i < 5; i++) {
        out.fail_after = i;
        out.len = 0;
        proctor_links_init(&l, names, 2, &origin, links_emit, &out);
        rc = proctor_links_feed(&l, text, sizeof(text) - 1);
        is_int(rc, PROCTOR_ERROR, "emit fails after %d", i);
        out.fail_after = -1;
        out.len = 0;
        rc = proctor_links_feed(&l, text, sizeof(text) - 1);
        ok(rc == PROCTOR_ERROR && proctor_links_end(&l) == PROCTOR_ERROR
                && out.len == 0,
            "and nothing follows");
    }

    free(out.bytes);
}


static void
test_origin(void)
{
    char name[1024];
    json_t *json;
    const char *link;
    links_out_t out;
    proctor_str_t strange;
    proctor_links_t l;

    static const char text[] = "{\"next\":\"http://a/1\"}";

    memset(&out, 0, sizeof(out));
    out.fail_after = -1;
    memset(name, 'x', sizeof(name));
    memcpy(name, "http://\"\\\n", 10);
    strange.data = name;
    strange.len = sizeof(name);

    proctor_links_init(&l, names, 2, &strange, links_emit, &out);
    proctor_links_feed(&l, text, sizeof(text) - 1);
    is_int(proctor_links_end(&l), PROCTOR_OK, "a long origin of ours");

    json = json_loadb(out.bytes, out.len, 0, NULL);
    link = json_string_value(json_object_get(json, "next"));
    ok(link != NULL && strlen(link) == sizeof(name) + 2
            && memcmp(link, name, sizeof(name)) == 0
            && strcmp(link + sizeof(name), "/1") == 0,
        "is escaped whole");

    json_decref(json);
    free(out.bytes);
}


int
main(void)
{
    test_cases();
    test_limits();
    test_failures();
    test_origin();

    return done_testing();
}
