"""Whether a partner's ticket is taken in: rules of ``tickets/data/intake.toml`` or a city's own.

Consumer disputes and single wage arrears that need no officer are the hotline's; everything else
goes back to the partner with the reason.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

from tickets.category import classify
from tickets.exchange.messages import TicketMessage
from tickets.numerals import figures, to_int
from tickets.tree import SHIPPED
from tickets.urgency import judge

SHIPPED_FILE = Path(__file__).parents[1] / "data" / "intake.toml"
VerdictName = Literal["accept", "return", "ask"]

_WHO = r"工人|工友|民工|农民工|员工|同事|职工|人"
_COUNTED = re.compile(rf"(\d+)(?:多|几|余)?(?:个|名|位)?(?:{_WHO})(?!民|均|次)")
_SPOKEN = re.compile(
    rf"([一二两三四五六七八九十百千]+)(?:多|几|余)?(?:个|名|位)?(?:{_WHO})(?!民|均|次)"
)
_SEVERAL = re.compile(
    r"工友们|大家的?(?:工资|工钱)|集体|我们(?:几|这些|一群|一帮|十|所有|全部)|一群人|[几数]十(?:个|名)?人"
)
_KEYS = frozenset(
    {"name", "verdict", "reason", "officer", "danger", "categories", "words", "people"}
)
_SEVERAL_ARE = 2


class BadIntake(ValueError):
    """A file that holds no rules of intake; the message names file, rule and fault."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a partner's ticket.

    Attributes:
        what: accept, return, or ask a person.
        reason: why it is returned; "" otherwise.
        rule: the name of the rule that decided, None when none fitted.
    """

    what: VerdictName
    reason: str = ""
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    verdict: VerdictName
    reason: str
    officer: bool | None
    danger: bool | None
    categories: tuple[str, ...]
    words: tuple[str, ...]
    people: tuple[int, int] | None


class Intake:
    """A set of rules.

    Args:
        data: what the TOML file holds.
        where: its name, for errors.

    Raises:
        BadIntake: a rule is none.
    """

    def __init__(self, data: Mapping[str, Any], where: str) -> None:
        self._otherwise = str(data.get("otherwise", ""))
        if not self._otherwise:
            raise BadIntake(f"{where}: otherwise: the reason for what no rule takes is missing")
        rules = data.get("rules", [])
        self._rules = tuple(_rule(f"{where}: rule {n}", rule) for n, rule in enumerate(rules, 1))

    def judge(self, message: TicketMessage) -> Verdict:
        """Decide about a ticket."""
        text = _text_of(message)
        for rule in self._rules:
            if _fits(rule, message, text):
                return Verdict(rule.verdict, rule.reason, rule.name)
        return Verdict("return", self._otherwise)


@cache
def shipped_intake() -> Intake:
    """Return the rules that ship."""
    return read_intake(SHIPPED_FILE)


def read_intake(path: Path) -> Intake:
    """Read rules from a TOML file.

    Raises:
        BadIntake: it holds none.
        OSError: it cannot be read.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadIntake(f"{path}: {error}") from error
    return Intake(data, str(path))


def people_in(text: str) -> int:
    """Return how many people a text speaks of; one where it says nothing.

    >>> people_in("老板拖欠我们15个工人的工资")
    15
    """
    counts = [int(found) for found in _COUNTED.findall(figures(text).text)]
    counts += [number for run in _SPOKEN.findall(text) if (number := to_int(run)) is not None]
    return max([*counts, _SEVERAL_ARE if _SEVERAL.search(text) else 1])


def _text_of(message: TicketMessage) -> str:
    matter = message.matter
    parts = (matter.content, matter.topic, matter.category, message.reason)
    return "，".join(part for part in parts if part)


def _fits(rule: _Rule, message: TicketMessage, text: str) -> bool:
    if rule.officer is not None and bool(message.needs_officer) is not rule.officer:
        return False
    if rule.danger is not None and (judge(text).transfer is not None) is not rule.danger:
        return False
    if rule.words and not any(word in text for word in rule.words):
        return False
    if rule.people is not None:
        people = message.people or people_in(text)
        if not rule.people[0] <= people <= rule.people[1]:
            return False
    return not rule.categories or _category(message, text) in rule.categories


def _category(message: TicketMessage, text: str) -> str:
    named = message.matter.category
    return named if named in SHIPPED.names else classify(text)[0].category


def _rule(where: str, rule: Any) -> _Rule:
    if not isinstance(rule, dict):
        raise BadIntake(f"{where}: a table of {', '.join(sorted(_KEYS))}")
    if unknown := sorted(set(rule) - _KEYS):
        raise BadIntake(f"{where}: unknown: {', '.join(unknown)}")
    verdict = rule.get("verdict")
    if verdict not in get_args(VerdictName):
        raise BadIntake(f"{where}: verdict: accept, return or ask, not {verdict!r}")
    if verdict == "return" and not rule.get("reason"):
        raise BadIntake(f"{where}: reason: what is returned needs one")
    _check_conditions(where, rule)
    people = rule.get("people")
    return _Rule(
        name=str(rule.get("name", where)),
        verdict=cast("VerdictName", verdict),
        reason=str(rule.get("reason", "")),
        officer=rule.get("officer"),
        danger=rule.get("danger"),
        categories=tuple(rule.get("categories", ())),
        words=tuple(rule.get("words", ())),
        people=(people[0], people[1]) if people is not None else None,
    )


def _check_conditions(where: str, rule: Mapping[str, Any]) -> None:
    people = rule.get("people")
    pair = isinstance(people, list) and [type(number) for number in people] == [int, int]
    if people is not None and not pair:
        raise BadIntake(f"{where}: people: [from, to], not {people!r}")
    for name in ("categories", "words"):
        texts = rule.get(name, [])
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise BadIntake(f"{where}: {name}: a list of texts, not {texts!r}")
    if wrong := sorted(set(rule.get("categories", [])) - set(SHIPPED.names)):
        raise BadIntake(f"{where}: categories: there is no {', '.join(wrong)}")
    for name in ("officer", "danger"):
        if not isinstance(rule.get(name), bool | None):
            raise BadIntake(f"{where}: {name}: true or false, not {rule[name]!r}")
