/*
 * The teams file: what compiles, which fault each mistake is, who is found.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/sha.h>

#include "proctor.h"
#include "tap.h"


#define KEY_ENV    "PROCTOR_TEST_KEY"
#define KEY_SECRET "canary-9f2c"
#define DIGEST                                                                 \
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddEEFF"
#define DIGEST_2                                                               \
    "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

#define ACCOUNT                                                                \
    "\"acme\":{\"contract\":\"one\",\"keys\":[{\"env\":\"" KEY_ENV "\"}]}"
#define FILE_(accounts, teams)                                                 \
    "{\"accounts\":{" accounts "},\"teams\":{" teams "}}"
#define KEY(id, sha, more)                                                     \
    "{\"id\":\"" id "\",\"sha256\":\"" sha "\",\"actor\":\"ann\"," more        \
    "\"rights\":[\"read\"]}"
#define TEAM(members)                                                          \
    FILE_(ACCOUNT, "\"t\":{\"accounts\":{\"one\":\"acme\"}," members "}")
#define KEYS(keys) TEAM("\"keys\":[" keys "]")
#define SECRET(secret)                                                         \
    FILE_("\"a\":{\"contract\":\"one\",\"keys\":[" secret "]}", "")
#define POLICY(policy) TEAM("\"keys\":[],\"policy\":{" policy "}")

typedef struct {
    char *text; /* "pointer: reason\n" for each fault */
    size_t len;
    FILE *stream;
    proctor_report_t report;
} teams_faults_t;

typedef struct {
    const char *name;
    const char *text;
    const char *fault; /* a fault that ends in ": " is compared so far */
} teams_case_t;


static void teams_contracts(void);
static void teams_test_whole(void);
static void teams_test_cases(void);
static void teams_test_secrets(void);
static void teams_test_wiped(void);
static void teams_test_expiry(void);
static void teams_test_policy(void);
static void teams_test_memory(void);
static void teams_test_many(void);


static proctor_arena_t *teams_arena; /* of the contracts */
static const proctor_contract_t *teams_known[2];
static proctor_teams_env_t teams_env = { teams_known, 2, NULL };


int
main(void)
{
    setenv(KEY_ENV, KEY_SECRET, 1);
    setenv("PROCTOR_TEST_EMPTY", "", 1);
    setenv("PROCTOR_TEST_CRLF", KEY_SECRET "\r\nX-Evil: 1", 1);
    unsetenv("PROCTOR_TEST_UNSET");

    teams_contracts();
    teams_test_whole();
    teams_test_cases();
    teams_test_secrets();
    teams_test_wiped();
    teams_test_expiry();
    teams_test_policy();
    teams_test_memory();
    teams_test_many();

    proctor_arena_destroy(teams_arena);

    return done_testing();
}


static void
teams_contracts(void)
{
    proctor_report_t report;
    static const char one[] =
        "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"1\",\"version\":\"1\"},"
        "\"paths\":{\"/a\":{"
        "\"get\":{\"operationId\":\"a.list\",\"x-proctor\":{\"right\":"
        "\"read\"},\"parameters\":[{\"name\":\"size\",\"in\":\"query\","
        "\"schema\":{\"type\":\"integer\"}}]},"
        "\"post\":{\"operationId\":\"a.create\",\"x-proctor\":{\"right\":"
        "\"create\"},\"parameters\":[{\"name\":\"dry\",\"in\":\"query\","
        "\"schema\":{\"type\":\"boolean\"}}],\"requestBody\":{\"content\":"
        "{\"application/json\":{\"schema\":{}}}}},"
        "\"delete\":{\"operationId\":\"a.delete\",\"x-proctor\":{\"right\":"
        "\"delete\"}}}}}";
    static const char two[] =
        "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"2\",\"version\":\"1\"},"
        "\"paths\":{\"/b\":{"
        "\"get\":{\"operationId\":\"b.list\",\"x-proctor\":{\"right\":"
        "\"look\"}},"
        "\"delete\":{\"operationId\":\"a.delete\",\"x-proctor\":{\"right\":"
        "\"delete\"}}}}}";

    memset(&report, 0, sizeof(proctor_report_t));
    teams_arena = proctor_arena_create(0);

    teams_known[0] = proctor_contract_compile(
        teams_arena, "one", one, sizeof(one) - 1, &report);
    teams_known[1] = proctor_contract_compile(
        teams_arena, "two", two, sizeof(two) - 1, &report);

    ok(teams_known[0] != NULL && teams_known[1] != NULL,
        "two contracts to refer to");
}


