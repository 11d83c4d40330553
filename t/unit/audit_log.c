/*
 * The audit record: one line of ASCII JSON, whatever is in its fields.
 *
 *     audit_log lines
 *
 * reads texts, one a line in hexadecimal, and writes for each the record that
 * has it in every field: for other tests, which read records in other ways.
 */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proctor.h"
#include "tap.h"


#define TEXTS (sizeof(audit_texts) / sizeof(audit_texts[0]))
#define BIG   100000


typedef struct {
    const char *name;
    size_t offset;
} audit_text_t;


static int audit_lines(void);
static void audit_test_typical(void);
static void audit_test_least(void);
static void audit_test_bytes(void);
static void audit_test_big(void);
static void audit_test_names(void);
static void audit_test_numbers(void);
static void audit_test_speed(void);


#define audit_text(name)                                                       \
    {                                                                          \
#name, offsetof(proctor_audit_record_t, name)                          \
    }

static const audit_text_t audit_texts[] = { audit_text(kind), audit_text(rid),
    audit_text(id), audit_text(contract), audit_text(operation),
    audit_text(team), audit_text(key), audit_text(actor), audit_text(account),
    audit_text(client), audit_text(method), audit_text(path), audit_text(query),
    audit_text(claimed), audit_text(decision), audit_text(reason),
    audit_text(detail), audit_text(result), audit_text(cache),
    audit_text(created), audit_text(body) };

static char audit_buf[PROCTOR_AUDIT_LINE + 64];


int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "lines") == 0) {
        return audit_lines();
    }

    audit_test_typical();
    audit_test_least();
    audit_test_bytes();
    audit_test_big();
    audit_test_names();
    audit_test_numbers();
    audit_test_speed();

    return done_testing();
}


static proctor_str_t
audit_str(const char *s)
{
    return (proctor_str_t){ s, strlen(s) };
}


static proctor_str_t *
audit_field(proctor_audit_record_t *record, const char *name)
{
    size_t i;

    for (i = 0; i < TEXTS; i++) {
        if (strcmp(audit_texts[i].name, name) == 0) {
            return (proctor_str_t *) ((char *) record + audit_texts[i].offset);
        }
    }

    abort();
}


static void
audit_typical(proctor_audit_record_t *record)
{
    static const proctor_str_t names[] = { proctor_str("experiment_id"),
        proctor_str("log_id") };
    static const proctor_str_t targets[] = { proctor_str("exp_1"),
        proctor_str("trace-2") };
    static const unsigned char digest[PROCTOR_SHA256_LEN] = { 0x00, 0x01, 0xab,
        0xff };

    memset(record, 0, sizeof(proctor_audit_record_t));

    record->time_us = 1767225600123456;
    record->kind = audit_str("call");
    record->rid = audit_str("0123456789abcdef0123456789abcdef");
    record->contract = audit_str("respan");
    record->operation = audit_str("trace.resume");
    record->team = audit_str("nlp-eval");
    record->key = audit_str("k-alice");
    record->actor = audit_str("alice@example.com");
    record->account = audit_str("acme");
    record->client = audit_str("192.0.2.7");
    record->method = audit_str("PATCH");
    record->path = audit_str("/api/v2/experiments/exp_1/logs/trace-2/");
    record->query = audit_str("a=%22b%22");
    record->target_names = names;
    record->targets = targets;
    record->ntargets = 2;
    record->body_sha256 = digest;
    record->body_len = 27;
    record->decision = audit_str("refused");
    record->reason = audit_str("input");
    record->detail = audit_str("The field \"output\" is required.");
    record->status = 400;
    record->upstream_status = 502;
    record->duration_ms = 1234;
    record->upstream_ms = 999;
}


static int
audit_lines(void)
{
    char hex[2 * PROCTOR_AUDIT_LINE + 2], text[PROCTOR_AUDIT_LINE];
    size_t i, len;
    proctor_str_t name, all;
    proctor_audit_record_t record;

    name = audit_str("experiment_id");

    while (fgets(hex, sizeof(hex), stdin) != NULL) {
        len = strcspn(hex, "\n") / 2;

        for (i = 0; i < len; i++) {
            text[i] = (char) (proctor_hex(hex[2 * i]) << 4
                              | proctor_hex(hex[2 * i + 1]));
        }

        memset(&record, 0, sizeof(proctor_audit_record_t));
        all = (proctor_str_t){ text, len };

        for (i = 0; i < TEXTS; i++) {
            *audit_field(&record, audit_texts[i].name) = all;
        }

        record.target_names = &name;
        record.targets = &all;
        record.ntargets = 1;
        record.upstream_ms = -1;

        len = proctor_audit_log_format(&record, audit_buf);

        if (fwrite(audit_buf, 1, len, stdout) != len) {
            return 1;
        }
    }

    return fflush(stdout) != 0;
}


/* The parsed line, or NULL; tells whether it is one proper line of ASCII. */

