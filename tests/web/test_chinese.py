"""What administrators are refused is said in Chinese as well."""

import ast
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import web.errors
from calls.document_forms import ModelForm
from calls.document_rows import written
from calls.document_terms import BadDocument
from calls.prompt_shelf import MOST_OCTETS, MOST_SECONDS, BadRecording, seconds_of
from calls.reporting.period import Period, PeriodError
from calls.text_readers import CATEGORIES, GAZETTEER, TEMPLATES, URGENCY
from config.routing import RoutingSettings
from config.settings import load
from hotline.documents import EMPTY_GAZETTEER, HANDLING, SHIPPED, partners_form
from tests.support.waves import mono_wav
from tests.web.house import House
from web.chinese import in_chinese

ROOT = Path(__file__).parents[2]
ROUTING = load(None, {}).routing.model_dump(mode="json")
DEADLINES = {
    "working_days": 5,
    "working_days_by_type": {},
    "working_days_by_urgency": {},
    "holidays": [],
    "workdays": [],
}
POLICE = {"name": "公安", "numbers": ["110"]}
EXPERT = {"name": "老王", "numbers": ["119"]}
RULE = {"level": "特急", "kind": "突发", "reason": "火情", "any": ["着火"]}
TOPIC_TOML = "[[topic]]\nid = 'a'\nname = 'n'\ncategories = []\ncues = []\n"
TOPIC = {"id": "x", "name": "n", "categories": [], "cues": [], "ask": [{"question": "?"}]}


def refusal_of(form: Any, document: Any) -> str:
    with pytest.raises(BadDocument) as caught:
        form.read(document)
    return str(caught.value)


def partner(**changes: Any) -> dict[str, Any]:
    return {"partners": {"110": {**POLICE, **changes}}, "experts": {}}


def expert(**changes: Any) -> dict[str, Any]:
    return {"partners": {}, "experts": {"w": {**EXPERT, **changes}}}


def line(**changes: Any) -> dict[str, Any]:
    return {**ROUTING, "lines": {"12345": changes}}


def rule(*steps: Any) -> dict[str, Any]:
    return {**ROUTING, "rules": {**ROUTING["rules"], "x": {"steps": list(steps)}}}


def each(form: Any, made: Callable[..., Any], *changes: dict[str, Any]) -> Iterator[Any]:
    return ((form, made(**one)) for one in changes)


def toml(text: str) -> dict[str, Any]:
    return {"text": text, "format": "toml"}


def csv(text: str) -> dict[str, Any]:
    return {"text": text, "format": "csv"}


