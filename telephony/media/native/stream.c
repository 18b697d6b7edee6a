/* Sequences of packets: those that a peer sends, and the one stream that it is sent.
 *
 * The reference, with the reasons, is telephony/media/source.py and relay.py.
 */
#include "core.h"

#include <math.h>

#define MAX_DROPOUT 3000    /* packets that may be lost in one go (RFC 3550 §A.1): a minute */
#define MAX_MISORDER 100    /* packets by which one may come late: two seconds */
#define STRAGGLER_SECONDS 0.2 /* for so long packets of the former SSRC are leftovers */
#define LEAP_FORWARD_SECONDS 10
#define LEAP_BACK_SECONDS 1
#define LATE_SECONDS 0.02   /* who speaks next and is that late follows without a hole */
#define OWN_RUN UINT64_MAX

static uint64_t lost_now(const struct incoming *in) {
    if (in->run == 0)
        return 0;
    uint64_t expected = (uint64_t)in->highest - in->first + 1;
    uint64_t received = in->received - in->received_before;
    return expected > received ? expected - received : 0;
}

uint64_t incoming_lost(const struct incoming *in) { return in->lost_before + lost_now(in); }

static void begin(struct core *core, struct incoming *in, const struct packet *packet) {
    in->lost_before += lost_now(in);
    in->received_before = in->received;
    in->run = ++core->newest_run;
    in->has_ssrc = true;
    in->ssrc = packet->ssrc;
    /* One cycle up, so that an extended number minus a few never goes below zero. */
    in->first = in->highest = packet->sequence + 0x10000u;
    in->seen = 1;
    in->expected_jump = -1;
    in->audio_timestamp = packet->timestamp;
    in->newest_timestamp = packet->timestamp;
    in->newest = 0;
    in->has_transit = false;
}

/* Whether the next packet's timestamp cannot be the same clock's. */
static bool leaps(const struct incoming *in, const struct packet *packet, double now,
                  uint32_t clock) {
    double moved = timestamp_delta(packet->timestamp, in->audio_timestamp);
    return moved < -LEAP_BACK_SECONDS * (double)clock ||
           moved > (now - in->audio_at + LEAP_FORWARD_SECONDS) * (double)clock;
}

/* Judge a packet that does not continue the sequence: late, seen before, or a jump. */
static bool fits(struct core *core, struct incoming *in, const struct packet *packet,
                 int32_t delta) {
    if (-MAX_MISORDER < delta && delta <= 0) {
        unsigned __int128 bit = (unsigned __int128)1 << -delta;
        if (in->seen & bit) {
            in->duplicates++;
            return false;
        }
        if (in->highest + (uint32_t)delta < in->first) {
            in->discarded++; /* of the run before this one */
            return false;
        }
        in->seen |= bit;
        return true;
    }
    /* §A.1: "Two sequential packets -- assume that the other side restarted without telling us". */
    if (packet->sequence != in->expected_jump) {
        in->expected_jump = (uint16_t)(packet->sequence + 1);
        in->discarded++;
        return false;
    }
    begin(core, in, packet);
    return true;
}

/* RFC 3550 §6.4.1, in seconds. */
static void measure_jitter(struct incoming *in, const struct packet *packet, double now) {
    double transit = now - (double)incoming_position(in, packet->timestamp) / RATE;
    if (in->has_transit)
        in->jitter += (fabs(transit - in->transit) - in->jitter) / 16;
    in->transit = transit;
    in->has_transit = true;
}

/* Take the next packet; false: it shall go no further. */
bool incoming_accept(struct core *core, struct incoming *in, const struct packet *packet,
                     double now, bool audio, uint32_t clock) {
    bool other_clock = audio && in->clock && clock != in->clock;
    if (audio)
        in->clock = clock;
    if (!in->has_ssrc || packet->ssrc != in->ssrc) {
        if (in->has_former && packet->ssrc == in->former_ssrc && now < in->former_until) {
            in->discarded++;
            return false;
        }
        in->has_former = in->has_ssrc;
        in->former_ssrc = in->ssrc;
        in->former_until = now + STRAGGLER_SECONDS;
        begin(core, in, packet);
    } else {
        int32_t delta = sequence_delta(packet->sequence, (uint16_t)in->highest);
        if (0 < delta && delta < MAX_DROPOUT) {
            if (other_clock || (audio && leaps(in, packet, now, clock)))
                begin(core, in, packet);
            else {
                in->highest += (uint32_t)delta;
                in->seen = delta < 128 ? in->seen << delta | 1 : 1;
            }
        } else if (fits(core, in, packet, delta)) {
            in->received++;
            return true; /* late, or the first after a jump: no measure of the audio clock */
        } else
            return false;
    }
    if (audio) {
        in->audio_timestamp = packet->timestamp;
        in->audio_at = now;
        measure_jitter(in, packet, now);
    }
    in->received++;
    return true;
}

