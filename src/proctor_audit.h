/*
 * The map of the audit trail's pure half: what makes files of records a trail
 * that nobody can edit unseen.  Included by who seals, verifies or asks one;
 * the records themselves are in proctor.h.
 *
 * A trail is a sequence of files.  Each is a log of its own (RFC 6962): its
 * lines, without their newlines, are the leaves of a Merkle tree, in the order
 * of the file.  Beside FILE stand
 *
 *     FILE.checkpoints   signed notes, one after the other: what was sealed
 *     FILE.leaves        the leaves' hashes, 32 bytes each: which record it is
 *                        that does not fit a checkpoint (a help, no authority:
 *                        it is believed only where a signed root proves it)
 *
 * Threads: an object belongs to one at a time; there is no global state.
 */

#ifndef PROCTOR_AUDIT_H_INCLUDED
#define PROCTOR_AUDIT_H_INCLUDED

#include "proctor.h"


typedef struct {
    unsigned char bytes[PROCTOR_SHA256_LEN];
} proctor_hash_t;


/*
 * proctor_merkle.c: the tree of RFC 6962, section 2.1, leaf by leaf.  Only the
 * roots of the full subtrees along its right edge are kept: bit i of `size`
 * says that subtrees[i], of 2^i leaves, is one of them.  All functions: OK, or
 * ERROR: libcrypto would not.
 */

#define PROCTOR_MERKLE_LEVELS 64

/* zeroed: the tree of no leaf */
typedef struct {
    uint64_t size;
    proctor_hash_t subtrees[PROCTOR_MERKLE_LEVELS];
} proctor_merkle_t;

int proctor_merkle_node(const proctor_hash_t *left, const proctor_hash_t *right,
    proctor_hash_t *node);
int proctor_merkle_leaf(const void *bytes, size_t len, proctor_hash_t *leaf);
int proctor_merkle_add(proctor_merkle_t *tree, const proctor_hash_t *leaf);
int proctor_merkle_root(const proctor_merkle_t *tree, proctor_hash_t *root);


/*
 * proctor_merkle_proof.c: that a leaf is in a tree, that a tree is the
 * beginning of another (RFC 9162, sections 2.1.3 and 2.1.4).  A proof is made
 * of the leaves in their order, each shown once: memory for one path.
 */

#define PROCTOR_MERKLE_PROOF (PROCTOR_MERKLE_LEVELS + 1)

typedef struct {
    unsigned count;
    proctor_hash_t hashes[PROCTOR_MERKLE_PROOF]; /* in the RFC's order */
} proctor_merkle_proof_t;

/* what is to be proved, and how far it is; filled by the two functions */
typedef struct {
    proctor_merkle_proof_t proof; /* complete after the tree's last leaf */
    uint64_t begin[PROCTOR_MERKLE_PROOF]; /* hashes[i] is the root of these */
    uint64_t end[PROCTOR_MERKLE_PROOF];
    uint64_t seen;         /* leaves */
    proctor_merkle_t tree; /* of the range that is passing */
} proctor_merkle_prover_t;

/* INVALID: there is no such leaf, no such tree inside the other */
int proctor_merkle_prove_leaf(
    proctor_merkle_prover_t *prover, uint64_t index, uint64_t size);
int proctor_merkle_prove_tree(
    proctor_merkle_prover_t *prover, uint64_t old, uint64_t size);
int proctor_merkle_prove_add(
    proctor_merkle_prover_t *prover, const proctor_hash_t *leaf);

typedef struct {
    uint64_t size;
    proctor_hash_t root;
} proctor_merkle_head_t;

/* OK, INVALID: not proved, ERROR */
int proctor_merkle_check_leaf(const proctor_merkle_proof_t *proof,
    uint64_t index, const proctor_hash_t *leaf,
    const proctor_merkle_head_t *head);
int proctor_merkle_check_tree(const proctor_merkle_proof_t *proof,
    const proctor_merkle_head_t *old, const proctor_merkle_head_t *head);


/*
 * proctor_note_key.c: the keys of signed notes (C2SP signed-note, Ed25519).  A
 * key's name is the gateway's: letters, digits and "._:/-", so
 * that it stands in notes, URLs and file names as it is.
 */

