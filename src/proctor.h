/*
 * The map of the pure half: what needs no nginx.
 *
 * Files named proctor_<name>.c include no nginx header.  The module, the
 * `proctor` command and the unit tests share them, so that nobody's answer can
 * differ from the gateway's.  Every public function is listed here under the
 * file that defines it.
 *
 * Return codes: PROCTOR_OK, or one of the negative codes below; functions
 * that return a pointer return NULL when memory ran out or, where they take a
 * proctor_report_t, when something was reported.
 */

#ifndef PROCTOR_H_INCLUDED
#define PROCTOR_H_INCLUDED

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>


#define PROCTOR_VERSION "0.1.0"

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


/*
 * proctor_json.c: JSON text (RFC 8259) to a tape of nodes, for what clients
 * send.  jansson reads our own configuration; here it will not do: it refuses
 * integers over 64 bits, which a free-form field may hold, cannot say where a
 * value stands, and its lexer costs more than a whole proxied request.
 *
 * Refused: duplicate members (after unescaping), bad UTF-8, a BOM, lone
 * surrogates, trailing bytes, more than PROCTOR_JSON_DEPTH levels or
 * PROCTOR_JSON_NODES values.  Time is linear in the text, whatever the keys.
 *
 * Nodes stand in document order.  An array is followed by its items, an object
 * by its members, each a STRING node (the key) and the value's node.  `next`
 * is the index of the node after the whole value.  Nodes point into the text,
 * which must outlive the document.
 */

#define PROCTOR_JSON_DEPTH 128
#define PROCTOR_JSON_NODES 1000000

typedef enum {
    PROCTOR_JSON_NULL = 0,
    PROCTOR_JSON_FALSE,
    PROCTOR_JSON_TRUE,
    PROCTOR_JSON_NUMBER,
    PROCTOR_JSON_STRING,
    PROCTOR_JSON_ARRAY,
    PROCTOR_JSON_OBJECT
} proctor_json_type_e;

typedef struct {
    const char *text; /* string: after its quote, still escaped when
                                  `escaped`; else: first byte of the literal */
    uint32_t len;     /* of text, bytes; a string's without quotes */
    uint32_t next;
    uint32_t count;  /* array: items; object: members; key: hash */
    uint8_t type;    /* proctor_json_type_e */
    uint8_t escaped; /* string: has a backslash */
    uint8_t integer; /* number: digits only, perhaps a sign; 0: look */
} proctor_json_node_t;

typedef struct {
    proctor_json_node_t *nodes; /* nodes[0] is the root; malloc'ed */
    uint32_t nnodes;
    uint32_t capacity;
    proctor_arena_t *arena; /* for decoded strings; may be NULL
                                         until one is asked for */
    const char *error;      /* why parse failed: a constant phrase,
                                         "is not valid UTF-8" */
    size_t error_offset;
} proctor_json_t;

/* proctor_json_tape.c */

/* a zeroed struct; parsing keeps `nodes` for the next text of the worker */
void proctor_json_init(proctor_json_t *doc);
void proctor_json_free(proctor_json_t *doc);

/* proctor_json.c */

/* OK, INVALID (doc->error says why, doc->error_offset where), ERROR */
int proctor_json_parse(proctor_json_t *doc, const char *text, size_t len);

/* proctor_json_value.c */

/* the node's string without escapes; allocates in doc->arena when escaped */
int proctor_json_string(proctor_json_t *doc, uint32_t node, proctor_str_t *out);
/* index of the member's value; 0: not an object, or no such member */
uint32_t proctor_json_member(
    proctor_json_t *doc, uint32_t object, const char *name, size_t len);
/* index of the value that an RFC 6901 pointer names; UINT32_MAX: none */
uint32_t proctor_json_find(proctor_json_t *doc, const char *pointer);

/* proctor_json_utf8.c */

