"""Phones of a node that died: whoever lives takes back what its connections brought."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

import pytest
from redis.asyncio import Redis

from telephony.bindings import Binding, Changed, MemoryBindings
from telephony.lives import LostConnections, RedisLives
from telephony.sip.hop import Transport, first_flow, life_of
from telephony.sip.via import Address
from tests.support.redis_server import RedisServer

HERE, THERE = 11, 22
EXPIRY = 7.0


class Hash:
    """The lives of all nodes, in memory; ``away``: nobody can beat; ``deaf``: nor forget."""

    def __init__(self) -> None:
        self.beats = Counter[str]()
        self.away = False
        self.deaf = False

    async def beat(self, life: int) -> Mapping[str, float] | None:
        if self.away:
            return None
        self.beats[str(life)] += 1
        return dict(self.beats)

    async def forget(self, life: str) -> bool:
        if not self.deaf:
            del self.beats[life]
        return not self.deaf


class Bindings(MemoryBindings):
    """Whose end and restoration may fail: ``outcomes`` come first, the last of them soonest."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: 0.0)
        self.outcomes: list[Changed] = []
        self.restored = 0

    async def end(self, over: Callable[[Binding], bool]) -> Changed:
        return self.outcomes.pop() if self.outcomes else await super().end(over)

    async def restore(self) -> Changed:
        self.restored += 1
        return self.outcomes.pop() if self.outcomes else Changed(["1001"])


class Node:
    """One that lives."""

    def __init__(self, expiry_seconds: float = EXPIRY) -> None:
        self.now = 0.0
        self.hash = Hash()
        self.bindings = Bindings()
        self.lost = LostConnections(
            self.bindings,
            self.hash,
            life=lambda: HERE,
            expiry_seconds=expiry_seconds,
            clock=lambda: self.now,
        )

    async def phone(self, aor: str, transport: Transport, flow: int, *path: str) -> None:
        peer: Address = ("10.0.0.1", 5060)
        contact = f"sip:{aor}@10.0.0.1"
        self.bindings.put(
            aor,
            Binding(
                aor,
                contact,
                peer,
                "c",
                1,
                300.0,
                transport=transport,
                flow=flow,
                path=path,
            ),
        )

    async def looks(self, seconds: float) -> list[str]:
        changed: list[str] = []
        until = self.now + seconds
        while self.now < until:
            self.now += self.lost.beat_seconds
            await self.lost.beat()
            if self.lost.due.is_set():
                changed += await self.lost.take_back()
        return changed


def flow(life: int, number: int) -> int:
    return first_flow(life) + number


async def test_connections_of_a_dead_node_are_taken_back_within_ten_seconds() -> None:
    node = Node()
    await node.phone("1001", "TCP", flow(THERE, 1))
    await node.phone("1002", "WSS", flow(THERE, 2))
    await node.phone("1003", "UDP", 1)  # any node can send there
    await node.phone("1004", "TCP", flow(HERE, 1))
    await node.phone("1005", "TCP", flow(THERE, 3), "<sip:10.0.0.1:5060;transport=tcp;lr>")  # ditto
    await node.hash.beat(THERE)
    assert await node.looks(8) == []
    assert await node.looks(2) == ["1001", "1002"]
    assert await node.bindings.aors() == ["1003", "1004", "1005"]
    assert str(THERE) not in node.hash.beats
    assert await node.looks(20) == []


async def test_a_node_that_beats_keeps_its_phones() -> None:
    node = Node()
    await node.phone("1001", "TLS", flow(THERE, 1))
    for _ in range(10):
        await node.hash.beat(THERE)
        assert await node.looks(4) == []
    assert await node.bindings.aors() == ["1001"]


async def test_while_redis_is_away_nobody_dies() -> None:
    node = Node()
    await node.phone("1001", "TCP", flow(THERE, 1))
    await node.hash.beat(THERE)
    await node.looks(6)
    node.hash.away = True
    assert await node.looks(60) == []
    node.hash.away = False
    assert await node.looks(8) == []
    assert await node.looks(2) == ["1001"]


