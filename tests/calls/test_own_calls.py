"""Calls that agents make from their own phones."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from agents.presence import Presence, State
from telephony.leg import Leg, LegRinging
from tests.calls.house import House, StandInLeg, open_house, sdp
from tests.support.node import until


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


async def test_an_agent_calls_a_partner(house: House) -> None:
    await house.ready_agent("1001")
    own = StandInLeg(remote_sdp=sdp(), account="1001", called="110", caller="1001")
    house.service.on_call(cast("Leg", own))
    police = await house.phone()
    await house.until_state("1001", "not_ready")
    police.on_event(LegRinging())
    police.pick_up()

    async def talking() -> bool:
        return house.service.live()[0].state == "talking" and bool(house.media.recordings)

    await until(talking, seconds=30, every=0.001)
    assert own.done == ["ring", "answer"]
    (view,) = house.service.live()
    assert (view.direction, view.agent_id, view.ticket_id) == ("outbound", "1001", None)
    own.end()
    record = await house.record()
    assert (record["direction"], record["called"], record["agent_id"]) == (
        "outbound",
        "110",
        "1001",
    )
    assert (record["ended_by"], record["outcome"], record["caller"]) == ("agent", "answered", None)
    await house.until_state("1001", "ready")
    await house.nothing_is_left()


@pytest.mark.parametrize(
    "called, done",
    [
        ("95588", "refuse 403"),
        ("12345", "refuse 403"),
        ("1003", "refuse 480"),
        ("999", "refuse 480"),
    ],
)
async def test_an_agent_does_not_call_whom_he_may_not(house: House, called: str, done: str) -> None:
    own = StandInLeg(remote_sdp=sdp(), account="1001", called=called, caller="1001")
    house.service.on_call(cast("Leg", own))

    async def refused() -> bool:
        return own.done == [done]

    await until(refused, seconds=30, every=0.001)
    assert not house.gateway.phones
    assert house.service.counts()["calls"] == 0


async def test_an_agent_calls_another(house: House) -> None:
    await house.ready_agent("1002")
    own = StandInLeg(remote_sdp=sdp(), account="1001", called="1002", caller="1001")
    house.service.on_call(cast("Leg", own))
    phone = await house.phone()
    phone.pick_up()
    await house.until_state("1002", "talking")
    phone.end()
    record = await house.record()
    assert (record["outcome"], own.over) == ("answered", True)
    await house.until_state("1002", "wrap_up")
    await house.nothing_is_left()


async def own_call(house: House, called: str = "110") -> tuple[StandInLeg, StandInLeg]:
    """Let agent 1001 call a partner from his phone; return both phones."""
    await house.ready_agent("1001")
    own = StandInLeg(remote_sdp=sdp(), account="1001", called=called, caller="1001")
    house.service.on_call(cast("Leg", own))
    return own, await house.phone()


async def comes_true(condition: Callable[[], object]) -> None:
    async def met() -> bool:
        return bool(condition())

    await until(met, seconds=30, every=0.001)


async def test_an_agent_hears_what_the_other_exchange_says_before_the_answer(
    house: House,
) -> None:
    own, police = await own_call(house)
    police.on_event(LegRinging())
    police.on_event(LegRinging(183, sdp(port=4400)))
    await comes_true(lambda: own.done == ["ring", "ring 183"])
    (call,) = house.service.live()
    sessions = {f"{call.call_id}.{name}" for name in ("caller", "p0-1")}
    assert [set(pair) for pair in house.media.bridges] == [sessions]
    assert house.media.sessions[f"{call.call_id}.p0-1"]["port"] == 4400
    assert (call.state, call.answered_at) == ("offered", None)
    police.pick_up(sdp(port=4400))
    await comes_true(lambda: "answer" in own.done)
    assert own.answers == own.answers[:1] * 2  # RFC 3261 §13.2.1: the answer does not change
    assert [set(pair) for pair in house.media.bridges] == [sessions]
    own.end()
    assert (await house.record())["outcome"] == "answered"
    await house.nothing_is_left()


async def test_an_announcement_that_ends_in_a_refusal_is_followed_by_the_next_numbers_ringing(
    house: House,
) -> None:
    own, first = await own_call(house)
    first.on_event(LegRinging(183, sdp(port=4400)))
    await comes_true(lambda: "ring 183" in own.done)
    first.end(status=480)
    second = await house.phone(1)
    assert second.called == "1101"
    await comes_true(house.media.playing.values)  # the phone plays no tone of its own any more
    assert not house.media.bridges
    second.pick_up()
    await comes_true(lambda: "answer" in own.done)
    assert not house.media.playing
    assert len(house.media.bridges) == 1
    own.end()
    await house.record()
    await house.nothing_is_left()


@pytest.mark.parametrize("refused", ["set_remote", "bridge"])
async def test_without_media_the_phone_rings_and_the_call_can_still_end(
    house: House, refused: str
) -> None:
    own, police = await own_call(house)
    house.media.refuses[refused] = "busy"
    police.on_event(LegRinging(183, sdp(port=4400)))
    await comes_true(lambda: refused in house.media.asked)
    own.end()
    record = await house.record()
    assert (record["outcome"], record["ended_by"]) == ("abandoned", "agent")
    assert "ring 183" not in own.done
    assert police.done == ["hang up"]
    await house.nothing_is_left()


async def test_a_caller_who_goes_while_he_is_let_hear_leaves_nothing(house: House) -> None:
    own, police = await own_call(house)
    house.media.gates["bridge"] = asyncio.Event()
    police.on_event(LegRinging(183, sdp(port=4400)))
    await house.until_asked("bridge")
    own.end()
    house.media.gates["bridge"].set()
    await house.record()
    assert "ring 183" not in own.done
    await house.nothing_is_left()


@pytest.mark.parametrize(
    "said, told",
    [(404, 404), (480, 480), (486, 486), (600, 600), (401, 503), (302, 503), (500, 503)],
)
async def test_what_the_exchange_says_of_the_number_is_told_to_the_phone(
    house: House, said: int, told: int
) -> None:
    own, outside = await own_call(house, "13800000000")
    outside.end(status=said)
    await house.record()
    assert own.done == [f"refuse {told}"]


async def test_who_is_being_called_himself_hears_busy(house: House) -> None:
    await house.ready_agent("1001")
    citizen = house.arrives()
    phone = await house.phone()
    own = StandInLeg(remote_sdp=sdp(), account="1001", called="110", caller="1001")
    house.service.on_call(cast("Leg", own))
    await _refused(own)
    assert own.done == ["refuse 486"]
    phone.pick_up()
    await house.until_talking()
    citizen.end()
    await house.record()
    await house.until_state("1001", "wrap_up")  # and no wish to be not ready is left
    await house.floor.end_wrap_up("1001")
    await house.until_state("1001", "ready")


async def test_who_talks_at_another_node_is_sent_on_to_it(house: House) -> None:
    """A proxy in front of the nodes takes 503 for "try the next one"."""
    await house.ready_agent("1001")
    ready = await house.floor.presence("1001")
    assert ready is not None

    async def talking(agent_id: str, *, now: float | None = None) -> Presence | None:
        assert (agent_id, now) == ("1001", None)
        return replace(ready, state=State.TALKING, call_id="other", call_node="n2")

    house.floor.presence = talking  # type: ignore[method-assign]
    own = StandInLeg(remote_sdp=sdp(), account="1001", called="110", caller="1001")
    house.service.on_call(cast("Leg", own))
    await _refused(own)
    assert own.done == ["refuse 503"]


async def test_a_call_that_comes_while_he_dials_is_his(house: House) -> None:
    """The floor holds one out to him between two questions."""
    await house.ready_agent("1001")
    asked = house.floor.set_not_ready

    async def quicker(agent_id: str, reason: str, *, now: float | None = None) -> Presence:
        house.arrives()
        await house.phone()
        return await asked(agent_id, reason, now=now)

    house.floor.set_not_ready = quicker  # type: ignore[method-assign]
    own = StandInLeg(remote_sdp=sdp(), account="1001", called="110", caller="1001")
    house.service.on_call(cast("Leg", own))
    await _refused(own)
    assert own.done == ["refuse 486"]
    presence = await house.floor.presence("1001")
    assert presence is not None
    assert presence.pending is None
    await house.service.drain(5.0)


async def _refused(leg: StandInLeg) -> None:
    async def over() -> bool:
        return leg.over

    await until(over, seconds=30, every=0.001)
