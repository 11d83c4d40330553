/*
 * The line of a text on which a JSON Pointer's value stands.
 *
 * For whoever tells a person about a fault: our documents are compiled by
 * jansson, which forgets where a value stood, so the same text is read once
 * more as a tape, whose nodes point into it.  The text is the caller's, the
 * rest is the arena's.
 */

#include "proctor_command.h"


struct proctor_lines_s {
    const char *text;
    proctor_json_t tape;
    int parsed;
};


static void proctor_lines_free(void *data);


proctor_lines_t *
proctor_lines_create(proctor_arena_t *arena, const char *text, size_t len)
{
    proctor_lines_t *lines;

    lines = proctor_arena_calloc(arena, sizeof(proctor_lines_t));
    if (lines == NULL) {
        return NULL;
    }

    lines->text = text;
    proctor_json_init(&lines->tape);

    if (proctor_arena_cleanup(arena, proctor_lines_free, lines) != PROCTOR_OK) {
        return NULL;
    }

    lines->parsed = proctor_json_parse(&lines->tape, text, len) == PROCTOR_OK;

    return lines;
}


static void
proctor_lines_free(void *data)
{
    proctor_lines_t *lines = data;

    proctor_json_free(&lines->tape);
}


unsigned
proctor_lines_of(proctor_lines_t *lines, const char *pointer)
{
    unsigned line;
    uint32_t node;
    const char *p, *end;

    if (lines->parsed) {
        node = proctor_json_find(&lines->tape, pointer);
        end = node != UINT32_MAX ? lines->tape.nodes[node].text : lines->text;

    } else {
        end = lines->text + lines->tape.error_offset;
    }

    line = 1;

    for (p = lines->text; p < end; p++) {
        line += *p == '\n';
    }

    return line;
}