async def test_who_was_taken_for_dead_has_his_phones_told_again() -> None:
    node = Node()
    assert await node.looks(4) == []
    del node.hash.beats[str(HERE)]
    assert await node.looks(2) == ["1001"]
    assert await node.looks(4) == []
    assert node.bindings.restored == 1


async def test_phones_that_could_not_be_restored_are_next_time() -> None:
    node = Node()
    assert await node.looks(2) == []
    del node.hash.beats[str(HERE)]
    node.bindings.outcomes = [Changed(["1002"], whole=False)]
    assert await node.looks(2) == [], "Redis cannot say how many there are"
    assert await node.looks(2) == ["1001", "1002"]
    assert await node.looks(4) == []


async def test_what_a_burial_removed_before_it_failed_is_told() -> None:
    node = Node()
    await node.phone("1001", "TCP", flow(THERE, 1))
    await node.hash.beat(THERE)
    node.bindings.outcomes = [Changed(["1002"], whole=False)]
    assert await node.looks(10) == []
    assert str(THERE) in node.hash.beats, "others are to find it dead, should we die now"
    assert await node.looks(2) == ["1001", "1002"]
    assert str(THERE) not in node.hash.beats


async def test_a_slow_node_learns_that_it_was_buried_even_when_that_could_not_be_said() -> None:
    node = Node()
    await node.phone("1001", "TCP", flow(THERE, 1))
    await node.hash.beat(THERE)
    node.hash.deaf = True
    assert await node.looks(10) == ["1001"]
    await node.hash.beat(THERE)  # it was only slow
    node.hash.deaf = False
    await node.looks(2)
    assert str(THERE) not in node.hash.beats
    await node.hash.beat(THERE)
    await node.looks(4)
    assert node.hash.beats[str(THERE)] == 1, "once is enough"


async def test_what_a_burial_left_is_taken_back_when_redis_answers_again() -> None:
    node = Node()
    await node.phone("1001", "TCP", flow(THERE, 1))
    await node.hash.beat(THERE)
    node.bindings.outcomes = [Changed(["1002"], whole=False)]
    await node.looks(10)
    node.hash.away = True
    assert await node.looks(10) == []
    node.hash.away = False
    assert await node.looks(2) == ["1002"]
    assert await node.looks(6) == [], "it may live, and was not able to beat"
    assert await node.looks(2) == ["1001"]


@pytest.mark.parametrize("expiry", [0.5, 1.0, 2.0, 30.0])
async def test_the_dead_are_found_however_soon_a_node_is_dead(expiry: float) -> None:
    node = Node(expiry)
    await node.phone("1001", "TCP", flow(THERE, 1))
    await node.hash.beat(THERE)
    assert await node.looks(2 * expiry) == ["1001"]


def test_a_flow_tells_whose_it_is() -> None:
    assert {life_of(flow(THERE, number)) for number in (1, 2**32 - 1)} == {THERE}
    assert life_of(3) == life_of(None) == 0


async def test_lives_beat_in_redis(redis_server: RedisServer) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        one, other = RedisLives(redis), RedisLives(redis)
        assert await one.beat(HERE) == {str(HERE): 1.0}
        assert await other.beat(THERE) == {str(HERE): 1.0, str(THERE): 1.0}
        assert await one.beat(HERE) == {str(HERE): 2.0, str(THERE): 1.0}
        assert await other.forget(str(HERE))
        assert await other.beat(THERE) == {str(THERE): 2.0}
    await redis_server.kill()
    async with Redis.from_url(redis_server.url) as redis:
        assert await RedisLives(redis).beat(HERE) is None
        async with asyncio.timeout(5):
            assert not await RedisLives(redis).forget(str(HERE))
