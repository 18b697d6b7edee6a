"""What bodies have in common: all that are sent to us, and all that are part of a list."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, model_validator

Item = TypeVar("Item")


class Request(BaseModel):
    """A body sent to us: unknown keys are refused, so a misspelt field is noticed.

    So is a NUL in any text: no database keeps one.
    """

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nul(cls, sent: object) -> object:
        if _holds_nul(sent):
            raise ValueError("a text with a NUL character")
        return sent


def _holds_nul(sent: object) -> bool:
    if isinstance(sent, str):
        return "\0" in sent
    if isinstance(sent, Mapping):
        return any(_holds_nul(part) for pair in sent.items() for part in pair)
    return isinstance(sent, list) and any(map(_holds_nul, sent))


class Page(BaseModel, Generic[Item]):
    """Part of a list, newest first."""

    items: list[Item]
    limit: int
    offset: int
