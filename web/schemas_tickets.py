"""Tickets and what is done with them, as the API shows it. Times are Unix seconds."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field, StrictBool

from tickets.fields import PARTNERS, TITLES, TYPES, URGENCIES
from tickets.life import Status
from web.schemas_base import Request
from web.schemas_calls import PassageOut

TicketStatus = Status


StepAction = Literal[
    "answer", "pass_on", "give_back", "close", "urge", "supervise", "reopen", "review"
]


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