/* 1 when every byte of s is part of valid UTF-8 (RFC 3629) */
int proctor_json_utf8(const char *s, size_t len);
/* length of the valid UTF-8 sequence at p < end; 0: there is none */
unsigned proctor_json_sequence(const char *p, const char *end);

/* proctor_json_scan.c */

/* every reason to refuse a text, spelled once: doc->error is one of these */
extern const char proctor_json_empty[];
extern const char proctor_json_bom[];
extern const char proctor_json_syntax[];
extern const char proctor_json_bad_utf8[];
extern const char proctor_json_surrogate[];
extern const char proctor_json_duplicate[];
extern const char proctor_json_trailing[];
extern const char proctor_json_deep[];
extern const char proctor_json_many[];
extern const char proctor_json_large[]; /* 4 GB or more; with ERROR */


/*
 * proctor_json_tape.c again: builds a flat object (query parameters) without a
 * text to parse.  No name may be added twice: that is the caller's duty.
 */
int proctor_json_object_begin(proctor_json_t *doc);
/* type: NUMBER (text is a JSON number), STRING (text is decoded), TRUE.. */
int proctor_json_object_add(proctor_json_t *doc, const proctor_str_t *name,
    proctor_json_type_e type, const proctor_str_t *text);
void proctor_json_object_end(proctor_json_t *doc);


/*
 * proctor_schema.c: JSON Schema 2020-12, compiled once.
 *
 * A set belongs to one JSON document (a contract, a teams file); schemas are
 * named by their JSON Pointer in it, and every $ref must stay inside it.
 * Unknown keywords, unevaluated*, $dynamicRef, $dynamicAnchor, $vocabulary and
 * remote references are reported by name.  Our one extension is
 *     "x-proctor": {"error": "<sentence>", "fields": ["a", "b"]}
 * on a schema: when the schema fails, this one sentence is the violation, once
 * for each field (a property of the object the schema stands on).
 */

typedef struct proctor_schema_s proctor_schema_t;
typedef struct proctor_schema_set_s proctor_schema_set_t;

#define PROCTOR_SCHEMA_FORMAT                                                  \
    0x01                            /* `format` is asserted; unknown formats
                                          are reported */
#define PROCTOR_SCHEMA_LENIENT 0x02 /* unknown keywords pass (suite runner) */

/* document: borrowed, must outlive the set; all memory is the arena's */
proctor_schema_set_t *proctor_schema_set_create(proctor_arena_t *arena,
    json_t *document, unsigned options, proctor_report_t *report);
/* compiles, or finds, the schema at `pointer`; NULL: reported */
const proctor_schema_t *proctor_schema_compile(
    proctor_schema_set_t *set, const char *pointer);
/* the declared type when it is one simple type, else -1 (a query parameter's
   text becomes a value by it): PROCTOR_JSON_*, integer is NUMBER */
int proctor_schema_type(const proctor_schema_t *schema);
/* 1 when the type is "integer" */
int proctor_schema_is_integer(const proctor_schema_t *schema);


/*
 * proctor_schema_check.c: does a value fit a compiled schema?  No recursion
 * deeper than PROCTOR_JSON_DEPTH times the schema's own nesting; a step budget
 * bounds what $ref and anyOf can multiply; PCRE2 runs under a match limit, and
 * a pattern that hits it does not match.  Thread-safe: a compiled schema is
 * never written.
 */

typedef struct proctor_violation_s proctor_violation_t;

struct proctor_violation_s {
    const char *pointer; /* RFC 6901, of the offending value */
    const char *message; /* "must be at most 100": the field is
                                         its subject; a whole sentence, with
                                         capital and stop, when `sentence` */
    int sentence;
    proctor_violation_t *next;
};

#define PROCTOR_VIOLATIONS_MAX 64

typedef struct {
    proctor_arena_t *arena; /* where violations live */
    proctor_violation_t *first;
    proctor_violation_t *last;
    unsigned count; /* also those over the maximum */
} proctor_violations_t;