static void
teams_fault(void *data, const char *pointer, const char *reason)
{
    teams_faults_t *faults = data;

    fprintf(faults->stream, "%s: %s\n", pointer, reason);
}


/* The faults are faults->text, the caller's to free. */

static proctor_teams_t *
teams_compile(proctor_arena_t *arena, const char *text, teams_faults_t *faults)
{
    proctor_teams_t *teams;

    memset(faults, 0, sizeof(teams_faults_t));

    faults->stream = open_memstream(&faults->text, &faults->len);
    faults->report.fault = teams_fault;
    faults->report.data = faults;

    teams = proctor_teams_compile(
        arena, &teams_env, text, strlen(text), &faults->report);

    fclose(faults->stream);

    return teams;
}


static void
teams_digest(const char *hex, unsigned char digest[PROCTOR_SHA256_LEN])
{
    size_t i;

    for (i = 0; i < PROCTOR_SHA256_LEN; i++) {
        sscanf(hex + 2 * i, "%2hhx", &digest[i]);
    }
}


static void
teams_test_whole(void)
{
    unsigned char digest[PROCTOR_SHA256_LEN];
    teams_faults_t faults;
    proctor_arena_t *arena;
    proctor_teams_t *teams;
    const proctor_key_t *key;
    const proctor_account_t *account;
    static const proctor_str_t read = proctor_str("read"),
                               rea = proctor_str("rea"),
                               create = proctor_str("create");

    arena = proctor_arena_create(0);
    teams = teams_compile(arena,
        FILE_(ACCOUNT ",\"beta\":{\"contract\":\"two\",\"keys\":[{\"env\":"
                      "\"" KEY_ENV "\"},{\"env\":\"" KEY_ENV "\"}]}",
            "\"nlp\":{\"accounts\":{\"one\":\"acme\",\"two\":\"beta\"},"
            "\"keys\":[" KEY("k-1", DIGEST,
                "") ",{\"id\":\"k-2\",\"actor\":\"Bob "
                    "O'Neill\",\"rights\":[\"read\","
                    "\"create\",\"look\"],\"sha256\":\"" DIGEST_2
                    "\",\"expires\":"
                    "\"2001-09-09T01:46:40Z\"}]},"
                    "\"idle\":{\"accounts\":{\"one\":\"acme\"},\"keys\":[]}"),
        &faults);

    is_str(faults.text, "", "a whole teams file has no fault");

    if (!ok(teams != NULL, "and compiles")) {
        return;
    }

    is_int(proctor_teams_naccounts(teams), 2, "two accounts");
    account = proctor_teams_account(teams, 0);
    is_str(account->name.data, "acme", "the first by name");
    is_mem(account->keys[0].data, account->keys[0].len, KEY_SECRET,
        "with its secret");
    is_int(proctor_teams_account(teams, 1)->nkeys, 2, "the second has two");

    teams_digest(DIGEST, digest);
    key = proctor_teams_key(teams, digest);
    is_str(key != NULL ? key->id.data : NULL, "k-1", "a key is found");
    is_str(key->team->name.data, "nlp", "with its team");
    is_str(key->actor.data, "ann", "and its actor");
    is_int(key->expires, 0, "it does not expire");
    is_int(proctor_key_has_right(key, &read), 1, "it may read");
    is_int(proctor_key_has_right(key, &create), 0, "it may not create");
    is_int(proctor_key_has_right(key, &rea), 0, "nor half a right");

    ok(proctor_team_account(key->team, teams_known[0]) == account,
        "the team's account for the first contract");
    is_str(proctor_team_account(key->team, teams_known[1])->name.data, "beta",
        "and for the second");

    teams_digest(DIGEST_2, digest);
    key = proctor_teams_key(teams, digest);
    is_str(key != NULL ? key->id.data : NULL, "k-2", "the other key is found");
    is_int(key->expires, 1000000000, "it has expired, which is no fault");
    is_int(proctor_key_has_right(key, &create), 1, "it may create");

    digest[31] ^= 1;
    ok(proctor_teams_key(teams, digest) == NULL,
        "a digest that differs in its last bit is nobody's");
    memset(digest, 0, sizeof(digest));
    ok(proctor_teams_key(teams, digest) == NULL, "nor are 32 zero bytes");

    free(faults.text);
    proctor_arena_destroy(arena);
}


