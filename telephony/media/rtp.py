"""RTP packets (RFC 3550 §5.1): bytes to fields and back.

Pure functions on single packets; what a sequence of packets means is in
:mod:`telephony.media.source`.
"""

from struct import Struct
from typing import Final, NamedTuple

VERSION: Final = 2
HEADER: Final = 12
"""Octets of the fixed header."""

FIXED_HEADER: Final = Struct("!BBHII")
"""Version and flags, marker and payload type, sequence, timestamp, SSRC."""
_EXTENSION = Struct("!HH")


class MalformedPacket(ValueError):
    """The datagram is not an RTP packet; the message says where it breaks the format."""


class RtpPacket(NamedTuple):
    """The fields that matter to a relay.

    CSRC list, header extension and padding are checked and left out: they speak of the stream that
    came in, not of the one that goes out.

    Attributes:
        payload_type: 0…127.
        marker: the M bit.
        sequence: 0…65535.
        timestamp: 32 bits, 1/8000 s for the audio of this service.
        ssrc: 32 bits.
        payload: the octets between header and padding; may be empty.
    """

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(data: bytes) -> RtpPacket:
    """Read one datagram.

    Raises:
        MalformedPacket: it is too short, of another version, or its lengths contradict each other.
    """
    if len(data) < HEADER:
        raise MalformedPacket("shorter than the fixed header")
    first, second, sequence, timestamp, ssrc = FIXED_HEADER.unpack_from(data)
    # Nearly every packet is plain: version 2 and nothing else in the first octet.
    payload = data[HEADER:] if first == 0x80 else _payload(data, first)  # noqa: PLR2004 - as said
    return RtpPacket(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, payload)  # noqa: PLR2004


def _payload(data: bytes, first: int) -> bytes:
    """Cut out the payload of a packet with CSRCs, an extension or padding."""
    if first >> 6 != VERSION:
        raise MalformedPacket(f"version {first >> 6}")
    start = HEADER + 4 * (first & 0x0F)
    end = len(data)
    if first & 0x10:  # §5.3.1: 16 bits of profile, then the length in 32-bit words
        if start + _EXTENSION.size > end:
            raise MalformedPacket("the header extension is cut off")
        _, words = _EXTENSION.unpack_from(data, start)
        start += _EXTENSION.size + 4 * words
    if first & 0x20:
        # "The last octet of the padding contains a count of how many padding octets should be
        # ignored, including itself."
        padding = data[-1]
        if padding == 0:
            raise MalformedPacket("padding of no octets")
        end -= padding
    if start > end:
        raise MalformedPacket("header and padding are longer than the packet")
    return data[start:end]


def build(packet: RtpPacket) -> bytes:
    """Write a plain packet: no CSRC, no extension, no padding.

    Raises:
        struct.error: a field is outside its range (our mistake).
    """
    payload_type, marker, sequence, timestamp, ssrc, payload = packet
    second = payload_type | 0x80 if marker else payload_type
    return FIXED_HEADER.pack(0x80, second, sequence, timestamp, ssrc) + payload


def sequence_delta(later: int, earlier: int) -> int:
    """Return how far ``later`` is ahead in 16-bit arithmetic: -32768…32767."""
    return ((later - earlier + 0x8000) & 0xFFFF) - 0x8000


def timestamp_delta(later: int, earlier: int) -> int:
    """Return how far ``later`` is ahead in 32-bit arithmetic: -2**31…2**31-1."""
    return ((later - earlier + 0x80000000) & 0xFFFFFFFF) - 0x80000000