#define PROCTOR_NOTE_NAME_MAX  128
#define PROCTOR_NOTE_KEY_BYTES 32
#define PROCTOR_NOTE_HASH      4
#define PROCTOR_NOTE_SIGNATURE 64
/* "name+01234567+<base64>" and a NUL */
#define PROCTOR_NOTE_VERIFIER_TEXT (PROCTOR_NOTE_NAME_MAX + 64)
#define PROCTOR_NOTE_PEM           256   /* of what is created */
#define PROCTOR_NOTE_FILE_MAX      65536 /* of what is loaded */

typedef struct {
    char name[PROCTOR_NOTE_NAME_MAX + 1];
    unsigned char hash[PROCTOR_NOTE_HASH];
    unsigned char key[PROCTOR_NOTE_KEY_BYTES]; /* the public one */
} proctor_note_verifier_t;

/* the private key is libcrypto's; one for each thread that signs */
typedef struct {
    proctor_note_verifier_t verifier;
    void *key; /* EVP_PKEY */
} proctor_note_signer_t;

int proctor_note_is_name(const char *s, size_t len);
/* the text of a PEM file (PKCS #8, not encrypted): OK; INVALID, *reason says
   why ("is not an Ed25519 key"); ERROR */
int proctor_note_signer_load(proctor_note_signer_t *signer, const char *name,
    const char *pem, size_t len, const char **reason);
void proctor_note_signer_free(proctor_note_signer_t *signer);
/* a new key, and its PEM, which the caller wipes, into pem[..NOTE_PEM] */
int proctor_note_signer_create(
    proctor_note_signer_t *signer, const char *name, char *pem);
/* into text[PROCTOR_NOTE_VERIFIER_TEXT], with a NUL */
void proctor_note_verifier_text(
    const proctor_note_verifier_t *verifier, char *text);
/* a text of one line, perhaps with its newline; OK, INVALID */
int proctor_note_verifier_read(
    proctor_note_verifier_t *verifier, const char *text, size_t len);


/* proctor_note.c: their signatures */

/* the signature line over text, which ends with a newline, into
   buf[PROCTOR_NOTE_LINE]: its length; 0: libcrypto would not */
#define PROCTOR_NOTE_LINE (PROCTOR_NOTE_NAME_MAX + 128)
size_t proctor_note_sign(
    const proctor_note_signer_t *signer, const proctor_str_t *text, char *buf);
/*
 * A whole note.  OK: some signature line is this key's, and each that is does
 * hold; *text is what it signs, with its last newline.  INVALID: there is
 * none, or this is no note.  verifier NULL: no signature is looked at.
 */
int proctor_note_open(const proctor_note_verifier_t *verifier, const char *note,
    size_t len, proctor_str_t *text);


/*
 * proctor_checkpoint.c: what was sealed (C2SP tlog-checkpoint), as
 *
 *     gw1.example/5be1c0a9f2d34e77…       origin: the key's name, the file's id
 *     812                                 leaves
 *     <base64>                            root
 *     time 2026-01-01T00:00:00.000000Z    an extension line, signed as well
 *
 *     — gw1.example <base64>
 */

#define PROCTOR_CHECKPOINT_ORIGIN_MAX                                          \
    (PROCTOR_NOTE_NAME_MAX + 1 + PROCTOR_AUDIT_FILE_ID)
#define PROCTOR_CHECKPOINT_MAX 1024 /* bytes of a note */

typedef struct {
    char origin[PROCTOR_CHECKPOINT_ORIGIN_MAX + 1];
    proctor_merkle_head_t head;
    int64_t time_us; /* when it was signed; -1: it does not say */
} proctor_checkpoint_t;

/* the signed note into buf[PROCTOR_CHECKPOINT_MAX]; its length, 0: libcrypto
   would not */
size_t proctor_checkpoint_sign(const proctor_checkpoint_t *checkpoint,
    const proctor_note_signer_t *signer, char *buf);
/*
 * One note.  verifier NULL: no signature is looked at.  OK; INVALID, *reason
 * says why ("is not signed by this key").
 */
