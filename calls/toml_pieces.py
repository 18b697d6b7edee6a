"""A TOML text as the stretches that it was written in, put together anew without a change of them.

A piece is a table, or a key with its value, with the comment lines directly above it, and those
directly below what it says; comments that stand apart are pieces of their own, which belong to
nobody. All pieces of a text, joined, are the text.
"""

import json
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any, Final

_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")
_HEAD: Final = re.compile(r"[ \t]*\[")
_KEY: Final = re.compile(r"[ \t]*[^\s#]")
_BLANKS: Final = " \t\r\n"

Way = tuple[str, ...]
"""The names that lead to a table or a value."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text.

    Attributes:
        way: the table that it begins, or its key; empty: it belongs to nobody.
        body: what is written, comments and all, without the end of its last line.
        gap: that end, and the blank lines below.
    """

    way: Way
    body: str
    gap: str = ""


def joined(pieces: Sequence[Piece]) -> str:
    """Return the text of the pieces."""
    return "".join(piece.body + piece.gap for piece in pieces)


def lines_of(text: str) -> list[str]:
    """Return a text's lines, as TOML tells them apart, with their ends."""
    return _LINES.findall(text)


def is_comment(line: str) -> bool:
    """Tell whether a line is nothing but a comment."""
    return line.lstrip().startswith("#")


def tables(text: str, depth: int = 1) -> list[Piece]:
    """Return a text, which is TOML, by its tables; those below one of ``depth`` are part of it."""
    lines = lines_of(text)
    last: Way = ()
    starts = []
    for at in _begun(lines, _HEAD):
        way = _way(tomllib.loads(lines[at]))
        if len(way) > depth and way[:depth] == last:
            continue
        starts.append((at, last := way[:depth]))
    return _cut(lines, starts)


def keys(text: str) -> list[Piece]:
    """Return a table that is written alone by its keys; its head is the first that has a way."""
    lines = lines_of(text)
    begun = [*_begun(lines, _KEY)]
    starts = []
    for at, end in zip(begun, [*begun[1:], len(lines)], strict=True):
        starts.append((at, (next(iter(tomllib.loads("".join(lines[at:end])))),)))
    return _cut(lines, starts)


def _begun(lines: list[str], start: re.Pattern[str]) -> Iterator[int]:
    """Yield the lines that begin something: such as are not within a value of several lines."""
    begin = 0
    for at, line in enumerate(lines):
        if start.match(line) and _is_whole(lines[begin:at]):
            yield at
            begin = at


def _is_whole(lines: list[str]) -> bool:
    try:
        tomllib.loads("".join(lines))
    except tomllib.TOMLDecodeError:
        return False
    return True


def _way(head: Any) -> Way:
    way = []
    while head:
        if isinstance(head, list):
            (head,) = head
        else:
            ((name, head),) = head.items()
            way.append(name)
    return tuple(way)


def _cut(lines: list[str], starts: Sequence[tuple[int, Way]]) -> list[Piece]:
    pieces = []
    ways: list[Way] = [(), *(way for _, way in starts)]
    begins = [0, *(at for at, _ in starts)]
    first = 0  # of the comments directly above
    for way, begin, end in zip(ways, begins, [*begins[1:], len(lines)], strict=True):
        told = _end_of_values(lines, begin, end) if way else begin
        above = end
        while end < len(lines) and above > told and is_comment(lines[above - 1]):
            above -= 1
        below = told
        while way and below < above and is_comment(lines[below]):
            below += 1
        while way and below < above and not lines[below].strip():
            below += 1
        if way:
            text = "".join(lines[first:below])
            body = text.rstrip(_BLANKS)
            pieces.append(Piece(way, body, text[len(body) :]))
        if below < above:
            pieces.append(Piece((), "".join(lines[below:above])))
        first = above
    return pieces


def _end_of_values(lines: list[str], begin: int, end: int) -> int:
    """Return the line behind the last that is neither blank nor a comment."""
    at = end
    while at > begin + 1 and (not lines[at - 1].strip() or is_comment(lines[at - 1])):
        at -= 1
    while not _is_whole(lines[begin:at]):  # a text of several lines that ends so: # mine'''
        at += 1
    return at


def aligned(
    old: Sequence[Any], new: Sequence[Any], name: Callable[[Any], Hashable]
) -> list[int | None]:
    """Return which of the old each new one is: the same, moved, changed under its name, or changed.

    Args:
        old: JSON-ready, as ``new``.
        new: what is to be there.
        name: what mostly stays when one is changed; None: nothing.

    Returns:
        for each new one the place of an old one, of each at most once; None: there was none.
    """
    before, after = ([json.dumps(one) for one in listed] for listed in (old, new))
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    found: dict[int, int] = {}
    for was, now, count in matcher.get_matching_blocks():
        found |= {now + at: was + at for at in range(count)}
    left = sorted(set(range(len(old))) - set(found.values()))
    names_before, names_after = [*map(name, old)], [*map(name, new)]
    for told, wanted in ((before, after), (names_before, names_after)):
        waiting = defaultdict(list)
        for was in reversed(left):
            waiting[told[was]].append(was)
        for now in range(len(new)):
            if now in found or wanted[now] is None:
                continue
            if same := waiting[wanted[now]]:
                found[now] = same.pop()
                left.remove(found[now])
    for _, start, end, first, last in matcher.get_opcodes():
        rest = [now for now in range(first, last) if now not in found]
        found |= dict(zip(rest, (was for was in left if start <= was < end), strict=False))
    return [found.get(now) for now in range(len(new))]


def arranged(
    pieces: Sequence[Piece],
    ours: Callable[[Way], bool],
    bodies: Sequence[tuple[int | None, str]],
    *,
    gap: str = "\n\n",
) -> str:
    """Return the text with other pieces in the places of some; all between them stays.

    Args:
        pieces: of the text.
        ours: tells those whose places are taken by ``bodies``.
        bodies: which of these each was, counted among them, and what it is now; one that was none
            stands behind the one before it.
        gap: what stands behind a piece where nothing tells.
    """
    places = [at for at, piece in enumerate(pieces) if ours(piece.way)]
    if not places:
        before = joined(pieces).rstrip(_BLANKS)
        return (before + gap if before else "") + gap.join(body for _, body in bodies) + "\n"
    kept = iter(sorted(places[was] for was, _ in bodies if was is not None))
    filled: defaultdict[int, list[str]] = defaultdict(list)
    place = places[0]
    for was, body in bodies:
        place = place if was is None else next(kept)
        filled[place].append(body)
    gaps = Counter(pieces[at].gap for at in places if at < len(pieces) - 1)
    usual = gaps.most_common(1)[0][0] if gaps else gap
    out: list[Piece] = []
    for at, piece in enumerate(pieces):
        if not ours(piece.way):
            out.append(piece)
            continue
        listed = [Piece(piece.way, body, usual) for body in filled[at]]
        out.extend([*listed[:-1], *(replace(one, gap=piece.gap) for one in listed[-1:])])
    if out and ours(out[-1].way):  # the text ends as before
        out[-1] = replace(out[-1], gap=pieces[-1].gap)
    return joined(out)
