"""What cannot wait, and who takes it: rules of ``tickets/data/urgency.toml`` or a city's own file.

A word of danger counts when it is told as happening: not when it is denied (没有着火), feared
(怕着火), past (去年着过火), supposed (要是着火了怎么办) or asked about (打架怎么处罚). What is only
hearsay (听说那边着火了) is marked, and nobody is called for it yet. Where no rule has a
word for it, likeness to examples of danger decides (``tickets.alike``).
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from tickets import alike, rules
from tickets.fields import PARTNERS, URGENCIES
from tickets.guards import Guards, Reading

KINDS = ("突发", "敏感", "集中", "重要")
_HEARSAY = "（传闻，待核实）"
_UNHURT = "（无人受伤）"
LIFTED = "（来电人称已解除，请确认）"
"""Ends the reason of a danger that the citizen says is over."""
MINOR = 1
"""The rank of 一般: what is above is passed on at once."""
_TRAFFIC_POLICE = "122"
_POLICE = frozenset({"110", _TRAFFIC_POLICE})
_SOUNDS = "突发：听来像险情，请核实"
_EXPRESSIONS = ("any", "all", "not", "lifted")
_KEYS = frozenset({"level", "kind", "reason", "transfer", "category", *_EXPRESSIONS})


class BadRules(ValueError):
    """A file that holds no rules of urgency; the message names file, rule, key and fault."""


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
    def is_open(self) -> bool:
        """Tell whether the partner whom the citizen asks for may take it: no rule says whose it is.

        What sounds like fire or illness is left to the engines and the ambulance.
        """
        guessed = self.reason == _SOUNDS and self.transfer in _POLICE
        return self.urgent and (self.transfer is None or guessed)

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
    lifted: tuple[re.Pattern[str], ...]


class UrgencyRules:
    """Judges what a citizen says.

    Args:
        data: the parsed file: ``words``, ``guards``, ``called``, ``rule``, and ``alike``, the
            likeness to examples of danger from which on an utterance is pressing (left out: none
            is).
        where: the file's name, for messages.

    Raises:
        BadRules: the data are not such rules.
    """

    def __init__(self, data: Mapping[str, Any], where: str) -> None:
        guards, listed = data.get("guards", {}), data.get("rule", [])
        words = data.get("words", {})
        self._alike = data.get("alike")
        if self._alike is not None and type(self._alike) not in {int, float}:  # True is an int
            raise BadRules(f"{where}: alike is a number such as 0.03, not {self._alike!r}")
        if not isinstance(guards, dict) or not isinstance(listed, list) or not listed:
            raise BadRules(f"{where}: wants a table [guards] and at least one [[rule]]")
        if not isinstance(words, dict) or not all(isinstance(w, str) for w in words.values()):
            raise BadRules(f"{where}: words wants expressions by name")
        words = {**rules.load("urgency")["words"], **words}
        called = data.get("called", rules.load("urgency")["called"])
        if not isinstance(called, dict) or set(called) - set(PARTNERS):
            raise BadRules(f"{where}: called wants expressions by partner: {', '.join(PARTNERS)}")
        self._called = {
            partner: _compiled(f"{where}: called.{partner}", expression, words)
            for partner, expression in called.items()
        }
        shipped = rules.load("urgency")["guards"]
        if unknown := set(guards) - set(shipped):
            raise BadRules(f"{where}: guards: unknown {', '.join(sorted(unknown))}")
        compiled = {
            name: _compiled(f"{where}: guards.{name}", expression, words)
            for name, expression in {**shipped, **guards}.items()
        }
        self._guards = Guards(compiled)
        self._rules = tuple(
            _rule(f"{where}: rule {number}", rule, words)
            for number, rule in enumerate(listed, start=1)
        )
        self._endings: dict[str | None, tuple[re.Pattern[str], ...]] = {
            rule.reason: rule.lifted for rule in self._rules if rule.lifted
        }

    def __len__(self) -> int:
        return len(self._rules)

    def judge(self, utterance: str) -> Urgency:
        """Return how pressing one utterance of the citizen makes the matter."""
        dangers = self.dangers(utterance)
        best = max(dangers, key=lambda danger: danger.rank, default=CALM)
        return self._unhurt(best, utterance) or best

    def dangers(self, utterance: str) -> list[Urgency]:
        """Return all that one utterance tells of, by rule."""
        while utterance and self._guards.asks(utterance):
            utterance = self._guards.turned(utterance)
        found: list[Urgency] = []
        named = False
        for rule in self._rules:
            danger, matched = self._judge(rule, utterance)
            named = named or matched
            if danger is not None:
                found.append(danger)
        if not named and all(danger.rank <= MINOR for danger in found):
            sounding = self._sounding(utterance)
            found += [sounding] if sounding else []
        return found

    def called(self, utterance: str) -> str | None:
        """Return the partner whom the citizen asks to be sent (快叫警察来), or None."""
        asked = (name for name, wish in self._called.items() if wish.search(utterance))
        return next(asked, None)

    def is_grave(self, utterance: str) -> bool:
        """Tell whether something is said after which nothing in the talk is lowered."""
        return self._guards.is_grave(utterance)

    def _sounding(self, utterance: str) -> Urgency | None:
        """Judge what no rule has words for by its likeness to examples of danger."""
        if self._alike is None or self._guards.is_over(utterance) or self._only_ends(utterance):
            return None
        heard = alike.shipped().sounds(utterance)
        if heard is None or heard.margin < self._alike:
            return None
        return Urgency("紧急", _SOUNDS, heard.partner, utterance, heard.category)

    def _only_ends(self, utterance: str) -> bool:
        """Tell whether an utterance says nothing but that some danger is over."""
        return any(self._guards.ends(words, utterance) for words in self._endings.values())

    def eased(self, known: Urgency, utterance: str) -> Urgency | None:
        """Return what is left of a danger after an utterance that ends it, or None.

        Each rule has its own words of ending (``lifted``); most have none: nobody who wanted to
        jump, drew a knife or lost consciousness is safe because somebody says so. 火已经灭了
        leaves the old reason, to be confirmed, and proposes the partner still; 没有人受伤 leaves an
        accident of cars alone.
        """
        words = self._guards.ends(self._endings.get(known.reason, ()), utterance)
        if known.rank > MINOR and words:
            return replace(known, level="一般", reason=f"{known.reason}{LIFTED}", words=words)
        return self._unhurt(known, utterance)

    def _unhurt(self, known: Urgency, utterance: str) -> Urgency | None:
        """Return an accident of cars alone, which 122 still takes, where nobody was hurt."""
        words = self._guards.unhurt(utterance)
        if known.level == "紧急" and known.transfer == _TRAFFIC_POLICE and words:
            return replace(known, level="一般", reason=f"{known.reason}{_UNHURT}", words=words)
        return None

    def _judge(self, rule: _Rule, utterance: str) -> tuple[Urgency | None, bool]:
        """Return what a rule makes of an utterance, and whether its words of danger are in it."""
        if any(p.search(utterance) for p in rule.none) or not all(
            p.search(utterance) for p in rule.all
        ):
            return None, False
        told: Urgency | None = None
        matched = False
        for pattern in rule.any:
            for match in pattern.finditer(utterance):
                found = Urgency(rule.level, rule.reason, rule.transfer, match[0], rule.category)
                if rule.level == "一般":
                    return found, False
                matched = True
                match self._guards.reading(utterance, match.start(), match.end()):
                    case Reading.HAPPENING:
                        return found, True
                    case Reading.HEARSAY:
                        told = replace(
                            found, level="一般", reason=rule.reason + _HEARSAY, transfer=None
                        )
        return told, matched


def judge(utterance: str) -> Urgency:
    """Judge an utterance by the rules that ship with the product."""
    return shipped_rules().judge(utterance)


@cache
def shipped_rules() -> UrgencyRules:
    """Return the rules that ship with the product."""
    return UrgencyRules(rules.load("urgency"), "urgency.toml")


def read_rules(path: Path) -> UrgencyRules:
    """Read a city's own rules, in the form of ``tickets/data/urgency.toml``.

    Guards and words that the file leaves out are the shipped ones.

    Raises:
        BadRules: the file holds none.
        OSError: it cannot be read.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRules(f"{path}: {error}") from error
    return UrgencyRules(data, str(path))


