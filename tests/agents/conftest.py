"""One redis-server for the folder's tests, emptied before each."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from agents.redis_floor import connect
from tests.support.redis_server import RedisServer, running_redis


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with running_redis() as server:
        yield server


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Redis]:
    client = connect(server.url)
    yield client
    await client.aclose()
