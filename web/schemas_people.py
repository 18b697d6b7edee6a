"""Who signs in, and in which state he is, as the API shows it. Times are Unix seconds."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from web.schemas_base import Request

PresenceState = Literal[
    "signed_out", "ready", "reserved", "ringing", "talking", "wrap_up", "not_ready"
]


NotReadyReason = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
"""One of the city's (GET /routing/reasons)."""


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
    not ready, as of now; null where there is no limit, and of others than the asker. ``talk``: how
    he talks, null when he simply talks or does not talk.
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
    talk: Literal["hold", "consult", "conference"] | None = None


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