def _rule(where: str, rule: Any, words: Mapping[str, str]) -> _Rule:
    if not isinstance(rule, dict):
        raise BadRules(f"{where}: must be a table")
    if unknown := set(rule) - _KEYS:
        raise BadRules(f"{where}: unknown {', '.join(sorted(unknown))}")
    choices = {"level": URGENCIES[1:], "kind": KINDS, "transfer": (None, *PARTNERS)}
    for key, allowed in choices.items():
        if rule.get(key) not in allowed:
            names = ", ".join(filter(None, allowed))
            raise BadRules(f"{where}: {key} is one of {names}; not {rule.get(key)!r}")
    for key in ("reason", "category"):
        value = rule.get(key)
        if not (isinstance(value, str) and value.strip()) and not (
            key == "category" and value is None
        ):
            raise BadRules(f"{where}: {key} must be text, not {value!r}")
    if not rule.get("any"):
        raise BadRules(f"{where}: any must name at least one expression")
    expressions = {
        key: _expressions(f"{where}: {key}", rule.get(key, []), words) for key in _EXPRESSIONS
    }
    return _Rule(
        rule["level"],
        f"{rule['kind']}：{rule['reason']}",
        rule.get("transfer"),
        rule.get("category"),
        expressions["any"],
        expressions["all"],
        expressions["not"],
        expressions["lifted"],
    )


def _expressions(where: str, value: Any, words: Mapping[str, str]) -> tuple[re.Pattern[str], ...]:
    if not isinstance(value, list):
        raise BadRules(f"{where} must be a list of regular expressions")
    return tuple(_compiled(where, expression, words) for expression in value)


def _compiled(where: str, expression: Any, words: Mapping[str, str]) -> re.Pattern[str]:
    if not isinstance(expression, str):
        raise BadRules(f"{where}: {expression!r} is not text")
    for name, meaning in words.items():
        expression = expression.replace(f"{{{name}}}", meaning)
    try:
        return re.compile(expression)
    except re.error as error:
        raise BadRules(f"{where}: {expression!r}: {error}") from error
