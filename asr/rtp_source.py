"""Forked RTP in, ordered 8 kHz PCM with its time out. Pure.

RFC 3550 gives the packet (section 5.1) and the rules for sequence numbers (appendix A.1). Packets
are put in order within 60 ms, repeated ones dropped; a hole in the audio is filled with silence so
that the engine hears it where it was, a long one only moves the clock on.

The time line is the sender's RTP timestamp, anchored to the stream's clock by the first packet, and
anew by a new SSRC or when the two have drifted 2 s apart (a phone that stopped sending on hold and
did not count on). So audio may come faster than real time, in bursts, or late: its times are right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct

from asr import g711
from asr.control import Codec
from asr.ports import SAMPLE_RATE

STATIC_TYPES: Mapping[int, Codec] = {0: "PCMU", 8: "PCMA"}
"""RFC 3551, table 4."""

REORDER_SECONDS = 0.06
LONGEST_FILL = 1.0
"""Seconds of silence put into a hole; a longer hole is passed over."""

_REORDER_PACKETS = 64
_DRIFT = 2.0
_MAX_DROPOUT = 3000
_MAX_MISORDER = 100
_HEADER = 12
_PLAIN = 0x80
"""The first octet of a header without padding, extension and contributing sources."""

_FIELDS = Struct(">BHII")
"""Marker and payload type, sequence number, timestamp, SSRC."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """The parts of an RTP packet (RFC 3550 section 5.1) that matter here."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Audio:
    """8 kHz s16le mono; ``at``: the time of its first sample, in seconds."""

    at: float
    pcm: bytes

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.pcm) / (2 * SAMPLE_RATE)


def packets_in(datagram: bytes) -> list[bytes]:
    """Return the packets of a datagram: one, or several each behind its length in 16 bits.

    RFC 4571's framing, as the media process gathers them. An RTP packet starts with its version, 2
    in the upper bits, which no length below 32768 has. A last one that is cut off is returned so.
    """
    if not datagram or datagram[0] >> 6 == 2:  # noqa: PLR2004 - the version
        return [datagram]
    packets: list[bytes] = []
    start = 0
    while start < len(datagram):
        end = start + 2 + int.from_bytes(datagram[start : start + 2])
        packets.append(datagram[start + 2 : end])
        start = end
    return packets


def parse_rtp(datagram: bytes) -> RtpPacket | None:
    """Read a packet; None for anything that is not RTP version 2 in one piece."""
    if len(datagram) < _HEADER or datagram[0] >> 6 != 2:  # noqa: PLR2004 - the version
        return None
    start = _HEADER + 4 * (datagram[0] & 0x0F)
    if datagram[0] & 0x10:
        if len(datagram) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4])
    end = len(datagram)
    if datagram[0] & 0x20:
        # "The last octet of the padding contains a count of how many padding octets should be
        # ignored, including itself."
        padding = datagram[-1]
        if padding == 0:
            return None
        end -= padding
    if start > end:
        return None
    return RtpPacket(
        payload_type=datagram[1] & 0x7F,
        sequence=int.from_bytes(datagram[2:4]),
        timestamp=int.from_bytes(datagram[4:8]),
        ssrc=int.from_bytes(datagram[8:12]),
        payload=datagram[start:end],
    )


@dataclass(slots=True)
class SourceStats:
    """What came in, in packets; ``repeated`` came twice, or after its place had been given up."""

    packets: int = 0
    malformed: int = 0
    repeated: int = 0
    lost: int = 0
    ignored: int = 0


