"""How far apart Chinese words sound, over a telephone and through an accent.

A syllable is initial, final and tone. What speakers of many regions, and recognisers, do not tell
apart (n/l, zh/z, ch/c, sh/s, h/f; an/ang, en/eng, in/ing) counts half of what others count, a tone
least. The distance is a metric: 0 only between equal sounds, symmetric, no way round is shorter.
"""

from functools import cache
from typing import NamedTuple

from pypinyin import Style, pinyin
from pypinyin.contrib.tone_convert import to_finals, to_initials, to_normal

_INITIAL, _FINAL, _TONE = 0.5, 0.4, 0.1
_ACCENT = 0.5
_INITIALS = {"l": "n", "z": "zh", "c": "ch", "s": "sh", "f": "h"}
_FINALS = {
    "an": "ang",
    "en": "eng",
    "in": "ing",
    "uan": "uang",
    "ian": "iang",
    "uen": "ueng",
    "un": "ueng",
}


class Syllable(NamedTuple):
    """A sound: zh, ang, 1. What is no Chinese character is a sound of its own."""

    initial: str
    final: str
    tone: str

    @property
    def folded(self) -> str:
        """The sound without tone and without what accents do not tell apart."""
        return _INITIALS.get(self.initial, self.initial) + _FINALS.get(self.final, self.final)


def syllables(text: str) -> tuple[Syllable, ...]:
    """Return the sounds of a text, one a character, as they are read in their words."""
    return tuple(_syllable(found[0]) for found in _read(text, every=False))


@cache
def readings(character: str) -> tuple[Syllable, ...]:
    """Return every way in which a character is read: 行 xing, hang."""
    (found,) = _read(character, every=True)
    return tuple(dict.fromkeys(map(_syllable, found)))


def _read(text: str, *, every: bool) -> list[list[str]]:
    """Return the readings of each character; what is none is read as it is written."""
    return pinyin(
        text,
        style=Style.TONE3,
        heteronym=every,
        neutral_tone_with_five=True,
        errors=list,  # type: ignore[arg-type]  # pypinyin takes a list for several characters
    )


def distance(one: Syllable, other: Syllable) -> float:
    """Return how far apart two sounds are, 0 to 1."""
    return (
        _INITIAL * _differ(one.initial, other.initial, _INITIALS)
        + _FINAL * _differ(one.final, other.final, _FINALS)
        + _TONE * (one.tone != other.tone)
    )


@cache
def character_distance(one: str, other: str) -> float:
    """Return how far apart two characters are at best, of all the ways to read them."""
    if one == other:
        return 0.0
    return min(distance(a, b) for a in readings(one) for b in readings(other))


def _differ(one: str, other: str, accents: dict[str, str]) -> float:
    if one == other:
        return 0.0
    return _ACCENT if accents.get(one, one) == accents.get(other, other) else 1.0


@cache
def _syllable(read: str) -> Syllable:
    if not read[-1:].isdigit() or len(read) == 1:
        return Syllable(read, "", "")
    plain = to_normal(read)
    return Syllable(to_initials(plain), to_finals(plain), read[-1])
