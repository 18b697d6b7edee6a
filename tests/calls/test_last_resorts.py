"""By which rule a call is routed, and what is done when none of our agents answers it."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agents.routing import Plan, RoutingPlan
from calls.attending.attendant import Attending
from calls.attending.line_up import LineUp
from calls.attending.waiting_room import WaitingRules
from calls.errors import TransferError
from config.routing import RoutingSettings
from config.settings import load
from eventbus.bus import EventBus
from eventbus.catalogue import CallAnswered
from telephony.media_commands import PlayEnded
from tests.calls.house import House, StandInLeg, open_house
from tests.support.node import until

PROMPTS = Path(__file__).parents[2] / "config" / "prompts"
SOON = 0.02


@dataclass
class Routed:
    """A house whose calls are routed by a document."""

    house: House
    plan: RoutingPlan
    call_backs: list[tuple[str | None, str, str]] = field(default_factory=list)

    async def agent(self, agent_id: str) -> None:
        """Let an agent be ready, with what the document says he is good for."""
        self.house.floor.profile_of = self.plan.profile
        await self.house.ready_agent(agent_id)

    async def said(self, what: list[str]) -> None:
        async def heard() -> bool:
            return what in self.house.media.said

        await until(heard, seconds=10, every=0.001)

    def played(self) -> None:
        """What is played now has ended."""
        for player in list(self.house.media.playing):
            del self.house.media.playing[player]
            self.house.service.on_media_event(PlayEnded(player, "end"))


@asynccontextmanager
async def routed(
    folder: Path, waiting: WaitingRules | None = None, **changes: Any
) -> AsyncIterator[Routed]:
    """Open a house; ``changes`` are sections of the shipped document."""
    document = load(None, {}).routing.model_dump(mode="json") | changes
    plan = RoutingPlan(RoutingSettings.model_validate(document), {"12345": "general"})
    noted: list[tuple[str | None, str, str]] = []

    async def route(
        line: str, caller: str | None, *, before: Plan | None = None, **asked: Any
    ) -> Plan:
        assert before is None  # the rules stay as they are
        return plan.plan(line, caller, now=time.time(), **asked)

    def attending(_bus: EventBus) -> Attending:
        return Attending(
            prompts=PROMPTS,
            line_up=LineUp(lambda _line: "general"),
            waiting=waiting or WaitingRules(after_seconds=60.0),
            languages=("zh",),
            on_call_back=lambda _call, number, line, why: noted.append((number, line, why)),
            on_rating=lambda _call, _agent, _seq, _rated: None,
        )

    async with open_house(folder, attending=attending, route=route) as house:
        yield Routed(house, plan, noted)


def rule(*steps: dict[str, Any]) -> dict[str, Any]:
    """Return the rules with this usual one."""
    rules = load(None, {}).routing.model_dump(mode="json")["rules"]
    return {**rules, "usual": {"steps": list(steps)}}


CLOSED = ["zh/closed", "zh/goodbye"]
NOTED = ["zh/call-back-noted", "zh/goodbye"]


# -- the green channel -----------------------------------------------------------------------------


async def test_110s_call_gets_the_linkage_seat_though_others_have_been_ready_longer(
    tmp_path: Path,
) -> None:
    agents = {"1002": {"group": "linkage"}}
    async with routed(tmp_path, agents=agents) as floor:
        await floor.agent("1001")
        await floor.agent("1002")
        police = floor.house.arrives(trunk="police", reference="110-7")
        (await floor.house.phone()).pick_up()
        await floor.house.until_talking()
        assert floor.house.service.live()[0].agent_id == "1002"
        police.end()
        await floor.house.record()


async def test_a_citizen_does_not_get_the_last_linkage_seat(tmp_path: Path) -> None:
    agents = {"1002": {"group": "linkage"}}
    async with routed(tmp_path, agents=agents) as floor:
        await floor.agent("1002")
        citizen = floor.house.arrives()
        await floor.house.ready_agent("1001")
        (await floor.house.phone()).pick_up()
        await floor.house.until_talking()
        assert floor.house.service.live()[0].agent_id == "1001"
        citizen.end()
        await floor.house.record()


async def test_110_goes_before_citizens_who_have_waited_longer(tmp_path: Path) -> None:
    async with routed(tmp_path) as floor:
        citizen = floor.house.arrives()
        police = floor.house.arrives(trunk="police", sip_call_id="sip-2")

        async def both_wait() -> bool:
            return (await floor.house.floor.counts())["waiting"] == 2

        await until(both_wait, seconds=10, every=0.001)
        ids = {view.partner: view.call_id for view in floor.house.service.live()}
        green = floor.plan.plan("12345", now=0.0, partner=True)
        assert green.priority == 30
        assert await floor.house.floor.position(ids["110"]) == 1
        for leg in (police, citizen):
            leg.end()
        await floor.house.record()


# -- another city's hotline ------------------------------------------------------------------------


async def test_who_waits_too_long_is_passed_on_to_another_hotline(tmp_path: Path) -> None:
    steps = rule({"after": 0.0}, {"after": SOON, "to": "partner:110"})
    async with routed(tmp_path, rules=steps) as floor:
        citizen = floor.house.arrives()
        other = await floor.house.phone()
        assert other.called == "110"
        other.pick_up()

        async def answered() -> bool:
            return "answer" in citizen.done

        await until(answered, seconds=10, every=0.001)
        assert (await floor.house.floor.counts())["waiting"] == 0
        other.end()
        record = await floor.house.record()
        assert (record["outcome"], record["ended_by"]) == ("answered", "partner")
        assert [part["how"] for part in record["segments"]] == ["overflow"]
        assert record["segments"][0]["partner"] == "110"
        assert not record["ticket_id"]  # what is said there is not ours
        assert not floor.house.recognizer.streams
        told = [event for event in floor.house.events if isinstance(event, CallAnswered)]
        assert [event.agent_id for event in told] == [None]
        await floor.house.nothing_is_left()


async def test_if_it_cannot_take_the_call_it_is_back_in_its_place(tmp_path: Path) -> None:
    steps = rule({"after": 0.0}, {"after": SOON, "to": "partner:110"})
    async with routed(tmp_path, rules=steps) as floor:
        citizen = floor.house.arrives()
        (await floor.house.phone(0)).end("remote", 486)
        (await floor.house.phone(1)).end("remote", 486)  # its second number

        async def waits() -> bool:
            return (await floor.house.floor.counts())["waiting"] == 1

        await until(waits, seconds=10, every=0.001)
        await floor.agent("1001")
        (await floor.house.phone(2)).pick_up()
        await floor.house.until_talking()
        citizen.end()
        record = await floor.house.record()
        assert [part["outcome"] for part in record["segments"]] == ["busy", "busy", "answered"]
        await floor.house.nothing_is_left()


@pytest.mark.parametrize("who", ["partner:closed", "partner:unheard-of"])
async def test_a_hotline_that_is_closed_or_unknown_is_passed_over(tmp_path: Path, who: str) -> None:
    steps = rule({"after": 0.0}, {"after": SOON, "to": who}, {"after": SOON, "call_back": True})
    async with routed(tmp_path, rules=steps) as floor:
        floor.house.arrives()
        await floor.said(NOTED)  # the next step's turn
        assert not floor.house.gateway.phones
        floor.played()
        await floor.house.record()


async def test_the_caller_who_goes_meanwhile_takes_the_other_hotlines_leg_with_him(
    tmp_path: Path,
) -> None:
    steps = rule({"after": 0.0}, {"after": SOON, "to": "partner:110"})
    async with routed(tmp_path, rules=steps) as floor:
        citizen = floor.house.arrives()
        other = await floor.house.phone()
        citizen.end()
        record = await floor.house.record()
        assert other.over
        assert record["outcome"] == "abandoned"
        await floor.house.nothing_is_left()


# -- call-back -------------------------------------------------------------------------------------


async def test_who_waits_too_long_is_told_that_he_is_called_back(tmp_path: Path) -> None:
    steps = rule({"after": 0.0}, {"after": SOON, "call_back": True})
    async with routed(tmp_path, rules=steps) as floor:
        citizen = floor.house.arrives()
        await floor.said(NOTED)
        assert floor.call_backs == [("13862311001", "12345", "missed")]
        floor.played()
        record = await floor.house.record()
        assert citizen.done == ["ring", "answer", "hang up"]
        assert (record["outcome"], record["ended_by"]) == ("call_back", "system")
        await floor.house.nothing_is_left()


async def test_whoever_withholds_his_number_goes_on_waiting(tmp_path: Path) -> None:
    steps = rule({"after": 0.0}, {"after": SOON, "call_back": True})
    waiting = WaitingRules(after_seconds=2 * SOON)
    async with routed(tmp_path, waiting, rules=steps) as floor:
        citizen = floor.house.arrives(caller=None)
        await floor.said(["zh/welcome", "zh/busy"])
        assert not floor.call_backs
        assert (await floor.house.floor.counts())["waiting"] == 1
        citizen.end()
        await floor.house.record()


async def test_early_announcements_are_answered_before_the_last_words(tmp_path: Path) -> None:
    steps = rule({"after": 0.0}, {"after": 0.3, "call_back": True})
    waiting = WaitingRules(by="early", after_seconds=SOON)
    async with routed(tmp_path, waiting, rules=steps) as floor:
        citizen = floor.house.arrives()
        await floor.said(NOTED)
        assert citizen.done == ["ring", "ring 183", "answer"]
        assert citizen.answers[0] == citizen.answers[1]
        floor.played()
        await floor.house.record()


# -- closed lines ----------------------------------------------------------------------------------


def shut(how: str) -> dict[str, Any]:
    """Return a line that opens in two hours, in China."""
    clocks = [time.strftime("%H:%M", time.gmtime(time.time() + (8 + h) * 3600)) for h in (2, 3)]
    return {"12345": {"hours": ["-".join(clocks)], "closed": how}}


def told_only(floor: Routed) -> None:
    assert not floor.call_backs


def put_on_the_list(floor: Routed) -> None:
    assert floor.call_backs == [("13862311001", "12345", "missed")]


@pytest.mark.parametrize(
    "how, words, listed",
    [
        ("announce", CLOSED, told_only),
        ("call_back", [CLOSED[0], *NOTED], put_on_the_list),
    ],
)
async def test_a_closed_line_says_so_and_hangs_up(
    tmp_path: Path,
    how: str,
    words: list[str],
    listed: Callable[[Routed], None],
) -> None:
    async with routed(tmp_path, lines=shut(how)) as floor:
        await floor.agent("1001")
        citizen: StandInLeg = floor.house.arrives()
        await floor.said(words)
        listed(floor)
        floor.played()
        record = await floor.house.record()
        assert citizen.done == ["ring", "answer", "hang up"]
        assert record["outcome"] == "rejected"
        assert not floor.house.gateway.phones  # nobody was rung for him
        await floor.house.nothing_is_left()


async def test_110s_call_is_taken_though_the_line_is_closed(tmp_path: Path) -> None:
    agents = {"1001": {"group": "linkage"}}
    async with routed(tmp_path, lines=shut("announce"), agents=agents) as floor:
        await floor.agent("1001")
        police = floor.house.arrives(trunk="police")
        (await floor.house.phone()).pick_up()
        await floor.house.until_talking()
        police.end()
        await floor.house.record()


# -- transfer to a skill ---------------------------------------------------------------------------


async def test_a_call_is_transferred_to_whoever_has_a_skill(tmp_path: Path) -> None:
    agents = {
        "1001": {"skills": {"general": 5}},
        "1002": {"skills": {"general": 1, "english": 3}},
        "1003": {"skills": {"general": 9}},
    }
    async with routed(tmp_path, agents=agents) as floor:
        await floor.agent("1001")
        citizen = floor.house.arrives()
        (await floor.house.phone(0)).pick_up()
        await floor.house.until_talking()
        await floor.agent("1003")
        await floor.agent("1002")
        service, call_id = floor.house.service, floor.house.service.live()[0].call_id
        with pytest.raises(TransferError, match="unknown"):
            await service.transfer(call_id, "skill:latin", "blind", agent_id="1001")
        floor.house.service.agents.directory.skills = lambda: floor.plan.skills
        await service.transfer(call_id, "skill:english", "blind", agent_id="1001")
        second = await floor.house.phone(1)
        assert service.live()[0].transfer_to == "skill:english"
        second.pick_up()
        await floor.house.until_state("1002", "talking")
        citizen.end()
        record = await floor.house.record()
        assert [part["agent_id"] for part in record["segments"]] == ["1001", "1002"]
