/*
 * One line of an audit file, read back by who verifies: a record only when every
 * byte of it is printable ASCII, it parses, no member occurs twice, and what its
 * kind needs is there.
 */

#include <string.h>

#include "proctor_audit.h"


typedef int (*proctor_line_read_pt)(proctor_line_t *entry, proctor_json_t *doc);


static int proctor_audit_line_is_ours(const char *line, size_t len);
static int proctor_audit_line_plain(proctor_line_t *entry, proctor_json_t *doc);
static int proctor_audit_line_id(proctor_line_t *entry, proctor_json_t *doc);
static int proctor_audit_line_start(proctor_line_t *entry, proctor_json_t *doc);
static int proctor_audit_line_previous(
    proctor_line_start_t *start, proctor_json_t *doc);
static int proctor_audit_line_torn(proctor_line_t *entry, proctor_json_t *doc);
static int proctor_audit_line_text(proctor_json_t *doc, uint32_t object,
    const char *name, proctor_str_t *text);
static int proctor_audit_line_number(
    proctor_json_t *doc, uint32_t object, const char *name, uint64_t *number);
static int proctor_audit_line_file(
    proctor_json_t *doc, uint32_t object, char *file);


static const proctor_line_read_pt
    proctor_audit_line_reads[PROCTOR_LINE_DAMAGED] = {
        [PROCTOR_LINE_CALL] = proctor_audit_line_plain,
        [PROCTOR_LINE_DENIED] = proctor_audit_line_plain,
        [PROCTOR_LINE_INTENT] = proctor_audit_line_id,
        [PROCTOR_LINE_OUTCOME] = proctor_audit_line_id,
        [PROCTOR_LINE_START] = proctor_audit_line_start,
        [PROCTOR_LINE_TORN] = proctor_audit_line_torn,
    };


int
proctor_audit_line_read(
    proctor_line_t *entry, proctor_json_t *doc, const char *line, size_t len)
{
    int rc;

    entry->kind = proctor_audit_glance_kind(line, len);

    if (entry->kind == PROCTOR_LINE_DAMAGED
        || !proctor_audit_line_is_ours(line, len)) {
        entry->kind = PROCTOR_LINE_DAMAGED;
        return PROCTOR_OK;
    }

    if (doc->arena != NULL) {
        proctor_arena_reset(doc->arena);
    }

    rc = proctor_json_parse(doc, line, len);

    if (rc == PROCTOR_OK) {
        rc = proctor_audit_line_reads[entry->kind](entry, doc);
    }

    if (rc == PROCTOR_INVALID) {
        entry->kind = PROCTOR_LINE_DAMAGED;
        rc = PROCTOR_OK;
    }

    return rc;
}


static int
proctor_audit_line_is_ours(const char *line, size_t len)
{
    int64_t seconds;
    const char *time;

    if (!proctor_audit_glance_is_plain(line, len)) {
        return 0;
    }

    /* RFC 3339 has small letters, too; we do not */

    time = line + PROCTOR_LINE_TIME;

    return time[sizeof("2026-01-01") - 1] == 'T'
           && time[PROCTOR_TIME_LEN - 1] == 'Z'
           && proctor_time_parse(time, PROCTOR_TIME_LEN, &seconds)
                  == PROCTOR_OK;
}


static int
proctor_audit_line_plain(proctor_line_t *entry, proctor_json_t *doc)
{
    (void) entry;
    (void) doc;

    return PROCTOR_OK;
}


static int
proctor_audit_line_id(proctor_line_t *entry, proctor_json_t *doc)
{
    proctor_str_t id;

    if (!proctor_audit_line_text(doc, 0, "id", &id)) {
        return PROCTOR_INVALID;
    }

    return proctor_audit_id_read(&id, &entry->worker, &entry->counter);
}


static int
proctor_audit_line_start(proctor_line_t *entry, proctor_json_t *doc)
{
    proctor_str_t origin;
    proctor_line_start_t *start;

    start = &entry->start;

    if (!proctor_audit_line_file(doc, 0, start->file)
        || !proctor_audit_line_text(doc, 0, "origin", &origin)
        || origin.len > PROCTOR_CHECKPOINT_ORIGIN_MAX
        || !proctor_note_is_name(origin.data, origin.len)) {
        return PROCTOR_INVALID;
    }

    memcpy(start->origin, origin.data, origin.len);
    start->origin[origin.len] = '\0';

    /* a log's name ends with its file's id: no two files share one */

    if (origin.len <= PROCTOR_AUDIT_FILE_ID
        || strcmp(
               start->origin + origin.len - PROCTOR_AUDIT_FILE_ID, start->file)
               != 0) {
        return PROCTOR_INVALID;
    }

    return proctor_audit_line_previous(start, doc);
}


