"""A recording on disk: takes blocks of samples and writes them off the packet path.

The header's sizes are written after every batch, samples first, so the file is playable whatever
happens to the process: what the path had not yet given out is missing, less than a second.

While a recording is paused its time line goes on, so that transcript and sound stay together; what
is said is not written. The gap is silent but for a beep at its beginning, and its times are told.
"""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Final

import numpy as np
import structlog

from telephony.media.g711 import RATE, Pcm
from telephony.media.recording import CHANNELS, FRAME_BYTES, WAV_HEADER_BYTES, wav_header
from telephony.media.sealed import Seal, SealedFile
from telephony.media.tones import tone

log = structlog.get_logger(__name__)

MAX_PENDING: Final = 60 * RATE * FRAME_BYTES
"""Bytes that wait for a slow disk: a minute, 2 MB."""
SLOW_SECONDS: Final = 60.0
"""A disk that takes longer for one block is given up."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a completed recording amounts to.

    Attributes:
        path: of the file.
        seconds: how long it lasts, pauses included.
        bytes: of the whole file.
        sha256: of the whole file, in hexadecimal.
        pauses: from and to, seconds from its beginning.
    """

    path: Path
    seconds: float
    bytes: int
    sha256: str
    pauses: tuple[tuple[float, float], ...] = ()


class WavFile:
    """A growing stereo WAV file. Every method blocks, and raises OSError."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: nothing is left over that closing would try to write once more.
        self._file = FileIO(path, "xb")
        self._data_bytes = 0
        self._write(wav_header(0))

    def append(self, data: bytes) -> None:
        """Write samples, then the header that counts them."""
        self._write(data)
        self._data_bytes += len(data)
        os.pwrite(self._file.fileno(), wav_header(self._data_bytes), 0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def data_bytes(self) -> int:
        """How many bytes of samples the file holds."""
        return self._data_bytes

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        return self._data_bytes + WAV_HEADER_BYTES

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]


class Gaps:
    """The pauses of a recording, in frames, and what is written in them. Pure."""

    def __init__(self) -> None:
        self._gaps: list[tuple[int, int | None]] = []
        self._written = 0

    def pause(self, frame: int) -> None:
        """Begin a gap, unless one is open."""
        if not self._gaps or self._gaps[-1][1] is not None:
            self._gaps.append((frame, None))

    def resume(self, frame: int) -> None:
        """End the gap that is open, if one is."""
        if self._gaps and self._gaps[-1][1] is None:
            self._gaps[-1] = (self._gaps[-1][0], max(frame, self._gaps[-1][0]))

    def pauses(self, frames: int) -> tuple[tuple[float, float], ...]:
        """Return the gaps of a recording of so many frames, in seconds."""
        return tuple(
            (begin / RATE, min(frames if end is None else end, frames) / RATE)
            for begin, end in self._gaps
            if begin < frames
        )

    def cut(self, block: bytes) -> bytes:
        """Return the recording's next block with its gaps silenced and marked."""
        begin = self._written
        end = self._written = begin + len(block) // FRAME_BYTES
        touched = [
            (first, end if last is None else last)
            for first, last in self._gaps
            if first < end and (last is None or last > begin)
        ]
        if not touched:
            return block
        frames = np.frombuffer(block, "<i2").reshape(-1, CHANNELS).copy()
        for first, last in touched:
            frames[max(first - begin, 0) : max(last - begin, 0)] = 0
            _mark(frames, first - begin, last - begin)
        return frames.tobytes()


def _mark(frames: Pcm, first: int, last: int) -> None:
    """Write the part of a gap's beep that lies in this block; ``first`` may lie before it."""
    beep = tone("beep") // 4
    start, stop = max(first, 0), min(first + len(beep), last, len(frames))
    if start < stop:
        frames[start:stop] = beep[start - first : stop - first, None]


