"""The shapes that go over the API. Times are Unix seconds."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
)

from calls.redaction import Side
from tickets.fields import PARTNERS, TITLES, TYPES, URGENCIES
from tickets.life import Status
from web.schemas_base import Request
from web.schemas_callbacks import ChosenDispositionOut, RatingOut

PresenceState = Literal[
    "signed_out", "ready", "reserved", "ringing", "talking", "wrap_up", "not_ready"
]
NotReadyReason = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
"""One of the city's (GET /routing/reasons)."""
TicketStatus = Status
StepAction = Literal[
    "answer", "pass_on", "give_back", "close", "urge", "supervise", "reopen", "review"
]
Item = TypeVar("Item")


class SignIn(Request):
    """Who signs in."""

    agent_id: str = Field(min_length=1, max_length=32, examples=["1001"])
    password: str = Field(min_length=1, max_length=256)


class PresenceChange(Request):
    """What an agent wants to be."""

    state: Literal["ready", "not_ready"]
    reason: NotReadyReason | None = Field(
        default=None,
        description="Why not ready, one of `GET /routing/reasons`; left out it is `other`.",
        examples=["meal"],
    )


def _choice(*choices: str) -> Any:
    """Describe a field with few values; ``tickets.fields.check`` refuses the others."""
    return Field(default=None, json_schema_extra={"enum": [*choices, None]})


class TicketFields(Request):
    """A ticket's fields; only those sent are changed. Null empties a field that may be empty."""

    name: str | None = Field(default=None, max_length=40)
    title: str | None = _choice(*TITLES)
    phone: str | None = Field(default=None, examples=["15250322668"])
    address: str | None = Field(default=None, max_length=200)
    type: str | None = _choice(*TYPES)
    category: str | None = Field(
        default=None,
        max_length=100,
        description="One of those that `GET /categories` names.",
    )
    topic: str | None = Field(default=None, max_length=100)
    time: str | None = Field(default=None, max_length=60)
    urgent: StrictBool | None = None
    urgency: str | None = _choice(*URGENCIES)
    urgency_reason: str | None = Field(default=None, max_length=200)
    transfer: str | None = _choice(*PARTNERS)
    secret: StrictBool | None = None
    repeat: StrictBool | None = None
    party: str | None = Field(default=None, max_length=100)
    content: str | None = Field(default=None, max_length=10_000)


class TicketChange(Request):
    """Corrections to a ticket."""

    fields: TicketFields


class ReviewIn(Request):
    """What the citizen said when called back; null: not asked, or not reached."""

    reached: StrictBool
    solved: StrictBool | None = None
    result: StrictBool | None = Field(default=None, description="Satisfied with the result.")
    unit: StrictBool | None = Field(default=None, description="Satisfied with the unit.")
    agent: StrictBool | None = Field(default=None, description="Satisfied with the agent.")


class StepIn(Request):
    """Something that is done with a submitted ticket."""

    action: StepAction
    note: str = Field(default="", max_length=2000, description="The answer, reason or result.")
    unit: str | None = Field(default=None, max_length=100, description="With `pass_on`: to whom.")
    review: ReviewIn | None = Field(default=None, description="With `review`.")


class StepOut(BaseModel):
    """A step that was taken."""

    at: float
    who: str
    action: str
    note: str = ""
    unit: str | None = None


class RedactionIn(Request):
    """A span of a recording to be silenced for good, seconds since the answer."""

    start: float = Field(ge=0, le=86_400)
    end: float = Field(gt=0, le=86_400)
    side: Side = "both"
    reason: str = Field(min_length=1, max_length=500)


class RedactionOut(BaseModel):
    """How many seconds were silenced."""

    seconds: float


class ExpertOut(BaseModel):
    """Somebody on duty who can be asked."""

    id: str
    name: str
    unit: str
    phone: str


class FoundOut(BaseModel):
    """An entry of the knowledge base that matches."""

    id: str
    version: int
    title: str
    category: str
    source: str
    snippet: str
    experts: list[ExpertOut] = []


class EntryOut(BaseModel):
    """An entry of the knowledge base."""

    id: str
    version: int
    title: str
    category: str
    source: str
    body: str
    keywords: list[str] = []
    experts: list[str] = []
    valid_until: date | None = None


class EntryIn(Request):
    """An entry as Markdown with front matter (docs/knowledge.md)."""

    markdown: str = Field(min_length=1, max_length=60_000)


class QuoteIn(Request):
    """Which entry to quote; the version that was shown."""

    entry_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    version: int | None = Field(default=None, ge=1)


class SimilarOut(BaseModel):
    """An open ticket like the one at hand; likeness is 0 to 1."""

    ticket_id: str
    status: str
    category: str | None = None
    address: str | None = None
    unit: str | None = None
    submitted_at: float
    likeness: float


