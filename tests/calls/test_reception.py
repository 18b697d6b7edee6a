"""The system speaks in a call: what the caller hears, and that nothing of it is left."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from calls.attending.attendant import Attending
from calls.attending.line_up import LineUp
from calls.attending.parting import SurveyRules
from calls.attending.script import Rated
from calls.attending.waiting_room import WaitingRules
from eventbus.bus import EventBus
from telephony.leg import LegDigit
from telephony.media_commands import KeyPressed, MediaEvent, PlayEnded
from tests.calls.house import House, StandInLeg, open_house
from tests.support.node import until

PROMPTS = Path(__file__).parents[2] / "config" / "prompts"
GREETING = ["zh/welcome", "zh/busy"]
QUESTION = ["zh/rating"]


@dataclass
class Told:
    """What the attendants told."""

    call_backs: list[tuple[str | None, str]] = field(default_factory=list)
    ratings: list[tuple[str, int, Rated]] = field(default_factory=list)


@dataclass
class Floor:
    """A house whose callers are attended to."""

    house: House
    told: Told

    async def said(self, what: list[str], *, times: int = 1) -> None:
        async def heard() -> bool:
            return self.house.media.said.count(what) >= times

        await until(heard, seconds=10, every=0.001)

    def report(self, event: MediaEvent) -> None:
        self.house.service.on_media_event(event)

    def player(self) -> str:
        """Return what is played now."""
        (player,) = self.house.media.playing
        return player

    def played(self) -> None:
        """What is played now has ended."""
        player = self.player()
        del self.house.media.playing[player]
        self.report(PlayEnded(player, "end"))

    def press(self, key: str) -> None:
        (session,) = [name for name in self.house.media.sessions if name.endswith(".caller")]
        self.report(KeyPressed(session, key, 0.1))

    async def talking(self) -> tuple[StandInLeg, StandInLeg]:
        """Let a citizen and agent 1001 talk; return their phones."""
        await self.house.ready_agent("1001")
        citizen = self.house.arrives()
        phone = await self.house.phone()
        phone.pick_up()
        await self.house.until_talking()
        return citizen, phone


@asynccontextmanager
async def open_floor(folder: Path, waiting: WaitingRules | None = None) -> AsyncIterator[Floor]:
    told = Told()

    def attending(bus: EventBus) -> Attending:
        line_up = LineUp(lambda _line: "general")
        bus.subscribe(line_up.take)
        return Attending(
            prompts=PROMPTS,
            line_up=line_up,
            waiting=waiting or WaitingRules(after_seconds=0.01),
            survey=SurveyRules(),
            languages=("zh",),
            on_call_back=lambda _call, number, line, _why: told.call_backs.append((number, line)),
            on_rating=lambda _call, agent, seq, rated: told.ratings.append((agent, seq, rated)),
        )

    async with open_house(folder, attending=attending) as house:
        yield Floor(house, told)


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    async with open_floor(tmp_path) as floor:
        yield floor


async def test_a_caller_hears_greeting_place_offer_and_music_until_the_agent_is_there(
    floor: Floor,
) -> None:
    citizen = floor.house.arrives()
    await floor.said(GREETING)
    assert citizen.done == ["ring", "answer"]
    floor.played()
    await floor.said(["zh/next", "zh/call-back-offer"])
    floor.played()
    await floor.said(["prompts/music", "…"])
    await floor.house.ready_agent("1001")
    (await floor.house.phone()).pick_up()
    await floor.house.until_talking()
    assert not floor.house.media.playing  # no word over the agent
    assert floor.house.media.asked.index("stop_play") < floor.house.media.asked.index("bridge")
    assert citizen.done == ["ring", "answer"]  # once
    citizen.end()
    record = await floor.house.record()
    assert record["outcome"] == "answered"
    await floor.house.nothing_is_left()


@pytest.mark.parametrize("away", [False, True])
async def test_who_could_not_be_answered_is_asked_again(
    floor: Floor, monkeypatch: pytest.MonkeyPatch, *, away: bool
) -> None:
    monkeypatch.setattr("calls.reception.RETRY_SECONDS", 0.01)
    media = floor.house.media
    media.away, media.refuses = away, {} if away else {"open": "no_ports"}
    citizen = floor.house.arrives()

    async def asked_again() -> bool:
        return media.asked.count("open") > 2

    await until(asked_again, seconds=10, every=0.001)
    assert citizen.done == ["ring"]
    media.away, media.refuses = False, {}
    await floor.said(GREETING)
    assert citizen.done == ["ring", "answer"]
    citizen.end()
    await floor.house.record()
    await floor.house.nothing_is_left()


async def test_the_second_in_line_is_told_so(floor: Floor) -> None:
    first = floor.house.arrives()
    await floor.said(GREETING)
    second = floor.house.arrives(caller="13862311002", sip_call_id="sip-2")
    await floor.said(GREETING, times=2)
    floor.report(PlayEnded(list(floor.house.media.playing)[1], "end"))
    await floor.said(["zh/position-before", "zh/1", "zh/position-after", "zh/call-back-offer"])
    first.end()
    second.end()
    await floor.house.record()
    await floor.house.nothing_is_left()


async def test_early_media_is_what_the_answer_says_as_well(tmp_path: Path) -> None:
    async with open_floor(tmp_path, WaitingRules(by="early", after_seconds=0.01)) as floor:
        citizen = floor.house.arrives()
        await floor.said(GREETING)
        assert citizen.done == ["ring", "ring 183"]
        await floor.house.ready_agent("1001")
        (await floor.house.phone()).pick_up()
        await floor.house.until_talking()
        assert citizen.done == ["ring", "ring 183", "answer"]
        assert citizen.answers[0] == citizen.answers[1]
        citizen.end()
        await floor.house.record()
        await floor.house.nothing_is_left()


async def test_early_media_is_refused_when_the_call_comes_to_nothing(tmp_path: Path) -> None:
    async with open_floor(tmp_path, WaitingRules(by="early", after_seconds=0.01)) as floor:
        citizen = floor.house.arrives()
        await floor.said(GREETING)
        await floor.house.service.drain(5.0)
        assert citizen.done[-1] in {"hang up", "refuse 480", "refuse 503"}
        await floor.house.nothing_is_left()


def by_rtp(floor: Floor, _citizen: StandInLeg) -> None:
    floor.press("1")


def by_info(_floor: Floor, citizen: StandInLeg) -> None:
    citizen.on_event(LegDigit("1", 100))


@pytest.mark.parametrize("press", [by_rtp, by_info])
async def test_a_key_asks_for_a_call_back_and_a_word_of_thanks_ends_the_call(
    floor: Floor, press: Callable[[Floor, StandInLeg], None]
) -> None:
    citizen = floor.house.arrives()
    await floor.said(GREETING)
    press(floor, citizen)
    assert floor.told.call_backs == [("13862311001", "12345")]
    await floor.said(["zh/call-back-noted", "zh/goodbye"])
    await floor.house.ready_agent("1001")  # nobody is rung for him any more
    floor.played()
    record = await floor.house.record()
    assert citizen.done[-1] == "hang up"
    assert (record["outcome"], record["ended_by"]) == ("call_back", "citizen")
    assert not floor.house.gateway.phones
    await floor.house.nothing_is_left()


@pytest.mark.parametrize("press", [by_rtp, by_info])
async def test_a_key_pressed_while_he_talks_is_for_whom_he_talks_with(
    floor: Floor, press: Callable[[Floor, StandInLeg], None]
) -> None:
    citizen = floor.house.arrives()
    await floor.said(GREETING)
    await floor.house.ready_agent("1001")
    (await floor.house.phone()).pick_up()
    await floor.house.until_talking()
    press(floor, citizen)
    assert not floor.told.call_backs
    (view,) = floor.house.service.live()
    assert view.state == "talking"
    citizen.end()
    assert (await floor.house.record())["outcome"] == "answered"


async def test_a_caller_is_let_go_though_the_media_process_refuses(floor: Floor) -> None:
    citizen = floor.house.arrives()
    await floor.said(GREETING)
    await floor.house.ready_agent("1001")
    phone = await floor.house.phone()
    phone.pick_up()
    await floor.house.until_talking()
    floor.house.media.refuses |= {"stop_play": "busy", "play": "busy"}
    floor.house.media.asked.clear()
    phone.end()
    await floor.house.until_asked("play")  # the question, which nobody hears
    floor.press("5")
    await floor.house.record()
    assert citizen.over
    assert floor.told.ratings


async def test_a_key_told_in_two_ways_is_one_press(floor: Floor) -> None:
    _citizen, phone = await floor.talking()
    phone.end()
    await floor.said(QUESTION)
    floor.press("9")
    _citizen.on_event(LegDigit("9", 100))
    await floor.said(["zh/rating-unknown", "zh/rating"])
    assert not floor.told.ratings  # the second wrong key would have ended it
    _citizen.end()
    await floor.house.record()


async def test_a_rating_belongs_to_the_agent_who_has_left(floor: Floor) -> None:
    citizen, phone = await floor.talking()
    floor.press("1")  # means nothing while they talk
    phone.end()
    await floor.said(QUESTION)
    await floor.house.until_state("1001", "wrap_up")  # he is not kept
    assert not citizen.over
    assert not floor.house.media.bridges
    floor.press("5")
    assert floor.told.ratings == [("1001", 0, Rated("rated", 5))]
    await floor.said(["zh/thanks", "zh/goodbye"])
    floor.played()
    record = await floor.house.record()
    assert citizen.done[-1] == "hang up"
    assert record["ended_by"] == "agent"
    assert record["media"]["caller"]["mos"] == 4.2
    await floor.house.nothing_is_left()


async def test_who_hangs_up_while_he_is_asked(floor: Floor) -> None:
    citizen, phone = await floor.talking()
    phone.end()
    await floor.said(QUESTION)
    citizen.end()
    await floor.house.record()
    assert floor.told.ratings == [("1001", 0, Rated("hung_up"))]
    await floor.house.nothing_is_left()


async def test_who_hangs_up_in_the_moment_the_agent_does_is_not_asked(floor: Floor) -> None:
    citizen, phone = await floor.talking()
    phone.end()
    citizen.end()
    await floor.house.record()
    assert QUESTION not in floor.house.media.said
    await floor.house.nothing_is_left()


async def test_the_citizen_who_hangs_up_is_not_asked(floor: Floor) -> None:
    citizen, _phone = await floor.talking()
    citizen.end()
    await floor.house.record()
    assert not floor.told.ratings
    assert QUESTION not in floor.house.media.said


async def test_the_node_stops_while_somebody_is_asked(floor: Floor) -> None:
    citizen, phone = await floor.talking()
    phone.end()
    await floor.said(QUESTION)
    await floor.house.service.drain(5.0)
    assert citizen.over
    await floor.house.nothing_is_left()


async def test_the_media_process_dies_while_somebody_waits(floor: Floor) -> None:
    citizen = floor.house.arrives()
    await floor.said(GREETING)
    sessions = list(floor.house.media.sessions)
    floor.house.media.sessions.clear()
    floor.house.media.playing.clear()
    floor.house.service.on_media_lost(sessions)
    record = await floor.house.record()
    assert citizen.over  # answered by us, he would hear nothing
    assert (record["outcome"], record["ended_by"]) == ("failed", "system")
    await floor.house.nothing_is_left()


async def test_a_missing_recording_leaves_nobody_in_silence(floor: Floor) -> None:
    floor.house.media.refuses["play"] = "prompt"
    citizen = floor.house.arrives()

    async def tried() -> bool:
        return floor.house.media.asked.count("play") >= 3  # greeting, place, music

    await until(tried, seconds=10, every=0.001)
    await floor.house.ready_agent("1001")
    (await floor.house.phone()).pick_up()
    await floor.house.until_talking()
    citizen.end()
    await floor.house.record()
    await floor.house.nothing_is_left()


async def test_an_agent_who_does_not_come_through_leaves_the_caller_with_music(
    floor: Floor,
) -> None:
    await floor.house.ready_agent("1001")
    citizen = floor.house.arrives()
    await floor.said(GREETING)
    gate = floor.house.media.gates["bridge"] = asyncio.Event()
    phone = await floor.house.phone()
    phone.pick_up()
    await floor.house.until_asked("bridge")
    phone.end()
    gate.set()
    await floor.said(["prompts/music", "…"])
    citizen.end()
    await floor.house.record()
    await floor.house.nothing_is_left()
