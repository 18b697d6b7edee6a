/* Several packet streams as one stereo recording. The reference, with the reasons, is
 * telephony/media/recording.py. */
#include "core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW (RATE * 3 / 10)   /* samples for which a late packet still finds its place */
#define AHEAD (RATE / 2)         /* of a burst so much is kept, one packet after another */
#define FLUSH_SECONDS 0.5
#define FLUSH_GROUPS 5 /* sweeps in that time */
#define FIRST_ROOM 8192 /* samples; a power of two */

struct channel { /* the packets of one source on the time line, while it is on these sides */
    struct object *source; /* NULL: it is gone, what it said is kept */
    unsigned sides;        /* bit 0: left, bit 1: right */
    int64_t begin, stop;   /* frames between which it is heard */
    uint64_t run;
    int64_t origin, position; /* the frame of the newest packet, and its position in its run */
    int64_t floor, end;       /* after what was placed before a move; after the last placed */
    int16_t *frames;          /* a ring: frame n is at n modulo `room` */
    unsigned room;
};

struct recording {
    struct object object;
    struct recording *following;
    double started_at, flushed_at;
    int64_t horizon; /* frames given out */
    bool reported;
    VECTOR(struct channel *) channels;
};

struct recording *recording_new(struct core *core) {
    struct recording *recording = object_new(core, KIND_RECORDING, sizeof *recording);
    recording->started_at = core->now;
    /* Not all in one sweep: what begins together, as after a stall, is given out one by one. */
    recording->flushed_at = core->now - (recording->object.handle % FLUSH_GROUPS) * SWEEP_SECONDS;
    recording->following = core->recordings;
    core->recordings = recording;
    return recording;
}

static int64_t frame_at(const struct recording *recording, double at) {
    return llrint((at - recording->started_at) * RATE);
}

/* -- sources ----------------------------------------------------------------------------------- */

static void untap(struct channel *channel) {
    if (!channel->source)
        return;
    if (channel->source->kind == KIND_PLAYER) {
        player_untap((struct player *)channel->source, channel);
        return;
    }
    struct session *session = (struct session *)channel->source;
    for (unsigned i = 0; i < session->taps.count; i++)
        if (session->taps.items[i].channel == channel)
            REMOVE(session->taps, i--);
}

static void add_channel(struct recording *recording, struct object *source, unsigned sides,
                        int64_t begin) {
    struct channel *channel = calloc(1, sizeof *channel);
    int16_t *frames = calloc(FIRST_ROOM, sizeof *frames);
    if (!channel || !frames) {
        free(channel);
        free(frames);
        return;
    }
    *channel = (struct channel){.source = source,
                                .sides = sides,
                                .begin = begin,
                                .stop = INT64_MAX,
                                .room = FIRST_ROOM,
                                .frames = frames};
    APPEND(recording->channels, channel);
    struct tap tap = {recording, channel};
    if (source->kind == KIND_PLAYER)
        player_tap((struct player *)source, tap);
    else
        APPEND(((struct session *)source)->taps, tap);
}

static void free_channel(struct recording *recording, unsigned index) {
    struct channel *channel = recording->channels.items[index];
    untap(channel);
    free(channel->frames);
    free(channel);
    REMOVE(recording->channels, index);
}

static unsigned sides_of(uint32_t handle, const struct sides *sides) {
    unsigned found = 0;
    for (unsigned i = 0; i < sides->left_count; i++)
        found |= sides->left[i] == handle ? 1 : 0;
    for (unsigned i = 0; i < sides->right_count; i++)
        found |= sides->right[i] == handle ? 2 : 0;
    return found;
}

static void add_if_new(struct core *core, struct recording *recording, uint32_t handle,
                       const struct sides *sides, int64_t now) {
    struct object *source = object_find(core, handle, 0);
    if (!source || source->kind == KIND_RECORDING)
        return;
    for (unsigned i = 0; i < recording->channels.count; i++)
        if (recording->channels.items[i]->source == source &&
            recording->channels.items[i]->stop > now)
            return;
    add_channel(recording, source, sides_of(handle, sides), now);
}

/* Hear these from now on; who stays goes on without a step, what the others said is kept. */
uint32_t recording_change(struct core *core, struct recording *recording,
                          const struct sides *sides) {
    int64_t now = frame_at(recording, core->now);
    for (unsigned i = 0; i < recording->channels.count; i++) {
        struct channel *channel = recording->channels.items[i];
        unsigned wanted = channel->source ? sides_of(channel->source->handle, sides) : 0;
        if (channel->stop > now && wanted != channel->sides)
            channel->stop = now;
    }
    for (unsigned i = 0; i < sides->left_count; i++)
        add_if_new(core, recording, sides->left[i], sides, now);
    for (unsigned i = 0; i < sides->right_count; i++)
        add_if_new(core, recording, sides->right[i], sides, now);
    return recording->object.handle;
}

void recording_forget_source(struct recording *recording, const struct object *source) {
    for (unsigned i = 0; i < recording->channels.count; i++)
        if (recording->channels.items[i]->source == source)
            recording->channels.items[i]->source = NULL;
}

/* -- placing ----------------------------------------------------------------------------------- */

static int16_t *frame_of(struct channel *channel, int64_t frame) {
    return &channel->frames[(uint64_t)frame & (channel->room - 1)];
}

