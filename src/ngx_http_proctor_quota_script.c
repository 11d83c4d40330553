/*
 * The scripts by which Redis counts as proctor_quota.c and proctor_budget.c
 * do; whoever changes one changes the other.
 *
 * Redis's clock decides.  A window is one string: the number of its latest
 * slice (a double) and the count of each, big-endian.  Whatever else stands
 * under its key is replaced.  Every key is written with its time to live.
 * `per` is a length in seconds, "day" or "month".
 *
 * A script names its own keys only, and all of one call carry one hash tag.
 */

#include "ngx_http_proctor_quota.h"


#define NGX_HTTP_PROCTOR_QUOTA_PRELUDE                                         \
    "local t = redis.call('TIME')\n"                                           \
    "local floor, now = math.floor, t[1] * 1000 + math.floor(t[2] / 1000)\n"   \
    "local DAY, PARTS = 86400000, 50\n"                                        \
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
    "local function ends(w, slice)\n"                                          \
    "  if w.per == 'day' then return (slice + 1) * DAY end\n"                  \
    "  if w.per == 'month' then return month_start(slice + 1) * DAY end\n"     \
    "  return (slice + w.n) * w.per * 1000 / PARTS\n"                          \
    "end\n"                                                                    \
    "\n"                                                                       \
    "local function window(per)\n"                                             \
    "  if per == 'day' then\n"                                                 \
    "    return { per = per, n = 1, slice = floor(now / DAY), total = 0 }\n"   \
    "  elseif per == 'month' then\n"                                           \
    "    return { per = per, n = 1, slice = month(floor(now / DAY)),\n"        \
    "      total = 0 }\n"                                                      \
    "  end\n"                                                                  \
    "  return { per = per, n = PARTS + 1, total = 0,\n"                        \
    "    slice = floor(now / (per * 1000 / PARTS)) }\n"                        \
    "end\n"                                                                    \
    "\n"                                                                       \
    "local function parse(w, v)\n"                                             \
    "  local n, now_in, old = w.n, w.slice, nil\n"                             \
    "  if type(v) == 'string' and #v == 8 + 4 * n then\n"                      \
    "    old = { struct.unpack('>d' .. string.rep('I4', n), v) }\n"            \
    "    local s = old[1]\n"                                                   \
    "    if not (s > now_in - n and s < now_in + n) then\n"                    \
    "      old = nil\n"                                                        \
    "    elseif s > now_in then\n"                                             \
    "      w.slice = s\n"                                                      \
    "    end\n"                                                                \
    "  end\n"                                                                  \
    "  for s = w.slice - n + 1, w.slice do\n"                                  \
    "    local c = 0\n"                                                        \
    "    if old and s <= old[1] then c = old[2 + s % n] end\n"                 \
    "    w[s % n + 1] = c\n"                                                   \
    "    w.total = w.total + c\n"                                              \
    "  end\n"                                                                  \
    "  return w\n"                                                             \
    "end\n"                                                                    \
    "\n"                                                                       \
    "local function load(key, per)\n"                                          \
    "  local w = parse(window(per), redis.pcall('GET', key))\n"                \
    "  w.key = key\n"                                                          \
    "  return w\n"                                                             \
    "end\n"                                                                    \
    "\n"                                                                       \
    "local function add(w)\n"                                                  \
    "  local i = w.slice % w.n + 1\n"                                          \
    "  w[i], w.total = w[i] + 1, w.total + 1\n"                                \
    "end\n"                                                                    \
    "\n"                                                                       \
    "local function pack(w)\n"                                                 \
    "  return struct.pack('>d' .. string.rep('I4', w.n), w.slice,\n"           \
    "    unpack(w, 1, w.n))\n"                                                 \
    "end\n"                                                                    \
    "\n"                                                                       \
    "local function life(w)\n"                                                 \
    "  return math.max(1, floor(ends(w, w.slice) - now))\n"                    \
    "end\n"                                                                    \
    "\n"                                                                       \
    "local function save(w)\n"                                                 \
    "  redis.call('SET', w.key, pack(w), 'PX', life(w))\n"                     \
    "end\n"                                                                    \
    "\n"                                                                       \
    "local function wait(w, leave)\n"                                          \
    "  local left, slice = 0, w.slice - w.n + 1\n"                             \
    "  while slice < w.slice do\n"                                             \
    "    left = left + w[slice % w.n + 1]\n"                                   \
    "    if left >= leave and left > 0 then break end\n"                       \
    "    slice = slice + 1\n"                                                  \
    "  end\n"                                                                  \
    "  return math.max(1, ends(w, slice) - now)\n"                             \
    "end\n"                                                                    \
    "\n"


/*
 * KEYS: for each quota its window, and its reservations where it has any.
 * ARGV: the reservations' length; then for each limit, per, 1 when reserved.
 * Returns the wait (0: taken), and for each quota what is left, when there is
 * more, and the slice of the reservation.
 */

