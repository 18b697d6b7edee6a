/* One leg: who its peer is, and what becomes of a datagram. The reference, with the reasons, is
 * telephony/media/session.py. */
#include "core.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RELATCH_GUARD_SECONDS 1.0
#define LATCH_PATIENCE 2.0

struct session *session_new(struct core *core, int fd, uint16_t family) {
    struct session *session = object_new(core, KIND_SESSION, sizeof *session);
    if (!session)
        return NULL;
    session->fd = fd;
    session->family = family;
    session->last_packet = session->outgoing.stamped_at = -1;
    session->outgoing.duration = FRAME;
    session->outgoing.clock = RATE;
    session->incoming.expected_jump = -1;
    session->following = core->sessions;
    if (core->sessions)
        core->sessions->previous = session;
    core->sessions = session;
    return session;
}

void session_free(struct core *core, struct session *session) {
    rows_clear(core, session);
    rows_forget(core, &session->object);
    for (unsigned i = 0; i < session->taps.count; i++)
        recording_forget_source(session->taps.items[i].recording, &session->object);
    watch_forget(core, session);
    keys_forget(session);
    mix_forget(session);
    fork_set(core, session, &(struct address){0}, 1);
    jitter_free(session->jitter);
    session->jitter = NULL;
    free(session->fade);
    session_update_ticking(core, session);
    if (session->following)
        session->following->previous = session->previous;
    *(session->previous ? &session->previous->following : &core->sessions) = session->following;
    free(session->row.items);
    free(session->relays.items);
    free(session->taps.items);
    close(session->fd);
    object_forget(core, &session->object);
}

/* Keep the list of those that the 20 ms clock concerns. */
void session_update_ticking(struct core *core, struct session *session) {
    if (!session->ticking)
        clock_wanted(core);
    bool needed = session->jitter || mix_is_needed(session) || keys_under_way(session) ||
                  fork_is_gathering(session);
    if (needed == session->ticking)
        return;
    session->ticking = needed;
    struct session **at = session->ticking_previous ? &session->ticking_previous->ticking_following
                                                    : &core->ticking;
    if (needed) {
        session->ticking_previous = NULL;
        session->ticking_following = core->ticking;
        if (core->ticking)
            core->ticking->ticking_previous = session;
        core->ticking = session;
    } else {
        if (session->ticking_following)
            session->ticking_following->ticking_previous = session->ticking_previous;
        *at = session->ticking_following;
        session->ticking_previous = session->ticking_following = NULL;
    }
}

/* Expect the peer at another address than before. */
static void move(struct core *core, struct session *session, const struct address *address) {
    session->home = *address;
    session->patient_until = core->now + LATCH_PATIENCE;
    if (session->source.family && address_same_host_and_port(&session->source, address)) {
        session->destination = session->source; /* audio was here before its description */
        return;
    }
    if (session->source.family) {
        session->former = session->source;
        session->former_until = core->now + RELATCH_GUARD_SECONDS;
    }
    session->source.family = 0;
    session->destination = *address;
}

void session_describe(struct core *core, struct session *session, const struct description *now) {
    const struct address *address = &now->address;
    if (!address->family)
        session->destination.family = 0; /* on hold: it stays who it is, and may be heard */
    else if (!session->home.family || !address_same_host_and_port(address, &session->home))
        move(core, session, address);
    else if (!session->destination.family) /* back from hold */
        session->destination = session->source.family ? session->source : session->home;
    session->remote = *now;
    session->described = true;
    outgoing_set_clock(&session->outgoing, core->clocks[now->codec]);
    rows_refresh(core, session);
}

void session_latch(struct session *session, const struct address *source) {
    session->source = *source;
    if (session->destination.family)
        session->destination = *source;
}

/* Whether the peer has named this host: in its SDP, or by signalling from it. */
static bool is_named(const struct session *session, const struct address *from) {
    return address_same_host(from, &session->home) ||
           address_same_host(from, &session->remote.signalled_from);
}

/* Whether a valid packet from here makes it the peer's address; see PacketPath.describe. */
static bool may_latch(const struct core *core, const struct session *session,
                      const struct address *from) {
    if (session->former.family && address_equal(from, &session->former) &&
        core->now < session->former_until)
        return false;
    if (address_same_host_and_port(from, &session->home))
        return true;
    if (session->source.family)
        return is_named(session, from) && !is_named(session, &session->source);
    return !session->home.family || is_named(session, from) ||
           core->now >= session->patient_until;
}

