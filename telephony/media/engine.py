"""The media process's state: sessions, bridges, forks, recordings; one method a command."""

import asyncio
import contextlib
import errno
import ipaddress
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, assert_never

import structlog

from telephony.media import control
from telephony.media.control import Command, CommandError
from telephony.media.port import RtpPort, bind_pair
from telephony.media.ports import PortPool, PortsExhausted
from telephony.media.recorder import Recorder
from telephony.media.relay import OutgoingStream, Remote
from telephony.media.session import Session, Source

log = structlog.get_logger(__name__)

Result = dict[str, Any]

_DISK_THREADS: Final = 4
_STOP_SECONDS: Final = 5.0


class Engine:
    """Obeys the commands of one control connection.

    Args:
        host: the address that sessions are bound to unless they say otherwise.
        ports: where their port pairs come from.
        emit: sends an event line to the client.
    """

    def __init__(self, *, host: str, ports: PortPool, emit: Callable[[bytes], None]) -> None:
        self._host = host
        self._pool = ports
        self._emit = emit
        self._ports: dict[str, RtpPort] = {}
        self._recorders: dict[str, Recorder] = {}
        self._disk = ThreadPoolExecutor(_DISK_THREADS, thread_name_prefix="disk")
        self._copiers: dict[int, socket.socket] = {}  # by address family

    async def close(self) -> None:
        """Give up every session and complete every recording."""
        for name in list(self._ports):
            self._close(name)
        stopping = [recorder.stop() for recorder in self._recorders.values()]
        with contextlib.suppress(TimeoutError):  # a hanging disk does not keep the process alive
            async with asyncio.timeout(_STOP_SECONDS):
                await asyncio.gather(*stopping, return_exceptions=True)
        for copier in self._copiers.values():
            copier.close()
        self._disk.shutdown(wait=False, cancel_futures=True)

    def obey(self, command: Command) -> Result | Awaitable[Result]:  # noqa: PLR0911 - one a command
        """Carry out a command; what must wait for the disk returns an awaitable.

        Its effect on packets has taken place when this returns, either way.

        Raises:
            CommandError: it cannot be obeyed; nothing has changed.
        """
        match command:
            case control.Open():
                return self._open(command)
            case control.Remote():
                return self._set_remote(command)
            case control.Bridge():
                return self._bridge(command)
            case control.Unbridge():
                self._part(self._port(command.session))
                return {}
            case control.Fork():
                return self._fork(command)
            case control.Record():
                return self._record(command)
            case control.StopRecord():
                return self._stop_record(command)
            case control.Close():
                self._port(command.session)
                return self._close(command.session)
            case control.Stats():
                return self._stats(command)
            case _:
                assert_never(command)

    def _port(self, name: str) -> RtpPort:
        try:
            return self._ports[name]
        except KeyError:
            raise CommandError("unknown_session", f"no session {name!r} is open") from None

    def _open(self, command: control.Open) -> Result:
        if command.session in self._ports:
            raise CommandError("exists", f"session {command.session!r} is open already")
        pair = self._bind(command.host or self._host)
        outgoing = OutgoingStream(
            ssrc=secrets.randbits(32),
            sequence=secrets.randbits(16),
            timestamp=secrets.randbits(32),
        )
        port = RtpPort(
            Session(command.session, outgoing),
            pair,
            copy_to=self._copy,
            on_latched=self._on_latched,
        )
        self._ports[command.session] = port
        host, number = port.address
        return {"host": host, "port": number}

    def _bind(self, host: str) -> tuple[socket.socket, socket.socket]:
        """Bind the next pair that no other program has taken."""
        for _ in range(max(1, self._pool.free)):
            try:
                number = self._pool.take()
            except PortsExhausted as error:
                raise CommandError("no_ports", str(error)) from None
            try:
                return bind_pair(host, number)
            except OSError as error:
                self._pool.give_back(number)
                if error.errno != errno.EADDRINUSE:
                    raise CommandError("no_ports", f"cannot bind {host}: {error}") from error
                log.warning("port pair in use by another program", port=number)
        raise CommandError("no_ports", "every free port pair is in use by other programs")

    def _set_remote(self, command: control.Remote) -> Result:
        port = self._port(command.session)
        accepts: dict[int, control.Codec | None] = {
            **command.accepts,
            command.payload_type: command.codec,
        }
        if command.telephone_event is not None:
            accepts[command.telephone_event] = None
        nowhere = command.port == 0 or ipaddress.ip_address(command.host).is_unspecified
        remote = Remote(
            None if nowhere else (command.host, command.port),
            command.payload_type,
            command.codec,
            command.telephone_event,
            accepts,
        )
        port.session.set_remote(remote, time.monotonic())
        self._route(port)
        return {}

    @staticmethod
    def _route(port: RtpPort) -> None:
        """Work out both directions of a port's bridge anew."""
        partner = port.partner
        port.session.route_to(partner.session if partner else None)
        if partner is not None:
            partner.session.route_to(port.session)

    def _bridge(self, command: control.Bridge) -> Result:
        first, second = self._port(command.first), self._port(command.second)
        if first.partner is second:
            return {}
        self._part(first)
        self._part(second)
        first.partner, second.partner = second, first
        first.session.outgoing.switch()
        second.session.outgoing.switch()
        self._route(first)
        return {}

    @staticmethod
    def _part(port: RtpPort) -> None:
        partner, port.partner = port.partner, None
        if partner is not None:
            partner.partner = None

    def _fork(self, command: control.Fork) -> Result:
        port = self._port(command.session)
        if command.host is None or command.port is None:
            port.fork = None
        else:
            port.fork = (command.host, command.port)
        return {}

    def _copy(self, data: bytes, destination: Source) -> None:
        family = socket.AF_INET6 if ":" in destination[0] else socket.AF_INET
        copier = self._copiers.get(family)
        if copier is None:
            copier = self._copiers[family] = socket.socket(family, socket.SOCK_DGRAM)
            copier.settimeout(0)
        copier.sendto(data, destination)

    def _record(self, command: control.Record) -> Awaitable[Result]:
        if command.recording in self._recorders:
            raise CommandError("exists", f"recording {command.recording!r} is running already")
        sides = self._port(command.left), self._port(command.right)
        recorder = Recorder(
            command.path,
            executor=self._disk,
            on_failed=partial(self._on_recording_failed, command.recording),
        )
        self._recorders[command.recording] = recorder
        for channel, port in enumerate(sides):
            port.taps = (*port.taps, (recorder, channel))
        return self._recording_made(command, recorder)

    async def _recording_made(self, command: control.Record, recorder: Recorder) -> Result:
        try:
            await recorder.open()
        except OSError as error:
            self._forget(command.recording, recorder)
            raise CommandError("disk", f"{command.path}: {error.strerror or error}") from error
        return {}

    def _stop_record(self, command: control.StopRecord) -> Awaitable[Result]:
        recorder = self._recorders.get(command.recording)
        if recorder is None:
            raise CommandError(
                "unknown_recording", f"no recording {command.recording!r} is running"
            )
        self._forget(command.recording, recorder)
        return self._recording_complete(recorder)

    @staticmethod
    async def _recording_complete(recorder: Recorder) -> Result:
        try:
            written = await recorder.stop()
        except OSError as error:
            raise CommandError("disk", str(error)) from error
        return {"path": str(written.path), "seconds": written.seconds, "bytes": written.bytes}

    def _forget(self, recording: str, recorder: Recorder) -> None:
        """Let no more packets go to a recording, and its name be used again."""
        if self._recorders.get(recording) is recorder:
            del self._recorders[recording]
        for port in self._ports.values():
            if any(tap is recorder for tap, _ in port.taps):
                port.taps = tuple(entry for entry in port.taps if entry[0] is not recorder)

    def _on_recording_failed(self, recording: str, reason: str) -> None:
        log.error("recording failed", recording=recording, reason=reason)
        self._forget(recording, self._recorders[recording])
        self._emit(control.encode_event("recording_failed", recording=recording, reason=reason))

    def _on_latched(self, port: RtpPort) -> None:
        if port.session.source is not None:
            host, number = port.session.source[:2]
            self._emit(
                control.encode_event("latched", session=port.session.name, host=host, port=number)
            )

    def _close(self, name: str) -> Result:
        port = self._ports.pop(name)
        self._part(port)
        _, number = port.address
        port.close()
        self._pool.give_back(number)
        return self._statistics(port.session)

    def _stats(self, command: control.Stats) -> Result:
        if command.session is not None:
            return self._statistics(self._port(command.session).session)
        ports = self._ports.values()
        return {
            "sessions": len(ports),
            "ports": len(self._pool),
            "bridges": sum(port.partner is not None for port in ports) // 2,
            "forks": sum(port.fork is not None for port in ports),
            "recordings": len(self._recorders),
        }

    @staticmethod
    def _statistics(session: Session) -> Result:
        last = session.last_packet
        return {
            "packets_in": session.incoming.received,
            "packets_out": session.packets_out,
            "lost": session.incoming.lost,
            "duplicates": session.incoming.duplicates,
            "discarded": session.incoming.discarded,
            "strangers": session.strangers,
            "malformed": session.malformed,
            "unexpected": session.unexpected,
            "last_packet": None if last is None else time.time() - (time.monotonic() - last),
        }
