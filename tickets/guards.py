"""How a dangerous word is meant: as happening, or denied, feared, past, supposed, hearsay.

The expressions are data (``[guards]`` of ``tickets/data/urgency.toml``); which stretch of the
utterance each is looked for in is here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

_PAST_WINDOW = 16
_SUPPOSED_WINDOW = 20
_HEARSAY_WINDOW = 16
_STILL_WINDOW = 24


class Reading(Enum):
    """How a dangerous word is meant."""

    HAPPENING = "happening"
    HEARSAY = "hearsay"
    NOT = "not"


@dataclass(frozen=True, slots=True)
class Guards:
    """The compiled expressions, by name.

    ``denied`` and ``past`` end where the dangerous word begins, ``past_after`` begins where it
    ends, ``denied_within`` stands inside it; ``supposed`` may do so too (广告牌万一砸到人);
    ``yesterday`` is past unless ``still`` says that it goes on; ``settled`` and ``still_going`` say
    the same of the whole utterance; ``asked`` makes a question of the whole utterance, up to a
    ``turn``; ``closing`` may stand beside words that end a danger; ``unhurt`` and ``not_unhurt``
    are of accidents; ``grave`` is of the whole talk.
    """

    expressions: Mapping[str, re.Pattern[str]]

    def asks(self, utterance: str) -> bool:
        """Tell whether the whole utterance is a question about rules, or thanks."""
        return self.expressions["asked"].search(utterance) is not None

    def turned(self, utterance: str) -> str:
        """Return what a question or thanks turn to: 我家着火了 of 感谢你们，对了我家着火了.

        Empty when the whole utterance is a question or thanks.
        """
        asked = self.expressions["asked"].search(utterance)
        turn = self.expressions["turn"].search(utterance, asked.start() if asked else 0)
        if turn is None or not turn[0]:
            return ""
        start = turn.end() if turn[0][-1] in "，。" else turn.start()
        return utterance[start:] if start else ""

    def ends(self, endings: Sequence[re.Pattern[str]], utterance: str) -> str | None:
        """Return the words of ending, where the utterance has each of ``endings`` and nothing else.

        Beside them only ``closing`` may be said (不用来了谢谢): what is not known to be harmless
        leaves the danger as it is (找到了在水里).
        """
        found = [match for ending in endings if (match := ending.search(utterance))]
        if not found or len(found) < len(endings):
            return None
        rest = utterance
        for expression in (*endings, self.expressions["closing"]):
            rest = expression.sub("，", rest)
        return None if rest.strip("，。！、 ") else found[0][0]

    def is_grave(self, utterance: str) -> bool:
        """Tell whether something is said after which nothing in the talk is lowered."""
        return self._has("grave", utterance)

    def unhurt(self, utterance: str) -> str | None:
        """Return the words that say nobody was hurt on either side, or None."""
        match = self.expressions["unhurt"].search(utterance)
        doubtful = self._has("not_unhurt", utterance) or self.is_grave(utterance)
        return match[0] if match and not doubtful else None

    def reading(self, utterance: str, start: int, end: int) -> Reading:
        """Tell how ``utterance[start:end]`` is meant."""
        before, after = utterance[:start], utterance[end:]
        near = before[-_PAST_WINDOW:]
        if (
            self._has("denied", before)
            or self._is_settled(utterance)
            or self._has("denied_within", utterance[start:end])
            or self._has("past", near)
            or self.expressions["past_after"].match(after)
            or self._is_supposed(utterance, start, end)
        ):
            return Reading.NOT
        goes_on = self._has("still", utterance[max(0, start - _STILL_WINDOW) : end + _STILL_WINDOW])
        if self._has("yesterday", near) and not goes_on:
            return Reading.NOT
        if self._has("hearsay", before[-_HEARSAY_WINDOW:]) and not goes_on:
            return Reading.HEARSAY
        return Reading.HAPPENING

    def is_over(self, utterance: str) -> bool:
        """Tell whether an utterance speaks of what is past, supposed or of hearsay."""
        return (
            self._is_settled(utterance)
            or any(self._has(name, utterance) for name in ("past", "supposed", "hearsay"))
            or (self._has("yesterday", utterance) and not self._has("still", utterance))
        )

    def _is_settled(self, utterance: str) -> bool:
        """Tell whether the citizen says that it is over (已经报过警了), and not that it goes on."""
        return self._has("settled", utterance) and not self._has("still_going", utterance)

    def _is_supposed(self, utterance: str, start: int, end: int) -> bool:
        """Tell whether a word such as 万一 rules over the dangerous one.

        Its rule ends at a comma, and at a word such as 现在 that leads back to what is.
        """
        stretch = utterance[max(0, start - _SUPPOSED_WINDOW) : end]
        last = None
        for last in self.expressions["supposed"].finditer(stretch):  # noqa: B007 -- the last one
            pass
        if last is None:
            return False
        ruled = stretch[last.end() :]
        return not self._has("still", ruled) and not re.search(r"[，。！？]", ruled)

    def _has(self, name: str, text: str) -> bool:
        return self.expressions[name].search(text) is not None
