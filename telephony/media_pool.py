"""Several media processes behind one set of commands.

A call lives in one process, from its first session to its last: all of it is there to be bridged
and recorded together. The process that has the fewest sessions takes the next call. Sessions,
players and bridges are named ``<call>`` or ``<call>.<whatever>``: the name says which call it
belongs to. A recording may be called anything, and belongs to the call of those whom it hears.

When a process dies, its calls' sessions are reported lost, once; the other processes' calls notice
nothing, and new calls go to those until it is back.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from telephony.media import control
from telephony.media.control import Command
from telephony.media.sealed import Seal
from telephony.media_client import MediaClient
from telephony.media_commands import (
    Address,
    MediaCommands,
    MediaEvent,
    MediaRefused,
    MediaUnavailable,
    RecordingInfo,
    SessionStats,
)


def call_of(name: str) -> str:
    """Return the call that a session, player or bridge belongs to."""
    return name.partition(".")[0]


@dataclass(slots=True)
class _Place:
    """Where a call is, and what keeps it there."""

    process: int
    sessions: set[str] = field(default_factory=set)
    recordings: set[str] = field(default_factory=set)


class Places:
    """Which process holds which call. Pure; processes go by their numbers."""

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}
        self._recordings: dict[str, str] = {}  # their calls

    def of(self, name: str) -> int | None:
        """Return the process of the call that a name belongs to; None when it is nowhere."""
        place = self._places.get(self._recordings.get(name, call_of(name)))
        return None if place is None else place.process

    def sessions(self) -> Counter[int]:
        """Return how many sessions each process holds."""
        held: Counter[int] = Counter()
        for place in self._places.values():
            held[place.process] += len(place.sessions)
        return held

    def open(self, session: str, available: Collection[int]) -> int | None:
        """Return the process for a session: its call's, else the least loaded of ``available``.

        None when that is not available.
        """
        place = self._places.get(call_of(session))
        if place is None:
            if not available:
                return None
            held = self.sessions()
            place = _Place(min(available, key=lambda number: (held[number], number)))
            self._places[call_of(session)] = place
        elif place.process not in available:
            return None
        place.sessions.add(session)
        return place.process

    def close(self, session: str) -> None:
        """Forget a session, and with a call's last one the call."""
        call = call_of(session)
        if place := self._places.get(call):
            place.sessions.discard(session)
            self._tidy(call, place)

    def record(self, recording: str, session: str) -> None:
        """Note a recording of a session: until it is stopped its call stays where it is."""
        call = call_of(session)
        if place := self._places.get(call):
            place.recordings.add(recording)
            self._recordings[recording] = call

    def stop_record(self, recording: str) -> None:
        """Forget a recording."""
        call = self._recordings.pop(recording, None)
        if call is not None:
            place = self._places[call]
            place.recordings.discard(recording)
            self._tidy(call, place)

    def lose(self, process: int) -> None:
        """Forget all calls of a process that died."""
        for call, place in list(self._places.items()):
            if place.process == process:
                del self._places[call]
                for recording in place.recordings:
                    del self._recordings[recording]

    def _tidy(self, call: str, place: _Place) -> None:
        if not place.sessions and not place.recordings:
            del self._places[call]


