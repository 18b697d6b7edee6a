import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from eventbus.bus import EventBus
from eventbus.catalogue import CallWaiting, Event, TicketSubmitted
from eventbus.docs import EXAMPLES
from eventbus.fanout import RedisFanout, parse_foreign
from tests.support.redis_server import RedisServer, running_redis
from tests.support.waiting import until


def waiting(number: int) -> CallWaiting:
    return CallWaiting(at=float(number), call_id=str(number), line="12345")


class Node:
    def __init__(self, name: str, redis: Redis, prefix: str = "test") -> None:
        self.bus = EventBus()
        self.heard: list[Event] = []
        self.statuses: list[str] = []
        self.bus.subscribe(self.heard.append)
        self.fanout = RedisFanout(
            bus=self.bus,
            redis=redis,
            node=name,
            prefix=prefix,
            on_status=self.statuses.append,
        )


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with running_redis() as server:
        yield server


@pytest.fixture
async def nodes(server: RedisServer) -> AsyncIterator[tuple[Node, Node]]:
    async with AsyncExitStack() as stack:
        both = []
        for name in ("one", "two"):
            redis = Redis.from_url(server.url)
            stack.push_async_callback(redis.aclose)
            node = Node(name, redis)
            await node.fanout.start()
            stack.push_async_callback(node.fanout.close)
            both.append(node)
        await until(lambda: all(node.fanout.connected for node in both))
        yield both[0], both[1]


async def test_others_hear_it_and_the_publisher_hears_it_once(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    events: list[Event] = [
        waiting(1),
        TicketSubmitted(at=2.0, ticket_id="t", fields={"name": "陆", "urgent": False}),
    ]
    for event in events:
        one.bus.publish(event)
    two.bus.publish(waiting(3))
    await until(lambda: len(two.heard) == 3 and len(one.heard) == 3)
    assert one.heard == [*events, waiting(3)]
    assert [event for event in two.heard if event != waiting(3)] == events


async def test_what_came_from_elsewhere_is_not_sent_on(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    one.bus.publish(waiting(1))
    await until(lambda: two.heard)
    # Had it been sent on, this answer would arrive behind the echo.
    two.bus.publish(waiting(2))
    await until(lambda: waiting(2) in one.heard)
    assert one.heard == [waiting(1), waiting(2)]


async def test_hotlines_with_different_prefixes_do_not_hear_each_other(
    server: RedisServer, nodes: tuple[Node, Node]
) -> None:
    async with Redis.from_url(server.url) as redis:
        stranger = Node("one", redis, prefix="other")
        await stranger.fanout.start()
        await until(lambda: stranger.fanout.connected)
        stranger.bus.publish(waiting(1))
        nodes[0].bus.publish(waiting(2))
        await until(lambda: nodes[1].heard)
        assert nodes[1].heard == [waiting(2)]
        await stranger.fanout.close()


async def test_without_redis_local_delivery_goes_on_and_it_comes_back(
    server: RedisServer, nodes: tuple[Node, Node]
) -> None:
    one, two = nodes
    await server.kill()
    await until(lambda: not one.fanout.connected and not two.fanout.connected, 10)
    one.bus.publish(waiting(1))
    assert one.heard == [waiting(1)]
    assert one.fanout.dropped >= 1
    await server.restart(wipe=True)
    await until(lambda: one.fanout.connected and two.fanout.connected, 10)
    one.bus.publish(waiting(2))
    await until(lambda: two.heard)
    assert two.heard == [waiting(2)]
    assert one.statuses == ["ok", "away", "ok"]


async def test_noise_on_the_channel_does_no_harm(
    server: RedisServer, nodes: tuple[Node, Node]
) -> None:
    async with Redis.from_url(server.url) as redis:
        for noise in (b"", b"[]", b"\xff", b'{"node": "x", "event": {"event": "new.one"}}'):
            await redis.publish("test:events", noise)
    nodes[0].bus.publish(waiting(1))
    await until(lambda: nodes[1].heard)
    assert nodes[1].heard == [waiting(1)]


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "call.waiting"},
        {"event": "from.tomorrow"},
        {},
    ],
)
def test_events_that_only_other_versions_have_are_left_out(fields: dict[str, object]) -> None:
    assert parse_foreign(json.dumps({"node": "x", "event": fields}), own_node="me") is None


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.name)
def test_of_newer_nodes_events_all_is_taken_but_the_fields_that_are_new(event: Event) -> None:
    told = json.loads(json.dumps({"node": "x", "event": {**event.to_dict(), "colour": "red"}}))
    heard = parse_foreign(json.dumps(told), own_node="me")
    assert heard is not None
    assert json.loads(json.dumps(heard.to_dict())) == json.loads(json.dumps(event.to_dict()))


async def test_closing_before_redis_was_ever_there() -> None:
    async with Redis(unix_socket_path="/nonexistent/socket") as redis:
        node = Node("one", redis)
        await node.fanout.start()
        await asyncio.sleep(0)
        node.bus.publish(waiting(1))
        await node.fanout.close()
    assert node.heard == [waiting(1)]
    assert node.statuses == []


async def test_a_node_that_is_alone_sends_nothing_until_somebody_comes(
    server: RedisServer,
) -> None:
    async with Redis.from_url(server.url) as redis, Redis.from_url(server.url) as other:
        one, two = Node("one", redis), Node("two", other)
        await one.fanout.start()
        await until(lambda: one.fanout.connected)
        one.bus.publish(waiting(1))  # by this one it learns that nobody listens
        await until(lambda: one.fanout.alone, 10)
        before = await published(redis)
        for number in range(2, 2000):
            one.bus.publish(waiting(number))
        await two.fanout.start()
        await until(lambda: two.fanout.connected)
        one.bus.publish(waiting(2000))
        await until(lambda: bool(two.heard), 10)
        one.bus.publish(waiting(2001))
        await until(lambda: waiting(2001) in two.heard, 10)
        assert one.fanout.dropped == 0
        assert await published(redis) - before <= len(two.heard) + 1
        await one.fanout.close()
        await two.fanout.close()


async def published(redis: Redis) -> int:
    """Return how many messages Redis has been given so far."""
    return int((await redis.info("commandstats")).get("cmdstat_publish", {"calls": 0})["calls"])
