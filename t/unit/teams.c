/*
 * The teams file: what compiles to what, and who is found in it.
 */

#include "teams.h"


static void teams_test_whole(void);
static void teams_test_wiped(void);
static void teams_test_expiry(void);
static void teams_test_policy(void);
static void teams_test_memory(void);


int
main(void)
{
    setenv(KEY_ENV, KEY_SECRET, 1);

    teams_contracts();
    teams_test_whole();
    teams_test_wiped();
    teams_test_expiry();
    teams_test_policy();
    teams_test_memory();

    proctor_arena_destroy(teams_arena);

    return done_testing();
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
    faults_t faults;
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
                    "\"2001-09-09T01:46:40Z\",\"on_behalf_of\":true}]},"
                    "\"idle\":{\"accounts\":{\"one\":\"acme\"},\"keys\":[]}"),
        &faults);

    is_str(faults.text, "", "a whole teams file has no fault");

    if (!ok(teams != NULL, "and compiles")) {
        return;
    }

    is_int(proctor_teams_naccounts(teams), 2, "two accounts");
    account = proctor_teams_account(teams, 0);
    is_str(account->name.data, "acme", "the first by name");
    is_mem(account->keys[0].data, account->keys[0].len, "Bearer " KEY_SECRET,
        "with its secret as it will be sent");
    is_int(account->keys[0].data[account->keys[0].len], 0, "and a NUL");
    is_int(proctor_teams_account(teams, 1)->nkeys, 2, "the second has two");

    teams_digest(DIGEST, digest);
    key = proctor_teams_key(teams, digest);
    is_str(key != NULL ? key->id.data : NULL, "k-1", "a key is found");
    is_str(key->team->name.data, "nlp", "with its team");
    is_str(key->actor.data, "ann", "and its actor");
    is_int(key->expires, 0, "it does not expire");
    is_int(key->on_behalf_of, 0, "it speaks for nobody else");
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
    is_int(key->on_behalf_of, 1, "and say on whose behalf");

    digest[31] ^= 1;
    ok(proctor_teams_key(teams, digest) == NULL,
        "a digest that differs in its last bit is nobody's");
    memset(digest, 0, sizeof(digest));
    ok(proctor_teams_key(teams, digest) == NULL, "nor are 32 zero bytes");

    faults_free(&faults);
    proctor_arena_destroy(arena);
}


static const char *teams_secret_at;
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
    faults_t faults;
    proctor_arena_t *arena;
    proctor_teams_t *teams;

    arena = proctor_arena_create(0);
    proctor_arena_cleanup(arena, teams_look, NULL);

    teams = teams_compile(arena, KEYS(KEY("k", DIGEST, "")), &faults);
    teams_secret_at =
        proctor_teams_account(teams, 0)->keys[0].data + strlen("Bearer ");
    teams_secret_left = -1;
    is_mem(teams_secret_at, strlen(KEY_SECRET), KEY_SECRET, "a secret");

    faults_free(&faults);
    proctor_arena_destroy(arena);

    is_int(teams_secret_left, 0, "... is wiped before its memory goes");
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
    faults_t faults;
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

    faults_free(&faults);
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

    faults_free(&faults);
    proctor_arena_destroy(arena);
}


/* An arena that ends anywhere: a fault and no teams, or all of them. */

static void
teams_test_memory(void)
{
    int wrong;
    size_t limit;
    faults_t faults;
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

        faults_free(&faults);
        proctor_arena_destroy(arena);
    }

    is_int(wrong, 0, "memory that runs out is told, every time");
    ok(teams != NULL && limit > 1000, "until it was enough: %zu", limit);
}
