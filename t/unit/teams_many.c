/*
 * Ten thousand teams: they compile soon, and a key is found as fast as in ten.
 */

#include <time.h>

#include <openssl/sha.h>

#include "teams.h"


static void teams_test_many(void);


int
main(void)
{
    setenv(KEY_ENV, KEY_SECRET, 1);

    teams_contracts();
    teams_test_many();

    proctor_arena_destroy(teams_arena);

    return done_testing();
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
    faults_t faults;
    proctor_arena_t *arena;
    proctor_teams_t *teams;

    few = teams_text(10);
    many = teams_text(10000);
    arena = proctor_arena_create(0);

    teams = teams_compile(arena, few, &faults);
    is_str(faults.text, "", "ten teams");
    ns_few = teams_lookups(teams, 10);
    faults_free(&faults);
    proctor_arena_reset(arena);

    start = teams_now();
    teams = teams_compile(arena, many, &faults);
    took = (teams_now() - start) / 1e9;
    is_str(faults.text, "", "ten thousand teams");
    ns_many = teams_lookups(teams, 10000);
    faults_free(&faults);

    diag("10,000 teams compile in %.3f s; a lookup takes %.0f ns of 10, "
         "%.0f ns of 10,000",
        took, ns_few, ns_many);
    ok(took < 20, "compile in linear time");
    ok(ns_many < 100 * ns_few, "and are no longer list to search");

    proctor_arena_destroy(arena);
    free(few);
    free(many);
}
