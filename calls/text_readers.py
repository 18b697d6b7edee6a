"""The texts that administrators change while calls go on, each with how it is read.

What is wrong is named with its line (``text:7``), as far as the reader knows it.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from calls.document_forms import TextForm
from calls.document_terms import BadDocument
from calls.place_search import PlaceNames
from calls.text_rows import CATEGORY_ROWS, NAME_ROWS, TEMPLATE_ROWS, URGENCY_ROWS
from tickets.gazetteer import Gazetteer, entries_of
from tickets.help.templates import BadTemplates, Topic, parse
from tickets.table import BadTable
from tickets.tree import BadTree, CategoryTree, tree_of
from tickets.urgency import BadRules, UrgencyRules

_TOML_LINE = re.compile(r"\(at line (\d+), column")
_PLACED = re.compile(r"^text:(\d+): ")
_RULE = re.compile(r"^text: rule (\d+)\b")
_TOPIC = re.compile(r"^topic ([^:]+):")


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        raise BadDocument(f"text:{found[1]}" if found else "text", str(error)) from error


def _nth(text: str, pattern: str, number: int) -> str:
    """Return where the text's nth line like this is, as a field."""
    lines = [at for at, line in enumerate(text.splitlines(), 1) if re.match(pattern, line.strip())]
    return f"text:{lines[number - 1]}" if 0 < number <= len(lines) else "text"


def _placed(error: Exception) -> BadDocument:
    """Return an error whose message begins with the line as one with a field."""
    found = _PLACED.match(str(error))
    return BadDocument(f"text:{found[1]}" if found else "text", str(error))


def read_urgency(text: str, _format: str) -> UrgencyRules:
    """Read rules of what cannot wait."""
    try:
        return UrgencyRules(_toml(text), "text")
    except BadRules as error:
        found = _RULE.match(str(error))
        field = _nth(text, r"\[\[\s*rule\s*\]\]", int(found[1])) if found else "text"
        raise BadDocument(field, str(error)) from error


def read_templates(text: str, _format: str) -> tuple[Topic, ...]:
    """Read prepared topics."""
    data = _toml(text)
    listed = data.get("topic")
    if set(data) != {"topic"} or not isinstance(listed, list):
        raise BadDocument("text", "nothing but tables [[topic]]")
    if not all(isinstance(one, Mapping) and isinstance(one.get("id"), str) for one in listed):
        raise BadDocument("text", "each [[topic]] has an id")
    try:
        topics = parse(data)
    except BadTemplates as error:
        found = _TOPIC.match(str(error))
        name = re.escape(found[1]) if found else ""
        raise BadDocument(_nth(text, rf"id\s*=\s*[\"']{name}[\"']", 1), str(error)) from error
    ids = [topic.id for topic in topics]
    for name in ids:
        if ids.count(name) > 1:
            field = _nth(text, rf"id\s*=\s*[\"']{re.escape(name)}[\"']", 2)
            raise BadDocument(field, f"topic {name} is there twice")
    return topics


def read_categories(text: str, format_: str) -> CategoryTree:
    """Read a category tree."""
    if format_ == "toml":
        _toml(text)  # names the line
    try:
        return tree_of(text, "text", toml=format_ == "toml")
    except BadTree as error:
        raise _placed(error) from error


@dataclass(frozen=True, slots=True)
class Places:
    """The city's names, to be put right where they were misheard, and to be completed."""

    gazetteer: Gazetteer
    names: PlaceNames


def read_places(text: str, _format: str) -> Places:
    """Read a gazetteer."""
    try:
        gazetteer = Gazetteer(entries_of(text, "text"))
    except BadTable as error:
        raise _placed(error) from error
    return Places(gazetteer, PlaceNames(gazetteer.entries))


def _topics(topics: tuple[Topic, ...]) -> dict[str, int]:
    return {"topics": len(topics), "questions": sum(len(topic.asks) for topic in topics)}


def _tree(tree: CategoryTree) -> dict[str, int]:
    below = [words for topics in tree.topics.values() for words in topics.values()]
    return {
        "categories": len(tree.names),
        "topics": len(below),
        "words": sum(map(len, below)),
    }


def _places(places: Places) -> dict[str, int]:
    return {
        "names": len(places.gazetteer),
        "kinds": len({kind for _, kind in places.gazetteer.entries if kind}),
        "same_sound": len(places.gazetteer.same_sounds()),
    }


URGENCY: Final = TextForm(
    "urgency", read_urgency, lambda rules: {"rules": len(rules)}, lists=URGENCY_ROWS
)
TEMPLATES: Final = TextForm("templates", read_templates, _topics, lists=TEMPLATE_ROWS)
CATEGORIES: Final = TextForm(
    "categories", read_categories, _tree, formats=("toml", "csv"), lists=CATEGORY_ROWS
)
GAZETTEER: Final = TextForm("gazetteer", read_places, _places, formats=("csv",), lists=NAME_ROWS)
