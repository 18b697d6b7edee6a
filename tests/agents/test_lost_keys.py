"""A Redis that has lost a part of what it was told: evicted, deleted by hand, cut off half-way.

Whichever key it is: no command fails, and after a few beats all is as if nothing had been lost,
because the living nodes tell again what they know.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from agents.commands import Command, CommandName, to_record
from agents.demand import Want
from agents.node_floor import NodeFloor
from agents.presence import State
from agents.redis_floor import RedisEngine, connect
from agents.resilient_floor import ResilientEngine
from tests.support.floors import TIMES, Clock, Node
from tests.support.redis_server import RedisServer
from tests.support.waiting import PATIENCE

BASE = "hotline:{floor}"
KEYS = (
    *(f"agent:{agent_id}" for agent_id in range(1001, 1007)),
    *("agents", "states", "resting", "wrapups", "alone", "desk:a"),
    *("ready:any", "ready:agent:1006", "ready:english@own"),
    *(f"call:c{number}" for number in range(1, 5)),
    *("waiting", "queue:english@own|2|0", "queue:agent:1003|0|0", "widening", "offers"),
    *("wants:english@own", "wants:agent:1003", "conversations"),
    *("node:a", "node:b", "nodes", "token", "sequence", "run"),
)
"""All that the floor below keeps."""

COMMANDS: tuple[tuple[CommandName, dict[str, Any]], ...] = (
    ("beat", {}),
    ("sign_in", {"agent_id": "1001", "pools": "english@own=1"}),
    ("set_ready", {"agent_id": "1003"}),
    ("set_not_ready", {"agent_id": "1002", "reason": "lunch"}),
    ("extend_wrap_up", {"agent_id": "1003"}),
    ("end_wrap_up", {"agent_id": "1003"}),
    ("set_phones", {"agent_id": "1005", "count": 1}),
    ("set_desktop", {"agent_id": "1006", "connected": True}),
    ("set_desktop", {"agent_id": "1006", "connected": False}),
    ("set_pools", {"agent_id": "1004", "pools": "english@own=2"}),
    ("enqueue", {"call_id": "c9", "arrived_at": 1.0, "priority": 1, "wants": "0|any|0|0"}),
    ("ringing", {"call_id": "c2", "agent_id": "1002", "token": 3}),
    ("talking", {"call_id": "c2", "agent_id": "1002", "token": 3}),
    ("set_talk", {"agent_id": "1001", "call_id": "c1", "talk": "hold"}),
    ("set_wants", {"call_id": "c3", "priority": 1, "wants": "0|any|9|0"}),
    ("release", {"call_id": "c2", "agent_id": "1002", "token": 3, "outcome": "busy"}),
    ("finish", {"call_id": "c1", "agent_id": "1001"}),
    ("dequeue", {"call_id": "c3"}),
    ("position", {"call_id": "c4"}),
    ("stalled", {"seconds": 0.0}),
    ("presence", {"agent_id": "1001"}),
    ("everyone", {}),
    ("counts", {}),
    ("known", {}),
    ("sign_out", {"agent_id": "1006"}),
    ("leave", {}),
)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no node work on its own because the machine is busy."""
    monkeypatch.setattr("agents.redis_floor.SOCKET_TIMEOUT", PATIENCE)
    monkeypatch.setattr("agents.redis_floor._OPERATION_TIMEOUT", PATIENCE)
    monkeypatch.setattr("agents.resilient_floor.PATIENCE_SECONDS", PATIENCE)


@asynccontextmanager
async def busy_floor(server: RedisServer, clock: Clock) -> AsyncIterator[list[Node]]:
    """Two nodes, agents in every state, and calls in every state."""
    redis = connect(server.url)
    nodes = []
    for name in "ab":
        remote = RedisEngine(redis, node=name, times=TIMES)
        engine = ResilientEngine(remote, node=name, times=TIMES, clock=clock)
        nodes.append(Node(NodeFloor(engine, node=name, times=TIMES)))
        await nodes[-1].floor.start()
    a, b = nodes
    try:
        for agent_id in ("1001", "1002", "1003", "1004"):
            await a.ready_agent(agent_id)
            await b.floor.enqueue(f"of {agent_id}", arrived_at=clock.now)
        by_agent = {offer.agent_id: offer for offer in b.offers}
        assert sorted(by_agent) == ["1001", "1002", "1003", "1004"]
        await b.floor.talking(by_agent["1003"])
        await b.floor.finish("1003", "of 1003")  # wraps up
        await b.floor.release(by_agent["1004"], "busy")  # rests
        await b.floor.dequeue("of 1004")
        for agent_id in ("1001", "1002"):
            await b.floor.dequeue(f"of {agent_id}")
        await b.floor.enqueue("c1", arrived_at=clock.now)
        await a.floor.enqueue("c2", arrived_at=clock.now)
        assert await b.floor.talking(b.offers[-1])
        assert await a.floor.ringing(a.offers[-1])
        await a.floor.sign_in("1005")
        await a.floor.set_ready("1005")  # without any device
        await a.floor.sign_in("1006")
        await a.floor.set_pools("1006", {"english@own": 1})
        await a.floor.set_desktop("1006", connected=True)
        await a.floor.set_phones("1006", 1)
        await a.floor.set_ready("1006")
        wants = [Want("english@own", level=2), Want("agent:1004", after=4.5)]
        await a.floor.enqueue("c3", arrived_at=clock.now, wants=wants)
        await b.floor.enqueue("c4", arrived_at=clock.now, wanted="1003")
        yield nodes
    finally:
        for node in nodes:
            await node.floor.close()
        await redis.aclose()
        await clear(server)