int proctor_checkpoint_read(proctor_checkpoint_t *checkpoint,
    const proctor_note_verifier_t *verifier, const char *note, size_t len,
    const char **reason);
/* length of the note that begins at text, of several one after the other;
   0: none that is complete */
size_t proctor_checkpoint_span(const char *text, size_t len);


/*
 * proctor_audit_line.c: one line of a file, read.  What is no record, byte for
 * byte as the gateway writes them, is DAMAGED.
 */

typedef enum {
    PROCTOR_LINE_CALL = 0,
    PROCTOR_LINE_DENIED,
    PROCTOR_LINE_INTENT,
    PROCTOR_LINE_OUTCOME,
    PROCTOR_LINE_START,
    PROCTOR_LINE_TORN,
    PROCTOR_LINE_DAMAGED
} proctor_line_e;

typedef struct {
    char file[PROCTOR_AUDIT_FILE_ID + 1];
    char origin[PROCTOR_CHECKPOINT_ORIGIN_MAX + 1];
    char previous_file[PROCTOR_AUDIT_FILE_ID + 1]; /* "": none */
    proctor_merkle_head_t previous;
} proctor_line_start_t;

/* which of the members are set: by its kind */
typedef struct {
    proctor_line_e kind;
    uint64_t worker; /* intent, outcome */
    uint64_t counter;
    uint64_t at; /* torn, as proctor_audit_torn_t */
    uint64_t bytes;
    proctor_hash_t sha256;
    proctor_line_start_t start;
} proctor_line_t;

/* where each record has its time, PROCTOR_TIME_LEN bytes */
#define PROCTOR_LINE_TIME (sizeof("{\"v\":1,\"time\":\"") - 1)

/* all of it, parsed into doc, where who wants more finds it; OK, ERROR */
int proctor_audit_line_read(
    proctor_line_t *entry, proctor_json_t *doc, const char *line, size_t len);


/* proctor_audit_glance.c: by a look at its beginning and its end, and for a NUL,
   of which a sector that never came to the disk is full */

proctor_line_e proctor_audit_glance_kind(const char *line, size_t len);
/* of a call its kind, of an intent and an outcome also the id; 0: all of the
   line has to be read */
int proctor_audit_glance(proctor_line_t *entry, const char *line, size_t len);
/* printable ASCII, every byte */
int proctor_audit_glance_is_plain(const char *line, size_t len);


/*
 * proctor_intents.c: which intents are open, and how far each worker has
 * counted: a hash table of each, that grow up to a bound.
 */

typedef struct {
    uint64_t worker;
    uint64_t counter;
    uint64_t at; /* the first byte of its line */
} proctor_intent_t;

typedef struct {
    proctor_intent_t *slots; /* malloc'ed; at UINT64_MAX: free */
    size_t nslots;           /* 0, or a power of two */
    size_t count;
} proctor_intents_table_t;

/* zeroed: empty */
typedef struct {
    proctor_intents_table_t open;
    proctor_intents_table_t workers; /* counter: 0; at: the last counter */
} proctor_intents_t;

/* OK; INVALID: this worker has counted farther already; ERROR: memory */
int proctor_intents_open(
    proctor_intents_t *intents, const proctor_intent_t *intent);
/* OK; INVALID: no such intent is open */
int proctor_intents_close(
    proctor_intents_t *intents, uint64_t worker, uint64_t counter);
/* NULL: it is not open; until the next change */
const proctor_intent_t *proctor_intents_find(
    const proctor_intents_t *intents, uint64_t worker, uint64_t counter);
/* each that is open, in no order, until fn returns another thing than 0 */
void proctor_intents_each(const proctor_intents_t *intents,
    int (*fn)(void *data, const proctor_intent_t *intent), void *data);
void proctor_intents_free(proctor_intents_t *intents);


/*
 * proctor_seal.c: a file, fed from its first byte in pieces of any size, and
 * what is known of it: its tree, which intents are open, which lines are
 * damaged.  Used by the sealer from a thread, and by the command.
 *
 * Memory: one line, 32 bytes for each leaf of a piece, and what open intents
 * and damaged lines take, each within its bound.
 */

