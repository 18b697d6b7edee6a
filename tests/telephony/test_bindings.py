"""One contract for both adapters, and what Redis adds: sharing, absence, loss of its data."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from telephony.bindings import Binding, BindingStore, MemoryBindings
from telephony.redis_bindings import RedisBindings
from tests.support.redis_server import RedisServer, running_redis
from tests.support.waiting import until

PHONE, OTHER = "sip:1001@10.0.0.1:5060", "sip:1001@10.0.0.2:5060"


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


CLOCK = Clock()


def bound(uri: str = PHONE, *, seconds: float = 300.0, **changes: object) -> Binding:
    binding = Binding("1001", uri, ("10.0.0.1", 40001), "phone", 1, CLOCK.now + seconds)
    return replace(binding, **changes)  # type: ignore[arg-type]


class Node:
    """A node's store and its own connection, with short waits."""

    def __init__(self, server: RedisServer) -> None:
        self.closed = set[int | None]()  # flows
        self.redis = Redis.from_url(server.url, socket_timeout=0.3, socket_connect_timeout=0.3)
        self.store = RedisBindings(
            self.redis,
            clock=CLOCK,
            retry_seconds=0.02,
            is_alive=lambda hop: hop.flow not in self.closed,
        )

    async def back(self) -> None:
        """Wait until Redis is in use again."""
        await until(lambda: not self.store.away)

    async def close(self) -> None:
        await self.store.close()
        await self.redis.aclose()


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[BindingStore]:
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            yield MemoryBindings(clock=CLOCK)
        else:
            node = Node(await stack.enter_async_context(running_redis()))
            stack.push_async_callback(node.close)
            yield node.store


@pytest.fixture
async def node(redis_server: RedisServer) -> AsyncIterator[Node]:
    made = Node(redis_server)
    yield made
    await made.close()


@pytest.fixture
async def second(redis_server: RedisServer) -> AsyncIterator[Node]:
    made = Node(redis_server)
    yield made
    await made.close()


# The contract


async def test_what_is_saved_is_found(store: BindingStore) -> None:
    whole = bound(
        q=0.5,
        instance="<urn:uuid:1>",
        contact_uri='sip:1001@[::1]:5060;x="y"',
        path=("<sip:10.0.0.1;lr>", "<sip:10.0.0.2;lr>"),
    )
    await store.save("1001", whole)
    assert await store.lookup("1001") == [whole]
    assert await store.lookup("1002") == []
    assert await store.count() == 1


async def test_the_best_comes_first(store: BindingStore) -> None:
    newer, older, low = bound(seconds=300), bound(OTHER, seconds=200), bound("sip:x", q=0.1)
    for binding in (low, older, newer):
        await store.save("1001", binding)
    assert await store.lookup("1001") == [newer, older, low]
    await store.save("1002", bound())
    assert await store.count() == 4
    assert await store.aors() == ["1001", "1002"]


async def test_who_has_lapsed_is_told_for_a_while(store: BindingStore) -> None:
    began = CLOCK.now
    await store.save("1001", bound(seconds=10))
    await store.save("1002", bound(seconds=60))
    CLOCK.now += 20
    assert await store.lapsed(began, CLOCK.now) == ["1001"]
    await store.save("1003", bound())
    assert await store.lapsed(began, CLOCK.now) == ["1001"]
    assert await store.lapsed(began + 15, CLOCK.now) == []
    assert await store.aors() == ["1002", "1003"]


async def test_a_renewal_replaces_and_one_that_was_overtaken_does_not(store: BindingStore) -> None:
    first, second = bound(cseq=1), bound(cseq=2, seconds=600)
    await store.save("1001", second)
    await store.save("1001", first)
    assert await store.lookup("1001") == [second]
    restarted = bound(cseq=1, call_id="another")
    await store.save("1001", restarted)
    assert await store.lookup("1001") == [restarted]
    assert await store.count() == 1


async def test_saving_again_changes_nothing(store: BindingStore) -> None:
    await store.save("1001", bound())
    await store.save("1001", bound())
    assert await store.lookup("1001") == [bound()]
    assert await store.count() == 1


