/*
 * For how long an answer stays fresh, and whether a request may have it
 * (RFC 9111, 4.2 and 5.2; RFC 5861).
 *
 * Called when an answer was received, and for each request that finds it.
 * What the upstream says in HTTP counts; only when it says nothing of time, the
 * contract does.  Nothing is guessed from Last-Modified.  A window in which a
 * stale answer may do is the answer's own, else the contract's, and none at all
 * when the upstream wants to be asked.
 */

#include <string.h>

#include "proctor_cache.h"


/* ms that an answer stays to be asked about (ETag), once it is stale */
#define PROCTOR_CACHE_VALIDATOR_KEEP 600000


static int64_t proctor_cache_keep(const proctor_cache_answer_t *answer,
    const proctor_cache_freshness_t *freshness);
static int proctor_cache_is_explicit(const proctor_cache_answer_t *answer);
static void proctor_cache_explicit(
    const proctor_cache_answer_t *answer, proctor_cache_freshness_t *freshness);
static int64_t proctor_cache_ttl(
    const proctor_cache_rule_t *rule, proctor_json_t *doc);
static void proctor_cache_windows(const proctor_cache_answer_t *answer,
    const proctor_cache_rule_t *rule, proctor_cache_freshness_t *freshness);
static int64_t proctor_cache_window(int64_t seconds, int64_t fallback);
static int proctor_cache_refuses(
    const proctor_cache_control_t *request, int64_t age, int64_t left);
static int proctor_cache_lags(
    const proctor_cache_control_t *request, int64_t late);


proctor_cache_storable_e
proctor_cache_freshness(const proctor_cache_answer_t *answer,
    const proctor_cache_rule_t *rule, proctor_json_t *doc,
    proctor_cache_freshness_t *freshness, int64_t *keep)
{
    proctor_cache_storable_e storable;

    storable = proctor_cache_storable(answer);
    if (storable != PROCTOR_CACHE_STORABLE) {
        return storable;
    }

    freshness->received = answer->received;
    freshness->age = (answer->age < 0 ? 0 : answer->age * 1000)
                     + (answer->received - answer->requested);
    freshness->flags = 0;

    if (proctor_cache_is_explicit(answer)) {
        proctor_cache_explicit(answer, freshness);

    } else {
        freshness->lifetime = proctor_cache_ttl(rule, doc);

        if (freshness->lifetime < 0 || answer->status != 200
            || proctor_cache_has_pragma(answer)) {
            return PROCTOR_CACHE_NO_TIME;
        }
    }

    proctor_cache_windows(answer, rule, freshness);
    *keep = proctor_cache_keep(answer, freshness);

    return (*keep > 0) ? PROCTOR_CACHE_STORABLE : PROCTOR_CACHE_NO_TIME;
}


/* ms for which it may be of use; 0 or less: it never is */

static int64_t
proctor_cache_keep(const proctor_cache_answer_t *answer,
    const proctor_cache_freshness_t *freshness)
{
    int validator;
    int64_t keep, stale;

    validator = proctor_cache_has_validator(answer);

    /* to be asked about each time, and nothing to ask with */
    if ((freshness->flags & PROCTOR_CACHE_VALIDATE) && !validator) {
        return 0;
    }

    stale = (freshness->stale_if_error > freshness->stale_while_revalidate)
                ? freshness->stale_if_error
                : freshness->stale_while_revalidate;

    if (validator && stale < PROCTOR_CACHE_VALIDATOR_KEEP) {
        stale = PROCTOR_CACHE_VALIDATOR_KEEP;
    }

    keep = freshness->lifetime - freshness->age + stale;

    return (keep < PROCTOR_CACHE_KEEP_MAX) ? keep : PROCTOR_CACHE_KEEP_MAX;
}


static int
proctor_cache_is_explicit(const proctor_cache_answer_t *answer)
{
    return answer->control.s_maxage >= 0 || answer->control.max_age >= 0
           || answer->expires >= 0
           || (answer->control.flags & PROCTOR_CC_NO_CACHE) != 0;
}


static void
proctor_cache_explicit(
    const proctor_cache_answer_t *answer, proctor_cache_freshness_t *freshness)
{
    int64_t apparent, date, seconds;

    date = (answer->date < 0) ? answer->received / 1000 : answer->date;

    /* an upstream whose clock is behind: RFC 9111, 4.2.3 */
    apparent = answer->received - date * 1000;

    if (answer->date >= 0 && apparent > freshness->age && apparent >= 1000) {
        freshness->age = apparent;
    }

    seconds = 0;

    if (answer->control.s_maxage >= 0) {
        seconds = answer->control.s_maxage;

    } else if (answer->control.max_age >= 0) {
        seconds = answer->control.max_age;

    } else if (answer->expires >= 0) {
        seconds = answer->expires - date;
    }

    if (seconds < 0) {
        seconds = 0;
    }

    if (seconds > PROCTOR_CACHE_SECONDS_MAX) {
        seconds = PROCTOR_CACHE_SECONDS_MAX;
    }

    freshness->lifetime = seconds * 1000;
}


