"""The call-back list, ratings and dispositions, as they go over the API."""

from typing import Literal

from pydantic import BaseModel, Field

from web.schemas_base import Request

CallBackStatus = Literal["open", "calling", "closed"]
CallBackReason = Literal["scheduled", "asked", "failed", "missed", "abandoned"]


class CallBackOut(BaseModel):
    """Somebody to be called back; his number is masked: one click calls it."""

    id: int
    number: str = Field(examples=["138****1001"])
    line: str
    reason: CallBackReason
    status: CallBackStatus
    call_id: str = Field(description="His latest call.")
    calls: int = Field(description="How many of his calls the entry stands for.")
    attempts: int = Field(description="How often he was called back in vain.")
    first_at: float
    last_at: float
    due_at: float
    agent_id: str | None = None
    taken_at: float | None = None
    outcome: str | None = None
    closed_at: float | None = None
    note: str | None = None


class CallBackHoursOut(BaseModel):
    """When citizens should be called, China time; empty: at any hour."""

    hours: str = Field(examples=["08:30-20:00"])


class CallBackPromiseIn(Request):
    """When the citizen of a ticket is to be called."""

    due_at: float = Field(
        description="Unix seconds; in the future, and at most 30 days from now.",
        examples=[1763789000.0],
        allow_inf_nan=False,
    )
    note: str | None = Field(default=None, max_length=200, description="What it is about.")


class CallBackCloseIn(Request):
    """How it ended."""

    outcome: Literal["reached", "unreachable", "wrong_number", "not_needed"]
    note: str | None = Field(default=None, max_length=200)


class DispositionOut(BaseModel):
    """One of the city's list of what a call can come to."""

    code: str
    name: str


class DispositionIn(Request):
    """What the agent's part of a call came to."""

    code: str = Field(min_length=1, max_length=32, examples=["answered"])
    note: str | None = Field(default=None, max_length=200)


class RatingOut(BaseModel):
    """What the citizen said of an agent by a key; ``seq`` is the agent's segment."""

    seq: int
    agent_id: str
    outcome: Literal["rated", "timeout", "invalid", "hung_up"]
    score: int | None = None
    at: float


class ChosenDispositionOut(BaseModel):
    """What an agent chose; ``name`` is null when the code is no longer in the list."""

    agent_id: str
    code: str
    name: str | None = None
    note: str | None = None
    at: float
