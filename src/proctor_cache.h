/*
 * What the cache is made of, for who needs it: the contract's rules, the keys,
 * HTTP's own rules (RFC 9111), and the form in which an answer stands in Redis.
 *
 * All of it is pure: times are given (milliseconds since 1970), nothing is
 * looked up.  The account is what an answer belongs to: what one account was
 * told never reaches another, and every team of an account shares it.
 *
 * Order of use, for a read:  proctor_cache_groups(), proctor_cache_key(), then
 * one question to Redis; proctor_cache_entry_open(), _vary_match(), _use().
 * For an answer that may be kept:  proctor_cache_answer_field() for each of its
 * header lines, _storable() at the end of its header, _freshness() at the end
 * of its body, proctor_cache_entry_seal().
 */

#ifndef PROCTOR_CACHE_H_INCLUDED
#define PROCTOR_CACHE_H_INCLUDED

#include "proctor.h"


#define PROCTOR_CACHE_GROUPS    8        /* templates of one list, at most */
#define PROCTOR_CACHE_GEN_LEN   16       /* a generation: hexadecimal digits */
#define PROCTOR_CACHE_ENTRY_MAX 1048576  /* bytes, sealed */
#define PROCTOR_CACHE_KEEP_MAX  86400000 /* ms that an entry stays in Redis */
#define PROCTOR_CACHE_SECONDS_MAX                                              \
    2147483648 /* what HTTP takes longer times for (RFC 9111, 1.2.2) */
#define PROCTOR_CACHE_GROUP_MAX                                                \
    64 /* bytes of a group's name as it stands in a key; others are hashed */
#define PROCTOR_CACHE_NAME_MAX                                                 \
    (sizeof("mark:") - 1 + 1 + 2 * PROCTOR_SHA256_LEN) /* after the prefix */


/*
 * proctor_contract_cache.c: `cache` and `invalidates` of an operation.  Memory
 * is the contract's arena.
 *
 * A template's parts in order: text, then the path parameter of this index
 * (-1: none follows), and so on.
 */

typedef struct {
    proctor_str_t text;
    int param;
} proctor_cache_part_t;

typedef struct {
    proctor_cache_part_t *parts;
    unsigned nparts;
} proctor_cache_template_t;

typedef struct proctor_cache_templates_s {
    proctor_cache_template_t *list;
    unsigned count;
    int path; /* the path itself is one more group: another operation of the
                 same template reads, or writes, what this one does */
} proctor_cache_templates_t;

typedef struct {
    const char *pointer; /* into the answer */
    proctor_str_t value; /* a string */
    int64_t ttl;
} proctor_cache_when_t;

/* operation->cache; NULL: its answers are never kept */
struct proctor_cache_rule_s {
    proctor_cache_templates_t groups;
    int64_t ttl; /* ms; -1: only what HTTP itself says */
    proctor_cache_when_t *when;
    unsigned nwhen;
    int64_t stale_while_revalidate; /* ms; 0: none */
    int64_t stale_if_error;
    proctor_str_t *unless; /* what asks for more than a read: parameters of the
                              query, JSON Pointers into the body */
    unsigned nunless;
};

/* of an `unless`: a JSON Pointer, not a parameter's name */
static inline int
proctor_cache_is_pointer(const proctor_str_t *name)
{
    return name->len != 0 && name->data[0] == '/';
}

/* 1 when the operation may change something: neither a GET nor cached */
int proctor_cache_is_unsafe(const proctor_operation_t *operation);


/* proctor_cache_name.c: what groups are called, and all of it in Redis */

/*
 * The groups of a read (operation->cache->groups) or of a write
 * (operation->invalidates) in this call: their names, one after the other in
 * buf; the path's own comes last and is `path` itself.  Their number, or -1:
 * buf is too small.
 */
#define PROCTOR_CACHE_GROUPS_ALL (PROCTOR_CACHE_GROUPS + 1)
#define PROCTOR_CACHE_GENS       (PROCTOR_CACHE_GROUPS_ALL + 1) /* of an entry */
int proctor_cache_groups(const proctor_cache_templates_t *templates,
    const proctor_match_t *match, const proctor_str_t *path,
    proctor_str_t groups[PROCTOR_CACHE_GROUPS_ALL], char *buf, size_t size);
/* what buf must hold */
size_t proctor_cache_groups_size(
    const proctor_cache_templates_t *templates, const proctor_match_t *match);

