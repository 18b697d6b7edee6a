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


def read_any(path: Path) -> tuple[Pcm, int]:
    """Return a 16-bit file's first channel, and how many samples it has a second."""
    with wave.open(str(path), "rb") as file:
        assert file.getsampwidth() == 2, path
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return data[:: file.getnchannels()].astype(np.int16), file.getframerate()


def read_mono(path: Path) -> Pcm:
    """Return an 8 kHz mono file's samples in 16 bit; 8-bit ones (unsigned) are widened."""
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels()) == (RATE, 1), path
        data = file.readframes(file.getnframes())
        if file.getsampwidth() == 1:
            return (np.frombuffer(data, np.uint8).astype(np.int16) - 128) * np.int16(256)
    return np.frombuffer(data, "<i2").astype(np.int16)


def write_speech(path: Path, speech: Path, *, before: float = 0.0, after: float = 60.0) -> Path:
    """Write a mono 8 kHz WAV with seconds of silence around it, and return the path.

    baresip hangs up when its file is at an end: what it plays must be longer than the call.
    """
    silence = [np.zeros(round(seconds * RATE), np.int16) for seconds in (before, after)]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.concatenate([silence[0], read_mono(speech), silence[1]]).tobytes())
    return path
