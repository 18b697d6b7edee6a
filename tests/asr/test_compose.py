import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from asr.compose import compose
from asr.model import ModelError, takes_grammar
from asr.ports import Final
from asr.vosk_decoder import CHUNK, VoskModel
from tests.asr import speech


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with its graph in one."""
    return compose(speech.MODEL, tmp_path_factory.mktemp("models") / "whole")


def finals(model: Path, pcm: bytes) -> Iterator[Final | None]:
    decoder = VoskModel.load(model).new_decoder()
    for start in range(0, len(pcm), CHUNK):
        result = decoder.push(pcm[start : start + CHUNK], partials=False)
        if isinstance(result, Final):
            yield result
    yield decoder.flush()


def test_what_is_heard_is_the_same(whole: Path) -> None:
    pcm = speech.pcm("d03")
    assert [final and final.text for final in finals(whole, pcm)] == [
        final and final.text for final in finals(speech.MODEL, pcm)
    ]


def test_only_the_graph_differs_and_it_takes_no_phrases(whole: Path) -> None:
    def files(model: Path) -> set[str]:
        return {str(path.relative_to(model)) for path in model.rglob("*") if path.is_file()}

    assert files(whole) ^ files(speech.MODEL) == {
        "graph/HCLG.fst",
        "graph/HCLr.fst",
        "graph/Gr.fst",
    }
    assert not takes_grammar(whole)
    with pytest.raises(ModelError, match="static graph"):
        VoskModel.load(whole, grammar=["你好"])


def test_a_whole_graph_is_not_composed_again(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="whole already"):
        compose(whole, tmp_path / "again")
    assert not list(tmp_path.iterdir())


def test_what_is_there_stays(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there already"):
        compose(speech.MODEL, tmp_path)


def test_a_system_without_the_programs_is_told_their_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelError, match=r"fstcompose.*libfst-tools"):
        compose(speech.MODEL, tmp_path / "whole")


def test_a_damaged_half_leaves_nothing_behind(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(speech.MODEL, model, copy_function=shutil.copyfile)
    (model / "graph" / "Gr.fst").write_bytes(b"no graph")
    with pytest.raises(ModelError, match=r"fstcompose failed: .*Gr"):
        compose(model, tmp_path / "whole")
    assert list(tmp_path.iterdir()) == [model]
