"""Names put right by their sound, punctuation, and the whole way to the text that is shown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.__main__ import main
from tickets.gazetteer import Entry, Gazetteer, read_gazetteer, repaired
from tickets.punctuation import punctuated
from tickets.table import BadTable
from tickets.written import Writer

EXAMPLE = Path(__file__).parents[2] / "config" / "gazetteer.example.csv"
NAMES = ("锦都花园", "南沙河路", "蓝天物流", "沙溪", "世代家园", "中新小区", "中心小区")
CITY = Gazetteer(Entry(name, "") for name in NAMES)


@pytest.mark.parametrize(
    "heard,right",
    [
        ("我住在今度花园三幢", "我住在锦都花园三幢"),
        ("在南萨河路口", "在南沙河路口"),  # sh/s
        ("我要投诉南天物流", "我要投诉蓝天物流"),  # n/l, in the list as one syllable of four
        ("在沙西", "在沙溪"),
    ],
)
def test_what_sounds_like_a_name_becomes_it(heard: str, right: str) -> None:
    assert repaired(heard, CITY.repairs(heard)) == right


@pytest.mark.parametrize(
    "heard",
    [
        "锦都花园在哪里",  # right as it is
        "我说杀西瓜",  # two syllables, and nothing says that it is a place
        "在中辛小区",  # 中新小区 and 中心小区 sound alike: nobody can know
        "你好我想咨询医保",
    ],
)
def test_without_strong_evidence_nothing_is_touched(heard: str) -> None:
    assert CITY.repairs(heard) == []


def test_a_repair_tells_what_was_heard() -> None:
    (repair,) = CITY.repairs("我住在今度花园")
    assert (repair.start, repair.end, repair.heard, repair.name) == (3, 7, "今度花园", "锦都花园")
    assert 0 < repair.distance < 0.5


@given(st.text(alphabet="今度花园锦都南萨河路沙溪在我a1 ", max_size=24))
def test_a_repaired_text_is_as_long_as_before_and_stays_as_it_is(text: str) -> None:
    once = repaired(text, CITY.repairs(text))
    assert len(once) == len(text)
    assert CITY.repairs(once) == []


def test_the_shipped_example_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gazetteer", str(EXAMPLE), "--text", "我住在今度花园"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines() == [
        f"{len(read_gazetteer(EXAMPLE))} names",
        "今度花园 → 锦都花园 (0.2)",
    ]


@pytest.mark.parametrize(
    "content,wrong",
    [
        ("", ":1: no column 'name'"),
        ("title\n甲乙\n", ":1: no column 'name'"),
        ("name\n甲\n", ":2: a name has 2 to 16 Chinese characters, not '甲'"),
        ("name,also\n甲乙,Shop\n", ":2: a name has 2 to 16 Chinese characters, not 'Shop'"),
        ('name\n"甲', "unexpected end of data"),
    ],
)
def test_a_bad_list_is_refused_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, wrong: str
) -> None:
    path = tmp_path / "names.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadTable, match=r"names\.csv"):
        read_gazetteer(path)
    assert main(["gazetteer", str(path)]) == 2
    assert wrong in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_lists_come_in_the_encodings_of_spreadsheets(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "names.csv"
    path.write_text("名称,类别,别名\n锦都花园,小区,锦都|锦都苑\n\n", encoding=encoding)
    assert read_gazetteer(path).names == ("锦都花园", "锦都", "锦都苑")


@pytest.mark.parametrize(
    "said,written",
    [
        ("你好我想问一下怎么办", "你好，我想问一下怎么办？"),
        ("路灯坏了但是没有人来修", "路灯坏了，但是没有人来修。"),
        ("", ""),
        ("好", "好。"),
        ("好的，谢谢", "好的，谢谢"),
    ],
)
def test_set_words_ask_for_punctuation(said: str, written: str) -> None:
    assert punctuated(said) == written


def test_a_pause_is_a_comma_and_a_number_is_not_torn() -> None:
    times = [("在", 0.0, 0.2), ("三百一十一号", 0.8, 2.0), ("停水", 2.6, 3.0)]
    assert Writer().write("在三百一十一号停水", times).text == "在，311号，停水。"
    torn = [("三百", 0.0, 0.5), ("一十一号", 1.5, 2.0)]
    assert Writer().write("三百一十一号", torn).text == "311号。"


def test_all_forms_are_kept() -> None:
    written = Writer(CITY).write("我住在今度花园三幢四零一电话幺三九幺二三四五六七八")
    assert written.spoken.startswith("我住在今度花园")
    assert written.heard.startswith("我住在锦都花园三幢")
    assert written.text == "我住在锦都花园3幢401电话13912345678。"


@given(st.text(max_size=30))
def test_writing_never_fails_and_keeps_what_was_spoken(spoken: str) -> None:
    written = Writer(CITY).write(spoken, [(spoken, 0.0, 1.0)])
    assert written.spoken == spoken
    assert len(written.heard) == len(spoken)


@pytest.mark.parametrize(
    "spoken,heard",
    [
        ("我姓软", "我姓阮"),
        ("姓赔", "姓裴"),
        ("姓什", "姓什"),
        ("免贵姓珍珍女士", "免贵姓甄甄女士"),
        ("我姓荣", "我姓荣"),  # a family name itself
        ("我姓溪溪水的溪", "我姓溪溪水的溪"),  # he says which
        ("姓软的那个人", "姓软的那个人"),  # somebody else
        ("我姓什么不方便说", "我姓什么不方便说"),
    ],
)
def test_a_family_name_is_written_as_one(spoken: str, heard: str) -> None:
    assert Writer().write(spoken).heard == heard