/*
 * OK; INVALID: every violation is appended to `out` (may be NULL: only the
 * verdict); ERROR: memory or the step budget ran out.  `prefix` is put before
 * each pointer ("" or NULL: none).
 */
int proctor_schema_check(const proctor_schema_t *schema, proctor_json_t *doc,
    uint32_t node, const char *prefix, proctor_violations_t *out);
/* appends; message is copied */
int proctor_violations_add(proctor_violations_t *v, const char *pointer,
    int sentence, const char *fmt, ...) __attribute__((format(printf, 4, 5)));


/*
 * proctor_route.c: the path exactly as sent to an operation.
 *
 * A tree of segments; at each level a literal wins over a parameter, and the
 * match backs up to the parameter when the literal leads nowhere.
 */

typedef struct proctor_operation_s proctor_operation_t;
typedef struct proctor_path_s proctor_path_t;
typedef struct proctor_route_s proctor_route_t;

typedef enum {
    PROCTOR_GET = 0,
    PROCTOR_POST,
    PROCTOR_PUT,
    PROCTOR_PATCH,
    PROCTOR_DELETE,
    PROCTOR_METHODS
} proctor_method_e;

#define PROCTOR_PATH_PARAMS 8 /* at most, in one path template */

typedef struct {
    const proctor_path_t *path;
    proctor_str_t params[PROCTOR_PATH_PARAMS]; /* into the path */
    unsigned nparams;
} proctor_match_t;

typedef enum {
    PROCTOR_ROUTE_FOUND = 0,
    PROCTOR_ROUTE_NONE,  /* no such path */
    PROCTOR_ROUTE_SLASH, /* the same path but for its final slash
                                         exists; match->path is that one */
    PROCTOR_ROUTE_FORM   /* not a form we accept at all */
} proctor_route_e;

proctor_route_t *proctor_route_create(proctor_arena_t *arena);
/* template "/a/{x}/b/"; NULL, with *reason set, when it clashes or is bad */
int proctor_route_add(
    proctor_route_t *route, const proctor_path_t *path, const char **reason);
/*
 * path: without the query.  *reason (constant phrase) is set on FORM: a byte
 * other than unreserved, sub-delims but ";", ":" and "@" (RFC 3986, 3.3), a
 * percent sign, a dot segment, an empty segment.  API.md, decision 12.
 */
proctor_route_e proctor_route(const proctor_route_t *route, const char *path,
    size_t len, proctor_match_t *match, const char **reason);


/* proctor_contract.c: one OpenAPI 3.1 document, compiled */

typedef enum {
    PROCTOR_IN_PATH = 0,
    PROCTOR_IN_QUERY,
    PROCTOR_IN_HEADER
} proctor_in_e;

typedef struct {
    proctor_str_t name; /* header: lower case */
    proctor_in_e in;
    int required;
    const proctor_schema_t *schema;
    proctor_str_t fallback; /* the schema's `default` as a query would spell
                               it; data == NULL: none, or not a plain one */
} proctor_param_t;

/* what they hold is told in proctor_cache.h */
typedef struct proctor_cache_rule_s proctor_cache_rule_t;

typedef enum {
    PROCTOR_ERRORS_DETAIL = 0, /* {"detail": ...}: Django REST style */
    PROCTOR_ERRORS_STATUS      /* {"status":"error","code":...} */
} proctor_errors_e;

/* what of a call of this operation is written down */
typedef enum {
    PROCTOR_AUDIT_METADATA = 0,
    PROCTOR_AUDIT_BODY, /* and the request's body */
    PROCTOR_AUDIT_NONE
} proctor_audit_level_e;

