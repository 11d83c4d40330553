/*
 * The map of the pure half: what needs no nginx.
 *
 * Files named proctor_<name>.c include no nginx header.  The module, the
 * `proctor` command and the unit tests share them, so that nobody's answer can
 * differ from the gateway's.  Every public function is listed under the file
 * that defines it, here or in one of these:
 *
 *     proctor_base.h     bytes, memory, reports, digits, digests, times
 *     proctor_json.h     JSON text that clients send, as a tape of nodes
 *     proctor_quota.h    windows and budgets
 *     proctor_links.h    URLs in answers
 *     proctor_cache.h    what is stored of an answer, and how long it is good
 *     proctor_audit.h    a trail that nobody can edit unseen
 *     proctor_command.h  what only the `proctor` command does
 *
 * Here is what a contract and a teams file compile to, and what is asked of
 * the result.
 */

#ifndef PROCTOR_H_INCLUDED
#define PROCTOR_H_INCLUDED

#include <jansson.h>

#include "proctor_base.h"
#include "proctor_json.h"


#define PROCTOR_VERSION "0.1.0"


/* proctor_pointer.c: JSON Pointers (RFC 6901) in what jansson has read */

/* NULL: it names no value */
json_t *proctor_pointer_find(json_t *document, const char *pointer);


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

/* `format` is asserted; unknown formats are reported */
#define PROCTOR_SCHEMA_FORMAT 0x01
/* unknown keywords pass (suite runner) */
#define PROCTOR_SCHEMA_LENIENT 0x02

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
    const char *message; /* "must be at most 100": the field is its subject;
                            a whole sentence, with capital and stop, when
                            `sentence` */
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
    PROCTOR_ROUTE_SLASH, /* the same path but for its final slash exists;
                            match->path is that one */
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
    proctor_param_t *params; /* path parameters first, in the order of the
                                template */
    unsigned nparams;
    int has_body;
    int body_required;
    const proctor_schema_t *body; /* of application/json */
    proctor_str_t *links;         /* names of top-level members of the answer
                                     that hold absolute URLs */
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


/* proctor_param.c: a parameter's text becomes a value by its schema */

/*
 * The type of JSON value that the text stands for where the schema's type is
 * looked at.  *fault: NULL, or why it stands for none ("must be a plain
 * decimal integer").  API.md, decision 6: no sign but "-", no leading zero,
 * no exponent, no fraction in an integer.
 */
proctor_json_type_e proctor_param_type(const proctor_schema_t *schema,
    const proctor_str_t *text, const char **fault);


/* proctor_teams.c: teams and accounts (DESIGN.md section 4) */

#define PROCTOR_QUOTAS_MAX 16 /* of a team; of an account's limits */

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


/*
 * proctor_audit_log.c: one audit record as one line of ASCII JSON, at most
 * PROCTOR_AUDIT_LINE bytes with its newline.  Oversize fields are cut and
 * named in "trunc".  Absent strings (data == NULL) are left out.  What files
 * of such lines are, and who proves them whole: proctor_audit.h.
 */

#define PROCTOR_AUDIT_LINE    4096
#define PROCTOR_AUDIT_WHO_MAX 900

typedef struct {
    int64_t time_us;  /* Unix microseconds */
    const char *time; /* as text, PROCTOR_TIME_LEN bytes; NULL: not made yet */
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


/* proctor_audit_created.c: the id in the text of an answer, or in the beginning
   of one; in that text.  OK; INVALID: none is found */

int proctor_audit_created(const char *text, size_t len, proctor_str_t *id);


/* proctor_audit_body.c: a request's body for the record */

/*
 * The body (doc: parsed from this text) with the operation's redacted members
 * as "[redacted]", into buf[PROCTOR_AUDIT_LINE]: of a long one the beginning.
 * Bytes written.
 */
size_t proctor_audit_body(const proctor_operation_t *operation,
    proctor_json_t *doc, const proctor_str_t *text, char *buf);

#endif /* PROCTOR_H_INCLUDED */
