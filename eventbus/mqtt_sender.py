"""One connection to an MQTT broker, for who only publishes.

Many messages leave in one write and their acknowledgements come in one read: a message costs a
tenth of what a general client's does, with a task, a lock and several system calls for each. What
also listens is `eventbus.mqtt_link`, with aiomqtt.
"""

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import structlog

from eventbus import mqtt_wire as wire
from eventbus.mqtt_wire import Connack, Goodbye, Incoming, Level, Puback, Will

log = structlog.get_logger(__name__)

ANSWER_SECONDS: Final = 5.0
"""Who does not answer within this is away."""
_GOODBYE_SECONDS: Final = 1.0


class BrokerAway(ConnectionError):
    """The broker cannot be reached, refuses us, or does not answer; the message says which."""


@dataclass(slots=True)
class _Batch:
    """Messages sent together: how many are unacknowledged, and who waits for them."""

    left: int
    done: asyncio.Future[None]


class MqttSender(asyncio.Protocol):
    """A connection; made by `connect_to`.

    Attributes:
        lost: done, with why, once the connection is gone.
        congested: whether more is waiting to be sent than should be.
    """

    def __init__(self, level: Level, keep_alive: int) -> None:
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = loop.create_future()
        self.congested = False
        self._loop = loop
        self._level: Level = level
        self._keep_alive: float = keep_alive
        self._incoming = Incoming(level)
        self._connack: asyncio.Future[Connack] = loop.create_future()
        self._in_flight = 1
        self._ids = itertools.cycle(range(1, 65_536))
        self._batches: dict[int, _Batch] = {}
        self._heard = False
        self._pulse: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    async def introduce(self, packet: bytes) -> None:
        """Send CONNECT and wait for its answer.

        Raises:
            BrokerAway: refused, broken or not answered.
        """
        self._write(packet)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._connack
        except TimeoutError:
            raise BrokerAway("no answer to CONNECT") from None
        if answer.code >= wire.REFUSED:
            raise BrokerAway(answer.why)
        self._in_flight = answer.in_flight
        if answer.keep_alive is not None:
            self._keep_alive = answer.keep_alive
        if self._keep_alive:
            self._pulse = self._loop.call_later(self._keep_alive / 2, self._beat)

    async def deliver(self, messages: Sequence[tuple[str, bytes]], *, retain: bool = False) -> None:
        """Publish at QoS 1, in order; return when the broker has acknowledged every one.

        Raises:
            BrokerAway: he has not; which ones he has is unknown.
        """
        for begin in range(0, len(messages), self._in_flight):
            part = messages[begin : begin + self._in_flight]
            batch = _Batch(len(part), self._loop.create_future())
            packets = []
            for (topic, payload), packet_id in zip(part, self._ids, strict=False):
                self._batches[packet_id] = batch
                packets.append(
                    wire.publish(self._level, topic, payload, packet_id=packet_id, retain=retain)
                )
            self._write(b"".join(packets))
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await batch.done
            except TimeoutError:
                raise BrokerAway("no acknowledgement in time") from None

    def send(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 0, which may be lost."""
        if self._transport is not None:
            self._transport.write(wire.publish(self._level, topic, payload))

    async def wait_lost(self) -> None:
        """Raise BrokerAway when the connection is gone."""
        raise BrokerAway(await asyncio.shield(self.lost))

    async def close(self) -> None:
        """Say goodbye, which discards the will, and close."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        transport.write(wire.DISCONNECT)
        transport.close()  # once all is written
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await asyncio.shield(self.lost)

    def abort(self) -> None:
        """Close without a word: the broker publishes the will."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is None:
            raise BrokerAway("not connected")
        self._transport.write(data)

    def _beat(self) -> None:
        """Show that we live, twice as often as promised; a silent broker is dead (§3.1.2.10)."""
        if self._transport is None:
            return
        if not self._heard:
            self._end("the broker is silent")
            return
        self._heard = False
        self._transport.write(wire.PING)
        self._pulse = self._loop.call_later(self._keep_alive / 2, self._beat)

    # -- asyncio.Protocol --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        # (uvloop's are no subclasses)
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hear what the broker says."""
        self._heard = True
        try:
            packets = self._incoming.feed(data)
        except wire.MqttError as error:
            self._end(str(error))
            return
        for packet in packets:
            match packet:
                case Puback():
                    self._acknowledged(packet)
                case Connack() if not self._connack.done():
                    self._connack.set_result(packet)
                case Goodbye(why):
                    self._end(why)
                case _:
                    pass

    def _acknowledged(self, packet: Puback) -> None:
        if packet.code >= wire.REFUSED:
            # Sent again it would be refused again, and hold up all others.
            log.warning("message refused by the broker", reason_code=packet.code)
        batch = self._batches.pop(packet.packet_id, None)
        if batch is None:
            return
        batch.left -= 1
        if not batch.left and not batch.done.done():
            batch.done.set_result(None)

    def pause_writing(self) -> None:
        """Note that more is waiting than should be."""
        self.congested = True

    def resume_writing(self) -> None:
        """Note that this is over."""
        self.congested = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits."""
        self._end(str(exc) if exc is not None else "the broker closed the connection")

    def _end(self, why: str) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        if self._pulse is not None:
            self._pulse.cancel()
        if not self.lost.done():
            self.lost.set_result(why)
        unanswered: list[asyncio.Future[Any]] = [batch.done for batch in self._batches.values()]
        for waiting in (self._connack, *unanswered):
            if not waiting.done():
                waiting.set_exception(BrokerAway(why))
                waiting.exception()  # asyncio complains of one that nobody has asked for
        self._batches.clear()


async def connect_to(
    host: str,
    port: int,
    *,
    level: Level,
    client_id: str,
    keep_alive: int,
    will: Will,
    username: str | None = None,
    password: str | None = None,
    tls: ssl.SSLContext | None = None,
) -> MqttSender:
    """Connect to a broker.

    Raises:
        OSError: it cannot be reached.
        BrokerAway: (an OSError) it refuses us, or does not answer.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(ANSWER_SECONDS):
        _, sender = await loop.create_connection(
            lambda: MqttSender(level, keep_alive), host, port, ssl=tls
        )
    introduction = wire.connect(
        level, client_id, keep_alive=keep_alive, will=will, username=username, password=password
    )
    try:
        await sender.introduce(introduction)
    except BaseException:
        sender.abort()
        raise
    return sender
