from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from hotline import schema
from hotline.database import is_current, migrate, newest, open_engine, open_reader


async def test_the_migrations_make_exactly_the_tables_of_the_code(database_url: str) -> None:
    engine = open_engine(database_url)
    assert not await is_current(engine)
    revision = await migrate(engine)
    assert await is_current(engine)
    assert await migrate(engine) == revision
    async with engine.connect() as connection:
        assert await connection.run_sync(schema.differences) == []
    await engine.dispose()


def test_the_newest_migration_is_the_one_that_alembic_takes_for_it() -> None:
    assert ScriptDirectory.from_config(schema.settings()).get_heads() == [newest()]


async def test_an_older_schema_is_not_current(database_url: str) -> None:
    engine = open_engine(database_url)
    await migrate(engine)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert not await is_current(engine)
    await engine.dispose()


async def test_an_error_does_not_tell_what_was_to_be_written(database_url: str) -> None:
    engine = open_engine(database_url)
    with pytest.raises(DBAPIError) as caught:
        async with engine.begin() as connection:
            await connection.execute(
                text("INSERT INTO nowhere VALUES (:caller)"), {"caller": "13862311001"}
            )
    assert "13862311001" not in str(caught.value)
    await engine.dispose()


async def test_sqlite_keeps_a_write_ahead_log(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")
    async with engine.connect() as connection:
        assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await connection.scalar(text("PRAGMA foreign_keys")) == 1
    await engine.dispose()


async def test_reading_goes_on_while_something_is_being_written(database_url: str) -> None:
    engine = open_engine(database_url)
    reader = open_reader(engine)
    await migrate(engine)
    async with engine.begin() as writing:
        insert = text("INSERT INTO node_beats (node, beat) VALUES ('one', 1.0)")
        await writing.execute(insert)
        async with reader.connect() as reading:
            assert await reading.scalar(text("SELECT count(*) FROM node_beats")) == 0
    async with reader.connect() as reading:
        assert await reading.scalar(text("SELECT count(*) FROM node_beats")) == 1
    await reader.dispose()
    await engine.dispose()
