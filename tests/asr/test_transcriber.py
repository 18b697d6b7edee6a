import asyncio
from collections.abc import AsyncIterator

import pytest

from asr.ports import BYTES_PER_SECOND, Final, Partial, RecognizerError, Result
from asr.rtp_source import Audio
from asr.scripted import ScriptedRecognizer
from asr.transcriber import BACKLOG, PARTIALS_UNTIL, Transcriber
from tests.asr import speech

VOICE = speech.pcm("d03")[8000:24000]
SILENCE = bytes(2 * BYTES_PER_SECOND)


def frames(pcm: bytes, at: float = 0.0) -> list[Audio]:
    return [
        Audio(at + offset / BYTES_PER_SECOND, pcm[offset : offset + 320])
        for offset in range(0, len(pcm), 320)
    ]


class SlowStream:
    """An engine that hears nothing until it is let, and then everything at once."""

    def __init__(self) -> None:
        self.partials = True
        self.let = asyncio.Event()
        self.pushed: list[tuple[bytes, bool]] = []
        self.flushed = 0
        self.closed = asyncio.Event()

    async def push(self, pcm: bytes) -> None:
        await self.let.wait()
        self.pushed.append((pcm, self.partials))

    async def flush(self) -> None:
        self.flushed += 1

    async def events(self) -> AsyncIterator[Result]:
        await self.closed.wait()
        nothing: tuple[Result, ...] = ()
        for event in nothing:
            yield event

    async def aclose(self) -> None:
        self.closed.set()


class BrokenStream(SlowStream):
    async def push(self, pcm: bytes) -> None:  # noqa: ARG002 - the port's signature
        raise RecognizerError("the decoder gave up")


async def test_results_carry_the_calls_time_though_silence_was_not_heard() -> None:
    heard: list[Result] = []
    stream = await ScriptedRecognizer(["着火了", "快来"]).open()
    transcriber = Transcriber("leg", stream, on_result=heard.append)
    for audio in frames(SILENCE * 3 + VOICE + SILENCE * 5 + VOICE + SILENCE, at=100.0):
        transcriber.put(audio)
        await asyncio.sleep(0)
    await transcriber.finish()
    finals = [event for event in heard if isinstance(event, Final)]
    assert [final.text for final in finals] == ["着火了", "快来"]
    assert [final.start for final in finals] == pytest.approx([106.0, 117.0], abs=0.1)
    assert [final.end for final in finals] == pytest.approx([107.0, 118.0], abs=0.1)
    assert finals[0].words[-1].end == finals[0].end
    assert isinstance(heard[0], Partial)
    assert heard[0].start == pytest.approx(106.0, abs=0.1)


async def test_when_the_gate_closes_before_the_engine_has_ended_the_words_it_is_flushed() -> None:
    stream = SlowStream()
    stream.let.set()
    transcriber = Transcriber("leg", stream, on_result=lambda _: None)
    for audio in frames(VOICE + SILENCE):
        transcriber.put(audio)
    await transcriber.finish()
    assert stream.flushed == 2  # at the pause and at the end


async def test_a_slow_engine_loses_partials_first_then_the_oldest_audio() -> None:
    stream = SlowStream()
    transcriber = Transcriber("leg", stream, on_result=lambda _: None)
    audio = frames(VOICE * 12)  # twelve seconds, without a pause
    for piece in audio:
        transcriber.put(piece)
        await asyncio.sleep(0)
    lost = 12.0 - BACKLOG
    assert transcriber.shed_seconds == pytest.approx(lost, abs=0.3)
    stream.let.set()
    await transcriber.finish()
    kept = b"".join(pcm for pcm, _ in stream.pushed)
    assert kept.endswith(b"".join(a.pcm for a in audio)[-int(7.5 * BYTES_PER_SECOND) :])
    without = sum(len(pcm) for pcm, partials in stream.pushed if not partials)
    assert without / BYTES_PER_SECOND == pytest.approx(BACKLOG - PARTIALS_UNTIL, abs=0.3)
    assert transcriber.shed_partials == 1
    assert stream.pushed[-1][1], "partials come back once it has caught up"


async def test_an_engine_that_fails_ends_this_stream_only_and_quietly() -> None:
    stream = BrokenStream()
    transcriber = Transcriber("leg", stream, on_result=lambda _: None)
    for audio in frames(VOICE + SILENCE):
        transcriber.put(audio)
    await transcriber.finish()
    assert stream.closed.is_set()
    transcriber.put(frames(VOICE)[0])  # still harmless


async def test_abort_closes_the_engines_stream_while_it_works() -> None:
    stream = SlowStream()
    transcriber = Transcriber("leg", stream, on_result=lambda _: None)
    for audio in frames(VOICE):
        transcriber.put(audio)
    await asyncio.sleep(0)
    await transcriber.abort()
    assert stream.closed.is_set()
    assert stream.flushed == 0
