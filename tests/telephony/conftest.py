from collections.abc import AsyncIterator

import pytest

from tests.support.redis_server import RedisServer, running_redis


@pytest.fixture
async def redis_server() -> AsyncIterator[RedisServer]:
    """A real redis-server, empty."""
    async with running_redis() as server:
        yield server