struct proctor_operation_s {
    proctor_str_t id; /* operationId, NUL-terminated */
    proctor_method_e method;
    const proctor_path_t *path;
    proctor_str_t right;     /* x-proctor.right, NUL-terminated */
    proctor_param_t *params; /* path parameters first, in the order
                                         of the template */
    unsigned nparams;
    int has_body;
    int body_required;
    const proctor_schema_t *body; /* of application/json */
    proctor_str_t *links;         /* names of top-level members of the
                                         answer that hold absolute URLs */
    unsigned nlinks;
    proctor_audit_level_e audit;
    int durable;           /* its intent is on disk before it happens */
    proctor_str_t *redact; /* JSON Pointers into the body, NUL-terminated */
    unsigned nredact;
    proctor_cache_rule_t *cache; /* NULL: its answers are not kept */
    struct proctor_cache_templates_s *invalidates; /* NULL: nothing */
    unsigned index;                                /* in contract->operations */
};

struct proctor_path_s {
    proctor_str_t template; /* NUL-terminated */
    const proctor_operation_t *operations[PROCTOR_METHODS];
    const char *allow; /* "GET, HEAD, DELETE" */
};

typedef struct {
    proctor_str_t name; /* given by the caller */
    proctor_str_t title;
    proctor_errors_e errors;
    proctor_operation_t **operations;
    unsigned noperations;
    proctor_path_t **paths;
    unsigned npaths;
    proctor_route_t *route;
} proctor_contract_t;

/*
 * text: the document's bytes.  Every fault goes to the report, as many as can
 * be found in one pass; NULL when there was any.
 */
proctor_contract_t *proctor_contract_compile(proctor_arena_t *arena,
    const char *name, const char *text, size_t len, proctor_report_t *report);
const proctor_operation_t *proctor_contract_operation(
    const proctor_contract_t *contract, const char *id, size_t len);
/* 1 when some operation of the contract asks for this right */
int proctor_contract_has_right(
    const proctor_contract_t *contract, const char *right, size_t len);


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


/* proctor_param.c: a parameter's text becomes a value by its schema */

/*
 * The type of JSON value that the text stands for where the schema's type is
 * looked at.  *fault: NULL, or why it stands for none ("must be a plain
 * decimal integer").  API.md, decision 6: no sign but "-", no leading zero,
 * no exponent, no fraction in an integer.
 */
proctor_json_type_e proctor_param_type(const proctor_schema_t *schema,
    const proctor_str_t *text, const char **fault);


/*
 * proctor_quota.c: windows, and what is left in them.  Times are milliseconds
 * of one clock for each limit; nothing is allocated.
 */

typedef enum {
    PROCTOR_PER_SLIDING = 0, /* the last `seconds`, at any time */
    PROCTOR_PER_DAY,         /* a calendar day, UTC */
    PROCTOR_PER_MONTH        /* a calendar month, UTC */
} proctor_per_e;

typedef struct {
    uint32_t limit;
    proctor_per_e per;
    uint32_t seconds; /* the length; of a month, 30 days */
} proctor_limit_t;

#define PROCTOR_WINDOW_PARTS  50
#define PROCTOR_WINDOW_SLICES (PROCTOR_WINDOW_PARTS + 1)
#define PROCTOR_QUOTA_HOLD    600 /* seconds that a reservation can live */

/* zeroed: empty */
typedef struct {
    int64_t slice;  /* the latest */
    uint32_t total; /* of `used` */
    uint32_t used[PROCTOR_WINDOW_SLICES];
} proctor_window_t;

/* what others have counted, as far as it is known */
typedef struct {
    int64_t at;    /* when they said so */
    uint32_t used; /* 0: nothing is known */
} proctor_seed_t;

/* what was taken, and what is reserved for answers that are to come */
typedef struct {
    proctor_window_t taken;
    proctor_window_t held; /* always by proctor_quota_hold */
    proctor_seed_t seed;   /* as it is part of `taken` */
} proctor_counter_t;

extern const proctor_limit_t proctor_quota_hold;

/* the number of the slice of a time */
int64_t proctor_window_slice(const proctor_limit_t *limit, int64_t now);
/* forgets what is too old; the others expect that it was called */
void proctor_window_turn(
    proctor_window_t *w, const proctor_limit_t *limit, int64_t now);
