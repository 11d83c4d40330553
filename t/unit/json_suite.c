/*
 * The JSON parser against others' opinions: the 318 documents of the public
 * JSON parsing suite, and jansson over some ten thousand mutated texts, with
 * which it must agree on each verdict and, when both accept, on each value.
 */

#include <dirent.h>
#include <stdlib.h>

#include "proctor.h"
#include "tap.h"


#define ROUNDS 60000


static proctor_json_t doc;


/* the suite accepts these; a gateway must not: which of the two counts? */

static const char *const twice[] = { "y_object_duplicated_key.json",
    "y_object_duplicated_key_and_value.json" };


/* the file's bytes in memory of exactly their size; NULL: not readable */

static char *
slurp(const char *path, size_t *len)
{
    FILE *file;
    char *text;

    *len = 0;

    file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }

    fseek(file, 0, SEEK_END);
    *len = (size_t) ftell(file);
    rewind(file);

    text = malloc(*len);

    if (fread(text, 1, *len, file) != *len) {
        free(text);
        text = NULL;
    }

    fclose(file);

    return text;
}


static int
suite_verdict(const char *name, int rc)
{
    size_t i;

    for (i = 0; i < sizeof(twice) / sizeof(twice[0]); i++) {
        if (strcmp(name, twice[i]) == 0) {
            return rc == PROCTOR_INVALID && doc.error == proctor_json_duplicate;
        }
    }

    switch (name[0]) {
    case 'y':
        return rc == PROCTOR_OK;
    case 'n':
        return rc == PROCTOR_INVALID && doc.error != NULL;
    default:
        return rc == PROCTOR_OK || rc == PROCTOR_INVALID;
    }
}


static void
test_suite(void)
{
    int n, rc;
    DIR *dir;
    char *text, path[1024], file[2048];
    size_t len;
    const char *suites;
    struct dirent *entry;

    suites = getenv("PROCTOR_SUITES");
    snprintf(path, sizeof(path), "%s/json-parsing/test_parsing",
        suites != NULL ? suites : "../shared/suites");

    dir = opendir(path);
    if (dir == NULL) {
        skip("suite not there (PROCTOR_SUITES)");
        return;
    }

    n = 0;

    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }

        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        text = slurp(file, &len);
        rc = text != NULL ? proctor_json_parse(&doc, text, len) : PROCTOR_ERROR;
        ok(suite_verdict(entry->d_name, rc), "suite: %s", entry->d_name);
        free(text);
        n++;
    }

    closedir(dir);
    is_int(n, 318, "suite: all documents were there");
}


static uint32_t
draw(uint32_t below)
{
    static uint64_t state = 20240601;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;

    return (uint32_t) (state >> 33) % below;
}


/* changes text[0..*len) a little; there is room for 64 bytes more */

static void
mutate(char *text, size_t *len)
{
    size_t at, n;
    uint32_t times;
    static const char *const splices[] = { "\"", "\\", "{", "}", "[", "]", ",",
        ":", "0", "-", ".", "e", "\\u", "\\ud83d", "\\ude00", "\xc3\xa9",
        "\xed\xa0\x80", "\xf0\x9f\x98\x80", "\xff", "null", "true", "1e5", " ",
        "\n", "\x01", "{\"a\":1}", "\"id\":1,", "[[]]", "\\u0061", "\x7f" };

    for (times = 1 + draw(3); times > 0; times--) {
        at = draw((uint32_t) *len + 1);

        switch (draw(4)) {
        case 0: /* another byte */
            if (at < *len) {
                text[at] = (char) draw(256);
            }

            break;

        case 1: /* fewer bytes */
            n = draw(4);
            n = n < *len - at ? n : *len - at;
            memmove(text + at, text + at + n, *len - at - n);
            *len -= n;
            break;

        default: /* more bytes */
            n = draw(sizeof(splices) / sizeof(splices[0]));
            memmove(text + at + strlen(splices[n]), text + at, *len - at);
            memcpy(text + at, splices[n], strlen(splices[n]));
            *len += strlen(splices[n]);
        }
    }
}


static int
same_string(uint32_t node, const char *want, size_t len)
{
    proctor_str_t s;

    return proctor_json_string(&doc, node, &s) == PROCTOR_OK && s.len == len
           && memcmp(s.data, want, len) == 0;
}


static int
same_number(const proctor_json_node_t *n, const json_t *value)
{
    char text[512];

    snprintf(text, sizeof(text), "%.*s", (int) n->len, n->text);

    if (json_is_integer(value)) {
        return strtoll(text, NULL, 10) == json_integer_value(value);
    }

    return strtod(text, NULL) == json_real_value(value);
}


/* 1 when the node stands for the value; *next: the node after it */