/* clang-format off */
static const teams_case_t teams_cases[] = {
    { "no JSON", "{", ": is not JSON: " },
    { "a member twice", "{\"teams\":{},\"teams\":{}}", ": is not JSON: " },
    { "nothing", "{}", ": lacks \"accounts\"\n: lacks \"teams\"" },
    { "a strange member", "{\"accounts\":{},\"teams\":{},\"x\":1}",
      "/x: is not understood" },
    { "limits, before their time",
      FILE_("\"a\":{\"contract\":\"one\",\"limits\":[],\"keys\":[{\"env\":\""
      KEY_ENV "\"}]}", ""), "/accounts/a/limits: is not understood" },
    { "quotas, before their time", TEAM("\"keys\":[],\"quotas\":[]"),
      "/teams/t/quotas: is not understood" },
    { "a contract nobody knows",
      FILE_("\"a\":{\"contract\":\"three\",\"keys\":[{\"env\":\"" KEY_ENV
      "\"}]}", ""), "/accounts/a/contract: names no contract that is known" },
    { "an account without keys", SECRET(""),
      "/accounts/a/keys: must be an array with a key at least" },
    { "an account's name with a line feed",
      FILE_("\"a\\nb\":{\"contract\":\"one\",\"keys\":[{\"env\":\"" KEY_ENV
      "\"}]}", ""), "/accounts/a\nb: has a name that must be 1 to 128 "
      "printable ASCII characters, none a quote or a backslash" },
    { "a team's name with CRLF", FILE_(ACCOUNT,
      "\"t\\r\\nX: 1\":{\"accounts\":{\"one\":\"acme\"},\"keys\":[]}"),
      "/teams/t\r\nX: 1: has a name that must be 1 to 128 printable ASCII "
      "characters, none a quote or a backslash" },
    { "a team without a name", FILE_(ACCOUNT,
      "\"\":{\"accounts\":{\"one\":\"acme\"},\"keys\":[]}"),
      "/teams/: has a name that must be 1 to 128 printable ASCII "
      "characters, none a quote or a backslash" },
    { "a team without accounts", FILE_(ACCOUNT,
      "\"t\":{\"accounts\":{},\"keys\":[]}"),
      "/teams/t/accounts: must be an object that names an account at least" },
    { "a team on a contract nobody knows", FILE_(ACCOUNT,
      "\"t\":{\"accounts\":{\"three\":\"acme\"},\"keys\":[]}"),
      "/teams/t/accounts/three: names no contract that is known" },
    { "a team on an account nobody knows", FILE_(ACCOUNT,
      "\"t\":{\"accounts\":{\"one\":\"beta\"},\"keys\":[]}"),
      "/teams/t/accounts/one: names no account of this file" },
    { "a team on another contract's account", FILE_(ACCOUNT,
      "\"t\":{\"accounts\":{\"two\":\"acme\"},\"keys\":[]}"),
      "/teams/t/accounts/two: names an account of the contract one" },
    { "a key without its members", KEYS("{}"),
      "/teams/t/keys/0: lacks \"id\"\n/teams/t/keys/0: lacks \"sha256\"\n"
      "/teams/t/keys/0: lacks \"actor\"\n/teams/t/keys/0: lacks \"rights\"" },
    { "a key with a strange member", KEYS(KEY("k", DIGEST, "\"token\":\"x\",")),
      "/teams/t/keys/0/token: is not understood" },
    { "an actor with a quote", KEYS("{\"id\":\"k\",\"sha256\":\"" DIGEST
      "\",\"actor\":\"a\\\"b\",\"rights\":[\"read\"]}"),
      "/teams/t/keys/0/actor: must be 1 to 128 printable ASCII characters, "
      "none a quote or a backslash" },
    { "an actor who is no text", KEYS("{\"id\":\"k\",\"sha256\":\"" DIGEST
      "\",\"actor\":7,\"rights\":[\"read\"]}"),
      "/teams/t/keys/0/actor: must be 1 to 128 printable ASCII characters, "
      "none a quote or a backslash" },
    { "an id that is not ASCII", KEYS(KEY("k\xc3\xa9", DIGEST, "")),
      "/teams/t/keys/0/id: must be 1 to 128 printable ASCII characters, "
      "none a quote or a backslash" },
    { "an id twice", KEYS(KEY("k", DIGEST, "") "," KEY("k", DIGEST_2, "")),
      "/teams/t/keys/1/id: is the id of another key: k" },
    { "a digest twice, in another case",
      KEYS(KEY("k", DIGEST_2, "") "," KEY("l", "10112233445566778899AABBCCDDEEFF"
      "00112233445566778899AABBCCDDEEFF", "")),
      "/teams/t/keys/1: has the digest of the key k" },
    { "a digest that is too short", KEYS(KEY("k", "0011", "")),
      "/teams/t/keys/0/sha256: must be 64 hexadecimal digits" },
    { "a digest that is too long", KEYS(KEY("k", DIGEST "0", "")),
      "/teams/t/keys/0/sha256: must be 64 hexadecimal digits" },
    { "a digest with a stranger", KEYS(KEY("k", "0011223344556677x899aabbccddeeff"
      "00112233445566778899aabbccddeeff", "")),
      "/teams/t/keys/0/sha256: must be 64 hexadecimal digits" },
    { "a right nobody knows", KEYS("{\"id\":\"k\",\"sha256\":\"" DIGEST
      "\",\"actor\":\"a\",\"rights\":[\"read\",\"reed\"]}"),
      "/teams/t/keys/0/rights/1: names a right that no operation of the team's"
      " contracts asks for: reed" },
    { "a right of a contract that is not the team's", KEYS("{\"id\":\"k\","
      "\"sha256\":\"" DIGEST "\",\"actor\":\"a\",\"rights\":[\"look\"]}"),
      "/teams/t/keys/0/rights/0: names a right that no operation of the team's"
      " contracts asks for: look" },
    { "a right twice", KEYS("{\"id\":\"k\",\"sha256\":\"" DIGEST
      "\",\"actor\":\"a\",\"rights\":[\"read\",\"read\"]}"),
      "/teams/t/keys/0/rights/1: names a right twice: read" },
    { "no right", KEYS("{\"id\":\"k\",\"sha256\":\"" DIGEST
      "\",\"actor\":\"a\",\"rights\":[]}"),
      "/teams/t/keys/0/rights: must be an array of 1 to 64 rights" },
    { "an expiry without a zone",
      KEYS(KEY("k", DIGEST, "\"expires\":\"2027-01-01T00:00:00\",")),
      "/teams/t/keys/0/expires: must be a time in UTC, as "
      "\"2027-01-01T00:00:00Z\"" },
    { "a number as an expiry", KEYS(KEY("k", DIGEST, "\"expires\":1,")),
      "/teams/t/keys/0/expires: must be a time in UTC, as "
      "\"2027-01-01T00:00:00Z\"" },
    { "a policy for what nobody knows", POLICY("\"a.creat\":{}"),
      "/teams/t/policy/a.creat: names no operation of the team's contracts" },
    { "a policy for another contract", POLICY("\"b.list\":{}"),
      "/teams/t/policy/b.list: names no operation of the team's contracts" },
    { "a policy with an unknown keyword",
      POLICY("\"a.create\":{\"propertys\":{}}"),
      "/teams/t/policy/a.create/propertys: " },
    { "a policy for a body that is none", POLICY("\"a.list\":{\"body\":{}}"),
      "/teams/t/policy/a.list/body: can never apply: the operation has no "
      "body" },
    { "a policy for a query that is none", POLICY("\"a.delete\":{}"),
      "/teams/t/policy/a.delete: can never apply: the operation has no query "
      "parameters" },
    { "a policy for a parameter that is none",
      POLICY("\"a.list\":{\"properties\":{\"sice\":{\"maximum\":1}}}"),
      "/teams/t/policy/a.list/properties/sice: can never apply: the operation "
      "has no such query parameter" },
    { "a long policy with a strange member",
      POLICY("\"a.create\":{\"body\":{},\"path\":{}}"),
      "/teams/t/policy/a.create/path: is not understood" },
    { "a policy that is no object", POLICY("\"a.create\":1"),
      "/teams/t/policy/a.create: " },
    { "policies that are no object", TEAM("\"keys\":[],\"policy\":[]"),
      "/teams/t/policy: must be an object" },
    { "a policy for an operation of two contracts",
      FILE_(ACCOUNT ",\"beta\":{\"contract\":\"two\",\"keys\":[{\"env\":\""
      KEY_ENV "\"}]}", "\"t\":{\"accounts\":{\"one\":\"acme\",\"two\":\"beta\"},"
      "\"keys\":[],\"policy\":{\"a.delete\":{}}}"),
      "/teams/t/policy/a.delete: names an operation of more than one "
      "contract" },
    { "a variable that is not set", SECRET("{\"env\":\"PROCTOR_TEST_UNSET\"}"),
      "/accounts/a/keys/0/env: names a variable that is not set: "
      "PROCTOR_TEST_UNSET" },
    { "a variable that is empty", SECRET("{\"env\":\"PROCTOR_TEST_EMPTY\"}"),
      "/accounts/a/keys/0/env: holds an empty key: PROCTOR_TEST_EMPTY" },
    { "a variable with CRLF", SECRET("{\"env\":\"PROCTOR_TEST_CRLF\"}"),
      "/accounts/a/keys/0/env: holds a key that is not one line of visible "
      "ASCII: PROCTOR_TEST_CRLF" },
    { "both a variable and a file",
      SECRET("{\"env\":\"" KEY_ENV "\",\"file\":\"f\"}"),
      "/accounts/a/keys/0: must have one of \"env\" and \"file\"" },
    { "a key in the file itself", SECRET("{\"value\":\"x\"}"),
      "/accounts/a/keys/0: must have one of \"env\" and \"file\"" },
    { "a key that is a string", SECRET("\"x\""),
      "/accounts/a/keys/0: must be an object" },
    { "a file that is not there", SECRET("{\"file\":\"/nonexistent/key\"}"),
      "/accounts/a/keys/0/file: cannot be read: /nonexistent/key: No such file "
      "or directory" },
    { "a file that is a directory", SECRET("{\"file\":\"/\"}"),
      "/accounts/a/keys/0/file: cannot be read: /: Is a directory" },
};
/* clang-format on */


