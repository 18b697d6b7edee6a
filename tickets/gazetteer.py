"""The names that a city knows, and what the recogniser made of them put right by their sound.

A recogniser writes a name it has never seen with other characters of the same sound: 锦都花园
comes out as 今度花园. Where what was heard sounds like a name of the city's list, and the evidence
is strong, the name is written; what was heard is kept beside it.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tickets import rules
from tickets.lexicon import cut
from tickets.sounds import character_distance, syllables
from tickets.table import BadTable, decoded

_SHORTEST = 2
_SURE_LENGTH = 3
"""Shorter names need a word such as 在 before them: two syllables are soon alike."""
LONGEST = 16
_ODD_ONE_FROM = 4
"""Names from so many syllables on are known with one that sounds otherwise."""
_FARTHEST_ODD = 0.6
_FARTHEST_EACH = 0.2
"""Mean distance a syllable."""
_HEADER = {"name": "name", "名称": "name", "kind": "kind", "类别": "kind", "别名": "also"} | {
    "also": "also"
}
_MOST_FAULTS = 10
_HAN = ("\u4e00", "\u9fff")


@dataclass(frozen=True, slots=True)
class Entry:
    """A name of the city: a place, an organisation or a unit (``kind`` is the city's own word)."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Repair:
    """A name put in the place of what was heard; both have the same number of characters."""

    start: int
    end: int
    heard: str
    name: str
    distance: float


class Gazetteer:
    """Finds the names of a list in what was heard.

    A look-up costs a few dictionary accesses per character, whatever the list's length: names are
    indexed by their sound as the broadest accent has it, long ones also with each syllable open.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._kinds = {entry.name: entry.kind for entry in entries}
        self._by_sound: defaultdict[str, list[str]] = defaultdict(list)
        self._with_one_open: defaultdict[str, list[str]] = defaultdict(list)
        for name in self._kinds:
            sounds = _folded(name)
            self._by_sound[" ".join(sounds)].append(name)
            if len(name) >= _ODD_ONE_FROM:
                for key in _one_open(sounds):
                    self._with_one_open[key].append(name)
        self._lengths = sorted({len(name) for name in self._kinds}, reverse=True)

    def __len__(self) -> int:
        return len(self._kinds)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name: also a recogniser's phrase hints."""
        return tuple(self._kinds)

    @property
    def entries(self) -> tuple[tuple[str, str], ...]:
        """Every name with its kind."""
        return tuple(self._kinds.items())

    def same_sounds(self) -> list[tuple[str, ...]]:
        """Return names that cannot be told apart by their sound; they are never written in."""
        return [tuple(names) for names in self._by_sound.values() if len(names) > 1]

    def repairs(self, text: str) -> list[Repair]:
        """Return the names that should stand in a text, in order, none overlapping."""
        sounds = _folded(text)
        found: list[Repair] = []
        taken = [False] * len(text)
        for length in self._lengths:
            for start in range(len(text) - length + 1):
                window = text[start : start + length]
                if any(taken[start : start + length]):
                    continue
                if window in self._kinds:
                    taken[start : start + length] = [True] * length  # it is right as it is
                    continue
                name = self._name_for(text, start, sounds[start : start + length])
                if name is not None:
                    far = _distance(window, name)
                    found.append(Repair(start, start + length, window, name, round(far, 3)))
                    taken[start : start + length] = [True] * length
        return sorted(found, key=lambda repair: repair.start)

    def _name_for(self, text: str, start: int, sounds: list[str]) -> str | None:
        window = text[start : start + len(sounds)]
        names = self._by_sound.get(" ".join(sounds), [])
        odd = not names
        if odd and len(sounds) >= _ODD_ONE_FROM:
            keys = _one_open(sounds)
            names = sorted({n for key in keys for n in self._with_one_open.get(key, ())})
        near = sorted((_distance(window, name), name) for name in names)
        if not near or (len(near) > 1 and near[0][0] == near[1][0]):
            return None
        far, name = near[0]
        farthest = _FARTHEST_ODD if odd else _FARTHEST_EACH * len(sounds)
        if far > farthest or not _is_doubtful(text, start, start + len(sounds)):
            return None
        return name


def repaired(text: str, repairs: Iterable[Repair]) -> str:
    """Return the text with the names written in."""
    for repair in repairs:
        text = text[: repair.start] + repair.name + text[repair.end :]
    return text


def read_gazetteer(path: Path) -> Gazetteer:
    """Read a city's list: CSV (UTF-8 or GBK) with a column ``name`` (名称).

    ``kind`` (类别) is free; ``also`` (别名) holds other names, parted by ``|``.

    Raises:
        BadTable: the file holds no such list; the message names line and column.
        OSError: it cannot be read.
    """
    return Gazetteer(entries_of(decoded(path), str(path)))


def entries_of(text: str, where: str) -> list[Entry]:
    """Return the names of such a list; ``where`` stands before the line in messages.

    Raises:
        BadTable: it holds none; the message names the first lines that are wrong, a line each.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[Entry] = []
    faults: list[str] = []
    columns: list[str] | None = None
    try:
        for row in reader:
            if columns is None:
                columns = [column_of(cell) for cell in row]
                if "name" not in columns:
                    break
                continue
            entries, fault = _entries(dict(zip(columns, map(str.strip, row), strict=False)))
            found += entries
            faults += [f"{where}:{reader.line_num}: {fault}"] if fault else []
    except csv.Error as error:
        faults.append(f"{where}:{reader.line_num}: {error}")
    if columns is None or "name" not in columns:
        raise BadTable(f"{where}:1: no column 'name' (名称)")
    if faults:
        more = [f"… {len(faults) - _MOST_FAULTS}"] if len(faults) > _MOST_FAULTS else []
        raise BadTable("\n".join([*faults[:_MOST_FAULTS], *more]))
    return found


def _entries(cells: dict[str, str]) -> tuple[list[Entry], str | None]:
    """Return the names of a row, or what is wrong with it; an empty row has none."""
    if not any(cells.values()):
        return [], None
    names = [cells.get("name", ""), *filter(None, cells.get("also", "").split("|"))]
    names = [name.strip() for name in names]
    for name in names:
        if fault := fault_of(name):
            return [], fault
    return [Entry(name, cells.get("kind", "")) for name in names], None


def fault_of(name: str) -> str | None:
    """Return why a name cannot stand in the list; None: it can."""
    if _SHORTEST <= len(name) <= LONGEST and is_han(name):
        return None
    return f"a name has {_SHORTEST} to {LONGEST} Chinese characters, not {name!r}"


def column_of(head: str) -> str:
    """Return what a column holds, by what stands above it; empty: nothing that is known."""
    return _HEADER.get(head.strip().lower(), "")


def is_han(text: str) -> bool:
    """Tell whether a text is Chinese characters only."""
    return all(_HAN[0] <= character <= _HAN[1] for character in text)


def _folded(text: str) -> list[str]:
    return [syllable.folded for syllable in syllables(text)]


def _one_open(sounds: list[str]) -> list[str]:
    return [" ".join((*sounds[:n], "*", *sounds[n + 1 :])) for n in range(len(sounds))]


def _distance(heard: str, name: str) -> float:
    return sum(map(character_distance, heard, name))


def _is_doubtful(text: str, start: int, end: int) -> bool:
    """Tell whether what was heard makes so little sense that a name may take its place."""
    context = rules.load("places")["context"]
    placed = text[:start].endswith(tuple(context["at"]))
    if end - start < _SURE_LENGTH and not placed:
        return False
    # A single common word (实在) is what was said, unless the talk says that it is a place.
    words = cut(text[start:end])
    if len(words) == 1 and words[0].kind[:2] not in {"ns", "nr", "nz", "x"}:
        return placed and words[0].kind[0] == "n" and end - start >= _SURE_LENGTH
    return True
