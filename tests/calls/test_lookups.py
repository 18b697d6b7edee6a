"""Looking something up: its rows, and a connection that is there for the next."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.lookups import rows_of
from hotline.database import open_engine, open_reader

_ECHO = sa.select(sa.literal("found").label("what"), sa.bindparam("number", type_=sa.Integer))
_MORE_THAN_ALL_CONNECTIONS = 25


async def test_the_rows_are_found(engine: AsyncEngine) -> None:
    rows = await rows_of(engine, _ECHO, {"number": 7})
    assert [tuple(row) for row in rows] == [("found", 7)]


async def test_what_fails_keeps_no_connection(database_url: str) -> None:
    engine = open_engine(database_url)
    reader = open_reader(engine)
    try:
        for _ in range(_MORE_THAN_ALL_CONNECTIONS):
            with pytest.raises(SQLAlchemyError):
                await rows_of(reader, sa.text("SELECT nothing FROM nowhere"), {})
        assert await rows_of(reader, _ECHO, {"number": 1})
    finally:
        await reader.dispose()
        await engine.dispose()


async def test_who_is_impatient_keeps_no_connection(database_url: str) -> None:
    engine = open_engine(database_url)
    reader = open_reader(engine)
    try:
        await rows_of(reader, _ECHO, {"number": 0})
        for _ in range(_MORE_THAN_ALL_CONNECTIONS):
            asked: asyncio.Task[Any] = asyncio.create_task(rows_of(reader, _ECHO, {"number": 1}))
            await asyncio.sleep(0)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        assert await rows_of(reader, _ECHO, {"number": 2})
    finally:
        await reader.dispose()
        await engine.dispose()
