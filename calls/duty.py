"""When somebody is on duty: ``Mon-Fri 08:30-17:30``, China time. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Self

_CHINA = timedelta(hours=8)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SHAPE = re.compile(
    r"(?P<first>[A-Z][a-z]{2})(?:-(?P<last>[A-Z][a-z]{2}))?"
    r" (?P<opens>\d\d:\d\d)-(?P<closes>\d\d:\d\d)"
)


@dataclass(frozen=True, slots=True)
class Duty:
    """A stretch of duty on some days of the week.

    Attributes:
        days: 0 is Monday.
        opens: from when.
        closes: until when; not after ``opens``: on the day after.
    """

    days: frozenset[int]
    opens: time
    closes: time

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``Mon-Fri 08:30-17:30`` or ``Sun 20:00-08:00``.

        Raises:
            ValueError: it is not written so.
        """
        found = _SHAPE.fullmatch(text)
        names = [found["first"], found["last"] or found["first"]] if found else []
        if found is None or any(name not in _DAYS for name in names):
            raise ValueError(f"days and hours such as 'Mon-Fri 08:30-17:30', not {text!r}")
        first, last = (_DAYS.index(name) for name in names)
        days = frozenset((first + day) % 7 for day in range((last - first) % 7 + 1))
        return cls(days, time.fromisoformat(found["opens"]), time.fromisoformat(found["closes"]))

    def covers(self, now: float) -> bool:
        """Tell whether a Unix time is in it."""
        moment = datetime.fromtimestamp(now, UTC) + _CHINA
        clock, today = moment.time(), moment.weekday()
        if self.opens < self.closes:
            return today in self.days and self.opens <= clock < self.closes
        # over midnight: the evening of a day, or the morning after one
        return (today in self.days and clock >= self.opens) or (
            (today - 1) % 7 in self.days and clock < self.closes
        )
