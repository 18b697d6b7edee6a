"""The node's timer on a real clock, and four nodes racing for the same agents."""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress

import pytest
from structlog.testing import capture_logs
from typing_extensions import override

from agents.commands import Command, Engine, Reply, ignore
from agents.floor import FloorTimes, Offer, Status
from agents.node_floor import NodeFloor
from agents.presence import Presence
from agents.redis_floor import connect
from agents.resilient_floor import open_floor
from tests.support.floors import Node
from tests.support.redis_server import RedisServer
from tests.support.waiting import until


async def start_node(
    stack: AsyncExitStack, server: RedisServer, times: FloorTimes, name: str = "a"
) -> Node:
    redis = connect(server.url)
    stack.push_async_callback(redis.aclose)
    node = Node(open_floor(redis=redis, node=name, times=times))
    await node.floor.start()
    stack.push_async_callback(node.floor.close)
    return node


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def test_wrap_up_ends_on_time_without_waiting_for_the_sweep(
    server: RedisServer, stack: AsyncExitStack
) -> None:
    node = await start_node(stack, server, FloorTimes(wrap_up=0.2, sweep=60))
    await node.ready_agent("1001")
    await node.floor.enqueue("c1", arrived_at=1)
    await node.floor.talking(node.offers[0])
    await node.floor.enqueue("c2", arrived_at=2)
    began = time.monotonic()
    await node.floor.finish("1001", "c1")

    await until(lambda: len(node.offers) == 2)

    assert time.monotonic() - began >= 0.2


async def test_a_lease_that_nobody_uses_expires_on_time(
    server: RedisServer, stack: AsyncExitStack
) -> None:
    node = await start_node(stack, server, FloorTimes(offer=0.2, reoffer=60, sweep=60))
    await node.ready_agent("1001")
    await node.floor.enqueue("c1", arrived_at=1)
    await until(lambda: node.presences[-1].state == "ready", 1.0)
    assert (await node.floor.counts())["waiting"] == 1


