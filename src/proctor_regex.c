/*
 * ECMA-262 regular expressions (with the u flag, as JSON Schema asks) on PCRE2.
 *
 * The pattern is translated: escapes that PCRE2 reads differently are written
 * out, and whatever ECMA-262 does not know (inline flags, possessive
 * quantifiers, \A, (*VERBS), ...) is refused rather than given PCRE2's meaning.
 *
 * Work is bounded by a count of callouts, which PCRE2 makes before each item
 * of the pattern.  Its own match limit starts again at each position of the
 * text and does not see the loop inside "a*"; with automatic possessification
 * off, every character such a loop takes back is a callout.  So the count
 * follows the true work, also under JIT, and a pattern that reaches it has not
 * matched: deterministic, and a few milliseconds at worst.
 *
 * Compiled patterns live until their arena is destroyed, and are never
 * written; what a match needs is in proctor_regex_run_t.
 */

#define PCRE2_CODE_UNIT_WIDTH 8

#include "proctor_regex.h"

#include <pcre2.h>
#include <string.h>


#define PROCTOR_REGEX_CALLOUTS 100000
#define PROCTOR_REGEX_HEAP     2048 /* KiB, without JIT */

/* bytes, for what the 32 KB that JIT takes from the thread's stack cannot do */
#define PROCTOR_REGEX_STACK_FIRST 65536
#define PROCTOR_REGEX_STACK_MAX   4194304

#define PROCTOR_REGEX_ERROR 128

#define PROCTOR_REGEX_OPTIONS                                                  \
    (PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOLLAR_ENDONLY                     \
        | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF                  \
        | PCRE2_AUTO_CALLOUT | PCRE2_NO_AUTO_POSSESS                           \
        | PCRE2_NO_DOTSTAR_ANCHOR)


struct proctor_regex_s {
    pcre2_code *code; /* NULL: the class is all there is to it */
    proctor_regex_class_t class;
};


static pcre2_code *proctor_regex_code(
    const char *pattern, size_t len, int *code);
static void proctor_regex_cleanup(void *data);
static int proctor_regex_run_create(proctor_regex_run_t *run);
static int proctor_regex_callout(pcre2_callout_block *block, void *data);


proctor_regex_t *
proctor_regex_compile(
    proctor_arena_t *arena, const char *pattern, size_t len, const char **error)
{
    int code;
    char message[PROCTOR_REGEX_ERROR];
    proctor_str_t text;
    proctor_regex_t *regex;

    *error = NULL;
    regex = proctor_arena_alloc(arena, sizeof(*regex));

    if (regex == NULL) {
        return NULL;
    }

    if (proctor_regex_class_compile(&regex->class, pattern, len)) {
        regex->code = NULL;
        return regex;
    }

    if (proctor_regex_translate(arena, pattern, len, &text, error)
        != PROCTOR_OK) {
        return NULL;
    }

    regex->code = proctor_regex_code(text.data, text.len, &code);

    if (regex->code == NULL) {
        if (pcre2_get_error_message(
                code, (PCRE2_UCHAR *) message, sizeof(message))
            < 0) {
            return NULL;
        }

        *error = proctor_arena_printf(arena, "is not one: %s", message);
        return NULL;
    }

    if (proctor_arena_cleanup(arena, proctor_regex_cleanup, regex->code)
        != PROCTOR_OK) {
        pcre2_code_free(regex->code);
        return NULL;
    }

    /* without JIT, for want of executable memory, it only takes longer */

    (void) pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);

    return regex;
}


static pcre2_code *
proctor_regex_code(const char *pattern, size_t len, int *code)
{
    PCRE2_SIZE offset;
    pcre2_code *compiled;
    pcre2_compile_context *context;

    *code = 0;
    context = pcre2_compile_context_create(NULL);

    if (context == NULL) {
        return NULL;
    }

    /* "." stops at both; ECMA-262 also at U+2028 and U+2029, which no choice
       of PCRE2's offers without \v, \f and U+0085 */

    (void) pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);

    compiled = pcre2_compile((PCRE2_SPTR) pattern, len, PROCTOR_REGEX_OPTIONS,
        code, &offset, context);
    pcre2_compile_context_free(context);

    return compiled;
}


static void
proctor_regex_cleanup(void *data)
{
    pcre2_code_free(data);
}


int
proctor_regex_match(const proctor_regex_t *regex, proctor_regex_run_t *run,
    const char *s, size_t len)
{
    int rc;

    run->spent = 0;

    if (regex->code == NULL) {
        return proctor_regex_class_match(&regex->class, s, len);
    }

    if (run->data == NULL && proctor_regex_run_create(run) != PROCTOR_OK) {
        return -1;
    }

    rc = pcre2_match(regex->code, (PCRE2_SPTR) s, len, 0, PCRE2_NO_UTF_CHECK,
        run->data, run->context);

    if (rc == PCRE2_ERROR_JIT_STACKLIMIT && run->stack == NULL) {
        run->stack = pcre2_jit_stack_create(
            PROCTOR_REGEX_STACK_FIRST, PROCTOR_REGEX_STACK_MAX, NULL);

        if (run->stack == NULL) {
            return -1;
        }

        pcre2_jit_stack_assign(run->context, NULL, run->stack);
        rc = pcre2_match(regex->code, (PCRE2_SPTR) s, len, 0,
            PCRE2_NO_UTF_CHECK, run->data, run->context);
    }

    if (rc == PCRE2_ERROR_NOMEMORY) {
        return -1;
    }

    return rc >= 0;
}


static int
proctor_regex_run_create(proctor_regex_run_t *run)
{
    pcre2_match_context *context;

    run->data = pcre2_match_data_create(1, NULL);
    context = pcre2_match_context_create(NULL);
    run->context = context;

    if (run->data == NULL || context == NULL) {
        proctor_regex_run_free(run);
        return PROCTOR_ERROR;
    }

    (void) pcre2_set_callout(context, proctor_regex_callout, run);
    (void) pcre2_set_heap_limit(context, PROCTOR_REGEX_HEAP);

    return PROCTOR_OK;
}


static int
proctor_regex_callout(pcre2_callout_block *block, void *data)
{
    proctor_regex_run_t *run = data;

    (void) block;

    return ++run->spent > PROCTOR_REGEX_CALLOUTS ? PCRE2_ERROR_CALLOUT : 0;
}


void
proctor_regex_run_free(proctor_regex_run_t *run)
{
    if (run->data != NULL) {
        pcre2_match_data_free(run->data);
    }

    if (run->stack != NULL) {
        pcre2_jit_stack_free(run->stack);
    }

    if (run->context != NULL) {
        pcre2_match_context_free(run->context);
    }

    memset(run, 0, sizeof(*run));
}


int
proctor_regex_valid(const char *pattern, size_t len)
{
    int code, rc;
    pcre2_code *compiled;
    proctor_str_t text;
    const char *error;
    proctor_arena_t *arena;

    arena = proctor_arena_create(0);

    if (arena == NULL) {
        return 0;
    }

    rc = proctor_regex_translate(arena, pattern, len, &text, &error);

    if (rc == PROCTOR_OK) {
        compiled = proctor_regex_code(text.data, text.len, &code);

        /* (?<=a+) is ECMA-262, PCRE2 just cannot run it */

        if (compiled == NULL
            && code != PCRE2_ERROR_LOOKBEHIND_NOT_FIXED_LENGTH) {
            rc = PROCTOR_INVALID;
        }

        pcre2_code_free(compiled);
    }

    proctor_arena_destroy(arena);

    return rc == PROCTOR_OK;
}
