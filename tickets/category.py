"""What a matter is about: weighted words per category, or a model trained on a city's tickets.

Words are half of the evidence; likeness to the category's examples (``tickets.examples``) is the
other half: ``score = (1 + weight of words) * exp(_LIKENESS * likeness beyond the average)``. A
category's share of all scores is how sure it is.

An entry such as ``停水=4`` weighs 4 (3 where nothing is said); ``欠&工资`` needs both words, near
one another, in either order.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations
from typing import Protocol

from tickets.examples import Examples
from tickets.examples import shipped as shipped_examples
from tickets.tree import OTHER, SHIPPED, CategoryTree

_OTHER_HITS = 0.4
"""How much a topic's further words count beside its best one."""
_DENIED = re.compile(
    r"(?:没有人|没人|不是)(?:打架|着火|受伤|闹事|吵架|赌博|偷|抢|骗)"
    r"|打(?:到|给)?(?:我|他|她)(?:这个|那个|上面|另外|一个|的)*(?:电话|手机|号码)"
    r"|(?:替|帮|代)(?:我|我们|一个|我的)*(?:隔壁|楼下|楼上|对门|村里)?(?:的)?(?:邻居|朋友|同事|亲戚)[^，]{0,2}问"
    r"|打(?:到|给)?(?:我|他|她)(?:家里?|老公|老婆|爱人|儿子|女儿|爸|妈)的?(?:电话|号码)"
)
"""What counts for no category: what was denied, and how the citizen is reached."""
_WHERE = re.compile(
    r"(?:学校|小学|中学|幼儿园|医院|超市|商场|菜场|菜市场|银行|小区|公园|酒店|饭店|宾馆|车站|地铁站|公交站|派出所|村委会|居委会)"
    r"(?:的?大?门口?|旁边?|边上|附近|对面|后面|隔壁|周边|周围|外面)"
    r"(?!口|的?(?:保安|门卫|号贩|快递柜))"
)
"""A place that only tells where: 学校门口装一个减速带 is about the road."""
_GAP = r"[^。！？]{0,14}?"
"""Between the words of an entry such as 欠&工资."""
_HINT = 8.0
_UNSURE = 0.2
_LIKENESS = 15.0
"""What likeness (a cosine) is worth, as the exponent of a factor to what words weigh."""
_TALK = 6
"""Characters that it takes to sound like a matter."""
_ALIKE = 0.07
"""Below this likeness a text without any known word is about nothing that we know."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A category, its second level, how well it fits, and the words that said so.

    ``confidence`` (0 to 1) is set of the best one only.
    """

    category: str
    topic: str
    score: float
    words: tuple[str, ...]
    confidence: float = 0.0


class Classifier(Protocol):
    """Ranks categories for a text, best first; a trained model can stand in for the rules."""

    def __call__(self, text: str, hint: str | None = None) -> list[Ranked]:
        """Return every category that fits at all."""


@dataclass(frozen=True, slots=True)
class _Keyword:
    parts: tuple[str, ...]
    weight: float
    shown: str
    near: re.Pattern[str] | None

    def is_in(self, text: str) -> bool:
        """Tell whether the text has every part, near one another."""
        for part in self.parts:  # a loop: this runs a thousand times for each utterance
            if part not in text:
                return False
        return self.near is None or self.near.search(text) is not None