async def test_what_is_removed_is_gone(store: BindingStore) -> None:
    await store.save("1001", bound())
    await store.save("1001", bound(OTHER))
    await store.remove("1001", PHONE)
    await store.remove("1001", "sip:never@there")
    assert await store.lookup("1001") == [bound(OTHER)]
    assert await store.count() == 1
    await store.remove("1001", OTHER)
    assert await store.lookup("1001") == []
    assert await store.aors() == []


async def test_the_expired_are_not_told(
    store: BindingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    brief, lasting = bound(seconds=60), bound(OTHER, seconds=600)
    await store.save("1001", brief)
    await store.save("1001", lasting)
    monkeypatch.setattr(CLOCK, "now", CLOCK.now + 60)
    assert await store.lookup("1001") == [lasting]
    assert await store.count() == 1
    await store.save("1002", bound())
    monkeypatch.setattr(CLOCK, "now", CLOCK.now + 600)
    assert await store.lookup("1001") == []
    assert await store.count() == 0


# Redis


async def test_nodes_share_what_is_registered(node: Node, second: Node) -> None:
    await node.store.save("1001", bound())
    assert await second.store.lookup("1001") == [bound()]
    await second.store.remove("1001", PHONE)
    assert await node.store.lookup("1001") == []


async def test_what_a_newer_node_has_registered_is_found(node: Node, second: Node) -> None:
    """During an upgrade its bindings may hold what this version does not know."""
    await node.store.save("1001", bound())
    [key] = [key async for key in node.redis.scan_iter("*:aor:*")]
    kept = await cast("Awaitable[bytes]", node.redis.hget(key, PHONE))
    newer = json.dumps({**json.loads(kept), "colour": "red"})
    await node.redis.hset(key, PHONE, newer)
    assert await second.store.lookup("1001") == [bound()]


async def test_nothing_stays_in_redis_for_ever(node: Node) -> None:
    await node.store.save("1001", bound(seconds=200))
    await node.store.save("1001", bound(OTHER, seconds=100))
    [key] = [key async for key in node.redis.scan_iter("*:aor:*")]
    assert 199_000 < await node.redis.pttl(key) <= 200_000
    keys = [key async for key in node.redis.scan_iter("*")]
    assert len({key.partition(b"}")[0] for key in keys}) == 1, "one hash tag"


@pytest.mark.parametrize("end", ["kill", "freeze"])
async def test_without_redis_the_cache_answers_and_changes_are_written_later(
    redis_server: RedisServer, node: Node, second: Node, end: str
) -> None:
    await node.store.save("1001", bound())
    await node.store.save("1002", bound())
    assert await second.store.lookup("1001") == [bound()]
    if end == "kill":
        await redis_server.kill()
    else:
        redis_server.freeze()
    await node.store.save("1001", bound(OTHER))
    assert node.store.away
    assert set(await node.store.lookup("1001")) == {bound(), bound(OTHER)}
    await node.store.remove("1002", PHONE)
    assert await node.store.aors() == ["1001"]
    assert await node.store.count() == 2
    assert await second.store.lookup("1001") == [bound()]
    if end == "kill":
        await redis_server.start()
    else:
        redis_server.thaw()
    await node.back()
    await second.back()
    assert set(await second.store.lookup("1001")) == {bound(), bound(OTHER)}
    assert await second.store.lookup("1002") == []
    assert await second.store.count() == 2


async def test_only_the_latest_of_several_changes_is_left(
    redis_server: RedisServer, node: Node, second: Node
) -> None:
    await redis_server.kill()
    await node.store.save("1001", bound())
    await node.store.save("1001", bound(OTHER))
    await node.store.remove("1001", PHONE)
    await node.store.save("1001", bound(cseq=2))
    await node.store.remove("1001", OTHER)
    await redis_server.start()
    await node.back()
    assert await second.store.lookup("1001") == [bound(cseq=2)]


@pytest.mark.parametrize("noticed", [True, False])
async def test_a_redis_that_lost_its_data_gets_it_back(
    redis_server: RedisServer,
    node: Node,
    second: Node,
    noticed: bool,  # noqa: FBT001
) -> None:
    await node.store.save("1001", bound())
    await node.store.save("1002", bound(seconds=600))
    await redis_server.kill()
    if noticed:
        await node.store.lookup("1001")
    await redis_server.restart(wipe=True)
    await node.store.lookup("1001")
    await node.back()
    assert await node.store.lookup("1001") == [bound()]
    assert await second.store.lookup("1002") == [bound(seconds=600)]


async def test_each_node_gives_redis_back_what_it_lost(
    redis_server: RedisServer, node: Node, second: Node
) -> None:
    """Also one that comes when another has given back its own already."""
    await node.store.save("1001", bound())
    await second.store.save("1002", bound("sip:1002@h", aor="1002"))
    third = Node(redis_server)  # sees a Redis that has lost nothing since
    await redis_server.restart(wipe=True)
    for one in (node, second, third):
        await one.store.lookup("1003")
        await one.back()
    assert await third.store.aors() == ["1001", "1002"]
    await second.redis.flushall()  # nobody's connection is lost by this
    await node.store.save("1003", bound("sip:1003@h", aor="1003"))
    await second.store.lookup("1003")
    assert await third.store.aors() == ["1001", "1002", "1003"]
    await third.close()


async def test_what_another_node_removed_is_not_brought_back(
    redis_server: RedisServer, node: Node, second: Node
) -> None:
    await node.store.save("1001", bound())
    await second.store.remove("1001", PHONE)
    assert await node.store.lookup("1001") == []
    await redis_server.restart(wipe=True)
    await node.store.save("1002", bound())
    await node.back()
    assert await node.store.lookup("1001") == []


async def test_closing_while_redis_is_away_leaves_no_task(
    redis_server: RedisServer, node: Node
) -> None:
    await redis_server.kill()
    await node.store.save("1001", bound())
    assert node.store.away
    await node.store.close()
    assert "bindings-retry" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_a_frozen_redis_holds_nobody_up_for_long(
    redis_server: RedisServer, node: Node
) -> None:
    await node.store.save("1001", bound())
    redis_server.freeze()
    async with asyncio.timeout(10):
        answers = await asyncio.gather(*(node.store.lookup("1001") for _ in range(50)))
    redis_server.thaw()
    assert answers == [[bound()]] * 50


class SlowAnswers:
    """Keeps what Redis answered to lookups until it is let through, in the order of asking."""

    def __init__(self, store: RedisBindings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held: list[asyncio.Event] = []
        self._read = store._read
        monkeypatch.setattr(store, "_read", self._slowly)

    async def _slowly(self, aor: str) -> tuple[bool, list[Binding]]:
        answer = await self._read(aor)
        let_through = asyncio.Event()
        self.held.append(let_through)
        await let_through.wait()
        return answer


async def test_lookups_do_not_wait_for_one_another(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.store.save("1001", bound())
    slow = SlowAnswers(node.store, monkeypatch)
    lookups = [asyncio.create_task(node.store.lookup("1001")) for _ in range(20)]
    await until(lambda: len(slow.held) == len(lookups))
    for answer in slow.held:
        answer.set()
    assert await asyncio.gather(*lookups) == [[bound()]] * len(lookups)


async def test_an_answer_that_was_overtaken_by_a_change_is_not_believed(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.store.save("1001", bound())
    slow = SlowAnswers(node.store, monkeypatch)
    lookup = asyncio.create_task(node.store.lookup("1001"))
    await until(lambda: len(slow.held) == 1)
    await node.store.save("1001", bound(OTHER))
    slow.held[0].set()
    await until(lambda: len(slow.held) == 2)
    slow.held[1].set()
    assert {binding.contact_uri for binding in await lookup} == {PHONE, OTHER}


# What is over at once


async def test_what_is_over_is_ended_and_nothing_else(store: BindingStore) -> None:
    for uri, flow in ((PHONE, 7), (OTHER, 8)):
        await store.save("1001", bound(uri, transport="TCP", flow=flow))
    third = bound("sip:1002@h", aor="1002")
    await store.save("1002", third)
    assert await store.end(lambda binding: binding.flow == 7) == (["1001"], True)
    assert [one.contact_uri for one in await store.lookup("1001")] == [OTHER]
    assert await store.lookup("1002") == [third]
    assert await store.end(lambda binding: binding.flow == 7) == ([], True)
    assert await store.count() == 2


async def test_what_is_renewed_just_then_is_not_ended(node: Node, second: Node) -> None:
    await node.store.save("1001", bound(flow=7))
    newer = bound(flow=8, cseq=2)
    renewing: list[asyncio.Task[None]] = []

    def over(binding: Binding) -> bool:
        renewing.append(asyncio.get_running_loop().create_task(second.store.save("1001", newer)))
        return binding.flow == 7

    run = node.store._run

    async def later(script: str, aor: str, *args: str | float) -> object:
        await asyncio.gather(*renewing)
        return await run(script, aor, *args)

    node.store._run = later  # type: ignore[method-assign]
    await node.store.end(over)
    assert await second.store.lookup("1001") == [newer]


async def test_a_node_without_redis_ends_nothing(node: Node, redis_server: RedisServer) -> None:
    await node.store.save("1001", bound(transport="TCP", flow=7))
    await redis_server.kill()
    assert await node.store.end(lambda _binding: True) == ([], False)
    assert await node.store.restore() == (["1001"], False)
    assert await node.store.lookup("1001") != []


async def test_many_are_ended_though_each_answer_takes_long(node: Node, second: Node) -> None:
    aors = [str(number) for number in range(2000, 2400)]
    for aor in aors:
        await node.store.save(aor, bound(f"sip:{aor}@h", aor=aor, transport="TCP", flow=7))
    run, under_way, asked = second.store._run, 0, list[int]()

    async def counted(script: str, aor: str, *args: str | float) -> object:
        nonlocal under_way
        under_way += 1
        asked.append(under_way)
        answer = await run(script, aor, *args)
        under_way -= 1
        return answer

    second.store._run = counted  # type: ignore[method-assign]
    assert await second.store.end(lambda _binding: True) == (aors, True)
    assert len(asked) == 2 * len(aors)
    assert asked.count(1) <= 2 * len(aors) // 50, "one write and one wait for many"
    assert await second.store.count() == 0


async def test_what_was_ended_before_redis_went_is_told(
    node: Node, second: Node, redis_server: RedisServer
) -> None:
    for number in range(2000, 2060):
        aor = str(number)
        await node.store.save(aor, bound(f"sip:{aor}@h", aor=aor, transport="TCP", flow=7))
    run = second.store._run

    async def until_the_last(script: str, aor: str, *args: str | float) -> object:
        if aor == "2059":
            await redis_server.kill()
        return await run(script, aor, *args)

    second.store._run = until_the_last  # type: ignore[method-assign]
    ended, whole = await second.store.end(lambda _binding: True)
    assert not whole
    assert ended == [str(number) for number in range(2000, 2050)]


def connected(uri: str = PHONE, **changes: object) -> Binding:
    return replace(bound(uri, transport="TLS", flow=7), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("looked", [False, True])
async def test_who_was_taken_for_dead_saves_its_phones_again(
    node: Node,
    second: Node,
    looked: bool,  # noqa: FBT001
) -> None:
    await node.store.save("1001", connected())
    await node.store.save("1002", connected("sip:1002@h", aor="1002"))
    await second.store.end(lambda _binding: True)
    moved = connected("sip:1002@h", aor="1002", flow=9, call_id="another")
    await second.store.save("1002", moved)  # that phone has come to another node meanwhile
    if looked:  # a call for it comes before the node has found out
        assert await node.store.lookup("1001") == []
        assert await node.store.lookup("1002") == [moved]
    assert (await node.store.restore()).whole
    assert await second.store.lookup("1001") == [connected()]
    assert await second.store.lookup("1002") == [moved]


@pytest.mark.parametrize("looked", [False, True])
async def test_a_phone_that_has_moved_is_not_restored_where_it_was(
    node: Node,
    second: Node,
    looked: bool,  # noqa: FBT001
) -> None:
    await node.store.save("1001", connected(instance="<urn:x>"))
    moved = connected(OTHER, flow=9, instance="<urn:x>", call_id="another")
    await second.store.remove("1001", PHONE)
    await second.store.save("1001", moved)
    if looked:
        await node.store.lookup("1001")
        await second.store.remove("1001", OTHER)
    await node.store.restore()
    assert await second.store.lookup("1001") == ([] if looked else [moved])


async def test_a_phone_whose_connection_is_gone_is_not_restored(
    redis_server: RedisServer, node: Node, second: Node
) -> None:
    await node.store.save("1001", connected())
    await node.store.save("1002", bound("sip:1002@h", aor="1002"))
    await second.store.end(lambda binding: binding.hop.tied)
    node.closed.add(7)
    assert await node.store.restore() == ([], True)
    assert await second.store.lookup("1001") == []
    await redis_server.restart(wipe=True)
    assert await node.store.lookup("1001") == []
    await node.back()
    assert await node.store.aors() == ["1002"]


@pytest.mark.parametrize("looked", [False, True])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("removed", [False, True])
async def test_what_another_node_withdrew_stays_so_when_redis_loses_its_data(
    redis_server: RedisServer,
    node: Node,
    second: Node,
    *,
    looked: bool,
    tied: bool,
    removed: bool,
) -> None:
    phone = connected() if tied else bound()
    await node.store.save("1001", phone)
    await node.store.save("1002", connected("sip:1002@h", aor="1002"))
    if looked:
        assert await second.store.lookup("1001") == [phone]
    moved = replace(phone, flow=9, call_id="another")
    if removed:
        await second.store.remove("1001", PHONE)
    else:
        await second.store.save("1001", moved)
    assert await node.store.lapsed(CLOCK.now, CLOCK.now) == []  # as each node asks all the time
    await redis_server.restart(wipe=True)
    for one in (second, node):
        await one.store.lookup("1001")
        await one.back()
    assert await node.store.lookup("1001") == ([] if removed else [moved])
    assert await node.store.aors() == (["1002"] if removed else ["1001", "1002"])


async def test_who_comes_back_after_he_was_withdrawn_is_kept(
    redis_server: RedisServer, node: Node, second: Node
) -> None:
    await node.store.save("1001", connected())
    await second.store.remove("1001", PHONE)
    await node.store.save("1001", connected(cseq=2))
    assert await node.store.lapsed(CLOCK.now, CLOCK.now) == []
    await redis_server.restart(wipe=True)
    await node.store.lookup("1001")
    await node.back()
    assert await second.store.lookup("1001") == [connected(cseq=2)]


async def test_many_withdrawn_are_read_in_parts_and_none_of_them_twice(
    redis_server: RedisServer, node: Node, second: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be read in time is read next time, not all of it again."""
    monkeypatch.setattr("telephony.redis_bindings._WITHDRAWN_AT_ONCE", 4)
    for number in range(10):
        await node.store.save(f"{number}", connected(aor=f"{number}"))
        await second.store.remove(f"{number}", PHONE)
    read: list[int] = []
    xrange = node.redis.xrange

    async def interrupted(*args: Any, **options: Any) -> Any:
        entries: Any = await xrange(*args, **options)
        if len(read) == 1:
            read.append(0)
            raise ConnectionError
        read.append(len(entries))
        return entries

    monkeypatch.setattr(node.redis, "xrange", interrupted)
    assert await node.store.lapsed(CLOCK.now, CLOCK.now) is None
    await node.back()
    assert await node.store.lapsed(CLOCK.now, CLOCK.now) == []
    assert read == [4, 0, 4, 2]
    await redis_server.restart(wipe=True)
    await node.store.lookup("1")
    await node.back()
    assert await node.store.aors() == []


async def test_who_was_taken_for_dead_restores_nothing_that_was_withdrawn(
    node: Node, second: Node
) -> None:
    await node.store.save("1001", connected())
    await second.store.remove("1001", PHONE)
    assert (await node.store.restore()).whole
    assert await second.store.lookup("1001") == []
