/*
 * For the tests of the cache: two accounts of one contract, and what a test
 * says in one line.
 */

#ifndef UNIT_CACHE_H_INCLUDED
#define UNIT_CACHE_H_INCLUDED

#include <stdlib.h>

#include "faults.h"
#include "proctor_cache.h"


#define CACHE_STR(s)                                                           \
    (proctor_str_t)                                                            \
    {                                                                          \
        (s), strlen(s)                                                         \
    }

typedef struct {
    proctor_arena_t *arena;
    proctor_contract_t *contract;
    proctor_teams_t *teams;
    const proctor_account_t *one;
    const proctor_account_t *two;
} cache_world_t;


static const char cache_contract[] =
    "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"T\",\"version\":\"1\"},"
    "\"paths\":{"
    "\"/things/\":{"
    "\"get\":{\"operationId\":\"list\",\"x-proctor\":{\"right\":\"read\","
    "\"cache\":{\"groups\":[\"things\"],\"ttl\":\"2s\"}},\"parameters\":["
    "{\"name\":\"page\",\"in\":\"query\",\"schema\":{\"type\":\"integer\","
    "\"default\":1}},"
    "{\"name\":\"sort\",\"in\":\"query\",\"schema\":{\"type\":\"string\"}}]},"
    "\"post\":{\"operationId\":\"create\",\"x-proctor\":{\"right\":\"write\","
    "\"invalidates\":[\"things\"]}}},"
    "\"/things/find/\":{\"post\":{\"operationId\":\"find\",\"x-proctor\":{"
    "\"right\":\"read\",\"cache\":{\"groups\":[]}}}},"
    "\"/things/{id}/parts/{part}/\":{\"parameters\":["
    "{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":"
    "\"string\"}},"
    "{\"name\":\"part\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":"
    "\"string\"}}],"
    "\"get\":{\"operationId\":\"part\",\"x-proctor\":{\"right\":\"read\","
    "\"cache\":{\"groups\":[\"{part}-of-{id}\",\"things\",\"{id}\"],"
    "\"ttl\":\"1m\",\"ttl_when\":{\"/status\":{\"done\":\"10m\",\"failed\":"
    "\"500ms\"},\"/a~1b/0\":{\"\":\"1d\"}},"
    "\"stale_while_revalidate\":\"5s\",\"stale_if_error\":\"1h\"}},"
    "\"parameters\":[{\"name\":\"X-Tone\",\"in\":\"header\",\"schema\":{"
    "\"type\":\"string\"}}]},"
    "\"delete\":{\"operationId\":\"drop\",\"x-proctor\":{\"right\":\"write\"}}"
    "},"
    "\"/other/\":{\"get\":{\"operationId\":\"other\",\"x-proctor\":{"
    "\"right\":\"read\"}}}}}";

static const char cache_teams[] =
    "{\"accounts\":{"
    "\"one\":{\"contract\":\"test\",\"keys\":[{\"env\":\"PROCTOR_TEST_KEY\"}]},"
    "\"two}:\":{\"contract\":\"test\",\"keys\":[{\"env\":"
    "\"PROCTOR_TEST_KEY\"}]}"
    "},\"teams\":{}}";


__attribute__((unused)) static void
cache_open(cache_world_t *world)
{
    faults_t faults;
    const proctor_contract_t *contracts[1];
    proctor_teams_env_t env = { contracts, 1, NULL };

    setenv("PROCTOR_TEST_KEY", "canary-9f2c", 1);
    faults_open(&faults);

    world->arena = proctor_arena_create(0);
    world->contract = proctor_contract_compile(world->arena, "test",
        cache_contract, strlen(cache_contract), &faults.report);
    contracts[0] = world->contract;
    world->teams = (world->contract == NULL)
                       ? NULL
                       : proctor_teams_compile(world->arena, &env, cache_teams,
                           strlen(cache_teams), &faults.report);

    faults_close(&faults);
    is_str(faults.text, "", "a contract and its accounts");
    faults_free(&faults);

    if (world->teams == NULL) {
        exit(1);
    }

    world->one = proctor_teams_account(world->teams, 0);
    world->two = proctor_teams_account(world->teams, 1);
}


__attribute__((unused)) static const proctor_operation_t *
cache_operation(const cache_world_t *world, const char *id)
{
    return proctor_contract_operation(world->contract, id, strlen(id));
}


/* repeats itself, whatever the machine */
__attribute__((unused)) static unsigned
cache_random(unsigned below)
{
    static uint64_t state = 88172645463325252ULL;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;

    return (unsigned) ((state >> 11) % below);
}


/* NULL is only NULL */
__attribute__((unused)) static int
cache_same(const proctor_str_t *one, const proctor_str_t *two)
{
    return (one->data == NULL) == (two->data == NULL) && one->len == two->len
           && (one->len == 0 || memcmp(one->data, two->data, one->len) == 0);
}

#endif /* UNIT_CACHE_H_INCLUDED */
