"""The two forms that documents have: tables checked by a model, and texts checked by a reader."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from calls.document_rows import Lists, refused
from calls.document_terms import BadDocument, Document

MOST_TEXT: Final = 4_000_000
"""Characters of a text: a gazetteer of a hundred thousand names."""
TOLD_LINES: Final = 200
"""So many lines of a text that were taken out or put in stand in the trail; versions hold all."""

Model = TypeVar("Model", bound=BaseModel)
Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class ModelForm(Generic[Model]):
    """Tables with entries: the model says what may stand there.

    Attributes:
        name: the document's.
        model: checks the whole.
        sections: those fields of the model that are tables.
        check: says what a model alone cannot; raises ``BadDocument``.
    """

    name: str
    model: type[Model]
    sections: tuple[str, ...] = ()
    check: Callable[[Model], None] = lambda _value: None
    slow: bool = False

    @property
    def lists(self) -> Lists:
        """Tables have entries, which need no rows."""
        return {}

    def read(self, document: Document) -> Model:
        """Check a document; raise ``BadDocument`` with the first fault."""
        if "\\u0000" in json.dumps(document, default=str):
            raise BadDocument("", "texts without NUL, which no database keeps")
        try:
            value = self.model.model_validate(document)
        except ValidationError as error:
            raise refused(error) from error
        self.check(value)
        return value

    def write(self, value: Model) -> dict[str, Any]:
        """Return the tables."""
        return value.model_dump(mode="json")

    def counts(self, value: Model) -> dict[str, int]:
        """Return how many entries each section has."""
        return {section: len(getattr(value, section)) for section in self.sections}

    def difference(self, before: Document, after: Document) -> dict[str, Any]:
        """Return the fields that differ."""
        names = [name for name in after if after[name] != before.get(name)]
        return {
            "before": {name: before.get(name) for name in names},
            "after": {name: after[name] for name in names},
        }


@dataclass(frozen=True, slots=True)
class Text(Generic[Parsed]):
    """A text, how it is written (toml, csv), and what it says."""

    text: str
    format: str
    says: Parsed


Reader = Callable[[str, str], Parsed]
"""Reads a text of a format; raises ``BadDocument``."""


@dataclass(frozen=True)
class TextForm(Generic[Parsed]):
    """One text, with its comments, as it was written.

    Attributes:
        name: the document's.
        reader: says what it means.
        count: how much of what it holds.
        formats: those that the reader reads, the usual one first.
        lists: what of it a form shows as rows.
    """

    name: str
    reader: Reader[Parsed]
    count: Callable[[Parsed], dict[str, int]]
    formats: tuple[str, ...] = ("toml",)
    sections: tuple[str, ...] = ()
    lists: Lists = field(default_factory=dict)
    slow: bool = True

    def read(self, document: Document) -> Text[Parsed]:
        """Check a document; raise ``BadDocument`` with the line that is wrong."""
        if unknown := set(document) - {"text", "format"}:
            raise BadDocument(min(unknown), "only text and format")
        text, format_ = document.get("text"), document.get("format", self.formats[0])
        if not isinstance(text, str) or "\0" in text or len(text) > MOST_TEXT:
            raise BadDocument("text", f"a text of at most {MOST_TEXT} characters, without NUL")
        if format_ not in self.formats:
            raise BadDocument("format", f"one of {', '.join(self.formats)}")
        return Text(text, format_, self.reader(text, format_))

    def write(self, value: Text[Parsed]) -> dict[str, Any]:
        """Return the text."""
        return {"text": value.text, "format": value.format}

    def counts(self, value: Text[Parsed]) -> dict[str, int]:
        """Return how much it holds."""
        return self.count(value.says)

    def difference(self, before: Document, after: Document) -> dict[str, Any]:
        """Return the lines that were taken out, and those that were put in."""
        old, new = _lines(before), _lines(after)
        return {"before": _told(old - new), "after": _told(new - old)}


def _lines(document: Mapping[str, Any]) -> Counter[str]:
    return Counter(line for line in document["text"].splitlines() if line.strip())


def _told(lines: Counter[str]) -> list[str]:
    every = list(lines.elements())
    left = len(every) - TOLD_LINES
    return [*every[:TOLD_LINES], *([f"… {left}"] if left > 0 else [])]
