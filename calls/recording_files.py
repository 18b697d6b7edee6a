"""Recordings on the disk, as WAV or sealed: made, heard, silenced in part. Everything blocks."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np

from calls.redaction import OverBefore, RedactionError, Span, mute, silence
from telephony.media.g711 import RATE
from telephony.media.recording import CHANNELS, FRAME_BYTES, WAV_HEADER_BYTES, wav_header
from telephony.media.sealed import (
    HEADER_OCTETS,
    SUFFIX,
    Seal,
    SealedFile,
    SealError,
    SealKeys,
    data_bytes,
    samples,
    samples_between,
)

_WIDTH = 2  # octets of a sample
_CHANNEL = {"caller": 0, "agent": 1}
_COPY_FRAMES = 16384


class RecordingFiles:
    """How recordings lie on the disk.

    Args:
        keys: what they are sealed with; None: they are WAV files. Either way all are read.
    """

    def __init__(self, keys: SealKeys | None = None) -> None:
        self._keys = keys

    @property
    def suffix(self) -> str:
        """What the name of a new one ends with."""
        return ".wav" if self._keys is None else SUFFIX

    def new_seal(self) -> Seal | None:
        """Return what a new one is sealed with."""
        return None if self._keys is None else self._keys.new_seal()

    def wav(self, path: Path) -> tuple[int, Iterator[bytes]]:
        """Return a sealed recording as a WAV file: how many octets, and those.

        Raises:
            SealError: it cannot be opened; while the octets come, if it was altered.
            OSError: it cannot be read.
        """
        length = self.wav_octets(path)
        return length, self._wav(path, self._opening(path), length - WAV_HEADER_BYTES)

    def wav_octets(self, path: Path) -> int:
        """Return how many octets a sealed recording has as a WAV file.

        Raises:
            SealError: it cannot be opened.
            OSError: it cannot be read.
        """
        keys = self._opening(path)
        with path.open("rb") as file:
            keys.seal_of(file.read(HEADER_OCTETS))
            return WAV_HEADER_BYTES + data_bytes(file)

    def wav_between(self, path: Path, first: int, last: int) -> Iterator[bytes]:
        """Yield the octets ``first`` to ``last`` of a sealed recording's WAV file.

        Only what lies there is decrypted.

        Raises:
            SealError: it cannot be opened, or it was altered there.
            OSError: it cannot be read.
        """
        octets = self.wav_octets(path)
        header = wav_header(octets - WAV_HEADER_BYTES)
        if first == 0 and last >= octets - 1:  # then it is also seen whether something is behind
            yield from self._wav(path, self._opening(path), octets - WAV_HEADER_BYTES)
            return
        if first < WAV_HEADER_BYTES:
            yield header[first : last + 1]
        with path.open("rb") as file:
            start, stop = max(first - WAV_HEADER_BYTES, 0), last + 1 - WAV_HEADER_BYTES
            yield from samples_between(file, self._opening(path), start, stop)

    def one_side(self, path: Path, side: Literal["caller", "agent"]) -> tuple[int, Iterator[bytes]]:
        """Return one side of a recording as a mono WAV file: how many octets, and those.

        Raises:
            SealError: it cannot be opened; while the octets come, if it was altered.
            OSError: it cannot be read.
        """
        size = self.wav_octets(path) if path.suffix == SUFFIX else path.stat().st_size
        length = max(size - WAV_HEADER_BYTES, 0) // FRAME_BYTES * _WIDTH
        return WAV_HEADER_BYTES + length, self._one_side(path, _CHANNEL[side], length)

    def _one_side(self, path: Path, channel: int, length: int) -> Iterator[bytes]:
        yield wav_header(length, channels=1)
        left = length
        for block in self._frames(path):
            frames = np.frombuffer(block, "<i2").reshape(-1, CHANNELS)
            taken = frames[: left // _WIDTH, channel].tobytes()
            left -= len(taken)
            yield taken

    def _frames(self, path: Path) -> Iterator[bytes]:
        """Yield a recording's samples, whole frames at a time."""
        with path.open("rb") as file:
            if path.suffix == SUFFIX:
                yield from samples(file, self._opening(path))
                return
            file.seek(WAV_HEADER_BYTES)
            while block := file.read(_COPY_FRAMES * FRAME_BYTES):
                yield block[: len(block) // FRAME_BYTES * FRAME_BYTES]

    @contextmanager
    def plain(self, path: Path) -> Iterator[Path]:
        """Lend a recording as a WAV file: itself, or a copy that nobody else may read.

        Raises:
            SealError: it cannot be opened.
            OSError: it cannot be read, or the copy not be written.
        """
        if path.suffix != SUFFIX:
            yield path
            return
        _, audio = self.wav(path)
        with tempfile.NamedTemporaryFile(prefix="recording-", suffix=".wav") as copy:  # mode 0600
            for block in audio:
                copy.write(block)
            copy.flush()
            yield Path(copy.name)

    def silence(self, path: Path, span: Span) -> float:
        """Silence a span for good; return how many seconds of it that were.

        Raises:
            calls.redaction.RedactionError: no recording; ``OverBefore``: over before the span.
            OSError: it cannot be read or written; the recording is as it was.
        """
        if path.suffix != SUFFIX:
            return silence(path, span)
        beside = path.with_name(f".{path.name}.redacting")
        try:
            keys = self._opening(path)
            with path.open("rb") as file:
                frames = data_bytes(file) // FRAME_BYTES
                file.seek(0)
                first = round(span.start * RATE)
                last = min(round(span.end * RATE), frames)
                if first >= last:
                    raise OverBefore(f"the recording is over before {span.start:g} s")
                copy = SealedFile(beside, keys.new_seal())
                position = 0
                for data in samples(file, keys):
                    block = bytearray(data)
                    count = len(block) // FRAME_BYTES
                    begin, end = max(first - position, 0), min(last - position, count)
                    if begin < end:
                        mute(block, begin, end, side=span.side, width=_WIDTH, channels=2)
                    copy.append(bytes(block))
                    position += count
                copy.close()
            with beside.open("rb") as written:
                os.fsync(written.fileno())
            beside.replace(path)
        except SealError as error:
            raise RedactionError(f"{path.name}: {error}") from error
        finally:
            beside.unlink(missing_ok=True)
        return (last - first) / RATE

    def _opening(self, path: Path) -> SealKeys:
        if self._keys is None:
            raise SealError(f"{path.name} is sealed, and no key is configured")
        return self._keys

    @staticmethod
    def _wav(path: Path, keys: SealKeys, length: int) -> Iterator[bytes]:
        yield wav_header(length)
        with path.open("rb") as file:
            yield from samples(file, keys)


PLAIN = RecordingFiles()
"""WAV files."""
