"""The slot filler over written dialogues, and the command line around it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tickets.__main__ import main
from tickets.cases import SCORED, is_right, read_cases, score
from tickets.fields import TYPES
from tickets.tree import SHIPPED

CASES = Path(__file__).with_name("cases.jsonl")
LEAST = {
    "name": 98.0,
    "title": 98.0,
    "phone": 100.0,
    "address": 97.0,
    "type": 96.0,
    "category": 96.0,
    "urgent": 98.0,
    "transfer": 95.0,
    "secret": 100.0,
    "repeat": 95.0,
    "party": 90.0,
}
"""Per cent of our own dialogues that must come out right."""
FRESH = Path(__file__).with_name("fresh_cases.jsonl")
"""Written before the rules were tuned to them; one half was looked at only at the end."""
HELD_OUT = Path(__file__).with_name("heldout_cases.jsonl")
"""Other cities' dialogues, looked at once. Don't tune rules to these."""
STREET = Path(__file__).with_name("street_cases.jsonl")
"""Written before the rules were tried on them, and never tuned to."""
TOWN = Path(__file__).with_name("town_cases.jsonl")
"""Four sets, each written before the rules were tried on it (docs/decisions.md has those figures);
what they showed was then mended where it was general."""
COUNTY = Path(__file__).with_name("county_cases.jsonl")
"""Four more sets; docs/decisions.md has the figures that each had at its first try."""
CITY = Path(__file__).with_name("city_cases.jsonl")
"""More sets in the manner of the development dialogues; docs/decisions.md has the first figures."""
WARD = Path(__file__).with_name("ward_cases.jsonl")
"""Four more; nothing was mended for the last (m…). 觅渡桥的栏杆 is missed, as 小木桥的 is to be."""
FRESH_LEAST = {"name": 95.0, "phone": 100.0, "address": 90.0, "type": 90.0, "category": 90.0}
FRESH_LEAST |= {"urgent": 95.0, "secret": 100.0, "transfer": 90.0}
HELD_OUT_LEAST = {"name": 95.0, "phone": 100.0, "address": 80.0, "type": 90.0, "category": 80.0}
HELD_OUT_LEAST |= {"urgent": 95.0, "secret": 100.0}
STREET_LEAST = {"name": 95.0, "address": 90.0, "type": 90.0, "category": 90.0, "urgent": 95.0}
STREET_LEAST |= {"secret": 100.0, "transfer": 90.0}
TOWN_LEAST = {"name": 98.0, "phone": 100.0, "address": 97.0, "type": 96.0, "category": 93.0}
COUNTY_LEAST = {"name": 98.0, "phone": 100.0, "address": 96.0, "type": 94.0, "category": 95.0}
# Three citizens call again to take back what they told before (刚才说的那个着火的…我看错了):
# that stays pressing on purpose, two of the 63 partners with it.
COUNTY_LEAST |= {"urgent": 98.0, "secret": 100.0, "transfer": 96.0}
CITY_LEAST = {"name": 99.0, "phone": 100.0, "address": 96.0, "type": 97.0, "category": 94.0}
CITY_LEAST |= {"urgent": 98.0, "secret": 100.0, "transfer": 98.0}
WARD_LEAST = {"name": 99.0, "phone": 100.0, "address": 93.0, "type": 95.0, "category": 95.0}
WARD_LEAST |= {"urgent": 98.0, "secret": 100.0, "transfer": 90.0}
TOWN_LEAST |= {"urgent": 98.0, "secret": 100.0, "transfer": 96.0}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "tickets", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )


def write(path: Path, *lines: object) -> str:
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
    return str(path)


def case(**changes: object) -> dict[str, object]:
    return {
        "id": "x",
        "caller_id": "13862311001",
        "turns": [{"speaker": "caller", "text": "我姓陆"}],
    } | changes


def test_the_dialogues_come_out_right() -> None:
    tally, misses = score(read_cases(CASES))
    for field, (right, total) in tally.items():
        assert 100 * right >= LEAST[field] * total, [m for m in misses if m.field == field]


@pytest.mark.parametrize(
    "path,least",
    [
        (FRESH, FRESH_LEAST),
        (HELD_OUT, HELD_OUT_LEAST),
        (STREET, STREET_LEAST),
        (TOWN, TOWN_LEAST),
        (COUNTY, COUNTY_LEAST),
        (CITY, CITY_LEAST),
        (WARD, WARD_LEAST),
    ],
)
def test_other_dialogues_come_out_right_too(path: Path, least: dict[str, float]) -> None:
    tally, misses = score(read_cases(path))
    for field, percent in least.items():
        right, total = tally[field]
        assert 100 * right >= percent * total, [m for m in misses if m.field == field]


def test_the_dialogues_cover_the_field() -> None:
    expected = [case.expect for case in read_cases(CASES)]
    assert len(expected) >= 60
    for field, choices in (("category", SHIPPED.names), ("type", TYPES)):
        assert {choice for e in expected for choice in e.get(field, "").split("|")} == set(choices)


@pytest.mark.parametrize(
    "field,expected,got,right",
    [
        ("name", "陆|卢", "卢", True),
        ("name", "陆", None, False),
        ("name", None, None, True),
        ("address", ["文昌路66号", "东方广场|东广场"], "文昌路66号东广场", True),
        ("address", ["文昌路66号"], None, False),
        ("address", [], "任何地方", True),
        ("urgent", False, False, True),
        ("transfer", None, "119", False),
        ("transfer", "119|110", "110", True),
    ],
)
def test_scoring(field: str, expected: object, got: object, right: bool) -> None:  # noqa: FBT001 -- pytest hands it over
    assert is_right(field, expected, got) is right


def test_fill_prints_one_object_a_line(tmp_path: Path) -> None:
    path = write(tmp_path / "cases.jsonl", case(id="1"), "", case(id="2", caller_id=None))
    done = run("fill", path, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = map(json.loads, done.stdout.splitlines())
    assert tuple(first) == ("id", *SCORED)
    assert (first["id"], first["name"], first["phone"], first["transfer"]) == (
        "1",
        "陆",
        "13862311001",
        None,
    )
    assert second["phone"] is None


def test_score_prints_a_table_and_the_misses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "cases.jsonl", case(expect={"name": "陆"}), case(expect={"name": "卢"}))
    assert main(["score", path, "-v"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["field", "right", "total", "percent"]
    assert lines[1].split() == ["name", "1", "2", "50.0"]
    assert lines[-1] == "x: name is '陆', expected '卢'"


@pytest.mark.parametrize(
    "line,wrong",
    [
        ("{", "Expecting property name"),
        ("[]", "not a JSON object"),
        (case(turns="hello"), "turns must be a list"),
        (
            case(turns=[{"speaker": "dog", "text": "wau"}]),
            "speaker must be caller or agent, not 'dog'",
        ),
        (case(turns=[{"speaker": "caller"}]), "a turn must be an object with speaker and text"),
        (case(caller_id=5), "caller_id must be text or null, not 5"),
        (case(expect={"colour": "red"}), "unknown fields: colour"),
        ({"turns": []}, "id is missing"),
    ],
)
def test_a_bad_line_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: object, wrong: str
) -> None:
    path = write(tmp_path / "cases.jsonl", case(), line)
    for command in ("fill", "score"):
        assert main([command, path]) == 2
        message = capsys.readouterr().err
        assert message.startswith(f"tickets: {path}:2: ")
        assert wrong in message


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl" in capsys.readouterr().err
