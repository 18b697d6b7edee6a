"""Dialogues with known answers: read them, fill tickets from them, compare.

One JSON object a line: ``id``, ``caller_id``, ``turns`` (``speaker`` caller or agent, ``text``)
and, for scoring, ``expect`` by field name. In ``expect`` alternatives are separated by ``|``;
``address`` is a list of parts that must all be contained; a key that is absent is not scored.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tickets.draft import TicketDraft, Utterance

SCORED = (
    "name",
    "title",
    "phone",
    "address",
    "type",
    "category",
    "urgent",
    "transfer",
    "secret",
    "repeat",
    "party",
)


class BadCase(ValueError):
    """A line that is no dialogue; the message names the line and what is wrong."""


@dataclass(frozen=True, slots=True)
class Case:
    """One dialogue.

    Attributes:
        id: its name.
        caller_id: the number it came from, or None.
        turns: what was said, in order.
        expect: the right values of the fields that are scored.
    """

    id: str
    caller_id: str | None
    turns: tuple[Utterance, ...]
    expect: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Miss:
    """A field that came out wrong."""

    id: str
    field: str
    expected: Any
    got: Any


def read_cases(path: Path) -> Iterator[Case]:
    """Read a JSON Lines file; empty lines are skipped.

    Raises:
        BadCase: a line is no dialogue.
        OSError: the file cannot be read.
    """
    for number, raw in enumerate(path.read_bytes().splitlines(), start=1):
        if raw.strip():
            try:
                yield _case(json.loads(raw))
            except (ValueError, TypeError) as error:
                # UnicodeDecodeError and JSONDecodeError are ValueErrors.
                raise BadCase(f"{path}:{number}: {error}") from error


def fill(case: Case) -> dict[str, Any]:
    """Run the slot filler over a dialogue; return ``id`` and the scored fields."""
    draft = TicketDraft(case.id, case.caller_id)
    for turn in case.turns:
        draft.hear(turn)
    values = draft.values()
    return {"id": case.id, **{field: values[field] for field in SCORED}}


def is_right(field: str, expected: Any, got: Any) -> bool:
    """Tell whether a value is what was expected."""
    if field == "address":
        parts = [expected] if isinstance(expected, str) else expected or []
        return all(any(choice in (got or "") for choice in str(part).split("|")) for part in parts)
    if isinstance(expected, str):
        return (got or "") in expected.split("|")
    return bool(expected == got)


def score(cases: Iterable[Case]) -> tuple[dict[str, tuple[int, int]], list[Miss]]:
    """Fill every case; return ``{field: (right, total)}`` and what was wrong."""
    tally = dict.fromkeys(SCORED, (0, 0))
    misses: list[Miss] = []
    for case in cases:
        got = fill(case)
        for field in SCORED:
            if field not in case.expect:
                continue
            right, total = tally[field]
            if is_right(field, case.expect[field], got[field]):
                right += 1
            else:
                misses.append(Miss(case.id, field, case.expect[field], got[field]))
            tally[field] = (right, total + 1)
    return tally, misses


def _case(data: object) -> Case:
    if not isinstance(data, dict):
        raise BadCase("not a JSON object")
    caller_id = data.get("caller_id")
    if caller_id is not None and not isinstance(caller_id, str):
        raise BadCase(f"caller_id must be text or null, not {caller_id!r}")
    turns = data.get("turns")
    if not isinstance(turns, list):
        raise BadCase("turns must be a list")
    expect = data.get("expect", {})
    if not isinstance(expect, dict):
        raise BadCase("expect must be an object")
    unknown = set(expect) - set(SCORED)
    if unknown:
        raise BadCase(f"expect has unknown fields: {', '.join(sorted(unknown))}")
    if "id" not in data:
        raise BadCase("id is missing")
    return Case(str(data["id"]), caller_id, tuple(map(_turn, turns)), expect)


def _turn(data: object) -> Utterance:
    if not isinstance(data, dict) or not isinstance(data.get("text"), str):
        raise BadCase("a turn must be an object with speaker and text")
    match data.get("speaker"):
        case "caller" | "agent" as speaker:
            return Utterance(speaker, data["text"])
        case other:
            raise BadCase(f"speaker must be caller or agent, not {other!r}")
