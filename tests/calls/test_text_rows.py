"""Texts changed row by row: what is not changed stays as it was written."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.document_forms import TextForm
from calls.document_rows import shown, written
from calls.document_terms import BadDocument
from calls.text_readers import CATEGORIES, GAZETTEER, TEMPLATES, URGENCY
from hotline.documents import SHIPPED

FORMS = {form.name: form for form in (URGENCY, TEMPLATES, CATEGORIES)}
FIRE = {"level": "特急", "kind": "突发", "reason": "火情", "transfer": "119", "any": ["着火(?!锅)"]}


def shipped(name: str) -> dict[str, Any]:
    return {"text": (SHIPPED / f"{name}.toml").read_text(encoding="utf-8"), "format": "toml"}


def changed(form: TextForm[Any], document: Any, section: str, rows: Any) -> dict[str, Any]:
    """Change the rows; what comes out can be read, and holds them."""
    out = dict(written(form.lists, document, section, rows))
    form.read(out)
    return out


@pytest.mark.parametrize(
    "name, section",
    [
        ("urgency", "rule"),
        ("urgency", "guards"),
        ("templates", "topic"),
        ("categories", "category"),
    ],
)
def test_rows_that_are_not_changed_leave_the_text_as_it_is(name: str, section: str) -> None:
    document = shipped(name)
    rows = shown(FORMS[name].lists, document)[section]
    out = changed(FORMS[name], document, section, rows)
    assert out["text"] == document["text"]


@settings(max_examples=6, deadline=None)
@given(st.permutations(range(6)), st.integers(0, 6))
def test_rows_in_another_order_are_these_rows(order: list[int], left: int) -> None:
    for name, section in (("urgency", "rule"), ("templates", "topic")):
        document = shipped(name)
        rows = shown(FORMS[name].lists, document)[section]
        wanted = [*(rows[at] for at in order[left:]), *rows[6:]]
        out = changed(FORMS[name], document, section, wanted)
        assert shown(FORMS[name].lists, out)[section] == wanted


def test_a_changed_rule_is_written_and_the_comments_stay() -> None:
    text = (
        '# mine\n[[rule]]  # the first\nlevel = "一般"\nkind = "重要"\nreason = "路"\n'
        "any = ['路\\d']\n"
    )
    document = {"text": text, "format": "toml"}
    (row,) = shown(URGENCY.lists, document)["rule"]
    out = changed(
        URGENCY, document, "rule", [{**row, "reason": "道路", "not": ["x\\d", "y'\\d"]}, FIRE]
    )
    assert out["text"].startswith('# mine\n[[rule]]  # the first\nlevel = "一般"')
    assert "any = ['路\\d']" in out["text"]
    first, second = tomllib.loads(out["text"])["rule"]
    assert (first["reason"], first["not"]) == ("道路", ["x\\d", "y'\\d"])
    assert second == FIRE
    assert URGENCY.read(out).says.judge("着火了").transfer == "119"
    assert shown(URGENCY.lists, changed(URGENCY, out, "rule", [second]))["rule"] == [FIRE]


def test_a_question_is_added_to_a_topic() -> None:
    document = shipped("templates")
    topics = shown(TEMPLATES.lists, document)["topic"]
    topics[1]["ask"].insert(0, {"question": "有照片吗？", "field": None, "signs": ["照片|拍了"]})
    out = changed(TEMPLATES, document, "topic", topics)
    asks = tomllib.loads(out["text"])["topic"][1]["ask"]
    assert asks[0] == {"question": "有照片吗？", "signs": ["照片|拍了"]}
    assert asks[1:] == tomllib.loads(document["text"])["topic"][1]["ask"]


def test_categories_of_a_csv_file_become_toml_when_they_get_words() -> None:
    document = {"text": "一级,二级,三级\n水,供水,停水\n电,,\n", "format": "csv"}
    rows = shown(CATEGORIES.lists, document)["category"]
    assert [(row["category"], row["topic"]) for row in rows] == [("水", "供水/停水"), ("电", "")]
    rows[0]["words"] = ["没水=6", "水&停"]
    out = changed(CATEGORIES, document, "category", [rows[1], rows[0]])
    assert out["format"] == "toml"
    assert list(tomllib.loads(out["text"]).items()) == [
        ("电", {}),
        ("水", {"供水/停水": ["没水=6", "水&停"]}),
    ]


def test_a_topic_comes_and_goes() -> None:
    document = shipped("categories")
    rows = shown(CATEGORIES.lists, document)["category"]
    added = {"category": rows[0]["category"], "topic": "新主题", "words": ["新词=4"]}
    more = changed(CATEGORIES, document, "category", [*rows, added])
    assert more["text"].startswith("# Categories of matters")
    assert CATEGORIES.read(more).says.topics[rows[0]["category"]]["新主题"] == ("新词=4",)
    less = changed(CATEGORIES, more, "category", rows)
    assert tomllib.loads(less["text"]) == tomllib.loads(document["text"])


def test_names_keep_the_columns_that_only_the_city_knows() -> None:
    document = {"text": "名称,街道号,类别\n锦都花园,7,小区\n临顿路,9,道路\n", "format": "csv"}
    rows = shown(GAZETTEER.lists, document)["names"]
    assert rows[0] == {"name": "锦都花园", "kind": "小区", "also": []}
    rows[1]["also"] = ["临顿大道"]
    out = changed(GAZETTEER, document, "names", [rows[1], rows[0], {"name": "观前街"}])
    assert out["text"] == (
        "名称,街道号,类别,also\n临顿路,9,道路,临顿大道\n锦都花园,7,小区,\n观前街,,,\n"
    )


def test_lines_of_one_name_keep_their_own_columns() -> None:
    lines = ["张家浜,河道,长江边", "张家浜,村,三组", "张家浜,村,四组", "观前街,道路,步行"]
    document = {"text": "\n".join(["名称,类别,备注", *lines, ""]), "format": "csv"}
    rows = shown(GAZETTEER.lists, document)["names"]
    assert changed(GAZETTEER, document, "names", rows)["text"] == document["text"]
    rows[0]["kind"] = "河"
    rows[3]["name"] = "观前步行街"
    out = changed(GAZETTEER, document, "names", [rows[2], rows[0], rows[3], rows[1]])
    assert out["text"].splitlines()[1:] == [
        "张家浜,村,三组",
        "张家浜,河,长江边",
        "观前步行街,道路,步行",
        "张家浜,村,四组",
    ]
    less = changed(GAZETTEER, document, "names", rows[1:3])
    assert less["text"].splitlines()[1:] == lines[1:3]


@pytest.mark.parametrize(
    "name, section, row, field",
    [
        ("urgency", "rule", {**FIRE, "any": ["(", "x"]}, "rule.0.any.0"),
        ("urgency", "rule", {**FIRE, "level": "急"}, "rule.0.level"),
        ("urgency", "rule", {**FIRE, "transfer": "112"}, "rule.0.transfer"),
        ("urgency", "rule", {**FIRE, "any": []}, "rule.0.any"),
        ("urgency", "rule", {**FIRE, "also": 1}, "rule.0.also"),
        ("urgency", "rule", 7, "rule.0"),
        ("urgency", "guards", {"name": "nothing", "pattern": ["x"]}, "guards.0.name"),
        (
            "templates",
            "topic",
            {"id": "x", "name": "n", "categories": [], "cues": [], "ask": [{}]},
            "topic.0.ask.0.question",
        ),
        (
            "categories",
            "category",
            {"category": "路", "topic": "灯", "words": ["&=x"]},
            "category.0.words.0",
        ),
        ("categories", "category", {"category": " "}, "category.0.category"),
        ("categories", "category", {"category": "路", "words": ["灯"]}, "category.0.topic"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(name: str, section: str, row: Any, field: str) -> None:
    with pytest.raises(BadDocument) as caught:
        written(FORMS[name].lists, shipped(name), section, [row])
    assert caught.value.field == field


def test_two_rows_of_one_name_are_one_too_many() -> None:
    document = shipped("templates")
    topics = shown(TEMPLATES.lists, document)["topic"]
    with pytest.raises(BadDocument) as caught:
        written(TEMPLATES.lists, document, "topic", [*topics, topics[0]])
    assert caught.value.field == f"topic.{len(topics)}.id"


def test_a_name_that_cannot_be_in_the_list_is_named() -> None:
    document = {"text": "name,kind,also\n", "format": "csv"}
    with pytest.raises(BadDocument) as caught:
        written(GAZETTEER.lists, document, "names", [{"name": "锦都花园", "also": ["A幢"]}])
    assert caught.value.field == "names.0.also.0"
