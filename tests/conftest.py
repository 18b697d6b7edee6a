"""What tests of several packages need: a database, of both kinds that the service runs on."""

import asyncio
import gc
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from agents.accounts import metadata as accounts
from calls.records import metadata as calls
from tests.support import node
from tests.support.postgres import PostgresServer, find_postgres
from tickets.store import metadata as tickets

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


_TESTS = Path(__file__).parent
_END_TO_END = _TESTS / "e2e"
#: Minutes long by themselves: a worker that begun one of them last would keep all others waiting.
_LONGEST = (_END_TO_END / "test_load.py", _TESTS / "web" / "test_contract.py")
_QUICK_BETWEEN = 6


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files and those that share a node; spread the others with nodes.

    Workers get whole files in this order: two of three have other work while one waits for a node,
    and the small files at the end let all workers end together.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    slow = [path for path in files if path.is_relative_to(_END_TO_END)]
    quick = [path for path in files if path not in slow]
    first = [path for path in _LONGEST if path in files]
    first += [path for path in slow if path.parent != _END_TO_END]
    quick = [path for path in quick if path not in first]
    order = list(first)
    for number, path in enumerate(path for path in slow if path not in first):
        order += [path, *quick[number * _QUICK_BETWEEN : (number + 1) * _QUICK_BETWEEN]]
    order += [path for path in quick if path not in order]
    items[:] = [item for path in order for item in files[path]]


_LOGS_SHOWN, _LINES_SHOWN = 3, 100


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what nodes said meanwhile where a test fails: elsewhere nobody sees it again."""
    report = yield
    if report.failed:
        for log in node.LOGS[-_LOGS_SHOWN:]:
            if log.exists() and log.stat().st_mtime >= call.start:
                lines = log.read_text(errors="replace").splitlines()[-_LINES_SHOWN:]
                report.sections.append((f"the end of {log}", "\n".join(lines)))
    return report


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


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The same with its tables, as the code knows them; what the migrations make: ``migrate``."""
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        for tables in (accounts, calls, tickets):
            await connection.run_sync(tables.create_all)
    yield engine
    await engine.dispose()


async def _empty(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        await connection.execute(sa.text("CREATE SCHEMA public"))
    await engine.dispose()
