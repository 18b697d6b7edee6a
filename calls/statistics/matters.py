"""What people call about today: hot topics, streets, urgent matters. From the tickets."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from tickets.store import tickets_table as tickets

TOP: Final = 8
URGENT: Final = ("紧急", "特急")


async def matters(engine: AsyncEngine, since: float, until: float) -> dict[str, Any]:
    """Count the tickets begun in a span.

    Returns:
        ``tickets`` how many; ``topics`` and ``streets``: name, count; ``urgent``: the
        latest urgent tickets with category, street and level, without anybody's name.
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
            "topics": await _ranking(connection, table.category, today),
            "streets": await _ranking(connection, table.street, today),
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
    connection: Any, column: sa.ColumnElement[Any], today: sa.ColumnElement[bool]
) -> list[dict[str, Any]]:
    number = sa.func.count().label("number")
    query = (
        sa.select(column.label("name"), number)
        .where(today, column.is_not(None), column != "")
        .group_by(column)
        .order_by(number.desc(), column)
        .limit(TOP)
    )
    return [{"name": row.name, "count": row.number} for row in await connection.execute(query)]
