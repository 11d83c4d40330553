/*
 * For the tests of teams files: two contracts to refer to, and small files.
 */

#ifndef UNIT_TEAMS_H_INCLUDED
#define UNIT_TEAMS_H_INCLUDED

#include "faults.h"


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


static proctor_arena_t *teams_arena; /* of the contracts */
static const proctor_contract_t *teams_known[2];
static proctor_teams_env_t teams_env = { teams_known, 2, NULL };


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


/* the faults are the caller's to free */
static proctor_teams_t *
teams_compile(proctor_arena_t *arena, const char *text, faults_t *faults)
{
    proctor_teams_t *teams;

    faults_open(faults);
    teams = proctor_teams_compile(
        arena, &teams_env, text, strlen(text), &faults->report);
    faults_close(faults);

    return teams;
}

#endif /* UNIT_TEAMS_H_INCLUDED */
