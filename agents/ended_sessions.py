"""Sessions that were ended before their time, in SQL: what Redis may lose must not live again.

Only digests are kept, and each no longer than its session could have lasted.
"""

import time
from collections.abc import Callable, Iterable

import structlog
from sqlalchemy import Column, Double, String, Table, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from agents.accounts import metadata

log = structlog.get_logger(__name__)

ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("until", Double, nullable=False, index=True),
)


class EndedSessions:
    """The table of ended sessions.

    Args:
        engine: the database.
        seconds: how long a session lasts that nobody uses.
        clock: Unix seconds.
    """

    def __init__(
        self, engine: AsyncEngine, *, seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._seconds = seconds
        self._clock = clock

    async def add(self, digests: Iterable[str]) -> None:
        """Note sessions as ended; a database that is away is logged, Redis has them as well."""
        table, now = ended_sessions, self._clock()
        known = set(digests)
        rows = [{"digest": digest, "until": now + self._seconds} for digest in known]
        try:
            async with self._engine.begin() as connection:
                over = (table.c.until < now) | table.c.digest.in_(known)
                await connection.execute(delete(table).where(over))
                if rows:
                    await connection.execute(insert(table), rows)
        except (SQLAlchemyError, OSError) as error:
            log.warning("ended_sessions_not_kept", sessions=len(rows), error=str(error))

    async def has(self, digest: str) -> bool:
        """Tell whether a session was ended; no while the database is away: calls must go on."""
        query = select(ended_sessions.c.digest).where(ended_sessions.c.digest == digest)
        try:
            async with self._engine.connect() as connection:
                return await connection.scalar(query) is not None
        except (SQLAlchemyError, OSError) as error:
            log.warning("ended_sessions_not_read", error=str(error))
            return False
