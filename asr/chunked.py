"""What every engine's stream does alike: cut audio up, let one caller in, order the results."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import ClassVar

from asr.ports import BYTES_PER_SECOND, Result, StreamClosedError


class ChunkedStream(ABC):
    """One speaker; asr/ports.py's ``RecognitionStream`` but for the engine itself.

    Attributes:
        chunk: bytes that the engine is given at a time; the rest waits for the next push.
        longest: bytes that it may be given at once when one push brings more; 0: ``chunk``.
        partials: whether partial results are wanted.
    """

    chunk: ClassVar[int] = BYTES_PER_SECOND // 10
    longest: ClassVar[int] = 0

    def __init__(self) -> None:
        self.partials = True
        self._events: asyncio.Queue[Result | None] = asyncio.Queue()
        self._turn = asyncio.Lock()
        self._closed = False
        self._rest = b""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait for nothing, but where the engine has an order of its own."""
        return nullcontext()

    async def push(self, pcm: bytes) -> None:
        """Take audio. Raises ValueError for half a sample; else as the engine's ``_hear``."""
        if len(pcm) % 2:
            raise ValueError("half a sample")
        async with self._turn:
            self._check_open()
            self._rest += pcm
            while len(self._rest) >= self.chunk:
                size = min(
                    len(self._rest) // self.chunk * self.chunk, max(self.chunk, self.longest)
                )
                piece, self._rest = self._rest[:size], self._rest[size:]
                await self._hear(piece)

    async def flush(self) -> None:
        """Make a final of what has been heard. Raises as the engine's ``_hear`` and ``_finish``."""
        async with self._turn:
            self._check_open()
            piece, self._rest = self._rest, b""
            if piece:
                await self._hear(piece)
            await self._finish()

    async def events(self) -> AsyncIterator[Result]:
        """Iterate over the results until the stream is closed."""
        while (event := await self._events.get()) is not None:
            yield event

    async def aclose(self) -> None:
        """Let go of the engine's part, once; the results end."""
        if not self._closed:
            self._closed = True
            await self._release()
            self._events.put_nowait(None)

    def _check_open(self) -> None:
        if self._closed:
            raise StreamClosedError("the stream is closed")

    @abstractmethod
    async def _hear(self, chunk: bytes) -> None:
        """Give the engine a piece of audio, at most ``chunk`` bytes."""

    @abstractmethod
    async def _finish(self) -> None:
        """Have the engine make a final of what it was given since the last one."""

    @abstractmethod
    async def _release(self) -> None:
        """Let go of what the engine keeps for this stream."""