class RuleClassifier:
    """Ranks the categories of a tree by the words in a text, and by examples of how people talk.

    Args:
        tree: the categories and their words.
        examples: what people say of categories; those that the tree lacks count for nothing.
    """

    def __init__(self, tree: CategoryTree = SHIPPED, examples: Examples | None = None) -> None:
        self._keywords = _compiled(tree)
        self._examples = examples or shipped_examples()

    def __call__(self, text: str, hint: str | None = None) -> list[Ranked]:
        """Rank the categories whose words are in the text, best first; 其他 when none is.

        Args:
            text: what was said.
            hint: the category that an emergency points to: 往下跳 says more than 屋顶.
        """
        text = _DENIED.sub("", text)
        ranked = self._ranked(_WHERE.sub("", text), hint)
        return self._ranked(text, hint) if ranked[0].category == OTHER else ranked

    def _ranked(self, text: str, hint: str | None) -> list[Ranked]:
        ranked = [
            best
            for category, topics in self._keywords.items()
            if (best := _rank(text, category, topics)) is not None
        ]
        if hint is not None and hint in self._keywords:
            known = next((r for r in ranked if r.category == hint), Ranked(hint, "", 0.0, ()))
            ranked = [r for r in ranked if r.category != hint]
            ranked.append(replace(known, score=known.score + _HINT))
        alikes = self._examples.likeness(text).items()
        likeness = {name: alike for name, alike in alikes if name in self._keywords}
        alike = max(likeness.values(), default=0.0)
        if not ranked and (alike < _ALIKE or len(text) < _TALK):
            return [Ranked(OTHER, "", 0.0, (), _UNSURE)]
        ranked = self._weighed(ranked, likeness)
        # sort() is stable: between equals the file's order decides.
        ranked.sort(key=lambda candidate: -candidate.score)
        share = ranked[0].score / sum(candidate.score for candidate in ranked)
        ranked[0] = replace(ranked[0], confidence=round(share, 2))
        return ranked

    def _weighed(self, ranked: list[Ranked], likeness: Mapping[str, float]) -> list[Ranked]:
        """Join what the words weigh with the likeness to examples beyond the average one."""
        known = {candidate.category: candidate for candidate in ranked}
        average = sum(likeness.values()) / (len(likeness) or 1)
        weighed = []
        for name in self._keywords:
            candidate = known.get(name, Ranked(name, "", 0.0, ()))
            factor = math.exp(_LIKENESS * (likeness.get(name, average) - average))
            weighed.append(replace(candidate, score=(1 + candidate.score) * factor))
        return weighed


_Keywords = Mapping[str, Mapping[str, tuple["_Keyword", ...]]]


@cache
def shipped() -> RuleClassifier:
    """Return the rules that ship with the product."""
    return RuleClassifier()


def classify(text: str, hint: str | None = None) -> list[Ranked]:
    """Rank the categories of the shipped tree (see ``RuleClassifier``)."""
    return shipped()(text, hint)


def _compiled(tree: CategoryTree) -> _Keywords:
    return {
        category: {topic: tuple(map(_keyword, words)) for topic, words in topics.items()}
        for category, topics in tree.topics.items()
    }


def _keyword(entry: str) -> _Keyword:
    words, _, weight = entry.partition("=")
    parts = tuple(words.split("&"))
    orders = (_GAP.join(map(re.escape, order)) for order in permutations(parts))
    near = re.compile("|".join(orders)) if len(parts) > 1 else None
    return _Keyword(parts, float(weight or 3), words.replace("&", "…"), near)


def _rank(text: str, category: str, topics: Mapping[str, tuple[_Keyword, ...]]) -> Ranked | None:
    best: Ranked | None = None
    total = 0.0
    for topic, keywords in topics.items():
        hits = [k for k in keywords if k.is_in(text)]
        if not hits:
            continue
        hits.sort(key=lambda keyword: -keyword.weight)
        rest = _distinct(hits)
        score = hits[0].weight + _OTHER_HITS * sum(k.weight for k in rest)
        total += score
        if best is None or score > best.score:
            best = Ranked(category, topic, score, tuple(k.shown for k in hits))
    if best is None:
        return None
    # A category's other topics support its best one.
    score = best.score + _OTHER_HITS * (total - best.score)
    return Ranked(category, best.topic, score, best.words)


def _distinct(hits: list[_Keyword]) -> list[_Keyword]:
    """Return the hits after the first that are not said again by a better one (停水, 水)."""
    kept = hits[:1]
    for hit in hits[1:]:
        if not any(part in o.shown or o.shown in part for o in kept for part in hit.parts):
            kept.append(hit)
    return kept[1:]