class Recorder:
    """One recording in progress; it begins, and its time starts, when the object is made.

    At most one thread is at the file at a time, and only while there is something to write: nothing
    of the event loop is woken up for a block.

    Args:
        path: the file to make; it must not exist. Missing folders are made.
        executor: threads for the file.
        on_failed: called with the reason, at most once, when the disk fails later than at opening.
        seal: what the file is sealed with; None: it is a WAV file.
    """

    def __init__(
        self,
        path: Path,
        *,
        executor: Executor,
        on_failed: Callable[[str], None],
        seal: Seal | None = None,
    ) -> None:
        self._path = path
        self._seal = seal
        self._executor = executor
        self._on_failed = on_failed
        self._started_at = monotonic()
        self._gaps = Gaps()
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()  # for the next three, which the thread changes too
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._writing = True  # a thread will look at what is pending: the one that opens the file
        self._writing_since = self._started_at
        self._at_file = Lock()
        self._file: WavFile | SealedFile | None = None
        self._error: Exception | None = None
        self._failed = False
        self._stopping = False
        self._opening = self._loop.run_in_executor(executor, self._open)

    def write(self, block: bytes) -> None:
        """Take the next samples, interleaved stereo; never blocks."""
        if self._failed:
            return
        cut = self._gaps.cut(block)
        with self._lock:
            self._pending.append(cut)
            self._pending_bytes += len(cut)
            too_slow = self._pending_bytes > MAX_PENDING
            idle, self._writing = not self._writing, True
        if idle:
            self._writing_since = monotonic()
        if too_slow:
            self._fail("the disk is too slow")
        if idle:
            self._executor.submit(self._write_pending)

    def is_busy(self) -> bool:
        """Tell whether the block before still waits for the disk, which must not take for ever."""
        if self._writing and monotonic() - self._writing_since > SLOW_SECONDS:
            self._fail("the disk is too slow")
        return self._writing and not self._failed

    def pause(self) -> None:
        """Write nothing that is said from now on; harmless while paused."""
        self._gaps.pause(self._frame())

    def resume(self) -> None:
        """Go on; harmless when not paused."""
        self._gaps.resume(self._frame())

    def _frame(self) -> int:
        return round((monotonic() - self._started_at) * RATE)

    async def open(self) -> None:
        """Return when the file has been made.

        Raises:
            OSError: it cannot be made.
        """
        await asyncio.shield(self._opening)

    async def stop(self) -> Written:
        """Write what was heard until now and close the file.

        Raises:
            OSError: the disk failed.
        """
        self._stopping = True
        await asyncio.shield(self._opening)
        return await self._loop.run_in_executor(self._executor, self._complete)

    # -- in a thread -------------------------------------------------------------------------------

    def _open(self) -> None:
        self._file = (
            WavFile(self._path) if self._seal is None else SealedFile(self._path, self._seal)
        )
        self._write_pending()

    def _write_pending(self) -> None:
        """Write until nothing is left; the outermost boundary of its thread."""
        with self._at_file:
            while self._error is None and self._file is not None and (batch := self._batch()):
                try:
                    self._file.append(batch)
                except OSError as error:
                    self._break(error, error.strerror or str(error))
                except Exception as error:
                    log.exception("recording broke", path=str(self._path))
                    self._break(error, repr(error))

    def _batch(self) -> bytes:
        """Take what is pending; nothing: the next block needs another thread."""
        with self._lock:
            batch = b"".join(self._pending)
            self._pending.clear()
            self._pending_bytes = 0
            self._writing = bool(batch)
        return batch

    def _break(self, error: Exception, reason: str) -> None:
        self._error = error
        if not self._stopping:
            with contextlib.suppress(RuntimeError):  # the loop has ended before the disk failed
                self._loop.call_soon_threadsafe(self._fail, reason)

    def _complete(self) -> Written:
        self._write_pending()
        file = self._file
        if file is None:
            raise FileNotFoundError(self._path)
        file.close()
        if self._error is not None:
            raise self._error
        size = file.data_bytes
        return Written(
            self._path,
            size / FRAME_BYTES / RATE,
            file.size,
            _checksum(self._path),
            self._gaps.pauses(size // FRAME_BYTES),
        )

    # -- in the loop -------------------------------------------------------------------------------

    def _fail(self, reason: str) -> None:
        if self._failed:
            return
        self._failed = True
        with self._lock:
            self._pending.clear()
            self._pending_bytes = 0
        self._on_failed(reason)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
