"""The node's handle on its media process.

The process is somebody else's child (``python -m telephony.media``); this object connects to its
control socket, again and again with back-off, and turns each method call into one command of
:mod:`telephony.media.control`. Commands are pipelined: nobody waits for another's answer.

When the process dies its sessions are gone: ``on_lost`` names them once, commands under way fail
with :class:`MediaUnavailable`, and so do new ones until a restarted process listens again.

    MediaError
    ├── MediaUnavailable    the process is away, or did not answer in time
    └── MediaRefused        the process refused the command; ``code`` says why
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError

from telephony.media import control
from telephony.media.control import Codec, Command

log = structlog.get_logger(__name__)

Address = tuple[str, int]

_BACK_OFF_FIRST = 0.05
_BACK_OFF_LAST = 1.0
_LINE_LIMIT = 2**20


class MediaError(Exception):
    """A media command failed."""


class MediaUnavailable(MediaError):
    """The media process is away, died with the command under way, or did not answer in time."""


class MediaRefused(MediaError):
    """The media process refused a command.

    Attributes:
        code: one of the error codes of :mod:`telephony.media.control`, e.g. ``no_ports``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """A completed recording.

    Attributes:
        path: of the file.
        seconds: how long it lasts, pauses included.
        bytes: how big it is, header included.
        sha256: of the file, in hexadecimal.
        pauses: from and to, seconds from its beginning.
    """

    path: Path
    seconds: float
    bytes: int
    sha256: str = ""
    pauses: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class SessionStats:
    """What one session saw.

    Attributes:
        packets_in: valid RTP packets from the peer.
        packets_out: RTP packets sent to the peer.
        lost: packets missing from the peer's sequence numbers (RFC 3550 §A.3), never negative.
        duplicates: packets that came twice; the second one was ignored.
        discarded: leftovers of an ended stream, and packets far outside the sequence.
        strangers: packets from another source than the latched one; never forwarded.
        malformed: datagrams that are not RTP.
        unexpected: RTP of a payload type that was not negotiated.
        last_packet: Unix time of the last valid packet; None before the first.
        jitter: of the arrivals, seconds (RFC 3550 §6.4.1).
        concealed: seconds of audio that were made up while the session was decoded.
        late: packets that came after their turn, while it was decoded.
    """

    packets_in: int
    packets_out: int
    lost: int
    duplicates: int
    discarded: int
    strangers: int
    malformed: int
    unexpected: int
    last_packet: float | None
    jitter: float = 0.0
    concealed: float = 0.0
    late: int = 0


@dataclass(frozen=True, slots=True)
class Latched:
    """A session's peer was heard for the first time; it is sent to from now on."""

    session: str
    source: Address


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """A recording ended early (disk full…); the call goes on."""

    recording: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key was pressed at a session's phone and held for so many seconds."""

    session: str
    key: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SilenceChanged:
    """A watched session fell silent, or is heard again."""

    session: str
    silent: bool


@dataclass(frozen=True, slots=True)
class RtpTimedOut:
    """A watched session has sent nothing for so many seconds."""

    session: str
    seconds: float


@dataclass(frozen=True, slots=True)
class PlayEnded:
    """Something is not played any more: ``end``, ``key`` (which one), ``replaced``, ``closed``."""

    player: str
    reason: str
    key: str | None = None


MediaEvent = Latched | RecordingFailed | KeyPressed | SilenceChanged | RtpTimedOut | PlayEnded

_EVENTS: dict[str, type[MediaEvent]] = {
    "recording_failed": RecordingFailed,
    "key": KeyPressed,
    "silence": SilenceChanged,
    "rtp_timeout": RtpTimedOut,
    "play_ended": PlayEnded,
}


