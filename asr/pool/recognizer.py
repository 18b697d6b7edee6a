"""The pool as an engine (asr/ports.py): streams whose decoders may move between processes.

A stream keeps what it has pushed since the last final result. When its worker dies, it takes
another one and plays that again, so nothing is lost and nobody waits longer than the engine needs
to hear it once more. That is why the ring is kept here, in the recogniser process, and not in the
worker: this process runs no native code, so what brings a decoder down leaves the ring alone.
Between utterances a stream has nothing to lose, and moves without that when another worker has less
to do.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import structlog

from asr.chunked import ChunkedStream
from asr.control import ControlError
from asr.pool import frames
from asr.pool.workers import PoolLimits, Worker, WorkerLost, Workers
from asr.ports import BYTES_PER_SECOND, Final, RecognizerError, Result

log = structlog.get_logger(__name__)

RING = 30 * BYTES_PER_SECOND
"""Longest audio that is played again; an utterance longer than that loses its beginning."""

PARTIAL_EVERY = 3 * BYTES_PER_SECOND // 10
"""Audio between two questions for a partial result.

Each question costs the decoder a walk back through the whole utterance, a fifth of all it does
where one follows every 100 ms; nobody reads faster than this.
"""

_TRIES = 3
"""Workers that one utterance may bring down before it is taken to be its fault."""


class PooledRecognizer:
    """The engine. ``PooledRecognizer.load`` makes one."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self._ids = itertools.count(1)

    @classmethod
    async def load(
        cls, model: Path, limits: PoolLimits, *, phrases: Path | None = None
    ) -> "PooledRecognizer":
        """Start the processes. Raises ModelError."""
        workers = Workers(model, limits, phrases=phrases)
        await workers.start()
        return cls(workers)

    async def open(self) -> "PooledStream":
        """Begin a stream; it takes a worker when it first has something to be heard."""
        return PooledStream(self.workers, self._ids)

    async def aclose(self) -> None:
        """End the processes."""
        await self.workers.aclose()


class PooledStream(ChunkedStream):
    """One speaker; asr/ports.py's ``RecognitionStream``."""

    # What has piled up goes in one message, and the decoder finds its own in the processor's cache.
    longest: ClassVar[int] = 8 * ChunkedStream.chunk

    def __init__(self, workers: Workers, ids: "itertools.count[int]") -> None:
        super().__init__()
        self._workers = workers
        self._ids = ids
        self._heard = 0
        self._unasked = 0
        # What the decoder has been given since its last final, or must be given by the next one.
        self._ring: deque[bytes] = deque()
        self._ring_bytes = 0
        self._worker: Worker | None = None
        self._id = 0
        # Where the decoder's clock began, in bytes of this stream.
        self._decoder_from = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a place among the few requests that the worker has at a time."""
        if self._worker is None and not self._ring:
            await self._join()  # now, so that others who begin to speak choose others
        worker = self._worker
        if worker is None or not worker.alive:
            worker = await self._workers.pick()  # ``_join`` may choose another: no harm
        async with worker.turns:
            yield

    async def _hear(self, chunk: bytes) -> None:
        self._ring.append(chunk)
        self._ring_bytes += len(chunk)
        self._heard += len(chunk)
        while self._ring_bytes > RING:
            self._ring_bytes -= len(self._ring.popleft())
        self._unasked += len(chunk)
        asks = self.partials and self._unasked >= PARTIAL_EVERY
        if asks:
            self._unasked = 0
        operation = frames.PUSH if asks else frames.PUSH_QUIETLY
        self._tell(await self._insist(operation, chunk))

    async def _finish(self) -> None:
        if not self._ring:
            return
        self._tell(await self._insist(frames.FLUSH))
        self._forget()
        self._move_if_better()

    async def _release(self) -> None:
        self._leave()

    async def _insist(self, operation: bytes, chunk: bytes = b"") -> Result | None:
        """Ask a worker, and another one if that one dies.

        Raises:
            RecognizerError: the utterance cannot be heard; it is forgotten, and others may follow.
        """
        for _ in range(_TRIES):
            try:
                return await self._ask(operation, chunk)
            except WorkerLost:
                self._worker = None
                self._check_open()
                log.info("words are played again", seconds=self._ring_bytes / BYTES_PER_SECOND)
            except RecognizerError:
                self._give_up()
                raise
            except asyncio.CancelledError:
                self._give_up()  # an answer to nobody may be under way: begin anew
                raise
        self._give_up()
        raise RecognizerError(f"{_TRIES} recogniser processes died of the same words")

    async def _ask(self, operation: bytes, chunk: bytes) -> Result | None:
        if self._worker is None or not self._worker.alive:
            await self._join()
            await self._play_again(list(self._ring), but_last=bool(chunk))
        return self._read(await self._ask_worker(operation, chunk))

    async def _play_again(self, ring: list[bytes], *, but_last: bool) -> None:
        """Give a new decoder what the lost one knew; the last piece is yet to be asked about."""
        for number, piece in enumerate(ring[:-1] if but_last else ring, start=1):
            result = self._read(await self._ask_worker(frames.PUSH_QUIETLY, piece))
            self._tell(result)
            if isinstance(result, Final):  # which forgot the ring; what follows is still needed
                self._ring.extend(ring[number:])
                self._ring_bytes = sum(map(len, self._ring))

    async def _ask_worker(self, operation: bytes, chunk: bytes) -> bytes:
        if self._worker is None:
            raise WorkerLost
        return await self._worker.ask(operation, self._id, chunk)

    async def _join(self) -> None:
        self._worker = None
        worker = await self._workers.pick()
        self._check_open()
        worker.streams += 1
        self._worker, self._id = worker, next(self._ids) & 0xFFFFFFFF
        self._decoder_from = self._heard - self._ring_bytes
        worker.tell(frames.OPEN, self._id)

    def _leave(self) -> None:
        if self._worker is not None:
            self._worker.tell(frames.CLOSE, self._id)
            self._worker.streams -= 1
            self._worker = None

    def _forget(self) -> None:
        self._ring.clear()
        self._ring_bytes = 0

    def _give_up(self) -> None:
        self._leave()
        self._forget()

    def _move_if_better(self) -> None:
        """Leave the worker if another has less to do."""
        if self._worker is not None and self._workers.better_than(self._worker):
            self._leave()

    def _read(self, body: bytes) -> Result | None:
        try:
            return frames.unpack_result(body)
        except ControlError as error:
            raise RecognizerError(f"a recogniser process speaks nonsense: {error}") from error

    def _tell(self, result: Result | None) -> None:
        if result is None:
            return
        offset = self._decoder_from / BYTES_PER_SECOND
        if offset:
            result = replace(result, start=result.start + offset, end=result.end + offset)
        if isinstance(result, Final):
            words = tuple(
                replace(word, start=word.start + offset, end=word.end + offset)
                for word in result.words
            )
            result = replace(result, words=words)
            self._forget()
        self._events.put_nowait(result)
