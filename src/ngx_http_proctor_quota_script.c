/*
 * The scripts by which Redis counts a team's calls.
 *
 * A window is a counter that only grows, and a string of its value at the
 * beginning of each slice, so that what is used is the one less the oldest of
 * the others.  Counting is INCR, which needs no script: whoever knows the
 * oldest value, and until when the slice lasts, adds one and sees whether there
 * was room.  All else is done here: slices are turned over, room is found for
 * several quotas at once, and what was added in vain is taken back.
 *
 *     counter    "1795324352329003"
 *     slices     from till base first [slice value]...       doubles
 *     reserved   a sorted set: an id each, by the time it was made
 *
 * `from` and `till` are the times between which the latest slice is the latest,
 * `base` the oldest value, `first` when the first call of all leaves.  While
 * the slice lasts nothing else has to be read.
 *
 * A counter begins at the microseconds of Redis's clock, so that no value of an
 * earlier one ever comes again, and who remembers such finds no room.  Who added
 * in vain takes back one, once: others who did so before have made the counter
 * smaller than the value that it saw.  Whatever else stands under a key is
 * replaced.  Every key is written with its time to live;
 * the counter's is longer, lest an increment that was long under way makes it
 * anew.
 *
 * A script names its own keys only, and all of one call carry one hash tag.
 */

#include "ngx_http_proctor_quota.h"
#include "ngx_http_proctor_quota_script.h"


#define NGX_HTTP_PROCTOR_QUOTA_WINDOW                                          \
    "local function ends(w, slice) return starts(w.per, slice + w.n) end\n"    \
    "\n"                                                                       \
    "local function read(w, c, row)\n"                                         \
    "  local m = (#row - 32) / 16\n"                                           \
    "  if not (c and m >= 1 and m <= w.n and m % 1 == 0) then return end\n"    \
    "  local old = { struct.unpack('>' .. ('d'):rep(2 * m), row, 33) }\n"      \
    "  local last = old[2 * m - 1]\n"                                          \
    "  c = tonumber(c)\n"                                                      \
    "  for j = 2, 2 * m do\n"                                                  \
    "    if not (old[j] >= (old[j - 2] or 0)) then return end\n"               \
    "  end\n"                                                                  \
    "  if c < old[2 * m] or c > old[2 * m] + 4e9 then return end\n"            \
    "  w.c = c\n"                                                              \
    "  if last <= w.slice - w.n or last >= w.slice + w.n then return end\n"    \
    "  if last > w.slice then w.slice = last end\n"                            \
    "  for j = 1, 2 * m, 2 do\n"                                               \
    "    if old[j] > w.slice - w.n then\n"                                     \
    "      w[#w + 1] = { old[j], old[j + 1] }\n"                               \
    "    end\n"                                                                \
    "  end\n"                                                                  \
    "end\n"                                                                    \
    "\n"                                                                       \
    "local function load(k, per)\n"                                            \
    "  local w = { key = KEYS[k], row = KEYS[k + 1], per = per }\n"            \
    "  local c = redis.pcall('GET', w.key)\n"                                  \
    "  local row = redis.pcall('GET', w.row)\n"                                \
    "  w.n, w.slice = slices(per)\n"                                           \
    "  if type(c) == 'string' and type(row) == 'string' then\n"                \
    "    read(w, c:match('^%d+$'), row)\n"                                     \
    "  end\n"                                                                  \
    "  w.c = w.c or now * 1000\n"                                              \
    "  if not w[1] or w[#w][1] < w.slice then\n"                               \
    "    w[#w + 1] = { w.slice, w.c }\n"                                       \
    "  end\n"                                                                  \
    "  return w\n"                                                             \
    "end\n"                                                                    \
    "\n"                                                                       \
    "local function used(w) return w.c - w[1][2] end\n"                        \
    "\n"                                                                       \
    "local function drop(w, c)\n"                                              \
    "  if c > w.c + 1e6 then return end\n"                                     \
    "  c = math.min(c, w.c)\n"                                                 \
    "  if c <= w[1][2] then return end\n"                                      \
    "  w.c = w.c - 1\n"                                                        \
    "  for j = #w, 1, -1 do\n"                                                 \
    "    if w[j][2] < c then return end\n"                                     \
    "    w[j][2] = w[j][2] - 1\n"                                              \
    "  end\n"                                                                  \
    "end\n"                                                                    \
    "\n"                                                                       \
    "local function leaves(w, n)\n"                                            \
    "  for j = 1, #w - 1 do\n"                                                 \
    "    local left = w[j + 1][2] - w[1][2]\n"                                 \
    "    if left >= n and left > 0 then return ends(w, w[j][1]) end\n"         \
    "  end\n"                                                                  \
    "  return ends(w, w.slice)\n"                                              \
    "end\n"                                                                    \
    "\n"                                                                       \
    "local function save(w)\n"                                                 \
    "  local from, life = starts(w.per, w.slice), ends(w, w.slice) - now\n"    \
    "  local till = starts(w.per, w.slice + 1)\n"                              \
    "  local first = leaves(w, 1)\n"                                           \
    "  local row = struct.pack('>dddd', from, till, w[1][2], first)\n"         \
    "  local all = { row }\n"                                                  \
    "  for j = 1, #w do all[j + 1] = struct.pack('>dd', unpack(w[j])) end\n"   \
    "  life = math.max(1, life)\n"                                             \
    "  redis.call('SET', w.row, table.concat(all), 'PX', life)\n"              \
    "  row = ('%.0f'):format(w.c)\n"                                           \
    "  redis.call('SET', w.key, row, 'PX', life + 600000)\n"                   \
    "end\n"                                                                    \
    "\n"


