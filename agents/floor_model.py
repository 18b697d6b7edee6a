"""The floor in memory: the reference for the Lua scripts, and a node's own while Redis is away.

Pure: ``handle(node, command, now)`` returns everything that follows from the command. It scans
where Redis has indexes; a city has hundreds of agents, and plainness is what a reference is for.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any, Final

from agents.commands import EVERYBODY_WANTED, Call, Command, Reply
from agents.demand import Want, agents_own, wants_text
from agents.floor import FloorTimes, Outcome
from agents.floor_match import best, position, ready_pools
from agents.floor_return import restore
from agents.floor_table import FloorTable, Turn
from agents.presence import Details, Input, Presence, PresenceError, State, Talk, step

ENDINGS: Final[dict[Outcome, Input]] = {
    "missed": Input.MISSED,
    "unreachable": Input.UNREACHABLE,
    "refused": Input.REFUSED,
    "busy": Input.REFUSED,
    "cancelled": Input.CANCELLED,
}


class FloorModel(FloorTable):
    """All agents, calls and nodes of one floor.

    Attributes:
        run: which life of Redis this is.
        held_until: until then nodes tell what they know, and nothing follows from it.

    Args:
        times: the floor's intervals.
        home: offer calls only to those whose desk is at this node, or who signed in here and have
            none; None: to all. So two nodes that are both without Redis never offer to the same.
    """

    def __init__(self, times: FloorTimes | None = None, *, home: str | None = None) -> None:
        super().__init__(times or FloorTimes())
        self._home = home
        self.run: str | None = None
        self.held_until: float | None = None
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
            "set_talk": self._set_talk,
            "set_wants": self._set_wants,
            "release": self._release,
            "finish": self._finish,
            "presence": lambda _turn, agent_id: self.agents.get(agent_id),
            "everyone": lambda _turn: sorted(self.agents.values(), key=lambda who: who.agent_id),
            "counts": lambda _turn: self._counts(),
            "position": lambda _turn, call_id: position(self.calls, call_id, self.times.ageing),
            # Nothing is left undone by _match, which has just looked at all of them.
            "stalled": lambda _turn, seconds: [],  # noqa: ARG005 -- Redis's indexes can be at fault
        }

    def handle(self, node: str, command: Command, now: float) -> Reply:
        """Settle what is overdue, execute ``command`` for ``node``, match."""
        if node not in self.nodes and command.name != "restore":
            return Reply(unknown=True, now=now, sequence=self._sequence)
        self._sequence += 1
        self._notice_silence(now)
        self.nodes[node] = now + self.times.node
        turn = Turn(node, now)
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
        turn: Turn,
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
            self.held_until = turn.now + self.times.grace
        self.run = run

    def _notice_silence(self, now: float) -> None:
        """Let all nodes tell first where all are overdue.

        They did not fall silent together: nobody reached Redis, which was frozen, or cut off from
        them; and of those who come back the first must not bury the others.
        """
        alone = self._home is not None  # a node's own floor, which asks nobody
        # A hold that has passed counts for nothing: Redis may have been away all that time again.
        held = self.held_until is not None and self.held_until > now
        if alone or held or len(self.nodes) <= 1:
            return
        if max(self.nodes.values()) <= now:
            self.held_until = now + self.times.grace

    def _settle(self, turn: Turn) -> None:
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
            self.give_back(turn, call, Input.REFUSED)
        written = [
            agent
            for agent in self.agents.values()
            if agent.wrap_up_until is not None and agent.wrap_up_until <= turn.now
        ]
        for agent in sorted(written, key=lambda agent: (agent.wrap_up_until, agent.agent_id)):
            self.step(turn, agent.agent_id, Input.END_WRAP_UP)
        left_alone = [
            agent
            for agent in self.agents.values()
            if agent.alone_until is not None and agent.alone_until <= turn.now
        ]
        for agent in sorted(left_alone, key=lambda agent: (agent.alone_until, agent.agent_id)):
            self.step(turn, agent.agent_id, Input.LOST)
        patient = [
            call
            for call in self.calls.values()
            if call.widen_at is not None and call.widen_at <= turn.now
        ]
        for call in sorted(patient, key=lambda call: (call.widen_at, call.call_id)):
            self.put_call(turn, call)

    def _bury(self, turn: Turn, node: str) -> None:
        """Forget a node: its calls are gone, its calls' agents free, its desktops away."""
        del self.nodes[node]
        self.forget_desktops(turn, node)
        for call in sorted(self.calls.values(), key=lambda call: call.call_id):
            if call.node == node:
                self.drop(turn, call)

    def _match(self, turn: Turn) -> None:
        """Hold out each waiting call, in their order, to the best agent for it."""
        waiting = [call for call in self.calls.values() if call.state == "waiting"]
        if self.held_until is not None:
            return
        pools = ready_pools(self.agents.values(), turn.now, home=self._home) if waiting else {}
        if not pools:
            return
        for call in sorted(waiting, key=lambda call: call.place(self.times.ageing)):
            agent_id = best(call, pools)
            if agent_id is None:
                continue
            for listed in pools.values():
                listed[:] = [entry for entry in listed if entry[1] != agent_id]
            details = Details(call_id=call.call_id, call_node=call.node)
            self.step(turn, agent_id, Input.RESERVE, details)
            self.token += 1
            self.put_call(
                turn,
                replace(
                    call,
                    state="offered",
                    agent_id=agent_id,
                    token=self.token,
                    expires_at=turn.now + self.times.offer,
                ),
            )

    # Agents

    def _sign_in(
        self, turn: Turn, agent_id: str, pools: str | None = None, group: str | None = None
    ) -> Presence:
        agent = self.agent(turn, agent_id)
        if pools is not None:
            agent = replace(agent, pools=pools, group=group)
        return self.put_agent(turn, step(agent, Input.SIGN_IN, turn.now, Details(node=turn.node)))

    def _wish(self, what: Input) -> Callable[..., Presence]:
        def wish(turn: Turn, agent_id: str, reason: str | None = None) -> Presence:
            given = Details(reason=reason, extension_seconds=self.times.extension)
            return self.step(turn, agent_id, what, given)

        return wish

    def _end_wrap_up(self, turn: Turn, agent_id: str) -> Presence:
        agent = self.agent(turn, agent_id)
        if agent.state is State.WRAP_UP:
            return self.step(turn, agent_id, Input.END_WRAP_UP)
        return agent

    def _set_phones(self, turn: Turn, agent_id: str, count: int) -> Presence:
        return self.put_agent(turn, replace(self.agent(turn, agent_id), phones=count))

    def _set_desktop(self, turn: Turn, agent_id: str, *, connected: bool) -> Presence | None:
        agent = self.agents.get(agent_id)
        if agent is None:
            return None
        if connected:
            return self.put_agent(turn, replace(agent, desktop=turn.node))
        if agent.desktop == turn.node:
            return self.put_agent(turn, replace(agent, desktop=None))
        return agent  # another desktop has taken over

    def _set_pools(
        self, turn: Turn, agent_id: str, pools: str, group: str | None = None
    ) -> Presence:
        agent = self.agent(turn, agent_id)
        return self.put_agent(turn, replace(agent, pools=pools, group=group))

    # Calls

    def _enqueue(
        self,
        turn: Turn,
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
        self.put_call(turn, call)

    def _dequeue(self, turn: Turn, call_id: str) -> None:
        if call_id in self.calls:
            self.drop(turn, self.calls[call_id])

    def _ringing(self, turn: Turn, call_id: str, agent_id: str, token: int) -> bool:
        call = self._fenced(call_id, agent_id, token)
        if call is not None and call.state == "offered":
            self.step(turn, agent_id, Input.RING)
            self.put_call(turn, replace(call, expires_at=turn.now + self.times.offer))
        return call is not None

    def _talking(self, turn: Turn, call_id: str, agent_id: str, token: int) -> bool:
        call = self._fenced(call_id, agent_id, token)
        if call is not None and call.state == "offered":
            self.step(turn, agent_id, Input.ANSWER)
            self.put_call(turn, replace(call, state="talking", expires_at=None))
        return call is not None

    def _set_talk(self, turn: Turn, agent_id: str, call_id: str, talk: Talk | None = None) -> None:
        agent = self.agent(turn, agent_id)
        if agent.state is State.TALKING and agent.call_id == call_id:
            self.step(turn, agent_id, Input.TALK, Details(talk=talk))

    def _set_wants(self, turn: Turn, call_id: str, wants: str, priority: int) -> None:
        """Change what a call wants that waits, or is held out and may wait again."""
        call = self.calls.get(call_id)
        if call is not None and call.state != "talking" and call.wanted is None:
            self.put_call(turn, replace(call, wants=wants, priority=priority))

    def _release(
        self, turn: Turn, call_id: str, agent_id: str, token: int, outcome: Outcome
    ) -> None:
        call = self._fenced(call_id, agent_id, token)
        if call is None or call.state != "offered":
            return
        if outcome == "cancelled":
            self.drop(turn, call)
        else:
            self.give_back(turn, call, ENDINGS[outcome])

    def _finish(self, turn: Turn, agent_id: str, call_id: str) -> None:
        call = self.calls.get(call_id)
        if call is not None and call.state == "talking" and call.agent_id == agent_id:
            self.drop(turn, call)

    def _fenced(self, call_id: str, agent_id: str, token: int) -> Call | None:
        """Return the call if this lease, or the conversation it became, is still the valid one."""
        call = self.calls.get(call_id)
        if call is None or (call.agent_id, call.token) != (agent_id, token):
            return None
        return call

    # Nodes

    def _restore(
        self,
        turn: Turn,
        agents: Iterable[Presence],
        calls: Iterable[Call],
        token: int,
        run: str | None = None,  # noqa: ARG002 -- seen before anything else
    ) -> tuple[list[Presence], list[Call]]:
        """Begin a node's life here; return what is known of it then."""
        restore(self, turn, agents, calls, token)
        self._settle(turn)  # what was told may be overdue by now
        return self.known_to(turn.node)

    def _beat(self, turn: Turn, *, audit: bool = True) -> list[Call]:  # noqa: ARG002 -- no key is lost
        """Return the offers of this node's calls that nobody has rung."""
        return [
            call
            for call in sorted(self.calls.values(), key=lambda call: call.call_id)
            if call.node == turn.node
            and call.state == "offered"
            and self.agents[call.agent_id or ""].state is State.RESERVED
        ]

    def _leave(self, turn: Turn) -> None:
        self._bury(turn, turn.node)

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