static void latch(struct core *core, struct session *session, const struct address *from) {
    session_latch(session, from);
    report(core, &(struct report_header){REPORT_LATCHED, session->object.handle, 0, 0, 0, 0, 0},
           from, sizeof *from, NULL, 0);
}

/* Keep the newest HISTORY samples for a mix or a fade that may begin. */
static void remember(struct session *session, const struct packet *packet, uint8_t codec,
                     int64_t position, double now) {
    uint8_t *octets = session->recent.octets;
    unsigned length = packet->length < HISTORY ? (unsigned)packet->length : HISTORY;
    if (session->recent.codec != codec)
        session->recent.count = 0;
    unsigned kept = session->recent.count < HISTORY - length ? session->recent.count
                                                             : HISTORY - length;
    memmove(octets, octets + session->recent.count - kept, kept);
    memcpy(octets + kept, packet->payload + packet->length - length, length);
    session->recent.count = (uint16_t)(kept + length);
    session->recent.codec = codec;
    session->recent.end = position + (int64_t)packet->length;
    session->recent.at = now;
}

static void record(const struct session *session, uint64_t run, int64_t position,
                   const struct sound *sound, double at) {
    for (unsigned i = 0; i < session->taps.count; i++)
        recording_hear(session->taps.items[i], run, position, sound, at);
}

/* Audio for those who need it: the mix and the recordings. */
static void decode(struct core *core, struct session *session, const struct packet *packet,
                   uint8_t codec, int64_t position) {
    uint64_t run = session->incoming.run;
    bool is_forked = is_foreign(codec) && session->fork.family;
    if (!session->jitter && !session->taps.count && !is_forked)
        return;
    if (is_foreign(codec)) {
        struct report_header header = {REPORT_DECODE, session->object.handle, 0, codec,
                                       run, position, core->now};
        report(core, &header, packet->payload, packet->length, NULL, 0);
        return;
    }
    unsigned count = packet->length < MAX_AUDIO ? (unsigned)packet->length : MAX_AUDIO;
    record(session, run, position, &(struct sound){codec, count, packet->payload}, core->now);
    if (session->jitter) {
        int16_t pcm[MAX_AUDIO];
        decode_g711(core, codec, packet->payload, count, pcm);
        jitter_put(session->jitter, run, position, pcm, count, core->now);
    }
}

void session_decoded(struct session *session, uint64_t run, int64_t position, const int16_t *pcm,
                     unsigned count, double at) {
    record(session, run, position, &(struct sound){CODEC_NONE, count, pcm}, at);
    if (session->jitter)
        jitter_put(session->jitter, run, position, pcm, count, at);
}

static void take_audio(struct core *core, struct session *session, const struct packet *packet,
                       uint8_t codec) {
    int64_t position = incoming_position(&session->incoming, packet->timestamp);
    if (codec != session->speaks) { /* who was relayed to may need a mix now, or the reverse */
        session->speaks = codec;
        rows_refresh(core, session);
    }
    if (is_g711(codec))
        remember(session, packet, codec, position, core->now);
    decode(core, session, packet, codec, position);
}

/* Let the owner read what the peer reports on the RTP port; false: it is RTP, or a stranger's. Who
 * was not heard yet is where he says he is. */
static bool take_rtcp(struct core *core, struct session *session, const uint8_t *data,
                      size_t length, const struct address *from) {
    const struct address *peer = session->source.family ? &session->source : &session->home;
    if (!rtp_is_rtcp(data, length) || !session->described ||
        session->remote.accepts[data[1] & 0x7f] != CODEC_NONE ||
        (peer->family && !address_same_host_and_port(from, peer)))
        return false;
    struct report_header header = {REPORT_RTCP, session->object.handle, 0, 0, 0, 0, core->now};
    report(core, &header, from, sizeof *from, data, length);
    return true;
}

