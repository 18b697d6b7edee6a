"""How agents talk: on hold, in a consultation, with several; by the desk and by the phone."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from telephony.leg import Leg, LegHeld, LegResumed
from tests.calls.house import House, StandInLeg, open_house, sdp
from tests.calls.scenes import POLICE, scene
from tests.support.node import until


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


async def talks(house: House, **wanted: str | None) -> None:
    """Wait until the floor says that agents talk so; their numbers begin with an n here."""

    async def so() -> bool:
        found = {
            f"n{one.agent_id}": one.talk
            for one in await house.floor.everyone()
            if one.state == "talking"
        }
        return found == wanted

    await until(so, seconds=30, every=0.001)


async def music_for(house: House, *parties: str) -> None:
    async def played() -> bool:
        return {name.partition(".")[2] for name, _ in house.media.playing.values()} == {*parties}

    await until(played, seconds=30, every=0.001)


async def test_by_the_desk(house: House) -> None:
    talk = await scene(house)
    await talks(house, n1001=None)
    controls = house.service.controls(talk.call_id)
    controls.hold(held=True)
    await talks(house, n1001="hold")
    controls.hold(held=False)
    await talks(house, n1001=None)
    await house.ready_agent("1002")
    await talk.asks("agent:1002", "consult")
    (await house.phone(1)).pick_up()
    await talks(house, n1001="consult", n1002="consult")
    await talk.steps("merge")
    await talks(house, n1001="conference", n1002="conference")
    await talk.asks("partner:110", "consult")
    await talks(house, n1001="consult", n1002="conference")
    await talk.steps("cancel")
    await talk.steps("complete")
    await talks(house, n1002=None)
    talk.citizen.end()
    await talks(house)


async def test_a_citizen_whose_agents_phone_holds_the_call_hears_music(house: House) -> None:
    talk = await scene(house)
    talk.phone.on_event(LegHeld())
    await talks(house, n1001="hold")
    await talk.hears()
    await music_for(house, "caller")
    talk.phone.on_event(LegResumed())
    await talks(house, n1001=None)
    await talk.hears("caller", "agent.1")
    await music_for(house)


async def test_a_citizen_hears_music_while_the_phone_consults_by_itself(house: House) -> None:
    talk = await scene(house)
    talk.phone.on_event(LegHeld())
    second = StandInLeg(remote_sdp=sdp(port=4500), account="1001", called="110", caller="1001")
    house.service.on_call(cast("Leg", second))
    (await house.phone(1)).pick_up()
    await talk.told("joined")
    await talks(house, n1001="consult")
    await talk.hears("via.1", POLICE)
    await music_for(house, "caller")
    talk.phone.on_event(LegResumed())  # and asks the citizen something
    await music_for(house)


async def test_whom_an_agent_called_hears_music_while_he_is_on_hold(house: House) -> None:
    await house.ready_agent("1001")
    phone = StandInLeg(remote_sdp=sdp(), account="1001", called="110", caller="1001")
    house.service.on_call(cast("Leg", phone))
    (await house.phone()).pick_up()

    async def talking() -> bool:
        return bool(house.media.recordings)

    await until(talking, seconds=30, every=0.001)
    phone.on_event(LegHeld())
    await music_for(house, "p0-1")
    phone.on_event(LegResumed())
    await music_for(house)
    assert len(house.media.bridges) == 1
