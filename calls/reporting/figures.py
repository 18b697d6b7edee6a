"""The figures of a report, counted by the database.

Every query is one pass over an index on the time; nothing is fetched row by row, so a month of
60,000 tickets takes seconds on SQLite as well.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from calls.records import calls
from calls.reporting import exchanges, satisfaction
from calls.reporting.period import DAY, HOUR, Period
from calls.reporting.report import (
    Frequent,
    Point,
    Report,
    Share,
    Unit,
    Volume,
)
from calls.reporting.volumes import TOP, TicketGroups, listed
from tickets.masking import mask_number
from tickets.store import tickets_table as tickets

ANSWER_SECONDS: Final = 15.0
"""Within so long a call shall be answered (GB/T 33358-2016)."""
FREQUENT: Final = 3
"""Who calls so often in a period is listed."""

# (agents' own calls, back to citizens or to units, are no calls for the hotline)
_TAKEN = sa.and_(
    calls.c.outcome.is_distinct_from("rejected"), calls.c.direction == sa.literal("inbound")
)
_WAITED = calls.c.answered_at - calls.c.arrived_at
_ANSWERED = calls.c.answered_at.is_not(None)


class Reporter:
    """Makes reports.

    Args:
        engine: the database with calls and tickets.
        lines: dialled number → the line's name.
        clock: Unix seconds.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        lines: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._lines = lines
        self._clock = clock

    async def report(self, period: Period) -> Report:
        """Count everything of a period, and what is compared of the one before."""
        now = self._clock()
        before = period.before
        async with self._engine.connect() as connection:
            figures = [
                {
                    **await _of_calls(connection, part),
                    **await _of_tickets(connection, part),
                    **await satisfaction.counted(connection, part.start, part.end),
                }
                for part in (period, before)
            ]
            groups = await TicketGroups.counted(connection, period)
            by_line = self._by_line(figures[0]["lines"], figures[1]["lines"])
            return Report(
                period=period,
                made_at=now,
                counts=_paired(figures, _counts),
                seconds=_paired(figures, _seconds),
                shares=_paired(figures, _shares),
                course=await _course(connection, period),
                volumes={"line": by_line, **groups.volumes()},
                hot=groups.hot(),
                frequent=await _frequent(connection, period),
                units=await _units(connection, period, now),
                exchanges=await exchanges.counted(connection, period.start, period.end),
            )

    def _by_line(self, now: Mapping[str, int], before: Mapping[str, int]) -> tuple[Volume, ...]:
        return tuple(
            replace(row, name=self._lines.get(row.name, row.name))
            for row in listed(now, before, "来电")
        )


def _within(column: sa.ColumnElement[Any], period: Period) -> sa.ColumnElement[bool]:
    return sa.and_(column >= period.start, column < period.end)


