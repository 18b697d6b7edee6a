"""What people call about today: hot topics, streets, urgent matters. From the tickets.

Topics and streets have a trend: how many tickets they usually have by this time of the day.
"""

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tickets.store import tickets_table as tickets

TOP: Final = 8
DAYS: Final = 7
"""So many days before tell what is usual; days without a ticket do not count."""
_DAY: Final = 86_400.0
USUAL_SECONDS: Final = 300.0
"""So often what is usual by this time of the day is counted anew."""
Usual = Mapping[str, Mapping[str, float]]
"""``category`` and ``street``: name → tickets by this time of a usual day; empty: nobody knows."""
URGENT: Final = ("紧急", "特急")


async def usual_by(engine: AsyncEngine, since: float, now: float) -> Usual:
    """Count what earlier days had by this time: the mean of those that had tickets.

    Args:
        engine: where tickets are.
        since: when today began.
        now: the time of the day that is meant.
    """
    spans = [(since - back * _DAY, now - back * _DAY) for back in range(1, DAYS + 1)]
    async with engine.connect() as connection:
        days = 0
        for start, _ in spans:
            day = (tickets.c.created_at >= start, tickets.c.created_at < start + _DAY)
            found = await connection.execute(sa.select(tickets.c.id).where(*day).limit(1))
            days += found.first() is not None
        if not days:
            return {}
        then = sa.or_(
            *(
                sa.and_(tickets.c.created_at >= start, tickets.c.created_at < end)
                for start, end in spans
            )
        )
        usual: dict[str, dict[str, float]] = {}
        for column in (tickets.c.category, tickets.c.street):
            query = (
                sa.select(column, sa.func.count())
                .where(then, column.is_not(None), column != "")
                .group_by(column)
            )
            rows = await connection.execute(query)
            usual[column.name] = {name: round(count / days, 1) for name, count in rows}
        return usual


class UsualByNow:
    """What is usual by this time of the day, counted anew now and then, and when a day begins."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._usual: Usual = {}
        self._day: float | None = None
        self._until = 0.0

    async def at(self, since: float, now: float) -> Usual:
        """Return it; arguments as of ``usual_by``."""
        if since != self._day or now >= self._until:
            self._usual = await usual_by(self._engine, since, now)
            self._day, self._until = since, now + USUAL_SECONDS
        return self._usual


async def matters(
    engine: AsyncEngine, since: float, until: float, usual: Usual | None = None
) -> dict[str, Any]:
    """Count the tickets begun in a span.

    Returns:
        ``tickets`` how many; ``topics`` and ``streets``: name, count, ``usual`` (how many there
        are by this time on other days; None: nobody knows); ``urgent``: the latest urgent tickets
        with category, street and level, without anybody's name.
    """
    table = tickets.c
    today = sa.and_(table.created_at >= since, table.created_at < until)
    urgent = (
        sa.select(table.id, table.created_at, table.category, table.street, table.urgency)
        .where(today, table.urgency.in_(URGENT))
        .order_by(table.created_at.desc())
        .limit(TOP)
    )
    async with engine.connect() as connection:
        number = await connection.scalar(sa.select(sa.func.count()).where(today))
        found = await connection.execute(urgent)
        return {
            "tickets": int(number or 0),
            "topics": await _ranking(connection, table.category, today, usual or {}),
            "streets": await _ranking(connection, table.street, today, usual or {}),
            "urgent": [
                {
                    "ticket_id": row.id,
                    "at": row.created_at,
                    "category": row.category,
                    "street": row.street,
                    "level": row.urgency,
                }
                for row in found
            ],
        }


async def _ranking(
    connection: AsyncConnection,
    column: sa.Column[Any],
    today: sa.ColumnElement[bool],
    usual: Usual,
) -> list[dict[str, Any]]:
    number = sa.func.count().label("number")
    query = (
        sa.select(column.label("name"), number)
        .where(today, column.is_not(None), column != "")
        .group_by(column)
        .order_by(number.desc(), column)
        .limit(TOP)
    )
    known = usual.get(column.name)
    return [
        {
            "name": row.name,
            "count": row.number,
            "usual": None if known is None else known.get(row.name, 0.0),
        }
        for row in await connection.execute(query)
    ]
