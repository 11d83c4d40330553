/*
 * The power fails: after any system call a trail and its checkpoints are what
 * was synced, and of what was written since any beginning, which may end inside
 * of a line, or have a sector in it that never came.  Whatever it is, whoever
 * starts next goes on, the trail is whole, and nothing that was synced is lost.
 *
 *     audit_power KEY TRAIL NOTES EVENTS STEP
 *
 * replays what was recorded of a gateway (t/audit_power.t): its key, both files
 * as they were in the end, and a line "write|sync trail|notes LENGTH" for each
 * call.  Without arguments it is a small trail of its own.
 */

#include <dirent.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "proctor_sealer.h"
#include "proctor_trail.h"
#include "tap.h"
#include "trail.h"


#define POWER_SECTOR 512
#define POWER_ROUNDS 8 /* of the sealer, until all is done */
#define POWER_EVENTS 16384

enum {
    TRAIL = 0,
    NOTES,
    FILES
};

typedef struct {
    int file;
    int sync;
    size_t len; /* of the file, then; what is synced, 0: all of it */
} power_event_t;

typedef struct {
    size_t len[FILES];
    size_t hole; /* a sector of the trail that is zeros; SIZE_MAX: none */
} power_state_t;

static struct {
    const char *bytes[FILES];
    power_event_t events[POWER_EVENTS];
    size_t nevents;
    size_t first; /* bytes of the start record */
    char file[PROCTOR_AUDIT_FILE_ID + 1];

    size_t written[FILES];
    size_t synced[FILES];

    size_t step;
    size_t tried;
    int wrong;
    int64_t now_us;
} power;

static proctor_note_signer_t signer;
static char dir[] = "/dev/shm/proctor-power-XXXXXX";
static char path[PATH_MAX];


static void
power_clear(void)
{
    DIR *d;
    char name[PATH_MAX];
    struct dirent *entry;

    d = opendir(dir);

    while ((entry = readdir(d)) != NULL) {
        if (entry->d_name[0] != '.') {
            snprintf(name, sizeof(name), "%s/%s", dir, entry->d_name);
            unlink(name);
        }
    }

    closedir(d);
}


/* what is on the disk when the power comes back */

static void
power_lay(const power_state_t *state)
{
    char *bytes, name[PATH_MAX + 64];
    size_t from, to;

    power_clear();

    bytes = malloc(state->len[TRAIL] + 1);
    memcpy(bytes, power.bytes[TRAIL], state->len[TRAIL]);

    if (state->hole != SIZE_MAX) {
        from = state->hole > power.synced[TRAIL] ? state->hole
                                                 : power.synced[TRAIL];
        to = state->hole + POWER_SECTOR;
        to = to < state->len[TRAIL] ? to : state->len[TRAIL];
        memset(bytes + from, 0, to - from);
    }

    files_spew(path, bytes, state->len[TRAIL]);
    free(bytes);

    snprintf(name, sizeof(name), "%s.%s.open", path, power.file);
    power.wrong += link(path, name) == -1;

    snprintf(name, sizeof(name), "%s.checkpoints", path);
    files_spew(name, power.bytes[NOTES], state->len[NOTES]);
}


static int
power_verify(char **said)
{
    int rc;
    char *paths[1] = { path };
    FILE *out;
    size_t len;
    proctor_trail_t files;

    memset(&files, 0, sizeof(proctor_trail_t));
    files.keys[0] = signer.verifier;
    files.nkeys = 1;

    out = open_memstream(said, &len);
    rc = proctor_trail_open(&files, paths, 1) == PROCTOR_OK
             ? proctor_audit_verify(out, &files)
             : PROCTOR_TRAIL_FAILED;

    proctor_trail_close(&files);
    fclose(out);

    return rc;
}


/* a worker has something to write, and something that must be on disk */

