"""A session on the network: its sockets, and the path of every packet.

Sockets are driven directly rather than through asyncio transports: one callback a packet, one
system call to receive and one to send, and a full socket buffer drops the packet at once instead of
queueing it, because late audio is worth less than none.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol

from telephony.media.g711 import Codec
from telephony.media.rtp import RtpPacket
from telephony.media.session import Session, Source

_MAX_DATAGRAM: Final = 2048  # longer ones are cut, and then mostly malformed: no audio is this long


class Tap(Protocol):
    """Somebody who listens to what a session's peer sends."""

    def hear(
        self, channel: int, packet: RtpPacket, *, codec: Codec, run: object, now: float
    ) -> None:
        """Take one packet; must not block."""


def bind_pair(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Bind RTP to an even port and RTCP to the next.

    Raises:
        OSError: one of them is in use, or the address is not ours.
    """
    with contextlib.ExitStack() as undo:
        pair = []
        for number in (port, port + 1):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            bound = undo.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            bound.settimeout(0)
            bound.bind((host, number))
            pair.append(bound)
        undo.pop_all()
    rtp, rtcp = pair
    # RTCP is not used yet. The port is ours, so nobody else gets the peer's reports and it gets no
    # "port unreachable"; nothing is read, and the smallest buffer keeps almost nothing.
    rtcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
    return rtp, rtcp


class RtpPort:
    """One session's sockets.

    Args:
        session: what the packets mean.
        pair: the RTP and the RTCP socket.
        copy_to: sends a copy of a packet; must not block or raise anything but OSError.
        on_latched: called when the peer's address becomes known.

    Attributes:
        partner: the port whose peer hears ours, or None.
        fork: where copies go, or None.
        taps: recordings, each with the channel that is this session's.
    """

    __slots__ = (
        "_copy_to",
        "_loop",
        "_on_latched",
        "_receive_from",
        "_rtcp",
        "_rtp",
        "_send_to",
        "fork",
        "partner",
        "session",
        "taps",
    )

    def __init__(
        self,
        session: Session,
        pair: tuple[socket.socket, socket.socket],
        *,
        copy_to: Callable[[bytes, Source], object],
        on_latched: Callable[["RtpPort"], None],
    ) -> None:
        self.session = session
        self.partner: RtpPort | None = None
        self.fork: Source | None = None
        self.taps: tuple[tuple[Tap, int], ...] = ()
        self._rtp, self._rtcp = pair
        self._receive_from = self._rtp.recvfrom
        self._send_to = self._rtp.sendto
        self._copy_to = copy_to
        self._on_latched = on_latched
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._rtp, self._on_readable)

    @property
    def address(self) -> tuple[str, int]:
        """Where the peer shall send its RTP."""
        host, port = self._rtp.getsockname()[:2]
        return host, port

    def close(self) -> None:
        """Stop; the ports are free at once."""
        self._loop.remove_reader(self._rtp)
        self._rtp.close()
        self._rtcp.close()

    def _on_readable(self) -> None:
        # One packet a call: the loop comes back at once if there are more, and no peer can keep the
        # others waiting by flooding one port.
        try:
            data, source = self._receive_from(_MAX_DATAGRAM)
        except OSError:
            return  # nothing there after all, or an ICMP error of an earlier packet
        self.receive(data, source, monotonic())

    def receive(self, data: bytes, source: Source, now: float) -> None:
        """Take one datagram: copy, relay and record it as it deserves."""
        session = self.session
        known = session.source
        packet = session.receive(data, source, now)
        if packet is None:
            return
        if session.source != known:
            self._on_latched(self)
        if self.fork is not None:
            # A copy that cannot be sent now is dropped: recognition never delays a call.
            with contextlib.suppress(OSError):
                self._copy_to(data, self.fork)
        codec = session.codec_of(packet)
        if not session.incoming.accept(packet, now, audio=codec is not None):
            return
        partner = self.partner
        if partner is not None:
            datagram = session.relay(packet, partner.session, now)
            if datagram is not None:
                partner.send(datagram)
        if codec is not None:
            for tap, channel in self.taps:
                tap.hear(channel, packet, codec=codec, run=session.incoming.run, now=now)

    def send(self, datagram: bytes) -> None:
        """Send to the peer; a full buffer or an unreachable network drops it."""
        destination = self.session.destination
        if destination is None:
            return
        try:
            self._send_to(datagram, destination)
        except OSError:
            return
        self.session.packets_out += 1
