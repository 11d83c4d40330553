/*
 * Stored answers: to which requests they are answers, too, and what a 304 makes
 * of them.
 */

#include "cache.h"


static cache_world_t world;
static proctor_cache_seal_t *seal;


/* a request of one header field: "name: value", or none */

static int
one_header(void *data, const proctor_str_t *name, proctor_str_t *value)
{
    const proctor_cache_field_t *field = data;

    value->data = NULL;
    value->len = 0;

    if (cache_same(&field->name, name)) {
        *value = field->value;
    }

    return PROCTOR_OK;
}


static void
test_vary(void)
{
    int n;
    size_t size;
    char bytes[4096];
    proctor_str_t value;
    proctor_cache_entry_t entry;
    proctor_cache_draft_t draft;
    proctor_cache_answer_t answer;
    proctor_cache_field_t fields[PROCTOR_CACHE_FIELDS_VARY];
    proctor_cache_field_t request = { proctor_str("accept"),
        proctor_str("a/b") };
    const proctor_str_t vary = proctor_str("Vary");
    const proctor_str_t names = proctor_str("Accept , ,X-Two,accept");
    static const unsigned char key[PROCTOR_SHA256_LEN];

    proctor_cache_answer_init(&answer, 200, 0, 0);
    proctor_cache_answer_field(&answer, &vary, &names);
    n = proctor_cache_vary_fields(
        &answer, cache_operation(&world, "part"), one_header, &request, fields);

    is_int(n, 3, "each name once, and the contract's own");
    is_mem(fields[0].name.data, fields[0].name.len, "accept", "lower case");
    is_mem(fields[0].value.data, fields[0].value.len, "a/b", "its value");
    ok(fields[1].value.data == NULL, "absent");
    is_mem(fields[2].name.data, fields[2].name.len, "x-tone", "declared");

    memset(&draft, 0, sizeof(draft));
    draft.vary = fields;
    draft.nvary = (unsigned) n;
    size = proctor_cache_entry_size(&draft);
    proctor_cache_entry_seal(seal, world.one, key, &draft, bytes);
    value.data = bytes;
    value.len = size;
    proctor_cache_entry_open(seal, world.one, key, &value, &entry);

    is_int(proctor_cache_vary_match(&entry, one_header, &request), 1,
        "the same request");
    request.value = CACHE_STR("a/c");
    is_int(proctor_cache_vary_match(&entry, one_header, &request), 0,
        "another value");
    request.value = CACHE_STR("A/b");
    is_int(proctor_cache_vary_match(&entry, one_header, &request), 0,
        "another case");
    request.value = CACHE_STR("");
    is_int(proctor_cache_vary_match(&entry, one_header, &request), 0, "empty");
    request.value.data = NULL;
    is_int(proctor_cache_vary_match(&entry, one_header, &request), 0, "absent");
    request.name = CACHE_STR("x-two");
    request.value = CACHE_STR("");
    is_int(proctor_cache_vary_match(&entry, one_header, &request), 0,
        "there where it was not");
}


static void
test_freshen(void)
{
    int i, n;
    size_t size;
    char bytes[4096], told[1024], *p;
    proctor_str_t value;
    proctor_cache_entry_t entry;
    proctor_cache_draft_t draft;
    proctor_cache_answer_t answer;
    proctor_cache_field_t out[8];
    const proctor_cache_field_t stored[] = {
        { proctor_str("Content-Length"), proctor_str("5") },
        { proctor_str("ETag"), proctor_str("\"a\"") },
        { proctor_str("X-One"), proctor_str("1") },
        { proctor_str("X-One"), proctor_str("2") },
        { proctor_str("X-Two"), proctor_str("3") },
    };
    const proctor_cache_field_t fresh[] = {
        { proctor_str("x-one"), proctor_str("4") },
        { proctor_str("content-length"), proctor_str("0") },
        { proctor_str("Content-Encoding"), proctor_str("gzip") },
        { proctor_str("Set-Cookie"), proctor_str("a") },
        { proctor_str("Connection"), proctor_str("x-three") },
        { proctor_str("X-Three"), proctor_str("5") },
        { proctor_str("X-Four"), proctor_str("6") },
    };
    static const unsigned char key[PROCTOR_SHA256_LEN];

    memset(&draft, 0, sizeof(draft));
    draft.fields = stored;
    draft.nfields = 5;
    size = proctor_cache_entry_size(&draft);
    proctor_cache_entry_seal(seal, world.one, key, &draft, bytes);
    value.data = bytes;
    value.len = size;
    proctor_cache_entry_open(seal, world.one, key, &value, &entry);

    proctor_cache_answer_init(&answer, 304, 0, 0);

    for (i = 0; i < 7; i++) {
        proctor_cache_answer_field(&answer, &fresh[i].name, &fresh[i].value);
    }

    n = proctor_cache_freshen(&entry, &answer, fresh, 7, out, 8);

    for (i = 0, p = told; i < n; i++) {
        p += sprintf(p, "%.*s:%.*s ", (int) out[i].name.len, out[i].name.data,
            (int) out[i].value.len, out[i].value.data);
    }

    is_str(told, "Content-Length:5 ETag:\"a\" X-Two:3 x-one:4 X-Four:6 ",
        "a 304 brings the header up to date");
    is_int(proctor_cache_freshen(&entry, &answer, fresh, 7, out, 4), -1,
        "too many");
    ok(proctor_cache_entry_field(&entry, "etag", &value) == 1 && value.len == 3
            && value.data[1] == 'a',
        "a field by its name");
    is_int(proctor_cache_entry_field(&entry, "etags", &value), 0, "or none");
}


int
main(void)
{
    cache_open(&world);
    seal = proctor_cache_seal_create(world.teams);

    test_vary();
    test_freshen();

    proctor_cache_seal_destroy(seal);
    proctor_arena_destroy(world.arena);

    return done_testing();
}
