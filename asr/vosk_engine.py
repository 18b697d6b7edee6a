"""Vosk in this process: one model, one decoder for each stream, all in a pool of threads.

Decoders run in parallel, and beside the event loop. For a machine's full load there are processes
(asr/pool.py); this is the engine for one stream in a test, a tool or a comparison.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from asr.ports import Result, StreamClosedError
from asr.vosk_decoder import CHUNK, VoskDecoder, VoskModel

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


class VoskStream:
    """One decoder; asr/ports.py's ``RecognitionStream``."""

    def __init__(self, decoder: VoskDecoder, threads: ThreadPoolExecutor) -> None:
        self.partials = True
        self._decoder: VoskDecoder | None = decoder
        self._threads = threads
        self._events: asyncio.Queue[Result | None] = asyncio.Queue()
        self._turn = asyncio.Lock()
        # Held by the thread: a cancelled push() leaves its thread at work, and aclose() must wait.
        self._in_use = threading.Lock()
        self._rest = b""

    async def push(self, pcm: bytes) -> None:
        """Take audio; decoded 100 ms at a time, what is over waits for the next push."""
        if len(pcm) % 2:
            raise ValueError("half a sample")
        async with self._turn:
            self._check_open()
            self._rest += pcm
            while len(self._rest) >= CHUNK:
                chunk, self._rest = self._rest[:CHUNK], self._rest[CHUNK:]
                await self._decode(chunk)

    async def flush(self) -> None:
        """Make a final of what has been heard."""
        async with self._turn:
            self._check_open()
            chunk, self._rest = self._rest, b""
            if chunk:
                await self._decode(chunk)
            self._tell(await self._in_thread(VoskDecoder.flush))

    async def events(self) -> AsyncIterator[Result]:
        """Iterate over the results until the stream is closed."""
        while (event := await self._events.get()) is not None:
            yield event

    async def aclose(self) -> None:
        """Free the decoder."""
        async with self._turn:
            if self._decoder is None:
                return
            await asyncio.get_running_loop().run_in_executor(self._threads, self._free)
            self._events.put_nowait(None)

    async def _decode(self, chunk: bytes) -> None:
        wanted = self.partials
        self._tell(await self._in_thread(lambda decoder: decoder.push(chunk, partials=wanted)))

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

    def _check_open(self) -> None:
        if self._decoder is None:
            raise StreamClosedError("the stream is closed")
