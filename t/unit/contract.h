/*
 * For the tests of contracts: small documents, and what they compile to.
 */

#ifndef UNIT_CONTRACT_H_INCLUDED
#define UNIT_CONTRACT_H_INCLUDED

#include "faults.h"


/* a document around the members of one operation, of a path, of the root */

#define INFO                                                                   \
    "\"openapi\":\"3.1.0\",\"info\":{\"title\":\"T\",\"version\":\"1\"}"
#define ROOT(s)    "{" INFO "," s "}"
#define PATH(p, s) ROOT("\"paths\":{\"" p "\":{" s "}}," COMPONENTS)
#define OP(s)      "\"operationId\":\"op\",\"x-proctor\":{\"right\":\"read\"}" s
#define GET(s)     PATH("/a", "\"get\":{" OP(s) "}")
#define POST(s)    PATH("/a", "\"post\":{" OP(s) "}")
#define PARAM(s)   GET(",\"parameters\":[" s "]")
#define BODY(s)    POST(",\"requestBody\":" s)
#define STRING     "{\"type\":\"string\"}"
#define JSON_BODY  "{\"content\":{\"application/json\":{\"schema\":{}}}}"
#define COMPONENTS                                                             \
    "\"components\":{\"securitySchemes\":{\"key\":{\"type\":\"http\","         \
    "\"scheme\":\"bearer\"}},\"parameters\":{\"page\":{\"name\":\"page\","     \
    "\"in\":\"query\",\"schema\":{\"type\":\"integer\"}}}}"


/* the faults are the caller's to free */
static proctor_contract_t *
contract_compile(proctor_arena_t *arena, const char *text, faults_t *faults)
{
    proctor_contract_t *contract;

    faults_open(faults);
    contract = proctor_contract_compile(
        arena, "test", text, strlen(text), &faults->report);
    faults_close(faults);

    return contract;
}

#endif /* UNIT_CONTRACT_H_INCLUDED */
