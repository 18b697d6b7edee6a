"""The node's handle on its media process.

The process is somebody else's child (``python -m telephony.media``); this object connects to its
control socket, again and again with back-off, and turns each method call into one command of
:mod:`telephony.media.control`. Commands are pipelined: nobody waits for another's answer.

When the process dies its sessions are gone: ``on_lost`` names them once, commands under way fail
with :class:`MediaUnavailable`, and so do new ones until a restarted process listens again.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from pydantic import ValidationError

from telephony.media import control
from telephony.media.control import Command
from telephony.media.sealed import Seal
from telephony.media_channel import MediaChannel
from telephony.media_commands import (
    Address,
    KeyPressed,
    Latched,
    MediaCommands,
    MediaError,
    MediaEvent,
    MediaRefused,
    MediaUnavailable,
    PlayEnded,
    RecordingFailed,
    RecordingInfo,
    RtpTimedOut,
    SessionStats,
    SilenceChanged,
)

__all__ = [
    "Address",
    "KeyPressed",
    "Latched",
    "MediaClient",
    "MediaError",
    "MediaEvent",
    "MediaRefused",
    "MediaUnavailable",
    "PlayEnded",
    "RecordingFailed",
    "RecordingInfo",
    "RtpTimedOut",
    "SessionStats",
    "SilenceChanged",
]

log = structlog.get_logger(__name__)

_BACK_OFF_FIRST = 0.05
_BACK_OFF_LAST = 1.0

_EVENTS: dict[str, type[MediaEvent]] = {
    "recording_failed": RecordingFailed,
    "key": KeyPressed,
    "silence": SilenceChanged,
    "rtp_timeout": RtpTimedOut,
    "play_ended": PlayEnded,
}


class _Asked(NamedTuple):
    """A command that has no answer yet; it waits until that moment of the loop's time."""

    kind: type[Command]
    until: float
    answer: asyncio.Future[dict[str, Any]]


class MediaClient(MediaCommands):
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
        self._asked: dict[int, _Asked] = {}  # in the order of asking
        self._patience: asyncio.TimerHandle | None = None  # one, for the oldest
        self._sessions: dict[str, None] = {}  # in the order of opening
        self._channel: MediaChannel | None = None
        self._outgoing: list[bytes] = []
        self._runner: asyncio.Task[None] | None = None
        self._up = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether commands can be given now."""
        return self._channel is not None

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
        """See :meth:`MediaCommands.open`."""
        process = self._channel
        try:
            address = await super().open(session, host=host)
        except (asyncio.CancelledError, MediaUnavailable):
            # Nobody will ever close it: what may still be opened is closed by the next line.
            with contextlib.suppress(MediaUnavailable):
                self._tell(control.Close, session=session)
            raise
        if self._channel is not process:
            raise MediaUnavailable("the media process went away")  # between its answer and now
        self._sessions[session] = None
        return address

    async def close_session(self, session: str) -> SessionStats:
        """See :meth:`MediaCommands.close_session`."""
        try:
            return await super().close_session(session)
        finally:
            self._sessions.pop(session, None)

    async def record(
        self,
        recording: str,
        path: Path,
        *,
        left: str | Sequence[str],
        right: str | Sequence[str],
        seal: Seal | None = None,
    ) -> None:
        """See :meth:`MediaCommands.record`."""
        try:
            await super().record(recording, path, left=left, right=right, seal=seal)
        except (asyncio.CancelledError, MediaUnavailable):
            # Nobody will ever stop it: what may still begin, it would write silence for ever.
            with contextlib.suppress(MediaUnavailable):
                self._tell(control.StopRecord, recording=recording)
            raise

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
        if self._channel is None:
            raise MediaUnavailable("the media process is away")
        if not self._outgoing:
            # What is asked in the same moment leaves in one write, and wakes the process once.
            self._loop.call_soon(self._send)
        self._outgoing.append(control.encode_command(command))
        return command.id

    def _send(self) -> None:
        lines, self._outgoing = self._outgoing, []
        if lines and self._channel is not None:  # else who has asked knows that it is away
            self._channel.write(b"".join(lines))

    async def ask(self, kind: type[Command], **fields: object) -> dict[str, Any]:
        """Send a command and return its result; raises as the public methods say."""
        command_id = self._tell(kind, **fields)
        until = self._loop.time() + self._command_timeout
        answer: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._asked[command_id] = _Asked(kind, until, answer)
        if self._patience is None:
            self._patience = self._loop.call_at(until, self._late)
        try:
            return await answer
        finally:
            self._asked.pop(command_id, None)

    def _late(self) -> None:
        """Let who waits for too long wait no longer; come back when the next one does."""
        self._patience = None
        # Loops may call a timer a hair too early; the next round is then a hair away.
        now = self._loop.time()
        for command_id, (kind, until, answer) in list(self._asked.items()):
            if until > now:
                self._patience = self._loop.call_at(until, self._late)
                return
            del self._asked[command_id]
            if not answer.done():
                answer.set_exception(
                    MediaUnavailable(f"the media process did not answer {kind.__name__} in time")
                )

    async def _run(self) -> None:
        """Keep a connection; the outermost boundary of this client's one task."""
        pause = _BACK_OFF_FIRST
        while True:
            try:
                channel = await self._connect()
            except OSError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _BACK_OFF_LAST)
                continue
            pause = _BACK_OFF_FIRST
            self._channel = channel
            self._up.set()
            log.info("media process connected", socket=str(self._socket_path))
            lost = True
            try:
                await channel.lost.wait()
            except asyncio.CancelledError:
                lost = False  # our own close()
                raise
            finally:
                self._disconnected(channel, lost=lost)

    async def _connect(self) -> MediaChannel:
        """Connect to a process that answers.

        One that is dying may still accept; only an answer tells.

        Raises:
            OSError: there is none.
        """
        async with asyncio.timeout(self._command_timeout):  # TimeoutError is an OSError
            _, channel = await self._loop.create_unix_connection(
                partial(MediaChannel, self._deliver), str(self._socket_path)
            )
            with contextlib.ExitStack() as undo:
                undo.callback(channel.close)
                channel.write(control.encode_command(control.Stats(id=next(self._ids))))
                await channel.spoken.wait()
                if channel.lost.is_set():
                    raise ConnectionResetError
                undo.pop_all()
        return channel

    def _deliver(self, message: dict[str, Any]) -> None:
        if "event" in message:
            self._report(message)
            return
        asked = self._asked.get(message["id"])
        if asked is None or asked.answer.done():
            return  # told without asking, timed out or cancelled
        if "ok" in message:
            asked.answer.set_result(message["ok"])
        else:
            asked.answer.set_exception(MediaRefused(**message["error"]))

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

    def _disconnected(self, channel: MediaChannel, *, lost: bool) -> None:
        self._channel = None
        self._outgoing.clear()
        self._up.clear()
        channel.close()
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        for asked in self._asked.values():
            if not asked.answer.done():
                asked.answer.set_exception(MediaUnavailable("the media process went away"))
        sessions = list(self._sessions)
        self._sessions.clear()
        if lost:
            log.warning("media process lost", sessions=len(sessions))
            if sessions:
                self._loop.call_soon(self._on_lost, sessions)
