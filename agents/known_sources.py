"""Where people have signed in, in SQL: known beyond a node's life, and to all nodes.

Not in Redis: a node's own writes nothing to the disk, and would forget it with the node.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy import Column, Double, String, Table, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from agents.accounts import metadata

log = structlog.get_logger(__name__)

_KEPT_SECONDS: Final = 30 * 86_400.0
"""For so long after he last signed in there."""

known_sources = Table(
    "known_sources",
    metadata,
    Column("agent_id", String(32), primary_key=True),
    Column("site", String(64), primary_key=True),
    Column("at", Double, nullable=False),
)


class KnownSources:
    """The table of who has signed in from where.

    Args:
        engine: the database.
        clock: Unix seconds.
    """

    def __init__(self, engine: AsyncEngine, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    async def add(self, agent_id: str, site: str) -> None:
        """Note that he has signed in there; a database that cannot is logged, he is signed in."""
        table, now = known_sources, self._clock()
        this = (table.c.agent_id == agent_id) & (table.c.site == site)
        # Of everybody: whoever has left signs in no more, and would leave his addresses for ever.
        over = this | (table.c.at < now - _KEPT_SECONDS)
        row = {"agent_id": agent_id, "site": site, "at": now}
        try:
            async with self._engine.begin() as connection:
                await connection.execute(delete(table).where(over))
                await connection.execute(insert(table), row)
        except (SQLAlchemyError, OSError) as error:  # (twice at once: one of the two is enough)
            log.warning("known_source_not_kept", agent_id=agent_id, error=str(error))

    async def has(self, agent_id: str, site: str) -> bool:
        """Tell whether he has signed in there lately; no while the database is away."""
        table = known_sources
        query = select(table.c.at).where(table.c.agent_id == agent_id, table.c.site == site)
        try:
            async with self._engine.connect() as connection:
                at = await connection.scalar(query)
        except (SQLAlchemyError, OSError) as error:
            log.warning("known_source_not_read", error=str(error))
            return False
        return at is not None and at >= self._clock() - _KEPT_SECONDS
