"""The owner's part of a transfer: who hears whom, what is recorded, told and given back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from calls.errors import TransferError
from eventbus.catalogue import CallAnswered, CallHeld, CallOffered, CallResumed, CallTransfer
from telephony.leg import Leg, LegHeld, LegReferred, LegResumed, LegRinging
from telephony.sip.dialog import DialogId
from telephony.sip.identity import Forwarding, Identity
from telephony.sip.refer import Replaces
from tests.calls.house import House, StandInLeg, open_house, sdp
from tests.support.node import until


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


class Scene:
    """A citizen who talks with agent 1001."""

    def __init__(self, house: House, citizen: StandInLeg, phone: StandInLeg) -> None:
        self.house = house
        self.citizen = citizen
        self.phone = phone
        self.call_id = house.service.live()[0].call_id

    async def asks(self, target: str, mode: Any = "blind") -> None:
        await self.house.service.transfer(
            self.call_id, target, mode, agent_id="1001", reason="斗殴"
        )

    async def steps(self, step: str) -> None:
        await self.house.service.transfer_step(self.call_id, step)

    async def hears(self, *parties: str) -> None:
        """Wait until exactly these two are bridged (by what their sessions' names end with)."""

        async def bridged() -> bool:
            found = [
                {session.removeprefix(f"{self.call_id}.") for session in pair}
                for pair in self.house.media.bridges
            ]
            return found == ([set(parties)] if parties else [])

        await until(bridged, seconds=3, every=0.001)

    async def told(self, stage: str) -> CallTransfer:
        """Wait for a transfer's event."""

        async def published() -> CallTransfer | None:
            steps = (event for event in self.house.events if isinstance(event, CallTransfer))
            return next((event for event in steps if event.stage == stage), None)

        return cast("CallTransfer", await until(published, seconds=3, every=0.001))


async def scene(house: House, **citizen: Any) -> Scene:
    await house.ready_agent("1001")
    leg = house.arrives(**citizen)
    phone = await house.phone()
    phone.pick_up()
    await house.until_talking()
    return Scene(house, leg, phone)


AGENT, POLICE = "agent.1", "p1-1"


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

    await until(recorded, seconds=3, every=0.001)
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

    await until(heard, seconds=3, every=0.001)
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

    await until(mixed, seconds=3, every=0.001)
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


# The agent's phone


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

    await until(answered, seconds=3, every=0.001)
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

    await until(answered, seconds=3, every=0.001)
    assert talk.phone.done == ["refer 603"]


async def test_a_citizen_cannot_refer(house: House) -> None:
    talk = await scene(house)
    talk.citizen.on_event(LegReferred("sip:110@x"))

    async def answered() -> bool:
        return "refer 403" in talk.citizen.done

    await until(answered, seconds=3, every=0.001)


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
    await asyncio.wait_for(resolved.wait(), 3)
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
    await asyncio.wait_for(admitted.wait(), 3)
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

    await until(refused, seconds=3, every=0.001)
    await talk.hears("caller", AGENT)


# Agents' own calls


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

    await until(talking, seconds=3, every=0.001)
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

    await until(refused, seconds=3, every=0.001)
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


# Who calls


async def test_a_call_by_the_polices_own_trunk_is_marked_with_their_reference(
    house: House,
) -> None:
    talk = await scene(house, trunk="police", reference="JQ-7")
    (live,) = house.service.live()
    assert (live.partner, live.reference) == ("110", "JQ-7")
    talk.citizen.end()
    record = await house.record()
    assert (record["partner"], record["reference"]) == ("110", "JQ-7")
    (segment,) = record["segments"]
    assert (segment["partner"], segment["direction"]) == ("110", "in")
    told = {event.name: event.to_dict() for event in house.events}
    for name in ("call.arrived", "call.offered", "call.answered"):
        assert (told[name]["partner"], told[name]["reference"]) == ("110", "JQ-7")
    await house.until_state("1001", "wrap_up")
    await house.nothing_is_left()


async def test_a_citizens_header_is_no_reference(house: House) -> None:
    talk = await scene(house, trunk="local", reference="JQ-7")
    (live,) = house.service.live()
    assert (live.partner, live.reference) == (None, None)
    talk.citizen.end()
    record = await house.record()
    assert (record["partner"], record["segments"][0]["direction"]) == (None, None)


async def test_a_withheld_number_is_shown_nowhere_and_kept_apart(house: House) -> None:
    talk = await scene(
        house,
        caller=None,
        identity=Identity("13862311001", withheld=True),
        forwardings=(Forwarding("96000", "unconditional"),),
    )
    assert house.service.live()[0].caller is None
    await talk.asks("partner:110")
    police = await house.phone(1)
    assert police.caller is None
    assert police.headers["P-Asserted-Identity"] == "<tel:13862311001>"  # an emergency service
    police.end(status=486)
    await talk.told("started")
    talk.citizen.end()
    record = await house.record()
    assert record["caller"] is None
    assert record["forwarded"] == ["96000 unconditional"]
    assert "13862311001" not in repr([event.to_dict() for event in house.events])
    assert "13862311001" not in repr(record)
    assert await house.service.withheld_number(talk.call_id) == "13862311001"
    assert await house.service.withheld_number("another") is None


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