/* Where a timestamp of this run lies, in samples at 8 kHz from the run's first packet. */
int64_t incoming_position(struct incoming *in, uint32_t timestamp) {
    int32_t moved = timestamp_delta(timestamp, in->newest_timestamp);
    int64_t at = in->newest + moved;
    if (moved > 0) {
        in->newest = at;
        in->newest_timestamp = timestamp;
    }
    return in->clock == RATE || in->clock == 0 ? at : at * RATE / in->clock;
}

/* Take the next packet for the first of another source, whatever its numbers say. */
void outgoing_switch(struct outgoing *out) { out->run = 0; }

/* By how much the timestamp moves from the newest to whatever comes now. */
static uint32_t moved(const struct outgoing *out, double now) {
    double elapsed = rint((now - out->stamped_at) * out->clock);
    bool late = elapsed > out->duration + LATE_SECONDS * out->clock;
    return late ? (uint32_t)elapsed : out->duration;
}

/* The timestamp with which something new continues what was sent: the clock has gone on. */
static uint32_t continued(const struct outgoing *out, double now) {
    return out->stamped_at < 0 ? out->timestamp : out->timestamp + moved(out, now);
}

/* Number a packet of another stream. */
void outgoing_forward(struct outgoing *out, const struct packet *packet, uint64_t run, double now,
                      struct numbers *numbers) {
    numbers->marker = packet->marker;
    if (run != out->run) {
        out->sequence_offset = (uint16_t)(out->sequence + 1 - packet->sequence);
        out->timestamp_offset = continued(out, now) - packet->timestamp;
        out->run = run;
        numbers->marker = true; /* RFC 3551 §4.1: the first packet after a break */
    }
    numbers->sequence = (uint16_t)(packet->sequence + out->sequence_offset);
    numbers->timestamp = packet->timestamp + out->timestamp_offset;
    if (sequence_delta(numbers->sequence, out->sequence) > 0)
        out->sequence = numbers->sequence;
    if (out->stamped_at < 0 || timestamp_delta(numbers->timestamp, out->timestamp) > 0) {
        out->timestamp = numbers->timestamp;
        out->stamped_at = now;
        if (out->clock == RATE) /* G.711 and G.722 alike: an octet a tick (RFC 3551 §4.5) */
            out->duration = (uint32_t)packet->length;
    }
}

/* Leave out one packet of the relayed source without a hole in the sequence. */
void outgoing_withhold(struct outgoing *out) { out->sequence_offset--; }

static uint16_t next_sequence(struct outgoing *out) {
    out->sequence_offset++;
    return ++out->sequence;
}

/* Number the next frame of a mix, of `samples` at 8 kHz. */
void outgoing_emit(struct outgoing *out, uint32_t samples, double now, struct numbers *numbers) {
    numbers->marker = true;
    if (out->stamped_at >= 0) {
        uint32_t passed = moved(out, now);
        numbers->marker = passed != out->duration;
        out->timestamp += passed;
    }
    out->run = OWN_RUN;
    out->stamped_at = now;
    out->duration = (uint32_t)((uint64_t)samples * out->clock / RATE);
    numbers->timestamp = out->timestamp;
    numbers->sequence = next_sequence(out);
}

/* Return the timestamp of a key that is pressed now (RFC 4733 §2.3.1). */
uint32_t outgoing_begin_event(const struct outgoing *out, double now) {
    return continued(out, now);
}

/* Number one telephone-event packet of our own. */
void outgoing_event(struct outgoing *out, uint32_t timestamp, bool begins,
                    struct numbers *numbers) {
    *numbers = (struct numbers){next_sequence(out), timestamp, begins};
}

void outgoing_set_clock(struct outgoing *out, uint32_t clock) {
    if (clock == out->clock)
        return;
    out->clock = clock;
    out->duration = (uint32_t)((uint64_t)FRAME * clock / RATE);
    out->run = 0;
}
