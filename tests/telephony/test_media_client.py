"""The node's handle: what it says when the process dies, and that it comes back."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from telephony.media_channel import MediaChannel
from telephony.media_client import MediaClient, MediaRefused, MediaUnavailable
from tests.support.media_process import end, engines, start_media
from tests.support.rtp_phone import RtpPhone
from tests.support.tones import dominant, read_stereo, sine
from tests.support.waiting import until


class Watched(MediaClient):
    """A client that notes every report of lost sessions."""

    def __init__(self, socket_path: Path, *, command_timeout: float = 10.0) -> None:
        self.lost: list[list[str]] = []
        super().__init__(
            socket_path=socket_path, on_lost=self._note, command_timeout=command_timeout
        )

    def _note(self, sessions: Sequence[str]) -> None:
        self.lost.append(list(sessions))


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Watched]:
    client = Watched(tmp_path / "media.sock")
    await client.start()
    yield client
    await client.close()


@pytest.mark.parametrize("engine", engines())
async def test_a_killed_process_loses_its_sessions_once_and_the_next_one_works(
    client: Watched, tmp_path: Path, engine: str
) -> None:
    first = await start_media(tmp_path / "media.sock", engine=engine)
    second = None
    try:
        await until(lambda: client.connected, 30)
        address = await client.open("citizen")
        await client.open("agent")
        await client.open("gone already")
        await client.close_session("gone already")
        path = tmp_path / "call.wav"
        async with RtpPhone("PCMA") as phone:
            host, port = phone.address
            await client.set_remote(
                "citizen", host=host, port=port, payload_type=8, codec="PCMA", telephone_event=None
            )
            await client.record("call", path, left="citizen", right="agent")
            await phone.play(sine(400, 1.6), address)
        first.kill()
        pending = [client.counts(), client.open("late"), client.stop_record("call")]
        outcomes = await asyncio.gather(*pending, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [MediaUnavailable] * 3
        await until(lambda: client.lost)
        assert not client.connected
        with pytest.raises(MediaUnavailable):
            await client.open("citizen")

        left, right = read_stereo(path)  # complete but for the last moments
        assert 4000 <= len(left) <= 14000
        assert dominant(left[1000:3800]) == pytest.approx(400, abs=3)
        assert not right.any()

        second = await start_media(tmp_path / "media.sock", engine=engine)
        await until(lambda: client.connected, 30)
        await client.open("citizen")
        assert (await client.counts())["sessions"] == 1
        assert client.lost == [["citizen", "agent"]]
    finally:
        await end(first)
        if second is not None:
            await end(second)


class FakeProcess:
    """A control socket whose answers the test decides; for moments that cannot be timed.

    It answers by itself only the question with which the client makes sure that it is there.
    """

    def __init__(self) -> None:
        self.commands: list[dict[str, object]] = []
        self.writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def listen(self, path: Path) -> None:
        self._server = await asyncio.start_unix_server(self._serve, path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeting = json.loads(await reader.readline())
        self.writers.append(writer)
        self.say(json.dumps({"id": greeting["id"], "ok": {}}))
        while line := await reader.readline():
            self.commands.append(json.loads(line))

    def say(self, text: str) -> None:
        self.writers[-1].write(text.encode() + b"\n")

    def accept_opening(self) -> None:
        """Say yes to the first command."""
        answer = {"id": self.commands[0]["id"], "ok": {"host": "127.0.0.1", "port": 1}}
        self.say(json.dumps(answer))

    async def close(self) -> None:
        for writer in self.writers:
            writer.close()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[FakeProcess]:
    process = FakeProcess()
    await process.listen(tmp_path / "media.sock")
    yield process
    await process.close()


async def test_commands_are_pipelined_and_answers_matched_by_id(
    client: Watched, process: FakeProcess
) -> None:
    await until(lambda: client.connected)
    first = asyncio.create_task(client.open("a"))
    second = asyncio.create_task(client.open("b"))
    await until(lambda: len(process.commands) == 2)
    ids = [command["id"] for command in process.commands]
    for command_id, port in ((ids[1], 2), (ids[0], 1)):
        process.say(json.dumps({"id": command_id, "ok": {"host": "127.0.0.1", "port": port}}))
    assert await first == ("127.0.0.1", 1)
    assert await second == ("127.0.0.1", 2)


async def test_a_cancelled_open_does_not_leave_a_session_behind(
    client: Watched, process: FakeProcess
) -> None:
    await until(lambda: client.connected)
    opening = asyncio.create_task(client.open("a"))
    await until(lambda: process.commands)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await until(lambda: len(process.commands) == 2)
    assert process.commands[1]["command"] == "close"
    assert process.commands[1]["session"] == "a"
    for command in process.commands:  # late answers disturb nobody
        process.say(json.dumps({"id": command["id"], "ok": {"host": "127.0.0.1", "port": 1}}))
    counting = asyncio.create_task(client.counts())
    await until(lambda: len(process.commands) == 3)
    process.say(json.dumps({"id": process.commands[2]["id"], "ok": {"sessions": 0}}))
    assert await counting == {"sessions": 0}
    assert client.lost == []


async def test_a_session_opened_by_a_process_that_dies_at_once_is_not_open(
    client: Watched, process: FakeProcess
) -> None:
    await until(lambda: client.connected)
    opening = asyncio.create_task(client.open("a"))
    await until(lambda: process.commands)
    # Answer and end arrive together, before the task that waits for the answer runs again.
    assert client._channel is not None
    client._deliver({"id": process.commands[0]["id"], "ok": {"host": "127.0.0.1", "port": 1}})
    client._disconnected(client._channel, lost=True)
    with pytest.raises(MediaUnavailable):
        await opening
    assert client.lost == []


async def test_a_process_that_does_not_answer_is_unavailable(
    process: FakeProcess, tmp_path: Path
) -> None:
    client = Watched(tmp_path / "media.sock", command_timeout=0.05)
    await client.start()
    try:
        await until(lambda: client.connected)
        with pytest.raises(MediaUnavailable, match="Open in time"):
            await client.open("a")
        await until(lambda: [c["command"] for c in process.commands] == ["open", "close"])
        with pytest.raises(MediaUnavailable, match="Record in time"):
            await client.record("call", tmp_path / "call.wav", left="a", right="b")
        # It may begin to record yet, and nobody else would ever stop it.
        late = ["record", "stop_record"]
        await until(lambda: [c["command"] for c in process.commands[2:]] == late)
        with pytest.raises(MediaUnavailable, match="Close in time"):
            await client.close_session("a")
    finally:
        await client.close()


@pytest.mark.parametrize("nonsense", ["nonsense", "[]", "{}", '{"event": "latched"}'])
async def test_a_connection_that_talks_nonsense_is_given_up(
    client: Watched, process: FakeProcess, nonsense: str
) -> None:
    await until(lambda: client.connected)
    opening = asyncio.create_task(client.open("a"))
    await until(lambda: process.commands)
    process.accept_opening()
    await opening
    process.say(nonsense)
    await until(lambda: client.lost == [["a"]])
    await until(lambda: len(process.writers) == 2)  # and another is tried


async def test_a_mistake_in_the_owners_callback_does_not_end_the_connection(
    process: FakeProcess, tmp_path: Path
) -> None:
    mistakes: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: mistakes.append(str(context["exception"])))

    def on_event(event: object) -> None:
        raise RuntimeError(type(event).__name__)

    client = MediaClient(
        socket_path=tmp_path / "media.sock", on_lost=lambda _: None, on_event=on_event
    )
    await client.start()
    try:
        await until(lambda: client.connected)
        process.say('{"event": "latched", "session": "a", "host": "192.0.2.1", "port": 4}')
        process.say('{"event": "recording_failed", "recording": "r", "reason": "full"}')
        await until(lambda: mistakes == ["Latched", "RecordingFailed"])
        assert client.connected
    finally:
        await client.close()
        loop.set_exception_handler(None)


async def test_a_process_that_accepts_and_dies_is_not_connected(
    client: Watched, tmp_path: Path
) -> None:
    refused = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal refused
        refused += 1
        await reader.readline()
        writer.close()

    async with await asyncio.start_unix_server(refuse, tmp_path / "media.sock"):
        await until(lambda: refused == 2)
        assert not client.connected
    assert client.lost == []


async def test_values_the_process_would_not_take_are_refused_before_they_are_sent(
    client: Watched, process: FakeProcess
) -> None:
    await until(lambda: client.connected)
    with pytest.raises(MediaRefused, match="IPv4 or IPv6") as caught:
        await client.set_remote(
            "a",
            host="phone.example.com",
            port=4000,
            payload_type=8,
            codec="PCMA",
            telephone_event=None,
        )
    assert caught.value.code == "bad_command"
    with pytest.raises(MediaRefused, match="absolute path"):
        await client.record("r", Path("call.wav"), left="a", right="b")
    assert process.commands == []


async def test_our_own_close_loses_nothing(client: Watched, process: FakeProcess) -> None:
    await until(lambda: client.connected)
    opening = asyncio.create_task(client.open("a"))
    await until(lambda: process.commands)
    process.accept_opening()
    await opening
    waiting = asyncio.create_task(client.counts())
    await until(lambda: len(process.commands) == 2)
    await client.close()
    with pytest.raises(MediaUnavailable):
        await waiting
    assert not client.connected
    assert client.lost == []


async def test_each_command_waits_for_its_own_time(process: FakeProcess, tmp_path: Path) -> None:
    client = Watched(tmp_path / "media.sock", command_timeout=0.3)
    await client.start()
    try:
        await until(lambda: client.connected)
        first = asyncio.create_task(client.session_stats("a"))
        await until(lambda: len(process.commands) == 1)
        second = asyncio.create_task(client.open("b"))
        third = asyncio.create_task(client.session_stats("c"))
        await until(lambda: len(process.commands) == 3)
        opened = {"id": process.commands[1]["id"], "ok": {"host": "127.0.0.1", "port": 1}}
        process.say(json.dumps(opened))
        for late in (first, third):
            with pytest.raises(MediaUnavailable, match="Stats in time"):
                await late
        assert await second == ("127.0.0.1", 1)
    finally:
        await client.close()


async def test_a_channel_hands_on_whole_lines_from_within_the_read_that_brought_them() -> None:
    said: list[object] = []
    channel = MediaChannel(said.append)
    channel.data_received(b'{"the first": "tells that somebody is there"}\n{"a": ')
    assert channel.spoken.is_set()
    assert said == []
    channel.data_received(b'1}\n{"b": 2}\n{"c"')
    assert said == [{"a": 1}, {"b": 2}]
    channel.data_received(b" nonsense\n" + b'{"d": 4}\n')
    assert channel.lost.is_set()
    assert said == [{"a": 1}, {"b": 2}]  # nothing more is believed


async def test_a_channel_is_given_up_at_a_line_without_an_end() -> None:
    said: list[object] = []
    channel = MediaChannel(said.append)
    channel.data_received(b"{}\n" + b"x" * (2**20 + 1))
    assert channel.lost.is_set()
    assert said == []