static void
power_work(void)
{
    char line[PROCTOR_AUDIT_LINE];
    size_t done;
    proctor_audit_record_t record;
    proctor_audit_file_t file;

    memset(&record, 0, sizeof(proctor_audit_record_t));
    record.time_us = power.now_us;
    record.kind = trail_str("call");
    record.method = trail_str("GET");
    record.status = 200;
    record.upstream_ms = -1;

    proctor_audit_file_init(&file, path, TRAIL_NAME);
    file.ordered = 1;
    power.wrong += proctor_audit_file_append(&file, line,
                       proctor_audit_log_format(&record, line), &done)
                       != PROCTOR_OK
                   || proctor_audit_file_sync(&file) != PROCTOR_OK;
    proctor_audit_file_close(&file);
}


static void
power_recover(void)
{
    int i;
    proctor_sealer_t *sealer;

    sealer = malloc(sizeof(proctor_sealer_t));
    power.wrong += proctor_sealer_init(sealer, path, signer.verifier.name, 1)
                   != PROCTOR_OK;
    sealer->signer = &signer;

    power_work();

    for (i = 0; i < POWER_ROUNDS; i++) {
        power.now_us += 1000000;
        (void) proctor_sealer_run(sealer, power.now_us);
    }

    proctor_sealer_free(sealer);
    free(sealer);
}


static void
power_try(const power_state_t *state)
{
    int before, after, lost;
    char *said, *bytes;
    size_t len;

    power.tried++;
    power_lay(state);
    before = power_verify(&said);
    free(said);

    power_recover();
    after = power_verify(&said);

    bytes = files_slurp(path, &len);
    lost = power.synced[TRAIL] > 0
           && (len < power.synced[TRAIL]
               || memcmp(bytes, power.bytes[TRAIL], power.synced[TRAIL]) != 0);
    free(bytes);

    /* of a file whose first line is not there, nothing was promised; a hole is
       a line that is damaged, until it is named */

    if ((before == PROCTOR_TRAIL_TAMPERED && state->len[TRAIL] >= power.first
            && power.synced[NOTES] > 0 && state->hole == SIZE_MAX)
        || after != PROCTOR_TRAIL_WHOLE || lost) {

        if (power.wrong++ == 0) {
            diag("%zu and %zu bytes, a hole at %zd: %d, then %d, %s\n# %s",
                state->len[TRAIL], state->len[NOTES], (ssize_t) state->hole,
                before, after, lost ? "lost" : "all there", said);
        }
    }

    free(said);
}


/* with the other file as it must be, and as it may be */

static void
power_try_both(int file, size_t len)
{
    power_state_t state;

    state.hole = SIZE_MAX;
    state.len[file] = len;
    state.len[!file] = power.synced[!file];
    power_try(&state);

    if (power.written[!file] != power.synced[!file]) {
        state.len[!file] = power.written[!file];
        power_try(&state);
    }
}


static void
power_holes(void)
{
    power_state_t state;

    state.len[TRAIL] = power.written[TRAIL];
    state.len[NOTES] = power.written[NOTES];
    state.hole = power.synced[TRAIL] - power.synced[TRAIL] % POWER_SECTOR;

    for (; state.hole < power.written[TRAIL]; state.hole += POWER_SECTOR) {
        power_try(&state);
    }
}


static void
power_replay(void)
{
    size_t i, len;
    const power_event_t *event;

    for (i = 0; i < power.nevents; i++) {
        event = &power.events[i];

        if (event->sync) {
            power.synced[event->file] =
                event->len != 0 ? event->len : power.written[event->file];
            power_try_both(event->file, power.synced[event->file]);
            continue;
        }

        len = power.written[event->file];
        power.written[event->file] = event->len;
        power_try_both(event->file, power.synced[event->file]);

        /* a line that lacks no more than its newline in any case */

        for (; len + 1 < event->len; len += power.step) {
            power_try_both(event->file, len);
        }

        power_try_both(event->file, event->len - 1);
        power_try_both(event->file, event->len);

        if (event->file == TRAIL) {
            power_holes();
        }
    }
}


