"""Calls that go on and calls that are over, as the API shows them. Times are Unix seconds."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from calls.redaction import Side
from web.schemas_base import Request
from web.schemas_callbacks import ChosenDispositionOut, RatingOut


class RedactionIn(Request):
    """A span of a recording to be silenced for good, seconds since the answer."""

    start: float = Field(ge=0, le=86_400)
    end: float = Field(gt=0, le=86_400)
    side: Side = "both"
    reason: str = Field(min_length=1, max_length=500)


class RedactionOut(BaseModel):
    """How many seconds were silenced, and what could not be."""

    seconds: float
    unreached: list[int] = Field(
        default=[], description="Parts in the span that are not on this node's disk."
    )
    message: str | None = Field(default=None, description="Why those were not silenced.")
    chinese: str | None = Field(default=None, description="The message in Chinese.")


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
    ``topics``: what he is called for; ``one_key``: what his key does with a call; ``shares``: the
    ticket's fields he may have.
    """

    id: str
    name: str
    numbers: list[str]
    topics: list[str] = []
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


class GapOut(BaseModel):
    """Speech that was not recognised during the call; seconds since the answer.

    reason: load, engine, away; state: missing, recognised (later) or failed.
    """

    leg: str
    start: float
    end: float | None = None
    reason: str
    state: str


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
    gaps: list[GapOut] = []
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


class PassageOut(BaseModel):
    """Where in the recording words were said; seconds since the answer.

    ``bits``: start and end of each breath's share, where it is known that these are all.
    """

    leg: str
    start: float
    end: float
    bits: list[tuple[float, float]] = []
