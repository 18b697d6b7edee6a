"""The owner's part of a transfer: who hears whom, what is recorded, told and given back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from calls.errors import TransferError
from eventbus.catalogue import CallAnswered, CallHeld, CallOffered, CallResumed
from telephony.leg import LegHeld, LegResumed, LegRinging
from tests.calls.house import House, open_house
from tests.calls.scenes import AGENT, POLICE, scene
from tests.support.node import until


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


async def test_one_key_to_the_police(house: House) -> None:
    talk = await scene(house, hops_left=17)
    await talk.asks("partner:110")
    police = await house.phone(1)
    assert (police.called, police.caller) == ("110", "13862311001")
    assert talk.phone.hops == police.hops == 17  # RFC 7332: both are this call, gone on
    assert police.headers["P-Asserted-Identity"] == "<tel:13862311001>"
    assert police.headers["Diversion"].startswith("<tel:12345>;reason=deflection")
    police.on_event(LegRinging())
    await talk.told("ringing")
    await talk.hears("caller", AGENT)
    police.pick_up()
    await talk.told("completed")
    await talk.hears("caller", POLICE)
    assert talk.phone.done == ["hang up 200"]
    await house.until_state("1001", "wrap_up")
    # what is said with the police is neither recorded nor transcribed
    assert not house.media.recordings
    assert house.media.forks[f"{talk.call_id}.{AGENT}"] is None
    police.end()
    record = await house.record()
    assert (record["ended_by"], record["agent_id"]) == ("partner", "1001")
    agent, partner = record["segments"]
    assert (agent["outcome"], agent["how"]) == ("transferred", "line")
    names = ("kind", "partner", "direction", "number", "how", "reason")
    assert {name: partner[name] for name in names} == {
        "kind": "partner",
        "partner": "110",
        "direction": "out",
        "number": "110",
        "how": "blind",
        "reason": "斗殴",
    }
    assert (partner["transferred_by"], partner["outcome"]) == ("1001", "answered")
    assert talk.citizen.over
    await house.nothing_is_left()


async def test_the_ticket_and_the_recording_follow_the_call_to_another_agent(house: House) -> None:
    talk = await scene(house)
    await house.ready_agent("1002")
    await talk.asks("agent:1002")
    phone = await house.phone(1)
    phone.pick_up()
    await talk.told("completed")
    await talk.hears("caller", "agent.2")
    await house.until_state("1001", "wrap_up")
    await house.until_state("1002", "talking")

    async def recorded() -> list[str]:
        return [name for name in house.media.recordings if name.endswith("-2")]

    await until(recorded, seconds=10, every=0.001)
    assert house.media.forks[f"{talk.call_id}.agent.2"] is not None
    (view,) = house.service.live()
    ticket_id = view.ticket_id or ""
    assert (view.agent_id, view.transfer_to) == ("1002", None)
    talk.citizen.end()
    record = await house.record()
    assert record["agent_id"] == "1002"
    assert record["recorded_seconds"] == 2.0
    ticket = await house.tickets.get(ticket_id)
    assert ticket is not None
    assert ticket["agent_id"] == "1002"
    offered = [event for event in house.events if isinstance(event, CallOffered)]
    answered = [event for event in house.events if isinstance(event, CallAnswered)]
    assert [event.transferred_by for event in offered] == [None, "1001"]
    assert [(event.agent_id, event.transferred_by) for event in answered] == [
        ("1001", None),
        ("1002", "1001"),
    ]
    for agent_id in ("1001", "1002"):
        (own,) = await house.service.calls(agent_id=agent_id)
        assert own["call_id"] == talk.call_id
    await house.nothing_is_left()


async def test_a_consultation_is_not_heard_by_the_citizen_nor_by_the_recogniser(
    house: House,
) -> None:
    talk = await scene(house)
    await talk.asks("partner:110", "consult")
    police = await house.phone(1)
    await talk.hears()
    police.pick_up()
    await talk.told("joined")
    await talk.hears(AGENT, POLICE)
    assert house.media.forks[f"{talk.call_id}.{AGENT}"] is None
    await talk.steps("swap")
    await talk.hears("caller", AGENT)

    async def heard() -> bool:
        return house.media.forks[f"{talk.call_id}.{AGENT}"] is not None

    await until(heard, seconds=10, every=0.001)
    await talk.steps("swap")
    await talk.hears(AGENT, POLICE)
    await talk.steps("cancel")
    await talk.hears("caller", AGENT)
    assert police.over
    await talk.told("cancelled")
    talk.citizen.end()
    record = await house.record()
    assert [part["outcome"] for part in record["segments"]] == ["answered", "consulted"]
    await house.nothing_is_left()


async def test_three_talk_and_the_agent_leaves_the_two(house: House) -> None:
    talk = await scene(house)
    await talk.asks("partner:110", "consult")
    police = await house.phone(1)
    police.pick_up()
    await talk.told("joined")
    await talk.steps("merge")
    sessions = {f"{talk.call_id}.{name}" for name in ("caller", AGENT, POLICE)}

    async def mixed() -> bool:
        matrix = house.media.matrices.get(talk.call_id, {})
        return matrix == {session: sessions - {session} for session in sessions}

    await until(mixed, seconds=10, every=0.001)
    assert not house.media.bridges
    assert house.media.forks[f"{talk.call_id}.{AGENT}"] is not None
    await talk.steps("complete")
    await talk.hears("caller", POLICE)
    assert house.media.matrices[talk.call_id] == {}
    talk.citizen.end()
    await house.record()
    await house.nothing_is_left()


async def test_a_partner_who_is_busy_is_called_at_his_next_number(house: House) -> None:
    talk = await scene(house)
    await talk.asks("110")
    (await house.phone(1)).end(status=486)
    second = await house.phone(2)
    assert second.called == "1101"
    second.end(status=486)
    failed = await talk.told("failed")
    assert (failed.outcome, failed.target, failed.agent_id) == ("busy", "partner:110", "1001")
    await talk.hears("caller", AGENT)
    assert not talk.phone.over


async def test_a_partner_is_not_rung_for_a_caller_who_has_gone(house: House) -> None:
    talk = await scene(house)
    house.media.gates["open"] = asyncio.Event()
    house.media.asked.clear()
    await talk.asks("partner:110")
    await house.until_asked("open")
    talk.citizen.end()
    house.media.gates["open"].set()
    await house.record()
    assert house.gateway.phones == [talk.phone]
    await house.nothing_is_left()


async def test_no_trunk_leads_out(house: House) -> None:
    talk = await scene(house)
    await talk.asks("partner:nobody")
    assert (await talk.told("failed")).outcome == "unreachable"
    await talk.hears("caller", AGENT)


async def test_the_agent_hangs_up_while_the_target_rings_and_the_target_refuses(
    house: House,
) -> None:
    talk = await scene(house)
    await house.ready_agent("1003")
    await talk.asks("number:13800000000")
    outside = await house.phone(1)
    await house.service.hang_up(talk.call_id, agent_id="1001")
    await talk.hears()
    assert not talk.citizen.over
    outside.end(status=603)
    next_phone = await house.phone(2)
    next_phone.pick_up()
    await talk.hears("caller", "agent.2")
    (view,) = house.service.live()
    assert (view.state, view.agent_id) == ("talking", "1003")
    talk.citizen.end()
    record = await house.record()
    assert [part["how"] for part in record["segments"]] == ["line", "blind", "requeued"]
    await house.nothing_is_left()


@pytest.mark.parametrize(
    "target, code",
    [
        ("number:95588", "target_not_allowed"),
        ("95588", "target_not_allowed"),
        ("agent:9999", "unknown_target"),
        ("agent:1001", "unknown_target"),
        ("agent:1003", "target_not_ready"),
        ("partner:118", "unknown_target"),
        ("partner:closed", "target_closed"),
        ("weather", "target_not_allowed"),
        ("fax:1", "unknown_target"),
    ],
)
async def test_whom_an_agent_does_not_get(house: House, target: str, code: str) -> None:
    talk = await scene(house)
    with pytest.raises(TransferError) as caught:
        await talk.asks(target)
    assert caught.value.code == code
    await talk.hears("caller", AGENT)


async def test_holding_is_told(house: House) -> None:
    talk = await scene(house)
    await talk.asks("partner:110")
    police = await house.phone(1)
    police.pick_up()
    await talk.told("completed")
    for leg, who in ((talk.citizen, "caller"), (police, "partner")):
        leg.on_event(LegHeld())
        assert house.service.live()[0].held_by == (who,)
        leg.on_event(LegResumed())
        assert house.service.live()[0].held_by == ()
    told = [event for event in house.events if isinstance(event, CallHeld | CallResumed)]
    assert [(event.name, event.party) for event in told] == [
        ("call.held", "caller"),
        ("call.resumed", "caller"),
        ("call.held", "partner"),
        ("call.resumed", "partner"),
    ]


async def test_who_hangs_up_holds_nothing_any_more(house: House) -> None:
    talk = await scene(house)
    await talk.asks("partner:110", "consult")
    police = await house.phone(1)
    police.pick_up()
    await talk.told("joined")
    talk.phone.on_event(LegHeld())
    assert house.service.live()[0].held_by == ("agent",)
    talk.phone.end()
    await talk.told("completed")
    assert house.service.live()[0].held_by == ()


@pytest.mark.parametrize("target", ["partner:110", "number:13800000000"])
async def test_whoever_is_called_sends_the_call_on_to_whom_the_agent_may_call_only(
    house: House, target: str
) -> None:
    talk = await scene(house)
    await talk.asks(target)
    called = await house.phone(1)
    reached = [
        number
        for number in ("1101", "13900000000", "95588", "1003", "12345", "")
        if called.elsewhere(number)
    ]
    assert reached == ["1101", "13900000000"]
