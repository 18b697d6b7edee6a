"""The database: one engine for all packages, and the schema brought up to date at start."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

import calls.after_call
import calls.audit
import calls.breaks
import calls.callback_store
import calls.gaps
import calls.routing_book  # noqa: F401 - these register their tables
import tickets.exchange.store  # noqa: F401 - registers its tables
from agents.accounts import metadata as agents_metadata
from calls.audit import audit_entries
from calls.gaps import transcript_gaps
from calls.quality import assessments
from calls.records import metadata as calls_metadata
from calls.statistics.store import interval_statistics
from tickets.help.knowledge_base import INDEX
from tickets.store import metadata as tickets_metadata

_MIGRATIONS = Path(__file__).parent / "migrations"


def open_engine(url: str) -> AsyncEngine:
    """Return the engine for a URL of SQLite (aiosqlite) or PostgreSQL (asyncpg)."""
    # hide_parameters: an error's text goes to the log and the health report; a citizen's number and
    # words must not.
    if not url.startswith("sqlite"):
        return create_async_engine(
            url, pool_size=10, max_overflow=10, pool_pre_ping=True, hide_parameters=True
        )
    # One connection: SQLite has one writer anyway, and a second one would only wait for its lock.
    engine = create_async_engine(url, pool_size=1, max_overflow=0, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def open_reader(engine: AsyncEngine) -> AsyncEngine:
    """Return an engine for what each call looks up; of SQLite one with connections of its own.

    With the one that writes, a call would wait for all writing of the calls before it. What has
    been committed is seen at once (write-ahead log).
    """
    if engine.dialect.name != "sqlite":
        return engine
    reader = create_async_engine(engine.url, pool_size=2, max_overflow=0, hide_parameters=True)
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


async def migrate(engine: AsyncEngine) -> str:
    """Bring the schema up to date; return its revision."""
    config = _config()
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade, config)
        return str(await connection.run_sync(_revision))


async def is_current(engine: AsyncEngine) -> bool:
    """Say whether the schema is the one that this version needs.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, OSError: the database cannot be reached.
    """
    head = ScriptDirectory.from_config(_config()).get_current_head()
    async with engine.connect() as connection:
        return bool(await connection.run_sync(_revision) == head)


async def differences(engine: AsyncEngine) -> list[Any]:
    """Return what the tables in the code have and the migrated database has not, or otherwise."""
    async with engine.connect() as connection:
        return list(await connection.run_sync(_compare))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def _upgrade(connection: Connection, config: Config) -> None:
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _is_ours(name: str | None, _kind: str, _parents: object) -> bool:
    # The full-text index differs by database and is not described in the code's tables.
    return not (name or "").startswith(INDEX)


def _compare(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "include_name": _is_ours}
    )
    everything = MetaData()
    # These are imported so that their tables are known; their metadata is that of the calls.
    known = {agents_metadata, calls_metadata, tickets_metadata}
    others = (audit_entries, transcript_gaps, interval_statistics, assessments)
    for metadata in known | {table.metadata for table in others}:
        for table in metadata.tables.values():
            table.to_metadata(everything)
    return list(compare_metadata(context, everything))
