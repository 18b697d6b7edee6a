"""How much a text resembles what people say of each category and type, by common characters.

Rules know the words that somebody thought of; examples (``examples.toml`` and ``matters.toml`` of
``tickets/data``) also know the ways in which people talk around them. Each category is the mean of
its examples, each example the TF-IDF vector of its characters and their neighbours: nothing to
train; each set is ready in one or two tenths of a second.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cache

from tickets import rules

_TOPIC_LENGTHS = (1, 2)
"""Characters of the pieces that tell what a text is about."""
_INTENT_LENGTHS = (2, 3)
"""Longer ones tell what somebody wants: 能不能来, 怎么办理."""


class Examples:
    """Compares texts with the examples of each category.

    Args:
        said: category → what people said.
        lengths: how many characters the pieces have that are compared.
    """

    def __init__(
        self, said: Mapping[str, Iterable[str]], lengths: tuple[int, ...] = _TOPIC_LENGTHS
    ) -> None:
        self._lengths = lengths
        documents = [
            (name, _grams(text, lengths)) for name, texts in said.items() for text in texts
        ]
        often = Counter(gram for _, grams in documents for gram in grams)
        self._rarity = {
            gram: math.log((1 + len(documents)) / (1 + count)) + 1 for gram, count in often.items()
        }
        sums: dict[str, dict[str, float]] = {name: defaultdict(float) for name in said}
        for name, grams in documents:
            length = self._length(grams)
            for gram in grams:
                sums[name][gram] += self._rarity[gram] / length
        self._names = tuple(said)
        self._weights: dict[str, list[tuple[str, float]]] = defaultdict(list)
        for name, weights in sums.items():
            length = math.sqrt(sum(weight**2 for weight in weights.values())) or 1.0
            for gram, weight in weights.items():
                self._weights[gram].append((name, weight / length))

    def likeness(self, text: str) -> dict[str, float]:
        """Return how much a text is like each category's examples, 0 to 1 (a cosine)."""
        grams = [gram for gram in _grams(text, self._lengths) if gram in self._rarity]
        found = dict.fromkeys(self._names, 0.0)
        length = self._length(grams) or 1.0
        for gram in grams:
            share = self._rarity[gram] / length
            for name, weight in self._weights[gram]:
                found[name] += share * weight
        return found

    def _length(self, grams: Iterable[str]) -> float:
        return math.sqrt(sum(self._rarity[gram] ** 2 for gram in grams))


@cache
def shipped() -> Examples:
    """Return the examples of each category that ship with the product."""
    said = {name: list(of["said"]) for name, of in rules.load("examples").items()}
    for categories in rules.load("matters").values():
        for name, matters in categories.items():
            said.setdefault(name, []).extend(matters)
    return Examples(said)


@cache
def shipped_types() -> Examples:
    """Return the examples of each type of matter that ship with the product."""
    return Examples(
        {
            kind: [matter for matters in categories.values() for matter in matters]
            for kind, categories in rules.load("matters").items()
        },
        _INTENT_LENGTHS,
    )


def _grams(text: str, lengths: tuple[int, ...]) -> frozenset[str]:
    """Return the pieces of a text, over commas too."""
    letters = "".join(filter(str.isalnum, text))
    return frozenset(
        letters[start : start + length]
        for length in lengths
        for start in range(len(letters) - length + 1)
    )
