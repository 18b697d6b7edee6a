"""A node's floor when Redis is killed, frozen, emptied, or takes the node for dead."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from agents.floor import FloorTimes
from agents.node_floor import NodeFloor
from agents.presence import Presence, PresenceError, State
from agents.redis_floor import News, RedisEngine, connect
from agents.resilient_floor import ResilientEngine, open_floor
from tests.support.floors import TIMES, Clock, Node
from tests.support.redis_server import RedisServer
from tests.support.waiting import PATIENCE, until

LIVE = FloorTimes(offer=20, reoffer=5, wrap_up=30, node=15, sweep=0.1, grace=0.3)


async def until_true(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 -- Redis sets no event for us
            await asyncio.sleep(0.01)


NewNode = Callable[..., Awaitable[Node]]


@pytest.fixture
async def new_node(server: RedisServer) -> AsyncIterator[NewNode]:
    """Make started nodes: on real time, or (given a clock) on the test's and without a sweep."""
    async with AsyncExitStack() as stack:

        async def make(name: str, *, clock: Clock | None = None) -> Node:
            redis = connect(server.url)
            stack.push_async_callback(redis.aclose)
            if clock is None:
                node = Node(open_floor(redis=redis, node=name, times=LIVE))
            else:
                remote = RedisEngine(redis, node=name, times=TIMES)
                engine = ResilientEngine(remote, node=name, times=TIMES, clock=clock)
                node = Node(NodeFloor(engine, node=name, times=TIMES))
            await node.floor.start()
            stack.push_async_callback(node.floor.close)
            return node

        yield make


async def one_call_of_each_kind(node: Node) -> None:
    """1001 talks in c1, the phone of 1002 rings for c2, c3 waits."""
    for number, agent_id in enumerate(("1001", "1002"), 1):
        await node.ready_agent(agent_id)
        await node.floor.enqueue(f"c{number}", arrived_at=number)
    await node.floor.talking(node.offers[0])
    await node.floor.ringing(node.offers[1])
    await node.floor.enqueue("c3", arrived_at=3)


@pytest.mark.parametrize("wipe", [False, True], ids=["data-kept", "data-lost"])
async def test_calls_go_on_while_redis_is_dead_and_are_known_to_all_when_it_is_back(
    server: RedisServer, new_node: NewNode, *, wipe: bool
) -> None:
    node = await new_node("a")
    assert (node.floor.status, node.statuses) == ("ok", ["ok"])
    await one_call_of_each_kind(node)

    await server.kill()
    await node.ready_agent("1003")
    assert (node.floor.status, node.statuses) == ("away", ["ok", "away"])
    assert [(offer.call_id, offer.agent_id) for offer in node.offers] == [
        ("c1", "1001"),
        ("c2", "1002"),
        ("c3", "1003"),
    ]
    assert len({offer.token for offer in node.offers}) == 3
    assert await node.floor.talking(node.offers[1])
    await node.floor.finish("1001", "c1")

    await server.restart(wipe=wipe)
    await until(lambda: node.floor.status == "ok")

    other = await new_node("b")
    states = {one.agent_id: one.state.value for one in await other.floor.everyone()}
    assert states == {"1001": "wrap_up", "1002": "talking", "1003": "reserved"}
    counts = await other.floor.counts()
    assert (counts["waiting"], counts["offers"], counts["conversations"]) == (0, 1, 1)
    # The lease made in loneliness is a lease still, and the next one's token is larger.
    assert await node.floor.talking(node.offers[2])
    await node.floor.enqueue("c4", arrived_at=4)
    await node.floor.end_wrap_up("1001")
    await until(lambda: len(node.offers) > 3)  # nodes may tell what they know for a moment
    assert node.offers[3].token > node.offers[2].token
    assert node.statuses == ["ok", "away", "ok"]


async def test_redis_coming_back_is_no_news_of_agents(
    server: RedisServer, new_node: NewNode
) -> None:
    node = await new_node("a")
    await one_call_of_each_kind(node)
    await server.kill()
    await node.floor.beat()
    told, offered = len(node.presences), len(node.offers)

    await server.restart(wipe=True)
    await until(lambda: node.floor.status == "ok")
    await node.floor.beat()

    assert (len(node.presences), len(node.offers)) == (told, offered)


