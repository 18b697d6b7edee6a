import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from eventbus.asking import NodeAsking, NodeSilent
from tests.support.redis_server import RedisServer, running_redis
from tests.support.waiting import until

PATIENCE = 10.0


@asynccontextmanager
async def node_at(server: RedisServer, name: str, patience: float = PATIENCE) -> Any:
    redis = Redis.from_url(server.url)
    node = NodeAsking(redis=redis, node=name, prefix="test", patience=patience)

    async def serve(question: Any) -> Any:
        return {"node": name, "heard": question}

    node.serve = serve
    await node.start()
    try:
        await until(lambda: node.connected)
        yield node
    finally:
        await node.close()
        await redis.aclose()


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with running_redis() as server:
        yield server


@pytest.fixture
async def nodes(server: RedisServer) -> AsyncIterator[list[NodeAsking]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(node_at(server, name)) for name in "abc"]


async def test_the_asked_node_answers_and_no_other(nodes: list[NodeAsking]) -> None:
    answers = await asyncio.gather(*(nodes[0].ask("b", {"路": n}) for n in range(20)))
    assert answers == [{"node": "b", "heard": {"路": n}} for n in range(20)]


async def test_all_others_answer_and_one_does_not_ask_oneself(nodes: list[NodeAsking]) -> None:
    answers = await nodes[1].ask_all("?")
    assert sorted(answer["node"] for answer in answers) == ["a", "c"]


async def test_what_is_told_to_all_reaches_them_and_is_not_answered(
    nodes: list[NodeAsking],
) -> None:
    heard: list[Any] = []

    async def hear(message: Any) -> None:
        heard.append(message)

    for node in nodes:
        node.serve = hear
    await nodes[2].tell_all("now")
    await until(lambda: len(heard) == 2)
    assert heard == ["now", "now"]


async def test_a_node_that_is_not_there_is_named_at_once(nodes: list[NodeAsking]) -> None:
    with pytest.raises(NodeSilent, match="node z does not answer"):
        await nodes[0].ask("z", "?")


async def test_a_node_whose_answer_fails_is_silent_and_goes_on(server: RedisServer) -> None:
    async with node_at(server, "a", patience=0.2) as one, node_at(server, "b") as two:
        serve = two.serve

        async def fail(_question: Any) -> Any:
            raise ValueError("a mistake")

        two.serve = fail
        with pytest.raises(NodeSilent, match="node b"):
            await one.ask("b", "?")
        two.serve = serve
        assert (await one.ask_all("again"))[0]["heard"] == "again"


async def test_without_redis_nobody_answers_and_with_it_they_do_again(
    server: RedisServer, nodes: list[NodeAsking]
) -> None:
    await server.kill()
    with pytest.raises(NodeSilent):
        await nodes[0].ask("b", "?")
    assert await nodes[0].ask_all("?") == []
    await nodes[0].tell_all("?")  # lost, and nobody fails
    await until(lambda: not any(node.connected for node in nodes), PATIENCE)

    await server.start()

    await until(lambda: all(node.connected for node in nodes), PATIENCE)
    assert len(await nodes[0].ask_all("?")) == 2


async def test_rubbish_on_the_channel_is_passed_over(
    server: RedisServer, nodes: list[NodeAsking]
) -> None:
    async with Redis.from_url(server.url) as redis:
        for rubbish in (b"\xff", "[]", "3", "{}", '{"id": 1}', '{"id": [], "answer": 1}'):
            await redis.publish("test:ask", rubbish)
            await redis.publish("test:answer:a", rubbish)
    assert (await nodes[0].ask("b", 1))["heard"] == 1
