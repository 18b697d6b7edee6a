"""Several media processes: where calls go, and what the death of one means for the others."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotline.children import ChildProcess
from telephony.media.control import Item
from telephony.media_commands import MediaEvent, MediaRefused, MediaUnavailable, PlayEnded
from telephony.media_pool import MediaPool, Places
from tests.support.media_process import media_argv
from tests.support.rtp_phone import RtpPhone
from tests.support.tones import dominant, read_stereo, sine
from tests.support.waiting import until


class TestPlaces:
    def test_the_least_loaded_takes_the_next_call_and_all_of_it(self) -> None:
        places = Places()
        assert places.open("a.caller", {0, 1}) == 0
        assert places.open("b.caller", {0, 1}) == 1
        assert places.open("a.agent.1", {0, 1}) == 0
        assert places.open("c.caller", {0, 1}) == 1
        assert places.open("b.agent.2", {0, 1}) == 1
        assert places.open("d.caller", {0, 1}) == 0
        assert places.sessions() == {0: 3, 1: 3}

    def test_a_call_waits_for_its_own_process(self) -> None:
        places = Places()
        assert places.open("a.caller", {0, 1}) == 0
        assert places.open("a.agent", {1}) is None
        assert places.open("b.caller", set()) is None
        places.lose(0)
        assert places.open("a.caller", {1}) == 1

    def test_a_recording_keeps_its_call_in_place(self) -> None:
        places = Places()
        places.open("a.caller", {0, 1})
        places.record("20261122-1", "a.caller")
        places.close("a.caller")
        assert places.of("20261122-1") == 0
        assert places.of("a") == 0
        places.stop_record("20261122-1")
        assert places.of("a") is None
        assert places.of("20261122-1") is None

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["open", "close", "record", "stop", "lose"]),
                st.integers(0, 5),
                st.integers(0, 2),
            ),
            max_size=60,
        )
    )
    def test_the_books_are_right_whatever_happens(self, steps: list[tuple[str, int, int]]) -> None:
        places = Places()
        open_in: dict[str, int] = {}
        for step, call, leg in steps:
            session, recording = f"{call}.{leg}", f"r{call}{leg}"
            match step:
                case "open":
                    process = places.open(session, {0, 1, 2})
                    assert process is not None
                    open_in[session] = process
                case "close":
                    places.close(session)
                    open_in.pop(session, None)
                case "record":
                    places.record(recording, session)
                case "stop":
                    places.stop_record(recording)
                case "lose":
                    places.lose(leg)
                    open_in = {name: at for name, at in open_in.items() if at != leg}
            for name, at in open_in.items():
                assert places.of(name) == at
            assert sum(places.sessions().values()) == len(open_in)


@dataclass
class Room:
    """Two supervised processes, and the pool in front of them."""

    pool: MediaPool
    children: list[ChildProcess]
    lost: list[list[str]] = field(default_factory=list)
    events: list[MediaEvent] = field(default_factory=list)


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    lost: list[list[str]] = []
    events: list[MediaEvent] = []

    def on_lost(sessions: Sequence[str]) -> None:
        lost.append(list(sessions))

    async with AsyncExitStack() as stack:
        children = []
        paths = [tmp_path / f"{number}.sock" for number in range(2)]
        for path in paths:
            child = ChildProcess(path.stem, media_argv(path))
            stack.push_async_callback(child.stop)
            await child.start()
            children.append(child)
        pool = MediaPool(socket_paths=paths, on_lost=on_lost, on_event=events.append)
        await pool.start()
        stack.push_async_callback(pool.close)
        async with asyncio.timeout(10):
            await pool.wait_connected()
        yield Room(pool, children, lost, events)


@dataclass
class Call:
    """Two phones in a bridge."""

    name: str
    citizen: RtpPhone
    agent: RtpPhone
    ports: list[tuple[str, int]]

    async def speak(self, seconds: float) -> None:
        await self.citizen.play(sine(400, seconds), self.ports[0])


async def set_up(stack: AsyncExitStack, pool: MediaPool, name: str) -> Call:
    phones = [await stack.enter_async_context(RtpPhone("PCMA", ssrc=n)) for n in (1, 2)]
    ports = []
    for party, phone in zip(("caller", "agent.1"), phones, strict=True):
        ports.append(await pool.open(f"{name}.{party}"))
        host, port = phone.address
        await pool.set_remote(
            f"{name}.{party}",
            host=host,
            port=port,
            payload_type=8,
            codec="PCMA",
            telephone_event=None,
        )
    parties = f"{name}.caller", f"{name}.agent.1"
    await pool.matrix(name, {a: {b: 1.0} for a in parties for b in parties if a != b})
    return Call(name, phones[0], phones[1], ports)


async def test_a_killed_process_takes_only_its_own_call_and_comes_back(
    room: Room, tmp_path: Path
) -> None:
    pool = room.pool
    async with AsyncExitStack() as stack:
        one = await set_up(stack, pool, "one")
        two = await set_up(stack, pool, "two")
        assert [(await client.counts())["sessions"] for client in pool.clients] == [2, 2]
        for name in ("one", "two"):
            path = tmp_path / f"{name}.wav"
            await pool.record(f"{name}-1", path, left=f"{name}.caller", right=[f"{name}.agent.1"])
        speaking = asyncio.gather(one.speak(1.2), two.speak(1.2))
        await two.agent.heard(25)
        first = room.children[0].pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        with suppress(ConnectionRefusedError):
            await speaking
        await until(lambda: room.lost == [["one.caller", "one.agent.1"]])

        # The other call has heard every packet, and goes on being recorded and served.
        await two.agent.heard(60)
        assert [p.sequence for p in two.agent.packets] == list(
            range(two.agent.packets[0].sequence, two.agent.packets[0].sequence + 60)
        )
        await pool.play("two.beep", "two.agent.1", [Item(tone="beep")])
        await until(lambda: PlayEnded("two.beep", "end") in room.events)
        written = await pool.stop_record("two-1")
        left, _ = read_stereo(written.path)
        assert dominant(left[2000:8000]) == pytest.approx(400, abs=3)
        with pytest.raises(MediaRefused):
            await pool.stop_record("one-1")
        read_stereo(tmp_path / "one.wav")

        # The dead one is replaced, and takes the next call, being the idler.
        await until(lambda: pool.clients[0].connected, 10)
        assert room.children[0].pid != first
        three = await set_up(stack, pool, "three")
        await three.speak(0.1)
        await three.agent.heard(5)
        assert (await pool.clients[0].counts())["sessions"] == 2
        total = await pool.counts()
        assert (total["sessions"], total["bridges"], total["processes"]) == (4, 2, 2)
        for call in (two, three):
            for party in ("caller", "agent.1"):
                await pool.close_session(f"{call.name}.{party}")
        assert (await pool.counts())["ports"] == 0
        assert room.lost == [["one.caller", "one.agent.1"]]


async def test_while_one_is_away_new_calls_go_to_the_other(room: Room) -> None:
    pool = room.pool
    await room.children[0].stop()
    await until(lambda: not pool.clients[0].connected)
    assert pool.connected
    for name in ("a.caller", "b.caller", "c.caller"):
        await pool.open(name)
    assert (await pool.counts())["sessions"] == 3
    await room.children[1].stop()
    await until(lambda: not pool.connected)
    await until(lambda: room.lost == [["a.caller", "b.caller", "c.caller"]])
    with pytest.raises(MediaUnavailable):
        await pool.open("d.caller")
    with pytest.raises(MediaUnavailable):
        await pool.counts()


async def test_names_that_belong_to_no_call_are_refused(room: Room, tmp_path: Path) -> None:
    pool = room.pool
    path = tmp_path / "r.wav"
    attempts = {
        "fork": (pool.fork("a.caller", None), "unknown_session"),
        "matrix": (pool.matrix("a", {"a.caller": {"a.agent": 1.0}}), "unknown_session"),
        "bridge": (pool.bridge("a.caller", "a.agent"), "unknown_session"),
        "record": (pool.record("r", path, left="a.caller", right=[]), "unknown_session"),
        "pause": (pool.pause_record("r"), "unknown_recording"),
        "stop": (pool.stop_record("r"), "unknown_recording"),
        "close": (pool.close_session("a.caller"), "unknown_session"),
    }
    for attempt, code in attempts.values():
        with pytest.raises(MediaRefused) as caught:
            await attempt
        assert caught.value.code == code
    await pool.stop_play("a.wait")
    await pool.matrix("a", {})
    await pool.open("a.caller")
    with pytest.raises(MediaRefused, match="open already"):
        await pool.open("a.caller")
    with pytest.raises(MediaRefused) as caught:  # nothing is kept of what could not be opened
        await pool.open("b.caller", host="192.0.2.1")
    assert caught.value.code == "no_ports"
    await pool.close_session("a.caller")
    assert pool._places.of("a.caller") is None
    assert pool._places.of("b.caller") is None
