"""Vosk in this process: one model, one decoder for each stream, all in a pool of threads.

Vosk is Kaldi behind a C interface called through cffi, which lets go of Python's lock: decoders
run in parallel, and beside the event loop. A decoder takes 100 ms at a time.
"""

import asyncio
import json
import os
import re
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

import vosk

from asr.model import ModelError, sample_rate, verify
from asr.ports import (
    BYTES_PER_SECOND,
    SAMPLE_RATE,
    Final,
    Partial,
    RecognizerError,
    Result,
    StreamClosedError,
    Word,
)
from asr.resample import Doubler

T = TypeVar("T")

_CHUNK = BYTES_PER_SECOND // 10
_ONSET = 0.5
"""Seconds by which a partial's first words are older than their appearance; Vosk doesn't say."""

# Han, kana, hangul, CJK and full-width punctuation: written without blanks between words.
_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
_BLANK_IN_CJK = re.compile(rf"(?<=[{_CJK}])\s+(?=[{_CJK}])")


def join_words(text: str) -> str:
    """Take out the blanks between Chinese words; keep those beside Latin letters and digits.

    >>> join_words("我 姓 陆 ， 用 wifi 的")
    '我姓陆，用 wifi 的'
    """
    return _BLANK_IN_CJK.sub("", text)


class VoskRecognizer:
    """The engine. ``VoskRecognizer.load`` makes one.

    Args:
        model: a loaded ``vosk.Model``.
        rate: the model's own sample rate, 8000 or 16000.
        threads: how many decoders may run at once.
    """

    def __init__(self, model: vosk.Model, *, rate: int, threads: int | None = None) -> None:
        self._model = model
        self._rate = rate
        self._threads = ThreadPoolExecutor(threads or os.cpu_count(), thread_name_prefix="vosk")

    @classmethod
    def load(cls, path: Path, *, threads: int | None = None) -> Self:
        """Load the model in this folder. Takes a second or more: not for the event loop.

        Raises:
            ModelError: something is missing, or Vosk cannot use what is there.
        """
        verify(path)
        rate = sample_rate(path)
        vosk.SetLogLevel(-1)
        try:
            model = vosk.Model(str(path))
            # A damaged graph shows only when a decoder is made.
            vosk.KaldiRecognizer(model, rate).AcceptWaveform(bytes(rate))
        except Exception as error:  # Vosk raises nothing finer
            raise ModelError(
                f"Vosk cannot load the model in {path}: a file in it is damaged. "
                "Remove the folder and fetch the model again."
            ) from error
        return cls(model, rate=rate, threads=threads)

    async def open(self) -> "VoskStream":
        """Begin a stream. Raises RecognizerError."""
        loop = asyncio.get_running_loop()
        try:
            decoder = await loop.run_in_executor(self._threads, self._new_decoder)
        except Exception as error:  # Vosk raises nothing finer
            raise RecognizerError("Vosk cannot begin a stream") from error
        return VoskStream(
            decoder, self._threads, doubler=Doubler() if self._rate != SAMPLE_RATE else None
        )

    def _new_decoder(self) -> vosk.KaldiRecognizer:
        decoder = vosk.KaldiRecognizer(self._model, self._rate)
        decoder.SetWords(True)  # noqa: FBT003 - Vosk's interface
        return decoder

    async def aclose(self) -> None:
        """Let running decoders finish their 100 ms and free the threads."""
        await asyncio.to_thread(self._threads.shutdown)


class VoskStream:
    """One decoder; asr/ports.py's ``RecognitionStream``."""

    def __init__(
        self, decoder: vosk.KaldiRecognizer, threads: ThreadPoolExecutor, *, doubler: Doubler | None
    ) -> None:
        self.partials = True
        self._decoder: vosk.KaldiRecognizer | None = decoder
        self._threads = threads
        self._doubler = doubler
        self._events: asyncio.Queue[Result | None] = asyncio.Queue()
        self._turn = asyncio.Lock()
        # Held by the thread: a cancelled push() leaves its thread at work, and aclose() must wait.
        self._in_use = threading.Lock()
        self._rest = b""
        self._heard = 0
        self._last_end = 0.0
        self._utterance_start: float | None = None
        self._last_partial = ""

    async def push(self, pcm: bytes) -> None:
        """Take audio; decoded 100 ms at a time, what is over waits for the next push."""
        if len(pcm) % 2:
            raise ValueError("half a sample")
        async with self._turn:
            self._check_open()
            self._rest += pcm
            while len(self._rest) >= _CHUNK:
                chunk, self._rest = self._rest[:_CHUNK], self._rest[_CHUNK:]
                await self._decode(chunk)

    async def flush(self) -> None:
        """Make a final of what has been heard."""
        async with self._turn:
            self._check_open()
            chunk, self._rest = self._rest, b""
            if chunk:
                await self._decode(chunk)
            self._final(await self._in_thread(lambda decoder: _object(decoder.FinalResult())))

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

        def accept(decoder: vosk.KaldiRecognizer) -> Mapping[str, Any]:
            sound = self._doubler.push(chunk) if self._doubler else chunk
            if decoder.AcceptWaveform(sound):
                return _object(decoder.Result())
            return _object(decoder.PartialResult()) if wanted else {}

        result = await self._in_thread(accept)
        self._heard += len(chunk)
        if "text" in result:
            self._final(result)
        elif text := join_words(result.get("partial", "")):
            self._partial(text)

    def _partial(self, text: str) -> None:
        now = self._heard / BYTES_PER_SECOND
        if self._utterance_start is None:
            self._utterance_start = max(self._last_end, now - _ONSET)
        if text != self._last_partial:
            self._last_partial = text
            self._events.put_nowait(Partial(text, self._utterance_start, now))

    def _final(self, result: Mapping[str, Any]) -> None:
        self._utterance_start, self._last_partial = None, ""
        text = join_words(result["text"])
        words = tuple(
            Word(word["word"], word["start"], word["end"], word["conf"])
            for word in result.get("result", ())
        )
        if not text or not words:
            return
        self._last_end = words[-1].end
        confidence = sum(word.confidence for word in words) / len(words)
        self._events.put_nowait(
            Final(text, words[0].start, words[-1].end, words, round(confidence, 4))
        )

    async def _in_thread(self, call: Callable[[vosk.KaldiRecognizer], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._use, call)

    def _use(self, call: Callable[[vosk.KaldiRecognizer], T]) -> T:
        with self._in_use:
            if self._decoder is None:
                raise StreamClosedError("the stream is closed")
            try:
                return call(self._decoder)
            except Exception as error:  # Vosk raises nothing finer
                raise RecognizerError("Vosk failed on this stream") from error

    def _free(self) -> None:
        with self._in_use:
            self._decoder = None

    def _check_open(self) -> None:
        if self._decoder is None:
            raise StreamClosedError("the stream is closed")


def _object(text: str) -> Mapping[str, Any]:
    result: Mapping[str, Any] = json.loads(text)
    return result