void proctor_window_add(proctor_window_t *w, const proctor_limit_t *limit);
/* takes back one that was added in this slice; 0: it had left already */
int proctor_window_drop(
    proctor_window_t *w, const proctor_limit_t *limit, int64_t slice);
/* what others had counted at `seed->at`, in the place of what they had before;
   `now` is not earlier */
void proctor_window_seed(proctor_window_t *w, const proctor_limit_t *limit,
    proctor_seed_t *old, const proctor_seed_t *seed, int64_t now);
/* milliseconds, never 0, until so many (1 at least) have left */
int64_t proctor_window_wait(const proctor_window_t *w,
    const proctor_limit_t *limit, uint32_t leave, int64_t now);

#define PROCTOR_QUOTAS_MAX 16 /* of a team; of an account's limits */

/*
 * One of each of n, or none of any.  Bit i of `held`: reserved, until it is
 * settled.  0: taken; else milliseconds until it is worth asking again.
 */
int64_t proctor_counter_take(proctor_counter_t *const *counters,
    const proctor_limit_t *const *limits, const int64_t *now, unsigned n,
    unsigned held);
/* the end of a reservation of this slice: taken, or given back */
void proctor_counter_settle(proctor_counter_t *c, const proctor_limit_t *limit,
    int64_t slice, int accepted, int64_t now);


/* proctor_budget.c: an account's limit, split between the teams that ask */

#define PROCTOR_BUDGET_TEAMS 64 /* remembered at a time */

typedef struct {
    uint64_t team; /* its name's hash; 0: nobody */
    int64_t last;  /* when it asked */
    proctor_window_t asked;
    proctor_window_t taken;
} proctor_share_t;

typedef struct {
    proctor_window_t window;
    proctor_seed_t seed; /* as it is part of `window` */
    proctor_share_t shares[PROCTOR_BUDGET_TEAMS];
} proctor_budget_t;

/* 0: there is room for this team; else milliseconds until there may be */
int64_t proctor_budget_check(proctor_budget_t *b, const proctor_limit_t *limit,
    uint64_t team, int64_t now);
/* right after the check */
void proctor_budget_take(
    proctor_budget_t *b, const proctor_limit_t *limit, uint64_t team);


/* proctor_teams.c: teams and accounts (DESIGN.md section 4) */

/* Strings to spell keys of: names in which no byte can be misread. */

typedef struct {
    proctor_limit_t limit;
    proctor_str_t name;   /* "calls"; of an account's: empty */
    proctor_str_t key;    /* "proctor:{team}:quota:calls:60" */
    proctor_str_t row;    /* the same of slices */
    proctor_str_t more;   /* the same of reservations */
    proctor_str_t per;    /* "60", "day", "month" */
    proctor_str_t policy; /* of a team's: "\"calls\";q=600;w=60" */
    int accepted;         /* charged when the upstream accepted */
    const proctor_operation_t **operations;
    unsigned noperations; /* 0: all of them */
    unsigned index;       /* among all quotas and limits */
} proctor_quota_t;

typedef struct {
    proctor_str_t name;
    const proctor_contract_t *contract;
    proctor_str_t *keys; /* "Bearer secret", in the order to be lent; each
                            with a NUL behind it, as header values have */
    unsigned nkeys;
    unsigned index;       /* proctor_teams_account(teams, index) is this one */
    proctor_str_t valve;  /* "proctor:{account}:valve" */
    proctor_str_t prefix; /* "proctor:{account}:", of the cache's keys */
    proctor_quota_t *limits;
    unsigned nlimits;
} proctor_account_t;

typedef struct {
    const proctor_operation_t *operation;
    const proctor_schema_t *body; /* NULL: no rule */
    const proctor_schema_t *query;
} proctor_policy_t;

typedef struct {
    proctor_str_t name;
    const proctor_account_t **accounts; /* one for each contract it may use */
    unsigned naccounts;
    proctor_policy_t *policies;
    unsigned npolicies;
    proctor_quota_t *quotas;
    unsigned nquotas;
} proctor_team_t;

