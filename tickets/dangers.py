"""The dangers of one talk: which were told, and which of them the citizen ended himself.

A danger is lowered only by its own words of ending, in an utterance that says nothing else
(火已经灭了不用来了), and only where nothing grave was said in the whole talk. Whatever is doubtful
leaves it as it is: people may be sent once too often, never once too seldom.
"""

from dataclasses import replace

from tickets.urgency import CALM, Urgency, UrgencyRules


class Dangers:
    """Keeps every danger that was told, so that the end of one leaves the others.

    Args:
        rules: tell what cannot wait and how it ends.
    """

    def __init__(self, rules: UrgencyRules) -> None:
        self._rules = rules
        self._told: dict[str | None, Urgency] = {}
        self._eased: dict[str | None, Urgency] = {}
        self._grave = False
        self._called: str | None = None

    def hear(self, utterance: str) -> None:
        """Take in what the citizen said."""
        self.affirmed(utterance)
        self._called = self._rules.called(utterance) or self._called
        for reason, danger in self._told.items():
            eased = self._rules.eased(danger, utterance)
            if eased is not None:
                self._eased[reason] = eased

    def affirmed(self, told: str) -> None:
        """Take in what may raise the urgency alone: a 是 to 火灭了吗 may begin 是这样的."""
        self._grave = self._grave or self._rules.is_grave(told)
        for danger in self._rules.dangers(told):
            self._told.setdefault(danger.reason, danger)
            self._eased.pop(danger.reason, None)  # told again

    @property
    def worst(self) -> Urgency:
        """Return the most pressing danger, the first told of several; ``CALM`` without any.

        Where no rule says whose it is, it is the partner's whom the citizen asks for.
        """
        eased = {} if self._grave else self._eased
        left = [eased.get(reason, danger) for reason, danger in self._told.items()]
        worst = max(left, key=lambda danger: danger.rank, default=CALM)
        if self._called and worst.is_open:
            return replace(worst, transfer=self._called, category=None)
        return worst
