"""The floor: who is ready, who waits, and which call is held out to whom.

``Floor`` is the port that calls and web are written against. A floor object belongs to one node;
what it manages is shared by all nodes. ``open_floor`` in ``agents.resilient_floor`` makes the one
the service runs on; ``agents.node_floor.NodeFloor`` is the class behind it.

Every operation first settles what is overdue (leases, wrap-ups, dead nodes), then does its own
work, then matches waiting calls with ready agents, all in one atomic step. Each may be repeated
with the same arguments without harm.

``now`` is Unix seconds and optional everywhere: without it the floor uses its own clock, which is
Redis's where there is a Redis, so that leases do not depend on the nodes' clocks agreeing. Tests
pass it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from agents.demand import ANYBODY, Want
from agents.presence import Presence, Talk

Outcome = Literal["missed", "unreachable", "refused", "busy", "cancelled"]
"""How an offer ended without a conversation."""

Status = Literal["ok", "away"]
"""Whether the shared floor (Redis) answers; while it is away each node works on its own."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A lease: this call is held out to this agent, and to nobody else, until it expires.

    Attributes:
        call_id: the waiting call.
        agent_id: the agent who is reserved for it.
        token: fencing token, larger for each later offer of the call.
        expires_at: Unix seconds; ``Floor.ringing`` extends it.
        node: the node that owns the call.
    """

    call_id: str
    agent_id: str
    token: int
    expires_at: float
    node: str


@dataclass(frozen=True, slots=True)
class Stalled:
    """A call that waits, and an agent who should have been offered it."""

    call_id: str
    agent_id: str


@dataclass(frozen=True, slots=True)
class FloorTimes:
    """The floor's intervals, in seconds.

    Attributes:
        offer: a lease's life: the time a phone may ring plus a margin for signalling.
        reoffer: an agent who refused, or was busy, is left alone for this long.
        wrap_up: wrap-up ends by itself after this long.
        node: a node that has not been heard of for this long is dead.
        alone: a ready agent with neither phone nor desktop is not ready after this long: a page
            that is loaded again, or a phone that restarts, has to be quicker.
        extension: what an agent who extends his wrap-up gets, once.
        ageing: what one point of a call's priority is worth in waiting.
        grace: after Redis has started anew nobody is offered a call, or taken for dead, for this
            long: until all nodes have told what they know.
        sweep: how often a node looks for what is overdue when nothing else happens.
    """

    offer: float = 20.0
    reoffer: float = 5.0
    wrap_up: float = 30.0
    node: float = 15.0
    alone: float = 10.0
    extension: float = 60.0
    ageing: float = 60.0
    grace: float = 2.0
    sweep: float = 1.0


class Floor(Protocol):
    """One node's door to the floor.

    Attributes:
        node: this node's name.
        on_offer: called once for each offer of a call of THIS node. Set it before ``start``.
        on_presence: called for each change of state made by this node, in order (also those that
            its sweep made: wrap-up ended, lease expired, node died).
        on_status: called when Redis goes away ("away") and when it is back and rebuilt ("ok").
    """

    node: str
    on_offer: Callable[[Offer], None]
    on_presence: Callable[[Presence], None]
    on_status: Callable[[Status], None]

    @property
    def status(self) -> Status:
        """Whether the shared floor answers."""

    async def start(self) -> None:
        """Join: forget the calls of this node's earlier life, begin beating and sweeping.

        Returns also when Redis is away; the node then works on its own until it is there.
        """

    async def close(self) -> None:
        """Leave in good order: this node's calls are dropped and their agents freed."""

    async def sign_in(self, agent_id: str, *, now: float | None = None) -> Presence:
        """Sign in: signed_out -> not_ready("signed_in"). Keeps the state if already signed in."""

    async def sign_out(self, agent_id: str, *, now: float | None = None) -> Presence:
        """Sign out; while a call holds the agent, after that call."""

    async def set_ready(self, agent_id: str, *, now: float | None = None) -> Presence:
        """Be ready, at the end of the order; ends wrap-up; takes back a pending break.

        Raises:
            PresenceError: he is signed out.
        """

    async def set_not_ready(
        self, agent_id: str, reason: str, *, now: float | None = None
    ) -> Presence:
        """Take a break; while a call holds the agent, after it (and after its wrap-up).

        Raises:
            PresenceError: he is signed out.
        """

    async def end_wrap_up(self, agent_id: str, *, now: float | None = None) -> Presence:
        """End wrap-up: ready, or the break he asked for. In any other state nothing happens."""

    async def extend_wrap_up(self, agent_id: str, *, now: float | None = None) -> Presence:
        """Have ``FloorTimes.extension`` more for wrap-up, once.

        Raises:
            PresenceError: he is not in wrap-up, or has extended it before.
        """

    async def set_desktop(
        self, agent_id: str, *, connected: bool, now: float | None = None
    ) -> Presence | None:
        """Tell that an agent's desktop is connected to this node, or is no more.

        Who is ready with neither phone nor desktop is soon not ready ("disconnected"). None: the
        floor has never heard of him.
        """

    async def set_pools(
        self,
        agent_id: str,
        pools: Mapping[str, int],
        group: str | None = None,
        *,
        now: float | None = None,
    ) -> Presence:
        """Tell what an agent is good for, with his level in each, and whose he is."""

    async def set_phones(self, agent_id: str, count: int, *, now: float | None = None) -> Presence:
        """Tell how many phones are registered for the agent; with 0 he is never offered a call."""

    async def enqueue(
        self,
        call_id: str,
        *,
        arrived_at: float,
        priority: int = 0,
        wanted: str | None = None,
        wants: Sequence[Want] = ANYBODY,
        now: float | None = None,
    ) -> None:
        """Add a waiting call of this node: oldest ``arrived_at`` first.

        A point of ``priority`` counts as ``FloorTimes.ageing`` seconds of waiting. Whom it may
        have, and from when on, ``wants`` say. With ``wanted`` it is offered to that agent alone,
        before any other call.
        """

    async def position(self, call_id: str, *, now: float | None = None) -> int:
        """Return a waiting call's place among those that want the same, from 1; else 0."""

    async def stalled(self, seconds: float, *, now: float | None = None) -> list[Stalled]:
        """Return calls that wait for so long though somebody fits; they are offered at once.

        There are none, or the floor is at fault: this is the watchdog's question.
        """

    async def dequeue(self, call_id: str, *, now: float | None = None) -> None:
        """Remove a call, whatever its state: the caller has gone.

        An agent who was being offered it gets his old place back; one who was talking wraps up.
        """

    async def ringing(self, offer: Offer, *, now: float | None = None) -> bool:
        """His phone rings; also extends the lease. False: the lease is no longer ours."""

    async def talking(self, offer: Offer, *, now: float | None = None) -> bool:
        """He answered. False: the lease is no longer ours, so hang up his phone."""

    async def set_talk(
        self, agent_id: str, call_id: str, talk: Talk | None, *, now: float | None = None
    ) -> None:
        """Tell how he talks. Nothing happens if he does not talk in that call (any more)."""

    async def set_wants(
        self,
        call_id: str,
        *,
        priority: int,
        wants: Sequence[Want],
        now: float | None = None,
    ) -> None:
        """Change whom a call may have that waits, or is held out and may wait again.

        Nothing happens to one that is for one certain agent, or that somebody has answered.
        """

    async def release(self, offer: Offer, outcome: Outcome, *, now: float | None = None) -> None:
        """End an offer that led to no conversation; nothing happens if it is no longer ours.

        missed, unreachable: not_ready with that reason. refused, busy: ready at the end of the
        order, and left alone for ``FloorTimes.reoffer``. The call waits again in its old place and
        is offered to the next agent. cancelled: the caller has gone; the agent gets his old place
        back and the call is removed.
        """

    async def finish(self, agent_id: str, call_id: str, *, now: float | None = None) -> None:
        """End the conversation: talking -> wrap_up. Nothing happens if he is not in that call."""

    async def beat(self, *, now: float | None = None) -> None:
        """Show that this node lives and settle what is overdue. ``start`` makes this periodic."""

    async def presence(self, agent_id: str, *, now: float | None = None) -> Presence | None:
        """Return an agent's state; None when the floor has never heard of him."""

    async def everyone(self, *, now: float | None = None) -> list[Presence]:
        """Return all agents the floor knows, signed-out ones too, by number."""

    async def counts(self, *, now: float | None = None) -> dict[str, int]:
        """Count calls ("waiting", "offers", "conversations") and agents by state.

        The agents' keys are the values of ``State``: "signed_out", "not_ready", "ready",
        "reserved", "ringing", "talking", "wrap_up".
        """
