"""The language spoken on the recogniser process's control socket.

A Unix stream socket; each message is one JSON object on one line of UTF-8. One control connection
is served; when it closes, the process ends (its node is gone, or wants it gone).

Commands, node to recogniser; each carries an ``id`` (integer) that the answer repeats::

    {"id": 1, "command": "open", "stream": "leg-7", "role": "caller", "t0": 0.0,
     "payload_types": {"8": "PCMA"}}
    {"id": 1, "ok": true, "host": "127.0.0.1", "port": 41234}           send the leg's RTP there
    {"id": 1, "ok": false, "error": "no_model", "reason": "..."}        or: no recognition now

    {"id": 2, "command": "close", "stream": "leg-7"}
    {"id": 2, "ok": true, "stats": {"packets": 550, ...}}               after its last final

    {"id": 3, "command": "stats"}
    {"id": 3, "ok": true, "streams": 1, "shed_partials": 0, "shed_seconds": 0.0, "shed_streams": 0,
     "lag_ms": 40, "processes": [4711, 4712], "workers_lost": 0, "workers_replaced": 0,
     "worker_mb": 24}

    {"id": 4, "command": "recognise", "stream": "later-1", "path": "/var/a.wav", "channel": 0,
     "start": 3.2, "end": 9.0}
    {"id": 4, "ok": true}                            after its last final; live streams come first

``t0`` is what the call's clock shows (seconds) at the moment of opening: results carry times on
that clock. ``role``, ``caller`` or ``agent``, says who is listened to longer when not all can be.
``payload_types`` adds to PCMU 0 and PCMA 8. ``recognise`` hears one channel of a recording between
two times (seconds); its results carry the recording's times. Errors: ``no_model``, ``exists``,
``unknown_stream``, ``bad_command``, ``failed``.

Events, recogniser to node, without an id::

    {"event": "status", "status": "ok", "reason": null}                 loading | ok | no_model
    {"event": "partial", "stream": "leg-7", "text": "你好", "start": 0.5, "end": 1.0}
    {"event": "final", "stream": "leg-7", "text": "你好", "start": 0.5, "end": 0.9,
     "confidence": 0.98, "words": [["你好", 0.5, 0.9, 0.98]]}
    {"event": "gap", "stream": "leg-7", "start": 4.1, "end": 6.3, "reason": "load"}
    {"event": "load", "lag": 0.7, "partials": true, "streams": 2, "trouble": null}

A ``gap`` is speech that was not recognised. ``load`` says what is given up now (partial results, so
many streams) and why (the lag in seconds, or what the engine complains of).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

from asr.load import Role
from asr.ports import Final, Gap, Heard, Partial, Result, Word

Codec = Literal["PCMA", "PCMU"]
ProcessStatus = Literal["loading", "ok", "no_model"]

LINE_LIMIT = 1 << 20
"""Longest line in bytes that either end reads; a longer one ends the connection."""

_MAX_PAYLOAD_TYPE = 127
_STATUSES = ("loading", "ok", "no_model")
_CODECS = ("PCMA", "PCMU")


class ControlError(Exception):
    """The peer's line is not a message of this protocol.

    Attributes:
        id: the command's id where one could be read, so that it can be answered.
    """

    def __init__(self, message: str, *, id: int | None = None) -> None:  # noqa: A002 - the wire's name
        super().__init__(message)
        self.id = id


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Command ``open``."""

    id: int
    stream: str
    t0: float = 0.0
    payload_types: Mapping[int, Codec] = field(default_factory=dict)
    role: Role = "caller"


@dataclass(frozen=True, slots=True)
class CloseStream:
    """Command ``close``."""

    id: int
    stream: str


@dataclass(frozen=True, slots=True)
class Stats:
    """Command ``stats``."""

    id: int


@dataclass(frozen=True, slots=True)
class RecogniseFile:
    """Command ``recognise``."""

    id: int
    stream: str
    path: str
    channel: int
    start: float
    end: float


