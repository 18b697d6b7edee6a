from pathlib import Path

import pytest

from tickets.cases import BadCase, Case
from tickets.draft import Utterance
from tickets.recognised import as_heard, read_transcripts

TURNS = (
    Utterance("caller", "楼下垃圾没人清"),
    Utterance("agent", "您贵姓"),
    Utterance("caller", "我姓陆"),
)
CASE = Case("d01", None, TURNS, {})


def test_the_agents_turns_keep_their_places(tmp_path: Path) -> None:
    table = tmp_path / "heard.tsv"
    table.write_text("file\ttranscript\nd01.wav\t楼下拉圾 没人清 我姓路 陆先生\n", encoding="utf-8")
    found = as_heard(CASE, read_transcripts(table)["d01"])
    assert [(turn.speaker, turn.text) for turn in found.turns] == [
        ("caller", "楼下拉圾"),
        ("caller", "没人清"),
        ("agent", "您贵姓"),
        ("caller", "我姓路"),
        ("caller", "陆先生"),
    ]


@pytest.mark.parametrize(
    "content", [b"name\ttext\nd01\tx\n", b"file\ttranscript\nd01.wav\n", b"\xff"]
)
def test_another_table_is_refused(tmp_path: Path, content: bytes) -> None:
    table = tmp_path / "heard.tsv"
    table.write_bytes(content)
    with pytest.raises(BadCase, match=r"heard\.tsv"):
        read_transcripts(table)


def test_nothing_heard_leaves_the_agent() -> None:
    assert [turn.speaker for turn in as_heard(CASE, ()).turns] == ["agent"]
