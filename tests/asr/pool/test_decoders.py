"""Streams share decoders, and hear nothing of one another."""

import pytest

from asr.pool.decoders import Decoders
from asr.ports import BYTES_PER_SECOND, Final, RecognizerError, Result
from asr.vosk_decoder import VoskDecoder, VoskModel
from tests.asr import speech
from tests.support.cer import character_error_rate

ONE, TWO = speech.pcm("d01"), speech.pcm("d04")
CHUNK = BYTES_PER_SECOND // 10


@pytest.fixture(scope="module")
def model() -> VoskModel:
    return VoskModel.load(speech.MODEL)


@pytest.fixture
def made() -> list[VoskDecoder]:
    return []


@pytest.fixture
def decoders(model: VoskModel, made: list[VoskDecoder]) -> Decoders:
    return lending(model, made)


def lending(model: VoskModel, made: list[VoskDecoder], recycle: float = 600.0) -> Decoders:
    def make() -> VoskDecoder:
        made.append(model.new_decoder())
        return made[-1]

    return Decoders(make, recycle=recycle)


def hear(decoders: Decoders, stream: int, pcm: bytes) -> list[Result]:
    results = [
        decoders.push(stream, pcm[at : at + CHUNK], partials=True)
        for at in range(0, len(pcm), CHUNK)
    ]
    return [result for result in [*results, decoders.flush(stream)] if result is not None]


def finals(results: list[Result]) -> list[Final]:
    return [result for result in results if isinstance(result, Final)]


def test_a_lent_decoder_hears_as_a_new_one_on_the_streams_own_clock(
    model: VoskModel, decoders: Decoders, made: list[VoskDecoder]
) -> None:
    fresh = lending(model, [])
    fresh.open(1)
    alone = finals(hear(fresh, 1, TWO))
    decoders.open(1)
    decoders.open(2)
    hear(decoders, 1, ONE)
    after = finals(hear(decoders, 2, TWO))
    assert len(made) == 1
    assert len(after) == len(alone) > 0
    for heard, expected in zip(after, alone, strict=True):
        # Homophones (蒋, 姜) are equally likely, and either may be found first.
        assert character_error_rate(expected.text, heard.text) < 0.05
        assert heard.words[0].start == heard.start == pytest.approx(expected.start, abs=0.1)
        assert heard.words[-1].end == heard.end == pytest.approx(expected.end, abs=0.1)


def test_a_streams_clock_goes_on_from_one_decoder_to_the_next(decoders: Decoders) -> None:
    decoders.open(1)
    decoders.open(2)
    hear(decoders, 1, ONE)
    decoders.push(2, TWO[:CHUNK], partials=False)  # has the decoder that the other one had
    again = hear(decoders, 1, ONE)
    seconds = len(ONE) / BYTES_PER_SECOND
    assert all(seconds <= result.start < result.end <= 2 * seconds for result in again)


def test_who_is_in_the_midst_of_an_utterance_keeps_his_decoder(
    decoders: Decoders, made: list[VoskDecoder]
) -> None:
    for stream in (1, 2):
        decoders.open(stream)
        decoders.push(stream, ONE[:CHUNK], partials=False)
    assert (len(made), decoders.idle) == (2, 0)
    decoders.close(1)  # its decoder knows half of a word
    assert decoders.idle == 0


def test_a_decoder_that_still_knows_a_voice_is_not_lent(
    decoders: Decoders, made: list[VoskDecoder]
) -> None:
    decoders.open(1)
    # Vosk makes a final by itself in so long a silence.
    pcm = ONE + bytes(3 * BYTES_PER_SECOND)
    ended = False
    for at in range(0, len(pcm), CHUNK):
        ended = isinstance(decoders.push(1, pcm[at : at + CHUNK], partials=False), Final)
        if ended:
            break
    assert ended
    decoders.flush(1)
    assert decoders.idle == 0
    hear(decoders, 1, TWO)
    assert (len(made), decoders.idle) == (1, 1)


def test_a_decoder_that_has_heard_much_is_not_lent_again(
    model: VoskModel, made: list[VoskDecoder]
) -> None:
    decoders = lending(model, made, recycle=1.0)
    decoders.open(1)
    hear(decoders, 1, ONE)
    assert decoders.idle == 0
    hear(decoders, 1, ONE[:CHUNK])
    assert len(made) == 2


def test_a_stream_that_is_not_open_is_refused(decoders: Decoders) -> None:
    decoders.open(1)
    decoders.close(1)
    with pytest.raises(RecognizerError, match="not open"):
        decoders.push(1, ONE[:CHUNK], partials=False)
    with pytest.raises(RecognizerError, match="not open"):
        decoders.flush(1)
