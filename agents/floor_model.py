"""The floor in memory: the reference for the Lua scripts, and a node's own while Redis is away.

Pure: ``handle(node, command, now)`` returns everything that follows from the command. It scans
where Redis has indexes; a city has hundreds of agents, and plainness is what a reference is for.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from agents.commands import EVERYBODY_WANTED, Call, Command, Reply
from agents.demand import (
    LEVEL_WEIGHT,
    Want,
    agents_own,
    rank,
    read_pools,
    read_wants,
    wants_text,
)
from agents.floor import FloorTimes, Outcome
from agents.presence import HELD, Details, Input, Presence, PresenceError, State, step

ENDINGS: Final[dict[Outcome, Input]] = {
    "missed": Input.MISSED,
    "unreachable": Input.UNREACHABLE,
    "refused": Input.REFUSED,
    "busy": Input.REFUSED,
    "cancelled": Input.CANCELLED,
}


@dataclass(slots=True)
class _Turn:
    """One command being executed: who asked, when, and what came of it."""

    node: str
    now: float
    presences: list[Presence] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)


class FloorModel:
    """All agents, calls and nodes of one floor.

    Attributes:
        agents: by id; also signed-out ones.
        calls: by id; waiting, offered and talking ones.
        nodes: when each living node will be taken for dead (Unix seconds).
        claims: agent → the call in which he talks as well, says another node than his call's.
        token: the last fencing token given out.
        run: which life of Redis this is.
        held_until: until then nodes tell what they know, and nothing follows from it.

    Args:
        times: the floor's intervals.
        home: offer calls only to those whose desk is at this node, or who signed in here and have
            none; None: to all. So two nodes that are both without Redis never offer to the same.
    """

    def __init__(self, times: FloorTimes | None = None, *, home: str | None = None) -> None:
        self._times = times or FloorTimes()
        self._home = home
        self.run: str | None = None
        self.held_until: float | None = None
        self.agents: dict[str, Presence] = {}
        self.calls: dict[str, Call] = {}
        self.nodes: dict[str, float] = {}
        self.claims: dict[str, str] = {}
        self.token = 0
        self._sequence = 0
        self._handlers: dict[str, Callable[..., Any]] = {
            "restore": self._restore,
            "known": lambda turn: self.known_to(turn.node),
            "leave": self._leave,
            "beat": self._beat,
            "sign_in": self._sign_in,
            "sign_out": self._wish(Input.SIGN_OUT),
            "set_ready": self._wish(Input.SET_READY),
            "set_not_ready": self._wish(Input.SET_NOT_READY),
            "end_wrap_up": self._end_wrap_up,
            "extend_wrap_up": self._wish(Input.EXTEND_WRAP_UP),
            "set_phones": self._set_phones,
            "set_desktop": self._set_desktop,
            "set_pools": self._set_pools,
            "enqueue": self._enqueue,
            "dequeue": self._dequeue,
            "ringing": self._ringing,
            "talking": self._talking,
            "release": self._release,
            "finish": self._finish,
            "presence": lambda _turn, agent_id: self.agents.get(agent_id),
            "everyone": lambda _turn: sorted(self.agents.values(), key=lambda who: who.agent_id),
            "counts": lambda _turn: self._counts(),
            "position": lambda _turn, call_id: self._position(call_id),
            # Nothing is left undone by _match, which has just looked at all of them.
            "stalled": lambda _turn, seconds: [],  # noqa: ARG005 -- Redis's indexes can be at fault
        }

    def handle(self, node: str, command: Command, now: float) -> Reply:
        """Settle what is overdue, execute ``command`` for ``node``, match."""
        if node not in self.nodes and command.name != "restore":
            return Reply(unknown=True, now=now, sequence=self._sequence)
        self._sequence += 1
        self.nodes[node] = now + self._times.node
        turn = _Turn(node, now)
        if command.name == "restore":
            self._begin_life(turn, **command.arguments)
        if self.held_until is not None and self.held_until <= now:
            self.held_until = None
        self._settle(turn)
        self._match(turn)
        result, refused = None, None
        try:
            result = self._handlers[command.name](turn, **command.arguments)
        except PresenceError as error:
            refused = error
        self._match(turn)
        if isinstance(result, Presence):
            result = self.agents.get(result.agent_id, result)  # it may have been matched meanwhile
        return Reply(
            result=result,
            refused=refused,
            presences=tuple(turn.presences),
            calls=tuple(turn.calls),
            due=self._due(now),
            now=now,
            sequence=self._sequence,
        )

    def absorb(self, node: str, presences: Iterable[Presence], calls: Iterable[Call]) -> None:
        """Take over what the shared floor says, without consequences.

        Only what concerns ``node`` is kept: agents who signed in there, are held by its calls or
        have their desktop there, and its calls.
        """
        for presence in presences:
            if node in (presence.node, presence.call_node, presence.desktop):
                self.agents[presence.agent_id] = presence
            else:
                self.agents.pop(presence.agent_id, None)
        for call in calls:
            self.token = max(self.token, call.token)
            if call.state == "gone":
                self.calls.pop(call.call_id, None)
            elif call.node == node:
                self.calls[call.call_id] = call

    # What is overdue

    def _begin_life(
        self,
        turn: _Turn,
        agents: Collection[Presence],
        calls: Collection[Call],
        token: int,
        run: str | None = None,
    ) -> None:
        """Notice that Redis has started anew, with its data or without.

        Whoever tells first may know an agent as ready whom another node has in a conversation, and
        leases ran out and nodes fell silent only because nobody could say otherwise.
        """
        if run is None or run == self.run:
            return
        if self.run is not None or agents or calls or token > 0:  # not the very first life
            self.held_until = turn.now + self._times.grace
        self.run = run

    def _settle(self, turn: _Turn) -> None:
        if self.held_until is not None:
            return
        for node in sorted(self.nodes, key=lambda name: (self.nodes[name], name)):
            if self.nodes[node] <= turn.now:
                self._bury(turn, node)
        lapsed = [
            call
            for call in self.calls.values()
            if call.expires_at is not None and call.expires_at <= turn.now
        ]
        for call in sorted(lapsed, key=lambda call: (call.expires_at, call.call_id)):
            # Nobody rang him in time. He goes to the end of the order: if the fault is his, the
            # next agent gets the call, and the queue does not stand still.
            self._give_back(turn, call, Input.REFUSED)
        written = [
            agent
            for agent in self.agents.values()
            if agent.wrap_up_until is not None and agent.wrap_up_until <= turn.now
        ]
        for agent in sorted(written, key=lambda agent: (agent.wrap_up_until, agent.agent_id)):
            self._step(turn, agent.agent_id, Input.END_WRAP_UP)
        left_alone = [
            agent
            for agent in self.agents.values()
            if agent.alone_until is not None and agent.alone_until <= turn.now
        ]
        for agent in sorted(left_alone, key=lambda agent: (agent.alone_until, agent.agent_id)):
            self._step(turn, agent.agent_id, Input.LOST)
        patient = [
            call
            for call in self.calls.values()
            if call.widen_at is not None and call.widen_at <= turn.now
        ]
        for call in sorted(patient, key=lambda call: (call.widen_at, call.call_id)):
            self._put_call(turn, call)

    def _bury(self, turn: _Turn, node: str) -> None:
        """Forget a node: its calls are gone, its calls' agents free, its desktops away."""
        del self.nodes[node]
        self._forget_desktops(turn, node)
        for call in sorted(self.calls.values(), key=lambda call: call.call_id):
            if call.node == node:
                self._drop(turn, call)

    def _match(self, turn: _Turn) -> None:
        """Hold out each waiting call, in their order, to the best agent for it."""
        waiting = [call for call in self.calls.values() if call.state == "waiting"]
        if self.held_until is not None:
            return
        pools = self._ready_pools(turn.now) if waiting else {}
        if not pools:
            return
        for call in sorted(waiting, key=lambda call: call.place(self._times.ageing)):
            agent_id = self._best(call, pools)
            if agent_id is None:
                continue
            for listed in pools.values():
                listed[:] = [entry for entry in listed if entry[1] != agent_id]
            details = Details(call_id=call.call_id, call_node=call.node)
            self._step(turn, agent_id, Input.RESERVE, details)
            self.token += 1
            self._put_call(
                turn,
                replace(
                    call,
                    state="offered",
                    agent_id=agent_id,
                    token=self.token,
                    expires_at=turn.now + self._times.offer,
                ),
            )

    def _ready_pools(self, now: float) -> dict[str, list[tuple[float, str]]]:
        """Return who may be offered a call, by pool, the best first."""
        pools: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
        for agent in self.agents.values():
            if self._home not in (None, agent.desktop or agent.node):
                continue
            if agent.ready_since is not None and agent.can_take_a_call(now):
                for pool, level in read_pools(agent.pools, agent.agent_id).items():
                    pools[pool].append((rank(agent.ready_since, level), agent.agent_id))
        for listed in pools.values():
            listed.sort()
        return pools

    @staticmethod
    def _best(call: Call, pools: Mapping[str, list[tuple[float, str]]]) -> str | None:
        found = [
            (want.after, *listed[0])
            for want in call.open_wants()
            if len(listed := pools.get(want.pool, [])) > want.keep
            and listed[0][0] <= rank(LEVEL_WEIGHT - 1, want.level)
        ]
        return min(found)[2] if found else None

    def _position(self, call_id: str) -> int:
        call = self.calls.get(call_id)
        if call is None or call.state != "waiting" or not call.opened:
            return 0
        own, ageing = read_wants(call.wants)[0].queue, self._times.ageing
        return sum(
            other.state == "waiting"
            and other.place(ageing) <= call.place(ageing)
            and own in {want.queue for want in other.open_wants()}
            for other in self.calls.values()
        )

    # Agents

    def _sign_in(
        self, turn: _Turn, agent_id: str, pools: str | None = None, group: str | None = None
    ) -> Presence:
        agent = self._agent(turn, agent_id)
        if pools is not None:
            agent = replace(agent, pools=pools, group=group)
        return self._put_agent(turn, step(agent, Input.SIGN_IN, turn.now, Details(node=turn.node)))

    def _wish(self, what: Input) -> Callable[..., Presence]:
        def wish(turn: _Turn, agent_id: str, reason: str | None = None) -> Presence:
            given = Details(reason=reason, extension_seconds=self._times.extension)
            return self._step(turn, agent_id, what, given)

        return wish

    def _end_wrap_up(self, turn: _Turn, agent_id: str) -> Presence:
        agent = self._agent(turn, agent_id)
        if agent.state is State.WRAP_UP:
            return self._step(turn, agent_id, Input.END_WRAP_UP)
        return agent

    def _set_phones(self, turn: _Turn, agent_id: str, count: int) -> Presence:
        return self._put_agent(turn, replace(self._agent(turn, agent_id), phones=count))

    def _set_desktop(self, turn: _Turn, agent_id: str, *, connected: bool) -> Presence | None:
        agent = self.agents.get(agent_id)
        if agent is None:
            return None
        if connected:
            return self._put_agent(turn, replace(agent, desktop=turn.node))
        if agent.desktop == turn.node:
            return self._put_agent(turn, replace(agent, desktop=None))
        return agent  # another desktop has taken over

    def _set_pools(
        self, turn: _Turn, agent_id: str, pools: str, group: str | None = None
    ) -> Presence:
        agent = self._agent(turn, agent_id)
        return self._put_agent(turn, replace(agent, pools=pools, group=group))

    def _forget_desktops(self, turn: _Turn, node: str) -> None:
        for agent_id in sorted(self.agents):
            if self.agents[agent_id].desktop == node:
                self._put_agent(turn, replace(self.agents[agent_id], desktop=None))

    # Calls

    def _enqueue(
        self,
        turn: _Turn,
        call_id: str,
        *,
        arrived_at: float,
        priority: int,
        wanted: str | None = None,
        wants: str | None = None,
    ) -> None:
        if call_id in self.calls:
            return
        if wants is None:
            wants = wants_text([Want(agents_own(wanted))]) if wanted else EVERYBODY_WANTED
        call = Call(call_id, turn.node, arrived_at, priority, wanted=wanted, wants=wants)
        self._put_call(turn, call)

    def _dequeue(self, turn: _Turn, call_id: str) -> None:
        if call_id in self.calls:
            self._drop(turn, self.calls[call_id])

    def _ringing(self, turn: _Turn, call_id: str, agent_id: str, token: int) -> bool:
        call = self._fenced(call_id, agent_id, token)
        if call is not None and call.state == "offered":
            self._step(turn, agent_id, Input.RING)
            self._put_call(turn, replace(call, expires_at=turn.now + self._times.offer))
        return call is not None

    def _talking(self, turn: _Turn, call_id: str, agent_id: str, token: int) -> bool:
        call = self._fenced(call_id, agent_id, token)
        if call is not None and call.state == "offered":
            self._step(turn, agent_id, Input.ANSWER)
            self._put_call(turn, replace(call, state="talking", expires_at=None))
        return call is not None

    def _release(
        self, turn: _Turn, call_id: str, agent_id: str, token: int, outcome: Outcome
    ) -> None:
        call = self._fenced(call_id, agent_id, token)
        if call is None or call.state != "offered":
            return
        if outcome == "cancelled":
            self._drop(turn, call)
        else:
            self._give_back(turn, call, ENDINGS[outcome])

    def _finish(self, turn: _Turn, agent_id: str, call_id: str) -> None:
        call = self.calls.get(call_id)
        if call is not None and call.state == "talking" and call.agent_id == agent_id:
            self._drop(turn, call)

    def _fenced(self, call_id: str, agent_id: str, token: int) -> Call | None:
        """Return the call if this lease, or the conversation it became, is still the valid one."""
        call = self.calls.get(call_id)
        if call is None or (call.agent_id, call.token) != (agent_id, token):
            return None
        return call

    def _give_back(self, turn: _Turn, call: Call, ending: Input) -> None:
        """End an offer; the call waits again in its old place."""
        self._free(turn, call, ending)
        self._put_call(turn, replace(call, state="waiting", agent_id=None, expires_at=None))

    def _take_back(self, turn: _Turn, agent: Presence) -> None:
        """Take back what is offered to an agent; nobody may have told of his call yet."""
        call = self.calls.get(agent.call_id or "")
        if call is not None and call.agent_id == agent.agent_id:
            self._give_back(turn, call, Input.CANCELLED)
        else:
            self._let_go(turn, agent, Input.CANCELLED)

    def _drop(self, turn: _Turn, call: Call) -> None:
        """Forget a call, and let go of its agent."""
        ending = Input.HANG_UP if call.state == "talking" else Input.CANCELLED
        self._free(turn, call, ending)
        self._put_call(turn, replace(call, state="gone", agent_id=None, expires_at=None))

    def _free(self, turn: _Turn, call: Call, ending: Input) -> None:
        agent = self.agents.get(call.agent_id or "")
        if agent is not None and agent.state in HELD and agent.call_id == call.call_id:
            self._let_go(turn, agent, ending)

    def _let_go(self, turn: _Turn, agent: Presence, ending: Input) -> None:
        """Let go of a held agent: into the other conversation that a node says he is in, if any."""
        call = self.calls.get(self.claims.pop(agent.agent_id, ""))
        if call is not None and (call.state, call.agent_id) == ("talking", agent.agent_id):
            self._join(turn, agent, call)
        else:
            self._step(turn, agent.agent_id, ending)

    def _join(self, turn: _Turn, agent: Presence, call: Call) -> None:
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
        )
        self._put_agent(turn, talking)

    # Nodes

    def _beat(self, turn: _Turn) -> list[Call]:
        """Return the offers of this node's calls that nobody has rung."""
        return [
            call
            for call in sorted(self.calls.values(), key=lambda call: call.call_id)
            if call.node == turn.node
            and call.state == "offered"
            and self.agents[call.agent_id or ""].state is State.RESERVED
        ]

    def _leave(self, turn: _Turn) -> None:
        self._bury(turn, turn.node)

    def _restore(
        self,
        turn: _Turn,
        agents: Iterable[Presence],
        calls: Iterable[Call],
        token: int,
        run: str | None = None,  # noqa: ARG002 -- seen before anything else
    ) -> tuple[list[Presence], list[Call]]:
        """Begin a node's life here, or its new life: what it knows replaces what is known of it.

        Returns:
            What ``known_to`` says of the node.
        """
        self.token = max(self.token, token)
        touched = set()
        _, old = self.known_to(turn.node)
        for call in old:
            touched.add(call.agent_id or "")
            self._put_call(turn, replace(call, state="gone"))
        self._forget_desktops(turn, turn.node)
        for agent in agents:
            touched.add(agent.agent_id)
            self._restore_agent(turn, replace(agent, desktop=None))
            if agent.desktop == turn.node and self.agents[agent.agent_id].desktop is None:
                self._put_agent(turn, replace(self.agents[agent.agent_id], desktop=turn.node))
        for call in calls:
            self._restore_call(turn, call)
        for agent_id in sorted(touched & self.agents.keys()):
            self._free_if_lost(turn, self.agents[agent_id])
        self._settle(turn)  # what was told may be overdue by now
        return self.known_to(turn.node)

    def known_to(self, node: str) -> tuple[list[Presence], list[Call]]:
        """Return the agents who concern a node (see ``absorb``), and its calls."""
        agents = [
            who for who in self.agents.values() if node in (who.node, who.call_node, who.desktop)
        ]
        calls = [call for call in self.calls.values() if call.node == node]
        return sorted(agents, key=lambda who: who.agent_id), sorted(
            calls, key=lambda call: call.call_id
        )

    def _restore_agent(self, turn: _Turn, told: Presence) -> None:
        known = self.agents.get(told.agent_id)
        held_here = told.state in HELD and told.call_node == turn.node
        if known is None:
            self._put_agent(turn, told)
            if told.state is State.TALKING and not held_here:
                self._vouch_for(turn, told)
            return
        if known.state in HELD and known.call_node != turn.node:
            # Two calls claim him. Only a conversation is a fact; an offer can be taken back.
            if known.state is State.TALKING or not (held_here and told.state is State.TALKING):
                return
            self._take_back(turn, known)
        elif not held_here and (told.state in HELD or known.node != turn.node):
            return  # he has moved on, or another node's call had him: the floor knows better
        self._put_agent(turn, replace(told, desktop=known.desktop))

    def _vouch_for(self, turn: _Turn, told: Presence) -> None:
        """Believe in an absent node's conversation until that node speaks, or is dead.

        A node that is present has told of its calls, and if this one is not among them, it is over.
        """
        assert told.call_id is not None  # noqa: S101 -- held agents have both
        assert told.call_node is not None  # noqa: S101
        if told.call_node in self.nodes:
            return
        self.nodes[told.call_node] = turn.now + self._times.node
        call = Call(told.call_id, told.call_node, told.since, 0, "talking", told.agent_id)
        self._put_call(turn, call)

    def _restore_call(self, turn: _Turn, call: Call) -> None:
        agent = self.agents.get(call.agent_id or "")
        if call.state == "offered" and (
            agent is None or (agent.call_id, agent.call_node) != (call.call_id, turn.node)
        ):
            call = replace(call, state="waiting", agent_id=None, expires_at=None)
        call = replace(call, node=turn.node)
        self._put_call(turn, call)
        if call.state == "talking":
            self._claim(turn, call)

    def _claim(self, turn: _Turn, call: Call) -> None:
        """Believe a node that this agent talks in its call.

        Unless a node that has not told yet had him in a conversation: then he does when that is
        known to be over.
        """
        agent = self._agent(turn, call.agent_id or "")
        if agent.state not in HELD:
            self._join(turn, agent, call)
        elif agent.call_id != call.call_id:
            self.claims[agent.agent_id] = call.call_id
            if agent.state is not State.TALKING:
                self._take_back(turn, agent)

    def _free_if_lost(self, turn: _Turn, agent: Presence) -> None:
        if agent.state not in HELD:
            return
        call = self.calls.get(agent.call_id or "")
        if call is None or call.agent_id != agent.agent_id:
            talking = agent.state is State.TALKING
            self._let_go(turn, agent, Input.HANG_UP if talking else Input.CANCELLED)

    # Records

    def _agent(self, turn: _Turn, agent_id: str) -> Presence:
        return self.agents.get(agent_id) or Presence(agent_id, since=turn.now)

    def _step(
        self, turn: _Turn, agent_id: str, what: Input, details: Details | None = None
    ) -> Presence:
        given = details or Details(
            wrap_up_seconds=self._times.wrap_up,
            reoffer_seconds=self._times.reoffer,
            extension_seconds=self._times.extension,
        )
        return self._put_agent(turn, step(self._agent(turn, agent_id), what, turn.now, given))

    def _put_agent(self, turn: _Turn, agent: Presence) -> Presence:
        agent = agent.watched(turn.now, self._times.alone)
        if self.agents.get(agent.agent_id) != agent:
            self.agents[agent.agent_id] = agent
            turn.presences.append(agent)
        return agent

    def _put_call(self, turn: _Turn, call: Call) -> None:
        call = call.widened(turn.now)
        if call.state == "gone":
            del self.calls[call.call_id]
        else:
            self.calls[call.call_id] = call
        turn.calls.append(call)

    # What the reply tells

    def _due(self, now: float) -> float | None:
        if self.held_until is not None:
            return self.held_until
        ends = [call.expires_at for call in self.calls.values()]
        ends += [call.widen_at for call in self.calls.values()]
        ends += [agent.alone_until for agent in self.agents.values()]
        ends += [agent.wrap_up_until for agent in self.agents.values()]
        ends += [
            agent.not_before
            for agent in self.agents.values()
            if agent.state is State.READY and agent.phones > 0
        ]
        return min((end for end in ends if end is not None and end > now), default=None)

    def _counts(self) -> dict[str, int]:
        counts = dict.fromkeys(("waiting", "offers", "conversations", *State), 0)
        names = {"waiting": "waiting", "offered": "offers", "talking": "conversations"}
        for call in self.calls.values():
            counts[names[call.state]] += 1
        for agent in self.agents.values():
            counts[agent.state.value] += 1
        return counts
