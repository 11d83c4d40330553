/*
 * A stored answer as bytes: what stands in Redis under its key.
 *
 *      0  "PRC1"                      another version's is another magic
 *      4  nonce, tag                  16 bytes each
 *     36  the answer's key            32
 *     68  received, age, lifetime     8 each, milliseconds
 *     92  stale_while_revalidate      4
 *     96  stale_if_error              4
 *    100  status                      2
 *    102  flags, generations          1 each
 *    104  fields, Vary fields         2 each
 *    108  length of the head          4
 *    112  length of the body          4
 *    116  generations                 16 each
 *         fields, Vary fields         2 + 2 lengths, name, value
 *         body
 *
 * Numbers are little-endian.  The tag is over all that follows it
 * so nothing in a value is looked at before who wrote it is
 * known; lengths are checked all the same.  Nothing is copied or allocated: an
 * opened entry lives as long as the value it was opened from.
 */

#include <endian.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "proctor_cache_seal.h"


#define PROCTOR_CACHE_MAGIC      "PRC1"
#define PROCTOR_CACHE_AT_NONCE   4
#define PROCTOR_CACHE_AT_TAG     (4 + PROCTOR_CACHE_NONCE_LEN)
#define PROCTOR_CACHE_AT_TEXT    36
#define PROCTOR_CACHE_AT_HEAD    116
#define PROCTOR_CACHE_LENGTHS    4      /* bytes, before each field */
#define PROCTOR_CACHE_ABSENT     0xffff /* as a value's length */
#define PROCTOR_CACHE_FIELDS_MAX 1000


/* what stands between the tag and the head, in its order */

typedef struct {
    unsigned char key[PROCTOR_SHA256_LEN];
    uint64_t times[3]; /* received, age, lifetime */
    uint32_t windows[2];
    uint16_t status;
    uint8_t flags;
    uint8_t ngens;
    uint16_t nfields;
    uint16_t nvary;
    uint32_t head;
    uint32_t body;
} __attribute__((packed)) proctor_cache_numbers_t;

_Static_assert(PROCTOR_CACHE_AT_TEXT + sizeof(proctor_cache_numbers_t)
                   == PROCTOR_CACHE_AT_HEAD,
    "the layout above is the layout below");


static size_t proctor_cache_head_size(const proctor_cache_draft_t *draft);
static int proctor_cache_fields_size(
    const proctor_cache_field_t *fields, unsigned n, size_t *size);
static void proctor_cache_numbers(
    proctor_cache_numbers_t *numbers, const proctor_cache_draft_t *draft);
static uint32_t proctor_cache_capped(int64_t ms);
static char *proctor_cache_fields_write(
    char *dst, const proctor_cache_field_t *fields, unsigned n);
static int proctor_cache_entry_read(
    const proctor_str_t *value, proctor_cache_entry_t *entry);
static const char *proctor_cache_fields_skip(
    const char *p, const char *end, unsigned n);


size_t
proctor_cache_entry_size(const proctor_cache_draft_t *draft)
{
    size_t head, size;

    head = proctor_cache_head_size(draft);

    if (head == 0 || draft->body.len > PROCTOR_CACHE_ENTRY_MAX) {
        return 0;
    }

    size = PROCTOR_CACHE_AT_HEAD + head - 1 + draft->body.len;

    return (size <= PROCTOR_CACHE_ENTRY_MAX) ? size : 0;
}


/* one more than it is; 0: it cannot be stored */

static size_t
proctor_cache_head_size(const proctor_cache_draft_t *draft)
{
    size_t size;

    if (draft->ngens > PROCTOR_CACHE_GENS
        || draft->nfields > PROCTOR_CACHE_FIELDS_MAX
        || draft->nvary > PROCTOR_CACHE_FIELDS_VARY || draft->status > 999) {
        return 0;
    }

    size = 1 + (size_t) draft->ngens * PROCTOR_CACHE_GEN_LEN;

    return (proctor_cache_fields_size(draft->fields, draft->nfields, &size)
               && proctor_cache_fields_size(draft->vary, draft->nvary, &size))
               ? size
               : 0;
}


static int
proctor_cache_fields_size(
    const proctor_cache_field_t *fields, unsigned n, size_t *size)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (fields[i].name.len >= PROCTOR_CACHE_ABSENT
            || fields[i].value.len >= PROCTOR_CACHE_ABSENT) {
            return 0;
        }

        *size +=
            PROCTOR_CACHE_LENGTHS + fields[i].name.len + fields[i].value.len;
    }

    return 1;
}


