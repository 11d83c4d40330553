/*
 * The formats of RFC 3339: date-time, date, time, duration.
 *
 * Exact about what the grammar alone does not say: days of each month, leap
 * years, and that a leap second is 23:59:60 in UTC.
 */

#include "proctor_format.h"


static int proctor_format_digits(const char *p, int n);
static int proctor_format_duration_part(
    const char **p, const char *last, const char *units);


int
proctor_format_date_time(const char *s, size_t len)
{
    return len > 11 && (s[10] | 0x20) == 't' && proctor_format_date(s, 10)
           && proctor_format_time(s + 11, len - 11);
}


int
proctor_format_date(const char *s, size_t len)
{
    int year, month, day, leap;
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
        31 };

    if (len != 10 || s[4] != '-' || s[7] != '-') {
        return 0;
    }

    year = proctor_format_digits(s, 4);
    month = proctor_format_digits(s + 5, 2);
    day = proctor_format_digits(s + 8, 2);

    if (year < 0 || month < 1 || month > 12 || day < 1) {
        return 0;
    }

    leap =
        month == 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0);

    return day <= days[month - 1] + leap;
}


int
proctor_format_time(const char *s, size_t len)
{
    int hour, minute, second, sign, zone_hour, zone_minute, utc;
    const char *p, *last;

    last = s + len;

    if (len < 9 || s[2] != ':' || s[5] != ':') {
        return 0;
    }

    hour = proctor_format_digits(s, 2);
    minute = proctor_format_digits(s + 3, 2);
    second = proctor_format_digits(s + 6, 2);
    p = s + 8;

    if (*p == '.') {
        for (p++; p < last && *p >= '0' && *p <= '9'; p++) {
            /* void */
        }

        if (p[-1] == '.') {
            return 0;
        }
    }

    zone_hour = 0;
    zone_minute = 0;
    sign = 1;

    if (last - p == 6 && (*p == '+' || *p == '-') && p[3] == ':') {
        sign = (*p == '-') ? -1 : 1;
        zone_hour = proctor_format_digits(p + 1, 2);
        zone_minute = proctor_format_digits(p + 4, 2);

    } else if (last - p != 1 || (*p | 0x20) != 'z') {
        return 0;
    }

    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0
        || second > 60 || zone_hour < 0 || zone_hour > 23 || zone_minute < 0
        || zone_minute > 59) {
        return 0;
    }

    utc = hour * 60 + minute - sign * (zone_hour * 60 + zone_minute);

    return second < 60 || (utc + 1440) % 1440 == 1439;
}


/* the number, or -1 */
static int
proctor_format_digits(const char *p, int n)
{
    int value;

    for (value = 0; n > 0; n--, p++) {
        if (*p < '0' || *p > '9') {
            return -1;
        }

        value = value * 10 + (*p - '0');
    }

    return value;
}


/* appendix A: units without gaps, weeks alone */
int
proctor_format_duration(const char *s, size_t len)
{
    int date, time;
    const char *p, *last;

    p = s;
    last = s + len;

    if (len < 3 || *p++ != 'P') {
        return 0;
    }

    if (last[-1] == 'W') {
        return proctor_format_duration_part(&p, last, "W") == 1 && p == last;
    }

    date = proctor_format_duration_part(&p, last, "YMD");

    if (p == last) {
        return date > 0;
    }

    if (date < 0 || *p++ != 'T') {
        return 0;
    }

    time = proctor_format_duration_part(&p, last, "HMS");

    return time > 0 && p == last;
}


/* how many units were there, each number before its own; -1: a bad sequence */
static int
proctor_format_duration_part(
    const char **p, const char *last, const char *units)
{
    int count;
    const char *d;

    for (count = 0; *p < last && **p >= '0' && **p <= '9'; count++) {
        for (d = *p; d < last && *d >= '0' && *d <= '9'; d++) {
            /* void */
        }

        /* the first may be any unit, then one follows the other */

        while (count == 0 && d < last && *units != '\0' && *units != *d) {
            units++;
        }

        if (d == last || *units == '\0' || *units != *d) {
            return -1;
        }

        units++;
        *p = d + 1;
    }

    return count;
}
