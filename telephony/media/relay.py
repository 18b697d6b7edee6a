"""The stream that goes out to one peer, whoever is heard in it.

A session keeps one :class:`OutgoingStream` for its whole life. Packets of the partner are sent on
with their header rewritten: one SSRC, sequence numbers without a step, timestamps that go on with
the clock, although partners come and go and their own numbers start anywhere. Loss and reordering
are passed on as they are: the receiver's jitter buffer knows what to do with them. Frames of a mix
and keys of our own continue the same numbers.
"""

from typing import Final, NamedTuple

from telephony.media.codecs import COMFORT_NOISE, CodecSpec
from telephony.media.g711 import RATE, transcoding
from telephony.media.path import Description
from telephony.media.rtp import FIXED_HEADER, RtpPacket, sequence_delta, timestamp_delta

_PACKET_SECONDS: Final = 0.02
_LATE_SECONDS: Final = 0.02
"""Whoever speaks next, at most so late, follows the one before without a hole: the peer's jitter
buffer has room for that, and would otherwise have to make up what nobody said."""
_MIX: Final = object()


class Route(NamedTuple):
    """How packets of one payload type go on: as which number, through which byte table."""

    payload_type: int
    table: bytes | None


def shared(spoken: CodecSpec, target: Description) -> bool:
    """Whether packets of a codec can be relayed to a peer without decoding them."""
    if {spoken.name, target.codec.name} <= {"PCMA", "PCMU"}:
        return True
    return spoken == target.codec


def routes(source: Description, target: Description) -> dict[int, Route]:
    """Map each payload type that ``source`` may send to what ``target`` understands.

    Telephone-events and comfort noise are left out, and so dropped, where the target has no number
    for them; so are codecs that it does not share.
    """
    mapped: dict[int, Route] = {}
    noise = next((number for number, codec in target.accepts.items() if codec is COMFORT_NOISE), -1)
    for payload_type, codec in source.accepts.items():
        if codec is None:
            if target.telephone_event is not None:
                mapped[payload_type] = Route(target.telephone_event, None)
        elif codec is COMFORT_NOISE:
            if noise >= 0:
                mapped[payload_type] = Route(noise, None)
        elif shared(codec, target):
            table = None if codec == target.codec else transcoding(codec.name, target.codec.name)
            mapped[payload_type] = Route(target.payload_type, table)
    return mapped


class OutgoingStream:
    """Packets of changing sources as one RTP stream.

    Args:
        ssrc: of the stream, chosen at random by the caller (RFC 3550 §8).
        sequence: the first sequence number; random too (§5.1).
        timestamp: the first timestamp; random too.
    """

    __slots__ = (
        "_clock",
        "_duration",
        "_run",
        "_sequence",
        "_sequence_offset",
        "_stamped_at",
        "_timestamp",
        "_timestamp_offset",
        "ssrc",
    )

    def __init__(self, *, ssrc: int, sequence: int, timestamp: int) -> None:
        self.ssrc = ssrc
        self._clock = RATE
        self._sequence = (sequence - 1) & 0xFFFF  # the highest sent
        self._timestamp = timestamp  # the highest sent, and when
        self._stamped_at: float | None = None
        self._duration = round(RATE * _PACKET_SECONDS)
        self._run: object = None
        self._sequence_offset = 0
        self._timestamp_offset = 0

    @property
    def newest(self) -> tuple[int, float] | None:
        """The highest timestamp sent, and when; None before the first packet."""
        return None if self._stamped_at is None else (self._timestamp, self._stamped_at)

    def set_clock(self, clock: int) -> None:
        """Count timestamps at another rate from the next packet on, as its codec wants it."""
        if clock != self._clock:
            self._clock = clock
            self._duration = round(clock * _PACKET_SECONDS)
            self._run = None

    def switch(self) -> None:
        """Take the next packet for the first of another source, whatever its numbers say."""
        self._run = None

    def forward(
        self, packet: RtpPacket, run: object, route: Route, now: float, payload: bytes | None = None
    ) -> bytes:
        """Return the datagram to send for ``packet``, which belongs to ``run`` of its source.

        ``payload``: what is sent in place of the packet's.
        """
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
            if self._clock == RATE:  # G.711 and G.722 alike: an octet a tick (RFC 3551 §4.5)
                self._duration = len(packet.payload)
        payload_type, table = route
        if payload is None:
            payload = packet.payload if table is None else packet.payload.translate(table)
        second = payload_type | 0x80 if marker else payload_type
        return FIXED_HEADER.pack(0x80, second, sequence, timestamp, self.ssrc) + payload

    def withhold(self) -> None:
        """Leave out one packet of the relayed source without a hole in the sequence."""
        self._sequence_offset -= 1

    def emit(self, payload: bytes, payload_type: int, seconds: float, now: float) -> bytes:
        """Return the datagram for the next frame of a mix, which lasts so long."""
        timestamp, marker = self._timestamp, True
        if self._stamped_at is not None:
            moved = self._moved(now)
            marker = moved != self._duration
            timestamp += moved
        self._run = _MIX
        self._timestamp, self._stamped_at = timestamp & 0xFFFFFFFF, now
        self._duration = round(seconds * self._clock)
        return self._own(payload, payload_type, self._timestamp, marker=marker)

    def begin_event(self, now: float) -> int:
        """Return the timestamp of a key that is pressed now (RFC 4733 §2.3.1)."""
        if self._stamped_at is None:
            return self._timestamp
        return (self._timestamp + self._moved(now)) & 0xFFFFFFFF

    def event(self, payload: bytes, payload_type: int, timestamp: int, *, begins: bool) -> bytes:
        """Return the datagram of one telephone-event packet of our own."""
        return self._own(payload, payload_type, timestamp, marker=begins)

    def _own(self, payload: bytes, payload_type: int, timestamp: int, *, marker: bool) -> bytes:
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._sequence_offset += 1
        second = payload_type | 0x80 if marker else payload_type
        return FIXED_HEADER.pack(0x80, second, self._sequence, timestamp, self.ssrc) + payload

    def _moved(self, now: float) -> int:
        """Return by how much the timestamp moves from the newest to whatever comes now."""
        elapsed = 0 if self._stamped_at is None else round((now - self._stamped_at) * self._clock)
        return elapsed if elapsed > self._duration + _LATE_SECONDS * self._clock else self._duration

    def _attach(self, packet: RtpPacket, run: object, now: float) -> None:
        """Lay the numbers of a new run so that they continue those already sent."""
        timestamp = self._timestamp
        if self._stamped_at is not None:
            timestamp += self._moved(now)
        self._run = run
        self._sequence_offset = self._sequence + 1 - packet.sequence
        self._timestamp_offset = timestamp - packet.timestamp
