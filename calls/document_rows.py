"""The lists of a text document as rows of a form: which there are, and what is wrong with one.

How a text is read into rows, and rows come into the text, is in ``calls/text_rows.py``.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from calls.document_terms import BadDocument, Document

Row = dict[str, Any]
_NAMED: Final = re.compile(r"([a-z_]+(?:\.[\w-]+)*): ")


class BaseRow(BaseModel):
    """One row; ``once`` names what no two rows have in common."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    once: ClassVar[tuple[str, ...]] = ()


def refused(error: ValidationError, *above: str) -> BadDocument:
    """Return a model's first fault with its field, which stands below these.

    What a whole table says of itself begins with the field below it that is meant.
    """
    first = error.errors(include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    named = _NAMED.match(message)
    below = named[1].split(".") if named and first["type"] == "value_error" else []
    return BadDocument(".".join([*above, *map(str, first["loc"]), *below]), message)


@dataclass(frozen=True, slots=True)
class Rows:
    """One list of a text.

    Attributes:
        model: checks a row.
        read: returns the rows of a text, which its reader has found good (text, format).
        write: returns the text with other rows (text, format, rows as in the text).
    """

    model: type[BaseRow]
    read: Callable[[str, str], list[Row]]
    write: Callable[[str, str, list[Row]], Document]


Lists = Mapping[str, Rows]
"""The lists of a document by their name."""


def shown(lists: Lists, document: Document) -> dict[str, list[Row]]:
    """Return the rows of a text that is in force; options that a row leaves out are missing."""
    text, format_ = document["text"], document["format"]
    return {name: rows.read(text, format_) for name, rows in lists.items()}


def written(lists: Lists, document: Document, section: str, wanted: Sequence[Any]) -> Document:
    """Return the text with other rows in one of its lists.

    Raises:
        BadDocument: a row is wrong; the field says where.
    """
    rows = lists[section]
    checked = [_checked(rows.model, row, f"{section}.{at}") for at, row in enumerate(wanted)]
    _once(section, checked)
    return rows.write(document["text"], document["format"], [*map(told_by, checked)])


def told_by(row: BaseRow) -> Row:
    """Return a row as texts say it: without what is left at its default."""
    return row.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _checked(model: type[BaseRow], row: Any, where: str) -> BaseRow:
    try:
        return model.model_validate(row)
    except ValidationError as error:
        raise refused(error, where) from error


def _once(section: str, rows: Iterable[BaseRow]) -> None:
    seen = set()
    for number, row in enumerate(rows):
        if not row.once:
            return
        told = tuple(getattr(row, name) for name in row.once)
        if told in seen:
            raise BadDocument(f"{section}.{number}.{row.once[-1]}", f"{told[-1]} is there twice")
        seen.add(told)