typedef enum {
    PROCTOR_CACHE_GEN = 0, /* "proctor:{account}:gen:<group>" */
    PROCTOR_CACHE_MARK     /* "proctor:{account}:mark:<group>" */
} proctor_cache_name_e;

/* dst: account->prefix.len + PROCTOR_CACHE_NAME_MAX bytes; what follows, or
   NULL: libcrypto would not */
char *proctor_cache_group_name(char *dst, const proctor_account_t *account,
    proctor_cache_name_e name, const proctor_str_t *group);
/* "proctor:{account}:res:<64 hexadecimal digits>"; the same dst is enough */
char *proctor_cache_entry_name(char *dst, const proctor_account_t *account,
    const unsigned char key[PROCTOR_SHA256_LEN]);


/* proctor_cache_key.c: what an answer is called */

typedef struct {
    const proctor_account_t *account;
    const proctor_operation_t *operation;
    proctor_str_t path;        /* as sent */
    proctor_str_t query;       /* as sent, without its question mark */
    const unsigned char *body; /* of proctor_cache_body(); NULL: none */
} proctor_cache_call_t;

/*
 * Two calls have one key only when the upstream reads them as the same.  The
 * order of query parameters is no difference, except between those of one
 * name; a declared parameter that is absent counts as its `default`.
 * OK; INVALID: the query is none, or has a parameter of the rule's `unless`:
 * such an answer is not kept; ERROR.  Scratch memory is the arena's.
 */
int proctor_cache_key(const proctor_cache_call_t *call, proctor_arena_t *arena,
    unsigned char key[PROCTOR_SHA256_LEN]);


/* proctor_cache_body.c */

/*
 * A body's share in the key.  The order of members, spaces and escapes are no
 * difference; 1 and 1.0 are.  doc->arena is scratch.  OK or ERROR.
 */
int proctor_cache_body(
    proctor_json_t *doc, unsigned char digest[PROCTOR_SHA256_LEN]);

/* 1: it has a member of the rule's `unless` that is neither false nor null:
   nothing of such a call is kept */
int proctor_cache_body_excepted(
    proctor_json_t *doc, const proctor_cache_rule_t *rule);


/*
 * proctor_cache_control.c: Cache-Control (RFC 9111, 5.2).  A directive that is
 * bad, or given twice, is read as what reuses least.
 */

#define PROCTOR_CC_NO_STORE         0x0001
#define PROCTOR_CC_NO_CACHE         0x0002 /* also with field names */
#define PROCTOR_CC_PRIVATE          0x0004 /* also with field names */
#define PROCTOR_CC_PUBLIC           0x0008
#define PROCTOR_CC_MUST_REVALIDATE  0x0010
#define PROCTOR_CC_PROXY_REVALIDATE 0x0020
#define PROCTOR_CC_MUST_UNDERSTAND  0x0040
#define PROCTOR_CC_ONLY_IF_CACHED   0x0080
#define PROCTOR_CC_MAX_STALE_ANY    0x0100 /* max-stale without a number */
#define PROCTOR_CC_SEEN             0x0200 /* there was a Cache-Control */

/* Seconds, at most 2^31; -1: absent.  Zeroed by proctor_cache_control_init() */
typedef struct {
    unsigned flags;
    int64_t max_age;
    int64_t s_maxage;
    int64_t stale_while_revalidate;
    int64_t stale_if_error;
    int64_t min_fresh;
    int64_t max_stale;
} proctor_cache_control_t;

void proctor_cache_control_init(proctor_cache_control_t *cc);
/* one field line's value; more lines go on where the last one ended */
void proctor_cache_control_parse(
    proctor_cache_control_t *cc, const char *value, size_t len);
/* of a request that has no Cache-Control (RFC 9111, 5.4) */
void proctor_cache_control_pragma(
    proctor_cache_control_t *cc, const char *value, size_t len);


/* proctor_cache_answer.c: the header of an answer, as far as it matters here */

typedef struct proctor_cache_entry_s proctor_cache_entry_t;

#define PROCTOR_CACHE_VARY  16  /* names in Vary, at most */
#define PROCTOR_CACHE_NAMES 512 /* bytes of names in Vary, in Connection */

