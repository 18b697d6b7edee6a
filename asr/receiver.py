"""The UDP ports of all streams, looked at together many times a second.

With dozens of streams a packet comes every millisecond. To be woken by each would cost several
times what the packet itself does: the decoders, on the same cores, are interrupted each time, and
neither side finds in the processor's cache what it left there. So the packets wait in the kernel,
and those that have come are taken in one go. That makes results later by half of ``LOOK_EVERY``.
"""

import asyncio
import socket
from collections.abc import Callable

import structlog

from asr.rtp_source import Audio, RtpSource

log = structlog.get_logger(__name__)

LOOK_EVERY = 0.04
"""Seconds: two packets of nearly every phone."""

AT_ONCE = 100
"""Datagrams of one port in one look: two seconds of nearly every phone. A flood waits with the rest
in the kernel, and the other streams have their turn."""

_AT_LAST = 1000  # more than the kernel keeps for a port

_LONGEST = 65536


class Port:
    """One stream's UDP port. ``Receiver.open`` makes one."""

    def __init__(
        self, sock: socket.socket, source: RtpSource, on_audio: Callable[[Audio], None]
    ) -> None:
        self._sock = sock
        self._source = source
        self._on_audio = on_audio

    @property
    def address(self) -> tuple[str, int]:
        """Where packets are to be sent."""
        host, port = self._sock.getsockname()[:2]
        return host, port

    def look(self, now: float, most: int = AT_ONCE) -> None:
        """Pass on the audio of the packets that have come, and of what is waited for no more.

        Args:
            now: seconds, the event loop's.
            most: takes so many datagrams; the rest waits for the next look.
        """
        for _ in range(most):
            if (datagram := self._receive()) is None:
                break
            self._feed(datagram, now)
        if self._source.deadline is not None and self._source.deadline <= now:
            self._feed(None, now)

    def close(self) -> None:
        """Let go of the port; safe to repeat."""
        self._sock.close()

    def _receive(self) -> bytes | None:
        try:
            return self._sock.recv(_LONGEST)
        except OSError:  # BlockingIOError nearly always: there is no more
            return None

    def _feed(self, datagram: bytes | None, now: float) -> None:
        for audio in self._source.handle(datagram, now):
            self._on_audio(audio)


class Receiver:
    """Opens ports, and looks at them as long as there are any."""

    def __init__(self) -> None:
        self._ports: set[Port] = set()
        self._timer: asyncio.TimerHandle | None = None

    def open(self, host: str, source: RtpSource, on_audio: Callable[[Audio], None]) -> Port:
        """Open a port on this address. Raises OSError: there is none."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.settimeout(0)
            sock.bind((host, 0))
        except OSError:
            sock.close()
            raise
        port = Port(sock, source, on_audio)
        self._ports.add(port)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)
        return port

    def close(self, port: Port) -> None:
        """Take what has come to this port, and close it; safe to repeat."""
        if port in self._ports:
            self._ports.remove(port)
            _look_at(port, _AT_LAST)
            port.close()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LOOK_EVERY, self._look) if self._ports else None
        for port in tuple(self._ports):
            _look_at(port)


def _look_at(port: Port, most: int = AT_ONCE) -> None:
    try:
        port.look(asyncio.get_running_loop().time(), most)
    except Exception:  # outermost boundary: one stream's trouble is not the others'
        log.exception("a packet was not taken", port=port.address)
