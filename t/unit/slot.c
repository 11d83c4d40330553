/*
 * Slots of a Redis Cluster: as CLUSTER KEYSLOT says of these keys.
 */

#include <string.h>

#include "proctor.h"
#include "tap.h"


int
main(void)
{
    size_t i;

    static const struct {
        const char *key;
        unsigned slot;
    } cases[] = {
        { "", 0 },
        { "123456789", 12739 },
        { "a", 15495 },
        { "foo", 12182 },
        { "foo{}{bar}", 8363 },
        { "foo{{bar}}zap", 4015 },
        { "foo{bar}{zap}", 5061 },
        { "bar", 5061 },
        { "{bar", 4015 },
        { "{}", 15257 },
        { "acme", 11304 },
        { "proctor:{acme}:gen:experiments", 11304 },
        { "\xff\x7f", 3207 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(proctor_slot(cases[i].key, strlen(cases[i].key)), cases[i].slot,
            "slot of \"%s\"", cases[i].key);
    }

    return done_testing();
}
