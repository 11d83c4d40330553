/*
 * proctor_document.c, for the compilers of our own documents only: contracts
 * and teams files.
 *
 * A kind of object is one table that lists its members and who reads each of
 * them.  A member that stands in no table is a fault, so that nothing is ever
 * accepted and ignored.
 */

#ifndef PROCTOR_DOCUMENT_H_INCLUDED
#define PROCTOR_DOCUMENT_H_INCLUDED

#include "proctor.h"


/*
 * Where a value stands: one link a level, on the stack of who reads it.  It
 * becomes a JSON Pointer only when somebody asks.
 */

typedef struct proctor_where_s proctor_where_t;

struct proctor_where_s {
    const proctor_where_t *parent; /* NULL: name is a whole pointer */
    const char *name;              /* of the member; NULL: an item */
    size_t index;
};

/*
 * One for each compilation, of its arena.  Strings that a compiler keeps are
 * the JSON values' own: they live as long as the arena.
 */

typedef struct {
    proctor_arena_t *arena;
    json_t *root;
    json_t *told;            /* faults told already, as members */
    proctor_report_t report; /* passes each fault on, once */
    proctor_report_t *outer;
    proctor_schema_set_t *schemas;
    void *data; /* what is being compiled */
} proctor_document_t;

/* `out`: where the value goes; the table's offset was added */
typedef void (*proctor_document_pt)(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);

#define PROCTOR_REQUIRED 1
#define PROCTOR_OPTIONAL 0

/* read in the table's order, whatever the document's; ends with a NULL name */
typedef struct {
    const char *name;
    int required;
    proctor_document_pt read;
    size_t offset;
} proctor_member_t;

/* NULL: reported */
proctor_document_t *proctor_document_load(proctor_arena_t *arena,
    const char *text, size_t len, proctor_report_t *report);
/* forgets what only the compilation needs */
void proctor_document_close(proctor_document_t *doc);

#define proctor_document_fault(doc, at, ...)                                   \
    proctor_report(                                                            \
        &(doc)->report, proctor_document_pointer(doc, at), __VA_ARGS__)

const char *proctor_document_pointer(
    proctor_document_t *doc, const proctor_where_t *at);
/* zeroed; NULL: reported */
void *proctor_document_alloc(
    proctor_document_t *doc, const proctor_where_t *at, size_t size);

/* reads the members of an object that the table lists, faults all others */
void proctor_document_object(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, const proctor_member_t *members, void *out);
/* hands each member of an object, each item of an array to `read` */
void proctor_document_map(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, proctor_document_pt read, void *out);
void proctor_document_array(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, proctor_document_pt read, void *out);
/*
 * Follows "$ref" to the value it names in the same document; *at becomes where
 * that stands, held in *target.  NULL: reported.
 * (proctor_document_ref.c)
 */
json_t *proctor_document_resolve(proctor_document_t *doc, json_t *value,
    const proctor_where_t **at, proctor_where_t *target);

/* the schema that stands there, compiled; NULL: reported, now or before */
const proctor_schema_t *proctor_document_schema(
    proctor_document_t *doc, const proctor_where_t *at);

/*
 * What names something of ours (a key, an account, an actor): it stands in
 * logs and headers as it is.
 */
#define PROCTOR_NAME_MAX 128
#define PROCTOR_NAME_RULE                                                      \
    "must be 1 to 128 printable ASCII characters, none a quote or a backslash"

int proctor_document_is_name(const char *s, size_t len);

/*
 * Readers of plain members.
 */

/* nothing is asked of the value */
void proctor_document_any(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* a string for human readers: checked, not kept */
void proctor_document_text(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* out: proctor_str_t */
void proctor_document_string(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* out: proctor_str_t that is a name of ours */
void proctor_document_name(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* true or false: checked, not kept */
void proctor_document_flag(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);
/* out: int */
void proctor_document_boolean(proctor_document_t *doc, json_t *value,
    const proctor_where_t *at, void *out);

#endif /* PROCTOR_DOCUMENT_H_INCLUDED */
