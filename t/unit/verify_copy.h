/*
 * A verifier in the middle of a file, twice: what comes next can be fed to the
 * copy, again and again, without what came before.  It knows the verifier's
 * insides, as nobody but its own files does; what the copy says is the
 * product's word all the same.
 */

#ifndef VERIFY_COPY_H_INCLUDED
#define VERIFY_COPY_H_INCLUDED

#include <stdlib.h>
#include <string.h>

#include "proctor_seal.h"
#include "proctor_verify.h"


static void
verify_copy_table(proctor_intents_table_t *table)
{
    size_t size;
    proctor_intent_t *slots;

    size = table->nslots * sizeof(proctor_intent_t);
    slots = table->slots;

    if (size != 0) {
        table->slots = malloc(size);
        memcpy(table->slots, slots, size);
    }
}


/* at the end of a line, of a file without a damaged one; destroyed as any */

static proctor_verify_t *
verify_copy(const proctor_verify_t *of)
{
    proctor_seal_t *seal;
    proctor_verify_t *copy;

    if (of->seal->ndamaged != 0 || of->seal->state.pending != 0) {
        abort();
    }

    copy = malloc(sizeof(proctor_verify_t));
    seal = malloc(sizeof(proctor_seal_t));

    *copy = *of;
    *seal = *of->seal;
    copy->seal = seal;
    seal->data = copy;

    verify_copy_table(&seal->intents.open);
    verify_copy_table(&seal->intents.workers);

    /* these are of one line, and of one feed */
    proctor_json_init(&seal->doc);
    seal->damaged = NULL;
    seal->leaves = NULL;
    seal->nleaves = 0;
    seal->max_leaves = 0;

    return copy;
}

#endif /* VERIFY_COPY_H_INCLUDED */
