from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web.house import House
from web.server import WebServer


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
async def served(house: House) -> AsyncIterator[tuple[str, int]]:
    """The house's app on a real server; its address."""
    server = WebServer(house.app)
    yield await server.start("127.0.0.1", 0)
    await server.close()
