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
    uint64_t seen;  /* leaves */
    unsigned range; /* which the next leaf may belong to */
    proctor_merkle_t tree;
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
 * proctor_note.c: keys and signatures of signed notes (C2SP signed-note,
 * Ed25519).  A key's name is the gateway's: letters, digits and "._:/-", so
 * that it stands in notes, URLs and file names as it is.
 */

#define PROCTOR_NOTE_NAME_MAX  128
#define PROCTOR_NOTE_KEY_BYTES 32
#define PROCTOR_NOTE_HASH      4
#define PROCTOR_NOTE_SIGNATURE 64
/* "name+01234567+<base64>" and a NUL */
#define PROCTOR_NOTE_VERIFIER_TEXT (PROCTOR_NOTE_NAME_MAX + 64)
#define PROCTOR_NOTE_PEM           256

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
/* the signature line over text, which ends with a newline, into
   buf[PROCTOR_NOTE_LINE]: its length; 0: libcrypto would not */
#define PROCTOR_NOTE_LINE (PROCTOR_NOTE_NAME_MAX + 128)
size_t proctor_note_sign(
    const proctor_note_signer_t *signer, const proctor_str_t *text, char *buf);
/*
 * A whole note.  OK: some signature line is this key's and holds; *text is
 * what it signs, with its last newline.  INVALID: there is none, or no note.
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
 * proctor_audit_line.c: one line of a file, read.  Strings point into the
 * line or into the reader's arena, until the next line.
 */

typedef enum {
    PROCTOR_LINE_CALL = 0,
    PROCTOR_LINE_DENIED,
    PROCTOR_LINE_INTENT,
    PROCTOR_LINE_OUTCOME,
    PROCTOR_LINE_START,
    PROCTOR_LINE_TORN,
    PROCTOR_LINE_DAMAGED /* no record of ours */
} proctor_line_e;


/*
 * proctor_seal.c: a file, fed from its first byte in pieces of any size, and
 * what is known of it: its tree, which intents are open, which lines are
 * damaged.  Used by the sealer from a thread, and by the command.
 *
 * Memory: 1 line, 40 bytes for each leaf of one piece, what the open intents
 * and damaged lines take, each bounded.
 */

typedef struct proctor_seal_s proctor_seal_t;

#define PROCTOR_SEAL_OPEN_MAX    4000000 /* intents at a time */
#define PROCTOR_SEAL_DAMAGED_MAX 4096    /* lines of a file */

typedef struct {
    uint64_t offset;  /* of the byte after the last whole line */
    uint64_t size;    /* lines, leaves */
    uint64_t pending; /* bytes after the last newline: a line that is being
                         written, or a torn tail */
    uint64_t open;    /* intents without outcome */
    uint64_t torn;    /* damaged lines that no torn record names */
    int started;      /* the first line is a start record, of */
    char file[PROCTOR_AUDIT_FILE_ID + 1];
    char origin[PROCTOR_CHECKPOINT_ORIGIN_MAX + 1];
} proctor_seal_state_t;

proctor_seal_t *proctor_seal_create(void);
void proctor_seal_destroy(proctor_seal_t *seal);
/*
 * A checkpoint that was signed before: its root must come out when the tree
 * has its size.  In growing order, ahead of the bytes; INVALID: it is behind.
 */
int proctor_seal_expect(
    proctor_seal_t *seal, const proctor_merkle_head_t *head);
/*
 * OK; INVALID: a checkpoint that was expected does not fit, or the first line
 * is no start record: the file is not the one that was sealed, and must not be
 * sealed on; ERROR: memory, or a bound.  After a failure always the same.
 */
int proctor_seal_feed(proctor_seal_t *seal, const char *bytes, size_t len);
const proctor_seal_state_t *proctor_seal_state(const proctor_seal_t *seal);
/* the hashes of the leaves that were fed since it was called last, for
   FILE.leaves at 32 * *first; until the next feed */
const proctor_hash_t *proctor_seal_leaves(
    proctor_seal_t *seal, uint64_t *first, size_t *count);
/* a checkpoint of all whole lines; OK, INVALID: there is no line, ERROR */
int proctor_seal_checkpoint(const proctor_seal_t *seal, int64_t time_us,
    proctor_checkpoint_t *checkpoint);

typedef struct {
    uint64_t worker;
    uint64_t counter;
    uint64_t at; /* the first byte of its line */
} proctor_seal_intent_t;

/* each open intent, until fn returns another thing than 0; in no order; fn
   must not feed */
void proctor_seal_each_open(const proctor_seal_t *seal,
    int (*fn)(void *data, const proctor_seal_intent_t *intent), void *data);
/* each damaged line that no torn record names; time_us is 0 */
void proctor_seal_each_torn(const proctor_seal_t *seal,
    int (*fn)(void *data, const proctor_audit_torn_t *torn), void *data);
/* the intents that are open in `before`, the file that this one follows, may
   have their outcomes here; takes them over.  OK, ERROR */
int proctor_seal_carry(proctor_seal_t *seal, proctor_seal_t *before);
/* the record of an outcome that nobody saw: "unknown"; as format() */
size_t proctor_seal_unknown(
    const proctor_seal_intent_t *intent, int64_t time_us, char *buf);

#endif /* PROCTOR_AUDIT_H_INCLUDED */
