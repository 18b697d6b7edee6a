"""Completes a place's name while it is typed, from the city's list."""

from bisect import bisect_left
from collections.abc import Iterable

from pypinyin import Style, lazy_pinyin

_SHORTEST = 2
_LONGEST = 16
_AFTER_ALL = "\U0010ffff"


class PlaceNames:
    """Names of places, found by how they begin: characters, pinyin, or its initials.

    A look-up is a few binary searches, whatever the list's length.

    Args:
        entries: names and their kinds.
    """

    def __init__(self, entries: Iterable[tuple[str, str]] = ()) -> None:
        self._kinds = dict(entries)
        self._keys = sorted((key, name) for name in self._kinds for key in _keys(name))

    def take(self, names: "PlaceNames") -> None:
        """Complete with other names from now on."""
        self._kinds, self._keys = names._kinds, names._keys  # noqa: SLF001 - its own kind

    def complete(self, typed: str, *, limit: int) -> list[tuple[str, str, int]]:
        """Return names (with their kind) that the end of what was typed begins, and where that is.

        The longest end that begins any name counts: 平江街道临顿 is completed from 临顿 on, and
        so is 平江街道ld. Short names come first.
        """
        for start in range(max(0, len(typed) - _LONGEST), len(typed) - _SHORTEST + 1):
            end = typed[start:].lower()
            first = bisect_left(self._keys, (end, ""))
            last = bisect_left(self._keys, (end + _AFTER_ALL, ""))
            names = {name for _, name in self._keys[first:last] if name != typed[start:]}
            if names:
                best = sorted(names, key=lambda name: (len(name), name))[:limit]
                return [(name, self._kinds[name], start) for name in best]
        return []


def _keys(name: str) -> set[str]:
    sounds = lazy_pinyin(name, style=Style.NORMAL)
    return {name.lower(), "".join(sounds), "".join(sound[0] for sound in sounds)}
