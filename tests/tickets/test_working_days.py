from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.working_days import CHINA, Calendar

ORDINARY = Calendar()


def china(text: str) -> float:
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - CHINA).timestamp()


@pytest.mark.parametrize(
    "start, days, end",
    [
        ("2026-11-16 09:00", 1, "2026-11-18 00:00"),  # Monday: Tuesday until midnight
        ("2026-11-16 23:59", 1, "2026-11-18 00:00"),
        ("2026-11-20 10:00", 1, "2026-11-24 00:00"),  # Friday: the next Monday
        ("2026-11-21 10:00", 1, "2026-11-24 00:00"),  # Saturday
        (
            "2026-09-30 10:00",
            5,
            "2026-10-14 00:00",
        ),  # over the National Day, with a worked Saturday
        ("2026-11-16 09:00", 0, "2026-11-17 00:00"),
        ("2026-11-21 09:00", 0, "2026-11-24 00:00"),  # Saturday: until Monday is over
    ],
)
def test_a_deadline_is_the_midnight_after_the_last_working_day(
    start: str, days: int, end: str
) -> None:
    assert ORDINARY.deadline(china(start), days) == china(end)


def test_the_citys_own_days_win() -> None:
    calendar = Calendar(holidays=[date(2026, 11, 17)], workdays=[date(2026, 11, 21)])
    assert calendar.deadline(china("2026-11-16 09:00"), 1) == china("2026-11-19 00:00")
    assert calendar.deadline(china("2026-11-20 09:00"), 1) == china("2026-11-22 00:00")


def test_a_year_that_nobody_has_published_follows_the_week() -> None:
    assert ORDINARY.is_working(date(2093, 5, 4))
    assert not ORDINARY.is_working(date(2093, 5, 3))


def test_a_day_cannot_be_both() -> None:
    with pytest.raises(ValueError, match="2026-01-01"):
        Calendar(holidays=[date(2026, 1, 1)], workdays=[date(2026, 1, 1)])
    with pytest.raises(ValueError, match="negative"):
        ORDINARY.deadline(0.0, -1)


@given(
    start=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - made UTC below
    days=st.integers(0, 40),
)
def test_exactly_so_many_working_days_lie_between(start: datetime, days: int) -> None:
    begin = start.replace(tzinfo=UTC)
    end = datetime.fromtimestamp(ORDINARY.deadline(begin.timestamp(), days), UTC) + CHINA
    first = (begin + CHINA).date()
    last = (end - timedelta(days=1)).date()
    between = [first + timedelta(days=n) for n in range(1, (last - first).days + 1)]
    worked = sum(ORDINARY.is_working(day) for day in between)
    assert end.time().isoformat() == "00:00:00"
    assert ORDINARY.is_working(last)
    assert worked == days or (days == 0 and not ORDINARY.is_working(first) and worked == 1)
