"""The floor the service runs on: Redis, and the node's own knowledge while Redis is away.

All the while the node keeps a mirror of what concerns it: the agents who signed in at it, the
agents in its calls, its calls. When Redis does not answer in time, commands go to the mirror,
which is a whole floor by itself (``FloorModel``): the node's calls are offered to the node's
agents, each of whom has his desk at one node only. When Redis is back, with its data, with old data
or with none, the node's knowledge replaces what Redis believes of it ("restore"); a Redis that has
started anew lets all nodes tell first, and offers nothing for that long. The same happens to a
node that was away so long that the others buried it.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

import structlog
from redis.asyncio import Redis
from typing_extensions import override

from agents.commands import Command, Engine, Reply, ignore
from agents.floor import FloorTimes, Status
from agents.floor_model import FloorModel
from agents.node_floor import NodeFloor
from agents.redis_floor import FloorUnreachable, News, RedisEngine
from eventbus.tasks import end

_log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 0.25
"""Pause between attempts to reach Redis again."""
PATIENCE_SECONDS: Final = 1.0
"""No command waits longer for Redis, also when the node has to be restored on the way."""
MOST_AT_ONCE: Final = 64
"""Commands in one round trip: Redis serves nobody else for as long as one takes, not all."""
REMEMBERED_CALLS: Final = 1000
"""Calls that are over: a wake-up that comes late must not bring one back."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A command that somebody waits for."""

    command: Command
    when: float | None
    reply: asyncio.Future[Reply]


def open_floor(
    *, redis: Redis, node: str, times: FloorTimes | None = None, prefix: str = "hotline"
) -> NodeFloor:
    """Make a node's floor; set its callbacks, then ``start`` it.

    Args:
        redis: the client, owned by the caller; an operation takes a second at most, whatever the
            client's own time-outs and retries are.
        node: this node's name; no two living nodes may share one.
        times: the floor's intervals.
        prefix: what the Redis keys begin with.
    """
    times = times or FloorTimes()
    remote = RedisEngine(redis, node=node, times=times, prefix=prefix)
    return NodeFloor(ResilientEngine(remote, node=node, times=times), node=node, times=times)


