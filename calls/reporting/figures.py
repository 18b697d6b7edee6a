"""The figures of a report, counted by the database.

Every query is one pass over an index on the time; nothing is fetched row by row, so a month of
60,000 tickets takes seconds on SQLite as well.
"""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from calls.records import calls
from calls.reporting import exchanges, satisfaction
from calls.reporting.period import DAY, HOUR, Period
from calls.reporting.report import (
    NOT_SAID,
    Frequent,
    Hot,
    Point,
    Report,
    Share,
    Unit,
    Volume,
)
from tickets.masking import mask_number
from tickets.store import tickets_table as tickets

ANSWER_SECONDS: Final = 15.0
"""Within so long a call shall be answered (GB/T 33358-2016)."""
FREQUENT: Final = 3
"""Who calls so often in a period is listed."""
TOP: Final = 20

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
            return Report(
                period=period,
                made_at=now,
                counts=_paired(figures, _counts),
                seconds=_paired(figures, _seconds),
                shares=_paired(figures, _shares),
                course=await _course(connection, period),
                volumes=await self._volumes(connection, period),
                hot=await _hot(connection, period),
                frequent=await _frequent(connection, period),
                units=await _units(connection, period, now),
                exchanges=await exchanges.counted(connection, period.start, period.end),
            )

    async def _volumes(
        self, connection: AsyncConnection, period: Period
    ) -> dict[str, tuple[Volume, ...]]:
        by_line = await _volume(connection, period, calls.c.line, calls.c.arrived_at, "来电")
        named = tuple(
            Volume(self._lines.get(row.name, row.name), row.count, row.before, row.share)
            for row in by_line
        )
        volumes = {"line": named}
        for name in ("channel", "type", "category"):
            column = tickets.c[name]
            volumes[name] = await _volume(
                connection, period, column, tickets.c.submitted_at, "提交工单"
            )
        return volumes


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


async def _of_calls(connection: AsyncConnection, period: Period) -> dict[str, Any]:
    quick = sa.and_(_ANSWERED, _WAITED <= ANSWER_SECONDS)
    query = sa.select(
        sa.func.count().label("calls"),
        _count(_ANSWERED).label("answered"),
        _count(quick).label("quick"),
        _count(calls.c.outcome == "abandoned").label("abandoned"),
        _count(calls.c.outcome == "call_back").label("call_backs"),
        sa.func.avg(_WAITED).label("waited"),
        sa.func.avg(calls.c.ended_at - calls.c.answered_at).label("talked"),
    ).where(_within(calls.c.arrived_at, period), _TAKEN)
    return dict((await connection.execute(query)).mappings().one())


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


async def _volume(
    connection: AsyncConnection,
    period: Period,
    column: sa.ColumnElement[Any],
    at: sa.ColumnElement[Any],
    of: str,
) -> tuple[Volume, ...]:
    in_period, in_before = _within(at, period), _within(at, period.before)
    query = (
        sa.select(
            column.label("name"),
            _count(in_period).label("number"),
            _count(in_before).label("earlier"),
        )
        .where(sa.and_(at >= period.before.start, at < period.end))
        .group_by(column)
    )
    if at is calls.c.arrived_at:
        query = query.where(_TAKEN)
    rows = [
        (row.name or NOT_SAID, int(row.number), int(row.earlier))
        for row in await connection.execute(query)
    ]
    whole = sum(number for _, number, _ in rows)
    rows.sort(key=lambda row: (-row[1], row[0]))
    return tuple(
        Volume(name, number, earlier, Share(number, whole, of)) for name, number, earlier in rows
    )


async def _hot(connection: AsyncConnection, period: Period) -> tuple[Hot, ...]:
    at = tickets.c.submitted_at
    number = _count(_within(at, period)).label("number")
    query = (
        sa.select(
            tickets.c.category,
            tickets.c.street,
            number,
            _count(_within(at, period.before)).label("earlier"),
        )
        .where(
            sa.and_(at >= period.before.start, at < period.end),
            tickets.c.category.is_not(None),
            tickets.c.street.is_not(None),
        )
        .group_by(tickets.c.category, tickets.c.street)
        .having(number > 0)
        .order_by(
            number.desc(),
            *(_by_octets(connection, c) for c in (tickets.c.category, tickets.c.street)),
        )
        .limit(TOP)
    )
    return tuple(
        Hot(row.category, row.street, int(row.number), int(row.earlier))
        for row in await connection.execute(query)
    )


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
