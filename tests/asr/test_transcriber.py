import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from asr.ports import BYTES_PER_SECOND, Final, Gap, Heard, Partial, RecognizerError, Result
from asr.rtp_source import Audio
from asr.scripted import ScriptedRecognizer
from asr.transcriber import Listening, Transcriber
from asr.vad import VoiceTimes
from tests.asr import speech

VOICE = speech.pcm("d03")[8000:24000]
SILENCE = bytes(2 * BYTES_PER_SECOND)
LISTENING = Listening(VoiceTimes())
EVERYTHING = Listening(None)


def frames(pcm: bytes, at: float = 0.0) -> list[Audio]:
    return [
        Audio(at + offset / BYTES_PER_SECOND, pcm[offset : offset + 320])
        for offset in range(0, len(pcm), 320)
    ]


class SlowStream:
    """Hears nothing until it is let, and then everything at once."""

    def __init__(self, engine: "SlowEngine") -> None:
        self.partials = True
        self.engine = engine
        self.closed = asyncio.Event()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        await self.engine.free.wait()
        yield

    async def push(self, pcm: bytes) -> None:
        await self.engine.let.wait()
        if self.engine.fault is not None:
            raise self.engine.fault
        self.engine.pushed.append((pcm, self.partials))

    async def flush(self) -> None:
        if self.engine.fault is not None:
            raise self.engine.fault
        self.engine.flushed += 1

    async def events(self) -> AsyncIterator[Result]:
        await self.closed.wait()
        nothing: tuple[Result, ...] = ()
        for event in nothing:
            yield event

    async def aclose(self) -> None:
        self.closed.set()


