import shutil
from pathlib import Path

import pytest

from asr.model import ModelError
from asr.ports import Final
from asr.vosk_engine import VoskRecognizer, join_words
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
    """The tiny model made into one that takes 16 kHz, as the official small models do: Kaldi then
    filters down again what we brought up, so the words must be the same."""
    model = tmp_path / "model"
    shutil.copytree(speech.MODEL, model)
    conf = model / "conf" / "mfcc.conf"
    lines = [
        line for line in conf.read_text().splitlines() if not line.startswith("--allow-upsample")
    ]
    conf.write_text("\n".join(lines) + "\n")
    return model


async def test_through_the_doubler_the_words_are_the_same(wide_band: Path) -> None:
    # rate=16000 feeds the decoder what an official model would get.
    loaded = VoskRecognizer.load(wide_band)
    recognizer = VoskRecognizer(loaded._model, rate=16000)
    stream = await recognizer.open()
    await stream.push(speech.pcm("d03") + bytes(32000))
    await stream.flush()
    await stream.aclose()
    finals = [event async for event in stream.events() if isinstance(event, Final)]
    said = speech.transcript("d03")
    assert character_error_rate(said, "".join(final.text for final in finals)) < 0.2
    assert finals[-1].end < len(speech.pcm("d03")) / 16000
    await recognizer.aclose()
    await loaded.aclose()


@pytest.mark.parametrize("name", ["am/final.mdl", "graph/HCLr.fst", "graph/Gr.fst"])
def test_a_damaged_file_is_a_model_error(name: str, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(speech.MODEL, model)
    (model / name).write_bytes((model / name).read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"damaged.*fetch"):
        VoskRecognizer.load(model)
