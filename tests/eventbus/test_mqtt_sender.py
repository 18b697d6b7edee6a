"""What the sender does with a broker that behaves strangely; the others: test_mqtt.py."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from eventbus.mqtt_packets import BrokerError, Packets, Will
from eventbus.mqtt_sender import MqttSender, connected_sender
from tests.support.waiting import until

LETS_TWO_BE_UNDER_WAY = b"\x20\x06\x00\x00\x03\x21\x00\x02"
LETS_IN = b"\x20\x03\x00\x00\x00"

Script = Callable[[int, bytes], bytes]
"""What a broker answers to a packet: its kind, and what follows its length."""


@asynccontextmanager
async def sender_to(script: Script, *, keepalive: int = 60) -> AsyncIterator[MqttSender]:
    ended = list[asyncio.Future[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(asyncio.get_running_loop().create_future())
        packets = Packets()
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(b"".join(script(kind, body) for kind, body in packets.feed(data)))
        with suppress(OSError):
            writer.close()
            await writer.wait_closed()
        ended[-1].set_result(None)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        async with connected_sender(
            "127.0.0.1",
            server.sockets[0].getsockname()[1],
            version=5,
            client_id="n",
            keepalive=keepalive,
            will=Will("s", "offline"),
        ) as sender:
            yield sender
    finally:
        await until(lambda: ended)  # whoever has connected is served, also one who gave up
        await asyncio.gather(*ended)
        server.close()


async def test_no_more_are_under_way_than_the_broker_wants() -> None:
    under_way, most, topics = [0], [0], list[bytes]()

    def script(kind: int, body: bytes) -> bytes:
        if kind == 0x10:
            return LETS_TWO_BE_UNDER_WAY
        if kind == 0x30:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
            topics.append(body[2:3])
            loop = asyncio.get_running_loop()
            loop.call_soon(lambda: under_way.__setitem__(0, 0))  # both answers have left by then
            return b"\x40\x02" + body[3:5]
        return b""

    async with sender_to(script) as sender:
        await sender.deliver([(letter, b"x") for letter in "abcde"])
    assert b"".join(topics) == b"abcde"
    assert most == [2]


async def test_a_broker_that_acknowledges_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with sender_to(lambda kind, _body: LETS_IN if kind == 0x10 else b"") as sender:
        monkeypatch.setattr("eventbus.mqtt_sender.ANSWER_SECONDS", 0.01)
        with pytest.raises(BrokerError, match="no acknowledgement"):
            await sender.deliver([("a", b"x")])


async def test_a_broker_that_says_nothing_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventbus.mqtt_sender.ANSWER_SECONDS", 0.01)
    with pytest.raises(BrokerError, match="no answer"):
        async with sender_to(lambda _kind, _body: b""):
            pass


async def test_a_broker_that_falls_silent() -> None:
    async with sender_to(lambda kind, _body: LETS_IN if kind == 0x10 else b"") as sender:
        staying = asyncio.create_task(sender.stay(0.01))
        with pytest.raises(BrokerError, match="silent"):
            await sender.until_broken()
        with pytest.raises(BrokerError, match="broken"):
            await sender.deliver([("a", b"x")])
        staying.cancel()


async def test_a_broker_that_answers_to_pings_keeps_its_sender() -> None:
    pings = [0]

    def script(kind: int, _body: bytes) -> bytes:
        pings[0] += kind == 0xC0
        return {0x10: LETS_IN, 0xC0: b"\xd0\x00"}.get(kind, b"")

    async with sender_to(script) as sender:
        staying = asyncio.create_task(sender.stay(0.2))
        broken = asyncio.create_task(sender.until_broken())
        await until(lambda: pings[0] > 3)
        assert not broken.done()
        staying.cancel()
        broken.cancel()


async def test_a_broker_that_leaves_says_why() -> None:
    def script(kind: int, _body: bytes) -> bytes:
        return {0x10: LETS_IN, 0x30: b"\xe0\x01\x8b"}.get(kind, b"")

    async with sender_to(script) as sender:
        with pytest.raises(BrokerError, match="Server shutting down"):
            await sender.deliver([("a", b"x")])
        with pytest.raises(BrokerError, match="Server shutting down"):
            await sender.until_broken()