static void
teams_test_cases(void)
{
    size_t i, len;
    teams_faults_t faults;
    proctor_arena_t *arena;
    proctor_teams_t *teams;
    const teams_case_t *c;

    for (i = 0; i < sizeof(teams_cases) / sizeof(teams_cases[0]); i++) {
        c = &teams_cases[i];
        arena = proctor_arena_create(0);
        teams = teams_compile(arena, c->text, &faults);
        len = strlen(c->fault);

        ok(strstr(faults.text, KEY_SECRET) == NULL, "%s: no secret is told",
            c->name);

        if (c->fault[len - 1] == ' ') {
            faults.text[faults.len < len ? faults.len : len] = '\0';

        } else if (faults.len != 0) {
            faults.text[faults.len - 1] = '\0';
        }

        is_str(faults.text, c->fault, "%s", c->name);
        ok(teams == NULL, "and nothing compiles");

        free(faults.text);
        proctor_arena_destroy(arena);
    }
}


/* Files with a key: their bytes, and the secret or the end of the fault. */

static void
teams_test_secrets(void)
{
    size_t i, len;
    FILE *file;
    char big[5000], directory[] = "/tmp/proctor-teams-XXXXXX", name[64];
    teams_faults_t faults;
    proctor_arena_t *arena;
    proctor_teams_t *teams;
    const proctor_str_t *key;
    struct {
        const char *bytes;
        size_t len;
        const char *secret;
        const char *fault;
    } cases[] = {
        { "s3cret", 6, "s3cret", NULL },
        { "s3cret\n", 7, "s3cret", NULL },
        { "s3cret\r\n", 8, "s3cret", NULL },
        { "", 0, NULL, "holds an empty key" },
        { "\n", 1, NULL, "holds an empty key" },
        { "s3cret\n\n", 8, NULL, "not one line of visible ASCII" },
        { "s3cret\nmore\n", 12, NULL, "not one line of visible ASCII" },
        { "s3 cret", 7, NULL, "not one line of visible ASCII" },
        { "s3\0cret", 7, NULL, "not one line of visible ASCII" },
        { "s3cret\xe9", 7, NULL, "not one line of visible ASCII" },
        { big, 4096, big, NULL },
        { big, 4097, NULL, "of more than 4096 bytes" },
        { big, 5000, NULL, "of more than 4096 bytes" },
    };

    memset(big, 'k', sizeof(big));

    if (!ok(mkdtemp(directory) != NULL, "a directory")) {
        return;
    }

    snprintf(name, sizeof(name), "%s/key", directory);
    teams_env.directory = directory;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        file = fopen(name, "w");
        fwrite(cases[i].bytes, 1, cases[i].len, file);
        fclose(file);

        arena = proctor_arena_create(0);
        teams = teams_compile(arena, SECRET("{\"file\":\"key\"}"), &faults);
        key = teams != NULL ? proctor_teams_account(teams, 0)->keys : NULL;

        if (cases[i].fault == NULL) {
            len = cases[i].secret == big ? 4096 : strlen(cases[i].secret);
            ok(key != NULL && key->len == len
                    && memcmp(key->data, cases[i].secret, len) == 0,
                "file %zu holds the key it holds", i);

        } else {
            ok(strstr(faults.text, cases[i].fault) != NULL, "file %zu: %s", i,
                cases[i].fault);
        }

        ok(strstr(faults.text, "s3") == NULL
                && strstr(faults.text, "kkk") == NULL,
            "no byte of it is told");

        free(faults.text);
        proctor_arena_destroy(arena);
    }

    teams_env.directory = NULL;
    unlink(name);
    rmdir(directory);
}


