"""What every recognition engine must do (asr/ports.py), shown by every engine there is."""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from asr.pool.recognizer import PooledRecognizer
from asr.pool.workers import PoolLimits
from asr.ports import (
    BYTES_PER_SECOND,
    Final,
    Partial,
    RecognitionStream,
    Recognizer,
    Result,
    StreamClosedError,
)
from asr.remote.funasr import FunAsrRecognizer
from asr.remote.vosk_server import VoskServerRecognizer
from asr.scripted import ScriptedRecognizer
from asr.vosk_engine import VoskRecognizer
from tests.asr import speech
from tests.support.cer import character_error_rate
from tests.support.programs import Program

ROOT = Path(__file__).parents[2]
SAID = speech.transcript("d01").split()
SPEECH = speech.pcm("d01")
SECONDS = len(SPEECH) / BYTES_PER_SECOND
SILENCE = bytes(2 * BYTES_PER_SECOND)

pytestmark = pytest.mark.asyncio(loop_scope="module")  # processes and servers start once


@asynccontextmanager
async def server(name: str, folder: Path) -> AsyncIterator[str]:
    """Run tests/support's recognition server of this name in a process of its own."""
    argv = [sys.executable, "-m", f"tests.support.{name}", str(speech.MODEL)]
    program = Program(name, argv, directory=folder, env={"PYTHONPATH": str(ROOT)}, piped=True)
    await program.start()
    try:
        assert program.process.stdout is not None
        async with asyncio.timeout(20):
            yield (await program.process.stdout.readline()).decode().strip()
    finally:
        await program.stop()


@asynccontextmanager
async def engine(name: str, folder: Path) -> AsyncIterator[Recognizer]:
    async with AsyncExitStack() as stack:
        recognizer: Recognizer
        match name:
            case "scripted":
                recognizer = ScriptedRecognizer(SAID)
            case "vosk":
                recognizer = VoskRecognizer.load(speech.MODEL)
            case "pool":
                recognizer = await PooledRecognizer.load(speech.MODEL, PoolLimits(processes=2))
            case "vosk-server":
                url = await stack.enter_async_context(server("vosk_server", folder))
                recognizer = VoskServerRecognizer(url)
            case _:
                url = await stack.enter_async_context(server("funasr_server", folder))
                recognizer = FunAsrRecognizer(url, finish_within=3.0)
        yield recognizer
        await recognizer.aclose()


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=["scripted", "vosk", "pool", "vosk-server", "funasr"],
)
async def loaded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Recognizer]:
    async with engine(request.param, tmp_path_factory.mktemp("engine")) as recognizer:
        yield recognizer


@dataclass
class Ear:
    """A stream and what has come out of it."""

    stream: RecognitionStream
    heard: list[Result]
    task: asyncio.Task[None]

    @property
    def finals(self) -> list[Final]:
        return [event for event in self.heard if isinstance(event, Final)]

    @property
    def partials(self) -> list[Partial]:
        return [event for event in self.heard if isinstance(event, Partial)]

    async def hear(self, pcm: bytes, *, piece: int = 320) -> None:
        for offset in range(0, len(pcm), piece):
            await self.stream.push(pcm[offset : offset + piece])

    async def close(self) -> None:
        await self.stream.aclose()
        async with asyncio.timeout(20):
            await self.task


async def listen(recognizer: Recognizer) -> Ear:
    stream, heard = await recognizer.open(), list[Result]()

    async def collect() -> None:
        heard.extend([event async for event in stream.events()])

    return Ear(stream, heard, asyncio.create_task(collect()))


@pytest_asyncio.fixture(loop_scope="module")
async def ear(loaded: Recognizer) -> AsyncIterator[Ear]:
    ear = await listen(loaded)
    yield ear
    await ear.close()


def text(finals: list[Final]) -> str:
    return "".join(final.text for final in finals)


async def test_speech_becomes_finals(ear: Ear) -> None:
    await ear.hear(SPEECH + SILENCE)
    await ear.stream.flush()  # a server's last sentence may be on its way
    await ear.close()
    assert character_error_rate("".join(SAID), text(ear.finals)) < 0.15
    assert len(ear.finals) >= len(SAID)


async def test_partials_come_before_their_final_and_never_twice_the_same(ear: Ear) -> None:
    await ear.hear(SPEECH + SILENCE)
    await ear.stream.flush()  # a server's last sentence may be on its way
    await ear.close()
    assert isinstance(ear.heard[0], Partial)
    assert isinstance(ear.heard[-1], Final)
    for before, after in itertools.pairwise(ear.heard):
        assert not (isinstance(before, Partial) and isinstance(after, Partial)) or (
            before.text != after.text
        )
    assert all(partial.text for partial in ear.partials)


