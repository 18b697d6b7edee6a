"""Phones of a node that died: whoever lives takes back what its connections brought."""

import asyncio
from collections import Counter
from collections.abc import Mapping

from redis.asyncio import Redis

from telephony.bindings import Binding, MemoryBindings
from telephony.lives import LostConnections, RedisLives
from telephony.sip.hop import Transport, first_flow, life_of
from telephony.sip.via import Address
from tests.support.redis_server import RedisServer

HERE, THERE = 11, 22
EXPIRY = 7.0


class Hash:
    """The lives of all nodes, in memory; ``away``: nobody can beat."""

    def __init__(self) -> None:
        self.beats = Counter[str]()
        self.away = False

    async def beat(self, life: int) -> Mapping[str, float] | None:
        if self.away:
            return None
        self.beats[str(life)] += 1
        return dict(self.beats)

    async def forget(self, life: str) -> None:
        del self.beats[life]


class Node:
    """One that lives: it looks every two seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.hash = Hash()
        self.bindings = MemoryBindings(clock=lambda: 0.0)
        self.lost = LostConnections(
            self.bindings,
            self.hash,
            life=lambda: HERE,
            expiry_seconds=EXPIRY,
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
        for _ in range(int(seconds // 2)):
            self.now += 2.0
            changed += await self.lost.look()
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
    told = ["1001"]

    async def restore() -> list[str]:
        return told

    node.bindings.restore = restore  # type: ignore[method-assign]
    assert await node.looks(4) == []
    del node.hash.beats[str(HERE)]
    assert await node.looks(2) == told
    assert await node.looks(4) == []


def test_a_flow_tells_whose_it_is() -> None:
    assert {life_of(flow(THERE, number)) for number in (1, 2**32 - 1)} == {THERE}
    assert life_of(3) == life_of(None) == 0


async def test_lives_beat_in_redis(redis_server: RedisServer) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        one, other = RedisLives(redis), RedisLives(redis)
        assert await one.beat(HERE) == {str(HERE): 1.0}
        assert await other.beat(THERE) == {str(HERE): 1.0, str(THERE): 1.0}
        assert await one.beat(HERE) == {str(HERE): 2.0, str(THERE): 1.0}
        await other.forget(str(HERE))
        assert await other.beat(THERE) == {str(THERE): 2.0}
    await redis_server.kill()
    async with Redis.from_url(redis_server.url) as redis:
        assert await RedisLives(redis).beat(HERE) is None
        async with asyncio.timeout(5):
            await RedisLives(redis).forget(str(HERE))
