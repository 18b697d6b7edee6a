"""Which days are worked, and when a number of working days is over.

The State Council publishes each November which days of the next year are holidays and which
Saturdays and Sundays are worked in exchange (调休). ``chinesecalendar`` carries those lists; a city
adds days of its own, and the next year's, in its configuration. Years that neither knows follow the
week: Monday to Friday.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

import chinese_calendar

CHINA: Final = timedelta(hours=8)
"""China Standard Time against UTC; there is no summer time."""

_SATURDAY: Final = 5


class Calendar:
    """The working days of one city.

    Args:
        holidays: days not worked, whatever else says so.
        workdays: days worked, whatever else says so.

    Raises:
        ValueError: a day is in both.
    """

    def __init__(self, *, holidays: Iterable[date] = (), workdays: Iterable[date] = ()) -> None:
        self._holidays = frozenset(holidays)
        self._workdays = frozenset(workdays)
        if both := self._holidays & self._workdays:
            days = ", ".join(sorted(day.isoformat() for day in both))
            raise ValueError(f"both a holiday and a working day: {days}")

    def is_working(self, day: date) -> bool:
        """Say whether ``day`` is worked."""
        if day in self._holidays:
            return False
        if day in self._workdays:
            return True
        try:
            return bool(chinese_calendar.is_workday(day))
        except NotImplementedError:  # a year whose list was not published when the library was
            return day.weekday() < _SATURDAY

    def deadline(self, start: float, days: int) -> float:
        """Return when ``days`` working days after ``start`` are over, both Unix seconds.

        The day of ``start`` does not count (民法典 §201); the last day counts until midnight in
        China. With 0 days it is the midnight that ends the day of ``start``, or the next working
        day if that one is not worked.

        Raises:
            ValueError: ``days`` is negative.
        """
        if days < 0:
            raise ValueError(f"days must not be negative: {days}")
        day = (datetime.fromtimestamp(start, UTC) + CHINA).date()
        while not self.is_working(day) and days == 0:
            day += timedelta(days=1)
        left = days
        while left:
            day += timedelta(days=1)
            left -= self.is_working(day)
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        return (midnight - CHINA).timestamp()
