"""The routing document as administrators see and change it."""

from typing import Any

from pydantic import BaseModel, Field

from config.routing import RoutingSettings


class RoutingOut(BaseModel):
    """The document in force."""

    version: int = Field(description="Counted from 1; 0: as the configuration file says.")
    document: RoutingSettings


class RoutingChangeOut(BaseModel):
    """Who changed what, and when."""

    at: float = Field(description="Unix seconds.")
    who: str
    subject: str = Field(examples=["lines.12345"])
    version: int | None = None
    before: Any = None
    after: Any = None


class ReasonOut(BaseModel):
    """A reason for not being ready; ``minutes`` of it a day are meant, 0: any number."""

    reason: str
    name: str
    minutes: int
