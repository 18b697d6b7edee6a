"""An engine that knows beforehand what will be said; for tests, and demonstrations without a model.

Each stretch of sound is heard as the next utterance of the script, one character each 0.2 s as
partials, and becomes final after 0.5 s of silence. When the script is at its end it begins anew.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext

import numpy as np

from asr.ports import BYTES_PER_SECOND, Final, Partial, Result, StreamClosedError, Word

_CHUNK = BYTES_PER_SECOND // 50
_CHARACTER = 0.2
_SILENCE = 0.5
_LOUD = 200


class ScriptedRecognizer:
    """The engine.

    Args:
        utterances: what each stream will hear, in order; none of them empty.
    """

    def __init__(self, utterances: Sequence[str]) -> None:
        if not utterances or not all(utterances):
            raise ValueError("a script needs utterances, none of them empty")
        self._utterances = tuple(utterances)

    async def open(self) -> "ScriptedStream":
        """Begin a stream at the beginning of the script."""
        return ScriptedStream(self._utterances)

    async def aclose(self) -> None:
        """Do nothing: there is no model."""


class ScriptedStream:
    """One reading of the script; asr/ports.py's ``RecognitionStream``."""

    def __init__(self, utterances: Sequence[str]) -> None:
        self.partials = True
        self._utterances = utterances
        self._number = 0
        self._closed = False
        self._events: asyncio.Queue[Result | None] = asyncio.Queue()
        self._rest = b""
        self._heard = 0
        self._start: float | None = None
        self._end = 0.0
        self._shown = 0

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait for nothing."""
        return nullcontext()

    async def push(self, pcm: bytes) -> None:
        """Take audio, 20 ms at a time."""
        if len(pcm) % 2:
            raise ValueError("half a sample")
        self._check_open()
        self._rest += pcm
        while len(self._rest) >= _CHUNK:
            chunk, self._rest = self._rest[:_CHUNK], self._rest[_CHUNK:]
            self._hear(np.frombuffer(chunk, "<i2"))

    async def flush(self) -> None:
        """End the utterance, if one has begun."""
        self._check_open()
        self._rest = b""
        self._finish()

    async def events(self) -> AsyncIterator[Result]:
        """Iterate over the results until the stream is closed."""
        while (event := await self._events.get()) is not None:
            yield event

    async def aclose(self) -> None:
        """End the stream."""
        if not self._closed:
            self._closed = True
            self._events.put_nowait(None)

    def _hear(self, samples: np.ndarray) -> None:
        begin = self._heard / BYTES_PER_SECOND
        self._heard += 2 * len(samples)
        now = self._heard / BYTES_PER_SECOND
        if np.abs(samples.astype(np.int32)).max() > _LOUD:
            self._start = begin if self._start is None else self._start
            self._end = now
            self._show(self._start, now)
        elif self._start is not None and now - self._end >= _SILENCE:
            self._finish()

    def _show(self, start: float, now: float) -> None:
        text = self._utterances[self._number]
        shown = min(int((now - start) / _CHARACTER), len(text))
        if shown > self._shown:
            self._shown = shown
            if self.partials:
                self._events.put_nowait(Partial(text[:shown], start, now))

    def _finish(self) -> None:
        if self._start is None:
            return
        text, start, end = self._utterances[self._number], self._start, self._end
        step = (end - start) / len(text)
        words = tuple(
            Word(character, start + i * step, start + (i + 1) * step, 1.0)
            for i, character in enumerate(text)
        )
        self._events.put_nowait(Final(text, start, end, words, 1.0))
        self._number = (self._number + 1) % len(self._utterances)
        self._start, self._shown = None, 0

    def _check_open(self) -> None:
        if self._closed:
            raise StreamClosedError("the stream is closed")
