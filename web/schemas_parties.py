"""Shapes of who is brought into calls."""

from pydantic import BaseModel, Field

from web.schemas_base import Request


class OneKeyIn(Request):
    """Why a partner's key is pressed."""

    reason: str | None = Field(default=None, max_length=200, description="It is recorded.")


class ExpertOut(BaseModel):
    """A specialist; ``target`` is what a transfer takes."""

    id: str
    name: str
    topics: list[str]
    target: str
    on_duty: bool
