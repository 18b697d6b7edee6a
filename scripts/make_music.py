# ruff: noqa: INP001 - a program by itself
"""Composes and plays ``config/prompts/music.wav``: what a caller hears while he waits.

A slow pentatonic tune over broken chords, made of decaying sine waves: nobody's recording and
nobody's composition, so it may go wherever this program goes. It ends where it begins, so it can be
looped. A city's own music replaces the file.

    python scripts/make_music.py
"""

import wave
from pathlib import Path

import numpy as np

RATE = 8000
BEAT = 0.6
PEAK = 0.25
"""Of full scale: music stays below speech, and far below what carriers cut off."""

#: Semitones above A3, one per beat; None rests. Pentatonic (宫商角徵羽), so any two of them agree.
TUNE = (
    *(7, None, 9, 12, 14, None, 12, 9, 7, None, 4, 7, 9, None, 7, None),
    *(4, None, 7, 9, 12, None, 9, 7, 4, None, 2, 4, 0, None, None, None),
)
CHORDS = ((0, 4, 7), (-3, 0, 4), (-5, -1, 2), (0, 4, 7))


def note(semitones: int, seconds: float, level: float) -> np.ndarray:
    """Return a plucked tone with two overtones."""
    t = np.arange(int(seconds * RATE)) / RATE
    frequency = 220.0 * 2 ** (semitones / 12)
    tone = sum(np.sin(2 * np.pi * frequency * k * t) / k**2 for k in (1, 2, 3))
    attack = np.minimum(t / 0.02, 1.0)
    return level * tone * attack * np.exp(-2.2 * t)


def compose() -> np.ndarray:
    """Return the whole piece; what rings on beyond its end sounds at its beginning."""
    length = int(len(TUNE) * BEAT * RATE)
    audio = np.zeros(length)

    def add(beat: float, sound: np.ndarray) -> None:
        places = (int(beat * BEAT * RATE) + np.arange(len(sound))) % length
        np.add.at(audio, places, sound)

    for beat, semitones in enumerate(TUNE):
        if semitones is not None:
            add(beat, note(semitones, 2.0, 1.0))
        chord = CHORDS[beat // 4 % len(CHORDS)]
        add(beat, note(chord[beat % len(chord)] - 12, 1.6, 0.5))
    return audio / np.abs(audio).max() * PEAK


def main() -> None:
    """Write the file."""
    path = Path(__file__).parents[1] / "config" / "prompts" / "music.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((compose() * 32767).astype("<i2").tobytes())


if __name__ == "__main__":
    main()
