"""Publishes this node's events to the world outside, over MQTT.

At least once, in order: events of 50 ms go to the broker together. What it has not acknowledged
(QoS 1) after half a second is written to the outbox (eventbus/outbox.py) and sent from there,
as is all that comes in the next minute; with a broker that is well nothing is written. One that is
away, or dies, loses nothing. After a reconnection, and where a broker was slow, some events come a
second time, with the same ``id``.

Transcript partials, where ``shown`` lets them out, are the exception: worth nothing a second later,
and twenty times as many as all others together. They go at QoS 0 straight away, and are dropped
(counted) while the broker is away or the outbox has not been emptied.

Topics: ``<prefix>/<event name with / for .>``, for example ``hotline/call/arrived``. The payload is
the event's JSON object with ``id`` and ``node`` added. ``<prefix>/node/<node>/status`` is retained:
``online``, or ``offline`` (set at close, and by the broker when the node dies).
"""

import asyncio
import contextlib
import itertools
import json
import math
import random
import sqlite3
import ssl
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import aiomqtt
import structlog

from eventbus.catalogue import Event, TranscriptPartial
from eventbus.outbox import Letter, Outbox
from eventbus.precedence import at_once

log = structlog.get_logger(__name__)

Protocol = Literal["5", "3.1.1"]
T = TypeVar("T")

VERSIONS = {"5": aiomqtt.ProtocolVersion.V5, "3.1.1": aiomqtt.ProtocolVersion.V311}
# json.dumps would make an encoder for each event.
_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_GATHER_SECONDS = 0.05
# Longer than a broker that is well takes and than we are ever held up ourselves; as long as events
# may be in memory alone.
_TAKEN_SECONDS = 0.5
# So long after it took longer all goes by the outbox: or whatever it is slow to take came twice.
_DISTRUST_SECONDS = 60.0
# aiomqtt looks through all pending ones for each new one: more would cost more each.
_BATCH = 50
_FIRST_DELAY = 0.2
_LONGEST_DELAY = 4.0
_ANSWER_SECONDS = 5.0
_FAREWELL_SECONDS = 1.0


