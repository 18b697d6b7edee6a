"""Finds names by what somebody types in a hurry: characters, pinyin, its initials, or a number.

公安报警 is found by 公安, gongan, ``gabj``, ``bj`` and 110. A character with several readings is
found by each of them (重庆: cq, zq).
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeVar

from pypinyin import Style, pinyin

Item = TypeVar("Item")
_REMEMBERED = 20_000


def rank(typed: str, name: str, numbers: Sequence[str] = ()) -> int | None:
    """Return how well a name matches, 0 best; None: not at all."""
    wanted = "".join(typed.split()).lower()
    if not wanted:
        return 0
    lower = name.lower()
    initials, sounds = _readings(name)
    tests = (
        wanted in numbers,
        lower.startswith(wanted),
        any(number.startswith(wanted) for number in numbers),
        wanted in lower,
        _spells(wanted, initials, start=0),
        _spells(wanted, sounds, start=0),
        any(_spells(wanted, initials, start=n) for n in range(1, len(initials))),
        any(_spells(wanted, sounds, start=n) for n in range(1, len(sounds))),
        any(wanted in number for number in numbers),
    )
    return next((place for place, matches in enumerate(tests) if matches), None)


def found(typed: str, items: Iterable[tuple[Item, str, Sequence[str]]]) -> list[Item]:
    """Return the items (each with its name and numbers) that match, best first."""
    ranked = [(rank(typed, name, numbers), item) for item, name, numbers in items]
    return [
        item
        for _, item in sorted(
            ((place, item) for place, item in ranked if place is not None),
            key=lambda match: match[0],  # the order among equals stays
        )
    ]


@lru_cache(_REMEMBERED)
def _readings(name: str) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Return each character's possible initials, and its possible sounds, without tones."""
    # character by character: as a word, 重 of 重庆 has one reading only
    sounds = tuple(
        tuple(dict.fromkeys(sound.lower() for sound in readings))
        for character in name
        for readings in pinyin(character, style=Style.NORMAL, heteronym=True)
    )
    return tuple(tuple(dict.fromkeys(s[0] for s in each)) for each in sounds), sounds


def _spells(wanted: str, choices: tuple[tuple[str, ...], ...], *, start: int) -> bool:
    """Tell whether the choices spell what is wanted from ``start`` on; the last may be cut off."""
    ends = {0}  # how much of what is wanted is spelt
    for readings in choices[start:]:
        after = set()
        for end in ends:
            left = wanted[end:]
            for reading in readings:
                if reading.startswith(left):
                    return True
                if left.startswith(reading):
                    after.add(end + len(reading))
        ends = after
        if not ends:
            return False
    return False
