"""Carries events between the nodes of one hotline, over Redis pub/sub.

Live information: an event that cannot be sent now (Redis is away, or too slow) is dropped and
counted, because by the time Redis is back the desktops have read the state afresh. What must not be
lost goes to SQL and, for the world outside, through eventbus/mqtt.py's outbox.

Message on channel ``<prefix>:events``: ``{"node": ..., "event": {...}}``, UTF-8 JSON.

A node that is alone, as most are, sends nothing: how many listen is what Redis answers to PUBLISH.
It gathers its events for a second then, and asks Redis whether somebody listens now; who has come
meanwhile is sent them.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError, ResponseError

from eventbus.bus import EventBus
from eventbus.catalogue import BY_NAME, Event
from eventbus.known import known
from eventbus.redis_line import RedisLine
from eventbus.tasks import end

log = structlog.get_logger(__name__)

# json.dumps would make an encoder for each event.
_write = json.JSONEncoder(ensure_ascii=False).encode

_BACKLOG = 1000
# Events of this long share their way to Redis; nobody sees the difference on a screen.
_GATHER_SECONDS = 0.01
_PATIENCE_SECONDS = 1.0
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 2.0
# A node that is alone looks so often whether it still is, when there is something to tell.
_ALONE_SECONDS = 1.0


class RedisFanout:
    """Sends this node's events to the other nodes and delivers theirs here.

    Args:
        bus: the node's bus.
        redis: a client of the shared Redis; the owner closes it.
        node: this process, unlike any other running one: events that carry it are our own.
        prefix: put before the channel's name, for two hotlines on one Redis.
        on_status: called with ``ok`` or ``away`` at each change.

    Attributes:
        connected: whether other nodes' events arrive.
        dropped: events that other nodes did not get.
        alone: whether nobody else listened when last looked.
    """

    def __init__(
        self,
        *,
        bus: EventBus,
        redis: Redis,
        node: str,
        prefix: str = "hotline",
        on_status: Callable[[str], None] | None = None,
    ) -> None:
        self.connected = False
        self.dropped = 0
        self.alone = False
        self._bus = bus
        self._redis = redis
        self._line = RedisLine(redis, answer_seconds=_PATIENCE_SECONDS)
        self._node = node
        self._channel = f"{prefix}:events"
        self._on_status = on_status
        # What every message of ours begins with: how those that come back are told at a glance.
        self._head = f'{{"node": {json.dumps(node)}, "event": '
        self._own = self._head.encode()
        self._outgoing: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._unsubscribe: Callable[[], None] | None = None

    async def start(self) -> None:
        """Begin to send and to listen; returns at once, Redis there or not."""
        self._unsubscribe = self._bus.subscribe(self._append, own_only=True)
        self._tasks = [
            asyncio.create_task(self._send(), name="fanout-send"),
            asyncio.create_task(self._listen(), name="fanout-listen"),
        ]

    async def close(self) -> None:
        """Stop; events not sent yet are dropped."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        await end(*self._tasks)
        await self._line.close()

    def _append(self, event: Event) -> None:
        if not self.connected or (len(self._outgoing) >= _BACKLOG and not self.alone):
            self.dropped += 1
            return
        if len(self._outgoing) >= _BACKLOG:
            self._outgoing.popleft()
        self._outgoing.append(event)
        self._wake.set()

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(_ALONE_SECONDS if self.alone else _GATHER_SECONDS)
            self._wake.clear()
            while self._outgoing:
                batch = [self._outgoing.popleft() for _ in range(len(self._outgoing))]
                try:
                    async with asyncio.timeout(_PATIENCE_SECONDS):
                        if not (self.alone and await self._is_alone()):
                            await self._publish(batch)
                except (RedisError, OSError) as error:
                    self.dropped += len(batch) + len(self._outgoing)
                    self._outgoing.clear()
                    log.debug("events not sent to other nodes", error=str(error))

    async def _is_alone(self) -> bool:
        """Ask Redis whether nobody listens but ourselves."""
        _, listening = await self._line.ask("PUBSUB", "NUMSUB", self._channel)
        return int(listening) <= 1

    async def _publish(self, batch: list[Event]) -> None:
        messages = (f"{self._head}{_write(event.to_dict())}}}" for event in batch)
        listening = await self._line.ask_all(
            [("PUBLISH", self._channel, message.encode(errors="replace")) for message in messages]
        )
        if isinstance(listening[-1], ResponseError):
            raise listening[-1]
        # While our own subscription is down the one who listens may be another.
        self.alone = self.connected and listening[-1] <= 1

    async def _listen(self) -> None:
        delay = _FIRST_DELAY
        while True:
            pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
            try:
                await pubsub.subscribe(self._channel)
                self._set_connected(connected=True, detail=None)
                delay = _FIRST_DELAY
                await self._deliver_from(pubsub)
            except (RedisError, OSError) as error:
                self._set_connected(connected=False, detail=str(error))
            finally:
                with contextlib.suppress(RedisError, OSError):
                    await pubsub.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)

    async def _deliver_from(self, pubsub: PubSub) -> None:
        """Deliver until the connection breaks, which raises."""
        while True:
            # With a time-out, or the client's own socket_timeout would end a quiet connection.
            message = await pubsub.get_message(timeout=1.0)
            if message is None or message["data"].startswith(self._own):
                continue
            event = parse_foreign(message["data"], own_node=self._node)
            if event is not None:
                self._bus.deliver_foreign(event)

    def _set_connected(self, *, connected: bool, detail: str | None) -> None:
        self.alone = False
        if connected == self.connected:
            return
        self.connected = connected
        log.info("fan-out between nodes", connected=connected, detail=detail)
        if self._on_status is not None:
            self._on_status("ok" if connected else "away")


def parse_foreign(data: str | bytes, *, own_node: str) -> Event | None:
    """Read another node's message; None for our own, and for events that this version lacks.

    Of an event that it has, it leaves out fields that it does not know (`eventbus.known`).
    """
    try:
        message = json.loads(data)
        if message["node"] == own_node:
            return None
        fields = dict(message["event"])
        kind = BY_NAME[fields.pop("event")]
        return kind(**known(kind, fields))
    except (ValueError, KeyError, TypeError) as error:
        # During an upgrade, newer nodes speak of events that this one has not heard of.
        log.debug("event of another node not understood", error=repr(error))
        return None
