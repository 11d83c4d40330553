/*
 * A request's body as its audit record holds it: the text as it came, but for
 * the members that the contract wants hidden.
 *
 * Called with a body that was parsed and judged, so each JSON Pointer names
 * one value of it or none.  Only the beginning is made that a record has room
 * for.  Writes into the caller's buffer, keeps nothing, allocates nothing.
 */

#include <string.h>

#include "proctor.h"


typedef struct {
    const char *begin; /* of the value, its quotes and brackets included */
    const char *end;
} proctor_audit_span_t;

typedef struct {
    char *pos;
    char *last;
} proctor_audit_copy_t;


static int proctor_audit_body_next(const proctor_operation_t *operation,
    proctor_json_t *doc, const char *from, proctor_audit_span_t *next);
static void proctor_audit_body_span(const proctor_json_node_t *node,
    const char *end, proctor_audit_span_t *span);
static void proctor_audit_body_copy(
    proctor_audit_copy_t *copy, const char *s, size_t len);


static const char proctor_audit_redacted[] = "\"[redacted]\"";


size_t
proctor_audit_body(const proctor_operation_t *operation, proctor_json_t *doc,
    const proctor_str_t *text, char *buf)
{
    const char *p, *end;
    proctor_audit_copy_t copy;
    proctor_audit_span_t span;

    if (doc->nnodes == 0) {
        return 0; /* not parsed: nobody knows what is in it */
    }

    copy.pos = buf;
    copy.last = buf + PROCTOR_AUDIT_LINE;

    p = text->data;
    end = p + text->len;
    span.begin = p;
    span.end = end;

    while (copy.pos < copy.last
           && proctor_audit_body_next(operation, doc, p, &span)) {
        proctor_audit_body_copy(&copy, p, (size_t) (span.begin - p));
        proctor_audit_body_copy(
            &copy, proctor_audit_redacted, sizeof(proctor_audit_redacted) - 1);
        p = span.end;
        span.end = end;
    }

    proctor_audit_body_copy(&copy, p, (size_t) (end - p));

    return (size_t) (copy.pos - buf);
}


/*
 * The first hidden value that begins at `from` or later: one inside another
 * that was hidden begins before.  next->end: the end of the text.
 */

static int
proctor_audit_body_next(const proctor_operation_t *operation,
    proctor_json_t *doc, const char *from, proctor_audit_span_t *next)
{
    int found;
    unsigned i;
    uint32_t node;
    const char *end;
    proctor_audit_span_t span;

    found = 0;
    end = next->end;

    for (i = 0; i < operation->nredact; i++) {
        node = proctor_json_find(doc, operation->redact[i].data);

        if (node == UINT32_MAX) {
            continue;
        }

        proctor_audit_body_span(&doc->nodes[node], end, &span);

        if (span.begin >= from && (!found || span.begin < next->begin)) {
            found = 1;
            *next = span;
        }
    }

    return found;
}


static void
proctor_audit_body_span(const proctor_json_node_t *node, const char *end,
    proctor_audit_span_t *span)
{
    proctor_skip_t skip;

    span->begin = node->text;
    span->end = node->text + node->len;

    switch ((proctor_json_type_e) node->type) {
    case PROCTOR_JSON_STRING:
        span->begin--;
        span->end++;
        return;

    case PROCTOR_JSON_ARRAY:
    case PROCTOR_JSON_OBJECT:
        memset(&skip, 0, sizeof(proctor_skip_t));
        span->end = proctor_skip_nested(&skip, node->text, end);
        return;

    case PROCTOR_JSON_NULL:
    case PROCTOR_JSON_FALSE:
    case PROCTOR_JSON_TRUE:
    case PROCTOR_JSON_NUMBER:
        return;
    }
}


static void
proctor_audit_body_copy(proctor_audit_copy_t *copy, const char *s, size_t len)
{
    size_t room;

    room = (size_t) (copy->last - copy->pos);
    len = len < room ? len : room;

    memcpy(copy->pos, s, len);
    copy->pos += len;
}
