"""Many who ask over one connection, with a real Redis that is killed and made to hang."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from eventbus.redis_line import RedisLine
from tests.support.redis_server import RedisServer, running_redis


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with running_redis() as server:
        yield server


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Redis]:
    redis = Redis.from_url(server.url, decode_responses=True)
    yield redis
    await redis.aclose()


@pytest.fixture
async def line(redis: Redis) -> AsyncIterator[RedisLine]:
    line = RedisLine(redis, answer_seconds=10.0)
    yield line
    await line.close()


async def test_each_hears_his_own_answer(line: RedisLine, redis: Redis) -> None:
    async def ask(number: int) -> None:
        assert await line.ask("SET", f"key {number}", number) == "OK"
        assert await line.ask("GET", f"key {number}") == str(number)

    await asyncio.gather(*map(ask, range(50)))
    assert await redis.get("key 49") == "49"
    assert len(await redis.client_list()) == 2  # the client's own, and the line's


async def test_a_refusal_is_its_own_commands_alone(line: RedisLine) -> None:
    answers = await line.ask_all([("SET", "a", "1"), ("LPUSH", "a", "x"), ("GET", "a")])
    assert (answers[0], answers[2]) == ("OK", "1")
    assert isinstance(answers[1], ResponseError)
    with pytest.raises(NoScriptError):
        await line.ask("EVALSHA", "0" * 40, 0)
    assert await line.ask("GET", "a") == "1"


async def test_asking_makes_no_task(redis: Redis) -> None:
    line = RedisLine(redis, answer_seconds=10.0)
    await line.ask("PING")
    made = 0

    def count(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
        nonlocal made
        made += 1
        return asyncio.Task(work, loop=loop, **more)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(count)
    try:
        assert await line.ask("ECHO", "hello") == "hello"
    finally:
        loop.set_task_factory(None)
    assert made == 0
    await line.close()
    # and the pool's next user finds its connection as it was
    pool: Any = redis.connection_pool
    connection = await pool.get_connection()
    assert connection.socket_timeout == pool.make_connection().socket_timeout is not None
    await pool.release(connection)


async def test_who_does_not_wait_any_more_disturbs_nobody(line: RedisLine) -> None:
    await line.ask("PING")
    impatient = asyncio.create_task(line.ask("GET", "a"))
    await asyncio.sleep(0)  # it has asked
    other = asyncio.create_task(line.ask("ECHO", "other"))
    impatient.cancel()
    assert await other == "other"
    assert await line.ask("ECHO", "next") == "next"


async def test_after_a_loss_who_asks_connects_again(line: RedisLine, server: RedisServer) -> None:
    await line.ask("PING")
    blocked = asyncio.create_task(line.ask("BLPOP", "nothing", 0))
    await asyncio.sleep(0)
    await server.kill()
    with pytest.raises(RedisConnectionError):
        await blocked
    with pytest.raises((RedisError, OSError)):
        await line.ask("PING")
    await server.restart(wipe=True)
    assert await line.ask("ECHO", "again") == "again"


async def test_a_redis_that_hangs_is_away(redis: Redis, server: RedisServer) -> None:
    line = RedisLine(redis, answer_seconds=0.2)
    await line.ask("PING")
    server.freeze()
    try:
        asked = [asyncio.create_task(line.ask("ECHO", str(number))) for number in range(3)]
        for each in asked:
            with pytest.raises(RedisTimeoutError):
                await each
    finally:
        server.thaw()
    patient = RedisLine(redis, answer_seconds=10.0)
    assert await patient.ask("ECHO", "again") == "again"
    await patient.close()
    await line.close()


async def test_who_asks_again_at_once_is_answered_over_the_next_connection(
    redis: Redis, server: RedisServer
) -> None:
    line = RedisLine(redis, answer_seconds=2.0)
    await line.ask("PING")
    await redis.ping()  # from now on a connection lies ready in the pool
    server.freeze()
    try:
        with pytest.raises(RedisTimeoutError):
            await line.ask("ECHO", "lost")
    finally:
        server.thaw()
    assert await line.ask("ECHO", "again") == "again"
    assert await line.ask("ECHO", "later") == "later"
    await line.close()


async def test_a_loop_that_was_busy_hears_late_what_came_in_time(redis: Redis) -> None:
    line = RedisLine(redis, answer_seconds=0.2)
    await line.ask("PING")
    asked = asyncio.create_task(line.ask("ECHO", "in time"))
    for _ in range(5):
        await asyncio.sleep(0)  # it is sent
    time.sleep(0.5)  # noqa: ASYNC251 - nobody runs meanwhile
    assert await asked == "in time"
    await line.close()


async def test_what_cannot_be_sent_shifts_nobodys_answer(line: RedisLine) -> None:
    with pytest.raises(TypeError):
        await line.ask_all([("GET", "a"), ("ECHO", None)])  # type: ignore[list-item]
    assert await line.ask("ECHO", "next") == "next"


async def test_nothing_is_left_when_it_is_closed(redis: Redis) -> None:
    before = asyncio.all_tasks()
    line = RedisLine(redis, answer_seconds=10.0)
    await line.close()
    await line.ask("PING")
    waiting = asyncio.create_task(line.ask("BLPOP", "nothing", 0))
    await asyncio.sleep(0)
    await line.close()
    with pytest.raises(RedisConnectionError):
        await waiting
    await line.close()
    assert asyncio.all_tasks() == before


async def test_a_connection_that_breaks_while_it_is_written_to_is_lost_as_any(
    line: RedisLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await line.ask("PING")
    assert line._link is not None
    connection = line._link.connection

    async def write(*_args: object, **_options: object) -> None:
        await connection.disconnect(nowait=True)
        # As redis-py's own task does: there is none any more.
        connection._writer.writelines([])  # type: ignore[union-attr]

    monkeypatch.setattr(connection, "send_packed_command", write)
    with pytest.raises(RedisConnectionError):
        await line.ask("PING")
    monkeypatch.undo()
    assert await line.ask("PING") == "PONG"
