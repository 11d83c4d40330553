/*
 * Tests of proctor_time.c: the text of a time is what the C library would have
 * made of it, and is read back as the second that it was made of.
 */

#include <time.h>

#include "proctor.h"
#include "tap.h"


#define DAY     86400
#define CENTURY INT64_C(100) * 366 * DAY


/* from 1970 on: a day and a second each time, so that all fields move */

static void
test_days(void)
{
    char text[PROCTOR_TIME_LEN + 1], want[64];
    time_t now;
    size_t n;
    int64_t second, back;
    unsigned bad;
    struct tm tm;

    bad = 0;

    for (second = 0; second < 5 * CENTURY; second += DAY + 3671) {
        now = (time_t) second;
        gmtime_r(&now, &tm);
        n = strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.654321Z", &tm);

        bad += proctor_time_format(text, second * 1000000 + 654321)
                   != text + PROCTOR_TIME_LEN
               || n != PROCTOR_TIME_LEN
               || memcmp(text, want, PROCTOR_TIME_LEN) != 0;

        bad += proctor_time_parse(text, PROCTOR_TIME_LEN, &back) != PROCTOR_OK
               || back != second;
    }

    is_int(bad, 0, "five centuries of days, there and back");
}


static void
test_fractions(void)
{
    char text[PROCTOR_TIME_LEN + 1], want[64];
    int64_t us;
    unsigned bad;

    bad = 0;

    for (us = 0; us < 1000000; us += 7) {
        snprintf(want, sizeof(want), "1970-01-01T00:00:00.%06dZ", (int) us);
        (void) proctor_time_format(text, us);
        bad += memcmp(text, want, PROCTOR_TIME_LEN) != 0;
    }

    is_int(bad, 0, "microseconds");
}


static void
test_edges(void)
{
    size_t i;
    char text[PROCTOR_TIME_LEN];
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        { -1, "1970-01-01T00:00:00.000000Z" },
        { INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z" },
        { INT64_C(951868799999999), "2000-02-29T23:59:59.999999Z" },
        { INT64_C(4107542400000000), "2100-03-01T00:00:00.000000Z" },
        { INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void) proctor_time_format(text, cases[i].us);
        is_mem(text, sizeof(text), cases[i].text, "%s", cases[i].text);
    }
}


int
main(void)
{
    test_days();
    test_fractions();
    test_edges();

    return done_testing();
}
