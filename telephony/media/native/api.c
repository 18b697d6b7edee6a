/* What the owner calls. Each function takes the lock, and tells by its result whether the handle
 * was known: 0 or false, no. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static void enter(struct core *core) {
    pthread_mutex_lock(&core->lock);
    if (core->driven)
        core->now = clock_now();
}

static void leave(struct core *core) {
    net_rearm(core);
    pthread_mutex_unlock(&core->lock);
}

#define WITH_SESSION(core, handle, session, action)                                                \
    do {                                                                                           \
        enter(core);                                                                               \
        struct session *session = object_find(core, handle, KIND_SESSION);                         \
        if (session) {                                                                             \
            action;                                                                                \
        }                                                                                          \
        leave(core);                                                                               \
        return session != NULL;                                                                    \
    } while (0)

/* -- life -------------------------------------------------------------------------------------- */

EXPORT struct core *media_new(const struct tables *tables, double now) {
    struct core *core = calloc(1, sizeof *core);
    if (!core || !net_open(core)) {
        free(core);
        return NULL;
    }
    net_lock_init(core);
    core->tables = *tables;
    core->now = now;
    core->next_frame = now + FRAME_SECONDS;
    core->next_sweep = now + SWEEP_SECONDS;
    for (unsigned codec = 0; codec < MAX_CODECS; codec++)
        core->clocks[codec] = RATE;
    return core;
}

/* Start the thread, in real time as long as it takes no more than a share of a core, if that is
 * permitted: see enum start. Share 0: it is not wanted. */
EXPORT int media_start(struct core *core, double share) { return net_start(core, share); }

/* Stop the thread and let go of everything. */
EXPORT void media_free(struct core *core) {
    net_stop(core);
    while (core->recordings)
        recording_free(core, core->recordings);
    while (core->sessions)
        session_free(core, core->sessions);
    while (core->players)
        player_free(core, core->players);
    net_close(core);
    free(core->buckets);
    free(core->reports);
    pthread_mutex_destroy(&core->lock);
    free(core);
}

/* Without the thread: receive what waits, then do one thing that is due until `now`.
 *
 * Return whether it wants to be called again with the same time, after its reports were taken. */
EXPORT bool media_advance(struct core *core, double now) {
    enter(core);
    double due = due_at(core);
    bool again = due <= now + 1e-9;
    core->now = now;
    net_receive_all(core);
    if (again)
        do_due(core, due);
    core->now = now;
    leave(core);
    return again;
}

EXPORT void media_codec(struct core *core, uint8_t codec, uint32_t clock) {
    enter(core);
    if (codec < MAX_CODECS)
        core->clocks[codec] = clock;
    leave(core);
}

EXPORT int media_report_fd(const struct core *core) { return core->report_fd; }

/* Take the reports that fit into `out`, whole ones; return how many octets. */
EXPORT size_t media_reports(struct core *core, uint8_t *out, size_t room) {
    enter(core);
    size_t length = 0;
    while (length < core->reports_length) {
        struct report_header header;
        memcpy(&header, core->reports + length, sizeof header);
        size_t whole = sizeof header + ((header.length + 7u) & ~7u);
        if (length + whole > room)
            break;
        length += whole;
    }
    if (length)
        memcpy(out, core->reports, length);
    core->reports_length -= length;
    if (core->reports_length)
        memmove(core->reports, core->reports + length, core->reports_length);
    else
        report_taken(core);
    leave(core);
    return length;
}

/* -- sessions ---------------------------------------------------------------------------------- */

/* Take a bound UDP socket; return its session's handle, 0: it cannot be watched. */
EXPORT uint32_t media_open(struct core *core, int fd, uint16_t family, uint32_t ssrc,
                           uint16_t sequence, uint32_t timestamp) {
    enter(core);
    struct session *session = session_new(core, fd, family);
    session->outgoing.ssrc = ssrc;
    session->outgoing.sequence = (uint16_t)(sequence - 1); /* the highest sent */
    session->outgoing.timestamp = timestamp;
    uint32_t handle = session->object.handle;
    if (!net_watch(core, session)) {
        session_free(core, session);
        handle = 0;
    }
    leave(core);
    return handle;
}

EXPORT bool media_close(struct core *core, uint32_t handle, struct statistics *out) {
    WITH_SESSION(core, handle, session, {
        session_statistics(session, out);
        session_free(core, session);
    });
}

EXPORT bool media_describe(struct core *core, uint32_t handle, const struct description *now) {
    WITH_SESSION(core, handle, session, session_describe(core, session, now));
}

EXPORT bool media_latch(struct core *core, uint32_t handle, const struct address *source) {
    WITH_SESSION(core, handle, session, session_latch(session, source));
}

EXPORT bool media_set_edge(struct core *core, uint32_t handle, bool has_edge) {
    WITH_SESSION(core, handle, session, session->has_edge = has_edge);
}

