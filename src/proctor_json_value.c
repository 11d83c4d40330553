/*
 * Questions to a finished JSON document: what a string says, where a member is,
 * what a JSON Pointer names.
 *
 * Called by the schema checker and the module's input step.  Nothing here
 * changes the document; decoded strings live in the arena that the caller set.
 */

#include <string.h>

#include "proctor_json_tape.h"


static uint32_t proctor_json_item(
    proctor_json_t *doc, uint32_t array, const char *token, const char *end);
static uint32_t proctor_json_named(
    proctor_json_t *doc, uint32_t object, const char *token, const char *end);
static int proctor_json_token_is(
    const proctor_json_node_t *key, const char *token, const char *end);


int
proctor_json_string(proctor_json_t *doc, uint32_t node, proctor_str_t *out)
{
    char *dst;
    size_t run;
    const char *p, *end, *backslash;
    proctor_json_node_t *string;

    string = &doc->nodes[node];
    out->data = string->text;
    out->len = string->len;

    if (!string->escaped) {
        return PROCTOR_OK;
    }

    /* an escape is never shorter than what it stands for */
    if (doc->arena == NULL) {
        return PROCTOR_ERROR;
    }

    dst = proctor_arena_alloc(doc->arena, string->len);
    if (dst == NULL) {
        return PROCTOR_ERROR;
    }

    out->data = dst;
    p = string->text;
    end = p + string->len;

    while ((backslash = memchr(p, '\\', (size_t) (end - p))) != NULL) {
        run = (size_t) (backslash - p);
        memcpy(dst, p, run);
        p = backslash;
        dst += run;
        dst += proctor_json_scan_escape(&p, dst);
    }

    run = (size_t) (end - p);
    memcpy(dst, p, run);
    out->len = (size_t) (dst + run - out->data);

    return PROCTOR_OK;
}


uint32_t
proctor_json_member(
    proctor_json_t *doc, uint32_t object, const char *name, size_t len)
{
    uint32_t i, key;
    const proctor_json_node_t *nodes;
    proctor_json_node_t wanted = { .text = name };

    nodes = doc->nodes;

    if (nodes[object].type != PROCTOR_JSON_OBJECT || len > UINT32_MAX) {
        return 0;
    }

    wanted.len = (uint32_t) len;
    key = object + 1;

    for (i = 0; i < nodes[object].count; i++) {
        if (proctor_json_key_equal(&nodes[key], &wanted)) {
            return key + 1;
        }

        key = nodes[key + 1].next;
    }

    return 0;
}


uint32_t
proctor_json_find(proctor_json_t *doc, const char *pointer)
{
    uint32_t node;
    const char *end;

    if (doc->nnodes == 0) {
        return UINT32_MAX;
    }

    node = 0;

    while (*pointer != '\0') {
        if (*pointer != '/') {
            return UINT32_MAX;
        }

        pointer++;
        end = pointer + strcspn(pointer, "/");

        node = doc->nodes[node].type == PROCTOR_JSON_ARRAY
                   ? proctor_json_item(doc, node, pointer, end)
                   : proctor_json_named(doc, node, pointer, end);

        if (node == 0) {
            return UINT32_MAX;
        }

        pointer = end;
    }

    return node;
}


/* RFC 6901, 4: no sign, no leading zero; 0: none */

static uint32_t
proctor_json_item(
    proctor_json_t *doc, uint32_t array, const char *token, const char *end)
{
    uint32_t index, item;
    const char *p;

    if (token == end || (*token == '0' && end - token > 1) || end - token > 9) {
        return 0;
    }

    index = 0;

    for (p = token; p < end; p++) {
        if (*p < '0' || *p > '9') {
            return 0;
        }

        index = index * 10 + (uint32_t) (*p - '0');
    }

    if (index >= doc->nodes[array].count) {
        return 0;
    }

    for (item = array + 1; index > 0; index--) {
        item = doc->nodes[item].next;
    }

    return item;
}


static uint32_t
proctor_json_named(
    proctor_json_t *doc, uint32_t object, const char *token, const char *end)
{
    uint32_t i, key;

    if (doc->nodes[object].type != PROCTOR_JSON_OBJECT) {
        return 0;
    }

    key = object + 1;

    for (i = 0; i < doc->nodes[object].count; i++) {
        if (proctor_json_token_is(&doc->nodes[key], token, end)) {
            return key + 1;
        }

        key = doc->nodes[key + 1].next;
    }

    return 0;
}


/* "~0" is "~" and "~1" is "/"; a name that is badly escaped is nobody's */

static int
proctor_json_token_is(
    const proctor_json_node_t *key, const char *token, const char *end)
{
    char c;
    proctor_json_bytes_t bytes;

    proctor_json_bytes(&bytes, key);

    while (token < end) {
        c = *token++;

        if (c == '~') {
            if (token == end || (*token != '0' && *token != '1')) {
                return 0;
            }

            c = *token++ == '0' ? '~' : '/';
        }

        if (proctor_json_bytes_next(&bytes) != (uint8_t) c) {
            return 0;
        }
    }

    return proctor_json_bytes_next(&bytes) < 0;
}