static void *teams_secret_at;
static int teams_secret_left;


/* runs before the arena's memory goes, and after the wiping */

static void
teams_look(void *data)
{
    (void) data;

    teams_secret_left =
        memcmp(teams_secret_at, KEY_SECRET, sizeof(KEY_SECRET) - 1) == 0;
}


static void
teams_test_wiped(void)
{
    teams_faults_t faults;
    proctor_arena_t *arena;
    proctor_teams_t *teams;

    arena = proctor_arena_create(0);
    proctor_arena_cleanup(arena, teams_look, NULL);

    teams = teams_compile(arena, KEYS(KEY("k", DIGEST, "")), &faults);
    teams_secret_at = (void *) proctor_teams_account(teams, 0)->keys[0].data;
    teams_secret_left = -1;

    free(faults.text);
    proctor_arena_destroy(arena);

    is_int(teams_secret_left, 0, "a secret is wiped before its memory goes");
}


static void
teams_test_expiry(void)
{
    size_t i;
    int rc;
    int64_t seconds;
    static const struct {
        const char *text;
        int64_t seconds; /* -1: refused */
    } cases[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2000-02-29T23:59:59Z", 951868799 },
        { "2027-01-01T00:00:00Z", 1798761600 },
        { "2027-01-01t00:00:00z", 1798761600 },
        { "2027-01-01T00:00:00.5Z", 1798761600 },
        { "2027-01-01T00:00:00.123456789Z", 1798761600 },
        { "9999-12-31T23:59:59Z", 253402300799 },
        { "2027-01-01T00:00:00+00:00", -1 },
        { "2027-01-01T00:00:00", -1 },
        { "2027-01-01 00:00:00Z", -1 },
        { "2027-01-01T00:00:00.Z", -1 },
        { "2027-01-01T00:00:00ZZ", -1 },
        { "2027-01-01", -1 },
        { "2027-02-29T00:00:00Z", -1 },
        { "2100-02-29T00:00:00Z", -1 },
        { "2027-00-01T00:00:00Z", -1 },
        { "2027-13-01T00:00:00Z", -1 },
        { "2027-04-31T00:00:00Z", -1 },
        { "2027-01-00T00:00:00Z", -1 },
        { "2027-01-01T24:00:00Z", -1 },
        { "2027-01-01T00:60:00Z", -1 },
        { "2027-01-01T00:00:60Z", -1 },
        { "+027-01-01T00:00:00Z", -1 },
        { "", -1 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rc = proctor_time_parse(cases[i].text, strlen(cases[i].text), &seconds);
        is_int(rc == PROCTOR_OK ? seconds : -1, cases[i].seconds, "time \"%s\"",
            cases[i].text);
    }
}


static void
teams_test_policy(void)
{
    teams_faults_t faults;
    proctor_arena_t *arena;
    proctor_teams_t *teams;
    const proctor_team_t *team;
    const proctor_policy_t *policy;
    unsigned char digest[PROCTOR_SHA256_LEN];

    arena = proctor_arena_create(0);
    teams = teams_compile(arena,
        TEAM("\"keys\":[" KEY("k", DIGEST,
            "") "],\"policy\":{"
                "\"a.create\":{\"properties\":{\"n\":{\"maximum\":20}}},"
                "\"a.list\":{\"properties\":{\"size\":{\"maximum\":20}}}}"),
        &faults);
    is_str(faults.text, "", "policies in the short form");

    if (!ok(teams != NULL, "compile")) {
        return;
    }

    teams_digest(DIGEST, digest);
    team = proctor_teams_key(teams, digest)->team;

    policy = proctor_team_policy(
        team, proctor_contract_operation(teams_known[0], "a.create", 8));
    ok(policy != NULL && policy->body != NULL && policy->query == NULL,
        "an operation with a body: for the body");

    policy = proctor_team_policy(
        team, proctor_contract_operation(teams_known[0], "a.list", 6));
    ok(policy != NULL && policy->body == NULL && policy->query != NULL,
        "one without: for the query");

    ok(proctor_team_policy(
           team, proctor_contract_operation(teams_known[0], "a.delete", 8))
            == NULL,
        "no policy for what none is about");

    free(faults.text);
    proctor_arena_reset(arena);

    teams = teams_compile(arena,
        TEAM("\"keys\":[" KEY("k", DIGEST,
            "") "],\"policy\":{"
                "\"a.create\":{\"body\":{\"required\":[\"n\"]},"
                "\"query\":{\"properties\":{\"dry\":{\"const\":true}}}}}"),
        &faults);
    is_str(faults.text, "", "a policy in the long form");

    team = teams != NULL ? proctor_teams_key(teams, digest)->team : NULL;
    policy = team != NULL ? proctor_team_policy(team,
                 proctor_contract_operation(teams_known[0], "a.create", 8))
                          : NULL;
    ok(policy != NULL && policy->body != NULL && policy->query != NULL,
        "is for both");

    free(faults.text);
    proctor_arena_destroy(arena);
}


/* An arena that ends anywhere: a fault and no teams, or all of them. */

static void
teams_test_memory(void)
{
    int wrong;
    size_t limit;
    teams_faults_t faults;
    proctor_arena_t *arena;
    proctor_teams_t *teams;

    teams = NULL;
    wrong = 0;

    for (limit = 1; teams == NULL && limit < 100000; limit += 24) {
        arena = proctor_arena_create(limit);
        teams = teams_compile(arena,
            TEAM("\"keys\":[" KEY("k", DIGEST,
                "") "],\"policy\":{"
                    "\"a.create\":{\"properties\":{\"n\":{\"maximum\":20}}}}"),
            &faults);

        wrong += (teams == NULL) != (faults.report.count > 0);

        free(faults.text);
        proctor_arena_destroy(arena);
    }

    is_int(wrong, 0, "memory that runs out is told, every time");
    ok(teams != NULL && limit > 1000, "until it was enough: %zu", limit);
}


static double
teams_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);

    return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}


