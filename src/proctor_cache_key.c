/*
 * What a stored answer is called, what a group is, and what both are called in
 * Redis.
 *
 * Called for every read that may be cached.  An answer's key is a digest over
 * the account, the contract, the operation, the path, the query and the body,
 * each with its length before it: whatever stands in one of them, it cannot
 * look like another.  Query parameters are sorted by name and decoded, as the
 * upstream decodes them; those of one name keep their order, because readers
 * disagree on which of them counts.
 */

#define OPENSSL_SUPPRESS_DEPRECATED

#include <stdlib.h>
#include <string.h>

#include "proctor_cache.h"
#include "proctor_cache_hash.h"


/* tags of the parts, so that an absent one is none that is empty */

typedef enum {
    PROCTOR_CACHE_TAG_NAME = 0,
    PROCTOR_CACHE_TAG_QUERY,
    PROCTOR_CACHE_TAG_PAIR,
    PROCTOR_CACHE_TAG_BARE, /* a parameter without "=" */
    PROCTOR_CACHE_TAG_BODY
} proctor_cache_tag_e;

typedef struct {
    proctor_str_t name;
    proctor_str_t value; /* data == NULL: there was no "=" */
    size_t order;
} proctor_cache_pair_t;

typedef struct {
    proctor_arena_t *arena;
    proctor_cache_pair_t *pairs;
    size_t npairs;
} proctor_cache_query_t;


static int proctor_cache_query(proctor_cache_hash_t *hash,
    const proctor_cache_call_t *call, proctor_arena_t *arena);
static size_t proctor_cache_query_room(const proctor_cache_call_t *call);
static int proctor_cache_query_pair(
    proctor_cache_query_t *query, const char *p, const char *end);
static int proctor_cache_query_decode(
    proctor_arena_t *arena, const char *p, const char *end, proctor_str_t *out);
static void proctor_cache_query_fallbacks(
    proctor_cache_query_t *query, const proctor_operation_t *operation);
static int proctor_cache_query_excepted(
    const proctor_cache_query_t *query, const proctor_cache_rule_t *rule);
static int proctor_cache_query_has(
    const proctor_cache_query_t *query, const proctor_str_t *name);
static int proctor_cache_query_compare(const void *one, const void *two);
static size_t proctor_cache_group_expand(char *dst,
    const proctor_cache_template_t *template, const proctor_match_t *match);
static char *proctor_cache_hex(char *dst, const unsigned char *bytes);


static const char *const proctor_cache_names[] = {
    [PROCTOR_CACHE_GEN] = "gen:", [PROCTOR_CACHE_MARK] = "mark:"
};


