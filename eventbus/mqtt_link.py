"""A connection to the MQTT broker that also listens: what the exchange with partners goes over.

What is published while the broker is away is not kept here: whoever needs it to arrive repeats it
until the other side, not the broker, says that it has (:mod:`tickets.exchange.delivery`).
"""

import asyncio
import random
import ssl
from collections.abc import Callable, Sequence
from functools import partial

import aiomqtt
import structlog

from eventbus.mqtt import VERSIONS, Protocol
from eventbus.tasks import end

log = structlog.get_logger(__name__)

_FIRST_DELAY = 0.2
_LONGEST_DELAY = 4.0
_ANSWER_SECONDS = 5.0
_KEEPALIVE = 10
_WAITING = 1000
_REFUSED = 0x80


class MqttLink:
    """Stays connected, subscribed, and publishes.

    Args:
        host, port: the broker.
        client_id: what it is called there.
        topics: filters of what to listen to.
        on_message: told each message's topic and payload; must return at once.
        on_up: told when it has connected and subscribed, as far as the broker lets it.
        on_refused: told at each attempt which topics the broker does not let us listen to, and its
            codes; None: everything is listened to (again). What is refused is asked for again and
            again, the rest goes on meanwhile.
        protocol: ``5`` or ``3.1.1``.
        username, password, tls: how to reach a broker that is not on this machine.

    Attributes:
        connected: whether the broker takes messages.
        dropped: messages that could not be published.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        client_id: str,
        topics: Sequence[str],
        on_message: Callable[[str, bytes], None],
        on_up: Callable[[], None] = lambda: None,
        on_refused: Callable[[str | None], None] = lambda _why: None,
        protocol: Protocol = "5",
        username: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.connected = False
        self.dropped = 0
        self._topics = tuple(topics)
        self._on_message = on_message
        self._on_up = on_up
        self._on_refused = on_refused
        self._refusal: str | None = None
        self._outgoing: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(_WAITING)
        self._task: asyncio.Task[None] | None = None
        self._new_client = partial(
            aiomqtt.Client,
            host,
            port,
            username=username,
            password=password,
            tls_context=tls,
            identifier=client_id,
            protocol=VERSIONS[protocol],
            keepalive=_KEEPALIVE,
            timeout=_ANSWER_SECONDS,
        )

    async def start(self) -> None:
        """Begin to connect; returns without waiting for the broker."""
        self._task = asyncio.create_task(self._stay_connected(), name="mqtt-link")

    async def close(self) -> None:
        """Disconnect. Idempotent."""
        await end(self._task)
        self.connected = False

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand a message to the broker, at QoS 1, if it is there."""
        if not self.connected or self._outgoing.full():
            self.dropped += 1
            return
        self._outgoing.put_nowait((topic, payload))

    async def _stay_connected(self) -> None:
        delay = _FIRST_DELAY
        while True:
            try:
                async with self._new_client() as client:
                    refused = await self._subscribe(client, self._topics)
                    delay = _FIRST_DELAY
                    await self._serve(client, refused)
            except* (aiomqtt.MqttError, OSError) as group:
                log.info("exchange_link_down", error=repr(group.exceptions[0]))
            self.connected = False
            while not self._outgoing.empty():
                self._outgoing.get_nowait()
            await asyncio.sleep(delay * random.uniform(0.75, 1.0))  # noqa: S311 - spread, not secrecy
            delay = min(2 * delay, _LONGEST_DELAY)

    async def _subscribe(self, client: aiomqtt.Client, topics: Sequence[str]) -> list[str]:
        """Ask to listen to topics; return those that the broker refuses."""
        codes = {topic: await _refusal(client, topic) for topic in topics}
        refused = {topic: code for topic, code in codes.items() if code is not None}
        told = ", ".join(f"{topic}: 0x{code:02x}" for topic, code in refused.items())
        self._note_refusal(told or None)
        return list(refused)

    def _note_refusal(self, why: str | None) -> None:
        """Say what the broker refuses: an error, once, however often it is tried again."""
        if why is not None and why != self._refusal:
            log.error("mqtt_subscription_refused", why=why)
        self._refusal = why
        self._on_refused(why)

    async def _serve(self, client: aiomqtt.Client, refused: Sequence[str]) -> None:
        self.connected = True
        self._on_up()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(client))
            tasks.create_task(self._speak(client))
            tasks.create_task(self._ask_again(client, refused))

    async def _ask_again(self, client: aiomqtt.Client, refused: Sequence[str]) -> None:
        delay = _FIRST_DELAY
        while refused:
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)
            refused = await self._subscribe(client, refused)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload
            if isinstance(payload, bytes | bytearray):
                self._on_message(str(message.topic), bytes(payload))

    async def _speak(self, client: aiomqtt.Client) -> None:
        while True:
            topic, payload = await self._outgoing.get()
            await client.publish(topic, payload, qos=1)


async def _refusal(client: aiomqtt.Client, topic: str) -> int | None:
    """Listen to a topic; return the code of a SUBACK that says no.

    That is 0x80 and above (MQTT 5 and 3.1.1, both §3.9.3).
    """
    for granted in await client.subscribe(topic, qos=1):
        code = granted if isinstance(granted, int) else granted.value
        if code >= _REFUSED:
            return code
    return None
