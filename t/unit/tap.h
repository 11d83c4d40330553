/*
 * The Test Anything Protocol for the C unit tests: each test program calls
 * ok() and its relatives, and returns done_testing() from main().  A failure
 * names the line and both values, so that nobody needs a debugger to read it.
 */

#ifndef TAP_H_INCLUDED
#define TAP_H_INCLUDED

#include <stdarg.h>
#include <stdio.h>
#include <string.h>


#define ok(pass, ...) tap_ok(!!(pass), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, want, ...)                                                 \
    tap_is_int((long long) (got), (long long) (want), __FILE__, __LINE__,      \
        __VA_ARGS__)
/* NUL-terminated strings; NULL equals only NULL */
#define is_str(got, want, ...)                                                 \
    tap_is_str((got), (want), __FILE__, __LINE__, __VA_ARGS__)
/* got: bytes with a length; want: a NUL-terminated string */
#define is_mem(got, len, want, ...)                                            \
    tap_is_mem((got), (len), (want), __FILE__, __LINE__, __VA_ARGS__)


static int tap_tests;
static int tap_failures;


__attribute__((format(printf, 1, 2), unused)) static void
diag(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    printf("# ");
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
}


static int
tap_verdict(int pass, const char *file, int line, const char *fmt, va_list args)
{
    tap_tests++;
    printf("%sok %d - ", pass ? "" : "not ", tap_tests);
    vprintf(fmt, args);
    printf("\n");

    if (!pass) {
        tap_failures++;
        printf("# failed at %s line %d\n", file, line);
    }

    /* a crash in the next test must not swallow this line */
    fflush(stdout);

    return pass;
}


__attribute__((format(printf, 4, 5), unused)) static int
tap_ok(int pass, const char *file, int line, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    tap_verdict(pass, file, line, fmt, args);
    va_end(args);

    return pass;
}


__attribute__((format(printf, 5, 6), unused)) static int
tap_is_int(long long got, long long want, const char *file, int line,
    const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    tap_verdict(got == want, file, line, fmt, args);
    va_end(args);

    if (got != want) {
        printf("#      got: %lld\n# expected: %lld\n", got, want);
    }

    return got == want;
}


__attribute__((format(printf, 5, 6), unused)) static int
tap_is_str(const char *got, const char *want, const char *file, int line,
    const char *fmt, ...)
{
    int same;
    va_list args;

    same =
        got == want || (got != NULL && want != NULL && strcmp(got, want) == 0);

    va_start(args, fmt);
    tap_verdict(same, file, line, fmt, args);
    va_end(args);

    if (!same) {
        printf("#      got: %s\n# expected: %s\n", got != NULL ? got : "NULL",
            want != NULL ? want : "NULL");
    }

    return same;
}


__attribute__((format(printf, 6, 7), unused)) static int
tap_is_mem(const char *got, size_t len, const char *want, const char *file,
    int line, const char *fmt, ...)
{
    int same;
    va_list args;

    same = len == strlen(want) && memcmp(got, want, len) == 0;

    va_start(args, fmt);
    tap_verdict(same, file, line, fmt, args);
    va_end(args);

    if (!same) {
        printf("#      got: %.*s\n# expected: %s\n", (int) len, got, want);
    }

    return same;
}


/* one line for tests that cannot run here; the reason is for the reader */
__attribute__((unused)) static void
skip(const char *reason)
{
    printf("ok %d # skip: %s\n", ++tap_tests, reason);
}


/* the program's exit code */
__attribute__((unused)) static int
done_testing(void)
{
    printf("1..%d\n", tap_tests);

    if (tap_failures != 0) {
        printf("# %d of %d failed\n", tap_failures, tap_tests);
        return 1;
    }

    return 0;
}

#endif /* TAP_H_INCLUDED */
