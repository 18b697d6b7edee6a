"""What one session tells its peer about the stream, and hears from it: the machine behind RTCP.

RFC 3550 §6: every few seconds a report with what came in; the peer's reports give the round trip
(§6.4.1) and what it lost of ours. There is no socket and no clock here.
"""

from dataclasses import dataclass
from typing import Final

from telephony.media.emodel import mos, r_factor
from telephony.media.path import PathStats
from telephony.media.rtcp import (
    Description,
    Goodbye,
    MalformedReport,
    ReceiverReport,
    ReportBlock,
    Rtcp,
    SenderReport,
    build,
    parse,
)

INTERVAL: Final = 5.0
"""Mean seconds between two reports (§6.2: "The RECOMMENDED value for a fixed minimum interval is
5 seconds"); the caller spreads them over 0.5…1.5 of it."""
PACKETIZATION: Final = 0.02
"""Seconds that a packet is spoken before it goes."""

_NTP_EPOCH: Final = 2208988800  # seconds from 1900 to 1970
_FRACTION: Final = 1 << 32
_SHORT: Final = 65536  # the fraction of the short form
_LONGEST_TRIP: Final = 10.0  # seconds; beyond it a report's times are nonsense


def ntp(wall: float) -> int:
    """Return a Unix time as 64 bits of NTP."""
    return int((wall + _NTP_EPOCH) * _FRACTION) & 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a session's peer and we hear each other.

    Attributes:
        loss: share of the peer's packets that did not come, 0…1.
        jitter: of those that did, seconds.
        far_loss: share of our packets that the peer says it did not get; None: it never reported.
        far_jitter: that it says they had, seconds; None likewise.
        round_trip: to the peer and back, seconds; None: it never reported.
        r: the worse direction's E-model factor, 0…93.2.
        mos: of that, 1…4.5.
    """

    loss: float
    jitter: float
    far_loss: float | None
    far_jitter: float | None
    round_trip: float | None
    r: float
    mos: float


class Reporter:
    """One session's RTCP.

    Args:
        cname: what our source is called (§6.5.1); the same for the whole session, and nothing
            personal in it (RFC 7022).
    """

    __slots__ = (
        "_cname",
        "_expected_before",
        "_far",
        "_far_expected",
        "_received_before",
        "_report_at",
        "_report_middle",
        "_trip",
        "said_goodbye",
    )

    def __init__(self, cname: str) -> None:
        self._cname = cname
        self._report_middle = 0  # of the peer's newest sender report
        self._report_at = 0.0
        self._trip: float | None = None
        self._far: ReportBlock | None = None
        self._far_expected = 0
        self._expected_before = 0
        self._received_before = 0
        self.said_goodbye = False

    def handle(self, datagram: bytes, stats: PathStats, now: float, wall: float) -> bool:
        """Take what the peer reports; False if it is not RTCP, and then nothing has changed."""
        try:
            packets = parse(datagram)
        except MalformedReport:
            return False
        for packet in packets:
            match packet:
                case SenderReport():
                    self._report_middle = packet.ntp >> 16 & 0xFFFFFFFF
                    self._report_at = now
                    self._hear(packet.blocks, stats, wall)
                case ReceiverReport():
                    self._hear(packet.blocks, stats, wall)
                case Goodbye():
                    self.said_goodbye = True
                case _:
                    pass
        return True

    def _hear(self, blocks: tuple[ReportBlock, ...], stats: PathStats, wall: float) -> None:
        for block in blocks:
            if block.ssrc != stats.ssrc_out:
                continue
            self._far, self._far_expected = block, stats.packets_out
            if block.last_report:
                # §6.4.1: A - LSR - DLSR, in 1/65536 s, modulo 32 bits
                arrived = ntp(wall) >> 16 & 0xFFFFFFFF
                trip = (arrived - block.last_report - block.delay) & 0xFFFFFFFF
                if trip < _LONGEST_TRIP * _SHORT:
                    self._trip = trip / _SHORT

    def report(self, stats: PathStats, clock: int, now: float, wall: float) -> bytes:
        """Return the compound packet that is due.

        Args:
            stats: of the session.
            clock: of its audio, timestamps per second.
            now: monotonic seconds, as in ``stats``.
            wall: Unix time.
        """
        return build([self._own(stats, clock, now, wall), Description(stats.ssrc_out, self._cname)])

    def goodbye(self, stats: PathStats, clock: int, now: float, wall: float) -> bytes:
        """Return the last one: a report, and that our source leaves."""
        bye = Goodbye((stats.ssrc_out,))
        return self.report(stats, clock, now, wall) + build([bye])

    def _own(self, stats: PathStats, clock: int, now: float, wall: float) -> Rtcp:
        blocks = self._blocks(stats, clock, now)
        if stats.timestamp_out is None or stats.sent_at is None:
            return ReceiverReport(stats.ssrc_out, blocks)
        moved = round((now - stats.sent_at) * clock)
        timestamp = (stats.timestamp_out + moved) & 0xFFFFFFFF
        return SenderReport(
            stats.ssrc_out, ntp(wall), timestamp, stats.packets_out, stats.octets_out, blocks
        )

    def _blocks(self, stats: PathStats, clock: int, now: float) -> tuple[ReportBlock, ...]:
        if stats.ssrc_in is None:
            return ()
        expected = stats.packets_in + stats.lost
        span = expected - self._expected_before
        missing = span - (stats.packets_in - self._received_before)
        self._expected_before, self._received_before = expected, stats.packets_in
        fraction = min(255, missing * 256 // span) if span > 0 and missing > 0 else 0  # §A.3
        delay = round((now - self._report_at) * _SHORT) if self._report_middle else 0
        return (
            ReportBlock(
                stats.ssrc_in,
                fraction,
                stats.lost,
                stats.highest_sequence & 0xFFFFFFFF,
                round(stats.jitter * clock),
                self._report_middle,
                delay & 0xFFFFFFFF,
            ),
        )

    def quality(self, stats: PathStats, clock: int) -> Quality:
        """Say how well both sides hear each other, so far."""
        expected = stats.packets_in + stats.lost
        loss = stats.lost / expected if expected else 0.0
        far_loss = far_jitter = None
        if self._far is not None:
            far_loss = min(1.0, max(0, self._far.total_lost) / max(1, self._far_expected))
            far_jitter = self._far.jitter / clock
        jitter = max(stats.jitter, far_jitter or 0.0)
        # One way is half the round trip; a jitter buffer holds about twice the mean deviation.
        delay = (self._trip or 0.0) / 2 + PACKETIZATION + 2 * jitter
        r = r_factor(loss=max(loss, far_loss or 0.0), delay=delay)
        return Quality(loss, stats.jitter, far_loss, far_jitter, self._trip, r, mos(r))
