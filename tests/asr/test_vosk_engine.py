import shutil
from pathlib import Path

import pytest

from asr.model import ModelError, engine_rate, sample_rate
from asr.ports import Final
from asr.vosk_decoder import VoskModel
from asr.vosk_engine import VoskRecognizer
from asr.vosk_text import join_words
from tests.asr import speech
from tests.support.cer import character_error_rate


@pytest.mark.parametrize(
    "spaced, joined",
    [
        ("我 姓 陆 陆 先生", "我姓陆陆先生"),
        ("用 wifi 上网", "用 wifi 上网"),
        ("hello world", "hello world"),
        ("二 百 一 十 八 号 ， 边上", "二百一十八号，边上"),
        ("𠮷 野 家", "𠮷野家"),
        ("", ""),
    ],
)
def test_blanks_go_between_chinese_only(spaced: str, joined: str) -> None:
    assert join_words(spaced) == joined


@pytest.fixture
def wide_band(tmp_path: Path) -> Path:
    """The tiny model made into one for 16 kHz: the same filters over the same frequencies (up to
    3800 Hz, 200 below its own limit), so that its network still understands."""
    model = tmp_path / "model"
    shutil.copytree(speech.MODEL, model)
    conf = model / "conf" / "mfcc.conf"
    options = {
        "--sample-frequency=8000": "--sample-frequency=16000",
        "--high-freq=-200": "--high-freq=3800",
        "--allow-upsample=true": "",
    }
    lines = [options.get(line, line) for line in conf.read_text().splitlines()]
    conf.write_text("\n".join(lines) + "\n")
    return model


async def test_through_the_doubler_the_words_are_the_same(wide_band: Path) -> None:
    recognizer = VoskRecognizer.load(wide_band)
    stream = await recognizer.open()
    await stream.push(speech.pcm("d03") + bytes(32000))
    await stream.flush()
    await stream.aclose()
    finals = [event async for event in stream.events() if isinstance(event, Final)]
    said = speech.transcript("d03")
    assert character_error_rate(said, "".join(final.text for final in finals)) < 0.2
    assert finals[-1].end < len(speech.pcm("d03")) / 16000
    await recognizer.aclose()


@pytest.mark.parametrize("name", ["am/final.mdl", "graph/HCLr.fst", "graph/Gr.fst"])
def test_a_damaged_file_is_a_model_error(name: str, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(speech.MODEL, model)
    (model / name).write_bytes((model / name).read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"damaged.*fetch"):
        VoskRecognizer.load(model)


async def test_a_wide_band_model_that_upsamples_is_given_telephone_sound(wide_band: Path) -> None:
    with (wide_band / "conf" / "mfcc.conf").open("a") as conf:
        conf.write("--allow-upsample=true  # says the model itself\n")
    assert (sample_rate(wide_band), engine_rate(wide_band)) == (16000, 8000)
    recognizer = VoskRecognizer.load(wide_band)
    stream = await recognizer.open()
    await stream.push(speech.pcm("d03"))
    await stream.flush()
    await stream.aclose()
    finals = [event async for event in stream.events() if isinstance(event, Final)]
    heard = "".join(final.text for final in finals)
    assert character_error_rate(speech.transcript("d03"), heard) < 0.2
    await recognizer.aclose()


async def test_held_to_a_grammar_it_hears_nothing_else() -> None:
    recognizer = VoskRecognizer.load(speech.MODEL, grammar=["着火", "救命"])
    stream = await recognizer.open()
    await stream.push(speech.pcm("d03"))
    await stream.flush()
    await stream.aclose()
    finals = [event async for event in stream.events() if isinstance(event, Final)]
    words = {word.text for final in finals for word in final.words}
    assert words <= {"着火", "救命", "[unk]"}
    assert "着火" in words
    await recognizer.aclose()


def test_a_grammar_needs_a_graph_that_is_composed_at_run_time(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(speech.MODEL, model)
    (model / "graph" / "HCLG.fst").write_bytes(b"composed beforehand")
    with pytest.raises(ModelError, match="static graph"):
        VoskModel.load(model, grammar=["着火"])
