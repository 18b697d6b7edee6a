/* Players: clips of samples, one after another, for whoever has them in a row. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

struct player {
    struct object object;
    struct player *following;
    const int16_t *const *clips; /* the owner keeps the samples; the lists are ours */
    const size_t *lengths;
    unsigned count, clip;
    size_t offset;
    bool loop, ended, stopping, stopped;
    int64_t position; /* samples played */
    VECTOR(struct tap) taps;
    float frame[FRAME];
};

uint32_t player_new(struct core *core, const int16_t *const *clips, const size_t *lengths,
                          unsigned count, bool loop) {
    struct player *player = object_new(core, KIND_PLAYER, sizeof *player);
    const int16_t **own_clips = calloc(count + 1, sizeof *own_clips);
    size_t *own_lengths = calloc(count + 1, sizeof *own_lengths);
    if (!player || !own_clips || !own_lengths)
        abort(); /* as everywhere: without memory nothing of this process is of use */
    memcpy(own_clips, clips, count * sizeof *clips);
    memcpy(own_lengths, lengths, count * sizeof *lengths);
    player->clips = own_clips;
    player->lengths = own_lengths;
    player->count = count;
    player->loop = loop;
    player->following = core->players;
    clock_wanted(core);
    core->players = player;
    return player->object.handle;
}

/* Move on to a clip with samples left; false: there is none. */
static bool find_clip(struct player *player) {
    for (unsigned tries = 0; tries <= player->count; tries++) {
        if (player->clip >= player->count) {
            if (!player->loop)
                return false;
            player->clip = 0;
        }
        if (player->count && player->offset < player->lengths[player->clip])
            return true;
        player->clip++;
        player->offset = 0;
    }
    return false;
}

void player_tick(struct player *player, double at) {
    int16_t samples[FRAME] = {0};
    unsigned done = 0;
    player->stopped = player->stopping; /* this frame is the one in which it fades out */
    player->ended = !find_clip(player);  /* the last frame was the one before */
    while (done < FRAME && find_clip(player)) {
        size_t left = player->lengths[player->clip] - player->offset;
        unsigned take = left < FRAME - done ? (unsigned)left : FRAME - done;
        memcpy(samples + done, player->clips[player->clip] + player->offset,
               take * sizeof *samples);
        player->offset += take;
        done += take;
    }
    for (unsigned i = 0; i < FRAME; i++)
        player->frame[i] = samples[i];
    for (unsigned i = 0; i < player->taps.count; i++)
        recording_hear(player->taps.items[i], 1, player->position,
                       &(struct sound){CODEC_NONE, FRAME, samples}, at);
    player->position += FRAME;
}

const float *player_frame(const struct player *player) { return player->frame; }

struct player *player_following(const struct player *player) { return player->following; }

/* Fade out in the next frame, then be gone; nobody is told. */
void player_stop(struct core *core, struct player *player) {
    player->stopping = true;
    rows_silence(core, &player->object);
}

void player_tap(struct player *player, struct tap tap) { APPEND(player->taps, tap); }

void player_untap(struct player *player, const struct channel *channel) {
    for (unsigned i = 0; i < player->taps.count; i++)
        if (player->taps.items[i].channel == channel)
            REMOVE(player->taps, i--);
}

void player_free(struct core *core, struct player *player) {
    struct player **at = &core->players;
    while (*at != player)
        at = &(*at)->following;
    *at = player->following;
    rows_forget(core, &player->object);
    for (unsigned i = 0; i < player->taps.count; i++)
        recording_forget_source(player->taps.items[i].recording, &player->object);
    free((void *)player->clips);
    free((void *)player->lengths);
    free(player->taps.items);
    object_forget(core, &player->object);
}

/* Let go of those that have said all: before a frame the ended, after it also the stopped. */
void players_end(struct core *core, bool stopped) {
    for (struct player *next, *player = core->players; player; player = next) {
        next = player->following;
        if (!player->ended && !(stopped && player->stopped))
            continue;
        report_plain(core, REPORT_PLAYED, player->object.handle, player->stopping, 0);
        player_free(core, player);
    }
}
