/*
 * One line of an audit file, by a look at its beginning and its end: what a
 * sealer can afford, for which a line is a leaf, and only some are more.
 *
 *     {"v":1,"time":"<27 bytes>","kind":"intent","rid":"...","id":"...",...}
 *
 * The beginning of a record is the same to the byte, so its kind stands at a
 * fixed place, and the id of an intent and of an outcome behind it.
 *
 * A line that a dying process left begins like a record and may end like one:
 * another process's record stands behind the torn bytes.  So a second beginning
 * is searched for, which no string can contain: its quotes would be escaped.
 */

#include <string.h>

#include "proctor_audit.h"


#define PROCTOR_GLANCE_HEAD "{\"v\":1,\"time\":\""
#define PROCTOR_GLANCE_KIND "\",\"kind\":\""

/* where the word begins */
#define PROCTOR_GLANCE_WORD                                                    \
    (sizeof(PROCTOR_GLANCE_HEAD) - 1 + PROCTOR_TIME_LEN                        \
        + sizeof(PROCTOR_GLANCE_KIND) - 1)


static int proctor_audit_glance_id(
    proctor_line_t *entry, const char *word, const char *end);
static const char *proctor_audit_glance_behind(
    const char *p, const char *end, const char *text, size_t len);
static int proctor_audit_glance_once(const char *line, size_t len);


/* the word with its closing quote */

static const proctor_str_t proctor_audit_glance_words[PROCTOR_LINE_DAMAGED] = {
    [PROCTOR_LINE_CALL] = proctor_str("call\""),
    [PROCTOR_LINE_DENIED] = proctor_str("denied\""),
    [PROCTOR_LINE_INTENT] = proctor_str("intent\""),
    [PROCTOR_LINE_OUTCOME] = proctor_str("outcome\""),
    [PROCTOR_LINE_START] = proctor_str("start\""),
    [PROCTOR_LINE_TORN] = proctor_str("torn\""),
};


int
proctor_audit_glance(proctor_line_t *entry, const char *line, size_t len)
{
    entry->kind = proctor_audit_glance_kind(line, len);

    switch (entry->kind) {
    case PROCTOR_LINE_CALL:
    case PROCTOR_LINE_DENIED:
        return 1;

    case PROCTOR_LINE_INTENT:
    case PROCTOR_LINE_OUTCOME:
        return proctor_audit_glance_is_plain(line, len)
               && proctor_audit_glance_id(
                   entry, line + PROCTOR_GLANCE_WORD, line + len);

    case PROCTOR_LINE_START:
    case PROCTOR_LINE_TORN:
    case PROCTOR_LINE_DAMAGED:
        break;
    }

    return 0;
}


/* intent","rid":"...","id":"...": an outcome that nobody saw has no rid */

static int
proctor_audit_glance_id(
    proctor_line_t *entry, const char *word, const char *end)
{
    const char *p, *quote;
    proctor_str_t id;

    static const char rid_key[] = ",\"rid\":\"";
    static const char id_key[] = ",\"id\":\"";

    word += proctor_audit_glance_words[entry->kind].len;
    p = proctor_audit_glance_behind(word, end, rid_key, sizeof(rid_key) - 1);

    if (p != NULL) {
        quote = memchr(p, '"', (size_t) (end - p));

        if (quote == NULL || memchr(p, '\\', (size_t) (quote - p)) != NULL) {
            return 0;
        }

        word = quote + 1;
    }

    p = proctor_audit_glance_behind(word, end, id_key, sizeof(id_key) - 1);
    quote = (p == NULL) ? NULL : memchr(p, '"', (size_t) (end - p));

    if (quote == NULL) {
        return 0;
    }

    id.data = p;
    id.len = (size_t) (quote - p);

    return proctor_audit_id_read(&id, &entry->worker, &entry->counter)
           == PROCTOR_OK;
}


/* where it goes on behind this text; NULL: it does not begin with it */

static const char *
proctor_audit_glance_behind(
    const char *p, const char *end, const char *text, size_t len)
{
    return ((size_t) (end - p) >= len && memcmp(p, text, len) == 0) ? p + len
                                                                    : NULL;
}


proctor_line_e
proctor_audit_glance_kind(const char *line, size_t len)
{
    unsigned i;
    const char *word;
    const proctor_str_t *kind;

    word = line + PROCTOR_GLANCE_WORD;

    if (len < PROCTOR_GLANCE_WORD + sizeof("torn\"}")
        || len >= PROCTOR_AUDIT_LINE || line[len - 1] != '}'
        || memchr(line, '\0', len) != NULL
        || memcmp(line, PROCTOR_GLANCE_HEAD, sizeof(PROCTOR_GLANCE_HEAD) - 1)
               != 0
        || memcmp(word - (sizeof(PROCTOR_GLANCE_KIND) - 1), PROCTOR_GLANCE_KIND,
               sizeof(PROCTOR_GLANCE_KIND) - 1)
               != 0) {
        return PROCTOR_LINE_DAMAGED;
    }

    for (i = 0; i < PROCTOR_LINE_DAMAGED; i++) {
        kind = &proctor_audit_glance_words[i];

        if (len - PROCTOR_GLANCE_WORD > kind->len
            && memcmp(word, kind->data, kind->len) == 0) {
            return proctor_audit_glance_once(word, len - PROCTOR_GLANCE_WORD)
                       ? (proctor_line_e) i
                       : PROCTOR_LINE_DAMAGED;
        }
    }

    return PROCTOR_LINE_DAMAGED;
}


/* no second record begins in it */

static int
proctor_audit_glance_once(const char *line, size_t len)
{
    const char *p, *end;
    static const size_t head = sizeof(PROCTOR_GLANCE_HEAD) - 1;

    end = line + len;

    for (p = line; (p = memchr(p, '{', (size_t) (end - p))) != NULL; p++) {
        if ((size_t) (end - p) >= head
            && memcmp(p, PROCTOR_GLANCE_HEAD, head) == 0) {
            return 0;
        }
    }

    return 1;
}


/*
 * Printable ASCII, eight bytes at a time: the high bit of a byte that is less
 * than a space, DEL or not ASCII comes out, whatever stands beside it.
 */

int
proctor_audit_glance_is_plain(const char *line, size_t len)
{
    size_t i;
    uint64_t word, odd;

    static const uint64_t each = UINT64_MAX / 255;

    odd = 0;

    for (i = 0; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, line + i, sizeof(word));
        odd |= word | (word - each * ' ') | (word + each);
    }

    for (; i < len; i++) {
        odd |= (line[i] < ' ' || line[i] > '~') ? each * 0x80 : 0;
    }

    return (odd & each * 0x80) == 0;
}
