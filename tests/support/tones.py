"""Tones as proof of audio: make them, and find them again by frequency and level.

Levels are dBFS with a full-scale sine at 0 dB (AES17): ``tone_level(sine(f, 1, 32767), f)`` is 0.
"""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]

RATE = 8000
_FULL_SCALE = 32767.0
_FLOOR_DB = -120.0


def sine(freq: float, seconds: float, amplitude: float = 8000, rate: int = RATE) -> Pcm:
    """Return a sine; ``amplitude`` is its peak in 16-bit units (1…32767)."""
    times = np.arange(round(seconds * rate)) / rate
    return np.round(amplitude * np.sin(2 * np.pi * freq * times)).astype(np.int16)


def level_dbfs(pcm: Pcm) -> float:
    """Return the level of everything in ``pcm``; -120 for silence."""
    if len(pcm) == 0:
        return _FLOOR_DB
    rms = float(np.sqrt(np.mean(np.square(pcm.astype(np.float64)))))
    return _decibels(rms * np.sqrt(2))


def dominant(pcm: Pcm, rate: int = RATE) -> float:
    """Return the frequency (Hz) of the strongest tone in ``pcm``, to a fraction of a hertz.

    Raises:
        ValueError: there is nothing but silence.
    """
    samples = pcm.astype(np.float64)
    if not samples.any():
        raise ValueError("silence has no frequency")
    # Zeros behind the samples make the bins four times finer.
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 4 * len(samples)))
    spectrum[0] = 0
    return float(np.argmax(spectrum) * rate / (4 * len(samples)))


def tone_level(pcm: Pcm, freq: float, rate: int = RATE) -> float:
    """Return the level of the one tone ``freq`` within ``pcm``; -120 if it is not there."""
    if len(pcm) == 0:
        return _FLOOR_DB
    window = np.hanning(len(pcm))
    turning = np.exp(-2j * np.pi * freq * np.arange(len(pcm)) / rate)
    peak = 2 * abs(np.sum(pcm * window * turning)) / np.sum(window)
    return _decibels(float(peak))


def usual_level(pcm: Pcm, freq: float, rate: int = RATE) -> float:
    """Return the median of the tone's levels in each 0.1 s of ``pcm``.

    For what a real phone heard on a busy machine: where one packet was lost or repeated the tone's
    phase jumps, and over a long stretch its halves would cancel each other out.
    """
    window = rate // 10
    pieces = [pcm[start : start + window] for start in range(0, len(pcm) - window + 1, window)]
    return float(np.median([tone_level(piece, freq, rate) for piece in pieces or [pcm]]))


def _decibels(peak: float) -> float:
    return max(20 * float(np.log10(max(peak, 1e-9) / _FULL_SCALE)), _FLOOR_DB)


def read_stereo(path: Path) -> tuple[Pcm, Pcm]:
    """Return left and right of a 16-bit stereo WAV file."""
    with wave.open(str(path), "rb") as file:
        if (file.getnchannels(), file.getsampwidth()) != (2, 2):
            raise ValueError(f"{path} is not 16-bit stereo")
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return frames[:, 0].astype(np.int16), frames[:, 1].astype(np.int16)
