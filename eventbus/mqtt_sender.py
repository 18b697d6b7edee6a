"""A connection to the MQTT broker that only publishes: many messages in one write.

Their acknowledgements, too, come in one reading mostly. What is in a packet: eventbus/mqtt_packets.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import Final, cast

from typing_extensions import override

from eventbus.mqtt_packets import (
    CONNACK,
    DISCONNECT,
    DISCONNECTED,
    PING,
    PINGRESP,
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

ANSWER_SECONDS: Final = 5.0
"""A broker that acknowledges nothing for so long is taken for dead."""
_PINGS: Final = 2
"""So many go unanswered before a broker is taken for dead: our own loop may read late."""
_MOST_AT_ONCE: Final = 500
_NUMBERS: Final = 65_535

Message = tuple[str, bytes]
"""Topic and payload."""


class MqttSender(asyncio.Protocol):
    """Publishes; made by `connected_sender`.

    Args:
        version: the protocol level.
    """

    def __init__(self, version: Version) -> None:
        loop = asyncio.get_running_loop()
        self._version = version
        self._packets = Packets()
        self._transport: asyncio.Transport | None = None
        self._accepted: asyncio.Future[Accepted] = loop.create_future()
        self._broken: asyncio.Future[None] = loop.create_future()
        self._turn = asyncio.Lock()
        self._most = 1
        self._number = 0
        self._under_way: set[int] = set()
        self._taken: asyncio.Future[None] | None = None
        self._unanswered = 0

    # -- what its owner wants ----------------------------------------------------------------------

    async def deliver(self, messages: Sequence[Message], *, retain: bool = False) -> None:
        """Publish at QoS 1, in order; return when the broker has acknowledged every one.

        Raises:
            BrokerError: the connection is broken, or nothing was acknowledged in time.
        """
        async with self._turn:
            for begin in range(0, len(messages), self._most):
                await self._deliver(messages[begin : begin + self._most], retain=retain)

    def tell(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 0: it arrives, or it does not."""
        if self._transport is not None:
            self._transport.write(publish(self._version, topic, payload))

    async def until_broken(self) -> None:
        """Wait until the connection breaks, which raises `BrokerError`."""
        await asyncio.shield(self._broken)

    async def _deliver(self, messages: Sequence[Message], *, retain: bool) -> None:
        if self._transport is None or self._broken.done():
            raise BrokerError("the connection is broken")
        numbers = [self._next_number() for _ in messages]
        self._under_way = set(numbers)
        self._taken = asyncio.get_running_loop().create_future()
        self._transport.write(
            b"".join(
                publish(self._version, topic, payload, number=number, retain=retain)
                for number, (topic, payload) in zip(numbers, messages, strict=True)
            )
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._taken
        except TimeoutError:
            raise BrokerError("no acknowledgement in time") from None
        finally:
            self._taken = None

    def _next_number(self) -> int:
        self._number = self._number % _NUMBERS + 1
        return self._number

    # -- beginning and end -------------------------------------------------------------------------

    async def begin(
        self,
        *,
        client_id: str,
        keepalive: int,
        username: str | None,
        password: str | None,
        will: Will,
    ) -> float:
        """Introduce ourselves; return after how many seconds of silence the broker drops us.

        Raises:
            BrokerError: it does not let us in.
        """
        assert self._transport is not None  # noqa: S101 - connection_made comes first
        hello = connect(
            self._version,
            client_id=client_id,
            keepalive=keepalive,
            username=username,
            password=password,
            will=will,
        )
        self._transport.write(hello)
        accepted = await self._accepted
        self._most = min(accepted.most, _MOST_AT_ONCE)
        return keepalive if accepted.keepalive is None else accepted.keepalive

    async def stay(self, keepalive: float) -> None:
        """Show the broker that we live, and find out whether it does, until cancelled."""
        while keepalive:
            await asyncio.sleep(keepalive / 2)
            if self._unanswered == _PINGS:
                self._break(BrokerError("the broker has fallen silent"))
            self._unanswered += 1
            if self._transport is not None:
                self._transport.write(PING)

    def close(self) -> None:
        """Take our leave, so that the broker forgets the will."""
        if self._transport is not None:
            self._transport.write(DISCONNECT)
            self._transport.close()
            self._transport = None

    # -- what the connection tells -----------------------------------------------------------------

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        try:
            for kind, body in self._packets.feed(data):
                self._take(kind, body)
        except BrokerError as error:
            self._break(error)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._break(BrokerError(str(exc) if exc else "the broker has closed the connection"))

    def _take(self, kind: int, body: bytes) -> None:
        if kind == PUBACK:
            self._under_way.discard(read_puback(body))
            if not self._under_way and self._taken is not None and not self._taken.done():
                self._taken.set_result(None)
        elif kind == CONNACK and not self._accepted.done():
            self._accepted.set_result(read_connack(self._version, body))
        elif kind == PINGRESP:
            self._unanswered = 0
        elif kind == DISCONNECTED:
            raise BrokerError(read_disconnect(body))
        else:
            raise BrokerError(f"an unexpected packet 0x{kind:02x}")

    def _break(self, error: BrokerError) -> None:
        """Tell everybody who waits; the first reason counts."""
        for waiting in (self._accepted, self._taken, self._broken):
            if waiting is not None and not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # asyncio complains of one that nobody has asked for
        if self._transport is not None:
            self._transport.abort()
            self._transport = None


@contextlib.asynccontextmanager
async def connected_sender(
    host: str,
    port: int,
    *,
    version: Version,
    client_id: str,
    keepalive: int,
    will: Will,
    username: str | None = None,
    password: str | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[MqttSender]:
    """Connect for the length of the block.

    Raises:
        BrokerError: the broker is away or does not let us in.
    """
    loop = asyncio.get_running_loop()
    sender = MqttSender(version)
    try:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await loop.create_connection(lambda: sender, host, port, ssl=tls)
                seconds = await sender.begin(
                    client_id=client_id,
                    keepalive=keepalive,
                    username=username,
                    password=password,
                    will=will,
                )
        except TimeoutError:
            raise BrokerError("no answer") from None
        except OSError as error:
            raise BrokerError(str(error)) from error
        staying = asyncio.create_task(sender.stay(seconds), name="mqtt-keepalive")
        try:
            yield sender
        finally:
            staying.cancel()
    finally:
        sender.close()
