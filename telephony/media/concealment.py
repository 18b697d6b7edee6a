"""What is played where a packet is missing: the last waveform once more, and then less of it.

After ITU-T G.711 Appendix I: the pitch period is found in what was heard last, that period is
repeated, faded out, and blended into the real audio that follows. Unlike the Appendix nothing is
delayed for it: the step between the last sample and the repetition is taken away by a ramp.

Samples are float32 in 16-bit units.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SHORTEST_LAG: Final = 40
"""Samples of 8 kHz: 200 Hz, as in the Appendix; a higher voice is found by its multiple."""
LONGEST_LAG: Final = 160
"""50 Hz; the Appendix stops at 66 Hz."""
BLEND: Final = 80
"""Samples over which made-up audio gives way to the real one: 10 ms."""

_REFERENCE = 160
_HISTORY = LONGEST_LAG + _REFERENCE
_HOLD = 160  # samples at full level, then…
_FADE = 480  # …so many until there is silence
_RAMP_UP: Final = ((np.arange(BLEND, dtype=np.float32) + 0.5) / BLEND).astype(np.float32)


def crossfade(earlier: Samples, later: Samples) -> Samples:
    """Return equally long pieces blended from the first into the second."""
    up = _RAMP_UP if len(earlier) == BLEND else np.linspace(0, 1, len(earlier), dtype=np.float32)
    return earlier + (later - earlier) * up


def pitch_lag(history: Samples) -> int:
    """Return how many samples back the end of ``history`` (320 or more) looks most like itself."""
    recent = history[-_HISTORY:]
    reference = recent[-_REFERENCE:]
    # Entry n is the match of the reference with the piece that starts n samples into `recent`.
    match = np.correlate(recent[: -SHORTEST_LAG or None], reference, "valid")
    power = np.concatenate(([0.0], np.cumsum(np.square(recent, dtype=np.float64))))
    energy = power[_REFERENCE : _REFERENCE + len(match)] - power[: len(match)]
    score = match / np.sqrt(energy + 1.0)
    return LONGEST_LAG - int(np.argmax(score))


def best_shift(expected: Samples, audio: Samples, limit: int) -> int:
    """Return the start (0…limit) within ``audio`` that continues ``expected`` most smoothly."""
    width = len(expected)
    limit = min(limit, len(audio) - width)
    if limit <= 0:
        return 0
    piece = audio[: width + limit]
    match = np.correlate(piece, expected, "valid")
    power = np.concatenate(([0.0], np.cumsum(np.square(piece, dtype=np.float64))))
    energy = power[width:] - power[:-width]
    return int(np.argmax(match / np.sqrt(energy + 1.0)))


class Concealer:
    """One stream's memory of how it sounded.

    Attributes:
        made: samples made up since the last real one.
    """

    __slots__ = ("_cycle", "_history", "made")

    def __init__(self) -> None:
        self.made = 0
        self._history: Samples = np.zeros(_HISTORY, np.float32)
        self._cycle: Samples | None = None

    def heard(self, pcm: Samples) -> Samples:
        """Take real audio and return it, its beginning blended if there was none before it."""
        if self.made and len(pcm):
            width = min(BLEND, len(pcm))
            pcm = np.concatenate((crossfade(self._continued(width), pcm[:width]), pcm[width:]))
            self.made = 0
        self._remember(pcm)
        return pcm

    def conceal(self, count: int) -> Samples:
        """Return so many samples that go on from what was given out last."""
        out = self._continued(count)
        self.made += count
        return out

    def expected(self, count: int) -> Samples:
        """Return what :meth:`conceal` would, without giving it out."""
        return self._continued(count)

    def _remember(self, pcm: Samples) -> None:
        self._cycle = None
        if len(pcm) >= _HISTORY:
            self._history = pcm[-_HISTORY:].copy()
        else:
            self._history = np.concatenate((self._history[len(pcm) :], pcm))

    def _continued(self, count: int) -> Samples:
        start = self.made
        if start >= _HOLD + _FADE:
            return np.zeros(count, np.float32)
        if self._cycle is None:
            self._cycle = self._one_cycle()
        cycle = self._cycle
        out = cycle[np.arange(start, start + count) % len(cycle)]
        if start < BLEND:
            # The repetition starts where the period before ended, which is not quite here.
            step = self._history[-1] - self._history[-len(cycle) - 1]
            ramp = step * (1 - np.arange(start + 1, BLEND + 1, dtype=np.float32) / BLEND)
            width = min(count, len(ramp))
            out[:width] += ramp[:width]
        if start + count > _HOLD:
            faded = (np.arange(start, start + count, dtype=np.float32) - _HOLD) / _FADE
            out *= np.clip(1 - faded, 0, 1)
        return out

    def _one_cycle(self) -> Samples:
        """Return the last pitch period, its end bent so that it leads into its beginning."""
        history = self._history
        lag = pitch_lag(history)
        cycle = history[-lag:].copy()
        quarter = lag // 4
        cycle[-quarter:] = crossfade(cycle[-quarter:], history[-lag - quarter : -lag])
        return cycle
