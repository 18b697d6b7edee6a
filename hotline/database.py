"""The database: one engine for all packages, and the schema brought up to date at start."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hotline.sqlite_driver import sqlite_engine

_MIGRATIONS = Path(__file__).parent / "migrations" / "versions"


def open_engine(url: str) -> AsyncEngine:
    """Return the engine for a URL of SQLite (aiosqlite) or PostgreSQL (asyncpg)."""
    # hide_parameters: an error's text goes to the log and the health report; a citizen's number and
    # words must not.
    if not url.startswith("sqlite"):
        return create_async_engine(
            url, pool_size=10, max_overflow=10, pool_pre_ping=True, hide_parameters=True
        )
    # One connection: SQLite has one writer anyway, and a second one would only wait for its lock.
    engine = sqlite_engine(url, connections=1)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def open_reader(engine: AsyncEngine) -> AsyncEngine:
    """Return an engine for what each call looks up; of SQLite one with connections of its own.

    With the one that writes, a call would wait for all writing of the calls before it. What has
    been committed is seen at once (write-ahead log).
    """
    if engine.dialect.name != "sqlite":
        return engine
    reader = sqlite_engine(engine.url, connections=2)
    event.listen(reader.sync_engine, "connect", _prepare_reading)
    return reader


def _prepare_reading(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only=ON")
    cursor.close()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Make SQLite durable without a disk flush at each of many small transactions."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def newest() -> str:
    """Return the revision of the schema that this version needs: the last migration's name.

    Read off the files' names: Alembic, which knows it too, takes a third of a second to import.
    """
    return max(path.stem for path in _MIGRATIONS.glob("[0-9]*.py"))


async def migrate(engine: AsyncEngine) -> str:
    """Bring the schema up to date; return its revision."""
    if not await is_current(engine):
        from hotline import schema  # noqa: PLC0415 - imports Alembic, which most starts do not need

        async with engine.begin() as connection:
            await connection.run_sync(schema.upgrade)
    return newest()


async def is_current(engine: AsyncEngine) -> bool:
    """Say whether the schema is the one that this version needs.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, OSError: the database cannot be reached.
    """
    async with engine.connect() as connection:
        return await connection.run_sync(_revisions) == [newest()]


def _revisions(connection: Connection) -> list[str]:
    """Return what Alembic has noted in the database; [] in an empty one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return []
    return list(connection.scalars(sa.text("SELECT version_num FROM alembic_version")))
