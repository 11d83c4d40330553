/*
 * What makes a trail of records: ids that join an intent and its outcome, the
 * start of a file, the names of torn lines.
 */

#include <string.h>

#include "proctor.h"
#include "tap.h"


static char marks_buf[PROCTOR_AUDIT_LINE + 64];


static proctor_str_t
marks_str(const char *s)
{
    return (proctor_str_t){ s, strlen(s) };
}


static void
marks_test_durable(void)
{
    size_t len;
    char id[PROCTOR_AUDIT_ID_MAX];
    proctor_audit_record_t record;

    memset(&record, 0, sizeof(proctor_audit_record_t));
    record.kind = marks_str("intent");
    record.id.data = id;
    record.id.len = proctor_audit_id(id, 0xabcdef, 0x1f);
    record.operation = marks_str("experiment.create");
    record.claimed = marks_str("eve");
    record.unfinished = 1;
    record.upstream_ms = -1;
    record.body = marks_str("{\"a\":1}");
    len = proctor_audit_log_format(&record, marks_buf);

    is_mem(marks_buf, len,
        "{\"v\":1,\"time\":\"1970-01-01T00:00:00.000000Z\","
        "\"kind\":\"intent\",\"id\":\"0000000000abcdef1f\","
        "\"operation\":\"experiment.create\",\"claimed\":\"eve\","
        "\"body\":\"{\\\"a\\\":1}\"}\n",
        "an intent");

    record.kind = marks_str("outcome");
    record.claimed = record.body = (proctor_str_t){ NULL, 0 };
    record.unfinished = 0;
    record.result = marks_str("ok");
    record.created = marks_str("e1");
    record.status = record.upstream_status = 201;
    record.duration_ms = 12;
    record.upstream_ms = 11;
    len = proctor_audit_log_format(&record, marks_buf);

    is_mem(marks_buf, len,
        "{\"v\":1,\"time\":\"1970-01-01T00:00:00.000000Z\","
        "\"kind\":\"outcome\",\"id\":\"0000000000abcdef1f\","
        "\"operation\":\"experiment.create\",\"result\":\"ok\","
        "\"created\":\"e1\",\"status\":201,\"upstream_status\":201,"
        "\"duration_ms\":12,\"upstream_ms\":11}\n",
        "its outcome");
}


static void
marks_test_ids(void)
{
    size_t i;
    int wrong;
    char buf[PROCTOR_AUDIT_ID_MAX];
    uint64_t worker, counter;
    proctor_str_t id;
    static const uint64_t numbers[] = { 0, 1, 9, 10, 15, 16, 255, 0x1000,
        UINT32_MAX, INT64_MAX, UINT64_MAX };
    static const char *const bad[] = { "", "0000000000abcdef",
        "0000000000abcdef01", "0000000000abcdeF1", "0000000000abcdef1G",
        "0000000000abcdef-1", "0000000000abcdef00000000000000001",
        " 000000000abcdef1", "0000000000abcdef1 " };

    wrong = 0;

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        id.data = buf;
        id.len = proctor_audit_id(buf, ~numbers[i], numbers[i]);
        wrong += id.len > PROCTOR_AUDIT_ID_MAX
                 || proctor_audit_id_read(&id, &worker, &counter) != PROCTOR_OK
                 || worker != ~numbers[i] || counter != numbers[i];
    }

    is_int(wrong, 0, "ids there and back");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        id = marks_str(bad[i]);
        is_int(proctor_audit_id_read(&id, &worker, &counter), PROCTOR_INVALID,
            "no id: \"%s\"", bad[i]);
    }
}


static void
marks_test_marks(void)
{
    size_t len;
    unsigned char bytes[PROCTOR_SHA256_LEN];
    char big[10000];
    proctor_audit_torn_t torn = { 0, 70411, 57, bytes };
    proctor_audit_start_t start;

    memset(bytes, 0xa5, sizeof(bytes));
    memset(&start, 0, sizeof(proctor_audit_start_t));
    start.file = marks_str("00112233445566778899aabbccddeeff");
    start.origin = marks_str("gw/00112233445566778899aabbccddeeff");
    start.reason = marks_str("new");
    len = proctor_audit_mark_start(&start, marks_buf);

    is_mem(marks_buf, len,
        "{\"v\":1,\"time\":\"1970-01-01T00:00:00.000000Z\","
        "\"kind\":\"start\",\"file\":\"00112233445566778899aabbccddeeff\","
        "\"origin\":\"gw/00112233445566778899aabbccddeeff\","
        "\"reason\":\"new\",\"previous\":null}\n",
        "the start of the first file");

    start.previous_file = marks_str("ffeeddccbbaa99887766554433221100");
    start.previous_size = 812;
    start.previous_root = bytes;
    len = proctor_audit_mark_start(&start, marks_buf);
    marks_buf[len] = '\0';
    ok(strstr(marks_buf,
           "\"previous\":{\"file\":\"ffeeddccbbaa99887766554433221100\","
           "\"size\":812,"
           "\"root\":\"paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=\"}}\n")
            != NULL,
        "and of another");

    len = proctor_audit_mark_torn(&torn, marks_buf);
    is_mem(marks_buf, len,
        "{\"v\":1,\"time\":\"1970-01-01T00:00:00.000000Z\","
        "\"kind\":\"torn\",\"at\":70411,\"bytes\":57,\"sha256\":"
        "\"a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"
        "\"}\n",
        "a torn line's name");

    memset(big, '"', sizeof(big));
    start.file = start.origin = start.reason = start.previous_file =
        (proctor_str_t){ big, sizeof(big) };
    len = proctor_audit_mark_start(&start, marks_buf);
    ok(len <= PROCTOR_AUDIT_LINE && marks_buf[len - 1] == '\n',
        "whatever it is given, it is a line");
}


int
main(void)
{
    marks_test_durable();
    marks_test_ids();
    marks_test_marks();

    return done_testing();
}
