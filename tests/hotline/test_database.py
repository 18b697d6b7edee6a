from pathlib import Path

from sqlalchemy import text

from hotline.database import differences, is_current, migrate, open_engine


async def test_the_migrations_make_exactly_the_tables_of_the_code(database_url: str) -> None:
    engine = open_engine(database_url)
    assert not await is_current(engine)
    revision = await migrate(engine)
    assert await is_current(engine)
    assert await migrate(engine) == revision
    assert await differences(engine) == []
    await engine.dispose()


async def test_sqlite_keeps_a_write_ahead_log(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")
    async with engine.connect() as connection:
        assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await connection.scalar(text("PRAGMA foreign_keys")) == 1
    await engine.dispose()
