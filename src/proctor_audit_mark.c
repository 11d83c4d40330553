/*
 * The records of a trail that are about the file itself.
 *
 *     {"v":1,"time":"…","kind":"start","file":"<32 hex>","origin":"gw/<file>",
 *      "reason":"moved","previous":{"file":"…","size":812,"root":"<base64>"}}
 *     {"v":1,"time":"…","kind":"torn","at":70411,"bytes":57,"sha256":"…"}
 *
 * A start record is the first line of every file and links it to the last
 * checkpoint that was known of the file before ("previous": null: of none).  A
 * torn record names a line that a process which died has left damaged, so that
 * the evidence can stay and is still excused.  Both are rare: nothing here is
 * in a hurry.  They end as every record does, and take no more than its line.
 */

#include <stdarg.h>
#include <stdio.h>

#include "proctor.h"


#define PROCTOR_AUDIT_MARK_TEXT 512 /* of one member, escaped */


typedef struct {
    char *pos;
    char *last;
} proctor_audit_mark_t;


static void proctor_audit_mark_begin(
    proctor_audit_mark_t *mark, char *buf, int64_t time_us, const char *kind);
static void proctor_audit_mark_put(proctor_audit_mark_t *mark, const char *fmt,
    ...) __attribute__((format(printf, 2, 3)));
static void proctor_audit_mark_text(
    proctor_audit_mark_t *mark, const char *name, const proctor_str_t *text);
static void proctor_audit_mark_previous(
    proctor_audit_mark_t *mark, const proctor_audit_start_t *start);


_Static_assert(PROCTOR_AUDIT_LINE > 4 * PROCTOR_AUDIT_MARK_TEXT + 512,
    "a start record fits");


size_t
proctor_audit_mark_start(const proctor_audit_start_t *start, char *buf)
{
    proctor_audit_mark_t mark;

    proctor_audit_mark_begin(&mark, buf, start->time_us, "start");

    proctor_audit_mark_text(&mark, "file", &start->file);
    proctor_audit_mark_text(&mark, "origin", &start->origin);
    proctor_audit_mark_text(&mark, "reason", &start->reason);
    proctor_audit_mark_put(&mark, ",\"previous\":");
    proctor_audit_mark_previous(&mark, start);
    proctor_audit_mark_put(&mark, "}\n");

    return (size_t) (mark.pos - buf);
}


size_t
proctor_audit_mark_torn(const proctor_audit_torn_t *torn, char *buf)
{
    size_t i;
    proctor_audit_mark_t mark;

    proctor_audit_mark_begin(&mark, buf, torn->time_us, "torn");

    proctor_audit_mark_put(&mark, ",\"at\":%llu,\"bytes\":%llu,\"sha256\":\"",
        (unsigned long long) torn->at, (unsigned long long) torn->bytes);

    for (i = 0; i < PROCTOR_SHA256_LEN; i++) {
        proctor_audit_mark_put(&mark, "%02x", torn->sha256[i]);
    }

    proctor_audit_mark_put(&mark, "\"}\n");

    return (size_t) (mark.pos - buf);
}


static void
proctor_audit_mark_begin(
    proctor_audit_mark_t *mark, char *buf, int64_t time_us, const char *kind)
{
    mark->pos = buf;
    mark->last = buf + PROCTOR_AUDIT_LINE;

    proctor_audit_mark_put(mark, "{\"v\":1,\"time\":\"");
    mark->pos = proctor_time_format(mark->pos, time_us);
    proctor_audit_mark_put(mark, "\",\"kind\":\"%s\"", kind);
}


/* Everything fits: that is asserted above; vsnprintf() is not trusted to it. */

static void
proctor_audit_mark_put(proctor_audit_mark_t *mark, const char *fmt, ...)
{
    int n;
    size_t room;
    va_list args;

    room = (size_t) (mark->last - mark->pos);

    va_start(args, fmt);
    n = vsnprintf(mark->pos, room, fmt, args);
    va_end(args);

    if (n > 0) {
        mark->pos += (size_t) n < room ? (size_t) n : room;
    }
}


static void
proctor_audit_mark_text(
    proctor_audit_mark_t *mark, const char *name, const proctor_str_t *text)
{
    size_t used;

    proctor_audit_mark_put(mark, ",\"%s\":\"", name);
    mark->pos += proctor_escape_json(
        mark->pos, PROCTOR_AUDIT_MARK_TEXT, text->data, text->len, &used);
    proctor_audit_mark_put(mark, "\"");
}


static void
proctor_audit_mark_previous(
    proctor_audit_mark_t *mark, const proctor_audit_start_t *start)
{
    size_t used;
    char root[proctor_base64_len(PROCTOR_SHA256_LEN) + 1];

    if (start->previous_file.data == NULL) {
        proctor_audit_mark_put(mark, "null");
        return;
    }

    proctor_base64_encode(root, start->previous_root, PROCTOR_SHA256_LEN);

    proctor_audit_mark_put(mark, "{\"file\":\"");
    mark->pos += proctor_escape_json(mark->pos, PROCTOR_AUDIT_MARK_TEXT,
        start->previous_file.data, start->previous_file.len, &used);
    proctor_audit_mark_put(mark, "\",\"size\":%llu,\"root\":\"%s\"}",
        (unsigned long long) start->previous_size, root);
}
