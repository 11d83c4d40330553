/*
 * What the files of the contract's compiler share; nobody else includes it.
 */

#ifndef PROCTOR_CONTRACT_H_INCLUDED
#define PROCTOR_CONTRACT_H_INCLUDED

#include "proctor_document.h"


#define PROCTOR_CONTRACT_PARAMS   64 /* of one operation */
#define PROCTOR_CONTRACT_LINKS    16 /* of one operation */
#define PROCTOR_CONTRACT_REDACTED 32 /* of one operation's body */
#define PROCTOR_CONTRACT_NAME     64 /* bytes of a parameter's name, of a right */

typedef struct {
    proctor_str_t names[PROCTOR_CONTRACT_LINKS];
    unsigned count;
    int given;
} proctor_contract_links_t;

/* a list of parameters: the path item's first, then the operation's own */
typedef struct {
    proctor_param_t list[PROCTOR_CONTRACT_PARAMS];
    unsigned count;
    unsigned shared;               /* how many are the path item's */
    const proctor_str_t *template; /* of the path they stand under */
} proctor_contract_params_t;

/* document->data while a contract is compiled */
typedef struct {
    proctor_contract_t *contract;
    proctor_contract_links_t links; /* for operations without their own */
} proctor_contract_state_t;

typedef struct {
    int required;
    const proctor_schema_t *schema;
} proctor_contract_body_t;


/* proctor_contract.c: readers that occur at several levels */

void proctor_contract_external_docs(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* out: proctor_contract_links_t */
void proctor_contract_links(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);


/* proctor_contract_path.c: one path item with its operations */

typedef struct {
    proctor_path_t *path;
    proctor_contract_params_t params;
} proctor_contract_path_t;

/* `allow`: as it stands in an answer's header, where HEAD is served by GET */
typedef struct {
    const char *name;
    const char *allow;
    int body;
} proctor_contract_method_t;

extern const proctor_contract_method_t
    proctor_contract_methods[PROCTOR_METHODS];

/* out: unused; the path and its operations join the contract */
void proctor_contract_path(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);


/* proctor_contract_operation.c: one operation */

/* out: proctor_contract_path_t; at->name is that of one of the methods */
void proctor_contract_method(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);


/* proctor_contract_audit.c: what the trail holds of it */

/* out: proctor_operation_t, whose other members were read */
void proctor_contract_audit(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);


/* proctor_contract_param.c: parameters */

/* an array of parameters or references to them; out: a params_t */
void proctor_contract_params(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* one parameter; OK or INVALID (reported) */
int proctor_contract_param(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, proctor_param_t *param);
/* 1 when the template holds "{name}" */
int proctor_contract_in_template(
    const proctor_str_t *template, const proctor_str_t *name);


/* proctor_contract_body.c: what requests and answers carry */

/* out: proctor_contract_body_t */
void proctor_contract_request_body(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* out: int, set when some 2xx answer has a body */
void proctor_contract_responses(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* one answer; out: int, set when it has a body */
void proctor_contract_response(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* one header of an answer; out: unused */
void proctor_contract_header(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* a map of examples, one example; out: unused */
void proctor_contract_examples(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
void proctor_contract_example(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* out: const proctor_schema_t * */
void proctor_contract_schema(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);


/* proctor_contract_cache.c: what the cache knows of an operation */

/* out: the proctor_operation_t itself, whose method is known */
void proctor_contract_cache(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* likewise, after proctor_contract_cache() had its turn */
void proctor_contract_invalidates(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* once all operations of a path are known */
void proctor_contract_cache_path(proctor_document_t *doc,
    const proctor_where_t *at, const proctor_path_t *path);


/* proctor_contract_ttl.c: lengths of time */

/* out: int64_t, milliseconds */
void proctor_contract_duration(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* 1: it is a JSON Pointer (RFC 6901, 3) */
int proctor_contract_is_pointer(const char *s);
/* out: proctor_cache_rule_t */
void proctor_contract_ttl_when(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);


/* proctor_contract_components.c: what is there to be referred to */

void proctor_contract_components(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* a list of security requirements: a caller always needs its key */
void proctor_contract_security(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);

#endif /* PROCTOR_CONTRACT_H_INCLUDED */
