"""What the desktop's own helpers take and give: controls of a call, directory, places."""

from typing import Literal

from pydantic import BaseModel, Field

from web.schemas_base import Request


class HoldIn(Request):
    """Whether the citizen is to be on hold."""

    held: bool


class MuteIn(Request):
    """Whether nobody is to hear the agent."""

    muted: bool


class KeysIn(Request):
    """Keys to be pressed, in order."""

    keys: str = Field(pattern=r"^[0-9*#A-D]{1,32}$", examples=["1"])


class DirectoryEntryOut(BaseModel):
    """Somebody whom a call can go to; ``target`` is what `POST /calls/{id}/transfer` takes.

    ``available``: a partner is open, an agent is ready; a line always is.
    """

    target: str = Field(examples=["partner:110"])
    kind: Literal["partner", "agent", "line", "skill"]
    name: str
    numbers: list[str]
    topics: list[str] = Field(default=[], description="What a partner is called for.")
    available: bool
    state: str | None = Field(default=None, description="Where an agent stands.")


class FoundCategoryOut(BaseModel):
    """A category, or a topic below it."""

    category: str
    topic: str | None = None


class PlaceOut(BaseModel):
    """A name of the city's list that completes what was typed, from character ``start`` on."""

    name: str
    kind: str
    start: int
