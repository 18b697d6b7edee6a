"""Supervisors in calls: who hears whom at each moment, and that nobody is harmed by them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agents.demand import Want
from agents.routing import Plan
from calls.agent_search import ASSIGNED_SECONDS
from calls.call import Call, CallState
from calls.call_effects import (
    CallEffect,
    Connect,
    Dequeue,
    Enqueue,
    FinishAgent,
    HandOver,
    HangUpLeg,
    Hear,
)
from calls.call_inputs import (
    AgentOffered,
    Arrived,
    AssignAsked,
    Bridged,
    CallerEnded,
    CallInput,
    DeadlinePassed,
    MediaFailed,
    MergeAsked,
    PartyAnswered,
    PartyEnded,
    TransferAsked,
)
from calls.errors import TransferError
from calls.hearing import Hearing, circle
from calls.supervision_events import (
    CallSupervisor,
    SuperviseAsked,
    SupervisionEndAsked,
    SupervisionMode,
    SupervisionStep,
    SupervisorCalled,
)
from eventbus.catalogue import CallSupervised
from tests.calls.house import House, open_house
from tests.calls.test_transfer import FIRST, POLICE, A, talking
from tests.support.node import until

L = "lead.1.0"
TALK = circle("caller", A)
LISTENING = TALK | {("caller", L), (A, L)}
WHISPERING = LISTENING | {(L, A)}
BARGING = circle("caller", A, L)
CALLED = (SuperviseAsked("2001", "listen"), SupervisorCalled("lead.1", (L,)))
IN: tuple[CallInput, ...] = (*CALLED, PartyAnswered(L), Bridged(L))


def entered(mode: SupervisionMode) -> tuple[CallInput, ...]:
    return (SuperviseAsked("2001", mode), *IN[1:])


def stages(effects: list[CallEffect]) -> list[str]:
    return [effect.stage for effect in effects if isinstance(effect, SupervisionStep)]


def heard(effects: list[CallEffect]) -> list[Hearing]:
    return [effect.hearing for effect in effects if isinstance(effect, Hear | Connect)]


def test_a_supervisor_listens_and_goes() -> None:
    call = talking()
    assert call.handle(SuperviseAsked("2001", "listen"), 1.0) == [
        SupervisionStep("started", "listen", "2001", "1001"),
        CallSupervisor("2001", "lead.1"),
    ]
    assert call.handle(SupervisorCalled("lead.1", (L, "lead.1.1")), 1.0) == []
    assert call.handle(PartyAnswered(L), 3.0) == [
        HangUpLeg("lead.1.1", "answered elsewhere"),
        Connect(L, LISTENING),
    ]
    assert call.handle(Bridged(L), 3.0) == [SupervisionStep("joined", "listen", "2001", "1001")]
    assert call.handle(PartyEnded(L), 9.0) == [
        SupervisionStep("ended", "listen", "2001", "1001"),
        Hear(TALK),
    ]
    (segment,) = call.supervisions
    assert (segment.kind, segment.outcome, segment.answered_at) == ("supervisor", "supervised", 3.0)
    assert [part.agent_id for part in call.segments] == ["1001"]
    assert call.agent_id == "1001"


@pytest.mark.parametrize(
    "mode, hearing", [("listen", LISTENING), ("whisper", WHISPERING), ("barge", BARGING)]
)
def test_who_hears_a_supervisor(mode: SupervisionMode, hearing: Hearing) -> None:
    call = talking(*IN[:-2])
    call.handle(SuperviseAsked("2001", mode), 1.0)
    assert heard(call.handle(PartyAnswered(L), 3.0)) == [hearing]


def test_he_changes_how_he_is_in_the_call() -> None:
    call = talking(*IN)
    for mode, hearing in (("whisper", WHISPERING), ("barge", BARGING), ("listen", LISTENING)):
        effects = call.handle(SuperviseAsked("2001", mode), 5.0)  # type: ignore[arg-type]
        assert (stages(effects), heard(effects)) == (["changed"], [hearing])


def test_he_follows_the_agent_into_a_consultation() -> None:
    call = talking(*IN, TransferAsked(POLICE, "consult"))
    effects = call.handle(PartyAnswered(FIRST), 5.0)
    assert heard(effects) == [circle(A, FIRST) | {(A, L), (FIRST, L)}]
    call.handle(Bridged(FIRST), 5.0)
    everybody = {(party, L) for party in ("caller", A, FIRST)}
    assert heard(call.handle(MergeAsked(), 6.0)) == [circle("caller", A, FIRST) | everybody]


@pytest.mark.parametrize("asked_first", [True, False])
def test_he_takes_the_call_over(*, asked_first: bool) -> None:
    if asked_first:
        call = talking(*entered("take_over")[:-1])
        agent = call.holder
        effects = call.handle(Bridged(L), 5.0)
    else:
        call = talking(*IN)
        agent = call.holder
        effects = call.handle(SuperviseAsked("2001", "take_over"), 5.0)
    assert stages(effects)[-1] == "taken_over"
    assert HandOver(agent, call.holder) in effects
    assert HangUpLeg(A, "transferred") in effects
    assert FinishAgent("1001", 1) in effects
    assert heard(effects) == [circle("caller", L)]
    assert (call.agent_id, call.supervised, call.state) == ("2001", None, CallState.TALKING)
    assert call.handle(PartyEnded(A), 5.1) == []
    assert [(part.agent_id, part.outcome) for part in call.segments] == [
        ("1001", "transferred"),
        ("2001", None),
    ]
    call.handle(PartyEnded(L), 9.0)
    assert (call.ended_by, call.segments[-1].kind) == ("agent", "agent")


def test_nothing_is_taken_over_in_the_middle_of_a_transfer() -> None:
    call = talking(*entered("take_over")[:-1], TransferAsked(POLICE, "consult"))
    assert stages(call.handle(Bridged(L), 5.0)) == ["joined", "changed"]
    assert call.holder is not None
    assert call.holder.leg == A
    with pytest.raises(TransferError, match="transfer under way"):
        call.handle(SuperviseAsked("2001", "take_over"), 6.0)


@pytest.mark.parametrize(
    "events, outcome",
    [
        ((SupervisorCalled("lead.1", ()),), "unreachable"),
        ((CALLED[1], PartyEnded(L, 486)), "busy"),
        ((CALLED[1], DeadlinePassed()), "missed"),
        ((CALLED[1], PartyAnswered(L), MediaFailed(L)), "unreachable"),
    ],
)
def test_a_supervisor_who_does_not_come_is_noticed_by_nobody(
    events: tuple[CallInput, ...], outcome: str
) -> None:
    call = talking(CALLED[0])
    effects: list[CallEffect] = []
    for event in events:
        effects = call.handle(event, 20.0)
    (failed,) = (effect for effect in effects if isinstance(effect, SupervisionStep))
    assert (failed.stage, failed.outcome) == ("failed", outcome)
    assert all(hearing == TALK for hearing in heard(effects))
    assert (call.supervised, call.deadline, call.state) == (None, None, CallState.TALKING)
    assert stages(call.handle(SuperviseAsked("2002", "listen"), 21.0)) == ["started"]


@pytest.mark.parametrize("length", range(1, len(IN) + 1))
def test_the_citizen_hangs_up_at_any_moment_and_every_leg_goes(length: int) -> None:
    call = talking(*IN[:length])
    effects = call.handle(CallerEnded(), 6.0)
    assert stages(effects) == ["ended"]
    assert (HangUpLeg(L) in effects) is (length > 1)
    assert call.handle(SupervisorCalled("lead.1", ("late",)), 6.1) == [HangUpLeg("late")]


def test_what_is_refused() -> None:
    call = talking(*IN)
    for asked, code in (
        (SuperviseAsked("2002", "listen"), "supervised"),
        (SupervisionEndAsked("2002"), "supervised"),
        (SuperviseAsked("1001", "listen"), "own_call"),
        (AssignAsked("1002"), "not_waiting"),
    ):
        with pytest.raises(TransferError) as refused:
            call.handle(asked, 5.0)
        assert refused.value.code == code
    assert stages(call.handle(SupervisionEndAsked("2001"), 6.0)) == ["ended"]
    with pytest.raises(TransferError, match="not supervising"):
        call.handle(SupervisionEndAsked("2001"), 7.0)


# Assigning a call that waits


def waiting() -> Call:
    call = Call(no_answer_seconds=15)
    call.handle(Arrived(), 0.0)
    return call


def test_a_waiting_call_is_assigned() -> None:
    call = waiting()
    assert call.handle(AssignAsked("1002"), 3.0) == [Dequeue(0), Enqueue(0, 0, "1002")]
    call.handle(AgentOffered("1002", 1), 3.1)
    assert call.agent_id == "1002"
    # he does not answer: it is anybody's again
    assert call.handle(DeadlinePassed(), 30.0)[-1] == Enqueue(0, 0, None)
    assert call.deadline is None


def test_an_assigned_call_that_is_not_offered_is_anybodys_again() -> None:
    call = waiting()
    call.handle(AssignAsked("1002"), 3.0)
    assert call.deadline == 3.0 + ASSIGNED_SECONDS
    assert call.handle(DeadlinePassed(), 3.0 + ASSIGNED_SECONDS) == [Dequeue(0), Enqueue(0)]


# The service


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


async def supervised(house: House, stage: str) -> CallSupervised:
    async def told() -> CallSupervised | None:
        steps = (event for event in house.events if isinstance(event, CallSupervised))
        return next((event for event in steps if event.stage == stage), None)

    found = await until(told, seconds=10, every=0.001)
    assert isinstance(found, CallSupervised)
    return found


async def test_a_leader_listens_takes_over_and_is_ready_again(house: House) -> None:
    await house.ready_agent("1001")
    citizen = house.arrives()
    phone = await house.phone()
    phone.pick_up()
    await house.until_talking()
    await house.ready_agent("2001")
    (view,) = house.service.live()
    await house.service.supervise(view.call_id, "listen", supervisor="2001")
    await house.until_state("2001", "not_ready")
    leaders = await house.phone(1)
    await house.ready_agent("2002")
    with pytest.raises(TransferError, match="supervised"):
        await house.service.supervise(view.call_id, "listen", supervisor="2002")
    await house.until_state("2002", "ready")
    leaders.pick_up()
    assert (await supervised(house, "joined")).agent_id == "2001"
    assert house.media.matrices[view.call_id][f"{view.call_id}.lead.1"] == {
        f"{view.call_id}.caller",
        f"{view.call_id}.agent.1",
    }
    (view,) = house.service.live()
    assert (view.supervisor, view.supervision) == ("2001", "listen")
    await house.service.supervise(view.call_id, "take_over", supervisor="2001")
    assert (await supervised(house, "taken_over")).agent_id == "1001"
    await house.until_state("1001", "wrap_up")
    assert phone.over
    citizen.end()
    record = await house.record()
    assert record["agent_id"] == "2001"
    assert [part["kind"] for part in record["segments"]] == ["agent", "agent"]
    await house.until_state("2001", "ready")
    await house.nothing_is_left()


async def test_a_leader_who_passes_on_what_he_took_over_is_ready_again(house: House) -> None:
    await house.ready_agent("1001")
    citizen = house.arrives()
    (await house.phone()).pick_up()
    await house.until_talking()
    await house.ready_agent("1002")
    (view,) = house.service.live()
    await house.service.supervise(view.call_id, "take_over", supervisor="1002")
    (await house.phone(1)).pick_up()
    await supervised(house, "taken_over")
    assert (await house.floor.presence("1002")).reason == "supervising"  # type: ignore[union-attr]
    await house.service.transfer(
        view.call_id, "partner:110", "blind", agent_id="1002", reason="斗殴"
    )
    (await house.phone(2)).pick_up()
    await house.until_state("1002", "ready")
    assert not citizen.over
    citizen.end()
    await house.record()
    await house.until_state("1002", "ready")
    await house.nothing_is_left()


async def test_a_leader_pulls_a_waiting_call(house: House) -> None:
    citizen = house.arrives()
    view = await house.until_waiting()
    with pytest.raises(TransferError) as refused:
        await house.service.assign(view.call_id, "1002")
    assert refused.value.code == "target_not_ready"
    await house.ready_agent("1002")
    phone = await house.phone()
    phone.pick_up()
    await house.until_talking()
    assert house.service.live()[0].agent_id == "1002"
    citizen.end()
    await asyncio.wait_for(house.record(), 10)
    await house.nothing_is_left()


async def for_nobody(*_call: object, **_more: object) -> Plan:
    return Plan((Want("agent:nobody"),))


async def test_whoever_assigns_a_call_is_told_what_came_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(tmp_path, route=for_nobody) as house:
        await house.ready_agent("1001")
        citizen = house.arrives()
        view = await house.until_waiting()
        # The floor does not hold it out to him: another call was quicker, say.
        dequeue = house.floor.dequeue
        monkeypatch.setattr("calls.supervising.ASSIGNED_SECONDS", 0.0)
        monkeypatch.setattr("calls.supervising._MARGIN", 0.01)
        gate = asyncio.Event()

        async def late(call_id: str, *, now: float | None = None) -> None:
            await gate.wait()
            await dequeue(call_id, now=now)

        house.floor.dequeue = late  # type: ignore[method-assign]
        with pytest.raises(TransferError, match="target not ready"):
            await house.service.assign(view.call_id, "1001")
        monkeypatch.setattr("calls.supervising._MARGIN", 10.0)
        gate.set()
        await house.service.assign(view.call_id, "1001")  # returns when it is held out to him
        assert (await house.phone()).over is False
        citizen.end()
        await house.record()
        await house.nothing_is_left()


async def test_who_assigned_it_first_and_waits_no_more_takes_the_answer_from_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(tmp_path, route=for_nobody) as house:
        await house.ready_agent("1001")
        citizen = house.arrives()
        view = await house.until_waiting()
        enqueue, gate = house.floor.enqueue, asyncio.Event()

        async def late(*call: Any, **more: Any) -> None:
            await gate.wait()
            await enqueue(*call, **more)

        house.floor.enqueue = late  # type: ignore[method-assign]
        monkeypatch.setattr("calls.supervising.ASSIGNED_SECONDS", 30.0)
        second = asyncio.create_task(house.service.assign(view.call_id, "1001"))
        waiting = house.service.supervising._assigned

        async def asked() -> bool:
            return view.call_id in waiting

        await until(asked, seconds=10, every=0.001)
        monkeypatch.setattr("calls.supervising.ASSIGNED_SECONDS", 0.0)
        monkeypatch.setattr("calls.supervising._MARGIN", 0.0)
        with pytest.raises(TransferError, match="target not ready"):
            await house.service.assign(view.call_id, "1001")
        gate.set()
        await second  # returns when it is held out to him
        assert not waiting
        citizen.end()
        await house.record()
        await house.nothing_is_left()


async def test_who_goes_while_he_is_assigned_waits_no_more(tmp_path: Path) -> None:
    async with open_house(tmp_path, route=for_nobody) as house:
        await house.ready_agent("1001")
        citizen = house.arrives()
        view = await house.until_waiting()
        asked = asyncio.Event()

        async def never(_call_id: str, **_more: object) -> None:
            asked.set()

        house.floor.enqueue = never  # type: ignore[method-assign,assignment]
        assigning = asyncio.create_task(house.service.assign(view.call_id, "1001"))
        await asked.wait()
        citizen.end()
        with pytest.raises(TransferError, match="not waiting"):
            await assigning
        await house.record()


async def test_a_leader_is_in_one_call_at_a_time(house: House) -> None:
    await house.ready_agent("1001")
    await house.ready_agent("1002")
    citizens = [house.arrives(sip_call_id=name) for name in ("sip-1", "sip-2")]
    for number in range(2):
        (await house.phone(number)).pick_up()

    async def both_talk() -> bool:
        return [view.state for view in house.service.live()] == ["talking", "talking"]

    await until(both_talk, seconds=10, every=0.001)
    await house.ready_agent("2001")
    done = await asyncio.gather(
        *(
            house.service.supervise(view.call_id, "listen", supervisor="2001")
            for view in house.service.live()
        ),
        return_exceptions=True,
    )
    (error,) = [one for one in done if one is not None]
    assert isinstance(error, TransferError)
    assert error.code == "supervisor_busy"
    for citizen in citizens:
        citizen.end()
    await house.record()
    await house.until_state("2001", "ready")


async def test_a_leader_whom_a_call_holds_supervises_none(house: House) -> None:
    await house.ready_agent("1001")
    citizen = house.arrives()
    (await house.phone()).pick_up()
    await house.until_talking()
    (view,) = house.service.live()
    house.floor.on_offer = lambda _offer: None  # another node's call
    await house.ready_agent("2001")
    await house.floor.enqueue("elsewhere", arrived_at=1.0)
    await house.until_state("2001", "reserved")
    with pytest.raises(TransferError) as refused:
        await house.service.supervise(view.call_id, "listen", supervisor="2001")
    assert refused.value.code == "supervisor_busy"
    await house.floor.dequeue("elsewhere")
    await house.until_state("2001", "ready")
    citizen.end()
    await house.record()
