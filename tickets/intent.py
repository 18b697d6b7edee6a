"""What the citizen wants: the type of his matter, secrecy, and whether he called before."""

import re
from dataclasses import dataclass
from functools import cache

from tickets import examples, rules
from tickets.fields import TYPES
from tickets.urgency import Urgency

_URGENT_IS_HELP = 12.0
"""More than any one explicit word: 我要举报…着火了 is a cry for help."""
_PARTNER_IS_HELP = 6.0
_ACCUSES = 3.0
"""As much as a word for it: who complains of one of these matters and asks to be kept secret
accuses somebody. The wish alone accuses nobody: 单位要求我保密."""
_OF_WRONGS = frozenset({"纪检监察", "治安警情", "违法建设", "消防安全", "医疗卫生"})
_QUIET = 0.5
_SOME_MATTER = 10  # characters
_LIKENESS = 25.0
"""What likeness to the examples of a type (a cosine) is worth beside words."""
_QUIET_TYPE = "投诉"
"""People who neither ask, suggest, praise nor cry for help have something to complain of."""


@dataclass(frozen=True, slots=True)
class TypeHeard:
    """The type of a matter and the words that said so; None when nothing did."""

    type: str | None
    words: str | None


def matter_type(text: str, category: str, urgency: Urgency) -> TypeHeard:
    """Return the type of a matter.

    Args:
        text: all that the citizen said.
        category: what the matter is about; it decides where no word does.
        urgency: a pressing matter is a call for help.
    """
    scores = dict.fromkeys(TYPES, 0.0)
    words: dict[str, str] = {}
    for kind, weight, pattern in _patterns():
        match = pattern.search(text)
        if match:
            scores[kind] += weight
            words.setdefault(kind, match[0])
    if urgency.urgent:
        scores["求助"] += _URGENT_IS_HELP
        words.setdefault("求助", urgency.words or "")
    elif urgency.transfer:
        scores["求助"] += _PARTNER_IS_HELP
        words.setdefault("求助", urgency.words or "")
    if category in _OF_WRONGS and {"投诉", "举报"} & words.keys() and wants_secrecy(text):
        scores["举报"] += _ACCUSES
    scores[_QUIET_TYPE] += _QUIET
    if len(text) >= _SOME_MATTER:
        for kind, alike in examples.shipped_types().likeness(text).items():
            scores[kind] += _LIKENESS * alike
    best = max(_order(), key=lambda kind: scores[kind])
    if best not in words and category == "其他" and len(text) < _SOME_MATTER:
        return TypeHeard(None, None)
    return TypeHeard(best, words.get(best) or None)


def wants_secrecy(text: str) -> str | None:
    """Return the words with which the citizen asks not to be named, or None."""
    return _said("secret", "asked", text)


def called_before(text: str) -> str | None:
    """Return the words that say this is not the first call about it, or None."""
    return _said("repeat", "said", text)


def _said(table: str, key: str, text: str) -> str | None:
    denied = [match.span() for match in _expression(table, "denied").finditer(text)]
    for match in _expression(table, key).finditer(text):
        start, end = match.span()
        if not any(start < stop and begin < end for begin, stop in denied):
            return match[0]
    return None


@cache
def _expression(table: str, key: str) -> re.Pattern[str]:
    return re.compile(rules.load("types")[table][key])


@cache
def _order() -> tuple[str, ...]:
    return tuple(kind for kind in rules.load("types") if kind in TYPES)


@cache
def _patterns() -> tuple[tuple[str, float, re.Pattern[str]], ...]:
    return tuple(
        (kind, float(weight), re.compile(expression))
        for kind in _order()
        for weight, expressions in rules.load("types")[kind].items()
        for expression in expressions
    )
