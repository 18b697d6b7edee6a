"""What is said to somebody who waits, as a sequence of short recordings.

An announcement is a file, or files around a number: ``position`` of 3 is ``position-before``,
``liang`` … as :func:`pieces` says. Every piece is ``<folder>/<language>/<piece>.wav``; the texts
are in ``texts.tsv`` beside them, so that a city can have them spoken by a voice of its own.
``scripts/make_prompts.sh`` speaks the shipped ones.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal

from telephony.media.control import Item

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
LARGEST: Final = 9999

#: Announcements that are said with a number, and those without.
NUMBERED: Final = ("position", "wait-minutes", "agent-number")
PLAIN: Final = (
    *("welcome", "recorded", "busy", "next", "call-back-offer", "call-back-noted"),
    *("rating", "rating-unknown", "thanks", "goodbye", "closed"),
)

_ENGLISH_TEENS: Final = 20
_TENS: Final = 10


def chinese_number(number: int) -> list[str]:
    """Return a cardinal before a measure word (位, 分钟), syllable by syllable: 两 but 十二.

    Raises:
        ValueError: it is not within 0…9999.
    """
    _check(number)
    if number == 0:
        return ["0"]
    if number == 2:  # noqa: PLR2004 - 两位, not 二位
        return ["liang"]
    said: list[str] = []
    skipped = False
    for unit, name in ((1000, "1000"), (100, "100"), (10, "10"), (1, "")):
        digit = number // unit % 10
        if digit == 0:
            skipped = bool(said)
            continue
        if skipped:
            said.append("0")  # 一百零二, 一千零一十: one zero for a whole gap
            skipped = False
        if unit == _TENS and digit == 1 and not said:
            said.append(name)  # 十二, but 一百一十二
            continue
        said.append("liang" if digit == 2 and unit >= 100 else str(digit))  # noqa: PLR2004 - 两百, 二十
        if name:
            said.append(name)
    return said


def english_number(number: int) -> list[str]:
    """Return a cardinal, word by word: one hundred and twenty three.

    Raises:
        ValueError: it is not within 0…9999.
    """
    _check(number)
    if number < _ENGLISH_TEENS:
        return [str(number)]
    said: list[str] = []
    for unit in (1000, 100):
        if number >= unit:
            said += [str(number // unit), str(unit)]
            number %= unit
    if said and number:
        said.append("and")
    if number >= _ENGLISH_TEENS:
        said.append(str(number // 10 * 10))
        number %= 10
    if number:
        said.append(str(number))
    return said


def chinese_digits(number: int) -> list[str]:
    """Return a number as one reads out a telephone's: each digit, 1 as 幺."""
    return ["yao" if digit == "1" else digit for digit in str(number)]


def english_digits(number: int) -> list[str]:
    """Return a number digit by digit."""
    return list(str(number))


_CARDINAL: Final[Mapping[Language, Callable[[int], list[str]]]] = {
    "zh": chinese_number,
    "en": english_number,
}
_DIGITS: Final[Mapping[Language, Callable[[int], list[str]]]] = {
    "zh": chinese_digits,
    "en": english_digits,
}


def pieces(announcement: str, language: Language, number: int | None = None) -> list[str]:
    """Return the pieces of an announcement in the order in which they are played.

    Args:
        announcement: one of :data:`NUMBERED` or :data:`PLAIN`.
        language: of it.
        number: ``position``: how many wait before the caller; ``wait-minutes``: how long it will
            take; ``agent-number``: the agent's, 0 or more.

    Raises:
        ValueError: there is no such announcement, or the number is missing or out of range.
    """
    if announcement in PLAIN and number is None:
        return [announcement]
    if announcement not in NUMBERED or number is None:
        wanted = "an announcement without a number" if number is None else "one with a number"
        raise ValueError(f"{announcement!r}: wanted {wanted}")
    if announcement == "agent-number":
        if number < 0:
            raise ValueError(f"agent-number {number}: wanted 0 or more")
        return ["agent-before", *_DIGITS[language](number), "agent-after"]
    _check(number)
    if announcement == "position" and number == 0:
        return ["next"]
    if number == 1 and language == "en":
        return [f"{announcement}-one"]
    return [f"{announcement}-before", *_CARDINAL[language](number), f"{announcement}-after"]


def items(
    folder: Path, announcement: str, language: Language, number: int | None = None
) -> list[Item]:
    """Return an announcement as :meth:`~telephony.media_commands.MediaCommands.play` takes it.

    ``folder`` is absolute: the media process has a working directory of its own.

    Raises:
        ValueError: as :func:`pieces` says.
    """
    names = pieces(announcement, language, number)
    return [Item(file=folder / language / f"{name}.wav") for name in names]


def _check(number: int) -> None:
    if not 0 <= number <= LARGEST:
        raise ValueError(f"number {number}: wanted 0…{LARGEST}")