PARTNERS = partners_form({"sbc": None})
LINES = ModelForm("routing", RoutingSettings, ("lines",))
DOCUMENTS: list[tuple[Any, Any]] = [
    *each(PARTNERS, partner,
        {"name": ""}, {"name": 7}, {"numbers": []}, {"numbers": ["x"]}, {"hours": "8-17"},
        {"one_key": "ask"}, {"trunks": ["nobody"]}, {"tell_withheld": "perhaps"}, {"other": 1},
        {"shares": ["all"]},
    ),
    (PARTNERS, {"partners": {"110": POLICE, "112": POLICE}, "experts": {}}),
    (PARTNERS, {"partners": {"110": {}}, "experts": {}}),
    *each(PARTNERS, expert, {"agent": "1001"}, {"duty": ["8-17"]}, {"numbers": []}),
    *each(LINES, line,
        {"rule": "nothing"}, {"priority": "x"}, {"priority": 10**9}, {"hours": ["25:00-26:00"]},
        {"closed": "x"}, {"language": ""},
    ),
    *((LINES, rule(*steps)) for steps in (
        (), ({"after": -1},), ({"groups": ["nobody"]},), ({"to": "partner:x", "level": 3},),
        ({"to": "partner:x"},), ({"after": "soon"},),
    )),
    (LINES, {**ROUTING, "callers": {"x": {"number": "("}}}),
    (LINES, {**ROUTING, "default_group": "nobody"}),
    (LINES, {**ROUTING, "holidays": ["2027-13-01"]}),
    (LINES, {**ROUTING, "reasons": {"meal": {"name": "用餐", "minutes": 2000}}}),
    *each(HANDLING, partial(dict, DEADLINES),
        {"holidays": ["tomorrow"]}, {"holidays": ["2027-02-11"], "workdays": ["2027-02-11"]},
        {"working_days": -1}, {"working_days": 400}, {"working_days": 1.5},
        {"working_days_by_type": {"咨询": "x"}},
    ),
    *((URGENCY, toml(text)) for text in (
        "[[rule]]\nlevel = ", "", "[guards]\nx = '1'\n[[rule]]\n",
        "[guards]\npast = '('\n[[rule]]\n",
        "alike = 'x'\n[[rule]]\nlevel = '特急'\n", "alike = 2.5\n[guards]\n[[rule]]\n",
        "words = 7\n[guards]\n[[rule]]\n",
        "[called]\n114 = 'x'\n[[rule]]\n", "[called]\n110 = '('\n[[rule]]\n",
        "[[rule]]\nlevel = '急'\n", "[[rule]]\nlevel = '特急'\nkind = '突发'\n",
        "[[rule]]\nlevel = '特急'\nkind = '突发'\nreason = 'x'\n",
        "[[rule]]\nlevel = '特急'\nkind = '突发'\nreason = 'x'\nany = ['(']\n",
        "[[rule]]\nlevel = '特急'\nkind = '突发'\nreason = 'x'\nany = 'x'\n",
        "[[rule]]\nlevel = '特急'\nkind = '突发'\nreason = 'x'\nany = ['x']\nnone = 1\n",
    )),
    *((TEMPLATES, toml(text)) for text in (
        "x = 1", "[[topic]]\nname = 'n'", "[[topic]]\nid = 'a'",
        TOPIC_TOML + "ask = [{question = '?'}]",
        TOPIC_TOML + "ask = [{question = '?', field = 'x'}]",
        (TOPIC_TOML + "ask = []\n") * 2,
    )),
    *((CATEGORIES, toml(text)) for text in ("", "x = 1", "[x]\ny = ['&']", "['']\ny = ['a']")),
    *((CATEGORIES, csv(text)) for text in (",灯\n", f"{'长' * 101}\n")),
    *((GAZETTEER, csv(text)) for text in ("x\n", "name\nA幢\n")),
    (GAZETTEER, {"text": 7}), (GAZETTEER, {"text": "", "format": "xml"}),
]  # fmt: skip
ROWS: list[tuple[Any, str, Any]] = [
    *((URGENCY, "rule", row) for _, row in each(URGENCY, partial(dict, RULE),
        {"level": "急"}, {"kind": "x"}, {"transfer": "1"}, {"any": []}, {"any": ["("]},
        {"reason": ""},
    )),
    (URGENCY, "guards", {"name": "x", "pattern": ["x"]}),
    (TEMPLATES, "topic", TOPIC),
    (TEMPLATES, "topic", {**TOPIC, "id": "噪音"}),
    (TEMPLATES, "topic", {**TOPIC, "ask": []}),
    (CATEGORIES, "category", {"category": "路", "words": ["&"]}),
    (CATEGORIES, "category", {"category": "路", "words": ["路灯"]}),
    (GAZETTEER, "names", {"name": "A幢"}),
]  # fmt: skip


def test_what_stands_before_a_sentence_is_taken_away_within_reason() -> None:
    assert in_chinese("partners.110: name: Field required") == "必须填写"
    assert in_chinese("a: " * 2000 + "Field required") is None


def is_chinese(message: str) -> bool:
    said = in_chinese(message)
    # Quotations apart: names of options, patterns, what a parser says.
    return said is not None and re.search("[\u4e00-\u9fff]", said) is not None


