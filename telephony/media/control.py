r"""The control protocol of the media process.

One Unix stream socket, one connection, UTF-8 JSON objects, one a line (``\n``, at most 64 KiB).
Commands carry an ``id`` (integer, chosen by the client) and may be sent without waiting for earlier
answers; they take effect in the order sent. Every command gets exactly one answer with its id::

    → {"id": 1, "command": "open", "session": "leg-7"}
    ← {"id": 1, "ok": {"host": "127.0.0.1", "port": 20000}}
    → {"id": 2, "command": "bridge", "first": "leg-7", "second": "leg-8"}
    ← {"id": 2, "error": {"code": "unknown_session", "message": "no session 'leg-8' is open"}}

Answers come in the order of the commands, except those of ``record``, ``stop_record`` and ``play``,
which may wait for the disk. A line that is not a valid command is answered with the code
``bad_command``, naming the field and what was expected, and with the id if one could be read, else
null.

======================  ====================================================  ====================
command                 fields                                                ``ok`` holds
======================  ====================================================  ====================
``open``                session, host?                                        host, port
``remote``              session, host, port, payload_type, codec,             nothing
                        telephone_event?, event_clock?, accepts?,
                        comfort_noise?, ptime?, rtcp_port?, signalled_from?,
                        srtp?, dtls?, watched?
``matrix``              bridge, hears                                         nothing
``bridge``              first, second                                         nothing
``unbridge``            session                                               nothing
``play``                player, session, items, loop?, mix?, gain?,           nothing
                        stop_on_key?
``stop_play``           player                                                nothing
``dtmf``                session, keys, milliseconds?                          nothing
``watch``               session, rtp_timeout?, silence?, inband_keys?         nothing
``fork``                session, host?, port? (both absent: stop), packets?   nothing
``record``              recording, path, left, right, seal?                   nothing
``change_record``       recording, left, right                                nothing
``pause_record``        recording                                             nothing
``resume_record``       recording                                             nothing
``stop_record``         recording                                             path, seconds, bytes,
                                                                              sha256, pauses
``close``               session                                               the session's stats
``stats``               session?                                              its stats; else counts
======================  ====================================================  ====================

Error codes: ``bad_command``, ``unknown_session``, ``unknown_recording``, ``exists`` (that name is
in use), ``no_ports`` (the range is used up), ``disk`` (the recording cannot be written), ``prompt``
(a file cannot be played).

**Who hears whom.** ``hears`` is a gain matrix, listener → source → gain (1 = as spoken)::

    {"citizen": {"agent": 1}, "agent": {"citizen": 1}}                        two talk
    {"citizen": {"agent": 1}, "agent": {"citizen": 1},
     "leader": {"citizen": 1, "agent": 1}}                                    …and one listens in
    … "agent": {"citizen": 1, "leader": 1}, …                                 …and whispers
    … "citizen": {"agent": 1, "leader": 1}, …                                 …and barges in

It takes effect at one moment, replaces the bridge's former matrix, and is heard without a click.
Everybody named is a party, eight at most; a party of another bridge leaves that one. Who hears
exactly one other at gain 1 in a codec both have is relayed to; everybody else gets a mix.
``bridge`` is a matrix of two.

**Playing.** ``items`` are played one after another: ``{"file": "/…/wait.wav"}``,
``{"tone": "ringback"}`` (also busy, congestion, dial, beep), ``{"silence": 0.5}``,
``{"keys": "12#"}``. Unless ``mix`` is true the session hears nothing else meanwhile, and earlier
plays to it are stopped. The end is told by ``play_ended``, whose ``reason`` is ``end``, ``key``
(with the ``key`` that was pressed), ``replaced`` or ``closed`` (the session); after ``stop_play``
there is none. ``dtmf`` presses keys: as RFC 4733 events, or as tones where the peer takes none.

Events come at any time between answers and have no id::

    ← {"event": "latched", "session": "leg-7", "host": "192.0.2.7", "port": 4002}
    ← {"event": "key", "session": "leg-7", "key": "5", "seconds": 0.12}
    ← {"event": "silence", "session": "leg-7", "silent": true}
    ← {"event": "rtp_timeout", "session": "leg-7", "seconds": 30.1}
    ← {"event": "play_ended", "player": "wait-3", "reason": "key", "key": "1"}
    ← {"event": "recording_failed", "recording": "call-3", "reason": "No space left on device"}

The process stops when the connection closes: recordings are completed, ports given up.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from telephony.media.bridges import MAX_PARTIES, parties_of
from telephony.media.dtmf import KEYS
from telephony.media.srtp import KEY_OCTETS
from telephony.media.tones import Tone

MAX_LINE = 65536

Codec = Literal["PCMA", "PCMU", "G722", "opus"]
ErrorCode = Literal[
    "bad_command", "unknown_session", "unknown_recording", "exists", "no_ports", "disk", "prompt"
]
EventName = Literal["latched", "key", "silence", "rtp_timeout", "play_ended", "recording_failed"]


class CommandError(Exception):
    """A command that cannot be obeyed.

    Attributes:
        code: one of the error codes of the protocol.
        command_id: the id to answer with, where one could be read.
    """

    def __init__(self, code: ErrorCode, message: str, *, command_id: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.command_id = command_id


@lru_cache(maxsize=256)
def _ip_literal(host: str) -> str:
    # A name would mean a look-up in the packet path; whoever reads the SDP resolves names.
    ip_address(host)
    return host


def _absolute(path: Path) -> Path:
    if not path.is_absolute() or "\0" in str(path):
        raise ValueError("an absolute path is expected")
    return path


Name = Annotated[str, Field(min_length=1, max_length=128)]
Host = Annotated[str, AfterValidator(_ip_literal)]
Port = Annotated[int, Field(ge=0, le=65535)]
PayloadType = Annotated[int, Field(ge=0, le=127)]
Gain = Annotated[float, Field(ge=0, le=4, strict=False)]
Seconds = Annotated[float, Field(gt=0, le=86400, strict=False)]
Keys = Annotated[str, Field(min_length=1, max_length=64, pattern=f"^[{KEYS}]+$")]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class _Command(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    id: Annotated[int, Field(ge=0, lt=2**63)]


class Open(_Command):
    """Open a session: a port pair (RTP even, RTCP odd) on ``host`` (default: the process's)."""

    command: Literal["open"] = "open"
    session: Name
    host: Host | None = None


def _key(value: str) -> bytes:
    return b64decode(value, validate=True)


Key = Annotated[bytes, BeforeValidator(_key), PlainSerializer(lambda key: b64encode(key).decode())]
"""Master key and salt, in base 64."""


class Srtp(BaseModel):
    """How a session is secured (RFC 4568): ``local`` is for what we send, ``remote`` the peer's."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    suite: Literal["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM"]
    local: Key = Field(repr=False)
    remote: Key = Field(repr=False)

    @model_validator(mode="after")
    def _as_long_as_the_suite_has_them(self) -> "Srtp":
        octets = sum(KEY_OCTETS[self.suite])
        if not len(self.local) == len(self.remote) == octets:
            raise ValueError(f"keys of {octets} octets are expected")
        return self


class Dtls(BaseModel):
    """How a session is secured by DTLS (RFC 5764), on one port with RTCP (RFC 5761).

    ``role`` is ours; ``fingerprints`` are of the peer's certificate, by hash; ``certificate`` and
    ``key`` are what we show, in PEM; ``ufrag`` and ``password`` our ICE credentials, both absent
    where the peer has no ICE.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    role: Literal["server", "client"]
    fingerprints: dict[str, str] = Field(min_length=1)
    certificate: str
    key: str = Field(repr=False)
    ufrag: str | None = None
    password: str | None = Field(default=None, repr=False)


class Watched(BaseModel):
    """What of a session is reported: no packet, or nothing said, for so many seconds; key tones."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    rtp_timeout: Seconds | None = None
    silence: Seconds | None = None
    inband_keys: bool = False


class Remote(_Command):
    """Say what the peer's SDP says.

    ``payload_type`` and ``codec`` are what the peer is sent, and may send; ``accepts`` adds payload
    types which it may send too, ``comfort_noise`` that of RFC 3389; ``event_clock`` is what
    durations of telephone-events count. A codec that is not installed is refused. ``ptime`` is the
    packet length it wants, in milliseconds; ``rtcp_port`` that of its RTCP, if not the next one;
    with ``rtcp_mux`` RTCP goes over the RTP port (RFC 5761), as it always does with ``dtls``.
    Besides ``host`` only ``signalled_from``, where its SIP came from, may latch at once. Port 0, or
    the unspecified address (old-style hold; not with ICE), means that it is sent nothing. With
    ``srtp`` or ``dtls`` only secured packets pass, in either direction. A changed address re-opens
    the latch, unless ICE has found the peer. ``watched`` does what ``watch`` does; without it that
    stays as it was.
    """

    command: Literal["remote"] = "remote"
    session: Name
    host: Host
    port: Port
    payload_type: PayloadType
    codec: Codec
    telephone_event: PayloadType | None = None
    event_clock: Literal[8000, 48000] = 8000
    accepts: dict[PayloadType, Codec] = {}
    comfort_noise: PayloadType | None = None
    ptime: Literal[10, 20, 30, 40, 60] = 20
    rtcp_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    rtcp_mux: bool = False
    signalled_from: Host | None = None
    srtp: Srtp | None = None
    dtls: Dtls | None = None
    watched: Watched | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "Remote":
        if self.srtp is not None and self.dtls is not None:
            raise ValueError("a session is secured in one way")
        return self


class Matrix(_Command):
    """Say who hears whom in a bridge, at which gain; an empty matrix ends the bridge.

    Who is alone in it may hear itself: an echo test.
    """

    command: Literal["matrix"] = "matrix"
    bridge: Name
    hears: dict[Name, dict[Name, Gain]]

    @model_validator(mode="after")
    def _possible(self) -> "Matrix":
        if len(parties_of(self.hears)) > MAX_PARTIES:
            raise ValueError(f"a bridge has at most {MAX_PARTIES} parties")
        hears_itself = any(listener in row for listener, row in self.hears.items())
        if hears_itself and len(parties_of(self.hears)) > 1:
            raise ValueError("a session hears itself alone, or not")
        return self


class Bridge(_Command):
    """Relay two sessions to each other; either leaves the bridge it was in."""

    command: Literal["bridge"] = "bridge"
    first: Name
    second: Name

    @model_validator(mode="after")
    def _two(self) -> "Bridge":
        if self.first == self.second:
            raise ValueError("a session cannot be bridged with itself")
        return self


class Unbridge(_Command):
    """Stop relaying between this session and its partner; harmless when there is none."""

    command: Literal["unbridge"] = "unbridge"
    session: Name


class Item(BaseModel):
    """One thing to play: exactly one of a WAV file, a tone, seconds of silence, keys as tones."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    file: AbsolutePath | None = None
    tone: Tone | None = None
    silence: Annotated[float, Field(gt=0, le=60, strict=False)] | None = None
    keys: Keys | None = None

    @model_validator(mode="after")
    def _one(self) -> "Item":
        if sum(value is not None for value in (self.file, self.tone, self.silence, self.keys)) != 1:
            raise ValueError("one of file, tone, silence and keys")
        return self


class Play(_Command):
    """Play to a session; see the module's text."""

    command: Literal["play"] = "play"
    player: Name
    session: Name
    items: Annotated[list[Item], Field(min_length=1, max_length=100)]
    loop: bool = False
    mix: bool = False
    gain: Gain = 1.0
    stop_on_key: bool = False


class StopPlay(_Command):
    """Stop playing; harmless when it has ended."""

    command: Literal["stop_play"] = "stop_play"
    player: Name


class Dtmf(_Command):
    """Press keys, each held for so long."""

    command: Literal["dtmf"] = "dtmf"
    session: Name
    keys: Keys
    milliseconds: Annotated[int, Field(ge=40, le=5000)] = 160


class Watch(_Command):
    """Report, until the next ``watch``: no packet for so many seconds; silence; keys as tones."""

    command: Literal["watch"] = "watch"
    session: Name
    rtp_timeout: Seconds | None = None
    silence: Seconds | None = None
    inband_keys: bool = False


class Fork(_Command):
    """Copy what this session's peer sends to an address; no address: stop.

    ``packets`` > 1: so many in one datagram, each behind its length in 16 bits (RFC 4571).
    """

    command: Literal["fork"] = "fork"
    session: Name
    host: Host | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    packets: Annotated[int, Field(ge=1, le=8)] = 1

    @model_validator(mode="after")
    def _both(self) -> "Fork":
        if (self.host is None) != (self.port is None):
            raise ValueError("host and port go together")
        return self


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Sources = Annotated[
    tuple[Name, ...], BeforeValidator(_names), Field(max_length=MAX_PARTIES, strict=False)
]
"""One session, or several that are summed."""


class FileSeal(BaseModel):
    """What a recording is sealed with: `telephony.media.sealed.Seal`, in base 64."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    header: Annotated[str, Field(pattern="^[A-Za-z0-9+/]+={0,2}$", max_length=128)]
    key: Annotated[str, Field(pattern="^[A-Za-z0-9+/]{43}=$", repr=False)]


class Record(_Command):
    """Start a stereo recording of what sessions' peers send; time zero is now.

    With ``seal`` the file is encrypted.
    """

    command: Literal["record"] = "record"
    recording: Name
    path: AbsolutePath
    left: Sources
    right: Sources
    seal: FileSeal | None = None


class ChangeRecord(_Command):
    """Record other sessions from now on."""

    command: Literal["change_record"] = "change_record"
    recording: Name
    left: Sources
    right: Sources


class PauseRecord(_Command):
    """Write nothing that is said from now on; harmless while paused."""

    command: Literal["pause_record"] = "pause_record"
    recording: Name


class ResumeRecord(_Command):
    """Go on; harmless when not paused."""

    command: Literal["resume_record"] = "resume_record"
    recording: Name


class StopRecord(_Command):
    """Complete a recording and close its file."""

    command: Literal["stop_record"] = "stop_record"
    recording: Name


class Close(_Command):
    """Close a session: its ports, its bridge, its fork."""

    command: Literal["close"] = "close"
    session: Name


class Stats(_Command):
    """Ask for one session's statistics, or for the process's counts."""

    command: Literal["stats"] = "stats"
    session: Name | None = None


Command = (
    Open
    | Remote
    | Matrix
    | Bridge
    | Unbridge
    | Play
    | StopPlay
    | Dtmf
    | Watch
    | Fork
    | Record
    | ChangeRecord
    | PauseRecord
    | ResumeRecord
    | StopRecord
    | Close
    | Stats
)
_COMMAND: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="command")])
_COMMAND_ID: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=0, lt=2**63, strict=True)])


def parse_command(line: bytes) -> Command:
    """Read one line.

    Raises:
        CommandError: code ``bad_command``; the message names every field that is wrong.
    """
    try:
        return _COMMAND.validate_json(line)
    except ValidationError as error:
        raise CommandError("bad_command", _explain(error), command_id=_readable_id(line)) from error


def _explain(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    # The first place is the discriminator's tag, which the reader of the message knows already.
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'][1:])) or 'command'}: {problem['msg']}"
        for problem in problems
    )


def _readable_id(line: bytes) -> int | None:
    try:
        document = json.loads(line)
        return _COMMAND_ID.validate_python(document["id"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return None


def encode_command(command: Command) -> bytes:
    """Write a command as one line."""
    return command.model_dump_json(exclude_none=True).encode() + b"\n"


def encode_answer(command_id: int, result: dict[str, Any]) -> bytes:
    """Write a success as one line."""
    return _line({"id": command_id, "ok": result})


def encode_error(error: CommandError, command_id: int | None = None) -> bytes:
    """Write a failure as one line; ``command_id`` where the error does not know it."""
    number = error.command_id if command_id is None else command_id
    return _line({"id": number, "error": {"code": error.code, "message": str(error)}})


def encode_event(name: EventName, **fields: Any) -> bytes:
    """Write an event as one line."""
    return _line({"event": name, **fields})


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


class LineSplitter:
    """Cut a byte stream into lines; a line over the limit becomes None and is skipped whole."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """Yield the lines that ``data`` completes, without their line ends."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self._skipping:  # the end of a line already reported
                self._skipping = False
            elif len(line) > self._limit:
                yield None
            elif line.strip():
                yield line
        if len(self._rest) > self._limit:
            if not self._skipping:
                self._skipping = True
                yield None
            self._rest = b""
