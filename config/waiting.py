"""The settings of what callers hear while they wait, of ratings, and of calling back."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from config.lists import split
from config.section import Section
from config.values import Seconds

Language = Literal["zh", "en"]
Hours = Annotated[
    str, StringConstraints(pattern=r"^(([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d)?$")
]


def _named(value: object) -> object:
    """Read ``["consult=咨询"]`` as ``{"consult": "咨询"}``."""
    parts = split(value)
    if not isinstance(parts, list | tuple):
        return parts
    pairs = [str(part).partition("=") for part in parts]
    if any(not (code.strip() and name.strip()) for code, _, name in pairs):
        raise ValueError("code=name, as consult=咨询")
    return {code.strip(): name.strip() for code, _, name in pairs}


class WaitingSettings(Section):
    """What callers hear until an agent answers."""

    by: Literal["ring", "early", "answer"]
    """Ringing alone; announcements before the answer (183), or after we have answered (200)."""
    after_seconds: Seconds
    """Of ringing, before anything is said."""
    every_seconds: Seconds
    """Of music, between two announcements."""
    place: bool
    """Whether the place in the line is said."""
    expected_wait: bool
    """Whether it is said how long it will probably take."""
    call_back_key: Annotated[str, StringConstraints(pattern=r"^[0-9*#]?$")]
    """The key by which a caller asks to be called back; empty: it is not offered."""
    languages: Annotated[tuple[Language, ...], BeforeValidator(split), Field(min_length=1)]
    """In which all is said, one after the other."""
    prompts: str
    """The folder of recordings; empty: ``config/prompts``."""


class RatingSettings(Section):
    """What callers are asked when the agent has left."""

    enabled: bool
    """Whether they are asked for a rating."""
    attempts: Annotated[int, Field(ge=1, le=5)]
    """How often the question is said at most."""
    answer_seconds: Seconds
    """How long a key is waited for after it."""
    dispositions: Annotated[
        dict[Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$")], str],
        BeforeValidator(_named),
    ]
    """What a call came to, for the agent to choose from: code=name."""


class CallBackSettings(Section):
    """The call-back list (漏接回拨)."""

    attempts: Annotated[int, Field(ge=1, le=20)]
    """After so many calls that nobody answered an entry is closed."""
    retry_seconds: Seconds
    """Between two of them."""
    automatic: bool
    """Whether the system itself hands entries to agents in quiet times."""
    hours: Hours
    """When it may, China time; empty: at any time."""
    ready_agents: Annotated[int, Field(ge=1)]
    """It is quiet when so many agents are ready, and nobody waits."""
    every_seconds: Seconds
    """Between two calls that it makes."""
    while_not_ready: bool
    """Whether agents who are not ready may call back by a click; in wrap-up they never can."""