async def test_times_are_in_order_and_within_the_audio(ear: Ear) -> None:
    await ear.hear(SPEECH + SILENCE)
    await ear.stream.flush()  # a server's last sentence may be on its way
    await ear.close()
    end = 0.0
    for final in ear.finals:
        assert end <= final.start < final.end <= SECONDS + 0.1
        end = final.end
        assert final.words or final.confidence is None  # FunASR gives neither
        clock = final.start
        for word in final.words:
            assert clock - 0.01 <= word.start <= word.end <= final.end + 0.01
            assert 0 <= word.confidence <= 1
            clock = word.end
    for partial in ear.partials:
        assert 0 <= partial.start <= partial.end <= SECONDS + 2


async def test_no_blanks_between_chinese_characters(ear: Ear) -> None:
    await ear.hear(SPEECH + SILENCE)
    await ear.stream.flush()  # a server's last sentence may be on its way
    await ear.close()
    assert not any(" " in event.text for event in ear.heard)


async def test_flush_makes_a_final_of_what_was_heard_and_audio_may_follow(ear: Ear) -> None:
    half = SPEECH[: 2 * BYTES_PER_SECOND]
    await ear.hear(half)
    await ear.stream.flush()
    await ear.hear(SILENCE + SPEECH)
    await ear.stream.flush()
    await ear.close()
    first, *others = ear.finals
    assert first.end <= len(half) / BYTES_PER_SECOND
    assert others
    assert others[0].start >= (len(half) + len(SILENCE)) / BYTES_PER_SECOND


async def test_flushing_twice_adds_nothing(ear: Ear) -> None:
    await ear.stream.flush()
    await ear.hear(SPEECH[: 2 * BYTES_PER_SECOND])
    await ear.stream.flush()
    await ear.stream.flush()
    await ear.close()
    assert len(ear.finals) == 1


async def test_silence_says_nothing(ear: Ear) -> None:
    await ear.hear(SILENCE * 3)
    await ear.stream.flush()
    await ear.close()
    assert ear.heard == []


async def test_without_partials_there_are_finals(ear: Ear) -> None:
    ear.stream.partials = False
    await ear.hear(SPEECH + SILENCE)
    await ear.stream.flush()  # a server's last sentence may be on its way
    await ear.close()
    assert ear.partials == []
    assert ear.finals


@pytest.mark.parametrize("piece", [2, 1602, 100_000])
async def test_the_size_of_pieces_does_not_matter(loaded: Recognizer, piece: int) -> None:
    short = SPEECH[: 3 * BYTES_PER_SECOND]
    one, other = await listen(loaded), await listen(loaded)
    for ear, size in ((one, 320), (other, piece)):
        await ear.hear(short, piece=size)
        await ear.stream.flush()
        await ear.close()
    assert text(one.finals) == text(other.finals) != ""


async def test_streams_are_independent_and_run_side_by_side(loaded: Recognizer) -> None:
    ears = [await listen(loaded) for _ in range(3)]
    await asyncio.gather(*(ear.hear(SPEECH + SILENCE) for ear in ears[:2]))
    for ear in ears:
        await ear.stream.flush()  # a server's last sentence may be on its way
        await ear.close()
    assert text(ears[0].finals) == text(ears[1].finals) != ""
    assert ears[2].heard == []


async def test_half_a_sample_is_our_mistake(ear: Ear) -> None:
    with pytest.raises(ValueError, match="half"):
        await ear.stream.push(b"\x00\x00\x00")


async def test_a_closed_stream_takes_nothing_and_may_be_closed_again(ear: Ear) -> None:
    await ear.close()
    with pytest.raises(StreamClosedError):
        await ear.stream.push(SILENCE)
    with pytest.raises(StreamClosedError):
        await ear.stream.flush()
    await ear.stream.aclose()


async def test_closing_does_not_flush(ear: Ear) -> None:
    await ear.hear(SPEECH[: 2 * BYTES_PER_SECOND])
    await ear.close()
    assert ear.finals == []


async def test_a_cancelled_push_leaves_a_stream_that_can_be_closed(ear: Ear) -> None:
    push = asyncio.create_task(ear.stream.push(SPEECH))
    await asyncio.sleep(0)
    push.cancel()
    await asyncio.gather(push, return_exceptions=True)
    await ear.close()
    assert ear.task.done()