class HelpOut(BaseModel):
    """What may help the agent now."""

    topic: str | None = None
    questions: list[str] = []
    knowledge: list[FoundOut] = []
    similar: list[SimilarOut] = []
    summary: list[str] = []


class RungOut(BaseModel):
    """A SIP message in short."""

    at: float
    inbound: bool
    peer: str
    line: str
    cseq: str
    call_id: str
    sdp: str = ""


class LadderOut(BaseModel):
    """A call's SIP messages; ``texts`` is empty when only the record is left."""

    rungs: list[RungOut]
    texts: list[str] = []


class AuditOut(BaseModel):
    """An entry of the audit trail."""

    id: int
    at: float
    who: str
    action: str
    subject: str
    detail: Mapping[str, Any] | None = None


class AgentOut(BaseModel):
    """An account, without its secrets."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    role: str
    group: str | None = None


class PresenceOut(BaseModel):
    """Where an agent stands.

    ``phones`` counts his registered phones; ``pending`` is what he asked for during a call and
    will be after it. ``break_left``: the seconds that were left today of the reason for which he is
    not ready, as of now; null where there is no limit, and of others than the asker.
    """

    model_config = ConfigDict(from_attributes=True)

    agent_id: str
    state: PresenceState
    reason: str | None = None
    since: float
    phones: int = 0
    call_id: str | None = None
    wrap_up_until: float | None = None
    pending: PresenceState | None = None
    pending_reason: str | None = None
    break_left: float | None = None


class BreakOut(BaseModel):
    """What an agent has used today of a reason for being not ready.

    ``minutes`` of it a day are meant (0: any number); ``strict``: it cannot be chosen any more when
    they are used up.
    """

    model_config = ConfigDict(from_attributes=True)

    reason: str
    name: str
    minutes: int
    strict: bool
    used_seconds: float


class SessionOut(BaseModel):
    """A session: the token is for API clients, a browser has the cookie."""

    token: str
    agent: AgentOut


class Me(BaseModel):
    """The asker and where he stands; presence is null while he is not on the floor."""

    agent: AgentOut
    presence: PresenceOut | None


class AgentStatus(BaseModel):
    """An agent on the supervisor's list."""

    agent: AgentOut
    presence: PresenceOut | None


class TransferIn(Request):
    """Who shall have the call, or be asked about it."""

    target: str = Field(
        min_length=1,
        max_length=64,
        description="`agent:1002`, `line:12345` (back into the queue), "
        "`skill:english` (whoever has it), `partner:110`, "
        "`expert:water`, `number:051253530000`; or a number as a phone would dial it.",
        examples=["partner:110"],
    )
    mode: Literal["blind", "consult", "conference"] = "consult"
    reason: str | None = Field(default=None, max_length=200, description="Why; it is recorded.")


class PartnerOut(BaseModel):
    """Somebody outside whom calls go to.

    ``open``: whether he takes calls now; ``health``: whether the latest call reached him;
    ``one_key``: what his key does with a call; ``shares``: the ticket's fields he may have.
    """

    id: str
    name: str
    numbers: list[str]
    open: bool
    health: Literal["ok", "failing", "unknown"] = "unknown"
    one_key: Literal["blind", "consult", "conference"] = "blind"
    shares: list[str] = []


class WithheldNumber(BaseModel):
    """The number of a caller who withholds it."""

    number: str


class CallPartyOut(BaseModel):
    """Somebody in a call beside the caller.

    ``name`` as transfers name him; ``role``: holder, target (of a consultation) or guest.
    """

    id: str
    name: str
    role: Literal["holder", "target", "guest"]


class LiveCallOut(BaseModel):
    """A call in progress.

    ``direction`` is outbound for an agent's own call. While it is being transferred,
    ``transfer_to`` says to whom, and ``transfer_stage`` is started, ringing, joined or merged.
    ``held_by`` names who holds the call with his phone or at his desk: caller, agent, partner;
    ``muted``: the agent has muted himself at his desk. ``by_click``: his phone rings, and can be
    told to answer (`POST /calls/{id}/answer`). ``partner`` is who called by his own trunk (110: the
    green channel), ``reference`` his own number of the matter.
    To supervisors ``supervisor`` says which of them is in the call, ``supervision`` in what mode.
    """

    model_config = ConfigDict(from_attributes=True)

    call_id: str
    line: str
    caller: str | None = None
    state: str
    agent_id: str | None = None
    arrived_at: float
    answered_at: float | None = None
    ticket_id: str | None = None
    direction: str = "inbound"
    transfer_to: str | None = None
    transfer_stage: str | None = None
    held_by: tuple[str, ...] = ()
    partner: str | None = None
    reference: str | None = None
    muted: bool = False
    by_click: bool = False
    parties: list[CallPartyOut] = []
    supervisor: str | None = None
    supervision: str | None = None


