"""FunASR's streaming server over WebSocket, in two passes.

The protocol is described in FunASR's runtime/docs/websocket_protocol.md.

A connection begins with one JSON message (mode ``2pass``, ``chunk_size``, ``wav_name``,
``is_speaking``, ``hotwords``), then takes binary PCM. The server answers when it likes:
``2pass-online`` carries what the streaming model heard *since its last message*, ``2pass-offline``
the whole sentence once more, corrected by the larger model. ``{"is_speaking": false}`` makes it
finish the sentence; not every version says anything when there was none, so a flush waits only for
a while, and the next audio goes over a new connection.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from websockets.asyncio.client import ClientConnection

from asr.chunked import ChunkedStream
from asr.ports import BYTES_PER_SECOND, Final, Partial
from asr.remote.connection import FAULTS, ServerError, describe, finite, open_connection
from asr.resample import Doubler
from asr.vosk_text import join_words

log = structlog.get_logger(__name__)

FINISH_WITHIN = 3.0
"""Seconds that a flush waits for the sentence."""

SETTLE = 0.15
"""Seconds that a flush waits after a sentence, which may have been the one before the last."""

_ONSET = 0.6
_HOTWORD_WEIGHT = 20


@dataclass(frozen=True, slots=True)
class ServerText:
    """One message; ``span``: seconds on the connection's clock, where the server gives them."""

    kind: Literal["online", "offline", "end"]
    text: str
    span: tuple[float, float] | None = None


class FunAsrRecognizer:
    """The engine.

    Args:
        url: ``ws://`` or ``wss://``.
        phrases: names that are likely to be said.
        finish_within: seconds that a flush waits for the server's last sentence.
    """

    def __init__(
        self, url: str, *, phrases: Sequence[str] = (), finish_within: float = FINISH_WITHIN
    ) -> None:
        self._url = url
        self._finish_within = finish_within
        # "hotwords" is an object written as a string: the protocol's own way.
        hotwords = dict.fromkeys(phrases, _HOTWORD_WEIGHT)
        self._hotwords = json.dumps(hotwords, ensure_ascii=False) if hotwords else ""

    async def check(self) -> None:
        """Return if the server can be reached. Raises ServerError."""
        await (await open_connection(self._url, subprotocol="binary")).close()

    async def open(self) -> "FunAsrStream":
        """Begin a stream; it connects when it is first pushed something."""
        return FunAsrStream(self._url, self._hotwords, finish_within=self._finish_within)

    async def aclose(self) -> None:
        """Do nothing: the connections are the streams'."""


