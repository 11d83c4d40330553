/*
 * What the pure half stands on: bytes and their memory, faults told to whoever
 * asked, and the spellings of bytes, numbers and times.
 *
 * Return codes: PROCTOR_OK, or one of the negative codes below; functions
 * that return a pointer return NULL when memory ran out or, where they take a
 * proctor_report_t, when something was reported.
 */

#ifndef PROCTOR_BASE_H_INCLUDED
#define PROCTOR_BASE_H_INCLUDED

#include <stddef.h>
#include <stdint.h>


#define PROCTOR_OK      0
#define PROCTOR_ERROR   -1 /* out of memory, or a bound of ours was hit */
#define PROCTOR_INVALID -2 /* the input does not fit */

#define PROCTOR_SHA256_LEN 32


/* Bytes with a length: not NUL-terminated unless its owner says so. */

typedef struct {
    const char *data;
    size_t len;
} proctor_str_t;

#define proctor_str(s)                                                         \
    {                                                                          \
        (s), sizeof(s) - 1                                                     \
    }


/* proctor_arena.c: memory that is freed all at once; never thread-shared */

typedef struct proctor_arena_s proctor_arena_t;

/* `limit`: bytes after which allocations fail; 0: no limit */
proctor_arena_t *proctor_arena_create(size_t limit);
/* uninitialised, aligned for any type; NULL: out of memory or over limit */
void *proctor_arena_alloc(proctor_arena_t *a, size_t size);
void *proctor_arena_calloc(proctor_arena_t *a, size_t size);
/* NUL-terminated copy */
char *proctor_arena_strndup(proctor_arena_t *a, const char *s, size_t len);
/* NUL-terminated; NULL: out of memory */
char *proctor_arena_printf(proctor_arena_t *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* fn(data) runs at reset and destroy, last added first */
int proctor_arena_cleanup(
    proctor_arena_t *a, void (*fn)(void *data), void *data);
/* forgets everything, keeps the first block for the next use */
void proctor_arena_reset(proctor_arena_t *a);
void proctor_arena_destroy(proctor_arena_t *a);


/*
 * Whoever compiles a document is told of each thing it does not understand:
 * where (a JSON Pointer, RFC 6901) and why (one plain sentence without a stop).
 */

typedef struct {
    void (*fault)(void *data, const char *pointer, const char *reason);
    void *data;
    unsigned count; /* of faults; kept by proctor_report() */
} proctor_report_t;

void proctor_report(proctor_report_t *report, const char *pointer,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));


/* proctor_digest.c: SHA-256 (FIPS 180-4) */

/* OK, or ERROR: libcrypto would not */
int proctor_digest(
    const void *bytes, size_t len, unsigned char sha256[PROCTOR_SHA256_LEN]);

/* the same in pieces: libcrypto's state, copied like a number */
typedef struct {
    uint64_t state[16];
} proctor_digest_t;

int proctor_digest_begin(proctor_digest_t *digest);
int proctor_digest_add(proctor_digest_t *digest, const void *bytes, size_t len);
int proctor_digest_end(
    proctor_digest_t *digest, unsigned char sha256[PROCTOR_SHA256_LEN]);


/* proctor_time.c: RFC 3339 in UTC */

/* "2027-01-01T00:00:00Z", perhaps with a fraction, to Unix seconds; INVALID */
int proctor_time_parse(const char *s, size_t len, int64_t *seconds);
/* year, month, day, hour, minute, second; INVALID: there is no such moment */
int proctor_time_utc(const unsigned parts[6], int64_t *seconds);
/* writes PROCTOR_TIME_LEN bytes, with microseconds; what follows them */
#define PROCTOR_TIME_LEN (sizeof("2027-01-01T00:00:00.000000Z") - 1)
char *proctor_time_format(char *dst, int64_t us);


/* proctor_time_http.c: HTTP-date (RFC 9110, 5.6.7) */

/* any of its three forms; now: Unix seconds, tells the century; INVALID */
int proctor_time_http(const char *s, size_t len, int64_t now, int64_t *seconds);


/* proctor_escape.c: bytes of unknown origin into ASCII JSON */

/*
 * Escapes into dst[0..size), never past it, never half an escape; *used is
 * how much of src fitted.  Bytes that are not UTF-8 become \ufffd; everything
 * outside printable ASCII becomes \uXXXX.  Returns the bytes written.
 */
size_t proctor_escape_json(
    char *dst, size_t size, const char *src, size_t len, size_t *used);
/*
 * Copies the beginning of src that needs no escape: its length.  dst has room
 * for len bytes.  Short or odd texts may give 0, and want the other function.
 */
size_t proctor_escape_copy(char *dst, const char *src, size_t len);
/* percent-decoding and, when `plus`, "+" as a space (WHATWG URL, 5.1): the
   decoded length, or -1 at a bad escape; dst may be src */
ptrdiff_t proctor_unescape_percent(
    char *dst, const char *src, size_t len, int plus);


/* proctor_slot.c: a key's slot in a Redis Cluster */

#define PROCTOR_SLOTS 16384

unsigned proctor_slot(const char *key, size_t len);

/* proctor_query.c: a query, pair by pair, as the upstream reads it */

typedef struct {
    const char *p; /* what is still to be read */
    const char *last;
} proctor_query_t;

typedef struct {
    proctor_str_t name;
    proctor_str_t value; /* data == NULL: there was no "=" */
} proctor_query_pair_t;

/* the next pair, as it was sent; 0: there is none */
int proctor_query_next(proctor_query_t *query, proctor_query_pair_t *pair);
/* a name or a value, decoded; without an escape it stays where it is.  OK,
   INVALID: a bad escape, ERROR */
int proctor_query_decode(proctor_arena_t *arena, proctor_str_t *s);


/* proctor_hex.c: hexadecimal digits */

/* the value of a digit, or -1 */
int proctor_hex(char c);
/* two lower-case digits a byte; what follows them */
char *proctor_hex_write(char *dst, const unsigned char *src, size_t len);


/* proctor_decimal.c: decimal digits */

#define PROCTOR_DECIMAL_LEN (sizeof("18446744073709551615") - 1)
/* at most so many; what follows them */
char *proctor_decimal_write(char *dst, uint64_t value);


/* proctor_base64.c: RFC 4648, section 4, with its padding */

#define proctor_base64_len(n) (((n) + 2) / 3 * 4)

/* writes proctor_base64_len(len) bytes and a NUL */
void proctor_base64_encode(char *dst, const void *bytes, size_t len);
/* exactly len bytes, in their one spelling: OK, INVALID */
int proctor_base64_decode(
    void *bytes, size_t len, const char *text, size_t text_len);

#endif /* PROCTOR_BASE_H_INCLUDED */
