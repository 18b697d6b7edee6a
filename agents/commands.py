"""What can be asked of a floor, and what it answers: the values between shell and engine.

An *engine* executes commands: ``FloorModel`` in memory, ``RedisEngine`` by a Lua script. Both give
the same reply to the same commands at the same times.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Protocol

from agents.demand import ANYBODY, DIRECTED_WEIGHT, Want, read_wants, wants_text
from agents.floor import Offer, Status
from agents.presence import Presence, PresenceError, State
from eventbus.known import known

CommandName = Literal[
    "restore",
    "known",
    "leave",
    "beat",
    "sign_in",
    "sign_out",
    "set_ready",
    "set_not_ready",
    "end_wrap_up",
    "extend_wrap_up",
    "set_phones",
    "set_desktop",
    "set_pools",
    "enqueue",
    "dequeue",
    "ringing",
    "talking",
    "set_talk",
    "set_wants",
    "release",
    "finish",
    "presence",
    "everyone",
    "counts",
    "position",
    "stalled",
]
EVERYBODY_WANTED = wants_text(ANYBODY)
CallState = Literal["waiting", "offered", "talking", "gone"]


@dataclass(frozen=True, slots=True)
class Command:
    """One operation by name, with the keyword arguments of its handler."""

    name: CommandName
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the floor sees it. Times are Unix seconds.

    Attributes:
        call_id: its id.
        node: the node that owns it and will get its offers.
        arrived_at: its place among calls of one priority.
        priority: higher goes first.
        state: "gone" appears only in replies: the floor has forgotten the call.
        agent_id: who is offered it, or talks.
        token: of its latest offer; 0 before the first.
        expires_at: end of the lease while offered.
        wanted: the one agent who may have the call; None: whom ``wants`` say.
        wants: whom it may have, and from when on (``agents.demand``).
        opened: how many of its wants count by now.
        widen_at: while it waits, when the next one will.
    """

    call_id: str
    node: str
    arrived_at: float
    priority: int = 0
    state: CallState = "waiting"
    agent_id: str | None = None
    token: int = 0
    expires_at: float | None = None
    wanted: str | None = None
    wants: str = EVERYBODY_WANTED
    opened: int = 0
    widen_at: float | None = None

    def place(self, ageing: float) -> tuple[float, str]:
        """Sort key of waiting calls; the same number as Redis's."""
        directed = 0.0 if self.wanted is None else DIRECTED_WEIGHT
        return (self.arrived_at - self.priority * ageing - directed, self.call_id)

    def widened(self, now: float) -> "Call":
        """Return a call with the wants counted that are open; only while it waits."""
        if self.state != "waiting":
            return self if self.widen_at is None else replace(self, widen_at=None)
        wants = read_wants(self.wants)
        # (the first ones at once, also where the node's clock is ahead of Redis's)
        opened = sum(not want.after or self.arrived_at + want.after <= now for want in wants)
        later = self.arrived_at + wants[opened].after if opened < len(wants) else None
        return replace(self, opened=opened, widen_at=later)

    def open_wants(self) -> tuple[Want, ...]:
        """Return the wants that count."""
        return read_wants(self.wants)[: self.opened]

    def offer(self) -> Offer:
        """Return the offer that is out for this call."""
        assert self.agent_id is not None  # noqa: S101 -- only offered calls are asked
        assert self.expires_at is not None  # noqa: S101
        return Offer(self.call_id, self.agent_id, self.token, self.expires_at, self.node)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a command did.

    Attributes:
        result: the operation's own answer.
        refused: the agent could not do that; everything else in the reply is valid nevertheless.
        unknown: the floor has never heard of the asking node, or has buried it: nothing was done,
            and the node has to send "restore" first.
        presences: every change of an agent, in order, whoever asked for it.
        calls: every change of a call, in order.
        due: when the next lease, wrap-up or pause ends; None if nothing is running.
        now: the time that was used.
        sequence: grows with every command; orders replies and wake-ups.
    """

    result: Any = None
    refused: PresenceError | None = None
    unknown: bool = False
    presences: tuple[Presence, ...] = ()
    calls: tuple[Call, ...] = ()
    due: float | None = None
    now: float = 0.0
    sequence: int = 0


class Engine(Protocol):
    """Executes commands in the name of one node.

    Attributes:
        status: "away" while the node's own knowledge stands in for the shared floor.
        on_reply: called with every reply, before whoever asked gets it and even if he wants it no
            more, and with what happened unasked (another node's match, a restoration).
        on_status: called when ``status`` has changed.
    """

    status: Status
    on_reply: Callable[[Reply], None]
    on_status: Callable[[Status], None]

    async def open(self) -> None:
        """Make the node known to the floor; its calls of an earlier life are forgotten."""

    async def close(self) -> None:
        """Take the node off the floor."""

    async def execute(self, command: Command, now: float | None) -> Reply:
        """Execute atomically; ``now`` None: by the engine's own clock. Never raises."""


Record = Mapping[str, str]
"""A presence or a call with every value as text, as Redis hashes hold them; None is left out."""


def ignore(_news: object) -> None:
    """Be called back and do nothing: what a callback is until its owner sets it."""


def to_record(value: Presence | Call) -> dict[str, str]:
    """Write a record; a float's text holds it exactly."""
    return {
        item.name: format(content, ".17g") if isinstance(content, float) else str(content)
        for item in fields(value)
        if (content := getattr(value, item.name)) is not None
    }


def presence_from(record: Record) -> Presence:
    """Read a record."""
    values: dict[str, Any] = dict(record)
    values["state"] = State(values["state"])
    values["phones"] = int(values["phones"])
    values["extended"] = int(values["extended"])
    if "pending" in values:
        values["pending"] = State(values["pending"])
    times = ("since", "ready_since", "wrap_up_until", "not_before", "alone_until")
    return Presence(**known(Presence, _with_times(values, times)))


def call_from(record: Record) -> Call:
    """Read a record."""
    values: dict[str, Any] = dict(record)
    values["priority"] = int(values["priority"])
    values["token"] = int(values["token"])
    values["opened"] = int(values["opened"])
    times = ("arrived_at", "expires_at", "widen_at")
    return Call(**known(Call, _with_times(values, times)))


def _with_times(values: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return values | {name: float(values[name]) for name in names if name in values}