static void
teams_sha256(unsigned i, unsigned char digest[PROCTOR_SHA256_LEN])
{
    SHA256((const unsigned char *) &i, sizeof(i), digest);
}


/* The text of a file with n teams, each with a key and a policy. */

static char *
teams_text(unsigned n)
{
    FILE *stream;
    char *text;
    size_t j, len;
    unsigned i;
    unsigned char digest[PROCTOR_SHA256_LEN];

    stream = open_memstream(&text, &len);
    fputs("{\"accounts\":{" ACCOUNT "},\"teams\":{", stream);

    for (i = 0; i < n; i++) {
        fprintf(stream,
            "%s\"team-%u\":{\"accounts\":{\"one\":\"acme\"},\"policy\":"
            "{\"a.create\":{\"properties\":{\"n\":{\"maximum\":%u}}}},"
            "\"keys\":[{\"id\":\"k-%u\",\"actor\":\"a-%u@example.com\","
            "\"rights\":[\"read\",\"create\"],\"sha256\":\"",
            i == 0 ? "" : ",", i, i, i, i);

        teams_sha256(i, digest);

        for (j = 0; j < sizeof(digest); j++) {
            fprintf(stream, "%02x", digest[j]);
        }

        fputs("\"}]}", stream);
    }

    fputs("}}", stream);
    fclose(stream);

    return text;
}


