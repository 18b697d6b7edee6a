"""Redis dies and starts anew, with its data or without, under nodes that know different things.

Three nodes on the model of the floor. News of what others did may be late, and is lost when Redis
dies. Agents go, callers give up, nodes are killed and started. An agent is a person: in a
conversation he answers no other call, whoever may offer it to him.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agents.commands import Command, CommandName, Reply
from agents.floor import FloorTimes
from agents.floor_model import FloorModel
from agents.presence import State
from tests.support.floor_race import check_records

TIMES = FloorTimes(offer=20, reoffer=1, wrap_up=5, node=15, grace=2)
NODE = st.sampled_from(["a", "b", "c"])
AGENT = st.sampled_from(["1001", "1002", "1003"])


@dataclass
class Node:
    """What a node knows by itself, and the news on their way to it."""

    name: str
    mirror: FloorModel
    news: list[Reply] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)

    def learn(self, reply: Reply) -> None:
        """Take in what is newer than what is known, as the service does."""
        presences = [p for p in reply.presences if self._is_new(p.agent_id, reply.sequence)]
        calls = [c for c in reply.calls if self._is_new(c.call_id, reply.sequence)]
        self.mirror.absorb(self.name, presences, calls)

    def _is_new(self, record: str, sequence: int) -> bool:
        known = self.versions.get(record, 0)
        self.versions[record] = max(known, sequence)
        return known <= sequence


class Restarts(RuleBasedStateMachine):
    """Nobody is offered a call while he talks; and what is so, is what the floor says."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.life = 0
        self.calls = 0
        self.shared = FloorModel(TIMES)
        self.running = True
        self.talks: dict[str, tuple[str, str]] = {}  # call → its node, and who talks in it
        self.nodes = {name: Node(name, self.empty_mirror(name)) for name in "abc"}
        for node in self.nodes.values():
            self.restore(node)

    @staticmethod
    def empty_mirror(name: str) -> FloorModel:
        mirror = FloorModel(TIMES, home=name)
        mirror.nodes[name] = float("inf")
        return mirror

    def restore(self, node: Node) -> None:
        agents, calls = node.mirror.known_to(node.name)
        told = {"agents": agents, "calls": calls, "token": node.mirror.token}
        reply = self.execute(node, Command("restore", {**told, "run": str(self.life)}))
        token = node.mirror.token
        node.mirror = self.empty_mirror(node.name)
        node.mirror.token = token
        node.mirror.absorb(node.name, *reply.result)
        node.versions.clear()
        node.learn(reply)

    def execute(self, node: Node, command: Command) -> Reply:
        """Let the shared floor execute a command; nobody who talks may be matched by it."""
        token = max(self.shared.token, command.arguments.get("token", 0))
        reply = self.shared.handle(node.name, command, self.now)
        busy = {agent_id for _, agent_id in self.talks.values()}
        for call in reply.calls:
            assert not (call.state == "offered" and call.token > token and call.agent_id in busy)
        for other in self.nodes.values() if hasattr(self, "nodes") else ():
            if other is not node:
                other.news.append(reply)
        return reply

    def ask(self, name: str, what: CommandName, **arguments: object) -> Reply:
        node, command = self.nodes[name], Command(what, arguments)
        if not self.running:
            return node.mirror.handle(name, command, self.now)
        reply = self.execute(node, command)
        if reply.unknown:  # it was silent for too long
            self.restore(node)
            reply = self.execute(node, command)
        node.learn(reply)
        return reply

    @rule(name=NODE, agent_id=AGENT)
    def somebody_gets_ready(self, name: str, agent_id: str) -> None:
        self.ask(name, "sign_in", agent_id=agent_id)
        self.ask(name, "set_phones", agent_id=agent_id, count=1)
        self.ask(name, "set_ready", agent_id=agent_id)

    @rule(name=NODE)
    def somebody_calls(self, name: str) -> None:
        self.calls += 1
        self.ask(name, "enqueue", call_id=f"c{self.calls}", arrived_at=self.now, priority=0)

    @rule(data=st.data(), refuses=st.sampled_from([False, False, True]))
    def an_offer_is_answered(self, data: st.DataObject, *, refuses: bool) -> None:
        offers = [
            (name, call)
            for name, node in self.nodes.items()
            for call in node.mirror.calls.values()
            if call.node == name and call.state == "offered"
        ]
        if not offers:
            return
        name, call = data.draw(st.sampled_from(offers))
        busy = call.agent_id in {agent_id for _, agent_id in self.talks.values()}
        lease = {"call_id": call.call_id, "agent_id": call.agent_id, "token": call.token}
        if refuses or busy:
            self.ask(name, "release", **lease, outcome="busy")
        elif self.ask(name, "talking", **lease).result:
            assert call.agent_id is not None
            self.talks[call.call_id] = (name, call.agent_id)

    @precondition(lambda self: self.talks)
    @rule(data=st.data())
    def a_conversation_ends(self, data: st.DataObject) -> None:
        call_id = data.draw(st.sampled_from(sorted(self.talks)))
        name, agent_id = self.talks.pop(call_id)
        self.ask(name, "finish", agent_id=agent_id, call_id=call_id)

    @rule(name=NODE, agent_id=AGENT, what=st.sampled_from(["sign_out", "set_not_ready"]))
    def somebody_goes(self, name: str, agent_id: str, what: CommandName) -> None:
        told = {"agent_id": agent_id} | ({"reason": "break"} if what == "set_not_ready" else {})
        self.ask(name, what, **told)

    @rule(data=st.data())
    def a_caller_gives_up(self, data: st.DataObject) -> None:
        calls = [
            (name, call.call_id)
            for name, node in self.nodes.items()
            for call in node.mirror.calls.values()
            if call.call_id not in self.talks
        ]
        if calls:
            name, call_id = data.draw(st.sampled_from(calls))
            self.ask(name, "dequeue", call_id=call_id)

    @rule(name=NODE)
    def a_node_is_killed_and_started(self, name: str) -> None:
        self.talks = {call: talk for call, talk in self.talks.items() if talk[0] != name}
        self.nodes[name] = Node(name, self.empty_mirror(name))
        if self.running:
            self.restore(self.nodes[name])

    @rule(seconds=st.sampled_from([0.5, 2.0, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for name in self.nodes:
            self.ask(name, "beat")

    @rule(name=NODE)
    def news_arrive(self, name: str) -> None:
        node = self.nodes[name]
        for reply in node.news:
            node.learn(reply)
        node.news.clear()

    @precondition(lambda self: self.running)
    @rule()
    def redis_dies(self) -> None:
        self.running = False
        for node in self.nodes.values():
            node.news.clear()

    @precondition(lambda self: not self.running)
    @rule(data=st.data(), wipe=st.booleans())
    def redis_starts_anew(self, data: st.DataObject, *, wipe: bool) -> None:
        if wipe:
            self.shared = FloorModel(TIMES)
        self.life += 1
        self.running = True
        for name in data.draw(st.permutations(sorted(self.nodes))):
            self.restore(self.nodes[name])
            self.ask(name, "beat")
            self.now += data.draw(st.sampled_from([0.0, 0.5]))

    @invariant()
    def records_agree(self) -> None:
        check_records(self.shared)

    @invariant()
    def who_talks_talks(self) -> None:
        if not self.running:
            return
        for call_id, (name, agent_id) in self.talks.items():
            call, agent = self.shared.calls[call_id], self.shared.agents[agent_id]
            assert (call.state, call.node, call.agent_id) == ("talking", name, agent_id)
            assert (agent.state, agent.call_id) == (State.TALKING, call_id)


Restarts.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestRestarts = Restarts.TestCase
