"""Rows in a TOML text: what is not changed stays byte for byte, comments go with what they tell."""

import tomllib
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.toml_pieces import joined, keys, tables
from calls.toml_rows import with_keys, with_rows, with_tables

VALUES = (
    "any = ['着火(?!锅)']  # 火\n",
    'any = ["\\u706b",\n  # mine\n  "[[rule]]",\n]\n',
    "note = '''\n[[rule]]\n# no comment'''\n",
    'note = """\n# nor this\n\n[rule]\n# """\n',
    "[rule.more]\nx = 1\n# below\n",
    "[[rule.ask]]\nq = 1\n[[rule.ask]]\nq = 2\n",
)
BETWEEN = ("", "\n", "\n\n", "\n# of a section\n\n", "\n# guarded\n[guards]\npast = 'x'\n\n")


@dataclass
class Rule:
    written: str
    between: str


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    made = []
    for number in range(draw(st.integers(1, 5))):
        above = "".join(f"# {number}.{line}\n" for line in range(draw(st.integers(0, 2))))
        head = draw(st.sampled_from(["[[rule]]\n", "[[rule]]  # here\n", '[[ "rule" ]]\n']))
        value = draw(st.sampled_from(VALUES))
        between = draw(st.sampled_from(BETWEEN[value.endswith("# below\n") :]))
        made.append(Rule(f"{above}{head}id = {number}\n{value}", between))
    with_guards = [one for one in made if "[guards]" in one.between]
    for one in with_guards[1:]:
        one.between = "\n"
    return made


def text_of(listed: list[Rule]) -> str:
    return "# mine\n\nalike = 0.03\n\n" + "".join(one.written + one.between for one in listed)


def rows_of(text: str) -> list[dict[str, Any]]:
    return list(tomllib.loads(text).get("rule", ()))


def changed(text: str, rows: list[dict[str, Any]]) -> str:
    out = with_rows(text, "rule", rows, dict)
    found = tomllib.loads(out)
    assert found.pop("rule", []) == rows
    rest = tomllib.loads(text)
    rest.pop("rule")
    assert found == rest
    return out


@settings(max_examples=60, deadline=None)
@given(rules(), st.data())
def test_a_change_of_one_table_changes_no_other(listed: list[Rule], data: st.DataObject) -> None:
    text = text_of(listed)
    assert joined(tables(text)) == text
    rows = rows_of(text)
    assert changed(text, rows) == text
    at = data.draw(st.integers(0, len(rows) - 1))
    before, after = text_of(listed[:at]), text_of(listed[at + 1 :]).partition("0.03\n\n")[2]
    rows[at] = {**rows[at], "reason": "道路"}
    out = changed(text, rows)
    assert out.startswith(before)
    assert out.endswith(listed[at].between + after)
    own = out[len(before) : len(out) - len(listed[at].between + after)]
    assert '\nreason = "道路"' in own
    assert [line for line in listed[at].written.splitlines() if line not in own] == []


@settings(max_examples=60, deadline=None)
@given(rules(), st.data())
def test_a_table_goes_with_its_comments_alone(listed: list[Rule], data: st.DataObject) -> None:
    text = text_of(listed)
    rows = rows_of(text)
    at = data.draw(st.integers(0, len(rows) - 1))
    out = changed(text, rows[:at] + rows[at + 1 :])
    left = listed[at].between.lstrip("\n")
    rest = [Rule(one.written, one.between) for one in listed]
    rest[at] = Rule("", left)
    assert out.rstrip() == text_of(rest).rstrip()


@settings(max_examples=60, deadline=None)
@given(rules(), st.data())
def test_moved_tables_take_their_comments_along(listed: list[Rule], data: st.DataObject) -> None:
    text = text_of(listed)
    rows = rows_of(text)
    order = data.draw(st.permutations(range(len(rows))))
    out = changed(text, [rows[at] for at in order])
    there = [out.index(listed[at].written.rstrip()) for at in order]
    assert there == sorted(there)
    assert sorted(out.split()) == sorted(text.split())
    assert len(out) == len(text)
    for one in listed[:-1]:  # what stands between keeps its place
        assert one.between in out


def test_new_tables_are_set_apart_as_the_others_are() -> None:
    text = "[[rule]]\nid = 0\n\n# one\n[[rule]]\nid = 1\n"
    rows = rows_of(text)
    out = changed(text, [{"id": 8}, *rows, {"id": 9, "any": ["\\d"]}])
    assert out == (
        "[[rule]]\nid = 8\n\n[[rule]]\nid = 0\n\n# one\n[[rule]]\nid = 1\n\n"
        "[[rule]]\nid = 9\nany = ['\\d']\n"
    )
    assert changed(out, rows) == text