class MediaPool(MediaCommands):
    """Commands for several media processes.

    Args:
        socket_paths: the processes' control sockets.
        on_lost: called with the ids of a process's open sessions when it dies; see
            :class:`~telephony.media_client.MediaClient`.
        on_event: called with what the processes report by themselves.
        command_timeout: seconds to wait for an answer.
    """

    def __init__(
        self,
        *,
        socket_paths: Sequence[Path],
        on_lost: Callable[[Sequence[str]], None],
        on_event: Callable[[MediaEvent], None] | None = None,
        command_timeout: float = 10.0,
    ) -> None:
        self._on_lost = on_lost
        self._places = Places()
        self.clients = tuple(
            MediaClient(
                socket_path=path,
                on_lost=partial(self._lost, number),
                on_event=on_event,
                command_timeout=command_timeout,
            )
            for number, path in enumerate(socket_paths)
        )

    @property
    def connected(self) -> bool:
        """Whether calls can be taken: one process at least is there."""
        return any(client.connected for client in self.clients)

    async def start(self) -> None:
        """Connect in the background, to each again whenever it went away; returns at once."""
        for client in self.clients:
            await client.start()

    async def wait_connected(self) -> None:
        """Return when every process is there; for ever if one never comes."""
        for client in self.clients:
            await client.wait_connected()

    async def close(self) -> None:
        """Close the connections, which ends the processes, and stop reconnecting."""
        for client in self.clients:
            await client.close()

    async def ask(self, kind: type[Command], **fields: Any) -> dict[str, Any]:
        """See :meth:`MediaCommands.ask`; the command goes to its call's process."""
        name = _named(kind, fields)
        process = self._places.of(name)
        if process is not None:
            return await self.clients[process].ask(kind, **fields)
        if kind is control.StopPlay or (kind is control.Matrix and not fields["hears"]):
            return {}  # it went with its call
        of_recording = "recording" in fields and kind is not control.Record
        code = "unknown_recording" if of_recording else "unknown_session"
        raise MediaRefused(code, f"no media process holds {name!r}")

    async def open(self, session: str, *, host: str | None = None) -> Address:
        """See :meth:`MediaCommands.open`; a call's first session decides where it lives."""
        available = [number for number, client in enumerate(self.clients) if client.connected]
        process = self._places.open(session, available)
        if process is None:
            raise MediaUnavailable("the call's media process is away, or all are")
        try:
            return await self.clients[process].open(session, host=host)
        except MediaRefused as error:
            if error.code != "exists":
                self._places.close(session)
            raise
        except BaseException:
            self._places.close(session)
            raise

    async def close_session(self, session: str) -> SessionStats:
        """See :meth:`MediaCommands.close_session`."""
        process = self._places.of(session)
        if process is None:
            raise MediaRefused("unknown_session", f"no media process holds {session!r}")
        try:
            return await self.clients[process].close_session(session)
        finally:
            self._places.close(session)

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
        first = _first(left, right)
        process = self._places.of(first)
        if process is None:
            raise MediaRefused("unknown_session", f"no media process holds {first!r}")
        await self.clients[process].record(recording, path, left=left, right=right, seal=seal)
        self._places.record(recording, first)

    async def stop_record(self, recording: str) -> RecordingInfo:
        """See :meth:`MediaCommands.stop_record`."""
        try:
            return await super().stop_record(recording)
        finally:
            self._places.stop_record(recording)

    async def counts(self) -> dict[str, int]:
        """Return the sums of all processes' counts, and how many ``processes`` answered.

        Raises:
            MediaUnavailable: none is there.
        """
        there = [client for client in self.clients if client.connected]
        if not there:
            raise MediaUnavailable("no media process is there")
        total: Counter[str] = Counter(processes=len(there))
        for client in there:
            total.update(await client.counts())
        return dict(total)

    def _lost(self, process: int, sessions: Sequence[str]) -> None:
        self._places.lose(process)
        self._on_lost(sessions)


def _first(left: str | Sequence[str], right: str | Sequence[str]) -> str:
    """Return one of those who are recorded; "" when nobody is."""
    if isinstance(left, str):
        return left
    return next(iter(left), None) or (right if isinstance(right, str) else next(iter(right), ""))


def _named(kind: type[Command], fields: Mapping[str, Any]) -> str:
    """Return the name by which a command's call is found."""
    name: str
    if kind is control.Record:
        return _first(fields["left"], fields["right"])
    if kind is control.Matrix:
        name = next(iter(fields["hears"]), fields["bridge"])
    elif kind is control.Bridge:
        name = fields["first"]
    elif kind is control.StopPlay:
        name = fields["player"]
    else:
        name = fields["recording"] if "recording" in fields else fields["session"]
    return name
