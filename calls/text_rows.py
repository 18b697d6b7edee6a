"""The rows of a text document: what its form shows, and how a changed row comes into the text.

A text stays as somebody wrote it, comments and all: only what a row says differently is written
anew (``calls/toml_rows.py``). What is wrong with a row is named by its place, such as
``rule.3.any.0``; what only the whole text can be asked is still its reader's matter
(``calls/text_readers.py``).
"""

import csv
import io
import re
import tomllib
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from calls.document_rows import BaseRow, Lists, Row, Rows, told_by
from calls.document_terms import Document
from calls.toml_rows import with_keys, with_rows, with_tables
from tickets import rules
from tickets.fields import FIELDS, PARTNERS, URGENCIES
from tickets.gazetteer import column_of, fault_of
from tickets.tree import LONGEST_NAME, is_entry, tree_of
from tickets.urgency import KINDS

_APART: Final = "|"
_NO_TABLE: Final[Mapping[str, Any]] = {}


def _one_of(*names: str) -> AfterValidator:
    def check(value: str | None) -> str | None:
        if value is not None and value not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return value

    return AfterValidator(check)


def _word(value: str) -> str:
    if not is_entry(value):
        raise ValueError('a word such as "路灯=6" or "修&路=3"')
    return value


def _expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"a regular expression ({error})") from error
    return value


def _guard(value: str) -> str:
    if value not in (names := rules.load("urgency")["guards"]):
        raise ValueError(f"one of {', '.join(names)}")
    return value


def _name(value: str) -> str:
    if fault := fault_of(value):
        raise ValueError(fault)
    return value


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Patterns = tuple[Annotated[str, AfterValidator(_expression)], ...]


class UrgencyRow(BaseRow):
    """A rule of what cannot wait."""

    level: Annotated[str, _one_of(*URGENCIES[1:])]
    kind: Annotated[str, _one_of(*KINDS)]
    reason: Text
    transfer: Annotated[str | None, _one_of(*PARTNERS)] = None
    category: Text | None = None
    any_: Annotated[Patterns, Field(min_length=1, alias="any")]
    all_: Annotated[Patterns, Field(alias="all")] = ()
    not_: Annotated[Patterns, Field(alias="not")] = ()
    lifted: Patterns = ()


class GuardRow(BaseRow):
    """An expression that takes a dangerous word back."""

    once: ClassVar = ("name",)

    name: Annotated[str, AfterValidator(_guard)]
    pattern: Annotated[Patterns, Field(min_length=1, max_length=1)]


class AskRow(BaseRow):
    """A question of a prepared topic."""

    question: Text
    field: Annotated[str | None, _one_of(*FIELDS)] = None
    signs: Patterns = ()

    @model_validator(mode="after")
    def _is_answered_by_something(self) -> Self:
        if self.field is None and not self.signs:
            raise ValueError("signs: some, or a field that answers the question")
        return self


class TopicRow(BaseRow):
    """A prepared topic."""

    once: ClassVar = ("id",)

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    name: Text
    categories: tuple[Text, ...]
    cues: tuple[Text, ...]
    ask: Annotated[tuple[AskRow, ...], Field(min_length=1)]


Level = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_NAME)]


class CategoryRow(BaseRow):
    """A topic of a category with the words that tell of it; no topic: the category alone."""

    once: ClassVar = ("category", "topic")

    category: Annotated[Level, Field(min_length=1)]
    topic: Level = ""
    words: tuple[Annotated[str, AfterValidator(_word)], ...] = ()

    @model_validator(mode="after")
    def _has_room_for_its_words(self) -> Self:
        if self.words and not self.topic:
            raise ValueError("topic: wanted, where there are words")
        return self


class NameRow(BaseRow):
    """A name of the city's."""

    name: Annotated[Text, AfterValidator(_name)]
    kind: Annotated[str, StringConstraints(strip_whitespace=True)] = ""
    also: tuple[Annotated[Text, AfterValidator(_name)], ...] = ()


# -- lists of tables: [[rule]], [[topic]] ---------------------------------------------------------


def _tables(name: str) -> Rows:
    def read(text: str, _format: str) -> list[Row]:
        return list(tomllib.loads(text).get(name, ()))

    def as_row(table: Row) -> Row:
        try:
            return told_by(model.model_validate(table))
        except ValidationError:  # older than what rows must be
            return table

    def write(text: str, _format: str, rows: list[Row]) -> Document:
        return {"text": with_rows(text, name, rows, as_row), "format": "toml"}

    model = _MODELS[name]
    return Rows(model, read, write)