typedef enum {
    PROCTOR_CACHE_STORABLE = 0,
    PROCTOR_CACHE_BAD_STATUS,
    PROCTOR_CACHE_NO_STORE,
    PROCTOR_CACHE_PRIVATE,
    PROCTOR_CACHE_SET_COOKIE,
    PROCTOR_CACHE_VARY_ALL, /* "*", or more than we keep */
    PROCTOR_CACHE_PARTIAL,  /* Content-Range */
    PROCTOR_CACHE_NO_TIME,  /* neither fresh for a moment nor to be validated */
    PROCTOR_CACHE_UNREADABLE /* fields that contradict each other, or too much */
} proctor_cache_storable_e;

typedef struct {
    unsigned status;
    int64_t requested; /* ms: when the upstream was asked */
    int64_t received;  /* ms: when its header was here */
    proctor_cache_control_t control;
    int64_t date;    /* s; -1: none, or unreadable */
    int64_t expires; /* s; -1: none; 0: unreadable, which is the past */
    int64_t age;     /* s; -1: none */
    unsigned seen;   /* proctor_cache_answer.c's */
    unsigned nvary;
    proctor_str_t vary[PROCTOR_CACHE_VARY]; /* lower case, in names[] */
    size_t nnames;
    size_t nconnection;
    char names[PROCTOR_CACHE_NAMES];
    char connection[PROCTOR_CACHE_NAMES]; /* "name\0name\0" */
} proctor_cache_answer_t;

typedef struct {
    proctor_str_t name;
    proctor_str_t value; /* data == NULL: the field was absent (Vary) */
} proctor_cache_field_t;

void proctor_cache_answer_init(proctor_cache_answer_t *answer, unsigned status,
    int64_t requested, int64_t received);
/* each header line that the upstream sent; names in any case */
void proctor_cache_answer_field(proctor_cache_answer_t *answer,
    const proctor_str_t *name, const proctor_str_t *value);
/* after all of them: 1 when this one is part of what is kept.  Connection and
   what it lists, hop-by-hop fields, Set-Cookie and Age are not. */
int proctor_cache_answer_keeps(
    const proctor_cache_answer_t *answer, const proctor_str_t *name);
/* 1 when it has an ETag or a Last-Modified */
int proctor_cache_has_validator(const proctor_cache_answer_t *answer);
/* 1 when it says "Pragma: no-cache" */
int proctor_cache_has_pragma(const proctor_cache_answer_t *answer);
/* may it be kept at all, whatever is in its body? */
proctor_cache_storable_e proctor_cache_storable(
    const proctor_cache_answer_t *answer);
/* 1 when its lifetime hangs on its body: `ttl_when` has a say */
int proctor_cache_wants_body(
    const proctor_cache_answer_t *answer, const proctor_cache_rule_t *rule);


/* proctor_cache_freshness.c: how long, and whether for this request */

#define PROCTOR_CACHE_VALIDATE 0x01 /* never without asking (no-cache) */
#define PROCTOR_CACHE_STRICT   0x02 /* never stale (must-revalidate) */

/* times in milliseconds; what an entry remembers */
typedef struct {
    int64_t received;
    int64_t age; /* when it was received */
    int64_t lifetime;
    int64_t stale_while_revalidate;
    int64_t stale_if_error;
    unsigned flags;
} proctor_cache_freshness_t;

/*
 * STORABLE, or why not.  doc: the answer's body where it is JSON and
 * proctor_cache_wants_body(); else NULL.  *keep: ms for which to keep it.
 */
proctor_cache_storable_e proctor_cache_freshness(
    const proctor_cache_answer_t *answer, const proctor_cache_rule_t *rule,
    proctor_json_t *doc, proctor_cache_freshness_t *freshness, int64_t *keep);

typedef enum {
    PROCTOR_CACHE_FRESH = 0, /* or as stale as the client said it may be */
    PROCTOR_CACHE_BEHIND,    /* answer with it, revalidate behind it */
    PROCTOR_CACHE_STALE,     /* ask the upstream first */
    PROCTOR_CACHE_REQUEST    /* fresh, but this client wants it asked */
} proctor_cache_use_e;

typedef struct {
    proctor_cache_use_e use;
    int on_error;  /* may be answered with when the upstream fails */
    int64_t age;   /* seconds, for Age */
    int64_t fresh; /* seconds left, below 0 when stale, for Cache-Status */
} proctor_cache_verdict_t;

/* request: its Cache-Control; of one without any: as init() left it */
void proctor_cache_use(const proctor_cache_freshness_t *freshness,
    const proctor_cache_control_t *request, int64_t now,
    proctor_cache_verdict_t *verdict);
