"""The desktop in a browser, on a real server with the house's fakes behind it."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.browser import Window, chromium, window
from tests.web.fake_people import Clock
from tests.web.house import House
from web.server import WebServer

Address = tuple[str, int]

#: A busy machine shows things late; a test that passes does not wait for it.
SECONDS = 30.0
expect.set_options(timeout=1000 * SECONDS)


class WallClock(Clock):
    def __call__(self) -> float:
        return time.time()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, clock=WallClock())


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def server(house: House) -> AsyncIterator[WebServer]:
    """As the folder's, in the loop that the browser lives in."""
    server = WebServer(house.app)
    await server.start("127.0.0.1", 0)
    yield server
    await server.close()


@pytest_asyncio.fixture(loop_scope="module")
async def opened(browser: Browser, served: Address) -> AsyncIterator[Window]:
    """The page as it first comes up; nothing may have gone wrong in it by the end."""
    async with window(browser, f"http://{served[0]}:{served[1]}/", seconds=SECONDS) as opened:
        yield opened
        assert opened.errors == []
