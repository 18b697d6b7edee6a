"""What A-law and a line that loses and delays packets cost recognition, in characters.

The way from the citizen's network to the engine, in virtual time: RTP, loss, jitter, re-ordering,
filling of holes, voice gate, decoder. (``bench/asr_call.py`` measures it over whole calls.)
"""

import random

import pytest

from asr.ports import BYTES_PER_SECOND, Final
from asr.rtp_source import Audio, RtpSource
from asr.vad import VoiceGate, VoiceTimes
from asr.vosk_decoder import VoskDecoder, VoskModel
from tests.asr import speech
from tests.support.cer import character_error_rate

CHUNK = BYTES_PER_SECOND // 10
SAID = speech.transcript("d03")
JITTER = 0.03


@pytest.fixture(scope="module")
def model() -> VoskModel:
    return VoskModel.load(speech.MODEL)


def over_the_line(loss: float, *, seed: int) -> list[Audio]:
    """Return what comes out of the receiving end, in order."""
    chance = random.Random(seed)
    source = RtpSource(opened_at=0.0)
    quiet = bytes(BYTES_PER_SECOND)
    arrivals = [
        (0.02 * number + chance.uniform(0.0, JITTER), packet)
        for number, packet in enumerate(speech.rtp_stream(speech.pcm("d03") + quiet))
        if chance.random() >= loss
    ]
    audio: list[Audio] = []
    for at, packet in sorted(arrivals):
        while source.deadline is not None and source.deadline <= at:
            audio += source.handle(None, source.deadline)
        audio += source.handle(packet, at)
    return audio + source.drain()


def pushed(decoder: VoskDecoder, pcm: bytes) -> list[Final]:
    results = [
        decoder.push(pcm[start : start + CHUNK], partials=False)
        for start in range(0, len(pcm), CHUNK)
    ]
    return [result for result in results if isinstance(result, Final)]


def errors(finals: list[Final]) -> float:
    """Character error rate, per cent."""
    return 100 * character_error_rate(SAID, "".join(final.text for final in finals))


def straight(model: VoskModel) -> float:
    decoder = model.new_decoder()
    finals = pushed(decoder, speech.pcm("d03"))
    last = decoder.flush()
    return errors([*finals, last] if last else finals)


def heard(model: VoskModel, audio: list[Audio]) -> float:
    gate, decoder = VoiceGate(VoiceTimes()), model.new_decoder()
    finals: list[Final] = []
    waiting = b""
    for piece in audio:
        for effect in gate.handle(piece):
            if isinstance(effect, Audio):
                waiting += effect.pcm
                continue
            finals += pushed(decoder, waiting)
            waiting = b""
            if (final := decoder.flush()) is not None:
                finals.append(final)
    finals += pushed(decoder, waiting)
    last = decoder.flush()
    return errors([*finals, last] if last else finals)


def test_a_line_without_loss_costs_at_most_a_point(model: VoskModel) -> None:
    assert heard(model, over_the_line(0.0, seed=1)) <= straight(model) + 1


@pytest.mark.parametrize("loss, points", [(0.01, 5), (0.03, 10)])
def test_lost_packets_cost_a_word_or_two(model: VoskModel, loss: float, points: float) -> None:
    worst = max(heard(model, over_the_line(loss, seed=seed)) for seed in (1, 2, 3))
    assert worst <= straight(model) + points
