/*
 * Decimal digits: what printf writes.
 */

#include <inttypes.h>

#include "proctor.h"
#include "tap.h"


int
main(void)
{
    char *end;
    size_t i;
    char got[PROCTOR_DECIMAL_LEN + 1], want[PROCTOR_DECIMAL_LEN + 1];
    static const uint64_t values[] = { 0, 1, 9, 10, 99, 100, 4294967295u,
        4294967296u, 9999999999999999999u, 10000000000000000000u, UINT64_MAX };

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        end = proctor_decimal_write(got, values[i]);
        *end = '\0';
        snprintf(want, sizeof(want), "%" PRIu64, values[i]);
        is_str(got, want, "digits of %s", want);
    }

    return done_testing();
}
