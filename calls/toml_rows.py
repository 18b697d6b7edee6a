"""Rows of a form written into a TOML text: what is not changed stays byte for byte.

Each row is a table of a list (``[[rule]]``) or a key of a table (``[guards]``), and keeps its
comments when it is changed or moved; with it they go. Where a text has its rows otherwise (as a
list in one line, say) they are written anew at its end.
"""

import tomllib
from collections.abc import Callable, Hashable, Mapping
from itertools import takewhile
from typing import Any, Final

import tomlkit
from tomlkit.items import Item

from calls.toml_pieces import Way, aligned, arranged, is_comment, joined, keys, lines_of, tables

Row = dict[str, Any]
_NAMES: Final = ("id", "reason", "question")
"""Of a row: what mostly stays when it is changed."""


def with_rows(text: str, name: str, rows: list[Row], as_row: Callable[[Row], Row]) -> str:
    """Return a text with these tables in the list of this name.

    Args:
        text: TOML.
        name: the list's.
        rows: as ``as_row`` gives them.
        as_row: returns what a table of the text says in the one way that rows say it.
    """

    def told(data: Mapping[str, Any]) -> list[Row]:
        return [as_row(row) for row in data.get(name, ())]

    if (old := told(tomllib.loads(text))) == rows:
        return text
    written = _listed(text, (name,), old, rows)
    if written is None or not _holds(written, told, rows):
        written = _without(text, name) + "\n".join(_table((name,), row) for row in rows)
    return written


def with_keys(text: str, name: str, wanted: Mapping[str, Any]) -> str:
    """Return a text with other keys in the table of this name."""
    if tomllib.loads(text).get(name) == wanted:
        return text
    pieces = tables(text)
    bodies = [piece.body for piece in pieces if piece.way == (name,)]
    if len(bodies) == 1:
        body = _keyed(bodies[0], name, name, wanted)
        written = arranged(pieces, (name,).__eq__, [(0, body)])
        if _holds(written, lambda data: data.get(name), wanted):
            return written
    return _without(text, name) + _of_keys(name, wanted) + "\n"