/* Take a packet that is plain RTP: from the socket, or what an edge has found in a datagram. */
void session_take_plain(struct core *core, struct session *session, const uint8_t *data,
                        size_t length, const struct address *from) {
    if (take_rtcp(core, session, data, length, from))
        return;
    bool latched = session->source.family && address_equal(from, &session->source);
    if (!latched && !may_latch(core, session, from)) {
        session->strangers++;
        return;
    }
    struct packet packet;
    if (!rtp_parse(data, length, &packet)) {
        session->malformed++;
        return;
    }
    uint8_t codec = session->described ? session->remote.accepts[packet.payload_type] : CODEC_NONE;
    if (codec == CODEC_NONE) {
        session->unexpected++;
        return;
    }
    if (!latched)
        latch(core, session, from);
    session->last_packet = core->now;
    if (session->fork.family && !is_foreign(is_audio(codec) ? codec : session->speaks))
        fork_packet(core, session, data, length);
    if (!incoming_accept(core, &session->incoming, &packet, core->now, is_audio(codec),
                         core->clocks[codec]))
        return;
    relay(core, session, &packet, codec);
    if (codec == CODEC_EVENT)
        keys_received(core, session, &packet);
    else if (codec == CODEC_NOISE) {
        if (session->jitter && packet.length) /* RFC 3389: -dBov */
            jitter_noise(session->jitter, packet.payload[0]);
    } else
        take_audio(core, session, &packet, codec);
}

void session_receive(struct core *core, struct session *session, const uint8_t *data,
                     size_t length, const struct address *from) {
    if (!session->has_edge) {
        session_take_plain(core, session, data, length, from);
        return;
    }
    struct report_header header = {REPORT_DATAGRAM, session->object.handle, 0, 0, 0, 0, core->now};
    report(core, &header, from, sizeof *from, data, length);
}

/* Send a plain packet to the peer; what cannot be sent at once is dropped. */
bool session_send(struct core *core, struct session *session, const uint8_t *packet,
                  size_t length) {
    if (!session->destination.family)
        return false;
    if (session->has_edge) { /* counted when the edge has let it through */
        struct report_header header = {REPORT_CARRY, session->object.handle, 0, 0, 0, 0, core->now};
        report(core, &header, packet, length, NULL, 0);
        return true;
    }
    return session_carry(session, packet, length, length);
}

/* Send a datagram that carries a plain packet of `plain` octets. */
bool session_carry(struct session *session, const uint8_t *data, size_t length, size_t plain) {
    if (!session->destination.family ||
        !net_send(session->fd, data, length, &session->destination))
        return false;
    session->packets_out++;
    session->octets_out += plain - HEADER;
    return true;
}

/* Send audio of our own making; `samples` at 8 kHz. */
void session_send_frame(struct core *core, struct session *session, const uint8_t *payload,
                        size_t length, uint32_t samples) {
    uint8_t packet[MAX_DATAGRAM];
    struct numbers numbers;
    if (!session->destination.family || length > sizeof packet - HEADER)
        return;
    outgoing_emit(&session->outgoing, samples, core->now, &numbers);
    rtp_write_header(packet, session->remote.payload_type, numbers.marker, numbers.sequence,
                     numbers.timestamp, session->outgoing.ssrc);
    memcpy(packet + HEADER, payload, length);
    session_send(core, session, packet, HEADER + length);
}

void session_statistics(const struct session *session, struct statistics *out) {
    const struct incoming *in = &session->incoming;
    const struct outgoing *sent = &session->outgoing;
    *out = (struct statistics){
        .packets_in = in->received,
        .packets_out = session->packets_out,
        .octets_out = session->octets_out,
        .lost = incoming_lost(in),
        .duplicates = in->duplicates,
        .discarded = in->discarded,
        .strangers = session->strangers,
        .malformed = session->malformed,
        .unexpected = session->unexpected,
        .concealed = session->concealed_before +
                     (session->jitter ? jitter_concealed(session->jitter) : 0),
        .late = session->late_before + (session->jitter ? jitter_late(session->jitter) : 0),
        .jitter = in->jitter,
        .last_packet = session->last_packet,
        .sent_at = sent->stamped_at,
        .ssrc_in = in->has_ssrc ? (int64_t)in->ssrc : -1,
        .highest_sequence = in->run ? in->highest - 0x10000u : 0,
        .ssrc_out = sent->ssrc,
        .timestamp_out = sent->timestamp,
    };
}
