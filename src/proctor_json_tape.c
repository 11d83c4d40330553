/*
 * The array of nodes that a JSON document is, and how it comes into being
 * without a text.
 *
 * The tape is malloc'ed, doubles as it grows, and stays with its document for
 * the next text: a worker parses one body after the other without a single
 * allocation.  One large body must not be paid for ever after: what is larger
 * than PROCTOR_JSON_TAPE_KEEP is given back before the next use.
 */

#include <stdlib.h>
#include <string.h>

#include "proctor_json_tape.h"


#define PROCTOR_JSON_TAPE_FIRST 64
#define PROCTOR_JSON_TAPE_KEEP  (1024 * 1024) /* bytes */


void
proctor_json_init(proctor_json_t *doc)
{
    memset(doc, 0, sizeof(proctor_json_t));
}


void
proctor_json_free(proctor_json_t *doc)
{
    free(doc->nodes);
    proctor_json_init(doc);
}


void
proctor_json_tape_reset(proctor_json_t *doc)
{
    doc->nnodes = 0;
    doc->error = NULL;
    doc->error_offset = 0;

    if (doc->capacity > PROCTOR_JSON_TAPE_KEEP / sizeof(proctor_json_node_t)) {
        free(doc->nodes);
        doc->nodes = NULL;
        doc->capacity = 0;
    }
}


int
proctor_json_tape_grow(proctor_json_t *doc)
{
    uint32_t capacity;
    proctor_json_node_t *nodes;

    if (doc->capacity == PROCTOR_JSON_NODES) {
        doc->error = proctor_json_many;
        return PROCTOR_INVALID;
    }

    capacity = doc->capacity != 0 ? doc->capacity * 2 : PROCTOR_JSON_TAPE_FIRST;
    if (capacity > PROCTOR_JSON_NODES) {
        capacity = PROCTOR_JSON_NODES;
    }

    nodes = realloc(doc->nodes, capacity * sizeof(proctor_json_node_t));
    if (nodes == NULL) {
        return PROCTOR_ERROR;
    }

    doc->nodes = nodes;
    doc->capacity = capacity;

    return PROCTOR_OK;
}


int
proctor_json_object_begin(proctor_json_t *doc)
{
    proctor_json_tape_reset(doc);

    if (proctor_json_tape_add(doc, PROCTOR_JSON_OBJECT, "") == NULL) {
        return PROCTOR_ERROR;
    }

    return PROCTOR_OK;
}


int
proctor_json_object_add(proctor_json_t *doc, const proctor_str_t *name,
    proctor_json_type_e type, const proctor_str_t *text)
{
    uint32_t i;
    proctor_json_node_t *node;
    const proctor_str_t *texts[2] = { name, text };
    const proctor_json_type_e types[2] = { PROCTOR_JSON_STRING, type };

    for (i = 0; i < 2; i++) {
        if (texts[i]->len > UINT32_MAX) {
            return PROCTOR_ERROR;
        }

        node = proctor_json_tape_add(doc, types[i], texts[i]->data);
        if (node == NULL) {
            return PROCTOR_ERROR;
        }

        node->len = (uint32_t) texts[i]->len;
    }

    node = &doc->nodes[doc->nnodes - 2];
    node->count = proctor_json_key_hash(node);
    doc->nodes[0].count++;

    return PROCTOR_OK;
}


void
proctor_json_object_end(proctor_json_t *doc)
{
    doc->nodes[0].next = doc->nnodes;
}
