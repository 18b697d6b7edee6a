"""The owner's part of a call: late answers, failures half-way, and what must not be left over."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from calls.errors import TransferError
from eventbus.catalogue import CallEnded
from telephony.leg import LegConfirmed, LegReoffered, LegRinging
from tests.calls.house import PCMA, PCMU, House, StandInLeg, open_house, sdp
from tests.support.waiting import PATIENCE, until


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


async def test_the_whole_way(house: House) -> None:
    await house.ready_agent("1001")
    citizen = house.arrives()
    phone = await house.phone()
    phone.on_event(LegRinging())
    phone.pick_up()
    await house.until_talking()
    assert citizen.done == ["ring", "answer"]
    assert len(house.media.bridges) == len(house.media.recordings) == 1
    citizen.end()
    record = await house.record()
    assert (record["outcome"], record["ended_by"], record["agent_id"]) == (
        "answered",
        "citizen",
        "1001",
    )
    assert record["recording"]
    assert {party: heard["mos"] for party, heard in record["media"].items()} == {
        "caller": 4.2,
        "agent.1": 4.2,
    }
    assert record["media"]["caller"]["loss"] == 0.02
    await house.nothing_is_left()


async def test_a_call_that_is_over_leaves_nothing_to_the_garbage_collector(house: House) -> None:
    await house.ready_agent("1001")
    citizen = house.arrives()
    phone = await house.phone()
    phone.pick_up()
    await house.until_talking()
    (owner,) = house.service._owners.values()
    known = [weakref.ref(part) for part in (owner, owner.reception, owner.conversation)]
    del owner
    gc.collect()
    gc.disable()
    try:
        citizen.end()
        await house.record()
        citizen.on_event = phone.on_event = lambda _event: None  # as legs do when they are over
        await until(lambda: not any(part() for part in known))
    finally:
        gc.enable()


async def talking(house: House) -> StandInLeg:
    """Let agent 1001 take a call; return the citizen's leg."""
    await house.ready_agent("1001")
    citizen = house.arrives()
    (await house.phone()).pick_up()
    await house.until_talking()
    return citizen