class SegmentOut(BaseModel):
    """One participant's part in a call.

    ``kind`` is agent, partner or supervisor; ``how`` line (he was next), blind, consult, requeued
    (after a transfer that failed), overflow (no agent was free: another hotline), outbound, or
    listen, whisper, barge, take_over;
    ``transferred_by`` who wanted him, ``reason`` why.
    """

    agent_id: str | None = None
    kind: str | None = None
    partner: str | None = None
    direction: str | None = None
    number: str | None = None
    how: str | None = None
    reason: str | None = None
    transferred_by: str | None = None
    offered_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    outcome: str | None = None


class RecordingPartOut(BaseModel):
    """A completed part of a call's recording.

    ``begins``: seconds since the answer. ``pauses`` are seconds since it began, from and to, in
    which nothing was recorded.
    """

    part: int
    begins: float | None = None
    seconds: float
    bytes: int
    sha256: str
    pauses: list[tuple[float, float]] = []


class RecordingPauseIn(Request):
    """Whether nothing is to be recorded."""

    paused: bool


class CallOut(BaseModel):
    """A call's record; ``forwarded`` says whom it was meant for before it came to us, and why."""

    call_id: str
    line: str
    caller: str | None = None
    arrived_at: float
    answered_at: float | None = None
    ended_at: float | None = None
    outcome: str | None = None
    ended_by: str | None = None
    media: dict[str, dict[str, float | None]] | None = None
    """Of each party: packets, loss (0…1), jitter and round trip (seconds), E-model R and MOS."""
    agent_id: str | None = None
    ticket_id: str | None = None
    recording: bool = False
    recordings: list[RecordingPartOut] = []
    direction: str = "inbound"
    called: str | None = None
    forwarded: list[str] | None = None
    partner: str | None = None
    reference: str | None = None
    segments: list[SegmentOut] = []
    gaps: list["GapOut"] = []
    ratings: list[RatingOut] = []
    dispositions: list[ChosenDispositionOut] = []


class UtteranceOut(BaseModel):
    """What a party said; start and end are seconds since the answer.

    ``text`` has figures, punctuation and names put right; ``spoken`` is what was recognised.
    """

    seq: int
    leg: str
    start: float
    end: float
    text: str
    spoken: str | None = None
    confidence: float | None = None
    later: bool | None = None
    """Recognised after the call, from its recording."""


class GapOut(BaseModel):
    """Speech that was not recognised during the call; seconds since the answer.

    reason: load, engine, away; state: missing, recognised (later) or failed.
    """

    leg: str
    start: float
    end: float | None = None
    reason: str
    state: str


class PassageOut(BaseModel):
    """Where in the recording words were said; seconds since the answer."""

    leg: str
    start: float
    end: float


class FieldOut(BaseModel):
    """A field's value, who gave it and the words it was read in.

    ``source``: heard, caller_id, history, agent, partner.

    ``confidence`` is 0 to 1.
    """

    value: Any = None
    source: str | None = None
    evidence: str | None = None
    confidence: float | None = None
    passage: PassageOut | None = None


class CategoryOut(BaseModel):
    """A category and the topics below it."""

    name: str
    topics: list[str]


class TicketOut(BaseModel):
    """A ticket."""

    id: str
    call_id: str | None = None
    agent_id: str | None = None
    status: str
    created_at: float | None = None
    submitted_at: float | None = None
    fields: Mapping[str, FieldOut]
    street: str | None = None
    unit: str | None = None
    passed_at: float | None = None
    deadline_at: float | None = None
    ended_at: float | None = None
    returned: int = 0
    urged: int = 0
    supervised: bool = False
    reopens: str | None = None
    reached: bool | None = None
    solved: bool | None = None
    satisfied: bool | None = None
    satisfied_unit: bool | None = None
    satisfied_agent: bool | None = None


class EarlierTicketOut(BaseModel):
    """A line of the list of a caller's earlier tickets."""

    id: str
    created_at: float
    status: str
    type: str | None = None
    category: str | None = None
    address: str | None = None
    content: str | None = None
    urgency: str | None = None


class Page(BaseModel, Generic[Item]):
    """Part of a list, newest first."""

    items: list[Item]
    limit: int
    offset: int


class PartOut(BaseModel):
    """How a part of the node is."""

    status: str
    detail: str | None = None


class HealthOut(BaseModel):
    """How the node is; ``down`` means that it cannot take calls."""

    status: str
    version: str
    parts: Mapping[str, PartOut]
    counts: Mapping[str, int]


CallOut.model_rebuild()  # GapOut stands behind it; other modules build upon it