class MediaClient:
    """Commands for one media process.

    Args:
        socket_path: the process's control socket.
        on_lost: called with the ids of all open sessions when the process dies; once per death,
            and not at all when no session was open or when :meth:`close` ended the connection.
        on_event: called with what the process reports by itself.
        command_timeout: seconds to wait for an answer.
    """

    def __init__(
        self,
        *,
        socket_path: Path,
        on_lost: Callable[[Sequence[str]], None],
        on_event: Callable[[MediaEvent], None] | None = None,
        command_timeout: float = 10.0,
    ) -> None:
        self._socket_path = socket_path
        self._on_lost = on_lost
        self._on_event = on_event
        self._command_timeout = command_timeout
        self._ids = count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._sessions: dict[str, None] = {}  # in the order of opening
        self._writer: asyncio.StreamWriter | None = None
        self._runner: asyncio.Task[None] | None = None
        self._up = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether commands can be given now."""
        return self._writer is not None

    async def start(self) -> None:
        """Connect in the background, and again whenever the process went away; returns at once."""
        self._loop = asyncio.get_running_loop()
        self._runner = asyncio.create_task(self._run(), name=f"media {self._socket_path.name}")

    async def wait_connected(self) -> None:
        """Return when the process is there; for ever if it never comes."""
        await self._up.wait()

    async def close(self) -> None:
        """Close the connection, which ends the process, and stop reconnecting."""
        if self._runner is not None:
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._runner
            self._runner = None

    async def open(self, session: str, *, host: str | None = None) -> Address:
        """Open a session and return the address where its peer shall send RTP.

        Raises:
            MediaUnavailable: the process is away.
            MediaRefused: ``no_ports``, or ``exists``.
        """
        process = self._writer
        try:
            result = await self._ask(control.Open, session=session, host=host)
        except (asyncio.CancelledError, MediaUnavailable):
            # Nobody will ever close it: what may still be opened is closed by the next line.
            with contextlib.suppress(MediaUnavailable):
                self._tell(control.Close, session=session)
            raise
        if self._writer is not process:
            raise MediaUnavailable("the media process went away")  # between its answer and now
        self._sessions[session] = None
        return result["host"], result["port"]

    async def set_remote(
        self,
        session: str,
        *,
        host: str,
        port: int,
        payload_type: int,
        codec: Codec,
        telephone_event: int | None,
        accepts: Mapping[int, Codec] | None = None,
        comfort_noise: int | None = None,
        ptime: int = 20,
    ) -> None:
        """Say where the peer is and what it speaks; again after a re-INVITE.

        ``host`` is an IP address. ``accepts`` names further payload types the peer may send,
        ``comfort_noise`` that of RFC 3389; ``ptime`` is the packet length it wants, ms.
        """
        await self._ask(
            control.Remote,
            session=session,
            host=host,
            port=port,
            payload_type=payload_type,
            codec=codec,
            telephone_event=telephone_event,
            accepts=dict(accepts or {}),
            comfort_noise=comfort_noise,
            ptime=ptime,
        )

    async def matrix(self, bridge: str, hears: Mapping[str, Mapping[str, float]]) -> None:
        """Say who hears whom in a bridge, listener → source → gain; at one moment, click-free.

        Everybody named is in this bridge from now on, and in no other; who was and is not named
        has left. At most eight; empty: the bridge ends.

        Raises:
            MediaRefused: ``unknown_session``, ``bad_command`` (more than eight parties…).
        """
        rows = {listener: dict(row) for listener, row in hears.items()}
        await self._ask(control.Matrix, bridge=bridge, hears=rows)

    async def bridge(self, first: str, second: str) -> None:
        """Let two sessions hear each other; either leaves the bridge it was in."""
        await self._ask(control.Bridge, first=first, second=second)

    async def unbridge(self, session: str) -> None:
        """End the bridge of this session, if it is in one."""
        await self._ask(control.Unbridge, session=session)

    async def play(
        self,
        player: str,
        session: str,
        items: Sequence[control.Item],
        *,
        loop: bool = False,
        mix: bool = False,
        gain: float = 1.0,
        stop_on_key: bool = False,
    ) -> None:
        """Play files, tones and silence to a session, one after another; :class:`PlayEnded` tells.

        ``mix``: in addition to what it hears, not instead.

        Raises:
            MediaRefused: ``prompt`` when a file cannot be played, ``exists`` when ``player`` plays.
        """
        await self._ask(
            control.Play,
            player=player,
            session=session,
            items=list(items),
            loop=loop,
            mix=mix,
            gain=gain,
            stop_on_key=stop_on_key,
        )

    async def stop_play(self, player: str) -> None:
        """Stop playing; harmless when it has ended."""
        await self._ask(control.StopPlay, player=player)

    async def press(self, session: str, keys: str, *, milliseconds: int = 160) -> None:
        """Press keys (``0-9*#ABCD``) towards a session's peer."""
        await self._ask(control.Dtmf, session=session, keys=keys, milliseconds=milliseconds)

    async def watch(
        self,
        session: str,
        *,
        rtp_timeout: float | None = None,
        silence: float | None = None,
        inband_keys: bool = False,
    ) -> None:
        """Report when nothing comes or nothing is said for so many seconds, and keys as tones."""
        await self._ask(
            control.Watch,
            session=session,
            rtp_timeout=rtp_timeout,
            silence=silence,
            inband_keys=inband_keys,
        )

    async def fork(self, session: str, destination: Address | None, *, packets: int = 1) -> None:
        """Copy what this session's peer sends to ``destination``; None stops that.

        ``packets`` > 1: so many in one datagram, each behind its length in 16 bits (RFC 4571).
        """
        host, port = destination or (None, None)
        await self._ask(control.Fork, session=session, host=host, port=port, packets=packets)

    async def record(
        self,
        recording: str,
        path: Path,
        *,
        left: str | Sequence[str],
        right: str | Sequence[str],
    ) -> None:
        """Record sessions' peers into a new stereo WAV file; time zero is now.

        ``path`` is absolute: the process has a working directory of its own. Missing folders are
        made.

        Raises:
            MediaRefused: ``disk`` when the file cannot be made (one that exists is never
                overwritten), ``exists`` when the name is in use.
        """
        await self._ask(control.Record, recording=recording, path=path, left=left, right=right)

    async def change_record(
        self, recording: str, *, left: str | Sequence[str], right: str | Sequence[str]
    ) -> None:
        """Record other sessions from now on."""
        await self._ask(control.ChangeRecord, recording=recording, left=left, right=right)

    async def pause_record(self, recording: str) -> None:
        """Write nothing that is said from now on: silence, begun by a beep."""
        await self._ask(control.PauseRecord, recording=recording)

    async def resume_record(self, recording: str) -> None:
        """Go on recording."""
        await self._ask(control.ResumeRecord, recording=recording)

    async def stop_record(self, recording: str) -> RecordingInfo:
        """Complete a recording.

        Raises:
            MediaRefused: ``unknown_recording``, also after :class:`RecordingFailed`.
        """
        result = await self._ask(control.StopRecord, recording=recording)
        pauses = tuple((begin, end) for begin, end in result["pauses"])
        return RecordingInfo(
            Path(result["path"]), result["seconds"], result["bytes"], result["sha256"], pauses
        )

    async def close_session(self, session: str) -> SessionStats:
        """Close a session and return what it saw."""
        result = await self._ask(control.Close, session=session)
        self._sessions.pop(session, None)
        return SessionStats(**result)

    async def session_stats(self, session: str) -> SessionStats:
        """Return what a session saw so far."""
        return SessionStats(**await self._ask(control.Stats, session=session))

    async def counts(self) -> dict[str, int]:
        """Return how many sessions, port pairs, bridges, forks, recordings and plays there are."""
        return await self._ask(control.Stats)

    def _tell(self, kind: type[Command], **fields: object) -> int:
        """Send a command without waiting for its answer; return its id.

        Raises:
            MediaUnavailable: the process is away.
            MediaRefused: ``bad_command``: a value that the process would not take, as an SDP may
                hold it (a host name where an IP address is wanted).
        """
        try:
            command = kind.model_validate({"id": next(self._ids), **fields})
        except ValidationError as error:
            raise MediaRefused("bad_command", str(error)) from error
        if self._writer is None:
            raise MediaUnavailable("the media process is away")
        self._writer.write(control.encode_command(command))
        return command.id

    async def _ask(self, kind: type[Command], **fields: object) -> dict[str, Any]:
        """Send a command and return its result; raises as the public methods say."""
        command_id = self._tell(kind, **fields)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[command_id] = answer
        try:
            async with asyncio.timeout(self._command_timeout):
                return await answer
        except TimeoutError as error:
            raise MediaUnavailable(
                f"the media process did not answer {kind.__name__} in time"
            ) from error
        finally:
            self._answers.pop(command_id, None)

    async def _run(self) -> None:
        """Keep a connection; the outermost boundary of this client's one task."""
        pause = _BACK_OFF_FIRST
        while True:
            try:
                reader, writer = await self._connect()
            except OSError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _BACK_OFF_LAST)
                continue
            pause = _BACK_OFF_FIRST
            self._writer = writer
            self._up.set()
            log.info("media process connected", socket=str(self._socket_path))
            lost = True
            try:
                await self._read(reader)
            except asyncio.CancelledError:
                lost = False  # our own close()
                raise
            finally:
                self._disconnected(writer, lost=lost)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a process that answers.

        One that is dying may still accept; only an answer tells.

        Raises:
            OSError: there is none.
        """
        async with asyncio.timeout(self._command_timeout):  # TimeoutError is an OSError
            reader, writer = await asyncio.open_unix_connection(
                self._socket_path, limit=_LINE_LIMIT
            )
            with contextlib.ExitStack() as undo:
                undo.callback(writer.close)
                writer.write(control.encode_command(control.Stats(id=next(self._ids))))
                if not await reader.readline():
                    raise ConnectionResetError
                undo.pop_all()
        return reader, writer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Deliver answers and events until the connection ends."""
        try:
            while line := await reader.readline():
                self._deliver(json.loads(line))
        except (OSError, ValueError, LookupError, TypeError) as error:
            # Half a line at the end of a killed process, or another program's socket.
            log.warning("media connection broken", error=str(error))

    def _deliver(self, message: dict[str, Any]) -> None:
        if "event" in message:
            self._report(message)
            return
        answer = self._answers.get(message["id"])
        if answer is None or answer.done():
            return  # told without asking, timed out or cancelled
        if "ok" in message:
            answer.set_result(message["ok"])
        else:
            answer.set_exception(MediaRefused(**message["error"]))

    def _report(self, message: dict[str, Any]) -> None:
        event: MediaEvent
        name = message.pop("event")
        if name == "latched":
            event = Latched(message["session"], (message["host"], message["port"]))
        else:
            event = _EVENTS[name](**message)
        if isinstance(event, RecordingFailed):
            log.warning("recording failed", recording=event.recording, reason=event.reason)
        if self._on_event is not None:
            # Not called from here: a mistake in it must not end the connection.
            self._loop.call_soon(self._on_event, event)

    def _disconnected(self, writer: asyncio.StreamWriter, *, lost: bool) -> None:
        self._writer = None
        self._up.clear()
        writer.close()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(MediaUnavailable("the media process went away"))
        sessions = list(self._sessions)
        self._sessions.clear()
        if lost:
            log.warning("media process lost", sessions=len(sessions))
            if sessions:
                self._loop.call_soon(self._on_lost, sessions)