async def test_a_call_that_looks_for_its_agent_goes_first(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventbus.precedence.PATIENCE_SECONDS", 10 * PATIENCE)
    citizen = await talking(house)
    await house.ready_agent("1002")
    opening = house.media.gates["open"] = asyncio.Event()
    house.media.asked.clear()
    other = house.arrives()
    await house.until_asked("open")
    citizen.end()
    await house.until_asked("stop_record")
    for _ in range(20):  # whatever does not wait for anything is done
        await asyncio.sleep(0)
    assert "close" not in house.media.asked  # the ports of the call that is over
    opening.set()
    await house.phone(1)
    await house.until_asked("close")
    other.end()
    await house.record()
    await house.nothing_is_left()


async def test_who_is_stopped_while_it_gives_way_closes_its_ports(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventbus.precedence.PATIENCE_SECONDS", 10 * PATIENCE)
    citizen = await talking(house)
    (owner,) = house.service._owners.values()
    talk, worker = owner.conversation, owner._worker
    assert talk is not None
    assert worker is not None
    with owner.facilities.precedence.first():
        citizen.end()
        await until(lambda: owner.facilities.precedence._behind)
        assert house.media.sessions
        worker.cancel()
        await asyncio.wait([worker])
    await talk.close()
    assert not house.media.sessions
    await house.nothing_is_left()


async def test_a_phone_that_can_be_told_answers_by_a_click(house: House) -> None:
    await house.ready_agent("1001")
    house.arrives()
    phone = await house.phone()
    (view,) = house.service.live()
    controls = house.service.controls(view.call_id)
    phone.on_event(LegRinging())
    with pytest.raises(TransferError, match="not by click"):
        controls.pick_up("1001")
    phone.on_event(LegRinging(picks_up=True))
    assert [view.by_click for view in house.service.live()] == [True]
    with pytest.raises(TransferError, match="not by click"):
        controls.pick_up("1002")  # it is not held out to him
    controls.pick_up("1001")
    await house.until_talking()
    assert [view.by_click for view in house.service.live()] == [False]


@pytest.mark.parametrize("command", ["open", "set_remote", "bridge", "record", "fork"])
async def test_the_citizen_hangs_up_while_media_works(house: House, command: str) -> None:
    gate = house.media.gates[command] = asyncio.Event()
    await house.ready_agent("1001")
    citizen = house.arrives()
    if command != "open":
        (await house.phone()).pick_up()
    await house.until_asked(command)
    citizen.end()
    gate.set()
    record = await house.record()
    assert record["ended_by"] == "citizen"
    await house.nothing_is_left()


@pytest.mark.parametrize("command", ["set_remote", "bridge"])
async def test_the_agent_hangs_up_while_media_works_and_the_next_one_gets_the_call(
    house: House, command: str
) -> None:
    gate = house.media.gates[command] = asyncio.Event()
    await house.ready_agent("1001")
    await house.ready_agent("1002")
    citizen = house.arrives()
    phone = await house.phone()
    phone.pick_up()
    await house.until_asked(command)
    phone.end()
    gate.set()
    (await house.phone(1)).pick_up()
    await house.until_talking()
    citizen.end()
    record = await house.record()
    assert (record["outcome"], record["agent_id"]) == ("answered", "1002")
    assert [(part["agent_id"], part["outcome"]) for part in record["segments"]] == [
        ("1001", "refused"),
        ("1002", "answered"),
    ]
    await house.nothing_is_left()


async def test_both_sides_are_told_to_the_media_process_at_once(house: House) -> None:
    await house.ready_agent("1001")
    citizen = house.arrives()
    phone = await house.phone()
    told = house.media.gates["set_remote"] = asyncio.Event()
    phone.pick_up()
    await until(lambda: house.media.asked.count("set_remote") == 2)
    assert citizen.done == ["ring"]
    told.set()
    await house.until_talking()
    assert citizen.done == ["ring", "answer"]


async def test_a_full_disk_costs_the_recording_not_the_call(house: House) -> None:
    house.media.refuses["record"] = "disk"
    citizen = await talking(house)
    citizen.end()
    record = await house.record()
    assert (record["outcome"], record["recording"]) == ("answered", False)
    await house.nothing_is_left()


async def test_a_phone_that_names_no_address_is_the_agents_trouble(house: House) -> None:
    await house.ready_agent("1001")
    await house.ready_agent("1002")
    citizen = house.arrives()
    (await house.phone()).pick_up(sdp(host="phone.invalid"))
    (await house.phone(1)).pick_up()
    await house.until_talking()
    assert citizen.done == ["ring", "answer"]
    await house.until_state("1001", "not_ready")
    citizen.end()
    record = await house.record()
    assert [part["outcome"] for part in record["segments"]] == ["unreachable", "answered"]
    await house.nothing_is_left()


async def test_media_lost_before_the_answer_keeps_the_citizen_waiting(house: House) -> None:
    gate = house.media.gates["bridge"] = asyncio.Event()
    await house.ready_agent("1001")
    citizen = house.arrives()
    (await house.phone()).pick_up()
    await house.until_asked("bridge")
    lost = list(house.media.sessions)
    house.media.away = True
    house.media.sessions.clear()
    house.service.on_media_lost(lost)
    gate.set()
    await house.until_state("1001", "wrap_up")
    house.media.away = False
    assert citizen.done == ["ring"]
    await house.floor.end_wrap_up("1001")
    (await house.phone(1)).pick_up()
    await house.until_talking()
    citizen.end()
    assert (await house.record())["outcome"] == "answered"
    await house.nothing_is_left()


async def test_an_absent_media_process_is_no_agents_segment(house: House) -> None:
    house.media.away = True
    await house.ready_agent("1001")
    citizen = house.arrives()
    await house.until_asked("open")
    house.media.asked.clear()
    await house.until_asked("open")
    house.media.away = False
    (await house.phone()).pick_up()
    await house.until_talking()
    citizen.end()
    record = await house.record()
    assert [part["outcome"] for part in record["segments"]] == ["answered"]


async def test_an_agent_without_a_phone_is_passed_over_though_there_are_no_ports_either(
    house: House,
) -> None:
    house.media.away = True
    await house.ready_agent("1001")
    house.bindings.replace("1001", [])  # it was switched off; nobody knows yet
    citizen = house.arrives()
    await house.until_state("1001", "not_ready")
    citizen.end()
    record = await house.record()
    assert [part["outcome"] for part in record["segments"]] == ["unreachable"]


async def test_a_reinvite_keeps_the_codec_that_its_answer_names(house: House) -> None:
    await house.ready_agent("1001")
    citizen = house.arrives(remote_sdp=sdp(PCMU, PCMA))
    phone = await house.phone()
    phone.pick_up(sdp(PCMU))
    await house.until_talking()
    citizen.on_event(LegReoffered(sdp(PCMA, PCMU, port=4400)))
    assert "m=audio 20000 RTP/AVP 0 101" in citizen.answers[-1]

    (session,) = (name for name in house.media.sessions if name.endswith(".caller"))
    async with asyncio.timeout(10):
        while house.media.sessions[session]["port"] != 4400:  # noqa: ASYNC110 - a stand-in's books
            await asyncio.sleep(0)
    remote = house.media.sessions[session]
    assert (remote["codec"], remote["payload_type"]) == ("PCMU", 0)


@pytest.mark.parametrize("side", ["caller", "agent"])
@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
async def test_who_holds_is_sent_nothing_until_he_resumes(
    house: House, side: str, direction: str
) -> None:
    """RFC 3264 §8.4; §6.1: what answers sendonly is recvonly."""
    await house.ready_agent("1001")
    citizen = house.arrives()
    phone = await house.phone()
    phone.pick_up()
    await house.until_talking()
    leg = citizen if side == "caller" else phone
    (session,) = (name for name in house.media.sessions if f".{side}" in name)

    async def is_sent_to(host: str) -> None:
        async with asyncio.timeout(10):
            while house.media.sessions[session]["host"] != host:  # noqa: ASYNC110 - a stand-in's books
                await asyncio.sleep(0)

    leg.on_event(LegReoffered(sdp().replace("a=sendrecv", f"a={direction}")))
    await is_sent_to("0.0.0.0")
    mirrored = {"sendonly": "recvonly", "inactive": "inactive"}[direction]
    assert f"a={mirrored}" in leg.answers[-1]
    leg.on_event(LegReoffered(None))  # he asks what we can do
    assert "a=sendrecv" in leg.answers[-1]
    leg.on_event(LegConfirmed(sdp(port=4408)))
    await is_sent_to("127.0.0.1")


@pytest.mark.parametrize("side", ["caller", "agent"])
async def test_each_side_sees_one_session_whose_version_counts_up(house: House, side: str) -> None:
    """RFC 3264 §8: same origin, version one more when something has changed."""
    await house.ready_agent("1001")
    citizen = house.arrives()
    phone = await house.phone()
    phone.pick_up()
    await house.until_talking()
    leg, first = (citizen, citizen.answers[0]) if side == "caller" else (phone, phone.offer)
    other = phone if side == "caller" else citizen
    other.on_event(LegReoffered(sdp(port=4402)))
    leg.on_event(LegReoffered(sdp(port=4404)))
    before, after = (
        next(line for line in text.splitlines() if line.startswith("o=")).split()
        for text in (first, leg.answers[-1])
    )
    assert after[1] == before[1]
    assert int(after[2]) - int(before[2]) == (first != leg.answers[-1])


async def test_a_phone_may_send_each_format_that_its_answer_names(house: House) -> None:
    await house.ready_agent("1001")
    house.arrives()
    (await house.phone()).pick_up(sdp(PCMA, PCMU))
    await house.until_talking()
    (session,) = (name for name in house.media.sessions if ".agent." in name)
    assert house.media.sessions[session]["accepts"] == {8: "PCMA", 0: "PCMU"}


async def test_an_agents_answer_in_an_ack_moves_his_audio(house: House) -> None:
    await house.ready_agent("1001")
    house.arrives()
    phone = await house.phone()
    phone.pick_up()
    await house.until_talking()
    phone.on_event(LegConfirmed(sdp(port=4406)))
    (session,) = (name for name in house.media.sessions if ".agent." in name)
    async with asyncio.timeout(10):
        while house.media.sessions[session]["port"] != 4406:  # noqa: ASYNC110 - a stand-in's books
            await asyncio.sleep(0)


async def test_a_refusal_on_the_desktop_is_not_the_citizens_end(house: House) -> None:
    await house.ready_agent("1001")
    await house.ready_agent("1002")
    citizen = house.arrives()
    phone = await house.phone()
    (view,) = house.service.live()
    await house.service.hang_up(view.call_id, agent_id="1001")
    (await house.phone(1)).pick_up()
    await house.until_talking()
    assert phone.over
    assert citizen.done == ["ring", "answer"]
    (view,) = house.service.live()
    await house.service.hang_up(view.call_id, agent_id="1002")
    record = await house.record()
    assert record["ended_by"] == "agent"
    assert [part["outcome"] for part in record["segments"]] == ["refused", "answered"]


async def test_a_supervisor_ends_a_call_that_is_held_out(house: House) -> None:
    await house.ready_agent("1001")
    citizen = house.arrives()
    await house.phone()
    (view,) = house.service.live()
    await house.service.hang_up(view.call_id, agent_id="8001")
    assert (await house.record())["outcome"] == "abandoned"
    assert citizen.over
    await house.nothing_is_left()


async def test_given_up_while_offered_is_nobodys_call(house: House) -> None:
    await house.ready_agent("1001")
    citizen = house.arrives()
    await house.phone()
    citizen.end()
    record = await house.record()
    assert (record["outcome"], record["agent_id"]) == ("abandoned", None)
    (ended,) = (event for event in house.events if isinstance(event, CallEnded))
    assert ended.agent_id is None
    await house.nothing_is_left()
