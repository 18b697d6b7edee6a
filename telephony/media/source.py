"""What one peer sends us: which packets belong to the stream, which are stray, what got lost.

RFC 3550 §A.1 and §A.3, extended by what phones do in practice: an SSRC that changes in mid-call, a
timestamp that leaps. Each such break starts a new *run*; within one run sequence numbers and
timestamps can be trusted, so relay and recorder only ask whether the run is still the same.
"""

from typing import Final

from telephony.media.g711 import RATE
from telephony.media.rtp import RtpPacket, sequence_delta, timestamp_delta

MAX_DROPOUT: Final = 3000
"""Packets that may be lost in one go (§A.1): a minute."""
MAX_MISORDER: Final = 100
"""Packets by which one may come late (§A.1): two seconds."""
STRAGGLER_SECONDS: Final = 0.2
"""How long packets of the former SSRC are taken for leftovers rather than for a change back."""

_SEEN_BITS = (1 << 128) - 1
_LEAP_FORWARD = 10.0  # seconds
_LEAP_BACK = -1.0
_WRAP_SECONDS = 1000.0  # a deviation beyond is the timestamp's wrap, not the network's


class IncomingStream:
    """The packets of one source, in the order they arrive.

    Attributes:
        run: compare by identity; another object means that numbering started anew.
        received: packets accepted.
        duplicates: packets that had been accepted before.
        discarded: stragglers of an earlier run, and single packets far outside the sequence.
        jitter: of the arrivals in seconds (§6.4.1, §A.8).
        ssrc: of the peer, None before its first packet.
    """

    __slots__ = (
        "_audio_at",
        "_audio_timestamp",
        "_clock",
        "_expected_jump",
        "_first",
        "_former_ssrc",
        "_former_until",
        "_highest",
        "_lost_before",
        "_received_before",
        "_seen",
        "_transit",
        "discarded",
        "duplicates",
        "jitter",
        "received",
        "run",
        "ssrc",
    )

    def __init__(self) -> None:
        self.jitter = 0.0
        self._clock = RATE
        self._transit: float | None = None
        self.run: object = None
        self.received = 0
        self.duplicates = 0
        self.discarded = 0
        self.ssrc: int | None = None
        self._former_ssrc: int | None = None
        self._former_until = 0.0
        self._first = 0  # extended sequence numbers of this run: 16 bits and the wraps above them
        self._highest = 0
        self._seen = 0  # bit n: the packet n before the highest has been accepted
        self._expected_jump = -1
        self._received_before = 0  # of earlier runs
        self._lost_before = 0
        self._audio_timestamp = 0
        self._audio_at = 0.0

    @property
    def highest_sequence(self) -> int:
        """The highest number received, extended by the wraps of this run; 0 before the first."""
        return max(0, self._highest - 0x10000)

    @property
    def lost(self) -> int:
        """Packets missing from the sequence (§A.3)."""
        return self._lost_before + self._lost_now()

    def _lost_now(self) -> int:
        if self.run is None:
            return 0
        expected = self._highest - self._first + 1
        return expected - (self.received - self._received_before)

    def accept(self, packet: RtpPacket, now: float, *, audio: bool, clock: int = RATE) -> bool:
        """Take the next packet; False if it shall go no further.

        ``audio`` is False for telephone-events, whose timestamps stand still (RFC 4733 §2.3.1);
        ``clock`` is what audio timestamps count, per second.
        """
        other_clock = audio and clock != self._clock and self.run is not None
        if audio:
            self._clock = clock
        if packet.ssrc != self.ssrc:
            if packet.ssrc == self._former_ssrc and now < self._former_until:
                self.discarded += 1
                return False
            self._former_ssrc, self._former_until = self.ssrc, now + STRAGGLER_SECONDS
            self._begin(packet)
        else:
            delta = sequence_delta(packet.sequence, self._highest & 0xFFFF)
            if 0 < delta < MAX_DROPOUT:
                if other_clock or (audio and self._leaps(packet, now)):
                    self._begin(packet)
                else:
                    self._highest += delta
                    self._seen = (self._seen << delta | 1) & _SEEN_BITS
            elif not self._fits(packet, delta):
                return False
            else:
                self.received += 1
                return True  # late, or the first after a jump: no measure of the audio clock
        if audio:
            self._audio_timestamp, self._audio_at = packet.timestamp, now
            self._measure(packet, now)
        self.received += 1
        return True

    def _measure(self, packet: RtpPacket, now: float) -> None:
        """Keep the mean deviation of the spacing, smoothed by 1/16 (§6.4.1)."""
        transit = now - packet.timestamp / self._clock
        if self._transit is not None:
            deviation = abs(transit - self._transit)
            if deviation < _WRAP_SECONDS:
                self.jitter += (deviation - self.jitter) / 16
        self._transit = transit

    def _leaps(self, packet: RtpPacket, now: float) -> bool:
        """Whether the next packet's timestamp cannot be the same clock's."""
        moved = timestamp_delta(packet.timestamp, self._audio_timestamp) / self._clock
        return not _LEAP_BACK <= moved <= now - self._audio_at + _LEAP_FORWARD

    def _fits(self, packet: RtpPacket, delta: int) -> bool:
        """Judge a packet that does not continue the sequence: late, seen before, or a jump."""
        if -MAX_MISORDER < delta <= 0:
            bit = 1 << -delta
            if self._seen & bit:
                self.duplicates += 1
                return False
            if self._highest + delta < self._first:
                self.discarded += 1  # of the run before this one
                return False
            self._seen |= bit
            return True
        # §A.1: "Two sequential packets -- assume that the other side restarted without telling us".
        if packet.sequence != self._expected_jump:
            self._expected_jump = (packet.sequence + 1) & 0xFFFF
            self.discarded += 1
            return False
        self._begin(packet)
        return True

    def _begin(self, packet: RtpPacket) -> None:
        self._lost_before += self._lost_now()
        self._received_before = self.received
        self.run = object()
        self.ssrc = packet.ssrc
        # One cycle up, so that an extended number minus a few never goes below zero.
        self._first = self._highest = packet.sequence + 0x10000
        self._seen = 1
        self._expected_jump = -1
        self._audio_timestamp = packet.timestamp
        self._transit = None
