"""A publisher's connection, with a broker that says and keeps quiet as the test wants."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from eventbus.mqtt_sender import BrokerAway, MqttSender, connect_to
from eventbus.mqtt_wire import Will
from eventbus.tasks import end

WELCOME = b"\x20\x03\x00\x00\x00"
CLOSE = b""
Say = Callable[[bytes], bytes | None]


def packets(data: bytes) -> list[bytes]:
    """Cut what a publisher sent; all of it is short."""
    found = []
    while data:
        found.append(data[: 2 + data[1]])
        data = data[2 + data[1] :]
    return found


@asynccontextmanager
async def broker(say: Say) -> AsyncIterator[int]:
    """Answer each read as ``say`` says; None: nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        with contextlib.suppress(asyncio.CancelledError):
            while data := await reader.read(65_536):
                answer = say(data)
                if answer == CLOSE:
                    break
                if answer:
                    writer.write(answer)
        writer.close()

    serving: list[asyncio.Task[None] | None] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in serving:
            await end(task)


async def connected(port: int, *, keep_alive: int = 60) -> MqttSender:
    return await connect_to(
        "127.0.0.1",
        port,
        level=5,
        client_id="n1",
        keep_alive=keep_alive,
        will=Will("status", b"offline"),
    )


async def test_no_more_is_under_way_than_the_broker_takes() -> None:
    at_once: list[int] = []

    def say(data: bytes) -> bytes:
        if data[0] == 0x10:
            return b"\x20\x06\x00\x00\x03\x21\x00\x03"  # Receive Maximum 3
        at_once.append(len(packets(data)))
        return b"".join(b"\x40\x02" + packet[5:7] for packet in packets(data))

    async with broker(say) as port:
        sender = await connected(port)
        await sender.deliver([("t", str(number).encode()) for number in range(8)])
        assert sum(at_once) == 8
        assert max(at_once) <= 3
        sender.abort()


async def test_a_refused_message_does_not_hold_up_the_others() -> None:
    def say(data: bytes) -> bytes:
        if data[0] == 0x10:
            return WELCOME
        first, *others = packets(data)
        return b"".join(
            (b"\x40\x03" + first[5:7] + b"\x97", *(b"\x40\x02" + each[5:7] for each in others))
        )

    async with broker(say) as port:
        sender = await connected(port)
        await sender.deliver([("t", b"1"), ("t", b"2")])
        sender.abort()


@pytest.mark.parametrize(
    "answer, why",
    [
        (b"\x20\x03\x00\x87\x00", "Not authorized"),
        (b"\x99\x01\x00", "which nobody has asked for"),
        (CLOSE, "closed the connection"),
    ],
)
async def test_who_is_not_welcome_is_told_why(answer: bytes, why: str) -> None:
    async with broker(lambda _: answer) as port:
        with pytest.raises(BrokerAway, match=why):
            await connected(port)


async def test_who_waits_for_an_acknowledgement_hears_that_the_broker_has_gone() -> None:
    async with broker(lambda data: WELCOME if data[0] == 0x10 else b"\xe0\x01\x8b") as port:
        sender = await connected(port)
        with pytest.raises(BrokerAway, match="shutting down"):
            await sender.deliver([("t", b"1")])
        with pytest.raises(BrokerAway, match="shutting down"):
            await sender.wait_lost()
        with pytest.raises(BrokerAway):
            await sender.deliver([("t", b"2")])


async def test_a_broker_that_answers_no_ping_is_dead() -> None:
    async with broker(lambda data: WELCOME if data[0] == 0x10 else None) as port:
        sender = await connected(port, keep_alive=1)
        async with asyncio.timeout(30):
            with pytest.raises(BrokerAway, match="silent"):
                await sender.wait_lost()


async def test_a_close_is_a_goodbye() -> None:
    heard = bytearray()

    def say(data: bytes) -> bytes | None:
        heard.extend(data)
        return WELCOME if data[0] == 0x10 else None

    async with broker(say) as port:
        sender = await connected(port)
        await sender.close()
        await sender.close()
        assert heard.endswith(b"\xe0\x00")
