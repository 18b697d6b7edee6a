"""The sounds of the network, as a Chinese caller knows them (GB/T 3380, YD/T 1071), as clips.

A clip is mono 16-bit PCM at 8 kHz and a whole number of 20 ms frames. Cadenced tones are one period
long and meant to be looped. Each edge is rounded over 5 ms, so that no tone clicks.
"""

from functools import cache
from typing import Final, Literal

import numpy as np

from telephony.media.dtmf import GRID, HIGH, KEYS, LOW
from telephony.media.g711 import RATE, Pcm

Tone = Literal["ringback", "busy", "congestion", "dial", "beep"]

FRAME: Final = 160
_LEVEL: Final = 0.22  # of full scale: about -10 dBm0 for a single tone
_EDGE: Final = 40
_HZ: Final = 450

_CADENCES: Final[dict[Tone, tuple[int, float, float]]] = {
    # frequency, seconds on, seconds off
    "ringback": (_HZ, 1.0, 4.0),
    "busy": (_HZ, 0.35, 0.35),
    "congestion": (_HZ, 0.7, 0.7),
    "dial": (_HZ, 1.0, 0.0),
    "beep": (1400, 0.2, 0.04),
}
NAMES: Final = tuple(_CADENCES)


@cache
def tone(name: Tone) -> Pcm:
    """Return one period of a tone; always the same array, which must not be changed."""
    hertz, on, off = _CADENCES[name]
    sound = _sound((hertz,), round(on * RATE), rounded=off > 0)
    return whole_frames(np.concatenate((sound, silence(off))))


@cache
def key(name: str) -> Pcm:
    """Return the two tones of a key, 160 ms, and 80 ms of silence.

    Raises:
        ValueError: there is no such key.
    """
    if len(name) != 1 or name not in KEYS:
        raise ValueError(f"no key {name!r}; there are {KEYS}")
    row = next(index for index, keys in enumerate(GRID) if name in keys)
    sound = _sound((LOW[row], HIGH[GRID[row].index(name)]), 8 * FRAME, rounded=True)
    return np.concatenate((sound, silence(0.08)))


def silence(seconds: float) -> Pcm:
    """Return silence, to the nearest sample."""
    return np.zeros(round(seconds * RATE), np.int16)


def whole_frames(pcm: Pcm) -> Pcm:
    """Return a clip lengthened by silence to whole 20 ms frames; read-only."""
    padded = np.concatenate((pcm, np.zeros(-len(pcm) % FRAME, np.int16)))
    padded.flags.writeable = False
    return padded


def _sound(frequencies: tuple[int, ...], samples: int, *, rounded: bool) -> Pcm:
    times = np.arange(samples) / RATE
    turns = np.outer(frequencies, times)
    wave = np.sin(2 * np.pi * turns).sum(axis=0) * _LEVEL * 32767
    if rounded:
        edge = np.sin(np.linspace(0, np.pi / 2, _EDGE)) ** 2
        wave[:_EDGE] *= edge
        wave[-_EDGE:] *= edge[::-1]
    pcm: Pcm = np.rint(wave).astype(np.int16)
    return pcm
