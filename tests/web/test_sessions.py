"""One suite for both session stores, and what Redis's own must do when Redis goes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy.ext.asyncio import create_async_engine

from agents.accounts import metadata
from agents.ended_sessions import EndedSessions, ended_sessions
from tests.support.redis_server import RedisServer, running_redis
from web.sessions import MemorySessions, RedisSessions, SessionStore, session_digest

IDLE = 600.0


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[SessionStore]:
    if request.param == "memory":
        yield MemorySessions(idle_seconds=IDLE)
        return
    async with running_redis() as server, client(server) as redis:
        yield RedisSessions(redis, idle_seconds=IDLE)


def client(server: RedisServer) -> Redis:
    return Redis.from_url(server.url, retry=Retry(NoBackoff(), 0))


async def test_a_token_is_its_owners_until_it_is_revoked(store: SessionStore) -> None:
    mine, other = await store.create("1001"), await store.create("1002")
    assert await store.touch(mine) == "1001"
    assert await store.touch(other) == "1002"
    await store.revoke(mine)
    assert await store.touch(mine) is None
    assert await store.touch(other) == "1002"


async def test_a_new_password_ends_all_sessions_but_the_askers(store: SessionStore) -> None:
    mine, desk, other = [await store.create(agent) for agent in ("1001", "1001", "1002")]
    await store.revoke_others("1001", keep=mine)
    assert [await store.touch(token) for token in (mine, desk, other)] == ["1001", None, "1002"]
    await store.revoke_others("1001")
    assert [await store.peek(token) for token in (mine, other)] == [None, "1002"]


async def test_a_digest_tells_whether_its_session_lasts(store: SessionStore) -> None:
    token = await store.create("1001")
    assert await store.lasts(session_digest(token))
    await store.revoke(token)
    assert not await store.lasts(session_digest(token))
    assert not await store.lasts("nonsense")


async def test_to_look_at_a_session_is_no_use_of_it() -> None:
    now = 0.0
    store = MemorySessions(idle_seconds=10, clock=lambda: now)
    token = await store.create("1001")
    now = 9.9
    assert await store.peek(token) == "1001"
    assert await store.lasts(session_digest(token))
    now = 10.1
    assert await store.peek(token) is None
    assert not await store.lasts(session_digest(token))


async def test_to_look_at_a_session_in_redis_leaves_its_time() -> None:
    async with running_redis() as server, client(server) as redis:
        first, second = RedisSessions(redis, idle_seconds=600), RedisSessions(redis)
        token = await first.create("1001")
        (key,) = await redis.keys("hotline:session:*")
        assert await second.peek(token) == "1001"  # would have put an hour there
        assert await redis.pttl(key) <= 600_000
        await redis.flushall()
        assert await first.peek(token) == "1001"
        await second.revoke_others("1001")
        assert await first.peek(token) is None


async def test_a_session_that_redis_lost_is_put_back_with_the_time_left() -> None:
    now = 0.0
    async with running_redis() as server, client(server) as redis:
        store = RedisSessions(redis, idle_seconds=600, clock=lambda: now)
        token = await store.create("1001")
        await redis.flushall()
        now = 500.0
        assert await store.peek(token) == "1001"
        (key,) = await redis.keys("hotline:session:*")
        assert 0 < await redis.pttl(key) <= 100_000
        await redis.flushall()
        assert await store.touch(token) == "1001"
        assert await redis.pttl(key) > 100_000


@pytest.mark.parametrize("token", ["", "nonsense", "令牌", "a" * 5000, "\udcff"])
async def test_an_unknown_token_is_nobodys(store: SessionStore, token: str) -> None:
    assert await store.touch(token) is None
    await store.revoke(token)


async def test_an_idle_session_ends_in_memory() -> None:
    now = 0.0
    store = MemorySessions(idle_seconds=10, clock=lambda: now)
    token = await store.create("1001")
    now = 9.9
    assert await store.touch(token) == "1001"
    now = 19.8
    assert await store.touch(token) == "1001"
    now = 29.8
    assert await store.touch(token) is None


async def test_an_idle_session_ends_in_redis() -> None:
    async with running_redis() as server, client(server) as redis:
        store = RedisSessions(redis, idle_seconds=0.05)
        elsewhere = RedisSessions(redis, idle_seconds=0.05)
        token = await store.create("1001")
        assert await elsewhere.touch(token) == "1001"
        (key,) = await redis.keys("hotline:session:*")
        assert token not in str(key)
        async with asyncio.timeout(10):
            while await redis.exists(key):
                assert await redis.pttl(key) <= 50
        assert await elsewhere.touch(token) is None


async def test_nodes_share_sessions_and_sign_outs() -> None:
    async with running_redis() as server, client(server) as redis:
        first, second = RedisSessions(redis), RedisSessions(redis)
        token = await first.create("1001")
        assert await second.touch(token) == "1001"
        await second.revoke(token)
        assert await first.touch(token) is None


async def test_while_redis_is_away_a_node_goes_on_with_those_it_knows() -> None:
    async with running_redis() as server, client(server) as redis:
        store, elsewhere = RedisSessions(redis), RedisSessions(redis)
        kept, ended = await store.create("1001"), await store.create("1002")
        await server.kill()
        assert await store.touch(kept) == "1001"
        assert await elsewhere.touch(kept) is None
        fresh = await store.create("1003")
        assert await store.touch(fresh) == "1003"
        await store.revoke(ended)
        assert await store.touch(ended) is None
        await server.start()
        assert await store.touch(kept) == "1001"
        assert await store.touch(fresh) == "1003"
        assert await elsewhere.touch(fresh) == "1003"
        assert await elsewhere.touch(ended) is None


async def test_sessions_that_redis_lost_are_put_back_but_not_ended_ones() -> None:
    async with running_redis() as server, client(server) as redis:
        store, elsewhere = RedisSessions(redis), RedisSessions(redis)
        token, ended = await store.create("1001"), await store.create("1002")
        await store.revoke(ended)
        await redis.flushall()
        assert await store.touch(token) == "1001"
        assert await elsewhere.touch(token) == "1001"
        assert await store.touch(ended) is None


async def test_an_ended_session_stays_ended_when_redis_lost_all(database_url: str) -> None:
    """Another node that knows it does not put it back, nor goes on with it while Redis is away."""
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all, tables=[ended_sessions])
    async with running_redis() as server, client(server) as redis:
        first, second = (
            RedisSessions(redis, ended=EndedSessions(engine, seconds=600)) for _ in range(2)
        )
        left, ended, kept = [await first.create("1001") for _ in range(3)]
        for token in (left, ended, kept):
            assert await second.touch(token) == "1001"
        await first.revoke(left)
        await first.revoke_others("1001", keep=kept)
        await redis.flushall()
        assert not await second.lasts(session_digest(ended))
        assert await second.touch(ended) is None
        await server.kill()
        assert [await second.peek(token) for token in (left, kept)] == [None, "1001"]
    await engine.dispose()


async def test_ended_sessions_are_forgotten_in_time(database_url: str) -> None:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all, tables=[ended_sessions])
    now = 1000.0
    ended = EndedSessions(engine, seconds=60, clock=lambda: now)
    await ended.add(["a", "b", "a"])
    now = 1050.0
    await ended.add(["b"])
    now = 1070.0
    await ended.add([])
    assert [await ended.has(digest) for digest in "abc"] == [False, True, False]
    await engine.dispose()
    async with engine.begin() as connection:
        await connection.run_sync(ended_sessions.drop)
    await ended.add(["c"])  # only logged
    assert not await ended.has("b")
    await engine.dispose()


async def test_a_redis_that_hangs_costs_a_moment_and_nobodys_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("web.sessions._PATIENCE_SECONDS", 0.05)
    async with running_redis() as server, client(server) as redis:
        store = RedisSessions(redis)
        token = await store.create("1001")
        server.freeze()
        async with asyncio.timeout(10):
            assert await store.touch(token) == "1001"
        server.thaw()
        assert await store.touch(token) == "1001"
