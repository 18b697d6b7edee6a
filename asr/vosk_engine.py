"""Vosk in this process: one model, one decoder for each stream, all in a pool of threads.

Decoders run in parallel, and beside the event loop. For a machine's full load there are processes
(asr/pool.py); this is the engine for one stream in a test, a tool or a comparison.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from asr.chunked import ChunkedStream
from asr.ports import Result, StreamClosedError
from asr.vosk_decoder import VoskDecoder, VoskModel

T = TypeVar("T")


class VoskRecognizer:
    """The engine. ``VoskRecognizer.load`` makes one.

    Args:
        model: a loaded model.
        threads: how many decoders may run at once.
    """

    def __init__(self, model: VoskModel, *, threads: int | None = None) -> None:
        self._model = model
        self._threads = ThreadPoolExecutor(threads or os.cpu_count(), thread_name_prefix="vosk")

    @classmethod
    def load(cls, path: Path, *, grammar: Sequence[str] = (), threads: int | None = None) -> Self:
        """Load the model in this folder. Takes a second or more: not for the event loop.

        Raises:
            ModelError: as ``VoskModel.load``.
        """
        return cls(VoskModel.load(path, grammar=grammar), threads=threads)

    async def open(self) -> "VoskStream":
        """Begin a stream. Raises RecognizerError."""
        loop = asyncio.get_running_loop()
        decoder = await loop.run_in_executor(self._threads, self._model.new_decoder)
        return VoskStream(decoder, self._threads)

    async def aclose(self) -> None:
        """Let running decoders finish their 100 ms and free the threads."""
        await asyncio.to_thread(self._threads.shutdown)


class VoskStream(ChunkedStream):
    """One decoder; asr/ports.py's ``RecognitionStream``."""

    def __init__(self, decoder: VoskDecoder, threads: ThreadPoolExecutor) -> None:
        super().__init__()
        self._decoder: VoskDecoder | None = decoder
        self._threads = threads
        # Held by the thread: a cancelled push() leaves its thread at work, and aclose() must wait.
        self._in_use = threading.Lock()

    async def _hear(self, chunk: bytes) -> None:
        wanted = self.partials
        self._tell(await self._in_thread(lambda decoder: decoder.push(chunk, partials=wanted)))

    async def _finish(self) -> None:
        self._tell(await self._in_thread(VoskDecoder.flush))

    async def _release(self) -> None:
        async with self._turn:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._free)

    def _tell(self, result: Result | None) -> None:
        if result is not None:
            self._events.put_nowait(result)

    async def _in_thread(self, call: Callable[[VoskDecoder], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._use, call)

    def _use(self, call: Callable[[VoskDecoder], T]) -> T:
        with self._in_use:
            if self._decoder is None:
                raise StreamClosedError("the stream is closed")
            return call(self._decoder)

    def _free(self) -> None:
        with self._in_use:
            self._decoder = None