async def test_a_frozen_redis_holds_nobody_up_for_long(
    server: RedisServer, new_node: NewNode
) -> None:
    node = await new_node("a")
    await node.ready_agent("1001")
    server.freeze()
    try:
        async with asyncio.timeout(PATIENCE):  # who waits for Redis itself waits for ever
            await asyncio.gather(
                node.floor.enqueue("c1", arrived_at=1),
                node.ready_agent("1002"),
                *(node.floor.counts() for _ in range(20)),
            )
            assert node.floor.status == "away"
            await node.floor.talking(node.offers[0])
    finally:
        server.thaw()

    await until(lambda: node.floor.status == "ok")
    # What Redis executed after the thaw, on its own, has been put right.
    assert await node.state("1001") == "talking"
    assert len(node.offers) == 1


async def test_a_redis_frozen_for_longer_than_leases_and_nodes_last_ends_no_conversation(
    server: RedisServer, new_node: NewNode
) -> None:
    clock = Clock()
    a, b = await new_node("a", clock=clock), await new_node("b", clock=clock)
    await a.ready_agent("1001")
    await b.floor.enqueue("talks", arrived_at=1)
    await b.floor.talking(b.offers[0])
    await b.ready_agent("2001")
    await a.floor.enqueue("rings", arrived_at=2)
    await a.floor.ringing(a.offers[0])
    await b.floor.enqueue("waits", arrived_at=3)
    server.freeze()
    try:
        await asyncio.gather(a.floor.beat(), b.floor.beat())
        assert (a.floor.status, b.floor.status) == ("away", "away")
        clock.now += 40  # all leases have run out, and both nodes seem dead
        await asyncio.gather(a.floor.beat(), b.floor.beat())
    finally:
        server.thaw()
    await until(lambda: a.floor.status == b.floor.status == "ok")

    states = [one.state for one in (*a.presences, *b.presences) if one.agent_id == "1001"]
    assert State.WRAP_UP not in states  # neither has buried the other
    assert await b.state("1001") == "talking"
    assert (await a.floor.counts())["waiting"] == 2
    clock.now += TIMES.grace
    await asyncio.gather(a.floor.beat(), b.floor.beat())
    assert [(offer.call_id, offer.agent_id) for offer in (*a.offers, *b.offers)] == [
        ("rings", "2001"),
        ("rings", "2001"),
        ("talks", "1001"),
    ]
    await b.floor.finish("1001", "talks")
    assert await a.state("1001") == "wrap_up"


async def test_a_node_that_starts_without_redis_joins_when_it_is_there(
    server: RedisServer, new_node: NewNode
) -> None:
    await server.kill()
    node = await new_node("a")
    assert (node.floor.status, node.statuses) == ("away", ["away"])
    await one_call_of_each_kind(node)
    assert len(node.offers) == 2

    await server.start()
    await until(lambda: node.floor.status == "ok")

    other = await new_node("b")
    counts = await other.floor.counts()
    assert (counts["waiting"], counts["offers"], counts["conversations"]) == (1, 1, 1)


async def test_an_emptied_redis_is_filled_again_by_the_next_command(
    new_node: NewNode, redis: Redis
) -> None:
    clock = Clock()
    node = await new_node("a", clock=clock)
    await one_call_of_each_kind(node)
    await redis.flushall()

    assert (await node.floor.set_not_ready("1001", "lunch")).pending is State.NOT_READY

    assert await node.state("1002") == "ringing"
    assert node.statuses == ["ok"]


async def test_a_mistake_is_told_as_such_also_without_redis(
    server: RedisServer, new_node: NewNode
) -> None:
    node = await new_node("a")
    await server.kill()
    with pytest.raises(PresenceError):
        await node.floor.set_ready("1001")


async def test_a_node_taken_for_dead_puts_its_conversations_back(new_node: NewNode) -> None:
    slow, quick = Clock(), Clock()
    stalled, other = await new_node("a", clock=slow), await new_node("b", clock=quick)
    await one_call_of_each_kind(stalled)
    for seconds in (10, 6):
        quick.now += seconds
        await other.floor.beat()
    assert await other.state("1001") == "wrap_up"
    assert (await other.floor.counts())["waiting"] == 0

    slow.now = quick.now
    await stalled.floor.beat()

    assert await other.state("1001") == "talking"
    assert (await other.floor.counts())["waiting"] == 1
    assert await stalled.floor.talking(stalled.offers[1])