class FunAsrStream(ChunkedStream):
    """One speaker; asr/ports.py's ``RecognitionStream``, without words and confidence."""

    # With ``chunk_size`` [5, 10, 5] ten of these 60 ms make the 600 ms that the server works on.
    chunk = BYTES_PER_SECOND * 60 // 1000

    def __init__(self, url: str, hotwords: str, *, finish_within: float) -> None:
        super().__init__()
        self._url = url
        self._hotwords = hotwords
        self._finish_within = finish_within
        self._doubler = Doubler()
        self._connection: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._fault: ServerError | None = None
        self._finished = asyncio.Event()
        self._heard = 0
        self._offset = 0.0
        self._last_end = 0.0
        self._utterance_start: float | None = None
        self._said = ""

    async def _finish(self) -> None:
        if self._connection is None:
            return
        self._finished.clear()
        await self._send(json.dumps({"is_speaking": False}))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._finish_within):
                await self._finished.wait()
        await self._settle()
        fault = self._fault
        await self._disconnect()
        if fault is not None:
            raise fault

    async def _release(self) -> None:
        await self._disconnect()

    async def _settle(self) -> None:
        """Wait until no further sentence comes, or the server has hung up.

        The protocol marks no last one. A sentence that was told provisionally is still to come; a
        moment without any other is the end.
        """
        give_up = asyncio.get_running_loop().time() + self._finish_within
        while self._reader is not None and not self._reader.done():
            self._finished.clear()
            try:
                async with asyncio.timeout(SETTLE):
                    await self._finished.wait()
            except TimeoutError:
                if not self._said or asyncio.get_running_loop().time() > give_up:
                    return

    async def _hear(self, chunk: bytes) -> None:
        begin = self._heard / BYTES_PER_SECOND
        self._heard += len(chunk)
        if self._connection is None:
            self._offset = begin
            await self._connect()
        # The Python server knows 16 kHz only; the C++ one takes that too.
        await self._send(self._doubler.push(chunk))
        if (fault := self._fault) is not None:
            await self._disconnect()
            raise fault

    async def _connect(self) -> None:
        self._connection = await open_connection(self._url, subprotocol="binary")
        self._fault = None
        self._reader = asyncio.create_task(self._read(self._connection), name="funasr")
        start = {
            "mode": "2pass",
            "wav_name": "call",
            "wav_format": "pcm",
            "audio_fs": 16000,
            "is_speaking": True,
            "chunk_size": [5, 10, 5],
            "chunk_interval": 10,
            "hotwords": self._hotwords,
            "itn": False,
        }
        await self._send(json.dumps(start, ensure_ascii=False))

    async def _send(self, message: bytes | str) -> None:
        connection = self._connection
        if connection is None:
            raise ServerError("the connection was closed meanwhile")
        try:
            await connection.send(message)
        except FAULTS as error:
            await self._disconnect()
            raise self._failed(error) from error

    async def _read(self, connection: ClientConnection) -> None:
        """Take what the server says; the outermost boundary of this task."""
        try:
            async for message in connection:
                self._take(parse(message))
        except ServerError as error:
            self._fault = error
        except FAULTS as error:
            self._fault = self._failed(error)
        finally:
            self._finished.set()

    def _take(self, heard: ServerText) -> None:
        now = self._heard / BYTES_PER_SECOND
        if heard.kind == "online":
            if self._utterance_start is None:
                self._utterance_start = max(self._last_end, self._offset, now - _ONSET)
            self._said = join_words(self._said + heard.text)
            if self.partials:
                self._events.put_nowait(Partial(self._said, self._utterance_start, now))
            return
        if heard.kind == "offline":
            start, end = self._place(heard.span, now)
            self._last_end = end
            self._events.put_nowait(Final(heard.text, start, end))
        self._said, self._utterance_start = "", None
        self._finished.set()

    def _place(self, span: tuple[float, float] | None, now: float) -> tuple[float, float]:
        """Return where a sentence was said, on the stream's clock."""
        if span is None:
            begun = self._utterance_start
            return (max(self._last_end, self._offset) if begun is None else begun), now
        start = min(max(self._offset + span[0], self._last_end), now)
        return start, min(max(self._offset + span[1], start), now)

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        reader, self._reader = self._reader, None
        self._said, self._utterance_start, self._fault = "", None, None
        if connection is not None:
            await connection.close()
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    def _failed(self, error: BaseException) -> ServerError:
        return ServerError(f"recognition server {self._url} failed: {describe(error)}")


def parse(message: str | bytes) -> ServerText:
    """Read one message. Raises ServerError: it is not the protocol."""
    try:
        found = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise ServerError(f"the recognition server sent no JSON: {error}") from None
    if not isinstance(found, dict):
        raise ServerError("the recognition server sent JSON that is no object")
    mode, text = found.get("mode"), found.get("text", "")
    if not isinstance(text, str):
        raise ServerError("the recognition server's text is no text")
    text = join_words(text.strip())
    if not text:
        return ServerText("end", "")
    match mode:
        case "2pass-online" | "online":
            return ServerText("online", text)
        case "2pass-offline" | "offline":
            return ServerText("offline", text, _span(found))
        case _:
            raise ServerError(f"the recognition server sent mode {str(mode)[:40]!r}")


def _span(message: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return when the sentence was said, in seconds, from either of the two fields that tell."""
    sentences, stamps = message.get("stamp_sents"), message.get("timestamp")
    if isinstance(sentences, list) and sentences:
        first, last = sentences[0], sentences[-1]
        if not isinstance(first, Mapping) or not isinstance(last, Mapping):
            raise ServerError("the recognition server's stamp_sents are no objects")
        return _ordered(first.get("start"), last.get("end"))
    if isinstance(stamps, str) and stamps:
        try:
            stamps = json.loads(stamps)
        except (ValueError, RecursionError) as error:
            raise ServerError(f"the recognition server's timestamp is no JSON: {error}") from None
    match stamps:
        case [[start, _], *_] if isinstance(stamps, list) and isinstance(stamps[-1], list):
            return _ordered(start, stamps[-1][-1] if stamps[-1] else None)
    return None


def _ordered(start: Any, end: Any) -> tuple[float, float]:
    begin, finish = sorted((finite(start) / 1000, finite(end) / 1000))
    return begin, finish
