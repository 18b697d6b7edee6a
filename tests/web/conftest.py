from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web.house import House
from web.server import WebServer


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
async def server(house: House) -> AsyncIterator[WebServer]:
    """The house's app on a real server, listening."""
    server = WebServer(house.app)
    await server.start("127.0.0.1", 0)
    yield server
    await server.close()


@pytest.fixture
def served(server: WebServer) -> tuple[str, int]:
    """The server's address."""
    assert server.address is not None
    return server.address
