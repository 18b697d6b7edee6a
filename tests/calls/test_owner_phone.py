"""What an agent's phone does to a call: REFER, a second call to consult by, another phone."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from calls.errors import TransferError
from telephony.leg import Leg, LegReferred, LegRinging
from telephony.sip.dialog import DialogId
from telephony.sip.refer import Replaces
from tests.calls.house import House, StandInLeg, open_house, sdp
from tests.calls.scenes import AGENT, POLICE, scene
from tests.support.node import until


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


async def test_refer_makes_the_same_transfer(house: House) -> None:
    talk = await scene(house)
    talk.phone.on_event(LegReferred("sip:110@127.0.0.1:5060"))
    police = await house.phone(1)
    assert talk.phone.done == ["refer 202"]
    police.on_event(LegRinging())
    police.pick_up()
    await talk.told("completed")
    assert talk.phone.done == ["refer 202", "report 180", "report 200", "hang up 200"]
    await talk.hears("caller", POLICE)
    talk.citizen.end()
    await house.record()
    await house.nothing_is_left()


async def test_refer_to_somebody_who_does_not_answer(house: House) -> None:
    talk = await scene(house)
    talk.phone.on_event(LegReferred("sip:13800000000@127.0.0.1"))
    (await house.phone(1)).end(status=486)
    await talk.told("failed")
    assert talk.phone.done == ["refer 202", "report 486"]
    talk.phone.on_event(LegReferred("sip:13800000001@127.0.0.1"))
    assert (await house.phone(2)).called == "13800000001"


@pytest.mark.parametrize("uri, status", [("sip:95588@x", 403), ("sip:1003@x", 603)])
async def test_refer_to_somebody_who_may_not_be_called(house: House, uri: str, status: int) -> None:
    talk = await scene(house)
    talk.phone.on_event(LegReferred(uri))

    async def answered() -> bool:
        return bool(talk.phone.done)

    await until(answered, seconds=10, every=0.001)
    assert talk.phone.done == [f"refer {status}"]


async def test_who_has_passed_the_call_on_meanwhile_moves_it_no_more(house: House) -> None:
    talk = await scene(house)
    (owner,) = house.service._owners.values()
    resolve = owner.phone._resolve

    async def slowly(dialled: str, agent_id: str) -> Any:
        target = await resolve(dialled, agent_id)
        assert owner.call.holder is not None
        owner.call.holder.leg = "another"
        return target

    owner.phone._resolve = slowly
    talk.phone.on_event(LegReferred("sip:110@127.0.0.1"))

    async def answered() -> bool:
        return bool(talk.phone.done)

    await until(answered, seconds=10, every=0.001)
    assert talk.phone.done == ["refer 603"]


async def test_a_citizen_cannot_refer(house: House) -> None:
    talk = await scene(house)
    talk.citizen.on_event(LegReferred("sip:110@x"))

    async def answered() -> bool:
        return "refer 403" in talk.citizen.done

    await until(answered, seconds=10, every=0.001)


async def test_the_phone_consults_by_itself_and_refers_with_replaces(house: House) -> None:
    talk = await scene(house)
    second = StandInLeg(
        remote_sdp=sdp(port=4500),
        account="1001",
        called="110",
        caller="1001",
        dialog_ids=(DialogId("second", "ours", "theirs"),),
    )
    house.service.on_call(cast("Leg", second))
    police = await house.phone(1)
    police.on_event(LegRinging())
    police.pick_up()
    await talk.told("joined")
    assert second.done == ["ring", "answer"]
    assert len(house.media.bridges) == 2  # the phone holds its two calls apart itself
    talk.phone.on_event(LegReferred("sip:110@x", Replaces("second", "ours", "wrong")))
    talk.phone.on_event(LegReferred("sip:110@x", Replaces("second", "ours", "theirs")))
    await talk.told("completed")
    assert talk.phone.done == ["refer 603", "refer 202", "report 200", "hang up 200"]
    assert second.over
    await talk.hears("caller", POLICE)
    police.end()
    await house.record()
    await house.nothing_is_left()


async def test_the_phones_own_consultation_fails(house: House) -> None:
    talk = await scene(house)
    second = StandInLeg(remote_sdp=sdp(), account="1001", called="13800000000", caller="1001")
    house.service.on_call(cast("Leg", second))
    (await house.phone(1)).end(status=486)
    await talk.told("failed")
    assert second.done == ["refuse 486"]
    await talk.hears("caller", AGENT)


async def test_a_phone_that_gives_up_before_its_consultation_begins_calls_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = await scene(house)
    second = StandInLeg(remote_sdp=sdp(), account="1001", called="13800000000", caller="1001")
    agents = house.service.agents
    resolve, resolved = agents.resolve, asyncio.Event()

    async def resolve_slowly(asked: str, agent_id: str) -> Any:
        target = await resolve(asked, agent_id)
        second.end()
        resolved.set()
        return target

    monkeypatch.setattr(agents, "resolve", resolve_slowly)
    house.service.on_call(cast("Leg", second))
    await asyncio.wait_for(resolved.wait(), 20)
    await agents.close()  # what is under way is done
    assert house.service.live()[0].transfer_to is None
    await talk.hears("caller", AGENT)


async def test_a_transfer_of_a_call_that_was_passed_on_meanwhile(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = await scene(house)
    agents, (owner,) = house.service.agents, house.service._owners.values()
    resolve = agents.resolve

    async def resolve_slowly(asked: str, agent_id: str) -> Any:
        target = await resolve(asked, agent_id)
        owner.call.holder = replace(cast("Any", owner.call.holder))  # somebody else's part
        return target

    monkeypatch.setattr(agents, "resolve", resolve_slowly)
    with pytest.raises(TransferError) as caught:
        await talk.asks("partner:110")
    assert caught.value.code == "not_talking"


async def test_another_phone_of_the_agent_takes_over(house: House) -> None:
    talk = await scene(house)
    desk = StandInLeg(remote_sdp=sdp(port=4600), account="1001", called="1001", replaces=talk.phone)
    house.service.on_call(cast("Leg", desk))
    await talk.hears("caller", "again.1")
    assert desk.done == ["answer"]
    assert talk.phone.over
    desk.end()
    assert (await house.record())["ended_by"] == "agent"
    await house.nothing_is_left()


async def test_a_phone_that_hangs_up_while_it_takes_over_changes_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = await scene(house)
    desk = StandInLeg(remote_sdp=sdp(port=4600), account="1001", called="1001", replaces=talk.phone)
    (owner,) = house.service._owners.values()
    admit, admitted = owner.audio.admit, asyncio.Event()

    async def admit_slowly(*given: Any) -> str:
        answer = await admit(*given)
        desk.end()
        admitted.set()
        return answer

    monkeypatch.setattr(owner.audio, "admit", admit_slowly)
    house.service.on_call(cast("Leg", desk))
    await asyncio.wait_for(admitted.wait(), 20)
    await talk.hears("caller", AGENT)
    assert (talk.phone.over, desk.done) == (False, [])
    talk.phone.end()
    assert (await house.record())["ended_by"] == "agent"
    await house.nothing_is_left()


async def test_nobody_takes_over_anothers_call(house: House) -> None:
    talk = await scene(house)
    thief = StandInLeg(remote_sdp=sdp(), account="1002", called="1001", replaces=talk.phone)
    house.service.on_call(cast("Leg", thief))

    async def refused() -> bool:
        return thief.done == ["refuse 403"]

    await until(refused, seconds=10, every=0.001)
    await talk.hears("caller", AGENT)


async def test_the_phone_that_consults_hears_the_other_exchange_before_the_answer(
    house: House,
) -> None:
    talk = await scene(house)
    second = StandInLeg(
        remote_sdp=sdp(port=4500), account="1001", called="13800000000", caller="1001"
    )
    house.service.on_call(cast("Leg", second))
    police = await house.phone(1)
    police.on_event(LegRinging(183, sdp(port=4400)))

    async def announced() -> bool:
        return second.done == ["ring", "ring 183"]

    await until(announced, seconds=10, every=0.001)
    bridged = [
        {session.removeprefix(f"{talk.call_id}.") for session in pair}
        for pair in house.media.bridges
    ]
    assert sorted(map(sorted, bridged)) == [[AGENT, "caller"], [POLICE, "via.1"]]
    police.end(status=486)
    await talk.told("failed")
    await talk.hears("caller", AGENT)
    assert second.done == ["ring", "ring 183", "refuse 486"]
    talk.citizen.end()
    await house.record()
    await house.nothing_is_left()
