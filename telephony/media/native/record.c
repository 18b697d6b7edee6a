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
#define PIECE 2048     /* frames that are decoded and mixed in one go */

/* A packet that waits to be given out, as it came: G.711 takes half the room of samples. A slow
 * owner costs memory for what he did not take, and none once he has. */
struct kept {
    struct kept *next;
    int64_t frame; /* its first */
    uint16_t count;
    uint8_t codec; /* CODEC_NONE: int16 samples */
    _Alignas(int16_t) uint8_t data[];
};

struct channel { /* the packets of one source on the time line, while it is on these sides */
    struct object *source; /* NULL: it is gone, what it said is kept */
    unsigned sides;        /* bit 0: left, bit 1: right */
    int64_t begin, stop;   /* frames between which it is heard */
    uint64_t run;
    int64_t origin, position; /* the frame of the newest packet, and its position in its run */
    int64_t floor, end;       /* after what was placed before a move; after the last placed */
    struct kept *first, *last; /* in the order in which they came: of two at one place the later */
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
    if (!channel)
        return;
    *channel = (struct channel){
        .source = source, .sides = sides, .begin = begin, .stop = INT64_MAX};
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
    for (struct kept *next, *kept = channel->first; kept; kept = next) {
        next = kept->next;
        free(kept);
    }
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

static void keep(struct channel *channel, int64_t frame, const struct sound *sound) {
    size_t size = sound->count * (sound->codec == CODEC_NONE ? sizeof(int16_t) : 1);
    struct kept *kept = malloc(sizeof *kept + size);
    if (!kept)
        return;
    kept->next = NULL;
    kept->frame = frame;
    kept->count = (uint16_t)sound->count;
    kept->codec = sound->codec;
    memcpy(kept->data, sound->data, size);
    *(channel->last ? &channel->last->next : &channel->first) = kept;
    channel->last = kept;
}

void recording_hear(struct tap tap, uint64_t run, int64_t position, const struct sound *sound,
                    double at) {
    struct channel *channel = tap.channel;
    int64_t arrival = frame_at(tap.recording, at);
    if (arrival - WINDOW >= channel->stop)
        return;
    int64_t frame =
        place(channel, run, position, sound->count, arrival, tap.recording->horizon);
    if (frame >= 0)
        keep(channel, frame, sound);
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

/* Write what of a packet lies among the `count` frames from `from` on. */
static void unfold(const struct core *core, const struct kept *kept, int64_t from, unsigned count,
                   int16_t *out) {
    int64_t first = kept->frame > from ? kept->frame : from;
    int64_t last = least(kept->frame + kept->count, from + count);
    if (first >= last)
        return;
    size_t skipped = (size_t)(first - kept->frame), length = (size_t)(last - first);
    if (kept->codec == CODEC_NONE)
        memcpy(out + (first - from), kept->data + skipped * sizeof *out, length * sizeof *out);
    else
        decode_g711(core, kept->codec, kept->data + skipped, length, out + (first - from));
}

/* Add a channel's frames to one side of `out`. */
static void add_side(const int16_t *frames, int16_t *out, size_t count) {
    for (size_t i = 0; i < count; i++)
        out[2 * i] = saturated(out[2 * i] + frames[i]);
}

/* Add a channel's frames, as long as it is heard, to its sides. */
static void mix_in(const struct core *core, const struct channel *channel, int64_t from,
                   unsigned count, int16_t *out) {
    int16_t frames[PIECE] = {0};
    int64_t first = channel->begin > from ? least(channel->begin - from, count) : 0;
    int64_t last = channel->stop < from ? 0 : least(channel->stop - from, count);
    if (first >= last)
        return;
    for (const struct kept *kept = channel->first; kept; kept = kept->next)
        unfold(core, kept, from, count, frames);
    for (unsigned side = 0; side < 2; side++)
        if (channel->sides >> side & 1)
            add_side(frames + first, out + 2 * first + side, (size_t)(last - first));
}

/* Let go of what was given out. */
static void drop(struct channel *channel, int64_t horizon) {
    struct kept **at = &channel->first;
    channel->last = NULL;
    while (*at) {
        struct kept *kept = *at;
        if (kept->frame + kept->count <= horizon) {
            *at = kept->next;
            free(kept);
        } else {
            channel->last = kept;
            at = &kept->next;
        }
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
        for (size_t done = 0; done < count; done += PIECE)
            mix_in(core, recording->channels.items[i], recording->horizon + (int64_t)done,
                   (unsigned)least((int64_t)(count - done), PIECE), out + 2 * done);
    recording->horizon += (int64_t)count;
    for (unsigned i = 0; i < recording->channels.count; i++) {
        drop(recording->channels.items[i], recording->horizon);
        if (recording->channels.items[i]->stop <= recording->horizon)
            free_channel(recording, i--);
    }
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
