/* The 20 ms clock: everybody's next frame, mixed, coded and sent. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

#define RECENT_SECONDS 0.06

struct mixed { /* what a listener of a mix is sent */
    float newest[HISTORY];
    double at;
    unsigned pending; /* samples that wait until a packet is full */
    int16_t samples[MAX_AUDIO + FRAME];
};

void decode_g711(const struct core *core, uint8_t codec, const uint8_t *payload, size_t count,
                 int16_t *out) {
    const int16_t *table =
        codec == CODEC_PCMA ? core->tables.alaw_to_linear : core->tables.ulaw_to_linear;
    for (size_t i = 0; i < count; i++)
        out[i] = table[payload[i]];
}

void encode_g711(const struct core *core, uint8_t codec, const int16_t *samples, size_t count,
                 uint8_t *out) {
    const uint8_t *table =
        codec == CODEC_PCMA ? core->tables.linear_to_alaw : core->tables.linear_to_ulaw;
    for (size_t i = 0; i < count; i++)
        out[i] = table[(uint16_t)samples[i]];
}

bool mix_is_needed(const struct session *session) { return session->mode == MODE_MIXED; }

void mix_forget(struct session *listener) {
    free(listener->mixed);
    listener->mixed = NULL;
}

/* The newest audio that a listener was sent; 0: it was not sent any just now. */
unsigned mix_newest(const struct core *core, const struct session *listener, float *out) {
    if (!listener->mixed || core->now - listener->mixed->at > RECENT_SECONDS)
        return 0;
    memcpy(out, listener->mixed->newest, sizeof listener->mixed->newest);
    return HISTORY;
}

static const float *frame_of(const struct object *source) {
    if (source->kind == KIND_PLAYER)
        return player_frame((const struct player *)source);
    const struct session *session = (const struct session *)source;
    return session->jitter ? jitter_frame(session->jitter) : NULL;
}

/* Add one source, its gain moving in a straight line to where it shall be after this frame. */
static void add(float *sum, struct hearing_state *entry) {
    const float *frame = frame_of(entry->source);
    float step = (entry->target - entry->gain) / FRAME;
    for (unsigned i = 0; frame && i < FRAME; i++)
        sum[i] += frame[i] * (entry->gain + step * (float)(i + 1));
    entry->gain = entry->target;
}

static void send_chunk(struct core *core, struct session *listener, const int16_t *samples,
                       unsigned count) {
    uint8_t payload[MAX_AUDIO];
    if (!listener->destination.family || keys_pressing(listener))
        return;
    if (!is_g711(listener->remote.codec)) {
        struct report_header header = {.kind = REPORT_ENCODE, .handle = listener->object.handle};
        report(core, &header, samples, count * sizeof *samples, NULL, 0);
        return;
    }
    encode_g711(core, listener->remote.codec, samples, count, payload);
    session_send_frame(core, listener, payload, count, count);
}

static void mix_for(struct core *core, struct session *listener) {
    float sum[FRAME] = {0};
    if (!listener->mixed && !(listener->mixed = calloc(1, sizeof *listener->mixed)))
        return;
    struct mixed *mixed = listener->mixed;
    for (unsigned i = 0; i < listener->row.count; i++)
        add(sum, &listener->row.items[i]);
    for (unsigned i = 0; i < FRAME; i++)
        mixed->samples[mixed->pending++] = saturated(sum[i]);
    memmove(mixed->newest, mixed->newest + FRAME, (HISTORY - FRAME) * sizeof *sum);
    memcpy(mixed->newest + HISTORY - FRAME, sum, sizeof sum);
    mixed->at = core->now;
    unsigned size = listener->remote.frame, at = 0;
    for (; mixed->pending - at >= size; at += size)
        send_chunk(core, listener, mixed->samples + at, size);
    mixed->pending -= at;
    memmove(mixed->samples, mixed->samples + at, mixed->pending * sizeof *mixed->samples);
    rows_prune(core, listener);
}

/* Do what is due at one tick. */
void mix_frame(struct core *core, double at) {
    for (struct player *player = core->players; player; player = player_following(player))
        player_tick(player, at);
    players_end(core, false);
    for (struct session *session = core->ticking; session; session = session->ticking_following)
        if (session->jitter)
            watch_frame(core, session, jitter_pull(session->jitter, at));
    for (struct session *next, *session = core->ticking; session; session = next) {
        next = session->ticking_following;
        if (session->mode == MODE_MIXED)
            mix_for(core, session);
        keys_frame(core, session);
        fork_frame(core, session);
        session_update_ticking(core, session);
    }
    players_end(core, true);
}
