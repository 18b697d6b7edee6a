"""Closed tickets and category trees as spreadsheets export them: CSV in UTF-8 or GB 18030 (GBK)."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tickets.terms import folded


class BadTable(ValueError):
    """A table that cannot be learnt from; the message names the file, line and column."""


@dataclass(frozen=True, slots=True)
class Example:
    """A ticket's texts (one a column) and the label it was given."""

    texts: tuple[str, ...]
    label: str


def read_tickets(
    path: Path, *, texts: Sequence[str], label: str, least: int, skip_rare: int = 0
) -> tuple[Example, ...]:
    """Read tickets with their labels; blank lines are skipped.

    Args:
        path: a CSV file whose first line names the columns.
        texts: the columns to learn from.
        label: the column of the right answers.
        least: how many different texts each label needs.
        skip_rare: leave out labels with fewer different texts than this.

    Raises:
        BadTable: the table cannot be learnt from.
        OSError: the file cannot be read.
    """
    rows = _rows(path)
    _, header = next(rows, (1, []))
    header = [name.strip() for name in header]
    for column in (*texts, label):
        if header.count(column) != 1:
            wrong = "no column" if column not in header else "more than one column"
            raise BadTable(f"{path}:1: {wrong} {column!r}; the columns are {', '.join(header)}")
    places = [header.index(column) for column in texts]
    examples: dict[int, Example] = {}
    for line, row in rows:
        if len(row) != len(header):
            raise BadTable(f"{path}:{line}: {len(row)} cells where line 1 has {len(header)}")
        answer = row[header.index(label)].strip()
        if not answer:
            raise BadTable(f"{path}:{line}: column {label!r} is empty")
        said = tuple(row[place].strip() for place in places)
        if not any(said):
            columns = " and ".join(map(repr, texts))
            raise BadTable(f"{path}:{line}: column {columns} is empty")
        examples[line] = Example(said, answer)
    examples = _without_rare(examples, skip_rare)
    if not examples:
        raise BadTable(f"{path}: holds no ticket to learn from")
    _check_labels(path, label, examples, least)
    return tuple(examples.values())


def read_names(path: Path, labels: Iterable[str]) -> tuple[Example, ...]:
    """Read a category tree, a row for each lowest category, its higher levels to its left.

    The labels may stand at any level: the column that holds most of them is taken, and the names
    to its right tell what belongs to a label.

    Raises:
        BadTable: no label is in the table, or it is no table.
        OSError: the file cannot be read.
    """
    rows = [row for _, row in _rows(path)]
    wanted = set(labels)
    width = max(map(len, rows), default=0)
    found = [
        wanted & {row[place].strip() for row in rows if place < len(row)} for place in range(width)
    ]
    place = max(range(width), key=lambda place: len(found[place]), default=0)
    if not width or not found[place]:
        raise BadTable(f"{path}: holds none of the labels {', '.join(sorted(wanted))}")
    names: dict[Example, None] = {}
    for row in rows:
        if place < len(row) and row[place].strip() in wanted:
            below = [cell.strip() for cell in row[place + 1 :] if cell.strip()]
            own = row[place].strip()
            names[Example((" ".join(below or [own]),), own)] = None
    return tuple(names)


def _different_texts(examples: dict[int, Example]) -> dict[str, set[str]]:
    different: dict[str, set[str]] = defaultdict(set)
    for example in examples.values():
        different[example.label].add(folded(" ".join(example.texts)))
    return different


def _without_rare(examples: dict[int, Example], least: int) -> dict[int, Example]:
    different = _different_texts(examples)
    return {n: e for n, e in examples.items() if len(different[e.label]) >= least}


def _check_labels(path: Path, label: str, examples: dict[int, Example], least: int) -> None:
    different = _different_texts(examples)
    first: dict[str, int] = {}
    for line, example in examples.items():
        first.setdefault(example.label, line)
    for name, seen in different.items():
        if len(seen) < least:
            raise BadTable(
                f"{path}:{first[name]}: label {name!r} of column {label!r} has {len(seen)} "
                f"different texts in the whole table; at least {least} are needed "
                f"(--skip-rare {least} leaves such labels out)"
            )
    if len(different) < 2:  # noqa: PLR2004 -- between one there is nothing to choose
        raise BadTable(f"{path}: column {label!r} needs at least two labels, has {len(different)}")


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield every row that is not blank with the number of its first line."""
    reader = csv.reader(io.StringIO(decoded(path), newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise BadTable(f"{path}:{line}: {error}") from error
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield line, row


def decoded(path: Path) -> str:
    """Return the text of a file in UTF-8 (with or without BOM) or GBK (GB 18030).

    Raises:
        BadTable: it is neither.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as unicode_error:
        try:
            return data.decode("gb18030")
        except UnicodeDecodeError as error:
            # The encoding that got further is the one that was meant.
            line = 1 + data[: max(error.start, unicode_error.start)].count(b"\n")
            raise BadTable(f"{path}:{line}: neither UTF-8 nor GBK (GB 18030) text") from error
