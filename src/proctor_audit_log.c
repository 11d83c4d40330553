/*
 * One audit record as one line of JSON (DESIGN.md section 6).
 *
 *     {"v":1,"time":"2026-01-01T00:00:00.000000Z","kind":"call",...}\n
 *
 * The members' order and names are a format that verifiers rely on: a new one
 * goes to the end of its table, none is renamed.  The line is ASCII, whatever
 * a client sent, and holds no newline but its last byte.
 *
 * Each text has room of its own, so that no field that a client can blow up
 * takes the place of another; that all of them together fit into a line is
 * asserted when this is compiled.  Called for every request: everything is
 * written once, in place, by hand.
 */

#include <string.h>

#include "proctor.h"


#define PROCTOR_AUDIT_TARGETS     400 /* all values of targets, escaped */
#define PROCTOR_AUDIT_TARGET_NAME 32

#define PROCTOR_AUDIT_CUTS 256 /* the names of all that can be cut */

/* "18446744073709551615" or "-9223372036854775808" */
#define PROCTOR_AUDIT_INT 20


typedef struct {
    char *pos;
    char cuts[PROCTOR_AUDIT_CUTS]; /* ,"path","query" */
    char *cuts_end;
} proctor_audit_line_t;


static void proctor_audit_log_call(
    proctor_audit_line_t *line, const proctor_audit_record_t *record);
static void proctor_audit_log_caller(
    proctor_audit_line_t *line, const proctor_audit_record_t *record);
static void proctor_audit_log_what(
    proctor_audit_line_t *line, const proctor_audit_record_t *record);
static void proctor_audit_log_why(
    proctor_audit_line_t *line, const proctor_audit_record_t *record);
static void proctor_audit_log_text(proctor_audit_line_t *line,
    const proctor_str_t *text, size_t max, const char *name, size_t len);
static int proctor_audit_log_escape(
    proctor_audit_line_t *line, const proctor_str_t *text, size_t max);
static void proctor_audit_log_cut(
    proctor_audit_line_t *line, const char *name, size_t len);
static void proctor_audit_log_targets(
    proctor_audit_line_t *line, const proctor_audit_record_t *record);
static void proctor_audit_log_body(
    proctor_audit_line_t *line, const proctor_audit_record_t *record);
static void proctor_audit_log_numbers(
    proctor_audit_line_t *line, const proctor_audit_record_t *record);
static void proctor_audit_log_body_text(
    proctor_audit_line_t *line, const proctor_str_t *text, const char *buf);
static char *proctor_audit_log_int(char *dst, int64_t value);
static char *proctor_audit_log_uint(char *dst, uint64_t value);
static char *proctor_audit_log_copy(char *dst, const char *s, size_t len);


/* a constant: its length is known when this is compiled */
#define proctor_audit_log_put(dst, s)                                          \
    proctor_audit_log_copy((dst), (s), sizeof(s) - 1)


/* the texts before the targets and behind the body: name, room when escaped */

/* clang-format off */
#define PROCTOR_AUDIT_CALL(_)                                                  \
    _(kind, 16) _(rid, 128) _(id, PROCTOR_AUDIT_ID_MAX)

#define PROCTOR_AUDIT_WHO(_)                                                   \
    _(contract, 128) _(operation, 128) _(team, 128) _(key, 128)                \
    _(actor, 128) _(account, 128)

#define PROCTOR_AUDIT_WHAT(_)                                                  \
    _(client, 64) _(method, 32) _(path, 560) _(query, 384) _(claimed, 96)

#define PROCTOR_AUDIT_WHY(_)                                                   \
    _(decision, 16) _(reason, 48) _(detail, 320) _(result, 16) _(cache, 16)    \
    _(created, 96)

