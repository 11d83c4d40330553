/*
 * The links filter on texts that nobody wrote: strings and brackets around the
 * borders of its blocks, deep nesting, and mutations, which must come out the
 * same however cut and mean what another JSON parser says they mean.
 */

#include <ctype.h>

#include "links.h"


#define MUTATIONS 40000
#define SHAPES    120 /* of a string around a block's border */


/*
 * Strings that end anywhere in a block of 64, after any number of backslashes:
 * an even number leaves the quote its meaning, an odd one takes it.
 */

static void
test_borders(void)
{
    char text[1024], want[1024], run[SHAPES + 1];
    int len, pad, slashes, nested;
    unsigned wrong;
    links_out_t out;

    memset(&out, 0, sizeof(out));
    memset(run, '\\', sizeof(run));
    wrong = 0;

    for (pad = 0; pad < SHAPES; pad++) {
        for (slashes = 0; slashes < SHAPES; slashes++) {
            nested = (pad + slashes) & 1;

            len = snprintf(text, sizeof(text),
                "{\"a\":%s\"%*s%.*s%s\"%s,\"next\":\"http://a/1\"}",
                nested ? "[[{\"]\":" : "", pad, "", slashes, run,
                slashes % 2 ? "\"]}]},\\\"" : "", nested ? "}]]" : "");
            snprintf(want, sizeof(want),
                "{\"a\":%s\"%*s%.*s%s\"%s,\"next\":\"" ORIGIN "/1\"}",
                nested ? "[[{\"]\":" : "", pad, "", slashes, run,
                slashes % 2 ? "\"]}]},\\\"" : "", nested ? "}]]" : "");

            links_run(&out, text, (size_t) len, (size_t) len, 1);
            wrong += out.len != strlen(want)
                     || memcmp(out.bytes, want, out.len) != 0;
            wrong += (slashes < 4 || pad == 60)
                     && links_splits(&out, text, (size_t) len) != 0;
        }
    }

    is_int(wrong, 0, "backslashes and quotes around the borders of blocks");

    free(out.bytes);
}


static void
test_depth(void)
{
    enum {
        depth = 300000
    };

    char *text;
    size_t len;
    links_out_t out;

    memset(&out, 0, sizeof(out));
    text = malloc(2 * depth + 64);

    if (text == NULL) {
        exit(2);
    }

    len = (size_t) sprintf(text, "{\"a\":");
    memset(text + len, '[', depth);
    memset(text + len + depth, ']', depth);
    len += 2 * depth;
    len += (size_t) sprintf(text + len, ",\"next\":\"http://a/1\"}");

    links_run(&out, text, len, len, 1);
    ok(out.len == len + strlen(ORIGIN) - strlen("http://a")
            && memcmp(out.bytes + out.len - 5, "e/1\"}", 5) == 0,
        "a link after %d levels", depth);

    free(text);
    free(out.bytes);
}


static uint32_t
links_random(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;

    return (uint32_t) (state >> 32);
}


static size_t
links_mutate(char *text, size_t len, size_t size)
{
    static const char *const pieces[] = { "\"", "\\", "/", "{", "}", "[", "]",
        ",", ":", "\\\\", "\\\"", "\\/", "\\u002f", "\\u005C", "\\t", "//",
        "http:", "https://", "HTTPS:\\/\\/", "\"next\":", "\"previous\":\"",
        "user:p@", "?", "#", "\xc3\xa9", " ", "0", "null", "\"a\":\"b\",",
        "\"next\":\"https://z/\"," };

    size_t at, cut, n;
    const char *piece;

    piece = pieces[links_random() % (sizeof(pieces) / sizeof(pieces[0]))];
    n = (links_random() % 4 != 0) ? strlen(piece) : 0;
    at = links_random() % (len + 1);
    cut = links_random() % 3 % (len - at + 1);

    if (len - cut + n > size) {
        return len;
    }

    memmove(text + at + n, text + at + cut, len - at - cut);
    memcpy(text + at, piece, n);

    return len - cut + n;
}


/* absolute as the simplest reader of the URL standard sees it */

static int
links_is_absolute(const char *s)
{
    char head[8];
    size_t n;

    while (*s != '\0' && (unsigned char) *s <= ' ') {
        s++;
    }

    for (n = 0; *s != '\0' && n < sizeof(head) - 1; s++) {
        if (strchr("\t\n\r", *s) == NULL) {
            head[n++] = *s == '\\' ? '/' : (char) tolower((unsigned char) *s);
        }
    }

    head[n] = '\0';

    return strncmp(head, "http:", 5) == 0 || strncmp(head, "https:", 6) == 0
           || strncmp(head, "//", 2) == 0;
}


static int
links_is_ours(const char *s)
{
    size_t n;

    n = strlen(ORIGIN);

    return strncmp(s, ORIGIN, n) == 0
           && (s[n] == '\0' || strchr("/?#", s[n]) != NULL);
}


/* 1: the values are what they must be, by another JSON parser's reading */

static int
links_check(const char *text, size_t len, const links_out_t *out)
{
    int good;
    json_t *before, *after, *value, *other;
    const char *name;

    before = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

    if (before == NULL) {
        return 1;
    }

    after = json_loadb(
        out->bytes, out->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    good = after != NULL && json_object_size(before) == json_object_size(after);

    if (!json_is_object(before)) {
        good = good && json_equal(before, after);
    }

    json_object_foreach(before, name, value)
    {
        other = json_object_get(after, name);

        if ((strcmp(name, "next") != 0 && strcmp(name, "previous") != 0)
            || !json_is_string(value)
            || !links_is_absolute(json_string_value(value))) {
            good = good && json_equal(value, other);

        } else {
            good = good && json_is_string(other)
                   && links_is_ours(json_string_value(other));
        }
    }

    json_decref(before);
    json_decref(after);

    return good;
}


static void
test_mutations(void)
{
    char text[512];
    int i, valid;
    size_t len;
    unsigned differ, wrong;
    json_t *json;
    links_out_t whole, out;

    static const char seed[] =
        "{\"count\":3,\"next\":\"https://api.respan.ai/x/?page=2\","
        "\"results\":[{\"next\":\"http://a/b\",\"s\":\"q\\\"}]\"},[],{}],"
        "\"previous\":\"https:\\/\\/me@b\\u002fy\",\"z\":\"\\\\\"}";

    memset(&whole, 0, sizeof(whole));
    memset(&out, 0, sizeof(out));
    differ = 0;
    wrong = 0;
    valid = 0;
    len = 0;

    for (i = 0; i < MUTATIONS; i++) {
        if (i % 8 == 0) {
            len = sizeof(seed) - 1;
            memcpy(text, seed, len);
        }

        len = links_mutate(text, len, sizeof(text));

        links_run(&whole, text, len, len, 1);
        links_run(&out, text, len, 1, 1);
        differ += !links_same(&whole, &out);
        links_run(
            &out, text, len, links_random() % len, 1 + links_random() % len);
        differ += !links_same(&whole, &out);

        wrong += !links_check(text, len, &whole);

        json = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
        valid += json != NULL;
        json_decref(json);
    }

    is_int(differ, 0, "%d mutated texts: the same however cut", MUTATIONS);
    is_int(wrong, 0, "only the links' origins differ, and are ours");
    ok(valid > MUTATIONS / 20, "%d of them were JSON", valid);

    free(whole.bytes);
    free(out.bytes);
}


int
main(void)
{
    test_borders();
    test_depth();
    test_mutations();

    return done_testing();
}
