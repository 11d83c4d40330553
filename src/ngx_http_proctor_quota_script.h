/*
 * What the scripts of quotas and budgets share: Redis's clock, and where the
 * slices of a window begin.  proctor_quota.c does the same in C; whoever
 * changes one changes the other.  `per` is a length in seconds, "day" or
 * "month"; `slices` says how many count, and the number of the one of now.
 */

#ifndef NGX_HTTP_PROCTOR_QUOTA_SCRIPT_H_INCLUDED
#define NGX_HTTP_PROCTOR_QUOTA_SCRIPT_H_INCLUDED


#define NGX_HTTP_PROCTOR_QUOTA_TIME                                            \
    "local t = redis.call('TIME')\n"                                           \
    "local now = t[1] * 1000 + (t[2] - t[2] % 1000) / 1000\n"                  \
    "\n"

#define NGX_HTTP_PROCTOR_QUOTA_CALENDAR                                        \
    "local floor, DAY = math.floor, 86400000\n"                                \
    "\n"                                                                       \
    "local function month(day)\n"                                              \
    "  local z = day + 719468\n"                                               \
    "  local era, of = floor(z / 146097), z % 146097\n"                        \
    "  local year = floor((of - floor(of / 1460) + floor(of / 36524)\n"        \
    "    - floor(of / 146096)) / 365)\n"                                       \
    "  of = of - (365 * year + floor(year / 4) - floor(year / 100))\n"         \
    "  return (era * 400 + year) * 12 + floor((5 * of + 2) / 153) + 2\n"       \
    "end\n"                                                                    \
    "\n"                                                                       \
    "local function month_start(m)\n"                                          \
    "  local y, march = floor((m - 2) / 12), (m - 2) % 12\n"                   \
    "  return 365 * y + floor(y / 4) - floor(y / 100) + floor(y / 400)\n"      \
    "    + floor((153 * march + 2) / 5) - 719468\n"                            \
    "end\n"                                                                    \
    "\n"                                                                       \
    "local function slices(per)\n"                                             \
    "  if per == 'day' then return 1, floor(now / DAY) end\n"                  \
    "  if per == 'month' then return 1, month(floor(now / DAY)) end\n"         \
    "  return 51, floor(now / (per * 20))\n"                                   \
    "end\n"                                                                    \
    "\n"                                                                       \
    "local function starts(per, slice)\n"                                      \
    "  if per == 'day' then return slice * DAY end\n"                          \
    "  if per == 'month' then return month_start(slice) * DAY end\n"           \
    "  return slice * per * 20\n"                                              \
    "end\n"                                                                    \
    "\n"

#endif /* NGX_HTTP_PROCTOR_QUOTA_SCRIPT_H_INCLUDED */