class RtpSource:
    """One leg's RTP, from packets to audio.

    Args:
        opened_at: ``now`` at the stream's opening.
        t0: what the audio's clock shows at that moment, in seconds.
        payload_types: what to decode besides PCMU 0 and PCMA 8. Other types (telephone-event,
            comfort noise) take their place in the sequence and are not heard.

    Attributes:
        deadline: when ``handle(None, now)`` is wanted, or None.
        stats: counters.
    """

    def __init__(
        self,
        *,
        opened_at: float,
        t0: float = 0.0,
        payload_types: Mapping[int, Codec] | None = None,
    ) -> None:
        self.deadline: float | None = None
        self.stats = SourceStats()
        self._types = {**STATIC_TYPES, **(payload_types or {})}
        self._clock_start = t0 - opened_at
        self._ssrc: int | None = None
        self._expected = 0
        self._restart: int | None = None
        self._held: dict[int, tuple[float, RtpPacket]] = {}
        self._next_timestamp: int | None = None
        self._next_at = t0

    def handle(self, datagram: bytes | None, now: float) -> list[Audio]:
        """Take a datagram, or None at the deadline; return the audio that is now in order."""
        if datagram is not None:
            audio: list[Audio] = []
            for packet in packets_in(datagram):
                if (expected := self._expected_one(packet, now)) is not None:
                    audio.append(expected)
                else:
                    self._take(packet, now)
                    audio += self._release(now)
            return audio
        return self._release(now)

    def _expected_one(self, datagram: bytes, now: float) -> Audio | None:
        """Return the audio of the packet that nearly every one is: the next, in its time.

        It does what ``_take``, ``_release`` and ``_decode`` would, for a third of the time; None
        leaves it to them.
        """
        if self._held or len(datagram) <= _HEADER or datagram[0] != _PLAIN:
            return None
        kind, sequence, timestamp, ssrc = _FIELDS.unpack_from(datagram, 1)
        codec = self._types.get(kind & 0x7F)
        if (
            codec is None
            or sequence != self._expected & 0xFFFF
            or timestamp != self._next_timestamp
            or ssrc != self._ssrc
            or self._clock_start + now - self._next_at > _DRIFT
        ):
            return None
        payload = datagram[_HEADER:]
        audio = Audio(self._next_at, g711.decode(payload, codec))
        self.stats.packets += 1
        self._restart = None
        self._expected += 1
        self._next_timestamp = (timestamp + len(payload)) & 0xFFFFFFFF
        self._next_at += len(payload) / SAMPLE_RATE
        return audio

    def drain(self) -> list[Audio]:
        """Return what is still held back, in order: nothing further will come."""
        audio: list[Audio] = []
        while self._held:
            self._skip_hole()
            audio += self._in_order()
        self.deadline = None
        return audio

    def _take(self, data: bytes, now: float) -> None:
        packet = parse_rtp(data)
        if packet is None:
            self.stats.malformed += 1
            return
        self.stats.packets += 1
        if packet.ssrc != self._ssrc:
            self._begin(packet)
        # Distance from the expected packet, as a signed 16-bit number.
        ahead = ((packet.sequence - self._expected + 0x8000) & 0xFFFF) - 0x8000
        if -_MAX_MISORDER <= ahead < 0 or self._expected + ahead in self._held:
            self.stats.repeated += 1
            return
        if not 0 <= ahead < _MAX_DROPOUT:
            # Appendix A.1: "Two sequential packets -- assume that the other side restarted without
            # telling us so just re-sync (i.e., pretend this was the first packet)."
            if packet.sequence != self._restart:
                self._restart = (packet.sequence + 1) & 0xFFFF
                self.stats.ignored += 1
                return
            self._begin(packet)
            ahead = 0
        self._restart = None
        self._held[self._expected + ahead] = (now, packet)

    def _begin(self, packet: RtpPacket) -> None:
        """Take the packet for the first of a new sender; what the old one left is dropped."""
        self.stats.lost += len(self._held)
        self._held.clear()
        self._ssrc = packet.ssrc
        self._expected = packet.sequence
        self._next_timestamp = None
        self._restart = None

    def _release(self, now: float) -> list[Audio]:
        audio = self._in_order()
        while self._held and (
            len(self._held) > _REORDER_PACKETS
            or min(came for came, _ in self._held.values()) + REORDER_SECONDS <= now
        ):
            self._skip_hole()
            audio += self._in_order()
        self.deadline = (
            min(came for came, _ in self._held.values()) + REORDER_SECONDS if self._held else None
        )
        return audio

    def _skip_hole(self) -> None:
        first = min(self._held)
        self.stats.lost += first - self._expected
        self._expected = first

    def _in_order(self) -> list[Audio]:
        audio: list[Audio] = []
        while (entry := self._held.pop(self._expected, None)) is not None:
            audio += self._decode(*entry)
            self._expected += 1
        return audio

    def _decode(self, came: float, packet: RtpPacket) -> list[Audio]:
        codec = self._types.get(packet.payload_type)
        if codec is None or not packet.payload:
            self.stats.ignored += 1
            return []
        at = self._place(packet.timestamp, came)
        hole = at - self._next_at
        audio: list[Audio] = []
        if self._next_timestamp is not None and 0 < hole <= LONGEST_FILL:
            # Whole samples; 0.001 for what floats lack.
            samples = int(hole * SAMPLE_RATE + 0.001)
            audio.append(Audio(self._next_at, bytes(2 * samples)))
        heard = Audio(at, g711.decode(packet.payload, codec))
        self._next_at = at + heard.seconds
        self._next_timestamp = (packet.timestamp + len(packet.payload)) & 0xFFFFFFFF
        return [*audio, heard]

    def _place(self, timestamp: int, came: float) -> float:
        """Return the time of the packet's first sample; never before what was already given."""
        arrival = max(self._next_at, self._clock_start + came)
        if self._next_timestamp is None:
            return arrival
        # Distance from the expected timestamp, as a signed 32-bit number.
        gap = ((timestamp - self._next_timestamp + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        at = self._next_at + gap / SAMPLE_RATE
        if at < arrival - _DRIFT or gap < 0 or (gap > 0 and at > arrival + _DRIFT):
            return arrival
        return at