async def test_a_conversation_wins_over_another_nodes_offer(new_node: NewNode) -> None:
    slow, quick = Clock(), Clock()
    stalled, other = await new_node("a", clock=slow), await new_node("b", clock=quick)
    await stalled.ready_agent("1001")
    await stalled.floor.enqueue("c1", arrived_at=1)
    await stalled.floor.talking(stalled.offers[0])
    quick.now += 10
    await other.floor.beat()
    quick.now += 6
    await other.floor.enqueue("c2", arrived_at=2)
    await other.floor.end_wrap_up("1001")
    assert await other.state("1001") == "reserved"

    slow.now = quick.now
    await stalled.floor.beat()

    assert await other.state("1001") == "talking"
    assert not await other.floor.ringing(other.offers[0])
    assert (await other.floor.counts())["waiting"] == 1


@pytest.mark.parametrize("first", ["owner", "home"])
async def test_a_conversation_across_nodes_survives_a_redis_that_forgot_it(
    new_node: NewNode, redis: Redis, first: str
) -> None:
    clock = Clock()
    owner, home = await new_node("a", clock=clock), await new_node("b", clock=clock)
    await home.ready_agent("2001")
    await owner.floor.enqueue("c1", arrived_at=1)
    await owner.floor.talking(owner.offers[0])
    # The home node has to have heard of it, or it has nothing to tell.
    await until(lambda: home.floor._engine._mirror.agents["2001"].state is State.TALKING)  # type: ignore[attr-defined]
    await redis.flushall()

    for node in (owner, home) if first == "owner" else (home, owner):
        await node.floor.beat()

    assert await home.state("2001") == "talking"
    await owner.floor.finish("2001", "c1")
    assert await home.state("2001") == "wrap_up"
    assert (await home.floor.counts())["conversations"] == 0


async def test_an_older_view_told_first_gives_nobody_a_second_call(
    new_node: NewNode, redis: Redis
) -> None:
    clock = Clock()
    owner, home = await new_node("a", clock=clock), await new_node("b", clock=clock)
    await home.ready_agent("2001")

    def agents() -> dict[str, Presence]:
        """What home knows; a new dict when it has subscribed and asked for everything."""
        return home.floor._engine._mirror.agents  # type: ignore[attr-defined,no-any-return]

    older = agents()["2001"]
    await owner.floor.enqueue("c1", arrived_at=1)
    await owner.floor.talking(owner.offers[0])
    await until(lambda: agents()["2001"].state is State.TALKING)
    await home.floor.enqueue("c2", arrived_at=2)
    agents()["2001"] = older  # as if the news had been lost with Redis
    await redis.flushall()

    await home.floor.beat()
    assert await home.state("2001") == "ready"
    await owner.floor.beat()
    clock.now += 3
    await home.floor.beat()

    assert await home.state("2001") == "talking"
    assert home.offers == []
    await owner.floor.finish("2001", "c1")
    await owner.floor.end_wrap_up("2001")
    await home.floor.beat()
    assert [offer.call_id for offer in home.offers] == ["c2"]


async def test_a_conversation_of_a_node_that_never_comes_back_ends(
    new_node: NewNode, redis: Redis
) -> None:
    clock = Clock()
    owner, home = await new_node("a", clock=clock), await new_node("b", clock=clock)
    await home.ready_agent("2001")
    await owner.floor.enqueue("c1", arrived_at=1)
    await owner.floor.talking(owner.offers[0])
    await until(lambda: home.floor._engine._mirror.agents["2001"].state is State.TALKING)  # type: ignore[attr-defined]
    await redis.flushall()
    await home.floor.beat()
    assert await home.state("2001") == "talking"

    for _ in range(2):
        clock.now += 8
        await home.floor.beat()

    assert await home.state("2001") == "wrap_up"


