/* What is played where a packet is missing: the last waveform once more, and then less of it.
 *
 * The reference, with the reasons, is telephony/media/concealment.py (after ITU-T G.711 App. I).
 */
#include "core.h"

#include <math.h>
#include <string.h>

#define REFERENCE 160
#define HOLD 160 /* samples at full level, then... */
#define FADE 480 /* ...so many until there is silence */

void cross_fade(const float *earlier, const float *later, float *out, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        out[i] = earlier[i] + (later[i] - earlier[i]) * ((float)i + 0.5f) / (float)count;
}

static float product(const float *one, const float *other, unsigned count) {
    float sum = 0;
    for (unsigned i = 0; i < count; i++)
        sum += one[i] * other[i];
    return sum;
}

/* Return how many samples back the end of HISTORY samples looks most like itself. */
unsigned pitch_lag(const float *history) {
    const float *reference = history + HISTORY - REFERENCE;
    float energy = product(history, history, REFERENCE), best = -INFINITY;
    unsigned lag = LONGEST_LAG;
    for (unsigned start = 0; start <= LONGEST_LAG - SHORTEST_LAG; start++) {
        float score = product(history + start, reference, REFERENCE) / sqrtf(energy + 1);
        if (score > best) {
            best = score;
            lag = LONGEST_LAG - start;
        }
        energy += history[start + REFERENCE] * history[start + REFERENCE] -
                  history[start] * history[start];
        if (energy < 0)
            energy = 0;
    }
    return lag;
}

/* Return the start (0...limit) within `audio` that continues `expected` most smoothly. */
unsigned best_shift(const float *expected, unsigned width, const float *audio, unsigned length,
                    unsigned limit) {
    float best = -INFINITY;
    unsigned shift = 0;
    for (unsigned start = 0; start <= limit && start + width <= length; start++) {
        float score = product(audio + start, expected, width) /
                      sqrtf(product(audio + start, audio + start, width) + 1);
        if (score > best) {
            best = score;
            shift = start;
        }
    }
    return shift;
}

/* Keep the last pitch period, its end bent so that it leads into its beginning. */
static void find_cycle(struct concealer *this) {
    const float *end = this->history + HISTORY;
    this->lag = pitch_lag(this->history);
    memcpy(this->cycle, end - this->lag, this->lag * sizeof *this->cycle);
    unsigned quarter = this->lag / 4;
    float *bent = this->cycle + this->lag - quarter;
    cross_fade(bent, end - this->lag - quarter, bent, quarter);
}

/* Say what conceal() would, without having said it. */
void conceal_expect(struct concealer *this, float *out, unsigned count) {
    if (this->made >= HOLD + FADE) {
        memset(out, 0, count * sizeof *out);
        return;
    }
    if (!this->lag)
        find_cycle(this);
    /* The repetition starts where the period before ended, which is not quite here. */
    float step = this->history[HISTORY - 1] - this->history[HISTORY - this->lag - 1];
    for (unsigned i = 0; i < count; i++) {
        unsigned at = this->made + i;
        out[i] = this->cycle[at % this->lag];
        if (at < BLEND)
            out[i] += step * (1 - (float)(at + 1) / BLEND);
        if (at >= HOLD)
            out[i] *= at < HOLD + FADE ? 1 - (float)(at - HOLD) / FADE : 0;
    }
}

/* Give out samples that go on from what was given out last. */
void conceal(struct concealer *this, float *out, unsigned count) {
    conceal_expect(this, out, count);
    this->made += count;
}

/* Take real audio; its beginning is blended if there was none before it. */
void conceal_heard(struct concealer *this, float *pcm, unsigned count) {
    if (count == 0)
        return;
    if (this->made) {
        float expected[BLEND];
        unsigned width = count < BLEND ? count : BLEND;
        conceal_expect(this, expected, width);
        cross_fade(expected, pcm, pcm, width);
        this->made = 0;
    }
    this->lag = 0;
    if (count >= HISTORY)
        memcpy(this->history, pcm + count - HISTORY, sizeof this->history);
    else {
        memmove(this->history, this->history + count, (HISTORY - count) * sizeof *pcm);
        memcpy(this->history + HISTORY - count, pcm, count * sizeof *pcm);
    }
}
