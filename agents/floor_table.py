"""Who is on the floor and which calls are: the records that ``agents/floor_model.py`` works on.

Pure: each change is noted in the turn in which it is made.
"""

from dataclasses import dataclass, field, replace

from agents.commands import Call
from agents.floor import FloorTimes
from agents.presence import HELD, Details, Input, Presence, State, step


@dataclass(slots=True)
class Turn:
    """One command being executed: who asked, when, and what came of it."""

    node: str
    now: float
    presences: list[Presence] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)


class FloorTable:
    """All agents, calls and nodes of one floor, and what one change of them brings with it.

    Attributes:
        agents: by id; also signed-out ones.
        calls: by id; waiting, offered and talking ones.
        nodes: when each living node will be taken for dead (Unix seconds).
        claims: agent → the call in which he talks as well, says another node than his call's.
        token: the last fencing token given out.

    Args:
        times: the floor's intervals.
    """

    def __init__(self, times: FloorTimes) -> None:
        self.times = times
        self.agents: dict[str, Presence] = {}
        self.calls: dict[str, Call] = {}
        self.nodes: dict[str, float] = {}
        self.claims: dict[str, str] = {}
        self.token = 0

    def agent(self, turn: Turn, agent_id: str) -> Presence:
        """Return an agent, or a signed-out one if he has never been seen."""
        return self.agents.get(agent_id) or Presence(agent_id, since=turn.now)

    def step(
        self, turn: Turn, agent_id: str, what: Input, details: Details | None = None
    ) -> Presence:
        """Let something happen to an agent; raise ``PresenceError`` when it cannot."""
        given = details or Details(
            wrap_up_seconds=self.times.wrap_up,
            reoffer_seconds=self.times.reoffer,
            extension_seconds=self.times.extension,
        )
        return self.put_agent(turn, step(self.agent(turn, agent_id), what, turn.now, given))

    def put_agent(self, turn: Turn, agent: Presence) -> Presence:
        """Note an agent, and tell of him if he is another than before."""
        agent = agent.watched(turn.now, self.times.alone)
        if self.agents.get(agent.agent_id) != agent:
            self.agents[agent.agent_id] = agent
            turn.presences.append(agent)
        return agent

    def put_call(self, turn: Turn, call: Call) -> None:
        """Note a call, and tell of it."""
        call = call.widened(turn.now)
        if call.state == "gone":
            del self.calls[call.call_id]
        else:
            self.calls[call.call_id] = call
        turn.calls.append(call)

    def give_back(self, turn: Turn, call: Call, ending: Input) -> None:
        """End an offer; the call waits again in its old place."""
        self.free(turn, call, ending)
        self.put_call(turn, replace(call, state="waiting", agent_id=None, expires_at=None))

    def take_back(self, turn: Turn, agent: Presence) -> None:
        """Take back what is offered to an agent; nobody may have told of his call yet."""
        call = self.calls.get(agent.call_id or "")
        if call is not None and call.agent_id == agent.agent_id:
            self.give_back(turn, call, Input.CANCELLED)
        else:
            self.let_go(turn, agent, Input.CANCELLED)

    def drop(self, turn: Turn, call: Call) -> None:
        """Forget a call, and let go of its agent."""
        ending = Input.HANG_UP if call.state == "talking" else Input.CANCELLED
        self.free(turn, call, ending)
        self.put_call(turn, replace(call, state="gone", agent_id=None, expires_at=None))

    def free(self, turn: Turn, call: Call, ending: Input) -> None:
        """Let go of a call's agent, if it is this call that holds him."""
        agent = self.agents.get(call.agent_id or "")
        if agent is not None and agent.state in HELD and agent.call_id == call.call_id:
            self.let_go(turn, agent, ending)

    def let_go(self, turn: Turn, agent: Presence, ending: Input) -> None:
        """Let go of a held agent: into the other conversation that a node says he is in, if any."""
        call = self.calls.get(self.claims.pop(agent.agent_id, ""))
        if call is not None and (call.state, call.agent_id) == ("talking", agent.agent_id):
            self.join(turn, agent, call)
        else:
            self.step(turn, agent.agent_id, ending)

    def join(self, turn: Turn, agent: Presence, call: Call) -> None:
        """Make an agent the one who talks in this call."""
        talking = replace(
            agent,
            state=State.TALKING,
            reason=None,
            since=turn.now,
            ready_since=None,
            call_id=call.call_id,
            call_node=call.node,
            wrap_up_until=None,
            not_before=None,
            talk=None,
        )
        self.put_agent(turn, talking)

    def forget_desktops(self, turn: Turn, node: str) -> None:
        """Take the desktops at a node for closed."""
        for agent_id in sorted(self.agents):
            if self.agents[agent_id].desktop == node:
                self.put_agent(turn, replace(self.agents[agent_id], desktop=None))

    def known_to(self, node: str) -> tuple[list[Presence], list[Call]]:
        """Return the agents who concern a node (see ``absorb``), and its calls."""
        agents = [
            who for who in self.agents.values() if node in (who.node, who.call_node, who.desktop)
        ]
        calls = [call for call in self.calls.values() if call.node == node]
        return sorted(agents, key=lambda who: who.agent_id), sorted(
            calls, key=lambda call: call.call_id
        )