int
proctor_cache_key(const proctor_cache_call_t *call, proctor_arena_t *arena,
    unsigned char key[PROCTOR_SHA256_LEN])
{
    int rc;
    proctor_cache_hash_t hash;
    const proctor_str_t body = { (const char *) call->body,
        PROCTOR_SHA256_LEN };

    if (proctor_cache_hash_init(&hash) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    proctor_cache_hash_part(
        &hash, PROCTOR_CACHE_TAG_NAME, &call->account->name);
    proctor_cache_hash_part(
        &hash, PROCTOR_CACHE_TAG_NAME, &call->account->contract->name);
    proctor_cache_hash_part(
        &hash, PROCTOR_CACHE_TAG_NAME, &call->operation->id);
    proctor_cache_hash_part(&hash, PROCTOR_CACHE_TAG_NAME, &call->path);

    rc = proctor_cache_query(&hash, call, arena);
    if (rc != PROCTOR_OK) {
        return rc;
    }

    if (call->body != NULL) {
        proctor_cache_hash_part(&hash, PROCTOR_CACHE_TAG_BODY, &body);
    }

    return proctor_cache_hash_final(&hash, key);
}


static int
proctor_cache_query(proctor_cache_hash_t *hash,
    const proctor_cache_call_t *call, proctor_arena_t *arena)
{
    int rc;
    size_t i, room;
    const char *p, *end, *amp;
    proctor_cache_query_t query;

    room = proctor_cache_query_room(call);

    if (room == 0) {
        return PROCTOR_OK;
    }

    query.arena = arena;
    query.npairs = 0;
    query.pairs =
        proctor_arena_alloc(arena, room * sizeof(proctor_cache_pair_t));
    if (query.pairs == NULL) {
        return PROCTOR_ERROR;
    }

    end = call->query.data + call->query.len;

    for (p = call->query.data; p < end; p = amp + 1) {
        amp = memchr(p, '&', (size_t) (end - p));
        amp = (amp == NULL) ? end : amp;

        rc = (amp == p) ? PROCTOR_OK : proctor_cache_query_pair(&query, p, amp);
        if (rc != PROCTOR_OK) {
            return rc;
        }
    }

    if (proctor_cache_query_excepted(&query, call->operation->cache)) {
        return PROCTOR_INVALID;
    }

    proctor_cache_query_fallbacks(&query, call->operation);

    qsort(query.pairs, query.npairs, sizeof(proctor_cache_pair_t),
        proctor_cache_query_compare);

    for (i = 0; i < query.npairs; i++) {
        proctor_cache_hash_part(
            hash, PROCTOR_CACHE_TAG_QUERY, &query.pairs[i].name);
        proctor_cache_hash_part(hash,
            query.pairs[i].value.data != NULL ? PROCTOR_CACHE_TAG_PAIR
                                              : PROCTOR_CACHE_TAG_BARE,
            &query.pairs[i].value);
    }

    return PROCTOR_OK;
}


/* as many pairs as there can be, with those that are filled in */

static size_t
proctor_cache_query_room(const proctor_cache_call_t *call)
{
    size_t room;
    unsigned i;
    const char *p, *end;

    room = (call->query.len != 0);
    end = call->query.data + call->query.len;

    for (p = call->query.data; p < end; p++) {
        room += (*p == '&');
    }

    for (i = 0; i < call->operation->nparams; i++) {
        room += (call->operation->params[i].in == PROCTOR_IN_QUERY
                 && call->operation->params[i].fallback.data != NULL);
    }

    return room;
}


static int
proctor_cache_query_pair(
    proctor_cache_query_t *query, const char *p, const char *end)
{
    int rc;
    const char *eq;
    proctor_cache_pair_t *pair;

    pair = &query->pairs[query->npairs];
    pair->order = query->npairs++;
    pair->value.data = NULL;
    pair->value.len = 0;

    eq = memchr(p, '=', (size_t) (end - p));

    rc = proctor_cache_query_decode(
        query->arena, p, eq == NULL ? end : eq, &pair->name);

    if (rc == PROCTOR_OK && eq != NULL) {
        rc =
            proctor_cache_query_decode(query->arena, eq + 1, end, &pair->value);
    }

    return rc;
}


static int
proctor_cache_query_decode(
    proctor_arena_t *arena, const char *p, const char *end, proctor_str_t *out)
{
    char *text;
    ptrdiff_t len;
    const char *s;

    for (s = p; s < end && *s != '%' && *s != '+'; s++) { /* void */
    }

    if (s == end) {
        out->data = p;
        out->len = (size_t) (end - p);
        return PROCTOR_OK;
    }

    text = proctor_arena_alloc(arena, (size_t) (end - p));
    if (text == NULL) {
        return PROCTOR_ERROR;
    }

    len = proctor_unescape_percent(text, p, (size_t) (end - p), 1);
    if (len < 0) {
        return PROCTOR_INVALID;
    }

    out->data = text;
    out->len = (size_t) len;

    return PROCTOR_OK;
}


static void
proctor_cache_query_fallbacks(
    proctor_cache_query_t *query, const proctor_operation_t *operation)
{
    unsigned i;
    proctor_cache_pair_t *pair;
    const proctor_param_t *param;

    for (i = 0; i < operation->nparams; i++) {
        param = &operation->params[i];

        if (param->in != PROCTOR_IN_QUERY || param->fallback.data == NULL
            || proctor_cache_query_has(query, &param->name)) {
            continue;
        }

        pair = &query->pairs[query->npairs];
        pair->name = param->name;
        pair->value = param->fallback;
        pair->order = query->npairs++;
    }
}


static int
proctor_cache_query_excepted(
    const proctor_cache_query_t *query, const proctor_cache_rule_t *rule)
{
    unsigned i;

    for (i = 0; rule != NULL && i < rule->nunless; i++) {
        if (proctor_cache_query_has(query, &rule->unless[i])) {
            return 1;
        }
    }

    return 0;
}


static int
proctor_cache_query_has(
    const proctor_cache_query_t *query, const proctor_str_t *name)
{
    size_t i;

    for (i = 0; i < query->npairs; i++) {
        if (query->pairs[i].name.len == name->len
            && memcmp(query->pairs[i].name.data, name->data, name->len) == 0) {
            return 1;
        }
    }

    return 0;
}


static int
proctor_cache_query_compare(const void *one, const void *two)
{
    int rc;
    const proctor_cache_pair_t *a = one;
    const proctor_cache_pair_t *b = two;

    rc = memcmp(a->name.data, b->name.data,
        a->name.len < b->name.len ? a->name.len : b->name.len);

    if (rc == 0) {
        rc = (a->name.len > b->name.len) - (a->name.len < b->name.len);
    }

    return rc != 0 ? rc : (a->order > b->order) - (a->order < b->order);
}


int
proctor_cache_groups(const proctor_cache_templates_t *templates,
    const proctor_match_t *match, const proctor_str_t *path,
    proctor_str_t groups[PROCTOR_CACHE_GROUPS_ALL], char *buf, size_t size)
{
    unsigned i;

    if (proctor_cache_groups_size(templates, match) > size) {
        return -1;
    }

    for (i = 0; i < templates->count; i++) {
        groups[i].data = buf;
        groups[i].len =
            proctor_cache_group_expand(buf, &templates->list[i], match);
        buf += groups[i].len;
    }

    if (templates->path) {
        groups[i++] = *path;
    }

    return (int) i;
}


size_t
proctor_cache_groups_size(
    const proctor_cache_templates_t *templates, const proctor_match_t *match)
{
    size_t size;
    unsigned i;

    size = 0;

    for (i = 0; i < templates->count; i++) {
        size += proctor_cache_group_expand(NULL, &templates->list[i], match);
    }

    return size;
}


/* its length; dst == NULL: only that */

static size_t
proctor_cache_group_expand(char *dst, const proctor_cache_template_t *template,
    const proctor_match_t *match)
{
    size_t len;
    unsigned i;
    const proctor_str_t *piece;

    len = 0;

    /* a text, a parameter, a text, and so on */
    for (i = 0; i < 2 * template->nparts; i++) {
        piece = &template->parts[i / 2].text;

        if (i % 2 != 0) {
            if (template->parts[i / 2].param < 0) {
                break;
            }

            piece = &match->params[template->parts[i / 2].param];
        }

        if (dst != NULL) {
            memcpy(dst + len, piece->data, piece->len);
        }

        len += piece->len;
    }

    return len;
}


/* a name that is too long, or could be mistaken for a hashed one, is hashed */

char *
proctor_cache_group_name(char *dst, const proctor_account_t *account,
    proctor_cache_name_e name, const proctor_str_t *group)
{
    unsigned char digest[PROCTOR_SHA256_LEN];

    memcpy(dst, account->prefix.data, account->prefix.len);
    dst = stpcpy(dst + account->prefix.len, proctor_cache_names[name]);

    if (group->len <= PROCTOR_CACHE_GROUP_MAX) {
        memcpy(dst, group->data, group->len);
        return dst + group->len;
    }

    if (proctor_digest(group->data, group->len, digest) != PROCTOR_OK) {
        return NULL;
    }

    *dst++ = '#';

    return proctor_cache_hex(dst, digest);
}


char *
proctor_cache_entry_name(char *dst, const proctor_account_t *account,
    const unsigned char key[PROCTOR_SHA256_LEN])
{
    memcpy(dst, account->prefix.data, account->prefix.len);
    dst = stpcpy(dst + account->prefix.len, "res:");

    return proctor_cache_hex(dst, key);
}


static char *
proctor_cache_hex(char *dst, const unsigned char *bytes)
{
    size_t i;
    static const char digits[] = "0123456789abcdef";

    for (i = 0; i < PROCTOR_SHA256_LEN; i++) {
        *dst++ = digits[bytes[i] >> 4];
        *dst++ = digits[bytes[i] & 0xf];
    }

    return dst;
}
