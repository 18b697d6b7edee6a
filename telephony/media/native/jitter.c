/* The jitter buffer: packets in as they come, 20 ms of even audio out at each tick.
 *
 * The reference, with the reasons, is telephony/media/jitter.py.
 */
#include "core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SPURT (RATE * 12 / 100) /* without a packet for so long, a talk spurt is over */
#define LONGEST (RATE / 4)      /* the delay never grows beyond */
#define QUANTILE 97             /* per cent of the packets that are waited for */
#define MARGIN 80               /* samples beyond the spread: the tick comes when it comes */
#define SLACK (FRAME + 40)      /* samples of delay too much that are left alone */
#define SHORT 8                 /* samples of delay too little that are left alone */
#define WINDOW 150              /* packets whose transits count */
#define RECKON_EVERY 10
#define FRAMES_BETWEEN_STRETCHES 3
#define INITIAL_SPREAD 80
#define OTHER_CLOCK RATE /* a transit that differs by a second is not the network's doing */
#define MOST_PACKETS 64
#define ROOM (FRAME + LONGEST_LAG + MAX_AUDIO + BLEND)

struct waiting { /* a packet whose turn comes */
    struct waiting *next;
    int64_t place;
    unsigned count;
    int16_t pcm[];
};

struct jitter {
    uint64_t concealed, late;
    struct concealer concealer;
    uint64_t run;
    int64_t newest_raw, newest, newest_end; /* position in the run, and its place on our line */
    double arrived;                         /* when the newest came; -1: nothing has */
    struct waiting *first;                  /* in the order of their places */
    unsigned waiting;
    bool playing;
    int64_t position; /* of the next sample to be taken from a packet, while playing */
    int missing;      /* samples made up for what lies at `position` */
    double transits[WINDOW];
    unsigned transit_count, transit_next;
    double base, spread;
    unsigned since_stretch;
    float noise_level;
    uint32_t noise;
    unsigned ready_count;
    float ready[ROOM], frame[FRAME];
};

struct jitter *jitter_new(void) {
    struct jitter *this = calloc(1, sizeof *this);
    if (this) {
        this->arrived = -1;
        this->spread = INITIAL_SPREAD;
        this->noise = 0x9e3779b9;
    }
    return this;
}

void jitter_free(struct jitter *this) {
    if (!this)
        return;
    for (struct waiting *next, *packet = this->first; packet; packet = next) {
        next = packet->next;
        free(packet);
    }
    free(this);
}

/* -- arrival ----------------------------------------------------------------------------------- */

static int ascending(const void *one, const void *other) {
    double left = *(const double *)one, right = *(const double *)other;
    return (left > right) - (left < right);
}

static void reckon(struct jitter *this) {
    double ordered[WINDOW];
    memcpy(ordered, this->transits, this->transit_count * sizeof *ordered);
    qsort(ordered, this->transit_count, sizeof *ordered, ascending);
    this->base = ordered[0];
    this->spread = ordered[QUANTILE * (this->transit_count - 1) / 100] - this->base;
}

static void note_transit(struct jitter *this, double transit) {
    if (this->transit_count && fabs(transit - this->base) > OTHER_CLOCK)
        this->transit_count = this->transit_next = 0;
    this->transits[this->transit_next++ % WINDOW] = transit;
    if (this->transit_count < WINDOW)
        this->transit_count++;
    if (transit < this->base || this->transit_count == 1)
        this->base = transit;
    if (this->transit_next % RECKON_EVERY == 0)
        reckon(this);
}

/* Return the packet's first sample on our own time line. */
static int64_t place_of(struct jitter *this, uint64_t run, int64_t position, double now) {
    int64_t place;
    if (run != this->run) {
        /* Where the old numbering ends the new one begins, or after as long as nothing came. */
        int64_t pause = this->arrived < 0 ? 0 : llrint((now - this->arrived) * RATE);
        place = this->newest_end + (pause > SPURT ? pause : 0);
    } else
        place = this->newest + position - this->newest_raw;
    if (run != this->run || place >= this->newest) {
        this->run = run;
        this->newest_raw = position;
        this->newest = place;
        if (place + FRAME > this->newest_end)
            this->newest_end = place + FRAME;
    }
    this->arrived = now;
    return place;
}