static json_t *
audit_line(const proctor_audit_record_t *record, size_t *len)
{
    size_t i, n;
    json_error_t error;

    memset(audit_buf, '#', sizeof(audit_buf));

    n = proctor_audit_log_format(record, audit_buf);
    *len = n;

    if (n == 0 || n > PROCTOR_AUDIT_LINE || audit_buf[n - 1] != '\n'
        || audit_buf[n] != '#') {
        return NULL;
    }

    for (i = 0; i < n - 1; i++) {
        if (audit_buf[i] < ' ' || audit_buf[i] > '~') {
            return NULL;
        }
    }

    return json_loadb(audit_buf, n, JSON_REJECT_DUPLICATES, &error);
}


static void
audit_test_typical(void)
{
    size_t len;
    proctor_audit_record_t record;

    audit_typical(&record);
    len = proctor_audit_log_format(&record, audit_buf);

    is_mem(audit_buf, len,
        "{\"v\":1,\"time\":\"2026-01-01T00:00:00.123456Z\",\"kind\":\"call\","
        "\"rid\":\"0123456789abcdef0123456789abcdef\",\"contract\":\"respan\","
        "\"operation\":\"trace.resume\",\"team\":\"nlp-eval\","
        "\"key\":\"k-alice\",\"actor\":\"alice@example.com\","
        "\"account\":\"acme\",\"client\":\"192.0.2.7\",\"method\":\"PATCH\","
        "\"path\":\"/api/v2/experiments/exp_1/logs/trace-2/\","
        "\"query\":\"a=%22b%22\","
        "\"targets\":{\"experiment_id\":\"exp_1\",\"log_id\":\"trace-2\"},"
        "\"body_sha256\":\"0001abff0000000000000000000000000000000000000000"
        "0000000000000000\",\"body_len\":27,\"decision\":\"refused\","
        "\"reason\":\"input\","
        "\"detail\":\"The field \\\"output\\\" is required.\","
        "\"status\":400,\"upstream_status\":502,\"duration_ms\":1234,"
        "\"upstream_ms\":999}\n",
        "a whole record, member by member");
}


static void
audit_test_least(void)
{
    size_t len;
    proctor_audit_record_t record;

    memset(&record, 0, sizeof(proctor_audit_record_t));
    record.upstream_ms = -1;
    len = proctor_audit_log_format(&record, audit_buf);

    is_mem(audit_buf, len,
        "{\"v\":1,\"time\":\"1970-01-01T00:00:00.000000Z\","
        "\"duration_ms\":0}\n",
        "what is absent is left out");

    record.query = audit_str("");
    len = proctor_audit_log_format(&record, audit_buf);

    is_mem(audit_buf, len,
        "{\"v\":1,\"time\":\"1970-01-01T00:00:00.000000Z\",\"query\":\"\","
        "\"duration_ms\":0}\n",
        "what is empty is not absent");
}


static void
audit_test_bytes(void)
{
    int c, wrong;
    char byte[3] = "a?b";
    size_t i, len;
    json_t *line, *value;
    proctor_str_t all[PROCTOR_PATH_PARAMS];
    proctor_audit_record_t record;

    wrong = 0;

    for (c = 0; c < 256; c++) {
        byte[1] = (char) c;
        memset(&record, 0, sizeof(proctor_audit_record_t));

        for (i = 0; i < TEXTS; i++) {
            *audit_field(&record, audit_texts[i].name) =
                (proctor_str_t){ byte, 3 };
        }

        all[0] = (proctor_str_t){ byte, 3 };
        record.target_names = all;
        record.targets = all;
        record.ntargets = 1;

        /* NUL is legal JSON that jansson must be asked to accept */
        line = c == 0 ? NULL : audit_line(&record, &len);
        wrong += c != 0 && line == NULL;

        for (i = 0; line != NULL && i < TEXTS; i++) {
            value = json_object_get(line, audit_texts[i].name);
            wrong +=
                json_string_length(value) != (c < 128 ? 3 : 5)
                || (c < 128 && memcmp(json_string_value(value), byte, 3) != 0);
        }

        json_decref(line);
    }

    is_int(wrong, 0, "every byte in every field comes back, or as U+FFFD");

    record.path = (proctor_str_t){ "a\0b\n\r\x7f", 6 };
    record.query = record.detail = record.path;
    len = proctor_audit_log_format(&record, audit_buf);
    audit_buf[len] = '\0';

    ok(strstr(audit_buf, "\"path\":\"a\\u0000b\\u000a\\u000d\\u007f\"") != NULL,
        "NUL, newline and DEL are escaped");
}


/* Each text in turn, then all at once: 100 kB of each of some characters. */

