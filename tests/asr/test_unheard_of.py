"""Sound that the model does not understand: nothing fails, and what is made of it is marked."""

import wave
from collections.abc import Sequence

import numpy as np
import pytest

from asr.ports import BYTES_PER_SECOND, Final, Gap, Heard
from asr.rtp_source import Audio
from asr.transcriber import Listening, Transcriber
from asr.vosk_engine import VoskRecognizer
from calls.doubt import UNSURE_BELOW, doubtful
from tests.asr import speech
from tickets.draft import TicketDraft, Utterance
from tickets.written import Writer


def person() -> bytes:
    with wave.open(str(speech.ASSETS / "speech" / "person.wav"), "rb") as file:
        return file.readframes(file.getnframes())


def noise(loudness: float) -> bytes:
    sound = np.random.default_rng(7).normal(0, loudness, 4 * 8000)
    return np.clip(sound, -32768, 32767).astype("<i2").tobytes()


def music() -> bytes:
    at = np.arange(4 * 8000) / 8000
    chord = sum(np.sin(2 * np.pi * f * at) for f in (262, 330, 392, 523))
    return (6000 * chord * np.sin(2 * np.pi * 2 * at)).clip(-32768, 32767).astype("<i2").tobytes()


SOUNDS = {
    "a person": person(),
    "a person, far too loud": (np.frombuffer(person(), "<i2").astype(int) * 30)
    .clip(-32768, 32767)
    .astype("<i2")
    .tobytes(),
    "noise": noise(3000),
    "too loud noise": noise(30000),
    "music": music(),
    "one level": b"\xff\x7f" * 16000,
}


@pytest.fixture(scope="module")
def recognizer() -> VoskRecognizer:
    return VoskRecognizer.load(speech.MODEL)


async def heard_in(recognizer: VoskRecognizer, sound: bytes) -> Sequence[Heard]:
    heard: list[Heard] = []
    transcriber = Transcriber(
        "leg", recognizer, on_heard=heard.append, listening=Listening(backlog=60)
    )
    for offset in range(0, len(sound), 320):
        transcriber.put(Audio(offset / BYTES_PER_SECOND, sound[offset : offset + 320]))
    await transcriber.finish()
    assert transcriber.trouble is None
    return heard


@pytest.mark.parametrize("sound", SOUNDS.values(), ids=SOUNDS.keys())
async def test_what_was_not_said_names_and_alarms_nobody_and_is_as_sure_as_it_was_heard(
    recognizer: VoskRecognizer, sound: bytes
) -> None:
    draft, writer, surest = TicketDraft("t", None), Writer(), 0.0
    for result in await heard_in(recognizer, sound):
        if not isinstance(result, Final):
            continue
        assert result.confidence is not None
        surest = max(surest, result.confidence)
        times = tuple((word.text, word.start, word.end) for word in result.words)
        written = writer.write(result.text, times)
        unsure = {word.text for word in result.words if word.confidence < UNSURE_BELOW}
        assert set(doubtful(result.words, written.text)) == {w for w in unsure if w in written.text}
        draft.hear(
            Utterance(
                "caller",
                written.heard,
                result.start,
                result.end,
                times=times,
                confidence=result.confidence,
            )
        )
    for name in ("name", "phone", "transfer", "urgent"):
        assert not draft.fields[name].value
    for name, field in draft.fields.items():
        if field.value and field.evidence:
            assert field.confidence is not None
            assert 0 < field.confidence <= surest, (name, field)


@pytest.mark.parametrize("name", ["noise", "too loud noise", "one level"])
async def test_what_is_no_speech_says_nothing(recognizer: VoskRecognizer, name: str) -> None:
    assert not [h for h in await heard_in(recognizer, SOUNDS[name]) if not isinstance(h, Gap)]
