/*
 * The id in an answer: found without reading the rest, and not where it only
 * seems to be.
 */

#include "proctor.h"
#include "tap.h"


static const struct {
    const char *text;
    const char *id; /* NULL: none */
} cases[] = {
    { "{\"id\":\"e1\"}", "e1" },
    { " { \"id\" : \"e1\" , \"x\" : 1 } ", "e1" },
    { "{\"a\":\"id\",\"b\":[\"id\",{\"id\":\"no\"}],\"id\":\"e1\"}", "e1" },
    { "{\"s\":\"\\\"id\\\":\\\"no\\\"\",\"n\":-1.5e3,\"t\":true,\"id\":\"e1\"}",
        "e1" },
    { "{\"id\":\"e1\",\"id\":\"e2\"}", "e1" },
    { "{\"id\":\"e1\",\"rest\":\"is not all th", "e1" },
    { "{\"id\":\"\"}", "" },
    { "{\"status\":\"ok\",\"details\":{\"x\":[],\"id\":\"s1\"}}", "s1" },
    { "{\"details\":{\"id\":\"s1\"},\"id\":\"e1\"}", "e1" },
    { "{\"details\":{\"x\":{\"id\":\"no\"}}}", NULL },
    { "{\"details\":[\"id\"]}", NULL },
    { "{\"details\":\"id\"}", NULL },
    { "{\"id\":7}", NULL },
    { "{\"id\":null,\"details\":{\"id\":\"s1\"}}", NULL },
    { "{\"id\":\"e\\u0031\"}", NULL },
    { "{\"i\\u0064\":\"e1\"}", NULL },
    { "{\"id\":\"e1", NULL },
    { "{\"id\":", NULL },
    { "{\"id\"", NULL },
    { "{\"id", NULL },
    { "{\"x\":[1,2", NULL },
    { "{\"x\":\"", NULL },
    { "{\"x\":1", NULL },
    { "{", NULL },
    { "", NULL },
    { "[{\"id\":\"no\"}]", NULL },
    { "\"id\":\"no\"", NULL },
    { "{id:\"no\"}", NULL },
    { "{\"x\" \"id\":\"no\"}", NULL },
    { "{\"x\":1 \"id\":\"no\"}", NULL },
};


int
main(void)
{
    int rc;
    size_t i, len;
    char exact[128];
    proctor_str_t id;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        /* at the end of its memory, where a sanitizer sees who reads on */
        len = strlen(cases[i].text);
        memcpy(exact + sizeof(exact) - len, cases[i].text, len);
        rc = proctor_audit_created(exact + sizeof(exact) - len, len, &id);

        if (cases[i].id == NULL) {
            is_int(rc, PROCTOR_INVALID, "none in %s", cases[i].text);
            continue;
        }

        is_int(rc, PROCTOR_OK, "one in %s", cases[i].text);

        if (rc == PROCTOR_OK) {
            is_mem(id.data, id.len, cases[i].id, "... the right one");
        }
    }

    return done_testing();
}
