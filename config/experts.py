"""Specialists who can be pulled into calls."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, model_validator

_DAY = "(Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
_DUTY = re.compile(rf"{_DAY}(-{_DAY})? {_CLOCK}-{_CLOCK}")


def _duty(value: str) -> str:
    if not _DUTY.fullmatch(value):
        raise ValueError("days and hours such as Mon-Fri 08:30-17:30")
    return value


class ExpertSettings(BaseModel):
    """A specialist: on the floor (``agent``) or outside (``numbers``)."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    """His name on the agents' screens."""
    topics: tuple[str, ...] = ()
    """What he is asked about."""
    agent: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,32}$")] | None = None
    """His number on the floor."""
    numbers: tuple[Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{1,20}$")], ...] = ()
    """His numbers outside, tried in this order."""
    duty: tuple[Annotated[str, AfterValidator(_duty)], ...] = ()
    """When he may be asked, China time: ``Mon-Fri 08:30-17:30``; none: day and night."""

    @model_validator(mode="after")
    def _one_way_to_him(self) -> Self:
        if (self.agent is None) is not bool(self.numbers):
            raise ValueError("either agent or numbers")
        return self