typedef struct {
    unsigned char sha256[PROCTOR_SHA256_LEN];
    proctor_str_t id;
    proctor_str_t actor;
    proctor_str_t *rights;
    unsigned nrights;
    int64_t expires;  /* Unix seconds; 0: never */
    int on_behalf_of; /* it may say on whose behalf it calls */
    const proctor_team_t *team;
} proctor_key_t;

typedef struct proctor_teams_s proctor_teams_t;

typedef struct {
    const proctor_contract_t **contracts;
    unsigned ncontracts;
    const char *directory; /* "file" keys are relative to it */
} proctor_teams_env_t;

proctor_teams_t *proctor_teams_compile(proctor_arena_t *arena,
    const proctor_teams_env_t *env, const char *text, size_t len,
    proctor_report_t *report);
/*
 * The key with this digest, or NULL.  The digest's first bytes choose a
 * bucket; the final comparison takes the same time whatever it finds.
 */
const proctor_key_t *proctor_teams_key(const proctor_teams_t *teams,
    const unsigned char sha256[PROCTOR_SHA256_LEN]);
const proctor_account_t *proctor_team_account(
    const proctor_team_t *team, const proctor_contract_t *contract);
const proctor_policy_t *proctor_team_policy(
    const proctor_team_t *team, const proctor_operation_t *operation);
int proctor_key_has_right(const proctor_key_t *key, const proctor_str_t *right);
/* 1 when a call of this operation is counted by it */
int proctor_quota_applies(
    const proctor_quota_t *quota, const proctor_operation_t *operation);
/* quotas of teams and limits of accounts, all together */
unsigned proctor_teams_nquotas(const proctor_teams_t *teams);
/* each secret in turn, so that nothing else has to know where they are */
unsigned proctor_teams_naccounts(const proctor_teams_t *teams);
const proctor_account_t *proctor_teams_account(
    const proctor_teams_t *teams, unsigned i);


/* proctor_lines.c: the line of a text on which a pointer's value stands */

typedef struct proctor_lines_s proctor_lines_t;

/* text: to be there as long as lines are asked for; NULL: out of memory */
proctor_lines_t *proctor_lines_create(
    proctor_arena_t *arena, const char *text, size_t len);
/* counted from 1; of a text that is not JSON: where it ceases to be */
unsigned proctor_lines_of(proctor_lines_t *lines, const char *pointer);


/* proctor_lint.c: what nginx would say about these files, a fault a line */

/* teams: NULL: contracts only; OK, INVALID: something was said, ERROR */
int proctor_lint(
    FILE *out, const char *teams, unsigned ncontracts, char *const *contracts);


/* proctor_audit_command.c: `proctor audit VERB ...`; returns the exit code */

int proctor_audit_command(int argc, char **argv);
extern const char proctor_audit_help[];


/* proctor_token.c: a team's token, "prk_" and 32 random bytes in base64url */

#define PROCTOR_TOKEN_PREFIX "prk_"
#define PROCTOR_TOKEN_BYTES  32
#define PROCTOR_TOKEN_LEN                                                      \
    (sizeof(PROCTOR_TOKEN_PREFIX) - 1 + (PROCTOR_TOKEN_BYTES * 4 + 2) / 3)

/* writes PROCTOR_TOKEN_LEN bytes and a NUL; ERROR: no random bytes */
int proctor_token_create(char *token);


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


/*
 * proctor_audit_log.c: one audit record as one line of ASCII JSON, at most
 * PROCTOR_AUDIT_LINE bytes with its newline.  Oversize fields are cut and
 * named in "trunc".  Absent strings (data == NULL) are left out.  What files
 * of such lines are, and who proves them whole: proctor_audit.h.
 */

#define PROCTOR_AUDIT_LINE    4096
#define PROCTOR_AUDIT_WHO_MAX 900