static void
power_event(int file, int sync, size_t len)
{
    power_event_t *event;

    if (power.nevents == POWER_EVENTS) {
        fprintf(stderr, "too many events\n");
        exit(1);
    }

    event = &power.events[power.nevents++];
    event->file = file;
    event->sync = sync;
    event->len = len;
}


/* every third line is synced, and each checkpoint after what it covers */

static void
power_make(trail_t *trail)
{
    size_t i, head, span, notes;
    trail_plan_t plan = { 40, 6, 1, NULL };
    char pem[PROCTOR_NOTE_PEM];

    (void) proctor_note_signer_create(&signer, TRAIL_NAME, pem);
    trail_make(trail, &plan, &signer);
    head = notes = 0;

    for (i = 1; i <= trail->n; i++) {
        power_event(TRAIL, 0, trail->at[i]);

        if (trail->heads[head].size == i) {
            power_event(TRAIL, 1, 0);
            span = proctor_checkpoint_span(
                trail->notes + notes, trail->notes_len - notes);

            /* the span of one ends where the next begins */
            notes += span;
            head++;
            power_event(NOTES, 0, notes);
            power_event(NOTES, 1, 0);

        } else if (i % 3 == 0) {
            power_event(TRAIL, 1, 0);
        }
    }

    power.bytes[TRAIL] = trail->bytes;
    power.bytes[NOTES] = trail->notes;
    memcpy(power.file, trail->file, sizeof(power.file));
}


/* its first lines, "start trail LENGTH", say what was there and synced */

static void
power_load(char **argv)
{
    char *pem, *events, *p, what[8], file[8];
    const char *reason;
    size_t len;

    pem = files_slurp(argv[1], &len);

    if (proctor_note_signer_load(&signer, "gw.test", pem, len, &reason)
        != PROCTOR_OK) {
        fprintf(stderr, "%s: %s\n", argv[1], reason);
        exit(1);
    }

    free(pem);
    power.bytes[TRAIL] = files_slurp(argv[2], &len);
    power.bytes[NOTES] = files_slurp(argv[3], &len);
    p = strstr(power.bytes[TRAIL], "\"file\":\"") + 8;
    memcpy(power.file, p, PROCTOR_AUDIT_FILE_ID);

    events = files_slurp(argv[4], &len);

    for (p = events; sscanf(p, "%7s %7s %zu", what, file, &len) == 3;
         p = strchr(p, '\n') + 1) {

        if (strcmp(what, "start") == 0) {
            power.written[*file == 'n'] = power.synced[*file == 'n'] = len;
        } else {
            power_event(*file == 'n', *what == 's', len);
        }
    }

    free(events);
    power.step = (size_t) atol(argv[5]);
}


int
main(int argc, char **argv)
{
    const char *end;
    trail_t trail;

    memset(&trail, 0, sizeof(trail_t));

    if (mkdtemp(dir) == NULL) {
        memcpy(dir, "/tmp/proctor-powr-XXXXXX",
            sizeof("/tmp/proctor-powr-XXXXXX"));
        if (mkdtemp(dir) == NULL) {
            return 1;
        }
    }

    snprintf(path, sizeof(path), "%s/audit.jsonl", dir);
    power.now_us = (int64_t) time(NULL) * 1000000;

    if (argc > 5) {
        power_load(argv);

    } else {
        power_make(&trail);
        power.step = getenv("PROCTOR_LONG") != NULL ? 1 : 97;
    }

    end = memchr(power.bytes[TRAIL], '\n', PROCTOR_AUDIT_LINE);
    power.first = (size_t) (end + 1 - power.bytes[TRAIL]);
    power_replay();
    is_int(power.wrong, 0, "%zu ways in which the power fails in %zu calls",
        power.tried, power.nevents);

    power_clear();
    rmdir(dir);
    trail_free(&trail);
    proctor_note_signer_free(&signer);

    return done_testing();
}