/*
 * KEYS: for each quota counter, slices, and where it reserves, reserved.
 * ARGV: the id of a reservation, or nothing when none reserves; then for each
 * limit, per, "held" where it reserves, else the value that an INCR gave which
 * is to be taken back first, or 0.
 * Returns the wait (0: taken), and for each quota what is left, when there is
 * more, the oldest value, and how long the slice lasts.
 */

const proctor_str_t ngx_http_proctor_quota_script_take =
    proctor_str(NGX_HTTP_PROCTOR_QUOTA_TIME
        "local v = redis.call('MGET', unpack(KEYS))\n"
        "\n"
        "if ARGV[1] == '' then\n"
        "  local out, k, wait = {}, 1, 0\n"
        "  for i = 2, #ARGV, 3 do\n"
        "    local c, row, used, left = v[k], v[k + 1], -1, 0\n"
        "    local from, till, base, first\n"
        "    if c and row and #row > 32 and ARGV[i + 2] == '0' then\n"
        "      from, till, base, first = struct.unpack('>dddd', row)\n"
        "      if from <= now and now < till and c:find('^%d+$') then\n"
        "        used, left = c - base, ARGV[i] - c + base\n"
        "      end\n"
        "    end\n"
        "    if not (used >= 0 and left >= 0) then\n"
        "      wait = -1\n"
        "      break\n"
        "    end\n"
        "    if left == 0 then wait = math.max(wait, first - now) end\n"
        "    out[k * 2], out[k * 2 + 1] = left, first - now\n"
        "    out[k * 2 + 2], out[k * 2 + 3] = base, till - now\n"
        "    k = k + 2\n"
        "  end\n"
        "  if wait == 0 then\n"
        "    for i = 1, #KEYS, 2 do\n"
        "      redis.call('INCR', KEYS[i])\n"
        "      out[i * 2] = out[i * 2] - 1\n"
        "    end\n"
        "  end\n"
        "  if wait >= 0 then\n"
        "    out[1] = wait\n"
        "    return out\n"
        "  end\n"
        "end\n"
        "\n" NGX_HTTP_PROCTOR_QUOTA_CALENDAR NGX_HTTP_PROCTOR_QUOTA_WINDOW
        "local function held(key)\n"
        "  local n = redis.pcall('ZCOUNT', key, now - 600000, '+inf')\n"
        "  if type(n) == 'number' then return n end\n"
        "  redis.call('DEL', key)\n"
        "  return 0\n"
        "end\n"
        "\n"
        "local rows, wait, k = {}, 0, 1\n"
        "for i = 2, #ARGV, 3 do\n"
        "  local limit, reserved = tonumber(ARGV[i]), 0\n"
        "  local w = load(k, ARGV[i + 1])\n"
        "  k = k + 2\n"
        "  if ARGV[i + 2] == 'held' then\n"
        "    w.held, k = KEYS[k], k + 1\n"
        "    reserved = held(w.held)\n"
        "  else\n"
        "    drop(w, tonumber(ARGV[i + 2]))\n"
        "  end\n"
        "  w.left = limit - used(w) - reserved\n"
        "  if w.left <= 0 then\n"
        "    local ms, need = 1000, used(w) - limit + 1\n"
        "    if need > 0 then ms = leaves(w, need) - now end\n"
        "    wait = math.max(wait, ms, 1)\n"
        "  end\n"
        "  rows[#rows + 1] = w\n"
        "end\n"
        "local out = { wait }\n"
        "for _, w in ipairs(rows) do\n"
        "  if wait == 0 then\n"
        "    w.left = w.left - 1\n"
        "    if w.held then\n"
        "      redis.call('ZADD', w.held, now, ARGV[1])\n"
        "      redis.call('ZREMRANGEBYSCORE', w.held, '-inf', now - 600000)\n"
        "      redis.call('PEXPIRE', w.held, 600000)\n"
        "    else\n"
        "      w.c = w.c + 1\n"
        "    end\n"
        "  end\n"
        "  save(w)\n"
        "  out[#out + 1] = math.max(0, w.left)\n"
        "  out[#out + 1] = math.max(1, leaves(w, 1) - now)\n"
        "  out[#out + 1] = w[1][2]\n"
        "  out[#out + 1] = math.max(0, starts(w.per, w.slice + 1) - now)\n"
        "end\n"
        "return out\n");


/*
 * KEYS: as above.
 * ARGV: the id, 1 when accepted; then for each per, and "held" or the value.
 * A reservation ends once, however often it is told to.
 */

const proctor_str_t ngx_http_proctor_quota_script_settle =
    proctor_str(NGX_HTTP_PROCTOR_QUOTA_TIME NGX_HTTP_PROCTOR_QUOTA_CALENDAR
            NGX_HTTP_PROCTOR_QUOTA_WINDOW
        "local k = 1\n"
        "for i = 3, #ARGV, 2 do\n"
        "  if ARGV[i + 1] ~= 'held' then\n"
        "    local w = load(k, ARGV[i])\n"
        "    drop(w, tonumber(ARGV[i + 1]))\n"
        "    save(w)\n"
        "    k = k + 2\n"
        "  else\n"
        "    local open = redis.pcall('ZREM', KEYS[k + 2], ARGV[1])\n"
        "    if open == 1 and ARGV[2] == '1' then\n"
        "      local w = load(k, ARGV[i])\n"
        "      w.c = w.c + 1\n"
        "      save(w)\n"
        "    end\n"
        "    k = k + 3\n"
        "  end\n"
        "end\n"
        "return 1\n");