async def clear(server: RedisServer) -> None:
    redis = connect(server.url)
    await redis.flushall()
    await redis.aclose()


async def state_of(node: Node) -> dict[str, Any]:
    """Return who does what; tokens and times of changes apart."""
    agents = [to_record(agent) for agent in await node.floor.everyone()]
    kept = ("state", "reason", "call_id", "call_node", "pending", "desktop", "node", "phones")
    states = {agent["agent_id"]: tuple(agent.get(name) for name in kept) for agent in agents}
    return {**states, "counts": await node.floor.counts()}


async def course_of_events(nodes: list[Node], clock: Clock) -> list[dict[str, Any]]:
    """Let time pass until leases, pauses and wrap-ups have ended; tell what was seen on the way."""
    told = []
    for seconds in (0.0, 5.0, 6.0, 10.0, 10.0):
        clock.now += seconds
        for _ in range(2):
            for node in nodes:
                await node.floor.beat()
        told.append(await state_of(nodes[0]))
    offers = [[(offer.call_id, offer.agent_id) for offer in node.offers] for node in nodes]
    return [*told, {"offers": offers}]


async def test_the_keys_are_all_that_the_floor_keeps(server: RedisServer, redis: Redis) -> None:
    async with busy_floor(server, Clock()):
        assert {str(key).removeprefix(f"{BASE}:") for key in await redis.keys("*")} == {*KEYS}


async def test_no_command_fails_whichever_key_is_lost(server: RedisServer, redis: Redis) -> None:
    clock = Clock()
    for lost in KEYS:
        async with busy_floor(server, clock):
            await redis.delete(f"{BASE}:{lost}")
            for node in ("b", "a"):
                engine = RedisEngine(redis, node=node, times=TIMES)
                for seconds in (0.0, 40.0):
                    for name, arguments in COMMANDS:
                        # (a script that fails would raise FloorUnreachable)
                        reply = await engine.execute(Command(name, arguments), clock.now + seconds)
                        if reply.unknown:
                            restore = Command("restore", {"agents": [], "calls": [], "token": 0})
                            await engine.execute(restore, clock.now + seconds)
                await engine.close()


async def test_what_was_lost_is_told_again(server: RedisServer, redis: Redis) -> None:
    async with busy_floor(server, clock := Clock()) as nodes:
        expected = await course_of_events(nodes, clock)
    assert expected[-1] != expected[0]
    for lost in KEYS:
        async with busy_floor(server, clock := Clock()) as nodes:
            await redis.delete(f"{BASE}:{lost}")
            found = await course_of_events(nodes, clock)
            assert found == expected, lost


async def test_an_agent_whose_call_is_lost_with_all_who_know_of_it_is_free(
    server: RedisServer, redis: Redis
) -> None:
    async with busy_floor(server, clock := Clock()):
        await redis.delete(f"{BASE}:call:c1", f"{BASE}:node:b", f"{BASE}:nodes")
        other = RedisEngine(redis, node="c", times=TIMES)

        restore = Command("restore", {"agents": [], "calls": [], "token": 0})

        async def beat() -> State:
            await other.execute(Command("beat"), clock.now)
            await other.execute(restore, clock.now)  # it is asked again what it knows
            reply = await other.execute(Command("presence", {"agent_id": "1001"}), clock.now)
            state: State = reply.result.state
            return state

        await other.execute(restore, clock.now)
        assert await beat() is State.TALKING  # somebody may still say so
        clock.now += TIMES.grace
        assert await beat() is State.WRAP_UP
        await other.close()


async def test_an_agent_who_is_said_to_be_in_anothers_call_is_free(
    server: RedisServer, redis: Redis
) -> None:
    async with busy_floor(server, clock := Clock()):
        await redis.hset(f"{BASE}:call:c1", "agent_id", "1005")
        await redis.delete(f"{BASE}:nodes")  # of those who know better none is left
        other = RedisEngine(redis, node="c", times=TIMES)
        restore = Command("restore", {"agents": [], "calls": [], "token": 0})
        for seconds, state in ((0.0, State.TALKING), (TIMES.grace, State.WRAP_UP)):
            clock.now += seconds
            await other.execute(restore, clock.now)
            await other.execute(Command("beat"), clock.now)
            await other.execute(restore, clock.now)
            reply = await other.execute(Command("presence", {"agent_id": "1001"}), clock.now)
            assert reply.result.state is state
        await other.close()


@pytest.mark.parametrize("told_by", ["a", "b"])
async def test_a_call_that_another_node_tells_of_is_no_longer_the_firsts(
    redis: Redis, told_by: str
) -> None:
    """The first's end must not end it, nor stumble over it once it is gone."""
    engines = {name: RedisEngine(redis, node=name, times=TIMES) for name in "ab"}
    other = "b" if told_by == "a" else "a"
    for engine in engines.values():
        await engine.execute(Command("restore", {"agents": [], "calls": [], "token": 0}), 1000.0)
    call = {"call_id": "c1", "arrived_at": 1000.0, "priority": 0}
    await engines[other].execute(Command("enqueue", call), 1000.0)
    known = await engines[other].execute(Command("known"), 1000.0)
    told = {"agents": [], "calls": known.result[1], "token": 0}
    await engines[told_by].execute(Command("restore", told), 1001.0)
    await engines[other].execute(Command("leave"), 1002.0)
    assert (await engines[told_by].execute(Command("counts"), 1002.0)).result["waiting"] == 1
    await engines[told_by].execute(Command("dequeue", {"call_id": "c1"}), 1002.0)
    await engines[told_by].execute(Command("beat"), 1003.0 + TIMES.node)
    for engine in engines.values():
        await engine.close()
