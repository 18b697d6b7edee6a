"""What cannot wait, and who takes it: rules from ``tickets/data/urgency.toml``.

A word of danger counts when it is told as happening: not when it is denied (没有着火), feared
(怕着火), past (去年着过火) or asked about (打架怎么处罚).
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from tickets import rules
from tickets.fields import URGENCIES

_PAST_WINDOW = 16


@dataclass(frozen=True, slots=True)
class Urgency:
    """How pressing a matter is.

    Attributes:
        level: 普通, 一般, 紧急 or 特急.
        reason: why, in the words of the rule; None when nothing is pressing.
        transfer: the partner who takes it, or None.
        category: what such a matter is about, where the rule knows.
        words: the words that said so.
    """

    level: str = "普通"
    reason: str | None = None
    transfer: str | None = None
    words: str | None = None
    category: str | None = None

    @property
    def urgent(self) -> bool:
        """Tell whether it must be passed on at once."""
        return self.level in {"紧急", "特急"}

    @property
    def rank(self) -> int:
        """0 for 普通 to 3 for 特急."""
        return URGENCIES.index(self.level)


CALM = Urgency()


@dataclass(frozen=True, slots=True)
class _Rule:
    level: str
    reason: str
    transfer: str | None
    category: str | None
    any: tuple[re.Pattern[str], ...]
    all: tuple[re.Pattern[str], ...]
    none: tuple[re.Pattern[str], ...]


def judge(utterance: str) -> Urgency:
    """Return how pressing one utterance of the citizen makes the matter."""
    best = CALM
    if _guard("asked").search(utterance):
        return best
    for rule in _rules():
        match = _match(rule, utterance)
        if match is None:
            continue
        found = Urgency(rule.level, rule.reason, rule.transfer, match, rule.category)
        if found.rank > best.rank:
            best = found
    return best


def _match(rule: _Rule, utterance: str) -> str | None:
    if any(p.search(utterance) for p in rule.none) or not all(
        p.search(utterance) for p in rule.all
    ):
        return None
    for pattern in rule.any:
        for match in pattern.finditer(utterance):
            if rule.level == "一般" or _happening(utterance, match):
                return match[0]
    return None


def _happening(utterance: str, match: re.Match[str]) -> bool:
    before = utterance[: match.start()]
    return not (
        _guard("denied").search(before)
        or _guard("past").search(before[-_PAST_WINDOW:])
        or _guard("past_after").match(utterance[match.end() :])
    )


@cache
def _guard(name: str) -> re.Pattern[str]:
    return re.compile(rules.load("urgency")["guards"][name])


@cache
def _rules() -> tuple[_Rule, ...]:
    def compiled(rule: dict[str, Any], key: str) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(expression) for expression in rule.get(key, ()))

    return tuple(
        _Rule(
            rule["level"],
            f"{rule['kind']}：{rule['reason']}",
            rule.get("transfer"),
            rule.get("category"),
            compiled(rule, "any"),
            compiled(rule, "all"),
            compiled(rule, "not"),
        )
        for rule in rules.load("urgency")["rule"]
    )
