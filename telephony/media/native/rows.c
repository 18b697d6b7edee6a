/* Who hears whom: each listener's row of sources and gains, and the relay of a row of one.
 *
 * The row is kept as it was asked for; from it and the descriptions follows the listener's mode.
 */
#include "core.h"

#include <stdlib.h>
#include <string.h>

#define RECENT_SECONDS 0.06 /* audio that stopped longer ago is no beginning for a mix or a fade */

static struct session *as_session(struct object *object) {
    return object->kind == KIND_SESSION ? (struct session *)object : NULL;
}

/* A session without a description is as good as absent. */
static bool can_be_heard(struct object *source) {
    return !as_session(source) || as_session(source)->described;
}

/* Whether packets of a codec can be relayed to a peer without decoding them. */
static bool is_shared(uint8_t spoken, uint8_t wanted) {
    return spoken == wanted || (is_g711(spoken) && is_g711(wanted));
}

/* The session that a listener's row asks to be relayed, or NULL. */
static struct session *relayable(const struct session *listener) {
    struct session *found = NULL;
    for (unsigned i = 0; i < listener->row.count; i++) {
        const struct hearing_state *entry = &listener->row.items[i];
        if (entry->target == 0 || !can_be_heard(entry->source))
            continue;
        if (found || entry->target != 1 || !as_session(entry->source))
            return NULL;
        found = as_session(entry->source);
    }
    if (!found)
        return NULL;
    uint8_t spoken = found->speaks ? found->speaks : found->remote.codec;
    return is_shared(spoken, listener->remote.codec) ? found : NULL;
}

static bool hears_anybody(const struct session *listener) {
    for (unsigned i = 0; i < listener->row.count; i++)
        if (listener->row.items[i].target > 0 && can_be_heard(listener->row.items[i].source))
            return true;
    return false;
}

/* The newest audio of a session's peer, up to HISTORY samples; 0: it has not spoken just now. */
static unsigned newest_of(const struct core *core, const struct session *session, float *out) {
    int16_t pcm[HISTORY];
    unsigned count = session->recent.count;
    if (!count || core->now - session->recent.at > RECENT_SECONDS)
        return 0;
    decode_g711(core, session->recent.codec, session->recent.octets, count, pcm);
    for (unsigned i = 0; i < count; i++)
        out[i] = pcm[i];
    return count;
}

/* Somebody wants this session's audio as samples (1), or no longer (-1). */
void session_want_decoding(struct core *core, struct session *session, int change) {
    session->decoding += (unsigned)change;
    if (session->decoding && !session->jitter) {
        float past[HISTORY];
        unsigned count = newest_of(core, session, past);
        session->jitter = jitter_new();
        if (session->jitter && count)
            jitter_prime(session->jitter, session->incoming.run, session->recent.end, past, count,
                         session->recent.at);
    } else if (!session->decoding && session->jitter) {
        session->concealed_before += jitter_concealed(session->jitter);
        session->late_before += jitter_late(session->jitter);
        jitter_free(session->jitter);
        session->jitter = NULL;
    }
    session_update_ticking(core, session);
}

static void release(struct core *core, struct session *listener, unsigned index) {
    struct session *source = as_session(listener->row.items[index].source);
    if (source && listener->mode == MODE_MIXED)
        session_want_decoding(core, source, -1);
    REMOVE(listener->row, index);
}

static void take_out_of_relays(struct session *listener) {
    struct session *source = listener->relayed;
    for (unsigned i = 0; source && i < source->relays.count; i++)
        if (source->relays.items[i] == listener)
            REMOVE(source->relays, i--);
    listener->relayed = NULL;
}

