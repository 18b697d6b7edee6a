"""The settings of tickets, of what becomes of them, and of how long what is kept."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from config.section import Section
from config.values import (
    Days,
    DaysByName,
    HttpUrl,
    KeptDays,
    OptionalPath,
    Seconds,
    WorkingDays,
    empty_is_none,
)


class DeadlineSettings(Section):
    """How long units have; administrators change it while calls go on (``config/documents.py``)."""

    working_days: WorkingDays
    """How many working days a unit has."""
    working_days_by_type: DaysByName
    """The same for tickets of some types."""
    working_days_by_urgency: DaysByName
    """The same for tickets of some urgencies; wins over the type's."""
    holidays: Days
    """Days not worked, beyond the State Council's list."""
    workdays: Days
    """Days worked although they are a weekend or on that list."""

    @model_validator(mode="after")
    def _worked_or_not(self) -> Self:
        if both := set(self.holidays) & set(self.workdays):
            days = ", ".join(sorted(day.isoformat() for day in both))
            raise ValueError(f"workdays: none that is a holiday as well ({days})")
        return self


class HandlingSettings(DeadlineSettings):
    """What becomes of submitted tickets."""

    webhook_url: Annotated[HttpUrl | None, BeforeValidator(empty_is_none)]
    """Where another platform is told of every step; None: nobody is."""
    webhook_secret: Annotated[SecretStr | None, BeforeValidator(empty_is_none)]
    """Signs that: whsec_ and base64."""

    @model_validator(mode="after")
    def _signed(self) -> Self:
        if self.webhook_url is not None and self.webhook_secret is None:
            raise ValueError("webhook_secret as well when webhook_url is set")
        return self


class RetentionSettings(Section):
    """How many days what is kept; 0: for ever."""

    recordings_days: KeptDays
    """Recordings."""
    transcripts_days: KeptDays
    """What was said."""
    personal_days: KeptDays
    """Callers' numbers, and the personal fields of tickets that have ended."""
    open_tickets_days: KeptDays
    """After so many without a change an open ticket keeps its call's data no more; 0: it does."""
    audit_days: Annotated[int, Field(ge=0)]
    """The trail of views, exports and changes; at least 180 (网络安全法 §21), or 0."""

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        if 0 < self.audit_days < 180:  # noqa: PLR2004 - six months
            raise ValueError("audit_days 0 or at least 180 (网络安全法 §21)")
        return self


class TicketSettings(Section):
    """What tickets are made of."""

    categories: OptionalPath
    """The city's own category tree, TOML or CSV; None: the one that ships."""
    urgency_rules: OptionalPath
    """The city's own rules of what cannot wait (TOML); None: those that ship."""
    burst_tickets: Annotated[int, Field(ge=2)]
    """So many tickets of one category and place, of different callers, make each urgent."""
    burst_seconds: Seconds
    """Within so long."""
    gazetteer: OptionalPath
    """The city's names (CSV), put right where they were misheard; None: none."""
    knowledge: OptionalPath
    """The folder of the knowledge base, imported at each start; None: what was imported stays."""
    category_model: OptionalPath
    """The folder that ``python -m tickets train`` wrote; None: tickets are sorted by rules."""
