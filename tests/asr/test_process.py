"""The real recogniser process, through the node's own client."""

import asyncio
import contextlib
import json
import random
import shutil
import sys
import tempfile
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from signal import SIGKILL

import numpy as np
import pytest

from asr.client import RecognizerClient
from asr.control import LoadChanged
from asr.ports import Final, Gap, Heard, Partial
from tests.asr import speech
from tests.support.cer import character_error_rate
from tests.support.ports import free_tcp_port
from tests.support.programs import Program
from tests.support.vosk_server import vosk_server
from tests.support.waiting import PATIENCE, until

ROOT = Path(__file__).parent.parent.parent
SILENCE = bytes(2 * 8000 * 2)
PACE = 0.002
"""Seconds between packets: ten times faster than they were spoken."""


@pytest.fixture
async def folder() -> AsyncIterator[Path]:
    # A Unix socket's path may have 107 bytes; pytest's tmp_path easily has more.
    path = Path(tempfile.mkdtemp(prefix="asr-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


class Node:
    """A recogniser process, the client to it, and what the client has told."""

    def __init__(self, folder: Path, *arguments: str | Path) -> None:
        self.folder = folder
        self.socket = folder / "s"
        self.results: list[tuple[str, Heard]] = []
        self.statuses: list[tuple[str, str | None]] = []
        self.client = RecognizerClient(
            socket_path=self.socket,
            on_result=lambda stream, result: self.results.append((stream, result)),
            on_status=lambda status, reason: self.statuses.append((status, reason)),
        )
        # Speech is played faster than it was spoken, on a machine that may be busy.
        patient = ["--backlog", "60", "--lag-budget", "60"]
        argv = [sys.executable, "-m", "asr", "--socket", self.socket, *patient, *arguments]
        self.program = Program("asr", argv, directory=folder, env={"PYTHONPATH": str(ROOT)})

    def finals(self, stream: str) -> list[Final]:
        return [r for name, r in self.results if name == stream and isinstance(r, Final)]

    def text(self, stream: str) -> str:
        return "".join(final.text for final in self.finals(stream))


Start = Callable[..., Awaitable[Node]]


@pytest.fixture
async def start(folder: Path) -> AsyncIterator[Start]:
    nodes: list[Node] = []

    async def start_node(*arguments: str | Path, wanted: str = "ok") -> Node:
        node = Node(folder, *arguments)
        nodes.append(node)
        await node.program.start()
        await node.client.start()
        try:
            await until(lambda: node.client.status == wanted, 10)
        except TimeoutError:
            pytest.fail(f"{node.statuses}: {node.program.said()}")
        return node

    yield start_node
    for node in nodes:
        await node.client.close()
        await node.program.stop()


async def play(packets: Iterable[bytes], address: tuple[str, int]) -> None:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=address
    )
    for packet in packets:
        transport.sendto(packet)
        await asyncio.sleep(PACE)
    transport.close()


async def test_speech_played_as_rtp_comes_back_as_text(start: Start) -> None:
    node = await start("--model", speech.MODEL)
    assert node.statuses[-1] == (
        "ok",
        "demonstration model: understands synthetic speech only, not people",
    )
    address = await node.client.open_stream("caller", t0=100.0)
    assert address is not None
    assert (await node.client.counts())["streams"] == 1
    await play(speech.rtp_stream(speech.pcm("d01") + SILENCE), address)
    await node.client.close_stream("caller")
    # close_stream() has returned, so nothing is still to come.
    assert character_error_rate(speech.transcript("d01"), node.text("caller")) < 0.1
    finals = node.finals("caller")
    assert len(finals) == 2
    assert finals[0].start == pytest.approx(100.5, abs=0.4)
    assert finals[1].end == pytest.approx(110.2, abs=0.4)
    assert any(isinstance(result, Partial) for _, result in node.results)
    counts = await node.client.counts()
    assert (counts["streams"], counts["workers_lost"], counts["workers_replaced"]) == (0, 0, 0)


async def test_with_loss_and_reordering_it_still_understands(start: Start) -> None:
    node = await start("--model", speech.MODEL)
    address = await node.client.open_stream("caller")
    assert address is not None
    chance = random.Random(12345)
    packets = [p for p in speech.rtp_stream(speech.pcm("d01") + SILENCE) if chance.random() > 0.03]
    for n in range(0, len(packets) - 1, 25):
        packets[n], packets[n + 1] = packets[n + 1], packets[n]
    await play(packets, address)
    await node.client.close_stream("caller")
    assert character_error_rate(speech.transcript("d01"), node.text("caller")) < 0.2


async def test_two_legs_at_once_are_kept_apart(start: Start) -> None:
    node = await start("--model", speech.MODEL)
    names = ("d03", "d04")
    addresses = [await node.client.open_stream(name) for name in names]
    await asyncio.gather(
        *(
            play(speech.rtp_stream(speech.pcm(name) + SILENCE), address)
            for name, address in zip(names, addresses, strict=True)
            if address is not None
        )
    )
    for name in names:
        await node.client.close_stream(name)
        assert character_error_rate(speech.transcript(name), node.text(name)) < 0.2


async def test_closing_in_the_middle_of_a_word_delivers_what_was_heard(start: Start) -> None:
    node = await start("--model", speech.MODEL)
    address = await node.client.open_stream("caller")
    assert address is not None
    await play(speech.rtp_stream(speech.pcm("d01")[:48000]), address)
    await node.client.close_stream("caller")
    assert node.text("caller").startswith("你好")


async def test_killed_it_is_away_and_restarted_it_is_back(start: Start) -> None:
    node = await start("--model", speech.MODEL)
    assert await node.client.open_stream("caller") is not None
    node.program.signal(SIGKILL)
    await until(lambda: node.client.status == "away")
    assert await node.client.open_stream("other") is None
    await node.client.close_stream("caller")  # returns at once: there is nobody to wait for
    assert (await node.client.counts())["streams"] == 0
    await node.program.wait(5)
    await node.program.start()
    await until(lambda: node.client.status == "ok", 10)
    assert [status for status, _ in node.statuses] == ["ok", "away", "ok"]
    address = await node.client.open_stream("caller")
    assert address is not None
    await play(speech.rtp_stream(speech.pcm("d03")[:48000] + SILENCE), address)
    await node.client.close_stream("caller")
    assert node.text("caller")


async def test_without_a_model_it_stays_up_and_says_what_to_do(start: Start, folder: Path) -> None:
    model = folder / "model"
    node = await start("--model", model, wanted="no_model")
    ((status, reason),) = node.statuses
    assert status == "no_model"
    assert reason is not None
    assert str(model) in reason
    assert "python -m asr.model" in reason
    assert await node.client.open_stream("caller") is None
    assert node.program.running
    # It needs no restart when the model comes.
    shutil.copytree(speech.MODEL, model)
    await until(lambda: node.client.status == "ok", 10)
    assert await node.client.open_stream("caller") is not None


async def test_a_broken_model_is_no_model(start: Start, folder: Path) -> None:
    shutil.copytree(speech.MODEL, folder / "model")
    (folder / "model" / "graph" / "Gr.fst").write_bytes(b"broken")
    node = await start("--model", folder / "model", wanted="no_model")
    assert "damaged" in (node.client.reason or "")
    assert node.program.running


async def test_it_ends_when_the_control_connection_closes(start: Start) -> None:
    node = await start("--model", speech.MODEL)
    assert await node.client.open_stream("caller") is not None
    await node.client.close()
    assert await node.program.wait(5) == 0
    assert not node.socket.exists()


async def test_the_scripted_engine_needs_no_model(start: Start, folder: Path) -> None:
    script = folder / "script"
    script.write_text("着火了\n快来\n", encoding="utf-8")
    node = await start("--engine", "scripted", "--script", script)
    address = await node.client.open_stream("caller")
    assert address is not None
    await play(speech.rtp_stream(speech.pcm("d03") + SILENCE), address)
    await node.client.close_stream("caller")
    assert node.finals("caller")[0].text == "着火了"


@contextlib.asynccontextmanager
async def raw(node: Node) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    while True:
        try:
            reader, writer = await asyncio.open_unix_connection(node.socket)
            break
        except (FileNotFoundError, ConnectionRefusedError):  # it is there before it is listened to
            await asyncio.sleep(0.01)
    yield reader, writer
    writer.close()
    await writer.wait_closed()


async def test_control_noise_is_answered_or_ignored_and_does_no_harm(folder: Path) -> None:
    node = Node(folder, "--model", speech.MODEL)
    await node.program.start()
    chance = random.Random(7)
    async with asyncio.timeout(PATIENCE), raw(node) as (reader, writer):
        for _ in range(300):
            writer.write(chance.randbytes(chance.randrange(80)).replace(b"\n", b"") + b"\n")
        writer.write(
            b'{"id": 1, "command": "sing"}\n{"id": 2, "command": "close", "stream": "x"}\n'
        )
        writer.write(b'{"id": 3, "command": "open", "stream": "\\ud800", "t0": 1e400}\n')
        answers: dict[int, str] = {}
        while len(answers) < 3:
            message = json.loads(await reader.readline())
            if "id" in message:
                answers[message["id"]] = message["error"]
        assert answers == {1: "bad_command", 2: "unknown_stream", 3: "bad_command"}
        # A second control connection is turned away; the first one goes on.
        async with raw(node) as (other, _):
            assert await other.read() == b""
        writer.write(b'{"id": 4, "command": "stats"}\n')
        while "id" not in (message := json.loads(await reader.readline())):
            pass
        assert message["streams"] == 0
    assert await node.program.wait(5) == 0


async def test_a_stream_closed_before_its_opening_is_answered_is_not_left_over(
    start: Start,
) -> None:
    node = await start("--model", speech.MODEL)
    await asyncio.gather(node.client.open_stream("caller"), node.client.close_stream("caller"))
    assert (await node.client.counts())["streams"] == 0
    assert await node.client.open_stream("caller") is not None


async def test_opening_a_stream_twice_is_refused(start: Start) -> None:
    node = await start("--model", speech.MODEL)
    assert await node.client.open_stream("caller") is not None
    assert await node.client.open_stream("caller") is None
    assert (await node.client.counts())["streams"] == 1


async def test_a_socket_that_cannot_be_made_is_said_plainly(tmp_path: Path) -> None:
    program = Program(
        "asr",
        [sys.executable, "-m", "asr", "--socket", tmp_path / "none" / "s"],
        directory=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )
    await program.start()
    assert await program.wait(10) == 1
    assert "Traceback" not in program.said()
    assert str(tmp_path / "none") in program.said()


def recording(path: Path, samples: bytes) -> Path:
    """Write a stereo recording with this on the right side, and silence on the left."""
    right = np.frombuffer(samples, "<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.stack([np.zeros_like(right), right], axis=1).tobytes())
    return path


async def test_a_part_of_a_recording_is_heard_afterwards(start: Start, folder: Path) -> None:
    node = await start("--model", speech.MODEL)
    path = recording(folder / "call.wav", SILENCE + speech.pcm("d03"))
    assert await node.client.recognise_file("a", path, channel=0, start=0.0, end=99.0) is None
    assert node.results == []
    assert await node.client.recognise_file("b", path, channel=1, start=1.8, end=99.0) is None
    assert character_error_rate(speech.transcript("d03"), node.text("b")) < 0.2
    assert node.finals("b")[0].start == pytest.approx(2.5, abs=0.4)
    assert not any(isinstance(result, Partial) for _, result in node.results)


async def test_what_is_no_recording_is_said_plainly(start: Start, folder: Path) -> None:
    node = await start("--model", speech.MODEL)
    (folder / "noise").write_bytes(b"noise")
    path = recording(folder / "call.wav", SILENCE)
    for wrong, channel, reason in (
        (folder / "none", 0, "cannot read"),
        (folder / "noise", 0, "cannot read"),
        (path, 2, "no channel 2"),
    ):
        said = await node.client.recognise_file("x", wrong, channel=channel, start=0.0, end=9.0)
        assert said is not None
        assert reason in said


def missed(gaps: list[tuple[str, Gap]], role: str) -> float:
    return sum(gap.end - gap.start for name, gap in gaps if name.endswith(role))


async def test_more_than_it_can_hear_is_given_up_told_and_not_lost(
    start: Start, folder: Path
) -> None:
    """Speech comes ten times too fast, so nobody can keep up; partials go, and then agents."""
    node = await start("--model", speech.MODEL, "--processes", "1", "--lag-budget", "0.6")
    loads: list[LoadChanged] = []
    node.client._on_load = loads.append
    sound = speech.pcm("d04") * 2 + SILENCE
    names = [f"{n}.{role}" for n in range(3) for role in ("caller", "agent")]
    addresses = {
        name: await node.client.open_stream(name, role=name.split(".")[1])  # type: ignore[arg-type]
        for name in names
    }
    await asyncio.gather(*(play(speech.rtp_stream(sound), a) for a in addresses.values() if a))
    for name in names:
        await node.client.close_stream(name)
    gaps = [(name, result) for name, result in node.results if isinstance(result, Gap)]
    assert gaps
    assert loads[0].partials
    assert any(load.streams for load in loads)
    assert missed(gaps, "agent") >= missed(gaps, "caller") - 1.0
    # What was heard and what was given up is all there was.
    path = recording(folder / "call.wav", sound)
    for number, (name, gap) in enumerate(gaps):
        later = f"{number}"
        fault = await node.client.recognise_file(
            later, path, channel=1, start=max(0.0, gap.start - 0.4), end=gap.end
        )
        assert fault is None
        # As calls/catch_up.py: what the lead brought along is there already.
        node.results += [(name, f) for f in node.finals(later) if (f.start + f.end) / 2 > gap.start]
    for name in names:
        heard = sorted(node.finals(name), key=lambda final: final.start)
        text = "".join(final.text for final in heard)
        assert character_error_rate(speech.transcript("d04") * 2, text) < 0.1


async def test_a_server_that_is_away_is_looked_for_again(start: Start) -> None:
    port = free_tcp_port()
    url = f"ws://127.0.0.1:{port}"
    node = await start("--engine", "vosk-server", "--url", url, wanted="no_model")
    assert f"cannot reach the recognition server {url}" in (node.client.reason or "")
    async with vosk_server(str(speech.MODEL), port):
        await until(lambda: node.client.status == "ok", 15)
        address = await node.client.open_stream("caller")
        assert address is not None
        await play(speech.rtp_stream(speech.pcm("d03") + SILENCE), address)
        await node.client.close_stream("caller")
    assert character_error_rate(speech.transcript("d03"), node.text("caller")) < 0.2
