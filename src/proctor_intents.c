/*
 * The intents that are open, and how far each worker has counted.
 *
 * A trail of any length has few intents open at a time, so they fit into
 * memory when the records do not.  That no intent occurs twice cannot be told
 * from the open ones alone; but a worker's counter grows with each of them, so
 * its last value tells it.
 *
 * Both tables are open addressing with linear probing over a power of two, at
 * most half full; a deletion moves what follows it up, so that there are no
 * tombstones.  Who fills a trail cannot choose collisions that matter more
 * than the bound does.
 */

#include <stdlib.h>
#include <string.h>

#include "proctor_audit.h"


#define PROCTOR_INTENTS_FREE UINT64_MAX
#define PROCTOR_INTENTS_SIZE 256 /* to begin with */


static proctor_intent_t *proctor_intents_slot(
    const proctor_intents_table_t *table, uint64_t worker, uint64_t counter);
static size_t proctor_intents_home(
    const proctor_intents_table_t *table, uint64_t worker, uint64_t counter);
static int proctor_intents_add(
    proctor_intents_table_t *table, const proctor_intent_t *intent);
static int proctor_intents_grow(proctor_intents_table_t *table);
static void proctor_intents_remove(
    proctor_intents_table_t *table, proctor_intent_t *slot);


int
proctor_intents_open(proctor_intents_t *intents, const proctor_intent_t *intent)
{
    proctor_intent_t *found, worker;

    if (intent->counter == PROCTOR_INTENTS_FREE) {
        return PROCTOR_INVALID;
    }

    found = proctor_intents_slot(&intents->workers, intent->worker, 0);

    if (found == NULL) {
        worker.worker = intent->worker;
        worker.counter = 0;
        worker.at = intent->counter;

        if (proctor_intents_add(&intents->workers, &worker) != PROCTOR_OK) {
            return PROCTOR_ERROR;
        }

    } else if (found->at >= intent->counter) {
        return PROCTOR_INVALID;

    } else {
        found->at = intent->counter;
    }

    return proctor_intents_add(&intents->open, intent);
}


int
proctor_intents_close(
    proctor_intents_t *intents, uint64_t worker, uint64_t counter)
{
    proctor_intent_t *found;

    found = proctor_intents_slot(&intents->open, worker, counter);
    if (found == NULL) {
        return PROCTOR_INVALID;
    }

    proctor_intents_remove(&intents->open, found);

    return PROCTOR_OK;
}


const proctor_intent_t *
proctor_intents_find(
    const proctor_intents_t *intents, uint64_t worker, uint64_t counter)
{
    return proctor_intents_slot(&intents->open, worker, counter);
}


void
proctor_intents_each(const proctor_intents_t *intents,
    int (*fn)(void *data, const proctor_intent_t *intent), void *data)
{
    size_t i;

    for (i = 0; i < intents->open.nslots; i++) {
        if (intents->open.slots[i].at != PROCTOR_INTENTS_FREE
            && fn(data, &intents->open.slots[i]) != 0) {
            return;
        }
    }
}


void
proctor_intents_free(proctor_intents_t *intents)
{
    free(intents->open.slots);
    free(intents->workers.slots);
}


static proctor_intent_t *
proctor_intents_slot(
    const proctor_intents_table_t *table, uint64_t worker, uint64_t counter)
{
    size_t i;
    proctor_intent_t *slot;

    if (table->nslots == 0) {
        return NULL;
    }

    i = proctor_intents_home(table, worker, counter);

    for (;; i = (i + 1) & (table->nslots - 1)) {
        slot = &table->slots[i];

        if (slot->at == PROCTOR_INTENTS_FREE) {
            return NULL;
        }

        if (slot->worker == worker && slot->counter == counter) {
            return slot;
        }
    }
}


/* the finalizer of SplitMix64, over both */

static size_t
proctor_intents_home(
    const proctor_intents_table_t *table, uint64_t worker, uint64_t counter)
{
    uint64_t x;

    x = worker ^ (counter * 0x9e3779b97f4a7c15u);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    x ^= x >> 31;

    return (size_t) x & (table->nslots - 1);
}


/* that it is not there yet is the caller's duty */

static int
proctor_intents_add(
    proctor_intents_table_t *table, const proctor_intent_t *intent)
{
    size_t i;

    if (2 * table->count >= table->nslots
        && proctor_intents_grow(table) != PROCTOR_OK) {
        return PROCTOR_ERROR;
    }

    i = proctor_intents_home(table, intent->worker, intent->counter);

    while (table->slots[i].at != PROCTOR_INTENTS_FREE) {
        i = (i + 1) & (table->nslots - 1);
    }

    table->slots[i] = *intent;
    table->count++;

    return PROCTOR_OK;
}


static int
proctor_intents_grow(proctor_intents_table_t *table)
{
    size_t i, old;
    proctor_intent_t *slots;

    if (table->count >= PROCTOR_SEAL_OPEN_MAX) {
        return PROCTOR_ERROR;
    }

    slots = table->slots;
    old = table->nslots;

    table->nslots = old == 0 ? PROCTOR_INTENTS_SIZE : 2 * old;
    table->slots = malloc(table->nslots * sizeof(proctor_intent_t));

    if (table->slots == NULL) {
        table->slots = slots;
        table->nslots = old;
        return PROCTOR_ERROR;
    }

    /* all of them are free */
    memset(table->slots, 0xff, table->nslots * sizeof(proctor_intent_t));
    table->count = 0;

    for (i = 0; i < old; i++) {
        if (slots[i].at != PROCTOR_INTENTS_FREE) {
            (void) proctor_intents_add(table, &slots[i]);
        }
    }

    free(slots);

    return PROCTOR_OK;
}


/* What stands behind it in its run moves up, unless it is at home there. */

static void
proctor_intents_remove(proctor_intents_table_t *table, proctor_intent_t *slot)
{
    size_t i, hole, home, mask;

    mask = table->nslots - 1;
    hole = (size_t) (slot - table->slots);

    for (i = (hole + 1) & mask; table->slots[i].at != PROCTOR_INTENTS_FREE;
         i = (i + 1) & mask) {
        home = proctor_intents_home(
            table, table->slots[i].worker, table->slots[i].counter);

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table->slots[hole] = table->slots[i];
            hole = i;
        }
    }

    table->slots[hole].at = PROCTOR_INTENTS_FREE;
    table->count--;
}