class SlowEngine:
    """Its streams, and what they heard; ``fault``: what they raise."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.free = asyncio.Event()
        self.free.set()
        self.fault: RecognizerError | None = None
        self.pushed: list[tuple[bytes, bool]] = []
        self.flushed = 0
        self.streams: list[SlowStream] = []

    async def open(self) -> SlowStream:
        self.streams.append(SlowStream(self))
        return self.streams[-1]

    async def aclose(self) -> None: ...

    def seconds(self) -> float:
        return sum(len(pcm) for pcm, _ in self.pushed) / BYTES_PER_SECOND


class Ear:
    """A transcriber, and what it told."""

    def __init__(
        self, recognizer: SlowEngine | ScriptedRecognizer, listening: Listening = LISTENING
    ) -> None:
        self.heard: list[Heard] = []
        self.transcriber = Transcriber(
            "leg", recognizer, on_heard=self.heard.append, listening=listening
        )

    async def hear(self, pcm: bytes, at: float = 0.0) -> None:
        for audio in frames(pcm, at):
            self.transcriber.put(audio)
            for _ in range(3):  # its two tasks have their turns
                await asyncio.sleep(0)

    @property
    def gaps(self) -> list[Gap]:
        return [event for event in self.heard if isinstance(event, Gap)]

    @property
    def finals(self) -> list[Final]:
        return [event for event in self.heard if isinstance(event, Final)]


async def test_results_carry_the_calls_time_though_silence_was_not_heard() -> None:
    ear = Ear(ScriptedRecognizer(["着火了", "快来"]))
    await ear.hear(SILENCE * 3 + VOICE + SILENCE * 5 + VOICE + SILENCE, at=100.0)
    await ear.transcriber.finish()
    assert [final.text for final in ear.finals] == ["着火了", "快来"]
    assert [final.start for final in ear.finals] == pytest.approx([106.0, 117.0], abs=0.1)
    assert [final.end for final in ear.finals] == pytest.approx([107.0, 118.0], abs=0.1)
    assert ear.finals[0].words[-1].end == ear.finals[0].end
    assert isinstance(ear.heard[0], Partial)
    assert ear.heard[0].start == pytest.approx(106.0, abs=0.1)
    assert ear.gaps == []


async def test_when_the_gate_closes_the_engine_is_flushed_at_once() -> None:
    engine = SlowEngine()
    engine.let.set()
    ear = Ear(engine)
    await ear.hear(VOICE + SILENCE)
    assert engine.flushed == 1
    await ear.transcriber.finish()
    assert engine.flushed == 1, "nothing was said since"


async def test_the_engine_is_given_100_ms_at_a_time() -> None:
    engine = SlowEngine()
    engine.let.set()
    ear = Ear(engine, EVERYTHING)
    await ear.hear(VOICE)
    await ear.transcriber.finish()
    assert [len(pcm) for pcm, _ in engine.pushed] == [BYTES_PER_SECOND // 10] * 10


async def test_what_has_piled_up_is_given_in_pieces_of_800_ms() -> None:
    engine = SlowEngine()
    ear = Ear(engine, EVERYTHING)
    await ear.hear(VOICE)
    engine.let.set()
    await ear.transcriber.finish()
    tenth = BYTES_PER_SECOND // 10
    assert [len(pcm) for pcm, _ in engine.pushed] == [tenth, 8 * tenth, tenth]


async def test_what_comes_while_others_have_their_turn_is_given_in_one_with_its_end() -> None:
    engine = SlowEngine()
    engine.let.set()
    engine.free.clear()
    ear = Ear(engine)
    await ear.hear(VOICE[: BYTES_PER_SECOND // 4] + SILENCE)
    assert ear.transcriber.came > 0.2
    assert ear.transcriber.heard == 0.0
    engine.free.set()
    await ear.hear(SILENCE, at=3.0)
    assert engine.flushed == 1
    (pcm,) = (pcm for pcm, _ in engine.pushed)
    assert 0.4 < len(pcm) / BYTES_PER_SECOND <= 0.8
    assert ear.transcriber.heard == pytest.approx(ear.transcriber.came)
    await ear.transcriber.finish()


async def test_what_is_given_up_while_others_have_their_turn_costs_the_engine_nothing() -> None:
    engine = SlowEngine()
    engine.let.set()
    engine.free.clear()
    ear = Ear(engine)
    await ear.hear(VOICE)
    ear.transcriber.shed(wanted=True)
    engine.free.set()
    await ear.hear(SILENCE, at=1.0)
    assert engine.pushed == []
    (gap,) = ear.gaps
    assert [gap.start, gap.end] == pytest.approx([0.0, 1.3], abs=0.2)
    await ear.transcriber.finish()


async def test_words_under_way_are_told_though_nothing_follows_them() -> None:
    engine = SlowEngine()
    engine.free.clear()
    ear = Ear(engine)
    await ear.hear(VOICE[: 4 * BYTES_PER_SECOND // 10])
    engine.free.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert ear.transcriber.waiting == pytest.approx(0.0), "the engine has it, and does not answer"
    ear.transcriber.shed(wanted=True)
    engine.let.set()
    await ear.transcriber.finish()
    (gap,) = ear.gaps
    assert gap.end > 0.25


async def test_a_slow_engine_loses_partials_first_then_speech_which_is_told() -> None:
    engine = SlowEngine()
    ear = Ear(engine)
    await ear.hear(VOICE * 12)  # twelve seconds, without a pause
    assert ear.transcriber.lag > 1.0 or ear.transcriber.shed_seconds > 8.0
    await ear.hear(SILENCE + VOICE * 3, at=12.0)
    engine.let.set()
    await ear.transcriber.finish()
    (gap,) = ear.gaps
    assert [gap.start, gap.end] == pytest.approx([0.0, 12.3], abs=0.2)
    assert gap.reason == "load"
    # What came after the pause is heard, without partials until the engine has caught up.
    kept = b"".join(pcm for pcm, _ in engine.pushed)
    assert kept.endswith((VOICE * 3)[-2 * BYTES_PER_SECOND :])
    assert not all(partials for _, partials in engine.pushed)
    assert engine.pushed[-1][1]
    assert ear.transcriber.shed_partials == 1


async def test_an_engine_that_fails_costs_the_utterance_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = SlowEngine()
    engine.let.set()
    engine.fault = RecognizerError("the decoder gave up")
    ear = Ear(engine)
    await ear.hear(VOICE + SILENCE)
    assert str(ear.transcriber.trouble) == "the decoder gave up"
    (gap,) = ear.gaps
    assert [gap.start, gap.end] == pytest.approx([0.0, 1.3], abs=0.2)
    assert gap.reason == "engine"
    assert engine.streams[0].closed.is_set()
    engine.fault = None
    await ear.hear(VOICE + SILENCE, at=3.0)  # too early: it is given a second to recover
    assert len(ear.gaps) == 2
    loop = asyncio.get_running_loop()
    later = loop.time() + 5
    monkeypatch.setattr(loop, "time", lambda: later)
    await ear.hear(VOICE + SILENCE, at=6.0)
    assert len(ear.gaps) == 2
    assert engine.flushed == 1
    assert ear.transcriber.trouble is None
    monkeypatch.undo()
    await ear.transcriber.finish()


async def test_shed_in_the_midst_of_an_utterance_its_beginning_is_told_too() -> None:
    engine = SlowEngine()
    engine.let.set()
    ear = Ear(engine)
    await ear.hear(SILENCE + VOICE, at=10.0)
    ear.transcriber.shed(wanted=True)
    await ear.hear(VOICE + SILENCE, at=13.0)
    (gap,) = ear.gaps
    assert [gap.start, gap.end] == pytest.approx([11.8, 14.3], abs=0.2)
    heard = engine.seconds()
    ear.transcriber.shed(wanted=False)
    await ear.hear(VOICE + SILENCE, at=16.0)
    await ear.transcriber.finish()
    assert 1.2 < engine.seconds() - heard < 1.7
    assert len(ear.gaps) == 1
    assert len(engine.streams) == 2, "the abandoned utterance is no part of the next one"


async def test_shed_while_nobody_speaks_nothing_is_missed() -> None:
    engine = SlowEngine()
    engine.let.set()
    ear = Ear(engine)
    await ear.hear(VOICE + SILENCE)
    ear.transcriber.shed(wanted=True)
    await ear.hear(SILENCE, at=3.0)
    ear.transcriber.shed(wanted=False)
    await ear.hear(VOICE + SILENCE, at=5.0)
    await ear.transcriber.finish()
    assert ear.gaps == []
    assert engine.flushed == 2


async def test_resumed_in_the_midst_of_a_word_it_waits_for_the_next_utterance() -> None:
    engine = SlowEngine()
    engine.let.set()
    ear = Ear(engine)
    ear.transcriber.shed(wanted=True)
    await ear.hear(VOICE)
    ear.transcriber.shed(wanted=False)
    await ear.hear(VOICE + SILENCE, at=1.0)
    (gap,) = ear.gaps
    assert [gap.start, gap.end] == pytest.approx([0.0, 2.3], abs=0.2)
    assert engine.pushed == []
    await ear.transcriber.finish()


async def test_without_a_gate_the_engine_hears_silence_and_hearing_is_resumed_at_once() -> None:
    engine = SlowEngine()
    engine.let.set()
    ear = Ear(engine, EVERYTHING)
    await ear.hear(SILENCE)
    ear.transcriber.shed(wanted=True)
    await ear.hear(VOICE, at=2.0)
    ear.transcriber.shed(wanted=False)
    await ear.hear(VOICE, at=3.0)
    await ear.transcriber.finish()
    assert engine.seconds() == pytest.approx(3.0)
    (gap,) = ear.gaps
    assert (gap.start, gap.end) == (0.0, 3.0)  # the engine had found no end before it


async def test_what_is_missed_at_the_end_of_the_call_is_told_by_finish() -> None:
    engine = SlowEngine()
    engine.let.set()
    ear = Ear(engine)
    ear.transcriber.shed(wanted=True)
    await ear.hear(VOICE)
    await ear.transcriber.finish()
    assert [round(gap.end, 1) for gap in ear.gaps] == [1.0]


async def test_abort_closes_the_engines_stream_while_it_works() -> None:
    engine = SlowEngine()
    ear = Ear(engine)
    await ear.hear(VOICE)
    await ear.transcriber.abort()
    assert engine.streams[0].closed.is_set()
    assert engine.flushed == 0


async def test_what_is_given_up_at_the_end_is_told() -> None:
    ear = Ear(SlowEngine())
    await ear.hear(VOICE)
    await ear.transcriber.give_up()
    (gap,) = ear.gaps
    assert gap.reason == "load"
    assert gap.start == pytest.approx(0.0, abs=0.1)
    assert gap.end == pytest.approx(len(VOICE) / BYTES_PER_SECOND, abs=0.05)


async def test_where_all_is_final_nothing_is_given_up() -> None:
    ear = Ear(ScriptedRecognizer(["我要投诉"]))
    await ear.hear(VOICE + SILENCE)
    assert ear.finals
    await ear.transcriber.give_up()
    assert ear.gaps == []
