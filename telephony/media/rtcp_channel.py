"""The RTCP of one session: its socket, its timer, and where its peer's RTCP is.

Reports go out every 2.5 to 7.5 s (RFC 3550 §6.3: spread, so that sessions do not speak in step),
first to the port above that of the peer's RTP or to the one its SDP names (RFC 3605), then to where
its reports come from. On a shared port (RFC 5761) the packet path carries them.
"""

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final, Protocol

from telephony.media.path import PathStats, Source
from telephony.media.reporting import INTERVAL, Reporter
from telephony.media.rtcp import is_rtcp

_MAX_DATAGRAM: Final = 2048
_RECEIVE_BUFFER: Final = 4096
"""Octets: a few reports; whoever floods this port fills no memory."""
_IN_ONE_GO: Final = 8


class Protection(Protocol):
    """What hides RTCP from others, where the stream is secured (SRTCP)."""

    def protect_rtcp(self, report: bytes) -> bytes | None:
        """Return what goes out; None: not yet."""

    def unprotect_rtcp(self, datagram: bytes) -> bytes | None:
        """Return what came in; None: it was forged."""


class RtcpChannel:
    """One session's RTCP.

    Args:
        port: a bound socket that does not block; owned from now on.
        stats: asks the packet path what the session saw.
        send_shared: sends a datagram from the RTP port.
        interval: mean seconds between two reports.

    Attributes:
        protection: of a secured session.
        heard_at: when the peer's latest report came (monotonic seconds), or None.
    """

    __slots__ = (
        "_clock",
        "_destination",
        "_heard",
        "_hosts",
        "_interval",
        "_loop",
        "_port",
        "_reporter",
        "_rtp",
        "_send_shared",
        "_shared",
        "_stats",
        "_timer",
        "heard_at",
        "protection",
    )

    def __init__(
        self,
        port: socket.socket,
        *,
        stats: Callable[[], PathStats],
        send_shared: Callable[[bytes, Source], None],
        interval: float = INTERVAL,
    ) -> None:
        port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._port = port
        self._stats = stats
        self._send_shared = send_shared
        self._reporter = Reporter(secrets.token_hex(12))  # RFC 7022 §4.2: says nothing of anybody
        self._interval = interval
        self._clock = 8000
        self._shared = False
        self._rtp: Source | None = None
        self._destination: Source | None = None
        self._hosts: set[str] = set()
        self._heard = False
        self._timer: asyncio.TimerHandle | None = None
        self.protection: Protection | None = None
        self.heard_at: float | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(port, self._on_readable)

    def describe(
        self, address: tuple[str, int] | None, *, rtcp_port: int | None, shared: bool, clock: int
    ) -> None:
        """Say what the peer's SDP says.

        Args:
            address: of its RTP; None: it is on hold, and reported to where it was.
            rtcp_port: ``a=rtcp``, if it says that.
            shared: RTCP goes over the RTP port (``a=rtcp-mux``).
            clock: of its codec.
        """
        self._clock, self._shared = clock, shared
        if address is not None:
            self._hosts = {address[0]}
            self._rtp = address
            self._heard = False
            self._destination = (address[0], rtcp_port or min(65535, address[1] + 1))
        if self._timer is None:
            self._arm()

    def latched(self, source: Source) -> None:
        """The peer's RTP comes from here."""
        self._rtp = source
        self._hosts.add(source[0])
        if not self._heard:
            self._destination = _above(source)

    def take(self, datagram: bytes, now: float) -> None:
        """Take a report of the peer that came over the RTP port, already in the clear."""
        if self._reporter.handle(datagram, self._stats(), now, time.time()):
            self.heard_at = now

    def quality(self, stats: PathStats) -> dict[str, Any]:
        """Return :class:`~telephony.media.reporting.Quality` as a document."""
        return asdict(self._reporter.quality(stats, self._clock))

    def close(self, stats: PathStats) -> None:
        """Say goodbye to who was sent anything, and give up the port.

        On a shared port that is too late: the session is closed; the peer has had its BYE.
        """
        if self._timer is not None:
            self._timer.cancel()
        if not self._shared and stats.packets_out:
            now, wall = time.monotonic(), time.time()
            self._send(self._reporter.goodbye(stats, self._clock, now, wall))
        self._loop.remove_reader(self._port)
        self._port.close()

    def _arm(self) -> None:
        delay = self._interval * (0.5 + secrets.randbelow(1000) / 1000)
        self._timer = self._loop.call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._arm()
        stats = self._stats()
        if stats.ssrc_in is not None or stats.packets_out:
            report = self._reporter.report(stats, self._clock, time.monotonic(), time.time())
            self._send(report)

    def _send(self, report: bytes) -> None:
        data = report if self.protection is None else self.protection.protect_rtcp(report)
        if data is None:
            return
        if self._shared:
            if self._rtp is not None:
                self._send_shared(data, self._rtp)
        elif self._destination is not None:
            with contextlib.suppress(OSError):  # dropped, as the network might have
                self._port.sendto(data, self._destination)

    def _on_readable(self) -> None:
        for _ in range(_IN_ONE_GO):
            try:
                datagram, source = self._port.recvfrom(_MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an earlier packet
            self._receive(datagram, source)

    def _receive(self, datagram: bytes, source: Source) -> None:
        if source[0] not in self._hosts or not is_rtcp(datagram):
            return  # a stranger: neither believed nor answered
        plain: bytes | None = datagram
        if self.protection is not None:
            plain = self.protection.unprotect_rtcp(datagram)
        if plain is None:
            return
        if self._reporter.handle(plain, self._stats(), time.monotonic(), time.time()):
            self._heard, self._destination = True, source
            self.heard_at = time.monotonic()


def _above(source: Source) -> Source:
    """Return the address one port higher (RFC 3550 §11)."""
    if len(source) == 2:  # noqa: PLR2004 - IPv4
        return (source[0], min(65535, source[1] + 1))
    return (source[0], min(65535, source[1] + 1), source[2], source[3])
