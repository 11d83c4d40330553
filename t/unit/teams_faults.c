/*
 * Teams files with mistakes: which fault each of them is, and no secret told.
 */

#include <unistd.h>

#include "teams.h"


static void teams_test_cases(void);
static void teams_test_secrets(void);


#define NAMED          "\"name\":\"q\","
#define QUOTA(members) TEAM("\"keys\":[],\"quotas\":[{" members "}]")
#define LIMITS(limits)                                                         \
    FILE_("\"a\":{\"contract\":\"one\",\"limits\":" limits                     \
          ",\"keys\":[{\"env\":\"" KEY_ENV "\"}]}",                            \
        "")


/* clang-format off */
static const faults_case_t teams_cases[] = {
    { "no JSON", "{", ": is not JSON: " },
    { "a member twice", "{\"teams\":{},\"teams\":{}}", ": is not JSON: " },
    { "nothing", "{}", ": lacks \"accounts\"\n: lacks \"teams\"" },
    { "a strange member", "{\"accounts\":{},\"teams\":{},\"x\":1}",
      "/x: is not understood" },
    { "limits that are no array", LIMITS("{}"),
      "/accounts/a/limits: must be an array of 1 to 16" },
    { "no limits", LIMITS("[]"),
      "/accounts/a/limits: must be an array of 1 to 16" },
    { "an empty limit", LIMITS("[{}]"),
      "/accounts/a/limits/0: lacks \"limit\"\n"
      "/accounts/a/limits/0: lacks \"per\"" },
    { "a limit with a charge",
      LIMITS("[{\"limit\":1,\"per\":\"1m\",\"charge\":\"request\"}]"),
      "/accounts/a/limits/0/charge: is not understood" },
    { "two limits for a minute",
      LIMITS("[{\"limit\":1,\"per\":\"1m\"},{\"limit\":2,\"per\":\"60s\"}]"),
      "/accounts/a/limits/1: is for the same time as another" },
    { "an empty quota", QUOTA(""),
      "/teams/t/quotas/0: lacks \"name\"\n"
      "/teams/t/quotas/0: lacks \"limit\"\n"
      "/teams/t/quotas/0: lacks \"per\"" },
    { "a quota of nothing", QUOTA(NAMED "\"limit\":0,\"per\":\"1m\""),
      "/teams/t/quotas/0/limit: must be an integer from 1 to 1000000000" },
    { "a quota of half a call", QUOTA(NAMED "\"limit\":1.5,\"per\":\"1m\""),
      "/teams/t/quotas/0/limit: must be an integer from 1 to 1000000000" },
    { "a quota for no time", QUOTA(NAMED "\"limit\":1,\"per\":\"0s\""),
      "/teams/t/quotas/0/per: must be a length of time from \"1s\" to "
      "\"30d\": a number and s, m, h or d" },
    { "a quota for a number", QUOTA(NAMED "\"limit\":1,\"per\":60"),
      "/teams/t/quotas/0/per: must be a length of time from \"1s\" to "
      "\"30d\": a number and s, m, h or d" },
    { "a quota for 31 days", QUOTA(NAMED "\"limit\":1,\"per\":\"31d\""),
      "/teams/t/quotas/0/per: must be a length of time from \"1s\" to "
      "\"30d\": a number and s, m, h or d" },
    { "a quota for 721 hours", QUOTA(NAMED "\"limit\":1,\"per\":\"721h\""),
      "/teams/t/quotas/0/per: must be a length of time from \"1s\" to "
      "\"30d\": a number and s, m, h or d" },
    { "a quota for a word", QUOTA(NAMED "\"limit\":1,\"per\":\"1ms\""),
      "/teams/t/quotas/0/per: must be a length of time from \"1s\" to "
      "\"30d\": a number and s, m, h or d" },
    { "a charge for nothing",
      QUOTA(NAMED "\"limit\":1,\"per\":\"1m\",\"charge\":\"x\""),
      "/teams/t/quotas/0/charge: must be \"request\" or \"accepted\"" },
    { "no operations",
      QUOTA(NAMED "\"limit\":1,\"per\":\"1m\",\"operations\":[]"),
      "/teams/t/quotas/0/operations: must be an array with an operation at "
      "least" },
    { "an operation nobody knows",
      QUOTA(NAMED "\"limit\":1,\"per\":\"1m\",\"operations\":[\"x\"]"),
      "/teams/t/quotas/0/operations/0: names no operation of the team's "
      "contracts" },
    { "a strange member of a quota",
      QUOTA(NAMED "\"limit\":1,\"per\":\"1m\",\"burst\":1"),
      "/teams/t/quotas/0/burst: is not understood" },
    { "a quota's name twice",
      QUOTA(NAMED "\"limit\":1,\"per\":\"1m\"},{" NAMED
      "\"limit\":1,\"per\":\"1h\""),
      "/teams/t/quotas/1: has the name of another: q" },
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
    { "on behalf of a word", KEYS(KEY("k", DIGEST, "\"on_behalf_of\":\"x\",")),
      "/teams/t/keys/0/on_behalf_of: must be true or false" },
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


int
main(void)
{
    setenv(KEY_ENV, KEY_SECRET, 1);
    setenv("PROCTOR_TEST_EMPTY", "", 1);
    setenv("PROCTOR_TEST_CRLF", KEY_SECRET "\r\nX-Evil: 1", 1);
    unsetenv("PROCTOR_TEST_UNSET");

    teams_contracts();
    teams_test_cases();
    teams_test_secrets();

    proctor_arena_destroy(teams_arena);

    return done_testing();
}


static void
teams_test_cases(void)
{
    size_t i;
    faults_t faults;
    proctor_arena_t *arena;
    proctor_teams_t *teams;
    const faults_case_t *c;

    for (i = 0; i < sizeof(teams_cases) / sizeof(teams_cases[0]); i++) {
        c = &teams_cases[i];
        arena = proctor_arena_create(0);
        teams = teams_compile(arena, c->text, &faults);

        ok(strstr(faults.text, KEY_SECRET) == NULL, "%s: no secret is told",
            c->name);
        faults_is(&faults, c);
        ok(teams == NULL, "and nothing compiles");

        faults_free(&faults);
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
    faults_t faults;
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
            ok(key != NULL && key->len == 7 + len
                    && memcmp(key->data, "Bearer ", 7) == 0
                    && memcmp(key->data + 7, cases[i].secret, len) == 0,
                "file %zu holds the key it holds", i);

        } else {
            ok(strstr(faults.text, cases[i].fault) != NULL, "file %zu: %s", i,
                cases[i].fault);
        }

        ok(strstr(faults.text, "s3") == NULL
                && strstr(faults.text, "kkk") == NULL,
            "no byte of it is told");

        faults_free(&faults);
        proctor_arena_destroy(arena);
    }

    teams_env.directory = NULL;
    unlink(name);
    rmdir(directory);
}
