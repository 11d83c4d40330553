/*
 * HTTP-date (RFC 9110, 5.6.7): Date, Expires, Last-Modified.
 *
 *     Sun, 06 Nov 1994 08:49:37 GMT        what everybody sends
 *     Sunday, 06-Nov-94 08:49:37 GMT       what must be understood still
 *     Sun Nov  6 08:49:37 1994
 *
 * Written by hand like proctor_time.c, whose calendar it shares.  What is not
 * exactly of these forms is no date: a cache must not guess how long to keep.
 */

#include <string.h>

#include "proctor_base.h"


typedef enum {
    PROCTOR_TIME_IMF = 0,
    PROCTOR_TIME_RFC850, /* from its comma on */
    PROCTOR_TIME_ASCTIME
} proctor_time_form_e;


static proctor_time_form_e proctor_time_form(
    const char *s, size_t len, size_t *weekday);
static int proctor_time_number(
    const char *s, size_t digits, int padded, unsigned *n);
static int proctor_time_month(const char *s, unsigned *month);
static int proctor_time_is_weekday(const char *s, size_t len, size_t letters);
static unsigned proctor_time_century(unsigned year, int64_t now);


/* a dot stands for any byte; then where each field begins */

static const struct {
    proctor_str_t text;
    unsigned char day;
    unsigned char month;
    unsigned char year;
    unsigned char digits; /* of the year */
    unsigned char clock;
} proctor_time_forms[] = {
    [PROCTOR_TIME_IMF] = { proctor_str(", .. ... .... ..:..:.. GMT"), 2, 5, 9,
        4, 14 },
    [PROCTOR_TIME_RFC850] = { proctor_str(", ..-...-.. ..:..:.. GMT"), 2, 5, 9,
        2, 12 },
    [PROCTOR_TIME_ASCTIME] = { proctor_str(" ... .. ..:..:.. ...."), 5, 1, 17,
        4, 8 },
};


int
proctor_time_http(const char *s, size_t len, int64_t now, int64_t *seconds)
{
    size_t i, weekday;
    const char *p;
    unsigned parts[6];
    proctor_time_form_e form;

    form = proctor_time_form(s, len, &weekday);

    if (!proctor_time_is_weekday(
            s, weekday, form == PROCTOR_TIME_RFC850 ? 0 : 3)
        || len - weekday != proctor_time_forms[form].text.len) {
        return PROCTOR_INVALID;
    }

    s += weekday;

    for (i = 0; i < len - weekday; i++) {
        p = &proctor_time_forms[form].text.data[i];

        if (*p != '.' && *p != s[i]) {
            return PROCTOR_INVALID;
        }
    }

    p = s + proctor_time_forms[form].clock;

    if (!proctor_time_number(s + proctor_time_forms[form].year,
            proctor_time_forms[form].digits, 0, &parts[0])
        || !proctor_time_month(s + proctor_time_forms[form].month, &parts[1])
        || !proctor_time_number(s + proctor_time_forms[form].day, 2,
            form == PROCTOR_TIME_ASCTIME, &parts[2])
        || !proctor_time_number(p, 2, 0, &parts[3])
        || !proctor_time_number(p + 3, 2, 0, &parts[4])
        || !proctor_time_number(p + 6, 2, 0, &parts[5])) {
        return PROCTOR_INVALID;
    }

    if (form == PROCTOR_TIME_RFC850) {
        parts[0] = proctor_time_century(parts[0], now);
    }

    return proctor_time_utc(parts, seconds);
}


/* *weekday: how long its name is */

static proctor_time_form_e
proctor_time_form(const char *s, size_t len, size_t *weekday)
{
    const char *comma;

    comma = (len == 0) ? NULL : memchr(s, ',', len);

    if (comma == NULL) {
        *weekday = (len < 3) ? len : 3;
        return PROCTOR_TIME_ASCTIME;
    }

    *weekday = (size_t) (comma - s);

    return (*weekday == 3) ? PROCTOR_TIME_IMF : PROCTOR_TIME_RFC850;
}


/* letters: of its name, 0: all of them */

static int
proctor_time_is_weekday(const char *s, size_t len, size_t letters)
{
    size_t i, n;
    static const char *const names[] = { "Monday", "Tuesday", "Wednesday",
        "Thursday", "Friday", "Saturday", "Sunday" };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        n = (letters != 0) ? letters : strlen(names[i]);

        if (len == n && memcmp(s, names[i], n) == 0) {
            return 1;
        }
    }

    return 0;
}


/* padded: its first digit may be a space */

static int
proctor_time_number(const char *s, size_t digits, int padded, unsigned *n)
{
    size_t i;

    *n = 0;

    for (i = (padded && s[0] == ' '); i < digits; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return 0;
        }

        *n = *n * 10 + (unsigned) (s[i] - '0');
    }

    return 1;
}


static int
proctor_time_month(const char *s, unsigned *month)
{
    unsigned i;
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (i = 0; i < 12; i++) {
        if (memcmp(names + (size_t) 3 * i, s, 3) == 0) {
            *month = i + 1;
            return 1;
        }
    }

    return 0;
}


/* of two digits: the latest that is not over 50 years ahead */

static unsigned
proctor_time_century(unsigned year, int64_t now)
{
    int64_t this_year;

    this_year = 1970 + now / 31556952;
    year += (unsigned) (this_year / 100) * 100 + 100;

    while (year > this_year + 50) {
        year -= 100;
    }

    return year;
}