static int
proctor_audit_line_previous(proctor_line_start_t *start, proctor_json_t *doc)
{
    uint32_t previous;
    proctor_str_t root;

    start->previous_file[0] = '\0';
    previous = proctor_json_member(doc, 0, "previous", sizeof("previous") - 1);

    if (previous == 0) {
        return PROCTOR_INVALID;
    }

    if (doc->nodes[previous].type == PROCTOR_JSON_NULL) {
        return PROCTOR_OK;
    }

    if (!proctor_audit_line_file(doc, previous, start->previous_file)
        || !proctor_audit_line_number(
            doc, previous, "size", &start->previous.size)
        || !proctor_audit_line_text(doc, previous, "root", &root)) {
        return PROCTOR_INVALID;
    }

    return proctor_base64_decode(
        start->previous.root.bytes, PROCTOR_SHA256_LEN, root.data, root.len);
}


static int
proctor_audit_line_torn(proctor_line_t *entry, proctor_json_t *doc)
{
    int high, low;
    unsigned i;
    proctor_str_t hex;

    if (!proctor_audit_line_number(doc, 0, "at", &entry->at)
        || !proctor_audit_line_number(doc, 0, "bytes", &entry->bytes)
        || !proctor_audit_line_text(doc, 0, "sha256", &hex)
        || hex.len != 2 * PROCTOR_SHA256_LEN) {
        return PROCTOR_INVALID;
    }

    for (i = 0; i < PROCTOR_SHA256_LEN; i++) {
        high = proctor_hex(hex.data[2 * i]);
        low = proctor_hex(hex.data[2 * i + 1]);

        if (high < 0 || low < 0) {
            return PROCTOR_INVALID;
        }

        entry->sha256.bytes[i] = (unsigned char) (high << 4 | low);
    }

    return PROCTOR_OK;
}


/* what we put there needs no escapes, so one that has some is not ours */

static int
proctor_audit_line_text(
    proctor_json_t *doc, uint32_t object, const char *name, proctor_str_t *text)
{
    uint32_t i;
    const proctor_json_node_t *node;

    i = proctor_json_member(doc, object, name, strlen(name));
    node = &doc->nodes[i];

    if (i == 0 || node->type != PROCTOR_JSON_STRING || node->escaped) {
        return 0;
    }

    text->data = node->text;
    text->len = node->len;

    return 1;
}


static int
proctor_audit_line_number(
    proctor_json_t *doc, uint32_t object, const char *name, uint64_t *number)
{
    uint32_t i, j;
    const proctor_json_node_t *node;

    i = proctor_json_member(doc, object, name, strlen(name));
    node = &doc->nodes[i];

    /* 19 digits fit into 64 bits */

    if (i == 0 || node->type != PROCTOR_JSON_NUMBER || node->len > 19) {
        return 0;
    }

    *number = 0;

    for (j = 0; j < node->len; j++) {
        if (node->text[j] < '0' || node->text[j] > '9') {
            return 0;
        }

        *number = *number * 10 + (uint64_t) (node->text[j] - '0');
    }

    return 1;
}


static int
proctor_audit_line_file(proctor_json_t *doc, uint32_t object, char *file)
{
    size_t i;
    proctor_str_t text;

    if (!proctor_audit_line_text(doc, object, "file", &text)
        || text.len != PROCTOR_AUDIT_FILE_ID) {
        return 0;
    }

    for (i = 0; i < PROCTOR_AUDIT_FILE_ID; i++) {
        if (proctor_hex(text.data[i]) < 0
            || (text.data[i] >= 'A' && text.data[i] <= 'F')) {
            return 0;
        }
    }

    memcpy(file, text.data, PROCTOR_AUDIT_FILE_ID);
    file[PROCTOR_AUDIT_FILE_ID] = '\0';

    return 1;
}
