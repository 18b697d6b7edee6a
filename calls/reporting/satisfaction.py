"""How satisfied callers were, by the keys that they pressed after their calls."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.after_call import SATISFIED, ratings
from calls.reporting.report import Share

ASKED = "请求按键评价的通话"
RATED = "按键评价的通话"


async def counted(connection: AsyncConnection, start: float, end: float) -> dict[str, int]:
    """Count whom callers were asked to rate in a span: ``asked``, ``rated``, ``pleased``."""

    def number(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)

    query = sa.select(
        sa.func.count().label("asked"),
        number(ratings.c.outcome == "rated").label("rated"),
        number(ratings.c.score >= SATISFIED).label("pleased"),
    ).where(ratings.c.at >= start, ratings.c.at < end)
    row = (await connection.execute(query)).mappings().one()
    return {name: int(value) for name, value in row.items()}


def shares(figures: Mapping[str, Any]) -> dict[str, Share]:
    """Return how many of those asked pressed a key, and how many of those were satisfied."""
    asked, rated, pleased = (int(figures[name]) for name in ("asked", "rated", "pleased"))
    return {"rated": Share(rated, asked, ASKED), "pleased": Share(pleased, rated, RATED)}