typedef struct {
    int64_t time_us;    /* Unix microseconds */
    proctor_str_t kind; /* call | denied | intent | outcome */
    proctor_str_t rid;  /* request id */
    proctor_str_t id;   /* of an intent and its outcome:
                           proctor_audit_id() */
    proctor_str_t who;  /* the members from contract to account, as
                           proctor_audit_log_who() made them; or NULL */
    proctor_str_t contract;
    proctor_str_t operation;
    proctor_str_t team;
    proctor_str_t key; /* the key's id, never the key */
    proctor_str_t actor;
    proctor_str_t account;
    proctor_str_t client; /* address */
    proctor_str_t method;
    proctor_str_t path;                /* as sent, without the query */
    proctor_str_t query;               /* as sent */
    proctor_str_t claimed;             /* on whose behalf, says the caller */
    const proctor_str_t *target_names; /* the path's parameters */
    const proctor_str_t *targets;
    unsigned ntargets;
    const unsigned char *body_sha256; /* NULL: no body was read */
    uint64_t body_len;
    proctor_str_t decision;   /* allowed | refused | observed */
    proctor_str_t reason;     /* a code of the error table */
    proctor_str_t detail;     /* the sentence the client was told */
    proctor_str_t result;     /* ok | refused | upstream_error | timeout |
                                 client_gone | unknown */
    proctor_str_t cache;      /* $proctor_cache: hit, miss... */
    proctor_str_t created;    /* the id that the answer gave */
    unsigned status;          /* sent to the client; 0: none */
    unsigned upstream_status; /* 0: never asked or no answer */
    int unfinished;           /* an intent: there is no duration yet */
    int64_t duration_ms;
    int64_t upstream_ms; /* -1: never asked */
    proctor_str_t body;  /* JSON text, as proctor_audit_body() made it; gets
                            the room that all others leave */
} proctor_audit_record_t;

/* the members from contract to account, which many records share, into
   buf[PROCTOR_AUDIT_WHO_MAX]; their length, 0: one of them had to be cut */
size_t proctor_audit_log_who(const proctor_audit_record_t *record, char *buf);
/* writes the line with its newline into buf[PROCTOR_AUDIT_LINE]; its length */
size_t proctor_audit_log_format(
    const proctor_audit_record_t *record, char *buf);


/*
 * proctor_audit_id.c: what joins an intent and its outcome.  The worker is a
 * random number of 63 bits, drawn when it starts; its counter grows with each
 * intent that it appends.
 */

/* 16 digits of the worker, 1 to 16 of the counter */
#define PROCTOR_AUDIT_ID_MAX 32

/* into buf[PROCTOR_AUDIT_ID_MAX], without a NUL; its length */
size_t proctor_audit_id(char *buf, uint64_t worker, uint64_t counter);
/* OK, or INVALID: no id of ours */
int proctor_audit_id_read(
    const proctor_str_t *id, uint64_t *worker, uint64_t *counter);


/* proctor_audit_mark.c: the records that are about the file itself */

/* the first record of every file; strings as above */
typedef struct {
    int64_t time_us;
    proctor_str_t file;   /* PROCTOR_AUDIT_FILE_ID hexadecimal digits */
    proctor_str_t origin; /* of its checkpoints: NAME/file */
    proctor_str_t reason; /* new | moved | abandoned | shrunk | replaced */
    proctor_str_t previous_file; /* data NULL: no checkpoint of one is known */
    uint64_t previous_size;
    const unsigned char *previous_root; /* PROCTOR_SHA256_LEN bytes */
} proctor_audit_start_t;

/* names a line that was damaged: begun by a process that died */
typedef struct {
    int64_t time_us;
    uint64_t at;                 /* the line's first byte in the file */
    uint64_t bytes;              /* its length, without the newline */
    const unsigned char *sha256; /* of these bytes */
} proctor_audit_torn_t;

#define PROCTOR_AUDIT_FILE_ID 32

/* lines as of proctor_audit_log_format() */
size_t proctor_audit_mark_start(const proctor_audit_start_t *start, char *buf);
size_t proctor_audit_mark_torn(const proctor_audit_torn_t *torn, char *buf);