const proctor_str_t ngx_http_proctor_quota_script_take =
    proctor_str(NGX_HTTP_PROCTOR_QUOTA_PRELUDE
        "local rows, longest, k = {}, 0, 1\n"
        "for i = 2, #ARGV, 3 do\n"
        "  local limit = tonumber(ARGV[i])\n"
        "  local row = { limit = limit, w = load(KEYS[k], ARGV[i + 1]) }\n"
        "  local used = row.w.total\n"
        "  k = k + 1\n"
        "  if ARGV[i + 2] == '1' then\n"
        "    row.held = load(KEYS[k], ARGV[1])\n"
        "    used = used + row.held.total\n"
        "    k = k + 1\n"
        "  end\n"
        "  if used >= limit then\n"
        "    local ms = 1000\n"
        "    if row.w.total >= limit then\n"
        "      ms = wait(row.w, row.w.total - limit + 1)\n"
        "    end\n"
        "    longest = math.max(longest, ms)\n"
        "  end\n"
        "  rows[#rows + 1] = row\n"
        "end\n"
        "local out = { longest }\n"
        "for _, row in ipairs(rows) do\n"
        "  local held, slice = 0, 0\n"
        "  if longest == 0 then\n"
        "    local w = row.held or row.w\n"
        "    add(w)\n"
        "    save(w)\n"
        "  end\n"
        "  if row.held then\n"
        "    held, slice = row.held.total, row.held.slice\n"
        "  end\n"
        "  out[#out + 1] = math.max(0, row.limit - row.w.total - held)\n"
        "  out[#out + 1] = wait(row.w, 1)\n"
        "  out[#out + 1] = slice\n"
        "end\n"
        "return out\n");


/*
 * KEYS: for each reservation its quota's window, and the reservations.
 * ARGV: the reservations' length, 1 when accepted; then for each per, slice.
 */

const proctor_str_t ngx_http_proctor_quota_script_settle =
    proctor_str(NGX_HTTP_PROCTOR_QUOTA_PRELUDE
        "local k = 1\n"
        "for i = 3, #ARGV, 2 do\n"
        "  local held, slice = load(KEYS[k + 1], ARGV[1]), ARGV[i + 1] + 0\n"
        "  local j = slice % held.n + 1\n"
        "  if slice <= held.slice and slice > held.slice - held.n\n"
        "      and held[j] > 0 then\n"
        "    held[j] = held[j] - 1\n"
        "    save(held)\n"
        "  end\n"
        "  if ARGV[2] == '1' then\n"
        "    local w = load(KEYS[k], ARGV[i])\n"
        "    add(w)\n"
        "    save(w)\n"
        "  end\n"
        "  k = k + 2\n"
        "end\n"
        "return 1\n");


/*
 * KEYS: the valve; then for each limit its window, and the teams' shares: a
 * hash of what each asked for and had, two windows in one string.
 * ARGV: the team; then for each limit, per.
 * Returns 1 when the valve is shut, and the wait (0: taken).
 */

const proctor_str_t ngx_http_proctor_quota_script_budget =
    proctor_str(NGX_HTTP_PROCTOR_QUOTA_PRELUDE
        "local shut = redis.call('PTTL', KEYS[1])\n"
        "if shut > 0 then return { 1, shut } end\n"
        "local rows, longest, k = {}, 0, 2\n"
        "for i = 2, #ARGV, 2 do\n"
        "  local limit, per = tonumber(ARGV[i]), ARGV[i + 1]\n"
        "  local row = { w = load(KEYS[k], per), shares = KEYS[k + 1] }\n"
        "  local all = redis.pcall('HGETALL', row.shares)\n"
        "  local teams, asking, kept = {}, 0, 0\n"
        "  if all.err then\n"
        "    redis.call('DEL', row.shares)\n"
        "    all = {}\n"
        "  end\n"
        "  for j = 1, #all, 2 do\n"
        "    local v, half = all[j + 1], #all[j + 1] / 2\n"
        "    local asked = parse(window(per), v:sub(1, half))\n"
        "    if asked.total > 0 then\n"
        "      teams[all[j]] = { asked = asked,\n"
        "        had = parse(window(per), v:sub(half + 1)) }\n"
        "    else\n"
        "      redis.call('HDEL', row.shares, all[j])\n"
        "    end\n"
        "  end\n"
        "  local self = teams[ARGV[1]] or { asked = parse(window(per)),\n"
        "    had = parse(window(per)) }\n"
        "  teams[ARGV[1]] = self\n"
        "  add(self.asked)\n"
        "  for _ in pairs(teams) do asking = asking + 1 end\n"
        "  local share, level = 0, floor(limit / asking)\n"
        "  while level > share do\n"
        "    share = level\n"
        "    local rest, more = limit, 0\n"
        "    for _, team in pairs(teams) do\n"
        "      if team.asked.total > share then\n"
        "        more = more + 1\n"
        "      else\n"
        "        rest = rest - team.asked.total\n"
        "      end\n"
        "    end\n"
        "    level = more == 0 and limit or floor(rest / more)\n"
        "  end\n"
        "  share = math.max(1, share)\n"
        "  if self.had.total >= share then\n"
        "    for _, team in pairs(teams) do\n"
        "      local due = math.min(share, team.asked.total)\n"
        "      if team ~= self and team.had.total < due then\n"
        "        kept = kept + due - team.had.total\n"
        "      end\n"
        "    end\n"
        "  end\n"
        "  if row.w.total + kept >= limit then\n"
        "    longest = math.max(longest,\n"
        "      wait(row.w, row.w.total + kept - limit + 1))\n"
        "  end\n"
        "  row.self = self\n"
        "  rows[#rows + 1] = row\n"
        "  k = k + 2\n"
        "end\n"
        "for _, row in ipairs(rows) do\n"
        "  if longest == 0 then\n"
        "    add(row.w)\n"
        "    add(row.self.had)\n"
        "    save(row.w)\n"
        "  end\n"
        "  redis.call('HSET', row.shares, ARGV[1],\n"
        "    pack(row.self.asked) .. pack(row.self.had))\n"
        "  redis.call('PEXPIRE', row.shares, life(row.self.asked))\n"
        "end\n"
        "return { 0, longest }\n");


/* KEYS: the valve.  ARGV: ms.  It is never shortened. */

const proctor_str_t ngx_http_proctor_quota_script_valve =
    proctor_str("if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then\n"
                "  redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])\n"
                "end\n"
                "return 1\n");