/* Leave a mode; what its row still fades out is forgotten unless the mix goes on. */
static void leave_mode(struct core *core, struct session *listener, enum mode next) {
    struct session *relayed = listener->relayed;
    take_out_of_relays(listener);
    for (unsigned i = 0; i < listener->row.count; i++) {
        struct hearing_state *entry = &listener->row.items[i];
        struct session *source = as_session(entry->source);
        if (listener->mode == MODE_MIXED && source)
            session_want_decoding(core, source, -1);
        if (next == MODE_MIXED && source)
            session_want_decoding(core, source, 1);
        entry->gain = next == MODE_MIXED && source && source == relayed ? 1 : 0;
    }
    if (next != MODE_MIXED)
        for (unsigned i = 0; i < listener->row.count; i++)
            if (listener->row.items[i].target == 0)
                REMOVE(listener->row, i--);
}

/* A relay begins: its first packet is blended with how the audio before would have gone on. */
static void prepare_fade(const struct core *core, struct session *listener) {
    struct concealer concealer = {0};
    float past[HISTORY];
    unsigned count = listener->mode == MODE_RELAYED ? newest_of(core, listener->relayed, past)
                     : listener->mode == MODE_MIXED ? mix_newest(core, listener, past)
                                                    : 0;
    free(listener->fade);
    listener->fade = count ? malloc(BLEND * sizeof *listener->fade) : NULL;
    if (!listener->fade)
        return;
    conceal_heard(&concealer, past, count);
    conceal_expect(&concealer, listener->fade, BLEND);
}

static bool is_heard(const struct session *listener) {
    for (unsigned i = 0; i < listener->row.count; i++)
        if (listener->row.items[i].gain > 0)
            return true;
    return false;
}

/* Let the mode follow from the row and the descriptions. */
static void settle(struct core *core, struct session *listener) {
    struct session *source = listener->described ? relayable(listener) : NULL;
    enum mode next = !listener->described || !hears_anybody(listener) ? MODE_SILENT
                     : source                                         ? MODE_RELAYED
                                                                      : MODE_MIXED;
    if ((next == listener->mode && source == listener->relayed) ||
        (next == MODE_SILENT && listener->mode == MODE_MIXED && is_heard(listener)))
        return; /* the latter fades out first */
    if (next == MODE_RELAYED)
        prepare_fade(core, listener);
    if (next != MODE_MIXED)
        mix_forget(listener);
    leave_mode(core, listener, next);
    listener->mode = next;
    listener->relayed = source;
    if (source) {
        APPEND(source->relays, listener);
        outgoing_switch(&listener->outgoing);
    }
    session_update_ticking(core, listener);
}

static void aim(struct core *core, struct session *listener, struct object *source, float gain) {
    for (unsigned i = 0; i < listener->row.count; i++)
        if (listener->row.items[i].source == source) {
            listener->row.items[i].target = gain;
            return;
        }
    APPEND(listener->row, ((struct hearing_state){source, 0, gain}));
    if (listener->mode == MODE_MIXED && as_session(source))
        session_want_decoding(core, as_session(source), 1);
}

/* Replace a listener's row; sources that do not exist, and gains of nothing, are left out. */
void rows_replace(struct core *core, struct session *listener, const struct hearing *row,
                  size_t count) {
    for (unsigned i = 0; i < listener->row.count; i++)
        listener->row.items[i].target = 0;
    for (size_t i = 0; i < count; i++) {
        struct object *source = object_find(core, row[i].source, 0);
        if (source && source->kind != KIND_RECORDING && row[i].gain > 0)
            aim(core, listener, source, row[i].gain);
    }
    /* Who only would fade out needs a mix to fade out in, or the relay that is going on. */
    for (unsigned i = 0; listener->mode == MODE_SILENT && i < listener->row.count; i++)
        if (listener->row.items[i].target == 0)
            release(core, listener, i--);
    settle(core, listener);
}

/* A session's description has changed: as a listener, and as a source. */
void rows_refresh(struct core *core, struct session *session) {
    settle(core, session);
    for (struct session *other = core->sessions; other; other = other->following)
        for (unsigned i = 0; i < other->row.count; i++)
            if (other->row.items[i].source == &session->object) {
                settle(core, other);
                break;
            }
}

/* A source is no more. */
void rows_forget(struct core *core, struct object *source) {
    for (struct session *listener = core->sessions; listener; listener = listener->following)
        for (unsigned i = 0; i < listener->row.count; i++)
            if (listener->row.items[i].source == source) {
                release(core, listener, i);
                settle(core, listener);
                break;
            }
}

