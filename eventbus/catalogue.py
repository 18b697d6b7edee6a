"""Every event that the system publishes, as frozen dataclasses.

This is the one list: ``docs/events.md`` is generated from it; the WebSocket feed and MQTT carry
exactly these. Times are Unix seconds (float, UTC); phone numbers are as dialled; text is UTF-8.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened.

    Attributes:
        at: when, Unix seconds.
        agent_id: the agent whose matter this is, or None. The feed shows an agent only events that
            carry his own number; supervisors see all.
        call_id: the call concerned, or None.
    """

    name: ClassVar[str] = ""
    at: float
    agent_id: str | None = None
    call_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dict: the fields, plus ``event``, the name."""
        # asdict() would copy all that is in the fields, for each of the event's carriers.
        names, values = _reader(self)
        return {"event": self.name, **dict(zip(names, values(self), strict=True))}


Reader = tuple[tuple[str, ...], Callable[[Event], tuple[Any, ...]]]

_readers: dict[str, Reader] = {}


def _reader(event: Event) -> Reader:
    """Return the names of an event's fields, and what reads them all; found out once for a kind."""
    reader = _readers.get(event.name)
    if reader is None:
        names = tuple(field.name for field in fields(event))
        reader = _readers[event.name] = names, attrgetter(*names)
    return reader


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPresence(Event):
    """An agent's state changed: signed_out, ready, reserved, ringing, talking, wrap_up, not_ready.

    ``phones`` counts his registered phones; ``wrap_up_until`` is when wrap-up ends by itself;
    ``pending`` is the state that he asked for during a call and will be in after it; ``talk`` says
    how he talks: hold, consult, conference, or null when he simply talks.
    """

    name: ClassVar[str] = "agent.presence"
    state: str
    reason: str | None = None
    since: float
    phones: int = 0
    wrap_up_until: float | None = None
    pending: str | None = None
    talk: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentBreakOver(Event):
    """An agent is not ready, and has used up what is meant of this reason a day.

    ``used``: seconds since midnight in China; told once a day for each reason.
    """

    name: ClassVar[str] = "agent.break_over"
    reason: str
    reason_name: str
    minutes: int
    used: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallArrived(Event):
    """A citizen's call came in from a trunk.

    ``partner``: whose own trunk it was (110: the green channel), ``reference``: his own number of
    the matter.
    """

    name: ClassVar[str] = "call.arrived"
    line: str
    caller: str | None
    partner: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallWaiting(Event):
    """Nobody was ready: the call waits in the queue."""

    name: ClassVar[str] = "call.waiting"
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOffered(Event):
    """The call is held out to one agent; his phone is about to ring.

    ``transferred_by``: the agent who transfers it to him, or asks him; None: it was in the queue.
    """

    name: ClassVar[str] = "call.offered"
    line: str
    caller: str | None
    transferred_by: str | None = None
    partner: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOfferFailed(Event):
    """The agent did not take the call; outcome: missed, refused, busy, unreachable, cancelled."""

    name: ClassVar[str] = "call.offer_failed"
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered(Event):
    """Agent and citizen hear each other; told again for each agent who takes the call over."""

    name: ClassVar[str] = "call.answered"
    line: str
    caller: str | None
    ticket_id: str
    waited: float
    transferred_by: str | None = None
    partner: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTransfer(Event):
    """How a transfer goes; the event is the agent's who asked for it.

    stage: started, ringing, joined (a consultation was answered), merged (all three talk),
    completed, cancelled, failed; left: a party that talked along has gone.
    target: agent:1002, line:12345, partner:110, expert:water, or number.
    """

    name: ClassVar[str] = "call.transfer"
    stage: str
    target: str
    mode: str
    outcome: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSupervised(Event):
    """What a supervisor does with a call; his own matter, but for `taken_over`: the agent's.

    stage: started, joined, changed (the mode), taken_over, ended, failed (see outcome).
    mode: listen, whisper, barge, take_over.
    watched: the agent whose call it is, or was.
    """

    name: ClassVar[str] = "call.supervised"
    stage: str
    mode: str
    supervisor: str
    watched: str | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHeld(Event):
    """A party has put the call on hold: with its phone, and is sent nothing, or at its desk.

    party: caller, agent or partner.
    """

    name: ClassVar[str] = "call.held"
    party: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResumed(Event):
    """A party that held the call is back; party as in call.held."""

    name: ClassVar[str] = "call.resumed"
    party: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMuted(Event):
    """The agent muted himself at his desk: nobody hears him; or, ``muted`` false, they do again."""

    name: ClassVar[str] = "call.muted"
    muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Event):
    """The call is over; its record is stored.

    outcome: answered, abandoned, failed (our side broke), rejected (never admitted).
    ended_by: citizen, agent, partner, system.
    """

    name: ClassVar[str] = "call.ended"
    outcome: str
    ended_by: str
    talked: float
    ticket_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptPartial(Event):
    """What a party is saying right now; replaced by the next partial or final of the same leg."""

    name: ClassVar[str] = "transcript.partial"
    leg: str
    text: str
    start: float
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptFinal(Event):
    """One utterance, as it will stay. ``start`` and ``end`` are seconds since the answer.

    ``text`` has figures, punctuation and names put right; ``spoken`` is what was recognised;
    ``later``: after the call, from its recording, as it could not be during it; ``doubtful``: words
    of the text that the recogniser was unsure of.
    """

    name: ClassVar[str] = "transcript.final"
    leg: str
    text: str
    start: float
    end: float
    confidence: float | None = None
    seq: int
    spoken: str | None = None
    later: bool = False
    doubtful: tuple[str, ...] = ()
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptGap(Event):
    """Speech was not recognised (``missing``), or has now been from the recording (``recognised``).

    reason: load, engine, away. ``end`` is null while the gap goes on, or reaches to the call's end.
    """

    name: ClassVar[str] = "transcript.gap"
    leg: str
    start: float
    end: float | None
    reason: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketField(Event):
    """A field of the ticket changed. source: heard, caller_id, history, agent.

    ``confidence`` is 0 to 1; ``passage`` (leg, start and end in seconds since the answer) is where
    in the recording the words of ``evidence`` were said.
    """

    name: ClassVar[str] = "ticket.field"
    ticket_id: str
    field: str
    value: Any
    source: str
    evidence: str | None = None
    confidence: float | None = None
    passage: Mapping[str, Any] | None = None
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketUrgent(Event):
    """A matter became urgent, or more so: for the duty desk, at once.

    level: 紧急, 特急; rule: which fired, its kind (突发, 敏感, 集中, 重要) first; transfer:
    the partner to call, or None; tickets: those that a burst (集中) consists of.
    """

    name: ClassVar[str] = "ticket.urgent"
    ticket_id: str
    level: str
    rule: str
    transfer: str | None = None
    category: str | None = None
    place: str | None = None
    evidence: str | None = None
    tickets: tuple[str, ...] = ()
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketSubmitted(Event):
    """The agent submitted the ticket; ``fields`` holds all values.

    Where the citizen asked for secrecy they hold neither his name nor his number.
    """

    name: ClassVar[str] = "ticket.submitted"
    ticket_id: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHelp(Event):
    """What may help the agent now; replaces what was said before of this call."""

    name: ClassVar[str] = "call.help"
    ticket_id: str
    topic: str | None
    questions: Sequence[str]
    knowledge: Sequence[Mapping[str, Any]]
    similar: Sequence[Mapping[str, Any]]
    summary: Sequence[str]
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketStep(Event):
    """Something was done with a submitted ticket.

    action: answer, pass_on, give_back, close, urge, supervise, reopen, review. status: what the
    ticket is now: submitted, passed, returned, answered, closed. ``reopens`` links the ticket that
    this one takes up again.
    """

    name: ClassVar[str] = "ticket.step"
    ticket_id: str
    action: str
    status: str
    by: str
    unit: str | None = None
    deadline_at: float | None = None
    reopens: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeTicket(Event):
    """Where a ticket, or a call's draft, stands that was handed over to or by a partner.

    direction: in, out; kind: ticket, draft; number: the sender's; state: sent, arrived (somebody
    has to decide), accepted, returned (for this reason), finished.
    """

    name: ClassVar[str] = "exchange.ticket"
    partner: str
    direction: str
    kind: str
    number: str
    state: str
    ticket_id: str | None = None
    reason: str = ""
    reopens: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeAlarm(Event):
    """A partner does not acknowledge a message, or refuses it; ``over``: he has it after all."""

    name: ClassVar[str] = "exchange.alarm"
    partner: str
    message: str
    why: str
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus(Event):
    """A part of the node changed its state.

    part: media, recogniser, redis, mqtt, database, trunks, exchange, dispatch; status: ok,
    degraded, away, no_model, off (by configuration, so nothing is broken).
    """

    name: ClassVar[str] = "service.status"
    part: str
    status: str
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkChanged(Event):
    """A trunk went down, for this reason, or came up. Calls out take another while it is down."""

    name: ClassVar[str] = "trunk.changed"
    trunk: str
    up: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBackChanged(Event):
    """An entry of the call-back list is new or has changed; the event is the agent's who works it.

    status: open, calling, closed.
    outcome: once closed: reached, called_again, unreachable, wrong_number, not_needed.
    """

    name: ClassVar[str] = "callback.changed"
    callback: int
    number: str
    line: str
    reason: str
    status: str
    calls: int
    attempts: int
    outcome: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingChanged(Event):
    """Another version of the routing document is in force; ``by`` is who changed it."""

    name: ClassVar[str] = "routing.changed"
    version: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentChanged(Event):
    """Another version of a document (partners, urgency rules, …) is in force, changed by ``by``."""

    name: ClassVar[str] = "document.changed"
    document: str
    version: int
    by: str


ALL_EVENTS: tuple[type[Event], ...] = (
    AgentPresence,
    AgentBreakOver,
    CallArrived,
    CallWaiting,
    CallOffered,
    CallOfferFailed,
    CallAnswered,
    CallTransfer,
    CallSupervised,
    CallHeld,
    CallResumed,
    CallMuted,
    CallEnded,
    TranscriptPartial,
    TranscriptFinal,
    TranscriptGap,
    TicketField,
    TicketUrgent,
    TicketSubmitted,
    TicketStep,
    CallHelp,
    CallBackChanged,
    ExchangeTicket,
    ExchangeAlarm,
    ServiceStatus,
    TrunkChanged,
    RoutingChanged,
    DocumentChanged,
)
BY_NAME: Mapping[str, type[Event]] = {event.name: event for event in ALL_EVENTS}
