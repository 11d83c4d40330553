/*
 * What groups are called, and what they and stored answers are called in Redis.
 */

#include <string.h>

#include "proctor_cache.h"


static size_t proctor_cache_group_expand(char *dst,
    const proctor_cache_template_t *template, const proctor_match_t *match);


static const char *const proctor_cache_names[] = {
    [PROCTOR_CACHE_GEN] = "gen:", [PROCTOR_CACHE_MARK] = "mark:"
};


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

    return proctor_hex_write(dst, digest, PROCTOR_SHA256_LEN);
}


char *
proctor_cache_entry_name(char *dst, const proctor_account_t *account,
    const unsigned char key[PROCTOR_SHA256_LEN])
{
    memcpy(dst, account->prefix.data, account->prefix.len);
    dst = stpcpy(dst + account->prefix.len, "res:");

    return proctor_hex_write(dst, key, PROCTOR_SHA256_LEN);
}