@pytest.mark.parametrize("form, document", DOCUMENTS)
def test_a_document_is_refused_in_chinese(form: Any, document: Any) -> None:
    message = refusal_of(form, document)
    assert is_chinese(message), message


@pytest.mark.parametrize("form, section, row", ROWS)
def test_a_row_is_refused_in_chinese(form: Any, section: str, row: Any) -> None:
    empty = csv(EMPTY_GAZETTEER)
    shipped = SHIPPED / f"{form.name}.toml"
    document = empty if form is GAZETTEER else toml(shipped.read_text(encoding="utf-8"))
    with pytest.raises(BadDocument) as caught:
        written(form.lists, document, section, [row])
    assert is_chinese(str(caught.value)), str(caught.value)


@pytest.mark.parametrize(
    "octets",
    [
        b"ID3 a song",
        mono_wav(1, channels=2),
        mono_wav(1, width=1),
        mono_wav(1, rate=44100),
        mono_wav(1)[:-4],
        mono_wav(MOST_SECONDS + 1),
        bytes(MOST_OCTETS + 1),
    ],
)
def test_a_recording_is_refused_in_chinese(octets: bytes) -> None:
    with pytest.raises(BadRecording) as caught:
        seconds_of(octets)
    assert is_chinese(str(caught.value)), str(caught.value)


def told(node: ast.expr) -> list[str]:
    """What a message in the source may come to: its values are numbers, or words.

    What has no words of its own, and only passes others' on, comes to nothing.
    """
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    own = [part.value if isinstance(part, ast.Constant) else None for part in parts]
    if not any(isinstance(part, str) and re.search("[a-z]", part) for part in own):
        return []
    return ["".join(value if part is None else str(part) for part in own) for value in "7x"]


def refusals() -> Iterator[tuple[str, list[str]]]:
    """Each sentence with which our own code refuses a request, and where it stands."""
    kinds = {kind.__name__ for kind in web.errors._TRANSLATIONS}
    makers = kinds | {"conflict", "_unprocessable", "_bad", "BadAssessment"}
    for package in ("web", "calls", "tickets", "agents"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", None) in makers:
                    for argument in node.args:
                        sentences = told(argument)
                        if any(" " in text for text in sentences):
                            yield f"{path.relative_to(ROOT)}:{node.lineno}", sentences
                elif isinstance(node, ast.Call) and getattr(node.func, "id", None) == "not_found":
                    words = told(node.args[0]) if node.args else []
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", [f"no such {w}" for w in words]


def test_every_refusal_in_the_source_has_its_chinese() -> None:
    found = list(refusals())
    assert len(found) > 60, "the walk no longer finds them"
    english = {
        where: sentences
        for where, sentences in found
        if sentences and not any(is_chinese(sentence) for sentence in sentences)
    }
    assert english == {}


@pytest.mark.parametrize("name", ["2026-13", "2026-02-30", "2026-W54", "0000-01", "x"])
def test_a_report_of_no_day_is_refused_in_chinese(name: str) -> None:
    with pytest.raises(PeriodError) as caught:
        Period.parse(name)
    assert is_chinese(str(caught.value)), str(caught.value)


def test_a_topic_that_is_there_twice_is_named() -> None:
    document = toml((TOPIC_TOML + "ask = []\n") * 2)
    assert in_chinese(refusal_of(TEMPLATES, document)) == "主题 a 重复了"


async def test_the_pages_are_told_both(house: House) -> None:
    async with await house.signed_in("9001") as client:
        answer = await client.put("/api/v1/documents/handling/entries/x/y", json={"entry": {}})
        assert answer.json()["error"]["chinese"] == "没有这一项，可能已被删除"
        answer = await client.post("/api/v1/accounts", json={"id": "1003"})
        error = answer.json()["error"]
        assert (error["field"], error["chinese"]) == ("name", "必须填写")
        assert "Field required" in error["message"]
