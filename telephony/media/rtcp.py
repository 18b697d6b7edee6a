"""RTCP packets (RFC 3550 §6): bytes to values and back.

Pure functions on one compound packet; when to send what, and what a report means, is in
:mod:`telephony.media.reporting`. Packets of other types (APP, extended reports, feedback) are
checked for their length and left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, assert_never

VERSION: Final = 2
SENDER_REPORT, RECEIVER_REPORT, DESCRIPTION, GOODBYE = 200, 201, 202, 203
FIRST_TYPE, LAST_TYPE = 192, 223
"""Second octets that tell RTCP from RTP on one port (RFC 5761 §4)."""
MAX_COUNT: Final = 31
"""Blocks or sources in one packet: five bits."""

_HEADER = Struct("!BBH")
_WORD = Struct("!I")
_SENDER = Struct("!QIII")
_BLOCK = Struct("!IIIIII")
_CNAME = 1
_HIGHEST_TOTAL = 0x7FFFFF
_LOWEST_TOTAL = -0x800000
_MAX_TEXT = 255


class MalformedReport(ValueError):
    """The datagram is not a compound RTCP packet; the message says where it breaks the format."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one source (§6.4.1).

    Attributes:
        ssrc: of that source.
        fraction_lost: since the report before, in 1/256: 0…255.
        total_lost: since the beginning; negative when more duplicates came than were lost; 24 bits.
        highest_sequence: extended by its wraps.
        jitter: in units of the source's timestamps.
        last_report: the middle 32 bits of the newest sender report's NTP time; 0: none has come.
        delay: since that came, in 1/65536 s.
    """

    ssrc: int
    fraction_lost: int
    total_lost: int
    highest_sequence: int
    jitter: int
    last_report: int
    delay: int


@dataclass(frozen=True, slots=True)
class SenderReport:
    """From who sends and may receive. ``ntp``: 64 bits, 32 of them seconds since 1900."""

    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """From who only receives."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """Who a source is: its canonical name, "" where it gave none (§6.5)."""

    ssrc: int
    cname: str


@dataclass(frozen=True, slots=True)
class Goodbye:
    """Sources that have left (§6.6)."""

    ssrcs: tuple[int, ...]
    reason: str = ""


Rtcp = SenderReport | ReceiverReport | Description | Goodbye


def is_rtcp(datagram: bytes) -> bool:
    """Whether a datagram on a port that RTP and RTCP share is RTCP (RFC 5761 §4)."""
    return len(datagram) > 1 and FIRST_TYPE <= datagram[1] <= LAST_TYPE and datagram[0] >> 6 == 2  # noqa: PLR2004 - the version


def parse(datagram: bytes) -> list[Rtcp]:
    """Read a compound packet; a single one is taken as well (RFC 5506).

    Raises:
        MalformedReport: a packet's version or length is wrong, or it ends too early.
    """
    found: list[Rtcp] = []
    at = 0
    if not datagram:
        raise MalformedReport("empty")
    while at < len(datagram):
        if len(datagram) - at < _HEADER.size:
            raise MalformedReport("shorter than a header")
        first, kind, words = _HEADER.unpack_from(datagram, at)
        end = at + 4 * (words + 1)
        if first >> 6 != VERSION:
            raise MalformedReport(f"version {first >> 6}")
        if not FIRST_TYPE <= kind <= LAST_TYPE:
            raise MalformedReport(f"type {kind}")
        if end > len(datagram):
            raise MalformedReport("longer than the datagram")
        body = _unpadded(datagram[at + _HEADER.size : end], padded=bool(first & 0x20))
        found += _packets(kind, first & 0x1F, body)
        at = end
    return found


def _unpadded(body: bytes, *, padded: bool) -> bytes:
    if not padded:
        return body
    octets = body[-1] if body else 0
    if not 0 < octets <= len(body) or octets % 4:
        raise MalformedReport(f"padding of {octets} octets")
    return body[:-octets]


def _packets(kind: int, count: int, body: bytes) -> list[Rtcp]:
    match kind:
        case 200:
            _needs(body, _WORD.size + _SENDER.size + count * _BLOCK.size, "sender report")
            (ssrc,) = _WORD.unpack_from(body)
            ntp, timestamp, packets, octets = _SENDER.unpack_from(body, 4)
            blocks = _blocks(body, 4 + _SENDER.size, count)
            return [SenderReport(ssrc, ntp, timestamp, packets, octets, blocks)]
        case 201:
            _needs(body, _WORD.size + count * _BLOCK.size, "receiver report")
            (ssrc,) = _WORD.unpack_from(body)
            return [ReceiverReport(ssrc, _blocks(body, 4, count))]
        case 202:
            return list(_chunks(body, count))
        case 203:
            _needs(body, 4 * count, "goodbye")
            ssrcs = tuple(_WORD.unpack_from(body, 4 * number)[0] for number in range(count))
            rest = body[4 * count :]
            reason = rest[1 : 1 + rest[0]] if rest else b""
            return [Goodbye(ssrcs, _text(reason))]
        case _:
            return []


def _text(octets: bytes) -> str:
    """Read UTF-8 (§6.5) without the octets that are none: with U+FFFD for each it is too long."""
    return octets.decode("utf-8", "ignore")


def _needs(body: bytes, octets: int, what: str) -> None:
    if len(body) < octets:
        raise MalformedReport(f"the {what} is cut off")


def _blocks(body: bytes, at: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for number in range(count):
        ssrc, loss, highest, jitter, last, delay = _BLOCK.unpack_from(
            body, at + number * _BLOCK.size
        )
        total = loss & 0xFFFFFF
        total -= (total & 0x800000) << 1  # a signed number of 24 bits
        blocks.append(ReportBlock(ssrc, loss >> 24, total, highest, jitter, last, delay))
    return tuple(blocks)


def _chunks(body: bytes, count: int) -> list[Description]:
    chunks = []
    at = 0
    for _ in range(count):
        _needs(body, at + 4, "source description")
        (ssrc,) = _WORD.unpack_from(body, at)
        at += 4
        cname = ""
        while at < len(body) and body[at]:
            _needs(body, at + 2, "source description")
            kind, length = body[at], body[at + 1]
            _needs(body, at + 2 + length, "source description")
            if kind == _CNAME:
                cname = _text(body[at + 2 : at + 2 + length])
            at += 2 + length
        _needs(body, at + 1, "source description")  # §6.5: a null octet ends the list
        at = (at // 4 + 1) * 4  # …and padding up to the next 32 bits
        chunks.append(Description(ssrc, cname))
    return chunks


def build(packets: Sequence[Rtcp]) -> bytes:
    """Write a compound packet.

    Raises:
        ValueError, struct.error: a field is outside its range (our mistake).
    """
    return b"".join(_written(packet) for packet in packets)


def _written(packet: Rtcp) -> bytes:
    match packet:
        case SenderReport():
            body = _WORD.pack(packet.ssrc) + _SENDER.pack(
                packet.ntp,
                packet.timestamp,
                packet.packets & 0xFFFFFFFF,
                packet.octets & 0xFFFFFFFF,
            )
            return _framed(
                SENDER_REPORT, len(packet.blocks), body + b"".join(map(_block, packet.blocks))
            )
        case ReceiverReport():
            body = _WORD.pack(packet.ssrc) + b"".join(map(_block, packet.blocks))
            return _framed(RECEIVER_REPORT, len(packet.blocks), body)
        case Description():
            name = packet.cname.encode()
            if len(name) > _MAX_TEXT:
                raise ValueError("a canonical name has at most 255 octets")
            items = bytes((_CNAME, len(name))) + name
            body = _WORD.pack(packet.ssrc) + items
            return _framed(DESCRIPTION, 1, body + bytes(4 - len(body) % 4))
        case Goodbye():
            body = b"".join(_WORD.pack(ssrc) for ssrc in packet.ssrcs)
            if packet.reason:
                reason = packet.reason.encode()
                if len(reason) > _MAX_TEXT:
                    raise ValueError("a reason has at most 255 octets")
                body += bytes((len(reason),)) + reason
                body += bytes(-len(body) % 4)
            return _framed(GOODBYE, len(packet.ssrcs), body)
        case _:
            assert_never(packet)


def _block(block: ReportBlock) -> bytes:
    total = max(_LOWEST_TOTAL, min(_HIGHEST_TOTAL, block.total_lost))
    return _BLOCK.pack(
        block.ssrc,
        block.fraction_lost << 24 | total & 0xFFFFFF,
        block.highest_sequence,
        block.jitter,
        block.last_report,
        block.delay,
    )


def _framed(kind: int, count: int, body: bytes) -> bytes:
    if count > MAX_COUNT:
        raise ValueError(f"{count} in one packet, {MAX_COUNT} at most")
    return _HEADER.pack(VERSION << 6 | count, kind, len(body) // 4) + body
