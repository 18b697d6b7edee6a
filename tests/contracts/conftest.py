"""Every kind of floor, one node or two."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from agents.redis_floor import connect
from tests.support.floors import KINDS, Clock, Kind, Node, open_nodes
from tests.support.redis_server import RedisServer


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    try:
        asyncio.run(server.start())
        yield server
    finally:
        asyncio.run(server.stop())


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Redis]:
    client = connect(server.url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=KINDS)
async def node(
    request: pytest.FixtureRequest, clock: Clock, server: RedisServer, redis: Redis
) -> AsyncIterator[Node]:
    async with open_nodes(request.param, ("a",), clock, server, redis) as nodes:
        yield nodes[0]


@pytest.fixture(params=[kind for kind in KINDS if kind != "away"])
async def two_nodes(
    request: pytest.FixtureRequest, clock: Clock, server: RedisServer, redis: Redis
) -> AsyncIterator[list[Node]]:
    kind: Kind = request.param
    async with open_nodes(kind, ("a", "b"), clock, server, redis) as nodes:
        yield nodes
