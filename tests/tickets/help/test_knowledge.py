import contextlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotline.background import EXAMPLES
from tickets.help.knowledge import (
    BadKnowledge,
    Expert,
    parse_duty,
    parse_entry,
    parse_experts,
    read_folder,
)
from tickets.working_days import CHINA

HEAD = "id: gjj\ntitle: 公积金提取\ncategory: 住房保障\nsource: 条例第二十四条\n"
ENTRY = f"---\n{HEAD}keywords: [公积金, 提取]\nexperts: [zx]\n---\n可以提取。\n"
EXPERT = '[[expert]]\nid="zx"\nname="专席"\nunit="中心"\nphone="12329"\nduty=["1-5 08:30-17:30"]\n'


def china(text: str) -> float:
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - CHINA).timestamp()


def test_the_examples_that_ship_are_whole() -> None:
    entries, experts = read_folder(EXAMPLES)
    assert len(entries) >= 8
    assert {name for entry in entries for name in entry.experts} <= {e.id for e in experts}


def test_an_entry_is_read() -> None:
    entry = parse_entry(ENTRY, name="gjj.md")
    assert (entry.id, entry.title, entry.body) == ("gjj", "公积金提取", "可以提取。")
    assert (entry.keywords, entry.experts, entry.valid_until) == (("公积金", "提取"), ("zx",), None)


@pytest.mark.parametrize(
    "text, fault",
    [
        ("可以提取。", "needs id"),
        (ENTRY.replace("title: 公积金提取\n", ""), "needs title"),
        (ENTRY.replace("id: gjj", "id: 公积金"), "公积金"),
        (ENTRY.replace("可以提取。", ""), "a text 1 to"),
        (ENTRY.replace("[公积金, 提取]", "公积金"), "keywords is a list"),
        (ENTRY.replace("experts:", "valid_until: soon\nexperts:"), "valid_until .*soon"),
        (ENTRY.replace("title: ", "title: : ["), "no YAML"),
    ],
)
def test_a_broken_entry_is_named(text: str, fault: str) -> None:
    with pytest.raises(BadKnowledge, match=rf"(?s)gjj\.md: .*{fault}"):
        parse_entry(text, name="gjj.md")


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    for whole in (text, f"---\n{text}\n---\nbody"):
        with contextlib.suppress(BadKnowledge):
            parse_entry(whole, name="x.md")


def test_who_is_on_duty() -> None:
    (expert,) = parse_experts(EXPERT, name="experts.toml")
    assert expert.on_duty(china("2026-11-20 08:30"))
    assert not expert.on_duty(china("2026-11-20 17:30"))
    assert not expert.on_duty(china("2026-11-21 10:00"))
    night = Expert("n", "夜班", "u", "1", ("6-7 20:00-24:00",))
    assert night.on_duty(china("2026-11-22 23:59"))


@pytest.mark.parametrize(
    "words", ["", "8:30-17:30", "1-5 17:30-08:30", "5-1 08:00-09:00", "1 08:00-25:00"]
)
def test_what_is_no_duty_is_named(words: str) -> None:
    with pytest.raises(BadKnowledge, match="duty"):
        parse_duty(words)
    with pytest.raises(BadKnowledge, match=r"experts\.toml: duty"):
        parse_experts(EXPERT.replace("1-5 08:30-17:30", words), name="experts.toml")


@pytest.mark.parametrize("text", ["[[expert", '[[expert]]\nid="x"\n', "expert = 3\n"])
def test_what_is_no_expert_is_named(text: str) -> None:
    with pytest.raises(BadKnowledge, match=r"experts\.toml"):
        parse_experts(text, name="experts.toml")


def test_a_folder_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "experts.toml").write_text(EXPERT, encoding="utf-8")
    (tmp_path / "a.md").write_text(ENTRY, encoding="utf-8")
    entries, experts = read_folder(tmp_path)
    assert (len(entries), len(experts)) == (1, 1)
    (tmp_path / "b.md").write_text(ENTRY, encoding="utf-8")
    with pytest.raises(BadKnowledge, match=r"b\.md: the id gjj is that of a\.md"):
        read_folder(tmp_path)
    (tmp_path / "b.md").write_text(ENTRY.replace("gjj", "b").replace("zx", "yy"), encoding="utf-8")
    with pytest.raises(BadKnowledge, match=r"b\.md: experts\.toml has no yy"):
        read_folder(tmp_path)
    (tmp_path / "b.md").write_bytes(b"\xff\xfe")
    with pytest.raises(BadKnowledge):
        read_folder(tmp_path)