int
proctor_cache_wants_body(
    const proctor_cache_answer_t *answer, const proctor_cache_rule_t *rule)
{
    return rule->nwhen != 0 && answer->status == 200
           && !proctor_cache_is_explicit(answer);
}


/* what the contract says of an answer with this body; -1: nothing */

static int64_t
proctor_cache_ttl(const proctor_cache_rule_t *rule, proctor_json_t *doc)
{
    unsigned i;
    uint32_t node;
    proctor_str_t text;
    const proctor_cache_when_t *when;

    for (i = 0; doc != NULL && i < rule->nwhen; i++) {
        when = &rule->when[i];
        node = proctor_json_find(doc, when->pointer);

        if (node != UINT32_MAX && doc->nodes[node].type == PROCTOR_JSON_STRING
            && proctor_json_string(doc, node, &text) == PROCTOR_OK
            && text.len == when->value.len
            && memcmp(text.data, when->value.data, text.len) == 0) {
            return when->ttl;
        }
    }

    return rule->ttl;
}


/* s-maxage speaks as proxy-revalidate does (RFC 9111, 5.2.2.10) */

static void
proctor_cache_windows(const proctor_cache_answer_t *answer,
    const proctor_cache_rule_t *rule, proctor_cache_freshness_t *freshness)
{
    const proctor_cache_control_t *control = &answer->control;

    if (control->flags & PROCTOR_CC_NO_CACHE) {
        freshness->flags |= PROCTOR_CACHE_VALIDATE;
    }

    if ((control->flags
            & (PROCTOR_CC_NO_CACHE | PROCTOR_CC_MUST_REVALIDATE
                | PROCTOR_CC_PROXY_REVALIDATE))
        || control->s_maxage >= 0) {
        freshness->flags |= PROCTOR_CACHE_STRICT;
        freshness->stale_while_revalidate = 0;
        freshness->stale_if_error = 0;
        return;
    }

    freshness->stale_while_revalidate = proctor_cache_window(
        control->stale_while_revalidate, rule->stale_while_revalidate);
    freshness->stale_if_error =
        proctor_cache_window(control->stale_if_error, rule->stale_if_error);
}


static int64_t
proctor_cache_window(int64_t seconds, int64_t fallback)
{
    if (seconds < 0) {
        return fallback;
    }

    return (seconds < PROCTOR_CACHE_KEEP_MAX / 1000) ? seconds * 1000
                                                     : PROCTOR_CACHE_KEEP_MAX;
}


void
proctor_cache_use(const proctor_cache_freshness_t *freshness,
    const proctor_cache_control_t *request, int64_t now,
    proctor_cache_verdict_t *verdict)
{
    int refused;
    int64_t age, left;

    /* another machine's clock may be ahead of ours */
    age = freshness->age
          + (now > freshness->received ? now - freshness->received : 0);
    left = freshness->lifetime - age;
    refused = proctor_cache_refuses(request, age, left);

    verdict->age = age / 1000;
    verdict->fresh = (left < 0) ? -((999 - left) / 1000) : left / 1000;
    verdict->on_error = 0;

    if (freshness->flags & PROCTOR_CACHE_VALIDATE) {
        verdict->use = PROCTOR_CACHE_STALE;
        return;
    }

    if (left > 0) {
        verdict->use = refused ? PROCTOR_CACHE_REQUEST : PROCTOR_CACHE_FRESH;
        verdict->on_error = !refused;
        return;
    }

    verdict->use = PROCTOR_CACHE_STALE;

    if (refused || (freshness->flags & PROCTOR_CACHE_STRICT)) {
        return;
    }

    verdict->on_error = (-left < freshness->stale_if_error);

    if (proctor_cache_lags(request, -left)) {
        verdict->use = PROCTOR_CACHE_FRESH;

    } else if (-left < freshness->stale_while_revalidate) {
        verdict->use = PROCTOR_CACHE_BEHIND;
    }
}


/* the client wants a newer one than that */

static int
proctor_cache_refuses(
    const proctor_cache_control_t *request, int64_t age, int64_t left)
{
    return (request->flags & PROCTOR_CC_NO_CACHE) != 0
           || (request->max_age >= 0 && age > request->max_age * 1000)
           || (request->min_fresh >= 0 && left < request->min_fresh * 1000);
}


/* the client takes one that is so late */

static int
proctor_cache_lags(const proctor_cache_control_t *request, int64_t late)
{
    if (request->max_stale >= 0) {
        return late <= request->max_stale * 1000;
    }

    return (request->flags & PROCTOR_CC_MAX_STALE_ANY) != 0;
}


int
proctor_cache_request_forbids(const proctor_cache_control_t *request)
{
    return (request->flags & PROCTOR_CC_NO_STORE) != 0;
}