class ResilientEngine(Engine):
    """An engine that always answers.

    Args:
        remote: the shared floor.
        node: this node's name.
        times: the floor's intervals.
        clock: Unix seconds, for tests; without it Redis's clock is used, and this machine's while
            Redis is away.
    """

    def __init__(
        self,
        remote: RedisEngine,
        *,
        node: str,
        times: FloorTimes,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.status: Status = "away"
        self.on_reply: Callable[[Reply], None] = ignore
        self.on_status: Callable[[Status], None] = ignore
        self._remote = remote
        self._node = node
        self._times = times
        self._clock = clock
        self._mirror = FloorModel(times, home=node)
        self._mirror.nodes[node] = float("inf")
        # Which command the mirror's records come from: wake-ups travel on another connection and
        # may arrive after the reply to a later command.
        self._versions: dict[str, int] = {}
        # Calls that are gone, the latest ones; and the command that told of everything.
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._learnt_at = 0
        # One round trip at a time: replies are told in the order of their execution.
        self._lock = asyncio.Lock()
        self._asked: deque[_Asked] = deque()
        self._executing: asyncio.Task[None] | None = None
        self._away = asyncio.Event()
        self._recovery: asyncio.Task[None] | None = None
        self._listener: asyncio.Task[None] | None = None

    @override
    async def open(self) -> None:
        async with self._lock:
            try:
                await self._restore()
            except FloorUnreachable as error:
                self._go_away(error)
        self._recovery = asyncio.create_task(self._recover(), name="floor-recovery")

    @override
    async def close(self) -> None:
        await end(self._recovery)
        await end(self._listener)
        if self._executing is not None:
            await self._executing
        async with self._lock:
            if self.status == "ok":
                # What is still asked after this is answered by the mirror.
                self.status = "away"
                try:
                    await self._remote.execute(Command("leave"), self._now())
                except FloorUnreachable as error:
                    _log.warning("node could not take its leave", node=self._node, error=str(error))
            await self._remote.close()

    @override
    async def execute(self, command: Command, now: float | None) -> Reply:
        when = self._now() if now is None else now
        asked = _Asked(command, when, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        # What is asked meanwhile goes together: a busy node's commands share their way to Redis.
        # Whoever asks waits for his reply, not for the lock: that is handed on from one to the next
        # at each round of the loop, which under load took longer than Redis.
        if self._executing is None:
            self._executing = asyncio.create_task(self._execute_all_asked(), name="floor-commands")
        return await asked.reply

    def _now(self) -> float | None:
        return None if self._clock is None else self._clock()

    async def _execute_all_asked(self) -> None:
        try:
            while self._asked:
                async with self._lock:
                    await self._execute_asked()
                    # Whoever was answered goes on before the next change is told.
                    await asyncio.sleep(0)
        finally:
            self._executing = None

    async def _execute_asked(self) -> None:
        batch = [self._asked.popleft() for _ in range(min(len(self._asked), MOST_AT_ONCE))]
        try:
            replies = await self._execute_all([(asked.command, asked.when) for asked in batch])
            for asked, reply in zip(batch, replies, strict=True):
                self._tell(reply)
                if not asked.reply.done():  # he may have lost interest
                    asked.reply.set_result(reply)
        except Exception as error:  # noqa: BLE001 -- whoever asked is told, and raises it
            for asked in batch:
                if not asked.reply.done():
                    asked.reply.set_exception(error)
        finally:
            for asked in batch:
                asked.reply.cancel()  # of those that have none: nobody waits for ever

    def _tell(self, reply: Reply) -> None:
        """Tell the owner what a command did; his mistake is not that of whoever asked."""
        try:
            self.on_reply(reply)
        except Exception:  # noqa: BLE001 -- the outermost boundary of somebody else's code
            _log.exception("a floor's reply could not be handled", node=self._node)

    async def _execute_all(self, commands: Sequence[tuple[Command, float | None]]) -> list[Reply]:
        if self.status == "ok":
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    return await self._execute_there(commands)
            except (FloorUnreachable, TimeoutError) as error:
                self._go_away(error)
        return [
            self._mirror.handle(self._node, command, time.time() if when is None else when)
            for command, when in commands
        ]

    async def _execute_there(self, commands: Sequence[tuple[Command, float | None]]) -> list[Reply]:
        replies = await self._remote.execute_all(commands)
        known = next((n for n, reply in enumerate(replies) if reply.unknown), len(replies))
        for reply in replies[:known]:
            self._absorb(reply)
        if known < len(replies):
            _log.warning("node was taken for dead, or Redis has lost its data", node=self._node)
            await self._restore()
            again = await self._remote.execute_all(commands[known:])
            if any(reply.unknown for reply in again):
                raise FloorUnreachable("Redis forgets the node at once")
            for reply in again:
                self._absorb(reply)
            replies[known:] = again
        return replies

    def _absorb(self, reply: Reply) -> None:
        self._mirror.absorb(self._node, reply.presences, reply.calls)
        for presence in reply.presences:
            self._versions[f"agent {presence.agent_id}"] = reply.sequence
        for call in reply.calls:
            if call.state == "gone":
                self._versions.pop(f"call {call.call_id}", None)
                self._gone[call.call_id] = None
                if len(self._gone) > REMEMBERED_CALLS:
                    self._gone.popitem(last=False)
            else:
                self._versions[f"call {call.call_id}"] = reply.sequence
                self._gone.pop(call.call_id, None)  # he waits again

    # Losing Redis and getting it back

    def _go_away(self, error: Exception) -> None:
        _log.warning("Redis is away; the node works on its own", node=self._node, error=str(error))
        self.status = "away"
        self._away.set()
        self.on_status("away")

    async def _recover(self) -> None:
        """Whenever Redis is away, try until it is back; outside the lock, so nobody waits."""
        while True:
            await self._away.wait()
            # Its connection may be dead unnoticed; a new one is made after the restoration.
            await end(self._listener)
            await asyncio.sleep(RETRY_SECONDS)
            if not await self._remote.answers():
                continue
            async with self._lock:
                try:
                    await self._restore()
                except FloorUnreachable as error:
                    _log.info("Redis is not usable yet", node=self._node, error=str(error))
                    continue
            _log.info("Redis is back and knows this node again", node=self._node)

    async def _restore(self) -> None:
        """Put this node's knowledge into Redis, and learn what became of it."""
        agents, calls = self._mirror.known_to(self._node)
        told = dict(self._mirror.agents)
        life = await self._remote.life()
        arguments = {"agents": agents, "calls": calls, "token": self._mirror.token, "run": life}
        reply = await self._remote.execute(Command("restore", arguments), self._now())
        self._learn(reply)
        self._away.clear()
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen(), name="floor-wake-ups")
        if self.status != "ok":
            self.status = "ok"
            self.on_status("ok")
        # What was merely told again is no news.
        news = tuple(one for one in reply.presences if told.get(one.agent_id) != one)
        self.on_reply(replace(reply, presences=news))

    def _learn(self, reply: Reply) -> None:
        """Replace the mirror by what Redis says of this node (the reply to restore or known)."""
        token = self._mirror.token
        self._mirror = FloorModel(self._times, home=self._node)
        self._mirror.token = token
        self._mirror.nodes[self._node] = float("inf")
        self._versions.clear()
        self._gone.clear()
        self._learnt_at = reply.sequence
        self._mirror.absorb(self._node, *reply.result)
        self._absorb(reply)

    # What other nodes do

    async def _listen(self) -> None:
        """Hear wake-ups until cancelled; a lost subscription is made again."""
        while True:
            try:
                async with aclosing(self._remote.news()) as wake_ups:
                    async for news in wake_ups:
                        async with self._lock:
                            await self._hear(news)
            except FloorUnreachable as error:
                _log.info("wake-ups are interrupted", node=self._node, error=str(error))
            except Exception:  # noqa: BLE001 -- the task's outermost boundary
                _log.exception("a wake-up could not be handled", node=self._node)
            await asyncio.sleep(RETRY_SECONDS)

    async def _hear(self, news: News | None) -> None:
        if self.status != "ok":
            return  # the node works on its own, and will tell Redis what is so
        if news is None:
            # Subscribed just now: what was said before that is made up for.
            reply = await self._remote.execute(Command("known"), self._now())
            if not reply.unknown:
                self._learn(reply)
                self.on_reply(replace(reply, calls=(*reply.result[1], *reply.calls)))
            return
        if news.sequence <= self._learnt_at:
            return  # everything has been told since
        presences = [
            one
            for one in news.presences
            if self._versions.get(f"agent {one.agent_id}", 0) < news.sequence
        ]
        calls = [
            call
            for call in news.calls
            if self._versions.get(f"call {call.call_id}", 0) < news.sequence
            and call.call_id not in self._gone
        ]
        # The node that made these changes publishes them; here only offers are acted upon.
        change = Reply(presences=tuple(presences), calls=tuple(calls), sequence=news.sequence)
        self._absorb(change)
        self.on_reply(replace(change, presences=()))