/* proctor_audit_body.c: a request's body for the record */

/*
 * The body (doc: parsed from this text) with the operation's redacted members
 * as "[redacted]", into buf[PROCTOR_AUDIT_LINE]: of a long one the beginning.
 * Bytes written.
 */
size_t proctor_audit_body(const proctor_operation_t *operation,
    proctor_json_t *doc, const proctor_str_t *text, char *buf);


/*
 * proctor_skip.c: to the end of a JSON value, 64 bytes at a time, without
 * looking at what is in it.  A value may come in any number of pieces.
 */

typedef struct {
    uint64_t depth;   /* of brackets, whichever they are */
    uint64_t quoted;  /* all ones: inside a string; else 0 */
    uint64_t escaped; /* 1: a backslash stands before the next byte */
} proctor_skip_t;

/* both start zeroed, and return the byte after the value; NULL: it goes on */

/* p: after the opening quote */
const char *proctor_skip_string(
    proctor_skip_t *s, const char *p, const char *last);
/* p: at the opening bracket */
const char *proctor_skip_nested(
    proctor_skip_t *s, const char *p, const char *last);


/*
 * proctor_links.c: gives absolute URLs in a streamed JSON answer our origin.
 *
 * Only string values of the named top-level members are touched, and of them
 * only scheme and authority (with user information and port): what a URL
 * parser of today's clients takes for absolute http or https is replaced by
 * `origin`, JSON-escaped.  That is also "//host", "http:\\\\host\\path", any
 * number of slashes (none too) after the scheme, and spaces before it.  A
 * backslash that ends the authority becomes a slash, since parsers disagree
 * on what follows it.  Every other byte of the text passes as it came; a text
 * that is no JSON object passes whole.
 *
 * Nothing is buffered but the scheme: `emit` gets long spans of the input, and
 * short ones that are gone when it returns.  No allocation, no cleanup.
 */

#define PROCTOR_LINKS_HELD                                                     \
    1024 /* bytes of one URL's scheme and authority, as they stand in the text;
            a longer member name matches nothing */

/* PROCTOR_OK or PROCTOR_ERROR; len is never 0 */
typedef int (*proctor_links_emit_pt)(void *data, const char *bytes, size_t len);

typedef struct {
    proctor_links_emit_pt emit;
    void *data;
    const proctor_str_t *names; /* borrowed, as is origin's text */
    unsigned nnames;
    proctor_str_t origin;
    int rc;         /* the first failure stays */
    unsigned state; /* proctor_links_state_e of proctor_links.c */
    proctor_skip_t skip;
    int wanted;         /* the member's name is one of `names` */
    int misfit;         /* the member's name can be none of `names` */
    unsigned matched;   /* how far a URL's beginning has been recognised */
    unsigned surrogate; /* a high one, waiting for its low one; 0: none */
    const char *span;   /* input not yet emitted; within one feed */
    size_t nescape;
    size_t nheld;
    char escape[6]; /* an escape sequence as far as it has come */
    char held[PROCTOR_LINKS_HELD]; /* the name, decoded, or the start of a
                                      value that may be a URL, as it came */
} proctor_links_t;

/* origin: "https://gw.example", without a slash at its end */
void proctor_links_init(proctor_links_t *l, const proctor_str_t *names,
    unsigned nnames, const proctor_str_t *origin, proctor_links_emit_pt emit,
    void *data);
/*
 * Any split of the text gives the same bytes.  OK; INVALID: a URL's scheme and
 * authority are longer than PROCTOR_LINKS_HELD, the text cannot go on;
 * ERROR: emit failed.  After a failure every call returns it again.
 */
int proctor_links_feed(proctor_links_t *l, const char *bytes, size_t len);
/* emits what is still held: the text ended inside a URL's beginning */
int proctor_links_end(proctor_links_t *l);


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

#endif /* PROCTOR_H_INCLUDED */
