"""The category tree: what matters are sorted into; a category, and below it topics of any depth.

A topic below a topic is written as its way there: 供水/停水 below 公用事业. The tree that ships,
two levels, is the one of ``tickets/data/categories.toml``, rules included. A city loads its
own: a TOML file of that form (with rules), or a CSV file with a row for each lowest category and
its higher levels to the left, as ``python -m tickets train --taxonomy`` takes it.
"""

import csv
import io
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tickets import rules
from tickets.table import BadTable, decoded

LONGEST_NAME = 100
"""Characters that the database holds of a category."""
_BELOW = "/"
_OF_PARENT = 2
"""What the name of a level above says of a topic; its own says more (``tickets.category``)."""
OTHER = "其他"
"""Where a matter goes that fits nowhere; every tree has it."""

Topics = Mapping[str, Mapping[str, tuple[str, ...]]]
"""category → topic → words that tell of it (``tickets.category`` explains their form)."""


class BadTree(ValueError):
    """A file that holds no category tree; the message names the file, the place and the fault."""


@dataclass(frozen=True, eq=False)
class CategoryTree:
    """Categories, the topics below each, and the words that tell of them."""

    topics: Topics

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The categories, in the file's order, 其他 last."""
        return (*(name for name in self.topics if name != OTHER), OTHER)

    def topic_of(self, topic: str) -> str | None:
        """Return a topic's name as people should see it."""
        return (OTHER if topic.startswith(OTHER) else topic) or None

    def to_list(self) -> list[dict[str, Any]]:
        """Return the tree for a list on a screen: ``[{"name", "topics"}]``."""
        return [
            {"name": name, "topics": [*filter(None, map(self.topic_of, self.topics.get(name, ())))]}
            for name in self.names
        ]

    def with_labels(self, labels: tuple[str, ...]) -> "CategoryTree":
        """Return the tree with a trained model's labels as its categories.

        Topics of a category that the model kept stay.

        Raises:
            BadTree: a label is too long for the database.
        """
        for label in labels:
            _check_name("the trained model", label)
        return CategoryTree({label: self.topics.get(label, {}) for label in labels})


def read_tree(path: Path) -> CategoryTree:
    """Read a city's own tree.

    Raises:
        BadTree: the file holds none.
        OSError: it cannot be read.
    """
    try:
        text = decoded(path)
    except BadTable as error:
        raise BadTree(str(error)) from error
    return tree_of(text, str(path), toml=path.suffix == ".toml")


def tree_of(text: str, where: str, *, toml: bool) -> CategoryTree:
    """Read a tree from a text, TOML or CSV; ``where`` stands first in messages.

    Raises:
        BadTree: the text holds none.
    """
    topics = _from_toml(where, text) if toml else _from_csv(where, text)
    if not topics:
        raise BadTree(f"{where}: holds no category")
    return CategoryTree(topics)


def _from_toml(path: str, text: str) -> Topics:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadTree(f"{path}: {error}") from error
    tree: dict[str, dict[str, tuple[str, ...]]] = {}
    for name, topics in data.items():
        _check_name(path, name)
        if not isinstance(topics, dict):
            raise BadTree(f"{path}: {name} must be a table of topics, as [{name}]")
        tree[name] = dict(_topics(path, name, topics, ()))
    return tree


def _topics(
    path: str, name: str, topics: Mapping[str, Any], above: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each topic with its words, those of deeper tables too."""
    for topic, words in topics.items():
        way = (*above, topic)
        _check_name(path, _BELOW.join(way))
        if isinstance(words, dict):
            yield from _topics(path, name, words, way)
        elif isinstance(words, list) and all(map(is_entry, words)):
            yield _BELOW.join(way), tuple(words)
        else:
            where = ".".join((name, *way))
            raise BadTree(f'{path}: {where} must be a list of words such as "路灯=6", "修&路=3"')


def is_entry(word: object) -> bool:
    """Tell whether something is a word with its weight, such as ``路灯=6`` or ``修&路``."""
    if not isinstance(word, str):
        return False
    words, equals, weight = word.partition("=")
    return all(words.split("&")) and (not equals or weight.replace(".", "", 1).isdecimal())


def _from_csv(path: str, text: str) -> Topics:
    """Read levels from left to right; the names themselves are the words that tell of them."""
    tree: dict[str, dict[str, tuple[str, ...]]] = {}
    shipped = SHIPPED.topics
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise BadTree(f"{path}: {error}") from error
    for number, row in enumerate(rows, start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and _is_header(cells)):
            continue
        if not cells[0]:
            raise BadTree(f"{path}:{number}: the first level is empty")
        for cell in cells:
            _check_name(f"{path}:{number}", cell or cells[0])
        topics = tree.setdefault(cells[0], dict(shipped.get(cells[0], {})))
        below = [*filter(None, cells[1:])]
        if below:
            way = _BELOW.join(below)
            _check_name(f"{path}:{number}", way)
            words = [*topics.get(way, ()), *_own_words(below)]
            topics[way] = tuple(dict.fromkeys(words))
    return tree


def _own_words(below: list[str]) -> Iterator[str]:
    """Yield the words that the names of a topic and of the levels above it are."""
    for name in below:
        if len(name) > 1 and not {"=", "&"} & set(name):
            yield name if name == below[-1] else f"{name}={_OF_PARENT}"


def _is_header(cells: list[str]) -> bool:
    return any("级" in cell or "分类" in cell or cell.lower() == "category" for cell in cells)


def _check_name(where: object, name: str) -> None:
    if not name.strip() or len(name) > LONGEST_NAME:
        raise BadTree(f"{where}: a category has 1 to {LONGEST_NAME} characters, not {name!r}")


SHIPPED = CategoryTree(
    {
        category: {topic: tuple(words) for topic, words in topics.items()}
        for category, topics in rules.load("categories").items()
    }
)
"""The tree and rules that ship with the product."""
