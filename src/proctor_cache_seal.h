/*
 * The authentication of entries, for proctor_cache_entry.c only.
 */

#ifndef PROCTOR_CACHE_SEAL_H_INCLUDED
#define PROCTOR_CACHE_SEAL_H_INCLUDED

#include "proctor_cache.h"


#define PROCTOR_CACHE_NONCE_LEN 16
#define PROCTOR_CACHE_TAG_LEN   16

/* random bytes; OK or ERROR */
int proctor_cache_seal_nonce(unsigned char nonce[PROCTOR_CACHE_NONCE_LEN]);
/* the tag of what one account's entry says; OK or ERROR */
int proctor_cache_seal_tag(proctor_cache_seal_t *seal,
    const proctor_account_t *account,
    const unsigned char nonce[PROCTOR_CACHE_NONCE_LEN],
    const proctor_str_t *text, unsigned char tag[PROCTOR_CACHE_TAG_LEN]);

#endif /* PROCTOR_CACHE_SEAL_H_INCLUDED */
