"""What one agent is doing, as a pure machine whose transitions are data.

``TRANSITIONS`` is the whole machine: the Lua scripts of the shared floor are given the very same
table (see ``agents.scripts``). Nothing here does I/O or reads a clock.

Three states are *held* by a call: reserved, ringing, talking. What the agent asks for meanwhile
(a break, going home) is remembered in ``pending`` and applied when the call lets go of him, so a
state never changes under an offer (the INVITE/CANCEL storm of FreeSWITCH PR 800).

Who talks may have his caller on hold, consult somebody, or talk with several: that is ``talk``, a
state within the state. For the floor it makes no difference: he is in one call and gets no other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal


class PresenceError(Exception):
    """The agent cannot do that in his present state; nothing was changed.

    Attributes:
        agent_id: whose state it is.
        state: the state he is (still) in.
        wanted: the input that was refused.
    """

    def __init__(self, agent_id: str, state: "State", wanted: "Input") -> None:
        super().__init__(f"agent {agent_id}: {wanted.value} is not possible while {state.value}")
        self.agent_id = agent_id
        self.state = state
        self.wanted = wanted


class State(StrEnum):
    """The states of an agent, as published in ``agent.presence`` events."""

    SIGNED_OUT = "signed_out"
    NOT_READY = "not_ready"
    READY = "ready"
    RESERVED = "reserved"
    RINGING = "ringing"
    TALKING = "talking"
    WRAP_UP = "wrap_up"


class Input(StrEnum):
    """Everything that can happen to an agent's state."""

    SIGN_IN = "sign_in"
    SIGN_OUT = "sign_out"
    SET_READY = "set_ready"
    SET_NOT_READY = "set_not_ready"
    RESERVE = "reserve"
    RING = "ring"
    ANSWER = "answer"
    MISSED = "missed"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    HANG_UP = "hang_up"
    END_WRAP_UP = "end_wrap_up"
    EXTEND_WRAP_UP = "extend_wrap_up"
    LOST = "lost"
    TALK = "talk"


Talk = Literal["hold", "consult", "conference"]
"""How an agent talks who does not simply talk: 保持, 咨询, 三方."""


HELD = frozenset({State.RESERVED, State.RINGING, State.TALKING})
"""States in which a call holds the agent; he has a ``call_id`` and a ``call_node`` in them."""

_HELD_WISHES = (Input.SIGN_IN, Input.SIGN_OUT, Input.SET_READY, Input.SET_NOT_READY)

TRANSITIONS: Mapping[State, Mapping[Input, State]] = {
    State.SIGNED_OUT: {
        Input.SIGN_IN: State.NOT_READY,
        Input.SIGN_OUT: State.SIGNED_OUT,
    },
    State.NOT_READY: {
        Input.SIGN_IN: State.NOT_READY,
        Input.SIGN_OUT: State.SIGNED_OUT,
        Input.SET_READY: State.READY,
        Input.SET_NOT_READY: State.NOT_READY,
    },
    State.READY: {
        Input.SIGN_IN: State.READY,
        Input.SIGN_OUT: State.SIGNED_OUT,
        Input.SET_READY: State.READY,
        Input.SET_NOT_READY: State.NOT_READY,
        Input.RESERVE: State.RESERVED,
        Input.LOST: State.NOT_READY,
    },
    State.RESERVED: {
        **dict.fromkeys(_HELD_WISHES, State.RESERVED),
        Input.RING: State.RINGING,
        Input.ANSWER: State.TALKING,
        Input.MISSED: State.NOT_READY,
        Input.UNREACHABLE: State.NOT_READY,
        Input.REFUSED: State.READY,
        Input.CANCELLED: State.READY,
    },
    State.RINGING: {
        **dict.fromkeys(_HELD_WISHES, State.RINGING),
        Input.RING: State.RINGING,
        Input.ANSWER: State.TALKING,
        Input.MISSED: State.NOT_READY,
        Input.UNREACHABLE: State.NOT_READY,
        Input.REFUSED: State.READY,
        Input.CANCELLED: State.READY,
    },
    State.TALKING: {
        **dict.fromkeys(_HELD_WISHES, State.TALKING),
        Input.ANSWER: State.TALKING,
        Input.TALK: State.TALKING,
        Input.HANG_UP: State.WRAP_UP,
    },
    State.WRAP_UP: {
        Input.SIGN_IN: State.WRAP_UP,
        Input.SIGN_OUT: State.SIGNED_OUT,
        Input.SET_READY: State.READY,
        Input.SET_NOT_READY: State.NOT_READY,
        Input.END_WRAP_UP: State.READY,
        Input.EXTEND_WRAP_UP: State.WRAP_UP,
    },
}
"""state -> input -> next state. A pair that is not here is illegal."""


