"""MQTT packets: the octets that the standard writes, and whatever a broker may send."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventbus.mqtt_packets import (
    CONNACK,
    PUBACK,
    Accepted,
    BrokerError,
    Packets,
    Version,
    Will,
    connect,
    publish,
    read_connack,
    read_disconnect,
    read_puback,
)

WILL = Will("s", "offline")


def hello(version: Version, **credentials: str) -> bytes:
    given_ones: dict[str, str | None] = {"username": None, "password": None, **credentials}
    return connect(version, client_id="n", keepalive=10, will=WILL, **given_ones)


def test_connect_of_3_1_1_has_no_properties() -> None:
    assert hello(4) == b"\x10\x19\x00\x04MQTT\x04\x2e\x00\x0a\x00\x01n\x00\x01s\x00\x07offline"


def test_connect_of_5_has_empty_ones_for_itself_and_for_the_will() -> None:
    expected = b"\x10\x1b\x00\x04MQTT\x05\x2e\x00\x0a\x00\x00\x01n\x00\x00\x01s\x00\x07offline"
    assert hello(5) == expected


def test_connect_names_who_we_are_last() -> None:
    assert hello(4, username="u", password="p").endswith(b"offline\x00\x01u\x00\x01p")
    assert hello(4, username="u", password="p")[9] == 0x2E | 0x80 | 0x40


@pytest.mark.parametrize(
    "version, number, retain, expected",
    [
        (4, 10, False, b"\x32\x07\x00\x02ab\x00\x0ax"),
        (5, 10, False, b"\x32\x08\x00\x02ab\x00\x0a\x00x"),
        (4, None, False, b"\x30\x05\x00\x02abx"),
        (5, 1, True, b"\x33\x08\x00\x02ab\x00\x01\x00x"),
    ],
)
def test_publish(version: Version, number: int | None, *, retain: bool, expected: bytes) -> None:
    assert publish(version, "ab", b"x", number=number, retain=retain) == expected


@pytest.mark.parametrize(
    "rest, length",
    [
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (16_383, b"\xff\x7f"),
        (16_384, b"\x80\x80\x01"),
        (2_097_152, b"\x80\x80\x80\x01"),
    ],
)
def test_lengths_are_written_as_the_standard_does(rest: int, length: bytes) -> None:
    packet = publish(4, "", b"x" * (rest - 2))
    assert packet[1 : 1 + len(length)] == length
    assert len(packet) == 1 + len(length) + rest


@given(st.lists(st.tuples(st.sampled_from([CONNACK, PUBACK]), st.binary(max_size=300))), st.data())
def test_packets_are_found_however_they_are_cut(
    packets: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(
        bytes((kind,))
        + (
            bytes((len(body),))
            if len(body) < 128
            else bytes((len(body) % 128 | 128, len(body) // 128))
        )
        + body
        for kind, body in packets
    )
    reader, found = Packets(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert found == packets


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_what_is_no_mqtt_is_refused_or_awaited(pieces: list[bytes]) -> None:
    reader = Packets()
    try:
        for piece in pieces:
            reader.feed(piece)
    except BrokerError:
        return
    assert len(reader.feed(b"")) == 0


@pytest.mark.parametrize("octets", [b"\x40\xff\xff\xff\xff\x01", b"\x40\x80\x80\x80\x01"])
def test_lengths_that_no_packet_for_us_has(octets: bytes) -> None:
    with pytest.raises(BrokerError, match="octets"):
        Packets().feed(octets)


@pytest.mark.parametrize(
    "version, body, expected",
    [
        (4, b"\x00\x00", Accepted()),
        (5, b"\x00\x00\x00", Accepted()),
        (5, b"\x00\x00\x06\x21\x00\x14\x13\x00\x1e", Accepted(most=20, keepalive=30)),
    ],
)
def test_connack(version: Version, body: bytes, expected: Accepted) -> None:
    assert read_connack(version, body) == expected


@pytest.mark.parametrize(
    "version, body, why",
    [
        (4, b"\x00\x05", "not authorised"),
        (5, b"\x00\x87\x00", "Not authorized"),
        (5, b"\x00\xfe", "reason 0xfe"),
        (5, b"\x00\x00\x03\x21", "cannot be read"),
        (4, b"\x00", "without a code"),
    ],
)
def test_connack_that_does_not_let_us_in(version: Version, body: bytes, why: str) -> None:
    with pytest.raises(BrokerError, match=why):
        read_connack(version, body)


@given(st.sampled_from((4, 5)), st.binary(max_size=60))
def test_any_connack_lets_us_in_or_is_refused(version: Version, body: bytes) -> None:
    with suppress(BrokerError):
        assert read_connack(version, body).most >= 1


def test_puback_and_disconnect() -> None:
    assert read_puback(b"\x01\x02\x10\x00") == 0x102
    with pytest.raises(BrokerError, match="without a number"):
        read_puback(b"\x01")
    assert read_disconnect(b"\x8b") == "Server shutting down"
    assert read_disconnect(b"") == "the broker has disconnected"
