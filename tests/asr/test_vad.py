import itertools
import random

import numpy as np
import pytest

from asr.ports import BYTES_PER_SECOND, SAMPLE_RATE
from asr.rtp_source import Audio
from asr.vad import Pause, TimeLine, VoiceGate, VoiceTimes
from tests.asr import speech


def silence(seconds: float) -> bytes:
    return bytes(2 * round(seconds * SAMPLE_RATE))


def pieces(pcm: bytes, size: int, at: float = 0.0) -> list[Audio]:
    return [
        Audio(at + offset / BYTES_PER_SECOND, pcm[offset : offset + size])
        for offset in range(0, len(pcm), size)
    ]


def through(gate: VoiceGate, audio: list[Audio]) -> list[Audio | Pause]:
    return [effect for piece in audio for effect in gate.handle(piece)]


def passed(effects: list[Audio | Pause]) -> list[Audio]:
    return [effect for effect in effects if isinstance(effect, Audio)]


TIMES = VoiceTimes()
VOICE = speech.pcm("d03")[8000:24000]  # half a second in: one second without a pause


def test_silence_passes_nothing() -> None:
    gate = VoiceGate(TIMES)
    assert through(gate, pieces(silence(60), 320)) == []
    assert gate.drain() == []


def test_line_noise_passes_nothing_once_the_detector_knows_it() -> None:
    noise = np.random.default_rng(1).normal(0, 60, 10 * SAMPLE_RATE).astype("<i2").tobytes()
    audio = passed(through(VoiceGate(TIMES), pieces(noise, 320)))
    assert audio[-1].at < 1.5


def test_the_idle_noise_of_a_line_is_no_voice_not_even_after_speech() -> None:
    gate = VoiceGate(TIMES)
    idle = np.random.default_rng(2).integers(-8, 9, 20 * SAMPLE_RATE).astype("<i2").tobytes()
    effects = through(gate, pieces(idle + VOICE + idle, 320))
    assert sum(isinstance(effect, Pause) for effect in effects) == 1
    heard = sum(audio.seconds for audio in passed(effects))
    assert heard < len(VOICE) / BYTES_PER_SECOND + TIMES.pre_roll + 0.1 + 0.3


def test_speech_passes_with_what_was_before_and_a_little_after_then_pauses() -> None:
    gate = VoiceGate(TIMES)
    effects = through(gate, pieces(silence(5) + VOICE + silence(5), 320))
    audio = passed(effects)
    assert audio[0].at == pytest.approx(5.0 - TIMES.pre_roll, abs=0.11)
    assert audio[-1].at == pytest.approx(6.0 + TIMES.hang_over, abs=0.15)  # webrtcvad hangs on
    assert effects[-1] == Pause()
    assert effects.count(Pause()) == 1
    # No hole, nothing twice.
    for before, after in itertools.pairwise(audio):
        assert after.at == pytest.approx(before.at + before.seconds)
    source = silence(5) + VOICE + silence(5)
    begin = round(audio[0].at * SAMPLE_RATE) * 2
    heard = b"".join(a.pcm for a in audio)
    assert heard == source[begin : begin + len(heard)]


@pytest.mark.parametrize("size", [2, 160, 320, 480, 1000])
def test_the_size_of_pieces_does_not_matter(size: int) -> None:
    pcm = silence(0.5) + VOICE + silence(0.3)
    reference = b"".join(a.pcm for a in passed(through(VoiceGate(TIMES), pieces(pcm, 320))))
    heard = passed(through(VoiceGate(TIMES), pieces(pcm, size)))
    assert b"".join(a.pcm for a in heard) == reference


def test_a_leap_in_time_ends_the_utterance() -> None:
    gate = VoiceGate(TIMES)
    first = through(gate, pieces(silence(0.2) + VOICE, 320))
    effects = through(gate, pieces(VOICE, 320, at=30.0))
    assert Pause() not in first
    assert effects[0] == Pause()
    assert passed(effects)[0].at == pytest.approx(30.0)


def test_drain_closes_an_open_gate_once() -> None:
    gate = VoiceGate(TIMES)
    through(gate, pieces(VOICE, 320))
    assert gate.drain() == [Pause()]
    assert gate.drain() == []


def test_the_time_line_skips_what_the_engine_was_not_given() -> None:
    line = TimeLine()
    line.append(Audio(5.0, silence(1.0)))
    line.append(Audio(6.0, silence(1.0)))
    line.append(Audio(20.0, silence(2.0)))
    assert [line.start(t) for t in (0.0, 1.5, 2.0, 3.0)] == pytest.approx([5.0, 6.5, 20.0, 21.0])
    assert [line.end(t) for t in (1.5, 2.0, 3.0)] == pytest.approx([6.5, 7.0, 21.0])


def test_the_time_line_forgets_and_still_knows_the_present() -> None:
    line = TimeLine()
    for n in range(100):
        line.append(Audio(10.0 * n, silence(1.0)))
    line.forget(98.5)
    assert line.start(98.5) == pytest.approx(980.5)
    assert line.start(99.5) == pytest.approx(990.5)
    assert len(line._engine) == 2


def test_times_survive_the_gate() -> None:
    # Speech at known places: each sample given to the engine maps back to where it was.
    chance, pcm = random.Random(4), b""
    starts = []
    for _ in range(6):
        pcm += silence(chance.uniform(2, 4))
        pcm = pcm[: len(pcm) - len(pcm) % 2]
        starts.append(len(pcm) / BYTES_PER_SECOND)
        pcm += VOICE
    gate, line, given = VoiceGate(TIMES), TimeLine(), b""
    for audio in passed(through(gate, pieces(pcm, 320))):
        line.append(audio)
        given += audio.pcm
    assert len(given) < len(pcm) * 0.75
    for start in starts:
        place = given.index(pcm[round(start * BYTES_PER_SECOND) :][:8000], 0)
        found = [line.start(place / BYTES_PER_SECOND)]
        given = given[:place] + bytes(8000) + given[place + 8000 :]
        assert found == pytest.approx([start], abs=0.001)


def test_an_utterance_ends_within_300_ms_of_its_last_sound() -> None:
    # The last sample louder than line noise is where speech ends; the assets are clean.
    samples = np.frombuffer(speech.pcm("d04"), "<i2")
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 200)
    gate, pauses = VoiceGate(TIMES), list[float]()
    for piece in pieces(speech.pcm("d04") + silence(1), 320):
        if Pause() in gate.handle(piece):
            pauses.append(piece.at + piece.seconds)
    assert pauses[-1] - loud[-1] / SAMPLE_RATE <= 0.3


def test_the_hang_over_can_be_longer() -> None:
    gate = VoiceGate(VoiceTimes(hang_over=1.0))
    audio = passed(through(gate, pieces(VOICE + silence(3), 320)))
    assert audio[-1].at == pytest.approx(2.0, abs=0.15)