Command = OpenStream | CloseStream | Stats | RecogniseFile


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for the command with this id; ``body`` is the whole object."""

    id: int
    ok: bool
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """Event ``status``."""

    status: ProcessStatus
    reason: str | None


@dataclass(frozen=True, slots=True)
class ResultHeard:
    """Events ``partial``, ``final`` and ``gap``."""

    stream: str
    result: Heard


@dataclass(frozen=True, slots=True)
class LoadChanged:
    """Event ``load``; all at rest when nothing is given up."""

    lag: float = 0.0
    partials: bool = False
    streams: int = 0
    trouble: str | None = None


def encode(message: Mapping[str, Any]) -> bytes:
    """Return the message as one line."""
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate, which JSON can carry and UTF-8 cannot, becomes a question mark.
    return text.encode(errors="replace") + b"\n"


def encode_command(command: Command) -> bytes:
    """Return the command as one line."""
    match command:
        case OpenStream(id, stream, t0, payload_types, role):
            types = {str(number): codec for number, codec in payload_types.items()}
            body = {"stream": stream, "role": role, "t0": t0, "payload_types": types}
            return encode({"id": id, "command": "open", **body})
        case RecogniseFile():
            return encode({"command": "recognise", **asdict(command)})
        case CloseStream(id, stream):
            return encode({"id": id, "command": "close", "stream": stream})
        case Stats(id):
            return encode({"id": id, "command": "stats"})


def encode_result(stream: str, result: Heard) -> bytes:
    """Return the event line that carries this result."""
    if isinstance(result, Gap):
        return encode({"event": "gap", "stream": stream, **asdict(result)})
    common = {"stream": stream, "text": result.text, "start": result.start, "end": result.end}
    if isinstance(result, Partial):
        return encode({"event": "partial", **common})
    words = [[word.text, word.start, word.end, word.confidence] for word in result.words]
    return encode({"event": "final", **common, "confidence": result.confidence, "words": words})


def parse_command(line: bytes) -> Command:
    """Read a command. Raises ControlError, with the id where there was one."""
    message = _object(line)
    number = message.get("id")
    if not isinstance(number, int) or isinstance(number, bool):
        raise ControlError("a command needs an integer id")
    try:
        return _command(number, message)
    except ControlError as error:
        raise ControlError(str(error), id=number) from None


def _command(number: int, message: Mapping[str, Any]) -> Command:
    match message.get("command"):
        case "open":
            return OpenStream(
                number,
                _text(message, "stream"),
                _number(message.get("t0", 0.0), "t0"),
                _payload_types(message.get("payload_types", {})),
                _role(message.get("role", "caller")),
            )
        case "close":
            return CloseStream(number, _text(message, "stream"))
        case "stats":
            return Stats(number)
        case "recognise":
            return RecogniseFile(
                number,
                _text(message, "stream"),
                _text(message, "path"),
                _whole(message.get("channel"), "channel"),
                _number(message.get("start"), "start"),
                _number(message.get("end"), "end"),
            )
        case other:
            raise ControlError(f"unknown command {other!r}")


Message = Answer | StatusChanged | ResultHeard | LoadChanged


def parse_message(line: bytes) -> Message:
    """Read what the recogniser process sends. Raises ControlError."""
    message = _object(line)
    match message.get("event"):
        case None:
            number, ok = message.get("id"), message.get("ok")
            if not isinstance(number, int) or not isinstance(ok, bool):
                raise ControlError("an answer needs id and ok")
            return Answer(number, ok, message)
        case "status":
            status, reason = message.get("status"), message.get("reason")
            if status not in _STATUSES or not isinstance(reason, str | None):
                raise ControlError(f"status {status!r} is not known")
            return StatusChanged(cast("ProcessStatus", status), reason)
        case "partial" | "final" as kind:
            return ResultHeard(_text(message, "stream"), _result(kind, message))
        case "gap":
            start, end = _number(message.get("start"), "start"), _number(message.get("end"), "end")
            gap = Gap(start, end, _text(message, "reason"))
            return ResultHeard(_text(message, "stream"), gap)
        case "load":
            return _load(message)
        case other:
            raise ControlError(f"unknown event {other!r}")


def _object(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ControlError(f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise ControlError("not a JSON object")
    return message


def _result(kind: str, message: Mapping[str, Any]) -> Result:
    text = message.get("text")
    if not isinstance(text, str):
        raise ControlError("text is missing")
    start, end = _number(message.get("start"), "start"), _number(message.get("end"), "end")
    if kind == "partial":
        return Partial(text, start, end)
    confidence = message.get("confidence")
    if confidence is not None:
        confidence = _number(confidence, "confidence")
    words = message.get("words", [])
    if not isinstance(words, list):
        raise ControlError("words is not a list")
    return Final(text, start, end, tuple(_word(word) for word in words), confidence)


def _word(value: Any) -> Word:
    match value:
        case [str() as text, start, end, confidence]:
            return Word(
                text,
                _number(start, "start"),
                _number(end, "end"),
                _number(confidence, "confidence"),
            )
        case _:
            raise ControlError("a word is [text, start, end, confidence]")


def _text(message: Mapping[str, Any], key: str) -> str:
    value = message.get(key)
    if not isinstance(value, str) or not value:
        raise ControlError(f"{key} must be a non-empty string")
    return value


def _number(value: Any, key: str) -> float:
    # json reads NaN and Infinity, and integers too large for a float.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ControlError(f"{key} must be a number")
    try:
        number = float(value)
    except OverflowError:
        raise ControlError(f"{key} is out of range") from None
    if not math.isfinite(number):
        raise ControlError(f"{key} must be finite")
    return number


def _role(value: Any) -> Role:
    if value not in {"caller", "agent"}:
        raise ControlError(f"role {value!r} is not caller or agent")
    return cast("Role", value)


def _whole(value: Any, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ControlError(f"{key} must be a number, 0 or more")
    return value


def _load(message: Mapping[str, Any]) -> LoadChanged:
    partials, trouble = message.get("partials"), message.get("trouble")
    if not isinstance(partials, bool) or not isinstance(trouble, str | None):
        raise ControlError("load needs partials and trouble")
    lag, streams = _number(message.get("lag"), "lag"), _whole(message.get("streams"), "streams")
    return LoadChanged(lag, partials, streams, trouble)


def _payload_types(value: Any) -> dict[int, Codec]:
    if not isinstance(value, dict):
        raise ControlError("payload_types must be an object")
    types: dict[int, Codec] = {}
    for key, codec in value.items():
        if not (key.isascii() and key.isdigit()) or int(key) > _MAX_PAYLOAD_TYPE:
            raise ControlError(f"payload type {key!r} is not 0 to {_MAX_PAYLOAD_TYPE}")
        if codec not in _CODECS:
            raise ControlError(f"codec {codec!r} is not one of {', '.join(_CODECS)}")
        types[int(key)] = cast("Codec", codec)
    return types
