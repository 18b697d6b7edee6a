"""WAV files as telephone sound."""

import wave
from math import gcd
from pathlib import Path

import numpy as np

from telephony.media.g711 import RATE, Pcm

_RATES = (8000, 16000)


class WavError(ValueError):
    """The file cannot be played into a call; the message says what was found and what is wanted."""


def read_wav(path: Path) -> Pcm:
    """Return a mono 16-bit WAV of 8 or 16 kHz as samples at 8 kHz.

    Raises:
        WavError: it is missing, no WAV, or of another form.
    """
    wanted = "wanted: mono, 16 bit, 8000 or 16000 Hz"
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise WavError(f"{path}: cannot be read as WAV ({error}); {wanted}") from error
    if channels != 1 or width != 2 or rate not in _RATES:  # noqa: PLR2004 - two octets a sample
        raise WavError(f"{path}: {channels} channel(s), {8 * width} bit, {rate} Hz; {wanted}")
    samples = np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.int16)
    if rate == RATE:
        return samples
    # A third of the program's start, and only some files need it.
    from scipy.signal import resample_poly  # noqa: PLC0415

    divisor = gcd(rate, RATE)
    resampled = resample_poly(samples.astype(np.float64), RATE // divisor, rate // divisor)
    telephone: Pcm = np.clip(np.rint(resampled), -32768, 32767).astype(np.int16)
    return telephone
