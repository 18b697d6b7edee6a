"""MQTT's packets: octet by octet, and against anything that may come."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventbus.mqtt_wire import (
    Connack,
    Goodbye,
    Incoming,
    Level,
    MqttError,
    Packet,
    Pong,
    Puback,
    Will,
    connect,
    publish,
)

WILL = Will("a", b"off")


def test_connect_says_what_the_standard_wants() -> None:
    assert connect(4, "id", keep_alive=10, will=WILL) == (
        b"\x10\x16\x00\x04MQTT\x04\x2e\x00\x0a\x00\x02id\x00\x01a\x00\x03off"
    )
    named = connect(5, "id", keep_alive=10, will=WILL, username="u", password="p")
    assert named == (
        b"\x10\x1e\x00\x04MQTT\x05\xee\x00\x0a\x00\x00\x02id\x00\x00\x01a\x00\x03off\x00\x01u\x00\x01p"
    )


def test_publish_says_what_the_standard_wants() -> None:
    assert publish(4, "t", b"x") == b"\x30\x04\x00\x01tx"
    assert publish(5, "t", b"x", packet_id=258, retain=True) == b"\x33\x07\x00\x01t\x01\x02\x00x"
    assert publish(4, "t", bytes(200))[:3] == b"\x30\xcb\x01"  # 203 in two octets


ANSWERS: list[tuple[Level, bytes, Packet]] = [
    (4, b"\x20\x02\x00\x00", Connack(0, "Success")),
    (4, b"\x20\x02\x00\x05", Connack(0x87, "Not authorized")),
    (5, b"\x20\x03\x00\x00\x00", Connack(0, "Success")),
    (
        5,
        b"\x20\x0b\x00\x00\x08\x21\x00\x14\x13\x00\x07\x25\x00",
        Connack(0, "Success", in_flight=20, keep_alive=7),
    ),
    (5, b"\x20\x09\x00\x88\x06\x1f\x00\x03no!", Connack(0x88, "no!")),
    (5, b"\x20\x0c\x00\x00\x09\x26\x00\x01a\x00\x03b=c", Connack(0, "Success")),
    (4, b"\x40\x02\x01\x02", Puback(258)),
    (5, b"\x40\x03\x01\x02\x97", Puback(258, 0x97)),
    (5, b"\x40\x04\x01\x02\x10\x00", Puback(258, 0x10)),
    (5, b"\xd0\x00", Pong()),
    (5, b"\xe0\x00", Goodbye("Success")),
    (5, b"\xe0\x01\x8b", Goodbye("Server shutting down")),
    (5, b"\xe0\x01\xfe", Goodbye("reason code 254")),
]


@pytest.mark.parametrize("level, octets, packet", ANSWERS)
def test_what_a_broker_says_is_read(level: Level, octets: bytes, packet: Packet) -> None:
    assert Incoming(level).feed(octets) == [packet]


@given(st.lists(st.sampled_from([row for row in ANSWERS if row[0] == 5])), st.data())
def test_packets_may_be_cut_anywhere(
    rows: list[tuple[Level, bytes, Packet]], data: st.DataObject
) -> None:
    octets, incoming, packets = b"".join(row[1] for row in rows), Incoming(5), list[Packet]()
    while octets:
        length = data.draw(st.integers(1, len(octets)))
        packets += incoming.feed(octets[:length])
        octets = octets[length:]
    assert packets == [row[2] for row in rows]


@pytest.mark.parametrize(
    "octets",
    [
        b"\x30\x04\x00\x01tx",  # a PUBLISH, to who subscribes to nothing
        b"\x20\x00",  # a CONNACK without its code
        b"\x40\x01\x00",  # half a packet id
        b"\x20\x05\x00\x00\x02\x7f\x00",  # a property that there is not
        b"\x20\x05\x00\x00\x09\x1f\x00",  # properties that end behind their packet
        b"\x40\xff\xff\xff\x7f",  # 256 MB
        b"\x40\xff\xff\xff\xff\x01",  # a length of five octets
    ],
)
def test_what_no_broker_says_is_an_error(octets: bytes) -> None:
    with pytest.raises(MqttError):
        Incoming(5).feed(octets)


@given(st.lists(st.binary(max_size=60)), st.sampled_from([4, 5]))
def test_anything_is_read_or_refused(pieces: list[bytes], level: Level) -> None:
    incoming = Incoming(level)
    with contextlib.suppress(MqttError):
        for piece in pieces:
            incoming.feed(piece)


@given(st.integers(0, 15), st.binary(max_size=60), st.sampled_from([4, 5]))
def test_any_body_of_any_packet_is_read_or_refused(kind: int, body: bytes, level: Level) -> None:
    with contextlib.suppress(MqttError):
        Incoming(level).feed(bytes((kind << 4, len(body))) + body)
