/*
 * Stored answers: what was sealed is what is opened, and nothing else is ever
 * opened: not with one bit changed, not cut, not under another's name.
 */

#include "cache.h"


#define ENTRIES 400
#define FIELDS  40


typedef struct {
    proctor_cache_draft_t draft;
    proctor_cache_field_t fields[FIELDS];
    proctor_cache_field_t vary[FIELDS];
    char gens[PROCTOR_CACHE_GROUPS_ALL * PROCTOR_CACHE_GEN_LEN];
    char bytes[70000];
    unsigned char key[PROCTOR_SHA256_LEN];
} entry_random_t;


static cache_world_t world;
static proctor_cache_seal_t *seal;


static proctor_str_t
random_text(entry_random_t *e, unsigned max)
{
    proctor_str_t text;

    text.len = cache_random(4) == 0 ? 0 : cache_random(max);
    text.data = e->bytes + cache_random((unsigned) (sizeof(e->bytes) - max));

    return text;
}


static void
random_draft(entry_random_t *e)
{
    size_t i;

    memset(e, 0, sizeof(*e));

    for (i = 0; i < sizeof(e->bytes); i++) {
        e->bytes[i] = (char) cache_random(256);
    }

    for (i = 0; i < sizeof(e->gens); i++) {
        e->gens[i] = "0123456789abcdef"[cache_random(16)];
    }

    for (i = 0; i < sizeof(e->key); i++) {
        e->key[i] = (unsigned char) cache_random(256);
    }

    e->draft.status = 100 + cache_random(500);
    e->draft.freshness.received = 1795305600000 + cache_random(1000000);
    e->draft.freshness.age = cache_random(1000000);
    e->draft.freshness.lifetime = (int64_t) cache_random(2147483648U) * 1000;
    e->draft.freshness.stale_while_revalidate = cache_random(86400001);
    e->draft.freshness.stale_if_error = cache_random(86400001);
    e->draft.freshness.flags = cache_random(4);
    e->draft.gens = e->gens;
    e->draft.ngens = cache_random(PROCTOR_CACHE_GENS + 1);
    e->draft.fields = e->fields;
    e->draft.nfields = cache_random(FIELDS);
    e->draft.vary = e->vary;
    e->draft.nvary = cache_random(8);
    e->draft.body = random_text(e, cache_random(3) ? 3000 : 60000);

    for (i = 0; i < FIELDS; i++) {
        e->fields[i].name = random_text(e, 40);
        e->fields[i].value = random_text(e, cache_random(9) ? 200 : 9000);
        e->vary[i].name = random_text(e, 40);
        e->vary[i].value = random_text(e, 100);

        if (cache_random(3) == 0) {
            e->vary[i].value.data = NULL;
            e->vary[i].value.len = 0;
        }
    }
}


static int
same_fields(
    proctor_cache_fields_t it, const proctor_cache_field_t *fields, unsigned n)
{
    unsigned i;
    proctor_cache_field_t field;

    for (i = 0; proctor_cache_fields_next(&it, &field); i++) {
        if (i == n || !cache_same(&field.name, &fields[i].name)
            || !cache_same(&field.value, &fields[i].value)) {
            return 0;
        }
    }

    return i == n;
}


static int
same(const proctor_cache_entry_t *entry, const proctor_cache_draft_t *draft)
{
    const proctor_cache_freshness_t *one = &entry->freshness;
    const proctor_cache_freshness_t *two = &draft->freshness;

    return one->received == two->received && one->age == two->age
           && one->lifetime == two->lifetime && one->flags == two->flags
           && one->stale_while_revalidate == two->stale_while_revalidate
           && one->stale_if_error == two->stale_if_error
           && entry->status == draft->status && entry->ngens == draft->ngens
           && memcmp(entry->gens, draft->gens,
                  (size_t) draft->ngens * PROCTOR_CACHE_GEN_LEN)
                  == 0
           && same_fields(entry->fields, draft->fields, draft->nfields)
           && same_fields(entry->vary, draft->vary, draft->nvary)
           && cache_same(&entry->body, &draft->body);
}


static int
opens(const entry_random_t *e, const proctor_account_t *account,
    const char *bytes, size_t len)
{
    int rc;
    char *copy;
    proctor_str_t value;
    proctor_cache_entry_t entry;

    /* its own bytes, so that a sanitizer sees a step beyond them */
    copy = malloc(len == 0 ? 1 : len);
    memcpy(copy, bytes, len);
    value.data = copy;
    value.len = len;

    rc = proctor_cache_entry_open(seal, account, e->key, &value, &entry);
    free(copy);

    return rc;
}


