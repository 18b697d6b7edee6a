"""Prompts: WAV files as clips of 8 kHz PCM, kept in memory while there is room.

Kept as PCM, once for all codecs: a mix is encoded for all its listeners by one look-up in a table,
which is cheaper than finding an encoded copy would be. A file that was changed is read again.
"""

import wave
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from telephony.media.g711 import RATE, Pcm
from telephony.media.tones import whole_frames

MAX_SECONDS: Final = 600
"""The longest prompt: ten minutes of music, 10 MB."""
CACHE_BYTES: Final = 64 << 20

_FULL_SCALE = 32767


Version = tuple[int, int] | None


class PromptError(ValueError):
    """The file cannot be played; the message says why."""


class PromptCache:
    """Clips by file. ``load`` reads the disk, so it belongs in a thread.

    Args:
        limit: bytes of PCM to keep; the least recently played goes first.
    """

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._clips: OrderedDict[Path, tuple[Version, Pcm]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def kept(self, path: Path) -> Pcm | None:
        """Return a file's clip if it is in memory and the file unchanged."""
        kept = self._clips.get(path)
        if kept is None or kept[0] != _version(path):
            return None
        return kept[1]

    def load(self, path: Path) -> Pcm:
        """Return a file's audio: channels summed, resampled, a whole number of frames.

        Raises:
            PromptError: it is missing, no PCM WAV, or too long.
        """
        version = _version(path)
        with self._lock:
            kept = self._clips.get(path)
            if kept is not None and kept[0] == version:
                self._clips.move_to_end(path)
                return kept[1]
        try:
            clip = read_wav(path)
        except OSError as error:
            raise PromptError(f"{path}: {error.strerror or error}") from error
        with self._lock:
            self._keep(path, version, clip)
        return clip

    def _keep(self, path: Path, version: Version, clip: Pcm) -> None:
        former = self._clips.pop(path, None)
        if former is not None:
            self._bytes -= former[1].nbytes
        self._clips[path] = (version, clip)
        self._bytes += clip.nbytes
        while self._bytes > self._limit and len(self._clips) > 1:
            _, (_, oldest) = self._clips.popitem(last=False)
            self._bytes -= oldest.nbytes


def _version(path: Path) -> Version:
    """Return what changes when the file does; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def read_wav(path: Path) -> Pcm:
    """Read a WAV file of 8 or 16 bit PCM, any rate and number of channels.

    Raises:
        PromptError: it is something else, damaged, or too long.
        OSError: it cannot be read.
    """
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            frames = file.getnframes()
            if width not in (1, 2):
                raise PromptError(f"{path}: {8 * width} bits a sample; 8 or 16 are wanted")
            if rate <= 0 or frames > MAX_SECONDS * rate:
                raise PromptError(f"{path}: longer than {MAX_SECONDS} s")
            data = file.readframes(frames)
    except (wave.Error, EOFError) as error:
        raise PromptError(f"{path}: no PCM WAV file ({error})") from error
    data = data[: len(data) // (channels * width) * channels * width]
    if width == 1:  # unsigned, silence at 128
        samples = (np.frombuffer(data, np.uint8).astype(np.float64) - 128) * 256
    else:
        samples = np.frombuffer(data, "<i2").astype(np.float64)
    mono = samples.reshape(-1, channels).mean(axis=1)
    return to_clip(resample(mono, rate))


def resample(samples: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Return audio at 8 kHz; what lies above 4 kHz is left out (its spectrum is cut)."""
    if rate == RATE or len(samples) == 0:
        return samples
    count = max(1, round(len(samples) * RATE / rate))
    spectrum = np.fft.rfft(samples)
    wanted = np.zeros(count // 2 + 1, np.complex128)
    kept = min(len(wanted), len(spectrum))
    wanted[:kept] = spectrum[:kept]
    return np.fft.irfft(wanted, count) * (count / len(samples))


def to_clip(samples: NDArray[np.float64]) -> Pcm:
    """Return float samples in 16-bit units as a clip."""
    limited = np.clip(np.rint(samples), -_FULL_SCALE - 1, _FULL_SCALE)
    return whole_frames(limited.astype(np.int16))