static void
audit_test_big(void)
{
    size_t i, j, k, n, len, longest;
    char *big;
    json_t *line;
    int wrong;
    proctor_str_t names[PROCTOR_PATH_PARAMS + 1];
    proctor_audit_record_t record;
    static const char *const fill[] = { "x", "\"", "\n", "\xff", "\xc3\xa9",
        "\xe2\x82\xac", "\xf0\x9f\x98\x80", "ab\"\xf0\x9f\x98\x80" };

    big = malloc(BIG);
    longest = 0;
    wrong = 0;

    for (i = 0; i < sizeof(fill) / sizeof(fill[0]); i++) {
        n = strlen(fill[i]);

        for (j = 0; j < BIG; j++) {
            big[j] = fill[i][j % n];
        }

        for (j = 0; j <= TEXTS; j++) {
            audit_typical(&record);

            for (k = 0; k < TEXTS; k++) {
                if (j == TEXTS || j == k) {
                    *audit_field(&record, audit_texts[k].name) =
                        (proctor_str_t){ big, BIG };
                }
            }

            line = audit_line(&record, &len);
            longest = len > longest ? len : longest;
            wrong += line == NULL
                     || json_array_size(json_object_get(line, "trunc"))
                            != (j == TEXTS ? TEXTS : 1);
            json_decref(line);
        }
    }

    is_int(wrong, 0, "100 kB in any field: one line, and it says what was cut");

    for (i = 0; i <= PROCTOR_PATH_PARAMS; i++) {
        names[i] = (proctor_str_t){ big + i, BIG - i };
    }

    for (i = 0; i < TEXTS; i++) {
        *audit_field(&record, audit_texts[i].name) =
            (proctor_str_t){ big, BIG };
    }

    for (i = 0; i < BIG; i++) {
        big[i] = 'x';
    }

    for (i = 0; i <= PROCTOR_PATH_PARAMS; i++) {
        big[i] = (char) ('a' + i);
    }

    record.target_names = record.targets = names;
    record.ntargets = PROCTOR_PATH_PARAMS + 1;
    record.body_len = INT64_MAX; /* jansson knows no more */
    record.status = record.upstream_status = UINT32_MAX;
    record.duration_ms = INT64_MIN;
    record.upstream_ms = INT64_MAX;
    record.time_us = INT64_MAX;

    line = audit_line(&record, &len);
    ok(line != NULL, "everything at its longest is one line still");
    is_int(json_array_size(json_object_get(line, "trunc")), TEXTS + 1,
        "that names every field that was cut");
    is_int(json_object_size(json_object_get(line, "targets")),
        PROCTOR_PATH_PARAMS, "and holds a share of every target");
    diag("the longest line has %zu bytes", len > longest ? len : longest);

    json_decref(line);
    free(big);
}


static void
audit_test_names(void)
{
    size_t i, len;
    json_t *line;
    char text[PROCTOR_AUDIT_LINE];
    proctor_audit_record_t record;

    memset(text, 'y', sizeof(text));

    audit_typical(&record);
    record.path = (proctor_str_t){ text, sizeof(text) };
    record.detail = record.path;

    line = audit_line(&record, &len);

    is_str(json_string_value(json_array_get(json_object_get(line, "trunc"), 0)),
        "path", "trunc names the path");
    is_str(json_string_value(json_array_get(json_object_get(line, "trunc"), 1)),
        "detail", "and the detail");
    is_str(json_string_value(json_object_get(line, "actor")),
        "alice@example.com", "what follows is untouched");

    i = json_string_length(json_object_get(line, "path"));
    json_decref(line);

    record.path.len = i;
    line = audit_line(&record, &len);
    is_str(json_string_value(json_array_get(json_object_get(line, "trunc"), 0)),
        "detail", "a path that just fits is not cut");
    json_decref(line);
}


static void
audit_test_numbers(void)
{
    size_t i, len;
    json_t *line;
    proctor_audit_record_t record;
    static const struct {
        int64_t us;
        const char *text;
    } times[] = {
        { 0, "1970-01-01T00:00:00.000000Z" },
        { 951782399999999, "2000-02-28T23:59:59.999999Z" },
        { 951782400000000, "2000-02-29T00:00:00.000000Z" },
        { 951868800000001, "2000-03-01T00:00:00.000001Z" },
        { 1709164800000000, "2024-02-29T00:00:00.000000Z" },
        { 1735689599000000, "2024-12-31T23:59:59.000000Z" },
        { 4107542400000000, "2100-03-01T00:00:00.000000Z" },
        { 253402300799999999, "9999-12-31T23:59:59.999999Z" },
        { -1, "1970-01-01T00:00:00.000000Z" },
    };

    audit_typical(&record);

    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        record.time_us = times[i].us;
        line = audit_line(&record, &len);
        is_str(json_string_value(json_object_get(line, "time")), times[i].text,
            "%s", times[i].text);
        json_decref(line);
    }

    record.duration_ms = -5;
    line = audit_line(&record, &len);
    is_int(json_integer_value(json_object_get(line, "duration_ms")), -5,
        "a clock that was set back shows");
    json_decref(line);
}


/* far above what it takes, so that it fails for another algorithm only */

static void
audit_test_speed(void)
{
    int i;
    double ns;
    struct timespec from, to;
    proctor_audit_record_t record;

    audit_typical(&record);

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);

    for (i = 0; i < 100000; i++) {
        record.time_us++;
        proctor_audit_log_format(&record, audit_buf);
    }

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);

    ns = (double) (to.tv_sec - from.tv_sec) * 1e4
         + (double) (to.tv_nsec - from.tv_nsec) / 1e5;

    diag("%.0f ns for a typical record", ns);
    ok(ns < 20000, "a record costs far less than a request");
}