static void
test_round_trip(void)
{
    char *bytes;
    size_t size;
    unsigned n, wrong, cut, foreign;
    proctor_str_t value;
    proctor_cache_entry_t entry;
    static entry_random_t e;

    wrong = 0;
    cut = 0;
    foreign = 0;

    for (n = 0; n < ENTRIES; n++) {
        random_draft(&e);
        size = proctor_cache_entry_size(&e.draft);
        bytes = malloc(size);
        value.data = bytes;
        value.len = size;

        if (n % 2 && e.draft.body.len != 0) {
            /* the body in its place already */
            memcpy(bytes + size - e.draft.body.len, e.draft.body.data,
                e.draft.body.len);
            entry.body = e.draft.body;
            e.draft.body.data = NULL;
        } else {
            entry.body.data = NULL;
        }

        wrong +=
            proctor_cache_entry_seal(seal, world.one, e.key, &e.draft, bytes)
            != PROCTOR_OK;

        if (entry.body.data != NULL) {
            e.draft.body = entry.body;
        }

        wrong +=
            proctor_cache_entry_open(seal, world.one, e.key, &value, &entry)
                != PROCTOR_OK
            || !same(&entry, &e.draft);

        foreign += opens(&e, world.two, bytes, size) != PROCTOR_INVALID;
        cut += opens(&e, world.one, bytes, cache_random((unsigned) size))
               != PROCTOR_INVALID;

        e.key[cache_random(32)] ^= (unsigned char) (1 << cache_random(8));
        foreign += opens(&e, world.one, bytes, size) != PROCTOR_INVALID;

        free(bytes);
    }

    is_int(wrong, 0, "what is sealed is opened");
    is_int(foreign, 0, "not for another account, not under another key");
    is_int(cut, 0, "not a part of it");
}


static void
test_flips(void)
{
    char *bytes;
    size_t size, i;
    unsigned bit, opened;
    static entry_random_t e;

    random_draft(&e);
    e.draft.ngens = 2;
    e.draft.nfields = 3;
    e.draft.nvary = 2;
    e.draft.body.len = 300;

    size = proctor_cache_entry_size(&e.draft);
    bytes = malloc(size + 1);
    proctor_cache_entry_seal(seal, world.one, e.key, &e.draft, bytes);
    bytes[size] = 0;
    opened = 0;

    for (i = 0; i < size; i++) {
        for (bit = 1; bit < 256; bit <<= 1) {
            bytes[i] ^= (char) bit;
            opened += opens(&e, world.one, bytes, size) != PROCTOR_INVALID;
            bytes[i] ^= (char) bit;
        }
    }

    is_int(opened, 0, "not with any one bit of %d bytes changed", (int) size);

    for (i = 0, opened = 0; i < size; i++) {
        opened += opens(&e, world.one, bytes, i) != PROCTOR_INVALID;
    }

    is_int(opened, 0, "not cut anywhere");
    is_int(opens(&e, world.one, bytes, size + 1), PROCTOR_INVALID,
        "not with a byte more");
    is_int(opens(&e, world.one, bytes, size), PROCTOR_OK, "but as it is");
    free(bytes);
}


static void
test_limits(void)
{
    static entry_random_t e;
    static char large[70000];

    random_draft(&e);
    e.draft.body.len = 0;
    e.draft.nfields = 1;

    e.fields[0].value.data = large;
    e.fields[0].value.len = 65534;
    ok(proctor_cache_entry_size(&e.draft) != 0, "a field of 65534 bytes");
    e.fields[0].value.len = 65535;
    is_int(proctor_cache_entry_size(&e.draft), 0, "not of 65535");

    e.draft.nfields = 0;
    e.draft.nvary = 0;
    e.draft.ngens = 0;
    e.draft.body.len = PROCTOR_CACHE_ENTRY_MAX - 116;
    is_int(proctor_cache_entry_size(&e.draft), PROCTOR_CACHE_ENTRY_MAX,
        "1 MB at most");
    e.draft.body.len++;
    is_int(proctor_cache_entry_size(&e.draft), 0, "and no more");
    e.draft.body.len = SIZE_MAX;
    is_int(proctor_cache_entry_size(&e.draft), 0, "whatever is asked");
    e.draft.body.len = 0;
    e.draft.ngens = PROCTOR_CACHE_GENS + 1;
    is_int(proctor_cache_entry_size(&e.draft), 0, "too many generations");
}


/* two seals of the same have nothing to compare */

static void
test_nonce(void)
{
    char one[512], two[512];
    size_t size;
    static entry_random_t e;

    random_draft(&e);
    e.draft.nfields = 0;
    e.draft.nvary = 0;
    e.draft.body.len = 10;
    size = proctor_cache_entry_size(&e.draft);

    proctor_cache_entry_seal(seal, world.one, e.key, &e.draft, one);
    proctor_cache_entry_seal(seal, world.one, e.key, &e.draft, two);

    ok(memcmp(one + 4, two + 4, 16) != 0, "another nonce each time");
    memcpy(one + 20, two + 20, 16);
    is_int(opens(&e, world.one, one, size), PROCTOR_INVALID,
        "and the tag belongs to it");
}


int
main(void)
{
    cache_open(&world);
    seal = proctor_cache_seal_create(world.teams);
    ok(seal != NULL, "a seal");

    test_round_trip();
    test_flips();
    test_limits();
    test_nonce();

    proctor_cache_seal_destroy(seal);
    proctor_arena_destroy(world.arena);

    return done_testing();
}
