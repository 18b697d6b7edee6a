"""SQLite's connections: a statement is one visit to their thread, and none is left half-way."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import Column, Executable, Integer, MetaData, String, Table, func, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from hotline.database import open_engine

NUMBERS = Table(
    "numbers", MetaData(), Column("id", Integer, primary_key=True), Column("name", String)
)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")
    async with engine.begin() as connection:
        await connection.run_sync(NUMBERS.metadata.create_all)
    yield engine
    await engine.dispose()


async def names(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return list(await connection.scalars(select(NUMBERS.c.name).order_by(NUMBERS.c.id)))


async def test_rows_keys_and_counts_are_told(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        made = await connection.execute(NUMBERS.insert().values(name="one"))
        assert made.inserted_primary_key == (1,)
        await connection.execute(NUMBERS.insert(), [{"name": "two"}, {"name": "three"}])
        changed = await connection.execute(NUMBERS.update().values(name=NUMBERS.c.name + "!"))
        assert changed.rowcount == 3
        row = (await connection.execute(select(NUMBERS).where(NUMBERS.c.id == 2))).one()
        assert row._mapping == {"id": 2, "name": "two!"}
        found = await connection.execute(select(NUMBERS.c.name))
        assert (found.fetchmany(1), found.fetchmany()) == ([("one!",)], [("two!",)])
        streamed = await connection.stream(select(NUMBERS.c.id))
        assert [row.id async for row in streamed] == [1, 2, 3]
    assert await names(engine) == ["one!", "two!", "three!"]


async def test_what_failed_is_rolled_back(engine: AsyncEngine) -> None:
    async def write(*statements: Executable) -> None:
        async with engine.begin() as connection:
            for statement in statements:
                await connection.execute(statement)

    insert = NUMBERS.insert().values(id=1, name="one")
    with pytest.raises(IntegrityError):
        await write(insert, insert)
    with pytest.raises(OperationalError):
        await write(insert, text("SELECT * FROM nowhere"))
    assert await names(engine) == []


async def test_what_was_cancelled_in_the_middle_is_rolled_back(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert isinstance(driver, aiosqlite.Connection)
        entered, leave = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def wait(name: str) -> str:
            loop.call_soon_threadsafe(entered.set)
            asyncio.run_coroutine_threadsafe(leave.wait(), loop).result()
            return name

        await driver.create_function("wait", 1, wait)
    insert = NUMBERS.insert().values(id=1, name=func.wait("one"))

    async def write() -> None:
        async with engine.begin() as connection:
            await connection.execute(insert)

    writing = asyncio.create_task(write())
    await entered.wait()
    writing.cancel()
    loop.call_soon(leave.set)
    with pytest.raises(asyncio.CancelledError):
        await writing
    async with engine.begin() as connection:
        await connection.execute(NUMBERS.insert().values(id=2, name="two"))
    assert await names(engine) == ["two"]


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of a connection's thread."""
    visits: list[str] = []
    execute: Any = aiosqlite.Connection._execute

    async def counted(self: aiosqlite.Connection, fn: Any, *args: Any, **kwargs: Any) -> Any:
        visits.append(fn.__name__)
        return await execute(self, fn, *args, **kwargs)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    return visits


async def test_the_thread_is_visited_once_for_a_statement_and_once_to_commit(
    engine: AsyncEngine, visits: list[str]
) -> None:
    visits.clear()
    await names(engine)
    assert len(visits) == 1
    visits.clear()
    async with engine.begin() as connection:
        await connection.execute(NUMBERS.insert(), [{"name": "one"}, {"name": "two"}])
    assert len(visits) == 2


async def test_deferred_statements_go_with_the_commit_in_their_order(
    engine: AsyncEngine, visits: list[str]
) -> None:
    visits.clear()
    later = {"deferred": True}
    async with engine.begin() as connection:
        many = [{"name": "one"}, {"name": "two"}]
        await connection.execute(NUMBERS.insert(), many, execution_options=later)
        await connection.execute(NUMBERS.insert(), {"name": "three"}, execution_options=later)
        change = NUMBERS.update().values(name=NUMBERS.c.name + "!").where(NUMBERS.c.id > 1)
        await connection.execute(change, execution_options=later)
        assert visits == []
    assert len(visits) == 1
    assert await names(engine) == ["one", "two!", "three!"]


async def test_deferred_statements_go_before_one_that_is_not(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        row = {"name": "one"}
        await connection.execute(NUMBERS.insert(), row, execution_options={"deferred": True})
        changed = await connection.execute(NUMBERS.update().values(name="two"))
        assert changed.rowcount == 1
    assert await names(engine) == ["two"]


async def test_what_is_deferred_and_refused_is_rolled_back_whole(engine: AsyncEngine) -> None:
    async def write(*numbers: int) -> None:
        async with engine.begin() as connection:
            for number in numbers:
                row = {"id": number, "name": str(number)}
                await connection.execute(
                    NUMBERS.insert(), row, execution_options={"deferred": True}
                )

    with pytest.raises(IntegrityError):
        await write(1, 2, 1)
    assert await names(engine) == []
    await write(3)
    assert await names(engine) == ["3"]


async def test_what_was_deferred_before_an_error_is_not_written(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        row = {"name": "one"}
        await connection.execute(NUMBERS.insert(), row, execution_options={"deferred": True})
    async with engine.begin() as connection:
        await connection.execute(NUMBERS.insert(), {"name": "two"})
    assert await names(engine) == ["two"]