DYING_NODE = """
import asyncio, sys
from agents.redis_floor import connect
from agents.resilient_floor import open_floor

async def main():
    floor = open_floor(redis=connect(sys.argv[1]), node="dying")
    floor.on_offer = lambda offer: print(offer.agent_id, flush=True)
    await floor.start()
    await floor.enqueue("c1", arrived_at=1)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()


async def test_the_agents_of_a_node_that_was_killed_are_freed_by_the_others(
    server: RedisServer, stack: AsyncExitStack
) -> None:
    living = await start_node(stack, server, FloorTimes(sweep=0.1), "living")
    await living.ready_agent("1001")
    dying = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DYING_NODE, server.url, stdout=asyncio.subprocess.PIPE
    )
    stack.push_async_callback(dying.wait)
    stack.callback(kill, dying)
    assert dying.stdout is not None
    async with asyncio.timeout(10):
        assert await dying.stdout.readline() == b"1001\n"
    assert await living.state("1001") == "reserved"

    kill(dying)
    await dying.wait()

    # The dead node beat with its own expiry, 15 s, the last time; the test does not wait for that.
    in_15_s = time.time() + 15.5
    # All are overdue: whoever lives may tell first. More than once, as a sweep between the two
    # beats, which goes by the real clock, lets them all be overdue anew.
    for _ in range(20):
        await living.floor.beat(now=in_15_s)
        await living.floor.beat(now=in_15_s + FloorTimes().grace)
        if await living.state("1001") == "ready":
            break
    assert await living.state("1001") == "ready"
    assert living.presences[-1].state == "ready"


async def test_an_error_in_a_callback_does_not_stop_the_sweep(
    server: RedisServer, stack: AsyncExitStack
) -> None:
    node = await start_node(stack, server, FloorTimes(wrap_up=0.1, sweep=0.1))
    await node.ready_agent("1001")
    await node.floor.enqueue("c1", arrived_at=1)
    await node.floor.talking(node.offers[0])
    await node.floor.finish("1001", "c1")

    def fail(_presence: Presence) -> None:
        node.floor.on_presence = node.presences.append
        raise ZeroDivisionError

    node.floor.on_presence = fail
    with capture_logs() as logs:
        await until(lambda: logs)
    await node.floor.enqueue("c2", arrived_at=2)
    assert [offer.call_id for offer in node.offers] == ["c1", "c2"]


class AlwaysDue(Engine):
    """A floor on which something is due in a moment, whenever it is asked."""

    def __init__(self) -> None:
        self.status: Status = "ok"
        self.on_reply: Callable[[Reply], None] = ignore
        self.on_status: Callable[[Status], None] = ignore
        self.beats: list[bool] = []

    @override
    async def open(self) -> None:
        self.on_reply(Reply(now=0.0, due=0.0))

    @override
    async def close(self) -> None:
        pass

    @override
    async def execute(self, command: Command, now: float | None) -> Reply:
        self.beats.append(command.arguments["audit"])
        reply = Reply(result=[], now=0.0, due=0.0)
        self.on_reply(reply)
        return reply


async def test_a_floor_that_always_has_something_due_is_swept_and_not_each_time() -> None:
    engine = AlwaysDue()
    floor = NodeFloor(engine, node="a", times=FloorTimes(sweep=0.05))
    await floor.start()
    await until(lambda: engine.beats.count(True) >= 2 and False in engine.beats)
    await floor.close()


class Exchange:
    """Plays calls and phones of one node; agents and their phones are common to all nodes."""

    phones: dict[str, str]
    clashes: list[str]

    def __init__(self, floor: NodeFloor, seed: int) -> None:
        self.floor = floor
        self.random = random.Random(seed)
        self.gone: set[str] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        floor.on_offer = self.on_offer

    def on_offer(self, offer: Offer) -> None:
        task = asyncio.create_task(self.ring(offer))
        self.tasks.add(task)

    def take(self, offer: Offer) -> None:
        """The agent's phone is one: two calls on it at a time are a clash."""
        if offer.agent_id in self.phones:
            self.clashes.append(f"{offer} while in {self.phones[offer.agent_id]}")
        self.phones[offer.agent_id] = offer.call_id

    async def ring(self, offer: Offer) -> None:
        self.take(offer)
        await self.floor.ringing(offer)
        await asyncio.sleep(self.random.random() * 0.004)
        fate = self.random.choice(["answer", "answer", "refused", "missed", "caller gone"])
        # The phone is free again before the floor is told so.
        if fate == "answer":
            assert await self.floor.talking(offer)
            await asyncio.sleep(self.random.random() * 0.004)
            del self.phones[offer.agent_id]
            self.gone.add(offer.call_id)
            await self.floor.finish(offer.agent_id, offer.call_id)
            await self.floor.end_wrap_up(offer.agent_id)
            return
        del self.phones[offer.agent_id]
        if fate == "caller gone":
            self.gone.add(offer.call_id)
            await self.floor.dequeue(offer.call_id)
        else:
            await self.floor.release(offer, "missed" if fate == "missed" else "refused")
            await self.floor.set_ready(offer.agent_id)


async def test_four_nodes_race_for_twelve_agents(
    server: RedisServer, stack: AsyncExitStack
) -> None:
    times = FloorTimes(reoffer=0.005, sweep=0.1)
    nodes = [await start_node(stack, server, times, name) for name in "abcd"]
    Exchange.phones, Exchange.clashes = {}, []
    exchanges = [Exchange(node.floor, seed) for seed, node in enumerate(nodes)]
    for number in range(12):
        await nodes[number % 4].ready_agent(f"10{number:02}")

    async def flood(exchange: Exchange) -> None:
        for number in range(60):
            call_id = f"{exchange.floor.node}{number}"
            await exchange.floor.enqueue(call_id, arrived_at=time.time())

    await asyncio.gather(*(flood(exchange) for exchange in exchanges))
    await until(lambda: all(len(exchange.gone) == 60 for exchange in exchanges), 20)
    for exchange in exchanges:
        await asyncio.gather(*exchange.tasks)

    assert Exchange.clashes == []
    counts = await nodes[0].floor.counts()
    assert (counts["waiting"], counts["offers"], counts["conversations"]) == (0, 0, 0)
    assert counts["ready"] == 12
