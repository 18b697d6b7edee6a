import asyncio
import socket

import pytest

from asr.receiver import AT_ONCE, Receiver
from asr.rtp_source import Audio, RtpSource
from tests.support.waiting import PATIENCE


def packet(sequence: int) -> bytes:
    place = sequence.to_bytes(2) + (160 * sequence).to_bytes(4)
    return bytes.fromhex("8008") + place + bytes.fromhex("00000001") + b"\xd5" * 160


def source() -> RtpSource:
    return RtpSource(opened_at=asyncio.get_running_loop().time())


class Heard:
    """What comes of a stream, and how to wait for it."""

    def __init__(self) -> None:
        self.audio: list[Audio] = []
        self._came = asyncio.Event()

    def __call__(self, audio: Audio) -> None:
        self.audio.append(audio)
        self._came.set()

    @property
    def seconds(self) -> float:
        return sum(audio.seconds for audio in self.audio)

    async def until(self, seconds: float) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.seconds < seconds - 1e-6:
                self._came.clear()
                await self._came.wait()


@pytest.mark.parametrize("host, family", [("127.0.0.1", "AF_INET"), ("::1", "AF_INET6")])
async def test_all_that_came_to_each_port_is_passed_on(host: str, family: str) -> None:
    receiver, heard = Receiver(), [Heard(), Heard()]
    ports = [receiver.open(host, source(), ear) for ear in heard]
    with socket.socket(getattr(socket, family), socket.SOCK_DGRAM) as phone:
        for number in range(5):
            phone.sendto(packet(number), ports[0].address)
        phone.sendto(packet(0), ports[1].address)
    await heard[0].until(0.1)
    await heard[1].until(0.02)
    assert (heard[0].seconds, heard[1].seconds) == pytest.approx((0.1, 0.02))
    for port in ports:
        receiver.close(port)


async def test_what_waits_for_a_packet_that_does_not_come_is_passed_on() -> None:
    receiver, heard = Receiver(), Heard()
    port = receiver.open("127.0.0.1", source(), heard)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        for number in (0, 2):
            phone.sendto(packet(number), port.address)
    await heard.until(0.06)  # with silence in the hole
    receiver.close(port)


async def test_what_came_last_is_heard_before_the_port_is_closed() -> None:
    receiver, heard = Receiver(), Heard()
    port = receiver.open("127.0.0.1", source(), heard)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.sendto(packet(0), port.address)
    receiver.close(port)
    receiver.close(port)
    assert heard.seconds == pytest.approx(0.02)


async def test_one_look_takes_so_much_of_a_flood_and_the_next_goes_on() -> None:
    receiver, heard = Receiver(), Heard()
    port = receiver.open("127.0.0.1", source(), heard)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        for number in range(AT_ONCE + 20):
            phone.sendto(packet(number), port.address)
    now = asyncio.get_running_loop().time()
    port.look(now)
    assert heard.seconds == pytest.approx(0.02 * AT_ONCE)
    port.look(now)
    assert heard.seconds == pytest.approx(0.02 * (AT_ONCE + 20))
    receiver.close(port)


async def test_more_than_one_look_takes_is_heard_before_the_port_is_closed() -> None:
    receiver, heard = Receiver(), Heard()
    port = receiver.open("127.0.0.1", source(), heard)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        for number in range(AT_ONCE + 20):
            phone.sendto(packet(number), port.address)
    receiver.close(port)
    assert heard.seconds == pytest.approx(0.02 * (AT_ONCE + 20))


async def test_trouble_with_one_stream_is_not_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_audio: Audio) -> None:
        raise RuntimeError("trouble")

    receiver, heard = Receiver(), Heard()
    ports = [receiver.open("127.0.0.1", source(), ear) for ear in (fail, heard, fail)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        for number, port in enumerate(ports):
            phone.sendto(packet(number), port.address)
        await heard.until(0.02)
        phone.sendto(packet(2), ports[1].address)
        await heard.until(0.04)
        phone.sendto(packet(0), ports[0].address)
    for port in ports:
        receiver.close(port)
    assert "a packet was not taken" in capsys.readouterr().out


async def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(OSError):  # noqa: PT011 - each system says it in its own words
        Receiver().open("192.0.2.1", source(), Heard())