void rows_clear(struct core *core, struct session *listener) {
    while (listener->row.count)
        release(core, listener, 0);
    settle(core, listener);
}

/* A source fades out in everybody's next frame. */
void rows_silence(struct core *core, struct object *source) {
    for (struct session *listener = core->sessions; listener; listener = listener->following)
        for (unsigned i = 0; i < listener->row.count; i++)
            if (listener->row.items[i].source == source) {
                listener->row.items[i].target = 0;
                settle(core, listener);
                break;
            }
}

/* After a frame: who has faded out is no longer in the row. */
void rows_prune(struct core *core, struct session *listener) {
    bool pruned = false;
    for (unsigned i = 0; i < listener->row.count; i++)
        if (listener->row.items[i].target == 0 && listener->row.items[i].gain == 0) {
            release(core, listener, i--);
            pruned = true;
        }
    if (pruned)
        settle(core, listener);
}

/* -- relay ------------------------------------------------------------------------------------- */

static const uint8_t *law_to_law(const struct core *core, uint8_t from, uint8_t to) {
    if (from == to || !is_g711(from))
        return NULL;
    return from == CODEC_PCMA ? core->tables.alaw_to_ulaw : core->tables.ulaw_to_alaw;
}

/* The number under which a listener takes packets of a codec; -1: it does not. */
static int number_for(const struct description *remote, uint8_t codec) {
    if (codec == CODEC_EVENT)
        return remote->event_type;
    if (codec == CODEC_NOISE) {
        for (int number = 0; number < MAX_PAYLOAD_TYPES; number++)
            if (remote->accepts[number] == CODEC_NOISE)
                return number;
        return -1;
    }
    return is_shared(codec, remote->codec) ? remote->payload_type : -1;
}

static void fade_in(const struct core *core, struct session *listener, uint8_t *payload,
                    size_t length) {
    uint8_t codec = listener->remote.codec;
    int16_t pcm[BLEND];
    float blended[BLEND];
    if (length >= BLEND && is_g711(codec)) {
        decode_g711(core, codec, payload, BLEND, pcm);
        for (unsigned i = 0; i < BLEND; i++)
            blended[i] = pcm[i];
        cross_fade(listener->fade, blended, blended, BLEND);
        for (unsigned i = 0; i < BLEND; i++)
            pcm[i] = saturated(blended[i]);
        encode_g711(core, codec, pcm, BLEND, payload);
    }
    free(listener->fade);
    listener->fade = NULL;
}

static void relay_to(struct core *core, struct session *listener, const struct packet *packet,
                     uint8_t codec, uint64_t run) {
    uint8_t out[MAX_DATAGRAM];
    struct numbers numbers;
    int number = number_for(&listener->remote, codec);
    if (number < 0 || !listener->destination.family || packet->length > sizeof out - HEADER)
        return;
    if (keys_pressing(listener)) { /* its audio pauses for the key */
        outgoing_withhold(&listener->outgoing);
        return;
    }
    outgoing_forward(&listener->outgoing, packet, run, core->now, &numbers);
    rtp_write_header(out, (uint8_t)number, numbers.marker, numbers.sequence, numbers.timestamp,
                     listener->outgoing.ssrc);
    const uint8_t *table = law_to_law(core, codec, listener->remote.codec);
    if (table)
        for (size_t i = 0; i < packet->length; i++)
            out[HEADER + i] = table[packet->payload[i]];
    else
        memcpy(out + HEADER, packet->payload, packet->length);
    if (listener->fade && is_audio(codec))
        fade_in(core, listener, out + HEADER, packet->length);
    session_send(core, listener, out, HEADER + packet->length);
}

/* Send an accepted packet on to everybody who is relayed this session. */
void relay(struct core *core, struct session *session, const struct packet *packet,
           uint8_t codec) {
    for (unsigned i = 0; i < session->relays.count; i++)
        relay_to(core, session->relays.items[i], packet, codec, session->incoming.run);
}
