"""What tests of several packages need: a database, of both kinds that the service runs on."""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.postgres import PostgresServer, find_postgres

# How long an example takes says how busy the machine is, nothing of the code. The usual run plays
# the same examples everywhere; new ones: pytest --hypothesis-profile=exploring
settings.register_profile("exploring", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "usual", settings.get_profile("exploring"), derandomize=True, max_examples=50
)
settings.load_profile("usual")

needs_postgres = pytest.mark.skipif(find_postgres() is None, reason="PostgreSQL is not installed")


# Collecting the tests makes a few million objects that all stay: looking for garbage among them, in
# each worker, takes as long as all the rest of it.
gc.disable()


def pytest_collection_finish() -> None:
    """Let the garbage collector look at what the tests make, not at the tests."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest: workers get whole files, and all end together."""
    items.sort(key=lambda item: item.path.name != "test_load.py")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """One PostgreSQL server for all tests."""
    server = PostgresServer()
    try:
        asyncio.run(server.start())
        yield server.url
    finally:
        asyncio.run(server.stop())


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=needs_postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: SQLite, and PostgreSQL where it is installed."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgres_url")
    asyncio.run(_empty(url))
    return url


async def _empty(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        await connection.execute(sa.text("CREATE SCHEMA public"))
    await engine.dispose()