EXPORT bool media_send_datagram(struct core *core, uint32_t handle, const uint8_t *data,
                                size_t length, const struct address *to) {
    WITH_SESSION(core, handle, session, net_send(session->fd, data, length, to));
}

/* Send what the edge has made of a plain packet of `plain` octets. */
EXPORT bool media_carry(struct core *core, uint32_t handle, const uint8_t *data, size_t length,
                        size_t plain) {
    WITH_SESSION(core, handle, session, session_carry(session, data, length, plain));
}

/* Take a plain packet that the edge has found in a datagram from this address. */
EXPORT bool media_take(struct core *core, uint32_t handle, const uint8_t *data, size_t length,
                       const struct address *from) {
    WITH_SESSION(core, handle, session, {
        session_take_plain(core, session, data, length, from);
        fork_flush(core);
    });
}

EXPORT bool media_decoded(struct core *core, uint32_t handle, uint64_t run, int64_t position,
                          const int16_t *pcm, unsigned count, double at) {
    if (count > MAX_AUDIO)
        count = MAX_AUDIO;
    WITH_SESSION(core, handle, session, {
        session_decoded(session, run, position, pcm, count, at);
        fork_decoded(core, session, run, position, pcm, count);
    });
}

EXPORT bool media_encoded(struct core *core, uint32_t handle, const uint8_t *payload,
                          size_t length, uint32_t samples) {
    WITH_SESSION(core, handle, session,
                 session_send_frame(core, session, payload, length, samples));
}

EXPORT bool media_watch(struct core *core, uint32_t handle, double timeout, double silence,
                        bool inband) {
    WITH_SESSION(core, handle, session, watch_set(core, session, timeout, silence, inband));
}

EXPORT bool media_statistics(struct core *core, uint32_t handle, struct statistics *out) {
    WITH_SESSION(core, handle, session, session_statistics(session, out));
}

EXPORT bool media_send_keys(struct core *core, uint32_t handle, const char *keys, double seconds) {
    WITH_SESSION(core, handle, session, keys_send(core, session, keys, seconds));
}

EXPORT bool media_fork(struct core *core, uint32_t handle, const struct address *to,
                       unsigned packets) {
    WITH_SESSION(core, handle, session, fork_set(core, session, to, packets));
}

/* -- who hears whom ---------------------------------------------------------------------------- */

/* Replace the rows of `listeners`; the entries of a row stand together. False: nothing is done. */
EXPORT bool media_hear(struct core *core, const uint32_t *listeners, size_t listener_count,
                       const struct hearing *entries, size_t entry_count) {
    bool known = true;
    enter(core);
    for (size_t i = 0; i < listener_count; i++)
        known = known && object_find(core, listeners[i], KIND_SESSION);
    for (size_t i = 0; known && i < listener_count; i++) {
        size_t first = 0, count = 0;
        for (size_t j = 0; j < entry_count; j++)
            if (entries[j].listener == listeners[i] && count++ == 0)
                first = j;
        rows_replace(core, object_find(core, listeners[i], KIND_SESSION), entries + first, count);
    }
    leave(core);
    return known;
}

EXPORT uint32_t media_play(struct core *core, const int16_t *const *clips, const size_t *lengths,
                           unsigned count, bool loop) {
    enter(core);
    uint32_t handle = player_new(core, clips, lengths, count, loop);
    leave(core);
    return handle;
}

EXPORT bool media_stop_play(struct core *core, uint32_t handle) {
    enter(core);
    struct player *player = object_find(core, handle, KIND_PLAYER);
    if (player)
        player_stop(core, player);
    leave(core);
    return player != NULL;
}

/* -- recordings -------------------------------------------------------------------------------- */

/* Record these sources; `handle` 0: a new recording. Return its handle, 0: it is unknown. */
EXPORT uint32_t media_record(struct core *core, uint32_t handle, const uint32_t *left,
                             unsigned left_count, const uint32_t *right, unsigned right_count) {
    enter(core);
    struct recording *recording =
        handle ? object_find(core, handle, KIND_RECORDING) : recording_new(core);
    if (recording)
        handle = recording_change(core, recording,
                                  &(struct sides){left, right, left_count, right_count});
    leave(core);
    return recording ? handle : 0;
}

/* Give out what is complete, or with `finish` everything; return how many octets, 0: none. Without
 * room for any, it is reported again later. */
EXPORT size_t media_drain(struct core *core, uint32_t handle, bool finish, int16_t *out,
                          size_t room) {
    enter(core);
    struct recording *recording = object_find(core, handle, KIND_RECORDING);
    size_t length = recording ? recording_drain(core, recording, finish, out, room) : 0;
    leave(core);
    return length;
}

EXPORT bool media_forget_recording(struct core *core, uint32_t handle) {
    enter(core);
    struct recording *recording = object_find(core, handle, KIND_RECORDING);
    if (recording)
        recording_free(core, recording);
    leave(core);
    return recording != NULL;
}
