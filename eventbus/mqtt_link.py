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


class SubscriptionRefused(Exception):
    """The broker does not let us listen to a topic; the message says which, and its code."""


class MqttLink:
    """Stays connected, subscribed, and publishes.

    Args:
        host, port: the broker.
        client_id: what it is called there.
        topics: filters of what to listen to.
        on_message: told each message's topic and payload; must return at once.
        on_up: told when it has connected and subscribed.
        on_refused: told at each attempt what the broker does not let us listen to; None: everything
            is listened to (again).
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
                    for topic in self._topics:
                        await _subscribe(client, topic)
                    delay = _FIRST_DELAY
                    self._note_refusal(None)
                    await self._serve(client)
            except* SubscriptionRefused as group:
                self._note_refusal(str(group.exceptions[0]))
            except* (aiomqtt.MqttError, OSError) as group:
                log.info("exchange_link_down", error=repr(group.exceptions[0]))
            self.connected = False
            while not self._outgoing.empty():
                self._outgoing.get_nowait()
            await asyncio.sleep(delay * random.uniform(0.75, 1.0))  # noqa: S311 - spread, not secrecy
            delay = min(2 * delay, _LONGEST_DELAY)

    def _note_refusal(self, why: str | None) -> None:
        """Say what the broker refuses: an error, once, however often it is tried again."""
        if why is not None and why != self._refusal:
            log.error("mqtt_subscription_refused", why=why)
        self._refusal = why
        self._on_refused(why)

    async def _serve(self, client: aiomqtt.Client) -> None:
        self.connected = True
        self._on_up()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(client))
            tasks.create_task(self._speak(client))

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload
            if isinstance(payload, bytes | bytearray):
                self._on_message(str(message.topic), bytes(payload))

    async def _speak(self, client: aiomqtt.Client) -> None:
        while True:
            topic, payload = await self._outgoing.get()
            await client.publish(topic, payload, qos=1)


async def _subscribe(client: aiomqtt.Client, topic: str) -> None:
    """Listen to a topic, whose SUBACK may say no (MQTT 5 §3.9.3, 3.1.1 §3.9.3: 0x80 and above).

    Raises:
        SubscriptionRefused: it does.
    """
    for granted in await client.subscribe(topic, qos=1):
        code = granted if isinstance(granted, int) else granted.value
        if code >= _REFUSED:
            raise SubscriptionRefused(f"{topic}: 0x{code:02x}")
