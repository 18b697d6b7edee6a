"""What is left when everybody has gone."""

import asyncio
import random
import time

import pytest

from telephony.leg import Leg, LegConfirmed, LegEnded
from telephony.sip.message import make_response
from tests.support.waiting import until
from tests.telephony.gateways import (
    NOTHING,
    OFFER,
    QUICK,
    Desk,
    Owner,
    a_gateway,
    answer_to,
    status_of,
)
from tests.telephony.peers import a_peer


async def test_closing_hangs_up_everything(desk: Desk) -> None:
    owners = [Owner() for _ in range(3)]
    async with a_gateway(Desk(), timers=QUICK) as trunk:
        async with a_gateway(desk, timers=QUICK) as node:
            for owner in owners:
                trunk.call(
                    "sip:12345@x", node.endpoint.local, sdp=OFFER, caller="1", on_event=owner
                )
            legs = [await desk.call() for _ in owners]
            legs[0][0].ring()
            legs[1][0].answer(answer_to(legs[1][0]))
            await legs[1][1].told(LegConfirmed)
        for owner in owners:
            await owner.ended()
        for _, called in legs:
            assert [type(event) for event in called.events].count(LegEnded) == 1
        assert node.counts() == NOTHING
        await until(lambda: trunk.counts() == NOTHING)


async def test_nobody_is_let_in_while_the_node_closes(desk: Desk) -> None:
    async with a_gateway(desk) as node:
        with a_peer() as peer, a_peer() as late:
            owner = Owner()
            node.call("sip:1001@x", peer.address, sdp=OFFER, caller=None, on_event=owner)
            invite = await peer.request()
            closing = asyncio.create_task(node.close())
            await asyncio.sleep(0)
            assert await status_of(late, node, "INVITE", body=OFFER) == 503
            peer.send(make_response(invite, 486, to_tag="phone"), node.endpoint.local)
            await closing
    assert desk.calls.empty()


async def test_closing_does_not_wait_for_a_dead_peer(desk: Desk) -> None:
    owner = Owner()
    async with a_gateway(desk) as node:
        with a_peer() as peer:
            node.call("sip:1001@x", peer.address, sdp=OFFER, caller=None, on_event=owner)
            await peer.request()
        began = time.monotonic()
    assert time.monotonic() - began < 30  # less than its INVITE's transaction, 64 × T1
    assert await owner.ended() == LegEnded("local", None, "closed")


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_many_calls_over_a_bad_link_all_end_once(seed: int) -> None:
    """A tenth of all datagrams is lost; both sides hang up whenever they like."""
    chance = random.Random(seed)
    owners: list[Owner] = []

    def wishes(leg: Leg, deeds: list[str]) -> None:
        loop = asyncio.get_running_loop()
        for deed in deeds:
            delay = chance.uniform(0, 0.4)
            if deed == "answer":
                loop.call_later(delay, lambda: leg.answer(answer_to(leg)))
            else:
                loop.call_later(delay, getattr(leg, deed))
        loop.call_later(0.6, leg.hang_up)

    def take(leg: Leg) -> None:
        owner = Owner()
        leg.on_event = owner
        owners.append(owner)
        wishes(leg, chance.sample(["ring", "answer", "hang_up"], chance.randint(0, 3)))

    def lose() -> bool:
        return chance.random() < 0.1

    async with (
        a_gateway(take, timers=QUICK, drop=lose) as node,
        a_gateway(take, timers=QUICK, drop=lose) as trunk,
    ):
        for _ in range(30):
            owner = Owner()
            owners.append(owner)
            leg = trunk.call(
                "sip:12345@x", node.endpoint.local, sdp=OFFER, caller="1", on_event=owner
            )
            wishes(leg, chance.sample(["hang_up"], chance.randint(0, 1)))
        async with asyncio.timeout(15):
            for owner in owners:
                await owner.ended()
            await until(lambda: node.counts() == trunk.counts() == NOTHING, 10)
    for owner in owners:
        kinds = [type(event) for event in owner.events]
        assert kinds.count(LegEnded) == 1
        assert kinds[-1] is LegEnded
    assert node.endpoint.counters["user_errors"] == trunk.endpoint.counters["user_errors"] == 0