/* the key is a constant of known length, and so no call of memcpy() */
#define proctor_audit_field(name, max)                                         \
    if (record->name.data != NULL) {                                           \
        line->pos =                                                            \
            proctor_audit_log_put(line->pos, ",\"" #name "\":\"");             \
        proctor_audit_log_text(                                                \
            line, &record->name, max, #name, sizeof(#name) - 1);               \
    }
/* clang-format on */

#define PROCTOR_AUDIT_HEAD     "{\"v\":1,\"time\":\""
#define PROCTOR_AUDIT_OBJECT   ",\"targets\":{"
#define PROCTOR_AUDIT_SHA256   ",\"body_sha256\":\""
#define PROCTOR_AUDIT_LEN      ",\"body_len\":"
#define PROCTOR_AUDIT_STATUS   ",\"status\":"
#define PROCTOR_AUDIT_UPSTREAM ",\"upstream_status\":"
#define PROCTOR_AUDIT_TOOK     ",\"duration_ms\":"
#define PROCTOR_AUDIT_ASKED    ",\"upstream_ms\":"
#define PROCTOR_AUDIT_TEXT     ",\"body\":\""
#define PROCTOR_AUDIT_TRUNC    ",\"trunc\":["
#define PROCTOR_AUDIT_END      "]}\n"

/* sizeof's NUL stands for a closing quote or brace */

/* clang-format off */
#define proctor_audit_room(name, max) + sizeof(",\"" #name "\":\"") + (max)
#define proctor_audit_name(name, max) + sizeof(",\"" #name "\"")

#define PROCTOR_AUDIT_NAMES                                                    \
    (sizeof(",\"targets\"") + sizeof(",\"body\"")                              \
     PROCTOR_AUDIT_CALL(proctor_audit_name)                                    \
     PROCTOR_AUDIT_WHO(proctor_audit_name)                                     \
     PROCTOR_AUDIT_WHAT(proctor_audit_name)                                    \
     PROCTOR_AUDIT_WHY(proctor_audit_name))

/* what can follow the body's text */
#define PROCTOR_AUDIT_LAST                                                     \
    (sizeof(PROCTOR_AUDIT_TRUNC) + PROCTOR_AUDIT_NAMES                         \
     + sizeof(PROCTOR_AUDIT_END))

#define PROCTOR_AUDIT_LONGEST                                                  \
    (sizeof(PROCTOR_AUDIT_HEAD) + PROCTOR_TIME_LEN                             \
     PROCTOR_AUDIT_CALL(proctor_audit_room)                                    \
     PROCTOR_AUDIT_WHO(proctor_audit_room)                                     \
     PROCTOR_AUDIT_WHAT(proctor_audit_room)                                    \
     + sizeof(PROCTOR_AUDIT_OBJECT) + PROCTOR_AUDIT_TARGETS                    \
     + PROCTOR_PATH_PARAMS * (PROCTOR_AUDIT_TARGET_NAME + sizeof(",\"\":\"\""))\
     + sizeof(PROCTOR_AUDIT_SHA256) + 2 * PROCTOR_SHA256_LEN                   \
     + sizeof(PROCTOR_AUDIT_LEN) + PROCTOR_AUDIT_INT                           \
     PROCTOR_AUDIT_WHY(proctor_audit_room)                                     \
     + sizeof(PROCTOR_AUDIT_STATUS) + PROCTOR_AUDIT_INT                        \
     + sizeof(PROCTOR_AUDIT_UPSTREAM) + PROCTOR_AUDIT_INT                      \
     + sizeof(PROCTOR_AUDIT_TOOK) + PROCTOR_AUDIT_INT                          \
     + sizeof(PROCTOR_AUDIT_ASKED) + PROCTOR_AUDIT_INT                         \
     + sizeof(PROCTOR_AUDIT_TEXT) + PROCTOR_AUDIT_LAST)
/* clang-format on */

_Static_assert(
    PROCTOR_AUDIT_NAMES <= PROCTOR_AUDIT_CUTS, "names fit into cuts");
_Static_assert(PROCTOR_AUDIT_LONGEST <= PROCTOR_AUDIT_LINE, "a line fits");
_Static_assert(
    (0 PROCTOR_AUDIT_WHO(proctor_audit_room)) <= PROCTOR_AUDIT_WHO_MAX,
    "the ready members fit");


size_t
proctor_audit_log_format(const proctor_audit_record_t *record, char *buf)
{
    proctor_audit_line_t line;

    line.cuts_end = line.cuts;

    line.pos = proctor_audit_log_put(buf, PROCTOR_AUDIT_HEAD);
    line.pos =
        (record->time != NULL)
            ? proctor_audit_log_copy(line.pos, record->time, PROCTOR_TIME_LEN)
            : proctor_time_format(line.pos, record->time_us);
    *line.pos++ = '"';

    proctor_audit_log_call(&line, record);

    if (record->who.data != NULL) {
        line.pos =
            proctor_audit_log_copy(line.pos, record->who.data, record->who.len);

    } else {
        proctor_audit_log_caller(&line, record);
    }

    proctor_audit_log_what(&line, record);
    proctor_audit_log_targets(&line, record);
    proctor_audit_log_body(&line, record);
    proctor_audit_log_why(&line, record);
    proctor_audit_log_numbers(&line, record);

    if (record->body.data != NULL) {
        proctor_audit_log_body_text(&line, &record->body, buf);
    }

    if (line.cuts_end != line.cuts) {
        line.pos = proctor_audit_log_put(line.pos, PROCTOR_AUDIT_TRUNC);
        line.pos = proctor_audit_log_copy(
            line.pos, line.cuts + 1, (size_t) (line.cuts_end - line.cuts - 1));
        *line.pos++ = ']';
    }

    *line.pos++ = '}';
    *line.pos++ = '\n';

    return (size_t) (line.pos - buf);
}


size_t
proctor_audit_log_who(const proctor_audit_record_t *record, char *buf)
{
    proctor_audit_line_t line;

    line.pos = buf;
    line.cuts_end = line.cuts;

    proctor_audit_log_caller(&line, record);

    return (line.cuts_end == line.cuts) ? (size_t) (line.pos - buf) : 0;
}


static void
proctor_audit_log_call(
    proctor_audit_line_t *line, const proctor_audit_record_t *record)
{
    PROCTOR_AUDIT_CALL(proctor_audit_field)
}


static void
proctor_audit_log_caller(
    proctor_audit_line_t *line, const proctor_audit_record_t *record)
{
    PROCTOR_AUDIT_WHO(proctor_audit_field)
}


static void
proctor_audit_log_what(
    proctor_audit_line_t *line, const proctor_audit_record_t *record)
{
    PROCTOR_AUDIT_WHAT(proctor_audit_field)
}


static void
proctor_audit_log_why(
    proctor_audit_line_t *line, const proctor_audit_record_t *record)
{
    PROCTOR_AUDIT_WHY(proctor_audit_field)
}


static void
proctor_audit_log_text(proctor_audit_line_t *line, const proctor_str_t *text,
    size_t max, const char *name, size_t len)
{
    if (!proctor_audit_log_escape(line, text, max)) {
        proctor_audit_log_cut(line, name, len);
    }
}


/* Writes the text and its closing quote; 0: it had to be cut. */

static int
proctor_audit_log_escape(
    proctor_audit_line_t *line, const proctor_str_t *text, size_t max)
{
    char *p;
    size_t used, more;

    p = line->pos;
    used =
        proctor_escape_copy(p, text->data, text->len < max ? text->len : max);
    p += used;

    if (used != text->len) {
        p += proctor_escape_json(
            p, max - used, text->data + used, text->len - used, &more);
        used += more;
    }

    *p++ = '"';
    line->pos = p;

    return used == text->len;
}


static void
proctor_audit_log_cut(proctor_audit_line_t *line, const char *name, size_t len)
{
    *line->cuts_end++ = ',';
    *line->cuts_end++ = '"';
    line->cuts_end = proctor_audit_log_copy(line->cuts_end, name, len);
    *line->cuts_end++ = '"';
}


/* The room is shared out evenly, so that no target displaces another. */

static void
proctor_audit_log_targets(
    proctor_audit_line_t *line, const proctor_audit_record_t *record)
{
    int cut;
    size_t max;
    unsigned i, n;

    n = record->ntargets;
    if (n == 0) {
        return;
    }

    cut = n > PROCTOR_PATH_PARAMS;
    n = cut ? PROCTOR_PATH_PARAMS : n;
    max = PROCTOR_AUDIT_TARGETS / n;

    line->pos = proctor_audit_log_put(line->pos, PROCTOR_AUDIT_OBJECT);

    for (i = 0; i < n; i++) {
        if (i != 0) {
            *line->pos++ = ',';
        }

        *line->pos++ = '"';
        cut |= !proctor_audit_log_escape(
            line, &record->target_names[i], PROCTOR_AUDIT_TARGET_NAME);
        *line->pos++ = ':';
        *line->pos++ = '"';
        cut |= !proctor_audit_log_escape(line, &record->targets[i], max);
    }

    *line->pos++ = '}';

    if (cut) {
        proctor_audit_log_cut(line, "targets", sizeof("targets") - 1);
    }
}


static void
proctor_audit_log_body(
    proctor_audit_line_t *line, const proctor_audit_record_t *record)
{
    char *p;

    if (record->body_sha256 == NULL) {
        return;
    }

    p = proctor_audit_log_put(line->pos, PROCTOR_AUDIT_SHA256);

    p = proctor_hex_write(p, record->body_sha256, PROCTOR_SHA256_LEN);
    *p++ = '"';

    p = proctor_audit_log_put(p, PROCTOR_AUDIT_LEN);
    line->pos = proctor_audit_log_uint(p, record->body_len);
}


static void
proctor_audit_log_numbers(
    proctor_audit_line_t *line, const proctor_audit_record_t *record)
{
    if (record->status != 0) {
        line->pos = proctor_audit_log_put(line->pos, PROCTOR_AUDIT_STATUS);
        line->pos = proctor_audit_log_uint(line->pos, record->status);
    }

    if (record->upstream_status != 0) {
        line->pos = proctor_audit_log_put(line->pos, PROCTOR_AUDIT_UPSTREAM);
        line->pos = proctor_audit_log_uint(line->pos, record->upstream_status);
    }

    if (!record->unfinished) {
        line->pos = proctor_audit_log_put(line->pos, PROCTOR_AUDIT_TOOK);
        line->pos = proctor_audit_log_int(line->pos, record->duration_ms);
    }

    if (record->upstream_ms >= 0) {
        line->pos = proctor_audit_log_put(line->pos, PROCTOR_AUDIT_ASKED);
        line->pos = proctor_audit_log_int(line->pos, record->upstream_ms);
    }
}


/* The last, because it gets all the room that is left. */

static void
proctor_audit_log_body_text(
    proctor_audit_line_t *line, const proctor_str_t *text, const char *buf)
{
    size_t used;

    line->pos = proctor_audit_log_put(line->pos, PROCTOR_AUDIT_TEXT);
    used = (size_t) (line->pos - buf);

    if (!proctor_audit_log_escape(
            line, text, PROCTOR_AUDIT_LINE - PROCTOR_AUDIT_LAST - used)) {
        proctor_audit_log_cut(line, "body", sizeof("body") - 1);
    }
}


static char *
proctor_audit_log_int(char *dst, int64_t value)
{
    if (value < 0) {
        *dst++ = '-';
        return proctor_audit_log_uint(dst, 0 - (uint64_t) value);
    }

    return proctor_audit_log_uint(dst, (uint64_t) value);
}


static char *
proctor_audit_log_uint(char *dst, uint64_t value)
{
    size_t len;
    char digits[PROCTOR_AUDIT_INT], *p;

    p = digits + sizeof(digits);

    do {
        *--p = (char) ('0' + value % 10);
        value /= 10;
    } while (value != 0);

    len = (size_t) (digits + sizeof(digits) - p);
    memcpy(dst, p, len);

    return dst + len;
}


static char *
proctor_audit_log_copy(char *dst, const char *s, size_t len)
{
    memcpy(dst, s, len);

    return dst + len;
}