def _by_octets(connection: AsyncConnection, column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Order as SQLite does, whatever order a PostgreSQL has: the first ones are always the same."""
    return sa.collate(column, "C") if connection.dialect.name == "postgresql" else column


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


def _paired(
    figures: list[dict[str, Any]], what: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> dict[str, tuple[Any, Any]]:
    now, before = what(figures[0]), what(figures[1])
    return {name: (now[name], before[name]) for name in now}


_SUMS: Final = ("calls", "answered", "quick", "abandoned", "call_backs")


async def _of_calls(connection: AsyncConnection, period: Period) -> dict[str, Any]:
    """Count calls, and those of each line: one pass for both."""
    quick = sa.and_(_ANSWERED, _WAITED <= ANSWER_SECONDS)
    talked = calls.c.ended_at - calls.c.answered_at
    query = (
        sa.select(
            calls.c.line,
            sa.func.count().label("calls"),
            _count(_ANSWERED).label("answered"),
            _count(quick).label("quick"),
            _count(calls.c.outcome == "abandoned").label("abandoned"),
            _count(calls.c.outcome == "call_back").label("call_backs"),
            sa.func.coalesce(sa.func.sum(_WAITED), 0.0).label("waited"),
            sa.func.coalesce(sa.func.sum(talked), 0.0).label("talked"),
            sa.func.count(talked).label("ended"),
        )
        .where(_within(calls.c.arrived_at, period), _TAKEN)
        .group_by(calls.c.line)
    )
    rows = (await connection.execute(query)).mappings().all()

    def mean(total: str, of: str) -> float | None:
        number = sum(row[of] for row in rows)
        return sum(row[total] for row in rows) / number if number else None

    return {
        **{name: sum(int(row[name]) for row in rows) for name in _SUMS},
        "waited": mean("waited", "answered"),
        "talked": mean("talked", "ended"),
        "lines": {row["line"]: row["calls"] for row in rows},
    }


async def _of_tickets(connection: AsyncConnection, period: Period) -> dict[str, Any]:
    submitted = sa.select(
        sa.func.count().label("tickets"),
        _count(tickets.c.status == "answered").label("on_line"),
        _count(tickets.c.reopens.is_not(None)).label("reopened"),
        _count(tickets.c.urgency.in_(("紧急", "特急"))).label("urgent"),
    ).where(_within(tickets.c.submitted_at, period))
    ended = sa.select(
        _count(tickets.c.deadline_at.is_not(None)).label("with_deadline"),
        _count(tickets.c.ended_at <= tickets.c.deadline_at).label("on_time"),
        _count(tickets.c.reached.is_(True)).label("reached"),
        _count(tickets.c.solved.is_not(None)).label("asked_solved"),
        _count(tickets.c.solved.is_(True)).label("solved"),
        _count(tickets.c.satisfied.is_not(None)).label("asked_satisfied"),
        _count(tickets.c.satisfied.is_(True)).label("satisfied"),
    ).where(_within(tickets.c.ended_at, period))
    figures: dict[str, Any] = {}
    for query in (submitted, ended):
        figures |= (await connection.execute(query)).mappings().one()
    return figures


def _counts(figures: Mapping[str, Any]) -> dict[str, int]:
    names = ("calls", "answered", "abandoned", "call_backs", "tickets", "urgent", "reopened")
    return {name: int(figures[name]) for name in names}


def _seconds(figures: Mapping[str, Any]) -> dict[str, float | None]:
    return {
        name: round(float(figures[name]), 2) if figures[name] is not None else None
        for name in ("waited", "talked")
    }


def _shares(figures: Mapping[str, Any]) -> dict[str, Share]:
    def share(part: str, whole: str, of: str) -> Share:
        return Share(int(figures[part]), int(figures[whole]), of)

    return {
        "connected": share("answered", "calls", "来电"),
        "within_15_s": share("quick", "calls", "来电"),
        "abandoned": share("abandoned", "calls", "来电"),
        "on_line": share("on_line", "tickets", "提交工单"),
        "on_time": share("on_time", "with_deadline", "有期限的办结工单"),
        "solved": share("solved", "asked_solved", "回访问及解决情况的办结工单"),
        "satisfied": share("satisfied", "asked_satisfied", "回访问及满意度的办结工单"),
        **satisfaction.shares(figures),
    }


async def _course(connection: AsyncConnection, period: Period) -> tuple[Point, ...]:
    """Count by hour for a day, by day otherwise; hours and days without calls are there too."""
    width = HOUR if period.kind == "day" else DAY
    slot = sa.cast(sa.func.floor((calls.c.arrived_at - period.start) / width), sa.Integer)
    query = (
        sa.select(slot.label("slot"), sa.func.count(), _count(_ANSWERED))
        .where(_within(calls.c.arrived_at, period), _TAKEN)
        .group_by("slot")
    )
    found = {row[0]: (row[1], int(row[2])) for row in await connection.execute(query)}
    points = []
    for number in range(round((period.end - period.start) / width)):
        at = f"{number:02}:00"
        if period.kind != "day":
            at = (period.first + timedelta(days=number)).isoformat()
        points.append(Point(at, *found.get(number, (0, 0))))
    return tuple(points)


async def _frequent(connection: AsyncConnection, period: Period) -> tuple[Frequent, ...]:
    number = sa.func.count().label("number")
    query = (
        sa.select(calls.c.caller, number)
        .where(_within(calls.c.arrived_at, period), _TAKEN, calls.c.caller.is_not(None))
        .group_by(calls.c.caller)
        .having(number >= FREQUENT)
        .order_by(number.desc(), _by_octets(connection, calls.c.caller))
        .limit(TOP)
    )
    return tuple(
        Frequent(mask_number(row.caller), int(row.number))
        for row in await connection.execute(query)
    )


async def _units(connection: AsyncConnection, period: Period, now: float) -> tuple[Unit, ...]:
    table, until = tickets.c, min(period.end, now)
    ended_by_then = sa.and_(table.ended_at.is_not(None), table.ended_at < until)
    open_ = sa.and_(table.status.in_(("passed", "closed")), ~ended_by_then)
    ended = sa.and_(_within(table.ended_at, period), table.deadline_at.is_not(None))
    late = sa.or_(
        sa.and_(open_, table.deadline_at < until),
        sa.and_(ended, table.ended_at < until, table.ended_at > table.deadline_at),
    )
    query = (
        sa.select(
            table.unit,
            _count(_within(table.passed_at, period)).label("passed"),
            _count(late).label("overdue"),
            _count(open_).label("open"),
            _count(ended).label("ended"),
            _count(sa.and_(ended, table.ended_at <= table.deadline_at)).label("on_time"),
        )
        .where(
            table.unit.is_not(None),
            table.passed_at < until,
            # What was over before the period counts nowhere: years of it are not read.
            sa.or_(
                table.passed_at >= period.start,
                table.ended_at.is_(None),
                table.ended_at >= period.start,
            ),
        )
        .group_by(table.unit)
    )
    rows = [
        Unit(
            row.unit,
            int(row.passed),
            int(row.overdue),
            int(row.open),
            Share(int(row.on_time), int(row.ended), "有期限的办结工单"),
        )
        for row in await connection.execute(query)
    ]
    shown = (row for row in rows if row.passed or row.open or row.on_time.whole)
    return tuple(sorted(shown, key=lambda row: (-row.overdue, -row.passed, row.name)))