@dataclass(frozen=True, slots=True)
class Presence:
    """One agent's state. Times are Unix seconds.

    Attributes:
        agent_id: the agent's number, e.g. "1001".
        state: see ``State``.
        reason: why he is not ready ("signed_in", "missed", "unreachable", "disconnected", or what
            he chose).
        since: when this state (or its reason) began.
        ready_since: his place in the ready order, the oldest first; kept while he is reserved or
            ringing, so that a cancelled offer gives it back. None in every other state.
        call_id: the call that holds him; during wrap-up the call he is writing up.
        call_node: the node that holds that call, while held.
        node: the node at which he signed in last.
        phones: how many phones are registered for him; with 0 he is never offered a call.
        wrap_up_until: when wrap-up ends by itself.
        not_before: not offered a call before this time (he refused one just now).
        pending: ``NOT_READY`` or ``SIGNED_OUT``, asked for while held and applied afterwards.
        pending_reason: the reason that goes with a pending ``NOT_READY``.
        pools: what he is good for (``agents.demand``).
        group: own staff or which vendor's.
        desktop: the node that his desktop is connected to.
        alone_until: ready, but with neither phone nor desktop: then he is not ready any more.
        extended: whether this wrap-up has been extended (1), which is possible once.
        talk: while he talks, how; None: with one other, and both hear each other.
    """

    agent_id: str
    state: State = State.SIGNED_OUT
    reason: str | None = None
    since: float = 0.0
    ready_since: float | None = None
    call_id: str | None = None
    call_node: str | None = None
    node: str | None = None
    phones: int = 0
    wrap_up_until: float | None = None
    not_before: float | None = None
    pending: State | None = None
    pending_reason: str | None = None
    pools: str = ""
    group: str | None = None
    desktop: str | None = None
    alone_until: float | None = None
    extended: int = 0
    talk: Talk | None = None

    def watched(self, now: float, alone_seconds: float) -> "Presence":
        """Return him with the clock running, or not, that ends being ready without any device."""
        alone = self.state is State.READY and self.phones == 0 and self.desktop is None
        if alone == (self.alone_until is not None):
            return self
        return replace(self, alone_until=now + alone_seconds if alone else None)

    def can_take_a_call(self, now: float) -> bool:
        """Tell whether a waiting call may be offered to him now."""
        rested = self.not_before is None or self.not_before <= now
        return self.state is State.READY and self.phones > 0 and rested


@dataclass(frozen=True, slots=True)
class Details:
    """What an input brings with it; each field is read by the inputs named.

    Attributes:
        node: the node at which he signs in (SIGN_IN).
        reason: SET_NOT_READY.
        call_id: RESERVE.
        call_node: RESERVE.
        wrap_up_seconds: HANG_UP.
        reoffer_seconds: REFUSED.
        extension_seconds: EXTEND_WRAP_UP.
        talk: TALK.
    """

    node: str | None = None
    reason: str | None = None
    call_id: str | None = None
    call_node: str | None = None
    wrap_up_seconds: float = 0.0
    reoffer_seconds: float = 0.0
    extension_seconds: float = 0.0
    talk: Talk | None = None


NOTHING = Details()