_MODELS: Final[Mapping[str, type[BaseRow]]] = {"rule": UrgencyRow, "topic": TopicRow}


# -- the guards of urgency ------------------------------------------------------------------------


def _read_guards(text: str, _format: str) -> list[Row]:
    guards = tomllib.loads(text).get("guards", _NO_TABLE)
    return [{"name": name, "pattern": [pattern]} for name, pattern in guards.items()]


def _write_guards(text: str, _format: str, rows: list[Row]) -> Document:
    told = {row["name"]: row["pattern"][0] for row in rows}
    return {"text": with_keys(text, "guards", told), "format": "toml"}


# -- categories -----------------------------------------------------------------------------------


def _read_categories(text: str, format_: str) -> list[Row]:
    tree = tree_of(text, "text", toml=format_ == "toml")
    return [
        {"category": name, "topic": topic, "words": list(words)}
        for name, topics in tree.topics.items()
        for topic, words in (topics or {"": ()}).items()
    ]


def _write_categories(text: str, format_: str, rows: list[Row]) -> Document:
    """Write them as TOML, also those of a CSV file: that has no room for words."""
    wanted: dict[str, Row] = {}
    for row in rows:
        topics = wanted.setdefault(row["category"], {})
        if row.get("topic"):
            topics[row["topic"]] = row.get("words", [])
    return {"text": with_tables(text if format_ == "toml" else "", wanted), "format": "toml"}


# -- names ----------------------------------------------------------------------------------------


def _read_names(text: str, _format: str) -> list[Row]:
    return [
        {
            "name": cells.get("name", ""),
            "kind": cells.get("kind", ""),
            "also": [part.strip() for part in cells.get("also", "").split(_APART) if part.strip()],
        }
        for cells in _lines(text)[1]
        if any(cells.values())
    ]


def _named(row: Row) -> tuple[str, ...]:
    return (row.get("name", ""), row.get("kind", ""), _APART.join(row.get("also", ())))


def _lines(text: str) -> tuple[list[str], list[dict[str, str]]]:
    """Return the heads as written, and what stands in the columns that mean something."""
    heads, *lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns = [column_of(head) or head for head in heads]
    return heads, [dict(zip(columns, map(str.strip, line), strict=False)) for line in lines]


def _write_names(text: str, _format: str, rows: list[Row]) -> Document:
    heads, _ = _lines(text)
    for name in ("kind", "also"):
        if name not in map(column_of, heads) and any(row.get(name) for row in rows):
            heads.append(name)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    for row, before in zip(rows, _before(text, rows), strict=True):
        known = {**before, **dict(zip(("name", "kind", "also"), _named(row), strict=True))}
        writer.writerow([known.get(column_of(head) or head, "") for head in heads])
    return {"text": out.getvalue(), "format": "csv"}


def _before(text: str, rows: list[Row]) -> list[Mapping[str, str]]:
    """Return the line that each row was, for its other columns; each line is one row's at most.

    Lines of one name are told apart by their kind, then by their order. A row without a line of its
    name is a line whose name was put right, where there are as many left of both.
    """
    left = [cells for cells in _lines(text)[1] if any(cells.values())]
    named = dict(enumerate(map(_named, _read_names(text, "csv"))))
    found: dict[int, Mapping[str, str]] = {}
    for alike in (3, 2, 1):
        waiting: defaultdict[tuple[str, ...], deque[int]] = defaultdict(deque)
        for at, name in named.items():
            waiting[name[:alike]].append(at)
        for number, row in enumerate(rows):
            if number not in found and (same := waiting[_named(row)[:alike]]):
                at = same.popleft()
                found[number] = left[at]
                del named[at]
    new = [number for number in range(len(rows)) if number not in found]
    if len(new) == len(named):
        found |= {number: left[at] for number, at in zip(new, named, strict=True)}
    return [found.get(number, {}) for number in range(len(rows))]


URGENCY_ROWS: Final[Lists] = {
    "rule": _tables("rule"),
    "guards": Rows(GuardRow, _read_guards, _write_guards),
}
TEMPLATE_ROWS: Final[Lists] = {"topic": _tables("topic")}
CATEGORY_ROWS: Final[Lists] = {"category": Rows(CategoryRow, _read_categories, _write_categories)}
NAME_ROWS: Final[Lists] = {"names": Rows(NameRow, _read_names, _write_names)}
