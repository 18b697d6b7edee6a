"""The model and the Lua script, driven with the same random operations at the same times."""

import asyncio
import os
import uuid
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agents.commands import Command, CommandName, Reply
from agents.demand import Want, pools_text, read_pools, wants_text
from agents.floor_model import FloorModel
from agents.presence import HELD, State
from agents.redis_floor import RedisEngine, connect
from tests.support.floors import TIMES
from tests.support.redis_server import RedisServer

NODES = ("a", "b")
AGENTS = st.sampled_from(["1001", "1002", "1003"])
CALLS = st.sampled_from(["c1", "c2", "c3", "c4"])
OUTCOMES = st.sampled_from(["missed", "unreachable", "refused", "busy", "cancelled"])
NODE = st.sampled_from(NODES)
SKILLS = ("general@own", "english@own", "general@vendor")
POOLS = st.dictionaries(st.sampled_from(SKILLS), st.integers(0, 2))
WANTS = st.lists(
    st.builds(
        Want,
        st.sampled_from((*SKILLS, "any", "agent:1002")),
        after=st.sampled_from([0.0, 0.0, 1.0, 4.5]),
        level=st.integers(0, 2),
        keep=st.sampled_from([0, 0, 1]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda want: want.queue,
)


class Comparison(RuleBasedStateMachine):
    """Every command goes to both; every reply must be the same, and the floor stays sane."""

    runner: asyncio.Runner
    server: RedisServer

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_765_000_000.0
        self.model = FloorModel(TIMES)
        self.redis = connect(self.server.url)
        prefix = uuid.uuid4().hex
        self.engines = {
            node: RedisEngine(self.redis, node=node, times=TIMES, prefix=prefix) for node in NODES
        }
        self.mirror: dict[str, tuple[list[Any], list[Any], int]] = {}
        self.places: dict[str, float] = {}
        self.life = 0

    def teardown(self) -> None:
        self.runner.run(self.redis.aclose())

    def run_command(self, name: CommandName, node: str, **arguments: object) -> Reply:
        command = Command(name, arguments)
        expected = self.model.handle(node, command, self.now)
        got = self.runner.run(self.engines[node].execute(command, self.now))
        if expected.refused is not None:
            assert got.refused is not None
            assert str(got.refused) == str(expected.refused)
            assert replace(got, refused=None) == replace(expected, refused=None)
        else:
            assert got == expected
        return expected

    async def flush(self) -> None:
        await self.redis.flushall()

    @initialize()
    def join(self) -> None:
        for node in NODES:
            self.run_command("restore", node, agents=[], calls=[], token=0)

    @rule(seconds=st.sampled_from([0.25, 1.0, 4.5, 16.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(node=NODE, audit=st.booleans())
    def beat(self, node: str, audit: bool) -> None:  # noqa: FBT001 - hypothesis calls it by name
        self.run_command("beat", node, audit=audit)

    @rule(node=NODE)
    def leave_and_come_back(self, node: str) -> None:
        self.run_command("leave", node)
        self.run_command("restore", node, agents=[], calls=[], token=0)

    @rule(node=NODE, agent_id=AGENTS, phones=st.integers(0, 2))
    def sign_in_with_a_phone(self, node: str, agent_id: str, phones: int) -> None:
        self.run_command("sign_in", node, agent_id=agent_id)
        self.run_command("set_phones", node, agent_id=agent_id, count=phones)
        self.run_command("set_ready", node, agent_id=agent_id)

    @rule(
        name=st.sampled_from(
            ["sign_in", "sign_out", "set_ready", "end_wrap_up", "extend_wrap_up", "presence"]
        ),
        node=NODE,
        agent_id=AGENTS,
        times=st.sampled_from([1, 1, 1, 2]),
    )
    def agent_does(self, name: CommandName, node: str, agent_id: str, times: int) -> None:
        for _ in range(times):
            self.run_command(name, node, agent_id=agent_id)

    @rule(node=NODE, agent_id=AGENTS, reason=st.sampled_from(["lunch", "training"]))
    def take_a_break(self, node: str, agent_id: str, reason: str) -> None:
        self.run_command("set_not_ready", node, agent_id=agent_id, reason=reason)

    @rule(node=NODE, agent_id=AGENTS, count=st.integers(0, 2))
    def phones_change(self, node: str, agent_id: str, count: int) -> None:
        self.run_command("set_phones", node, agent_id=agent_id, count=count)

    @rule(node=NODE, agent_id=AGENTS, pools=POOLS, group=st.none() | st.just("own"))
    def skills_change(
        self, node: str, agent_id: str, pools: dict[str, int], group: str | None
    ) -> None:
        for _ in range(2):
            told = pools_text(pools)
            self.run_command("set_pools", node, agent_id=agent_id, pools=told, group=group)

    @rule(node=NODE, agent_id=AGENTS, pools=POOLS)
    def sign_in_with_skills(self, node: str, agent_id: str, pools: dict[str, int]) -> None:
        told = pools_text(pools)
        self.run_command("sign_in", node, agent_id=agent_id, pools=told, group=None)

    @rule(node=NODE, agent_id=AGENTS, connected=st.booleans())
    def desktop_comes_or_goes(self, node: str, agent_id: str, *, connected: bool) -> None:
        for _ in range(2):
            self.run_command("set_desktop", node, agent_id=agent_id, connected=connected)

    @rule(
        node=NODE,
        call_id=CALLS,
        ago=st.integers(0, 8),
        priority=st.integers(-1, 1),
        wants=WANTS,
    )
    def enqueue_for_a_skill(
        self, node: str, call_id: str, ago: int, priority: int, wants: list[Want]
    ) -> None:
        for _ in range(2):
            self.run_command(
                "enqueue",
                node,
                call_id=call_id,
                arrived_at=self.now - ago / 4,
                priority=priority,
                wants=wants_text(wants),
            )

    @rule(node=NODE, call_id=CALLS, priority=st.integers(-1, 1), wants=WANTS)
    def rules_change(self, node: str, call_id: str, priority: int, wants: list[Want]) -> None:
        for _ in range(2):
            text = wants_text(wants)
            self.run_command("set_wants", node, call_id=call_id, priority=priority, wants=text)

    @rule(
        node=NODE,
        agent_id=AGENTS,
        call_id=CALLS,
        talk=st.sampled_from([None, "hold", "consult", "conference"]),
    )
    def how_he_talks_changes(
        self, node: str, agent_id: str, call_id: str, talk: str | None
    ) -> None:
        self.run_command("set_talk", node, agent_id=agent_id, call_id=call_id, talk=talk)

    @rule(node=NODE, call_id=CALLS)
    def position(self, node: str, call_id: str) -> None:
        self.run_command("position", node, call_id=call_id)

    @rule(
        node=NODE,
        call_id=CALLS,
        ago=st.integers(0, 8),
        priority=st.integers(-1, 1),
        wanted=st.none() | AGENTS,
    )
    def enqueue(self, node: str, call_id: str, ago: int, priority: int, wanted: str | None) -> None:
        arrived_at = self.now - ago / 4
        for _ in range(2):
            self.run_command(
                "enqueue",
                node,
                call_id=call_id,
                arrived_at=arrived_at,
                priority=priority,
                wanted=wanted,
            )

    @rule(node=NODE, call_id=CALLS)
    def dequeue(self, node: str, call_id: str) -> None:
        self.run_command("dequeue", node, call_id=call_id)
        assert self.run_command("dequeue", node, call_id=call_id).calls == ()

    @rule(
        name=st.sampled_from(["ringing", "talking"]),
        call_id=CALLS,
        agent_id=AGENTS,
        behind=st.sampled_from([0, 0, 0, 1]),
    )
    def phone_reports(self, name: CommandName, call_id: str, agent_id: str, behind: int) -> None:
        self._offer_command(name, call_id, agent_id, behind)

    @rule(call_id=CALLS, agent_id=AGENTS, outcome=OUTCOMES, behind=st.sampled_from([0, 0, 0, 1]))
    def release(self, call_id: str, agent_id: str, outcome: str, behind: int) -> None:
        self._offer_command("release", call_id, agent_id, behind, outcome=outcome)

    def _offer_command(
        self, name: CommandName, call_id: str, agent_id: str, behind: int, **more: str
    ) -> None:
        """Use the call's offer if there is one, or one that is out of date."""
        call = self.model.calls.get(call_id)
        holder = call.agent_id if call is not None and call.agent_id else agent_id
        token = max(0, (call.token if call is not None else 0) - behind)
        node = call.node if call is not None else "a"
        for _ in range(2):
            self.run_command(name, node, call_id=call_id, agent_id=holder, token=token, **more)

    @rule(call_id=CALLS, agent_id=AGENTS)
    def finish(self, call_id: str, agent_id: str) -> None:
        call = self.model.calls.get(call_id)
        holder = call.agent_id if call is not None and call.agent_id else agent_id
        for _ in range(2):
            self.run_command("finish", "a", agent_id=holder, call_id=call_id)

    @precondition(lambda self: any(c.state == "offered" for c in self.model.calls.values()))
    @rule(extended=st.booleans())
    def an_offer_becomes_a_conversation_and_wrap_up(self, *, extended: bool) -> None:
        call = min(
            (call for call in self.model.calls.values() if call.state == "offered"),
            key=lambda call: call.call_id,
        )
        lease = {"call_id": call.call_id, "agent_id": call.agent_id, "token": call.token}
        if not self.run_command("talking", call.node, **lease).result:
            return  # it had run out
        self.run_command("finish", call.node, agent_id=call.agent_id, call_id=call.call_id)
        for _ in range(2 * extended):
            self.run_command("extend_wrap_up", call.node, agent_id=call.agent_id)

    @rule(node=NODE)
    def a_node_loses_sight(self, node: str) -> None:
        """From here it knows only this, until it restores it."""
        agents, calls = self.model.known_to(node)
        self.mirror[node] = (agents, calls, self.model.token)

    @precondition(lambda self: self.mirror)
    @rule(data=st.data())
    def the_node_restores_what_it_knew(self, data: st.DataObject) -> None:
        node = data.draw(st.sampled_from(sorted(self.mirror)))
        agents, calls, token = self.mirror.pop(node)
        # A mirror holds a living call of one node only once: calls that another node has taken
        # under the same id meanwhile cannot happen with real call ids.
        calls = [
            call
            for call in calls
            if call.call_id not in self.model.calls or self.model.calls[call.call_id].node == node
        ]
        self.run_command("restore", node, agents=agents, calls=calls, token=token)

    @rule(data=st.data(), wipe=st.booleans(), absent=st.none() | NODE)
    def redis_starts_anew(self, data: st.DataObject, absent: str | None, *, wipe: bool) -> None:
        known = {node: self.model.known_to(node) for node in NODES}
        token = self.model.token
        if wipe:
            self.model = FloorModel(TIMES)
            self.runner.run(self.flush())
        self.life += 1
        for node in data.draw(st.permutations(NODES)):
            if node != absent:
                agents, calls = known[node]
                told = {"agents": agents, "calls": calls, "token": token, "run": str(self.life)}
                self.run_command("restore", node, **told)

    @rule(data=st.data())
    def redis_comes_back_empty(self, data: st.DataObject) -> None:
        known = {node: self.model.known_to(node) for node in NODES}
        token = self.model.token
        self.model = FloorModel(TIMES)
        self.runner.run(self.flush())
        for node in data.draw(st.permutations(NODES)):
            agents, calls = known[node]
            self.run_command("restore", node, agents=agents, calls=calls, token=token)

    @invariant()
    def everything_agrees(self) -> None:
        if self.model.nodes:
            node = min(self.model.nodes)
            self.run_command("everyone", node)
            self.run_command("counts", node)

    @invariant()
    def nobody_is_in_two_calls(self) -> None:
        held = [call.agent_id for call in self.model.calls.values() if call.agent_id is not None]
        assert len(held) == len(set(held))

    @invariant()
    def each_held_agent_has_his_call_and_each_call_its_agent(self) -> None:
        for agent in self.model.agents.values():
            if agent.state in HELD:
                call = self.model.calls[agent.call_id or ""]
                assert (call.agent_id, call.node) == (agent.agent_id, agent.call_node)
                assert (call.state == "talking") == (agent.state is State.TALKING)

    @invariant()
    def no_lease_is_without_expiry(self) -> None:
        for call in self.model.calls.values():
            assert (call.state == "offered") == (call.expires_at is not None)
            assert (call.state == "waiting") == (call.agent_id is None)

    @invariant()
    def nobody_who_could_be_served_waits(self) -> None:
        if self.model.held_until is not None:
            return
        waiting = [call for call in self.model.calls.values() if call.state == "waiting"]
        # a pause that has just run out is noticed by the next command, as in service by the timer
        able = [who for who in self.model.agents.values() if who.can_take_a_call(self.now - 32)]
        pools = [read_pools(agent.pools, agent.agent_id) for agent in able]
        for want in {want for call in waiting for want in call.open_wants()}:
            levels = [levels[want.pool] for levels in pools if want.pool in levels]
            fit = any(level >= want.level for level in levels)
            assert not (fit and len(levels) > want.keep)

    @invariant()
    def the_watchdog_finds_nothing(self) -> None:
        if self.model.nodes:
            assert self.run_command("stalled", min(self.model.nodes), seconds=0.0).result == []

    @invariant()
    def nobody_is_ready_without_phone_and_desktop_for_long(self) -> None:
        for agent in self.model.agents.values():
            alone = agent.state is State.READY and not agent.phones and agent.desktop is None
            assert alone == (agent.alone_until is not None)

    @invariant()
    def a_desktop_is_at_a_living_node(self) -> None:
        desks = {agent.desktop for agent in self.model.agents.values()} - {None}
        assert desks <= self.model.nodes.keys()


def test_the_lua_script_does_what_the_model_does() -> None:
    with asyncio.Runner() as runner:
        server = RedisServer()
        Comparison.runner, Comparison.server = runner, server
        try:
            runner.run(server.start())
            run_state_machine_as_test(
                Comparison,
                settings=settings(
                    max_examples=int(os.environ.get("FLOOR_EXAMPLES", "40")),
                    stateful_step_count=40,
                    deadline=None,
                    suppress_health_check=[HealthCheck.too_slow],
                ),
            )
        finally:
            runner.run(server.stop())