def with_tables(text: str, wanted: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a text that is nothing but tables, with these: in this order, and so are their keys.

    Keys of deeper tables are given as their way, with ``/`` between.
    """
    pieces = tables(text)
    old = [(piece.way[0], _flat(piece.body)) for piece in pieces if piece.way]
    new = [(name, [*told.items()]) for name, told in wanted.items()]
    if old == new:
        return text
    bodies = [piece.body for piece in pieces if piece.way]
    made: list[tuple[int | None, str]] = []
    for was, (name, told) in zip(aligned(old, new, lambda one: one[0]), new, strict=True):
        if was is None:
            made.append((None, _of_keys(name, dict(told))))
        elif old[was] == (name, told):
            made.append((was, bodies[was]))
        else:
            made.append((was, _keyed(bodies[was], old[was][0], name, dict(told))))
    written = arranged(pieces, bool, made)
    if _holds(written, _ordered, new):
        return written
    head = "".join(takewhile(lambda line: is_comment(line) or not line.strip(), lines_of(text)))
    return head + "\n\n".join(_of_keys(name, told) for name, told in wanted.items()) + "\n"


def _ordered(data: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, Any]]]]:
    return [(name, _leaves(topics)) for name, topics in data.items()]


def _flat(body: str) -> list[tuple[str, Any]]:
    (table,) = tomllib.loads(body).values()
    return _leaves(table)


def _leaves(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found = []
    for name, value in table.items():
        if isinstance(value, dict):
            found += [(f"{name}/{way}", one) for way, one in _leaves(value)]
        else:
            found.append((name, value))
    return found


def _holds(text: str, read: Callable[[dict[str, Any]], Any], wanted: Any) -> bool:
    try:
        return bool(read(tomllib.loads(text)) == wanted)
    except tomllib.TOMLDecodeError:
        return False


def _without(text: str, name: str) -> str:
    """Return the text without what has this name, ready for something to follow."""
    document = tomlkit.parse(text)
    document.pop(name, None)
    left = tomlkit.dumps(document).rstrip()
    return f"{left}\n\n" if left else ""


# -- tables of a list -----------------------------------------------------------------------------


def _listed(text: str, way: Way, old: list[Row], new: list[Row]) -> str | None:
    """Return the text with other tables there; None: it has them otherwise."""
    pieces = tables(text, len(way))
    bodies = [piece.body for piece in pieces if piece.way == way]
    if len(bodies) != len(old):
        return None
    made: list[tuple[int | None, str]] = []
    for was, row in zip(aligned(old, new, _name), new, strict=True):
        if was is None:
            made.append((None, _table(way, row).rstrip()))
        elif row == old[was]:
            made.append((was, bodies[was]))
        else:
            made.append((was, _changed(bodies[was], way, old[was], row)))
    return arranged(pieces, way.__eq__, made, gap="\n\n" if len(way) == 1 else "\n")


def _name(row: Row) -> Hashable:
    return next((row[name] for name in _NAMES if name in row), None)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _changed(body: str, way: Way, old: Row, row: Row) -> str:
    """Return a table with another row's values where they differ."""
    other = [name for name in {**old, **row} if old.get(name) != row.get(name)]
    for name in [name for name in other if _is_tables(old.get(name)) and _is_tables(row.get(name))]:
        if (written := _listed(body, (*way, name), old[name], row[name])) is not None:
            body = written.rstrip()
            other.remove(name)
    document = tomlkit.parse(body)
    table: Any = document
    for name in way:
        table = table[name]
        table = table[0] if isinstance(table, list) else table
    for name in other:
        if name in row:
            table[name] = _item(row[name])
        else:
            table.remove(name)
    return tomlkit.dumps(document).rstrip()


def _table(way: Way, row: Row) -> str:
    plain = {name: value for name, value in row.items() if not _is_tables(value)}
    below = {name: value for name, value in row.items() if _is_tables(value)}
    lines = [f"[[{'.'.join(map(_key, way))}]]\n", *(f"{_line(*one)}\n" for one in plain.items())]
    return "".join(lines) + "".join(_table((*way, k), one) for k, v in below.items() for one in v)


# -- keys of a table ------------------------------------------------------------------------------


def _keyed(body: str, name: str, wanted_name: str, wanted: Mapping[str, Any]) -> str:
    """Return a table, written alone, with another name and other keys; what is above it stays."""
    before = tomllib.loads(body)[name]
    pieces = keys(body)
    first = next(at for at, piece in enumerate(pieces) if piece.way)
    *above, head = pieces[: first + 1]
    is_deep = any(isinstance(value, dict) for value in before.values())
    written = head.body
    if is_deep or name != wanted_name:
        written = _with_line(head.body, f"[{_key(wanted_name)}]")
    rest = [] if is_deep else pieces[first + 1 :]
    old = [(piece.way[0], before[piece.way[0]]) for piece in rest if piece.way]
    bodies = [piece.body for piece in rest if piece.way]
    new = [*wanted.items()]
    made: list[tuple[int | None, str]] = []
    for was, one in zip(aligned(old, new, lambda one: one[0]), new, strict=True):
        if was is None:
            made.append((None, _line(*one)))
        else:
            made.append((was, bodies[was] if old[was] == one else _key_with(bodies[was], *one)))
    listed = arranged(rest, bool, made, gap="\n") if made or rest else ""
    return (joined(above) + written + (head.gap or "\n") + listed).rstrip()


def _key_with(body: str, name: str, value: Any) -> str:
    """Return a key, written alone, with another value or name."""
    document = tomlkit.parse(body)
    if name not in document:
        return _with_line(body, _line(name, value))
    document[name] = _item(value)
    return tomlkit.dumps(document).rstrip()


def _with_line(body: str, line: str) -> str:
    """Return a piece that says this instead, with all its comments."""
    lines = lines_of(body)
    document = tomlkit.parse(body)
    said = document.item(next(iter(document)))
    behind = said.trivia.comment_ws + said.trivia.comment if isinstance(said, Item) else ""
    below = [*takewhile(is_comment, reversed(lines))][::-1]
    above = "".join(takewhile(is_comment, lines))
    return "\n".join([above + line + behind, *(one.rstrip() for one in below)])


def _of_keys(name: str, wanted: Mapping[str, Any]) -> str:
    return "\n".join([f"[{_key(name)}]", *(_line(*one) for one in wanted.items())])


def _line(name: str, value: Any) -> str:
    return f"{_key(name)} = {_item(value).as_string()}"


def _key(name: str) -> str:
    return tomlkit.key(name).as_string()


def _item(value: Any) -> Any:
    if isinstance(value, list):
        array = tomlkit.array()
        array.extend([_item(one) for one in value])
        return array
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update({name: _item(one) for name, one in value.items()})
        return table
    plain = isinstance(value, str) and "\\" in value and "'" not in value and value.isprintable()
    return tomlkit.string(value, literal=True) if plain else tomlkit.item(value)