typedef struct proctor_seal_s proctor_seal_t;

#define PROCTOR_SEAL_OPEN_MAX    4000000 /* intents at a time; workers */
#define PROCTOR_SEAL_DAMAGED_MAX 4096    /* lines of a file */

typedef struct {
    uint64_t offset;  /* of the byte after the last whole line */
    uint64_t size;    /* whole lines: leaves */
    uint64_t pending; /* bytes after the last newline: of a line that is being
                         written, or a torn tail */
    uint64_t open;    /* intents without outcome */
    uint64_t torn;    /* damaged lines that no torn record names */
    proctor_line_start_t start; /* the first line, when there is one */
} proctor_seal_state_t;

/* what is wrong with a line by itself, or where it stands */
typedef enum {
    PROCTOR_SEAL_FINE = 0,
    PROCTOR_SEAL_NO_START,  /* the first line is no start record */
    PROCTOR_SEAL_RESTART,   /* a start record, but not the first line */
    PROCTOR_SEAL_DAMAGED,   /* no record; a torn record may still name it */
    PROCTOR_SEAL_REPEATED,  /* an intent that was there before */
    PROCTOR_SEAL_NO_INTENT, /* an outcome of an intent that is not open */
    PROCTOR_SEAL_NOT_TORN   /* names a line that is not damaged */
} proctor_seal_fault_e;

typedef struct {
    uint64_t number;  /* of lines, counted from 0 */
    uint64_t at;      /* its first byte in the file */
    const char *text; /* NULL: longer than PROCTOR_AUDIT_LINE */
    uint64_t len;     /* without the newline */
    proctor_hash_t leaf;
    const proctor_line_t *entry;
    proctor_seal_fault_e fault;
    proctor_json_t *doc;          /* the record, parsed, unless it is damaged */
    const proctor_merkle_t *tree; /* of the lines before this one */
} proctor_seal_line_t;

/* another thing than OK ends the feed, which returns it */
typedef int (*proctor_seal_line_pt)(
    void *data, const proctor_seal_line_t *line);

/* each: told of every line, which is then read in full; NULL: a sealer.
   NULL: out of memory */
proctor_seal_t *proctor_seal_create(proctor_seal_line_pt each, void *data);
void proctor_seal_destroy(proctor_seal_t *seal);
/* of a sealer that signs nothing: no leaf is hashed.  Ahead of the bytes */
void proctor_seal_treeless(proctor_seal_t *seal);
/*
 * A checkpoint that was signed before: its root must come out when the tree
 * has its size.  One at a time, ahead of the bytes; INVALID: it is behind.
 */
int proctor_seal_expect(
    proctor_seal_t *seal, const proctor_merkle_head_t *head);
/*
 * OK; INVALID: the expected checkpoint does not fit, or the first line is no
 * start record: the file is not the one that was sealed, and must not be
 * sealed on; ERROR: memory, or a bound.  After a failure always the same.
 */
int proctor_seal_feed(proctor_seal_t *seal, const char *bytes, size_t len);
const proctor_seal_state_t *proctor_seal_state(const proctor_seal_t *seal);
/* the hashes of the leaves of the last feed, *first the number of the first:
   for the file of leaves, at 32 * *first */
const proctor_hash_t *proctor_seal_leaves(
    const proctor_seal_t *seal, uint64_t *first, size_t *count);
/* a checkpoint of all whole lines; OK, INVALID: there is no line, ERROR */
int proctor_seal_checkpoint(const proctor_seal_t *seal, int64_t time_us,
    proctor_checkpoint_t *checkpoint);
/* intents of before, the file that this one follows, may have their outcomes
   here: takes the open ones over, with `at` as it was there; OK, ERROR */
int proctor_seal_carry(proctor_seal_t *seal, proctor_seal_t *before);
/* until fn returns another thing than 0; it must not feed */
void proctor_seal_each_open(const proctor_seal_t *seal,
    int (*fn)(void *data, const proctor_intent_t *intent), void *data);
/* the damaged lines that no torn record names; time_us is 0
   (proctor_seal_damage.c) */
