"""The whole process, over real sockets: who hears whom, what is recorded, forked and dropped."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio

from telephony.media import g711
from telephony.media.ports import QUARANTINE
from telephony.media.rtp import RtpPacket, build
from telephony.media_client import (
    Latched,
    MediaClient,
    MediaEvent,
    MediaRefused,
    RecordingFailed,
)
from tests.support.media_process import end, engines, media, start_media
from tests.support.rtp_phone import Address, RtpPhone
from tests.support.tones import dominant, level_dbfs, read_stereo, sine, tone_level
from tests.support.waiting import until

LOW, HIGH = 400, 1000
NOTHING = dict.fromkeys(
    ("sessions", "ports", "bridges", "forks", "recordings", "plays", "realtime"), 0
)


# One process for all tests: each gives back what it took.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=engines())
async def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[MediaClient]:
    path = tmp_path_factory.mktemp("media") / "media.sock"
    async with media(path, engine=request.param) as client:
        yield client


@dataclass
class Call:
    """Two phones and the sessions they talk to; citizen A-law, agent µ-law."""

    client: MediaClient
    citizen: RtpPhone
    agent: RtpPhone
    to_citizen_leg: Address
    to_agent_leg: Address

    async def speak(self, seconds: float = 0.6) -> None:
        """Citizen 400 Hz, agent 1000 Hz, both at once."""
        await asyncio.gather(
            self.citizen.play(sine(LOW, seconds), self.to_citizen_leg),
            self.agent.play(sine(HIGH, seconds), self.to_agent_leg),
        )


@pytest_asyncio.fixture(loop_scope="module")
async def call(client: MediaClient) -> AsyncIterator[Call]:
    async with RtpPhone("PCMA", ssrc=1) as citizen, RtpPhone("PCMU", ssrc=2) as agent:
        legs = {"citizen": citizen, "agent": agent}
        addresses = {}
        for name, phone in legs.items():
            addresses[name] = await client.open(name)
            host, port = phone.address
            await client.set_remote(
                name,
                host=host,
                port=port,
                payload_type=phone.payload_type,
                codec=phone.codec,
                telephone_event={"citizen": 101, "agent": 96}[name],
            )
        await client.bridge("citizen", "agent")
        yield Call(client, citizen, agent, addresses["citizen"], addresses["agent"])
        for name in legs:
            with contextlib.suppress(MediaRefused):  # closed by the test
                await client.close_session(name)
        assert await client.counts() == NOTHING


def assert_tone(pcm: g711.Pcm, freq: float, *, like: g711.Pcm) -> None:
    assert dominant(pcm) == pytest.approx(freq, abs=2)
    assert tone_level(pcm, freq) == pytest.approx(level_dbfs(like), abs=1)


async def test_each_side_hears_the_other_and_the_recording_has_both(
    call: Call, tmp_path: Path
) -> None:
    path = tmp_path / "recordings" / "call.wav"
    await call.client.record("rec", path, left="citizen", right="agent")
    await call.speak(1.0)
    await call.citizen.heard(48)
    await call.agent.heard(48)
    assert_tone(call.citizen.pcm()[800:], HIGH, like=sine(HIGH, 1))
    assert_tone(call.agent.pcm()[800:], LOW, like=sine(LOW, 1))
    assert tone_level(call.citizen.pcm()[800:], LOW) < -50
    assert tone_level(call.agent.pcm()[800:], HIGH) < -50

    written = await call.client.stop_record("rec")
    assert (written.path, written.bytes) == (path, path.stat().st_size)
    left, right = read_stereo(path)
    assert written.seconds == pytest.approx(len(left) / 8000)
    spoken = slice(2000, 7000)
    assert_tone(left[spoken], LOW, like=sine(LOW, 1))
    assert_tone(right[spoken], HIGH, like=sine(HIGH, 1))
    assert tone_level(left[spoken], HIGH) < -50
    assert tone_level(right[spoken], LOW) < -50


async def test_what_is_relayed_is_one_clean_stream(call: Call) -> None:
    await call.speak(0.2)
    await call.agent.heard(9)
    packets = call.agent.packets
    assert {p.payload_type for p in packets} == {0}
    assert len({p.ssrc for p in packets}) == 1
    assert packets[0].ssrc != call.citizen.ssrc
    assert [p.marker for p in packets] == [True] + [False] * (len(packets) - 1)
    for earlier, later in pairwise(packets):
        assert (later.sequence - earlier.sequence) & 0xFFFF == 1
        assert (later.timestamp - earlier.timestamp) & 0xFFFFFFFF == 160


async def test_key_presses_take_the_other_sides_number(call: Call) -> None:
    call.citizen.send_packet(bytes(160), call.to_citizen_leg)
    press = RtpPacket(101, True, call.citizen.sequence, 2000, 1, b"\x05\x0a\x03\x20")  # noqa: FBT003
    call.citizen.transport.sendto(build(press), call.to_citizen_leg)
    await call.agent.heard(2)
    heard = call.agent.packets[1]
    assert (heard.payload_type, heard.payload, heard.marker) == (96, press.payload, True)


async def test_the_fork_is_a_verbatim_copy_of_what_the_leg_sends(call: Call) -> None:
    async with RtpPhone("PCMA") as recogniser:
        await call.client.fork("citizen", recogniser.address)
        with_csrc = bytes([0x81]) + build(RtpPacket(8, False, 99, 7, 1, b"csrcaudio"))[1:]  # noqa: FBT003
        call.citizen.transport.sendto(with_csrc, call.to_citizen_leg)
        call.citizen.transport.sendto(b"not RTP", call.to_citizen_leg)
        await call.speak(0.1)
        await recogniser.heard(6)
        assert recogniser.datagrams[0] == with_csrc
        assert [p.sequence for p in recogniser.packets] == [99, 100, 101, 102, 103, 104]
        assert {p.ssrc for p in recogniser.packets} == {call.citizen.ssrc}

        await call.client.fork("citizen", None)
        forked = len(recogniser.datagrams)
        await call.speak(0.06)
        await call.agent.heard(9)
        assert len(recogniser.datagrams) == forked


async def test_a_fork_nobody_listens_to_disturbs_nobody(call: Call) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = closed.getsockname()
    await call.client.fork("citizen", nobody)
    await call.client.fork("agent", ("255.255.255.255", 9))  # not permitted: sendto fails
    await call.speak(0.2)
    await call.agent.heard(10)
    await call.citizen.heard(10)


async def test_a_strangers_packets_are_never_forwarded(call: Call) -> None:
    await call.speak(0.06)
    async with RtpPhone("PCMA", ssrc=666) as stranger:
        for _ in range(5):
            stranger.send_packet(b"\x2a" * 160, call.to_citizen_leg)
        await call.speak(0.06)
        await call.agent.heard(6)
        stats = await call.client.session_stats("citizen")
        assert stats.strangers == 5
        assert stats.packets_in == 6
        assert b"\x2a" * 160 not in {p.payload for p in call.agent.packets}
        assert len(call.agent.packets) == 6
        assert stranger.datagrams == []


async def test_behind_a_nat_we_send_to_where_the_packets_come_from(client: MediaClient) -> None:
    async with RtpPhone(ssrc=1) as phone, RtpPhone(ssrc=2) as other, RtpPhone() as private:
        to_phone_leg = await client.open("phone")
        to_other_leg = await client.open("other")
        # What the SDP says is an address nobody answers at.
        for name, address in (("phone", private.address), ("other", other.address)):
            await client.set_remote(
                name,
                host=address[0],
                port=address[1],
                payload_type=8,
                codec="PCMA",
                telephone_event=None,
            )
        await client.bridge("phone", "other")
        other.send_packet(b"\xd5" * 160, to_other_leg)
        await private.heard()
        phone.send_packet(b"\xd5" * 160, to_phone_leg)
        await other.heard()
        other.send_packet(b"\xd5" * 160, to_other_leg)
        await phone.heard()
        assert len(private.datagrams) == 1
        await client.close_session("phone")
        await client.close_session("other")


async def test_a_leg_that_is_bridged_anew_keeps_its_stream(call: Call) -> None:
    client = call.client
    await call.speak(0.1)
    await call.citizen.heard(5)
    async with RtpPhone("PCMA", ssrc=3) as second:
        to_second_leg = await client.open("second")
        host, port = second.address
        await client.set_remote(
            "second", host=host, port=port, payload_type=8, codec="PCMA", telephone_event=None
        )
        await client.bridge("citizen", "second")
        assert (await client.counts())["bridges"] == 1
        await second.play(sine(HIGH, 0.1), to_second_leg)
        call.agent.send_packet(b"\xff" * 160, call.to_agent_leg)
        await call.citizen.heard(10)
        await client.close_session("second")
    packets = call.citizen.packets
    assert len({p.ssrc for p in packets}) == 1
    for earlier, later in pairwise(packets):
        assert (later.sequence - earlier.sequence) & 0xFFFF == 1
        assert 160 <= (later.timestamp - earlier.timestamp) & 0xFFFFFFFF < 8000
    assert [n for n, p in enumerate(packets) if p.marker] == [0, 5]
    assert len(packets) == 10  # nothing more from the agent, who is no longer in the bridge


async def test_a_pause_in_a_bridge_is_not_loss_to_the_other_side(call: Call) -> None:
    await call.speak(0.06)
    await call.agent.heard(3)
    await call.client.unbridge("agent")
    assert (await call.client.counts())["bridges"] == 0
    await call.speak(0.1)
    await call.client.bridge("agent", "citizen")
    await call.speak(0.06)
    await call.agent.heard(6)
    packets = call.agent.packets
    first = packets[0].sequence
    assert [(p.sequence - first) & 0xFFFF for p in packets] == [0, 1, 2, 3, 4, 5]
    assert [p.marker for p in packets] == [True, False, False, True, False, False]


async def test_key_presses_are_no_sound_in_the_recording(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "r.wav"
    await call.client.record("rec", path, left="citizen", right="agent")
    for sequence in range(5):
        press = RtpPacket(101, False, sequence, 2000, 1, b"\x05\x0a\x03\x20" * 40)  # noqa: FBT003
        call.citizen.transport.sendto(build(press), call.to_citizen_leg)
    await call.agent.heard(5)
    await call.client.stop_record("rec")
    assert not any(side.any() for side in read_stereo(path))


async def test_statistics_tell_what_happened(call: Call) -> None:
    before = await call.client.session_stats("citizen")
    assert (before.packets_in, before.last_packet) == (0, None)
    for sequence in (10, 11, 14, 14):
        call.citizen.sequence = sequence
        call.citizen.send_packet(bytes(160), call.to_citizen_leg)
    call.citizen.transport.sendto(b"\x80", call.to_citizen_leg)
    call.citizen.transport.sendto(build(RtpPacket(18, False, 1, 1, 1, b"")), call.to_citizen_leg)  # noqa: FBT003
    call.citizen.send_packet(bytes(160), call.to_citizen_leg)  # heard: all before it were taken
    await call.agent.heard(4)
    stats = await call.client.close_session("citizen")
    assert (stats.packets_in, stats.lost, stats.duplicates) == (4, 2, 1)
    assert (stats.malformed, stats.unexpected, stats.strangers) == (1, 1, 0)
    assert stats.last_packet is not None
    assert abs(stats.last_packet - time.time()) < 5
    assert (await call.client.session_stats("agent")).packets_out == 4


async def test_nothing_is_left_after_everything_is_closed(call: Call, tmp_path: Path) -> None:
    client = call.client
    await client.fork("citizen", call.agent.address)
    await client.record("rec", tmp_path / "r.wav", left="citizen", right="agent")
    assert await client.counts() == {
        "sessions": 2,
        "ports": 2,
        "bridges": 1,
        "forks": 1,
        "recordings": 1,
        "plays": 0,
        "realtime": 0,
    }
    await client.close_session("agent")
    await client.stop_record("rec")
    await client.close_session("citizen")
    assert await client.counts() == NOTHING


async def test_a_party_that_left_is_silent_in_the_recording(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "r.wav"
    await call.client.record("rec", path, left="citizen", right="agent")
    await call.speak(0.2)
    await call.client.close_session("agent")
    await call.citizen.play(sine(LOW, 0.3), call.to_citizen_leg)
    await call.client.stop_record("rec")
    left, right = read_stereo(path)
    assert_tone(left[2000:3800], LOW, like=sine(LOW, 1))
    assert right[400:1200].any()
    assert not right[2200:].any()


async def test_a_recording_that_fails_leaves_the_call_alone(tmp_path: Path) -> None:
    events: list[MediaEvent] = []
    # The smallest disk there is: a limit on file size, which the process inherits.
    process = await asyncio.create_subprocess_exec(
        *("prlimit", "--fsize=8000", sys.executable, "-m", "telephony.media"),
        *("--socket", str(tmp_path / "m.sock"), "--host", "127.0.0.1"),
        *("--ports", "41000-41099", "--log-level", "error"),
        stderr=asyncio.subprocess.DEVNULL,
    )
    client = MediaClient(
        socket_path=tmp_path / "m.sock", on_lost=lambda _: None, on_event=events.append
    )
    await client.start()
    try:
        await client.wait_connected()
        async with RtpPhone("PCMA", ssrc=1) as one, RtpPhone("PCMA", ssrc=2) as two:
            to_leg = {}
            for name, phone in (("one", one), ("two", two)):
                to_leg[name] = await client.open(name)
                host, port = phone.address
                await client.set_remote(
                    name, host=host, port=port, payload_type=8, codec="PCMA", telephone_event=None
                )
            await client.bridge("one", "two")
            await client.record("rec", tmp_path / "r.wav", left="one", right="two")
            await until(lambda: any(isinstance(event, RecordingFailed) for event in events))
            await one.play(sine(LOW, 0.1), to_leg["one"])
            await two.heard(5)
            assert (await client.counts())["recordings"] == 0
            with pytest.raises(MediaRefused) as caught:
                await client.stop_record("rec")
            assert caught.value.code == "unknown_recording"
        assert events == [
            RecordingFailed("rec", "File too large"),
            Latched("one", one.address),
        ]
        read_stereo(tmp_path / "r.wav")
    finally:
        await client.close()
        await end(process)


async def test_the_usual_limit_of_open_files_is_no_limit_of_calls(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *("prlimit", "--nofile=100:1000", sys.executable, "-m", "telephony.media"),
        *("--socket", str(tmp_path / "m.sock"), "--host", "127.0.0.1"),
        *("--ports", "41300-41499", "--log-level", "error"),
    )
    client = MediaClient(socket_path=tmp_path / "m.sock", on_lost=lambda _: None)
    await client.start()
    try:
        async with asyncio.timeout(10):
            await client.wait_connected()
        for number in range(80):
            await client.open(str(number))
        assert (await client.counts())["sessions"] == 80
    finally:
        await client.close()
        await end(process)


async def test_sessions_speak_ipv6_too(client: MediaClient) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as phone:
        try:
            phone.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        phone.settimeout(2)
        for name in ("six", "seven"):
            address = await client.open(name, host="::1")
            await client.set_remote(
                name,
                host="::1",
                port=phone.getsockname()[1],
                payload_type=8,
                codec="PCMA",
                telephone_event=None,
            )
        await client.bridge("six", "seven")
        phone.sendto(build(RtpPacket(8, False, 1, 1, 1, b"audio")), address)  # noqa: FBT003
        heard = await asyncio.to_thread(phone.recv, 2048)
        assert heard.endswith(b"audio")
        for name in ("six", "seven"):
            await client.close_session(name)


async def test_refusals_say_why(call: Call, tmp_path: Path) -> None:
    client = call.client
    attempts = {
        "unknown_session": client.bridge("citizen", "nobody"),
        "exists": client.open("agent"),
        "unknown_recording": client.stop_record("nothing"),
        "disk": client.record("r", Path("/proc/none/r.wav"), left="agent", right="citizen"),
        "no_ports": client.open("elsewhere", host="192.0.2.1"),
    }
    for code, attempt in attempts.items():
        with pytest.raises(MediaRefused) as caught:
            await attempt
        assert caught.value.code == code
    await client.record("r", tmp_path / "r.wav", left="agent", right="citizen")
    with pytest.raises(MediaRefused, match="running already"):
        await client.record("r", tmp_path / "r2.wav", left="agent", right="citizen")
    await client.stop_record("r")


async def test_ports_run_out_clearly_and_come_back(tmp_path: Path) -> None:
    async with media(tmp_path / "m.sock", ports="41200-41205") as client:
        first = await client.open("0")
        assert first == ("127.0.0.1", 41200)
        await client.open("1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 41205))  # somebody else has the third pair's RTCP port
            with pytest.raises(MediaRefused, match="in use by other programs") as caught:
                await client.open("2")
            assert caught.value.code == "no_ports"
        assert (await client.open("2"))[1] == 41204
        with pytest.raises(MediaRefused, match="all 3 port pairs are in use"):
            await client.open("3")
        await client.close_session("0")
        with pytest.raises(MediaRefused, match="1 rest after use"):
            await client.open("3")
        async with asyncio.timeout(QUARANTINE + 5):
            while True:
                with contextlib.suppress(MediaRefused):
                    assert await client.open("3") == first
                    break
                await asyncio.sleep(0.1)


async def test_malformed_lines_are_answered_and_the_rest_still_works(tmp_path: Path) -> None:
    path = tmp_path / "m.sock"
    process = await start_media(path, log_level="error")
    try:
        await until(path.exists, 10)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'nonsense\n{"id": 5, "command": "open"}\n' + b"x" * 70000 + b"\n")
        writer.write(b'{"id": 6, "command": "stats"}\n')
        answers = [json.loads(await reader.readline()) for _ in range(4)]
        assert [answer["id"] for answer in answers] == [None, 5, None, 6]
        assert "session: Field required" in answers[1]["error"]["message"]
        assert "longer than 65536" in answers[2]["error"]["message"]
        assert answers[3]["ok"]["sessions"] == 0
        second_reader, second_writer = await asyncio.open_unix_connection(path)
        assert await second_reader.read() == b""  # there is one client only
        second_writer.close()
        writer.close()
        async with asyncio.timeout(20):
            assert await process.wait() == 0
        assert not path.exists()
    finally:
        await end(process)


async def test_sigterm_completes_the_recordings(tmp_path: Path) -> None:
    path = tmp_path / "m.sock"
    process = await start_media(path)
    lost: list[str] = []
    client = MediaClient(socket_path=path, on_lost=lost.extend)
    await client.start()
    try:
        await client.wait_connected()
        await client.open("a")
        await client.open("b")
        await client.record("r", tmp_path / "r.wav", left="a", right="b")
        os.kill(process.pid, signal.SIGINT)  # Ctrl-C is the node's business once it is connected
        await client.counts()
        process.terminate()
        async with asyncio.timeout(20):
            assert await process.wait() == 0
        await until(lambda: lost == ["a", "b"])
        read_stereo(tmp_path / "r.wav")
    finally:
        await client.close()
        await end(process)
