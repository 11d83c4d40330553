/*
 * Cache-Control and HTTP dates, as good and as bad as they come.
 */

#include "cache.h"


typedef struct {
    const char *value; /* lines with a line feed between */
    const char *means;
} control_case_t;


static const control_case_t control_cases[] = {
    { "", "" },
    { "max-age=60", "max-age=60" },
    { "MAX-AGE=60, No-Store", "no-store max-age=60" },
    { "max-age=\"60\"", "max-age=60" },
    { "max-age = 60", "max-age=0" },
    { "max-age =60", "max-age=0" },
    { "max-age= 60", "max-age=0" },
    { " max-age=60 ,\tno-store\t", "no-store max-age=60" },
    { "max-age=007", "max-age=7" },
    { "max-age=2147483647", "max-age=2147483647" },
    { "max-age=2147483648", "max-age=2147483648" },
    { "max-age=2147483649", "max-age=2147483648" },
    { "max-age=99999999999", "max-age=2147483648" },
    { "max-age=99999999999999999999999999999", "max-age=2147483648" },
    { "s-maxage=\"99999999999\"", "s-maxage=2147483648" },
    { "max-age=-1", "max-age=0" },
    { "max-age=+1", "max-age=0" },
    { "max-age=1.5", "max-age=0" },
    { "max-age=60a", "max-age=0" },
    { "max-age=a60", "max-age=0" },
    { "max-age=0x10", "max-age=0" },
    { "max-age='60'", "max-age=0" },
    { "max-age=\"60", "max-age=0" },
    { "max-age=\"", "max-age=0" },
    { "max-age=\"\"", "max-age=0" },
    { "max-age=", "max-age=0" },
    { "max-age", "max-age=0" },
    { "max-age=6 0", "max-age=0" },
    { "max-age=60, max-age=30", "max-age=30" },
    { "max-age=30, max-age=60", "max-age=30" },
    { "max-age=60, max-age=x", "max-age=0" },
    { "max-age=60\nmax-age=30", "max-age=30" },
    { "max-age=60; no-store", "max-age=0" },
    { "x-max-age=60, max-agex=60", "" },
    { "foo=\"max-age=60, no-store\"", "" },
    { "foo=\"a\\\"b, no-store\", max-age=5", "max-age=5" },
    { "foo=\"a, no-store", "no-store" },
    { ",, ,max-age=5,\t,", "max-age=5" },
    { "no-cache=\"set-cookie\"", "no-cache" },
    { "private=\"x, y\", public", "private public" },
    { "no-store=1", "no-store" },
    { "must-revalidate,proxy-revalidate,must-understand",
        "must-revalidate proxy-revalidate must-understand" },
    { "min-fresh=5, min-fresh=9", "min-fresh=9" },
    { "min-fresh=x", "min-fresh=2147483648" },
    { "max-stale", "max-stale" },
    { "max-stale=3", "max-stale=3" },
    { "max-stale=3, max-stale", "max-stale max-stale=3" },
    { "max-stale=x", "max-stale=0" },
    { "only-if-cached", "only-if-cached" },
    { "stale-while-revalidate=5, stale-if-error=x",
        "stale-while-revalidate=5 stale-if-error=0" },
};

static const struct {
    unsigned flag;
    const char *name;
} control_flags[] = { { PROCTOR_CC_NO_STORE, "no-store" },
    { PROCTOR_CC_NO_CACHE, "no-cache" }, { PROCTOR_CC_PRIVATE, "private" },
    { PROCTOR_CC_PUBLIC, "public" },
    { PROCTOR_CC_MUST_REVALIDATE, "must-revalidate" },
    { PROCTOR_CC_PROXY_REVALIDATE, "proxy-revalidate" },
    { PROCTOR_CC_MUST_UNDERSTAND, "must-understand" },
    { PROCTOR_CC_ONLY_IF_CACHED, "only-if-cached" },
    { PROCTOR_CC_MAX_STALE_ANY, "max-stale" } };


static size_t
control_seconds(char *dst, size_t size, const char *name, int64_t seconds)
{
    if (seconds < 0) {
        return 0;
    }

    return (size_t) snprintf(dst, size, "%s=%lld ", name, (long long) seconds);
}


static void
control_tell(const proctor_cache_control_t *cc, char *dst, size_t size)
{
    size_t i, n;

    n = 0;
    dst[0] = '\0';

    for (i = 0; i < sizeof(control_flags) / sizeof(control_flags[0]); i++) {
        if (cc->flags & control_flags[i].flag) {
            n += (size_t) snprintf(
                dst + n, size - n, "%s ", control_flags[i].name);
        }
    }

    n += control_seconds(dst + n, size - n, "max-age", cc->max_age);
    n += control_seconds(dst + n, size - n, "s-maxage", cc->s_maxage);
    n += control_seconds(dst + n, size - n, "stale-while-revalidate",
        cc->stale_while_revalidate);
    n += control_seconds(
        dst + n, size - n, "stale-if-error", cc->stale_if_error);
    n += control_seconds(dst + n, size - n, "min-fresh", cc->min_fresh);
    n += control_seconds(dst + n, size - n, "max-stale", cc->max_stale);

    if (n != 0) {
        dst[n - 1] = '\0';
    }
}


