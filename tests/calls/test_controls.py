"""Hold, mute and keys at the desk."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from calls.controls import Pressed, heard_with
from calls.errors import TransferError, UnknownCall
from calls.hearing import CALLER, Hearing, circle
from eventbus.catalogue import CallHeld, CallMuted, CallResumed
from telephony.leg import LegDigit
from tests.calls.house import House, StandInLeg, open_house
from tests.support.node import until

TWO, THREE = circle(CALLER, "agent.1.0"), circle(CALLER, "agent.1.0", "p1-1")


@pytest.mark.parametrize(
    "hearing,pressed,left",
    [
        (TWO, Pressed(), TWO),
        (TWO, Pressed(held=True), frozenset()),
        (TWO, Pressed(muted=True), frozenset({(CALLER, "agent.1.0")})),
        (THREE, Pressed(held=True), THREE - TWO),
        (
            THREE,
            Pressed(muted=True),
            circle(CALLER, "p1-1") | {(CALLER, "agent.1.0"), ("p1-1", "agent.1.0")},
        ),
    ],
)
def test_who_hears_whom(hearing: Hearing, pressed: Pressed, left: Hearing) -> None:
    assert heard_with(hearing, "agent.1.0", pressed) == left


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


async def talking(house: House) -> str:
    await house.ready_agent("1001")
    house.arrives()
    (await house.phone()).pick_up()
    await house.until_talking()
    return house.service.live()[0].call_id


async def bridged(house: House, wanted: int) -> None:
    async def so_many() -> bool:
        return len(house.media.bridges) == wanted

    await until(so_many, seconds=10, every=0.001)


async def test_on_hold_nobody_hears_and_the_agents_words_are_nobodys(house: House) -> None:
    call_id = await talking(house)
    await bridged(house, 1)
    controls = house.service.controls(call_id)
    controls.hold(held=True)
    controls.hold(held=True)  # a second press of the same button changes nothing
    await bridged(house, 0)
    assert house.service.live()[0].held_by == ("agent",)
    agents = f"{call_id}.agent.1"

    async def unheard() -> bool:
        return house.media.forks[agents] is None

    await until(unheard, seconds=10, every=0.001)
    controls.hold(held=False)
    await bridged(house, 1)
    assert house.service.live()[0].held_by == ()
    told = [event for event in house.events if isinstance(event, CallHeld | CallResumed)]
    assert [(event.name, event.party, event.agent_id) for event in told] == [
        ("call.held", "agent", "1001"),
        ("call.resumed", "agent", "1001"),
    ]


async def test_a_consultation_ends_the_hold(house: House) -> None:
    call_id = await talking(house)
    controls = house.service.controls(call_id)
    controls.hold(held=True)
    await bridged(house, 0)
    await house.service.transfer(call_id, "partner:110", "consult", agent_id="1001")
    with pytest.raises(TransferError) as refused:
        controls.hold(held=True)
    assert refused.value.code == "transfer_under_way"
    (await house.phone(1)).pick_up()
    await bridged(house, 1)  # agent and police
    assert not controls.pressed.held


async def test_muted_the_agent_still_hears(house: House) -> None:
    call_id = await talking(house)
    controls = house.service.controls(call_id)
    controls.mute(muted=True)

    async def mixed() -> bool:
        agent, caller = f"{call_id}.agent.1", f"{call_id}.caller"
        return house.media.matrices.get(call_id) == {agent: {caller}, caller: set()}

    await until(mixed, seconds=10, every=0.001)
    assert house.service.live()[0].muted
    controls.mute(muted=False)
    await bridged(house, 1)
    assert [event.muted for event in house.events if isinstance(event, CallMuted)] == [True, False]


async def test_keys_go_to_whoever_hears_the_agent(house: House) -> None:
    call_id = await talking(house)
    await house.service.controls(call_id).press("12#")
    assert house.media.pressed == [(f"{call_id}.caller", "12#")]


async def test_only_somebody_who_talks_can_do_any_of_it(house: House) -> None:
    with pytest.raises(UnknownCall):
        house.service.controls("nobody's")
    await house.ready_agent("1001")
    house.arrives()
    await house.phone()
    controls = house.service.controls(house.service.live()[0].call_id)
    with pytest.raises(TransferError, match="not talking"):
        controls.hold(held=True)
    with pytest.raises(TransferError, match="not talking"):
        controls.mute(muted=True)
    with pytest.raises(TransferError, match="not talking"):
        await controls.press("1")


async def test_keys_that_phones_tell_in_info_are_pressed_for_whoever_hears_them(
    house: House,
) -> None:
    call_id = await talking(house)
    await bridged(house, 1)
    owner, agents_phone = house.service._owners[call_id], house.gateway.phones[0]
    citizens_phone = cast("StandInLeg", owner.leg)
    agents, citizens = f"{call_id}.agent.1", f"{call_id}.caller"

    async def told_to(session: str, key: str) -> bool:
        return house.media.pressed[-1:] == [(session, key)]

    agents_phone.on_event(LegDigit("5", 100))
    await until(lambda: told_to(citizens, "5"), seconds=30, every=0.001)
    citizens_phone.on_event(LegDigit("#", 100))
    await until(lambda: told_to(agents, "#"), seconds=30, every=0.001)
    house.service.controls(call_id).hold(held=True)
    await bridged(house, 0)
    agents_phone.on_event(LegDigit("6", 100))
    house.service.controls(call_id).hold(held=False)
    await bridged(house, 1)  # what was asked for before has been done
    house.media.refuses["press"] = "unknown_session"
    agents_phone.on_event(LegDigit("7", 100))
    await house.until_asked("press")
    assert house.media.pressed == [(citizens, "5"), (agents, "#")]