async def test_a_node_started_again_has_none_of_its_old_calls(new_node: NewNode) -> None:
    clock = Clock()
    first = await new_node("a", clock=clock)
    await one_call_of_each_kind(first)

    again = await new_node("a", clock=clock)

    assert await again.state("1001") == "wrap_up"
    assert await again.state("1002") == "ready"
    counts = await again.floor.counts()
    assert (counts["waiting"], counts["offers"], counts["conversations"]) == (0, 0, 0)
    assert sorted(one.agent_id for one in again.presences) == ["1001", "1002"]


async def test_an_offer_whose_wake_up_was_lost_is_found_by_the_sweep(
    new_node: NewNode, redis: Redis
) -> None:
    clock = Clock()
    owner, other = await new_node("a", clock=clock), await new_node("b", clock=clock)
    await owner.floor.enqueue("c1", arrived_at=1)
    await redis.client_kill_filter(_type="pubsub")

    await other.ready_agent("1001")
    await owner.floor.beat()
    await owner.floor.beat()

    assert [offer.agent_id for offer in owner.offers] == ["1001"]


async def test_wake_ups_work_again_after_their_connection_was_lost(
    new_node: NewNode, redis: Redis
) -> None:
    clock = Clock()
    owner, other = await new_node("a", clock=clock), await new_node("b", clock=clock)
    await redis.client_kill_filter(_type="pubsub")
    channel = "hotline:{floor}:to:a"

    async def subscribed() -> bool:
        return bool((await redis.pubsub_numsub(channel))[0][1])

    await until_true(subscribed)
    await owner.floor.enqueue("c1", arrived_at=1)
    await other.ready_agent("1001")

    await until(lambda: owner.offers)


async def test_a_wake_up_that_comes_late_brings_no_call_back(new_node: NewNode) -> None:
    clock = Clock()
    owner, other = await new_node("a", clock=clock), await new_node("b", clock=clock)
    engine = owner.floor._engine
    assert isinstance(engine, ResilientEngine)
    await owner.floor.enqueue("c1", arrived_at=1)
    await other.ready_agent("1001")
    await until(lambda: owner.offers)
    late = News((), (engine._mirror.calls["c1"],), engine._versions["call c1"])
    await owner.floor.dequeue("c1")

    await engine._hear(late)
    assert engine._mirror.calls == {}

    await owner.floor.enqueue("c1", arrived_at=2)  # the same call waits again
    assert engine._mirror.calls["c1"].state == "offered"


async def test_what_happened_before_a_node_listens_again_is_told(
    new_node: NewNode, redis: Redis
) -> None:
    clock = Clock()
    owner, other = await new_node("a", clock=clock), await new_node("b", clock=clock)
    await owner.floor.enqueue("c1", arrived_at=1)
    await redis.client_kill_filter(_type="pubsub")
    await other.ready_agent("1001")

    engine = owner.floor._engine
    assert isinstance(engine, ResilientEngine)
    await engine._hear(None)

    assert [offer.agent_id for offer in owner.offers] == ["1001"]


async def test_what_a_cancelled_caller_caused_is_told_nevertheless(new_node: NewNode) -> None:
    node = await new_node("a")
    await node.ready_agent("1001")

    request = asyncio.create_task(node.floor.enqueue("c1", arrived_at=1))
    await asyncio.sleep(0)
    request.cancel()

    await until(lambda: node.offers)
    assert request.cancelled()


async def test_any_client_will_do(server: RedisServer) -> None:
    # It answers in bytes, retries for seconds, and waits five seconds for an answer.
    redis = Redis.from_url(server.url)
    node = Node(open_floor(redis=redis, node="a", times=LIVE))
    await node.floor.start()
    try:
        await one_call_of_each_kind(node)
        await server.kill()
        began = time.monotonic()
        await node.ready_agent("1003")
        assert time.monotonic() - began < 30
        await server.start()
        await until(lambda: node.floor.status == "ok")
        assert await node.floor.talking(node.offers[2])
    finally:
        await node.floor.close()
        await redis.aclose()


async def test_closing_leaves_no_task_behind(new_node: NewNode) -> None:
    before = asyncio.all_tasks()
    for name in "abc":
        node = await new_node(name)
        await node.floor.close()
    assert asyncio.all_tasks() == before
