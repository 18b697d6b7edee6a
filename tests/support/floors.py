"""Floors for tests: the same nodes on the model, on a real Redis, or on a Redis that is away."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from redis.asyncio import Redis
from typing_extensions import override

from agents.commands import Command, Engine, Reply, ignore
from agents.floor import FloorTimes, Offer, Status
from agents.floor_model import FloorModel
from agents.node_floor import NodeFloor
from agents.presence import Presence
from agents.redis_floor import RedisEngine, connect
from agents.resilient_floor import ResilientEngine
from tests.support.redis_server import RedisServer

Kind = Literal["model", "redis", "away"]
KINDS: tuple[Kind, ...] = ("model", "redis", "away")

# The sweep is left to the tests' own beats; time is theirs, too.
TIMES = FloorTimes(offer=20, reoffer=5, wrap_up=30, node=15, sweep=3600)


@dataclass
class Clock:
    """Time that passes when a test says so."""

    now: float = 1_765_000_000.0

    def __call__(self) -> float:
        return self.now


class ModelEngine(Engine):
    """``FloorModel`` behind the same door as Redis; all nodes share one model and one clock."""

    def __init__(
        self, model: FloorModel, clock: Clock, node: str, fellows: "list[ModelEngine]"
    ) -> None:
        self.status: Status = "ok"
        self.on_reply: Callable[[Reply], None] = ignore
        self.on_status: Callable[[Status], None] = ignore
        self._model = model
        self._clock = clock
        self._node = node
        self._fellows = fellows
        fellows.append(self)

    @override
    async def open(self) -> None:
        restore = Command("restore", {"agents": [], "calls": [], "token": 0})
        await self.execute(restore, None)

    @override
    async def close(self) -> None:
        self._do(Command("leave"), None)

    @override
    async def execute(self, command: Command, now: float | None) -> Reply:
        reply = self._do(command, now)
        self.on_reply(reply)
        return reply

    def _do(self, command: Command, now: float | None) -> Reply:
        reply = self._model.handle(self._node, command, self._clock() if now is None else now)
        for fellow in self._fellows:
            if fellow is not self:
                fellow.on_reply(Reply(calls=reply.calls))
        return reply


@dataclass
class Node:
    """A node's floor and what it was told."""

    floor: NodeFloor
    offers: list[Offer] = field(default_factory=list)
    presences: list[Presence] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.floor.on_offer = self.offers.append
        self.floor.on_presence = self.presences.append
        self.floor.on_status = self.statuses.append

    async def ready_agent(self, agent_id: str, *, phones: int = 1) -> None:
        """Sign an agent in, with a phone, and make him ready."""
        await self.floor.sign_in(agent_id)
        await self.floor.set_phones(agent_id, phones)
        await self.floor.set_ready(agent_id)

    async def state(self, agent_id: str) -> str:
        """Return an agent's state, with the reason in brackets if there is one."""
        presence = await self.floor.presence(agent_id)
        assert presence is not None
        return presence.state + (f"({presence.reason})" if presence.reason else "")


@asynccontextmanager
async def open_nodes(
    kind: Kind, names: tuple[str, ...], clock: Clock, server: RedisServer, redis: Redis
) -> AsyncIterator[list[Node]]:
    """Start one floor for each name; end them all.

    "away" has one node only that works on its own: its Redis does not exist.
    """
    model, fellows = FloorModel(TIMES), list[ModelEngine]()
    async with AsyncExitStack() as stack:
        if kind == "away":
            redis = connect(f"{server.url}-nobody")
            stack.push_async_callback(redis.aclose)
        nodes = []
        for name in names:
            engine: Engine
            if kind == "model":
                engine = ModelEngine(model, clock, name, fellows)
            else:
                remote = RedisEngine(redis, node=name, times=TIMES)
                engine = ResilientEngine(remote, node=name, times=TIMES, clock=clock)
            node = Node(NodeFloor(engine, node=name, times=TIMES))
            await node.floor.start()
            stack.push_async_callback(node.floor.close)
            nodes.append(node)
        yield nodes
