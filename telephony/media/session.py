"""One leg's media, without its sockets: who its peer is, and what becomes of a datagram.

Symmetric RTP (RFC 4961) as operators need it: until the peer is heard we send where its SDP says;
the first valid packet latches its real address, which a NAT may have changed; every other source is
a stranger from then on. A changed SDP address opens the latch again.

Whoever guesses the port could be first ("RTP bleed"). So at first only two hosts may latch, from
any port: the one in the SDP, and the one the SIP came from, which is a NAT's outer address. Others
may only when neither has sent for a while, and give way to them at once.
"""

from typing import Final

from telephony.media.codecs import CodecSpec
from telephony.media.path import LATCH_PATIENCE, Description, Source
from telephony.media.relay import OutgoingStream
from telephony.media.rtcp import is_rtcp
from telephony.media.rtp import MalformedPacket, RtpPacket, parse
from telephony.media.source import IncomingStream

RELATCH_GUARD_SECONDS: Final = 1.0
"""After a re-INVITE moved the peer, packets still under way from its old address come in; for this
long they cannot latch again. Longer would shut out a peer whose SDP changed but not its NAT."""


class Session:
    """The state of one leg's media.

    Attributes:
        remote: the peer's session description, or None before the first.
        source: the latched address of the peer, or None.
        destination: where the peer is sent to, or None.
        incoming: the stream that the peer sends.
        outgoing: the stream that the peer is sent.
        last_packet: when the last valid packet came (monotonic seconds), or None.
        packets_out: datagrams handed to the network, and…
        octets_out: …their payload octets.
        strangers: datagrams from another source than the latched one.
        malformed: datagrams that are not RTP.
        unexpected: RTP of a payload type that was not negotiated.
    """

    __slots__ = (
        "_former_source",
        "_former_until",
        "_home",
        "_hosts",
        "_patient_until",
        "destination",
        "incoming",
        "last_packet",
        "malformed",
        "octets_out",
        "outgoing",
        "packets_out",
        "remote",
        "source",
        "strangers",
        "unexpected",
    )

    def __init__(self, outgoing: OutgoingStream) -> None:
        self.outgoing = outgoing
        self.incoming = IncomingStream()
        self.source: Source | None = None
        self.destination: Source | None = None
        self.last_packet: float | None = None
        self.packets_out = 0
        self.octets_out = 0
        self.strangers = 0
        self.malformed = 0
        self.unexpected = 0
        self.remote: Description | None = None
        self._home: tuple[str, int] | None = None  # the latest address in its SDP; holds included
        self._hosts: frozenset[str] = frozenset()  # that may latch at once
        self._patient_until = 0.0
        self._former_source: Source | None = None
        self._former_until = 0.0

    def set_remote(self, remote: Description, now: float) -> None:
        """Take over the peer's session description: the first, or one of a re-INVITE."""
        if remote.address is None:
            self.destination = None  # on hold: it stays who it is, and may be heard
        elif remote.address != self._home:
            self._move(remote.address, now)
        elif self.destination is None:
            self.destination = self.source or self._home  # back from hold
        if self._home is not None:
            self._hosts = frozenset({self._home[0], remote.signalled_from or self._home[0]})
        self.remote = remote
        self.outgoing.set_clock(remote.codec.clock)

    def _move(self, address: tuple[str, int], now: float) -> None:
        """Expect the peer at another address than before."""
        self._home = address
        self._patient_until = now + LATCH_PATIENCE
        if self.source is not None and self.source[:2] == address:
            self.destination = self.source  # its audio was here before its description
            return
        if self.source is not None:
            self._former_source = self.source
            self._former_until = now + RELATCH_GUARD_SECONDS
        self.source = None
        self.destination = address

    def latch(self, source: Source) -> None:
        """Take an address for the peer's that was found by other means (ICE)."""
        self.source = source
        if self.remote is None or self.remote.address is not None:
            self.destination = source

    def receive(self, data: bytes, source: Source, now: float) -> RtpPacket | None:
        """Return the packet if it is the peer's and valid; latch if it is the first; else count."""
        latched = source == self.source
        if not latched and not self._may_latch(source, now):
            self.strangers += 1
            return None
        try:
            packet = parse(data)
        except MalformedPacket:
            self.malformed += 1
            return None
        if self.remote is None or packet.payload_type not in self.remote.accepts:
            self.unexpected += 1
            return None
        if not latched:
            self._latch(source)
        self.last_packet = now
        return packet

    def reports(self, data: bytes, source: Source) -> bool:
        """Tell whether a datagram on the RTP port is the peer's RTCP (RFC 5761).

        What was negotiated as RTP is RTP. Who was not heard yet is where he says he is.
        """
        if not is_rtcp(data) or source[:2] != (self.source or self._home or source)[:2]:
            return False
        return self.remote is not None and data[1] & 0x7F not in self.remote.accepts

    def _may_latch(self, source: Source, now: float) -> bool:
        """Whether a valid packet from here makes it the peer's address."""
        if source == self._former_source and now < self._former_until:
            return False
        if source[:2] == self._home:
            return True
        named = source[0] in self._hosts
        if self.source is not None:
            return named and self.source[0] not in self._hosts
        # Without an address (hold from the first moment) nobody is named, and nobody is sent to.
        return named or not self._hosts or now >= self._patient_until

    def _latch(self, source: Source) -> None:
        self.source = source
        if self.destination is not None:  # None: the peer asked to be sent nothing (RFC 3264 §5.1)
            self.destination = source

    def codec_of(self, packet: RtpPacket) -> CodecSpec | None:
        """Return the codec of a received packet; None for a telephone-event."""
        return self.remote.accepts[packet.payload_type] if self.remote is not None else None