def step(before: Presence, what: Input, now: float, details: Details = NOTHING) -> Presence:
    """Return the presence after ``what`` happened at ``now``.

    Raises:
        PresenceError: the input is illegal in this state, or this wrap-up was extended before.
    """
    target = TRANSITIONS[before.state].get(what)
    if target is None:
        raise PresenceError(before.agent_id, before.state, what)
    if what is Input.SIGN_IN:
        before = replace(before, node=details.node)
    if target in HELD:
        return _held(before, what, target, now, details)
    if before.state in HELD:
        return _let_go(before, what, target, now, details)
    return _free(before, what, target, now, details)


def _held(before: Presence, what: Input, target: State, now: float, details: Details) -> Presence:
    """Stay with a call, or begin to."""
    if what in _HELD_WISHES:
        return _remember(before, what, details.reason)
    if what is Input.TALK:
        return replace(before, talk=details.talk)
    if target is before.state:
        return before
    if what is Input.RESERVE:
        call_id, call_node = details.call_id, details.call_node
    else:
        call_id, call_node = before.call_id, before.call_node
    return replace(
        before,
        state=target,
        since=now,
        ready_since=None if target is State.TALKING else before.ready_since,
        not_before=None,
        call_id=call_id,
        call_node=call_node,
    )


def _free(before: Presence, what: Input, target: State, now: float, details: Details) -> Presence:
    """Go from one state without a call to another."""
    if what is Input.EXTEND_WRAP_UP:
        if before.extended or before.wrap_up_until is None:
            raise PresenceError(before.agent_id, before.state, what)
        until = before.wrap_up_until + details.extension_seconds
        return replace(before, wrap_up_until=until, extended=1)
    if what is Input.END_WRAP_UP and before.pending is State.NOT_READY:
        return _enter(before, State.NOT_READY, now, reason=before.pending_reason)
    new_reason = what is Input.SET_NOT_READY and details.reason != before.reason
    if target is before.state and not new_reason:
        return before
    reasons = {Input.SIGN_IN: "signed_in", Input.LOST: "disconnected"}
    return _enter(before, target, now, reason=reasons.get(what, details.reason))


def _remember(before: Presence, what: Input, reason: str | None) -> Presence:
    """Note what a held agent asks for; the last wish wins."""
    if what is Input.SIGN_OUT:
        return replace(before, pending=State.SIGNED_OUT, pending_reason=None)
    if what is Input.SET_NOT_READY:
        return replace(before, pending=State.NOT_READY, pending_reason=reason)
    if what is Input.SIGN_IN and before.pending is not State.SIGNED_OUT:
        return before
    return replace(before, pending=None, pending_reason=None)


def _let_go(before: Presence, what: Input, target: State, now: float, details: Details) -> Presence:
    """Leave the held states: into wrap-up after a conversation, else where the outcome says."""
    if before.pending is State.SIGNED_OUT:
        return _enter(before, State.SIGNED_OUT, now)
    if target is State.WRAP_UP:
        # A pending break comes after the wrap-up: the ticket is written first.
        after = _enter(before, target, now)
        return replace(
            after,
            call_id=before.call_id,
            wrap_up_until=now + details.wrap_up_seconds,
            pending=before.pending,
            pending_reason=before.pending_reason,
        )
    if before.pending is State.NOT_READY:
        return _enter(before, State.NOT_READY, now, reason=before.pending_reason)
    if what is Input.CANCELLED:
        return replace(_enter(before, target, now), ready_since=before.ready_since)
    if what is Input.REFUSED:
        return replace(_enter(before, target, now), not_before=now + details.reoffer_seconds)
    return _enter(before, target, now, reason=what.value)


def _enter(before: Presence, state: State, now: float, *, reason: str | None = None) -> Presence:
    """Begin ``state`` afresh: of the old record only who and where he is remain."""
    return Presence(
        agent_id=before.agent_id,
        state=state,
        reason=reason if state is State.NOT_READY else None,
        since=now,
        ready_since=now if state is State.READY else None,
        node=before.node,
        phones=before.phones,
        pools=before.pools,
        group=before.group,
        desktop=before.desktop,
    )
