"""Every stage of a consultation × every way it can end: tones tell who hears whom.

The cells are those of ``test_transfer_cells``, whose table is about the machine. Here the whole of
a call's owner does it, with a real media engine: what each party says arrives at exactly those whom
the table names, before and after; and a citizen for whom it names nobody hears music.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis

from agents.redis_floor import RedisEngine, connect
from agents.resilient_floor import ResilientEngine
from calls.call_inputs import DeadlinePassed
from calls.hearing import Hearing
from telephony.leg import LegReferred, LegRinging
from tests.calls.house import House, StandInLeg, open_house
from tests.calls.scenes import Scene
from tests.calls.sounding import PARTIES, Sound, SoundingMedia, write_music
from tests.calls.test_transfer import A
from tests.calls.test_transfer_cells import ENDS, OUTSIDE, STAGES, hearing_after, hearing_before
from tests.support.floors import TIMES
from tests.support.node import until
from tests.support.redis_server import RedisServer, running_redis

NUMBER = "13800000000"
NAMES = {"caller": "caller", A: "agent", OUTSIDE.leg: "partner"}


class Cell:
    """A call whose three parties can be heard, driven through one cell."""

    def __init__(self, house: House, sound: Sound, server: RedisServer | None) -> None:
        self._house = house
        self._sound = sound
        self._server = server
        self._phones: dict[str, StandInLeg] = {}
        self._scene: Scene

    async def reach(self, stage: str) -> None:
        """Let citizen and agent talk, and the agent consult somebody outside."""
        house, sound = self._house, self._sound
        await house.ready_agent("1001")
        citizen = house.arrives(remote_sdp=sound.phones["caller"].sdp)
        agent = await house.phone()
        sound.phones["agent"].told(agent.offer)
        agent.pick_up(sound.phones["agent"].sdp)
        await house.until_talking()
        sound.phones["caller"].told(citizen.answers[-1])
        scene = self._scene = Scene(house, citizen, agent)
        await sound.hears(caller={"agent"}, agent={"caller"})
        await scene.asks(f"number:{NUMBER}", "consult")
        partner = await house.phone(1)
        self._phones = {"caller": citizen, "agent": agent, "partner": partner}
        sound.phones["partner"].told(partner.offer)
        if stage == "early media":
            partner.on_event(LegRinging(183, sound.phones["partner"].sdp))
            await scene.told("ringing")
            return
        partner.on_event(LegRinging())
        await scene.told("ringing")
        if stage == "ringing":
            return
        partner.pick_up(sound.phones["partner"].sdp)
        await scene.told("joined")
        if stage == "merged":
            await scene.steps("merge")

    async def end(self, end: str) -> None:
        """Let happen what the cell is about."""
        scene, partner = self._scene, self._phones["partner"]
        match end:
            case "cancel" | "complete":
                await scene.steps(end)
            case "agent hangs up":
                scene.phone.end()
            case "citizen hangs up":
                scene.citizen.end()
            case "partner hangs up":
                partner.end(status=480)
            case "partner rejects":
                partner.end(status=603)
            case "partner silent":
                self._be_silent()
            case "REFER from the phone":
                scene.phone.on_event(LegReferred("sip:13800000001@127.0.0.1"))
                await self._until_answered(scene.phone)
            case _:
                assert self._server is not None
                await self._server.kill()

    def _be_silent(self) -> None:
        """Let the time pass that a number may ring, or that a leg may send nothing."""
        (owner,) = self._house.service._owners.values()
        deadline = owner.call.deadline
        if deadline is None:  # he has answered
            session = next(name for name in self._house.media.sessions if "p1-1" in name)
            self._house.service.on_rtp_timeout(session, 60.1)
            return
        for effect in owner.call.handle(DeadlinePassed(), deadline):
            owner._perform(effect)
        owner._rearm()

    async def hears(self, hearing: Hearing, *, over: bool) -> None:
        """Wait until all hear what they should."""
        wanted: dict[str, set[str]] = {}
        for source, listener in hearing:
            wanted.setdefault(NAMES[listener], set()).add(NAMES[source])
        if not over:
            wanted.setdefault("caller", {"music"})  # he is never alone
        await self._sound.hears(**wanted)

    async def bring_in_an_expert(self) -> None:
        """Let a fourth party talk along."""
        sound, scene = self._sound, self._scene
        await scene.asks("number:13800000002", "consult")
        expert = await self._house.phone(2)
        sound.phones["expert"].told(expert.offer)
        expert.pick_up(sound.phones["expert"].sdp)
        # The three others go on, and the agent is out of it for as long as he asks the fourth.
        await sound.hears(
            caller={"partner"}, partner={"caller"}, agent={"expert"}, expert={"agent"}
        )
        await scene.steps("merge")

    async def all_hear_all(self) -> None:
        """Wait until all four hear the three others."""
        await self._sound.hears(**{name: set(PARTIES) - {name} for name in PARTIES})

    @staticmethod
    async def _until_answered(phone: StandInLeg) -> None:
        async def answered() -> bool:
            return bool(phone.done)

        await until(answered, seconds=10, every=0.001)


@pytest.fixture
async def cell(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Cell]:
    async with AsyncExitStack() as stack:
        media, server, engine = SoundingMedia(), None, None
        stack.push_async_callback(media.engine.close)
        if request.getfixturevalue("end") == "redis away":
            server = await stack.enter_async_context(running_redis())
            redis: Redis = connect(server.url)
            stack.push_async_callback(redis.aclose)
            remote = RedisEngine(redis, node="n1", times=TIMES)
            engine = ResilientEngine(remote, node="n1", times=TIMES)
        music = write_music(tmp_path / "music.wav")
        house = await stack.enter_async_context(
            open_house(
                tmp_path, media=media, music=music, floor_engine=engine, partner_seconds=600.0
            )
        )
        sound = Sound(media)
        stack.callback(sound.close)
        yield Cell(house, sound, server)


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.replace(" ", "-"))
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.replace(" ", "-"))
async def test_who_hears_whom(cell: Cell, stage: str, end: str) -> None:
    await cell.reach(stage)
    await cell.hears(hearing_before(OUTSIDE, stage), over=False)
    await cell.end(end)
    await cell.hears(hearing_after(OUTSIDE, stage, end), over=end == "citizen hangs up")


@pytest.mark.parametrize("end", ["cancel"])
async def test_four_parties(cell: Cell, end: str) -> None:
    await cell.reach("merged")
    await cell.bring_in_an_expert()
    await cell.all_hear_all()
    await cell.end(end)
    await cell.hears(hearing_before(OUTSIDE, "merged"), over=False)