static void keep(struct jitter *this, int64_t place, const int16_t *pcm, unsigned count) {
    struct waiting **at = &this->first;
    while (*at && (*at)->place < place)
        at = &(*at)->next;
    if (this->waiting >= MOST_PACKETS || (*at && (*at)->place == place))
        return;
    struct waiting *packet = malloc(sizeof *packet + count * sizeof *pcm);
    if (!packet)
        return;
    packet->place = place;
    packet->count = count;
    packet->next = *at;
    memcpy(packet->pcm, pcm, count * sizeof *pcm);
    *at = packet;
    this->waiting++;
}

static void drop_first(struct jitter *this) {
    struct waiting *packet = this->first;
    this->first = packet->next;
    this->waiting--;
    free(packet);
}

/* Take a packet of audio; another run: positions started anew. */
void jitter_put(struct jitter *this, uint64_t run, int64_t position, const int16_t *pcm,
                unsigned count, double now) {
    if (count == 0 || count > MAX_AUDIO)
        return;
    int64_t place = place_of(this, run, position, now);
    if (this->playing && place + count <= this->position) {
        this->late++;
        return;
    }
    keep(this, place, pcm, count);
    note_transit(this, now * RATE - (double)place);
}

/* Take a comfort noise packet: the sender is silent; level in -dBov. */
void jitter_noise(struct jitter *this, uint8_t level) {
    this->noise_level = 32768 * powf(10, -(float)(level & 0x7f) / 20);
}

/* Go on where a listener who was relayed to has heard so far. */
void jitter_prime(struct jitter *this, uint64_t run, int64_t position, const float *past,
                  unsigned count, double now) {
    float heard[MAX_AUDIO];
    memcpy(heard, past, count * sizeof *heard);
    conceal_heard(&this->concealer, heard, count);
    this->run = run;
    this->arrived = now;
    this->newest_raw = position;
    this->newest = this->newest_end = this->position = 0;
    this->playing = true;
    note_transit(this, FRAME + now * RATE);
}

/* -- playing ----------------------------------------------------------------------------------- */

/* Return which sample should be played now. */
static int64_t planned(const struct jitter *this, double at) {
    double spread = this->spread + MARGIN;
    return llrint(at * RATE - this->base - (spread < LONGEST ? spread : LONGEST));
}

static float *room_for(struct jitter *this, unsigned count) {
    float *at = this->ready + this->ready_count;
    this->ready_count += count;
    return at;
}

static void make_up(struct jitter *this, unsigned count, int limit) {
    conceal(&this->concealer, room_for(this, count), count);
    this->missing += (int)count;
    this->concealed += count;
    if (this->missing >= limit && !this->first)
        this->playing = false;
}

/* Uniform noise with the mean square of the level. */
static float noise_sample(struct jitter *this) {
    this->noise = this->noise * 1664525u + 1013904223u;
    return this->noise_level * 1.7320508f * ((float)(int32_t)this->noise / 2147483648.0f);
}

/* What is heard between talk spurts. */
static void pause_for(struct jitter *this, unsigned count) {
    float *out = room_for(this, count);
    conceal(&this->concealer, out, count); /* fades out, then silence */
    if (this->noise_level > 0)
        for (unsigned i = 0; i < count; i++)
            out[i] += noise_sample(this);
}

/* Play the first packet, which is due. */
static void play(struct jitter *this) {
    struct waiting *packet = this->first;
    int64_t passed = this->position - packet->place;
    unsigned start = passed > 0 ? (unsigned)passed : 0; /* late in part */
    float pcm[MAX_AUDIO], expected[2 * BLEND];
    unsigned count = packet->count;
    if (start > count)
        start = count;
    for (unsigned i = 0; i < count; i++)
        pcm[i] = packet->pcm[i];
    if (this->missing > packet->place - this->position && start < count) {
        /* Late, not lost: what is made up goes on until the packet joins it most smoothly. To leave
         * out the packet's beginning instead would take back the very delay that it lacked: the
         * next one would be late again, and all that follow. */
        unsigned width = count - start < BLEND ? count - start : BLEND;
        conceal_expect(&this->concealer, expected, 2 * BLEND);
        unsigned more = best_shift(pcm + start, width, expected, 2 * BLEND, BLEND);
        conceal(&this->concealer, room_for(this, more), more);
        this->concealed += more;
    }
    conceal_heard(&this->concealer, pcm + start, count - start);
    memcpy(room_for(this, count - start), pcm + start, (count - start) * sizeof *pcm);
    if (packet->place + (int64_t)count > this->position)
        this->position = packet->place + (int64_t)count;
    if (this->position > this->newest_end)
        this->newest_end = this->position;
    this->missing = 0;
    drop_first(this);
}

