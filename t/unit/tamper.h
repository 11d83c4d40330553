/*
 * What somebody can do to the records of a trail, and what has to be said of
 * it: the first bad record, and how it is bad.
 */

#ifndef TAMPER_H_INCLUDED
#define TAMPER_H_INCLUDED

#include "trail.h"


typedef struct {
    const char *name;
    size_t k;
    char *bytes; /* of the trail after it */
    size_t len;
    uint64_t bad; /* the first bad record */
    proctor_verify_e kind;
} tamper_case_t;


static trail_t trail, other;


/* line k of a trail */

static void
tamper_add(tamper_case_t *c, const trail_t *of, size_t k)
{
    memcpy(c->bytes + c->len, of->bytes + of->at[k], of->at[k + 1] - of->at[k]);
    c->len += of->at[k + 1] - of->at[k];
}


typedef void (*tamper_pt)(tamper_case_t *c);

static void
tamper_delete(tamper_case_t *c)
{
    c->bad = c->k + 1;
    c->kind =
        c->k + 1 == trail.n ? PROCTOR_VERIFY_TRUNCATED : PROCTOR_VERIFY_MISSING;
}


static void
tamper_double(tamper_case_t *c)
{
    tamper_add(c, &trail, c->k);
    tamper_add(c, &trail, c->k);
    c->bad = c->k + 2;
    /* behind the last checkpoint only a record's own sense is to be had */
    c->kind =
        c->k + 1 == trail.n ? PROCTOR_VERIFY_NO_INTENT : PROCTOR_VERIFY_ADDED;
}


static void
tamper_swap(tamper_case_t *c)
{
    tamper_add(c, &trail, c->k + 1);
    tamper_add(c, &trail, c->k);
    c->k++;
    c->bad = c->k;
    c->kind = PROCTOR_VERIFY_MOVED;
}


static void
tamper_insert(tamper_case_t *c)
{
    tamper_add(c, &other, 1);
    tamper_add(c, &trail, c->k);
    c->bad = c->k + 1;
    c->kind = PROCTOR_VERIFY_ADDED;
}


static void
tamper_splice(tamper_case_t *c)
{
    tamper_add(c, &other, c->k);
    c->bad = c->k + 1;
    c->kind = PROCTOR_VERIFY_CHANGED;
}


/* everything from here on is another trail's */

static void
tamper_graft(tamper_case_t *c)
{
    for (c->bad = c->k + 1; c->k < other.n; c->k++) {
        tamper_add(c, &other, c->k);
    }

    c->kind = PROCTOR_VERIFY_CHANGED;
}


static const struct {
    const char *name;
    tamper_pt how;
    size_t less; /* records that it needs behind it */
} tampers[] = { { "delete", tamper_delete, 0 }, { "double", tamper_double, 0 },
    { "swap", tamper_swap, 1 }, { "insert", tamper_insert, 0 },
    { "splice", tamper_splice, 0 }, { "graft", tamper_graft, 0 } };


/* the trail with this done to record k (from 0) */

static void
tamper_do(tamper_case_t *c, size_t how, size_t k)
{
    c->name = tampers[how].name;
    c->k = k;
    c->len = trail.at[k];
    memcpy(c->bytes, trail.bytes, c->len);

    tampers[how].how(c);

    for (k = c->k + 1; k < trail.n; k++) {
        tamper_add(c, &trail, k);
    }
}

#endif /* TAMPER_H_INCLUDED */
