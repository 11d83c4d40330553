/*
 * The scripts that keep the cache honest.  Each is atomic, and all of its keys
 * are one account's: one slot of a cluster.
 *
 * A group has a generation, which is random and never used twice, and while
 * writes of it are under way a mark: a list of who writes and until when that
 * is believed,
 *
 *     proctor:{account}:gen:<group>     "9f86d081884c7d65"
 *     proctor:{account}:mark:<group>    "2f1c...:1767225600000 77ab...:..."
 *
 * A value of another type than ours is somebody's mistake: it is replaced.
 */

#include "ngx_http_proctor_cache.h"
#include <openssl/rand.h>


/* a mark's list without some writers (all of one width, apart) and without
   those whose time is over */

#define NGX_HTTP_PROCTOR_CACHE_MARK                                            \
    "local t = redis.call('TIME')\n"                                           \
    "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"                      \
    "local function mark(key, id)\n"                                           \
    "  local text, kept, found = redis.pcall('GET', key), {}, false\n"         \
    "  if type(text) ~= 'string' then text = '' end\n"                         \
    "  for who, till in string.gmatch(text, '(%x+):(%d+)') do\n"               \
    "    if string.find(id, who, 1, true) then found = true\n"                 \
    "    elseif tonumber(till) > now then\n"                                   \
    "      kept[#kept + 1] = who .. ':' .. till\n"                             \
    "    end\n"                                                                \
    "  end\n"                                                                  \
    "  return kept, found\n"                                                   \
    "end\n"


/*
 * KEYS: gen and mark of each group.  ARGV: the new generation, its ms to live,
 * the writer, ms until it is given up.
 */

const proctor_str_t ngx_http_proctor_cache_script_begin =
    proctor_str(NGX_HTTP_PROCTOR_CACHE_MARK
        "for i = 1, #KEYS, 2 do\n"
        "  redis.call('SET', KEYS[i], ARGV[1], 'PX', ARGV[2])\n"
        "  local kept = mark(KEYS[i + 1], ARGV[3])\n"
        "  kept[#kept + 1] = ARGV[3] .. ':'\n"
        "    .. string.format('%.0f', now + ARGV[4])\n"
        "  redis.call('SET', KEYS[i + 1], table.concat(kept, ' '),\n"
        "    'PX', ARGV[4])\n"
        "end\n"
        "return 1\n");


/*
 * KEYS: gen and mark of each group, then gens of groups that were never marked.
 * ARGV: as begin's first three, then how many groups were marked.  A mark that
 * was lost meanwhile, or never made, could not keep anybody from storing.
 */

const proctor_str_t ngx_http_proctor_cache_script_end =
    proctor_str(NGX_HTTP_PROCTOR_CACHE_MARK
        "for i = 1, 2 * ARGV[4], 2 do\n"
        "  local kept, found = mark(KEYS[i + 1], ARGV[3])\n"
        "  if not found then\n"
        "    redis.call('SET', KEYS[i], ARGV[1], 'PX', ARGV[2])\n"
        "  end\n"
        "  if #kept == 0 then\n"
        "    redis.call('DEL', KEYS[i + 1])\n"
        "  elseif found then\n"
        "    redis.call('SET', KEYS[i + 1], table.concat(kept, ' '),\n"
        "      'KEEPTTL')\n"
        "  end\n"
        "end\n"
        "for i = 2 * ARGV[4] + 1, #KEYS do\n"
        "  redis.call('SET', KEYS[i], ARGV[1], 'PX', ARGV[2])\n"
        "end\n"
        "return 1\n");


/*
 * KEYS: the entry, then gen and mark of each group.  ARGV: the entry, its ms to
 * live, a generation's, then for each group the generation inside the entry and
 * whether its reader had seen it (1) or had found none (0).  1: stored.
 */

const proctor_str_t ngx_http_proctor_cache_script_fill =
    proctor_str("local made = {}\n"
                "for i = 2, #KEYS, 2 do\n"
                "  if redis.call('EXISTS', KEYS[i + 1]) == 1 then\n"
                "    return 0\n"
                "  end\n"
                "  local gen = redis.pcall('GET', KEYS[i])\n"
                "  if type(gen) ~= 'string' then\n"
                "    if ARGV[i + 3] == '1' then return 0 end\n"
                "    made[#made + 1] = i\n"
                "  elseif gen ~= ARGV[i + 2] then return 0 end\n"
                "end\n"
                "for _, i in ipairs(made) do\n"
                "  redis.call('SET', KEYS[i], ARGV[i + 2], 'PX', ARGV[3])\n"
                "end\n"
                "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\n"
                "return 1\n");


ngx_int_t
ngx_http_proctor_cache_change(ngx_http_proctor_cache_change_t *change,
    const ngx_http_proctor_cache_groups_t *groups, const proctor_str_t *writers,
    const proctor_str_t *places, ngx_uint_t nplaces)
{
    ngx_uint_t i;

    change->argc = 0;
    change->last = change->text;

    if (ngx_http_proctor_cache_random(change->gen) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_proctor_cache_change_number(
        change, (int64_t) (2 * groups->n + nplaces));

    for (i = 0; i < groups->n; i++) {
        change->argv[change->argc++] = groups->list[i].gen;
        change->argv[change->argc++] = groups->list[i].mark;
    }

    for (i = 0; i < nplaces; i++) {
        change->argv[change->argc++] = places[i];
    }

    change->argv[change->argc].data = change->gen;
    change->argv[change->argc++].len = PROCTOR_CACHE_GEN_LEN;

    ngx_http_proctor_cache_change_number(
        change, NGX_HTTP_PROCTOR_CACHE_GEN_TTL);

    change->argv[change->argc++] = *writers;

    return NGX_OK;
}


void
ngx_http_proctor_cache_change_number(
    ngx_http_proctor_cache_change_t *change, int64_t n)
{
    proctor_str_t *arg = &change->argv[change->argc++];

    arg->data = (char *) change->last;
    change->last = ngx_sprintf(change->last, "%L", n);
    arg->len = (size_t) ((char *) change->last - arg->data);
}


ngx_int_t
ngx_http_proctor_cache_random(char *text)
{
    u_char bytes[PROCTOR_CACHE_GEN_LEN / 2];

    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return NGX_ERROR;
    }

    (void) ngx_hex_dump((u_char *) text, bytes, sizeof(bytes));

    return NGX_OK;
}
