"""The UDP socket, over loopback."""

import socket

import pytest

from telephony.sip.via import Address
from telephony.transport.udp import UdpSocket
from tests.support.waiting import until


def ignore(_data: bytes, _source: Address) -> None:
    """Take what these tests do not send."""


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_datagrams_go_both_ways(host: str) -> None:
    got: list[tuple[bytes, Address]] = []
    first = UdpSocket(lambda data, source: got.append((data, source)))
    second = UdpSocket(lambda data, source: second.send(data.upper(), source))
    here = await first.open(host, 0)
    there = await second.open(here[0], 0)
    first.send(b"hello", there)
    await until(lambda: got)
    assert got == [(b"HELLO", there)]
    first.close()
    second.close()


async def test_a_burst_is_read_whole() -> None:
    got: list[bytes] = []
    reader = UdpSocket(lambda data, _: got.append(data))
    address = await reader.open("127.0.0.1", 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as writer:
        for number in range(200):
            writer.sendto(b"%d" % number, address)
    await until(lambda: len(got) == 200)
    assert got == [b"%d" % number for number in range(200)]
    reader.close()


async def test_a_port_in_use_is_an_error_and_a_closed_one_is_free() -> None:
    first = UdpSocket(ignore)
    address = await first.open("127.0.0.1", 0)
    second = UdpSocket(ignore)
    with pytest.raises(OSError, match="in use"):
        await second.open(*address)
    first.close()
    assert await second.open(*address) == address
    second.close()


async def test_what_cannot_be_sent_is_an_error_at_once() -> None:
    udp = UdpSocket(ignore)
    await udp.open("127.0.0.1", 0)
    with pytest.raises(OSError, match="too long"):
        udp.send(bytes(70_000), ("127.0.0.1", 9))
    udp.close()
    udp.close()
    with pytest.raises(OSError, match="closed"):
        udp.send(b"x", ("127.0.0.1", 9))


async def test_closing_from_within_a_datagram_stops_the_reading() -> None:
    got: list[bytes] = []

    def on_datagram(data: bytes, _: Address) -> None:
        got.append(data)
        udp.close()

    udp = UdpSocket(on_datagram)
    address = await udp.open("127.0.0.1", 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as writer:
        writer.sendto(b"1", address)
        writer.sendto(b"2", address)
    await until(lambda: got)
    assert got == [b"1"]