static int
same(uint32_t node, json_t *value, uint32_t *next)
{
    size_t i;
    uint32_t key;
    json_t *member;
    proctor_str_t name;
    static const int types[] = { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_REAL,
        JSON_STRING, JSON_ARRAY, JSON_OBJECT };
    const proctor_json_node_t *n;

    n = &doc.nodes[node];
    *next = node + 1;

    if (n->type == PROCTOR_JSON_NUMBER) {
        return json_is_number(value) && same_number(n, value);
    }

    if (types[n->type] != (int) json_typeof(value)) {
        return 0;
    }

    if (n->type == PROCTOR_JSON_STRING) {
        return same_string(
            node, json_string_value(value), json_string_length(value));
    }

    if (n->type == PROCTOR_JSON_ARRAY) {
        for (i = 0; i < json_array_size(value); i++) {
            if (!same(*next, json_array_get(value, i), next)) {
                return 0;
            }
        }

        return n->count == i && n->next == *next;
    }

    if (n->type != PROCTOR_JSON_OBJECT) {
        return 1;
    }

    for (i = 0; i < n->count; i++) {
        key = *next;

        if (proctor_json_string(&doc, key, &name) != PROCTOR_OK) {
            return 0;
        }

        member = json_object_getn(value, name.data, name.len);

        if (member == NULL || !same(key + 1, member, next)
            || proctor_json_member(&doc, node, name.data, name.len)
                   != key + 1) {
            return 0;
        }
    }

    return i == json_object_size(value) && n->next == *next;
}


/*
 * Where jansson says no and we say yes, by design: integers over 64 bits and
 * reals over a double's range, which a free-form field may hold; a name with
 * \u0000, which a C string cannot hold and a length can.  (Its own limit of
 * 2048 levels lies beyond ours, and no mutation comes near 128.)
 */

static int
known(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_numeric_overflow:
    case json_error_null_byte_in_key:
        return 1;
    default:
        return 0;
    }
}


static int
round_agrees(const char *seed, size_t len)
{
    int rc, agreed;
    char *room, *text;
    json_t *value;
    uint32_t next;
    json_error_t error;

    room = malloc(len + 64);
    memcpy(room, seed, len);
    mutate(room, &len);

    /* exactly as long as the text: a byte read too far is seen */
    text = malloc(len);
    memcpy(text, room, len);
    free(room);

    rc = proctor_json_parse(&doc, text, len);
    value = json_loadb(text, len,
        JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

    agreed = value != NULL ? rc == PROCTOR_OK && same(0, value, &next)
                           : rc == PROCTOR_INVALID || known(&error);

    if (!agreed) {
        diag("%.*s: %s, jansson: %s", (int) len, text,
            rc == PROCTOR_OK ? "accepted" : doc.error,
            value != NULL ? "accepted" : error.text);
    }

    json_decref(value);
    free(text);
    proctor_arena_reset(doc.arena);

    return agreed;
}


static void
test_mutations(void)
{
    int i, bad;
    const char *seed;
    static const char *const seeds[] = {
        "{\"dataset_id\":\"ds_1\",\"workflow\":[{\"type\":\"completion\","
        "\"config\":{\"model\":\"m\",\"temperature\":0.2,\"max\":256}}],"
        "\"ids\":[\"e\"],\"n\":-1.5e-3,\"x\":null}",
        "[\"caf\xc3\xa9 \xe2\x82\xac\xf0\x9f\x98\x80\",\"\\u00e9\\ud83d\\ude00"
        "\\n\\\\\\\"\",{\"a\":{\"\\u0062\":{}},\"c\":[]},true,false]",
        "{\"id\":1,\"ie\":2,\"k1\":1,\"k2\":1,\"k3\":1,\"k4\":1,\"k5\":1,"
        "\"k6\":1,\"k7\":1,\"k8\":1,\"k9\":1,\"ka\":1,\"kb\":1,\"kc\":1,"
        "\"kd\":1,\"ke\":1,\"kf\":1,\"kg\":1}",
        " -12.34E+5 ",
        "\"x\"",
        "[[1,2],[3,[4,{\"a\":[]}]]]",
    };

    bad = 0;

    for (i = 0; i < ROUNDS; i++) {
        seed = seeds[draw(sizeof(seeds) / sizeof(seeds[0]))];
        bad += !round_agrees(seed, strlen(seed));
    }

    is_int(bad, 0, "%d mutated texts: jansson agrees", ROUNDS);
}


int
main(void)
{
    proctor_json_init(&doc);
    doc.arena = proctor_arena_create(0);

    test_suite();
    test_mutations();

    proctor_arena_destroy(doc.arena);
    proctor_json_free(&doc);

    return done_testing();
}
