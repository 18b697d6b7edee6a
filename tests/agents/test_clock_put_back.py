"""Redis's clock is put back by an hour: nothing lasts an hour longer."""

from typing import Any

from redis.asyncio import Redis

from agents.commands import Command, CommandName
from agents.presence import State
from agents.redis_floor import RedisEngine
from tests.support.floors import TIMES

NOTHING: dict[str, Any] = {"agents": [], "calls": [], "token": 0}


async def test_what_runs_ends_in_its_time(redis: Redis) -> None:
    now = 100_000.0
    engines = {name: RedisEngine(redis, node=name, times=TIMES) for name in "ab"}

    async def ask(name: CommandName, node: str = "a", **arguments: Any) -> Any:
        reply = await engines[node].execute(Command(name, arguments), now)
        assert not reply.unknown
        return reply.result

    for node in "ab":
        await ask("restore", node, **NOTHING)
    for agent_id in ("1001", "1002", "1003", "1004"):
        await ask("sign_in", agent_id=agent_id)
        await ask("set_phones", agent_id=agent_id, count=1)
        await ask("set_ready", agent_id=agent_id)
        node = "b" if agent_id == "1003" else "a"
        wants = f"0|agent:{agent_id}|0|0"
        of: dict[str, Any] = {
            "call_id": f"of {agent_id}",
            "arrived_at": now,
            "priority": 0,
            "wants": wants,
        }
        await ask("enqueue", node, **of)
    lease: dict[str, Any] = {"call_id": "of 1001", "agent_id": "1001", "token": 1}
    await ask("talking", **lease)
    await ask("finish", agent_id="1001", call_id="of 1001")
    await ask("extend_wrap_up", agent_id="1001")
    await ask("release", call_id="of 1002", agent_id="1002", token=2, outcome="busy")
    await ask("dequeue", call_id="of 1002")
    await ask("set_phones", agent_id="1002", count=1)
    await ask("sign_in", agent_id="1005")
    await ask("set_ready", agent_id="1005")  # without any device

    now -= 3600.0
    await ask("beat")  # b is dead, and beats no more
    passed = now + TIMES.wrap_up + TIMES.extension
    while now < passed:
        now += TIMES.node / 2
        await ask("beat")
    states = {one.agent_id: (one.state, one.reason) for one in await ask("everyone")}
    assert states == {
        "1001": (State.READY, None),
        "1002": (State.READY, None),
        "1003": (State.READY, None),  # the dead node's call has let him go
        "1004": (State.RESERVED, None),  # and is held out again whenever its lease runs out
        "1005": (State.NOT_READY, "disconnected"),
    }
    again: dict[str, Any] = {
        "call_id": "again",
        "arrived_at": now,
        "priority": 0,
        "wants": "0|agent:1002|0|0",
    }
    await ask("enqueue", **again)
    assert (await ask("presence", agent_id="1002")).state is State.RESERVED
    for engine in engines.values():
        await engine.close()


async def test_the_grace_of_a_redis_that_begins_anew_lasts_no_longer(redis: Redis) -> None:
    now = 100_000.0
    engine = RedisEngine(redis, node="a", times=TIMES)

    async def ask(name: CommandName, **arguments: Any) -> Any:
        return (await engine.execute(Command(name, arguments), now)).result

    for run in ("one life", "another"):
        await ask("restore", **NOTHING, run=run)
    await ask("sign_in", agent_id="1001")
    await ask("set_phones", agent_id="1001", count=1)
    await ask("set_ready", agent_id="1001")
    await ask("enqueue", call_id="c1", arrived_at=now, priority=0, wants="0|any|0|0")
    assert (await ask("presence", agent_id="1001")).state is State.READY  # nodes tell first

    now -= 3600.0
    await ask("beat")
    now += TIMES.grace
    await ask("beat")
    assert (await ask("presence", agent_id="1001")).state is State.RESERVED
    await engine.close()