static void make_room(struct channel *channel, int64_t horizon, int64_t end) {
    unsigned room = channel->room;
    while (end - horizon > room)
        room *= 2;
    if (room == channel->room)
        return;
    struct channel larger = *channel;
    larger.room = room;
    larger.frames = calloc(room, sizeof *larger.frames);
    for (int64_t frame = horizon; frame < horizon + channel->room; frame++)
        *frame_of(&larger, frame) = *frame_of(channel, frame);
    free(channel->frames);
    *channel = larger;
}

/* Return the packet's first frame; -1 if there is no place for it. */
static int64_t place(struct channel *this, uint64_t run, int64_t position, unsigned length,
                     int64_t arrival, int64_t horizon) {
    int64_t latest = arrival + AHEAD - length, moved = position - this->position;
    int64_t frame = this->origin + moved, floor = horizon > this->floor ? horizon : this->floor;
    bool anchored = true;
    if (run == this->run && moved <= 0) /* out of order */
        return frame >= floor ? frame : -1;
    if (run != this->run || frame > latest) {
        frame = arrival > this->end ? arrival : this->end;
        frame = frame > horizon ? frame : horizon;
    } else if (frame < horizon) /* the earliest open place */
        frame = arrival - WINDOW > horizon ? arrival - WINDOW : horizon;
    else
        anchored = false;
    if (frame > latest)
        return -1;
    if (anchored)
        this->floor = this->end;
    this->run = run;
    this->origin = frame;
    this->position = position;
    if (frame + length > this->end)
        this->end = frame + length;
    return frame;
}

void recording_hear(struct tap tap, uint64_t run, int64_t position, const int16_t *samples,
                    unsigned count, double at) {
    struct channel *channel = tap.channel;
    int64_t horizon = tap.recording->horizon, arrival = frame_at(tap.recording, at);
    if (arrival - WINDOW >= channel->stop)
        return;
    int64_t frame = place(channel, run, position, count, arrival, horizon);
    if (frame < 0)
        return;
    make_room(channel, horizon, frame + count);
    for (unsigned i = 0; i < count; i++)
        *frame_of(channel, frame + i) = samples[i];
}

/* -- giving out -------------------------------------------------------------------------------- */

static int64_t least(int64_t one, int64_t other) { return one < other ? one : other; }

static int64_t last_frame(const struct recording *recording, double now) {
    int64_t last = frame_at(recording, now);
    for (unsigned i = 0; i < recording->channels.count; i++) {
        const struct channel *channel = recording->channels.items[i];
        int64_t end = least(channel->end, channel->stop);
        last = end > last ? end : last;
    }
    return last;
}

/* Add a channel's next `count` frames to one side of `out`, which are not wrapped in its ring. */
static void add_side(const int16_t *frames, int16_t *out, size_t count) {
    for (size_t i = 0; i < count; i++)
        out[2 * i] = saturated(out[2 * i] + frames[i]);
}

/* Take a channel's frames out of its ring, and add to its sides those while it was heard. */
static void take(struct channel *channel, int64_t from, int16_t *out, int64_t count) {
    /* What lies beyond the ring has not been written to. */
    int64_t until = from + least(count, channel->room);
    for (int64_t frame = from; frame < until;) {
        int16_t *frames = frame_of(channel, frame);
        int64_t part = least(until - frame, channel->frames + channel->room - frames);
        int64_t first = channel->begin > frame ? least(channel->begin - frame, part) : 0;
        int64_t last = channel->stop < frame ? 0 : least(channel->stop - frame, part);
        for (unsigned side = 0; side < 2 && first < last; side++)
            if (channel->sides >> side & 1)
                add_side(frames + first, out + 2 * (frame - from + first) + side,
                         (size_t)(last - first));
        memset(frames, 0, (size_t)part * sizeof *frames);
        frame += part;
    }
}

/* Give out what no packet can change any more, or everything; return how many octets of
 * interleaved samples. */
size_t recording_drain(struct core *core, struct recording *recording, bool finish, int16_t *out,
                       size_t room) {
    int64_t until = finish ? last_frame(recording, core->now)
                           : frame_at(recording, core->now) - WINDOW;
    recording->reported = false;
    if (until <= recording->horizon)
        return 0;
    size_t count = (size_t)(until - recording->horizon), most = room / (2 * sizeof *out);
    count = count < most ? count : most;
    memset(out, 0, count * 2 * sizeof *out);
    for (unsigned i = 0; i < recording->channels.count; i++)
        take(recording->channels.items[i], recording->horizon, out, (int64_t)count);
    recording->horizon += (int64_t)count;
    for (unsigned i = 0; i < recording->channels.count; i++)
        if (recording->channels.items[i]->stop <= recording->horizon)
            free_channel(recording, i--);
    return count * 2 * sizeof *out;
}

void recording_sweep(struct core *core, struct recording *recording) {
    if (recording->reported || core->now - recording->flushed_at < FLUSH_SECONDS - 1e-9)
        return;
    recording->flushed_at = core->now;
    recording->reported = true;
    report_plain(core, REPORT_BLOCK, recording->object.handle, 0, 0);
}

struct recording *recording_following(const struct recording *recording) {
    return recording->following;
}

void recording_free(struct core *core, struct recording *recording) {
    struct recording **at = &core->recordings;
    while (*at != recording)
        at = &(*at)->following;
    *at = recording->following;
    while (recording->channels.count)
        free_channel(recording, 0);
    free(recording->channels.items);
    object_forget(core, &recording->object);
}