void proctor_seal_each_torn(const proctor_seal_t *seal,
    int (*fn)(void *data, const proctor_audit_torn_t *torn), void *data);
/* the number of the first such line from this one on; UINT64_MAX: none */
uint64_t proctor_seal_first_torn(const proctor_seal_t *seal, uint64_t from);
/* the tree of all whole lines, until the next feed */
const proctor_merkle_t *proctor_seal_tree(const proctor_seal_t *seal);
/* the record of an outcome that nobody saw; as proctor_audit_log_format() */
size_t proctor_seal_unknown(
    const proctor_intent_t *intent, int64_t time_us, char *buf);


/*
 * proctor_verify.c: one file against its checkpoints.  Says which record is the
 * first that is not as it was sealed: exactly when the file of leaves is there
 * and its hashes come to the signed root, else between which two checkpoints.
 */

typedef struct proctor_verify_s proctor_verify_t;

/* the first four mean that nothing was changed */
typedef enum {
    PROCTOR_VERIFY_WHOLE = 0,
    PROCTOR_VERIFY_OPEN,    /* intents without outcome */
    PROCTOR_VERIFY_TORN,    /* a line without its end, or damaged when it was
                            sealed, that no torn record names */
    PROCTOR_VERIFY_UNKNOWN, /* it could not be judged */
    PROCTOR_VERIFY_CHANGED,
    PROCTOR_VERIFY_MISSING,
    PROCTOR_VERIFY_ADDED,
    PROCTOR_VERIFY_MOVED,
    PROCTOR_VERIFY_TRUNCATED,
    PROCTOR_VERIFY_DIFFERS,  /* one of these in a range of records */
    PROCTOR_VERIFY_NO_START, /* what PROCTOR_SEAL_* says of the line */
    PROCTOR_VERIFY_RESTART,
    PROCTOR_VERIFY_DAMAGED,
    PROCTOR_VERIFY_REPEATED,
    PROCTOR_VERIFY_NO_INTENT,
    PROCTOR_VERIFY_NOT_TORN,
    PROCTOR_VERIFY_UNSEALED,   /* no checkpoint where there must be one */
    PROCTOR_VERIFY_CHECKPOINT, /* a checkpoint is none, or not signed */
    PROCTOR_VERIFY_CHAIN       /* does not follow the file before it */
} proctor_verify_e;

typedef struct {
    const proctor_merkle_head_t *heads; /* sorted by size; borrowed */
    size_t nheads;
    /* the note of one leaf: 1, or 0: there is none; NULL: no file of leaves */
    int (*leaf)(void *data, uint64_t number, proctor_hash_t *leaf);
    void *data;
    int partial; /* the file before this one was not given */
} proctor_verify_sealed_t;

typedef struct {
    proctor_verify_e kind;
    uint64_t first; /* the bad record, counted from 1; 0: none in particular */
    uint64_t last;  /* the same, or the end of the range that it is in */
    uint64_t records;
    uint64_t sealed;  /* records that a checkpoint covers */
    uint64_t open;    /* intents */
    uint64_t pending; /* bytes of a torn tail */
    uint64_t foreign; /* outcomes of intents in a file that was not given */
} proctor_verdict_t;

/* NULL: out of memory */
proctor_verify_t *proctor_verify_create(const proctor_verify_sealed_t *sealed);
void proctor_verify_destroy(proctor_verify_t *verify);
/* intents that are open at the end of the file before, as proctor_seal_carry */
int proctor_verify_carry(proctor_verify_t *verify, proctor_verify_t *before);
/* OK; INVALID: a fault, no need to go on; ERROR */
int proctor_verify_feed(
    proctor_verify_t *verify, const char *bytes, size_t len);
/* what it is if the file ends here; it may still go on */
void proctor_verify_end(
    const proctor_verify_t *verify, proctor_verdict_t *verdict);
/* the file's own name, and its tree */
const proctor_seal_t *proctor_verify_seal(const proctor_verify_t *verify);
/* "a record was changed" */
const char *proctor_verify_word(proctor_verify_e kind);

#endif /* PROCTOR_AUDIT_H_INCLUDED */
