"""A city's own category tree, the model in its place, and the newer model in that one's."""

from pathlib import Path

import numpy as np
import pytest

from tickets.category import RuleClassifier
from tickets.draft import TicketDraft, Utterance
from tickets.fields import TicketError
from tickets.model import TEXT, BadModel, Model
from tickets.sorting import SortingSource
from tickets.terms import Block
from tickets.tree import SHIPPED, BadTree, read_tree

CSV = "一级分类,二级分类,三级分类\n城乡建设,市政,路灯\n城乡建设,市政,井盖\n民生,供水,停水\n"


def model(*labels: str, favourite: int) -> Model:
    """Return a model that always says the same."""
    leaning = np.zeros(len(labels))
    leaning[favourite] = 1.0
    terms: tuple[tuple[Block, str], ...] = (("characters", "水"),)
    return Model(labels, {}, terms, np.ones(1), np.zeros((len(labels), 1)), leaning, 1.0)


def test_the_shipped_tree_has_two_levels_and_a_place_for_the_rest() -> None:
    assert SHIPPED.names[-1] == "其他"
    assert len(SHIPPED.names) == 23
    listed = {entry["name"]: entry["topics"] for entry in SHIPPED.to_list()}
    assert "路灯" in listed["道路设施"]
    assert all(listed[name] for name in SHIPPED.names)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_tree_from_a_table_sorts_by_its_own_names(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "tree.csv"
    path.write_text(CSV, encoding=encoding)
    tree = read_tree(path)
    assert tree.names == ("城乡建设", "民生", "其他")
    best = RuleClassifier(tree)("我们村停水了")[0]
    assert (best.category, best.topic) == ("民生", "供水/停水")
    assert tree.to_list()[0] == {"name": "城乡建设", "topics": ["市政/路灯", "市政/井盖"]}
    assert RuleClassifier(tree)("市政的井盖坏了")[0].topic == "市政/井盖"
    assert RuleClassifier(tree)("供水的问题")[0].topic == "供水/停水"


def test_tables_below_tables_are_deeper_levels(tmp_path: Path) -> None:
    path = tmp_path / "tree.toml"
    path.write_text('["民生"."供水"]\n"停水"=["没水"]\n["民生"."供水"."水质"]\n"发黄"=["水黄"]\n')
    tree = read_tree(path)
    assert tree.topics["民生"] == {"供水/停水": ("没水",), "供水/水质/发黄": ("水黄",)}
    best = RuleClassifier(tree)("家里的水黄得很")[0]
    assert (best.category, tree.topic_of(best.topic)) == ("民生", "供水/水质/发黄")


def test_a_tree_with_rules_sorts_by_them(tmp_path: Path) -> None:
    path = tmp_path / "tree.toml"
    path.write_text('["民生"]\n"供水" = ["没&水=5"]\n', encoding="utf-8")
    draft = TicketDraft("t", None, classifier=RuleClassifier(read_tree(path)), tree=read_tree(path))
    draft.hear(Utterance("caller", "我家没有水"))
    values = draft.values()
    assert (values["category"], values["topic"]) == ("民生", "供水")
    draft.correct("category", "其他")
    assert draft.values()["topic"] is None
    with pytest.raises(TicketError, match="one of 民生, 其他"):
        draft.correct("category", "市容管理")


@pytest.mark.parametrize(
    "name,content,wrong",
    [
        ("t.csv", "", "holds no category"),
        ("t.csv", "一级\n,二级\n", ":2: the first level is empty"),
        ("t.csv", "一级\n" + "长" * 101, "1 to 100 characters"),
        ("t.csv", '"', "unexpected end of data"),
        ("t.toml", "x = 1", "x must be a table"),
        ("t.toml", "[x]\ny = 1", "x.y must be a list of words"),
        ("t.toml", '[x]\ny = ["a=b"]', "x.y must be a list of words"),
        ("t.toml", "[x", "Expected"),
    ],
)
def test_a_bad_tree_is_refused_with_its_place(
    tmp_path: Path, name: str, content: str, wrong: str
) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadTree, match=wrong) as error:
        read_tree(path)
    assert str(path) in str(error.value)


def test_a_tree_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tree.csv"
    path.write_bytes(b"\xff\xff\xff")
    with pytest.raises(BadTree, match="neither UTF-8 nor GBK"):
        read_tree(path)


def test_a_trained_model_brings_its_labels_and_is_replaced_while_in_use(tmp_path: Path) -> None:
    told: list[str] = []
    model("城乡建设", "民生", favourite=1).save(tmp_path)
    source = SortingSource(model=tmp_path, on_error=told.append)
    sorting = source.current()
    assert sorting.tree.names == ("城乡建设", "民生", "其他")
    best = sorting.classifier("随便什么")[0]
    assert best.category == "民生"
    assert best.confidence == pytest.approx(0.73)
    assert source.current() is sorting

    model("交通", "卫生", favourite=0).save(tmp_path)
    assert source.current().classifier("随便什么")[0].category == "交通"

    (tmp_path / TEXT).write_text("{}")
    kept = source.current()
    assert kept.classifier("随便什么")[0].category == "交通"
    assert "is not a category model" in told[0]
    (tmp_path / TEXT).unlink()
    assert source.current() is kept


def test_a_node_does_not_start_with_a_model_that_is_none(tmp_path: Path) -> None:
    (tmp_path / TEXT).write_text("{}")
    with pytest.raises(BadModel):
        SortingSource(model=tmp_path)