/* Nanoseconds a lookup takes; every key must be found, and no other. */

static double
teams_lookups(const proctor_teams_t *teams, unsigned n)
{
    double start;
    unsigned i, found, rounds;
    unsigned char(*digests)[PROCTOR_SHA256_LEN];

    digests = malloc(2 * n * sizeof(*digests));

    for (i = 0; i < 2 * n; i++) {
        teams_sha256(i, digests[i]);
    }

    found = 0;
    start = teams_now();

    for (rounds = 0; rounds < 200000 / n; rounds++) {
        for (i = 0; i < 2 * n; i++) {
            found += proctor_teams_key(teams, digests[i]) != NULL;
        }
    }

    start = (teams_now() - start) / (rounds * 2.0 * n);

    is_int(found, rounds * n, "of %u teams, all are found and no other", n);
    free(digests);

    return start;
}


/* bounds far above what it takes: they fail for another algorithm only */

static void
teams_test_many(void)
{
    char *few, *many;
    double start, took, ns_few, ns_many;
    teams_faults_t faults;
    proctor_arena_t *arena;
    proctor_teams_t *teams;

    few = teams_text(10);
    many = teams_text(10000);
    arena = proctor_arena_create(0);

    teams = teams_compile(arena, few, &faults);
    is_str(faults.text, "", "ten teams");
    ns_few = teams_lookups(teams, 10);
    free(faults.text);
    proctor_arena_reset(arena);

    start = teams_now();
    teams = teams_compile(arena, many, &faults);
    took = (teams_now() - start) / 1e9;
    is_str(faults.text, "", "ten thousand teams");
    ns_many = teams_lookups(teams, 10000);
    free(faults.text);

    diag("10,000 teams compile in %.3f s; a lookup takes %.0f ns of 10, "
         "%.0f ns of 10,000",
        took, ns_few, ns_many);
    ok(took < 20, "compile in linear time");
    ok(ns_many < 100 * ns_few, "and are no longer list to search");

    proctor_arena_destroy(arena);
    free(few);
    free(many);
}
