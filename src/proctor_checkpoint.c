/*
 * Checkpoints (C2SP tlog-checkpoint): what a log held when it was sealed, as a
 * signed note.
 *
 * Written by the sealer and by nobody else; read by the sealer when it starts,
 * and by who verifies.  Numbers have one spelling, roots are 32 bytes: a text
 * that says the same in other words is refused.  Lines after the root that we
 * do not know are kept out of it, as the specification asks.
 */

#include <stdio.h>
#include <string.h>

#include "proctor_audit.h"


#define PROCTOR_CHECKPOINT_TIME "time "
#define PROCTOR_CHECKPOINT_ROOT proctor_base64_len(PROCTOR_SHA256_LEN)


static int proctor_checkpoint_parse(
    proctor_checkpoint_t *checkpoint, const proctor_str_t *text);
static int proctor_checkpoint_line(proctor_str_t *text, proctor_str_t *line);
static int proctor_checkpoint_size(const proctor_str_t *line, uint64_t *size);
static int proctor_checkpoint_time(const proctor_str_t *line, int64_t *us);


size_t
proctor_checkpoint_sign(const proctor_checkpoint_t *checkpoint,
    const proctor_note_signer_t *signer, char *buf)
{
    int n;
    size_t len;
    proctor_str_t text;
    char root[PROCTOR_CHECKPOINT_ROOT + 1], time[PROCTOR_TIME_LEN + 1];

    proctor_base64_encode(
        root, checkpoint->head.root.bytes, PROCTOR_SHA256_LEN);
    *proctor_time_format(time, checkpoint->time_us) = '\0';

    n = snprintf(buf, PROCTOR_CHECKPOINT_MAX,
        "%s\n%llu\n%s\n" PROCTOR_CHECKPOINT_TIME "%s\n\n", checkpoint->origin,
        (unsigned long long) checkpoint->head.size, root, time);

    if (n < 0 || (size_t) n + PROCTOR_NOTE_LINE > PROCTOR_CHECKPOINT_MAX) {
        return 0;
    }

    /* the empty line is not signed */

    text.data = buf;
    text.len = (size_t) n - 1;
    len = proctor_note_sign(signer, &text, buf + n);

    return len != 0 ? (size_t) n + len : 0;
}


int
proctor_checkpoint_read(proctor_checkpoint_t *checkpoint,
    const proctor_note_verifier_t *verifier, const char *note, size_t len,
    const char **reason)
{
    proctor_str_t text;

    if (proctor_note_open(NULL, note, len, &text) != PROCTOR_OK
        || proctor_checkpoint_parse(checkpoint, &text) != PROCTOR_OK) {
        *reason = "is no checkpoint";
        return PROCTOR_INVALID;
    }

    if (verifier != NULL
        && proctor_note_open(verifier, note, len, &text) != PROCTOR_OK) {
        *reason = "is not signed by this key";
        return PROCTOR_INVALID;
    }

    return PROCTOR_OK;
}


static int
proctor_checkpoint_parse(
    proctor_checkpoint_t *checkpoint, const proctor_str_t *text)
{
    proctor_str_t rest, line;

    rest = *text;

    if (!proctor_checkpoint_line(&rest, &line)
        || line.len > PROCTOR_CHECKPOINT_ORIGIN_MAX
        || memchr(line.data, '\0', line.len) != NULL) {
        return PROCTOR_INVALID;
    }

    memcpy(checkpoint->origin, line.data, line.len);
    checkpoint->origin[line.len] = '\0';

    if (!proctor_checkpoint_line(&rest, &line)
        || !proctor_checkpoint_size(&line, &checkpoint->head.size)) {
        return PROCTOR_INVALID;
    }

    if (!proctor_checkpoint_line(&rest, &line)
        || proctor_base64_decode(checkpoint->head.root.bytes,
               PROCTOR_SHA256_LEN, line.data, line.len)
               != PROCTOR_OK) {
        return PROCTOR_INVALID;
    }

    checkpoint->time_us = -1;

    while (rest.len != 0) {
        if (!proctor_checkpoint_line(&rest, &line)
            || !proctor_checkpoint_time(&line, &checkpoint->time_us)) {
            return PROCTOR_INVALID;
        }
    }

    return PROCTOR_OK;
}


/* takes one line, which is not empty, off the text */

static int
proctor_checkpoint_line(proctor_str_t *text, proctor_str_t *line)
{
    const char *newline;

    newline = text->len != 0 ? memchr(text->data, '\n', text->len) : NULL;

    if (newline == NULL || newline == text->data) {
        return 0;
    }

    line->data = text->data;
    line->len = (size_t) (newline - text->data);

    text->data = newline + 1;
    text->len -= line->len + 1;

    return 1;
}


static int
proctor_checkpoint_size(const proctor_str_t *line, uint64_t *size)
{
    size_t i;
    uint64_t digit;

    *size = 0;

    if (line->data[0] == '0' && line->len > 1) {
        return 0;
    }

    for (i = 0; i < line->len; i++) {
        if (line->data[i] < '0' || line->data[i] > '9') {
            return 0;
        }

        digit = (uint64_t) (line->data[i] - '0');

        if (*size > (UINT64_MAX - digit) / 10) {
            return 0;
        }

        *size = *size * 10 + digit;
    }

    return 1;
}


/* 0: a time that is none; other extension lines are left alone */

static int
proctor_checkpoint_time(const proctor_str_t *line, int64_t *us)
{
    size_t skip;
    int64_t seconds;
    const char *micro;

    skip = sizeof(PROCTOR_CHECKPOINT_TIME) - 1;

    if (line->len < skip
        || memcmp(line->data, PROCTOR_CHECKPOINT_TIME, skip) != 0) {
        return 1;
    }

    if (*us != -1 || line->len - skip != PROCTOR_TIME_LEN
        || proctor_time_parse(line->data + skip, PROCTOR_TIME_LEN, &seconds)
               != PROCTOR_OK) {
        return 0;
    }

    *us = seconds;

    for (micro = line->data + line->len - 7; *micro != 'Z' && *micro != 'z';
         micro++) {
        *us = *us * 10 + (*micro - '0');
    }

    return 1;
}


/* the text, an empty line, and all the lines of signatures that follow */

size_t
proctor_checkpoint_span(const char *text, size_t len)
{
    size_t span;
    const char *p, *end, *newline;
    static const char dash[] = "\xe2\x80\x94 ";
    enum {
        TEXT,
        EMPTY,
        SIGNATURES
    } state = TEXT;

    end = text + len;
    span = 0;

    for (p = text; p < end; p = newline + 1) {
        newline = memchr(p, '\n', (size_t) (end - p));
        if (newline == NULL) {
            return span;
        }

        if (state != TEXT) {
            if (strncmp(p, dash, sizeof(dash) - 1) != 0) {
                return span;
            }

            state = SIGNATURES;
            span = (size_t) (newline + 1 - text);

        } else if (newline == p) {
            state = EMPTY;
        }
    }

    return span;
}
