"""The settings of the exchange of tickets with partners."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


class ExchangeSettings(BaseModel):
    """Tickets to and from partners; with whom they go, ``partners.<name>.shares`` says."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    intake_rules: Annotated[Path | None, BeforeValidator(_empty_is_none)]
    """The city's own rules of what is taken in (TOML); None: those that ship."""
    alarm_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """A message that the partner does not acknowledge within so long is told of."""
