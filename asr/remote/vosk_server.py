"""vosk-server over WebSocket (alphacep/vosk-server, websocket/asr_server.py).

A connection is one decoder. The client says ``{"config": {...}}`` once, then sends binary PCM; each
message is answered with exactly one JSON object, ``{"partial": "..."}`` or ``{"text": "...",
"result": [{"word", "start", "end", "conf"}, ...]}``. ``{"eof" : 1}`` is answered with the final
result and ends the connection; so a flush is followed, when there is more to hear, by a new one.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection

from asr.chunked import ChunkedStream
from asr.ports import (
    BYTES_PER_SECOND,
    SAMPLE_RATE,
    Final,
    Partial,
    Result,
    Word,
)
from asr.remote.connection import FAULTS, ServerError, describe, finite, open_connection
from asr.resample import Doubler
from asr.vosk_text import join_words

ANSWER_WITHIN = 10.0

EOF = '{"eof" : 1}'
"""To the letter: the server compares text, and takes anything else for sound."""

_ONSET = 0.5


class VoskServerRecognizer:
    """The engine.

    Args:
        url: ``ws://`` or ``wss://``.
        rate: what the server's model wants to be given: 8000, or 16000.
        phrases: the only phrases that can be heard, where the server's model allows it; empty: any.
    """

    def __init__(self, url: str, *, rate: int = SAMPLE_RATE, phrases: Sequence[str] = ()) -> None:
        self._url = url
        self._rate = rate
        config: dict[str, Any] = {"sample_rate": rate, "words": True, "max_alternatives": 0}
        if phrases:
            config["phrase_list"] = [*phrases, "[unk]"]
        self._config = json.dumps({"config": config}, ensure_ascii=False)

    async def check(self) -> None:
        """Return if the server can be reached. Raises ServerError."""
        await (await open_connection(self._url)).close()

    async def open(self) -> "VoskServerStream":
        """Begin a stream; it connects when it is first pushed something."""
        return VoskServerStream(self._url, self._config, doubled=self._rate != SAMPLE_RATE)

    async def aclose(self) -> None:
        """Do nothing: the connections are the streams'."""


class VoskServerStream(ChunkedStream):
    """One speaker; asr/ports.py's ``RecognitionStream``."""

    def __init__(self, url: str, config: str, *, doubled: bool) -> None:
        super().__init__()
        self._url = url
        self._config = config
        self._doubler = Doubler() if doubled else None
        self._connection: ClientConnection | None = None
        self._heard = 0
        self._offset = 0.0
        self._last_end = 0.0
        self._utterance_start: float | None = None
        self._last_partial = ""

    async def _hear(self, chunk: bytes) -> None:
        begin = self._heard / BYTES_PER_SECOND
        self._heard += len(chunk)
        if self._connection is None:
            self._offset = begin
            self._connection = await open_connection(self._url)
            await self._send(self._config)
        self._take(await self._ask(self._doubler.push(chunk) if self._doubler else chunk))

    async def _finish(self) -> None:
        if self._connection is None:
            return
        result = await self._ask(EOF)
        await self._disconnect()
        # What it had for a partial was not worth a final: it is not said any more.
        self._take(result if isinstance(result, Final) else None)

    async def _release(self) -> None:
        await self._disconnect()

    async def _ask(self, message: bytes | str) -> Result | None:
        """Send, and read the one answer; on any fault the connection is given up."""
        await self._send(message)
        connection = self._connection
        if connection is None:
            raise ServerError("the connection was closed meanwhile")
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return parse(await connection.recv())
        except FAULTS as error:
            await self._disconnect()
            raise ServerError(
                f"recognition server {self._url} failed: {describe(error)}"
            ) from error
        except BaseException:  # nonsense, or we are cancelled: an answer may still be under way
            await self._disconnect()
            raise

    async def _send(self, message: bytes | str) -> None:
        connection = self._connection
        if connection is None:
            raise ServerError("the connection was closed meanwhile")
        try:
            await connection.send(message)
        except FAULTS as error:
            await self._disconnect()
            raise ServerError(
                f"recognition server {self._url} failed: {describe(error)}"
            ) from error

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self._utterance_start, self._last_partial = None, ""
        if connection is not None:
            await connection.close()

    def _take(self, result: Result | None) -> None:
        now = self._heard / BYTES_PER_SECOND
        if isinstance(result, Final):
            self._utterance_start, self._last_partial = None, ""
            final = _shift(result, self._offset, self._last_end, now)
            self._last_end = final.end
            self._events.put_nowait(final)
        elif isinstance(result, Partial) and self.partials and result.text != self._last_partial:
            if self._utterance_start is None:
                self._utterance_start = max(self._last_end, self._offset, now - _ONSET)
            self._last_partial = result.text
            self._events.put_nowait(Partial(result.text, self._utterance_start, now))


def parse(message: str | bytes) -> Result | None:
    """Read one answer; its times are on the connection's clock, a partial's are 0.

    Returns:
        None when nothing was said.

    Raises:
        ServerError: it is not the protocol.
    """
    try:
        found = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise ServerError(f"the recognition server sent no JSON: {error}") from None
    if not isinstance(found, dict):
        raise ServerError("the recognition server sent JSON that is no object")
    if isinstance(alternatives := found.get("alternatives"), list) and alternatives:
        found = alternatives[0] if isinstance(alternatives[0], dict) else {}
    if "partial" in found:
        text = join_words(_text(found["partial"]))
        return Partial(text, 0.0, 0.0) if text else None
    text = join_words(_text(found.get("text")))
    entries = found.get("result", [])
    if not isinstance(entries, list):
        raise ServerError("the recognition server's result is no list")
    return _final(text, tuple(_word(entry) for entry in entries)) if text else None


def _final(text: str, words: tuple[Word, ...]) -> Final:
    if not words:  # VOSK_SHOW_WORDS was set otherwise: the caller knows no better than now
        return Final(text, 0.0, 0.0)
    confidence = sum(word.confidence for word in words) / len(words)
    return Final(text, words[0].start, words[-1].end, words, round(confidence, 4))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ServerError("the recognition server sent neither partial nor text")
    return value.strip()


def _word(entry: Any) -> Word:
    if not isinstance(entry, Mapping):
        raise ServerError("the recognition server sent a word that is no object")
    start, end = finite(entry.get("start")), finite(entry.get("end"))
    confidence = finite(entry.get("conf", 1.0))
    return Word(_text(entry.get("word")), start, max(start, end), min(max(confidence, 0.0), 1.0))


def _shift(final: Final, offset: float, last_end: float, now: float) -> Final:
    """Move a final to the stream's clock."""
    if not final.words:
        return Final(final.text, last_end, now)
    words = tuple(
        Word(word.text, word.start + offset, word.end + offset, word.confidence)
        for word in final.words
    )
    return Final(final.text, words[0].start, words[-1].end, words, final.confidence)
