"""Two nodes say of one agent that he talks in their call: Redis is back, and one tells old news.

How it happens: Redis dies; the one node ends its conversation; the other, at which the agent's desk
is and which had not heard of it, offers him a call, which he takes. Redis comes back with its data.
Each scenario runs on the model and on Redis, and both must answer alike.
"""

from typing import Any

import pytest
from redis.asyncio import Redis

from agents.commands import Call, Command, CommandName, Reply
from agents.floor_model import FloorModel
from agents.presence import Presence, State
from agents.redis_floor import RedisEngine
from tests.support.floors import TIMES

TALKS_AT_B = Presence("x", State.TALKING, since=1005.0, call_id="c2", call_node="b", node="b")
AT_B = Call("c2", "b", 1004.0, state="talking", agent_id="x", token=7, opened=1)
"""What b knows: the agent, whose desk it has, talks in its call."""


class Both:
    """The model and Redis, asked the same."""

    def __init__(self, redis: Redis) -> None:
        self.model = FloorModel(TIMES)
        self._redis = redis

    async def ask(self, node: str, name: CommandName, now: float, **arguments: Any) -> Reply:
        command = Command(name, arguments)
        engine = RedisEngine(self._redis, node=node, times=TIMES)
        reply = await engine.execute(command, now)
        assert reply == self.model.handle(node, command, now)
        return reply

    async def restore(self, node: str, now: float, *known: Presence | Call, run: str) -> None:
        agents = [one for one in known if isinstance(one, Presence)]
        calls = [one for one in known if isinstance(one, Call)]
        await self.ask(node, "restore", now, agents=agents, calls=calls, token=0, run=run)

    def talk(self) -> tuple[str, str | None]:
        agent = self.model.agents["x"]
        return agent.state.value, agent.call_id


@pytest.fixture
async def both(redis: Redis) -> Both:
    """Return a floor where the agent of b's is held by a's call c1, and Redis has restarted."""
    both = Both(redis)
    await both.restore("a", 1000, run="1")
    await both.restore("b", 1000, run="1")
    await both.ask("b", "sign_in", 1000, agent_id="x")
    await both.ask("b", "set_phones", 1000, agent_id="x", count=1)
    await both.ask("b", "set_ready", 1000, agent_id="x")
    await both.ask("a", "enqueue", 1001, call_id="c1", arrived_at=1001.0, priority=0)
    return both


async def talks_at_a(both: Both) -> None:
    token = both.model.token
    await both.ask("a", "talking", 1002, call_id="c1", agent_id="x", token=token)


async def test_the_other_conversation_counts_when_the_first_is_known_to_be_over(
    both: Both,
) -> None:
    await talks_at_a(both)
    await both.restore("b", 1006, TALKS_AT_B, AT_B, run="2")
    assert both.talk() == ("talking", "c1")  # a may say so, too

    await both.restore("a", 1007, run="2")
    assert both.talk() == ("talking", "c2")

    await both.ask("b", "finish", 1010, agent_id="x", call_id="c2")
    assert both.model.agents["x"].state is State.WRAP_UP


async def test_a_conversation_that_is_told_first_to_be_over_is_over(both: Both) -> None:
    await talks_at_a(both)
    await both.restore("a", 1006, run="2")
    await both.restore("b", 1007, TALKS_AT_B, AT_B, run="2")
    assert both.talk() == ("talking", "c2")


async def test_the_other_conversation_counts_when_the_firsts_node_is_dead(both: Both) -> None:
    await talks_at_a(both)
    await both.restore("b", 1006, TALKS_AT_B, AT_B, run="2")
    await both.ask("b", "beat", 1002 + TIMES.node + 1)
    assert both.talk() == ("talking", "c2")


async def test_a_claim_that_is_over_itself_does_not_count(both: Both) -> None:
    await talks_at_a(both)
    await both.restore("b", 1006, TALKS_AT_B, AT_B, run="2")
    await both.ask("b", "finish", 1006.5, agent_id="x", call_id="c2")
    await both.ask("a", "finish", 1007, agent_id="x", call_id="c1")
    assert both.model.agents["x"].state is State.WRAP_UP


async def test_an_offer_gives_way_to_a_conversation(both: Both) -> None:
    await both.restore("b", 1006, TALKS_AT_B, AT_B, run="2")
    assert both.talk() == ("talking", "c2")
    assert both.model.calls["c1"].state == "waiting"


async def test_an_agent_of_whom_only_the_calls_node_tells_talks(both: Both) -> None:
    await both.ask("a", "dequeue", 1003, call_id="c1")
    await both.restore("b", 1006, AT_B, run="2")
    assert both.talk() == ("talking", "c2")
    # and where he is in an offer of which nobody has told yet
    offered = Presence("y", State.RESERVED, since=1.0, call_id="c9", call_node="a", node="b")
    await both.restore("b", 1007, offered, Call("c3", "b", 1.0, 0, "talking", "y"), run="3")
    assert both.model.agents["y"].call_id == "c3"
