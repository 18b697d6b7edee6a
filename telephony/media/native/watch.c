/* What a session is watched for: no packets, no sound, keys pressed in the audio. */
#include "core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SILENT_LEVEL 130.3f /* the effective value of a tone of -45 dBFS */

/* Tones of ITU-T Q.23 with the tolerances of Q.24; the reference is telephony/media/dtmf.py. */
#define BLOCK 102 /* samples of one look: 12.75 ms, 78 Hz wide */
#define MINIMUM (180.0f * 180.0f)
#define TWIST 6.3f
#define REVERSE_TWIST 2.5f
#define APART 6.3f
#define SHARE 0.7f
#define HITS 2
#define MISSES 2

static const float FREQUENCIES[8] = {697, 770, 852, 941, 1209, 1336, 1477, 1633};
static const char GRID[4][5] = {"123A", "456B", "789C", "*0#D"};

struct detector {
    float block[BLOCK];
    unsigned filled;
    char candidate;
    unsigned hits, misses;
};

struct watcher {
    double timeout, silence, since; /* seconds; <= 0: not watched; and from when it counts */
    bool timed_out, silent, inband;
    double quiet; /* seconds of silence so far */
    struct detector detector;
};

/* The energy of a block at one frequency, scaled so that a lone tone has all of it (Goertzel). */
static float energy_at(const float *block, float frequency) {
    float turn = 2 * cosf(2 * (float)M_PI * frequency / RATE), one = 0, two = 0;
    for (unsigned i = 0; i < BLOCK; i++) {
        float next = block[i] + turn * one - two;
        two = one;
        one = next;
    }
    return 2 * (one * one + two * two - turn * one * two) / BLOCK;
}

static unsigned strongest(const float *energy) {
    unsigned best = 0;
    for (unsigned i = 1; i < 4; i++)
        if (energy[i] > energy[best])
            best = i;
    return best;
}

static bool stands_alone(const float *energy, unsigned best) {
    for (unsigned i = 0; i < 4; i++)
        if (i != best && energy[i] * APART > energy[best])
            return false;
    return true;
}

/* The key whose two tones a block consists of; 0: none. */
static char look(const float *block) {
    float total = 0, energy[8];
    for (unsigned i = 0; i < BLOCK; i++)
        total += block[i] * block[i];
    if (total < MINIMUM * BLOCK)
        return 0;
    for (unsigned i = 0; i < 8; i++)
        energy[i] = energy_at(block, FREQUENCIES[i]);
    unsigned row = strongest(energy), column = strongest(energy + 4);
    float low = energy[row], high = energy[4 + column];
    bool balanced = high <= low * TWIST && low <= high * REVERSE_TWIST;
    return balanced && stands_alone(energy, row) && stands_alone(energy + 4, column) &&
                   low + high > SHARE * total
               ? GRID[row][column]
               : 0;
}

static void step(struct core *core, struct session *session, struct detector *this, char key) {
    if (key && key == this->candidate) {
        this->hits++;
        this->misses = 0;
        return;
    }
    if (this->candidate && this->hits >= HITS) {
        if (++this->misses < MISSES)
            return;
        key_pressed(core, session, this->candidate, this->hits * (double)BLOCK / RATE);
    }
    this->candidate = key;
    this->hits = key != 0;
    this->misses = 0;
}

static void listen_for_keys(struct core *core, struct session *session, const float *frame) {
    struct detector *this = &session->watcher->detector;
    for (unsigned i = 0; i < FRAME; i++) {
        this->block[this->filled++] = frame[i];
        if (this->filled == BLOCK) {
            this->filled = 0;
            step(core, session, this, look(this->block));
        }
    }
}

static void listen_for_silence(struct core *core, struct session *session, const float *frame) {
    struct watcher *watcher = session->watcher;
    float sum = 0;
    for (unsigned i = 0; i < FRAME; i++)
        sum += frame[i] * frame[i];
    bool quiet = sum < SILENT_LEVEL * SILENT_LEVEL * FRAME;
    watcher->quiet = quiet ? watcher->quiet + FRAME_SECONDS : 0;
    bool silent = quiet && (watcher->silent || watcher->quiet >= watcher->silence - 1e-9);
    if (silent != watcher->silent) {
        watcher->silent = silent;
        report_plain(core, REPORT_SILENCE, session->object.handle, silent, 0);
    }
}

void watch_frame(struct core *core, struct session *session, const float *frame) {
    if (!session->watcher)
        return;
    if (session->watcher->silence > 0)
        listen_for_silence(core, session, frame);
    if (session->watcher->inband)
        listen_for_keys(core, session, frame);
}

static bool wants_decoding(const struct watcher *watcher) {
    return watcher && (watcher->silence > 0 || watcher->inband);
}

/* Watch from now on; times <= 0: not for that. */
void watch_set(struct core *core, struct session *session, double timeout, double silence,
               bool inband) {
    struct watcher *former = session->watcher;
    session->watcher = calloc(1, sizeof *session->watcher);
    if (session->watcher)
        *session->watcher = (struct watcher){.timeout = timeout,
                                             .silence = silence,
                                             .inband = inband,
                                             .since = core->now};
    int change = wants_decoding(session->watcher) - wants_decoding(former);
    free(former);
    if (change)
        session_want_decoding(core, session, change);
}

void watch_forget(struct core *core, struct session *session) {
    bool decoding = wants_decoding(session->watcher);
    free(session->watcher);
    session->watcher = NULL;
    if (decoding)
        session_want_decoding(core, session, -1);
}

void watch_sweep(struct core *core, struct session *session) {
    struct watcher *watcher = session->watcher;
    if (!watcher || watcher->timeout <= 0)
        return;
    double since = session->last_packet > watcher->since ? session->last_packet : watcher->since;
    bool timed_out = core->now - since >= watcher->timeout - 1e-9;
    if (timed_out && !watcher->timed_out)
        report_plain(core, REPORT_TIMEOUT, session->object.handle, 0, core->now - since);
    watcher->timed_out = timed_out;
}
