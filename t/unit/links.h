/*
 * For the tests of the links filter: where its output goes, and the same text
 * cut in every way.
 */

#ifndef UNIT_LINKS_H_INCLUDED
#define UNIT_LINKS_H_INCLUDED

#include <stdlib.h>

#include "proctor.h"
#include "proctor_links.h"
#include "tap.h"


#define ORIGIN "https://gw.example"


typedef struct {
    char *bytes;
    size_t len;
    size_t size;
    int rc;
    int fail_after; /* emits that succeed; -1: all */
} links_out_t;


static const proctor_str_t names[] = {
    proctor_str("next"),
    proctor_str("previous"),
    proctor_str("l\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80"),
    proctor_str("\xf0\x90\x88\x80"),
};

static const proctor_str_t origin = proctor_str(ORIGIN);


static int
links_emit(void *data, const char *bytes, size_t len)
{
    links_out_t *out;

    out = data;

    if (len == 0 || out->fail_after == 0) {
        return PROCTOR_ERROR;
    }

    if (out->fail_after > 0) {
        out->fail_after--;
    }

    if (out->len + len > out->size) {
        out->size = 2 * (out->len + len);
        out->bytes = realloc(out->bytes, out->size);

        if (out->bytes == NULL) {
            exit(2);
        }
    }

    memcpy(out->bytes + out->len, bytes, len);
    out->len += len;

    return PROCTOR_OK;
}


/* the text in one piece of `first` bytes, then pieces of `piece` bytes */

static void
links_run(
    links_out_t *out, const char *text, size_t len, size_t first, size_t piece)
{
    char *copy;
    size_t n, done;
    proctor_links_t l;

    out->len = 0;
    out->fail_after = -1;

    proctor_links_init(
        &l, names, sizeof(names) / sizeof(names[0]), &origin, links_emit, out);

    n = first;

    for (done = 0; done < len; done += n, n = piece) {
        if (n > len - done) {
            n = len - done;
        }

        /* of its own, so that a byte read past it is noticed */
        copy = malloc(n + (n == 0));

        if (copy == NULL) {
            exit(2);
        }

        memcpy(copy, text + done, n);
        (void) proctor_links_feed(&l, copy, n);
        memset(copy, '"', n);
        free(copy);
    }

    out->rc = proctor_links_end(&l);
}


static int
links_same(const links_out_t *a, const links_out_t *b)
{
    return a->rc == b->rc && a->len == b->len
           && (a->len == 0 || memcmp(a->bytes, b->bytes, a->len) == 0);
}


/* how many of all ways to cut the text in two, and into bytes, differ */

static unsigned
links_splits(const links_out_t *whole, const char *text, size_t len)
{
    size_t i;
    unsigned differ;
    links_out_t out;

    memset(&out, 0, sizeof(out));
    differ = 0;

    for (i = 0; i <= len; i++) {
        links_run(&out, text, len, i, len + 1);
        differ += !links_same(whole, &out);
    }

    for (i = 1; i < 5 && i < len; i++) {
        links_run(&out, text, len, i, i);
        differ += !links_same(whole, &out);
    }

    free(out.bytes);

    return differ;
}

#endif /* UNIT_LINKS_H_INCLUDED */