class MqttPublisher:
    """Owns one connection at a time to the broker, and the outbox.

    Args:
        host, port: the broker.
        node: this node's name; part of the client identifier and of its status topic.
        outbox: the outbox's file; made where there is none.
        limit: most messages kept while the broker is away; beyond it the oldest go (counted).
        protocol: ``5``, or ``3.1.1`` for brokers that know no better (amqtt 0.12).
        prefix: first level of every topic.
        username, password, tls: how to reach a broker that is not on this machine.
        keepalive: seconds after which a silent broker is taken for dead.
        on_status: called with ``ok`` or ``away``, and why, at each change.
        shown: makes an event's object for the broker, JSON-ready; None: it is not published.
        give_way: awaited before sending, unless more waits than is sent at once.

    Attributes:
        connected: whether the broker takes messages.
        reason: what the last attempt to reach it came to, or None while connected.
        failing: whether the outbox cannot be written (disk full); events stay in memory meanwhile.
        dropped: messages that had to leave a full outbox unsent.
        dropped_partials: transcript partials not sent.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        node: str,
        outbox: Path,
        limit: int = 200_000,
        protocol: Protocol = "5",
        prefix: str = "hotline",
        username: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        keepalive: int = 10,
        on_status: Callable[[str, str | None], None] | None = None,
        shown: Callable[[Event], Mapping[str, Any] | None] = Event.to_dict,
        give_way: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        self._shown = shown
        self._give_way = give_way
        self.connected = False
        self.reason: str | None = None
        self.failing = False
        self.dropped = 0
        self.dropped_partials = 0
        self._node = node
        self._path = outbox
        self._limit = limit
        self._prefix = prefix
        self._on_status = on_status
        self._status_topic = f"{prefix}/node/{node}/status"
        self._new_client = partial(
            aiomqtt.Client,
            host,
            port,
            username=username,
            password=password,
            tls_context=tls,
            identifier=f"{prefix}-{node}",
            protocol=VERSIONS[protocol],
            keepalive=keepalive,
            timeout=_ANSWER_SECONDS,
            will=aiomqtt.Will(self._status_topic, "offline", qos=1, retain=True),
        )
        # Identifiers: unique over restarts by the first half, cheap by the second.
        self._run = uuid.uuid4().hex[:16]
        self._numbers = itertools.count(1)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._outbox: Outbox | None = None
        self._new: list[tuple[str, bytes]] = []
        self._arrived = asyncio.Event()
        self._committing = asyncio.Lock()
        self._committed = asyncio.Event()
        self._drained = asyncio.Event()
        self._waiting = 0
        # While the outbox is empty: what comes now may go over this connection at once.
        self._free: aiomqtt.Client | None = None
        self._trusted_from = 0.0
        self._partials: deque[tuple[str, bytes]] = deque()
        self._partial_taken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open the outbox and begin to connect; returns without waiting for the broker.

        Raises:
            OSError, sqlite3.OperationalError: the outbox cannot be opened.
        """
        self._outbox = await self._in_thread(partial(Outbox.open, self._path, limit=self._limit))
        self._waiting = await self._in_thread(self._outbox.count)
        self._tasks = [
            asyncio.create_task(self._hand_on(self._outbox), name="mqtt-outbox"),
            asyncio.create_task(self._stay_connected(self._outbox), name="mqtt-connection"),
        ]

    async def close(self, *, patience: float = 1.0) -> None:
        """Send what can be sent within ``patience`` seconds, say ``offline``, stop.

        What the broker has not acknowledged by then stays in the outbox for the next start.
        Idempotent.
        """
        if self.connected:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._drained.wait()
        for task in reversed(self._tasks):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            try:
                await self._commit(outbox)
            except sqlite3.Error as error:
                log.error("events lost at close", count=len(self._new), error=str(error))  # noqa: TRY400 - the cause is in the message
            await self._in_thread(outbox.close)
        self._thread.shutdown()

    @property
    def sends_at_once(self) -> bool:
        """Whether nothing waits: what is published now goes to the broker without being written."""
        return self._free is not None

    def publish(self, event: Event) -> None:
        """Take an event; a subscriber for ``EventBus.subscribe(..., own_only=True)``."""
        if (shown := self._shown(event)) is None:
            return
        topic = f"{self._prefix}/{event.name.replace('.', '/')}"
        number = f"{self._run}-{next(self._numbers)}"
        body = {"id": number, "node": self._node, **shown}
        payload = _write(body).encode(errors="replace")
        if isinstance(event, TranscriptPartial):
            self._take_partial(topic, payload)
            return
        if len(self._new) >= self._limit:
            # Only when neither broker nor disk takes anything: see _hand_on.
            self._new.pop(0)
            self.dropped += 1
        self._new.append((topic, payload))
        self._drained.clear()
        self._arrived.set()

    async def counts(self) -> dict[str, int]:
        """Return ``{"outbox", "dropped", "dropped_partials"}``."""
        return {
            "outbox": self._waiting + len(self._new),
            "dropped": self.dropped,
            "dropped_partials": self.dropped_partials,
        }

    def _take_partial(self, topic: str, payload: bytes) -> None:
        # Behind a backlog a partial would overtake the final of the words before it.
        if not self.connected or self._waiting > _BATCH or len(self._partials) >= _BATCH:
            self.dropped_partials += 1
            return
        self._partials.append((topic, payload))
        self._partial_taken.set()

    async def _hand_on(self, outbox: Outbox) -> None:
        """Give what was published to the broker, or else to the outbox, 50 ms after the first.

        The first event waits for those that follow it: a call that comes is several, and is not to
        wait for the telling of its own arrival.
        """
        while True:
            await self._arrived.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            self._arrived.clear()
            if await self._send_at_once():
                self.failing = False  # nothing waits for the disk; whether it still fails will show
                continue
            try:
                # Cancelled half-way, it would write the same events again at close.
                await asyncio.shield(self._commit(outbox))
                self.failing = False
            except sqlite3.Error as error:
                # Disk full, most likely: the events stay in memory and are tried again.
                if not self.failing:
                    log.error("outbox cannot be written", error=str(error))  # noqa: TRY400 - the cause is in the message
                self.failing = True
                self._arrived.set()
                await asyncio.sleep(1.0)

    async def _send_at_once(self) -> bool:
        """Send what is new without writing it; return whether the broker has acknowledged it all.

        Where the disk takes nothing there is no other way: then a slow broker is waited for.
        """
        if len(self._new) <= _BATCH:
            await self._give_way()
        while self._new:
            client, now = self._free, asyncio.get_running_loop().time()
            if client is None or not (self.failing or now >= self._trusted_from):
                return False
            batch = self._new[:_BATCH]
            del self._new[:_BATCH]
            try:
                async with asyncio.timeout(None if self.failing else _TAKEN_SECONDS):
                    await _deliver(client, batch)
            except (TimeoutError, aiomqtt.MqttError):
                self._new[:0] = batch
                self._trusted_from = now + _DISTRUST_SECONDS
                return False
            except asyncio.CancelledError:
                self._new[:0] = batch
                raise
        self._drained.set()
        return True

    async def _commit(self, outbox: Outbox) -> None:
        async with self._committing:
            batch = list(self._new)
            if not batch:
                return
            dropped = await self._in_thread(partial(outbox.append, batch))
            # New ones may have come meanwhile, behind these.
            del self._new[: len(batch)]
            self._waiting += len(batch) - dropped
        if dropped:
            self.dropped += dropped
            log.warning("outbox full, oldest events dropped", dropped=dropped)
        self._free = None
        self._committed.set()

    async def _stay_connected(self, outbox: Outbox) -> None:
        delay = _FIRST_DELAY
        while True:
            try:
                async with self._new_client() as client:
                    delay = _FIRST_DELAY
                    await self._serve(client, outbox)
            except* (aiomqtt.MqttError, OSError) as group:
                self._set_connected(connected=False, detail=_first(group))
            except* sqlite3.Error as group:
                log.error("outbox cannot be read", error=_first(group))  # noqa: TRY400 - as above
                self._set_connected(connected=False, detail="the outbox cannot be read")
            # A whole city's nodes must not knock at the same moment.
            await asyncio.sleep(delay * random.uniform(0.75, 1.0))  # noqa: S311 - spread, not secrecy
            delay = min(2 * delay, _LONGEST_DELAY)

    async def _serve(self, client: aiomqtt.Client, outbox: Outbox) -> None:
        """Send until the connection breaks (raises an ExceptionGroup) or we are cancelled."""
        client.pending_calls_threshold = _BATCH
        await client.publish(self._status_topic, "online", qos=1, retain=True)
        self._set_connected(connected=True, detail=None)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_until_disconnected(client))
                tasks.create_task(self._send_partials(client))
                tasks.create_task(self._send_outbox(client, outbox))
        except asyncio.CancelledError:
            # A clean DISCONNECT discards the will, so what it would say is said here.
            with contextlib.suppress(aiomqtt.MqttError):
                # It is not told of a connection that breaks now, and waits for its time-out.
                await client.publish(
                    self._status_topic, "offline", qos=1, retain=True, timeout=_FAREWELL_SECONDS
                )
            raise
        finally:
            self._free = None

    async def _send_outbox(self, client: aiomqtt.Client, outbox: Outbox) -> None:
        sent: list[Letter] = []
        while True:
            # One visit to the thread for both: forget these, fetch the next.
            letters, self._waiting = await self._in_thread(partial(outbox.next, sent, _BATCH))
            if not letters:
                sent = []
                await self._until_committed(client)
                continue
            if self._waiting <= _BATCH:
                await self._give_way()
            await _deliver(client, [(letter.topic, letter.payload) for letter in letters])
            sent = letters

    async def _until_committed(self, client: aiomqtt.Client) -> None:
        """Let what comes go at once, until something is written to the outbox."""
        self._free = client
        if not self._new:
            self._drained.set()
        await self._committed.wait()
        self._committed.clear()
        self._free = None

    async def _send_partials(self, client: aiomqtt.Client) -> None:
        self._partials.clear()
        while True:
            await self._partial_taken.wait()
            self._partial_taken.clear()
            while self._partials:
                topic, payload = self._partials.popleft()
                await client.publish(topic, payload, qos=0)

    def _set_connected(self, *, connected: bool, detail: str | None) -> None:
        self.reason = detail
        if connected == self.connected:
            return
        self.connected = connected
        log.info("MQTT broker", connected=connected, detail=detail)
        if self._on_status is not None:
            self._on_status("ok" if connected else "away", detail)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def _first(group: BaseExceptionGroup) -> str:
    """Return what the first error in the group says; groups nest as the task groups do."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


async def _deliver(client: aiomqtt.Client, messages: Sequence[tuple[str, bytes]]) -> None:
    """Hand (topic, payload) pairs over in order; wait until the broker has acknowledged each.

    Raises:
        aiomqtt.MqttError: the connection broke, or it took too long.
    """
    # Tasks take their first step in the order of their making, and that step puts the PUBLISH into
    # paho's queue: the order holds while the acknowledgements are awaited together. One time-out
    # for all of them: a timer for each costs as much as its message.
    try:
        async with asyncio.timeout(_ANSWER_SECONDS), asyncio.TaskGroup() as tasks:
            for topic, payload in messages:
                tasks.create_task(client.publish(topic, payload, qos=1, timeout=math.inf))
    except TimeoutError:
        raise aiomqtt.MqttError("no acknowledgement in time") from None
    except ExceptionGroup as group:
        if group.split(aiomqtt.MqttError)[1] is not None:
            raise
        raise aiomqtt.MqttError(_first(group)) from group


async def _until_disconnected(client: aiomqtt.Client) -> None:
    # Iterating is how aiomqtt tells of a broken connection: a pending publish() only times out.
    async for _ in client.messages:
        pass
