"""A recording on disk: batches the packets of a call and writes them off the packet path.

The header's sizes are written after every batch, samples first, so the file is playable whatever
happens to the process: at most :data:`FLUSH_SECONDS` and the assembler's window are missing.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from time import monotonic
from typing import Final, TypeVar

import structlog

from telephony.media.g711 import RATE, Codec
from telephony.media.recording import (
    FRAME_BYTES,
    WAV_HEADER_BYTES,
    Heard,
    StereoAssembler,
    wav_header,
)
from telephony.media.rtp import RtpPacket

log = structlog.get_logger(__name__)
T = TypeVar("T")

FLUSH_SECONDS: Final = 0.5
MAX_PENDING: Final = 6000
"""Packets that wait for a slow disk: a minute of both sides, 2 MB."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a completed recording amounts to."""

    path: Path
    seconds: float
    bytes: int


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

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]


class Recorder:
    """One recording in progress; it begins, and its time starts, when the object is made.

    Args:
        path: the file to make; it must not exist. Missing folders are made.
        executor: threads for the file.
        on_failed: called with the reason, at most once, when the disk fails later than at opening.
    """

    def __init__(self, path: Path, *, executor: Executor, on_failed: Callable[[str], None]) -> None:
        self._path = path
        self._executor = executor
        self._on_failed = on_failed
        self._assembler = StereoAssembler(monotonic())
        self._pending: list[Heard] = []
        self._stopping = asyncio.Event()
        self._opened = asyncio.Event()
        self._failed = False
        self._task = asyncio.create_task(self._run(), name=f"record {path.name}")
        self._task.add_done_callback(self._done)

    def hear(
        self, channel: int, packet: RtpPacket, *, codec: Codec, run: object, now: float
    ) -> None:
        """Take a packet of the left (0) or right (1) side; never blocks."""
        if self._failed:
            return
        if len(self._pending) >= MAX_PENDING:
            self._fail("the disk is too slow")
            self._stopping.set()
            return
        self._pending.append(Heard(now, channel, run, packet.timestamp, codec, packet.payload))

    async def open(self) -> None:
        """Return when the file has been made.

        Raises:
            OSError: it cannot be made.
        """
        opened = asyncio.create_task(self._opened.wait())
        await asyncio.wait({opened, self._task}, return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        if not self._opened.is_set():
            await self._task

    async def stop(self) -> Written:
        """Write what was heard until now and close the file.

        Raises:
            OSError: the disk failed.
        """
        self._stopping.set()
        return await self._task

    async def _run(self) -> Written:
        file = await self._in_thread(WavFile, self._path)
        self._opened.set()
        try:
            while not self._stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FLUSH_SECONDS):
                        await self._stopping.wait()
                batch, self._pending = self._pending, []
                await self._in_thread(self._flush, file, batch)
            await self._in_thread(self._complete, file)
        finally:
            await self._in_thread(file.close)
        size = file.data_bytes
        return Written(self._path, size / FRAME_BYTES / RATE, size + WAV_HEADER_BYTES)

    def _flush(self, file: WavFile, batch: list[Heard]) -> None:
        """Assemble and write; in a thread, one call at a time."""
        for heard in batch:
            self._assembler.add(heard)
        file.append(self._assembler.drain(monotonic()))

    def _complete(self, file: WavFile) -> None:
        file.append(self._assembler.finish(monotonic()))

    async def _in_thread(self, call: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call, *args)

    def _done(self, task: asyncio.Task[Written]) -> None:
        """Tell of a failure that nobody is waiting for."""
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        if not isinstance(error, OSError):
            log.error("recording broke", path=str(self._path), exc_info=error)
        if self._opened.is_set() and not self._stopping.is_set():
            self._fail(error.strerror or str(error) if isinstance(error, OSError) else repr(error))

    def _fail(self, reason: str) -> None:
        self._failed = True
        self._pending.clear()
        self._on_failed(reason)
