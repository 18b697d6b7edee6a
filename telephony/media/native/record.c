/* Several packet streams as one stereo recording. The reference, with the reasons, is
 * telephony/media/recording.py. */
#include "core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW (RATE * 3 / 10)   /* samples for which a late packet still finds its place */
#define AHEAD (RATE / 2)         /* of a burst so much is kept, one packet after another */
#define CONCEALED (RATE * 6 / 100) /* the longest gap that is made up rather than left silent */
#define FLUSH_SECONDS 0.5
#define FIRST_ROOM 8192 /* samples; a power of two */

struct channel { /* the packets of one source on the time line */
    struct object *source; /* NULL: it is gone, what it said is kept */
    uint32_t handle;
    unsigned sides; /* bit 0: left, bit 1: right */
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
    VECTOR(struct channel) channels;
};

struct recording *recording_new(struct core *core) {
    struct recording *recording = object_new(core, KIND_RECORDING, sizeof *recording);
    recording->started_at = recording->flushed_at = core->now;
    recording->following = core->recordings;
    core->recordings = recording;
    return recording;
}

static int64_t frame_at(const struct recording *recording, double at) {
    return llrint((at - recording->started_at) * RATE);
}

/* -- sources ------------------------------------------------------------------------------------ */

static void untap(struct recording *recording, struct object *source) {
    if (source->kind == KIND_PLAYER) {
        player_untap((struct player *)source, recording);
        return;
    }
    struct session *session = (struct session *)source;
    for (unsigned i = 0; i < session->taps.count; i++)
        if (session->taps.items[i].recording == recording)
            REMOVE(session->taps, i--);
}

static void tap(struct recording *recording, struct object *source, unsigned channel) {
    if (source->kind == KIND_PLAYER)
        player_tap((struct player *)source, recording, channel);
    else
        APPEND(((struct session *)source)->taps, ((struct tap){recording, channel}));
}

static void add_source(struct core *core, struct recording *recording, uint32_t handle,
                       unsigned side) {
    struct object *source = object_find(core, handle, 0);
    if (!source || source->kind == KIND_RECORDING)
        return;
    for (unsigned i = 0; i < recording->channels.count; i++)
        if (recording->channels.items[i].handle == handle) {
            recording->channels.items[i].sides |= side;
            return;
        }
    APPEND(recording->channels, ((struct channel){.source = source,
                                                  .handle = handle,
                                                  .sides = side,
                                                  .room = FIRST_ROOM,
                                                  .frames = calloc(FIRST_ROOM, sizeof(int16_t))}));
    tap(recording, source, recording->channels.count - 1);
}

/* Hear these from now on; one that is left out is heard no more. */
uint32_t recording_change(struct core *core, struct recording *recording, const uint32_t *left,
                          unsigned left_count, const uint32_t *right, unsigned right_count) {
    for (unsigned i = 0; i < recording->channels.count; i++)
        recording->channels.items[i].sides = 0;
    for (unsigned i = 0; i < left_count; i++)
        add_source(core, recording, left[i], 1);
    for (unsigned i = 0; i < right_count; i++)
        add_source(core, recording, right[i], 2);
    return recording->object.handle;
}

void recording_forget_source(struct recording *recording, const struct object *source) {
    for (unsigned i = 0; i < recording->channels.count; i++)
        if (recording->channels.items[i].source == source)
            recording->channels.items[i].source = NULL;
}

/* -- placing ------------------------------------------------------------------------------------ */

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

static void write_frames(struct channel *channel, int64_t at, const float *samples,
                         unsigned count) {
    for (unsigned i = 0; i < count; i++)
        *frame_of(channel, at + i) = saturated(samples[i]);
}

/* Make up the gap between what was placed before and `pcm`, whose beginning is blended. */
static void bridge(struct channel *channel, int64_t horizon, int64_t end, unsigned gap, float *pcm,
                   unsigned count) {
    struct concealer concealer = {0};
    float past[HISTORY], made[CONCEALED];
    int64_t from = end - HISTORY > horizon ? end - HISTORY : horizon;
    for (int64_t frame = from; frame < end; frame++)
        past[frame - from] = *frame_of(channel, frame);
    conceal_heard(&concealer, past, (unsigned)(end - from));
    conceal(&concealer, made, gap);
    conceal_heard(&concealer, pcm, count);
    write_frames(channel, end, made, gap);
}

void recording_hear(struct recording *recording, unsigned index, uint64_t run, int64_t position,
                    const int16_t *samples, unsigned count, double at) {
    struct channel *channel = &recording->channels.items[index];
    int64_t end = channel->end, horizon = recording->horizon;
    bool same_run = run == channel->run;
    if (!channel->sides || count > MAX_AUDIO)
        return;
    int64_t frame = place(channel, run, position, count, frame_at(recording, at), horizon);
    if (frame < 0)
        return;
    make_room(channel, horizon, frame + count);
    float pcm[MAX_AUDIO];
    for (unsigned i = 0; i < count; i++)
        pcm[i] = samples[i];
    int64_t gap = frame - end;
    if (same_run && 0 < gap && gap <= CONCEALED && end >= horizon)
        bridge(channel, horizon, end, (unsigned)gap, pcm, count);
    write_frames(channel, frame, pcm, count);
}

/* -- giving out --------------------------------------------------------------------------------- */

static int64_t last_frame(const struct recording *recording, double now) {
    int64_t last = frame_at(recording, now);
    for (unsigned i = 0; i < recording->channels.count; i++)
        if (recording->channels.items[i].end > last)
            last = recording->channels.items[i].end;
    return last;
}

/* Add a channel's next `count` frames to one side of `out`, which are not wrapped in its ring. */
static void add_side(const int16_t *frames, int16_t *out, size_t count) {
    for (size_t i = 0; i < count; i++)
        out[2 * i] = saturated(out[2 * i] + frames[i]);
}

/* Take a channel's frames out of its ring, and add them to its sides. */
static void take(struct channel *channel, int64_t from, int16_t *out, size_t count) {
    for (size_t done = 0; done < count;) {
        int16_t *frames = frame_of(channel, from + (int64_t)done);
        size_t whole = (size_t)(channel->frames + channel->room - frames);
        size_t part = whole < count - done ? whole : count - done;
        for (unsigned side = 0; side < 2; side++)
            if (channel->sides >> side & 1)
                add_side(frames, out + 2 * done + side, part);
        memset(frames, 0, part * sizeof *frames);
        done += part;
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
    for (unsigned i = 0; i < recording->channels.count; i++) {
        struct channel *channel = &recording->channels.items[i];
        /* What lies beyond the ring has not been written to. */
        take(channel, recording->horizon, out, count < channel->room ? count : channel->room);
    }
    recording->horizon += (int64_t)count;
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
    for (unsigned i = 0; i < recording->channels.count; i++) {
        if (recording->channels.items[i].source)
            untap(recording, recording->channels.items[i].source);
        free(recording->channels.items[i].frames);
    }
    free(recording->channels.items);
    object_forget(core, &recording->object);
}
