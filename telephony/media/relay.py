"""The stream that goes out to one peer, whoever is heard in it.

A session keeps one :class:`OutgoingStream` for its whole life. Packets of the partner are sent on
with their header rewritten: one SSRC, sequence numbers without a step, timestamps that go on with
the clock, although partners come and go and their own numbers start anywhere. Loss and reordering
are passed on as they are: the receiver's jitter buffer knows what to do with them.
"""

from typing import Final, NamedTuple

from telephony.media.g711 import RATE, Codec, transcoding
from telephony.media.rtp import FIXED_HEADER, RtpPacket, sequence_delta, timestamp_delta

_PACKET_SAMPLES: Final = 160  # 20 ms, until a real packet has shown its length


class Remote(NamedTuple):
    """What a peer's SDP says.

    Attributes:
        address: where it wants its RTP; None when it wants none.
        payload_type: of the audio we send it.
        codec: of that audio.
        telephone_event: payload type for telephone-events (RFC 4733), or None.
        accepts: what it may send us: payload type to codec, None standing for telephone-event.
    """

    address: tuple[str, int] | None
    payload_type: int
    codec: Codec
    telephone_event: int | None
    accepts: dict[int, Codec | None]


class Route(NamedTuple):
    """How packets of one payload type go on: as which number, through which byte table."""

    payload_type: int
    table: bytes | None


def routes(source: Remote, target: Remote) -> dict[int, Route]:
    """Map each payload type that ``source`` may send to what ``target`` understands.

    Telephone-events are left out, and so dropped, where the target has no number for them.
    """
    mapped: dict[int, Route] = {}
    for payload_type, codec in source.accepts.items():
        if codec is not None:
            mapped[payload_type] = Route(target.payload_type, transcoding(codec, target.codec))
        elif target.telephone_event is not None:
            mapped[payload_type] = Route(target.telephone_event, None)
    return mapped


class OutgoingStream:
    """Packets of changing sources as one RTP stream.

    Args:
        ssrc: of the stream, chosen at random by the caller (RFC 3550 §8).
        sequence: the first sequence number; random too (§5.1).
        timestamp: the first timestamp; random too.
    """

    __slots__ = (
        "_duration",
        "_run",
        "_sequence",
        "_sequence_offset",
        "_ssrc",
        "_stamped_at",
        "_timestamp",
        "_timestamp_offset",
    )

    def __init__(self, *, ssrc: int, sequence: int, timestamp: int) -> None:
        self._ssrc = ssrc
        self._sequence = (sequence - 1) & 0xFFFF  # the highest sent
        self._timestamp = timestamp  # the highest sent, and when
        self._stamped_at: float | None = None
        self._duration = _PACKET_SAMPLES
        self._run: object = None
        self._sequence_offset = 0
        self._timestamp_offset = 0

    def switch(self) -> None:
        """Take the next packet for the first of another source, whatever its numbers say."""
        self._run = None

    def forward(self, packet: RtpPacket, run: object, route: Route, now: float) -> bytes:
        """Return the datagram to send for ``packet``, which belongs to ``run`` of its source."""
        marker = packet.marker
        if run is not self._run:
            self._attach(packet, run, now)
            marker = True  # RFC 3551 §4.1: the first packet after a break
        sequence = (packet.sequence + self._sequence_offset) & 0xFFFF
        timestamp = (packet.timestamp + self._timestamp_offset) & 0xFFFFFFFF
        if sequence_delta(sequence, self._sequence) > 0:
            self._sequence = sequence
        if self._stamped_at is None or timestamp_delta(timestamp, self._timestamp) > 0:
            self._timestamp, self._stamped_at = timestamp, now
            self._duration = len(packet.payload)
        payload_type, table = route
        payload = packet.payload if table is None else packet.payload.translate(table)
        second = payload_type | 0x80 if marker else payload_type
        return FIXED_HEADER.pack(0x80, second, sequence, timestamp, self._ssrc) + payload

    def _attach(self, packet: RtpPacket, run: object, now: float) -> None:
        """Lay the numbers of a new run so that they continue those already sent."""
        timestamp = self._timestamp
        if self._stamped_at is not None:
            elapsed = round((now - self._stamped_at) * RATE)
            timestamp += max(elapsed, self._duration)
        self._run = run
        self._sequence_offset = self._sequence + 1 - packet.sequence
        self._timestamp_offset = timestamp - packet.timestamp
