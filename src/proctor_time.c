/*
 * Points in time as text: RFC 3339 in UTC, the only form that keys' expiry
 * dates and audit records have.
 *
 * Written by hand: the record of every request needs one, gmtime() and
 * strftime() cost more than the rest of it, and the locale has no say.  The
 * calendar is counted in eras of 400 years that begin on 1 March, so that the
 * leap day is the last of its year.
 */

#include <string.h>

#include "proctor_base.h"


#define PROCTOR_DAY      86400
#define PROCTOR_ERA_DAYS 146097
#define PROCTOR_EPOCH    719468 /* days from 0000-03-01 to 1970-01-01 */


static int64_t proctor_time_days(unsigned year, unsigned month, unsigned day);
static int proctor_time_digits(const char *s, unsigned count, unsigned *value);
static int proctor_time_tail(const char *s, size_t len);
static inline char *proctor_time_two(char *dst, unsigned value);


int
proctor_time_parse(const char *s, size_t len, int64_t *seconds)
{
    unsigned parts[6];

    if (len < sizeof("2027-01-01T00:00:00Z") - 1 || s[4] != '-' || s[7] != '-'
        || (s[10] | 0x20) != 't' || s[13] != ':' || s[16] != ':') {
        return PROCTOR_INVALID;
    }

    if (!proctor_time_digits(s, 4, &parts[0])
        || !proctor_time_digits(s + 5, 2, &parts[1])
        || !proctor_time_digits(s + 8, 2, &parts[2])
        || !proctor_time_digits(s + 11, 2, &parts[3])
        || !proctor_time_digits(s + 14, 2, &parts[4])
        || !proctor_time_digits(s + 17, 2, &parts[5])
        || !proctor_time_tail(s + 19, len - 19)) {
        return PROCTOR_INVALID;
    }

    return proctor_time_utc(parts, seconds);
}


int
proctor_time_utc(const unsigned parts[6], int64_t *seconds)
{
    unsigned year, month, day;
    static const unsigned char days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30,
        31, 30, 31 };

    year = parts[0];
    month = parts[1];
    day = parts[2];

    if (year > 9999 || month == 0 || month > 12 || day == 0
        || day > days[month - 1] || parts[3] > 23 || parts[4] > 59
        || parts[5] > 59) {
        return PROCTOR_INVALID;
    }

    if (month == 2 && day == 29
        && (year % 4 != 0 || (year % 100 == 0 && year % 400 != 0))) {
        return PROCTOR_INVALID;
    }

    *seconds = proctor_time_days(year, month, day) * PROCTOR_DAY
               + (int64_t) parts[3] * 3600 + (int64_t) parts[4] * 60 + parts[5];

    return PROCTOR_OK;
}


static int
proctor_time_digits(const char *s, unsigned count, unsigned *value)
{
    unsigned i;

    *value = 0;

    for (i = 0; i < count; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return 0;
        }

        *value = *value * 10 + (unsigned) (s[i] - '0');
    }

    return 1;
}


/* "Z", or a fraction and "Z" */

static int
proctor_time_tail(const char *s, size_t len)
{
    size_t i;

    i = 0;

    if (s[0] == '.') {
        for (i = 1; i < len && s[i] >= '0' && s[i] <= '9'; i++) { /* void */
        }

        if (i == 1) {
            return 0;
        }
    }

    return i + 1 == len && (s[i] | 0x20) == 'z';
}


static int64_t
proctor_time_days(unsigned year, unsigned month, unsigned day)
{
    unsigned y, era, of_era, of_year;

    /* year 0 is moved one era up, so that nothing is negative */
    y = year + 400 - (month <= 2);
    era = y / 400;
    y %= 400;
    of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    of_era = y * 365 + y / 4 - y / 100 + of_year;

    return ((int64_t) era - 1) * PROCTOR_ERA_DAYS + of_era - PROCTOR_EPOCH;
}


char *
proctor_time_format(char *dst, int64_t us)
{
    int64_t days, seconds;
    unsigned era, of_era, of_year, y, m, rest;

    if (us < 0) {
        us = 0;
    }

    seconds = us / 1000000;
    days = seconds / PROCTOR_DAY + PROCTOR_EPOCH;
    rest = (unsigned) (seconds % PROCTOR_DAY);

    era = (unsigned) (days / PROCTOR_ERA_DAYS);
    of_era = (unsigned) (days % PROCTOR_ERA_DAYS);
    y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    of_year = of_era - (365 * y + y / 4 - y / 100);
    m = (5 * of_year + 2) / 153;
    y += era * 400 + (m >= 10);

    dst = proctor_time_two(dst, y / 100 % 100);
    dst = proctor_time_two(dst, y % 100);
    *dst++ = '-';
    dst = proctor_time_two(dst, m < 10 ? m + 3 : m - 9);
    *dst++ = '-';
    dst = proctor_time_two(dst, of_year - (153 * m + 2) / 5 + 1);
    *dst++ = 'T';
    dst = proctor_time_two(dst, rest / 3600);
    *dst++ = ':';
    dst = proctor_time_two(dst, rest / 60 % 60);
    *dst++ = ':';
    dst = proctor_time_two(dst, rest % 60);
    *dst++ = '.';

    rest = (unsigned) (us % 1000000);

    dst = proctor_time_two(dst, rest / 10000);
    dst = proctor_time_two(dst, rest / 100 % 100);
    dst = proctor_time_two(dst, rest % 100);
    *dst++ = 'Z';

    return dst;
}


/* two digits at once: half the divisions, and no loop */

static inline char *
proctor_time_two(char *dst, unsigned value)
{
    unsigned tens;

    tens = value / 10;
    dst[0] = (char) ('0' + tens);
    dst[1] = (char) ('0' + (value - tens * 10));

    return dst + 2;
}
