"""A day, a week or a month in China, as Unix seconds."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal, Self

from tickets.working_days import CHINA

DAY: Final = 86400.0
HOUR: Final = 3600.0

Kind = Literal["day", "week", "month"]

_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_WEEK = re.compile(r"(\d{4})-W(\d{2})")
_MONTH = re.compile(r"(\d{4})-(\d{2})")


class PeriodError(Exception):
    """No period is named like that."""


@dataclass(frozen=True, slots=True)
class Period:
    """From the first day (inclusive) to the last (exclusive).

    Attributes:
        kind: day, week (Monday to Sunday) or month.
        first: its first day.
    """

    kind: Kind
    first: date

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``2026-11-22``, ``2026-W47`` (ISO 8601) or ``2026-11``.

        Raises:
            PeriodError: it is none of these, or no such day exists.
        """
        try:
            if found := _DAY.fullmatch(text):
                return cls("day", date(*map(int, found.groups())))
            if found := _WEEK.fullmatch(text):
                year, week = map(int, found.groups())
                return cls("week", date.fromisocalendar(year, week, 1))
            if found := _MONTH.fullmatch(text):
                return cls("month", date(int(found[1]), int(found[2]), 1))
        except ValueError as error:
            raise PeriodError(f"{text}: {error}") from error
        raise PeriodError(f"{text!r} is no day (2026-11-22), week (2026-W47) or month (2026-11)")

    @classmethod
    def containing(cls, kind: Kind, moment: float) -> Self:
        """Return the period that a moment (Unix seconds) lies in."""
        day = (datetime.fromtimestamp(moment, UTC) + CHINA).date()
        if kind == "week":
            day -= timedelta(days=day.weekday())
        elif kind == "month":
            day = day.replace(day=1)
        return cls(kind, day)

    @property
    def name(self) -> str:
        """The name that ``parse`` reads."""
        if self.kind == "week":
            year, week, _ = self.first.isocalendar()
            return f"{year}-W{week:02}"
        return self.first.isoformat() if self.kind == "day" else f"{self.first:%Y-%m}"

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self._after - self.first).days

    @property
    def start(self) -> float:
        """Unix seconds of its beginning."""
        return _midnight(self.first)

    @property
    def end(self) -> float:
        """Unix seconds of the beginning of what follows."""
        return _midnight(self._after)

    @property
    def before(self) -> "Period":
        """The period of the same kind before this one."""
        return Period.containing(self.kind, self.start - 1)

    @property
    def _after(self) -> date:
        if self.kind == "day":
            return self.first + timedelta(days=1)
        if self.kind == "week":
            return self.first + timedelta(days=7)
        return (self.first + timedelta(days=31)).replace(day=1)


def _midnight(day: date) -> float:
    return (datetime(day.year, day.month, day.day, tzinfo=UTC) - CHINA).timestamp()
