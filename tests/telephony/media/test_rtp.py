"""RFC 3550 §5.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.media.rtp import (
    MalformedPacket,
    RtpPacket,
    build,
    parse,
    sequence_delta,
    timestamp_delta,
)

PACKETS = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    marker=st.booleans(),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=200),
)

FIXED = bytes.fromhex("80 88 1234 00000abc deadbeef")
"""Version 2, marker, payload type 8."""


def flagged(first: int, rest: bytes) -> bytes:
    return bytes([first]) + FIXED[1:] + rest


@given(PACKETS)
def test_what_is_built_is_parsed_again(packet: RtpPacket) -> None:
    assert parse(build(packet)) == packet


def test_fields_stand_where_the_rfc_puts_them() -> None:
    packet = parse(FIXED + b"audio")
    assert packet == RtpPacket(8, True, 0x1234, 0xABC, 0xDEADBEEF, b"audio")  # noqa: FBT003


@pytest.mark.parametrize(
    "first,rest",
    [
        (0x82, b"csrcCSRC" + b"audio"),
        (0x90, b"\xbe\xde\x00\x01" + b"ext1" + b"audio"),
        (0x90, b"\xbe\xde\x00\x00" + b"audio"),
        (0xA0, b"audio" + b"\x00\x00\x03"),
        (0xA0, b"audio" + b"\x01"),
        (0xB1, b"csrc" + b"\xbe\xde\x00\x02" + b"extended" + b"audio" + b"\x00\x02"),
    ],
    ids=["csrc", "extension", "empty extension", "padding", "padding of one", "all at once"],
)
def test_the_payload_stands_between_header_and_padding(first: int, rest: bytes) -> None:
    assert parse(flagged(first, rest)).payload == b"audio"


@pytest.mark.parametrize(
    "data,why",
    [
        (b"", "shorter"),
        (FIXED[:11], "shorter"),
        (flagged(0x00, b"audio"), "version 0"),
        (flagged(0x40, b"audio"), "version 1"),
        (flagged(0xC0, b"audio"), "version 3"),
        (flagged(0x81, b"csr"), "longer than the packet"),
        (flagged(0x90, b"\xbe\xde\x00"), "cut off"),
        (flagged(0x90, b"\xbe\xde\x00\x02" + b"ext1"), "longer than the packet"),
        (flagged(0xA0, b"audio\x00"), "padding of no octets"),
        (flagged(0xA0, b"audio\x07"), "longer than the packet"),
        (flagged(0xA1, b"csrc\x02"), "longer than the packet"),
    ],
)
def test_contradictions_are_malformed(data: bytes, why: str) -> None:
    with pytest.raises(MalformedPacket, match=why):
        parse(data)


def test_padding_may_take_all_of_the_payload() -> None:
    assert parse(flagged(0xA0, b"\x00\x00\x03")).payload == b""


@given(st.binary(max_size=100), st.integers(0, 255))
def test_any_bytes_are_a_packet_or_malformed(data: bytes, first: int) -> None:
    for candidate in (data, bytes([first]) + data, bytes([first | 0x80]) + data):
        try:
            packet = parse(candidate)
        except MalformedPacket:
            continue
        assert packet.payload in candidate
        assert len(packet.payload) <= len(candidate) - 12


@given(st.integers(0, 0xFFFF), st.integers(-0x8000, 0x7FFF))
def test_sequence_delta_wraps(earlier: int, delta: int) -> None:
    assert sequence_delta((earlier + delta) & 0xFFFF, earlier) == delta


@given(st.integers(0, 0xFFFFFFFF), st.integers(-(2**31), 2**31 - 1))
def test_timestamp_delta_wraps(earlier: int, delta: int) -> None:
    assert timestamp_delta((earlier + delta) & 0xFFFFFFFF, earlier) == delta