int
proctor_cache_entry_seal(proctor_cache_seal_t *seal,
    const proctor_account_t *account,
    const unsigned char key[PROCTOR_SHA256_LEN],
    const proctor_cache_draft_t *draft, char *dst)
{
    char *p;
    proctor_str_t text;
    proctor_cache_numbers_t numbers;
    unsigned char *nonce = (unsigned char *) dst + PROCTOR_CACHE_AT_NONCE;

    proctor_cache_numbers(&numbers, draft);
    memcpy(numbers.key, key, sizeof(numbers.key));

    memcpy(dst, PROCTOR_CACHE_MAGIC, sizeof(PROCTOR_CACHE_MAGIC) - 1);
    memcpy(dst + PROCTOR_CACHE_AT_TEXT, &numbers, sizeof(numbers));

    p = dst + PROCTOR_CACHE_AT_HEAD;

    if (draft->ngens != 0) {
        memcpy(p, draft->gens, (size_t) draft->ngens * PROCTOR_CACHE_GEN_LEN);
        p += (size_t) draft->ngens * PROCTOR_CACHE_GEN_LEN;
    }

    p = proctor_cache_fields_write(p, draft->fields, draft->nfields);
    p = proctor_cache_fields_write(p, draft->vary, draft->nvary);

    if (draft->body.data != NULL) {
        memcpy(p, draft->body.data, draft->body.len);
    }

    text.data = dst + PROCTOR_CACHE_AT_TEXT;
    text.len = (size_t) (p + draft->body.len - text.data);

    if (proctor_cache_seal_nonce(nonce) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    return proctor_cache_seal_tag(seal, account, nonce, &text,
        (unsigned char *) dst + PROCTOR_CACHE_AT_TAG);
}


static void
proctor_cache_numbers(
    proctor_cache_numbers_t *numbers, const proctor_cache_draft_t *draft)
{
    const proctor_cache_freshness_t *freshness = &draft->freshness;

    numbers->times[0] = htole64((uint64_t) freshness->received);
    numbers->times[1] = htole64((uint64_t) freshness->age);
    numbers->times[2] = htole64((uint64_t) freshness->lifetime);
    numbers->windows[0] =
        proctor_cache_capped(freshness->stale_while_revalidate);
    numbers->windows[1] = proctor_cache_capped(freshness->stale_if_error);
    numbers->status = htole16((uint16_t) draft->status);
    numbers->flags = (uint8_t) freshness->flags;
    numbers->ngens = (uint8_t) draft->ngens;
    numbers->nfields = htole16((uint16_t) draft->nfields);
    numbers->nvary = htole16((uint16_t) draft->nvary);
    numbers->head = htole32((uint32_t) proctor_cache_head_size(draft) - 1);
    numbers->body = htole32((uint32_t) draft->body.len);
}


static uint32_t
proctor_cache_capped(int64_t ms)
{
    return htole32(
        (ms < PROCTOR_CACHE_KEEP_MAX) ? (uint32_t) ms : PROCTOR_CACHE_KEEP_MAX);
}


static char *
proctor_cache_fields_write(
    char *dst, const proctor_cache_field_t *fields, unsigned n)
{
    unsigned i;
    uint16_t lengths[2];

    for (i = 0; i < n; i++) {
        lengths[0] = htole16((uint16_t) fields[i].name.len);
        lengths[1] = htole16(
            (uint16_t) (fields[i].value.data == NULL ? PROCTOR_CACHE_ABSENT
                                                     : fields[i].value.len));

        memcpy(dst, lengths, PROCTOR_CACHE_LENGTHS);
        dst += PROCTOR_CACHE_LENGTHS;
        memcpy(dst, fields[i].name.data, fields[i].name.len);
        dst += fields[i].name.len;

        if (fields[i].value.data != NULL) {
            memcpy(dst, fields[i].value.data, fields[i].value.len);
            dst += fields[i].value.len;
        }
    }

    return dst;
}


int
proctor_cache_entry_open(proctor_cache_seal_t *seal,
    const proctor_account_t *account,
    const unsigned char key[PROCTOR_SHA256_LEN], const proctor_str_t *value,
    proctor_cache_entry_t *entry)
{
    proctor_str_t text;
    unsigned char tag[PROCTOR_CACHE_TAG_LEN];

    if (value->len < PROCTOR_CACHE_AT_HEAD
        || value->len > PROCTOR_CACHE_ENTRY_MAX
        || memcmp(value->data, PROCTOR_CACHE_MAGIC,
               sizeof(PROCTOR_CACHE_MAGIC) - 1)
               != 0) {
        return PROCTOR_INVALID;
    }

    text.data = value->data + PROCTOR_CACHE_AT_TEXT;
    text.len = value->len - PROCTOR_CACHE_AT_TEXT;

    if (proctor_cache_seal_tag(seal, account,
            (const unsigned char *) value->data + PROCTOR_CACHE_AT_NONCE, &text,
            tag)
        != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    if (CRYPTO_memcmp(tag, value->data + PROCTOR_CACHE_AT_TAG, sizeof(tag)) != 0
        || memcmp(text.data, key, PROCTOR_SHA256_LEN) != 0) {
        return PROCTOR_INVALID;
    }

    return proctor_cache_entry_read(value, entry);
}


static int
proctor_cache_entry_read(
    const proctor_str_t *value, proctor_cache_entry_t *entry)
{
    size_t head, body, gens;
    const char *p, *end;
    proctor_cache_numbers_t numbers;

    memcpy(&numbers, value->data + PROCTOR_CACHE_AT_TEXT, sizeof(numbers));

    head = le32toh(numbers.head);
    body = le32toh(numbers.body);
    gens = (size_t) numbers.ngens * PROCTOR_CACHE_GEN_LEN;

    if (head + body != value->len - PROCTOR_CACHE_AT_HEAD || gens > head) {
        return PROCTOR_INVALID;
    }

    entry->freshness.received = (int64_t) le64toh(numbers.times[0]);
    entry->freshness.age = (int64_t) le64toh(numbers.times[1]);
    entry->freshness.lifetime = (int64_t) le64toh(numbers.times[2]);
    entry->freshness.stale_while_revalidate = le32toh(numbers.windows[0]);
    entry->freshness.stale_if_error = le32toh(numbers.windows[1]);
    entry->freshness.flags = numbers.flags;
    entry->status = le16toh(numbers.status);

    p = value->data + PROCTOR_CACHE_AT_HEAD;
    end = p + head;

    entry->gens = p;
    entry->ngens = numbers.ngens;
    entry->fields.p = p + gens;
    entry->fields.left = le16toh(numbers.nfields);
    entry->vary.p =
        proctor_cache_fields_skip(entry->fields.p, end, entry->fields.left);
    entry->vary.left = le16toh(numbers.nvary);
    entry->body.data = end;
    entry->body.len = body;

    if (entry->vary.p == NULL
        || proctor_cache_fields_skip(entry->vary.p, end, entry->vary.left)
               != end) {
        return PROCTOR_INVALID;
    }

    return PROCTOR_OK;
}


/* what follows n fields; NULL: they do not fit */

static const char *
proctor_cache_fields_skip(const char *p, const char *end, unsigned n)
{
    size_t size;
    uint16_t lengths[2];

    while (n-- != 0) {
        if (end - p < PROCTOR_CACHE_LENGTHS) {
            return NULL;
        }

        memcpy(lengths, p, PROCTOR_CACHE_LENGTHS);
        p += PROCTOR_CACHE_LENGTHS;

        size = le16toh(lengths[0]);

        if (le16toh(lengths[1]) != PROCTOR_CACHE_ABSENT) {
            size += le16toh(lengths[1]);
        }

        if (size > (size_t) (end - p)) {
            return NULL;
        }

        p += size;
    }

    return p;
}


int
proctor_cache_fields_next(
    proctor_cache_fields_t *it, proctor_cache_field_t *field)
{
    uint16_t lengths[2];

    if (it->left == 0) {
        return 0;
    }

    memcpy(lengths, it->p, PROCTOR_CACHE_LENGTHS);

    field->name.data = it->p + PROCTOR_CACHE_LENGTHS;
    field->name.len = le16toh(lengths[0]);
    field->value.data = field->name.data + field->name.len;
    field->value.len = le16toh(lengths[1]);

    if (field->value.len == PROCTOR_CACHE_ABSENT) {
        it->p = field->value.data;
        field->value.data = NULL;
        field->value.len = 0;

    } else {
        it->p = field->value.data + field->value.len;
    }

    it->left--;

    return 1;
}


int
proctor_cache_entry_field(
    const proctor_cache_entry_t *entry, const char *name, proctor_str_t *value)
{
    size_t len;
    proctor_cache_field_t field;
    proctor_cache_fields_t it;

    it = entry->fields;
    len = strlen(name);

    while (proctor_cache_fields_next(&it, &field)) {
        if (field.name.len == len
            && strncasecmp(field.name.data, name, len) == 0) {
            *value = field.value;
            return 1;
        }
    }

    return 0;
}
