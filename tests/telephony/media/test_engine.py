"""The engine over its control socket: bridges of many, playing, keys, pauses; real time, short."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from telephony.media.control import Item, Watched
from telephony.media.dtmf import KEYS, KeyEvent, ToneDetector, build_event, parse_event
from telephony.media.rtp import RtpPacket, build, parse
from telephony.media_client import (
    KeyPressed,
    MediaClient,
    MediaEvent,
    MediaRefused,
    PlayEnded,
    RtpTimedOut,
    SilenceChanged,
)
from tests.support.media_process import end, engines, start_media
from tests.support.rtp_phone import Address, RtpPhone
from tests.support.tones import read_stereo, sine, tone_level
from tests.support.waiting import PATIENCE, until
from tests.support.waveforms import write_tone

pytestmark = pytest.mark.asyncio(loop_scope="module")

TONES = {"citizen": 400, "agent": 1000, "leader": 1700}


class House:
    """A process with three phones in it, and all that it tells."""

    def __init__(self, client: MediaClient, events: list[MediaEvent]) -> None:
        self.client = client
        self.events = events
        self.phones: dict[str, RtpPhone] = {}
        self.legs: dict[str, Address] = {}

    async def add(self, name: str, phone: RtpPhone, *, keys: int | None = 101) -> None:
        self.phones[name] = phone
        self.legs[name] = await self.client.open(name)
        host, port = phone.address
        await self.client.set_remote(
            name,
            host=host,
            port=port,
            payload_type=phone.payload_type,
            codec=phone.codec,
            telephone_event=keys,
        )

    async def speak(self, seconds: float) -> None:
        """Everybody says his tone; what was heard before is forgotten."""
        for phone in self.phones.values():
            phone.datagrams.clear()
        await asyncio.gather(
            *(
                phone.play(sine(TONES[name], seconds, 4000), self.legs[name])
                for name, phone in self.phones.items()
            )
        )

    def hears(self, name: str) -> set[str]:
        """Return whose tones are in what was heard lately."""
        pcm = self.phones[name].pcm()[-1600:]
        return {other for other, hertz in TONES.items() if tone_level(pcm, hertz) > -35}

    async def press(self, name: str, key: str) -> None:
        phone = self.phones[name]
        event = build_event(KeyEvent(KEYS.index(key), end=True, duration=800))
        packet = RtpPacket(101, True, phone.sequence, 70000, phone.ssrc, event)  # noqa: FBT003
        phone.sequence += 1
        phone.transport.sendto(build(packet), self.legs[name])


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=engines())
async def process(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[MediaClient, list[MediaEvent]]]:
    socket_path = tmp_path_factory.mktemp("media") / "media.sock"
    events: list[MediaEvent] = []
    running = await start_media(socket_path, engine=request.param)
    client = MediaClient(socket_path=socket_path, on_lost=lambda _: None, on_event=events.append)
    await client.start()
    try:
        async with asyncio.timeout(PATIENCE):
            await client.wait_connected()
        yield client, events
    finally:
        await client.close()
        await end(running)


@pytest_asyncio.fixture(loop_scope="module")
async def house(process: tuple[MediaClient, list[MediaEvent]]) -> AsyncIterator[House]:
    client, events = process
    events.clear()
    async with (
        RtpPhone(ssrc=1) as citizen,
        RtpPhone("PCMU", ssrc=2) as agent,
        RtpPhone(ssrc=3) as leader,
    ):
        house = House(client, events)
        for name, phone in (("citizen", citizen), ("agent", agent), ("leader", leader)):
            await house.add(name, phone)
        yield house
        for name in TONES:
            with contextlib.suppress(MediaRefused):
                await client.close_session(name)
    assert not any((await client.counts()).values())


async def test_from_two_to_three_to_whisper_and_back(house: House) -> None:
    client = house.client
    await client.bridge("citizen", "agent")
    await house.speak(0.4)
    assert (house.hears("citizen"), house.hears("leader")) == ({"agent"}, set())
    everybody = {a: dict.fromkeys((b for b in TONES if b != a), 1.0) for a in TONES}
    await client.matrix("call", everybody)
    assert (await client.counts())["bridges"] == 1
    await house.speak(0.6)
    assert [house.hears(name) for name in TONES] == [
        {"agent", "leader"},
        {"citizen", "leader"},
        {"citizen", "agent"},
    ]
    everybody["citizen"] = {"agent": 1.0}
    await client.matrix("call", everybody)
    await house.speak(0.6)
    assert house.hears("citizen") == {"agent"}
    assert house.hears("agent") == {"citizen", "leader"}
    await client.bridge("citizen", "agent")
    await house.speak(0.5)
    assert house.hears("citizen") == {"agent"}
    assert house.hears("agent") == {"citizen"}
    assert len(house.phones["leader"].datagrams) <= 2  # the mix has faded out
    assert (await client.counts())["bridges"] == 1


async def test_a_matrix_with_an_unknown_session_changes_nothing(house: House) -> None:
    await house.client.bridge("citizen", "agent")
    with pytest.raises(MediaRefused, match="nobody") as caught:
        await house.client.matrix("call", {"citizen": {"nobody": 1.0}})
    assert caught.value.code == "unknown_session"
    with pytest.raises(MediaRefused, match="at most 8"):
        await house.client.matrix("call", {str(n): {} for n in range(9)})
    await house.speak(0.3)
    assert house.hears("citizen") == {"agent"}


async def test_a_prompt_is_played_instead_and_then_the_call_goes_on(
    house: House, tmp_path: Path
) -> None:
    client = house.client
    await client.bridge("citizen", "agent")
    wait = Item(file=write_tone(tmp_path / "等候.wav", 700, seconds=0.3))
    await client.play("wait", "citizen", [wait, Item(silence=0.1), Item(tone="beep")])
    await house.speak(0.4)
    pcm = house.phones["citizen"].pcm()
    assert tone_level(pcm[:2000], 700) > -20
    assert tone_level(pcm[:2000], TONES["agent"]) < -40
    assert house.hears("agent") == {"citizen"}
    await until(lambda: PlayEnded("wait", "end") in house.events)
    await house.speak(0.4)
    assert house.hears("citizen") == {"agent"}


async def test_music_loops_until_it_is_stopped_or_replaced(house: House, tmp_path: Path) -> None:
    client = house.client
    music = Item(file=write_tone(tmp_path / "m.wav", 700, seconds=0.1))
    await client.play("music", "citizen", [music], loop=True)
    await house.phones["citizen"].heard(20)
    with pytest.raises(MediaRefused, match="playing already"):
        await client.play("music", "agent", [music])
    await client.play("news", "citizen", [Item(tone="dial")], loop=True)
    await until(lambda: PlayEnded("music", "replaced") in house.events)
    assert (await client.counts())["plays"] == 1
    await client.stop_play("news")
    await client.stop_play("news")
    await client.play("last", "citizen", [Item(tone="busy")], loop=True)
    await client.close_session("citizen")
    await until(lambda: PlayEnded("last", "closed") in house.events)
    assert not any(isinstance(e, PlayEnded) and e.player == "news" for e in house.events)


async def test_a_whisper_is_mixed_in(house: House) -> None:
    client = house.client
    await client.bridge("citizen", "agent")
    await client.play("hint", "agent", [Item(tone="dial")], loop=True, mix=True, gain=0.5)
    await house.speak(0.5)
    assert house.hears("agent") == {"citizen"}
    assert tone_level(house.phones["agent"].pcm()[-1600:], 450) == pytest.approx(-19.2, abs=1.5)
    assert tone_level(house.phones["citizen"].pcm()[-1600:], 450) < -50
    await client.stop_play("hint")


async def test_a_key_stops_what_it_may_stop(house: House) -> None:
    client = house.client
    await client.play("menu", "citizen", [Item(tone="dial")], loop=True, stop_on_key=True)
    await client.play("other", "agent", [Item(tone="dial")], loop=True)
    await house.press("agent", "2")
    await house.press("citizen", "4")
    await until(lambda: PlayEnded("menu", "key", "4") in house.events)
    keys = [event for event in house.events if isinstance(event, KeyPressed)]
    assert keys == [KeyPressed("agent", "2", 0.1), KeyPressed("citizen", "4", 0.1)]
    assert (await client.counts())["plays"] == 1
    await client.stop_play("other")


async def test_a_file_that_cannot_be_played_is_refused(house: House, tmp_path: Path) -> None:
    with pytest.raises(MediaRefused, match="No such file") as caught:
        await house.client.play("p", "citizen", [Item(file=tmp_path / "none.wav")])
    assert caught.value.code == "prompt"
    assert (await house.client.counts())["plays"] == 0
    path = write_tone(tmp_path / "a.wav", 700, seconds=1)
    playing = asyncio.create_task(house.client.play("p", "citizen", [Item(file=path)], loop=True))
    await asyncio.sleep(0)  # the command is under way
    await house.client.stop_play("p")  # perhaps before its file is read
    await playing
    assert (await house.client.counts())["plays"] == 0


async def test_keys_are_pressed_as_events_or_as_tones(house: House) -> None:
    client, phone = house.client, house.phones["citizen"]
    await client.press("citizen", "19#", milliseconds=100)
    await until(lambda: len(phone.datagrams) >= 21)
    events = [parse_event(parse(data).payload) for data in phone.datagrams]
    assert [event.code for event in events if event and event.end] == [1] * 3 + [9] * 3 + [11] * 3
    host, port = phone.address
    await client.set_remote(
        "citizen", host=host, port=port, payload_type=8, codec="PCMA", telephone_event=None
    )
    phone.datagrams.clear()
    await client.press("citizen", "19#")
    await until(lambda: len(phone.datagrams) >= 36)
    pcm = np.concatenate((phone.pcm(), np.zeros(400, np.int16)))
    assert [press.key for press in ToneDetector().hear(pcm)] == ["1", "9", "#"]


async def test_a_watched_session_tells_of_silence_and_absence(house: House) -> None:
    await house.client.watch("citizen", rtp_timeout=0.6, silence=0.3)
    await house.speak(0.2)
    await until(lambda: SilenceChanged("citizen", silent=True) in house.events)
    await until(lambda: any(isinstance(event, RtpTimedOut) for event in house.events))


async def test_what_is_watched_can_be_said_with_the_peer(house: House) -> None:
    host, port = house.phones["citizen"].address
    await house.client.set_remote(
        "citizen",
        host=host,
        port=port,
        payload_type=8,
        codec="PCMA",
        telephone_event=None,
        watched=Watched(rtp_timeout=0.6),
    )
    await house.speak(0.2)
    await until(lambda: any(isinstance(event, RtpTimedOut) for event in house.events))


async def test_a_recording_of_three_with_a_pause(house: House, tmp_path: Path) -> None:
    client = house.client
    path = tmp_path / "call.wav"
    await client.record("rec", path, left="citizen", right=["agent", "leader"])
    await house.speak(0.6)
    await client.pause_record("rec")
    await house.speak(0.6)
    await client.resume_record("rec")
    await client.change_record("rec", left="citizen", right="agent")
    await house.speak(0.6)
    written = await client.stop_record("rec")
    ((begin, stop),) = written.pauses
    assert begin == pytest.approx(0.6, abs=0.15)
    assert stop - begin == pytest.approx(0.6, abs=0.15)
    assert len(written.sha256) == 64
    left, right = read_stereo(path)
    first, last = (
        slice(1600, round(begin * 8000) - 400),
        slice(round(stop * 8000) + 1600, len(left) - 800),
    )
    silent = slice(round(begin * 8000) + 2400, round(stop * 8000))
    for hertz, in_first, in_last in ((1000, True, True), (1700, True, False)):
        assert (tone_level(right[first], hertz) > -30) is in_first
        assert (tone_level(right[last], hertz) > -30) is in_last
    assert tone_level(left[first], 400) > -30
    assert not left[silent].any()
    assert not right[silent].any()
    with pytest.raises(MediaRefused, match="is running"):
        await client.pause_record("rec")