/* 1 when the client forbids to keep the answer to its request (no-store) */
int proctor_cache_request_forbids(const proctor_cache_control_t *request);


/* proctor_cache_vary.c: is it an answer to this request, too? */

/*
 * The request's field of this (lower case) name as the upstream gets it: what
 * the gateway replaces or takes away is the same for every caller, and counts
 * as absent.  Several lines are one value with ", " between.  OK with
 * value->data == NULL: absent; ERROR: memory.
 */
typedef int (*proctor_cache_header_pt)(
    void *data, const proctor_str_t *name, proctor_str_t *value);

/*
 * fields[PROCTOR_CACHE_FIELDS_VARY] to be stored: what the answer's Vary names, and
 * the header parameters that the contract declares; their number, or ERROR
 */
#define PROCTOR_CACHE_FIELDS_VARY 80
int proctor_cache_vary_fields(const proctor_cache_answer_t *answer,
    const proctor_operation_t *operation, proctor_cache_header_pt header,
    void *data, proctor_cache_field_t *fields);
/* 1: the same values, or there is no Vary; 0; ERROR */
int proctor_cache_vary_match(const proctor_cache_entry_t *entry,
    proctor_cache_header_pt header, void *data);


/* proctor_cache_entry.c: an answer as bytes that only we can have written */

/* walks fields of an entry: it = entry->fields, then _next() while it is 1 */
typedef struct {
    const char *p;
    unsigned left;
} proctor_cache_fields_t;

struct proctor_cache_entry_s {
    proctor_cache_freshness_t freshness;
    unsigned status;
    const char *gens; /* PROCTOR_CACHE_GEN_LEN bytes each, in the order of
                         proctor_cache_groups() */
    unsigned ngens;
    proctor_cache_fields_t fields;
    proctor_cache_fields_t vary;
    proctor_str_t body;
};

int proctor_cache_fields_next(
    proctor_cache_fields_t *it, proctor_cache_field_t *field);
/* of a stored answer; 0: it has none */
int proctor_cache_entry_field(
    const proctor_cache_entry_t *entry, const char *name, proctor_str_t *value);

typedef struct {
    proctor_cache_freshness_t freshness;
    unsigned status;
    const char *gens;
    unsigned ngens;
    const proctor_cache_field_t *fields;
    unsigned nfields;
    const proctor_cache_field_t *vary;
    unsigned nvary;
    proctor_str_t body; /* data == NULL: it is in its place already, the
                           last body.len bytes */
} proctor_cache_draft_t;

/* the bytes it takes; 0: it cannot be stored, or is over the maximum */
size_t proctor_cache_entry_size(const proctor_cache_draft_t *draft);

/* libcrypto's state of a worker, one key for each account it has met */
typedef struct proctor_cache_seal_s proctor_cache_seal_t;

proctor_cache_seal_t *proctor_cache_seal_create(const proctor_teams_t *teams);
void proctor_cache_seal_destroy(proctor_cache_seal_t *seal);

/* into dst[proctor_cache_entry_size()]; OK or ERROR */
int proctor_cache_entry_seal(proctor_cache_seal_t *seal,
    const proctor_account_t *account,
    const unsigned char key[PROCTOR_SHA256_LEN],
    const proctor_cache_draft_t *draft, char *dst);
/*
 * OK: the entry's strings point into the value.  INVALID: it is not what was
 * sealed under this key for this account: damaged, another's, another
 * version's, somebody's own.  ERROR: libcrypto would not.
 */
int proctor_cache_entry_open(proctor_cache_seal_t *seal,
    const proctor_account_t *account,
    const unsigned char key[PROCTOR_SHA256_LEN], const proctor_str_t *value,
    proctor_cache_entry_t *entry);


/* proctor_cache_freshen.c: a stored answer that is still good */

/*
 * Its header after a 304 (RFC 9111, 3.2): the stored fields that the 304 does
 * not name, then the 304's that are kept; what describes the body's
 * bytes stays as it was stored.  The number of `out`, or -1: more than size.
 * Strings are borrowed.  How long it is fresh now, an answer tells that has
 * the stored status and was given these fields.
 */
int proctor_cache_freshen(const proctor_cache_entry_t *stored,
    const proctor_cache_answer_t *answer, const proctor_cache_field_t *fields,
    unsigned nfields, proctor_cache_field_t *out, unsigned size);

#endif /* PROCTOR_CACHE_H_INCLUDED */