/* Make at least something ready, `count` samples if it is made up. */
static void fill(struct jitter *this, double at, unsigned count) {
    if (!this->playing) {
        if (!this->first || planned(this, at) < this->first->place) {
            pause_for(this, count);
            return;
        }
        this->playing = true;
        this->position = this->first->place;
        this->missing = 0;
        if (!this->concealer.made)
            this->concealer.made = 1; /* blend the spurt in */
    }
    if (!this->first) {
        make_up(this, count, SPURT);
        return;
    }
    int64_t hole = this->first->place - this->position - this->missing;
    if (hole > SPURT)
        this->playing = false;
    else if (hole > 0)
        make_up(this, hole < count ? (unsigned)hole : count, (int)hole + this->missing);
    else
        play(this);
}

/* -- time -------------------------------------------------------------------------------------- */

/* Leave out whatever is too old, after a stall of the network. */
static void skip(struct jitter *this, double at) {
    int64_t now = planned(this, at);
    while (this->first && this->first->place < now)
        drop_first(this);
    if (!this->first)
        this->playing = false;
    else {
        this->position = this->first->place;
        if (!this->concealer.made)
            this->concealer.made = 1;
    }
}

static bool next_is_here(const struct jitter *this) {
    return this->playing && this->first && this->first->place == this->position;
}

/* Have so much ready, if it is here. */
static bool get_ready(struct jitter *this, unsigned count) {
    while (this->ready_count < count && next_is_here(this) &&
           this->ready_count + this->first->count <= ROOM)
        play(this);
    return this->ready_count >= count;
}

/* Join the frame with what follows one pitch period later. */
static void leave_out(struct jitter *this) {
    if (!get_ready(this, HISTORY))
        return;
    unsigned lag = pitch_lag(this->ready);
    cross_fade(this->ready, this->ready + lag, this->ready, BLEND);
    this->ready_count -= lag;
    memmove(this->ready + BLEND, this->ready + lag + BLEND,
            (this->ready_count - BLEND) * sizeof *this->ready);
    this->since_stretch = 0;
}

/* Play one pitch period of what is ready twice: A B C becomes A B (B to A) B C. */
static void repeat(struct jitter *this) {
    bool much = get_ready(this, HISTORY);
    if (this->ready_count < 2 * BLEND || this->ready_count + LONGEST_LAG > ROOM)
        return;
    unsigned lag = much ? pitch_lag(this->ready)
                        : SHORTEST_LAG + best_shift(this->ready, BLEND, this->ready + SHORTEST_LAG,
                                                    this->ready_count - SHORTEST_LAG,
                                                    this->ready_count - SHORTEST_LAG - BLEND);
    float joint[BLEND];
    cross_fade(this->ready + lag, this->ready, joint, BLEND);
    memmove(this->ready + lag + BLEND, this->ready + BLEND,
            (this->ready_count - BLEND) * sizeof *this->ready);
    memcpy(this->ready + lag, joint, sizeof joint);
    this->ready_count += lag;
    this->since_stretch = 0;
}

/* Bring the delay nearer to what is planned, by one pitch period or in one leap. */
static void stretch(struct jitter *this, double at) {
    if (!this->playing || this->missing)
        return;
    int64_t behind = planned(this, at) - (this->position - (int64_t)this->ready_count);
    if (behind > LONGEST)
        skip(this, at);
    else if (this->since_stretch < FRAMES_BETWEEN_STRETCHES)
        return;
    else if (behind > SLACK)
        leave_out(this);
    else if (-behind > SHORT)
        repeat(this);
}

const float *jitter_pull(struct jitter *this, double at) {
    this->since_stretch++;
    while (this->ready_count < FRAME)
        fill(this, at, FRAME - this->ready_count);
    stretch(this, at);
    memcpy(this->frame, this->ready, sizeof this->frame);
    this->ready_count -= FRAME;
    memmove(this->ready, this->ready + FRAME, this->ready_count * sizeof *this->ready);
    return this->frame;
}

const float *jitter_frame(const struct jitter *this) { return this->frame; }

uint64_t jitter_concealed(const struct jitter *this) { return this->concealed; }

uint64_t jitter_late(const struct jitter *this) { return this->late; }
