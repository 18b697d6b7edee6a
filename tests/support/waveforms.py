"""Mono WAV files for phones: tones to say, samples of what was heard."""

import wave
from pathlib import Path

import numpy as np

from tests.support.tones import RATE, Pcm, sine


def write_tone(path: Path, frequency: int, *, seconds: float, amplitude: int = 10_000) -> Path:
    """Write a sine (8 kHz, 16 bit, mono) and return the path."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sine(frequency, seconds, amplitude).tobytes())
    return path


def read_mono(path: Path) -> Pcm:
    """Return an 8 kHz mono file's samples in 16 bit; 8-bit ones (unsigned) are widened."""
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels()) == (RATE, 1), path
        data = file.readframes(file.getnframes())
        if file.getsampwidth() == 1:
            return (np.frombuffer(data, np.uint8).astype(np.int16) - 128) * np.int16(256)
    return np.frombuffer(data, "<i2").astype(np.int16)
