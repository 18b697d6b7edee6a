"""Shapes of the live figures, call search, quality inspection and accounts. Unix seconds."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from web.schemas_base import Request
from web.schemas_calls import CallOut


class ShareOut(BaseModel):
    """A part of a whole; ``of`` says what the whole is. No percentage of nothing."""

    part: int
    whole: int
    of: str
    percent: float | None


class CountsOut(BaseModel):
    """What became of calls; waits and talks are means in seconds."""

    calls: int
    answered: int
    abandoned: int
    call_backs: int = Field(description="Called back instead of waiting: asked for, or told so.")
    failed: int
    connected: ShareOut
    within_15_s: ShareOut
    lost: ShareOut
    mean_wait: float | None
    longest_wait: float
    mean_talk: float | None


class RatedCountsOut(CountsOut):
    """The same of a line or skill, with what its callers thought of it."""

    rated: ShareOut = Field(description="Who pressed a key when asked for a rating.")
    pleased: ShareOut = Field(description="Of those, who was satisfied.")


class OffersOut(BaseModel):
    """What became of the calls that were held out to a group's agents."""

    offers: int
    answered: int
    missed: int
    taken: ShareOut
    rated: ShareOut = Field(description="Who pressed a key when asked for a rating.")
    pleased: ShareOut = Field(description="Of those, who was satisfied.")


class NowOut(BaseModel):
    """This moment; ``longest_wait`` is null while nobody waits."""

    waiting: int
    longest_wait: float | None
    ready: int
    signed_in: int
    states: dict[str, int]


class PointOut(CountsOut):
    """A quarter of an hour."""

    start: float


class QueueOut(BaseModel):
    """A line, or a skill that lines ask for."""

    line: str | None = None
    skill: str | None = None
    name: str
    waiting: int
    longest_wait: float | None
    quarter: RatedCountsOut
    today: RatedCountsOut


class GroupOut(BaseModel):
    """A group of agents."""

    group: str
    ready: int
    signed_in: int
    states: dict[str, int]
    quarter: OffersOut
    today: OffersOut


class WaitingOut(BaseModel):
    """A call without an agent; nothing is said of who calls."""

    call_id: str
    line: str
    name: str
    arrived_at: float
    offered_to: str | None


class BoardAgentOut(BaseModel):
    """An agent on the floor and since when he is what he is.

    ``talk``: how he talks, hold, consult or conference; null when he simply talks or does not.
    """

    id: str
    name: str
    group: str
    state: str
    reason: str | None
    since: float
    talk: str | None = None
    phones: int
    call_id: str | None


class RankOut(BaseModel):
    """A topic or street and how many tickets it has today."""

    name: str
    count: int
    usual: float | None = Field(
        description="How many it has by this time on other days (the last seven); null: unknown."
    )


class UrgentOut(BaseModel):
    """An urgent ticket of today."""

    ticket_id: str
    at: float
    category: str | None
    street: str | None
    level: str


class MattersOut(BaseModel):
    """What people call about today."""

    tickets: int
    topics: list[RankOut]
    streets: list[RankOut]
    urgent: list[UrgentOut]


class FiguresOut(BaseModel):
    """The live figures."""

    at: float
    now: NowOut
    quarter: CountsOut
    today: CountsOut
    course: list[PointOut]
    lines: list[QueueOut]
    skills: list[QueueOut]
    groups: list[GroupOut]
    waiting: list[WaitingOut]
    agents: list[BoardAgentOut]
    matters: MattersOut
    satisfaction: dict[str, ShareOut] = Field(
        description="Today's ratings by key: `rated` of those asked, `pleased` (4 or 5) of those."
    )


class IntervalOut(BaseModel):
    """A kept quarter of an hour of a line, skill or group; a group's counts are offers."""

    model_config = ConfigDict(extra="allow")

    start: float
    kind: Literal["line", "skill", "group"]
    name: str


class FoundCallOut(CallOut):
    """A call that a search found, with its ticket's category and the latest score."""

    category: str | None = None
    urgency: str | None = None
    score: int | None = None


class WaveformOut(BaseModel):
    """For each channel (citizen, agent) the loudest moment of each column, 0 to 1."""

    seconds: float
    channels: list[list[float]]


class MarkIO(Request):
    """Something at a place in the recording, seconds since the answer."""

    at: float = Field(ge=0, le=86_400)
    note: str = Field(min_length=1, max_length=200)


class AssessmentIn(Request):
    """What an inspector says of a call; every criterion has points."""

    scores: dict[str, int] = Field(
        examples=[
            {
                "greeting": 10,
                "listening": 20,
                "record": 25,
                "answer": 25,
                "attitude": 15,
                "closing": 5,
            }
        ]
    )
    marks: list[MarkIO] = Field(default=[], max_length=100)
    comment: str = Field(default="", max_length=2000)


class AssessmentOut(BaseModel):
    """What an inspector said of a call; ``total`` of 100."""

    call_id: str
    at: float
    who: str
    agent_id: str | None
    scores: dict[str, int]
    total: int
    marks: list[MarkIO]
    comment: str


class QualityOut(BaseModel):
    """The criteria with their most points, and what was said of the call so far."""

    criteria: dict[str, int]
    assessments: list[AssessmentOut]


Role = Literal["agent", "supervisor", "inspector", "admin"]
_Password = Field(min_length=8, max_length=256)


class AccountIn(Request):
    """A new account; the phone registers with ``phone_password``."""

    id: str = Field(pattern=r"^[0-9]{3,8}$", examples=["1009"])
    name: str = Field(min_length=1, max_length=64)
    role: Role = "agent"
    group: str = Field(default="", max_length=64)
    password: str = _Password
    phone_password: str = _Password


class AccountChange(Request):
    """What is changed of an account; what is left out stays."""

    name: str | None = Field(default=None, min_length=1, max_length=64)
    role: Role | None = None
    group: str | None = Field(default=None, max_length=64)
    password: str | None = Field(default=None, min_length=8, max_length=256)
