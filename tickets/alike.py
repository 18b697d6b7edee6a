"""Danger that no rule has words for, told by its likeness to examples of danger.

他躺在那里身子都凉了 has none of the words that rules name. An utterance that is clearly more like
examples of danger than like calm ones (``tickets/data/dangers.toml``, and whatever people complain,
ask and suggest of in ``matters.toml``) sounds pressing; the most alike partner takes it.
"""

from dataclasses import dataclass
from functools import cache

from tickets import rules
from tickets.examples import Examples
from tickets.fields import PARTNERS
from tickets.lexicon import cut

_LENGTHS = (1, 2, 3)
_CALM = "calm"
_CRIES_FOR_HELP = "求助"
"""The type whose matters may be urgent; of all others the examples are calm."""
_SHORTEST = 10
"""Characters that it takes to sound like anything."""
_NO_NEWS = frozenset(("没有", "就是", *"是在有叫姓住到去来说没好对大小老新"))
"""Verbs and adjectives that a mere name or address has too."""


@dataclass(frozen=True, slots=True)
class Alike:
    """How an utterance sounds.

    Attributes:
        margin: by how much it is more like danger than like what is calm (cosines).
        partner: whose examples it resembles most.
        category: what that partner's matters are about.
    """

    margin: float
    partner: str
    category: str


class DangerExamples:
    """Compares utterances with examples of danger."""

    def __init__(self) -> None:
        shipped = rules.load("dangers")
        said = {name: list(of["said"]) for name, of in shipped.items()}
        calm = said.pop(_CALM)
        for kind, categories in rules.load("matters").items():
            if kind != _CRIES_FOR_HELP:
                calm += [matter for matters in categories.values() for matter in matters]
        dangers = [matter for matters in said.values() for matter in matters]
        self._danger = Examples({"danger": dangers, _CALM: calm}, _LENGTHS)
        self._partner = Examples({name: said[name] for name in PARTNERS}, _LENGTHS)
        self._categories = {name: str(shipped[name]["category"]) for name in PARTNERS}

    def sounds(self, utterance: str) -> Alike | None:
        """Tell how an utterance sounds; None of one too short to tell."""
        if len(utterance) < _SHORTEST or not _tells_something(utterance):
            return None
        alike = self._danger.likeness(utterance)
        partners = self._partner.likeness(utterance)
        partner = max(partners, key=lambda name: partners[name])
        margin = alike["danger"] - alike[_CALM]
        return Alike(margin, partner, self._categories[partner])


def _tells_something(utterance: str) -> bool:
    """Tell whether something happens or is somehow: 在张家浜红旗桥下面 is only a place."""
    return any(word.kind[0] in "va" and word.text not in _NO_NEWS for word in cut(utterance))


@cache
def shipped() -> DangerExamples:
    """Return the examples that ship with the product."""
    return DangerExamples()