@pytest.mark.parametrize(
    "text",
    [
        "rule = [{id = 0}, {id = 1}]\nalike = 0.03\n",
        "[[rule]]\nid = 0\n[words]\nx = 'y'\n[[rule]]\nid = 1\n[words.more]\nz = 1\n",
        "[[rule]]\nid = 0\n[other]\n[[rule.ask]]\nq = 1\n",
        "[[rule]]\r\nid = 0\r\n\r\n# one\r\n[[rule]]\r\nid = 1",
    ],
)
def test_however_the_tables_are_written(text: str) -> None:
    rows = rows_of(text)
    changed(text, [*rows[::-1], {"id": 7, "ask": [{"q": 1}, {"q": 2, "signs": ["x"]}]}])
    changed(text, [{**rows[0], "id": 5}, *rows[1:]])


def test_tables_below_keep_their_comments_too() -> None:
    text = (
        "[[rule]]\nid = 0\n# first\n[[rule.ask]]\nid = 1  # one\n# second\n[[rule.ask]]\nid = 2\n"
        "\n[[rule]]\nid = 1\n"
    )
    rows = rows_of(text)
    rows[0]["ask"] = [{"id": 2}, {"id": 3}, {"id": 1, "field": "name"}]
    assert changed(text, rows) == (
        "[[rule]]\nid = 0\n# second\n[[rule.ask]]\nid = 2\n[[rule.ask]]\nid = 3\n# first\n"
        '[[rule.ask]]\nid = 1  # one\nfield = "name"\n\n[[rule]]\nid = 1\n'
    )


def test_keys_are_changed_where_they_stand() -> None:
    text = "# all\n[guards]\n# a\npast = 'x'  # old\n\n# b\nstill = 'y'\n\n[[rule]]\nid = 0\n"
    assert with_keys(text, "guards", {"still": "y", "past": "x"}) == text
    assert joined(keys("[guards]\n# a\npast = 'x'\n")) == "[guards]\n# a\npast = 'x'\n"
    out = with_keys(text, "guards", {"past": "z", "asked": "q", "still": "y"})
    assert out == text.replace("'x'", '"z"').replace("# b", 'asked = "q"\n\n# b')
    gone = with_keys(text, "guards", {"still": "y"})
    assert gone == "# all\n[guards]\n# b\nstill = 'y'\n\n[[rule]]\nid = 0\n"
    for other in ("alike = 1\n", "guards.past = 'x'\n[[rule]]\n", "guards = {past = 'x'}\n", ""):
        assert tomllib.loads(with_keys(other, "guards", {"past": "w"}))["guards"] == {"past": "w"}


TREE = """\
# Categories

# roads
["路"]  # all
# lamps
"灯" = ["路灯=6"]  # dark
"坑" = []

# ---- water ----

# pipes
["水"]
"停水" = [
  "没水",  # none
]
"""


def in_order(text: str) -> list[Any]:
    return [(name, [*topics.items()]) for name, topics in tomllib.loads(text).items()]


def test_categories_keep_their_comments_wherever_they_go() -> None:
    tree = tomllib.loads(TREE)
    assert with_tables(TREE, tree) == TREE
    out = with_tables(TREE, {"电": {"停电": ["没电"]}, "水": tree["水"], "路": tree["路"]})
    assert [*tomllib.loads(out)] == ["电", "水", "路"]
    assert out.startswith('# Categories\n\n["电"]\n"停电" = ["没电"]\n\n# pipes\n["水"]\n')
    assert '\n\n# ---- water ----\n\n# roads\n["路"]  # all\n# lamps\n"灯"' in out
    gone = with_tables(TREE, {"水": tree["水"]})
    assert gone == TREE.replace(TREE[TREE.index("# roads") : TREE.index("# ----")], "")
    other = with_tables(TREE, {"街": {"坑": [], "灯泡": ["灯"], "灯": ["路灯"]}, "水": tree["水"]})
    assert in_order(other)[0] == ("街", [("坑", []), ("灯泡", ["灯"]), ("灯", ["路灯"])])
    assert '# roads\n["街"]  # all\n' in other
    assert '# lamps\n"灯" = ["路灯"]  # dark\n' in other
    assert other[other.index("# ----") :] == TREE[TREE.index("# ----") :]


def test_deeper_tables_become_ways_where_something_below_is_changed() -> None:
    text = (
        '# pipes\n["水"."供水"]\n"停水" = ["没水"]\n["水"."排水"]\n"堵" = []\n\n["路"]\n"灯" = []\n'
    )
    flat = {"供水/停水": ["没水"], "排水/堵": []}
    assert with_tables(text, {"水": flat, "路": {"灯": []}}) == text
    out = with_tables(text, {"水": {**flat, "脏": ["黄"]}, "路": {"灯": []}})
    assert out.startswith("# pipes\n[")
    assert in_order(out) == [("水", [*flat.items(), ("脏", ["黄"])]), ("路", [("灯", [])])]


WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Z", "S")), max_size=4)
TOPICS = st.dictionaries(WORDS, st.lists(WORDS))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(WORDS, TOPICS, min_size=1), min_size=2, max_size=3))
def test_any_tables_can_follow_any(trees: list[dict[str, dict[str, list[str]]]]) -> None:
    text = "# head\n\n"
    for tree in trees:
        text = with_tables(text, tree)
        assert in_order(text) == [(name, [*topics.items()]) for name, topics in tree.items()]
        assert text.startswith("# head\n")