static void
test_control(void)
{
    size_t i, len;
    char told[256];
    const char *line;
    proctor_cache_control_t cc;

    for (i = 0; i < sizeof(control_cases) / sizeof(control_cases[0]); i++) {
        proctor_cache_control_init(&cc);

        for (line = control_cases[i].value; line != NULL;
             line = (line[len] == '\0') ? NULL : line + len + 1) {
            len = strcspn(line, "\n");
            proctor_cache_control_parse(&cc, line, len);
        }

        control_tell(&cc, told, sizeof(told));
        is_str(told, control_cases[i].means, "%.*s",
            (int) strcspn(control_cases[i].value, "\n"),
            control_cases[i].value);
    }
}


static void
test_pragma(void)
{
    proctor_cache_control_t cc;

    proctor_cache_control_init(&cc);
    proctor_cache_control_pragma(&cc, "a, No-Cache", 11);
    ok(cc.flags & PROCTOR_CC_NO_CACHE, "Pragma: no-cache counts");

    proctor_cache_control_init(&cc);
    proctor_cache_control_parse(&cc, "max-age=5", 9);
    proctor_cache_control_pragma(&cc, "no-cache", 8);
    ok(!(cc.flags & PROCTOR_CC_NO_CACHE), "but not beside Cache-Control");
}


/* now: 2026-11-22 */

static void
test_dates(void)
{
    size_t i;
    int rc;
    int64_t seconds;
    static const struct {
        const char *text;
        int64_t seconds; /* -1: no date */
    } cases[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
        { "Sun Nov  6 08:49:37 1994", 784111777 },
        { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
        { "Thu, 29 Feb 2024 23:59:59 GMT", 1709251199 },
        { "Wednesday, 22-Nov-76 00:00:00 GMT", 3373228800 },
        { "Tuesday, 22-Nov-77 00:00:00 GMT", 249004800 },
        { "Sun, 06 Nov 2094 08:49:37 GMT", 3939871777 },
        { "Sun, 6 Nov 1994 08:49:37 GMT", -1 },
        { "Sun, 06 Nov 1994 08:49:37 UTC", -1 },
        { "Sun, 06 Nov 1994 08:49:37", -1 },
        { "Sun, 06 Nov 1994 8:49:37 GMT", -1 },
        { "Sun, 06 Nov 94 08:49:37 GMT", -1 },
        { "Sun, 06 nov 1994 08:49:37 GMT", -1 },
        { "Sun 06 Nov 1994 08:49:37 GMT", -1 },
        { "Sun, 06-Nov-1994 08:49:37 GMT", -1 },
        { "Sun, 06 Nov 1994 08:49:37 GMT ", -1 },
        { "Sun, 06 Nov 1994 24:49:37 GMT", -1 },
        { "Sun, 31 Nov 1994 08:49:37 GMT", -1 },
        { "Thu, 29 Feb 2023 23:59:59 GMT", -1 },
        { "Xyz, 06 Nov 1994 08:49:37 GMT", -1 },
        { "Sunsets, 06-Nov-94 08:49:37 GMT", -1 },
        { "0", -1 },
        { "", -1 },
        { ",", -1 },
        { "-1", -1 },
        { "Sun, ", -1 },
        { "Sunday, 06-Nov-", -1 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        seconds = -1;
        rc = proctor_time_http(
            cases[i].text, strlen(cases[i].text), 1795305600, &seconds);

        is_int(seconds, cases[i].seconds, "\"%s\"", cases[i].text);
        is_int(rc, cases[i].seconds < 0 ? PROCTOR_INVALID : PROCTOR_OK,
            "and its verdict");
    }
}


/* any bytes: nothing is read past the end (sanitizers), nothing negative */

static void
test_random(void)
{
    size_t len, i;
    unsigned n, wrong;
    char *text;
    int64_t seconds;
    proctor_cache_control_t cc;
    static const char *const words[] = { "max-age", "=", "\"", ",", "60", " ",
        "no-store", "\\", "s-maxage=", "9999999999", "-", "\t", "min-fresh" };

    wrong = 0;

    for (n = 0; n < 20000; n++) {
        len = 0;
        text = malloc(200);

        while (len < 160 && cache_random(12) != 0) {
            i = cache_random(sizeof(words) / sizeof(words[0]));
            memcpy(text + len, words[i], strlen(words[i]));
            len += strlen(words[i]);
        }

        text = realloc(text, len == 0 ? 1 : len);

        proctor_cache_control_init(&cc);
        proctor_cache_control_parse(&cc, text, len);
        (void) proctor_time_http(text, len, 0, &seconds);

        wrong += cc.max_age < -1 || cc.max_age > PROCTOR_CACHE_SECONDS_MAX
                 || cc.s_maxage < -1 || cc.s_maxage > PROCTOR_CACHE_SECONDS_MAX
                 || cc.min_fresh < -1
                 || cc.min_fresh > PROCTOR_CACHE_SECONDS_MAX;
        free(text);
    }

    is_int(wrong, 0, "any words give a time that is one");
}


int
main(void)
{
    test_control();
    test_pragma();
    test_dates();
    test_random();

    return done_testing();
}
